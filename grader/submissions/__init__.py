"""What was handed in: folders, archives, single files and LMS downloads become `Submission` objects.

The names are handed out when they are first asked for: the process that reads what is hostile loads this file, too,
and should not wait for what it does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.submissions.find import Asked as Asked
    from grader.submissions.find import find_submissions as find_submissions
    from grader.submissions.gathering import STAMP as STAMP
    from grader.submissions.identity import People as People
    from grader.submissions.layouts import LAYOUT_NAMES as LAYOUT_NAMES
    from grader.submissions.model import Found as Found
    from grader.submissions.model import Submission as Submission
    from grader.submissions.model import SubmittedFile as SubmittedFile

_HOME_OF = {
    "Asked": "find", "find_submissions": "find", "People": "identity", "LAYOUT_NAMES": "layouts", "Found": "model",
    "Submission": "model", "SubmittedFile": "model", "STAMP": "gathering",
}  # fmt: skip
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    """A public name, from where it lives (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'grader.submissions' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value
