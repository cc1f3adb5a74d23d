"""The walls around a worker: what a student's program may reach of the machine that grades it.

`prepare` runs once, in the zygote: it finds out by trying which walls this machine can raise and builds them
before any fork as far as possible. `confine` runs in each forked child and raises them; the steps stand below
in the order in which they are taken. Standard library and ctypes only, no root, no namespace, no helper.
What each wall stops, and what none of them stops, is told in docs/security.md.
"""

import ctypes
import errno
import os
import signal
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from grader.worker.syscalls import AUDIT_ARCH, TABLES

try:
    import fcntl
    import resource

    POSIX = os.name == "posix"
except ImportError:  # Windows
    POSIX = False

LINUX = POSIX and sys.platform.startswith("linux")
WALLS = frozenset({
    "session", "parent-death", "descriptors", "identity", "capabilities", "dumpable", "rlimits", "landlock",
    "sealing", "seccomp", "seatbelt",
})  # fmt: skip
FIRST_FREE = 5  # 0 nothing to read, 1 output, 2 errors, 3 requests, 4 replies
RULESET_FLOOR = 100  # the ruleset's descriptor lies above the numbers a worker's pipes are moved through
OPEN_FILES_NEEDED, MOST_DESCRIPTORS = 128, 65536


@dataclass(frozen=True)
class Walls:
    """The walls of one zygote, ready to be raised in each of its children."""

    level: str  # strong | sealed | limited | accident-only
    parent: int  # the zygote
    without: frozenset[str] = frozenset()
    has_terminal: bool = True
    has_capabilities: bool = False
    limits: "_Limits | None" = None
    spare_user: "_SpareUser | None" = None
    ruleset: "_Ruleset | None" = None
    program: "_Program | None" = None
    sealed: bool = False  # files cannot be opened at all: for want of Landlock, seccomp denies every open
    seatbelt: bytes | None = None

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
    status = _read_status()
    spare_user = None if "identity" in without else _find_spare_user(readable)
    ruleset = None if "landlock" in without else _build_ruleset(readable, listable, _landlock_abi)
    sealed = ruleset is None and "sealing" not in without
    program = None if "seccomp" in without else _build_program(sealed)
    return Walls(
        level=_level(ruleset is not None, program is not None, sealed),
        parent=os.getpid(),
        without=without,
        has_terminal=_has_terminal(),
        has_capabilities=int(status.get("CapPrm", "1"), 16) != 0,
        limits=_plan_limits(status, own_user=spare_user is not None and spare_user.first is not None),
        spare_user=spare_user,
        ruleset=ruleset,
        program=program,
        sealed=sealed and program is not None,
    )


def _level(landlock: bool, seccomp: bool, sealed: bool) -> str:
    if landlock and seccomp:
        return "strong"
    if seccomp and sealed:
        return "sealed"
    return "limited" if landlock or seccomp else "accident-only"


def confine(walls: Walls, *, memory_bytes: int, cpu_seconds: int) -> None:
    """Raise the walls around this process, for good: a fresh child with one thread and its pipes on 0 to 4.

    A step that fails raises OSError; the caller then ends the process and runs no student's code in the open.
    """
    if not POSIX:
        return
    _raise(walls, {
        "session": lambda: _leave_group(walls.has_terminal),
        "parent-death": lambda: die_with_parent(walls.parent),
        "descriptors": lambda: _close_descriptors(walls.ruleset),
    })  # fmt: skip
    confine_spawned(walls, memory_bytes=memory_bytes, cpu_seconds=cpu_seconds)


def confine_spawned(walls: Walls, *, memory_bytes: int, cpu_seconds: int) -> None:
    """The same for a worker that was started as a process of its own and has called `prepare` itself."""
    if not POSIX:
        return
    _raise(walls, {
        "identity": lambda: _leave_root(walls),
        "capabilities": lambda: _drop_capabilities(walls.has_capabilities),
        "dumpable": protect_judge,
        "no-new-privileges": _no_new_privileges,
        "rlimits": lambda: _limit_resources(walls.limits, memory_bytes, cpu_seconds),
        "landlock": lambda: _raise_landlock(walls.ruleset),
        "seccomp": lambda: _raise_seccomp(walls.program),
        "seatbelt": lambda: _raise_seatbelt(walls.seatbelt),
    })  # fmt: skip


def _raise(walls: Walls, steps: dict[str, Callable[[], None]]) -> None:
    for wall, step in steps.items():
        if wall not in walls.without:
            step()


# ---- the kernel's door -------------------------------------------------------------------------------------

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
MACHINE = os.uname().machine if LINUX and struct.calcsize("P") == 8 else ""
NUMBERS: dict[str, int] = TABLES.get(MACHINE, {})

if LINUX:
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.syscall.restype = ctypes.c_long
    _libc.syscall.argtypes = [ctypes.c_long] * 7
    _libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def _syscall(name: str, *arguments: int) -> int:
    """One system call by name; OSError as from `os`, ENOSYS also where this machine has no number for it."""
    if name not in NUMBERS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    padded = arguments + (0,) * (6 - len(arguments))
    return _checked(_libc.syscall(NUMBERS[name], *padded), name)


def _prctl(option: int, first: int = 0, second: int = 0) -> int:
    return _checked(_libc.prctl(option, first, second, 0, 0), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _proved(attempt: Callable[[], bool]) -> bool:
    """Whether `attempt` ends in True in a throw-away child: walls are tried, never guessed from a version."""
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = attempt()
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def _refused(action: Callable[[], object], *numbers: int) -> bool:
    try:
        action()
    except OSError as refusal:
        return refusal.errno in numbers
    return False


def _read_status() -> dict[str, str]:
    """What /proc says of this process, read once; nothing where it is not mounted."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return {}


# ---- 1 to 3: session, parent, descriptors ------------------------------------------------------------------


def _leave_group(has_terminal: bool) -> None:
    """A process group of its own, and no terminal to push keystrokes into.

    A new session only where there is a terminal to leave: Linux gives each session a processor share of its own
    (autogroup), and on a busy machine moving into one takes several milliseconds.
    """
    if has_terminal:
        os.setsid()
    else:
        os.setpgid(0, 0)


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
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def _close_descriptors(ruleset: "_Ruleset | None") -> None:
    """Close what came with the fork, other workers' pipes too; the ruleset is closed after its use."""
    kept = [ruleset.descriptor] if ruleset else []
    for first, last in _gaps(FIRST_FREE, kept):
        try:
            _syscall("close_range", first, last, 0)
        except OSError:  # Linux before 5.9, macOS
            os.closerange(first, min(last, MOST_DESCRIPTORS, _hard_limit("NOFILE")) + 1)


def _gaps(first: int, kept: Iterable[int]) -> Iterable[tuple[int, int]]:
    for number in sorted(kept):
        yield first, number - 1
        first = number + 1
    yield first, 0x7FFFFFFF


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
    if _proved(lambda: _become(FIRST_SPARE_USER) and all(map(_can_read, paths))):
        return _SpareUser(FIRST_SPARE_USER)
    if _proved(lambda: _become(FIRST_SPARE_USER)):
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
        return _proved(lambda: _become(FIRST_SPARE_USER) and _can_read(path))

    return next(path for path in paths if not is_open(path))


def _leave_root(walls: Walls) -> None:
    """Become a user who owns nothing. The kernel then forgets the parent-death signal, so set it again."""
    if walls.spare_user is None or walls.spare_user.first is None:
        return
    _become(walls.spare_user.number())
    if "parent-death" not in walls.without:
        die_with_parent(None if walls.parent == os.getpid() else walls.parent)


def _drop_capabilities(has_some: bool) -> None:
    """Root has dangerous powers even in a container; without capabilities user 0 is an ordinary user.

    The bounding set may stay as it is: after `no_new_privs` no program started later gains what is given up.
    """
    if has_some:
        _syscall("capset", ctypes.addressof(CAPABILITY_HEADER), ctypes.addressof(NO_CAPABILITIES))


# ---- 6: no memory for others to read, no new privileges ----------------------------------------------------


def protect_judge() -> None:
    """Nobody of the same user may trace this process or read its memory (judge, zygote, and worker alike)."""
    if LINUX:
        _prctl(PR_SET_DUMPABLE, 0)


def subreaper() -> None:
    """Orphans come to this process to be reaped: in a container process 1 often never does."""
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _no_new_privileges() -> None:
    """No program that is started may win anything back; the kernel demands this before the last two walls."""
    if LINUX:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)


# ---- 7: resources ------------------------------------------------------------------------------------------

GIGABYTE, MEGABYTE = 1 << 30, 1 << 20
UNLIMITED = sys.maxsize
MOST_THREADS = 256  # counted for each user, hence only of use where a worker has a user of its own
FIXED_LIMITS = {"CORE": 0, "FSIZE": 0, "NOFILE": 64, "MEMLOCK": 0, "MSGQUEUE": 0, "STACK": 64 * MEGABYTE}


def _hard_limit(name: str) -> int:
    """The highest value that is still allowed; 0 for a limit this system does not know."""
    number = getattr(resource, f"RLIMIT_{name}", None)
    hard = 0 if number is None else resource.getrlimit(number)[1]
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard


@dataclass(frozen=True)
class _Limits:
    """What is known before a fork: the limits that never vary; where memory stands; ceilings from outside."""

    fixed: tuple[tuple[int, int], ...]
    data_now: int | None
    size_now: int | None
    most_data: int
    most_size: int
    most_seconds: int


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


def _limit_resources(limits: _Limits | None, memory_bytes: int, cpu_seconds: int) -> None:
    """Private data is limited tightly, address space loosely: most of what threads take is only reserved."""
    if limits is None:
        return
    for number, value in limits.fixed:
        resource.setrlimit(number, (value, value))
    if limits.data_now is not None:
        data = min(limits.data_now + memory_bytes, limits.most_data)
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    if limits.size_now is not None:
        size = min(limits.size_now + 2 * memory_bytes + GIGABYTE, limits.most_size)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    seconds = min(
        cpu_seconds, limits.most_seconds
    )  # then a signal, which can be caught; a second later the end
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, min(cpu_seconds + 1, limits.most_seconds)))


# ---- 8: Landlock, the wall before the files ----------------------------------------------------------------

READ_FILE, READ_DIR = 1 << 2, 1 << 3
RULE_PATH_BENEATH = 1
CREATE_RULESET_VERSION = 1
# What each version of Landlock forbids: file rights, TCP (bind, connect), scope (abstract sockets, signals).
LANDLOCK_RIGHTS = {
    1: ((1 << 13) - 1, 0, 0),
    2: ((1 << 14) - 1, 0, 0),  # + moving files between folders
    3: ((1 << 15) - 1, 0, 0),  # + truncating
    4: ((1 << 15) - 1, 3, 0),
    5: ((1 << 16) - 1, 3, 0),  # + ioctl on devices
    6: ((1 << 16) - 1, 3, 3),
}


@dataclass(frozen=True)
class _Ruleset:
    descriptor: int
    abi: int


def _build_ruleset(
    readable: Sequence[str], listable: Sequence[str], abi_limit: int | None
) -> _Ruleset | None:
    """The ruleset to read beneath `readable` and write nowhere, or None where that does not hold."""
    try:
        newest = _syscall("landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION)
    except OSError:  # ENOSYS, EOPNOTSUPP (not switched on at boot), EPERM (an outer filter)
        return None
    ruleset = _newest_ruleset(min(newest, abi_limit or newest))
    if ruleset is None:
        return None
    for paths, rights in ((readable, READ_FILE | READ_DIR), (listable, READ_DIR)):
        for path in paths:
            _allow(ruleset.descriptor, path, rights)
    return ruleset if _proved(lambda: _landlock_holds(ruleset)) else None


def _newest_ruleset(limit: int) -> _Ruleset | None:
    """A kernel may claim a version and refuse some of its rights (RHEL 9.6 does): then the next older one."""
    for abi in sorted(LANDLOCK_RIGHTS, reverse=True):
        descriptor = _create_ruleset(abi) if abi <= limit else None
        if descriptor is not None:
            return _Ruleset(descriptor, abi)
    return None


def _create_ruleset(abi: int) -> int | None:
    size = 8 if abi < 4 else 16 if abi < 6 else 24  # older kernels refuse a structure they do not know whole
    attributes = (ctypes.c_uint64 * 3)(*LANDLOCK_RIGHTS[abi])
    try:
        return _out_of_the_way(_syscall("landlock_create_ruleset", ctypes.addressof(attributes), size, 0))
    except OSError:
        return None


def _out_of_the_way(descriptor: int) -> int:
    """Move the descriptor above the numbers that a child's pipes are moved through."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, RULESET_FLOOR)
    os.close(descriptor)
    return moved


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Reading only. Running programs is left out: no worker needs it, and seccomp refuses it as well."""
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be opened
    try:
        is_folder = stat.S_ISDIR(os.fstat(target).st_mode)
        rule = ctypes.create_string_buffer(
            struct.pack("=Qi", rights if is_folder else READ_FILE, target), 12
        )
        _syscall("landlock_add_rule", ruleset, RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(target)


def _landlock_holds(ruleset: _Ruleset) -> bool:
    _no_new_privileges()
    _raise_landlock(ruleset)
    return _refused(lambda: os.listdir("/"), errno.EACCES)


def _raise_landlock(ruleset: _Ruleset | None) -> None:
    """Each worker gets a domain of its own, so that two of them can neither trace nor signal each other."""
    if ruleset:
        _syscall("landlock_restrict_self", ruleset.descriptor, 0)
        os.close(ruleset.descriptor)


# ---- 9: seccomp, the wall before the kernel ----------------------------------------------------------------
# An allow-list. What is refused comes back as an error: a student sees PermissionError at their own line.

ALLOWED = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2
dup3 sendfile stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd chdir
fchdir getdents getdents64 statfs fstatfs fadvise64 umask fsync fdatasync poll ppoll select pselect6
epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2 mmap
munmap mprotect madvise brk mremap msync mincore mlock munlock membarrier set_mempolicy get_mempolicy mbind
futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list set_tid_address rseq restart_syscall
sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
sched_get_priority_min rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
sigaltstack pause alarm setitimer getitimer timer_create timer_settime timer_gettime timer_getoverrun
timer_delete clock_gettime nanosleep clock_nanosleep clock_getres gettimeofday time times getrandom uname
sysinfo getrusage getrlimit getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid
getresgid getpgrp getpgid getsid getcpu capget arch_prctl exit exit_group wait4 waitid
"""

WRITES_FILES = """
creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
mknod mknodat truncate ftruncate fallocate copy_file_range chmod fchmod fchmodat fchmodat2
chown fchown lchown fchownat utime utimes futimesat utimensat
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""

FORBIDDEN = """
fork vfork execve execveat socket socketpair ptrace memfd_create setsid setpgid
tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal pidfd_getfd
process_vm_readv process_vm_writev setpriority sched_setscheduler setuid setgid setresuid setresgid setgroups
mount umount2 unshare setns chroot pivot_root bpf perf_event_open userfaultfd io_uring_setup reboot
keyctl add_key request_key shmget semget msgget mq_open
"""

CLONE_THREAD = 0x10000  # never a new process, nor, by the kernel's own rules, a namespace to any effect
O_TMPFILE_BIT = 0o20000000
OPEN_FOR_WRITING = O_TMPFILE_BIT | 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000  # WRONLY, RDWR, CREAT, TRUNC, APPEND
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030, 1032)  # DUPFD GETFD SETFD GETFL SETFL DUPFD_CLOEXEC GETPIPE_SZ
# TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
IOCTL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# SET_NAME GET_NAME GET_DUMPABLE GET_SECCOMP CAPBSET_READ GET_SECUREBITS GET_NO_NEW_PRIVS SVE_GET_VL SET_VMA
PRCTL_OPTIONS = (15, 16, 3, 21, 23, 27, 39, 51, 0x53564D41)

SECCOMP_SET_MODE_FILTER, SPECULATION_ALLOWED = 1, 4
LOAD, JUMP, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_BITS, RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets of what a filter is shown
X32_BIT = 0x40000000
OWN_PID = 0x7FFFFFFF  # stands for the child's number, which is known only after the fork


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("skip_if_true", ctypes.c_uint8),
        ("skip_if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _ProgramHeader(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.c_void_p))


Step = tuple[int, int, int, int]  # code, value, how many to skip if true, if false
ALLOW: Step = (RETURN, 0x7FFF0000, 0, 0)
KILL: Step = (RETURN, 0x80000000, 0, 0)


def _instruction(step: Step) -> _Instruction:
    code, value, skip_if_true, skip_if_false = step
    return _Instruction(code, skip_if_true, skip_if_false, value)


class _Program:
    """An assembled filter, in memory as the kernel wants it; only the child's number is still to fill in."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.instructions = (_Instruction * len(steps))(*map(_instruction, steps))
        self.header = _ProgramHeader(len(steps), ctypes.addressof(self.instructions))
        self.pid_slots = [place for place, step in enumerate(steps) if step[1] == OWN_PID]

    def install(self) -> None:
        for place in self.pid_slots:
            self.instructions[place].value = os.getpid()
        _syscall("seccomp", SECCOMP_SET_MODE_FILTER, SPECULATION_ALLOWED, ctypes.addressof(self.header))


def _deny(number: int) -> Step:
    return (RETURN, 0x00050000 | number, 0, 0)


def _argument(index: int) -> Step:
    """The lower half of an argument: all those that are judged here are 32 bits wide."""
    return (LOAD, FIRST_ARGUMENT + 8 * index, 0, 0)


def _only(index: int, values: Sequence[int], otherwise: Step) -> list[Step]:
    tests = [(JUMP_IF_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return [_argument(index), *tests, otherwise, ALLOW]


def _unless_bits(index: int, bits: int, otherwise: Step) -> list[Step]:
    return [_argument(index), (JUMP_IF_BITS, bits, 1, 0), ALLOW, otherwise]


def _rules(sealed: bool) -> dict[str, list[Step]]:
    """System call -> what becomes of it. All that is not named gets ENOSYS, as from an older kernel."""
    refuse, absent = _deny(errno.EPERM), _deny(errno.ENOSYS)
    rules = {name: [ALLOW] for name in ALLOWED.split()}
    rules |= {name: [refuse] for name in FORBIDDEN.split()}
    rules |= {name: [_deny(errno.EROFS)] for name in WRITES_FILES.split()}
    rules |= _rules_for_opening(sealed)
    return rules | {
        "clone": [_argument(0), (JUMP_IF_BITS, CLONE_THREAD, 0, 1), ALLOW, refuse],  # threads, no processes
        "clone3": [absent],  # flags behind a pointer; only at ENOSYS does libc make its threads by clone
        "kill": _only(0, [OWN_PID], refuse),
        "tgkill": _only(0, [OWN_PID], refuse),  # abort() needs it
        "prlimit64": _only(0, [0], refuse),  # any other number is another process of the same user: the judge
        "sched_setaffinity": _only(0, [0], refuse),
        "fcntl": _only(1, FCNTL_COMMANDS, refuse),  # no F_SETOWN (signals), no locks (a channel)
        "ioctl": _only(1, IOCTL_REQUESTS, _deny(errno.ENOTTY)),
        "prctl": _only(0, PRCTL_OPTIONS, refuse),
    }


def _rules_for_opening(sealed: bool) -> dict[str, list[Step]]:
    """The flags of open lie in a register, so that writing is refused even where there is no Landlock."""
    read_only = _deny(errno.EROFS)
    nothing = [_deny(errno.EACCES)]
    return {
        "openat": nothing if sealed else _unless_bits(2, OPEN_FOR_WRITING, read_only),
        "open": nothing if sealed else _unless_bits(1, OPEN_FOR_WRITING, read_only),
        "openat2": [_deny(errno.ENOSYS)],  # flags behind a pointer
    }


def _assemble(machine: str, sealed: bool) -> list[Step]:
    """Kill what comes by another machine's gate (32 bit, x32: other numbers), then one test for each call."""
    steps = [(LOAD, ARCHITECTURE, 0, 0), (JUMP_IF_EQUAL, AUDIT_ARCH[machine], 1, 0), KILL]
    steps += [(LOAD, CALL_NUMBER, 0, 0)]
    if machine == "x86_64":
        steps += [(JUMP_IF_AT_LEAST, X32_BIT, 0, 1), KILL]
    return steps + _search(_ranges(machine, sealed))


def _ranges(machine: str, sealed: bool) -> list[tuple[int, list[Step]]]:
    """Where a range of numbers that are treated alike begins, and how; it ends where the next begins."""
    known = {TABLES[machine][name]: body for name, body in _rules(sealed).items() if name in TABLES[machine]}
    absent = [_deny(errno.ENOSYS)]
    by_number = [(number, known.get(number, absent)) for number in range(max(known) + 2)]
    return [next(group) for _, group in groupby(by_number, key=itemgetter(1))]


def _search(ranges: list[tuple[int, list[Step]]]) -> list[Step]:
    """A binary search: when a filter is installed, the kernel runs it once for every call there is."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    return [(JUMP_IF_AT_LEAST, ranges[middle][0], 0, 1), (JUMP, len(lower), 0, 0), *lower, *upper]


def _build_program(sealed: bool) -> _Program | None:
    """None where this kernel, or a filter around us, does not take one."""
    if MACHINE not in TABLES:
        return None
    program = _Program(_assemble(MACHINE, sealed))
    return program if _proved(lambda: _seccomp_holds(program)) else None


def _seccomp_holds(program: _Program) -> bool:
    """Making a folder that exists is called a read-only file system by the filter alone."""
    _no_new_privileges()
    _raise_seccomp(program)
    return _refused(lambda: os.mkdir("/"), errno.EROFS)


def _raise_seccomp(program: _Program | None) -> None:
    """Last, for it also shuts the doors by which the other walls were raised."""
    if program:
        program.install()


# ---- macOS: Seatbelt ---------------------------------------------------------------------------------------

SEATBELT_RULES = """(version 1)(allow default)(deny network*)(deny file-write*)
(deny process-fork)(deny process-exec*)(deny signal)(allow signal (target self))
(deny file-read-data)(allow file-read-data {folders})"""
SYSTEM_FOLDERS = ("/usr/lib", "/System/Library", "/dev/null", "/dev/urandom", "/private/var/db/timezone")


def _prepare_macos(readable: Sequence[str], listable: Sequence[str], without: frozenset[str]) -> Walls:
    """Seatbelt's interface is deprecated and was never documented: it counts only if it is seen to hold."""
    profile = _seatbelt_profile(readable, listable)
    held = "seatbelt" not in without and _proved(lambda: _seatbelt_holds(profile))
    level = "limited" if held else "accident-only"
    limits = _plan_limits({}, own_user=False)
    return Walls(level, os.getpid(), without, limits=limits, seatbelt=profile if held else None)


def _seatbelt_profile(readable: Sequence[str], listable: Sequence[str]) -> bytes:
    """Whole folders by `subpath`; by `literal` the names in a folder alone."""
    kinds = (("subpath", (*readable, *SYSTEM_FOLDERS)), ("literal", listable))
    folders = " ".join(f'({kind} "{_quoted(path)}")' for kind, paths in kinds for path in paths)
    return SEATBELT_RULES.format(folders=folders).encode()


def _quoted(path: str) -> str:
    return os.path.realpath(path).replace("\\", "\\\\").replace('"', '\\"')


def _seatbelt_holds(profile: bytes) -> bool:
    """Reading and the network are refused, and an honest program still finds its library."""
    import socket

    _raise_seatbelt(profile)
    import wave  # noqa: F401 - not loaded before, so it has to be read from the disk

    attempts = (lambda: os.listdir("/"), lambda: socket.create_connection(("127.0.0.1", 9)))
    return all(_refused(attempt, errno.EPERM, errno.EACCES) for attempt in attempts)


def _raise_seatbelt(profile: bytes | None) -> None:
    if profile is None:
        return
    system = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    message = ctypes.c_char_p()
    if system.sandbox_init(profile, ctypes.c_uint64(0), ctypes.byref(message)) != 0:
        raise OSError(errno.EPERM, f"Seatbelt refused the profile: {message.value!r}")


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
    free = len(set(ALLOWED.split()) & set(NUMBERS))
    return f"seccomp: {free} system calls freely, 12 by their arguments, all others refused"
