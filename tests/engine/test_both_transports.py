"""Every check of the course ends alike over the pipes of real workers and in memory, as authors run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from toys import ROOT

from grader.course import Course, load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.jobs import Checked, Job, decode, encode
from grader.remote.processes import can_fork
from grader.submissions import Submission, SubmittedFile

BREAK = '''

def _broken(_unit, _how):
    """`_unit` with its results negated, or failing."""
    import numpy as _np

    def _negated(value):
        if isinstance(value, (tuple, list)):
            return type(value)([_negated(v) for v in value]) if type(value) in (tuple, list) else value
        if isinstance(value, dict):
            return {k: _negated(v) for k, v in value.items()} if type(value) is dict else value
        if isinstance(value, (bool, _np.bool_)):
            return not value
        return -value if isinstance(value, (int, float)) or hasattr(value, "shape") and "bool" not in str(value.dtype) else value

    def _replacement(*args, **kwargs):
        if _how == "missing":
            raise NotImplementedError(_unit.__name__)
        if _how == "error":
            raise RuntimeError("broken")
        return _negated(_unit(*args, **kwargs))

    if not isinstance(_unit, type):
        return _replacement
    if _how != "wrong":
        return type(_unit.__name__, (_unit,), {"__init__": _replacement})
    return _unit


for _name, _how in %r.items():
    globals()[_name] = _broken(globals()[_name], _how)
'''

Verdicts = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course itself, with longer limits and without diagnosis and follow-through, which would run
    every misconception and every failed check once more."""
    root = tmp_path_factory.mktemp("course")
    for part in ("exercises", "solutions", "tests/public", "tests/hidden"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("capstones", "data", "__pycache__"))
    data = yaml.safe_load((ROOT / "course.yml").read_text())
    data["policy"] = {**data.get("policy", {}), "feedback": "verdicts", "follow_through_share": 0.0}
    data["limits"] = {**data.get("limits", {}), "cpu_seconds": 20}
    (root / "course.yml").write_text(yaml.safe_dump(data))
    return load_course(root / "course.yml")


def graded_functions(course: Course, topic: str) -> list[str]:
    """The names that the topic's checks grade, in the order of the reference."""
    text = "".join(path.read_text() for _, path in course.check_files(topic))
    source = course.path("solutions", f"{topic}.py").read_text()
    return [n for n in re.findall(r"^(?:def|class) (\w+)", source, re.M) if re.search(rf'@check\(\s*"{n}"', text)]


def sources_of(course: Course, topic: str) -> dict[str, str]:
    """The reference, the stub, and the reference with every second function broken, each in another way."""
    reference = course.path("solutions", f"{topic}.py").read_text()
    ways = ("wrong", "error", "wrong", "missing")
    functions = graded_functions(course, topic)[::2]
    return {
        "reference": reference,
        "stub": course.path("exercises", f"{topic}.py").read_text(),
        "broken": reference + BREAK % {name: ways[i % len(ways)] for i, name in enumerate(functions)},
    }


def over_pipes(course: Course, jobs: list[tuple[str, str, str]]) -> dict[tuple[str, str], Verdicts]:
    topics = sorted({topic for _, topic, _ in jobs})
    engine = make_engine(course, topics)
    found: dict[tuple[str, str], Verdicts] = {}
    try:
        for topic in topics:
            submissions = [
                Submission(label, {topic: SubmittedFile(f"{topic}.py", source, "sha256:0")})
                for label, t, source in jobs
                if t == topic
            ]
            for result in grade_many(submissions, course, engine, [topic], 1):
                found[result.student, topic] = {c.id: (str(c.verdict), c.message) for c in result.topics[0].checks}
    finally:
        engine.close()
    return found


def in_memory(course: Course, jobs: list[tuple[str, str, str]]) -> dict[tuple[str, str], Verdicts]:
    lines = [encode(Job(i, t, s, f"{t}.py")) for i, (_, t, s) in enumerate(jobs)]
    command = [sys.executable, str(Path(__file__).with_name("in_memory_judge.py")), str(course.path("course.yml"))]
    command += [",".join(sorted({topic for _, topic, _ in jobs})), str(course.seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode in (0, pytest.ExitCode.NO_TESTS_COLLECTED), done.stderr
    found: dict[tuple[str, str], Verdicts] = {(label, topic): {} for label, topic, _ in jobs}
    for line in done.stdout.splitlines():
        answer = decode(line)
        if isinstance(answer, Checked):
            label, topic, _ = jobs[answer.job]
            found[label, topic][answer.check.id] = (str(answer.check.verdict), answer.check.message)
    return found


def both(course: Course, jobs: list[tuple[str, str, str]]) -> Iterator[tuple[tuple[str, str], Verdicts, Verdicts]]:
    """((label, topic), over pipes, in memory) of each job; the two run at the same time."""
    with ThreadPoolExecutor() as threads:
        remembered = threads.submit(in_memory, course, jobs)
        piped = threads.submit(over_pipes, course, jobs).result()
    assert len(piped) == len(jobs)
    for key, verdicts in piped.items():
        yield key, verdicts, remembered.result()[key]


def assert_alike(course: Course, jobs: list[tuple[str, str, str]]) -> Counter[str]:
    """Every check of every job has one verdict and one message, whichever way it ran; counts the verdicts."""
    counts: Counter[str] = Counter()
    for key, piped, remembered in both(course, jobs):
        assert piped
        assert {
            c: (piped.get(c), remembered.get(c)) for c in {*piped, *remembered} if piped.get(c) != remembered.get(c)
        } == {}, key
        if key[0] == "reference":
            assert {verdict for verdict, _ in piped.values()} == {"pass"}, key
        if key[0] == "stub":
            assert {verdict for verdict, _ in piped.values()} == {"missing"}, key
        counts.update(verdict for verdict, _ in piped.values())
    return counts


needs_fork = pytest.mark.skipif(not can_fork(), reason="needs forked workers")


@needs_fork
def test_every_check_ends_alike_over_pipes_and_in_memory(course):
    """Public and hidden checks of every topic, for the reference, the stub and a half broken reference."""
    jobs = [(label, t.name, source) for t in course.topics for label, source in sources_of(course, t.name).items()]
    counts = assert_alike(course, jobs)

    checks = sum(path.read_text().count("\n@check(") for t in course.topics for _, path in course.check_files(t.name))
    assert counts.total() == 3 * checks
    assert all(counts[verdict] > 30 for verdict in ("pass", "wrong", "error", "missing")), counts


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize("how", ["wrong", "error", "missing"])
def test_every_function_broken_alone_ends_alike(course, how):
    """For each graded function of each topic: the reference with that one broken."""
    for topic in course.topics:
        reference = course.path("solutions", f"{topic.name}.py").read_text()
        functions = graded_functions(course, topic.name)
        assert_alike(course, [(name, topic.name, reference + BREAK % {name: how}) for name in functions])
