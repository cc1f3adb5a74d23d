"""Whole classes in every layout: no student is lost, doubled, merged with another or given a silent 0."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import classes
import pytest
from classes import NOTHING, UNREAD, Student, class_of, lay, notebook, packed, taken, text, unlisted, wanted, work_of
from toys import ROOT

from grader.course import Course, load_course
from grader.submissions import LAYOUT_NAMES, Asked, Found, find_submissions

TOPICS = ("conv_backprop", "backprop", "optimizers")


@pytest.fixture(scope="module")
def course() -> Course:
    return load_course(ROOT / "course.yml")


def find(course: Course, *paths: Path, topic: str = "conv_backprop", layout: str | None = None) -> Found:
    return find_submissions(paths, course, layout, Asked(topics=(topic,)))


def nfc(rows: dict[str, str]) -> dict[str, str]:
    return {unicodedata.normalize("NFC", " ".join(row.split())): what for row, what in rows.items()}


def nfc_rows(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {unicodedata.normalize("NFC", " ".join(row.split())): ends for row, ends in rows.items()}


@pytest.mark.parametrize("packing", ["folder", "zip", "wrapped zip", "folder around a zip"])
@pytest.mark.parametrize("layout", classes.LAYOUTS)
def test_a_class_of_60(course, tmp_path, layout, packing):
    """Each row is one student's, graded for what that student handed in; what is not graded is listed."""
    laid = classes.LAYOUTS[layout](class_of(course, "conv_backprop", shift=len(layout)), 0)
    path = tmp_path / "download"
    if packing == "folder":
        lay(path, laid.files)
    else:
        around = "around/" if packing == "wrapped zip" else ""
        path = lay(tmp_path / "x", {"download.zip": packed({around + n: d for n, d in laid.files.items()})})
        path = path if packing == "folder around a zip" else path / "download.zip"
    found = find(course, path)

    assert (found.layouts[0], len(found.submissions)) == (layout, 60)
    assert taken(found, "conv_backprop") == nfc(wanted(laid.rows))
    assert unlisted(found, "conv_backprop") == []
    assert all(what == NOTHING for what in taken(found, "backprop").values())


def test_a_class_is_one_path_a_student(course, tmp_path):
    """`grade ann bob ...`: each folder is one student's."""
    works = class_of(course, "optimizers")
    folders = [lay(tmp_path / w.student.folder, dict(w.files)) for w in works]
    found = find(course, *folders, topic="optimizers")

    assert taken(found, "optimizers") == nfc({w.student.folder: w.ends for w in works})
    assert unlisted(found, "optimizers") == []


# --- a term ----------------------------------------------------------------------------------------------------------

STUDENTS = [Student(n) for n in (0, 1, 2, 3, 20, 21, 40, 41, 5, 6)]


def term_of(course: Course, layout: str) -> list[tuple[classes.Laid, str]]:
    """A download for each topic of the course; everybody hands in each in another form, and one hands in every other."""
    forms = list(classes.FORMS)
    laid = []
    for turn, topic in enumerate(t.name for t in course.topics):
        here = [s for s in STUDENTS if s.number != 6 or turn % 2 == 0]
        works = [work_of(course, topic, s, forms[(5 * turn + 3 * i) % len(forms)]) for i, s in enumerate(here)]
        laid.append((classes.LAYOUTS[layout](works, turn), topic))
    return laid


def as_paths(term: list[tuple[classes.Laid, str]], root: Path, how: str) -> list[Path]:
    """The downloads as `how` says: zips or folders, each a path of its own or all in one folder."""
    for number, (laid, _) in enumerate(term, 1):
        if "zips" in how:
            lay(root, {f"week{number}.zip": packed(laid.files)})
        else:
            lay(root / f"week{number}", laid.files)
    return [root] if "in a folder" in how else sorted(root.iterdir())


@pytest.mark.parametrize("how", ["zips", "folders", "zips in a folder", "folders in a folder"])
@pytest.mark.parametrize("layout", classes.LAYOUTS)
def test_a_term_is_one_row_a_student(course, tmp_path, layout, how):
    """Nine downloads: every topic in the row of the student, and Moodle's namesakes stay apart."""
    term = term_of(course, layout)
    found = find_submissions(as_paths(term, tmp_path / "term", how), course)
    shared = {s.full for s in STUDENTS if sum(s.full == o.full for o in STUDENTS) > 1}
    rows: dict[str, dict[str, str]] = {}
    for laid, topic in term:
        for row, work in laid.rows.items():
            alone = layout == "moodle" and work.student.full not in shared
            rows.setdefault(work.student.full if alone else row, {})[topic] = work.ends
    every = [topic for _, topic in term]

    for topic in every:
        here = {row: ends.get(topic, NOTHING) for row, ends in rows.items()}
        got = taken(found, topic)
        closed = {row for row, ends in nfc_rows(rows).items() if UNREAD in ends.values()}
        assert set(got) == set(nfc(here))
        # an archive that does not open may hold any topic that was not found, and keeps it from a 0
        assert {r: w for r, w in got.items() if w != UNREAD or r not in closed} == {
            r: w for r, w in nfc(here).items() if got[r] != UNREAD or r not in closed
        }
        assert all(got[row] == UNREAD for row, what in nfc(here).items() if what == UNREAD)


# --- the page --------------------------------------------------------------------------------------------------------


def examples() -> dict[str, tuple[str, list[str]]]:
    """The example trees of docs/course.md: layout -> (the folder, the files below it)."""
    page = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    block = page.split("what of it is not read:\n\n```\n")[1].split("```")[0]
    shown = {}
    for tree in block.strip().split("\n\n"):
        head, *lines = tree.splitlines()
        folder, layout = re.match(r"(\S+)/ +(\w+)", head).groups()
        shown[layout] = folder, [re.split(r" {2,}", line.strip())[0] for line in lines]
    return shown


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_the_pages_example_is_read_as_it_says(course, tmp_path, layout):
    """Every layout has an example tree, and a second student in it."""
    folder, names = examples()[layout]
    work = text(course, "lstm", Student(7))
    files = {name: notebook(work) if name.endswith(".ipynb") else work.encode() for name in names}
    if layout == "blackboard":
        files[names[0]] = b"Name: J Doe (jdoe)\n"
    if layout == "gradescope":
        files["submission_metadata.yml"] = b"submission_4711:\n  :submitters:\n  - :sid: s1\n"
    if layout == "forge":
        files |= {name.replace("ann", "bob"): data for name, data in files.items()}
    found = find(course, lay(tmp_path / folder, files), topic="lstm")

    assert found.layouts == [layout]
    assert "of lstm by 7." in taken(found, "lstm").values()
    assert {"student": {"ann"}, "class": {"ann", "bob", "cyd"}, "blackboard": {"jdoe"}, "gradescope": {"s1"}}.get(
        layout, set()
    ) <= {s.student for s in found.submissions}
