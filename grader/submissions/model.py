"""What was handed in, as data: a student, the file of each topic, and what was set aside on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

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
    """What one student (or group) handed in; `origin` says where it was found."""

    student: str
    files: dict[str, SubmittedFile]
    submitted: datetime | None = None
    members: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    times: dict[str, datetime] = field(default_factory=dict)  # of topics that were handed in at a time of their own
    origin: str = ""

    def submitted_for(self, topic: str) -> datetime | None:
        """When this topic was handed in, if anything tells."""
        return self.times.get(topic, self.submitted)


@dataclass
class Found:
    """Everything under the given paths: submissions, what it was taken for, and what was set aside."""

    submissions: list[Submission] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.warnings.append(printable(text))
