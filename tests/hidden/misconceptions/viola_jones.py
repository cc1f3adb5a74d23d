"""Wrong implementations of viola_jones, each with the check that must catch it."""

import numpy as np

from grader.checks import misconception

PARTS = {"2x": (1, 2), "2y": (2, 1), "3x": (1, 3), "3y": (3, 1), "4": (2, 2)}
SIGNS = {"2x": [-1, 1], "2y": [-1, 1], "3x": [-1, 1, -1], "3y": [-1, 1, -1], "4": [-1, 1, 1, -1]}


# ---------------------------------------------------------------- shared pieces, right by themselves


def refuse_outside(ii, r, c, h, w):
    r, c, h, w = map(np.asarray, (r, c, h, w))
    H, W = ii.shape[0] - 1, ii.shape[1] - 1
    if not np.all((r >= 0) & (c >= 0) & (h >= 1) & (w >= 1) & (r + h <= H) & (c + w <= W)):
        raise ValueError("a rectangle leaves the image")
    return r, c, h, w


def four_corners(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return ii[r + h, c + w] - ii[r, c + w] - ii[r + h, c] + ii[r, c]


def haar_parts(ii, kind, r, c, h, w):
    """Sums of the equal parts, row by row, and the area of one part."""
    if kind not in PARTS:
        raise ValueError("unknown kind")
    down, across = PARTS[kind]
    h, w = np.asarray(h), np.asarray(w)
    if np.any(h % down) or np.any(w % across):
        raise ValueError("not divisible")
    h, w = h // down, w // across
    return [four_corners(ii, r + i * h, c + k * w, h, w) for i in range(down) for k in range(across)], h * w


def weighted_sum(weights, parts):
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))


def refuse_samples(v, y, w):
    if v.ndim != 1 or len(v) < 1 or y.shape != v.shape or w.shape != v.shape or (w < 0).any():
        raise ValueError("bad samples")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels are 0 and 1")


def cuts_between(v):
    u = np.unique(v)
    return np.concatenate([[-np.inf], (u[:-1] + u[1:]) / 2, [np.inf]])


def errors_of_cuts(v, y, w, cuts):
    """Weighted errors (cuts, 2) for polarity +1 and -1."""
    wrong = (v < cuts[:, None]) != (y == 1)
    return np.stack([wrong @ w, ~wrong @ w], axis=1)


def stump(v, y, w, cuts=None, polarities=2):
    refuse_samples(v, y, w)
    v = v.astype(np.float64)
    cuts = cuts_between(v) if cuts is None else cuts
    errors = errors_of_cuts(v, y, w, cuts)[:, :polarities]
    k, side = np.unravel_index(errors.argmin(), errors.shape)
    return float(cuts[k]), 1 - 2 * int(side), float(errors[k, side])


def says_one(v, thr, polarity):
    return polarity * v.astype(np.float64) < polarity * thr


def boost(
    F,
    y,
    T,
    *,
    start=None,
    normalise=True,
    update=lambda w, right, beta: np.where(right, w * beta, w),
    alpha=lambda eps: np.log((1 - eps) / eps),
    clamp=1e-10,
    stop=True,
    pick=lambda errors, used: int(np.argmin(errors)),
):
    """AdaBoost with one part exchanged."""
    if F.ndim != 2 or 0 in F.shape or y.shape != F.shape[1:] or not np.isin(y, (0, 1)).all() or T < 1:
        raise ValueError("bad training set")
    w = 0.5 / np.where(y == 1, (y == 1).sum(), (y == 0).sum()) if start is None else start(y)
    clf = []
    for _ in range(T):
        if normalise:
            w = w / w.sum()
        stumps = [stump(row, y, w) for row in F]
        j = pick([err for *_, err in stumps], [j for j, *_ in clf])
        if j is None:
            break
        thr, polarity, eps = stumps[j]
        if stop and eps >= 0.5 - 1e-10:
            break
        eps = max(eps, clamp)
        with np.errstate(divide="ignore"):
            clf.append((j, thr, polarity, float(alpha(np.float64(eps)))))
        if eps <= clamp:
            break
        w = update(w, says_one(F[j], thr, polarity) == (y == 1), eps / (1 - eps))
    return clf


def overlap(a, b):
    return min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]), min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])


def refuse_flat(a, b):
    if min(a[2], a[3], b[2], b[3]) <= 0:
        raise ValueError("a box without area")


def right_iou(a, b):
    refuse_flat(a, b)
    rows, cols = (max(k, 0) for k in overlap(a, b))
    return rows * cols / (a[2] * a[3] + b[2] * b[3] - rows * cols)


def refuse_boxes(boxes, scores):
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError("boxes and scores do not match")


# ---------------------------------------------------------------- integral_image


@misconception(
    "vj1",
    "You added a cross, the pixels to the left and the pixels above; "
    "the integral image holds the whole upper-left rectangle.",
    caught_by="test_an_entry_sums_the_whole_upper_left_rectangle",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    H, W = img.shape
    ii = np.zeros((H + 1, W + 1), np.int64 if img.dtype.kind in "iu" else np.float64)
    for r in range(H):
        for c in range(W):
            ii[r + 1, c + 1] = img[r, : c + 1].sum() + img[:r, c].sum()
    return ii


@misconception(
    "vj2",
    "The table has no row and column of zeros in front: an index of -1 would wrap to the last row, so pad it.",
    caught_by="test_the_table_starts_with_a_zero_row_and_column",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    dtype = np.int64 if img.dtype.kind in "iu" else np.float64
    return img.astype(dtype).cumsum(0).cumsum(1)


@misconception(
    "vj3",
    "The accumulator overflowed: it has the dtype of the pixels, so sum in int64.",
    caught_by="test_uint8_pixels_do_not_overflow",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    dtype = img.dtype if img.dtype.kind in "iu" else np.float64
    ii = np.pad(img.cumsum(0, dtype=dtype).cumsum(1, dtype=dtype), ((1, 0), (1, 0)))
    return ii.astype(np.int64 if img.dtype.kind in "iu" else np.float64)


@misconception(
    "vj3",
    "The sums wrapped around before they reached the wide table: the first cumulative sum needs dtype=int64, too.",
    caught_by="test_uint8_pixels_do_not_overflow",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    narrow, wide = (img.dtype, np.int64) if img.dtype.kind in "iu" else (np.float64, np.float64)
    return np.pad(img.cumsum(0, dtype=narrow).cumsum(1, dtype=wide), ((1, 0), (1, 0)))


@misconception(
    "vj13",
    "Float sums run in float64 from the first addition; rounding in float32 on the way cannot be undone.",
    caught_by="test_float_images_are_summed_in_float64",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    if img.dtype.kind in "iu":
        return np.pad(img.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    return np.pad(img.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.float64)


@misconception(
    "vj13",
    "The table of an integer image is int64: it is exact, and differences of unsigned sums would wrap around.",
    caught_by="test_integers_of_any_width_are_summed_in_int64",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    return np.pad(img.cumsum(0).cumsum(1), ((1, 0), (1, 0)))  # NumPy sums uint8 in uint64


@misconception(
    "vj14",
    "You summed along one axis only; the second pass goes over the result of the first.",
    caught_by="test_an_entry_sums_the_whole_upper_left_rectangle",
)
def integral_image(img):
    if img.ndim != 2:
        raise ValueError("two dimensions")
    dtype = np.int64 if img.dtype.kind in "iu" else np.float64
    return np.pad(img.cumsum(1, dtype=dtype), ((1, 0), (1, 0)))


# ---------------------------------------------------------------- rect_sum


@misconception(
    "vj2",
    "These corners belong to a table without its zero row and column: index -1 wraps to the last row.",
    caught_by="test_rectangles_at_the_borders",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return ii[r + h - 1, c + w - 1] - ii[r - 1, c + w - 1] - ii[r + h - 1, c - 1] + ii[r - 1, c - 1]


@misconception(
    "vj4",
    "Rectangles are half-open: h rows starting at r, so the corner is at r + h, not at r + h + 1 or at r + h - 1.",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    bottom, right = np.minimum(r + h + 1, ii.shape[0] - 1), np.minimum(c + w + 1, ii.shape[1] - 1)
    return ii[bottom, right] - ii[r, right] - ii[bottom, c] + ii[r, c]


@misconception(
    "vj4",
    "Rows first: r goes with h and is the first index, c goes with w and is the second.",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return four_corners(ii.T, r, c, h, w)


@misconception(
    "vj4",
    "The height comes before the width: (r, c, h, w), not (r, c, w, h).",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    refuse_outside(ii, r, c, h, w)
    return four_corners(ii, r, c, w, h)


@misconception(
    "vj4",
    "h and w are lengths, not the last row and column: add them to r and c.",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return ii[h, w] - ii[r, w] - ii[h, c] + ii[r, c]


@misconception(
    "vj5",
    "The point of the table is four reads, whatever the size of the rectangle; only building it costs O(HW).",
    caught_by="test_the_four_corners_are_all_it_reads",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    img = np.diff(np.diff(ii, axis=0), axis=1)
    boxes = np.broadcast(r, c, h, w)
    sums = np.array([img[i : i + a, k : k + b].sum() for i, k, a, b in boxes], ii.dtype).reshape(boxes.shape)
    return sums if sums.ndim else sums[()]


@misconception(
    "vj15",
    "The upper-left corner is subtracted twice, once with each strip, so it has to be added back.",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return ii[r + h, c + w] - ii[r, c + w] - ii[r + h, c]


@misconception(
    "vj15",
    "Each of the two strips next to the rectangle is subtracted once; the corner they share is added, not subtracted.",
    caught_by="test_a_rectangle_has_h_rows_and_w_columns",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = refuse_outside(ii, r, c, h, w)
    return ii[r + h, c + w] - ii[r, c + w] - ii[r + h, c] - ii[r, c]


@misconception(
    "vj16",
    "A negative index is no error in NumPy, it wraps around: refuse rectangles that leave the image yourself.",
    caught_by="test_a_rectangle_outside_the_image_is_an_error",
)
def rect_sum(ii, r, c, h, w):
    return ii[r + h, c + w] - ii[r, c + w] - ii[r + h, c] + ii[r, c]


@misconception(
    "vj16",
    "Index arrays broadcast against each other: a grid of rectangles is one call, not the diagonal of a grid.",
    caught_by="test_index_arrays_broadcast",
)
def rect_sum(ii, r, c, h, w):
    r, c, h, w = (np.ravel(k) for k in refuse_outside(ii, r, c, h, w))
    n = min(len(k) for k in (r, c, h, w) if len(k) > 1) if max(map(len, (r, c, h, w))) > 1 else 1
    sums = four_corners(ii, *(np.resize(k, n) for k in (r, c, h, w)))
    return sums if n > 1 else sums[0]


# ---------------------------------------------------------------- window_std


@misconception(
    "vj11",
    "Subtract the squared mean: the root of the mean square also measures how bright the window is.",
    caught_by="test_brightness_cancels_and_contrast_scales",
)
def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two images")
    return np.sqrt(four_corners(ii2, r, c, h, w) / np.multiply(h, w))


@misconception(
    "vj17",
    "Both means divide by the number of pixels N; dividing by N - 1 is another convention and fails for one pixel.",
    caught_by="test_means_are_over_all_pixels",
)
def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two images")
    n = np.multiply(h, w)
    s, s2 = four_corners(ii, r, c, h, w), four_corners(ii2, r, c, h, w)
    return np.sqrt(np.maximum(s2 - s * s / n, 0.0) / np.maximum(n - 1, 1))


@misconception(
    "vj17",
    "Rounding can make the variance of a flat window slightly negative, and its root is nan: clamp it at 0 first.",
    caught_by="test_a_flat_window_gives_zero_not_nan",
)
def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two images")
    n = np.multiply(h, w)
    with np.errstate(invalid="ignore"):
        return np.sqrt(four_corners(ii2, r, c, h, w) / n - (four_corners(ii, r, c, h, w) / n) ** 2)


@misconception(
    "vj17",
    "This is the variance; the standard deviation is its square root.",
    caught_by="test_it_is_the_standard_deviation_of_the_window",
)
def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two images")
    n = np.multiply(h, w)
    return np.maximum(four_corners(ii2, r, c, h, w) / n - (four_corners(ii, r, c, h, w) / n) ** 2, 0.0)


@misconception(
    "vj17",
    "The mean of the squares and the square of the mean are swapped, so the clamp makes every variance 0.",
    caught_by="test_it_is_the_standard_deviation_of_the_window",
)
def window_std(ii, ii2, r, c, h, w):
    if ii.shape != ii2.shape:
        raise ValueError("two images")
    n = np.multiply(h, w)
    return np.sqrt(np.maximum((four_corners(ii, r, c, h, w) / n) ** 2 - four_corners(ii2, r, c, h, w) / n, 0.0))


# ---------------------------------------------------------------- haar_feature


@misconception(
    "vj6",
    "Means hide that the outer parts of a three-part feature are twice as large as the middle; "
    "this course uses plain sums.",
    caught_by="test_2x_is_right_half_minus_left_half",
)
def haar_feature(ii, kind, r, c, h, w):
    parts, area = haar_parts(ii, kind, r, c, h, w)
    bright = [part for sign, part in zip(SIGNS[kind], parts, strict=True) if sign > 0]
    dark = [part for sign, part in zip(SIGNS[kind], parts, strict=True) if sign < 0]
    return sum(bright) / (area * len(bright)) - sum(dark) / (area * len(dark))


@misconception(
    "vj6",
    "Counting the middle of a three-part feature twice balances the areas; this course uses plain sums.",
    caught_by="test_all_features_of_three_parts",
)
def haar_feature(ii, kind, r, c, h, w):
    parts, _ = haar_parts(ii, kind, r, c, h, w)
    return weighted_sum([-1, 2, -1] if kind in ("3x", "3y") else SIGNS[kind], parts)


@misconception(
    "vj18",
    "The sign is turned round: right minus left, bottom minus top, middle minus outer parts.",
    caught_by="test_2x_is_right_half_minus_left_half",
)
def haar_feature(ii, kind, r, c, h, w):
    parts, _ = haar_parts(ii, kind, r, c, h, w)
    return -weighted_sum(SIGNS[kind], parts)


@misconception(
    "vj18",
    "The diagonals are swapped: top right and bottom left count positive.",
    caught_by="test_each_kind_on_a_small_image",
)
def haar_feature(ii, kind, r, c, h, w):
    parts, _ = haar_parts(ii, kind, r, c, h, w)
    return weighted_sum([1, -1, -1, 1] if kind == "4" else SIGNS[kind], parts)


@misconception(
    "vj18",
    'The x in "2x" means that the parts lie next to each other along the width, not on top of each other.',
    caught_by="test_2x_is_right_half_minus_left_half",
)
def haar_feature(ii, kind, r, c, h, w):
    haar_parts(ii, kind, r, c, h, w)
    turned = {"2x": "2y", "2y": "2x", "3x": "3y", "3y": "3x"}.get(kind, kind)
    down, across = PARTS[turned]
    h, w = np.asarray(h) // down, np.asarray(w) // across
    parts = [four_corners(ii, r + i * h, c + k * w, h, w) for i in range(down) for k in range(across)]
    return weighted_sum(SIGNS[turned], parts)


@misconception(
    "vj18",
    "(h, w) is the size of the whole feature; each part gets its share of it.",
    caught_by="test_2x_is_right_half_minus_left_half",
)
def haar_feature(ii, kind, r, c, h, w):
    if kind not in PARTS:
        raise ValueError("unknown kind")
    down, across = PARTS[kind]
    parts = [four_corners(ii, r + i * h, c + k * w, h, w) for i in range(down) for k in range(across)]
    return weighted_sum(SIGNS[kind], parts)


@misconception(
    "vj18",
    "A side that the parts cannot share equally has no feature: refuse it instead of rounding the parts down.",
    caught_by="test_sides_that_do_not_divide_are_errors",
)
def haar_feature(ii, kind, r, c, h, w):
    if kind not in PARTS:
        raise ValueError("unknown kind")
    refuse_outside(ii, r, c, h, w)
    down, across = PARTS[kind]
    h, w = np.asarray(h) // down, np.asarray(w) // across
    parts = [four_corners(ii, r + i * h, c + k * w, h, w) for i in range(down) for k in range(across)]
    return weighted_sum(SIGNS[kind], parts)


@misconception(
    "vj18",
    "A three-part feature takes the middle minus both outer parts; one of them is missing.",
    caught_by="test_all_features_of_three_parts",
)
def haar_feature(ii, kind, r, c, h, w):
    parts, _ = haar_parts(ii, kind, r, c, h, w)
    return weighted_sum([-1, 1, 0] if kind in ("3x", "3y") else SIGNS[kind], parts)


# ---------------------------------------------------------------- enumerate_features


def list_features(H, W, *, last=1, step=None, sizes=None):
    if H < 1 or W < 1:
        raise ValueError("empty window")
    features = []
    for kind, (down, across) in PARTS.items():
        for h in range(down, H + 1, down):
            for w in range(across, W + 1, across):
                if sizes is None or sizes(kind, h, w):
                    places = [(r, c) for r in range(0, H - h + last) for c in range(0, W - w + last)]
                    features += [(kind, r, c, h, w) for r, c in places if step is None or step(r, c, h, w)]
    return features


@misconception(
    "vj19",
    "The last place is r = H - h, so range needs H - h + 1: features that touch the far border are missing.",
    caught_by="test_small_windows_hold_every_feature",
)
def enumerate_features(H, W):
    return list_features(H, W, last=0)


@misconception(
    "vj19",
    "(h, w) is the size of the whole feature, not of one of its parts.",
    caught_by="test_small_windows_hold_every_feature",
)
def enumerate_features(H, W):
    return [(kind, r, c, h // PARTS[kind][0], w // PARTS[kind][1]) for kind, r, c, h, w in list_features(H, W)]


@misconception(
    "vj19",
    "Height and width vary on their own: features are not only the scaled copies of one shape.",
    caught_by="test_small_windows_hold_every_feature",
)
def enumerate_features(H, W):
    return list_features(H, W, sizes=lambda kind, h, w: h * PARTS[kind][1] == w * PARTS[kind][0])


@misconception(
    "vj19",
    "A feature may start at any pixel, not only at multiples of its own size.",
    caught_by="test_oblong_windows_hold_every_feature",
)
def enumerate_features(H, W):
    return list_features(H, W, step=lambda r, c, h, w: r % h == 0 and c % w == 0)


@misconception(
    "vj19",
    "Height and width are swapped: r and h run along H, c and w along W.",
    caught_by="test_oblong_windows_hold_every_feature",
)
def enumerate_features(H, W):
    return list_features(W, H)


@misconception(
    "vj19",
    "Every feature is listed once; yours come once with either sign.",
    caught_by="test_no_feature_is_listed_twice",
)
def enumerate_features(H, W):
    return list_features(H, W) * 2


# ---------------------------------------------------------------- best_stump


@misconception(
    "vj7",
    "A feature may be smaller on faces or larger: try both polarities.",
    caught_by="test_large_values_may_mean_class_one",
)
def best_stump(v, y, w):
    return stump(v, y, w, polarities=1)


@misconception(
    "vj7",
    "Errors count by weight: add up the weights of the wrong samples instead of counting them.",
    caught_by="test_errors_count_by_weight",
)
def best_stump(v, y, w):
    thr, polarity, _ = stump(v, y, np.ones(len(v)))
    refuse_samples(v, y, w)
    return thr, polarity, float(w[says_one(v, thr, polarity) != (y == 1)].sum())


@misconception(
    "vj7",
    "Cut between distinct values: a threshold on a data value puts that sample on different sides "
    "for the two polarities.",
    caught_by="test_no_stump_has_less_weighted_error",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    u = np.unique(v.astype(np.float64))
    thr, polarity, err = stump(v, y, w)
    return float(u[np.searchsorted(u, thr)]) if np.isfinite(thr) else thr, polarity, err


@misconception(
    "vj7",
    "Only data values were tried as thresholds: cut halfway between neighbours, and outside of all values.",
    caught_by="test_the_cut_lies_halfway_between_neighbours",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    v = v.astype(np.float64)
    best = (np.inf, 0.0, 1)
    for thr in np.unique(v):
        for polarity in (1, -1):
            best = min(best, (float(w[says_one(v, thr, polarity) != (y == 1)].sum()), float(thr), polarity))
    return best[1], best[2], best[0]


@misconception(
    "vj20",
    "Samples with equal values were cut apart: no threshold can do that, so only cuts between distinct values count.",
    caught_by="test_equal_values_are_never_cut_apart",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    order = np.argsort(v, kind="stable")
    v, y, w = v[order].astype(np.float64), y[order], w[order]
    plus = w[y == 1].sum() + np.concatenate([[0.0], np.cumsum(np.where(y == 1, -w, w))])
    errors = np.stack([plus, w.sum() - plus], axis=1)
    k, side = np.unravel_index(errors.argmin(), errors.shape)
    cuts = np.concatenate([[-np.inf], (v[:-1] + v[1:]) / 2, [np.inf]])
    return float(cuts[k]), 1 - 2 * int(side), float(errors[k, side])


@misconception(
    "vj20",
    "The cuts below and above all values are missing, so a stump can never predict one class for all samples.",
    caught_by="test_cuts_outside_of_all_values",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    u = np.unique(v.astype(np.float64))
    cuts = (u[:-1] + u[1:]) / 2 if len(u) > 1 else u
    return stump(v, y, w, cuts=cuts)


@misconception(
    "vj20",
    "The weights were divided by their sum; the error is the plain sum over the wrong samples.",
    caught_by="test_the_error_scales_with_the_weights",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    return stump(v, y, w / w.sum())


@misconception(
    "vj20",
    "The polarity is turned round: the stump predicts 1 where polarity * v < polarity * thr.",
    caught_by="test_separable_values_are_cut_without_error",
)
def best_stump(v, y, w):
    thr, polarity, err = stump(v, y, w)
    return thr, -polarity, err


@misconception(
    "vj20",
    "Integer arithmetic wrapped around in the halfway point: make the values float before adding two of them.",
    caught_by="test_integer_values_do_not_wrap_around",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    u = np.unique(v)
    with np.errstate(over="ignore"):
        middle = (u[:-1] + u[1:]) / 2
    thr, polarity, err = stump(v, y, w)
    k = np.searchsorted(u, thr)
    return float(middle[k - 1]) if np.isfinite(thr) else thr, polarity, err


@misconception(
    "vj20",
    "The samples were sorted but not their labels and weights: apply one order to all three.",
    caught_by="test_no_stump_has_less_weighted_error",
)
def best_stump(v, y, w):
    return stump(np.sort(v), y, w)


@misconception(
    "vj20",
    "Each cut was tried with a loop over all samples: sort once, and cumulative sums give every error at once.",
    caught_by="test_one_sort_serves_all_cuts",
)
def best_stump(v, y, w):
    refuse_samples(v, y, w)
    v = v.astype(np.float64)
    best = (np.inf, 0.0, 1)
    for thr in cuts_between(v):
        for polarity in (1, -1):
            best = min(best, (float(w[says_one(v, thr, polarity) != (y == 1)].sum()), float(thr), polarity))
    return best[1], best[2], best[0]


# ---------------------------------------------------------------- adaboost


@misconception(
    "vj8",
    "beta < 1 lowers the weight of what is already right; the wrong samples keep theirs.",
    caught_by="test_every_round_takes_the_best_stump_under_its_weights",
)
def adaboost(F, y, T):
    return boost(F, y, T, update=lambda w, right, beta: np.where(right, w, w * beta))


@misconception(
    "vj8",
    "The weights never change, so every round chooses the same stump.",
    caught_by="test_the_alpha_of_every_round",
)
def adaboost(F, y, T):
    return boost(F, y, T, update=lambda w, right, beta: w)


@misconception(
    "vj8",
    "The update was applied twice, to right and to wrong samples; with beta it goes to the right ones only.",
    caught_by="test_every_round_takes_the_best_stump_under_its_weights",
    twins=("vj9",),  # where round two has nothing better than the first stump turned round
)
def adaboost(F, y, T):
    return boost(F, y, T, update=lambda w, right, beta: np.where(right, w * beta, w / beta))


@misconception(
    "vj9",
    "Weights are a distribution: divide them by their sum before every round, or eps is no error rate.",
    caught_by="test_the_alpha_of_every_round",
    twins=("vj8",),
)
def adaboost(F, y, T):
    return boost(F, y, T, normalise=False)


@misconception(
    "vj9",
    "Each class starts with half of the mass, so w = 1 / (2 * size of its class) and not 1 / n.",
    caught_by="test_each_class_starts_with_half_of_the_weight",
)
def adaboost(F, y, T):
    return boost(F, y, T, start=lambda y: np.full(len(y), 1 / len(y)))


@misconception(
    "vj10",
    "The factor 1/2 belongs to votes of +1 and -1; with votes of 0 and 1 alpha = log((1 - eps) / eps).",
    caught_by="test_alpha_is_the_log_of_one_over_beta",
)
def adaboost(F, y, T):
    return boost(F, y, T, alpha=lambda eps: 0.5 * np.log((1 - eps) / eps))


@misconception(
    "vj10",
    "alpha is log(1 / beta), positive for a stump better than chance; log(beta) is its negative.",
    caught_by="test_alpha_is_the_log_of_one_over_beta",
)
def adaboost(F, y, T):
    return boost(F, y, T, alpha=lambda eps: np.log(eps / (1 - eps)))


@misconception(
    "vj10",
    "alpha takes the natural logarithm.",
    caught_by="test_alpha_is_the_log_of_one_over_beta",
)
def adaboost(F, y, T):
    return boost(F, y, T, alpha=lambda eps: np.log2((1 - eps) / eps))


@misconception(
    "vj21",
    "A perfect stump makes beta 0 and alpha infinite: keep eps above a tiny positive number.",
    caught_by="test_a_perfect_stump_gets_a_finite_alpha",
)
def adaboost(F, y, T):
    return boost(F, y, T, clamp=0.0)


@misconception(
    "vj21",
    "A stump with error 1/2 knows nothing: stop before appending it.",
    caught_by="test_training_stops_when_no_stump_beats_chance",
)
def adaboost(F, y, T):
    return boost(F, y, T, stop=False)


@misconception(
    "vj21",
    "A feature may be chosen again with another threshold; nothing is crossed out after its round.",
    caught_by="test_every_round_takes_the_best_stump_under_its_weights",
)
def adaboost(F, y, T):
    def unused_only(errors, used):
        free = [j for j in range(len(errors)) if j not in used]
        return min(free, key=lambda j: errors[j], default=None)

    return boost(F, y, T, pick=unused_only)


@misconception(
    "vj21",
    "The rounds take the best of all features; yours take the features one after the other.",
    caught_by="test_every_round_takes_the_best_stump_under_its_weights",
)
def adaboost(F, y, T):
    return boost(F, y, T, pick=lambda errors, used: len(used) % len(errors))


@misconception(
    "vj21",
    "The work of a round must not depend on how many rounds came before: update the weights "
    "instead of computing them again from all earlier stumps.",
    caught_by="test_the_work_grows_linearly",
)
def adaboost(F, y, T):
    full = boost(F, y, T)
    for t in range(1, len(full)):
        boost(F, y, t)
    return full


# ---------------------------------------------------------------- strong_score


@misconception(
    "vj22",
    "Votes are 0 and 1 here: a stump that says no adds nothing instead of subtracting its alpha.",
    caught_by="test_each_vote_adds_its_alpha",
)
def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    votes = [alpha * np.where(says_one(F[j], thr, p), 1.0, -1.0) for j, thr, p, alpha in clf]
    return sum(votes, np.zeros(F.shape[1]))


@misconception(
    "vj22",
    "Each vote counts with its alpha; plain counting makes a weak stump as important as a strong one.",
    caught_by="test_each_vote_adds_its_alpha",
)
def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    return sum((1.0 * says_one(F[j], thr, p) for j, thr, p, _ in clf), np.zeros(F.shape[1]))


@misconception(
    "vj22",
    "Without the polarity a stump that predicts 1 above its threshold votes the wrong way.",
    caught_by="test_each_vote_adds_its_alpha",
)
def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    return sum((alpha * (F[j] < thr) for j, thr, _, alpha in clf), np.zeros(F.shape[1]))


@misconception(
    "vj22",
    "The score is the raw sum; dividing it by the sum of the alphas belongs to another convention.",
    caught_by="test_each_vote_adds_its_alpha",
)
def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    total = sum(alpha for *_, alpha in clf) or 1.0
    return sum((alpha * says_one(F[j], thr, p) for j, thr, p, alpha in clf), np.zeros(F.shape[1])) / total


@misconception(
    "vj22",
    "The comparison is strict: a value equal to the threshold votes 0.",
    caught_by="test_a_value_on_the_threshold_is_not_below_it",
)
def strong_score(F, clf):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    F = F.astype(np.float64)
    return sum((alpha * (p * F[j] <= p * thr) for j, thr, p, alpha in clf), np.zeros(F.shape[1]))


# ---------------------------------------------------------------- cascade_predict


def run_cascade(stages, F, *, accept=lambda score, total: score >= total / 2, lazy=True, offset=0):
    if F.ndim != 2:
        raise ValueError("F is (m, n)")
    stage = np.full(F.shape[1], len(stages))
    for k, clf in enumerate(stages):
        if lazy and (stage < len(stages)).all() and len(stages):
            break
        score = sum((alpha * says_one(F[j], thr, p) for j, thr, p, alpha in clf), np.zeros(F.shape[1]))
        accepted = accept(score, sum(alpha for *_, alpha in clf))
        stage[(stage == len(stages)) & ~accepted] = k
    label = (stage == len(stages)).astype(np.int64)
    return label, stage + offset * (1 - label)


@misconception(
    "vj23",
    "Later stages were evaluated although every sample had been rejected: stopping early is what makes a cascade fast.",
    caught_by="test_later_stages_are_not_evaluated",
)
def cascade_predict(stages, F):
    return run_cascade(stages, F, lazy=False)


@misconception(
    "vj23",
    "A score of exactly half the sum of the alphas is accepted: compare with >=.",
    caught_by="test_exactly_half_is_enough",
)
def cascade_predict(stages, F):
    return run_cascade(stages, F, accept=lambda score, total: score > total / 2)


@misconception(
    "vj23",
    "The threshold of a stage is half the sum of its alphas, not 1/2.",
    caught_by="test_cascades_of_several_stages",
)
def cascade_predict(stages, F):
    return run_cascade(stages, F, accept=lambda score, total: score >= 0.5)


@misconception(
    "vj23",
    "Scores of 0/1 votes are never negative; comparing them with 0 belongs to votes of +1 and -1.",
    caught_by="test_a_sample_stops_at_the_first_rejection",
)
def cascade_predict(stages, F):
    return run_cascade(stages, F, accept=lambda score, total: score >= 0)


@misconception(
    "vj23",
    "Stages are counted from 0.",
    caught_by="test_a_sample_stops_at_the_first_rejection",
)
def cascade_predict(stages, F):
    return run_cascade(stages, F, offset=1)


@misconception(
    "vj23",
    "One stage is enough to reject: a sample is a face only if every stage accepts it, not if any does.",
    caught_by="test_a_sample_stops_at_the_first_rejection",
)
def cascade_predict(stages, F):
    label, stage = run_cascade(stages, F)
    return (stage > 0).astype(np.int64) if stages else label, stage


@misconception(
    "vj23",
    "The sample stops at the first stage that rejects it; yours reports the last one.",
    caught_by="test_a_sample_stops_at_the_first_rejection",
)
def cascade_predict(stages, F):
    label, stage = run_cascade(stages, F)
    for k, clf in enumerate(stages):
        if (label == 1).all() or max((j for j, *_ in clf), default=0) >= len(F):
            break
        _, last = run_cascade([clf], F)
        stage = np.where(last == 0, k, stage)
    return label, stage


# ---------------------------------------------------------------- iou


@misconception(
    "vj12",
    "Two negative overlaps multiplied to a positive area: clamp each of them at 0 first.",
    caught_by="test_boxes_apart_share_nothing",
)
def iou(a, b):
    refuse_flat(a, b)
    rows, cols = overlap(a, b)
    return rows * cols / (a[2] * a[3] + b[2] * b[3] - rows * cols)


@misconception(
    "vj12",
    "The intersection is counted twice in the sum of the areas: subtract it once for the union.",
    caught_by="test_overlap_of_simple_boxes",
)
def iou(a, b):
    refuse_flat(a, b)
    rows, cols = (max(k, 0) for k in overlap(a, b))
    return rows * cols / (a[2] * a[3] + b[2] * b[3])


@misconception(
    "vj12",
    "Divide by the union, not by the area of the smaller box.",
    caught_by="test_overlap_of_simple_boxes",
)
def iou(a, b):
    refuse_flat(a, b)
    rows, cols = (max(k, 0) for k in overlap(a, b))
    return rows * cols / min(a[2] * a[3], b[2] * b[3])


@misconception(
    "vj12",
    "Boxes are half-open: h rows from r to r + h have height h, without the + 1 of inclusive corners.",
    caught_by="test_overlap_of_simple_boxes",
)
def iou(a, b):
    refuse_flat(a, b)
    rows, cols = (max(k + 1, 0) for k in overlap(a, b))
    area = (a[2] + 1) * (a[3] + 1) + (b[2] + 1) * (b[3] + 1)
    return rows * cols / (area - rows * cols)


@misconception(
    "vj12",
    "A box is (r, c, h, w): the last two numbers are its size, not its far corner.",
    caught_by="test_overlap_of_simple_boxes",
)
def iou(a, b):
    refuse_flat(a, b)
    rows = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    cols = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - rows * cols
    return rows * cols / union if union else 0.0


# ---------------------------------------------------------------- nms


def suppress(boxes, scores, drop, *, order=None):
    refuse_boxes(boxes, scores)
    kept = []
    for i in np.argsort(-scores) if order is None else order:
        if not any(drop(right_iou(boxes[i], boxes[k])) for k in kept):
            kept.append(i)
    return np.array(kept, np.int64)


@misconception(
    "vj24",
    "A box that is dropped drops no other: compare with the kept boxes only.",
    caught_by="test_a_dropped_box_drops_no_other",
)
def nms(boxes, scores, thr):
    refuse_boxes(boxes, scores)
    order = np.argsort(-scores)
    kept = [i for place, i in enumerate(order) if all(right_iou(boxes[i], boxes[k]) <= thr for k in order[:place])]
    return np.array(kept, np.int64)


@misconception(
    "vj24",
    "Begin with the best score: you went from the worst up, so the weakest boxes drop the best ones.",
    caught_by="test_weaker_overlapping_boxes_are_dropped",
)
def nms(boxes, scores, thr):
    return suppress(boxes, scores, lambda overlap: overlap > thr, order=np.argsort(scores))


@misconception(
    "vj24",
    "A box is dropped only above the threshold: an overlap equal to it is kept.",
    caught_by="test_an_overlap_equal_to_the_threshold_is_kept",
)
def nms(boxes, scores, thr):
    return suppress(boxes, scores, lambda overlap: overlap >= thr)


@misconception(
    "vj24",
    "Drop what overlaps too much and keep the rest; you did the opposite.",
    caught_by="test_weaker_overlapping_boxes_are_dropped",
)
def nms(boxes, scores, thr):
    return suppress(boxes, scores, lambda overlap: overlap <= thr)


@misconception(
    "vj24",
    "The answer lists indices by falling score, not in the order of the boxes.",
    caught_by="test_weaker_overlapping_boxes_are_dropped",
)
def nms(boxes, scores, thr):
    return np.sort(suppress(boxes, scores, lambda overlap: overlap > thr))


@misconception(
    "vj24",
    "The indices point into the boxes as they were given, not into the sorted ones.",
    caught_by="test_weaker_overlapping_boxes_are_dropped",
)
def nms(boxes, scores, thr):
    refuse_boxes(boxes, scores)
    order = np.argsort(-scores)
    return suppress(boxes[order], scores[order], lambda overlap: overlap > thr)


@misconception(
    "vj24",
    "Each box was compared with the box before it only; a kept box further up may overlap it, too.",
    caught_by="test_suppression_among_many_boxes",
)
def nms(boxes, scores, thr):
    refuse_boxes(boxes, scores)
    kept = []
    for i in np.argsort(-scores):
        if not kept or right_iou(boxes[i], boxes[kept[-1]]) <= thr:
            kept.append(i)
    return np.array(kept, np.int64)
