"""The walls around a worker: what a student's program may reach of the machine that grades it.

`prepare` runs once, in the zygote: it finds out by trying which walls this machine can raise and builds them
before any fork, down to a list of calls with their arguments. `confine` runs in each forked child and makes these
calls; the steps stand below in the order in which they are taken. Standard library and ctypes only, no root, no
namespace, no helper.
What each wall stops, and what none of them stops, is told in docs/security.md.
"""

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from grader.worker.walls import seatbelt
from grader.worker.walls.kernel import (
    LINUX,
    NUMBERS,
    POSIX,
    PR_SET_NO_NEW_PRIVS,
    Call,
    make,
    prctl,
    prepared,
    prepared_syscall,
    proved,
    read_status,
    syscall,
)

if POSIX:
    import resource

    from grader.worker.walls import landlock, seccomp

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
WALLS = frozenset({
    "session", "parent-death", "descriptors", "identity", "capabilities", "dumpable", "rlimits", "landlock",
    "sealing", "seccomp", "seatbelt",
})  # fmt: skip
FIRST_FREE = 5  # 0 nothing to read, 1 output, 2 errors, 3 requests, 4 replies
OPEN_FILES_NEEDED, MOST_DESCRIPTORS, LAST_DESCRIPTOR = 128, 65536, 0x7FFFFFFF


@dataclass(frozen=True)
class Walls:
    """The walls of one zygote, ready to be raised in each of its children."""

    level: str  # strong | sealed | limited | accident-only
    parent: int  # the zygote
    without: frozenset[str] = frozenset()
    limits: "_Limits | None" = None
    spare_user: "_SpareUser | None" = None
    ruleset: "landlock.Ruleset | None" = None
    program: "seccomp.Program | None" = None
    sealed: bool = False  # files cannot be opened at all: for want of Landlock, seccomp denies every open
    seatbelt: bytes | None = None
    separation: tuple[Call, ...] = ()  # what a forked child does first
    confinement: tuple[Call, ...] = ()  # what every worker does

    def describe(self) -> dict[str, str]:
        """One line for each thing that is walled off, saying what holds here."""
        return {
            "files": _describe_files(self),
            "network": _describe_network(self),
            "processes": _describe_processes(self),
            "memory": _describe_memory(self),
            "identity": _describe_identity(self),
            "kernel": _describe_kernel(self),
        }


def prepare(
    readable: Sequence[str],
    *,
    listable: Sequence[str] = (),
    without: frozenset[str] = frozenset(),
    _landlock_abi: int | None = None,
) -> Walls:
    """Find the walls this machine has and build them.

    `readable` are the folders and files a worker may read; of `listable` folders it may read the names alone.
    `without` takes walls away and `_landlock_abi` pretends an older kernel: both for tests only.
    """
    if unknown := without - WALLS:
        raise ValueError(f"no such wall: {', '.join(sorted(unknown))} (there are {', '.join(sorted(WALLS))})")
    if "/" in map(os.path.realpath, (*readable, *listable)):
        raise ValueError("the whole file system was named as readable; name the folders that a worker needs")
    if sys.platform == "darwin":
        return _prepare_macos(readable, listable, without)
    if not LINUX:
        return Walls("accident-only", os.getpid(), without)
    _make_room_for_descriptors()
    status = read_status()
    spare_user = None if "identity" in without else _find_spare_user(readable)
    ruleset = None if "landlock" in without else landlock.build(readable, listable, _landlock_abi)
    sealed = ruleset is None and "sealing" not in without
    program = None if "seccomp" in without else seccomp.build(sealed)
    walls = Walls(
        level=_level(ruleset is not None, program is not None, sealed),
        parent=os.getpid(),
        without=without,
        limits=_plan_limits(status, own_user=spare_user is not None and spare_user.first is not None),
        spare_user=spare_user,
        ruleset=ruleset,
        program=program,
        sealed=sealed and program is not None,
    )
    return _ready(walls, has_capabilities=int(status.get("CapPrm", "1"), 16) != 0)


def _ready(walls: Walls, has_capabilities: bool) -> Walls:
    """The walls with all their calls, in the order in which they have to be made."""
    separation: dict[str, list[Call]] = {
        "session": _leave_group(),
        "parent-death": _die_with(walls.parent),
        "descriptors": _close_descriptors(walls.ruleset),
    }
    confinement: dict[str, list[Call]] = {
        "identity": _leave_root(walls),
        "capabilities": _drop_capabilities(has_capabilities),
        "dumpable": [prepared("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)] if LINUX else [],
        "no-new-privileges": [prepared("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)] if LINUX else [],
        "rlimits": walls.limits.calls() if walls.limits else [],
        "landlock": landlock.calls(walls.ruleset) if walls.ruleset else [],
        "seccomp": walls.program.calls() if walls.program else [],
        "seatbelt": [("seatbelt", seatbelt.enforce, (walls.seatbelt,))],
    }
    kept = [[call for wall, calls in steps.items() if wall not in walls.without for call in calls]
            for steps in (separation, confinement)]  # fmt: skip
    return replace(walls, separation=tuple(kept[0]), confinement=tuple(kept[1]))


def _level(guards_files: bool, guards_calls: bool, sealed: bool) -> str:
    if guards_files and guards_calls:
        return "strong"
    if guards_calls and sealed:
        return "sealed"
    return "limited" if guards_files or guards_calls else "accident-only"


def confine(walls: Walls, *, memory_bytes: int, cpu_seconds: int) -> None:
    """Raise the walls around this process, for good: a fresh child with one thread and its pipes on 0 to 4.

    A step that fails raises OSError; the caller then ends the process and runs no student's code in the open.
    """
    make(walls.separation)
    confine_spawned(walls, memory_bytes=memory_bytes, cpu_seconds=cpu_seconds)


def confine_spawned(walls: Walls, *, memory_bytes: int, cpu_seconds: int) -> None:
    """The same for a worker that was started as a process of its own and has called `prepare` itself."""
    if walls.limits:
        walls.limits.fill_in(memory_bytes, cpu_seconds)
    make(walls.confinement)


# ---- 1 to 3: session, parent, descriptors ------------------------------------------------------------------


def _leave_group() -> list[Call]:
    """A process group of its own, and no terminal to push keystrokes into.

    A new session only where there is a terminal to leave: Linux gives each session a processor share of its own
    (autogroup), and on a busy machine moving into one takes several milliseconds.
    """
    return [prepared("setsid") if _has_terminal() else prepared("setpgid", 0, 0)]


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def die_with_parent(parent: int | None = None) -> None:
    """Let the kernel kill this process when its parent dies; end it now if the named parent is gone."""
    if not LINUX:
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None:
        _end_if_orphaned(parent)


def _die_with(parent: int) -> list[Call]:
    """The same for a child: the signal alone would miss a parent that died before it was asked for."""
    if not LINUX:
        return []
    return [prepared("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), ("parent", _end_if_orphaned, (parent,))]


def _end_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)


def _close_descriptors(ruleset: "landlock.Ruleset | None") -> list[Call]:
    """Close what came with the fork, other workers' pipes too; the ruleset is closed after its use."""
    gaps = _gaps(FIRST_FREE, [ruleset.descriptor] if ruleset else [])
    try:
        syscall("close_range", LAST_DESCRIPTOR, LAST_DESCRIPTOR, 0)
    except OSError:  # Linux before 5.9, macOS
        most = min(MOST_DESCRIPTORS, _hard_limit("NOFILE"))
        return [("descriptors", os.closerange, (first, min(last, most) + 1)) for first, last in gaps]
    return [prepared_syscall("close_range", first, last, 0) for first, last in gaps]


def _gaps(first: int, kept: Iterable[int]) -> Iterable[tuple[int, int]]:
    for number in sorted(kept):
        yield first, number - 1
        first = number + 1
    yield first, LAST_DESCRIPTOR


def _make_room_for_descriptors() -> None:
    """A shell may have lowered its limit; up to the hard limit it can be raised again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES_NEEDED:
        return
    if _hard_limit("NOFILE") < OPEN_FILES_NEEDED:
        raise OSError(
            errno.EMFILE, f"at least {OPEN_FILES_NEEDED} open files are needed (ulimit -n says {hard})"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_NEEDED, hard))


# ---- 4 and 5: root gives up being root ---------------------------------------------------------------------


@dataclass(frozen=True)
class _SpareUser:
    """User numbers that no account has, one for each worker; `first` is None if root has to stay root."""

    first: int | None
    reason: str = ""

    def number(self) -> int:
        return (self.first or 0) + os.getpid() % SPARE_USERS


FIRST_SPARE_USER, SPARE_USERS = 61184, 4096  # systemd's range for users that exist only while a program runs
CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
NO_CAPABILITIES = (ctypes.c_uint32 * 6)()


def _find_spare_user(readable: Sequence[str]) -> _SpareUser | None:
    """None for an ordinary user. Others cannot reach an interpreter in root's home: then root stays, bare."""
    if os.geteuid() != 0:
        return None
    paths = [path for path in readable if os.path.exists(path)]
    if proved(lambda: _become(FIRST_SPARE_USER) and all(map(_can_read, paths))):
        return _SpareUser(FIRST_SPARE_USER)
    if proved(lambda: _become(FIRST_SPARE_USER)):
        return _SpareUser(None, "no other user can read " + _first_private(paths))
    return _SpareUser(None, "this container has no spare user numbers")


def _become(user: int) -> bool:
    """Groups first: once the user is no longer root, they could not be given up."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    return True


def _can_read(path: str) -> bool:
    """Whether this user reads the path and, in a folder, its first level (a strict umask hides packages)."""
    if not os.path.isdir(path):
        return os.access(path, os.R_OK)
    return os.access(path, os.R_OK | os.X_OK) and all(
        os.access(entry.path, os.R_OK) for entry in os.scandir(path) if not entry.is_symlink()
    )


def _first_private(paths: Sequence[str]) -> str:
    def is_open(path: str) -> bool:
        return proved(lambda: _become(FIRST_SPARE_USER) and _can_read(path))

    return next(path for path in paths if not is_open(path))


def _leave_root(walls: Walls) -> list[Call]:
    """Become a user who owns nothing. The kernel then forgets the parent-death signal, so set it again."""
    if walls.spare_user is None or walls.spare_user.first is None:
        return []
    again = [] if "parent-death" in walls.without else [("parent-death", _die_again, (walls.parent,))]
    return [("identity", _become_spare_user, (walls.spare_user,)), *again]


def _become_spare_user(spare_user: _SpareUser) -> None:
    _become(spare_user.number())


def _die_again(parent: int) -> None:
    die_with_parent(None if parent == os.getpid() else parent)


def _drop_capabilities(has_some: bool) -> list[Call]:
    """Root has dangerous powers even in a container; without capabilities user 0 is an ordinary user.

    The bounding set may stay as it is: after `no_new_privs` no program started later gains what is given up.
    """
    given_up = (ctypes.addressof(CAPABILITY_HEADER), ctypes.addressof(NO_CAPABILITIES))
    return [prepared("capset", *given_up)] if has_some and LINUX else []


# ---- 6: no memory for others to read, no new privileges ----------------------------------------------------


def protect_judge() -> None:
    """Nobody of the same user may trace this process or read its memory (judge, zygote, and worker alike)."""
    if LINUX:
        prctl(PR_SET_DUMPABLE, 0)


def subreaper() -> None:
    """Orphans come to this process to be reaped: in a container process 1 often never does."""
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)


# ---- 7: resources ------------------------------------------------------------------------------------------

GIGABYTE, MEGABYTE = 1 << 30, 1 << 20
UNLIMITED = sys.maxsize
RLIM_T = ctypes.c_uint64 if sys.platform == "darwin" else ctypes.c_ulong
MOST_THREADS = 256  # counted for each user, hence only of use where a worker has a user of its own
FIXED_LIMITS = {"CORE": 0, "FSIZE": 0, "NOFILE": 64, "MEMLOCK": 0, "MSGQUEUE": 0, "STACK": 64 * MEGABYTE}


def _hard_limit(name: str) -> int:
    """The highest value that is still allowed; 0 for a limit this system does not know."""
    number = getattr(resource, f"RLIMIT_{name}", None)
    hard = 0 if number is None else resource.getrlimit(number)[1]
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard


class _Pair(ctypes.Structure):
    """struct rlimit: the soft and the hard limit."""

    _fields_ = (("soft", RLIM_T), ("hard", RLIM_T))


@dataclass(frozen=True)
class _Limits:
    """What is known before a fork: the limits that never vary; where memory stands; ceilings from outside."""

    fixed: tuple[tuple[int, int], ...]
    data_now: int | None
    size_now: int | None
    most_data: int
    most_size: int
    most_seconds: int
    pairs: dict[int, _Pair] = field(default_factory=dict)  # number -> the limit, where the call looks for it

    def calls(self) -> list[Call]:
        """One for each limit; those that vary are filled in by the child."""
        self.pairs.update({number: _Pair(value, value) for number, value in self.fixed})
        varying = (self.data_now is not None, "DATA"), (self.size_now is not None, "AS"), (True, "CPU")
        self.pairs.update({getattr(resource, f"RLIMIT_{name}"): _Pair() for known, name in varying if known})
        return [prepared("setrlimit", number, ctypes.addressof(pair)) for number, pair in self.pairs.items()]

    def fill_in(self, memory_bytes: int, cpu_seconds: int) -> None:
        """Private data is limited tightly, address space loosely: most of what threads take is only reserved."""
        if self.data_now is not None:
            self._set(resource.RLIMIT_DATA, self.data_now + memory_bytes, self.most_data)
        if self.size_now is not None:
            self._set(resource.RLIMIT_AS, self.size_now + 2 * memory_bytes + GIGABYTE, self.most_size)
        # at the limit of CPU time comes a signal, which can be caught; a second later the end
        self._set(resource.RLIMIT_CPU, cpu_seconds, self.most_seconds, later=1)

    def _set(self, number: int, value: int, most: int, later: int = 0) -> None:
        pair = self.pairs[number]
        pair.soft, pair.hard = min(value, most), min(value + later, most)


def _plan_limits(status: dict[str, str], own_user: bool) -> _Limits:
    """Without /proc the largest resident size stands in for the data, and address space stays unlimited."""
    wanted = FIXED_LIMITS | ({"NPROC": MOST_THREADS} if own_user else {})
    known = [name for name in wanted if hasattr(resource, f"RLIMIT_{name}")]
    fixed = [(getattr(resource, f"RLIMIT_{name}"), min(wanted[name], _hard_limit(name))) for name in known]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 if LINUX else None
    data, size = (
        int(status[key].split()[0]) << 10 if key in status else None for key in ("VmData", "VmSize")
    )
    ceilings = (_hard_limit("DATA"), _hard_limit("AS"), _hard_limit("CPU"))
    return _Limits(tuple(fixed), resident if data is None else data, size, *ceilings)


# ---- macOS: Seatbelt ---------------------------------------------------------------------------------------


def _prepare_macos(readable: Sequence[str], listable: Sequence[str], without: frozenset[str]) -> Walls:
    """Seatbelt's interface is deprecated and was never documented: it counts only if it is seen to hold."""
    profile = seatbelt.profile_for(readable, listable)
    held = "seatbelt" not in without and proved(lambda: seatbelt.holds(profile))
    level = "limited" if held else "accident-only"
    limits = _plan_limits({}, own_user=False)
    walls = Walls(level, os.getpid(), without, limits=limits, seatbelt=profile if held else None)
    return _ready(walls, has_capabilities=False)


# ---- what holds, in words ----------------------------------------------------------------------------------


def _describe_files(walls: Walls) -> str:
    if walls.ruleset:
        return f"Landlock ABI {walls.ruleset.abi}: reads the Python folders alone, writes nowhere"
    if walls.sealed:
        return "seccomp: no file can be opened, for want of Landlock; all that is needed is loaded before"
    if walls.program:
        return "OPEN for reading; seccomp: writes nowhere"
    return "Seatbelt: reads the Python folders, writes nowhere" if walls.seatbelt else "OPEN"


def _describe_network(walls: Walls) -> str:
    if walls.program:
        return "seccomp: no sockets"
    if walls.ruleset and walls.ruleset.abi >= 4:
        return "Landlock: no TCP; the rest is OPEN"
    return "Seatbelt: closed" if walls.seatbelt else "OPEN"


def _describe_processes(walls: Walls) -> str:
    if walls.program:
        return "seccomp: threads but no processes or programs, signals to itself only"
    return "Seatbelt: no processes or programs" if walls.seatbelt else "OPEN; the judge kills what it started"


def _describe_memory(walls: Walls) -> str:
    limits = walls.limits
    if limits is None or limits.data_now is None or "rlimits" in walls.without:
        return "watched by the judge only"
    held = "RLIMIT_DATA and RLIMIT_AS above what the worker starts with, and watched by the judge"
    if limits.size_now is None:
        held = "RLIMIT_DATA, estimated: /proc is not mounted"
    if min(limits.most_data, limits.most_size) == UNLIMITED:
        return held
    left = min(limits.most_data - limits.data_now, limits.most_size - (limits.size_now or 0))
    return f"{held}; this shell's ulimit leaves only {max(0, left) >> 20} MB"


def _describe_identity(walls: Walls) -> str:
    if not POSIX:
        return "the user's own"
    if walls.spare_user is None:
        return f"user {os.geteuid()}, the caller's own"
    if walls.spare_user.first is None:
        return f"user 0 without capabilities: {walls.spare_user.reason}"
    first = walls.spare_user.first
    return f"a user of its own ({first} to {first + SPARE_USERS - 1}) without capabilities"


def _describe_kernel(walls: Walls) -> str:
    if not walls.program:
        return "OPEN: all system calls" if walls.level != "limited" or walls.ruleset else "Seatbelt's default"
    free = len(set(seccomp.ALLOWED.split()) & set(NUMBERS))
    return f"seccomp: {free} system calls freely, 12 by their arguments, all others refused"
