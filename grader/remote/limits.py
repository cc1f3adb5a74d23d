"""The limits of one worker, and the watch over them: CPU time, memory, threads, output."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from grader import wire
from grader.remote.connection import Answer, Heard, WorkerDied
from grader.remote.replies import Allowance
from grader.results import Verdict

TICK = 0.02  # seconds between looks at a worker's memory, threads and CPU time
MAX_THREADS = 64
OWN_MEMORY = 2 << 30  # bytes that a trusted process may take beyond its start: no right answer asks it for so much
MAX_OUTPUT = 64 << 20  # reached well before a CPU limit is, whatever else the machine does


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one worker: memory above its warm state in bytes, CPU seconds of its whole life, output kept."""

    memory: int
    lifetime_cpu: int
    output: int


def held(size: int, resident: int, shared: int, data: int) -> int:
    """Memory that a process on Linux holds, by the figures of /proc/PID/statm, up to what it starts with.

    That is what is resident of its own, and all that it has mapped and others could see: pages of shared memory stay
    there when they leave the resident set. So does not count what is reserved to be written to and was not.
    """
    return resident - shared + size - data


class Watched(Protocol):
    """What a watchdog needs to know about a process."""

    def cpu(self) -> float:
        """CPU seconds used so far, as the kernel counts them."""

    def memory_and_threads(self) -> tuple[int, int]:
        """(bytes held, threads)."""

    def queued(self) -> float | None:
        """Seconds so far in which it was ready to run and had no processor; None where the system does not tell."""


class RunQueue:
    """How long a process, or a thread of it, has waited for a processor, as Linux counts it."""

    def __init__(self, pid: int | str) -> None:
        self.folder = f"/proc/{pid}/task"
        self.total: float | None = None
        self.known: dict[str, int] = {}

    def seconds(self) -> float | None:
        """Up to now, by the thread that waited longest each time; what was known last of a process that has ended."""
        try:
            waits = {task: _waited(f"{self.folder}/{task}/schedstat") for task in os.listdir(self.folder)}
        except (OSError, ValueError):
            return self.total
        more = max((wait - self.known.get(task, 0) for task, wait in waits.items()), default=0)
        self.total, self.known = (self.total or 0.0) + more / 1e9, waits
        return self.total


def _waited(path: str) -> int:
    """Nanoseconds: the second of a thread's figures, which are the time it ran and it waited, and how often it ran."""
    with open(path, "rb") as figures:
        _, waited, times = map(int, figures.read().split())
    if times == 0:
        raise ValueError("this kernel does not count")
    return waited


class Clock:
    """The limit of one check: CPU time as the kernel counts it, wall time only as the backstop for sleepers.

    Wall time is what the judge waits for the worker and what it computes between its turns, less what either waits
    for a processor: on a busy machine nobody runs out of it who does not sleep.
    """

    def __init__(self, process: Watched, limits: WorkerLimits) -> None:
        self.process, self.limits = process, limits
        self.own = RunQueue(os.getpid())
        self.base_memory = process.memory_and_threads()[0]
        self.next_look = 0.0
        self.beat: Callable[[], object] = lambda: None  # called at each look, for whoever wants to tell of the waiting
        self.queued = self._queued()
        self.begin(10.0, 40.0)

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.cpu_seconds, self.cpu_start = cpu_seconds, self.process.cpu()
        self.wall_seconds = self.allowed = wall_seconds
        self.start = time.monotonic()
        self.rested: tuple[float, float] | None = None
        self.queued_start, self.is_marked = self.queued, False

    def rest(self) -> None:
        """The turn is the judge's: of its time what it computes counts from here."""
        self.rested = time.monotonic(), time.process_time()

    def resume(self) -> None:
        """The turn is the worker's again."""
        if self.rested is not None:
            self.start = time.monotonic() - self._passed()
            self.rested = None

    def _passed(self) -> float:
        """Seconds since the beginning, those of waiting for a processor among them."""
        if self.rested is None:
            return time.monotonic() - self.start
        return self.rested[0] - self.start + time.process_time() - self.rested[1]

    def spent(self) -> float:
        """Seconds of wall time since the beginning; those of CPU time at least, for threads wait for each other too."""
        passed = self._passed()
        if passed < 10 * TICK:
            return passed  # not worth asking the system
        waited = (self._queued() or 0.0) - (self.queued_start or 0.0)
        self.allowed = self.wall_seconds + waited
        return max(passed - waited, min(passed, self.process.cpu() - self.cpu_start))

    def _queued(self) -> float | None:
        """Seconds that worker and judge have waited for a processor; None where the system does not tell."""
        theirs, ours = self.process.queued(), self.own.seconds()
        return None if theirs is None else theirs + (ours or 0.0)

    def look(self) -> WorkerDied | None:
        """Why the worker has to be killed now, if it has to; by the clock, however busy the pipes are."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        self.next_look = now + TICK
        self.beat()
        if not self.is_marked:  # rather late than for every quick check: the next one may be forgiven more, never less
            self.queued, self.is_marked = self._queued(), True
        memory, threads = self.process.memory_and_threads()
        if memory - self.base_memory > self.limits.memory:
            return WorkerDied(Verdict.MEMORY, f"used more than {self.limits.memory >> 20} MB of memory")
        if threads > MAX_THREADS:
            return WorkerDied(Verdict.VIOLATION, f"started more than {MAX_THREADS} threads")
        if self.process.cpu() - self.cpu_start > self.cpu_seconds:
            return WorkerDied(Verdict.TIMEOUT, f"ran longer than its limit of {self.cpu_seconds:g} s of CPU time")
        if self._passed() > self.allowed and self.spent() > self.wall_seconds:
            died = WorkerDied(Verdict.TIMEOUT, f"gave no answer within {self.wall_seconds:g} s")
            died.by_load = self.queued is None  # type: ignore[attr-defined]  # perhaps: worth a second look
            return died
        return None


class Output:
    """What a submission printed: the first bytes are kept, the rest is counted."""

    def __init__(self, keep: int) -> None:
        self.keep, self.total, self.kept = keep, 0, bytearray()

    def add(self, data: bytes) -> None:
        self.total += len(data)
        self.kept += data[: max(0, self.keep - len(self.kept))]

    def too_much(self) -> WorkerDied | None:
        if self.total > MAX_OUTPUT:
            return WorkerDied(Verdict.VIOLATION, f"printed more than {MAX_OUTPUT >> 20} MB")
        return None

    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")


def ended(code: int | None) -> WorkerDied:
    """The verdict on a worker that ended by itself with this exit code (negative: a signal)."""
    if code == -getattr(signal, "SIGXCPU", 24):
        return WorkerDied(Verdict.TIMEOUT, "ran longer than its limit of CPU time")
    if code == -signal.SIGSEGV:
        text = "the process crashed (SIGSEGV: endless recursion, or a bad native call)"
    elif code == -getattr(signal, "SIGSYS", 31):
        text = "the process was ended for what no program may do here, such as to send itself a SIGKILL (SIGSYS)"
    elif code is not None and code < 0:
        text = f"the process was ended by {_signal_name(-code)}"
    else:
        text = f"the process ended itself (exit status {code}) before it returned"
    died = WorkerDied(Verdict.CRASH, text)
    died.by_kill = code == -9  # type: ignore[attr-defined]  # somebody else's doing, perhaps: worth a second look
    return died


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def limit_own_memory(more: int = OWN_MEMORY) -> None:
    """Let what would take this process more than `more` bytes beyond what it has now fail with a `MemoryError`.

    Only where the system can: on Linux, with /proc.
    """
    try:
        import resource

        with open("/proc/self/statm", "rb") as statm:
            data = int(statm.read().split()[5]) * os.sysconf("SC_PAGESIZE")
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = data + more if hard == resource.RLIM_INFINITY else min(data + more, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    except (ImportError, OSError):
        pass  # what takes too much is then ended by the system, and done again


class WorkerConnection(Protocol):
    """A connection (see `grader.remote.session`) with limits."""

    output: Output
    clock: Clock
    allowance: Allowance  # of the check that is run

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        """Start the clock of a check, or of loading the submission."""

    def turn(self, payload: wire.Payload) -> Heard:
        """Send a frame and wait for the worker's next one; raises `WorkerDied` or `EngineFault`."""

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        """See `grader.remote.session.Connection`."""

    def kill(self) -> None:
        """End the worker at once."""

    def close(self) -> None:
        """End the worker and let go of its descriptors."""


class Launcher(Protocol):
    """Starts workers of one kind; raises `EngineFault` when it cannot."""

    def start(self, limits: WorkerLimits) -> WorkerConnection:
        """A worker that has said hello."""
