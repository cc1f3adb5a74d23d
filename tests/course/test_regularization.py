"""The reference of the regularization topic against scikit-learn, scipy, torch and Monte Carlo."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special, stats
from sklearn.linear_model import Lasso, Ridge

PATH = Path(__file__).parents[2] / "solutions" / "regularization.py"
SPEC = importlib.util.spec_from_file_location("regularization_reference", PATH)
ref = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ref)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_l2_descent_reaches_sklearns_ridge(rng):
    """Gradient descent with the L2 gradient minimises 1/2 ||y - Xw||^2 + alpha/2 ||w||^2, which is sklearn's Ridge."""
    X, y, alpha, w = rng.standard_normal((30, 4)), rng.standard_normal(30), 3.0, np.zeros(4)
    for _ in range(2000):
        w -= 0.01 * (X.T @ (X @ w - y) + ref.l2_penalty({"W": w}, alpha)[1]["W"])
    np.testing.assert_allclose(w, Ridge(alpha=alpha, fit_intercept=False).fit(X, y).coef_, rtol=1e-9)


def test_soft_threshold_iterations_reach_sklearns_lasso(rng):
    """Proximal gradient steps with soft_threshold minimise 1/(2N) ||y - Xw||^2 + alpha ||w||_1, sklearn's Lasso."""
    n, alpha = 60, 0.15
    X = rng.standard_normal((n, 8))
    y = X @ np.array([2.0, -1.0, 0, 0, 0, 0.5, 0, 0]) + 0.3 * rng.standard_normal(n)
    w, step = np.zeros(8), n / np.linalg.norm(X, 2) ** 2
    for _ in range(3000):
        w = ref.soft_threshold(w - step * X.T @ (X @ w - y) / n, step * alpha)
    expected = Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(X, y).coef_
    np.testing.assert_allclose(w, expected, atol=1e-8)
    assert np.sum(w == 0) == np.sum(expected == 0) > 0
    # at the minimum the slope of the data term balances a sub-gradient of the penalty
    slope, grads = -X.T @ (X @ w - y) / n, ref.l1_penalty({"W": w}, alpha)[1]["W"]
    np.testing.assert_allclose(slope[w != 0], grads[w != 0], atol=1e-8)
    assert np.all(np.abs(slope[w == 0]) <= alpha)
    np.testing.assert_allclose(ref.soft_threshold(X, 0.3), torch.nn.functional.softshrink(torch.tensor(X), 0.3).numpy())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_is_bernoulli(rng, p):
    """The number of survivors has the binomial distribution, and neighbours drop independently."""
    y, mask = ref.dropout_forward(np.ones((200, 100)), p, rng, True)
    kept = y > 0
    assert stats.binomtest(int(kept.sum()), kept.size, 1 - p).pvalue > 1e-6
    pairs = np.histogram2d(kept[:, ::2].ravel(), kept[:, 1::2].ravel(), bins=2)[0]
    assert stats.chi2_contingency(pairs).pvalue > 1e-6
    np.testing.assert_allclose(ref.dropout_backward(np.ones_like(y), mask), y)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_batchnorm_follows_torch(rng, dtype):
    """Outputs, running statistics and all gradients of several steps and of evaluation agree with BatchNorm1d."""
    layer = torch.nn.BatchNorm1d(5, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rng.standard_normal(5)))
        layer.bias.copy_(torch.tensor(rng.standard_normal(5)))
    gamma, beta = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    run = np.zeros(5, gamma.dtype), np.ones(5, gamma.dtype)
    tolerance = {"rtol": 1e-9, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-5}
    for scale in (1.0, 1e-2, 30.0):
        x = torch.tensor(scale * rng.standard_normal((7, 5)), dtype=dtype, requires_grad=True)
        dy = torch.tensor(rng.standard_normal((7, 5)), dtype=dtype)
        y, cache, run = ref.batchnorm_forward(x.detach().numpy(), gamma, beta, run, True)
        expected = layer(x)
        gradients = torch.autograd.grad(expected, (x, layer.weight, layer.bias), dy)
        np.testing.assert_allclose(y, expected.detach().numpy(), **tolerance)
        for ours, theirs in zip(ref.batchnorm_backward(dy.numpy(), cache), gradients, strict=True):
            assert ours.dtype == theirs.numpy().dtype
            np.testing.assert_allclose(ours, theirs.numpy(), **tolerance)
        np.testing.assert_allclose(run[0], layer.running_mean.numpy(), **tolerance)
        np.testing.assert_allclose(run[1], layer.running_var.numpy(), **tolerance)
    layer.eval()
    y, _, _ = ref.batchnorm_forward(x.detach().numpy(), gamma, beta, run, False)
    np.testing.assert_allclose(y, layer(x).detach().numpy(), **tolerance)
    with pytest.raises(ValueError):
        layer.train()(x[:1])


def test_batchnorm_gradient_passes_gradcheck(rng):
    """torch's own gradient checker accepts the backward pass of the reference."""

    class BatchNorm(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, gamma, beta):
            run = np.zeros(3), np.ones(3)
            arrays = (a.detach().numpy() for a in (x, gamma, beta))
            y, ctx.cache, _ = ref.batchnorm_forward(*arrays, run, True, eps=1e-3)
            return torch.from_numpy(y)

        @staticmethod
        def backward(ctx, dy):
            return tuple(map(torch.from_numpy, ref.batchnorm_backward(dy.contiguous().numpy(), ctx.cache)))

    inputs = [torch.tensor(rng.standard_normal(s), requires_grad=True) for s in ((6, 3), (3,), (3,))]
    assert torch.autograd.gradcheck(BatchNorm.apply, inputs)


def test_soft_xent_follows_torch_and_scipy(rng):
    """Label smoothing and soft targets agree with torch's cross_entropy, and the loss with scipy's log_softmax."""
    logits, y = 4 * rng.standard_normal((9, 5)), rng.integers(0, 5, 9)
    for eps in (0.0, 0.1, 0.7, 1.0):
        leaf = torch.tensor(logits, requires_grad=True)
        expected = torch.nn.functional.cross_entropy(leaf, torch.tensor(y), label_smoothing=eps)
        expected.backward()
        t = ref.smooth_labels(y, 5, eps)
        loss, dlogits = ref.soft_xent(logits, t)
        np.testing.assert_allclose(loss, expected.item(), rtol=1e-12)
        np.testing.assert_allclose(dlogits, leaf.grad.numpy(), atol=1e-14)
        np.testing.assert_allclose(loss, -np.mean(np.sum(t * special.log_softmax(logits, axis=1), axis=1)), rtol=1e-12)


def test_mixup_of_targets_is_a_mixture_of_losses(rng):
    """Cross-entropy is linear in the targets, so mixed targets give the mixture of the two losses."""
    x, t, logits = rng.standard_normal((6, 3)), np.eye(4)[rng.integers(0, 4, 6)], rng.standard_normal((6, 4))
    perm = rng.permutation(6)
    _, mixed = ref.mixup(x, t, 0.3, perm)
    both = 0.3 * ref.soft_xent(logits, t)[0] + 0.7 * ref.soft_xent(logits, t[perm])[0]
    np.testing.assert_allclose(ref.soft_xent(logits, mixed)[0], both)


def test_cutmix_target_weight_is_the_share_of_foreign_pixels(rng):
    """Over many random boxes, the partner's label weight equals the share of pixels that came from the partner."""
    x = np.broadcast_to(np.arange(2.0)[:, None, None, None], (2, 3, 7, 5)).copy()
    t, perm = np.eye(2), np.array([1, 0])
    for _ in range(300):
        box = *map(int, rng.integers(-9, 9, 2)), *map(int, rng.integers(0, 12, 2))
        mixed, t_mixed = ref.cutmix(x, t, box, perm)
        np.testing.assert_allclose(t_mixed[0, 1], mixed[0].mean(), atol=1e-15)
        np.testing.assert_allclose(t_mixed[1, 0], 1 - mixed[1].mean(), atol=1e-15)


def test_early_stopping_against_a_search_over_the_past():
    """At each step of many random sequences the answer equals what the whole past says."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        patience, min_delta = int(rng.integers(1, 4)), rng.integers(0, 3) / 4
        losses, stopper = rng.integers(0, 12, 15) / 4, ref.EarlyStopping(patience, min_delta)
        improved = []
        for loss in losses:
            best = min((value for value, good in improved if good), default=np.inf)
            improved.append((loss, loss < best - min_delta))
            waited = next((i for i, (_, good) in enumerate(reversed(improved)) if good), len(improved))
            assert stopper.step(loss) == (waited >= patience)


def test_dropout_ridge_is_the_monte_carlo_mean(rng):
    """The closed form lies within five standard errors of a mean over many masks drawn by dropout_forward."""
    X, y, w = rng.standard_normal((6, 4)) * [1, 3, 0.3, 2], rng.standard_normal(6), rng.standard_normal(4)
    for p in (0.2, 0.5):
        dropped, _ = ref.dropout_forward(np.broadcast_to(X, (40_000, 6, 4)), p, rng, True)
        losses = np.sum((y - dropped @ w) ** 2, axis=1)
        expected_loss, penalty = ref.dropout_ridge(X, y, w, p)
        assert abs(losses.mean() - expected_loss) < 5 * losses.std() / 200
        assert expected_loss - penalty == pytest.approx(np.sum((y - X @ w) ** 2))


def test_dropout_ridge_is_minimised_by_weighted_ridge_regression(rng):
    """Its minimum over w is ridge regression on columns divided by their norms, as the penalty's weights say."""
    X, y, p = rng.standard_normal((20, 3)) * [1, 5, 0.2], rng.standard_normal(20), 0.4
    norms = np.linalg.norm(X, axis=0)
    w = Ridge(alpha=p / (1 - p), fit_intercept=False).fit(X / norms, y).coef_ / norms
    lowest, _ = ref.dropout_ridge(X, y, w, p)
    for _ in range(50):
        assert ref.dropout_ridge(X, y, w + 1e-3 * rng.standard_normal(3) / norms, p)[0] > lowest


def test_regularization_helps_on_noisy_labels():
    """A penalised fit of noisy data generalises better than the plain one: the point of the whole topic."""
    rng = np.random.default_rng(1)
    X, X_test, w = rng.standard_normal((40, 30)), rng.standard_normal((500, 30)), rng.standard_normal(30) / 5
    y = X @ w + rng.standard_normal(40)
    fits = {}
    for alpha in (0.0, 10.0):
        v = np.zeros(30)
        for _ in range(3000):
            v -= 0.005 * (X.T @ (X @ v - y) + ref.l2_penalty({"W": v}, alpha)[1]["W"])
        fits[alpha] = np.mean((X_test @ (v - w)) ** 2)
    assert fits[10.0] < fits[0.0]
