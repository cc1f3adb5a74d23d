"""`scores.csv`: one row a student, for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

from grader.results import Report, SubmissionResult, TopicResult
from grader.text import printable

FILE = "scores.csv"
NOT_FINISHED = "not finished"  # the run was stopped before
FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are wide forms of the first


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, on one line."""
    text = printable(text)
    return "'" + text if text.startswith(FORMULAS) else text


def number(value: float) -> str:
    """Points without trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def row(result: SubmissionResult, topics: list[str], unfinished: tuple[str, ...] = ()) -> list[str]:
    """The cells of a student; what a run that was stopped has not finished has no number."""
    graded = {t.topic: t for t in result.topics}
    points = [_cell(graded.get(topic), topic in unfinished) for topic in topics]
    notes = [*result.notes, *(note for t in result.topics for note in (t.unreadable, *t.notes) if note)]
    total, final = (number(result.points), number(result.final)) if not result.faults else ("not graded",) * 2
    if unfinished:
        total = final = NOT_FINISHED
    return [
        harmless(result.student),
        *points,
        total,
        str(result.late_days),
        number(result.penalty),
        final,
        harmless("; ".join(dict.fromkeys(notes))),
    ]


def _cell(topic: TopicResult | None, unfinished: bool) -> str:
    if topic is None:
        return NOT_FINISHED if unfinished else ""
    return "not graded" if topic.faults else number(topic.points)


def write(report: Report, path: Path) -> None:
    """The columns of topics stand in the order in which the report first names them."""
    unfinished = {u.student: u.topics for u in report.unfinished}
    results = {
        s.student: s for s in (*(SubmissionResult.of(u.student, ()) for u in report.unfinished), *report.submissions)
    }
    named = [
        *(t.topic for s in report.submissions for t in s.topics),
        *(t for u in report.unfinished for t in u.topics),
    ]
    topics = list(dict.fromkeys(named))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["student", *topics, "total", "late_days", "penalty", "final", "notes"])
        writer.writerows(row(results[s], topics, unfinished.get(s, ())) for s in sorted(results))
