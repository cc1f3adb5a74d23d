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
    raise NotImplementedError("integral_image")


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
    raise NotImplementedError("rect_sum")


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
    raise NotImplementedError("window_std")


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
    raise NotImplementedError("haar_feature")


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
    raise NotImplementedError("enumerate_features")


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
    raise NotImplementedError("best_stump")


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
    raise NotImplementedError("adaboost")


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
    raise NotImplementedError("strong_score")


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
    raise NotImplementedError("cascade_predict")


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
    raise NotImplementedError("iou")


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
    raise NotImplementedError("nms")
