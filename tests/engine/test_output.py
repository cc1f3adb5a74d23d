"""Output that survives: signals, readers that have gone, full disks, places that cannot be written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_cli import SOLUTION, grade, hand_in, start
from toys import ROOT, TOY

from grader import reports
from grader.cli import run, saving
from grader.cli.stopping import Stops
from grader.errors import Unwritten, UsageError
from grader.grading import grade as grading
from grader.results import Report, SubmissionResult

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals and limits like these")
SLEEP = "import time\ntime.sleep(1000)\n"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = tmp_path_factory.mktemp("output") / "course"
    shutil.copytree(TOY, course)
    hand_in(course, ann=SOLUTION, bob=SOLUTION)
    return course


def shell(command: str, course: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """`grade ...` as a shell starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = command.replace("grade ", f"{sys.executable} -m grader ")
    return subprocess.run(
        ["sh", "-c", line], cwd=course, env=environment, capture_output=True, text=True, timeout=90, **more
    )


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


# --- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_keeps_what_is_finished(toy_copy, name):
    """As Ctrl-C does: what is finished is written, the report says that it is not complete, and the exit code is 130."""
    hand_in(toy_copy, ann=SOLUTION, **{f"slow{i}": SLEEP for i in range(8)})
    process = start("submit", "-t", "toy", "-j", "1", "-o", "out", cwd=toy_copy)
    time.sleep(6)
    assert process.poll() is None
    process.send_signal(getattr(signal, name))
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=90)

    assert (130, False) == (process.returncode, "Traceback" in err), err
    data = json.loads((toy_copy / "out" / "results.json").read_text())
    assert (data["complete"], data["submissions"][0]["student"]) == (False, "ann")
    assert {"results.json", "scores.csv", "unread.csv"} == set(written(toy_copy / "out"))


def test_the_first_signal_counts_and_tears_nothing_else():
    """It raises once while something is graded; what comes while results are written counts when more is graded."""
    with Stops() as stops, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    with stops:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGINT)
    with Stops() as stops:
        stops.disarm()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            stops.arm()

    assert signal.SIG_DFL == signal.getsignal(signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored():
    """`nohup grade` outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stops():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def interrupted(monkeypatch):
    """A run without processes that is stopped after `landed` students; (report, what was told)."""

    def run_it(students: list[str], landed: int) -> tuple[Report, list[str]]:
        def some_then_stop(*arguments: object, **more: object):
            yield from [SubmissionResult(s, (), 0.0, 0.0) for s in students[:landed]]
            raise KeyboardInterrupt

        nothing = dict.fromkeys(("start", "refuse_odd_points", "close"), lambda: None)
        monkeypatch.setattr(grading, "make_engine", lambda *a, **k: SimpleNamespace(level="strong", **nothing))
        monkeypatch.setattr(grading, "grade_many", some_then_stop)
        told: list[str] = []
        grader = grading.Grader(TOY)
        grader.progress.interrupted = told.append  # type: ignore[method-assign]
        found = SimpleNamespace(
            submissions=[SimpleNamespace(student=s) for s in students], warnings=[], unread=[], layouts=[]
        )
        try:
            return grader.report(grading.as_course(TOY), found, ["toy"]), told  # type: ignore[arg-type]
        except grading.Interrupted as stopped:
            return stopped.report, told

    return run_it


def test_a_signal_after_the_last_student_costs_nothing(interrupted):
    """Everything is there, so the report is complete."""
    report, told = interrupted(["ann", "bob"], 2)
    partial, words = interrupted(["ann", "bob"], 1)

    assert (report.complete, [s.student for s in report.submissions], told) == (True, ["ann", "bob"], [])
    assert (partial.complete, [s.student for s in partial.submissions]) == (False, ["ann"])
    assert words == ["interrupted: 1 of 2 submissions are finished and kept"]


# --- nobody reads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        (">&- 2>&- <&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 3),
        (">/dev/full 2>/dev/full", 3),
        ("2>&1 | true", 0),
        ("--json 2>&1 | head -c 1", 0),
    ],
)
def test_who_cannot_be_told_costs_no_report(course, tmp_path, redirected, code):
    """Reports are written first; closed descriptors, gone readers and full devices change no more than what is shown."""
    done = shell(f"grade submit -t toy -o {tmp_path}/out {redirected}", course)

    assert {"results.json", "scores.csv", "unread.csv"} == set(written(tmp_path / "out"))
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert code == done.returncode
    if redirected == ">/dev/full":
        assert "error: standard output: cannot be written: No space left on device" in done.stderr


def test_reports_are_written_before_anything_is_printed(monkeypatch, tmp_path):
    """Reports, gradebook, then the summary."""
    order: list[str] = []
    report = Report("A course", "strong", True, ())
    monkeypatch.setattr(run, "_graded", lambda *a: (report, SimpleNamespace(submissions=[]), False))
    monkeypatch.setattr(run.saving.ReportFolder, "put", lambda *a: order.append("reports") or True)
    monkeypatch.setattr(run.saving, "marks_of", lambda *a: order.append("marks") or True)
    monkeypatch.setattr(run, "put", lambda text: order.append("summary"))

    assert 0 == run.run([TOY / "solutions"], run.Options(course_file=TOY / "course.yml"))
    assert order == ["reports", "marks", "summary"]


# --- places that cannot be written -----------------------------------------------------------------------------------


def test_a_full_disk_costs_what_does_not_fit(course, tmp_path):
    """Each format is tried on its own, the error names what failed, no half file is left, the summary is shown."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = shell(f"exec grade submit -t toy -o {tmp_path}/out", course, preexec_fn=little_room)

    assert ["scores.csv", "unread.csv"] == sorted(written(tmp_path / "out"))
    assert f"error: {tmp_path}/out/results.json: cannot be written: File too large" in done.stderr
    assert (3, True) == (done.returncode, "2 submissions, 2 with full marks" in done.stdout)


def test_every_file_that_fails_is_named(tmp_path, monkeypatch):
    """Whatever a format fails with; a report that was there before stays as it was."""
    (tmp_path / "results.json").write_text("old")
    (tmp_path / "unread.csv").mkdir()

    def fail(*arguments: object) -> None:
        raise ValueError("no number")

    monkeypatch.setattr("grader.reports.to_json.write", fail)
    with pytest.raises(Unwritten, match="results.json: cannot be written: ValueError: no number") as told:
        reports.write(Report("A course", "strong", True, ()), tmp_path, ["json", "unread", "csv"])

    assert [str(e).partition(": ")[0] for e in told.value.others] == [str(tmp_path / "unread.csv")]
    assert [tmp_path / "scores.csv"] == told.value.written
    assert ["results.json", "scores.csv", "unread.csv"] == sorted(p.name for p in tmp_path.iterdir())
    assert "old" == (tmp_path / "results.json").read_text()


def test_a_gradebook_that_fails_costs_no_report(tmp_path, monkeypatch, capsys):
    """It is told, and the run goes on."""

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving.gradebook, "write", fail)
    course = grading.as_course(TOY)

    assert not saving.marks_of(Report("c", "strong", True, ()), [], course, tmp_path / "gradebook.db")
    assert "gradebook.db: cannot be written: No space left on device" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("option", ["-o", "--gradebook"])
def test_a_place_where_nothing_can_be_made_is_found_before_grading(course, option):
    """A folder that is there is no sign that it can be written, and the rights of root are none."""
    place = "/proc/self" if option == "-o" else "/proc/self/gradebook.db"
    done = grade("submit", "-t", "toy", option, place, cwd=course)

    assert (2, "") == (done.returncode, done.stdout)
    assert "error: /proc/self: cannot be written: " in done.stderr


def test_a_read_only_mount_is_found_before_grading(course, tmp_path):
    """For root, too; its file system says no."""
    (tmp_path / "mount").mkdir()
    mount = (
        f"mount -t tmpfs none {tmp_path}/mount && mkdir {tmp_path}/mount/out && mount -o remount,ro {tmp_path}/mount"
    )
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount of its own")
    line = f"{mount} && exec {sys.executable} -m grader submit -t toy -o {tmp_path}/mount/out"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", line], cwd=course, env=environment, capture_output=True, text=True, timeout=90
    )

    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: {tmp_path}/mount/out: cannot be written: Read-only file system" in done.stderr


def test_a_folder_in_a_files_place_is_found_before_grading(tmp_path):
    """Whatever format was asked for."""
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(UsageError, match="scores.csv: cannot be written: Is a directory"):
        reports.refuse_unusable(tmp_path, ["json", "csv"])
    reports.refuse_unusable(tmp_path, ["json"])

    assert ["scores.csv"] == [p.name for p in tmp_path.iterdir()]
