"""The judge's end of a worker: requests, replies and callbacks over some connection.

A `Connection` moves frames and knows when its worker has died; a `Session` turns calls into frames and frames into
values. How a worker is started, limited and killed is `grader.remote.forking`.
"""

from __future__ import annotations

import base64
import builtins
import functools
import itertools
import marshal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader import wire
from grader.remote.connection import Connection, EngineFault, WorkerDied
from grader.results import Verdict

MAX_CALLBACKS = 100_000
MAX_NESTING = 20  # of calls within callbacks within calls
MAX_DRAWS = 1 << 40  # steps that a generator can have moved on or back during a call
WALLS = ("network", "process", "write", "read")  # what a worker may name as the cause of an error


class Unsendable(TypeError):
    """A check passes what does not cross; if it does so for one submission alone, that submission returned it."""


class StudentError(Exception):
    """What the submission raised. Instances also are the built-in exception of the same name."""

    def __init__(self, message: dict[str, Any]) -> None:
        super().__init__(message["text"])
        self.type_name: str = message["type"]
        self.mro: list[str] = message["mro"]
        self.text: str = message["text"]
        self.frames: list[tuple[int, str]] = message["frames"]
        self.wall: str | None = message.get("wall")

    def __str__(self) -> str:
        return self.text

    def is_a(self, name: str) -> bool:
        return name in self.mro


@dataclass(frozen=True)
class Call:
    """A call of a function of the submission, as a check made it."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass
class Reply:
    """A decoded reply: the value, and what else the worker reported about the call."""

    value: Any
    message: dict[str, Any]


class Session:
    """One conversation with one worker about one submission."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.callbacks = Callbacks(self)
        self.handle_factory: Callable[[Session, int, str, bool], Any] = lambda *_: _no_handles()
        self.lines: int | None = None  # of the submission's source
        self.highest_line = 0  # that an error within the check has named, in the file or beyond its end
        self.new_check: int | None = None
        self.calls: dict[str, Call] = {}  # the latest of each function
        self.values = 0  # that the check has received
        self._last_value: Any = None

    def begin_check(self, seed: int = 0) -> None:
        """Let the worker drop what earlier checks kept there and start its global random states from `seed`."""
        self.new_check = seed
        self.calls = {}
        self.callbacks.reset()
        self.highest_line = 0
        self.values = 0

    def end_check(self) -> None:
        """Let go of what was sent and received; a check that has ended needs none of it."""
        self.calls = {}
        self.callbacks.reset()
        self._last_value = None

    # what a worker is asked; all of it raises what `request` does

    def load(self, files: dict[str, str], main: str, imports: list[str], banned: list[str], **more: Any) -> list[str]:
        """Load a submission: the texts of its files by name, of which `main`.py is the one that is graded.

        Returns sentences about imports that the topic does not allow, for which the submission got a stand-in.
        """
        self.lines = len(files[f"{main}.py"].splitlines()) + 1  # an error can name no line beyond them
        sent = {name: text.encode("utf-8", "surrogatepass") for name, text in files.items()}  # bytes may be large
        refused = self.request("load", (sent,), main=main, imports=imports, banned=banned, **more).value
        return [str(words)[:300] for words in refused[:20]] if isinstance(refused, (list, tuple)) else []

    def call(
        self,
        name: str | None,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        handle: int | None = None,
        **options: Any,
    ) -> Reply:
        """Call a function of the submission, or of the object behind a handle."""
        self._note_call(name, args, kwargs or {})
        return self.request("call", args, kwargs, name=name, handle=handle, options=options)

    def call_many(
        self, name: str | None, calls: list[list[Any]], handle: int | None = None, **options: Any
    ) -> list[tuple[Any, dict[str, Any]]]:
        """(value, what the worker reported) of each of these calls, made in one trip, each on copies of its own."""
        self._note_call(name, calls[-1] if calls else (), {})
        reply = self.request("call", calls, name=name, handle=handle, options={**options, "many": True})
        return list(zip(reply.value, reply.message["each"], strict=True))

    def run_helper(
        self, name: str, source: str, args: Sequence[Any], kwargs: dict[str, Any] | None = None, keep: bool = False
    ) -> Reply:
        """Run a function of the course in the worker; `keep` leaves its value there, behind a handle."""
        number, code = _compiled(source)
        return self.request("helper", args, kwargs, name=name, helper=number, code=code, keep=keep)

    def request(
        self, kind: str, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None, **fields: Any
    ) -> Reply:
        """Send a request and decode its reply; raises `StudentError`, `WorkerDied`, `EngineFault` or `Unsendable`."""
        generators: list[np.random.Generator] = []
        encoder = wire.Encoder(lambda v: self.outgoing(v, generators), max_bytes=wire.MAX_REQUEST, owner=self)
        message = {"kind": kind, **fields}
        if self.new_check is not None:
            message["check"], self.new_check = self.new_check, None
        try:
            message["args"] = encoder.encode(list(args))
            message["kwargs"] = encoder.encode(dict(kwargs or {}))
            states = [g.bit_generator.state for g in generators]
            if states:
                message["generators"] = states
            payload = wire.pack(message, encoder)
        except wire.WireError as error:
            raise Unsendable(f"the check passes what cannot be sent: {error}") from error
        reply = self.connection.roundtrip(payload, self.callbacks.answer)
        return self._reply(reply, list(zip(generators, states, strict=True)))

    def _note_call(self, name: str | None, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        if name:
            self.calls[name] = Call(name, tuple(args), kwargs)

    def latest_call(self, function: str) -> Call | None:
        """The latest call of this function within the check, else of any; None where it made none by itself."""
        return self.calls.get(function) or next(reversed(self.calls.values()), None)

    def _reply(self, payload: wire.Payload, generators: list[tuple[Any, Any]]) -> Reply:
        self.callbacks.raise_error()
        try:
            reply, arrays = wire.parse(payload)
            if reply.get("kind") == "raised":
                error = student_error(reply, self.lines)
                self.highest_line = max([self.highest_line, *(frame[0] for frame in reply["frames"])])
                raise error
            if reply.get("kind") != "value":
                raise wire.WireError("not a reply")
            value = wire.Decoder(arrays, self.incoming, frozen=self).decode(reply.get("value"))
            for (generator, before), state in zip(generators, reply.get("generators") or [], strict=False):
                _advance(generator, before, state)
        except StudentError:  # may also be a ValueError
            raise
        except wire.WireError as error:
            raise self.violation(f"sent a malformed reply ({error})") from None
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self.violation("sent a malformed reply") from None
        self.values += 1
        self._last_value = value
        return Reply(value, reply)

    @property
    def last_value(self) -> Any:
        """The latest value, for the words about a check that stumbled over it."""
        return self._last_value

    def violation(self, text: str) -> WorkerDied:
        """End a worker that broke the protocol."""
        self.connection.kill()
        return WorkerDied(Verdict.VIOLATION, text)

    def outgoing(self, value: Any, generators: list[np.random.Generator]) -> Any:
        """Nodes of what is not data: handles, generators, callables."""
        if isinstance(value, np.random.Generator):
            if value.bit_generator.state["bit_generator"] != "PCG64":
                raise wire.WireError("only numpy.random.default_rng() generators cross")
            if not any(g is value for g in generators):
                generators.append(value)
            return {"g": next(i for i, g in enumerate(generators) if g is value)}
        bind = getattr(type(value), "bind_to", None)
        if bind is not None:
            value = bind(value, self)
        if hasattr(type(value), "worker_target"):  # the submission's own function, not a callback through the judge
            session, target = value.worker_target()
            if session is not self:
                raise wire.WireError("a function of another worker")
            return {"fn": target}
        number = getattr(type(value), "handle_number", None)
        if number is not None:
            session, handle = number(value)
            if session is not self:
                raise wire.WireError("a handle of another worker")
            return {"h": handle}
        if isinstance(value, wire.DroppedArray):
            value.refuse()
        if callable(value):
            return {"cb": self.callbacks.number_of(value)}
        raise wire.WireError(f"a {type(value).__name__}")

    def incoming(self, tag: str, node: dict[str, Any]) -> Any:
        """The handle that a node of a frame stands for."""
        if tag != "h" or type(node["h"]) is not list or len(node["h"]) != 3:
            raise wire.WireError("an unknown tag")
        number, type_name, is_callable = node["h"]
        if type(number) is not int or type(type_name) is not str or type(is_callable) is not bool:
            raise wire.WireError("not a handle")
        return self.handle_factory(self, number, type_name[:80], is_callable)


class Callbacks:
    """Functions of the check that the submission was given, and may call while it is called."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.functions: list[Callable[..., Any]] = []
        self.count = 0  # of calls
        self.nesting = 0
        self.error: BaseException | None = None  # the check's verdict, found within one

    def reset(self) -> None:
        """Forget what an earlier check gave."""
        self.functions, self.count, self.error = [], 0, None

    def number_of(self, function: Callable[..., Any]) -> int:
        """What stands for a function on the wire."""
        self.functions.append(function)
        return len(self.functions) - 1

    def raise_error(self) -> None:
        """The check's own failure inside a callback, now that its call is over."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def answer(self, question: wire.Payload) -> wire.Payload:
        """Run a callback that the submission asked for and encode its result."""
        try:
            message, arrays = wire.parse(question)
        except wire.WireError as error:
            raise self.session.violation(f"sent a malformed callback ({error})") from None
        return self.answered(message, arrays)

    def answered(self, message: dict[str, Any], arrays: list[np.ndarray]) -> wire.Payload:
        """The answer to a callback."""
        self.count += 1
        if self.count > MAX_CALLBACKS:
            raise self.session.violation(f"called a function it was given more than {MAX_CALLBACKS} times")
        try:
            function = self.functions[message["callback"]] if type(message["callback"]) is int else None
            decoder = wire.Decoder(arrays, self.session.incoming, frozen=self.session)
            args, kwargs = decoder.decode(message["args"]), decoder.decode(message["kwargs"])
            if function is None or not isinstance(args, list) or not isinstance(kwargs, dict):
                raise wire.WireError("not a callback")
        except wire.NotRead as error:
            return self._failed(error)
        except (wire.WireError, KeyError, IndexError, TypeError, ValueError) as error:
            raise self.session.violation(f"sent a malformed callback ({error})") from None
        if self.nesting >= MAX_NESTING:
            text = f"called a function it was given from within itself more than {MAX_NESTING} times"
            raise self.session.violation(text)
        self.nesting += 1
        try:
            return self._call_back(function, args, kwargs)
        finally:
            self.nesting -= 1

    def _call_back(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> wire.Payload:
        session = self.session
        encoder = wire.Encoder(lambda v: session.outgoing(v, []), max_bytes=wire.MAX_REQUEST, owner=session)
        try:
            return wire.pack({"kind": "result", "value": encoder.encode(function(*args, **kwargs))}, encoder)
        except AssertionError as error:  # the check judged inside its callback: its verdict, not the student's error
            return self._failed(error)
        except (WorkerDied, EngineFault):  # in a call that the function made in its turn
            raise
        except Exception as error:  # noqa: BLE001 - a callback may be called with nonsense
            return wire.pack({"kind": "failed", "text": f"{type(error).__name__} in the function you were given"})

    def _failed(self, error: AssertionError) -> wire.Payload:
        self.error = error
        return wire.pack({"kind": "failed", "text": "the check has failed"})


_numbers = itertools.count()


@functools.cache
def _compiled(source: str) -> tuple[int, str]:
    """A helper's number and code, compiled here once for all workers: it goes to them and never comes from one."""
    code = marshal.dumps(compile(source, "<check>", "exec", dont_inherit=True))
    return next(_numbers), base64.b64encode(code).decode()


def _no_handles() -> Any:
    raise wire.WireError("a handle where none is possible")


def _advance(generator: np.random.Generator, before: dict[str, Any], state: Any) -> None:
    """Take over the state that the submission left a generator in, if drawing can have led there.

    Any other state would let a submission choose the inputs that the check draws next.
    """
    if state is None:
        raise wire.WireError("a generator that became another one")
    old, number, inc = before["state"], int(state["state"]["state"]), int(state["state"]["inc"])
    buffered, half = int(state["has_uint32"]), int(state["uinteger"])
    if inc != old["inc"] or not 0 <= number < 1 << 128 or buffered not in (0, 1) or not 0 <= half < 1 << 32:
        raise wire.WireError("a generator that became another one")
    steps = _steps_between(old["state"], number, inc)
    if min(steps, (1 << 128) - steps) > MAX_DRAWS:
        raise wire.WireError("a generator that became another one")
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": number, "inc": inc},
        "has_uint32": buffered,
        "uinteger": half,
    }


def _steps_between(start: int, end: int, inc: int) -> int:
    """How often PCG64 steps from one state to another, modulo 2**128: one bit of the answer for each of the state."""
    mask, steps, multiplier = (1 << 128) - 1, 0, 0x2360ED051FC65DA44385DF649FCCF645
    for bit in (1 << i for i in range(128)):
        if (start ^ end) & bit:
            start = (start * multiplier + inc) & mask
            steps |= bit
        inc = (multiplier + 1) * inc & mask
        multiplier = multiplier * multiplier & mask
        if start == end:
            break
    return steps


_classes: dict[tuple[str, str | None], type[StudentError]] = {}


def student_error(message: dict[str, Any], lines: int | None = None) -> StudentError:
    """The exception that stands for what the submission raised; raises `WireError` if the message is malformed.

    A frame beyond the `lines` of the source is dropped: a number of the worker's own choice could carry an input out.
    """
    name, mro, text, frames = (message.get(k) for k in ("type", "mro", "text", "frames"))
    if type(name) is not str or type(text) is not str or type(mro) is not list or type(frames) is not list:
        raise wire.WireError("a malformed error")
    if any(type(n) is not str for n in mro) or any(
        type(f) is not list or len(f) != 2 or type(f[0]) is not int or type(f[1]) is not str for f in frames
    ):
        raise wire.WireError("a malformed error")
    wall = message.get("wall")
    if wall is not None and (type(wall) is not str or wall not in WALLS):
        raise wire.WireError("a malformed error")
    bounded = [(f[0], f[1][:80]) for f in frames[-8:] if lines is None or 0 < f[0] <= lines]
    cut = {"type": name[:80], "mro": mro[:16], "text": text[:2000], "frames": bounded, "wall": wall}
    return _class_for(name[:80], mro[:16])(cut)


def _class_for(name: str, mro: list[str]) -> type[StudentError]:
    bases = (getattr(builtins, n, None) for n in mro if n not in ("Exception", "BaseException", "object"))
    base = next((b for b in bases if isinstance(b, type) and issubclass(b, Exception)), None)
    key = (name if name.isidentifier() and len(_classes) < 1000 else "Error", base.__name__ if base else None)
    if key not in _classes:
        try:
            _classes[key] = type(key[0], (StudentError, base) if base else (StudentError,), {})
            _classes[key]({"type": "", "mro": [], "text": "", "frames": []})
        except TypeError:  # built-ins with a constructor of their own, such as ExceptionGroup
            _classes[key] = type(key[0], (StudentError,), {})
    return _classes[key]


def describe(value: Any) -> str:
    """Kind and size of a value in a few words, without its content."""
    if value is None:
        return "None"
    if isinstance(value, (np.ndarray, wire.DroppedArray)):
        return f"a {value.dtype} array of shape {value.shape}"
    if isinstance(value, (tuple, list)):
        kind = getattr(value, "kind", None) or ("tuple" if isinstance(value, tuple) else "list")
        return f"a {kind} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {len(value)}"
    name = type(value).__name__
    if type(value).__module__.startswith("torch"):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
