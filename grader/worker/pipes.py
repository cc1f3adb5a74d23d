"""Frames over a worker's two pipes, and the loop that serves them."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from grader import wire
from grader.worker.serve import Server

CHUNK = 1 << 20
FIRST = 1 << 16  # most requests are small, and a read sets aside as much memory as it asks for


def read_frame(fd: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The next request; ends the process when the judge has closed its end."""
    data: Any = _read(fd, FIRST)
    while len(data) < wire.HEAD.size:
        data += _read(fd, FIRST)
    header, body = wire.parse_head(data[: wire.HEAD.size], wire.MAX_REQUEST)
    size = wire.HEAD.size + header + body
    if len(data) < size:
        data = bytearray(data)
        while len(data) < size:
            data += _read(fd, CHUNK)
    return wire.parse(header, memoryview(data)[wire.HEAD.size :], writable=False)  # what is handed on is copied


def _read(fd: int, most: int) -> bytes:
    """The next bytes; a judge sends one frame at a time, so none is read too far."""
    data = os.read(fd, most)
    if not data:
        os._exit(0)
    return data


def write_frame(fd: int, parts: list[Any]) -> None:
    """One write for a small frame: each write wakes the judge."""
    if len(parts) > 1 and sum(map(len, parts)) < CHUNK:  # each part is bytes or flat
        parts = [b"".join(parts)]
    for part in parts:
        view = memoryview(part)
        while view.nbytes:
            view = view[os.write(fd, view[:CHUNK]) :]


def run(request_fd: int, reply_fd: int, module: Any = None) -> None:
    """Say hello, then answer requests until the judge is gone: about a module, or about the one that it loads."""

    def ask(parts: list[Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
        write_frame(reply_fd, parts)
        return read_frame(request_fd)

    server = Server(ask)
    server.module = module
    write_frame(reply_fd, wire.pack({"kind": "hello"}))
    while True:
        write_frame(reply_fd, server.handle(*read_frame(request_fd)))


def open_streams() -> None:
    """Python's own stdout and stderr over descriptors 1 and 2: line by line, never failing on odd characters."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
