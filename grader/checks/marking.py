"""What marks a function as a check, and a wrong implementation as a misconception."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


# --- marking a check -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """What `@check` says about a function: the graded function and the points."""

    function: str
    points: float


def check(function: str, *, points: float) -> Callable[[F], F]:
    """Mark a test function as a check of `function`, worth `points` (whole or half)."""
    if points <= 0 or points * 2 != int(points * 2):
        raise ValueError(f"points are whole or half and above 0, not {points}")

    def mark(test: F) -> F:
        if not (test.__doc__ or "").strip():
            raise ValueError(f"{test.__name__} needs a docstring: the sentence that the student reads")
        test.check = Check(function, points)  # type: ignore[attr-defined]
        return test

    return mark


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation, the sentence for a student who holds it, and the check that must catch it."""

    id: str
    sentence: str
    caught_by: str
    twins: tuple[str, ...]
    replaces: str
    make: Callable[[Any], Any]  # reference module -> replacement


_collecting: list[list[Misconception]] = []


@contextlib.contextmanager
def collecting() -> Iterator[list[Misconception]]:
    """The misconceptions that are marked inside the block, in order, be they namesakes: a module keeps but the last."""
    collected: list[Misconception] = []
    _collecting.append(collected)
    try:
        yield collected
    finally:
        _collecting.remove(collected)


def misconception(
    id: str, sentence: str, *, caught_by: str, twins: Sequence[str] = (), replaces: str | None = None
) -> Callable[[F], F]:
    """Register a wrong implementation of the function of the same name; with `replaces`, a factory of one."""
    if not id or "#" in id:
        raise ValueError(f"the id of a misconception is a short name without '#', not {id!r}")
    if not sentence.strip() or not caught_by.startswith("test_"):
        raise ValueError(f"misconception {id} needs a sentence and the name of the check that catches it")
    if isinstance(twins, str):
        raise TypeError(f"the twins of misconception {id} are a sequence of ids, not one text")

    def register(wrong: F) -> F:
        make = wrong if replaces else lambda reference: wrong
        entry = Misconception(id, sentence, caught_by, tuple(twins), replaces or wrong.__name__, make)
        wrong.misconception = entry  # type: ignore[attr-defined]
        for collected in _collecting:
            collected.append(entry)
        return wrong

    return register
