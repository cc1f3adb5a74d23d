"""Calling a submission in other ways: observed, strict about floats, counted, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grader.checks.comparing import CheckFailed
from grader.remote.proxy import Handle, RemoteFunction, with_options
from grader.remote.session import StudentError

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


def observe_each(function: Any, calls: Sequence[Sequence[Any]]) -> Iterable[tuple[Any, Observed]]:
    """(call, observation) of each of these argument lists, in one trip; see `in_turn`."""
    observing = _Observing(function)
    try:
        seen: Any = [_observed(*answer) for answer in observing.function.request_many(calls)]
    except StudentError:
        seen = (observing(*arguments) for arguments in calls)
    return zip(calls, seen, strict=True)


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
            safe = "a number overflowed or became undefined on the way"
            raise CheckFailed(f"{safe}{line}: {error.text}", safe, error.frames) from None

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


BRANCH = 40  # operations by which a branch that hangs on the data may be dearer, in code without loops


def assert_no_growth(few: int, many: int, *, tolerance: float = 0.02) -> None:
    """Demand that a large input took no more operations than a small one, but for a branch; fewer are fine."""
    if not few or many - few > tolerance * few + BRANCH:
        text = "the number of Python operations grows with the size of the input: let NumPy work on whole arrays"
        raise CheckFailed(f"{text} ({few} grew to {many})", text)


def assert_flat_cost(
    function: Any, small: Sequence[Any], large: Sequence[Any], *, tolerance: float = 0.02
) -> tuple[Any, Any]:
    """Demand that large arguments cost no more than small ones; returns both values, which want judging too."""
    (values,) = assert_each_flat_cost(function, [(small, large)], tolerance=tolerance)
    return values


def assert_each_flat_cost(
    function: Any, pairs: Sequence[tuple[Sequence[Any], Sequence[Any]]], *, tolerance: float = 0.02
) -> list[tuple[Any, Any]]:
    """`assert_flat_cost` for pairs of small and large arguments, in one trip; returns the two values of each pair."""
    answers = with_options(function, count=True).request_many([arguments for pair in pairs for arguments in pair])
    counted = [_counted(*answer) for answer in answers]
    for few, many in zip(counted[::2], counted[1::2], strict=True):
        assert_no_growth(few.count, many.count, tolerance=tolerance)
    return [(few.value, many.value) for few, many in zip(counted[::2], counted[1::2], strict=True)]


def keep(function: Any) -> RemoteFunction:
    """`keep(submission.f)(x)`: the result stays in the worker, as a handle."""
    return with_options(function, keep=True)


def take(handle: Handle, n: int) -> list[Any]:
    """The first `n` items of an iterable handle."""
    session, _ = Handle.handle_number(handle)
    return list(session.request("take", (handle,), count=int(n)).value)
