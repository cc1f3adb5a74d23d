"""The kernel's door: system calls by name, and trials in children that are thrown away."""

import ctypes
import errno
import functools
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

from grader.worker.walls.syscalls import TABLES

PR_SET_NO_NEW_PRIVS = 38
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")  # for the sake of an exception
Call = tuple[str, Callable[..., int | None], tuple[Any, ...]]  # what it is, the function, its arguments
try:
    import fcntl  # noqa: F401 - what the walls are made with
    import resource  # noqa: F401

    POSIX = os.name == "posix"
except ImportError:  # Windows
    POSIX = False

LINUX = POSIX and sys.platform.startswith("linux")
MACHINE = os.uname().machine if LINUX and struct.calcsize("P") == 8 else ""
NUMBERS: dict[str, int] = TABLES.get(MACHINE, {})

if LINUX:
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.syscall.restype = ctypes.c_long
    _libc.syscall.argtypes = [ctypes.c_long] * 7
    _libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def syscall(name: str, *arguments: int) -> int:
    """One system call by name; OSError as from `os`, ENOSYS also where this machine has no number for it."""
    if name not in NUMBERS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    padded = arguments + (0,) * (6 - len(arguments))
    return _checked(_libc.syscall(NUMBERS[name], *padded), name)


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    return _checked(_libc.prctl(option, first, second, 0, 0), f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def prepared(name: str, *arguments: int) -> Call:
    """A call of the C library that is ready to be made: nothing is looked up or converted after the fork."""
    return name, getattr(_library(), name), tuple(map(ctypes.c_long, arguments))


def prepared_syscall(name: str, *arguments: int) -> Call:
    """The same for a system call that the C library may not have."""
    return name, _library().syscall, tuple(map(ctypes.c_long, (NUMBERS[name], *arguments)))


@functools.cache
def _library() -> ctypes.CDLL:
    """Functions without declared types: the arguments above have theirs."""
    return ctypes.CDLL(None, use_errno=True)


def make(calls: Iterable[Call]) -> None:
    """Make the calls in order, in one tight loop: each page that a fresh child touches costs it a copy."""
    for what, function, arguments in calls:
        if function(*arguments) == -1:
            _checked(-1, what)


def proved(attempt: Callable[[], bool]) -> bool:
    """Whether `attempt` ends in True in a throw-away child: walls are tried, never guessed from a version."""
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = attempt()
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def refused(action: Callable[[], object], *numbers: int) -> bool:
    try:
        action()
    except OSError as refusal:
        return refusal.errno in numbers
    return False


def read_status() -> dict[str, str]:
    """What /proc says of this process, read once; nothing where it is not mounted."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return {}


def default_signals() -> None:
    """What our parent ignored or blocked (nohup, cron, a shell's background job) is here as in any other program."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and signal.Signals(number).name not in IGNORED_BY_PYTHON:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if POSIX:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def no_new_privileges() -> None:
    """No program that is started may win anything back; the kernel demands this before the last two walls."""
    if LINUX:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
