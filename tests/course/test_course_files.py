"""The files of the course agree with each other: a topic is one name in every folder."""

from __future__ import annotations

import ast
import importlib.util
import types
from pathlib import Path

import pytest

from grader.course import load_course
from grader.course.stubs import derive_stub
from grader.judge.loading import load_misconceptions

ROOT = Path(__file__).parents[2]
TOPICS = [t.name for t in load_course(ROOT / "course.yml").topics]
FILES = (
    "exercises/{}.py",
    "exercises/{}.md",
    "solutions/{}.py",
    "tests/public/test_{}.py",
    "tests/public/{}_hints.py",
    "tests/hidden/test_{}.py",
    "tests/hidden/misconceptions/{}.py",
    "tests/course/test_{}.py",
)


def source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def public_interface(text: str) -> dict[str, tuple[str, str | None]]:
    """{name: (signature, docstring)} of a module's functions, classes and methods that are public; classes by bases."""
    found: dict[str, tuple[str, str | None]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                returns = ast.unparse(node.returns) if node.returns else ""
                decorators = [ast.unparse(d) for d in node.decorator_list]
                signature = f"{decorators} ({ast.unparse(node.args)}) -> {returns}"
                if not node.name.startswith("_") or node.name.startswith("__"):
                    found[prefix + node.name] = signature, ast.get_docstring(node)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[prefix + node.name] = str([ast.unparse(b) for b in node.bases]), ast.get_docstring(node)
                visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(text).body, "")
    return found


def checks_of(path: str) -> list[tuple[str, str, float, str]]:
    """(test name, function, points, docstring) of every @check in a file, read without importing it."""
    found = []
    for node in ast.parse(source(path)).body:
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "check":
                assert isinstance(node, ast.FunctionDef)
                (points,) = [ast.literal_eval(k.value) for k in decorator.keywords if k.arg == "points"]
                function = ast.literal_eval(decorator.args[0])
                found.append((node.name, function, points, ast.get_docstring(node) or ""))
    return found


def all_checks(topic: str) -> list[tuple[str, str, float, str]]:
    return [c for visibility in ("public", "hidden") for c in checks_of(f"tests/{visibility}/test_{topic}.py")]


def imported(path: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("course_file", ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_its_files(topic, file):
    """A topic of course.yml has each of its files, by its name."""
    assert (ROOT / file.format(topic)).is_file()


@pytest.mark.parametrize(
    "pattern", ["exercises/*.py", "solutions/*.py", "tests/public/test_*.py", "tests/hidden/test_*.py"]
)
def test_no_file_without_a_topic(pattern):
    """No exercise, solution or check lies there for a topic that course.yml does not list."""
    names = {p.stem.removeprefix("test_") for p in ROOT.glob(pattern)}

    assert set() == names - set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_points_add_up_to_100(topic):
    """The points of a topic's public and hidden checks add up to 100, and each is whole or half."""
    points = [p for _, _, p, _ in all_checks(topic)]

    assert sum(points) == 100
    assert [p for p in points if p <= 0 or 2 * p != int(2 * p)] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_names_of_checks_are_their_own(topic):
    """No two checks of a topic bear one name, and each has one sentence for the student."""
    names = [f"{name}" for name, *_ in all_checks(topic)]

    assert len(names) == len(set(names))
    assert [name for name, _, _, docstring in all_checks(topic) if not docstring.strip()] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_the_stub_is_derived_from_the_solution(topic):
    """The committed stub is byte for byte what `make stubs` writes."""
    assert derive_stub(source(f"solutions/{topic}.py")) == source(f"exercises/{topic}.py")


@pytest.mark.parametrize("topic", TOPICS)
def test_stub_and_solution_have_one_interface(topic):
    """Stub and solution have the same public names, signatures, bases and docstrings."""
    stub, solution = (
        public_interface(source(f"exercises/{topic}.py")),
        public_interface(source(f"solutions/{topic}.py")),
    )

    assert stub == solution
    assert [name for name, (_, docstring) in stub.items() if not docstring and "__" not in name] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_every_graded_function_exists(topic):
    """What a check names as its function is a function, class or method of the solution."""
    interface = public_interface(source(f"solutions/{topic}.py"))

    assert set() == {function for _, function, _, _ in all_checks(topic)} - set(interface)


@pytest.mark.parametrize("topic", TOPICS)
def test_hints_are_about_functions_that_exist(topic):
    """HINTS has three sentences for each function that is graded, and for nothing else."""
    hints = imported(f"tests/public/{topic}_hints.py").HINTS

    assert {function for _, function, _, _ in all_checks(topic)} == set(hints)
    assert [name for name, steps in hints.items() if len(steps) != 3 or not all(map(str.strip, steps))] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_misconceptions_name_checks_that_exist(topic):
    """Every misconception names, as caught_by, a check of its topic."""
    caught_by = {m.caught_by for m in load_misconceptions(load_course(ROOT / "course.yml"), topic)}

    assert caught_by
    assert set() == caught_by - {name for name, *_ in all_checks(topic)}
