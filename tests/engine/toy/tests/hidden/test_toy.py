import numpy as np
import pytest

from grader.checks import assert_close, assert_pure, assert_raises, check

MARKER = 0.735218946  # an input value that no report may show


@check("double", points=20)
def test_double_marker(submission):
    """Large arrays are doubled too."""
    x = np.full((4, 5), MARKER)
    assert_close(assert_pure(submission.double, x), x * 2, name="double(x)")


@check("double", points=10)
def test_double_refuses_nothing(submission):
    """An empty array is refused."""
    assert_raises(ValueError, submission.double, np.zeros(0))
    with pytest.raises(ValueError):
        submission.double(np.zeros((0, 2)))


@check("noise", points=20)
def test_noise_moves_the_generator(submission, rng):
    """Each call draws anew from the generator it is given."""
    first, second = submission.noise((3,), rng), submission.noise((3,), rng)
    assert np.abs(first - second).max() > 0, "two calls gave the same noise"


@check("Counter", points=20)
def test_counter_counts(submission, reference):
    """A counter goes up by one at each step."""
    counter, oracle = submission.Counter(5), reference.Counter(5)
    for _ in range(3):
        assert_close(counter.step(), oracle.step())
    assert_close(counter.value, 8)
