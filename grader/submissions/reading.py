"""How one student's tree becomes a `Submission`: topic files, notebooks, zips within, and what `submission.yml` says.

Whatever layout the tree was cut out of, it is read here, so that a file counts the same wherever it came from. Each
file is read once and capped in size; nothing is parsed but names, YAML metadata and notebooks' JSON.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

import yaml

from grader.course import Course, plain_yaml
from grader.course.stubs import names_of
from grader.errors import GraderError
from grader.submissions.ipynb import HANDED_OUT, MAX_NOTEBOOK, read_notebook
from grader.submissions.model import Submission, SubmittedFile
from grader.submissions.sifting import Sifter
from grader.submissions.trees import Tree, Warn, zip_tree
from grader.text import name_of, printable

MAX_SOURCE = 1 << 20  # bytes of one submitted file
MAX_METADATA = 1 << 16
MAX_ARCHIVE = 64 << 20  # of a student's zip within a class
SUFFIXES = (".py", ".ipynb")
OWN, GRADESCOPE, STAMP = "submission.yml", "submission_metadata.yml", "timestamp.txt"
_KEYS = {"student", "submitted", "members"}  # of `submission.yml`


class Reader:
    """Reads students' trees for every layout; what it sets aside on the way, it says to `warn`.

    `unwrapped` takes off the folder that packing put around a student's zip. It is handed in, for it has to know all
    layouts, and they know the reader.
    """

    def __init__(self, course: Course, warn: Warn, unwrapped: Callable[[Tree], Tree]) -> None:
        self.course, self.warn, self.unwrapped = course, warn, unwrapped
        self.topics = {t.name for t in course.topics}
        self.sifter = Sifter()
        self.names: dict[str, set[str]] = {}

    def close(self) -> None:
        """End the process that takes notebooks apart, if there is one."""
        self.sifter.close()

    # --- what lies there

    def topic_of(self, path: PurePosixPath) -> str | None:
        """The topic whose file bears this name, if any."""
        return path.stem if path.stem in self.topics and path.suffix in SUFFIXES else None

    def is_students(self, tree: Tree) -> bool:
        """Whether a student's files lie at the top of this tree."""
        entries = [*tree.top, *(p for p in tree.odd if len(p.parts) == 1)]
        return any(self.topic_of(p) or p.name == OWN for p in entries)

    # --- a student's folder or zip

    def student(self, tree: Tree, name: str) -> Submission:
        """One student's folder: the topic files that lie highest in it, and `submission.yml`."""
        return self._with_own_metadata(tree, self.folder(tree, name))

    def folder(self, tree: Tree, name: str) -> Submission:
        """The topic files of a tree, or those of a zip where there are none; what is left over is named."""
        files, left = self._topic_files(tree)
        self._add_odd(tree, files)
        zips = [p for p in left if p.suffix.lower() == ".zip"]
        if zips and not files:
            return self.zipped(tree, zips[0], name)
        extra = [p for p in left if p.suffix.lower() != ".zip"]
        return Submission(shown_name(name), files, notes=_about_extra([*zips, *extra]), origin=tree.where)

    def _topic_files(self, tree: Tree) -> tuple[dict[str, SubmittedFile], list[PurePosixPath]]:
        """The file of each topic, the highest first and a module before a notebook; and the files that are none."""
        files: dict[str, SubmittedFile] = {}
        left: list[PurePosixPath] = []
        for path in sorted(tree.files, key=lambda p: (len(p.parts), p.suffix == ".ipynb", p)):
            topic = self.topic_of(path)
            if path.name in (OWN, GRADESCOPE, STAMP, HANDED_OUT):
                continue
            if topic is None or topic in files:
                left.append(path)
            else:
                files[topic] = self.read(tree, path)
        return files, left

    def _add_odd(self, tree: Tree, files: dict[str, SubmittedFile]) -> None:
        """What bears a topic's name and is no file stands for the topic, with the reason why it is not graded."""
        for path, reason in sorted(tree.odd.items(), key=lambda item: (len(item[0].parts), item[0])):
            topic = self.topic_of(path)
            if topic is not None and topic not in files:
                files[topic] = SubmittedFile(path.name, None, None, f"{path.name} {reason}")

    def zipped(self, tree: Tree, path: PurePosixPath, name: str) -> Submission:
        """A student's zip within a folder or a zip."""
        where = f"{tree.where}/{path}"
        try:
            data = tree.read(path, MAX_ARCHIVE)
            if len(data) > MAX_ARCHIVE:
                raise OSError(f"it is larger than {MAX_ARCHIVE >> 20} MB")
            inner = self.unwrapped(zip_tree(io.BytesIO(data), where, self.warn))
        except (OSError, GraderError) as error:
            problem = f"{path.name} could not be read: {words_of(error)}"
            self.warn(f"{where}: could not be read: {words_of(error)}")
            return Submission(shown_name(name), {}, notes=(printable(problem),), origin=where)
        inner.files = [f for f in inner.files if f.suffix.lower() != ".zip"]  # zips in zips end here
        return self.student(inner, name)

    # --- a file

    def read(self, tree: Tree, path: PurePosixPath) -> SubmittedFile:
        """A topic's file; of a notebook the source that its cells make."""
        if path.suffix != ".ipynb":
            return replace(_read_file(tree, path), where=str(path))
        starts: list[tuple[int, int]] = []
        file = _read_file(tree, path, MAX_NOTEBOOK, lambda data: self._source_of(data, path.stem, starts))
        return replace(file, where=str(path), cells=tuple(starts))

    def _source_of(self, data: bytes, topic: str, starts: list[tuple[int, int]]) -> tuple[str, tuple[str, ...]]:
        """The source and notes of a notebook, and where its cells begin; raises `ValueError`."""
        notebook = read_notebook(data)
        sifted = self.sifter(notebook.cells, self._asked_for(topic))
        if len(sifted.source) > MAX_SOURCE:
            raise ValueError(f"holds more than {MAX_SOURCE >> 20} MB of code; a solution does not")
        starts += sifted.starts
        return sifted.source, notebook.notes + sifted.notes

    def _asked_for(self, topic: str) -> set[str]:
        if topic not in self.names:
            stub = self.course.path("exercises", f"{topic}.py").read_text(encoding="utf-8")
            self.names[topic] = names_of(stub)
        return self.names[topic]

    # --- who and when

    def _with_own_metadata(self, tree: Tree, submission: Submission) -> Submission:
        """Who and when, from `submission.yml`; file times are never used."""
        path = PurePosixPath(OWN)
        if path not in tree.files:
            return submission
        try:
            node = plain_yaml.compose(text_of(tree.read(path, MAX_METADATA), MAX_METADATA))
            return submission if node is None else _described(submission, node)
        except (OSError, ValueError) as error:
            self.warn(f"{tree.where}/{path}: {words_of(error)}; the folder's name and no time are used")
            note = printable(f"{OWN} could not be used: {words_of(error)}")
            return replace(submission, notes=(*submission.notes, note))


# --- words and names -------------------------------------------------------------------------------------------------


def shown_name(name: str) -> str:
    """A folder's name as a student's, which is never empty."""
    return name_of(name) or "student"


def named(submission: Submission, student: str) -> Submission:
    """The LMS knows who handed in; a file of the student does not change that."""
    return replace(submission, student=shown_name(student))


def words_of(error: BaseException) -> str:
    """What an error says, in one short line, without the numbers and places that YAML and the system add."""
    return printable(str(getattr(error, "strerror", None) or getattr(error, "problem", None) or error), 200)


def some(paths: list[PurePosixPath]) -> str:
    """The first few of many paths, and how many more there are."""
    shown = ", ".join(printable(str(p), 80) for p in paths[:5])
    return shown + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def _about_extra(extra: list[PurePosixPath]) -> tuple[str, ...]:
    return (f"not graded: {some(extra)} (each topic is one file of its name)",) if extra else ()


# --- metadata --------------------------------------------------------------------------------------------------------


def text_of(data: bytes, cap: int) -> str:
    """Metadata as text; raises `ValueError` where it is too large or no text."""
    if len(data) > cap:
        raise ValueError(f"larger than {cap >> 10 or 1} KB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None


def _described(submission: Submission, node: yaml.Node) -> Submission:
    """With what `submission.yml` says; raises `ValueError` for anything that is not asked for."""
    if not isinstance(node, yaml.MappingNode) or not {str(k.value) for k, _ in node.value} <= _KEYS:
        raise ValueError("it takes the keys student, submitted and members")
    if len({k.value for k, _ in node.value}) < len(node.value):
        raise ValueError("a key is given twice")
    given = {str(key.value): value for key, value in node.value}
    if "student" in given:
        submission = replace(submission, student=_one_name(given["student"], "student"))
    if "members" in given:
        if not isinstance(given["members"], yaml.SequenceNode):
            raise ValueError("members is a list of names")
        submission = replace(submission, members=tuple(_one_name(m, "a member") for m in given["members"].value))
    if "submitted" in given:
        submission = replace(submission, submitted=moment(given["submitted"]))
    return submission


def _one_name(node: yaml.Node, what: str) -> str:
    name = name_of(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not name:
        raise ValueError(f"{what} is a name")
    return name


def moment(node: yaml.Node) -> datetime:
    """A time with its zone; raises `ValueError` for anything else, for a guessed zone would cost somebody points."""
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("submitted is a time with its zone, like 2026-11-20T18:00:00+01:00")
    try:
        return plain_yaml.time_of(node.value)
    except ValueError as error:
        raise ValueError(f"submitted: {error}") from None


# --- reading a file --------------------------------------------------------------------------------------------------


def _read_file(
    tree: Tree,
    path: PurePosixPath,
    cap: int = MAX_SOURCE,
    understood: Callable[[bytes], tuple[str, tuple[str, ...]]] = lambda data: (_decoded(data), ()),
) -> SubmittedFile:
    """A file of at most `cap` bytes; `understood` makes its source and notes, or raises `ValueError`."""
    name = path.name
    try:
        data = tree.read(path, cap)
    except OSError as error:
        return SubmittedFile(name, None, None, f"{name} cannot be read: {words_of(error)}")
    if len(data) > cap:
        return SubmittedFile(name, None, None, f"{name} is larger than {cap >> 20} MB; a solution is not")
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    try:
        source, notes = understood(data)
        if "\0" in source:
            raise ValueError("holds NUL characters; it is not a text file")
    except ValueError as error:
        words = str(error)
        return SubmittedFile(name, None, digest, f"{name} {'is ' if words.startswith('not') else ''}{words}")
    return SubmittedFile(name, source, digest, notes=notes)


def _decoded(data: bytes) -> str:
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"not UTF-8 text (line {line}); save it as UTF-8") from None
    return source.replace("\r\n", "\n").replace("\r", "\n")
