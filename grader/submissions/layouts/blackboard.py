"""Blackboard's download of an assignment: the files of a whole class in one folder."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from grader.submissions.layouts.attempts import Files
from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.trees import Tree

_NAME = re.compile(
    r"^(?P<head>.+)_attempt_(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(?:_(?P<file>.+)|(?P<about>\.txt))$"
)


class Blackboard(Layout):
    """`Assignment_user_attempt_2026-11-20-10-15-30_file.py`; of several attempts the newest counts."""

    name, title = "blackboard", "Blackboard"

    def fit(self, tree: Tree) -> Fit:
        return Fit(sum(_NAME.match(p.name) is not None for p in tree.top), len(entries(tree)))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each user; the time is that of the newest attempt, in the zone of the course."""
        found = {path: match for path in tree.top if (match := _NAME.match(path.name))}
        self.set_aside(tree, [p for p in tree.top if p not in found], "not named as Blackboard names files")
        self.set_aside(tree, [PurePosixPath(p) for p in tree.parts()], "a folder, which Blackboard does not make")
        said = {match["head"]: self._user(tree, path) for path, match in found.items() if match["about"]}
        title = _title([match["head"] for match in found.values()], said)
        files: dict[str, Files] = {}
        times: dict[str, datetime] = {}
        for path, match in found.items():
            user, time = match["head"][len(title) :], datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S")
            times[user] = max(time, times.get(user, time))
            files.setdefault(user, Files())
            if match["file"]:
                files[user].add(PurePosixPath(match["file"]), int(time.timestamp()), path)
        return [self._submission(tree, user, files[user], times[user]) for user in sorted(files)]

    def _user(self, tree: Tree, path: PurePosixPath) -> str:
        """The user that Blackboard's own text about an attempt names in its first line: `Name: Jane Doe (jdoe)`."""
        try:
            line = tree.read(path, 1000)[:1000].decode("utf-8-sig", "replace").partition("\n")[0]
        except OSError:
            return ""
        named = re.search(r"\(([^()]+)\)\s*$", line)
        return named[1] if named else ""

    def _submission(self, tree: Tree, user: str, files: Files, time: datetime) -> Submission:
        submission = self.reader.of_lms(files.tree(tree, f"{tree.where}/{user}"), user)
        when, notes = self.reader.in_course_zone(time), submission.notes + files.notes
        return replace(submission, notes=notes, submitted=when, key=f"blackboard:{user}")


def _title(heads: list[str], users: dict[str, str]) -> str:
    """The assignment's title with its underscore, which all heads begin with.

    The `users` that are known end their heads; without any it is what is common, and a lone head is cut at its last
    underscore.
    """
    for head, user in users.items():
        title = head.removesuffix(user) if user else ""
        if title.endswith("_") and title != head and all(h.startswith(title) and h != title for h in heads):
            return title
    common = os.path.commonprefix(heads) if len(set(heads)) > 1 else heads[0] if heads else ""
    return common[: common.rfind("_") + 1]
