"""The `grade` command: parse, call one function, print.

Exit codes: 0 full marks, 1 something below, 2 usage or course.yml, 3 something could not be graded, 4 nothing to grade,
130 interrupted. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from grader import __version__
from grader.cli.terminal import show_error, wants_colour
from grader.environment import fill_standard_descriptors
from grader.errors import (
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    CourseError,
    GraderError,
    GraderFault,
    UsageError,
)
from grader.text import printable


class DefaultGroup(click.Group):
    """A group whose default command is `run`: `grade submit/` is `grade run submit/`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            self._refuse_a_slip(args[0])
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", "--debug"}
        if not args and _has_submit():
            args = ["run"]
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _refuse_a_slip(self, word: str) -> None:
        """A bare word that is no command and no path here: say both, since either may have been meant."""
        if word.startswith("-") or os.path.lexists(word) or Path(word).name != word or "." in word:
            return
        near = difflib.get_close_matches(word, self.commands, 1)
        help = f"did you mean '{near[0]}'?" if near else f"the commands are {', '.join(sorted(self.commands))}"
        raise UsageError(f"'{printable(word)}' is neither a path here nor a command", help=help)


def _has_submit() -> bool:
    """Whether `grade` alone has something to grade here; it shows its help elsewhere."""
    from grader.course import find_course

    try:
        return (find_course(Path.cwd()).parent / "submit").is_dir()
    except CourseError:
        return False


@click.group(cls=DefaultGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grade")
@click.option("--debug", is_flag=True, help="Show a traceback for the grader's own errors.")
@click.pass_context
def grade(ctx: click.Context, debug: bool) -> None:
    """Grade submissions of a deep-learning course.

    `grade PATH...` grades a student's folder, a class, a zip or a single file.
    """
    ctx.color = wants_colour()


@grade.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--topic", "-t", "topics", multiple=True, metavar="TOPIC", help="Grade only this topic (repeatable).")
@click.option("--student", "-s", "students", multiple=True, metavar="STUDENT", help="Grade only this student.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Judges that work at the same time (default: one per core).")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the summary.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Folder for the reports.")
@click.option("--replace", is_flag=True, help="Replace the report that lies in FOLDER instead of adding to it.")
@click.option("--report", "reports", metavar="LIST", help="Reports to write with -o (default: json,csv).")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
@click.option("--gradebook", type=click.Path(path_type=Path), metavar="DB", help="nbgrader's gradebook for the marks.")
@click.option("--layout", help="Say how the paths are laid out instead of finding out.")
@click.option("--roster", type=click.Path(path_type=Path), help="CSV of the course's students (student, name).")
@click.option("--people", type=click.Path(path_type=Path), help="CSV that says who is who (listed, student).")
@click.option("--times", type=click.Path(path_type=Path), help="CSV of times that count (student, topic, submitted).")
@click.option("--zip-encoding", metavar="CODE", help="Code page of names in zips that do not say it (cp850, ...).")
@click.option("--seed", type=click.IntRange(0), help="Another seed for the inputs of the checks.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where only marks are missing.")
@click.option("--verbose", "-v", is_flag=True, help="List every check.")
@click.option("--capstone", is_flag=True, help="Train the capstones, too; they count with course.yml's capstone_share.")
@click.option(
    "--i-trust-these-students", "trusted", is_flag=True, help="Grade even where this system cannot wall off workers."
)
def run(paths: tuple[Path, ...], **options: Any) -> None:
    """Grade the submissions under each PATH (none: submit/ beside course.yml) and write score reports."""
    from grader.cli import run as main_path

    sys.exit(main_path.run(list(paths), main_path.Options(**options)))


@grade.command(name="list")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
def list_topics(course_file: Path | None) -> None:
    """List the topics of the course with their weights."""
    from grader.course import find_course, load_course

    course = load_course(course_file or find_course(Path.cwd()))
    click.echo(course.title)
    for topic in course.topics:
        due = f"  due {topic.due:%Y-%m-%d %H:%M %Z}" if topic.due else ""
        click.echo(f"  {topic.name:<18}{topic.weight:>6g} points{due}")


@grade.command()
@click.argument("topic")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(), help="Folder for the picture.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the data and the training.")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
def capstone(topic: str, path: Path | None, output: Path, seed: int, course_file: Path | None) -> None:
    """Train something real with the functions in PATH (default: TOPIC.py here) and draw the result."""
    from grader.cli import capstone as capstones

    sys.exit(capstones.run(topic, path, course_file, output, seed))


@grade.command()
@click.option("--attack", is_flag=True, help="Let hostile submissions loose on the walls as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(attack: bool, as_json: bool) -> None:
    """Prove each wall of the sandbox and say what to do where one does not hold."""
    from grader.cli import doctor as walls

    sys.exit(walls.attack(as_json) if attack else walls.run(as_json))


@grade.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@click.option("--check", "check", metavar="NAME", default="", help="Audit one check alone.")
@click.option("--mutants", is_flag=True, help="Try every mutant of the reference, too (minutes).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--verbose", "-v", is_flag=True, help="Try every misconception against every check (slow).")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
def audit(
    topics: tuple[str, ...], check: str, mutants: bool, as_json: bool, verbose: bool, course_file: Path | None
) -> None:
    """Prove the course: right work passes, and each known way of being wrong is caught and recognised."""
    from grader.cli.audit import AuditOptions, run
    from grader.course import find_course, load_course

    course = load_course(course_file or find_course(Path.cwd()))
    chosen = [course.topic(name).name for name in topics] or [topic.name for topic in course.topics]
    sys.exit(run(course, chosen, AuditOptions(check, int(mutants), as_json, verbose)))


@grade.group()
def nbgrader() -> None:
    """The same course as notebooks, for nbgrader."""


@nbgrader.command(name="build")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--topic", "-t", "topics", multiple=True, metavar="TOPIC", help="Only this topic (repeatable).")
@click.option("--roster", type=click.Path(path_type=Path), help="CSV file of students for the gradebook.")
@click.option("--force", is_flag=True, help="Replace files there that differ.")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
def nbgrader_build(
    folder: Path, topics: tuple[str, ...], roster: Path | None, force: bool, course_file: Path | None
) -> None:
    """Make an nbgrader course in DIR: a notebook a topic, check cells that hold an id, and nbgrader's settings."""
    from grader.cli import nbgrader as command

    sys.exit(command.build(folder, topics, roster, force, course_file))


def _own_error(error: Exception) -> GraderError:
    """Any error in the form of ours; a mistake of the grader itself is told in one line, too."""
    if isinstance(error, GraderError):
        return error
    if isinstance(error, click.ClickException):
        return _from_click(error)
    words = printable(f"{type(error).__name__}: {error}")
    return GraderFault(f"the grader itself failed: {words}", help="run it again with --debug and report that")


def _from_click(error: click.ClickException) -> UsageError:
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "grade"
    problem, help = error.format_message(), f"see {path} --help"
    if isinstance(error, click.NoSuchOption):
        problem = f"no option '{error.option_name}'"
        help = f"did you mean '{error.possibilities[0]}'?" if error.possibilities else help
    return UsageError(problem[:1].lower() + problem[1:].rstrip("."), help=help)


def main() -> None:
    """Entry point of `grade`."""
    debug = "--debug" in sys.argv[1:]
    fill_standard_descriptors()
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is written as its number
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        grade.main([a for a in sys.argv[1:] if a != "--debug"], prog_name="grade", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - a mistake of ours is told in one line, too
        if debug:
            traceback.print_exc()
        own = _own_error(error)
        show_error(own)
        sys.exit(own.exit_code)
