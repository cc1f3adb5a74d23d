"""Whether an explanation agrees with all that is known of a submission, not with the one value that it explains.

Many mistakes give one value at one comparison. So an explanation that says what is wrong with a function is held
against every check of that function: where the submission passes, so must the mistake, and where the submission fails,
the mistake must fail at the same comparison with the same values. What another function may have spoilt is left out.
Values that any mistake could make (a 0, a nan, the number of a feature) are no evidence by themselves: several must
agree, or other checks of the function beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from grader.checks import Misconception
from grader.checks.comparing import Failure
from grader.judge import items as facts
from grader.judge.values import ENOUGH, fails_alike, told_by


@dataclass(frozen=True)
class Ran:
    """How a check ended against the reference with a mistake put in; neither passed nor failed: not comparable."""

    passed: bool
    failure: Failure | None = None


@dataclass(frozen=True)
class KnownCheck:
    """How a check ended: `failures` as handed in and given correct earlier functions; neither: it is not comparable."""

    item: pytest.Item
    passed: bool
    failures: tuple[Failure, ...] = ()

    @property
    def unit(self) -> str:
        return facts.function_of(self.item).partition(".")[0]

    def ended_as(self, ran: Ran) -> bool:
        """Whether both passed, or both ended in a way that cannot be compared: what a mistake costs is not counted
        where it is put in.
        """
        if any(f is not None and f.aside == "cost" for f in (ran.failure, *self.failures)):
            return True
        return self.passed == ran.passed and not self.failures and ran.failure is None


Run = Callable[[pytest.Item, Misconception], Ran]
Touched = Callable[[pytest.Item], frozenset[str]]


class Agreement:
    """All checks of one submission's topic that have been run."""

    def __init__(self, checks: Sequence[KnownCheck]) -> None:
        self.checks = checks
        self.spoilt = {known.unit for known in checks if not known.passed}

    def holds(self, item: pytest.Item, mistake: Misconception, run: Run, touched: Touched) -> bool:
        """Whether a mistake fails this check as the submission does, agrees with all checks of its function, and
        enough speaks for it.
        """
        told, beside = 0, 0
        for known in sorted(self.checks, key=lambda k: k.item is not item):
            if known.item is not item and known.unit != mistake.replaces:
                continue
            ran = run(known.item, mistake)
            alike = next((f for f in known.failures if fails_alike(ran.failure, f)), None)
            if alike is not None:
                told += told_by(alike)
            elif known.passed and ran.passed:
                beside += 1
            elif known.item is item or not (known.ended_as(ran) or self._is_spoilt(known, mistake, touched)):
                return False
        return told > 0 and told + beside >= ENOUGH

    def _is_spoilt(self, known: KnownCheck, mistake: Misconception, touched: Touched) -> bool:
        """Whether a check failed for want of an error that no formula raises, or by another function that is wrong."""
        if known.passed or all(f.aside == "refusal" for f in known.failures):
            return bool(known.failures)
        return bool((touched(known.item) & self.spoilt) - {mistake.replaces, known.unit})
