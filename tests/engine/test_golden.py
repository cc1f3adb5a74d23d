"""The sample class: what each submission of `examples/submit` earns, check by check.

`golden/<student>.yml` holds what to expect by the table of verdicts: for each topic a `default` verdict, then verdicts
by graded function, then by check; `points` where they are stated; and `student` where `submission.yml` gives a name
other than the folder's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from toys import ROOT

from grader.course import load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.results import CheckResult, SubmissionResult, TopicResult, Verdict
from grader.submissions import Submission, find_submissions

TOPICS = ["backprop", "optimizers", "viola_jones"]
SEED = 20261120  # of the inputs for which the expectations were written, whatever the seed of the present term
CLASS = ROOT / "examples" / "submit"
GOLDEN = Path(__file__).parent / "golden"
STUDENTS = sorted(path.stem for path in GOLDEN.glob("*.yml"))
FEW = ("chloe_martin", "hannah_cohen", "kwame_mensah", "marcus_webb", "yuki_sato", "zoe_papadakis")

Grade = Callable[[Iterable[Submission], int], dict[str, SubmissionResult]]


def expected(student: str) -> dict[str, Any]:
    return yaml.safe_load((GOLDEN / f"{student}.yml").read_text(encoding="utf-8"))


def name_of(student: str) -> str:
    """The name in the report."""
    return expected(student).get("student", student)


def wanted(topic: dict[str, Any], result: TopicResult) -> dict[str, str]:
    """The expected verdict of every check: its own, else its function's, else the topic's."""
    checks, functions = topic.get("checks", {}), topic.get("functions", {})
    names = {c.id.split("::")[1]: c.function for c in result.checks}
    return {name: checks.get(name, functions.get(function, topic["default"])) for name, function in names.items()}


def got(result: TopicResult) -> dict[str, str]:
    return {c.id.split("::")[1]: str(c.verdict) for c in result.checks}


def without_times(result: CheckResult) -> CheckResult:
    """The same result with its time set to zero, for comparing two runs."""
    return replace(result, seconds=0.0)


def timeless(result: SubmissionResult) -> SubmissionResult:
    topics = [replace(t, seconds=0.0, checks=tuple(map(without_times, t.checks))) for t in result.topics]
    return replace(result, topics=tuple(topics))


@pytest.fixture(scope="module")
def submissions() -> dict[str, Submission]:
    return {s.student: s for s in find_submissions([CLASS], load_course(ROOT / "course.yml")).submissions}


@pytest.fixture(scope="module")
def grade() -> Iterator[Grade]:
    """Grade submissions with the real engine, with processes shared by all tests here."""
    course = load_course(ROOT / "course.yml")
    engine = make_engine(course, TOPICS, SEED)
    engine.start()
    yield lambda students, judges: {r.student: r for r in grade_many(students, course, engine, TOPICS, judges)}
    engine.close()


@pytest.fixture(scope="module")
def graded(grade: Grade, submissions: dict[str, Submission]) -> dict[str, SubmissionResult]:
    """The results of the whole class, by the names of the folders."""
    results = grade(submissions.values(), 2)
    return {student: results[name_of(student)] for student in STUDENTS}


def test_submissions_and_expectations_match_one_to_one():
    """Every submission has its expectation, and every expectation its submission."""
    assert sorted(path.name for path in CLASS.iterdir()) == STUDENTS
    assert len(STUDENTS) >= 18


@pytest.mark.parametrize("student", STUDENTS)
def test_expectations_are_well_formed(student):
    """An expectation speaks of every topic, in the words of the table of verdicts."""
    topics = {name: topic for name, topic in expected(student).items() if name != "student"}
    assert set(TOPICS) == set(topics)
    for topic in topics.values():
        assert {"default"} <= set(topic) <= {"default", "points", "functions", "checks"}
        verdicts = {topic["default"], *topic.get("functions", {}).values(), *topic.get("checks", {}).values()}
        assert verdicts <= {str(verdict) for verdict in Verdict}


@pytest.mark.parametrize("student", STUDENTS)
def test_every_check_ends_as_expected(student, graded):
    """The verdict of every check of every topic is the expected one, and no expectation names what is not there."""
    for result in graded[student].topics:
        topic = expected(student)[result.topic]
        assert set(topic.get("checks", {})) <= set(got(result))
        assert set(topic.get("functions", {})) <= {c.function for c in result.checks}
        assert wanted(topic, result) == got(result), f"{student}, {result.topic}"


@pytest.mark.parametrize("student", STUDENTS)
def test_points_are_those_of_the_passed_checks(student, graded):
    """A topic earns the points of its passed checks and a share of what is right given correct earlier functions."""
    share = load_course(ROOT / "course.yml").policy.follow_through_share
    for result in graded[student].topics:
        topic = expected(student)[result.topic]
        passed = {c.id for c in result.checks if wanted(topic, result)[c.id.split("::")[1]] == "pass"}
        followed = {c.id for c in result.checks if c.follow_through}
        earned = {c.id: c.max_points * (1 if c.id in passed else share * (c.id in followed)) for c in result.checks}
        assert earned == {c.id: c.points for c in result.checks}
        assert not passed & followed
        assert (sum(earned.values()), 100.0) == (result.points, result.max_points)
        assert result.points == topic.get("points", result.points)


def test_the_order_of_students_and_repetition_change_nothing(grade, graded, submissions):
    """Some of the class alone, in reverse order and by one judge: the same reports but for the times."""
    again = grade([submissions[student] for student in reversed(FEW)], 1)

    assert {s: timeless(graded[s]) for s in FEW} == {s: timeless(r) for s, r in again.items()}


def test_patched_comparisons_earn_nothing(graded):
    """Where NumPy's own comparisons were replaced, the wrong function earns nothing and the right ones everything."""
    optimizers = graded["rafael_costa"].topics[1]

    assert {"numpy.testing.assert_allclose", "np.allclose"} <= set(
        (CLASS / "rafael_costa" / "optimizers.py").read_text().split()
    )
    assert {0.0} == {c.points for c in optimizers.checks if c.function == "lr_at"}
    assert all(c.points == c.max_points for c in optimizers.checks if c.function != "lr_at")


def test_noise_costs_nothing(graded):
    """Printing, logging, warning and megabytes of output cost no point and reach no report."""
    for student, topic in [("noah_fischer", 0), ("noah_fischer", 1), ("oscar_lund", 1)]:
        result = graded[student].topics[topic]
        assert (100.0, {""}) == (result.points, {c.message for c in result.checks}), student


def test_a_topic_that_was_not_handed_in_is_listed_whole(graded):
    """A missing topic has all its checks, every one missing, with the reason."""
    missing, whole = graded["liam_byrne"].topics[0], graded["amara_okafor"].topics[0]

    assert missing.file is None
    assert [(c.id, c.max_points) for c in missing.checks] == [(c.id, c.max_points) for c in whole.checks]
    assert {("missing", "backprop.py was not handed in")} == {(str(c.verdict), c.message) for c in missing.checks}


def test_submission_yml_names_the_group(submissions):
    """`submission.yml` says who else has worked on it: each member is listed; a time there is the student's word."""
    own, other = submissions["nadia_haddad"], submissions["ben_carter"]

    assert own.members == other.members == ("nadia_haddad", "ben_carter")
    assert own.files == other.files
    assert own.submitted is None
    assert any("2026-12-01 21:14:00+01:00: the student's word" in note for note in own.notes)
