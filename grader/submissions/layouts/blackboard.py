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

_NAME = re.compile(r"^(?P<head>.+)_attempt_(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(?:_(?P<file>.+)|(?P<about>\.txt))$")


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
        title = _title([match["head"] for match in found.values()])
        files: dict[str, Files] = {}
        times: dict[str, datetime] = {}
        for path, match in found.items():
            user, time = match["head"][len(title) :], datetime.strptime(match["time"], "%Y-%m-%d-%H-%M-%S")
            times[user] = max(time, times.get(user, time))
            files.setdefault(user, Files())
            if match["file"]:
                files[user].add(PurePosixPath(match["file"]), int(time.timestamp()), path)
        return [self._submission(tree, user, files[user], times[user]) for user in sorted(files)]

    def _submission(self, tree: Tree, user: str, files: Files, time: datetime) -> Submission:
        submission = self.reader.of_lms(files.tree(tree, f"{tree.where}/{user}"), user)
        return replace(submission, submitted=self.reader.in_course_zone(time), key=f"blackboard:{user}")


def _title(heads: list[str]) -> str:
    """The assignment's title with its underscore, which all heads begin with; a lone head is cut at its last one."""
    common = os.path.commonprefix(heads) if len(set(heads)) > 1 else heads[0] if heads else ""
    return common[: common.rfind("_") + 1]
