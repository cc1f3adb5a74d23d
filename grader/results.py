"""What a graded run found: frozen data, to and from plain dicts (contracts: docs/reports.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """How a check ended; what else is to be known of a verdict are attributes of it.

    `mark` is its word in the summary, `colour` that word's colour there, `words` what a hidden check says where it
    has no words of its own: without exit codes, sizes or signals, which a submission could choose by its inputs.
    """

    mark: str
    colour: str
    words: str

    def __new__(cls, value: str, mark: str = "", colour: str = "", words: str = "") -> Verdict:
        verdict = str.__new__(cls, value)
        verdict._value_ = value
        verdict.mark, verdict.colour, verdict.words = mark, colour, words
        return verdict

    PASS = "pass", "ok", "green", "the check passed"
    WRONG = "wrong", "wrong", "red", "the value is not right"
    ERROR = "error", "error", "red", "an error was raised"
    MISSING = "missing", "missing", "yellow", "it is not written yet"
    TIMEOUT = "timeout", "timeout", "red", "ran into its time limit"
    MEMORY = "memory", "memory", "red", "ran into its memory limit"
    CRASH = "crash", "crash", "red", "the process ended before it returned a value"
    FORBIDDEN = "forbidden", "forbidden", "red", "something that this topic does not allow was used"
    VIOLATION = "violation", "violation", "red", "wrote to the grader's channel, or printed or called back far too much"
    SKIPPED = "skipped", "skipped", "yellow", "it is not run here"
    GRADER_FAULT = "grader_fault", "NOT GRADED", "magenta", "the check itself is faulty"

    @property
    def died(self) -> bool:
        """Whether the worker is gone after this verdict."""
        return self in (Verdict.TIMEOUT, Verdict.MEMORY, Verdict.CRASH, Verdict.VIOLATION)

    @property
    def rerun(self) -> bool:
        """Whether such an end in a used worker is tried again, alone in a fresh one, before it counts."""
        return self in (Verdict.WRONG, Verdict.ERROR, Verdict.CRASH)

    @property
    def followed(self) -> bool:
        """Whether it may be an earlier function's doing."""
        return self in (Verdict.WRONG, Verdict.ERROR)

    @property
    def comparable(self) -> bool:
        """Whether a misconception that fails in the same way may explain it."""
        return self in (Verdict.WRONG, Verdict.ERROR)

    @property
    def worth_a_look(self) -> bool:
        """Whether a person should look at the submission."""
        return self in (Verdict.CRASH, Verdict.VIOLATION, Verdict.FORBIDDEN, Verdict.MEMORY, Verdict.GRADER_FAULT)

    @property
    def to_mend(self) -> bool:
        """Whether it is something that the student wrote and has to mend."""
        return self not in (Verdict.PASS, Verdict.MISSING, Verdict.SKIPPED, Verdict.GRADER_FAULT)


@dataclass(frozen=True)
class CheckResult:
    """One check of one submission."""

    id: str
    function: str
    title: str
    visibility: str
    verdict: Verdict
    points: float | None
    max_points: float | None
    message: str = ""
    diagnosis: str | None = None
    advice: str | None = None
    follow_through: bool = False
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data["verdict"] = self.verdict.value
        data["seconds"] = round(self.seconds, 4)
        if self.points is None:  # a hidden check in a student's bundle
            del data["points"], data["max_points"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CheckResult:
        return cls(**{"points": None, "max_points": None, **data, "verdict": Verdict(data["verdict"])})


@dataclass(frozen=True)
class CapstoneFigure:
    """A number that a capstone measured, null where it is none, and its gate."""

    name: str
    value: float | None
    low: float
    high: float
    reached: bool


@dataclass(frozen=True)
class CapstoneResult:
    """The capstone of one topic, trained with the student's functions (`grade run --capstone`)."""

    reached: bool
    points: float
    max_points: float
    figures: tuple[CapstoneFigure, ...] = ()
    message: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**data, "figures": [asdict(f) for f in self.figures], "seconds": round(self.seconds, 4)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CapstoneResult:
        return cls(**{**data, "figures": tuple(CapstoneFigure(**f) for f in data["figures"])})


@dataclass(frozen=True)
class TopicResult:
    """One topic of one submission; points are scaled to the topic's weight."""

    topic: str
    file: str | None
    digest: str | None
    points: float
    max_points: float
    checks: tuple[CheckResult, ...]
    cached: bool = False
    seconds: float = 0.0
    output: str = ""
    notes: tuple[str, ...] = ()
    capstone: CapstoneResult | None = None

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if c.verdict is Verdict.GRADER_FAULT)

    def to_dict(self) -> dict[str, Any]:
        names = ("topic", "file", "digest", "points", "max_points", "cached")
        data = {name: getattr(self, name) for name in names}
        data["seconds"] = round(self.seconds, 4)
        capstone = {"capstone": self.capstone.to_dict()} if self.capstone else {}
        return {**data, **_noted(self.notes), **capstone, "checks": [c.to_dict() for c in self.checks]}


@dataclass(frozen=True)
class SubmissionResult:
    """All topics of one student."""

    student: str
    topics: tuple[TopicResult, ...]
    points: float
    max_points: float
    late_days: int = 0
    penalty: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def final(self) -> float:
        """Points after the late penalty."""
        return round(self.points - self.penalty, 4)

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        return tuple(c for t in self.topics for c in t.faults)

    def to_dict(self) -> dict[str, Any]:
        names = ("student", "points", "max_points", "late_days", "penalty")
        data = {name: getattr(self, name) for name in names}
        return {**data, **_noted(self.notes), "topics": [t.to_dict() for t in self.topics]}


@dataclass(frozen=True)
class Report:
    """A whole run."""

    course: str
    protection: str
    complete: bool
    submissions: tuple[SubmissionResult, ...]
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "course": self.course,
            "protection": self.protection,
            "complete": self.complete,
            **_noted(self.notes),
            "submissions": [s.to_dict() for s in self.submissions],
        }


def _noted(notes: tuple[str, ...]) -> dict[str, list[str]]:
    """`notes`, where there is something to note."""
    return {"notes": list(notes)} if notes else {}


def without_times(result: CheckResult) -> CheckResult:
    """The same result with its time set to zero, for comparing two runs."""
    return replace(result, seconds=0.0)
