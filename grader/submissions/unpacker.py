"""The process that takes apart what students handed in: archives, notebooks, and Python text whose names are wanted.

It has the walls of a worker: no network, no file, no program. What it reads comes through its standard input, what it
finds leaves through its standard output, and nothing of a submission is run or imported. It may be killed at any time;
`opener` starts another one.

A frame is one line of JSON, with `size` bytes behind it. A request names what it wants under `do`; bytes of an archive
are asked for (`want`: offset and count) when they are needed, so that a large one is never held whole.
"""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from grader.submissions import archives, ipynb, metadata, naming, sifting

MEMORY = 1 << 30  # above what the process starts with
CPU_SECONDS = 24 * 3600  # of its whole life; each request is timed from outside
MAX_NAMES = 10_000


class Pipes:
    """Frames in and out."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.source, self.sink = source, sink

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """The next frame and its bytes; None where the input ends."""
        line = self.source.readline()
        if not line:
            return None
        head: dict[str, Any] = json.loads(line)
        return head, self.source.read(head.get("size", 0))

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        """A frame: a line of ASCII, then the body."""
        self.sink.write(json.dumps(head | {"size": len(body)}).encode() + b"\n" + body)
        self.sink.flush()

    def fetch(self, offset: int, count: int) -> bytes:
        """Bytes of the archive that is being read, from the other side."""
        self.send({"want": [offset, count]})
        frame = self.receive()
        if frame is None:
            raise EOFError
        return frame[1]


class Fetched(io.RawIOBase):
    """An archive whose bytes lie on the other side of the pipes."""

    def __init__(self, pipes: Pipes, length: int) -> None:
        self.pipes, self.length, self.at = pipes, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.length)[whence]
        if self.at < 0:
            raise OSError("before the beginning")
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.length - self.at)
        if count <= 0:
            return 0
        data = self.pipes.fetch(self.at, count)
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


class Unpacker:
    """Answers requests; archives stay open until they are closed."""

    def __init__(self, pipes: Pipes) -> None:
        self.pipes = pipes
        self.open: dict[int, archives.Archive] = {}
        self.doing: dict[str, Callable[[dict[str, Any], bytes], tuple[Any, bytes]]] = {
            "list": self._list, "member": self._member, "close": self._close, "notebook": self._notebook,
            "cells": self._cells, "document": self._document, "names": self._names, "metadata": self._metadata,
        }  # fmt: skip

    def answer(self, head: dict[str, Any], body: bytes) -> None:
        """Send what was asked for, or in words what kept it from being had."""
        try:
            value, data = self.doing[head["do"]](head, body)
        except (ValueError, OSError) as error:
            self.pipes.send({"problem": str(error)[:1000]})
        except MemoryError:
            self.pipes.send({"problem": "is too large to be taken apart"})
        except RecursionError:
            self.pipes.send({"problem": "is nested too deeply"})
        else:
            self.pipes.send({"value": value}, data)

    def _list(self, head: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        file = io.BufferedReader(Fetched(self.pipes, head["length"]), 1 << 16)
        archive = archives.opened(file, head["name"], head["most"], head["encoding"])
        self.open[head["archive"]] = archive
        return {"entries": archive.entries(), "said": archive.said}, b""

    def _member(self, head: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        return None, self.open[head["archive"]].read(head["number"], head["cap"])

    def _close(self, head: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        self.open.pop(head["archive"], None)
        return None, b""

    def _notebook(self, head: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        notebook = ipynb.read_notebook(body)
        sifted = sifting.sift(notebook.cells, head["roots"], head["allowed"])
        notes = ipynb.bounded([*notebook.notes, *sifted.notes])
        return {"notes": notes, "starts": sifted.starts}, sifted.source.encode("utf-8", "surrogatepass")

    def _cells(self, _: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        notebook = ipynb.read_notebook(body)
        return {"notes": ipynb.bounded([*notebook.notes]), "starts": []}, ("\n\n".join(notebook.cells) + "\n").encode()

    def _document(self, _: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        return None, json.dumps(ipynb.load(body)).encode()

    def _names(self, _: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        text = body.decode("utf-8", "surrogatepass")
        try:
            return naming.defined(ast.parse(text))[:MAX_NAMES], b""
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return naming.seem_defined(text)[:MAX_NAMES], b""

    def _metadata(self, head: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError("not UTF-8 text") from None
        return metadata.READERS[head["kind"]](text), b""


def main() -> None:
    """Raise the walls, then answer until the input ends."""
    from grader.worker.walls import sandbox

    archives.preload()
    pipes = Pipes(sys.stdin.buffer, sys.stdout.buffer)
    unpacker = Unpacker(pipes)
    walls = sandbox.prepare([])
    sandbox.confine_spawned(walls, memory_bytes=MEMORY, cpu_seconds=CPU_SECONDS)
    while (frame := pipes.receive()) is not None:
        unpacker.answer(*frame)


if __name__ == "__main__":
    main()
