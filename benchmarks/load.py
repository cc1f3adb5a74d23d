"""Right work on a busy machine: does any check end for want of a processor?

    python benchmarks/load.py [RUNS] [BUSY]

Grades the references of all topics RUNS times (20) beside BUSY processes (12) that do nothing but compute, and prints
what did not pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUSY = "while True: sum(range(100_000))"


def verdicts() -> Counter[str]:
    """How the checks of one run end."""
    line = [sys.executable, "-m", "grader", str(ROOT / "solutions"), "--course", str(ROOT / "course.yml"), "--json"]
    done = subprocess.run([*line, "--exit-zero"], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    return Counter(c["verdict"] for s in report["submissions"] for t in s["topics"] for c in t["checks"])


def main(runs: int = 20, busy: int = 12) -> int:
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
    bad: Counter[str] = Counter()
    try:
        for run in range(runs):
            began = time.monotonic()
            ended = verdicts()
            bad += Counter({verdict: n for verdict, n in ended.items() if verdict != "pass"})
            seconds = time.monotonic() - began
            print(f"run {run + 1}: {ended.total()} checks in {seconds:.0f} s: {dict(ended)}", flush=True)
    finally:
        for other in others:
            other.kill()
    print(f"{runs} runs beside {busy} busy processes: {dict(bad) or 'every check passed'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
