# Liam Byrne 21334455

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Window:
    r: np.ndarray
    c: np.ndarray
    h: np.ndarray
    w: np.ndarray

    @classmethod
    def of(cls, ii, r, c, h, w) -> Window:
        window = cls(*map(np.asarray, (r, c, h, w)))
        if np.any(window.r < 0) or np.any(window.c < 0) or np.any(window.h <= 0) or np.any(window.w <= 0):
            raise ValueError("a rectangle starts outside or is empty")
        if np.any(window.r + window.h >= ii.shape[0]) or np.any(window.c + window.w >= ii.shape[1]):
            raise ValueError("a rectangle ends outside")
        return window

    def sum(self, ii):
        bottom, right = self.r + self.h, self.c + self.w
        return (ii[bottom, right] - ii[bottom, self.c]) - (ii[self.r, right] - ii[self.r, self.c])

    def split(self, down, across) -> list[Window]:
        if np.any(self.h % down != 0) or np.any(self.w % across != 0):
            raise ValueError("the parts cannot be equal")
        h, w = self.h // down, self.w // across
        return [Window(self.r + i * h, self.c + k * w, h, w) for i in range(down) for k in range(across)]


class Stump(NamedTuple):
    j: int
    thr: float
    polarity: int
    alpha: float

    def vote(self, F):
        v = np.asarray(F[self.j], dtype=np.float64)
        return v < self.thr if self.polarity > 0 else v > self.thr


class Layout(NamedTuple):
    down: int
    across: int
    signs: tuple[int, ...]


KINDS = {
    "2x": Layout(1, 2, (-1, 1)),
    "2y": Layout(2, 1, (-1, 1)),
    "3x": Layout(1, 3, (-1, 1, -1)),
    "3y": Layout(3, 1, (-1, 1, -1)),
    "4": Layout(2, 2, (-1, 1, 1, -1)),
}


def integral_image(img):
    if np.ndim(img) != 2:
        raise ValueError("two dimensions")
    wide = img.astype(np.int64 if img.dtype.kind in "ui" else np.float64)
    return np.pad(np.add.accumulate(np.add.accumulate(wide, axis=1), axis=0), ((1, 0), (1, 0)))


def rect_sum(ii, r, c, h, w):
    return Window.of(ii, r, c, h, w).sum(ii)


def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("tables of different images")
    window = Window.of(ii, r, c, h, w)
    n = (window.h * window.w).astype(np.float64)
    total, squares = window.sum(ii), window.sum(ii2)
    spread = np.asarray(squares / n - np.square(total / n))
    std = np.sqrt(np.where(spread > 0, spread, 0.0))
    return std if std.ndim else float(std)


def haar_feature(ii, kind, r, c, h, w):
    if kind not in KINDS:
        raise ValueError("unknown kind")
    down, across, signs = KINDS[kind]
    parts = Window.of(ii, r, c, h, w).split(down, across)
    value = 0
    for sign, part in zip(signs, parts, strict=True):
        value = value + sign * part.sum(ii)
    return value


def enumerate_features(H, W):
    if H < 1 or W < 1:
        raise ValueError("a window has pixels")

    def spans(length, parts):
        return [(start, size) for size in range(parts, length + 1, parts) for start in range(length - size + 1)]

    return [
        (name, r, c, h, w)
        for name, kind in KINDS.items()
        for (r, h), (c, w) in product(spans(H, kind.down), spans(W, kind.across))
    ]


def checked_labels(y, n):
    if y.shape != (n,) or n == 0 or not set(np.unique(y).tolist()) <= {0, 1}:
        raise ValueError("one label, 0 or 1, for each sample")
    return y == 1


def best_stump(v, y, w):
    if v.ndim != 1 or w.shape != v.shape:
        raise ValueError("v and w are (n,)")
    positive = checked_labels(y, len(v))
    if w.min() < 0:
        raise ValueError("weights are not negative")
    values, group = np.unique(v.astype(np.float64), return_inverse=True)
    mass1 = np.bincount(group, weights=w * positive, minlength=len(values))
    mass0 = np.bincount(group, weights=w * ~positive, minlength=len(values))
    below1, below0 = np.append(0.0, mass1.cumsum()), np.append(0.0, mass0.cumsum())
    cuts = np.concatenate([[values[0] - 1], 0.5 * (values[1:] + values[:-1]), [values[-1] + 1]])
    plus, minus = below0 + below1[-1] - below1, below1 + below0[-1] - below0
    errors, polarity = (plus, 1) if plus.min() <= minus.min() else (minus, -1)
    k = errors.argmin()
    return cuts[k], polarity, errors[k]


def adaboost(F, y, T):
    if F.ndim != 2 or F.shape[0] == 0 or T < 1:
        raise ValueError("features (m, n), m > 0, T > 0")
    positive = checked_labels(y, F.shape[1])
    weights = np.empty(len(y))
    for one_class in (positive, ~positive):
        weights[one_class] = 1 / (2 * max(one_class.sum(), 1))
    rounds = []
    for _ in range(T):
        weights = weights / weights.sum()
        stumps = [best_stump(row, y, weights) for row in F]
        j = int(np.argmin([err for _, _, err in stumps]))
        thr, polarity, _ = stumps[j]
        stump = Stump(j, float(thr), polarity, 0.0)
        right = stump.vote(F) == positive
        eps = max(weights[~right].sum(), 1e-9)
        if 0.5 - eps <= 1e-10:
            break
        beta = eps / (1 - eps)
        rounds.append(stump._replace(alpha=float(-np.log(beta))))
        weights = weights * beta**right
    return rounds


def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("features (m, n)")
    total = np.zeros(F.shape[1])
    for stump in clf:
        total = total + stump[3] * Stump(*stump).vote(F)
    return total


def cascade_predict(stages, F):
    if F.ndim != 2:
        raise ValueError("features (m, n)")
    n = F.shape[1]
    if not stages or n == 0:
        return np.ones(n, int), np.zeros(n, int)
    first, *rest = stages
    passed = strong_score(F, first) >= 0.5 * sum(Stump(*stump).alpha for stump in first)
    label, stage = np.zeros(n, int), np.zeros(n, int)
    label[passed], deeper = cascade_predict(rest, F[:, passed])
    stage[passed] = deeper + 1
    return label, stage


def iou(a, b):
    def overlap(start_a, size_a, start_b, size_b):
        if size_a <= 0 or size_b <= 0:
            raise ValueError("a box has an area")
        return max(0, min(start_a + size_a, start_b + size_b) - max(start_a, start_b))

    shared = overlap(a[0], a[2], b[0], b[2]) * overlap(a[1], a[3], b[1], b[3])
    return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))


def nms(boxes, scores, thr):
    if boxes.shape != (*scores.shape, 4) or scores.ndim != 1:
        raise ValueError("one score for each box")
    order = np.argsort(-scores)
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[[iou(boxes[best], boxes[i]) <= thr for i in order]] if order.size else order
    return np.asarray(kept, dtype=np.int64)
