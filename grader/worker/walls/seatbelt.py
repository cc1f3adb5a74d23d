"""Seatbelt, the wall of macOS: deprecated and never documented, so it counts only where it is seen to hold."""

import ctypes
import errno
import os
from collections.abc import Sequence

from grader.worker.walls.kernel import refused

SEATBELT_RULES = """(version 1)(allow default)(deny network*)(deny file-write*)
(deny process-fork)(deny process-exec*)(deny signal)(allow signal (target self))
(deny file-read-data)(allow file-read-data {folders})"""
SYSTEM_FOLDERS = ("/usr/lib", "/System/Library", "/dev/null", "/dev/urandom", "/private/var/db/timezone")


def profile_for(readable: Sequence[str], listable: Sequence[str]) -> bytes:
    """Whole folders by `subpath`; by `literal` the names in a folder alone."""
    kinds = (("subpath", (*readable, *SYSTEM_FOLDERS)), ("literal", listable))
    folders = " ".join(f'({kind} "{_quoted(path)}")' for kind, paths in kinds for path in paths)
    return SEATBELT_RULES.format(folders=folders).encode()


def _quoted(path: str) -> str:
    return os.path.realpath(path).replace("\\", "\\\\").replace('"', '\\"')


def holds(profile: bytes) -> bool:
    """Reading and the network are refused, and an honest program still finds its library."""
    import socket

    enforce(profile)
    import wave  # noqa: F401 - not loaded before, so it has to be read from the disk

    attempts = (lambda: os.listdir("/"), lambda: socket.create_connection(("127.0.0.1", 9)))
    return all(refused(attempt, errno.EPERM, errno.EACCES) for attempt in attempts)


def enforce(profile: bytes | None) -> None:
    if profile is None:
        return
    system = ctypes.CDLL("/usr/lib/libSystem.B.dylib")
    message = ctypes.c_char_p()
    if system.sandbox_init(profile, ctypes.c_uint64(0), ctypes.byref(message)) != 0:
        raise OSError(errno.EPERM, f"Seatbelt refused the profile: {message.value!r}")
