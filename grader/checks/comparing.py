"""Comparing what a submission returned with what is expected: kind, dtype, shape, finiteness, values."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.remote.session import StudentError
from grader.wire import NAMES, DroppedArray, FrozenDict, FrozenList, FrozenTuple


class CheckFailed(AssertionError):
    """A check's demand that was not met: `text` with values, `safe` without any; `frames` of what raised, if any."""

    def __init__(self, text: str, safe: str, frames: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(text)
        self.text, self.safe, self.frames = text, safe, frames


RTOL = {"float64": 1e-9, "complex128": 1e-9, "float32": 1e-5, "complex64": 1e-5, "float16": 1e-2, "bfloat16": 1e-2}


USUAL_DTYPES = ("float64", "float32", "int64")  # of a value that a hidden check may name: a choice of many tells much

MOST_PLACES = 16  # members of a list or dict that a hidden check names one by one


# --- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tolerance:
    """What `assert_close` was told: the defaults are None, and `wide` says why a tolerance is wide."""

    rtol: float | None
    atol: float | None
    dtype: bool | str
    wide: str = ""

    def allows(self, expected: np.ndarray) -> tuple[float, float, float]:
        """(relative part, absolute part, largest value expected)."""
        largest = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0))
        return *self.parts(_dtype_name(expected), largest), largest

    def parts(self, dtype: str, largest: float) -> tuple[float, float]:
        """(relative, absolute) part where the largest value expected is this: allowed is absolute + relative * |e|."""
        rtol = RTOL.get(dtype, 1e-9) if self.rtol is None else self.rtol
        return rtol, rtol * (largest or 1.0) if self.atol is None else self.atol


@dataclass(frozen=True)
class Seen:
    """One comparison as it happened: for the audit (margins) and the diagnosis (values)."""

    name: str
    actual: Any
    expected: Any
    margin: float  # tolerance / worst difference; below 1 it failed
    tolerance: Tolerance | None = None  # where values were compared


@dataclass(frozen=True)
class Failure:
    """The comparison a check failed at: its number within the check, and what was compared."""

    number: int
    seen: Seen


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


_observers: tuple[Callable[[Seen], None], ...] = ()


@contextlib.contextmanager
def observing(*observers: Callable[[Seen], None]) -> Iterator[None]:
    """Let these, and no others, see every comparison that is made inside the block."""
    global _observers
    before, _observers = _observers, observers
    try:
        yield
    finally:
        _observers = before


def _notice(name: str, actual: Any, expected: Any, margin: float, tolerance: Tolerance | None = None) -> None:
    for observer in _observers:
        observer(Seen(name, actual, expected, margin, tolerance))


def assert_close(
    actual: Any,
    expected: Any,
    *,
    name: str = "result",
    rtol: float | None = None,
    atol: float | None = None,
    dtype: bool | str = True,
    wide: str = "",
) -> None:
    """Demand kind, dtype, shape, finiteness and then every value of `expected`; see docs/authoring.md.

    `wide` says why the tolerance must be as wide as it is; the audit asks for that above its limits.
    """
    problem = _compare(actual, expected, name, Tolerance(rtol, atol, dtype, wide))
    if problem is not None:
        raise CheckFailed(*problem)


Problem = tuple[str, str] | None


def _compare(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    worst = _usual_case(actual, expected, tol)
    if worst is not None:
        _notice(name, actual, expected, math.inf if worst == 0 else 1 / worst, tol)
        return None
    wanted, got = kind_of(expected), kind_of(actual)
    if wanted != got:
        _notice(name, f"{got}, not {wanted}", None, 0.0)
        return f"{name} is {_words(actual)}, expected {_words(expected)}", f"{name} is not {_KIND_WORDS[wanted]}"
    return _COMPARERS[wanted](actual, expected, name, tol)


_KIND_WORDS = {
    "scalar": "a number", "array": "an array", "tensor": "a tensor", "sequence": "a tuple or list", "dict": "a dict",
    "text": "a text", "nothing": "None", "other": "data",
}  # fmt: skip
_USUAL_KINDS: dict[type, str] = {
    float: "scalar", np.float64: "scalar", int: "scalar", bool: "scalar", str: "text", dict: "dict", FrozenDict: "dict",
    **dict.fromkeys((tuple, list, FrozenTuple, FrozenList), "sequence"),
}  # fmt: skip


def kind_of(value: Any) -> str:
    """What a value is to `assert_close`: one of the kinds that are never equal to each other."""
    usual = _USUAL_KINDS.get(type(value))
    if usual is not None:
        return usual
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return "scalar"
    if isinstance(value, np.ndarray):
        return "array" if value.ndim else "scalar"
    if isinstance(value, DroppedArray):
        return "tensor" if value.is_tensor else "array"
    if is_tensor(value):
        return "tensor" if value.ndim else "scalar"
    if isinstance(value, (tuple, list)):
        return "sequence"
    return "dict" if isinstance(value, dict) else "other"


def is_tensor(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")


def _words(value: Any) -> str:
    from grader.remote.session import describe

    return repr(value) if isinstance(value, (bool, int, float, str)) and len(repr(value)) < 60 else describe(value)


def _plain(value: Any) -> np.ndarray:
    if is_tensor(value):
        value = value.detach()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    return np.asarray(value)


def _dtype_name(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return np.asarray(value).dtype.name
    return NAMES.get(dtype) or str(dtype).removeprefix("torch.")


def _compare_scalars(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    a, e = _plain(actual), _plain(expected)
    fits = {"b": "b", "i": "iu", "u": "iu", "f": "fiu", "c": "cfiu"}
    if tol.dtype and a.dtype.kind not in fits.get(e.dtype.kind, a.dtype.kind):
        words = {"b": "a truth value", "i": "an integer", "u": "an integer", "f": "a real number", "c": "a number"}
        wanted = words[e.dtype.kind]
        _notice(name, a, e, 0.0)
        return f"{name} is {a.dtype.name} {a[()]}, expected {wanted}", f"{name} is not {wanted}"
    return _compare_values(a, e, name, tol, _dtype_name(expected))


def _compare_arrays(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    got, wanted = _dtype_name(actual), _dtype_name(expected)
    a: Any = actual if isinstance(actual, DroppedArray) else _plain(actual)
    e = _plain(expected)
    kinds = {"i": "iu", "u": "iu"}.get(e.dtype.kind, e.dtype.kind)
    same = got == wanted or (tol.dtype == "kind" and a.dtype.kind in kinds)
    if (tol.dtype and not same) or a.shape != e.shape:
        _notice(name, a, e, 0.0)
    if tol.dtype and not same:
        told = f"dtype {got}, another one" if got in USUAL_DTYPES else "a dtype that is not the one that"
        return f"{name} has dtype {got}, expected {wanted}", f"{name} has {told} is expected"
    if a.shape != e.shape:
        return f"{name} has shape {a.shape}, expected {e.shape}", f"{name} has the wrong shape"
    return _compare_values(a, e, name, tol, wanted)


def _compare_values(a: np.ndarray, e: np.ndarray, name: str, tol: Tolerance, dtype: str) -> Problem:
    worst = _quickly_close(a, e, tol)
    if worst is not None:
        _notice(name, a, e, math.inf if worst == 0 else 1 / worst, tol)
        return None
    exact = e.dtype.kind in "biu" and a.dtype.kind in "biu" and tol.rtol is None and tol.atol is None
    finite = np.isfinite(e)
    bad = _non_finite_mismatch(a, e, finite)
    if bad.any():
        _notice(name, a, e, 0.0)
        return _value_problem(a, e, bad, bad.astype(float), name, "is not finite" if not _finite_at(a, bad) else None)
    rtol, atol = tol.parts(dtype, float(np.max(np.abs(e[finite]), initial=0.0)))
    wide = np.complex128 if "c" in (a.dtype.kind, e.dtype.kind) else np.float64
    if exact:
        excess = (a != e).astype(float) * 2
    else:
        with np.errstate(all="ignore"):
            difference = np.abs(a.astype(wide) - e.astype(wide))
            allowed = atol + rtol * np.abs(e.astype(wide))
            excess = np.where(finite & (difference > 0), difference / np.maximum(allowed, 1e-300), 0.0)
    worst = float(np.max(excess, initial=0.0))
    _notice(name, a, e, math.inf if worst == 0 else 1 / worst, None if exact else tol)
    if worst <= 1:
        return None
    return _value_problem(a, e, ~(excess <= 1), excess, name, None)


_FLOATS = (float, np.float64)


def _usual_case(actual: Any, expected: Any, tol: Tolerance) -> float | None:
    """The worst difference by its tolerance of two floats, or float64 arrays of one shape, that agree; else None."""
    if type(actual) in _FLOATS and type(expected) in _FLOATS:
        a, e = float(actual), float(expected)
        size = abs(e)
        rtol, atol = tol.parts("float64", size)
        worst = abs(a - e) / (atol + rtol * size) if size < math.inf and atol > 0 else math.inf
        return worst if worst <= 1 else None  # nan is not
    arrays = type(actual) is np.ndarray and type(expected) is np.ndarray
    if arrays and actual.shape == expected.shape and actual.ndim:
        return _quickly_close(actual, expected, tol)
    return None


def _quickly_close(a: np.ndarray, e: np.ndarray, tol: Tolerance) -> float | None:
    """The worst difference by its tolerance where two finite float64 arrays agree, the usual case; else None."""
    if a.dtype != np.float64 or e.dtype != np.float64 or not e.size:
        return None
    size = np.abs(e)
    largest = float(size.max())
    rtol, atol = tol.parts("float64", largest)
    if not (largest < math.inf and atol > 0):
        return None
    worst = float((np.abs(a - e) / (atol + rtol * size)).max())
    return worst if worst <= 1 else None  # nan is not


def _non_finite_mismatch(a: np.ndarray, e: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Where one of the two is not finite and the other not the same non-finite value."""
    both_nan = np.isnan(a) & np.isnan(e) if a.dtype.kind in "fc" and e.dtype.kind in "fc" else np.zeros(e.shape, bool)
    return np.asarray((~np.isfinite(a) | ~finite) & ~both_nan & (a != e))


def _finite_at(a: np.ndarray, where: np.ndarray) -> bool:
    return bool(np.isfinite(a[where]).all())


def _value_problem(
    a: np.ndarray, e: np.ndarray, bad: np.ndarray, excess: np.ndarray, name: str, remark: str | None
) -> Problem:
    index = np.unravel_index(int(np.argmax(excess)), excess.shape) if excess.ndim else ()
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    got, wanted = a[index], e[index]
    digits = 6 if f"{got:.6g}" != f"{wanted:.6g}" else 15
    count = f" ({int(bad.sum())} of {bad.size} elements differ, this one most)" if bad.size > 1 else ""
    text = f"{place} is {_shown(got, digits)}, expected {_shown(wanted, digits)}{count}"
    return text, f"{name} {remark or 'has a wrong value'}"


def _shown(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if value.dtype.kind in "fc" else str(value)


def _compare_sequences(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    if len(actual) != len(expected):
        _notice(name, f"{len(actual)} items", None, 0.0)
        return f"{name} has {len(actual)} items, expected {len(expected)}", f"{name} has the wrong number of items"
    for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
        problem = _compare(a, e, f"{name}[{i}]", tol)
        if problem:
            return _without_place(problem, name, f"[{i}]", len(expected))
    return None


def _without_place(problem: tuple[str, str], name: str, place: str, of: int) -> Problem:
    """Which one of many members is wrong is a choice of the submission's, and not told of a hidden check."""
    text, safe = problem
    return (text, safe.replace(f"{name}{place}", f"{name}[…]", 1)) if of > MOST_PLACES else problem


def _compare_dicts(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    if actual.keys() != expected.keys():
        got, wanted = sorted(map(repr, actual)), sorted(map(repr, expected))
        _notice(name, ", ".join(got), None, 0.0)
        return f"{name} has the keys {', '.join(got)}; expected {', '.join(wanted)}", f"{name} has the wrong keys"
    for key, e in expected.items():
        problem = _compare(actual[key], e, f"{name}[{key!r}]", tol)
        if problem:
            return _without_place(problem, name, f"[{key!r}]", len(expected))
    return None


def _compare_equal(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    if type(expected) is str and type(actual) is str and actual == expected or actual is expected:
        return None
    return f"{name} is {_words(actual)}, expected {_words(expected)}", f"{name} has a wrong value"


_COMPARERS: dict[str, Callable[[Any, Any, str, Tolerance], Problem]] = {
    "scalar": _compare_scalars,
    "array": _compare_arrays,
    "tensor": _compare_arrays,
    "sequence": _compare_sequences,
    "dict": _compare_dicts,
    "text": _compare_equal,
    "nothing": _compare_equal,
    "other": _compare_equal,
}


def assert_true(condition: Any, message: str) -> None:
    """Demand a property; `message` says in words, without input values, what should hold."""
    if not bool(condition):
        raise CheckFailed(message, message)
    _notice("a property", True, True, math.inf)  # counted, so that a later failure is known by its place


def assert_raises(error: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Demand that the submission raises the built-in `error` for these arguments."""
    name = error.__name__
    try:
        value = function(*args, **kwargs)
    except StudentError as raised:
        if isinstance(raised, error):
            _notice("an error", name, name, math.inf)
            return
        if raised.wall or any(
            raised.is_a(n) for n in ("NotImplementedError", "MissingName", "Forbidden", "MemoryError")
        ):
            raise  # a verdict of its own, whatever was asked for
        text = f"raised {raised.type_name}, expected {name}"
        raise CheckFailed(text, f"a bad argument should raise {name}, another error was raised") from None
    text = f"returned {_words(value)}, expected {name} to be raised"
    raise CheckFailed(text, f"a bad argument should raise {name}, but a value was returned")
