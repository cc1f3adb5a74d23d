"""Each wall by itself: what it refuses, what it lets pass, and that the refused thing works when it is gone.

An attempt is a few lines of Python that run in a confined child of a fresh process and end in the word `done`.
Where something can be seen from outside (a file, a connection, a process), the test looks there.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.worker.walls import kernel, sandbox, seccomp
from grader.worker.walls.syscalls import AUDIT_ARCH, TABLES

ROOT = Path(__file__).parents[2]
LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the walls of Linux")
ROOT_ONLY = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives up being root"
)
MEMORY = 256 << 20

DRIVER = """
import json, os, signal, sys
spec = json.loads(sys.argv[1])
sys.path[:0] = [spec["root"]]
sys.path += [spec["library"]]
from grader.worker.walls import kernel, landlock, sandbox, seccomp
{before}
walls = sandbox.prepare(spec["readable"], without=frozenset(spec["without"]), _landlock_abi=spec["abi"])
print(json.dumps({{"level": walls.level, "walls": walls.describe()}}), file=sys.stderr, flush=True)
pid = os.fork()
if pid == 0:
    try:
        read, write = os.pipe()
        for target, fd in enumerate([os.dup2(fd, 64 + n) for n, fd in enumerate((read, 1, 2, read, write))]):
            os.dup2(fd, target)
        sandbox.confine(walls, memory_bytes=spec["memory"], cpu_seconds=spec["cpu"])
        exec(compile(spec["attempt"], "<attempt>", "exec"), {{"os": os, "sys": sys}})
        print("done", end="", flush=True)
    except BaseException as error:
        print(type(error).__name__, getattr(error, "errno", None), error, flush=True)
    finally:
        os._exit(0)
print(os.waitpid(pid, 0)[1], file=sys.stderr)
"""


@dataclass(frozen=True)
class Outcome:
    said: str
    status: int  # as from wait
    level: str
    walls: dict[str, str]

    @property
    def done(self) -> bool:
        return self.said.endswith("done")


def library() -> str:
    """Where numpy is: usually, but not always, the interpreter's own site-packages."""
    found = importlib.util.find_spec("numpy")
    assert found and found.origin
    return str(Path(found.origin).parents[1])


def python_folders() -> list[str]:
    paths = sysconfig.get_paths()
    return [paths["stdlib"], paths["platstdlib"], paths["purelib"], library(), "/lib", "/usr/lib", "/lib64"]


def command(
    attempt: str,
    without: frozenset[str] = frozenset(),
    abi: int | None = None,
    before: str = "",
    readable: list[str] | None = None,
    cpu: int = 10,
) -> list[str]:
    spec = {
        "root": str(ROOT),
        "library": library(),
        "readable": python_folders() if readable is None else readable,
        "without": sorted(without),
        "abi": abi,
        "memory": MEMORY,
        "cpu": cpu,
        "attempt": attempt,
    }
    return [sys.executable, "-I", "-B", "-c", DRIVER.format(before=before), json.dumps(spec)]


def confined(attempt: str, without: frozenset[str] | set[str] = frozenset(), **options: object) -> Outcome:
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    arguments = command(attempt, frozenset(without), **options)  # type: ignore[arg-type]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment, cwd="/")
    lines = ended.stderr.splitlines()
    assert len(lines) >= 2 and lines[0].startswith("{"), ended.stderr
    head = json.loads(lines[0])
    return Outcome(ended.stdout, int(lines[-1]), head["level"], head["walls"])


@pytest.fixture(scope="module")
def level() -> str:
    return confined("pass").level


@pytest.fixture
def strong(level: str) -> None:
    if level != "strong":
        pytest.skip(f"this kernel offers the level {level} only")


# ---- what a student's program could try, and every wall that stops it by itself ----------------------------


@dataclass
class Outside:
    """What attempts aim at, and what can be seen of them from here."""

    folder: Path
    listener: socket.socket
    abstract: socket.socket
    victim: subprocess.Popen

    @property
    def places(self) -> dict[str, object]:
        return {
            "SECRET": str(self.folder / "secret"),
            "CANARY": str(self.folder / "canary"),
            "PORT": self.listener.getsockname()[1],
            "ABSTRACT": self.abstract.getsockname(),
            "VICTIM": self.victim.pid,
        }


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    (tmp_path / "secret").write_text("XQ7-the-hidden-check")
    listener = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0walls-{os.getpid()}-{time.monotonic_ns()}")
    abstract.listen()
    for server in (listener, abstract):
        server.settimeout(0.3)
    victim = subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE)
    yield Outside(tmp_path, listener, abstract, victim)
    victim.kill()
    victim.communicate()
    listener.close()
    abstract.close()


def was_read(outside: Outside, outcome: Outcome) -> bool:
    return "XQ7-the-hidden-check" in outcome.said


def was_written(outside: Outside, outcome: Outcome) -> bool:
    return (outside.folder / "canary").exists()


def was_reached(outside: Outside, outcome: Outcome) -> bool:
    return _accepts(outside.listener)


def was_reached_by_name(outside: Outside, outcome: Outcome) -> bool:
    return _accepts(outside.abstract)


def _accepts(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


def was_killed(outside: Outside, outcome: Outcome) -> bool:
    try:
        return outside.victim.wait(0.3) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def was_limited(outside: Outside, outcome: Outcome) -> bool:
    import resource

    return resource.prlimit(outside.victim.pid, resource.RLIMIT_CORE) == (0, 77)


def had_its_way(outside: Outside, outcome: Outcome) -> bool:
    return outcome.done


def had_two_processes(outside: Outside, outcome: Outcome) -> bool:
    return len(set(re.findall(r"\d+", outcome.said))) == 2


RAW = "import ctypes; c = ctypes.CDLL(None, use_errno=True).syscall\ndef call(*a):\n"
RAW += "    if c(*map(ctypes.c_long, a)) < 0: raise OSError(ctypes.get_errno(), 'refused')\n"
BY_NAME = "import socket; socket.socket(socket.AF_UNIX).connect({ABSTRACT!r})"
DAEMON = "pid = os.fork()\nprint(os.getpid(), flush=True)\nif not pid: os._exit(0)\nos.waitpid(pid, 0)"
LIMIT_VICTIM = "import resource; resource.prlimit({VICTIM}, resource.RLIMIT_CORE, (0, 77))"
MANY_FILES = "for n in range(100): os.dup(0)"
WRITE_LITTLE = "open({CANARY!r}, 'w').close()"
WRITE_MUCH = "with open({CANARY!r}, 'w') as f: f.write('x')"
NO_DISK = frozenset({"landlock", "seccomp"})

# name: (attempt, seen from outside, the walls of which each suffices)
ATTEMPTS = {
    "read a file": ("print(open({SECRET!r}).read())", was_read, {"landlock", "sealing"}),
    "read through proc": (
        "print(open('/proc/self/root' + {SECRET!r}).read())",
        was_read,
        {"landlock", "sealing"},
    ),
    "list a folder": ("os.listdir('/etc')", had_its_way, {"landlock", "sealing"}),
    "write a file": (WRITE_LITTLE, was_written, NO_DISK),
    "make a folder": ("os.mkdir({CANARY!r})", was_written, NO_DISK),
    "make a link": ("os.symlink('/etc', {CANARY!r})", was_written, NO_DISK),
    "move a file": ("os.rename({SECRET!r}, {CANARY!r})", was_written, NO_DISK),
    "connect by TCP": (
        "import socket; socket.create_connection(('127.0.0.1', {PORT}))",
        was_reached,
        NO_DISK,
    ),
    "send by UDP": (
        "import socket; socket.socket(type=2).sendto(b'x', ('127.0.0.1', 9))",
        had_its_way,
        {"seccomp"},
    ),
    "connect by name": (BY_NAME, was_reached_by_name, NO_DISK),
    "fork": (DAEMON, had_two_processes, {"seccomp"}),
    "run a program": ("os.execv('/bin/echo', ['echo', '-n', 'done'])", had_its_way, NO_DISK),
    "kill another": ("os.kill({VICTIM}, 9)", was_killed, NO_DISK),
    "limit another": (LIMIT_VICTIM, was_limited, {"seccomp"}),
    "make a file in memory": ("os.memfd_create('x')", had_its_way, {"seccomp"}),
    "hold 100 files": (MANY_FILES, had_its_way, {"rlimits"}),
    "allocate too much": ("bytearray(4 << 28)", had_its_way, {"rlimits"}),
}


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempt_is_refused_by_all_walls_and_by_each_alone(name: str, outside: Outside) -> None:
    """Refused with every wall up, refused with one of its walls up, and successful with none of them."""
    attempt, seen, walls = ATTEMPTS[name]
    source = attempt.format(**outside.places)

    assert not seen(outside, confined(source))
    for wall in walls:
        assert not seen(outside, confined(source, {"identity"} | walls - {wall} | _unsealed(wall))), wall
    assert seen(outside, confined(source, {"identity", "sealing"} | walls))


def _unsealed(wall: str) -> set[str]:
    """A missing Landlock is made up for by sealing, which here would hide what the other wall does."""
    return set() if wall == "sealing" else {"sealing"}


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_refusals_come_as_errors_that_tell_the_cases_apart(outside: Outside) -> None:
    """Reading is a PermissionError, writing a read-only file system: the report can say what was tried."""
    refusals = {
        "open({SECRET!r})": errno.EACCES,
        "open({CANARY!r}, 'w')": errno.EROFS,
        "os.mkdir('/tmp/x')": errno.EROFS,
        "os.fork()": errno.EPERM,
        "import socket; socket.socket()": errno.EPERM,
        "os.kill(1, 0)": errno.EPERM,
        "import subprocess; subprocess.run(['true'])": errno.EPERM,
        "os.memfd_create('x')": errno.EPERM,
    }
    for attempt, number in refusals.items():
        assert confined(attempt.format(**outside.places)).said.split()[1] == str(number), attempt


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_writing_stops_at_the_first_byte_where_only_the_limits_stand(outside: Outside) -> None:
    """Without Landlock and seccomp a file can be made, but nothing can be put into it."""
    attempt = WRITE_MUCH.format(**outside.places)
    assert confined(attempt, NO_DISK | {"identity", "sealing"}).said.split()[1] == str(errno.EFBIG)
    assert confined(attempt, NO_DISK | {"identity", "sealing", "rlimits"}).done


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6])
def test_every_version_of_landlock_guards_the_files(abi: int, outside: Outside) -> None:
    """An older kernel's Landlock holds reading too; it knows fewer rights, not weaker ones."""
    outcome = confined("print(open({SECRET!r}).read())".format(**outside.places), {"seccomp"}, abi=abi)

    assert not was_read(outside, outcome)
    assert re.search(rf"Landlock ABI [1-{abi}]:", outcome.walls["files"])


# ---- the steps before the two great walls ------------------------------------------------------------------


TERMINAL = "import fcntl, pty, termios; os.setsid(); fcntl.ioctl(pty.openpty()[1], termios.TIOCSCTTY, 0)"


@LINUX_ONLY
def test_worker_leads_a_group_of_its_own() -> None:
    """Signals to the zygote's group do not mean the worker."""
    assert confined("assert os.getpgrp() == os.getpid()").done
    assert not confined("assert os.getpgrp() == os.getpid()", {"session"}).done


@LINUX_ONLY
def test_worker_leaves_the_terminal() -> None:
    """Where grading was started in a terminal, nothing can be typed into it from within."""
    attempt = "os.close(os.open('/dev/tty', os.O_RDONLY))"
    open_files = {"landlock", "seccomp", "identity"}
    assert confined("assert os.getsid(0) == os.getpid()", before=TERMINAL).done
    assert confined(attempt, open_files, before=TERMINAL).said.split()[1] == str(errno.ENXIO)
    assert confined(attempt, open_files | {"session"}, before=TERMINAL).done


@LINUX_ONLY
@pytest.mark.parametrize("without", [set(), {"parent-death"}])
def test_worker_dies_with_the_zygote(without: set[str]) -> None:
    """Killed with the zygote it leaves its output at an end; without the wall it lives on."""
    attempt = "import time; print(os.getpid(), flush=True); time.sleep(8)"
    zygote = subprocess.Popen(
        command(attempt, frozenset(without)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert zygote.stdout
    worker = int(zygote.stdout.readline())
    zygote.kill()
    zygote.wait()
    alive = not _ends(zygote.stdout.fileno(), 1.0)
    if alive:
        os.kill(worker, signal.SIGKILL)
    zygote.stdout.close()

    assert alive == bool(without)


def _ends(reader: int, seconds: float) -> bool:
    import select

    return bool(select.select([reader], [], [], seconds)[0]) and os.read(reader, 1) == b""


@LINUX_ONLY
def test_parent_that_is_gone_already_ends_the_worker() -> None:
    """The signal alone would miss a parent that died before it was asked for."""
    pid = os.fork()
    if pid == 0:
        sandbox.die_with_parent(parent=1 << 22)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


LEAK = "os.dup2(os.open({path!r}, os.O_RDONLY), 20)"
READ_ALL = """
for fd in range(5, 256):
    try: print(os.pread(fd, 99, 0))
    except OSError: pass
"""
LIST_ALL = """
def is_open(fd):
    try: os.get_inheritable(fd)
    except OSError: return False
    return True
assert [fd for fd in range(2048) if is_open(fd)] == [0, 1, 2, 3, 4]
"""


@LINUX_ONLY
def test_descriptors_of_the_zygote_are_closed(outside: Outside) -> None:
    """Nothing but the five pipes is open, the ruleset's own descriptor included."""
    before = LEAK.format(path=str(outside.folder / "secret"))

    assert not was_read(outside, confined(READ_ALL, before=before))
    assert was_read(outside, confined(READ_ALL, {"descriptors"}, before=before))
    assert confined(LIST_ALL, before=before).done


@LINUX_ONLY
def test_descriptors_are_closed_on_kernels_without_close_range(outside: Outside) -> None:
    """Linux before 5.9 answers ENOSYS."""
    before = LEAK.format(path=str(outside.folder / "secret")) + "\nsandbox.NUMBERS.pop('close_range')"
    assert confined(LIST_ALL, before=before).done


GET_DUMPABLE = "import ctypes; assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == "


@LINUX_ONLY
def test_nobody_reads_the_memory_of_judge_or_worker() -> None:
    """Not dumpable: no tracing and no /proc/PID/mem for others of the same user."""
    assert confined(GET_DUMPABLE + "0").done
    assert confined(GET_DUMPABLE + "1", {"dumpable", "identity"}).done

    protected = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from grader.worker.walls import sandbox as s"
    protected += "\ns.protect_judge(); s.subreaper(); " + GET_DUMPABLE + "0"
    subprocess.run([sys.executable, "-I", "-B", "-c", protected], check=True)


OWN_STATUS = "os.execv('/bin/cat', ['cat', '/proc/self/status'])"


@LINUX_ONLY
def test_program_that_got_started_gains_nothing() -> None:
    """Even if a program could be run, it would have neither new privileges nor capabilities."""
    status = confined(OWN_STATUS, NO_DISK | {"identity", "sealing"}).said
    assert re.search(r"NoNewPrivs:\s*1", status)
    assert re.search(r"CapEff:\s*0+$", status, re.M)


@LINUX_ONLY
@ROOT_ONLY
def test_root_becomes_a_user_who_owns_nothing() -> None:
    """Each worker has a number of its own, which no account has."""
    attempt = "print(os.getresuid(), os.getresgid(), os.getgroups())"
    first, second = (confined(attempt, readable=["/usr/lib"]).said for _ in range(2))
    found = re.match(r"\((\d+), \1, \1\) \(\1, \1, \1\) \[\]", first)

    assert (
        found and sandbox.FIRST_SPARE_USER <= int(found[1]) < sandbox.FIRST_SPARE_USER + sandbox.SPARE_USERS
    )
    assert first != second
    assert confined(attempt, {"identity"}, readable=["/usr/lib"]).said.startswith("(0, 0, 0)")


@LINUX_ONLY
@ROOT_ONLY
def test_root_stays_bare_where_others_cannot_read_python(tmp_path: Path) -> None:
    """An interpreter in root's home: the worker stays user 0, without capabilities, and the level says so."""
    private = tmp_path / "python"
    private.mkdir(mode=0o700)
    (private / "closed").touch(mode=0)  # with its capabilities root reads what nobody may
    attempt, readable = f"open({str(private / 'closed')!r})", ["/usr/lib", str(private)]
    outcome = confined(attempt, readable=readable)

    assert outcome.walls["identity"] == f"user 0 without capabilities: no other user can read {private}"
    assert outcome.said.split()[1] == str(errno.EACCES)
    assert confined(attempt, {"identity", "capabilities"}, readable=readable).done


@LINUX_ONLY
def test_time_limit_cannot_be_ignored() -> None:
    """A program that ignores the signal at the limit is killed a second later."""
    started = time.monotonic()
    endless = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    outcome = confined(endless, cpu=1)

    assert os.WTERMSIG(outcome.status) == signal.SIGKILL
    assert time.monotonic() - started < 30


@LINUX_ONLY
def test_limits_cannot_be_raised_again() -> None:
    """Soft and hard are one."""
    attempt = "import resource as r; r.setrlimit(r.RLIMIT_DATA, (r.RLIM_INFINITY, r.RLIM_INFINITY))"
    assert confined(attempt).said.startswith("ValueError")


BY_TIMER = """
import ctypes
event, timer = (ctypes.c_int * 16)(0, 0, 9, 0), ctypes.c_void_p()
libc = ctypes.CDLL(None, use_errno=True)
if libc.timer_create(0, event, ctypes.byref(timer)): raise OSError(ctypes.get_errno(), "refused")
"""


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_a_sigkill_can_only_come_from_outside() -> None:
    """Sent to itself it ends the worker by SIGSYS; by a timer or a lowered limit of CPU time it does not come at all."""
    kill = "os.kill(os.getpid(), 9)"
    thread = RAW + f"call({kernel.NUMBERS['tgkill']}, os.getpid(), os.getpid(), 9)"
    assert [os.WTERMSIG(confined(attempt).status) for attempt in (kill, thread)] == [signal.SIGSYS] * 2
    assert confined("import resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 1))").said.split()[0] in ("PermissionError", "ValueError")
    assert confined(BY_TIMER).said.startswith("PermissionError")
    assert confined("import resource as r; r.getrlimit(r.RLIMIT_CPU)").done


# ---- the filter --------------------------------------------------------------------------------------------

OWN = 4242  # stands for the worker's number
ARGUMENTS_THAT_PASS = {
    "clone": [0x3D0F00], "kill": [OWN, 15], "tgkill": [OWN, 1, 6], "prlimit64": [0, 7], "sched_setaffinity": [0],
    "fcntl": [1, 3], "ioctl": [1, 0x5401], "prctl": [15], "openat": [0, 0, 0o2100000], "open": [0, 0o2000000],
}  # fmt: skip
ARGUMENTS_THAT_DO_NOT = [
    ("clone", [17], errno.EPERM), ("clone", [0x7E020011], errno.EPERM), ("clone3", [], errno.ENOSYS),
    ("kill", [1, 9], errno.EPERM), ("kill", [-1 & 0xFFFFFFFF, 9], errno.EPERM), ("kill", [0, 9], errno.EPERM),
    ("tgkill", [1, 1, 9], errno.EPERM), ("prlimit64", [OWN, 7], errno.EPERM),
    ("prlimit64", [0, 7, 1], errno.EPERM), ("prlimit64", [OWN, 7, 1], errno.EPERM), ("sched_setaffinity", [1], errno.EPERM),
    ("fcntl", [1, 8], errno.EPERM), ("fcntl", [1, 6], errno.EPERM), ("fcntl", [1, 1031], errno.EPERM),
    ("ioctl", [0, 0x5412], errno.ENOTTY), ("prctl", [1], errno.EPERM), ("prctl", [4], errno.EPERM),
    ("openat", [0, 0, 1], errno.EROFS), ("openat", [0, 0, 0o102], errno.EROFS), ("openat2", [], errno.ENOSYS),
    ("openat", [0, 0, 0o20200000], errno.EROFS), ("open", [0, 0o1000], errno.EROFS), ("open", [0, 2], errno.EROFS),
]  # fmt: skip
ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def verdict(
    machine: str,
    number: int,
    arguments: list[int],
    sealed: bool = False,
    arch: int | None = None,
    more: dict[int, int] | None = None,
) -> int:
    """What the kernel would make of a call: the filter's few instructions, run by hand."""
    steps = seccomp.assemble(machine, sealed)
    data = {0: number, 4: AUDIT_ARCH[machine] if arch is None else arch}
    data |= {16 + 8 * place: value for place, value in enumerate(arguments)} | (more or {})
    place = accumulator = 0
    while True:
        code, value, if_true, if_false = steps[place]
        value = OWN if value == seccomp.OWN_PID else value
        place += 1
        if code == seccomp.RETURN:
            return value
        if code == seccomp.LOAD:
            accumulator = data.get(value, 0)
        elif code == seccomp.JUMP:
            place += value
        else:
            tests = {
                seccomp.JUMP_IF_EQUAL: accumulator == value,
                seccomp.JUMP_IF_AT_LEAST: accumulator >= value,
                seccomp.JUMP_IF_BITS: bool(accumulator & value),
            }
            place += if_true if tests[code] else if_false


def refusal(number: int) -> int:
    return 0x00050000 | number


@pytest.mark.parametrize("machine", TABLES)
def test_filter_answers_every_call_as_listed(machine: str) -> None:
    """Each number up to the last is allowed, refused, or unknown, exactly as the lists say."""
    table = TABLES[machine]
    names = {number: name for name, number in table.items()}
    lists = [(seccomp.ALLOWED, ALLOWED), (seccomp.FORBIDDEN, refusal(errno.EPERM))]
    lists.append((seccomp.WRITES_FILES, refusal(errno.EROFS)))
    expected = {name: answer for listed, answer in lists for name in listed.split()}
    expected |= {"clone3": refusal(errno.ENOSYS), "openat2": refusal(errno.ENOSYS)}
    for number in range(600):
        name = names.get(number, "")
        answer = ALLOWED if name in ARGUMENTS_THAT_PASS else expected.get(name, refusal(errno.ENOSYS))
        assert verdict(machine, number, ARGUMENTS_THAT_PASS.get(name, [])) == answer, name or number


@pytest.mark.parametrize("machine", TABLES)
def test_filter_looks_at_arguments(machine: str) -> None:
    """Signals and limits for itself alone, threads but no processes, no open for writing."""
    for name, arguments, number in ARGUMENTS_THAT_DO_NOT:
        if name in TABLES[machine]:
            assert verdict(machine, TABLES[machine][name], arguments) == refusal(number), (name, arguments)


@pytest.mark.parametrize("machine", TABLES)
def test_filter_ends_a_process_that_sends_itself_a_sigkill(machine: str) -> None:
    """By another signal, so that a SIGKILL is known to come from somebody else; of others' it is refused."""
    for name, arguments in {"kill": [OWN, 9], "tgkill": [OWN, OWN, 9]}.items():
        assert verdict(machine, TABLES[machine][name], arguments) == KILLED
    high_half = {16 + 8 * 2 + 4: 1}  # of a pointer whose lower half is zero
    assert verdict(machine, TABLES[machine]["prlimit64"], [0, 0], more=high_half) == refusal(errno.EPERM)


@pytest.mark.parametrize("machine", TABLES)
def test_filter_kills_what_comes_by_another_gate(machine: str) -> None:
    """The numbers of 32-bit and x32 calls mean other things."""
    assert verdict(machine, 20, [], arch=0x40000003) == KILLED
    if machine == "x86_64":
        assert verdict(machine, 0x40000000 | 39, []) == KILLED


@pytest.mark.parametrize("machine", TABLES)
def test_sealed_filter_opens_nothing(machine: str) -> None:
    """Without Landlock no file can be opened at all."""
    for name in {"open", "openat"} & set(TABLES[machine]):
        assert verdict(machine, TABLES[machine][name], [], sealed=True) == refusal(errno.EACCES)


def test_tables_hold_what_the_filter_names_and_no_more() -> None:
    """A name with a slip would silently stay unfiltered."""
    steps = {"seccomp", "capset", "close_range"}
    steps |= {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}
    used = set(seccomp.rules(sealed=False)) | steps
    assert set(TABLES["x86_64"]) == used
    assert set(TABLES["aarch64"]) < used


HEADERS = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}


@pytest.mark.parametrize("machine", TABLES)
def test_tables_agree_with_the_kernels_headers(machine: str) -> None:
    """Compared with the headers of this machine, where they are installed."""
    header = Path("/usr/include") / HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
    found["newfstatat"] = found.get("newfstatat", found.get("fstatat", ""))
    known = {name: number for name, number in TABLES[machine].items() if name in found}

    assert len(known) > 150
    assert known == {name: int(found[name]) for name in known}


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_kernel_agrees_with_the_filter_run_by_hand() -> None:
    """Every forbidden call, made raw with nonsense for arguments, comes back refused."""
    numbers = kernel.NUMBERS
    for names, error in ((seccomp.FORBIDDEN, errno.EPERM), (seccomp.WRITES_FILES, errno.EROFS)):
        listed = [numbers[name] for name in names.split() if name in numbers]
        attempt = RAW + f"for number in {listed}:\n    try: call(number, 0, 0, 0)\n"
        attempt += f"    except OSError as e: assert e.errno == {error}, (number, e)\n"
        attempt += "    else: raise SystemExit(number)"
        assert confined(attempt).done


GATES = {"int 0x80": b"\xb8\x14\x00\x00\x00\xcd\x80\xc3", "x32": b"\xb8\x27\x00\x00\x40\x0f\x05\xc3"}
MACHINE_CODE = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write({code!r})
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="gates of x86_64")
@pytest.mark.parametrize("gate", GATES)
def test_other_gates_end_the_worker(gate: str) -> None:
    """Calls under other numbers are not answered by an error but by death."""
    attempt = MACHINE_CODE.format(code=GATES[gate])
    assert os.WTERMSIG(confined(attempt).status) == signal.SIGSYS


@LINUX_ONLY
def test_worker_may_signal_itself() -> None:
    """abort() ends it as usual, and a handler of its own runs."""
    assert os.WTERMSIG(confined("os.abort()").status) == signal.SIGABRT
    handler = "import signal; signal.signal(10, lambda *a: print('caught'))\nos.kill(os.getpid(), 10)"
    assert "caught" in confined(handler).said


# ---- honest work -------------------------------------------------------------------------------------------

HONEST = {
    "threads": "import threading as t; a = [t.Thread(target=print) for _ in range(8)]\nfor x in a: x.start()\n"
    "for x in a: x.join()",
    "a pool of threads": "import concurrent.futures as c; assert list(c.ThreadPoolExecutor(4).map(abs, [-1])) == [1]",
    "a late import": "assert 'colorsys' not in sys.modules; import colorsys, wave, zipfile, sqlite3, decimal",
    "randomness": "import secrets; assert len(os.urandom(8)) == len(secrets.token_bytes(8)) == 8",
    "reading the library": "assert os.listdir(os.path.dirname(os.__file__)); open(os.__file__).read()",
    "numpy": "import numpy as np; a = np.ones((300, 300)); assert (a @ a)[0, 0] == 300; np.linalg.svd(a)",
    "time": "import time; time.sleep(.01); time.perf_counter(); time.localtime()",
    "warnings": "import warnings; warnings.warn('careful')",
    "recursion": "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\nassert depth(900) == 900",
    "memory within the limit": "a = bytearray(200 << 20); a[::4096] = bytes(len(a) // 4096)",
    "pipes and waiting": "import select; r, w = os.pipe(); os.write(w, b'x'); assert select.select([r], [], [], 1)[0]",
    "looking for a file": "import pathlib; assert not pathlib.Path('/no/such').exists()",
    "alarm": "import signal; signal.signal(14, lambda *a: None); signal.setitimer(0, .01); signal.pause()",
    "faulthandler": "import faulthandler; faulthandler.enable()",
    "processor count": "assert os.cpu_count() and os.sched_getaffinity(0)",
}


@LINUX_ONLY
@pytest.mark.parametrize("name", HONEST)
def test_honest_work_is_not_hindered(name: str) -> None:
    """What ordinary exercises do works behind all walls."""
    assert confined(HONEST[name]).said.splitlines()[-1] == "done"


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_new_thread_call_is_absent_not_refused() -> None:
    """libc falls back to the older call at ENOSYS alone; at EPERM no thread would ever start."""
    attempt = RAW + "call(435, 0, 0)"
    assert confined(attempt).said.split()[1] == str(errno.ENOSYS)


# ---- levels and poor circumstances -------------------------------------------------------------------------


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
@pytest.mark.parametrize(
    "expected, without",
    [
        ("strong", set()),
        ("sealed", {"landlock"}),
        ("limited", {"seccomp"}),
        ("limited", {"landlock", "sealing"}),
        ("accident-only", {"landlock", "seccomp"}),
    ],
)
def test_level_follows_from_the_walls(expected: str, without: set[str]) -> None:
    """What is told of each wall names its mechanism or says OPEN."""
    outcome = confined("pass", without)
    assert outcome.level == expected
    assert set(outcome.walls) == {"files", "network", "processes", "memory", "identity", "kernel"}
    assert ("OPEN" in str(outcome.walls)) == (expected not in ("strong", "sealed"))


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
def test_sealed_worker_works_with_what_it_has(outside: Outside) -> None:
    """Threads and loaded modules work; nothing more is opened, not even what is readable elsewhere."""
    assert confined(
        "import threading; threading.Thread(target=print).start()", {"landlock"}, before="import threading"
    ).done
    assert confined("open(os.__file__)", {"landlock"}).said.split()[1] == str(errno.EACCES)


DOCKER = """
def outer(refused):
    steps = [(seccomp.LOAD, 0, 0, 0)]
    for number, error in refused:
        steps += [(seccomp.JUMP_IF_EQUAL, number, 0, 1), seccomp.deny(error)]
    kernel.no_new_privileges()
    seccomp.Program([*steps, seccomp.ALLOW]).install()
N = kernel.NUMBERS
"""
NAMES_DOCKER_REFUSES = (
    "unshare setns mount umount2 pivot_root keyctl add_key request_key bpf perf_event_open userfaultfd"
)


@LINUX_ONLY
@pytest.mark.usefixtures("strong")
@pytest.mark.parametrize(
    "expected, refused",
    [
        ("strong", f"[(N[n], 1) for n in {NAMES_DOCKER_REFUSES.split()}] + [(N['clone3'], 38)]"),
        ("sealed", "[(N['landlock_create_ruleset'], 1)]"),
        ("sealed", "[(N['landlock_restrict_self'], 1)]"),
        ("limited", "[(N['seccomp'], 1)]"),
        ("accident-only", "[(N['seccomp'], 1), (N['landlock_create_ruleset'], 38)]"),
    ],
)
def test_outer_filter_is_felt_and_told(expected: str, refused: str) -> None:
    """In a container with a filter of its own the level is what still holds, found by trying."""
    outcome = confined("import threading; threading.Thread(target=print).start()", before=DOCKER + f"outer({refused})",
                       readable=python_folders())  # fmt: skip
    assert outcome.level == expected
    assert outcome.done or expected == "sealed"


@LINUX_ONLY
def test_kernel_that_claims_more_than_it_takes_gets_less() -> None:
    """RHEL 9.6 names a version of Landlock without all of its rights: the next older one is used."""
    before = "landlock.LANDLOCK_RIGHTS[6] = ((1 << 60) - 1, 3, 3)"
    outcome = confined("os.listdir('/etc')", before=before)
    assert outcome.level != "strong" or "ABI 5" in outcome.walls["files"] and not outcome.done


@LINUX_ONLY
def test_machine_without_proc_still_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the largest resident size stands in, and the line on memory says so."""

    def no_proc(*args: object, **kwargs: object) -> None:
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", no_proc)
        status = sandbox.read_status()
    limits = sandbox._plan_limits(status, own_user=False)

    assert status == {} and limits.size_now is None and limits.data_now and limits.data_now > 1 << 20
    assert "/proc is not mounted" in sandbox._describe_memory(sandbox.Walls("strong", 1, limits=limits))


@LINUX_ONLY
def test_limits_of_the_shell_stay_and_are_told() -> None:
    """A lower limit from outside is kept, and the description names what it leaves."""
    before = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (400 << 20, 400 << 20))"
    outcome = confined(
        "import resource; assert resource.getrlimit(resource.RLIMIT_DATA)[1] <= 400 << 20", before=before
    )
    assert outcome.done
    assert re.search(r"this shell's ulimit leaves only 3\d\d MB", outcome.walls["memory"])


@LINUX_ONLY
def test_low_number_of_open_files_is_raised_or_refused_with_its_reason() -> None:
    """`ulimit -S -n 64` is no obstacle; `ulimit -H -n 100` is one, and the message says which."""
    soft = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 1000))"
    assert confined("pass", before=soft).done
    hard = command("pass", before="import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))")
    refused = subprocess.run(hard, capture_output=True, text=True, timeout=60)
    assert "at least 128 open files are needed (ulimit -n says 100)" in refused.stderr


def test_mistakes_in_the_call_are_named() -> None:
    """Only walls that exist can be taken away, and the whole disk is no readable folder."""
    with pytest.raises(ValueError, match="no such wall: seecomp"):
        sandbox.prepare([], without=frozenset({"seecomp"}))
    with pytest.raises(ValueError, match="the whole file system"):
        sandbox.prepare(["/usr/.."])


@LINUX_ONLY
def test_worker_started_as_a_process_of_its_own_raises_the_same_walls() -> None:
    """Where nothing can be forked safely, a worker prepares and confines itself and keeps its descriptors."""
    source = f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); from grader.worker.walls import sandbox as s\n"
    source += f"kept = os.dup(1); walls = s.prepare({python_folders()!r})\n"
    source += "s.confine_spawned(walls, memory_bytes=1 << 28, cpu_seconds=5)\n"
    source += "os.write(kept, walls.level.encode())\ntry: os.listdir('/etc')\nexcept OSError as e: print('', e.errno)"
    ended = subprocess.run(
        [sys.executable, "-I", "-B", "-c", source], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.split()[0] in ("strong", "sealed", "limited", "accident-only")
    assert ended.stdout.split()[0] != "strong" or ended.stdout.split()[1] == str(errno.EACCES)


ELSEWHERE = """
import ctypes, errno, os, re, signal, stat, struct, sys, dataclasses, itertools, operator
sys.path.insert(0, {root!r})
sys.modules.update(dict.fromkeys({absent!r}))
sys.platform = {platform!r}
os.name = {name!r}
from grader.worker.walls import sandbox as s
walls = s.prepare(["/usr/lib"])
assert walls.level == "accident-only", walls.level
assert "OPEN" in walls.describe()["files"] and "OPEN" in walls.describe()["network"], walls.describe()
s.protect_judge(); s.subreaper(); s.die_with_parent()
{then}
"""


@LINUX_ONLY
def test_module_works_where_nothing_exists() -> None:
    """Windows has neither limits nor walls: the level says so, and nothing fails."""
    source = ELSEWHERE.format(root=str(ROOT), absent=["resource", "fcntl"], platform="win32", name="nt",
                              then="s.confine(walls, memory_bytes=1, cpu_seconds=1)")  # fmt: skip
    subprocess.run([sys.executable, "-I", "-B", "-c", source], check=True, timeout=60)


@LINUX_ONLY
def test_mac_claims_nothing_that_was_not_seen_to_hold() -> None:
    """Where Seatbelt cannot be called, nothing is claimed for it."""
    then = "assert b'(subpath \"/usr/lib\")' in s.seatbelt.profile_for(['/usr/lib'], [])"
    source = ELSEWHERE.format(root=str(ROOT), absent=[], platform="darwin", name="posix", then=then)
    subprocess.run([sys.executable, "-I", "-B", "-c", source], check=True, timeout=60)
