"""Checks of the topic viola_jones that ship to students."""

import numpy as np

from grader.checks import assert_close, assert_each_refused, assert_true, check, each, in_turn, oracle

KINDS = ("2x", "2y", "3x", "3y", "4")


@oracle
def table(img):
    """The padded integral image, made in the judge."""
    padded = np.pad(img, ((1, 0), (1, 0)))
    dtype = np.float64 if img.dtype.kind == "f" else np.int64
    return np.cumsum(np.cumsum(padded, axis=0, dtype=dtype), axis=1, dtype=dtype)


@oracle
def haar(img, kind, r, c, h, w):
    """A feature from slices of the image: the sums of its equal parts, with their signs."""
    patch = img[r : r + h, c : c + w].astype(np.float64)
    if kind in ("2y", "3y"):
        patch = patch.T  # bottom - top becomes right - left
    if kind == "4":
        (tl, tr), (bl, br) = ([q.sum() for q in np.split(half, 2, axis=1)] for half in np.split(patch, 2))
        return tr + bl - tl - br
    parts = [part.sum() for part in np.split(patch, int(kind[0]), axis=1)]
    return parts[1] - parts[0] if len(parts) == 2 else parts[1] - parts[0] - parts[2]


def says_one(v, thr, polarity):
    return polarity * np.asarray(v, np.float64) < polarity * thr


def weighted_error(v, y, w, thr, polarity):
    return np.sum(w[says_one(v, thr, polarity) != (y == 1)])


@oracle
def least_error(v, y, w):
    """Try every cut and both polarities."""
    u = np.unique(np.asarray(v, np.float64))
    cuts = [-np.inf, *((u[:-1] + u[1:]) / 2), np.inf]
    return min(weighted_error(v, y, w, thr, polarity) for thr in cuts for polarity in (1, -1))


def starting_weights(y):
    return 0.5 / np.where(y == 1, np.sum(y == 1), np.sum(y == 0))


def assert_best_stump(stump, v, y, w):
    thr, polarity, err = stump
    tiny = 1e-9 * w.sum()
    least = least_error(v, y, w)
    assert_close(err, least, name="err", atol=tiny)
    assert_true(polarity in (1, -1), "the polarity is +1 or -1")
    assert_close(
        weighted_error(v, y, w, thr, polarity), least, name="error of the returned threshold and polarity", atol=tiny
    )


def judge_stumps(submission, samples):
    """Each of the samples (v, y, w) must get a stump of least error."""
    for sample, stump in in_turn(each, submission.best_stump, calls=samples):
        assert_best_stump(stump, *sample)


def assert_kept(kept, expected, K):
    """First which boxes stay, then their order."""
    stays = np.isin(np.arange(K), kept).astype(np.int64)
    assert_close(stays, np.isin(np.arange(K), expected).astype(np.int64), name="boxes that stay")
    assert_close(kept, np.array(expected, np.int64), name="kept indices", dtype="kind")


# ---------------------------------------------------------------- integral_image


@check("integral_image", points=2)
def test_an_entry_sums_the_whole_upper_left_rectangle(submission, rng):
    """Entry (r, c) of the integral image is the sum of all pixels above row r and left of column c."""
    calls = [(rng.integers(-9, 10, shape),) for shape in [(1, 1), (1, 3), (2, 2), (2, 3), (4, 3)]]
    for (img,), ii in in_turn(each, submission.integral_image, calls=calls):
        H, W = img.shape
        expected = np.array([[img[:r, :c].sum() for c in range(W + 1)] for r in range(H + 1)])
        assert_close(ii, expected, name="ii")


@check("integral_image", points=1)
def test_the_table_starts_with_a_zero_row_and_column(submission, rng):
    """The integral image of an H x W image is (H+1) x (W+1), and its first row and first column are zero."""
    calls = [(rng.integers(1, 10, shape),) for shape in [(1, 1), (3, 2), (2, 5)]]
    for (img,), ii in in_turn(each, submission.integral_image, calls=calls):
        H, W = img.shape
        assert_close(np.shape(ii), (H + 1, W + 1), name="shape of ii")
        assert_close(ii[0], np.zeros(W + 1, np.int64), name="first row")
        assert_close(ii[:, 0], np.zeros(H + 1, np.int64), name="first column")
        assert_close(ii[-1, -1], np.sum(img), name="last entry")


@check("integral_image", points=2)
def test_uint8_pixels_do_not_overflow(submission, rng):
    """The sums of 8-bit pixels pass 255 quickly, so the table holds int64 numbers."""
    calls = [(rng.integers(200, 256, shape).astype(np.uint8),) for shape in [(1, 2), (3, 2), (20, 30)]]
    for (img,), ii in in_turn(each, submission.integral_image, calls=calls):
        assert_close(ii, table(img), name="ii")


# ---------------------------------------------------------------- rect_sum


@check("rect_sum", points=2)
def test_a_rectangle_has_h_rows_and_w_columns(submission, rng):
    """A rectangle sum adds the h rows from r and the w columns from c, rows first and both ends half-open."""
    img = rng.integers(1, 100, (5, 8))
    rectangles = [(1, 1, 1, 1), (1, 2, 1, 3), (2, 1, 2, 1), (1, 3, 3, 4)]
    calls = [(table(img).copy(), *rectangle) for rectangle in rectangles]
    for (_, r, c, h, w), total in in_turn(each, submission.rect_sum, calls=calls):
        assert_close(total, img[r : r + h, c : c + w].sum(), name="sum")


@check("rect_sum", points=1)
def test_rectangles_at_the_borders(submission, rng):
    """Rectangles in the first row or column, at the far corner and over the whole image need no special case."""
    H, W = 4, 6
    img = rng.integers(1, 100, (H, W))
    rectangles = [(0, 0, 1, 1), (0, 2, 2, 3), (2, 0, 1, 4), (H - 1, W - 1, 1, 1), (1, 2, 3, 4), (0, 0, H, W)]
    calls = [(table(img).copy(), *rectangle) for rectangle in rectangles]
    for (_, r, c, h, w), total in in_turn(each, submission.rect_sum, calls=calls):
        assert_close(total, img[r : r + h, c : c + w].sum(), name="sum")


@check("rect_sum", points=1)
def test_a_rectangle_outside_the_image_is_an_error(submission, rng):
    """A rectangle that is empty or leaves the image raises ValueError, also when it is one among many."""
    img = rng.integers(0, 100, (4, 6))
    ii = table(img)
    bad = [(-1, 0, 2, 2), (0, -1, 2, 2), (3, 0, 2, 2), (0, 5, 2, 2), (1, 1, 0, 2), (1, 1, 2, 0)]
    bad += [(np.array([0, 1, 3]), 0, 2, 2), (0, np.array([-1, 0]), 2, 2)]
    assert_each_refused(submission.rect_sum, [(ii, *rectangle) for rectangle in bad])
    assert_close(submission.rect_sum(ii, 1, 3, 3, 3), np.sum(img[1:4, 3:6]), name="sum of a rectangle inside")


# ---------------------------------------------------------------- window_std


@check("window_std", points=1.5)
def test_it_is_the_standard_deviation_of_the_window(submission, rng):
    """Two tables, of the image and of its square, give the standard deviation of the pixels in any window."""
    img = rng.integers(0, 256, (6, 9)).astype(np.uint8)
    ii, ii2 = table(img), table(img.astype(np.int64) ** 2)
    windows = [(0, 0, 2, 2), (1, 3, 4, 2), (2, 1, 3, 5), (0, 0, 6, 9)]
    calls = [(ii.copy(), ii2.copy(), *window) for window in windows]
    for (_, _, r, c, h, w), std in in_turn(each, submission.window_std, calls=calls):
        # the formula subtracts two large numbers, so the last digits are lost whoever computes it
        assert_close(std, img[r : r + h, c : c + w].std(), name="std", rtol=1e-7)


@check("window_std", points=1.5)
def test_a_flat_window_gives_zero_not_nan(submission, rng):
    """Rounding can push the variance of a flat window below zero, and its root must still be 0."""
    windows = np.array([[r, c, h, w] for r in range(3) for c in range(3) for h in (2, 4) for w in (3, 5)]).T
    images = [np.full((7, 8), value) for value in [0.1, 0.3, *rng.uniform(0.1, 1.0, 3)]]
    calls = [(table(img), table(img**2), *windows.copy()) for img in images]
    for _, std in in_turn(each, submission.window_std, calls=calls):
        # the table itself is off by some 1e-15, the root makes 1e-7 of it
        assert_close(std, np.zeros(windows.shape[1]), name="std of flat windows", atol=1e-6)
    img = rng.uniform(0.1, 1.0, (3, 4))
    std = submission.window_std(table(img), table(img**2), 0, 1, 3, 2)
    assert_close(std, np.std(img[:, 1:3]), name="std of a window that is not flat")


# ---------------------------------------------------------------- haar_feature


@check("haar_feature", points=1)
def test_2x_is_right_half_minus_left_half(submission, rng):
    """Kind "2x" splits the width in two and takes the right sum minus the left sum."""
    img = rng.standard_normal((7, 9))
    windows = [(0, 0, 2, 2), (0, 0, 1, 2), (1, 2, 3, 4)]
    calls = [(table(img).copy(), "2x", *window) for window in windows]
    for (_, _, r, c, h, w), value in in_turn(each, submission.haar_feature, calls=calls):
        left, right = img[r : r + h, c : c + w // 2], img[r : r + h, c + w // 2 : c + w]
        assert_close(value, right.sum() - left.sum(), name='"2x"', atol=1e-12)


@check("haar_feature", points=2.5)
def test_each_kind_on_a_small_image(submission, rng):
    """Each kind of feature adds its bright parts and subtracts its dark parts, as plain sums."""
    img = rng.integers(0, 100, (8, 9))
    windows = [(0, 0, 6, 6), (2, 1, 6, 6), (1, 2, 6, 6), (0, 3, 6, 6)]
    calls = [(table(img).copy(), kind, *window) for kind in KINDS for window in windows]
    for (_, kind, *window), value in in_turn(each, submission.haar_feature, calls=calls):
        assert_close(value, np.int64(haar(img, kind, *window)), name=f'"{kind}"')


@check("haar_feature", points=1.5)
def test_a_flat_image_leaves_only_the_area_difference(submission, rng):
    """On a flat image two and four parts cancel, but three parts leave minus one third of the total."""
    value = float(rng.integers(50, 200))
    ii = table(np.full((9, 13), value))
    areas = {"2x": 0, "2y": 0, "4": 0, "3x": -24, "3y": -24}
    calls = [(ii.copy(), kind, 2, 1, 6, 12) for kind in areas]
    for (_, kind, *_), result in in_turn(each, submission.haar_feature, calls=calls):
        assert_close(result, areas[kind] * value, name=f'"{kind}"')


# ---------------------------------------------------------------- enumerate_features


@check("enumerate_features", points=2)
def test_small_windows_hold_every_feature(submission):
    """Every kind appears at every place and in every size whose sides its parts divide."""
    divisors = {"2x": (1, 2), "2y": (2, 1), "3x": (1, 3), "3y": (3, 1), "4": (2, 2)}
    sizes = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 4), (3, 4)]
    for (H, W), found in in_turn(each, submission.enumerate_features, calls=sizes):
        expected = sorted(
            (kind, r, c, h, w)
            for kind, (down, across) in divisors.items()
            for r in range(H)
            for c in range(W)
            for h in range(1, H - r + 1)
            for w in range(1, W - c + 1)
            if h % down == 0 and w % across == 0
        )
        features = sorted({tuple(feature) for feature in found})
        of_each_kind = [np.array([sum(kind == f[0] for f in fs) for kind in KINDS]) for fs in (features, expected)]
        assert_close(*of_each_kind, name=f"number of features of each kind in a {H} x {W} window")
        assert_close(features, expected, name=f"features of a {H} x {W} window", dtype=False)


# ---------------------------------------------------------------- best_stump


@check("best_stump", points=1)
def test_separable_values_are_cut_without_error(submission):
    """When all small values belong to class 1, the best cut lies in the gap and makes no error."""
    v, y = np.array([1.0, 9.0, 2.0, 8.0, 7.0]), np.array([1, 0, 1, 0, 0])
    thr, polarity, err = submission.best_stump(v, y, np.full(5, 0.2))
    assert_close(err, 0.0, name="err", atol=1e-9)
    assert_close(thr, 4.5, name="thr")
    assert_close(polarity, 1, name="polarity", dtype=False)


@check("best_stump", points=3)
def test_no_stump_has_less_weighted_error(submission, rng):
    """No threshold with either polarity has a smaller sum of wrong weights than the stump that is returned."""
    samples = []
    for n in [1, 2, 3, 4, 6, 9]:
        for _ in range(3):
            samples.append((rng.standard_normal(n), rng.integers(0, 2, n), rng.uniform(0.1, 1.0, n)))
    judge_stumps(submission, samples)


@check("best_stump", points=1)
def test_large_values_may_mean_class_one(submission):
    """Polarity -1 turns the stump round: it predicts 1 above the threshold."""
    v, y, w = np.array([3.0, 1.0, 4.0, 2.0, 5.0]), np.array([1, 0, 1, 0, 1]), np.array([0.1, 0.3, 0.2, 0.3, 0.1])
    thr, polarity, err = submission.best_stump(v, y, w)
    assert_close(err, 0.0, name="err", atol=1e-9)
    assert_close(polarity, -1, name="polarity", dtype=False)
    assert_close(thr, 2.5, name="thr")


# ---------------------------------------------------------------- adaboost


@check("adaboost", points=2)
def test_each_class_starts_with_half_of_the_weight(submission, rng):
    """In the first round a rare class weighs as much as a frequent one, one half each."""
    calls = []
    for n in [6, 9, 12]:
        F = rng.standard_normal((3, n))
        F[:, 0] = np.median(F, axis=1) + 0.01  # the positive hides among the negatives
        calls.append((F, np.array([1] + [0] * (n - 1)), 1))
    for (F, y, _), [(j, thr, polarity, alpha)] in in_turn(each, submission.adaboost, calls=calls):
        w = starting_weights(y)
        least = min(least_error(row, y, w) for row in F)
        assert_close(alpha, np.log((1 - least) / least), name="alpha")
        assert_close(weighted_error(F[j], y, w, thr, polarity), least, name="weighted error of the stump")


@check("adaboost", points=1.5)
def test_alpha_is_the_log_of_one_over_beta(submission):
    """A stump with weighted error 1/4 has beta = 1/3 and alpha = log 3; with error 1/8 it is log 7."""
    F = np.array([[5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]])
    for y, inverse_beta in [([1, 1, 0, 1, 0, 1, 0, 0], 3.0), ([1, 1, 1, 0, 1, 0, 0, 0], 7.0)]:
        [(j, _, _, alpha)] = submission.adaboost(F, np.array(y), 1)
        assert_close(j, 1, name="j", dtype=False)
        assert_close(alpha, np.log(inverse_beta), name="alpha")


@check("adaboost", points=1)
def test_a_perfect_stump_gets_a_finite_alpha(submission):
    """Without any error beta would be 0 and alpha infinite, so the error is kept above zero."""
    F = np.array([[5.0, 5.0, 5.0, 5.0], [1.0, 2.0, 7.0, 8.0]])
    y = np.array([1, 1, 0, 0])
    clf = submission.adaboost(F, y, 3)
    assert_true(1 <= len(clf) <= 3, "one to T stumps come back")
    for j, thr, polarity, alpha in clf:
        assert_close(bool(np.isfinite(alpha)), True, name="alpha being finite")
        assert_true(alpha > 5, "alpha of a perfect stump is above 5")
        assert_close(says_one(F[j], thr, polarity), y == 1, name="decisions of the stump")


# ---------------------------------------------------------------- strong_score, cascade_predict


@check("strong_score", points=1)
def test_each_vote_adds_its_alpha(submission):
    """Stumps that vote 1 add their alpha, stumps that vote 0 add nothing."""
    F = np.array([[1.0, 2.0, 3.0, 4.0], [9.0, 1.0, 9.0, 1.0]])
    clf = [(0, 2.5, 1, 0.5), (1, 5.0, -1, 2.0)]
    assert_close(submission.strong_score(F, clf), np.array([2.5, 0.5, 2.0, 0.0]), name="score")


@check("cascade_predict", points=1)
def test_a_sample_stops_at_the_first_rejection(submission):
    """Only samples that every stage accepts get label 1, and the others report the stage that rejected them."""
    F = np.array([[1.0, 1.0, 5.0, 5.0], [1.0, 5.0, 1.0, 5.0]])
    label, stage = submission.cascade_predict([[(0, 3.0, 1, 1.5)], [(1, 3.0, 1, 0.7)]], F)
    assert_close(label, np.array([1, 0, 0, 0]), name="label", dtype="kind")
    assert_close(stage, np.array([2, 1, 0, 0]), name="stage", dtype="kind")


# ---------------------------------------------------------------- iou, nms


@check("iou", points=1)
def test_overlap_of_simple_boxes(submission):
    """Equal boxes have IoU 1, touching boxes 0, and otherwise it is the shared area over the covered area."""
    cases = {
        "equal boxes": ((0, 0, 2, 3), (0, 0, 2, 3), 1.0),
        "touching boxes": ((0, 0, 2, 2), (0, 2, 2, 2), 0.0),
        "overlapping boxes": ((0, 0, 2, 4), (1, 2, 3, 5), 2 / 21),
        "a box inside another": ((0, 0, 4, 4), (1, 1, 2, 3), 6 / 16),
    }
    results = in_turn(each, submission.iou, calls=[(a, b) for a, b, _ in cases.values()])
    for (name, (_, _, expected)), (_, overlap) in zip(cases.items(), results, strict=True):
        assert_close(overlap, expected, name=name)


@check("nms", points=1.5)
def test_weaker_overlapping_boxes_are_dropped(submission):
    """Of boxes on the same object only the best remains, and boxes elsewhere stay, best first."""
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [40, 40, 8, 8], [0, 2, 10, 10]])
    scores = np.array([0.8, 0.9, 0.95, 0.1])
    assert_kept(submission.nms(boxes[:3], scores[:3], 0.3), [2, 1], 3)
    assert_kept(submission.nms(boxes, scores, 0.3), [2, 1], 4)
