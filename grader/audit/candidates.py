"""What the audit lets the engine grade: references, stubs, variants, misconceptions and mutants, as submissions.

Each is a plain text of a module, so it is graded exactly as a student's file is: in a walled worker, over the pipe, a
few at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from grader.course import Course, Topic
from grader.grading.engine import Engine
from grader.grading.pool import job_of, land
from grader.jobs import Plan
from grader.results import CheckResult, TopicResult, Verdict
from grader.submissions import Submission, SubmittedFile


@dataclass(frozen=True)
class Candidate:
    """A module text and how it is to be graded."""

    name: str
    topic: Topic
    source: str
    plan: Plan


@dataclass(frozen=True)
class Graded:
    """A candidate's result; raises nothing: a topic that could not be graded is one check with a grader fault."""

    candidate: Candidate
    result: TopicResult
    margins: dict[str, float]  # by name of check

    @cached_property
    def checks(self) -> dict[str, CheckResult]:
        """The results by name of check."""
        return {c.id.split("::")[-1]: c for c in self.result.checks}

    @property
    def lost(self) -> list[str]:
        """Names of the checks that it failed."""
        return [name for name, c in self.checks.items() if c.verdict is not Verdict.PASS]


def grade_candidates(candidates: Iterable[Candidate], engine: Engine, judges: int | None = None) -> Iterator[Graded]:
    """Grade candidates side by side; yields each as it lands."""
    asked = list(candidates)
    jobs = [job_of(_handed_in(c), c.topic.name, number, c.plan) for number, c in enumerate(asked)]
    for landing in land(jobs, engine, judges or os.cpu_count() or 1):
        margins = {id.split("::")[-1]: m for id, m in landing.margins.items()}
        yield Graded(asked[landing.job.number], landing.result, margins)


def _handed_in(candidate: Candidate) -> Submission:
    file = SubmittedFile(f"{candidate.topic.name}.py", candidate.source, None)
    return Submission(candidate.name, {candidate.topic.name: file})


def misconceptions_text(course: Course, topic: str) -> str:
    """The text of a topic's file of misconceptions, which travels with the reference; "" where there is none."""
    path = course.path("tests", "hidden", "misconceptions", f"{topic}.py")
    return path.read_text(encoding="utf-8") if path.is_file() else ""
