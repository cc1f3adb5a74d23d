"""The form of the package keeps its measure: short functions, narrow classes, shallow imports."""

from __future__ import annotations

import importlib.util
import statistics

import pytest
from toys import ROOT


def load_structure():
    """benchmarks/structure.py as a module."""
    spec = importlib.util.spec_from_file_location("structure", ROOT / "benchmarks" / "structure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


structure = load_structure()


@pytest.fixture(scope="module")
def form():
    return structure.form_of(ROOT / "grader")


def test_functions_are_short(form):
    """Half of the functions have at most seven lines, nine of ten at most sixteen, and none more than forty."""
    lengths = [lines for lines, _ in form.functions]

    assert statistics.median(lengths) <= 7
    assert structure.percentile(lengths, 0.9) <= 16
    assert [found for found in form.functions if found[0] > 40] == []


def test_classes_are_narrow(form):
    """No class has more than fifteen methods."""
    assert [found for found in form.classes if found[0] > 15] == []


def test_imports_are_shallow(form):
    """No chain of imports leads through more than nine rooms."""
    assert len(structure.chain_in(form.rooms)) <= 9


@pytest.mark.parametrize("graph", ["rooms", "modules"])
def test_imports_form_no_circle(form, graph):
    """Neither rooms nor modules import each other in a circle, lazily or not."""
    assert structure.cycle_in(getattr(form, graph)) == []


def test_the_top_is_small(form):
    """At most twenty names stand at the top of the package."""
    assert len(form.top) <= 20


def test_a_circle_is_found():
    """What the rule on circles rests on finds one, and tells its way."""
    circle = {"a": {"b", "d"}, "b": {"c"}, "c": {"b"}, "d": set()}

    assert structure.cycle_in(circle) == ["b", "c", "b"]
    assert structure.chain_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == ["a", "b", "c"]
