"""The explainer: how a check ended, why, and what is told of it.

What it needs beyond the run itself (what the reference returns, which units a check touches, how it fails against each
known misconception) it finds out once and keeps, for one seed of the course.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from grader.checks import Misconception, Seen
from grader.checks.comparing import Failure, Recorder
from grader.course import Course
from grader.judge import items as facts
from grader.judge import loading
from grader.judge.bench import Bench
from grader.judge.diagnosis import Diagnoser, Diagnosis, UnitsSeen
from grader.judge.expected import Expectations
from grader.judge.feedback import Source, advice_for, inputs_of, message_for, stumbled_over
from grader.judge.follow import Followed
from grader.judge.loading import load_fields
from grader.judge.redaction import redacted
from grader.judge.renamed import did_you_mean
from grader.judge.verdicts import Outcome, outcome_of, released
from grader.remote.connection import EngineFault
from grader.remote.inmemory import in_memory_session
from grader.remote.session import Session, StudentError
from grader.results import CheckResult, Verdict


class Explainer:
    """Runs checks of a bench and puts what came of them into words."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.expectations = Expectations(bench)
        self.diagnosers: dict[str, Diagnoser] = {}
        self.touched: dict[str, frozenset[str]] = {}
        self.hints: dict[str, dict[str, tuple[str, ...]]] = {}
        self.passed: dict[pytest.Item, CheckResult] = {}  # what is told of a check that passes, whoever passed it
        self.jobs = 0  # that this process has been given

    @property
    def course(self) -> Course:
        return self.bench.course

    # --- how a check ended

    def run(self, item: pytest.Item, session: Session, *others: Callable[[Seen], None]) -> Outcome:
        """Run one check against a session and say how it ended; `others` see its comparisons. Raises `EngineFault`."""
        try:
            return released(self._run(item, session, *others))
        finally:
            session.end_check()

    def _run(self, item: pytest.Item, session: Session, *others: Callable[[Seen], None]) -> Outcome:
        recorder = Recorder()
        error = self.bench.run(item, session, recorder, *others)
        if isinstance(error, EngineFault):
            raise error
        if self.jobs > 1 and _is_out_of_memory(error):
            raise EngineFault("the judge ran out of memory")  # a fresh one finds out whether the check is to blame
        outcome = outcome_of(error)
        if outcome.verdict is Verdict.GRADER_FAULT:
            return self._blamed(item, session, outcome)
        if outcome.verdict.comparable:
            outcome = replace(outcome, failure=recorder.failed_by(_words(outcome)))
        if outcome.verdict.followed and facts.visibility_of(item) == "public":
            outcome = replace(outcome, inputs=inputs_of(session, facts.function_of(item), error, _code_of(item)))
        return replace(outcome, margin=recorder.margin)

    def _blamed(self, item: pytest.Item, session: Session, outcome: Outcome) -> Outcome:
        """A check that stumbles over a value is to blame itself, unless it passes with the reference's."""
        outcome = released(outcome)  # and with it what may have taken up all memory
        wanted = self.expectations.values(item)
        if wanted is None:
            return outcome
        wanted_here = wanted[session.values - 1] if 0 < session.values <= len(wanted) else session.last_value
        text, safe = stumbled_over(session.last_value, wanted_here)
        return Outcome(Verdict.WRONG, text=text, safe=safe, error=outcome.error)

    # --- why

    def touched_units(self, item: pytest.Item) -> frozenset[str]:
        """The functions and classes of the topic that run when the reference passes this check."""
        id = facts.check_id(item)
        if id not in self.touched:
            topic = self.course.topic(facts.topic_of(item))
            source = self.bench.source_of_reference(topic.name)
            if source is None:
                return frozenset()
            session = in_memory_session(**load_fields(topic, source))
            with UnitsSeen() as seen:
                self.bench.run(item, session)
            self.touched[id] = frozenset(seen.names)
        return self.touched[id]

    def _diagnosis(
        self, item: pytest.Item, outcome: Outcome, followed: Followed | None
    ) -> tuple[Diagnosis | None, bool]:
        """(which known misconception explains a wrong value, whether the second run told); None in a student's copy.

        The value given correct earlier functions comes first: what is wrong there is wrong with the unit itself.
        """
        failures = [(followed.failure, True)] if followed and followed.failure else []
        failures += [(outcome.failure, False)] if outcome.failure else []
        if outcome.loading or (followed is not None and followed.passed):
            return None, False
        found = ((self._explained(item, failure), second) for failure, second in failures)
        return next((pair for pair in found if pair[0]), (None, False))

    def _explained(self, item: pytest.Item, failure: Failure) -> Diagnosis | None:
        topic = facts.topic_of(item)
        if topic not in self.diagnosers:
            self.diagnosers[topic] = Diagnoser(loading.load_misconceptions(self.course, topic))
        id, function = facts.check_id(item), facts.function_of(item)
        touched = self.touched_units(item)
        return self.diagnosers[topic].diagnose(id, function, touched, failure, lambda m: self._replay(item, m))

    def _replay(self, item: pytest.Item, misconception: Misconception) -> Failure | None:
        """How a check fails against the reference with one unit replaced by a misconception."""
        recorder = Recorder()
        session = loading.session_with(self.course, self.course.topic(facts.topic_of(item)), misconception)
        outcome = outcome_of(self.bench.run(item, session, recorder))
        return recorder.failed_by(_words(outcome)) if outcome.verdict.comparable else None

    # --- what is told of it

    def told(
        self,
        item: pytest.Item,
        outcome: Outcome,
        source: Source,
        seconds: float,
        followed: Followed | None = None,
        diagnose: bool | None = None,
    ) -> CheckResult:
        """The result of a check; `diagnose` says whether its failure is looked up, None leaves it to the policy."""
        if outcome.verdict is Verdict.PASS and item in self.passed:
            return replace(self.passed[item], seconds=seconds)
        check = facts.mark_of(item)
        topic, policy = self.course.topic(facts.topic_of(item)), self.course.policy
        scale = topic.weight / 100
        given = followed is not None and followed.passed
        share = policy.follow_through_share if given else float(outcome.verdict is Verdict.PASS)
        wanted = policy.feedback != "verdicts" if diagnose is None else diagnose
        looked_up = wanted and outcome.failure is not None
        found, by_second = self._diagnosis(item, outcome, followed) if looked_up else (None, False)
        told = redacted(outcome, found is not None, given or by_second) if _is_hidden(item) else outcome
        result = CheckResult(
            id=facts.check_id(item),
            function=check.function,
            title=facts.title_of(item),
            visibility=facts.visibility_of(item),
            verdict=outcome.verdict,
            points=check.points * scale * share,
            max_points=check.points * scale,
            message=self._message(item, told, source, given),
            diagnosis=found.id if found else None,
            advice=advice_for(found, followed.blame if followed else (), policy.feedback),
            follow_through=given,
            seconds=seconds,
        )
        if outcome.verdict is Verdict.PASS:
            self.passed[item] = result
        return result

    def _message(self, item: pytest.Item, outcome: Outcome, source: Source, given: bool) -> str:
        topic, function, visibility = facts.topic_of(item), facts.function_of(item), facts.visibility_of(item)
        hints = self._hints(item) if outcome.verdict.followed and not given and not outcome.loading else ()
        feedback, unit = self.course.policy.feedback, self._unit(topic, function)
        if renamed := self._renamed(outcome, visibility, unit, topic, source):
            return renamed
        return message_for(outcome, visibility, function, topic, source, feedback, hints, unit)

    def _renamed(self, outcome: Outcome, visibility: str, unit: Sequence[str], topic: str, source: Source) -> str:
        """What may be meant by a name that is missing; of a hidden check only the judged unit's own names are told."""
        error = outcome.error
        if not isinstance(error, StudentError) or not error.is_a("MissingName") or outcome.loading:
            return ""
        known = {name for u in self.bench.units(topic) for name in u.names}
        said = [] if visibility == "hidden" else [n for n in re.findall(r"'(\w+)'", error.text[:200]) if n in known]
        return did_you_mean(source.text, [*said, *unit], known)

    def _unit(self, topic: str, function: str) -> tuple[str, ...]:
        """The names that are judged together with a function, itself first."""
        names = next((u.names for u in self.bench.units(topic) if function in u.names), ())
        return (function, *(n for n in names if n != function))

    def _hints(self, item: pytest.Item) -> tuple[str, ...]:
        topic = facts.topic_of(item)
        if topic not in self.hints:
            self.hints[topic] = loading.load_hints(self.course, topic)
        return self.hints[topic].get(facts.function_of(item), ())


def _is_hidden(item: pytest.Item) -> bool:
    return facts.visibility_of(item) == "hidden"


def _code_of(item: pytest.Item) -> types.CodeType:
    code: types.CodeType = getattr(item, "function").__code__  # noqa: B009 - every collected check is a Function
    return code


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether this process could not get the memory that a check asked for; torch has an error of its own for that."""
    of_ours = isinstance(error, (MemoryError, RuntimeError)) and not isinstance(error, StudentError)
    return of_ours and (isinstance(error, MemoryError) or "can't allocate memory" in str(error))


def _words(outcome: Outcome) -> str:
    """What stands for a failure that compared no values: the demand, or the error with its text."""
    error = outcome.error
    if isinstance(error, StudentError):
        return f"{error.type_name}: {error.text}"
    return re.sub(r" in line \d+", "", outcome.text)  # where it stands in the student's file is nobody else's line
