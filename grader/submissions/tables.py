"""What an instructor writes into a spreadsheet: rosters, who is who, and times of submission, as CSV."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from grader.course import Course
from grader.course.times import read as time_in
from grader.errors import UsageError
from grader.submissions.model import Found, Submission
from grader.text import name_of, printable

MAX_TABLE = 4 << 20  # bytes
IDS = ("student", "id", "student_id")
COLUMNS = "its columns are student, topic (empty: all topics), submitted"
Times = dict[tuple[str, str], datetime]  # by student and topic; "" stands for all topics


@dataclass(frozen=True)
class Row:
    """The cells of a line, by the names of their columns; names are in one spelling of their letters."""

    line: int
    cells: dict[str, str]

    def get(self, *columns: str) -> str:
        """The first of these cells that is not empty."""
        return next((self.cells[c] for c in columns if self.cells.get(c)), "")


@dataclass(frozen=True)
class Table:
    """A CSV with a header: names of columns in small letters with underscores, and the rows that are not empty."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read(path: Path) -> Table:
    """A CSV as spreadsheets write it, with commas or semicolons; raises `UsageError`."""
    text = _text_of(path)
    first = text.partition("\n")[0]
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
        )
        columns = tuple(re.sub(r"[\s_-]+", "_", cell.strip().lower()) for cell in next(reader, []))
        cells = [(reader.line_num, [name_of(cell) for cell in row]) for row in reader]
    except csv.Error as error:
        raise UsageError(f"cannot be read: {error}", str(path), "save it as CSV UTF-8") from None
    rows = [Row(line, dict(zip(columns, row, strict=False))) for line, row in cells if any(row)]
    return Table(path, columns, tuple(rows))


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TABLE + 1)
        if len(data) > MAX_TABLE:
            raise UsageError(f"larger than {MAX_TABLE >> 20} MB", str(path), "give the rows that are needed alone")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", str(path), "check the name and the rights") from None
    except UnicodeDecodeError:
        raise UsageError("not UTF-8 text", str(path), "save it as CSV UTF-8") from None


# --- times -----------------------------------------------------------------------------------------------------------


def read_times(path: Path, course: Course) -> Times:
    """When work was handed in, as the instructor says (`--times`); raises `UsageError`, `CourseError`."""
    times: Times = {}
    lines: dict[tuple[str, str], int] = {}
    for row in read(path).rows:
        where = f"{path}:{row.line}"
        student, topic, text = row.get(*IDS), row.get("topic"), row.get("submitted")
        if not student or not text:
            raise UsageError(f"no {'time' if student else 'student'} in this row", where, COLUMNS)
        key = student, course.topic(topic).name if topic else ""
        if key in times:
            raise UsageError(f"'{student}' is there twice for {topic or 'all topics'}", where, f"see line {lines[key]}")
        try:
            times[key], lines[key] = time_in(text).time, row.line
        except ValueError as error:
            raise UsageError(printable(str(error)), where, COLUMNS) from None
    return times


def give_times(times: Times, found: Found) -> None:
    """These outrank all others; a student who has handed in nothing is told of."""
    found.submissions = [_timed(submission, times) for submission in found.submissions]
    known = {s.student for s in found.submissions}
    for student in dict.fromkeys(s for s, _ in times if s not in known):
        found.warn(f"--times names '{student}', of whom there is no submission")


def _timed(submission: Submission, times: Times) -> Submission:
    own = {t: times.get((submission.student, t), times.get((submission.student, ""))) for t in submission.files}
    given = {topic: time for topic, time in own.items() if time is not None}
    return replace(submission, times={**submission.times, **given}) if given else submission
