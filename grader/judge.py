"""The judge: a trusted process that holds the checks and the references and never a line of student code.

The supervisor starts one (`python -m grader.judge`). It collects the checks once, with pytest, and keeps the session
warm. Where processes can be forked it then becomes a mother: for each request it forks a judge that serves JSON lines
on a socket of its own. Elsewhere it serves JSON lines on its standard input and output.

Lines to a judge: `{"job", "topic", "source", "problem", "verdict"}` (source null: there is no text to grade, the
problem says why, and the verdict is that of every check; with "units", only the checks of these functions).
Lines from it: `{"ready": ...}` once, then for each job one `{"job", "check"}` a check and a closing `{"job", "done"}`,
`{"job", "broken"}` or `{"job", "fault"}`; `{"job", "held"}` says that the judge is at work while results wait for a
further look.
"""

from __future__ import annotations

import gc
import json
import os
import re
import socket
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

import pytest
from _pytest.runner import runtestprotocol

from grader import checks, plugin
from grader.answerer import Answerer, fork_answerer, spawn_answerer
from grader.checks import Misconception, Seen
from grader.course import Course, Topic, load_course
from grader.diagnosis import Diagnoser, Diagnosis, Failure, Recorder, UnitsSeen
from grader.feedback import Source, advice_for, inputs_of, message_for, stumbled_over
from grader.follow import Followed
from grader.inmemory import ListeningSession, in_memory_session
from grader.plan import Plan
from grader.results import CheckResult, Verdict
from grader.session import EngineFault, Session, StudentError
from grader.text import words_of
from grader.topic_run import FOLLOWED, TopicRun, load_fields
from grader.transcripts import Transcripts
from grader.units import Unit, units_of
from grader.verdicts import Outcome, outcome_of
from grader.workers import ForkLauncher, Launcher, SpawnLauncher, WorkerLimits

FLUSH_SECONDS = 0.1  # results of quick checks leave together: each flush wakes the supervisor
COMPARABLE = (Verdict.WRONG, Verdict.ERROR)  # a misconception that fails in the same way may explain it


# --- the judge -------------------------------------------------------------------------------------------------------


class Judge:
    """The collected checks and the launchers of workers; a pytest plugin, so that it can run single items."""

    def __init__(self, course: Course, topics: list[str]) -> None:
        self.course, self.topics = course, topics
        self.items: dict[str, list[pytest.Item]] = {}
        self.broken: dict[str, str] = {}
        self.references: dict[str, Any] = {}
        self.launchers: dict[str, Launcher] = {}
        self.sound: dict[str, list[Any] | None] = {}  # what each check received from the reference
        self.diagnosers: dict[str, Diagnoser] = {}
        self.touched: dict[str, frozenset[str]] = {}
        self.units_of: dict[str, list[Unit]] = {}
        self.hints: dict[str, dict[str, tuple[str, ...]]] = {}
        self.transcripts = Transcripts()
        self.passed: dict[pytest.Item, CheckResult] = {}  # what is told of a check that passes, whoever passed it
        self.forks = False  # whether this process may be forked: one thread, on a system that can
        self.current: Session | None = None
        self.raised: BaseException | None = None

    # what the fixtures ask for

    def session(self, item: pytest.Item) -> Session:
        assert self.current is not None
        return self.current

    def reference(self, topic: str) -> Any:
        if topic not in self.references:
            self.references[topic] = plugin.load_reference(self.course, topic)
        return self.references[topic]

    def launcher(self, kind: str) -> Launcher:
        if kind not in self.launchers:
            self.launchers[kind] = SpawnLauncher(kind)
        return self.launchers[kind]

    def answerer(self, topic: Topic) -> Answerer:
        """A process that answers with the topic's reference."""
        limits = WorkerLimits(topic.limits.memory_mb << 20, 0, 1 << 10)
        if self.forks:
            return fork_answerer(self.reference(topic.name), limits)
        return spawn_answerer(self.course.path("solutions", f"{topic.name}.py"), limits)

    def units(self, topic: str) -> list[Unit]:
        """The topic's units by its solution; [] in a student's copy, where there is none."""
        if topic not in self.units_of:
            path = self.course.path("solutions", f"{topic}.py")
            self.units_of[topic] = units_of(path.read_text(encoding="utf-8")) if path.is_file() else []
        return self.units_of[topic]

    # pytest

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.grader_bench = self  # type: ignore[attr-defined]  # sandboxed sessions in place of in-memory ones

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            topic = Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")
            self.broken[topic] = f"{report.nodeid}: {_last_line(str(report.longrepr))}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Keep the exception itself; pytest's own failure text is never used, so it is not even made."""
        if call.excinfo is not None and self.raised is None:
            error = call.excinfo.value
            broken = EngineFault(f"the {call.when} of {item.name} failed: {type(error).__name__}: {error}")
            self.raised = error if call.when == "call" else broken
        outcome: Literal["passed", "failed"] = "failed" if call.excinfo else "passed"
        when: Any = call.when
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, when)

    def adopt(self, items: list[pytest.Item]) -> None:
        """Order the collected checks by topic, public ones first, each group in the order of its file."""
        for item in sorted(items, key=lambda i: plugin.visibility_of(i) == "hidden"):
            self.items.setdefault(plugin.topic_of(item), []).append(item)

    def run_item(self, item: pytest.Item, session: Session, *others: Callable[[Seen], None]) -> Outcome:
        """Run one check against a session and say how it ended; `others` see its comparisons. Raises `EngineFault`."""
        recorder = Recorder()
        error = self._run_item(item, session, recorder, *others)
        if isinstance(error, EngineFault):
            raise error
        outcome = outcome_of(error)
        if outcome.verdict is Verdict.GRADER_FAULT:
            wanted = self._values_of_reference(item)
            if wanted is not None:
                wanted_here = wanted[session.values - 1] if 0 < session.values <= len(wanted) else session.last_value
                text, safe = stumbled_over(session.last_value, wanted_here)
                return Outcome(Verdict.WRONG, text=text, safe=safe, error=error)
        if outcome.verdict in COMPARABLE:
            outcome = replace(outcome, failure=recorder.failed_by(_words(outcome)))
        if outcome.verdict in FOLLOWED and plugin.visibility_of(item) == "public":
            outcome = replace(outcome, inputs=inputs_of(session, plugin.function_of(item), error, _code_of(item)))
        return replace(outcome, margin=recorder.margin)

    def _run_item(
        self, item: pytest.Item, session: Session, *observers: Callable[[Seen], None]
    ) -> BaseException | None:
        """What a check raised. One that asks for our fixtures alone is called directly: pytest's set-up and reports
        would be a fifth of the cost of grading."""
        self.current, self.raised = session, None
        session.begin_check(plugin.seed_of(self.course.seed, plugin.check_id(item)))
        checks.observers[:] = observers
        wanted = plugin.own_fixtures(item)
        if wanted is None:
            runtestprotocol(item, log=False, nextitem=None)
            return self.raised
        made = {name: plugin.FIXTURES[name](self, item) for name in wanted}
        try:
            getattr(item, "function")(**made)  # noqa: B009 - every collected check is a Function
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever a check raises is judged
            return error
        return None

    def _diagnosis(self, item: pytest.Item, outcome: Outcome, followed: Followed | None) -> Diagnosis | None:
        """Which known misconception explains a wrong value; None in a student's copy, where none are at hand.

        The value given correct earlier functions comes first: what is wrong there is wrong with the unit itself.
        """
        failures = [followed.failure if followed else None, outcome.failure]
        if outcome.loading or (followed is not None and followed.passed):
            return None
        found = (self._explained(item, failure) for failure in failures if failure is not None)
        return next((diagnosis for diagnosis in found if diagnosis), None)

    def _explained(self, item: pytest.Item, failure: Failure) -> Diagnosis | None:
        topic = plugin.topic_of(item)
        if topic not in self.diagnosers:
            self.diagnosers[topic] = Diagnoser(plugin.load_misconceptions(self.course, topic))
        id, function = plugin.check_id(item), plugin.function_of(item)
        touched = self.touched_units(item)
        return self.diagnosers[topic].diagnose(id, function, touched, failure, lambda m: self._replay(item, m))

    def _hints(self, item: pytest.Item) -> tuple[str, ...]:
        topic = plugin.topic_of(item)
        if topic not in self.hints:
            self.hints[topic] = plugin.load_hints(self.course, topic)
        return self.hints[topic].get(plugin.function_of(item), ())

    def touched_units(self, item: pytest.Item) -> frozenset[str]:
        """The functions and classes of the topic that run when the reference passes this check."""
        id = plugin.check_id(item)
        if id not in self.touched:
            topic = self.course.topic(plugin.topic_of(item))
            source = self.course.path("solutions", f"{topic.name}.py")
            if not source.is_file():
                return frozenset()
            session = in_memory_session(**load_fields(topic, source.read_text(encoding="utf-8")))
            before = self.current
            with UnitsSeen() as seen:
                self._run_item(item, session)
            self.current = before
            self.touched[id] = frozenset(seen.names)
        return self.touched[id]

    def _replay(self, item: pytest.Item, misconception: Misconception) -> Failure | None:
        """How a check fails against the reference with one unit replaced by a misconception."""
        topic = self.course.topic(plugin.topic_of(item))
        before, recorder = self.current, Recorder()
        try:
            session = plugin.session_with(self.course, topic, misconception)
            outcome = outcome_of(self._run_item(item, session, recorder))
        finally:
            self.current = before
        return recorder.failed_by(_words(outcome)) if outcome.verdict in COMPARABLE else None

    def _values_of_reference(self, item: pytest.Item) -> list[Any] | None:
        """What a check receives from the reference; None if it fails there too, and so is itself to blame.

        Where it passes, what it stumbled over is the submission's doing.
        """
        id = plugin.check_id(item)
        if id not in self.sound:
            self.sound[id] = self._run_with_reference(item)
        return self.sound[id]

    def _run_with_reference(self, item: pytest.Item) -> list[Any] | None:
        topic = self.course.topic(plugin.topic_of(item))
        source = self.course.path("solutions", f"{topic.name}.py")
        if not source.is_file():
            return []  # a student's copy: the checks that ship are proven where the solutions are
        session = ListeningSession(load_fields(topic, source.read_text(encoding="utf-8")))
        before = self.current
        try:
            return session.received if self._run_item(item, session) is None else None
        finally:
            self.current = before

    def result(
        self,
        item: pytest.Item,
        outcome: Outcome,
        source: Source,
        seconds: float,
        followed: Followed | None = None,
        diagnose: bool = True,
    ) -> CheckResult:
        if outcome.verdict is Verdict.PASS and item in self.passed:
            return replace(self.passed[item], seconds=seconds)
        check, visibility = plugin.check_of(item), plugin.visibility_of(item)
        assert check is not None
        topic, policy = self.course.topic(plugin.topic_of(item)), self.course.policy
        scale = topic.weight / 100
        given = followed is not None and followed.passed
        share = policy.follow_through_share if given else float(outcome.verdict is Verdict.PASS)
        diagnose = diagnose and outcome.failure is not None and policy.feedback != "verdicts"
        found = self._diagnosis(item, outcome, followed) if diagnose else None
        hints = self._hints(item) if outcome.verdict in FOLLOWED and not given and not outcome.loading else ()
        told = CheckResult(
            id=plugin.check_id(item),
            function=check.function,
            title=plugin.title_of(item),
            visibility=visibility,
            verdict=outcome.verdict,
            points=check.points * scale * share,
            max_points=check.points * scale,
            message=message_for(outcome, visibility, check.function, topic.name, source, policy.feedback, hints),
            diagnosis=found.id if found else None,
            advice=advice_for(found, followed.blame if followed else (), policy.feedback),
            follow_through=given,
            seconds=seconds,
        )
        if outcome.verdict is Verdict.PASS:
            self.passed[item] = told
        return told

    # jobs

    def grade(self, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The lines that answer a job."""
        name = job["topic"]
        if name in self.broken:
            yield {"broken": self.broken[name]}
            return
        units = job.get("units")
        items = [i for i in self.items.get(name, []) if units is None or plugin.function_of(i) in units]
        if job["source"] is None:
            absent = Outcome(Verdict(job["verdict"]), text=job["problem"], safe=job["problem"], loading=True)
            for item in items:
                yield {"check": self.result(item, absent, Source(""), 0.0).to_dict()}
            yield {"done": True, "output": ""}
            return
        plan = Plan.from_dict(job["plan"]) if job.get("plan") else None
        run = TopicRun(self, self.course.topic(name), job["source"], plan)
        yield from run.run(items)
        yield {"done": True, "output": run.output}

    def serve(self, reader: IO[str], writer: IO[str]) -> None:
        """Answer jobs until the reader ends."""
        for line in reader:
            job = json.loads(line)
            try:
                flushed = time.monotonic()
                for answer in self.grade(job):
                    late = time.monotonic() - flushed > FLUSH_SECONDS
                    last = not {"done", "broken"}.isdisjoint(answer)
                    _send(writer, {"job": job["job"], **answer}, flush=late or last)
                    flushed = time.monotonic() if late else flushed
            except EngineFault as fault:
                _send(writer, {"job": job["job"], "fault": str(fault)})

    def catalogue(self) -> dict[str, Any]:
        """What the supervisor needs to know of the checks."""
        points = {t: sum(_points(i) for i in items) for t, items in self.items.items()}
        return {"ready": True, "pid": os.getpid(), "points": points, "broken": self.broken}


def _code_of(item: pytest.Item) -> types.CodeType:
    code: types.CodeType = getattr(item, "function").__code__  # noqa: B009 - every collected check is a Function
    return code


def _words(outcome: Outcome) -> str:
    """What stands for a failure that compared no values: the demand, or the error with its text."""
    error = outcome.error
    if isinstance(error, StudentError):
        return f"{error.type_name}: {error.text}"
    return re.sub(r" in line \d+", "", outcome.text)  # where it stands in the student's file is nobody else's line


def _points(item: pytest.Item) -> float:
    check = plugin.check_of(item)
    return check.points if check else 0.0


def _send(writer: IO[str], message: dict[str, Any], flush: bool = True) -> None:
    writer.write(json.dumps(message) + "\n")
    if flush:
        writer.flush()


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return words_of(lines[-1].removeprefix("E").strip()) if lines else "cannot be imported"


# --- the process -----------------------------------------------------------------------------------------------------


class Mother:
    """Forks a warm judge for each packet on the control socket, and reaps those that have ended."""

    def __init__(self, judge: Judge, control: socket.socket) -> None:
        self.judge, self.control = judge, control

    def serve(self) -> None:
        self.control.send(json.dumps(self.judge.catalogue()).encode())
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
        from grader.worker import sandbox

        try:
            sandbox.die_with_parent()
            self.judge.forks = True
            gc.set_threshold(50_000, 20, 50)  # a judge makes much short-lived data and few cycles
            self.control.close()
            channel = socket.socket(fileno=fds[0])
            for kind, fd in zip(kinds, fds[1:], strict=True):
                self.judge.launchers[kind] = ForkLauncher(socket.socket(fileno=fd))
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
        self.judge.adopt(session.items)
        if self.control is not None:
            Mother(self.judge, socket.socket(fileno=self.control)).serve()
            return True
        _send(_line_output(), self.judge.catalogue())
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
    """`python -m grader.judge COURSE.YML TOPIC,TOPIC SEED [CONTROL_FD]`"""
    from grader.worker import sandbox

    sandbox.protect_judge()
    course = load_course(Path(arguments[0])).model_copy(update={"seed": int(arguments[2])})
    control = int(arguments[3]) if len(arguments) > 3 else None
    if control is None:
        _line_output()
    warnings.simplefilter("ignore")  # oracles and misconceptions may overflow on purpose; nobody reads it here
    judge = Judge(course, arguments[1].split(","))
    files = [str(path) for topic in judge.topics for _, path in course.check_files(topic)]
    return int(pytest.main([*pytest_options(course), *files], plugins=[plugin, judge, Loop(judge, control)]))


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
