"""Wrong implementations of the GAN losses, each with the sentence that the student should read."""

from functools import wraps

import numpy as np
import torch
from torch.nn import functional

from grader.checks import misconception


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(x, x.dtype.type(0))


def quiet(function):
    """Overflow is the mistake itself; the warning would only be noise."""

    @wraps(function)
    def wrapped(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return wrapped


# ------------------------------------------------------------------------------------------------ log_sigmoid

OVERFLOW = "The exponential of a large logit overflows: use −softplus(−l) with an exponent that is never positive."


@misconception("ga4", OVERFLOW, caught_by="test_log_sigmoid_of_large_logits")
@quiet
def log_sigmoid(l):
    return np.log(sigmoid(l))


@misconception(
    "ga4",
    "Of l − log(1 + eˡ) the exponential overflows for large positive logits: the exponent must be −|l|.",
    caught_by="test_log_sigmoid_of_large_logits",
)
@quiet
def log_sigmoid(l):
    return l - np.log1p(np.exp(l))


@misconception(
    "ga11",
    "Clipping the sigmoid before the logarithm makes the value finite but wrong: far out, log σ(l) is l.",
    caught_by="test_log_sigmoid_of_large_logits",
)
def log_sigmoid(l):
    return np.log(np.clip(sigmoid(l), 1e-12, 1))


@misconception(
    "ga11",
    "A small number inside the logarithm makes the value finite but wrong: far out, log σ(l) is l.",
    caught_by="test_logarithm_of_the_sigmoid",
)
def log_sigmoid(l):
    return np.log(sigmoid(l) + 1e-8)


@misconception(
    "ga11",
    "Clipping the logit makes the value finite but wrong: far out, log σ(l) is l.",
    caught_by="test_log_sigmoid_of_large_logits",
)
def log_sigmoid(l):
    l = np.clip(l, -30, 30)
    return -softplus(-l)


@misconception(
    "ga12",
    "1 + e^−40 is rounded to 1, and its logarithm is 0: log1p keeps the digits.",
    caught_by="test_log_sigmoid_keeps_its_digits",
)
def log_sigmoid(l):
    return np.minimum(l, 0) - np.log(1 + np.exp(-np.abs(l)))


@misconception(
    "ga13",
    "This is log(1 − σ(l)): the logarithm of the sigmoid is −softplus(−l), with two minus signs.",
    caught_by="test_logarithm_of_the_sigmoid",
)
def log_sigmoid(l):
    return -softplus(l)


@misconception(
    "ga13",
    "This is −log σ(l), a loss: the logarithm of a probability is never positive.",
    caught_by="test_logarithm_of_the_sigmoid",
)
def log_sigmoid(l):
    return softplus(-l)


@misconception(
    "ga14",
    "A float64 constant or array turned single precision into double: let the result have the dtype of the logits.",
    caught_by="test_log_sigmoid_keeps_single_precision",
)
def log_sigmoid(l):
    return -softplus(-l.astype(np.float64))


@misconception(
    "ga15",
    "The logits belong to the caller: compute the result in a new array.",
    caught_by="test_log_sigmoid_leaves_its_input_alone",
)
def log_sigmoid(l):
    out = -softplus(-l)
    l[...] = out
    return out


# -------------------------------------------------------------------------------------------- bce_with_logits

INSIDE = "The loss already contains the sigmoid: it wants the logit itself."


@misconception("ga3", INSIDE, caught_by="test_cross_entropy_scores_the_truth", replaces="bce_with_logits")
def cross_entropy_of_probabilities(reference):
    right = reference.bce_with_logits
    return lambda l, t: right(sigmoid(l), t)


@misconception(
    "ga3",
    "A logit is not a probability: the sigmoid comes before the logarithm.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_without_a_sigmoid(reference):
    def bce_with_logits(l, t):
        if l.shape != t.shape:
            raise ValueError
        p = np.clip(l, 1e-7, 1 - 1e-7)
        return float(np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p)))

    return bce_with_logits


def fitting(loss):
    """A factory of `bce_with_logits` that refuses targets of another shape."""

    def factory(reference):
        def bce_with_logits(l, t):
            if l.shape != t.shape:
                raise ValueError
            return float(quiet(loss)(l, t))

        return bce_with_logits

    return factory


@misconception("ga4", OVERFLOW, caught_by="test_cross_entropy_of_large_logits", replaces="bce_with_logits")
def cross_entropy_by_two_logarithms(reference):
    return fitting(lambda l, t: np.mean(-t * np.log(sigmoid(l)) - (1 - t) * np.log(1 - sigmoid(l))))(reference)


@misconception(
    "ga11",
    "Clipping the probability makes the loss finite but wrong: a sure mistake costs as much as its logit is large.",
    caught_by="test_cross_entropy_of_large_logits",
    replaces="bce_with_logits",
)
def cross_entropy_of_clipped_probabilities(reference):
    def loss(l, t):
        p = np.clip(sigmoid(l), 1e-7, 1 - 1e-7)
        return np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p))

    return fitting(loss)(reference)


@misconception(
    "ga1",
    "Real is 1, fake is 0: here the targets are swapped.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_with_swapped_targets(reference):
    return fitting(lambda l, t: np.mean(softplus(l) - (1 - t) * l))(reference)


@misconception(
    "ga16",
    "Both terms count: with the target 0 the loss is −log(1 − σ(l)), not 0.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_of_the_ones_alone(reference):
    return fitting(lambda l, t: np.mean(t * softplus(-l)))(reference)


@misconception(
    "ga16",
    "A soft target weighs the two logarithms: nothing is rounded to 0 or 1.",
    caught_by="test_soft_targets_of_any_shape",
    replaces="bce_with_logits",
)
def cross_entropy_of_rounded_targets(reference):
    return fitting(lambda l, t: np.mean(softplus(l) - (t >= 0.5) * l))(reference)


@misconception(
    "ga16",
    "The product t·l is subtracted from softplus(l): with a plus sign the target pushes the wrong way.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_with_a_plus(reference):
    return fitting(lambda l, t: np.mean(softplus(l) + t * l))(reference)


@misconception(
    "ga6",
    "Average over the batch: a sum grows with the number of samples.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_summed(reference):
    return fitting(lambda l, t: np.sum(softplus(l) - t * l))(reference)


@misconception(
    "ga6",
    "You are minimising: the cross-entropy is minus the mean logarithm and never negative.",
    caught_by="test_cross_entropy_scores_the_truth",
    replaces="bce_with_logits",
)
def cross_entropy_maximised(reference):
    return fitting(lambda l, t: np.mean(t * l - softplus(l)))(reference)


@misconception(
    "ga6",
    "The mean runs over all elements, not over the first axis alone.",
    caught_by="test_soft_targets_of_any_shape",
    replaces="bce_with_logits",
)
def cross_entropy_per_row(reference):
    return fitting(lambda l, t: np.sum(softplus(l) - t * l) / len(l))(reference)


@misconception(
    "ga17",
    "Logits (N,) and targets (N, 1) broadcast to N × N pairs without a word: compare the shapes first.",
    caught_by="test_every_logit_needs_its_target",
)
def bce_with_logits(l, t):
    return float(np.mean(softplus(l) - t * l))


# ----------------------------------------------------------------------------------------------------- d_loss

TWO = "Two expectations, two means: each batch is averaged on its own, and the two are added."


@misconception("ga1", "Real is 1, fake is 0.", caught_by="test_two_expectations_two_means")
def d_loss(real, fake):
    return float(softplus(real).mean() + softplus(-fake).mean())


@misconception("ga2", TWO, caught_by="test_two_expectations_two_means", twins=("ga2",))
def d_loss(real, fake):
    return float(np.concatenate([softplus(-real).ravel(), softplus(fake).ravel()]).mean())


@misconception(
    "ga2",
    "Two expectations, two means: they are added, and nothing is halved.",
    caught_by="test_two_expectations_two_means",
    twins=("ga2",),
)
def d_loss(real, fake):
    return float(softplus(-real).mean() + softplus(fake).mean()) / 2


@misconception(
    "ga2",
    "Two expectations, two means: the fake batch has its own number of samples.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(-real).mean() + softplus(fake).sum() / real.size)


@misconception(
    "ga6",
    "You are minimising: flip the sign of the value that the discriminator maximises.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return -float(softplus(-real).mean() + softplus(fake).mean())


@misconception(
    "ga6",
    "Average over each batch: a sum grows with the number of samples.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(-real).sum() + softplus(fake).sum())


@misconception(
    "ga6",
    "Each mean runs over all elements of its array, not over the first axis alone.",
    caught_by="test_discriminator_loss_of_any_shapes",
)
def d_loss(real, fake):
    return float(softplus(-real).sum() / len(real) + softplus(fake).sum() / len(fake))


@misconception(
    "ga3",
    "The loss already contains the sigmoid: it wants the logits themselves.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(-sigmoid(real)).mean() + softplus(sigmoid(fake)).mean())


@misconception("ga4", OVERFLOW, caught_by="test_real_is_one_and_fake_is_zero", twins=("ga4",))
@quiet
def d_loss(real, fake):
    return float(-np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean())


@misconception(
    "ga4",
    "log(1 − σ(l)) becomes −inf as soon as σ(l) is rounded to 1: use −softplus(l).",
    caught_by="test_real_is_one_and_fake_is_zero",
    twins=("ga4",),
)
@quiet
def d_loss(real, fake):
    return float(softplus(-real).mean() - np.log(1 - sigmoid(fake)).mean())


@misconception(
    "ga11",
    "A small number inside the logarithm bounds the loss: a sure mistake must cost as much as its logit is large.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(-np.log(sigmoid(real) + 1e-8).mean() - np.log(1 - sigmoid(fake) + 1e-8).mean())


@misconception(
    "ga18",
    "The discriminator needs both halves: without the fake samples, answering 'real' always is best.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(-real).mean())


@misconception(
    "ga18",
    "The mean logit says nothing about the mean loss: average after the logarithm, not before it.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(-real.mean()) + softplus(fake.mean()))


@misconception(
    "ga18",
    "The relativistic loss compares pairs; here every sample is judged by itself.",
    caught_by="test_two_expectations_two_means",
)
def d_loss(real, fake):
    return float(softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean())


# ------------------------------------------------------------------------------------------ g_loss_minimax

SUM = "Average over the batch: a sum grows with the number of samples."


@misconception(
    "ga5",
    "This is the non-saturating loss: in the minimax game the generator minimises the mean of log(1 − σ(l)).",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return float(softplus(-fake).mean())


@misconception(
    "ga6",
    "The generator minimises log(1 − D): turning its sign would make it help the discriminator.",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return float(softplus(fake).mean())


@misconception("ga6", SUM, caught_by="test_minimax_loss_of_the_generator")
def g_loss_minimax(fake):
    return -float(softplus(fake).sum())


@misconception(
    "ga1",
    "log D of a fake sample is what the generator wants to raise; the minimax loss is log(1 − D).",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return -float(softplus(-fake).mean())


@misconception(
    "ga3",
    "The loss already contains the sigmoid: it wants the logits themselves.",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return -float(softplus(sigmoid(fake)).mean())


@misconception(
    "ga4",
    "log(1 − σ(l)) becomes −inf as soon as σ(l) is rounded to 1: use −softplus(l).",
    caught_by="test_minimax_loss_of_large_logits",
)
@quiet
def g_loss_minimax(fake):
    return float(np.log(1 - sigmoid(fake)).mean())


@misconception(
    "ga11",
    "A small number inside the logarithm makes the value finite but wrong: far out, log(1 − σ(l)) is −l.",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return float(np.log(1 - sigmoid(fake) + 1e-8).mean())


@misconception(
    "ga18",
    "Average after the logarithm, not before it: the mean logit says nothing about the mean loss.",
    caught_by="test_minimax_loss_of_the_generator",
)
def g_loss_minimax(fake):
    return -float(softplus(fake.mean()))


# ------------------------------------------------------------------------------------------------- g_loss_ns


@misconception(
    "ga5",
    "This is the minimax loss: its gradient vanishes exactly when the generator is bad.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return -float(softplus(fake).mean())


@misconception(
    "ga6",
    "You are minimising: flip the sign of the mean of log D.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return -float(softplus(-fake).mean())


@misconception("ga6", SUM, caught_by="test_non_saturating_loss_of_the_generator")
def g_loss_ns(fake):
    return float(softplus(-fake).sum())


@misconception(
    "ga1",
    "The generator wants its samples to be called real, so its target is 1; this is the loss against the target 0.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return float(softplus(fake).mean())


@misconception(
    "ga3",
    "The loss already contains the sigmoid: it wants the logits themselves.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return float(softplus(-sigmoid(fake)).mean())


@misconception("ga4", OVERFLOW, caught_by="test_non_saturating_loss_of_large_logits")
@quiet
def g_loss_ns(fake):
    return -float(np.log(sigmoid(fake)).mean())


@misconception(
    "ga11",
    "A small number inside the logarithm makes the value finite but wrong: far out, −log σ(l) is −l.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return -float(np.log(sigmoid(fake) + 1e-8).mean())


@misconception(
    "ga18",
    "Average after the logarithm, not before it: the mean logit says nothing about the mean loss.",
    caught_by="test_non_saturating_loss_of_the_generator",
)
def g_loss_ns(fake):
    return float(softplus(-fake.mean()))


# ------------------------------------------------------------------------------------------------ logit_grads


def with_changes(id, sentence, caught_by, *, twins=(), **changes):
    """The reference's gradients with some of them replaced by functions of (real, fake)."""

    @misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="logit_grads")
    def factory(reference):
        right = reference.logit_grads

        def logit_grads(real, fake):
            with np.errstate(all="ignore"):
                return {**right(real, fake), **{k: f(real, fake) for k, f in changes.items()}}

        return logit_grads


GRADIENTS, SHAPE = "test_gradients_of_the_three_losses", "test_gradients_agree_with_torch"

with_changes(
    "ga1",
    "Real is 1, fake is 0: the gradient of a logit is its sigmoid minus its own target.",
    GRADIENTS,
    d_real=lambda r, f: sigmoid(r) / r.size,
    d_fake=lambda r, f: (sigmoid(f) - 1) / f.size,
)
with_changes(
    "ga2",
    "Two expectations, two means: each gradient is divided by the number of samples in its own batch.",
    GRADIENTS,
    d_real=lambda r, f: (sigmoid(r) - 1) / (r.size + f.size),
    d_fake=lambda r, f: sigmoid(f) / (r.size + f.size),
    twins=("ga2",),
)
with_changes(
    "ga2",
    "The two means are added, and nothing is halved: neither are their gradients.",
    GRADIENTS,
    d_real=lambda r, f: (sigmoid(r) - 1) / (2 * r.size),
    d_fake=lambda r, f: sigmoid(f) / (2 * f.size),
    twins=("ga2",),
)
with_changes(
    "ga2",
    "The fake batch has its own number of samples: divide its gradients by that number.",
    GRADIENTS,
    d_fake=lambda r, f: sigmoid(f) / r.size,
    g_minimax=lambda r, f: -sigmoid(f) / r.size,
    g_ns=lambda r, f: (sigmoid(f) - 1) / r.size,
)
with_changes(
    "ga5",
    "The gradient of the non-saturating loss is σ − 1, which stays near −1 where the generator is bad; −σ vanishes there.",
    GRADIENTS,
    g_ns=lambda r, f: -sigmoid(f) / f.size,
)
with_changes(
    "ga5",
    "The gradient of the minimax loss is −σ, which vanishes where the generator is bad; σ − 1 is the other loss.",
    GRADIENTS,
    g_minimax=lambda r, f: (sigmoid(f) - 1) / f.size,
)
with_changes(
    "ga6",
    "The losses are means, so every gradient carries the factor 1/N of its batch.",
    GRADIENTS,
    d_real=lambda r, f: sigmoid(r) - 1,
    d_fake=lambda r, f: sigmoid(f),
    g_minimax=lambda r, f: -sigmoid(f),
    g_ns=lambda r, f: sigmoid(f) - 1,
)
with_changes(
    "ga6",
    "The discriminator minimises: these are the gradients of the value that it maximises.",
    GRADIENTS,
    d_real=lambda r, f: (1 - sigmoid(r)) / r.size,
    d_fake=lambda r, f: -sigmoid(f) / f.size,
)
with_changes(
    "ga6",
    "The generator minimises its loss: raising a fake logit lowers it, so both of its gradients are negative.",
    GRADIENTS,
    g_minimax=lambda r, f: sigmoid(f) / f.size,
    g_ns=lambda r, f: (1 - sigmoid(f)) / f.size,
)
with_changes(
    "ga6",
    "The mean runs over all elements, so the gradient is divided by the size of the array, not by its length.",
    SHAPE,
    d_real=lambda r, f: (sigmoid(r) - 1) / len(r),
    d_fake=lambda r, f: sigmoid(f) / len(f),
    g_minimax=lambda r, f: -sigmoid(f) / len(f),
    g_ns=lambda r, f: (sigmoid(f) - 1) / len(f),
)
with_changes(
    "ga19",
    "The derivative of softplus is the sigmoid itself; σ(1 − σ) is the derivative of the sigmoid.",
    GRADIENTS,
    d_real=lambda r, f: -sigmoid(r) * (1 - sigmoid(r)) / r.size,
    d_fake=lambda r, f: sigmoid(f) * (1 - sigmoid(f)) / f.size,
    g_minimax=lambda r, f: -sigmoid(f) * (1 - sigmoid(f)) / f.size,
    g_ns=lambda r, f: -sigmoid(f) * (1 - sigmoid(f)) / f.size,
)
with_changes(
    "ga19",
    "This is the gradient with respect to the probability; with respect to the logit it is multiplied by σ(1 − σ).",
    GRADIENTS,
    d_real=lambda r, f: -1 / sigmoid(r) / r.size,
    d_fake=lambda r, f: 1 / (1 - sigmoid(f)) / f.size,
    g_minimax=lambda r, f: -1 / (1 - sigmoid(f)) / f.size,
    g_ns=lambda r, f: -1 / sigmoid(f) / f.size,
)
with_changes(
    "ga4",
    "eˡ/(1 + eˡ) is inf/inf for a large logit: 1/(1 + e^−l) has no such trouble.",
    "test_gradients_of_large_logits",
    d_real=lambda r, f: (np.exp(r) / (1 + np.exp(r)) - 1) / r.size,
    d_fake=lambda r, f: np.exp(f) / (1 + np.exp(f)) / f.size,
    g_minimax=lambda r, f: -np.exp(f) / (1 + np.exp(f)) / f.size,
    g_ns=lambda r, f: (np.exp(f) / (1 + np.exp(f)) - 1) / f.size,
)
with_changes(
    "ga14",
    "A float64 constant or array turned single precision into double: let the gradients have the dtype of the logits.",
    "test_gradients_keep_single_precision",
    d_real=lambda r, f: (sigmoid(r.astype(float)) - 1) / r.size,
)
with_changes(
    "ga20",
    "Each gradient has the shape of the logits it belongs to: nothing is flattened.",
    "test_four_gradients_by_name",
    d_fake=lambda r, f: (sigmoid(f) / f.size).ravel(),
)


# -------------------------------------------------------------------------------------- optimal_discriminator


def measures(function):
    """`function` behind the guards of the reference."""

    def factory(reference):
        right = reference.optimal_discriminator

        def guarded(p, q):
            right(p, q)  # for the errors
            with np.errstate(all="ignore"):
                return function(p, q)

        return guarded

    return factory


@misconception(
    "ga9",
    "Where neither real nor fake samples occur, 0/0 is nan: there the answer is ½ by convention.",
    caught_by="test_where_nothing_arrives",
    replaces="optimal_discriminator",
)
def discriminator_without_a_guard(reference):
    return measures(lambda p, q: p / (p + q))(reference)


@misconception(
    "ga9",
    "A small number in the denominator bends every answer and gives 0 instead of ½ where p and q are 0.",
    caught_by="test_where_nothing_arrives",
    replaces="optimal_discriminator",
)
def discriminator_with_an_epsilon(reference):
    return measures(lambda p, q: p / (p + q + p.dtype.type(1e-12)))(reference)


@misconception(
    "ga1",
    "Real is 1: the best answer is the share of real samples, p/(p + q), not that of fake ones.",
    caught_by="test_share_of_the_real_samples",
    replaces="optimal_discriminator",
)
def discriminator_of_fakes(reference):
    right = reference.optimal_discriminator
    return lambda p, q: right(q, p)


@misconception(
    "ga21",
    "The ratio p/q is not a probability: the best answer is p/(p + q), of which p/q is the odds.",
    caught_by="test_share_of_the_real_samples",
    replaces="optimal_discriminator",
)
def discriminator_as_a_ratio(reference):
    return measures(lambda p, q: np.where(p + q > 0, p / q, p.dtype.type(0.5)))(reference)


@misconception(
    "ga21",
    "log(p/q) is the best logit; the best answer is its sigmoid, p/(p + q).",
    caught_by="test_share_of_the_real_samples",
    replaces="optimal_discriminator",
)
def discriminator_as_a_logit(reference):
    return measures(lambda p, q: np.where(p + q > 0, np.log(p / q), p.dtype.type(0.5)))(reference)


@misconception(
    "ga21",
    "The best discriminator weighs the two kinds softly: it answers 1 for sure only where no fake sample can occur.",
    caught_by="test_share_of_the_real_samples",
    replaces="optimal_discriminator",
)
def discriminator_that_decides(reference):
    return measures(lambda p, q: np.where(p == q, 0.5, p > q).astype(p.dtype))(reference)


@misconception(
    "ga22",
    "Densities on a grid need not sum to 1: only their ratio at each point counts, so nothing is normalised.",
    caught_by="test_share_of_the_real_samples",
    replaces="optimal_discriminator",
)
def discriminator_of_normalised_densities(reference):
    right = reference.optimal_discriminator
    return lambda p, q: right(p / p.sum(), q / q.sum())


@misconception(
    "ga17",
    "p and q stand for the same points: different shapes and negative entries are errors.",
    caught_by="test_discriminator_refuses_what_is_no_density",
)
def optimal_discriminator(p, q):
    with np.errstate(all="ignore"):
        return np.where(p + q > 0, p / (p + q), p.dtype.type(0.5))


# ---------------------------------------------------------------------------------------------- js_divergence


def distributions(function):
    """`function` behind the guards of the reference."""

    def factory(reference):
        right = reference.js_divergence

        def guarded(p, q):
            right(p, q)  # for the errors
            return float(quiet(function)(p, q))

        return guarded

    return factory


def relative_entropy(p, q):
    return np.sum(np.where(p > 0, p * np.log(p / q), 0))


def middle_divergence(p, q):
    m = (p + q) / 2
    return (relative_entropy(p, m) + relative_entropy(q, m)) / 2


@misconception(
    "ga9",
    "This is the Jensen–Shannon distance, as scipy's jensenshannon returns it: the divergence is its square.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_as_a_distance(reference):
    return distributions(lambda p, q: np.sqrt(max(middle_divergence(p, q), 0)))(reference)


@misconception(
    "ga9",
    "Use nats: the natural logarithm, with which the largest divergence is log 2 and not 1.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_in_bits(reference):
    return distributions(lambda p, q: middle_divergence(p, q) / np.log(2))(reference)


@misconception(
    "ga9",
    "0·log 0 is 0: an outcome of probability 0 must add nothing, not nan.",
    caught_by="test_equal_and_disjoint_distributions",
    replaces="js_divergence",
)
def divergence_without_a_guard(reference):
    def divergence(p, q):
        m = (p + q) / 2
        return (np.sum(p * np.log(p / m)) + np.sum(q * np.log(q / m))) / 2

    return distributions(divergence)(reference)


@misconception(
    "ga9",
    "A small number inside the logarithm bends the divergence: leave out the outcomes of probability 0 instead.",
    caught_by="test_equal_and_disjoint_distributions",
    replaces="js_divergence",
)
def divergence_with_an_epsilon(reference):
    def divergence(p, q):
        m = (p + q) / 2
        return sum(np.sum(a * np.log((a + 1e-8) / (m + 1e-8))) for a in (p, q)) / 2

    return distributions(divergence)(reference)


@misconception(
    "ga9",
    "An outcome that is impossible under one distribution still counts for the other: guard each term by itself.",
    caught_by="test_equal_and_disjoint_distributions",
    replaces="js_divergence",
)
def divergence_on_the_common_support(reference):
    def divergence(p, q):
        both = (p > 0) & (q > 0)
        m = (p + q) / 2
        return sum(np.sum(a[both] * np.log(a[both] / m[both])) for a in (p, q)) / 2

    return distributions(divergence)(reference)


@misconception(
    "ga23",
    "The divergence is the mean of the two halves, not their sum: multiply by one half.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_doubled(reference):
    return distributions(lambda p, q: 2 * middle_divergence(p, q))(reference)


@misconception(
    "ga23",
    "Both halves count: p against the middle and q against the middle.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def half_of_the_divergence(reference):
    return distributions(lambda p, q: relative_entropy(p, (p + q) / 2))(reference)


@misconception(
    "ga23",
    "This compares p and q with each other (Jeffreys): the Jensen–Shannon divergence compares each with their average.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_of_jeffreys(reference):
    return distributions(lambda p, q: (relative_entropy(p, q) + relative_entropy(q, p)) / 2)(reference)


@misconception(
    "ga23",
    "This is the Kullback–Leibler divergence of p from q, which is not symmetric.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_of_kullback(reference):
    return distributions(relative_entropy)(reference)


@misconception(
    "ga23",
    "The middle is (p + q)/2, a distribution: p + q sums to 2.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_from_the_sum(reference):
    return distributions(lambda p, q: (relative_entropy(p, p + q) + relative_entropy(q, p + q)) / 2)(reference)


@misconception(
    "ga23",
    "Sum over the outcomes: the probabilities inside the sum weigh them already, so there is no mean.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_averaged(reference):
    return distributions(lambda p, q: middle_divergence(p, q) / p.size)(reference)


@misconception(
    "ga23",
    "This is 2·JSD − log 4, the value of the game at D*: the divergence is half of what stands above −log 4.",
    caught_by="test_divergence_from_the_middle",
    replaces="js_divergence",
)
def divergence_as_a_value(reference):
    return distributions(lambda p, q: 2 * middle_divergence(p, q) - np.log(4))(reference)


@misconception(
    "ga22",
    "The probabilities are used as given: what does not sum to 1 is refused, and nothing is normalised.",
    caught_by="test_probabilities_are_used_as_given",
    replaces="js_divergence",
)
def divergence_normalised(reference):
    return distributions(lambda p, q: middle_divergence(p / p.sum(), q / q.sum()))(reference)


@misconception(
    "ga22",
    "Entries that do not sum to 1 are no distribution: refuse them instead of normalising them.",
    caught_by="test_divergence_refuses_what_is_no_distribution",
)
def js_divergence(p, q):
    if p.shape != q.shape or (p < 0).any() or (q < 0).any():
        raise ValueError
    return float(quiet(middle_divergence)(p / p.sum(), q / q.sum()))


@misconception(
    "ga22",
    "np.isclose also allows a relative error of 1e-5 unless told otherwise: compare |sum − 1| with 1e-6.",
    caught_by="test_divergence_refuses_what_is_no_distribution",
)
def js_divergence(p, q):
    if p.shape != q.shape or (p < 0).any() or (q < 0).any():
        raise ValueError
    if not (np.isclose(p.sum(), 1, atol=1e-6) and np.isclose(q.sum(), 1, atol=1e-6)):
        raise ValueError
    return float(quiet(middle_divergence)(p, q))


@misconception(
    "ga22",
    "Sums are never exactly 1 in floating point: allow them to miss it by 1e-6.",
    caught_by="test_probabilities_are_used_as_given",
    replaces="js_divergence",
)
def divergence_of_exact_sums(reference):
    right = reference.js_divergence

    def js_divergence(p, q):
        if abs(p.sum() - 1) > 1e-12 or abs(q.sum() - 1) > 1e-12:
            raise ValueError("the probabilities do not sum to 1")
        return right(p, q)

    return js_divergence


# ------------------------------------------------------------------------------- lsgan_losses, wgan_losses

LEAST_SQUARES, WASSERSTEIN = "test_least_squares_losses", "test_wasserstein_losses"


@misconception(
    "ga1",
    "Real is 1, fake is 0: the discriminator regresses real outputs on 1.",
    caught_by=LEAST_SQUARES,
)
def lsgan_losses(real, fake):
    return float((real**2).mean() + ((fake - 1) ** 2).mean()) / 2, float(((fake - 1) ** 2).mean()) / 2


@misconception("ga24", "Both losses carry the factor one half.", caught_by=LEAST_SQUARES)
def lsgan_losses(real, fake):
    return float(((real - 1) ** 2).mean() + (fake**2).mean()), float(((fake - 1) ** 2).mean())


@misconception(
    "ga24",
    "The generator's loss carries the factor one half as well.",
    caught_by=LEAST_SQUARES,
)
def lsgan_losses(real, fake):
    return float(((real - 1) ** 2).mean() + (fake**2).mean()) / 2, float(((fake - 1) ** 2).mean())


@misconception(
    "ga24",
    "The generator wants its outputs to be 1: it does not just want to raise fake², nor to lower it.",
    caught_by=LEAST_SQUARES,
)
def lsgan_losses(real, fake):
    return float(((real - 1) ** 2).mean() + (fake**2).mean()) / 2, -float((fake**2).mean()) / 2


@misconception(
    "ga24",
    "Least squares act on the raw output: there is no sigmoid.",
    caught_by=LEAST_SQUARES,
    replaces="lsgan_losses",
)
def least_squares_of_probabilities(reference):
    right = reference.lsgan_losses
    return lambda real, fake: right(sigmoid(real), sigmoid(fake))


@misconception(
    "ga24",
    "Square each error before averaging: errors of opposite sign must not cancel.",
    caught_by=LEAST_SQUARES,
)
def lsgan_losses(real, fake):
    r, f = real.mean(), fake.mean()
    return float((r - 1) ** 2 + f**2) / 2, float((f - 1) ** 2) / 2


@misconception("ga2", TWO, caught_by=LEAST_SQUARES)
def lsgan_losses(real, fake):
    errors = np.concatenate([(real - 1).ravel(), fake.ravel()])
    return float((errors**2).mean()), float(((fake - 1) ** 2).mean()) / 2


@misconception("ga6", SUM, caught_by=LEAST_SQUARES)
def lsgan_losses(real, fake):
    return float(((real - 1) ** 2).sum() + (fake**2).sum()) / 2, float(((fake - 1) ** 2).sum()) / 2


@misconception(
    "ga6",
    "Both players minimise: this critic would lower the scores of real samples and raise those of fake ones.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(real.mean() - fake.mean()), -float(fake.mean())


@misconception(
    "ga6",
    "Both players minimise: the generator lowers minus the mean score of its samples.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(fake.mean() - real.mean()), float(fake.mean())


@misconception("ga6", SUM, caught_by=WASSERSTEIN)
def wgan_losses(real, fake):
    return float(fake.sum() - real.sum()), -float(fake.sum())


@misconception(
    "ga25",
    "The real samples do not depend on the generator: its loss is minus the mean score of the fake ones alone.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(fake.mean() - real.mean()), float(real.mean() - fake.mean())


@misconception(
    "ga25",
    "A critic's score is not a logit: there is neither a sigmoid nor a logarithm in the Wasserstein losses.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(softplus(-real).mean() + softplus(fake).mean()), float(softplus(-fake).mean())


@misconception(
    "ga25",
    "A critic's score is not a probability: there is no sigmoid in the Wasserstein losses.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(sigmoid(fake).mean() - sigmoid(real).mean()), -float(sigmoid(fake).mean())


@misconception(
    "ga25",
    "The hinge loss cuts scores off at ±1: the Wasserstein losses have no bound.",
    caught_by=WASSERSTEIN,
)
def wgan_losses(real, fake):
    return float(np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()), -float(fake.mean())


# ------------------------------------------------------------------------------------------- gradient_penalty


def mixed(real, fake, u):
    """The points of the reference, behind its guards."""
    if real.shape != fake.shape or tuple(u.shape) != (len(real), 1):
        raise ValueError("shapes")
    u = u.reshape(-1, *[1] * (real.dim() - 1))
    return (u * real + (1 - u) * fake).detach().requires_grad_()


def slope_at(critic, x, create_graph=True):
    return torch.autograd.grad(critic(x).sum(), x, create_graph=create_graph)[0]


def norms_at(critic, x):
    return torch.linalg.vector_norm(slope_at(critic, x).flatten(1), dim=1)


CURVED, TRAINS = "test_penalty_of_a_curved_critic", "test_penalty_trains_the_critic"


@misconception(
    "ga8", "One interpolation point per sample: every pair has its own u.", caught_by="test_one_point_for_each_sample"
)
def gradient_penalty(critic, real, fake, u):
    mixed(real, fake, u)
    return ((norms_at(critic, mixed(real, fake, u[:1].expand(len(u), 1))) - 1) ** 2).mean()


@misconception(
    "ga8",
    "One norm per sample: a norm over the whole batch mixes the samples.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return (torch.linalg.vector_norm(slope_at(critic, mixed(real, fake, u))) - 1) ** 2


@misconception(
    "ga8",
    "One norm per sample over all its axes: for images the norm over the channels alone leaves one number per pixel.",
    caught_by="test_penalty_of_images",
)
def gradient_penalty(critic, real, fake, u):
    slope = slope_at(critic, mixed(real, fake, u))
    return ((torch.linalg.vector_norm(slope, dim=1) - 1) ** 2).mean()


@misconception(
    "ga8",
    "Differentiate the sum of the scores: their mean makes every slope N times too small.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    x = mixed(real, fake, u)
    (slope,) = torch.autograd.grad(critic(x).mean(), x, create_graph=True)
    return ((torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1) ** 2).mean()


@misconception(
    "ga8",
    "Penalise both sides: slopes below 1 cost as much as slopes above 1.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return (torch.clamp(norms_at(critic, mixed(real, fake, u)) - 1, min=0) ** 2).mean()


@misconception(
    "ga8",
    "GP must be differentiable: without create_graph the critic learns nothing from it.",
    caught_by=TRAINS,
    twins=("ga8",),
)
def gradient_penalty(critic, real, fake, u):
    slope = slope_at(critic, mixed(real, fake, u), create_graph=False)
    return ((torch.linalg.vector_norm(slope.flatten(1), dim=1) - 1) ** 2).mean()


@misconception(
    "ga8",
    "GP must be differentiable: detaching the slope cuts the critic's weights off.",
    caught_by=TRAINS,
    twins=("ga8",),
)
def gradient_penalty(critic, real, fake, u):
    return ((norms_at(critic, mixed(real, fake, u)).detach() - 1) ** 2).mean()


@misconception(
    "ga26",
    "u is the weight of the real sample and 1 − u that of the fake one: here they are swapped.",
    caught_by="test_one_point_for_each_sample",
)
def gradient_penalty(critic, real, fake, u):
    return ((norms_at(critic, mixed(fake, real, u)) - 1) ** 2).mean()


@misconception(
    "ga26",
    "The slope is taken between real and fake samples, not at the real ones.",
    caught_by="test_one_point_for_each_sample",
)
def gradient_penalty(critic, real, fake, u):
    mixed(real, fake, u)
    return ((norms_at(critic, real.detach().clone().requires_grad_()) - 1) ** 2).mean()


@misconception(
    "ga26",
    "The points are weighted averages, u·real + (1 − u)·fake: without 1 − u they lie beyond the fake samples.",
    caught_by="test_one_point_for_each_sample",
)
def gradient_penalty(critic, real, fake, u):
    x = mixed(real, fake, u)
    u = u.reshape(-1, *[1] * (real.dim() - 1))
    return ((norms_at(critic, (u * real + fake).detach().requires_grad_().reshape(x.shape)) - 1) ** 2).mean()


@misconception(
    "ga26",
    "Each point is drawn with the number it is given: a number of your own makes the penalty irreproducible.",
    caught_by="test_penalty_leaves_its_inputs_alone",
    replaces="gradient_penalty",
)
def penalty_with_its_own_numbers(reference):
    right = reference.gradient_penalty

    def gradient_penalty(critic, real, fake, u):
        torch.rand(len(real), 1)
        return right(critic, real, fake, u)

    return gradient_penalty


@misconception(
    "ga27",
    "Take the norm, not its square: (‖∇‖² − 1)² is another penalty.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return ((norms_at(critic, mixed(real, fake, u)) ** 2 - 1) ** 2).mean()


@misconception(
    "ga27",
    "The distance of the norm from 1 is squared: its absolute value is another penalty.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return (norms_at(critic, mixed(real, fake, u)) - 1).abs().mean()


@misconception(
    "ga27",
    "The norm should be 1, not 0: subtract 1 before squaring.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return (norms_at(critic, mixed(real, fake, u)) ** 2).mean()


@misconception(
    "ga27",
    "Average the penalties, not the norms: (mean ‖∇‖ − 1)² lets steep and flat places cancel.",
    caught_by="test_one_point_for_each_sample",
)
def gradient_penalty(critic, real, fake, u):
    return (norms_at(critic, mixed(real, fake, u)).mean() - 1) ** 2


@misconception(
    "ga27",
    "Average over the batch: a sum grows with the number of samples.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return ((norms_at(critic, mixed(real, fake, u)) - 1) ** 2).sum()


@misconception(
    "ga27",
    "The factor λ belongs to the training loop: the penalty itself comes without it.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    return 10 * ((norms_at(critic, mixed(real, fake, u)) - 1) ** 2).mean()


@misconception(
    "ga27",
    "The norm is the root of the sum of squares: the root of their mean shrinks with the number of features.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    slope = slope_at(critic, mixed(real, fake, u)).flatten(1)
    return ((torch.linalg.vector_norm(slope, dim=1) / slope.shape[1] ** 0.5 - 1) ** 2).mean()


@misconception(
    "ga27",
    "The norm is the Euclidean one: the sum of absolute values is longer.",
    caught_by="test_penalty_of_a_linear_critic",
)
def gradient_penalty(critic, real, fake, u):
    slope = slope_at(critic, mixed(real, fake, u)).flatten(1)
    return ((slope.abs().sum(dim=1) - 1) ** 2).mean()


@misconception(
    "ga27",
    "The critic's weights are not its slope with respect to the samples: differentiate with respect to the points.",
    caught_by=CURVED,
    replaces="gradient_penalty",
)
def penalty_of_the_weights(reference):
    right = reference.gradient_penalty

    def gradient_penalty(critic, real, fake, u):
        weights = list(critic.parameters()) if isinstance(critic, torch.nn.Module) else []
        if len(weights) < 3:
            return right(critic, real, fake, u)
        slopes = torch.autograd.grad(critic(mixed(real, fake, u)).sum(), weights, create_graph=True)
        return (torch.cat([s.flatten() for s in slopes]).norm() - 1) ** 2

    return gradient_penalty


@misconception(
    "ga28",
    "The root of a sum of squares has no finite gradient at 0: use the norm itself, whose gradient there is 0.",
    caught_by="test_flat_critic_gets_a_finite_gradient",
)
def gradient_penalty(critic, real, fake, u):
    slope = slope_at(critic, mixed(real, fake, u)).flatten(1)
    return (((slope**2).sum(dim=1).sqrt() - 1) ** 2).mean()


@misconception(
    "ga29",
    "The critic's penalty must not train the generator: detach the fake samples.",
    caught_by="test_penalty_is_the_business_of_the_critic_alone",
)
def gradient_penalty(critic, real, fake, u):
    mixed(real, fake, u)
    u = u.reshape(-1, *[1] * (real.dim() - 1))
    x = u * real + (1 - u) * fake
    if not x.requires_grad:
        x.requires_grad_()
    return ((norms_at(critic, x) - 1) ** 2).mean()


@misconception(
    "ga29",
    "backward() also fills the gradients of the critic's weights: autograd.grad asks for the slope alone.",
    caught_by="test_penalty_is_the_business_of_the_critic_alone",
)
def gradient_penalty(critic, real, fake, u):
    x = mixed(real, fake, u)
    critic(x).sum().backward(create_graph=True)
    return ((torch.linalg.vector_norm(x.grad.flatten(1), dim=1) - 1) ** 2).mean()


@misconception(
    "ga17",
    "Real and fake samples must have one shape and u the shape (N, 1): everything else broadcasts silently.",
    caught_by="test_penalty_refuses_what_does_not_fit",
)
def gradient_penalty(critic, real, fake, u):
    u = u.reshape(-1, *[1] * (real.dim() - 1))
    x = (u * real + (1 - u) * fake).detach().requires_grad_()
    return ((norms_at(critic, x) - 1) ** 2).mean()


@misconception(
    "ga30",
    "For images (N, 1) does not line up with the batch axis: reshape u to (N, 1, 1, 1).",
    caught_by="test_penalty_of_images",
)
def gradient_penalty(critic, real, fake, u):
    mixed(real, fake, u)
    x = (u * real + (1 - u) * fake).detach().requires_grad_()
    return ((norms_at(critic, x) - 1) ** 2).mean()


# --------------------------------------------------------------------------------------------------- gan_step

ROUND, FULL_ROUND = "test_one_round_of_two_lines", "test_one_round_of_two_networks"


def losses_of(D, real, fake):
    return functional.softplus(-D(real)).mean() + functional.softplus(D(fake)).mean()


def non_saturating(D, fake):
    return functional.softplus(-D(fake)).mean()


def a_round(
    id,
    sentence,
    caught_by,
    *,
    d=losses_of,
    g=non_saturating,
    detach=True,
    clear_g=True,
    clear_d=True,
    left=None,
    twins=(),
):
    """The reference's round with another loss, without a detach, or without some clearing of gradients."""

    @misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="gan_step")
    def factory(reference):
        def gan_step(G, D, opt_g, opt_d, real, z1, z2):
            if clear_d:
                opt_d.zero_grad()
            ld = d(D, real, G(z1).detach() if detach else G(z1))
            ld.backward()
            opt_d.step()
            if clear_g:
                opt_g.zero_grad()
            lg = g(D, G(z2))
            lg.backward()
            opt_g.step()
            (left or opt_d.zero_grad)()
            return ld.item(), lg.item()

        return gan_step


a_round(
    "ga7",
    "The discriminator step reached the generator: detach the fake samples.",
    "test_discriminator_step_does_not_reach_the_generator",
    detach=False,
)
a_round(
    "ga7",
    "The discriminator step reached the generator, and its gradient was still there when the generator stepped.",
    ROUND,
    detach=False,
    clear_g=False,
)
a_round(
    "ga1",
    "Real is 1, fake is 0: this discriminator learns to call real samples fake.",
    ROUND,
    d=lambda D, real, fake: losses_of(D, fake, real),
)
a_round(
    "ga2",
    "Two expectations, two means: the discriminator's loss is their sum and is not halved.",
    ROUND,
    d=lambda D, real, fake: losses_of(D, real, fake) / 2,
    twins=("ga2",),
)
a_round(
    "ga2",
    "Two expectations, two means: real and fake samples are averaged separately.",
    ROUND,
    d=lambda D, real, fake: torch.cat([functional.softplus(-D(real)), functional.softplus(D(fake))]).mean(),
    twins=("ga2",),
)
a_round(
    "ga5",
    "The generator steps on the non-saturating loss: the gradient of the minimax loss vanishes when the generator is bad.",
    ROUND,
    g=lambda D, fake: -functional.softplus(D(fake)).mean(),
)
a_round(
    "ga6",
    "Both players minimise: this generator lowers the logits of its own samples.",
    ROUND,
    g=lambda D, fake: functional.softplus(D(fake)).mean(),
)
a_round(
    "ga6",
    "Average over the batch: a sum grows with the number of samples.",
    ROUND,
    d=lambda D, real, fake: functional.softplus(-D(real)).sum() + functional.softplus(D(fake)).sum(),
    g=lambda D, fake: functional.softplus(-D(fake)).sum(),
)
a_round(
    "ga3",
    "The discriminator returns logits, and the loss already contains the sigmoid.",
    ROUND,
    d=lambda D, real, fake: losses_of(lambda x: torch.sigmoid(D(x)), real, fake),
    g=lambda D, fake: non_saturating(lambda x: torch.sigmoid(D(x)), fake),
)
a_round(
    "ga4",
    "log(σ) becomes −inf or loses its gradient for large logits: use softplus or logsigmoid.",
    "test_round_with_large_logits",
    d=lambda D, real, fake: -torch.log(torch.sigmoid(D(real))).mean() - torch.log(1 - torch.sigmoid(D(fake))).mean(),
    g=lambda D, fake: -torch.log(torch.sigmoid(D(fake))).mean(),
)
a_round(
    "ga11",
    "torch's binary_cross_entropy cuts the logarithm off at −100: with logits use the form that takes logits.",
    "test_round_with_large_logits",
    d=lambda D, real, fake: (
        functional.binary_cross_entropy(torch.sigmoid(D(real)), torch.ones_like(D(real)))
        + functional.binary_cross_entropy(torch.sigmoid(D(fake)), torch.zeros_like(D(fake)))
    ),
)
a_round(
    "ga31",
    "Gradients accumulate: clear those of the discriminator before its step.",
    "test_old_gradients_have_no_influence",
    clear_d=False,
)
a_round(
    "ga31",
    "Gradients accumulate: clear those of the generator before its step.",
    "test_old_gradients_have_no_influence",
    clear_g=False,
)
a_round(
    "ga32",
    "The generator's loss has left gradients in the discriminator: clear them, or its next step uses them.",
    "test_no_gradient_is_left_in_the_discriminator",
    left=lambda: None,
)


def replaced_step(id, sentence, caught_by, twins=()):
    """Registers a whole `gan_step`."""
    return misconception(id, sentence, caught_by=caught_by, twins=twins)


@replaced_step(
    "ga33", "The generator answers the updated discriminator: step D first, then compute lg.", ROUND, twins=("ga35",)
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_g.zero_grad()
    opt_d.zero_grad()
    lg = non_saturating(D, G(z2))
    lg.backward()
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@replaced_step("ga33", "The discriminator moves first: here the generator stepped before it.", ROUND)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_g.zero_grad()
    lg = non_saturating(D, G(z2))
    lg.backward()
    opt_g.step()
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@replaced_step("ga34", "The generator's step has noise of its own, z2.", ROUND)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.zero_grad()
    lg = non_saturating(D, G(z1))
    lg.backward()
    opt_g.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@misconception(
    "ga34",
    "The first noise is for the discriminator's step, the second for the generator's.",
    caught_by=ROUND,
    replaces="gan_step",
)
def round_with_swapped_noise(reference):
    right = reference.gan_step
    return lambda G, D, opt_g, opt_d, real, z1, z2: right(G, D, opt_g, opt_d, real, z2, z1)


@replaced_step(
    "ga35", "The generator's loss moves the generator alone: here the discriminator stepped on it, too.", ROUND
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.zero_grad()
    opt_d.zero_grad()
    lg = non_saturating(D, G(z2))
    lg.backward()
    opt_g.step()
    opt_d.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@replaced_step(
    "ga35",
    "Two losses, two steps: their sum gives each player the other one's gradient as well.",
    ROUND,
    twins=("ga33",),
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    opt_g.zero_grad()
    ld, lg = losses_of(D, real, G(z1)), non_saturating(D, G(z2))
    (ld + lg).backward()
    opt_d.step()
    opt_g.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@replaced_step(
    "ga35",
    "The generator must feel the discriminator's gradient: detaching its samples in its own step leaves it where it was.",
    ROUND,
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.zero_grad()
    lg = non_saturating(D, G(z2).detach())
    lg.backward()
    opt_g.step()
    opt_d.zero_grad()
    return ld.item(), lg.item()


@replaced_step(
    "ga36", "What is frozen for the generator's step must be thawed after it.", "test_modes_and_frozen_weights_stay"
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.zero_grad()
    opt_d.zero_grad()
    for p in D.parameters():
        p.requires_grad_(False)
    lg = non_saturating(D, G(z2))
    lg.backward()
    opt_g.step()
    return ld.item(), lg.item()


@misconception(
    "ga36",
    "A weight that was frozen before the round stays frozen: restore each flag instead of setting all to True.",
    caught_by="test_modes_and_frozen_weights_stay",
    replaces="gan_step",
)
def round_that_thaws_everything(reference):
    right = reference.gan_step

    def gan_step(G, D, opt_g, opt_d, real, z1, z2):
        losses = right(G, D, opt_g, opt_d, real, z1, z2)
        for p in D.parameters():
            p.requires_grad_(True)
        return losses

    return gan_step


@misconception(
    "ga36",
    "The modes belong to the caller: train() turns dropout on in a discriminator that was in eval mode.",
    caught_by="test_modes_and_frozen_weights_stay",
    replaces="gan_step",
)
def round_that_sets_train_mode(reference):
    right = reference.gan_step

    def gan_step(G, D, opt_g, opt_d, real, z1, z2):
        G.train()
        D.train()
        return right(G, D, opt_g, opt_d, real, z1, z2)

    return gan_step


@misconception(
    "ga36",
    "The modes belong to the caller: a generator in eval mode normalises with other statistics.",
    caught_by="test_modes_and_frozen_weights_stay",
    replaces="gan_step",
)
def round_that_sets_eval_mode(reference):
    right = reference.gan_step

    def gan_step(G, D, opt_g, opt_d, real, z1, z2):
        G.eval()
        losses = right(G, D, opt_g, opt_d, real, z1, z2)
        G.train()
        return losses

    return gan_step


@replaced_step(
    "ga37",
    "A loss that keeps its graph keeps all activations of the round alive: return item() or a detached tensor.",
    "test_losses_come_back_as_numbers",
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    ld = losses_of(D, real, G(z1).detach())
    ld.backward()
    opt_d.step()
    opt_g.zero_grad()
    lg = non_saturating(D, G(z2))
    lg.backward()
    opt_g.step()
    opt_d.zero_grad()
    return ld, lg


@replaced_step(
    "ga37", "Both losses are those just before their steps: here they were computed again afterwards.", ROUND
)
def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    opt_d.zero_grad()
    losses_of(D, real, G(z1).detach()).backward()
    opt_d.step()
    opt_g.zero_grad()
    non_saturating(D, G(z2)).backward()
    opt_g.step()
    opt_d.zero_grad()
    with torch.no_grad():
        return losses_of(D, real, G(z1)).item(), non_saturating(D, G(z2)).item()


@misconception(
    "ga38",
    "One round is one step of each player: here the discriminator stepped twice.",
    caught_by=ROUND,
    replaces="gan_step",
)
def round_with_two_discriminator_steps(reference):
    right = reference.gan_step

    def gan_step(G, D, opt_g, opt_d, real, z1, z2):
        opt_d.zero_grad()
        ld = losses_of(D, real, G(z1).detach())
        ld.backward()
        opt_d.step()
        return ld.item(), right(G, D, opt_g, opt_d, real, z1, z2)[1]

    return gan_step
