"""How one student's tree becomes a `Submission`: topic files, notebooks, archives within, and `submission.yml`.

Whatever layout the tree was cut out of, it is read here, so that a file counts the same wherever it came from. Each
file is read once and capped in size; what has to be parsed is parsed by `opener`'s process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from grader.course import Course, times
from grader.submissions import naming
from grader.submissions.gathering import OWN, Gathering
from grader.submissions.model import Found, Submission, SubmittedFile
from grader.submissions.opener import Opener
from grader.submissions.selecting import Selection, some
from grader.submissions.sources import FileReader, Item, words_of
from grader.submissions.trees import Tree
from grader.text import name_of, printable

MAX_METADATA = 1 << 16
PASSED_OVER = "each topic is one file of its name"


class Reader:
    """Reads students' trees for every layout; what it sets aside on the way, it says to `found`.

    `asked` are the topics that are to be graded; of those that were not named (`-t`), what is not due yet cannot be
    kept from a mark by an archive that does not open.
    """

    def __init__(self, course: Course, found: Found, asked: Iterable[str] = (), encoding: str | None = None) -> None:
        self.course, self.found, self.encoding = course, found, encoding
        self.opener = Opener()
        self.files = FileReader(course, self.opener)
        self.names = naming.TopicNames([t.name for t in course.topics], course.policy.names == "lenient")
        self.blockable = list(asked) or _due_by_now(course)

    def warn(self, text: str) -> None:
        self.found.warn(text)

    def close(self) -> None:
        """End the process that takes things apart, if there is one."""
        self.opener.close()

    # --- what lies there, by names alone

    def topic_of(self, path: PurePosixPath) -> str | None:
        """The topic that a file is for, by its name: exactly, or nearly for a module or a notebook."""
        return self.names.exact(path) or (self.names.near(path) if naming.is_code(path.name) else None)

    def is_work(self, path: PurePosixPath) -> bool:
        """Whether a file is a topic's by its name, or an archive that may hold one."""
        return self.topic_of(path) is not None or self.names.near(path) is not None or naming.is_archive(path.name)

    def is_students(self, tree: Tree) -> bool:
        """Whether a student's files lie at the top of this tree."""
        entries = [*tree.top, *(p for p in tree.odd if len(p.parts) == 1)]
        return any(self.topic_of(p) or p.name == OWN for p in entries)

    # --- a student's folder

    def student(self, tree: Tree, name: str) -> Submission:
        """One student's folder, with what its `submission.yml` says."""
        return self._with_own_metadata(tree, self.folder(tree, name))

    def of_lms(self, tree: Tree, name: str) -> Submission:
        """One student's files out of an LMS's download, which alone says who and when."""
        submission = self.folder(tree, name)
        if any(p.name == OWN for p in tree.top):
            note = f"{OWN} is not used: the download tells who and when"
            return replace(submission, notes=(*submission.notes, note))
        return submission

    def folder(self, tree: Tree, name: str) -> Submission:
        """The topic files of a tree and of the archives in it; what is left over is named."""
        self.opener.renew()
        gathering = Gathering(self.opener, self.encoding, self.warn)
        gathering.add(tree)
        selection = Selection(self.course, self.files, self.names, self.found, shown_name(name), tree.where)
        selection.choose(gathering.items)
        selection.block(gathering.closed, self.blockable)
        selection.list_left()
        return Submission(selection.student, selection.files, notes=_about_left(selection.left), origin=tree.where)

    def single(self, path: PurePosixPath, topic: str, read: Callable[[int], bytes]) -> SubmittedFile:
        """A file that was given alone."""
        self.opener.renew()
        return self.files.read(Item(path, read), topic)

    # --- who and when

    def _with_own_metadata(self, tree: Tree, submission: Submission) -> Submission:
        """Who and when, from `submission.yml`; file times are never used."""
        path = PurePosixPath(OWN)
        if path not in tree.files:
            return submission
        try:
            data = tree.read(path, MAX_METADATA)
            if len(data) > MAX_METADATA:
                raise ValueError(f"larger than {MAX_METADATA >> 10} KB")
            return self._as_policy_says(_described(submission, self.opener.metadata("own", data)))
        except (OSError, ValueError) as error:
            self.warn(f"{tree.where}/{path}: {words_of(error)}; the folder's name and no time are used")
            note = printable(f"{OWN} could not be used: {words_of(error)}")
            return replace(submission, notes=(*submission.notes, note))


    def _as_policy_says(self, submission: Submission) -> Submission:
        """A time in a student's own folder is the student's word, and counts where the policy takes it."""
        known = [t for t in (submission.submitted, *submission.times.values()) if t is not None]
        if not known:
            return submission
        words = f"{OWN} says {', '.join(t.isoformat(' ') for t in known[:3])}: the student's word"
        if self.course.policy.student_times:
            return replace(submission, notes=(*submission.notes, words))
        self.found.words += 1
        note = f"{words}, which does not count here (policy.student_times)"
        return replace(submission, submitted=None, times={}, notes=(*submission.notes, note))

    def in_course_zone(self, time: datetime) -> datetime:
        """The moment of a clock's time that an LMS gives without a zone: the course's, as its due dates have it."""
        zones = [t.due.tzinfo for t in self.course.topics if t.due is not None]
        return time.replace(tzinfo=zones[0] if zones else UTC)


def _due_by_now(course: Course) -> list[str]:
    now = datetime.now(UTC)
    due = [t.name for t in course.topics if t.due is None or t.due <= now]
    return due or [t.name for t in course.topics]


def _described(submission: Submission, said: dict[str, object]) -> Submission:
    """With what `submission.yml` says; raises `ValueError` for a time that is none."""
    student, members, time = said.get("student"), said.get("members"), said.get("submitted")
    if isinstance(student, str):
        submission = replace(submission, claimed=student)
    if isinstance(members, list):
        submission = replace(submission, members=tuple(str(m) for m in members))
    if isinstance(time, dict):
        for topic, text in time.items():
            read = moment(str(text))
            known = {**submission.times, str(topic): read.time}
            submission = _with_note(replace(submission, times=known), read.note)
        return submission
    if time is None:
        return submission
    read = moment(str(time))
    return _with_note(replace(submission, submitted=read.time), read.note)


def _with_note(submission: Submission, note: str) -> Submission:
    return replace(submission, notes=(*submission.notes, note)) if note else submission


# --- words and names -------------------------------------------------------------------------------------------------


def shown_name(name: str) -> str:
    """A folder's name as a student's, which is never empty."""
    return name_of(name) or "student"


def _about_left(left: list[Item]) -> tuple[str, ...]:
    return (f"not graded: {some([i.path for i in left])} ({PASSED_OVER})",) if left else ()


def moment(text: str) -> times.Read:
    """A time with its zone; raises `ValueError` for anything else, for a guessed zone would cost somebody points."""
    try:
        return times.read(text)
    except ValueError as error:
        raise ValueError(f"submitted: {error}") from None


def text_of(data: bytes, cap: int) -> str:
    """Metadata as text; raises `ValueError` where it is too large or no text."""
    if len(data) > cap:
        raise ValueError(f"larger than {cap >> 10 or 1} KB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
