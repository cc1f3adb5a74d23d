"""A class of repositories, as git forges and classroom tools clone or pack them."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from grader.submissions.layouts.base import Fit, Layout, entries
from grader.submissions.model import Submission
from grader.submissions.trees import Tree

_PACKED = re.compile(r"-(main|master|trunk|develop|[0-9a-f]{40})$")
_TRACES = (".gitignore", ".gitattributes", ".gitlab-ci.yml", ".github", ".gitea", ".forgejo")


class Forge(Layout):
    """`<assignment>-<user>/`, or `<classroom>-<assignment>-<user>/`; the work lies in `submit/` or at the top."""

    name, title = "forge", "git forge"

    def fit(self, tree: Tree) -> Fit:
        parts = tree.parts()
        if len(parts) < 2 or not _prefix(list(parts)):
            return Fit(0, len(entries(tree)))
        return Fit(sum(map(_is_repository, parts.values())), len(entries(tree)))

    def read(self, tree: Tree, name: str) -> list[Submission]:
        """A submission for each repository, under the name that follows what all share.

        Times are those of commits, which whoever commits may choose: none is used.
        """
        parts = tree.parts()
        prefix = _prefix(list(parts))
        submissions = []
        for folder, part in parts.items():
            user = _PACKED.sub("", folder)[len(prefix) :] or folder
            submissions.append(replace(self.reader.of_lms(part, user), key=f"forge:{user}"))
        self.set_aside(tree, tree.top, "in no repository")
        return submissions


def _is_repository(part: Tree) -> bool:
    names = {p.parts[0] for p in (*part.files, *part.folders)}
    return any(not p.parts for p in part.traces) or not names.isdisjoint(_TRACES)


def _prefix(folders: list[str]) -> str:
    """What all names share, up to a hyphen."""
    common = os.path.commonprefix([_PACKED.sub("", folder) for folder in folders])
    return common[: common.rfind("-") + 1] if len(folders) > 1 else ""
