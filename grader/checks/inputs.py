"""Inputs and expected values, on the judge's side of a check."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from grader.checks.comparing import is_tensor
from grader.checks.marking import F
from grader.wire import FreshRecord, FrozenTuple

MAX_REMEMBERED = 1000  # values of one oracle


# --- for the judge's side of a check ---------------------------------------------------------------------------------


def fresh(data: Any) -> Any:
    """A plain, writable deep copy of received data; a namedtuple or dataclass is rebuilt from it in the worker."""
    if isinstance(data, FrozenTuple) and data.kind is not None:
        made = FreshRecord(fresh(item) for item in data)
        made.owner, made.ref = data.owner, data.ref
        return made
    if isinstance(data, tuple):
        return tuple(fresh(item) for item in data)
    if isinstance(data, list):
        return [fresh(item) for item in data]
    if isinstance(data, dict):
        return {key: fresh(value) for key, value in data.items()}
    return data.copy() if isinstance(data, np.ndarray) else data.clone() if is_tensor(data) else data


def oracle(function: F) -> F:
    """Remember the values of a judge-side function of plain data: every student's check asks for the same ones.

    Arguments are compared by their bytes; values are handed out as read-only copies of the first computation.
    """
    values: dict[Any, Any] = {}

    @functools.wraps(function)
    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = (_bytes_of(args), _bytes_of(kwargs))
        if key not in values:
            if len(values) >= MAX_REMEMBERED:
                values.clear()
            values[key] = _frozen(function(*args, **kwargs))
        return values[key]

    return cast(F, remembered)


def _bytes_of(value: Any) -> Any:
    """A hashable stand-in that is equal only for equal data."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_tensor(value):
        return "tensor", bool(value.requires_grad), _bytes_of(value.detach().numpy())
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(_bytes_of(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, _bytes_of(item)) for key, item in value.items())
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), np.generic)):
        return type(value).__name__, repr(value)
    raise TypeError(f"an @oracle takes plain data, not {type(value).__name__}: call it with arrays and numbers")


def _frozen(value: Any) -> Any:
    """The same data with its arrays made read-only; tensors are handed out as they are: copy before a change."""
    if isinstance(value, np.ndarray):
        value = value.copy() if value.base is not None else value
        value.flags.writeable = False
    elif isinstance(value, (list, tuple)):
        return type(value)(_frozen(item) for item in value)
    elif isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def central_differences(f: Callable[[np.ndarray], Any], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient of a scalar function at x over every element, by (f(x + h) - f(x - h)) / 2h in float64."""
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        probe = x.copy()
        probe[index] = x[index] + h
        above = float(f(probe))
        probe[index] = x[index] - h
        gradient[index] = (above - float(f(probe))) / (2 * h)
    return gradient


def noncontiguous(x: np.ndarray) -> np.ndarray:
    """A view with the values of `x` in every second element of a larger array."""
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan if x.dtype.kind == "f" else 0, dtype=x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def fortran(x: np.ndarray) -> np.ndarray:
    """The values of `x` in Fortran (column-major) order."""
    return np.asfortranarray(x)
