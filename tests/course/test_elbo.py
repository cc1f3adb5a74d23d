"""The reference of the evidence lower bound agrees with scipy and torch, and the handout's numbers hold."""

import doctest
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import distributions
from torch.nn import functional

PATH = Path(__file__).parents[2] / "solutions" / "elbo.py"
spec = importlib.util.spec_from_file_location("reference_elbo_course", PATH)
elbo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(elbo)


@pytest.fixture
def rng():
    return np.random.default_rng(20131220)


def close(actual, expected, rtol=1e-12, atol=1e-12):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=atol)


def test_examples_of_the_handout():
    text = (PATH.parents[1] / "exercises" / "elbo.md").read_text(encoding="utf-8")
    session = "\n".join(line for line in text.splitlines() if not line.startswith("```"))
    names = {name: value for name, value in vars(elbo).items() if not name.startswith("_")} | {"np": np}
    example = doctest.DocTestParser().get_doctest(session, names, "elbo.md", None, 0)
    assert len(example.examples) >= 10
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.DocTestRunner(optionflags=options).run(example).failed == 0


def test_kl_is_the_integral_of_its_definition(rng):
    for m1, v1, m2, v2 in rng.standard_normal((4, 4)):
        q, p = stats.norm(m1, math.exp(v1 / 2)), stats.norm(m2, math.exp(v2 / 2))
        ends = m1 - 12 * q.std(), m1 + 12 * q.std()
        expected, _ = integrate.quad(lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *ends)
        given = [np.array([[value]]) for value in (m1, v1, m2, v2)]
        close(elbo.kl_diag(*given), [expected], rtol=1e-8)


def test_kl_is_torchs(rng):
    mu1, lv1, mu2, lv2 = rng.standard_normal((4, 5, 3))
    q, p = (distributions.Normal(torch.tensor(m), torch.tensor(v).div(2).exp()) for m, v in ((mu1, lv1), (mu2, lv2)))
    close(elbo.kl_diag(mu1, lv1, mu2, lv2), distributions.kl_divergence(q, p).sum(1))
    standard = distributions.Normal(torch.zeros(3).double(), 1.0)
    close(elbo.kl_std_normal(mu1, lv1), distributions.kl_divergence(q, standard).sum(1))


def test_gradients_of_the_kl_are_autograds(rng):
    mu, logvar = (torch.tensor(a, requires_grad=True) for a in rng.standard_normal((2, 5, 3)))
    q = distributions.Normal(mu, (logvar / 2).exp())
    distributions.kl_divergence(q, distributions.Normal(0.0, 1.0)).sum().backward()
    dmu, dlogvar = elbo.kl_grads(mu.detach().numpy(), logvar.detach().numpy())
    close(dmu, mu.grad)
    close(dlogvar, logvar.grad)


def test_likelihoods_are_those_of_scipy_and_torch(rng):
    x, mean, logvar = rng.standard_normal((3, 5, 4))
    close(elbo.gaussian_ll(x, mean, logvar), stats.norm.logpdf(x, mean, np.exp(logvar / 2)).sum(1))
    logits, grey = 20 * rng.standard_normal((5, 4)), rng.random((5, 4))
    expected = grey * special.log_expit(logits) + (1 - grey) * special.log_expit(-logits)
    close(elbo.bernoulli_ll(logits, grey), expected.sum(1))
    white = (grey < 0.5).astype(float)
    close(elbo.bernoulli_ll(logits, white), stats.bernoulli.logpmf(white, special.expit(logits)).sum(1), rtol=1e-8)
    each = functional.binary_cross_entropy_with_logits(torch.tensor(logits), torch.tensor(grey), reduction="none")
    close(elbo.bernoulli_ll(logits, grey), -each.sum(1))


def test_importance_bound_is_logsumexp(rng):
    log_joint, log_q = 300 * rng.standard_normal((2, 7, 4))
    log_joint[2, 1] = -np.inf
    expected = special.logsumexp(log_joint - log_q, axis=0) - math.log(7)
    close(elbo.iwae_bound(log_joint, log_q), expected)


def test_linear_gaussian_model_at_the_handouts_point():
    x = 0.7
    evidence = stats.norm.logpdf(x, 0, math.sqrt(2))
    assert round(evidence, 4) == -1.3880
    q = stats.norm(x / 2, math.sqrt(0.5))
    kl = elbo.kl_std_normal(np.array([[x / 2]]), np.array([[math.log(0.5)]]))[0]
    close(q.expect(lambda z: stats.norm.logpdf(x, z)) - kl, evidence, rtol=1e-8)
    assert round(q.expect(lambda z: stats.norm.pdf(x, z)) - kl, 3) == 0.155  # without the log


def test_importance_bounds_of_the_prior_at_the_handouts_point():
    x, rng = 0.7, np.random.default_rng(0)
    for k, expected in [(1, -1.664), (2, -1.479), (5, -1.416), (20, -1.394), (100, -1.389)]:
        z = rng.standard_normal((k, 400_000 // k))
        log_w = stats.norm.logpdf(x, z)
        assert abs(elbo.iwae_bound(log_w, np.zeros_like(log_w)).mean() - expected) < 0.006
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights, log_w = weights / math.sqrt(2 * math.pi), stats.norm.logpdf(x, nodes)
    pairs = np.stack([a.ravel() for a in np.meshgrid(log_w, log_w)])
    exact = np.outer(weights, weights).ravel() @ elbo.iwae_bound(pairs, np.zeros_like(pairs))
    assert round(exact, 4) == -1.4793


def test_claims_about_torch(rng):
    x, mean, logvar = (torch.tensor(a) for a in rng.standard_normal((3, 5, 4)))
    for full, constant in [(True, 0.0), (False, 2 * math.log(2 * math.pi))]:
        loss = functional.gaussian_nll_loss(mean, x, logvar.exp(), full=full, reduction="none").sum(1)
        close(-loss, elbo.gaussian_ll(x.numpy(), mean.numpy(), logvar.numpy()) + constant)
    p, q = torch.tensor([0.2, 0.8]).double(), torch.tensor([0.5, 0.5]).double()
    close(functional.kl_div(p.log(), q, reduction="sum"), (q * (q / p).log()).sum())
    for build, slope in [
        (functional.softplus, 0.5),
        (lambda t: torch.relu(t) + torch.log1p(torch.exp(-t.abs())), 0.0),
        (lambda t: t.clamp(min=0) + torch.log1p(torch.exp(-t.abs())), 1.0),
    ]:
        logit = torch.zeros(1, requires_grad=True)
        build(logit).sum().backward()
        assert float(logit.grad) == slope
    capped = functional.binary_cross_entropy(torch.sigmoid(torch.tensor([1000.0])), torch.zeros(1))
    assert float(capped) == 100.0


def test_logarithm_of_a_sigmoid_ends_where_the_handout_says():
    for dtype, logit in [(np.float64, 40), (np.float32, 17)]:
        assert 1 - 1 / (1 + np.exp(-np.array(logit, dtype))) == 0


def test_gradients_of_the_model_pass_gradcheck(rng):
    torch.manual_seed(0)
    model = elbo.VAE(6, 4, 3).double()
    x, eps = torch.tensor(rng.random((5, 6))), torch.tensor(rng.standard_normal((5, 3)))
    names, values = zip(*model.named_parameters(), strict=True)

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vae = model

        def forward(self, x, eps):
            return self.vae.loss(x, eps)

    def loss(*parameters):
        named = {f"vae.{name}": p for name, p in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Loss(), named, (x, eps))

    assert torch.autograd.gradcheck(loss, values)


def test_a_few_steps_of_training_raise_the_bound(rng):
    torch.manual_seed(0)
    images = torch.tensor((rng.random((4, 12)) < 0.5).astype(np.float32)).repeat(16, 1)
    model = elbo.VAE(12, 16, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(images, torch.randn(64, 2))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 8.0  # about 12 log 2
    assert np.mean(losses[-20:]) < 5.0
    # four equally likely images: no model can do better than log 4 nats each
    assert np.mean(losses[-20:]) > math.log(4) - 0.05
