"""Small functions that run in the worker: they build and transform, and never judge."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from grader.checks.comparing import assert_true
from grader.remote.proxy import Handle, RemoteFunction, RemoteModule
from grader.remote.session import StudentError
from grader.wire import FreshRecord, Received


def in_worker(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a small self-contained function in the worker: it builds and transforms, it never judges.

    One of its arguments must be the submission's (a handle or `submission` itself, which it sees as the module).
    """
    source = source_of(function)
    return Helper(source, function.__name__, False)


class Helper:
    def __init__(self, source: str, name: str, kept: bool) -> None:
        self.source, self.name, self.kept = source, name, kept

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        session = _session_of((*args, *kwargs.values()))
        if session is None:
            raise TypeError(f"{self.name}() needs an argument of the submission, to know in whose worker to run")
        return session.run_helper(self.name, self.source, args, kwargs, self.kept).value


def source_of(function: Callable[..., Any]) -> str:
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(True)
    start = next(i for i, line in enumerate(lines) if line.startswith(("def ", "class ")))
    return "from __future__ import annotations\n" + "".join(lines[start:])


def _session_of(values: Any) -> Any:
    for value in values:
        if isinstance(value, Handle):
            return Handle.handle_number(value)[0]
        if hasattr(type(value), "bind_to") and value.made:  # a leaf tensor
            return next(reversed(value.made.values()))[0]
        if isinstance(value, (RemoteModule, RemoteFunction)):
            return value._session
        if isinstance(value, (Received, FreshRecord)) and value.owner is not None:
            return value.owner
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        found = _session_of(inner)
        if found is not None:
            return found
    return None


# --- many calls in one trip ------------------------------------------------------------------------------------------


def in_turn(helper: Callable[..., Any], *functions: Any, calls: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """(call, result) of each of `calls`, fetched by `helper(*functions, calls)`, an `in_worker` function, in one trip.

    If one of them raises, each is made in a trip of its own, so that those before it are judged first.
    """
    try:
        results: Any = helper(*functions, calls)
    except StudentError:
        results = (helper(*functions, [call])[0] for call in calls)
    return zip(calls, results, strict=True)


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
