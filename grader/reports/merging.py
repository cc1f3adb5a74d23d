"""Results of a run and those that lie in its folder, as one report; or the reason why they cannot be one.

Results are merged by student and topic, where those of the new run count. Only what hangs on the same things is
merged: course, checks, seed and version.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from grader import reports
from grader.errors import UsageError
from grader.results import LEVELS, RESULTS_JSON, Report, ReportHead, SubmissionResult, Unfinished

HELP = "-o elsewhere or --replace"
T = TypeVar("T")
Pairs = set[tuple[str, str]]  # (student, topic)


def there(folder: Path) -> Report | None:
    """The report in a folder, if there is one; raises `UsageError` for one that cannot be read."""
    path = folder / RESULTS_JSON
    if not path.exists():
        return None
    try:
        return Report.from_json(path)
    except UsageError as error:
        raise UsageError(error.problem, error.where, f"{error.help}; {HELP}") from None


def refuse_others(old: Report | None, head: ReportHead, folder: Path) -> None:
    """Raises `UsageError` where the report in the folder hangs on other things; one without a head is set aside."""
    if old is None or old.head is None:
        return
    problem = next(_differences(old.head, head), None)
    if problem is not None:
        raise UsageError(f"graded with {problem}", str(folder), HELP)


def _differences(old: ReportHead, new: ReportHead) -> Iterator[str]:
    """Each in words, the most telling first."""
    for topic in new.checks:
        if old.checks.get(topic, new.checks[topic]) != new.checks[topic]:
            yield f"another version of {topic}'s checks"
    if old.seed != new.seed:
        yield f"another seed ({old.seed})"
    if old.grader != new.grader:
        yield f"another version of the grader ({old.grader})"
    if old.course != new.course:
        yield "another course.yml"
    if old.capstones != new.capstones:
        yield f"{'' if old.capstones else 'no '}--capstone"


def set_aside(folder: Path) -> Path:
    """The files of a report into a folder NAME.1 beside it, or the next number that is free; raises `OSError`."""
    place = free_beside(folder)
    place.mkdir(parents=True)
    names = sorted(map(reports.file_of, reports.formats()), key=lambda name: name == RESULTS_JSON)
    for name in names:  # what says that there is a report goes last
        if (folder / name).is_file():
            (folder / name).rename(place / name)
    return place


def free_beside(folder: Path) -> Path:
    """A folder NAME.1, NAME.2, ... that is not there yet."""
    whole = folder.resolve()
    names = (whole.with_name(f"{whole.name}.{number}") for number in itertools.count(1))
    return next(place for place in names if not place.exists())


def merged(old: Report, new: Report, topics: Sequence[str]) -> Report:
    """Both as one; `topics` are those of the course, in order. What the new run has is as it stands there."""
    assert old.head is not None and new.head is not None
    unfinished = _unfinished(old, new, topics)
    complete = not unfinished and new.complete and (old.complete or bool(old.unfinished))
    if _pairs(old.submissions) <= _pairs(new.submissions):
        return replace(new, complete=complete, unfinished=unfinished)
    both = {s.student: s for s in old.submissions}
    for result in new.submissions:
        both[result.student] = _student(both.get(result.student), result, topics)
    again = {s.student for s in new.submissions}
    kept = [row for row in old.unread if row.student not in again]
    return Report(
        course=new.course,
        protection=max(old.protection, new.protection, key=_weakness),
        complete=complete,
        submissions=tuple(both[student] for student in sorted(both)),
        notes=tuple(dict.fromkeys((*old.notes, *new.notes))),
        unread=tuple(dict.fromkeys((*kept, *new.unread))),
        unfinished=unfinished,
        head=replace(new.head, checks=_ordered({**old.head.checks, **new.head.checks}, topics)),
    )


def _student(old: SubmissionResult | None, new: SubmissionResult, order: Sequence[str]) -> SubmissionResult:
    """A student's topics of both runs."""
    own = {t.topic: t for t in new.topics}
    if old is None or {t.topic for t in old.topics} <= set(own):
        return new
    topics = _ordered({**{t.topic: t for t in old.topics}, **own}, order)
    return SubmissionResult.of(new.student, topics.values(), tuple(dict.fromkeys((*old.notes, *new.notes))))


def _unfinished(old: Report, new: Report, order: Sequence[str]) -> tuple[Unfinished, ...]:
    """What neither run has finished, and what the new one was to do anew and has not."""
    open_now = {(u.student, t) for u in new.unfinished for t in u.topics}
    left = {(u.student, t) for u in old.unfinished for t in u.topics} - _pairs(new.submissions) | open_now
    students = sorted({student for student, _ in left})
    return tuple(
        Unfinished(student, tuple(_ordered({t: t for s, t in left if s == student}, order))) for student in students
    )


def _weakness(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _pairs(submissions: Iterable[SubmissionResult]) -> Pairs:
    return {(s.student, t.topic) for s in submissions for t in s.topics}


def _ordered(named: dict[str, T], order: Sequence[str]) -> dict[str, T]:
    """In the order of the course; what it does not name any more goes last."""
    known = [name for name in order if name in named]
    return {name: named[name] for name in [*known, *(n for n in named if n not in known)]}
