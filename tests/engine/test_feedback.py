"""What is said of a failed check: everything for a public one, the grader's own words for a hidden one."""

from __future__ import annotations

import numpy as np
import pytest

from grader.checks import CheckFailed, Seen
from grader.checks.comparing import Failure
from grader.judge.diagnosis import Diagnosis
from grader.judge.feedback import Source, advice_for, inputs_of, message_for, stumbled_over
from grader.judge.verdicts import Outcome, outcome_of
from grader.remote.inmemory import InMemoryConnection
from grader.remote.session import Call, Session
from grader.results import Verdict

HINTS = ("Look there.", "Write that.", "The shape is this.")


def message(outcome: Outcome, visibility: str = "hidden", feedback: str = "hints", hints=HINTS) -> list[str]:
    return message_for(outcome, visibility, "f", "toy", Source("x = 1\n"), feedback, hints).splitlines()


def wrong(actual: object, expected: object, margin: float, inputs: str = "") -> Outcome:
    seen = Seen("dW", actual, expected, margin)
    error = CheckFailed("dW[1] is 3, expected 4", "dW has a wrong value")
    return Outcome(Verdict.WRONG, error.text, error.safe, error, failure=Failure(0, seen), inputs=inputs)


OUTCOME = wrong(np.array([1.0, 3.0]), np.array([1.0, 4.0]), 1e-8, "called as f([1.0, 2.0])")


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        ("verdicts", []),
        ("hints", ["dW has a wrong value", "hint: Look there."]),
        ("full", ["dW has a wrong value", "hint: Look there.", "hint: Write that.", "hint: The shape is this."]),
    ],
)
def test_the_three_levels_of_a_hidden_check(feedback, expected):
    """From the verdict alone to every hint; values at no level, though they are there."""
    assert expected == message(OUTCOME, feedback=feedback)


@pytest.mark.parametrize("feedback", ["verdicts", "hints", "full"])
def test_a_public_check_shows_all_at_every_level(feedback):
    """Worst element, shapes, dtypes, margin and input; the hints are for the asking."""
    assert [
        "dW[1] is 3, expected 4",
        "got float64 (2,), expected float64 (2,), off by 1e+08 times the tolerance",
        "called as f([1.0, 2.0])",
    ] == message(OUTCOME, "public", feedback)


@pytest.mark.parametrize(
    ("actual", "expected", "margin", "line"),
    [
        (np.zeros((2, 3), np.float32), np.zeros(3), 0.0, "got float32 (2, 3), expected float64 (3,)"),
        (np.array(1.5), np.array(2.0), 0.25, "off by 4 times the tolerance"),
        (np.array(1.5), np.zeros(2), 0.0, "got float64, expected float64 (2,)"),
        (np.array([np.nan]), np.array([1.0]), 0.0, "got float64 (1,), expected float64 (1,)"),
        ("3 items", None, 0.0, None),
    ],
)
def test_shapes_and_margin_are_told_where_they_say_something(actual, expected, margin, line):
    """Shapes of arrays, the margin where both are finite numbers; nothing where no numbers were compared."""
    got = message(wrong(actual, expected, margin), "public")[1:]

    assert got == ([line] if line else [])


def test_the_input_is_the_call_of_the_judged_function():
    """Of several calls the latest one of the judged function, else the latest of all."""
    session = Session(InMemoryConnection())
    session.calls = {
        "f": Call("f", (np.array([[1.0, 2.5], [-1 / 3, 1e-9]]), "relu", None), {"n": np.int64(3)}),
        "g": Call("g", (np.zeros((4, 5)), (1, 2), lambda x: x, [np.zeros(2)]), {}),
    }
    code = inputs_of.__code__

    assert "called as f([[1, 2.5], [-0.3333, 1e-09]], 'relu', None, n=3)" == inputs_of(session, "f", None, code)
    assert "called as g(float64 (4, 5), (1, 2), a function, a list of 1)" == inputs_of(session, "h", None, code)
    session.begin_check()
    assert "" == inputs_of(session, "f", None, code)


def test_where_helpers_made_the_calls_the_checks_own_numbers_are_told():
    """Numbers and arrays of the check's frame at the failure, small ones in full, by name."""

    def check() -> None:
        n, large, small, _, odd = 3, np.zeros(50), np.array([1, 2]), 7, [large_one]  # noqa: F841
        deeper()

    def deeper() -> None:
        secret = 5  # noqa: F841
        raise CheckFailed("text", "safe")

    large_one = object()
    try:
        check()
    except CheckFailed as error:
        told = inputs_of(Session(InMemoryConnection()), "f", error, check.__code__)

    assert "where n = 3, large = float64 (50,), small = [1, 2]" == told


def test_each_line_is_bounded_and_without_control_codes():
    """Whatever the text, no line grows without end or moves the cursor."""
    error = CheckFailed("\x1b[2J" + "x" * 5000, "safe")
    lines = message(Outcome(Verdict.WRONG, error.text, error.safe, error, inputs="y" * 5000), "public")

    assert [600, 600] == [len(line) for line in lines]
    assert "\x1b" not in "".join(lines)


def test_advice_names_whose_doing_it_is():
    """A diagnosis gives its sentence; what is right but for others names them, unless only verdicts are told."""
    found = Diagnosis("bp1", "Sum.")

    assert "Sum." == advice_for(found, (), "hints")
    assert advice_for(None, (), "hints") is None
    assert "Right, given a correct f: mend that first." == advice_for(found, ("f",), "full")
    assert "Right, given a correct f, g and h: mend that first." == advice_for(None, ("f", "g", "h"), "hints")
    assert advice_for(None, ("f",), "verdicts") is None


def test_a_passed_check_needs_no_words():
    """Nothing is said of what is right."""
    assert [] == message(outcome_of(None))


# --- a value that a check could not use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "wanted", "text", "safe"),
    [
        (np.ones(3), (np.ones(3), None), "a float64 array of shape (3,) was returned, expected a tuple of 2", "a tuple of 2"),
        (None, np.ones(3), "None was returned, expected a float64 array of shape (3,)", "an array"),
        ((1.0, 2.0), (1.0, 2.0, 3.0), "a tuple of 2 was returned, expected a tuple of 3", "a tuple of 3"),
        ([(1.0, None), (1.0, 5)], [(1.0, None), (1.0, None)], "an int was returned, expected None", "None"),
        ({"w": 1.0}, {"w": 1.0, "b": 2.0}, "a dict of 1 was returned, expected a dict of 2", "a dict"),
        ({"w": "x"}, {"w": 1.0}, "a str was returned, expected a float", "a number"),
    ],
)  # fmt: skip
def test_what_a_check_stumbled_over_is_told_beside_what_it_expects(got, wanted, text, safe):
    """The first difference in kind or number, from outside in; for a hidden check in the reference's words alone."""
    assert stumbled_over(got, wanted) == (text, f"what was returned is not {safe}")


def test_without_a_difference_in_kind_no_more_is_said():
    """Where both look alike, the value in a few words, and for a hidden check none."""
    words = "the check could not use what was returned"

    assert stumbled_over(np.ones(3), np.ones(4)) == (f"{words} (a float64 array of shape (3,))", words)
