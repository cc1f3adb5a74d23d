# Amara Okafor, s2104418
# Triangular matrices for the sums, one table of signs per feature, every cut of every feature at once.

import numpy as np


def integral_image(img):
    if img.ndim != 2:
        raise ValueError(f"expected (H, W), got {img.shape}")
    dtype = np.int64 if np.issubdtype(img.dtype, np.integer) else np.float64
    H, W = img.shape
    up = np.tri(H + 1, H, -1, dtype=dtype)  # row r adds up rows 0 .. r-1
    left = np.tri(W + 1, W, -1, dtype=dtype)  # (W+1, W)
    return np.einsum("ri,ij,cj->rc", up, img.astype(dtype), left)


def rect_sum(ii, r, c, h, w):
    r, c, h, w = np.broadcast_arrays(r, c, h, w)
    H, W = np.array(ii.shape) - 1
    if min(r.min(), c.min(), h.min() - 1, w.min() - 1) < 0 or (r + h).max() > H or (c + w).max() > W:
        raise ValueError("a rectangle leaves the image")
    rows = np.stack([r, r + h])[:, None]  # (2, 1, ...)
    cols = np.stack([c, c + w])[None]  # (1, 2, ...)
    signs = np.array([[1, -1], [-1, 1]])
    total = np.einsum("ij,ij...->...", signs, ii[rows, cols])
    return total if total.ndim else total[()]


def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("the tables differ in shape")
    area = np.asarray(h) * np.asarray(w)
    s, s2 = rect_sum(ii, r, c, h, w), rect_sum(ii2, r, c, h, w)
    variance = s2 / area - (s / area) ** 2
    return np.sqrt(np.clip(variance, 0, None))


SIGN_TABLE = {
    "2x": np.array([[-1, 1]]),
    "2y": np.array([[-1], [1]]),
    "3x": np.array([[-1, 1, -1]]),
    "3y": np.array([[-1, 1, -1]]).T,
    "4": np.array([[-1, 1], [1, -1]]),
}


def haar_feature(ii, kind, r, c, h, w):
    if kind not in SIGN_TABLE:
        raise ValueError(f"kind {kind!r}")
    grid = SIGN_TABLE[kind]
    r, c, h, w = np.broadcast_arrays(r, c, h, w)
    if (h % grid.shape[0]).any() or (w % grid.shape[1]).any():
        raise ValueError("not divisible")
    # the weight of each table entry is the second difference of the sign table
    H, W = np.array(ii.shape) - 1
    if min(r.min(), c.min(), h.min() - 1, w.min() - 1) < 0 or (r + h).max() > H or (c + w).max() > W:
        raise ValueError("a feature leaves the image")
    padded = np.pad(grid, 1)
    weights = padded[1:, 1:] - padded[:-1, 1:] - padded[1:, :-1] + padded[:-1, :-1]
    R, C = weights.shape
    i = np.arange(R).reshape(-1, 1, *[1] * r.ndim)
    k = np.arange(C).reshape(1, -1, *[1] * r.ndim)
    corners = ii[r + i * (h // grid.shape[0]), c + k * (w // grid.shape[1])]
    value = np.einsum("ik,ik...->...", weights, corners)
    return value if value.ndim else value[()]


def enumerate_features(H, W):
    if min(H, W) < 1:
        raise ValueError("empty window")
    found = []
    for kind, grid in SIGN_TABLE.items():
        r, c, h, w = np.meshgrid(np.arange(H), np.arange(W), np.arange(1, H + 1), np.arange(1, W + 1), indexing="ij")
        fits = (r + h <= H) & (c + w <= W) & (h % grid.shape[0] == 0) & (w % grid.shape[1] == 0)
        found += [(kind, *box) for box in np.stack([r[fits], c[fits], h[fits], w[fits]], axis=1).tolist()]
    return found


def cuts_of(V):
    # (m, n+1); a cut between equal values just repeats -inf
    V = np.sort(V, axis=1)
    middle = np.where(V[:, 1:] > V[:, :-1], V[:, :-1] / 2 + V[:, 1:] / 2, -np.inf)
    end = np.full((len(V), 1), np.inf)
    return np.concatenate([-end, middle, end], axis=1)


def errors_of_all_cuts(V, y, w):
    """Errors (m, n+1, 2) of every cut with polarity +1 and -1."""
    cuts = cuts_of(V)
    below = V[:, None, :] < cuts[:, :, None]  # (m, n+1, n)
    wrong = (below != (y == 1)).astype(np.float64)
    plus = np.einsum("mkn,n->mk", wrong, w)
    minus = np.einsum("mkn,n->mk", 1.0 - wrong, w)
    return cuts, np.stack([plus, minus], axis=-1)


def best_stump(v, y, w):
    if v.ndim != 1 or v.size == 0 or y.shape != v.shape or w.shape != v.shape:
        raise ValueError("v, y and w must have one shape (n,)")
    if np.any((y != 0) & (y != 1)) or np.any(w < 0):
        raise ValueError("labels are 0 or 1 and weights not negative")
    cuts, errors = errors_of_all_cuts(v[None].astype(np.float64), y, w.astype(np.float64))
    _, k, side = np.unravel_index(errors.argmin(), errors.shape)
    return cuts[0, k], (1, -1)[side], errors[0, k, side]


def adaboost(F, y, T):
    if F.ndim != 2 or 0 in F.shape or y.shape != F.shape[1:] or np.any((y != 0) & (y != 1)) or T < 1:
        raise ValueError("bad training set")
    F = F.astype(np.float64)
    w = 0.5 * (y == 1) / max(np.sum(y == 1), 1) + 0.5 * (y == 0) / max(np.sum(y == 0), 1)
    clf = []
    while len(clf) < T:
        w = w / w.sum()
        cuts, errors = errors_of_all_cuts(F, y, w)
        j, k, side = np.unravel_index(errors.argmin(), errors.shape)
        eps, p = errors[j, k, side], (1, -1)[side]
        if eps >= 0.5 - 1e-10:
            break
        alpha = np.log1p(-eps) - np.log(max(eps, 1e-15))
        correct = (p * F[j] < p * cuts[j, k]) == (y == 1)
        w = w * np.exp(-alpha * correct)
        clf.append((int(j), float(cuts[j, k]), p, float(alpha)))
    return clf


def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    if not clf:
        return np.zeros(F.shape[1])
    j, thr, p, alpha = (np.array(column) for column in zip(*clf, strict=True))
    votes = p[:, None] * F[j].astype(np.float64) < (p * thr)[:, None]  # (T, n)
    return np.einsum("t,tn->n", alpha, votes)


def cascade_predict(stages, F):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    stage = np.full(F.shape[1], -1)
    for k, clf in enumerate(stages):
        undecided = stage < 0
        if not undecided.any():
            break
        rejected = strong_score(F, clf) < 0.5 * sum(stump[-1] for stump in clf)
        stage[undecided & rejected] = k
    label = (stage < 0).astype(np.int64)
    stage[stage < 0] = len(stages)
    return label, stage


def iou(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if (np.concatenate([a[2:], b[2:]]) <= 0).any():
        raise ValueError("a box without area")
    overlap = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.prod(np.maximum(overlap, 0))
    return shared / (np.prod(a[2:]) + np.prod(b[2:]) - shared)


def nms(boxes, scores, thr):
    if boxes.ndim != 2 or boxes.shape[-1] != 4 or scores.shape != (len(boxes),):
        raise ValueError("boxes (K, 4), scores (K,)")
    start, size = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    end, area = start + size, size.prod(axis=1)
    shared = np.maximum(np.minimum(end[:, None], end) - np.maximum(start[:, None], start), 0).prod(axis=2)
    overlap = shared / (area[:, None] + area - shared)  # (K, K)
    order = np.argsort(scores)[::-1]
    alive = np.ones(len(boxes), bool)
    kept = []
    for i in order:
        if alive[i]:
            kept.append(i)
            alive &= overlap[i] <= thr
    return np.array(kept, dtype=np.intp)
