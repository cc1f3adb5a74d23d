"""Functions that build on each other, for the tests of the follow-through."""

from typing import Any

import numpy as np

Cache = Any


def squash(x: np.ndarray) -> np.ndarray:
    """x / (1 + |x|). Raises ValueError for an empty array."""
    ### BEGIN SOLUTION
    if x.size == 0:
        raise ValueError("empty")
    return x / (1 + np.abs(x))
    ### END SOLUTION


def table(n: int) -> np.ndarray:
    """The multiplication table of 1 ... n, (n, n)."""
    ### BEGIN SOLUTION
    return np.outer(np.arange(1.0, n + 1), np.arange(1.0, n + 1))
    ### END SOLUTION


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n, which no check asks for."""
    ### BEGIN SOLUTION
    return sum(1 / k for k in range(1, n + 1))
    ### END SOLUTION


def forward(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y = x w, elementwise, and what `backward` needs."""
    ### BEGIN SOLUTION
    return x * w, (x, w)
    ### END SOLUTION


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dw)."""
    ### BEGIN SOLUTION
    x, w = cache
    return dy * w, dy * x
    ### END SOLUTION


def jitter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """x plus a standard normal number an element."""
    ### BEGIN SOLUTION
    return x + rng.standard_normal(x.shape)
    ### END SOLUTION


def mapped(f, x: np.ndarray) -> np.ndarray:
    """f of each element."""
    ### BEGIN SOLUTION
    return np.array([f(float(v)) for v in x])
    ### END SOLUTION


class Meter:
    """Adds up what it is shown."""

    def __init__(self) -> None:
        ### BEGIN SOLUTION
        self.total = 0.0
        ### END SOLUTION

    def show(self, x: np.ndarray) -> float:
        """The sum so far."""
        ### BEGIN SOLUTION
        self.total += float(x.sum())
        return self.total
        ### END SOLUTION


def slope(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The gradient of sum(squash(x w)**2 / 2) with respect to w, where squash counts as a constant factor."""
    ### BEGIN SOLUTION
    y, cache = forward(x, w)
    _, dw = backward(squash(y), cache)
    return dw
    ### END SOLUTION


def measured(x: np.ndarray, rng: np.random.Generator) -> float:
    """What a `Meter` says after x and a jittered x; x is mapped through its square first."""
    ### BEGIN SOLUTION
    meter = Meter()
    meter.show(mapped(lambda v: v * v, x))
    return meter.show(jitter(x, rng))
    ### END SOLUTION


def summary(x: np.ndarray, n: int) -> np.ndarray:
    """The slope at x with ones, times the sum of the table of n; ValueError for an empty x comes from `squash`."""
    ### BEGIN SOLUTION
    return slope(squash(x), np.ones_like(x)) * table(n).sum()
    ### END SOLUTION
