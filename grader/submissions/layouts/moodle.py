"""Moodle's download of all submissions, in folders or flat."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from grader.submissions.layouts.attempts import Files
from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.trees import Tree

_NAME = re.compile(r"^(?P<student>.+?)_(?P<id>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)$")


class Moodle(Layout):
    """`Full Name_12345_assignsubmission_file/`, or files of such names; all of one number is one student's."""

    name, title = "moodle", "Moodle"

    def fit(self, tree: Tree) -> Fit:
        return Fit(sum(_NAME.match(name) is not None for name in entries(tree)), len(entries(tree)))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission a number; the number stays in the name, for two students may share theirs.

        It is another one in each assignment, so downloads are joined by the full name, where that is safe.
        """
        files: dict[str, Files] = {}
        full: dict[str, str] = {}
        for path in tree.top:
            match = _NAME.match(path.name)
            if match is None or not match["file"]:
                self.set_aside(tree, [path], "not named as Moodle names files")
                continue
            full[_student(match)] = match["student"]
            files.setdefault(_student(match), Files()).add(PurePosixPath(match["file"]), 0, path)
        for folder, part in tree.parts().items():
            match = _NAME.match(folder)
            student = _student(match) if match else folder
            full[student] = match["student"] if match else ""
            below = match["kind"] if match and match["kind"] != "file" else ""  # texts never take a file's place
            files.setdefault(student, Files()).add_folder(folder, part, below=below)
        return [self._submission(tree, s, files[s], full[s]) for s in sorted(files)]

    def _submission(self, tree: Tree, student: str, files: Files, full: str) -> Submission:
        return replace(self.reader.of_lms(files.tree(tree, f"{tree.where}/{student}"), student), full_name=full)


def _student(match: re.Match[str]) -> str:
    return f"{match['student']}_{match['id']}"
