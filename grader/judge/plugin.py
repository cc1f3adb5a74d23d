"""The pytest plugin: the fixtures of a check, and `pytest tests/hidden [--submission DIR]` for authors.

The judge runs the same checks in the same way, but puts sandboxed workers in place of the in-memory ones.
"""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from grader.course import Course, Topic, find_course, load_course
from grader.judge.items import check_id, is_check_file, problem_of, seed_of, seeded, topic_of
from grader.judge.loading import load_misconceptions, load_reference, pick_misconception, put_in
from grader.remote.inmemory import in_memory_session
from grader.remote.proxy import RemoteModule
from grader.remote.session import Session


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grader", "checks of the course")
    group.addoption("--submission", help="a student's folder or file to check instead of the reference")
    group.addoption("--misconception", help="replace one unit of the reference by this misconception (ID or ID#2)")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "grader_bench"):
        config.grader_bench = PlainBench(config)  # type: ignore[attr-defined]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse what cannot be run as a check; a judge says so of the topic, and grades the others."""
    checks = [i for i in items if is_check_file(i.path) and isinstance(config.grader_bench, PlainBench)]  # type: ignore[attr-defined]
    for problem in filter(None, map(problem_of, checks)):
        raise pytest.UsageError(problem)


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


def _bench(request: pytest.FixtureRequest) -> PlainBench:
    bench: PlainBench = request.config.grader_bench  # type: ignore[attr-defined]
    return bench


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> RemoteModule:
    """The student's module, by proxy."""
    return RemoteModule(_bench(request).session(request.node))


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> types.ModuleType:
    """The reference module of the topic, in the judge's process."""
    return _bench(request).reference(topic_of(request.node))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Seeded by the course's seed and the check's id alone: the same inputs in any order, for every student."""
    return seeded(_bench(request).course.seed, check_id(request.node))
