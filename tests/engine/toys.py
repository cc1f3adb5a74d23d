"""Small helpers of the engine's tests."""

from __future__ import annotations

from pathlib import Path

from grader.course import load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.results import CheckResult, SubmissionResult, TopicResult
from grader.submissions import Submission, SubmittedFile

TOY = Path(__file__).parent / "toy"
ROOT = Path(__file__).parents[2]


def submission_of(source: str | None, student: str = "s", topic: str = "toy") -> Submission:
    file = None if source is None else SubmittedFile(f"{topic}.py", source, "sha256:0")
    return Submission(student, {topic: file} if file else {})


def verdicts(result: TopicResult) -> dict[str, str]:
    return {c.id.split("::")[1]: str(c.verdict) for c in result.checks}


def check_named(result: TopicResult, name: str) -> CheckResult:
    return next(c for c in result.checks if c.id.endswith(f"::{name}"))


def grade_course(
    root: Path, sources: dict[str, str | None], topics: tuple[str, ...] = ("toy",)
) -> dict[str, SubmissionResult]:
    """Grade sources of the first topic with the course in `root`, by processes of its own."""
    course = load_course(root / "course.yml")
    engine = make_engine(course, list(topics))
    submissions = [submission_of(source, student, topics[0]) for student, source in sources.items()]
    try:
        return {r.student: r for r in grade_many(submissions, course, engine, list(topics), 2)}
    finally:
        engine.close()
