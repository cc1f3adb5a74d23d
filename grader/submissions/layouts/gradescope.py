"""Gradescope's export of an assignment: a folder per submission, and one file that says whose they are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from grader.submissions.gathering import GRADESCOPE
from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.reading import moment
from grader.submissions.sources import words_of
from grader.submissions.trees import Tree
from grader.text import name_of

MAX_EXPORT = 64 << 20  # of the metadata, which holds the output of whole classes
_METADATA = (GRADESCOPE, "submission_metadata.yaml", "submission_metadata.json")


class Gradescope(Layout):
    """`submission_NNN/` folders; `submission_metadata.yml` beside them says who and when."""

    name, title = "gradescope", "Gradescope"

    def fit(self, tree: Tree) -> Fit:
        folders = [f for f in tree.parts() if re.fullmatch(r"submission_\d+", f)]
        return Fit(len(folders), len([e for e in entries(tree) if e not in _METADATA]))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each person of each folder: a group's work is everybody's."""
        about = self._metadata(tree)
        submissions = []
        for folder, part in tree.parts().items():
            submission = self.reader.of_lms(part, folder)
            submissions += _of_everybody(submission, about[folder]) if folder in about else [submission]
        self.set_aside(tree, [p for p in tree.top if p.name not in _METADATA], "in no folder of a submission")
        return submissions

    def _metadata(self, tree: Tree) -> dict[str, Any]:
        """What Gradescope says of each folder; a class is graded without it, too."""
        path = _metadata_of(tree)
        if path is None:
            self.reader.warn(f"{tree.where}: no {GRADESCOPE}, so folders stand for names and no time is known")
            return {}
        try:
            data = tree.read(path, MAX_EXPORT)
            if len(data) > MAX_EXPORT:
                raise ValueError(f"larger than {MAX_EXPORT >> 20} MB")
            self.reader.opener.renew()
            return self.reader.opener.metadata("gradescope", data)
        except (OSError, ValueError) as error:
            self.reader.warn(f"{tree.where}/{path}: {words_of(error)}; folders stand for names and no time is known")
            return {}


def has_metadata(tree: Tree) -> bool:
    """Whether Gradescope's list of submissions lies there."""
    return _metadata_of(tree) is not None


def _metadata_of(tree: Tree) -> PurePosixPath | None:
    return next((PurePosixPath(n) for n in _METADATA if PurePosixPath(n) in tree.files), None)


def _of_everybody(submission: Submission, about: dict[str, Any]) -> list[Submission]:
    """Each submitter's row: the id of the course, else the address, else the name."""
    submission = _timed(submission, str(about["created"]))
    people = [[name_of(str(text)) for text in person] for person in about["people"]]
    if not people:
        return [submission]
    members = tuple(name or address or number for number, address, name in people)
    made = []
    for number, address, name in people:
        known = number or address or name
        key = f"gradescope:{number or address}" if number or address else ""
        made.append(replace(submission, student=known, members=members if len(people) > 1 else (), key=key))
    return made


def _timed(submission: Submission, created: str) -> Submission:
    if not created:
        return submission
    try:
        read = moment(created)
        notes = (*submission.notes, read.note) if read.note else submission.notes
        return replace(submission, submitted=read.time, notes=notes)
    except ValueError as error:
        return replace(submission, notes=(*submission.notes, f"{GRADESCOPE}: {words_of(error)}"))
