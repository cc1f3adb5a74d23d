"""When two failing values are one, and how much a value tells of what made it."""

from __future__ import annotations

from typing import Any

import numpy as np

from grader.checks.comparing import Failure
from grader.wire import DroppedArray

SAME = 1e-6  # relative
ALIKE = 1e-2  # of the deviation from the right value
RIGHT = {"float32": 1e-5, "complex64": 1e-5, "float16": 1e-2}  # float64: 1e-9
ENOUGH = 3  # values of a small set, or other checks, that must agree


def same(a: Any, b: Any) -> bool:
    """Whether two failing values are one: kind, shape and every value within a relative 1e-6, nan and inf alike."""
    if isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    if isinstance(a, DroppedArray) or isinstance(b, DroppedArray):  # what there is of a value that was far too large
        return all(hasattr(x, "shape") for x in (a, b)) and bool(a.shape == b.shape and a.dtype == b.dtype)
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind or a.dtype.kind not in "biufc":
        return False
    if a.dtype.kind in "fc" and a.dtype != b.dtype:  # a width is a mistake of its own
        return False
    if a.dtype.kind in "biu":
        return bool((a == b).all())
    scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=SAME, atol=SAME * scale * 1e-3, equal_nan=True))


def right(actual: Any, expected: Any) -> bool:
    """Whether a value that stood beside a wrong one was right, as far as the default tolerance tells."""
    if not same(actual, expected):
        return False
    if isinstance(actual, (str, DroppedArray)):
        return True
    a, e = np.asarray(actual), np.asarray(expected)
    return not _deviates(a, e).any()


def _deviates(a: np.ndarray, e: np.ndarray) -> np.ndarray:
    """Where two arrays of one shape differ by more than the last digits of their dtype; never at nan or inf."""
    kind = np.complex128 if "c" in (a.dtype.kind, e.dtype.kind) else np.float64
    digits = RIGHT.get(e.dtype.name, 1e-9)
    a, e = a.astype(kind), e.astype(kind)
    largest = float(np.max(np.abs(e[np.isfinite(e)]), initial=0.0))
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(a - e) > digits * (largest or 1.0))


def deviates_alike(a: Any, known: Any, expected: Any) -> bool:
    """Whether two values are far closer to each other than to the right one, where they differ from it by little."""
    if any(isinstance(v, (str, DroppedArray)) or v is None for v in (a, known, expected)):
        return True
    a, known, e = (np.asarray(v) for v in (a, known, expected))
    if not (a.shape == known.shape == e.shape) or {a.dtype.kind, e.dtype.kind} - set("fc"):
        return True
    with np.errstate(all="ignore"):
        off, apart = np.abs(a - e), np.abs(a - known)
    finite = np.isfinite(off) & np.isfinite(apart)
    return bool(np.max(apart[finite], initial=0.0) <= ALIKE * np.max(off[finite], initial=0.0)) or not finite.any()


def is_telling(value: Any) -> bool:
    """Whether a value holds a number that few mistakes would make: no integer, no 0, ±1, nan or inf."""
    value = np.asarray(value)
    if value.dtype.kind not in "fc":
        return False
    finite = value[np.isfinite(value)]
    return bool((~np.isin(np.abs(finite), (0.0, 1.0))).any())


def fails_alike(known: Failure | None, failure: Failure) -> bool:
    """Whether two runs failed at one comparison with the same values, right ones beside the wrong ones included."""
    if known is None or known.number != failure.number or len(known.compared) != len(failure.compared):
        return False
    if "cost" in (known.aside, failure.aside):
        return False
    a, b, expected = failure.seen.actual, known.seen.actual, failure.seen.expected
    beside = zip(failure.compared, known.compared, strict=True)
    return same(a, b) and deviates_alike(a, b, expected) and all(same(a, b) for (a, _), (b, _) in beside)


def told_by(failure: Failure) -> int:
    """How many independent values of a failure, among those that are wrong, speak for what yields them all.

    One number that few mistakes would make is enough; integers and truth values count by the places at which they
    differ from what is expected; 0, ±1, nan, inf and nothing at all are one fact, however often it is met. Words are
    what a check says of a broken demand, or an error's text; a dtype is such a word.
    """
    if isinstance(failure.seen.actual, str) and not failure.compared:
        return ENOUGH
    return sum(_told_by(a, e) for a, e in failure.compared or ((failure.seen.actual, failure.seen.expected),))


def _told_by(actual: Any, expected: Any) -> int:
    if any(isinstance(value, (str, DroppedArray)) or value is None for value in (actual, expected)):
        return int(not same(actual, expected))
    a, e = np.asarray(actual), np.asarray(expected)
    if a.dtype.kind not in "biufc":
        return 0
    if a.dtype != e.dtype and a.ndim:
        return ENOUGH
    if a.shape != e.shape:
        return ENOUGH if is_telling(a) else 1
    off = _deviates(a, e) | ~(np.isfinite(a) & np.isfinite(e) | (a == e) | (np.isnan(a) & np.isnan(e)))
    if is_telling(a[off]):
        return ENOUGH
    return int(off.any()) if a.dtype.kind in "fc" else int(np.count_nonzero(off))
