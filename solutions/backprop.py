"""Backpropagation: a multi-layer perceptron by hand, and a scalar autograd engine.

Shapes: N examples, D inputs, M outputs, K classes; every batch is batch-first.
Functions never write to their arguments, return no memory shared with them, and draw nothing from NumPy's
global random state; float32 stays float32, float64 stays float64; arrays may have any memory layout.
A cache is whatever a forward function wants to hand to its own backward function; nobody else looks inside,
and it may refer to the inputs. It may be used more than once and stays as it is; several may be alive at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, Literal

import numpy as np

Kind = Literal["relu", "sigmoid", "tanh"]
Cache = Any  # a tuple, a dict, a dataclass, a closure: your choice


def linear_forward(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Cache]:
    """Affine layer y = x W + b, with the same bias added to every row.

    Args:
        x: inputs, (N, D) float.
        W: weights, (D, M) float; column j belongs to output j.
        b: biases, (M,) float.

    Returns:
        y: outputs, (N, M), in the dtype of the arguments.
        cache: what `linear_backward` needs.

    Raises:
        ValueError: x or W is not 2-D, b is not 1-D, or the sizes D or M do not agree (nothing is broadcast
            but b over the rows).

    Cost: the number of Python operations does not depend on N, D and M.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.5.
    """
    ### BEGIN SOLUTION
    if x.ndim != 2 or W.ndim != 2 or b.shape != (W.shape[1],):
        raise ValueError(f"shapes do not fit: x {x.shape}, W {W.shape}, b {b.shape}")
    y = x @ W + b  # @ itself raises ValueError where the sizes D differ
    return y, (x, W)  # the derivative never asks for b
    ### END SOLUTION


def linear_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss L with respect to the three arguments of `linear_forward`.

    Args:
        dy: upstream gradient dL/dy, (N, M) float.
        cache: from the `linear_forward` call that made y; it may be used more than once and stays as it is.

    Returns:
        dx: dL/dx, (N, D).
        dW: dL/dW, (D, M).
        db: dL/db, (M,).

    Raises:
        ValueError: dy does not have the shape (N, M) of y.

    Cost: the number of Python operations does not depend on N, D and M.

    Source: Rumelhart, Hinton and Williams, Nature 323 (1986), equations 4-7; in matrix form, Goodfellow
    et al., Deep Learning (2016), algorithm 6.4.
    """
    ### BEGIN SOLUTION
    x, W = cache
    if dy.shape != (x.shape[0], W.shape[1]):
        raise ValueError(f"dy has shape {dy.shape}, but y has shape {(x.shape[0], W.shape[1])}")
    dx = dy @ W.T  # (N, M) (M, D) -> (N, D)
    dW = x.T @ dy  # (D, N) (N, M) -> (D, M), the product sums over the batch
    db = dy.sum(axis=0)  # (M,), b reached every row, so it hears from every row
    return dx, dW, db
    ### END SOLUTION


def act_forward(z: np.ndarray, kind: Kind) -> tuple[np.ndarray, Cache]:
    """Elementwise activation: relu max(0, z), sigmoid 1 / (1 + exp(-z)), or tanh.

    Args:
        z: pre-activations of any shape, 0-d included, float.
        kind: "relu", "sigmoid" or "tanh".

    Returns:
        a: activations, the shape and dtype of z; right and finite for |z| up to 1000.
        cache: what `act_backward` needs, the kind included.

    Raises:
        ValueError: kind is none of the three.

    Cost: the number of Python operations does not depend on the size of z.

    Source: Goodfellow et al., Deep Learning (2016), section 6.3.
    """
    ### BEGIN SOLUTION
    if kind == "relu":
        a = np.maximum(z, 0)
    elif kind == "sigmoid":
        a = np.exp(-np.logaddexp(0, -z))  # log(1 + exp(-z)) without overflow
    elif kind == "tanh":
        a = np.tanh(z)
    else:
        raise ValueError(f"unknown activation {kind!r}")
    return a, (z, a, kind)
    ### END SOLUTION


def act_backward(da: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of a loss L with respect to the pre-activations of `act_forward`.

    Args:
        da: upstream gradient dL/da, the shape of z, float.
        cache: from the `act_forward` call that made a; it may be used more than once and stays as it is.

    Returns:
        dz: dL/dz, the shape of z. The derivative of relu at exactly 0 is 0.

    Raises:
        ValueError: da does not have the shape of z.

    Cost: the number of Python operations does not depend on the size of z.

    Source: Goodfellow et al., Deep Learning (2016), section 6.3.
    """
    ### BEGIN SOLUTION
    z, a, kind = cache
    if da.shape != z.shape:
        raise ValueError(f"da has shape {da.shape}, but z has shape {z.shape}")
    if kind == "relu":
        return da * (z > 0)
    if kind == "sigmoid":
        return da * (a * (1 - a))
    return da * (1 - a**2)
    ### END SOLUTION


def softmax_xent(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Softmax cross-entropy, averaged over the batch, and its gradient.

    For one row z with label c the loss is logsumexp(z) - z[c], that is -log softmax(z)[c].

    Args:
        logits: unnormalised scores, (N, K) float, N and K at least 1 (with K = 1 the loss is 0).
        y: class labels, (N,) int64, each in 0 ... K-1.

    Returns:
        loss: mean loss over the N rows, a Python float.
        dlogits: dloss/dlogits = (softmax(logits) - onehot(y)) / N, (N, K), in the dtype of logits.

    Raises:
        ValueError: logits is not 2-D, y does not have the shape (N,), y is not of an integer dtype, or a
            label is negative or not below K.

    Float64 logits up to 1000 in size cause no overflow, no invalid operation and no division by zero, not
    even in an intermediate result.
    Cost: the number of Python operations does not depend on N and K.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), equations 4.104, 4.108 and 4.109.
    """
    ### BEGIN SOLUTION
    if logits.ndim != 2 or y.shape != logits.shape[:1] or y.dtype.kind not in "iu":
        raise ValueError(f"expected logits (N, K) and integer labels (N,), got {logits.shape} and {y.shape}")
    n, k = len(logits), logits.shape[1]
    if y.min() < 0 or y.max() >= k:
        raise ValueError(f"labels must lie in 0 ... {k - 1}")
    shifted = logits - logits.max(axis=1, keepdims=True)  # the largest exponent is 0: no overflow
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N, K)
    rows = np.arange(n)
    loss = float(-log_p[rows, y].mean())
    dlogits = np.exp(log_p)
    dlogits[rows, y] -= 1
    return loss, dlogits / n
    ### END SOLUTION


class MLP:
    """Multi-layer perceptron: linear, activation, linear, activation, ..., linear.

    The len(sizes) - 1 linear layers are numbered from 0 at the input. Every layer but the last is followed by
    the activation; the last one returns logits.

    Attributes:
        params: dict of float64 arrays "W0" (sizes[0], sizes[1]), "b0" (sizes[1],), "W1", "b1", ..., and
            nothing else. They may be changed in place between a backward and the next forward (that is how
            one trains): `forward` uses what they hold when it is called.
    """

    params: dict[str, np.ndarray]

    def __init__(self, sizes: Sequence[int], kind: Kind, rng: np.random.Generator) -> None:
        """Draws the initial weights.

        Biases are 0. The weights of a (fan_in, fan_out) layer are drawn with mean 0, normal or uniform, and
        the standard deviation sqrt(2 / fan_in) (He) where a relu follows the layer,
        sqrt(2 / (fan_in + fan_out)) (Xavier) everywhere else, so always in the last layer.

        Args:
            sizes: widths (inputs, hidden ..., classes), at least two, each at least 1.
            kind: activation of the hidden layers, as in `act_forward`.
            rng: the only source of randomness.

        Raises:
            ValueError: fewer than two sizes, a size below 1, or an unknown kind.

        Source: He et al., arXiv:1502.01852, equation 10; Glorot and Bengio, AISTATS 2010, equation 12.
        """
        ### BEGIN SOLUTION
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes needs at least two entries, each at least 1: {sizes}")
        if kind not in ("relu", "sigmoid", "tanh"):
            raise ValueError(f"unknown activation {kind!r}")
        self.kind = kind
        self.depth = len(sizes) - 1
        self.params = {}
        self._caches: list[tuple[Cache, Cache]] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            relu_follows = kind == "relu" and i < self.depth - 1
            variance = 2 / fan_in if relu_follows else 2 / (fan_in + fan_out)
            self.params[f"W{i}"] = rng.normal(0.0, math.sqrt(variance), (fan_in, fan_out))
            self.params[f"b{i}"] = np.zeros(fan_out)
        ### END SOLUTION

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Logits of a batch; remembers what `backward` will need.

        Args:
            x: inputs, (N, sizes[0]) float64.

        Returns:
            logits, (N, sizes[-1]).

        Raises:
            ValueError: x is not 2-D or does not have sizes[0] columns.
        """
        ### BEGIN SOLUTION
        self._caches = []
        h = x
        for i in range(self.depth):
            h, linear_cache = linear_forward(h, self.params[f"W{i}"], self.params[f"b{i}"])
            act_cache = None
            if i < self.depth - 1:
                h, act_cache = act_forward(h, self.kind)
            self._caches.append((linear_cache, act_cache))
        return h
        ### END SOLUTION

    def backward(self, dlogits: np.ndarray) -> dict[str, np.ndarray]:
        """Gradients of a loss L with respect to every parameter, for the latest `forward` of this model.

        Changes no parameter and adds nothing up over calls: called again with the same dlogits, it returns
        the same gradients.

        Args:
            dlogits: dL/dlogits, (N, sizes[-1]) float64, for the batch of the latest `forward`.

        Returns:
            dict with the keys of `params`; each gradient has the shape of its parameter.

        Raises:
            ValueError: dlogits does not have the shape of the latest logits.
        """
        ### BEGIN SOLUTION
        grads = {}
        dh = dlogits
        for i in reversed(range(self.depth)):
            linear_cache, act_cache = self._caches[i]
            if act_cache is not None:
                dh = act_backward(dh, act_cache)
            dh, grads[f"W{i}"], grads[f"b{i}"] = linear_backward(dh, linear_cache)
        return grads
        ### END SOLUTION


def numeric_gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Gradient of f at x by central differences, (f(x + h e_i) - f(x - h e_i)) / 2h for every element i.

    Args:
        f: maps an array of the shape of x to a float and looks at nothing else.
        x: the point, float64, any shape (0-d included) and any memory layout. It may be changed while f runs,
            but when the function returns it is what it was, bit for bit.
        h: step, positive.

    Returns:
        gradient, float64, the shape of x.

    Raises:
        ValueError: the dtype of x is not float64, or h is not positive.

    Source: Nocedal and Wright, Numerical Optimization (2006), section 8.1.
    """
    ### BEGIN SOLUTION
    if x.dtype != np.float64 or not h > 0:
        raise ValueError(f"needs a float64 array and a positive step, got {x.dtype} and h = {h}")
    probe = x.copy()
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        probe[i] = x[i] + h
        above = f(probe)
        probe[i] = x[i] - h
        below = f(probe)
        probe[i] = x[i]
        grad[i] = (above - below) / (2 * h)
    return grad
    ### END SOLUTION


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """Largest relative difference of two arrays, max over the elements of |a - b| / max(1e-8, |a| + |b|).

    Args:
        a: float array of any shape.
        b: float array of the same shape.

    Returns:
        a Python float between 0 and 1; 0 where both elements are 0.

    Raises:
        ValueError: the shapes differ (nothing is broadcast).
    """
    ### BEGIN SOLUTION
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    return float((np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))).max())
    ### END SOLUTION


### BEGIN SOLUTION
def _as_value(x: Value | float) -> Value:
    """Lets a plain number take part in an expression as a leaf."""
    return x if isinstance(x, Value) else Value(x)


def _result(data: float, *edges: tuple[Value, float]) -> Value:
    """A value computed from others; each edge is (operand, derivative of the result with respect to it)."""
    out = Value(data)
    out._edges = edges
    return out


### END SOLUTION
class Value:
    """A scalar that remembers how it was computed (reverse-mode automatic differentiation).

    Arithmetic on values builds a directed acyclic graph; `backward` sends derivatives through it. Operands
    may be plain numbers on either side. Two values are the same node only if they are the same object,
    however equal their numbers are.

    Attributes:
        data: the number, a float.
        grad: 0.0 at first. After one `backward` of a value v it is dv/d(self), for v itself and for every
            value that v depends on.

    Source: Baydin et al., arXiv:1502.05767, section 3.2.
    """

    data: float
    grad: float

    def __init__(self, x: float) -> None:
        """A leaf of the graph with the number x."""
        ### BEGIN SOLUTION
        self.data = float(x)
        self.grad = 0.0
        self._edges: tuple[tuple[Value, float], ...] = ()
        ### END SOLUTION

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other: Value | float) -> Value:
        """self + other."""
        ### BEGIN SOLUTION
        other = _as_value(other)
        return _result(self.data + other.data, (self, 1.0), (other, 1.0))
        ### END SOLUTION

    def __mul__(self, other: Value | float) -> Value:
        """self * other."""
        ### BEGIN SOLUTION
        other = _as_value(other)
        return _result(self.data * other.data, (self, other.data), (other, self.data))
        ### END SOLUTION

    def __pow__(self, exponent: float) -> Value:
        """self ** exponent, for a plain number as the exponent; with exponent 0 it is 1 and flat, at 0 as well.

        Raises:
            ValueError: the exponent is not a number (a `Value`, for instance).
        """
        ### BEGIN SOLUTION
        if not isinstance(exponent, Real):
            raise ValueError("the exponent must be a plain number")
        slope = exponent * self.data ** (exponent - 1) if exponent else 0.0
        return _result(self.data**exponent, (self, slope))
        ### END SOLUTION

    def __neg__(self) -> Value:
        """-self."""
        ### BEGIN SOLUTION
        return _result(-self.data, (self, -1.0))
        ### END SOLUTION

    def __sub__(self, other: Value | float) -> Value:
        """self - other."""
        ### BEGIN SOLUTION
        return self + (-other)
        ### END SOLUTION

    def __truediv__(self, other: Value | float) -> Value:
        """self / other."""
        ### BEGIN SOLUTION
        return self * _as_value(other) ** -1
        ### END SOLUTION

    def __radd__(self, other: float) -> Value:
        """other + self, for a number on the left."""
        ### BEGIN SOLUTION
        return self + other
        ### END SOLUTION

    def __rmul__(self, other: float) -> Value:
        """other * self, for a number on the left."""
        ### BEGIN SOLUTION
        return self * other
        ### END SOLUTION

    def __rsub__(self, other: float) -> Value:
        """other - self, for a number on the left."""
        ### BEGIN SOLUTION
        return -self + other
        ### END SOLUTION

    def __rtruediv__(self, other: float) -> Value:
        """other / self, for a number on the left."""
        ### BEGIN SOLUTION
        return self**-1 * other
        ### END SOLUTION

    def tanh(self) -> Value:
        """Hyperbolic tangent; value and slope are right for numbers of any size, ±1000 among them."""
        ### BEGIN SOLUTION
        t = math.tanh(self.data)
        return _result(t, (self, 1 - t * t))
        ### END SOLUTION

    def exp(self) -> Value:
        """e ** self."""
        ### BEGIN SOLUTION
        e = math.exp(self.data)
        return _result(e, (self, e))
        ### END SOLUTION

    def relu(self) -> Value:
        """max(0, self); the derivative at exactly 0 is 0."""
        ### BEGIN SOLUTION
        return _result(max(0.0, self.data), (self, 1.0 if self.data > 0 else 0.0))
        ### END SOLUTION

    def backward(self) -> None:
        """Adds d(self)/d(leaf) to the `grad` of every leaf that this value depends on.

        The pass visits every value once, after all values that use it. So its work is proportional to the
        size of the graph, and a graph may be many thousand values deep (Python's recursion limit is 1000).
        Passes add up in the leaves: a second `backward`, of this value or of another one, adds its
        derivatives to what is there, just as it would on a freshly built graph. Values that this one does not
        depend on keep their `grad`.
        """
        ### BEGIN SOLUTION
        order: list[Value] = []  # operands before results
        seen: set[Value] = set()
        stack = [(self, False)]  # a list instead of recursion: no limit on the depth
        while stack:
            node, operands_done = stack.pop()
            if operands_done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                for operand, _ in node._edges:
                    stack.append((operand, False))
        for node in order:
            if node._edges:
                node.grad = 0.0  # only leaves remember earlier passes
        self.grad += 1.0
        for node in reversed(order):
            for operand, local in node._edges:
                operand.grad += node.grad * local
        ### END SOLUTION
