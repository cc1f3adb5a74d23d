"""The notebooks that formgrader shows and `generate_feedback` turns into pages, made from results; nothing is run.

`nbgrader autograde` would execute the student's notebook for this. Here it is the student's cells as text, put in
order: outputs gone, locked cells as they were handed out, copies and strangers without nbgrader's marks, and under each
check cell what our own judge found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course import Course
from grader.course.stubs import BEGIN, END
from grader.errors import UsageError
from grader.notebooks import build
from grader.notebooks.groups import Group, grouped
from grader.notebooks.showing import Place, html_of
from grader.results import TopicResult
from grader.submissions import STAMP, Submission
from grader.submissions import ipynb as reading
from grader.submissions.opener import Opener
from grader.submissions.sifting import Sifted
from grader.submissions.trees import read_regular
from grader.text import printable

Cell = dict[str, Any]
FOLDER = "autograded"


def handed_out(course: Course, topic: str, groups: Iterable[Group]) -> list[dict[str, Any]]:
    """name, marks, source and checksum of each cell as nbgrader releases it; [] without the reference."""
    checks = [c for g in groups for c in g.checks]
    cells = build.notebook_of(course, course.topic(topic), checks)["cells"]
    found = []
    for cell in cells:
        marks = reading.marks_of(cell)
        if marks:
            source = released(reading.text_of(cell))
            entry = {"name": marks["grade_id"], "marks": marks, "source": source}
            found.append({**entry, "checksum": checksum(source, marks)})
    return found


def released(source: str) -> str:
    """What nbgrader leaves of a solution cell."""
    lines: list[str] = []
    inside = False
    for line in source.split("\n"):
        if BEGIN in line:
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            lines += [f"{indent}# YOUR CODE HERE", f"{indent}raise NotImplementedError()"]
        elif END in line:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def checksum(source: str, marks: dict[str, Any]) -> str:
    """nbgrader's checksum of a code cell."""
    locked = not marks["solution"] and (marks["grade"] or marks["locked"])
    parts = [source, "code", marks["grade"], marks["solution"], locked, marks["grade_id"]]
    parts += [float(marks["points"])] if marks["grade"] else []
    return hashlib.md5("".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Known:
    """The cells of a notebook as the gradebook knows them; nothing of a submission decides what a cell is."""

    sources: list[Any]
    points: dict[str, float]  # of graded cells
    solutions: set[str]
    tasks: set[str]

    def marks(self, source: Any) -> dict[str, Any]:
        """nbgrader's metadata of a cell."""
        name = source.name
        marks: dict[str, Any] = {"grade": name in self.points and name not in self.tasks, "grade_id": name}
        marks |= {"locked": bool(source.locked), "solution": name in self.solutions, "task": name in self.tasks}
        marks |= {"cell_type": source.cell_type, "checksum": source.checksum, "schema_version": 3}
        return {**marks, "points": self.points[name]} if name in self.points else marks


class Shelf:
    """`DIR/autograded/`, beside the gradebook, where DIR is an nbgrader course."""

    def __init__(self, folder: Path, course: Course) -> None:
        self.folder, self.course = folder, course
        self.opener = Opener()
        self.is_course = any((folder / name).exists() for name in ("source", build.CONFIG))

    def close(self) -> None:
        """End the process that takes notebooks apart, if there is one."""
        self.opener.close()

    def document(self, submission: Submission, topic: str) -> Cell:
        """What was handed in, taken apart; the source as one cell where that is no notebook."""
        self.opener.renew()
        file = submission.files[topic]
        try:
            return self.opener.document(read_regular(Path(submission.origin) / file.where, reading.MAX_NOTEBOOK))
        except (OSError, ValueError):
            return {"cells": [_plain("submission", "code", file.source)] if file.source else []}

    def put(
        self,
        submission: Submission,
        assignment: str,
        result: TopicResult,
        document: Cell,
        cells: Known,
        notes: tuple[str, ...],
    ) -> None:
        """Write one graded notebook and its timestamp; raises `UsageError`."""
        if not self.is_course:
            return
        home = Path(submission.origin)
        file = submission.files[result.topic]
        place = self._place(submission.student, assignment)
        notebook = graded(document, result, cells, notes, Sifted("", (), file.cells).place)
        try:
            place.mkdir(parents=True, exist_ok=True)
            _replace(place / f"{result.topic}.ipynb", build.dump(notebook))
            stamp = (home / file.where).parent / STAMP
            if stamp.is_file() and not stamp.is_symlink():
                shutil.copyfile(stamp, place / STAMP)
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", str(place), "check the rights there") from None

    def _place(self, student: str, assignment: str) -> Path:
        """The folder of a student's assignment; raises `UsageError` where it would be none, or another's."""
        for name, what in ((student, "student"), (assignment, "assignment")):
            refuse_no_folder(name, what)
        home = self.folder / FOLDER / student
        try:
            for folder in (home, home / assignment):
                _refuse_anothers(folder)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", str(home), "check the rights there") from None
        return home / assignment


def refuse_no_folder(name: str, what: str) -> None:
    """Raises `UsageError` for a name that cannot be one folder, as nbgrader makes of students and assignments."""
    if name in ("", ".", "..") or any(c in "/\\" or not c.isprintable() for c in name):
        raise UsageError(f"'{printable(name)}' cannot be a folder's name", what, "nbgrader needs one; choose another")


def _refuse_anothers(folder: Path) -> None:
    """Raises `UsageError` for a folder that is there under another name: not all systems tell Ann from ann."""
    own = unicodedata.normalize("NFC", folder.name)
    if folder.exists() and own not in {unicodedata.normalize("NFC", n) for n in os.listdir(folder.parent)}:
        problem = "this folder is another's, whose name differs in upper and lower case or accents alone"
        raise UsageError(problem, str(folder), "rename one of the two")


def _replace(path: Path, text: str) -> None:
    """In one step; what `nbgrader autograde` left is read-only."""
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_text(text, encoding="utf-8", newline="\n")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)  # gone already, if all went well


def edited(document: dict[str, Any], cells: Known) -> tuple[str, ...]:
    """The names of locked cells whose last copy has another text than was handed out, spaces at the end apart."""
    locked = {s.name: s for s in cells.sources if s.locked and s.source is not None}
    own = _last_of_each([c for c in document.get("cells", []) if isinstance(c, dict)], locked)
    named = {reading.id_of(c): c for c in own if reading.id_of(c)}
    return tuple(name for name in locked if name in named and _words(_text(named[name])) != _words(locked[name].source))


def _words(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def graded(
    document: dict[str, Any], result: TopicResult, cells: Known, notes: tuple[str, ...], place: Place
) -> dict[str, Any]:
    """The student's notebook in order, with our results under the check cells."""
    sources = {s.name: s for s in cells.sources}
    groups = {g.id.grade_id: g for g in grouped(result.topic, result.checks)}
    own = _last_of_each([c for c in document.get("cells", []) if isinstance(c, dict)], sources)
    present = {reading.id_of(c) for c in own}
    own += [_handed_out(s) for s in cells.sources if s.name not in present]
    shown = [_shown(f"cell-{i}", cell, cells, sources.get(reading.id_of(cell))) for i, cell in enumerate(own)]
    for cell in shown:
        group = groups.get(reading.id_of(cell))
        if group is not None:
            cell |= {"outputs": [_output(group, place)], "execution_count": 1}
    if notes:
        shown.insert(0, _plain("grader-notes", "markdown", "\n".join(f"- {_plain_words(n)}" for n in notes)))
    spec = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {"cells": shown, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}


def _last_of_each(cells: list[Cell], known: dict[str, Any]) -> list[Cell]:
    """Copies of a cell and cells that nobody handed out lose nbgrader's marks; the last copy keeps them."""
    seen: set[str] = set()
    result = []
    for cell in reversed(cells):
        name = reading.id_of(cell)
        if name and (name in seen or name not in known):
            cell = {**cell, "metadata": {}}
        seen.add(name)
        result.append(cell)
    return result[::-1]


def _handed_out(source: Any) -> Cell:
    """A cell that was deleted, as it was handed out."""
    marks = {"nbgrader": {"grade_id": source.name}}
    return {"cell_type": source.cell_type, "metadata": marks, "source": source.source or ""}


def _shown(id: str, cell: Cell, cells: Known, source: Any) -> Cell:
    """A cell without outputs, of the type, the text and the marks that it was handed out with."""
    if source is None:
        kind = cell.get("cell_type")
        return _plain(id, kind if kind in ("code", "markdown", "raw") else "raw", _text(cell))
    shown = _plain(id, source.cell_type, (source.source or "") if source.locked else _text(cell))
    shown["metadata"] = {"nbgrader": cells.marks(source)}
    return shown


def _output(group: Group, place: Place) -> dict[str, Any]:
    data = {"text/html": html_of(group, (), place), "text/plain": repr(float(group.points))}
    return {"data": data, "execution_count": 1, "metadata": {}, "output_type": "execute_result"}


def _text(cell: Cell) -> str:
    try:
        return reading.text_of(cell)
    except TypeError:
        return ""


def _plain(id: str, kind: str, text: str) -> Cell:
    cell: Cell = {"cell_type": kind, "id": id, "metadata": {}, "source": text.splitlines(True)}
    return {**cell, "execution_count": None, "outputs": []} if kind == "code" else cell


def _plain_words(text: str) -> str:
    """A sentence that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!<>|$&~" else c for c in text)
