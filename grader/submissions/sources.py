"""From the bytes of one file to a topic's source: modules by their encoding, notebooks by `opener`'s process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from grader.course import Course
from grader.course.stubs import names_of
from grader.submissions import naming
from grader.submissions.decoding import decoded
from grader.submissions.ipynb import MAX_NOTEBOOK
from grader.submissions.model import SubmittedFile
from grader.submissions.opener import Opener
from grader.text import printable

MAX_SOURCE = 1 << 20  # bytes of one submitted file


@dataclass
class Item:
    """One file of a student, in an archive or not: how it is read, or why it cannot be."""

    path: PurePosixPath
    read: Callable[[int], bytes] | None
    reason: str = ""
    attempt: int = 0
    file: SubmittedFile | None = None  # what was read

    @property
    def source(self) -> str | None:
        """The text that was read, if any."""
        return self.file.source if self.file else None


class FileReader:
    """Reads files for topics, and knows what each topic asks for."""

    def __init__(self, course: Course, opener: Opener) -> None:
        self.course, self.opener = course, opener
        self.stubs: dict[str, str] = {}
        self.names: dict[str, set[str]] = {}

    def stub(self, topic: str) -> str:
        """The text that was handed out."""
        if topic not in self.stubs:
            self.stubs[topic] = self.course.path("exercises", f"{topic}.py").read_text(encoding="utf-8")
        return self.stubs[topic]

    def asked_for(self, topic: str) -> set[str]:
        """The names that a submission may be asked for."""
        if topic not in self.names:
            self.names[topic] = names_of(self.stub(topic))
        return self.names[topic]

    def defined(self, source: str) -> set[str]:
        """The names that a text binds at its top."""
        return self.opener.names(source)

    def read(self, item: Item, topic: str = "") -> SubmittedFile:
        """A file's source for a topic ("": for any); of a notebook the one that its cells make."""
        name = item.path.name
        if item.read is None:
            return SubmittedFile(name, None, None, f"{name} {item.reason}", where=str(item.path))
        notebook = naming.is_notebook(name)
        cap = MAX_NOTEBOOK if notebook else MAX_SOURCE
        try:
            data = item.read(cap)
            self.opener.budget.take(len(data))
        except OSError as error:
            return SubmittedFile(name, None, None, f"{name} cannot be read: {words_of(error)}", where=str(item.path))
        if len(data) > cap:
            problem = f"{name} is larger than {cap >> 20} MB; a solution is not"
            return SubmittedFile(name, None, None, problem, where=str(item.path))
        return replace(self._understood(name, data, topic, notebook), where=str(item.path))

    def _understood(self, name: str, data: bytes, topic: str, notebook: bool) -> SubmittedFile:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        try:
            if not notebook:
                return SubmittedFile(name, decoded(data), digest)
            topics = [topic] if topic else [t.name for t in self.course.topics]
            roots = {name for t in topics for name in self.asked_for(t)}
            sifted = self.opener.notebook(data, roots, self.course.topic(topics[0]).imports)
            if len(sifted.source) > MAX_SOURCE:
                raise ValueError(f"holds more than {MAX_SOURCE >> 20} MB of code; a solution does not")
        except ValueError as error:
            words = str(error)
            return SubmittedFile(name, None, digest, f"{name} {'is ' if words.startswith('not') else ''}{words}")
        return SubmittedFile(name, sifted.source, digest, notes=sifted.notes, cells=sifted.starts)


def words_of(error: BaseException) -> str:
    """What an error says, in one short line, without the numbers and places that YAML and the system add."""
    return printable(str(getattr(error, "strerror", None) or getattr(error, "problem", None) or error), 200)
