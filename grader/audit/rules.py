"""The rules by which a topic proves itself: one function each, ending in a next step.

What is read from the text of the course is read here; what must run, runs as a candidate through the ordinary engine,
several at a time (grader.audit.candidates). Only what a report does not tell, the comparisons that a check makes, is
watched in this process, where the reference is the author's own code.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator

from grader.audit.comparisons import watch
from grader.audit.constants import constant_modules
from grader.audit.kills import checks_kill, misconceptions_die, mutants_die
from grader.audit.topic import Complaint, TopicAudit
from grader.course.stubs import derive_stub
from grader.judge.items import check_of
from grader.results import Verdict

LOSES = "# loses:"
THIN = 10.0  # a right answer should lie this many times inside its tolerance


def complaints(audit: TopicAudit, with_mutants: int = 0) -> Iterator[Complaint]:
    """Every broken rule; `with_mutants` N tries one mutant in N too, 1 all of them."""
    if audit.topic.name in audit.bench.broken:
        yield audit.complaint("collects", "", audit.bench.broken[audit.topic.name], "mend the import or the check")
        return
    for rule in ONE_CHECK_RULES if audit.only else RULES:
        yield from rule(audit)
    if with_mutants:
        yield from mutants_die(audit, with_mutants)
    yield from checks_kill(audit)


def points_add_up(audit: TopicAudit) -> Iterator[Complaint]:
    """The points of public and hidden checks add up to 100."""
    total = sum(check.points for item in audit.items if (check := check_of(item)))
    if total != 100:
        yield audit.complaint("points", "", f"the points add up to {total:g}", "make them 100")


def functions_exist(audit: TopicAudit) -> Iterator[Complaint]:
    """Each check grades a name of the solution."""
    names = public_names(audit.reference)
    for item in audit.items:
        function = audit.function_of(item.name)
        if function not in names:
            problem = f"it grades '{function}', which the solution lacks"
            yield audit.complaint("functions", item.name, problem, "mend the name")


def every_check_is_collected(audit: TopicAudit) -> Iterator[Complaint]:
    """What bears `@check` in the check files is run: not shadowed by a namesake, nested, or named otherwise."""
    for _, path in audit.course.check_files(audit.topic.name):
        marked = Counter(marked_checks(ast.parse(path.read_text(encoding="utf-8"))))
        for name, count in marked.items():
            if name not in audit.names:
                problem = f"it is marked as a check in {path.name}, but never collected"
                help = "name it test_..., at the top level of the file"
                yield audit.complaint("collected", name, problem, help)
            elif count > 1:
                problem = f"{count} checks of {path.name} bear this name; only the last is run"
                yield audit.complaint("collected", name, problem, "give each its own name")


def stub_matches(audit: TopicAudit) -> Iterator[Complaint]:
    """The stub is what the solution derives; both have the same public names, signatures and docstrings."""
    text = audit.source("exercises", f"{audit.topic.name}.py")
    if text != derive_stub(audit.reference):
        yield audit.complaint("stub", "", "the stub is not what the solution derives", "run: make stubs")
    stub, solution = public_names(text), public_names(audit.reference)
    for name in sorted(stub.keys() | solution.keys()):
        if stub.get(name) != solution.get(name):
            yield audit.complaint("names", name, "stub and solution differ here", "run: make stubs")


def reference_passes(audit: TopicAudit) -> Iterator[Complaint]:
    """The reference passes every check."""
    for name, check in audit.right["reference"].checks.items():
        if check.verdict is not Verdict.PASS:
            problem = f"the reference ends {check.verdict}: {check.message}"
            yield audit.complaint("reference", name, problem, "mend one of the two")


def runs_repeat(audit: TopicAudit) -> Iterator[Complaint]:
    """Two runs, and one with the checks in reverse order, end alike."""
    first = audit.right["reference"].checks
    for run, words in (("again", "a second run"), ("backwards", "a run in reverse order")):
        for name, check in audit.right[run].checks.items():
            if check.verdict is not first[name].verdict:
                problem = f"the reference ends {first[name].verdict}, but {check.verdict} in {words}"
                help = "let it depend on its own rng and on nothing that another check leaves behind"
                yield audit.complaint("order", name, problem, help)


def comparisons_repeat(audit: TopicAudit) -> Iterator[Complaint]:
    """In reverse order a check compares the same values: what it draws depends on nothing that was run before."""
    backward = watch(audit.bench, audit.topic, audit.reference, reversed(audit.items))
    for name, forward in audit.watched.items():
        if forward.digest() != backward[name].digest():
            problem = "it compares other values when the checks run in reverse order"
            help = "draw from the rng it is given alone; keep no state between checks"
            yield audit.complaint("order", name, problem, help)


def tolerances_are_tight(audit: TopicAudit) -> Iterator[Complaint]:
    """A tolerance that lets a result rounded through float32 pass says why it must."""
    for name, watched in audit.watched.items():
        worst = max(watched.loose(), default=None)
        if worst is not None:
            problem = f"'{worst[1]}' may be off by {worst[0]:.1g} of its size"
            help = 'tighten it, or say why: assert_close(..., wide="...")'
            yield audit.complaint("tolerance", name, problem, help)


def oracles_are_independent(audit: TopicAudit) -> Iterator[Complaint]:
    """No check takes its expected value from the reference's own version of what it grades."""
    for name, watched in audit.watched.items():
        if audit.function_of(name) in watched.asked:
            problem = f"it compares {audit.function_of(name)} with the reference alone"
            help = "compute the expected value another way: torch, brute force, an invariant"
            yield audit.complaint("oracle", name, problem, help)


def variants_earn(audit: TopicAudit) -> Iterator[Complaint]:
    """Each correct variant passes, but for the cost checks that its first line names."""
    for variant, source in audit.variants.items():
        lost, stated = set(audit.right[variant].lost), stated_losses(source)
        for name in sorted((lost ^ stated) & set(audit.names) if audit.only else lost ^ stated):
            verb = "loses" if name in lost else "is said to lose"
            message = audit.right[variant].checks[name].message if name in lost else ""
            problem = f"the variant {variant} {verb} it{': ' if message else ''}{message}"
            yield audit.complaint("variants", name, problem, "mend the check, or the first line")


def margins_are_wide(audit: TopicAudit) -> Iterator[Complaint]:
    """Right answers lie well inside the tolerance, so that another machine's rounding fails nobody."""
    thin: dict[str, tuple[float, str]] = {}
    for graded in audit.right.values():
        for name, margin in graded.margins.items():
            if name not in graded.lost and margin < min(THIN, thin.get(name, (THIN, ""))[0]):
                thin[name] = margin, graded.candidate.name
    for name, (margin, who) in thin.items():
        problem = f"{who} is only {margin:.1f} times inside the tolerance"
        help = 'widen it; if the width is settled: assert_close(..., wide="why")'
        yield audit.complaint("margins", name, problem, help)


def stub_is_missing(audit: TopicAudit) -> Iterator[Complaint]:
    """The untouched stub fails every check by NotImplementedError."""
    stub = audit.source("exercises", f"{audit.topic.name}.py")
    (graded,) = audit.grade([audit.candidate("stub", stub)]).values()
    for name, check in graded.checks.items():
        if check.verdict is not Verdict.MISSING:
            problem = f"the stub ends {check.verdict}, not missing"
            yield audit.complaint("stub", name, problem, "call what it judges first")


def constants_earn_nothing(audit: TopicAudit) -> Iterator[Complaint]:
    """No module whose functions all give one answer, or answers of the right shape filled with one number, passes."""
    stub = audit.source("exercises", f"{audit.topic.name}.py")
    modules = constant_modules(stub, audit.reference)
    made = [audit.candidate(name, source, second_look=False) for name, source in modules]
    won: dict[str, list[str]] = {}
    for name, graded in audit.grade(made).items():
        for check, result in graded.checks.items():
            if result.verdict is Verdict.PASS:
                won.setdefault(check, []).append(name)
    for check, names in won.items():
        problem = f"it is passed by a module whose functions all {names[0]}" + ", and others" * (len(names) > 1)
        help = "make a good call beside the refused ones; compare values with an oracle beside any property"
        yield audit.complaint("constants", check, problem, help)


ONE_CHECK_RULES: tuple[Callable[[TopicAudit], Iterator[Complaint]], ...] = (
    functions_exist,
    reference_passes,
    runs_repeat,
    tolerances_are_tight,
    oracles_are_independent,
    stub_is_missing,
    constants_earn_nothing,
    variants_earn,
    margins_are_wide,
    misconceptions_die,
)
RULES: tuple[Callable[[TopicAudit], Iterator[Complaint]], ...] = (
    points_add_up,
    every_check_is_collected,
    stub_matches,
    comparisons_repeat,
    *ONE_CHECK_RULES,
)


def stated_losses(source: str) -> set[str]:
    """The checks that a variant's first line says it loses."""
    first = source.split("\n", 1)[0]
    return {name.strip() for name in first.removeprefix(LOSES).split(",")} if first.startswith(LOSES) else set()


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
