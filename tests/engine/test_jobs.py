"""What the supervisor and a judge say to each other, and what a lane does when a judge breaks."""

from __future__ import annotations

import json

import pytest

from grader import jobs
from grader.errors import GraderFault
from grader.grading import pool
from grader.grading.engine import JudgeDied
from grader.jobs import Broken, Checked, Done, Faulty, Held, Job, Plan, Ready, decode, encode
from grader.results import CheckResult, Verdict

CHECK = CheckResult("toy::test_double", "double", "Doubles.", "hidden", Verdict.WRONG, 1.5, 2.0, "é ≠ e", "twice", "no")
UNSEEN = CheckResult("toy::test_double", "double", "Doubles.", "hidden", Verdict.SKIPPED, None, None)
PLAN = Plan(("a", "b"), "double", backwards=True, stop=True, second_look=False, diagnose=("a",), cpu_seconds={"a": 2.5})
LINES = [
    Job(0, "toy"),
    Job(1, "toy", "x = 1\n", "toy.py", "sha256:0", notes=("late",), units=("double",)),
    Job(2, "toy", "x = 1\n", "toy.py", "sha256:0", plan=PLAN),
    Job(3, "toy", "x = 1\n", "toy.py", "sha256:0", plan=Plan()),
    Ready(17, {"toy": 70.0}, {"second": "cannot be imported"}),
    Checked(1, CHECK),
    Checked(1, CHECK, margin=0.25),
    Checked(1, UNSEEN),
    Held(1),
    Done(1),
    Done(1, "what it printed\n"),
    Broken(1, "no checks"),
    Faulty(1, "the pipe is closed"),
]
NO_LINES = [
    "",
    "Traceback (most recent call last):",
    "[]",
    "1",
    "{}",
    '{"line": "gossip", "job": 1}',
    '{"line": "held", "job": 1, "mood": "good"}',
    '{"line": "held"}',
    '{"line": "checked", "job": 1, "check": {"id": "toy::test_double"}}',
    '{"line": "job", "number": 1, "topic": "toy", "plan": {"only": []}}',
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: type(line).__name__)
def test_a_line_survives(line):
    """What is encoded is decoded as the same line, and takes one line of text."""
    text = encode(line)

    assert decode(text) == line
    assert "\n" not in text


def test_every_kind_of_line_is_tried():
    """The lines tried here are of all kinds that there are."""
    assert {type(line) for line in LINES} == set(jobs.LINES.values())


@pytest.mark.parametrize("text", NO_LINES)
def test_what_is_no_line_is_a_fault(text):
    """A line that is not in the list, has an unknown field, lacks one or is no JSON is a grader fault that says so."""
    with pytest.raises(GraderFault, match="is none of job, ready, checked, held, done, broken, faulty"):
        decode(text)


def test_a_fault_shows_the_start_of_what_came():
    """The fault quotes the text, but not all of a long one."""
    with pytest.raises(GraderFault, match="gossip") as fault:
        decode(json.dumps({"line": "gossip", "text": "x" * 9999}))

    assert len(str(fault.value)) < 400


def test_absent_is_missing_or_not_graded():
    """Where no file was handed in every check is missing; where there is one that cannot be read none is graded."""
    unread = Job(0, "toy", file="toy.py", problem="it is no text")

    assert (Job(0, "toy").absent, Job(0, "toy").unreadable) == (Verdict.MISSING, None)
    assert (unread.absent, unread.unreadable) == (Verdict.GRADER_FAULT, "it is no text")


# --- a lane ----------------------------------------------------------------------------------------------------------


class FakeJudge:
    """Yields its answers, then dies if it is told to."""

    def __init__(self, *answers: jobs.Answer, dies: bool = False) -> None:
        self.answers, self.dies, self.killed = answers, dies, False

    def ask(self, job, patience):
        yield from self.answers
        if self.dies:
            raise JudgeDied("the judge ended")

    def kill(self) -> None:
        self.killed = True


class FakeEngine:
    """Hands out these judges, one after the other."""

    def __init__(self, course, judges) -> None:
        self.course, self.judges, self.made = course, list(judges), []

    def new_judge(self):
        self.made.append(self.judges.pop(0))
        return self.made[-1]


PASSED = CheckResult("toy::test_double", "double", "Doubles.", "public", Verdict.PASS, 2.0, 2.0)
GOOD = (Checked(0, PASSED, 0.5), Held(0), Done(0))


@pytest.fixture
def lane_of(toy, monkeypatch):
    """A lane with these judges that takes no pauses; `told` collects what it tells of."""
    monkeypatch.setattr(pool, "PAUSE", 0)

    def make(*judges):
        told: list[tuple[str, str]] = []
        lane = pool.Lane(FakeEngine(toy, judges), lambda *words: told.append(words))
        return lane, told

    return make


def test_a_lane_keeps_its_judge(lane_of):
    """One judge answers job after job, and its margins come along."""
    lane, told = lane_of(FakeJudge(*GOOD))
    landings = [lane.land(Job(0, "toy")) for _ in range(2)]

    assert [(x.result.checks, x.margins) for x in landings] == [((PASSED,), {"toy::test_double": 0.5})] * 2
    assert len(lane.engine.made) == 1 and told == []


@pytest.mark.parametrize(
    "bad", [FakeJudge(GOOD[0], dies=True), FakeJudge(GOOD[0], Faulty(0, "a pipe"))], ids=["dies", "faulty"]
)
def test_a_lane_tries_again(lane_of, bad):
    """After a judge that dies or tells of a fault the whole job goes to a fresh one, and no check counts twice."""
    lane, told = lane_of(bad, FakeJudge(*GOOD))
    landing = lane.land(Job(0, "toy"))

    assert landing.result.checks == (PASSED,)
    assert bad.killed and len(lane.engine.made) == 2
    assert [topic for topic, _ in told] == ["toy"]


def test_a_lane_gives_up(lane_of):
    """After `ATTEMPTS` judges that died the topic is a grader fault that says why, and never a verdict on the work."""
    lane, told = lane_of(*(FakeJudge(GOOD[0], dies=True) for _ in range(pool.ATTEMPTS + 1)))
    result = lane.land(Job(0, "toy")).result

    assert [c.verdict for c in result.checks] == [Verdict.GRADER_FAULT]
    assert result.checks[0].message == "the judge ended"
    assert len(lane.engine.made) == pool.ATTEMPTS == len(told)
    assert all(judge.killed for judge in lane.engine.made)


@pytest.mark.parametrize("answers", [(Broken(0, "a bad import"),), (Done(0),)], ids=["broken", "none"])
def test_a_lane_does_not_try_again_in_vain(lane_of, answers):
    """Checks that cannot be collected, or none at all, are a grader fault at once."""
    lane, told = lane_of(FakeJudge(*answers))

    assert [c.verdict for c in lane.land(Job(0, "toy")).result.checks] == [Verdict.GRADER_FAULT]
    assert told == []
