"""`grade nbgrader build`: notebooks from the one source."""

from __future__ import annotations

import json
import re
import shutil

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum
from notebook_helpers import SOLUTION, run, toy_checks, toy_notebook
from toys import TOY

from grader.course import load_course
from grader.errors import CourseError, UsageError
from grader.notebooks import build, bundle
from grader.notebooks.autograded import handed_out
from grader.notebooks.groups import grouped
from grader.submissions.ipynb import id_of, marks_of, text_of

HELPED = '''"""Doc."""

import math

LIMIT = 3  # shared


### BEGIN SOLUTION
def _late(x):
    return _deep(x)


def _early(x):
    return math.sqrt(x)


_UNUSED = 1
### END SOLUTION


# About a.
def a(x):
    """First."""
    ### BEGIN SOLUTION
    return _early(x)
    ### END SOLUTION


BETWEEN = 4


class B:
    """Second."""

    def m(self):
        ### BEGIN SOLUTION
        return _late(1)
        ### END SOLUTION


### BEGIN SOLUTION
def _deep(x):
    return x + BETWEEN


### END SOLUTION
'''


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The toy course as notebooks, built twice."""
    root = tmp_path_factory.mktemp("built")
    done = [run("grade", "nbgrader", "build", root / name, "--course", TOY / "course.yml", cwd=root) for name in "ab"]
    assert [d.returncode for d in done] == [0, 0], done[0].stderr
    return root


def test_two_builds_are_equal_byte_for_byte(built):
    """Nothing of a build depends on when or where it is made."""
    one, other = (
        {p.relative_to(built / x): p.read_bytes() for p in (built / x).rglob("*") if p.is_file()} for x in "ab"
    )

    assert one == other
    assert sorted(map(str, one)) == [
        "nbgrader_config.py",
        "source/second/public_checks.json",
        "source/second/second.ipynb",
        "source/toy/public_checks.json",
        "source/toy/toy.ipynb",
    ]


def test_notebooks_are_valid_for_jupyter_and_nbgrader(built):
    """nbformat and nbgrader's own validator accept them; ids are unique and points are those of the checks."""
    for name, points in {"toy": 100, "second": 50}.items():
        notebook = nbformat.read(built / "a/source" / name / f"{name}.ipynb", 4)
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
        ids = [cell.id for cell in notebook.cells]
        assert len(ids) == len(set(ids))
        assert sum(c.metadata.nbgrader.points for c in notebook.cells if marks_of(c).get("grade")) == points


def test_a_solution_cell_per_unit_and_a_check_cell_per_group(built):
    """Each unit has its cell between nbgrader's markers, then a locked cell of public and one of hidden checks."""
    document = json.loads((built / "a/source/toy/toy.ipynb").read_text())
    marks = {id_of(c): marks_of(c) for c in document["cells"] if marks_of(c)}

    assert list(marks) == ["module-imports", "double", "double-public", "double-hidden", "apply", "apply-public",
                           "noise", "noise-hidden", "Counter", "Counter-hidden"]  # fmt: skip
    assert marks["double"] == {
        "grade": False, "grade_id": "double", "locked": False, "schema_version": 3, "solution": True, "task": False
    }  # fmt: skip
    assert (marks["double-hidden"]["grade"], marks["double-hidden"]["locked"]) == (True, True)
    assert marks["double-hidden"]["points"] == 30
    assert document["metadata"]["grader"]["cells"] == list(marks)


def test_a_check_cell_holds_an_id_and_no_test(built):
    """Nothing of a check stands in a check cell."""
    document = json.loads((built / "a/source/toy/toy.ipynb").read_text())
    texts = [text_of(c) for c in document["cells"] if marks_of(c).get("grade")]

    for text in texts:
        assert re.fullmatch(r'from grader.notebooks import check\n\ncheck\("toy::\w+::(public|hidden)"\)', text)


def test_what_goes_to_students_holds_nothing_hidden(built):
    """The file of public checks has the stub and the public checks, and of the hidden ones a number."""
    data = json.loads((built / "a/source/toy/public_checks.json").read_text())

    assert data["hidden"] == {"double": 2, "noise": 1, "Counter": 1}
    assert sorted(data["files"]) == ["course.yml", "exercises/toy.py", "tests/public/test_toy.py"]
    assert data["files"]["exercises/toy.py"] == (TOY / "exercises/toy.py").read_text()
    assert "0.735218946" not in json.dumps(data)


def test_the_public_part_is_a_course_of_its_own(built, tmp_path):
    """Unpacked, it is the same topic with the same limits and weight."""
    hidden = bundle.unpack(built / "a/source/second/public_checks.json", tmp_path)
    course, own = load_course(tmp_path / "course.yml"), load_course(TOY / "course.yml")

    assert hidden == {}
    assert course.topics == (own.topic("second").model_copy(update={"due": None}),)
    assert (course.seed, course.policy, course.has_secrets) == (own.seed, own.policy, False)


@pytest.mark.parametrize(
    "name", ["../x.py", "/etc/x", "tests/hidden/test_toy.py", "course.yml/../../x", "exercises/a.pth"]
)
def test_public_checks_write_nothing_elsewhere(tmp_path, name):
    """A file that came with a submission can write what belongs in it, and nothing else."""
    path = tmp_path / "public_checks.json"
    path.write_text(json.dumps({"hidden": {}, "files": {name: "x"}}))

    with pytest.raises(CourseError, match="cannot be read"):
        bundle.unpack(path, tmp_path / "to")


def test_a_handout_is_cut_at_its_headings(toy_copy):
    """A cell a section; a heading inside a fenced block is none."""
    (toy_copy / "exercises/toy.md").write_text(
        "# Toy\n\n$x$\n\n## One\n\n```python\n## no heading\n```\n\n## Two\nend\n"
    )
    course = load_course(toy_copy / "course.yml")
    cells = build.notebook_of(course, course.topic("toy"), toy_checks())["cells"]

    assert [text_of(c) for c in cells[:3]] == ["# Toy\n\n$x$", "## One\n\n```python\n## no heading\n```", "## Two\nend"]


def test_helpers_of_the_reference_go_with_the_first_unit_that_needs_them():
    """They stand inside its last region, so that nbgrader leaves one stub; constants stay visible."""
    parts = build.take_apart(HELPED, "solutions/x.py")
    a, b = parts.units

    assert parts.header == '"""Doc."""\n\nimport math\n\nLIMIT = 3  # shared'
    assert a.source.startswith('# About a.\ndef a(x):\n    """First."""\n    ### BEGIN SOLUTION\n')
    assert [n for n in ("_early", "_late", "_deep", "_UNUSED") if f"{n} =" in a.source or f"def {n}" in a.source] == [
        "_early", "_UNUSED"
    ]  # fmt: skip
    assert [n for n in ("_early", "_late", "_deep") if f"def {n}" in b.source] == ["_late", "_deep"]
    assert b.source.startswith("BETWEEN = 4\n\n\nclass B:")
    for unit in parts.units:
        assert unit.source.count("### BEGIN SOLUTION") == unit.source.count("### END SOLUTION") == 1
        assert unit.source.rstrip().endswith("### END SOLUTION")


def test_cells_in_order_are_the_solution():
    """Run one after the other, header and units define what the solution file defines."""
    parts = build.take_apart(HELPED, "x")
    namespace: dict = {}
    for text in (parts.header, *(u.source for u in parts.units)):
        exec(compile(text, "cell", "exec"), namespace)  # a text of the test's own

    assert (namespace["a"](9), namespace["B"]().m()) == (3, 5)


def test_handed_out_cells_are_those_that_nbgrader_makes(built):
    """Our stubs and checksums of released cells are nbgrader's own, so either may fill the gradebook."""
    course_dir = built / "nbgrader"
    shutil.copytree(built / "a", course_dir)
    done = run("nbgrader", "generate_assignment", "toy", cwd=course_dir)
    assert done.returncode == 0, done.stderr
    release = nbformat.read(course_dir / "release/toy/toy.ipynb", 4)
    theirs = {id_of(c): (c.source, c.metadata.nbgrader.checksum) for c in release.cells if id_of(c)}
    course = load_course(TOY / "course.yml")
    checks = [c for g in grouped("toy", build.catalogue(course, ["toy"])["toy"].checks) for c in g.checks]
    ours = {c["name"]: (c["source"], c["checksum"]) for c in handed_out(course, "toy", grouped("toy", checks))}

    assert ours == theirs
    assert all(compute_checksum(c) == c.metadata.nbgrader.checksum for c in release.cells if id_of(c))


def test_the_same_course_is_built_again_and_another_is_not_overwritten(built):
    """What differs may hold somebody's changes: it takes --force; the settings are never touched."""
    home = built / "again"
    shutil.copytree(built / "a", home)
    notebook, config = home / "source/toy/toy.ipynb", home / "nbgrader_config.py"
    config.write_text("# mine\n")
    before = notebook.read_text()
    notebook.write_text(before.replace("Twice the array", "Two times the array"))
    command = ("grade", "nbgrader", "build", home, "-t", "toy", "--course", TOY / "course.yml")
    refused = run(*command, cwd=built)

    assert refused.returncode == 2
    assert f"error: {notebook}: it is there already and differs\nhelp: pass --force" in refused.stderr
    assert run(*command, "--force", cwd=built).returncode == 0
    assert (notebook.read_text(), config.read_text()) == (before, "# mine\n")


def test_settings_are_those_of_the_course(built):
    """The settings name the course with the hidden checks, and what nbgrader should do otherwise than by default."""
    from traitlets.config import Config

    config = Config()
    exec((built / "a/nbgrader_config.py").read_text(), {"get_config": lambda: config})  # written by us

    assert config.CourseDirectory.course_id == "a-toy-course"
    assert config.OverwriteCells.add_missing_cells is True
    assert str(TOY / "course.yml") in (built / "a/nbgrader_config.py").read_text()


def test_a_roster_goes_into_the_gradebook(tmp_path):
    """Students with their names, and the assignments with their due dates."""
    from nbgrader.api import Gradebook

    (tmp_path / "class.csv").write_text("id,last_name,first_name,email\nann,Lee,Ann,a@example.org\nbob,,,\n")
    build_it = (
        "grade",
        "nbgrader",
        "build",
        "c",
        "-t",
        "second",
        "--roster",
        "class.csv",
        "--course",
        TOY / "course.yml",
    )
    done = run(*build_it, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    with Gradebook(f"sqlite:///{tmp_path}/c/gradebook.db") as gradebook:
        students = {s.id: (s.first_name, s.last_name, s.email) for s in gradebook.students}
        assert students == {"ann": ("Ann", "Lee", "a@example.org"), "bob": (None, None, None)}
        assert [(a.name, str(a.duedate)) for a in gradebook.assignments] == [("second", "2026-11-20 12:00:00")]


@pytest.mark.parametrize(
    ("text", "words"), [("name\nann\n", "roster.csv:2: no id in this row"), (None, "cannot be read")]
)
def test_a_roster_that_is_none(tmp_path, text, words):
    """What is wrong with a roster is said with its line."""
    path = tmp_path / "roster.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=words):
        build.read_roster(path)


@pytest.mark.parametrize(
    "text",
    [
        " ID , First Name ,LAST_NAME,email\nann,Ann,Lee,\n,,,\n\nzoe\u0308,,,\n , , , \n",
        "\ufeffid;First-Name;last name;Email\r\nann;Ann;Lee;\r\n;;;\r\nzo\u00eb;;;\r\nann;Ann;Lee;\r\n",
        'student id,first_name,last_name\n"ann",Ann,"Lee"\nzo\u00eb,,,,\n',
    ],
)
def test_rosters_as_spreadsheets_write_them(tmp_path, text):
    """Headers with spaces, semicolons, empty rows, a row twice, two spellings of a letter."""
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8", newline="")
    ann = {"id": "ann", "first_name": "Ann", "last_name": "Lee", "email": ""}

    assert [ann, {**ann, "id": "zo\u00eb", "first_name": "", "last_name": ""}] == build.read_roster(
        tmp_path / "roster.csv"
    )


@pytest.mark.parametrize("second", ["ann,Anna", "ANN,Ann\nann,Anne", "ann,"])
def test_one_id_with_other_words_is_named(tmp_path, second):
    """Which row is right nobody can tell."""
    (tmp_path / "roster.csv").write_text(f"id,first_name\nann,Ann\n{second}\n")
    line = 3 + second.count("\n")
    with pytest.raises(UsageError, match=f"roster.csv:{line}: 'ann' is also in line 2, with other words"):
        build.read_roster(tmp_path / "roster.csv")


def test_checks_of_something_that_is_no_unit(toy_copy):
    """A check whose function is not marked in the solution has no cell to judge: that is said, not skipped."""
    path = toy_copy / "solutions/toy.py"
    path.write_text(
        SOLUTION.replace("    ### BEGIN SOLUTION\n    return f(x) + f(-x)\n    ### END SOLUTION", "    return 0")
    )
    course = load_course(toy_copy / "course.yml")

    with pytest.raises(CourseError, match="its checks judge 'apply', which is no unit"):
        build.notebook_of(course, course.topic("toy"), toy_checks())


def test_long_names_make_valid_ids():
    """A cell's own id has 64 characters at most; nbgrader's may be longer."""
    cell = build._code("f" * 80, "pass", solution=True)
    notebook = {**toy_notebook(), "cells": [cell]}

    nbformat.validate(nbformat.from_dict(notebook))
    assert id_of(cell) == "f" * 80
