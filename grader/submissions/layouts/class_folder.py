"""A class: what most teachers make by hand, and what any tree is that no other layout claims."""

from __future__ import annotations

from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.reading import some
from grader.submissions.trees import Tree


class ClassFolder(Layout):
    """A folder (or a zip) per student, with or without folders around the files."""

    name = "class"

    def matches(self, tree: Tree) -> bool:
        """Always, for it is tried last."""
        return True

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each folder and zip, if any of them holds a topic's file."""
        parts = tree.parts().items()
        submissions = [self.reader.student(part, folder) for folder, part in parts if folder[0] != "."]
        zips = [p for p in tree.top if p.suffix.lower() == ".zip"]
        strays = [p for p in tree.top if p not in zips]
        if strays:
            self.reader.warn(f"{tree.where}: in no student's folder, left out: {some(strays)}")
        submissions += [self.reader.zipped(tree, path, path.stem) for path in zips]
        return submissions if any(s.files for s in submissions) else []
