"""`grade capstone TOPIC`: train something real with the student's own functions, and show what came out of it."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from grader.cli.terminal import wants_colour
from grader.course import Course, find_course, load_course
from grader.errors import EXIT_BELOW, EXIT_FULL, GraderFault, UsageError
from grader.grading.grade import SAFE_LEVELS
from grader.judge.training import Progress, Training, Unusable, explain, load_capstone, run_once, worker_launcher
from grader.remote.connection import EngineFault, WorkerDied
from grader.remote.session import StudentError
from grader.submissions.find import find_submissions
from grader.text import words_of

# --- the command -----------------------------------------------------------------------------------------------------


def run(
    topic_name: str,
    path: Path | None,
    course_file: Path | None,
    out_dir: Path,
    seed: int,
    show: Callable[[str], Any] = click.echo,
) -> int:
    """Training one capstone for one file; returns the exit code. `show` prints a line of the result."""
    path = path or Path.cwd() / f"{topic_name}.py"
    course = load_course(course_file or find_course(Path.cwd(), [path]))
    topic = course.topic(topic_name)
    module = load_capstone(course, topic.name)
    source = _source_of(path, course, topic.name)
    data = module.make_data(seed, course.path("exercises", "data"))
    show(f"{topic.name}: {module.TITLE}")
    try:
        with worker_launcher(topic.kind) as (launcher, level), _bar(topic.name) as progress:
            if level not in SAFE_LEVELS:
                _say(f"protection: {level}; the code that runs here could read and write your files")
            outcome = run_once(module, topic, source, launcher, data, progress)
    except EngineFault as fault:
        raise GraderFault(f"the capstone could not be run: {fault}", "", "try again; grade doctor may help") from None
    except (StudentError, WorkerDied, Unusable) as error:
        show(words_of(f"{topic.name}.py: {explain(error, source)}"))
        return EXIT_BELOW
    _show(module, outcome, show)
    _save_picture(module, outcome, out_dir / f"{topic.name}_capstone.png")
    return EXIT_FULL if outcome.reached else EXIT_BELOW


def _source_of(path: Path, course: Course, topic: str) -> str:
    """The student's text; `path` is the file, or a folder or zip that holds it."""
    if not path.exists():
        help = f"name the file: grade capstone {topic} PATH"
        raise UsageError("there is no such file or folder", str(path), help)
    found = find_submissions([path], course, None if path.is_file() and path.suffix != ".zip" else "student")
    file = found.submissions[0].files.get(topic)
    if file is None:
        raise UsageError(f"no {topic}.py here", str(path), f"name the file: grade capstone {topic} PATH")
    if file.source is None:
        raise UsageError(file.problem, str(path), "mend the file and run it again")
    return file.source


def _show(module: types.ModuleType, outcome: Training, show: Callable[[str], Any]) -> None:
    for figure in outcome.figures:
        show(f"  {figure.line()}")
    for line in _details(module, outcome):
        show(f"  {line}")
    show(f"  {module.MEANING}")
    failed = next((f for f in outcome.figures if not f.reached), None)
    if failed is not None:
        show(f"  {module.ABOVE if failed.value > failed.high else module.BELOW}")
    show(f"  trained for {outcome.seconds:.1f} s")


def _details(module: types.ModuleType, outcome: Training) -> list[str]:
    """What else a capstone has to tell, where the results allow it."""
    try:
        return [words_of(line) for line in module.details(outcome.results, outcome.data)]
    except Exception:  # noqa: BLE001 - there are none, or what was given back is not what they count on
        return []


def _save_picture(module: types.ModuleType, outcome: Training, path: Path) -> None:
    """Draw what was learned; without matplotlib say how to get it."""
    try:
        import matplotlib.figure
    except ImportError:
        _say('the picture needs matplotlib: pip install "grader[plots]"')
        return
    figure = matplotlib.figure.Figure(figsize=(9, 4), layout="constrained", facecolor="white")
    try:
        module.draw(outcome.results, outcome.data, figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100, metadata={"Software": None})
        _say(f"wrote {path}")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", str(path), "choose another folder with -o") from None
    except Exception as error:  # noqa: BLE001 - matplotlib may stumble over any numbers; the figure is told by now
        _say(words_of(f"the picture could not be drawn ({type(error).__name__}: {error})"))


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Progress]:
    with tqdm(desc=name, unit="update", file=sys.stderr, disable=None, leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def _say(text: str) -> None:
    click.echo(text, err=True, color=wants_colour())
