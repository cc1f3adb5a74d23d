"""What the walls cost: a ready worker with and without them, and ordinary work inside and outside.

    python benchmarks/walls.py [numpy|torch] [ROUNDS]

Prints the best of interleaved rounds: on a busy machine a median tells how often the kernel let others go first.
Processor time is that of both sides, the mother's in forking and the child's until it is ready: it hardly depends on
what else runs, so the limit is held against it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy: a child of a process with several threads would hang
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from grader.worker import preload  # noqa: E402
from grader.worker.walls import sandbox  # noqa: E402

MEMORY, CPU_SECONDS = 1 << 30, 60
LIMIT = 1.5  # a ready worker with all walls may take this many times a bare fork


def in_child(job: Callable[[], float], walls: sandbox.Walls | None) -> tuple[float, float, float]:
    """Fork, confine if there are walls, run the job; milliseconds, and of processors, until ready, and for the job."""
    reader, writer = os.pipe()
    start, worked = time.perf_counter(), time.thread_time()
    pid = os.fork()
    if pid == 0:
        run_child(job, walls, reader, writer)
    worked = time.thread_time() - worked
    os.close(writer)
    os.read(reader, 1)
    ready = time.perf_counter() - start
    with open(reader) as answers:
        in_the_child, took = map(float, answers.read().split())
    os.waitpid(pid, 0)
    return ready * 1e3, (worked + in_the_child) * 1e3, took


def run_child(job: Callable[[], float], walls: sandbox.Walls | None, reader: int, writer: int) -> None:
    """Pipes on 0 to 4, as the zygote does it for both kinds alike."""
    try:
        moved = [os.dup2(fd, 64 + place) for place, fd in enumerate((reader, 1, 2, reader, writer))]
        for target, fd in enumerate(moved):
            os.dup2(fd, target)
        if walls:
            sandbox.confine(walls, memory_bytes=MEMORY, cpu_seconds=CPU_SECONDS)
        worked = time.thread_time()
        os.write(4, b"r")
        os.write(4, f"{worked} {job()}".encode())
    finally:
        os._exit(0)


def timed(work: Callable[[], object], times: int) -> Callable[[], float]:
    def job() -> float:
        work()
        start = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - start) * 1e3

    return job


def jobs(kind: str) -> dict[str, Callable[[], float]]:
    import numpy as np

    a = np.random.default_rng(0).standard_normal((300, 300))
    small = np.ones(8)
    found = {
        "numpy matmul 300": timed(lambda: a @ a, 30),
        "numpy small operations": timed(lambda: small + small, 50_000),
        "python loop": timed(lambda: sum(i * i for i in range(100_000)), 3),
        "allocate 8 MB": timed(lambda: np.ones(1 << 20), 30),
    }
    if kind == "torch":
        import torch

        image, kernel = torch.ones(4, 3, 32, 32), torch.ones(8, 3, 3, 3, requires_grad=True)
        convolve, gradient = torch.nn.functional.conv2d, torch.autograd.grad
        both_ways = timed(lambda: gradient(convolve(image, kernel).sum(), kernel), 30)
        found["torch convolution, both ways"] = both_ways
    return found


def compare(job: Callable[[], float], walls: sandbox.Walls, rounds: int, which: int) -> tuple[float, float]:
    """The best without and with walls."""
    pairs = [(in_child(job, None)[which], in_child(job, walls)[which]) for _ in range(rounds)]
    bare, walled = zip(*pairs, strict=True)
    return min(bare), min(walled)


def line(title: str, bare: float, walled: float) -> str:
    return f"{title:32s} {bare:9.2f} {walled:9.2f}   {walled / bare:5.2f}"


def main(kind: str = "torch", rounds: str = "40") -> int:
    preload.warm(kind)
    walls = sandbox.prepare(preload.readable_roots(kind), listable=preload.listable_folders())
    print(f"{kind}, level {walls.level}", "milliseconds", sep="\n")
    print(f"{'':32s} {'bare':>9s} {'walls':>9s}   ratio")
    print(line("a ready worker", *compare(lambda: 0.0, walls, int(rounds), 0)))
    bare, walled = compare(lambda: 0.0, walls, int(rounds), 1)
    print(line("a ready worker, processor time", bare, walled))
    for title, job in jobs(kind).items():
        print(line(title, *compare(job, walls, max(5, int(rounds) // 4), 2)))
    return 0 if walled <= LIMIT * bare else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
