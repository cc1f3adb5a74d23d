"""Machines and callers that differ from the usual: whatever they lack or ignore, right work gets its points."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_poor_machines import no_proc
from toys import TOY, check_named, submission_of, verdicts

from grader.course import load_course
from grader.environment import clean_environment
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.remote.processes import can_fork

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
CHAIN = Path(__file__).parent / "chain"
GOOD = (TOY / "solutions" / "toy.py").read_text()


def report_of(before: list[str], source: str, folder: Path, course: Path = TOY, **environment: str) -> dict[str, Any]:
    """`results.json` of a run whose command comes after the words `before`."""
    topic = course.name
    (folder / "submit" / "ann").mkdir(parents=True)
    (folder / "submit" / "ann" / f"{topic}.py").write_text(source)
    line = [sys.executable, "-I", "-B", "-m", "grader", str(folder / "submit"), "--layout", "class", "-t", topic]
    line += ["-o", str(folder / "out"), "--course", str(course / "course.yml")]
    environment = clean_environment() | environment
    ended = subprocess.run([*before, *line], capture_output=True, text=True, timeout=300, env=environment, cwd=folder)
    assert ended.returncode in (0, 1), ended.stderr
    return json.loads((folder / "out" / "results.json").read_text())


def points(report: dict[str, Any]) -> float:
    return report["submissions"][0]["points"]


def python(code: str) -> list[str]:
    """Words that run some Python, then the command."""
    return [sys.executable, "-c", f"import os, signal, sys\n{code}\nos.execvp(sys.argv[1], sys.argv[1:])"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_standard_descriptors_may_be_closed(tmp_path: Path, closed: str) -> None:
    """No pipe of ours gets the number of one that was closed, as under some daemons."""
    assert points(report_of(["sh", "-c", f'exec "$@" {closed}', "sh"], GOOD, tmp_path)) == 100


IGNORING = """
for name in ("SIGINT", "SIGHUP", "SIGCHLD", "SIGTERM", "SIGXCPU", "SIGALRM"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
"""
BLOCKING = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
RAISES = """
import signal
_double = double
def double(x):
    try: signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt: return _double(x)
"""


@pytest.mark.parametrize("before", [IGNORING, BLOCKING], ids=["ignored", "blocked"])
def test_what_the_parent_ignored_is_no_matter(tmp_path: Path, before: str) -> None:
    """nohup, cron, a background job, a daemon: the processes of a run and their workers start like any other."""
    assert points(report_of(python(before), GOOD + RAISES, tmp_path)) == 100


def test_ctrl_c_is_tried_wherever_the_tests_run() -> None:
    """These tests do not inherit the deafness of a background job."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


READ_ONLY = """
mount -t tmpfs none {out} && mount -o remount,ro,bind / || exit 77
for folder in /tmp /var/tmp /dev/shm; do mountpoint -q $folder && mount -o remount,ro,bind $folder; done
cd / && exec "$@"
"""


def test_no_temporary_folder_is_needed(tmp_path: Path) -> None:
    """Nothing but the folder of the reports can be written to."""
    (tmp_path / "out").mkdir()
    script = READ_ONLY.format(out=tmp_path / "out")
    line = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*line, "true"], capture_output=True).returncode:
        pytest.skip("mounts cannot be changed here")
    told = "import json; print(json.dumps(json.load(open({!r}))))".format(str(tmp_path / "out" / "results.json"))
    script = script.replace('exec "$@"', f'"$@" >&2; exec {sys.executable} -c "$TOLD"')
    ended = _graded([*line[:4], script, "sh"], tmp_path, TOLD=told)

    assert ended.stdout, ended.stderr
    assert points(json.loads(ended.stdout)) == 100


def _graded(before: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "submit" / "ann").mkdir(parents=True)
    (folder / "submit" / "ann" / "toy.py").write_text(GOOD)
    line = [sys.executable, "-I", "-B", "-m", "grader", str(folder / "submit"), "--layout", "class", "-t", "toy"]
    line += ["-o", str(folder / "out"), "--course", str(TOY / "course.yml")]
    environment = clean_environment() | environment
    return subprocess.run([*before, *line], capture_output=True, text=True, timeout=300, env=environment)


WRONG_FIRST = "\n_first = {0}\ndef {0}(*args, **kwargs):\n    return _first(*args, **kwargs) + 1.0\n"


@pytest.mark.skipif(not can_fork(), reason="needs forked workers")
def test_without_proc_failed_checks_are_followed_through(tmp_path: Path) -> None:
    """The process that answers with the reference finds its limit without /proc, and nothing is left ungraded."""
    source = (CHAIN / "solutions" / "chain.py").read_text() + WRONG_FIRST.format("squash")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    usual = report_of([], source, tmp_path / "a", CHAIN)
    odd = report_of(no_proc(), source, tmp_path / "b", CHAIN)

    assert 0 < points(usual) < 100
    assert [c["follow_through"] for c in odd["submissions"][0]["topics"][0]["checks"]].count(True) > 0
    assert points(odd) == points(usual)


@pytest.mark.skipif(not can_fork(), reason="the wrapper stands in for the interpreter of forked engines")
def test_an_interpreter_that_needs_a_library_path_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process of ours starts with it, without its relative parts; a submission finds none of it."""
    needed, wrapper = tmp_path / "needed", tmp_path / "python"
    needed.mkdir()
    (needed / "libodd.so").write_bytes(b"")
    wrapper.write_text(
        f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = "{needed}:/opt/odd" ] || exit 127\nexec {sys.executable} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{needed}:lib:.:/opt/odd")
    monkeypatch.setattr(sys, "executable", str(wrapper))
    looks = "\nimport os\ndef apply(f, x):\n    assert not [n for n in os.environ if 'LIBRARY' in n]\n"
    looks += f"    try: open({str(needed / 'libodd.so')!r})\n    except OSError: return f(x) + f(-x)\n"
    course = load_course(TOY / "course.yml")
    engine = make_engine(course, ["toy"])
    try:
        (result,) = grade_many([submission_of(GOOD + looks)], course, engine, ["toy"], 1)
    finally:
        engine.close()

    assert set(verdicts(result.topics[0]).values()) == {"pass"}, result.topics[0]


def test_arguments_of_a_worker_are_its_file(grade_source: Any) -> None:
    """As if the student had started it: no path and no number of ours."""
    looks = "\nimport sys\ndef double(x):\n    raise RuntimeError(f'{sys.argv} {sys.orig_argv}')\n"
    message = check_named(grade_source(GOOD + looks), "test_double_small").message

    assert "['toy.py'] ['toy.py']" in message
