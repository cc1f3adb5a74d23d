"""Points, late days and penalties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from toys import TOY, grade_course

from grader.course import Course, Policy
from grader.grading.scoring import late_days, penalty_share, score_submission
from grader.results import CheckResult, TopicResult, Verdict
from grader.submissions import Submission

DUE = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NO_TIME = "no time of submission is known, so nothing counts as late"


def topic(name: str, points: float, file: str | None = "f.py", maximum: float = 100.0) -> TopicResult:
    check = CheckResult(f"{name}::c", "f", "t", "public", Verdict.PASS, points, maximum)
    return TopicResult(name, file, None, points, maximum, (check,))


def course(toy: Course, **policy: float) -> Course:
    """The toy course (`second` is due, `toy` is not) with another policy."""
    return toy.model_copy(update={"policy": Policy(**{"late_penalty_per_day": 0.1, "late_penalty_cap": 0.3} | policy)})


@pytest.mark.parametrize(
    ("after", "grace", "days"),
    [
        (-HOUR, 0, 0),
        (0 * HOUR, 0, 0),
        (timedelta(microseconds=1), 0, 1),
        (24 * HOUR, 0, 1),
        (24 * HOUR + timedelta(seconds=1), 0, 2),
        (2 * HOUR, 2, 0),
        (2 * HOUR + timedelta(seconds=1), 2, 1),
        (26 * HOUR, 2, 1),
        (10_000 * 24 * HOUR, 0, 10_000),
    ],
)
def test_late_days_are_started_days_after_the_grace(after, grace, days):
    """A day that has begun counts whole, the deadline itself is in time, and grace moves both."""
    assert days == late_days(DUE + after, DUE, grace)


def test_zones_are_the_same_moment():
    """The same moment in another zone is as late or as early."""
    east = timezone(timedelta(hours=5, minutes=30))

    assert late_days(datetime(2026, 11, 20, 17, 30, tzinfo=east), DUE, 0) == 0
    assert late_days(datetime(2026, 11, 20, 17, 31, tzinfo=east), DUE, 0) == 1
    assert late_days(datetime(2026, 11, 20, 9, 0, tzinfo=timezone(-timedelta(hours=5))), DUE, 0) == 1


@pytest.mark.parametrize(("flagged", "days", "late"), [(True, 0, 0), (True, 2, 2), (False, 2, 0)])
def test_a_mark_as_late_without_a_time_counts_what_the_policy_says(toy, flagged, days, late):
    """Only where nothing tells when it came, and only for topics that are due; the report says so."""
    of = course(toy, late_flag_days=days)
    graded = [topic("toy", 50), topic("second", 40)]
    result = score_submission(Submission("s", {}, flagged=flagged), of, graded)
    timed = score_submission(Submission("s", {}, submitted=DUE - 400 * 24 * HOUR, flagged=flagged), of, graded)

    assert (late, round(late * 0.1 * 40, 4)) == (result.late_days, result.penalty)
    words = f"marked as late without a time: counts as {days} day(s) late (late_flag_days in course.yml)"
    assert ((words if flagged else NO_TIME),) == result.notes
    assert (0, ()) == (timed.late_days, timed.notes)


def test_unknown_times_are_never_late():
    """Without a deadline or a time of submission nothing is late."""
    assert (late_days(None, DUE, 0), late_days(DUE, None, 0)) == (0, 0)


def test_penalty_grows_by_the_day_up_to_its_cap():
    """The share grows with each day and stops at the cap."""
    assert [pytest.approx(penalty_share(d, 0.1, 0.3)) for d in (0, 1, 2, 3, 30)] == [0.0, 0.1, 0.2, 0.3, 0.3]


def test_only_what_is_due_and_late_costs(toy):
    """The penalty is a share of the late topic's points alone; late_days is the worst topic's."""
    submission = Submission("s", {}, submitted=DUE + 30 * HOUR)
    result = score_submission(submission, course(toy), [topic("toy", 80), topic("second", 40, maximum=50)])

    assert (result.points, result.max_points, result.late_days, result.penalty, result.final) == (
        120,
        150,
        2,
        8.0,
        112.0,
    )
    assert result.notes == ()


def test_the_cap_holds(toy):
    """However late, no more than the cap is lost."""
    submission = Submission("s", {}, submitted=DUE + 1000 * HOUR)

    assert score_submission(submission, course(toy), [topic("second", 40)]).penalty == 12.0
    assert score_submission(submission, course(toy, late_penalty_per_day=0), [topic("second", 40)]).penalty == 0.0


def test_what_was_not_handed_in_is_not_late(toy):
    """A missing topic has no points and no late days."""
    submission = Submission("s", {}, submitted=DUE + 30 * HOUR)
    result = score_submission(submission, course(toy), [topic("second", 0, file=None)])

    assert (result.late_days, result.penalty) == (0, 0.0)


def test_topics_with_times_of_their_own(toy):
    """Where each topic was handed in at its own time, that time counts."""
    submission = Submission("s", {}, submitted=DUE, times={"second": DUE + HOUR})
    result = score_submission(submission, course(toy), [topic("second", 40)])

    assert (result.late_days, result.penalty) == (1, 4.0)


def test_an_unknown_time_is_noted(toy):
    """Where a deadline meets no time of submission, the report says so; without a deadline there is nothing to say."""
    submission = Submission("s", {}, notes=("before",))

    assert score_submission(submission, course(toy), [topic("second", 40)]).notes == ("before", NO_TIME)
    assert score_submission(submission, course(toy), [topic("toy", 40)]).notes == ("before",)


def test_points_are_scaled_to_the_weight(toy):
    """A topic of weight 50 whose checks add up to 100 gives 50 points."""
    result = grade_course(TOY, {"s": toy.path("solutions", "second.py").read_text()}, ("second",))["s"]

    assert (result.points, result.max_points) == (50.0, 50.0)
    assert [c.points for t in result.topics for c in t.checks] == [50.0]
