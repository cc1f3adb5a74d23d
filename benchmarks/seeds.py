"""Right work under many seeds of the course: `python benchmarks/seeds.py 50 [TOPIC...]`.

Reference and every variant of each topic are graded under each seed; prints what a check refused, by topic and seed,
and ends with 1 if there was anything. One seed of all nine topics takes some minutes of two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grader.audit.rules import reference_passes, variants_earn
from grader.audit.topic import TopicAudit, collect
from grader.course import load_course
from grader.grading.engine import make_engine

ROOT = Path(__file__).parents[1]


def refused(seed: int, names: list[str]) -> list[str]:
    """What right work lost under this seed, a line each."""
    course = load_course(ROOT / "course.yml").model_copy(update={"seed": seed})
    engine, explainer = make_engine(course, names, seed=seed), collect(course, names)
    lines = []
    try:
        for name in names:
            audit = TopicAudit(explainer, course.topic(name), engine)
            lines += [f"{c.where}: {c.problem}" for rule in (reference_passes, variants_earn) for c in rule(audit)]
    finally:
        engine.close()
    return lines


def main(seeds: int, names: list[str]) -> int:
    """0 if no check refused right work under any of the seeds 1 ... seeds."""
    found = 0
    for seed in range(1, seeds + 1):
        lines = refused(seed, names)
        found += len(lines)
        print(f"seed {seed}: {'nothing' if not lines else len(lines)} refused", *lines, sep="\n  ", flush=True)
    return min(found, 1)


if __name__ == "__main__":
    every = [topic.name for topic in load_course(ROOT / "course.yml").topics]
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:] or every))
