"""A topic of three small units, for the tests of the engine."""

import numpy as np


def double(x: np.ndarray) -> np.ndarray:
    """Twice the array. Raises ValueError for an empty one."""
    ### BEGIN SOLUTION
    if x.size == 0:
        raise ValueError("empty")
    return x * 2
    ### END SOLUTION


def apply(f, x: float) -> float:
    """f(x) + f(-x)."""
    ### BEGIN SOLUTION
    return f(x) + f(-x)
    ### END SOLUTION


def noise(shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Standard normal noise from the generator."""
    ### BEGIN SOLUTION
    return rng.standard_normal(shape)
    ### END SOLUTION


class Counter:
    """Counts up."""

    def __init__(self, start: int) -> None:
        ### BEGIN SOLUTION
        self.value = start
        ### END SOLUTION

    def step(self) -> int:
        """One more."""
        ### BEGIN SOLUTION
        self.value += 1
        return self.value
        ### END SOLUTION
