"""The second trusted process: it answers calls of earlier units with the reference, and can be killed at any moment.

What a submission passes to such a call is its own choice, so the call does not run in the judge: a huge count or a
hostile size may use up this process's time and memory and nobody else's. It is a fork of the judge; where nothing is
forked it is started with the reference alone: `python -m grader.judge.answerer SOLUTION.PY`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any, NoReturn

from grader.environment import clean_environment
from grader.remote.connection import WorkerDied
from grader.remote.forking import PipeConnection
from grader.remote.limits import WorkerConnection, WorkerLimits
from grader.remote.replies import Allowance
from grader.remote.session import Session, StudentError, Unsendable
from grader.remote.spawning import ThreadConnection

DATA = ("ndarray", "Tensor", "tuple", "list", "dict", "str", "int")  # types that cross, unless they are too large


class Overtaxed(Exception):
    """A call asked the reference for more than the check's limits allow, or passed what is no data."""


class NotPlain(Exception):
    """The reference returned what is not plain data: it cannot stand in for a submission's function."""


class Answerer:
    """The judge's end of the second process."""

    def __init__(self, connection: WorkerConnection) -> None:
        self.connection = connection
        connection.allowance = Allowance()  # it is the reference that answers
        self.session = Session(connection)
        self.session.handle_factory = _refuse_handle

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        """Start the clock of a check: the sum of its calls has the limits of the check."""
        self.connection.begin(cpu_seconds, wall_seconds)
        self.session.begin_check()

    def call(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The reference's value, with generators among the arguments moved on.

        Raises what the reference raised as a `StudentError`, `Overtaxed`, `NotPlain`, or `WorkerDied` where the process
        was killed by somebody else.
        """
        try:
            return self.session.call(name, args, kwargs).value
        except StudentError as error:
            if error.is_a("MemoryError"):
                raise Overtaxed(f"{name} was called with sizes that need too much memory") from None
            raise
        except Unsendable:
            raise Overtaxed(f"{name} was called with what is no data, or far too much of it") from None
        except _Handle as handle:
            if handle.type_name in DATA:
                raise Overtaxed(f"{name} was called for more than a message holds") from None
            raise NotPlain(f"{name} of the reference returns what is not plain data") from None
        except WorkerDied as died:
            if getattr(died, "by_kill", False):
                raise
            raise Overtaxed(f"{name} was called with sizes or counts out of all proportion") from None

    def close(self) -> None:
        """End the process."""
        self.connection.close()


class _Handle(Exception):
    """What the reference returned did not cross."""

    def __init__(self, type_name: str) -> None:
        super().__init__(type_name)
        self.type_name = type_name


def _refuse_handle(_: Session, __: int, type_name: str, ___: bool) -> NoReturn:
    raise _Handle(type_name)


# --- a fork of the judge ---------------------------------------------------------------------------------------------


class _Child:
    """Stands in for a zygote as the one who knows how the process ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def exit_of(self, _: int, __: int) -> int | None:
        end = time.monotonic() + 1
        while self.code is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.001)
        return self.code


class _ForkedConnection(PipeConnection):
    """Pipes to a child of this very process, which has to be waited for."""

    def close(self) -> None:
        super().close()
        child = self.launcher
        assert isinstance(child, _Child)
        if child.code is None:
            child.code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])


def fork_answerer(reference: types.ModuleType, limits: WorkerLimits) -> Answerer:
    """A fork of this process (which must have one thread) that answers with `reference`."""
    pipes = [os.pipe() for _ in range(4)]
    (req_r, req_w), (rep_r, rep_w), (out_r, out_w), (err_r, err_w) = pipes
    judge = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become_answerer(reference, limits, judge, (req_r, rep_w, out_w, err_w))
    for fd in (req_r, rep_w, out_w, err_w):
        os.close(fd)
    child: Any = _Child(pid)
    return Answerer(_ForkedConnection(child, 0, pid, os.pidfd_open(pid), (req_w, rep_r, out_r, err_r), limits))


def _become_answerer(reference: types.ModuleType, limits: WorkerLimits, judge: int, fds: tuple[int, ...]) -> NoReturn:
    """In the forked child: its own four pipes alone, a limit of memory, then the serving loop."""
    import resource

    from grader.worker.pipes import open_streams, run
    from grader.worker.walls import sandbox

    try:
        sandbox.die_with_parent(judge)
        moved = [os.dup2(fd, 64 + i) for i, fd in enumerate(fds)]  # clear of 1-4
        for target, fd in zip((3, 4, 1, 2), moved, strict=True):
            os.dup2(fd, target)
        os.closerange(5, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))
        _limit_memory(limits.memory)
        open_streams()
        run(3, 4, reference)
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a judge
        os.write(2, f"the answering process: {type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(97)


def _limit_memory(most: int) -> None:
    """An allocation far beyond the limit fails at once; the watch from outside sees what is really used."""
    import resource

    try:
        with open("/proc/self/statm", "rb") as statm:
            kind, size = resource.RLIMIT_AS, int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:  # no /proc: then, as for workers, the largest resident size stands in for the data
        kind, size = resource.RLIMIT_DATA, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    hard = resource.getrlimit(kind)[1]
    limit = size + 2 * most
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


# --- a process of its own --------------------------------------------------------------------------------------------


def spawn_answerer(solution: Path, limits: WorkerLimits) -> Answerer:
    """A new process that loads the reference from its file."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-B", "-m", "grader.judge.answerer", str(solution)]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=clean_environment(), bufsize=0)
    connection = ThreadConnection(process, limits)
    connection.wait_for_hello(limits)
    return Answerer(connection)


def main() -> None:
    import importlib.util

    from grader.worker.pipes import open_streams, run
    from grader.worker.spawned import claim_pipes, end_with_judge

    request, reply = claim_pipes()
    spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = reference
    spec.loader.exec_module(reference)
    open_streams()
    run(end_with_judge(request), reply, reference)


if __name__ == "__main__":
    main()
