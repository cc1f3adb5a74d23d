"""Notebooks for the tests: made of a release and of sources for its cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from toys import ROOT, TOY

from grader.course import load_course
from grader.notebooks.autograded import released
from grader.notebooks.build import notebook_of
from grader.results import CheckResult, Verdict
from grader.submissions.ipynb import id_of, marks_of, text_of

BIN = Path(sys.executable).parent
SOLUTION = (TOY / "solutions" / "toy.py").read_text()
WRONG_DOUBLE = "def double(x):\n    return x * 3\n"


def code(*cells: str) -> dict[str, Any]:
    """A notebook of plain code cells."""
    return {"cells": [{"cell_type": "code", "source": c.splitlines(True)} for c in cells]}


def as_bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def toy_checks() -> list[CheckResult]:
    """A public and a hidden check of each unit of the toy topic."""
    units = {"double": (20, 30), "apply": (10,), "noise": (0, 20), "Counter": (0, 20)}
    found = []
    for unit, points in units.items():
        for kind, value in zip(("public", "hidden"), points, strict=False):
            if value:
                found.append(CheckResult(f"toy::{unit}", unit, f"About {unit}.", kind, Verdict.PASS, value, value))
    return found


def toy_notebook(reference: bool = False) -> dict[str, Any]:
    """The toy topic's notebook, as released or with the reference in it."""
    document = notebook_of(load_course(TOY / "course.yml"), load_course(TOY / "course.yml").topic("toy"), toy_checks())
    return document if reference else as_released(document)


def as_released(document: dict[str, Any]) -> dict[str, Any]:
    """What nbgrader's `generate_assignment` makes of a source notebook, but for checksums."""
    cells = []
    for cell in document["cells"]:
        cell = {**cell, "source": released(text_of(cell))} if cell["cell_type"] == "code" else cell
        marks = marks_of(cell)
        cells.append({**cell, "metadata": {"nbgrader": {**marks, "cell_type": "code"}}} if marks else cell)
    return {**document, "cells": cells}


def filled(document: dict[str, Any], **sources: str) -> dict[str, Any]:
    """With these texts in the solution cells of these names."""
    cells = [{**c, "source": sources[id_of(c)]} if id_of(c) in sources else c for c in document["cells"]]
    return {**document, "cells": cells}


def sources_of(document: dict[str, Any]) -> dict[str, str]:
    """The text of each solution cell."""
    return {id_of(c): text_of(c) for c in document["cells"] if marks_of(c).get("solution")}


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of this environment (`grade`, `nbgrader`)."""
    env = {k: v for k, v in os.environ.items() if k != "GRADER_COURSE"}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    env |= {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    name, *rest = map(str, command)
    start = [sys.executable, "-m", "grader"] if name == "grade" else [str(BIN / name)]
    return subprocess.run([*start, *rest], cwd=cwd, env=env, capture_output=True, text=True, timeout=900)
