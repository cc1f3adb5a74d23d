"""`grade submitted --gradebook`: marks, comments and lateness in nbgrader's gradebook, for damaged notebooks too."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebook_helpers import WRONG_DOUBLE, as_bytes, as_released, filled, run, sources_of
from toys import TOY

from grader.cli.terminal import say
from grader.course import load_course
from grader.errors import UsageError
from grader.grading.engine import JudgeDied, make_engine
from grader.grading.pool import grade_many
from grader.notebooks import build, gradebook
from grader.notebooks.gradebook import opened
from grader.results import Report
from grader.submissions import find_submissions
from grader.submissions.ipynb import id_of, text_of

TOPICS = ["toy", "second"]
MARKS = {
    "double-public": 20.0,
    "double-hidden": 30.0,
    "apply-public": 10.0,
    "noise-hidden": 20.0,
    "Counter-hidden": 20.0,
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> dict[str, Any]:
    """The toy topic's source notebook."""
    course = load_course(TOY / "course.yml")
    checks = build.catalogue(course, TOPICS)
    return {t: build.notebook_of(course, course.topic(t), checks[t].checks) for t in TOPICS}


@pytest.fixture(scope="module")
def engine():
    engine = make_engine(load_course(TOY / "course.yml"), TOPICS)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def empty_gradebook(tmp_path_factory) -> Path:
    """Made once: nbgrader starts a program for each new one."""
    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with opened(path):
        return path


@pytest.fixture
def home(tmp_path, empty_gradebook) -> Path:
    """An nbgrader course to be: a folder with settings and a gradebook."""
    (tmp_path / "nbgrader_config.py").write_text("")
    shutil.copyfile(empty_gradebook, tmp_path / "gradebook.db")
    return tmp_path


def hand_in(home: Path, student: str, document: dict | bytes, topic: str = "toy", stamp: str = "") -> Path:
    folder = home / "submitted" / student / topic
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{topic}.ipynb"
    path.write_bytes(document if isinstance(document, bytes) else as_bytes(document))
    if stamp:
        (folder / "timestamp.txt").write_text(stamp)
    return path


@pytest.fixture
def grade(home, engine) -> Callable[[], Report]:
    """Grade what was handed in, write the marks, return the report."""
    course = load_course(TOY / "course.yml")

    def run_it() -> Report:
        found = find_submissions([home / "submitted"], course, "nbgrader")
        results = tuple(grade_many(found.submissions, course, engine, TOPICS, 2))
        report = Report(course.title, engine.level, True, results)
        gradebook.write(home / "gradebook.db", course, found.submissions, report, say)
        return report

    return run_it


def notebook_of(home: Path, student: str, topic: str = "toy") -> dict[str, Any]:
    """What the gradebook says of one notebook."""
    with opened(home / "gradebook.db") as book:
        found = book.find_submission_notebook(topic, topic, student)
        return {
            "scores": {g.name: g.score for g in found.grades},
            "auto": {g.name: g.auto_score for g in found.grades},
            "look": {g.name for g in found.grades if g.needs_manual_grade},
            "comments": {c.name: c.comment for c in found.comments if c.comment},
            "flagged": found.flagged,
            "score": found.score,
            "max": found.max_score,
            "penalty": found.late_submission_penalty,
        }


def test_marks_of_an_honest_class(home, grade, source):
    """Full marks, half-written and wrong notebooks: each cell has its points, each unit its words."""
    reference, release = sources_of(source["toy"]), as_released(source["toy"])
    hand_in(home, "full", filled(release, **reference))
    hand_in(home, "half", filled(release, double=reference["double"], apply=reference["apply"]))
    hand_in(home, "wrong", filled(release, **{**reference, "double": WRONG_DOUBLE}))
    grade()

    full, half, wrong = (notebook_of(home, s) for s in ("full", "half", "wrong"))
    assert full == {"scores": MARKS, "auto": MARKS, "look": set(), "comments": {}, "flagged": False, "score": 100.0,
                    "max": 100.0, "penalty": None}  # fmt: skip
    assert half["scores"] == {**MARKS, "noise-hidden": 0.0, "Counter-hidden": 0.0}
    assert set(half["comments"]) == {"noise", "Counter"}
    assert half["comments"]["noise"].startswith(
        "0 of 1 hidden checks pass, 0 of 20 points:\n- missing: Each call draws"
    )
    assert wrong["scores"] == {**MARKS, "double-public": 0.0, "double-hidden": 0.0}
    assert "Large arrays are doubled too." in wrong["comments"]["double"]
    assert "0.735218946" not in wrong["comments"]["double"]
    assert {wrong["flagged"], half["flagged"]} == {False}


DAMAGES = ["copied solution", "copied check", "deleted check", "deleted solution", "retyped", "moved", "magics", "input", "exit",
           "widgets", "huge outputs", "kernel", "broken cell", "points raised", "no metadata"]  # fmt: skip


def damaged(document: dict[str, Any], damage: str) -> dict[str, Any]:
    """A complete notebook with something done to it."""
    document = json.loads(json.dumps(document))
    cells = document["cells"]
    at = {id_of(c): i for i, c in enumerate(cells) if id_of(c)}
    if damage == "copied solution":
        cells.insert(0, cells[at["double"]])
    elif damage == "copied check":
        cells.append(cells[at["double-hidden"]])
    elif damage == "deleted check":
        del cells[at["double-hidden"]]
    elif damage == "deleted solution":
        cells[at["double"]] = {**cells[at["double"]], "metadata": {}}
    elif damage == "retyped":
        cells[at["double"]]["cell_type"] = "raw"
        cells[at["double-hidden"]]["cell_type"] = "markdown"
    elif damage == "moved":
        document["cells"] = cells[::-1]
    elif damage == "magics":
        cells.insert(0, {"cell_type": "code", "metadata": {}, "source": "%matplotlib widget\n!rm -rf x\n%%nothing"})
    elif damage == "input":
        cells.insert(0, {"cell_type": "code", "metadata": {}, "source": "name = input('?')\nwhile True: pass"})
    elif damage == "exit":
        cells.insert(0, {"cell_type": "code", "metadata": {}, "source": "import os; os._exit(0)"})
    elif damage == "widgets":
        cells.insert(
            0, {"cell_type": "code", "metadata": {}, "source": "import ipywidgets\nipywidgets.interact(double)"}
        )
        document["metadata"]["widgets"] = {"state": {}}
    elif damage == "huge outputs":
        cells[at["double"]]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * (20 << 20)}]
    elif damage == "kernel":
        document["metadata"]["kernelspec"] = {"name": "ir", "language": "R"}
    elif damage == "broken cell":
        cells.insert(0, {"cell_type": "code", "metadata": {}, "source": "def (:"})
    elif damage == "points raised":
        cells[at["double-public"]]["metadata"]["nbgrader"]["points"] = 1000
        cells[at["double-public"]]["source"] = "1000"
    elif damage == "no metadata":
        document["cells"] = [{"cell_type": c["cell_type"], "source": c["source"]} for c in cells]
    return document


def test_damaged_notebooks_are_graded_and_flagged(home, grade, source):
    """Whatever was done to the notebook around it, complete work gets its marks; nothing is dropped or silently 0."""
    full = filled(as_released(source["toy"]), **sources_of(source["toy"]))
    for number, damage in enumerate(DAMAGES):
        hand_in(home, f"s{number:02}", damaged(full, damage))
    grade()
    found = {damage: notebook_of(home, f"s{number:02}") for number, damage in enumerate(DAMAGES)}

    assert {damage: n["scores"] for damage, n in found.items()} == dict.fromkeys(DAMAGES, MARKS)
    harmless = {"magics", "input", "exit", "widgets", "huge outputs"}
    assert {damage for damage, n in found.items() if not n["flagged"]} == harmless
    assert "cell 'double-hidden' was deleted" in found["deleted check"]["comments"]["double"]


def test_what_cannot_be_read_is_no_zero(home, grade, source):
    """A notebook that is no JSON has no score, a comment, a flag, and waits for a person."""
    hand_in(home, "torn", as_bytes(source["toy"])[:-200])
    torn = (grade(), notebook_of(home, "torn"))[1]

    assert torn["auto"] == dict.fromkeys(MARKS)
    assert (torn["look"], torn["flagged"]) == (set(MARKS), True)
    assert "not a notebook that can be read" in torn["comments"]["double"]


def test_a_loop_costs_its_checks_and_an_exit_is_flagged(home, grade, source):
    """By our engine a hang or an exit costs the unit it is in; the exit is worth a person's look."""
    reference, release = sources_of(source["toy"]), as_released(source["toy"])
    hand_in(home, "loop", filled(release, **{**reference, "noise": "def noise(shape, rng):\n    while True: pass"}))
    hand_in(
        home, "exit", filled(release, **{**reference, "noise": "import os\ndef noise(shape, rng):\n    os._exit(0)"})
    )
    grade()
    loop, left = notebook_of(home, "loop"), notebook_of(home, "exit")

    assert loop["scores"] == left["scores"] == {**MARKS, "noise-hidden": 0.0}
    assert (loop["flagged"], left["flagged"]) == (False, True)
    assert "timeout" in loop["comments"]["noise"]
    assert "crash" in left["comments"]["noise"]


def test_what_a_person_entered_stays(home, grade, source):
    """Manual scores, extra credit and comments outlive any number of runs; a changed mark asks for a second look."""
    reference, release = sources_of(source["toy"]), as_released(source["toy"])
    hand_in(home, "ann", filled(release, **{**reference, "double": WRONG_DOUBLE}))
    grade()
    with opened(home / "gradebook.db") as book:
        grade_of = book.find_grade("double-public", "toy", "toy", "ann")
        grade_of.manual_score, grade_of.extra_credit, grade_of.needs_manual_grade = 15.0, 2.0, False
        book.find_comment("double", "toy", "toy", "ann").manual_comment = "A fair try."
        book.db.commit()
    grade()
    before = notebook_of(home, "ann")
    hand_in(home, "ann", filled(release, **reference))
    grade()
    after = notebook_of(home, "ann")

    assert before["scores"] == {**MARKS, "double-public": 17.0, "double-hidden": 0.0}
    assert before["look"] == set()
    assert after["scores"] == {**MARKS, "double-public": 17.0}
    assert (after["auto"]["double-public"], after["look"]) == (20.0, {"double-public"})
    assert after["comments"] == {"double": "A fair try."} == before["comments"]


def test_lateness_is_written(home, grade, source):
    """Time, due date and penalty follow course.yml; an extension granted in the gradebook counts."""
    full = filled(as_released(source["second"]), **sources_of(source["second"]))
    hand_in(home, "late", full, "second", "2026-11-21 13:00:00 UTC")  # 25 hours: two started days of 10%
    hand_in(home, "early", full, "second", "2026-11-20 12:00:00 UTC")
    hand_in(home, "unknown", full, "second")
    report = grade()
    assert {r.student: r.penalty for r in report.submissions} == {"early": 0.0, "late": 10.0, "unknown": 0.0}

    assert {s: notebook_of(home, s, "second")["penalty"] for s in ("late", "early", "unknown")} == {
        "late": 10.0, "early": None, "unknown": None
    }  # fmt: skip
    with opened(home / "gradebook.db") as book:
        assert book.find_assignment("second").duedate == datetime(2026, 11, 20, 12)
        assert book.find_submission("second", "late").total_seconds_late == 25 * 3600
        book.find_submission("second", "late").extension = timedelta(hours=2)
        book.db.commit()
    grade()

    assert notebook_of(home, "late", "second")["penalty"] == 5.0


def test_a_removed_timestamp_removes_the_penalty(home, grade, source):
    """What is not known any more is not late: time and penalty are gone from the gradebook."""
    full = filled(as_released(source["second"]), **sources_of(source["second"]))
    hand_in(home, "late", full, "second", "2026-11-21 13:00:00 UTC")
    grade()
    before = notebook_of(home, "late", "second")["penalty"]
    (home / "submitted/late/second/timestamp.txt").unlink()
    grade()

    assert (10.0, None) == (before, notebook_of(home, "late", "second")["penalty"])
    with opened(home / "gradebook.db") as book:
        assert book.find_submission("second", "late").timestamp is None


def test_an_edited_locked_cell_is_flagged(home, grade, source):
    """By its name, wherever it lies; spaces at the ends of lines are no edit, and the text as handed out counts."""
    full = filled(as_released(source["toy"]), **sources_of(source["toy"]))
    at = {id_of(c): i for i, c in enumerate(full["cells"]) if id_of(c)}
    spaced, edited = (json.loads(json.dumps(full)) for _ in range(2))
    spaced["cells"][at["double-public"]]["source"] = (
        text_of(full["cells"][at["double-public"]]).replace("\n", "  \n") + "\n"
    )
    edited["cells"][at["module-imports"]]["source"] = "import numpy as np  # mine"
    for name, document in (("spaced", spaced), ("edited", edited)):
        hand_in(home, name, document)
    grade()
    found = {name: notebook_of(home, name) for name in ("spaced", "edited")}

    assert {"spaced": False, "edited": True} == {name: n["flagged"] for name, n in found.items()}
    assert "locked cell 'module-imports' was edited" in found["edited"]["comments"]["double"]
    assert found["edited"]["scores"] == MARKS


def test_who_is_not_in_the_roster_is_said(home, grade, source, capsys):
    """Of the gradebook, where it has one; ids that differ in the spelling of their letters alone are one."""
    with opened(home / "gradebook.db") as book:
        book.add_student(unicodedata.normalize("NFD", "zoë"))
    for student in ("zoë", "max"):
        hand_in(home, student, as_released(source["toy"]))
    grade()

    assert "not in the gradebook's roster: max" in (err := capsys.readouterr().err)
    assert "roster: zo" not in err
    with opened(home / "gradebook.db") as book:
        assert {"max", unicodedata.normalize("NFD", "zoë")} == {s.id for s in book.students}


def test_a_roster_erases_nothing(home):
    """Neither a due date that formgrader was told nor a student; both are said."""
    course, told = load_course(TOY / "course.yml"), []
    with opened(home / "gradebook.db") as book:
        book.add_assignment("toy", duedate=datetime(2026, 12, 1))
        book.add_assignment("second", duedate=datetime(2026, 12, 2))
        book.add_student("old")
        book.add_student(unicodedata.normalize("NFD", "zoë"))
    gradebook.enrol(
        home / "gradebook.db", course, TOPICS, [{"id": "ann"}, {"id": "zoë", "first_name": "Zoë"}], told.append
    )
    with opened(home / "gradebook.db") as book:
        dues = {a.name: a.duedate for a in book.assignments}
        students = {unicodedata.normalize("NFC", s.id): s.first_name for s in book.students}

    assert dues == {"toy": datetime(2026, 12, 1), "second": datetime(2026, 12, 2)}
    assert students == {"ann": None, "old": None, "zoë": "Zoë"}
    assert told == [
        "in the gradebook, but not in the roster: old",
        "toy: the gradebook's due date 2026-12-01 00:00:00 UTC stays; course.yml says none",
        "second: the gradebook's due date 2026-12-02 00:00:00 UTC stays; course.yml says 2026-11-20 12:00:00",
    ]


def test_what_was_not_handed_in_is_no_submission(home, grade, source):
    """A student without a notebook of a topic has no entry: nbgrader itself lists it as missing."""
    from nbgrader.api import MissingEntry

    hand_in(home, "ann", as_released(source["toy"]))
    grade()
    with opened(home / "gradebook.db") as book, pytest.raises(MissingEntry):
        book.find_submission("second", "ann")


def test_several_notebooks_in_one_assignment(home, grade, source):
    """nbgrader's folder is the assignment, whatever the notebook is called."""
    full = filled(as_released(source["toy"]), **sources_of(source["toy"]))
    path = hand_in(home, "ann", full)
    path.parent.rename(path.parent.with_name("ps1"))
    (home / "submitted/ann/ps1/timestamp.txt").write_text("2026-11-20 12:00:00 UTC")
    grade()

    with opened(home / "gradebook.db") as book:
        assert book.find_submission("ps1", "ann").score == 100.0


def test_graded_notebooks_are_for_formgrader_and_feedback(home, grade, source):
    """`autograded/` holds valid notebooks with our results under the check cells, in order, without copies or outputs."""
    full = filled(as_released(source["toy"]), **{**sources_of(source["toy"]), "double": WRONG_DOUBLE})
    hand_in(home, "ann", damaged(full, "copied check"), stamp="2026-11-20 12:00:00 UTC")
    hand_in(home, "bob", damaged(full, "deleted check"))
    hand_in(home, "torn", b"{")
    grade()

    for student in ("ann", "bob", "torn"):
        notebook = nbformat.read(home / f"autograded/{student}/toy/toy.ipynb", 4)
        nbformat.validate(notebook)
        ids = [id_of(c) for c in notebook.cells if id_of(c)]
        assert sorted(ids) == sorted({*MARKS, "module-imports", "double", "apply", "noise", "Counter"})
        shown = {id_of(c): c.outputs[0].data for c in notebook.cells if id_of(c) in MARKS}
        assert shown["double-public"]["text/plain"] == "0.0"
        assert "0 of 2 hidden checks pass" in shown["double-hidden"]["text/html"]
    assert "was deleted" in (home / "autograded/bob/toy/toy.ipynb").read_text()
    assert (home / "autograded/ann/toy/timestamp.txt").read_text() == "2026-11-20 12:00:00 UTC"


def test_only_beside_an_nbgrader_course_are_notebooks_written(home, grade, source):
    """A gradebook elsewhere gets the marks alone."""
    (home / "nbgrader_config.py").unlink()
    hand_in(home, "ann", as_released(source["toy"]))
    grade()

    assert not (home / "autograded").exists()


def test_a_cell_of_the_instructors_own_is_left_alone(home, grade, source):
    """A manually graded answer keeps its kind, its points and its marks; whatever the submission says it is."""
    document = filled(as_released(source["toy"]), **sources_of(source["toy"]))
    hand_in(home, "first", document)
    grade()
    with opened(home / "gradebook.db") as book:
        book.remove_submission("toy", "first")
        where = ("toy", "toy")
        book.add_grade_cell("essay", *where, max_score=7, cell_type="markdown")
        book.add_solution_cell("essay", *where)
        book.add_source_cell("essay", *where, cell_type="markdown", source="?", checksum="0" * 32, locked=False)
    marks = {"grade": False, "grade_id": "essay", "points": 100, "solution": True, "locked": True}
    document["cells"].append({"cell_type": "code", "metadata": {"nbgrader": marks}, "source": "My answer."})
    hand_in(home, "first", document)
    grade()
    found = notebook_of(home, "first")
    shown = nbformat.read(home / "autograded/first/toy/toy.ipynb", 4).cells[-1]

    assert (found["score"], found["max"], found["look"], found["auto"]["essay"]) == (100.0, 107.0, {"essay"}, None)
    assert (shown.cell_type, shown.source) == ("markdown", "My answer.")
    assert {k: shown.metadata.nbgrader[k] for k in ("grade", "solution", "locked", "points")} == {
        "grade": True, "solution": True, "locked": False, "points": 7.0
    }  # fmt: skip


def test_a_fault_of_the_grader_is_no_zero(home, grade, source, engine, monkeypatch):
    """Where the judge failed there is no score but a person's work, and the comment says whose fault it was."""
    hand_in(home, "ann", filled(as_released(source["toy"]), **sources_of(source["toy"])))
    grade()

    def die(*arguments: object) -> None:
        raise JudgeDied("out of order")

    monkeypatch.setattr(engine, "new_judge", die)
    monkeypatch.setattr("grader.grading.pool.PAUSE", 0)
    report = grade()
    found = notebook_of(home, "ann")

    assert report.submissions[0].faults
    assert (found["auto"], found["look"], found["flagged"]) == (dict.fromkeys(MARKS), set(MARKS), True)
    assert found["comments"]["double"] == "Note: not graded, and not the student's doing: out of order."


def test_lines_are_named_by_their_cell(home, grade, source):
    """A comment says in which cell and line the code failed."""
    sources = {**sources_of(source["toy"]), "apply": "\ndef apply(f, x):\n    return undefined"}
    hand_in(home, "ann", filled(as_released(source["toy"]), **sources))
    grade()

    assert "(cell 5, line 3: return undefined)" in notebook_of(home, "ann")["comments"]["apply"]
    assert "(cell 5, line 3: return undefined)" in (home / "autograded/ann/toy/toy.ipynb").read_text()


def test_cells_of_another_release_are_refused(home, grade, source, capsys):
    """Where gradebook and course disagree about cells or points no mark is lost in silence."""
    hand_in(home, "ann", as_released(source["toy"]))
    grade()
    with opened(home / "gradebook.db") as book:
        book.find_grade_cell("double-public", "toy", "toy").max_score = 7
        book.db.commit()
    grade()

    err = capsys.readouterr().err

    assert "the course gives 'double-public' 20 points, the gradebook knows 7 points" in err
    assert "not in the gradebook: ann" in err
    assert "wrote 0 of 1 notebook(s)" in err


def test_one_student_that_nbgrader_refuses_holds_up_no_other(home, grade, source, monkeypatch, capsys):
    """What nbgrader's own API refuses is told of, and the rest of the class is written."""
    from nbgrader.api import Gradebook, InvalidEntry

    real = Gradebook.update_or_create_student

    def picky(self, student, **more):
        if student == "ann":
            raise InvalidEntry("no such name")
        return real(self, student, **more)

    monkeypatch.setattr(Gradebook, "update_or_create_student", picky)
    for student in ("ann", "bob"):
        hand_in(home, student, filled(as_released(source["toy"]), **sources_of(source["toy"])))
    grade()

    assert "not in the gradebook: ann: no such name" in capsys.readouterr().err
    assert notebook_of(home, "bob")["score"] == 100.0


@pytest.fixture
def renamed(home, engine, source) -> Callable[[str, dict[str, Any]], bool]:
    """Grade ann and bob, let ann be called otherwise or have other fields, write; whether all was written."""
    course = load_course(TOY / "course.yml")
    for student in ("ann", "bob"):
        hand_in(home, student, filled(as_released(source["toy"]), **sources_of(source["toy"])))
    found = find_submissions([home / "submitted"], course, "nbgrader").submissions
    results = tuple(grade_many(found, course, engine, ["toy"], 2))

    def write(name: str, **fields: Any) -> bool:
        changed = [replace(s, student=name, **fields) if s.student == "ann" else s for s in found]
        told = tuple(replace(r, student=name) if r.student == "ann" else r for r in results)
        report = Report(course.title, engine.level, True, told)
        return gradebook.write(home / "gradebook.db", course, changed, report, say)

    return write


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../evil", "/evil", "a\\b", "..\\evil", "a\0b", "a\nb"])
def test_a_name_that_is_no_folder_leaves_nothing(home, renamed, capsys, name):
    """It is told of, gets into neither gradebook nor folder, and the rest of the class is written."""
    before = {p.name for p in home.parent.iterdir()}

    assert not renamed(name)
    assert "cannot be a folder's name" in capsys.readouterr().err
    assert ["bob"] == [p.name for p in (home / "autograded").iterdir()]
    assert {p.name for p in home.parent.iterdir()} == before
    assert notebook_of(home, "bob")["score"] == 100.0
    with opened(home / "gradebook.db") as book:
        assert ["bob"] == [s.id for s in book.students]


def test_names_that_differ_stay_apart(home, renamed):
    """Of a_b and a b, and of Bob and bob where the system tells them apart, each has a folder."""
    assert renamed("Bob") and renamed("a_b") and renamed("a b")
    assert {"bob", "Bob", "a_b", "a b"} == {p.name for p in (home / "autograded").iterdir()}


def test_the_folder_of_another_spelling_is_not_taken(home, renamed, monkeypatch, capsys):
    """Where the system does not tell Bob from bob, the second one is told of and overwrites nothing."""
    (home / "autograded" / "Bob" / "toy").mkdir(parents=True)
    monkeypatch.setattr("grader.notebooks.autograded.os.listdir", lambda folder: ["bob", "toy"])

    assert not renamed("Bob")
    monkeypatch.undo()
    assert "differs in upper and lower case" in capsys.readouterr().err
    assert [] == list((home / "autograded" / "Bob" / "toy").iterdir())


@pytest.mark.parametrize(
    "time",
    [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=9)))],
)  # fmt: skip
def test_a_time_beyond_the_calendar_costs_nobody_else(home, renamed, capsys, time):
    """It has no place in UTC: that entry is told of, and the rest is written."""
    assert not renamed("ann", submitted=time)
    assert "not in the gradebook: ann" in capsys.readouterr().err
    assert notebook_of(home, "bob")["score"] == 100.0


@pytest.mark.parametrize("folder", ["a?b#c%d", "a?mode=memory", "a%3Fb", "ä b"])
def test_a_gradebook_in_a_folder_of_any_name(tmp_path, empty_gradebook, folder):
    """The file is the one that was named, not what an address would make of it; a new one too."""
    path = tmp_path / folder / "gradebook.db"
    path.parent.mkdir()
    with opened(path) as book:
        book.add_student("ann")
    with opened(path) as book:
        assert ["ann"] == [s.id for s in book.students]

    assert [path] == [p for p in tmp_path.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("make", "words"),
    [("text", "not a gradebook"), ("folder", "cannot be written"), ("nowhere", "folder does not exist")],
)
def test_a_gradebook_that_is_none(tmp_path, make, words):
    """It is refused before anything is graded."""
    path = tmp_path / "gradebook.db"
    if make == "text":
        path.write_text("student,score\n")
    elif make == "folder":
        path.mkdir()
    else:
        path = tmp_path / "no" / "gradebook.db"
    with pytest.raises(UsageError, match=words):
        gradebook.refuse_unusable(path)


def test_another_database_is_named(tmp_path):
    """An SQLite file that is no gradebook is refused with one line."""
    import sqlite3

    with sqlite3.connect(tmp_path / "gradebook.db") as db:
        db.execute("create table student (x int)")
    with pytest.raises(UsageError, match="nbgrader's gradebook refuses"), opened(tmp_path / "gradebook.db") as book:
        _ = book.students


def test_the_command(home, source):
    """`grade submitted --gradebook gradebook.db`, and `nbgrader export` shows the marks."""
    hand_in(home, "ann", filled(as_released(source["toy"]), **sources_of(source["toy"])))
    done = run(
        "grade",
        "submitted",
        "--gradebook",
        "gradebook.db",
        "-t",
        "toy",
        "--course",
        TOY / "course.yml",
        "--i-trust-these-students",
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    assert "wrote 1 of 1 notebook(s) to gradebook.db" in done.stderr
    assert "SAWarning" not in done.stderr
    exported = run("nbgrader", "export", cwd=home)
    assert exported.returncode == 0, exported.stderr

    assert "toy,,,ann,,,,100.0,0.0,100.0,100.0" in (home / "grades.csv").read_text()


@pytest.mark.parametrize(("written", "code"), [(True, 0), (False, 3)])
def test_marks_that_were_not_written_are_no_success(home, monkeypatch, written, code):
    """The exit code says that something did not get into the gradebook."""
    from types import SimpleNamespace

    from grader.cli import run as main_path
    from grader.grading import grade as grading

    nothing = dict.fromkeys(("start", "refuse_odd_points", "close"), lambda: None)
    idle = SimpleNamespace(level="strong", **nothing)
    monkeypatch.setattr(grading, "make_engine", lambda *a, **k: idle)
    monkeypatch.setattr(grading, "grade_many", lambda *a, **k: iter(()))
    monkeypatch.setattr(main_path.gradebook, "write", lambda *a: written)
    options = main_path.Options(course_file=TOY / "course.yml", gradebook=home / "gradebook.db")

    assert main_path.run([TOY / "solutions"], options) == code


def test_policy_of_the_course_when_nbgrader_grades(monkeypatch):
    """The plug-in takes what course.yml says: 10% a started day, 30% at most."""
    from grader.notebooks.late import CoursePolicy

    monkeypatch.setenv("GRADER_COURSE", str(TOY / "course.yml"))
    plugin = CoursePolicy()

    assert [plugin.late_submission_penalty("s", 50.0, hours * 3600) for hours in (0, 1, 25, 240)] == [0, 5, 10, 15]


def test_times_are_utc():
    assert gradebook._naive(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1)
    assert text_of({"source": "x"}) == "x"
