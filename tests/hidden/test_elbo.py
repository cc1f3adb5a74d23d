"""The evidence lower bound: the checks that stay."""

import math

import numpy as np
import torch
from torch import distributions
from torch.nn import functional

from grader.checks import (
    assert_close,
    assert_flat_cost,
    assert_no_growth,
    assert_pure,
    assert_raises,
    assert_true,
    central_differences,
    check,
    fortran,
    in_worker,
    keep,
    noncontiguous,
    operations,
    tensor,
    vjp,
)

# (rows, columns): different sizes, then 1 in each place
SIZES = [(1, 1), (1, 3), (4, 1), (4, 3), (5, 6)]
LAYOUTS = (np.copy, noncontiguous, fortran)


# ---------------------------------------------------------------------------------------------------- oracles


def gaussian(mu, logvar):
    return distributions.Normal(torch.tensor(mu), torch.tensor(logvar).double().mul(0.5).exp())


def divergence(mu1, lv1, mu2, lv2):
    """KL between diagonal Gaussians, by torch."""
    each = distributions.kl_divergence(gaussian(mu1, lv1), gaussian(mu2, lv2))
    return each.sum(dim=1).numpy()


def divergence_from_prior(mu, logvar):
    return divergence(mu, logvar, np.zeros_like(mu), np.zeros_like(mu))


def likelihood(logits, x):
    """Bernoulli log-likelihood, by torch."""
    each = functional.binary_cross_entropy_with_logits(torch.tensor(logits), torch.tensor(x), reduction="none")
    return -each.sum(dim=1).numpy()


def log_density(x, mean, logvar):
    """Gaussian log-density, by torch."""
    return gaussian(mean, logvar).log_prob(torch.tensor(x)).sum(dim=1).numpy()


def normal(rng, shape, count):
    return [rng.standard_normal(shape) for _ in range(count)]


def single(arrays):
    return [a.astype(np.float32) for a in arrays]


def double(arrays):
    return [a.astype(np.float64) for a in arrays]


def expectation(n):
    """Nodes and weights that average any polynomial of degree < 2n over the standard normal exactly."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, weights / math.sqrt(2 * math.pi)


# ---------------------------------------------------------------------------------------------- kl_std_normal


@check("kl_std_normal", points=2)
def test_kl_sums_over_dimensions_not_over_examples(submission, rng):
    """There is one KL per example, the sum over its latent dimensions, whatever the sizes."""
    for shape in SIZES:
        mu, logvar = normal(rng, shape, 2)
        assert_close(submission.kl_std_normal(mu, logvar), divergence_from_prior(mu, logvar), name="KL")


@check("kl_std_normal", points=1)
def test_kl_is_an_average_log_ratio(submission, rng):
    """The KL is the expectation under q of log q(z) − log p(z), with q first and not the prior."""
    nodes, weights = expectation(6)
    mu, logvar = normal(rng, (4, 1), 2)
    z = mu + np.exp(logvar / 2) * nodes
    log_q = -((z - mu) ** 2) / (2 * np.exp(logvar)) - logvar / 2
    expected = ((log_q + z**2 / 2) * weights).sum(axis=1)
    assert_close(submission.kl_std_normal(mu, logvar), expected, name="KL")


@check("kl_std_normal", points=1.5)
def test_kl_of_independent_parts_adds_up(submission, rng):
    """Two groups of latent dimensions cost together what they cost alone, and examples do not mix."""
    mu, logvar = normal(rng, (4, 5), 2)
    left, right = ((mu[:, :2], logvar[:, :2]), (mu[:, 2:], logvar[:, 2:]))
    whole = submission.kl_std_normal(mu, logvar)
    assert_close(whole, divergence_from_prior(mu, logvar), name="KL")
    parts = submission.kl_std_normal(*left) + submission.kl_std_normal(*right)
    assert_close(parts, divergence_from_prior(mu, logvar), name="sum of the parts")
    order = rng.permutation(4)
    shuffled = submission.kl_std_normal(mu[order], logvar[order])
    assert_close(shuffled, divergence_from_prior(mu, logvar)[order], name="KL of shuffled examples")


@check("kl_std_normal", points=1.5)
def test_kl_is_never_negative(submission, rng):
    """No Gaussian has a negative KL from the prior, and only the prior itself has 0."""
    zero = np.zeros((1, 3))
    assert_close(submission.kl_std_normal(zero, zero), np.zeros(1), name="KL of the prior", atol=1e-12)
    for size in (1e-6, 1e-3, 0.1, 3.0):
        mu, logvar = size * rng.standard_normal((8, 1)), size * rng.standard_normal((8, 1))
        kl = submission.kl_std_normal(mu, logvar)
        # the plain formula is a difference of numbers near 1, so it is right to about 1e-16 and no better
        expected = 0.5 * (np.expm1(logvar) - logvar + mu**2).sum(axis=1)
        assert_close(kl, expected, name="KL", atol=max(1e-14, 1e-9 * size**2))
        assert_true((kl >= -1e-12).all(), "a KL divergence is never negative")
        assert_true(size < 1e-3 or (kl > 0).all(), "every Gaussian but the prior has a positive KL")


@check("kl_std_normal", points=1.5)
def test_kl_of_extreme_posteriors(submission):
    """Very narrow, very wide and very distant posteriors have large and finite KLs, with nothing clipped."""
    for mean, lv in [(0.0, -30.0), (0.5, 30.0), (1e3, 0.0), (-1e3, -30.0), (2.0, 12.0), (0.0, -12.0)]:
        mu, logvar = np.full((2, 3), mean), np.full((2, 3), lv)
        logvar[1, 1:] = 0.0
        one = (math.exp(lv) + mean**2 - 1 - lv) / 2
        expected = np.array([3 * one, one + mean**2])
        assert_close(submission.kl_std_normal(mu, logvar), expected, name="KL")


@check("kl_std_normal", points=0.5)
def test_kl_keeps_single_precision(submission, rng):
    """Codes in single precision give a KL in single precision."""
    given = single(normal(rng, (4, 3), 2))
    expected = divergence_from_prior(*double(given)).astype(np.float32)
    assert_close(submission.kl_std_normal(*given), expected, name="KL")


@check("kl_std_normal", points=1)
def test_kl_leaves_its_inputs_alone(submission, rng):
    """mu and logvar are only read, however they lie in memory."""
    mu, logvar = normal(rng, (4, 3), 2)
    for layout in LAYOUTS:
        got = assert_pure(submission.kl_std_normal, layout(mu), layout(logvar), name="kl_std_normal")
        assert_close(got, divergence_from_prior(mu, logvar), name="KL")


@check("kl_std_normal", points=0.5)
def test_kl_refuses_what_does_not_fit(submission, rng):
    """mu and logvar of shapes that do not broadcast are an error."""
    for a, b in [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4, 3), (3, 4))]:
        assert_raises(ValueError, submission.kl_std_normal, np.ones(a), np.ones(b))
    good = normal(rng, (4, 3), 2)
    assert_close(submission.kl_std_normal(*good), divergence_from_prior(*good), name="KL of what fits")


@check("kl_std_normal", points=0.5)
def test_cost_of_the_kl(submission, rng):
    """More examples and more latent dimensions cost no more Python: whole arrays do the work."""
    small, large = normal(rng, (2, 3), 2), normal(rng, (9, 7), 2)
    values = assert_flat_cost(submission.kl_std_normal, small, large)
    assert_close(values, (divergence_from_prior(*small), divergence_from_prior(*large)), name="KL of both sizes")


# ---------------------------------------------------------------------------------------------------- kl_diag


@check("kl_diag", points=1)
def test_kl_between_gaussians_of_any_size(submission, rng):
    """There is one KL per example, the sum over its dimensions, taken under the first Gaussian."""
    for shape in SIZES:
        given = normal(rng, shape, 4)
        assert_close(submission.kl_diag(*given), divergence(*given), name="KL")


@check("kl_diag", points=1)
def test_kl_between_gaussians_contains_the_special_cases(submission, rng):
    """Equal Gaussians have KL 0, and with the standard normal as second it is the KL from the prior."""
    mu, logvar = normal(rng, (4, 3), 2)
    zero = np.zeros((4, 3))
    equal = submission.kl_diag(mu, logvar, mu, logvar)
    assert_close(equal, np.zeros(4), name="KL of equal Gaussians", atol=1e-12)
    expected = divergence_from_prior(mu, logvar)
    assert_close(submission.kl_diag(mu, logvar, zero, zero), expected, name="KL from the standard normal")
    expected = divergence(zero, zero, mu, logvar)
    assert_close(submission.kl_diag(zero, zero, mu, logvar), expected, name="KL of the standard normal")


@check("kl_diag", points=0.5)
def test_kl_does_not_depend_on_units(submission, rng):
    """Moving and stretching the axes changes both Gaussians and leaves their KL as it is."""
    mu1, lv1, mu2, lv2 = normal(rng, (4, 3), 4)
    shift, log_scale = normal(rng, (1, 3), 2)
    scale = np.exp(log_scale)
    moved = (scale * mu1 + shift, lv1 + 2 * log_scale, scale * mu2 + shift, lv2 + 2 * log_scale)
    assert_close(submission.kl_diag(*moved), divergence(mu1, lv1, mu2, lv2), name="KL")


@check("kl_diag", points=1)
def test_kl_between_extreme_gaussians(submission):
    """Variances that differ by many orders of magnitude give a finite and exact KL."""
    for m1, lv1, m2, lv2 in [
        (0.0, 30.0, 0.0, -30.0),
        (1e3, -30.0, 0.0, 30.0),
        (1e-6, -30.0, 0.0, -30.0),
        (1e6, 30.0, 0.0, 30.0),
        (0.0, -30.0, 0.5, 0.0),
    ]:
        ratio, square = math.exp(lv1 - lv2), (m1 - m2) ** 2 * math.exp(-lv2)
        expected = np.full(2, 3 * (lv2 - lv1 + ratio + square - 1) / 2)
        given = [np.full((2, 3), value) for value in (m1, lv1, m2, lv2)]
        assert_close(submission.kl_diag(*given), expected, name="KL")


@check("kl_diag", points=0.5)
def test_kl_between_gaussians_keeps_single_precision(submission, rng):
    """Gaussians in single precision give a KL in single precision."""
    given = single(normal(rng, (4, 3), 4))
    assert_close(submission.kl_diag(*given), divergence(*double(given)).astype(np.float32), name="KL")


@check("kl_diag", points=0.5)
def test_kl_between_gaussians_leaves_its_inputs_alone(submission, rng):
    """Means and log variances are only read, however they lie in memory."""
    given = normal(rng, (4, 3), 4)
    for layout in LAYOUTS:
        got = assert_pure(submission.kl_diag, *map(layout, given), name="kl_diag")
        assert_close(got, divergence(*given), name="KL")


@check("kl_diag", points=0.5)
def test_kl_between_gaussians_refuses_what_does_not_fit(submission, rng):
    """Shapes that do not broadcast are an error, whichever argument is the odd one."""
    for place in range(4):
        for odd in [(4, 2), (3, 3)]:
            given = [np.ones(odd if i == place else (4, 3)) for i in range(4)]
            assert_raises(ValueError, submission.kl_diag, *given)
    good = normal(rng, (4, 3), 4)
    assert_close(submission.kl_diag(*good), divergence(*good), name="KL of what fits")


@check("kl_diag", points=0.5)
def test_cost_of_the_kl_between_gaussians(submission, rng):
    """More examples and more dimensions cost no more Python."""
    small, large = normal(rng, (2, 3), 4), normal(rng, (9, 7), 4)
    values = assert_flat_cost(submission.kl_diag, small, large)
    assert_close(values, (divergence(*small), divergence(*large)), name="KL of both sizes")


# --------------------------------------------------------------------------------------------- reparameterize


@check("reparameterize", points=2)
def test_samples_of_any_size(submission, rng):
    """Every latent dimension of every example has its own mean, its own deviation and its own noise."""
    for shape in SIZES:
        mu, logvar, eps = normal(rng, shape, 3)
        expected = torch.addcmul(torch.tensor(mu), gaussian(mu, logvar).stddev, torch.tensor(eps))
        assert_close(submission.reparameterize(mu, logvar, eps), expected.numpy(), name="z")


@check("reparameterize", points=1.5)
def test_samples_have_the_stated_moments(submission, rng):
    """Noise of mean 0 and variance 1 becomes samples whose mean is mu and whose variance is exp(logvar)."""
    nodes, weights = expectation(5)
    for mean, lv in [(0.0, 0.0), (1.5, 1.2), (-2.0, -3.0)]:
        mu, logvar = np.full((5, 2), mean), np.full((5, 2), lv)
        z = submission.reparameterize(mu, logvar, np.stack((nodes, -nodes), axis=1))
        average = weights @ z
        assert_close(average, np.full(2, mean), name="mean of the samples", atol=1e-9)
        variance = weights @ (z - average) ** 2
        assert_close(variance, np.full(2, math.exp(lv)), name="variance of the samples")


@check("reparameterize", points=1)
def test_samples_of_extreme_width(submission, rng):
    """Very small and very large variances are exact, and one that underflows leaves the mean alone."""
    for lv in (-30.0, 30.0, -12.0, 12.0):
        eps, zero = rng.standard_normal((3, 2)), np.zeros((3, 2))
        got = submission.reparameterize(zero, np.full((3, 2), lv), eps)
        assert_close(got, math.exp(lv / 2) * eps, name="z")
    mu, eps = normal(rng, (3, 2), 2)
    assert_close(submission.reparameterize(mu, np.full((3, 2), -2000.0), eps), mu, name="z without variance")


@check("reparameterize", points=0.5)
def test_no_noise_gives_the_mean(submission, rng):
    """Noise 0 gives the mean, as a new array, and the opposite noise mirrors the sample at the mean."""
    mu, logvar, eps = normal(rng, (4, 3), 3)
    got = assert_pure(submission.reparameterize, mu, logvar, np.zeros((4, 3)), name="reparameterize")
    assert_close(got, mu, name="z")
    there, back = submission.reparameterize(mu, logvar, eps), submission.reparameterize(mu, logvar, -eps)
    assert_close(there + back, 2 * mu, name="sample plus mirrored sample")
    assert_close(there - back, 2 * np.exp(logvar / 2) * eps, name="sample minus mirrored sample")


@check("reparameterize", points=0.5)
def test_samples_keep_single_precision(submission, rng):
    """Codes and noise in single precision give samples in single precision."""
    mu, logvar, eps = single(normal(rng, (4, 3), 3))
    expected = mu.astype(np.float64) + np.exp(logvar.astype(np.float64) / 2) * eps
    assert_close(submission.reparameterize(mu, logvar, eps), expected.astype(np.float32), name="z")


@check("reparameterize", points=0.5)
def test_sampling_leaves_its_inputs_alone(submission, rng):
    """mu, logvar and eps are only read, and no noise comes from anywhere else."""
    mu, logvar, eps = normal(rng, (4, 3), 3)
    for layout in LAYOUTS:
        got = assert_pure(submission.reparameterize, *map(layout, (mu, logvar, eps)), name="reparameterize")
        assert_close(got, mu + np.exp(logvar / 2) * eps, name="z")


@check("reparameterize", points=0.5)
def test_sampling_refuses_what_does_not_fit(submission, rng):
    """Shapes that do not broadcast are an error, whichever argument is the odd one."""
    for place in range(3):
        for odd in [(4, 2), (3, 3), (3, 4)]:
            given = [np.ones(odd if i == place else (4, 3)) for i in range(3)]
            assert_raises(ValueError, submission.reparameterize, *given)
    mu, logvar, eps = normal(rng, (4, 3), 3)
    expected = mu + np.exp(logvar / 2) * eps
    assert_close(submission.reparameterize(mu, logvar, eps), expected, name="z of what fits")


@check("reparameterize", points=0.5)
def test_cost_of_sampling(submission, rng):
    """More examples and more latent dimensions cost no more Python."""
    small, large = normal(rng, (2, 3), 3), normal(rng, (9, 7), 3)
    expected = tuple(mu + np.exp(logvar / 2) * eps for mu, logvar, eps in (small, large))
    assert_close(assert_flat_cost(submission.reparameterize, small, large), expected, name="z of both sizes")


# ----------------------------------------------------------------------------------------------- bernoulli_ll


@check("bernoulli_ll", points=2)
def test_likelihood_of_grey_pixels(submission, rng):
    """A grey pixel x counts as x parts of a white one and 1 − x of a black one; all pixels of an example add up."""
    for shape in SIZES:
        logits, x = 3 * rng.standard_normal(shape), rng.random(shape)
        assert_close(submission.bernoulli_ll(logits, x), likelihood(logits, x), name="log-likelihood")


@check("bernoulli_ll", points=1.5)
def test_likelihood_at_any_logit(submission, rng):
    """Logits of plus and minus ten thousand have an exact, finite log-likelihood: nothing is clipped."""
    for size in (50.0, 800.0, 1e4):
        logits = size * np.array([[1.0], [-1.0], [1.0], [-1.0], [1.0], [-1.0]])
        x = np.array([[1.0], [0.0], [0.0], [1.0], [0.25], [0.25]])
        expected = size * np.array([0.0, 0.0, -1.0, -1.0, -0.75, -0.25])
        assert_close(submission.bernoulli_ll(logits, x), expected, name="log-likelihood")
    sizes = np.concatenate([np.geomspace(1e-4, 1e4, 40), np.arange(10.0, 41.0)])[:, None]  # (71, 1)
    for pixel in (0.0, 1.0, 0.25):
        for logits in (sizes, -sizes):
            x, scale = np.full(sizes.shape, pixel), np.maximum(sizes[:, 0], 1.0)
            got, expected = submission.bernoulli_ll(logits, x), likelihood(logits, x)
            assert_close(got / scale, expected / scale, name="log-likelihood over the size of the logit")
    logits = np.array([[1e4, -1e4, 0.5], [-800.0, 40.0, -0.5]])
    x = rng.random((2, 3))
    assert_close(submission.bernoulli_ll(logits, x), likelihood(logits, x), name="log-likelihood")
    got = submission.bernoulli_ll(*single((logits, x)))
    expected = likelihood(*double(single((logits, x)))).astype(np.float32)
    assert_close(got, expected, name="log-likelihood in single precision")


@check("bernoulli_ll", points=1)
def test_probabilities_of_all_images_sum_to_one(submission, rng):
    """The likelihoods of all black-and-white images under one set of logits sum to 1."""
    for d in (1, 2, 4):
        images = (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(float)  # (2^d, d)
        logits = np.tile(2 * rng.standard_normal(d), (2**d, 1))
        found = submission.bernoulli_ll(logits, images)
        assert_close(np.exp(found).sum(), 1.0, name="sum of the likelihoods of all images")
        assert_close(found, likelihood(logits, images), name="log-likelihood")


@check("bernoulli_ll", points=1)
def test_black_and_white_are_alike(submission, rng):
    """Inverting the image and the sign of the logits changes nothing, and a logit of 0 costs log 2 for any pixel."""
    logits, x = 3 * rng.standard_normal((4, 5)), rng.random((4, 5))
    expected = likelihood(logits, x)
    assert_close(submission.bernoulli_ll(-logits, 1 - x), expected, name="log-likelihood of the inverted image")
    undecided = submission.bernoulli_ll(np.zeros((4, 5)), x)
    assert_close(undecided, np.full(4, -5 * math.log(2)), name="log-likelihood at logit 0")


@check("bernoulli_ll", points=1)
def test_the_best_logit_of_a_pixel(submission, rng):
    """The likelihood is greatest where the sigmoid of the logit equals the pixel; there it is minus the entropy."""
    x = rng.uniform(0.05, 0.95, (5, 1))
    best = np.log(x / (1 - x))
    top = submission.bernoulli_ll(best, x)
    assert_close(top, (x * np.log(x) + (1 - x) * np.log(1 - x))[:, 0], name="log-likelihood at the best logit")
    for step in (0.3, -0.3):
        lower = (submission.bernoulli_ll(best + step, x) < top).all()
        assert_true(lower, "logits other than that of the pixel are less likely")


@check("bernoulli_ll", points=0.5)
def test_likelihood_keeps_single_precision(submission, rng):
    """Logits and pixels in single precision give a log-likelihood in single precision."""
    given = single((rng.standard_normal((4, 3)), rng.random((4, 3))))
    expected = likelihood(*double(given)).astype(np.float32)
    assert_close(submission.bernoulli_ll(*given), expected, name="log-likelihood")


@check("bernoulli_ll", points=0.5)
def test_likelihood_leaves_its_inputs_alone(submission, rng):
    """Logits and pixels are only read, however they lie in memory."""
    given = rng.standard_normal((4, 3)), rng.random((4, 3))
    for layout in LAYOUTS:
        got = assert_pure(submission.bernoulli_ll, *map(layout, given), name="bernoulli_ll")
        assert_close(got, likelihood(*given), name="log-likelihood")


@check("bernoulli_ll", points=0.5)
def test_likelihood_refuses_what_does_not_fit(submission, rng):
    """Logits and pixels of shapes that do not broadcast are an error."""
    for a, b in [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4, 3), (3, 4))]:
        assert_raises(ValueError, submission.bernoulli_ll, np.ones(a), np.ones(b))
    good = rng.standard_normal((4, 3)), rng.random((4, 3))
    assert_close(submission.bernoulli_ll(*good), likelihood(*good), name="log-likelihood of what fits")


@check("bernoulli_ll", points=0.5)
def test_cost_of_the_likelihood(submission, rng):
    """More examples and more pixels cost no more Python."""
    small, large = ((rng.standard_normal(s), rng.random(s)) for s in ((2, 3), (9, 12)))
    values = assert_flat_cost(submission.bernoulli_ll, small, large)
    assert_close(values, (likelihood(*small), likelihood(*large)), name="log-likelihood of both sizes")


# ------------------------------------------------------------------------------------------------ gaussian_ll


@check("gaussian_ll", points=1)
def test_log_densities_of_any_size(submission, rng):
    """There is one log-density per example, the sum over its pixels, whatever the sizes."""
    for shape in SIZES:
        given = normal(rng, shape, 3)
        assert_close(submission.gaussian_ll(*given), log_density(*given), name="log-density")


@check("gaussian_ll", points=1)
def test_bayes_rule_holds_at_every_point(submission, rng):
    """log p(x|z) + log p(z) − log p(z|x) is log p(x) for every z, constants included."""
    for n, d in [(1, 1), (4, 3)]:
        x, z = normal(rng, (n, d), 2)
        zero, half = np.zeros((n, d)), np.full((n, d), math.log(0.5))
        joint = submission.gaussian_ll(x, z, zero) + submission.gaussian_ll(z, zero, zero)
        posterior = submission.gaussian_ll(z, x / 2, half)
        evidence = -(x**2 / 4 + math.log(4 * math.pi) / 2).sum(axis=1)  # x ~ N(0, 2)
        assert_close(joint - posterior, evidence, name="log p(x)", rtol=1e-8)


@check("gaussian_ll", points=1)
def test_bound_touches_the_evidence(submission, rng):
    """E_q[log p(x|z)] − KL equals log p(x) if q is the posterior, and is lower by KL(q‖posterior) otherwise."""
    nodes, weights = expectation(6)
    for x in (0.7, *rng.uniform(-2, 2, 2)):
        evidence = -(x**2) / 4 - math.log(4 * math.pi) / 2
        for m, lv in [(x / 2, math.log(0.5)), (0.0, 0.0), (x, -1.0), tuple(rng.standard_normal(2))]:
            z = (m + math.exp(lv / 2) * nodes)[:, None]  # (6, 1)
            reconstruction = submission.gaussian_ll(np.full_like(z, x), z, np.zeros_like(z))
            kl = (math.exp(lv) + m**2 - 1 - lv) / 2
            ratio = math.exp(lv) / 0.5
            gap = (ratio - 1 - math.log(ratio) + (m - x / 2) ** 2 / 0.5) / 2
            bound = weights @ reconstruction - kl
            assert_close(bound, evidence - gap, name="bound")
            assert_true(bound <= evidence + 1e-12, "a lower bound on log p(x) does not exceed log p(x)")


@check("gaussian_ll", points=0.5)
def test_log_densities_of_extreme_gaussians(submission):
    """Very narrow and very wide Gaussians have finite log-densities, positive ones among them."""
    for x, mean, lv in [(1e-7, 0.0, -30.0), (0.0, 0.0, -30.0), (1e6, -1e6, 30.0), (1e3, 0.0, 0.0)]:
        given = [np.full((2, 3), value) for value in (x, mean, lv)]
        one = -(math.log(2 * math.pi) + lv + (x - mean) ** 2 * math.exp(-lv)) / 2
        assert_close(submission.gaussian_ll(*given), np.full(2, 3 * one), name="log-density")


@check("gaussian_ll", points=0.5)
def test_log_densities_keep_single_precision(submission, rng):
    """Observations in single precision give log-densities in single precision, constants notwithstanding."""
    given = single(normal(rng, (4, 3), 3))
    expected = log_density(*double(given)).astype(np.float32)
    assert_close(submission.gaussian_ll(*given), expected, name="log-density")


@check("gaussian_ll", points=0.5)
def test_log_densities_leave_their_inputs_alone(submission, rng):
    """Observations, means and log variances are only read, however they lie in memory."""
    given = normal(rng, (4, 3), 3)
    for layout in LAYOUTS:
        got = assert_pure(submission.gaussian_ll, *map(layout, given), name="gaussian_ll")
        assert_close(got, log_density(*given), name="log-density")


@check("gaussian_ll", points=0.5)
def test_log_densities_refuse_what_does_not_fit(submission, rng):
    """Shapes that do not broadcast are an error, whichever argument is the odd one."""
    for place in range(3):
        for odd in [(4, 2), (3, 3), (3, 4)]:
            given = [np.ones(odd if i == place else (4, 3)) for i in range(3)]
            assert_raises(ValueError, submission.gaussian_ll, *given)
    good = normal(rng, (4, 3), 3)
    assert_close(submission.gaussian_ll(*good), log_density(*good), name="log-density of what fits")


@check("gaussian_ll", points=0.5)
def test_cost_of_log_densities(submission, rng):
    """More examples and more pixels cost no more Python."""
    small, large = normal(rng, (2, 3), 3), normal(rng, (9, 12), 3)
    values = assert_flat_cost(submission.gaussian_ll, small, large)
    assert_close(values, (log_density(*small), log_density(*large)), name="log-density of both sizes")


# ------------------------------------------------------------------------------------------------------- elbo


# (N, D, Z): every size different, then 1 in each place
BATCHES = [(1, 1, 1), (1, 4, 2), (3, 1, 2), (3, 4, 1), (3, 4, 2), (2, 3, 5)]


def draw(rng, n, d, z):
    """x, logits, mu, logvar."""
    return rng.random((n, d)), 2 * rng.standard_normal((n, d)), *normal(rng, (n, z), 2)


def bound(x, logits, mu, logvar, beta=1.0):
    return likelihood(logits, x) - beta * divergence_from_prior(mu, logvar)


@check("elbo", points=2)
def test_bounds_of_any_size(submission, rng):
    """There is one bound per example, from all its pixels and all its latent dimensions."""
    for sizes in BATCHES:
        given = draw(rng, *sizes)
        assert_close(submission.elbo(*given), bound(*given), name="ELBO")


@check("elbo", points=1.5)
def test_weights_of_the_kl(submission, rng):
    """beta = 0 leaves the likelihood alone, beta = 1 is the default, and the bound falls by one KL per unit."""
    for sizes in [(1, 2, 1), (3, 4, 2)]:
        x, logits, mu, logvar = draw(rng, *sizes)
        alone = submission.elbo(x, logits, mu, logvar, 0.0)
        assert_close(alone, likelihood(logits, x), name="ELBO at beta = 0")
        assert_close(submission.elbo(x, logits, mu, logvar), bound(x, logits, mu, logvar), name="ELBO")
        for beta in (1.0, 0.1, 3.0, 250.0):
            got = submission.elbo(x, logits, mu, logvar, beta=beta)
            assert_close(got, bound(x, logits, mu, logvar, beta), name="weighted ELBO")


@check("elbo", points=2)
def test_bound_misses_the_evidence_by_a_kl(submission, rng):
    """Averaged over q, the bound is log p(x) minus the KL of q from the true posterior, so it never exceeds log p(x)."""
    grid = np.linspace(-12, 12, 1201)[:, None]  # smooth and vanishing at both ends: the sum is exact to 1e-13
    step = grid[1, 0] - grid[0, 0]
    for d in (1, 3):
        slope, shift = normal(rng, (d,), 2)
        x = (rng.random((1, d)) < 0.5).astype(float)
        log_joint = likelihood(grid * slope + shift, np.tile(x, (1201, 1)))
        log_joint += -(grid[:, 0] ** 2) / 2 - math.log(2 * math.pi) / 2
        evidence = math.log(np.exp(log_joint).sum() * step)
        for m, lv in [(0.0, 0.0), (0.5, -1.0), (-1.0, 0.3)]:
            q = np.exp(-((grid[:, 0] - m) ** 2) / (2 * math.exp(lv))) / math.sqrt(2 * math.pi * math.exp(lv))
            seen = q > 0
            gap = (q * (np.log(np.where(seen, q, 1)) - (log_joint - evidence)))[seen].sum() * step
            z = grid[::10]  # 121 samples of z, weighted by q, still exact to 1e-10
            given = (np.tile(x, (121, 1)), z * slope + shift, np.full((121, 1), m), np.full((121, 1), lv))
            average = (q[::10] * step * 10) @ submission.elbo(*given)
            assert_close(average, evidence - gap, name="average bound", rtol=1e-8)
            assert_true(average <= evidence + 1e-8, "a lower bound on log p(x) does not exceed log p(x)")


@check("elbo", points=1)
def test_bounds_of_extreme_models(submission, rng):
    """Confident decoders and posteriors of extreme width have finite bounds."""
    x, logits, mu, logvar = draw(rng, 3, 4, 2)
    for size in (800.0, 1e4):
        given = x, np.sign(logits) * size, mu, logvar
        assert_close(submission.elbo(*given), bound(*given), name="ELBO")
    for lv in (-30.0, 30.0):
        given = x, logits, mu, np.full((3, 2), lv)
        assert_close(submission.elbo(*given), bound(*given), name="ELBO")
        assert_close(submission.elbo(*given, 0.0), likelihood(logits, x), name="ELBO at beta = 0")


@check("elbo", points=0.5)
def test_bounds_keep_single_precision(submission, rng):
    """Arrays in single precision give bounds in single precision."""
    given = single(draw(rng, 3, 4, 2))
    for beta in (1.0, 2.5):
        expected = bound(*double(given), beta).astype(np.float32)
        assert_close(submission.elbo(*given, beta), expected, name="ELBO")


@check("elbo", points=0.5)
def test_bounds_leave_their_inputs_alone(submission, rng):
    """Pixels, logits and codes are only read, however they lie in memory."""
    given = draw(rng, 3, 4, 2)
    for layout in LAYOUTS:
        got = assert_pure(submission.elbo, *map(layout, given), 2.0, name="elbo")
        assert_close(got, bound(*given, 2.0), name="ELBO")


@check("elbo", points=0.5)
def test_bounds_refuse_what_does_not_fit(submission):
    """Pixels fit their logits, means their log variances, and there is one code per image."""
    right = [(5, 4), (5, 4), (5, 3), (5, 3)]
    for shapes in (
        [(5, 4), (5, 3), (5, 3), (5, 3)],
        [(5, 4), (5, 4), (5, 3), (5, 2)],
        [(5, 4), (5, 4), (3, 3), (3, 3)],
        [(3, 4), (3, 4), (5, 3), (5, 3)],
        [(5, 4), (4, 4), (5, 3), (5, 3)],
    ):
        assert_raises(ValueError, submission.elbo, *map(np.ones, shapes))
    assert_close(submission.elbo(*map(np.zeros, right)), np.full(5, -4 * math.log(2)), name="ELBO")


@check("elbo", points=0.5)
def test_cost_of_the_bound(submission, rng):
    """More examples, pixels and latent dimensions cost no more Python."""
    small, large = draw(rng, 2, 3, 2), draw(rng, 7, 12, 5)
    values = assert_flat_cost(submission.elbo, small, large)
    assert_close(values, (bound(*small), bound(*large)), name="ELBO of both sizes")


# --------------------------------------------------------------------------------------------------- kl_grads


def slopes_of_kl(mu, logvar, weights):
    """What autograd finds for a weighted sum of the KLs of the examples."""
    m, lv = (torch.tensor(a, requires_grad=True) for a in (mu, logvar))
    each = distributions.kl_divergence(distributions.Normal(m, (lv / 2).exp()), distributions.Normal(0.0, 1.0))
    (each.sum(dim=1) * torch.tensor(weights)).sum().backward()
    return m.grad.numpy(), lv.grad.numpy()


@check("kl_grads", points=1.5)
def test_kl_gradients_agree_with_autograd(submission, rng):
    """Row n holds the gradient of the n-th KL: no mean over the batch, no mean over dimensions."""
    for shape in SIZES:
        mu, logvar = normal(rng, shape, 2)
        weights = rng.standard_normal(shape[0])
        dmu, dlogvar = submission.kl_grads(mu, logvar)
        expected = slopes_of_kl(mu, logvar, weights)
        weighted = (weights[:, None] * dmu, weights[:, None] * dlogvar)
        assert_close(weighted, expected, name="(dmu, dlogvar)")


@check("kl_grads", points=1)
def test_kl_gradients_agree_with_central_differences(submission, rng):
    """Each gradient is the slope of the KL, also for narrow and wide posteriors."""
    mu = 3 * rng.standard_normal((4, 2))
    logvar = np.array([[-5.0, 0.1], [-2.0, 2.0], [3.0, -0.5], [-4.0, 1.0]])

    def total(m, lv):
        return 0.5 * (np.exp(lv) + m * m - lv).sum()

    got = submission.kl_grads(mu, logvar)
    slopes = central_differences(lambda m: total(m, logvar), mu)
    assert_close(got[0], slopes, name="dmu", rtol=1e-7)
    slopes = central_differences(lambda lv: total(mu, lv), logvar)
    assert_close(got[1], slopes, name="dlogvar", rtol=1e-7)


@check("kl_grads", points=1)
def test_kl_gradients_of_extreme_posteriors(submission):
    """A very narrow posterior feels a slope of −½ on logvar, a very wide one half its variance."""
    for lv in (-30.0, 30.0, -8.0, 12.0, 0.0):
        for mean in (0.0, -1e3):
            mu, logvar = np.full((2, 3), mean), np.full((2, 3), lv)
            expected = (mu, np.full((2, 3), math.expm1(lv) / 2))
            assert_close(submission.kl_grads(mu, logvar), expected, name="(dmu, dlogvar)")


@check("kl_grads", points=0.5)
def test_kl_gradients_keep_single_precision(submission, rng):
    """Codes in single precision give gradients in single precision."""
    given = single(normal(rng, (4, 3), 2))
    expected = single(slopes_of_kl(*double(given), np.ones(4)))
    assert_close(submission.kl_grads(*given), expected, name="(dmu, dlogvar)")


@check("kl_grads", points=0.5)
def test_kl_gradients_are_new_arrays(submission, rng):
    """mu and logvar are only read, and no gradient shares memory with them, not even where it equals mu."""
    given = normal(rng, (4, 3), 2)
    for layout in LAYOUTS:
        got = assert_pure(submission.kl_grads, *map(layout, given), name="kl_grads")
        assert_close(got, slopes_of_kl(*given, np.ones(4)), name="(dmu, dlogvar)")


@check("kl_grads", points=0.5)
def test_kl_gradients_refuse_what_does_not_fit(submission, rng):
    """mu and logvar of shapes that do not broadcast are an error, although no formula combines them."""
    for a, b in [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4, 3), (3, 4))]:
        assert_raises(ValueError, submission.kl_grads, np.ones(a), np.ones(b))
    good = normal(rng, (4, 3), 2)
    expected = slopes_of_kl(*good, np.ones(4))
    assert_close(submission.kl_grads(*good), expected, name="(dmu, dlogvar) of what fits")


@check("kl_grads", points=0.5)
def test_cost_of_the_kl_gradients(submission, rng):
    """More examples and more latent dimensions cost no more Python."""
    small, large = normal(rng, (2, 3), 2), normal(rng, (9, 7), 2)
    values = assert_flat_cost(submission.kl_grads, small, large)
    expected = slopes_of_kl(*small, np.ones(2)), slopes_of_kl(*large, np.ones(9))
    assert_close(values, expected, name="(dmu, dlogvar) of both sizes")


# ------------------------------------------------------------------------------------------------- iwae_bound


def log_mean(log_joint, log_q):
    log_w = torch.tensor(log_joint).double() - torch.tensor(log_q).double()
    return (torch.logsumexp(log_w, dim=0) - math.log(len(log_w))).numpy()


@check("iwae_bound", points=1.5)
def test_importance_bounds_of_any_size(submission, rng):
    """Samples lie along the first axis, examples along the second, and each example has a bound of its own."""
    for shape in [(1, 1), (2, 1), (1, 3), (3, 3), (4, 2), (2, 5), (7, 3)]:
        log_joint, log_q = 2 * rng.standard_normal(shape), rng.standard_normal(shape)
        expected = log_mean(log_joint, log_q)
        assert_close(submission.iwae_bound(log_joint, log_q), expected, name="bound")


@check("iwae_bound", points=2)
def test_importance_bounds_far_from_zero(submission, rng):
    """Log weights near −900 and +900 neither vanish nor overflow, even side by side in one batch."""
    for offsets in ([-900.0], [900.0], [-2e4], [-900.0, 900.0, 0.0]):
        log_w = rng.standard_normal((4, len(offsets)))
        expected = np.log(np.exp(log_w).mean(axis=0)) + offsets
        log_q = rng.standard_normal(log_w.shape)
        assert_close(submission.iwae_bound(log_w + offsets + log_q, log_q), expected, name="bound")
    spread = np.array([[-900.0, 900.0], [-1700.0, -900.0], [-900.0, 0.0]])  # some weights count for nothing
    got = submission.iwae_bound(spread, np.zeros((3, 2)))
    assert_close(got, np.array([-900.0 + math.log(2 / 3), 900.0 - math.log(3)]), name="bound")


@check("iwae_bound", points=1.5)
def test_exact_posterior_makes_all_weights_equal(submission, rng):
    """If q is the true posterior, every weight is p(x), and the bound is log p(x) for any number of samples."""
    x = rng.uniform(-2, 2, 3)
    evidence = -(x**2) / 4 - math.log(4 * math.pi) / 2  # z ~ N(0, 1), x ~ N(z, 1)
    for k in (1, 2, 5, 20):
        z = x / 2 + math.sqrt(0.5) * rng.standard_normal((k, 3))
        log_joint = -((x - z) ** 2 + z**2) / 2 - math.log(2 * math.pi)
        log_q = -((z - x / 2) ** 2) - math.log(math.pi) / 2
        assert_close(submission.iwae_bound(log_joint, log_q), evidence, name="bound")


@check("iwae_bound", points=1.5)
def test_more_samples_tighten_the_bound(submission, rng):
    """The bound lies between the mean and the maximum of the log weights, and leaving samples out lowers it on average."""
    log_joint, log_q = normal(rng, (4, 3), 2)
    log_w = log_joint - log_q
    full = submission.iwae_bound(log_joint, log_q)
    assert_close(full, log_mean(log_joint, log_q), name="bound")
    assert_true((full > log_w.mean(axis=0)).all(), "with unequal weights the bound exceeds the average ELBO")
    assert_true((full < log_w.max(axis=0)).all(), "the bound is below the largest log weight")
    fewer = [submission.iwae_bound(np.delete(log_joint, k, 0), np.delete(log_q, k, 0)) for k in range(4)]
    expected = np.mean([log_mean(np.delete(log_joint, k, 0), np.delete(log_q, k, 0)) for k in range(4)], axis=0)
    assert_close(np.mean(fewer, axis=0), expected, name="average bound of three samples")
    assert_true((np.mean(fewer, axis=0) < full).all(), "on average three samples give a lower bound than four")


@check("iwae_bound", points=1)
def test_impossible_samples_have_no_weight(submission, rng):
    """A sample of log probability −inf counts as weight 0; if all samples are impossible, the bound is −inf."""
    log_joint, log_q = normal(rng, (3, 4), 2)
    log_joint[0, 0] = log_joint[1:, 1] = -np.inf
    log_joint[:, 2] = -np.inf
    with np.errstate(divide="ignore"):
        expected = np.log(np.exp(log_joint - log_q).mean(axis=0))
    assert_close(submission.iwae_bound(log_joint, log_q), expected, name="bound")
    alone = np.full((2, 1), -np.inf)
    assert_close(submission.iwae_bound(alone, np.zeros((2, 1))), np.array([-np.inf]), name="bound of nothing")


@check("iwae_bound", points=0.5)
def test_importance_bound_knows_no_order(submission, rng):
    """The order of the samples does not matter, repeating all of them changes nothing, and a factor is a shift."""
    log_joint, log_q = normal(rng, (4, 3), 2)
    expected = log_mean(log_joint, log_q)
    order = rng.permutation(4)
    assert_close(submission.iwae_bound(log_joint[order], log_q[order]), expected, name="shuffled")
    twice = submission.iwae_bound(np.tile(log_joint, (2, 1)), np.tile(log_q, (2, 1)))
    assert_close(twice, expected, name="bound of every sample twice")
    assert_close(submission.iwae_bound(log_joint + 3, log_q + 1), expected + 2, name="shifted bound")


@check("iwae_bound", points=0.5)
def test_importance_bound_keeps_single_precision(submission, rng):
    """Log probabilities in single precision give a bound in single precision."""
    for shape in [(1, 2), (4, 3)]:
        given = single(normal(rng, shape, 2))
        assert_close(submission.iwae_bound(*given), log_mean(*given).astype(np.float32), name="bound")


@check("iwae_bound", points=0.5)
def test_importance_bound_leaves_its_inputs_alone(submission, rng):
    """Both arrays are only read, however they lie in memory, and the bound is a new array."""
    for shape in [(1, 3), (4, 3)]:
        given = normal(rng, shape, 2)
        for layout in LAYOUTS:
            got = assert_pure(submission.iwae_bound, *map(layout, given), name="iwae_bound")
            assert_close(got, log_mean(*given), name="bound")


@check("iwae_bound", points=0.5)
def test_importance_bound_refuses_what_does_not_fit(submission, rng):
    """Log probabilities of shapes that do not broadcast are an error."""
    for a, b in [((4, 3), (4, 2)), ((4, 3), (5, 3)), ((4, 3), (3, 4))]:
        assert_raises(ValueError, submission.iwae_bound, np.ones(a), np.ones(b))
    good = normal(rng, (4, 3), 2)
    assert_close(submission.iwae_bound(*good), log_mean(*good), name="bound of what fits")


@check("iwae_bound", points=0.5)
def test_cost_of_the_importance_bound(submission, rng):
    """More samples and more examples cost no more Python."""
    small, large = normal(rng, (2, 3), 2), normal(rng, (9, 7), 2)
    values = assert_flat_cost(submission.iwae_bound, small, large)
    assert_close(values, (log_mean(*small), log_mean(*large)), name="bound of both sizes")


# -------------------------------------------------------------------------------------------------------- VAE


# (N, D, hidden, Z): every size different, then 1 in each place
MODELS = [(1, 1, 1, 1), (1, 6, 4, 3), (5, 1, 4, 3), (5, 6, 1, 3), (5, 6, 4, 1), (5, 6, 4, 3)]


@in_worker
def parameter_shapes(model):
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


@in_worker
def put(model, values):
    """Write new values into the parameters."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(values[name])


@in_worker
def pull_back(model, outputs, cotangents):
    """Gradients of kept outputs with respect to the parameters, by name, None where unused."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(outputs, parameters, cotangents, retain_graph=True, allow_unused=True)
    return dict(zip(names, found, strict=True))


def random_model(submission, rng, d, hidden, z, scale=0.7):
    """A double-precision model with parameters far from any initialisation; also returns these."""
    model = submission.VAE(d, hidden, z)
    model.double()
    shapes = parameter_shapes(model)
    values = {name: torch.tensor(scale * rng.standard_normal(shape)) for name, shape in shapes.items()}
    put(model, values)
    return model, values


def batch(rng, n, d, z):
    return torch.tensor(rng.random((n, d))), torch.tensor(rng.standard_normal((n, z)))


def passes(model, x, eps):
    """mu, logvar, z and logits, with the submission's encode and decode."""
    mu, logvar = (t.detach().numpy() for t in model.encode(x))
    z = mu + np.exp(logvar / 2) * eps.numpy()
    logits = model.decode(torch.tensor(z, dtype=x.dtype)).detach().numpy()
    return mu, logvar, z, logits


def expected_loss(model, x, eps):
    mu, logvar, _, logits = passes(model, x, eps)
    return -bound(x.numpy(), logits, mu, logvar).mean()


def expected_gradients(model, x, eps):
    """The chain rule through the submission's encode and decode, with everything between them done here."""
    n = len(x)
    mu, logvar, z, logits = passes(model, x, eps)
    codes = keep(model.encode)(x)
    leaf = tensor(z, requires_grad=True)
    decoded = keep(model.decode)(leaf)
    dlogits = ((1 + np.tanh(logits / 2)) / 2 - x.numpy()) / n
    (dz,) = (g.numpy() for g in vjp(decoded, (leaf,), dlogits))
    dmu = dz + mu / n
    dlogvar = dz * eps.numpy() * np.exp(logvar / 2) / 2 + np.expm1(logvar) / (2 * n)
    from_decoder = pull_back(model, decoded, torch.tensor(dlogits))
    from_encoder = pull_back(model, codes, (torch.tensor(dmu), torch.tensor(dlogvar)))
    total = {}
    for name, gradient in from_decoder.items():
        parts = [g for g in (gradient, from_encoder[name]) if g is not None]
        assert_true(parts, "every parameter takes part in encode or in decode")
        total[name] = sum(parts)
    return total


def assert_gradients(model, x, eps, rtol=1e-9):
    """The gradients of the loss are those of minus the mean ELBO."""
    expected = expected_gradients(model, x, eps)
    got = pull_back(model, keep(model.loss)(x, eps), torch.tensor(1.0, dtype=x.dtype))
    for name, gradient in expected.items():
        assert_true(got[name] is not None, "the loss reaches every parameter")
        scale = max(1.0, float(gradient.abs().max()))
        assert_close(got[name], gradient, name="gradient of a parameter", rtol=rtol, atol=rtol * scale)


@check("VAE", points=2)
def test_loss_with_any_weights(submission, rng):
    """Whatever the weights, the loss is the batch mean of KL minus log-likelihood, at z = mu + exp(logvar / 2) · eps."""
    for n, d, hidden, z in MODELS:
        model, _ = random_model(submission, rng, d, hidden, z)
        x, eps = batch(rng, n, d, z)
        for noise in (eps, torch.zeros_like(eps), 3 * eps):
            expected = expected_loss(model, x, noise)
            # of a wrong order of codes, or of probabilities for logits, the difference tells more than the loss
            surplus, size = float(torch.as_tensor(model.loss(x, noise)).detach()) - expected, max(1.0, abs(expected))
            assert_close(surplus, 0.0, name="loss minus that of your own encode and decode", atol=1e-9 * size)


@check("VAE", points=2.5)
def test_gradients_of_the_loss(submission, rng):
    """Every parameter gets its exact gradient, the encoder's through the sampled code and through the KL."""
    for n, d, hidden, z in [(1, 1, 1, 1), (5, 6, 4, 3)]:
        model, _ = random_model(submission, rng, d, hidden, z)
        x, eps = batch(rng, n, d, z)
        assert_close(model.loss(x, eps), expected_loss(model, x, eps), name="loss")
        assert_gradients(model, x, eps)


@check("VAE", points=1)
def test_gradients_at_zero_weights(submission, rng):
    """With all weights 0 the logits are 0, and there the slope of log(1 + exp(l)) is ½, neither 0 nor 1."""
    model, values = random_model(submission, rng, 6, 4, 3)
    put(model, {name: torch.zeros_like(value) for name, value in values.items()})
    x, eps = batch(rng, 5, 6, 3)
    assert_close(model.loss(x, eps), expected_loss(model, x, eps), name="loss")
    assert_gradients(model, x, eps)


@check("VAE", points=1)
def test_confident_decoders_can_be_trained(submission, rng):
    """Logits of a thousand and more give a finite, exact loss and exact gradients."""
    model, values = random_model(submission, rng, 6, 4, 3)
    x, eps = batch(rng, 5, 6, 3)
    ones = torch.ones(5, 6, dtype=torch.float64)
    in_decoder = pull_back(model, keep(model.decode)(eps), ones)
    in_encoder = pull_back(model, keep(model.encode)(x), (ones[:, :3], ones[:, :3]))
    alone = [name for name in values if in_decoder[name] is not None and in_encoder[name] is None]
    put(model, {name: 1500 * v if name in alone else v for name, v in values.items()})
    logits = passes(model, x, eps)[3]
    assert_true(np.abs(logits).max() > 100, "logits have no bound: large weights make a decoder confident")
    # torch's own softplus is off by up to 2e-9 beyond a logit of 20
    assert_close(model.loss(x, eps), expected_loss(model, x, eps), name="loss", rtol=1e-8)
    assert_gradients(model, x, eps, rtol=1e-8)


@check("VAE", points=1)
def test_examples_are_coded_one_by_one(submission, rng):
    """Codes depend on the image and logits on the code, never on the other examples of the batch."""
    model, _ = random_model(submission, rng, 6, 16, 3)
    x, z = batch(rng, 5, 6, 3)
    mu, logvar = (t.detach() for t in model.encode(x))
    logits = model.decode(z).detach()
    for values in (mu, logvar, logits):
        assert_true((values[0] - values[1:]).abs().max() > 1e-6, "different inputs give different outputs")
    for i in range(5):
        one = [t.detach() for t in model.encode(x[i : i + 1])]
        assert_close(one, [mu[i : i + 1], logvar[i : i + 1]], name="(mu, logvar) of one example")
        assert_close(model.decode(z[i : i + 1]).detach(), logits[i : i + 1], name="logits of one code")


@check("VAE", points=0.5)
def test_model_keeps_the_precision_of_its_parameters(submission, rng):
    """A new model computes in single precision, and after .double() in double precision."""
    x, eps = batch(rng, 5, 6, 3)
    for dtype in (torch.float32, torch.float64):
        model = submission.VAE(6, 4, 3)
        if dtype is torch.float64:
            model.double()
        given = x.to(dtype), eps.to(dtype)
        made = [*model.encode(given[0]), model.decode(given[1]), model.loss(*given)]
        assert_true(all(t.dtype is dtype for t in made), "results have the dtype of the parameters")
        precise = np.float32 if dtype is torch.float32 else np.float64
        assert_close(made[-1], precise(expected_loss(model, *given)), name="loss")
        # One rounded loss may be near enough by chance; five of them are not.
        for row in range(len(x)):
            one = [t[row : row + 1] for t in given]
            assert_close(model.loss(*one), precise(expected_loss(model, *one)), name="loss")


@check("VAE", points=0.5)
def test_loss_draws_no_noise_of_its_own(submission, rng):
    """The loss only reads its inputs, and all its noise is eps, so two calls give one value."""
    model, _ = random_model(submission, rng, 6, 4, 3)
    x, eps = batch(rng, 5, 6, 3)
    expected = expected_loss(model, x, eps)
    strided = torch.tensor(noncontiguous(x.numpy()))
    for given in (x, strided, x.T.contiguous().T):
        assert_close(assert_pure(model.loss, given, eps, name="loss"), expected, name="loss")


@check("VAE", points=0.5)
def test_cost_of_the_loss(submission, rng):
    """More examples, pixels and latent dimensions cost no more Python."""
    counts = []
    for n, d, hidden, z in [(2, 3, 3, 2), (7, 12, 8, 5)]:
        model, _ = random_model(submission, rng, d, hidden, z)
        x, eps = batch(rng, n, d, z)
        counted = operations(model.loss)(x, eps)
        assert_close(counted.value, expected_loss(model, x, eps), name="loss")
        counts.append(counted.count)
    assert_no_growth(*counts)
