"""`grade capstone TOPIC`: train something real with the student's own functions, and show what came out of it.

A capstone is `exercises/capstones/<topic>.py`. What it holds:

    TITLE, FIGURE, GATE = (low, high)      the gate has two sides: what is beyond possible is a mistake, too
    MEANING, BELOW, ABOVE                  what the figure says, and what to look at on either side of the gate
    HELD_BACK = ("test_x", "test_y")       entries of the data that `train` never gets: all that it is measured with
    make_data(seed, folder) -> dict        here; `folder` holds the data files that ship with the course
    train(submission, data, progress)      in the walled worker, as source text: imports stand inside it
    figure(results, data) -> float         here, from what train returned: weights, not answers
    draw(results, data, figure)            here, on a matplotlib Figure
    ALSO, also(results, data)              optional: further figures, {name: (low, high)} and {name: value}
    details(results, data) -> list[str]    optional: more lines to print
    measure(fresh, results, data) -> dict  optional, here: further results, where weights alone are not enough;
                                           fresh("f", data) is what the file's f(submission, data) returns in a worker
                                           of its own, as source text like train

The submission can read whatever lies in the frames of `train`. So nothing is measured there: a function that looks up
its neighbours among the data instead of learning leaves weights behind that know nothing.

`python -m grader.judge.training COURSE.YML` is what `grade run --capstone` starts: JSON lines {"topic", "source"} in,
and for each of them one line out, a `CapstoneResult` or {"fault"}.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import math
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from grader.course import Course, Topic, load_course
from grader.errors import CourseError
from grader.judge.feedback import FORBIDDEN, Source, place_of
from grader.judge.loading import load_fields
from grader.remote.connection import EngineFault, WorkerDied
from grader.remote.forking import ForkLauncher
from grader.remote.limits import Launcher, WorkerLimits, limit_own_memory
from grader.remote.processes import WarmProcess, can_fork, weakest_level
from grader.remote.proxy import RemoteModule
from grader.remote.replies import Allowance, Expected
from grader.remote.session import Session, StudentError
from grader.remote.spawning import SpawnLauncher
from grader.results import CapstoneFigure, CapstoneResult
from grader.text import words_of
from grader.worker.walls import kernel, sandbox

CPU_SECONDS = 120.0
MEASURING_SECONDS = 20.0  # of CPU time, for the figures here and for each worker that is asked about them
MEMORY_FACTOR = 3  # of the topic's limit, which is made for the small arrays of checks
SAFE_LEVELS = ("strong", "sealed")
Progress = Callable[[int, int], Any]
LARGE = Expected(largest=1 << 20)  # about what a training returns: an array may have 16 times as much


@dataclass(frozen=True)
class Figure:
    """A number with its gate."""

    name: str
    value: float
    low: float
    high: float

    @property
    def reached(self) -> bool:
        return self.low <= self.value <= self.high  # never so for nan

    def line(self) -> str:
        verdict = "reached" if self.reached else "above the gate" if self.value > self.high else "not reached"
        return f"{self.name}: {self.value:.4g}   (gate {self.low:g} to {self.high:g}: {verdict})"


@dataclass(frozen=True)
class Training:
    """One training: its figures, and what they were made from."""

    figures: tuple[Figure, ...]
    results: dict[str, Any]
    data: dict[str, Any]
    seconds: float

    @property
    def reached(self) -> bool:
        return all(f.reached for f in self.figures)


class Unusable(Exception):
    """What the training gave back cannot be judged."""


# --- the capstone's file ---------------------------------------------------------------------------------------------


def load_capstone(course: Course, topic: str) -> types.ModuleType:
    """The module of a topic's capstone; raises `CourseError` where there is none."""
    path = course.path("exercises", "capstones", f"{topic}.py")
    if not path.is_file():
        raise CourseError(f"the topic '{topic}' has no capstone", str(path), "choose another topic")
    spec = importlib.util.spec_from_file_location(f"capstone_{topic}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source_of_train(module: types.ModuleType, name: str = "train") -> str:
    """The text of `train`, or of another function that runs beside the submission and nowhere else."""
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return f"from __future__ import annotations\n{ast.get_source_segment(text, node)}\n"
    raise CourseError(f"the capstone has no function '{name}'", str(module.__file__), "see another topic's capstone")


# --- one training ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def worker_launcher(kind: str) -> Iterator[tuple[Launcher, str]]:
    """A launcher of walled workers and the level of the walls; everything it started ends with the block."""
    if not can_fork():
        spawner = SpawnLauncher(kind, ahead=1)
        try:
            yield spawner, weakest_level()
        finally:
            spawner.close()
        return
    zygote = WarmProcess(lambda fd: [sys.executable, "-I", "-B", "-m", "grader.worker.zygote", kind, str(fd)])
    try:
        zygote.wait_ready()
        with zygote.client() as link:
            yield ForkLauncher(link), str(zygote.ready["level"])
    finally:
        zygote.close()


@dataclass(frozen=True)
class Workers:
    """Fresh workers with the submission loaded, for one function of a capstone each."""

    module: types.ModuleType
    topic: Topic
    source: str
    launcher: Launcher

    def run(self, name: str, *arguments: Any, seconds: float = MEASURING_SECONDS) -> Any:
        """What the function returns there, given the submission and these arguments; raises as `run_once` does."""
        limits = self.topic.limits
        lifetime = int(limits.import_seconds + seconds) + 5
        made_for = WorkerLimits((MEMORY_FACTOR * limits.memory_mb) << 20, lifetime, limits.output_kb << 10)
        worker = self.launcher.start(made_for)
        try:
            worker.allowance = Allowance(LARGE)
            session = Session(worker)
            submission = RemoteModule(session)
            session.handle_factory = _no_handle
            worker.begin(limits.import_seconds, limits.wall_seconds(limits.import_seconds))
            session.load(**load_fields(self.topic, self.source))
            worker.begin(seconds, limits.wall_seconds(seconds))
            return session.run_helper(name, source_of_train(self.module, name), (submission, *arguments)).value
        finally:
            worker.close()


def _no_handle(*_: Any) -> NoReturn:
    raise Unusable("the training gave back what is no data")


def run_once(
    module: types.ModuleType,
    topic: Topic,
    source: str,
    launcher: Launcher,
    data: dict[str, Any],
    progress: Progress = lambda done, total: None,
) -> Training:
    """Load the submission in a fresh worker, train with it there, and measure the result here.

    Raises `StudentError` or `WorkerDied` for what the submission did, `Unusable` for what it gave back, and
    `EngineFault` where the worker could not be used.
    """
    workers = Workers(module, topic, source, launcher)
    start = time.perf_counter()
    sent = {name: value for name, value in data.items() if name not in module.HELD_BACK}
    results = workers.run("train", sent, _checked(progress), seconds=CPU_SECONDS)
    seconds = time.perf_counter() - start
    if hasattr(module, "measure"):
        with _measuring():
            results = {**results, **module.measure(workers.run, results, data)}
    return Training(_figures(module, results, data), results, data, seconds)


def _checked(progress: Progress) -> Progress:
    """Only counts pass: the other end may send anything."""

    def report(done: Any, total: Any) -> None:
        if type(done) is int and type(total) is int and 0 <= done <= total <= 10**9:
            progress(done, total)

    return report


@contextlib.contextmanager
def _measuring() -> Iterator[None]:
    """Whatever goes wrong in here goes wrong with what a submission gave back; within limits of time and memory."""
    try:
        with _limited_time(MEASURING_SECONDS):
            yield
    except (Unusable, StudentError, WorkerDied, EngineFault):
        raise
    except Exception as error:  # noqa: BLE001 - any shape, size or kind may have been given back
        raise Unusable(f"the results of the training cannot be measured ({type(error).__name__}: {error})") from None


@contextlib.contextmanager
def _limited_time(seconds: float) -> Iterator[None]:
    """Ends what is done inside after so much CPU time, where the system can."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _too_slow(*_: Any) -> NoReturn:
    raise Unusable(f"the results of the training cannot be measured within {MEASURING_SECONDS:g} s")


def _figures(module: types.ModuleType, results: Any, data: dict[str, Any]) -> tuple[Figure, ...]:
    with _measuring():
        if not isinstance(results, dict):
            raise TypeError("not a dict")
        main = Figure(module.FIGURE, float(module.figure(results, data)), *map(float, module.GATE))
        gates = getattr(module, "ALSO", {})
        values = module.also(results, data) if gates else {}
        return (main, *(Figure(name, float(values[name]), *gate) for name, gate in gates.items()))


def explain(error: Exception, source: str) -> str:
    """What went wrong in words: type, message and the student's own line."""
    if not isinstance(error, StudentError):
        return str(error)
    if error.wall:
        return FORBIDDEN[error.wall] + place_of(error, Source(source))
    if error.is_a("NotImplementedError"):
        return f"{error.text or 'a function'} is not written yet{place_of(error, Source(source))}"
    if not error.frames and not error.is_a("MissingName"):
        return f"{error.type_name}: {error.text} (in the training, from what your functions returned)"
    return f"{error.type_name}: {error.text}{place_of(error, Source(source))}"


# --- for a whole class -----------------------------------------------------------------------------------------------

SEED = 0  # what `grade capstone` takes, too: students know before they hand in


class Trainer:
    """Runs capstones one after the other, with one warm process for each kind of worker."""

    def __init__(self, course: Course, stack: contextlib.ExitStack) -> None:
        self.course, self.stack = course, stack
        self.launchers: dict[str, Launcher] = {}
        self.modules: dict[str, tuple[types.ModuleType, dict[str, Any]]] = {}
        self.sound: dict[str, bool] = {}  # whether the reference's results can be measured

    def answer(self, topic: str, source: str) -> dict[str, Any]:
        """A `CapstoneResult` as a dict, its points still to be given; or {"fault": why}."""
        given, start = self.course.topic(topic), time.perf_counter()
        try:
            module, data = self._module(topic)
            outcome = run_once(module, given, source, self._launcher(given.kind), data)
        except EngineFault as fault:
            return {"fault": str(fault)}
        except (StudentError, WorkerDied, Unusable) as error:
            if isinstance(error, Unusable) and not self._is_sound(topic):
                return {"fault": f"exercises/capstones/{topic}.py: {error}"}
            text = words_of(explain(error, source))
            return CapstoneResult(False, 0.0, 0.0, (), text, time.perf_counter() - start).to_dict()
        except Exception as error:  # noqa: BLE001 - a mistake in the capstone's own file
            return {"fault": f"exercises/capstones/{topic}.py: {type(error).__name__}: {error}"}
        figures = tuple(_in_report(figure) for figure in outcome.figures)
        return CapstoneResult(outcome.reached, 0.0, 0.0, figures, "", outcome.seconds).to_dict()

    def _is_sound(self, topic: str) -> bool:
        """Whether a capstone can measure what the reference gives it; if not, it is itself to blame."""
        if topic not in self.sound:
            module, data = self._module(topic)
            given, path = self.course.topic(topic), self.course.path("solutions", f"{topic}.py")
            try:
                run_once(module, given, path.read_text(encoding="utf-8"), self._launcher(given.kind), data)
                self.sound[topic] = True
            except (StudentError, WorkerDied, Unusable):
                self.sound[topic] = False
        return self.sound[topic]

    def _module(self, topic: str) -> tuple[types.ModuleType, dict[str, Any]]:
        if topic not in self.modules:
            module = load_capstone(self.course, topic)
            self.modules[topic] = module, module.make_data(SEED, self.course.path("exercises", "data"))
        return self.modules[topic]

    def _launcher(self, kind: str) -> Launcher:
        if kind not in self.launchers:
            self.launchers[kind], _ = self.stack.enter_context(worker_launcher(kind))
        return self.launchers[kind]


def _in_report(figure: Figure) -> CapstoneFigure:
    value = figure.value if math.isfinite(figure.value) else None
    return CapstoneFigure(figure.name, value, figure.low, figure.high, figure.reached)


def main(course_file: str) -> None:
    """Answer one line with one line until there are no more."""
    sandbox.protect_judge()
    kernel.default_signals()
    sandbox.die_with_parent()
    limit_own_memory()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a capstone prints is no answer
    with contextlib.ExitStack() as stack:
        trainer = Trainer(load_course(Path(course_file)), stack)
        for line in sys.stdin:
            answers.write(json.dumps(trainer.answer(**json.loads(line)), allow_nan=False) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
