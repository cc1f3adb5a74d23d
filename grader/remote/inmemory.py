"""A worker inside the judge's own process, for authors with a debugger and for tests.

Frames are packed and parsed exactly as on a pipe, so arguments and results are copies under the same caps.
Only for code that is trusted: there is no wall here, and no clock.
"""

from __future__ import annotations

from typing import Any

from grader import wire
from grader.remote.connection import Answer, EngineFault, WorkerDied
from grader.remote.replies import Expected
from grader.remote.session import Reply, Session
from grader.worker.server import Server


def _carried(payload: wire.Payload, cap: int) -> wire.Payload:
    """A copy of the payload, as a pipe would make it, within the caps of a frame."""
    data = b"".join(payload.framed())
    head = wire.parse_head(data[: wire.HEAD.size], cap)
    return wire.Payload(head.header, [memoryview(data)[wire.HEAD.size :]])


class InMemoryConnection:
    """Hands frames to a `Server` of this process."""

    def __init__(self) -> None:
        self.server = Server(lambda payload, _: self._ask(payload))
        self.answer: Answer | None = None
        self.died: Exception | None = None
        self.expected = Expected()  # what has come from the submission

    def _arrived(self, payload: wire.Payload) -> wire.Payload:
        carried = _carried(payload, wire.MAX_REPLY)
        size = sum(len(part) for part in carried.parts)
        self.expected = Expected(max(size, self.expected.largest), size + self.expected.total)
        return carried

    def _ask(self, question: wire.Payload) -> wire.Payload:
        assert self.answer is not None, "a callback outside a request"
        try:
            answered = self.answer(self._arrived(question))
        except (WorkerDied, EngineFault) as error:
            self.died = error  # whatever the submission makes of it on its way out
            raise
        return _carried(answered, wire.MAX_REQUEST)

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        self.answer = answer
        reply = self.server.handle(_carried(request, wire.MAX_REQUEST))
        if self.died is not None:
            raise self.died
        return self._arrived(reply)

    def kill(self) -> None:
        """Nothing to end: the code runs in this process."""


def in_memory_session(files: dict[str, str], main: str, imports: list[str], banned: list[str]) -> Session:
    """A session whose submission is already loaded; raises `StudentError` where it does not load."""
    session = Session(InMemoryConnection())
    session.load(files, main, imports, banned)
    return session


class ListeningSession(Session):
    """A session whose submission is already loaded, and which keeps what a check receives from it."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.connection: InMemoryConnection
        super().__init__(InMemoryConnection())
        self.received: list[Any] = []
        self.load(**fields)
        self.received.clear()

    def request(self, *args: Any, **fields: Any) -> Reply:
        reply = super().request(*args, **fields)
        self.received.append(reply.value)
        return reply
