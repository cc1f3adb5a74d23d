"""A worker inside the judge's own process, for authors with a debugger and for tests.

Frames are packed and parsed exactly as on a pipe, so arguments and results are copies under the same caps.
Only for code that is trusted: there is no wall here, and no clock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grader import wire
from grader.session import Answer, EngineFault, Session, WorkerDied
from grader.worker.serve import Server


def _parsed(parts: list[Any], cap: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    data = b"".join(parts)
    header, _ = wire.parse_head(data[: wire.HEAD.size], cap)
    return wire.parse(header, memoryview(data)[wire.HEAD.size :], writable=False)


class InMemoryConnection:
    """Hands frames to a `Server` of this process."""

    def __init__(self) -> None:
        self.server = Server(lambda parts: self._ask(parts))
        self.answer: Answer | None = None
        self.died: Exception | None = None

    def _ask(self, parts: list[Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
        assert self.answer is not None, "a callback outside a request"
        try:
            answered = self.answer(*_parsed(parts, wire.MAX_REPLY))
        except (WorkerDied, EngineFault) as error:
            self.died = error  # whatever the submission makes of it on its way out
            raise
        return _parsed(answered, wire.MAX_REQUEST)

    def roundtrip(self, parts: list[Any], answer: Answer) -> tuple[dict[str, Any], list[np.ndarray]]:
        self.answer = answer
        reply = self.server.handle(*_parsed(parts, wire.MAX_REQUEST))
        if self.died is not None:
            raise self.died
        return _parsed(reply, wire.MAX_REPLY)

    def kill(self) -> None:
        """Nothing to end: the code runs in this process."""


def in_memory_session(files: dict[str, str], main: str, imports: list[str], banned: list[str]) -> Session:
    """A session whose submission is already loaded; raises `StudentError` where it does not load."""
    session = Session(InMemoryConnection())
    session.request("load", files=files, main=main, imports=imports, banned=banned)
    return session
