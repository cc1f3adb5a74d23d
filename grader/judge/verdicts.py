"""From what a check raised to how it ended (docs/reports.md has the table of verdicts)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from grader.checks import CheckFailed
from grader.checks.comparing import Failure
from grader.remote.connection import WorkerDied
from grader.remote.session import StudentError
from grader.results import Verdict
from grader.wire import NotRead


@dataclass(frozen=True)
class Outcome:
    """How a check ended: `text` for a public check, `safe` for a hidden one, and what to show of the student's code."""

    verdict: Verdict
    text: str = ""
    safe: str = ""
    error: BaseException | None = None
    loading: bool = False  # it ended before any check: while the submission was loaded, or for want of a file
    killed: bool = False  # by a SIGKILL that was not ours
    by_load: bool = False  # perhaps: by the wall clock, where the system does not tell who waited for a processor
    failure: Failure | None = None  # the comparison that failed, for the diagnosis
    margin: float = math.inf  # how far inside its tolerance the closest comparison was, for the audit
    inputs: str = ""  # the input it failed at, in words; of a public check alone
    placed: bool = True  # whether a hidden check may name the line that raised

    def is_doubtful(self, repeats: int) -> bool:
        """Whether somebody else may have ended it, so that it is tried again; load is believed once."""
        return self.killed or (self.by_load and repeats == 0)


def released(outcome: Outcome) -> Outcome:
    """The same without what it holds of its check: variables of the frames that an error came through, whole frames
    of the worker of which one array was compared.
    """
    _release(outcome.error)
    failure = outcome.failure
    if failure is None:
        return outcome
    seen = replace(failure.seen, actual=_own(failure.seen.actual), expected=_own(failure.seen.expected))
    return replace(outcome, failure=replace(failure, seen=seen))


def _release(error: BaseException | None) -> None:
    """Drop the traceback of an error and of those that it came from."""
    if error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        _release(error.__cause__)
        _release(error.__context__)


def _own(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) and value.base is not None else value


def outcome_of(error: BaseException | None) -> Outcome:
    """The outcome of a check that ended with `error`; what is nobody's doing but the check's is a grader fault."""
    if error is None:
        return Outcome(Verdict.PASS)
    if isinstance(error, CheckFailed):
        return Outcome(Verdict.WRONG, error.text, error.safe, error)
    if isinstance(error, WorkerDied):
        killed = bool(getattr(error, "by_kill", False))
        by_load = bool(getattr(error, "by_load", False))
        return Outcome(error.verdict, error.text, error.verdict.words, error, killed=killed, by_load=by_load)
    if isinstance(error, StudentError):
        return Outcome(_verdict_of(error), error.text, "", error)
    if isinstance(error, NotRead):
        return Outcome(Verdict.WRONG, str(error), "what was returned has the wrong shape", error)
    if isinstance(error, AssertionError):
        text = str(error.args[0]) if error.args else ""
        return Outcome(Verdict.WRONG, text, "", error)
    if isinstance(error, pytest.fail.Exception):  # pytest.raises saw no error
        text = "no error was raised, but one is asked for"
        return Outcome(Verdict.WRONG, text, text, error)
    return Outcome(Verdict.GRADER_FAULT, f"{type(error).__name__}: {error}", Verdict.GRADER_FAULT.words, error)


def _verdict_of(error: StudentError) -> Verdict:
    if error.is_a("NotImplementedError") or error.is_a("MissingName"):
        return Verdict.MISSING
    if error.is_a("Forbidden") or error.wall:
        return Verdict.FORBIDDEN
    if error.is_a("MemoryError"):
        return Verdict.MEMORY
    return Verdict.ERROR
