"""Übungsblatt 1 - Lukas Brandt (3187720)

Ich schreibe lieber Schleifen, dann sehe ich jeden Index.  (Loops on purpose, please do not laugh.)
"""

import math

import numpy as np


def linear_forward(x, W, b):
    if len(x.shape) != 2 or len(W.shape) != 2 or len(b.shape) != 1:
        raise ValueError("x and W need two axes, b one")
    if x.shape[1] != W.shape[0]:
        raise ValueError("x and W disagree about the number of inputs")
    if W.shape[1] != b.shape[0]:
        raise ValueError("W and b disagree about the number of outputs")
    y = np.zeros((x.shape[0], W.shape[1]), dtype=x.dtype)
    for n in range(x.shape[0]):
        for m in range(W.shape[1]):
            total = b[m]  # start with the bias
            for d in range(x.shape[1]):
                total = total + x[n, d] * W[d, m]
            y[n, m] = total
    return y, {"x": x, "W": W, "b": b}


def linear_backward(dy, cache):
    x, W, b = cache["x"], cache["W"], cache["b"]
    if dy.shape != (x.shape[0], W.shape[1]):
        raise ValueError("dy must have the shape of y")
    dx, dW, db = (np.zeros(v.shape, dtype=v.dtype) for v in (x, W, b))
    for n in range(x.shape[0]):
        for m in range(W.shape[1]):
            db[m] += dy[n, m]
            for d in range(x.shape[1]):
                dx[n, d] += dy[n, m] * W[d, m]
                dW[d, m] += dy[n, m] * x[n, d]
    return dx, dW, db


def aktivierung(v, kind):
    if kind == "relu":
        return v if v > 0 else 0.0
    if kind == "tanh":
        return math.tanh(v)
    if v >= 0:
        return 1.0 / (1.0 + math.exp(-v))
    return math.exp(v) / (1.0 + math.exp(v))


def act_forward(z, kind):
    if kind not in {"relu", "sigmoid", "tanh"}:
        raise ValueError("kind must be relu, sigmoid or tanh")
    a = np.zeros(z.shape, dtype=z.dtype)
    for i in np.ndindex(z.shape):
        a[i] = aktivierung(float(z[i]), kind)
    return a, {"z": z, "kind": kind}


def act_backward(da, cache):
    z, kind = cache["z"], cache["kind"]
    if da.shape != z.shape:
        raise ValueError("da must have the shape of z")
    dz = np.zeros(z.shape, dtype=da.dtype)
    for i in np.ndindex(z.shape):
        a = aktivierung(float(z[i]), kind)
        if kind == "relu":
            slope = 1.0 if z[i] > 0 else 0.0
        elif kind == "sigmoid":
            slope = a * (1.0 - a)
        else:
            slope = 1.0 - a * a
        dz[i] = da[i] * slope
    return dz


def softmax_xent(logits, y):
    if len(logits.shape) != 2 or len(y.shape) != 1 or len(y) != len(logits):
        raise ValueError("logits (N, K) and labels (N,) expected")
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError("labels must be integers")
    n_rows, n_classes = logits.shape
    total = 0.0
    dlogits = np.zeros(logits.shape, dtype=logits.dtype)
    for n in range(n_rows):
        label = int(y[n])
        if label < 0 or label >= n_classes:
            raise ValueError("label out of range")
        row = [float(v) for v in logits[n]]
        top = max(row)
        weights = [math.exp(v - top) for v in row]
        norm = sum(weights)
        total += math.log(norm) + top - row[label]
        for k in range(n_classes):
            dlogits[n, k] = (weights[k] / norm - (1.0 if k == label else 0.0)) / n_rows
    return total / n_rows, dlogits


class MLP:
    def __init__(self, sizes, kind, rng):
        if len(sizes) < 2:
            raise ValueError("a network needs at least one layer")
        for size in sizes:
            if size < 1:
                raise ValueError("a layer needs at least one unit")
        if kind not in {"relu", "sigmoid", "tanh"}:
            raise ValueError("kind must be relu, sigmoid or tanh")
        self.kind = kind
        self.n_layers = len(sizes) - 1
        self.params = {}
        for i in range(self.n_layers):
            fan_in, fan_out = sizes[i], sizes[i + 1]
            last = i == self.n_layers - 1
            std = (2.0 / fan_in) ** 0.5 if kind == "relu" and not last else (2.0 / (fan_in + fan_out)) ** 0.5
            self.params["b%d" % i] = np.zeros(fan_out)
            self.params["W%d" % i] = rng.standard_normal((fan_in, fan_out)) * std

    def forward(self, x):
        self.linear_caches, self.act_caches = [], []
        for i in range(self.n_layers):
            x, cache = linear_forward(x, self.params["W%d" % i], self.params["b%d" % i])
            self.linear_caches.append(cache)
            if i < self.n_layers - 1:
                x, cache = act_forward(x, self.kind)
                self.act_caches.append(cache)
        return x

    def backward(self, dlogits):
        grads = {}
        dh, dW, db = linear_backward(dlogits, self.linear_caches[-1])
        grads["W%d" % (self.n_layers - 1)], grads["b%d" % (self.n_layers - 1)] = dW, db
        for i in range(self.n_layers - 2, -1, -1):
            dz = act_backward(dh, self.act_caches[i])
            dh, grads["W%d" % i], grads["b%d" % i] = linear_backward(dz, self.linear_caches[i])
        return grads


def numeric_gradient(f, x, h=1e-5):
    if x.dtype != np.dtype("float64"):
        raise ValueError("float64 only")
    if h <= 0:
        raise ValueError("h must be positive")
    grad = np.zeros(x.shape)
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    for _ in it:
        i = it.multi_index
        saved = x[i]
        x[i] = saved + h
        above = f(x)
        x[i] = saved - h
        below = f(x)
        x[i] = saved
        grad[i] = (above - below) / (2.0 * h)
    return grad


def relative_error(a, b):
    if a.shape != b.shape:
        raise ValueError("a and b must have the same shape")
    worst = 0.0
    for p, q in zip(a.flat, b.flat, strict=True):
        worst = max(worst, abs(p - q) / max(1e-8, abs(p) + abs(q)))
    return float(worst)


class Value:
    def __init__(self, x, parents=()):
        self.data = x
        self.grad = 0.0
        self.parents = parents
        self.push = lambda: None

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def push():
            self.grad += out.grad
            other.grad += out.grad

        out.push = push
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def push():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.push = push
        return out

    def __pow__(self, n):
        if not isinstance(n, (int, float)):
            raise ValueError("only numbers as exponents")
        out = Value(self.data**n, (self,))

        def push():
            self.grad += (n * self.data ** (n - 1) if n else 0.0) * out.grad

        out.push = push
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,))

        def push():
            self.grad += (1 - t**2) * out.grad

        out.push = push
        return out

    def exp(self):
        out = Value(math.exp(self.data), (self,))

        def push():
            self.grad += out.data * out.grad

        out.push = push
        return out

    def relu(self):
        out = Value(self.data if self.data > 0 else 0.0, (self,))

        def push():
            self.grad += (out.data > 0) * out.grad

        out.push = push
        return out

    def __neg__(self):
        return self * -1

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return other * self**-1

    def backward(self):
        # Kahn-Algorithmus aus der Algorithmen-Vorlesung: erst zaehlen, wie oft ein Wert benutzt wird
        offen, found = {}, [self]
        offen[id(self)] = 0
        for node in found:
            if node.parents:
                node.grad = 0.0
            for parent in node.parents:
                if id(parent) not in offen:
                    offen[id(parent)] = 0
                    found.append(parent)
                offen[id(parent)] += 1
        self.grad += 1.0
        bereit = [self]
        while bereit:
            node = bereit.pop()
            node.push()
            for parent in node.parents:
                offen[id(parent)] -= 1
                if offen[id(parent)] == 0:
                    bereit.append(parent)
