"""Einsum and linear algebra: batch normalization by its Jacobian matrix, boolean masks instead of slices."""

import numpy as np


def _weights(params):
    return [(key, value) for key, value in params.items() if key[:1] == "W"]


def l2_penalty(params, alpha):
    grads = {key: alpha * value for key, value in _weights(params)}
    value = sum((np.vdot(params[key], grad) for key, grad in grads.items()), start=np.float64(0)) / 2
    return value, grads


def l1_penalty(params, alpha):
    grads = {key: np.copysign(alpha, value) * (value != 0) for key, value in _weights(params)}
    grads = {key: grad.astype(params[key].dtype) for key, grad in grads.items()}
    return np.sum([np.vdot(params[key], grad) for key, grad in grads.items()]), grads


def soft_threshold(w, t):
    return w - np.clip(w, -t, t)


def dropout_forward(x, p, rng, train):
    if not (p >= 0 and p < 1):
        raise ValueError(p)
    if train:
        mask = rng.binomial(1, 1 - p, size=x.shape).astype(x.dtype)
        mask /= 1 - p
    else:
        mask = np.ones(x.shape, x.dtype)
    return np.einsum("...,...->...", x, mask), mask


def dropout_backward(dy, mask):
    return np.einsum("...,...->...", dy, mask)


def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
    n, _ = x.shape
    if not train:
        scale = gamma / np.sqrt(run[1] + eps)
        return np.einsum("nd,d->nd", x, scale) + (beta - run[0] * scale), None, run
    if n == 1:
        raise ValueError("variance of one example")
    mean = np.einsum("nd->d", x) / n
    centred = x - mean
    var = np.einsum("nd,nd->d", centred, centred) / n
    std = np.sqrt(var + eps)
    new = mean, var * (n / (n - 1))
    run_new = tuple(old + momentum * (value - old) for old, value in zip(run, new))
    y = np.einsum("nd,d,d->nd", centred, gamma, 1 / std) + beta
    return y, {"centred": centred, "std": std, "gamma": gamma}, run_new


def batchnorm_backward(dy, cache):
    n = len(dy)
    x_hat = cache["centred"] / cache["std"]
    # d x_hat[n] / d x[m] = (delta - 1/N - x_hat[n] x_hat[m] / N) / std, a symmetric matrix for each column
    jacobian = np.eye(n, dtype=dy.dtype)[:, :, None] - (1 + np.einsum("nd,md->nmd", x_hat, x_hat)) / n
    dx = np.einsum("nmd,md,d,d->nd", jacobian, dy, cache["gamma"], 1 / cache["std"])
    return dx, np.einsum("nd,nd->d", dy, x_hat), np.einsum("nd->d", dy)


def smooth_labels(y, K, eps):
    targets = np.full((y.size, K), eps / K)
    np.put_along_axis(targets, y[:, None], 1 - eps + eps / K, axis=1)
    return targets


def soft_xent(logits, t):
    log_sum = np.logaddexp.reduce(logits, axis=1)
    log_p = logits - log_sum[:, None]
    return -np.einsum("nk,nk->", t, log_p) / len(t), (np.exp(log_p) - t) / len(t)


def mixup(x, t, lam, perm):
    if lam > 1 or lam < 0:
        raise ValueError("lam")
    mixing = np.zeros((len(perm), len(perm)))
    mixing[np.arange(len(perm)), np.arange(len(perm))] += lam
    mixing[np.arange(len(perm)), perm] += 1 - lam
    return np.einsum("nm,m...->n...", mixing.astype(x.dtype), x), np.einsum("nm,mk->nk", mixing.astype(t.dtype), t)


def cutmix(x, t, box, perm):
    r, c, h, w = box
    rows, columns = (np.arange(size) for size in x.shape[2:])
    inside = np.logical_and.outer((rows >= r) & (rows < r + h), (columns >= c) & (columns < c + w))
    share = float(inside.mean())
    return np.where(inside, x[perm], x), t + share * (t[perm] - t)


class EarlyStopping:
    def __init__(self, patience, min_delta=0.0):
        if not patience >= 1:
            raise ValueError("patience")
        self.best = np.inf
        self._left = self._patience = patience
        self._min_delta = min_delta

    def step(self, val_loss):
        improved = val_loss < self.best - self._min_delta
        self._left = self._patience if improved else self._left - 1
        self.best = val_loss if improved else self.best
        return np.bool_(self._left <= 0)


def dropout_ridge(X, y, w, p):
    if not 0.0 <= p < 1.0:
        raise ValueError("p")
    penalty = np.einsum("nd,nd,d,d->", X, X, w, w) * (p / (1 - p))
    return np.linalg.norm(np.einsum("nd,d->n", X, w) - y) ** 2 + penalty, penalty
