"""Nothing of a hidden check is in what students read, wherever a submission puts it, at every level of feedback."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from toys import submission_of

from grader.cli.terminal import painter
from grader.course import load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.reports import summary, to_csv
from grader.results import Report, SubmissionResult

CHAIN = Path(__file__).parent / "chain"
INPUT = 0.735218946
ANSWER = INPUT / (1 + INPUT)
CHECKS = f'''
import numpy as np

from grader.checks import assert_close, check

SECRET_INPUT = {INPUT}  # a secret remark


@check("squash", points=20)
def test_squash_of_few(submission):
    """Squashed numbers.

    A secret paragraph.
    """
    secret_x = np.full((2, 3), SECRET_INPUT)
    assert_close(submission.squash(secret_x), secret_x / (1 + secret_x), name="squashed")


@check("squash", points=20)
def test_squash_in_words(submission):
    """Squashed numbers, once more."""
    secret_y = submission.squash(np.full(2, SECRET_INPUT))
    assert secret_y.sum() == {2 * ANSWER}


@check("slope", points=60)
def test_slope_of_few(submission):
    """The slope."""
    secret_x = np.full(3, SECRET_INPUT)
    assert_close(submission.slope(secret_x, np.ones(3)), secret_x * secret_x / (1 + secret_x), name="slope")
'''
TELLING = (
    "def _told(*a):\n    return repr([v.ravel()[:1].tolist() if hasattr(v, 'ravel') else v for v in a])\n"
    "def _name(*a):\n    return 'E' + ''.join(c for c in _told(*a) if c.isalnum())\n"
    "def _number(*a):\n    return int(float(a[0].ravel()[0]) * 10**6)\n"
)
WAYS = {
    "message": "raise ValueError(_told(*a))",
    "type": "raise type(_told(*a), (Exception,), {})",
    "name": "raise type(_name(*a), (ValueError,), {})",
    "module": "raise type('E', (Exception,), {'__module__': _told(*a), '__qualname__': _name(*a)})()",
    "note": "e = ValueError(); e.add_note(_told(*a)); raise e",
    "cause": "raise ValueError from KeyError(_told(*a))",
    "missing": "raise NotImplementedError(_told(*a))",
    "attribute": "raise AttributeError(_told(*a), name=_name(*a), obj=a)",
    "lookup": "return getattr(__import__('sys').modules[__name__], _name(*a))",
    "forged missing": "raise type('MissingName', (AttributeError,), {})(_told(*a))",
    "forged forbidden": "raise type('Forbidden', (ImportError,), {})(_told(*a))",
    "import": "__import__(_name(*a))",
    "file": "open('/' + _name(*a))",
    "syntax": "exec(compile(_told(*a) + '(', '<submission>/chain.py', 'exec'))",
    "line": "exec(compile('\\n' * (_number(*a) % 10**6) + '1/0', '<submission>/chain.py', 'exec'))",
    "frame": "exec(compile(f'def {_name(*a)}(): 1/0\\n{_name(*a)}()', '<submission>/chain.py', 'exec'))",
    "output": "print(_told(*a)); import sys; sys.stderr.write(_told(*a)); return a[0] * 0",
    "log": "import logging; logging.error(_told(*a)); return a[0] * 0",
    "warning": "import warnings; warnings.warn(_told(*a)); return a[0] * 0",
    "exit": "import os; os._exit(_number(*a) % 256)",
    "signal": "import os; os.kill(os.getpid(), 1 + _number(*a) % 15)",
    "value": "return a[0] * 2",
    "shape": "return np.zeros((_number(*a), 0))",
    "text": "return _told(*a)",
    "keys": "return {_told(*a): 1.0}",
    "items": "return (0.0,) * (_number(*a) % 10**4)",
    "object": "return type(_name(*a), (), {'__repr__': lambda s: _told(*a)})()",
    "record": "import collections; return collections.namedtuple(_name(*a), [_name(*a)])(1.0)",
    "strict": "np.seterr(all='raise'); return np.exp(1e6 * a[0])",
    "abuse": "[squash(np.full(1 << 20, a[0].ravel()[0])) for _ in range(3)] if squash.__code__ is not _own else 0; return a[0]",
}
MARKERS = ("735218", f"{ANSWER:.8f}"[2:7], f"{2 * ANSWER:.8f}"[2:7], f"{INPUT * ANSWER:.8f}"[2:7], "ecret", "SECRET")


def source_of(way: str) -> str:
    """The reference, with both functions telling what they see; slope asks for squash first, as it should."""
    body = WAYS[way]
    return (
        (CHAIN / "solutions" / "chain.py").read_text(encoding="utf-8")
        + f"\n{TELLING}def squash(*a):\n    {body}\n_own = squash.__code__\n"
        + "def slope(*a):\n    try:\n        y = squash(a[0] * a[1])\n    except Exception:\n        y = 0 * a[0]\n"
        + f"    a = (a[0], y)\n    {body}\n"
    )


@pytest.fixture
def course_folder(tmp_path: Path) -> Path:
    shutil.copytree(CHAIN, tmp_path / "course")
    (tmp_path / "course" / "tests" / "hidden" / "test_chain.py").write_text(CHECKS)
    (tmp_path / "course" / "tests" / "public" / "test_chain.py").unlink()
    (tmp_path / "course" / "tests" / "public" / "chain_hints.py").write_text(
        'HINTS = {"squash": ("Read the docstring.", "Write the formula.", "One line."), "slope": ("Look.", "Write.", "x.")}\n'
    )
    misconceptions = tmp_path / "course" / "tests" / "hidden" / "misconceptions"
    misconceptions.mkdir()
    (misconceptions / "chain.py").write_text(
        "from grader.checks import misconception\n"
        "@misconception('ch1', 'Squash, do not stretch.', caught_by='test_squash_of_few')\n"
        "def squash(x):\n    return x * 2\n"
    )
    return tmp_path / "course"


def all_words(results: list[SubmissionResult], folder: Path) -> str:
    """Everything that any report says of these results."""
    report = Report("A course", "strong", True, tuple(results))
    to_csv.write(report, folder / "scores.csv")
    words = [report.to_json(), (folder / "scores.csv").read_text(encoding="utf-8")]
    for result in results:
        for verbose in (False, True):
            words.append(summary.render(Report("A course", "strong", True, (result,)), painter(False), verbose))
    return "\n".join([*words, summary.render(report, painter(True))])


@pytest.mark.parametrize("level", ["verdicts", "hints", "full"])
def test_no_report_holds_an_input_an_expected_value_or_a_line_of_a_hidden_check(level, course_folder, tmp_path, capfd):
    """Whatever a submission makes of what it sees, in either of two runs: reports and messages hold none of it."""
    file = course_folder / "course.yml"
    file.write_text(file.read_text().replace("share: 0.5", f"share: 0.5, feedback: {level}"))
    course = load_course(file)
    engine = make_engine(course, ["chain"])
    try:
        submissions = [submission_of(source_of(way), way, "chain") for way in WAYS]
        results = list(grade_many(submissions, course, engine, ["chain"], 2))
    finally:
        engine.close()
    words = all_words(results, tmp_path) + "".join(capfd.readouterr())

    assert len(WAYS) == len(results) and not any(r.faults for r in results)
    assert all(0 == r.points for r in results), "a way to tell that also passes tells nothing"
    assert [m for m in MARKERS if m in words] == []
    assert ("hint: Read the docstring." in words) == (level != "verdicts")
    assert ("hint: One line." in words) == (level == "full")
    assert ("Squash, do not stretch." in words) == (level != "verdicts")


def test_the_markers_would_be_found(course_folder, tmp_path, capfd):
    """The same submissions, where the checks are public: what they see is all over the reports."""
    hidden = course_folder / "tests" / "hidden" / "test_chain.py"
    hidden.rename(course_folder / "tests" / "public" / "test_chain.py")
    course = load_course(course_folder / "course.yml")
    engine = make_engine(course, ["chain"])
    try:
        ways = ["message", "value"]
        submissions = [submission_of(source_of(way), way, "chain") for way in ways]
        words = all_words(list(grade_many(submissions, course, engine, ["chain"], 1)), tmp_path)
    finally:
        engine.close()

    assert {m for m in MARKERS if m in words} >= {"735218", f"{ANSWER:.8f}"[2:7]}
    assert np.isclose(ANSWER, 0.42370, atol=1e-4)
