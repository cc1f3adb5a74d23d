"""What a check holds of a submission: the proxy, remote functions and handles.

None of them is data: comparing, hashing or asking for the truth of a handle is refused, because
`assert handle == expected` would let the student's own `__eq__` be the judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grader.remote.session import Reply, Session


class RemoteFunction:
    """A function of the submission (or a callable object there); each call is one request."""

    def __init__(self, session: Session, name: str | None, handle: int | None = None, **options: Any) -> None:
        self._session, self._name, self._handle, self._options = session, name, handle, options

    def request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reply:
        return self._session.call(self._name, args, kwargs, self._handle, **self._options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.request(args, kwargs).value

    def request_many(self, calls: Sequence[Sequence[Any]]) -> list[tuple[Any, dict[str, Any]]]:
        """(value, what the worker reported) of each of these calls, made in one trip, each on copies of its own."""
        lists = [list(arguments) for arguments in calls]
        return self._session.call_many(self._name, lists, self._handle, **self._options)

    def worker_target(self) -> tuple[Session, list[Any]]:
        """(session, [handle, name]): as an argument it is the submission's own function."""
        return self._session, [self._handle, self._name]

    def __repr__(self) -> str:
        return f"<submission.{self._name}>"


def with_options(function: Any, **options: Any) -> RemoteFunction:
    """The same remote function, called with further options."""
    if isinstance(function, Handle):
        session, number = Handle.handle_number(function)
        return RemoteFunction(session, None, number, **options)
    if isinstance(function, RemoteFunction):
        merged = {**function._options, **options}
        return RemoteFunction(function._session, function._name, function._handle, **merged)
    raise TypeError("this helper takes a function of the submission, like submission.f")


class RemoteModule:
    """The student's module: `submission.f(x)` runs there, on copies, and answers with data."""

    _session: Session

    def __init__(self, session: Session) -> None:
        session.handle_factory = _make_handle
        object.__setattr__(self, "_session", session)

    def __getattr__(self, name: str) -> RemoteFunction:
        if name.startswith("__"):
            raise AttributeError(name)
        return RemoteFunction(self._session, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("a submission is not changed by a check")

    def handle_number(self) -> tuple[Session, int]:
        """(session, 0): as an argument of a helper the submission is its module."""
        return self._session, 0


def _refused(what: str) -> Any:
    def refuse(self: Handle, *_: Any) -> Any:
        raise TypeError(f"{self!r} {what}; fetch data from it and compare that")

    return refuse


def _forwarded(operator: str, reflected: bool = False) -> Any:
    def forward(self: Handle, *others: Any) -> Any:
        operands = (*others, self) if reflected else (self, *others)
        return object.__getattribute__(self, "_session").request("operator", operands, name=operator).value

    return forward


class Handle:
    """An object that stays in the worker: attributes, calls, arithmetic and indexing are forwarded."""

    def __init__(self, session: Session, number: int, type_name: str, is_callable: bool) -> None:
        for name, value in (("_session", session), ("_number", number), ("_type", type_name)):
            object.__setattr__(self, name, value)

    def handle_number(self) -> tuple[Session, int]:
        """(session, number) of the object; called on the type, since attributes belong to the student's object."""
        return object.__getattribute__(self, "_session"), object.__getattribute__(self, "_number")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        session, number = Handle.handle_number(self)
        return session.request("get", handle=number, name=name).value

    def __setattr__(self, name: str, value: Any) -> None:
        session, number = Handle.handle_number(self)
        session.request("set", (value,), handle=number, name=name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        session, number = Handle.handle_number(self)
        return RemoteFunction(session, None, number)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<submission's {object.__getattribute__(self, '_type')}>"

    __array_ufunc__ = None  # numpy scalars on the left leave the operation to the methods below

    __eq__ = _refused("cannot be compared")
    __ne__ = _refused("cannot be compared")
    __bool__ = _refused("has no truth value")
    __hash__ = _refused("cannot be hashed")
    __iter__ = _refused("is iterated by take(handle, n)")

    __add__, __radd__ = _forwarded("add"), _forwarded("add", True)
    __sub__, __rsub__ = _forwarded("sub"), _forwarded("sub", True)
    __mul__, __rmul__ = _forwarded("mul"), _forwarded("mul", True)
    __truediv__, __rtruediv__ = _forwarded("truediv"), _forwarded("truediv", True)
    __floordiv__, __rfloordiv__ = _forwarded("floordiv"), _forwarded("floordiv", True)
    __mod__, __rmod__ = _forwarded("mod"), _forwarded("mod", True)
    __pow__, __rpow__ = _forwarded("pow"), _forwarded("pow", True)
    __matmul__, __rmatmul__ = _forwarded("matmul"), _forwarded("matmul", True)
    __neg__, __pos__, __abs__ = _forwarded("neg"), _forwarded("pos"), _forwarded("abs")
    __getitem__, __setitem__, __delitem__ = _forwarded("getitem"), _forwarded("setitem"), _forwarded("delitem")
    __len__, __float__, __int__ = _forwarded("len"), _forwarded("float"), _forwarded("int")
    __lt__, __le__, __gt__, __ge__ = _forwarded("lt"), _forwarded("le"), _forwarded("gt"), _forwarded("ge")


def _make_handle(session: Session, number: int, type_name: str, is_callable: bool) -> Handle:
    return Handle(session, number, type_name, is_callable)
