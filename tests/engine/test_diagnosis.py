"""Naming the mistake behind a wrong answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from toys import check_named, grade_course

from grader.checks import Misconception, Seen
from grader.checks.comparing import Failure
from grader.judge.diagnosis import Diagnoser, same

ENTRIES = """
from grader.checks import misconception


@misconception("t1", "Twice is not three times.", caught_by="test_double_small")
def double(x):
    if not x.size:
        raise ValueError
    return x * 3


@misconception("t2", "The negative side counts too.", caught_by="test_apply_calls_back")
def apply(f, x):
    f(-x)
    return 2 * f(x) + 1


@misconception("t3", "A counter remembers where it began.", caught_by="test_counter_counts", replaces="Counter")
def counter_from_zero(reference):
    class Counter(reference.Counter):
        def __init__(self, start):
            self.value = 0

    return Counter
"""


@pytest.fixture
def course(toy_copy: Path) -> Path:
    folder = toy_copy / "tests" / "hidden" / "misconceptions"
    folder.mkdir()
    (folder / "toy.py").write_text(ENTRIES)
    return toy_copy


def test_each_mistake_is_named(course):
    """A function, a function with a callback and a class: each wrong answer is found among the misconceptions."""
    source = (course / "solutions" / "toy.py").read_text() + (
        "\ndef double(x):\n    if not x.size: raise ValueError\n    return x + x + x\n"
        "\ndef apply(f, x):\n    f(-x)\n    return f(x) + f(x) + 1\n"
        "\nclass Counter:\n    def __init__(self, start): self.value = 0\n"
        "    def step(self):\n        self.value += 1\n        return self.value\n"
    )
    topic = grade_course(course, {"s": source})["s"].topics[0]

    assert ("t1", "Twice is not three times.") == _diagnosis(topic, "test_double_small")
    assert ("t1", "Twice is not three times.") == _diagnosis(topic, "test_double_marker")
    assert ("t2", "The negative side counts too.") == _diagnosis(topic, "test_apply_calls_back")
    assert ("t3", "A counter remembers where it began.") == _diagnosis(topic, "test_counter_counts")


def test_an_unknown_mistake_gets_no_name(course):
    """A wrong answer that no misconception yields is not explained away."""
    source = (course / "solutions" / "toy.py").read_text() + "\ndef double(x):\n    return x * 1.5 + 0.1\n"
    topic = grade_course(course, {"s": source})["s"].topics[0]

    assert (None, None) == _diagnosis(topic, "test_double_small")


def test_simple_transforms_are_named_without_an_entry(toy_copy):
    """Wrong signs, factors of two and float32 precision are recognised from the right answer alone."""
    reference = (toy_copy / "solutions" / "toy.py").read_text()
    bodies = {"a": "-2 * x", "b": "4 * x", "c": "x * 1.0", "d": "(2 * x).astype('f4').astype('f8')"}
    results = grade_course(toy_copy, {s: reference + f"\ndef double(x):\n    return {b}\n" for s, b in bodies.items()})

    got = [check_named(results[s].topics[0], "test_double_small").diagnosis for s in "abcd"]
    assert ["sign", "twice", "half", "float32"] == got


def test_a_students_copy_needs_no_misconceptions(toy_copy):
    """Without the hidden folder public checks are judged as ever."""
    shutil.rmtree(toy_copy / "tests" / "hidden")
    shutil.rmtree(toy_copy / "solutions")
    source = "def double(x):\n    return x * 5\n"
    topic = grade_course(toy_copy, {"s": source})["s"].topics[0]

    assert ["wrong", "missing"] == [c.verdict for c in topic.checks]


def _diagnosis(topic, name):
    check = check_named(topic, name)
    return check.diagnosis, check.advice


def entry(id: str, sentence: str, twins: tuple[str, ...] = ()) -> Misconception:
    return Misconception(id, sentence, "test_x", twins, "f", lambda reference: None)


def failure(value: float, number: int = 0) -> Failure:
    return Failure(number, Seen("x", np.array([value, 1.0]), np.array([1.0, 1.0]), 0.0))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("a", "one", ()), ("b", "two", ())], None),
        ([("a", "one", ()), ("b", "one", ())], "a"),
        ([("a", "one", ("b",)), ("b", "two", ())], "a"),
        ([("a", "one", ()), ("a", "two", ())], "a"),
    ],
)
def test_two_explanations_that_differ_are_no_explanation(entries, expected):
    """Matches must agree in id or sentence, or be listed twins; else nothing is said."""
    diagnoser = Diagnoser([entry(*e) for e in entries])
    found = diagnoser.diagnose("t::test_x", "f", {"f"}, failure(3.0), lambda m: failure(3.0))

    assert expected == (found.id if found else None)


def test_the_comparison_must_be_the_same_one():
    """The same value at another comparison of the check is no match."""
    diagnoser = Diagnoser([entry("a", "one")])

    assert diagnoser.diagnose("t::test_x", "f", {"f"}, failure(3.0, 1), lambda m: failure(3.0, 0)) is None


def test_replays_are_made_once():
    """A second student with the same failure costs a look-up."""
    calls = []
    diagnoser = Diagnoser([entry("a", "one")])
    for _ in range(3):
        diagnoser.diagnose("t::test_x", "f", {"f"}, failure(3.0), lambda m: calls.append(m) or failure(3.0))

    assert 1 == len(calls)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1.0, np.inf]), np.array([1.0, -np.inf]), False),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-7]), True),
        (np.array([1.0, 2.0]), np.array([1.0, 2.001]), False),
        (np.array([1.0]), np.array([[1.0]]), False),
        (np.array([1]), np.array([1.0]), False),
        ("3 items", "3 items", True),
        ("3 items", np.array([3.0]), False),
    ],
)
def test_same_value(a, b, expected):
    """Failing values are one when kind, shape and every element agree to a millionth."""
    assert expected is same(a, b)


# --- simple transforms -----------------------------------------------------------------------------------------------

E = np.arange(1.0, 13.0).reshape(3, 4) ** 1.5


def found(actual, expected) -> str | None:
    """The id of what a misconception-free diagnoser makes of a failing value."""
    seen = Failure(0, Seen("x", actual, expected, 0.0))
    diagnosis = Diagnoser([]).diagnose("t::test_x", "f", {"f"}, seen, lambda m: None)
    return diagnosis.id if diagnosis else None


@pytest.mark.parametrize(
    ("actual", "expected", "id"),
    [
        (-E, E, "sign"),
        (2 * E, E, "twice"),
        (E / 2, E, "half"),
        (E.T, E, "transposed"),
        (E[None].swapaxes(1, 2), E[None], "transposed"),
        (3 * E, E, "sum-for-mean"),
        (E / 4, E, "mean-for-sum"),
        (7 * E, E, "whole-factor"),
        (E.sum(0) / 17, E.sum(0), "whole-factor"),
        (5 * 2.3, 2.3, "whole-factor"),
        (E, E.sum(0), "not-summed"),
        (E, E.sum(1, keepdims=True), "not-summed"),
        (E.sum(1), E, "summed"),
        (E.sum(0, keepdims=True), E, "summed"),
        (E[:, None], E, "extra-axis"),
        (E[:, 0], E[:, :1], "lost-axis"),
        (np.roll(E, 1, 0), E, "shifted"),
        (np.concatenate([E[:, 1:], np.zeros((3, 1))], 1), E, "shifted"),
        (E + 1, E, "one-more"),
        (np.array([4, 6, 9]), np.array([5, 7, 10]), "one-less"),
        (7, 8, "one-less"),
        (np.float32(E).astype(float), E, "float32"),
        (E.astype(complex) * -1, E.astype(complex), "sign"),
    ],
)
def test_every_transform_is_recognised(actual, expected, id):
    """Negated, scaled, transposed, summed or not, shifted, off by one, rounded: each by its own name."""
    assert id == found(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (2.0, 1.0),  # twice, or one too large
        (np.array([2, 2]), np.array([1, 1])),  # twice, or one too large
        (E + 0.3, E),
        (E * 1.7, E),
        (1500 * E, E),  # no size of a check is that large
        (E + 1e-3, E),
        (np.full((3, 4), 2.0) + 0.5, np.full((3, 4), 2.0)),  # a constant that is shifted is a constant
        (np.nan * E, E),
        (E[:2], E),
        (E * 0, E * 0 + 0.0),
        ("3 items", None),
        (np.array([True]), np.array([False])),
        (E.astype(int), E),
    ],
)
def test_what_is_ambiguous_or_unknown_gets_no_name(actual, expected):
    """Two transforms that differ and both match are no explanation, and neither is what merely looks alike."""
    assert found(actual, expected) is None
