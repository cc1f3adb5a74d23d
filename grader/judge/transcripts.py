"""What a check and a worker said to each other, and how it ended: where the same is heard again, it ends the same way.

All that a check knows of a submission it hears in frames; its inputs are drawn from a seed of its own. So its outcome
is a function of the frames it hears, and a judge that has heard them before need not run the check again. For every
check it keeps what it said, and behind each thing it heard, what it said next or how it ended. The next submission is
told the same and runs as ever. As long as its frames are known, byte for byte, nothing else is done; at the first that
is new the check itself is run, hears once more what was heard already, and goes on from there.

What is kept of a check is a trie: its edges are frames of the worker, its nodes frames of the judge, leaves endings:

    (begin) -- "f(2)" -+- 4.0 -- "f(3)" -+- 9.0 -- PASS
                       |                 +- 6.0 -- WRONG
                       +- ValueError -- ERROR

Following it without the check is replaying; adding to it while the check runs is recording.

That the same is said after the same was heard is compared each time the check is run; a check that says something else
(its inputs hang on a clock, say) is not remembered any more, and is begun again in a fresh worker.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grader import wire
from grader.judge.verdicts import Outcome, released
from grader.remote.connection import EngineFault, Heard, Turns, WorkerDied
from grader.remote.limits import WorkerConnection
from grader.remote.session import Session

MAX_KEPT = 64 << 20  # bytes of all transcripts of a judge; all are dropped beyond it
MAX_SAID = 1 << 18  # bytes of a frame that is kept to be said again
MAX_HEARD = 1 << 20  # bytes of a frame that is looked up: with larger ones that costs as much as judging them
MAX_ENDING = 1 << 17  # bytes of the values that an outcome holds: large ones are compared anew
PLAIN = 1 << 12  # bytes of a frame that is kept as it is; of larger ones the digest

Key = tuple[bool, int, bytes, frozenset[int]]  # a frame that was heard
Children = dict["Key | None", "Node | Ending"]


class Unsteady(EngineFault):
    """A check said something else after it had heard the same."""


@dataclass
class Node:
    """A frame of the judge's, and what followed on each that was heard upon it."""

    payload: wire.Payload
    children: Children = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """An outcome, and the highest line of the submission that was named on the way: it needs a file of that length."""

    outcome: Outcome
    line: int


class Transcripts:
    """The transcripts of one judge, by check."""

    def __init__(self) -> None:
        self.begins: dict[str, Children] = {}
        self.unsteady: set[str] = set()
        self.kept = 0

    def of(self, check: str) -> Children | None:
        """What followed on the beginning of a check (its key is None); None for a check that is not remembered."""
        return None if check in self.unsteady else self.begins.setdefault(check, {})

    def forget(self, check: str) -> None:
        """Run this check itself from now on."""
        self.unsteady.add(check)
        self.begins.pop(check, None)

    def count(self, size: int) -> None:
        self.kept += size
        if self.kept > MAX_KEPT:
            self.begins.clear()
            self.kept = 0


class Transcribed(Turns):
    """A worker's connection whose turns are written down and compared with what is known."""

    def __init__(self, worker: WorkerConnection, transcripts: Transcripts) -> None:
        self.worker, self.transcripts = worker, transcripts
        self.replayed: deque[tuple[Node, Heard | WorkerDied]] = deque()  # heard, and not yet told to the check
        self.children: Children | None = None  # where what comes next is recorded, ...
        self.key: Key | None = None  # ... and under which key

    def kill(self) -> None:
        self.worker.kill()

    def outcome(self, check: str, session: Session, run: Callable[[], Outcome]) -> Outcome:
        """How the check ends in this worker; `run` runs it against `session`. Raises `EngineFault`."""
        self.replayed.clear()
        self.children, self.key = self.transcripts.of(check), None
        known = self._replay()
        if known is not None and known.line <= (session.lines or 0):
            return known.outcome
        try:
            outcome = run()
        except Unsteady:
            self.transcripts.forget(check)
            raise
        if self.replayed and not outcome.verdict.died:  # it ended sooner than before, though it heard the same
            self.transcripts.forget(check)
        else:
            self._record(outcome, session)
        return outcome

    def _replay(self) -> Ending | None:
        """Say what was said before as long as what is heard is known; the ending, if it comes to one."""
        while self.children is not None:
            known = self.children.get(self.key)
            if not isinstance(known, Node):
                return known
            try:
                heard = self.worker.turn(known.payload)
            except WorkerDied as died:
                self.replayed.append((known, died))
                self.children = None
                return None
            self.replayed.append((known, heard))
            self._descend(known, heard)
        return None

    def turn(self, payload: wire.Payload) -> Heard:
        """What the check hears: what was heard already, as long as there is some, then the worker."""
        if self.replayed:
            node, heard = self.replayed.popleft()
            if payload.header != node.payload.header or payload.data() != node.payload.data():
                raise Unsteady("a check said something else after it had heard the same")
            if isinstance(heard, WorkerDied):
                raise heard
            return heard
        children, self.children = self.children, None  # if the worker dies, nothing follows
        heard = self.worker.turn(payload)
        if children is not None and _size(payload) <= MAX_SAID:
            node = Node(wire.Payload(payload.header, [bytes(payload.data())]))
            children[self.key] = node
            self.transcripts.count(_size(payload))
            self._descend(node, heard)
        return heard

    def _descend(self, node: Node, heard: Heard) -> None:
        if _size(heard.payload) > MAX_HEARD:
            self.children = None
            return
        data = bytes(heard.payload.data())
        known = data if len(data) <= PLAIN else hashlib.sha256(data).digest()
        self.children, self.key = node.children, (heard.is_callback, heard.payload.header, known, heard.payload.unread)

    def _record(self, outcome: Outcome, session: Session) -> None:
        """Write down how it ended, unless that was the worker's death, or a line was named that the file has not."""
        if self.children is None or outcome.verdict.died or session.highest_line > (session.lines or 0):
            return
        outcome = released(outcome)
        size = _size_of_ending(outcome)
        if size > MAX_ENDING:
            return
        self.children[self.key] = Ending(outcome, session.highest_line)
        self.transcripts.count(size + (len(self.key[2]) if self.key else 0))


def _size(payload: wire.Payload) -> int:
    return sum(len(part) for part in payload.parts)


def _size_of_ending(outcome: Outcome) -> int:
    """About the bytes of what an outcome holds for the diagnosis and the student."""
    seen = outcome.failure.seen if outcome.failure else None
    values: list[Any] = [seen.actual, seen.expected] if seen else []
    return 1000 + len(outcome.inputs) + sum(v.nbytes for v in values if isinstance(v, np.ndarray))
