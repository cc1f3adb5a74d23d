"""The words of a result. Failures are data until here.

A public check may show everything. A hidden check shows its title, a hint and the student's own line; never an input,
an expected value, a message or a name that the submission could have filled with them, at any level of feedback:
"verdicts" says how a check ended, "hints" also what is wrong in the grader's own words and the first hint, "full" all
hints.
"""

from __future__ import annotations

import re
import traceback
import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.checks import CheckFailed, Seen, kind_of
from grader.judge import redaction
from grader.judge.diagnosis import Diagnosis
from grader.judge.verdicts import Outcome
from grader.remote.session import Call, Session, StudentError, describe
from grader.results import Verdict
from grader.text import words_of
from grader.wire import DroppedArray

FORBIDDEN = {  # by the wall that refused it; None: the topic itself does not allow it
    "network": "the network is closed while grading",
    "process": "no other programs may be started while grading",
    "write": "this exercise is graded without writing files",
    "read": "only Python's own files can be read while grading",
    None: "something that this topic does not allow was used",
}


class Source:
    """A submission's text, by line number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines()
        self._units: dict[tuple[str, ...], frozenset[int]] = {}

    def line(self, number: int) -> str:
        return self.lines[number - 1].strip()[:160] if 0 < number <= len(self.lines) else ""

    def unit(self, names: Sequence[str]) -> frozenset[int]:
        """The lines of a unit's code of which a hidden check may name one."""
        key = tuple(names)
        if key not in self._units:
            self._units[key] = redaction.lines_of(self.text, key)
        return self._units[key]

    def uses(self, function: str) -> bool:
        """Whether the name of a function stands anywhere but at its definition."""
        everywhere, defined = (len(re.findall(rf"\b{p}{function}\b", self.text)) for p in ("", r"def\s+"))
        return everywhere > defined


HINTS_SHOWN = {"verdicts": 0, "hints": 1, "full": 3}
SHOWN_ELEMENTS = 9  # of an input: more are told by dtype and shape
SHOWN_KINDS = (np.ndarray, np.generic, bool, int, float, complex, str)
SHORT: Any = {"float_kind": "{:.4g}".format, "complex_kind": "{:.4g}".format}
MAX_SHOWN = 6  # names of a check


def message_for(
    outcome: Outcome,
    visibility: str,
    function: str,
    topic: str,
    source: Source,
    feedback: str,
    hints: Sequence[str] = (),
    unit: Sequence[str] = (),
) -> str:
    """What the report says about a check that did not pass: one or more lines.

    `unit` are the names that are judged together with the function, itself first; without them it stands alone.
    """
    if outcome.verdict is Verdict.PASS:
        return ""
    lines = [words_of(_what_happened(outcome, visibility, unit or (function,), topic, source, feedback))]
    if visibility == "hidden":
        lines += [f"hint: {words_of(hint)}" for hint in hints[: HINTS_SHOWN[feedback]]]
    else:
        lines += [words_of(line) for line in _particulars(outcome)]
    return "\n".join(line for line in lines if line)


def advice_for(found: Diagnosis | None, given: Sequence[str], feedback: str) -> str | None:
    """The sentence that explains a failure, or whose doing it is: a check may be right but for an earlier function."""
    if given and feedback != "verdicts":
        return f"Right, given a correct {_listed(given)}: mend that first."
    return found.sentence if found else None


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _what_happened(
    outcome: Outcome, visibility: str, unit: Sequence[str], topic: str, source: Source, feedback: str
) -> str:
    silent = visibility == "hidden" and feedback == "verdicts" and not outcome.loading
    if silent and outcome.verdict in (Verdict.WRONG, Verdict.ERROR):
        return ""
    if isinstance(outcome.error, StudentError):
        return _about_error(outcome.error, outcome, visibility, unit, topic, source)
    if visibility != "hidden":
        return outcome.text
    return outcome.safe + _place_in_unit(outcome, unit, source)


# --- a value that a check could not use ------------------------------------------------------------------------------


def stumbled_over(got: Any, wanted: Any) -> tuple[str, str]:
    """(for a public check, for a hidden one) about a value of the submission, beside the reference's in its place.

    Of the hidden check's words all are chosen by the reference: a number or name of the submission's could carry an
    input out, and a shape of the reference's would tell one.
    """
    difference = _first_difference(got, wanted)
    if difference is None:
        words = "the check could not use what was returned"
        return f"{words} ({_in_words(got)})", words
    got, wanted = difference
    safe = f"a tuple of {len(wanted)}" if isinstance(wanted, tuple) else _KINDS[_kind_of(wanted)]
    return f"{_in_words(got)} was returned, expected {_in_words(wanted)}", f"what was returned is not {safe}"


_KINDS = {
    "array": "an array", "scalar": "a number", "tensor": "a tensor", "sequence": "a tuple or list", "dict": "a dict",
    "text": "a text", "nothing": "None", "object": "an object", "other": "of the kind that is asked for",
}  # fmt: skip


def _kind_of(value: Any) -> str:
    return "object" if hasattr(type(value), "handle_number") else kind_of(value)


def _in_words(value: Any) -> str:
    return repr(value) if hasattr(type(value), "handle_number") else describe(value)


def _first_difference(got: Any, wanted: Any) -> tuple[Any, Any] | None:
    """The first pair, from outside in, of which one is of another kind than the other or has other members."""
    kind = _kind_of(wanted)
    if _kind_of(got) != kind:
        return got, wanted
    if kind == "sequence":
        pairs = list(zip(got, wanted, strict=False))
    elif kind == "dict":
        pairs = [(got.get(key), value) for key, value in wanted.items()]
    else:
        return None
    if len(got) != len(wanted):
        return got, wanted
    return next((found for pair in pairs if (found := _first_difference(*pair))), None)


# --- the particulars of a public check -------------------------------------------------------------------------------


def _particulars(outcome: Outcome) -> list[str]:
    """Shape, dtype and margin of what was compared, and the input: the smallest that fails, as sizes grow."""
    return [*([_compared(outcome.failure.seen)] if outcome.failure else []), outcome.inputs]


def inputs_of(session: Session, function: str, error: BaseException | None, code: types.CodeType) -> str:
    """The call a check failed at; where helpers made its calls, the check's own numbers at that moment."""
    call = session.latest_call(function)
    return f"called as {_shown_call(call)}" if call else _shown_locals(error, code)


def _shown_locals(error: BaseException | None, code: types.CodeType) -> str:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__ if error else None))
    check = next((frame for frame in frames if frame.f_code is code), None)
    values = check.f_locals if check else {}
    known = {n: _shown_argument(v) for n, v in values.items() if n.strip("_") and isinstance(v, SHOWN_KINDS)}
    return f"where {', '.join(f'{name} = {text}' for name, text in list(known.items())[:MAX_SHOWN])}" if known else ""


def _compared(seen: Seen) -> str:
    """Like `got float64 (3,), expected float64 (3,), off by 4e+08 times the tolerance`."""
    if isinstance(seen.actual, str) or seen.expected is None:
        return ""
    actual = seen.actual if isinstance(seen.actual, DroppedArray) else np.asarray(seen.actual)
    got, wanted = _kind_and_shape(actual), _kind_and_shape(np.asarray(seen.expected))
    shapes = f"got {got}, expected {wanted}" if np.ndim(seen.expected) or got != wanted else ""
    off = f"off by {1 / seen.margin:.2g} times the tolerance" if 0 < seen.margin < 1 else ""
    return ", ".join(part for part in (shapes, off) if part)


def _kind_and_shape(value: np.ndarray | DroppedArray) -> str:
    return f"{value.dtype} {value.shape}" if value.ndim else str(value.dtype)


def _shown_call(call: Call) -> str:
    """A call in one line: small arrays with their numbers, large ones by dtype and shape."""
    arguments = [_shown_argument(v) for v in call.args]
    arguments += [f"{name}={_shown_argument(v)}" for name, v in call.kwargs.items()]
    return f"{call.name}({', '.join(arguments)})"


def _shown_argument(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size <= SHOWN_ELEMENTS:
        return np.array2string(value, separator=", ", max_line_width=10_000, formatter=SHORT).replace("\n", "")
    if isinstance(value, np.ndarray):
        return _kind_and_shape(value)
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return repr(value.item() if isinstance(value, np.generic) else value)[:80]
    if isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value):
        return repr(value) if len(value) <= SHOWN_ELEMENTS else describe(value)
    if hasattr(type(value), "handle_number"):
        return "an object"
    return "a function" if callable(value) else describe(value)


# --- errors ----------------------------------------------------------------------------------------------------------


def _about_error(
    error: StudentError, outcome: Outcome, visibility: str, unit: Sequence[str], topic: str, source: Source
) -> str:
    """While loading, no input has been seen yet and all may be shown; later a hidden check shows our words alone."""
    open_words = visibility != "hidden" or outcome.loading
    place = place_of(error, source) if open_words else _place_in_unit(outcome, unit, source)
    prefix = f"{topic}.py does not load: " if outcome.loading else ""
    if outcome.verdict is Verdict.MISSING:
        return prefix + _about_missing(error, unit[0], topic, open_words)
    if outcome.verdict is Verdict.FORBIDDEN:
        return prefix + (error.text if open_words and not error.wall else FORBIDDEN[error.wall]) + place
    if open_words:
        return f"{prefix}{error.type_name}: {error.text}{place}"
    return redaction.raised(outcome.verdict, [error.type_name, *error.mro]) + place


def _about_missing(error: StudentError, function: str, topic: str, open_words: bool) -> str:
    if not error.is_a("MissingName"):
        return f"{function} is not written yet" if error.text in ("", function) or not open_words else error.text
    return error.text if open_words else f"{topic}.py lacks a name that '{function}' needs"


def place_of(error: StudentError, source: Source) -> str:
    """The innermost line of the student's own code, taken from the file by its number."""
    return _shown_line(error.frames[-1][0], source) if error.frames else ""


def _place_in_unit(outcome: Outcome, unit: Sequence[str], source: Source) -> str:
    """The innermost line within the judged unit; only which function that is where the unit is long or has none."""
    error = outcome.error
    frames = error.frames if isinstance(error, (StudentError, CheckFailed)) else ()
    if not frames or not outcome.placed:
        return ""
    lines = source.unit(unit)
    number = next((number for number, _ in reversed(frames) if number in lines), None)
    return f" (in {unit[0]})" if number is None else _shown_line(number, source)


def _shown_line(number: int, source: Source) -> str:
    code = source.line(number)
    return f" (line {number}: {code})" if code else f" (line {number})"
