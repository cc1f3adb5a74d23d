"""Fatima El-Sayed, group B."""

import numpy as np

KINDS = ("2x", "2y", "3x", "3y", "4")


def integral_image(img):
    if img.ndim != 2:
        raise ValueError("need a grey image (H, W)")
    if np.issubdtype(img.dtype, np.integer):
        img = img.astype(np.int64)
    else:
        img = img.astype(np.float64)
    H, W = img.shape
    ii = np.zeros((H + 1, W + 1), dtype=img.dtype)
    ii[1:, 1:] = np.cumsum(np.cumsum(img, axis=0), axis=1)
    return ii


def rect_sum(ii, r, c, h, w):
    A = ii[r, c]
    B = ii[r, c + w]
    C = ii[r + h, c]
    D = ii[r + h, c + w]
    return D - B - C + A


def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("different images")
    N = h * w
    mu = rect_sum(ii, r, c, h, w) / N
    var = rect_sum(ii2, r, c, h, w) / N - mu**2
    return np.sqrt(np.where(var > 0, var, 0.0))[()]


def haar_feature(ii, kind, r, c, h, w):
    h, w = np.asarray(h), np.asarray(w)
    if kind == "2x":
        if np.any(w % 2 != 0):
            raise ValueError("w must be even")
        k = w // 2
        return rect_sum(ii, r, c + k, h, k) - rect_sum(ii, r, c, h, k)
    if kind == "2y":
        if np.any(h % 2 != 0):
            raise ValueError("h must be even")
        k = h // 2
        return rect_sum(ii, r + k, c, k, w) - rect_sum(ii, r, c, k, w)
    if kind == "3x":
        if np.any(w % 3 != 0):
            raise ValueError("w must be divisible by 3")
        k = w // 3
        left, mid, right = (rect_sum(ii, r, c + i * k, h, k) for i in range(3))
        return mid - left - right
    if kind == "3y":
        if np.any(h % 3 != 0):
            raise ValueError("h must be divisible by 3")
        k = h // 3
        top, mid, bottom = (rect_sum(ii, r + i * k, c, k, w) for i in range(3))
        return mid - top - bottom
    if kind == "4":
        if np.any(h % 2 != 0) or np.any(w % 2 != 0):
            raise ValueError("h and w must be even")
        a, b = h // 2, w // 2
        tl = rect_sum(ii, r, c, a, b)
        tr = rect_sum(ii, r, c + b, a, b)
        bl = rect_sum(ii, r + a, c, a, b)
        br = rect_sum(ii, r + a, c + b, a, b)
        return tr + bl - tl - br
    raise ValueError("unknown kind: " + str(kind))


def enumerate_features(H, W):
    if H < 1 or W < 1:
        raise ValueError("empty window")
    parts = {"2x": (1, 2), "2y": (2, 1), "3x": (1, 3), "3y": (3, 1), "4": (2, 2)}
    features = []
    for kind in KINDS:
        dh, dw = parts[kind]
        for h in range(dh, H + 1, dh):
            for w in range(dw, W + 1, dw):
                for r in range(H - h + 1):
                    for c in range(W - w + 1):
                        features.append((kind, r, c, h, w))
    return features


def best_stump(v, y, w):
    if v.ndim != 1 or len(v) < 1 or y.shape != v.shape or w.shape != v.shape:
        raise ValueError("v, y and w need the same length")
    if not np.all((y == 0) | (y == 1)) or np.any(w < 0):
        raise ValueError("labels 0/1 and weights >= 0 please")
    v = v.astype(np.float64)
    order = np.argsort(v)
    v, y, w = v[order], y[order], w[order].astype(np.float64)
    pos, neg = w * (y == 1), w * (y == 0)
    # weight of faces / non-faces among the k smallest values, k = 0..n
    S_pos = np.concatenate([[0.0], np.cumsum(pos)])
    S_neg = np.concatenate([[0.0], np.cumsum(neg)])
    below_is_face = S_neg + (S_pos[-1] - S_pos)
    above_is_face = S_pos + (S_neg[-1] - S_neg)
    errors = np.stack([below_is_face, above_is_face])
    # no cut between equal values
    errors[:, 1:-1][:, v[1:] == v[:-1]] = np.inf
    cuts = np.concatenate([[-np.inf], (v[1:] + v[:-1]) / 2, [np.inf]])
    p, k = np.unravel_index(np.argmin(errors), errors.shape)
    return float(cuts[k]), 1 - 2 * int(p), float(errors[p, k])


def adaboost(F, y, T):
    if F.ndim != 2 or F.shape[0] < 1 or F.shape[1] < 1 or y.shape != (F.shape[1],) or T < 1:
        raise ValueError("bad training set")
    if not np.all((y == 0) | (y == 1)):
        raise ValueError("labels must be 0 or 1")
    F = F.astype(np.float64)
    n_pos, n_neg = max(np.sum(y == 1), 1), max(np.sum(y == 0), 1)
    w = np.where(y == 1, 1 / (2 * n_pos), 1 / (2 * n_neg))
    clf = []
    for t in range(T):
        w = w / np.sum(w)
        stumps = [best_stump(F[j], y, w) for j in range(F.shape[0])]
        j = int(np.argmin([s[2] for s in stumps]))
        thr, p, eps = stumps[j]
        if eps >= 0.5 - 1e-10:
            break
        eps = max(eps, 1e-10)
        beta = eps / (1 - eps)
        correct = (p * F[j] < p * thr) == (y == 1)
        w = np.where(correct, w * beta, w)
        clf.append((j, thr, p, float(np.log(1 / beta))))
    return clf


def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F must be (m, n)")
    score = np.zeros(F.shape[1])
    for j, thr, p, alpha in clf:
        score = score + alpha * (p * F[j].astype(np.float64) < p * thr)
    return score


def cascade_predict(stages, F):
    if F.ndim != 2:
        raise ValueError("F must be (m, n)")
    n = F.shape[1]
    stage = np.full(n, len(stages))
    alive = np.ones(n, dtype=bool)
    for k, clf in enumerate(stages):
        if not alive.any():
            break
        half = sum(s[3] for s in clf) / 2
        rejected = alive & (strong_score(F, clf) <= half)
        stage[rejected] = k
        alive = alive & ~rejected
    return alive.astype(int), stage


def iou(a, b):
    ra, ca, ha, wa = [float(k) for k in a]
    rb, cb, hb, wb = [float(k) for k in b]
    if ha <= 0 or wa <= 0 or hb <= 0 or wb <= 0:
        raise ValueError("a box needs a size")
    dr = max(0.0, min(ra + ha, rb + hb) - max(ra, rb))
    dc = max(0.0, min(ca + wa, cb + wb) - max(ca, cb))
    inter = dr * dc
    return inter / (ha * wa + hb * wb - inter)


def nms(boxes, scores, thr):
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != (len(boxes),):
        raise ValueError("boxes and scores")
    order = np.argsort(scores)[::-1]
    keep = []
    for pos, i in enumerate(order):
        better = order[:pos]
        if not any(iou(boxes[i], boxes[k]) > thr for k in better):
            keep.append(i)
    return np.array(keep, dtype=int)
