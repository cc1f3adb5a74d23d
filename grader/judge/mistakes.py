"""The known mistakes of a topic, put into the reference to see whether they explain a failure."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grader.checks import Misconception
from grader.checks.comparing import Failure, Recorder
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.agreement import Agreement, KnownCheck, Ran
from grader.judge.bench import Bench
from grader.judge.diagnosis import Diagnoser, Diagnosis
from grader.judge.transforms import CannotPutIn
from grader.judge.verdicts import outcome_of, words_of_failure
from grader.results import Verdict


class Mistakes:
    """Runs checks against the reference with one unit replaced, each pair once."""

    def __init__(self, bench: Bench, touched_units: Callable[[pytest.Item], frozenset[str]]) -> None:
        self.bench, self.touched_units = bench, touched_units
        self.diagnosers: dict[str, Diagnoser] = {}
        self.ran: dict[tuple[str, int], Ran] = {}

    def explaining(self, item: pytest.Item, failure: Failure, agreement: Agreement | None) -> Diagnosis | None:
        """The known mistake that explains a failure; None in a student's copy."""
        topic = facts.topic_of(item)
        if topic not in self.diagnosers:
            self.diagnosers[topic] = Diagnoser(loading.load_misconceptions(self.bench.course, topic))
        if self.bench.source_of_reference(topic) is None:
            return None
        known = agreement or Agreement([KnownCheck(item, False, (failure,))])
        return self.diagnosers[topic].diagnose(
            facts.check_id(item),
            facts.function_of(item).partition(".")[0],
            self.touched_units(item),
            failure,
            lambda m: self._ran(item, m).failure,
            lambda m: known.holds(item, m, self._ran, self.touched_units),
        )

    def _ran(self, item: pytest.Item, mistake: Misconception) -> Ran:
        """How a check ends against the reference with one unit replaced by a mistake."""
        key = facts.check_id(item), id(mistake.make)
        if key not in self.ran:
            self.ran[key] = self._run_with(item, mistake)
        return self.ran[key]

    def _run_with(self, item: pytest.Item, mistake: Misconception) -> Ran:
        recorder = Recorder()
        try:
            session = loading.session_with(self.bench.course, self.bench.course.topic(facts.topic_of(item)), mistake)
        except CannotPutIn:
            return Ran(False)
        error = self.bench.run(item, session, recorder)
        outcome = outcome_of(error)
        if outcome.verdict is Verdict.PASS:
            return Ran(True)
        return Ran(False, recorder.failed_by(words_of_failure(outcome), error) if outcome.verdict.comparable else None)
