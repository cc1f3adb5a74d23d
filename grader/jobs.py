"""How a candidate of the audit is graded where that differs from a submission: data that travels with a job.

A submission is always graded without a plan; nothing a student hands in can bring one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """Which checks run in which order, and what is left out because the candidate's only question is what it fails."""

    only: tuple[str, ...] = ()  # names of checks; () for all of them
    first: str = ""  # the checks of this function before all others
    backwards: bool = False
    stop: bool = False  # after the first loss of points
    second_look: bool = True  # rerun in a fresh worker, follow-through
    diagnose: tuple[str, ...] = ()  # names of checks whose failure is looked up
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)  # limits by name of check

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Plan:
        return cls(**{**data, "only": tuple(data["only"]), "diagnose": tuple(data["diagnose"])})
