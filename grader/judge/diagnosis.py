"""Naming the mistake: a failed comparison is looked up among those that known misconceptions yield.

The judge runs the whole failed check once against the reference with one unit replaced by a misconception, and keeps
what failed there: the number of the comparison within the check, and its value. A student whose check fails at the same
comparison with the same value most likely holds that misconception. Runs are made once per judge; after that a failed
check costs a look-up, and a passed one nothing.
"""

from __future__ import annotations

import itertools
import sys
import types
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.checks import Misconception, Seen
from grader.checks.comparing import Failure
from grader.wire import DroppedArray
from grader.worker.server import ORIGIN

SAME = 1e-6  # relative
TRANSFORMS = (  # what they say is true by construction
    "sign", "twice", "half", "transposed", "not-summed", "summed", "extra-axis", "lost-axis", "one-more", "one-less",
    "shifted", "sum-for-mean", "mean-for-sum", "whole-factor", "float32",
)  # fmt: skip
LARGEST_FACTOR = 1000  # of whole factors that are looked for without knowing the size behind them


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
    if isinstance(a, DroppedArray) or isinstance(b, DroppedArray):  # what there is of a value that was far too large
        return all(hasattr(x, "shape") for x in (a, b)) and bool(a.shape == b.shape and a.dtype == b.dtype)
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
    """A relation to the right answer that needs no wrong implementation; None where two that differ hold."""
    if isinstance(seen.actual, (str, DroppedArray)):
        return None
    a, e = np.asarray(seen.actual), np.asarray(seen.expected)
    if a.dtype.kind != e.dtype.kind or e.dtype.kind not in "iufc":
        return None
    if seen.tolerance is None and e.dtype.kind in "fc" and a.dtype != e.dtype:
        return None  # the wrong dtype has been told, and is the first thing to mend
    if not e.any() or not np.isfinite(a).all() or not np.isfinite(e).all():
        return None
    for looked_for in (_sized_like_it, _reshaped, _whole_factor, _rounded):
        found = list(dict.fromkeys(looked_for(a, e)))
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _sized_like_it(a: np.ndarray, e: np.ndarray) -> Iterator[Diagnosis]:
    """Relations element by element, and of the same elements in another order."""
    wide = e.astype(np.float64) if e.dtype.kind in "iu" else e
    given = a.astype(wide.dtype) if e.dtype.kind in "iu" else a
    for id, sentence, value in _transforms(wide):
        if same(given, value):
            yield Diagnosis(id, sentence)
    if any(_is_shifted(given, wide, axis) for axis in range(e.ndim) if a.shape == e.shape):
        yield Diagnosis("shifted", "Along one axis everything stands one place too far: look for an off-by-one.")


def _transforms(e: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    yield "sign", "Every value has the wrong sign.", -e
    yield "twice", "Every value is twice what it should be: look for a factor 2.", e * 2
    yield "half", "Every value is half of what it should be: look for a factor ½.", e / 2
    yield "one-more", "Every value is one too large: look for an off-by-one.", e + 1
    yield "one-less", "Every value is one too small: look for an off-by-one.", e - 1
    if e.ndim >= 2:
        for i, j in itertools.combinations(range(e.ndim), 2):
            yield "transposed", "The result is transposed: two axes are swapped.", e.swapaxes(i, j)
    for n in sorted({n for n in e.shape if n > 2}):
        yield "sum-for-mean", "Too large by the length of an axis: a mean is asked for, not a sum.", e * n
        yield "mean-for-sum", "Too small by the length of an axis: a sum is asked for, not a mean.", e / n


def _is_shifted(a: np.ndarray, e: np.ndarray, axis: int) -> bool:
    """Whether all but the end of `a` is what stands one place beside it in `e`; constants do not count."""
    n = e.shape[axis]
    if n < 3:
        return False
    first, second = (np.take(e, range(k, n - 1 + k), axis) for k in (0, 1))
    if same(first, second):
        return False
    return same(np.take(a, range(1, n), axis), first) or same(np.take(a, range(n - 1), axis), second)


def _reshaped(a: np.ndarray, e: np.ndarray) -> Iterator[Diagnosis]:
    """The right numbers with an axis too many or too few."""
    if a.size == e.size and a.ndim != e.ndim and same(a.reshape(e.shape), e) and _squeezed(a) == _squeezed(e):
        if a.ndim > e.ndim:
            yield Diagnosis("extra-axis", "The numbers are right, but an axis of length 1 is left over.")
        else:
            yield Diagnosis("lost-axis", "The numbers are right, but an axis of length 1 is lost.")
    elif a.ndim == e.ndim + 1 and any(_sums_to(a, e, axis) for axis in range(a.ndim)):
        yield Diagnosis("not-summed", "One axis too many: sum over it, and the result is right.")
    elif e.ndim == a.ndim + 1 and any(_sums_to(e, a, axis) for axis in range(e.ndim)):
        yield Diagnosis("summed", "One axis was summed over that should have stayed.")
    elif a.ndim == e.ndim and a.shape != e.shape:
        for axis in range(e.ndim):
            if a.shape[axis] == 1 and _sums_to(e, a, axis, keepdims=True):
                yield Diagnosis("summed", "One axis was summed over that should have stayed.")
            if e.shape[axis] == 1 and _sums_to(a, e, axis, keepdims=True):
                yield Diagnosis("not-summed", "One axis too many: sum over it, and the result is right.")


def _squeezed(a: np.ndarray) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


def _sums_to(a: np.ndarray, total: np.ndarray, axis: int, keepdims: bool = False) -> bool:
    return bool(a.shape[axis] > 1 and same(a.sum(axis, keepdims=keepdims).astype(total.dtype), total))


def _whole_factor(a: np.ndarray, e: np.ndarray) -> Iterator[Diagnosis]:
    """Every value too large or too small by one whole number, whatever size that is."""
    if a.shape != e.shape or e.dtype.kind != "f":
        return
    biggest = np.unravel_index(int(np.argmax(np.abs(e))), e.shape)
    with np.errstate(all="ignore"):
        ratio = float(a[biggest] / e[biggest])
    if 2.5 < ratio < LARGEST_FACTOR and same(a, e * round(ratio)):
        sentence = "Every value is too large by the same whole factor: is a mean asked for, not a sum?"
        yield Diagnosis("whole-factor", sentence)
    elif 1 / LARGEST_FACTOR < ratio < 0.4 and same(a, e / round(1 / ratio)):
        sentence = "Every value is too small by the same whole factor: is a sum asked for, not a mean?"
        yield Diagnosis("whole-factor", sentence)


def _rounded(a: np.ndarray, e: np.ndarray) -> Iterator[Diagnosis]:
    """Right to float32's seven digits, but not to float64's sixteen."""
    if a.shape == e.shape and a.dtype == e.dtype == np.float64:
        worst = float(np.max(np.abs(a - e) / np.max(np.abs(e))))
        if worst < 2e-7:
            yield Diagnosis(
                "float32", "The values are right to about seven digits: somewhere they pass through float32."
            )
