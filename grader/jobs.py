"""What the supervisor and a judge say to each other: a closed list of lines, encoded and decoded here alone.

A judge that was started says `Ready` once. To it goes a `Job`; it answers with a `Checked` for each check, with `Held`
while results wait for a further look, and closes with `Done`, `Broken` or `Faulty`. A line that is not in `LINES`, or
has other fields, is a grader fault that says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from grader.errors import GraderFault
from grader.results import CheckResult, Verdict


@dataclass(frozen=True)
class Plan:
    """How a candidate of the audit is graded where that differs from a submission: which checks run in which order,
    and what is left out because its only question is what it fails.

    A submission is always graded without a plan; nothing a student hands in can bring one.
    """

    only: tuple[str, ...] = ()  # names of checks; () for all of them
    first: str = ""  # the checks of this function before all others
    backwards: bool = False
    stop: bool = False  # after the first loss of points
    second_look: bool = True  # rerun in a fresh worker, follow-through
    diagnose: tuple[str, ...] = ()  # names of checks whose failure is looked up
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)  # limits by name of check
    wrong: tuple[str, int] | None = None  # a file of misconceptions, and which of them takes its unit's place

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        wrong = tuple(data["wrong"]) if data["wrong"] else None
        return cls(**{**data, "only": tuple(data["only"]), "diagnose": tuple(data["diagnose"]), "wrong": wrong})


@dataclass(frozen=True)
class Job:
    """One topic of one submission, to be judged; `source` is None where there is no text, and `problem` says why."""

    number: int
    topic: str
    source: str | None = None
    file: str | None = None  # its name, None if nothing was handed in
    digest: str | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()  # only the checks of these functions; () for all
    plan: Plan | None = None

    @property
    def absent(self) -> Verdict:
        """The verdict of every check where there is no text: what is there but cannot be read is no 0."""
        return Verdict.MISSING if self.file is None else Verdict.GRADER_FAULT

    @property
    def unreadable(self) -> str | None:
        """Why what was handed in could not be read, where that is so."""
        return self.problem if self.source is None and self.file is not None else None


@dataclass(frozen=True)
class Ready:
    """A judge has collected its checks: their points by topic, and what could not be collected."""

    pid: int
    points: dict[str, float]
    broken: dict[str, str]


@dataclass(frozen=True)
class Checked:
    """The result of one check; for a candidate of the audit how far inside its tolerance it was, too."""

    job: int
    check: CheckResult
    margin: float | None = None


@dataclass(frozen=True)
class Held:
    """The judge is at work, while results wait for a further look."""

    job: int


@dataclass(frozen=True)
class Done:
    """Every check of the job has been told."""

    job: int
    output: str = ""  # what the submission printed
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """The checks of the topic could not be collected."""

    job: int
    problem: str


@dataclass(frozen=True)
class Faulty:
    """Something of the grader's own failed; the job is to be tried again."""

    job: int
    problem: str


Answer = Checked | Held | Done | Broken | Faulty
Line = Job | Ready | Answer
LINES: dict[str, type] = {
    kind.__name__.lower(): kind for kind in (Job, Ready, Checked, Held, Done, Broken, Faulty)
}
CLOSING = (Done, Broken, Faulty)


def encode(line: Line) -> str:
    """A line as text, without its end."""
    told = {f.name: getattr(line, f.name) for f in fields(line)}
    parts = {name: told[name].to_dict() for name in ("check", "plan") if told.get(name) is not None}
    return json.dumps({"line": type(line).__name__.lower(), **told, **parts})


def decode(text: str) -> Line:
    """The line that a text stands for; raises `GraderFault` for what is none."""
    try:
        told = json.loads(text)
        kind = LINES[told.pop("line")]
        parts: dict[str, Any] = {name: tuple(told[name]) for name in ("notes", "units") if name in told}
        if "check" in told:
            parts["check"] = CheckResult.from_dict(told["check"])
        if told.get("plan") is not None:
            parts["plan"] = Plan.from_dict(told["plan"])
        line: Line = kind(**{**told, **parts})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"a line between our own processes is none of {', '.join(LINES)}: {text[:120]!r}"
        raise GraderFault(f"{problem} ({type(error).__name__})") from None
    return line
