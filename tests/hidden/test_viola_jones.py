"""Checks of the topic viola_jones that stay with the graders."""

import numpy as np

from grader.checks import (
    assert_close,
    assert_each_refused,
    assert_flat_cost,
    assert_pure,
    assert_raises,
    assert_true,
    check,
    each,
    fortran,
    in_turn,
    keep,
    noncontiguous,
    operations,
    oracle,
)

KINDS = ("2x", "2y", "3x", "3y", "4")
PARTS = {"2x": (1, 2), "2y": (2, 1), "3x": (1, 3), "3y": (3, 1), "4": (2, 2)}  # down, across


# ---------------------------------------------------------------- oracles, all by brute force


@oracle
def table(img):
    """The padded integral image."""
    padded = np.pad(img, ((1, 0), (1, 0)))
    dtype = np.float64 if img.dtype.kind == "f" else np.int64
    return np.cumsum(np.cumsum(padded, axis=0, dtype=dtype), axis=1, dtype=dtype)


def mask(kind, r, c, h, w, H, W):
    """The weight of every pixel of an H x W image in a feature."""
    down, across = PARTS[kind]
    weight = np.zeros((H, W), np.int64)
    for i in range(h):
        for k in range(w):
            part = (i * down // h) + (k * across // w)  # parts of a 2 x 2 grid alternate with the sum, too
            weight[r + i, c + k] = 1 if part == 1 else -1
    return weight


@oracle
def haar(img, kind, r, c, h, w):
    return np.sum(mask(kind, r, c, h, w, *img.shape) * img)


@oracle
def haars(img, kind, r, c, h, w):
    """The features at all places and in all sizes, as the arrays broadcast."""
    grids = np.broadcast_arrays(r, c, h, w)
    values = [np.sum(mask(kind, *box, *img.shape) * img) for box in zip(*map(np.ravel, grids), strict=True)]
    return np.array(values).reshape(grids[0].shape)


@oracle
def features_of(kind, H, W):
    """Every place and size of one kind, as a (K, 4) array of r, c, h, w."""
    down, across = PARTS[kind]
    return np.array(
        [
            (r, c, h, w)
            for r in range(H)
            for c in range(W)
            for h in range(1, H - r + 1)
            for w in range(1, W - c + 1)
            if h % down == 0 and w % across == 0
        ]
    ).reshape(-1, 4)


def says_one(v, thr, polarity):
    return polarity * np.asarray(v, np.float64) < polarity * thr


def weighted_error(v, y, w, thr, polarity):
    return np.sum(w[says_one(v, thr, polarity) != (y == 1)])


def least_error(v, y, w):
    """Try every cut and both polarities."""
    u = np.unique(np.asarray(v, np.float64))
    cuts = np.concatenate([[-np.inf], (u[:-1] + u[1:]) / 2, [np.inf]])
    wrong = (np.asarray(v, np.float64) < cuts[:, None]) != (y == 1)  # (cuts, n)
    return min((wrong @ w).min(), (~wrong @ w).min())


least_error_of_sample = oracle(least_error)


def assert_best_stump(stump, v, y, w):
    thr, polarity, err = stump
    tiny = 1e-9 * w.sum()
    least = least_error_of_sample(v, y, w)
    assert_close(err, least, name="err", atol=tiny)
    assert_true(polarity in (1, -1), "the polarity is +1 or -1")
    assert_close(
        weighted_error(v, y, w, thr, polarity), least, name="error of the returned threshold and polarity", atol=tiny
    )


def judge_stumps(submission, samples):
    """Each of the samples (v, y, w) must get a stump of least error."""
    for sample, stump in in_turn(each, submission.best_stump, calls=samples):
        assert_best_stump(stump, *sample)


def boosting_problem(rng, m, n, positives):
    """Features that no stump can separate: the first two samples agree in everything but their label."""
    F = rng.standard_normal((m, n))
    F[:, 1] = F[:, 0]
    y = np.zeros(n, np.int64)
    y[0] = 1
    y[rng.choice(np.arange(2, n), positives - 1, replace=False)] = 1
    return F, y


@oracle
def errors_of_rounds(F, y, wrong):
    """For each round, given which samples its stump got wrong, its error and the least error, under the true weights."""
    w = 0.5 / np.where(y == 1, np.sum(y == 1), np.sum(y == 0))
    chosen, least = [], []
    for mistakes in wrong:
        w = w / w.sum()
        eps = w[mistakes].sum()
        chosen.append(eps)
        least.append(min(least_error(row, y, w) for row in F))
        w = np.where(mistakes, w, w * eps / (1 - eps))
    return np.array(chosen), np.array(least)


def replay(F, y, clf):
    """Go through the rounds again: the error of the chosen stump and the least error, under the true weights."""
    F = np.asarray(F, np.float64)
    wrong = [says_one(F[j], thr, polarity) != (y == 1) for j, thr, polarity, _ in clf]
    return errors_of_rounds(F, y, wrong)


def assert_trained(eps, least):
    """There are rounds, and each took a stump of least error."""
    assert_close(eps, least, name="weighted error of the chosen stumps", atol=1e-9)
    assert_true(len(eps) > 0, "training takes at least one stump where one beats chance")


def score(F, clf):
    return sum((alpha * says_one(F[j], thr, polarity) for j, thr, polarity, alpha in clf), np.zeros(F.shape[1]))


def random_classifier(rng, m, T):
    return [
        (int(j), float(thr), int(polarity), float(alpha))
        for j, thr, polarity, alpha in zip(
            rng.integers(0, m, T), rng.normal(0, 0.5, T), rng.choice([1, -1], T), rng.uniform(0.2, 2.0, T), strict=True
        )
    ]


def random_boxes(rng, K, size):
    """(K, 4) integer boxes that overlap often."""
    corner, extent = rng.integers(0, size, (K, 2)), rng.integers(1, size, (K, 2))
    return np.concatenate([corner, extent], axis=1)


@oracle
def boxes_to_keep(boxes, scores, thr):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(shared_over_covered(boxes[i], boxes[k]) <= thr for k in kept):
            kept.append(i)
    return kept


def shared_over_covered(a, b):
    """IoU by counting pixels."""
    canvas = np.zeros((2, 40, 40), bool)
    for layer, (r, c, h, w) in zip(canvas, (a, b), strict=True):
        layer[r : r + h, c : c + w] = True
    return np.sum(canvas[0] & canvas[1]) / np.sum(canvas[0] | canvas[1])


def assert_kept(kept, expected, K):
    """First which boxes stay, then their order."""
    stays = np.isin(np.arange(K), kept).astype(np.int64)
    assert_close(stays, np.isin(np.arange(K), expected).astype(np.int64), name="boxes that stay")
    assert_close(kept, np.array(expected, np.int64), name="kept indices", dtype="kind")


# ---------------------------------------------------------------- integral_image


@check("integral_image", points=1)
def test_oblong_and_one_line_images(submission, rng):
    """Oblong images and images of a single row or column are summed like any other."""
    calls = [(rng.standard_normal(shape),) for shape in [(1, 6), (6, 1), (2, 7), (7, 11)]]
    for (img,), ii in in_turn(each, submission.integral_image, calls=calls):
        assert_close(ii, table(img), name="ii")


@check("integral_image", points=1)
def test_integers_of_any_width_are_summed_in_int64(submission, rng):
    """Whatever the width of the pixels, signed or unsigned, the table is int64 and exact."""
    calls = []
    for dtype in (np.int8, np.uint16, np.int32, np.uint32):
        info = np.iinfo(dtype)
        calls.append((rng.integers(info.min, info.max, (4, 5), dtype=dtype, endpoint=True),))
    for (img,), ii in in_turn(each, submission.integral_image, calls=calls):
        assert_close(ii, table(img.astype(np.int64)), name="ii")


@check("integral_image", points=1.5)
def test_float_images_are_summed_in_float64(submission, rng):
    """Sums of many float32 pixels lose digits in float32, so the table is float64 from the first addition on."""
    for dtype in (np.float64, np.float32):
        img = rng.uniform(0, 1, (17, 30)).astype(dtype)
        assert_close(submission.integral_image(img), table(img.astype(np.float64)), name="ii")


@check("integral_image", points=1)
def test_the_image_is_left_alone(submission, rng):
    """An image of any memory layout gives the same table, in fresh memory, and is not written to."""
    img = rng.integers(0, 256, (5, 7))
    for same in (img, noncontiguous(img), fortran(img)):
        assert_close(assert_pure(submission.integral_image, same), table(img), name="ii")


@check("integral_image", points=0.5)
def test_only_two_dimensions_make_an_image(submission, rng):
    """A colour image or a single list of pixels raises ValueError."""
    shapes = [(5,), (4, 5, 3), ()]
    assert_each_refused(submission.integral_image, [(rng.standard_normal(shape),) for shape in shapes])
    img = rng.standard_normal((4, 5))
    assert_close(submission.integral_image(img), table(img), name="ii of an image")


# ---------------------------------------------------------------- rect_sum


@check("rect_sum", points=2)
def test_the_four_corners_are_all_it_reads(submission, rng):
    """A small and a large rectangle cost four reads each: no other entry of the table has any influence."""
    H, W = 64, 71
    img = rng.integers(0, 256, (H, W))
    calls, expected = [], []
    for (r, c, h, w), poison in [((5, 9, 1, 1), np.nan), ((5, 9, 1, 1), 2**40), ((2, 7, 60, 60), np.nan)]:
        ii = table(img)
        poisoned = np.full_like(ii, poison, dtype=np.float64 if poison is np.nan else np.int64)
        corners = np.ix_([r, r + h], [c, c + w])
        poisoned[corners] = ii[corners]
        calls.append((poisoned, r, c, h, w))
        expected.append(img[r : r + h, c : c + w].sum().astype(poisoned.dtype))
    for true, (_, total) in zip(expected, in_turn(each, submission.rect_sum, calls=calls), strict=True):
        assert_close(total, true, name="sum")


@check("rect_sum", points=1.5)
def test_index_arrays_broadcast(submission, rng):
    """Arrays of rows, columns, heights and widths broadcast against each other and against plain integers."""
    img = rng.integers(0, 256, (9, 12))
    ii = table(img)
    rows, columns = np.arange(4)[:, None], np.arange(5)
    shapes = [
        (rows, columns, 3, 4),
        (2, columns, 1, 1),
        (rows, 1, np.array([[1], [2], [3], [4]]), 5),
        (rows, columns, np.array(2), np.array([1, 2, 3, 4, 5])),
        (rng.integers(0, 5, (2, 1, 3)), rng.integers(0, 5, (4, 1)), rng.integers(1, 4, 3), 7),
    ]
    calls = [(ii.copy(), *(np.copy(a) if isinstance(a, np.ndarray) else a for a in shape)) for shape in shapes]
    for (_, r, c, h, w), sums in in_turn(each, submission.rect_sum, calls=calls):
        grids = np.broadcast_arrays(r, c, h, w)
        expected = np.array([img[i : i + a, k : k + b].sum() for i, k, a, b in zip(*map(np.ravel, grids), strict=True)])
        assert_close(sums, expected.reshape(grids[0].shape), name="sums")


@check("rect_sum", points=1)
def test_every_rectangle_of_an_image(submission, rng):
    """Every rectangle of an image, asked for in one call, has the sum of its slice."""
    images, calls = [], []
    for H, W in [(1, 1), (1, 4), (4, 1), (4, 6)]:
        images.append(rng.standard_normal((H, W)))
        rectangles = np.array(
            [(r, c, h, w) for r in range(H) for c in range(W) for h in range(1, H - r + 1) for w in range(1, W - c + 1)]
        )
        calls.append((table(images[-1]), *rectangles.T))
    for img, ((_, r, c, h, w), sums) in zip(images, in_turn(each, submission.rect_sum, calls=calls), strict=True):
        expected = np.array([img[i : i + a, k : k + b].sum() for i, k, a, b in zip(r, c, h, w, strict=True)])
        # small sums are differences of larger ones
        assert_close(sums, expected, name="sums", atol=1e-12)


@check("rect_sum", points=1)
def test_disjoint_rectangles_add_up(submission, rng):
    """Cutting a rectangle into disjoint pieces leaves the total unchanged."""
    img = rng.integers(-50, 50, (7, 10))
    ii = table(img)
    whole = submission.rect_sum(ii, 1, 2, 6, 7)
    cut = int(rng.integers(1, 7))
    parts = submission.rect_sum(ii, 1, np.array([2, 2 + cut]), 6, np.array([cut, 7 - cut]))
    assert_close(np.sum(parts), whole, name="sum of the pieces")
    assert_close(whole, img[1:7, 2:9].sum(), name="sum of the whole")


@check("rect_sum", points=0.5)
def test_the_table_and_the_indices_are_left_alone(submission, rng):
    """Summing writes neither to the table nor to the index arrays, and returns fresh memory."""
    img = rng.integers(0, 256, (6, 7))
    r, c, h, w = np.array([0, 1, 2]), np.array([1, 0, 3]), np.array([2, 3, 1]), np.array([1, 2, 4])
    expected = np.array([img[i : i + a, k : k + b].sum() for i, k, a, b in zip(r, c, h, w, strict=True)])
    assert_close(assert_pure(submission.rect_sum, table(img), r, c, h, w), expected, name="sums")
    assert_close(submission.rect_sum(noncontiguous(table(img)), r, c, h, w), expected, name="sums")


# ---------------------------------------------------------------- window_std


@check("window_std", points=1.5)
def test_many_windows_at_once(submission, rng):
    """Arrays of windows broadcast, and each window gets its own standard deviation."""
    img = rng.integers(0, 256, (9, 13)).astype(np.uint8)
    ii, ii2 = table(img), table(img.astype(np.int64) ** 2)
    r, c = np.arange(4)[:, None], np.arange(5)
    sides = [(3, 2), (np.array([[2], [3], [4], [5]]), 3), (2, np.array([2, 3, 4, 5, 6]))]
    calls = [(ii.copy(), ii2.copy(), r.copy(), c.copy(), h, w) for h, w in sides]
    for (*_, h, w), std in in_turn(each, submission.window_std, calls=calls):
        grids = np.broadcast_arrays(r, c, h, w)
        expected = [img[i : i + a, k : k + b].std() for i, k, a, b in zip(*map(np.ravel, grids), strict=True)]
        assert_close(std, np.reshape(expected, grids[0].shape), name="std", rtol=1e-7)  # the formula loses digits


@check("window_std", points=1)
def test_brightness_cancels_and_contrast_scales(submission, rng):
    """A brighter window has the same standard deviation, and doubled contrast has twice as much."""
    img = rng.integers(0, 100, (6, 8))
    expected = img[1:5, 2:7].std()
    changes = [(img + 50, 1), (img + 150, 1), (2 * img, 2)]
    calls = [(table(change), table(change**2), 1, 2, 4, 5) for change, _ in changes]
    for (_, factor), (_, std) in zip(changes, in_turn(each, submission.window_std, calls=calls), strict=True):
        assert_close(std, factor * expected, name="std", rtol=1e-7)  # the formula loses digits


@check("window_std", points=1.5)
def test_means_are_over_all_pixels(submission, rng):
    """Both means divide by the number of pixels N, not by N - 1, which shows most in the smallest windows."""
    a, b = rng.choice(256, 2, replace=False)
    one = np.array([[a]])
    std = submission.window_std(table(one), table(one**2), 0, 0, 1, 1)
    wide = "the root of the rounding of 255 squared is 3e-6"
    assert_close(std, 0.0, name="std of one pixel", atol=1e-4, wide=wide)
    for img in (np.array([[a, b]]), np.array([[a], [b]])):
        std = submission.window_std(table(img), table(img**2), 0, 0, *img.shape)
        assert_close(std, abs(a - b) / 2, name="std of two pixels", rtol=1e-7)  # the formula loses digits


@check("window_std", points=0.5)
def test_the_tables_are_left_alone(submission, rng):
    """The standard deviation is float64 in fresh memory, and neither table is written to."""
    img = rng.integers(0, 256, (5, 7))
    r, c, h, w = np.array([0, 1]), np.array([2, 0]), np.array([3, 4]), np.array([5, 3])
    std = assert_pure(submission.window_std, table(img), table(img**2), r, c, h, w)
    assert_close(std, np.array([img[0:3, 2:7].std(), img[1:5, 0:3].std()]), name="std", rtol=1e-7)


@check("window_std", points=0.5)
def test_windows_outside_and_tables_of_two_images_are_errors(submission, rng):
    """A window outside the image or two tables of different shape raise ValueError."""
    img = rng.integers(0, 256, (4, 6))
    ii, ii2 = table(img), table(img**2)
    bad = [(ii, ii2, 2, 0, 3, 2), (ii, ii2, 0, np.array([0, 5]), 2, 2), (ii, ii2[:, :-1], 0, 0, 2, 2)]
    assert_each_refused(submission.window_std, bad)
    assert_close(submission.window_std(ii, ii2, 1, 0, 3, 2), np.std(img[1:4, :2]), name="std of a window inside")


# ---------------------------------------------------------------- haar_feature


def assert_all_features(submission, rng, *kinds):
    images, calls = [], []
    for kind in kinds:
        for H, W in [(4, 4), (7, 6)]:
            images.append(rng.integers(0, 256, (H, W)))
            calls.append((table(images[-1]), kind, *features_of(kind, H, W).T))
    for img, ((_, kind, *boxes), values) in zip(
        images, in_turn(each, submission.haar_feature, calls=calls), strict=True
    ):
        assert_close(values, haars(img, kind, *boxes), name=f'"{kind}"')


@check("haar_feature", points=1.5)
def test_all_features_of_two_parts(submission, rng):
    """Two-part features take right minus left and bottom minus top, at every place and in every size."""
    assert_all_features(submission, rng, "2x", "2y")


@check("haar_feature", points=1.5)
def test_all_features_of_three_parts(submission, rng):
    """Three-part features take the middle minus both outer parts, at every place and in every size."""
    assert_all_features(submission, rng, "3x", "3y")


@check("haar_feature", points=1)
def test_all_features_of_four_parts(submission, rng):
    """The four-part feature adds top right and bottom left and subtracts the other diagonal."""
    assert_all_features(submission, rng, "4")


@check("haar_feature", points=1)
def test_mirror_images(submission, rng):
    """A mirror image negates the features that compare across the mirror line and keeps the others."""
    img = rng.integers(0, 256, (6, 12))
    mirrors = {"": img, " of the left-right mirror": img[:, ::-1], " of the up-down mirror": img[::-1]}
    signs = {"2x": (1, -1, 1), "2y": (1, 1, -1), "3x": (1, 1, 1), "3y": (1, 1, 1), "4": (1, -1, -1)}
    cases, calls = [], []
    for kind in KINDS:
        for (where, mirror), sign in zip(mirrors.items(), signs[kind], strict=True):
            cases.append((f'"{kind}"{where}', sign * haar(img, kind, 0, 0, 6, 12)))
            calls.append((table(mirror).copy(), kind, 0, 0, 6, 12))
    for (name, expected), (_, value) in zip(cases, in_turn(each, submission.haar_feature, calls=calls), strict=True):
        assert_close(value, expected, name=name)


@check("haar_feature", points=1)
def test_features_broadcast(submission, rng):
    """One call computes a feature at many places and in many sizes, as the arrays broadcast."""
    img = rng.standard_normal((14, 15))
    r, c = np.arange(2)[:, None], np.arange(3)
    sides = [(6, 6), (np.array([[6], [12]]), np.array([12, 6, 6])), (np.array(6), np.array([[6], [12]]))]
    calls = []
    for kind in KINDS:
        for h, w in sides:
            h, w = (side.copy() if isinstance(side, np.ndarray) else side for side in (h, w))
            calls.append((table(img).copy(), kind, r.copy(), c.copy(), h, w))
    for (_, kind, *boxes), values in in_turn(each, submission.haar_feature, calls=calls):
        assert_close(values, haars(img, kind, *boxes), name=f'"{kind}"', atol=1e-11)


@check("haar_feature", points=1)
def test_a_feature_reads_the_corners_of_its_parts_only(submission, rng):
    """A feature costs six, eight or nine reads of the table, whatever its size."""
    img = rng.standard_normal((32, 33))
    ii = table(img)
    calls = []
    for kind, (down, across) in PARTS.items():
        r, c, h, w = 3, 2, 24, 30
        corners = np.ix_(r + np.arange(down + 1) * h // down, c + np.arange(across + 1) * w // across)
        poisoned = np.full_like(ii, np.nan)
        poisoned[corners] = ii[corners]
        calls.append((poisoned, kind, r, c, h, w))
    for (_, kind, *box), value in in_turn(each, submission.haar_feature, calls=calls):
        assert_close(value, haar(img, kind, *box), name=f'"{kind}"', atol=1e-11)


@check("haar_feature", points=0.5)
def test_features_leave_their_arguments_alone(submission, rng):
    """Computing features writes neither to the table nor to the index arrays."""
    img = rng.integers(0, 256, (8, 9))
    for kind in KINDS:
        r, c, h, w = np.array([0, 2]), np.array([1, 3]), np.array([6, 6]), np.array([6, 6])
        expected = np.array([haar(img, kind, 0, 1, 6, 6), haar(img, kind, 2, 3, 6, 6)])
        assert_close(assert_pure(submission.haar_feature, table(img), kind, r, c, h, w), expected, name=f'"{kind}"')


@check("haar_feature", points=1)
def test_sides_that_do_not_divide_are_errors(submission, rng):
    """An unknown kind, or a side that its parts cannot share equally, raises ValueError, also for one among many."""
    img = rng.integers(0, 256, (12, 12))
    ii = table(img)
    bad = [(kind, 12, 12) for kind in ("5", "4x", "")]
    bad += [("2x", 2, 3), ("2y", 3, 2), ("3x", 3, 4), ("3y", 5, 3), ("4", 2, 3), ("4", 3, 2)]
    bad += [("2x", 4, np.array([4, 6, 7])), ("3y", np.array([3, 4, 6]), 4)]
    assert_each_refused(submission.haar_feature, [(ii, kind, 0, 0, h, w) for kind, h, w in bad])
    value = submission.haar_feature(ii, "3x", 1, 2, 5, 9)
    assert_close(value, haar(img, "3x", 1, 2, 5, 9), name="feature whose parts are equal")


@check("haar_feature", points=0.5)
def test_a_feature_outside_the_image_is_an_error(submission, rng):
    """A feature that sticks out of the image on any side or has no pixels raises ValueError."""
    img = rng.integers(0, 256, (8, 10))
    ii = table(img)
    boxes = [(-1, 0, 6, 6), (0, -1, 6, 6), (3, 0, 6, 6), (0, 5, 6, 6), (1, 1, 0, 6), (1, 1, 6, 0)]
    assert_each_refused(submission.haar_feature, [(ii, kind, *box) for kind in KINDS for box in boxes])
    value = submission.haar_feature(ii, "4", 2, 4, 6, 6)
    assert_close(value, haar(img, "4", 2, 4, 6, 6), name="feature inside the image")


# ---------------------------------------------------------------- enumerate_features


@oracle
def all_features(H, W):
    return {(kind, *map(int, feature)) for kind in KINDS for feature in features_of(kind, H, W)}


def as_tuples(features):
    return [(kind, *map(int, box)) for kind, *box in features]


def of_each_kind(features):
    return np.array([sum(kind == feature[0] for feature in features) for kind in KINDS])


@check("enumerate_features", points=2)
def test_oblong_windows_hold_every_feature(submission):
    """In wide and in tall windows the list is complete and names nothing else."""
    sizes = [(2, 3), (1, 5), (6, 1), (6, 4)]
    for (H, W), found in in_turn(each, submission.enumerate_features, calls=sizes):
        features = set(as_tuples(found))
        expected = all_features(H, W)
        none = np.zeros(len(KINDS), np.int64)
        assert_close(of_each_kind(expected - features), none, name="number of missing features of each kind")
        assert_close(of_each_kind(features - expected), none, name="number of features that do not exist")


@check("enumerate_features", points=1.5)
def test_no_feature_is_listed_twice(submission):
    """Each feature appears exactly once."""
    for (H, W), found in in_turn(each, submission.enumerate_features, calls=[(2, 2), (5, 4), (4, 7)]):
        features = as_tuples(found)
        assert_close(len(features), len(set(features)), name="number of features")
        assert_close(len(features), len(all_features(H, W)), name="number of features")


@check("enumerate_features", points=1)
def test_turning_the_window_swaps_the_axes(submission):
    """The features of a W x H window are those of an H x W window with rows and columns exchanged."""
    turned_kind = {"2x": "2y", "2y": "2x", "3x": "3y", "3y": "3x", "4": "4"}
    results = in_turn(each, submission.enumerate_features, calls=[(2, 3), (3, 2), (4, 6), (6, 4)])
    for (H, W), upright in results:
        missing = all_features(H, W) - set(as_tuples(upright))
        assert_close(of_each_kind(missing), np.zeros(len(KINDS), np.int64), name="number of missing features")
        turned = [(turned_kind[kind], c, r, w, h) for kind, r, c, h, w in as_tuples(upright)]
        assert_close(sorted(as_tuples(next(results)[1])), sorted(turned), name="features")


@check("enumerate_features", points=1)
def test_the_number_of_features(submission):
    """A side of length L holds the sum of L - s + 1 over all sizes s, and both sides multiply."""
    for H, W in [(6, 6), (8, 9), (13, 7)]:
        expected = 0
        for down, across in PARTS.values():
            tall = sum(H - h + 1 for h in range(down, H + 1, down))
            wide = sum(W - w + 1 for w in range(across, W + 1, across))
            expected += tall * wide
        assert_close(len(keep(submission.enumerate_features)(H, W)), expected, name="number of features")
    found = {tuple(feature) for feature in submission.enumerate_features(2, 3)}
    assert_close(len(found), 6 + 6 + 3 + 2, name="number of different features of a 2 x 3 window", dtype=False)


@check("enumerate_features", points=0.5)
def test_an_empty_window_is_an_error(submission):
    """A window without rows or columns raises ValueError."""
    assert_each_refused(submission.enumerate_features, [(0, 4), (4, 0), (-1, 3)])
    found = set(as_tuples(submission.enumerate_features(2, 3)))
    expected = all_features(2, 3)
    counts = [of_each_kind(expected - found), of_each_kind(found - expected)]
    assert_close(counts, [np.zeros(len(KINDS), np.int64)] * 2, name="numbers of missing and of other features")


# ---------------------------------------------------------------- best_stump


@check("best_stump", points=2.5)
def test_errors_count_by_weight(submission, rng):
    """A few heavy samples outvote many light ones: the error adds up weights, not mistakes."""
    samples = []
    for n in [3, 5, 8, 13, 25]:
        for _ in range(3):
            v, y = rng.standard_normal(n), rng.integers(0, 2, n)
            w = rng.exponential(1.0, n) ** 3
            w[rng.integers(n)] = 0.0  # and a sample without weight does not count at all
            samples.append((v, y, w))
    judge_stumps(submission, samples)


@check("best_stump", points=2)
def test_equal_values_are_never_cut_apart(submission, rng):
    """Samples with equal values get equal predictions, so only cuts between distinct values count."""
    samples = []
    for n, levels in [(2, 1), (4, 2), (9, 3), (20, 4), (30, 6)]:
        for _ in range(3):
            v, y = rng.integers(0, levels, n).astype(np.float64), rng.integers(0, 2, n)
            w = rng.uniform(0.1, 1.0, n)
            samples.append((v, y, w))
    judge_stumps(submission, samples)


@check("best_stump", points=1)
def test_the_cut_lies_halfway_between_neighbours(submission, rng):
    """A cut halfway between two neighbouring distinct values leaves the same room on both sides."""
    samples = []
    for n in [2, 5, 9, 14]:
        v = rng.permutation(n) * 2.0 + rng.uniform(0, 1, n)
        y = (v > np.median(v)).astype(np.int64)
        y = y if n % 2 else 1 - y  # both polarities
        samples.append((v, y, np.full(n, 1.0)))
    for (v, y, w), (thr, _, _) in in_turn(each, submission.best_stump, calls=samples):
        u = np.sort(v)
        expected = (u[:-1] + u[1:]) / 2
        k = np.argmin(np.abs(expected - thr))
        assert_close(thr, expected[k], name="thr")
        assert_close(weighted_error(v, y, w, thr, 1 if y[np.argmin(v)] else -1), 0.0, name="errors of the cut")


@check("best_stump", points=1.5)
def test_cuts_outside_of_all_values(submission, rng):
    """A stump may predict one class for all: right for a single class, best for a feature without differences."""
    samples = []
    for label in (0, 1):
        y = np.array([label, 1 - label, label, 1 - label])
        w = np.where(y == label, 0.5, 0.1) * rng.uniform(0.9, 1.1, 4)
        v = np.full(4, rng.standard_normal())
        samples.append((v, y, w))
        for n in (1, 2, 5):
            v, y, w = rng.standard_normal(n), np.full(n, label), rng.uniform(0.1, 1.0, n)
            samples.append((v, y, w))
    judge_stumps(submission, samples)


@check("best_stump", points=1)
def test_integer_values_do_not_wrap_around(submission, rng):
    """Unsigned values have no negatives and small sums, so they become floats before any arithmetic."""
    samples = []
    for dtype in (np.uint8, np.int8, np.int32):
        top = np.iinfo(dtype).max
        for values in ([top, top - 2, top - 4, top - 6], top - rng.permutation(9) * 3):
            v = np.array(values, dtype=dtype)
            for y in ((v > np.sort(v)[1]).astype(np.int64), (v < np.sort(v)[2]).astype(np.int64)):
                samples.append((v.copy(), y, rng.uniform(0.1, 1.0, len(v))))
    judge_stumps(submission, samples)


@check("best_stump", points=0.5)
def test_the_error_scales_with_the_weights(submission, rng):
    """Weights may have any sum: the error is the weight of the wrong samples, not a share of the total."""
    v, y, w = rng.standard_normal(11), np.arange(11) % 2, rng.uniform(0.1, 1.0, 11)
    v[1] = v[0]  # with different labels, so some error remains
    factors = (1e-3, 1.0, 50.0)
    calls = [(v.copy(), y.copy(), factor * w) for factor in factors]
    for factor, (_, (_, _, err)) in zip(factors, in_turn(each, submission.best_stump, calls=calls), strict=True):
        assert_close(err, factor * least_error_of_sample(v, y, w), name="err")


@check("best_stump", points=1.5)
def test_one_sort_serves_all_cuts(submission, rng):
    """Sorting once and cumulative sums keep the number of executed operations the same for any number of samples."""
    calls = [(rng.standard_normal(n), np.arange(n) % 2, rng.uniform(0.1, 1.0, n)) for n in (12, 150)]
    for stump, call in zip(assert_flat_cost(submission.best_stump, *calls), calls, strict=True):
        assert_best_stump(stump, *call)


@check("best_stump", points=0.5)
def test_the_samples_are_left_alone(submission, rng):
    """Values, labels and weights keep their order and content, whatever their memory layout."""
    v, y, w = rng.standard_normal(7), np.array([0, 1, 1, 0, 1, 0, 0]), rng.uniform(0.1, 1.0, 7)
    assert_best_stump(assert_pure(submission.best_stump, v, y, w), v, y, w)
    assert_best_stump(submission.best_stump(noncontiguous(v), noncontiguous(y), noncontiguous(w)), v, y, w)


@check("best_stump", points=0.5)
def test_samples_that_do_not_match_are_errors(submission):
    """Lengths that differ, no samples, labels other than 0 and 1, and negative weights raise ValueError."""
    v, y, w = np.array([1.0, 2.0, 3.0]), np.array([0, 1, 0]), np.array([0.2, 0.3, 0.5])
    bad = [(v[:2], y, w), (v, y[:2], w), (v, y, w[:1]), (v[:0], y[:0], w[:0]), (v[None], y[None], w[None])]
    bad += [(v, np.array([-1, 1, -1]), w), (v, np.array([0, 1, 2]), w), (v, y, np.array([0.5, -0.1, 0.6]))]
    assert_each_refused(submission.best_stump, bad)
    assert_best_stump(submission.best_stump(v, y, w), v, y, w)


# ---------------------------------------------------------------- adaboost


@check("adaboost", points=3)
def test_every_round_takes_the_best_stump_under_its_weights(submission, rng):
    """After each round the samples that were right lose weight, and the next stump is best for the new weights."""
    sizes = [(3, 12, 4, 2), (5, 16, 6, 5), (4, 24, 9, 6)]
    calls = [(*boosting_problem(rng, m, n, positives), T) for m, n, positives, T in sizes]
    for (F, y, T), clf in in_turn(each, submission.adaboost, calls=calls):
        chosen, least = replay(F, y, clf)
        assert_close(chosen, least, name="weighted error of the chosen stumps", atol=1e-9)
        if not len(clf) or least[-1] < 0.49:  # otherwise nothing may be left that beats chance
            assert_close(len(clf), T, name="number of rounds")


@check("adaboost", points=1.5)
def test_the_alpha_of_every_round(submission, rng):
    """In every round alpha is log((1 - eps) / eps) of the error under weights that sum to one."""
    sizes = [(4, 14, 5, 2), (4, 15, 8, 4)]
    calls = [(*boosting_problem(rng, m, n, positives), T) for m, n, positives, T in sizes]
    for (F, y, _), clf in in_turn(each, submission.adaboost, calls=calls):
        eps, least = replay(F, y, clf)
        assert_close(np.array([alpha for *_, alpha in clf]), np.log((1 - eps) / eps), name="alpha", atol=1e-8)
        assert_trained(eps, least)


@check("adaboost", points=1)
def test_after_the_update_the_last_stump_is_at_chance(submission, rng):
    """With the weights of the next round the stump just chosen has error one half, so another one follows it."""
    F, y = boosting_problem(rng, 4, 14, 5)
    clf = submission.adaboost(F, y, 4)
    assert_true(len(clf) > 1, "no stump is perfect here, so training goes on")
    w = 0.5 / np.where(y == 1, 5, 9)
    for j, thr, polarity, alpha in clf:
        wrong = says_one(F[j], thr, polarity) != (y == 1)
        w = np.where(wrong, w, w * np.exp(-alpha))
        w = w / w.sum()
        assert_close(w[wrong].sum(), 0.5, name="error of the stump after its update", atol=1e-8)
    for (j, thr, polarity, _), (j2, thr2, polarity2, _) in zip(clf, clf[1:], strict=False):
        same = says_one(F[j], thr, polarity) == says_one(F[j2], thr2, polarity2)
        assert_true(not np.all(same), "two rounds in a row choose stumps with different decisions")


@check("adaboost", points=1.5)
def test_training_stops_when_no_stump_beats_chance(submission):
    """A round whose best stump has error one half, but for rounding, adds nothing and ends the training."""
    sizes = [(4, 4), (3, 7), (7, 3), (6, 11), (13, 9), (10, 21)]  # of the two classes
    calls = [(np.full((2, a + b), 3.0), np.repeat([1, 0], [a, b]), 4) for a, b in sizes]
    for _, clf in in_turn(each, submission.adaboost, calls=calls):
        assert_close(len(clf), 0, name="rounds with constant features")
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    # one cut, wrong once in each class: one round uses it up, with error 1/4
    binary = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]])
    clf = submission.adaboost(binary, y, 4)
    assert_close(len(clf), 1, name="rounds with one binary feature")
    assert_close(clf[0][3], np.log(3.0), name="alpha")


@check("adaboost", points=0.5)
def test_boosting_on_one_class(submission, rng):
    """If all samples belong to one class, the classifier says so for every sample."""
    sizes = [(0, 1, 1), (1, 1, 1), (0, 2, 5), (1, 2, 5)]
    calls = [(rng.standard_normal((m, n)), np.full(n, label), 2) for label, m, n in sizes]
    for (F, y, _), clf in in_turn(each, submission.adaboost, calls=calls):
        assert_true(1 <= len(clf) <= 2, "one to T stumps come back")
        for j, thr, polarity, alpha in clf:
            assert_true(bool(np.isfinite(alpha)) and alpha > 5, "alpha is finite and above 5")
            assert_close(says_one(F[j], thr, polarity), y == 1, name="decisions")


@check("adaboost", points=1)
def test_boosting_on_integer_features(submission, rng):
    """Integer features, 8-bit ones too, train the same classifier as the same numbers in float64."""
    for dtype in (np.uint8, np.int16):
        F, y = boosting_problem(rng, 4, 12, 5)
        F = (100 * (F - F.min())).clip(0, 255).astype(dtype)
        clf = submission.adaboost(F, y, 3)
        eps, least = replay(F, y, clf)
        assert_trained(eps, least)
        assert_close(np.array([alpha for *_, alpha in clf]), np.log((1 - eps) / eps), name="alpha", atol=1e-8)


@check("adaboost", points=1)
def test_the_training_error_is_bounded(submission, rng):
    """The training error, counted by the starting weights, stays under the product of 2 sqrt(eps (1 - eps))."""
    for m, n, positives in [(3, 10, 1), (4, 16, 6)]:
        F, y = boosting_problem(rng, m, n, positives)
        w = 0.5 / np.where(y == 1, positives, n - positives)
        calls = [(F.copy(), y.copy(), T) for T in (1, 2, 5)]
        for _, clf in in_turn(each, submission.adaboost, calls=calls):
            alphas = np.array([alpha for *_, alpha in clf])
            wrong = (score(F, clf) >= alphas.sum() / 2 - 1e-12) != (y == 1)
            bound = np.prod(1 / np.cosh(alphas / 2))  # 2 sqrt(eps (1 - eps)) in terms of alpha
            assert_true(w[wrong].sum() <= bound + 1e-9, "the weighted training error stays under the bound")
            eps, least = replay(F, y, clf)
            assert_close(bound, np.prod(2 * np.sqrt(eps * (1 - eps))), name="bound from the alphas", atol=1e-8)
            assert_trained(eps, least)


@check("adaboost", points=1)
def test_the_work_grows_linearly(submission, rng):
    """Twice the rounds or twice the features cost at most twice the operations."""
    F, y = boosting_problem(rng, 8, 14, 6)
    for sizes in ([(2, 4), (2, 8), (2, 16)], [(2, 3), (4, 3), (8, 3)]):
        counts = []
        for m, T in sizes:
            counted = operations(submission.adaboost)(F[:m], y, T)
            clf = counted.value
            eps, least = replay(F[:m], y, clf)
            assert_close(eps, least, name="weighted error of the chosen stumps", atol=1e-9)
            if not len(clf) or least[-1] < 0.49:  # otherwise nothing may be left that beats chance
                assert_close(len(clf), T, name="number of rounds")
            counts.append(counted.count)
        small, middle, large = counts
        assert_true(small > 0, "the operations are executed by the submitted code")
        # the growth from middle to large is twice that from small to middle; the slack is for data-dependent branches
        assert_true(large - middle <= 2.4 * (middle - small) + 0.1 * middle + 40, "the cost grows linearly, not faster")


@check("adaboost", points=0.5)
def test_the_training_set_is_left_alone(submission, rng):
    """Training writes neither to the features nor to the labels and draws no random numbers."""
    F, y = boosting_problem(rng, 3, 9, 4)
    assert_trained(*replay(F, y, assert_pure(submission.adaboost, F, y, 2)))
    assert_trained(*replay(F, y, submission.adaboost(noncontiguous(F), noncontiguous(y), 2)))


@check("adaboost", points=0.5)
def test_a_malformed_training_set_is_an_error(submission, rng):
    """Features that are no matrix, labels that do not fit or are not 0 and 1, and T below 1 raise ValueError."""
    F, y = boosting_problem(rng, 2, 6, 3)
    bad = [(F[0], y, 2), (F, y[:-1], 2), (F, 2 * y - 1, 2), (F, y, 0), (F[:0], y, 2), (F[:, :0], y[:0], 2)]
    assert_each_refused(submission.adaboost, bad)
    assert_trained(*replay(F, y, submission.adaboost(F, y, 2)))


# ---------------------------------------------------------------- strong_score


@check("strong_score", points=1.5)
def test_scores_of_many_stumps(submission, rng):
    """The score adds alpha over all stumps that vote 1, for any number of features, stumps and samples."""
    sizes = [(1, 1, 1), (3, 1, 4), (2, 5, 1), (4, 7, 6)]
    calls = [(rng.standard_normal((m, n)), random_classifier(rng, m, T)) for m, n, T in sizes]
    for (F, clf), result in in_turn(each, submission.strong_score, calls=calls):
        assert_close(result, score(F, clf), name="score", atol=1e-12)


@check("strong_score", points=0.5)
def test_a_value_on_the_threshold_is_not_below_it(submission):
    """The comparison is strict for both polarities: a value equal to the threshold votes 0."""
    F = np.array([[1.0, 2.0, 3.0]])
    assert_close(submission.strong_score(F, [(0, 2.0, 1, 1.5)]), np.array([1.5, 0.0, 0.0]), name="score")
    assert_close(submission.strong_score(F, [(0, 2.0, -1, 1.5)]), np.array([0.0, 0.0, 1.5]), name="score")


@check("strong_score", points=0.5)
def test_scores_on_integer_features_and_of_no_stumps(submission, rng):
    """Unsigned features are compared as numbers, infinite thresholds work, and no stumps give zeros."""
    F = rng.integers(0, 256, (2, 6)).astype(np.uint8)
    clf = [(0, 100.5, -1, 0.5), (1, 130.5, 1, 0.25), (0, np.inf, 1, 1.0), (1, -np.inf, 1, 2.0), (1, -np.inf, -1, 4.0)]
    assert_close(submission.strong_score(F, clf), score(F, clf), name="score")
    assert_close(submission.strong_score(F, []), np.zeros(6), name="score of no stumps")


@check("strong_score", points=0.5)
def test_scoring_leaves_the_features_alone(submission, rng):
    """Scoring does not write to the features, accepts any memory layout and refuses a single row."""
    F, clf = rng.standard_normal((3, 5)), random_classifier(rng, 3, 4)
    assert_close(assert_pure(submission.strong_score, F, clf), score(F, clf), name="score", atol=1e-12)
    assert_close(submission.strong_score(noncontiguous(F), clf), score(F, clf), name="score", atol=1e-12)
    assert_raises(ValueError, submission.strong_score, F[0], clf)


# ---------------------------------------------------------------- cascade_predict


@check("cascade_predict", points=1)
def test_cascades_of_several_stages(submission, rng):
    """Each sample passes on as long as its score reaches half of the sum of the alphas of the stage."""
    calls = []
    for n, sizes in [(1, [1]), (9, [1, 2]), (40, [3, 2, 4]), (6, [])]:
        F = rng.standard_normal((3, n))
        calls.append(([random_classifier(rng, 3, T) for T in sizes], F))
    for (stages, F), (label, stage) in in_turn(each, submission.cascade_predict, calls=calls):
        expected = np.full(F.shape[1], len(stages))
        for k in reversed(range(len(stages))):
            expected[score(F, stages[k]) < sum(alpha for *_, alpha in stages[k]) / 2] = k
        assert_close(stage, expected, name="stage", dtype="kind")
        assert_close(label, (expected == len(stages)).astype(np.int64), name="label", dtype="kind")


@check("cascade_predict", points=1)
def test_later_stages_are_not_evaluated(submission, rng):
    """Once every sample is rejected the later stages are not touched, even if they could not be evaluated."""
    F = np.abs(rng.standard_normal((2, 6))) + 0.5
    F[1, :3] *= -1
    rejects_some = [(1, 0.0, 1, 1.0)]  # the last three samples
    rejects_all = [(0, 0.25, 1, 0.8), (0, 0.125, 1, 0.7)]
    impossible = [(10**6, 0.0, 1, 1.0)]
    label, stage = submission.cascade_predict([rejects_some, rejects_all, impossible, impossible], F)
    assert_close(label, np.zeros(6, np.int64), name="label", dtype="kind")
    assert_close(stage, np.array([1, 1, 1, 0, 0, 0]), name="stage", dtype="kind")


@check("cascade_predict", points=0.5)
def test_exactly_half_is_enough(submission):
    """A score of exactly half the sum of the alphas is accepted."""
    F = np.array([[1.0, 1.0, 5.0, 5.0], [1.0, 5.0, 1.0, 5.0]])
    label, stage = submission.cascade_predict([[(0, 3.0, 1, 1.5), (1, 3.0, 1, 1.5)]], F)
    assert_close(label, np.array([1, 1, 1, 0]), name="label", dtype="kind")
    assert_close(stage, np.array([1, 1, 1, 0]), name="stage", dtype="kind")


@check("cascade_predict", points=0.5)
def test_the_cascade_leaves_its_arguments_alone(submission, rng):
    """A cascade writes neither to the features nor to its stages, and a single row of features is an error."""
    F = rng.standard_normal((2, 5))
    stages = [[(0, 0.0, 1, 1.0)], [(1, 0.0, -1, 0.5)]]
    label, _ = assert_pure(submission.cascade_predict, stages, F)
    assert_close(label, ((F[0] < 0) & (F[1] > 0)).astype(np.int64), name="label", dtype="kind")
    assert_raises(ValueError, submission.cascade_predict, stages, F[0])


# ---------------------------------------------------------------- iou


@check("iou", points=1.5)
def test_iou_counts_pixels(submission, rng):
    """IoU is the number of shared pixels over the number of covered pixels, in either order and at any scale."""
    boxes = random_boxes(rng, 16, 12)
    cases, calls = [], []
    for a, b in zip(boxes[::2], boxes[1::2], strict=True):
        overlap = shared_over_covered(a, b)
        cases += [(overlap, name) for name in ("iou", "iou of the boxes exchanged", "iou of smaller boxes")]
        calls += [(tuple(map(int, a)), tuple(map(int, b))), (b.copy(), a.copy()), (a / 8, b / 8)]
    for (expected, name), (_, result) in zip(cases, in_turn(each, submission.iou, calls=calls), strict=True):
        assert_close(result, expected, name=name)


@check("iou", points=1)
def test_boxes_apart_share_nothing(submission, rng):
    """Boxes that are apart, in one direction or in both, have IoU 0."""
    a = (2, 3, 4, 5)
    others = [(10, 3, 2, 5), (2, 20, 4, 5), (10, 20, 3, 2), (0, 0, 1, 1), (6, 8, 3, 3), (6, 0, 2, 1)]
    calls = [pair for b in others for pair in ((a, b), (b, a))]
    for _, result in in_turn(each, submission.iou, calls=calls):
        assert_close(result, 0.0, name="iou")
    b = (3, 5, 4, 5)
    assert_close(submission.iou(a, b), shared_over_covered(a, b), name="iou of boxes that overlap")


@check("iou", points=0.5)
def test_a_box_without_area_is_an_error(submission):
    """A box whose height or width is not positive raises ValueError."""
    good, bad = (0, 0, 2, 2), [(0, 0, 0, 2), (0, 0, 2, 0), (1, 1, -1, 2), (1, 1, 2, -1), (0, 0, -2, -2)]
    assert_each_refused(submission.iou, [pair for box in bad for pair in ((good, box), (box, good))])
    assert_close(submission.iou(good, (1, 1, 2, 2)), 1 / 7, name="iou of boxes with an area")


# ---------------------------------------------------------------- nms


@check("nms", points=1.5)
def test_suppression_among_many_boxes(submission, rng):
    """Going from the best score down, a box stays unless it overlaps a box that stayed before."""
    calls = []
    for K, thr in [(2, 0.2512), (6, 0.3712), (10, 0.1234), (12, 0.2123)]:
        boxes = random_boxes(rng, K, 10)
        scores = rng.permutation(K) + rng.uniform(0.0, 0.5, K)
        calls.append((boxes, scores, thr))
    for call, kept in in_turn(each, submission.nms, calls=calls):
        assert_kept(kept, boxes_to_keep(*call), len(call[0]))


@check("nms", points=1)
def test_a_dropped_box_drops_no_other(submission):
    """Only boxes that are kept suppress others, so the far end of a chain of overlaps survives."""
    boxes = np.array([[0, 0, 4, 10], [0, 4, 4, 10], [0, 8, 4, 10], [0, 12, 4, 10]])
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert_kept(submission.nms(boxes, scores, 0.25), [0, 2], 4)
    assert_kept(submission.nms(boxes, scores[::-1].copy(), 0.25), [3, 1], 4)


@check("nms", points=0.5)
def test_an_overlap_equal_to_the_threshold_is_kept(submission):
    """A box is dropped only if its overlap is greater than the threshold, not if it is equal."""
    boxes = np.array([[0, 0, 2, 2], [0, 0, 1, 2], [5, 5, 4, 4], [5, 5, 4, 1]])
    scores = np.array([0.4, 0.3, 0.2, 0.1])
    expected = {0.5: [0, 1, 2, 3], 0.25: [0, 2, 3], 0.125: [0, 2]}
    calls = [(boxes.copy(), scores.copy(), thr) for thr in expected]
    for (_, _, thr), kept in in_turn(each, submission.nms, calls=calls):
        assert_kept(kept, expected[thr], len(boxes))


@check("nms", points=1)
def test_no_box_one_box_and_boxes_left_alone(submission, rng):
    """No boxes give no indices, a single box is always kept, and boxes and scores are not reordered in place."""
    assert_close(submission.nms(np.zeros((0, 4)), np.zeros(0), 0.5), np.zeros(0, np.int64), name="kept", dtype="kind")
    one = np.array([[3, 1, 2, 5]])
    assert_close(submission.nms(one, np.array([-1.0]), 0.0), np.array([0]), name="kept indices", dtype="kind")
    boxes, scores = random_boxes(rng, 5, 8), rng.permutation(5) * 1.0
    kept = assert_pure(submission.nms, boxes, scores, 1.0)  # no overlap is greater than 1
    assert_close(kept, np.argsort(-scores), name="kept indices", dtype="kind")


@check("nms", points=0.5)
def test_boxes_and_scores_must_match(submission, rng):
    """Boxes that are not K x 4 or scores of another length raise ValueError."""
    boxes, scores = random_boxes(rng, 4, 8), rng.uniform(size=4)
    bad = [(boxes, scores[:3]), (boxes[:, :3], scores), (boxes[0], scores), (boxes, scores[:, None])]
    bad.append((boxes[:1, :3], scores[:1]))  # a single box, which is compared with no other
    assert_each_refused(submission.nms, [(*arguments, 0.5) for arguments in bad])
    expected = boxes_to_keep(boxes, scores, 0.5)
    assert_kept(submission.nms(boxes, scores, 0.5), expected, len(boxes))
