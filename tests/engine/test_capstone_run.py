"""`grade run --capstone`: capstones of a whole class, what they are worth, and what happens when one cannot be run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from grader.cli import main as cli
from grader.cli.terminal import painter
from grader.course import load_course
from grader.grading import capstone as capstone_run
from grader.grading.scoring import with_capstone
from grader.reports import summary, to_json
from grader.results import CapstoneFigure, CapstoneResult, Report, SubmissionResult, TopicResult

CAPSTONE = """
import numpy as np
TITLE, FIGURE, GATE = "Doubling", "sum of the doubles", (11.9, 12.1)
MEANING, BELOW, ABOVE, HELD_BACK = "It doubles.", "Too small.", "Too large.", ()
def make_data(seed, folder):
    return {"x": np.array([1.0, 2.0, 3.0])}
def train(submission, data, progress):
    progress(1, 1)
    return {"y": submission.double(data["x"])}
def figure(results, data):
    return results["y"].sum()
def draw(results, data, figure):
    pass
"""


@pytest.fixture
def course(toy_copy: Path) -> Path:
    """The toy course, whose first topic has a capstone."""
    (toy_copy / "exercises" / "capstones").mkdir(parents=True)
    (toy_copy / "exercises" / "capstones" / "toy.py").write_text(CAPSTONE)
    return toy_copy


def grade(course: Path, sources: dict[str, str], tmp_path: Path, *options: str) -> tuple[int, dict, str]:
    """(exit code, results.json, the summary) of a class."""
    for name, source in sources.items():
        (tmp_path / "submit" / name).mkdir(parents=True)
        (tmp_path / "submit" / name / "toy.py").write_text(source)
    line = [str(tmp_path / "submit"), "--course", str(course / "course.yml"), "-o", str(tmp_path / "out"), *options]
    ended = CliRunner().invoke(cli.grade, ["run", *line, "--layout", "class", "--i-trust-these-students"])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    jsonschema.validate(results, to_json.schema())
    return ended.exit_code, {s["student"]: s["topics"][0] for s in results["submissions"]}, ended.stdout


def test_capstones_are_run_and_counted(course: Path, tmp_path: Path, reference_source: str) -> None:
    """A tenth of the topic is for the gate; a wrong function, an error and nan miss it, each in its own words."""
    after = "\n_right = double\n"
    sources = {
        "good": reference_source,
        "nan": reference_source + after + "def double(x):\n    return _right(x) * float('nan')\n",
        "raises": reference_source + after + "def double(x):\n    return undefined\n",
    }
    code, topics, text = grade(course, sources, tmp_path, "--capstone", "-t", "toy")

    assert code == 1
    most = topics["good"]["max_points"]
    assert topics["good"]["points"] == most
    assert topics["good"]["capstone"]["points"] == topics["good"]["capstone"]["max_points"] == pytest.approx(0.1 * most)
    assert topics["good"]["capstone"]["figures"][0] == {
        "name": "sum of the doubles", "value": 12.0, "low": 11.9, "high": 12.1, "reached": True
    }  # fmt: skip
    for name in ("nan", "raises"):
        checks = sum(c["points"] for c in topics[name]["checks"])
        assert topics[name]["points"] == pytest.approx(0.9 * checks)
        assert (topics[name]["capstone"]["reached"], topics[name]["capstone"]["points"]) == (False, 0)
    assert topics["nan"]["capstone"]["figures"][0]["value"] is None
    assert "name 'undefined' is not defined (line" in topics["raises"]["capstone"]["message"]
    assert text.count("capstone not reached: toy") == 2


def test_capstones_are_left_out_unless_they_are_asked_for(course: Path, tmp_path: Path, reference_source: str) -> None:
    """Without the option nothing of a capstone is in a report or in a mark."""
    _, topics, text = grade(course, {"good": reference_source}, tmp_path, "-t", "toy")
    assert "capstone" not in topics["good"] and "capstone" not in text
    assert topics["good"]["points"] == topics["good"]["max_points"]


def test_topics_without_a_capstone_keep_their_points(course: Path, tmp_path: Path, reference_source: str) -> None:
    """Where there is no capstone, the checks count whole."""
    (course / "exercises" / "capstones" / "toy.py").unlink()
    code, topics, _ = grade(course, {"good": reference_source}, tmp_path, "--capstone", "-t", "toy")
    assert code == 0 and "capstone" not in topics["good"]
    assert topics["good"]["points"] == topics["good"]["max_points"]


def test_capstone_that_cannot_be_run_costs_nothing(
    course: Path, tmp_path: Path, reference_source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends without an answer is tried again, then reported as the grader's fault."""
    started = []

    def broken(run: capstone_run.CapstoneRun) -> subprocess.Popen[str]:
        started.append(1)
        line = [sys.executable, "-c", "input()"]
        return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(capstone_run.CapstoneRun, "_start", broken)
    code, topics, _ = grade(course, {"good": reference_source}, tmp_path, "--capstone", "-t", "toy")
    assert code == 3 and len(started) == capstone_run.ATTEMPTS
    assert topics["good"]["points"] == topics["good"]["max_points"]
    assert topics["good"]["checks"][-1]["verdict"] == "grader_fault"
    assert topics["good"]["checks"][-1]["message"] == "its process ended"


def test_a_mistake_in_the_capstone_is_no_fault_of_the_student(
    course: Path, tmp_path: Path, reference_source: str
) -> None:
    """`figure` is the instructor's: what it raises for an honest result is not a missed gate."""
    (course / "exercises" / "capstones" / "toy.py").write_text(CAPSTONE.replace('{"x": np', '{"x": 1 / 0, "y": np'))
    code, topics, _ = grade(course, {"good": reference_source}, tmp_path, "--capstone", "-t", "toy")
    assert code == 3 and topics["good"]["points"] == topics["good"]["max_points"]
    assert "ZeroDivisionError" in topics["good"]["checks"][-1]["message"]


def test_share_is_that_of_the_course(course: Path) -> None:
    """`policy: {capstone_share: …}`, by default a tenth; points of checks and gate add up to the topic's weight."""
    assert load_course(course / "course.yml").policy.capstone_share == 0.1
    topic = TopicResult("t", "t.py", None, 60.0, 100.0, ())
    reached, missed = (CapstoneResult(r, 0.0, 0.0) for r in (True, False))
    assert [with_capstone(topic, c, 0.25).points for c in (reached, missed)] == [70.0, 45.0]
    assert with_capstone(topic, missed, 0.0).points == 60.0


def test_summary_of_one_student_shows_figure_and_gate() -> None:
    """What was measured, where the gate lies, and what that was worth; the words of an error beneath."""
    figures = (CapstoneFigure("accuracy", 0.5, 0.9, 1.0, False), CapstoneFigure("loss", None, 1.0, 2.0, False))
    capstone = CapstoneResult(False, 0.0, 10.0, figures, "IndexError: out of range")
    topic = TopicResult("t", "t.py", None, 90.0, 100.0, (), capstone=capstone)
    report = Report("c", "strong", True, (SubmissionResult("ann", (topic,), 90.0, 100.0),))
    text = summary.render(report, painter(False))
    assert "capstone: gate not reached  (0/10)" in text
    assert "accuracy: 0.5 (gate 0.9 to 1: not reached)" in text and "loss: not a number (gate 1 to 2" in text
    assert "IndexError: out of range" in text
    jsonschema.validate(json.loads(report.to_json()), to_json.schema())


ODD = {
    "a handle": "def double(x):\n    return iter(x)\n",
    "a deep handle": "def double(x):\n    return [{'y': (i for i in x)}]\n",
    "no memory": "def double(x):\n    return np.ones((60_000, 1))\n",
    "not read": "def double(x):\n    return np.ones(6_000_000)\n",
    "empty": "def double(x):\n    return np.zeros((1 << 30, 0))\n",
    "text": "def double(x):\n    return 'twelve'\n",
    "frames": (
        "import sys\ndef double(x):\n    frame = sys._getframe(1)\n"
        "    while True: frame.f_locals['progress'](1, np.zeros(1_500_000))\n"
    ),
    "raw frames": (
        "import sys\ndef double(x):\n    frame = sys._getframe(1)\n"
        "    while True: frame.f_locals['progress'](1, iter([]))\n"
    ),
}


def test_whatever_a_training_gives_back_is_the_students_outcome(
    course: Path, tmp_path: Path, reference_source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handles, absurd shapes and sizes, endless frames: the gate is missed, and nothing is left ungraded."""
    file = course / "exercises" / "capstones" / "toy.py"
    measured = CAPSTONE.replace(
        'return results["y"].sum()', 'y = results["y"]; return (y - y[:, None]).sum() + y.sum()'
    )
    file.write_text(measured)
    sources = {name: reference_source + "\n" + body for name, body in ODD.items()}
    code, topics, _ = grade(
        course, {**sources, "good": reference_source}, tmp_path, "--capstone", "-t", "toy", "-j", "1"
    )
    assert code == 1
    for name in ODD:
        assert not topics[name]["capstone"]["reached"] and topics[name]["capstone"]["message"], name
    assert topics["good"]["capstone"]["reached"]


def test_a_capstone_that_cannot_measure_the_reference_is_to_blame(
    course: Path, tmp_path: Path, reference_source: str
) -> None:
    """What goes wrong with the reference's results, too, is nothing that a student gave back."""
    file = course / "exercises" / "capstones" / "toy.py"
    file.write_text(CAPSTONE.replace('results["y"].sum()', 'results["z"].sum()'))
    code, topics, _ = grade(course, {"good": reference_source}, tmp_path, "--capstone", "-t", "toy")
    assert code == 3 and topics["good"]["points"] == topics["good"]["max_points"]
    assert "KeyError" in topics["good"]["checks"][-1]["message"]


def test_a_process_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor waits for no capstone without end."""
    monkeypatch.setattr(capstone_run, "PATIENCE", 0.2)
    line = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert capstone_run._ask(process, capstone_run.CapstoneJob("s", "toy", "")) == "its process ended"
    process.wait()


def test_measuring_has_a_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that would be computed for ever is the outcome of whoever gave back what it is computed from."""
    from grader.judge import training

    monkeypatch.setattr(training, "MEASURING_SECONDS", 0.1)
    with pytest.raises(training.Unusable, match="within 0.1 s"), training._measuring():
        while True:
            pass
