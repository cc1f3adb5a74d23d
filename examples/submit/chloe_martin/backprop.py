"""Backpropagation: a multi-layer perceptron by hand, and a scalar autograd engine.

Shapes: N examples, D inputs, M outputs, K classes; every batch is batch-first.
Functions never write to their arguments, return no memory shared with them, and draw nothing from NumPy's
global random state; float32 stays float32, float64 stays float64; arrays may have any memory layout.
A cache is whatever a forward function wants to hand to its own backward function; nobody else looks inside,
and it may refer to the inputs.
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
    if x.ndim != 2 or W.ndim != 2 or b.ndim != 1:
        raise ValueError("expected x (N, D), W (D, M) and b (M,)")
    if x.shape[1] != W.shape[0] or W.shape[1] != b.shape[0]:
        raise ValueError("sizes of x, W and b do not agree")
    y = np.dot(x, W) + b
    cache = (x, W)
    return y, cache


def linear_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of a loss L with respect to the three arguments of `linear_forward`.

    Args:
        dy: upstream gradient dL/dy, (N, M) float.
        cache: from the `linear_forward` call that made y.

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
    x, W = cache
    if dy.shape != (x.shape[0], W.shape[1]:
        raise ValueError("dy must look like y")
    dx = np.dot(dy, W.T)
    dW = np.dot(x.T, dy)
    db = np.sum(dy, axis=0)
    return dx, dW, db


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
    if kind == "relu":
        a = np.maximum(z, 0)
    elif kind == "sigmoid":
        # exp only ever sees numbers <= 0, so it cannot overflow
        e = np.exp(-np.abs(z))
        a = np.where(z >= 0, 1 / (1 + e), e / (1 + e))
    elif kind == "tanh":
        a = np.tanh(z)
    else:
        raise ValueError("unknown activation: " + str(kind))
    return a, (z, a, kind)


def act_backward(da: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of a loss L with respect to the pre-activations of `act_forward`.

    Args:
        da: upstream gradient dL/da, the shape of z, float.
        cache: from the `act_forward` call that made a.

    Returns:
        dz: dL/dz, the shape of z. The derivative of relu at exactly 0 is 0.

    Raises:
        ValueError: da does not have the shape of z.

    Cost: the number of Python operations does not depend on the size of z.

    Source: Goodfellow et al., Deep Learning (2016), section 6.3.
    """
    z, a, kind = cache
    if da.shape != z.shape:
        raise ValueError("da must look like z")
    if kind == "relu":
        dz = da * (z > 0)
    elif kind == "sigmoid":
        dz = da * a * (1 - a)
    else:
        dz = da * (1 - a * a)
    return dz


def softmax_xent(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Softmax cross-entropy, averaged over the batch, and its gradient.

    For one row z with label c the loss is logsumexp(z) - z[c], that is -log softmax(z)[c].

    Args:
        logits: unnormalised scores, (N, K) float, N at least 1.
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
    if logits.ndim != 2 or y.ndim != 1 or y.shape[0] != logits.shape[0]:
        raise ValueError("need logits (N, K) and labels (N,)")
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError("labels must be integers")
    N, K = logits.shape
    if np.any(y < 0) or np.any(y >= K):
        raise ValueError("label out of range")
    # subtract the max of every row first (log-sum-exp trick from the lecture)
    z = logits - np.max(logits, axis=1, keepdims=True)
    logp = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    loss = -np.mean(logp[np.arange(N), y])
    dlogits = np.exp(logp)
    dlogits[np.arange(N), y] -= 1
    return float(loss), dlogits / N


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
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError("sizes: at least two, each at least 1")
        if kind not in ("relu", "sigmoid", "tanh"):
            raise ValueError("unknown activation: " + str(kind))
        self.kind = kind
        self.n_layers = len(sizes) - 1
        self.params = {}
        self.caches = []
        for i in range(self.n_layers):
            n_in, n_out = sizes[i], sizes[i + 1]
            if kind == "relu" and i < self.n_layers - 1:
                std = np.sqrt(2 / n_in)  # He
            else:
                std = np.sqrt(2 / (n_in + n_out))  # Xavier
            self.params["W" + str(i)] = rng.standard_normal((n_in, n_out)) * std
            self.params["b" + str(i)] = np.zeros(n_out)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Logits of a batch; remembers what `backward` will need.

        Args:
            x: inputs, (N, sizes[0]) float64.

        Returns:
            logits, (N, sizes[-1]).

        Raises:
            ValueError: x is not 2-D or does not have sizes[0] columns.
        """
        self.caches = []
        out = x
        for i in range(self.n_layers):
            out, lin = linear_forward(out, self.params["W" + str(i)], self.params["b" + str(i)])
            act = None
            if i < self.n_layers - 1:
                out, act = act_forward(out, self.kind)
            self.caches.append((lin, act))
        return out

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
        grads = {}
        d = dlogits
        for i in range(self.n_layers - 1, -1, -1):
            lin, act = self.caches[i]
            if act is not None:
                d = act_backward(d, act)
            d, dW, db = linear_backward(d, lin)
            grads["W" + str(i)] = dW
            grads["b" + str(i)] = db
        return grads


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
    if x.dtype != np.float64:
        raise ValueError("only float64, the differences are too small for float32")
    if h <= 0:
        raise ValueError("h must be positive")
    grad = np.zeros(x.shape)
    for idx in np.ndindex(x.shape):
        old = x[idx]
        x[idx] = old + h
        f_plus = f(x)
        x[idx] = old - h
        f_minus = f(x)
        x[idx] = old  # put it back exactly
        grad[idx] = (f_plus - f_minus) / (2 * h)
    return grad


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
    if a.shape != b.shape:
        raise ValueError("a and b need the same shape")
    top = np.abs(a - b)
    bottom = np.maximum(1e-8, np.abs(a) + np.abs(b))
    return float(np.max(top / bottom))


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
        self.data = float(x)
        self.grad = 0.0
        self._prev = ()
        self._backward = lambda: None

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"

    def __add__(self, other: Value | float) -> Value:
        """self + other."""
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data)
        out._prev = (self, other)

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other: Value | float) -> Value:
        """self * other."""
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data)
        out._prev = (self, other)

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, exponent: float) -> Value:
        """self ** exponent, for a plain number as the exponent.

        Raises:
            ValueError: the exponent is not a number (a `Value`, for instance).
        """
        if not isinstance(exponent, (int, float)):
            raise ValueError("only numbers as exponents")
        out = Value(self.data**exponent)
        out._prev = (self,)

        def _backward():
            self.grad += (exponent * self.data ** (exponent - 1) if exponent else 0.0) * out.grad

        out._backward = _backward
        return out

    def __neg__(self) -> Value:
        """-self."""
        return self * -1

    def __sub__(self, other: Value | float) -> Value:
        """self - other."""
        return self + (-other)

    def __truediv__(self, other: Value | float) -> Value:
        """self / other."""
        return self * other**-1

    def __radd__(self, other: float) -> Value:
        """other + self, for a number on the left."""
        return self + other

    def __rmul__(self, other: float) -> Value:
        """other * self, for a number on the left."""
        return self * other

    def __rsub__(self, other: float) -> Value:
        """other - self, for a number on the left."""
        return (-self) + other

    def __rtruediv__(self, other: float) -> Value:
        """other / self, for a number on the left."""
        return other * self**-1

    def tanh(self) -> Value:
        """Hyperbolic tangent."""
        t = math.tanh(self.data)
        out = Value(t)
        out._prev = (self,)

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def exp(self) -> Value:
        """e ** self."""
        out = Value(math.exp(self.data))
        out._prev = (self,)

        def _backward():
            self.grad += out.data * out.grad

        out._backward = _backward
        return out

    def relu(self) -> Value:
        """max(0, self); the derivative at exactly 0 is 0."""
        out = Value(self.data if self.data > 0 else 0.0)
        out._prev = (self,)

        def _backward():
            self.grad += (self.data > 0) * out.grad

        out._backward = _backward
        return out

    def backward(self) -> None:
        """Adds d(self)/d(leaf) to the `grad` of every leaf that this value depends on.

        The pass visits every value once, after all values that use it. So its work is proportional to the
        size of the graph, and a graph may be many thousand values deep (Python's recursion limit is 1000).
        Passes add up in the leaves: a second `backward`, of this value or of another one, adds its
        derivatives to what is there, just as it would on a freshly built graph. Values that this one does not
        depend on keep their `grad`.
        """
        # depth-first without recursion, otherwise deep graphs hit the recursion limit
        topo, visited = [], {self}
        stack = [(self, iter(self._prev))]
        while stack:
            node, children = stack[-1]
            child = next(children, None)
            if child is None:
                topo.append(node)
                stack.pop()
            elif child not in visited:
                visited.add(child)
                stack.append((child, iter(child._prev)))
        for node in topo:
            if node._prev:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(topo):
            node._backward()
