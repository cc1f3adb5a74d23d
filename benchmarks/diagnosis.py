"""How true the diagnoses are: python benchmarks/diagnosis.py [--count 300] [--seed N] [--topics a,b]

Draws mutated references, single slips and pairs, over all topics; grades them as a class and prints the precision of
the sentences, the share with the right function named, and the share with the line or the mistake named.
Takes about two seconds for each submission and judge. A sentence that is false is printed.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

from grader.audit.naming import Naming, measure
from grader.audit.topic import TopicAudit, collect
from grader.course import load_course
from grader.grading.engine import make_engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--topics", default="")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    course = load_course(Path(__file__).parents[1] / "course.yml")
    names = options.topics.split(",") if options.topics else [t.name for t in course.topics]
    print(f"seed {seed}, {options.count} submissions")
    judge, all_of_them = collect(course, names), Naming()
    for place, name in enumerate(names):
        count = (options.count - all_of_them.submissions) // (len(names) - place)
        engine, start = make_engine(course, [name], seed=course.seed), time.perf_counter()
        try:
            found = measure(TopicAudit(judge, course.topic(name), engine), count, seed)
        finally:
            engine.close()
        all_of_them += found
        print(f"{name:<16} {found.summary()}  ({time.perf_counter() - start:.0f} s)", flush=True)
        for line in found.false:
            print(f"    false: {line}", flush=True)
    print(f"{'all':<16} {all_of_them.summary()}")
    sys.exit(1 if all_of_them.false else 0)


if __name__ == "__main__":
    main()
