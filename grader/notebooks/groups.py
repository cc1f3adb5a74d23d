"""Groups of checks: those of one unit and one visibility share a cell, and so a grade, in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grader.errors import UsageError
from grader.results import CheckResult, Verdict


@dataclass(frozen=True)
class GroupId:
    """The text in a check cell: `backprop::linear_forward::public`."""

    topic: str
    unit: str
    visibility: str

    @property
    def grade_id(self) -> str:
        """nbgrader's name of the cell."""
        return f"{self.unit}-{self.visibility}"

    def __str__(self) -> str:
        return f"{self.topic}::{self.unit}::{self.visibility}"


def parse_id(text: str) -> GroupId:
    """The parts of an id; raises `UsageError`."""
    parts = text.split("::")
    if len(parts) != 3 or not all(parts) or parts[2] not in ("public", "hidden"):
        raise UsageError(f"'{text}' names no checks", "", "an id looks like backprop::linear_forward::public")
    return GroupId(*parts)


@dataclass(frozen=True)
class Group:
    """The results of one group."""

    id: GroupId
    checks: tuple[CheckResult, ...]

    @property
    def points(self) -> float:
        return min(round(sum(c.points or 0.0 for c in self.checks), 6), self.max_points)

    @property
    def max_points(self) -> float:
        return round(sum(c.max_points or 0.0 for c in self.checks), 6)

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if c.verdict is Verdict.GRADER_FAULT)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if c.verdict is not Verdict.PASS)


def grouped(topic: str, checks: Iterable[CheckResult]) -> list[Group]:
    """Results by unit and visibility: units in the order of their first check, public before hidden."""
    found: dict[tuple[str, str], list[CheckResult]] = {}
    for check in checks:
        found.setdefault((check.function, check.visibility), []).append(check)
    units = list(dict.fromkeys(unit for unit, _ in found))
    keys = [(unit, kind) for unit in units for kind in ("public", "hidden") if (unit, kind) in found]
    return [Group(GroupId(topic, unit, kind), tuple(found[unit, kind])) for unit, kind in keys]
