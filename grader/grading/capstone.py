"""`grade run --capstone`: the capstones of what was handed in, and what they are worth.

The supervisor trains nothing and imports no capstone: it hands jobs to processes of `grader.judge.training`, which keep
the students' code behind walls and measure the figures. Whatever such a process cannot do is a grader fault, never a 0.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from grader.course import Course
from grader.environment import clean_environment
from grader.grading.scoring import fault_check, score_submission, with_capstone
from grader.results import CapstoneResult, SubmissionResult, TopicResult
from grader.submissions import Submission

ATTEMPTS = 2
PATIENCE = 1800.0  # seconds for one answer: more than all limits of a training and of measuring it come to
Outcome = CapstoneResult | str  # or what broke


@dataclass(frozen=True)
class CapstoneJob:
    """One capstone of one student."""

    student: str
    topic: str
    source: str


class CapstoneRun:
    """The jobs, and the processes that do them."""

    def __init__(
        self, course: Course, results: list[SubmissionResult], submissions: list[Submission]
    ) -> None:
        self.course, self.results = course, results
        self.submissions = {s.student: s for s in submissions}
        self.jobs = [job for result in results for topic in result.topics for job in self._job(result.student, topic)]
        self.waiting: queue.Queue[CapstoneJob] = queue.Queue()
        self.landed: queue.Queue[tuple[CapstoneJob, Outcome]] = queue.Queue()
        self.processes: list[subprocess.Popen[str]] = []
        self.closed = False

    def _job(self, student: str, topic: TopicResult) -> list[CapstoneJob]:
        """None where there is no capstone, nothing to run, or no mark yet that it could change."""
        file = self.submissions[student].files.get(topic.topic)
        exists = self.course.path("exercises", "capstones", f"{topic.topic}.py").is_file()
        if not exists or topic.faults or file is None or file.source is None:
            return []
        return [CapstoneJob(student, topic.topic, file.source)]

    def finish(self, lanes: int, landed: Callable[[], Any] = lambda: None) -> list[SubmissionResult]:
        """Run all jobs, `lanes` at a time; the results with what came of them."""
        for job in self.jobs:
            self.waiting.put(job)
        for _ in range(min(lanes, len(self.jobs))):
            threading.Thread(target=self._work, daemon=True).start()
        outcomes: dict[tuple[str, str], Outcome] = {}
        try:
            while len(outcomes) < len(self.jobs):
                job, outcome = self.landed.get()
                outcomes[job.student, job.topic] = outcome
                landed()
        finally:
            self.closed = True
            for process in self.processes:
                process.kill()
        return [self._counted(result, outcomes) for result in self.results]

    def _work(self) -> None:
        """In a thread: one process after the other, until no job is left."""
        process: subprocess.Popen[str] | None = None
        while not self.closed:
            try:
                job = self.waiting.get_nowait()
            except queue.Empty:
                return
            outcome: Outcome = ""
            for _ in range(ATTEMPTS):
                process = process or self._start()
                outcome = _ask(process, job)
                if isinstance(outcome, CapstoneResult):
                    break
                process.kill()
                process = None
            self.landed.put((job, outcome))

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-B", "-m", "grader.judge.training", str(self.course.file)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=clean_environment()
        )
        self.processes.append(process)
        return process

    def _counted(self, result: SubmissionResult, outcomes: dict[tuple[str, str], Outcome]) -> SubmissionResult:
        share = self.course.policy.capstone_share
        topics = [_counted(t, outcomes.get((result.student, t.topic)), share) for t in result.topics]
        return score_submission(self.submissions[result.student], self.course, topics)


def _ask(process: subprocess.Popen[str], job: CapstoneJob) -> Outcome:
    assert process.stdin is not None and process.stdout is not None
    silence = threading.Timer(PATIENCE, process.kill)
    silence.daemon = True
    silence.start()
    try:
        process.stdin.write(json.dumps({"topic": job.topic, "source": job.source}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or '{"fault": "its process ended"}')
    except (OSError, ValueError) as error:
        return str(error)
    finally:
        silence.cancel()
    return str(answer["fault"]) if "fault" in answer else CapstoneResult.from_dict(answer)


def _counted(topic: TopicResult, outcome: Outcome | None, share: float) -> TopicResult:
    """A capstone that could not be run leaves the points of the checks as they are, and says so."""
    if isinstance(outcome, CapstoneResult):
        return with_capstone(topic, outcome, share)
    if outcome is None:
        return topic
    title = "The capstone could not be run; that is not the student's doing."
    fault = fault_check(f"{topic.topic}::capstone", title, outcome, visibility="public")
    return replace(topic, checks=(*topic.checks, fault))
