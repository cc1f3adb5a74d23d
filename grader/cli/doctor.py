"""`grade doctor`: print what came of the probes, and what to do where a wall does not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from grader.doctor import HELP, Examination, examine, examine_worker
from grader.errors import GraderError
from grader.grading.grade import SAFE_LEVELS
from grader.remote.processes import can_fork
from grader.worker import preload

EXIT_HELD, EXIT_OPEN = 0, 1


# ---- the command ---------------------------------------------------------------------------------------------------


def run(as_json: bool = False) -> int:
    """`grade doctor`: prove the walls; 0 if all hold."""
    return _tell(examine(), as_json)


def attack(as_json: bool = False) -> int:
    """`grade doctor --attack`: the corpus where a checkout is at hand, the probes as submissions elsewhere."""
    corpus = Path(__file__).parents[2] / "tests" / "engine" / "test_attacks.py"
    if corpus.is_file() and not as_json:
        return _corpus(corpus)
    if not can_fork():
        raise GraderError("workers cannot be forked here", help="grade on Linux: WSL2 or a container will do")
    kinds = preload.KINDS[:1] if as_json else preload.KINDS  # one document
    return max(_tell(examine_worker(kind), as_json, f"{kind} workers, ") for kind in kinds)


def _corpus(tests: Path) -> int:
    """Each hostile submission through the whole pipeline, between two good ones."""
    click.echo(f"grading the submissions of {tests.parents[1] / 'attacks'}: this takes some minutes", err=True)
    command = [sys.executable, "-m", "pytest", "-q", "-k", "gains_nothing", "-m", "slow or not slow", str(tests)]
    return EXIT_HELD if subprocess.run(command, cwd=tests.parents[2], check=False).returncode == 0 else EXIT_OPEN


def _tell(found: Examination, as_json: bool, title: str = "") -> int:
    if as_json:
        click.echo(json.dumps(asdict(found) | {"safe": found.safe, "help": _advice(found)}, indent=1))
    else:
        for line in _lines(found, title):
            click.echo(line)
    return EXIT_HELD if found.safe else EXIT_OPEN


def _lines(found: Examination, title: str) -> Iterator[str]:
    yield f"{title}sandbox: {found.level.upper()}"
    for wall, how in found.walls.items():
        yield f"  {wall:<10} {how}"
        for finding in (f for f in found.findings if f.wall == wall):
            yield f"  {'':<10} {'proved:' if finding.held else 'OPEN:  '} {finding.proof}"
    yield from (f"help: {line}" for line in _advice(found))


def _advice(found: Examination) -> list[str]:
    """What to do next, once each."""
    advice = []
    if found.level not in SAFE_LEVELS and not sys.platform.startswith("linux"):
        advice.append("grade on Linux: WSL2 or a container will do; here hidden checks need --i-trust-these-students")
    elif found.level == "sealed":
        advice.append("sealed: nothing is left open, but what a submission imports late is not found; " + HELP["files"])
    if found.walls.get("identity", "").startswith("user 0"):
        advice.append(HELP["identity"])
    return list(dict.fromkeys([*advice, *(HELP[wall] for wall in found.open_walls())]))
