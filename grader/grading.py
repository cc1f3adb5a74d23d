"""The main path: submissions in, results out, as they land.

The supervisor imports no torch, no check and no student code. It hands (student, topic) jobs to judges, one thread a
judge, and repairs what dies: a job is judged again in full by fresh processes, at most `ATTEMPTS` times, and is then a
grader fault, never a 0.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from grader.course import Course, Topic
from grader.engine import Engine, JudgeChannel, JudgeDied
from grader.errors import GraderError
from grader.results import CheckResult, SubmissionResult, TopicResult, Verdict
from grader.scoring import score_submission
from grader.submissions import Submission, SubmittedFile

ATTEMPTS = 4
PAUSE = 0.1  # seconds before the second attempt, twice that before the third: what was killed needs time to die


@dataclass
class Job:
    """One topic of one submission, and its result once it is there."""

    submission: Submission
    topic: Topic
    number: int
    attempts: int = 0
    checks: list[CheckResult] = field(default_factory=list)

    @property
    def file(self) -> SubmittedFile | None:
        return self.submission.files.get(self.topic.name)

    def message(self) -> dict[str, Any]:
        """The line that a judge gets."""
        file, name = self.file, self.topic.name
        problem = file.problem if file else f"{name}.py was not handed in"
        source = file.source if file else None
        absent = "missing" if file is None else "error"  # what is there but cannot be read is an error, not missing
        return {"job": self.number, "topic": name, "source": source, "problem": problem, "verdict": absent}

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
    run = _Run(course, engine, topics, list(submissions))
    engine.start()
    threads = [threading.Thread(target=run.work, daemon=True) for _ in range(max(1, min(judges, run.jobs.qsize())))]
    for thread in threads:
        thread.start()
    for _ in range(run.jobs_in_all):
        landing = run.landed.get()
        if isinstance(landing, BaseException):
            raise landing
        job, result = landing
        landed(job.submission, result)
        finished = run.add(job, result)
        if finished is not None:
            yield finished


class _Run:
    """The queue of jobs, the results that have landed, and the threads that serve one judge each."""

    def __init__(self, course: Course, engine: Engine, topics: list[str], submissions: list[Submission]) -> None:
        self.course, self.engine, self.topics = course, engine, topics
        self.jobs: queue.Queue[Job] = queue.Queue()
        self.landed: queue.Queue[Any] = queue.Queue()
        self.results: dict[int, dict[str, TopicResult]] = {}
        for submission in submissions:
            for topic in topics:
                self.jobs.put(Job(submission, course.topic(topic), self.jobs.qsize()))
        self.jobs_in_all = self.jobs.qsize()

    def add(self, job: Job, result: TopicResult) -> SubmissionResult | None:
        """Keep a topic's result; the student's whole result when it was the last."""
        own = self.results.setdefault(id(job.submission), {})
        own[job.topic.name] = result
        if len(own) < len(self.topics):
            return None
        return score_submission(job.submission, self.course, [own[t] for t in self.topics])

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
            elif "broken" in message:
                return job.fault(f"its checks could not be collected: {message['broken']}"), ""
            elif "fault" in message:
                return None, message["fault"]
        if not checks:
            return job.fault("no checks were found for it"), ""
        return job.result(checks), ""
