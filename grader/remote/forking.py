"""Starting, limiting, watching and killing workers.

`ForkLauncher` asks a zygote for forked workers and talks to them over non-blocking pipes (Linux).
`SpawnLauncher` starts each worker as a process of its own, a few ahead of need, and reads its blocking pipes with
threads (macOS, Windows, anywhere). Both give a `WorkerConnection` with the same limits and the same verdicts.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from typing import Any, NoReturn

from grader import wire
from grader.remote.connection import UNASKED, EngineFault, Heard, Numbers, Turns, WorkerDied, expect_hello
from grader.remote.limits import TICK, Clock, Output, RunQueue, WorkerLimits, ended, held
from grader.remote.replies import FIRST, Allowance, PipeReader
from grader.results import Verdict

WORKER_START_SECONDS = 30.0
END_SECONDS = 2.0  # from the end of its pipe to the end of the process
PAGE = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031


# --- forked workers --------------------------------------------------------------------------------------------------


class ProcProcess:
    """A process on Linux: its CPU clock and its line in /proc."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.clock = (~pid << 3) | 2  # the process's CPU-time clock id, see clock_getcpuclockid(3)
        self.last = 0.0
        self.queued = RunQueue(pid).seconds

    def cpu(self) -> float:
        try:
            self.last = time.clock_gettime(self.clock)
        except OSError:
            pass  # it has ended: its reply pipe tells
        return self.last

    def memory_and_threads(self) -> tuple[int, int]:
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as stat, open(f"/proc/{self.pid}/statm", "rb") as statm:
                fields = stat.read().rpartition(b")")[2].split()
                size, resident, shared, _, _, data, _ = map(int, statm.read().split())
        except (OSError, ValueError):
            return 0, 0
        return held(size, resident, shared, data) * PAGE, int(fields[17])


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
        end = time.monotonic() + WORKER_START_SECONDS
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

    def exit_of(self, number: int, pidfd: int) -> int | None:
        """The exit code of a worker that has closed its reply pipe; None if it lives on."""
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        has_ended = poller.poll(END_SECONDS * 1000)
        end = time.monotonic() + (WORKER_START_SECONDS if has_ended else 0)  # the zygote may be waiting for a processor
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
        self.output = Output(limits.output)
        self.numbers = Numbers()
        self.allowance = Allowance()
        self.reader = PipeReader(self.reply, self._wait, self._ended)
        self.closed = False
        self.poller = select.poll()
        _prepare(pipes)
        self.poller.register(self.reply, select.POLLIN)
        self.streams = _Streams(streams, self.poller, self.output)
        self.clock = Clock(ProcProcess(pid), limits)
        self._hello(limits)

    def _hello(self, limits: WorkerLimits) -> None:
        try:
            greeting = self._heard(wire.NO_NUMBER)
        except WorkerDied as died:
            self.streams.drain_all()
            raise EngineFault(f"a worker did not start: {died.text} {self.output.text()}") from None
        expect_hello(greeting)
        self.clock = Clock(self.clock.process, limits)  # memory is counted from here

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.clock.begin(cpu_seconds, wall_seconds)

    def turn(self, payload: wire.Payload) -> Heard:
        number = self.numbers.next()
        self.clock.resume()
        self.allowance.note_sent(payload)
        self._write(payload.framed(number))
        heard = self._heard(number)
        self.clock.rest()
        return heard

    def _heard(self, number: bytes) -> Heard:
        """The worker's next frame, which must bear this number."""
        try:
            head = self.reader.head()
            if head.number != number:
                self._die(WorkerDied(Verdict.VIOLATION, UNASKED))
            payload = self.reader.payload(head, self.allowance)
        except wire.WireError as error:
            self._die(WorkerDied(Verdict.VIOLATION, f"sent a malformed reply ({error})"))
        return Heard(head.sort == wire.CALLBACK, payload)

    def _wait(self) -> None:
        """Until there is something to do, or a tick is over; drains the output and looks after the limits."""
        for fd, _ in self.poller.poll(TICK * 1000):
            if fd in self.streams.open:
                self.streams.drain(fd)
        died = self.clock.look() or self.output.too_much()
        if died:
            self._die(died)

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
        try:
            self._wait()
        finally:
            self.poller.unregister(self.request)

    def _die(self, died: WorkerDied) -> NoReturn:
        self.kill()
        raise died

    def _ended(self) -> NoReturn:
        code = self.launcher.exit_of(self.number, self.pidfd)
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
        self.streams.drain_all()
        for fd in (self.request, self.reply, *self.streams.open, self.pidfd):
            os.close(fd)


def _prepare(pipes: tuple[int, ...]) -> None:
    """No call blocks; requests and replies have room."""
    import fcntl

    for fd in pipes:
        os.set_blocking(fd, False)
    for fd in pipes[:2]:
        try:
            fcntl.fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # over the user's quota: slower, not wrong


class _Streams:
    """What a worker prints, as long as its ends are open."""

    def __init__(self, fds: list[int], poller: select.poll, output: Output) -> None:
        self.open, self.poller, self.output = set(fds), poller, output
        for fd in fds:
            poller.register(fd, select.POLLIN)

    def drain(self, fd: int) -> None:
        """Take what is there; an end that was closed is let go of."""
        try:
            data = os.read(fd, FIRST)
        except BlockingIOError:
            return
        if not data:
            self.poller.unregister(fd)
            self.open.discard(fd)
            os.close(fd)
        self.output.add(data)

    def drain_all(self) -> None:
        for fd in list(self.open):
            self.drain(fd)
