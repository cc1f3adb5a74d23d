"""The audit finds every kind of broken check, and names it."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from toys import ROOT

from grader.audit.equivalents import load_equivalents, prove
from grader.audit.mutants import mutants
from grader.audit.rules import complaints
from grader.audit.topic import TopicAudit, collect
from grader.cli import audit as command
from grader.course import load_course
from grader.course.stubs import derive_stub
from grader.errors import CourseError
from grader.grading.engine import make_engine

COURSE = "format: 1\ntitle: Tiny\nseed: 5\ntopics: [{name: tiny}]\n"
SOLUTION = '''
"""Two small functions."""

import numpy as np


def weight_gradient(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dL/dW = x^T dy for y = x W. Raises ValueError where the batches differ."""
    ### BEGIN SOLUTION
    if len(x) != len(dy):
        raise ValueError("batches differ")
    return x.T @ dy
    ### END SOLUTION


def power(x: np.ndarray) -> float:
    """The mean of the squares."""
    ### BEGIN SOLUTION
    return float((x * x).mean())
    ### END SOLUTION
'''

CHECKS = '''
import numpy as np

from grader.checks import assert_close, assert_raises, check


@check("weight_gradient", points=50)
def test_gradient(submission, rng):
    """The gradient sums over the batch."""
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    expected = sum(np.outer(a, b) for a, b in zip(x, dy))
    assert_close(submission.weight_gradient(x, dy), expected)


@check("weight_gradient", points=20)
def test_batches(submission):
    """Batches of different sizes are refused."""
    assert_raises(ValueError, submission.weight_gradient, np.zeros((2, 3)), np.zeros((1, 3)))
    assert_close(submission.weight_gradient(np.array([[2.0]]), np.array([[3.0]])), np.array([[6.0]]))


@check("power", points=30)
def test_power(submission, rng):
    """The mean square."""
    x = rng.standard_normal(7)
    assert_close(submission.power(x), sum(v * v for v in x) / 7)
'''

MISCONCEPTIONS = """
from grader.checks import misconception


@misconception("tn1", "The rows belong together.", caught_by="test_gradient")
def weight_gradient(x, dy):
    if len(x) != len(dy):
        raise ValueError
    return x.T @ dy[::-1]


@misconception("tn2", "A sum is not a mean.", caught_by="test_power", replaces="power")
def added(reference):
    return lambda x: reference.power(x) * len(x)


@misconception("tn3", "Nothing was refused.", caught_by="test_batches", replaces="weight_gradient")
def unrefused(reference):
    return lambda x, dy: x[: len(dy)].T @ dy[: len(x)]
"""

VARIANT = """
import numpy as np


def weight_gradient(x, dy):
    if x.shape[0] != dy.shape[0]:
        raise ValueError("no")
    return np.einsum("ni,nj->ij", x, dy)


def power(x):
    return np.square(x).sum() / x.size
"""


def write(root: Path, **texts: str) -> Path:
    """A sound course of one topic, but for the texts given."""
    given = {"solution": SOLUTION, "checks": CHECKS, "misconceptions": MISCONCEPTIONS, "variant": VARIANT, **texts}
    clean = {name: textwrap.dedent(text).lstrip("\n") for name, text in given.items()}
    files = {
        "course.yml": COURSE + clean.get("policy", ""),
        "solutions/tiny.py": clean["solution"],
        "exercises/tiny.py": clean.get("stub") or derive_stub(clean["solution"]),
        "tests/hidden/test_tiny.py": clean["checks"],
        "tests/hidden/misconceptions/tiny.py": clean["misconceptions"],
        "tests/hidden/variants/tiny_einsum.py": clean["variant"],
        "tests/hidden/equivalents/tiny.yml": clean.get("equivalents", ""),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def audit(tmp_path):
    """audit(**texts) -> the audit of a course that is sound but for these texts."""
    engines = []

    def make(only: str = "", **texts: str) -> TopicAudit:
        course = load_course(write(tmp_path, **texts) / "course.yml")
        engines.append(make_engine(course, ["tiny"], seed=course.seed))
        return TopicAudit(collect(course, ["tiny"]), course.topic("tiny"), engines[-1], only)

    yield make
    for engine in engines:
        engine.close()


def rules_broken(audit: TopicAudit, with_mutants: int = 0) -> dict[str, set[str]]:
    """{rule: the places it names}."""
    found: dict[str, set[str]] = {}
    for complaint in complaints(audit, with_mutants):
        assert complaint.problem and complaint.help
        found.setdefault(complaint.rule, set()).add(complaint.where)
    return found


def test_a_sound_topic_breaks_no_rule(audit):
    """No complaint; every mutant is killed but for the float that may be a NumPy scalar."""
    tiny = audit()
    found = list(complaints(tiny, with_mutants=1))

    assert {c.rule for c in found} == {"mutants"} and len(found) == 1
    assert "float((x * x).mean()) -> (x * x).mean()" in found[0].problem
    assert "solutions/tiny.py:18" in found[0].problem
    assert tiny.kills.misconceptions == {"test_gradient": ["tn1"], "test_power": ["tn2"], "test_batches": ["tn3"]}
    assert (tiny.tally.made, tiny.tally.killed, tiny.tally.listed) == (len(tiny.mutants), len(tiny.mutants) - 1, 0)


def replaced(old: str, new: str) -> str:
    assert old in CHECKS
    return CHECKS.replace(old, new)


BROKEN = {
    "a vacuous check": (
        replaced("assert_close(submission.power(x), sum(v * v for v in x) / 7)", "submission.power(x)"),
        "kills",
        "test_power",
    ),
    "ones as cotangent": (
        replaced("rng.standard_normal((5, 3))", "np.ones((5, 3))"),
        "misconceptions",
        "test_gradient",
    ),
    "a refusal without a good call": (
        replaced(
            "    assert_close(submission.weight_gradient(np.array([[2.0]]), np.array([[3.0]])), np.array([[6.0]]))\n",
            "",
        ),
        "constants",
        "test_batches",
    ),
    "a property that a constant has": (
        replaced(
            "assert_close(submission.power(x), sum(v * v for v in x) / 7)", "assert submission.power(x) < 7, 'large'"
        ),
        "constants",
        "test_power",
    ),
    "a wide tolerance": (
        replaced("sum(v * v for v in x) / 7)", "sum(v * v for v in x) / 7, rtol=0.01)"),
        "tolerance",
        "test_power",
    ),
    "a check that is not named as a test": (
        replaced("def test_batches", "def batches_are_refused"),
        "collected",
        "batches_are_refused",
    ),
    "a check that a namesake shadows": (replaced("def test_batches", "def test_power"), "collected", "test_power"),
    "the reference alone": (
        replaced("submission, rng", "submission, reference, rng").replace(
            "sum(v * v for v in x) / 7", "reference.power(x)"
        ),
        "oracle",
        "test_power",
    ),
    "state between checks": (
        replaced("x = rng.standard_normal(7)", "x = rng.standard_normal(7) + len(SEEN)").replace(
            "    x, dy =", "    SEEN.append(1)\n    x, dy ="
        )
        + "\n\nSEEN = []\n",
        "order",
        "test_power",
    ),
    "a verdict that depends on the order": (
        replaced("    x = rng.standard_normal(7)", "    assert SEEN, 'no'\n    x = rng.standard_normal(7)").replace(
            "    x, dy =", "    SEEN.append(1)\n    x, dy ="
        )
        + "\n\nSEEN = []\n",
        "order",
        "test_power",
    ),
    "a thin margin": (
        replaced("sum(v * v for v in x) / 7)", "sum(v * v for v in x) / 7 * (1 + 5e-10), rtol=1e-9, atol=0)"),
        "margins",
        "test_power",
    ),
    "a right answer that is refused": (
        replaced("sum(v * v for v in x) / 7)", "sum(v * v for v in x) / 7 + 1)"),
        "reference",
        "test_power",
    ),
    "points that do not add up": (replaced("points=20", "points=20.5"), "points", ""),
    "a function that the solution lacks": (replaced('@check("power"', '@check("strength"'), "functions", "test_power"),
    "a check that the stub does not meet": (
        replaced("    x = rng.standard_normal(7)", "    assert 1 > 2 or hasattr(submission, 'power')\n    x = 0 / 0"),
        "reference",
        "test_power",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_check_is_named(kind, audit):
    """Each way of breaking a check breaks the rule against it, and the message names the check."""
    checks, rule, name = BROKEN[kind]
    assert name in {where.partition("::")[2] for where in rules_broken(audit(checks=checks)).get(rule, ())}


def test_a_tolerance_may_be_wide_for_a_reason(audit):
    """A width that is settled is stated where it stands."""
    checks = replaced("/ 7)", '/ 7, rtol=0.01, wide="the width is under test here")')
    assert rules_broken(audit(checks=checks)) == {}


def test_a_check_file_that_does_not_import_is_one_complaint(audit):
    """What cannot be collected is said, and nothing else is tried."""
    found = list(complaints(audit(checks="import nothing_of_this_name\n")))
    assert [c.rule for c in found] == ["collects"] and "nothing_of_this_name" in found[0].problem


def test_a_variant_that_loses_points_is_named(audit):
    """Right work must pass; what it may lose stands in its first line."""
    slow = VARIANT.replace("x.size", "(x.size + 1)")
    assert rules_broken(audit(variant=slow))["variants"] == {"tiny::test_power"}
    assert "variants" not in rules_broken(audit(variant="# loses: test_power\n" + slow.lstrip("\n")))
    assert rules_broken(audit(variant="# loses: test_power\n" + VARIANT.lstrip("\n")))["variants"]


def test_a_misconception_that_passes_or_is_mistaken_is_named(audit):
    """One that no check fails, one that names no check, and two that cannot be told apart."""
    harmless = (
        MISCONCEPTIONS
        + '\n@misconception("tn4", "No.", caught_by="test_power")\ndef power(x):\n    return float((x * x).mean())\n'
    )
    assert "tiny::test_power" in rules_broken(audit(misconceptions=harmless))["misconceptions"]
    homeless = MISCONCEPTIONS.replace('"test_power"', '"test_of_nothing"')
    assert "tiny::tn2" in rules_broken(audit(misconceptions=homeless))["misconceptions"]
    double = (
        '\n@misconception("tn5", "Another.", caught_by="test_power")\ndef power(x):\n    return float((x * x).sum())\n'
    )
    assert rules_broken(audit(misconceptions=MISCONCEPTIONS + double))["diagnosis"] == {"tiny::tn2", "tiny::tn5"}
    twins = double.replace("caught_by", 'twins=["tn2"], caught_by')
    listed = MISCONCEPTIONS.replace('replaces="power"', 'replaces="power", twins=["tn5"]')
    assert "diagnosis" not in rules_broken(audit(misconceptions=listed + twins))


def test_a_stub_is_what_the_solution_derives(audit):
    """An edited stub, and one whose names or words differ."""
    stub = derive_stub(textwrap.dedent(SOLUTION).lstrip("\n")).replace("The mean of", "The sum of")
    assert rules_broken(audit(stub=stub)).keys() == {"stub", "names"}


EQUIVALENT = """
- where: power
  change: "float((x * x).mean()) -> (x * x).mean()"
  reason: exact
  because: A NumPy scalar counts as a Python float.
"""


def test_an_equivalent_is_listed_with_its_proof(audit):
    """A listed mutant is no complaint, and 200 calls show that it answers as the reference does."""
    tiny = audit(equivalents=EQUIVALENT)
    assert rules_broken(tiny, with_mutants=1) == {}

    (entry,) = load_equivalents(tiny.course, "tiny")
    mutant = next(m for m in tiny.mutants if m.key == entry.key)
    assert prove(tiny.explainer, tiny.topic, tiny.reference, mutant).holds
    wrong = next(m for m in tiny.mutants if m.change == "(x * x).mean() -> (x * x).sum()")
    assert prove(tiny.explainer, tiny.topic, tiny.reference, wrong).differed == "test_power"


def test_an_entry_that_can_be_killed_or_found_nowhere_is_refused(audit):
    """The list of equivalents hides no fault and keeps no dead entry."""
    killable = EQUIVALENT.replace("float((x * x).mean()) -> (x * x).mean()", "x * x -> x / x")
    found = [c.problem for c in complaints(audit(equivalents=killable), with_mutants=1) if c.rule == "equivalents"]
    assert found == ["a check kills what is listed as equivalent: power: x * x -> x / x"]
    dead = EQUIVALENT.replace('(x * x).mean()"', 'x.mean()"')
    found = [c.problem for c in complaints(audit(equivalents=dead), with_mutants=1) if c.rule == "equivalents"]
    assert found[0].startswith("no such mutant: power")


def test_too_many_equivalents_are_refused(audit):
    """A list that holds more than 8 % of the mutants is a reference that wants to be plainer."""
    several = EQUIVALENT + EQUIVALENT.replace("float((x * x).mean()) -> (x * x).mean()", "x * x -> x")
    found = [c.problem for c in complaints(audit(equivalents=several), with_mutants=1) if c.rule == "equivalents"]
    assert any("mutants are listed as equivalent" in problem for problem in found)


def test_a_list_that_does_not_fit_is_an_error(tmp_path):
    """A reason that is none of the three."""
    course = load_course(write(tmp_path, equivalents=EQUIVALENT.replace("exact", "boring")) / "course.yml")
    with pytest.raises(CourseError, match="exact"):
        load_equivalents(course, "tiny")


def test_the_command_prints_matrix_and_next_steps(tmp_path, capsys):
    """Exit 0 where all is sound, 1 with complaints; one check alone; data for programs."""
    course = load_course(write(tmp_path) / "course.yml")
    assert command.run(course, ["tiny"], command.AuditOptions()) == 0
    text = capsys.readouterr().out
    assert "tiny: sound; 3 checks, 1 variants, 3 misconceptions, 3 of them recognised by name" in text
    assert "test_gradient  tn1" in text

    assert command.run(course, ["tiny"], command.AuditOptions(check="test_power", sample=1, as_json=True)) == 0
    (data,) = json.loads(capsys.readouterr().out)["topics"]
    assert [c["check"] for c in data["checks"]] == ["test_power"]
    assert data["checks"][0]["misconceptions"] == ["tn2"] and data["checks"][0]["mutants"]
    assert [s["change"] for s in data["mutants"]["survivors"]] == ["float((x * x).mean()) -> (x * x).mean()"]

    broken = load_course(write(tmp_path, checks=BROKEN["a vacuous check"][0]) / "course.yml")
    assert command.run(broken, ["tiny"], command.AuditOptions()) == 1
    text = capsys.readouterr().out
    assert "tiny::test_power: it demands nothing" in text and "next: assert a value" in text


def test_mutants_of_the_tiny_solution_change_one_place(tmp_path):
    """Each differs from the source in one stretch of text, compiles, and means something else."""
    source = textwrap.dedent(SOLUTION).lstrip("\n")
    made = mutants(source)
    assert len({m.source for m in made}) == len(made) == len({m.key for m in made})
    for mutant in made:
        compile(mutant.source, "mutant", "exec")
        assert mutant.where in ("weight_gradient", "power") and mutant.source.count("\n") == source.count("\n")


# --- whatever the course is called and says, and however its files are written ---------------------------------------


def test_the_course_that_is_named_is_the_one_that_is_audited(tmp_path):
    """`--course other.yml` audits other.yml: where a course.yml lies beside it, and where none does."""
    write(tmp_path)
    (tmp_path / "other.yml").write_text(COURSE.replace("seed: 5", "seed: 6"))
    (tmp_path / "course.yml").write_text("this is no course")
    run = [sys.executable, "-m", "grader", "audit", "--course", "other.yml"]
    for _ in range(2):
        done = subprocess.run(run, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

        assert (done.returncode, done.stdout.partition(";")[0]) == (0, "tiny: sound"), done.stdout + done.stderr
        (tmp_path / "course.yml").unlink(missing_ok=True)


def test_misconceptions_are_recognised_whatever_students_are_told(audit):
    """A course that tells students verdicts alone has its misconceptions recognised by the audit all the same."""
    tiny = audit(policy="policy: {feedback: verdicts}\n")

    assert rules_broken(tiny) == {}
    assert tiny.undiagnosed == []


@pytest.mark.parametrize(
    ("imports", "name"),
    [
        ("from grader.checks import misconception as known", "known"),
        ("import grader.checks", "grader.checks.misconception"),
        ("import grader.checks as tools", "tools.misconception"),
        ("from grader import checks", "checks.misconception"),
        ("import math, numpy, dataclasses\nfrom grader.checks import (\n    misconception,\n)", "misconception"),
    ],
)
def test_a_misconceptions_file_may_import_as_any_file_does(audit, imports, name):
    """Every spelling of the decorator's import is understood, and what the standard library and numpy have is there."""
    text = MISCONCEPTIONS.replace("from grader.checks import misconception", imports).replace("@misconception", f"@{name}")

    assert rules_broken(audit(misconceptions=text)) == {}


def test_what_a_misconceptions_file_may_not_import_is_named(audit):
    """Another helper of grader.checks is not at hand beside a submission: the complaint says which, and in which line."""
    text = MISCONCEPTIONS.replace("import misconception", "import fresh, misconception")
    found = [c for c in complaints(audit(misconceptions=text)) if c.rule in ("misconceptions", "diagnosis")]

    assert {c.rule for c in found} == {"misconceptions"}
    assert all("line 1: ImportError: 'fresh' is not at hand" in c.problem for c in found)
    assert all("write it out" in c.help for c in found)
