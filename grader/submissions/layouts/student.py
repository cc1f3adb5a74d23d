"""The files of one student alone."""

from __future__ import annotations

from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.trees import Tree


class StudentFolder(Layout):
    """`<topic>.py` or `<topic>.ipynb`, and `submission.yml` beside them."""

    name = "student"

    def matches(self, tree: Tree) -> bool:
        """Topic files lie at the top."""
        return self.reader.is_students(tree)

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """The one submission, under the folder's name unless `submission.yml` says another."""
        return [self.reader.student(tree, name)]
