"""Grading where something is missing: it ends in a level that is stated, or in a refusal that says why; never in a silent 0."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from toys import TOY

from grader.environment import clean_environment
from grader.remote.processes import can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="needs forked workers")
GOOD = (TOY / "solutions" / "toy.py").read_text()
HANGS = GOOD + "\ndef double(x):\n    while True: pass\n"
HOARDS = GOOD + "\ndef double(x):\n    return np.ones((1 << 30,)) * x.sum()\n"


def write_class(folder: Path) -> Path:
    for name, source in {"good": GOOD, "hangs": HANGS, "hoards": HOARDS}.items():
        (folder / "submit" / name).mkdir(parents=True)
        (folder / "submit" / name / "toy.py").write_text(source)
    return folder / "submit"


def grade(submit: Path, out: Path, before: list[str], course: Path = TOY) -> subprocess.CompletedProcess[str]:
    """`before` are words of a shell that come before the command."""
    line = [sys.executable, "-I", "-B", "-m", "grader", str(submit), "--layout", "class", "-t", "toy", "-o", str(out)]
    line += ["--course", str(course / "course.yml")]
    return subprocess.run([*before, *line], capture_output=True, text=True, timeout=300, env=clean_environment())


def topics(out: Path) -> dict[str, dict]:
    report = json.loads((out / "results.json").read_text())
    assert report["protection"] == "strong"
    return {s["student"]: s["topics"][0] for s in report["submissions"]}


def verdicts(topic: dict) -> set[str]:
    return {c["verdict"] for c in topic["checks"] if c["function"] == "double"}


def no_proc() -> list[str]:
    """A shell in which nothing is mounted at /proc; or skip."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], capture_output=True).returncode:
        pytest.skip("mounts cannot be changed here")
    return hidden


def test_machine_without_proc_grades_and_limits(tmp_path: Path) -> None:
    """What hangs is stopped by the process's own clock, what hoards by its limit of memory; the good keep full marks."""
    ended = grade(write_class(tmp_path), tmp_path / "out", no_proc())
    assert ended.returncode == 1, ended.stderr
    found = topics(tmp_path / "out")
    assert found["good"]["points"] == found["good"]["max_points"]
    assert "timeout" in verdicts(found["hangs"]) and "pass" not in verdicts(found["hangs"])
    assert "memory" in verdicts(found["hoards"]) and "pass" not in verdicts(found["hoards"])


@pytest.mark.parametrize("kilobytes", [60_000, 120_000])
def test_machine_without_memory_gives_no_marks(tmp_path: Path, kilobytes: int) -> None:
    """Where not even the grader's own processes fit, nobody gets a 0: exit code 3, and a sentence or NOT GRADED."""
    little = ["sh", "-c", f'ulimit -v {kilobytes} && exec "$@"', "sh"]
    ended = grade(write_class(tmp_path), tmp_path / "out", little)
    assert ended.returncode == 3, ended.stderr
    if (tmp_path / "out" / "results.json").exists():
        report = json.loads((tmp_path / "out" / "results.json").read_text())
        checks = [c for s in report["submissions"] for t in s["topics"] for c in t["checks"]]
        assert checks and {c["verdict"] for c in checks} == {"grader_fault"}
    else:
        assert "error: " in ended.stderr


def test_low_limits_of_the_shell_are_no_obstacle(tmp_path: Path) -> None:
    """64 open files, 64 kB of locked memory, no core files."""
    low = ["sh", "-c", 'ulimit -S -n 64 && ulimit -l 64 && ulimit -c 0 && exec "$@"', "sh"]
    ended = grade(write_class(tmp_path), tmp_path / "out", low)
    assert ended.returncode == 1, ended.stderr
    found = topics(tmp_path / "out")
    assert found["good"]["points"] == found["good"]["max_points"]


def test_hidden_folder_beneath_a_readable_one_is_refused(tmp_path: Path) -> None:
    """A course inside a folder that every worker may read would tell its answers: nothing is graded there."""
    packages = Path(np.__file__).parent
    if not os.access(packages, os.W_OK):
        pytest.skip("the folder of numpy cannot be written to")
    with tempfile.TemporaryDirectory(dir=packages) as name:
        shutil.copytree(TOY, Path(name, "course"))
        ended = grade(write_class(tmp_path), tmp_path / "out", [], Path(name, "course"))
    assert ended.returncode in (2, 3)
    assert "workers may read" in ended.stderr and "lies beneath it" in ended.stderr
    assert "move the course out of Python's own folders" in ended.stderr
    assert not (tmp_path / "out" / "results.json").exists()
