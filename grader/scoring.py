"""Points, late days and penalties: pure functions of results, deadlines and policy."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from grader.course import Course
from grader.results import SubmissionResult, TopicResult
from grader.submissions import Submission

DAY = timedelta(days=1)


def late_days(submitted: datetime | None, due: datetime | None, grace_hours: float) -> int:
    """Started days after the deadline and its grace; 0 where either time is unknown."""
    if submitted is None or due is None:
        return 0
    late = submitted - due - timedelta(hours=grace_hours)
    return max(0, math.ceil(late / DAY))


def penalty_share(days: int, per_day: float, cap: float) -> float:
    """The share of a topic's points that lateness costs."""
    return min(days * per_day, cap)


def score_submission(submission: Submission, course: Course, topics: list[TopicResult]) -> SubmissionResult:
    """A student's total, with the penalty of each late topic."""
    policy = course.policy
    days = {t.topic: late_days(submission.submitted, course.topic(t.topic).due, policy.grace_hours) for t in topics}
    penalty = sum(
        t.points * penalty_share(days[t.topic], policy.late_penalty_per_day, policy.late_penalty_cap)
        for t in topics
        if t.file is not None
    )
    notes = submission.notes
    if submission.submitted is None and any(course.topic(t.topic).due for t in topics):
        notes += ("no time of submission is known, so nothing counts as late",)
    return SubmissionResult(
        student=submission.student,
        topics=tuple(topics),
        points=round(sum(t.points for t in topics), 4),
        max_points=round(sum(t.max_points for t in topics), 4),
        late_days=max((d for t, d in days.items() if _handed_in(t, topics)), default=0),
        penalty=round(penalty, 4),
        notes=notes,
    )


def _handed_in(topic: str, topics: list[TopicResult]) -> bool:
    return any(t.topic == topic and t.file is not None for t in topics)
