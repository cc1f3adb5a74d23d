"""What a run leaves behind: reports and the gradebook. What can be saved is saved, whatever else fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grader import reports
from grader.cli.terminal import say, show_error
from grader.course import Course
from grader.errors import GraderError, Unwritten
from grader.notebooks import gradebook
from grader.reports import merging
from grader.results import Report, ReportHead
from grader.submissions import Submission


@dataclass(frozen=True)
class ReportFolder:
    """Where the reports of a run go (`folder`; None: nowhere), as which formats, beside or instead of what is there."""

    folder: Path | None
    formats: list[str]
    replace: bool = False

    def refuse_unusable(self, head: ReportHead) -> None:
        """Before any work is done, so that hours of it are not lost to a slip: raises `UsageError`."""
        if self.folder is None:
            return
        reports.refuse_unusable(self.folder, self.formats)
        if not self.replace:
            old = merging.there(self.folder)
            merging.refuse_others(old, head, self.folder)
            if old is not None and old.head is None:
                reports.refuse_unusable(self.folder.resolve().parent)

    def put(self, report: Report, topics: list[str]) -> bool:
        """Write the reports, with what is there; whether all of them were written. `topics` are the course's."""
        if self.folder is None:
            return True
        folder, formats, settled = self.folder, self.formats, True
        try:
            old = None if self.replace else merging.there(folder)
            if old is not None:
                report, formats = self._with(old, report, topics), list(dict.fromkeys(["json", *formats]))
        except (GraderError, OSError) as error:  # it has changed since the grading began
            folder, settled = merging.free_beside(folder), False
            say(f"warning: {self.folder} holds another report now ({error}); this one goes to {folder}")
        return _written(report, folder, formats) and settled

    def _with(self, old: Report, report: Report, topics: list[str]) -> Report:
        """The report with the old one, or alone where that one has no head and is set aside."""
        assert self.folder is not None
        if old.head is None or report.head is None:
            say(f"an older report, to which nothing can be added, is kept as {merging.set_aside(self.folder)}")
            return report
        merging.refuse_others(old, report.head, self.folder)
        return merging.merged(old, report, topics)


def _written(report: Report, folder: Path, formats: list[str]) -> bool:
    try:
        written, failed = reports.write(report, folder, formats), None
    except Unwritten as error:
        written, failed = error.written, error
    for path in written:
        say(f"wrote {path}")
    if failed:
        show_error(failed)
    return failed is None


def with_due_dates(report: Report, submissions: list[Submission], course: Course, book: Path) -> Report:
    """The report with lateness as the gradebook has it; as it is where that cannot be read, which is told."""
    try:
        return gradebook.with_its_due_dates(book, course, submissions, report)
    except (GraderError, OSError) as error:
        say(f"warning: due dates and extensions of {book} are not counted: {error}")
        return report


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
