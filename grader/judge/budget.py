"""The time that one topic of a submission may take, over all its workers, second looks and repeats.

The limits of a check bound a check; what a submission costs the class is bounded here (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Callable

from grader.course import Limits
from grader.judge.verdicts import Outcome
from grader.remote.limits import WorkerConnection
from grader.results import Verdict


class Budget:
    """What is left of a topic's seconds; `beat` is called now and then while a worker is waited for."""

    def __init__(self, limits: Limits, beat: Callable[[], object] = lambda: None) -> None:
        self.limits, self.left, self.beat = limits, limits.topic_seconds, beat

    def begin(self, worker: WorkerConnection, cpu_seconds: float) -> None:
        """Start the clock of a check, or of loading: within its own limits, and what is left of the topic's."""
        worker.begin(cpu_seconds, max(0.0, min(self.limits.wall_seconds(cpu_seconds), self.left)))
        worker.clock.beat = self.beat

    def settle(self, worker: WorkerConnection) -> None:
        """Take off what has been spent since the clock was started."""
        self.left -= worker.clock.spent()

    @property
    def used_up(self) -> Outcome | None:
        """How every further check ends, once nothing is left."""
        if self.left > 0:
            return None
        text = f"the topic's {self.limits.topic_seconds:g} s for all its checks are used up"
        return Outcome(Verdict.TIMEOUT, text, text)

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome, unless what ended it was the end of the budget."""
        return self.used_up or outcome if outcome.verdict is Verdict.TIMEOUT else outcome
