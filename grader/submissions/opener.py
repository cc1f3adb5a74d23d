"""Asks the process of `unpacker` to take archives, notebooks and texts apart; a new one where one was taken down.

Whatever it is asked for ends: in time, under a limit of memory, or by a `ValueError` that says in words why not. So a
hostile file costs the student who handed it in, and nobody else.
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from grader.environment import clean_environment
from grader.submissions.sifting import Sifted

REPAIRS = 3  # of one request
SECONDS = 20.0  # for one request
STUDENT_SECONDS = 60.0  # for all of one student
STUDENT_BYTES = 256 << 20  # that are read of one student, unpacked
MAX_LINE, MAX_REPLY = 256 << 20, 512 << 20
MAX_ENTRIES = 500_000  # of one archive
DOWN = "could not be read: the process that read it ran out of time or memory"
UNSIFTED = "the cells could not be taken apart; they are graded as they are"
T = TypeVar("T")
_ENTRIES: TypeAdapter[list[tuple[str, int, str]]] = TypeAdapter(list[tuple[str, int, str]])
_TEXTS: TypeAdapter[list[str]] = TypeAdapter(list[str])
_NOTEBOOK: TypeAdapter[tuple[list[str], list[tuple[int, int]]]] = TypeAdapter(tuple[list[str], list[tuple[int, int]]])


class Down(ValueError):
    """The process that was asked is gone, or has said what no such process says; `used_up`: it had used up its own."""

    def __init__(self, words: str, used_up: bool = False) -> None:
        super().__init__(words)
        self.used_up = used_up


@dataclass
class StudentBudget:
    """What may still be spent on one student."""

    seconds: float = field(default_factory=lambda: STUDENT_SECONDS)
    bytes: int = field(default_factory=lambda: STUDENT_BYTES)

    def take(self, count: int) -> None:
        """Charge bytes that were read; raises `OSError` where they are too many."""
        self.bytes -= count
        if self.bytes < 0:
            raise OSError(f"more than {STUDENT_BYTES >> 20} MB of this student were read already")


class Opener:
    """One process for all requests, started when the first comes; `renew` begins another student's budget."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.generation, self.numbers = 0, itertools.count()
        self.budget = StudentBudget()

    def renew(self) -> None:
        """What follows is another student's."""
        self.budget = StudentBudget()

    def close(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()

    # --- what is asked for

    def archive(self, file: BinaryIO, name: str, encoding: str | None = None) -> OpenArchive:
        """The archive in a file that can be sought; raises `ValueError`."""
        return OpenArchive(self, file, name, encoding)

    def notebook(self, data: bytes, roots: set[str], allowed: tuple[str, ...]) -> Sifted:
        """The module that a notebook's cells make, or the plain cells with a note; raises `ValueError`."""
        head = {"do": "notebook", "roots": sorted(roots), "allowed": list(allowed)}
        try:
            return self._module(head, data)
        except Down:
            plain = self._module({"do": "cells"}, data)
            return Sifted(plain.source, (*plain.notes, UNSIFTED))

    def _module(self, head: dict[str, Any], data: bytes) -> Sifted:
        value, source = self.ask(head, data)
        try:
            notes, starts = _NOTEBOOK.validate_python((value["notes"], value["starts"]))
            return Sifted(source.decode("utf-8"), tuple(notes), tuple(starts))
        except (ValidationError, KeyError, TypeError, UnicodeDecodeError):
            raise Down(DOWN) from None

    def document(self, data: bytes) -> dict[str, Any]:
        """A notebook's document, large ones without their outputs; raises `ValueError`."""
        _, text = self.ask({"do": "document"}, data)
        document = json.loads(text)
        if not isinstance(document, dict):
            raise Down(DOWN)
        return document

    def names(self, source: str) -> set[str]:
        """The names that a module's text binds at its top, as far as can be told."""
        try:
            value, _ = self.ask({"do": "names"}, source.encode("utf-8", "surrogatepass"))
            return set(_TEXTS.validate_python(value))
        except ValueError:
            return set()

    def metadata(self, kind: str, data: bytes) -> dict[str, Any]:
        """What a file of metadata says (`metadata.READERS`); raises `ValueError`."""
        value, _ = self.ask({"do": "metadata", "kind": kind}, data)
        if not isinstance(value, dict):
            raise Down(DOWN)
        return value

    # --- the process

    def ask(self, head: dict[str, Any], body: bytes = b"", file: BinaryIO | None = None) -> tuple[Any, bytes]:
        """(value, bytes) of the answer; raises `ValueError` with its words, or `Down` where the process went down.

        One that ended before its time is asked again: that may have been somebody else's doing.
        """
        if head["do"] in ("member", "close"):  # those need what the process had open
            return self._ask(head, body, file)
        return _repaired(lambda: self._ask(head, body, file))

    def _ask(self, head: dict[str, Any], body: bytes, file: BinaryIO | None) -> tuple[Any, bytes]:
        process = self.process = self.process or self._start()
        limit, began = max(0.0, min(SECONDS, self.budget.seconds)), time.monotonic()
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            answer, data = self._talk(process, head, body, file)
        except (OSError, EOFError, ValueError, RecursionError):
            self.close()
            raise Down(DOWN, used_up=time.monotonic() - began >= limit) from None
        finally:
            timer.cancel()
            self.budget.seconds -= time.monotonic() - began
        if "problem" in answer:
            raise ValueError(str(answer["problem"]))
        return answer.get("value"), data

    def _talk(
        self, process: subprocess.Popen[bytes], head: dict[str, Any], body: bytes, file: BinaryIO | None
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None and process.stdout is not None
        _send(process.stdin, head, body)
        while True:
            answer, data = _receive(process.stdout)
            if "want" not in answer or file is None:
                return answer, data
            offset, count = (int(n) for n in answer["want"])
            file.seek(offset)
            _send(process.stdin, {}, file.read(min(count, MAX_REPLY)))

    def _start(self) -> subprocess.Popen[bytes]:
        self.generation += 1
        return subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", "grader.submissions.unpacker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            start_new_session=True,
        )


class OpenArchive:
    """An archive's entries, and their bytes by number."""

    def __init__(self, opener: Opener, file: BinaryIO, name: str, encoding: str | None) -> None:
        self.opener, self.file = opener, file
        self.length = file.seek(0, io.SEEK_END)
        self.request = {"do": "list", "name": name, "encoding": encoding, "most": MAX_ENTRIES, "length": self.length}
        self.number, self.generation = -1, -1
        self.entries, self.said = self._opened()

    def _opened(self) -> tuple[list[tuple[str, int, str]], list[str]]:
        self.number = next(self.opener.numbers)
        value, _ = self.opener.ask({**self.request, "archive": self.number}, file=self.file)
        self.generation = self.opener.generation
        try:
            return _ENTRIES.validate_python(value["entries"]), _TEXTS.validate_python(value["said"])
        except (ValidationError, KeyError, TypeError):
            raise Down(DOWN) from None

    def read(self, number: int, cap: int) -> bytes:
        """At most `cap` + 1 bytes of an entry; raises `OSError`."""
        try:
            return _repaired(lambda: self._member(number, cap))
        except ValueError as error:
            raise OSError(str(error)) from None

    def _member(self, number: int, cap: int) -> bytes:
        if self.opener.process is None or self.generation != self.opener.generation:
            self._opened()  # the process that had it open was taken down by something else
        head = {"do": "member", "archive": self.number, "number": number, "cap": cap}
        return self.opener.ask(head, file=self.file)[1][: cap + 1]

    def close(self) -> None:
        """Let the process forget it."""
        if self.opener.process is not None and self.generation == self.opener.generation:
            self.opener.ask({"do": "close", "archive": self.number})


def _repaired(ask: Callable[[], T]) -> T:
    """What is asked for, from a new process where one went down before its time; raises `Down`."""
    for _ in range(REPAIRS):
        try:
            return ask()
        except Down as down:
            if down.used_up:
                raise
    return ask()


def _send(pipe: Any, head: dict[str, Any], body: bytes) -> None:
    pipe.write(json.dumps({**head, "size": len(body)}).encode() + b"\n")
    pipe.write(body)
    pipe.flush()


def _receive(pipe: Any) -> tuple[dict[str, Any], bytes]:
    """A frame, which comes from a process that has read hostile bytes; raises `ValueError` or `EOFError`."""
    line = pipe.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    size = head.get("size", 0) if isinstance(head, dict) else None
    if not isinstance(size, int) or not 0 <= size <= MAX_REPLY:
        raise ValueError("no frame")
    body = pipe.read(size)
    if len(body) < size:
        raise EOFError
    return head, body
