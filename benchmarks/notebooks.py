"""How much faster `grade submitted --gradebook` grades a class of notebooks than `nbgrader autograde`.

    python benchmarks/notebooks.py [TOPIC] [NUMBER]

Builds the nbgrader course of one topic, hands in NUMBER (20) notebooks, of which every second one is complete and the
others lack their last units, and lets both grade them in one run on this machine: the same marks, then the seconds of
both and their ratio. Exits with 1 below the target of 20, or where a mark differs.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = 20.0
BIN = Path(sys.executable).parent


def main() -> int:
    topic = sys.argv[1] if len(sys.argv) > 1 else "backprop"
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with tempfile.TemporaryDirectory(prefix="grader-notebooks-") as folder:
        course = Path(folder, "course")
        run("grade", "nbgrader", "build", course, "-t", topic, "--course", ROOT / "course.yml")
        run("nbgrader", "generate_assignment", topic, cwd=course)
        hand_in(course, topic, number)
        other = Path(shutil.copytree(course, Path(folder, "other")))
        ours = timed("grade", "submitted", "--gradebook", "gradebook.db", "-t", topic, "--exit-zero",
                     "--course", ROOT / "course.yml", "--i-trust-these-students", cwd=course)  # fmt: skip
        theirs = timed("nbgrader", "autograde", topic, cwd=other)
        same = marks(course) == marks(other)
    print(f"{number} notebooks of {topic}: nbgrader autograde {theirs:.1f} s, grade submitted {ours:.1f} s")
    print(f"{theirs / ours:.1f} times as fast (target {TARGET:g}); the marks {'agree' if same else 'DIFFER'}")
    return 0 if same and theirs / ours >= TARGET else 1


def run(command: str, *arguments: object, cwd: Path | None = None) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [BIN / command, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command} {' '.join(map(str, arguments))} failed:\n{done.stderr[-2000:]}")


def timed(command: str, *arguments: object, cwd: Path) -> float:
    start = time.perf_counter()
    run(command, *arguments, cwd=cwd)
    return time.perf_counter() - start


def hand_in(course: Path, topic: str, number: int) -> None:
    """Submissions made of the release and the reference's cells."""
    release = course / "release" / topic
    empty = json.loads((release / f"{topic}.ipynb").read_text(encoding="utf-8"))
    full = json.loads((course / "source" / topic / f"{topic}.ipynb").read_text(encoding="utf-8"))
    filled = {cell["id"]: cell["source"] for cell in full["cells"]}
    units = [cell["id"] for cell in full["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    for i in range(number):
        known = units if i % 2 == 0 else units[: len(units) // 2]
        cells: list[Any] = [{**c, "source": filled[c["id"]]} if c["id"] in known else c for c in empty["cells"]]
        place = Path(shutil.copytree(release, course / "submitted" / f"s{i:03}" / topic))
        (place / f"{topic}.ipynb").write_text(json.dumps({**empty, "cells": cells}), encoding="utf-8")


def marks(course: Path) -> dict[str, float]:
    """{student: score} as nbgrader exports them."""
    run("nbgrader", "export", cwd=course)
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


if __name__ == "__main__":
    sys.exit(main())
