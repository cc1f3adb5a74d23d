"""Jobs in, results out, as they land.

The supervisor imports no torch, no check and no student code. It hands (student, topic) jobs to judges, one thread a
judge, and repairs what dies: a job is judged again in full by fresh processes, at most `ATTEMPTS` times, and is then a
grader fault, never a 0.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from grader import jobs
from grader.course import Course, Topic
from grader.errors import GraderError
from grader.grading.engine import Engine, JudgeChannel, JudgeDied
from grader.grading.scoring import fault_check, score_submission
from grader.jobs import Job, Plan
from grader.results import CheckResult, SubmissionResult, TopicResult
from grader.submissions import Submission

ATTEMPTS = 4
PAUSE = 0.1  # seconds before the second attempt, twice that before the third: what was killed needs time to die
Retried = Callable[[str, str], object]  # (topic, problem), before a job is tried again


@dataclass(frozen=True)
class Landing:
    """A job and its result; of a candidate of the audit also how far inside their tolerance its checks were."""

    job: Job
    result: TopicResult
    margins: dict[str, float] = field(default_factory=dict)


def job_of(submission: Submission, topic: str, number: int, plan: Plan | None = None) -> Job:
    """The job that a topic of a submission makes."""
    file = submission.files.get(topic)
    if file is None:
        return Job(number, topic, problem=f"{topic}.py was not handed in", plan=plan)
    return Job(number, topic, file.source, file.name, file.digest, file.problem, file.notes, plan=plan)


def result_of(job: Job, checks: list[CheckResult]) -> TopicResult:
    """What the checks of a job come to.

    How long a hidden check took is not told, but of the audit's own candidates: who sees its inputs could sleep them
    out. The time of all checks together is.
    """
    seconds = sum(c.seconds for c in checks)
    if job.plan is None:
        seconds = round(seconds, 1)
        checks = [replace(c, seconds=0.0) if c.visibility == "hidden" else c for c in checks]
    return TopicResult(
        topic=job.topic,
        file=job.file,
        digest=job.digest,
        points=round(sum(c.points or 0.0 for c in checks), 6),
        max_points=round(sum(c.max_points or 0.0 for c in checks), 6),
        checks=tuple(checks),
        seconds=seconds,
        notes=job.notes,
        unreadable=job.unreadable,
    )


def fault_of(job: Job, topic: Topic, text: str) -> TopicResult:
    """What stands for a topic that could not be graded."""
    title = "This topic could not be graded; that is not the student's doing."
    return result_of(job, [fault_check(f"{job.topic}::not graded", title, text, topic.weight)])


def patience_of(topic: Topic) -> float:
    """Seconds without a word after which a judge counts as hung: two runs of one check and two loads, doubled."""
    limits = topic.limits
    return 4 * (limits.wall_seconds(limits.cpu_seconds) + limits.wall_seconds(limits.import_seconds)) + 30


class Lane:
    """One judge at a time, replaced when it breaks: the one place where a job is tried again."""

    def __init__(self, engine: Engine, retried: Retried = lambda topic, problem: None) -> None:
        self.engine, self.retried = engine, retried
        self.judge: JudgeChannel | None = None

    def land(self, job: Job) -> Landing:
        """The result of a job, by fresh processes where something broke; a fault once there is no hope."""
        problem = ""
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            try:
                self.judge = self.judge or self.engine.new_judge()
                return self._asked(job, self.judge)
            except (JudgeDied, GraderError) as error:
                problem = str(error)
            self.retried(job.topic, problem)
            self.close()
        return self._fault(job, problem)

    def _asked(self, job: Job, judge: JudgeChannel) -> Landing:
        checks: list[CheckResult] = []
        margins: dict[str, float] = {}
        for answer in judge.ask(job, patience_of(self.engine.course.topic(job.topic))):
            if isinstance(answer, jobs.Checked):
                checks.append(answer.check)
                margins |= {answer.check.id: answer.margin} if answer.margin is not None else {}
            elif isinstance(answer, jobs.Done):
                job = replace(job, notes=(*job.notes, *answer.notes))
            elif isinstance(answer, jobs.Broken):
                return self._fault(job, f"its checks could not be collected: {answer.problem}")
            elif isinstance(answer, jobs.Faulty):
                raise JudgeDied(answer.problem)
        if not checks and not job.units:
            return self._fault(job, "no checks were found for it")
        return Landing(job, result_of(job, checks), margins)

    def _fault(self, job: Job, text: str) -> Landing:
        return Landing(job, fault_of(job, self.engine.course.topic(job.topic), text))

    def close(self) -> None:
        """End the judge; the next job gets another one."""
        judge, self.judge = self.judge, None
        if judge is not None:
            judge.kill()


class Pool:
    """Lanes that work at the same time, and stay warm from one class to the next."""

    def __init__(self, engine: Engine, judges: int, retried: Retried = lambda topic, problem: None) -> None:
        self.engine = engine
        self.lanes = [Lane(engine, retried) for _ in range(max(1, judges))]

    def land(self, asked: Iterable[Job]) -> Iterator[Landing]:
        """Judge jobs side by side; yields each as it lands. Whoever stops listening closes the pool."""
        waiting: queue.Queue[Job] = queue.Queue()
        landed: queue.Queue[Any] = queue.Queue()
        for job in asked:
            waiting.put(job)
        self.engine.start()
        number = waiting.qsize()
        for lane in self.lanes[:number]:
            threading.Thread(target=_work, args=(lane, waiting, landed), daemon=True).start()
        for _ in range(number):
            landing = landed.get()
            if isinstance(landing, BaseException):
                raise landing
            yield landing

    def close(self) -> None:
        """End every judge."""
        for lane in self.lanes:
            lane.close()


def _work(lane: Lane, waiting: queue.Queue[Job], landed: queue.Queue[Any]) -> None:
    """In a thread: land jobs until none is left."""
    try:
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            landed.put(lane.land(job))
    except BaseException as error:  # noqa: BLE001 - the main thread must hear of it, or it would wait for ever
        landed.put(error)


def grade_many(
    submissions: Iterable[Submission],
    course: Course,
    engine: Engine,
    topics: list[str],
    judges: int,
    landed: Callable[[Submission, TopicResult], None] = lambda *_: None,
    pool: Pool | None = None,
) -> Iterator[SubmissionResult]:
    """Grade every topic of every submission; yields each student's result when their last topic has landed."""
    asked = list(itertools.product(submissions, [course.topic(t).name for t in topics]))
    results: dict[int, dict[str, TopicResult]] = {}
    for landing in land(([job_of(s, t, n) for n, (s, t) in enumerate(asked)]), engine, judges, pool):
        submission, topic = asked[landing.job.number]
        landed(submission, landing.result)
        own = results.setdefault(id(submission), {})
        own[topic] = landing.result
        if len(own) == len(topics):
            yield score_submission(submission, course, [own[t] for t in topics])


def land(asked: list[Job], engine: Engine, judges: int, pool: Pool | None = None) -> Iterator[Landing]:
    """Land jobs by a pool that is there, or by one that ends with them."""
    if pool is not None:
        yield from pool.land(asked)
        return
    pool = Pool(engine, min(judges, len(asked)))
    try:
        yield from pool.land(asked)
    finally:
        pool.close()
