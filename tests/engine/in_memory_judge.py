"""A judge whose workers live in its own process: `python in_memory_judge.py COURSE.YML TOPIC,TOPIC SEED`, JSON lines as ever.

Only for code that is trusted: it shows whether a check ends alike over pipes and in memory.
"""

from __future__ import annotations

import sys

from grader.judge import bench
from grader.judge import process as judge
from grader.remote.inmemory import InMemoryConnection
from grader.remote.limits import Clock, Output, WorkerLimits


class NoProcess:
    """What a clock looks at, where there is nothing to look at."""

    def cpu(self) -> float:
        return 0.0

    def memory_and_threads(self) -> tuple[int, int]:
        return 0, 1

    def queued(self) -> float | None:
        return None


class InMemoryWorker(InMemoryConnection):
    """A connection without a process, and so without limits."""

    def __init__(self) -> None:
        super().__init__()
        self.output = Output(0)
        self.clock = Clock(NoProcess(), WorkerLimits(0, 0, 0))

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        """The clock runs, but nobody looks at it."""
        self.clock.begin(cpu_seconds, wall_seconds)

    def close(self) -> None:
        """Nothing is open."""


class InMemoryLauncher:
    """Stands in for the launcher of spawned workers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def start(self, limits: WorkerLimits) -> InMemoryWorker:
        return InMemoryWorker()


if __name__ == "__main__":
    bench.SpawnLauncher = InMemoryLauncher  # type: ignore[assignment, misc]
    sys.exit(judge.main(sys.argv[1:]))
