"""Transforms: simple relations of a wrong value to the right one, which need no wrong implementation to be recognised.

A relation that is found in the values is a guess: five numbers may be half of what they should be for many reasons. So
each can also be put into the reference, like a misconception, and is told only where that fails every check of the
function as the submission does (`grader.judge.agreement`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.checks import Misconception
from grader.checks.comparing import Failure, Seen, is_tensor
from grader.judge.values import is_telling, right, same
from grader.wire import DroppedArray

LARGEST_FACTOR = 1000  # of whole factors that are looked for without knowing the size behind them
MAX_MEMBERS = 6  # of a result of several values, each of which may be the one that is off

SENTENCES = {
    "sign": "Every value has the wrong sign.",
    "twice": "Every value is twice what it should be: look for a factor 2.",
    "half": "Every value is half of what it should be: look for a factor ½.",
    "one-more": "Every value is one too large: look for an off-by-one.",
    "one-less": "Every value is one too small: look for an off-by-one.",
    "transposed": "The result is transposed: two axes are swapped.",
    "sum-for-mean": "Too large by the length of an axis: a mean is asked for, not a sum.",
    "mean-for-sum": "Too small by the length of an axis: a sum is asked for, not a mean.",
    "shifted": "Along one axis everything stands one place too far: look for an off-by-one.",
    "extra-axis": "The numbers are right, but an axis of length 1 is left over.",
    "lost-axis": "The numbers are right, but an axis of length 1 is lost.",
    "summed": "One axis was summed over that should have stayed.",
    "not-summed": "One axis too many: sum over it, and the result is right.",
    "float32": "The values are right to about seven digits: somewhere they pass through float32.",
    "too-large": "Every value is too large by the same whole factor: is a mean asked for, not a sum?",
    "too-small": "Every value is too small by the same whole factor: is a sum asked for, not a mean?",
}
TRANSFORMS = (*(id for id in SENTENCES if not id.startswith("too-")), "whole-factor")

# --- recognising one -------------------------------------------------------------------------------------------------


def transforms_of(failure: Failure) -> list[str]:
    """The names (of `SENTENCES`) of relations that hold for every element that differs, of all that was compared."""
    seen = failure.seen
    if seen.tolerance is None and _is_wrong_dtype(seen):
        return []  # that has been told, and is the first thing to mend
    off = [(a, e) for a, e in failure.compared if not right(a, e)] or [(seen.actual, seen.expected)]
    if not off or not all(_has_numbers(a, e) for a, e in off):
        return []
    found = [_names_of(a, e) for a, e in off]
    return [name for name in found[0] if all(name in others for others in found)]


def _is_wrong_dtype(seen: Seen) -> bool:
    a, e = (np.asarray(v) for v in (seen.actual, seen.expected))
    return e.dtype.kind in "fc" and a.dtype != e.dtype


def _has_numbers(actual: Any, expected: Any) -> bool:
    """Whether a relation of the two would say anything: integers and masks are related in too many ways."""
    if any(isinstance(value, (str, DroppedArray)) or value is None for value in (actual, expected)):
        return False
    a, e = np.asarray(actual), np.asarray(expected)
    if a.dtype.kind != e.dtype.kind or e.dtype.kind not in "fc" or not a.size:
        return False
    return bool(np.isfinite(a).all() and np.isfinite(e).all() and is_telling(e) and a.any())


def _names_of(actual: Any, expected: Any) -> list[str]:
    a, e = np.asarray(actual), np.asarray(expected)
    for looked_for in (_sized_like_it, _reshaped, _whole_factor, _rounded):
        found = list(dict.fromkeys(looked_for(a, e)))
        if found:
            return found
    return []


def _sized_like_it(a: np.ndarray, e: np.ndarray) -> Iterator[str]:
    """Relations element by element, and of the same elements in another order."""
    for name, value in _same_size(e):
        if same(a, value):
            yield name
    if any(_is_shifted(a, e, axis) for axis in range(e.ndim) if a.shape == e.shape):
        yield "shifted"


def _same_size(e: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield from (("sign", -e), ("twice", e * 2), ("half", e / 2), ("one-more", e + 1), ("one-less", e - 1))
    for i, j in itertools.combinations(range(e.ndim), 2):
        yield "transposed", e.swapaxes(i, j)
    for n in sorted({n for n in e.shape if n > 2}):
        yield "sum-for-mean", e * n
        yield "mean-for-sum", e / n


def _is_shifted(a: np.ndarray, e: np.ndarray, axis: int) -> bool:
    """Whether all but the end of `a` is what stands one place beside it in `e`; constants do not count."""
    n = e.shape[axis]
    if n < 3:
        return False
    first, second = (np.take(e, range(k, n - 1 + k), axis) for k in (0, 1))
    if same(first, second):
        return False
    return same(np.take(a, range(1, n), axis), first) or same(np.take(a, range(n - 1), axis), second)


def _reshaped(a: np.ndarray, e: np.ndarray) -> Iterator[str]:
    """The right numbers with an axis too many or too few."""
    if a.size == e.size and a.ndim != e.ndim and same(a.reshape(e.shape), e) and _squeezed(a) == _squeezed(e):
        yield "extra-axis" if a.ndim > e.ndim else "lost-axis"
    elif a.ndim == e.ndim + 1 and any(_sums_to(a, e, axis) for axis in range(a.ndim)):
        yield "not-summed"
    elif e.ndim == a.ndim + 1 and any(_sums_to(e, a, axis) for axis in range(e.ndim)):
        yield "summed"
    elif a.ndim == e.ndim and a.shape != e.shape:
        for axis in range(e.ndim):
            if a.shape[axis] == 1 and _sums_to(e, a, axis, keepdims=True):
                yield "summed"
            if e.shape[axis] == 1 and _sums_to(a, e, axis, keepdims=True):
                yield "not-summed"


def _squeezed(a: np.ndarray) -> tuple[int, ...]:
    return tuple(n for n in a.shape if n != 1)


def _sums_to(a: np.ndarray, total: np.ndarray, axis: int, keepdims: bool = False) -> bool:
    return bool(a.shape[axis] > 1 and same(a.sum(axis, keepdims=keepdims).astype(total.dtype), total))


def _whole_factor(a: np.ndarray, e: np.ndarray) -> Iterator[str]:
    """Every value too large or too small by one whole number, whatever size that is."""
    if a.shape != e.shape or e.dtype.kind != "f":
        return
    biggest = np.unravel_index(int(np.argmax(np.abs(e))), e.shape)
    with np.errstate(all="ignore"):
        ratio = float(a[biggest] / e[biggest])
    if 2.5 < ratio < LARGEST_FACTOR and same(a, e * round(ratio)):
        yield "too-large"
    elif 1 / LARGEST_FACTOR < ratio < 0.4 and same(a, e / round(1 / ratio)):
        yield "too-small"


def _rounded(a: np.ndarray, e: np.ndarray) -> Iterator[str]:
    """Numbers of float32 in float64: right to seven digits alone is also what a small epsilon leaves."""
    if a.shape == e.shape and a.dtype == e.dtype == np.float64:
        with np.errstate(all="ignore"):
            narrow = a.astype(np.float32)
        worst = float(np.max(np.abs(a - e) / np.max(np.abs(e))))
        if worst < 2e-7 and bool((narrow == a).all()):
            yield "float32"


# --- putting one into the reference ----------------------------------------------------------------------------------

Change = Callable[[np.ndarray, "Lengths"], Any]


@dataclass(frozen=True)
class Lengths:
    """The shapes of the arrays that a call was given, in order."""

    shapes: tuple[tuple[int, ...], ...]


class CannotPutIn(Exception):
    """A transform has no place in this function: it is a class, or does not return that many values."""


@functools.cache
def put_ins(name: str, function: str) -> tuple[Misconception, ...]:
    """The ways to put a transform into a function of the reference: on all it returns, or on one of several values."""
    return tuple(_put_ins(name, function))


def _put_ins(name: str, function: str) -> Iterator[Misconception]:
    id = "whole-factor" if name.startswith("too-") else name
    for what, change in _changes(name):
        for member in (None, *range(MAX_MEMBERS)):
            label = f"{id}:{what}:{'all' if member is None else member}"
            yield Misconception(id, SENTENCES[name], "", (), function, _factory(function, change, member, label))


def _factory(function: str, change: Change, member: int | None, label: str) -> Callable[[Any], Any]:
    def make(reference: Any) -> Any:
        right = getattr(reference, function)
        if isinstance(right, type):
            raise CannotPutIn

        def transformed(*args: Any, **kwargs: Any) -> Any:
            lengths = Lengths(tuple(np.shape(a) for a in (*args, *kwargs.values()) if hasattr(a, "shape")))
            return _changed(right(*args, **kwargs), lambda value: change(value, lengths), member)

        return transformed

    make.__name__ = label
    return make


def _changed(value: Any, change: Callable[[np.ndarray], Any], member: int | None) -> Any:
    """A result with the change made to every number and array of floats in it, or in one of its members."""
    if member is not None:
        if not isinstance(value, tuple) or member >= len(value):
            raise CannotPutIn
        return (*value[:member], _changed(value[member], change, None), *value[member + 1 :])
    if isinstance(value, (tuple, list)):
        return type(value)(_changed(v, change, None) for v in value)
    if isinstance(value, dict):
        return {key: _changed(v, change, None) for key, v in value.items()}
    if is_tensor(value) or not isinstance(value, (float, np.floating, np.ndarray)):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fc":
        return value
    made = np.asarray(change(array)).astype(array.dtype)
    return made if isinstance(value, np.ndarray) else made[()].item()


def _changes(name: str) -> Iterable[tuple[str, Change]]:
    return _CHANGES.get(name, tuple)()


def _elementwise(change: Callable[[np.ndarray], Any]) -> Callable[[], Iterable[tuple[str, Change]]]:
    return lambda: [("", lambda v, _: change(v))]


def _axes(change: Callable[[np.ndarray, int], Any]) -> Callable[[], Iterator[tuple[str, Change]]]:
    """A change along some axis, from the first or from the last; what lacks it stays as it is."""

    def made() -> Iterator[tuple[str, Change]]:
        for axis in (0, 1, 2, 3, -1, -2):
            yield str(axis), lambda v, _, axis=axis: change(v, axis) if -v.ndim <= axis < v.ndim else v  # type: ignore[misc]

    return made


def _swaps() -> Iterator[tuple[str, Change]]:
    for i, j in ((-2, -1), (0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
        yield f"{i}{j}", lambda v, _, i=i, j=j: v.swapaxes(i, j) if v.ndim > max(i, j, 1) else v  # type: ignore[misc]


def _factors(power: int) -> Callable[[], Iterator[tuple[str, Change]]]:
    """Times or over a length of the result or of an argument, or a product of neighbouring lengths."""

    def made() -> Iterator[tuple[str, Change]]:
        for argument in range(-1, 4):
            for first, last in itertools.combinations(range(5), 2):
                yield f"{argument}[{first}:{last}]", _by_lengths(argument, first, last, power)
        for factor in range(3, 17):
            yield str(factor), lambda v, _, factor=factor: v * float(factor) ** power  # type: ignore[misc]

    return made


def _by_lengths(argument: int, first: int, last: int, power: int) -> Change:
    def change(value: np.ndarray, lengths: Lengths) -> Any:
        shapes = (*lengths.shapes, value.shape)
        shape = shapes[argument] if argument < len(lengths.shapes) else ()
        return value * float(np.prod(shape[first:last], dtype=float)) ** power

    return change


def _shift(step: int, roll: bool) -> Callable[[np.ndarray, int], Any]:
    def shifted(value: np.ndarray, axis: int) -> Any:
        made = np.roll(value, step, axis)
        if not roll and value.shape[axis]:
            np.moveaxis(made, axis, 0)[0 if step > 0 else -1] = 0
        return made

    return shifted


def _shifts() -> Iterator[tuple[str, Change]]:
    for step, roll in itertools.product((1, -1), (True, False)):
        for label, change in _axes(_shift(step, roll))():
            yield f"{step}{roll}{label}", change


_CHANGES: dict[str, Callable[[], Iterable[tuple[str, Change]]]] = {
    "sign": _elementwise(lambda v: -v),
    "twice": _elementwise(lambda v: v * 2),
    "half": _elementwise(lambda v: v / 2),
    "one-more": _elementwise(lambda v: v + 1),
    "one-less": _elementwise(lambda v: v - 1),
    "float32": _elementwise(lambda v: v.astype(np.float32)),
    "transposed": _swaps,
    "shifted": _shifts,
    "sum-for-mean": _factors(1),
    "mean-for-sum": _factors(-1),
    "too-large": _factors(1),
    "too-small": _factors(-1),
    "extra-axis": _axes(np.expand_dims),
    "lost-axis": _axes(lambda v, axis: v.squeeze(axis) if v.shape[axis] == 1 else v),
    "summed": lambda: [
        *_axes(lambda v, axis: v.sum(axis))(),
        *((f"{label}k", change) for label, change in _axes(lambda v, axis: v.sum(axis, keepdims=True))()),
    ],
}
