"""Übungsblatt 9 - Lukas Brandt (3187720)"""

import math

import numpy as np


def integral_image(img):
    if img.ndim != 2:
        raise ValueError("the image must be two-dimensional")
    H, W = img.shape
    whole = img.dtype.kind in "iu"
    ii = np.zeros((H + 1, W + 1), dtype=np.int64 if whole else np.float64)
    for r in range(H):
        row = 0 if whole else 0.0
        for c in range(W):
            row += int(img[r, c]) if whole else float(img[r, c])
            ii[r + 1, c + 1] = ii[r, c + 1] + row
    return ii


def rechteck(ii, r, c, h, w):
    bottom, right = r + h, c + w
    if r < 0 or c < 0 or h < 1 or w < 1 or bottom >= ii.shape[0] or right >= ii.shape[1]:
        raise ValueError("rectangle outside the image")
    return ii[bottom, right] - ii[r, right] - ii[bottom, c] + ii[r, c]


def fuer_alle(function, dtype, r, c, h, w):
    grid = np.broadcast(r, c, h, w)
    values = [function(*(int(k) for k in box)) for box in grid]
    if grid.ndim == 0:
        return values[0]
    return np.array(values, dtype=dtype).reshape(grid.shape)


def rect_sum(ii, r, c, h, w):
    return fuer_alle(lambda *box: rechteck(ii, *box), ii.dtype, r, c, h, w)


def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two different images")

    def one(r, c, h, w):
        mean = rechteck(ii, r, c, h, w) / (h * w)
        var = rechteck(ii2, r, c, h, w) / (h * w) - mean * mean
        return math.sqrt(var) if var > 0 else 0.0

    return fuer_alle(one, np.float64, r, c, h, w)


def haar_feature(ii, kind, r, c, h, w):
    def one(r, c, h, w):
        if kind == "2x" and w % 2 == 0:
            half = w // 2
            return rechteck(ii, r, c + half, h, half) - rechteck(ii, r, c, h, half)
        if kind == "2y" and h % 2 == 0:
            half = h // 2
            return rechteck(ii, r + half, c, half, w) - rechteck(ii, r, c, half, w)
        if kind == "3x" and w % 3 == 0:
            third = w // 3
            left, centre, right = (rechteck(ii, r, c + i * third, h, third) for i in range(3))
            return centre - left - right
        if kind == "3y" and h % 3 == 0:
            third = h // 3
            top, centre, bottom = (rechteck(ii, r + i * third, c, third, w) for i in range(3))
            return centre - top - bottom
        if kind == "4" and h % 2 == 0 and w % 2 == 0:
            a, b = h // 2, w // 2
            diagonal = rechteck(ii, r, c, a, b) + rechteck(ii, r + a, c + b, a, b)
            return rechteck(ii, r, c + b, a, b) + rechteck(ii, r + a, c, a, b) - diagonal
        raise ValueError("no such feature")

    return fuer_alle(one, ii.dtype, r, c, h, w)


def enumerate_features(H, W):
    if H <= 0 or W <= 0:
        raise ValueError("empty window")
    found = []
    for r in range(H):
        for c in range(W):
            for h in range(1, H - r + 1):
                for w in range(1, W - c + 1):
                    if w % 2 == 0:
                        found.append(("2x", r, c, h, w))
                    if h % 2 == 0:
                        found.append(("2y", r, c, h, w))
                    if w % 3 == 0:
                        found.append(("3x", r, c, h, w))
                    if h % 3 == 0:
                        found.append(("3y", r, c, h, w))
                    if h % 2 == 0 and w % 2 == 0:
                        found.append(("4", r, c, h, w))
    return found


def best_stump(v, y, w):
    if not (v.shape == y.shape == w.shape) or v.ndim != 1 or len(v) == 0:
        raise ValueError("shapes")
    for label, weight in zip(y, w):
        if label not in (0, 1) or weight < 0:
            raise ValueError("labels or weights")
    # sortieren, dann einmal von links nach rechts
    samples = sorted((float(a), int(b), float(k)) for a, b, k in zip(v, y, w))
    total1 = math.fsum(k for _, b, k in samples if b == 1)
    total0 = math.fsum(k for _, b, k in samples if b == 0)
    links1 = links0 = 0.0
    best = (-math.inf, 1, total1)
    if total0 < total1:
        best = (-math.inf, -1, total0)
    for i, (a, b, k) in enumerate(samples):
        if b == 1:
            links1 += k
        else:
            links0 += k
        if i + 1 < len(samples):
            if samples[i + 1][0] == a:
                continue
            cut = 0.5 * (a + samples[i + 1][0])
        else:
            cut = math.inf
        below_is_1 = links0 + (total1 - links1)
        below_is_0 = links1 + (total0 - links0)
        if below_is_1 < best[2]:
            best = (cut, 1, below_is_1)
        if below_is_0 < best[2]:
            best = (cut, -1, below_is_0)
    return best


def adaboost(F, y, T):
    if F.ndim != 2 or F.shape[0] == 0 or F.shape[1] == 0 or y.shape != (F.shape[1],) or T < 1:
        raise ValueError("bad training set")
    if any(label not in (0, 1) for label in y):
        raise ValueError("labels are 0 and 1")
    counts = {0: sum(1 for label in y if label == 0), 1: sum(1 for label in y if label == 1)}
    w = np.array([1 / (2 * counts[int(label)]) for label in y])
    clf = []
    for _ in range(T):
        total = sum(w)
        for i in range(len(w)):
            w[i] /= total
        j, (thr, p, eps) = min(((j, best_stump(F[j], y, w)) for j in range(len(F))), key=lambda item: item[1][2])
        if eps > 0.5 - 1e-10:
            return clf
        beta = max(eps, 1e-12) / (1 - max(eps, 1e-12))
        for i in range(len(w)):
            if (p * float(F[j, i]) < p * thr) == bool(y[i]):
                w[i] *= beta
        clf.append((j, thr, p, -math.log(beta)))
    return clf


def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F must be a matrix")
    scores = []
    for i in range(F.shape[1]):
        scores.append(math.fsum(alpha for j, thr, p, alpha in clf if p * float(F[j, i]) < p * thr))
    return np.array(scores, dtype=np.float64)


def cascade_predict(stages, F):
    if F.ndim != 2:
        raise ValueError("F must be a matrix")
    label, stage = [], []
    for i in range(F.shape[1]):
        for k, clf in enumerate(stages):
            if strong_score(F[:, i : i + 1], clf)[0] < 0.5 * sum(stump[3] for stump in clf):
                label.append(0)
                stage.append(k)
                break
        else:
            label.append(1)
            stage.append(len(stages))
    return np.array(label, dtype=int), np.array(stage, dtype=int)


def iou(a, b):
    (ra, ca, ha, wa), (rb, cb, hb, wb) = a, b
    if ha <= 0 or wa <= 0 or hb <= 0 or wb <= 0:
        raise ValueError("no area")
    top, bottom = max(ra, rb), min(ra + ha, rb + hb)
    left, right = max(ca, cb), min(ca + wa, cb + wb)
    if bottom <= top or right <= left:
        return 0.0
    shared = (bottom - top) * (right - left)
    return shared / (ha * wa + hb * wb - shared)


def nms(boxes, scores, thr):
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.ndim != 1 or len(scores) != len(boxes):
        raise ValueError("boxes and scores do not match")
    left = sorted(range(len(boxes)), key=lambda i: scores[i], reverse=True)
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(boxes[best], boxes[i]) <= thr]
    return np.array(kept, dtype=int)
