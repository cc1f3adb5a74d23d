"""Follow-through: what is right given correct earlier functions is told, credited, and worth nothing to a cheat."""

from __future__ import annotations

import os
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from in_memory_judge import InMemoryLauncher, InMemoryWorker
from toys import ROOT, check_named, submission_of, verdicts

from grader.audit.rules import stated_losses
from grader.audit.topic import collect
from grader.course import load_course
from grader.course.units import Unit, earlier_units, units_of
from grader.grading.engine import Engine, SpawnEngine, make_engine
from grader.grading.pool import grade_many
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.answerer import Answerer, NotPlain, Overtaxed, fork_answerer, spawn_answerer
from grader.judge.explain import Explainer
from grader.judge.follow import GivenSession, culprits
from grader.judge.loading import load_fields
from grader.judge.topic import TopicRun
from grader.remote.connection import WorkerDied
from grader.remote.inmemory import InMemoryConnection
from grader.remote.limits import WorkerLimits
from grader.remote.processes import can_fork
from grader.remote.session import StudentError
from grader.results import CheckResult, TopicResult, Verdict

CHAIN = Path(__file__).parent / "chain"
SOLUTION = CHAIN / "solutions" / "chain.py"
REFERENCE = SOLUTION.read_text(encoding="utf-8")
TOPICS = [t.name for t in load_course(ROOT / "course.yml").topics]
WRONG_SQUASH = "\ndef squash(x):\n    if not x.size: raise ValueError\n    return x / (2 + np.abs(x))\n"

Grade = Callable[..., TopicResult]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = make_engine(load_course(CHAIN / "course.yml"), ["chain"])
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def grade(engine: Engine) -> Grade:
    """Grade the reference of the chain with something added to it, or a source as it is."""

    def grade(added: str = "", source: str | None = None) -> TopicResult:
        submission = submission_of(source if source is not None else REFERENCE + added, topic="chain")
        (result,) = grade_many([submission], engine.course, engine, ["chain"], 1)
        return result.topics[0]

    return grade


def followed(result: TopicResult) -> dict[str, str | None]:
    """{check: advice} of those that are right given correct earlier functions."""
    return {c.id.split("::")[1]: c.advice for c in result.checks if c.follow_through}


def failed(result: TopicResult) -> dict[str, str]:
    return {name: verdict for name, verdict in verdicts(result).items() if verdict != "pass"}


def chain_fields(source: str) -> dict[str, object]:
    return load_fields(load_course(CHAIN / "course.yml").topic("chain"), source)


def in_memory(reference: types.ModuleType, fields: dict[str, object]) -> GivenSession:
    """A loaded submission whose earlier units can be given, both in this process."""
    answering = InMemoryConnection()
    answering.server.module = reference
    session = GivenSession(InMemoryConnection(), Answerer(answering))
    session.load(**fields)
    return session


@pytest.fixture
def chain_judge() -> Explainer:
    """A judge of the chain in this process, with workers and the second process in memory."""
    judge = collect(load_course(CHAIN / "course.yml"), ["chain"])
    judge.bench.launchers["numpy"] = InMemoryLauncher("numpy")

    def answerer(topic: object) -> Answerer:
        worker = InMemoryWorker()
        worker.server.module = judge.bench.reference("chain")
        return Answerer(worker)

    judge.bench.answerer = answerer
    return judge


def in_process(judge: Explainer, source: str) -> dict[str, CheckResult]:
    run = TopicRun(judge, judge.course.topic("chain"), source)
    results = [told.result for told in run.run(judge.bench.items["chain"]) if told]
    return {r.id.split("::")[1]: r for r in results}


# --- the credit ------------------------------------------------------------------------------------------------------


def test_a_slip_in_an_early_function_is_blamed_on_it(grade):
    """What is built on a wrong function keeps its verdict, earns its share, and the report says whose doing it is."""
    result = grade(WRONG_SQUASH)

    sentence = "Right, given a correct squash: mend that first."
    assert {"test_slope_of_few": sentence, "test_slope_of_many": sentence, "test_summary": sentence} == followed(result)
    assert {"test_squash": "wrong", **dict.fromkeys(followed(result), "wrong")} == failed(result)
    assert [5.0, 5.0, 2.5] == [check_named(result, name).points for name in followed(result)]
    assert 100 - 10 - 12.5 == result.points


def test_errors_are_followed_through_too(grade):
    """A check that ended in an error, because an earlier function raised, is run again as well."""
    result = grade("\ndef table(n):\n    return [][n]\n")

    assert {"test_table": "error", "test_summary": "error"} == failed(result)
    assert ["test_summary"] == list(followed(result))


def test_what_is_not_written_is_not_followed_through(grade):
    """A missing function makes what needs it missing, and that is no credit."""
    result = grade("\ndef table(n):\n    raise NotImplementedError('table')\n")

    assert {"test_table": "missing", "test_summary": "missing"} == failed(result)
    assert {} == followed(result)


def test_a_unit_that_is_wrong_itself_earns_nothing(grade):
    """With correct earlier functions it is still wrong, whatever else is."""
    result = grade(WRONG_SQUASH + "\ndef slope(x, w):\n    return backward(squash(forward(x, w)[0]), (w, x))[1]\n")

    assert {"test_summary"} == set(followed(result))
    assert {0.0} == {check_named(result, n).points for n in ("test_slope_of_few", "test_slope_of_many")}


def test_two_functions_share_the_blame_where_neither_alone_suffices(grade):
    """Where two earlier functions are wrong and both are needed, both are named."""
    result = grade(WRONG_SQUASH + "\ndef table(n):\n    return np.ones((n, n))\n")

    assert "Right, given a correct squash: mend that first." == followed(result)["test_slope_of_few"]
    assert "Right, given a correct squash and table: mend that first." == followed(result)["test_summary"]


def test_the_blame_finds_the_one_function_that_matters(grade):
    """Two earlier functions are wrong, but given one of them alone the check passes."""
    late = "\ndef slope(x, w):\n    table(2)\n    y, cache = forward(x, w)\n    return backward(squash(y), cache)[1]\n"
    result = grade(late + "\ndef table(n):\n    return np.ones((n, n))\n" + WRONG_SQUASH)

    assert "Right, given a correct squash: mend that first." == followed(result)["test_slope_of_few"]


def test_generators_move_on_and_callables_stay(grade):
    """A replaced function may draw from a generator; one that is called with a function stays the student's own."""
    jitter = grade("\ndef jitter(x, rng):\n    return x + 2 * rng.standard_normal(x.shape) + 1\n_j = jitter\n")
    assert {} == followed(jitter)  # nothing in the checks of jitter tells that it is wrong, and all have passed

    noisy = grade("\ndef jitter(x, rng):\n    return x * np.nan\n")
    assert {"test_measured": "Right, given a correct jitter: mend that first."} == followed(noisy)

    mapped = grade("\ndef mapped(f, x):\n    return np.array([f(float(v)) + 1 for v in x])\n")
    assert {"test_mapped": "wrong", "test_measured": "wrong"} == failed(mapped)
    assert {} == followed(mapped)


def test_classes_are_not_replaced(grade):
    """A class stays the student's own, so what is built on a wrong one is judged with it."""
    result = grade(
        "\nclass Meter:\n    def __init__(self): self.total = 0\n    def show(self, x): return self.total + x.sum()\n"
    )

    assert {"test_meter": "wrong", "test_measured": "wrong"} == failed(result)
    assert {} == followed(result)
    assert "Meter" not in {n for u in earlier_units(units_of(REFERENCE), "summary") for n in u.names}


def test_errors_of_the_reference_are_the_builtin_ones(grade):
    """A later function may leave its bad arguments to an earlier one: the reference's ValueError reaches it."""
    result = grade("\ndef squash(x):\n    return x / (1 + np.abs(x))\n")

    assert {"test_squash_refuses_nothing": "wrong", "test_summary_refuses_nothing": "wrong"} == failed(result)
    assert {"test_summary_refuses_nothing"} == set(followed(result))


def test_where_nothing_can_be_followed_through_no_process_is_started(chain_judge):
    """All checks pass, or every earlier function is right, or none of them can play a part: it costs nothing."""

    def refuse(topic: object) -> Answerer:
        raise AssertionError("a second process was asked for")

    chain_judge.bench.answerer = refuse
    late = "\ndef summary(x, n):\n    return slope(squash(x), x)\n"
    apart = "\ndef jitter(x, rng):\n    return x\n_slope = slope\ndef slope(x, w):\n    return -_slope(x, w)\n"
    results = [in_process(chain_judge, REFERENCE + added) for added in ("", late)]
    shorter = REFERENCE.partition("def measured")[0]

    assert [set(), {"test_summary"}] == [{n for n, c in r.items() if c.verdict != "pass"} for r in results]
    assert "wrong" == in_process(chain_judge, shorter + apart)["test_slope_of_few"].verdict


def test_a_second_process_that_is_killed_is_replaced(chain_judge):
    """A kill by somebody else costs no credit: another process answers."""
    died = WorkerDied(Verdict.CRASH, "ended by SIGKILL")
    died.by_kill = True
    good, killed = chain_judge.bench.answerer, []

    def killed_at_first(topic: object) -> Answerer:
        answerer = good(topic)
        if len(killed) < 2:
            killed.append(answerer)
            answerer.session.request = lambda *a, **k: (_ for _ in ()).throw(died)
        return answerer

    chain_judge.bench.answerer = killed_at_first
    result = in_process(chain_judge, REFERENCE + WRONG_SQUASH)

    assert 2 == len(killed)
    assert result["test_slope_of_few"].follow_through and result["test_summary"].follow_through


def test_a_reference_with_odd_caches_costs_nobody_anything(chain_judge, capfd):
    """Where the reference returns what is not plain data, nothing is followed through, and the author hears of it."""
    odd = types.ModuleType("odd")
    vars(odd).update(vars(chain_judge.bench.reference("chain")), squash=lambda x: lambda: x)
    chain_judge.bench.references["chain"] = odd
    result = in_process(chain_judge, REFERENCE + WRONG_SQUASH)

    assert "wrong" == result["test_slope_of_few"].verdict and not result["test_slope_of_few"].follow_through
    assert "squash of the reference returns what is not plain data" in capfd.readouterr().err


def test_the_share_is_that_of_the_course(chain_judge):
    """`follow_through_share` says what it is worth; where that is nothing, nothing is run again."""
    policy = chain_judge.course.policy
    for share in (0.0, 0.25, 1.0):
        chain_judge.bench.course = chain_judge.course.model_copy(
            update={"policy": policy.model_copy(update={"follow_through_share": share})}
        )
        check = in_process(chain_judge, REFERENCE + WRONG_SQUASH)["test_slope_of_many"]
        assert (10 * share, share > 0, "wrong") == (check.points, check.follow_through, check.verdict)


def test_systems_without_fork_follow_through_too():
    """Where nothing is forked the second process is started anew."""
    course = load_course(CHAIN / "course.yml")
    engine = SpawnEngine(course, ["chain"])
    try:
        (result,) = grade_many([submission_of(REFERENCE + WRONG_SQUASH, topic="chain")], course, engine, ["chain"], 1)
    finally:
        engine.close()

    assert {"test_slope_of_few", "test_slope_of_many", "test_summary"} == set(followed(result.topics[0]))


def test_the_value_of_the_further_run_is_looked_up(grade):
    """Where several units are wrong, what is wrong with the later one itself is named from its further run."""
    result = grade(WRONG_SQUASH + "\n_slope = slope\ndef slope(x, w):\n    return -_slope(x, w)\n")

    assert ["sign", "sign"] == [check_named(result, n).diagnosis for n in ("test_slope_of_few", "test_slope_of_many")]
    assert {"test_summary": "Right, given a correct squash and slope: mend that first."} == followed(result)


# --- what a cheat gets -----------------------------------------------------------------------------------------------


def test_a_first_function_that_calls_a_later_one_earns_nothing(grade):
    """Only earlier functions are answered: a later one stays the student's, and hands out no answer."""
    source = REFERENCE.replace("    return x / (1 + np.abs(x))\n", "    return summary(x, 1) * slope(x, x)\n")
    result = grade(source=source)

    assert "pass" != check_named(result, "test_squash").verdict
    assert 0.0 == check_named(result, "test_squash").points
    assert not check_named(result, "test_squash").follow_through


def test_own_unit_and_later_ones_are_never_answered(grade):
    """Neither the other half of a pair, nor a later unit, nor the judged function itself can be asked for."""
    cheat = (
        "\nimport types\n_given = lambda name: globals()[name].__code__.co_filename\n"
        "_home = _given('slope')\n"
        "def backward(dy, cache):\n    return (dy, dy) if _given('forward') == _home else (0, 0)\n"
        "def squash(x):\n    if not x.size: raise ValueError\n    return x\n"
        "def slope(x, w):\n"
        "    elsewhere = [n for n in ('squash', 'table', 'harmonic', 'forward', 'backward', 'slope', 'measured', 'summary')"
        " if _given(n) != _home]\n"
        "    return x if elsewhere in ([], ['squash', 'harmonic']) else 1 / 0\n"
    )
    result = grade(cheat)

    assert ["wrong", "wrong"] == [check_named(result, n).verdict for n in ("test_slope_of_few", "test_slope_of_many")]
    assert {"test_summary"} >= set(followed(result))


def test_what_was_learned_in_a_further_run_is_of_no_use_elsewhere(grade):
    """A submission that remembers the reference's answers, in its module or in the interpreter, has lost them by then."""
    cheat = (
        "\nimport sys\n_seen = sys.__dict__.setdefault('seen', {})\n"
        "def squash(x):\n    return _seen.get(x.tobytes(), x)\n"
        "def slope(x, w):\n    _seen[x.tobytes()] = squash(x)\n    return x\n"
    )
    result = grade(cheat)

    assert {0.0} == {c.points for c in result.checks if c.function in ("squash", "slope")}


def test_a_run_that_asked_nothing_is_no_follow_through(grade):
    """An answer that is right every third time has not been given a correct earlier function."""
    flaky = (
        "\nimport os, time\n_s = slope\n"
        "def squash(x):\n    return x\n"
        "def slope(x, w):\n"
        "    if squash.__code__.co_filename == slope.__code__.co_filename: return x\n"
        "    return x * w / (1 + np.abs(x * w)) * x\n"
    )
    result = grade(flaky)

    assert not check_named(result, "test_slope_of_few").follow_through


ABUSES = {
    "a huge array": "squash(np.ones(1 << 21))",
    "an absurd count": "table(10**6)",
    "a count that takes for ever": "harmonic(10**12)",
    "an answer that does not cross": "table(3000)",
    "a forged name": "_ask('slope', [1.0])",
    "a name that is no text": "_ask(['squash'], [1.0])",
    "a handle": "_ask('squash', [{'h': [1, 'x', True]}])",
    "arguments that are none": "_ask('squash', 7)",
    "a generator of its own making": "_ask('jitter', [1.0, {'g': 0}], [{'state': {'state': -1, 'inc': 1 << 200}}])",
}
ASK = """
def _ask(name, arguments, generators=()):
    import gc, sys
    wire = sys.modules["grader.wire"]
    server = next(o for o in gc.get_objects() if type(o).__name__ == "Server")
    nodes = {"l": arguments} if isinstance(arguments, list) else arguments
    message = {"given": name, "generators": list(generators)}
    return server.ask(wire.pack({**message, "args": nodes, "kwargs": {"d": []}}), wire.CALLBACK)
"""


@pytest.mark.parametrize("abuse", ABUSES.values(), ids=ABUSES.keys())
def test_absurd_calls_are_a_violation_and_the_judge_lives(grade, abuse):
    """Whatever an earlier function is asked for: the check ends in a violation, and all others are judged as ever."""
    body = f"    if squash.__code__.co_filename != slope.__code__.co_filename: {abuse}\n    return x\n"
    wrong = "def squash(x): return x if x.size else [][0]\ndef table(n): return 1\ndef jitter(x, rng): return x\n"
    result = grade(f"{ASK}\n{wrong}def slope(x, w):\n{body}")

    got = verdicts(result)
    assert "violation" == got["test_slope_of_few"] == got["test_slope_of_many"]
    assert {0.0} == {c.points for c in result.checks if c.function in ("squash", "slope")}
    assert {"pass"} == {got[n] for n in ("test_backward", "test_mapped", "test_meter")}
    assert check_named(result, "test_measured").follow_through and not result.faults


def test_too_many_calls_are_a_violation(monkeypatch):
    """An earlier function may be asked so often within one check, as often again within the next, and no oftener."""
    monkeypatch.setattr("grader.judge.follow.MAX_CALLS", 50)
    added = "\ndef slope(x, n):\n    return [squash(x) for _ in range(n)][-1]\n"
    session = in_memory(loading.load_file(SOLUTION, "chain_reference"), chain_fields(REFERENCE + added))
    session.give(["squash"])
    x = np.ones(2)

    for _ in range(2):
        session.begin_check()
        assert np.array_equal(session.call("slope", (x, 50)).value, x / 2)
    with pytest.raises(WorkerDied) as died:
        session.call("slope", (x, 1))
    assert died.value.verdict is Verdict.VIOLATION and session.abused


@pytest.mark.parametrize(("elements", "fits"), [(1 << 17, True), ((1 << 17) + 1, False)])
def test_arguments_may_be_sixteen_times_the_largest_of_the_check(elements, fits):
    """Each array may have 16 times the bytes of the largest argument so far, and a megabyte in any case."""
    added = "\ndef slope(x, n):\n    return squash(np.ones(n))[:1] if squash(x).size else x\n"
    session = in_memory(loading.load_file(SOLUTION, "chain_reference"), chain_fields(REFERENCE + added))
    session.give(["squash"])
    for size, largest in ((1, 1 << 17), (1 << 14, 1 << 18)):
        session.begin_check()
        more = largest + elements - (1 << 17)
        call = lambda size=size, more=more: session.call("slope", (np.ones(size), more)).value  # noqa: E731
        if fits:
            assert [0.5] == call().tolist()
        else:
            with pytest.raises(WorkerDied):
                call()


def test_no_process_is_left_behind(grade, engine):
    """The second process ends with the topic it answered for."""
    if not can_fork():
        pytest.skip("needs forked judges")
    from test_kills import children

    grade(WRONG_SQUASH)

    assert [] == [p for judge in children(engine.mother.process.pid) for p in children(judge)]


# --- the second process ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["forked", "spawned"])
def answerer(request: pytest.FixtureRequest) -> Iterator[Answerer]:
    limits = WorkerLimits(256 << 20, 0, 1 << 10)
    if request.param == "forked":
        if not can_fork():
            pytest.skip("needs fork")
        made = fork_answerer(loading.load_file(SOLUTION, "chain_reference"), limits)
    else:
        made = spawn_answerer(SOLUTION, limits)
    made.begin(0.5, 10)
    yield made
    made.close()


def test_the_second_process_answers_with_the_reference(answerer):
    """Arrays, caches and generators cross; what it raises is the built-in error."""
    x, rng, same = np.arange(3.0), np.random.default_rng(1), np.random.default_rng(1)
    y, cache = answerer.call("forward", [x, x], {})

    assert np.array_equal(y, x * x)
    assert np.array_equal(answerer.call("backward", [x], {"cache": cache})[0], x * x)
    assert np.array_equal(answerer.call("jitter", [x, rng], {}), x + same.standard_normal(3))
    assert rng.bit_generator.state == same.bit_generator.state
    with pytest.raises(ValueError, match="empty") as raised:
        answerer.call("squash", [np.zeros(0)], {})
    assert isinstance(raised.value, StudentError)


def test_the_second_process_has_limits(answerer):
    """Too much memory or time is the caller's doing; a stray kill is nobody's, and worth another try."""
    with pytest.raises(Overtaxed):
        answerer.call("table", [10**6], {})
    with pytest.raises(NotPlain):
        answerer.call("Meter", [], {})
    with pytest.raises(Overtaxed):
        answerer.call("table", [3000], {})  # more than crosses
    with pytest.raises(Overtaxed):
        answerer.call("harmonic", [10**12], {})


def test_a_stray_kill_of_the_second_process_is_told_apart(answerer):
    """Killed from outside, it has not been overtaxed."""
    connection = answerer.connection
    os.kill(getattr(connection, "pid", 0) or connection.process.pid, signal.SIGKILL)

    with pytest.raises(WorkerDied) as died:
        answerer.call("squash", [np.ones(2)], {})
    assert died.value.by_kill


# --- units -----------------------------------------------------------------------------------------------------------


def test_units_are_read_from_the_solution():
    """A class is one unit, functions that share a `Cache` are one, private names are none."""
    source = (
        "def a(x) -> tuple[int, Cache]: ...\ndef b(x): ...\ndef c(y, cache: Cache): ...\ndef _d(): ...\n"
        "class E:\n    def f(self): ...\ndef g() -> Cache: ...\ndef h(*, c: Cache) -> Cache: ...\ndef i(): ...\n"
    )
    units = units_of(source)

    assert [("a", "c"), ("b",), ("E",), ("g", "h"), ("i",)] == [u.names for u in units]
    names = {f: [u.names for u in earlier_units(units, f)] for f in "abcEghi"}
    assert [] == names["a"] == names["c"] == names["b"]  # b lies within the pair: not wholly after it
    assert [("a", "c"), ("b",)] == names["E"] == names["g"] == names["h"]
    assert [("a", "c"), ("b",), ("g", "h")] == names["i"]


def test_culprits_are_called_functions_with_lost_points():
    """Of what was called, what has lost points; all that was called where none has."""
    units = [Unit(("a", "b"), False, 0, 1), Unit(("c",), False, 2, 2)]

    assert [("b",)] == culprits({"a", "b", "c"}, {"b"}, units)
    assert [("b",), ("c",)] == culprits({"b", "c"}, {"a", "b", "c"}, units)
    assert [("a",), ("c",)] == culprits({"a", "c"}, set(), units)


# --- the course ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course_judge() -> Explainer:
    return collect(load_course(ROOT / "course.yml"), TOPICS)


def losses_with_earlier_units_given(judge: Explainer, topic: str, source: str) -> dict[str, str]:
    """Checks that a submission does not pass when the units before each check's own are answered by the reference."""
    session = in_memory(judge.bench.reference(topic), load_fields(judge.course.topic(topic), source))
    module = session.measured.connection.server.module
    own, lost = dict(vars(module)), {}
    for item in judge.bench.items[topic]:
        vars(module).update(own)
        session.begin_check()
        units = earlier_units(judge.bench.units(topic), facts.function_of(item))
        session.give([name for unit in units for name in unit.names])
        outcome = judge.run(item, session)
        if outcome.verdict is not Verdict.PASS or session.not_plain:
            lost[item.name] = f"{outcome.verdict} {outcome.text} {session.not_plain}"
    return lost


SLOW = ("optimizers", "regularization", "elbo", "gan_loss")  # their references share little among units
QUICK_VARIANTS = ("backprop_dataclass", "lstm_closures")
PEEKING = {  # right work that looks into the cache of an earlier unit of its own, as it may: the swap is not for it
    "lstm": {"lstm_forward", "lstm_backward", "truncated_bptt", "state_jacobian_norms"},
}


@pytest.mark.parametrize("topic", [pytest.param(t, marks=pytest.mark.slow) if t in SLOW else t for t in TOPICS])
def test_the_references_earlier_units_can_stand_in_for_its_own(course_judge, topic):
    """In every topic all that earlier functions return is plain data, and a right submission stays right."""
    source = (ROOT / "solutions" / f"{topic}.py").read_text(encoding="utf-8")

    assert {} == losses_with_earlier_units_given(course_judge, topic, source)


VARIANTS = sorted(p.stem for p in ROOT.glob("tests/hidden/variants/*.py"))


@pytest.mark.parametrize(
    "variant", [v if v in QUICK_VARIANTS else pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS]
)
def test_right_work_with_caches_of_its_own_never_fails_by_the_swap(course_judge, variant):
    """Closures, dataclasses, dicts as caches: a unit is never split, so each half meets the cache it made."""
    topic = max((t for t in TOPICS if variant.startswith(t + "_")), key=len)
    source = (ROOT / "tests" / "hidden" / "variants" / f"{variant}.py").read_text(encoding="utf-8")
    lost = losses_with_earlier_units_given(course_judge, topic, source).keys() - stated_losses(source)

    functions = {facts.function_of(item) for item in course_judge.bench.items[topic] if item.name in lost}
    assert functions <= PEEKING.get(topic, set())


def test_a_unit_that_has_passed_its_checks_is_not_replaced(grade):
    """Caches of right units stay the student's own, so what looks into them is credited when another one is wrong."""
    peeking = (
        "\ndef forward(x, w):\n    return x * w, {'both': (x, w)}\n"
        "def backward(dy, cache):\n    return dy * cache['both'][1], dy * cache['both'][0]\n"
        "def slope(x, w):\n    y, cache = forward(x, w)\n    return squash(y) * cache['both'][0]\n"
    )
    result = grade(peeking + WRONG_SQUASH)

    assert {"test_slope_of_few", "test_slope_of_many", "test_summary"} == set(followed(result))
