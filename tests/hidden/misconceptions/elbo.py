"""Wrong implementations of the evidence lower bound, each with the sentence that the student should read."""

import math

import numpy as np
import torch
from torch.nn import functional

from grader.checks import misconception

LOG_VARIANCE = "logvar is log σ²; σ = exp(logvar / 2)"
SUM = "Independent dimensions add; keep one value per sample"
BATCH = "One value per sample: the mean over the batch belongs to the loss"
SINGLE = "np.float64 constants promote float32 arrays: np.log(2) is one, math.log(2) is none"

# ---------------------------------------------------------------------------------------------- kl_std_normal

KL = "test_kl_from_the_standard_normal"


@misconception("el1", f"{LOG_VARIANCE}, and σ² = exp(logvar).", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(2 * logvar) + mu**2 - 1 - 2 * logvar).sum(axis=1)


@misconception("el1", "logvar already is a logarithm: subtract it as it stands.", caught_by=KL)
def kl_std_normal(mu, logvar):
    with np.errstate(invalid="ignore", divide="ignore"):
        return 0.5 * (logvar + mu**2 - 1 - np.log(logvar)).sum(axis=1)


@misconception("el1", "exp(logvar / 2) is σ; the KL wants the variance σ² = exp(logvar).", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar / 2) + mu**2 - 1 - logvar).sum(axis=1)


@misconception("el3", "A KL divergence cannot be negative: the sign is flipped.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum(axis=1)


@misconception("el3", "A standard-normal posterior must cost exactly 0: the −1 is missing.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - logvar).sum(axis=1)


@misconception("el3", "The ½ of the Gaussian's exponent is missing from its KL.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)


@misconception("el3", "The KL grows with the square of the mean, not with its size.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + np.abs(mu) - 1 - logvar).sum(axis=1)


@misconception("el3", "The ½ belongs to all four terms of the KL, not to the first alone.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return (0.5 * np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)


@misconception(
    "el3", "The logarithm of the variance is missing: without it a narrow posterior would be free.", caught_by=KL
)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - 1).sum(axis=1)


@misconception("el4", f"{SUM}: the mean over the latent dimensions is not the KL.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).mean(axis=1)


@misconception("el4", f"{BATCH}.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1).mean()


@misconception("el4", "The sum runs over the latent dimensions, the last axis, not over the examples.", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=0)


@misconception("el4", "keepdims leaves a column behind: one number per example is (N,).", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1, keepdims=True)


@misconception(
    "el31",
    "Free bits change the KL: every dimension pays from the first nat on, without a minimum price.",
    caught_by="test_kl_sums_over_dimensions_not_over_examples",
)
def kl_std_normal(mu, logvar):
    return np.maximum(0.5 * (np.exp(logvar) + mu**2 - 1 - logvar), 0.1).sum(axis=1)


@misconception("el5", "The expectation is under q: KL(q ‖ p), not KL(p ‖ q).", caught_by=KL)
def kl_std_normal(mu, logvar):
    return 0.5 * ((1 + mu**2) * np.exp(-logvar) - 1 + logvar).sum(axis=1)


@misconception(
    "el11", f"{SINGLE}, and np.zeros makes float64 unless told otherwise.", caught_by="test_kl_keeps_single_precision"
)
def kl_std_normal(mu, logvar):
    total = np.zeros(len(mu))
    total += 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)
    return total


@misconception(
    "el12",
    "Clipping logvar changes the KL of wide and narrow posteriors; the formula needs no such help.",
    caught_by="test_kl_of_extreme_posteriors",
)
def kl_std_normal(mu, logvar):
    lv = np.clip(logvar, -10, 10)
    return 0.5 * (np.exp(lv) + mu**2 - 1 - lv).sum(axis=1)


@misconception(
    "el13",
    "Inputs are only read: mu *= mu squares the caller's array as well.",
    caught_by="test_kl_leaves_its_inputs_alone",
)
def kl_std_normal(mu, logvar):
    if mu.shape != logvar.shape:
        raise ValueError("the shapes differ")
    result = 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)
    mu *= mu
    return result


# ---------------------------------------------------------------------------------------------------- kl_diag

DIAG = "test_kl_between_two_gaussians"


@misconception("el5", "The expectation is under the first Gaussian: KL(1 ‖ 2) is not KL(2 ‖ 1).", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv1 - lv2 + (np.exp(lv2) + (mu1 - mu2) ** 2) / np.exp(lv1) - 1).sum(axis=1)


@misconception("el1", f"{LOG_VARIANCE}: the variances are exp(lv1) and exp(lv2).", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (2 * lv2 - 2 * lv1 + (np.exp(2 * lv1) + (mu1 - mu2) ** 2) / np.exp(2 * lv2) - 1).sum(axis=1)


@misconception(
    "el15",
    "The distance of the means counts in units of the second's σ: divide it by exp(lv2) as well.",
    caught_by=DIAG,
)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv2 - lv1 + np.exp(lv1 - lv2) + (mu1 - mu2) ** 2 - 1).sum(axis=1)


@misconception(
    "el15", "The sign of log(σ₂²/σ₁²) is flipped: a narrower first Gaussian costs more, not less.", caught_by=DIAG
)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv1 - lv2 + (np.exp(lv1) + (mu1 - mu2) ** 2) / np.exp(lv2) - 1).sum(axis=1)


@misconception(
    "el15",
    "Two KLs from the prior cannot be subtracted: a KL is no difference of distances.",
    caught_by=DIAG,
    replaces="kl_diag",
)
def kl_as_a_difference(reference):
    prior = reference.kl_std_normal
    return lambda mu1, lv1, mu2, lv2: prior(mu1, lv1) - prior(mu2, lv2)


@misconception("el3", "Equal Gaussians must have KL 0: the −1 is missing.", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv2 - lv1 + (np.exp(lv1) + (mu1 - mu2) ** 2) / np.exp(lv2)).sum(axis=1)


@misconception("el3", "The ½ of the exponent is missing from the KL of two Gaussians.", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return (lv2 - lv1 + (np.exp(lv1) + (mu1 - mu2) ** 2) / np.exp(lv2) - 1).sum(axis=1)


@misconception("el4", f"{SUM}: no mean over the dimensions of two Gaussians.", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv2 - lv1 + (np.exp(lv1) + (mu1 - mu2) ** 2) / np.exp(lv2) - 1).mean(axis=1)


@misconception("el16", "A small number added to the variance is not small beside a narrow Gaussian.", caught_by=DIAG)
def kl_diag(mu1, lv1, mu2, lv2):
    return 0.5 * (lv2 - lv1 + (np.exp(lv1) + (mu1 - mu2) ** 2) / (np.exp(lv2) + 1e-8) - 1).sum(axis=1)


# --------------------------------------------------------------------------------------------- reparameterize

SAMPLE = "test_samples_are_shifted_and_scaled_noise"


@misconception("el1", f"{LOG_VARIANCE}: the noise is scaled by σ, not by the variance.", caught_by=SAMPLE)
def reparameterize(mu, logvar, eps):
    return mu + np.exp(logvar) * eps


@misconception(
    "el2", "Exponentiate: logvar = 0 means σ = 1, not 0.", caught_by="test_log_variance_zero_means_unit_noise"
)
def reparameterize(mu, logvar, eps):
    return mu + logvar * eps


@misconception(
    "el2", "Halve the logarithm inside the exponential: the root of |logvar| is no deviation.", caught_by=SAMPLE
)
def reparameterize(mu, logvar, eps):
    return mu + np.sqrt(np.abs(logvar)) * eps


@misconception("el2", "The sign in the exponent is flipped: a large logvar means much noise.", caught_by=SAMPLE)
def reparameterize(mu, logvar, eps):
    return mu + np.exp(-logvar / 2) * eps


@misconception("el17", "The noise scales with σ: it is multiplied, not added as it is.", caught_by=SAMPLE)
def reparameterize(mu, logvar, eps):
    return mu + np.exp(logvar / 2) + eps


@misconception("el17", "The mean is not part of the noise: only eps is multiplied by σ.", caught_by=SAMPLE)
def reparameterize(mu, logvar, eps):
    return (mu + eps) * np.exp(logvar / 2)


@misconception(
    "el17",
    "The noise is an argument: draw nothing, or no one can repeat or differentiate the sample.",
    caught_by=SAMPLE,
)
def reparameterize(mu, logvar, eps):
    np.broadcast_shapes(mu.shape, logvar.shape, eps.shape)
    noise = np.random.default_rng(0).standard_normal(mu.shape).astype(mu.dtype)
    return mu + np.exp(logvar / 2) * noise


@misconception(
    "el17",
    "Every latent dimension has a noise of its own; one number per example would tie them together.",
    caught_by=SAMPLE,
)
def reparameterize(mu, logvar, eps):
    np.broadcast_shapes(mu.shape, logvar.shape, eps.shape)
    return mu + np.exp(logvar / 2) * eps[:, :1]


@misconception(
    "el12",
    "Clipping logvar changes wide and narrow posteriors: exp(15) is an ordinary deviation.",
    caught_by="test_samples_of_extreme_width",
)
def reparameterize(mu, logvar, eps):
    return mu + np.exp(np.clip(logvar, -20, 20) / 2) * eps


@misconception("el11", f"{SINGLE}; so is np.sqrt of a Python number.", caught_by="test_samples_keep_single_precision")
def reparameterize(mu, logvar, eps):
    return mu + np.exp(np.float64(0.5) * logvar) * eps


@misconception(
    "el13",
    "Inputs are only read: z = mu; z += … writes into the caller's mu.",
    caught_by="test_sampling_leaves_its_inputs_alone",
)
def reparameterize(mu, logvar, eps):
    z = mu
    z += np.exp(logvar / 2) * eps
    return z


@misconception(
    "el13", "Without noise the sample equals mu, but it must be a new array.", caught_by="test_no_noise_gives_the_mean"
)
def reparameterize(mu, logvar, eps):
    z = mu + np.exp(logvar / 2) * eps
    return z if eps.any() else mu


# ----------------------------------------------------------------------------------------------- bernoulli_ll

PIXELS = "test_likelihood_of_black_and_white_pixels"
LARGE = "test_likelihood_at_large_logits"


def sigmoid(l):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-l))


@misconception("el6", "log 0: use x·l − softplus(l) instead of the logarithm of a sigmoid.", caught_by=LARGE)
def bernoulli_ll(logits, x):
    p = sigmoid(logits)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)


@misconception(
    "el6",
    "Clipped probabilities cap the price of a wrong pixel: use x·l − softplus(l), which needs no clip.",
    caught_by=LARGE,
)
def bernoulli_ll(logits, x):
    p = np.clip(sigmoid(logits), 1e-7, 1 - 1e-7)
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)


@misconception(
    "el6", "A small number inside the logarithm distorts every pixel: use x·l − softplus(l).", caught_by=PIXELS
)
def bernoulli_ll(logits, x):
    p = sigmoid(logits)
    return (x * np.log(p + 1e-8) + (1 - x) * np.log(1 - p + 1e-8)).sum(axis=1)


@misconception("el6", "exp(1000) overflows inside log(1 + exp(l)): take np.logaddexp(0, l).", caught_by=LARGE)
def bernoulli_ll(logits, x):
    with np.errstate(over="ignore", invalid="ignore"):
        return (x * logits - np.log1p(np.exp(logits))).sum(axis=1)


@misconception(
    "el6", "Clipped logits cap the price of a wrong pixel: a stable softplus needs no clip.", caught_by=LARGE
)
def bernoulli_ll(logits, x):
    l = np.clip(logits, -30, 30)
    return (x * l - np.logaddexp(0, l)).sum(axis=1)


@misconception("el6", "max(l, 0) is only the far ends of softplus: add log(1 + exp(−|l|)).", caught_by=PIXELS)
def bernoulli_ll(logits, x):
    return (x * logits - np.maximum(logits, 0)).sum(axis=1)


@misconception(
    "el18", "The cross-entropy is minus the log-likelihood; this function returns the latter.", caught_by=PIXELS
)
def bernoulli_ll(logits, x):
    return (np.logaddexp(0, logits) - x * logits).sum(axis=1)


@misconception("el18", "Black pixels count as well: log(1 − p) is missing where x is 0.", caught_by=PIXELS)
def bernoulli_ll(logits, x):
    return -(x * np.logaddexp(0, -logits)).sum(axis=1)


@misconception(
    "el18", "These are logits: the formula already contains the sigmoid, do not apply it twice.", caught_by=PIXELS
)
def bernoulli_ll(logits, x):
    l = sigmoid(logits)
    return (x * l - np.logaddexp(0, l)).sum(axis=1)


@misconception(
    "el18", "Logits are no probabilities: they may be negative, and their logarithm is not wanted.", caught_by=PIXELS
)
def bernoulli_ll(logits, x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x * np.log(logits) + (1 - x) * np.log(1 - logits)).sum(axis=1)


@misconception("el18", "Mind the order of the arguments: logits first, pixels second.", caught_by=PIXELS)
def bernoulli_ll(logits, x):
    return (x * logits - np.logaddexp(0, x)).sum(axis=1)


@misconception(
    "el18", "Grey pixels need no rounding: the formula is linear in x.", caught_by="test_likelihood_of_grey_pixels"
)
def bernoulli_ll(logits, x):
    return (np.round(x) * logits - np.logaddexp(0, logits)).sum(axis=1)


@misconception("el18", "The squared error is a Gaussian's log-likelihood, not a Bernoulli's.", caught_by=PIXELS)
def bernoulli_ll(logits, x):
    return -0.5 * ((x - sigmoid(logits)) ** 2).sum(axis=1)


@misconception(
    "el4", f"{SUM}: averaged over the pixels, the reconstruction is D times too small beside the KL.", caught_by=PIXELS
)
def bernoulli_ll(logits, x):
    return (x * logits - np.logaddexp(0, logits)).mean(axis=1)


@misconception("el4", f"{BATCH}, and so does the likelihood's.", caught_by=PIXELS)
def bernoulli_ll(logits, x):
    return (x * logits - np.logaddexp(0, logits)).sum()


@misconception(
    "el7",
    "The log is missing: this is the likelihood, and sums of logs are what the bound is made of.",
    caught_by=PIXELS,
)
def bernoulli_ll(logits, x):
    return np.exp((x * logits - np.logaddexp(0, logits)).sum(axis=1))


@misconception(
    "el11",
    f"{SINGLE}; an array that np.zeros made in passing promotes, too.",
    caught_by="test_likelihood_keeps_single_precision",
)
def bernoulli_ll(logits, x):
    return (x * logits - np.logaddexp(np.zeros(logits.shape), logits)).sum(axis=1)


# ------------------------------------------------------------------------------------------------ gaussian_ll

DENSITY = "test_log_density_of_a_gaussian"


@misconception("el9", "Constants matter when bounds are compared: log 2π is missing.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1)


@misconception("el9", "Every pixel has its own log 2π: it stands inside the sum.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + (logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1))


@misconception("el9", "The squared error alone is no log-density: log 2π and logvar belong to it.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * ((x - mean) ** 2 / np.exp(logvar)).sum(axis=1)


@misconception(
    "el9", "The normaliser log σ is missing: a wide Gaussian must be lower at its centre.", caught_by=DENSITY
)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + (x - mean) ** 2 / np.exp(logvar) + 0 * logvar).sum(axis=1)


@misconception("el7", "A lower bound on log p cannot exceed log p; the log is missing.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return np.exp(-0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1))


@misconception("el1", f"{LOG_VARIANCE}: divide the squared distance by exp(logvar).", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + 2 * logvar + (x - mean) ** 2 / np.exp(2 * logvar)).sum(axis=1)


@misconception("el1", f"{LOG_VARIANCE}: the squared distance is divided by σ², not by σ.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / np.exp(logvar / 2)).sum(axis=1)


@misconception("el19", "The sign is flipped: the log-density falls with the distance from the mean.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return 0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1)


@misconception("el19", "The ½ stands before all three terms of the Gaussian's log-density.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -(0.5 * math.log(2 * math.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1)


@misconception("el4", f"{SUM}: pixels given z are independent, so their log-densities add.", caught_by=DENSITY)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)).mean(axis=1)


@misconception("el11", f"{SINGLE}.", caught_by="test_log_densities_keep_single_precision")
def gaussian_ll(x, mean, logvar):
    return -0.5 * (np.log(2 * np.pi) + logvar + (x - mean) ** 2 / np.exp(logvar)).sum(axis=1)


@misconception(
    "el16",
    "A small number added to the variance is not small beside σ² = exp(−30).",
    caught_by="test_log_densities_of_extreme_gaussians",
)
def gaussian_ll(x, mean, logvar):
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mean) ** 2 / (np.exp(logvar) + 1e-12)).sum(axis=1)


# ------------------------------------------------------------------------------------------------------- elbo

BOUND = "test_bound_is_reconstruction_minus_kl"
BETA = "test_beta_weighs_the_kl"


def elbo_as(id, sentence, caught_by, combine):
    """Register a wrong combination of x, logits, mu, logvar, beta and the reference's two terms."""

    def factory(reference):
        likelihood, kl = reference.bernoulli_ll, reference.kl_std_normal

        def elbo(x, logits, mu, logvar, beta=1.0):
            ll, cost = likelihood(logits, x), kl(mu, logvar)
            ll + cost  # the error of shapes that do not fit
            return combine(ll, cost, beta)

        return elbo

    misconception(id, sentence, caught_by=caught_by, replaces="elbo")(factory)


elbo_as("el10", "β weighs the KL, not the reconstruction.", BETA, lambda ll, kl, beta: beta * ll - kl)
elbo_as("el10", "β weighs the KL alone, not the whole bound.", BETA, lambda ll, kl, beta: beta * (ll - kl))
elbo_as("el10", "β is an argument to be used: it weighs the KL.", BETA, lambda ll, kl, beta: ll - kl)
elbo_as(
    "el10",
    "β weighs the KL; the reconstruction keeps weight 1, not 1 − β.",
    BETA,
    lambda ll, kl, beta: (1 - beta) * ll - beta * kl,
)
elbo_as(
    "el10",
    "β = 0 is a weight like any other, not a missing one.",
    "test_weights_of_the_kl",
    lambda ll, kl, beta: ll - (beta or 1.0) * kl,
)
elbo_as(
    "el20", "The loss is minus the bound; this function returns the bound.", BOUND, lambda ll, kl, beta: beta * kl - ll
)
elbo_as("el20", "The KL is a price: it is subtracted from the likelihood.", BOUND, lambda ll, kl, beta: ll + beta * kl)
elbo_as(
    "el7",
    "A lower bound on log p cannot exceed log p; the log of the likelihood is missing.",
    BOUND,
    lambda ll, kl, beta: np.exp(ll) - beta * kl,
)
elbo_as(
    "el20",
    "The reconstruction alone is no bound: a posterior far from the prior must pay the KL.",
    BOUND,
    lambda ll, kl, beta: ll,
)
elbo_as(
    "el4", f"{BATCH}, and the bound is one number per example.", BOUND, lambda ll, kl, beta: (ll - beta * kl).mean()
)
elbo_as(
    "el4",
    "Each example pays its own KL, not the average of the batch.",
    BOUND,
    lambda ll, kl, beta: ll - beta * kl.mean(),
)
elbo_as(
    "el11",
    f"{SINGLE}; so does beta once it is an np.float64.",
    "test_bounds_keep_single_precision",
    lambda ll, kl, beta: ll - np.float64(beta) * kl,
)


@misconception(
    "el18",
    "Mind the order of the arguments: bernoulli_ll takes logits first, elbo takes x first.",
    caught_by=BOUND,
    replaces="elbo",
)
def elbo_with_pixels_as_logits(reference):
    likelihood, kl = reference.bernoulli_ll, reference.kl_std_normal
    return lambda x, logits, mu, logvar, beta=1.0: likelihood(x, logits) - beta * kl(mu, logvar)


@misconception(
    "el4",
    "Sums, not means: averaged over pixels and dimensions, the two terms are no longer one bound.",
    caught_by=BOUND,
    replaces="elbo",
)
def elbo_of_means(reference):
    likelihood, kl = reference.bernoulli_ll, reference.kl_std_normal

    def elbo(x, logits, mu, logvar, beta=1.0):
        return likelihood(logits, x) / x.shape[1] - beta * kl(mu, logvar) / mu.shape[1]

    return elbo


@misconception(
    "el4",
    "Sums, not means: the likelihood adds up all pixels before the KL is subtracted.",
    caught_by=BOUND,
    replaces="elbo",
)
def elbo_of_the_mean_pixel(reference):
    likelihood, kl = reference.bernoulli_ll, reference.kl_std_normal
    return lambda x, logits, mu, logvar, beta=1.0: likelihood(logits, x) / x.shape[1] - beta * kl(mu, logvar)


# --------------------------------------------------------------------------------------------------- kl_grads

SLOPES = "test_gradients_of_the_kl"


@misconception("el21", "The ½ of the KL stays before its slope: dlogvar is ½ (exp(logvar) − 1).", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.copy(), np.exp(logvar) - 1


@misconception(
    "el21", "The term −logvar has a slope, too: without its −1 the variance would shrink to 0.", caught_by=SLOPES
)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.copy(), 0.5 * np.exp(logvar)


@misconception("el21", "The ½ cancels the 2 of the square: dmu is mu.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return 2 * mu, 0.5 * (np.exp(logvar) - 1)


@misconception("el21", "The ½ cancels the 2 of the square: dmu is mu, not half of it.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return 0.5 * mu, 0.5 * (np.exp(logvar) - 1)


@misconception("el21", "Gradients point uphill: these are the steps downhill.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return -mu, 0.5 * (1 - np.exp(logvar))


@misconception("el21", "dmu comes first, dlogvar second.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return 0.5 * (np.exp(logvar) - 1), mu.copy()


@misconception(
    "el21",
    "This is the slope with respect to the variance; by the chain rule the one for logvar is σ² times that.",
    caught_by=SLOPES,
)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.copy(), 0.5 * (1 - np.exp(-logvar))


@misconception(
    "el21",
    "This is the slope with respect to σ; by the chain rule the one for logvar is σ/2 times that.",
    caught_by=SLOPES,
)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.copy(), np.exp(logvar / 2) - np.exp(-logvar / 2)


@misconception("el1", f"{LOG_VARIANCE}, so the slope contains exp(logvar) and not its square.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.copy(), np.exp(2 * logvar) - 1


@misconception("el4", "Each row is the gradient of its own KL: the 1/N belongs to the loss.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu / len(mu), 0.5 * (np.exp(logvar) - 1) / len(mu)


@misconception("el4", "Each row is the gradient of its own KL, not the sum over the batch.", caught_by=SLOPES)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu.sum(axis=0), (0.5 * (np.exp(logvar) - 1)).sum(axis=0)


@misconception(
    "el13",
    "dmu equals mu in value, but must be a new array: a step taken in place would change both.",
    caught_by="test_kl_gradients_are_new_arrays",
)
def kl_grads(mu, logvar):
    np.broadcast_shapes(mu.shape, logvar.shape)
    return mu, 0.5 * (np.exp(logvar) - 1)


@misconception(
    "el22",
    "No formula here combines mu and logvar, so compare their shapes yourself.",
    caught_by="test_kl_gradients_refuse_what_does_not_fit",
)
def kl_grads(mu, logvar):
    return mu.copy(), 0.5 * (np.exp(logvar) - 1)


@misconception(
    "el23",
    "Differences of the KL lose half of the digits: write down the derivative.",
    caught_by="test_kl_gradients_of_extreme_posteriors",
    replaces="kl_grads",
)
def kl_grads_by_differences(reference):
    kl, h = reference.kl_std_normal, 1e-5

    def kl_grads(mu, logvar):
        np.broadcast_shapes(mu.shape, logvar.shape)
        one = np.full(mu.shape, h, mu.dtype)

        def slope(f, x):
            return np.stack([(f(x + e) - f(x - e)) / (2 * h) for e in one[0] * np.eye(mu.shape[1])], axis=1)

        return slope(lambda m: kl(m, logvar), mu), slope(lambda lv: kl(mu, lv), logvar)

    return kl_grads


# ------------------------------------------------------------------------------------------------- iwae_bound

AVERAGE = "test_bound_averages_the_weights"
FAR = "test_importance_bounds_far_from_zero"


def log_sum_exp(log_w):
    top = log_w.max(axis=0)
    top = np.where(np.isneginf(top), 0, top)
    with np.errstate(divide="ignore"):
        return top + np.log(np.exp(log_w - top).sum(axis=0))


@misconception("el8", "The mean of log w is the ELBO again: average the weights, then take the log.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    return (log_joint - log_q).mean(axis=0)


@misconception("el8", "Subtract log K: the weights are averaged, not added.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    return log_sum_exp(log_joint - log_q)


@misconception("el8", "Shift by the maximum first: exp(−900) is 0 and exp(900) is infinite.", caught_by=FAR)
def iwae_bound(log_joint, log_q):
    with np.errstate(over="ignore", divide="ignore"):
        return np.log(np.exp(log_joint - log_q).mean(axis=0))


@misconception(
    "el8", "Each example needs its own maximum: one shift for the whole batch empties the other columns.", caught_by=FAR
)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    top = log_w.max()
    top = 0 if np.isneginf(top) else top
    with np.errstate(over="ignore", divide="ignore"):
        return top + np.log(np.exp(log_w - top).mean(axis=0))


@misconception("el8", "Shift by the maximum, not by the mean: the largest exponent must become 0.", caught_by=FAR)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    middle = log_w.mean(axis=0)
    middle = np.where(np.isneginf(middle), 0, middle)
    with np.errstate(over="ignore", divide="ignore"):
        return middle + np.log(np.exp(log_w - middle).mean(axis=0))


@misconception("el8", "The shift has to be added again after the logarithm.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    top = log_w.max(axis=0)
    return log_sum_exp(log_w) - math.log(len(log_w)) - np.where(np.isneginf(top), 0, top)


@misconception("el8", "The largest weight alone is no average: K samples count 1/K each.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    return (log_joint - log_q).max(axis=0)


@misconception("el24", "Samples drawn from q must be weighted by 1/q: log_q is missing.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    np.broadcast_shapes(log_joint.shape, log_q.shape)
    return log_sum_exp(log_joint) - math.log(len(log_joint))


@misconception("el24", "The weight is p(x, z) / q(z|x), not its inverse.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    with np.errstate(over="ignore"):
        return log_sum_exp(log_q - log_joint) - math.log(len(log_joint))


@misconception("el24", "log q is subtracted: the weight is a quotient.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    return log_sum_exp(log_joint + log_q) - math.log(len(log_joint))


@misconception(
    "el24", "The average of quotients is not the quotient of averages: divide sample by sample.", caught_by=AVERAGE
)
def iwae_bound(log_joint, log_q):
    np.broadcast_shapes(log_joint.shape, log_q.shape)
    return log_sum_exp(log_joint) - log_sum_exp(log_q)


@misconception("el25", "Samples lie along the first axis: average over axis 0.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    return log_sum_exp(log_w.T) - math.log(log_w.shape[1])


@misconception("el4", f"{BATCH}: the bound of each example is wanted.", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    return (log_sum_exp(log_w) - math.log(len(log_w))).mean()


@misconception("el7", "The log is missing: this estimates p(x), and the bound is on log p(x).", caught_by=AVERAGE)
def iwae_bound(log_joint, log_q):
    with np.errstate(over="ignore"):
        return np.exp(log_joint - log_q).mean(axis=0)


@misconception(
    "el26",
    "−inf minus −inf is nan: where no sample is possible, the shift must be 0.",
    caught_by="test_impossible_samples_have_no_weight",
)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    top = log_w.max(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return top + np.log(np.exp(log_w - top).mean(axis=0))


@misconception(
    "el26",
    "A sample of weight 0 still counts among the K: divide by K, not by the number of possible samples.",
    caught_by="test_impossible_samples_have_no_weight",
)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    return log_sum_exp(log_w) - np.log(np.maximum(np.isfinite(log_w).sum(axis=0), 1)).astype(log_w.dtype)


@misconception(
    "el26",
    "A small number inside the logarithm turns log 0 into a finite bound and lifts all the others.",
    caught_by=AVERAGE,
)
def iwae_bound(log_joint, log_q):
    log_w = log_joint - log_q
    top = log_w.max(axis=0)
    top = np.where(np.isneginf(top), 0, top)
    return top + np.log(np.exp(log_w - top).mean(axis=0) + 1e-8)


@misconception("el11", f"{SINGLE}: take math.log(K).", caught_by="test_importance_bound_keeps_single_precision")
def iwae_bound(log_joint, log_q):
    return log_sum_exp(log_joint - log_q) - np.log(len(log_joint))


@misconception(
    "el13",
    "Inputs are only read: log_joint -= log_q changes the caller's array.",
    caught_by="test_importance_bound_leaves_its_inputs_alone",
)
def iwae_bound(log_joint, log_q):
    log_joint -= log_q
    return log_sum_exp(log_joint) - math.log(len(log_joint))


# -------------------------------------------------------------------------------------------------------- VAE


def model(reference, **methods):
    """The reference's networks with a loss of small methods, some of them replaced."""

    class Model(reference.VAE):
        def sample(self, mu, logvar, eps):
            return mu + torch.exp(logvar / 2) * eps

        def log_likelihood(self, logits, x):
            return (x * logits - functional.softplus(logits)).sum(dim=1)

        def kl(self, mu, logvar):
            return 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1)

        def combine(self, ll, kl):
            return (kl - ll).mean()

        def loss(self, x, eps):
            mu, logvar = self.encode(x)
            logits = self.decode(self.sample(mu, logvar, eps))
            return self.combine(self.log_likelihood(logits, x), self.kl(mu, logvar))

    for name, method in methods.items():
        setattr(Model, name, method)
    return Model


def vae(id, sentence, caught_by, twins=(), **methods):
    register = misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="VAE")
    register(lambda reference: model(reference, **methods))


LOSS = "test_loss_is_minus_the_mean_bound"
TRAIN = "test_gradients_of_the_loss"
ANY = "test_loss_with_any_weights"
CONFIDENT = "test_confident_decoders_can_be_trained"
ZERO = "test_gradients_at_zero_weights"

vae(
    "el1",
    f"{LOG_VARIANCE}: the model's noise is scaled by σ.",
    LOSS,
    sample=lambda self, mu, logvar, eps: mu + torch.exp(logvar) * eps,
)
vae(
    "el2",
    "Exponentiate: in the model, too, logvar = 0 means σ = 1.",
    LOSS,
    sample=lambda self, mu, logvar, eps: mu + logvar * eps,
)
vae(
    "el27",
    "The code is a sample: without the noise this is an autoencoder with a penalty.",
    LOSS,
    sample=lambda self, mu, logvar, eps: mu,
)
vae(
    "el27",
    "The noise is an argument: torch.randn_like inside the loss makes it another loss each time.",
    LOSS,
    sample=lambda self, mu, logvar, eps: mu + torch.exp(logvar / 2) * torch.randn_like(eps),
)
vae(
    "el28",
    "The sample must not be detached: the encoder learns what to encode through it.",
    TRAIN,
    sample=lambda self, mu, logvar, eps: (mu + torch.exp(logvar / 2) * eps).detach(),
)
vae(
    "el28",
    "The noise scale must not be detached: the encoder learns through it how precise to be.",
    TRAIN,
    sample=lambda self, mu, logvar, eps: mu + torch.exp(logvar.detach() / 2) * eps,
)
vae(
    "el28",
    "The KL must not be detached: nothing else holds the posterior near the prior.",
    TRAIN,
    kl=lambda self, mu, logvar: (0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1)).detach(),
)
vae(
    "el3",
    "A KL divergence cannot be negative: in the loss it is added as a price.",
    LOSS,
    kl=lambda self, mu, logvar: 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(dim=1),
)
vae(
    "el3",
    "A standard-normal posterior must cost exactly 0: in the model's KL the −1 is missing.",
    LOSS,
    kl=lambda self, mu, logvar: 0.5 * (logvar.exp() + mu**2 - logvar).sum(dim=1),
)
vae(
    "el4",
    f"{SUM}: averaged over latent dimensions the KL is Z times too weak.",
    LOSS,
    kl=lambda self, mu, logvar: 0.5 * (logvar.exp() + mu**2 - 1 - logvar).mean(dim=1),
)
vae(
    "el4",
    "Add up the pixels: averaged over them, the reconstruction is D times too weak and the codes collapse to the prior.",
    LOSS,
    log_likelihood=lambda self, logits, x: (x * logits - functional.softplus(logits)).mean(dim=1),
)
vae(
    "el4",
    "The loss is the mean over the examples, not the sum: else the step would grow with the batch.",
    LOSS,
    combine=lambda self, ll, kl: (kl - ll).sum(),
)
vae("el4", "The loss is one number, the mean over the batch.", LOSS, combine=lambda self, ll, kl: kl - ll)
vae(
    "el6",
    "log 0: a confident decoder needs softplus or a loss with logits, not the log of a sigmoid.",
    CONFIDENT,
    twins=("el6",),
    log_likelihood=lambda self, l, x: (x * torch.log(torch.sigmoid(l)) + (1 - x) * torch.log(1 - torch.sigmoid(l))).sum(
        dim=1
    ),
)
vae(
    "el6",
    "F.binary_cross_entropy clips its logarithms at −100 and loses the gradient of a confident mistake: use the form with logits.",
    CONFIDENT,
    log_likelihood=lambda self, l, x: (
        -functional.binary_cross_entropy(torch.sigmoid(l), x, reduction="none").sum(dim=1)
    ),
)
vae(
    "el6",
    "exp(1000) overflows inside log(1 + exp(l)): use functional.softplus.",
    CONFIDENT,
    twins=("el6",),
    log_likelihood=lambda self, l, x: (x * l - torch.log1p(torch.exp(l))).sum(dim=1),
)
vae(
    "el6",
    "Clamped logits stop learning: a stable softplus needs no clamp.",
    CONFIDENT,
    log_likelihood=lambda self, l, x: (x * l.clamp(-30, 30) - functional.softplus(l.clamp(-30, 30))).sum(dim=1),
)
vae(
    "el29",
    "A softplus made of relu and abs has slope 0 at a logit of 0, where it should be ½: use functional.softplus.",
    ZERO,
    log_likelihood=lambda self, l, x: (x * l - torch.relu(l) - torch.log1p(torch.exp(-l.abs()))).sum(dim=1),
)
vae(
    "el29",
    "A softplus made of clamp and abs has slope 1 at a logit of 0, where it should be ½: use functional.softplus.",
    ZERO,
    log_likelihood=lambda self, l, x: (x * l - l.clamp(min=0) - torch.log1p(torch.exp(-l.abs()))).sum(dim=1),
)
vae(
    "el18",
    "decode returns logits: the sigmoid is part of the likelihood already.",
    LOSS,
    log_likelihood=lambda self, l, x: (x * torch.sigmoid(l) - functional.softplus(torch.sigmoid(l))).sum(dim=1),
)
vae(
    "el18",
    "The pixels are Bernoulli variables: the squared error is another model's loss.",
    LOSS,
    log_likelihood=lambda self, l, x: -0.5 * ((x - torch.sigmoid(l)) ** 2).sum(dim=1),
)
vae(
    "el18",
    "Grey pixels stay grey: the model's likelihood is linear in x and needs no rounding.",
    LOSS,
    log_likelihood=lambda self, l, x: (x.round() * l - functional.softplus(l)).sum(dim=1),
)
vae(
    "el20", "The optimiser minimises: the loss is minus the bound.", LOSS, combine=lambda self, ll, kl: (ll - kl).mean()
)
vae(
    "el20",
    "The KL belongs to the loss: without it the posterior loses its variance.",
    LOSS,
    combine=lambda self, ll, kl: -ll.mean() + 0 * kl.sum(),
)
vae(
    "el30",
    "A Python number has no gradient: return the tensor, without .item() or .detach().",
    "test_every_parameter_gets_a_gradient",
    combine=lambda self, ll, kl: (kl - ll).mean().detach(),
)
vae(
    "el12",
    "Clamped log variances stop learning and change the bound: the loss is asked for as it stands.",
    ANY,
    kl=lambda self, mu, logvar: 0.5 * (logvar.clamp(-1, 1).exp() + mu**2 - 1 - logvar.clamp(-1, 1)).sum(dim=1),
)
vae(
    "el31",
    "Free bits change the loss: every dimension pays its KL from the first nat on.",
    LOSS,
    kl=lambda self, mu, logvar: (0.5 * (logvar.exp() + mu**2 - 1 - logvar)).clamp(min=0.25).sum(dim=1),
)


@misconception(
    "el18",
    "decode returns logits: with a sigmoid at its end and another in the loss, no pixel is ever darker than ½.",
    caught_by=CONFIDENT,
    replaces="VAE",
)
def decoder_with_a_second_sigmoid(reference):
    class Model(reference.VAE):
        def decode(self, z):
            return torch.sigmoid(super().decode(z))

    return Model


@misconception(
    "el18", "decode returns logits, not probabilities: the loss applies the sigmoid.", caught_by=ANY, replaces="VAE"
)
def decoder_of_probabilities(reference):
    class Model(reference.VAE):
        def decode(self, z):
            return torch.sigmoid(super().decode(z))

        def loss(self, x, eps):
            mu, logvar = self.encode(x)
            p = self.decode(mu + torch.exp(logvar / 2) * eps)
            ll = -functional.binary_cross_entropy(p, x, reduction="none").sum(dim=1)
            return (0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1) - ll).mean()

    return Model


@misconception(
    "el1",
    "encode returns log σ², whatever the network computes inside: take the logarithm of the variance.",
    caught_by=LOSS,
    replaces="VAE",
)
def encoder_of_deviations(reference):
    class Model(reference.VAE):
        def encode(self, x):
            mu, raw = super().encode(x)
            return mu, functional.softplus(raw)

        def loss(self, x, eps):
            mu, sigma = self.encode(x)
            logits = self.decode(mu + sigma * eps)
            ll = (x * logits - functional.softplus(logits)).sum(dim=1)
            return (0.5 * (sigma**2 + mu**2 - 1 - 2 * sigma.log()).sum(dim=1) - ll).mean()

    return Model


@misconception("el32", "encode returns mu first and logvar second.", caught_by=ANY, replaces="VAE")
def encoder_in_the_other_order(reference):
    class Model(reference.VAE):
        def encode(self, x):
            return super().encode(x)[::-1]

        def loss(self, x, eps):
            logvar, mu = self.encode(x)
            logits = self.decode(mu + torch.exp(logvar / 2) * eps)
            ll = (x * logits - functional.softplus(logits)).sum(dim=1)
            return (0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1) - ll).mean()

    return Model


@misconception(
    "el33",
    "Both mu and logvar depend on x: one variance for all images is a weaker posterior.",
    caught_by="test_examples_are_coded_one_by_one",
    replaces="VAE",
)
def encoder_with_one_variance(reference):
    class Model(reference.VAE):
        def __init__(self, d_in, d_hidden, d_z):
            super().__init__(d_in, d_hidden, d_z)
            self.to_logvar = torch.nn.Linear(1, d_z, bias=False)

        def encode(self, x):
            mu = self.to_mu(self.encoder(x).tanh())
            return mu, self.to_logvar.weight.T.expand_as(mu)

    return Model


@misconception(
    "el34",
    "Batch normalization lets examples influence each other: the code of an image depends on that image alone.",
    caught_by="test_examples_are_coded_one_by_one",
    replaces="VAE",
)
def encoder_with_batch_statistics(reference):
    class Model(reference.VAE):
        def encode(self, x):
            h = self.encoder(x).tanh()
            h = h - h.mean(dim=0)
            return self.to_mu(h), self.to_logvar(h)

    return Model


@misconception(
    "el34", "Dropout makes encode random: the only noise of the model is eps.", caught_by=LOSS, replaces="VAE"
)
def encoder_with_dropout(reference):
    class Model(reference.VAE):
        def encode(self, x):
            h = functional.dropout(self.encoder(x).tanh(), 0.5)
            return self.to_mu(h), self.to_logvar(h)

    return Model


@misconception(
    "el30",
    "Every parameter takes part: a layer that no output depends on gets no gradient.",
    caught_by="test_every_parameter_gets_a_gradient",
    replaces="VAE",
)
def model_with_an_idle_layer(reference):
    class Model(reference.VAE):
        def __init__(self, d_in, d_hidden, d_z):
            super().__init__(d_in, d_hidden, d_z)
            self.idle = torch.nn.Linear(d_hidden, d_hidden)

    return Model


@misconception(
    "el35",
    "Keep the precision you are given: .float() inside rounds a double-precision model.",
    caught_by="test_model_keeps_the_precision_of_its_parameters",
    replaces="VAE",
)
def model_in_single_precision(reference):
    class Model(reference.VAE):
        def loss(self, x, eps):
            mu, logvar = self.encode(x)
            logits = self.decode(mu + torch.exp(logvar / 2) * eps).float()
            ll = (x.float() * logits - functional.softplus(logits)).sum(dim=1)
            return (0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1) - ll).mean()

    return Model


@misconception(
    "el35",
    "A new module computes in torch's default precision; .double() is the caller's decision.",
    caught_by="test_model_has_the_stated_shapes",
    replaces="VAE",
)
def model_in_double_precision(reference):
    class Model(reference.VAE):
        def __init__(self, d_in, d_hidden, d_z):
            super().__init__(d_in, d_hidden, d_z)
            self.double()

    return Model
