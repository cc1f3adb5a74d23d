"""Hidden checks of the regularization topic."""

import itertools

import numpy as np
import torch

from grader.checks import (
    assert_close,
    assert_flat_cost,
    assert_pure,
    assert_raises,
    assert_true,
    central_differences,
    check,
    fortran,
    keep,
    noncontiguous,
    observe,
)


def no_entry_means_zero(grads, params):
    """Gradients of all parameters, with zeros where the submission gives none."""
    return {key: np.array(np.broadcast_to(grads.get(key, 0), w.shape), dtype=float) for key, w in params.items()}


def batchnorm(x, gamma, beta, eps):
    """Training-mode batch normalization, written down afresh for central differences."""
    centred = x - np.mean(x, axis=0)
    return gamma * centred / np.sqrt(np.mean(centred**2, axis=0) + eps) + beta


def torch_batchnorm(x, gamma, beta, dy, eps):
    """(y, dx, dgamma, dbeta) of training-mode batch normalization by autograd."""
    leaves = [torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in (x, gamma, beta)]
    y = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True, eps=eps)
    gradients = torch.autograd.grad(y, leaves, torch.tensor(dy))
    return y.detach().numpy(), *(g.numpy() for g in gradients)


def draw_batchnorm(rng, n, d, scale=1.0):
    """x (N, D), gamma, beta, running (mean, var) and dy (N, D)."""
    x = scale * (rng.standard_normal((n, d)) + rng.standard_normal(d))
    gamma, beta, mean = (rng.standard_normal(d) for _ in range(3))
    return x, gamma, beta, (mean, rng.uniform(0.5, 2.0, d)), rng.standard_normal((n, d))


# ---------------------------------------------------------------------------------------- penalties


@check("l2_penalty", points=2.5)
def test_l2_gradient_is_the_slope_of_the_penalty(submission, rng):
    """The gradient of the L2 penalty is its slope in every weight, for weights of any shape."""
    params = {
        "W": rng.standard_normal((1, 1)),
        "W_conv": rng.standard_normal((2, 1, 3, 2)),
        "W3": rng.standard_normal(4),
        "b1": rng.standard_normal(3),
        "bW": rng.standard_normal(3),  # contains a W, but does not start with it
        "w": rng.standard_normal(2),
    }
    penalty, grads = submission.l2_penalty(params, 0.7)
    weights = [key for key in params if key.startswith("W")]
    assert_close(penalty, 0.35 * sum(np.sum(params[key] ** 2) for key in weights), name="penalty")
    grads = no_entry_means_zero(grads, params)
    for key in weights:
        slope = central_differences(lambda w: 0.35 * np.sum(w**2), params[key])
        assert_close(grads[key], slope, name="gradient", rtol=1e-7)
        assert_close(grads[key], 0.7 * params[key], name="gradient")
    for key in ("b1", "bW", "w"):
        assert_close(grads[key], 0 * params[key], name="gradient of what is not penalised")


@check("l2_penalty", points=1.5)
def test_l2_keeps_dtype_and_arguments(submission, rng):
    """float32 weights get float32 gradients, a strided view counts like its copy, arguments stay as they are."""
    for x in (rng.standard_normal((4, 3)), noncontiguous(rng.standard_normal((3, 5)))):
        penalty, grads = assert_pure(submission.l2_penalty, {"W1": x, "b1": np.ones(3)}, 1.0)
        assert_close(penalty, np.einsum("ij,ij->", x, x) / 2, name="penalty")
        assert_close(grads["W1"], np.array(x), name="gradient")
    W = rng.standard_normal((4, 3)).astype(np.float32)
    _, grads = submission.l2_penalty({"W1": W}, 0.5)
    assert_close(grads["W1"], W / 2, name="gradient of float32 weights")
    penalty, _ = submission.l2_penalty({"b1": np.ones(3)}, 0.5)
    assert_close(penalty, 0.0, name="penalty without weights", dtype=False)


@check("l1_penalty", points=2)
def test_l1_gradient_is_the_slope_of_the_penalty(submission, rng):
    """Away from 0 the slope of the L1 penalty is plus or minus alpha, whatever the size of the weight."""
    for shape in ((1, 1), (3, 4), (2, 3, 1, 2)):
        W = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.01, 3.0, shape)  # no weight near the kink
        params = {"W1": W, "b1": rng.standard_normal(3), "bW": rng.standard_normal(3)}
        penalty, grads = submission.l1_penalty(params, 0.7)
        assert_close(penalty, 0.7 * np.sqrt(W**2).sum(), name="penalty")
        slope = central_differences(lambda w: 0.7 * np.abs(w).sum(), W)
        assert_close(grads["W1"], slope, name="gradient", rtol=1e-7)
        grads = no_entry_means_zero(grads, params)
        for key in ("b1", "bW"):
            assert_close(grads[key], np.zeros(3), name="gradient of what is not penalised")


@check("l1_penalty", points=1)
def test_l1_gradient_is_zero_at_zero(submission, rng):
    """A weight that is exactly 0 stays there: its sub-gradient is 0."""
    W = rng.standard_normal((3, 4))
    W[[0, 1, 2], [1, 3, 0]] = 0.0
    _, grads = submission.l1_penalty({"W1": W}, 0.3)
    assert_close(grads["W1"], np.where(W == 0, 0.0, np.where(W > 0, 0.3, -0.3)), name="gradient")


@check("l1_penalty", points=1)
def test_l1_keeps_dtype_and_arguments(submission, rng):
    """float32 weights get float32 gradients, a strided view counts like its copy, arguments stay as they are."""
    x = noncontiguous(rng.standard_normal((3, 5)))
    penalty, grads = assert_pure(submission.l1_penalty, {"W1": x, "b1": np.ones(3)}, 1.0)
    assert_close(penalty, np.abs(x).sum(), name="penalty")
    assert_close(grads["W1"], np.where(x > 0, 1.0, -1.0), name="gradient")
    W = rng.standard_normal((4, 3)).astype(np.float32)
    _, grads = submission.l1_penalty({"W1": W}, 0.5)
    assert_close(grads["W1"], np.where(W > 0, 0.5, -0.5).astype(np.float32), name="gradient of float32 weights")


@check("soft_threshold", points=2)
def test_soft_threshold_is_the_proximal_step(submission, rng):
    """No other v has a smaller 1/2 (v - w)**2 + t |v|, be it near the result or far from it."""
    w = np.concatenate([rng.standard_normal(12), rng.uniform(-0.3, 0.3, 6), [0.0]])
    steps = np.concatenate([[-2.0, 2.0], np.logspace(-4, 0, 9), -np.logspace(-4, 0, 9)])
    for t in (0.1, 0.5, 1.5):
        v = submission.soft_threshold(w, t)
        best = np.min([(u - w) ** 2 / 2 + t * np.abs(u) for u in [0 * w, *(v + step for step in steps)]], axis=0)
        objective = (v - w) ** 2 / 2 + t * np.abs(v)
        assert_close(np.minimum(objective, best), objective, name="objective", rtol=1e-12)
        assert_close(v, w - np.clip(w, -t, t), name="v")


@check("soft_threshold", points=1)
def test_soft_threshold_at_its_borders(submission, rng):
    """Entries with |w| <= t become exactly 0, the border included, and t = 0 gives back an equal array."""
    w = np.array([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75])
    expected = np.array([-0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25])
    assert_close(submission.soft_threshold(w, 0.5), expected, name="result", rtol=0, atol=0)
    w = rng.standard_normal((4, 3))
    assert_close(assert_pure(submission.soft_threshold, w, 0.0), w, name="result for t = 0")


@check("soft_threshold", points=1)
def test_soft_threshold_keeps_shape_dtype_and_arguments(submission, rng):
    """Any shape and any memory layout will do, float32 stays float32, and w itself is not changed."""
    for shape in ((1,), (2, 1, 3)):
        w = rng.standard_normal(shape)
        for view in (noncontiguous(w), fortran(w)):
            expected = np.where(w > 0.25, w - 0.25, 0.0) + np.where(w < -0.25, w + 0.25, 0.0)
            assert_close(assert_pure(submission.soft_threshold, view, 0.25), expected, name="result")
    w = rng.standard_normal((3, 4)).astype(np.float32)
    expected = (w - np.clip(w, -0.25, 0.25)).astype(np.float32)
    assert_close(submission.soft_threshold(w, 0.25), expected, name="result for float32")


# ------------------------------------------------------------------------------------------ dropout


def assert_some_survive(y):
    """Of many elements some survive and some do not; where x is not 0, y shows which."""
    assert_true(0 < np.mean(y != 0) < 1, "some elements should survive and some should drop")


@check("dropout_forward", points=1.5)
def test_dropout_keeps_the_right_fraction(submission, rng):
    """The share of elements that survive is 1 - p, up to chance: p is the probability of dropping."""
    x = np.ones((80, 100))
    for p in (0.1, 0.3, 0.8):
        y, _ = submission.dropout_forward(x, p, rng, True)
        band = 6 * np.sqrt(p * (1 - p) / x.size)  # of a binomial share
        reason = "six standard deviations of 8000 draws"
        assert_close(np.mean(y != 0), 1 - p, name="share of survivors", rtol=0, atol=band, wide=reason)


@check("dropout_forward", points=1.5)
def test_dropout_decides_for_each_element(submission, rng):
    """Every element has a decision of its own: no axis shares a mask, and how many drop is left to chance."""
    x = np.ones((6, 5, 7, 8))
    y, _ = submission.dropout_forward(x, 0.5, rng, True)
    for axis, size in enumerate(x.shape):
        slices = np.moveaxis(y != 0, axis, 0).reshape(size, -1)
        assert_close(len(np.unique(slices, axis=0)), size, name="number of different slices along an axis")
    drops = [submission.dropout_forward(np.ones((5, 8)), 0.5, rng, True)[0].ravel() == 0 for _ in range(12)]
    assert_close(len(np.unique(drops, axis=0)), 12, name="number of different masks in twelve calls")
    counts = np.unique(np.sum(drops, axis=1))
    assert_close(len(counts) > 1, True, name="whether the number of dropped elements varies")


@check("dropout_forward", points=1.5)
def test_dropout_draws_from_the_generator_only(submission, rng):
    """Equal generator states give equal masks, and every further call gives a new mask."""
    x = rng.standard_normal((8, 9))
    seed = int(rng.integers(2**32))
    first, second = np.random.default_rng(seed), np.random.default_rng(seed)
    masks = [submission.dropout_forward(x, 0.5, first, True)[1] for _ in range(3)]
    again = [submission.dropout_forward(x, 0.5, second, True)[1] for _ in range(3)]
    assert_close(again, masks, name="masks from an equal generator")
    masks.append(submission.dropout_forward(x, 0.5, np.random.default_rng(seed + 1), True)[1])
    different = [not np.array_equal(a, b) for a, b in itertools.combinations(masks, 2)]
    assert_close(np.array(different), np.ones(6, dtype=bool), name="whether two masks differ")
    for mask in masks:
        assert_close(mask, np.where(mask != 0, 2.0, 0.0), name="mask")


@check("dropout_forward", points=0.5)
def test_dropout_with_p_zero_is_the_identity(submission, rng):
    """With p = 0 nothing is dropped or scaled, and the output is a copy of x all the same."""
    x = rng.standard_normal((5, 4))
    y, mask = assert_pure(submission.dropout_forward, x, 0.0, rng, True)
    assert_close(y, x, name="y")
    assert_close(mask, np.ones((5, 4)), name="mask")


@check("dropout_forward", points=0.5)
def test_dropout_refuses_a_bad_p(submission, rng):
    """p is a probability below 1: a negative one, 1 itself and anything above it are a ValueError."""
    for p in (1.0, 1.5, -0.1):
        assert_raises(ValueError, submission.dropout_forward, np.ones((2, 3)), p, rng, True)
    y, mask = submission.dropout_forward(np.ones((16, 15)), 0.75, rng, True)
    assert_close((y, mask), (np.where(y != 0, 4.0, 0.0),) * 2, name="(y, mask) of ones for p = 3/4")
    assert_some_survive(y)


@check("dropout_forward", points=1)
def test_dropout_keeps_shape_dtype_and_arguments(submission, rng):
    """Any shape and any memory layout will do, float32 stays float32, and x itself is not changed."""
    for x in (np.ones(30), noncontiguous(np.abs(rng.standard_normal((6, 5))) + 1), np.ones((4, 2, 3, 3))):
        y, mask = assert_pure(submission.dropout_forward, x, 0.5, rng, True)
        assert_close(y, x * np.where(y != 0, 2.0, 0.0), name="y")
        assert_close(mask, np.where(y != 0, 2.0, 0.0), name="mask")
        assert_some_survive(y)
    x = np.ones((6, 5), dtype=np.float32)
    for train in (True, False):
        y, mask = submission.dropout_forward(x, 0.2, rng, train)
        expected = np.where(y != 0, np.float32(1.25 if train else 1), np.float32(0))
        assert_close(y, expected, name="y for float32")
        assert_close(mask, expected, name="mask for float32")
        survive = (y != 0).any() if train else (y != 0).all()
        assert_true(survive, "in training some elements should survive, in evaluation all of them")


@check("dropout_forward", points=0.5)
def test_cost_of_dropout(submission, rng):
    """Dropout works on the whole array at once, so the number of executed steps does not grow with it."""
    small, large = np.ones((4, 3)), np.ones((20, 15))
    results = assert_flat_cost(submission.dropout_forward, (small, 0.5, rng, True), (large, 0.5, rng, True))
    for (y, mask), x in zip(results, (small, large), strict=True):
        assert_close(y, x * np.where(y != 0, 2.0, 0.0), name="y")
        assert_close(mask, y, name="mask")  # of ones
    assert_some_survive(results[1][0])


@check("dropout_backward", points=1.5)
def test_dropout_gradient_for_a_given_mask(submission, rng):
    """y = mask * x element by element, so the mask is also the derivative: dx = mask * dy."""
    for shape, p in (((1, 1), 0.5), ((5, 4), 0.3), ((2, 3, 1, 4), 0.8)):
        mask = (rng.random(shape) >= p) / (1 - p)
        x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
        dx = submission.dropout_backward(dy, mask)
        slope = central_differences(lambda x, mask=mask, dy=dy: np.sum(dy * (mask * x)), x)
        assert_close(dx, slope, name="dx", rtol=1e-7)
        assert_close(dx, np.where(mask == 0, 0.0, dy / (1 - p)), name="dx")


@check("dropout_backward", points=0.5)
def test_dropout_gradient_in_evaluation(submission, rng):
    """With the mask of evaluation mode the upstream gradient passes through, as a copy."""
    dy = rng.standard_normal((5, 4))
    _, mask = submission.dropout_forward(rng.standard_normal((5, 4)), 0.5, rng, False)
    assert_close(assert_pure(submission.dropout_backward, dy, mask), dy, name="dx")


@check("dropout_backward", points=1)
def test_dropout_gradient_keeps_dtype_and_arguments(submission, rng):
    """float32 stays float32, any memory layout will do, and neither dy nor the mask is changed."""
    dy, mask = rng.standard_normal((5, 4)), np.tile([0.0, 2.0], (5, 2))
    dx = assert_pure(submission.dropout_backward, noncontiguous(dy), fortran(mask))
    assert_close(dx, np.einsum("nd,nd->nd", dy, mask), name="dx")
    x, dy = np.ones((5, 4), dtype=np.float32), dy.astype(np.float32)
    y, mask = submission.dropout_forward(x, 0.5, rng, True)
    dx = submission.dropout_backward(dy, mask)
    assert_close(dx, np.where(y != 0, 2 * dy, np.float32(0)), name="dx for float32")


# ------------------------------------------------------------------------------ batch normalization


@check("batchnorm_forward", points=2.5)
def test_batchnorm_output_in_training(submission, rng):
    """Each column is normalised over the batch, by its own mean and variance, for every batch and layer size."""
    for n, d in ((2, 1), (2, 3), (7, 1), (5, 4), (4, 5)):
        x, gamma, beta, run, dy = draw_batchnorm(rng, n, d)
        expected, *_ = torch_batchnorm(x, gamma, beta, dy, 0.2)
        for layout in (np.array, noncontiguous, fortran):
            y, _, _ = submission.batchnorm_forward(layout(x), gamma, beta, run, True, eps=0.2)
            assert_close(y, expected, name="y")


@check("batchnorm_forward", points=2.5)
def test_batchnorm_running_statistics(submission, rng):
    """momentum weighs the new batch, and the running variance takes in the unbiased estimate."""
    for n, d, momentum in ((6, 3, 0.25), (2, 1, 0.4), (5, 4, 1.0), (3, 2, 0.0)):
        x, gamma, beta, (mean, var), _ = draw_batchnorm(rng, n, d)
        _, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), True, momentum=momentum)
        run_mean, run_var = run_new
        batch_mean = x.sum(axis=0) / n
        batch_var = ((x - batch_mean) ** 2).sum(axis=0) / (n - 1)
        assert_close(run_mean, mean + momentum * (batch_mean - mean), name="running mean")
        assert_close(run_var, var + momentum * (batch_var - var), name="running variance")
    layer = torch.nn.BatchNorm1d(3, momentum=0.3, dtype=torch.float64)
    run = np.zeros(3), np.ones(3)
    for n in (4, 2, 6):
        x = rng.standard_normal((n, 3)) + 1
        layer(torch.tensor(x))
        _, _, run = submission.batchnorm_forward(x, np.ones(3), np.zeros(3), run, True, momentum=0.3)
    assert_close(run[0], layer.running_mean.numpy(), name="running mean after several batches")
    assert_close(run[1], layer.running_var.numpy(), name="running variance after several batches")


@check("batchnorm_forward", points=1)
def test_batchnorm_defaults(submission, rng):
    """Without further arguments the new batch weighs 0.1 and eps is 1e-5."""
    x, gamma, beta, (mean, var), dy = draw_batchnorm(rng, 6, 3, scale=1e-2)
    y, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), True)
    assert_close(y, torch_batchnorm(x, gamma, beta, dy, 1e-5)[0], name="y")
    assert_close(run_new[0], 0.9 * mean + 0.1 * x.mean(axis=0), name="running mean")
    assert_close(run_new[1], 0.9 * var + 0.1 * x.var(axis=0, ddof=1), name="running variance")


@check("batchnorm_forward", points=1.5)
def test_batchnorm_eps_is_added_to_the_variance(submission, rng):
    """eps stands inside the root, beside the variance, in training and in evaluation."""
    for scale, eps in ((1e-3, 1e-5), (1.0, 0.5), (30.0, 2.0)):
        x, gamma, beta, (mean, var), dy = draw_batchnorm(rng, 5, 4, scale)
        y, _, _ = submission.batchnorm_forward(x, gamma, beta, (mean, var), True, eps=eps)
        assert_close(y, torch_batchnorm(x, gamma, beta, dy, eps)[0], name="y in training")
        run = mean, scale**2 * var
        y, _, _ = submission.batchnorm_forward(x, gamma, beta, run, False, eps=eps)
        assert_close(y, beta + gamma * (x - mean) * (scale**2 * var + eps) ** -0.5, name="y in evaluation")


@check("batchnorm_forward", points=1)
def test_batchnorm_on_a_batch_of_one(submission, rng):
    """One example has no variance: training on it is a ValueError, evaluating it is fine."""
    x, gamma, beta, run, _ = draw_batchnorm(rng, 1, 4)
    assert_raises(ValueError, submission.batchnorm_forward, x, gamma, beta, run, True)
    y, _, run_new = submission.batchnorm_forward(x, gamma, beta, run, False)
    assert_close(y, gamma * (x - run[0]) / np.sqrt(run[1] + 1e-5) + beta, name="y")
    assert_close(run_new, run, name="running statistics")


@check("batchnorm_forward", points=1.5)
def test_batchnorm_of_a_constant_column(submission, rng):
    """A column without variance, even one of large numbers, comes out as beta and adds no variance."""
    for n in (3, 6, 7, 10):
        x, gamma, beta, (mean, var), _ = draw_batchnorm(rng, n, 4)
        x[:, 1:] = [3.7, 0.0, 1e6 + 0.1]
        y, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), True)
        reason = "the mean of equal numbers near 1e6 may be off by 1e-9, which 1 / sqrt(eps) makes 3e-7"
        assert_close(y[:, 1:], np.tile(beta[1:], (n, 1)), name="y of the constant columns", atol=1e-5, wide=reason)
        assert_close(run_new[1][1:], 0.9 * var[1:], name="running variance of the constant columns")


@check("batchnorm_forward", points=0.5)
def test_batchnorm_leaves_its_arguments_alone(submission, rng):
    """Neither x nor the running statistics are written to, and y is an array of its own."""
    x, gamma, beta, run, _ = draw_batchnorm(rng, 5, 4)
    for train in (True, False):
        seen = observe(submission.batchnorm_forward)(x, gamma, beta, run, train)
        assert_true(not seen.changed, "no argument should be written to")
        shared = [result for result, _ in seen.aliases if result.startswith("0")]
        assert_true(not shared, "y should share no memory with an argument")
        assert_true(not seen.used_global_random, "nothing here is random")
        mean, var = (x.mean(axis=0), x.var(axis=0)) if train else run
        assert_close(seen.value[0], gamma * (x - mean) / np.sqrt(var + 1e-5) + beta, name="y")


@check("batchnorm_forward", points=0.5)
def test_batchnorm_keeps_float32(submission, rng):
    """float32 stays float32: the output as well as the running statistics."""
    x, gamma, beta, run, dy = draw_batchnorm(rng, 6, 3)
    expected = torch_batchnorm(x, gamma, beta, dy, 0.1)[0].astype(np.float32)
    expected_run = 0.9 * run[0] + 0.1 * x.mean(axis=0), 0.9 * run[1] + 0.1 * x.var(axis=0, ddof=1)
    x, gamma, beta, mean, var = (a.astype(np.float32) for a in (x, gamma, beta, *run))
    y, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), True, eps=0.1)
    assert_close(y, expected, name="y")
    assert_close(run_new, tuple(a.astype(np.float32) for a in expected_run), name="running statistics")
    y, _, run_new = submission.batchnorm_forward(x, gamma, beta, (mean, var), False, eps=0.1)
    assert_close(y, gamma * (x - mean) / np.sqrt(var + np.float32(0.1)) + beta, name="y in evaluation")
    assert_close(run_new, (mean, var), name="running statistics in evaluation")


@check("batchnorm_forward", points=1)
def test_cost_of_batchnorm_forward(submission, rng):
    """The forward pass works on whole arrays, so the number of executed steps grows neither with N nor with D."""
    small, wide, tall = (draw_batchnorm(rng, n, d)[:4] for n, d in ((4, 3), (4, 20), (20, 3)))
    for large in (wide, tall):
        results = assert_flat_cost(submission.batchnorm_forward, (*small, True), (*large, True))
        for (y, _, _), given in zip(results, (small, large), strict=True):
            assert_close(y, batchnorm(*given[:3], 1e-5), name="y")


@check("batchnorm_backward", points=3)
def test_batchnorm_gradients_match_autograd(submission, rng):
    """All three gradients agree with automatic differentiation, mean and variance being functions of x."""
    for n, d in ((3, 1), (5, 4), (4, 5), (2, 3)):
        x, gamma, beta, run, dy = draw_batchnorm(rng, n, d)
        for eps in (1e-5, 0.3):
            _, dx, dgamma, dbeta = torch_batchnorm(x, gamma, beta, dy, eps)
            _, cache, _ = submission.batchnorm_forward(noncontiguous(x), gamma, beta, run, True, eps=eps)
            results = submission.batchnorm_backward(noncontiguous(dy), cache)
            # with two rows and a tiny eps nearly everything in dx cancels: measure against its parts
            parts = np.abs(gamma * dy / np.sqrt(x.var(axis=0) + eps)).max()
            assert_close(results[0], dx, name="dx", atol=1e-9 * parts)
            assert_close(results[1:], (dgamma, dbeta), name="dgamma and dbeta")


@check("batchnorm_backward", points=3)
def test_batchnorm_gradients_match_central_differences(submission, rng):
    """The slope of the loss in every single entry of x, gamma and beta is the gradient there."""
    n, d, eps = 5, 3, 0.1
    x, gamma, beta, run, dy = draw_batchnorm(rng, n, d)
    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True, eps=eps)
    dx, dgamma, dbeta = submission.batchnorm_backward(dy, cache)
    slopes = (
        central_differences(lambda x: np.sum(dy * batchnorm(x, gamma, beta, eps)), x),
        central_differences(lambda gamma: np.sum(dy * batchnorm(x, gamma, beta, eps)), gamma),
        central_differences(lambda beta: np.sum(dy * batchnorm(x, gamma, beta, eps)), beta),
    )
    for name, gradient, slope in zip(("dx", "dgamma", "dbeta"), (dx, dgamma, dbeta), slopes, strict=True):
        assert_close(gradient, slope, name=name, rtol=1e-7, atol=1e-7)


@check("batchnorm_backward", points=1)
def test_batchnorm_input_gradient_ignores_shift_and_scale(submission, rng):
    """Shifting a column changes nothing, so dx sums to 0; stretching it changes only what eps lets through."""
    for n, d, eps in ((5, 4, 1e-5), (6, 3, 0.5)):
        x, gamma, beta, run, dy = draw_batchnorm(rng, n, d)
        _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True, eps=eps)
        dx, _, _ = submission.batchnorm_backward(dy, cache)
        std = np.sqrt(x.var(axis=0) + eps)
        x_hat = (x - x.mean(axis=0)) / std
        assert_close(dx.sum(axis=0), np.zeros(d), name="column sums of dx", atol=1e-12)
        # sum of x_hat**2 over the batch is N * var / (var + eps), which leaves eps / (var + eps)
        leak = gamma / std * (dy * x_hat).sum(axis=0) * eps / std**2
        assert_close(np.sum(dx * x_hat, axis=0), leak, name="sum of dx * x_hat", atol=1e-12)
        assert_close(np.linalg.norm(dx), np.linalg.norm(torch_batchnorm(x, gamma, beta, dy, eps)[1]), name="norm of dx")


@check("batchnorm_backward", points=1)
def test_batchnorm_gradients_of_small_inputs(submission, rng):
    """When the variance is smaller than eps, the gradient still divides by sqrt(var + eps)."""
    x, gamma, beta, run, dy = draw_batchnorm(rng, 5, 4, scale=1e-3)
    _, dx, dgamma, _ = torch_batchnorm(x, gamma, beta, dy, 1e-5)
    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True)
    results = submission.batchnorm_backward(dy, cache)
    assert_close(results[0], dx, name="dx")
    assert_close(results[1], dgamma, name="dgamma")


@check("batchnorm_backward", points=1)
def test_batchnorm_caches_do_not_mix(submission, rng):
    """A layer may run on two batches before the gradient of the first is asked for: all is in the cache."""
    _, gamma, beta, run, dy = draw_batchnorm(rng, 5, 3)
    x_a, x_b = rng.standard_normal((2, 5, 3))
    _, cache_a, _ = submission.batchnorm_forward(x_a, gamma, beta, run, True)
    _, cache_b, _ = submission.batchnorm_forward(x_b, 2 * gamma, beta, run, True)
    for name, x, scale, cache in (("first", x_a, 1, cache_a), ("second", x_b, 2, cache_b)):
        _, dx, dgamma, _ = torch_batchnorm(x, scale * gamma, beta, dy, 1e-5)
        results = submission.batchnorm_backward(dy, cache)
        assert_close(results[0], dx, name=f"dx of the {name} batch")
        assert_close(results[1], dgamma, name=f"dgamma of the {name} batch")


@check("batchnorm_backward", points=1)
def test_batchnorm_gradients_of_a_constant_column(submission, rng):
    """A column without variance gives finite gradients: dgamma is 0 and dx the centred dy times gamma / sqrt(eps)."""
    x, gamma, beta, run, dy = draw_batchnorm(rng, 6, 3)
    x[:, 1] = 2.0
    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True, eps=0.01)
    dx, dgamma, dbeta = submission.batchnorm_backward(dy, cache)
    assert_close(dx[:, 1], 10 * gamma[1] * (dy[:, 1] - dy[:, 1].mean()), name="dx of the constant column")
    assert_close(dgamma[1], 0.0, name="dgamma of the constant column", atol=1e-12)
    assert_close(dbeta, np.einsum("nd->d", dy), name="dbeta")


@check("batchnorm_backward", points=0.5)
def test_batchnorm_backward_leaves_its_arguments_alone(submission, rng):
    """Neither dy nor the cache is written to, so a second call gives the same gradients."""
    x, gamma, beta, run, dy = draw_batchnorm(rng, 5, 3)
    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True)
    first = assert_pure(submission.batchnorm_backward, dy, cache)
    second = submission.batchnorm_backward(dy, cache)
    expected = torch_batchnorm(x, gamma, beta, dy, 1e-5)[1:]
    assert_close(first, expected, name="gradients")
    assert_close(second, expected, name="gradients of a second call")


@check("batchnorm_backward", points=0.5)
def test_batchnorm_gradients_keep_float32(submission, rng):
    """float32 stays float32 in all three gradients."""
    x, gamma, beta, run, dy = draw_batchnorm(rng, 6, 3)
    expected = torch_batchnorm(x, gamma, beta, dy, 0.1)[1:]
    x, gamma, beta, mean, var, dy = (a.astype(np.float32) for a in (x, gamma, beta, *run, dy))
    _, cache, _ = submission.batchnorm_forward(x, gamma, beta, (mean, var), True, eps=0.1)
    gradients = submission.batchnorm_backward(dy, cache)
    assert_close(gradients, tuple(g.astype(np.float32) for g in expected), name="gradients")


@check("batchnorm_backward", points=1)
def test_cost_of_batchnorm_backward(submission, rng):
    """The backward pass works on whole arrays, so the number of executed steps grows neither with N nor with D."""
    calls, expected = [], []
    for n, d in ((4, 3), (4, 20), (20, 3)):
        x, gamma, beta, run, dy = draw_batchnorm(rng, n, d)
        _, cache, _ = submission.batchnorm_forward(x, gamma, beta, run, True)
        calls.append((dy, cache))
        expected.append(torch_batchnorm(x, gamma, beta, dy, 1e-5)[1])
    for place in (1, 2):
        results = assert_flat_cost(submission.batchnorm_backward, calls[0], calls[place])
        for (dx, _, _), wanted in zip(results, (expected[0], expected[place]), strict=True):
            assert_close(dx, wanted, name="dx")


# ------------------------------------------------------------------------------------- soft targets


@check("smooth_labels", points=1)
def test_smooth_labels_at_the_ends(submission, rng):
    """eps = 0 gives one-hot rows, eps = 1 uniform ones; K counts classes, seen in this batch or not."""
    y = rng.integers(0, 3, 6)  # the classes 3 and 4 do not occur
    for eps in (0.0, 0.3, 1.0):
        onehot = (y[:, None] == np.arange(5)).astype(float)
        t = assert_pure(submission.smooth_labels, y, 5, eps)
        assert_close(t, onehot + eps * (0.2 - onehot), name="targets")
        assert_close(t.sum(axis=1), np.ones(6), name="row sums")
    assert_close(submission.smooth_labels(np.array([0, 0]), 1, 0.5), np.ones((2, 1)), name="targets for one class")


@check("soft_xent", points=1)
def test_soft_xent_matches_autograd_and_slopes(submission, rng):
    """Loss and gradient agree with automatic differentiation and with the slope in every logit."""
    for n, k, eps in ((1, 3, 0.3), (5, 4, 0.1), (4, 6, 0.0)):
        logits, y = 3 * rng.standard_normal((n, k)), rng.integers(0, k, n)
        t = (1 - eps) * (y[:, None] == np.arange(k)) + eps / k
        leaf = torch.tensor(logits, requires_grad=True)
        expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(y), label_smoothing=eps)
        (gradient,) = torch.autograd.grad(expected, leaf)
        loss, dlogits = submission.soft_xent(noncontiguous(logits), t)
        assert_close(loss, expected.item(), name="loss")
        assert_close(dlogits, gradient.numpy(), name="dlogits")
        slope = central_differences(lambda z, t=t: np.sum(t * (np.log(np.exp(z).sum(1, keepdims=True)) - z)), logits)
        assert_close(dlogits, slope / len(logits), name="dlogits", rtol=1e-7, atol=1e-8)


@check("soft_xent", points=1)
def test_soft_xent_of_extreme_logits(submission, rng):
    """Logits of a thousand neither overflow nor end in the logarithm of 0, whatever the targets."""
    logits = np.array([[1000.0, 0.0, -1000.0], [-3e4, 2e4, 1e4], [1e4, 1e4, 1e4], [-1e3, -1e3, -1001.0]])
    for t in (rng.dirichlet(np.ones(3), 4), np.eye(3)[[2, 0, 1, 2]]):
        leaf = torch.tensor(logits, requires_grad=True)
        expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(t))
        (gradient,) = torch.autograd.grad(expected, leaf)
        loss, dlogits = submission.soft_xent(logits, t)
        assert_close(loss, expected.item(), name="loss")
        assert_close(dlogits, gradient.numpy(), name="dlogits")


@check("soft_xent", points=0.5)
def test_soft_xent_keeps_dtype_and_arguments(submission, rng):
    """float32 stays float32 in the gradient, and neither the logits nor the targets are changed."""
    logits, t = rng.standard_normal((5, 3)), rng.dirichlet(np.ones(3), 5)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    _, dlogits = assert_pure(submission.soft_xent, logits, t)
    assert_close(dlogits, (softmax - t) / 5, name="dlogits")
    loss, dlogits = submission.soft_xent(logits.astype(np.float32), t.astype(np.float32))
    expected = -np.sum(t * np.log(softmax)) / 5
    assert_close(loss, expected, name="loss for float32", rtol=1e-5, dtype=False, wide="computed in float32")
    assert_close(dlogits, ((softmax - t) / 5).astype(np.float32), name="dlogits for float32")


@check("soft_xent", points=0.5)
def test_cost_of_soft_xent(submission, rng):
    """The loss works on whole arrays, so the number of executed steps grows neither with N nor with K."""
    small, large = ((rng.standard_normal((n, k)), np.full((n, k), 1 / k)) for n, k in ((4, 3), (20, 15)))
    for (loss, _), given in zip(assert_flat_cost(submission.soft_xent, small, large), (small, large), strict=True):
        assert_close(loss, torch.nn.functional.cross_entropy(*map(torch.tensor, given)).item(), name="loss")


# -------------------------------------------------------------------------------- mixing of examples


@check("mixup", points=1)
def test_mixup_at_the_ends(submission, rng):
    """lam = 1 gives back the batch, lam = 0 the partners, and both are arrays of their own."""
    x, t, perm = rng.standard_normal((5, 3)), rng.dirichlet(np.ones(4), 5), np.array([2, 0, 4, 1, 3])
    for lam, x_expected, t_expected in ((1.0, x, t), (0.0, x[perm], t[perm])):
        x_mixed, t_mixed = assert_pure(submission.mixup, x, t, lam, perm)
        assert_close(x_mixed, x_expected, name="x", rtol=1e-12)
        assert_close(t_mixed, t_expected, name="t", rtol=1e-12)


@check("mixup", points=0.5)
def test_mixup_refuses_a_bad_lam(submission, rng):
    """lam is a share: below 0 or above 1 it is a ValueError."""
    x, t, perm = rng.standard_normal((2, 3)), np.eye(2), np.array([1, 0])
    for lam in (-0.01, 1.01):
        assert_raises(ValueError, submission.mixup, x, t, lam, perm)
    expected = 0.25 * x + 0.75 * x[perm], 0.25 * t + 0.75 * t[perm]
    assert_close(submission.mixup(x, t, 0.25, perm), expected, name="(x, t) for a share")


@check("mixup", points=0.5)
def test_mixup_of_images_and_float32(submission, rng):
    """Inputs may have any further axes and any memory layout, and float32 stays float32."""
    x, t, perm = rng.standard_normal((3, 2, 5, 4)), rng.dirichlet(np.ones(2), 3), np.array([1, 2, 0])
    x_expected, t_expected = 0.25 * x + 0.75 * np.roll(x, -1, axis=0), 0.25 * t + 0.75 * np.roll(t, -1, axis=0)
    x_mixed, t_mixed = assert_pure(submission.mixup, noncontiguous(x), fortran(t), 0.25, perm)
    assert_close(x_mixed, x_expected, name="x")
    assert_close(t_mixed, t_expected, name="t")
    x_mixed, t_mixed = submission.mixup(x.astype(np.float32), t.astype(np.float32), 0.25, perm)
    assert_close(x_mixed, x_expected.astype(np.float32), name="x for float32")
    assert_close(t_mixed, t_expected.astype(np.float32), name="t for float32")


def paste_by_pixel(x, t, box, perm):
    """CutMix decided pixel by pixel: a pixel is pasted if the box covers it."""
    r, c, h, w = box
    x_mixed, pasted = np.array(x), 0
    for i, j in np.ndindex(x.shape[2:]):
        if r <= i < r + h and c <= j < c + w:
            x_mixed[:, :, i, j] = x[perm, :, i, j]
            pasted += 1
    share = pasted / (x.shape[2] * x.shape[3])
    return x_mixed, t + share * (t[perm] - t)


@check("cutmix", points=2)
def test_cutmix_clips_the_box_first(submission, rng):
    """A box that sticks out is clipped, and the targets mix by the area that was really pasted."""
    perm = np.array([2, 0, 1])
    x, t = rng.standard_normal((3, 2, 6, 5)), rng.dirichlet(np.ones(4), 3)
    for box in ((4, 1, 4, 2), (2, 3, 2, 4), (-1, 1, 3, 2), (1, -2, 2, 3), (-2, 3, 5, 5), (4, -1, 9, 3)):
        x_expected, t_expected = paste_by_pixel(x, t, box, perm)
        x_mixed, t_mixed = submission.cutmix(x, t, box, perm)
        assert_close(t_mixed, t_expected, name="t")
        assert_close(x_mixed, x_expected, name="x")


@check("cutmix", points=1)
def test_cutmix_with_all_or_nothing_pasted(submission, rng):
    """A box over the whole image gives the partner; an empty box, or one that misses the image, changes nothing."""
    perm = np.array([1, 2, 0])
    x, t = rng.standard_normal((3, 1, 4, 5)), rng.dirichlet(np.ones(2), 3)
    for box in ((0, 0, 4, 5), (-3, -1, 20, 30)):
        assert_close(submission.cutmix(x, t, box, perm), (x[perm], t[perm]), name="(x, t) when all is pasted")
    for box in ((1, 1, 0, 3), (2, 2, 2, 0), (6, 1, 2, 2), (-5, 1, 3, 2), (1, 5, 2, 4), (1, -4, 2, 2)):
        assert_close(submission.cutmix(x, t, box, perm), (x, t), name="(x, t) when nothing is pasted")


@check("cutmix", points=0.5)
def test_cutmix_keeps_dtype_and_arguments(submission, rng):
    """float32 stays float32, any memory layout will do, and the batch itself is not changed."""
    perm, box = np.array([1, 2, 0]), (1, 2, 2, 1)
    x, t = rng.standard_normal((3, 2, 4, 5)), rng.dirichlet(np.ones(2), 3)
    x_expected, t_expected = paste_by_pixel(x, t, box, perm)
    x_mixed, t_mixed = assert_pure(submission.cutmix, noncontiguous(x), fortran(t), box, perm)
    assert_close(x_mixed, x_expected, name="x")
    assert_close(t_mixed, t_expected, name="t")
    assert_close(assert_pure(submission.cutmix, x, t, (0, 0, 0, 0), perm), (x, t), name="(x, t) for an empty box")
    x_mixed, t_mixed = submission.cutmix(x.astype(np.float32), t.astype(np.float32), box, perm)
    assert_close(x_mixed, x_expected.astype(np.float32), name="x for float32")
    assert_close(t_mixed, t_expected.astype(np.float32), name="t for float32")


@check("cutmix", points=0.5)
def test_cost_of_cutmix(submission, rng):
    """The box is pasted in one go, so the number of executed steps does not grow with the batch or the box."""
    calls = []
    for n, size in ((2, 4), (6, 12)):
        x, t = rng.standard_normal((n, 2, size, size + 1)), rng.dirichlet(np.ones(2), n)
        calls.append((x, t, (1, 1, size // 2, size // 2), np.roll(np.arange(n), 1)))
    expected = tuple(paste_by_pixel(*call) for call in calls)
    assert_close(assert_flat_cost(submission.cutmix, *calls), expected, name="(x, t) of both sizes")


# ----------------------------------------------------------------------------------- early stopping


@check("EarlyStopping", points=1)
def test_early_stopping_min_delta_is_strict(submission):
    """Only a loss below best - min_delta improves: a gain of exactly min_delta does not, nor does it move best."""
    stopper = keep(submission.EarlyStopping)(3, min_delta=0.5)
    answers, best = [], []
    for loss in (4.0, 3.5, 5.0, 3.25, 3.0, 2.75, 2.875):
        answers.append(stopper.step(loss))
        best.append(stopper.best)
    expected = np.array([[4.0, 4.0, 4.0, 3.25, 3.25, 3.25, 3.25], [0, 0, 0, 0, 0, 0, 1]])
    assert_close(np.array([best, answers], dtype=float), expected, name="best and answer after each step")


@check("EarlyStopping", points=0.5)
def test_early_stopping_best_starts_at_infinity(submission):
    """best is infinite before the first step, then the lowest loss; an equal loss is no improvement."""
    stopper = keep(submission.EarlyStopping)(2)
    assert_close(stopper.best, float("inf"), name="best at the start")
    answers = [stopper.step(loss) for loss in (1.5, 1.5, -2.0, -2.0, -2.0)]
    assert_close(np.array(answers), np.array([False] * 4 + [True]), name="answers")
    assert_close(stopper.best, -2.0, name="best")
    later = [stopper.step(loss) for loss in (-1.0, -2.0, -3.0, -3.0, -3.0)]
    assert_close(np.array(later), np.array([True, True, False, False, True]), name="answers after the first stop")
    assert_close(stopper.best, -3.0, name="best after the first stop")


@check("EarlyStopping", points=0.5)
def test_early_stopping_objects_are_independent(submission):
    """Two stoppers used in turn do not disturb one another."""
    one, two = keep(submission.EarlyStopping)(2), keep(submission.EarlyStopping)(2)
    answers = [(one.step(a), two.step(b)) for a, b in ((1.0, 9.0), (2.0, 8.0), (3.0, 7.0))]
    assert_close(np.array(answers), np.array([(False, False), (False, False), (True, False)]), name="answers")
    assert_close([one.best, two.best], [1.0, 7.0], name="best")


@check("EarlyStopping", points=0.5)
def test_early_stopping_ignores_nan(submission):
    """A loss that is not a number is no improvement: it counts as a wasted step and never becomes best."""
    stopper, nan = keep(submission.EarlyStopping)(2), float("nan")
    answers, best = [], []
    for loss in (nan, 3.0, nan, 2.0, nan, nan):
        answers.append(stopper.step(loss))
        best.append(stopper.best)
    expected = np.array([[np.inf, 3.0, 3.0, 2.0, 2.0, 2.0], [0, 0, 0, 0, 0, 1]])
    assert_close(np.array([best, answers], dtype=float), expected, name="best and answer after each step")


@check("EarlyStopping", points=0.5)
def test_early_stopping_refuses_a_bad_patience(submission):
    """A patience below 1 could never wait for anything: it is a ValueError."""
    for patience in (0, -1):
        assert_raises(ValueError, submission.EarlyStopping, patience)
    stopper = keep(submission.EarlyStopping)(1)
    answers = [stopper.step(loss) for loss in (2.0, 1.0, 3.0)]
    assert_close(np.array(answers), np.array([False, False, True]), name="answers for a patience of 1")


# ---------------------------------------------------------------------------------- dropout as ridge


@check("dropout_ridge", points=2)
def test_dropout_ridge_weighs_each_feature_by_its_energy(submission, rng):
    """The penalty on w[j] is p / (1 - p) times the sum of squares of feature j, so features weigh differently."""
    for n, d, p in ((5, 4, 0.5), (4, 6, 0.2), (1, 3, 0.75)):
        X = rng.standard_normal((n, d)) * 10.0 ** rng.permutation(np.linspace(-1, 1, d))
        y, w = rng.standard_normal(n), rng.standard_normal(d)
        masks = np.array(list(itertools.product((0.0, 1.0), repeat=d)))  # rows are independent: all masks of one
        probabilities = np.prod(np.where(masks == 1, 1 - p, p), axis=1)
        predictions = masks @ (X * w).T / (1 - p)  # (2**D, N)
        expected = np.sum(probabilities @ (y - predictions) ** 2)
        variance = np.sum(probabilities @ (predictions - X @ w) ** 2)
        expected_loss, penalty = submission.dropout_ridge(X, y, w, p)
        assert_close(penalty, variance, name="penalty")
        assert_close(expected_loss, expected, name="expected loss")


@check("dropout_ridge", points=1)
def test_dropout_ridge_adds_to_the_plain_loss(submission, rng):
    """What is not penalty is the loss without dropout; for p = 0 or w = 0 there is no penalty."""
    X, y, w = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3)
    plain = sum((y[i] - sum(X[i] * w)) ** 2 for i in range(5))
    for p in (0.0, 0.25, 0.9):
        expected_loss, penalty = submission.dropout_ridge(X, y, w, p)
        assert_close(expected_loss - penalty, plain, name="expected loss - penalty", rtol=1e-8)
        assert_close(penalty == 0, p == 0, name="whether the penalty is 0")
    for p, v in ((0.0, w), (0.5, 0 * w)):
        expected_loss, penalty = submission.dropout_ridge(X, y, v, p)
        assert_close(penalty, 0.0, name="penalty", dtype=False)
        assert_close(expected_loss, np.sum((y - X @ v) ** 2), name="expected loss")


@check("dropout_ridge", points=0.5)
def test_dropout_ridge_refuses_a_bad_p(submission, rng):
    """p is a probability below 1: a negative one, 1 itself and anything above it are a ValueError."""
    X, y, w = rng.standard_normal((3, 2)), rng.standard_normal(3), rng.standard_normal(2)
    for p in (1.0, 1.5, -0.1):
        assert_raises(ValueError, submission.dropout_ridge, X, y, w, p)
    penalty = sum(float(X[:, j] @ X[:, j]) * w[j] ** 2 for j in range(2))  # p / (1 - p) is 1
    expected = float(((y - X @ w) ** 2).sum()) + penalty, penalty
    assert_close(submission.dropout_ridge(X, y, w, 0.5), expected, name="(expected_loss, penalty) for p = 1/2")


@check("dropout_ridge", points=1.5)
def test_dropout_ridge_of_any_shape_layout_and_dtype(submission, rng):
    """One example, one feature, a strided view and float32 give the same two numbers; no argument is changed."""
    for n, d in ((1, 1), (1, 4), (5, 1), (4, 3)):
        X, y, w = rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)
        penalty = sum(X[i, j] ** 2 * w[j] ** 2 for i in range(n) for j in range(d)) * 0.25
        expected = np.sum((y - X @ w) ** 2) + penalty, penalty
        for layout in (np.array, noncontiguous, fortran):
            assert_close(assert_pure(submission.dropout_ridge, layout(X), y, w, 0.2), expected, name="result")
    single = submission.dropout_ridge(*(a.astype(np.float32) for a in (X, y, w)), 0.2)
    assert_close(single, expected, name="result for float32", rtol=1e-5, dtype=False, wide="computed in float32")


@check("dropout_ridge", points=0.5)
def test_cost_of_dropout_ridge(submission, rng):
    """The closed form needs no loop over examples or features, and no sampling of masks."""
    small, large = (
        (rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d), 0.5) for n, d in ((4, 3), (20, 15))
    )
    results = assert_flat_cost(submission.dropout_ridge, small, large)
    for (_, penalty), (X, _, w, _) in zip(results, (small, large), strict=True):
        assert_close(penalty, np.linalg.norm(X * w) ** 2, name="penalty")
