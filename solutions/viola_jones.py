"""Viola-Jones detection: summed rectangles, Haar-like features, boosted stumps, a cascade, clean-up of boxes.

Images are (H, W) arrays with row 0 at the top.
A rectangle is (r, c, h, w): the h rows from r and the w columns from c, both ends half-open.
Float results are float64 whatever comes in; no argument is ever written to, and no result shares its memory.

Sources:
    P. Viola and M. Jones, Rapid object detection using a boosted cascade of simple features, CVPR 2001.
    P. Viola and M. Jones, Robust real-time face detection, IJCV 57(2), 2004.
"""

import numpy as np

Index = int | np.ndarray  # one integer or an integer array; several of them broadcast
Feature = tuple[str, int, int, int, int]  # (kind, r, c, h, w)
Stump = tuple[int, float, int, float]  # (feature j, threshold, polarity, alpha)
Box = tuple[float, float, float, float] | np.ndarray  # (r, c, h, w)

KINDS = ("2x", "2y", "3x", "3y", "4")
### BEGIN SOLUTION

# The sign of each equal part of a feature; the shape of the table is the number of parts down and across.
_SIGNS = {
    "2x": np.array([[-1, 1]]),
    "2y": np.array([[-1], [1]]),
    "3x": np.array([[-1, 1, -1]]),
    "3y": np.array([[-1], [1], [-1]]),
    "4": np.array([[-1, 1], [1, -1]]),
}
### END SOLUTION


def integral_image(img: np.ndarray) -> np.ndarray:
    """The summed-area table of an image, with a row and a column of zeros in front.

    Args:
        img: (H, W) image of integers (signed or unsigned, any width) or floats.
    Returns:
        ii: (H+1, W+1), ii[r, c] = sum of img[:r, :c]; int64 for an integer image, float64 for a float image.
    Raises:
        ValueError: img does not have two dimensions.
    Source: Viola and Jones 2001, section 2.1; Crow, Summed-area tables for texture mapping, SIGGRAPH 1984.
    """
    ### BEGIN SOLUTION
    if img.ndim != 2:
        raise ValueError(f"an image has two dimensions, this array has {img.ndim}")
    dtype = np.int64 if np.issubdtype(img.dtype, np.integer) else np.float64
    ii = np.zeros((img.shape[0] + 1, img.shape[1] + 1), dtype)
    ii[1:, 1:] = img.cumsum(axis=0, dtype=dtype).cumsum(axis=1)
    return ii
    ### END SOLUTION


def rect_sum(ii: np.ndarray, r: Index, c: Index, h: Index, w: Index) -> np.generic | np.ndarray:
    """Sum of the image over rectangles, from the four corners of each in the table and nothing else.

    Args:
        ii: (H+1, W+1) table as integral_image returns it.
        r, c, h, w: top row, left column, height and width; integers or integer arrays that broadcast.
    Returns:
        The sums in the broadcast shape of r, c, h, w (a scalar for four integers), in the dtype of ii.
        No other entry of ii than the four corners of each rectangle has any influence.
    Raises:
        ValueError: a rectangle does not lie inside the image (r < 0, c < 0, r + h > H or c + w > W)
            or has h < 1 or w < 1; one such rectangle among many is enough.
    Source: Viola and Jones 2001, section 2.1.
    """
    ### BEGIN SOLUTION
    r, c, h, w = (np.asarray(k) for k in (r, c, h, w))
    H, W = ii.shape[0] - 1, ii.shape[1] - 1
    inside = (r >= 0) & (c >= 0) & (h >= 1) & (w >= 1) & (r + h <= H) & (c + w <= W)
    if not np.all(inside):
        raise ValueError(f"a rectangle is empty or leaves the {H} x {W} image")
    return ii[r + h, c + w] - ii[r, c + w] - ii[r + h, c] + ii[r, c]
    ### END SOLUTION


def window_std(
    ii: np.ndarray, ii2: np.ndarray, r: Index, c: Index, h: Index, w: Index
) -> np.generic | np.ndarray:
    """Standard deviation of the pixels of windows: sqrt(max(E x^2 - (E x)^2, 0)), means over all N pixels.

    Args:
        ii: (H+1, W+1) table of the image.
        ii2: (H+1, W+1) table of the squared image.
        r, c, h, w: top row, left column, height and width; integers or integer arrays that broadcast.
    Returns:
        float64, in the broadcast shape of r, c, h, w (a scalar for four integers).
        0, never nan, where rounding makes the variance of a flat window negative.
    Raises:
        ValueError: ii and ii2 differ in shape, or a rectangle is one that rect_sum refuses.
    Source: Viola and Jones 2001, section 5 (image processing).
    """
    ### BEGIN SOLUTION
    if ii.shape != ii2.shape:
        raise ValueError(f"tables of one image have one shape, not {ii.shape} and {ii2.shape}")
    pixels = np.multiply(h, w)
    mean = rect_sum(ii, r, c, h, w) / pixels
    mean_square = rect_sum(ii2, r, c, h, w) / pixels
    return np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    ### END SOLUTION


def haar_feature(
    ii: np.ndarray, kind: str, r: Index, c: Index, h: Index, w: Index
) -> np.generic | np.ndarray:
    """Rectangle features: differences of plain sums over equal parts of the rectangle (r, c, h, w).

    Args:
        ii: (H+1, W+1) table as integral_image returns it.
        kind: "2x": right half minus left half.
            "2y": bottom half minus top half.
            "3x": middle third minus the left and right thirds.
            "3y": middle third minus the top and bottom thirds.
            "4": (top right + bottom left) minus (top left + bottom right).
        r, c: top row and left column; integers or integer arrays that broadcast with h and w.
        h, w: height and width of the whole feature, all parts together.
    Returns:
        The values in the broadcast shape of r, c, h, w (a scalar for four integers), in the dtype of ii.
        Entries of ii away from the corners of the parts have no influence.
    Raises:
        ValueError: kind is not in KINDS; h or w is not divisible by the number of parts along that axis;
            or a rectangle is one that rect_sum refuses.
    Source: Viola and Jones 2001, section 2 and figure 1; signs as in scikit-image.
    """
    ### BEGIN SOLUTION
    if kind not in _SIGNS:
        raise ValueError(f"unknown kind of feature {kind!r}, choose from {', '.join(KINDS)}")
    signs = _SIGNS[kind]
    down, across = signs.shape
    if np.any(np.mod(h, down)) or np.any(np.mod(w, across)):
        raise ValueError(f"feature {kind!r} needs a height divisible by {down} and a width by {across}")
    h, w = np.floor_divide(h, down), np.floor_divide(w, across)  # of one part
    return sum(
        signs[i, k] * rect_sum(ii, r + i * h, c + k * w, h, w) for i in range(down) for k in range(across)
    )
    ### END SOLUTION


def enumerate_features(H: int, W: int) -> list[Feature]:
    """Every feature of every kind, size and place that fits into an H x W window, each exactly once.

    Args:
        H, W: height and width of the window in pixels.
    Returns:
        List of (kind, r, c, h, w), in any order, where (h, w) is the size of the whole feature
        and divisible by the number of parts along each axis. It may be empty (1 x 1).
    Raises:
        ValueError: H < 1 or W < 1.
    Source: Viola and Jones 2001, section 2.
    """
    ### BEGIN SOLUTION
    if H < 1 or W < 1:
        raise ValueError(f"a window of {H} x {W} pixels is empty")
    return [
        (kind, r, c, h, w)
        for kind, signs in _SIGNS.items()
        for h in range(signs.shape[0], H + 1, signs.shape[0])
        for w in range(signs.shape[1], W + 1, signs.shape[1])
        for r in range(H - h + 1)
        for c in range(W - w + 1)
    ]
    ### END SOLUTION


### BEGIN SOLUTION


def _stump_of_each_feature(
    F: np.ndarray, order: np.ndarray, y: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best thresholds, polarities and weighted errors, (m,) each; order = argsort of the rows of F (m, n)."""
    m, n = F.shape
    rows = np.arange(m)
    v = F[rows[:, None], order]  # (m, n) each row in order of size
    step = (np.where(y == 1, -1.0, 1.0) * w)[order]  # (m, n) what the error gains when one more sample is called 1
    below = np.concatenate([np.zeros((m, 1)), np.cumsum(step, axis=1)], axis=1)  # (m, n+1)
    wrong = w[y == 1].sum() + below  # polarity +1: the k smallest values are called 1, k = 0..n
    errors = np.stack([wrong, w.sum() - wrong], axis=1)  # (m, 2, n+1) polarity -1 errs where +1 is right

    end = np.full((m, 1), np.inf)
    cuts = np.concatenate([-end, (v[:, :-1] + v[:, 1:]) / 2, end], axis=1)  # (m, n+1)
    tied = np.zeros((m, 1, n + 1), bool)
    tied[:, 0, 1:-1] = v[:, :-1] == v[:, 1:]  # equal values cannot be cut apart
    best = np.where(tied, np.inf, errors).reshape(m, 2 * (n + 1)).argmin(axis=1)
    side, k = np.divmod(best, n + 1)
    return cuts[rows, k], 1 - 2 * side, errors[rows, side, k]


def _votes(v: np.ndarray, thr: float, polarity: int) -> np.ndarray:
    return polarity * v.astype(np.float64) < polarity * thr


def _check_labels(y: np.ndarray, n: int) -> None:
    if y.shape != (n,) or n < 1:
        raise ValueError(f"{n} samples need as many labels, at least one, not an array of shape {y.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels are 0 and 1")


### END SOLUTION


def best_stump(v: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, int, float]:
    """The threshold and polarity with the least weighted error on one feature.

    The stump (thr, polarity) predicts 1 where polarity * v < polarity * thr, strictly, and 0 elsewhere.
    Candidates are both polarities with thr halfway between neighbouring distinct values of v
    and with thr outside of all values (infinite is fine).
    One sort and cumulative sums: the number of executed Python operations does not grow with n.

    Args:
        v: (n,) values of one feature, integers (unsigned too) or floats.
        y: (n,) labels, 0 or 1; a single class is fine.
        w: (n,) weights, not negative, with any sum.
    Returns:
        thr: threshold; polarity: +1 or -1; err: the sum of w over the wrong samples, not divided by sum(w).
        Where several stumps share the least error, any of them.
    Raises:
        ValueError: v, y, w are not of one length n >= 1 with one dimension each; a label is neither 0 nor 1;
            a weight is negative.
    Source: Viola and Jones 2004, section 3 (one sort serves all thresholds of a feature).
    """
    ### BEGIN SOLUTION
    if not v.shape == y.shape == w.shape:
        raise ValueError(f"values, labels and weights have one shape (n,), not {v.shape}, {y.shape} and {w.shape}")
    _check_labels(y, v.size)
    if (w < 0).any():
        raise ValueError("a weight is negative")
    F = v[None].astype(np.float64)  # (1, n)
    thr, polarity, err = _stump_of_each_feature(F, np.argsort(F), y, w)
    return float(thr[0]), int(polarity[0]), float(err[0])
    ### END SOLUTION


def adaboost(F: np.ndarray, y: np.ndarray, T: int) -> list[Stump]:
    """Boosted stumps: in each round the best stump over all features, then less weight on what it got right.

    Start: w_i = 1 / (2 * number of samples in the class of i). Each round:
    divide w by its sum; choose the feature j and the stump on it with the least weighted error eps;
    beta = eps / (1 - eps); w_i <- w_i * beta where sample i is classified correctly; alpha = log(1 / beta).
    The number of executed Python operations grows at most linearly with T and with m.

    Args:
        F: (m, n) values of m features on n samples, integers (unsigned too) or floats.
        y: (n,) labels, 0 or 1; a single class is fine.
        T: the largest number of rounds.
    Returns:
        List of (j, thr, polarity, alpha), one per round, in order; thr and polarity as in best_stump.
        A round whose eps is not below 1/2 (to 1e-10) is not appended and ends the training.
        A perfect stump (eps = 0) gets a finite alpha above 5, as if eps were a tiny positive number;
        training may end there or go on. Where several stumps share the least error, any of them.
    Raises:
        ValueError: F does not have two dimensions with m >= 1 and n >= 1; y is not (n,) or holds
            something else than 0 and 1; T < 1.
    Source: Viola and Jones 2001, table 1; Freund and Schapire, JCSS 55(1), 1997.
    """
    ### BEGIN SOLUTION
    if F.ndim != 2 or len(F) < 1:
        raise ValueError(f"features are an (m, n) array with m >= 1, not {F.shape}")
    _check_labels(y, F.shape[1])
    if T < 1:
        raise ValueError(f"at least one round is needed, not {T}")
    F = F.astype(np.float64)
    order = np.argsort(F)  # (m, n) of each row; sorting once serves every round
    clf = []
    w = 0.5 / np.where(y == 1, (y == 1).sum(), (y == 0).sum())
    for _ in range(T):
        w = w / w.sum()
        thrs, polarities, errs = _stump_of_each_feature(F, order, y, w)
        j = int(errs.argmin())
        if errs[j] >= 0.5 - 1e-10:
            break
        thr, polarity, eps = float(thrs[j]), int(polarities[j]), max(errs[j], np.finfo(np.float64).eps)
        beta = eps / (1 - eps)
        w = np.where(_votes(F[j], thr, polarity) == y, w * beta, w)
        clf.append((j, thr, polarity, float(np.log(1 / beta))))
    return clf
    ### END SOLUTION


def strong_score(F: np.ndarray, clf: list[Stump]) -> np.ndarray:
    """Score of the strong classifier: the sum of alpha over the stumps that vote 1.

    Args:
        F: (m, n) values of m features on n samples, integers (unsigned too) or floats.
        clf: tuples (j, thr, polarity, alpha) as adaboost returns them; the list may be empty.
    Returns:
        (n,) float64, the raw sum of alpha * vote with votes 0 and 1; zeros for an empty list.
    Raises:
        ValueError: F does not have two dimensions.
    Source: Viola and Jones 2001, table 1.
    """
    ### BEGIN SOLUTION
    if F.ndim != 2:
        raise ValueError(f"features are an (m, n) array, not {F.shape}")
    score = np.zeros(F.shape[1])
    for j, thr, polarity, alpha in clf:
        score += alpha * _votes(F[j], thr, polarity)
    return score
    ### END SOLUTION


def cascade_predict(stages: list[list[Stump]], F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pass samples through the stages of a cascade; each sample stops at the first stage that rejects it.

    A stage accepts a sample whose strong_score is at least half of the sum of its alphas.
    A stage that no sample reaches is not evaluated: it may even name features that F does not have.

    Args:
        stages: strong classifiers as adaboost returns them, in the order of evaluation; no stages accept all.
        F: (m, n) values of m features on n samples, integers (unsigned too) or floats.
    Returns:
        label: (n,) integers, 1 if every stage accepts and 0 otherwise.
        stage: (n,) integers, the index (from 0) of the rejecting stage, len(stages) for accepted samples.
    Raises:
        ValueError: F does not have two dimensions.
    Source: Viola and Jones 2001, section 4 (the attentional cascade).
    """
    ### BEGIN SOLUTION
    if F.ndim != 2:
        raise ValueError(f"features are an (m, n) array, not {F.shape}")
    stage = np.full(F.shape[1], len(stages))
    alive = np.arange(F.shape[1])  # samples that no stage has rejected so far
    for k, clf in enumerate(stages):
        if alive.size == 0:
            break
        accepted = strong_score(F[:, alive], clf) >= sum(alpha for *_, alpha in clf) / 2
        stage[alive[~accepted]] = k
        alive = alive[accepted]
    return (stage == len(stages)).astype(np.int64), stage
    ### END SOLUTION


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes.

    Args:
        a, b: (r, c, h, w), integers or floats; a box covers [r, r + h) x [c, c + w).
    Returns:
        Area of the intersection over area of the union, between 0 (apart or merely touching) and 1.
    Raises:
        ValueError: a height or a width is not positive.
    Source: the Jaccard index; Everingham et al., The PASCAL visual object classes challenge, IJCV 88, 2010.
    """
    ### BEGIN SOLUTION
    ra, ca, ha, wa = (float(k) for k in a)
    rb, cb, hb, wb = (float(k) for k in b)
    if min(ha, wa, hb, wb) <= 0:
        raise ValueError("a box needs a positive height and width")
    rows = max(min(ra + ha, rb + hb) - max(ra, rb), 0.0)
    cols = max(min(ca + wa, cb + wb) - max(ca, cb), 0.0)
    return rows * cols / (ha * wa + hb * wb - rows * cols)
    ### END SOLUTION


def nms(boxes: np.ndarray, scores: np.ndarray, thr: float) -> np.ndarray:
    """Greedy non-maximum suppression: keep the best box, drop the boxes that overlap it too much, repeat.

    Args:
        boxes: (K, 4) rows (r, c, h, w); K may be 0.
        scores: (K,) floats; equal scores may be taken in either order.
        thr: a box is dropped when its iou with a kept box of higher score is greater than thr, strictly.
    Returns:
        Integer array of the indices of the kept boxes, best score first.
    Raises:
        ValueError: boxes is not (K, 4) or scores is not (K,).
    Source: Felzenszwalb et al., Object detection with discriminatively trained part based models, PAMI 32.
    """
    ### BEGIN SOLUTION
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"{boxes.shape} and {scores.shape} are not (K, 4) boxes with (K,) scores")
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(iou(boxes[i], boxes[k]) <= thr for k in kept):
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)
    ### END SOLUTION
