"""How long one student's complete work takes: every topic of the course, on one core, after start-up.

    python benchmarks/student.py

Grades the nine references as one submission by one judge, prints the seconds of each topic and of all, and exits with 1
above the target of 10 seconds. The first run warms the judge (imports, oracles) and is printed beside the second.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from grader.course import load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.submissions import find_submissions

ROOT = Path(__file__).resolve().parents[1]
TARGET = 10.0


def main() -> int:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    course = load_course(ROOT / "course.yml")
    topics = [topic.name for topic in course.topics]
    submissions = find_submissions([ROOT / "solutions"], course).submissions
    engine = make_engine(course, topics)
    try:
        engine.start()
        times = []
        for _ in range(2):
            start = time.perf_counter()
            (result,) = grade_many(submissions, course, engine, topics, 1)
            times.append(time.perf_counter() - start)
    finally:
        engine.close()
    if result.points != result.max_points:
        raise SystemExit(f"not full marks: {result.points:g} of {result.max_points:g}; the references must be sound")
    for topic in result.topics:
        print(f"{topic.topic:<16}{len(topic.checks):>4} checks  {topic.seconds:6.2f} s")
    print(f"all of it: {times[0]:.2f} s by a fresh judge, {times[1]:.2f} s again (target {TARGET:g} s, one core)")
    return 0 if times[0] < TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
