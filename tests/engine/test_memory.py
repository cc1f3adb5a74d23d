"""The judge's memory: what it reads of a reply, what it keeps of a check, and what happens at its own limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import check_named, grade_course, submission_of, verdicts

from grader import wire
from grader.course import load_course
from grader.grading.engine import ForkEngine, JudgeChannel
from grader.grading.pool import grade_many
from grader.judge.bench import Bench
from grader.judge.diagnosis import same
from grader.judge.expected import Expectations
from grader.judge.explain import Explainer
from grader.remote.connection import EngineFault
from grader.remote.inmemory import in_memory_session
from grader.remote.processes import can_fork
from grader.remote.replies import ALWAYS, Allowance, Expected
from grader.results import SubmissionResult, Verdict

ONES = "\ndef double(x):\n    if not x.size: raise ValueError\n    return np.ones((1000, 1000))\n"
CHECKS = '''
@check("noise", points=1)
def test_noise_large(submission, reference):
    """Large arrays are drawn alike."""
    drawn, wanted = (m.noise((2000, 1000), np.random.default_rng(3)) for m in (submission, reference))
    assert_close(drawn, wanted)


@check("double", points=1)
def test_double_broadcasts(submission):
    """Every pair of the doubled numbers differs by twice what the numbers do."""
    x = np.arange(40.0)
    doubled = submission.double(x)
    assert_close(doubled[:, None] - doubled, 2 * (x[:, None] - x))
'''
MISCONCEPTION = """
import numpy as np
from grader.checks import misconception

@misconception("sq", "The size was squared.", caught_by="test_double_marker")
def double(x):
    return np.full((1000, 1000), 2.0)
"""


@pytest.fixture
def large_course(toy_copy: Path) -> Path:
    """The toy course with checks on large arrays and a misconception about a shape."""
    hidden = toy_copy / "tests" / "hidden"
    with (hidden / "test_toy.py").open("a") as file:
        file.write(CHECKS)
    (hidden / "misconceptions").mkdir()
    (hidden / "misconceptions" / "toy.py").write_text(MISCONCEPTION)
    return toy_copy


# --- what is read ----------------------------------------------------------------------------------------------------


def framed(*arrays: np.ndarray) -> tuple[wire.Head, list[int]]:
    encoder = wire.Encoder(lambda value: value)
    payload = wire.pack({"value": encoder.encode(list(arrays))}, encoder)
    head = wire.parse_head(b"".join(payload.framed())[: wire.HEAD.size])
    return head, wire.sizes_of_arrays(payload.parts[0], head.body)


def test_what_is_read_is_in_proportion_to_what_is_expected():
    """A megabyte always, else sixteen times the largest frame that is expected or was sent."""
    small, large = np.zeros(10), np.zeros(ALWAYS // 4)
    assert Allowance(Expected()).unread(*framed(small, large)) == {1}
    assert Allowance(Expected(largest=large.nbytes // 16)).unread(*framed(small, large)) == set()
    sent = Allowance(Expected())
    sent.note_sent(wire.Payload(1, [b"x", bytes(large.nbytes // 16)]))
    assert sent.unread(*framed(small, large)) == set()
    assert Allowance().takes(framed(small, large)[0])


def test_frames_of_a_check_have_a_budget():
    """However small each may be, all frames of a check together have a limit."""
    allowance = Allowance(Expected())
    head, sizes = framed(np.zeros(ALWAYS // 8))
    read = 0
    while allowance.takes(head):
        read += 1
    assert 50 < read < 64
    assert allowance.unread(head, sizes) == {0} and allowance.exceeded


def test_dropping_has_an_end():
    """Frame after frame of what is far too large is no answer any more."""
    allowance = Allowance(Expected())
    head, sizes = framed(np.zeros(2 * ALWAYS // 8))
    with pytest.raises(wire.TooLarge, match="more than 1024 MB"):
        for _ in range(600):
            assert allowance.unread(head, sizes) == {0}


def test_sizes_that_the_body_does_not_have_are_refused():
    """What is left unread must still be what the header says."""
    head, _ = framed(np.zeros(8))
    header = wire.pack({}, None).parts[0]
    with pytest.raises(wire.WireError, match="more bytes than the shapes say"):
        wire.sizes_of_arrays(header, head.body)


@pytest.mark.parametrize(
    "use", [lambda a: a + 1, lambda a: np.abs(a), np.asarray, len, bool, lambda a: a == a, lambda a: a.T, list, float]
)
def test_whoever_computes_with_what_was_not_read_has_failed(use: Callable[[Any], Any]):
    """An array that was not read is a dtype and a shape."""
    unread = wire.DroppedArray(np.dtype(float), (1000, 1000))
    with pytest.raises(wire.NotRead, match=re.escape("shape (1000, 1000)")):
        use(unread)


def test_a_shape_is_all_that_can_be_the_same():
    """A misconception about the shape is found though no value was read."""
    unread = wire.DroppedArray(np.dtype(float), (3, 3))
    assert same(np.zeros((3, 3)), unread) and same(unread, wire.DroppedArray(np.dtype(float), (3, 3)))
    assert not same(np.zeros((3, 4)), unread) and not same(np.zeros((3, 3), np.float32), unread)
    assert not same("3 items", unread) and not same(unread, 3.0)


def test_a_reply_out_of_proportion_is_wrong_by_its_shape(large_course: Path, reference_source: str):
    """Not a violation, and not a fault: the header says enough, for the misconceptions too."""
    results = grade_course(large_course, {"ones": reference_source + ONES, "good": reference_source})
    topic = results["ones"].topics[0]

    public, hidden = (check_named(topic, n) for n in ("test_double_small", "test_double_marker"))
    assert "shape (1000, 1000), expected (" in public.message and public.verdict is Verdict.WRONG
    assert (hidden.verdict, hidden.message.splitlines()[0]) == (Verdict.WRONG, "double(x) has the wrong shape")
    assert hidden.diagnosis == "sq"
    assert check_named(topic, "test_double_broadcasts").verdict is Verdict.WRONG
    assert set(verdicts(results["good"].topics[0]).values()) == {"pass"}


@pytest.mark.parametrize("judges", [1, 2])
def test_large_right_answers_are_read(large_course: Path, reference_source: str, judges: int):
    """What the reference sends is never too much, and neither is sixteen times that."""
    sources = {f"s{i}": reference_source + f"\n# {i}\n" for i in range(3)}
    for result in grade_course(large_course, sources).values():
        assert set(verdicts(result.topics[0]).values()) == {"pass"}


def test_what_stayed_unread_does_no_harm_where_nobody_looks_at_it(large_course: Path, reference_source: str):
    """A cache may be as large as it likes: it goes back to the worker as the worker's own."""
    with (large_course / "tests" / "hidden" / "test_toy.py").open("a") as file:
        file.write(
            '\n@check("apply", points=1)\ndef test_cache(submission):\n    """A cache goes back."""\n'
            "    out, cache = submission.forward(3.0)\n    assert_close(submission.backward(cache), 6.0)\n"
            "    assert_close(out, np.full(3, 9.0))\n"
        )
    units = "def forward(x):\n    return np.full(3, x * x), (x, np.zeros(1_000_000))\n"
    units += "def backward(cache):\n    assert type(cache[1]) is np.ndarray\n    return 2 * cache[0]\n"
    plain = units.replace(", np.zeros(1_000_000)", ", np.zeros(1)")
    with (large_course / "solutions" / "toy.py").open("a") as file:
        file.write("\n" + plain)
    results = grade_course(large_course, {"large": reference_source + units})
    assert check_named(results["large"].topics[0], "test_cache").verdict is Verdict.PASS


# --- what is kept ----------------------------------------------------------------------------------------------------


class _Measured(ForkEngine):
    """An engine that keeps how much memory its judges have taken at most, in MB, and how many there were."""

    peaks: list[int]

    def new_judge(self) -> JudgeChannel:
        judge = super().new_judge()
        pid, ask = self.judges[-1], judge.ask

        def measured(*args: Any) -> Iterator[Any]:
            for answer in ask(*args):
                status = Path(f"/proc/{pid}/status").read_text()
                self.peaks.append(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) >> 10)
                yield answer

        judge.ask = measured  # type: ignore[method-assign]
        return judge


def measured(root: Path, sources: dict[str, str]) -> tuple[dict[str, SubmissionResult], _Measured]:
    course = load_course(root / "course.yml")
    engine = _Measured(course, ["toy"])
    engine.peaks = []
    try:
        submissions = [submission_of(source, student) for student, source in sources.items()]
        return {r.student: r for r in grade_many(submissions, course, engine, ["toy"], 1)}, engine
    finally:
        engine.close()


needs_forks = pytest.mark.skipif(not can_fork(), reason="needs forked judges")


@needs_forks
def test_nothing_of_a_finished_check_is_kept(toy_copy: Path, reference_source: str):
    """Forty wrong answers, each just small enough to be read, take no more memory than one."""
    body = "\ndef double(x):\n    return np.full(130_000, {}.0)\ndef noise(shape, rng):\n    return np.full(130_000, {}.0)\n"
    wrong = {f"s{i}": reference_source + body.format(i, i) for i in range(40)}
    _, one = measured(toy_copy, dict(list(wrong.items())[:1]))
    _, all_of_them = measured(toy_copy, wrong)

    assert max(all_of_them.peaks) < max(one.peaks) + 40


def test_an_outcome_holds_no_frames(toy: Any, reference_source: str):
    """Neither the variables of the check nor what it sent and received."""
    bench = Bench(toy)
    item = next(i for i in collected(bench) if i.name == "test_double_marker")
    source = reference_source + ONES
    session = in_memory_session({"toy.py": source}, "toy", ["numpy"], [])
    outcome = Explainer(bench).run(item, session)

    assert outcome.verdict is Verdict.WRONG and outcome.error is not None and outcome.failure is not None
    assert outcome.error.__traceback__ is None and outcome.error.__context__ is None
    assert outcome.failure.seen.actual.base is None
    assert (session.calls, session.last_value, session.callbacks.functions) == ({}, None, [])


def collected(bench: Bench) -> list[pytest.Item]:
    from grader.judge.process import collect

    class Loop:
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            bench.adopt(session.items)
            return True

    collect(bench, ["toy"], Loop())
    return bench.items["toy"]


# --- the judge's own limit -------------------------------------------------------------------------------------------

GREEDY = "\ndef double(x):\n    if not x.size: raise ValueError\n    return np.zeros(100_000)\n"


@needs_forks
def test_a_value_that_would_take_all_memory_is_wrong(large_course: Path, reference_source: str):
    """A broadcast of 80 GB fails at the judge's own limit; a fresh judge finds that the value is to blame."""
    sources = {"a": reference_source, "b": reference_source + GREEDY, "c": reference_source + "\n# c\n"}
    results, engine = measured(large_course, sources)

    assert check_named(results["b"].topics[0], "test_double_broadcasts").verdict is Verdict.WRONG
    assert len(engine.judges) == 2
    for student in "ac":
        assert set(verdicts(results[student].topics[0]).values()) == {"pass"}
    assert max(engine.peaks) < 600


def test_a_used_judge_blames_nobody_for_want_of_memory(toy: Any, reference_source: str, monkeypatch):
    """It may have been filled by others: the job is done again by a fresh one."""
    bench = Bench(toy)
    item = next(i for i in collected(bench) if i.name == "test_double_marker")
    session = in_memory_session({"toy.py": reference_source}, "toy", ["numpy"], [])
    monkeypatch.setattr(Bench, "run", lambda *_: MemoryError())
    monkeypatch.setattr(Expectations, "values", lambda *_: [])
    explainer = Explainer(bench)

    explainer.jobs = 2
    with pytest.raises(EngineFault, match="out of memory"):
        explainer.run(item, session)
    explainer.jobs = 1
    assert explainer.run(item, session).verdict is Verdict.WRONG
