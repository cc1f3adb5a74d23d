"""How many submissions a second one core grades, beside a fresh pytest process for each.

    python benchmarks/rate.py [COPIES] [TOPIC]

Grades COPIES copies (default 50) of the reference of TOPIC (default backprop) through walled workers, counts from when
the judges are warm, then grades a few of the same files by one fresh `pytest` process each. Prints both rates and their
ratio, measured in this one run, and exits with 1 where the rate is below the target of 8 a second and core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grader.course import load_course
from grader.engine import make_engine
from grader.grading import grade_many
from grader.submissions import find_submissions

ROOT = Path(__file__).resolve().parents[1]
TARGET = 8.0  # submissions a second and core
FRESH = 3


def main() -> int:
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    topic = sys.argv[2] if len(sys.argv) > 2 else "backprop"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        files = hand_in(Path(folder), topic, copies)
        ours = copies / seconds_of_engine(Path(folder), topic, cores)
        fresh = FRESH / seconds_of_pytest(files[:FRESH], topic)
    per_core = ours / cores
    print(f"{topic}: {copies} submissions on {cores} core(s)")
    print(
        f"walled workers, after start-up   {ours:7.2f} a second   {per_core:6.2f} a second and core (target {TARGET:g})"
    )
    print(f"a fresh pytest process each      {fresh:7.2f} a second   {fresh:6.2f} a second and core")
    print(f"ratio per core                   {per_core / fresh:7.1f}")
    return 0 if per_core >= TARGET else 1


def hand_in(folder: Path, topic: str, copies: int) -> list[Path]:
    """A class of copies, each a byte different, so that nothing could be stored and reused."""
    source = (ROOT / "solutions" / f"{topic}.py").read_text(encoding="utf-8")
    files = [folder / f"s{i:03d}" / f"{topic}.py" for i in range(copies)]
    for i, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(source + f"# {i}\n", encoding="utf-8")
    return files


def seconds_of_engine(folder: Path, topic: str, cores: int) -> float:
    course_file = ROOT / "course.yml"
    course = load_course(course_file)
    submissions = find_submissions([folder], course).submissions
    engine = make_engine(course, course_file, [topic])
    try:
        list(grade_many(submissions[:cores], course, engine, [topic], cores))  # start-up: collect, import, warm
        start = time.perf_counter()
        results = list(grade_many(submissions, course, engine, [topic], cores))
        seconds = time.perf_counter() - start
    finally:
        engine.close()
    wrong = [r.student for r in results if r.points != r.max_points]
    if wrong:
        raise SystemExit(f"not full marks: {wrong[0]}; the benchmark needs a sound reference")
    return seconds


def seconds_of_pytest(files: list[Path], topic: str) -> float:
    checks = [str(ROOT / "tests" / v / f"test_{topic}.py") for v in ("public", "hidden")]
    start = time.perf_counter()
    for file in files:
        command = [sys.executable, "-m", "pytest", "-q", *checks, "--submission", str(file)]
        subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
