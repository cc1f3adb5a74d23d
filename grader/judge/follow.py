"""Follow-through: a check that failed runs once more with the earlier units of its topic answered by the reference.

What passes then is right by itself, given correct earlier functions. The earlier functions are replaced in the
student's module by calls that leave the worker; later units and the check's own unit stay the student's, so nothing
that is asked can hand out the answer that is judged. A run is made in a fresh worker, which ends with it: what was
learned there is of no use to another check.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader import wire
from grader.checks.comparing import Failure
from grader.course.units import Unit
from grader.judge.answerer import Answerer, NotPlain, Overtaxed
from grader.remote.connection import Answer, Connection
from grader.remote.session import Callbacks, Session, StudentError

MOST = 16  # times the largest argument of the check may each array be that an earlier unit is called with
ALWAYS = 1 << 20  # bytes: what is smaller than this is never too much
MAX_CALLS = 10_000  # of earlier units within one check
PLAIN_ERRORS = (ValueError, TypeError, ArithmeticError, LookupError)  # made of a text, but for UnicodeError
MAX_SINGLE = 3  # runs with one unit replaced, to find the one to blame


@dataclass(frozen=True)
class Followed:
    """What the further run of a failed check told."""

    passed: bool
    blame: tuple[str, ...] = ()  # the functions given which the check passes
    failure: Failure | None = None  # where it failed again: what is wrong with the unit itself


class _Measured:
    """A connection that remembers the size of the largest array sent."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.largest = connection, 0

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        self.largest = max(self.largest, *(memoryview(part).nbytes for part in request.parts))
        return self.connection.roundtrip(request, answer)

    def kill(self) -> None:
        self.connection.kill()


class _Callbacks(Callbacks):
    """Callbacks of the check, and calls of what is given in the place of the submission's own."""

    def __init__(self, session: GivenSession) -> None:
        super().__init__(session)
        self.given_by = session

    def answered(self, message: dict[str, Any], arrays: list[np.ndarray]) -> wire.Payload:
        return self.given_by.answered(message, arrays) if "given" in message else super().answered(message, arrays)


class GivenSession(Session):
    """A session in whose worker some functions are answered by the reference."""

    def __init__(self, connection: Connection, answerer: Answerer) -> None:
        self.measured = _Measured(connection)
        super().__init__(self.measured)
        self.callbacks: _Callbacks = _Callbacks(self)
        self.answerer = answerer
        self.given: frozenset[str] = frozenset()
        self.called: set[str] = set()
        self.not_plain = ""
        self.abused = False

    def give(self, names: Collection[str]) -> None:
        """Replace these functions in the worker."""
        self.request("give", names=sorted(names))
        self.given = frozenset(names)

    def begin_check(self, seed: int = 0) -> None:
        super().begin_check(seed)
        self.called, self.measured.largest = set(), 0

    def answered(self, message: dict[str, Any], arrays: list[np.ndarray]) -> wire.Payload:
        """The reference's answer to a call of a function that is given."""
        self.callbacks.count += 1
        if self.callbacks.count > MAX_CALLS:
            raise self._abuse(f"called the functions before it more than {MAX_CALLS} times")
        name, args, kwargs, generators = self._asked(message, arrays)
        self.called.add(name)
        try:
            value = self.answerer.call(name, args, kwargs)
        except Overtaxed as error:
            raise self._abuse(str(error)) from None
        except NotPlain as error:
            self.not_plain = str(error)
            return wire.pack({"kind": "failed", "error": "RuntimeError", "text": str(error)})
        except StudentError as error:
            return wire.pack({"kind": "failed", **_error_in(name, error)})
        encoder = wire.Encoder(_no_data, max_bytes=wire.MAX_REQUEST)
        reply = {"kind": "result", "value": encoder.encode(value)}
        return wire.pack({**reply, "generators": [g.bit_generator.state for g in generators]}, encoder)

    def _asked(
        self, message: dict[str, Any], arrays: list[np.ndarray]
    ) -> tuple[str, list[Any], dict[str, Any], list[np.random.Generator]]:
        """(name, args, kwargs, generators) of a call; everything in it is the worker's word alone."""
        name = message["given"]
        most = max(MOST * self.measured.largest, ALWAYS)
        if any(isinstance(array, wire.DroppedArray) or array.nbytes > most for array in arrays):
            raise self._abuse(f"called a function before it with an array of more than {most} bytes")
        try:
            generators = [_generator(state) for state in message["generators"]]
            decoder = wire.Decoder(arrays, lambda tag, node: _special(tag, node, generators), frozen=self)
            args, kwargs = decoder.decode(message["args"]), decoder.decode(message["kwargs"])
            if type(name) is not str or name not in self.given:
                raise wire.WireError("no such function")
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise wire.WireError("not a call")
        except (wire.WireError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise self._abuse(f"sent a malformed call ({error})") from None
        return name, args, kwargs, generators

    def _abuse(self, text: str) -> Exception:
        self.abused = True
        return self.violation(text)


def _special(tag: str, node: dict[str, Any], generators: list[np.random.Generator]) -> Any:
    if tag == "g" and type(node["g"]) is int and 0 <= node["g"] < len(generators):
        return generators[node["g"]]
    raise wire.WireError("what is no data")


def _no_data(value: Any) -> Any:
    raise wire.WireError(f"a {type(value).__name__}")


def _generator(state: Any) -> np.random.Generator:
    """The generator that a worker describes; numbers out of range raise `ValueError` or `OverflowError`."""
    number, inc = int(state["state"]["state"]), int(state["state"]["inc"])
    buffered, half = int(state["has_uint32"]), int(state["uinteger"])
    if not (0 <= number < 1 << 128 and 0 <= inc < 1 << 128 and buffered in (0, 1) and 0 <= half < 1 << 32):
        raise ValueError("not the state of a generator")
    made = np.random.Generator(np.random.PCG64(0))
    made.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": number, "inc": inc},
        "has_uint32": buffered,
        "uinteger": half,
    }
    return made


def _error_in(name: str, error: StudentError) -> dict[str, str]:
    """What the reference raised, as the built-in of that name: a later function may count on a ValueError."""
    known = getattr(builtins, error.type_name, None)
    plain = isinstance(known, type) and issubclass(known, PLAIN_ERRORS) and not issubclass(known, UnicodeError)
    return {"error": error.type_name if plain else "RuntimeError", "text": f"raised by a correct {name}"}


def culprits(called: Collection[str], suspects: Collection[str], units: Sequence[Unit]) -> list[tuple[str, ...]]:
    """The called functions that may be to blame, by unit and in order: those with lost points, else all of them."""
    near = [tuple(n for n in u.names if n in called and n in suspects) for u in units]
    if not any(near):
        near = [tuple(n for n in u.names if n in called) for u in units]
    return [names for names in near if names]
