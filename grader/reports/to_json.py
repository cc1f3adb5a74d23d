"""`results.json`: everything, for programs. The shape is that of contracts in docs/reports.md."""

from __future__ import annotations

import json
from pathlib import Path

from grader.course import Course
from grader.results import Report


def render(report: Report) -> str:
    """One JSON document, pure ASCII, with a final newline."""
    return json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"


def write(report: Report, course: Course, path: Path) -> None:
    path.write_text(render(report), encoding="utf-8", newline="\n")
