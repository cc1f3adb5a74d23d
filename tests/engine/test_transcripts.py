"""Transcripts: a check that hears what is known ends as it ended before, and any other answer is judged for itself."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from toys import check_named

from grader import wire
from grader.checks import CheckFailed, assert_close, assert_true
from grader.judge import transcripts
from grader.judge.transcripts import Transcribed, Transcripts, Unsteady
from grader.judge.verdicts import Outcome, outcome_of
from grader.remote.connection import Heard, Turns, WorkerDied
from grader.remote.proxy import Handle, RemoteModule
from grader.remote.session import Session, StudentError
from grader.results import Verdict
from grader.worker.server import Server

SOURCE = """
import numpy as np
def double(x): return 2 * x
def apply(f, x): return f(x)
def big(n): return np.zeros(n)
class Counter:
    def __init__(self): self.count = 0
    def step(self): self.count += 1; return self.count
"""
Check = Callable[[RemoteModule], None]


class Worker(Turns):
    """A submission in a thread: judge and worker take turns, as over pipes."""

    def __init__(self, source: str, dies_at: int = -1) -> None:
        self.inbox: queue.Queue[wire.Payload] = queue.Queue()
        self.outbox: queue.Queue[Heard] = queue.Queue()
        self.turns, self.dies_at = 0, dies_at
        self.server = Server(self._ask)
        threading.Thread(target=self._serve, daemon=True).start()
        self.load = {"files": {"work.py": source}, "main": "work", "imports": ["numpy"], "banned": []}

    def _serve(self) -> None:
        while True:
            self.outbox.put(Heard(False, _copied(self.server.handle(self.inbox.get()))))

    def _ask(self, payload: wire.Payload, sort: bytes) -> wire.Payload:
        self.outbox.put(Heard(sort == wire.CALLBACK, _copied(payload)))
        return self.inbox.get()

    def turn(self, payload: wire.Payload) -> Heard:
        self.turns += 1
        if self.turns - 1 == self.dies_at:
            raise WorkerDied(Verdict.TIMEOUT, "too slow")
        self.inbox.put(_copied(payload))
        return self.outbox.get(timeout=20)

    def kill(self) -> None:
        """A thread cannot be killed; nothing asks it any more."""


def _copied(payload: wire.Payload) -> wire.Payload:
    return wire.Payload(payload.header, [bytes(payload.data())])


class Desk:
    """A judge's transcripts, and one check that is played to workers."""

    def __init__(self, check: Check, name: str = "toy::test") -> None:
        self.check, self.name = check, name
        self.transcripts = Transcripts()
        self.runs = 0

    def grade(self, source: str, dies_at: int = -1) -> tuple[Outcome, int]:
        """(how the check ended, turns of this worker without the one that loads)."""
        worker = Worker(source, dies_at)
        connection: Any = Transcribed(worker, self.transcripts)  # type: ignore[arg-type]
        session = Session(connection)
        session.load(**worker.load)
        outcome = connection.outcome(self.name, session, lambda: self._run(session))
        return outcome, worker.turns - 1

    def _run(self, session: Session) -> Outcome:
        self.runs += 1
        session.begin_check(7)
        try:
            self.check(RemoteModule(session))
        except (CheckFailed, StudentError, WorkerDied) as error:
            return outcome_of(error)
        return outcome_of(None)


def two_calls(submission: RemoteModule) -> None:
    for x in (np.arange(3.0), np.ones((2, 2))):
        assert_close(submission.double(x), 2 * x)


def changed(old: str, new: str) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new)


def test_equal_answers_are_not_judged_twice():
    """The second submission is asked everything, and ends as the first one without the check being run."""
    desk = Desk(two_calls)
    first, second = desk.grade(SOURCE), desk.grade(SOURCE + "# another file\n")

    assert first == second
    assert (Verdict.PASS, 2, 1) == (second[0].verdict, second[1], desk.runs)


@pytest.mark.parametrize("wrong", ["3 * x", "2 * x if x.ndim == 1 else 3 * x", "(2 * x).astype('f4')", "[2 * x]"])
def test_another_answer_is_judged_for_itself(wrong):
    """Whether it differs at first or later, in value, dtype or kind: known ones do not help it, nor it them."""
    desk, other = Desk(two_calls), changed("2 * x", wrong)
    verdicts = [desk.grade(source)[0].verdict for source in (SOURCE, other, SOURCE, other)]

    assert [Verdict.PASS, Verdict.WRONG, Verdict.PASS, Verdict.WRONG] == verdicts
    assert desk.runs == 2


def test_the_last_bit_counts():
    """An answer that is right, but not bit for bit the known one, is judged and passes."""
    desk = Desk(two_calls)
    desk.grade(SOURCE)
    outcome, _ = desk.grade(changed("2 * x", "np.nextafter(2 * x, 99)"))

    assert (Verdict.PASS, 2) == (outcome.verdict, desk.runs)


def test_callbacks_and_objects_are_part_of_the_transcript():
    """Calls back into the check and objects that stay in the worker have the same names in every worker."""

    def check(submission: RemoteModule) -> None:
        counter = submission.Counter()
        counter.step()
        assert_true(counter.step() == 2, "two steps")
        assert_close(submission.apply(lambda x: x + submission.double(x), np.ones(2)), np.full(2, 3.0))

    desk = Desk(check)
    turns = [desk.grade(source)[1] for source in (SOURCE, SOURCE + "\n")]
    assert turns[0] == turns[1] and desk.runs == 1

    outcome, _ = desk.grade(changed("return f(x)", "return f(f(x))"))
    assert (Verdict.WRONG, 2) == (outcome.verdict, desk.runs)


def test_names_do_not_hang_on_what_a_worker_did_before():
    """An object has the same number in the same check, in a fresh worker as in a used one, and in no other check."""
    worker = Worker(SOURCE)
    session = Session(worker)
    session.load(**worker.load)
    numbers = []
    for seed in (1, 2, 1):
        session.begin_check(seed)
        made = [RemoteModule(session).Counter() for _ in range(2)]
        numbers.append([Handle.handle_number(counter)[1] for counter in made])

    assert numbers[0] == numbers[2]
    assert not {*numbers[0]} & {*numbers[1]}


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_death_is_nobody_elses(turn, known):
    """A worker that dies, at a turn that is known or new, ends its own check; the next submission is graded as ever."""
    desk = Desk(two_calls)
    if known:
        desk.grade(SOURCE)
    died, _ = desk.grade(SOURCE, dies_at=turn)
    after = [desk.grade(SOURCE)[0].verdict for _ in range(2)]

    assert [Verdict.TIMEOUT, Verdict.PASS, Verdict.PASS] == [died.verdict, *after]


def test_a_check_that_says_something_else_is_not_remembered():
    """Inputs that hang on something else than the seed are noticed, and the check is run itself from then on."""
    inputs = iter(np.arange(1.0, 9.0))

    def check(submission: RemoteModule) -> None:
        x = np.full(2, next(inputs))
        assert_close(submission.double(x), 2 * x)

    desk = Desk(check)
    assert desk.grade(SOURCE)[0].verdict is Verdict.PASS
    with pytest.raises(Unsteady):
        desk.grade(changed("2 * x", "3 * x"))
    assert [Verdict.WRONG, Verdict.PASS] == [
        desk.grade(source)[0].verdict for source in (changed("2 * x", "3 * x"), SOURCE)
    ]


def test_a_check_that_ends_sooner_is_not_remembered():
    """One that says less than before hangs on something else too; how it ended stands, but for this submission alone."""
    rounds = iter([2, 1, 2, 2])

    def check(submission: RemoteModule) -> None:
        for _ in range(next(rounds)):
            assert_close(submission.double(np.ones(2)), np.full(2, 2.0))

    desk = Desk(check)
    sources = (SOURCE, changed("def big", "count = [0]\ndef double(x): count[0] += 1; return x * count[0] * 2\ndef big"))
    assert [desk.grade(source)[0].verdict for source in sources] == [Verdict.PASS] * 2
    assert desk.transcripts.unsteady == {desk.name}
    assert [desk.grade(source)[0].verdict for source in (sources[1], SOURCE)] == [Verdict.WRONG, Verdict.PASS]


def test_a_line_that_a_file_does_not_have_is_not_taken_from_a_longer_one():
    """The outcome of an error names a line: a file without that line hears the same, but ends for itself."""
    raising = "def fail(x):\n    exec(compile('\\n' * {line} + 'raise ValueError', '<submission>/work.py', 'exec'))\n"

    def check(submission: RemoteModule) -> None:
        submission.fail(1)

    desk = Desk(check)
    long, short = raising.format(line=29) + "#\n" * 100, raising.format(line=29)
    errors: list[Any] = [desk.grade(source)[0].error for source in (short, long, short, long)]

    assert [[2], [2, 30], [2], [2, 30]] == [[line for line, _ in error.frames] for error in errors]


def test_large_frames_are_not_kept():
    """What costs more to compare than to judge is judged; what came before it is still known."""

    def check(submission: RemoteModule) -> None:
        assert_close(submission.double(np.ones(1)), np.full(1, 2.0))
        assert_true(submission.big(1 << 17).sum() == 0, "zeros")

    desk = Desk(check)
    for _ in range(2):
        assert desk.grade(SOURCE)[0].verdict is Verdict.PASS
    assert desk.runs == 2
    assert desk.transcripts.kept < 10_000


@pytest.mark.parametrize("n", [400, 600, 100_000])
def test_large_answers_are_known_by_their_digest(n):
    """Up to the limit a frame of any size is recognised, and takes up no more than a small one."""

    def check(submission: RemoteModule) -> None:
        assert_true(submission.big(n).sum() == 0, "zeros")

    desk = Desk(check)
    other = changed("np.zeros(n)", "np.arange(n) / 9")
    verdicts = [desk.grade(source)[0].verdict for source in (SOURCE, other, SOURCE, other)]
    assert (desk.runs, verdicts) == (2, [Verdict.PASS, Verdict.WRONG] * 2)
    assert desk.transcripts.kept < 10_000


def test_transcripts_are_dropped_beyond_their_limit(monkeypatch):
    """A class of answers of all kinds does not fill the memory of the judge."""
    monkeypatch.setattr(transcripts, "MAX_KEPT", 20_000)
    desk = Desk(two_calls)
    for i in range(50):
        assert desk.grade(changed("2 * x", f"2 * x + {i}e-12"))[0].verdict is Verdict.PASS
        assert desk.transcripts.kept <= 20_000
    assert desk.grade(SOURCE)[0].verdict is Verdict.PASS


def test_outcomes_do_not_hold_the_checks_variables():
    """What is kept of a failure is its words and values, not the frames of the check that found it."""
    desk = Desk(two_calls)
    outcomes = [desk.grade(changed("2 * x", "3 * x"))[0] for _ in range(2)]

    assert outcomes[1].error is not None
    assert outcomes[1].error.__traceback__ is None


def test_a_class_is_graded_as_its_members_alone(grade_all, reference_source):
    """Recalled or not: the same verdicts, and a message names the student's own line and no other's."""
    wrong = "\ndef double(x):\n    if not x.size: raise ValueError\n    return x * 3\n"
    breaks = "\ndef double(x):\n    if not x.size: raise ValueError\n    return x.nothing\n"
    sources = {"a": reference_source, "b": reference_source + wrong, "c": reference_source + breaks}
    later = {f"{name}2": "# one line more\n" + source for name, source in sources.items()}
    results = {name: r.topics[0] for name, r in grade_all({**sources, **later}, judges=1).items()}

    for name in sources:
        ours, theirs = results[name].checks, results[f"{name}2"].checks
        assert [(c.id, c.verdict, c.points, c.diagnosis) for c in ours] == [
            (c.id, c.verdict, c.points, c.diagnosis) for c in theirs
        ]
    line = len((reference_source + breaks).splitlines())
    for name, number in (("c", line), ("c2", line + 1)):
        assert f"line {number}: return x.nothing" in check_named(results[name], "test_double_small").message
