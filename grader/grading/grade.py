"""Grading, as a call: paths in, a `Report` out.

`grade(paths)` starts processes, grades and ends them; a `Grader` keeps them warm from one call to the next. Neither
prints anything: who wants to see how it goes hands in a `Progress`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from grader.course import Course, find_course, load_course
from grader.errors import NothingToGrade, UsageError
from grader.grading.capstone import CapstoneRun
from grader.grading.engine import Engine, make_engine
from grader.grading.pool import Pool, grade_many
from grader.results import Report, SubmissionResult
from grader.submissions import Asked, Found, People, Submission, find_submissions
from grader.text import printable

SAFE_LEVELS = ("strong", "sealed")
Paths = str | Path | Iterable[str | Path]


class Progress:
    """What is told on the way; each does nothing until a subclass says otherwise."""

    def found(self, found: Found) -> None:
        """Submissions were found, before any is graded."""

    def protected(self, level: str) -> None:
        """How well the workers are walled off."""

    def began(self, total: int, unit: str) -> None:
        """So many topics or capstones are to be done."""

    def landed(self) -> None:
        """One more of them is done."""

    def ended(self) -> None:
        """All of them are done, or there will be no more."""

    def retried(self, topic: str, problem: str) -> None:
        """A job is tried again with fresh processes."""

    def interrupted(self, words: str) -> None:
        """Ctrl-C came."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; `report` holds what was finished."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


def as_paths(paths: Paths) -> list[Path]:
    """One path or several, as a list."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def as_course(course: Course | str | Path | None, paths: Sequence[Path] = ()) -> Course:
    """A course, its `course.yml`, the folder of that, or None for the one that the working folder lies in.

    What lies at or below `paths`, which are to be graded, is never taken for the course.
    """
    if isinstance(course, Course):
        return course
    path = find_course(Path.cwd(), paths) if course is None else Path(course)
    return load_course(path / "course.yml" if path.is_dir() else path)


class Grader:
    """Grades again and again with processes that stay warm: judges with all they have learned, and what forks workers.

    `course` is a `Course`, a path to `course.yml` or its folder, or None for the course that the working folder
    lies in. `judges`
    work side by side (None: one per core); `seed` draws other inputs than the course's; `trusted` grades even where
    workers cannot be walled off. Use it in a with-block: the processes end with it.
    """

    def __init__(
        self,
        course: Course | str | Path | None = None,
        *,
        seed: int | None = None,
        judges: int | None = None,
        trusted: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self.given, self.seed, self.trusted = course, seed, trusted
        self.judges, self.progress = judges or os.cpu_count() or 1, progress or Progress()
        self.engine: Engine | None = None
        self.pool: Pool | None = None

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every process."""
        engine, self.engine, self.pool = self.engine, None, None
        if engine is not None:
            engine.close()

    def grade(
        self,
        paths: Paths,
        *,
        topics: Iterable[str] = (),
        students: Iterable[str] = (),
        layout: str | None = None,
        people: People | None = None,
        capstones: bool = False,
    ) -> Report:
        """The report on what was handed in under the paths.

        `topics` and `students` choose some of them, by name (none given: all). Raises a `GraderError` that says what
        to do next, or `Interrupted` with what was finished.
        """
        where = as_paths(paths)
        course = as_course(self.given, where)
        chosen = [course.topic(t).name for t in dict.fromkeys(topics)]
        found = self.find(course, where, students, Asked(layout, tuple(chosen), people=people or People()))
        return self.report(course, found, chosen or topics_of(course, found), capstones)

    def find(
        self, course: Course, paths: list[Path], students: Iterable[str] = (), asked: Asked | None = None
    ) -> Found:
        """What was handed in under the paths, by these students alone if any are named."""
        found = find_submissions(paths, course, asked=asked)
        wanted = tuple(students)
        if wanted:
            found.submissions = _chosen(found.submissions, wanted)
        self.progress.found(found)
        return found

    def report(self, course: Course, found: Found, topics: list[str], capstones: bool = False) -> Report:
        """Grade submissions that were found. Raises `GraderError` or `Interrupted`."""
        engine, pool = self._warm(course, topics)
        results, finished = self._graded(found.submissions, course, engine, pool, topics)
        if capstones and finished:
            results, finished = self._with_capstones(results, found.submissions, course)
        report = Report(
            course.title, engine.level, finished, tuple(results), tuple(found.warnings), tuple(found.unread)
        )
        if not finished:
            self.close()  # judges are in the middle of something
            raise Interrupted(report)
        return report

    def _warm(self, course: Course, topics: list[str]) -> tuple[Engine, Pool]:
        """Processes that know these topics of this course; those that are there, if they do."""
        engine, pool = self.engine, self.pool
        if engine is None or pool is None or engine.course != course or not set(topics) <= set(engine.topics):
            known = engine.topics if engine is not None and engine.course == course else []
            self.close()
            engine = self.engine = make_engine(course, list(dict.fromkeys([*known, *topics])), self.seed)
            pool = self.pool = Pool(engine, self.judges, self.progress.retried)
        return engine, pool

    def _graded(
        self, submissions: list[Submission], course: Course, engine: Engine, pool: Pool, topics: list[str]
    ) -> tuple[list[SubmissionResult], bool]:
        """(results, whether all are there); what is finished when Ctrl-C comes is kept."""
        results: list[SubmissionResult] = []
        progress, finished = self.progress, True
        try:
            engine.start()
            self._refuse_unsafe(engine, course)
            engine.refuse_odd_points()
            progress.began(len(submissions) * len(topics), "topic")
            graded = grade_many(
                submissions, course, engine, topics, self.judges, landed=lambda *_: progress.landed(), pool=pool
            )
            for result in graded:
                results.append(result)
        except KeyboardInterrupt:
            words = f"interrupted: {len(results)} of {len(submissions)} submissions are finished and kept"
            progress.interrupted(words)
            finished = False
        except BaseException:
            self.close()
            raise
        finally:
            progress.ended()
        return sorted(results, key=lambda r: r.student), finished

    def _refuse_unsafe(self, engine: Engine, course: Course) -> None:
        """Where hidden checks or solutions lie, weak walls need the instructor's word."""
        if engine.level not in SAFE_LEVELS and course.has_secrets and not self.trusted:
            raise UsageError(
                f"workers can only be protected at the level '{engine.level}' here, and hidden checks or solutions lie "
                "in this course",
                help="grade on Linux (WSL2 or a container will do), or pass --i-trust-these-students",
            )
        self.progress.protected(engine.level)

    def _with_capstones(
        self, results: list[SubmissionResult], submissions: list[Submission], course: Course
    ) -> tuple[list[SubmissionResult], bool]:
        """(results, whether all are there); after Ctrl-C the marks are those of the checks alone, for all."""
        run = CapstoneRun(course, results, submissions)
        try:
            self.progress.began(len(run.jobs), "capstone")
            return run.finish(self.judges, self.progress.landed), True
        except KeyboardInterrupt:
            self.progress.interrupted("interrupted: the capstones are not finished, and no mark counts any of them")
            return results, False
        finally:
            self.progress.ended()


def grade(
    paths: Paths,
    *,
    course: Course | str | Path | None = None,
    topics: Iterable[str] = (),
    students: Iterable[str] = (),
    layout: str | None = None,
    people: People | None = None,
    seed: int | None = None,
    judges: int | None = None,
    capstones: bool = False,
    trusted: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Grade what was handed in under the paths, once; see `Grader` and `Grader.grade`."""
    with Grader(course, seed=seed, judges=judges, trusted=trusted, progress=progress) as grader:
        return grader.grade(paths, topics=topics, students=students, layout=layout, people=people, capstones=capstones)


def _chosen(submissions: list[Submission], students: tuple[str, ...]) -> list[Submission]:
    known = [s.student for s in submissions]
    unknown = [s for s in students if s not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        help = f"did you mean '{near[0]}'?" if near else f"here are {printable(', '.join(known), 200)}"
        raise NothingToGrade(f"no student '{printable(unknown[0])}' here", "--student", help)
    return [s for s in submissions if s.student in students]


def topics_of(course: Course, found: Found) -> list[str]:
    """All topics of the course, but for single files, which are graded for their own topic."""
    if set(found.layouts) == {"file"}:
        handed_in = {t for s in found.submissions for t in s.files}
        return [t.name for t in course.topics if t.name in handed_in]
    return [t.name for t in course.topics]
