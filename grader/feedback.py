"""The words of a result. Failures are data until here.

A public check may show everything. A hidden check shows its title, a hint and the student's own line; never an input,
an expected value, a message or a name that the submission could have filled with them.
"""

from __future__ import annotations

import builtins
import re

from grader.results import Verdict
from grader.session import StudentError
from grader.text import words_of
from grader.verdicts import Outcome

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

    def line(self, number: int) -> str:
        return self.lines[number - 1].strip()[:160] if 0 < number <= len(self.lines) else ""

    def names(self, word: str) -> bool:
        return re.search(rf"\b{re.escape(word)}\b", self.text) is not None


def message_for(outcome: Outcome, visibility: str, function: str, topic: str, source: Source, feedback: str) -> str:
    """What the report says about a check that did not pass."""
    if outcome.verdict is Verdict.PASS:
        return ""
    error = outcome.error
    if isinstance(error, StudentError):
        return words_of(_about_error(error, outcome, visibility, function, topic, source))
    if visibility == "hidden" and feedback != "full":
        return words_of(outcome.safe if feedback == "hints" or outcome.verdict is not Verdict.WRONG else "")
    return words_of(outcome.text)


def _about_error(
    error: StudentError, outcome: Outcome, visibility: str, function: str, topic: str, source: Source
) -> str:
    """While loading, no input has been seen yet and all may be shown; later a hidden check shows our words alone."""
    open_words = visibility != "hidden" or outcome.loading
    place = _place(error, source)
    prefix = f"{topic}.py does not load: " if outcome.loading else ""
    if outcome.verdict is Verdict.MISSING:
        return prefix + _about_missing(error, function, topic, open_words)
    if outcome.verdict is Verdict.FORBIDDEN:
        return prefix + (error.text if open_words and not error.wall else FORBIDDEN[error.wall]) + place
    if open_words:
        return f"{prefix}{error.type_name}: {error.text}{place}"
    known = hasattr(builtins, error.type_name) or source.names(error.type_name)
    return f"{error.type_name if known else 'an error'} was raised{place}"


def _about_missing(error: StudentError, function: str, topic: str, open_words: bool) -> str:
    if not error.is_a("MissingName"):
        return f"{function} is not written yet" if error.text in ("", function) or not open_words else error.text
    return error.text if open_words else f"{topic}.py lacks a name that '{function}' needs"


def _place(error: StudentError, source: Source) -> str:
    """The innermost line of the student's own code, taken from the file by its number."""
    if not error.frames:
        return ""
    number = error.frames[-1][0]
    code = source.line(number)
    return f" (line {number}: {code})" if code else f" (line {number})"
