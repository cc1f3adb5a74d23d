"""A worker's word on its own doings (operations, side effects) wins no point with a wrong value, in any check of the course."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from toys import ROOT

from grader.course import load_course
from grader.jobs import Checked, Job, decode, encode

# Calls whose value is an object that stays in the worker or nothing; these checks judge what it then holds.
WITHOUT_A_VALUE = {
    "backprop::test_a_new_network_depends_on_its_generator_alone",  # params
    "backprop::test_backward_visits_each_value_once",  # grad
}


def without_diagnosis(folder: Path) -> Path:
    """The course itself, but for the feedback: no misconception is run."""
    for part in ("exercises", "solutions", "tests"):
        (folder / part).symlink_to(ROOT / part)
    data = yaml.safe_load((ROOT / "course.yml").read_text())
    data["policy"] = {**data.get("policy", {}), "feedback": "verdicts"}
    (folder / "course.yml").write_text(yaml.safe_dump(data))
    return folder / "course.yml"


def verdicts(how: str, course_file: Path) -> dict[str, str]:
    """How each check of each topic ends for the reference in a worker that forges, or fails, what it reports on."""
    course = load_course(course_file)
    names = [topic.name for topic in course.topics]
    sources = {name: (ROOT / "solutions" / f"{name}.py").read_text() for name in names}
    jobs = [Job(i, name, sources[name], f"{name}.py") for i, name in enumerate(names)]
    command = [sys.executable, str(Path(__file__).with_name("forging_judge.py")), how, str(course_file)]
    command += [",".join(names), str(course.seed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = "\n".join(map(encode, jobs))
    ended = subprocess.run(command, input=asked, capture_output=True, text=True, env=environment, timeout=600)
    told = map(decode, ended.stdout.splitlines())
    checks = [line.check for line in told if isinstance(line, Checked)]
    assert len(checks) > 700, ended.stderr
    return {check.id: str(check.verdict) for check in checks}


@pytest.mark.slow
def test_no_report_is_worth_a_point_without_the_right_values(tmp_path: Path):
    """Every check that asks for a report also judges the value that came with it."""
    with ThreadPoolExecutor() as threads:
        forged, failed = threads.map(verdicts, ("forge", "raise"), [without_diagnosis(tmp_path)] * 2)
    asking = {check for check, verdict in failed.items() if verdict != "pass"}

    assert len(asking) > 150
    assert {check for check in asking if forged[check] == "pass"} == WITHOUT_A_VALUE
    assert {check for check in forged.keys() - asking if forged[check] != "pass"} == set()
