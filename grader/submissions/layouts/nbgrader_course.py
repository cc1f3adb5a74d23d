"""The `submitted` folder of an nbgrader course, or what lies in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from grader.course import plain_yaml
from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.reading import STAMP, named, text_of, words_of
from grader.submissions.trees import Tree


class NbgraderCourse(Layout):
    """`submitted/<student>/<assignment>/<topic>.ipynb`, with `timestamp.txt` beside it."""

    name = "nbgrader"

    def matches(self, tree: Tree) -> bool:
        """The tree is a course with such a folder, or is the folder itself."""
        return self._holds(self._submitted(tree))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission a student, with a time for each assignment; nbgrader knows who, whatever a file says."""
        submissions = []
        for student, part in self._submitted(tree).parts().items():
            submission = named(self.reader.folder(part, student), student)
            submissions.append(replace(submission, times=self._stamps(part, submission)))
        return submissions

    def _submitted(self, tree: Tree) -> Tree:
        """The `submitted` folder where it is nbgrader's, else the tree: a student may bear that name, too."""
        folder = tree.parts().get("submitted")
        return folder if folder is not None and self._holds(folder) else tree

    def _holds(self, tree: Tree) -> bool:
        """Folders <student>/<assignment>/<topic>.ipynb, where a timestamp or the assignment's name tells nbgrader's."""
        stamped = {p.parent for p in tree.files if p.name == STAMP}
        return any(
            len(p.parts) == 3 and self.reader.topic_of(p) and (p.parts[1] == p.stem or p.parent in stamped)
            for p in tree.files
        )

    def _stamps(self, tree: Tree, submission: Submission) -> dict[str, datetime]:
        """The time of each topic, from the `timestamp.txt` of its assignment."""
        times = {}
        for path in [p for p in tree.files if p.name == STAMP]:
            try:
                time = plain_yaml.time_of(text_of(tree.read(path, 1000), 1000))
            except (OSError, ValueError) as error:
                self.reader.warn(f"{tree.where}/{path}: {words_of(error)}; no time is known")
                continue
            here = [self.reader.topic_of(p) for p in tree.files if p.parent == path.parent]
            times.update({topic: time for topic in here if topic and topic in submission.files})
        return times
