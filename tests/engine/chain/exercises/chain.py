"""Functions that build on each other, for the tests of the follow-through."""

from typing import Any

import numpy as np

Cache = Any


def squash(x: np.ndarray) -> np.ndarray:
    """x / (1 + |x|). Raises ValueError for an empty array."""
    raise NotImplementedError("squash")


def table(n: int) -> np.ndarray:
    """The multiplication table of 1 ... n, (n, n)."""
    raise NotImplementedError("table")


def harmonic(n: int) -> float:
    """1 + 1/2 + ... + 1/n, which no check asks for."""
    raise NotImplementedError("harmonic")


def forward(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, Cache]:
    """y = x w, elementwise, and what `backward` needs."""
    raise NotImplementedError("forward")


def backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dw)."""
    raise NotImplementedError("backward")


def jitter(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """x plus a standard normal number an element."""
    raise NotImplementedError("jitter")


def mapped(f, x: np.ndarray) -> np.ndarray:
    """f of each element."""
    raise NotImplementedError("mapped")


class Meter:
    """Adds up what it is shown."""

    def __init__(self) -> None:
        raise NotImplementedError("Meter.__init__")

    def show(self, x: np.ndarray) -> float:
        """The sum so far."""
        raise NotImplementedError("Meter.show")


def slope(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The gradient of sum(squash(x w)**2 / 2) with respect to w, where squash counts as a constant factor."""
    raise NotImplementedError("slope")


def measured(x: np.ndarray, rng: np.random.Generator) -> float:
    """What a `Meter` says after x and a jittered x; x is mapped through its square first."""
    raise NotImplementedError("measured")


def summary(x: np.ndarray, n: int) -> np.ndarray:
    """The slope at x with ones, times the sum of the table of n; ValueError for an empty x comes from `squash`."""
    raise NotImplementedError("summary")
