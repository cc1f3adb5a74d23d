"""What was handed in, as data: a student, the file of each topic, and what was set aside on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    unread: list[Unread] = field(default_factory=list)
    words: int = 0  # times that are students' own words and do not count

    def warn(self, text: str) -> None:
        self.warnings.append(printable(text))

    def look_at(self, student: str, what: str, why: str) -> None:
        """Add to what `unread.csv` lists."""
        row = Unread(printable(student), printable(what), printable(why))
        if row not in self.unread:
            self.unread.append(row)
