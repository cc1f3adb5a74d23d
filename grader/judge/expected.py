"""What a check is sent by the reference: the values, and how much of anybody's frames is in proportion to them."""

from __future__ import annotations

from typing import Any

import pytest

from grader.judge import items as facts
from grader.judge.bench import Bench
from grader.judge.loading import load_fields
from grader.remote.inmemory import ListeningSession
from grader.remote.replies import Allowance, Expected


class Expectations:
    """Runs a check with the reference when something is first asked about it, and keeps what came of that."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.received: dict[str, list[Any] | None] = {}
        self.sizes: dict[str, Expected | None] = {}

    def values(self, item: pytest.Item) -> list[Any] | None:
        """What a check receives from the reference; None if it fails there too, and so is itself to blame.

        In a student's copy [], for the checks that ship are proven where the solutions are.
        """
        self._learn(item)
        return self.received[facts.check_id(item)]

    def allowance(self, item: pytest.Item, learn: bool = False) -> Allowance:
        """How much a check reads, by what is known of it; in a student's copy anything may be right."""
        if learn:
            self._learn(item)
        return Allowance(self.sizes.get(facts.check_id(item), Expected()))

    def were_exceeded(self, item: pytest.Item, allowance: Allowance) -> bool:
        """Whether something stayed unread that is not out of proportion to what the reference sends."""
        return allowance.exceeded and allowance.is_below(self.allowance(item, learn=True))

    def _learn(self, item: pytest.Item) -> None:
        id = facts.check_id(item)
        if id in self.received:
            return
        topic = self.bench.course.topic(facts.topic_of(item))
        source = self.bench.source_of_reference(topic.name)
        if source is None:
            self.received[id], self.sizes[id] = [], None
            return
        session = ListeningSession(load_fields(topic, source))
        error = self.bench.run(item, session)
        self.received[id] = session.received if error is None else None
        self.sizes[id] = session.connection.expected
