"""Workers: their clocks, limits and ends, forked behind non-blocking pipes and spawned behind threads."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from walled import WalledWorkers

from grader.environment import clean_environment
from grader.remote import limits
from grader.remote.connection import EngineFault, WorkerDied
from grader.remote.forking import ForkLauncher
from grader.remote.limits import Clock, Output, WorkerLimits, ended
from grader.remote.processes import can_fork
from grader.remote.session import Session, StudentError
from grader.remote.spawning import SpawnLauncher
from grader.results import Verdict

LIMITS = WorkerLimits(memory=1 << 30, lifetime_cpu=60, output=1000)
SMALL = WorkerLimits(memory=64 << 20, lifetime_cpu=60, output=1000)

SOURCE = """
import os, sys, time, threading, mmap
import numpy as np
def value(x=None): return x
def loop():
    while True: pass
def sleep(): time.sleep(60)
def works(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
    return 1
def exits(code): os._exit(code)
def dies(number): os.kill(os.getpid(), number)
def hog():
    held = mmap.mmap(-1, 300 << 20)
    for i in range(0, 300 << 20, 4096): held[i] = 1
    time.sleep(5)
    return len(held)
def hides():
    held, part = mmap.mmap(-1, 300 << 20), 4 << 20
    for start in range(0, len(held), part):
        held[start : start + part] = bytes(part)
        held.madvise(mmap.MADV_DONTNEED, start, part)
    time.sleep(5)
    return held[0]
def busy_threads(n):
    all_there = threading.Barrier(n)
    def work(): all_there.wait(5); return [bytes(1000) for _ in range(1000)]
    started = [threading.Thread(target=work) for _ in range(n)]
    for t in started: t.start()
    for t in started: t.join()
    time.sleep(0.1)
def threads(n):
    for _ in range(n): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
    time.sleep(2)
def prints(n, text="x"): print(text * n)
def prints_for_ever():
    while True: os.write(2, b"y" * 65536)
def closes():
    for fd in range(3, 64):
        try: os.close(fd)
        except OSError: pass
    time.sleep(60)
def calls(f):
    while True: f(1)
def writes(data):
    for fd in range(3, 64):
        try: os.write(fd, data)
        except OSError: pass
def large(n): return np.zeros(n)
def late():
    threading.Timer(0.2, writes, (b"z" * 100,)).start()
"""


# --- the clock -------------------------------------------------------------------------------------------------------


class Fake:
    """A process whose account says what the test says."""

    def __init__(self) -> None:
        self.seconds, self.memory, self.threads = 5.0, 100 << 20, 3
        self.in_queue: float | None = 20.0

    def cpu(self) -> float:
        return self.seconds

    def memory_and_threads(self) -> tuple[int, int]:
        return self.memory, self.threads

    def queued(self) -> float | None:
        return self.in_queue


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """(fake process, clock, function that lets wall time pass)."""
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    fake = Fake()
    clock = Clock(fake, SMALL)
    clock.begin(2.0, 10.0)

    def wait(seconds: float) -> None:
        now[0] += seconds

    return fake, clock, wait


def test_nothing_is_wrong_within_the_limits(clock):
    """CPU time, memory and threads up to their limits are fine."""
    fake, clock, wait = clock
    wait(9.9)
    fake.seconds, fake.memory, fake.threads = 7.0, (100 + 64) << 20, limits.MAX_THREADS

    assert clock.look() is None


@pytest.mark.parametrize(
    ("field", "value", "verdict", "words"),
    [("seconds", 7.01, Verdict.TIMEOUT, "limit of 2 s of CPU time"), ("memory", (165 << 20), Verdict.MEMORY, "more than 64 MB"),
     ("threads", 65, Verdict.VIOLATION, "more than 64 threads")],
)  # fmt: skip
def test_each_limit_has_its_verdict(clock, field, value, verdict, words):
    """What was used before the check began does not count: only what it used itself."""
    fake, clock, wait = clock
    setattr(fake, field, value)

    died = clock.look()
    assert died is not None and died.verdict is verdict
    assert words in died.text


def test_the_wall_clock_is_the_backstop(clock):
    """A sleeper uses no CPU time and is ended by the wall clock."""
    fake, clock, wait = clock
    wait(10.1)

    died = clock.look()
    assert died is not None and (died.verdict, died.text) == (Verdict.TIMEOUT, "gave no answer within 10 s")


def test_waiting_for_a_processor_is_no_sleep(clock):
    """On a busy machine the backstop is as far away as the worker had to wait; a sleeper is ended there, too."""
    fake, clock, wait = clock
    for _ in range(3):
        wait(9.0)
        fake.in_queue += 8.0
        assert clock.look() is None, "it slept for 3 s at most"
    wait(7.5)

    died = clock.look()
    assert died is not None and died.text == "gave no answer within 10 s"
    assert clock.spent() == pytest.approx(10.5, abs=0.1)


def test_threads_that_wait_for_each_other_are_no_excuse(clock):
    """Whoever computes in more threads than there are processors makes them wait: the time counts all the same."""
    fake, clock, wait = clock
    wait(1.5)
    fake.in_queue += 1.4
    fake.seconds += 1.2

    assert clock.spent() == pytest.approx(1.2)


def test_what_others_compute_meanwhile_is_no_sleep(clock):
    """Between its turns a worker waits for the judge, and the judge perhaps for others: that is not its doing."""
    fake, clock, wait = clock
    wait(4.0)
    clock.rest()
    wait(100.0)

    assert clock.spent() == pytest.approx(4.0, abs=0.1)
    clock.resume()
    wait(5.9)
    assert clock.look() is None
    wait(0.2)
    assert clock.look() is not None


@pytest.mark.parametrize("told", [True, False])
def test_where_the_system_does_not_tell_a_backstop_is_doubtful(monkeypatch, told):
    """It may have been the load of the machine, and the one who judges has to look again."""
    now = [1000.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    fake = Fake()
    fake.in_queue = 0.0 if told else None
    clock = Clock(fake, SMALL)
    clock.begin(2.0, 10.0)
    now[0] += 10.1

    died = clock.look()
    assert died is not None and died.by_load is not told


def test_looks_are_a_tick_apart_and_each_check_starts_anew(clock):
    """Between two ticks nothing is asked of the system; begin() takes the account as it is."""
    fake, clock, wait = clock
    assert clock.look() is None
    fake.seconds = 99.0
    assert clock.look() is None
    wait(limits.TICK * 1.1)
    assert clock.look() is not None
    clock.begin(2.0, 10.0)
    wait(limits.TICK * 1.1)
    assert clock.look() is None


# --- output and ends -------------------------------------------------------------------------------------------------


def test_output_keeps_its_beginning_and_counts_the_rest():
    """The first bytes are kept, whatever they are; all are counted."""
    output = Output(6)
    for part in (b"ab\xff", b"cd", b"efgh"):
        output.add(part)

    assert (output.text(), output.total) == ("ab\ufffdcde", 9)
    assert output.too_much() is None
    output.total = limits.MAX_OUTPUT + 1
    died = output.too_much()
    assert died is not None and died.verdict is Verdict.VIOLATION


@pytest.mark.parametrize(
    ("code", "verdict", "words", "killed"),
    [(0, Verdict.CRASH, "exit status 0", False), (3, Verdict.CRASH, "exit status 3", False), (-11, Verdict.CRASH, "SIGSEGV", False),
     (-6, Verdict.CRASH, "SIGABRT", False), (-9, Verdict.CRASH, "SIGKILL", True), (-24, Verdict.TIMEOUT, "CPU time", False),
     (-63, Verdict.CRASH, "signal 63", False), (None, Verdict.CRASH, "None", False)],
)  # fmt: skip
def test_exit_codes_have_their_verdicts(code, verdict, words, killed):
    """An exit of any status is a crash; the kernel's CPU limit is a timeout; a SIGKILL may be another's doing."""
    died = ended(code)

    assert died.verdict is verdict and words in died.text
    assert getattr(died, "by_kill", False) is killed


def test_the_environment_is_built_from_nothing(monkeypatch):
    """No variable of the caller reaches a worker; one thread for every library, and no GPU."""
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("HOME", "/home/somebody")
    environment = clean_environment()

    assert "SECRET_TOKEN" not in environment and "somebody" not in "".join(environment.values())
    assert environment["OMP_NUM_THREADS"] == "1" and environment["CUDA_VISIBLE_DEVICES"] == ""


# --- real workers ----------------------------------------------------------------------------------------------------

Start = Callable[..., tuple[Session, Any]]


@pytest.fixture(scope="module")
def walled() -> Iterator[WalledWorkers]:
    walled = WalledWorkers()
    yield walled
    walled.close()


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnLauncher]:
    spawner = SpawnLauncher("numpy", ahead=1)
    yield spawner
    spawner.close()


@pytest.fixture(params=["forked", "spawned"])
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """start(limits) -> (session with the source loaded, connection)."""
    if request.param == "forked" and not can_fork():
        pytest.skip("needs forked workers")
    opened: list[Any] = []

    def start(limits: WorkerLimits = LIMITS, source: str = SOURCE) -> tuple[Session, Any]:
        if request.param == "forked":
            link = request.getfixturevalue("walled").zygote("numpy").client()
            opened.append(link)
            connection: Any = ForkLauncher(link).start(limits)
        else:
            connection = request.getfixturevalue("spawner").start(limits)
        opened.insert(0, connection)
        connection.begin(10.0, 20.0)
        session = Session(connection)
        session.load(files={"work.py": source}, main="work", imports=["numpy"], banned=[])
        return session, connection

    yield start
    for thing in opened:
        thing.close()


def call(session: Session, name: str, *args: Any) -> Any:
    return session.call(name, args).value


def verdict_of(session: Session, name: str, *args: Any) -> WorkerDied:
    with pytest.raises(WorkerDied) as died:
        call(session, name, *args)
    return died.value


def test_cpu_time_is_limited(start):
    """An endless loop is ended after its CPU time, long before the wall clock."""
    session, connection = start()
    connection.begin(0.3, 30.0)
    began = time.monotonic()

    assert verdict_of(session, "loop").verdict is Verdict.TIMEOUT
    assert time.monotonic() - began < 15


def test_sleep_is_limited(start):
    """A sleeper is ended by the wall clock."""
    session, connection = start()
    connection.begin(5.0, 0.4)

    assert "no answer within 0.4 s" in verdict_of(session, "sleep").text


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="this system does not tell who waits")
def test_work_that_gets_no_processor_is_not_ended(start):
    """Beside programs that take its core a worker answers late, and right: it used little CPU time. Sleep is seen."""
    session, connection = start()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(getattr(connection, "pid", 0) or connection.process.pid, {core})
    busy = f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"
    command = [sys.executable, "-c", busy]  # a session each, which is a share of the processor each
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(4)]
    try:
        assert all(other.stdout.read(1) for other in others)
        began = time.monotonic()
        connection.begin(2.0, 0.8)
        assert call(session, "works", 0.4) == 1
        assert time.monotonic() - began > 1.0, "nothing held it up"
        assert connection.clock.spent() < 0.8
        connection.begin(2.0, 0.4)
        assert "no answer within 0.4 s" in verdict_of(session, "sleep").text
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_callbacks_do_not_stop_the_clock(start):
    """A worker that keeps both ends busy with callbacks is ended in time all the same."""
    session, connection = start()
    connection.begin(0.3, 2.0)

    assert verdict_of(session, "calls", lambda x: x).verdict is Verdict.TIMEOUT


def test_memory_that_no_limit_of_the_kernel_counts_is_watched(start):
    """Shared mappings are not private data, but they are resident: the watch ends the worker."""
    session, connection = start(SMALL)

    assert verdict_of(session, "hog").verdict is Verdict.MEMORY


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_shared_memory_outside_the_resident_set_is_watched(start):
    """Shared pages that a worker has let go of stay where they are: they count as long as they are mapped."""
    session, connection = start(SMALL)

    assert verdict_of(session, "hides").verdict is Verdict.MEMORY


def test_what_threads_reserve_is_not_counted(start):
    """Threads at work take little memory, whatever room the allocator might set aside for them."""
    session, connection = start(SMALL)
    call(session, "busy_threads", 5)

    assert call(session, "value", 2) == 2


def test_threads_are_counted(start):
    """A few threads are fine; dozens end the worker."""
    session, connection = start()
    call(session, "threads", 4)

    assert verdict_of(session, "threads", 90).verdict is Verdict.VIOLATION


@pytest.mark.parametrize(
    ("name", "arg", "words"),
    [
        ("exits", 0, "status 0"),
        ("exits", 7, "status 7"),
        ("dies", 15, "SIGTERM"),
        ("dies", 9, "SIGKILL"),
        ("dies", 11, "SIGSEGV"),
    ],
)
def test_an_end_of_its_own_is_a_crash(start, name, arg, words):
    """Exits and signals are told by their number, whatever the status."""
    session, connection = start()
    died = verdict_of(session, name, arg)

    assert died.verdict is Verdict.CRASH and words in died.text


def test_printing_costs_nothing_and_is_kept_up_to_its_limit(start):
    """Megabytes of output block neither side; the beginning is kept."""
    session, connection = start()
    call(session, "prints", 3_000_000)
    call(session, "prints", 1, "\ud800")

    assert call(session, "value", 3) == 3
    connection.close()
    assert connection.output.text() == "x" * 1000


def test_printing_for_ever_is_a_violation(start, monkeypatch):
    """Beyond its cap, output ends the worker."""
    monkeypatch.setattr(limits, "MAX_OUTPUT", 20 << 20)
    session, connection = start()
    connection.begin(30.0, 60.0)

    assert verdict_of(session, "prints_for_ever").verdict is Verdict.VIOLATION


def test_closing_the_channel_ends_the_worker(start):
    """A worker that closes its descriptors and sleeps does not hold anyone up."""
    session, connection = start()
    began = time.monotonic()

    assert verdict_of(session, "closes").verdict in (Verdict.VIOLATION, Verdict.CRASH)
    assert time.monotonic() - began < 15


def test_bytes_in_the_reply_channel_are_a_violation(start):
    """What is no reply breaks the protocol, before a reply and after it."""
    session, connection = start()
    assert verdict_of(session, "writes", b"x" * 100).verdict is Verdict.VIOLATION


def test_bytes_that_nobody_asked_for_are_a_violation(start):
    """A thread that writes between two requests is found at the next."""
    session, connection = start()
    call(session, "late")
    time.sleep(0.8)

    assert verdict_of(session, "value", 1).verdict is Verdict.VIOLATION


def test_large_values_cross_both_ways(start):
    """Requests and replies far larger than a pipe."""
    session, connection = start()
    x = np.arange(3_000_000.0)

    np.testing.assert_array_equal(call(session, "value", x), x)
    assert call(session, "large", 7_000_000).nbytes == 56_000_000


def test_a_worker_lives_on_after_errors(start):
    """An error of the student's code ends nothing."""
    session, connection = start()
    with pytest.raises(StudentError):
        call(session, "large", "x")
    assert call(session, "value", 2) == 2


def test_a_killed_worker_is_dead_for_every_later_request(start):
    """kill() ends it; whoever asks again is told."""
    session, connection = start()
    connection.kill()
    connection.kill()

    assert verdict_of(session, "value", 1).verdict is Verdict.CRASH


@pytest.fixture
def descriptors() -> Callable[[], int]:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("only where /proc lists descriptors")
    return lambda: len(os.listdir("/proc/self/fd"))


def states_of_children(pid: int) -> list[str]:
    """The states of a process's children: Z is a zombie."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                found.append(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0])
            except OSError:
                continue
    return found


@pytest.mark.skipif(not can_fork(), reason="needs forked workers")
def test_fifty_forked_workers_leave_nothing_behind(walled, descriptors):
    """Descriptors here and in the zygote are as many as before, and no worker stays on as a zombie."""
    zygote = walled.zygote("numpy")
    theirs = Path(f"/proc/{zygote.process.pid}/fd")

    def zygotes() -> int:
        try:
            return len(os.listdir(theirs))
        except PermissionError:  # it is protected, and this is not root
            return 0

    with zygote.client() as link:
        launcher = ForkLauncher(link)
        launcher.start(LIMITS).close()
        time.sleep(0.2)
        before, before_there = descriptors(), zygotes()
        for i in range(50):
            connection = launcher.start(LIMITS)
            session = Session(connection)
            connection.begin(10.0, 20.0)
            session.load(files={"work.py": SOURCE}, main="work", imports=["numpy"], banned=[])
            if i % 3 == 0:
                verdict_of(session, "exits", 1)
            connection.close()
        assert descriptors() == before
        time.sleep(0.3)
        assert zygotes() == before_there
        assert states_of_children(zygote.process.pid) == []


def test_spawned_workers_leave_nothing_behind(descriptors):
    """Descriptors, threads and processes of spawned workers end with them, ready ones included."""
    SpawnLauncher("numpy", ahead=1).close()
    before, threads = descriptors(), threading.active_count()
    launcher = SpawnLauncher("numpy", ahead=2)
    for _ in range(3):
        connection = launcher.start(LIMITS)
        pid = connection.process.pid
        connection.close()
        assert not Path(f"/proc/{pid}").exists()
    launcher.close()

    assert descriptors() == before
    assert threading.active_count() == threads
    assert "Z" not in states_of_children(os.getpid())


def test_a_spawned_worker_ends_with_its_judge(spawner):
    """When the judge's end of the pipe closes, a worker in an endless loop ends too, without any limit of the kernel."""
    connection = spawner.start(LIMITS)
    session = Session(connection)
    connection.begin(10.0, 20.0)
    session.load(files={"work.py": SOURCE}, main="work", imports=["numpy"], banned=[])
    thread = threading.Thread(target=lambda: pytest.raises(WorkerDied, call, session, "loop"), daemon=True)
    thread.start()
    time.sleep(0.3)
    assert connection.process.poll() is None
    connection.process.stdin.close()

    assert connection.process.wait(timeout=10) == 0
    thread.join(10)
    connection.close()


FLOOD = (
    SOURCE
    + """
frame = b"".join(sys.modules["grader.wire"].pack({"kind": "value"}).framed())
def flood():
    threading.Timer(0.2, lambda: [writes(frame) for _ in range(50_000)]).start()
"""
)


def test_floods_of_frames_wait_in_the_pipe(start):
    """Frame after frame that nobody asked for fills the pipe, not the judge's memory; the next request ends the worker."""
    session, connection = start(LIMITS, FLOOD)
    call(session, "flood")
    time.sleep(0.8)

    assert getattr(connection, "replies", queue.Queue()).qsize() <= 4
    assert verdict_of(session, "value", 1).verdict is Verdict.VIOLATION


@pytest.mark.skipif(not can_fork(), reason="needs forked workers")
def test_a_zygote_that_is_gone_is_a_fault_of_the_engine(walled):
    """Never the student's doing: no worker can be had, and that is said so."""
    walls = WalledWorkers()
    try:
        with walls.zygote("numpy").client() as link:
            os.kill(walls.zygote("numpy").process.pid, signal.SIGKILL)
            walls.zygote("numpy").process.wait()
            with pytest.raises(EngineFault, match="zygote"):
                ForkLauncher(link).start(LIMITS)
    finally:
        walls.close()


def test_a_spawned_worker_that_does_not_start_is_a_fault_of_the_engine(monkeypatch):
    """A process that ends before it says hello: an EngineFault with its own words."""
    monkeypatch.setattr(SpawnLauncher, "_process", lambda self, limits: _process("raise SystemExit('no such library')"))
    with pytest.raises(EngineFault, match="no such library"):
        SpawnLauncher("numpy", ahead=1).start(LIMITS)


def _process(code: str) -> Any:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
