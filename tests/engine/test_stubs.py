"""Stubs are derived from solutions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from toys import ROOT

from grader.course.stubs import derive_stub, write_stubs
from grader.errors import CourseError

SOLUTION = '''\
"""A topic."""

import numpy as np

### BEGIN SOLUTION
def _helper(x):
    return x
### END SOLUTION


def double(
    x: np.ndarray,
) -> np.ndarray:
    """Twice.

    class of functions that double
    """
    ### BEGIN SOLUTION
    return x * 2
    ### END SOLUTION


class Counter:
    """Counts."""

    def step(self) -> int:
        """One more."""
        ### BEGIN SOLUTION
        self.value += 1
        return self.value
        ### END SOLUTION

    async def later(self) -> None:
        if True:
            ### BEGIN SOLUTION
            pass
            ### END SOLUTION
'''

STUB = '''\
"""A topic."""

import numpy as np


def double(
    x: np.ndarray,
) -> np.ndarray:
    """Twice.

    class of functions that double
    """
    raise NotImplementedError("double")


class Counter:
    """Counts."""

    def step(self) -> int:
        """One more."""
        raise NotImplementedError("Counter.step")

    async def later(self) -> None:
        if True:
            raise NotImplementedError("Counter.later")
'''


def test_bodies_become_one_line_and_helpers_vanish():
    """A block in a function becomes an error that names it, a block of the module leaves nothing, the rest stays."""
    assert derive_stub(SOLUTION) == STUB


def test_deriving_twice_changes_nothing():
    """A stub has no markers, so it is its own stub."""
    assert derive_stub(STUB) == STUB


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a\n### END SOLUTION\n", "s.py:2: '### END SOLUTION' without a beginning"),
        ("### BEGIN SOLUTION\nx\n", "s.py:1: '### BEGIN SOLUTION' is never closed"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n", "s.py:2: a second '### BEGIN SOLUTION'"),
    ],
)
def test_markers_that_do_not_pair_up(source, words):
    """A marker without its partner is an error with file, line and the next step."""
    with pytest.raises(CourseError) as caught:
        derive_stub(source, "s.py")
    assert words == str(caught.value)
    assert caught.value.help


@pytest.mark.parametrize("odd", ["\x0c", "\x1c", "\u2028", "\x85"])
def test_only_newlines_end_lines(odd):
    """A form feed or a Unicode line separator in a string stays where it is."""
    source = f'x = "a{odd}b"\n'

    assert source == derive_stub(source)


def test_stubs_are_written_only_where_they_change(toy_copy):
    """The command writes what differs and names it; a second call finds nothing to do."""
    stub = toy_copy / "exercises" / "toy.py"
    before = stub.read_text()
    stub.write_text("old\n")

    assert [stub] == write_stubs(toy_copy)
    assert before == stub.read_text()
    assert write_stubs(toy_copy) == []


def test_the_command_of_the_makefile(toy_copy):
    """`python -m grader.course.stubs DIR` prints the files that it wrote."""
    (toy_copy / "exercises" / "toy.py").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "grader.course.stubs", str(toy_copy)], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert f"{toy_copy / 'exercises' / 'toy.py'}\n" == done.stdout
