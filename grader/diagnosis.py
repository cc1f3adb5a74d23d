"""Naming the mistake: a failed comparison is looked up among those that known misconceptions yield.

The judge runs the whole failed check once against the reference with one unit replaced by a misconception, and keeps
what failed there: the number of the comparison within the check, and its value. A student whose check fails at the same
comparison with the same value most likely holds that misconception. Runs are made once per judge; after that a failed
check costs a look-up, and a passed one nothing.
"""

from __future__ import annotations

import math
import sys
import types
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.checks import Misconception, Seen
from grader.worker.serve import ORIGIN

SAME = 1e-6  # relative
TRANSFORMS = ("sign", "twice", "half", "transposed", "sum-for-mean", "mean-for-sum", "float32")  # true by construction


@dataclass(frozen=True)
class Failure:
    """The comparison a check failed at: its number within the check, and what was compared."""

    number: int
    seen: Seen


@dataclass(frozen=True)
class Diagnosis:
    """The misconception's id and its sentence."""

    id: str
    sentence: str


class Recorder:
    """Counts the comparisons of one run of a check and keeps the one that failed.

    A check may fail without comparing values, by a property or an argument written to; then its words stand for them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.margin = math.inf  # the smallest so far, but for tolerances that are wide for a reason
        self.failure: Failure | None = None

    def __call__(self, seen: Seen) -> None:
        if not (seen.tolerance and seen.tolerance.wide):
            self.margin = min(self.margin, seen.margin)
        if seen.margin < 1 and self.failure is None:
            self.failure = Failure(self.count, seen)
        self.count += 1

    def failed_by(self, words: str) -> Failure:
        return self.failure or Failure(self.count, Seen("words", words, None, 0.0))


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


class Diagnoser:
    """Looks failures of one topic's checks up; `replay(check, misconception)` runs a check against a wrong unit."""

    def __init__(self, misconceptions: list[Misconception]) -> None:
        self.misconceptions = misconceptions
        self.failures: dict[tuple[str, int], Failure | None] = {}

    def diagnose(
        self, check: str, function: str, touched: Collection[str], failure: Failure, replay: Replay
    ) -> Diagnosis | None:
        """The one explanation of a failure; None where there is none, or two that differ.

        `touched` names the units that run in this check: no other can be to blame, so no other is replayed.
        """
        name = check.split("::")[-1]
        near = [i for i, m in enumerate(self.misconceptions) if m.replaces == function or m.caught_by == name]
        far = [i for i, m in enumerate(self.misconceptions) if i not in near and m.replaces in touched]
        for group in (near, far):
            found = [self.misconceptions[i] for i in group if self._matches(check, i, failure, replay)]
            if found:
                return _agreed(found)
        return _transformed(failure.seen)

    def _matches(self, check: str, index: int, failure: Failure, replay: Replay) -> bool:
        key = (check, index)
        if key not in self.failures:
            self.failures[key] = replay(self.misconceptions[index])
        known = self.failures[key]
        return known is not None and known.number == failure.number and same(known.seen.actual, failure.seen.actual)


def _agreed(found: list[Misconception]) -> Diagnosis | None:
    """The diagnosis that all matches share: one sentence, one id, or listed twins."""
    first = found[0]
    for other in found[1:]:
        if other.sentence != first.sentence and other.id != first.id and other.id not in first.twins:
            return None
    return Diagnosis(first.id, first.sentence)


def same(a: Any, b: Any) -> bool:
    """Whether two failing values are one: kind, shape and every value within a relative 1e-6, nan and inf alike."""
    if isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind or a.dtype.kind not in "biufc":
        return False
    if a.dtype.kind in "biu":
        return bool((a == b).all())
    scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=SAME, atol=SAME * scale * 1e-3, equal_nan=True))


# --- simple transforms of the right answer ---------------------------------------------------------------------------


def _transformed(seen: Seen) -> Diagnosis | None:
    """A relation to the right answer that needs no wrong implementation."""
    a, e = np.asarray(seen.actual), np.asarray(seen.expected)
    if isinstance(seen.actual, str) or a.dtype != e.dtype or e.dtype.kind not in "fc" or not e.any():
        return None
    found = [Diagnosis(id, sentence) for id, sentence, value in _transforms(e) if same(a, value)]
    if len(found) == 1:
        return found[0]
    return None if found else _rounded(a, e)


def _transforms(e: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    yield "sign", "Every value has the wrong sign.", -e
    yield "twice", "Every value is twice what it should be: look for a factor 2.", e * 2
    yield "half", "Every value is half of what it should be: look for a factor ½.", e / 2
    if e.ndim == 2 and e.shape[0] != 1 != e.shape[1]:
        yield "transposed", "The result is transposed.", e.T
    for n in sorted({n for n in e.shape if n > 2}):
        yield (
            "sum-for-mean",
            "Too large by the length of an axis: a mean is asked for, not a sum.",
            e * n,
        )
        yield (
            "mean-for-sum",
            "Too small by the length of an axis: a sum is asked for, not a mean.",
            e / n,
        )


def _rounded(a: np.ndarray, e: np.ndarray) -> Diagnosis | None:
    """Right to float32's seven digits, but not to float64's sixteen."""
    if a.shape == e.shape and a.dtype == np.float64 and np.isfinite(a).all() and np.isfinite(e).all():
        worst = float(np.max(np.abs(a - e) / np.max(np.abs(e))))
        if worst < 2e-7:
            sentence = "The values are right to about seven digits: somewhere they pass through float32."
            return Diagnosis("float32", sentence)
    return None
