"""`grade` starts fast: what the supervisor never needs is never imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from toys import TOY

HEAVY = ["torch", "nbgrader", "nbformat", "nbconvert", "jsonschema", "sqlalchemy", "pytest", "scipy", "IPython"]
SNIPPET = """
import json, runpy, sys
sys.argv = ["grade", *{arguments!r}]
status = 0
try:
    runpy.run_module("grader", run_name="__main__", alter_sys=True)
except SystemExit as end:
    status = end.code
print()
print(json.dumps([status, sorted(sys.modules)]))
"""


def modules_after(*arguments: str) -> tuple[int, set[str]]:
    """(exit code, names of imported modules) of `grade ARGUMENTS`."""
    code = SNIPPET.format(arguments=list(arguments))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)])
def test_help_imports_next_to_nothing(arguments):
    """Help needs no library but click, and none of the grader's own machinery."""
    status, modules = modules_after(*arguments)

    assert not status
    assert modules.isdisjoint([*HEAVY, "numpy", "pydantic", "yaml", "tqdm", "grader.grading.engine", "grader.course"])


def test_a_whole_run_leaves_the_supervisor_light():
    """After grading .py files the supervisor has imported none of the heavy libraries, and no check."""
    status, modules = modules_after(str(TOY / "solutions"), "--course", str(TOY / "course.yml"), "-t", "toy")

    assert status == 0
    assert modules.isdisjoint([*HEAVY, "numpy", "grader.judge", "grader.checks"])
    assert not [m for m in modules if m.startswith("solutions") or m.startswith("exercises")]


def test_help_is_quick():
    """`grade --help` answers in well under a second of CPU time (0.3 s on a quiet machine)."""
    before = os.times()
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "grader", "--help"], capture_output=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system

    assert used < 0.6, f"{used:.2f} s of CPU time, {time.monotonic() - start:.2f} s in all"
