"""All files of one student, those in archives within archives too."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from grader.submissions import naming
from grader.submissions.ipynb import HANDED_OUT
from grader.submissions.opener import Opener
from grader.submissions.sources import Item, words_of
from grader.submissions.trees import Tree, Warn, archive_tree

MAX_ARCHIVE = 64 << 20  # bytes of one archive of a student
ARCHIVE_DEPTH, MAX_ARCHIVES = 3, 20  # archives within archives; of one student
OWN, GRADESCOPE, STAMP = "submission.yml", "submission_metadata.yml", "timestamp.txt"
HERE = PurePosixPath()
NOT_WORK = (OWN, GRADESCOPE, STAMP, HANDED_OUT)


@dataclass
class Gathering:
    """Files of a student as they are found; `closed` holds what could not be looked into, with the reason."""

    opener: Opener
    encoding: str | None
    warn: Warn
    items: list[Item] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)
    archives: int = 0

    def add(self, tree: Tree, inside: PurePosixPath = HERE, depth: int = 0) -> None:
        """Everything in a tree, which lies `inside` archives."""
        for path in tree.files:
            if naming.is_archive(path.name):
                self._add_archive(tree, path, inside, depth)
            elif path.name not in NOT_WORK:
                attempt = tree.attempts.get(path, naming.attempt_of(inside / path))
                self.items.append(Item(inside / path, _reading(tree, path), attempt=attempt))
        self.items += [Item(inside / path, None, reason) for path, reason in sorted(tree.odd.items())]
        for path, reason in tree.cut.items():
            at = inside / path
            self.closed.append((str(at) if at.parts else PurePosixPath(tree.where).name, reason))

    def _add_archive(self, tree: Tree, path: PurePosixPath, inside: PurePosixPath, depth: int) -> None:
        self.archives += 1
        try:
            if depth >= ARCHIVE_DEPTH or self.archives > MAX_ARCHIVES:
                raise ValueError("is one archive too many, or too deep in others, and was not opened")
            data = tree.read(path, MAX_ARCHIVE)
            self.opener.budget.take(len(data))
            if len(data) > MAX_ARCHIVE:
                raise ValueError(f"is larger than {MAX_ARCHIVE >> 20} MB")
            archive = self.opener.archive(io.BytesIO(data), path.name, self.encoding)
        except (OSError, ValueError) as error:
            self.closed.append((str(inside / path), words_of(error)))
            return
        self.add(archive_tree(archive, f"{tree.where}/{path}", self.warn), inside / path, depth + 1)


def _reading(tree: Tree, path: PurePosixPath) -> Callable[[int], bytes]:
    return lambda cap: tree.read(path, cap)
