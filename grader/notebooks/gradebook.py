"""Marks into nbgrader's gradebook, through nbgrader's own API.

A unit and a visibility are one grade, as in the notebooks that `grade nbgrader build` makes. What a person entered is
never changed; what could not be graded gets no score but a comment and the mark that a person has to look.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from grader.course import Course
from grader.course.times import in_utc
from grader.errors import GraderError, UsageError
from grader.grading.scoring import penalty_share, score_submission
from grader.notebooks import autograded
from grader.notebooks.groups import Group, grouped
from grader.notebooks.showing import text_of
from grader.reports import try_to_write
from grader.results import Report, SubmissionResult, TopicResult
from grader.submissions import Submission
from grader.submissions.sifting import Sifted
from grader.text import printable

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

FILE = "gradebook.db"
OURS = ("-public", "-hidden")
Tell = Callable[[str], object]
_MAGIC = b"SQLite format 3\0"


def refuse_unusable(path: Path) -> None:
    """Before any work is done: raises `UsageError` where no gradebook can be written."""
    if not path.parent.is_dir():
        raise UsageError("its folder does not exist", str(path), "the gradebook of nbgrader is DIR/gradebook.db")
    if path.exists():
        try:
            with path.open("r+b") as file:
                begins = file.read(len(_MAGIC))
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise UsageError(problem, str(path), "check the name and the rights") from None
        if begins not in (_MAGIC, b""):
            raise UsageError("not a gradebook of nbgrader", str(path), "the gradebook of nbgrader is DIR/gradebook.db")
    _refuse_unwritable(path.parent)  # SQLite keeps its journal beside the file
    if (path.parent / autograded.FOLDER).is_dir():
        _refuse_unwritable(path.parent / autograded.FOLDER)


def _refuse_unwritable(folder: Path) -> None:
    try:
        try_to_write(folder)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise UsageError(problem, str(folder), "check the rights there") from None


@contextlib.contextmanager
def _without_iri_grammar() -> Iterator[None]:
    """jsonschema, which nbgrader imports, builds a grammar of addresses if it can; that takes as long as a class."""
    name = "rfc3987_syntax"
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an ImportError, which jsonschema expects
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]


@contextlib.contextmanager
def _own_programs() -> Iterator[None]:
    """nbgrader looks for `alembic`, which it needs for a new gradebook, on the PATH, where no environment is active."""
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        yield
    finally:
        os.environ["PATH"] = path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Gradebook]:
    """nbgrader's gradebook in a file; raises `UsageError` where that is something else."""
    with _without_iri_grammar():
        from nbgrader.api import Gradebook
        from sqlalchemy.engine import URL
        from sqlalchemy.exc import SQLAlchemyError

    url = URL.create("sqlite", database=str(path.resolve()))  # in an address as text, ? and # would end the path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy 2.1 warns of nbgrader's own way to add a submission
        logging.getLogger("alembic").setLevel(logging.WARNING)
        try:
            with _own_programs():
                gradebook = Gradebook(url)
            with gradebook:
                yield gradebook
        except SQLAlchemyError as error:
            problem = f"nbgrader's gradebook refuses: {printable(str(error).splitlines()[0], 200)}"
            raise UsageError(problem, str(path), "is it in use, or of another version?") from None


def enrol(
    path: Path, course: Course, topics: list[str], students: list[dict[str, str]], tell: Tell = lambda text: None
) -> None:
    """Students and assignments, with their due dates; one that formgrader was told stays, and so do other students.

    What is there and not in the roster or course.yml is told of, a line to `tell`.
    """
    refuse_unusable(path)
    with opened(path) as gradebook:
        ids = _ids(gradebook)
        for student in students:
            told = {k: v for k, v in student.items() if v and k != "id"}  # an empty column erases nothing
            gradebook.update_or_create_student(ids.get(student["id"], student["id"]), **told)
        strangers = sorted(set(ids) - {student["id"] for student in students})
        if strangers:
            tell(f"in the gradebook, but not in the roster: {printable(', '.join(strangers))}")
        for name in topics:
            due = _naive(course.topic(name).due)
            there = gradebook.update_or_create_assignment(name).duedate
            if there is None and due is not None:
                gradebook.update_or_create_assignment(name, duedate=due)
            elif there != due:
                tell(f"{name}: the gradebook's due date {there} UTC stays; course.yml says {due or 'none'}")


def _ids(gradebook: Gradebook) -> dict[str, str]:
    """nbgrader's id of each student, by the one spelling of its letters that we use."""
    return {unicodedata.normalize("NFC", student.id): student.id for student in gradebook.students}


# --- due dates -------------------------------------------------------------------------------------------------------


def with_its_due_dates(path: Path, course: Course, submissions: list[Submission], report: Report) -> Report:
    """The report with lateness by the due dates and extensions of the gradebook, which outrank those of course.yml.

    Raises `UsageError` where there is no gradebook; one that is yet to be made says nothing.
    """
    if not path.exists() or not path.stat().st_size:
        return report
    with opened(path) as gradebook:
        return _rescored(gradebook, course, submissions, report)


def _rescored(gradebook: Gradebook, course: Course, submissions: list[Submission], report: Report) -> Report:
    by_student = {s.student: s for s in submissions}
    ids = _ids(gradebook)
    scored = []
    for result in report.submissions:
        submission = by_student[result.student]
        student = ids.get(result.student, result.student)
        dues = {t: _due(gradebook, course, student, t, file.where) for t, file in submission.files.items()}
        try:
            given = {topic: due for topic, due in dues.items() if due}
            scored.append(score_submission(submission, course, result.topics, given))
        except ValueError:  # a time beyond the calendar is that student's affair
            scored.append(result)
    return replace(report, submissions=tuple(scored))


def _due(gradebook: Gradebook, course: Course, student: str, topic: str, where: str) -> datetime | None:
    """When a topic is due for a student, with an extension."""
    from nbgrader.api import MissingEntry

    assignment, due, extension = _assignment_of(where, topic), course.topic(topic).due, timedelta()
    try:
        there = gradebook.find_assignment(assignment).duedate
        due = there.replace(tzinfo=UTC) if there else due
        extension = gradebook.find_submission(assignment, student).extension or extension
    except MissingEntry:
        pass  # it is not in the gradebook yet
    try:
        return in_utc(due) + extension if due else None
    except OverflowError:  # an extension for ever
        return datetime.max.replace(tzinfo=UTC)


def _naive(time: datetime | None) -> datetime | None:
    """UTC without a zone, as nbgrader keeps times; raises `ValueError`."""
    return in_utc(time).replace(tzinfo=None) if time else None


# --- marks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """One notebook that was handed in, and its result."""

    submission: Submission
    result: TopicResult
    assignment: str
    edited: tuple[str, ...] = ()  # locked cells whose text is not what was handed out

    @property
    def topic(self) -> str:
        return self.result.topic

    @property
    def groups(self) -> list[Group]:
        return grouped(self.topic, self.result.checks)

    @property
    def judged(self) -> bool:
        """Whether there are results, check by check."""
        return self.submission.files[self.topic].source is not None and not self.failed

    @property
    def failed(self) -> bool:
        """Whether the grader could not judge it at all; then the one result stands for no unit."""
        return any(not c.function for c in self.result.checks)

    @property
    def notes(self) -> tuple[str, ...]:
        file = self.submission.files[self.topic]
        own = () if self.result.unreadable else self.result.faults
        faults = [f"not graded, and not the student's doing: {c.message}" for c in own]
        edited = [f"locked cell '{printable(name)}' was edited; it counts as it was handed out" for name in self.edited]
        return (*file.notes, *([file.problem] if file.problem else []), *edited, *faults)

    def place(self, line: int) -> tuple[int, int]:
        """(cell, line) of a line of the source; (0, ...) where there are no cells."""
        return Sifted("", (), self.submission.files[self.topic].cells).place(line)


def write(
    path: Path, course: Course, submissions: list[Submission], report: Report, tell: Tell = lambda text: None
) -> bool:
    """Write the marks of a run, and the graded notebooks for formgrader and feedback.

    Returns whether every notebook was written; one that was not is told of, a line to `tell`, and holds up no other.
    Raises `UsageError` where there is no gradebook to write to.
    """
    shelf = autograded.Shelf(path.parent, course)
    with contextlib.closing(shelf), opened(path) as gradebook:
        entries = _entries(submissions, _rescored(gradebook, course, submissions, report).submissions)
        writer = _Writer(gradebook, course)
        if writer.ids:
            for student in dict.fromkeys(e.submission.student for e in entries):
                if student not in writer.ids:
                    tell(f"warning: not in the gradebook's roster: {printable(student)}")
        written = sum(_written(writer, shelf, entry, tell) for entry in entries)
    tell(f"wrote {written} of {len(entries)} notebook(s) to {path}")
    return written == len(entries)


def _written(writer: _Writer, shelf: autograded.Shelf, entry: _Entry, tell: Tell) -> bool:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        autograded.refuse_no_folder(entry.submission.student, "student")
        writer.prepare(entry)
        document = shelf.document(entry.submission, entry.topic)
        entry = replace(entry, edited=autograded.edited(document, writer.cells(entry)))
        writer.write(entry)
        shelf.put(entry.submission, entry.assignment, entry.result, document, writer.cells(entry), entry.notes)
    except (GraderError, ValueError, SQLAlchemyError) as error:  # nbgrader's own errors are ValueErrors
        writer.gradebook.db.rollback()
        help = f" ({error.help})" if isinstance(error, GraderError) and error.help else ""
        tell(f"warning: not in the gradebook: {printable(entry.submission.student)}: {printable(str(error))}{help}")
        return False
    return True


def _entries(submissions: list[Submission], results: tuple[SubmissionResult, ...]) -> list[_Entry]:
    """What was handed in and graded. What was not handed in is no entry: nbgrader lists it as missing."""
    by_student = {s.student: s for s in submissions}
    entries = []
    for result in results:
        submission = by_student[result.student]
        for topic in result.topics:
            file = submission.files.get(topic.topic)
            if file is not None:
                entries.append(_Entry(submission, topic, _assignment_of(file.where, topic.topic)))
    return entries


def _assignment_of(where: str, topic: str) -> str:
    """nbgrader's folder around the notebook; the topic's own name where there is none."""
    parts = PurePosixPath(where).parts
    return parts[0] if len(parts) == 2 else topic


class _Writer:
    """Writes entries into an open gradebook."""

    def __init__(self, gradebook: Gradebook, course: Course) -> None:
        self.gradebook, self.course = gradebook, course
        self.ready: dict[tuple[str, str], autograded.Known] = {}
        self.ids = _ids(gradebook)

    def cells(self, entry: _Entry) -> autograded.Known:
        """The cells that were handed out, as the gradebook knows them."""
        return self.ready[entry.assignment, entry.topic]

    def write(self, entry: _Entry) -> None:
        gradebook = self.gradebook
        student = self.ids.get(entry.submission.student, entry.submission.student)
        gradebook.update_or_create_student(student)
        time = _naive(entry.submission.submitted_for(entry.topic))  # None as well: one that was there is gone
        gradebook.update_or_create_submission(entry.assignment, student, timestamp=time)
        notebook = gradebook.find_submission_notebook(entry.topic, entry.assignment, student)
        self._score(entry, notebook)
        self._comment(entry, notebook)
        notebook.flagged = bool(notebook.flagged or _is_odd(entry))
        gradebook.db.commit()
        notebook.late_submission_penalty = self._penalty(entry, notebook)
        gradebook.db.commit()

    def _score(self, entry: _Entry, notebook: Any) -> None:
        groups = {g.id.grade_id: g for g in entry.groups}
        for grade in notebook.grades:
            group = groups.get(grade.name)
            if group is None and not (entry.failed and grade.name.endswith(OURS)):
                continue  # a cell of the instructor's own
            score = group.points if group is not None and entry.judged and not group.faults else None
            changed = score != grade.auto_score
            grade.auto_score = score
            grade.needs_manual_grade = score is None or (
                grade.manual_score is not None and (changed or grade.needs_manual_grade)
            )

    def _comment(self, entry: _Entry, notebook: Any) -> None:
        """Words for each unit; what there is to say of the whole notebook goes with the first."""
        comments = {c.name: c for c in notebook.comments}
        units = list(dict.fromkeys(c.name for c in self.cells(entry).sources if c.name in comments))
        for unit in units:
            groups = [g for g in entry.groups if g.id.unit == unit]
            notes = entry.notes if unit == units[0] else ()
            if groups or entry.failed:
                comments[unit].auto_comment = text_of(groups, notes, entry.place) or None

    def _penalty(self, entry: _Entry, notebook: Any) -> float | None:
        """Points that lateness costs by the course's policy, for the days that the report has, too."""
        policy = self.course.policy
        share = penalty_share(entry.result.late_days, policy.late_penalty_per_day, policy.late_penalty_cap)
        return round(float(notebook.score) * share, 6) if share else None

    # --- assignment and cells

    def prepare(self, entry: _Entry) -> None:
        """The assignment, its notebook and its cells are there, or are made before the first submission."""
        key = entry.assignment, entry.topic
        if key in self.ready:
            return
        from nbgrader.api import MissingEntry

        due = _naive(self.course.topic(entry.topic).due)
        try:
            assignment = self.gradebook.find_assignment(entry.assignment)
        except MissingEntry:
            assignment = self.gradebook.add_assignment(entry.assignment, duedate=due)
        if assignment.duedate is None and due is not None:
            assignment.duedate = due
            self.gradebook.db.commit()
        try:
            notebook = self.gradebook.find_notebook(entry.topic, entry.assignment)
        except MissingEntry:
            notebook = self._make_notebook(entry, assignment)
        if not entry.failed:
            self._refuse_other_cells(entry, notebook)
        points = {c.name: c.max_score for c in (*notebook.grade_cells, *notebook.task_cells)}
        solutions, tasks = {c.name for c in notebook.solution_cells}, {c.name for c in notebook.task_cells}
        self.ready[key] = autograded.Known(list(notebook.source_cells), points, solutions, tasks)

    def _make_notebook(self, entry: _Entry, assignment: Any) -> Any:
        """Where `nbgrader generate_assignment` was never run."""
        if assignment.submissions or entry.failed:
            raise UsageError(
                "the gradebook does not know this notebook yet",
                f"{entry.assignment}/{entry.topic}",
                f"run nbgrader generate_assignment {entry.assignment}",
            )
        gradebook, where = self.gradebook, (entry.topic, entry.assignment)
        notebook = gradebook.add_notebook(*where)
        for cell in autograded.handed_out(self.course, entry.topic, entry.groups):
            name, marks = cell["name"], cell["marks"]
            if marks["grade"]:
                gradebook.add_grade_cell(name, *where, max_score=marks["points"], cell_type="code")
            elif marks["solution"]:
                gradebook.add_solution_cell(name, *where)
            source = {"source": cell["source"], "checksum": cell["checksum"], "locked": marks["locked"]}
            gradebook.add_source_cell(name, *where, cell_type="code", **source)
        return notebook

    def _refuse_other_cells(self, entry: _Entry, notebook: Any) -> None:
        """nbgrader gives no grade to cells that it does not know, so marks would be lost."""
        known = {cell.name: cell.max_score for cell in notebook.grade_cells}
        for group in entry.groups:
            name = group.id.grade_id
            if abs(known.get(name, -1.0) - group.max_points) > 1e-6:
                there = f"{known[name]:g} points" if name in known else "no such cell"
                raise UsageError(
                    f"the course gives '{name}' {group.max_points:g} points, the gradebook knows {there}",
                    f"{entry.assignment}/{entry.topic}",
                    f"build it again and run nbgrader generate_assignment {entry.assignment}",
                )


def _is_odd(entry: _Entry) -> bool:
    """Whether a person should look at the notebook."""
    return bool(entry.notes) or any(c.verdict.worth_a_look for c in entry.result.checks)
