"""Errors of the grader. Each says what was found, where, and what to do next.

GraderError
 +-- UsageError        the call is off (exit 2)
 |    +-- Unwritten    results are there and could not be written (exit 3)
 +-- CourseError       course.yml or a file of the course is off (exit 2)
 +-- NothingToGrade    nothing was found under the paths (exit 4)
 +-- GraderFault       ours: something could not be graded (exit 3)
"""

from __future__ import annotations

from pathlib import Path

EXIT_FULL, EXIT_BELOW, EXIT_USAGE, EXIT_FAULT, EXIT_NOTHING, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


class GraderError(Exception):
    """`problem` at `where`; `help` says what to do next."""

    exit_code = EXIT_USAGE
    others: tuple[GraderError, ...] = ()  # of the same kind, found at the same time

    def __init__(self, problem: str, where: str = "", help: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem, self.where, self.help = problem, where, help


class UsageError(GraderError):
    """The command line asks for something impossible."""


class Unwritten(UsageError):
    """Files that could not be written once the work was done: the first, and `others`; `written` holds the rest."""

    exit_code = EXIT_FAULT

    def __init__(self, problem: str, where: str = "", help: str = "") -> None:
        super().__init__(problem, where, help)
        self.written: list[Path] = []


class CourseError(GraderError):
    """One or more mistakes in the files of the course; `others` holds those after the first."""

    def __init__(self, problem: str, where: str = "", help: str = "", others: tuple[CourseError, ...] = ()) -> None:
        super().__init__(problem, where, help)
        self.others = others


class NothingToGrade(GraderError):
    """No submission was found; `warnings` says what was set aside on the way."""

    exit_code = EXIT_NOTHING

    def __init__(self, problem: str, where: str = "", help: str = "", warnings: tuple[str, ...] = ()) -> None:
        super().__init__(problem, where, help)
        self.warnings = warnings


class GraderFault(GraderError):
    """A fault of the grader or the course: never scored, retried, reported."""

    exit_code = EXIT_FAULT
