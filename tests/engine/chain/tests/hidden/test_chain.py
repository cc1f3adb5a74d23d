import numpy as np

from grader.checks import assert_close, assert_raises, check


@check("squash", points=10)
def test_squash_refuses_nothing(submission):
    """An empty array is refused."""
    assert_raises(ValueError, submission.squash, np.zeros(0))


@check("table", points=10)
def test_table(submission):
    """The table of three."""
    assert_close(submission.table(3), np.array([[1.0, 2, 3], [2, 4, 6], [3, 6, 9]]), name="table(3)")


@check("backward", points=10)
def test_backward(submission, rng):
    """Both gradients of a product."""
    x, w, dy = rng.standard_normal((3, 4))
    _, cache = submission.forward(x, w)
    assert_close(submission.backward(dy, cache), (dy * w, dy * x))


@check("jitter", points=5)
def test_jitter(submission, rng):
    """Each element is moved, and the generator moves on."""
    x, before = np.zeros(4), rng.bit_generator.state
    first, second = submission.jitter(x, rng), submission.jitter(x, rng)
    assert np.abs(first - second).min() > 0, "two calls gave the same jitter"
    assert rng.bit_generator.state != before, "the generator was not used"


@check("mapped", points=5)
def test_mapped(submission):
    """The function is called for each element."""
    assert_close(submission.mapped(lambda v: v + 1, np.array([1.0, 2.0])), np.array([2.0, 3.0]))


@check("Meter", points=10)
def test_meter(submission):
    """A meter adds up."""
    meter = submission.Meter()
    meter.show(np.ones(2))
    assert_close(meter.show(np.ones(3)), 5.0)


@check("slope", points=10)
def test_slope_of_many(submission, rng):
    """The gradient with respect to many weights."""
    x, w = rng.standard_normal((2, 50))
    y = x * w
    assert_close(submission.slope(x, w), y / (1 + np.abs(y)) * x, name="slope")


@check("measured", points=10)
def test_measured(submission, rng):
    """The meter has seen the squares and the jittered numbers."""
    x, oracle = np.arange(4.0), np.random.default_rng(0)
    oracle.bit_generator.state = rng.bit_generator.state
    assert_close(submission.measured(x, rng), float((x * x).sum() + (x + oracle.standard_normal(4)).sum()))


@check("summary", points=5)
def test_summary(submission, rng):
    """The slope at squashed numbers, many times over."""
    x = rng.standard_normal(4)
    s = x / (1 + np.abs(x))
    assert_close(submission.summary(x, 3), s / (1 + np.abs(s)) * s * 36, name="summary")


@check("summary", points=5)
def test_summary_refuses_nothing(submission):
    """An empty array is refused."""
    assert_raises(ValueError, submission.summary, np.zeros(0), 2)
