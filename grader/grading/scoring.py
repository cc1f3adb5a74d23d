"""Points, late days and penalties: pure functions of results, deadlines and policy."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from grader.course import Course
from grader.course.times import in_utc
from grader.results import CapstoneResult, CheckResult, SubmissionResult, TopicResult, Verdict
from grader.submissions import Submission

DAY = timedelta(days=1)


def late_days(submitted: datetime | None, due: datetime | None, grace_hours: float, flag_days: int = 0) -> int:
    """Started days after the deadline and its grace; 0 without a deadline, `flag_days` where only the time is unknown.

    `flag_days` are for what an LMS marks as late without saying how late.
    """
    if due is None:
        return 0
    if submitted is None:
        return flag_days
    return late_days_after(in_utc(submitted) - in_utc(due), grace_hours)


def late_days_after(late: timedelta, grace_hours: float) -> int:
    """Started days of a lateness beyond its grace."""
    return max(0, math.ceil((late - timedelta(hours=grace_hours)) / DAY))


def penalty_share(days: int, per_day: float, cap: float) -> float:
    """The share of a topic's points that lateness costs."""
    return min(days * per_day, cap)


def score_submission(submission: Submission, course: Course, topics: list[TopicResult]) -> SubmissionResult:
    """A student's total, with the penalty of each late topic; what was not handed in cannot be late.

    What an LMS marks as late without a time (`flagged`) counts `late_flag_days` for topics whose time is unknown.
    """
    policy = course.policy
    handed_in = [t for t in topics if t.file is not None]
    flag_days = policy.late_flag_days if submission.flagged else 0
    days = {t.topic: _days(submission, course, t.topic, flag_days) for t in handed_in}
    shares = {t: penalty_share(d, policy.late_penalty_per_day, policy.late_penalty_cap) for t, d in days.items()}
    notes = submission.notes
    if any(course.topic(t.topic).due and submission.submitted_for(t.topic) is None for t in handed_in):
        notes += (_without_time(submission.flagged, flag_days),)
    return SubmissionResult(
        student=submission.student,
        topics=tuple(topics),
        points=round(sum(t.points for t in topics), 4),
        max_points=round(sum(t.max_points for t in topics), 4),
        late_days=max(days.values(), default=0),
        penalty=round(sum(t.points * shares[t.topic] for t in handed_in), 4),
        notes=notes,
    )


def fault_check(id: str, title: str, text: str, max_points: float = 0.0, visibility: str = "hidden") -> CheckResult:
    """What stands among the checks for something of the grader's own that failed."""
    return CheckResult(
        id=id,
        function="",
        title=title,
        visibility=visibility,
        verdict=Verdict.GRADER_FAULT,
        points=0.0,
        max_points=max_points,
        message=text,
    )


def with_capstone(topic: TopicResult, capstone: CapstoneResult, share: float) -> TopicResult:
    """The topic with its capstone: `share` of its points are for the gate, reached or not, and the rest for checks."""
    worth = round(share * topic.max_points, 6)
    earned = replace(capstone, points=worth if capstone.reached else 0.0, max_points=worth)
    return replace(topic, points=round((1 - share) * topic.points + earned.points, 6), capstone=earned)


def _days(submission: Submission, course: Course, topic: str, flag_days: int) -> int:
    due, grace = course.topic(topic).due, course.policy.grace_hours
    return late_days(submission.submitted_for(topic), due, grace, flag_days)


def _without_time(flagged: bool, flag_days: int) -> str:
    if flagged:
        return f"marked as late without a time: counts as {flag_days} day(s) late (late_flag_days in course.yml)"
    return "no time of submission is known, so nothing counts as late"
