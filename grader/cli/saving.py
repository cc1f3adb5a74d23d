"""What a run leaves behind: reports and the gradebook. What can be saved is saved, whatever else fails."""

from __future__ import annotations

from pathlib import Path

from grader import reports
from grader.cli.terminal import say, show_error
from grader.course import Course
from grader.errors import GraderError, Unwritten
from grader.notebooks import gradebook
from grader.results import Report
from grader.submissions import Submission


def refuse_unusable(folder: Path | None, formats: list[str], book: Path | None) -> None:
    """Before any work is done, so that hours of it are not lost to a slip."""
    if folder is not None:
        reports.refuse_unusable(folder, formats)
    if book is not None:
        gradebook.refuse_unusable(book)


def reports_of(report: Report, folder: Path | None, formats: list[str]) -> bool:
    """Write the reports, if any are wanted; whether all of them were written."""
    if folder is None:
        return True
    try:
        written, failed = reports.write(report, folder, formats), None
    except Unwritten as error:
        written, failed = error.written, error
    for path in written:
        say(f"wrote {path}")
    if failed:
        show_error(failed)
    return failed is None


def marks_of(report: Report, submissions: list[Submission], course: Course, book: Path | None) -> bool:
    """Write the marks into the gradebook, if there is one; whether all of them were written."""
    if book is None:
        return True
    try:
        return gradebook.write(book, course, submissions, report, say)
    except (GraderError, OSError) as error:
        own = error if isinstance(error, GraderError) else Unwritten(f"cannot be written: {error.strerror}", str(book))
        show_error(own)
        return False
