"""The process that judges for one kernel: `python -m grader.notebooks.desk WHERE TOPIC`.

WHERE is a `course.yml` or a `public_checks.json`. It holds the engine (one judge, walled workers) outside the kernel,
so that nothing of a student's session can be in its way, and nothing of its own gets on the kernel's standard error.

Lines in: `{"cells": [text, ...], "unit": name}`. Lines out: `{"ready", "hidden": {unit: number}, "here": bool}` once,
then one line an answer: `{"checks": [...], "notes": [...], "places": [[line, cell], ...]}` or `{"error": words}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.course import Course, load_course
from grader.course.stubs import names_of
from grader.errors import GraderError, GraderFault
from grader.grading.engine import Engine, make_engine
from grader.grading.pool import Lane
from grader.jobs import Job
from grader.notebooks import bundle
from grader.results import CheckResult
from grader.submissions.ipynb import HANDED_OUT
from grader.submissions.sifting import Sifted, sift

MAX_ANSWERS = 64  # remembered, by source and unit


class Desk:
    """Judges one unit of one topic at a time; a judge that dies is replaced."""

    def __init__(self, course: Course, engine: Engine, topic: str) -> None:
        self.topic = topic
        self.lane = Lane(engine)
        self.jobs = 0
        self.answers: dict[tuple[str, str], list[CheckResult]] = {}
        self.stub_names = names_of(course.path("exercises", f"{topic}.py").read_text(encoding="utf-8"))

    def answer(self, cells: list[str], unit: str) -> tuple[list[CheckResult], Sifted]:
        """The results of a unit's checks; raises `GraderFault`."""
        sifted = sift(cells, {*self.stub_names, unit})
        key = sifted.source, unit
        if key not in self.answers:
            while len(self.answers) >= MAX_ANSWERS:
                del self.answers[next(iter(self.answers))]
            self.answers[key] = self._judged(sifted.source, (unit,))
        return self.answers[key], sifted

    def catalogue(self) -> list[CheckResult]:
        """Every check of the topic, as it ends where nothing was handed in."""
        return self._judged(None, ())

    def _judged(self, source: str | None, units: tuple[str, ...]) -> list[CheckResult]:
        self.jobs += 1
        file = None if source is None else f"{self.topic}.ipynb"
        problem = f"{self.topic}.py was not handed in" if source is None else ""
        result = self.lane.land(Job(self.jobs, self.topic, source, file, problem=problem, units=units)).result
        if any(not c.function for c in result.checks):
            raise GraderFault(f"the judge could not finish: {result.checks[0].message}")
        return list(result.checks)


@contextlib.contextmanager
def open_desk(where: Path, topic: str) -> Iterator[tuple[Desk, dict[str, Any]]]:
    """A desk and its first line; raises `GraderError`."""
    with contextlib.ExitStack() as stack:
        hidden: dict[str, int] = {}
        if where.name == HANDED_OUT:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-")))
            hidden = bundle.unpack(where, folder)
            where = folder / "course.yml"
        course = load_course(where)
        engine = make_engine(course, [course.topic(topic).name])
        stack.callback(engine.close)
        engine.start()
        desk = Desk(course, engine, topic)
        here = Counter(c.function for c in desk.catalogue() if c.visibility == "hidden")
        yield desk, {"ready": True, "hidden": dict(here) or hidden, "here": bool(here)}


def serve(desk: Desk) -> None:
    """Answer lines until the input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        try:
            checks, sifted = desk.answer(job["cells"], job["unit"])
            places = [list(start) for start in sifted.starts]
            _send({"checks": [c.to_dict() for c in checks], "notes": list(sifted.notes), "places": places})
        except GraderError as error:
            _send(_error(error))


def _error(error: GraderError) -> dict[str, Any]:
    return {"error": f"{error}" + (f" ({error.help})" if error.help else "")}


def _send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Serve one kernel."""
    try:
        with open_desk(Path(arguments[0]), arguments[1]) as (desk, first):
            _send(first)
            serve(desk)
    except GraderError as error:
        _send(_error(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
