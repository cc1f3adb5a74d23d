"""Canvas's download of all submissions: the files of a whole class in one folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from grader.submissions.layouts.attempts import Files
from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.trees import Tree

_IDS = re.compile(r"_(?P<late>LATE_)?(?=(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)$)")
_ANONYMOUS = re.compile(r"^(?P<student>anon_[A-Za-z0-9]+)_(?P<late>LATE_)?(?:\d+_)?(?P<submission>\d+)_(?P<file>.+)$")
_TEXT = re.compile(r"^(?P<student>.+?)_(?P<late>LATE_)?(?P<user>\d+)_(?P<file>text\.html)$")
LATE = "Canvas marks this submission as late, without saying how late"


@dataclass(frozen=True)
class _Named:
    """What a file's name tells."""

    student: str
    user: str
    attempt: int
    file: PurePosixPath
    late: bool


class Canvas(Layout):
    """`name_[LATE_]userid_submissionid_file.py`, all in one folder; `file-2.py` is a later try of `file.py`."""

    name, title = "canvas", "Canvas"

    def fit(self, tree: Tree) -> Fit:
        return Fit(sum(_named(p.name) is not None for p in tree.top), len(entries(tree)))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each student that the files' names tell; the name is Canvas's, whatever a file says."""
        files: dict[str, Files] = {}
        late: set[str] = set()
        keys: dict[str, str] = {}
        for path in tree.top:
            found = _named(path.name)
            if found is None:
                self.set_aside(tree, [path], "not named as Canvas names files")
                continue
            student = f"{found.student}_{found.user}" if found.user else found.student
            keys[student] = f"canvas:{found.user}" if found.user else ""
            files.setdefault(student, Files()).add(found.file, found.attempt, path)
            late |= {student} if found.late else set()
        self.set_aside(tree, [PurePosixPath(p) for p in tree.parts()], "a folder, which Canvas does not make")
        read = [(s, self.reader.of_lms(f.tree(tree, f"{tree.where}/{s}"), s)) for s, f in sorted(files.items())]
        notes = {s: files[s].notes + ((LATE,) if s in late else ()) for s in files}
        return [replace(sub, key=keys[s], flagged=s in late, notes=sub.notes + notes[s]) for s, sub in read]


def _named(name: str) -> _Named | None:
    """What the name tells, read from the right: names of people and of files may hold numbers, too.

    Submissions are numbered through a whole Canvas, so of several readings the one with the largest number is right;
    LATE stands in one place alone.
    """
    anonymous = _ANONYMOUS.match(name)
    if anonymous:
        return _made(anonymous["student"], "", anonymous["submission"], anonymous["file"], bool(anonymous["late"]))
    found = [m for m in _IDS.finditer(name) if m.start() > 0]
    if not found:
        text = _TEXT.match(name)
        return _made(text["student"], text["user"], "0", text["file"], bool(text["late"])) if text else None
    best = max(found, key=lambda m: (bool(m["late"]), int(m["submission"])))
    return _made(name[: best.start()], best["user"], best["submission"], best["file"], bool(best["late"]))


def _made(student: str, user: str, submission: str, file: str, late: bool) -> _Named:
    path = PurePosixPath(file)
    numbered = re.fullmatch(r"(.+)-(\d{1,3})", path.stem)
    attempt = (int(numbered[2]) if numbered else 0) * 10**12 + min(int(submission), 10**12 - 1)
    return _Named(student, user, attempt, path.with_stem(numbered[1]) if numbered else path, late)
