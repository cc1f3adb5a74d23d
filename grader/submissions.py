"""What was handed in: folders, zips, single files and LMS downloads become `Submission` objects.

Nothing is executed or imported here, and nothing is parsed but names, YAML metadata and notebooks' JSON. Files are
regular files inside the given folder, opened without following links, read once, and capped in size.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import yaml

from grader.course import Course
from grader.errors import NothingToGrade, UsageError

MAX_SOURCE = 1 << 20  # bytes of one submitted file
MAX_METADATA = 1 << 16
MAX_ENTRIES = 50_000
LAYOUTS = ("student", "class", "canvas", "moodle", "gradescope", "nbgrader")
METADATA = ("submission.yml", "submission_metadata.yml")
IGNORED = {"__pycache__", ".ipynb_checkpoints", "__MACOSX", ".git", ".DS_Store"}


@dataclass(frozen=True)
class SubmittedFile:
    """A topic's file: its text, or the problem that keeps it from being graded."""

    name: str
    source: str | None
    digest: str | None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """What one student (or group) handed in."""

    student: str
    files: dict[str, SubmittedFile]
    submitted: datetime | None = None
    members: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Found:
    """Everything under the given paths: submissions, what it was taken for, and what was set aside."""

    submissions: list[Submission] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


# --- trees: a folder or a zip ----------------------------------------------------------------------------------------


class Tree(Protocol):
    """Files by relative path, from a folder or a zip."""

    where: str

    def names(self) -> list[PurePosixPath]:
        """Relative paths of the regular files."""

    def read(self, name: PurePosixPath, cap: int) -> bytes:
        """At most `cap` + 1 bytes of a file; raises `OSError`."""


class Folder:
    """A folder on disk; symbolic links and special files are not there."""

    def __init__(self, root: Path, warnings: list[str]) -> None:
        self.root, self.where, self.warnings = root, str(root), warnings

    def names(self) -> list[PurePosixPath]:
        found: list[PurePosixPath] = []
        for folder, folders, files in os.walk(self.root, followlinks=False, onerror=self._unreadable):
            kept = [f for f in sorted(folders) if f not in IGNORED]
            for name in [f for f in kept if os.path.islink(os.path.join(folder, f))]:
                self._linked(os.path.join(folder, name))
            folders[:] = [f for f in kept if not os.path.islink(os.path.join(folder, f))]
            for name in sorted(files):
                path = os.path.join(folder, name)
                if name not in IGNORED and self._regular(path):
                    found.append(PurePosixPath(Path(path).relative_to(self.root).as_posix()))
            if len(found) > MAX_ENTRIES:
                raise UsageError(f"more than {MAX_ENTRIES} files", self.where, "give the folder of the submissions")
        return found

    def _unreadable(self, error: OSError) -> None:
        self.warnings.append(f"{error.filename}: cannot be read ({error.strerror}); the rest is graded")

    def _linked(self, path: str) -> None:
        self.warnings.append(f"{path}: a symbolic link is not followed; hand in the file itself")

    def _regular(self, path: str) -> bool:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            self._linked(path)
        elif not stat.S_ISREG(mode):
            self.warnings.append(f"{path}: not a regular file; left out")
        return stat.S_ISREG(mode)

    def read(self, name: PurePosixPath, cap: int) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(self.root / name, flags)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError("not a regular file")
            return file.read(cap + 1)


class Zip:
    """A zip archive, never unpacked: members are read one by one, with a cap on what they grow to."""

    def __init__(self, data: Any, where: str, warnings: list[str]) -> None:
        self.where, self.warnings = where, warnings
        try:
            self.archive = zipfile.ZipFile(data)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UsageError(f"not a zip that can be read ({error})", where, "ask for it again, or unpack it") from None
        self.members: dict[PurePosixPath, zipfile.ZipInfo] = {}
        infos = self.archive.infolist()
        if len(infos) > MAX_ENTRIES:
            raise UsageError(f"a zip of {len(infos)} entries", where, "give a zip of the submissions alone")
        for info in infos:
            self._add(info)

    def _add(self, info: zipfile.ZipInfo) -> None:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        kind = info.external_attr >> 16
        if info.is_dir() or any(part in IGNORED for part in path.parts):
            return
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            self.warnings.append(f"{self.where}: entry {info.filename!r} points out of the archive; left out")
        elif kind and not stat.S_ISREG(kind) and stat.S_IFMT(kind):
            self.warnings.append(f"{self.where}: entry {info.filename!r} is a link or special file; left out")
        elif path in self.members:
            self.warnings.append(f"{self.where}: entry {info.filename!r} occurs twice; the first one counts")
        else:
            self.members[path] = info

    def names(self) -> list[PurePosixPath]:
        return sorted(self.members)

    def read(self, name: PurePosixPath, cap: int) -> bytes:
        try:
            with self.archive.open(self.members[name]) as member:
                return member.read(cap + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise OSError(f"a damaged or encrypted zip entry ({error})") from None
        except Exception as error:  # noqa: BLE001 - zlib, bz2 and lzma have errors of their own
            raise OSError(f"a damaged zip entry ({type(error).__name__})") from None


class Part:
    """The part of a tree below one of its folders."""

    def __init__(self, tree: Tree, folder: PurePosixPath) -> None:
        self.tree, self.folder = tree, folder
        self.where = f"{tree.where}/{folder}" if folder.parts else tree.where

    def names(self) -> list[PurePosixPath]:
        return [n.relative_to(self.folder) for n in self.tree.names() if n.is_relative_to(self.folder)]

    def read(self, name: PurePosixPath, cap: int) -> bytes:
        return self.tree.read(self.folder / name, cap)


# --- finding submissions ---------------------------------------------------------------------------------------------


def find_submissions(paths: Iterable[Path], course: Course, layout: str | None = None) -> Found:
    """Every submission under the paths; raises `UsageError` or `NothingToGrade`."""
    found = Found()
    for path in paths:
        _find(path, course, layout, found)
    found.submissions = _one_per_student(found.submissions, found.warnings)
    if not found.submissions:
        names = ", ".join(f"{t.name}.py" for t in course.topics)
        where = ", ".join(map(str, paths))
        raise NothingToGrade("no submission found", where, f"files to hand in are {names}, in a folder per student")
    return found


def _find(path: Path, course: Course, layout: str | None, found: Found) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", str(path), "check the spelling and the rights") from None
    if stat.S_ISDIR(mode):
        tree: Tree = Folder(path, found.warnings)
        try:
            os.listdir(path)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", str(path), "check the folder's rights") from None
        _from_tree(tree, path.resolve().name, course, layout, found)
    elif path.suffix.lower() == ".zip":
        _from_tree(Zip(path, str(path), found.warnings), path.stem, course, layout, found)
    else:
        found.layouts.append("file")
        found.submissions.append(_single_file(path, course))


def _single_file(path: Path, course: Course) -> Submission:
    topic = next((t.name for t in course.topics if path.stem == t.name), None)
    if topic is None or path.suffix not in (".py", ".ipynb"):
        names = ", ".join(f"{t.name}.py" for t in course.topics)
        raise UsageError("not the file of a topic", str(path), f"files of this course are {names}")
    tree = Folder(path.parent, [])
    file = _read_file(tree, PurePosixPath(path.name), topic)
    return Submission(path.resolve().parent.name or "student", {topic: file})


def _from_tree(tree: Tree, name: str, course: Course, layout: str | None, found: Found) -> None:
    names = tree.names()
    kind = layout or _layout_of(names, course)
    found.layouts.append(kind)
    readers = {"student": _students_folder, "canvas": _canvas, "nbgrader": _nbgrader}
    found.submissions += readers.get(kind, _class_folders)(tree, names, name, course, found.warnings)


def _layout_of(names: list[PurePosixPath], course: Course) -> str:
    """What the files lie like; a class is a folder per student."""
    topics = {t.name for t in course.topics}
    top = [n for n in names if len(n.parts) == 1]
    if any(n.stem in topics and n.suffix in (".py", ".ipynb") for n in top) or any(n.name in METADATA for n in top):
        return "student"
    if any(_CANVAS.match(n.name) for n in top):
        return "canvas"
    folders = {n.parts[0] for n in names if len(n.parts) > 1}
    if any(_MOODLE.match(f) for f in folders):
        return "moodle"
    if any(re.fullmatch(r"submission_\d+", f) for f in folders):
        return "gradescope"
    if any(len(n.parts) == 3 and n.parts[1] in topics and n.stem == n.parts[1] for n in names):
        return "nbgrader"
    return "class"


_CANVAS = re.compile(r"^(?P<student>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)$")
_MOODLE = re.compile(r"^(?P<student>.+?)_(?P<id>\d+)_assignsubmission_\w+$")


def _students_folder(
    tree: Tree, names: list[PurePosixPath], name: str, course: Course, warnings: list[str]
) -> list[Submission]:
    return [_submission(tree, names, name, course, warnings)]


def _class_folders(
    tree: Tree, names: list[PurePosixPath], name: str, course: Course, warnings: list[str]
) -> list[Submission]:
    """A folder (or a zip) per student, with or without one folder more around the files."""
    submissions = []
    for folder in sorted({n.parts[0] for n in names if len(n.parts) > 1}):
        part = Part(tree, PurePosixPath(folder))
        moodle = _MOODLE.match(folder)
        submissions.append(_submission(part, part.names(), moodle["student"] if moodle else folder, course, warnings))
    for archive in [n for n in names if len(n.parts) == 1 and n.suffix.lower() == ".zip"]:
        submissions += _inner_zip(tree, archive, course, warnings)
    return submissions


def _inner_zip(tree: Tree, archive: PurePosixPath, course: Course, warnings: list[str]) -> list[Submission]:
    where = f"{tree.where}/{archive}"
    try:
        data = tree.read(archive, 64 * MAX_SOURCE)
        inner = Zip(io.BytesIO(data), where, warnings)
    except (OSError, UsageError) as error:
        warnings.append(f"{where}: {error}")
        return [Submission(archive.stem, {}, notes=(f"the zip could not be read: {error}",))]
    return [_submission(inner, inner.names(), archive.stem, course, warnings)]


def _canvas(tree: Tree, names: list[PurePosixPath], name: str, course: Course, warnings: list[str]) -> list[Submission]:
    """`name_[LATE_]userid_submissionid_file.py`, all in one folder."""
    files: dict[str, dict[str, SubmittedFile]] = {}
    late: set[str] = set()
    for path in names:
        match = _CANVAS.match(path.name)
        topic = _topic_of(re.sub(r"-\d+$", "", PurePosixPath(match["file"]).stem), course) if match else None
        if match is None or topic is None:
            warnings.append(f"{tree.where}/{path}: not a file of this course; left out")
            continue
        student = f"{match['student']}_{match['user']}"
        files.setdefault(student, {})[topic] = _read_file(tree, path, topic)
        if match["late"]:
            late.add(student)
    note = ("Canvas marks this submission as late, without saying how late",)
    return [Submission(s, f, notes=note if s in late else ()) for s, f in sorted(files.items())]


def _nbgrader(
    tree: Tree, names: list[PurePosixPath], name: str, course: Course, warnings: list[str]
) -> list[Submission]:
    """`submitted/<student>/<assignment>/<assignment>.ipynb`, with `timestamp.txt` beside it."""
    submissions = []
    for student in sorted({n.parts[0] for n in names if len(n.parts) == 3}):
        part = Part(tree, PurePosixPath(student))
        files = {}
        for path in part.names():
            topic = _topic_of(path.stem, course)
            if topic is not None and len(path.parts) == 2 and path.parts[0] == topic:
                files[topic] = _read_file(part, path, topic)
        submissions.append(Submission(student, files))
    return submissions


def _topic_of(stem: str, course: Course) -> str | None:
    return next((t.name for t in course.topics if t.name == stem), None)


def _submission(
    tree: Tree, names: list[PurePosixPath], student: str, course: Course, warnings: list[str]
) -> Submission:
    """One student's folder: the topic files that lie highest in it, and its metadata."""
    files: dict[str, SubmittedFile] = {}
    extra: list[str] = []
    for path in sorted(names, key=lambda n: (len(n.parts), n.suffix == ".ipynb", n)):
        topic = _topic_of(path.stem, course)
        if path.name in METADATA:
            continue
        if topic is None or path.suffix not in (".py", ".ipynb") or topic in files:
            extra.append(str(path))
        else:
            files[topic] = _read_file(tree, path, topic)
    submission = Submission(student, files, notes=_about_extra(extra))
    submission = _with_odd_folders(tree, submission, course)
    return _with_metadata(tree, names, submission, warnings)


def _about_extra(extra: list[str]) -> tuple[str, ...]:
    if not extra:
        return ()
    shown = ", ".join(extra[:5]) + (f" and {len(extra) - 5} more" if len(extra) > 5 else "")
    return (f"not graded: {shown} (each topic is one file of its name)",)


def _with_odd_folders(tree: Tree, submission: Submission, course: Course) -> Submission:
    """A folder that bears the name of a file, such as `backprop.py/`, is named rather than silently missing."""
    odd = {n.parts[0] for n in tree.names() if len(n.parts) > 1}
    if isinstance(tree, Folder):
        odd |= {p.name for p in tree.root.iterdir() if p.is_dir()}
    files = dict(submission.files)
    for topic in course.topics:
        if f"{topic.name}.py" in odd and topic.name not in files:
            name = f"{topic.name}.py"
            files[topic.name] = SubmittedFile(name, None, None, f"{name} is a folder, not a file")
    return replace(submission, files=files)


def _with_metadata(tree: Tree, names: list[PurePosixPath], submission: Submission, warnings: list[str]) -> Submission:
    """Who and when, from `submission.yml`; file times are never used."""
    path = next((n for n in names if n.name == "submission.yml" and len(n.parts) == 1), None)
    if path is None:
        return submission
    try:
        data = yaml.CSafeLoader(tree.read(path, MAX_METADATA)[:MAX_METADATA]).get_single_data() or {}
        return _described(submission, data)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        words = " ".join(str(error).split())[:200]
        warnings.append(f"{tree.where}/{path}: {words}; the folder's name and no time are used")
        return replace(submission, notes=(*submission.notes, "submission.yml could not be used"))


def _described(submission: Submission, data: Any) -> Submission:
    if not isinstance(data, dict) or not set(data) <= {"student", "submitted", "members"}:
        raise ValueError("submission.yml takes the keys student, submitted and members")
    student, submitted, members = data.get("student"), data.get("submitted"), data.get("members", [])
    if not isinstance(members, list) or any(not isinstance(m, (str, int)) for m in members):
        raise ValueError("members is a list of names")
    if isinstance(submitted, str):
        submitted = datetime.fromisoformat(submitted)
    if submitted is not None and (not isinstance(submitted, datetime) or submitted.tzinfo is None):
        raise ValueError("submitted is a time with its zone, like 2026-11-20T18:00:00+01:00")
    name = str(student) if isinstance(student, (str, int)) and str(student).strip() else submission.student
    return replace(submission, student=name, submitted=submitted, members=tuple(map(str, members)))


# --- reading a file --------------------------------------------------------------------------------------------------


def _read_file(tree: Tree, path: PurePosixPath, topic: str) -> SubmittedFile:
    name = path.name
    try:
        data = tree.read(path, MAX_SOURCE)
    except OSError as error:
        return SubmittedFile(name, None, None, f"{name} cannot be read: {error.strerror or error}")
    if len(data) > MAX_SOURCE:
        return SubmittedFile(name, None, None, f"{name} is larger than {MAX_SOURCE >> 20} MB; a solution is not")
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if path.suffix == ".ipynb":
        from grader.notebooks import source_of_notebook

        return source_of_notebook(data, name, digest)
    return _decoded(data, name, digest)


def _decoded(data: bytes, name: str, digest: str) -> SubmittedFile:
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"{name} is not UTF-8 text (line {line}); save it as UTF-8"
        return SubmittedFile(name, None, digest, problem)
    if "\0" in source:
        return SubmittedFile(name, None, digest, f"{name} holds NUL characters; it is not a text file")
    return SubmittedFile(name, source.replace("\r\n", "\n").replace("\r", "\n"), digest)


def _one_per_student(submissions: list[Submission], warnings: list[str]) -> list[Submission]:
    """Two folders that claim one student: none is chosen silently, the later ones get a name of their own."""
    seen: dict[str, int] = {}
    result = []
    for submission in submissions:
        count = seen[submission.student] = seen.get(submission.student, 0) + 1
        if count > 1:
            name = f"{submission.student} ({count})"
            warnings.append(
                f"two submissions name the student '{submission.student}'; the second is listed as '{name}'"
            )
            note = f"another submission also names the student '{submission.student}'"
            submission = replace(submission, student=name, notes=(*submission.notes, note))
        result.append(submission)
    return result


def iterate(found: Found) -> Iterator[Submission]:
    """Submissions in the order of their students' names, so that the order of input does not matter."""
    return iter(sorted(found.submissions, key=lambda s: s.student))
