"""Wrong implementations of the regularization topic, each with the sentence a student should read."""

import numpy as np

from grader.checks import misconception


def weights_of(params):
    return {key: W for key, W in params.items() if key.startswith("W")}


# ------------------------------------------------------------------------------------------ dropout


@misconception(
    "rg1",
    "Scale the survivors by 1 / (1 - p), or activations shrink at training time and are larger in evaluation.",
    caught_by="test_dropout_zeroes_or_scales",
)
def dropout_forward(x, p, rng, train):
    if not 0 <= p < 1:
        raise ValueError("p")
    if not train:
        return x.copy(), np.ones_like(x)
    mask = (rng.random(x.shape) >= p).astype(x.dtype)
    return x * mask, mask


@misconception(
    "rg2",
    "An element survives with probability 1 - p, so the survivors are divided by 1 - p and not by p.",
    caught_by="test_dropout_zeroes_or_scales",
)
def dropout_forward_divided_by_p(x, p, rng, train):
    if not 0 <= p < 1:
        raise ValueError("p")
    if not train or p == 0:
        return x.copy(), np.ones_like(x)
    mask = (rng.random(x.shape) >= p).astype(x.dtype) / p
    return x * mask, mask


dropout_forward_divided_by_p = misconception  # placeholder, replaced below
