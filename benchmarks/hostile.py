"""What attackers cost a class, in time and memory.

    python benchmarks/hostile.py class [SEED]     a class of 100, 20 of whom attack, against the 80 others alone
    python benchmarks/hostile.py soak [COUNT]     one run of so many hostile submissions: does memory stay flat?

Attackers are those of tests/attacks, drawn by the seed, and files that attack whoever reads them. Memory is the
largest resident size of each kind of process, sampled from outside ten times a second, so short peaks are missed; it
counts what processes share in each of them.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "engine"))
from attacking import LIMITS, NEEDED, Attack, all_attacks, make_course  # noqa: E402

CLASS, ATTACKERS, FACTOR = 100, 20, 1.5
KINDS = {"grader.judge.process": "judge", "grader.worker.zygote": "zygote", "grader.submissions.unpacker": "reader"}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def hostile_files() -> dict[str, bytes]:
    """Files that attack whoever reads them, by name."""
    return {
        "optimizers.ipynb": b'{"cells": [], "x": "' + b'\\"' * (4 << 20),
        "optimizers.zip": zipped({f"{i}.ipynb": bytes(20 << 20) for i in range(9)}),
        "work.gz": gzip.compress(bytes(300 << 20), 1),
        "many.zip": zipped({f"{i}/x": b"" for i in range(50_000)}),
        "submission.yml": b"a: " + b"[" * 60_000,
    }


class Sampler(threading.Thread):
    """Watches the processes below one and keeps the largest resident size of each kind, in MB, over time."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.ended = root, threading.Event()
        self.samples: dict[str, list[int]] = defaultdict(list)

    def run(self) -> None:
        while not self.ended.wait(0.1):
            now: dict[str, int] = defaultdict(int)
            for kind, megabytes in self._processes():
                now[kind] = max(now[kind], megabytes)
            for kind, megabytes in now.items():
                self.samples[kind].append(megabytes)

    def _processes(self) -> list[tuple[str, int]]:
        found, waiting = [], [(self.root, "supervisor")]
        while waiting:
            pid, above = waiting.pop()
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20
                children = [
                    int(child)
                    for task in Path(f"/proc/{pid}/task").glob("*/children")
                    for child in task.read_text().split()
                ]
            except OSError:
                continue
            kind = next((name for module, name in KINDS.items() if module in command), "supervisor")
            kind = "worker" if above in ("zygote", "worker") else kind
            found.append((kind, resident))
            waiting += [(child, kind) for child in children]
        return found


def write_class(folder: Path, good: int, attacks: list[tuple[str, dict[str, bytes]]]) -> Path:
    """So many good students with every topic, and the attackers."""
    shutil.rmtree(folder, ignore_errors=True)
    for i in range(good):
        for topic in NEEDED:
            write(folder / f"good{i:03}" / f"{topic}.py", (ROOT / "solutions" / f"{topic}.py").read_bytes())
    for number, (name, files) in enumerate(attacks):
        for file, data in files.items():
            write(folder / f"x{number:04}-{name}" / file, data)
    return folder


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def attackers(count: int, seed: int, places: dict[str, str]) -> list[tuple[str, dict[str, bytes]]]:
    """So many, in a drawn order: the whole corpus, over and over, and the hostile files."""
    kinds: list[Attack | tuple[str, bytes]] = [*all_attacks(), *hostile_files().items()]
    random.Random(seed).shuffle(kinds)
    drawn = itertools.islice(itertools.cycle(kinds), count)
    return [
        (a.name, {f"{a.topic}.py": a.source(places).encode()}) if isinstance(a, Attack) else ("file", dict([a]))
        for a in drawn
    ]


def graded(course: Path, submit: Path, out: Path) -> tuple[float, Sampler]:
    """Seconds, and what was seen of the processes."""
    began = time.monotonic()
    line = [sys.executable, "-m", "grader", str(submit), "--course", str(course), "--layout", "class", "-o", str(out)]
    process = subprocess.Popen([*line, "--exit-zero"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sampler = Sampler(process.pid)
    sampler.start()
    process.wait()
    sampler.ended.set()
    sampler.join()
    return time.monotonic() - began, sampler


def lost(out: Path) -> list[str]:
    """Good students without full marks."""
    rows = csv.DictReader((out / "scores.csv").open(encoding="utf-8"))
    return [row["student"] for row in rows if row["student"].startswith("good") and row["final"] != "300"]


def tell(sampler: Sampler) -> None:
    for kind, sizes in sorted(sampler.samples.items()):
        print(f"  {kind:<11} at most {max(sizes):5} MB")


def compare(folder: Path, course: Path, places: dict[str, str], seed: int) -> int:
    """A class with and without its attackers."""
    good = CLASS - ATTACKERS
    alone, _ = graded(course, write_class(folder / "submit", good, []), folder / "out")
    crowd = attackers(ATTACKERS, seed, places)
    together, sampler = graded(course, write_class(folder / "submit", good, crowd), folder / "out")
    bound = FACTOR * alone + ATTACKERS * LIMITS["topic_seconds"]
    print(f"{good} good students alone: {alone:.1f} s")
    print(f"with {ATTACKERS} attackers: {together:.1f} s, {together / alone:.2f} times")
    print(f"  they were {', '.join(name for name, _ in crowd)}")
    print(f"  bound: {FACTOR} times and {LIMITS['topic_seconds']} s for each attacker, {bound:.0f} s")
    print(f"  good students who lost a point: {len(lost(folder / 'out'))}")
    tell(sampler)
    return 0 if together <= bound and not lost(folder / "out") else 1


def soak(folder: Path, course: Path, places: dict[str, str], count: int) -> int:
    """One run of hostile submissions alone: the first tenth of the samples against the last."""
    seconds, sampler = graded(course, write_class(folder / "submit", 2, attackers(count, 1, places)), folder / "out")
    print(f"{count} hostile submissions: {seconds:.0f} s, {seconds / count:.2f} s each")
    grown = 0.0
    for kind, sizes in sorted(sampler.samples.items()):
        tenth = max(1, len(sizes) // 10)
        first, last = max(sizes[tenth : 2 * tenth] or sizes), max(sizes[-tenth:])
        grown = max(grown, last - first if kind in ("supervisor", "judge", "zygote") else 0)
        print(f"  {kind:<11} {first:5} MB in the second tenth, {last:5} MB in the last, at most {max(sizes)} MB")
    return 0 if grown < 64 and not lost(folder / "out") else 1


def main(arguments: list[str]) -> int:
    mode, number = (arguments + ["class"])[0], int(arguments[1]) if len(arguments) > 1 else 0
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name)
        course = make_course(folder / "course")
        places = {"CANARY": "canary", "HIDDEN_DIR": "course/tests/hidden", "PEER_DIR": "submit", "RESULT_FILE": "out/x"}
        places = {key: str(folder / value) for key, value in places.items()}
        places |= {"REFERENCE_FILE": str(folder / "course/solutions/optimizers.py")}
        places |= {"PORT": "9", "SECRET_REVERSED": "x"}
        if mode == "soak":
            return soak(folder, course, places, number or 1000)
        return compare(folder, course, places, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
