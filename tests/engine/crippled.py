"""Runs `-m MODULE ARGS...` in a Python that lacks what macOS and Windows lack.

Started through a wrapper script that stands in for the interpreter, so that every process of a run is like this.
"""

import os
import runpy
import select
import signal
import socket
import subprocess
import sys

import psutil  # before `resource` goes: on the systems imitated here it does without


def _popen_without_pass_fds(*args, _real=subprocess.Popen.__init__, **kwargs):
    if kwargs.get("pass_fds"):
        raise ValueError("pass_fds not supported on this system")
    _real(*args, **kwargs)


def cripple() -> None:
    assert psutil.__version__
    for module, names in {
        os: ("fork", "set_blocking", "pidfd_open", "forkpty", "setsid"),
        signal: ("pidfd_send_signal",),
        socket: ("AF_UNIX", "send_fds", "recv_fds"),
        select: ("poll", "select", "epoll"),
    }.items():
        for name in names:
            delattr(module, name)
    for name in ("fcntl", "resource"):
        sys.modules[name] = None
    subprocess.Popen.__init__ = _popen_without_pass_fds


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a not in ("-I", "-B")]
    assert arguments[0] == "-m", arguments
    sys.executable = os.environ.get("WRAPPER") or sys.orig_argv[0]
    cripple()
    sys.argv = arguments[1:]
    runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
