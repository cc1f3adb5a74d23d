"""Moodle's download of all submissions, in folders."""

from __future__ import annotations

import re

from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.reading import named
from grader.submissions.trees import Tree

_FOLDER = re.compile(r"^(?P<student>.+?)_(?P<id>\d+)_assignsubmission_\w+$")


class Moodle(Layout):
    """`Full Name_12345_assignsubmission_file/`; the name is Moodle's, whatever a student's file says."""

    name = "moodle"

    def matches(self, tree: Tree) -> bool:
        """A folder bears a name that Moodle gives."""
        return any(_FOLDER.match(folder) for folder in tree.parts())

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission a folder; the id stays in the name, for two students may share theirs."""
        submissions = []
        for folder, part in tree.parts().items():
            match = _FOLDER.match(folder)
            student = f"{match['student']}_{match['id']}" if match else folder
            submissions.append(named(self.reader.student(part, student), student))
        return submissions
