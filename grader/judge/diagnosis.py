"""Naming the mistake: a failed comparison is looked up among those that known misconceptions yield.

The judge runs the whole failed check once against the reference with one unit replaced by a misconception, and keeps
what failed there: the number of the comparison within the check, and all that it compared. A student whose check fails
at the same comparison with the same values may hold that misconception. Whether he does is for the other checks of the
function to say (`grader.judge.agreement`): a wrong explanation does more harm than none. Runs are made once per judge;
after that a failed check costs a look-up, and a passed one nothing.
"""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from grader.checks import Misconception
from grader.checks.comparing import Failure
from grader.judge.transforms import SENTENCES, TRANSFORMS, put_ins, transforms_of
from grader.judge.values import fails_alike, same
from grader.worker.server import ORIGIN

__all__ = ["TRANSFORMS", "Diagnoser", "Diagnosis", "UnitsSeen", "same"]


@dataclass(frozen=True)
class Diagnosis:
    """The misconception's id and its sentence."""

    id: str
    sentence: str


class UnitsSeen:
    """Counts the calls of an in-memory submission's functions inside a `with` block, by dotted name."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    @property
    def names(self) -> set[str]:
        """The top-level functions and classes whose code ran."""
        return {name.split(".")[0] for name in self.calls}

    def calls_of(self, name: str) -> int:
        """Calls of a function, or of all methods of a class."""
        return sum(n for called, n in self.calls.items() if called == name or called.startswith(name + "."))

    def __enter__(self) -> UnitsSeen:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: types.FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ORIGIN):
            self.calls[frame.f_code.co_qualname.replace(".<locals>", "")] += 1


Replay = Callable[[Misconception], Failure | None]
Fits = Callable[[Misconception], bool]


class Diagnoser:
    """Looks failures of one topic's checks up; `replay(misconception)` runs the failed check against a wrong unit."""

    def __init__(self, misconceptions: list[Misconception]) -> None:
        self.misconceptions = misconceptions
        self.failures: dict[tuple[str, int], Failure | None] = {}

    def diagnose(
        self,
        check: str,
        function: str,
        touched: Collection[str],
        failure: Failure,
        replay: Replay,
        fits: Fits | None = None,
    ) -> Diagnosis | None:
        """The one explanation of a failure; None where there is none, or two that differ.

        `touched` names the units that run in this check: no other can be to blame, so no other is replayed. `fits`
        says whether the rest of what is known of the submission agrees with an explanation.
        """
        name = check.split("::")[-1]
        near = [i for i, m in enumerate(self.misconceptions) if m.replaces == function or m.caught_by == name]
        far = [i for i, m in enumerate(self.misconceptions) if i not in near and m.replaces in touched]
        for group in (near, far):
            found = [self.misconceptions[i] for i in group if self._matches(check, i, failure, replay)]
            found = [m for m in found if fits is None or fits(m)]
            if found:
                return _agreed(found)
        return _transformed(function, failure, fits)

    def _matches(self, check: str, index: int, failure: Failure, replay: Replay) -> bool:
        key = (check, index)
        if key not in self.failures:
            self.failures[key] = replay(self.misconceptions[index])
        return fails_alike(self.failures[key], failure)


def _agreed(found: list[Misconception]) -> Diagnosis | None:
    """The diagnosis that all matches share: one sentence, one id, or listed twins."""
    first = found[0]
    for other in found[1:]:
        if other.sentence != first.sentence and other.id != first.id and other.id not in first.twins:
            return None
    return Diagnosis(first.id, first.sentence)


def _transformed(function: str, failure: Failure, fits: Fits | None) -> Diagnosis | None:
    """A relation to the right answer that needs no wrong implementation; None where two that differ hold."""
    found = list(dict.fromkeys(_diagnoses(transforms_of(failure), function, fits)))
    return found[0] if len(found) == 1 else None


def _diagnoses(names: list[str], function: str, fits: Fits | None) -> Iterator[Diagnosis]:
    for name in names:
        if fits is None or any(fits(m) for m in put_ins(name, function)):
            yield Diagnosis("whole-factor" if name.startswith("too-") else name, SENTENCES[name])
