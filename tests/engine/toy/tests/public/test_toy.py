
from grader.checks import assert_close, check


@check("double", points=20)
def test_double_small(submission, rng):
    """Every element is doubled."""
    x = rng.standard_normal(3)
    assert_close(submission.double(x), x + x, name="double(x)")


@check("apply", points=10)
def test_apply_calls_back(submission):
    """The function is called with x and with -x."""
    seen = []
    assert_close(submission.apply(lambda v: seen.append(v) or v * v, 3.0), 18.0)
    assert sorted(seen) == [-3.0, 3.0], "the function should be called at 3 and at -3"
