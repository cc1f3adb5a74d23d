"""Mutants that no check can kill because they compute the same: listed with the reason, and put to the test.

`tests/hidden/equivalents/<topic>.yml` is a list of entries:

    - where: softmax_xent                      # function, or class and method
      change: "float(loss) -> loss"            # as the audit prints it
      nth: 2                                   # optional: which of several equal places
      reason: exact                            # exact, unreachable or speed
      because: A NumPy scalar counts as a Python float wherever numbers are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grader.audit.mutants import Mutant
from grader.course import Course, Topic, plain_yaml
from grader.errors import CourseError
from grader.judge.diagnosis import UnitsSeen
from grader.judge.explain import Explainer
from grader.judge.loading import load_fields
from grader.remote.inmemory import InMemoryConnection
from grader.remote.proxy import Handle
from grader.remote.session import Reply, Session, StudentError

CALLS = 200  # in which an equivalent must give the reference's output
MOST_SEEDS = 400
SAME = 1e-9  # relative: exact arithmetic aside, another order of operations may round otherwise


class Equivalent(BaseModel):
    """One entry: the place, and why no run can tell the two apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: str
    change: str
    nth: Annotated[int, Field(ge=1)] = 1
    reason: Literal["exact", "unreachable", "speed"]
    because: Annotated[str, Field(min_length=10)]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.where, self.change, self.nth


def equivalents_file(course: Course, topic: str) -> Path:
    return course.path("tests", "hidden", "equivalents", f"{topic}.yml")


def load_equivalents(course: Course, topic: str) -> list[Equivalent]:
    """The entries of a topic, [] where there is no list; raises `CourseError` for what does not fit."""
    path = equivalents_file(course, topic)
    if not path.is_file():
        return []
    try:
        node = plain_yaml.compose(path.read_text(encoding="utf-8"))
        return TypeAdapter(list[Equivalent]).validate_python(plain_yaml.value_of(node) if node else [])
    except plain_yaml.PlainError as error:
        where = f"{path.name}:{error.mark.line + 1}"
        raise CourseError(error.problem, where, "see grader/audit/equivalents.py") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{path.name}: entry {'.'.join(map(str, first['loc']))}"
        raise CourseError(first["msg"], where, "an entry has where, change, reason and because") from None


# --- the proof -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """How many calls of the changed function were compared, and the first check in which an answer differed."""

    calls: int
    differed: str = ""

    @property
    def holds(self) -> bool:
        return not self.differed and self.calls >= CALLS


class _Keeping(Session):
    """A session that keeps what each request was answered with."""

    def __init__(self, source: str, topic: Topic) -> None:
        super().__init__(InMemoryConnection())
        self.answers: list[Any] = []
        self.load(**load_fields(topic, source))

    def request(self, *args: Any, **fields: Any) -> Reply:
        try:
            reply = super().request(*args, **fields)
        except StudentError as error:
            self.answers.append(error.type_name)
            raise
        self.answers.append(reply.value)
        return reply


def prove(explainer: Explainer, topic: Topic, reference: str, mutant: Mutant) -> Proof:
    """Play the topic's checks under one seed of the course after another until the function was called `CALLS` times.

    Everything that a check asked the reference and the mutant for must have been answered alike.
    """
    every = explainer.bench.items.get(topic.name, [])
    items = [i for i in every if mutant.unit in explainer.touched_units(i) or not mutant.unit]
    calls = 0
    for seed in range(MOST_SEEDS):
        term = Explainer(explainer.bench.at(10_000 + seed))
        for item in items:
            made, differed = _compared(term, topic, reference, mutant, item)
            calls += made
            if differed:
                return Proof(calls, item.name)
            if calls >= CALLS:
                return Proof(calls)
    return Proof(calls)


def _compared(
    explainer: Explainer, topic: Topic, reference: str, mutant: Mutant, item: pytest.Item
) -> tuple[int, bool]:
    """(calls of the changed function, whether an answer differed) in one check."""
    answers, calls = [], 0
    for source in (reference, mutant.source):
        session = _Keeping(source, topic)
        session.answers.clear()
        with UnitsSeen() as seen:
            explainer.run(item, session)
        answers.append(session.answers)
        calls = seen.calls_of(mutant.where) if mutant.where else 1  # a constant of the module: once a check
    return calls, not alike(*answers)


def alike(a: Any, b: Any) -> bool:
    """Whether two answers hold the same data; what stays in the worker is judged by what is fetched from it later."""
    if isinstance(a, Handle) or isinstance(b, Handle):
        return isinstance(a, Handle) and isinstance(b, Handle)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    if type(a).__module__.startswith("torch") and type(b).__module__.startswith("torch"):
        return _close(*(t.detach().double().numpy() if hasattr(t, "detach") else np.array(repr(t)) for t in (a, b)))
    numbers = (bool, int, float, complex, np.generic, np.ndarray)
    if isinstance(a, numbers) and isinstance(b, numbers):
        return _close(np.asarray(a), np.asarray(b))
    return type(a) is type(b) and repr(a) == repr(b)


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
        return a.shape == b.shape and bool((a == b).all())
    size = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
    single = 1e-4 if np.float32 in (a.dtype, b.dtype) else SAME
    with np.errstate(all="ignore"):
        return bool(np.allclose(a, b, rtol=single, atol=single * size, equal_nan=True))
