"""The course: what `course.yml` says, and what a topic is made of."""

from __future__ import annotations

from grader.course.file import find_course, load_course, passed_over
from grader.course.model import Course, Limits, Policy, Topic

__all__ = ["Course", "Limits", "Policy", "Topic", "find_course", "load_course", "passed_over"]
