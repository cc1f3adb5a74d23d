"""Regularization: penalties, dropout, batch normalization, soft targets, mixing, early stopping.

NumPy only. Arrays are batch-first, images are NCHW. Every function is pure: arguments are never
written to, results never share memory with arguments (a cache may), and randomness comes only
from the `rng` argument. float32 in gives float32 out, float64 in gives float64 out.
"""

from typing import Any

import numpy as np

Array = np.ndarray
Params = dict[str, Array]
Running = tuple[Array, Array]  # (mean, var), each (D,)
Cache = Any  # whatever batchnorm_forward stores for batchnorm_backward
Box = tuple[int, int, int, int]  # (r, c, h, w)


def l2_penalty(params: Params, alpha: float) -> tuple[float, Params]:
    """The L2 penalty of all weights and its gradient.

    penalty = alpha / 2 * sum of W**2 over every entry of every array whose key starts with a capital "W".
    All other parameters (biases, gamma, beta, ...) are not penalised.

    Args:
        params: parameter arrays by name, each of any shape, float.
        alpha: strength of the penalty, a Python float >= 0.

    Returns:
        penalty: scalar; 0 if nothing is penalised.
        grads: gradient of the penalty for each key that starts with "W", shape and dtype of the parameter.
            Callers read it with `grads.get(key, 0)`, so the other keys need no entry.

    Source: Krogh and Hertz, "A simple weight decay can improve generalization", NIPS 4, 1992, section 1.
    """
    raise NotImplementedError("l2_penalty")


def l1_penalty(params: Params, alpha: float) -> tuple[float, Params]:
    """The L1 penalty of all weights and a sub-gradient of it.

    penalty = alpha * sum of |W| over every entry of every array whose key starts with a capital "W".
    All other parameters are not penalised. Of the sub-gradients at W = 0 the one returned is 0.

    Args:
        params: parameter arrays by name, each of any shape, float.
        alpha: strength of the penalty, a Python float >= 0.

    Returns:
        penalty: scalar; 0 if nothing is penalised.
        grads: sub-gradient for each key that starts with "W", shape and dtype of the parameter.
            Callers read it with `grads.get(key, 0)`, so the other keys need no entry.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """
    raise NotImplementedError("l1_penalty")


def soft_threshold(w: Array, t: float) -> Array:
    """Shrink every entry towards 0 by t, and stop at 0: sign(w) * max(|w| - t, 0).

    This is the proximal operator of the L1 norm:
    the v that minimises 1/2 * (v - w)**2 + t * |v|, entry by entry.

    Args:
        w: float array of any shape.
        t: threshold, a Python float >= 0.

    Returns:
        Array with the shape and dtype of w. Entries with |w| <= t are exactly 0.

    Source: Donoho, "De-noising by soft-thresholding", 1995; Beck and Teboulle (FISTA), 2009, section 1.
    """
    raise NotImplementedError("soft_threshold")


def dropout_forward(x: Array, p: float, rng: np.random.Generator, train: bool) -> tuple[Array, Array]:
    """Inverted dropout.

    In training every element of x is dropped with probability p, independently of all others,
    and the survivors are scaled by 1 / (1 - p), so that the expected output is x.

    Args:
        x: input of any shape, float.
        p: probability of *dropping* an element, 0 <= p < 1.
        rng: the only source of randomness. In which order it is drawn from is free.
        train: True drops; False returns x as it is and draws nothing from rng.

    Returns:
        y: x * mask, shape and dtype of x. Never x itself, also if nothing was dropped.
        mask: one entry per element of x, either 0 or 1 / (1 - p), shape and dtype of x.
            With train=False, or p = 0, all ones.

    Raises:
        ValueError: p < 0 or p >= 1.

    Source: Srivastava et al., "Dropout", JMLR 15, 2014, sections 4 and 10 (scaling at training time).
    """
    raise NotImplementedError("dropout_forward")


def dropout_backward(dy: Array, mask: Array) -> Array:
    """Gradient of inverted dropout.

    Args:
        dy: upstream gradient, shape of y, float.
        mask: the mask that dropout_forward returned for this y, same shape, entries 0 or 1 / (1 - p).

    Returns:
        dx: gradient for x, shape and dtype of dy. Never dy itself.
    """
    raise NotImplementedError("dropout_backward")


def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    run: Running,
    train: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Cache, Running]:
    """Batch normalization of the columns of x.

    y = gamma * x_hat + beta with x_hat = (x - mean) / sqrt(var + eps), column by column.
    Training: mean and *biased* variance (divide by N) of this batch; the running averages become
    (1 - momentum) * old + momentum * batch value, with the *unbiased* variance (divide by N - 1).
    Evaluation: mean and var are the running ones, which stay as they are.
    The variance must come from centred values: E[x**2] - E[x]**2 fails for columns with a large mean.

    Args:
        x: (N, D) float; N >= 2 in training, N >= 1 in evaluation.
        gamma: scale, (D,).
        beta: shift, (D,).
        run: running (mean, var), each (D,); not written to.
        train: which of the two modes.
        momentum: weight of the *new* batch in the running averages, a Python float.
        eps: added to the variance, inside the root, a Python float.

    Returns:
        y: (N, D), dtype of x.
        cache: whatever batchnorm_backward needs.
        run_new: running (mean, var) after this call, each (D,), dtype of x.
            In evaluation it may be run itself.

    Raises:
        ValueError: train with N = 1 (one example has no variance).

    Source: Ioffe and Szegedy, arXiv 1502.03167, algorithm 1; section 3.1 (unbiased variance for inference).
    """
    raise NotImplementedError("batchnorm_forward")


def batchnorm_backward(dy: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Gradients of training-mode batch normalization.

    Mean and variance are functions of x, so their part of the derivative belongs to dx.
    The cache may be used again: it is not changed.

    Args:
        dy: upstream gradient, (N, D) float.
        cache: what batchnorm_forward(..., train=True) returned for this batch; it may be used more than once.

    Returns:
        dx: (N, D), dtype of dy.
        dgamma: (D,).
        dbeta: (D,).

    Source: Ioffe and Szegedy, arXiv 1502.03167, section 3 (the chain rule, here in closed form).
    """
    raise NotImplementedError("batchnorm_backward")


def smooth_labels(y: Array, K: int, eps: float) -> Array:
    """Smoothed one-hot targets: (1 - eps) * onehot + eps / K.

    Args:
        y: class indices, (N,) integer, 0 <= y < K.
        K: number of classes, >= 1; a single class has the target 1.
        eps: total mass spread evenly over *all* K classes, the true one included, 0 <= eps <= 1.

    Returns:
        t: (N, K) float64; each row sums to 1.

    Source: Szegedy et al., arXiv 1512.00567, section 7.
    """
    raise NotImplementedError("smooth_labels")


def soft_xent(logits: Array, t: Array) -> tuple[float, Array]:
    """Mean cross-entropy between target distributions and softmax(logits), and its gradient.

    loss = -1/N * sum over n, k of t[n, k] * log softmax(logits[n])[k].
    Logits of any finite size are fine: no overflow, no logarithm of 0.

    Args:
        logits: (N, K) float.
        t: target distributions, (N, K), dtype of logits; each row sums to 1.

    Returns:
        loss: scalar.
        dlogits: gradient of the loss for the logits, (N, K), dtype of logits.

    Source: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3.
    """
    raise NotImplementedError("soft_xent")


def mixup(x: Array, t: Array, lam: float, perm: Array) -> tuple[Array, Array]:
    """Convex combination of each example, and of its target, with a partner from the same batch.

    Args:
        x: inputs, (N, ...) float of any further shape.
        t: targets, (N, K) float.
        lam: weight of x itself, 0 <= lam <= 1, a Python float; x[perm] gets 1 - lam.
        perm: index of each example's partner, (N,) integer.

    Returns:
        (x_mixed, t_mixed): shapes and dtypes of x and t. Never x and t themselves, also if lam = 1.

    Raises:
        ValueError: lam < 0 or lam > 1.

    Source: Zhang et al., arXiv 1710.09412, sections 1 and 2.
    """
    raise NotImplementedError("mixup")


def cutmix(x: Array, t: Array, box: Box, perm: Array) -> tuple[Array, Array]:
    """Paste the same box of each image's partner into it, and mix the targets by the area pasted.

    The box (r, c, h, w) covers rows r .. r+h-1 and columns c .. c+w-1. It may stick out of the image
    on any side, or miss it; it is clipped to the image first. With A pixels really pasted,
    t_mixed = lam * t + (1 - lam) * t[perm] with lam = 1 - A / (H * W).

    Args:
        x: images, (N, C, H, W) float.
        t: targets, (N, K) float.
        box: (r, c, h, w) integers: first row, first column (either may be negative), height, width (>= 0).
        perm: index of each image's partner, (N,) integer.

    Returns:
        (x_mixed, t_mixed): shapes and dtypes of x and t. Never x and t themselves.

    Source: Yun et al., arXiv 1905.04899, section 3.1, eq. 1 and 2.
    """
    raise NotImplementedError("cutmix")


class EarlyStopping:
    """Tells when the validation loss has stopped improving.

    A step improves if val_loss < best - min_delta (strictly; a NaN never does).
    Training should stop once `patience` steps in a row have brought no improvement.

    Args:
        patience: number of steps in a row without improvement after which to stop, >= 1.
        min_delta: by how much a loss must beat the best one, >= 0.

    Attributes:
        best: the loss of the latest improving step; inf before there was one.

    Raises:
        ValueError: patience < 1.

    Source: Goodfellow, Bengio and Courville, Deep Learning, 2016, algorithm 7.1; Prechelt, 1998.
    """

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        raise NotImplementedError("EarlyStopping.__init__")

    def step(self, val_loss: float) -> bool:
        """Take in the validation loss of one more epoch; True means stop now.

        The rule stays the same after a stop: True at each step that does not improve, False at one that does,
        which starts the count afresh.
        """
        raise NotImplementedError("EarlyStopping.step")


def dropout_ridge(X: Array, y: Array, w: Array, p: float) -> tuple[float, float]:
    """Expected squared error of a linear model under inverted dropout of its inputs.

    expected_loss = E || y - (mask * X) w ||**2 with a mask of independent entries,
    0 with probability p and 1 / (1 - p) otherwise. In closed form:
    || y - X w ||**2 + penalty, penalty = p / (1 - p) * sum over j of (sum over i of X[i, j]**2) * w[j]**2.

    Args:
        X: inputs, (N, D) float.
        y: targets, (N,).
        w: weights, (D,).
        p: probability of dropping an entry of X, 0 <= p < 1, a Python float.

    Returns:
        expected_loss: scalar, the whole expectation (a sum over examples, no mean, no 1/2).
        penalty: scalar, the part of it that dropout adds.

    Raises:
        ValueError: p < 0 or p >= 1.

    Source: Srivastava et al., JMLR 15, 2014, section 9.1; Wager, Wang and Liang, arXiv 1307.1493.
    """
    raise NotImplementedError("dropout_ridge")
