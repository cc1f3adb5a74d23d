"""The pytest plugin: the fixtures of a check, and `pytest tests/hidden [--submission DIR]` for authors.

The judge runs the same checks in the same way, but puts sandboxed workers in place of the in-memory ones.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.checks import Check, Misconception
from grader.course import Course, Topic, find_course, load_course
from grader.errors import CourseError, GraderError
from grader.inmemory import InMemoryConnection, in_memory_session
from grader.remote import Submission
from grader.session import Session

VISIBILITIES = ("public", "hidden")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grader", "checks of the course")
    group.addoption("--submission", help="a student's folder or file to check instead of the reference")
    group.addoption("--misconception", help="replace one unit of the reference by this misconception (ID or ID#2)")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "grader_bench"):
        config.grader_bench = PlainBench(config)  # type: ignore[attr-defined]


# --- facts about a collected check -----------------------------------------------------------------------------------


@functools.cache  # of items there are a few hundred, asked for again with every submission
def topic_of(item: pytest.Item) -> str:
    return item.path.stem.removeprefix("test_")


@functools.cache
def visibility_of(item: pytest.Item) -> str:
    return item.path.parent.name


@functools.cache
def check_of(item: pytest.Item) -> Check | None:
    return getattr(getattr(item, "function", None), "check", None)


@functools.cache
def function_of(item: pytest.Item) -> str:
    """The graded function of a check; "" for what is none."""
    check = check_of(item)
    return check.function if check else ""


@functools.cache
def check_id(item: pytest.Item) -> str:
    return f"{topic_of(item)}::{item.name}"


@functools.cache
def title_of(item: pytest.Item) -> str:
    """The first paragraph of the check's docstring on one line: what the student reads."""
    doc = (getattr(item, "function").__doc__ or "").strip()  # noqa: B009
    return " ".join(doc.split("\n\n")[0].split())


def is_check_file(path: Path) -> bool:
    return path.parent.name in VISIBILITIES and path.parent.parent.name == "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_check_file(item.path) and check_of(item) is None:
            raise pytest.UsageError(
                f"{item.nodeid} has no @check: every test below tests/public and tests/hidden is a check with points"
            )


# --- loading files of the course -------------------------------------------------------------------------------------


def load_file(path: Path, name: str) -> types.ModuleType:
    """A trusted file of the course as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CourseError("cannot be imported", str(path), "is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_reference(course: Course, topic: str) -> types.ModuleType:
    path = course.path("solutions", f"{topic}.py")
    if not path.is_file():
        raise CourseError("the reference is missing", str(path), "hidden checks need the solutions beside them")
    return load_file(path, f"reference_{topic}")


def load_misconceptions(course: Course, topic: str) -> list[Misconception]:
    """The topic's wrong implementations; [] where there are none."""
    path = course.path("tests", "hidden", "misconceptions", f"{topic}.py")
    if not path.is_file():
        return []
    return list(getattr(load_file(path, f"misconceptions_{topic}"), "MISCONCEPTIONS", []))


def load_hints(course: Course, topic: str) -> dict[str, tuple[str, ...]]:
    """The topic's hints by function, from where to look to the shape of the answer; {} where there are none."""
    path = course.path("tests", "public", f"{topic}_hints.py")
    return dict(getattr(load_file(path, f"hints_{topic}"), "HINTS", {})) if path.is_file() else {}


def pick_misconception(all_of_topic: list[Misconception], wanted: str) -> Misconception | None:
    """`bp1`, or `bp11#2` for the second of several that bear one id."""
    name, _, number = wanted.partition("#")
    same = [m for m in all_of_topic if m.id == name]
    numbered = {str(i): misconception for i, misconception in enumerate(same, 1)}
    return numbered.get(number or "1")


def put_in(session: Session, misconception: Misconception) -> None:
    """Replace the misconception's unit in the module of an in-memory session."""
    connection = session.connection
    assert isinstance(connection, InMemoryConnection)
    module, name = connection.server.module, misconception.replaces
    connection.server.replace(name, misconception.make(_view_with_original(module, name)))


def _view_with_original(module: types.ModuleType, name: str) -> types.ModuleType:
    """The live module, but for one name that stays what it is now, whatever is put in its place.

    A wrapper may so call the original at any time, while the module's own functions (and what they construct) see
    the replacement.
    """
    view = types.ModuleType(module.__name__, module.__doc__)
    setattr(view, name, getattr(module, name))
    setattr(view, "__getattr__", lambda other: getattr(module, other))  # noqa: B010
    return view


def session_with(course: Course, topic: Topic, misconception: Misconception) -> Session:
    """The reference with one unit replaced, in memory."""
    source = course.path("solutions", f"{topic.name}.py").read_text(encoding="utf-8")
    files = {f"{topic.name}.py": source}
    session = in_memory_session(files, topic.name, list(topic.imports), list(topic.banned))
    put_in(session, misconception)
    return session


# --- in-memory submissions for plain pytest --------------------------------------------------------------------------


class PlainBench:
    """One in-memory session per topic, of the reference or of `--submission`."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.sessions: dict[str, Session] = {}
        self.references: dict[str, types.ModuleType] = {}
        self._course: Course | None = None

    @property
    def course(self) -> Course:
        if self._course is None:
            self._course = load_course(find_course(Path(str(self.config.rootpath))))
        return self._course

    def topic(self, name: str) -> Topic:
        return next((t for t in self.course.topics if t.name == name), Topic(name=name))

    def reference(self, topic: str) -> types.ModuleType:
        if topic not in self.references:
            self.references[topic] = load_reference(self.course, topic)
        return self.references[topic]

    def session(self, item: pytest.Item) -> Session:
        topic = topic_of(item)
        if topic not in self.sessions:
            self.sessions[topic] = self._open(self.topic(topic))
        self.sessions[topic].begin_check(seed_of(self.course.seed, check_id(item)))
        return self.sessions[topic]

    def _open(self, topic: Topic) -> Session:
        files = {f"{topic.name}.py": self._source(topic.name)}
        session = in_memory_session(files, topic.name, list(topic.imports), list(topic.banned))
        wanted = self.config.getoption("--misconception")
        if wanted:
            self._replace(session, topic.name, wanted)
        return session

    def _source(self, topic: str) -> str:
        given = self.config.getoption("--submission")
        path = Path(given) if given else self.course.path("solutions", f"{topic}.py")
        path = path / f"{topic}.py" if path.is_dir() else path
        if not path.is_file():
            pytest.fail(f"missing: {path} does not exist", pytrace=False)
        return path.read_text(encoding="utf-8-sig")

    def _replace(self, session: Session, topic: str, wanted: str) -> None:
        entry = pick_misconception(load_misconceptions(self.course, topic), wanted)
        if entry is None:
            pytest.fail(f"topic {topic} has no misconception {wanted}", pytrace=False)
        put_in(session, entry)


# --- fixtures --------------------------------------------------------------------------------------------------------


def _bench(request: pytest.FixtureRequest) -> Any:
    return request.config.grader_bench  # type: ignore[attr-defined]


def make_submission(bench: Any, item: pytest.Item) -> Submission:
    return Submission(bench.session(item))


def make_reference(bench: Any, item: pytest.Item) -> types.ModuleType:
    module: types.ModuleType = bench.reference(topic_of(item))
    return module


def make_rng(bench: Any, item: pytest.Item) -> np.random.Generator:
    return seeded(bench.course.seed, check_id(item))


FIXTURES: dict[str, Callable[[Any, pytest.Item], Any]] = {
    "submission": make_submission,
    "reference": make_reference,
    "rng": make_rng,
}


@functools.cache
def own_fixtures(item: pytest.Item) -> tuple[str, ...] | None:
    """The fixtures a check asks for, if they are all ours; None where pytest has to make others."""
    names = tuple(inspect.signature(getattr(item, "function")).parameters)  # noqa: B009 - a collected function
    return names if set(names) <= FIXTURES.keys() else None


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Submission:
    """The student's module, by proxy."""
    return make_submission(_bench(request), request.node)


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> types.ModuleType:
    """The reference module of the topic, in the judge's process."""
    return make_reference(_bench(request), request.node)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the course's seed and the check's id alone: the same inputs in any order, for every student."""
    return make_rng(_bench(request), request.node)


def seeded(seed: int, id: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(_seed_sequence(seed, id)))


@functools.cache
def _seed_sequence(seed: int, id: str) -> np.random.SeedSequence:
    digest = hashlib.sha256(f"{seed}:{id}".encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "little"))


def seed_of(seed: int, id: str) -> int:
    """What the worker's global random states begin with in this check; it does not lead to the check's own inputs."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{id}:global".encode()).digest()[:4], "little")


def usage(error: GraderError) -> pytest.UsageError:
    return pytest.UsageError(f"{error}\n{error.help}")
