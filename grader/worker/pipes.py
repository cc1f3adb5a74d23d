"""Frames over a worker's two pipes, and the loop that serves them."""

from __future__ import annotations

import os
import sys
from typing import Any

from grader import wire
from grader.worker.server import Server

FIRST = 1 << 16  # most requests are small, and a read sets aside as much memory as it asks for


def read_frame(fd: int) -> tuple[bytes, wire.Payload]:
    """(number, payload) of the next frame; ends the process when the judge has closed its end."""
    data: Any = _read(fd, FIRST)
    while len(data) < wire.HEAD.size:
        data += _read(fd, FIRST)
    head = wire.parse_head(data[: wire.HEAD.size], wire.MAX_REQUEST)
    size = wire.HEAD.size + head.header + head.body
    if len(data) < size:
        data = bytearray(data)
        while len(data) < size:
            data += _read(fd, wire.CHUNK)
    return head.number, wire.Payload(head.header, [memoryview(data)[wire.HEAD.size :]])


def _read(fd: int, most: int) -> bytes:
    """The next bytes; a judge sends one frame at a time, so none is read too far."""
    data = os.read(fd, most)
    if not data:
        os._exit(0)
    return data


def write_frame(fd: int, parts: list[Any]) -> None:
    for part in parts:
        view = memoryview(part)
        while view.nbytes:
            view = view[os.write(fd, view[: wire.CHUNK]) :]


class Channel:
    """The two pipes and the number of the judge's latest frame, which the next one must bear."""

    def __init__(self, request_fd: int, reply_fd: int) -> None:
        self.request_fd, self.reply_fd = request_fd, reply_fd
        self.number = wire.NO_NUMBER

    def read(self) -> wire.Payload:
        self.number, payload = read_frame(self.request_fd)
        return payload

    def write(self, payload: wire.Payload, sort: bytes = wire.PLAIN) -> None:
        write_frame(self.reply_fd, payload.framed(self.number, sort))

    def ask(self, payload: wire.Payload, sort: bytes) -> wire.Payload:
        """Send a frame in the middle of a call and wait for the judge's next one."""
        self.write(payload, sort)
        return self.read()


def run(request_fd: int, reply_fd: int, module: Any = None) -> None:
    """Say hello, then answer requests until the judge is gone: about a module, or about the one that it loads."""
    channel = Channel(request_fd, reply_fd)
    server = Server(channel.ask)
    server.module, server.is_process = module, True
    channel.write(wire.pack({"kind": "hello"}))
    while True:
        channel.write(server.handle(channel.read()))


def open_streams() -> None:
    """Python's own stdout and stderr over descriptors 1 and 2: line by line, never failing on odd characters."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
