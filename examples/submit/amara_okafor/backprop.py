# Amara Okafor, s2104418
# I write every product as an einsum: the subscripts are the formula, so I cannot mix up the axes.

import numpy as np

RELU, SIGMOID, TANH = "relu", "sigmoid", "tanh"


def linear_forward(x, W, b):
    if (x.ndim, W.ndim, b.ndim) != (2, 2, 1) or x.shape[-1] != W.shape[0] or W.shape[-1] != b.shape[0]:
        raise ValueError("shapes do not fit")
    n, m = x.shape[0], W.shape[1]

    def pull_back(dy):
        if dy.shape != (n, m):
            raise ValueError("dy does not fit")
        return np.einsum("nm,dm->nd", dy, W), np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)

    return np.einsum("nd,dm->nm", x, W) + b, pull_back  # the cache *is* the derivative


def linear_backward(dy, cache):
    return cache(dy)


def act_forward(z, kind):
    if kind == RELU:
        # heaviside(0, 0) = 0 is the convention of the handout
        mask = np.heaviside(z, 0)
        a, slope = z * mask, mask
    elif kind == SIGMOID:
        a = (1 + np.tanh(z / 2)) / 2
        slope = a * (1 - a)
    elif kind == TANH:
        a = np.tanh(z)
        slope = (1 - a) * (1 + a)
    else:
        raise ValueError("unknown kind " + str(kind))
    return a, slope


def act_backward(da, cache):
    if np.shape(da) != np.shape(cache):
        raise ValueError("da does not fit")
    return np.multiply(da, cache)


def softmax_xent(logits, y):
    if logits.ndim != 2 or y.ndim != 1 or len(y) != len(logits) or y.dtype.kind not in "iu":
        raise ValueError("logits or labels do not fit")
    classes = np.arange(logits.shape[1])
    target = (y[:, None] == classes).astype(logits.dtype)
    if (target.sum(axis=1) != 1).any():
        raise ValueError("a label is none of the classes")
    logsumexp = np.logaddexp.reduce(logits, axis=1)
    per_row = logsumexp - np.einsum("nk,nk->n", logits, target)
    p = np.exp(logits - logsumexp[:, None])
    return float(np.mean(per_row)), (p - target) / len(y)


class Dense:
    def __init__(self, d, m, variance, kind, rng):
        bound = np.sqrt(3 * variance)  # a uniform draw on +-bound has the variance bound² / 3
        self.W, self.b, self.kind = rng.uniform(-bound, bound, (d, m)), np.zeros(m), kind

    def forward(self, x):
        z, self.linear = linear_forward(x, self.W, self.b)
        if self.kind is None:
            return z
        a, self.act = act_forward(z, self.kind)
        return a

    def backward(self, da):
        dz = da if self.kind is None else act_backward(da, self.act)
        return linear_backward(dz, self.linear)


class MLP:
    def __init__(self, sizes, kind, rng):
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise ValueError("bad sizes")
        act_forward(np.zeros(1), kind)
        self.layers = []
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        for d, m in pairs[:-1]:
            self.layers.append(Dense(d, m, 2 / d if kind == RELU else 2 / (d + m), kind, rng))
        d, m = pairs[-1]
        self.layers.append(Dense(d, m, 2 / (d + m), None, rng))

    @property
    def params(self):
        names = {}
        for i, layer in enumerate(self.layers):
            names["W" + str(i)], names["b" + str(i)] = layer.W, layer.b
        return names

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dlogits):
        grads = {}
        for i, layer in reversed(list(enumerate(self.layers))):
            dlogits, grads["W" + str(i)], grads["b" + str(i)] = layer.backward(dlogits)
        return grads


def numeric_gradient(f, x, h=1e-5):
    if x.dtype != float or h <= 0:
        raise ValueError("float64 and a positive step, please")
    # one row of the identity per element of x, fine for gradient checks of this size
    directions = np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in directions]
    return np.array(slopes, dtype=float).reshape(x.shape)


def relative_error(a, b):
    if np.shape(a) != np.shape(b):
        raise ValueError("shapes differ")
    return np.max(np.abs(a - b) / np.clip(np.abs(a) + np.abs(b), 1e-8, None)).item()


class Value:
    # nodes are numbered as they are counter, so a larger number never feeds a smaller one


    counter = 0

    def __init__(self, x):
        self.data, self.grad, self.inputs = float(x), 0.0, []
        Value.counter += 1
        self.number = Value.counter

    @classmethod
    def of(cls, x):
        return x if isinstance(x, cls) else cls(x)

    def _node(self, data, *inputs):
        node = Value(data)
        node.inputs = list(inputs)
        return node

    def __add__(self, other):
        other = Value.of(other)
        return self._node(self.data + other.data, (self, 1.0), (other, 1.0))

    def __sub__(self, other):
        other = Value.of(other)
        return self._node(self.data - other.data, (self, 1.0), (other, -1.0))

    def __mul__(self, other):
        other = Value.of(other)
        return self._node(self.data * other.data, (self, other.data), (other, self.data))

    def __truediv__(self, other):
        other = Value.of(other)
        return self._node(
            self.data / other.data, (self, 1 / other.data), (other, -self.data / (other.data * other.data))
        )

    def __pow__(self, exponent):
        try:
            exponent = float(exponent)
        except TypeError:
            raise ValueError("the exponent is a number") from None
        return self._node(self.data**exponent, (self, exponent * self.data ** (exponent - 1) if exponent else 0.0))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return Value(other) - self

    def __rtruediv__(self, other):
        return Value(other) / self

    def __neg__(self):
        return self._node(-self.data, (self, -1.0))

    def tanh(self):
        t = float(np.tanh(self.data))
        return self._node(t, (self, (1 - t) * (1 + t)))

    def exp(self):
        e = float(np.exp(self.data))
        return self._node(e, (self, e))

    def relu(self):
        return self if self.data > 0 else self._node(0.0, (self, 0.0))

    def backward(self):
        # largest number first: everything that uses a node comes before the node
        import heapq

        arriving = {self.number: 1.0}
        nodes = {self.number: self}
        queue = [-self.number]
        while queue:
            number = -heapq.heappop(queue)
            node, gradient = nodes.pop(number), arriving.pop(number)
            node.grad = gradient if node.inputs else node.grad + gradient
            for source, local in node.inputs:
                if source.number not in nodes:
                    nodes[source.number] = source
                    arriving[source.number] = 0.0
                    heapq.heappush(queue, -source.number)
                arriving[source.number] += local * gradient
