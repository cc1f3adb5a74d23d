"""The course: what `course.yml` says, and what a topic is made of.

The names are handed out when they are first asked for: the process that reads what is hostile needs the plain YAML
alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.course.file import find_course as find_course
    from grader.course.file import load_course as load_course
    from grader.course.file import passed_over as passed_over
    from grader.course.model import Course as Course
    from grader.course.model import Limits as Limits
    from grader.course.model import Policy as Policy
    from grader.course.model import Topic as Topic

_HOME_OF = {
    "find_course": "file", "load_course": "file", "passed_over": "file", "Course": "model", "Limits": "model",
    "Policy": "model", "Topic": "model",
}  # fmt: skip
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    """A public name, from where it lives (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'grader.course' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return value
