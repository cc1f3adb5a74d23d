"""Classes of students who hand in as people do, in every layout: what lies there, and what each must be graded for.

A student's text of a topic bears the student's number and the topic, so that whatever is read can be traced back.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from grader.course import Course
from grader.submissions import Found

Files = dict[str, bytes]
FULL_NAMES = (
    "Ann Lee", "Jürgen Müller", "Zoe\u0308 O'Neil", "de la Cruz Maria", "Anne-Marie Smith_Jones", "李 雷", "Bob Van 3rd",
    "Section Eight", "Renée", "Test User", "Solution Seeker", "group 3", "Old McDonald", "Lab Rat", "Nguyễn Thị",
    "von der Heide, Eva", "St. John", "Week Lee", "Ñandú  Doble", "Max 2",
)  # fmt: skip
UNREAD, NOTHING = "unread", "nothing"


@dataclass(frozen=True)
class Student:
    """Who hands in; `number` is what an LMS gives to the same person in every assignment."""

    number: int

    @property
    def full(self) -> str:
        """A full name, which students with numbers from 40 share with one from 20: only an LMS's number tells them apart."""
        plain, turn = FULL_NAMES[self.number % len(FULL_NAMES)], self.number // len(FULL_NAMES)
        return plain if turn == 0 else f"{plain} Jr"

    @property
    def folder(self) -> str:
        """The name of the own folder, which nobody shares."""
        return self.full if self.number < 2 * len(FULL_NAMES) else f"{self.full} {self.number}"

    @property
    def user(self) -> str:
        """A user name, which may hold what separates names elsewhere."""
        letters = re.sub(r"[^a-z]", "", self.full.lower()) or "x"
        return f"{letters}{('', '_b', '-c', '.d')[self.number % 4]}{self.number}"


def text(course: Course, topic: str, student: Student) -> str:
    """A student's own text of a topic: one name that it asks for, with a mark in it."""
    stub = course.path("exercises", f"{topic}.py").read_text(encoding="utf-8")
    name = next(n for n in re.findall(r"^def (\w+)", stub, re.M) if not n.startswith("_"))
    return f'def {name}(*args):\n    """of {topic} by {student.number}."""\n    return None\n'


# --- how one student hands in one topic ------------------------------------------------------------------------------


def packed(files: Files, *, windows: bool = False, marked: bool = True) -> bytes:
    """A zip; Windows's old ones have backslashes, macOS and Info-ZIP leave UTF-8 unmarked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\") if windows else name
            if not marked:
                info.filename = info.filename.encode().decode("cp437")
            archive.writestr(info, data)
    return buffer.getvalue()


def tarred(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def notebook(*cells: str) -> bytes:
    made = [{"cell_type": "code", "metadata": {}, "source": c, "outputs": []} for c in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": made}).encode()


def _cut_notebook(topic: str, data: bytes, stub: bytes) -> Files:
    return {f"{topic}.ipynb": notebook(data.decode())[:-9]}


Form = Callable[[str, bytes, bytes], Files]  # (topic, text, stub) -> files
READ: dict[str, Form] = {
    "exact": lambda t, d, s: {f"{t}.py": d},
    "case": lambda t, d, s: {f"{t.title()}.py": d},
    "browser": lambda t, d, s: {f"{t} (1).py": d},
    "windows copy": lambda t, d, s: {f"{t} - Copy.py": d},
    "number": lambda t, d, s: {f"{t}-2.py": d},
    "final": lambda t, d, s: {f"{t}_final.py": d},
    "solution": lambda t, d, s: {f"{t}_solution.py": d},
    "prefix": lambda t, d, s: {f"HW3_{t}.py": d},
    "txt": lambda t, d, s: {f"{t}.py.txt": d},
    "spaces": lambda t, d, s: {f" my {t.replace('_', ' ')} v2.PY": d},
    "notebook": lambda t, d, s: {f"{t}.ipynb": notebook("import os", d.decode(), "print(1 /")},
    "near notebook": lambda t, d, s: {f"HW3 {t} (2).ipynb": notebook(d.decode())},
    "writefile": lambda t, d, s: {f"{t}.ipynb": notebook(f"%%writefile {t}.py\n{d.decode()}")},
    "utf-16": lambda t, d, s: {f"{t}.py": ("\ufeff" + d.decode()).encode("utf-16-le")},
    "latin-1": lambda t, d, s: {f"{t}.py": b"# coding: latin-1\n# caf\xe9\n" + d},
    "zip": lambda t, d, s: {"work.zip": packed({f"{t}.py": d, "notes.txt": b"x"})},
    "zip of zips": lambda t, d, s: {f"{t}.zip": packed({"a.zip": packed({"b.zip": packed({f"x/{t}.py": d})})})},
    "tar": lambda t, d, s: {"work.tar.gz": tarred({f"./home/{t}.py": d})},
    "absolute": lambda t, d, s: {"home.zip": packed({f"/Users/me/hw/{t}.py": d})},
    "mac": lambda t, d, s: {"Archiv.zip": packed({f"Üb/{t}.py": d, f"__MACOSX/Üb/._{t}.py": b"\0\5"}, marked=False)},
    "windows zip": lambda t, d, s: {"neu.zip": packed({f"Übung 1/{t}.py": d}, windows=True)},
    "two tries": lambda t, d, s: {"attempt1.zip": packed({f"{t}.py": s}), "attempt2.zip": packed({f"{t}.py": d})},
    "stub beside": lambda t, d, s: {f"exercises/{t}.py": s, f"submit/{t}.py": d, "README.md": b"mine"},
    "old beside": lambda t, d, s: {f"old/{t}.py": b"x = 1\n", f"deep/er/{t}.py": d},
    "folder": lambda t, d, s: {f"submission/{t}.py": d, "empty/.DS_Store": b"", "Report.docx": b"PK"},
    "of its name": lambda t, d, s: {f"{t}/{t}.py": d},
}  # fmt: skip
CLOSED: dict[str, Form] = {
    "cut zip": lambda t, d, s: {f"{t}.zip": packed({f"{t}.py": d})[:-30]},
    "7z": lambda t, d, s: {"work.7z": b"7z\xbc\xaf\x27\x1c" + bytes(40)},
    "rar": lambda t, d, s: {"work.rar": b"Rar!\x1a\x07\x00" + bytes(40)},
    "cut notebook": _cut_notebook,
    "no text": lambda t, d, s: {f"{t}.py": b"\xff\x00\xe9"},
}
EMPTY: dict[str, Form] = {"words": lambda t, d, s: {"Lösung Aufgabe 1.docx": b"PK\3\4", "scan.pdf": b"%PDF"}}
FORMS = {**READ, **CLOSED, **EMPTY}


@dataclass(frozen=True)
class Work:
    """What a student hands in for one topic, and how it must end."""

    student: Student
    topic: str
    form: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def ends(self) -> str:
        """The mark that stands in what is graded, or UNREAD, or NOTHING."""
        if self.form in READ:
            return f"of {self.topic} by {self.student.number}."
        return UNREAD if self.form in CLOSED else NOTHING

    def flat(self) -> Files:
        """The files without folders, as an LMS takes them: folders are packed."""
        files = dict(self.files)
        return {"all.zip": packed(files)} if any("/" in name for name in files) else files


def work_of(course: Course, topic: str, student: Student, form: str) -> Work:
    stub = course.path("exercises", f"{topic}.py").read_bytes()
    return Work(student, topic, form, tuple(FORMS[form](topic, text(course, topic, student).encode(), stub).items()))


def class_of(
    course: Course, topic: str, size: int = 60, forms: Iterable[str] = tuple(FORMS), shift: int = 0
) -> list[Work]:
    """So many students, each in the next form."""
    forms = list(forms)
    return [work_of(course, topic, Student(i), forms[(i + shift) % len(forms)]) for i in range(size)]


# --- how an LMS lays them out ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Laid:
    """The files of a download, the row of each student's work, and what the download is called."""

    files: Files
    rows: dict[str, Work]


def _below(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": data for name, data in files.items()}


def in_class(works: list[Work], turn: int = 0) -> Laid:
    """A folder a student; every seventh is packed."""
    files: Files = {}
    for w in works:
        packs = w.student.number % 7 == 3
        files |= (
            {f"{w.student.folder}.zip": packed(dict(w.files))} if packs else _below(w.student.folder, dict(w.files))
        )
    return Laid(files, {w.student.folder: w for w in works})


def in_canvas(works: list[Work], turn: int = 0) -> Laid:
    files: Files = {}
    rows = {}
    for w in works:
        name = re.sub(r"[\W_]", "", w.student.full.lower()) if w.student.number % 5 else f"group_{w.student.number}"
        late = "LATE_" if w.student.number % 4 == 1 else ""
        user, submission = 10_000 + w.student.number, 900_000 + 1000 * turn + w.student.number
        files |= {f"{name}_{late}{user}_{submission}_{file}": data for file, data in w.flat().items()}
        rows[f"{name}_{user}"] = w
    return Laid(files, rows)


def in_moodle(works: list[Work], turn: int = 0, flat: bool = False) -> Laid:
    files: Files = {}
    rows = {}
    for w in works:
        row = f"{w.student.full}_{7000 + 100 * turn + (w.student.number * 37) % 100}"
        if flat:
            files |= {f"{row}_assignsubmission_file_{name}": data for name, data in w.flat().items()}
        else:
            files |= _below(f"{row}_assignsubmission_file", dict(w.files))
            files[f"{row}_assignsubmission_onlinetext/onlinetext.html"] = b"<p>see file</p>"
        rows[row] = w
    return Laid(files, rows)


def in_gradescope(works: list[Work], turn: int = 0) -> Laid:
    files: Files = {}
    lines = ["---"]
    for w in works:
        folder = f"submission_{4000 + 100 * turn + w.student.number}"
        files |= _below(folder, dict(w.files))
        lines += [f"{folder}:", "  :submitters:", f"  - :name: {json.dumps(w.student.full)}"]
        lines += [f"    :sid: '{w.student.number:04}'", "  :created_at: 2026-11-20 10:00:00.000000000 Z"]
    files["submission_metadata.yml"] = "\n".join(lines).encode() + b"\n"
    return Laid(files, {f"{w.student.number:04}": w for w in works})


def in_blackboard(works: list[Work], turn: int = 0) -> Laid:
    files: Files = {}
    for w in works:
        head = f"HW_{turn}_{w.student.user}_attempt_2026-11-20-10-15-{w.student.number % 60:02}"
        files |= {f"{head}_{name}": data for name, data in w.flat().items()} | {f"{head}.txt": b"Name: x"}
    return Laid(files, {w.student.user: w for w in works})


def in_brightspace(works: list[Work], turn: int = 0) -> Laid:
    files: Files = {"index.html": b""}
    for w in works:
        head = (
            f"{500 + w.student.number}-{12 + turn} - {w.student.full} - Nov {1 + w.student.number % 28}, 2026 1015 AM"
        )
        flat = w.student.number % 2 == 0
        files |= {f"{head} - {n}": d for n, d in w.flat().items()} if flat else _below(head, dict(w.files))
    return Laid(files, {f"{w.student.full}_{500 + w.student.number}": w for w in works})


def in_forge(works: list[Work], turn: int = 0) -> Laid:
    files: Files = {}
    for w in works:
        folder = f"cs1-hw{turn}-{w.student.user}{'-main' if w.student.number % 3 == 0 else ''}"
        files |= _below(folder, dict(w.files)) | {f"{folder}/.gitignore": b"*.pyc\n"}
    return Laid(files, {w.student.user: w for w in works})


def in_nbgrader(works: list[Work], turn: int = 0) -> Laid:
    """Whoever hands in otherwise lies in the folder of the assignment, too."""
    files: Files = {}
    for w in works:
        folder = f"submitted/{w.student.user}/{w.topic}"
        files |= _below(folder, dict(w.files)) | {f"{folder}/timestamp.txt": b"2026-11-20 10:00:00 UTC"}
    return Laid(files, {w.student.user: w for w in works})


LAYOUTS: dict[str, Callable[[list[Work], int], Laid]] = {
    "class": in_class, "canvas": in_canvas, "moodle": in_moodle, "gradescope": in_gradescope,
    "blackboard": in_blackboard, "brightspace": in_brightspace, "forge": in_forge, "nbgrader": in_nbgrader,
}  # fmt: skip


# --- what came of it -------------------------------------------------------------------------------------------------


def lay(root: Path, files: Files) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def taken(found: Found, topic: str) -> dict[str, str]:
    """Of each row what is graded for a topic: the marks in it, UNREAD, or NOTHING."""
    return {s.student: _taken(s.files.get(topic)) for s in found.submissions}


def _taken(file: object) -> str:
    source = getattr(file, "source", None)
    if source is None:
        return NOTHING if file is None else UNREAD
    return " ".join(re.findall(r"of \w+ by \d+\.", source)) or "no mark"


def wanted(rows: dict[str, Work]) -> dict[str, str]:
    return {row: work.ends for row, work in rows.items()}


def unlisted(found: Found, topic: str, ended: Iterable[str] = (UNREAD, NOTHING)) -> list[str]:
    """Rows without a mark that neither the problem of a file nor `unread.csv` names."""
    listed = {row.student for row in found.unread}
    return [row for row, what in taken(found, topic).items() if what in ended and row not in listed]
