"""Landlock, the wall before the files: read beneath the named folders, write nowhere, no TCP.

Any version from 1 up will do; what it cannot refuse yet, seccomp does.
"""

import ctypes
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from grader.worker.walls.kernel import (
    Call,
    make,
    no_new_privileges,
    prepared,
    prepared_syscall,
    proved,
    refused,
    syscall,
)

RULESET_FLOOR = 100  # the ruleset's descriptor lies above the numbers a worker's pipes are moved through
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
class Ruleset:
    descriptor: int
    abi: int


def build(
    readable: Sequence[str], listable: Sequence[str], abi_limit: int | None
) -> Ruleset | None:
    """The ruleset to read beneath `readable` and write nowhere, or None where that does not hold."""
    try:
        newest = syscall("landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION)
    except OSError:  # ENOSYS, EOPNOTSUPP (not switched on at boot), EPERM (an outer filter)
        return None
    ruleset = _newest_ruleset(min(newest, abi_limit or newest))
    if ruleset is None:
        return None
    for paths, rights in ((readable, READ_FILE | READ_DIR), (listable, READ_DIR)):
        for path in paths:
            _allow(ruleset.descriptor, path, rights)
    return ruleset if proved(lambda: _landlock_holds(ruleset)) else None


def _newest_ruleset(limit: int) -> Ruleset | None:
    """A kernel may claim a version and refuse some of its rights (RHEL 9.6 does): then the next older one."""
    for abi in sorted(LANDLOCK_RIGHTS, reverse=True):
        descriptor = _create_ruleset(abi) if abi <= limit else None
        if descriptor is not None:
            return Ruleset(descriptor, abi)
    return None


def _create_ruleset(abi: int) -> int | None:
    size = 8 if abi < 4 else 16 if abi < 6 else 24  # older kernels refuse a structure they do not know whole
    attributes = (ctypes.c_uint64 * 3)(*LANDLOCK_RIGHTS[abi])
    try:
        return _out_of_the_way(syscall("landlock_create_ruleset", ctypes.addressof(attributes), size, 0))
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
        syscall("landlock_add_rule", ruleset, RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
    finally:
        os.close(target)


def _landlock_holds(ruleset: Ruleset) -> bool:
    no_new_privileges()
    enforce(ruleset)
    return refused(lambda: os.listdir("/"), errno.EACCES)


def enforce(ruleset: Ruleset) -> None:
    make(calls(ruleset))


def calls(ruleset: Ruleset) -> list[Call]:
    """Each worker gets a domain of its own, so that two of them can neither trace nor signal each other."""
    return [prepared_syscall("landlock_restrict_self", ruleset.descriptor, 0), prepared("close", ruleset.descriptor)]
