"""`unread.csv`: what was handed in and needs a look, one row each; a header alone where all was read."""

from __future__ import annotations

import csv
from pathlib import Path

from grader.reports.to_csv import harmless
from grader.results import Report

FILE = "unread.csv"


def write(report: Report, path: Path) -> None:
    """In the order in which it was found."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["student", "what", "why"])
        writer.writerows([harmless(row.student), harmless(row.what), harmless(row.why)] for row in report.unread)
