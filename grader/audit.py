"""The course proves itself: every rule a topic must keep, one function each, ending in a next step.

Everything here is the author's own code, so it runs in one process, through the same encoding as the graded run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from grader import plugin
from grader.checks import Misconception
from grader.course import Course, Topic
from grader.diagnosis import TRANSFORMS, Diagnoser, Failure
from grader.inmemory import in_memory_session
from grader.judge import Judge, load_fields, pytest_options
from grader.results import Verdict
from grader.session import Session, StudentError
from grader.stubs import derive_stub
from grader.verdicts import Outcome

LOSES = "# loses:"


@dataclass(frozen=True)
class Complaint:
    """A broken rule: what was found, where, and what to do next."""

    rule: str
    where: str
    problem: str
    help: str


@dataclass
class Kills:
    """The kill matrix of a topic: which misconception fails which check."""

    by_check: dict[str, list[str]] = field(default_factory=dict)
    undiagnosed: list[str] = field(default_factory=list)


class _KeepItems:
    """Takes the collected checks and leaves them unrun."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.judge.adopt(session.items)
        return True


def collect(course: Course, topics: list[str]) -> Judge:
    """A judge with the collected checks of these topics, in this process."""
    judge = Judge(course, topics)
    files = [str(path) for topic in topics for _, path in course.check_files(topic)]
    pytest.main([*pytest_options(course), *files], plugins=[plugin, judge, _KeepItems(judge)])
    return judge


class TopicAudit:
    """The rules, for one topic."""

    def __init__(self, judge: Judge, topic: Topic) -> None:
        self.judge, self.topic = judge, topic
        self.course = judge.course
        self.items = judge.items.get(topic.name, [])
        self.reference = self._source("solutions", f"{topic.name}.py")
        self.misconceptions = plugin.load_misconceptions(self.course, topic.name)
        self.kills = Kills({item.name: [] for item in self.items})

    def complaints(self) -> Iterator[Complaint]:
        """Every broken rule."""
        if self.topic.name in self.judge.broken:
            yield self._complaint("collects", "", self.judge.broken[self.topic.name], "mend the import or the check")
            return
        for rule in RULES:
            yield from rule(self)

    # tools

    def _source(self, *parts: str) -> str:
        return self.course.path(*parts).read_text(encoding="utf-8")

    def _complaint(self, rule: str, where: str, problem: str, help: str) -> Complaint:
        return Complaint(rule, f"{self.topic.name}{'::' if where else ''}{where}", problem, help)

    def _run(self, item: pytest.Item, session: Session) -> Outcome:
        session.begin_check()
        return self.judge.run_item(item, session)

    def _outcomes(self, source: str) -> dict[str, Outcome]:
        session = in_memory_session(**load_fields(self.topic, source))
        return {item.name: self._run(item, session) for item in self.items}

    # rules

    def points_add_up(self) -> Iterator[Complaint]:
        """The points of public and hidden checks add up to 100."""
        total = sum(check.points for item in self.items if (check := plugin.check_of(item)))
        if total != 100:
            yield self._complaint("points", "", f"the points add up to {total:g}", "make them 100")

    def reference_passes(self) -> Iterator[Complaint]:
        """The reference passes every check."""
        for name, outcome in self._outcomes(self.reference).items():
            if outcome.verdict is not Verdict.PASS:
                yield self._complaint(
                    "reference",
                    name,
                    f"the reference ends {outcome.verdict}: {outcome.text}",
                    "mend one of the two",
                )

    def stub_fails(self) -> Iterator[Complaint]:
        """The stub is what the solution derives, and fails every check by NotImplementedError."""
        stub = self._source("exercises", f"{self.topic.name}.py")
        if stub != derive_stub(self.reference):
            yield self._complaint("stub", "", "the stub is not what the solution derives", "run: make stubs")
        for name, outcome in self._outcomes(stub).items():
            if outcome.verdict is not Verdict.MISSING:
                yield self._complaint(
                    "stub",
                    name,
                    f"the stub ends {outcome.verdict}, not missing",
                    "call what it judges first",
                )

    def stub_matches(self) -> Iterator[Complaint]:
        """Stub and solution have the same public names, signatures and docstrings."""
        stub, solution = (public_names(s) for s in (self._source("exercises", f"{self.topic.name}.py"), self.reference))
        for name in sorted(stub.keys() | solution.keys()):
            if stub.get(name) != solution.get(name):
                yield self._complaint(
                    "names", name, "stub and solution differ here", "run: make stubs"
                )

    def functions_exist(self) -> Iterator[Complaint]:
        """Each check grades a name of the solution."""
        names = public_names(self.reference)
        for item in self.items:
            check = plugin.check_of(item)
            if check and check.function not in names:
                yield self._complaint(
                    "functions", item.name, f"it grades '{check.function}', which the solution lacks", "mend the name"
                )

    def variants_earn(self) -> Iterator[Complaint]:
        """Each correct variant passes, but for the cost checks that its first line names."""
        for path in sorted(self.course.path("tests", "hidden", "variants").glob(f"{self.topic.name}_*.py")):
            if longest_topic(path.stem, self.course) != self.topic.name:
                continue
            source = path.read_text(encoding="utf-8")
            lost = {n for n, o in self._outcomes(source).items() if o.verdict is not Verdict.PASS}
            for name in sorted(lost ^ stated_losses(source)):
                verb = "loses" if name in lost else "is said to lose"
                problem = f"the variant {path.stem} {verb} it"
                yield self._complaint(
                    "variants", name, problem, "mend the check, or the first line"
                )

    def misconceptions_die(self) -> Iterator[Complaint]:
        """Each misconception fails the check meant for it, and is diagnosed as itself or a listed twin."""
        names = {item.name for item in self.items}
        for m in self.misconceptions:
            if m.caught_by not in names:
                yield self._complaint(
                    "misconceptions", m.id, f"no check '{m.caught_by}'", "name its check"
                )
                continue
            item = next(item for item in self.items if item.name == m.caught_by)
            if self._run(item, plugin.session_with(self.course, self.topic, m)).verdict is Verdict.PASS:
                problem = f"it passes {m.caught_by}: {m.sentence}"
                yield self._complaint("misconceptions", m.id, problem, "sharpen the check")

    def fill_matrix(self) -> None:
        """Which misconception fails which check, all by all: the slow part, for the eye of an author."""
        for m in self.misconceptions:
            session = plugin.session_with(self.course, self.topic, m)
            for item in self.items:
                if self._run(item, session).verdict is not Verdict.PASS:
                    self.kills.by_check[item.name].append(m.id)

    def diagnoses(self) -> Iterator[Complaint]:
        """At the check meant for it a misconception is recognised as itself, a twin, or not at all."""
        diagnoser = Diagnoser(self.misconceptions)
        for m in self.misconceptions:
            item = next((i for i in self.items if i.name == m.caught_by), None)
            failure = self._failure(item, m) if item else None
            if item is None or failure is None:
                continue
            function = plugin.check_of(item)
            replay: Callable[..., Failure | None] = lambda other, item=item: self._failure(item, other)  # noqa: E731
            name, touched = function.function if function else "", self.judge.touched_units(item)
            found = diagnoser.diagnose(item.name, name, touched, failure, replay)
            if found is None or found.id in TRANSFORMS:  # what such a sentence says holds, whatever the cause
                self.kills.undiagnosed.append(m.id)
            elif found.id != m.id and found.id not in m.twins and found.sentence != m.sentence:
                yield self._complaint(
                    "diagnosis", m.id, f"it is diagnosed as {found.id}", "list the two as twins, or sharpen the check"
                )

    def _failure(self, item: pytest.Item, m: Misconception) -> Failure | None:
        try:
            return self._run(item, plugin.session_with(self.course, self.topic, m)).failure
        except StudentError:
            return None


RULES: tuple[Callable[[TopicAudit], Iterator[Complaint]], ...] = (
    TopicAudit.points_add_up,
    TopicAudit.functions_exist,
    TopicAudit.stub_matches,
    TopicAudit.reference_passes,
    TopicAudit.stub_fails,
    TopicAudit.variants_earn,
    TopicAudit.misconceptions_die,
    TopicAudit.diagnoses,
)


def stated_losses(source: str) -> set[str]:
    """The checks that a variant's first line says it loses."""
    first = source.split("\n", 1)[0]
    return {name.strip() for name in first.removeprefix(LOSES).split(",")} if first.startswith(LOSES) else set()


def longest_topic(stem: str, course: Course) -> str:
    """The topic that a file's name begins with; the longest where several do."""
    return max((t.name for t in course.topics if stem.startswith(t.name + "_")), key=len, default="")


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


# --- the command -----------------------------------------------------------------------------------------------------


def run(course: Course, topics: list[str], verbose: bool = False) -> int:
    """Audit and print; 0 when every rule is kept, else 1."""
    judge = collect(course, topics)
    complaints: list[Complaint] = []
    for name in topics:
        audit = TopicAudit(judge, course.topic(name))
        own = list(audit.complaints())
        complaints += own
        print(summary(audit, own))
        for complaint in own:
            print(f"  {complaint.where}: {complaint.problem}\n      next: {complaint.help}")
        if verbose:
            audit.fill_matrix()
            print(matrix(audit))
    return 1 if complaints else 0


def summary(audit: TopicAudit, complaints: list[Complaint]) -> str:
    count, quiet = len(audit.misconceptions), len(audit.kills.undiagnosed)
    verdict = "sound" if not complaints else f"{len(complaints)} rule(s) broken"
    return (
        f"{audit.topic.name}: {verdict}; {len(audit.items)} checks, {count} misconceptions, "
        f"{count - quiet} of them recognised by name"
    )


def matrix(audit: TopicAudit) -> str:
    """Each check and the misconceptions that fail it."""
    width = max((len(name) for name in audit.kills.by_check), default=0)
    rows = {name: " ".join(sorted(set(killed))) or "(nothing)" for name, killed in audit.kills.by_check.items()}
    return "\n".join(f"  {name:<{width}}  {killed}" for name, killed in rows.items())
