"""`grade doctor`: prove each wall around a worker by trying it, and say what to do where one does not hold.

A probe is a function that runs behind the walls, tries one thing and tells what it got; "" means that it was refused.
What can be seen from outside (a file, a connection) is looked at from outside. Nothing here does harm where it works.
"""

from __future__ import annotations

import inspect
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import CourseError
from grader.remote.connection import WorkerDied
from grader.remote.forking import ForkLauncher
from grader.remote.limits import WorkerLimits
from grader.remote.processes import WarmProcess, weakest_level
from grader.remote.session import Session, StudentError
from grader.worker import preload
from grader.worker.walls import sandbox

MEMORY, CPU_SECONDS = 256 << 20, 20
SAFE_LEVELS = ("strong", "sealed")
Places = dict[str, Any]


# ---- the probes ----------------------------------------------------------------------------------------------------


def reads_system_files(places: Places) -> str:
    try:
        return f"read {len(open('/etc/passwd').read())} characters of /etc/passwd"
    except OSError:
        return ""


def lists_the_root_folder(places: Places) -> str:
    import os

    try:
        return f"listed {len(os.listdir('/'))} names"
    except OSError:
        return ""


def reads_a_secret(places: Places) -> str:
    try:
        return f"read {len(open(places['secret'], 'rb').read(100))} bytes of {places['secret']}"
    except OSError:
        return ""


def writes_a_file(places: Places) -> str:
    try:
        open(places["canary"], "w").close()
    except OSError:
        return ""
    return f"made {places['canary']}"


def connects(places: Places) -> str:
    import socket

    try:
        socket.create_connection(("127.0.0.1", places["port"]), 2).close()
    except OSError:
        return ""
    return "reached a listener on this machine"


def sends_datagrams(places: Places) -> str:
    import socket

    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", places["port"]))
    except OSError:
        return ""
    return "sent a datagram"


def starts_a_process(places: Places) -> str:
    import os

    try:
        pid = os.fork()
    except (OSError, AttributeError):
        return ""
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "forked"


def runs_a_program(places: Places) -> str:
    import subprocess

    try:
        subprocess.run([places["program"], "-c", "0"], check=False)
    except OSError:
        return ""
    return f"ran {places['program']}"


def signals_the_grader(places: Places) -> str:
    import os

    try:
        os.kill(places["grader"], 0)
    except OSError:
        return ""
    return "may signal the process that grades"


def limits_the_grader(places: Places) -> str:
    import resource

    try:
        resource.prlimit(places["grader"], resource.RLIMIT_CORE)
    except (OSError, AttributeError):
        return ""
    return "may change the limits of the process that grades"


def takes_too_much_memory(places: Places) -> str:
    try:
        return f"took {len(bytearray(places['too_much'])) >> 20} MB"
    except MemoryError:
        return ""


def regains_privileges(places: Places) -> str:
    import os

    try:
        os.chroot("/")
    except (OSError, AttributeError):
        return ""
    return "may do what only root may"


def cannot_start_threads(places: Places) -> str:
    """The other way round: honest work must go on."""
    import threading

    done: list[int] = []
    try:
        thread = threading.Thread(target=lambda: done.append(1))
        thread.start()
        thread.join()
    except RuntimeError as error:
        return f"honest work is hindered: {error}"
    return "" if done else "honest work is hindered: a thread did not run"


@dataclass(frozen=True)
class Probe:
    wall: str  # as in Walls.describe
    try_it: Callable[[Places], str]
    refused: str  # what is said where it was refused


PROBES = (
    Probe("files", reads_system_files, "reading /etc was refused"),
    Probe("files", lists_the_root_folder, "listing / was refused"),
    Probe("files", reads_a_secret, "reading the hidden checks was refused"),
    Probe("files", writes_a_file, "writing was refused"),
    Probe("network", connects, "a connection was refused"),
    Probe("network", sends_datagrams, "a datagram was refused"),
    Probe("processes", starts_a_process, "fork was refused"),
    Probe("processes", runs_a_program, "running a program was refused"),
    Probe("processes", signals_the_grader, "a signal to the grader was refused"),
    Probe("processes", limits_the_grader, "limiting the grader was refused"),
    Probe("processes", cannot_start_threads, "threads work"),
    Probe("memory", takes_too_much_memory, "memory above the limit was refused"),
    Probe("identity", regains_privileges, "root's calls were refused"),
)
HELP = {
    "files": "a kernel with Landlock (Linux 5.13 or newer) guards files; see what `cat /sys/kernel/security/lsm` names",
    "network": "something around this process forbids seccomp filters: grade outside of it, or allow them there",
    "processes": "something around this process forbids seccomp filters: grade outside of it, or allow them there",
    "memory": "give a larger `ulimit -v`, or mount /proc; until then memory is watched from outside only",
    "identity": "run grade as an ordinary user, or install Python where every user can read it",
}


# ---- what they are pointed at --------------------------------------------------------------------------------------


@dataclass
class Outside:
    """Harmless things to reach for, and whether they were reached."""

    places: Places
    listener: socket.socket

    def reached(self) -> list[str]:
        seen = []
        try:
            self.listener.accept()[0].close()
            seen.append("connects")
        except TimeoutError:
            pass
        return seen + (["writes_a_file"] if os.path.exists(self.places["canary"]) else [])


@contextmanager
def outside() -> Iterator[Outside]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        os.chmod(folder, 0o755)
        places = {
            "secret": str(_a_secret(Path(folder))),
            "canary": os.path.join(folder, "canary"),
            "port": listener.getsockname()[1],
            "grader": os.getpid(),
            "program": sys.executable,
            "too_much": 4 * MEMORY,
        }
        yield Outside(places, listener)


def _a_secret(folder: Path) -> Path:
    """A hidden check of the course that we stand in, else a file of our own."""
    from grader.course import find_course

    try:
        hidden = find_course(Path.cwd()).parent / "tests" / "hidden"
    except CourseError:
        hidden = folder
    own = folder / "secret.txt"
    own.write_text("secret")
    return next(iter(sorted(hidden.glob("*.py"))), own)


# ---- proving -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """What came of a probe: `got` is empty where the wall held."""

    wall: str
    probe: str
    held: bool
    proof: str


@dataclass(frozen=True)
class Examination:
    level: str
    walls: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def safe(self) -> bool:
        return self.level in SAFE_LEVELS and all(f.held for f in self.findings)

    def open_walls(self) -> list[str]:
        return list(dict.fromkeys(f.wall for f in self.findings if not f.held))


def examine(without: frozenset[str] = frozenset()) -> Examination:
    """Raise the walls around a throw-away child for each probe; `without` takes walls away, for tests alone."""
    if not hasattr(os, "fork"):
        return Examination(weakest_level(), {name: "OPEN" for name in HELP}, ())
    walls = sandbox.prepare(preload.readable_roots("numpy"), listable=preload.listable_folders(), without=without)
    with outside() as things:
        told = {probe: _in_child(probe, walls, things.places) for probe in PROBES}
        reached = things.reached()
    findings = tuple(_finding(probe, text, reached) for probe, text in told.items())
    return Examination(walls.level, walls.describe(), findings)


def _finding(probe: Probe, got: str, reached: list[str]) -> Finding:
    name = probe.try_it.__name__
    if not got and name in reached:
        got = "claims to have been refused, but it was seen from outside"
    return Finding(probe.wall, name, not got, got or probe.refused)


def _in_child(probe: Probe, walls: sandbox.Walls, places: Places) -> str:
    """What the probe says behind the walls; a child that is ended by a signal was held as well."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_probe(probe, walls, places, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode(errors="replace")
    os.waitpid(pid, 0)
    return text


def _become_probe(probe: Probe, walls: sandbox.Walls, places: Places, writer: int) -> None:
    """In the child: descriptors 0 to 4 as a worker has them, the walls, then the attempt. Never returns."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        moved = [os.dup2(fd, 64 + place) for place, fd in enumerate((nothing, nothing, nothing, nothing, writer))]
        for target, fd in enumerate(moved):
            os.dup2(fd, target)
        sandbox.confine(walls, memory_bytes=MEMORY, cpu_seconds=CPU_SECONDS)
        os.write(4, probe.try_it(places).encode())
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not go on as the doctor
        os.write(4, f"the probe failed: {type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


# ---- the same as a submission --------------------------------------------------------------------------------------


def examine_worker(kind: str, without: tuple[str, ...] = ()) -> Examination:
    """The probes as a submission in a real worker, over the wire, walls and judge's watch and all."""
    command = [sys.executable, "-I", "-B", "-m", "grader.worker.zygote", kind]
    zygote = WarmProcess(lambda fd: [*command, str(fd), *without])
    try:
        zygote.wait_ready()
        with outside() as things:
            things.places["grader"] = zygote.process.pid
            told = {probe: _as_submission(probe, zygote, things.places) for probe in PROBES}
            findings = tuple(_finding(probe, text, things.reached()) for probe, text in told.items())
        return Examination(zygote.ready["level"], zygote.ready["walls"], findings)
    finally:
        zygote.close()


def _as_submission(probe: Probe, zygote: WarmProcess, places: Places) -> str:
    source = "from typing import Any\nPlaces = dict\n" + inspect.getsource(probe.try_it)
    with zygote.client() as link:
        worker = ForkLauncher(link).start(WorkerLimits(MEMORY, CPU_SECONDS, 1 << 16))
        try:
            worker.begin(CPU_SECONDS, CPU_SECONDS)
            session = Session(worker)
            session.load(files={"probe.py": source}, main="probe", imports=[], banned=[])
            return str(session.call(probe.try_it.__name__, (places,)).value)
        except WorkerDied:
            return ""  # ended by the judge: it got nothing
        except StudentError as error:
            return f"the probe failed: {error.type_name}: {error}"
        finally:
            worker.close()
