"""What was handed in: folders, zips, single files and LMS downloads become `Submission` objects.

This module finds: from paths to trees, from trees to their layout, and one name for each submission. What a layout
means is said in `layouts`, how a student's files are read in `reading`. Nothing is executed or imported on the way.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from grader.course import Course
from grader.errors import NothingToGrade, UsageError
from grader.submissions.layouts import LAYOUTS
from grader.submissions.layouts.base import Layout
from grader.submissions.model import Found, Submission
from grader.submissions.reading import Reader, shown_name
from grader.submissions.trees import Tree, folder_tree, read_regular, zip_tree
from grader.text import name_of, printable

# --- finding submissions ---------------------------------------------------------------------------------------------


def find_submissions(paths: Path | str | Iterable[Path | str], course: Course, layout: str | None = None) -> Found:
    """Every submission under the paths, by student; raises `UsageError` or `NothingToGrade`."""
    given = [paths] if isinstance(paths, (Path, str)) else paths
    places = [Path(path) for path in given]
    finder = _Finder(course, layout)
    try:
        for path in places:
            finder.find(path)
    finally:
        finder.reader.close()
    found = finder.found
    found.submissions = _one_per_student(found)
    if not found.submissions:
        where = ", ".join(map(str, places))
        help = f"files to hand in are {_files_of(course)}, in a folder per student"
        raise NothingToGrade("no submission found", where, help, tuple(found.warnings))
    return found


def _files_of(course: Course) -> str:
    return ", ".join(f"{t.name}.py" for t in course.topics)


class _Finder:
    """Reads paths by their layout into `found`."""

    def __init__(self, course: Course, layout: str | None) -> None:
        self.course, self.layout, self.found = course, layout, Found()
        self.reader = Reader(course, self.found.warn, lambda tree: self._unwrapped(tree, packed=True))
        self.layouts = {kind.name: kind(self.reader) for kind in LAYOUTS}

    def find(self, path: Path) -> None:
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot be read: {words}", str(path), "check the spelling and the rights") from None
        if stat.S_ISDIR(mode):
            self._tree(folder_tree(path, self.found.warn), path.resolve().name, packed=False)
        elif path.suffix.lower() == ".zip" and stat.S_ISREG(mode):
            self._tree(zip_tree(path, str(path), self.found.warn), path.stem, packed=self.layout is None)
        else:
            self._single_file(path)

    def _single_file(self, path: Path) -> None:
        topic = self.reader.topic_of(PurePosixPath(path.name))
        if topic is None:
            raise UsageError("not the file of a topic", str(path), f"files of this course are {_files_of(self.course)}")
        tree = Tree(str(path.parent), lambda name, cap: read_regular(path.resolve(), cap))
        student = shown_name(path.absolute().parent.name)
        self.found.layouts.append("file")
        file = self.reader.read(tree, PurePosixPath(path.name))
        self.found.submissions.append(Submission(student, {topic: file}, origin=str(path)))

    def _tree(self, tree: Tree, name: str, packed: bool) -> None:
        if self.layout != "student":
            tree = self._unwrapped(tree, packed)
        layout = self.layouts[self.layout] if self.layout else self._layout_of(tree)
        self.found.layouts.append(layout.name)
        self.found.submissions += layout.read(tree, name)

    def _layout_of(self, tree: Tree) -> Layout:
        """What the files lie like: the first layout that matches, and the last one matches everything."""
        return next(layout for layout in self.layouts.values() if layout.matches(tree))

    def _unwrapped(self, tree: Tree, packed: bool) -> Tree:
        """Without the folder that packing put around everything; a lone student's folder goes in a zip alone."""
        parts = tree.parts()
        if len(parts) != 1 or tree.top or self.reader.is_students(tree):
            return tree
        inner = self._unwrapped(next(iter(parts.values())), packed)
        if self.reader.is_students(inner):
            return inner if packed else tree
        students = sum(self.reader.is_students(part) for part in inner.parts().values())
        return inner if students > 1 or self._layout_of(inner).name != "class" else tree


# --- one name each ---------------------------------------------------------------------------------------------------


def _one_per_student(found: Found) -> list[Submission]:
    """Sorted by student, whatever the order of input; where several claim one name, none is chosen silently.

    The folder that bears the name keeps it, else the first one; the others are listed with their folder's name.
    """
    claims = Counter(s.student for s in found.submissions)
    ordered = sorted(found.submissions, key=lambda s: (s.student, PurePosixPath(s.origin).stem != s.student, s.origin))
    taken: set[str] = set()
    result = []
    for submission in ordered:
        student = submission.student
        if claims[student] > 1:
            note = f"{claims[student]} submissions name the student '{student}'; this one is from {submission.origin}"
            name = _free_name(submission, taken | set(claims)) if student in taken else student
            found.warn(f"{note}, listed as '{name}'")
            submission = replace(submission, student=name, notes=(*submission.notes, printable(note)))
        taken.add(submission.student)
        result.append(submission)
    return sorted(result, key=lambda s: s.student)


def _free_name(submission: Submission, taken: set[str]) -> str:
    folder = name_of(PurePosixPath(submission.origin).name)
    name, number = f"{submission.student} ({folder})", 1
    while folder == submission.student or name in taken:
        number, folder = number + 1, ""
        name = f"{submission.student} ({number})"
    return name
