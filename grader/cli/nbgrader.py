"""`grade nbgrader ...`: build, and say what to do next."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli.terminal import say
from grader.course import find_course, load_course
from grader.errors import EXIT_FULL
from grader.notebooks import build as course_of_notebooks
from grader.notebooks import gradebook


def build(folder: Path, topics: tuple[str, ...], roster: Path | None, force: bool, course_file: Path | None) -> int:
    """Make the course in `folder`; returns the exit code."""
    course = load_course(course_file or find_course(Path.cwd()))
    chosen = [course.topic(name).name for name in dict.fromkeys(topics)] or [topic.name for topic in course.topics]
    students = course_of_notebooks.read_roster(roster) if roster else []
    for path in course_of_notebooks.build(course, folder, chosen, force):
        click.echo(path)
    if roster:
        gradebook.enrol(folder / gradebook.FILE, course, chosen, students, say)
        say(f"{len(students)} student(s) and {len(chosen)} assignment(s) are in {folder / gradebook.FILE}")
    say(f"next: cd {folder} && nbgrader generate_assignment {chosen[0]}")
    return EXIT_FULL
