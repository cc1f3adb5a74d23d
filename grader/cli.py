"""The `grade` command: parse, call one function, print.

Exit codes: 0 full marks, 1 something below, 2 usage or course.yml, 3 something could not be graded, 4 nothing to grade,
130 interrupted. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from grader import __version__
from grader.errors import CourseError, GraderError

EXIT_FULL, EXIT_BELOW, EXIT_USAGE, EXIT_FAULT, EXIT_NOTHING, EXIT_INTERRUPTED = 0, 1, 2, 3, 4, 130


class DefaultGroup(click.Group):
    """A group whose default command is `run`: `grade submit/` is `grade run submit/`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "-h", "--version", "--debug"}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=DefaultGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="grade")
@click.option("--debug", is_flag=True, help="Show a traceback for the grader's own errors.")
@click.pass_context
def grade(ctx: click.Context, debug: bool) -> None:
    """Grade submissions of a deep-learning course.

    `grade PATH...` grades a student's folder, a class, a zip or a single file.
    """
    ctx.color = wants_colour()


def wants_colour() -> bool | None:
    """NO_COLOR and FORCE_COLOR, as their authors define them; None leaves it to whether this is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def painter(stream_colour: bool) -> Callable[[str, str], str]:
    def paint(text: str, colour: str) -> str:
        if not stream_colour:
            return text
        return click.style(text, bold=True) if colour == "bold" else click.style(text, fg=colour)

    return paint


@grade.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--topic", "-t", "topics", multiple=True, metavar="TOPIC", help="Grade only this topic (repeatable).")
@click.option("--student", "-s", "students", multiple=True, metavar="STUDENT", help="Grade only this student.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Judges that work at the same time (default: one per core).")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the summary.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the reports.")
@click.option("--report", "reports", metavar="LIST", default="json,csv", help="Reports to write with -o.")
@click.option("--course", "course_file", type=click.Path(path_type=Path), help="course.yml of the course.")
@click.option("--layout", help="Say how the paths are laid out instead of finding out.")
@click.option("--seed", type=click.IntRange(0), help="Another seed for the inputs of the checks.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where only marks are missing.")
@click.option("--verbose", "-v", is_flag=True, help="List every check.")
@click.option(
    "--i-trust-these-students", "trusted", is_flag=True, help="Grade even where this system cannot wall off workers."
)
def run(paths: tuple[Path, ...], **options: Any) -> None:
    """Grade the submissions under PATHS and write score reports."""
    from grader import run as main_path

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
    from grader import capstone as capstones

    sys.exit(capstones.run(topic, path, course_file, output, seed))


def show_error(error: GraderError) -> None:
    """`error: where: problem` and `help: next step`, for every mistake of a file at once."""
    errors = [error, *error.others] if isinstance(error, CourseError) else [error]
    for one in errors:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {one}", err=True, color=wants_colour())
        if one.help:
            click.echo(f"{click.style('help:', fg='cyan')} {one.help}", err=True, color=wants_colour())


def main() -> None:
    """Entry point of `grade`."""
    debug = "--debug" in sys.argv[1:]
    try:
        grade.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except GraderError as error:
        if debug:
            raise
        show_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: `grade ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_INTERRUPTED)
