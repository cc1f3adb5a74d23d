from grader.checks import assert_close, check


@check("half", points=100)
def test_half(submission):
    """Half is half."""
    assert_close(submission.half(3.0), 1.5)
