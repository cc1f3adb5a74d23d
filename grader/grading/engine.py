"""The processes behind a run: zygotes, judges, and what happens when one of them dies.

The supervisor owns them all. Whatever breaks is thrown away and replaced: a judge whose channel closes, a zygote that
is gone, a mother that no longer answers. Nothing of theirs decides a score unless a whole job was answered.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grader import jobs
from grader.course import Course
from grader.environment import clean_environment, fill_standard_descriptors
from grader.errors import CourseError, GraderError, GraderFault
from grader.remote.processes import START_SECONDS, WarmProcess, can_fork, weakest_level

REPAIRS = 5


class JudgeDied(Exception):
    """A judge's channel closed or fell silent in the middle of a job."""


class JudgeChannel:
    """JSON lines to and from one judge; a thread reads, so that silence has a limit on every system."""

    def __init__(self, reader: Any, writer: Any, kill: Callable[[], None]) -> None:
        self.writer, self.kill = writer, kill
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()

    def _read(self, reader: Any) -> None:
        try:
            for line in reader:
                self.lines.put(line)
        except (OSError, ValueError):
            pass  # closed
        self.lines.put(None)

    def receive(self, patience: float) -> jobs.Line:
        """The next line; raises `JudgeDied` at the end or after `patience` seconds of silence, else `GraderFault`."""
        try:
            line = self.lines.get(timeout=patience)
        except queue.Empty:
            line = None
        if line is None:
            raise JudgeDied("the judge ended or fell silent")
        return jobs.decode(line)

    def ask(self, job: jobs.Job, patience: float) -> Iterator[jobs.Answer]:
        """The lines that answer a job, up to its last."""
        try:
            self.writer.write(jobs.encode(job) + "\n")
            self.writer.flush()
        except (OSError, ValueError) as error:
            raise JudgeDied(str(error)) from None
        while True:
            answer = self.receive(patience)
            if isinstance(answer, jobs.Job | jobs.Ready) or answer.job != job.number:
                raise JudgeDied("the judge answered another job")
            yield answer
            if isinstance(answer, jobs.CLOSING):
                return


class Engine:
    """Makes judges; subclasses differ in how."""

    def __init__(self, course: Course, topics: list[str], seed: int | None = None) -> None:
        self.course, self.topics = course, topics
        self.seed = course.seed if seed is None else seed
        self.kinds = sorted({course.topic(t).kind for t in topics})
        self.level = "accident-only"
        self.points: dict[str, float] = {}  # of all checks of each topic that could be collected, once started

    def start(self) -> None:
        """Start what is shared; raises `GraderFault` or `GraderError`."""

    def new_judge(self) -> JudgeChannel:
        """A judge that is ready for jobs; raises `JudgeDied` or `GraderFault`."""
        raise NotImplementedError

    def close(self) -> None:
        """End every process."""

    def refuse_odd_points(self) -> None:
        """Raises one `CourseError` for all topics whose checks, here where all of them are, do not add up to 100."""
        odd = {t: total for t, total in self.points.items() if abs(total - 100) > 1e-6}
        if odd and self.course.has_secrets:
            first, *rest = [_odd(self.course, topic, total) for topic, total in odd.items()]
            raise CourseError(first.problem, first.where, first.help, tuple(rest))

    def _command(self, *more: str) -> list[str]:
        judge = [sys.executable, "-I", "-B", "-m", "grader.judge.process", str(self.course.file), ",".join(self.topics)]
        return [*judge, str(self.seed), *more]


class SpawnEngine(Engine):
    """Every judge and every worker is a process of its own."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.level = weakest_level()
        self.processes: list[subprocess.Popen[str]] = []
        self.spare: JudgeChannel | None = None

    def start(self) -> None:
        """Start a judge ahead of need, once: its imports overlap with reading the submissions."""
        if not self.processes:
            self.spare = self._spawn()

    def new_judge(self) -> JudgeChannel:
        channel, self.spare = self.spare, None
        return channel or self._spawn()

    def _spawn(self) -> JudgeChannel:
        """A judge that is ready; one that was killed while it started is started anew, within reason."""
        for _ in range(REPAIRS):
            channel, process = self._started()
            try:
                ready = channel.receive(START_SECONDS)
                self.points = _points_of(ready) if isinstance(ready, jobs.Ready) else {}
                return channel
            except JudgeDied:
                if not _was_killed(process):
                    break
        raise GraderFault("the judge did not start", "", "its own message is above; try grade doctor")

    def _started(self) -> tuple[JudgeChannel, subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            self._command(), stdin=pipe, stdout=pipe, env=clean_environment(), text=True, encoding="utf-8"
        )
        self.processes.append(process)
        return JudgeChannel(process.stdout, process.stdin, process.kill), process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def _was_killed(process: subprocess.Popen[str]) -> bool:
    """Whether it ended, and not by itself; Windows does not tell the two apart."""
    try:
        code = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return False
    return code < 0 or os.name == "nt"


class ForkEngine(Engine):
    """One mother that forks warm judges, and one zygote for each kind of worker, shared by all judges."""

    def __init__(self, *args: Any, without: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.without = without  # walls taken away, by the engine's own tests alone
        self.lock = threading.Lock()
        self.closed = False
        self.mother: WarmProcess | None = None
        self.zygotes: dict[str, WarmProcess] = {}
        self.judges: list[int] = []

    def start(self) -> None:
        self._repairing(lambda: None)

    def new_judge(self) -> JudgeChannel:
        channel: JudgeChannel = self._repairing(self._fork_judge)
        return channel

    def _repairing(self, action: Callable[[], Any]) -> Any:
        """Do it with living processes; what dies meanwhile is replaced, within reason."""
        problem: Exception | None = None
        with self.lock:
            for _ in range(REPAIRS):
                if self.closed:
                    raise GraderFault("the run is being ended")
                try:
                    self._ensure()
                    return action()
                except (OSError, GraderFault) as error:
                    problem = error
        if isinstance(problem, GraderFault):
            raise problem
        raise GraderFault(f"no judge could be started ({problem})", "", "is the machine out of memory or processes?")

    def _ensure(self) -> None:
        """Start whatever is not there, all at the same time, then wait for each."""
        started = []
        if self.mother is None or not self.mother.alive():
            self.mother = WarmProcess(lambda fd: self._command(str(fd)))
            started.append(self.mother)
        for kind in self.kinds:
            if kind not in self.zygotes or not self.zygotes[kind].alive():
                self.zygotes[kind] = WarmProcess(lambda fd, kind=kind: self._zygote_command(kind, fd))  # type: ignore[misc]
                started.append(self.zygotes[kind])
        for process in started:
            process.wait_ready()
        if self.mother in started:
            self.points = _points_of(jobs.Ready(**{k: v for k, v in self.mother.ready.items() if k != "line"}))
        if started:
            self._check_walls()

    def _zygote_command(self, kind: str, fd: int) -> list[str]:
        return [sys.executable, "-I", "-B", "-m", "grader.worker.zygote", kind, str(fd), *self.without]

    def _check_walls(self) -> None:
        """Take over the weakest level; refuse to run where a worker could read what must stay hidden."""
        order = ("strong", "sealed", "limited", "accident-only")
        self.level = max((z.ready["level"] for z in self.zygotes.values()), key=order.index)
        secrets = [self.course.path("solutions"), self.course.path("tests", "hidden")]
        for root in {r for z in self.zygotes.values() for r in z.ready["roots"]}:
            for secret in secrets:
                if secret.is_dir() and secret.resolve().is_relative_to(Path(root).resolve()):
                    raise GraderError(
                        f"workers may read {root}, and {secret} lies beneath it",
                        help="move the course out of Python's own folders",
                    )

    def _fork_judge(self) -> JudgeChannel:
        assert self.mother is not None
        ours, theirs = socket.socketpair()
        links = [theirs]
        try:
            links += [self.zygotes[kind].client() for kind in self.kinds]
            packet = json.dumps({"kinds": self.kinds}).encode()
            socket.send_fds(self.mother.control, [packet], [link.fileno() for link in links])
            pid = self.mother.receive()["pid"]
        except BaseException:
            ours.close()
            raise
        finally:
            for link in links:
                link.close()
        return self._channel(ours, pid)

    def _channel(self, ours: socket.socket, pid: int) -> JudgeChannel:
        self.judges.append(pid)

        def kill() -> None:
            try:
                ours.shutdown(socket.SHUT_RDWR)  # an idle judge ends with its channel
            except OSError:
                pass
            _kill(pid)

        reader = ours.makefile("r", encoding="utf-8")
        writer = ours.makefile("w", encoding="utf-8")
        ours.close()
        return JudgeChannel(reader, writer, kill)

    def close(self) -> None:
        """The children of the mother and of the zygotes end with them."""
        self.closed = True  # a thread that is repairing stops instead of starting everything anew
        for process in [self.mother, *list(self.zygotes.values())]:
            if process is not None:
                process.process.kill()
        with self.lock:
            for process in [self.mother, *self.zygotes.values()]:
                if process is not None:
                    process.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass  # it has ended


def _points_of(ready: jobs.Ready) -> dict[str, float]:
    return {topic: total for topic, total in ready.points.items() if topic not in ready.broken}


def _odd(course: Course, topic: str, total: float) -> CourseError:
    files = [str(path.relative_to(course.root)) for _, path in course.check_files(topic)]
    problem = f"the points of the checks add up to {total:g}, not to 100"
    return CourseError(problem, ", ".join(files), f"change points= there; grade audit {topic} tells more")


def make_engine(course: Course, topics: list[str], seed: int | None = None, *, without: tuple[str, ...] = ()) -> Engine:
    """The engine for this system; `without` takes walls away and is for the engine's own tests."""
    fill_standard_descriptors()
    if can_fork():
        return ForkEngine(course, topics, seed, without=without)
    return SpawnEngine(course, topics, seed)
