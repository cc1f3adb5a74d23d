"""Checks of the regularization topic that ship to students."""

import copy
import itertools

import numpy as np

from grader.checks import assert_close, assert_pure, assert_true, check, keep


def random_parameters(rng):
    """A small network's parameters: two weights, their biases, and a batch normalization between them."""
    shapes = {"W1": (4, 3), "b1": (3,), "gamma1": (3,), "beta1": (3,), "W2": (3, 2), "b2": (2,)}
    return {key: rng.standard_normal(shape) for key, shape in shapes.items()}


@check("l2_penalty", points=2)
def test_l2_penalty_is_half_alpha_times_the_squares(submission, rng):
    """The L2 penalty is alpha / 2 times the sum of all squared weights."""
    for alpha in (1.0, 0.3):
        W1, W2 = rng.standard_normal((2, 3)), rng.standard_normal((3, 1))
        penalty, _ = submission.l2_penalty({"W1": W1, "W2": W2}, alpha)
        expected = alpha / 2 * (sum(v**2 for v in W1.flat) + sum(v**2 for v in W2.flat))
        assert_close(penalty, expected, name="penalty")


@check("l2_penalty", points=2)
def test_l2_penalty_leaves_biases_alone(submission, rng):
    """Only arrays whose name starts with W are penalised: the rest adds nothing and gets no gradient."""
    params = random_parameters(rng)
    penalty, grads = submission.l2_penalty(params, 0.3)
    assert_close(penalty, 0.15 * sum(np.square(params[key]).sum() for key in ("W1", "W2")), name="penalty")
    for key in ("b1", "gamma1", "beta1", "b2"):
        gradient = np.broadcast_to(grads.get(key, 0), params[key].shape)
        assert_close(gradient, np.zeros(params[key].shape), name=f"gradient of {key}", dtype=False)


@check("l1_penalty", points=2)
def test_l1_penalty_is_alpha_times_the_magnitudes(submission, rng):
    """The L1 penalty is alpha times the sum of |W| over the weights, without the biases."""
    for alpha in (1.0, 0.3):
        params = random_parameters(rng)
        penalty, _ = submission.l1_penalty(params, alpha)
        expected = alpha * sum(abs(v) for key in ("W1", "W2") for v in params[key].flat)
        assert_close(penalty, expected, name="penalty")


@check("soft_threshold", points=2)
def test_soft_threshold_shrinks_towards_zero(submission, rng):
    """Soft thresholding moves every entry towards 0 by t, and an entry that reaches 0 stays there."""
    for shape, t in (((6,), 0.5), ((4, 3), 1.2)):
        w = rng.standard_normal(shape)
        expected = np.array([v - t if v > t else v + t if v < -t else 0.0 for v in w.flat]).reshape(shape)
        assert_close(submission.soft_threshold(w, t), expected, name="result")


@check("dropout_forward", points=2)
def test_dropout_zeroes_or_scales(submission, rng):
    """In training every output is either 0 or x / (1 - p), where p is the probability of dropping."""
    for p in (0.5, 0.2, 0.75):
        x = rng.standard_normal((20, 15))
        y, mask = submission.dropout_forward(x, p, rng, True)
        kept = y != 0
        assert_true(0 < kept.mean() < 1, "some elements should be dropped and some should survive")
        ratio = y[kept] / x[kept]
        scale = 1 / (1 - p)
        assert_close([ratio.min(), ratio.max()], [scale, scale], name="scale of the survivors", rtol=1e-12)
        assert_close(mask, np.where(kept, scale, 0.0), name="mask", rtol=1e-12)


@check("dropout_forward", points=2)
def test_dropout_does_nothing_in_evaluation(submission, rng):
    """With train=False the output is a copy of x, the mask is all ones and nothing is drawn from rng."""
    x = rng.standard_normal((5, 4))
    untouched = copy.deepcopy(rng)
    y, mask = assert_pure(submission.dropout_forward, x, 0.5, rng, False)
    assert_close(y, x, name="y", rtol=0)
    assert_close(mask, np.ones((5, 4)), name="mask")
    assert_close(rng.random(), untouched.random(), name="next number of rng")


@check("dropout_backward", points=2)
def test_dropout_gradient_uses_the_same_mask(submission, rng):
    """A dropped element gets no gradient; a surviving one gets the upstream gradient times 1 / (1 - p)."""
    for p in (0.5, 0.2):
        x = np.abs(rng.standard_normal((10, 6))) + 1
        y, mask = submission.dropout_forward(x, p, rng, True)
        dy = rng.standard_normal((10, 6))
        dx = submission.dropout_backward(dy, mask)
        assert_close(dx, dy * (y / x), name="dx")  # y is linear in each x: the slope is y / x
        assert_true(0 < np.mean(y != 0) < 1, "some elements should survive and some should drop")


@check("batchnorm_forward", points=2)
def test_batchnorm_normalises_each_column(submission, rng):
    """In training each column is centred, divided by sqrt(biased variance + eps), scaled and shifted."""
    for n, d in ((2, 1), (6, 3), (5, 4)):
        x = 3 * rng.standard_normal((n, d)) + 2
        gamma, beta = rng.standard_normal(d), rng.standard_normal(d)
        y, _, _ = submission.batchnorm_forward(x, gamma, beta, (np.zeros(d), np.ones(d)), True, eps=0.1)
        expected = np.empty((n, d))
        for j in range(d):
            mean = sum(x[:, j]) / n
            var = sum((x[:, j] - mean) ** 2) / n
            expected[:, j] = gamma[j] * (x[:, j] - mean) / np.sqrt(var + 0.1) + beta[j]
        assert_close(y, expected, name="y")


@check("batchnorm_forward", points=2)
def test_batchnorm_evaluates_with_running_statistics(submission, rng):
    """With train=False the running mean and variance normalise, whatever the batch, and stay as they are."""
    for n, d in ((5, 3), (1, 4)):
        x = rng.standard_normal((n, d)) + 1
        gamma, beta, mean = (rng.standard_normal(d) for _ in range(3))
        var = rng.uniform(0.5, 2.0, d)
        y, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), False, eps=0.1)
        assert_close(y, gamma * (x - mean) / np.sqrt(var + 0.1) + beta, name="y")
        assert_close(run_new, (mean, var), name="running statistics")


@check("batchnorm_backward", points=2)
def test_batchnorm_scale_and_shift_gradients(submission, rng):
    """dbeta sums dy over the batch, dgamma sums dy times the normalised input."""
    for n, d in ((2, 1), (5, 3)):
        x, gamma, beta = rng.standard_normal((n, d)), rng.standard_normal(d), rng.standard_normal(d)
        run = np.zeros(d), np.ones(d)
        _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True, eps=0.1)
        dy = rng.standard_normal((n, d))
        _, dgamma, dbeta = submission.batchnorm_backward(dy, cache)
        x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.1)
        assert_close(dbeta, np.einsum("nd->d", dy), name="dbeta")
        assert_close(dgamma, np.einsum("nd,nd->d", dy, x_hat), name="dgamma")


@check("batchnorm_backward", points=2)
def test_batchnorm_input_gradient_predicts_small_steps(submission, rng):
    """A small step of x changes the loss by dx times the step; a shift of a whole column changes nothing."""
    n, d, h = 5, 3, 1e-5
    x, gamma, beta = rng.standard_normal((n, d)), rng.standard_normal(d), rng.standard_normal(d)
    dy = rng.standard_normal((n, d))

    def loss(x):
        x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.1)
        return np.sum(dy * (gamma * x_hat + beta))

    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, (np.zeros(d), np.ones(d)), True, eps=0.1)
    dx, _, _ = submission.batchnorm_backward(dy, cache)
    for _ in range(3):
        step = rng.standard_normal((n, d))
        slope = (loss(x + h * step) - loss(x - h * step)) / (2 * h)
        assert_close(np.sum(dx * step), slope, name="slope along a random step", rtol=1e-7, atol=1e-8)
    assert_close(dx.sum(axis=0), np.zeros(d), name="column sums of dx", atol=1e-12)


@check("smooth_labels", points=2)
def test_smooth_labels_spreads_mass_over_all_classes(submission, rng):
    """Every class gets eps / K, the true one too, and the true one gets 1 - eps on top."""
    for n, k, eps in ((1, 2, 0.2), (6, 5, 0.1)):
        y = rng.integers(0, k, n)
        expected = [[eps / k + (1 - eps) * (j == label) for j in range(k)] for label in y]
        assert_close(submission.smooth_labels(y, k, eps), np.array(expected), name="targets")


@check("soft_xent", points=2)
def test_soft_xent_value_and_gradient(submission, rng):
    """The loss is the mean over rows of -sum t log softmax; its gradient is (softmax - t) / N."""
    for n, k in ((1, 2), (4, 3)):
        logits = rng.standard_normal((n, k))
        t = rng.dirichlet(np.ones(k), n)
        loss, dlogits = submission.soft_xent(logits, t)
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert_close(loss, -np.sum(t * np.log(softmax)) / n, name="loss")
        assert_close(dlogits, (softmax - t) / n, name="dlogits")


@check("mixup", points=2)
def test_mixup_weighs_x_by_lam(submission, rng):
    """Inputs and targets are mixed alike: lam weighs the example itself, 1 - lam its partner."""
    for n, d, k, lam in ((2, 1, 3, 0.25), (5, 4, 3, 0.7)):
        x, t = rng.standard_normal((n, d)), rng.dirichlet(np.ones(k), n)
        perm = (np.arange(n) + 1) % n  # of five: neither the identity nor its own inverse
        x_mixed, t_mixed = submission.mixup(x, t, lam, perm)
        assert_close(x_mixed, np.array([lam * x[i] + (1 - lam) * x[j] for i, j in enumerate(perm)]), name="x")
        assert_close(t_mixed, np.array([lam * t[i] + (1 - lam) * t[j] for i, j in enumerate(perm)]), name="t")


@check("cutmix", points=2)
def test_cutmix_pastes_a_box(submission, rng):
    """The box comes from the partner, everything else from the image, and targets mix by area."""
    n, k, box, perm = 3, 4, (1, 2, 3, 2), np.array([1, 2, 0])
    x, t = rng.standard_normal((n, 2, 6, 5)), rng.dirichlet(np.ones(k), n)
    x_mixed, t_mixed = submission.cutmix(x, t, box, perm)
    expected = np.array(x)
    for i, r, c in itertools.product(range(n), range(1, 4), range(2, 4)):
        expected[i, :, r, c] = x[perm[i], :, r, c]
    assert_close(x_mixed, expected, name="x")
    assert_close(t_mixed, (24 * t + 6 * t[perm]) / 30, name="t")  # 6 of the 30 pixels are pasted


@check("EarlyStopping", points=1.5)
def test_early_stopping_counts_steps_without_improvement(submission):
    """It says stop at the step that makes `patience` steps in a row without a new best loss."""
    for patience in (1, 2, 3):
        stopper = keep(submission.EarlyStopping)(patience)
        answers = [stopper.step(loss) for loss in [2.0, 1.0] + [1.5] * patience]
        assert_close(np.array(answers), np.array([False] * (patience + 1) + [True]), name="answers")


@check("EarlyStopping", points=1.5)
def test_early_stopping_improvement_resets_patience(submission):
    """Every improvement starts the count afresh: only steps in a row count."""
    answers = []
    for losses in ((5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.0, 2.0), (5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5, 2.25)):
        stopper = keep(submission.EarlyStopping)(2)
        answers.append([stopper.step(loss) for loss in losses])
        assert_close(stopper.best, 2.0, name="best")
    assert_close(np.array(answers), np.array([[False] * 7 + [True]] * 2), name="answers")


@check("dropout_ridge", points=2.5)
def test_dropout_ridge_is_the_mean_over_all_masks(submission, rng):
    """The expected loss is the loss of every possible mask, weighted by the probability of that mask."""
    for n, d, p in ((1, 1, 0.5), (2, 3, 0.2)):
        X, y, w = rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)
        expected = added = 0.0
        for kept in itertools.product((0, 1), repeat=n * d):
            mask = np.reshape(kept, (n, d))
            probability = np.prod(np.where(mask == 1, 1 - p, p))
            prediction = (mask * X / (1 - p)) @ w
            expected += probability * np.sum((y - prediction) ** 2)
            added += probability * np.sum((prediction - X @ w) ** 2)  # X @ w is the mean prediction
        expected_loss, penalty = submission.dropout_ridge(X, y, w, p)
        assert_close(expected_loss, expected, name="expected loss")
        assert_close(penalty, added, name="penalty")
