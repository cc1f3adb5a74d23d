"""The bench: what a judge has for all submissions, and the one way in which a check is run against a session."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from grader.checks import Seen
from grader.checks.comparing import observing
from grader.course import Course, Topic
from grader.course.units import Unit, units_of
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.answerer import Answerer, fork_answerer, spawn_answerer
from grader.judge.transcripts import Transcripts
from grader.remote.limits import Launcher, WorkerLimits
from grader.remote.proxy import RemoteModule
from grader.remote.session import Session
from grader.remote.spawning import SpawnLauncher

ENDED = (Exception, pytest.fail.Exception, pytest.skip.Exception)  # whatever a check raises is judged


class Bench:
    """The collected checks, the references, and what starts workers."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.items: dict[str, list[pytest.Item]] = {}
        self.broken: dict[str, str] = {}
        self.references: dict[str, Any] = {}
        self.launchers: dict[str, Launcher] = {}
        self.transcripts = Transcripts()
        self.forks = False  # whether this process may be forked: one thread, on a system that can
        self._units: dict[str, list[Unit]] = {}

    def at(self, seed: int) -> Bench:
        """The same checks under another seed of the course."""
        return self._but(course=self.course.model_copy(update={"seed": seed}))

    def with_reference(self, topic: str, reference: Any) -> Bench:
        """The same checks, which get this in the place of the topic's reference."""
        return self._but(references={**self.references, topic: reference})

    def _but(self, **changed: Any) -> Bench:
        other = copy.copy(self)
        vars(other).update(changed, transcripts=Transcripts())
        return other

    def adopt(self, collected: list[pytest.Item]) -> None:
        """Order the collected checks by topic, public ones first, each group in the order of its file."""
        for item in sorted(collected, key=lambda i: facts.visibility_of(i) == "hidden"):
            self.items.setdefault(facts.topic_of(item), []).append(item)
            problem = facts.problem_of(item)
            if problem:
                self.broken.setdefault(facts.topic_of(item), problem)

    def reference(self, topic: str) -> Any:
        """The module of the topic's reference, in this process."""
        if topic not in self.references:
            self.references[topic] = loading.load_reference(self.course, topic)
        return self.references[topic]

    def source_of_reference(self, topic: str) -> str | None:
        """The text of the topic's reference; None in a student's copy, where there is none."""
        path = self.course.path("solutions", f"{topic}.py")
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def launcher(self, kind: str) -> Launcher:
        """What starts workers of a kind."""
        if kind not in self.launchers:
            self.launchers[kind] = SpawnLauncher(kind)
        return self.launchers[kind]

    def answerer(self, topic: Topic) -> Answerer:
        """A process that answers with the topic's reference."""
        limits = WorkerLimits(topic.limits.memory_mb << 20, 0, 1 << 10)
        if self.forks:
            return fork_answerer(self.reference(topic.name), limits)
        return spawn_answerer(self.course.path("solutions", f"{topic.name}.py"), limits)

    def units(self, topic: str) -> list[Unit]:
        """The topic's units, in the order of its solution; [] in a student's copy."""
        if topic not in self._units:
            source = self.source_of_reference(topic)
            self._units[topic] = units_of(source) if source is not None else []
        return self._units[topic]

    def run(self, item: pytest.Item, session: Session, *observers: Callable[[Seen], None]) -> BaseException | None:
        """What a check raises when it is run against a session; `observers` see its comparisons.

        It is called directly: pytest's set-up and reports would be a fifth of the cost of grading, so a check may ask
        for our fixtures alone (`facts.problem_of` refuses others).
        """
        session.begin_check(facts.seed_of(self.course.seed, facts.check_id(item)))
        made = {name: self._made(name, item, session) for name in facts.fixtures_of(item)}
        with observing(*observers):
            try:
                getattr(item, "function")(**made)  # noqa: B009 - every collected check is a Function
            except ENDED as error:
                return error
        return None

    def _made(self, fixture: str, item: pytest.Item, session: Session) -> RemoteModule | types.ModuleType | Any:
        if fixture == "submission":
            return RemoteModule(session)
        if fixture == "reference":
            return self.reference(facts.topic_of(item))
        sequence = facts.seed_sequence(self.course.seed, facts.check_id(item))  # the same inputs, in any order
        return np.random.Generator(np.random.PCG64(sequence))
