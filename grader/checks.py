"""What a check file may import: `check`, the assertions, and the helpers that reach into the worker.

See docs/authoring.md. Assertions fail with `CheckFailed`, which is data: words for a public check, words without any
value for a hidden one, and the numbers that the audit and the diagnosis read.
"""

from __future__ import annotations

import functools
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from grader.remote import Handle, RemoteFunction, Submission, with_options
from grader.session import StudentError
from grader.wire import NAMES, FreshRecord, FrozenDict, FrozenList, FrozenTuple, Received

F = TypeVar("F", bound=Callable[..., Any])
MAX_REMEMBERED = 1000  # values of one oracle
RTOL = {"float64": 1e-9, "complex128": 1e-9, "float32": 1e-5, "complex64": 1e-5, "float16": 1e-2, "bfloat16": 1e-2}


class CheckFailed(AssertionError):
    """A check's demand that was not met: `text` with values, `safe` without any."""

    def __init__(self, text: str, safe: str) -> None:
        super().__init__(text)
        self.text, self.safe = text, safe


# --- marking a check -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """What `@check` says about a function: the graded function and the points."""

    function: str
    points: float


def check(function: str, *, points: float) -> Callable[[F], F]:
    """Mark a test function as a check of `function`, worth `points` (whole or half)."""
    if points <= 0 or points * 2 != int(points * 2):
        raise ValueError(f"points are whole or half and above 0, not {points}")

    def mark(test: F) -> F:
        if not (test.__doc__ or "").strip():
            raise ValueError(f"{test.__name__} needs a docstring: the sentence that the student reads")
        test.check = Check(function, points)  # type: ignore[attr-defined]
        return test

    return mark


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation, the sentence for a student who holds it, and the check that must catch it."""

    id: str
    sentence: str
    caught_by: str
    twins: tuple[str, ...]
    replaces: str
    make: Callable[[Any], Any]  # reference module -> replacement


def misconception(
    id: str, sentence: str, *, caught_by: str, twins: Sequence[str] = (), replaces: str | None = None
) -> Callable[[F], F]:
    """Register a wrong implementation of the function of the same name; with `replaces`, a factory of one."""
    if not id or "#" in id:
        raise ValueError(f"the id of a misconception is a short name without '#', not {id!r}")
    if not sentence.strip() or not caught_by.startswith("test_"):
        raise ValueError(f"misconception {id} needs a sentence and the name of the check that catches it")
    if isinstance(twins, str):
        raise TypeError(f"the twins of misconception {id} are a sequence of ids, not one text")

    def register(wrong: F) -> F:
        make = wrong if replaces else lambda reference: wrong
        entry = Misconception(id, sentence, caught_by, tuple(twins), replaces or wrong.__name__, make)
        wrong.__globals__.setdefault("MISCONCEPTIONS", []).append(entry)
        return wrong

    return register


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
        rtol = RTOL.get(_dtype_name(expected), 1e-9) if self.rtol is None else self.rtol
        return rtol, rtol * (largest or 1.0) if self.atol is None else self.atol, largest


@dataclass(frozen=True)
class Seen:
    """One comparison as it happened: for the audit (margins) and the diagnosis (values)."""

    name: str
    actual: Any
    expected: Any
    margin: float  # tolerance / worst difference; below 1 it failed
    tolerance: Tolerance | None = None  # where values were compared


observers: list[Callable[[Seen], None]] = []


def _notice(name: str, actual: Any, expected: Any, margin: float, tolerance: Tolerance | None = None) -> None:
    for observer in observers:
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
    if _is_tensor(value):
        return "tensor" if value.ndim else "scalar"
    if isinstance(value, (tuple, list)):
        return "sequence"
    return "dict" if isinstance(value, dict) else "other"


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")


def _words(value: Any) -> str:
    from grader.session import describe

    return repr(value) if isinstance(value, (bool, int, float, str)) and len(repr(value)) < 60 else describe(value)


def _plain(value: Any) -> np.ndarray:
    if _is_tensor(value):
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
    a, e = _plain(actual), _plain(expected)
    kinds = {"i": "iu", "u": "iu"}.get(e.dtype.kind, e.dtype.kind)
    same = got == wanted or (tol.dtype == "kind" and a.dtype.kind in kinds)
    if (tol.dtype and not same) or a.shape != e.shape:
        _notice(name, a, e, 0.0)
    if tol.dtype and not same:
        return f"{name} has dtype {got}, expected {wanted}", f"{name} has dtype {got}, another one is expected"
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
    rtol = 0.0 if exact else (tol.rtol if tol.rtol is not None else RTOL.get(dtype, 1e-9))
    scale = np.max(np.abs(e[finite]), initial=0.0)
    atol = tol.atol if tol.atol is not None else rtol * float(scale or 1.0)
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
        rtol, size = RTOL["float64"] if tol.rtol is None else tol.rtol, abs(e)
        atol = rtol * (size or 1.0) if tol.atol is None else tol.atol
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
    rtol = RTOL["float64"] if tol.rtol is None else tol.rtol
    size = np.abs(e)
    largest = float(size.max())
    atol = rtol * (largest or 1.0) if tol.atol is None else tol.atol
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
            return problem
    return None


def _compare_dicts(actual: Any, expected: Any, name: str, tol: Tolerance) -> Problem:
    if actual.keys() != expected.keys():
        got, wanted = sorted(map(repr, actual)), sorted(map(repr, expected))
        _notice(name, ", ".join(got), None, 0.0)
        return f"{name} has the keys {', '.join(got)}; expected {', '.join(wanted)}", f"{name} has the wrong keys"
    for key, e in expected.items():
        problem = _compare(actual[key], e, f"{name}[{key!r}]", tol)
        if problem:
            return problem
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


# --- calling in other ways -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """A call's value and what the call did besides returning it."""

    value: Any
    changed: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]
    used_global_random: bool


class _Observing:
    def __init__(self, function: Any) -> None:
        self.function = with_options(function, observe=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Observed:
        reply = self.function.request(args, kwargs)
        return _observed(reply.value, reply.message)


def _observed(value: Any, reported: dict[str, Any]) -> Observed:
    report = reported["observed"]
    aliases = tuple((str(a), str(b)) for a, b in report["aliases"])
    return Observed(value, tuple(map(str, report["changed"])), aliases, bool(report["global_random"]))


def observe(function: Any) -> Callable[..., Observed]:
    """`observe(submission.f)(x)`: the value, the arguments that changed, memory shared with them, global randomness."""
    return _Observing(function)


def observe_each(function: Any, calls: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, Observed]]:
    """(call, observation) of each of these argument lists, in one trip; see `in_turn`."""
    observing = _Observing(function)
    try:
        seen: Any = [_observed(*answer) for answer in observing.function.request_many(calls)]
    except StudentError:
        seen = (observing(*arguments) for arguments in calls)
    yield from zip(calls, seen, strict=True)


def assert_pure(function: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
    """Demand a call without side effects on its arguments; returns its value."""
    seen = observe(function)(*args, **kwargs)
    who = name or (isinstance(function, RemoteFunction) and function._name) or "the function"
    if seen.changed:
        text = f"{who} wrote to its argument {', '.join(seen.changed)}; work on a copy"
        raise CheckFailed(text, f"{who} wrote to one of its arguments; work on a copy")
    if seen.aliases:
        there, here = seen.aliases[0]
        text = f"{who}: {there} shares memory with argument {here}; return a copy"
        raise CheckFailed(text, f"{who} returned memory of one of its arguments; return a copy")
    if seen.used_global_random:
        text = f"{who} drew from the global random state; draw from the generator it is given"
        raise CheckFailed(text, text)
    return seen.value


def strict_floats(function: Any) -> Callable[..., Any]:
    """`strict_floats(submission.f)(x)`: overflow, invalid operations and division by zero fail the check."""
    remote = with_options(function, strict=True)

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return remote(*args, **kwargs)
        except StudentError as error:
            if not error.is_a("FloatingPointError"):
                raise
            line = f" in line {error.frames[-1][0]}" if error.frames else ""
            text = f"a number overflowed or became undefined on the way{line}: {error.text}"
            safe = f"a number overflowed or became undefined on the way{line}"
            raise CheckFailed(text, safe) from None

    return call


@dataclass(frozen=True)
class Counted:
    """A call's value and the bytecodes that the submission's own frames executed."""

    value: Any
    count: int


def operations(function: Any) -> Callable[..., Counted]:
    """`operations(submission.f)(x)`: exact and machine-independent, but measured where it can be forged."""
    remote = with_options(function, count=True)

    def call(*args: Any, **kwargs: Any) -> Counted:
        reply = remote.request(args, kwargs)
        return _counted(reply.value, reply.message)

    return call


def _counted(value: Any, reported: dict[str, Any]) -> Counted:
    if reported["threads"] is not False:
        text = "started a thread while its operations were counted"
        raise CheckFailed(text, text)
    return Counted(value, int(reported["count"]))


def assert_flat_cost(
    function: Any, small: Sequence[Any], large: Sequence[Any], *, tolerance: float = 0.02
) -> tuple[Any, Any]:
    """Demand equal operation counts for small and large arguments; returns both values, which want judging too."""
    (values,) = assert_each_flat_cost(function, [(small, large)], tolerance=tolerance)
    return values


def assert_each_flat_cost(
    function: Any, pairs: Sequence[tuple[Sequence[Any], Sequence[Any]]], *, tolerance: float = 0.02
) -> list[tuple[Any, Any]]:
    """`assert_flat_cost` for pairs of small and large arguments, in one trip; returns the two values of each pair."""
    answers = with_options(function, count=True).request_many([arguments for pair in pairs for arguments in pair])
    counted = [_counted(*answer) for answer in answers]
    for few, many in zip(counted[::2], counted[1::2], strict=True):
        if not few.count or abs(many.count - few.count) > tolerance * few.count:
            text = "the number of Python operations grows with the size of the input: let NumPy work on whole arrays"
            raise CheckFailed(f"{text} ({few.count} grew to {many.count})", text)
    return [(few.value, many.value) for few, many in zip(counted[::2], counted[1::2], strict=True)]


def keep(function: Any) -> RemoteFunction:
    """`keep(submission.f)(x)`: the result stays in the worker, as a handle."""
    return with_options(function, keep=True)


def take(handle: Handle, n: int) -> list[Any]:
    """The first `n` items of an iterable handle."""
    session, _ = Handle.handle_number(handle)
    return list(session.request("take", (handle,), count=int(n)).value)


def in_worker(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a small self-contained function in the worker: it builds and transforms, it never judges.

    One of its arguments must be the submission's (a handle or `submission` itself, which it sees as the module).
    """
    source = _source_of(function)
    return _Helper(source, function.__name__, False)


class _Helper:
    def __init__(self, source: str, name: str, kept: bool) -> None:
        self.source, self.name, self.kept = source, name, kept

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        session = _session_of((*args, *kwargs.values()))
        if session is None:
            raise TypeError(f"{self.name}() needs an argument of the submission, to know in whose worker to run")
        fields = {"source": self.source, "name": self.name, "keep": self.kept}
        return session.request("helper", args, kwargs, **fields).value


def _source_of(function: Callable[..., Any]) -> str:
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(True)
    start = next(i for i, line in enumerate(lines) if line.startswith(("def ", "class ")))
    return "from __future__ import annotations\n" + "".join(lines[start:])


def _session_of(values: Any) -> Any:
    for value in values:
        if isinstance(value, Handle):
            return Handle.handle_number(value)[0]
        if isinstance(value, Leaf) and value.made:
            return next(reversed(value.made.values()))[0]
        if isinstance(value, (Submission, RemoteFunction)):
            return value._session
        if isinstance(value, (Received, FreshRecord)) and value.owner is not None:
            return value.owner
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        found = _session_of(inner)
        if found is not None:
            return found
    return None


# --- many calls in one trip ------------------------------------------------------------------------------------------


def in_turn(helper: Callable[..., Any], *functions: Any, calls: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """(call, result) of each of `calls`, fetched by `helper(*functions, calls)`, an `in_worker` function, in one trip.

    If one of them raises, each is made in a trip of its own, so that those before it are judged first.
    """
    try:
        results: Any = helper(*functions, calls)
    except StudentError:
        results = (helper(*functions, [call])[0] for call in calls)
    yield from zip(calls, results, strict=True)


@in_worker
def each(function, calls):  # type: ignore[no-untyped-def]
    """What the function returns for each of these argument lists."""
    return [function(*arguments) for arguments in calls]


@in_worker
def there_and_back(forward, backward, calls):  # type: ignore[no-untyped-def]
    """For each (arguments, upstream): what backward returns for the upstream gradient and the cache of forward."""
    results = []
    for arguments, upstream in calls:
        _, cache = forward(*arguments)
        results.append(backward(upstream, cache))
    return results


@in_worker
def _errors_of(function, calls):  # type: ignore[no-untyped-def]
    """What each call raised, as the names of its class and its bases; None where it returned."""
    raised: list[list[str] | None] = []
    for arguments in calls:
        try:
            function(*arguments)
            raised.append(None)
        except Exception as error:
            names = [base.__name__ for base in type(error).__mro__]
            if {"NotImplementedError", "MissingName", "Forbidden", "MemoryError"} & set(names):
                raise  # a verdict of its own
            raised.append(names)
    return raised


def assert_each_refused(function: Any, calls: Sequence[Any]) -> None:
    """Demand that the submission raises ValueError for every one of these argument lists."""
    for names in _errors_of(function, calls):
        assert_true(names is not None, "a bad argument should raise ValueError, but a value was returned")
        assert_true("ValueError" in names, "a bad argument should raise ValueError, another error was raised")


# --- torch across the wire -------------------------------------------------------------------------------------------


def _parameter_gradients(module):  # type: ignore[no-untyped-def]
    return {n: None if p.grad is None else p.grad.detach().clone() for n, p in module.named_parameters()}


def _vector_jacobian(output, inputs, cotangent):  # type: ignore[no-untyped-def]
    import torch

    return torch.autograd.grad(output, inputs, cotangent, retain_graph=True, allow_unused=True)


def _leaf(array, requires_grad):  # type: ignore[no-untyped-def]
    import torch

    return torch.tensor(array, requires_grad=requires_grad)


_LEAF, _VJP = _source_of(_leaf), _source_of(_vector_jacobian)  # read once: the file may change under a long run
grads = _Helper(_source_of(_parameter_gradients), "_parameter_gradients", False)
"""`grads(module)`: the `.grad` of a handle's parameters by name, None where absent."""


def vjp(output: Handle, inputs: Sequence[Handle | Leaf], cotangent: Any) -> tuple[Any, ...]:
    """Gradients of a kept output, weighted by `cotangent`, with respect to kept inputs (None where unused)."""
    import torch

    helper = _Helper(_VJP, "_vector_jacobian", False)
    return tuple(helper(output, list(inputs), torch.as_tensor(np.asarray(cotangent).copy())))


class Leaf:
    """A leaf tensor that comes into being in the worker it is first handed to."""

    def __init__(self, array: np.ndarray, requires_grad: bool) -> None:
        self.array, self.requires_grad = array, requires_grad
        self.made: dict[int, tuple[Any, Handle]] = {}

    def bind_to(self, session: Any) -> Handle:
        if id(session) not in self.made:
            fields = {"source": _LEAF, "name": "_leaf", "keep": True}
            handle = session.request("helper", (self.array, self.requires_grad), **fields).value
            self.made[id(session)] = (session, handle)  # the session is kept so that its id stays its own
        return self.made[id(session)][1]


def tensor(array: Any, requires_grad: bool = False) -> Leaf:
    """A leaf tensor in the submission's worker, to pass to its functions and to ask `vjp` about."""
    return Leaf(np.array(array), requires_grad)


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
    return data.copy() if isinstance(data, np.ndarray) else data.clone() if _is_tensor(data) else data


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
    if _is_tensor(value):
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
