"""The mutator makes the slips it promises, each in one place, under names that last."""

import ast
import textwrap

import pytest

from grader.audit.mutants import mutants


def changes(source: str) -> set[str]:
    return {m.change for m in mutants(textwrap.dedent(source))}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("return a + b", {"a + b -> a - b", "a + b -> a", "a + b -> b"}),
        ("return a * b", {"a * b -> a / b", "a * b -> a", "a * b -> b"}),
        ("return a / b", {"a / b -> a * b", "a / b -> a"}),
        ("return a @ b", {"a @ b -> b @ a", "a @ b -> a"}),
        ("return a // b", {"a // b -> -(-a // b)", "a // b -> a"}),
        ("return -a", {"-a -> a"}),
        ("return 3", {"3 -> 4", "3 -> 2"}),
        ("return 0", {"0 -> 1"}),
        ("return 0.5", {"0.5 -> 1.0"}),
        ("return 1e-8", {"1e-08 -> 1e-05", "1e-08 -> 0.0"}),
        ("return True", {"True -> False"}),
        ("return np.sqrt(v) + eps", {"np.sqrt(v) + eps -> np.sqrt(v + eps)"}),
        ("return np.sqrt(v + eps)", {"np.sqrt(v + eps) -> np.sqrt(v) + eps"}),
        ("return a < b", {"a < b -> a <= b", "a < b -> a > b"}),
        ("return a == b", {"a == b -> a != b"}),
        ("return a < b < c", {"a < b < c -> a <= b < c", "a < b < c -> a < b <= c"}),
        ("return a and b", {"a and b -> a or b", "a and b -> a", "a and b -> b"}),
        ("return a if c else b", {"a if c else b -> b if c else a"}),
        ("return not a", {"not a -> a"}),
        ("return x.sum(axis=1)", {"1 -> 0", "x.sum(axis=1) -> x.sum()", "x.sum(axis=1) -> x.mean(axis=1)"}),
        ("return x.sum(axis=(0, 2))", {"(0, 2) -> (2,)", "(0, 2) -> (0,)"}),
        ("return x.max(axis=0, keepdims=True)", {"x.max(axis=0, keepdims=True) -> x.max(axis=0)"}),
        ("return W.T", {"W.T -> W"}),
        ("return w.transpose(1, 0, 2)", {"w.transpose(1, 0, 2) -> w.transpose(1, 2, 0)"}),
        ("return x[1:n]", {"1 -> 1 + 1", "n -> n + 1", "1:n -> :n", "1:n -> 1:"}),
        ("return x[::-1]", {"::-1 -> :", "-1 -> 1"}),
        ("return range(n)", {"n -> n + 1", "n -> n - 1", "range(n) -> range(1, n)"}),
        ("return x.copy()", {"x.copy() -> x"}),
        ("return np.copy(x)", {"np.copy(x) -> x"}),
        ("return np.exp(x)", {"np.exp(x) -> x"}),
        ("return np.where(c, a, b)", {"np.where(c, a, b) -> np.where(c, b, a)"}),
        ("x += a", {"x += a -> x -= a", "x += a -> pass"}),
        ("x[0] = a", {"x[0] = a -> pass"}),
        ("for a in b:\n        f(a)", {"for a in b: -> the loop ends after its first pass"}),
    ],
)
def test_a_slip_of_each_kind(code, expected):
    """The kinds that people make in numeric code."""
    assert expected <= changes(f"def f(a, b, c, n, v, w, x, W, eps):\n    {code}\n")


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(f'{a + b} is not {1 - 2}')",
        '"""a + b, not 3"""',
        "x: Literal[1, 2] = a",
        "import numpy as np",
        "return f'{a - b}'",
        "return 'text'",
    ],
)
def test_what_no_run_can_show_is_left_alone(code):
    """Messages, docstrings, annotations and texts are nobody's formula."""
    assert changes(f"def f(a, b):\n    {code}\n") == set()


def test_symmetric_calls_are_not_swapped():
    """max(a, b) is max(b, a): a mutant that could never be killed helps nobody."""
    assert not any("maximum(b, a)" in c for c in changes("def f(a, b):\n    return np.maximum(a, b)\n"))


SOURCE = '''
def first(a, b):
    """a + b"""
    c = a + b
    return (c  # the sum
            + b) + (a + b)


class Net:
    def forward(self, x):
        return x - 1  # ä: two bytes
'''


def test_names_last_and_tell_equal_places_apart():
    """An edit elsewhere moves no name; two places that read alike are numbered."""
    made = mutants(SOURCE)
    places = [m for m in made if m.change == "a + b -> a - b"]
    assert [m.key for m in places] == [("first", "a + b -> a - b", 1), ("first", "a + b -> a - b", 2)]
    assert places[1].label == "first: a + b -> a - b (place 2)" and places[0].line == 4
    assert {m.key for m in mutants("# a new line\n" + SOURCE)} == {m.key for m in made}
    assert {m.where for m in made} == {"first", "Net.forward"} and {m.unit for m in made} == {"first", "Net"}


def test_every_mutant_compiles_and_means_something_of_its_own():
    """Neither the original again nor two of a kind; comments and the rest of the text stay as they were."""
    made = mutants(SOURCE)
    meanings = {ast.dump(ast.parse(m.source)) for m in made}
    assert len(meanings) == len(made) and ast.dump(ast.parse(SOURCE)) not in meanings
    assert all("# the sum" in m.source or "(c)" in m.source or m.before.startswith("c + b") for m in made)
    assert all("# ä: two bytes" in m.source for m in made if m.unit == "first")


def test_the_sample_is_a_fixed_share():
    """One in ten by the name alone."""
    many = mutants("def f(a):\n" + "".join(f"    x{i} = a + {i}\n" for i in range(300)))
    share = sum(m.in_sample(10) for m in many) / len(many)
    assert 0.06 < share < 0.15
    assert [m.key for m in many if m.in_sample(10)] == [m.key for m in many if m.in_sample(10)]
