"""Verdicts of the judge on the toy course, through real sandboxed workers."""

from __future__ import annotations

import json

import pytest
from toys import check_named, verdicts

from grader.judge.renamed import did_you_mean
from grader.results import Verdict

DOUBLE = ["test_double_small", "test_double_marker", "test_double_refuses_nothing"]
OTHERS = ["test_apply_calls_back", "test_noise_moves_the_generator", "test_counter_counts"]


def expect(result, **by_function):
    """Every check passes but those of the functions named, which end as named."""
    wanted = {c.id.split("::")[1]: by_function.get(c.function, "pass") for c in result.checks}
    assert wanted == verdicts(result)


def test_reference_earns_everything(grade_source, reference_source):
    """The reference passes every check, public and hidden."""
    result = grade_source(reference_source)

    expect(result)
    assert (100.0, 100.0) == (result.points, result.max_points)


def test_missing_file_is_listed_as_missing(grade_source):
    """Without a file every check is listed, as missing."""
    result = grade_source(None)

    assert {"missing"} == set(verdicts(result).values())
    assert (0.0, 100.0) == (result.points, result.max_points)


def test_stub_is_missing_everywhere(grade_source, toy):
    """An untouched stub ends every check by NotImplementedError: missing."""
    result = grade_source(toy.path("exercises", "toy.py").read_text())

    assert {"missing"} == set(verdicts(result).values())
    assert "double is not written yet" == check_named(result, "test_double_small").message


@pytest.mark.parametrize(
    "body", ["return x * 3", "return None", "return x[None] * 2", "return x * np.nan", "x *= 2; return x"]
)
def test_wrong_values_are_wrong(grade_source, reference_source, body):
    """A wrong value, shape or type, nan, or a change of the argument costs the checks that see it."""
    result = grade_source(reference_source + f"\ndef double(x):\n    if not x.size: raise ValueError\n    {body}\n")

    assert "wrong" == check_named(result, "test_double_marker").verdict
    assert "pass" == check_named(result, "test_double_refuses_nothing").verdict
    assert "pass" == check_named(result, "test_counter_counts").verdict


def test_other_errors_than_asked_for_are_wrong(grade_source, reference_source):
    """Where ValueError is asked for, no error or another error is wrong."""
    silent = grade_source(reference_source + "\ndef double(x):\n    return x * 2\n")
    other = grade_source(reference_source + "\ndef double(x):\n    if not x.size: raise TypeError\n    return x * 2\n")

    assert ["wrong", "wrong"] == [check_named(r, "test_double_refuses_nothing").verdict for r in (silent, other)]
    assert silent.points == other.points == 90


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("raise RuntimeError('no')", "error"),
        ("raise SystemExit", "error"),
        ("raise KeyboardInterrupt", "error"),
        ("raise BaseException", "error"),
        ("raise NotImplementedError", "missing"),
        ("import os; os._exit(0)", "crash"),
        ("import os; os.abort()", "crash"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash"),
        ("import ctypes; ctypes.string_at(0)", "crash"),
        ("while True: pass", "timeout"),
        ("a = [bytes(1 << 24) for _ in range(1000)]; return x", "memory"),  # untouched pages cost no CPU time
        ("return np.ones((1 << 31,))", "memory"),
        ("import torch; torch.ones(3)", "forbidden"),
        ("import os; os.write(4, b'x' * 100); return x", "violation"),
        ("import os; os.close(4); return x", "crash"),
        ("import os, time; os.close(4); time.sleep(60)", "violation"),
    ],
)
def test_a_bad_function_costs_its_own_checks_alone(grade_source, reference_source, body, verdict):
    """However a function ends, the checks of the other functions are graded as if nothing had happened."""
    result = grade_source(reference_source + f"\ndef double(x):\n    {body}\n")

    got = verdicts(result)
    assert {verdict} == {got[name] for name in DOUBLE[:2]}
    assert ("wrong" if verdict == "error" else verdict) == got[DOUBLE[2]]  # another error than the one asked for
    assert {"pass"} == {got[name] for name in OTHERS}


def test_sleeping_runs_into_the_wall_clock(grade_source, reference_source):
    """Code that sleeps uses no CPU time; the wall clock is its backstop."""
    result = grade_source(reference_source + "\ndef apply(f, x):\n    import time\n    time.sleep(1000)\n")

    expect(result, apply="timeout")


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("def double(:\n", "error"),
        ("import no_such_module\nno_such_module.x\n", "forbidden"),
        ("1 / 0\n", "error"),
        ("raise SystemExit(0)\n", "error"),
        ("import os\nos._exit(0)\n", "crash"),
        ("while True: pass\n", "timeout"),
        ("", "missing"),
    ],
)
def test_a_file_that_does_not_load_fails_every_check_alike(grade_source, source, verdict):
    """A syntax error, an error, an exit or a loop at import: every check has the verdict of loading."""
    assert {verdict} == set(verdicts(grade_source(source)).values())


def test_syntax_error_names_its_line(grade_source):
    """The message of a file that does not load names the line and shows it."""
    message = grade_source("x = 1\ndef double(:\n    pass\n").checks[0].message

    assert message.startswith("toy.py does not load: SyntaxError")
    assert "line 2: def double(:" in message


@pytest.mark.parametrize(
    "guarded",
    [
        "try:\n    import scipy\nexcept ImportError:\n    scipy = None",
        "try:\n    import scipy.linalg as la\nexcept ModuleNotFoundError:\n    la = None",
        "try:\n    from scipy import (\n        linalg,\n    )\nexcept (OSError, ImportError):\n    pass",
        "try:\n    import scipy\nexcept:\n    pass",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import scipy",
        "def get():\n    try:\n        import scipy\n    except Exception:\n        return None\nassert get() is None",
    ],
)
def test_guarded_import_lets_the_rest_run(grade_source, reference_source, guarded):
    """An import that a `try` catches fails, so that its fallback works."""
    expect(grade_source(f"{guarded}\n{reference_source}\nassert 'scipy' not in globals() or scipy is None\n"))


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ("import scipy", "scipy.linalg"),
        ("import scipy.linalg as la", "la.norm(x)"),
        ("import scipy.linalg", "scipy.linalg.norm(x)"),
        ("from scipy import linalg", "linalg.norm(x)"),
        ("from scipy.linalg import norm", "norm(x)"),
        ("from scipy.linalg import norm as n, inv", "x @ inv"),
        ("from .helpers import twice", "twice(x)"),
        ("import helpers", "bool(helpers)"),
        ("import matplotlib.pyplot as plt", "[*plt]"),
        ("from scipy import linalg", "x + linalg"),
        ("from scipy import linalg", "isinstance(x, linalg)"),
        ("from scipy import *", "__import__('scipy')"),
        ("import scipy", "__import__('importlib').import_module('scipy')"),
    ],
)
def test_a_refused_import_costs_what_uses_it(grade_source, reference_source, line, use):
    """It is noted once; whatever uses it is forbidden, in a plain sentence with its line, and all else counts."""
    wrong = f"\n_d = double\ndef double(x):\n    {use}\n    return _d(x)\n"
    unused, used = grade_source(f"{line}\n{reference_source}"), grade_source(f"{line}\n{reference_source}{wrong}")

    expect(unused)
    assert len(unused.notes) == 1 and unused.notes[0].endswith("; what uses it is forbidden")
    lost = [c for c in used.checks if c.verdict is not Verdict.PASS]
    assert {(c.function, c.verdict) for c in lost} == {("double", Verdict.FORBIDDEN)}
    told = [c.message for c in lost if c.visibility == "public"]
    assert all("may not be imported" in words or "is graded alone" in words for words in told)
    assert all(use in c.message for c in lost)


def test_what_would_run_at_import_is_told_with_its_line(grade_source, reference_source):
    """A base class or a decorator that is refused keeps the file from loading, and says where."""
    for line in ("class Net(nn.Module): pass", "@nn\ndef f(): pass", "class Net(nn): pass"):
        message = grade_source(f"from scipy import nn\n{line}\n{reference_source}").checks[0].message
        assert "'scipy' may not be imported in this topic" in message and "line 2" in message


def test_noise_costs_nothing(grade_source, reference_source):
    """Printing, warning and writing to stderr leave every check alone."""
    noise = (
        "\nimport sys, warnings\n_d = double\n"
        "def double(x):\n    print('x' * 3_000_000)\n    print('\\ud800', file=sys.stderr)\n"
        "    warnings.warn('careful')\n    return _d(x)\n"
    )
    expect(grade_source(reference_source + noise))


def test_patched_numpy_does_not_reach_the_judge(grade_source, reference_source):
    """Replacing numpy's and the grader's own comparisons in the worker turns nothing wrong into right."""
    patch = (
        "\nimport numpy.testing\nnp.testing.assert_allclose = lambda *a, **k: None\nnp.allclose = lambda *a: True\n"
        "np.abs = np.max = lambda *a, **k: 0\nimport builtins\nbuiltins.AssertionError = Warning\n"
        "def double(x):\n    return x\n"
    )
    result = grade_source(reference_source + patch)

    assert "wrong" == check_named(result, "test_double_small").verdict


def test_always_equal_object_is_wrong(grade_source, reference_source):
    """An object whose `__eq__` is always true is no number."""
    trick = "\nclass Yes:\n    def __eq__(self, other): return True\n    def __abs__(self): return 0\n\ndef apply(f, x):\n    f(x), f(-x)\n    return Yes()\n"

    assert "wrong" == check_named(grade_source(reference_source + trick), "test_apply_calls_back").verdict


def test_state_of_an_earlier_check_is_judged_again_in_a_fresh_worker(grade_source, reference_source):
    """A check that fails only because an earlier one left state behind is run again alone, and that verdict counts."""
    dirty = "\n_calls = []\ndef apply(f, x):\n    _calls.append(1)\n    return f(x) + f(-x)\n_noise = noise\ndef noise(shape, rng):\n    if _calls: raise RuntimeError('dirty')\n    return _noise(shape, rng)\n"

    expect(grade_source(reference_source + dirty))


def test_dataclass_state_and_objects_work(grade_source, reference_source):
    """A class that is a dataclass stays an object, and a module with annotations from the future loads."""
    source = (
        "from __future__ import annotations\n"
        + reference_source
        + (
            "\nfrom dataclasses import dataclass\n@dataclass\nclass Counter:\n    value: int\n"
            "    def step(self) -> int:\n        self.value += 1\n        return self.value\n"
        )
    )
    expect(grade_source(source))


def test_hidden_inputs_stay_hidden(grade_all, reference_source):
    """No report shows an input of a hidden check, however the submission tries to carry it out."""
    marker = "0.735218946"
    bodies = {
        "message": "raise ValueError(repr(x.ravel()[:1]))",
        "missing": "raise NotImplementedError(repr(x.ravel()[:1]))",
        "type": "raise type(repr(x.ravel()[0]), (Exception,), {})",
        "named": "raise type('E' + repr(x.ravel()[0]).replace('.', '_'), (Exception,), {})",
        "import": "raise type('Forbidden', (ImportError,), {})(repr(x.ravel()[0]))",
        "name": "raise type('MissingName', (AttributeError,), {})(repr(x.ravel()[0]))",
        "print": "print(x); import sys; print(x, file=sys.stderr); return x",
        "exit": "import os; os._exit(int(x.ravel()[0] * 100))",
        "value": "return x * 2 + (x == 0.735218946)",
        "warn": "import warnings; warnings.warn(repr(x)); return x",
    }
    guard = "    if not x.size: raise ValueError\n    if x.shape == (3,): return x * 2\n"
    results = grade_all({n: reference_source + f"\ndef double(x):\n{guard}    {b}\n" for n, b in bodies.items()})

    for name, result in results.items():
        check = check_named(result.topics[0], "test_double_marker")
        assert "pass" != check.verdict, name
        everything = json.dumps(result.to_dict())
        assert marker not in everything and marker.replace(".", "_") not in everything, name
        assert " 73" not in check.message and "status 73" not in everything, name


def test_own_line_is_shown(grade_source, reference_source):
    """A hidden check that ends in an error shows the built-in type and the student's own line."""
    guard = "    if x.shape == (3,): return x * 2\n"
    result = grade_source(reference_source + f"\ndef double(x):\n{guard}    return x['a']  # here\n")

    message = check_named(result, "test_double_marker").message
    assert message.startswith("IndexError was raised (line ")
    assert message.endswith(": return x['a']  # here)")


def test_order_and_repetition_change_nothing(grade_all, reference_source):
    """The order of students does not matter, and two runs agree but for their times."""
    sources = {
        "a": reference_source,
        "b": reference_source + "\ndef double(x):\n    return x * 3\n",
        "c": reference_source + "\ndef noise(shape, rng):\n    import os; os._exit(3)\n",
    }
    first = grade_all(sources, judges=1)
    second = grade_all(dict(reversed(sources.items())), judges=2)

    assert {s: (r.points, [verdicts(t) for t in r.topics]) for s, r in first.items()} == {
        s: (r.points, [verdicts(t) for t in r.topics]) for s, r in second.items()
    }


@pytest.mark.parametrize("body", ["return None", "return [0.1, 0.2]"])
def test_a_check_that_stumbles_over_a_value_says_what_it_expects(grade_source, reference_source, body):
    """The check's own code cannot use it: wrong, and the reference's kind of value is told."""
    result = grade_source(reference_source + f"\ndef noise(shape, rng):\n    {body}\n")

    found = check_named(result, "test_noise_moves_the_generator")
    assert "wrong" == found.verdict
    assert "what was returned is not an array" in found.message


def test_a_check_that_stumbles_over_the_reference_is_a_grader_fault(toy_copy):
    """A faulty check is nobody's zero: it is reported as the grader's fault."""
    from toys import grade_course

    broken = toy_copy / "tests" / "hidden" / "test_toy.py"
    broken.write_text(broken.read_text().replace("counter.step(), oracle.step()", "counter.step(), oracle.stride()"))
    result = grade_course(toy_copy, {"s": (toy_copy / "solutions" / "toy.py").read_text()})["s"]

    assert "grader_fault" == check_named(result.topics[0], "test_counter_counts").verdict
    assert result.faults


def test_a_check_file_that_does_not_import_is_a_grader_fault(toy_copy):
    """A check file with an error ends in a grader fault for every student, never in a 0."""
    from toys import grade_course

    (toy_copy / "tests" / "hidden" / "test_toy.py").write_text("import no_such_thing\n")
    results = grade_course(toy_copy, {"a": "x = 1\n", "b": None})

    assert [["grader_fault"], ["grader_fault"]] == [list(verdicts(r.topics[0]).values()) for r in results.values()]
    assert "no_such_thing" in results["a"].faults[0].message


@pytest.mark.parametrize("name", ["Double", "DOUBLE", "doubel", "doubles", "duble"])
def test_a_renamed_function_is_asked_about(grade_source, reference_source, name):
    """What is missing but for its case or one slip is said, with its line, by public and hidden checks alike."""
    source = reference_source.replace("def double", f"def {name}")
    line = next(n for n, text in enumerate(source.splitlines(), 1) if f"def {name}" in text)
    result = grade_source(source)

    for check in ("test_double_small", "test_double_marker"):
        assert "missing" == check_named(result, check).verdict
        assert f"there is no double here; did you mean {name} (line {line})?" == check_named(result, check).message


def test_another_name_is_not_asked_about(grade_source, reference_source):
    """What is two slips away, or asked for itself, is nobody's other name."""
    result = grade_source(reference_source.replace("def double", "def doubled_up"))

    assert "did you mean" not in check_named(result, "test_double_marker").message
    assert not did_you_mean("def adamw(): pass\n", ["adam"], {"adam", "adamw"})
    assert not did_you_mean("def f(): pass\n", ["g"], {"g"})
    asked = did_you_mean("x = 1\n# def SGD(w):\n", ["sgd"], {"sgd"})
    assert asked == "there is no sgd here; did you mean SGD (line 2)?"
