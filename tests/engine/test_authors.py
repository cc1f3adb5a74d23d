"""`pytest tests/hidden` for authors: one process, the same proxy, and a clear word for every mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toys import ROOT, TOY, grade_course

from grader.checks import Misconception, operations
from grader.judge import items, loading
from grader.remote.inmemory import in_memory_session
from grader.remote.proxy import RemoteModule

pytest_plugins = ["pytester"]
BARE = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
CONFTEST = 'pytest_plugins = ["grader.judge.plugin"]\n'
COURSE = """format: 1
title: Two sums
seed: {seed}
topics: [{{name: sums}}]
"""
SOLUTION = """
def twice(x):
    return x + x

def thrice(x):
    return twice(x) + x

class Value:
    def __init__(self, data):
        self.data = data
    def __add__(self, other):
        return _made(self.data + other.data)
    def doubled(self):
        return self + self

def _made(data):
    return Value(data)
"""
CHECKS = '''
from grader.checks import assert_close, check

@check("twice", points=50)
def test_twice(submission, rng):
    """Twice is twice."""
    x = rng.standard_normal(3)
    assert_close(submission.twice(x), 2 * x)

@check("thrice", points=25)
def test_thrice(submission, reference):
    """Thrice is thrice."""
    assert_close(submission.thrice(1.5), reference.thrice(1.5))

@check("Value", points=25)
def test_values(submission):
    """Values add."""
    assert_close(submission.Value(2.0).doubled().doubled().data, 8.0)
'''
MISCONCEPTIONS = """
from grader.checks import misconception

@misconception("su1", "Twice is not three times.", caught_by="test_twice")
def twice(x):
    return 3 * x

@misconception("su1", "A result is not its negative.", caught_by="test_twice", replaces="twice")
def negative(reference):
    return lambda x: -reference.twice(x)

@misconception("su2", "Adding is not multiplying by ten.", caught_by="test_values", replaces="Value")
def tenfold(reference):
    class Value(reference.Value):
        def __add__(self, other):
            total = super().__add__(other)
            assert type(total) is Value
            total.data *= 10
            return total
    return Value
"""


@pytest.fixture
def course(pytester: pytest.Pytester) -> pytest.Pytester:
    """A small course in a folder of its own; pytest runs there in this process's image, without this project's options."""
    write(pytester.path, "course.yml", COURSE.format(seed=3))
    write(pytester.path, "conftest.py", CONFTEST)
    write(pytester.path, "exercises/sums.py", "def twice(x):\n    raise NotImplementedError('twice')\n")
    write(pytester.path, "solutions/sums.py", SOLUTION)
    write(pytester.path, "tests/hidden/test_sums.py", CHECKS)
    write(pytester.path, "tests/hidden/misconceptions/sums.py", MISCONCEPTIONS)
    return pytester


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(course: pytest.Pytester, *options: str) -> pytest.RunResult:
    return course.runpytest_inprocess("--import-mode=importlib", *BARE, "tests/hidden", *options)


def test_the_reference_is_graded_by_default(course):
    """Without options the checks run against solutions/."""
    run(course).assert_outcomes(passed=3)


def test_a_folder_or_a_file_can_be_checked(course):
    """--submission takes a student's folder, or a file of any name."""
    wrong = SOLUTION.replace("x + x", "x * 3")
    write(course.path, "class/alice/sums.py", wrong)
    other = write(course.path, "variants/sums_loops.py", "\ufeff" + SOLUTION)

    result = run(course, "--submission", "class/alice")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*CheckFailed: result* is *, expected *"])
    run(course, "--submission", str(other)).assert_outcomes(passed=3)


def test_a_submission_that_is_not_there_is_told(course):
    """A path that does not exist, or a folder without the topic's file, fails with that path."""
    for path in ("class/nobody", "solutions/nothing.py"):
        result = run(course, "--submission", path)
        assert not result.parseoutcomes().get("passed")
        result.stdout.fnmatch_lines([f"*missing: *{path}* does not exist*"])


def test_a_submission_that_does_not_load_shows_its_error(course):
    """A syntax error is the student's own, with its text."""
    write(course.path, "bad/sums.py", "def twice(:\n")

    result = run(course, "--submission", "bad")
    result.stdout.fnmatch_lines(["*SyntaxError*"])
    assert not result.parseoutcomes().get("passed")


@pytest.mark.parametrize(("wanted", "failed"), [("su1", 2), ("su1#1", 2), ("su1#2", 2), ("su2", 1)])
def test_a_misconception_replaces_one_unit(course, wanted, failed):
    """--misconception ID or ID#2: the checks of that unit fail, those of the others pass."""
    run(course, "--misconception", wanted).assert_outcomes(passed=3 - failed, failed=failed)


@pytest.mark.parametrize("wanted", ["su9", "su1#3", "su1#0", "su1#x", "#1"])
def test_an_unknown_misconception_is_told(course, wanted):
    """An id or a number that does not exist fails every check with its name."""
    result = run(course, "--misconception", wanted)
    assert result.ret != 0 and not result.parseoutcomes().get("passed")
    result.stdout.fnmatch_lines([f"*topic sums has no misconception {wanted}*"])


FOREIGN = '\n\n@check("twice", points=1)\ndef test_foreign(submission, tmp_path):\n    """A folder is asked for."""\n'


def test_a_check_that_asks_for_another_fixture_is_refused(course):
    """A check gets submission, reference and rng: one that asks for anything else stops the run with its name."""
    write(course.path, "tests/hidden/test_sums.py", CHECKS + FOREIGN)

    result = run(course)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_foreign asks for 'tmp_path'*"])


def test_a_judge_grades_no_topic_with_such_a_check(toy_copy):
    """For a judge the topic is a grader fault that names the check; other topics are graded as ever."""
    path = toy_copy / "tests" / "hidden" / "test_toy.py"
    path.write_text(path.read_text() + FOREIGN)
    source = (toy_copy / "solutions" / "toy.py").read_text()
    toy, second = grade_course(toy_copy, {"s": source}, ("toy", "second"))["s"].topics

    assert [str(c.verdict) for c in toy.checks] == ["grader_fault"]
    assert "test_foreign asks for 'tmp_path'" in toy.checks[0].message
    assert [str(c.verdict) for c in second.checks] == ["missing"]


def test_a_test_without_a_mark_is_refused(course):
    """Every test of a check file is a check with points: one without @check stops the run with its name."""
    write(course.path, "tests/hidden/test_sums.py", CHECKS + "\ndef test_unmarked(submission):\n    assert True\n")

    result = run(course)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_unmarked has no @check*"])


def test_tests_elsewhere_need_no_mark(course):
    """The rule is for tests/public and tests/hidden alone."""
    path = write(course.path, "tests/course/test_more.py", "def test_plain():\n    pass\n")
    course.runpytest_inprocess("--import-mode=importlib", *BARE, str(path)).assert_outcomes(passed=1)


def test_a_missing_reference_is_told(course):
    """In a student's copy a check that asks for the reference says what is not there."""
    (course.path / "solutions" / "sums.py").rename(course.path / "mine.py")

    result = run(course, "--submission", "mine.py")
    result.stdout.fnmatch_lines(["*the reference is missing*"])
    result.assert_outcomes(passed=2, errors=1)


def test_the_generator_depends_on_the_seed_and_the_check_alone():
    """The same inputs in any order, process and place; others for another check or another seed."""
    first = items.seeded(7, "toy::test_a").random(4)

    np.testing.assert_array_equal(first, items.seeded(7, "toy::test_a").random(4))
    assert not np.isin(
        first, np.r_[items.seeded(8, "toy::test_a").random(4), items.seeded(7, "toy::test_b").random(4)]
    ).any()
    np.testing.assert_allclose(first, [0.31460402, 0.90242962, 0.93184683, 0.56035405], atol=1e-8)


PRINTING = '''
from grader.checks import check

@check("twice", points=50)
def test_one(rng):
    """One."""
    raise ValueError(f"drew {rng.random():.12f}")

@check("twice", points=50)
def test_two(rng):
    """Two."""
    raise ValueError(f"drew {rng.random():.12f}")
'''


def test_draws_do_not_depend_on_order_or_selection(course):
    """Alone, in reverse or after others: a check draws the same; another seed draws otherwise."""
    path = write(course.path, "tests/hidden/test_sums.py", PRINTING)

    def drawn(*options: str) -> dict[str, str]:
        lines = run(course, "-rfE", *options).outlines
        return {
            name: next((x.split("drew ")[1] for x in lines if x.startswith("FAILED") and name in x and "drew" in x), "")
            for name in ("test_one", "test_two")
        }

    both = drawn()
    assert both["test_one"] != both["test_two"] != ""
    assert drawn("-k", "test_two")["test_two"] == both["test_two"]
    lines = PRINTING.split("@check")
    path.write_text(lines[0] + "@check" + lines[2] + "@check" + lines[1])
    assert drawn() == both
    write(course.path, "course.yml", COURSE.format(seed=4))
    assert set(drawn().values()).isdisjoint(both.values())


def test_checks_of_the_toy_course_are_collected_as_checks():
    """Ids, topics, visibilities and titles of checks come from their files and docstrings."""
    script = (
        "import pytest\nfrom grader.judge import items\n"
        "class P:\n    def pytest_collection_finish(self, session):\n"
        "        for i in session.items: print('ITEM', items.check_id(i), items.visibility_of(i), items.check_of(i).points, items.title_of(i))\n"
        f"pytest.main(['--co', '-q', '--noconftest', '-p', 'grader.judge.plugin', '--import-mode=importlib', '-c', '/dev/null', '--rootdir', {str(TOY)!r}, "
        f"'-p', 'no:cacheprovider', {str(TOY / 'tests')!r}], plugins=[P()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = [line.removeprefix("ITEM ") for line in done.stdout.splitlines() if line.startswith("ITEM")]

    assert "toy::test_double_marker hidden 20 Large arrays are doubled too." in told
    assert "second::test_half public 100 Half is half." in told
    assert len(told) == 7


# --- what a misconception's factory is given -------------------------------------------------------------------------


def with_misconception(replaces: str, factory: str) -> RemoteModule:
    scope: dict[str, object] = {}
    exec(factory, scope)
    session = in_memory_session({"sums.py": SOLUTION}, "sums", [], [])
    loading.put_in(session, Misconception("x", "X.", "test_x", (), replaces, scope["make"]))  # type: ignore[arg-type]
    return RemoteModule(session)


def test_a_wrapper_may_look_up_the_original_at_call_time():
    """The replaced name stays the original for the factory, so that a wrapper does not call itself for ever."""
    s = with_misconception("twice", "def make(reference):\n    return lambda x: -reference.twice(x)\n")

    assert s.twice(3) == -6
    assert s.thrice(3) == -3  # the reference's own functions meet the replacement


def test_a_subclass_is_what_the_reference_constructs():
    """A method of the base class that makes new objects by name makes those of the replacement."""
    s = with_misconception(
        "Value",
        "def make(reference):\n    class Value(reference.Value):\n        def tag(self): return 'mine'\n"
        "        def made(self): return reference._made(1).tag()\n    return Value\n",
    )

    assert s.Value(1.0).doubled().tag() == "mine"
    assert s.Value(1.0).made() == "mine"


def test_work_in_a_subclass_counts_as_the_submissions(tmp_path):
    """Operations of a replaced class are counted also where it inherits its constructor, so that costs are diagnosed."""
    (tmp_path / "wrong.py").write_text(
        "def make(reference):\n    class Value(reference.Value):\n        def spun(self, n):\n"
        "            for _ in range(n): pass\n            return n\n    return Value\n"
    )
    scope: dict[str, object] = {}
    exec(compile((tmp_path / "wrong.py").read_text(), str(tmp_path / "wrong.py"), "exec"), scope)
    session = in_memory_session({"sums.py": SOLUTION}, "sums", [], [])
    loading.put_in(session, Misconception("x", "X.", "test_x", (), "Value", scope["make"]))  # type: ignore[arg-type]
    spun = RemoteModule(session).Value(1.0).spun

    assert operations(spun)(100).count > operations(spun)(10).count > 10


def test_other_names_are_those_of_the_reference():
    """A factory sees the rest of the module as it is, and a name that is not there is an error of the author's."""
    s = with_misconception("thrice", "def make(reference):\n    return lambda x: reference.twice(x) * 10\n")

    assert s.thrice(1) == 20
    with pytest.raises(AttributeError):
        with_misconception("nothing", "def make(reference):\n    return 1\n")
