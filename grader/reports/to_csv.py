"""`scores.csv`: one row a student, for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

from grader.results import Report, SubmissionResult
from grader.text import printable

FILE = "scores.csv"
FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are wide forms of the first


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, on one line."""
    text = printable(text)
    return "'" + text if text.startswith(FORMULAS) else text


def number(value: float) -> str:
    """Points without trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def row(result: SubmissionResult, topics: list[str]) -> list[str]:
    graded = {t.topic: t for t in result.topics}
    points = ["" if t not in graded else "not graded" if graded[t].faults else number(graded[t].points) for t in topics]
    notes = [*result.notes, *(note for t in result.topics for note in (t.unreadable, *t.notes) if note)]
    total, final = (number(result.points), number(result.final)) if not result.faults else ("not graded",) * 2
    return [
        harmless(result.student),
        *points,
        total,
        str(result.late_days),
        number(result.penalty),
        final,
        harmless("; ".join(dict.fromkeys(notes))),
    ]


def write(report: Report, path: Path) -> None:
    """The columns of topics stand in the order in which the report first names them."""
    topics = list(dict.fromkeys(t.topic for s in report.submissions for t in s.topics))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["student", *topics, "total", "late_days", "penalty", "final", "notes"])
        writer.writerows(row(s, topics) for s in sorted(report.submissions, key=lambda s: s.student))
