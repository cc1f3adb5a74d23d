"""The reference of the GAN losses agrees with scipy, scikit-learn and torch, and the handout's claims hold."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import jensenshannon
from scipy.special import expit, log_expit, rel_entr
from scipy.stats import norm, wasserstein_distance
from sklearn.metrics import log_loss
from torch.nn import functional

PATH = Path(__file__).parents[2] / "solutions" / "gan_loss.py"
spec = importlib.util.spec_from_file_location("reference_gan_loss_course", PATH)
gan = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gan)


@pytest.fixture
def rng():
    return np.random.default_rng(20140610)


def close(actual, expected, rtol=1e-12, atol=1e-12):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_sigmoid_is_scipys(rng, dtype):
    l = np.concatenate([s * rng.standard_normal(50) for s in (1, 30, 300, 10_000)]).astype(dtype)
    got = gan.log_sigmoid(l)
    assert got.dtype == dtype
    close(got, log_expit(l), rtol=4 * np.finfo(dtype).eps, atol=0)


def test_cross_entropy_is_scikit_learns(rng):
    l, t = rng.standard_normal(20), rng.integers(0, 2, 20)
    close(gan.bce_with_logits(l, t.astype(float)), log_loss(t, expit(l)))


def test_losses_are_torchs_with_logits(rng):
    real, fake = 5 * rng.standard_normal(4), 5 * rng.standard_normal(7)
    ones, zeros = np.ones_like, np.zeros_like
    close(gan.d_loss(real, fake), gan.bce_with_logits(real, ones(real)) + gan.bce_with_logits(fake, zeros(fake)))
    close(gan.g_loss_ns(fake), functional.binary_cross_entropy_with_logits(*map(torch.tensor, (fake, ones(fake)))))
    close(-gan.g_loss_minimax(fake), functional.softplus(torch.tensor(fake)).mean(), atol=1e-8)


def test_gradients_are_those_of_torch_and_of_the_probabilities(rng):
    real, fake = rng.standard_normal(3), rng.standard_normal(5)
    got = gan.logit_grads(real, fake)
    for name, sign, target, x in [
        ("d_real", 1, 1.0, real),
        ("d_fake", 1, 0.0, fake),
        ("g_minimax", -1, 0.0, fake),
        ("g_ns", 1, 1.0, fake),
    ]:
        leaf = torch.tensor(x, requires_grad=True)
        probability = torch.sigmoid(leaf)
        (sign * functional.binary_cross_entropy(probability, torch.full_like(leaf, target))).backward()
        close(got[name], leaf.grad)


def test_divergence_is_scipys_distance_squared(rng):
    for empty in (0, 2, 4):
        p, q = rng.random(6), rng.random(6)
        p[:empty], q[1 : 1 + empty] = 0, 0
        p, q = p / p.sum(), q / q.sum()
        close(gan.js_divergence(p, q), jensenshannon(p, q) ** 2)
        m = (p + q) / 2
        close(gan.js_divergence(p, q), (rel_entr(p, m).sum() + rel_entr(q, m).sum()) / 2)


def test_value_of_the_game_between_two_gaussians():
    p, q = norm(0, 1).pdf, norm(1.5, 0.8).pdf
    best = gan.optimal_discriminator

    def integrand(x):
        a, b = np.array([p(x)]), np.array([q(x)])
        return (a * np.log(best(a, b)) + b * np.log(best(b, a)))[0]  # 1 − D*(p, q) = D*(q, p)

    value = quad(integrand, -9, 9, epsabs=1e-12)[0]
    grid, step = np.linspace(-9, 9, 20_001, retstep=True)
    divergence = gan.js_divergence(p(grid) * step, q(grid) * step)
    close(value, 2 * divergence - math.log(4), rtol=1e-7)
    assert round(value, 4) == -0.8618


def test_best_discriminator_is_also_the_best_regression(rng):
    for p, q in rng.random((5, 2)) + 0.1:
        best = gan.optimal_discriminator(np.array([p]), np.array([q]))[0]
        squares = minimize_scalar(lambda y: p * (y - 1) ** 2 / 2 + q * y**2 / 2)  # noqa: B023
        entropy = minimize_scalar(lambda l: -p * log_expit(l) - q * log_expit(-l))  # noqa: B023
        close(squares.x, best, rtol=1e-6)
        close(expit(entropy.x), best, rtol=1e-6)


def test_critic_of_slope_one_measures_the_wasserstein_distance(rng):
    real, fake = rng.standard_normal(50) + 9, rng.standard_normal(50) - 9  # everything real lies to the right
    ld, lg = gan.wgan_losses(real, fake)  # the scores of the critic f(x) = x
    close(-ld, wasserstein_distance(real, fake))
    close(lg, -fake.mean())


def mlp(rng, d, hidden=4):
    net = torch.nn.Sequential(torch.nn.Linear(d, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.tensor(rng.standard_normal(p.shape)))
    return net


def test_penalty_passes_gradcheck(rng):
    critic = mlp(rng, 3)
    real, fake, u = (
        torch.tensor(a) for a in (rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.random((5, 1)))
    )
    names, values = zip(*critic.named_parameters(), strict=True)

    def penalty(*weights):
        bound = dict(zip(names, weights, strict=True))
        return gan.gradient_penalty(lambda x: torch.func.functional_call(critic, bound, x), real, fake, u)

    leaves = [v.detach().clone().requires_grad_() for v in values]
    leaves[-1].requires_grad_(False)  # the last bias has no influence on any slope
    assert torch.autograd.gradcheck(penalty, leaves)


def test_penalty_is_that_of_one_slope_at_a_time(rng):
    critic = mlp(rng, 3)
    real, fake, u = (
        torch.tensor(a) for a in (rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.random((5, 1)))
    )
    points = (u * real + (1 - u) * fake).requires_grad_()
    norms = [torch.autograd.grad(critic(points[n : n + 1]), points)[0][n].norm() for n in range(5)]
    close(gan.gradient_penalty(critic, real, fake, u).detach(), np.mean([(float(n) - 1) ** 2 for n in norms]))


def test_round_equals_two_steps_of_torchs_losses(rng):
    bce = torch.nn.BCEWithLogitsLoss()
    G, D = mlp(rng, 1), mlp(rng, 1)
    twin_g, twin_d = mlp(rng, 1), mlp(rng, 1)
    twin_g.load_state_dict(G.state_dict())
    twin_d.load_state_dict(D.state_dict())
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (G, D, twin_g, twin_d)]
    for _ in range(5):
        real, z1, z2 = (torch.tensor(rng.standard_normal((n, 1))) for n in (4, 3, 6))
        losses = gan.gan_step(G, D, *optimizers[:2], real, z1, z2)
        with torch.no_grad():
            fake = twin_g(z1)
        ld = bce(twin_d(real), torch.ones(4, 1).double()) + bce(twin_d(fake), torch.zeros(3, 1).double())
        twin_d.zero_grad()
        ld.backward()
        optimizers[3].step()
        lg = bce(twin_d(twin_g(z2)), torch.ones(6, 1).double())
        twin_g.zero_grad()
        lg.backward()
        optimizers[2].step()
        close(losses, (ld.item(), lg.item()))
    for ours, theirs in [(G, twin_g), (D, twin_d)]:
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            close(a.detach(), b.detach())
    assert all(p.grad is None for p in D.parameters())


def test_what_the_handout_says_about_other_programs():
    assert functional.softplus(torch.tensor([20.5], dtype=torch.float64)).item() == 20.5
    sure = functional.binary_cross_entropy(torch.zeros(1), torch.ones(1))
    assert sure.item() == 100
    close(jensenshannon([1, 0], [0, 1]) ** 2, math.log(2))
    close(jensenshannon([1, 0], [0, 1], base=2), 1)
    with np.errstate(all="ignore"):
        assert np.log(expit(-800.0)) == -np.inf and np.log(1 - expit(40.0)) == -np.inf
        assert np.log(1 - expit(np.float32(17.5))) == -np.inf and np.isfinite(np.log(1 - expit(np.float32(16))))
    assert np.log(1 + np.exp(-40.0)) == 0 and np.log1p(np.exp(-40.0)) > 4e-18
    close(gan.bce_with_logits(np.array([1.0]), np.array([1.0])), 0.3133, atol=1e-4)  # the best that σ(σ(l)) can reach
    saturated = gan.logit_grads(np.zeros(1), np.array([-10.0]))
    assert round(saturated["g_minimax"][0], 6) == -4.5e-05 and round(saturated["g_ns"][0], 5) == -0.99995


def test_flat_critic_and_the_root(rng):
    x = torch.zeros(2, requires_grad=True)
    torch.linalg.vector_norm(x).backward()
    assert (x.grad == 0).all()
    x.grad = None
    (x**2).sum().sqrt().backward()
    assert x.grad.isnan().all()
