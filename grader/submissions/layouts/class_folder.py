"""A class: what most teachers make by hand, and what any tree is that no other layout claims."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath

from grader.submissions import naming
from grader.submissions.layouts.base import Fit, Layout
from grader.submissions.layouts.student import has_direct_work, has_work, is_assignment, is_students_own, people_in
from grader.submissions.model import Submission
from grader.submissions.reading import Reader
from grader.submissions.trees import Tree

_SECTION = re.compile(
    r"^(section|sect?|tutorial|tut|tutorium|class|course|kurs|group|grp|gruppe|lab ?group|seminar|cohort|recitation|"
    r"übungsgruppe|stream|block)[ _.-]*\w{0,12}$|^(submitted files|submitted|submissions|abgaben)$",
    re.I,
)
_REPORTS = ("results.json", "scores.csv", "unread.csv")


class ClassFolder(Layout):
    """A folder or an archive per student, with or without folders around the files, sections or weeks above them."""

    name, title = "class", "class"

    def fit(self, tree: Tree) -> Fit:
        """Every tree is one; the figures tell how many of its entries hold work."""
        parts = tree.parts()
        archives = [p for p in tree.top if naming.is_archive(p.name)]
        fits = sum(has_work(part, self.reader) for part in parts.values()) + len(archives)
        return Fit(fits, len(parts) + len(tree.top))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each folder and archive, if any of them holds a file of work."""
        submissions = self._read(tree, "")
        return submissions if any(s.files for s in submissions) else []

    def _read(self, tree: Tree, above: str) -> list[Submission]:
        parts = {f: p for f, p in tree.parts().items() if f[0] != "." and not self._is_report(tree, f, p)}
        if "Submitted files" in parts and parts.pop("Working files", None) is not None:
            self.set_aside(tree, [PurePosixPath("Working files")], "not handed in yet, as Teams packs it")
        archives = [p for p in tree.top if naming.is_archive(p.name)]
        self.set_aside(tree, [p for p in tree.top if p not in archives], "in no student's folder")
        submissions: list[Submission] = []
        for folder, part in parts.items():
            if self._holds_students(folder, part, parts):
                submissions += self._read(part, f"{above}{folder}/")
            else:
                submissions.append(self._placed(self.reader.student(part, folder), folder, above))
        for path in archives:
            alone = tree.part_of({path: path}, f"{tree.where}/{path}")
            student = path.name.split(".")[0] if path.name.lower().endswith((".tar.gz", ".tar.xz")) else path.stem
            submissions.append(self._placed(self.reader.student(alone, student), student, above))
        return submissions

    def _placed(self, submission: Submission, folder: str, above: str) -> Submission:
        """Below weeks or assignments one name is one student; below sections it need not be."""
        if not above:
            return submission
        levels = above.rstrip("/").split("/")
        key = f"folder:{folder}" if all(is_assignment(level, self.reader) for level in levels) else ""
        return replace(submission, key=key, notes=(*submission.notes, f"in {above.rstrip('/')}"))

    def _holds_students(self, folder: str, part: Tree, parts: dict[str, Tree]) -> bool:
        """Whether a folder is a section, a week or an assignment with students below it."""
        students = people_in(part, self.reader)
        if not students:
            return False
        if _SECTION.match(folder) or is_assignment(folder, self.reader):
            return True
        if len(parts) < 2 or any(has_direct_work(p, self.reader) for p in parts.values()):
            return False
        return any(_most_of_a_topic(people_in(p, self.reader), p, self.reader) > 1 for p in parts.values())

    def _is_report(self, tree: Tree, folder: str, part: Tree) -> bool:
        """Reports of an earlier run, which are nobody's work."""
        found = any(PurePosixPath(n) in part.files for n in _REPORTS) and not has_work(part, self.reader)
        if found:
            self.reader.warn(f"{tree.where}/{folder}: reports of an earlier run; no student")
        return found


def is_class(tree: Tree, name: str, reader: Reader, alone: bool) -> bool:
    """Whether what lies in an archive are the folders or archives of several students, and no student's own.

    One that bears no section's or assignment's name is so only where three of its folders hold one topic, or two of an
    archive that lies there alone: a student may keep a copy.
    """
    people = people_in(tree, reader)
    if len(people) < 2:
        return False
    said = _SECTION.match(name) is not None or is_students_own(name, reader)
    packed = sum(naming.is_archive(person) for person in people)
    return said or (alone and packed > 1) or _most_of_a_topic(people, tree, reader) >= (2 if alone else 3)


def _most_of_a_topic(people: list[str], tree: Tree, reader: Reader) -> int:
    """The number of the folders that hold the topic that most of them hold."""
    parts = tree.parts()
    topics = [{reader.topic_of(path) for path in parts[person].files} - {None} for person in people if person in parts]
    return max(Counter(topic for each in topics for topic in each).values(), default=0)
