"""The tests of the walls themselves, run by a user without privileges; `test_attacks.py` does the same for the corpus."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from readable_python import python_for_all
from toys import ROOT

from grader.environment import clean_environment

USER = 61000


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_walls_hold_for_an_ordinary_user() -> None:
    """Every test of the sandbox, in a copy of this project that the user can read, with a Python that it can run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chmod(folder, 0o755)
        python = python_for_all(folder / "python")
        for part in ("grader", "tests/engine"):
            shutil.copytree(ROOT / part, folder / "project" / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder / "project")
        subprocess.run(["chmod", "-R", "a+rX", str(folder / "project")], check=True)
        (folder / "own").mkdir()
        os.chown(folder / "own", USER, USER)
        line = [str(python), "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "own/tmp")]
        ended = subprocess.run(
            [*line, "tests/engine/test_sandbox.py"], cwd=folder / "project", env=clean_environment(),
            user=USER, group=USER, extra_groups=[], capture_output=True, text=True, timeout=900,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed and int(passed[1]) > 80, ended.stdout
