"""What a check compares when the reference is judged: seen in the author's own process, where nothing is hidden."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from grader.checks import Seen
from grader.course import Topic
from grader.judge.bench import Bench
from grader.judge.explain import Explainer
from grader.judge.loading import load_fields
from grader.remote.inmemory import in_memory_session

WIDEST = {"float64": 2e-6, "complex128": 2e-6}  # relative tolerances; wider ones say why
WIDEST_OTHER = 2e-2


class AskedReference(types.ModuleType):
    """The reference module, noting which of its names a check asks for."""

    def __init__(self, bench: Bench, topic: str) -> None:
        super().__init__(topic)
        self.__dict__.update(_bench=bench, _topic=topic, asked=set())

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(self._bench.reference(self._topic), name)


class Comparisons:
    """The comparisons of one check: a digest of their values, and the tolerances that are wide without a reason."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._allowed: dict[tuple[str, str], tuple[float, float, float]] = {}
        self.asked: set[str] = set()  # names of the reference that the check used

    def __call__(self, seen: Seen) -> None:
        for value in (seen.name, seen.actual, seen.expected):
            self._hash.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
        if seen.tolerance and not seen.tolerance.wide:
            expected = np.asarray(seen.expected)
            key = seen.name.partition("[")[0], expected.dtype.name
            known = zip(self._allowed.get(key, (0.0, 0.0, 0.0)), seen.tolerance.allows(expected), strict=True)
            self._allowed[key] = tuple(map(max, known))  # type: ignore[assignment]

    def loose(self) -> Iterator[tuple[float, str]]:
        """(relative tolerance, what is compared) where a float32 result would pass for a float64 one.

        The size of a quantity is that of its largest value: one that happens to be near 0 has no size of its own.
        """
        for (name, dtype), (rtol, atol, largest) in self._allowed.items():
            allowed = rtol + atol / (largest or 1.0)
            if allowed > WIDEST.get(dtype, WIDEST_OTHER):
                yield allowed, name

    def digest(self) -> str:
        return self._hash.hexdigest()


def watch(bench: Bench, topic: Topic, source: str, items: Iterable[pytest.Item]) -> dict[str, Comparisons]:
    """What each check compares, by its name, when `source` is judged in this order."""
    asked, found = AskedReference(bench, topic.name), {}
    watching = Explainer(bench.with_reference(topic.name, asked))
    session = in_memory_session(**load_fields(topic, source))
    for item in items:
        asked.asked.clear()
        watched = found[item.name] = Comparisons()
        watching.run(item, session, watched)
        watched.asked = set(asked.asked)
    return found
