"""Gradescope's export of an assignment: a folder per submission, and one file that says whose they are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

import yaml

from grader.course import plain_yaml
from grader.submissions.layouts.base import Layout
from grader.submissions.model import Submission
from grader.submissions.reading import GRADESCOPE, moment, text_of, words_of
from grader.submissions.trees import Tree
from grader.text import name_of

MAX_EXPORT = 64 << 20  # of the metadata, which holds the output of whole classes


class Gradescope(Layout):
    """`submission_NNN/` folders; `submission_metadata.yml` beside them says who and when."""

    name = "gradescope"

    def matches(self, tree: Tree) -> bool:
        """The metadata is there, or a folder that only Gradescope names so."""
        return any(p.name == GRADESCOPE for p in tree.top) or any(
            re.fullmatch(r"submission_\d+", folder) for folder in tree.parts()
        )

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission a folder, with what the metadata says of it."""
        about = self._metadata(tree)
        submissions = []
        for folder, part in tree.parts().items():
            submission = self.reader.student(part, folder)
            if folder in about:
                submission = _gradescope_says(submission, about[folder])
            submissions.append(submission)
        return submissions

    def _metadata(self, tree: Tree) -> dict[str, yaml.Node]:
        """What Gradescope says of each folder; a class is graded without it, too."""
        path = PurePosixPath(GRADESCOPE)
        if path not in tree.files:
            self.reader.warn(f"{tree.where}: no {GRADESCOPE}, so folders stand for names and no time is known")
            return {}
        try:
            text = text_of(tree.read(path, MAX_EXPORT), MAX_EXPORT)
            node = plain_yaml.compose(text, foreign=True)
            if not isinstance(node, yaml.MappingNode):
                raise ValueError("it is not a list of submissions")
        except (OSError, ValueError) as error:
            self.reader.warn(f"{tree.where}/{path}: {words_of(error)}; folders stand for names and no time is known")
            return {}
        return {str(key.value): value for key, value in node.value}


def _gradescope_says(submission: Submission, node: yaml.Node) -> Submission:
    """Student (the id of the course, else the address, else the name), time and members, as Gradescope knows them."""
    about = _symbols(node)
    people = [_symbols(p) for p in about[":submitters"].value] if ":submitters" in about else []
    for person in people[:1]:
        known = [_one_or_none(person.get(key)) for key in (":sid", ":email", ":name")]
        submission = replace(submission, student=next((n for n in known if n), submission.student))
    names = [_one_or_none(p.get(":name")) for p in people]
    submission = replace(submission, members=tuple(n for n in names if n), submitted=None)
    try:
        return replace(submission, submitted=moment(about[":created_at"])) if ":created_at" in about else submission
    except ValueError as error:
        return replace(submission, notes=(*submission.notes, f"{GRADESCOPE}: {words_of(error)}"))


def _symbols(node: yaml.Node) -> dict[str, yaml.Node]:
    return {str(k.value): v for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}


def _one_or_none(node: yaml.Node | None) -> str | None:
    return name_of(node.value) or None if isinstance(node, yaml.ScalarNode) else None
