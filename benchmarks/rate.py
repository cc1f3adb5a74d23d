"""How many submissions a second one core grades, beside a fresh pytest process for each.

    python benchmarks/rate.py [COPIES] [TOPIC]

Grades COPIES copies (default 50) of the reference of TOPIC (default backprop) through walled workers: one judge, every
process on one core, counted from when the first submission has landed and all is warm. Every copy is run; but the judge
knows their answers from the first one and does not judge equal ones again. So a part of them is graded once more with
that switched off, as if each answer were new: a class lies between the two. Then a few of the same files are graded
by one fresh `pytest` process each on the same core. Prints the rates and their ratios, measured in this one run, and
exits with 1 where the engine's rate for the class is below the target of 8 a second and core.

The rate is per second of core: time in which other programs had the core is left out, since they would be measured
with it. What counts is the processor time of all processes of ours (supervisor, judge, zygote, every worker; user and
system, as the kernel counts them) and all time in which the core stood idle, for then we made it wait. On a quiet
machine that is the time that passed, which is printed beside it; without /proc it is what is used.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from grader.course import load_course
from grader.engine import Engine, ForkEngine, make_engine
from grader.grading import Job, grade_jobs
from grader.plan import Plan
from grader.submissions import find_submissions

ROOT = Path(__file__).resolve().parents[1]
TARGET = 8.0  # submissions a second and core
FRESH = 3  # files that pytest grades
PART = 3  # one copy in so many is graded with every answer judged


@dataclass(frozen=True)
class Moment:
    """Seconds on three clocks: the wall's, our processes' on the core, and the core's without work."""

    wall: float
    ours: float
    idle: float

    def until(self, end: Moment) -> tuple[float, float]:
        """(seconds of the core that were ours or nobody's, seconds that passed)."""
        passed = end.wall - self.wall
        core = end.ours - self.ours + end.idle - self.idle
        return (min(core, passed) if end.ours > self.ours else passed), passed


def main() -> int:
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    topic = sys.argv[2] if len(sys.argv) > 2 else "backprop"
    core = stay_on_one_core()
    with tempfile.TemporaryDirectory() as folder:
        files = hand_in(Path(folder), topic, copies + 1)
        ours, ours_passed = rates_of_engine(Path(folder), topic, core, copies)
        each, each_passed = rates_of_engine(Path(folder), topic, core, max(2, copies // PART), Plan())
        fresh, fresh_passed = rates_of_pytest(files[:FRESH], topic, core)
    print(f"{topic}: {copies} submissions after start-up, one core")
    print("                             a second of core   by the clock   times pytest")
    print(
        f"walled workers               {ours:16.2f}   {ours_passed:12.2f}   {ours / fresh:12.1f}   (target {TARGET:g})"
    )
    print(f"... judging every answer     {each:16.2f}   {each_passed:12.2f}   {each / fresh:12.1f}")
    print(f"a fresh pytest process each  {fresh:16.2f}   {fresh_passed:12.2f}   {1:12.1f}")
    return 0 if ours >= TARGET else 1


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


def rates_of_engine(folder: Path, topic: str, core: int, copies: int, plan: Plan | None = None) -> tuple[float, float]:
    """Submissions a second, all but the first one, with which the judge warms up; see `Moment.until`."""
    course_file = ROOT / "course.yml"
    course = load_course(course_file)
    submissions = find_submissions([folder], course).submissions[: copies + 1]
    jobs = [Job(s, course.topic(topic), n, plan) for n, s in enumerate(submissions)]
    engine = make_engine(course, course_file, [topic])
    moments: list[Moment] = []
    try:
        for job, result in grade_jobs(jobs, engine, 1):
            moments.append(now(core, cpu_of_engine(engine)))
            if result.points != result.max_points:
                raise SystemExit(f"not full marks: {job.submission.student}; the benchmark needs a sound reference")
    finally:
        engine.close()
    ours, passed = moments[0].until(moments[-1])
    return copies / ours, copies / passed


def rates_of_pytest(files: list[Path], topic: str, core: int) -> tuple[float, float]:
    checks = [str(ROOT / "tests" / v / f"test_{topic}.py") for v in ("public", "hidden")]
    start = now(core, cpu_of_children())
    for file in files:
        command = [sys.executable, "-m", "pytest", "-q", *checks, "--submission", str(file)]
        subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    ours, passed = start.until(now(core, cpu_of_children()))
    return len(files) / ours, len(files) / passed


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
