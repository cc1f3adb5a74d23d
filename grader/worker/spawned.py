"""A worker as a process of its own, for systems where a warm process cannot be forked safely (macOS, Windows).

Requests come on standard input and replies leave on standard output; what the student prints goes to standard error.
"""

from __future__ import annotations

import os
import sys
import threading


def claim_pipes() -> tuple[int, int]:
    """(request, reply) descriptors, out of the reach of `input()` and `print()`."""
    if sys.platform == "win32":
        import msvcrt

        for fd in (0, 1):
            msvcrt.setmode(fd, os.O_BINARY)
    request, reply = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return request, reply


def end_with_judge(request: int) -> int:
    """A descriptor that requests arrive on; when the judge closes its end the process ends, whatever it is doing."""
    reader, writer = os.pipe()

    def relay() -> None:
        while data := os.read(request, 1 << 20):
            view = memoryview(data)
            while view.nbytes:
                view = view[os.write(writer, view) :]
        os._exit(0)

    threading.Thread(target=relay, daemon=True).start()
    return reader


def main() -> None:
    request, reply = claim_pipes()
    from grader.worker import preload
    from grader.worker.pipes import open_streams, run
    from grader.worker.walls import kernel, sandbox

    kernel.default_signals()
    preload.forget_library_paths()
    preload.warm(sys.argv[1])
    preload.cut_path(sys.argv[1])
    walls = sandbox.prepare(
        preload.readable_roots(sys.argv[1]), listable=preload.listable_folders(), without=frozenset(sys.argv[4:])
    )
    sandbox.confine_spawned(walls, memory_bytes=int(sys.argv[2]), cpu_seconds=int(sys.argv[3]))
    open_streams()
    run(end_with_judge(request), reply)


if __name__ == "__main__":
    main()
