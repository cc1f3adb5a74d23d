import numpy as np

from grader.checks import assert_close, check


@check("squash", points=10)
def test_squash(submission, rng):
    """Every number ends between -1 and 1."""
    x = rng.standard_normal(3)
    assert_close(submission.squash(x), x / (1 + np.abs(x)), name="squash(x)")


@check("slope", points=10)
def test_slope_of_few(submission, rng):
    """The gradient with respect to the weights."""
    x, w = rng.standard_normal(2), rng.standard_normal(2)
    y = x * w
    assert_close(submission.slope(x, w), y / (1 + np.abs(y)) * x, name="slope")
