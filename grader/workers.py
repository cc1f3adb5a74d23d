"""Starting, limiting, watching and killing workers.

`ForkLauncher` asks a zygote for forked workers and talks to them over non-blocking pipes (Linux).
`SpawnLauncher` starts each worker as a process of its own, a few ahead of need, and reads its blocking pipes with
threads (macOS, Windows, anywhere). Both give a `WorkerConnection` with the same limits and the same verdicts.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from grader import wire
from grader.environment import clean_environment
from grader.results import Verdict
from grader.session import Answer, EngineFault, WorkerDied

TICK = 0.02  # seconds between looks at a worker's memory, threads and CPU time
MAX_THREADS = 64
MAX_OUTPUT = 64 << 20  # reached well before a CPU limit is, whatever else the machine does
START_SECONDS = 30.0
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031
FIRST = 1 << 16  # most replies are small, and a read sets aside as much memory as it asks for


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one worker: memory above its warm state in bytes, CPU seconds of its whole life, output kept."""

    memory: int
    lifetime_cpu: int
    output: int


class Watched(Protocol):
    """What a watchdog needs to know about a process."""

    def cpu(self) -> float:
        """CPU seconds used so far, as the kernel counts them."""

    def memory_and_threads(self) -> tuple[int, int]:
        """(resident bytes, threads)."""


class Clock:
    """The limit of one check: CPU time as the kernel counts it, wall time only as the backstop for sleepers."""

    def __init__(self, process: Watched, limits: WorkerLimits) -> None:
        self.process, self.limits = process, limits
        self.base_memory = process.memory_and_threads()[0]
        self.next_look = 0.0
        self.begin(10.0, 40.0)

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.cpu_seconds, self.cpu_start = cpu_seconds, self.process.cpu()
        self.wall_seconds, self.wall_end = wall_seconds, time.monotonic() + wall_seconds

    def look(self) -> WorkerDied | None:
        """Why the worker has to be killed now, if it has to; by the clock, however busy the pipes are."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        self.next_look = now + TICK
        memory, threads = self.process.memory_and_threads()
        if memory - self.base_memory > self.limits.memory:
            return WorkerDied(Verdict.MEMORY, f"used more than {self.limits.memory >> 20} MB of memory")
        if threads > MAX_THREADS:
            return WorkerDied(Verdict.VIOLATION, f"started more than {MAX_THREADS} threads")
        if self.process.cpu() - self.cpu_start > self.cpu_seconds:
            return WorkerDied(Verdict.TIMEOUT, f"ran longer than its limit of {self.cpu_seconds:g} s of CPU time")
        if now > self.wall_end:
            return WorkerDied(Verdict.TIMEOUT, f"gave no answer within {self.wall_seconds:g} s")
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


class WorkerConnection(Protocol):
    """A connection (see `grader.session`) with limits."""

    output: Output

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        """Start the clock of a check, or of loading the submission."""

    def turn(self, payload: wire.Payload) -> Heard:
        """Send a frame and wait for the worker's next one; raises `WorkerDied` or `EngineFault`."""

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        """See `grader.session.Connection`."""

    def kill(self) -> None:
        """End the worker at once."""

    def close(self) -> None:
        """End the worker and let go of its descriptors."""


class Heard(NamedTuple):
    """What a worker sent: its reply, or a callback that wants an answer first."""

    is_callback: bool
    payload: wire.Payload


class Turns:
    """Turns of judge and worker in which one request is made and replied to."""

    def turn(self, payload: wire.Payload) -> Heard:
        raise NotImplementedError

    def roundtrip(self, request: wire.Payload, answer: Answer) -> wire.Payload:
        heard = self.turn(request)
        while heard.is_callback:
            heard = self.turn(answer(heard.payload))
        return heard.payload


class Numbers:
    """The numbers of frames: random, and drawn in stock, as a draw is a system call."""

    def __init__(self) -> None:
        self.stock = b""

    def next(self) -> bytes:
        size = len(wire.NO_NUMBER)
        self.stock = self.stock or secrets.token_bytes(64 * size)
        number, self.stock = self.stock[:size], self.stock[size:]
        return number


class Launcher(Protocol):
    """Starts workers of one kind; raises `EngineFault` when it cannot."""

    def start(self, limits: WorkerLimits) -> WorkerConnection:
        """A worker that has said hello."""


UNASKED = "wrote to the reply channel without being asked"


def _expect_hello(heard: Heard) -> None:
    message, _ = wire.parse(heard.payload)
    if message.get("kind") != "hello":
        raise EngineFault("a worker started with a wrong greeting")


# --- forked workers --------------------------------------------------------------------------------------------------


class ProcProcess:
    """A process on Linux: its CPU clock and its line in /proc."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.clock = (~pid << 3) | 2  # the process's CPU-time clock id, see clock_getcpuclockid(3)
        self.last = 0.0

    def cpu(self) -> float:
        try:
            self.last = time.clock_gettime(self.clock)
        except OSError:
            pass  # it has ended: its reply pipe tells
        return self.last

    def memory_and_threads(self) -> tuple[int, int]:
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return 0, 0
        return int(fields[21]) * os.sysconf("SC_PAGESIZE"), int(fields[17])


class ForkLauncher:
    """Asks a zygote for workers over this judge's own socket to it."""

    def __init__(self, zygote: socket.socket) -> None:
        self.zygote = zygote
        self.last = 0
        self.exits: dict[int, int] = {}

    def start(self, limits: WorkerLimits) -> PipeConnection:
        self.last += 1
        pipes = [os.pipe() for _ in range(4)]
        (req_r, req_w), (rep_r, rep_w), (out_r, out_w), (err_r, err_w) = pipes
        request = {"op": "spawn", "id": self.last, "memory": limits.memory, "cpu": limits.lifetime_cpu}
        try:
            socket.send_fds(self.zygote, [json.dumps(request).encode()], [req_r, rep_w, out_w, err_w])
        except OSError as error:
            raise EngineFault(f"the zygote is gone ({error})") from None
        finally:
            for fd in (req_r, rep_w, out_w, err_w):
                os.close(fd)
        pid, pidfd = self._started(self.last)
        return PipeConnection(self, self.last, pid, pidfd, (req_w, rep_r, out_r, err_r), limits)

    def _started(self, number: int) -> tuple[int, int]:
        end = time.monotonic() + START_SECONDS
        try:
            while True:
                packet, fds = self._packet(end)
                if "pid" in packet and packet["id"] == number:
                    return int(packet["pid"]), fds[0]
        except TimeoutError:
            raise EngineFault("the zygote does not answer") from None

    def _packet(self, end: float) -> tuple[dict[str, Any], list[int]]:
        self.zygote.settimeout(max(0.001, end - time.monotonic()))
        try:
            data, fds, *_ = socket.recv_fds(self.zygote, 1 << 16, 1)
        except TimeoutError:
            raise
        except OSError as error:
            raise EngineFault(f"the zygote does not answer ({error})") from None
        if not data:
            raise EngineFault("the zygote has ended")
        packet = json.loads(data)
        if "exit" in packet:
            self.exits[packet["id"]] = packet["exit"]
        return packet, list(fds)

    def exit_of(self, number: int) -> int | None:
        """The exit code of a worker that has closed its reply pipe; None if it lives on."""
        end = time.monotonic() + 1
        try:
            while number not in self.exits:
                self._packet(end)
        except TimeoutError:
            return None
        return self.exits.pop(number)


class PipeConnection(Turns):
    """Non-blocking pipes to a forked worker."""

    def __init__(
        self,
        launcher: ForkLauncher,
        number: int,
        pid: int,
        pidfd: int,
        pipes: tuple[int, int, int, int],
        limits: WorkerLimits,
    ) -> None:
        self.launcher, self.number, self.pid, self.pidfd = launcher, number, pid, pidfd
        self.request, self.reply, *streams = pipes
        self.streams = set(streams)
        self.output = Output(limits.output)
        self.numbers = Numbers()
        self.inbox = b""
        self.closed = False
        self.poller = select.poll()
        self._prepare(pipes)
        self.clock = Clock(ProcProcess(pid), limits)
        self._hello(limits)

    def _prepare(self, pipes: tuple[int, ...]) -> None:
        import fcntl

        for fd in pipes:
            os.set_blocking(fd, False)
        for fd in pipes[:2]:
            try:
                fcntl.fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES)
            except OSError:
                pass  # over the user's quota: slower, not wrong
        for fd in (self.reply, *self.streams):
            self.poller.register(fd, select.POLLIN)

    def _hello(self, limits: WorkerLimits) -> None:
        try:
            greeting = self._heard(wire.NO_NUMBER)
        except WorkerDied as died:
            self._drain_all()
            raise EngineFault(f"a worker did not start: {died.text} {self.output.text()}") from None
        _expect_hello(greeting)
        self.clock = Clock(self.clock.process, limits)  # memory is counted from here

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.clock.begin(cpu_seconds, wall_seconds)

    def turn(self, payload: wire.Payload) -> Heard:
        number = self.numbers.next()
        self._write(payload.framed(number))
        return self._heard(number)

    def _heard(self, number: bytes) -> Heard:
        """The worker's next frame, which must bear this number."""
        try:
            while len(self.inbox) < wire.HEAD.size:
                self._wait()
                self.inbox += self._read_first()
            head = wire.parse_head(self.inbox[: wire.HEAD.size])
            if head.number != number:
                self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
            data = self._exactly(wire.HEAD.size + head.header + head.body)
        except wire.WireError as error:
            self._die(WorkerDied(Verdict.VIOLATION, f"sent a malformed reply ({error})"))
        return Heard(head.sort == wire.CALLBACK, wire.Payload(head.header, [memoryview(data)[wire.HEAD.size :]]))

    def _exactly(self, size: int) -> Any:
        """The reply of `size` bytes that has begun to arrive: what was read of it, or the whole in one place."""
        begun, self.inbox = self.inbox, b""
        data: Any = begun
        have = len(begun)
        if have < size:
            data = np.empty(size + 1, np.uint8).data  # takes up memory only where bytes have arrived
            data[:have] = begun
            while have < size:
                self._wait()
                have += self._read_some(data[have:])
            data = data[:have]
        if have > size:
            raise wire.WireError("more than one reply")
        return data

    def _wait(self) -> None:
        """Until there is something to read, or a tick is over; drains the output and looks after the limits."""
        for fd, _ in self.poller.poll(TICK * 1000):
            if fd != self.reply:
                self._drain(fd)
        self._look()

    def _read_first(self) -> bytes:
        try:
            data = os.read(self.reply, FIRST)
        except BlockingIOError:
            return b""
        if not data:
            self._ended()
        return data

    def _read_some(self, space: Any) -> int:
        try:
            count = os.readv(self.reply, [space])
        except BlockingIOError:
            return 0
        if not count:
            self._ended()
        return count

    def _write(self, parts: list[Any]) -> None:
        for part in parts:
            view = memoryview(part)
            while view.nbytes:
                try:
                    view = view[os.write(self.request, view[: wire.CHUNK]) :]
                except BlockingIOError:
                    self._wait_writable()
                except BrokenPipeError:
                    self._ended()

    def _wait_writable(self) -> None:
        self.poller.register(self.request, select.POLLOUT)
        for fd, _ in self.poller.poll(TICK * 1000):
            if fd in self.streams:
                self._drain(fd)
        self.poller.unregister(self.request)
        self._look()

    def _drain(self, fd: int) -> None:
        try:
            data = os.read(fd, FIRST)
        except BlockingIOError:
            return
        if not data:
            self.poller.unregister(fd)
            self.streams.discard(fd)
            os.close(fd)
        self.output.add(data)

    def _drain_all(self) -> None:
        for fd in list(self.streams):
            self._drain(fd)

    def _look(self) -> None:
        died = self.clock.look() or self.output.too_much()
        if died:
            self._die(died)

    def _die(self, died: WorkerDied) -> NoReturn:
        self.kill()
        raise died

    def _ended(self) -> NoReturn:
        code = self.launcher.exit_of(self.number)
        if code is None:
            self._die(WorkerDied(Verdict.VIOLATION, "closed its reply channel"))
        raise ended(code)

    def kill(self) -> None:
        if self.closed:
            return
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        if self.closed:
            return  # the numbers may be other files' by now
        self.kill()
        self.closed = True
        self._drain_all()
        for fd in (self.request, self.reply, *self.streams, self.pidfd):
            os.close(fd)


# --- spawned workers -------------------------------------------------------------------------------------------------


class PsutilProcess:
    """A process on any system."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.error = psutil.Error
        self.process = psutil.Process(pid)
        self.last = 0.0

    def cpu(self) -> float:
        try:
            times = self.process.cpu_times()
            self.last = times.user + times.system
        except self.error:
            pass  # it has ended: its reply pipe tells
        return self.last

    def memory_and_threads(self) -> tuple[int, int]:
        try:
            return int(self.process.memory_info().rss), int(self.process.num_threads())
        except self.error:
            return 0, 0


class SpawnLauncher:
    """Starts workers as processes of their own, a few ahead, so that their imports overlap with grading."""

    def __init__(self, kind: str, ahead: int = 2) -> None:
        self.kind, self.ahead = kind, ahead
        self.ready: deque[tuple[WorkerLimits, ThreadConnection]] = deque()

    def start(self, limits: WorkerLimits) -> ThreadConnection:
        self._fill(limits)
        while self.ready:
            made_for, connection = self.ready.popleft()
            if made_for == limits:
                connection.wait_for_hello(limits)
                self._fill(limits)
                return connection
            connection.close()
        return self.start(limits)

    def _fill(self, limits: WorkerLimits) -> None:
        while len(self.ready) < self.ahead:
            self.ready.append((limits, ThreadConnection(self._process(limits), limits)))

    def _process(self, limits: WorkerLimits) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-B", "-m", "grader.worker.spawned", self.kind]
        command += [str(limits.memory), str(limits.lifetime_cpu)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=clean_environment(), bufsize=0)

    def close(self) -> None:
        for _, connection in self.ready:
            connection.close()
        self.ready.clear()


class ThreadConnection(Turns):
    """Blocking pipes read and written by threads; deadlines are kept by killing the process."""

    def __init__(self, process: subprocess.Popen[bytes], limits: WorkerLimits) -> None:
        self.process = process
        self.output = Output(limits.output)
        self.numbers = Numbers()
        self.replies: queue.Queue[Any] = queue.Queue(maxsize=4)  # what nobody asked for waits in the pipe
        self.requests: queue.Queue[Any] = queue.Queue()
        self.clock: Clock | None = None
        targets = (self._read_replies, self._read_output, self._write_requests)
        self.threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self.threads:
            thread.start()

    def wait_for_hello(self, limits: WorkerLimits) -> None:
        try:
            _, greeting = self.replies.get(timeout=4 * START_SECONDS)
        except (queue.Empty, TypeError):
            self.close()
            raise EngineFault(f"a worker did not start: {self.output.text()}") from None
        _expect_hello(greeting)
        self.clock = Clock(PsutilProcess(self.process.pid), limits)

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        assert self.clock is not None
        self.clock.begin(cpu_seconds, wall_seconds)

    def turn(self, payload: wire.Payload) -> Heard:
        number = self.numbers.next()
        try:
            unasked = self.replies.get_nowait()
        except queue.Empty:
            self.requests.put(b"".join(payload.framed(number)))
        else:
            if unasked is None:
                self._ended()
            self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
        answered, heard = self._next()
        if answered != number:
            self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
        return heard

    def _next(self) -> tuple[bytes, Heard]:
        assert self.clock is not None
        while True:
            try:
                reply = self.replies.get(timeout=TICK)
            except queue.Empty:
                reply = ()
            died = self.clock.look() or self.output.too_much()
            if died:
                self._die(died)
            if reply is None:
                self._ended()
            if isinstance(reply, wire.WireError):
                self._die(WorkerDied(Verdict.VIOLATION, f"sent a malformed reply ({reply})"))
            if reply:
                return reply  # type: ignore[no-any-return]

    def _read_replies(self) -> None:
        """In a thread: (number, frame) each, then a WireError or None for the end."""
        try:
            while True:
                head = wire.parse_head(self._exactly(wire.HEAD.size))
                payload = wire.Payload(head.header, [self._exactly(head.header + head.body)])
                self.replies.put((head.number, Heard(head.sort == wire.CALLBACK, payload)))
        except wire.WireError as error:
            self.replies.put(error)
        except (OSError, EOFError, ValueError):
            self.replies.put(None)

    def _exactly(self, size: int) -> bytearray:
        assert self.process.stdout is not None
        data = bytearray()
        while len(data) < size:
            part = self.process.stdout.read(min(size - len(data), wire.CHUNK))
            if not part:
                raise EOFError
            data += part
        return data

    def _read_output(self) -> None:
        assert self.process.stderr is not None
        try:
            while data := self.process.stderr.read(1 << 16):
                self.output.add(data)
        except (OSError, ValueError):
            pass  # closed while the worker was being ended

    def _write_requests(self) -> None:
        assert self.process.stdin is not None
        try:
            while (data := self.requests.get()) is not None:
                view = memoryview(data)
                while view.nbytes:
                    view = view[self.process.stdin.write(view[: wire.CHUNK]) or 0 :]
        except (OSError, ValueError):
            pass  # the worker has ended: the reading thread tells

    def _die(self, died: WorkerDied) -> NoReturn:
        self.kill()
        raise died

    def _ended(self) -> NoReturn:
        try:
            raise ended(self.process.wait(timeout=5))
        except subprocess.TimeoutExpired:
            self._die(WorkerDied(Verdict.VIOLATION, "closed its reply channel"))

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.kill()
        self.requests.put(None)
        self.process.wait()
        self._join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass  # a write was under way

    def _join(self) -> None:
        """Wait for the threads; one whose pipe a process of the worker's holds open is left behind."""
        end = time.monotonic() + 1
        while any(t.is_alive() for t in self.threads) and time.monotonic() < end:
            try:
                self.replies.get(timeout=0.005)
            except queue.Empty:
                continue
