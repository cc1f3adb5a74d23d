"""How many submissions a second one core grades, beside a fresh pytest process for each.

    python benchmarks/rate.py [COPIES] [TOPIC]

Grades COPIES copies (default 50) of the reference of TOPIC (default backprop) through walled workers: one judge, every
process on one core, counted from when the first submission has landed and all is warm. Every copy is run; but the judge
knows their answers from the first one and does not judge equal ones again. So a part of them is graded once more with
that switched off, as if each answer were new: a class lies between the two. Three of the same files are graded by a
fresh `pytest` process each on the same core. Prints the rates and their ratios, measured in this one run, and exits
with 1 where the engine's rate for the class is below the target of 8 a second and core.

A shared machine has slow spells; so the copies are taken in blocks of five, and the rate is that of the median block,
with the slowest and the fastest one beside it. pytest grades a file before, between and after, for the same reason.

The rate is per second of core: time in which other programs had the core is left out, since they would be measured
with it. What counts is the processor time of all processes of ours (supervisor, judge, zygote, every worker; user and
system, as the kernel counts them) and all time in which the core stood idle, for then we made it wait. On a quiet
machine that is the time that passed; without /proc it is what is used.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from grader.course import load_course
from grader.grading.engine import Engine, ForkEngine, make_engine
from grader.grading.pool import job_of, land
from grader.jobs import Plan
from grader.submissions import find_submissions

ROOT = Path(__file__).resolve().parents[1]
TARGET = 8.0  # submissions a second and core
PART = 3  # one copy in so many is graded with every answer judged
BLOCK = 5  # copies


@dataclass(frozen=True)
class Moment:
    """Seconds on three clocks: the wall's, our processes' on the core, and the core's without work."""

    wall: float
    ours: float
    idle: float

    def until(self, end: Moment) -> float:
        """Seconds of the core that were ours or nobody's."""
        passed = end.wall - self.wall
        core = end.ours - self.ours + end.idle - self.idle
        return min(core, passed) if end.ours > self.ours else passed


@dataclass(frozen=True)
class Pace:
    """Submissions a second of core in the median, the slowest and the fastest block."""

    median: float
    slowest: float
    fastest: float

    @classmethod
    def of(cls, moments: list[Moment], size: int) -> Pace:
        """From the moments at which submissions landed."""
        marks = moments[::size]
        rates = sorted(size / start.until(end) for start, end in pairwise(marks))
        return cls(statistics.median(rates), rates[0], rates[-1])

    def __str__(self) -> str:
        return f"{self.median:10.2f} {self.slowest:10.2f} {self.fastest:10.2f}"


def main() -> int:
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    topic = sys.argv[2] if len(sys.argv) > 2 else "backprop"
    core = stay_on_one_core()
    with tempfile.TemporaryDirectory() as folder:
        files = hand_in(Path(folder), topic, copies + 1)
        alone = [seconds_of_pytest(files[0], topic, core)]
        ours = pace_of_engine(Path(folder), topic, core, copies)
        alone.append(seconds_of_pytest(files[1], topic, core))
        each = pace_of_engine(Path(folder), topic, core, max(BLOCK, copies // PART), Plan())
        alone.append(seconds_of_pytest(files[2], topic, core))
    rates = sorted(1 / seconds for seconds in alone)
    fresh = Pace(statistics.median(rates), rates[0], rates[-1])
    print(f"{topic}: {copies} submissions after start-up, a second of one core")
    print("                                median    slowest    fastest   times pytest")
    print(f"walled workers              {ours}   {ours.median / fresh.median:12.1f}   (target {TARGET:g})")
    print(f"... judging every answer    {each}   {each.median / fresh.median:12.1f}")
    print(f"a fresh pytest process each {fresh}   {1:12.1f}")
    return 0 if ours.median >= TARGET else 1


def stay_on_one_core() -> int:
    """Keep this process and all it starts on one core; its number."""
    if not hasattr(os, "sched_setaffinity"):
        return 0
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def hand_in(folder: Path, topic: str, copies: int) -> list[Path]:
    """A class of copies, each a byte different, so that nothing could be stored and reused."""
    source = (ROOT / "solutions" / f"{topic}.py").read_text(encoding="utf-8")
    files = [folder / f"s{i:03d}" / f"{topic}.py" for i in range(copies)]
    for i, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(source + f"# {i}\n", encoding="utf-8")
    return files


def pace_of_engine(folder: Path, topic: str, core: int, copies: int, plan: Plan | None = None) -> Pace:
    """The pace of all submissions but the first one, with which the judge warms up."""
    course = load_course(ROOT / "course.yml")
    submissions = find_submissions([folder], course).submissions[: copies + 1]
    jobs = [job_of(s, topic, n, plan) for n, s in enumerate(submissions)]
    engine = make_engine(course, [topic])
    moments: list[Moment] = []
    try:
        for landing in land(jobs, engine, 1):
            moments.append(now(core, cpu_of_engine(engine)))
            if landing.result.points != landing.result.max_points:
                student = submissions[landing.job.number].student
                raise SystemExit(f"not full marks: {student}; the benchmark needs a sound reference")
    finally:
        engine.close()
    return Pace.of(moments, min(BLOCK, copies))


def seconds_of_pytest(file: Path, topic: str, core: int) -> float:
    """Of core, for one file."""
    checks = [str(ROOT / "tests" / v / f"test_{topic}.py") for v in ("public", "hidden")]
    command = [sys.executable, "-m", "pytest", "-q", *checks, "--submission", str(file)]
    start = now(core, cpu_of_children())
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return start.until(now(core, cpu_of_children()))


# --- clocks ----------------------------------------------------------------------------------------------------------


def now(core: int, ours: float) -> Moment:
    return Moment(time.perf_counter(), ours, idle_seconds(core))


def idle_seconds(core: int) -> float:
    """Seconds since boot in which the core had nothing to do, or only disks to wait for."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    fields = next(line.split() for line in lines if line.startswith(f"cpu{core} "))
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of_engine(engine: Engine) -> float:
    """Processor time of the supervisor, the mother of the judges, the judges, the zygotes and their ended workers."""
    if not isinstance(engine, ForkEngine) or engine.mother is None:
        return 0.0
    processes = [engine.mother.process.pid, *engine.judges, *(z.process.pid for z in engine.zygotes.values())]
    return time.process_time() + sum(map(cpu_of_process, processes))


def cpu_of_process(pid: int) -> float:
    """Of the process and of those children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0  # waited for: its parent's account has it
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
