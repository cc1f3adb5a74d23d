"""Brightspace's (D2L's) download of an assignment: a folder per attempt, or flat."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from grader.submissions.layouts.attempts import Files
from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.trees import Tree

_NAME = re.compile(
    r"^(?P<user>\d+)-(?P<box>\d+) - (?P<student>.+?) - "
    r"(?P<month>[A-Z][a-z]+)\.? (?P<day>\d{1,2}),? (?P<year>\d{4}) (?P<hour>\d{1,2}):?(?P<minute>\d\d) ?(?P<half>[AP]M)"
    r"(?: - (?P<file>.+))?$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Brightspace(Layout):
    """`12345-678 - Name - Nov 20, 2026 1015 AM/`; of several attempts the newest counts, and its date is the time."""

    name, title = "brightspace", "Brightspace"

    def fit(self, tree: Tree) -> Fit:
        names = [n for n in entries(tree) if n != "index.html"]
        return Fit(sum(_when(name) is not None for name in names), len(names))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each user."""
        files: dict[str, Files] = {}
        times: dict[str, datetime] = {}
        users: dict[str, str] = {}
        parts = tree.parts()
        for entry in [*parts, *(p.name for p in tree.top)]:
            match, time = _NAME.match(entry), _when(entry)
            if match is None or time is None:
                self._add_odd(tree, entry, parts, files)
                continue
            student = f"{match['student']}_{match['user']}"
            users[student], times[student] = match["user"], max(time, times.get(student, time))
            theirs = files.setdefault(student, Files())
            if entry in parts:
                theirs.add_folder(entry, parts[entry], int(time.timestamp()))
            else:
                theirs.add(PurePosixPath(match["file"] or entry), int(time.timestamp()), PurePosixPath(entry))
        return [self._submission(tree, s, files[s], times.get(s), users.get(s, "")) for s in sorted(files)]

    def _add_odd(self, tree: Tree, entry: str, parts: dict[str, Tree], files: dict[str, Files]) -> None:
        """A folder of another name may be a student's, too; a file is nobody's."""
        if entry in parts:
            files.setdefault(entry, Files()).add_folder(entry, parts[entry])
        elif entry != "index.html":
            self.set_aside(tree, [PurePosixPath(entry)], "not named as Brightspace names things")

    def _submission(self, tree: Tree, student: str, files: Files, time: datetime | None, user: str) -> Submission:
        submission = self.reader.of_lms(files.tree(tree, f"{tree.where}/{student}"), student)
        when = None if time is None else self.reader.in_course_zone(time)
        key, notes = f"brightspace:{user}" if user else "", submission.notes + files.notes
        return replace(submission, notes=notes, submitted=when, key=key)


def _when(name: str) -> datetime | None:
    match = _NAME.match(name)
    if match is None or match["month"][:3].lower() not in _MONTHS:
        return None
    hour = int(match["hour"]) % 12 + (12 if match["half"] == "PM" else 0)
    month = _MONTHS.index(match["month"][:3].lower()) + 1
    try:
        return datetime(int(match["year"]), month, int(match["day"]), hour, int(match["minute"]))
    except ValueError:
        return None
