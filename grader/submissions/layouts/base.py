"""What a layout is: how files lie that were handed in together, and whose each of them is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from grader.submissions.model import Submission
from grader.submissions.reading import Reader
from grader.submissions.trees import Tree


class Layout(ABC):
    """One way in which submissions lie in a folder or a zip.

    A layout cuts the tree into one for each student and knows who and when; the files themselves are the reader's.
    """

    name: ClassVar[str]  # as `--layout` takes it and messages show it

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @abstractmethod
    def matches(self, tree: Tree) -> bool:
        """Whether the tree lies like this, by names alone; layouts before this one have said no."""

    @abstractmethod
    def read(self, tree: Tree, name: str) -> list[Submission]:
        """Every submission of the tree, whether it matches or was said to; `name` is the folder's or the zip's."""
