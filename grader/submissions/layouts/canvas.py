"""Canvas's download of all submissions: the files of a whole class in one folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.reading import named
from grader.submissions.trees import Tree

_FILE = re.compile(r"^(?P<student>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)$")
_LATE = "Canvas marks this submission as late, without saying how late"


class Canvas(Layout):
    """`name_[LATE_]userid_submissionid_file.py`, all in one folder; `file-2.py` is a later try of `file.py`."""

    name = "canvas"

    def matches(self, tree: Tree) -> bool:
        """A file bears a name that Canvas gives."""
        return any(_FILE.match(p.name) for p in tree.top)

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each student that the files' names tell; the name is Canvas's, whatever a file says."""
        names, late = self._by_student(tree)
        submissions = []
        for student, files in sorted(names.items()):
            part = _part_of(tree, files, f"{tree.where}/{student}")
            submission = named(self.reader.student(part, student), student)
            notes = (_LATE,) if student in late else ()
            submissions.append(replace(submission, notes=submission.notes + notes))
        return submissions

    def _by_student(self, tree: Tree) -> tuple[dict[str, dict[PurePosixPath, PurePosixPath]], set[str]]:
        """The files of each student, by the name that the student gave; and who is marked as late."""
        names: dict[str, dict[PurePosixPath, PurePosixPath]] = {}
        late: set[str] = set()
        for path in tree.top:
            match = _FILE.match(path.name)
            if match is None:
                self.reader.warn(f"{tree.where}/{path}: not named as Canvas names files; left out")
                continue
            student = f"{match['student']}_{match['user']}"
            names.setdefault(student, {})[PurePosixPath(match["file"])] = path
            if match["late"]:
                late.add(student)
        return names, late


def _part_of(tree: Tree, files: dict[PurePosixPath, PurePosixPath], where: str) -> Tree:
    """A tree of one student's files under the names that the student gave them; of several tries, the last."""
    latest: dict[PurePosixPath, tuple[int, PurePosixPath]] = {}
    for file, path in files.items():
        numbered = re.fullmatch(r"(.+)-(\d{1,3})", file.stem)
        plain = file.with_stem(numbered[1]) if numbered else file
        attempt = int(numbered[2]) if numbered else 0
        if attempt >= latest.get(plain, (0, path))[0]:
            latest[plain] = attempt, path
    return Tree(where, lambda path, cap: tree.read(latest[path][1], cap), sorted(latest))
