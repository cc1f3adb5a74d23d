"""A term with nbgrader: its own commands, unmodified, on the course that `grade nbgrader build` makes.

Five students hand in: everything right, half of it, a wrong answer beside patched assertions, an endless loop, an exit.
Graded (a) by `nbgrader autograde` and (b) by `grade submitted --gradebook`.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from notebook_helpers import WRONG_DOUBLE, filled, run, sources_of
from toys import TOY

from grader.submissions.ipynb import id_of, text_of

pytestmark = pytest.mark.slow
COURSE = ("--course", TOY / "course.yml")
PATCH = """import numpy as np
import grader.checks
np.testing.assert_allclose = np.testing.assert_array_equal = lambda *a, **k: None
np.allclose = np.array_equal = lambda *a, **k: True
grader.checks.assert_close = lambda *a, **k: None
"""
LOOP = "def noise(shape, rng):\n    while True:\n        pass\n"
EXIT = "import os\n\n\ndef noise(shape, rng):\n    os._exit(0)\n"
HONEST = {"full": 100.0, "half": 60.0}
POINTS = {**HONEST, "patched": 50.0, "loop": 80.0, "exit": 80.0}
HIDDEN = ("0.735218946", "1.470437892", "assert_pure", "np.full((4, 5)", "two calls gave the same", "oracle.step", "reference.Counter")  # fmt: skip


def ok(*command: object, cwd: Path, **environment: str) -> str:
    """Both outputs of a command that must succeed."""
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout + done.stderr


def exported(home: Path) -> dict[str, float]:
    ok("nbgrader", "export", cwd=home)
    with (home / "grades.csv").open(newline="") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def put(home: Path, student: str, release: Path, document: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(release, home / "submitted" / student / "toy"))
    (folder / "toy.ipynb").write_text(json.dumps(document))
    (folder / "timestamp.txt").write_text("2026-11-20 12:00:00 UTC")


@pytest.fixture(scope="module")
def term(tmp_path_factory) -> Path:
    """The course, released, with five submissions."""
    home = tmp_path_factory.mktemp("term") / "course"
    ok("grade", "nbgrader", "build", home, *COURSE, cwd=home.parent)
    ok("nbgrader", "generate_assignment", "toy", cwd=home)
    reference = sources_of(json.loads((home / "source/toy/toy.ipynb").read_text()))
    release = json.loads((home / "release/toy/toy.ipynb").read_text())
    full = filled(release, **reference)
    patch = {"cell_type": "code", "execution_count": None, "id": "p", "metadata": {}, "outputs": [], "source": PATCH}
    patched = filled(full, double=WRONG_DOUBLE)
    patched["cells"] = [patch, *patched["cells"]]
    submissions = {
        "full": full,
        "half": filled(release, double=reference["double"], apply=reference["apply"]),
        "patched": patched,
        "loop": filled(full, noise=LOOP),
        "exit": filled(full, noise=EXIT),
    }
    for student, document in submissions.items():
        put(home, student, home / "release/toy", document)
    return home


@pytest.fixture(scope="module")
def by_nbgrader(term) -> Path:
    home = Path(shutil.copytree(term, term.with_name("by_nbgrader")))
    ok("nbgrader", "autograde", "toy", cwd=home)
    ok("nbgrader", "generate_feedback", "toy", cwd=home)
    return home


@pytest.fixture(scope="module")
def by_grade(term) -> Path:
    home = Path(shutil.copytree(term, term.with_name("by_grade")))
    done = run("grade", "submitted", "--gradebook", "gradebook.db", "-t", "toy", "--json", *COURSE,
               "--i-trust-these-students", cwd=home)  # fmt: skip
    assert done.returncode == 1, done.stderr
    (home / "report.json").write_text(done.stdout)
    ok("nbgrader", "generate_feedback", "toy", cwd=home)
    return home


def test_marks_by_nbgrader(by_nbgrader):
    """`nbgrader autograde` and `export`: our points, cell by cell; the patched assertions earn nothing."""
    assert exported(by_nbgrader) == POINTS


def test_marks_by_grade(by_grade):
    """`grade submitted --gradebook` and `nbgrader export`: the same; the loop costs its check only."""
    assert exported(by_grade) == POINTS


def test_marks_from_py_files(by_grade, term, tmp_path):
    """The same work as a .py file earns the same."""
    for student in POINTS:
        document = json.loads((term / "submitted" / student / "toy/toy.ipynb").read_text())
        header = next(text_of(c) for c in document["cells"] if id_of(c) == "module-imports")
        (tmp_path / "submit" / student).mkdir(parents=True)
        text = "\n\n\n".join([header, *sources_of(document).values()])
        (tmp_path / "submit" / student / "toy.py").write_text(text)
    done = run("grade", "submit", "-t", "toy", "--json", *COURSE, "--i-trust-these-students", cwd=tmp_path)
    files, notebooks = json.loads(done.stdout), json.loads((by_grade / "report.json").read_text())

    assert {s["student"]: s["points"] for s in files["submissions"]} == POINTS
    assert {s["student"]: s["points"] for s in notebooks["submissions"]} == POINTS


def test_what_to_look_at(by_grade):
    """The exit is flagged with its reason; nothing waits for manual grading."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{by_grade}/gradebook.db") as book:
        found = {s: book.find_submission_notebook("toy", "toy", s) for s in POINTS}
        assert [s for s, notebook in found.items() if notebook.flagged] == ["exit"]
        assert not any(notebook.needs_manual_grade for notebook in found.values())
        assert "crash" in book.find_comment("noise", "toy", "toy", "exit").comment
        assert "timeout" in book.find_comment("noise", "toy", "toy", "loop").comment


@pytest.mark.parametrize("home", ["by_nbgrader", "by_grade"])
def test_formgrader_shows_the_marks(home, request):
    """The interface that formgrader's pages are made from lists every submission as graded, with its score."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    api = NbGraderAPI(CourseDirectory(root=str(request.getfixturevalue(home))))
    found = {s["student"]: s for s in api.get_submissions("toy")}

    assert {student: s["score"] for student, s in found.items()} == POINTS
    assert all(s["autograded"] and s["max_score"] == 100 for s in found.values())
    assert api.get_assignment("toy")["num_submissions"] == 5
    assert {s["student"] for s in api.get_notebook_submissions("toy", "toy")} == set(POINTS)


@pytest.mark.parametrize("home", ["by_nbgrader", "by_grade"])
@pytest.mark.parametrize("folder", ["release", "autograded", "feedback"])
def test_no_hidden_check_leaves(home, folder, request):
    """No source, input or expected value of a hidden check stands in what students get or kernels see."""
    files = [p for p in (request.getfixturevalue(home) / folder).rglob("*") if p.is_file()]
    names = {p.name for p in files}

    assert {"release": "toy.ipynb", "autograded": "toy.ipynb", "feedback": "toy.html"}[folder] in names
    hidden = (TOY / "tests/hidden/test_toy.py").read_text()
    assert all(marker in hidden for marker in HIDDEN if marker != "1.470437892")
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert [marker for marker in HIDDEN if marker in text] == [], path


@pytest.mark.parametrize("home", ["by_nbgrader", "by_grade"])
def test_feedback_says_what_is_wrong(home, request):
    """The page of a wrong answer names the check that failed in words, and the points."""
    text = (request.getfixturevalue(home) / "feedback/patched/toy/toy.html").read_text(encoding="utf-8")

    assert "Large arrays are doubled too." in text
    assert "0 of 2 hidden checks pass, 0 of 30 points" in text


def test_validate(term, tmp_path):
    """On a student's machine `nbgrader validate` judges public work: it passes on good work and names the cell on bad."""
    for name in ("full", "patched"):
        shutil.copytree(term / "submitted" / name / "toy", tmp_path / name)
    good = ok("nbgrader", "validate", "full/toy.ipynb", cwd=tmp_path)
    bad = ok("nbgrader", "validate", "patched/toy.ipynb", cwd=tmp_path)

    assert "Success! Your notebook passes all the tests." in good
    assert "VALIDATION FAILED ON 1 CELL(S)" in bad
    assert 'check("toy::double::public")' in bad


def test_the_exchange(term, tmp_path):
    """Release, fetch, submit and collect through an exchange, then grade what was collected."""
    home = Path(shutil.copytree(term, tmp_path / "course"))
    shutil.rmtree(home / "submitted")
    (tmp_path / "exchange").mkdir(mode=0o777)
    (tmp_path / "exchange").chmod(0o777)
    (tmp_path / "student").mkdir()
    setting = f'\nc.Exchange.root = "{tmp_path}/exchange"\nc.Exchange.cache = "{tmp_path}/cache"\n'
    own = f'c = get_config()\nc.CourseDirectory.course_id = "a-toy-course"{setting}'
    (home / "nbgrader_config.py").write_text((home / "nbgrader_config.py").read_text() + setting)
    (tmp_path / "student/nbgrader_config.py").write_text(own)
    ok("nbgrader", "release_assignment", "toy", cwd=home)
    ok("nbgrader", "fetch_assignment", "toy", cwd=tmp_path / "student")
    assert (tmp_path / "student/toy/public_checks.json").is_file()
    shutil.copy(term / "submitted/full/toy/toy.ipynb", tmp_path / "student/toy/toy.ipynb")
    ok("nbgrader", "submit", "toy", cwd=tmp_path / "student")
    ok("nbgrader", "collect", "toy", cwd=home)
    ok("grade", "submitted", "--gradebook", "gradebook.db", "-t", "toy", *COURSE, "--i-trust-these-students", cwd=home)

    assert list(exported(home).values()) == [100.0]


def test_a_kernel_that_exits_loses_nothing_by_grade(term, tmp_path):
    """A cell that ends the kernel: nbgrader drops the student, `grade` gives the marks of the work."""
    home = Path(shutil.copytree(term, tmp_path / "course"))
    for student in set(POINTS) - {"full"}:
        shutil.rmtree(home / "submitted" / student)
    path = home / "submitted/full/toy/toy.ipynb"
    document = json.loads(path.read_text())
    cell = {"cell_type": "code", "execution_count": None, "id": "x", "metadata": {}, "outputs": []}
    document["cells"].insert(0, {**cell, "source": "import os\nos._exit(0)"})
    path.write_text(json.dumps(document))
    dropped = run("nbgrader", "autograde", "toy", cwd=home)
    assert dropped.returncode == 1
    ok("grade", "submitted", "--gradebook", "gradebook.db", "-t", "toy", *COURSE, "--i-trust-these-students", cwd=home)

    assert exported(home) == {"full": 100.0}


@pytest.fixture(scope="module")
def kernel_run(term) -> dict[str, Any]:
    """A notebook of a student's own, run from top to bottom in a real kernel beside the public checks."""
    import nbformat
    from nbclient import NotebookClient

    sources = [
        "import numpy as np\nimport warnings\nwarnings.warn('NNPACK')",
        "%load_ext grader",
        "%%check toy\ndef double(x):\n    if x.size == 0:\n        raise ValueError('empty')\n    return x * 2",
        "def apply(f, x):\n    return f(x)",
        "from grader.notebooks import check\ncheck('toy::apply::public')",
        "check('toy::double::hidden')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    resources = {"metadata": {"path": str(term / "release/toy")}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return {"cells": [c.outputs for c in notebook.cells]}


def test_checks_in_a_real_kernel(kernel_run):
    """`%%check` and `check` show a rich result; the number is the value; nothing is written to standard error."""
    _, loaded, magic, _, checked, hidden = kernel_run["cells"]

    assert loaded == []
    assert [o.output_type for o in magic] == ["display_data", "stream"]
    assert "of 20 points" in magic[0].data["text/html"]
    assert magic[1].text == "2 hidden checks are not run here\n"
    assert checked[0].output_type == "execute_result"
    assert checked[0].data["text/plain"] == "0.0"
    assert "apply" in checked[0].data["text/html"]
    assert [(o.output_type, o.name) for o in hidden] == [("stream", "stdout")]
