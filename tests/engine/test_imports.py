"""Imports run one way, and student code is never in sight of what must stay hidden."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from toys import ROOT

GRADER = ROOT / "grader"
FLOORS = [  # the rooms from top to bottom; a module imports from its own room, or from those on the floors below
    "__main__ __init__",
    "cli",
    "audit",
    "judge notebooks",
    "checks grading doctor",
    "remote submissions reports",
    "worker course jobs",
    "results",
    "wire errors text environment",
]
ROOMS = {  # what lies in each of them
    "cli": "main run saving stopping audit capstone doctor nbgrader terminal",
    "audit": "topic rules kills candidates comparisons constants equivalents mutants slips",
    "judge": "process topic bench explain expected follow answerer budget transcripts verdicts diagnosis feedback redaction"
    " renamed plugin items loading training",
    "notebooks": "build gradebook autograded late groups showing client desk bundle",
    "checks": "marking comparing calling helpers autograd inputs",
    "grading": "grade pool engine scoring capstone",
    "remote": "session proxy connection limits replies forking spawning processes inmemory",
    "submissions": "model find identity reading gathering selecting sources naming decoding metadata trees opener unpacker"
    " archives ipynb sifting tables",
    "submissions.layouts": "base attempts student class_folder canvas moodle gradescope blackboard brightspace"
    " nbgrader_course forge",
    "reports": "summary merging to_csv to_json to_unread",
    "worker": "server imports substitute pipes zygote spawned preload",
    "worker.walls": "sandbox seccomp landlock seatbelt kernel syscalls",
    "course": "model file digest plain_yaml times stubs units",
}
NEVER = [  # whatever the floors say
    ("grading", "judge"),
    ("submissions", "notebooks"),
    ("notebooks", "judge"),
]
LEVEL = {room: len(FLOORS) - i for i, rooms in enumerate(FLOORS) for room in rooms.split()}
MODULES = sorted(GRADER.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[0]


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


def listed() -> set[str]:
    """Every module that the list names."""
    rooms = {room for rooms in FLOORS for room in rooms.split()}
    inside = {f"{room}.{name}" for room, names in ROOMS.items() for name in names.split()}
    return rooms | set(ROOMS) | inside


def test_the_list_is_the_house():
    """Each module stands in the list, and each name in the list is a module."""
    assert set(GRAPH) == listed()


def test_the_docs_show_the_list():
    """docs/architecture.md has the same rooms, with the same modules in each, and the same floors."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    text = page.partition("## Where things are")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w./]+?)/?` \|[^|]*\| (.*?) \|$", text, re.M))
    shown = {room.replace("/", "."): set(re.findall(r"`(\w+)`", names)) for room, names in rows.items()}
    floors = re.findall(r"^\d\. (.*)$", text, re.M)

    assert {room: set(names.split()) for room, names in ROOMS.items()} == {r: n for r, n in shown.items() if n}
    assert [set(f.split()) - {"__main__", "__init__"} for f in FLOORS[1:]] == [
        set(re.findall(r"`(\w+)`", floor)) for floor in floors
    ]


def test_the_top_level_is_small():
    """At most twenty names stand at the top of the package."""
    assert len([p for p in GRADER.iterdir() if p.name != "__pycache__"]) <= 20


@pytest.mark.parametrize("module", sorted(GRAPH))
def test_imports_run_one_way(module):
    """No module imports one of a higher floor, nor of another room on its own."""
    own = room_of(module)
    others = {n for n in GRAPH[module] if room_of(n) != own}

    upwards = sorted(n for n in others if LEVEL[room_of(n)] >= LEVEL[own])
    assert upwards == [], f"grader/{module} imports {upwards}, which do not lie below it"
    assert [n for n in others if (own, room_of(n)) in NEVER] == []


def test_no_two_modules_are_mistaken_for_each_other():
    """No name of a module differs from another by one letter."""
    names = sorted({m.split(".")[-1] for m in GRAPH})
    assert [(a, b) for a in names for b in names if a < b and one_letter_apart(a, b)] == []


def one_letter_apart(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    if len(short) == len(long):
        return sum(x != y for x, y in zip(a, b, strict=True)) == 1
    return len(long) == len(short) + 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


def test_every_class_has_a_name_of_its_own():
    """No two classes of the package share a name."""
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_code_goes_towards_workers_alone():
    """Rule R2: one place loads code from a frame, in the worker; nothing anywhere unpickles."""
    loading = {"marshal.loads", "marshal.load", "pickle.loads", "pickle.load", "torch.load"}
    found = {
        (name_of(path), ast.unparse(node.func))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in loading
    }
    assert found == {("worker.server", "marshal.loads")}


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
    """A report is made from results, the course, words and errors; never from the engine."""
    allowed = {"results", "course", "text", "errors", "reports"}
    assert {n for n in GRAPH[module] if n.split(".")[0] not in allowed} == set()


def test_the_supervisor_never_imports_the_judge():
    """Judges are processes: nothing on the main path imports a judge, a check or pytest, not even on its way."""
    reached: set[str] = set()
    waiting = ["cli.run"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += GRAPH[module]

    assert {room_of(m) for m in reached}.isdisjoint({"judge", "checks", "audit"}) and "remote.inmemory" not in reached
    heavy = {"pytest", "torch", "nbgrader", "nbformat", "nbconvert", "jsonschema", "sqlalchemy"}
    for module in reached:
        path = GRADER.joinpath(*module.split("."))
        path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        assert heavy.isdisjoint({n.split(".")[0] for n in imports_of(path, at_once=True)}), module


def test_nothing_imports_the_command_line():
    """`grader.cli` is imported by `python -m grader` alone."""
    assert [m for m in GRAPH if room_of(m) != "cli" and "cli" in {room_of(n) for n in GRAPH[m]}] == ["__main__"]


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
