"""What is read of a worker's frames: what is in proportion to what a check expects, and of the rest the description.

An array beyond the allowance is dropped as it arrives. The check still gets its dtype and shape
(`wire.DroppedArray`), which is all that it takes to say that they are wrong; computing with it fails the check.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from grader import wire

MOST = 16  # times what a check expects may an array be
ALWAYS = 1 << 20  # bytes: an array that is smaller than this is never too much
BUDGET = 64 << 20  # bytes that are read within one check, whatever it expects
MAX_DROPPED = 1 << 30  # bytes that are dropped within one check; who sends more means no answer
FIRST = 1 << 16  # most replies are small, and a read sets aside as much memory as it asks for


class Expected(NamedTuple):
    """What a correct submission sends within a check: bytes of its largest frame, and of all of them."""

    largest: int = 0
    total: int = 0


class Allowance:
    """How much is read within one check; without `expected` all that a frame may carry."""

    def __init__(self, expected: Expected | None = None) -> None:
        self.most = wire.MAX_REPLY if expected is None else min(wire.MAX_REPLY, max(ALWAYS, MOST * expected.largest))
        self.budget: float = float("inf") if expected is None else max(BUDGET, MOST * expected.total)
        self.spent = self.dropped = 0
        self.exceeded = False

    def note_sent(self, payload: wire.Payload) -> None:
        """What goes to the worker may come back from it, in proportion."""
        largest = max((memoryview(part).nbytes for part in payload.parts[1:]), default=0)
        self.most = max(self.most, min(wire.MAX_REPLY, MOST * largest))

    def takes(self, head: wire.Head) -> bool:
        """Whether a frame is read as a whole, and so charged for."""
        size = head.header + head.body
        fits = head.body <= self.most and self.spent + size <= self.budget
        if fits:
            self.spent += size
        return fits

    def unread(self, head: wire.Head, sizes: list[int]) -> frozenset[int]:
        """Which arrays of any other frame, by their bytes, stay unread; the rest is charged for.

        Raises `TooLarge` where that would never end.
        """
        self.spent += head.header
        beyond = set()
        for index, size in enumerate(sizes):
            if size and (size > self.most or self.spent + size > self.budget):
                beyond.add(index)
                self.dropped += size
            else:
                self.spent += size
        self.exceeded = self.exceeded or bool(beyond)
        if self.dropped > MAX_DROPPED:
            raise wire.TooLarge(f"more than {MAX_DROPPED >> 20} MB that are far more than is asked for")
        return frozenset(beyond)

    def is_below(self, other: Allowance) -> bool:
        """Whether another one allows more."""
        return other.most > self.most or other.budget > self.budget


def chosen(head: wire.Head, allowance: Allowance, take: Callable[[int], Any]) -> wire.Payload:
    """What the allowance leaves of a frame; `take(n)` is its next n bytes."""
    header = take(head.header)
    sizes = wire.sizes_of_arrays(header, head.body)
    unread = allowance.unread(head, sizes)
    parts = [header]
    for is_dropped, run in itertools.groupby(range(len(sizes)), unread.__contains__):
        size = sum(sizes[i] for i in run)
        if not is_dropped:
            parts.append(take(size))
            continue
        for start in range(0, size, wire.CHUNK):
            take(min(wire.CHUNK, size - start))
    return wire.Payload(head.header, parts, unread)


class PipeReader:
    """Frames from a non-blocking pipe; `wait` returns when there may be more, `ended` raises what an end means."""

    def __init__(self, fd: int, wait: Callable[[], None], ended: Callable[[], NoReturn]) -> None:
        self.fd, self.wait, self.ended = fd, wait, ended
        self.inbox = b""

    def head(self) -> wire.Head:
        """The head of the next frame, which stays in the inbox."""
        while len(self.inbox) < wire.HEAD.size:
            self.wait()
            self.inbox += self._first()
        return wire.parse_head(self.inbox[: wire.HEAD.size])

    def payload(self, head: wire.Head, allowance: Allowance) -> wire.Payload:
        """What follows upon the head, as far as the allowance goes."""
        if allowance.takes(head):
            data = self._exactly(wire.HEAD.size + head.header + head.body)
            return wire.Payload(head.header, [memoryview(data)[wire.HEAD.size :]])
        self._take(wire.HEAD.size)
        payload = chosen(head, allowance, self._take)
        if self.inbox:
            raise wire.WireError("more than one reply")
        return payload

    def _exactly(self, size: int) -> Any:
        """The reply of `size` bytes that has begun to arrive: what was read of it, or the whole in one place."""
        begun, self.inbox = self.inbox, b""
        data: Any = begun
        have = len(begun)
        if have < size:
            data = np.empty(size + 1, np.uint8).data  # takes up memory only where bytes have arrived
            data[:have] = begun
            have = self._fill(data, have, size)
            data = data[:have]
        if have > size:
            raise wire.WireError("more than one reply")
        return data

    def _take(self, size: int) -> Any:
        """The next `size` bytes."""
        begun, self.inbox = self.inbox[:size], self.inbox[size:]
        data = np.empty(size, np.uint8).data
        data[: len(begun)] = begun
        self._fill(data, len(begun), size)
        return data

    def _fill(self, data: Any, have: int, size: int) -> int:
        """Read into `data` until it holds `size` bytes or more; how many it holds then."""
        while have < size:
            self.wait()
            have += self._some(data[have:])
        return have

    def _first(self) -> bytes:
        try:
            data = os.read(self.fd, FIRST)
        except BlockingIOError:
            return b""
        if not data:
            self.ended()
        return data

    def _some(self, space: Any) -> int:
        try:
            count = os.readv(self.fd, [space])
        except BlockingIOError:
            return 0
        if not count:
            self.ended()
        return count
