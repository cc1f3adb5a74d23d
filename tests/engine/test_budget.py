"""What one submission can cost the others: a topic has its seconds, however they are spent, and then it is over."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import TOY, check_named, submission_of, verdicts

from grader import jobs
from grader.course import Limits, load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many, job_of
from grader.judge.budget import Budget
from grader.judge.verdicts import Outcome
from grader.remote.processes import can_fork
from grader.results import TopicResult, Verdict

GOOD = (TOY / "solutions" / "toy.py").read_text()
SPAN = 4.0  # seconds that the topic has here
SLEEPS = GOOD + "\nimport time\ntime.sleep(0.5)\ndef double(x):\n    time.sleep(1.5)\n    return x\n"
ENDS_ITSELF = (
    GOOD + "\nimport os, time\ntime.sleep(0.5)\ndef double(x):\n    time.sleep(1.0)\n    os.kill(os.getpid(), 9)\n"
)
ENDS_AT_IMPORT = "import os, time\ntime.sleep(1.5)\nos.kill(os.getpid(), 9)\n"


@pytest.fixture
def timed(tmp_path: Path) -> Callable[..., tuple[TopicResult, float]]:
    """Grade a source where the topic has `SPAN` seconds; (its result, the seconds it took)."""
    shutil.copytree(TOY, tmp_path / "course")
    file = tmp_path / "course" / "course.yml"
    file.write_text(file.read_text().replace("memory_mb: 256", f"memory_mb: 256, topic_seconds: {SPAN}"))

    def grade(source: str, **engine_options: Any) -> tuple[TopicResult, float]:
        course = load_course(file)
        engine = make_engine(course, ["toy"], **engine_options)
        try:
            list(grade_many([submission_of(GOOD)], course, engine, ["toy"], 1))  # all is warm
            start = time.monotonic()
            (result,) = grade_many([submission_of(source)], course, engine, ["toy"], 1)
            return result.topics[0], time.monotonic() - start
        finally:
            engine.close()

    return grade


@pytest.mark.parametrize(("source", "verdict"), [(SLEEPS, "wrong"), (ENDS_ITSELF, "crash"), (ENDS_AT_IMPORT, "crash")])
@pytest.mark.parametrize("without", [(), ("seccomp",)])
def test_a_topic_ends_when_its_seconds_are_used_up(timed, source, verdict, without):
    """Sleeping, failing in used workers, and killing itself: the rest ends as timeout at once, and nobody is to blame but the student."""
    if without and not can_fork():
        pytest.skip("needs forked workers")
    result, seconds = timed(source, **({"without": without} if without else {}))
    found = verdicts(result)

    assert set(found.values()) <= {verdict, "timeout", "pass"}
    assert found["test_double_marker"] in (verdict, "timeout")
    assert seconds < SPAN + 2.5, f"{seconds:.1f} s"


def test_what_is_left_of_a_topic_says_why(timed):
    """Each check that had no time left says so, of a hidden one too, and what ran before keeps its points."""
    result, seconds = timed(SLEEPS)
    last = check_named(result, "test_counter_counts")

    assert verdicts(result)["test_double_small"] != "timeout"
    assert (last.verdict, last.message) == (Verdict.TIMEOUT, "the topic's 4 s for all its checks are used up")
    assert seconds > SPAN - 1


@pytest.mark.skipif(not can_fork(), reason="needs forked workers")
def test_a_self_sent_sigkill_is_not_repeated(timed):
    """The filter ends it by another signal, so nobody else is suspected; each check starts one worker more at most."""
    loads = GOOD + "\nprint('loaded')\nimport os\ndef double(x): os.kill(os.getpid(), 9)\n"
    result, seconds = timed(loads)

    assert {v for n, v in verdicts(result).items() if "double" in n} == {"crash"}
    assert "SIGKILL" in check_named(result, "test_double_small").message
    assert verdicts(result)["test_counter_counts"] == "pass"
    assert seconds < 2


def test_a_judge_that_waits_tells_so(toy, toy_engine):
    """While a worker sleeps the judge says every few seconds that it is there: silence means that it hangs."""
    sleeps = GOOD + "\nimport time\ndef apply(f, x):\n    time.sleep(7)\n    return 0.0\n"
    judge = toy_engine.new_judge()
    try:
        lines = list(judge.ask(job_of(submission_of(sleeps), "toy", 1), patience=6.5))
    finally:
        judge.kill()

    assert [type(line) for line in lines].count(jobs.Held) >= 1
    assert isinstance(lines[-1], jobs.Done)


class Sleeper:
    """A worker whose clock says what the test says."""

    def __init__(self, seconds: float) -> None:
        self.clock, self.seconds, self.given = self, seconds, (0.0, 0.0)

    def begin(self, cpu_seconds: float, wall_seconds: float) -> None:
        self.given = cpu_seconds, wall_seconds

    def spent(self) -> float:
        return self.seconds


def test_the_last_check_gets_what_is_left():
    """The wall limit of a check is its own until the topic's is nearer; its end by that is told as what it is."""
    budget = Budget(Limits(topic_seconds=30.0))
    worker: Any = Sleeper(25.0)
    budget.begin(worker, 5.0)
    budget.settle(worker)

    assert worker.given == (5.0, 20.0) and budget.used_up is None
    budget.begin(worker, 5.0)
    assert worker.given == (5.0, 5.0)
    budget.settle(worker)
    passed, ended = Outcome(Verdict.PASS), Outcome(Verdict.TIMEOUT, "gave no answer within 5 s")
    assert budget.judged(passed) is passed
    assert budget.judged(ended).text == "the topic's 30 s for all its checks are used up"
