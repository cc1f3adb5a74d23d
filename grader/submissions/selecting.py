"""Which of a student's files counts for each topic; what was passed over is said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from grader.course import Course
from grader.submissions import naming
from grader.submissions.model import Found, SubmittedFile
from grader.submissions.sources import FileReader, Item
from grader.text import printable

MAX_CANDIDATES, MAX_LOOKED_AT = 20, 30  # files of a topic's name that are read; others that are looked at


@dataclass
class Selection:
    """The choice of one student's files; who it is, is told for `unread.csv`."""

    course: Course
    reader: FileReader
    names: naming.TopicNames
    found: Found
    student: str
    origin: str  # where the student's files lie
    files: dict[str, SubmittedFile] = field(default_factory=dict)
    left: list[Item] = field(default_factory=list)

    def choose(self, items: list[Item]) -> None:
        """Fill `files` with the file of each topic, and `left` with those that are none."""
        candidates: dict[str, list[Item]] = {}
        for item in items:
            topic = self.names.exact(item.path) or self.names.near(item.path)
            if topic is None or len(candidates.setdefault(topic, [])) >= MAX_CANDIDATES:
                self._leave([item])
            else:
                candidates[topic].append(item)
        for topic in (t.name for t in self.course.topics if t.name in candidates):
            chosen = self._chosen(topic, candidates[topic])
            if chosen is not None:
                self.files[topic] = chosen

    def _leave(self, items: list[Item]) -> None:
        self.left += [item for item in items if item.read is not None]

    def _chosen(self, topic: str, items: list[Item]) -> SubmittedFile | None:
        """The file that counts for a topic; the others are left."""
        usable = [item for item in items if self._may_be(topic, item, alone=len(items) == 1)]
        readable = sorted((i for i in usable if i.source is not None), key=lambda i: self._rank(topic, i))
        if not readable:
            broken = sorted(usable, key=lambda i: (self.names.exact(i.path) is None, len(i.path.parts), i.path))
            self._leave([i for i in items if i not in broken[:1]])
            return self._unreadable(broken)
        best = readable[0]
        tied = [i for i in readable if self._rank(topic, i)[:-1] == self._rank(topic, best)[:-1]]
        if len({i.file.digest for i in tied if i.file}) > 1:
            self._leave([i for i in items if i not in tied])
            return self._tie(topic, tied)
        self._leave([i for i in items if i is not best])
        return self._noted(topic, best, items)

    def _may_be(self, topic: str, item: Item, alone: bool) -> bool:
        """Whether a file counts for a topic: of its very name, or defining something that the topic asks for."""
        item.file = self.reader.read(item, topic)
        exact = self.names.exact(item.path) is not None
        if item.file.source is None or (exact and alone):
            return exact or naming.is_code(item.path.name)
        return exact or bool(self.reader.defined(item.file.source) & self.reader.asked_for(topic))

    def _rank(self, topic: str, item: Item) -> tuple[object, ...]:
        """What comes first counts; the path alone decides nothing."""
        path = item.path
        return (
            _squeezed(item.source or "") == _squeezed(self.reader.stub(topic)),
            naming.comes_last(path),
            -item.attempt,
            self.names.exact(path) is None,
            not any(part.lower() == "submit" for part in path.parts[:-1]),
            len(path.parts),
            naming.is_notebook(path.name),
            str(path),
        )

    def _noted(self, topic: str, best: Item, items: list[Item]) -> SubmittedFile:
        """The file, with a note where another one might have been meant."""
        assert best.file is not None
        if self.names.exact(best.path) is not None and len(items) == 1:
            return best.file
        note = f"{topic} is graded from '{printable(str(best.path), 120)}'"
        return replace(best.file, notes=(*best.file.notes, note))

    def _tie(self, topic: str, tied: list[Item]) -> SubmittedFile:
        names = some([i.path for i in tied])
        words = f"could not be chosen: {names} may all be {topic}; keep one of them, or name it {topic}.py"
        self._look_at(names, f"which of them is {topic} cannot be told")
        return SubmittedFile(f"{topic}.py", None, None, f"{topic}.py {words}")

    def _look_at(self, what: str, why: str) -> None:
        self.found.look_at(self.student, what, why, self.origin)

    def _unreadable(self, broken: list[Item]) -> SubmittedFile | None:
        """What cannot be read, or None where the policy takes it for nothing."""
        if not broken or broken[0].file is None:
            return None
        self._look_at(str(broken[0].path), broken[0].file.problem)
        return None if self.course.policy.unreadable == "zero" else broken[0].file

    def block(self, closed: list[tuple[str, str]], topics: list[str]) -> None:
        """What could not be looked into may hold any of the topics that was not found."""
        for path, reason in closed:
            self._look_at(path, reason)
        if not closed or self.course.policy.unreadable == "zero":
            return
        path, reason = closed[0]
        name = PurePosixPath(path).name or path
        for topic in topics:
            self.files.setdefault(topic, SubmittedFile(name, None, None, printable(f"{name} {reason}")))

    def list_left(self) -> None:
        """For `unread.csv`: what looks like work of a topic that was not found, and who has handed in nothing else."""
        work = self._looks_like_work()
        for item, topic in work:
            why = f"looks like {topic}, by the names that it defines, and is not graded"
            self._look_at(str(item.path), why)
        if not self.files and self.left and not work:
            self._look_at(some([i.path for i in self.left]), "no file is a topic's")

    def _looks_like_work(self) -> list[tuple[Item, str]]:
        missing = [t.name for t in self.course.topics if t.name not in self.files]
        likely = [i for i in self.left if naming.is_code(i.path.name) and not naming.is_check(i.path)]
        found = []
        for item in likely[:MAX_LOOKED_AT] if missing else []:
            source = item.source if item.file else self.reader.read(item).source
            names = self.reader.defined(source) if source else set()
            topic = max(missing, key=lambda t: len(names & self.reader.asked_for(t)))
            if names & self.reader.asked_for(topic):
                found.append((item, topic))
        return found


def _squeezed(text: str) -> str:
    return "".join(text.split())


def some(paths: list[PurePosixPath]) -> str:
    """The first few of many paths, and how many more there are."""
    shown = ", ".join(printable(str(p), 80) for p in paths[:5])
    return shown + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
