"""`grade PATH...`: find the submissions, grade them, show progress, write the reports, choose the exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from tqdm import tqdm

from grader import reports
from grader.cli.terminal import painter, say, wants_colour
from grader.course import Course, passed_over
from grader.errors import EXIT_BELOW, EXIT_FAULT, EXIT_FULL, EXIT_INTERRUPTED, UsageError
from grader.grading.grade import SAFE_LEVELS, Grader, Interrupted, Progress, as_course, topics_of
from grader.notebooks import gradebook
from grader.reports import summary
from grader.results import Report
from grader.submissions import LAYOUT_NAMES, Asked, Found, People
from grader.text import words_of

MAX_TOLD = 20  # lines on standard error about what was not read


@dataclass(frozen=True)
class Options:
    """The options of `grade run`, as on the command line."""

    topics: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    jobs: int | None = None
    as_json: bool = False
    output: Path | None = None
    reports: str | None = None
    course_file: Path | None = None
    gradebook: Path | None = None
    layout: str | None = None
    roster: Path | None = None
    people: Path | None = None
    zip_encoding: str | None = None
    seed: int | None = None
    exit_zero: bool = False
    verbose: bool = False
    trusted: bool = False
    capstone: bool = False


def run(paths: list[Path], options: Options) -> int:
    """Grade and report; returns the exit code."""
    course = as_course(options.course_file, paths)
    paths = paths or [handed_in(course)]
    _tell_passed_over(course, paths)
    formats = _formats(options)
    _refuse_unknown_layout(options.layout)
    topics = [course.topic(t).name for t in dict.fromkeys(options.topics)]
    report, found, interrupted = _graded(paths, course, topics, options)
    _show(report, options)
    _write(report, formats, options.output)
    if options.gradebook is not None and not gradebook.write(options.gradebook, course, found.submissions, report, say):
        return EXIT_FAULT
    return EXIT_INTERRUPTED if interrupted else _exit_code(report, options)


def handed_in(course: Course) -> Path:
    """`submit/` beside `course.yml`, which is graded where no path is given."""
    folder = course.root / "submit"
    if not folder.is_dir():
        raise UsageError("there is no folder submit/ beside course.yml", help="say what to grade: grade PATH")
    return folder


def _tell_passed_over(course: Course, paths: list[Path]) -> None:
    for passed in passed_over(Path.cwd(), paths):
        if passed != course.file.resolve():
            say(f"warning: {words_of(str(passed))} lies in what is graded and is not used")


def _tell_course(course: Course) -> None:
    file, here = course.file.resolve(), Path.cwd().resolve()
    where = file.relative_to(here) if file.is_relative_to(here) else file
    say(f"course: {words_of(course.title)} ({words_of(str(where))})")


def _graded(paths: list[Path], course: Course, topics: list[str], options: Options) -> tuple[Report, Found, bool]:
    """(report, what was found, whether Ctrl-C came)."""
    told = _Told(course)
    people = People.read(options.roster, options.people)
    asked = Asked(options.layout, tuple(topics), options.zip_encoding, people)
    with Grader(course, seed=options.seed, judges=options.jobs, trusted=options.trusted, progress=told) as grader:
        found = grader.find(course, paths, options.students, asked)
        chosen = topics or topics_of(course, found)
        _refuse_unusable(options)
        try:
            return grader.report(course, found, chosen, options.capstone), found, False
        except Interrupted as interrupted:
            return interrupted.report, found, True


def _refuse_unusable(options: Options) -> None:
    """Before any work is done, so that hours of it are not lost to a slip."""
    if options.output is not None:
        reports.make_folder(options.output)
    if options.gradebook is not None:
        gradebook.refuse_unusable(options.gradebook)


class _Told(Progress):
    """Words on standard error, and a bar where that is a terminal."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.bar: tqdm | None = None

    def found(self, found: Found) -> None:
        _tell_course(self.course)
        for warning in found.warnings:
            say(f"warning: {warning}")
        for row in found.unread[:MAX_TOLD]:
            say(f"unread: {f'{row.student}: ' if row.student else ''}{row.what}: {row.why}")
        if len(found.unread) > MAX_TOLD:
            say(f"unread: {len(found.unread) - MAX_TOLD} more, all in unread.csv with -o")
        kinds = ", ".join(dict.fromkeys(found.layouts))
        say(f"{len(found.submissions)} submission(s), read as: {kinds}{_evidence(found)}")

    def protected(self, level: str) -> None:
        if level not in SAFE_LEVELS:
            say(f"protection: {level}; the code that is graded here could read and write your files")

    def began(self, total: int, unit: str) -> None:
        self.bar = tqdm(total=total, unit=unit, file=sys.stderr, disable=None, leave=False)

    def landed(self) -> None:
        if self.bar is not None:
            self.bar.update()

    def ended(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def retried(self, topic: str, problem: str) -> None:
        say(f"{topic}: {problem}; trying again with fresh processes")

    def interrupted(self, words: str) -> None:
        say(words)


def _evidence(found: Found) -> str:
    """Why it was read so, where an option could say otherwise."""
    return f" ({'; '.join(dict.fromkeys(found.evidence))}; --layout says another)" if found.evidence else ""


def _refuse_unknown_layout(layout: str | None) -> None:
    if layout is not None and layout not in LAYOUT_NAMES:
        raise UsageError(f"no layout '{layout}'", "--layout", f"the layouts are {', '.join(LAYOUT_NAMES)}")


def _formats(options: Options) -> list[str]:
    if options.reports is not None and options.output is None:
        raise UsageError("--report says what to write, but not where", help="add -o FOLDER")
    names = (options.reports or ",".join(reports.DEFAULT)).split(",")
    return reports.known((name.strip() for name in names if name.strip()), "--report")


def _show(report: Report, options: Options) -> None:
    """The result on standard output; a reader that has gone, as in `grade ... | head`, stops nothing else."""
    colour = wants_colour()
    paint = painter(sys.stdout.isatty() if colour is None else colour)
    text = report.to_json() if options.as_json else summary.render(report, paint, options.verbose)
    try:
        click.echo(text, nl=False, color=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(report: Report, formats: list[str], folder: Path | None) -> None:
    if folder is None:
        return
    for name in dict.fromkeys([*formats, "unread"]):
        for path in reports.write(report, folder, [name]):
            say(f"wrote {path}")


def _exit_code(report: Report, options: Options) -> int:
    if any(s.faults for s in report.submissions):
        return EXIT_FAULT
    below = any(s.final < s.max_points for s in report.submissions)
    return EXIT_BELOW if below and not options.exit_zero else EXIT_FULL
