"""What a check file may import: `check`, the assertions, and the helpers that reach into the worker.

See docs/authoring.md. Assertions fail with `CheckFailed`, which is data: words for a public check, words without any
value for a hidden one, and the numbers that the audit and the diagnosis read.
"""

from __future__ import annotations

from grader.checks.autograd import Leaf, grads, tensor, vjp
from grader.checks.calling import (
    Counted,
    Observed,
    assert_each_flat_cost,
    assert_flat_cost,
    assert_no_growth,
    assert_pure,
    keep,
    observe,
    observe_each,
    operations,
    strict_floats,
    take,
)
from grader.checks.comparing import (
    CheckFailed,
    Seen,
    Tolerance,
    assert_close,
    assert_raises,
    assert_true,
    kind_of,
)
from grader.checks.helpers import assert_each_refused, each, in_turn, in_worker, there_and_back
from grader.checks.inputs import central_differences, fortran, fresh, noncontiguous, oracle
from grader.checks.marking import Check, Misconception, check, misconception

__all__ = [
    "Check",
    "CheckFailed",
    "Counted",
    "Leaf",
    "Misconception",
    "Observed",
    "Seen",
    "Tolerance",
    "assert_close",
    "assert_each_flat_cost",
    "assert_each_refused",
    "assert_flat_cost",
    "assert_no_growth",
    "assert_pure",
    "assert_raises",
    "assert_true",
    "central_differences",
    "check",
    "each",
    "fortran",
    "fresh",
    "grads",
    "in_turn",
    "in_worker",
    "keep",
    "kind_of",
    "misconception",
    "noncontiguous",
    "observe",
    "observe_each",
    "operations",
    "oracle",
    "strict_floats",
    "take",
    "tensor",
    "there_and_back",
    "vjp",
]
