"""Frames over a worker's two pipes, and the loop that serves them."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from grader import wire
from grader.worker.serve import Server

CHUNK = 1 << 20


def read_exactly(fd: int, size: int) -> bytearray:
    """`size` bytes; ends the process when the judge has closed its end."""
    data = bytearray()
    while len(data) < size:
        part = os.read(fd, min(size - len(data), CHUNK))
        if not part:
            os._exit(0)
        data += part
    return data


def read_frame(fd: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    header, body = wire.parse_head(read_exactly(fd, wire.HEAD.size), wire.MAX_REQUEST)
    return wire.parse(header, read_exactly(fd, header + body), writable=True)


def write_frame(fd: int, parts: list[Any]) -> None:
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            view = view[os.write(fd, view[:CHUNK]) :]


def run(request_fd: int, reply_fd: int) -> None:
    """Say hello, then answer requests until the judge is gone."""

    def ask(parts: list[Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
        write_frame(reply_fd, parts)
        return read_frame(request_fd)

    server = Server(ask)
    write_frame(reply_fd, wire.pack({"kind": "hello"}))
    while True:
        write_frame(reply_fd, server.handle(*read_frame(request_fd)))


def open_streams() -> None:
    """Python's own stdout and stderr over descriptors 1 and 2: line by line, never failing on odd characters."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
