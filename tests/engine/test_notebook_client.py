"""The client in a kernel: points as a number, words as a rich form, and no silent full marks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade
from notebook_helpers import WRONG_DOUBLE, as_released, code, sources_of, toy_notebook
from toys import TOY

from grader.course import load_course
from grader.errors import UsageError
from grader.notebooks import build, bundle, check, client
from grader.notebooks.client import NotJudged
from grader.notebooks.groups import parse_id
from grader.results import Verdict

REFERENCE = sources_of(toy_notebook(reference=True))
PUBLIC, HIDDEN = "toy::double::public", "toy::double::hidden"


@pytest.fixture(scope="module", autouse=True)
def one_desk():
    yield
    if client._open is not None:
        client._open.close()
        client._open = None


@pytest.fixture
def notebook(monkeypatch):
    """A session in which these cells were run."""
    cells = ["import numpy as np"]

    def run_cell(text: str) -> SimpleNamespace:
        return SimpleNamespace(success=not text.startswith("raise"))

    shell = SimpleNamespace(history_manager=SimpleNamespace(input_hist_raw=["", *cells]), run_cell=run_cell)

    def ran(*texts: str) -> None:
        shell.history_manager.input_hist_raw.extend(texts)

    monkeypatch.setattr(client, "_shell", lambda: shell)
    monkeypatch.delenv("GRADER_COURSE", raising=False)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return ran


@pytest.fixture
def instructor(notebook, monkeypatch):
    """On the instructor's machine the course with the hidden checks is named."""
    monkeypatch.setenv("GRADER_COURSE", str(TOY / "course.yml"))
    return notebook


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """The public checks as they lie beside a notebook; one folder, so that one desk serves all tests."""
    folder = tmp_path_factory.mktemp("handed_out")
    course = load_course(TOY / "course.yml")
    (folder / "public_checks.json").write_text(bundle.pack(course, course.topic("toy"), {"double": 2, "noise": 1}))
    return folder


@pytest.fixture
def student(notebook, monkeypatch, handed_out):
    """On a student's machine only the public checks lie beside the notebook."""
    monkeypatch.chdir(handed_out)
    return notebook


def output_of(value: object) -> dict:
    """What Jupyter keeps of a cell's last value."""
    data, _ = DisplayFormatter().format(value)
    return data


def grade_by_nbgrader(value: object, points: float) -> float:
    cell = new_code_cell(metadata={"nbgrader": {"grade": True, "solution": False, "points": points}})
    if value is not None:
        cell.outputs = [new_output("execute_result", output_of(value))]
    return determine_grade(cell)[0]


def test_points_are_a_number_for_nbgrader_and_words_for_people(instructor):
    """The last value is the points: nbgrader reads the number, a person the result."""
    instructor(REFERENCE["double"])
    public, hidden = check(PUBLIC), check(HIDDEN)

    assert (public, hidden, repr(hidden)) == (20.0, 30.0, "30.0")
    assert (grade_by_nbgrader(public, 20), grade_by_nbgrader(hidden, 30)) == (20.0, 30.0)
    assert "2 of 2 hidden checks pass, 30 of 30 points" in output_of(hidden)["text/html"]


def test_partial_credit_and_what_failed(instructor, capfd):
    """A wrong answer earns what it earns, says which check failed and where; nothing goes to standard error."""
    instructor(WRONG_DOUBLE)
    public, hidden = check(PUBLIC), check(HIDDEN)

    assert public == 0.0
    assert "double" in public.html
    assert "wrong: Large arrays are doubled too." in hidden.html
    assert "0.735218946" not in hidden.html
    assert capfd.readouterr().err == ""


def test_errors_are_placed_in_their_cell(instructor):
    """A line is named by its cell and its number there."""
    instructor("x = 1", "\n\ndef double(x):\n    return undefined")

    assert "(cell 3, line 4: return undefined)" in check(PUBLIC).html


def test_results_are_escaped(instructor):
    """What a student's code says is text, not markup."""
    instructor("def double(x):\n    raise ValueError('<script>alert(1)</script>')")

    assert "&lt;script&gt;" in check(PUBLIC).html
    assert "<script>" not in check(PUBLIC).html


def test_the_latest_definition_counts_and_loose_statements_are_not_run(instructor, tmp_path):
    """The worker gets definitions from the history, the newest ones, and none of the trials between them."""
    trace = tmp_path / "trace"
    instructor(WRONG_DOUBLE, f"open({str(trace)!r}, 'w').close()\nwhile True: pass", REFERENCE["double"])

    assert check(PUBLIC) == 20.0
    assert not trace.exists()


def test_one_judge_per_kernel(instructor):
    """The second check asks the same process, and an answer that is known is not judged again."""
    instructor(REFERENCE["double"])
    check(PUBLIC)
    desk = client._open
    start = time.monotonic()
    for _ in range(20):
        check(HIDDEN)

    assert client._open is desk
    assert time.monotonic() - start < 5


def test_a_patched_kernel_earns_nothing(instructor, monkeypatch):
    """Replacing numpy's assertions or the grader's own checks in the kernel changes nothing."""
    import numpy as np

    from grader import checks

    monkeypatch.setattr(np.testing, "assert_allclose", lambda *a, **k: None)
    monkeypatch.setattr(np, "allclose", lambda *a, **k: True)
    monkeypatch.setattr(checks, "assert_close", lambda *a, **k: None)
    instructor("import numpy as np\nnp.testing.assert_allclose = lambda *a, **k: None", WRONG_DOUBLE)

    assert (check(PUBLIC), check(HIDDEN)) == (0.0, 0.0)


def test_loops_and_exits_cost_their_checks(instructor):
    """Neither ends the kernel."""
    instructor("def double(x):\n    while True: pass", "def apply(f, x):\n    import os; os._exit(0)")

    assert "timeout" in check(PUBLIC).html
    assert "crash" in check("toy::apply::public").html


def test_a_student_sees_how_many_hidden_checks_there_are(student, capsys):
    """Off the instructor's machine a hidden cell returns nothing, which nbgrader's validate takes as passed."""
    student(REFERENCE["double"])

    assert check(PUBLIC) == 20.0
    assert check(HIDDEN) is None
    assert check("toy::noise::hidden") is None
    assert capsys.readouterr().out == "2 hidden checks are not run here\n1 hidden check is not run here\n"
    assert grade_by_nbgrader(None, 30) == 30.0


def test_autograding_without_the_hidden_checks_raises(student, monkeypatch):
    """A missing value would be full marks, so whatever is out of reach is an error; the submission's own files never help."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    student(REFERENCE["double"])
    with pytest.raises(NotJudged, match="GRADER_COURSE is not set"):
        check(HIDDEN)
    with pytest.raises(NotJudged, match="GRADER_COURSE is not set"):
        check(PUBLIC)
    monkeypatch.setenv("GRADER_COURSE", "/nowhere/course.yml")
    with pytest.raises(NotJudged, match="no file is there"):
        check(HIDDEN)


def test_autograding_with_a_course_without_hidden_checks_raises(student, monkeypatch, handed_out, tmp_path):
    """A course that lacks the hidden checks is no course to grade by."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    bundle.unpack(handed_out / "public_checks.json", tmp_path / "public")
    monkeypatch.setenv("GRADER_COURSE", str(tmp_path / "public/course.yml"))
    student(REFERENCE["double"])

    assert check(PUBLIC) == 20.0
    with pytest.raises(NotJudged, match="the hidden checks are not in"):
        check(HIDDEN)


def test_a_judge_that_dies_is_an_error_and_the_next_check_gets_another(instructor):
    """Never points, never nothing."""
    instructor(REFERENCE["double"])
    check(PUBLIC)
    client._open.process.stdout.close()
    client._open.process.stdout = open(os.devnull)  # noqa: SIM115 - its end is all there is to read
    with pytest.raises(NotJudged, match="the grader ended unexpectedly"):
        check(PUBLIC)

    assert check(PUBLIC) == 20.0


def test_an_interrupt_leaves_no_answer_behind(instructor):
    """After Ctrl-C the answer to the old question is not taken for that to the new one."""
    instructor("def double(x):\n    while True: pass")
    check("toy::apply::public")
    timer = subprocess.Popen(
        [sys.executable, "-c", f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, {int(signal.SIGINT)})"]
    )
    with pytest.raises(KeyboardInterrupt):
        check(PUBLIC)
    timer.wait()
    instructor(REFERENCE["apply"])

    assert check("toy::apply::public") == 10.0


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("toy", "'toy' names no checks"),
        ("toy::double::secret", "names no checks"),
        ("tyo::double::public", "no topic 'tyo'"),
        ("toy::duble::public", "there are no public checks of 'duble'"),
        ("toy::noise::public", "there are no public checks of 'noise'"),
    ],
)
def test_ids_that_name_nothing(instructor, id, words):
    """An id that names no checks is an error that says so, never full marks."""
    with pytest.raises((NotJudged, UsageError), match=words):
        check(id)


def test_ids_are_read_and_written_alike():
    assert str(parse_id(PUBLIC)) == PUBLIC


def test_outside_a_notebook():
    """In a plain interpreter there are no cells."""
    with pytest.raises(NotJudged, match="run in a notebook"):
        client._cells()


def test_nothing_to_judge_by(notebook, monkeypatch, tmp_path):
    """Without any course at hand the message says what to do."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotJudged, match=r"no public_checks.json lies beside this notebook and no course.yml above it"):
        check(PUBLIC)


def test_damaged_public_checks(notebook, monkeypatch, tmp_path):
    (tmp_path / "public_checks.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotJudged, match="take a fresh copy of the assignment"):
        check(PUBLIC)


# --- %%check ---------------------------------------------------------------------------------------------------------


def magic(monkeypatch, ran, line: str, cell: str) -> list[object]:
    """What `%%check LINE` over a cell displays."""
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    ran(f"%%check {line}\n{cell}")
    client._magic(line, cell)
    return shown


def test_magic_judges_what_the_cell_defines(student, monkeypatch, capsys):
    """`%%check toy` runs the cell and judges each function in it by the public checks."""
    shown = magic(monkeypatch, student, "toy", REFERENCE["double"] + "\n\n" + REFERENCE["apply"])

    assert shown == [20.0, 10.0]
    assert capsys.readouterr().out == "2 hidden checks are not run here\n"


def test_magic_judges_what_is_named(student, monkeypatch):
    """`%%check toy::double` names the function."""
    assert magic(
        monkeypatch, student, "toy::double", "def double(x):\n    return helper(x)\ndef helper(x): return x"
    ) == [0.0]


def test_magic_over_a_cell_that_fails(student, monkeypatch):
    """IPython shows the error; there is nothing to judge."""
    assert magic(monkeypatch, student, "toy", "raise ValueError") == []


@pytest.mark.parametrize(
    ("line", "cell", "words"), [("", "x", "say what to check"), ("toy", "1", "defines nothing to check")]
)
def test_magic_without_something_to_check(student, monkeypatch, line, cell, words):
    with pytest.raises(NotJudged, match=words):
        magic(monkeypatch, student, line, cell)


def test_load_ext_brings_the_magic():
    """`%load_ext grader` registers `%%check`."""
    import grader

    registered = []
    shell = SimpleNamespace(register_magic_function=lambda *a: registered.append(a[1:]))
    grader.load_ipython_extension(shell)

    assert registered == [("cell", "check")]


def test_a_grader_fault_is_never_points(instructor, monkeypatch):
    """Where the grader itself fails the cell raises."""
    from grader.results import CheckResult
    from grader.submissions.sifting import Sifted

    fault = CheckResult("toy::x", "double", "t", "public", Verdict.GRADER_FAULT, 0.0, 20.0, "out of order")
    instructor(REFERENCE["double"])
    check(PUBLIC)
    monkeypatch.setattr(client._open, "ask", lambda *a: ([fault], Sifted("")))
    with pytest.raises(NotJudged, match="the grader itself failed: out of order"):
        check(PUBLIC)


def test_released_notebooks_define_nothing_that_passes(student):
    """A notebook that nobody filled has 0 points, and says that nothing is written yet."""
    student(*sources_of(as_released(toy_notebook(reference=True))).values())
    points = check(PUBLIC)

    assert points == 0.0
    assert "missing" in points.html


def test_the_tests_notebook_is_code():
    assert code("a", "b")["cells"][1]["source"] == ["b"]
    assert build.HEADER == "module-imports"
