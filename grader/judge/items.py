"""Facts about a collected check: its topic, its visibility, what it grades, the sentence that a student reads."""

from __future__ import annotations

import functools
import hashlib
import inspect
from pathlib import Path

import numpy as np
import pytest

from grader.checks import Check

VISIBILITIES = ("public", "hidden")


# --- facts about a collected check -----------------------------------------------------------------------------------


@functools.cache  # of items there are a few hundred, asked for again with every submission
def topic_of(item: pytest.Item) -> str:
    return item.path.stem.removeprefix("test_")


@functools.cache
def visibility_of(item: pytest.Item) -> str:
    return item.path.parent.name


@functools.cache
def check_of(item: pytest.Item) -> Check | None:
    return getattr(getattr(item, "function", None), "check", None)


@functools.cache
def function_of(item: pytest.Item) -> str:
    """The graded function of a check; "" for what is none."""
    check = check_of(item)
    return check.function if check else ""


@functools.cache
def check_id(item: pytest.Item) -> str:
    return f"{topic_of(item)}::{item.name}"


@functools.cache
def title_of(item: pytest.Item) -> str:
    """The first paragraph of the check's docstring on one line: what the student reads."""
    doc = (getattr(item, "function").__doc__ or "").strip()  # noqa: B009
    return " ".join(doc.split("\n\n")[0].split())


def is_check_file(path: Path) -> bool:
    return path.parent.name in VISIBILITIES and path.parent.parent.name == "tests"


def seeded(seed: int, id: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, id)))


@functools.cache
def seed_sequence(seed: int, id: str) -> np.random.SeedSequence:
    digest = hashlib.sha256(f"{seed}:{id}".encode()).digest()
    return np.random.SeedSequence(int.from_bytes(digest[:16], "little"))


@functools.cache
def seed_of(seed: int, id: str) -> int:
    """What the worker's global random states begin with in this check; it does not lead to the check's own inputs."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{id}:global".encode()).digest()[:4], "little")


FIXTURES = ("submission", "reference", "rng")


@functools.cache
def fixtures_of(item: pytest.Item) -> tuple[str, ...]:
    """What a check asks for."""
    return tuple(inspect.signature(getattr(item, "function")).parameters)  # noqa: B009 - a collected function


def mark_of(item: pytest.Item) -> Check:
    """The mark of what is known to be a check."""
    check = check_of(item)
    assert check is not None
    return check


def problem_of(item: pytest.Item) -> str:
    """Why what was collected from a check file cannot be run as a check; "" for what can."""
    if check_of(item) is None:
        return f"{item.nodeid} has no @check: every test below tests/public and tests/hidden is a check with points"
    others = [name for name in fixtures_of(item) if name not in FIXTURES]
    if others:
        return f"{item.nodeid} asks for '{others[0]}': a check gets {', '.join(FIXTURES)} and nothing else"
    return ""
