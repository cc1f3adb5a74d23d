"""The form of the package in figures: how long its functions are, how wide its classes, how deep its imports.

    python benchmarks/structure.py [FOLDER] [--check-trace]

Imports are read from the text, lazy ones too. With `--check-trace` one passing check of the toy course is run against a
forked worker: how often does the code that runs change from one file of the package to another?
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TOY = ROOT / "tests" / "engine" / "toy"
Graph = dict[str, set[str]]
Defined = ast.FunctionDef | ast.AsyncFunctionDef


class Form(NamedTuple):
    """What the figures are read from."""

    functions: list[tuple[int, str]]  # (lines, name), the longest first
    classes: list[tuple[int, str]]  # (methods, name), the widest first
    top: list[str]  # names at the top level
    modules: Graph  # imports of each module among its own
    rooms: Graph  # the same for what lies at the top


def form_of(package: Path) -> Form:
    """Read the package."""
    trees = {name_of(path, package): ast.parse(path.read_text(encoding="utf-8")) for path in files_of(package)}
    functions = [found for name, tree in trees.items() for found in functions_in(tree, name)]
    classes = [found for name, tree in trees.items() for found in classes_in(tree, name)]
    top = sorted(path.name for path in package.iterdir() if path.name != "__pycache__")
    modules = {name: imports_in(tree, package.name, set(trees)) - {name} for name, tree in trees.items()}
    return Form(sorted(functions, reverse=True), sorted(classes, reverse=True), top, modules, rooms_of(modules))


def files_of(package: Path) -> list[Path]:
    """The files of the package."""
    return sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)


def name_of(path: Path, package: Path) -> str:
    """`reports.to_csv` of grader/reports/to_csv.py."""
    return ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")


def functions_in(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """(lines, name) of every function, methods and inner ones too; decorators are not counted."""
    for node in ast.walk(tree):
        if isinstance(node, Defined):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{module}.{node.name}"


def classes_in(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """(methods, name) of every class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield sum(isinstance(inner, Defined) for inner in node.body), f"{module}.{node.name}"


def imports_in(tree: ast.AST, package: str, known: set[str]) -> set[str]:
    """The package's own modules that a file imports, anywhere in it."""
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {name if name.removeprefix(f"{package}.") in known else node.module or "" for name in inner}
    return {name.removeprefix(f"{package}.") for name in named if name.startswith(f"{package}.")} & known


def rooms_of(modules: Graph) -> Graph:
    """The imports between what lies at the top: folders, and single files."""
    rooms: Graph = {}
    for module, others in modules.items():
        own = module.split(".")[0]
        rooms.setdefault(own, set()).update({other.split(".")[0] for other in others} - {own})
    return rooms


def cycle_in(graph: Graph) -> list[str]:
    """The names of one circle of imports; [] if there is none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        circles = (visit(other, [*way, name]) for other in sorted(graph.get(name, ())) if other not in done)
        found: list[str] = next(filter(None, circles), [])
        done.add(name)
        return found

    return next(filter(None, (visit(name, []) for name in sorted(graph))), [])


def chain_in(graph: Graph) -> list[str]:
    """The longest chain of imports of a graph without circles, from the top down."""
    longest: dict[str, list[str]] = {}

    def below(name: str) -> list[str]:
        if name not in longest:
            longest[name] = [name, *max((below(other) for other in sorted(graph.get(name, ()))), key=len, default=[])]
        return longest[name]

    return max((below(name) for name in sorted(graph)), key=len, default=[])


def percentile(lengths: list[int], share: float) -> int:
    """The length that this share of all does not exceed."""
    return sorted(lengths)[min(len(lengths) - 1, int(share * len(lengths)))]


def show(form: Form) -> None:
    """Print the figures."""
    lengths = [lines for lines, _ in form.functions]
    median = statistics.median(lengths)
    print(f"functions      {len(lengths)}, median {median:g} lines, p90 {percentile(lengths, 0.9)}")
    print(f"  longest      {listed(form.functions)}")
    print(f"classes        {len(form.classes)}, most methods: {listed(form.classes)}")
    print(f"at the top     {len(form.top)} names, {len(form.rooms)} rooms")
    print(f"modules        {len(form.modules)}")
    for what, graph in (("rooms", form.rooms), ("modules", form.modules)):
        circle = cycle_in(graph)
        chain = [] if circle else chain_in(graph)
        words = f"a circle: {' -> '.join(circle)}" if circle else f"{len(chain)} deep: {' > '.join(chain)}"
        print(f"imports        {what}, {words}")


def listed(sized: list[tuple[int, str]], most: int = 6) -> str:
    """The first few, as `name 12`."""
    return ", ".join(f"{name} {size}" for size, name in sized[:most])


# --- one check -------------------------------------------------------------------------------------------------------


def trace_check(package: Path) -> list[str]:
    """The files of the package that code is entered in while a check passes, in order; the second run of two."""
    from grader.course import load_course
    from grader.judge.bench import Bench
    from grader.judge.process import Judge, collect
    from grader.remote.forking import ForkLauncher
    from grader.remote.processes import WarmProcess

    course = load_course(TOY / "course.yml")
    kind, entered = course.topic("toy").kind, []
    command = [sys.executable, "-I", "-B", "-m", "grader.worker.zygote", kind]
    zygote = WarmProcess(lambda fd: [*command, str(fd)])

    class Tracing(Bench):
        """Notes which files are entered while a check runs."""

        def run(self, *args: Any) -> BaseException | None:
            entered.clear()
            sys.setprofile(lambda frame, event, _: note(frame, event, package, entered))
            try:
                return super().run(*args)
            finally:
                sys.setprofile(None)

    class Loop:
        """Runs the check twice in the place of pytest's run."""

        def pytest_runtestloop(self, session: Any) -> bool:
            bench.adopt(session.items)
            bench.launchers[kind] = ForkLauncher(zygote.client())
            run_twice(Judge(bench))
            return True

    bench = Tracing(course)
    try:
        zygote.wait_ready()
        collect(bench, ["toy"], Loop())
    finally:
        zygote.close()
    return entered


def note(frame: FrameType, event: str, package: Path, entered: list[str]) -> None:
    """Add the file of a function of the package that is called."""
    if event == "call" and frame.f_code.co_filename.startswith(str(package)):
        entered.append(frame.f_code.co_filename)


def run_twice(judge: Any) -> None:
    """Grade the reference by one hidden check, and once more when nothing is left to be imported."""
    from grader.jobs import Checked, Job, Plan
    from grader.results import Verdict

    source = (TOY / "solutions" / "toy.py").read_text(encoding="utf-8")
    job = Job(0, "toy", source, "toy.py", "", plan=Plan(only=("test_double_marker",)))
    for _ in range(2):
        verdicts = [line.check.verdict for line in judge.grade(job) if isinstance(line, Checked)]
        assert verdicts == [Verdict.PASS], verdicts


def show_trace(package: Path) -> None:
    """Print how one check wanders through the package."""
    from grader.remote.processes import can_fork

    if not can_fork():
        print("one check      workers cannot be forked here")
        return
    entered = trace_check(package)
    changes = sum(a != b for a, b in zip(entered, entered[1:], strict=False))
    print(f"one check      {len(entered)} calls, {changes} changes of file, over {len(set(entered))} files")


def main(arguments: list[str]) -> None:
    """Print the figures of a package, and of one check if that is asked for."""
    folders = [a for a in arguments if not a.startswith("-")]
    package = Path(folders[0]).resolve() if folders else ROOT / "grader"
    show(form_of(package))
    if "--check-trace" in arguments:
        show_trace(package)


if __name__ == "__main__":
    main(sys.argv[1:])
