"""`grade nbgrader build DIR`: an nbgrader course from the files of the course, byte for byte the same each time.

A topic becomes one assignment with one notebook: the handout, then for each unit of the solution a cell to fill, a cell
of public checks and a cell of hidden ones. A check cell holds an id and no test. nbgrader's own commands do the rest.
"""

from __future__ import annotations

import ast
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course import Course, Topic
from grader.course.stubs import BEGIN, END
from grader.errors import CourseError, GraderFault, UsageError
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.notebooks import bundle
from grader.notebooks.groups import Group, grouped
from grader.results import CheckResult, TopicResult
from grader.submissions import Submission, tables
from grader.submissions import ipynb as reading

HEADER = "module-imports"
CONFIG = "nbgrader_config.py"
COLUMNS = ("id", "first_name", "last_name", "email")  # of a roster
Cell = dict[str, Any]
Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


# --- the units of a solution -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exercise:
    """A function or class to write, with the reference between nbgrader's markers."""

    name: str
    source: str


@dataclass(frozen=True)
class Parts:
    """A solution taken apart: what comes before the first unit, and the units."""

    header: str
    units: tuple[Exercise, ...]


@dataclass
class _Piece:
    node: ast.stmt
    text: str
    helper: bool
    gap: str  # a line's end where an empty line stands above it

    @property
    def names(self) -> set[str]:
        if isinstance(self.node, Definition):
            return {self.node.name}
        return {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

    @property
    def uses(self) -> set[str]:
        return {n.id for n in ast.walk(self.node) if isinstance(n, ast.Name)}


def take_apart(source: str, where: str) -> Parts:
    """The header and units of a solution. Helpers of the reference go with the first unit that needs them.

    A unit is a public function or class that holds a marker; what stands between two units goes with the later one.
    """
    header: list[str] = []
    units: dict[str, str] = {}
    helpers: list[_Piece] = []
    loose: list[str] = []
    nodes: dict[str, _Piece] = {}
    for piece in _pieces(source):
        if piece.helper:
            helpers.append(piece)
        elif isinstance(piece.node, Definition) and BEGIN in piece.text:
            units[piece.node.name] = "\n\n\n".join([*loose, piece.text])
            nodes[piece.node.name] = piece
            loose = []
        else:
            (loose if units else header).append(piece.text if units else piece.gap + piece.text)
    owners = _owners(nodes, helpers)
    merged = []
    for name, text in units.items():
        own = [h for h in helpers if owners[id(h)] == name]
        merged.append(Exercise(name, _with_helpers(text, own, f"{where}: {name}")))
    return Parts("\n".join(header), tuple(merged))


def _pieces(source: str) -> Iterable[_Piece]:
    """The statements at the top of a file with the comments above them; helpers stand between markers of their own."""
    lines = source.split("\n")
    marked, inside = [], False
    for line in lines:
        inside = line == BEGIN or (inside and line != END)
        marked.append(inside)
    start = 0
    for node in ast.parse(source).body:
        end = node.end_lineno or node.lineno
        while end < len(lines) and lines[end].startswith((" ", "\t")):  # comments belong to the block above them
            end += 1
        text = [line for line in lines[start:end] if line not in (BEGIN, END)]
        gap = "\n" if start and not lines[start].strip() else ""
        yield _Piece(node, "\n".join(text).strip("\n"), marked[node.lineno - 1], gap)
        start = end


def _owners(units: dict[str, _Piece], helpers: list[_Piece]) -> dict[int, str]:
    """{id(helper): the first unit that needs it}; helpers that nobody needs go with the first unit."""
    owners: dict[int, str] = {}
    for name, unit in units.items():
        needed, grown = set(unit.uses), True
        while grown:
            grown = False
            for helper in helpers:
                if helper.names & needed and not helper.uses <= needed:
                    needed |= helper.uses
                    grown = True
        for helper in helpers:
            if helper.names & needed:
                owners.setdefault(id(helper), name)
    return {**{id(h): next(iter(units), "") for h in helpers}, **owners}


def _with_helpers(text: str, helpers: list[_Piece], where: str) -> str:
    """A unit with helpers inside its last region, so that nbgrader clears both and leaves one stub."""
    if not helpers:
        return text
    body, last = text.rsplit("\n", 1)
    if last.strip() != END:
        raise CourseError(f"'{END}' is not its last line", where, "the helpers that it needs go before that line")
    return "\n\n\n".join([body, *(h.text for h in helpers)]) + "\n" + last


# --- cells -----------------------------------------------------------------------------------------------------------


def _markdown(id: str, text: str) -> Cell:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": text.splitlines(True)}


def _code(id: str, text: str, **marks: Any) -> Cell:
    nbgrader = {"grade": False, "grade_id": id, "locked": False, "schema_version": 3, "solution": False, "task": False}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": _short(id),
        "metadata": {"nbgrader": {**nbgrader, **marks}},
        "outputs": [],
        "source": text.splitlines(True),
    }


def _short(id: str) -> str:
    """A cell's own id, which may have 64 characters."""
    return id if len(id) <= 64 else f"{id[:50]}-{zlib.crc32(id.encode()):08x}"


def _handout(course: Course, topic: Topic) -> list[Cell]:
    """The handout, a cell a section."""
    path = course.path("exercises", f"{topic.name}.md")
    text = path.read_text(encoding="utf-8") if path.is_file() else f"# {topic.name}\n"
    return [_markdown(f"handout-{i}", part.strip()) for i, part in enumerate(_sections(text), 1)]


def _sections(text: str) -> list[str]:
    """Cut before each heading of the second level that stands in no fenced block."""
    parts: list[list[str]] = [[]]
    fenced = False
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) for part in parts if any(part)]


def _unit_cells(unit: Exercise, groups: list[Group]) -> list[Cell]:
    points = sum(g.max_points for g in groups)
    cells = [_markdown(f"about-{unit.name}", f"## `{unit.name}` ({points:g} points)")]
    cells.append(_code(unit.name, unit.source, solution=True))
    for group in groups:
        text = f'from grader.notebooks import check\n\ncheck("{group.id}")'
        cells.append(_code(group.id.grade_id, text, grade=True, locked=True, points=group.max_points))
    return cells


def notebook_of(course: Course, topic: Topic, checks: Iterable[CheckResult]) -> dict[str, Any]:
    """The source notebook of a topic, reference and all."""
    path = course.path("solutions", f"{topic.name}.py")
    if not path.is_file():
        raise CourseError("the reference is missing", str(path), "notebooks are built where the solutions are")
    parts = take_apart(path.read_text(encoding="utf-8"), f"solutions/{path.name}")
    groups = grouped(topic.name, checks)
    names = [unit.name for unit in parts.units]
    for group in groups:
        if group.id.unit not in names:
            problem = f"its checks judge '{group.id.unit}', which is no unit of the solution"
            raise CourseError(problem, f"solutions/{path.name}", f"put what is to be written between {BEGIN} and {END}")
    cells = [*_handout(course, topic), _code(HEADER, parts.header, locked=True)]
    for unit in parts.units:
        cells += _unit_cells(unit, [g for g in groups if g.id.unit == unit.name])
    listed = [c["metadata"]["nbgrader"]["grade_id"] for c in cells if "nbgrader" in c["metadata"]]
    metadata = {
        "grader": {"cells": listed, "topic": topic.name},
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def dump(notebook: dict[str, Any]) -> str:
    """A notebook's text, as Jupyter itself writes it."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


# --- the course ------------------------------------------------------------------------------------------------------


def catalogue(course: Course, topics: list[str]) -> dict[str, TopicResult]:
    """Every check of the topics, by topic, as it ends where nothing was handed in.

    Raises `GraderFault`, or `CourseError` where points do not add up.
    """
    engine = make_engine(course, topics)
    try:
        engine.start()
        engine.refuse_odd_points()
        (result,) = grade_many([Submission("nobody", {})], course, engine, topics, 1)
    finally:
        engine.close()
    for topic in result.topics:
        if topic.faults:
            raise GraderFault(f"{topic.topic}: {topic.faults[0].message}", "", "run grade audit on it")
    return {topic.topic: topic for topic in result.topics}


def build(course: Course, folder: Path, topics: list[str], force: bool = False) -> list[Path]:
    """Write the nbgrader course; returns the files that were written. Raises `UsageError`, `CourseError`."""
    found = catalogue(course, topics)
    files: dict[Path, str] = {}
    for name in topics:
        topic, checks = course.topic(name), found[name].checks
        hidden = [c.function for c in checks if c.visibility == "hidden"]
        source = folder / "source" / name
        files[source / f"{name}.ipynb"] = dump(notebook_of(course, topic, checks))
        files[source / reading.HANDED_OUT] = bundle.pack(
            course, topic, {u: hidden.count(u) for u in dict.fromkeys(hidden)}
        )
    if not (folder / CONFIG).exists():
        files[folder / CONFIG] = config_of(course)
    return _write(files, force)


def _write(files: dict[Path, str], force: bool) -> list[Path]:
    """Write what is new; what differs from what lies there may hold an instructor's own changes."""
    old = {path: path.read_text(encoding="utf-8") for path in files if path.is_file()}
    changed = [path for path, text in old.items() if files[path] != text]
    if changed and not force:
        help = "pass --force to replace it, or choose another folder"
        raise UsageError("it is there already and differs", str(changed[0]), help)
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", str(path), "choose another folder") from None
    return list(files)


def config_of(course: Course) -> str:
    """`nbgrader_config.py`: the settings that this course needs."""
    slug = re.sub(r"[^a-z0-9]+", "-", course.title.lower()).strip("-") or "course"
    return _CONFIG.format(course_id=slug, course_file=str(course.file))


# --- the roster ------------------------------------------------------------------------------------------------------


def read_roster(path: Path) -> list[dict[str, str]]:
    """Students from a CSV file with the columns id, first_name, last_name, email; raises `UsageError`.

    A row that is there twice counts once; one id in rows that differ is refused.
    """
    students: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for row in tables.read(path).rows:
        student = {"id": row.get("id", "student_id", "student"), **{c: row.get(c) for c in COLUMNS[1:]}}
        id, where = student["id"], f"{path}:{row.line}"
        if not id:
            raise UsageError("no id in this row", where, "the first line names the columns: " + ", ".join(COLUMNS))
        if students.get(id, student) != student:
            raise UsageError(f"'{id}' is also in line {lines[id]}, with other words", where, "keep one of the two rows")
        students[id] = student
        lines.setdefault(id, row.line)
    return list(students.values())


_CONFIG = '''"""Settings of nbgrader for this course, written by `grade nbgrader build`; yours to change."""

import os

c = get_config()  # noqa: F821 - nbgrader provides it

# The course with the hidden checks. Check cells ask it while `nbgrader autograde` runs; it never leaves this machine.
os.environ.setdefault("GRADER_COURSE", {course_file!r})

c.CourseDirectory.course_id = {course_id!r}

# A check cell may judge for a while: each check has a limit of its own.
c.ExecutePreprocessor.timeout = 300

# A student who deletes a check cell has not lost its points.
c.OverwriteCells.add_missing_cells = True

# A warning on standard error is no wrong answer: check cells raise, or return points.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = "."

# Lateness costs what course.yml says.
c.AssignLatePenalties.plugin_class = "grader.notebooks.late.CoursePolicy"
'''
