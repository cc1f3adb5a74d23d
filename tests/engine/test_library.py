"""Grading as a call: what `import grader` gives, and that it neither prints nor exits."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toys import ROOT, TOY

import grader
from grader.grading import grade as face

SOLUTIONS = TOY / "solutions"
TALKERS = {  # modules outside the command line that print, exit or draw, and why they may
    "audit.topic": "its bar on a terminal",
    "course.stubs": "prints what it wrote when it is run as a program",
    "judge.process": "a program: its exit code is pytest's",
    "notebooks.client": "speaks to the student in a notebook's kernel",
    "notebooks.desk": "a program: it speaks a line protocol",
}


def without_seconds(report: grader.Report) -> str:
    """The report as text, without how long anything took."""
    return re.sub(r"'seconds': [\d.e-]+", "", str(report.to_dict()))


# --- the package -----------------------------------------------------------------------------------------------------


def test_the_package_imports_nothing():
    """`import grader` loads the package itself and no other module of ours or of anybody else."""
    code = "import sys, __future__, typing; old = set(sys.modules); import grader; print(*set(sys.modules) - old)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["grader"]


@pytest.mark.parametrize("name", grader.__all__)
def test_every_public_name_is_there(name):
    """Each name that the package lists can be had from it, and is said what for."""
    assert getattr(grader, name).__doc__


def test_the_page_names_every_public_name():
    """docs/library.md tells of everything that the package lists."""
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")

    assert [name for name in grader.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_other_names_are_an_attribute_error():
    """A name that the package does not list is an ordinary `AttributeError`."""
    with pytest.raises(AttributeError, match="module 'grader' has no attribute 'grad'"):
        grader.grad  # noqa: B018


def test_the_page_runs(toy_copy):
    """The Python on docs/library.md runs as it stands in a student's folder, and leaves the files it names."""
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (toy_copy / "solutions").rename(toy_copy / "submit")
    shutil.rmtree(toy_copy / "tests" / "hidden")
    run = subprocess.run([sys.executable, "-c", block], cwd=toy_copy, capture_output=True, text=True)

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("submit 80.0 of 80") and run.stdout.endswith("..")
    for name in ("out.json", "report/results.json", "report/scores.csv"):
        assert (toy_copy / name).is_file(), name


# --- grading ---------------------------------------------------------------------------------------------------------


class Listener(grader.Progress):
    """Notes all that it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def found(self, found: object) -> None:
        self.told.append(("found", len(found.submissions)))

    def began(self, total: int, unit: str) -> None:
        self.told.append(("began", total, unit))

    def landed(self) -> None:
        self.told.append(("landed",))

    def ended(self) -> None:
        self.told.append(("ended",))

    def interrupted(self, words: str) -> None:
        self.told.append(("interrupted", words))


@pytest.fixture
def two_students(tmp_path: Path) -> Path:
    """A class of two, who both handed in what is right."""
    for student in ("ada", "ben"):
        shutil.copytree(SOLUTIONS, tmp_path / "class" / student)
    return tmp_path / "class"


def test_right_work_has_full_marks_and_nothing_is_printed(capfd):
    """Grading is a call: the report comes back, and neither output has a byte."""
    report = grader.grade(str(SOLUTIONS), course=TOY, trusted=True)
    (one,) = report.submissions

    assert report.complete and one.final == one.max_points == 150
    assert capfd.readouterr() == ("", "")


def test_a_grader_keeps_its_judges():
    """The second call finds the judge of the first, and grades the same."""
    with grader.Grader(TOY, judges=1, trusted=True) as warm:
        first = warm.grade(SOLUTIONS)
        before = [lane.judge for lane in warm.pool.lanes]
        second = warm.grade(SOLUTIONS)
        after = [lane.judge for lane in warm.pool.lanes]

    assert before[0] is not None and all(a is b for a, b in zip(before, after, strict=True))
    assert without_seconds(first) == without_seconds(second)
    assert warm.engine is None, "the processes end with the block"


def test_progress_is_told(two_students):
    """A `Progress` hears what was found, how much there is to do, each topic of each student, and the end."""
    progress = Listener()
    grader.grade(two_students, course=TOY, trusted=True, progress=progress)

    assert progress.told == [("found", 2), ("began", 4, "topic"), *[("landed",)] * 4, ("ended",)]


def test_topics_and_students_are_chosen(two_students):
    """Only the topics and the students that are named are graded."""
    report = grader.grade([two_students], course=TOY, topics=["second"], students=["ben"], trusted=True)

    assert [(s.student, [t.topic for t in s.topics]) for s in report.submissions] == [("ben", ["second"])]


@pytest.mark.parametrize(
    ("paths", "more", "kind"),
    [
        (SOLUTIONS, {"topics": ["toi"]}, "CourseError"),
        (SOLUTIONS, {"course": TOY / "nowhere.yml"}, "CourseError"),
        (SOLUTIONS, {"students": ["nobody"]}, "NothingToGrade"),
        (TOY / "tests" / "hidden", {}, "NothingToGrade"),
        (TOY / "nowhere", {}, "UsageError"),
    ],
)
def test_errors_say_what_to_do(paths, more, kind, capfd):
    """What is off with a call is a `GraderError` of the kind that fits, with help, and nothing is printed."""
    with pytest.raises(grader.GraderError) as raised:
        grader.grade(paths, **{"course": TOY, "trusted": True, **more})

    assert type(raised.value) is getattr(grader, kind)
    assert raised.value.help
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_keeps_what_is_finished(two_students, monkeypatch):
    """After Ctrl-C the report with what was finished comes along, and the processes have ended."""
    whole = face.grade_many

    def stopped(*args, **more):
        yield next(whole(*args, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(face, "grade_many", stopped)
    progress = Listener()
    warm = grader.Grader(TOY, judges=1, trusted=True, progress=progress)
    with pytest.raises(grader.Interrupted) as raised:
        warm.grade(two_students)

    assert not raised.value.report.complete and len(raised.value.report.submissions) == 1
    assert isinstance(raised.value, KeyboardInterrupt) and warm.engine is None
    assert progress.told[-2][0] == "interrupted" and progress.told[-1] == ("ended",)


# --- silence ---------------------------------------------------------------------------------------------------------


def talks(path: Path) -> bool:
    """Whether a file prints, exits, or imports what draws on a terminal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit"):
            return True
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if {"click", "tqdm"} & {name.split(".")[0] for name in names}:
            return True
    return False


def test_only_the_command_line_talks():
    """Outside `grader.cli` nothing prints, exits or draws but what has a reason here, and no reason outlives its need."""
    package = ROOT / "grader"
    paths = [p for p in package.rglob("*.py") if p.relative_to(package).parts[0] != "cli"]
    found = {".".join(p.relative_to(package).with_suffix("").parts) for p in paths if talks(p)}

    assert found == set(TALKERS)
    assert all(TALKERS.values())
