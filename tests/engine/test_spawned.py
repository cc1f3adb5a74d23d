"""Systems without fork and pidfds: every process of a run is started anew, and the verdicts are the same.

The runs here use a Python that lacks what macOS and Windows lack (see crippled.py): a script stands in for the
interpreter, so that each process of a run, judge and worker, is like that.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from toys import ROOT, TOY, submission_of, verdicts

from grader.course import load_course
from grader.errors import GraderFault
from grader.grading.engine import ForkEngine, SpawnEngine, make_engine
from grader.grading.pool import grade_many
from grader.remote.processes import can_fork, weakest_level

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
TRUST = "--i-trust-these-students"
REFERENCE = (TOY / "solutions" / "toy.py").read_text()
GUARDED = "\ndef double(x):\n    if not x.size: raise ValueError\n    {}\n"
SOURCES = {
    "reference": REFERENCE,
    "wrong": REFERENCE + GUARDED.format("return x * 3"),
    "loop": REFERENCE + "\ndef double(x):\n    while True: pass\n",
    "sleep": REFERENCE + "\ndef apply(f, x):\n    import time\n    time.sleep(1000)\n",
    "exit": REFERENCE + "\ndef double(x):\n    import os; os._exit(0)\n",
    "hog": REFERENCE + GUARDED.format("a = [b'x' * (1 << 24) for _ in range(1000)]; return x"),
    "unasked": REFERENCE
    + GUARDED.format(
        "import os\n    for fd in range(3, 20):\n        try: os.write(fd, b'x' * 100)\n        except OSError: pass\n    return x * 2"
    ),
    "noisy": REFERENCE + GUARDED.format("print('y' * 3_000_000); return x * 2"),
    "syntax": "def double(:\n",
}


@pytest.fixture(scope="module")
def wrapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable that stands in for a Python which can neither fork nor poll."""
    script = tmp_path_factory.mktemp("python") / "python"
    crippled = ROOT / "tests" / "engine" / "crippled.py"
    command = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} {shlex.quote(str(crippled))}"
    script.write_text(f'#!/bin/sh\nWRAPPER="$0"\nexport WRAPPER\n{command} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def course_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy course with its first topic alone, and limits that a slow start does not reach."""
    root = tmp_path_factory.mktemp("course")
    for part in ("exercises", "solutions", "tests"):
        (root / part).symlink_to(TOY / part)
    text = (
        (TOY / "course.yml").read_text().replace("  - {name: second, weight: 50, due: 2026-11-20T12:00:00+00:00}\n", "")
    )
    (root / "course.yml").write_text(
        text.replace("cpu_seconds: 0.5, import_seconds: 2", "cpu_seconds: 1, import_seconds: 4")
    )
    return root / "course.yml"


def hand_in(folder: Path, sources: dict[str, str]) -> Path:
    for student, source in sources.items():
        (folder / student).mkdir(parents=True)
        (folder / student / "toy.py").write_text(source)
    return folder


def grade(wrapper: Path, course_file: Path, folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        str(wrapper),
        "-I",
        "-B",
        "-m",
        "grader",
        str(folder),
        "--course",
        str(course_file),
        "--json",
        "-j",
        "2",
        *options,
    ]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=folder, start_new_session=True)


def answer(process: subprocess.Popen[str], patience: float = 240) -> tuple[int, dict[str, Any], str]:
    """(exit code, results.json, what stood on standard error)."""
    out, err = process.communicate(timeout=patience)
    return process.returncode, json.loads(out) if out.startswith("{") else {}, err


def verdicts_in(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        s["student"]: {c["id"].split("::")[1]: c["verdict"] for t in s["topics"] for c in t["checks"]}
        for s in report["submissions"]
    }


@pytest.fixture(scope="module")
def crippled(
    wrapper: Path, course_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, dict[str, Any], str]:
    """One run over the whole class without fork."""
    return answer(grade(wrapper, course_file, hand_in(tmp_path_factory.mktemp("class"), SOURCES), TRUST))


@pytest.fixture(scope="module")
def forked(course_file: Path) -> dict[str, dict[str, str]]:
    """The same class by forked workers."""
    if not can_fork():
        pytest.skip("needs forked workers to compare with")
    course = load_course(course_file)
    engine = make_engine(course, ["toy"])
    assert isinstance(engine, ForkEngine)
    try:
        submissions = [submission_of(source, student) for student, source in SOURCES.items()]
        return {r.student: verdicts(r.topics[0]) for r in grade_many(submissions, course, engine, ["toy"], 2)}
    finally:
        engine.close()


@pytest.mark.parametrize("student", SOURCES)
def test_verdicts_do_not_depend_on_fork(crippled, forked, student):
    """Right, wrong, endless, sleeping, ending, greedy, lying, noisy and unreadable files end as with forked workers."""
    assert verdicts_in(crippled[1])[student] == forked[student]


def test_the_class_is_as_varied_as_it_should_be(forked):
    """The comparison means something: each source has its own verdict."""
    found = {student: set(v.values()) - {"pass"} for student, v in forked.items()}

    assert found.pop("hog") & {"memory", "crash"}
    assert found == {
        "reference": set(), "noisy": set(), "wrong": {"wrong"}, "loop": {"timeout"}, "sleep": {"timeout"}, "exit": {"crash"},
        "unasked": {"violation"}, "syntax": {"error"},
    }  # fmt: skip


def test_the_level_of_protection_is_told(crippled):
    """The report and standard error say how little a started worker is walled off."""
    code, report, err = crippled

    assert code == 1
    assert report["protection"] == weakest_level() == "accident-only"
    assert "protection: accident-only" in err


def test_without_the_instructors_word_nothing_is_graded(wrapper, course_file, tmp_path):
    """Where solutions lie and walls are weak, `grade` refuses and says what would help."""
    code, report, err = answer(grade(wrapper, course_file, hand_in(tmp_path, {"a": REFERENCE})))

    assert (code, report) == (2, {})
    assert TRUST in err and "accident-only" in err


def processes_below(pid: int) -> dict[int, list[str]]:
    """Living descendants by pid, with their command lines."""
    found: dict[int, list[str]] = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(p) for p in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            found |= processes_below(child)
    return found


class Killer(threading.Thread):
    """Kills some processes of one module once the first worker is there."""

    def __init__(self, pid: int, module: str, kills: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.pid, self.module, self.kills, self.pause = pid, module, kills, pause
        self.killed: list[int] = []
        self.over = threading.Event()

    def run(self) -> None:
        while len(self.killed) < self.kills and not self.over.wait(self.pause):
            processes = processes_below(self.pid)
            living = [p for p, command in processes.items() if self.module in command and p not in self.killed]
            if living and any("grader.worker.spawned" in command for command in processes.values()):
                os.kill(min(living), signal.SIGKILL)
                self.killed.append(min(living))


@pytest.mark.parametrize(("module", "kills"), [("grader.worker.spawned", 3), ("grader.judge.process", 1)])
def test_killing_a_process_changes_no_verdict(wrapper, course_file, tmp_path, module, kills):
    """A worker or a judge that is killed in the middle of the run is replaced, and the work done again."""
    slow = "\n_d = double\ndef double(x):\n    import time\n    time.sleep(0.2)\n    return _d(x)\n"
    sources = {f"s{i}": REFERENCE + slow + (GUARDED.format("return x * 3") if i == 1 else "") for i in range(4)}
    process = grade(wrapper, course_file, hand_in(tmp_path, sources), TRUST)
    killer = Killer(process.pid, module, kills, 0.7)
    killer.start()
    code, report, err = answer(process)
    killer.over.set()
    killer.join()

    assert len(killer.killed) == kills
    assert code == 1, err
    wrong = {c for c, v in verdicts_in(report)["s1"].items() if v != "pass"}
    assert wrong == {"test_double_small", "test_double_marker"}
    assert {v for s, checks in verdicts_in(report).items() if s != "s1" for v in checks.values()} == {"pass"}


def spawn_engine(course_file: Path) -> SpawnEngine:
    return SpawnEngine(load_course(course_file), ["toy"])


def test_a_judge_that_is_killed_while_it_starts_is_started_anew(course_file, monkeypatch):
    """The very first start is repaired like any later one."""
    engine, started = spawn_engine(course_file), SpawnEngine._started

    def started_and_killed(self: SpawnEngine) -> Any:
        channel, process = started(self)
        if len(self.processes) <= 2:
            process.kill()
        return channel, process

    monkeypatch.setattr(SpawnEngine, "_started", started_and_killed)
    try:
        engine.start()
        assert len(engine.processes) == 3
        assert engine.spare is not None
    finally:
        engine.close()


def test_a_run_starts_no_judge_too_many(course_file):
    """However often the processes of a run are asked for, the judge that was started ahead is the first one used."""
    engine = spawn_engine(course_file)
    try:
        engine.start()
        engine.start()
        engine.new_judge()
        assert len(engine.processes) == 1
        assert engine.points == {"toy": 100.0}
    finally:
        engine.close()


def test_a_judge_that_cannot_start_is_tried_once(course_file, monkeypatch):
    """What ends by itself would end again: its message stands on standard error once."""
    engine = spawn_engine(course_file)
    monkeypatch.setattr(SpawnEngine, "_command", lambda self: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(GraderFault, match="did not start"):
        engine.start()
    assert len(engine.processes) == 1


def test_workers_end_with_a_run_that_is_killed(wrapper, course_file, tmp_path):
    """Nothing goes on computing when the whole run is killed, endless loops included."""
    process = grade(wrapper, course_file, hand_in(tmp_path, {"a": "while True: pass\n"}), TRUST)
    end = time.monotonic() + 60
    while not (workers := [p for p, c in processes_below(process.pid).items() if "grader.worker.spawned" in c]):
        assert time.monotonic() < end
        time.sleep(0.05)
    everything = processes_below(process.pid)
    for pid in (process.pid, *(p for p, c in everything.items() if "grader.judge.process" in c)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()

    end = time.monotonic() + 15
    while alive := [
        p for p in workers if Path(f"/proc/{p}").exists() and " Z " not in Path(f"/proc/{p}/stat").read_text()
    ]:
        assert time.monotonic() < end, alive
        time.sleep(0.1)


def test_the_stand_in_cannot_fork(course_file, tmp_path):
    """It does what it is for: no forked engine is made there, and its own processes start through the wrapper."""
    (tmp_path / "probe.py").write_text(
        "import select, sys\nfrom pathlib import Path\nfrom grader.course import load_course\nfrom grader.grading.engine import make_engine\n"
        f"f = Path({str(course_file)!r})\n"
        "print(type(make_engine(load_course(f), ['toy'])).__name__, hasattr(select, 'poll'), sys.executable)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "WRAPPER": "stand-in"}
    command = [sys.executable, str(ROOT / "tests" / "engine" / "crippled.py"), "-I", "-m", "probe"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    assert done.stdout.split() == ["SpawnEngine", "False", "stand-in"], done.stderr
