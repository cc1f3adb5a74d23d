"""Several tries and folders of one student: each file counts in its newest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.submissions.selecting import some
from grader.submissions.trees import Tree


@dataclass
class Files:
    """One student's files as an LMS names them: (attempt, path in the tree) of each name that the student gave.

    `odd` and `cut` are as in a `Tree`.
    """

    newest: dict[PurePosixPath, tuple[int, PurePosixPath]] = field(default_factory=dict)
    odd: dict[PurePosixPath, str] = field(default_factory=dict)
    cut: dict[PurePosixPath, str] = field(default_factory=dict)
    passed: list[PurePosixPath] = field(default_factory=list)  # earlier tries of files that are there again

    def add(self, name: PurePosixPath, attempt: int, path: PurePosixPath) -> None:
        """Of several tries of one file the last counts."""
        known = self.newest.get(name)
        if known is not None:
            self.passed.append(known[1] if attempt > known[0] else path)
        if known is None or attempt > known[0]:
            self.newest[name] = attempt, path

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over."""
        return (f"earlier tries were passed over: {some(sorted(self.passed))}",) if self.passed else ()

    def add_folder(self, folder: str, part: Tree, attempt: int = 0, below: str = "") -> None:
        """All files of a folder, as if they lay `below` a folder of the student's."""
        for path in part.files:
            self.add(below / path, attempt, folder / path)
        self.odd.update({below / path: reason for path, reason in part.odd.items()})
        self.cut.update({below / path: reason for path, reason in part.cut.items()})

    def tree(self, tree: Tree, where: str) -> Tree:
        """The student's files under their own names."""
        part = tree.part_of({name: path for name, (_, path) in self.newest.items()}, where)
        part.attempts = {name: attempt for name, (attempt, _) in self.newest.items()}
        part.odd = {path: reason for path, reason in self.odd.items() if path not in self.newest}
        part.cut = self.cut
        return part
