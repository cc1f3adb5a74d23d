"""Killing the judge, the zygote, the mother or a worker at any moment never yields a wrong score."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from toys import TOY, grade_course, submission_of, verdicts

from grader.course import load_course
from grader.grading.engine import ForkEngine, make_engine
from grader.grading.pool import grade_many
from grader.remote.processes import can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="only forked engines share processes")
TARGETS = ("judge", "zygote", "mother", "worker")
WRONG = "\ndef double(x):\n    return x * 3\n"


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            continue
    return found


def pids(engine: ForkEngine, target: str) -> list[int]:
    """The living processes of a kind."""
    mother = engine.mother.process.pid if engine.mother else 0
    zygotes = [z.process.pid for z in engine.zygotes.values()]
    try:
        return {
            "mother": [mother],
            "zygote": zygotes,
            "judge": children(mother) if mother else [],
            "worker": [w for z in zygotes for w in children(z)],
        }[target]
    except OSError:
        return []


class Killer(threading.Thread):
    """Kills processes of one kind at seeded moments while a run is under way."""

    def __init__(self, engine: ForkEngine, target: str, seed: int, kills: int) -> None:
        super().__init__(daemon=True)
        self.engine, self.target, self.random, self.kills = engine, target, random.Random(seed), kills
        self.done = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while self.done < self.kills and not self.stop.wait(self.random.uniform(0.0, 0.12)):
            living = pids(self.engine, self.target)
            if living:
                try:
                    os.kill(self.random.choice(living), signal.SIGKILL)
                    self.done += 1
                except OSError:
                    continue


def run_with_kills(target: str, seed: int, kills: int) -> tuple[dict[str, dict[str, str]], int]:
    """Grade six submissions while processes die; {student: verdicts} and how many were killed."""
    course = load_course(TOY / "course.yml")
    source = (TOY / "solutions" / "toy.py").read_text()
    slow = source + "\n_d = double\ndef double(x):\n    import time\n    time.sleep(0.02)\n    return _d(x)\n"
    engine = make_engine(course, ["toy"])
    assert isinstance(engine, ForkEngine)
    engine.start()
    killer = Killer(engine, target, seed, kills)
    submissions = [submission_of(slow + (WRONG if i % 3 == 0 else ""), f"s{i}") for i in range(6)]
    killer.start()
    try:
        graded = {r.student: verdicts(r.topics[0]) for r in grade_many(submissions, course, engine, ["toy"], 2)}
    finally:
        killer.stop.set()
        killer.join()
        engine.close()
    return graded, killer.done


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[str, str]]:
    return run_with_kills("worker", 0, 0)[0]


def assert_right_or_faulty(graded: dict[str, dict[str, str]], undisturbed: dict[str, dict[str, str]]) -> None:
    """Each student has the undisturbed verdicts, or a grader fault that says so; nothing in between."""
    assert undisturbed.keys() == graded.keys()
    for student, got in graded.items():
        assert got == undisturbed[student] or set(got.values()) == {"grader_fault"}, (student, got)


@pytest.mark.parametrize("target", TARGETS)
def test_one_kill_changes_no_score(target, undisturbed):
    """One death of any process is repaired: every score is as if nothing had happened."""
    for seed in range(5):
        graded, killed = run_with_kills(target, seed, 1)
        assert killed == 1
        assert graded == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("target", TARGETS)
def test_kills_at_many_moments_never_yield_a_wrong_score(target, seed, undisturbed):
    """However often processes die, a score is right or a grader fault."""
    graded, killed = run_with_kills(target, 1000 + seed, 1 + seed % 4)  # fewer than a check's worker is replaced

    assert killed >= 1
    assert_right_or_faulty(graded, undisturbed)


def test_no_process_outlives_its_run():
    """When a run ends, so do its judges, zygotes and workers."""
    course = load_course(TOY / "course.yml")
    engine = make_engine(course, ["toy"])
    engine.start()
    mine = [p for t in TARGETS for p in pids(engine, t)]
    list(grade_many([submission_of("while True: pass\n")], course, engine, ["toy"], 1))
    engine.close()
    time.sleep(0.3)

    assert mine
    assert not [
        p
        for p in mine
        if Path(f"/proc/{p}").exists() and "Z" not in Path(f"/proc/{p}/stat").read_text().split(") ")[1][:1]
    ]


def test_a_fault_that_stays_is_reported_not_scored(monkeypatch, tmp_path):
    """Where no judge can be had at all, every topic is a grader fault."""
    monkeypatch.setattr(ForkEngine, "_fork_judge", lambda self: (_ for _ in ()).throw(OSError("no")))
    result = grade_course(TOY, {"s": "x = 1\n"})["s"]

    assert ["grader_fault"] == list(verdicts(result.topics[0]).values())
