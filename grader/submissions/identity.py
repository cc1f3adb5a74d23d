"""Who is one student with whom: downloads of a term, members of groups, names that two people bear.

Rows are joined only where it is certain: by an id that the LMS gives to the same person in every assignment, by what
the instructor says (`--people`), or by a full name that nobody else bears. All else stays apart and is listed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from grader.errors import UsageError
from grader.submissions import tables
from grader.submissions.model import Found, Submission, SubmittedFile
from grader.text import name_of, printable

_Handed = tuple[SubmittedFile, Submission]  # a file, and what it was handed in with


@dataclass
class Download:
    """What lay under one path, and as what it was read."""

    layout: str
    submissions: list[Submission]


@dataclass(frozen=True)
class People:
    """What the instructor says: who is in the course (`ids`, `names`; None: not said), and who is who (`joined`)."""

    ids: frozenset[str] | None = None
    names: tuple[str, ...] = ()
    joined: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, roster: Path | None, people: Path | None) -> People:
        """From `--roster` (student, name) and `--people` (listed, student); raises `UsageError`."""
        rows = None if roster is None else _rows(roster, ("student", "id", "student_id"))
        joined = {} if people is None else dict(_pairs(people))
        if rows is None:
            return cls(joined=joined)
        return cls(frozenset(row["student"] for row in rows), tuple(_full_name(row) for row in rows), joined)


def _rows(path: Path, keys: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV, each with a `student`; others are left out."""
    table = tables.read(path)
    key = next((k for k in keys if k in table.columns), None)
    if key is None:
        raise UsageError(f"no column '{keys[0]}'", str(path), f"its first line names the columns: {keys[0]}, ...")
    return [{**row.cells, "student": row.cells[key]} for row in table.rows if row.cells.get(key)]


def _pairs(path: Path) -> Iterable[tuple[str, str]]:
    for row in _rows(path, ("student",)):
        if not row.get("listed"):
            raise UsageError("no column 'listed', or a row without one", str(path), "its columns are listed, student")
        yield row["listed"], row["student"]


def _full_name(row: dict[str, str]) -> str:
    return row.get("name") or " ".join(filter(None, (row.get("first_name", ""), row.get("last_name", ""))))


# --- settling --------------------------------------------------------------------------------------------------------


def settle(downloads: list[Download], people: People, found: Found) -> list[Submission]:
    """One submission a student, sorted by name, whatever the order of the paths."""
    _settle_claims(downloads, people, found)
    _with_members(downloads, people, found)
    joined = _joined(_keyed(downloads, people), found)
    named = _one_name_each(joined, found)
    if people.joined:
        renamed = [replace(s, student=people.joined.get(s.student, s.student)) for s in named]
        told = set(people.joined.values())
        named = _joined([replace(s, key=f"people:{s.student}" if s.student in told else "") for s in renamed], found)
    return sorted(named, key=lambda s: s.student)


def _settle_claims(downloads: list[Download], people: People, found: Found) -> None:
    """A `submission.yml` names the student only where the roster bears it out and nobody else is that student."""
    every = [s for d in downloads for s in d.submissions]
    names = Counter(s.student for s in every) + Counter(s.claimed for s in every if s.claimed != s.student)
    for download in downloads:
        download.submissions[:] = [_claimed(s, people, names, found) for s in download.submissions]


def _claimed(submission: Submission, people: People, names: Counter[str], found: Found) -> Submission:
    name = submission.claimed
    if not name or name == submission.student:
        return submission
    if people.ids is not None and name in people.ids and submission.student not in people.ids and names[name] == 1:
        return replace(submission, student=name)
    if name in submission.members:
        return submission  # a group's folder, whose members are looked at next
    note = f"submission.yml names the student '{name}'; the folder's name counts"
    found.look_at(submission.student, "submission.yml", f"names the student '{name}', which is not used")
    return replace(submission, notes=(*submission.notes, printable(note)))


def _with_members(downloads: list[Download], people: People, found: Found) -> None:
    """Every member of a group that a `submission.yml` names has a row with the group's work."""
    own = {s.student: s for d in downloads for s in d.submissions}
    for download in downloads:
        if download.layout == "class":
            named = [_rows_of(s, own, people, found) if s.members else ([s], []) for s in download.submissions]
            theirs = _merged([row for _, rows in named for row in rows], found)
            for group, (kept, rows) in zip(download.submissions, named, strict=True):
                kept += [] if kept or _all_given(group, [theirs[row.student] for row in rows]) else [group]
            rows = [_filled(row, theirs.pop(row.student, None)) for kept, _ in named for row in kept]
            download.submissions[:] = [*rows, *theirs.values()]


def _merged(rows: list[Submission], found: Found) -> dict[str, Submission]:
    """One row for each member; whom two groups name has the topics of both, and of one topic the first one's file."""
    theirs: dict[str, Submission] = {}
    for row in rows:
        first = theirs.get(row.student)
        if first is not None and first.files.keys() & row.files.keys():
            found.look_at(row.student, row.origin, f"named as a member there and in {first.origin}, which counts")
        theirs[row.student] = row if first is None else _filled(first, row)
    return theirs


def _all_given(group: Submission, members: list[Submission]) -> bool:
    """Whether each file of a group counts for somebody, so that its folder needs no row of its own."""
    return all(any(m.files.get(topic) is file for m in members) for topic, file in group.files.items())


def _rows_of(
    group: Submission, own: dict[str, Submission], people: People, found: Found
) -> tuple[list[Submission], list[Submission]]:
    """(the group's own row, where its folder is a student's; a row for each member who gets the group's work)."""
    notes: list[str] = []
    rows: list[Submission] = []
    for member in dict.fromkeys(group.members):
        problem = "" if member == group.student else _not_theirs(member, group, own, people)
        if problem:
            found.look_at(member, group.origin, f"named as a member there, {problem}")
            notes.append(printable(f"member {member} {problem}"))
        elif member != group.student:
            note = f"the work of {group.student}, whose submission.yml names {member} as a member"
            rows.append(replace(group, student=member, notes=(*group.notes, printable(note))))
    kept = [] if rows and _is_no_student(group, people) else [replace(group, notes=(*group.notes, *notes))]
    return kept, rows


def _filled(row: Submission, group: Submission | None) -> Submission:
    """A member's own row, with the topics of the group that it lacks, each with its own time."""
    if group is None:
        return row
    files = {**group.files, **row.files}
    known = {t: (row if t in row.files else group).submitted_for(t) for t in files}
    times = {t: time for t, time in known.items() if time is not None}
    origins = tuple(dict.fromkeys(row.origins + group.origins))
    return replace(row, files=files, submitted=None, times=times, notes=row.notes + group.notes, joined=origins)


def _is_no_student(group: Submission, people: People) -> bool:
    """A folder that says itself whose it is: one of its members, and nobody of its own name."""
    names = (*group.members, *(people.ids or ()))
    return group.claimed in group.members and group.student not in names


def _not_theirs(member: str, group: Submission, own: dict[str, Submission], people: People) -> str:
    """Why a named member does not get the group's work; "" for one who does."""
    if people.ids is not None and member not in people.ids:
        return "who is not in the roster"
    theirs = own.get(member)
    if theirs is None or theirs is group:
        return ""
    if people.ids is None or theirs.files.keys() & group.files.keys():
        return "who has handed in own work, which counts"
    return ""


# --- joining ---------------------------------------------------------------------------------------------------------


def _keyed(downloads: list[Download], people: People) -> list[Submission]:
    """With keys for full names that only one person can have; a lone download needs none."""
    if len(downloads) < 2:
        return [s for d in downloads for s in d.submissions]
    counts = [Counter(s.full_name for s in d.submissions) for d in downloads]
    safe = {
        name
        for name in set().union(*counts) - {""}
        if all(count[name] <= 1 for count in counts) and (people.ids is None or people.names.count(name) == 1)
    }
    every = [s for d in downloads for s in d.submissions]
    return [replace(s, key=f"name:{s.full_name}") if s.full_name in safe and not s.key else s for s in every]


def _joined(submissions: list[Submission], found: Found) -> list[Submission]:
    groups: dict[object, list[Submission]] = {}
    for number, submission in enumerate(submissions):
        groups.setdefault(submission.key or number, []).append(submission)
    return [_one_of(group, found) for group in groups.values()]


def _one_of(group: list[Submission], found: Found) -> Submission:
    """One student's submissions as one: each topic with the time of its own download."""
    first = group[0]
    if len(group) == 1:
        return first
    by_name = first.key.startswith("name:")
    chosen: dict[str, _Handed] = {}
    notes = [note for s in group for note in s.notes]
    for submission in sorted(group, key=lambda s: _in_order(s.origin)):
        for topic, file in submission.files.items():
            if topic not in chosen:
                chosen[topic] = file, submission
                continue
            old = chosen[topic]
            if _is_newer((file, submission), old, topic):
                chosen[topic] = file, submission
            notes.append(_twice(topic, old, (file, submission), chosen[topic], found))
    times = {t: time for t, (_, s) in chosen.items() if (time := s.submitted_for(t)) is not None}
    return replace(
        first,
        student=first.full_name if by_name else first.student,
        files={t: file for t, (file, _) in chosen.items()},
        submitted=None,
        times=times,
        members=tuple(dict.fromkeys(m for s in group for m in s.members)),
        flagged=any(s.flagged for s in group),
        joined=tuple(dict.fromkeys(origin for s in group for origin in s.origins)),
        notes=tuple(dict.fromkeys(map(printable, notes))),
    )


def _in_order(origin: str) -> list[tuple[int, str]]:
    """As people count: week 10 comes after week 2."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", origin)]


def _twice(topic: str, old: _Handed, new: _Handed, chosen: _Handed, found: Found) -> str:
    """A note that a topic is there twice; where nothing tells which of two is the newer, somebody should look."""
    both = f"{topic} is there twice: {old[1].origin} and {new[1].origin}"
    told = all(s.submitted_for(topic) for _, s in (old, new)) or None in (old[0].source, new[0].source)
    if not told and old[0].digest != new[0].digest:
        why = f"{both}; no time tells which is the newer, and the one from {chosen[1].origin} counts"
        found.look_at(chosen[1].student, topic, why, chosen[1].origin)
    return f"{both}; the one from {chosen[1].origin} counts"


def _is_newer(new: _Handed, old: _Handed, topic: str) -> bool:
    """Readable before not; then by the times that are known; then what was given later."""
    readable = [file.source is not None for file, _ in (new, old)]
    if readable[0] != readable[1]:
        return readable[0]
    times = [s.submitted_for(topic) for _, s in (new, old)]
    return times[0] is None or times[1] is None or times[0] >= times[1]


# --- one name each ---------------------------------------------------------------------------------------------------


def _one_name_each(submissions: list[Submission], found: Found) -> list[Submission]:
    """Where several bear one name, none is chosen silently: one keeps it, the others are listed with a number."""
    claims = Counter(s.student for s in submissions)
    ordered = sorted(submissions, key=lambda s: (s.student, PurePosixPath(s.origin).stem != s.student, s.origin))
    taken: set[str] = set()
    result = []
    for submission in ordered:
        student = submission.student
        if claims[student] > 1:
            note = f"{claims[student]} submissions bear the name '{student}'; this one is from {submission.origin}"
            name = _free_name(submission, taken | set(claims)) if student in taken else student
            found.warn(f"{note}, listed as '{name}'")
            if name != student:
                why = f"if this is {student}, a line of --people joins them: {name},{student}"
                found.look_at(name, submission.origin, why)
            submission = replace(submission, student=name, notes=(*submission.notes, printable(note)))
        taken.add(submission.student)
        result.append(submission)
    return result


def _free_name(submission: Submission, taken: set[str]) -> str:
    folder = name_of(PurePosixPath(submission.origin).name)
    name, number = f"{submission.student} ({folder})", 1
    while folder == submission.student or name in taken:
        number, folder = number + 1, ""
        name = f"{submission.student} ({number})"
    return name
