"""What moves frames between judge and worker, one turn after the other, and what it may end in."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple, Protocol

from grader import wire
from grader.results import Verdict

Answer = Callable[[wire.Payload], wire.Payload]  # from a callback to its answer


class WorkerDied(Exception):
    """The worker ended or had to be ended; `verdict` says how that is judged."""

    def __init__(self, verdict: Verdict, text: str) -> None:
        super().__init__(text)
        self.verdict, self.text = verdict, text


class EngineFault(Exception):
    """The grader's own machinery broke; never the student's doing."""


class Connection(Protocol):
    """Moves one request to a worker and its reply back."""

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        """Send a request, answer callbacks with `answer`, return the reply; raises `WorkerDied` or `EngineFault`."""

    def kill(self) -> None:
        """End the worker."""


class Heard(NamedTuple):
    """What a worker sent: its reply, or a callback that wants an answer first."""

    is_callback: bool
    payload: wire.Payload


class Turns:
    """Turns of judge and worker in which one request is made and replied to."""

    def turn(self, payload: wire.Payload) -> Heard:
        raise NotImplementedError

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        heard = self.turn(request)
        while heard.is_callback:
            heard = self.turn(answer(heard.payload))
        return heard.payload


class Numbers:
    """The numbers of frames: random, and drawn in stock, as a draw is a system call."""

    def __init__(self) -> None:
        self.stock = b""

    def next(self) -> bytes:
        size = len(wire.NO_NUMBER)
        self.stock = self.stock or secrets.token_bytes(64 * size)
        number, self.stock = self.stock[:size], self.stock[size:]
        return number


UNASKED = "wrote to the reply channel without being asked"


def expect_hello(heard: Heard) -> None:
    message, _ = wire.parse(heard.payload)
    if message.get("kind") != "hello":
        raise EngineFault("a worker started with a wrong greeting")
