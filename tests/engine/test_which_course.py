"""Which course grades: never one that was handed in, for the code that it names runs in trusted processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import grade, hand_in
from toys import TOY

import grader
from grader.course import find_course, passed_over
from grader.errors import CourseError

SOLUTION = (TOY / "solutions" / "toy.py").read_text()
OURS = "course: A toy course (course.yml)\n"


def plant(folder: Path) -> Path:
    """A course in a student's folder whose checks leave a trace if anybody collects them; returns where the trace is."""
    shutil.copytree(TOY, folder, dirs_exist_ok=True)
    trace = folder / "it_ran"
    for file in (folder / "tests").rglob("*.py"):
        file.write_text(f"open({str(trace)!r}, 'w')\n" + file.read_text())
    (folder / "conftest.py").write_text(f"open({str(trace)!r}, 'w')\n")
    return trace


@pytest.fixture
def course(toy_copy):
    """A course with a class in submit/, in which one student hands in a course."""
    hand_in(toy_copy, ann=SOLUTION, eve=None)
    return toy_copy


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ("submit/eve", ["."]),
        ("submit/eve", [".."]),
        ("submit/eve", ["../../submit"]),
        ("submit/eve/solutions", [".."]),
        ("submit/eve", ["../ann", "."]),
    ],
)
def test_a_handed_in_course_is_passed_over(course, where, paths):
    """Called within what is graded, the search goes on upward; what was passed over and what is used are said."""
    trace = plant(course / "submit" / "eve")
    done = grade(*paths, "-t", "toy", cwd=course / where)

    assert f"warning: {course.resolve()}/submit/eve/course.yml lies in what is graded and is not used" in done.stderr
    assert f"course: A toy course ({course.resolve()}/course.yml)" in done.stderr
    assert done.returncode == 0, done.stdout
    assert not trace.exists()


def test_a_handed_in_course_alone_is_refused(tmp_path):
    """With no other course above there is none, and the help says what to do if it is one's own."""
    trace = plant(tmp_path / "class" / "eve")
    done = grade(".", cwd=tmp_path / "class" / "eve")

    assert done.returncode == 2
    assert "course.yml: this course.yml lies in what is to be graded" in done.stderr
    assert "help: grade submit/, or --course ./course.yml if this course is yours" in done.stderr
    assert not trace.exists()


def test_a_course_beside_nothing_but_the_path_is_not_looked_for(tmp_path):
    """What lies around a path is not the caller's word: from elsewhere, --course names the course."""
    trace = plant(tmp_path / "class" / "eve")
    (tmp_path / "elsewhere").mkdir()
    done = grade(tmp_path / "class" / "eve", cwd=tmp_path / "elsewhere")

    assert done.returncode == 2
    assert "no course.yml here or in a folder above" in done.stderr
    assert not trace.exists()


def test_a_link_to_a_handed_in_course_is_one(course, tmp_path):
    """A course.yml that leads into what is graded is passed over as well."""
    plant(course / "submit" / "eve")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "course.yml").symlink_to(course / "submit" / "eve" / "course.yml")

    assert passed_over(tmp_path / "work", [course / "submit"]) == [(tmp_path / "work").resolve() / "course.yml"]
    with pytest.raises(CourseError, match="lies in what is to be graded"):
        find_course(tmp_path / "work", [course / "submit"])


def test_the_course_of_the_caller_may_be_named(course):
    """--course has the last word."""
    done = grade(".", "--course", "course.yml", "-t", "toy", "--exit-zero", cwd=course)

    assert (done.returncode, OURS in done.stderr, "is not used" in done.stderr) == (0, True, False)


def test_the_library_and_the_capstone_pass_it_over(tmp_path, monkeypatch):
    """The same holds for a call from Python, and for a capstone."""
    trace = plant(tmp_path / "eve")
    monkeypatch.chdir(tmp_path / "eve")
    with pytest.raises(grader.CourseError, match="lies in what is to be graded"):
        grader.grade(".")
    done = grade("capstone", "toy", ".", cwd=tmp_path / "eve")

    assert done.returncode == 2
    assert "lies in what is to be graded" in done.stderr
    assert not trace.exists()


@pytest.mark.parametrize("arguments", [[], ["-t", "toy"], ["run"]])
def test_without_a_path_submit_is_graded(toy_copy, arguments):
    """`grade` alone grades submit/ beside course.yml, from any folder of the course."""
    shutil.copy(TOY / "solutions" / "toy.py", hand_in(toy_copy, ann=None) / "ann")
    (toy_copy / "notes").mkdir()
    done = grade(*arguments, cwd=toy_copy / "notes")

    assert "read as: class" in done.stderr
    assert "toy: 100 of 100" in done.stdout


def test_without_a_path_and_without_submit(toy_copy, tmp_path):
    """Where there is nothing to grade `grade` shows its help, and `grade run` says what is missing."""
    assert "Usage: grade" in grade(cwd=toy_copy).stderr
    done = grade("run", cwd=toy_copy)
    assert done.returncode == 2
    assert "there is no folder submit/ beside course.yml" in done.stderr


def test_python_m_takes_no_module_of_the_working_folder(course):
    """`python -m grader` in a student's folder runs none of the modules there, whatever they are called."""
    folder, environment = course / "submit" / "eve", {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for name in ("typing", "__future__", "click", "numpy", "yaml", "pydantic", "tqdm", "json", "signal", "toy"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'it_ran')!r}, 'w')\n")
    done = subprocess.run(
        [sys.executable, "-m", "grader", ".", "-t", "toy", "--exit-zero"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert not (folder / "it_ran").exists()
