"""What a layout is: how files lie that were handed in together, and whose each of them is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from grader.submissions.gathering import NOT_WORK
from grader.submissions.model import Submission
from grader.submissions.reading import Reader
from grader.submissions.trees import Tree


@dataclass(frozen=True)
class Fit:
    """How many of the entries at the top lie as a layout says."""

    fits: int
    of: int

    @property
    def holds(self) -> bool:
        """Whether most do, so that no single folder decides."""
        return self.fits * 2 > self.of


class Layout(ABC):
    """One way in which submissions lie in a folder or an archive.

    A layout cuts the tree into one for each student and knows who and when; the files themselves are the reader's. An
    entry that does not fit is listed (`set_aside`), never dropped.
    """

    name: ClassVar[str]  # as `--layout` takes it and messages show it
    title: ClassVar[str] = ""  # as people call it

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @abstractmethod
    def fit(self, tree: Tree) -> Fit:
        """How many entries lie like this, by names alone."""

    @abstractmethod
    def read(self, tree: Tree, name: str) -> list[Submission]:
        """Every submission of the tree, whether it fits or was said to; `name` is the folder's or the archive's."""

    def set_aside(self, tree: Tree, paths: list[PurePosixPath], why: str) -> None:
        """Say and list what lies there and is nobody's."""
        for path in sorted(p for p in paths if p.name not in NOT_WORK):
            self.reader.found.look_at("", str(path), f"{why}; left out")


def entries(tree: Tree) -> list[str]:
    """The names of all files and folders at the top, but for metadata."""
    return [p.name for p in tree.top if p.name not in NOT_WORK] + list(tree.parts())
