"""The `submitted` folder of an nbgrader course, or what lies in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from grader.course import times
from grader.submissions.gathering import STAMP
from grader.submissions.layouts.base import Fit, Layout
from grader.submissions.model import Submission
from grader.submissions.reading import text_of
from grader.submissions.sources import words_of
from grader.submissions.trees import Tree


class NbgraderCourse(Layout):
    """`submitted/<student>/<assignment>/<topic>.ipynb`, with `timestamp.txt` beside it."""

    name, title = "nbgrader", "nbgrader"

    def fit(self, tree: Tree) -> Fit:
        """The students who have handed in as nbgrader stores it, of all who have handed in at all."""
        return self._fit(self._submitted(tree))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission a student, with a time for each assignment; nbgrader knows who, whatever a file says."""
        submissions = []
        submitted = self._submitted(tree)
        for student, part in submitted.parts().items():
            submission = self.reader.of_lms(part, student)
            submissions.append(replace(submission, times=self._stamps(part, submission), key=f"nbgrader:{student}"))
        self.set_aside(submitted, submitted.top, "in no student's folder")
        return submissions

    def _submitted(self, tree: Tree) -> Tree:
        """The `submitted` folder where it is nbgrader's, else the tree: a student may bear that name, too."""
        folder = tree.parts().get("submitted")
        return folder if folder is not None and self._fit(folder).holds else tree

    def _fit(self, tree: Tree) -> Fit:
        parts = [part for part in tree.parts().values() if part.files]
        return Fit(sum(map(self._is_nbgraders, parts)), len(parts) + len(tree.top))

    def _is_nbgraders(self, student: Tree) -> bool:
        """Folders <assignment>/ with a timestamp, or with a topic's notebook of the very name."""
        stamped = {p.parent for p in student.files if p.name == STAMP}
        return any(len(folder.parts) == 1 for folder in stamped) or any(
            len(p.parts) == 2 and p.suffix == ".ipynb" and self.reader.topic_of(p)
            and p.parts[0] == p.stem
            for p in student.files
        )  # fmt: skip

    def _stamps(self, tree: Tree, submission: Submission) -> dict[str, datetime]:
        """The time of each topic, from the `timestamp.txt` of its assignment."""
        known = {}
        for path in [p for p in tree.files if p.name == STAMP]:
            try:
                time = times.read_timestamp(text_of(tree.read(path, 1000), 1000))
            except (OSError, ValueError) as error:
                self.reader.warn(f"{tree.where}/{path}: {words_of(error)}; no time is known")
                continue
            here = [t for t, f in submission.files.items() if PurePosixPath(f.where).parent == path.parent]
            known.update(dict.fromkeys(here, time.time))
            if time.note:
                self.reader.warn(f"{tree.where}/{path}: {time.note}")
        return known
