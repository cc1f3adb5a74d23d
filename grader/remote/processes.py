"""Warm processes of ours and what this system can do: forked workers where it is safe, started ones elsewhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from grader.environment import clean_environment
from grader.errors import GraderFault

START_SECONDS = 120.0


def can_fork() -> bool:
    """Whether warm processes can be forked and watched safely here: Linux with pidfds."""
    needed = (
        (os, "fork"),
        (os, "pidfd_open"),
        (signal, "pidfd_send_signal"),
        (socket, "AF_UNIX"),
        (socket, "send_fds"),
    )
    return sys.platform == "linux" and all(hasattr(module, name) for module, name in needed)


def weakest_level() -> str:
    """The level of workers that are started instead of forked."""
    return "limited" if sys.platform == "darwin" else "accident-only"


class WarmProcess:
    """A process of ours with a packet socket to it."""

    def __init__(self, command: Callable[[int], list[str]]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                command(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                env=clean_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the supervisor's to handle
            )
        self.ready: dict[str, Any] = {}

    def alive(self) -> bool:
        """Whether it lives; one that is being killed may have lost its socket before it can be waited for."""
        if self.process.poll() is not None:
            return False
        self.control.setblocking(False)
        try:
            return bool(self.control.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.control.settimeout(30)

    def wait_ready(self) -> None:
        try:
            self.ready = self.receive(START_SECONDS)
        except OSError as error:
            self.close()
            name = self.process.args[4] if isinstance(self.process.args, list) else "a process"
            raise GraderFault(f"{name} did not start ({error})", "", "its own message is above") from None

    def receive(self, patience: float = 30.0) -> dict[str, Any]:
        self.control.settimeout(patience)
        data = self.control.recv(1 << 20)
        if not data:
            raise ConnectionError("it has ended")
        message: dict[str, Any] = json.loads(data)
        return message

    def client(self) -> socket.socket:
        """A new packet socket to the process, for one judge."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self.control, [b'{"op": "client"}'], [theirs.fileno()])
        return ours

    def close(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()
