"""What was handed in, as data: a student, the file of each topic, and what was set aside on the way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from grader.results import Unread
from grader.text import printable


@dataclass(frozen=True)
class SubmittedFile:
    """A topic's file: its text, or the problem that keeps it from being graded."""

    name: str
    source: str | None
    digest: str | None
    problem: str = ""
    notes: tuple[str, ...] = ()
    where: str = ""  # its path below the student's folder
    cells: tuple[tuple[int, int], ...] = ()  # (line of the source, cell) where each cell of a notebook begins


@dataclass(frozen=True)
class Submission:
    """What one student (or group) handed in; `origin` says where it was found.

    `key` names who handed in where that is the same in every download of the LMS, `full_name` where only the name is.
    `claimed` is the name that a `submission.yml` gives; `flagged` says that the LMS marks it as late without a time.
    """

    student: str
    files: dict[str, SubmittedFile]
    submitted: datetime | None = None
    members: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    times: dict[str, datetime] = field(default_factory=dict)  # of topics that were handed in at a time of their own
    origin: str = ""
    key: str = ""
    full_name: str = ""
    claimed: str = ""
    flagged: bool = False
    joined: tuple[str, ...] = ()  # where all of it was found, where it was joined from several

    @property
    def origins(self) -> tuple[str, ...]:
        """Everywhere that it was found."""
        return self.joined or (self.origin,)

    def submitted_for(self, topic: str) -> datetime | None:
        """When this topic was handed in, if anything tells."""
        return self.times.get(topic, self.submitted)


@dataclass
class Found:
    """Everything under the given paths: submissions, what it was taken for and why, and what was set aside."""

    submissions: list[Submission] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    looked_at: list[tuple[str, Unread]] = field(default_factory=list)  # (origin, what `unread.csv` lists)
    words: int = 0  # times that are students' own words and do not count

    def warn(self, text: str) -> None:
        self.warnings.append(printable(text))

    def look_at(self, student: str, what: str, why: str, origin: str = "") -> None:
        """Add to what `unread.csv` lists; `origin` says where the student's files lie, as `Submission.origin` does."""
        row = Unread(printable(student), printable(what), printable(why))
        if (origin, row) not in self.looked_at:
            self.looked_at.append((origin, row))

    def name_rows(self) -> None:
        """Put what is listed under the names that the students have in the report."""
        owners: dict[str, list[str]] = {}
        for submission in self.submissions:
            for origin in submission.origins:
                owners.setdefault(origin, []).append(submission.student)
        named = ((at, row, owners.get(at, [row.student])) for at, row in self.looked_at)
        rows = [(at, replace(row, student=name)) for at, row, names in named for name in names]
        self.looked_at = list(dict.fromkeys(rows))

    @property
    def unread(self) -> list[Unread]:
        """What `unread.csv` lists."""
        return list(dict.fromkeys(row for _, row in self.looked_at))
