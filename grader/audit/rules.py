"""The rules by which a topic proves itself: one function each, ending in a next step.

What is read from the text of the course is read here; what must run, runs as a candidate through the ordinary engine,
several at a time (grader.audit.candidates). Only what a report does not tell, the comparisons that a check makes, is
watched in this process, where the reference is the author's own code.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from tqdm import tqdm

from grader.audit.candidates import Candidate, Graded, grade_candidates, misconceptions_text, with_misconception
from grader.audit.comparisons import Comparisons, watch
from grader.audit.equivalents import Equivalent, load_equivalents
from grader.audit.mutants import Mutant, mutants
from grader.checks import Misconception
from grader.course import Course, Topic
from grader.course.stubs import derive_stub
from grader.grading.engine import Engine
from grader.jobs import Plan
from grader.judge import process
from grader.judge.bench import Bench
from grader.judge.diagnosis import TRANSFORMS
from grader.judge.explain import Explainer
from grader.judge.items import check_of
from grader.judge.loading import load_misconceptions
from grader.results import Verdict

LOSES = "# loses:"
THIN = 10.0  # a right answer should lie this many times inside its tolerance
MOST_EQUIVALENT = 0.08  # of a topic's mutants
LEAST_KILLED = 0.98  # of the others
SLOWER = 10.0  # a mutant may use this many times the reference's CPU time
LEAST_CPU = 0.2  # seconds; a clock that ticks is no judge of less
BATCH = 24  # mutants that are tried at once against a check that nothing has failed yet


@dataclass(frozen=True)
class Complaint:
    """A broken rule: what was found, where, and what to do next."""

    rule: str
    where: str
    problem: str
    help: str


@dataclass
class Kills:
    """The kill matrix of a topic: which misconceptions and mutants fail which check.

    A check is proven only by a kill that its own demand made: what crashes fails even a check that asserts nothing.
    """

    misconceptions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    mutants: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    proven: set[str] = field(default_factory=set)

    def add(self, matrix: dict[str, list[str]], graded: Graded, label: str, meant_for: str = "") -> None:
        for name in graded.lost:
            matrix[name].append(label)
            if graded.checks[name].verdict is Verdict.WRONG or name == meant_for:
                self.proven.add(name)


@dataclass(frozen=True)
class MutantTally:
    """How a run over mutants ended."""

    made: int
    killed: int
    listed: int  # as equivalent
    survivors: tuple[Mutant, ...]

    @property
    def share(self) -> float:
        """The killed share of those that are not listed as equivalent."""
        return self.killed / max(1, self.made - self.listed)


class _KeepItems:
    """Takes the collected checks and leaves them unrun."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.bench.adopt(session.items)
        return True


def collect(course: Course, topics: list[str]) -> Explainer:
    """The collected checks of these topics, in this process, and what can be said of them."""
    bench = Bench(course)
    for path in (path for topic in topics for _, path in course.check_files(topic)):
        # pytest takes a module it has by that name, even another course's or an older text
        sys.modules.pop(f"tests.{path.parent.name}.{path.stem}", None)
    process.collect(bench, topics, _KeepItems(bench))
    return Explainer(bench)


class TopicAudit:
    """The rules, for one topic; with `only`, what concerns one check."""

    def __init__(self, explainer: Explainer, topic: Topic, engine: Engine, only: str = "") -> None:
        self.explainer, self.bench = explainer, explainer.bench
        self.topic, self.engine = topic, engine
        self.course = self.bench.course
        self.items = [i for i in self.bench.items.get(topic.name, []) if only in ("", i.name)]
        self.names = [i.name for i in self.items]
        self.only = tuple(self.names) if only else ()
        self.reference = self.source("solutions", f"{topic.name}.py")
        self.misconceptions = load_misconceptions(self.course, topic.name)
        self.kills = Kills()
        self.undiagnosed: list[str] = []
        self.tally: MutantTally | None = None

    def complaints(self, with_mutants: int = 0) -> Iterator[Complaint]:
        """Every broken rule; `with_mutants` N tries one mutant in N too, 1 all of them."""
        if self.topic.name in self.bench.broken:
            yield self.complaint("collects", "", self.bench.broken[self.topic.name], "mend the import or the check")
            return
        for rule in ONE_CHECK_RULES if self.only else RULES:
            yield from rule(self)
        if with_mutants:
            yield from self.mutants_die(with_mutants)
        yield from self.checks_kill()

    # tools

    def source(self, *parts: str) -> str:
        return self.course.path(*parts).read_text(encoding="utf-8")

    def complaint(self, rule: str, where: str, problem: str, help: str) -> Complaint:
        return Complaint(rule, f"{self.topic.name}{'::' if where else ''}{where}", problem, help)

    def candidate(self, name: str, source: str, **plan: Any) -> Candidate:
        return Candidate(name, self.topic, source, Plan(**{"only": self.only, **plan}))

    def grade(self, candidates: Iterable[Candidate]) -> dict[str, Graded]:
        """By name of candidate, in the order given."""
        asked = list(candidates)
        landing = grade_candidates(asked, self.engine) if asked else iter(())
        bar = tqdm(landing, self.topic.name, len(asked), leave=False, file=sys.stderr, disable=None)
        landed = {g.candidate.name: g for g in bar}
        return {c.name: landed[c.name] for c in asked}

    def function_of(self, name: str) -> str:
        item = next((i for i in self.items if i.name == name), None)
        check = check_of(item) if item else None
        return check.function if check else ""

    @cached_property
    def mutants(self) -> list[Mutant]:
        return mutants(self.reference)

    @cached_property
    def variants(self) -> dict[str, str]:
        paths = sorted(self.course.path("tests", "hidden", "variants").glob(f"{self.topic.name}_*.py"))
        own = [p for p in paths if longest_topic(p.stem, self.course) == self.topic.name]
        return {p.stem: p.read_text(encoding="utf-8") for p in own}

    @cached_property
    def right(self) -> dict[str, Graded]:
        """What ought to earn its marks: the reference, again, backwards, and every variant."""
        made = [self.candidate("reference", self.reference), self.candidate("again", self.reference)]
        made.append(self.candidate("backwards", self.reference, backwards=True))
        made += [self.candidate(name, source) for name, source in self.variants.items()]
        return self.grade(made)

    @cached_property
    def watched(self) -> dict[str, Comparisons]:
        """What each check compares, in order."""
        return watch(self.bench, self.topic, self.reference, self.items)

    # rules about texts

    def points_add_up(self) -> Iterator[Complaint]:
        """The points of public and hidden checks add up to 100."""
        total = sum(check.points for item in self.items if (check := check_of(item)))
        if total != 100:
            yield self.complaint("points", "", f"the points add up to {total:g}", "make them 100")

    def functions_exist(self) -> Iterator[Complaint]:
        """Each check grades a name of the solution."""
        names = public_names(self.reference)
        for item in self.items:
            function = self.function_of(item.name)
            if function not in names:
                problem = f"it grades '{function}', which the solution lacks"
                yield self.complaint("functions", item.name, problem, "mend the name")

    def every_check_is_collected(self) -> Iterator[Complaint]:
        """What bears `@check` in the check files is run: not shadowed by a namesake, nested, or named otherwise."""
        for _, path in self.course.check_files(self.topic.name):
            marked = Counter(marked_checks(ast.parse(path.read_text(encoding="utf-8"))))
            for name, count in marked.items():
                if name not in self.names:
                    problem = f"it is marked as a check in {path.name}, but never collected"
                    help = "name it test_..., at the top level of the file"
                    yield self.complaint("collected", name, problem, help)
                elif count > 1:
                    problem = f"{count} checks of {path.name} bear this name; only the last is run"
                    yield self.complaint("collected", name, problem, "give each its own name")

    def stub_matches(self) -> Iterator[Complaint]:
        """The stub is what the solution derives; both have the same public names, signatures and docstrings."""
        text = self.source("exercises", f"{self.topic.name}.py")
        if text != derive_stub(self.reference):
            yield self.complaint("stub", "", "the stub is not what the solution derives", "run: make stubs")
        stub, solution = public_names(text), public_names(self.reference)
        for name in sorted(stub.keys() | solution.keys()):
            if stub.get(name) != solution.get(name):
                yield self.complaint("names", name, "stub and solution differ here", "run: make stubs")

    # rules about right work

    def reference_passes(self) -> Iterator[Complaint]:
        """The reference passes every check."""
        for name, check in self.right["reference"].checks.items():
            if check.verdict is not Verdict.PASS:
                problem = f"the reference ends {check.verdict}: {check.message}"
                yield self.complaint("reference", name, problem, "mend one of the two")

    def runs_repeat(self) -> Iterator[Complaint]:
        """Two runs, and one with the checks in reverse order, end alike."""
        first = self.right["reference"].checks
        for run, words in (("again", "a second run"), ("backwards", "a run in reverse order")):
            for name, check in self.right[run].checks.items():
                if check.verdict is not first[name].verdict:
                    problem = f"the reference ends {first[name].verdict}, but {check.verdict} in {words}"
                    help = "let it depend on its own rng and on nothing that another check leaves behind"
                    yield self.complaint("order", name, problem, help)

    def comparisons_repeat(self) -> Iterator[Complaint]:
        """In reverse order a check compares the same values: what it draws depends on nothing that was run before."""
        backward = watch(self.bench, self.topic, self.reference, reversed(self.items))
        for name, forward in self.watched.items():
            if forward.digest() != backward[name].digest():
                problem = "it compares other values when the checks run in reverse order"
                help = "draw from the rng it is given alone; keep no state between checks"
                yield self.complaint("order", name, problem, help)

    def tolerances_are_tight(self) -> Iterator[Complaint]:
        """A tolerance that lets a result rounded through float32 pass says why it must."""
        for name, watched in self.watched.items():
            worst = max(watched.loose(), default=None)
            if worst is not None:
                problem = f"'{worst[1]}' may be off by {worst[0]:.1g} of its size"
                help = 'tighten it, or say why: assert_close(..., wide="...")'
                yield self.complaint("tolerance", name, problem, help)

    def oracles_are_independent(self) -> Iterator[Complaint]:
        """No check takes its expected value from the reference's own version of what it grades."""
        for name, watched in self.watched.items():
            if self.function_of(name) in watched.asked:
                problem = f"it compares {self.function_of(name)} with the reference alone"
                help = "compute the expected value another way: torch, brute force, an invariant"
                yield self.complaint("oracle", name, problem, help)

    def variants_earn(self) -> Iterator[Complaint]:
        """Each correct variant passes, but for the cost checks that its first line names."""
        for variant, source in self.variants.items():
            lost, stated = set(self.right[variant].lost), stated_losses(source)
            for name in sorted((lost ^ stated) & set(self.names) if self.only else lost ^ stated):
                verb = "loses" if name in lost else "is said to lose"
                message = self.right[variant].checks[name].message if name in lost else ""
                problem = f"the variant {variant} {verb} it{': ' if message else ''}{message}"
                yield self.complaint("variants", name, problem, "mend the check, or the first line")

    def smallest_margin(self, name: str) -> float | None:
        """How far inside its tolerance the closest right answer was; None where it was exact or nothing is known."""
        known = [g.margins[name] for g in self.right.values() if name in g.margins and name not in g.lost]
        return min((m for m in known if m < sys.float_info.max), default=None)

    def margins_are_wide(self) -> Iterator[Complaint]:
        """Right answers lie well inside the tolerance, so that another machine's rounding fails nobody."""
        thin: dict[str, tuple[float, str]] = {}
        for graded in self.right.values():
            for name, margin in graded.margins.items():
                if name not in graded.lost and margin < min(THIN, thin.get(name, (THIN, ""))[0]):
                    thin[name] = margin, graded.candidate.name
        for name, (margin, who) in thin.items():
            problem = f"{who} is only {margin:.1f} times inside the tolerance"
            help = 'widen it; if the width is settled: assert_close(..., wide="why")'
            yield self.complaint("margins", name, problem, help)

    def stub_is_missing(self) -> Iterator[Complaint]:
        """The untouched stub fails every check by NotImplementedError."""
        stub = self.source("exercises", f"{self.topic.name}.py")
        (graded,) = self.grade([self.candidate("stub", stub)]).values()
        for name, check in graded.checks.items():
            if check.verdict is not Verdict.MISSING:
                problem = f"the stub ends {check.verdict}, not missing"
                yield self.complaint("stub", name, problem, "call what it judges first")

    # rules about wrong work

    def misconceptions_die(self) -> Iterator[Complaint]:
        """Each misconception fails the check meant for it, where it is recognised as itself or a listed twin."""
        known = {i.name for i in self.bench.items.get(self.topic.name, [])}
        text, made = misconceptions_text(self.course, self.topic.name), []
        for number, m in enumerate(self.misconceptions):
            if m.caught_by not in known:
                yield self.complaint("misconceptions", m.id, f"no check '{m.caught_by}'", "name its check")
            elif m.caught_by in self.names:
                source = with_misconception(self.reference, text, number)
                made.append(self._wrong(str(number), source, (m.caught_by,), diagnose=(m.caught_by,)))
        for name, graded in self.grade(made).items():
            m = self.misconceptions[int(name)]
            self.kills.add(self.kills.misconceptions, graded, m.id, m.caught_by)
            yield from self._judged(m, graded)

    def _judged(self, m: Misconception, graded: Graded) -> Iterator[Complaint]:
        check = graded.checks[m.caught_by]
        if check.verdict is Verdict.PASS:
            problem = f"it lets a misconception pass: {m.id}, {m.sentence}"
            yield self.complaint("misconceptions", m.caught_by, problem, "sharpen the check")
        elif check.diagnosis is None or check.diagnosis in TRANSFORMS:
            self.undiagnosed.append(m.id)
            problem = f"{m.id} is not recognised at {m.caught_by} ({check.message or check.verdict})"
            help = "list those that fail alike as twins, or let the check compare a value in which they differ"
            yield self.complaint("diagnosis", m.id, problem, help)
        elif check.diagnosis != m.id and check.diagnosis not in m.twins and check.advice != m.sentence:
            problem = f"it is taken for {check.diagnosis} at {m.caught_by}"
            yield self.complaint("diagnosis", m.id, problem, "list the two as twins, or sharpen the check")

    def _wrong(self, name: str, source: str, only: tuple[str, ...], **plan: Any) -> Candidate:
        return self.candidate(name, source, only=only, second_look=False, cpu_seconds=self._cpu, **plan)

    @cached_property
    def _cpu(self) -> dict[str, float]:
        """CPU limits for what may loop for ever: a multiple of what the reference uses."""
        checks = self.right["reference"].checks
        return {name: max(LEAST_CPU, SLOWER * c.seconds) for name, c in checks.items()}

    def checks_kill(self) -> Iterator[Complaint]:
        """No check is without a kill: some misconception or mutant fails it."""
        self._find_kills_by_misconceptions()
        self._find_kills_by_mutants()
        for name in self.names:
            if name not in self.kills.proven:
                problem = "it demands nothing: no misconception or mutant fails it but by crashing"
                yield self.complaint(
                    "kills",
                    name,
                    problem,
                    "assert a value or a property; or name it in the caught_by of a misconception",
                )

    def _unkilled(self, function: str) -> tuple[str, ...]:
        return tuple(n for n in self.names if n not in self.kills.proven and self.function_of(n) == function)

    def _find_kills_by_misconceptions(self) -> None:
        """For checks that are nobody's `caught_by`: whatever else is wrong with the function they grade."""
        text, made = misconceptions_text(self.course, self.topic.name), []
        for number, m in enumerate(self.misconceptions):
            only = self._unkilled(m.replaces)
            if only:
                made.append(self._wrong(str(number), with_misconception(self.reference, text, number), only))
        for name, graded in self.grade(made).items():
            self.kills.add(self.kills.misconceptions, graded, self.misconceptions[int(name)].id)

    def _find_kills_by_mutants(self) -> None:
        functions = sorted({self.function_of(n) for n in self.names if n not in self.kills.proven})
        for function in functions:
            of_unit = [m for m in self.mutants if m.unit == function.partition(".")[0]]
            others = [m for m in self.mutants if m.unit != function.partition(".")[0]]
            queue = of_unit + others
            while queue and self._unkilled(function):
                batch, queue = queue[:BATCH], queue[BATCH:]
                made = [self._wrong(m.label, m.source, self._unkilled(function)) for m in batch]
                for name, graded in self.grade(made).items():
                    self.kills.add(self.kills.mutants, graded, name)

    def mutants_die(self, parts: int = 1) -> Iterator[Complaint]:
        """Nearly every mutant of the reference loses points; the rest are equivalent, each listed with its reason."""
        listed = {e.key: e for e in load_equivalents(self.course, self.topic.name)}
        chosen = [m for m in self.mutants if m.in_sample(parts)]
        if self.only:
            units = {self.function_of(n).partition(".")[0] for n in self.names}
            chosen = [m for m in chosen if m.unit in units]
        made = {m.label: m for m in chosen}
        alive = [made[name] for name, graded in self._graded_mutants(chosen) if not graded.lost]
        self.tally = MutantTally(
            made=len(chosen),
            killed=len(chosen) - len(alive),
            listed=sum(m.key in listed for m in chosen),
            survivors=tuple(m for m in alive if m.key not in listed),
        )
        if not self.only:
            yield from self._about_equivalents(listed, alive, chosen)
            yield from self._about_survivors(parts)

    def _graded_mutants(self, chosen: list[Mutant]) -> Iterator[tuple[str, Graded]]:
        candidates = [self._wrong(m.label, m.source, self.only, first=m.unit, stop=not self.only) for m in chosen]
        for name, graded in self.grade(candidates).items():
            self.kills.add(self.kills.mutants, graded, name)
            yield name, graded

    def _about_equivalents(
        self, listed: dict[tuple[str, str, int], Equivalent], alive: list[Mutant], chosen: list[Mutant]
    ) -> Iterator[Complaint]:
        alive_keys, known = {m.key for m in alive}, {m.key for m in self.mutants}
        for key in listed:
            where = f"{key[0]}: {key[1]}" + (f" (place {key[2]})" if key[2] > 1 else "")
            if key not in known:
                yield self.complaint("equivalents", "", f"no such mutant: {where}", "strike it from the list")
            elif key in {m.key for m in chosen} and key not in alive_keys:
                problem = f"a check kills what is listed as equivalent: {where}"
                yield self.complaint("equivalents", "", problem, "strike it from the list")
        if len(listed) > max(1, MOST_EQUIVALENT * len(self.mutants)):
            problem = f"{len(listed)} of {len(self.mutants)} mutants are listed as equivalent"
            yield self.complaint("equivalents", "", problem, "kill some, or write the reference more plainly")

    def _about_survivors(self, parts: int) -> Iterator[Complaint]:
        """Of all mutants a few may survive; of a sample, which says little about shares, none."""
        assert self.tally is not None
        if self.tally.survivors and (parts > 1 or self.tally.share < LEAST_KILLED):
            for m in self.tally.survivors:
                place = f"solutions/{self.topic.name}.py:{m.line}"
                problem = f"no check kills the mutant {m.label} ({place})"
                help = "sharpen a check, or list it in tests/hidden/equivalents with its reason"
                yield self.complaint("mutants", m.where, problem, help)

    def fill_matrix(self) -> None:
        """Every misconception against every check: the slow part, for the eye of an author."""
        self.kills.misconceptions.clear()
        text = misconceptions_text(self.course, self.topic.name)
        made = [
            self._wrong(str(number), with_misconception(self.reference, text, number), self.only)
            for number in range(len(self.misconceptions))
        ]
        for name, graded in self.grade(made).items():
            self.kills.add(self.kills.misconceptions, graded, self.misconceptions[int(name)].id)


ONE_CHECK_RULES: tuple[Callable[[TopicAudit], Iterator[Complaint]], ...] = (
    TopicAudit.functions_exist,
    TopicAudit.reference_passes,
    TopicAudit.runs_repeat,
    TopicAudit.tolerances_are_tight,
    TopicAudit.oracles_are_independent,
    TopicAudit.stub_is_missing,
    TopicAudit.variants_earn,
    TopicAudit.margins_are_wide,
    TopicAudit.misconceptions_die,
)
RULES: tuple[Callable[[TopicAudit], Iterator[Complaint]], ...] = (
    TopicAudit.points_add_up,
    TopicAudit.every_check_is_collected,
    TopicAudit.stub_matches,
    TopicAudit.comparisons_repeat,
    *ONE_CHECK_RULES,
)


def stated_losses(source: str) -> set[str]:
    """The checks that a variant's first line says it loses."""
    first = source.split("\n", 1)[0]
    return {name.strip() for name in first.removeprefix(LOSES).split(",")} if first.startswith(LOSES) else set()


def longest_topic(stem: str, course: Course) -> str:
    """The topic that a file's name begins with; the longest where several do."""
    return max((t.name for t in course.topics if stem.startswith(t.name + "_")), key=len, default="")


def marked_checks(tree: ast.AST) -> Iterator[str]:
    """Names of the functions that bear `@check(...)`, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            calls = [d.func for d in node.decorator_list if isinstance(d, ast.Call)]
            if any(isinstance(f, ast.Name) and f.id == "check" for f in calls):
                yield node.name


def public_names(source: str) -> dict[str, str]:
    """{dotted name: signature and docstring} of the public functions, classes and methods of a module."""
    found: dict[str, str] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
            if node.name.startswith("_") and not node.name.startswith("__"):
                continue
            head = ast.unparse(node.args) if not isinstance(node, ast.ClassDef) else ""
            returns = ast.unparse(node.returns) if not isinstance(node, ast.ClassDef) and node.returns else ""
            found[prefix + node.name] = f"({head}) -> {returns}\n{ast.get_docstring(node)}"
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(source).body, "")
    return found
