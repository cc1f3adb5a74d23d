"""What a graded run found: frozen data, to and from plain dicts (contracts: docs/reports.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WRONG = "wrong"
    ERROR = "error"
    MISSING = "missing"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    FORBIDDEN = "forbidden"
    VIOLATION = "violation"
    SKIPPED = "skipped"
    GRADER_FAULT = "grader_fault"

    @property
    def died(self) -> bool:
        """Whether the worker is gone after this verdict."""
        return self in (Verdict.TIMEOUT, Verdict.MEMORY, Verdict.CRASH, Verdict.VIOLATION)


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
