"""The judge: a trusted process that holds the checks and the references and never a line of student code.

The supervisor starts one (`python -m grader.judge.process`). It collects the checks once, with pytest, and keeps the
session warm. Where processes can be forked it then becomes a mother: for each request it forks a judge that serves JSON
lines on a socket of its own. Elsewhere it serves JSON lines on its standard input and output.

What it is asked and answers is in `grader.jobs`.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from grader import jobs
from grader.course import Course, load_course
from grader.jobs import Job
from grader.judge import items as facts
from grader.judge import plugin
from grader.judge.bench import Bench
from grader.judge.explain import Explainer
from grader.judge.feedback import Source
from grader.judge.topic import TopicRun
from grader.judge.verdicts import Outcome
from grader.remote.connection import EngineFault
from grader.remote.forking import ForkLauncher
from grader.remote.limits import limit_own_memory
from grader.text import words_of

BEAT_SECONDS = 5.0  # between words to the supervisor while a worker is waited for
FLUSH_SECONDS = 0.1  # results of quick checks leave together: each flush wakes the supervisor


class Judge:
    """Answers jobs with what the bench and the explainer find."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.explainer = bench, Explainer(bench)

    def grade(self, job: Job, beat: Callable[[], object] = lambda: None) -> Iterator[jobs.Answer]:
        """The lines that answer a job; `beat` is called now and then while they are waited for."""
        self.explainer.jobs += 1
        if job.topic in self.bench.broken:
            yield jobs.Broken(job.number, self.bench.broken[job.topic])
            return
        items = [i for i in self.bench.items.get(job.topic, []) if not job.units or facts.function_of(i) in job.units]
        if job.source is None:
            absent = Outcome(job.absent, text=job.problem, safe=job.problem, loading=True)
            for item in items:
                yield jobs.Checked(job.number, self.explainer.told(item, absent, Source(""), 0.0))
            yield jobs.Done(job.number)
            return
        run = TopicRun(self.explainer, self.bench.course.topic(job.topic), job.source, job.plan, beat)
        for told in run.run(items):
            yield jobs.Checked(job.number, told.result, told.margin) if told else jobs.Held(job.number)
        notes = [f"{words}; what uses it is forbidden" for words in run.refused]
        yield jobs.Done(job.number, run.output, tuple(words_of(note) for note in notes))

    def serve(self, reader: IO[str], writer: IO[str]) -> None:
        """Answer jobs until the reader ends."""
        for line in reader:
            job = jobs.decode(line)
            assert isinstance(job, Job), "a judge is asked jobs and nothing else"
            try:
                self._answer(job, writer)
            except EngineFault as fault:
                _send(writer, jobs.Faulty(job.number, str(fault)))

    def _answer(self, job: Job, writer: IO[str]) -> None:
        flushed = time.monotonic()

        def beat() -> None:
            nonlocal flushed
            if time.monotonic() - flushed > BEAT_SECONDS:
                _send(writer, jobs.Held(job.number))
                flushed = time.monotonic()

        for answer in self.grade(job, beat):
            late = time.monotonic() - flushed > FLUSH_SECONDS
            _send(writer, answer, flush=late or isinstance(answer, jobs.CLOSING))
            flushed = time.monotonic() if late else flushed

    def ready(self) -> jobs.Ready:
        """What the supervisor may know of the checks."""
        points = {t: sum(_points(i) for i in items) for t, items in self.bench.items.items()}
        return jobs.Ready(os.getpid(), points, self.bench.broken)


def _points(item: pytest.Item) -> float:
    check = facts.check_of(item)
    return check.points if check else 0.0


def _send(writer: IO[str], line: jobs.Line, flush: bool = True) -> None:
    writer.write(jobs.encode(line) + "\n")
    if flush:
        writer.flush()


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return words_of(lines[-1].removeprefix("E").strip()) if lines else "cannot be imported"




class Mother:
    """Forks a warm judge for each packet on the control socket, and reaps those that have ended."""

    def __init__(self, judge: Judge, control: socket.socket) -> None:
        self.judge, self.control = judge, control

    def serve(self) -> None:
        self.control.send(jobs.encode(self.judge.ready()).encode())
        _warm_oracles()
        gc.collect()
        gc.freeze()  # the children never walk, and so never copy, this heap
        while True:
            packet, fds, *_ = socket.recv_fds(self.control, 1 << 16, 16)
            if not packet:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                self._become_judge(json.loads(packet)["kinds"], list(fds))
            for fd in fds:
                os.close(fd)
            self.control.send(json.dumps({"pid": pid}).encode())
            _reap()

    def _become_judge(self, kinds: list[str], fds: list[int]) -> None:
        """In the forked child: serve the first descriptor, with a zygote's socket behind each of the others."""
        from grader.worker.walls import sandbox

        try:
            sandbox.die_with_parent()
            self.judge.bench.forks = True
            limit_own_memory()
            gc.set_threshold(50_000, 20, 50)  # a judge makes much short-lived data and few cycles
            self.control.close()
            channel = socket.socket(fileno=fds[0])
            for kind, fd in zip(kinds, fds[1:], strict=True):
                self.judge.bench.launchers[kind] = ForkLauncher(socket.socket(fileno=fd))
            self.judge.serve(channel.makefile("r", encoding="utf-8"), channel.makefile("w", encoding="utf-8"))
        except BaseException as error:
            sys.stderr.write(f"judge: {type(error).__name__}: {error}\n")
            raise
        finally:
            os._exit(0)


def _warm_oracles() -> None:
    """Run once what torch imports at its first backward pass, so that no forked judge pays for it again."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)  # with OpenMP threads in the parent a forked child would hang
        x = torch.ones(2, requires_grad=True)
        (x * x).backward(torch.ones(2))


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


class Loop:
    """The plugin that puts the judge's loop in the place of pytest's run."""

    def __init__(self, judge: Judge, control: int | None) -> None:
        self.judge, self.control = judge, control

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.judge.bench.adopt(session.items)
        if self.control is not None:
            Mother(self.judge, socket.socket(fileno=self.control)).serve()
            return True
        limit_own_memory()
        _send(_line_output(), self.judge.ready())
        self.judge.serve(sys.stdin, _line_output())
        return True


_output: IO[str] | None = None


def _line_output() -> IO[str]:
    """The original standard output; what anything else prints goes to standard error."""
    global _output
    if _output is None:
        _output = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
    return _output


def main(arguments: list[str]) -> int:
    """`python -m grader.judge.process COURSE.YML TOPIC,TOPIC SEED [CONTROL_FD]`"""
    from grader.worker.walls import kernel, sandbox

    sandbox.protect_judge()
    kernel.default_signals()
    course = load_course(Path(arguments[0])).model_copy(update={"seed": int(arguments[2])})
    control = int(arguments[3]) if len(arguments) > 3 else None
    if control is None:
        _line_output()
    warnings.simplefilter("ignore")  # oracles and misconceptions may overflow on purpose; nobody reads it here
    judge, topics = Judge(Bench(course)), arguments[1].split(",")
    return collect(judge.bench, topics, Loop(judge, control))


class _Collecting:
    """The plugin that notes which check files could not be collected."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.grader_bench = self.bench  # type: ignore[attr-defined]  # so that the plugin opens none of its own

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            topic = Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")
            self.bench.broken[topic] = f"{report.nodeid}: {_last_line(str(report.longrepr))}"


def collect(bench: Bench, topics: list[str], loop: object) -> int:
    """Let pytest collect the checks of these topics and hand over to `loop`; pytest's exit code."""
    files = [str(path) for topic in topics for _, path in bench.course.check_files(topic)]
    plugins = [plugin, _Collecting(bench), loop]
    return int(pytest.main([*pytest_options(bench.course), *files], plugins=plugins))


def pytest_options(course: Course) -> list[str]:
    """A pytest that reads nobody's configuration, loads nobody's plugins and prints nothing."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    off = [
        option
        for name in (
            "cacheprovider",
            "terminal",
            "junitxml",
            "faulthandler",
            "logging",
            "unraisableexception",
            "threadexception",
            "warnings",
        )
        for option in ("-p", f"no:{name}")
    ]
    return [
        "-c", os.devnull, "--rootdir", str(course.root), "--noconftest", "--import-mode=importlib",
        "--assert=plain", "--capture=no", "--continue-on-collection-errors", *off,
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
