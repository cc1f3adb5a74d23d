"""One topic of one submission: its checks, in a worker that is reused or fresh, and the second look at what failed.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pytest

from grader.course import Topic
from grader.course.units import Unit, earlier_units
from grader.jobs import Plan
from grader.judge import items as facts
from grader.judge.answerer import Answerer
from grader.judge.budget import Budget
from grader.judge.explain import Explainer
from grader.judge.feedback import Source
from grader.judge.follow import MAX_SINGLE, Followed, GivenSession, culprits
from grader.judge.loading import load_fields
from grader.judge.redaction import blamed
from grader.judge.transcripts import Transcribed, Unsteady
from grader.judge.verdicts import Outcome, outcome_of
from grader.remote.connection import Turns, WorkerDied
from grader.remote.limits import WorkerConnection, WorkerLimits
from grader.remote.replies import Allowance, Expected
from grader.remote.session import Session, StudentError
from grader.results import CheckResult, Verdict

MUCH = 8 << 20  # bytes that a check has read
MAX_KILLED = 4  # a worker that was killed from outside is replaced this often for one check; then it is its own doing


@dataclass(frozen=True)
class Ended:
    """A check that has been run, before it is told: how it ended and the seconds it took."""

    item: pytest.Item
    outcome: Outcome
    seconds: float
    followed: Followed | None = None


@dataclass(frozen=True)
class Told:
    """The result of a check; for a candidate of the audit with its margin."""

    result: CheckResult
    margin: float | None = None


class TopicRun:
    """Grades one file: a worker that is reused, fresh ones after a death or for a second look."""

    def __init__(
        self,
        explainer: Explainer,
        topic: Topic,
        source: str,
        plan: Plan | None = None,
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        self.explainer, self.bench = explainer, explainer.bench
        self.topic, self.source, self.plan = topic, source, plan
        self.budget = Budget(topic.limits, beat)
        self.worker: WorkerConnection | None = None
        self.session: Session | None = None
        self.transcribed: Transcribed | None = None
        self.checks_run = 0
        self.timeouts: dict[str, int] = {}
        self.load_failure: Outcome | None = None
        self.lines = Source(source)
        self.output = ""
        self.refused: list[str] = []  # imports that the topic does not allow
        self.allowance = Allowance()  # of the check that was run last

    def run(self, items: Iterable[pytest.Item]) -> Iterator[Told | None]:
        """What is told of each check, in order; None, now and then, while some wait to be followed through."""
        items = _planned(list(items), self.plan)
        follower, held = Follower(self, items), list[Ended]()
        try:
            for item in items:
                ended = self._ended(item)
                follower.note(ended)
                if held or (self._second_look and follower.may_help(ended)):
                    held.append(ended)
                    yield None
                else:
                    yield self._told(ended)
                if self.plan and self.plan.stop and ended.outcome.verdict is not Verdict.PASS:
                    return
            for told in follower.follow_all(held):
                yield self._told(told) if told else None
        finally:
            self._end_worker()
            follower.close()

    def _ended(self, item: pytest.Item) -> Ended:
        start = time.perf_counter()
        outcome = self.load_failure or self.budget.used_up or self._judged(item)
        return Ended(item, outcome, time.perf_counter() - start)

    def _told(self, ended: Ended) -> Told:
        result = self.explainer.told(
            ended.item,
            ended.outcome,
            self.lines,
            ended.seconds,
            followed=ended.followed,
            diagnose=None if self.plan is None else ended.item.name in self.plan.diagnose,
        )
        return Told(result, None if self.plan is None else min(ended.outcome.margin, sys.float_info.max))

    def _judged(self, item: pytest.Item) -> Outcome:
        """The verdict of a check; one that ended badly in a used worker is run again, alone in a fresh one."""
        if self.session is None:
            self._start_worker()
        if self.load_failure:
            return self.load_failure
        alone = self.checks_run == 0
        outcome = self._run(item)
        if outcome.verdict is not Verdict.PASS and self.explainer.expectations.were_exceeded(item, self.allowance):
            outcome, alone = self._run_alone(item), True
        for repeats in range(MAX_KILLED):
            again = outcome.is_doubtful(repeats) or (outcome.verdict.rerun and not alone and self._second_look)
            if self.budget.used_up or not again:
                break
            outcome = self._run_alone(item)
            alone = True
        if outcome.verdict.died:
            self._end_worker()
        return outcome

    @property
    def _second_look(self) -> bool:
        return self.plan is None or self.plan.second_look

    def _run_alone(self, item: pytest.Item) -> Outcome:
        self._end_worker()
        self._start_worker()
        return self.load_failure or self._run(item)

    def _run(self, item: pytest.Item) -> Outcome:
        assert self.worker is not None and self.session is not None
        worker = self.worker
        self.checks_run += 1
        cpu = self._cpu_limit(item)
        worker.allowance = self.allowance = self.explainer.expectations.allowance(item)
        self.budget.begin(worker, cpu)
        try:
            outcome = self._run_or_recall(item, self.session)
        except Unsteady:  # it is not remembered from now on
            return self._run_alone(item)
        finally:
            self.budget.settle(worker)
        outcome = self.budget.judged(outcome)
        if self.allowance.spent > MUCH:
            gc.collect()  # errors that a check has caught keep its variables in circles
        if outcome.verdict is Verdict.TIMEOUT:
            function = facts.function_of(item)
            self.timeouts[function] = self.timeouts.get(function, 0) + 1
        return outcome

    def _run_or_recall(self, item: pytest.Item, session: Session) -> Outcome:
        if self.transcribed is None:
            return self.explainer.run(item, session)
        return self.transcribed.outcome(facts.check_id(item), session, lambda: self.explainer.run(item, session))

    def _cpu_limit(self, item: pytest.Item) -> float:
        """A function that has timed out twice gets a tenth of the limit for the rest of its checks."""
        limit = self.topic.limits.cpu_seconds
        if self.plan and item.name in self.plan.cpu_seconds:
            return self.plan.cpu_seconds[item.name]
        return limit / 10 if self.timeouts.get(facts.function_of(item), 0) >= 2 else limit

    def run_given(self, item: pytest.Item, answerer: Answerer, names: list[str]) -> tuple[Outcome, GivenSession]:
        """Run a check alone in a fresh worker where these functions are answered by the reference."""
        self._end_worker()
        self.explainer.expectations.allowance(item, learn=True)  # there is no second look at a second look
        failure = self._load(lambda worker: GivenSession(worker, answerer))
        session = self.session
        assert isinstance(session, GivenSession)
        try:
            if failure is None:
                session.begin_check()
                session.give(names)
                cpu = self._cpu_limit(item)
                answerer.begin(cpu, 4 * self.topic.limits.wall_seconds(cpu))  # it idles while the student works
                return self._run(item), session
        except WorkerDied as died:  # on the way there
            failure = outcome_of(died)
        finally:
            self._end_worker()
        return failure, session

    def _start_worker(self) -> None:
        """A fresh worker with the submission loaded; a submission that does not load fails every check alike."""
        outcome = self._load()
        for repeats in range(MAX_KILLED):
            if outcome is None or self.budget.used_up or not outcome.is_doubtful(repeats):
                break
            self._end_worker()
            outcome = self._load()
        if outcome is not None:
            self._end_worker()
            self.load_failure = outcome

    def _load(self, made: Callable[[WorkerConnection], Session] | None = None) -> Outcome | None:
        limits = self.topic.limits
        lifetime = int(limits.import_seconds + limits.cpu_seconds * 200) + 5
        made_for = WorkerLimits(limits.memory_mb << 20, lifetime, limits.output_kb << 10)
        self.worker = self.bench.launcher(self.topic.kind).start(made_for)
        self.worker.allowance = Allowance(Expected())
        self.budget.begin(self.worker, limits.import_seconds)
        self.session = made(self.worker) if made else self._own_session(self.worker)
        self.checks_run = 0
        try:
            fields = load_fields(self.topic, self.source, self.plan.wrong if self.plan else None)
            self.refused = self.session.load(**fields)
        except (StudentError, WorkerDied) as error:
            return replace(self.budget.judged(outcome_of(error)), loading=True)
        finally:
            self.budget.settle(self.worker)
        return None

    def _own_session(self, worker: WorkerConnection) -> Session:
        """A session whose checks are recalled where they hear what is known; an audit runs every one itself."""
        remembers = self.plan is None and isinstance(worker, Turns)
        self.transcribed = Transcribed(worker, self.bench.transcripts) if remembers else None
        return Session(self.transcribed or worker)

    def _end_worker(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.output += self.worker.output.text()
        self.worker = self.session = self.transcribed = None


def _planned(items: list[pytest.Item], plan: Plan | None) -> list[pytest.Item]:
    """The checks that a plan asks for, in its order."""
    if plan is None:
        return items
    wanted = [i for i in items if i.name in plan.only or not plan.only]
    ordered = sorted(wanted, key=lambda i: facts.function_of(i) != plan.first) if plan.first else wanted
    return ordered[::-1] if plan.backwards else ordered


class Follower:
    """Takes the second look at a topic's failed checks: are they right, given correct earlier functions?"""

    def __init__(self, run: TopicRun, items: list[pytest.Item]) -> None:
        self.run, self.bench, self.topic = run, run.bench, run.topic
        self.answerer: Answerer | None = None
        self.graded = {facts.function_of(item) for item in items}
        self.lost: dict[str, set[str]] = {}  # the failed checks of each function that are its own doing, so far
        self.possible = self.bench.course.policy.follow_through_share > 0

    def note(self, ended: Ended) -> None:
        """Remember whose checks fail: the others have shown that they are right."""
        if ended.outcome.verdict is not Verdict.PASS:
            self.lost.setdefault(facts.function_of(ended.item), set()).add(ended.item.name)

    @property
    def suspects(self) -> set[str]:
        return {function for function, checks in self.lost.items() if checks}

    def follow_all(self, held: list[Ended]) -> Iterator[Ended | None]:
        """The same checks in their order with what further runs told, after a None for each run.

        Units are looked at in the order of the solution, so that one which is right but for an earlier one is cleared
        before those that build on it are.
        """
        told = {ended.item: ended for ended in held}
        for ended in sorted(held, key=lambda e: len(self._earlier(e.item))):
            told[ended.item] = self.follow(ended)
            yield None
        yield from told.values()

    def may_help(self, ended: Ended) -> bool:
        """Whether the check's unit has earlier ones that could be to blame; told before all checks have been run."""
        failed = ended.outcome.verdict.followed and not ended.outcome.loading
        return failed and self.possible and bool(self._earlier(ended.item))

    def follow(self, ended: Ended) -> Ended:
        """The same with what the further run told, where there was one."""
        if self.run.budget.used_up or not self.may_help(ended):
            return ended
        unproven = [u for u in self._earlier(ended.item) if not self._is_proven(u)]
        units = [u for u in unproven if self._is_reached(u, ended.item)]
        if not units:
            return ended
        start = time.perf_counter()
        outcome, followed = self._looked_at(ended, units)
        if followed and followed.passed:
            self.lost[facts.function_of(ended.item)].discard(ended.item.name)
        return Ended(ended.item, outcome, ended.seconds + time.perf_counter() - start, followed)

    def _earlier(self, item: pytest.Item) -> list[Unit]:
        return earlier_units(self.bench.units(self.topic.name), facts.function_of(item))

    def _is_proven(self, unit: Unit) -> bool:
        """Whether a unit has checks and all have passed: then it is right, and its caches may be the student's own."""
        return not self.graded.isdisjoint(unit.names) and self.suspects.isdisjoint(unit.names)

    def _is_reached(self, unit: Unit, item: pytest.Item) -> bool:
        """Whether a unit can play a part: the reference runs it in this check, or the submission names it elsewhere."""
        return any(name in self.run.explainer.touched_units(item) or self.run.lines.uses(name) for name in unit.names)

    def _looked_at(self, ended: Ended, units: list[Unit]) -> tuple[Outcome, Followed | None]:
        outcome, session = self._run(ended.item, units)
        if session.not_plain:
            self._give_up(session.not_plain)
        elif session.abused:
            return outcome, None
        elif outcome.verdict is Verdict.PASS and session.called:
            return ended.outcome, Followed(True, self._blame(ended.item, units, session.called))
        elif outcome.failure is not None:
            return ended.outcome, Followed(False, failure=outcome.failure)
        return ended.outcome, None

    def _blame(self, item: pytest.Item, units: list[Unit], called: set[str]) -> tuple[str, ...]:
        """The functions of the first unit that suffices, replaced alone; of all that were called where none does."""
        ungraded = {name for unit in units if self.graded.isdisjoint(unit.names) for name in unit.names}
        groups = culprits(called, self.suspects | ungraded, units)
        for group in groups[:MAX_SINGLE] if len(groups) > 1 else ():
            outcome, session = self._run(item, [u for u in units if group[0] in u.names])
            if outcome.verdict is Verdict.PASS and session.called:
                groups = [group]
                break
        given = [name for unit in units for name in unit.names]
        return blamed([name for group in groups for name in group], self.suspects | ungraded, given)

    def _run(self, item: pytest.Item, units: list[Unit]) -> tuple[Outcome, GivenSession]:
        names = [name for unit in units for name in unit.names]
        for _ in range(MAX_KILLED):
            self.answerer = self.answerer or self.bench.answerer(self.topic)
            self.answerer.connection.clock.beat = self.run.budget.beat
            outcome, session = self.run.run_given(item, self.answerer, names)
            if outcome.killed or session.abused:
                self.close()
            if not outcome.killed or self.run.budget.used_up:
                break
        return outcome, session

    def _give_up(self, reason: str) -> None:
        """The course's own mistake: nobody gains by this topic's follow-through, and nobody loses."""
        sys.stderr.write(f"{self.topic.name}: {reason}; nothing is followed through there\n")
        self.possible = False

    def close(self) -> None:
        if self.answerer is not None:
            self.answerer.close()
            self.answerer = None
