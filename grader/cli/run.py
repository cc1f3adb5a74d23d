"""`grade PATH...`: find the submissions, grade them, show progress, write the reports, choose the exit code."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from grader import reports
from grader.cli.terminal import painter, say, wants_colour
from grader.course import Course, find_course, load_course
from grader.errors import EXIT_BELOW, EXIT_FAULT, EXIT_FULL, EXIT_INTERRUPTED, CourseError, NothingToGrade, UsageError
from grader.grading.capstone import CapstoneRun
from grader.grading.engine import Engine, make_engine
from grader.grading.pool import grade_many
from grader.notebooks import gradebook
from grader.reports import summary
from grader.results import Report, SubmissionResult
from grader.submissions import LAYOUTS, Found, Submission, find_submissions
from grader.text import printable

SAFE_LEVELS = ("strong", "sealed")


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
    seed: int | None = None
    exit_zero: bool = False
    verbose: bool = False
    trusted: bool = False
    capstone: bool = False


def run(paths: list[Path], options: Options) -> int:
    """Grade and report; returns the exit code."""
    course_file = options.course_file or _course_near(paths)
    course = load_course(course_file)
    formats = _formats(options)
    topics = [course.topic(t).name for t in dict.fromkeys(options.topics)]
    found = _found(paths, course, options)
    topics = topics or _topics(course, found)
    if options.output is not None:
        reports.make_folder(options.output)
    if options.gradebook is not None:
        gradebook.refuse_unusable(options.gradebook)
    engine = make_engine(course, course_file.resolve(), topics, seed=options.seed)
    results, interrupted = _graded(found.submissions, course, engine, topics, options)
    if options.capstone and not interrupted:
        results, interrupted = _with_capstones(results, found.submissions, course, course_file, options)
    report = Report(course.title, engine.level, not interrupted, tuple(results), tuple(found.warnings))
    _show(report, options)
    _write(report, formats, options.output)
    if options.gradebook is not None and not gradebook.write(options.gradebook, course, found.submissions, report, say):
        return EXIT_FAULT
    return EXIT_INTERRUPTED if interrupted else _exit_code(report, options)


def _course_near(paths: list[Path]) -> Path:
    """course.yml of the working folder or above, else of the first path."""
    try:
        return find_course(Path.cwd())
    except CourseError:
        if paths and paths[0].exists():
            return find_course(paths[0] if paths[0].is_dir() else paths[0].parent)
        raise


def _formats(options: Options) -> list[str]:
    if options.reports is not None and options.output is None:
        raise UsageError("--report says what to write, but not where", help="add -o FOLDER")
    names = (options.reports or ",".join(reports.DEFAULT)).split(",")
    return reports.known((name.strip() for name in names if name.strip()), "--report")


def _found(paths: list[Path], course: Course, options: Options) -> Found:
    if options.layout is not None and options.layout not in LAYOUTS:
        raise UsageError(f"no layout '{options.layout}'", "--layout", f"the layouts are {', '.join(LAYOUTS)}")
    found = find_submissions(paths, course, options.layout)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if options.students:
        found.submissions = _chosen(found.submissions, options.students)
    kinds = ", ".join(dict.fromkeys(found.layouts))
    say(f"{len(found.submissions)} submission(s), read as: {kinds}")
    return found


def _chosen(submissions: list[Submission], students: tuple[str, ...]) -> list[Submission]:
    known = [s.student for s in submissions]
    unknown = [s for s in students if s not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        help = f"did you mean '{near[0]}'?" if near else f"here are {printable(', '.join(known), 200)}"
        raise NothingToGrade(f"no student '{printable(unknown[0])}' here", "--student", help)
    return [s for s in submissions if s.student in students]


def _topics(course: Course, found: Found) -> list[str]:
    """All topics of the course, but for single files, which are graded for their own topic."""
    if set(found.layouts) == {"file"}:
        handed_in = {t for s in found.submissions for t in s.files}
        return [t.name for t in course.topics if t.name in handed_in]
    return [t.name for t in course.topics]


def _graded(
    submissions: list[Submission], course: Course, engine: Engine, topics: list[str], options: Options
) -> tuple[list[SubmissionResult], bool]:
    """(results, interrupted); what is finished when Ctrl-C comes is kept."""
    results: list[SubmissionResult] = []
    interrupted = False
    try:
        with _engine(engine, course, options), _progress(len(submissions) * len(topics)) as advance:
            judges = options.jobs or os.cpu_count() or 1
            for result in grade_many(submissions, course, engine, topics, judges, landed=lambda *_: advance()):
                results.append(result)
    except KeyboardInterrupt:
        say(f"interrupted: {len(results)} of {len(submissions)} submissions are finished and kept")
        interrupted = True
    return sorted(results, key=lambda r: r.student), interrupted


def _with_capstones(
    results: list[SubmissionResult], submissions: list[Submission], course: Course, course_file: Path, options: Options
) -> tuple[list[SubmissionResult], bool]:
    """(results, interrupted); after Ctrl-C the marks are those of the checks alone, for all."""
    run = CapstoneRun(course, course_file.resolve(), results, submissions)
    try:
        with _progress(len(run.jobs), "capstone") as advance:
            return run.finish(options.jobs or os.cpu_count() or 1, advance), False
    except KeyboardInterrupt:
        say("interrupted: the capstones are not finished, and no mark counts any of them")
        return results, True


@contextlib.contextmanager
def _engine(engine: Engine, course: Course, options: Options) -> Iterator[None]:
    try:
        engine.start()
        _refuse_unsafe(engine, course, options)
        yield
    finally:
        engine.close()


def _refuse_unsafe(engine: Engine, course: Course, options: Options) -> None:
    """Where hidden checks or solutions lie, weak walls need the instructor's word."""
    if engine.level in SAFE_LEVELS:
        return
    if course.has_secrets and not options.trusted:
        raise UsageError(
            f"workers can only be protected at the level '{engine.level}' here, and hidden checks or solutions lie "
            "in this course",
            help="grade on Linux (WSL2 or a container will do), or pass --i-trust-these-students",
        )
    say(f"protection: {engine.level}; the code that is graded here could read and write your files")


@contextlib.contextmanager
def _progress(total: int, unit: str = "topic") -> Iterator[Callable[[], Any]]:
    with tqdm(total=total, unit=unit, file=sys.stderr, disable=None, leave=False) as bar:
        yield bar.update


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
    for name in formats:
        for path in reports.write(report, folder, [name]):
            say(f"wrote {path}")


def _exit_code(report: Report, options: Options) -> int:
    if any(s.faults for s in report.submissions):
        return EXIT_FAULT
    below = any(s.final < s.max_points for s in report.submissions)
    return EXIT_BELOW if below and not options.exit_zero else EXIT_FULL
