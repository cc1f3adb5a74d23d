"""Shared by the tests of the engine: a toy course, and ways to grade sources with it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import TOY, submission_of

from grader.course import Course, load_course
from grader.grading.engine import Engine, make_engine
from grader.grading.pool import grade_many
from grader.results import SubmissionResult, TopicResult

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would all it starts


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """With REQUIRE_ALL=1 (CI) a test that skips for want of a program fails."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("REQUIRE_ALL") and "needs" in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL is set, but {item.nodeid} was skipped: {report.longrepr}"


@pytest.fixture(scope="session")
def toy() -> Course:
    return load_course(TOY / "course.yml")


@pytest.fixture(scope="session")
def reference_source() -> str:
    return (TOY / "solutions" / "toy.py").read_text()


@pytest.fixture(scope="session")
def toy_engine(toy: Course) -> Iterator[Engine]:
    """Warm processes for the toy course, shared by all tests of one run."""
    engine = make_engine(toy, ["toy"])
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def grade_all(toy: Course, toy_engine: Engine) -> Callable[..., dict[str, SubmissionResult]]:
    """Grade several sources, {student: source}, and return {student: result}."""

    def grade(sources: dict[str, str | None], judges: int = 2) -> dict[str, SubmissionResult]:
        submissions = [submission_of(source, student) for student, source in sources.items()]
        return {r.student: r for r in grade_many(submissions, toy, toy_engine, ["toy"], judges)}

    return grade


@pytest.fixture
def grade_source(grade_all: Callable[..., dict[str, SubmissionResult]]) -> Callable[[str | None], TopicResult]:
    """Grade one source of the toy topic."""
    return lambda source: grade_all({"s": source})["s"].topics[0]


@pytest.fixture
def toy_copy(tmp_path: Path) -> Path:
    """A copy of the toy course to break."""
    shutil.copytree(TOY, tmp_path / "course")
    return tmp_path / "course"
