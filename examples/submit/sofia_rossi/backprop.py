# Esercizio 1 - Sofia Rossi (matricola 0512119) - è tutto vettoriale

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


@dataclass
class Linear:
    x_ext: np.ndarray  # inputs with a column of ones, (N, D + 1)
    W_ext: np.ndarray  # weights with the bias as last row, (D + 1, M)


class Slope(NamedTuple):
    slope: np.ndarray


def linear_forward(x, W, b):
    if x.ndim != 2 or W.ndim != 2 or b.ndim != 1 or W.shape != (x.shape[1], b.shape[0]):
        raise ValueError(f"{x.shape} {W.shape} {b.shape}")
    ones = np.ones((len(x), 1), dtype=x.dtype)
    cache = Linear(np.hstack([x, ones]), np.vstack([W, b]))
    return cache.x_ext @ cache.W_ext, cache


def linear_backward(dy, cache):
    if dy.shape != (cache.x_ext.shape[0], cache.W_ext.shape[1]):
        raise ValueError(f"{dy.shape}")
    dW1 = cache.x_ext.T @ dy
    return dy @ cache.W_ext[:-1].T, dW1[:-1], dW1[-1]


def _relu(z):
    a = z.copy()
    a[z < 0] = 0
    return a, (z > 0).astype(z.dtype)


def _sigmoid(z):
    e = np.exp(-np.abs(z))  # mai più di 1
    a = np.where(z >= 0, 1 / (1 + e), e / (1 + e))
    return a, e / (1 + e) ** 2


def _tanh(z):
    a = np.tanh(z)
    return a, 1 - a * a


def act_forward(z, kind):
    table = {"relu": _relu, "sigmoid": _sigmoid, "tanh": _tanh}
    if kind not in table:
        raise ValueError(f"{kind}")
    a, slope = table[kind](z)
    return a, Slope(slope)


def act_backward(da, cache):
    if da.shape != cache.slope.shape:
        raise ValueError(f"{da.shape}")
    return da * cache.slope


def softmax_xent(logits, y):
    if logits.ndim != 2 or y.shape != (len(logits),):
        raise ValueError("shapes")
    if not np.issubdtype(y.dtype, np.integer) or np.any(y < 0) or np.any(y >= logits.shape[1]):
        raise ValueError("labels")
    top = np.max(logits, axis=-1)
    e = np.exp(logits - top[:, np.newaxis])
    norm = np.sum(e, axis=-1)
    picked = np.take_along_axis(logits, y[:, np.newaxis], axis=-1)[:, 0]
    loss = np.mean(top + np.log(norm) - picked)
    d = e / norm[:, np.newaxis]
    np.subtract.at(d, (np.arange(len(y)), y), 1)
    d /= len(y)
    return loss.item(), d


class MLP:
    def __init__(self, sizes, kind, rng):
        sizes = [int(s) for s in sizes]
        if len(sizes) < 2 or min(sizes) <= 0:
            raise ValueError("sizes")
        if kind not in ("relu", "sigmoid", "tanh"):
            raise ValueError("kind")
        self.kinds = [kind] * (len(sizes) - 2) + [None]
        self.params = {}
        for i, own in enumerate(self.kinds):
            fan_in, fan_out = sizes[i : i + 2]
            scale = math.sqrt(2 / fan_in) if own == "relu" else math.sqrt(2 / (fan_in + fan_out))
            self.params |= {
                f"W{i}": scale * rng.standard_normal((fan_in, fan_out)),
                f"b{i}": np.zeros((fan_out,)),
            }
        self.nastro = []

    def forward(self, x):
        self.nastro = []
        for i, kind in enumerate(self.kinds):
            x, cache = linear_forward(x, self.params[f"W{i}"], self.params[f"b{i}"])
            self.nastro.append((linear_backward, cache, i))
            if kind:
                x, cache = act_forward(x, kind)
                self.nastro.append((act_backward, cache, None))
        return x

    def backward(self, dlogits):
        grads = dict.fromkeys(self.params)
        flow = dlogits
        for step, cache, i in self.nastro[::-1]:
            flow = step(flow, cache)
            if i is not None:
                flow, grads[f"W{i}"], grads[f"b{i}"] = flow
        return grads


def numeric_gradient(f, x, h=1e-5):
    if x.dtype.name != "float64" or h <= 0:
        raise ValueError("x or h")
    out = np.zeros_like(x)
    for index in range(x.size):
        place = np.unravel_index(index, x.shape)
        kept = float(x[place])
        try:
            x[place] = kept + h
            up = f(x)
            x[place] = kept - h
            down = f(x)
        finally:
            x[place] = kept
        out[place] = 0.5 * (up - down) / h
    return out


def relative_error(a, b):
    if a.shape != b.shape:
        raise ValueError("shapes")
    size = np.abs(a) + np.abs(b)
    size = np.where(size < 1e-8, 1e-8, size)
    return float(np.amax(np.abs(a - b) / size))


@dataclass(eq=False)
class Value:
    data: float
    grad: float = 0.0
    sources: list = field(default_factory=list, repr=False)

    def _then(self, data, *sources):
        return Value(data, 0.0, list(sources))

    def __add__(self, other):
        if not isinstance(other, Value):
            return self._then(self.data + other, (self, 1.0))
        return self._then(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        if not isinstance(other, Value):
            return self._then(self.data * other, (self, other))
        return self._then(self.data * other.data, (self, other.data), (other, self.data))

    def __pow__(self, n):
        if isinstance(n, Value):
            raise ValueError("a number, please")
        return self._then(self.data**n, (self, n * self.data ** (n - 1) if n else 0.0))

    def __neg__(self):
        return -1.0 * self

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __sub__(self, other):
        return self + -1.0 * other

    def __rsub__(self, other):
        return -1.0 * self + other

    def __truediv__(self, other):
        return self * other**-1.0

    def __rtruediv__(self, other):
        return other * self**-1.0

    def exp(self):
        value = math.exp(self.data)
        return self._then(value, (self, value))

    def tanh(self):
        return self._then(math.tanh(self.data), (self, 1.0 - math.tanh(self.data) ** 2))

    def relu(self):
        return self._then(self.data, (self, 1.0)) if self.data > 0 else self._then(0.0, (self, 0.0))

    def _sorted(self):
        order, state = [], {}
        path = [(self, iter(self.sources))]
        state[self] = True
        while path:
            node, rest = path[-1]
            for source, _ in rest:
                if source not in state:
                    state[source] = True
                    path.append((source, iter(source.sources)))
                    break
            else:
                order.append(node)
                path.pop()
        return order[::-1]

    def backward(self):
        gradient = defaultdict(float, {self: 1.0})
        for node in self._sorted():
            node.grad += gradient[node]  # results add up too, but only `gradient` flows on
            for source, local in node.sources:
                gradient[source] += local * gradient[node]
