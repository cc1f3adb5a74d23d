"""seccomp, the wall before the kernel: an allow-list of system calls, some of them by their arguments.

What is refused comes back as an error: a student sees PermissionError at their own line, not a dead process.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from grader.worker.walls.kernel import MACHINE, Call, make, no_new_privileges, prepared_syscall, proved, refused
from grader.worker.walls.syscalls import AUDIT_ARCH, TABLES

ALLOWED = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2
dup3 sendfile stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd chdir
fchdir getdents getdents64 statfs fstatfs fadvise64 umask fsync fdatasync poll ppoll select pselect6
epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2 mmap
munmap mprotect madvise brk mremap msync mincore mlock munlock membarrier set_mempolicy get_mempolicy mbind
futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list set_tid_address rseq restart_syscall
sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
sched_get_priority_min rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
sigaltstack pause alarm setitimer getitimer timer_settime timer_gettime timer_getoverrun
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
tkill rt_sigqueueinfo rt_tgsigqueueinfo timer_create pidfd_open pidfd_send_signal pidfd_getfd
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
TESTS = (JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_BITS)
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets of what a filter is shown
X32_BIT = 0x40000000
FARTHEST_SKIP = 255  # instructions that a test can skip by itself
SIGKILL = 9
OWN_PID = 0x7FFFFFFF  # stands for the child's number, which is known only after the fork


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("skip_if_true", ctypes.c_uint8),
        ("skip_if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Header(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.c_void_p))


Step = tuple[int, int, int, int]  # code, value, how many to skip if true, if false
ALLOW: Step = (RETURN, 0x7FFF0000, 0, 0)
KILL: Step = (RETURN, 0x80000000, 0, 0)


def _instruction(step: Step) -> _Instruction:
    code, value, skip_if_true, skip_if_false = step
    return _Instruction(code, skip_if_true, skip_if_false, value)


class Program:
    """An assembled filter, in memory as the kernel wants it; only the child's number is still to fill in."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.instructions = (_Instruction * len(steps))(*map(_instruction, steps))
        self.header = _Header(len(steps), ctypes.addressof(self.instructions))
        places = [place for place, step in enumerate(steps) if step[1] == OWN_PID]
        offset, size = _Instruction.value.offset, ctypes.sizeof(_Instruction)
        self.pid_slots = [ctypes.c_uint32.from_buffer(self.instructions, place * size + offset) for place in places]

    def fill_in(self) -> None:
        """The number of this process, which may signal itself and no other."""
        own = os.getpid()
        for slot in self.pid_slots:
            slot.value = own

    def calls(self) -> list[Call]:
        header = ctypes.addressof(self.header)
        install = prepared_syscall("seccomp", SECCOMP_SET_MODE_FILTER, SPECULATION_ALLOWED, header)
        return [("own pid", self.fill_in, ()), install]

    def install(self) -> None:
        """Last, for it also shuts the doors by which the other walls were raised."""
        make(self.calls())


def deny(number: int) -> Step:
    return (RETURN, 0x00050000 | number, 0, 0)


def _argument(index: int) -> Step:
    """The lower half of an argument: all those that are judged here are 32 bits wide."""
    return (LOAD, FIRST_ARGUMENT + 8 * index, 0, 0)


def _only(index: int, values: Sequence[int], otherwise: Step) -> list[Step]:
    tests = [(JUMP_IF_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    return [_argument(index), *tests, otherwise, ALLOW]


def _signals_to_itself(index: int) -> list[Step]:
    """Signals to this process alone, and no SIGKILL: whoever asks for that ends by SIGSYS.

    So a worker that ended by SIGKILL was killed by somebody else. (A timer would take any signal, from behind a
    pointer, and a lowered limit of CPU time ends in SIGKILL too: neither can be made.)
    """
    own = [_argument(0), (JUMP_IF_EQUAL, OWN_PID, 1, 0), deny(errno.EPERM)]
    return [*own, _argument(index), (JUMP_IF_EQUAL, SIGKILL, 0, 1), KILL, ALLOW]


def _reads_own_limits() -> list[Step]:
    """The limits of this process (any other number is another one of the same user: the judge), with none to set."""
    refuse, loads = deny(errno.EPERM), (_argument(0), *_pointer(2))
    return [*(step for load in loads for step in (load, (JUMP_IF_EQUAL, 0, 1, 0), refuse)), ALLOW]


def _pointer(index: int) -> list[Step]:
    """Both halves of an argument."""
    return [(LOAD, FIRST_ARGUMENT + 8 * index + half, 0, 0) for half in (0, 4)]


def _unless_bits(index: int, bits: int, otherwise: Step) -> list[Step]:
    return [_argument(index), (JUMP_IF_BITS, bits, 1, 0), ALLOW, otherwise]


def rules(sealed: bool) -> dict[str, list[Step]]:
    """System call -> what becomes of it. All that is not named gets ENOSYS, as from an older kernel."""
    refuse, absent = deny(errno.EPERM), deny(errno.ENOSYS)
    rules = {name: [ALLOW] for name in ALLOWED.split()}
    rules |= {name: [refuse] for name in FORBIDDEN.split()}
    rules |= {name: [deny(errno.EROFS)] for name in WRITES_FILES.split()}
    rules |= _rules_for_opening(sealed)
    return rules | {
        "clone": [_argument(0), (JUMP_IF_BITS, CLONE_THREAD, 0, 1), ALLOW, refuse],  # threads, no processes
        "clone3": [absent],  # flags behind a pointer; only at ENOSYS does libc make its threads by clone
        "kill": _signals_to_itself(1),
        "tgkill": _signals_to_itself(2),  # abort() needs it
        "prlimit64": _reads_own_limits(),
        "sched_setaffinity": _only(0, [0], refuse),
        "fcntl": _only(1, FCNTL_COMMANDS, refuse),  # no F_SETOWN (signals), no locks (a channel)
        "ioctl": _only(1, IOCTL_REQUESTS, deny(errno.ENOTTY)),
        "prctl": _only(0, PRCTL_OPTIONS, refuse),
    }


def _rules_for_opening(sealed: bool) -> dict[str, list[Step]]:
    """The flags of open lie in a register, so that writing is refused even where there is no Landlock."""
    read_only = deny(errno.EROFS)
    nothing = [deny(errno.EACCES)]
    return {
        "openat": nothing if sealed else _unless_bits(2, OPEN_FOR_WRITING, read_only),
        "open": nothing if sealed else _unless_bits(1, OPEN_FOR_WRITING, read_only),
        "openat2": [deny(errno.ENOSYS)],  # flags behind a pointer
    }


def assemble(machine: str, sealed: bool) -> list[Step]:
    """Kill what comes by another machine's gate (32 bit, x32: other numbers), then one test for each call."""
    steps = [(LOAD, ARCHITECTURE, 0, 0), (JUMP_IF_EQUAL, AUDIT_ARCH[machine], 1, 0), KILL]
    steps += [(LOAD, CALL_NUMBER, 0, 0)]
    if machine == "x86_64":
        steps += [(JUMP_IF_AT_LEAST, X32_BIT, 0, 1), KILL]
    return _with_shared_ends(steps + _search(_ranges(machine, sealed)))


def _ranges(machine: str, sealed: bool) -> list[tuple[int, list[Step]]]:
    """Where a range of numbers that are treated alike begins, and how; it ends where the next begins."""
    known = {TABLES[machine][name]: body for name, body in rules(sealed).items() if name in TABLES[machine]}
    absent = [deny(errno.ENOSYS)]
    by_number = [(number, known.get(number, absent)) for number in range(max(known) + 2)]
    return [next(group) for _, group in groupby(by_number, key=itemgetter(1))]


def _search(ranges: list[tuple[int, list[Step]]]) -> list[Step]:
    """A binary search: when a filter is installed, the kernel runs it once for every call there is."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    start = ranges[middle][0]
    if len(lower) <= FARTHEST_SKIP:
        return [(JUMP_IF_AT_LEAST, start, len(lower), 0), *lower, *upper]
    return [(JUMP_IF_AT_LEAST, start, 0, 1), (JUMP, len(lower), 0, 0), *lower, *upper]


def _with_shared_ends(steps: list[Step]) -> list[Step]:
    """The same program with each kind of return but once, at its end, as far as a test can skip: half the length.

    The kernel compiles the filter anew for every worker, so its length is time.
    """
    ends = sorted({step for step in steps if step[0] == RETURN})
    shared = {end: len(steps) + place for place, end in enumerate(ends)}
    goals = [
        tuple(shared.get(steps[goal], goal) for goal in after) if step[0] in TESTS else after
        for step, after in zip(steps, _goals(steps), strict=True)
    ]
    shorter = _without_the_unreached(steps + ends, goals + [()] * len(ends))
    farthest = max(max(step[2:]) for step in shorter)
    return shorter if farthest <= FARTHEST_SKIP else steps


def _goals(steps: list[Step]) -> list[tuple[int, ...]]:
    """Where each step may go on, as places in the program."""
    found: list[tuple[int, ...]] = []
    for place, (code, value, if_true, if_false) in enumerate(steps):
        after = place + 1
        found.append(
            () if code == RETURN else (after + value,) if code == JUMP
            else (after + if_true, after + if_false) if code in TESTS else (after,)
        )  # fmt: skip
    return found


def _reached(goals: list[tuple[int, ...]]) -> set[int]:
    """All that can be reached from the start; a program only ever goes forward."""
    found = {0}
    for place, after in enumerate(goals):
        if place in found:
            found.update(after)
    return found


def _without_the_unreached(steps: list[Step], goals: list[tuple[int, ...]]) -> list[Step]:
    places = sorted(_reached(goals))
    new = {old: place for place, old in enumerate(places)}
    made = []
    for old in places:
        (code, value, _, _), skips = steps[old], [new[goal] - new[old] - 1 for goal in goals[old]]
        if code == JUMP:
            made.append((code, skips[0], 0, 0))
        elif code in TESTS:
            made.append((code, value, skips[0], skips[1]))
        else:
            made.append(steps[old])
    return made


def build(sealed: bool) -> Program | None:
    """None where this kernel, or a filter around us, does not take one."""
    if MACHINE not in TABLES:
        return None
    program = Program(assemble(MACHINE, sealed))
    return program if proved(lambda: _seccomp_holds(program)) else None


def _seccomp_holds(program: Program) -> bool:
    """Making a folder that exists is called a read-only file system by the filter alone."""
    no_new_privileges()
    program.install()
    return refused(lambda: os.mkdir("/"), errno.EROFS)
