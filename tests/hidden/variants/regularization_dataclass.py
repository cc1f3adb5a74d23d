"""Typed and object-like: a frozen dataclass as cache, gradients step by step through the computation graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Penalty(NamedTuple):
    value: float
    grads: dict[str, np.ndarray]


@dataclass(frozen=True)
class NormCache:
    centred: np.ndarray
    var: np.ndarray
    gamma: np.ndarray
    eps: float


class Running(NamedTuple):
    mean: np.ndarray
    var: np.ndarray


def _is_weight(name: str) -> bool:
    return name.startswith("W")


def _probability(p: float) -> float:
    if not 0 <= p < 1:
        raise ValueError(f"not a drop probability: {p}")
    return p


def l2_penalty(params: dict[str, np.ndarray], alpha: float) -> Penalty:
    names = list(filter(_is_weight, params))
    flat = np.concatenate([params[name].ravel() for name in names] or [np.zeros(0)])
    return Penalty(alpha * float(flat.dot(flat)) / 2, {name: params[name] * alpha for name in names})


def l1_penalty(params: dict[str, np.ndarray], alpha: float) -> Penalty:
    names = list(filter(_is_weight, params))
    value = alpha * sum(float(np.linalg.norm(params[name].ravel(), 1)) for name in names)
    signs = {name: (params[name] > 0).astype(params[name].dtype) - (params[name] < 0) for name in names}
    return Penalty(value, {name: alpha * sign for name, sign in signs.items()})


def soft_threshold(w: np.ndarray, t: float) -> np.ndarray:
    return np.maximum(w - t, 0) - np.maximum(-w - t, 0)


def dropout_forward(x: np.ndarray, p: float, rng: np.random.Generator, train: bool) -> tuple[np.ndarray, np.ndarray]:
    _probability(p)
    mask = np.ones_like(x)
    if train:
        mask /= 1 - p
        mask[rng.uniform(size=x.shape[::-1]).T < p] = 0  # draws in another order
    return mask * x, mask


def dropout_backward(dy: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask == 0, 0, mask) * dy


def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
    run = Running(*run)
    if train and x.shape[0] == 1:
        raise ValueError("cannot estimate a variance")
    mean, var = (np.mean(x, axis=0), np.var(x, axis=0)) if train else run
    cache = NormCache(x - mean, var, gamma, eps)
    if train:
        unbiased = np.var(x, axis=0, ddof=1)
        run = Running(
            momentum * mean + (1 - momentum) * run.mean,
            momentum * unbiased + (1 - momentum) * run.var,
        )
    return gamma * (cache.centred / np.sqrt(var + eps)) + beta, cache, run


def batchnorm_backward(dy, cache):
    n = dy.shape[0]
    std = np.sqrt(cache.var + cache.eps)
    dx_hat = dy * cache.gamma
    dvar = np.sum(dx_hat * cache.centred, axis=0) / (-2 * std**3)
    dcentred = dx_hat / std + 2 / n * dvar * cache.centred
    dx = dcentred - np.mean(dcentred, axis=0)  # centring is its own transpose
    return dx, np.sum(dy * cache.centred / std, axis=0), np.sum(dy, axis=0)


def smooth_labels(y: np.ndarray, K: int, eps: float) -> np.ndarray:
    onehot = np.equal.outer(y, np.arange(K)).astype(np.float64)
    return onehot * (1 - eps) + np.ones(K) / K * eps


def soft_xent(logits: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    exp = np.exp(shifted)
    total = np.sum(exp, axis=-1, keepdims=True)
    per_row = np.log(total[:, 0]) - np.sum(t * shifted, axis=-1)  # because each row of t sums to 1
    return np.mean(per_row), (exp / total - t) / logits.shape[0]


def mixup(x, t, lam, perm):
    if lam != min(max(lam, 0), 1):
        raise ValueError("lam is a share")
    mix = lambda a: a[perm] * (1 - lam) + a * lam  # noqa: E731
    return mix(x), mix(t)


def cutmix(x, t, box, perm):
    height, width = x.shape[-2:]
    r, c, h, w = box
    rows = slice(*np.clip([r, r + h], 0, height).tolist())
    columns = slice(*np.clip([c, c + w], 0, width).tolist())
    x_new = np.array(x)
    x_new[..., rows, columns] = x[perm][..., rows, columns]
    lam = 1 - len(range(height)[rows]) * len(range(width)[columns]) / (height * width)
    return x_new, lam * t + (1 - lam) * t[perm]


@dataclass
class EarlyStopping:
    patience: int
    min_delta: float = 0.0
    best: float = field(default=float("inf"), init=False)
    since: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError("patience must be at least one")

    def step(self, val_loss: float) -> bool:
        self.since += 1
        if self.best - self.min_delta > val_loss:
            self.best, self.since = val_loss, 0
        return not self.since < self.patience


def dropout_ridge(X, y, w, p):
    odds = _probability(p) / (1 - p)
    contributions = X * w  # (N, D)
    penalty = odds * np.sum(np.square(contributions))
    return np.sum(np.square(y - contributions.sum(axis=1))) + penalty, penalty
