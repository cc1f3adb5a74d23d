"""What a check file may import: comparisons, observations, counts, and the errors of their arguments."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader import checks
from grader.checks import (
    CheckFailed,
    Seen,
    assert_close,
    assert_each_refused,
    assert_flat_cost,
    assert_no_growth,
    assert_pure,
    assert_raises,
    assert_true,
    central_differences,
    check,
    each,
    fortran,
    fresh,
    in_turn,
    misconception,
    noncontiguous,
    observe,
    observe_each,
    operations,
    oracle,
    strict_floats,
    there_and_back,
)
from grader.checks.comparing import observing
from grader.checks.marking import collecting
from grader.remote.inmemory import in_memory_session
from grader.remote.proxy import RemoteModule
from grader.remote.session import StudentError


def failure(actual: Any, expected: Any, **options: Any) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        assert_close(actual, expected, **options)
    return caught.value


def passes(actual: Any, expected: Any, **options: Any) -> bool:
    try:
        assert_close(actual, expected, **options)
    except CheckFailed:
        return False
    return True


X = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


# --- assert_close: kinds ---------------------------------------------------------------------------------------------

KINDS = {
    "scalar": 1.5, "array": np.array([1.5]), "tuple": (1.5,), "dict": {"a": 1.5}, "text": "1.5", "nothing": None, "object": object(),
}  # fmt: skip


@pytest.mark.parametrize("wanted", KINDS)
def test_kinds_do_not_mix(wanted):
    """A number, an array, a sequence, a dict, a text and None are six kinds, and each equals itself alone."""
    for got, value in KINDS.items():
        assert passes(value, KINDS[wanted]) == (got == wanted), got


def test_tensors_are_a_kind_of_their_own():
    """An array where a tensor is expected is another kind, though a 0-d tensor is a number like any other."""
    torch = pytest.importorskip("torch")

    assert passes(torch.tensor([1.0]), torch.tensor([1.0]))
    assert not passes(np.array([1.0], np.float32), torch.tensor([1.0]))
    assert not passes(torch.tensor([1.0]), np.array([1.0], np.float32))
    assert (
        passes(torch.tensor(1.0), 1.0) and passes(1.0, torch.tensor(1.0)) and passes(np.float32(1), torch.tensor(1.0))
    )
    assert not passes(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    assert not passes(torch.ones(2, dtype=torch.float64), torch.ones(2))
    assert passes(torch.ones(2, requires_grad=True), torch.ones(2))
    assert passes(torch.tensor([1.004]).bfloat16(), torch.tensor([1.0]).bfloat16())
    assert not passes(torch.tensor([1.1]).bfloat16(), torch.tensor([1.0]).bfloat16())


def test_scalars_of_all_makes_are_one_kind():
    """A Python number, a NumPy scalar and a 0-d array are the same thing."""
    makes = [2.0, np.float64(2), np.float32(2), np.array(2.0), np.array(2.0, np.float32), np.float16(2)]

    assert all(passes(a, e) for a in makes for e in makes)
    assert not passes(np.array([2.0]), 2.0) and not passes(2.0, np.array([2.0]))


def test_kinds_of_numbers():
    """An integer is a real number and a real number a complex one, never the other way round; a truth value is its own."""
    order = [np.True_, 1, 1.0, 1.0 + 0j]
    got = [[passes(a, e) for a in order] for e in order]

    assert got == [
        [True, False, False, False],
        [False, True, False, False],
        [False, True, True, False],
        [False, True, True, True],
    ]
    assert passes(True, 1.0, dtype=False) and passes(np.uint8(3), 3) and passes(3, np.uint8(3))


def test_tuples_and_lists_are_one_kind_and_lengths_count():
    """Sequences are compared item by item, however nested; a missing or an extra item is told."""
    assert passes([1.0, (2.0, [X])], (1.0, [2.0, (X,)]))
    assert "1 items, expected 2" in failure((1.0,), (1.0, 2.0)).text
    assert failure([1.0, [2.0, 3.1]], [1.0, [2.0, 3.0]], name="grads").text.startswith("grads[1][1] is 3.1, expected 3")


def test_dicts_need_the_same_keys():
    """Keys in another order are the same; a key too few or too many is told by its name."""
    assert passes({"a": 1.0, "b": X}, {"b": X, "a": 1.0})
    assert "'W', 'c'; expected 'W', 'b'" in failure({"W": 1.0, "c": 1.0}, {"W": 1.0, "b": 1.0}).text
    assert "result['W'][1, 2]" in failure({"W": X + [[0, 0, 0], [0, 0, 1]]}, {"W": X}).text


# --- assert_close: dtypes and shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("got", ["float32", "float16", "int64", "complex128", "bool"])
def test_array_dtypes_are_strict_unless_told_otherwise(got):
    """Equal values of another dtype fail by default; dtype=False skips that, "kind" asks for the kind alone."""
    ones = np.ones(3)

    assert "dtype" in failure(ones.astype(got), ones).text
    assert passes(ones.astype(got), ones, dtype=False)
    assert passes(ones.astype(got), ones, dtype="kind") == got.startswith("float")


def test_kind_accepts_any_width_of_integers():
    """dtype="kind": signed and unsigned of any width are integers; a truth value is none."""
    n = np.arange(4)

    assert all(passes(n.astype(t), n, dtype="kind") for t in ("int8", "int32", "uint8", "uint64"))
    assert not passes(n.astype(bool), n.astype(bool).astype(int), dtype="kind")
    assert not passes(n.astype("int32"), n)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (1,), (6,), (2, 3, 1), (0, 3), (3, 2), (0,)])
def test_shapes_that_would_broadcast_are_refused(shape):
    """Only the very shape passes: what NumPy would broadcast or reshape to it is wrong."""
    assert "shape" in failure(np.ones(shape), np.ones((2, 3))).text
    assert "shape" in failure(np.ones((2, 3)), np.ones(shape)).text


def test_an_empty_array_passes_only_for_an_empty_array():
    """No elements to differ is no reason to pass."""
    assert passes(np.zeros((0, 3)), np.zeros((0, 3)))
    assert not passes(np.zeros((0, 3)), np.zeros((3, 0)))


# --- assert_close: values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "rtol"),
    [("float64", 1e-9), ("float32", 1e-5), ("float16", 1e-2), ("complex128", 1e-9), ("complex64", 1e-5)],
)
def test_default_tolerance_follows_the_dtype(dtype, rtol):
    """A relative difference of a tenth of the tolerance passes, one of ten times fails."""
    e = np.array([1.0, 2.0], dtype)

    assert passes(e, e) and passes((e * (1 + rtol / 10)).astype(dtype), e)
    assert not passes((e * (1 + rtol * 10)).astype(dtype), e)


@given(
    hnp.arrays(np.float64, 5, elements=st.floats(0.1, 10).filter(lambda v: abs(float(np.float32(v)) / v - 1) > 1e-8))
)
@settings(max_examples=50, deadline=None)
def test_values_rounded_through_single_precision_are_refused(e):
    """A detour through float32 is seen in float64, in arrays and in scalars."""
    rounded = e.astype(np.float32).astype(np.float64)

    assert not passes(rounded, e)
    assert not passes(float(rounded[0]), float(e[0])) and not passes(np.float32(e[0]), float(e[0]))


def test_integers_and_truth_values_are_exact():
    """Large integers that agree as floats differ; signed and unsigned are compared as numbers."""
    big = np.array([2**53, 2**62])

    assert passes(big, big) and not passes(big + 1, big)
    assert not passes(2**53 + 1, 2**53) and passes(np.uint64(7), np.int64(7))
    assert not passes(np.array([2**64 - 1], np.uint64), np.array([-1]), dtype=False)
    assert not passes(np.array([True, False]), np.array([True, True]))
    assert passes(np.array([3]), np.array([4]), atol=1)


def test_small_elements_are_measured_by_the_largest():
    """atol is rtol times the largest expected magnitude, so a zero beside a one may be 1e-10, but not 1e-8."""
    e = np.array([1.0, 0.0])

    assert passes([e + [0, 1e-10]], [e]) and not passes(e + [0, 1e-8], e)
    assert passes(e * 1e6 + [0, 1e-4], e * 1e6) and not passes(e * 1e-6 + [0, 1e-10], e * 1e-6)


def test_expected_zeros_are_measured_by_one():
    """Where everything expected is zero, the tolerance is that of ones."""
    assert passes(np.full(3, 1e-10), np.zeros(3)) and not passes(np.full(3, 1e-8), np.zeros(3))
    assert not passes(np.full(3, 1e-8), np.zeros(3), atol=0)
    assert passes(np.full(3, 1e-8), np.zeros(3), atol=1e-7)


def test_tolerances_given_are_used():
    """rtol and atol replace the defaults, one by one."""
    assert passes(1.01, 1.0, rtol=0.02) and not passes(1.01, 1.0, rtol=0.001)
    assert passes(np.array([1e6, 1.0]), np.array([1e6, 0.0]), atol=1) and not passes(
        np.array([1e6, 1.0]), np.array([1e6, 0.0]), atol=0.5
    )


NAN, INF = math.nan, math.inf


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("actual", "expected", "right"),
    [(NAN, 1.0, False), (INF, 1.0, False), (-INF, 1.0, False), (1.0, INF, False), (1.0, NAN, False), (INF, INF, True), (-INF, INF, False),
     (NAN, NAN, True), (NAN, INF, False), (INF, NAN, False), (1e308, -1e308, False), (1.7e308, 1.7e308, True), (complex(NAN, 0), 1 + 0j, False)],
)  # fmt: skip
def test_what_is_not_finite_must_be_met_exactly(actual, expected, right):
    """nan and the infinities equal themselves alone, as scalars, in arrays and beside others."""
    assert passes(actual, expected) == right
    assert passes(np.array([2.0, actual]), np.array([2.0, expected])) == right
    assert passes(np.array([actual]), np.array([expected]), atol=1e300) == right


def test_all_nan_is_never_close():
    """An array of nan is wrong, whatever the tolerance."""
    assert "not finite" in failure(np.full((2, 3), np.nan), X, rtol=1, atol=1e9).safe


# --- assert_close: words ---------------------------------------------------------------------------------------------


def test_the_worst_element_is_named_with_its_index():
    """Of several wrong elements the one that is furthest outside is shown, and how many there are."""
    wrong = X.copy()
    wrong[0, 1], wrong[1, 0] = -2.001, 9.0

    assert failure(wrong, X, name="dW").text == "dW[1, 0] is 9, expected 4 (2 of 6 elements differ, this one most)"
    assert failure(1.5, 2.0, name="loss").text == "loss is 1.5, expected 2"


def test_close_values_are_shown_with_enough_digits():
    """A difference in the ninth digit is visible."""
    assert failure(1.00000001, 1.0).text == "result is 1.00000001, expected 1"


def test_the_first_element_that_is_not_finite_is_named():
    """nan where a number is expected is told as such."""
    assert failure(np.where(X > 4, np.nan, X), X).text.startswith("result[1, 1] is nan, expected 5")


values = hnp.arrays(np.float64, (2, 3), elements=st.floats(1e-3, 1e3).map(lambda v: v * math.pi))


@given(
    values,
    st.sampled_from(["value", "nan", "shape", "dtype", "kind", "items", "keys", "scalar", "text", "integer", "bool"]),
)
@settings(max_examples=120, deadline=None)
def test_safe_words_hold_no_value(e, how):
    """The text for hidden checks names what is wrong without any digit of a result or of what is expected."""
    broken: dict[str, tuple[Any, Any]] = {
        "value": (e * 2, e), "nan": (e * np.nan, e), "shape": (e[:1], e), "dtype": (e.astype(np.float16), e), "kind": (float(e[0, 0]), e),
        "items": ((e,), (e, e)), "keys": ({float(e[0, 0]): 1}, {"a": 1}), "scalar": (float(e[0, 0]), 1e9), "text": (str(e), "x"),
        "integer": (float(e[0, 0]), 7), "bool": (float(e[0, 0]), True),
    }  # fmt: skip
    safe = failure(*broken[how]).safe

    assert not re.search(r"\d", safe.replace("float16", "").replace("result['a']", "")), safe
    assert len(safe) < 80


# --- assert_close: observers -----------------------------------------------------------------------------------------


@pytest.fixture
def seen() -> Any:
    noted: list[Seen] = []
    note = noted.append
    with observing(note):
        yield noted


def test_observers_learn_the_margin(seen):
    """Each comparison reports what was compared and how far inside the tolerance it was."""
    assert_close(1.0 + 1e-10, 1.0, name="a", rtol=1e-8, atol=0)
    assert_close(X, X, name="b")
    failure(1.0 + 1e-6, 1.0, name="c", rtol=1e-8, atol=0)
    failure(NAN, 1.0, name="d")

    assert [s.name for s in seen] == ["a", "b", "c", "d"]
    assert [s.margin for s in seen] == [pytest.approx(100, rel=1e-3), math.inf, pytest.approx(0.01, rel=1e-3), 0.0]
    np.testing.assert_array_equal(seen[1].actual, X)


def test_observers_learn_of_comparisons_that_never_reached_values(seen):
    """A wrong kind, shape, dtype, length or key is reported once, with margin 0."""
    for actual, expected in [(None, X), (X[0], X), (X.astype(np.float32), X), ((), (1.0,)), ({}, {"a": 1}), (1.5, 2)]:
        before = len(seen)
        failure(actual, expected)
        assert [s.margin for s in seen[before:]] == [0.0], (actual, expected)


# --- assert_true, assert_raises --------------------------------------------------------------------------------------


@pytest.mark.parametrize("no", [False, 0, np.False_, [], np.array(False)])
def test_assert_true_demands_and_says_what(no):
    """A property that does not hold fails with its sentence, for public and hidden checks alike."""
    assert_true(np.bool_(True), "never")
    with pytest.raises(CheckFailed) as caught:
        assert_true(no, "the mean should be zero")
    assert (caught.value.text, caught.value.safe) == ("the mean should be zero",) * 2


SOURCE = """
import random, threading, sys
import numpy as np
from dataclasses import dataclass
from typing import NamedTuple

class Both(NamedTuple):
    x: np.ndarray
    y: float
@dataclass
class Cache:
    x: np.ndarray

class MyError(ValueError): pass
def value(x=None): return x
def raises(name): raise {"value": ValueError, "my": MyError, "key": KeyError, "missing": NotImplementedError, "memory": MemoryError}[name]("0.7352")

def writes(x, y=None, out=None):
    if isinstance(x, dict): x["W"][0] = 5.0
    elif isinstance(x, list): x[1] += 1
    elif isinstance(x, tuple): x[0][...] = 9
    else: x += 1
def writes_kw(x, *, out): out[0] = 1
def appends(x): x.append(1)
def new_key(x): x["new"] = 1
def removes(x): x.pop()
def nothing(*args, **kwargs): return 0
def rewrites_nan(x): x[...] = np.nan
def restores(x): x += 1; x -= 1

def same(x): return x
def view(x): return x[1:]
def reshaped(x): return x.reshape(-1)
def disjoint(x): return x[::2].copy()
def nested(x): return {"out": [1, (x.T,)]}
def in_record(x): return Both(x * 2, 1.0), Cache(x)
def part_of(d): return d["inner"][0][:1]
def evens(x): return x

def np_random(x): np.random.rand(); return x * 2
def np_seed(x): np.random.seed(0); return x * 2
def py_random(x): random.random(); return x * 2
def own_random(x): np.random.default_rng(0).random(); random.Random(0).random(); return x * 2

def overflow(x): return np.exp(x)
def divide(x): return x / 0
def invalid(x): return np.sqrt(x)
def underflow(x): return x * 1e-300
def silent(x):
    with np.errstate(all="ignore"): return np.exp(x)

def flat(x): return x * 2 + 1
def loop(x):
    out = []
    for v in x: out.append(v * 2 + 1)
    return np.array(out)
def comprehension(x): return np.array([v * 2 + 1 for v in x])
def helper(x): return sum(map(_one, x))
def _one(v): return v + 1
def branch(x): return x * 2 if len(x) > 5 else x * 2 + 0 * x
_cache = []
def lazy(x):
    if not _cache: _cache.extend(range(1000)); [i for i in _cache]
    return x
def raises_for_three(x):
    if x == 3: raise ValueError("three")
    return x
def draws(rng): return float(rng.random())
def threaded(x):
    t = threading.Thread(target=loop, args=(x,)); t.start(); t.join()
    return x
def untraced(x):
    sys.settrace(None)
    return loop(x)
def retraced(x):
    sys.settrace(lambda *a: None)
    return loop(x)
"""
TORCH = """
import torch
def torch_random(x): torch.rand(1); return x * 2
def view(x): return x[1:]
def same(x): return x
def writes(x): x.add_(1)
def fresh(x): return x * 2
"""


@pytest.fixture(scope="module")
def s() -> RemoteModule:
    return RemoteModule(in_memory_session({"work.py": SOURCE}, "work", ["numpy"], []))


def test_assert_raises_accepts_the_error_and_its_relatives(s):
    """ValueError or a class derived from it is what is asked for."""
    assert_raises(ValueError, s.raises, "value")
    assert_raises(ValueError, s.raises, "my")
    assert_raises(LookupError, s.raises, "key")


def test_assert_raises_refuses_values_and_other_errors(s):
    """A value or another error fails, without any value in the safe text."""
    with pytest.raises(CheckFailed) as returned:
        assert_raises(ValueError, s.value, 7352)
    with pytest.raises(CheckFailed) as other:
        assert_raises(ValueError, s.raises, "key")

    assert (
        returned.value.text == "returned 7352, expected ValueError to be raised" and "7352" not in returned.value.safe
    )
    assert other.value.text == "raised KeyError, expected ValueError" and "KeyError" not in other.value.safe


@pytest.mark.parametrize("name", ["missing", "memory"])
def test_verdicts_of_their_own_pass_through_assert_raises(s, name):
    """A function that is not written yet, or out of memory, is not wrong about its errors."""
    with pytest.raises((NotImplementedError, MemoryError)) as error:
        assert_raises(ValueError, s.raises, name)
    assert isinstance(error.value, StudentError)
    with pytest.raises(StudentError):
        assert_raises(ValueError, s.no_such_function)


# --- observe, assert_pure --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "changed"),
    [("writes", (np.zeros(2),), {}, ("0",)), ("writes", ({"W": np.ones(2), "b": np.ones(2)},), {}, ("0['W']",)),
     ("writes", ([1, 2],), {}, ("0[1]",)), ("writes", ((np.ones(2), 3),), {}, ("0[0]",)), ("writes", (), {"x": np.ones(2)}, ("x",)),
     ("writes_kw", (np.ones(2),), {"out": np.zeros(2)}, ("out",)), ("appends", ([1],), {}, None), ("new_key", ({"a": 1},), {}, None),
     ("removes", ([1, 2],), {}, None), ("nothing", (np.array([np.nan]), float("nan"), {"a": [np.nan]}), {"z": np.ones(1)}, ()),
     ("rewrites_nan", (np.array([np.nan, 1.0]),), {}, ("0",)), ("rewrites_nan", (np.array([np.nan]),), {}, ()),
     ("restores", (np.arange(3.0),), {}, ()), ("nothing", (np.random.default_rng(0),), {}, ())],
)  # fmt: skip
def test_changed_arguments_are_named(s, name, args, kwargs, changed):
    """Arrays, items of lists, tuples and dicts, and keyword arguments that were written to; nan equals itself."""
    got = observe(getattr(s, name))(*args, **kwargs).changed

    assert got == changed if changed is not None else got


@pytest.mark.parametrize(
    ("name", "arg", "aliases"),
    [("same", np.ones(2), [("result", "0")]), ("view", np.ones(3), [("result", "0")]), ("reshaped", np.ones((2, 2)), [("result", "0")]),
     ("disjoint", np.ones(4), []), ("nested", np.ones((2, 2)), [("result['out'][1][0]", "0")]), ("in_record", np.ones(2), [("result[1].x", "0")]),
     ("part_of", {"inner": [np.ones(3)]}, [("result", "0['inner'][0]")]), ("same", noncontiguous(np.ones(4)), [("result", "0")]), ("same", 3, [])],
)  # fmt: skip
def test_shared_memory_is_named_on_both_sides(s, name, arg, aliases):
    """The argument itself, a view of it, and either deep inside a result or an argument."""
    assert list(observe(getattr(s, name))(arg).aliases) == aliases


def test_each_of_many_observed_calls_has_copies_of_its_own(s):
    """One array handed to two calls is not changed for the second by the first; each call is reported for itself."""
    x, y = np.ones(2), np.ones(3)
    seen = list(observe_each(s.writes, [(x,), (x,), (y,)]))

    assert [call[0] is value for (call, _), value in zip(seen, (x, x, y), strict=True)] == [True] * 3
    assert [o.changed for _, o in seen] == [("0",)] * 3
    alone = observe(s.writes)(x)
    assert [np.array_equal(o.value, alone.value) for _, o in seen[:2]] == [True] * 2
    assert [list(o.aliases) for _, o in observe_each(s.same, [(x,), (3,)])] == [[("result", "0")], []]


def test_of_many_observed_calls_those_before_an_error_are_told_first(s):
    """What the calls before it did is seen before the error of a later one is raised."""
    calls = observe_each(s.raises_for_three, [(1,), (3,), (2,)])

    assert next(calls)[1].value == 1
    with pytest.raises(StudentError, match="three"):
        next(calls)


def test_a_generator_goes_on_from_one_of_many_calls_to_the_next(s):
    """As in calls made one by one; and its state comes back."""
    together, one_by_one = np.random.default_rng(5), np.random.default_rng(5)
    values = [o.value for _, o in observe_each(s.draws, [(together,), (together,)])]

    assert values == [float(s.draws(one_by_one)) for _ in range(2)]
    assert together.random() == one_by_one.random()


@pytest.mark.parametrize(
    ("name", "used"), [("np_random", True), ("np_seed", True), ("py_random", True), ("own_random", False)]
)
def test_the_global_random_state_is_watched(s, name, used):
    """Draws from numpy's or Python's global state are seen; generators of one's own are fine."""
    assert observe(getattr(s, name))(np.ones(2)).used_global_random is used


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("writes", "wrote to its argument 0"),
        ("same", "result shares memory with argument 0"),
        ("np_random", "global random state"),
    ],
)
def test_assert_pure_says_what_was_done(s, name, words):
    """Each side effect fails with its name in the text, and the safe text names neither paths nor values."""
    with pytest.raises(CheckFailed, match=words) as caught:
        assert_pure(getattr(s, name), np.full(2, 0.7352))
    assert caught.value.text.startswith(name) and caught.value.safe.startswith(name)
    assert not re.search(r"\d", caught.value.safe)


def test_assert_pure_returns_the_value(s):
    """A call without side effects gives its value."""
    np.testing.assert_array_equal(assert_pure(s.flat, np.ones(2)), [3, 3])


def test_names_in_safe_words_are_not_the_students():
    """A `_name` that a student hangs on a method cannot carry an input into a hidden check's words."""
    source = "class A:\n    def step(self, x):\n        A.step._name = repr(x); x += 1\n"
    a = RemoteModule(in_memory_session({"work.py": source}, "work", ["numpy"], [])).A()

    for _ in range(2):
        with pytest.raises(CheckFailed) as caught:
            assert_pure(a.step, np.full(1, 0.7352))
        assert "7352" not in caught.value.safe and "7352" not in caught.value.text


def test_tensors_are_observed_too():
    """In-place work, views and torch's global random state."""
    torch = pytest.importorskip("torch")
    t = RemoteModule(in_memory_session({"work.py": TORCH}, "work", ["torch"], []))

    assert observe(t.writes)(torch.ones(2)).changed == ("0",)
    assert observe(t.view)(torch.ones(3)).aliases == (("result", "0"),)
    assert observe(t.same)(torch.ones(3)).aliases == (("result", "0"),)
    assert observe(t.torch_random)(torch.ones(1)).used_global_random is True
    clean = observe(t.fresh)(torch.ones(3, requires_grad=True))
    assert (clean.changed, clean.aliases, clean.used_global_random) == ((), (), False)


# --- strict_floats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "x"), [("overflow", 1000.0), ("divide", 1.0), ("invalid", -1.0)])
def test_strict_floats_fail_on_the_way(s, name, x):
    """Overflow, division by zero and invalid operations fail, with the student's line."""
    line = next(i for i, text in enumerate(SOURCE.splitlines(), 1) if text.startswith(f"def {name}("))
    with pytest.raises(CheckFailed, match=f"in line {line}: ") as caught:
        strict_floats(getattr(s, name))(np.array([x]))
    assert caught.value.safe == "a number overflowed or became undefined on the way"
    assert line == caught.value.frames[-1][0]


def test_strict_floats_let_the_rest_pass(s):
    """Underflow is fine, and so is code that silences what it knows; other errors stay what they are."""
    assert strict_floats(s.underflow)(np.array([1e-100])) == 0
    assert strict_floats(s.silent)(np.array([1000.0])) == np.inf
    with pytest.raises(ValueError):
        strict_floats(s.raises)("value")


# --- counting --------------------------------------------------------------------------------------------------------


def test_counts_are_exact_and_repeatable(s):
    """The same call counts the same, first or tenth; vectorised code does not depend on the size."""
    counts = {operations(s.flat)(np.ones(n)).count for n in (1, 10, 1000, 1, 10)}

    assert len(counts) == 1 and 3 < counts.pop() < 20
    assert operations(s.loop)(np.ones(7)).count == operations(s.loop)(np.ones(7)).count


@pytest.mark.parametrize("name", ["loop", "comprehension", "helper"])
def test_loops_grow_by_the_same_for_each_element(s, name):
    """Loops, comprehensions and the student's own helpers count element by element."""
    ten, twenty, thirty = (operations(getattr(s, name))(np.ones(n)).count for n in (10, 20, 30))

    assert twenty - ten == thirty - twenty > 20


def test_first_calls_do_not_count(s):
    """What is set up once is set up before the counted call."""
    assert operations(s.lazy)(np.ones(2)).count < 30


def test_flat_cost_holds_for_arrays_and_fails_for_loops(s):
    """Vectorised code passes and returns both values; a loop fails, with counts in the open text alone."""
    small, large = assert_flat_cost(s.flat, (np.ones(3),), (np.ones(300),))
    with pytest.raises(CheckFailed, match=r"grew to \d+") as caught:
        assert_flat_cost(s.loop, (np.ones(3),), (np.ones(300),))

    assert (small.shape, large.shape) == ((3,), (300,))
    assert not re.search(r"\d", caught.value.safe)


def test_flat_cost_counts_one_sidedly_and_allows_a_branch(s):
    """A branch that hangs on the data is no growth, in either direction; cheaper is fine; a short loop fails."""
    few, many = (np.ones(3),), (np.ones(300),)
    assert_flat_cost(s.branch, few, many)
    assert_flat_cost(s.branch, many, few)
    assert_flat_cost(s.loop, many, few)
    with pytest.raises(CheckFailed):
        assert_flat_cost(s.loop, few, (np.ones(20),))


def test_growth_is_more_than_a_branch():
    """40 operations and the tolerance are allowed; a count of nothing is no count."""
    assert_no_growth(100, 142)
    assert_no_growth(100, 60)
    assert_no_growth(100, 190, tolerance=0.5)
    for few, many in ((100, 143), (0, 0), (1000, 1061)):
        with pytest.raises(CheckFailed, match="grows"):
            assert_no_growth(few, many)


@pytest.mark.parametrize("name", ["threaded", "untraced", "retraced"])
def test_work_that_hides_from_the_count_fails(s, name):
    """A thread, or switching the counting off, is no way to be cheap."""
    with pytest.raises(CheckFailed, match="thread"):
        operations(getattr(s, name))(np.ones(3))
    with pytest.raises(CheckFailed):
        assert_flat_cost(getattr(s, name), (np.ones(3),), (np.ones(300),))


def test_counting_leaves_a_debugger_in_place(s):
    """An author's tracer is there again after the count."""
    before = sys.gettrace()
    try:
        sys.settrace(tracer := lambda *_: None)
        operations(s.flat)(np.ones(2))
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("helper", [observe, strict_floats, operations, checks.keep])
def test_helpers_want_a_function_of_the_submission(helper):
    """A function of the check itself is refused."""
    with pytest.raises(TypeError, match=r"submission\.f"):
        helper(len)


# --- many calls in one trip ------------------------------------------------------------------------------------------

BATCHED = """
made = []
def half(x):
    made.append(x)
    if x < 0: raise ValueError("negative")
    return x / 2
def calls_made(): return list(made)
def forward(x): return x, {"x": x}
def backward(dy, cache): return dy * cache["x"]
def picky(x):
    if x == 1: raise ValueError
    if x == 2: raise KeyError
    if x == 3: raise NotImplementedError
"""


@pytest.fixture
def batched() -> RemoteModule:
    return RemoteModule(in_memory_session({"work.py": BATCHED}, "work", ["numpy"], []))


def test_calls_in_turn_are_made_in_one_trip(batched):
    """Each call comes back beside its result, and each was made once."""
    assert list(in_turn(each, batched.half, calls=[(2,), (4,)])) == [((2,), 1.0), ((4,), 2.0)]
    assert list(batched.calls_made()) == [2, 4]


def test_results_before_an_error_are_seen_before_it(batched):
    """A check judges what was returned first; only then is the error raised."""
    pairs = in_turn(each, batched.half, calls=[(2,), (-1,), (4,)])
    assert next(pairs) == ((2,), 1.0)
    with pytest.raises(ValueError, match="negative"):
        next(pairs)


def test_there_and_back_hands_each_cache_to_its_backward(batched):
    """The upstream gradient meets the cache of its own forward pass."""
    assert list(there_and_back(batched.forward, batched.backward, [((2,), 3), ((4,), 5)])) == [6, 20]


def test_every_call_must_be_refused_with_the_right_error(batched):
    """A value and another error fail; what is not written yet is no refusal."""
    assert_each_refused(batched.picky, [(1,), (1,)])
    for x, words in [(0, "a value was returned"), (2, "another error was raised")]:
        with pytest.raises(CheckFailed, match=words):
            assert_each_refused(batched.picky, [(1,), (x,)])
    with pytest.raises(NotImplementedError):
        assert_each_refused(batched.picky, [(1,), (3,)])


# --- for the judge's side --------------------------------------------------------------------------------------------


def test_central_differences_are_the_gradient():
    """Over every element of an array of any shape, in float64, without touching it."""
    x = np.array([[0.3, -1.2, 2.0], [0.1, 0.5, -0.7]], np.float32)
    before = x.copy()
    got = central_differences(lambda v: np.sum(np.sin(v) * v**2), x)

    v = x.astype(np.float64)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.cos(v) * v**2 + 2 * v * np.sin(v), rtol=1e-7)
    np.testing.assert_array_equal(x, before)
    assert central_differences(lambda v: float(v) ** 3, np.array(2.0)) == pytest.approx(12, rel=1e-8)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "complex128"])
def test_layout_helpers_keep_the_values(dtype):
    """noncontiguous and fortran give equal arrays of the other layouts."""
    x = np.arange(6).reshape(2, 3).astype(dtype)

    for made, flags in ((noncontiguous(x), (False, False)), (fortran(x), (False, True))):
        np.testing.assert_array_equal(made, x)
        assert made.dtype == x.dtype and (made.flags.c_contiguous, made.flags.f_contiguous) == flags


def test_what_lies_between_strided_elements_is_poison():
    """Code that ignores the strides meets nan."""
    assert np.isnan(noncontiguous(np.ones((2, 3))).base).sum() == 6


def test_fresh_copies_deeply():
    """Containers and arrays of the copy are new and writable."""
    x = np.ones(2)
    x.flags.writeable = False
    copy = fresh(({"a": [x]}, x))
    copy[0]["a"][0][0] = 5

    assert x[0] == 1 and copy[1] is not x


def test_an_oracle_is_computed_once_for_equal_arguments():
    """Values are remembered by the bytes of the arguments, and what is handed out is read-only."""
    calls = []

    @oracle
    def double(x: Any, k: Any = 2) -> Any:
        calls.append(1)
        return x * k

    first, second = double(np.ones(2)), double(np.ones(2))
    double(np.ones(2, np.float32)), double(np.ones(2), k=3), double(np.ones((2, 1)))

    assert first is second and len(calls) == 4
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


# --- marking ---------------------------------------------------------------------------------------------------------


def documented() -> None:
    """A sentence."""


@pytest.mark.parametrize("points", [0, -1, 0.25, 1.3, math.nan])
def test_points_are_whole_or_half(points):
    """Other points than 0.5, 1, 1.5, ... are refused where they are written."""
    with pytest.raises(ValueError):
        check("f", points=points)


def test_a_check_needs_its_sentence():
    """Without a docstring, or without points, the mark is refused."""
    with pytest.raises(ValueError, match="docstring"):
        check("f", points=1)(lambda submission: None)
    with pytest.raises(TypeError):
        check("f")(documented)
    assert check("f", points=1.5)(documented).check == checks.Check("f", 1.5)


GOOD: dict[str, Any] = {"id": "bp1", "sentence": "It is the sum.", "caught_by": "test_sum"}


@pytest.mark.parametrize(
    "bad",
    [
        {"id": ""},
        {"id": "bp1#2"},
        {"sentence": " "},
        {"caught_by": "sum"},
        {"caught_by": ""},
        {"twins": "bp2"},
        {"nonsense": 1},
    ],
)
def test_misconceptions_are_checked_where_they_are_written(bad):
    """An empty id, one with '#', no sentence, no check, or twins that are one text are mistakes of the author."""
    with pytest.raises((ValueError, TypeError)):
        misconception(**{**GOOD, **bad})(documented)


def test_misconceptions_are_collected_as_they_are_marked():
    """Whoever loads a file collects what is marked in it, in order, namesakes too; nothing is written into the file's names."""
    scope: dict[str, Any] = {"misconception": misconception}
    with collecting() as found:
        exec(
            "@misconception('a1', 'One.', caught_by='test_a')\ndef f(x): return 1\n"
                "@misconception('a2', 'Two.', caught_by='test_b', twins=['a1'], replaces='Value')\ndef g(reference): return reference\n",
            scope,
        )
    first, second = found

    assert (first.id, first.replaces, first.twins, first.make("module")) == ("a1", "f", (), scope["f"])
    assert "MISCONCEPTIONS" not in scope
    assert (second.id, second.replaces, second.twins, second.make("module")) == ("a2", "Value", ("a1",), "module")
