"""The main path: submissions in, results out, as they land.

The supervisor imports no torch, no check and no student code. It hands (student, topic) jobs to judges, one thread a
judge, and repairs what dies: a job is judged again in full by fresh processes, at most `ATTEMPTS` times, and is then a
grader fault, never a 0.
"""

from __future__ import annotations

import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from grader.course import Course, Topic
from grader.errors import GraderError
from grader.grading.engine import Engine, JudgeChannel, JudgeDied
from grader.grading.scoring import score_submission
from grader.jobs import Plan
from grader.results import CheckResult, SubmissionResult, TopicResult, Verdict
from grader.submissions import Submission, SubmittedFile

ATTEMPTS = 4
PAUSE = 0.1  # seconds before the second attempt, twice that before the third: what was killed needs time to die


@dataclass
class Job:
    """One topic of one submission, and its result once it is there."""

    submission: Submission
    topic: Topic
    number: int
    plan: Plan | None = None  # the audit's candidates; never a submission
    margins: dict[str, float] = field(default_factory=dict)  # of its checks: tolerance / worst difference

    @property
    def file(self) -> SubmittedFile | None:
        return self.submission.files.get(self.topic.name)

    def message(self) -> dict[str, Any]:
        """The line that a judge gets."""
        file, name = self.file, self.topic.name
        problem = file.problem if file else f"{name}.py was not handed in"
        source = file.source if file else None
        absent = "missing" if file is None else "error"  # what is there but cannot be read is an error, not missing
        told = {"job": self.number, "topic": name, "source": source, "problem": problem, "verdict": absent}
        return told if self.plan is None else {**told, "plan": self.plan.to_dict()}

    def patience(self) -> float:
        """Seconds without a word after which a judge counts as hung: two runs of one check and two loads, doubled."""
        limits = self.topic.limits
        return 4 * (limits.wall_seconds(limits.cpu_seconds) + limits.wall_seconds(limits.import_seconds)) + 30

    def result(self, checks: list[CheckResult], notes: tuple[str, ...] = ()) -> TopicResult:
        file = self.file
        return TopicResult(
            topic=self.topic.name,
            file=file.name if file else None,
            digest=file.digest if file else None,
            points=round(sum(c.points or 0.0 for c in checks), 6),
            max_points=round(sum(c.max_points or 0.0 for c in checks), 6),
            checks=tuple(checks),
            seconds=sum(c.seconds for c in checks),
            notes=(*notes, *(file.notes if file else ())),
        )

    def fault(self, text: str) -> TopicResult:
        """What stands for a topic that could not be graded."""
        check = CheckResult(
            id=f"{self.topic.name}::not graded",
            function="",
            title="This topic could not be graded; that is not the student's doing.",
            visibility="hidden",
            verdict=Verdict.GRADER_FAULT,
            points=0.0,
            max_points=self.topic.weight,
            message=text,
        )
        return self.result([check])


def grade_many(
    submissions: Iterable[Submission],
    course: Course,
    engine: Engine,
    topics: list[str],
    judges: int,
    landed: Callable[[Submission, TopicResult], None] = lambda *_: None,
) -> Iterator[SubmissionResult]:
    """Grade every topic of every submission; yields each student's result when their last topic has landed."""
    jobs = [Job(s, course.topic(t), n) for n, (s, t) in enumerate(itertools.product(submissions, topics))]
    results: dict[int, dict[str, TopicResult]] = {}
    for job, result in grade_jobs(jobs, engine, judges):
        landed(job.submission, result)
        own = results.setdefault(id(job.submission), {})
        own[job.topic.name] = result
        if len(own) == len(topics):
            yield score_submission(job.submission, course, [own[t] for t in topics])


def grade_jobs(jobs: Iterable[Job], engine: Engine, judges: int) -> Iterator[tuple[Job, TopicResult]]:
    """Judge jobs by up to `judges` judges at once; yields each with its result as it lands."""
    run = _Run(engine, list(jobs))
    engine.start()
    threads = [threading.Thread(target=run.work, daemon=True) for _ in range(max(1, min(judges, run.jobs_in_all)))]
    for thread in threads:
        thread.start()
    for _ in range(run.jobs_in_all):
        landing = run.landed.get()
        if isinstance(landing, BaseException):
            raise landing
        yield landing


class _Run:
    """The queue of jobs, the results that have landed, and the threads that serve one judge each."""

    def __init__(self, engine: Engine, jobs: list[Job]) -> None:
        self.engine = engine
        self.jobs: queue.Queue[Job] = queue.Queue()
        self.landed: queue.Queue[Any] = queue.Queue()
        for job in jobs:
            self.jobs.put(job)
        self.jobs_in_all = len(jobs)

    def work(self) -> None:
        """In a thread: judge jobs until none is left."""
        judge: JudgeChannel | None = None
        try:
            while True:
                try:
                    job = self.jobs.get_nowait()
                except queue.Empty:
                    return
                judge = self._judge(job, judge)
        except BaseException as error:  # noqa: BLE001 - the main thread must hear of it, or it would wait for ever
            self.landed.put(error)
        finally:
            if judge is not None:
                judge.kill()

    def _judge(self, job: Job, judge: JudgeChannel | None) -> JudgeChannel | None:
        """Judge one job, again with fresh processes where something broke; returns the judge that is still good."""
        problem = ""
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            try:
                judge = judge or self.engine.new_judge()
                result, problem = self._ask(job, judge)
            except (JudgeDied, GraderError) as error:
                result, problem = None, str(error)
            if result is not None:
                self.landed.put((job, result))
                return judge
            sys.stderr.write(f"{job.topic.name}: {problem}; trying again with fresh processes\n")
            if judge is not None:
                judge.kill()
                judge = None
        self.landed.put((job, job.fault(problem)))
        return None

    def _ask(self, job: Job, judge: JudgeChannel) -> tuple[TopicResult | None, str]:
        """(result, "") of a job that was answered in full, or (None, what went wrong)."""
        checks: list[CheckResult] = []
        for message in judge.ask(job.message(), job.patience()):
            if "check" in message:
                checks.append(CheckResult.from_dict(message["check"]))
                if "margin" in message:
                    job.margins[checks[-1].id] = float(message["margin"])
            elif "broken" in message:
                return job.fault(f"its checks could not be collected: {message['broken']}"), ""
            elif "fault" in message:
                return None, message["fault"]
        if not checks:
            return job.fault("no checks were found for it"), ""
        return job.result(checks), ""
