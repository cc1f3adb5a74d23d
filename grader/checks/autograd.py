"""Gradients of torch across the wire."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from grader.checks.helpers import Helper, source_of
from grader.remote.proxy import Handle

# --- torch across the wire -------------------------------------------------------------------------------------------


def _parameter_gradients(module):  # type: ignore[no-untyped-def]
    return {n: None if p.grad is None else p.grad.detach().clone() for n, p in module.named_parameters()}


def _vector_jacobian(output, inputs, cotangent):  # type: ignore[no-untyped-def]
    import torch

    return torch.autograd.grad(output, inputs, cotangent, retain_graph=True, allow_unused=True)


def _leaf(array, requires_grad):  # type: ignore[no-untyped-def]
    import torch

    return torch.tensor(array, requires_grad=requires_grad)


_LEAF, _VJP = source_of(_leaf), source_of(_vector_jacobian)  # read once: the file may change under a long run
grads = Helper(source_of(_parameter_gradients), "_parameter_gradients", False)
"""`grads(module)`: the `.grad` of a handle's parameters by name, None where absent."""


def vjp(output: Handle, inputs: Sequence[Handle | Leaf], cotangent: Any) -> tuple[Any, ...]:
    """Gradients of a kept output, weighted by `cotangent`, with respect to kept inputs (None where unused)."""
    import torch

    helper = Helper(_VJP, "_vector_jacobian", False)
    return tuple(helper(output, list(inputs), torch.as_tensor(np.asarray(cotangent).copy())))


class Leaf:
    """A leaf tensor that comes into being in the worker it is first handed to."""

    def __init__(self, array: np.ndarray, requires_grad: bool) -> None:
        self.array, self.requires_grad = array, requires_grad
        self.made: dict[int, tuple[Any, Handle]] = {}

    def bind_to(self, session: Any) -> Handle:
        if id(session) not in self.made:
            handle = session.run_helper("_leaf", _LEAF, (self.array, self.requires_grad), keep=True).value
            self.made[id(session)] = (session, handle)  # the session is kept so that its id stays its own
        return self.made[id(session)][1]


def tensor(array: Any, requires_grad: bool = False) -> Leaf:
    """A leaf tensor in the submission's worker, to pass to its functions and to ask `vjp` about."""
    return Leaf(np.array(array), requires_grad)
