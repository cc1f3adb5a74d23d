"""The files of one student alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from grader.submissions import naming
from grader.submissions.gathering import OWN
from grader.submissions.layouts.base import Fit, Layout
from grader.submissions.model import Submission
from grader.submissions.reading import Reader, shown_name
from grader.submissions.selecting import some
from grader.submissions.trees import Tree

MANY_ARCHIVES = 3  # in one folder, which are no longer the tries of one student
_WORK = re.compile(
    r"^(week|wk|hw|homework|assignment|assign|assgn|lab|ex|exercise|exercises|sheet|problem|problemset|pset|ps|task|unit|"
    r"topic|part|version|module|lesson|day|project|proj|attempt|try|submission|chapter|ch|blatt|aufgabe|uebung|übung|lecture)"
    r"[ _.-]*\d+([ _.-].*)?$",
    re.I,
)
_OTHER = re.compile(
    r"^(submit|submission|submissions|src|code|source|exercises?|solutions?|tests?|notebooks?|work|homework|final|old|"
    r"backups?|drafts?|bak|archive|data|docs?|lib|utils|examples?|hidden|public|scratch|tmp|temp|\..*|_.*)$",
    re.I,
)


class StudentFolder(Layout):
    """`<topic>.py` or `<topic>.ipynb`, and `submission.yml` beside them; or a folder for each week."""

    name, title = "student", "one student"

    def fit(self, tree: Tree) -> Fit:
        """One student's, or not at all."""
        return Fit(1 if _is_one_student(tree, self.reader) else 0, 1)

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """The one submission, under the folder's name unless `submission.yml` says another."""
        submission = self.reader.student(tree, name)
        self._look_for_others(tree, submission)
        if not submission.claimed:
            return [submission]
        return [replace(submission, student=shown_name(submission.claimed), claimed="")]

    def _look_for_others(self, tree: Tree, submission: Submission) -> None:
        """List what may be several students' files, named after them: `ann_optimizers.py`, `bob_optimizers.py`."""
        signed: dict[str, list[PurePosixPath]] = {}
        for path in tree.top:
            topic, stem = self.reader.topic_of(path), naming.without_suffix(path.name)
            if topic and stem and self.reader.names.signed(stem):
                signed.setdefault(topic, []).append(path)
        for paths in signed.values():
            if len(paths) > 1:
                why = "may be of several students; a folder for each tells them apart"
                self.reader.found.look_at(submission.student, some(paths), why, submission.origin)


def _is_one_student(tree: Tree, reader: Reader) -> bool:
    """Topic files at the top, or folders that are a student's own: weeks, topics, src, submit, exercises."""
    parts = tree.parts()
    others = [f for f, part in parts.items() if has_work(part, reader) and not is_students_own(f, reader)]
    if any(p.name == OWN for p in tree.top):
        return True
    if reader.is_students(tree):
        return len(others) < 2
    own = [f for f, part in parts.items() if has_work(part, reader) and is_students_own(f, reader)]
    archives = [p for p in tree.top if reader.is_work(p)]
    named = [p for p in archives if not is_students_own(p.name.split(".")[0], reader)]
    if others or named or _are_people([*own, *(p.name.split(".")[0] for p in archives)], reader):
        return False
    return bool(own or archives) and not _holds_students(own, parts, reader)


def _are_people(entries: list[str], reader: Reader) -> bool:
    """Whether entries bear names of people beside a topic's: `ann_optimizers.zip`, `bob_optimizers.zip`."""
    signed = [t for name in entries if (t := reader.names.within(name)) and reader.names.signed(name)]
    return len(signed) > len(set(signed))


def _holds_students(folders: list[str], parts: dict[str, Tree], reader: Reader) -> bool:
    """Whether the folders of weeks or assignments hold folders of students."""
    return any(people_in(parts[folder], reader) for folder in folders)


def people_in(tree: Tree, reader: Reader) -> list[str]:
    """The folders and archives in a section's or a week's folder that are students', if it is one.

    Files of topics or a lone archive beside them say that all of it is one student's.
    """
    holding = [folder for folder, part in tree.parts().items() if not is_students_own(folder, reader)]
    folders = [folder for folder in holding if _has_close_work(tree.parts()[folder], reader)]
    packed = [p.name for p in tree.top if naming.is_archive(p.name)]
    archives = [name for name in packed if not is_students_own(name.split(".")[0], reader)]
    if reader.is_students(tree) or len(archives) < len(packed) or len(folders) + len(archives) < (2 if packed else 1):
        return []
    return folders + archives if folders or len(archives) >= MANY_ARCHIVES else []


def may_be_one_student(tree: Tree, name: str, reader: Reader) -> bool:
    """Whether a folder that was given beside others holds no more than one folder or archive that may be a person's."""
    parts = {f: part for f, part in tree.parts().items() if has_work(part, reader)}
    archives = [p.name.split(".")[0] for p in tree.top if naming.is_archive(p.name)]
    people = [entry for entry in (*parts, *archives) if not is_students_own(entry, reader)]
    is_section = any(len(people_in(part, reader)) > 1 for part in parts.values())
    return len(people) < 2 and not is_assignment(name, reader) and not is_section


def has_direct_work(tree: Tree, reader: Reader) -> bool:
    """Whether files of topics, archives or a `submission.yml` lie at the top or in `submit/`."""
    entries = [*tree.files, *tree.odd]
    close = [p for p in entries if len(p.parts) == 1 or (len(p.parts) == 2 and p.parts[0].lower() == "submit")]
    return any(p.name == OWN or reader.is_work(p) for p in close)


def _has_close_work(tree: Tree, reader: Reader) -> bool:
    """Direct work, or below nothing but weeks, versions and what else a student's own folders are called."""
    own = (part for folder, part in tree.parts().items() if is_students_own(folder, reader))
    return has_direct_work(tree, reader) or any(_has_close_work(part, reader) for part in own)


def has_work(tree: Tree, reader: Reader) -> bool:
    """Whether a file of a topic, or an archive, lies anywhere in it."""
    return any(reader.is_work(p) for p in (*tree.files, *tree.odd))


def is_students_own(folder: str, reader: Reader) -> bool:
    """Whether a folder's name is one that a student gives within the own work, and no person's."""
    return is_assignment(folder, reader) or _OTHER.match(folder) is not None


def is_assignment(folder: str, reader: Reader) -> bool:
    """Whether a folder's name is that of a week, an assignment or a topic."""
    return _WORK.match(folder) is not None or reader.names.within(folder) is not None
