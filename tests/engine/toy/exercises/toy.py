"""A topic of three small units, for the tests of the engine."""

import numpy as np


def double(x: np.ndarray) -> np.ndarray:
    """Twice the array. Raises ValueError for an empty one."""
    raise NotImplementedError("double")


def apply(f, x: float) -> float:
    """f(x) + f(-x)."""
    raise NotImplementedError("apply")


def noise(shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Standard normal noise from the generator."""
    raise NotImplementedError("noise")


class Counter:
    """Counts up."""

    def __init__(self, start: int) -> None:
        raise NotImplementedError("Counter.__init__")

    def step(self) -> int:
        """One more."""
        raise NotImplementedError("Counter.step")
