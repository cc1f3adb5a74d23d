"""The evidence lower bound: the checks that ship."""

import math

import numpy as np
import torch

from grader.checks import assert_close, assert_true, central_differences, check, grads, keep


def plain_kl(mu, logvar):
    """KL from the standard normal, one example and one dimension at a time."""
    total = [0.0] * len(mu)
    for n in range(len(mu)):
        for m, lv in zip(mu[n], logvar[n], strict=True):
            total[n] += (math.exp(lv) + m * m - 1 - lv) / 2
    return np.array(total)


def plain_bernoulli(logits, x):
    """log p where a pixel is 1, log(1 − p) where it is 0, for logits of moderate size."""
    p = 1 / (1 + np.exp(-logits))
    return np.array([sum(np.log(p[n]) * x[n] + np.log(1 - p[n]) * (1 - x[n])) for n in range(len(x))])


@check("kl_std_normal", points=2.5)
def test_kl_from_the_standard_normal(submission, rng):
    """Each latent dimension costs half of σ² + μ² − 1 − log σ², and the dimensions of an example add up."""
    for n, z in [(1, 1), (1, 3), (4, 3)]:
        mu, logvar = rng.standard_normal((n, z)), rng.standard_normal((n, z))
        assert_close(submission.kl_std_normal(mu, logvar), plain_kl(mu, logvar), name="KL")


@check("kl_std_normal", points=1.5)
def test_a_standard_posterior_costs_nothing(submission):
    """A posterior equal to the prior costs exactly 0, and moving its mean or its variance costs something."""
    zero = np.zeros((1, 2))
    assert_close(submission.kl_std_normal(zero, zero), np.zeros(1), name="KL at mu = 0, logvar = 0")
    for sign in (1.0, -1.0):
        move = np.array([[sign, 0.0]])
        moved, stretched = submission.kl_std_normal(move, zero), submission.kl_std_normal(zero, move)
        assert_close(moved, np.array([0.5]), name="KL of a mean at distance 1")
        assert_close(stretched, np.array([(math.exp(sign) - 1 - sign) / 2]), name="KL of another variance")


@check("kl_diag", points=2.5)
def test_kl_between_two_gaussians(submission, rng):
    """Variances are compared by their ratio, and the distance of the means is measured in the second's σ."""
    for n, z in [(1, 1), (1, 3), (4, 3)]:
        mu1, lv1, mu2, lv2 = (rng.standard_normal((n, z)) for _ in range(4))
        expected = np.zeros(n)
        for i in range(n):
            for j in range(z):
                ratio = math.exp(lv1[i, j] - lv2[i, j])
                distance = (mu1[i, j] - mu2[i, j]) / math.exp(lv2[i, j] / 2)
                expected[i] += (ratio - 1 - math.log(ratio) + distance**2) / 2
        assert_close(submission.kl_diag(mu1, lv1, mu2, lv2), expected, name="KL")


@check("reparameterize", points=2)
def test_samples_are_shifted_and_scaled_noise(submission, rng):
    """A sample is the mean plus the standard deviation times the noise."""
    for n, z in [(1, 1), (1, 3), (4, 3)]:
        mu, logvar, eps = (rng.standard_normal((n, z)) for _ in range(3))
        sigma = np.sqrt(np.exp(logvar))
        assert_close(submission.reparameterize(mu, logvar, eps), mu + sigma * eps, name="z")


@check("reparameterize", points=1)
def test_log_variance_zero_means_unit_noise(submission, rng):
    """At logvar = 0 the standard deviation is 1, so with mean 0 the sample is the noise itself."""
    zero, eps = np.zeros((3, 2)), rng.standard_normal((3, 2))
    assert_close(submission.reparameterize(zero, zero, eps), eps, name="z")
    mu = rng.standard_normal((3, 2))
    assert_close(submission.reparameterize(mu, zero, eps), mu + eps, name="z at another mean")


@check("bernoulli_ll", points=2)
def test_likelihood_of_black_and_white_pixels(submission, rng):
    """A pixel contributes log p if it is 1 and log(1 − p) if it is 0, where p is the sigmoid of its logit."""
    for n, d in [(1, 1), (1, 4), (3, 4)]:
        logits = rng.standard_normal((n, d))
        x = (rng.random((n, d)) < 0.5).astype(float)
        assert_close(submission.bernoulli_ll(logits, x), plain_bernoulli(logits, x), name="log-likelihood")


@check("bernoulli_ll", points=1.5)
def test_likelihood_at_large_logits(submission):
    """A confident pixel costs about 0 if it is right and the size of its logit if it is wrong, never infinity."""
    logits = np.array([[1000.0], [-1000.0], [1000.0], [-1000.0]])
    x = np.array([[1.0], [0.0], [0.0], [1.0]])
    expected = np.array([0.0, 0.0, -1000.0, -1000.0])
    assert_close(submission.bernoulli_ll(logits, x), expected, name="log-likelihood")


@check("gaussian_ll", points=2.5)
def test_log_density_of_a_gaussian(submission, rng):
    """The log-density is the sum over the pixels of the logarithm of the bell curve, its constant included."""
    for n, d in [(1, 1), (1, 4), (3, 4)]:
        x, mean, logvar = (rng.standard_normal((n, d)) for _ in range(3))
        sigma = np.exp(logvar / 2)
        density = np.exp(-(((x - mean) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
        assert_close(submission.gaussian_ll(x, mean, logvar), np.log(density).sum(axis=1), name="log-density")


@check("elbo", points=2.5)
def test_bound_is_reconstruction_minus_kl(submission, rng):
    """The bound is the log-likelihood of the pixels minus the KL of the posterior from the prior."""
    for n, d, z in [(1, 1, 1), (1, 4, 2), (3, 4, 2)]:
        logits, x = rng.standard_normal((n, d)), rng.random((n, d))
        mu, logvar = rng.standard_normal((n, z)), rng.standard_normal((n, z))
        expected = plain_bernoulli(logits, x) - plain_kl(mu, logvar)
        assert_close(submission.elbo(x, logits, mu, logvar), expected, name="ELBO")


@check("elbo", points=1)
def test_beta_weighs_the_kl(submission, rng):
    """beta multiplies the KL term and leaves the reconstruction as it is."""
    logits, x = rng.standard_normal((3, 4)), rng.random((3, 4))
    mu, logvar = rng.standard_normal((3, 2)), rng.standard_normal((3, 2))
    for beta in (1.0, 4.0, 0.5):
        expected = plain_bernoulli(logits, x) - beta * plain_kl(mu, logvar)
        assert_close(submission.elbo(x, logits, mu, logvar, beta), expected, name="ELBO")


@check("kl_grads", points=2)
def test_gradients_of_the_kl(submission, rng):
    """The gradients are the slopes of the KL, as measured by central differences."""
    for n, z in [(1, 1), (3, 2)]:
        mu, logvar = rng.standard_normal((n, z)), rng.standard_normal((n, z))
        dmu, dlogvar = submission.kl_grads(mu, logvar)
        slopes = central_differences(lambda m, lv=logvar: plain_kl(m, lv).sum(), mu)
        assert_close(dmu, slopes, name="dmu", rtol=1e-7)
        slopes = central_differences(lambda lv, m=mu: plain_kl(m, lv).sum(), logvar)
        assert_close(dlogvar, slopes, name="dlogvar", rtol=1e-7)


@check("kl_grads", points=0.5)
def test_no_slope_at_the_prior(submission):
    """The KL is smallest where the posterior equals the prior, so both gradients vanish there and only there."""
    zero, one = np.zeros((2, 3)), np.ones((2, 3))
    assert_close(submission.kl_grads(zero, zero), (zero, zero), name="(dmu, dlogvar)")
    assert_close(submission.kl_grads(one, zero), (one, zero), name="(dmu, dlogvar) at mu = 1")
    slope = np.full((2, 3), math.expm1(1.0) / 2)
    assert_close(submission.kl_grads(zero, one), (zero, slope), name="(dmu, dlogvar) at logvar = 1")


@check("iwae_bound", points=3)
def test_bound_averages_the_weights(submission, rng):
    """Average the importance weights p(x, z) / q(z|x) of an example's K samples, then take the logarithm."""
    for k, n in [(1, 1), (2, 1), (3, 2), (5, 4)]:
        log_joint, log_q = rng.standard_normal((k, n)), rng.standard_normal((k, n))
        weights = np.exp(log_joint) / np.exp(log_q)
        expected = np.array([math.log(sum(weights[:, i]) / k) for i in range(n)])
        assert_close(submission.iwae_bound(log_joint, log_q), expected, name="bound")


@check("iwae_bound", points=1)
def test_one_sample_gives_the_elbo(submission, rng):
    """With a single sample the bound is log p(x, z) − log q(z|x), however small the probabilities are."""
    log_joint, log_q = rng.standard_normal((1, 3)) - 900, rng.standard_normal((1, 3))
    assert_close(submission.iwae_bound(log_joint, log_q), (log_joint - log_q)[0], name="bound")


def loss_of_codes(x, mu, logvar, logits):
    """Minus the mean ELBO of what the submission's encode and decode say."""
    assert_true(all(np.isfinite(values).all() for values in (mu, logvar, logits)), "codes and logits are finite")
    return -(plain_bernoulli(logits, x) - plain_kl(mu, logvar)).mean()


def batch(rng, n, d, z):
    """Grey pixels and noise, in double precision."""
    return torch.tensor(rng.random((n, d))), torch.tensor(rng.standard_normal((n, z)))


@check("VAE", points=1.5)
def test_model_has_the_stated_shapes(submission, rng):
    """encode gives two codes per example, decode one logit per pixel, and the loss is one number."""
    for n, d, hidden, z in [(1, 1, 1, 1), (5, 6, 4, 3), (2, 3, 5, 4)]:
        x, eps = (t.float() for t in batch(rng, n, d, z))
        model = submission.VAE(d, hidden, z)
        mu, logvar = model.encode(x)
        for code, name in ((mu, "mu"), (logvar, "logvar")):
            assert_true(tuple(code.shape) == (n, z), f"{name} has the shape (N, Z)")
        assert_true(tuple(model.decode(eps).shape) == (n, d), "the logits have the shape (N, D)")
        loss = model.loss(x, eps).detach()
        assert_true(tuple(loss.shape) == (), "the loss is a tensor without axes")
        mu, logvar = (t.detach().double().numpy() for t in (mu, logvar))
        decoded = model.decode(torch.tensor(mu + np.exp(logvar / 2) * eps.numpy()).float()).detach().double().numpy()
        assert_close(loss, np.float32(loss_of_codes(x.double().numpy(), mu, logvar, decoded)), name="loss")


@check("VAE", points=2.5)
def test_loss_is_minus_the_mean_bound(submission, rng):
    """The loss is what your own encode and decode say: KL minus log-likelihood, averaged over the batch."""
    for n, d, hidden, z in [(1, 1, 1, 1), (1, 4, 3, 2), (5, 6, 4, 3)]:
        x, eps = batch(rng, n, d, z)
        model = submission.VAE(d, hidden, z)
        model.double()
        mu, logvar = (t.detach().numpy() for t in model.encode(x))
        codes = mu + np.sqrt(np.exp(logvar)) * eps.numpy()
        logits = model.decode(torch.tensor(codes)).detach().numpy()
        assert_close(model.loss(x, eps), loss_of_codes(x.numpy(), mu, logvar, logits), name="loss")


@check("VAE", points=1)
def test_every_parameter_gets_a_gradient(submission, rng):
    """A backward pass from the loss reaches every parameter of encoder and decoder."""
    x, eps = batch(rng, 5, 6, 3)
    model = submission.VAE(6, 4, 3)
    model.double()
    keep(model.loss)(x, eps).backward()
    gradients = grads(model)
    assert_true(len(gradients) > 0, "the model has parameters")
    for gradient in gradients.values():
        assert_true(gradient is not None, "every parameter has a gradient after loss.backward()")
        assert_true(np.isfinite(gradient.numpy()).all(), "every gradient is finite")
    assert_true(any(bool(g.abs().max() > 0) for g in gradients.values()), "a gradient is not 0 everywhere")
