"""The reference of viola_jones against scikit-image, scikit-learn, SciPy and brute force."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SOLUTION = Path(__file__).parents[2] / "solutions" / "viola_jones.py"
SKIMAGE_KINDS = {"2x": "type-2-x", "2y": "type-2-y", "3x": "type-3-x", "3y": "type-3-y", "4": "type-4"}


@pytest.fixture(scope="module")
def vj():
    spec = importlib.util.spec_from_file_location("solution_viola_jones", SOLUTION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def boosting_problem(rng, m, n):
    """Noisy features of which no threshold separates the classes."""
    y = np.arange(n) % 3 == 0
    F = rng.standard_normal((m, n)) + 0.7 * y
    F[:, 1] = F[:, 0]
    return F, y.astype(np.int64)


# ---------------------------------------------------------------- tables, rectangles, windows


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_integral_image_agrees_with_scikit_image(vj, rng, dtype):
    """Without its row and column of zeros the table is scikit-image's."""
    transform = pytest.importorskip("skimage.transform")
    img = rng.uniform(0, 255, (13, 17)).astype(dtype)
    ii = vj.integral_image(img)

    assert ii.dtype == (np.float64 if img.dtype.kind == "f" else np.int64)
    np.testing.assert_allclose(ii[1:, 1:], transform.integral_image(img.astype(np.float64)), rtol=1e-12)
    assert not ii[0].any() and not ii[:, 0].any()


def test_rect_sum_agrees_with_scikit_image(vj, rng):
    """Rectangle sums equal scikit-image's `integrate`, which names both end points."""
    transform = pytest.importorskip("skimage.transform")
    img = rng.integers(0, 256, (13, 17))
    r, c = rng.integers(0, 6, (2, 50))
    h, w = rng.integers(1, 8, (2, 50))
    ends = np.stack([r + h - 1, c + w - 1], axis=1)
    theirs = transform.integrate(transform.integral_image(img), np.stack([r, c], axis=1), ends)

    np.testing.assert_array_equal(vj.rect_sum(vj.integral_image(img), r, c, h, w), theirs)


def test_window_std_agrees_with_scipy(vj, rng):
    """All windows of one size have the standard deviation that SciPy finds by sliding over the pixels."""
    ndimage = pytest.importorskip("scipy.ndimage")
    img = rng.integers(0, 256, (11, 14)).astype(np.float64)
    ii, ii2 = vj.integral_image(img), vj.integral_image(img**2)
    std = vj.window_std(ii, ii2, np.arange(9)[:, None], np.arange(10), 3, 5)
    theirs = ndimage.generic_filter(img, np.std, size=(3, 5))[1:-1, 2:-2]

    np.testing.assert_allclose(std, theirs, rtol=1e-7)


# ---------------------------------------------------------------- features


@pytest.mark.parametrize("kind", SKIMAGE_KINDS)
def test_features_agree_with_scikit_image(vj, rng, kind):
    """Every feature of an oblong image has scikit-image's value, sign included."""
    feature = pytest.importorskip("skimage.feature")
    transform = pytest.importorskip("skimage.transform")
    img = rng.integers(0, 256, (7, 9))
    coordinates, kinds = feature.haar_like_feature_coord(9, 7, SKIMAGE_KINDS[kind])  # width first
    theirs = feature.haar_like_feature(transform.integral_image(img), 0, 0, 9, 7, kinds, feature_coord=coordinates)
    corners = [np.array([corner for part in parts for corner in part]) for parts in coordinates]
    r, c = np.array([k.min(axis=0) for k in corners]).T
    h, w = np.array([np.ptp(k, axis=0) + 1 for k in corners]).T

    np.testing.assert_array_equal(vj.haar_feature(vj.integral_image(img), kind, r, c, h, w), theirs)
    ours = {f[1:] for f in vj.enumerate_features(7, 9) if f[0] == kind}
    assert ours == set(zip(r.tolist(), c.tolist(), h.tolist(), w.tolist(), strict=True))


@pytest.mark.parametrize(("side", "expected"), [(24, 162_336), (25, 190_736)])
def test_number_of_features(vj, side, expected):
    """The well-known windows hold the well-known number of features."""
    assert len(vj.enumerate_features(side, side)) == expected


# ---------------------------------------------------------------- stumps and boosting


def exhaustive(v, y, w):
    u = np.unique(v)
    cuts = [u[0] - 1, *((u[:-1] + u[1:]) / 2), u[-1] + 1]
    return min(w[(p * v < p * thr) != (y == 1)].sum() for thr in cuts for p in (1, -1))


def test_best_stump_agrees_with_exhaustive_search(vj, rng):
    """No threshold and polarity beats the stump, and a Gini tree often misses it."""
    tree = pytest.importorskip("sklearn.tree")
    worse = 0
    for _ in range(60):
        n = int(rng.integers(4, 30))
        v, y, w = rng.integers(0, 12, n) * 1.0, rng.permutation(n) % 2, rng.exponential(1.0, n)
        thr, polarity, err = vj.best_stump(v, y, w)
        assert err == pytest.approx(exhaustive(v, y, w), abs=1e-12)
        assert err == pytest.approx(w[(polarity * v < polarity * thr) != (y == 1)].sum(), abs=1e-12)
        gini = tree.DecisionTreeClassifier(max_depth=1).fit(v[:, None], y, sample_weight=w)
        worse += w[gini.predict(v[:, None]) != y].sum() > err + 1e-9

    assert worse > 0


def test_adaboost_agrees_with_scikit_learn(vj, rng):
    """With an exact stump as its estimator, scikit-learn's AdaBoost finds the same errors, alphas and decisions."""
    base = pytest.importorskip("sklearn.base")
    ensemble = pytest.importorskip("sklearn.ensemble")

    class ExactStump(base.ClassifierMixin, base.BaseEstimator):
        def fit(self, X, y, sample_weight):
            self.classes_ = np.unique(y)
            stumps = [vj.best_stump(column, y, sample_weight) for column in X.T]
            self.j_ = int(np.argmin([err for *_, err in stumps]))
            self.thr_, self.polarity_, _ = stumps[self.j_]
            return self

        def predict(self, X):
            return (self.polarity_ * X[:, self.j_] < self.polarity_ * self.thr_).astype(int)

    F, y = boosting_problem(rng, 6, 40)
    T = 8
    clf = vj.adaboost(F, y, T)
    w = 0.5 / np.where(y == 1, y.sum(), (1 - y).sum())
    theirs = ensemble.AdaBoostClassifier(ExactStump(), n_estimators=T).fit(F.T, y, sample_weight=w)

    alphas = np.array([alpha for *_, alpha in clf])
    np.testing.assert_allclose(alphas, theirs.estimator_weights_, rtol=1e-10)
    np.testing.assert_allclose(1 / (1 + np.exp(alphas)), theirs.estimator_errors_, rtol=1e-10)
    decisions = vj.strong_score(F, clf) >= alphas.sum() / 2
    np.testing.assert_array_equal(decisions.astype(int), theirs.predict(F.T))


def test_plain_training_error_may_exceed_the_bound(vj):
    """The bound holds for the error by starting weights; with unequal classes the plain one can be larger."""
    F = np.array([[1, 3, 4, 5, 0, 0, 0, 2, 4, 2], [3, 5, 3, 5, 1, 0, 2, 4, 4, 1]])
    y = np.array([1] + [0] * 9)
    clf = vj.adaboost(F, y, 2)
    alphas = np.array([alpha for *_, alpha in clf])
    wrong = (vj.strong_score(F, clf) >= alphas.sum() / 2 - 1e-12) != (y == 1)
    bound = np.prod(1 / np.cosh(alphas / 2))

    assert wrong.mean() == 0.8
    assert bound == pytest.approx(5 / 9)
    assert wrong @ np.where(y == 1, 1 / 2, 1 / 18) <= bound


def test_faces_are_told_from_other_patches(vj):
    """On real patches ten rounds over a hundred random features are right most of the time and beat one stump."""
    data = pytest.importorskip("skimage.data")
    patches = data.lfw_subset()
    y = (np.arange(200) < 100).astype(np.int64)
    features = vj.enumerate_features(25, 25)
    chosen = np.random.default_rng(0).choice(len(features), 120, replace=False)
    tables = [vj.integral_image(patch) for patch in patches]
    F = np.array([[vj.haar_feature(ii, *features[k]) for ii in tables] for k in chosen])
    train = np.arange(200) % 10 < 7
    accuracy = []
    for T in (1, 10):
        clf = vj.adaboost(F[:, train], y[train], T)
        label, _ = vj.cascade_predict([clf], F[:, ~train])
        accuracy.append(np.mean(label == y[~train]))

    assert accuracy[1] > 0.85 and accuracy[1] >= accuracy[0]


def test_cascade_stops_like_a_loop_over_samples(vj, rng):
    """A cascade of boosted stages gives each sample the verdict that it gets on its own."""
    F, y = boosting_problem(rng, 4, 30)
    stages = [vj.adaboost(F, y, T) for T in (1, 3, 6)]
    label, stage = vj.cascade_predict(stages, F)
    for i in range(30):
        accepted = [vj.strong_score(F[:, [i]], clf)[0] >= sum(a for *_, a in clf) / 2 for clf in stages]
        assert stage[i] == (accepted.index(False) if False in accepted else 3)
        assert label[i] == all(accepted)


# ---------------------------------------------------------------- boxes


def test_iou_agrees_with_the_jaccard_score(vj, rng):
    """IoU of boxes is the Jaccard score of their pixels."""
    metrics = pytest.importorskip("sklearn.metrics")
    for _ in range(40):
        a, b = (np.concatenate([rng.integers(0, 6, 2), rng.integers(1, 6, 2)]) for _ in range(2))
        pixels = np.zeros((2, 12, 12), bool)
        for layer, (r, c, h, w) in zip(pixels, (a, b), strict=True):
            layer[r : r + h, c : c + w] = True
        assert vj.iou(a, b) == pytest.approx(metrics.jaccard_score(pixels[0].ravel(), pixels[1].ravel()), rel=1e-12)


def test_nms_keeps_an_independent_and_covering_set(vj, rng):
    """Kept boxes overlap each other at most by the threshold, and each dropped box overlaps a better kept one."""
    boxes = np.concatenate([rng.uniform(0, 20, (60, 2)), rng.uniform(2, 12, (60, 2))], axis=1)
    scores = rng.uniform(size=60)
    kept = vj.nms(boxes, scores, 0.3)

    assert (np.diff(scores[kept]) < 0).all() and 1 < len(kept) < 60
    for i in range(60):
        rivals = [k for k in kept if k != i and vj.iou(boxes[i], boxes[k]) > 0.3]
        assert (not rivals) if i in kept else any(scores[k] > scores[i] for k in rivals)
