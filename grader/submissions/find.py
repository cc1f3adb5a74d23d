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
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import yaml

from grader.course import Course, plain_yaml
from grader.course.stubs import names_of
from grader.errors import GraderError, NothingToGrade, UsageError
from grader.submissions.ipynb import HANDED_OUT, MAX_NOTEBOOK, read_notebook
from grader.submissions.model import Found, Submission, SubmittedFile
from grader.submissions.sifting import Sifter
from grader.submissions.trees import Tree, folder_tree, read_regular, zip_tree
from grader.text import name_of, printable

MAX_SOURCE = 1 << 20  # bytes of one submitted file
MAX_METADATA = 1 << 16
MAX_EXPORT = 64 << 20  # of an LMS's own metadata, which holds the output of whole classes
MAX_ARCHIVE = 64 << 20  # of a student's zip within a class
LAYOUTS = ("student", "class", "canvas", "moodle", "gradescope", "nbgrader")
SUFFIXES = (".py", ".ipynb")
OWN, GRADESCOPE, STAMP = "submission.yml", "submission_metadata.yml", "timestamp.txt"


# --- finding submissions ---------------------------------------------------------------------------------------------


def find_submissions(paths: Iterable[Path], course: Course, layout: str | None = None) -> Found:
    """Every submission under the paths, by student; raises `UsageError` or `NothingToGrade`."""
    paths = list(paths)
    finder = _Finder(course, layout)
    try:
        for path in paths:
            finder.find(path)
    finally:
        finder.sifter.close()
    found = finder.found
    found.submissions = _one_per_student(found)
    if not found.submissions:
        where = ", ".join(map(str, paths))
        help = f"files to hand in are {_files_of(course)}, in a folder per student"
        raise NothingToGrade("no submission found", where, help, tuple(found.warnings))
    return found


def _files_of(course: Course) -> str:
    return ", ".join(f"{t.name}.py" for t in course.topics)


class _Finder:
    """Reads paths by their layout into `found`."""

    def __init__(self, course: Course, layout: str | None) -> None:
        self.course, self.layout, self.found = course, layout, Found()
        self.topics = {t.name for t in course.topics}
        self.sifter = Sifter()
        self.names: dict[str, set[str]] = {}

    def find(self, path: Path) -> None:
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot be read: {words}", str(path), "check the spelling and the rights") from None
        if stat.S_ISDIR(mode):
            self._tree(folder_tree(path, self.found.warn), path.resolve().name, packed=False)
        elif path.suffix.lower() == ".zip" and stat.S_ISREG(mode):
            self._tree(zip_tree(path, str(path), self.found.warn), path.stem, packed=self.layout is None)
        else:
            self._single_file(path)

    def _single_file(self, path: Path) -> None:
        topic = self._topic_of(PurePosixPath(path.name))
        if topic is None:
            raise UsageError("not the file of a topic", str(path), f"files of this course are {_files_of(self.course)}")
        tree = Tree(str(path.parent), lambda name, cap: read_regular(path.resolve(), cap))
        student = name_of(path.absolute().parent.name) or "student"
        self.found.layouts.append("file")
        file = self._read(tree, PurePosixPath(path.name))
        self.found.submissions.append(Submission(student, {topic: file}, origin=str(path)))

    def _tree(self, tree: Tree, name: str, packed: bool) -> None:
        if self.layout != "student":
            tree = self._unwrapped(tree, packed)
        kind = self.layout or self._layout_of(tree)
        self.found.layouts.append(kind)
        readers: dict[str, Callable[[Tree, str], list[Submission]]] = {
            "student": lambda tree, name: [self._student(tree, name)],
            "class": self._class,
            "canvas": self._canvas,
            "moodle": self._moodle,
            "gradescope": self._gradescope,
            "nbgrader": self._nbgrader,
        }
        self.found.submissions += readers[kind](tree, name)

    # --- which layout

    def _topic_of(self, path: PurePosixPath) -> str | None:
        return path.stem if path.stem in self.topics and path.suffix in SUFFIXES else None

    def _is_students(self, tree: Tree) -> bool:
        """Whether a student's files lie at the top of this tree."""
        entries = [*tree.top, *(p for p in tree.odd if len(p.parts) == 1)]
        return any(self._topic_of(p) or p.name == OWN for p in entries)

    def _unwrapped(self, tree: Tree, packed: bool) -> Tree:
        """Without the folder that packing put around everything; a lone student's folder goes in a zip alone."""
        parts = tree.parts()
        if len(parts) != 1 or tree.top or self._is_students(tree):
            return tree
        inner = self._unwrapped(next(iter(parts.values())), packed)
        if self._is_students(inner):
            return inner if packed else tree
        students = sum(self._is_students(part) for part in inner.parts().values())
        return inner if students > 1 or self._layout_of(inner) != "class" else tree

    def _holds_nbgrader(self, tree: Tree) -> bool:
        """Folders <student>/<assignment>/<topic>.ipynb, where a timestamp or the assignment's name tells nbgrader's."""
        stamped = {p.parent for p in tree.files if p.name == STAMP}
        return any(
            len(p.parts) == 3 and self._topic_of(p) and (p.parts[1] == p.stem or p.parent in stamped)
            for p in tree.files
        )

    def _layout_of(self, tree: Tree) -> str:
        """What the files lie like; a class is a folder per student."""
        folders = list(tree.parts())
        if any(p.name == GRADESCOPE for p in tree.top) or any(re.fullmatch(r"submission_\d+", f) for f in folders):
            return "gradescope"
        if self._is_students(tree):
            return "student"
        if any(_CANVAS.match(p.name) for p in tree.top):
            return "canvas"
        if any(_MOODLE.match(f) for f in folders):
            return "moodle"
        if "submitted" in folders and self._holds_nbgrader(tree.parts()["submitted"]):
            return "nbgrader"
        return "nbgrader" if self._holds_nbgrader(tree) else "class"

    # --- one reader per layout

    def _student(self, tree: Tree, name: str) -> Submission:
        """One student's folder: the topic files that lie highest in it, and `submission.yml`."""
        return self._with_own_metadata(tree, self._folder(tree, name))

    def _folder(self, tree: Tree, name: str) -> Submission:
        """The topic files of a tree, the highest first; what bears a topic's name and is no file is named."""
        files: dict[str, SubmittedFile] = {}
        extra: list[PurePosixPath] = []
        zips: list[PurePosixPath] = []
        for path in sorted(tree.files, key=lambda p: (len(p.parts), p.suffix == ".ipynb", p)):
            topic = self._topic_of(path)
            if path.name in (OWN, GRADESCOPE, STAMP, HANDED_OUT):
                continue
            if topic is None or topic in files:
                (zips if path.suffix.lower() == ".zip" else extra).append(path)
            else:
                files[topic] = self._read(tree, path)
        for path, reason in sorted(tree.odd.items(), key=lambda item: (len(item[0].parts), item[0])):
            topic = self._topic_of(path)
            if topic is not None and topic not in files:
                files[topic] = SubmittedFile(path.name, None, None, f"{path.name} {reason}")
        if zips and not files:
            return self._zipped(tree, zips[0], name)
        shown = name_of(name) or "student"
        return Submission(shown, files, notes=_about_extra([*zips, *extra]), origin=tree.where)

    def _read(self, tree: Tree, path: PurePosixPath) -> SubmittedFile:
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

    def _zipped(self, tree: Tree, path: PurePosixPath, name: str) -> Submission:
        """A student's zip within a folder or a zip."""
        where = f"{tree.where}/{path}"
        try:
            data = tree.read(path, MAX_ARCHIVE)
            if len(data) > MAX_ARCHIVE:
                raise OSError(f"it is larger than {MAX_ARCHIVE >> 20} MB")
            inner = self._unwrapped(zip_tree(io.BytesIO(data), where, self.found.warn), packed=True)
        except (OSError, GraderError) as error:
            problem = f"{path.name} could not be read: {_words(error)}"
            self.found.warn(f"{where}: could not be read: {_words(error)}")
            return Submission(name_of(name) or "student", {}, notes=(printable(problem),), origin=where)
        inner.files = [f for f in inner.files if f.suffix.lower() != ".zip"]  # zips in zips end here
        return self._student(inner, name)

    def _class(self, tree: Tree, name: str) -> list[Submission]:
        """A folder (or a zip) per student, with or without folders around the files."""
        submissions = [self._student(part, folder) for folder, part in tree.parts().items() if folder[0] != "."]
        zips = [p for p in tree.top if p.suffix.lower() == ".zip"]
        strays = [p for p in tree.top if p not in zips]
        if strays:
            self.found.warn(f"{tree.where}: in no student's folder, left out: {_some(strays)}")
        submissions += [self._zipped(tree, path, path.stem) for path in zips]
        return submissions if any(s.files for s in submissions) else []

    def _moodle(self, tree: Tree, name: str) -> list[Submission]:
        """`Full Name_12345_assignsubmission_file/`; the name is Moodle's, whatever a student's file says."""
        submissions = []
        for folder, part in tree.parts().items():
            match = _MOODLE.match(folder)
            student = f"{match['student']}_{match['id']}" if match else folder
            submissions.append(self._named(self._student(part, student), student))
        return submissions

    def _canvas(self, tree: Tree, name: str) -> list[Submission]:
        """`name_[LATE_]userid_submissionid_file.py`, all in one folder; `file-2.py` is a later try of `file.py`."""
        names: dict[str, dict[PurePosixPath, PurePosixPath]] = {}
        late: set[str] = set()
        for path in tree.top:
            match = _CANVAS.match(path.name)
            if match is None:
                self.found.warn(f"{tree.where}/{path}: not named as Canvas names files; left out")
                continue
            student = f"{match['student']}_{match['user']}"
            names.setdefault(student, {})[PurePosixPath(match["file"])] = path
            if match["late"]:
                late.add(student)
        note = ("Canvas marks this submission as late, without saying how late",)
        submissions = []
        for student, files in sorted(names.items()):
            part = self._canvas_part(tree, files, f"{tree.where}/{student}")
            submission = self._named(self._student(part, student), student)
            submissions.append(replace(submission, notes=submission.notes + (note if student in late else ())))
        return submissions

    def _canvas_part(self, tree: Tree, files: dict[PurePosixPath, PurePosixPath], where: str) -> Tree:
        """A tree of one student's files under the names that the student gave them."""
        latest: dict[PurePosixPath, tuple[int, PurePosixPath]] = {}
        for file, path in files.items():
            numbered = re.fullmatch(r"(.+)-(\d{1,3})", file.stem)
            plain = file.with_stem(numbered[1]) if numbered else file
            attempt = int(numbered[2]) if numbered else 0
            if attempt >= latest.get(plain, (0, path))[0]:
                latest[plain] = attempt, path
        return Tree(where, lambda path, cap: tree.read(latest[path][1], cap), sorted(latest))

    def _gradescope(self, tree: Tree, name: str) -> list[Submission]:
        """`submission_NNN/` folders; `submission_metadata.yml` beside them says who and when."""
        about = self._gradescope_metadata(tree)
        submissions = []
        for folder, part in tree.parts().items():
            submission = self._student(part, folder)
            if folder in about:
                submission = _gradescope_says(submission, about[folder])
            submissions.append(submission)
        return submissions

    def _gradescope_metadata(self, tree: Tree) -> dict[str, yaml.Node]:
        path = PurePosixPath(GRADESCOPE)
        if path not in tree.files:
            self.found.warn(f"{tree.where}: no {GRADESCOPE}, so folders stand for names and no time is known")
            return {}
        try:
            text = _text_of(tree.read(path, MAX_EXPORT), MAX_EXPORT)
            node = plain_yaml.compose(text, foreign=True)
            if not isinstance(node, yaml.MappingNode):
                raise ValueError("it is not a list of submissions")
        except (OSError, ValueError) as error:
            self.found.warn(f"{tree.where}/{path}: {_words(error)}; folders stand for names and no time is known")
            return {}
        return {str(key.value): value for key, value in node.value}

    def _nbgrader(self, tree: Tree, name: str) -> list[Submission]:
        """`submitted/<student>/<assignment>/<topic>.ipynb`, with `timestamp.txt` beside it."""
        parts = tree.parts()
        if "submitted" in parts and self._holds_nbgrader(parts["submitted"]):
            parts = parts["submitted"].parts()
        submissions = []
        for student, part in parts.items():
            submission = self._named(self._folder(part, student), student)
            submissions.append(replace(submission, times=self._stamps(part, submission)))
        return submissions

    def _stamps(self, tree: Tree, submission: Submission) -> dict[str, datetime]:
        """The time of each topic, from the `timestamp.txt` of its assignment."""
        times = {}
        for path in [p for p in tree.files if p.name == STAMP]:
            try:
                time = plain_yaml.time_of(_text_of(tree.read(path, 1000), 1000))
            except (OSError, ValueError) as error:
                self.found.warn(f"{tree.where}/{path}: {_words(error)}; no time is known")
                continue
            here = [p for p in tree.files if p.parent == path.parent]
            times.update({topic: time for p in here if (topic := self._topic_of(p)) in submission.files and topic})
        return times

    # --- who and when

    def _named(self, submission: Submission, student: str) -> Submission:
        """The LMS knows who handed in; a file of the student does not change that."""
        return replace(submission, student=name_of(student) or "student")

    def _with_own_metadata(self, tree: Tree, submission: Submission) -> Submission:
        """Who and when, from `submission.yml`; file times are never used."""
        path = PurePosixPath(OWN)
        if path not in tree.files:
            return submission
        try:
            node = plain_yaml.compose(_text_of(tree.read(path, MAX_METADATA), MAX_METADATA))
            return submission if node is None else _described(submission, node)
        except (OSError, ValueError) as error:
            self.found.warn(f"{tree.where}/{path}: {_words(error)}; the folder's name and no time are used")
            note = printable(f"{OWN} could not be used: {_words(error)}")
            return replace(submission, notes=(*submission.notes, note))


_CANVAS = re.compile(r"^(?P<student>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)$")
_MOODLE = re.compile(r"^(?P<student>.+?)_(?P<id>\d+)_assignsubmission_\w+$")


def _words(error: BaseException) -> str:
    return printable(str(getattr(error, "strerror", None) or getattr(error, "problem", None) or error), 200)


def _some(paths: list[PurePosixPath]) -> str:
    shown = ", ".join(printable(str(p), 80) for p in paths[:5])
    return shown + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def _about_extra(extra: list[PurePosixPath]) -> tuple[str, ...]:
    return (f"not graded: {_some(extra)} (each topic is one file of its name)",) if extra else ()


def _text_of(data: bytes, cap: int) -> str:
    if len(data) > cap:
        raise ValueError(f"larger than {cap >> 10 or 1} KB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None


def _described(submission: Submission, node: yaml.Node) -> Submission:
    """With what `submission.yml` says; raises `ValueError` for anything that is not asked for."""
    if not isinstance(node, yaml.MappingNode) or not {str(k.value) for k, _ in node.value} <= {
        "student",
        "submitted",
        "members",
    }:
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
        submission = replace(submission, submitted=_moment(given["submitted"]))
    return submission


def _one_name(node: yaml.Node, what: str) -> str:
    name = name_of(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not name:
        raise ValueError(f"{what} is a name")
    return name


def _moment(node: yaml.Node) -> datetime:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("submitted is a time with its zone, like 2026-11-20T18:00:00+01:00")
    try:
        return plain_yaml.time_of(node.value)
    except ValueError as error:
        raise ValueError(f"submitted: {error}") from None


def _gradescope_says(submission: Submission, node: yaml.Node) -> Submission:
    """Student (the id of the course, else the address, else the name), time and members, as Gradescope knows them."""
    about = _symbols(node)
    people = [_symbols(p) for p in about[":submitters"].value] if ":submitters" in about else []
    for person in people[:1]:
        known = [_one_or_none(person.get(key)) for key in (":sid", ":email", ":name")]
        submission = replace(submission, student=next((n for n in known if n), submission.student))
    names = [_one_or_none(p.get(":name")) for p in people]
    submission = replace(submission, members=tuple(n for n in names if n), submitted=None)
    try:
        return replace(submission, submitted=_moment(about[":created_at"])) if ":created_at" in about else submission
    except ValueError as error:
        return replace(submission, notes=(*submission.notes, f"{GRADESCOPE}: {_words(error)}"))


def _symbols(node: yaml.Node) -> dict[str, yaml.Node]:
    return {str(k.value): v for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}


def _one_or_none(node: yaml.Node | None) -> str | None:
    return name_of(node.value) or None if isinstance(node, yaml.ScalarNode) else None


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
        return SubmittedFile(name, None, None, f"{name} cannot be read: {_words(error)}")
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


# --- one name each ---------------------------------------------------------------------------------------------------


def _one_per_student(found: Found) -> list[Submission]:
    """Sorted by student, whatever the order of input; where several claim one name, none is chosen silently.

    The folder that bears the name keeps it, else the first one; the others are listed with their folder's name.
    """
    claims = Counter(s.student for s in found.submissions)
    ordered = sorted(found.submissions, key=lambda s: (s.student, PurePosixPath(s.origin).stem != s.student, s.origin))
    taken: set[str] = set()
    result = []
    for submission in ordered:
        student = submission.student
        if claims[student] > 1:
            note = f"{claims[student]} submissions name the student '{student}'; this one is from {submission.origin}"
            name = _free_name(submission, taken | set(claims)) if student in taken else student
            found.warn(f"{note}, listed as '{name}'")
            submission = replace(submission, student=name, notes=(*submission.notes, printable(note)))
        taken.add(submission.student)
        result.append(submission)
    return sorted(result, key=lambda s: s.student)


def _free_name(submission: Submission, taken: set[str]) -> str:
    folder = name_of(PurePosixPath(submission.origin).name)
    name, number = f"{submission.student} ({folder})", 1
    while folder == submission.student or name in taken:
        number, folder = number + 1, ""
        name = f"{submission.student} ({number})"
    return name
