"""The client in a kernel: what a check cell and `%%check` call.

It reads the cells that were run so far from IPython's own history, hands them to a desk (a process of its own that
judges in walled workers), and returns the points as the cell's last value, which is what nbgrader reads. Under
`nbgrader autograde` whatever keeps it from judging is raised: nbgrader takes a missing value for full marks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from grader.notebooks.groups import Group, GroupId, grouped, parse_id
from grader.notebooks.showing import html_of
from grader.results import CheckResult
from grader.submissions.ipynb import HANDED_OUT
from grader.submissions.sifting import Sifted

COURSE = "GRADER_COURSE"  # the course with hidden checks; nbgrader_config.py sets it on the instructor's machine
MAGIC_HELP = "%%check TOPIC or %%check TOPIC::FUNCTION"


class NotJudged(RuntimeError):
    """The checks could not be run; nothing was graded."""


class Points(float):
    """Points that count as the number they are, and show what they were given for."""

    html: str

    def __new__(cls, group: Group, sifted: Sifted) -> Points:
        points = super().__new__(cls, group.points)
        points.html = html_of(group, sifted.notes, sifted.place)
        return points

    def __repr__(self) -> str:
        return float.__repr__(self)

    def _repr_html_(self) -> str:
        return self.html


def check(id: str) -> Points | None:
    """Judge the functions that the cells so far define by the checks of `id` (`topic::unit::visibility`).

    Returns the points, or None where hidden checks are asked for and are not at hand; raises `NotJudged`.
    """
    group = parse_id(id)
    return _check(group, _cells())


def _check(id: GroupId, cells: list[str]) -> Points | None:
    desk = _desk(id.topic)
    if id.visibility == "hidden" and not desk.has_hidden:
        if _autograding():
            raise NotJudged(f"the hidden checks are not in {desk.where}; set {COURSE} to the course that holds them")
        _show_unrun(desk.hidden.get(id.unit, 0))
        return None
    checks, sifted = desk.ask(cells, id.unit)
    for group in grouped(id.topic, checks):
        if group.id == id:
            if group.faults:
                raise NotJudged(f"the grader itself failed: {group.faults[0].message}")
            return Points(group, sifted)
    raise NotJudged(f"there are no {id.visibility} checks of '{id.unit}' in {desk.where}")


def _autograding() -> bool:
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def _show_unrun(number: int) -> None:
    print(f"{number} hidden check{'' if number == 1 else 's'} {'is' if number == 1 else 'are'} not run here")


def _cells() -> list[str]:
    """The text of every cell that was run in this session, in order, from IPython's own history."""
    shell = _shell()
    if shell is None:
        raise NotJudged("checks of a notebook are run in a notebook; on files use `grade`")
    return list(shell.history_manager.input_hist_raw[1:])  # cell n is `In [n]`


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


# --- the course ------------------------------------------------------------------------------------------------------


def _where() -> Path:
    """The course to judge by: `GRADER_COURSE`; else what lies beside the notebook; else course.yml above it.

    While autograding the first alone: everything beside the notebook came with the submission.
    """
    given = os.environ.get(COURSE)
    if given:
        path = Path(given)
        if not path.is_file():
            raise NotJudged(f"{COURSE} says {given}, and no file is there; mend nbgrader_config.py or build it again")
        return path
    if _autograding():
        raise NotJudged(f"{COURSE} is not set, so the hidden checks are out of reach; nbgrader_config.py should set it")
    here = Path.cwd()
    for path in (here / HANDED_OUT, *(folder / "course.yml" for folder in (here, *here.parents))):
        if path.is_file():
            return path
    raise NotJudged(f"no {HANDED_OUT} lies beside this notebook and no course.yml above it; fetch the assignment again")


# --- the desk --------------------------------------------------------------------------------------------------------


class _Desk:
    """A desk's process, seen from the kernel."""

    def __init__(self, where: Path, topic: str) -> None:
        self.where, self.topic, self.kernel = where, topic, os.getpid()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        command = [sys.executable, "-I", "-B", "-m", "grader.notebooks.desk", str(where), topic]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self.log, text=True, encoding="ascii", start_new_session=True
        )
        first = self._line()
        self.hidden: dict[str, int] = first["hidden"]
        self.has_hidden: bool = first["here"]

    def ask(self, cells: list[str], unit: str) -> tuple[list[CheckResult], Sifted]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"cells": cells, "unit": unit}) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; its last words are read below
        answer = self._line()
        starts = tuple((line, cell) for line, cell in answer["places"])
        checks = [CheckResult.from_dict(c) for c in answer["checks"]]
        return checks, Sifted("", tuple(answer["notes"]), starts)

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        try:
            line = self.process.stdout.readline()
        except BaseException:  # an interrupt leaves an answer on its way; a new desk is not mistaken for the old
            self.close()
            raise
        if not line:
            self.close()
            raise NotJudged(f"the grader ended unexpectedly: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NotJudged(answer["error"])
        return answer

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = self.log.read()[-2000:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def alive(self) -> bool:
        return self.process.poll() is None and self.kernel == os.getpid()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


_open: _Desk | None = None


def _desk(topic: str) -> _Desk:
    """This kernel's desk; a new one where the topic or the course changed, or it has ended."""
    global _open
    where = _where()
    if _open is None or not _open.alive() or (_open.where, _open.topic) != (where, topic):
        if _open is not None and _open.kernel == os.getpid():
            _open.close()
        _open = None
        _open = _Desk(where, topic)
    return _open


# --- %%check ---------------------------------------------------------------------------------------------------------


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext grader` brings `%%check`."""
    shell.register_magic_function(_magic, "cell", "check")


def _magic(line: str, cell: str) -> None:
    """`%%check TOPIC[::FUNCTION]`: run the cell, then judge the functions it defines (or the one that is named)."""
    from IPython.display import display

    topic, _, unit = line.strip().partition("::")
    if not topic:
        raise NotJudged(f"say what to check: {MAGIC_HELP}")
    result = _shell().run_cell(cell)
    if not result.success:
        return
    cells = _cells()
    units = [unit] if unit else _defined(cell)
    if not units:
        raise NotJudged(f"this cell defines nothing to check; name it: {MAGIC_HELP}")
    for name in units:
        _show_unit(topic, name, cells, display, named=bool(unit))


def _defined(cell: str) -> list[str]:
    from grader.course.stubs import names_of

    return sorted(names_of(cell), key=cell.find)


def _show_unit(topic: str, unit: str, cells: list[str], display: Any, named: bool) -> None:
    desk = _desk(topic)
    checks, sifted = desk.ask(cells, unit)
    groups = grouped(topic, checks)
    if not groups and named:
        raise NotJudged(f"there are no checks of '{unit}' in {desk.where}")
    for group in groups:
        display(Points(group, sifted))
    if groups and not desk.has_hidden and desk.hidden.get(unit):
        _show_unrun(desk.hidden[unit])
