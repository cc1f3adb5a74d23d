"""Imports run one way, and student code is never in sight of what must stay hidden."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from toys import ROOT

GRADER = ROOT / "grader"
LAYERS = [  # a module imports from its own layer and from those below
    "__main__ __init__",
    "cli",
    "run audit capstone doctor release scaffold watch",
    "rules",
    "notebooks",
    "candidates equivalents watching",
    "grading capstone_run engine executor store",
    "judge plugin reports topic_run",
    "session workers remote checks verdicts feedback inmemory scoring diagnosis answerer follow transcripts",
    "course submissions stubs units trees",
    "worker",
    "notebooks.reading notebooks.sifting",
    "wire results errors text terminal plain_yaml environment plan mutants mutations",
]
LEVEL = {name: len(LAYERS) - i for i, names in enumerate(LAYERS) for name in names.split()}
MODULES = sorted(GRADER.rglob("*.py"))


def level_of(module: str) -> int | None:
    """A module's own layer, else that of the folder it lies in."""
    return LEVEL.get(module, LEVEL.get(module.split(".")[0]))


def name_of(path: Path) -> str:
    """`reports.to_csv` of grader/reports/to_csv.py."""
    return ".".join(path.relative_to(GRADER).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path, at_once: bool = False) -> set[str]:
    """Full names of all modules that a file imports anywhere in it, lazily too; or only those that it imports at once."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            base = node.module or ""
            found |= {f"{base}.{a.name}" if is_module(f"{base}.{a.name}") else base for a in node.names}
    return found


def is_module(full: str) -> bool:
    path = ROOT.joinpath(*full.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def own_imports(path: Path) -> set[str]:
    """Our own modules that a file imports, without `grader.`; the package itself holds but a version."""
    return {n.removeprefix("grader.") for n in imports_of(path) if n.startswith("grader.")}


GRAPH = {name_of(path): own_imports(path) for path in MODULES if path.parent.name != "__pycache__"}


@pytest.mark.parametrize("module", sorted(GRAPH))
def test_imports_run_one_way(module):
    """No module imports one of a higher layer, and every module has a layer."""
    own = level_of(module)
    assert own is not None, f"grader/{module}.py has no layer in this test yet"

    upwards = [n for n in GRAPH[module] if (level_of(n) or 0) > own]
    assert upwards == [], f"grader/{module} imports {upwards} from a layer above"


def test_code_goes_towards_workers_alone():
    """Rule R2: one place loads code from a frame, in the worker; nothing anywhere unpickles."""
    loading = {"marshal.loads", "marshal.load", "pickle.loads", "pickle.load", "torch.load"}
    found = {
        (name_of(path), ast.unparse(node.func))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in loading
    }
    assert found == {("worker.serve", "marshal.loads")}


def test_nothing_imports_in_circles():
    """The imports of the grader form no circle, lazy ones included."""
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way, module])
        if module not in done:
            for other in GRAPH[module]:
                visit(other, (*way, module))
            done.add(module)

    for module in GRAPH:
        visit(module, ())


@pytest.mark.parametrize("module", sorted(m for m in GRAPH if m.split(".")[0] == "worker"))
def test_the_worker_knows_the_wire_alone(module):
    """What stands beside student code imports nothing of the grader but the wire and its own folder."""
    assert {n for n in GRAPH[module] if n.split(".")[0] not in ("wire", "worker")} == set()


@pytest.mark.parametrize("module", sorted(m for m in GRAPH if m.split(".")[0] == "reports"))
def test_reports_know_results_alone(module):
    """A report is made from results, the course and words; never from the engine."""
    allowed = {"results", "course", "text", "reports"}
    assert {n for n in GRAPH[module] if n.split(".")[0] not in allowed} == set()


def test_the_supervisor_never_imports_the_judge():
    """Judges are processes: nothing on the main path imports a judge, a check or pytest, not even on its way."""
    reached: set[str] = set()
    waiting = ["run"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += GRAPH[module]

    assert reached.isdisjoint({"judge", "plugin", "checks", "inmemory", "verdicts", "audit"})
    heavy = {"pytest", "torch", "nbgrader", "nbformat", "nbconvert", "jsonschema", "sqlalchemy"}
    for module in reached:
        path = GRADER.joinpath(*module.split("."))
        path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        assert heavy.isdisjoint({n.split(".")[0] for n in imports_of(path, at_once=True)}), module


def test_nothing_imports_the_command_line():
    """`grader.cli` is imported by `python -m grader` alone."""
    assert [m for m in GRAPH if "cli" in GRAPH[m]] == ["__main__"]


@pytest.mark.parametrize("folder", ["exercises", "solutions"])
def test_course_files_do_not_import_the_grader(folder):
    """Exercises and solutions know nothing of the grader, and the grader imports none of them: they are data."""
    for path in sorted((ROOT / folder).glob("*.py")):
        assert not [n for n in imports_of(path) if n.split(".")[0] == "grader"], path
    for path in MODULES:
        roots = {n.split(".")[0] for n in imports_of(path)}
        assert roots.isdisjoint({"exercises", "solutions", "tests"}), path


def test_checks_import_neither_solutions_nor_exercises():
    """A check gets the implementation as a fixture."""
    for path in [*ROOT.glob("tests/public/*.py"), *ROOT.glob("tests/hidden/*.py")]:
        roots = {n.split(".")[0] for n in imports_of(path)}
        assert roots.isdisjoint({"exercises", "solutions", "tests"}), path
