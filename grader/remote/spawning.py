"""Workers as processes of their own, started a few ahead; threads read their blocking pipes (any system)."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, NoReturn

from grader import wire
from grader.environment import clean_environment
from grader.remote.connection import UNASKED, EngineFault, Heard, Numbers, Turns, WorkerDied, expect_hello
from grader.remote.forking import WORKER_START_SECONDS
from grader.remote.limits import TICK, Clock, Output, RunQueue, WorkerLimits, ended, held
from grader.remote.replies import Allowance, chosen
from grader.results import Verdict

# --- spawned workers -------------------------------------------------------------------------------------------------


class PsutilProcess:
    """A process on any system."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.error = psutil.Error
        self.process = psutil.Process(pid)
        self.last = 0.0
        self.queued = RunQueue(pid).seconds

    def cpu(self) -> float:
        try:
            times = self.process.cpu_times()
            self.last = times.user + times.system
        except self.error:
            pass  # it has ended: its reply pipe tells
        return self.last

    def memory_and_threads(self) -> tuple[int, int]:
        try:
            memory, threads = self.process.memory_info(), int(self.process.num_threads())
            if sys.platform != "linux":
                return int(memory.rss), threads
            return held(memory.vms, memory.rss, memory.shared, memory.data), threads
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

    clock: Clock  # once the worker has said hello

    def __init__(self, process: subprocess.Popen[bytes], limits: WorkerLimits) -> None:
        self.process = process
        self.output = Output(limits.output)
        self.numbers = Numbers()
        self.allowance = Allowance()
        self.replies: queue.Queue[Any] = queue.Queue(maxsize=4)  # what nobody asked for waits in the pipe
        self.requests: queue.Queue[Any] = queue.Queue()
        targets = (self._read_replies, self._read_output, self._write_requests)
        self.threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self.threads:
            thread.start()

    def wait_for_hello(self, limits: WorkerLimits) -> None:
        try:
            _, greeting = self.replies.get(timeout=4 * WORKER_START_SECONDS)
        except (queue.Empty, TypeError):
            self.close()
            raise EngineFault(f"a worker did not start: {self.output.text()}") from None
        expect_hello(greeting)
        self.clock = Clock(PsutilProcess(self.process.pid), limits)

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.clock.begin(cpu_seconds, wall_seconds)

    def turn(self, payload: wire.Payload) -> Heard:
        number = self.numbers.next()
        self.clock.resume()
        try:
            unasked = self.replies.get_nowait()
        except queue.Empty:
            self.allowance.note_sent(payload)
            self.requests.put(b"".join(payload.framed(number)))
        else:
            if unasked is None:
                self._ended()
            self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
        answered, heard = self._next()
        if answered != number:
            self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
        self.clock.rest()
        return heard

    def _next(self) -> tuple[bytes, Heard]:
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
                self.replies.put((head.number, Heard(head.sort == wire.CALLBACK, self._payload(head))))
        except wire.WireError as error:
            self.replies.put(error)
        except (OSError, EOFError, ValueError):
            self.replies.put(None)

    def _payload(self, head: wire.Head) -> wire.Payload:
        if self.allowance.takes(head):
            return wire.Payload(head.header, [self._exactly(head.header + head.body)])
        return chosen(head, self.allowance, self._exactly)

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
