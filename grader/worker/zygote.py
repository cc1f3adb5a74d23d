"""The warm process that workers are forked from.

It is exec-ed with an empty environment and holds no check, no reference and no submission. It talks to judges only,
over sequenced-packet sockets that the supervisor hands to it; a forked worker shares no channel with it.

Control packets (JSON): from the supervisor `{"op": "client"}` with one socket; from a judge `{"op": "spawn", "id",
"memory", "cpu"}` with the worker's four pipe ends; to a judge `{"id", "pid"}` with a pidfd, and later `{"id", "exit"}`.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Any

from grader.worker import preload
from grader.worker.pipes import open_streams, run
from grader.worker.walls import kernel, sandbox

PACKET = 1 << 16


@dataclass
class Child:
    pid: int
    number: int
    client: socket.socket


class Zygote:
    """Serves fork requests until the supervisor's socket closes."""

    def __init__(self, kind: str, control: socket.socket, without: frozenset[str]) -> None:
        self.control = control
        self.poller = select.poll()
        self.clients: dict[int, socket.socket] = {}
        self.children: dict[int, Child] = {}  # by pidfd
        self.roots = preload.readable_roots(kind)
        self.walls = sandbox.prepare(self.roots, listable=preload.listable_folders(), without=without)
        self.poller.register(control, select.POLLIN)

    def describe(self) -> dict[str, Any]:
        return {"ready": True, "level": self.walls.level, "walls": self.walls.describe(), "roots": self.roots}

    def serve(self) -> None:
        self.control.send(json.dumps(self.describe()).encode())
        while True:
            for fd, _ in self.poller.poll():
                if fd == self.control.fileno():
                    self.adopt_client()
                elif fd in self.clients:
                    self.serve_client(self.clients[fd])
                elif fd in self.children:
                    self.reap(fd)

    def adopt_client(self) -> None:
        packet, fds, *_ = socket.recv_fds(self.control, PACKET, 1)
        if not packet:
            os._exit(0)  # the supervisor is gone; the workers go with this process
        client = socket.socket(fileno=fds[0])
        self.clients[client.fileno()] = client
        self.poller.register(client, select.POLLIN)

    def serve_client(self, client: socket.socket) -> None:
        try:
            packet, fds, *_ = socket.recv_fds(client, PACKET, 4)
        except OSError:
            packet, fds = b"", []
        if not packet:
            self.drop_client(client)
            return
        request = json.loads(packet)
        pid = os.fork()
        if pid == 0:
            become_worker(self.walls, request, fds)
        for fd in fds:
            os.close(fd)
        self.announce(client, request["id"], pid)

    def announce(self, client: socket.socket, number: int, pid: int) -> None:
        pidfd = os.pidfd_open(pid)
        self.children[pidfd] = Child(pid, number, client)
        self.poller.register(pidfd, select.POLLIN)
        try:
            socket.send_fds(client, [json.dumps({"id": number, "pid": pid}).encode()], [pidfd])
        except OSError:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def reap(self, pidfd: int) -> None:
        child = self.children.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(child.pid, 0)
        try:
            child.client.send(json.dumps({"id": child.number, "exit": os.waitstatus_to_exitcode(status)}).encode())
        except OSError:
            pass  # the judge that asked for it is gone

    def drop_client(self, client: socket.socket) -> None:
        """A judge has ended: its workers must not outlive it."""
        for pidfd, child in self.children.items():
            if child.client is client:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        self.poller.unregister(client)
        del self.clients[client.fileno()]
        client.close()


def become_worker(walls: sandbox.Walls, request: dict[str, Any], fds: list[int]) -> None:
    """In the forked child: descriptors 0-4, the walls, then the serving loop. Never returns."""
    try:
        requests, replies, out, err = (os.dup2(fd, 64 + i) for i, fd in enumerate(fds))  # clear of 0-4
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, fd in enumerate((nothing, out, err, requests, replies)):
            os.dup2(fd, target)
        sandbox.confine(walls, memory_bytes=request["memory"], cpu_seconds=request["cpu"])
        open_streams()
        run(3, 4)
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process must not go on as a zygote
        os.write(2, f"worker could not start: {type(error).__name__}: {error}\n".encode(errors="replace"))
    finally:
        os._exit(97)


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def main() -> None:
    kind, control = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    sandbox.protect_judge()
    sandbox.die_with_parent()
    sandbox.subreaper()
    kernel.default_signals()
    preload.forget_library_paths()
    preload.warm(kind)
    preload.cut_path(kind)
    gc.collect()
    gc.freeze()
    zygote = Zygote(kind, control, frozenset(sys.argv[3:]))
    if _threads() != 1:
        raise SystemExit("the zygote has more than one thread; forked workers would hang")
    zygote.serve()


if __name__ == "__main__":
    main()
