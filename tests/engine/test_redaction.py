"""Of a hidden check at most 10 bits leave beside its verdict, however it fails and however often it is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from toys import ROOT, check_named, submission_of

from grader.audit.topic import collect
from grader.checks.comparing import MOST_PLACES, CheckFailed, assert_close
from grader.course import load_course
from grader.course.units import earlier_units
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.diagnosis import TRANSFORMS
from grader.judge.feedback import FORBIDDEN, Source, message_for
from grader.judge.loading import load_fields
from grader.judge.redaction import MAX_LINES, MOST, NAMED, blamed, lines_of, redacted
from grader.judge.verdicts import outcome_of
from grader.remote.inmemory import in_memory_session
from grader.remote.session import WALLS, student_error
from grader.results import TopicResult, Verdict

COURSE = load_course(ROOT / "course.yml")
CHAIN = Path(__file__).parent / "chain"
SOURCE = '''import numpy as np
@np.vectorize
def f(
    x,
):
    """Told
at length."""

    # nothing
    y = """of
two"""
    return (
        x + 1,
        helper(x, y))
def helper(x, y): return x
class Big:
    def __init__(self): self.n = 0

    def step(self):
        self.n += 1
X = 1
def f_other(x):
    return x
'''


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "lines"),
    [
        (["f"], {3, 4, 5, 10, 12, 13, 14}),
        (["helper"], {15}),
        (["Big"], {16, 17, 19, 20}),
        (["f", "helper"], {3, 4, 5, 10, 12, 13, 14, 15}),
        (["X"], set()),
        (["missing"], set()),
    ],
)
def test_the_lines_of_a_unit_are_those_with_code(unit, lines):
    """From the definition to the end of its block, without docstrings, comments and empty lines."""
    assert lines == lines_of(SOURCE, unit)


def test_of_two_definitions_the_last_one_counts():
    """It is the one that Python keeps."""
    assert {3, 4} == lines_of("def f():\n    pass\ndef f():\n    return 1\n", ["f"])


@pytest.mark.parametrize(("statements", "told"), [(MAX_LINES - 1, MAX_LINES), (MAX_LINES, 0), (5000, 0)])
def test_a_long_unit_has_no_lines(statements, told):
    """Above 64 lines of code none is told; empty lines and comments do not count, nor make room for more."""
    text = "def f():\n" + "    pass\n\n    # remark\n" * statements

    assert told == len(lines_of(text, ["f"]))


def test_a_unit_of_several_functions_has_the_lines_of_those_that_fit():
    """The judged function comes first, whatever the others are."""
    long = "def g():\n" + "    pass\n" * 62

    assert {1, 2} == lines_of("def f():\n    pass\n" + long, ["f", "g"])
    assert 63 == len(lines_of("def f():\n    pass\n" + long, ["g", "f"]))


@pytest.mark.parametrize(
    "text", ["def f(:\n  (", "def f():\n    '''", "def f():\n\tif 1:\n  x\n", "def f():\x00\n", "def f"]
)
def test_what_is_no_python_has_no_lines(text):
    """No text is too odd to be read."""
    assert lines_of(text, ["f"]) <= {1, 2, 3}


# --- the bound -------------------------------------------------------------------------------------------------------

MESSAGES_OF_ERRORS = (len(NAMED) + 1) * (MAX_LINES + 2)  # a name or none; a line, none of the unit, or none at all
LONG = "def f(x):\n" + "    x += 1\n" * 60 + "    return helper(x)\n" + "def helper(x):\n" + "    x += 1\n" * 100
FILE = Source(LONG)
NAMES = [*NAMED, "OSError", "MyError", "E" * 70, "", "LookupError", "ExceptionGroup", "E1", "E2"]


def errors(**more: object) -> Iterator[BaseException]:
    """Whatever a worker can say that was raised."""
    for name in NAMES:
        for line in range(len(FILE.lines) + 3):
            message = {"type": name, "mro": [name, "Exception"], "text": name, "frames": [[line, name]], **more}
            yield student_error(message, len(FILE.lines) + 1)


def told(error: BaseException, diagnosed: bool = False, by_second_run: bool = False) -> str:
    outcome = redacted(outcome_of(error), diagnosed, by_second_run)
    return message_for(outcome, "hidden", "f", "toy", FILE, "full", ("Look.",))


@pytest.mark.parametrize("wall", [None, *WALLS])
def test_errors_tell_at_most_ten_bits(wall):
    """Any name and any line, and room for every mistake that can be recognised in the line's place."""
    messages = {told(error) for error in errors(wall=wall)}
    recognised = {told(error, diagnosed=True) for error in errors(wall=wall)}

    assert len(messages) <= MESSAGES_OF_ERRORS < MOST
    assert any("(line 30: x += 1)" in m for m in messages) and any("(in f)" in m for m in messages)
    assert not any("line" in m for m in recognised)


def test_a_second_run_tells_of_itself_alone():
    """What the first one ended in is then its verdict and nothing more."""
    for verdict, wall in ((Verdict.ERROR, None), (Verdict.FORBIDDEN, "read")):
        messages = {told(error, by_second_run=True) for error in errors(wall=wall)}
        assert {verdict.words} == {m.splitlines()[0] for m in messages} and len(messages) == 1


def test_the_name_is_that_of_the_nearest_base_on_the_list():
    """A class of the submission's own is told as what it derives from; one that derives from none as an error."""

    def words(*mro: str) -> str:
        return told(student_error({"type": mro[0], "mro": list(mro), "text": "", "frames": []})).splitlines()[0]

    assert "ValueError was raised" == words("MyError", "ValueError", "Exception")
    assert "IndexError was raised" == words("IndexError", "LookupError", "Exception")
    assert "an error was raised" == words("MyError", "Exception")
    assert FORBIDDEN[None] == words("Forbidden", "ImportError")


def test_the_innermost_line_of_the_unit_is_told():
    """Where a helper raised, the call of it; where no line of the unit is on the way, the unit's name."""

    def words(*lines: int) -> str:
        frames = [[line, "g"] for line in lines]
        return told(student_error({"type": "E", "mro": ["KeyError"], "text": "", "frames": frames})).splitlines()[0]

    assert "KeyError was raised (line 62: return helper(x))" == words(5, 62, 70, 150)
    assert "KeyError was raised (in f)" == words(70, 150)


def test_the_blame_is_one_of_few_sets():
    """Up to two functions by name; where they are more, all that lost points, whichever were called."""
    given = list("abcdefghijkl")

    assert ("c", "a") == blamed(["c", "a"], set(given), given)
    assert ("a", "b", "d", "e") == blamed(["a", "e", "d", "b"], set("abde"), given)
    assert ("a", "b", "d", "e") == blamed(["e", "d", "b"], set("abde"), given)


@pytest.mark.parametrize("topic", [t.name for t in COURSE.topics])
def test_comparisons_of_every_hidden_check_tell_at_most_ten_bits(topic, monkeypatch):
    """All that a wrong value can be told as, for each name that a check compares, and every mistake that is known."""
    explainer = collect(COURSE, [topic])
    bench, demands = explainer.bench, set[str]()
    fields = load_fields(COURSE.topic(topic), bench.source_of_reference(topic))
    hidden = [i for i in bench.items[topic] if facts.visibility_of(i) == "hidden"]
    monkeypatch.setitem(hidden[0].function.__globals__, "assert_true", lambda _, message: demands.add(message))
    for item in hidden:
        compared: list[str] = []
        demands.clear()
        assert bench.run(item, in_memory_session(**fields), lambda seen, to=compared: to.append(seen.name)) is None
        names = {shortened(name, compared) for name in compared}
        mistakes = mistakes_of(explainer, item)
        second = len(mistakes) + len(TRANSFORMS) + ways_to_blame(explainer, item)
        wrong = most_messages(len(names)) + len(demands) + MAX_LINES + 2
        assert max(wrong, MESSAGES_OF_ERRORS) + len(mistakes) + second <= MOST, (item.name, names)


def ways_to_blame(explainer, item):
    """Sets of earlier functions that can be named: one, two or all."""
    earlier = earlier_units(explainer.bench.units(facts.topic_of(item)), facts.function_of(item))
    names = sum(len(u.names) for u in earlier)
    return names + math.comb(names, 2) + 1


def shortened(name: str, compared: list[str]) -> str:
    """Without the place in a list of more than 16."""
    stem, _, rest = name.partition("[")
    many = len({n.partition("]")[0] for n in compared if n.startswith(stem + "[")}) > MOST_PLACES
    return f"{stem}[…]{rest.partition(']')[2]}" if many else name


def mistakes_of(explainer, item):
    """The sentences of misconceptions that can be looked up for a check; each fails at one place of it."""
    near = {facts.function_of(item), *explainer.touched_units(item)}
    known = loading.load_misconceptions(COURSE, facts.topic_of(item))
    return {m.sentence for m in known if m.replaces in near or m.caught_by == item.name}


@pytest.mark.parametrize(("length", "place"), [(MOST_PLACES, "[3]"), (MOST_PLACES + 1, "[…]")])
def test_the_place_in_a_long_list_is_not_told(length, place):
    """Nor the key of a large dict; the members of few are named."""
    for made in (lambda v: [(v[i], 0.0) for i in range(length)], lambda v: {i: (v[i], 0.0) for i in range(length)}):
        with pytest.raises(CheckFailed) as caught:
            assert_close(made({i: float(i == 3) for i in range(length)}), made(dict.fromkeys(range(length), 0.0)))
        assert f"result{place}[0] has a wrong value" == caught.value.safe
        assert caught.value.text.startswith("result[3][0] is 1")


@pytest.mark.parametrize(("dtype", "words"), [("float32", "has dtype float32, another one is expected"),
                                              ("complex64", "has a dtype that is not the one that is expected")])  # fmt: skip
def test_a_usual_dtype_is_told_and_others_are_not(dtype, words):
    """A choice of three, where the students' own mistakes lie."""
    with pytest.raises(CheckFailed) as caught:
        assert_close(np.zeros(3, dtype), np.zeros(3))
    assert f"result {words}" == caught.value.safe


def most_messages(names: int) -> int:
    """What a comparison that failed can be told as, and each kind of value that a check may stumble over.

    By kind, kind of number, length or keys, one of four dtypes, shape (or one of five relations of shapes), finiteness,
    and value (or one of all relations to the right one).
    """
    return names * (4 + 4 + (1 + 5) + 1 + (1 + len(TRANSFORMS))) + 12


# --- in a whole run --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grade() -> Iterator[Callable[[str], TopicResult]]:
    """Grade the reference of the chain with something added to it."""
    engine = make_engine(load_course(CHAIN / "course.yml"), ["chain"])
    reference = (CHAIN / "solutions" / "chain.py").read_text(encoding="utf-8")

    def grade(added: str) -> TopicResult:
        submission = submission_of(reference + added, topic="chain")
        (result,) = grade_many([submission], engine.course, engine, ["chain"], 1)
        return result.topics[0]

    yield grade
    engine.close()


def test_what_is_right_given_another_function_tells_of_no_line(grade):
    """It raised where an earlier function was wrong: whose doing it is stands in the place of the error."""
    result = grade("\ndef table(n):\n    return [][n]\n")
    check = check_named(result, "test_summary")

    assert check.follow_through and "hidden" == check.visibility
    assert "an error was raised" == check.message
    assert "Right, given a correct table: mend that first." == check.advice


def test_how_long_a_hidden_check_took_is_not_told(grade):
    """A sleep of a chosen length would tell of the inputs; only a topic's time is told, in tenths of a second."""
    result = grade("\ndef squash(x):\n    return x * 2\n")
    hidden = [c for c in result.checks if c.visibility == "hidden"]

    assert hidden and {0.0} == {c.seconds for c in hidden}
    assert round(result.seconds, 1) == result.seconds
