"""Lateness worked by hand, from what was handed in to the summary, scores.csv and nbgrader's gradebook: one result.

`toy` is worth 100 points and `second` 50; a started day costs 10%, three days and more 30%. All work here is right.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from notebook_helpers import as_bytes
from toys import TOY

from grader.cli import run
from grader.cli.terminal import painter
from grader.course import Course, load_course
from grader.course.times import time_of
from grader.errors import CourseError, UsageError
from grader.grading.engine import make_engine
from grader.grading.grade import Grader
from grader.grading.pool import grade_many
from grader.grading.scoring import score_submission
from grader.notebooks import gradebook
from grader.notebooks.gradebook import opened
from grader.reports import summary, to_csv
from grader.results import Report, TopicResult
from grader.submissions import Asked, Found, Submission, find_submissions, tables

DUE = "2026-11-20T12:00:00Z"


@dataclass(frozen=True)
class Example:
    """What was handed in when and due when, in words of files, and what it comes to: (days, points lost) a student."""

    about: str
    hand_in: Callable[[Path], str]  # into this folder; returns the layout's name
    expected: dict[str, tuple[int, float]]
    due: dict[str, str | None] = field(default_factory=lambda: {"second": DUE})
    policy: dict[str, Any] = field(default_factory=dict)
    formgrader: datetime | None = None  # a due date of `second` there, in UTC
    extension: timedelta | None = None  # of ann's `second`
    times: str = ""  # rows of --times


def stamps(**topics: str) -> Callable[[Path], str]:
    """ann's notebooks as nbgrader collects them; "" is no timestamp."""

    def hand_in(folder: Path) -> str:
        for student, topic, stamp in [("zed", "second", ""), *(("ann", *one) for one in topics.items())]:
            place = folder / student / topic
            place.mkdir(parents=True)
            (place / f"{topic}.ipynb").write_bytes(as_bytes({"cells": [{"cell_type": "code", "source": "x = 1"}]}))
            if stamp:
                (place / "timestamp.txt").write_text(stamp)
        return "nbgrader"

    return hand_in


def words(said: str, name: str = "ann") -> Callable[[Path], str]:
    """A folder of a class with a submission.yml."""

    def hand_in(folder: Path) -> str:
        (folder / name).mkdir(parents=True)
        shutil.copy(TOY / "solutions" / "second.py", folder / name)
        (folder / name / "submission.yml").write_text(said)
        return "class"

    return hand_in


def canvas(folder: Path) -> str:
    """Late by Canvas's word, which does not say how late."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TOY / "solutions" / "second.py", folder / "leeann_LATE_101_2002_second.py")
    return "canvas"


BERLIN = "Europe/Berlin"
LEE = "leeann_101"
EXAMPLES = [
    Example("the very second", stamps(second="2026-11-20 12:00:00 UTC"), {"ann": (0, 0)}),
    Example("a second later is a day", stamps(second="2026-11-20 12:00:01 UTC"), {"ann": (1, 5)}),
    Example("a whole day is one", stamps(second="2026-11-21 12:00:00 UTC"), {"ann": (1, 5)}),
    Example("25 hours are two", stamps(second="2026-11-21 13:00:00 UTC"), {"ann": (2, 10)}),
    Example("ten days cost the cap", stamps(second="2026-11-30 12:00:00 UTC"), {"ann": (10, 15)}),
    Example("a zone of its own", stamps(second="2026-11-20 13:00:00 CET"), {"ann": (0, 0)}),
    Example("no time is not late", stamps(second=""), {"ann": (0, 0)}),
    Example("grace of an hour", stamps(second="2026-11-20 13:00:00 UTC"), {"ann": (0, 0)}, policy={"grace_hours": 1.0}),
    Example(  # 23 hours by the sun, a day by the clock
        "clocks forward, the same hour next day",
        stamps(second=f"2027-03-28 12:00:00 {BERLIN}"),
        {"ann": (1, 5)},
        {"second": f"2027-03-27T12:00:00 {BERLIN}"},
    ),
    Example(  # 24 hours and a second
        "clocks forward, an hour and a second more",
        stamps(second=f"2027-03-28 13:00:01 {BERLIN}"),
        {"ann": (2, 10)},
        {"second": f"2027-03-27T12:00:00 {BERLIN}"},
    ),
    Example(  # 00:30 and 01:30 UTC
        "clocks forward, over the hour that is left out",
        stamps(second=f"2027-03-28 03:30:00 {BERLIN}"),
        {"ann": (0, 0)},
        {"second": f"2027-03-28T01:30:00 {BERLIN}"},
        {"grace_hours": 1.0},
    ),
    Example(  # 25 hours by the sun
        "clocks back, the same hour next day",
        stamps(second=f"2026-10-25 12:00:00 {BERLIN}"),
        {"ann": (2, 10)},
        {"second": f"2026-10-24T12:00:00 {BERLIN}"},
    ),
    Example(  # both are read as the later 02:30 and 02:45
        "clocks back, in the hour that comes twice",
        stamps(second=f"2026-10-25 02:45:00 {BERLIN}"),
        {"ann": (1, 5)},
        {"second": f"2026-10-25T02:30:00 {BERLIN}"},
    ),
    Example(
        "two topics, one of them late",
        stamps(toy="2026-11-20 12:00:00 UTC", second="2026-11-21 13:00:00 UTC"),
        {"ann": (2, 10)},
        {"toy": DUE, "second": DUE},
    ),
    Example(
        "two topics, both late",
        stamps(toy="2026-11-20 12:00:01 UTC", second="2026-11-23 12:00:00 UTC"),
        {"ann": (3, 25)},
        {"toy": DUE, "second": DUE},
    ),
    Example(
        "a group has one lateness",
        words("members: [ann, bob]\nsubmitted: 2026-11-20T14:00:00+01:00\n"),
        {"ann": (1, 5), "bob": (1, 5)},
        policy={"student_times": True},
    ),
    Example("a student's words do not count", words("submitted: 2026-11-25T14:00:00+01:00\n"), {"ann": (0, 0)}),
    Example(
        "a student's words that count",
        words("submitted: 2026-11-21T14:00:00+01:00\n"),
        {"ann": (2, 10)},
        policy={"student_times": True},
    ),
    Example("LATE costs nothing by default", canvas, {LEE: (0, 0)}),
    Example("LATE costs what the policy says", canvas, {LEE: (2, 10)}, policy={"late_flag_days": 2}),
    Example(
        "a time that is given outranks LATE",
        canvas,
        {LEE: (1, 5)},
        policy={"late_flag_days": 3},
        times=f"{LEE},second,2026-11-20T13:00:00Z\n",
    ),
    Example(
        "a time that is given outranks a timestamp",
        stamps(toy="2026-11-30 12:00:00 UTC", second="2026-11-30 12:00:00 UTC"),
        {"ann": (10, 30)},
        {"toy": DUE, "second": DUE},
        times="ann,second,2026-11-20T13:00:00+01:00\n",
    ),
    Example(
        "a time that is given for all topics, and one for one of them",
        stamps(toy="", second="2026-11-30 12:00:00 UTC"),
        {"ann": (2, 25)},
        {"toy": DUE, "second": DUE},
        times="ann,,2026-11-21T13:00:00Z\nann,second,2026-11-20T13:00:00Z\n",
    ),
    Example(
        "an extension of a day", stamps(second="2026-11-21 13:00:00 UTC"), {"ann": (1, 5)}, extension=timedelta(days=1)
    ),
    Example(
        "an extension of two", stamps(second="2026-11-21 13:00:00 UTC"), {"ann": (0, 0)}, extension=timedelta(days=2)
    ),
    Example(
        "a due date of formgrader's is later",
        stamps(second="2026-11-21 13:00:00 UTC"),
        {"ann": (0, 0)},
        formgrader=datetime(2026, 11, 22, 12),
    ),
    Example(
        "a due date of formgrader's is earlier",
        stamps(second="2026-11-20 12:00:00 UTC"),
        {"ann": (1, 5)},
        formgrader=datetime(2026, 11, 19, 12),
    ),
    Example(
        "a due date of formgrader's alone, with an extension",
        stamps(second="2026-11-21 13:00:00 UTC"),
        {"ann": (1, 5)},
        {"second": None},
        formgrader=datetime(2026, 11, 20, 6),
        extension=timedelta(hours=8),
    ),
    Example(
        "an extension without any due date",
        stamps(second="2026-11-21 13:00:00 UTC"),
        {"ann": (0, 0)},
        {"second": None},
        extension=timedelta(hours=8),
    ),
]


@pytest.fixture(scope="module")
def full() -> dict[str, TopicResult]:
    """Full marks in both topics."""
    course = load_course(TOY / "course.yml")
    engine = make_engine(course, ["toy", "second"])
    sources = {topic: (TOY / "solutions" / f"{topic}.py").read_text() for topic in engine.topics}
    from grader.submissions import SubmittedFile

    files = {topic: SubmittedFile(f"{topic}.py", source, "sha256:0") for topic, source in sources.items()}
    try:
        engine.start()
        (result,) = grade_many([Submission("ann", files)], course, engine, ["toy", "second"], 2)
    finally:
        engine.close()
    return {topic.topic: topic for topic in result.topics}


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with opened(path):
        return path


def course_of(example: Example) -> Course:
    course = load_course(TOY / "course.yml")
    dues = {topic: time_of(due) if due else None for topic, due in example.due.items()}
    topics = tuple(t.model_copy(update={"due": dues.get(t.name)}) for t in course.topics)
    return course.model_copy(update={"topics": topics, "policy": course.policy.model_copy(update=example.policy)})


def graded(found: Found, course: Course, full: dict[str, TopicResult]) -> Report:
    """As if all that was handed in were right."""
    results = [
        score_submission(s, course, [replace(full[t], file=s.files[t].name) for t in full if t in s.files])
        for s in found.submissions
    ]
    return Report(course.title, "strong", True, tuple(results))


def told_in_formgrader(book: Path, example: Example) -> None:
    with opened(book) as db:
        if example.formgrader is not None:
            db.find_assignment("second").duedate = example.formgrader
        if example.extension is not None:
            db.find_submission("second", "ann").extension = example.extension
        db.db.commit()


def in_summary(report: Report, student: str) -> tuple[int, float]:
    (result,) = [s for s in report.submissions if s.student == student]
    text = summary.render(replace(report, submissions=(result,)), painter(False))
    late = re.search(r"^total: .*, (\d+) days late \(-([\d.]+)\)$", text, re.M)
    return (int(late[1]), float(late[2])) if late else (0, 0.0)


def in_csv(report: Report, student: str, path: Path) -> tuple[int, float]:
    to_csv.write(report, path)
    with path.open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["student"] == student]
    assert float(row["final"]) == float(row["total"]) - float(row["penalty"])
    return int(row["late_days"]), float(row["penalty"])


def in_gradebook(book: Path, student: str) -> float:
    with opened(book) as db:
        notebooks = [n for s in db.student_submissions(student) for n in s.notebooks]
        return sum(n.late_submission_penalty or 0.0 for n in notebooks)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.about)
def test_one_result_in_summary_csv_and_gradebook(example, full, empty, tmp_path):
    """What was worked by hand is what each of the three says."""
    course, book = course_of(example), tmp_path / "gradebook.db"
    layout = example.hand_in(tmp_path / "handed in")
    (tmp_path / "times.csv").write_text(f"student,topic,submitted\n{example.times}")
    found = find_submissions([tmp_path / "handed in"], course, layout)
    tables.give_times(tables.read_times(tmp_path / "times.csv", course), found)
    report = graded(found, course, full)
    shutil.copyfile(empty, book)
    if example.formgrader or example.extension:
        assert gradebook.write(book, course, found.submissions, report)
        told_in_formgrader(book, example)
    report = gradebook.with_its_due_dates(book, course, found.submissions, report)
    assert gradebook.write(book, course, found.submissions, report, print)

    assert example.expected == {s: in_summary(report, s) for s in example.expected}
    assert example.expected == {s: in_csv(report, s, tmp_path / "scores.csv") for s in example.expected}
    assert {s: e[1] for s, e in example.expected.items()} == {s: in_gradebook(book, s) for s in example.expected}


def test_the_command_counts_them_too(full, empty, tmp_path, monkeypatch, capsys):
    """`grade submitted --gradebook DB -o report`: what is shown and what is written know of the extension."""
    example = next(e for e in EXAMPLES if e.about == "an extension of a day")
    course, book = course_of(example), tmp_path / "gradebook.db"
    found = find_submissions([tmp_path / "handed in"], course, example.hand_in(tmp_path / "handed in"))
    report = graded(found, course, full)
    shutil.copyfile(empty, book)
    gradebook.write(book, course, found.submissions, report)
    told_in_formgrader(book, example)
    monkeypatch.setattr(run, "_graded", lambda *a: (report, found, False))
    options = run.Options(course_file=TOY / "course.yml", gradebook=book, output=tmp_path / "report")

    assert 1 == run.run([tmp_path], options)
    assert "1 d late (-5)" in capsys.readouterr().out
    (ann,) = [s for s in Report.from_json(tmp_path / "report" / "results.json").submissions if s.student == "ann"]
    assert ((2, 10.0), (1, 5.0)) == (in_csv(report, "ann", tmp_path / "scores.csv"), (ann.late_days, ann.penalty))


# --- --times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("ann,second,2026-11-20 12:00\n", "times.csv:2: a time has its zone"),
        (f"ann,second,2027-03-28 02:30 {BERLIN}\n", "times.csv:2: 2027-03-28 02:30 does not exist in Europe/Berlin"),
        ("ann,second,\n", "times.csv:2: no time in this row"),
        (",second,2026-11-20T12:00:00Z\n", "times.csv:2: no student in this row"),
        (",,\nann,secnd,2026-11-20T12:00:00Z\n", "no topic 'secnd' in this course"),
        (
            "ann,,2026-11-20T12:00:00Z\n,,\nann,,2026-11-20T13:00:00Z\n",
            "times.csv:4: 'ann' is there twice for all topics",
        ),
    ],
)
def test_times_in_doubt_are_refused_by_their_line(tmp_path, rows, problem):
    """Before anything is graded, with what to do next."""
    (tmp_path / "times.csv").write_text("Student , Topic,SUBMITTED\n" + rows)
    with pytest.raises((UsageError, CourseError), match=re.escape(problem)) as told:
        tables.read_times(tmp_path / "times.csv", load_course(TOY / "course.yml"))

    assert told.value.help


def test_names_in_times_are_those_of_the_class(tmp_path):
    """One spelling of each letter; who has handed in nothing is told of, whichever students are asked for."""
    for student in ("zoë", "ann"):
        (tmp_path / "class" / student).mkdir(parents=True)
        shutil.copy(TOY / "solutions" / "second.py", tmp_path / "class" / student)
    rows = ["student;topic;submitted", "zoe\u0308;second;2026-11-20T12:00:00Z", ";;", "nobody;;2026-11-20T12:00:00Z"]
    (tmp_path / "times.csv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    course = load_course(TOY / "course.yml")
    grader = Grader(course)
    found = grader.find(course, [tmp_path / "class"], ["zoë"], times=tmp_path / "times.csv")

    assert [s.submitted_for("second") for s in found.submissions] == [time_of("2026-11-20T12:00:00Z")]
    assert [w for w in found.warnings if "times" in w] == ["--times names 'nobody', of whom there is no submission"]


def test_who_is_not_in_the_roster_is_said(tmp_path):
    """In a warning and in unread.csv; their work is graded all the same."""
    for student in ("ann", "max"):
        (tmp_path / "class" / student).mkdir(parents=True)
        shutil.copy(TOY / "solutions" / "second.py", tmp_path / "class" / student)
    (tmp_path / "roster.csv").write_text("student\nann\n")
    course = load_course(TOY / "course.yml")
    from grader.submissions import People

    asked = Asked(people=People.read(tmp_path / "roster.csv", None))
    found = Grader(course).find(course, [tmp_path / "class"], asked=asked)

    assert "not in the roster: max" in found.warnings
    assert [(row.student, row.why) for row in found.unread] == [("max", "is not in the roster")]
    assert [s.student for s in found.submissions] == ["ann", "max"]
