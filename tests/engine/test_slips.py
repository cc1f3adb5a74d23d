"""A class of submissions with two or three planted mistakes each: the report names every one, and each costs once.

`golden/slips/<name>.yml` holds the submission as the changes to a right one (`base`), with the id of the misconception
that each is an instance of, and `given`: the functions that are right, but for the ones named. A slip costs the unit
that it stands in: functions that share a cache are one.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from toys import ROOT

from grader.course import Course, load_course
from grader.course.units import units_of
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.judge import loading
from grader.results import CheckResult, TopicResult
from grader.submissions import Submission, SubmittedFile

SLIPS = Path(__file__).parent / "golden" / "slips"
NAMES = sorted(path.stem for path in SLIPS.glob("*.yml"))
CASES = {name: yaml.safe_load((SLIPS / f"{name}.yml").read_text(encoding="utf-8")) for name in NAMES}
TOPICS = sorted({case["topic"] for case in CASES.values()})
SEED = 20261120
QUICK = ("backprop_dataclass", "conv_backprop_flips", "viola_jones_score")
SLIPS_OF_EACH = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


def source_of(case: dict[str, Any]) -> str:
    """The right submission with its mistakes planted, each at the one place that it has."""
    source = (ROOT / case["base"]).read_text(encoding="utf-8")
    for mistake in case["mistakes"]:
        assert source.count(mistake["find"]) == 1, f"{case['base']} no longer holds {mistake['find']!r} just once"
        source = source.replace(mistake["find"], mistake["put"])
    return source


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course, with the whole of the points for what is right given correct earlier functions."""
    root = tmp_path_factory.mktemp("course")
    for part in ("exercises", "solutions", "tests"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("engine", "attacks", "__pycache__"))
    data = yaml.safe_load((ROOT / "course.yml").read_text(encoding="utf-8"))
    data["policy"] = {**data.get("policy", {}), "follow_through_share": 1.0}
    (root / "course.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_course(root / "course.yml")


Graded = Callable[[str], TopicResult]


@pytest.fixture(scope="module")
def graded(course: Course) -> Iterator[Graded]:
    """The result of each case, graded when it is first asked for."""
    engine = make_engine(course, TOPICS, SEED)

    @functools.cache
    def grade(name: str) -> TopicResult:
        topic = CASES[name]["topic"]
        submission = Submission(name, {topic: SubmittedFile(f"{topic}.py", source_of(CASES[name]), "sha256:0")})
        (result,) = grade_many([submission], course, engine, [topic], 1)
        return result.topics[0]

    yield grade
    engine.close()


def planted_units(course: Course, case: dict[str, Any]) -> set[str]:
    """The functions of all units in which a mistake was planted."""
    units = units_of(course.path("solutions", f"{case['topic']}.py").read_text(encoding="utf-8"))
    return {name for m in case["mistakes"] for unit in units if m["function"] in unit.names for name in unit.names}


def lost(result: TopicResult) -> list[CheckResult]:
    return [c for c in result.checks if c.points != c.max_points]


def twins(course: Course, topic: str, id: str) -> set[str]:
    entries = [m for m in loading.load_misconceptions(course, topic) if m.id == id]
    assert entries, f"{topic} has no misconception {id}"
    return {id, *(twin for m in entries for twin in m.twins)}


def test_the_class_covers_several_topics_with_several_mistakes_each():
    """Three topics and more, two or three mistakes a submission."""
    assert len(TOPICS) >= 3 and len(CASES) >= 8
    assert {2, 3} == {len(case["mistakes"]) for case in CASES.values()}


@pytest.mark.parametrize("name", SLIPS_OF_EACH)
def test_the_report_names_each_planted_mistake(name, graded, course):
    """Among the failed checks of each function in which one was planted, one at least is diagnosed as just that."""
    for mistake in CASES[name]["mistakes"]:
        own = [c for c in lost(graded(name)) if c.function == mistake["function"]]
        assert twins(course, CASES[name]["topic"], mistake["id"]) & {c.diagnosis for c in own}, mistake["id"]


@pytest.mark.parametrize("name", SLIPS_OF_EACH)
def test_a_planted_slip_costs_its_own_points_once(name, graded, course):
    """Points are lost in the units with a slip alone: what builds on them is right, given correct ones."""
    planted = planted_units(course, CASES[name])

    losers = {c.function for c in lost(graded(name))}
    assert {mistake["function"] for mistake in CASES[name]["mistakes"]} <= losers <= planted
    failed = {c.id: c for c in graded(name).checks if c.verdict != "pass" and c.function not in planted}
    assert all(c.follow_through for c in failed.values()), [i for i, c in failed.items() if not c.follow_through]


@pytest.mark.parametrize("name", SLIPS_OF_EACH)
def test_the_blame_falls_on_the_planted_functions(name, graded, course):
    """The report names the earlier function that a right one suffers from."""
    told: dict[str, set[str]] = {}
    for check in graded(name).checks:
        if check.follow_through:
            told.setdefault(check.function, set()).add(check.advice)
    planted = planted_units(course, CASES[name])
    for function, blamed in CASES[name]["given"].items():
        for other in blamed:
            assert any(other in advice for advice in told[function]), (function, other)
    for advice in {advice for all_of_one in told.values() for advice in all_of_one}:
        named = advice.removeprefix("Right, given a correct ").removesuffix(": mend that first.")
        assert set(named.replace(" and ", ", ").split(", ")) <= planted
