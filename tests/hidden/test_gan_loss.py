"""GAN losses: the checks that stay."""

import math

import numpy as np
import torch
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
    grads,
    in_worker,
    keep,
    noncontiguous,
    operations,
    tensor,
)

SHAPES = [(1,), (4,), (1, 3), (3, 1), (2, 3), (2, 1, 3, 2)]
PAIRS = [((1,), (1,)), ((1,), (3,)), ((4,), (1,)), ((3, 1), (5, 1)), ((2, 3), (4,)), ((2, 1, 3, 2), (1, 2))]


# ---------------------------------------------------------------------------------------------------- oracles


@np.vectorize
def log_sigma(x):
    """The logarithm of the sigmoid, one entry at a time: the exponent is never positive."""
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def cross_entropy(logits, target):
    """torch's own loss against one target; its gradient is torch's too."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def divergence(p, q):
    """½ KL(p‖m) + ½ KL(q‖m), one outcome at a time."""
    total = 0.0
    for a, b in zip(np.ravel(p), np.ravel(q), strict=True):
        if a > 0:
            total += a * (math.log(2) + math.log(a) - math.log(a + b)) / 2
        if b > 0:
            total += b * (math.log(2) + math.log(b) - math.log(a + b)) / 2
    return total


def distribution(rng, shape, empty=0):
    """Probabilities that sum to 1; the first `empty` of them, in a drawn order, are 0."""
    p = rng.random(shape) + 0.05
    p.ravel()[rng.permutation(p.size)[:empty]] = 0
    return p / p.sum()


def layouts(x):
    """The same values in several layouts of memory."""
    return x, noncontiguous(x), fortran(x)


# ------------------------------------------------------------------------------------------------ log_sigmoid


SURE = (20.0, 50.0, 800.0, 10_000.0, 10.0, 13.0, 17.0, 25.0, 32.0, 40.0)  # on both sides of any switch of formula


@check("log_sigmoid", points=1)
def test_log_sigmoid_of_any_shape(submission, rng):
    """Entries are independent of each other: small and huge logits stand side by side in an array of any shape."""
    for shape in SHAPES:
        for spread in (1.0, 30.0, 5_000.0):
            l = spread * rng.standard_normal(shape)
            assert_close(submission.log_sigmoid(l), log_sigma(l), name="log σ(l)")


@check("log_sigmoid", points=1)
def test_log_sigmoid_keeps_its_digits(submission, rng):
    """Close to certainty the logarithm is a tiny negative number, which must not be lost when it is added to 1."""
    for low, high in [(1, 10), (10, 30), (30, 45), (100, 600)]:
        for x in rng.uniform(low, high, 3):
            l = x * np.array([-1000, -1, 1, 1000])
            got, expected = submission.log_sigmoid(l), log_sigma(l)
            assert_close(got[:2], expected[:2], name="log σ(l) of negative logits", atol=0)
            assert_close(got[2:], expected[2:], name="log σ(l) of positive logits", atol=0)
    sizes = np.concatenate([np.geomspace(1e-4, 700.0, 50), np.arange(10.0, 41.0)])  # wherever a formula may switch
    for l in (-sizes, sizes):
        assert_close(submission.log_sigmoid(l), log_sigma(l), name="log σ(l) of logits of all sizes", atol=0)


@check("log_sigmoid", points=1)
def test_log_sigmoid_keeps_single_precision(submission, rng):
    """Logits in single precision give results in single precision, without overflow for logits beyond 89."""
    for spread in (1.0, 20.0, 100.0, 10_000.0):
        l = (spread * rng.standard_normal((2, 4))).astype(np.float32)
        expected = log_sigma(l.astype(np.float64)).astype(np.float32)
        assert_close(submission.log_sigmoid(l), expected, name="log σ(l)")


@check("log_sigmoid", points=0.5)
def test_log_sigmoid_leaves_its_input_alone(submission, rng):
    """The logits are only read, however they lie in memory, and the result is a new array."""
    l = 3 * rng.standard_normal((4, 3))
    for given in layouts(l):
        assert_close(assert_pure(submission.log_sigmoid, given, name="log_sigmoid"), log_sigma(l), name="log σ(l)")


@check("log_sigmoid", points=0.5)
def test_cost_of_log_sigmoid(submission, rng):
    """More logits cost no more Python."""
    few, many = rng.standard_normal((2, 2)), 20 * rng.standard_normal((8, 9))
    _, value = assert_flat_cost(submission.log_sigmoid, (few,), (many,))
    assert_close(value, log_sigma(many), name="log σ(l)")


# -------------------------------------------------------------------------------------------- bce_with_logits


@check("bce_with_logits", points=1.5)
def test_soft_targets_of_any_shape(submission, rng):
    """A target between 0 and 1 weighs the two logarithms, and the mean runs over every element of any shape."""
    for shape in SHAPES:
        l, t = 3 * rng.standard_normal(shape), rng.random(shape)
        expected = functional.binary_cross_entropy_with_logits(torch.tensor(l), torch.tensor(t))
        assert_close(submission.bce_with_logits(l, t), expected.item(), name="loss")


@check("bce_with_logits", points=1.5)
def test_cross_entropy_of_large_logits(submission, rng):
    """A sure and wrong answer costs as much as its logit is large, a sure and right one nothing, in both precisions."""
    for size in SURE:
        for dtype in (np.float32, np.float64):
            right, wrong = [(size, 1), (-size, 0)], [(size, 0), (-size, 1)]
            for sure, target in [*right, *wrong, (size, 0.25)]:
                l, t = np.array([sure, -0.5]), np.array([target, 1])  # beside an answer that is not sure
                expected = np.mean(-t * log_sigma(l) - (1 - t) * log_sigma(-l))
                got = submission.bce_with_logits(l.astype(dtype), t.astype(dtype))
                # beside a logit of 20 the rest, 2e-9, is below what softplus(l) − t·l can keep
                assert_close(got, dtype(expected), name="loss", atol=1e-8 if dtype is np.float64 else 1e-6)
    l, t = 5_000 * rng.standard_normal(6), rng.random(6)
    expected = functional.binary_cross_entropy_with_logits(torch.tensor(l), torch.tensor(t))
    assert_close(submission.bce_with_logits(l, t), expected.item(), name="loss")


@check("bce_with_logits", points=1)
def test_honest_probability_costs_least(submission, rng):
    """The best logit for a soft target is the one whose sigmoid is that target, and what remains is its entropy."""
    for n in (1, 4):
        t = rng.uniform(0.1, 0.9, n)
        best, entropy = np.log(t / (1 - t)), np.mean(-t * np.log(t) - (1 - t) * np.log(1 - t))
        assert_close(submission.bce_with_logits(best, t), entropy, name="loss at the best logits")
        for shift in (-0.5, 0.5):
            assert_true(
                submission.bce_with_logits(best + shift, t) > entropy + 1e-3,
                "any other logit costs more than the one whose sigmoid is the target",
            )


@check("bce_with_logits", points=0.5)
def test_cross_entropy_leaves_its_inputs_alone(submission, rng):
    """Logits and targets are only read, however they lie in memory."""
    l, t = rng.standard_normal((4, 3)), rng.random((4, 3))
    expected = functional.binary_cross_entropy_with_logits(torch.tensor(l), torch.tensor(t)).item()
    for given in zip(layouts(l), reversed(layouts(t)), strict=True):
        assert_close(assert_pure(submission.bce_with_logits, *given, name="bce_with_logits"), expected, name="loss")


@check("bce_with_logits", points=0.5)
def test_cost_of_cross_entropy(submission, rng):
    """More logits cost no more Python."""
    l, t = rng.standard_normal((8, 9)), rng.random((8, 9))
    _, value = assert_flat_cost(submission.bce_with_logits, (l[:2, :2], t[:2, :2]), (l, t))
    expected = functional.binary_cross_entropy_with_logits(torch.tensor(l), torch.tensor(t))
    assert_close(value, expected.item(), name="loss")


# ----------------------------------------------------------------------------------------------------- d_loss


@check("d_loss", points=2)
def test_discriminator_loss_of_any_shapes(submission, rng):
    """Real and fake logits may have any two shapes, and each mean runs over all elements of its own array."""
    for shape_r, shape_f in PAIRS:
        real, fake = 2 * rng.standard_normal(shape_r) + 0.5, 2 * rng.standard_normal(shape_f)
        expected = cross_entropy(torch.tensor(real), 1.0) + cross_entropy(torch.tensor(fake), 0.0)
        assert_close(submission.d_loss(real, fake), expected.item(), name="loss of the discriminator")


@check("d_loss", points=2)
def test_discriminator_loss_of_large_logits(submission, rng):
    """The loss stays finite and right for logits of any sign and up to 10000, in both precisions."""
    for dtype in (np.float64, np.float32):
        for spread in (40.0, 1_000.0, 10_000.0):
            real = (spread * rng.choice([-1, 1], 3) * rng.uniform(0.5, 1, 3)).astype(dtype)
            fake = (spread * rng.choice([-1, 1], 4) * rng.uniform(0.5, 1, 4)).astype(dtype)
            real[0], fake[0] = -spread, spread
            expected = -log_sigma(real.astype(float)).mean() - log_sigma(-fake.astype(float)).mean()
            assert_close(submission.d_loss(real, fake), dtype(expected), name="loss of the discriminator")


@check("d_loss", points=1)
def test_repeating_a_batch_changes_no_mean(submission, rng):
    """A mean does not ask how often: the same fake samples three times over give the same loss."""
    real, fake = rng.standard_normal(3), rng.standard_normal(2)
    expected = -log_sigma(real).mean() - log_sigma(-fake).mean()
    for r, f in [(1, 1), (1, 3), (4, 1), (2, 5)]:
        got = submission.d_loss(np.tile(real, r), np.tile(fake, f))
        assert_close(got, expected, name="loss of the discriminator")


@check("d_loss", points=1)
def test_best_discriminator_pays_what_the_divergence_leaves(submission, rng):
    """At the logits log(p/q) of the best discriminator the loss is log 4 − 2·JSD(p, q)."""
    for outcomes in (1, 2, 4):
        real, fake = rng.integers(1, 6, outcomes), rng.integers(1, 6, outcomes)  # how often each outcome occurs
        p, q = real / real.sum(), fake / fake.sum()
        best = np.log(p / q)
        got = submission.d_loss(np.repeat(best, real), np.repeat(best, fake))
        assert_close(got, math.log(4) - 2 * divergence(p, q), name="loss of the best discriminator")


@check("d_loss", points=1)
def test_discriminator_loss_leaves_its_inputs_alone(submission, rng):
    """The logits are only read, however they lie in memory."""
    real, fake = rng.standard_normal((4, 3)), rng.standard_normal((2, 5))
    expected = -log_sigma(real).mean() - log_sigma(-fake).mean()
    for given in zip(layouts(real), reversed(layouts(fake)), strict=True):
        assert_close(assert_pure(submission.d_loss, *given, name="d_loss"), expected, name="loss of the discriminator")


@check("d_loss", points=0.5)
def test_cost_of_the_discriminator_loss(submission, rng):
    """More samples cost no more Python."""
    real, fake = rng.standard_normal(60), rng.standard_normal(45)
    _, value = assert_flat_cost(submission.d_loss, (real[:3], fake[:2]), (real, fake))
    assert_close(value, -log_sigma(real).mean() - log_sigma(-fake).mean(), name="loss of the discriminator")


# ---------------------------------------------------------------------------------------- losses of the generator


@check("g_loss_minimax", points=1)
def test_minimax_loss_of_any_shape(submission, rng):
    """The minimax loss is minus torch's cross-entropy against the target 0, averaged over every element."""
    for shape in SHAPES:
        fake = 2 * rng.standard_normal(shape)
        expected = -cross_entropy(torch.tensor(fake), 0.0)
        assert_close(submission.g_loss_minimax(fake), expected.item(), name="minimax loss")


@check("g_loss_minimax", points=2)
def test_minimax_loss_of_large_logits(submission, rng):
    """A discriminator that is fooled completely gives −10000 and one that is not gives 0, in both precisions."""
    for dtype in (np.float64, np.float32):
        for size in SURE:
            for fake in (np.array([size], dtype), (size * np.array([1, *rng.uniform(-1, 1, 4)])).astype(dtype)):
                expected = log_sigma(-fake.astype(float)).mean()
                assert_close(submission.g_loss_minimax(fake), dtype(expected), name="minimax loss")
        assert_close(submission.g_loss_minimax(np.array([-10_000.0], dtype)), dtype(0), name="minimax loss")


@check("g_loss_minimax", points=1)
def test_minimax_loss_saturates(submission):
    """Where the discriminator is sure that a sample is fake, moving its logit hardly changes the minimax loss."""
    for l in (0.0, -2.0, -10.0):
        above, below = (submission.g_loss_minimax(np.array([l + h])) for h in (0.5, -0.5))
        expected = log_sigma(-l - 0.5) - log_sigma(-l + 0.5)
        assert_close(above - below, expected, name="change of the minimax loss", rtol=1e-7)


@check("g_loss_minimax", points=0.5)
def test_minimax_loss_leaves_its_input_alone(submission, rng):
    """The logits are only read, however they lie in memory."""
    fake = rng.standard_normal((4, 3))
    for given in layouts(fake):
        got = assert_pure(submission.g_loss_minimax, given, name="g_loss_minimax")
        assert_close(got, log_sigma(-fake).mean(), name="minimax loss")


@check("g_loss_minimax", points=0.5)
def test_cost_of_the_minimax_loss(submission, rng):
    """More samples cost no more Python."""
    fake = rng.standard_normal(70)
    _, value = assert_flat_cost(submission.g_loss_minimax, (fake[:2],), (fake,))
    assert_close(value, log_sigma(-fake).mean(), name="minimax loss")


@check("g_loss_ns", points=1)
def test_non_saturating_loss_of_any_shape(submission, rng):
    """The non-saturating loss is torch's cross-entropy against the target 1, averaged over every element."""
    for shape in SHAPES:
        fake = 2 * rng.standard_normal(shape)
        expected = cross_entropy(torch.tensor(fake), 1.0)
        assert_close(submission.g_loss_ns(fake), expected.item(), name="non-saturating loss")


@check("g_loss_ns", points=2)
def test_non_saturating_loss_of_large_logits(submission, rng):
    """A sample that is found out completely costs 10000 and one that passes costs 0, in both precisions."""
    for dtype in (np.float64, np.float32):
        for size in SURE:
            for fake in (np.array([-size], dtype), (size * np.array([-1, *rng.uniform(-1, 1, 4)])).astype(dtype)):
                expected = -log_sigma(fake.astype(float)).mean()
                assert_close(submission.g_loss_ns(fake), dtype(expected), name="non-saturating loss")
        assert_close(submission.g_loss_ns(np.array([10_000.0], dtype)), dtype(0), name="non-saturating loss")


@check("g_loss_ns", points=1)
def test_non_saturating_loss_keeps_its_slope(submission):
    """Where the discriminator is sure that a sample is fake, the loss falls by as much as the logit rises."""
    for l in (0.0, -2.0, -10.0):
        above, below = (submission.g_loss_ns(np.array([l + h])) for h in (0.5, -0.5))
        expected = log_sigma(l - 0.5) - log_sigma(l + 0.5)
        assert_close(above - below, expected, name="change of the non-saturating loss", rtol=1e-7)


@check("g_loss_ns", points=0.5)
def test_non_saturating_loss_leaves_its_input_alone(submission, rng):
    """The logits are only read, however they lie in memory."""
    fake = rng.standard_normal((4, 3))
    for given in layouts(fake):
        got = assert_pure(submission.g_loss_ns, given, name="g_loss_ns")
        assert_close(got, -log_sigma(fake).mean(), name="non-saturating loss")


@check("g_loss_ns", points=0.5)
def test_cost_of_the_non_saturating_loss(submission, rng):
    """More samples cost no more Python."""
    fake = rng.standard_normal(70)
    _, value = assert_flat_cost(submission.g_loss_ns, (fake[:2],), (fake,))
    assert_close(value, -log_sigma(fake).mean(), name="non-saturating loss")


# ------------------------------------------------------------------------------------------------ logit_grads


def autograd_grads(real, fake):
    """The four gradients as torch finds them from its own losses."""
    r, f = (torch.tensor(x, requires_grad=True) for x in (real, fake))
    d_real, d_fake = torch.autograd.grad(cross_entropy(r, 1.0) + cross_entropy(f, 0.0), (r, f))
    (g_minimax,) = torch.autograd.grad(-cross_entropy(f, 0.0), f)
    (g_ns,) = torch.autograd.grad(cross_entropy(f, 1.0), f)
    pairs = {"d_real": d_real, "d_fake": d_fake, "g_minimax": g_minimax, "g_ns": g_ns}
    return {name: grad.numpy() for name, grad in pairs.items()}


@check("logit_grads", points=2.5)
def test_gradients_agree_with_torch(submission, rng):
    """Automatic differentiation of the losses finds the same gradients, for one sample as for many, in any shape."""
    for shape_r, shape_f in PAIRS:
        real, fake = 2 * rng.standard_normal(shape_r), 2 * rng.standard_normal(shape_f) - 1
        assert_close(submission.logit_grads(real, fake), autograd_grads(real, fake), name="gradients")


@check("logit_grads", points=2)
def test_gradients_are_slopes_of_the_losses(submission, rng):
    """Moving one logit a little changes each loss as the gradient says."""
    real, fake = rng.standard_normal(3), rng.standard_normal((2, 2))
    got = submission.logit_grads(real, fake)
    losses = {
        "d_real": (lambda r: -log_sigma(r).mean() - log_sigma(-fake).mean(), real),
        "d_fake": (lambda f: -log_sigma(real).mean() - log_sigma(-f).mean(), fake),
        "g_minimax": (lambda f: log_sigma(-f).mean(), fake),
        "g_ns": (lambda f: -log_sigma(f).mean(), fake),
    }
    for name, (loss, logits) in losses.items():
        assert_close(got[name], central_differences(loss, logits), name=name, rtol=1e-7, atol=1e-7)


@check("logit_grads", points=1)
def test_one_gradient_vanishes_where_the_generator_is_bad(submission):
    """On samples that are surely found out the minimax gradient is almost nothing and the non-saturating one is almost −1."""
    for l in (-5.0, -10.0, -20.0, -30.0):
        got = submission.logit_grads(np.zeros(1), np.array([l]))
        vanishing = np.array([-math.exp(l) / (1 + math.exp(l))])
        assert_close(got["g_minimax"], vanishing, name="g_minimax", atol=1e-14)  # 1 − σ may have been rounded
        assert_close(got["g_ns"], np.array([-1 / (1 + math.exp(l))]), name="g_ns")


@check("logit_grads", points=1.5)
def test_gradients_of_large_logits(submission, rng):
    """The sigmoid of a logit of ±10000 is 0 or 1, and no gradient becomes nan, in both precisions."""
    for dtype in (np.float64, np.float32):
        for size in (50.0, 800.0, 10_000.0):
            real = (size * np.array([1, -1, -1])).astype(dtype)
            fake = (size * np.array([-1, 1, -1, 1])).astype(dtype)
            expected = {
                "d_real": np.array([0, -1, -1], dtype) / dtype(3),
                "d_fake": np.array([0, 1, 0, 1], dtype) / dtype(4),
                "g_minimax": np.array([0, -1, 0, -1], dtype) / dtype(4),
                "g_ns": np.array([-1, 0, -1, 0], dtype) / dtype(4),
            }
            assert_close(submission.logit_grads(real, fake), expected, name="gradients")


@check("logit_grads", points=0.5)
def test_what_one_player_wins_the_other_loses(submission, rng):
    """In the minimax game the generator's gradient is the discriminator's with the opposite sign."""
    got = submission.logit_grads(rng.standard_normal(2), 3 * rng.standard_normal(5))
    assert_true(np.abs(got["d_fake"]).max() > 1e-3, "the discriminator's gradient is not zero itself")
    assert_close(got["g_minimax"], -got["d_fake"], name="g_minimax")


@check("logit_grads", points=1)
def test_each_batch_is_divided_by_its_own_size(submission, rng):
    """Twice the real samples halve the gradient of each of them and leave the fake ones as they were."""
    real, fake = rng.standard_normal(3), rng.standard_normal(2)
    once = autograd_grads(real, fake)
    for r, f in [(2, 1), (1, 2), (4, 3)]:
        got = submission.logit_grads(np.tile(real, r), np.tile(fake, f))
        times = {"d_real": r, "d_fake": f, "g_minimax": f, "g_ns": f}
        expected = {name: np.tile(grad, times[name]) / times[name] for name, grad in once.items()}
        assert_close(got, expected, name="gradients")


@check("logit_grads", points=0.5)
def test_gradients_keep_single_precision(submission, rng):
    """Logits in single precision give gradients in single precision."""
    real, fake = (rng.standard_normal(n).astype(np.float32) for n in (3, 5))
    expected = autograd_grads(real.astype(float), fake.astype(float))
    expected = {name: grad.astype(np.float32) for name, grad in expected.items()}
    assert_close(submission.logit_grads(real, fake), expected, name="gradients")


@check("logit_grads", points=0.5)
def test_gradients_leave_the_logits_alone(submission, rng):
    """The logits are only read, however they lie in memory, and the gradients are new arrays."""
    real, fake = rng.standard_normal((4, 3)), rng.standard_normal((2, 5))
    expected = autograd_grads(real, fake)
    for given in zip(layouts(real), reversed(layouts(fake)), strict=True):
        assert_close(assert_pure(submission.logit_grads, *given, name="logit_grads"), expected, name="gradients")


@check("logit_grads", points=0.5)
def test_cost_of_the_gradients(submission, rng):
    """More samples cost no more Python."""
    real, fake = rng.standard_normal(60), rng.standard_normal(45)
    _, value = assert_flat_cost(submission.logit_grads, (real[:3], fake[:2]), (real, fake))
    assert_close(value, autograd_grads(real, fake), name="gradients")


# -------------------------------------------------------------------------------------- optimal_discriminator


@check("optimal_discriminator", points=1)
def test_densities_need_not_sum_to_one(submission, rng):
    """Densities on a grid of any shape will do: only the ratio of p and q at each point counts."""
    for shape in SHAPES:
        p, q = np.exp(3 * rng.standard_normal(shape)), np.exp(3 * rng.standard_normal(shape))
        expected = 1 / (1 + np.exp(np.log(q) - np.log(p)))
        assert_close(submission.optimal_discriminator(p, q), expected, name="D*")
        assert_close(submission.optimal_discriminator(1e-6 * p, 1e-6 * q), expected, name="D* of small densities")


@check("optimal_discriminator", points=1)
def test_no_discriminator_does_better(submission, rng):
    """Its value under p and q together is 2·JSD(p, q) − log 4, and every other discriminator reaches less."""
    for n in (1, 2, 5):
        p, q = distribution(rng, n), distribution(rng, n)
        best = submission.optimal_discriminator(p, q)
        value = (p * np.log(best) + q * np.log(1 - best)).sum()
        assert_close(value, 2 * divergence(p, q) - math.log(4), name="value of the game")
        for _ in range(3):
            other = 1 / (1 + np.exp(-np.log(best / (1 - best)) - rng.standard_normal(n)))
            smaller = (p * np.log(other) + q * np.log(1 - other)).sum()
            assert_true(smaller < value, "no other discriminator has a larger value")


@check("optimal_discriminator", points=0.5)
def test_discriminator_refuses_what_is_no_density(submission, rng):
    """Densities are never negative, and p and q are given at the same points."""
    p, q = rng.random(4) + 0.1, rng.random(4) + 0.1
    negative = np.array([0.5, -0.1, 0.3, 0.3])
    for bad in ((p, q[:3]), (p, q[:, None]), (p, q[:1]), (negative, q), (p, negative)):
        assert_raises(ValueError, submission.optimal_discriminator, *bad)
    expected = 1 / (1 + q / p)
    assert_close(submission.optimal_discriminator(p, q), expected, name="best discriminator of densities")


@check("optimal_discriminator", points=1)
def test_discriminator_leaves_the_densities_alone(submission, rng):
    """The densities are only read, however they lie in memory, and the result is a new array of their precision."""
    p, q = rng.random((4, 3)), rng.random((4, 3))
    p[0, :2] = q[0, 1:] = 0
    half = np.where(p + q > 0, p / np.where(p + q > 0, p + q, 1), 0.5)
    for dtype in (np.float64, np.float32):
        for given in zip(layouts(p.astype(dtype)), reversed(layouts(q.astype(dtype))), strict=True):
            got = assert_pure(submission.optimal_discriminator, *given, name="optimal_discriminator")
            assert_close(got, half.astype(dtype), name="D*")


@check("optimal_discriminator", points=0.5)
def test_cost_of_the_optimal_discriminator(submission, rng):
    """More points cost no more Python."""
    p, q = rng.random((8, 9)), rng.random((8, 9))
    p[:, 0] = q[:, 0] = 0
    expected = np.where(p + q > 0, p / np.where(p + q > 0, p + q, 1), 0.5)
    few = (p[:2, :2].copy(), q[:2, :2].copy())
    _, value = assert_flat_cost(submission.optimal_discriminator, few, (p, q))
    assert_close(value, expected, name="D*")


# ---------------------------------------------------------------------------------------------- js_divergence


@check("js_divergence", points=1.5)
def test_divergence_with_impossible_outcomes(submission, rng):
    """Outcomes of probability 0 in p, in q or in both add nothing that is not finite, in a table of any shape."""
    for shape, empty in [((1,), 0), ((2,), 1), ((5,), 2), ((3, 4), 5), ((2, 3, 2), 6)]:
        p, q = distribution(rng, shape, empty), distribution(rng, shape, empty)
        assert_close(submission.js_divergence(p, q), divergence(p, q), name="divergence", atol=1e-14)
    p, q = np.array([0.5, 0.0, 0.5, 0.0]), np.array([0.5, 0.5, 0.0, 0.0])
    assert_close(submission.js_divergence(p, q), math.log(2) / 2, name="divergence")


@check("js_divergence", points=1)
def test_divergence_is_symmetric_and_bounded(submission, rng):
    """The order of p and q does not matter, and the divergence lies between 0 and log 2."""
    for n in (2, 4, 7):
        p, q = distribution(rng, n) ** 4, distribution(rng, n, n // 2)
        p /= p.sum()
        there, back = submission.js_divergence(p, q), submission.js_divergence(q, p)
        assert_true(0 < there < math.log(2), "distributions that differ and overlap lie strictly between 0 and log 2")
        assert_close(back, there, name="divergence in the other order")
        assert_close(there, divergence(p, q), name="divergence")
        far = [np.concatenate(pair) for pair in ((p, np.zeros(n)), (np.zeros(n), q))]
        assert_close(submission.js_divergence(*far), math.log(2), name="divergence without overlap")


@check("js_divergence", points=0.5)
def test_probabilities_are_used_as_given(submission, rng):
    """A sum that misses 1 by less than 1e-6 is accepted, and nothing is normalised."""
    for p_sum, q_sum in [(1 + 5e-7, 1), (1, 1 - 5e-7), (1 - 7e-7, 1 + 7e-7)]:
        p, q = distribution(rng, 4) * p_sum, distribution(rng, 4) * q_sum
        assert_close(submission.js_divergence(p, q), divergence(p, q), name="divergence")


@check("js_divergence", points=1)
def test_divergence_refuses_what_is_no_distribution(submission, rng):
    """Probabilities are never negative, sum to 1, and belong to the same outcomes."""
    p, q = distribution(rng, 4), distribution(rng, 4)
    negative = np.array([0.5, -0.1, 0.3, 0.3])
    for bad in (
        (p, distribution(rng, 3)),
        (p, q[:, None]),
        (p, np.ones(1)),
        (negative, q),
        (p, negative),
        (2 * p, 2 * q),
        (p, 1.00001 * q),
        (0.99999 * p, q),
        (1.00001 * p, q),
        (p, 0.99999 * q),
        (np.zeros(4), q),
    ):
        assert_raises(ValueError, submission.js_divergence, *bad)
    assert_close(submission.js_divergence(p, q), divergence(p, q), name="divergence of distributions")


@check("js_divergence", points=1)
def test_divergence_leaves_the_distributions_alone(submission, rng):
    """Probabilities are only read, however they lie in memory, and single precision is precise enough."""
    p, q = distribution(rng, (4, 2), 2), distribution(rng, (4, 2), 2)
    for dtype in (np.float64, np.float32):
        for given in zip(layouts(p.astype(dtype)), reversed(layouts(q.astype(dtype))), strict=True):
            got = assert_pure(submission.js_divergence, *given, name="js_divergence")
            assert_close(got, dtype(divergence(p, q)), name="divergence")


@check("js_divergence", points=0.5)
def test_cost_of_the_divergence(submission, rng):
    """More outcomes cost no more Python."""
    few, many = (distribution(rng, 3, 1), distribution(rng, 3)), (distribution(rng, 60, 20), distribution(rng, 60))
    _, value = assert_flat_cost(submission.js_divergence, few, many)
    assert_close(value, divergence(*many), name="divergence")


# ------------------------------------------------------------------------------------------------ other losses


def least_squares(real, fake):
    r, f = np.ravel(real), np.ravel(fake)
    return (
        (r - 1) @ (r - 1) / (2 * r.size) + f @ f / (2 * f.size),
        (f - 1) @ (f - 1) / (2 * f.size),
    )


def wasserstein(real, fake):
    low = sum(np.ravel(fake)) / fake.size
    return low - sum(np.ravel(real)) / real.size, -low


@check("lsgan_losses", points=1)
def test_least_squares_losses_of_any_shapes(submission, rng):
    """Each square is averaged over its own array, and the factor one half stands before every mean."""
    for shape_r, shape_f in PAIRS:
        real, fake = 3 * rng.standard_normal(shape_r), 3 * rng.standard_normal(shape_f)
        assert_close(submission.lsgan_losses(real, fake), least_squares(real, fake), name="(ld, lg)")
    assert_close(
        submission.lsgan_losses(np.ones(3), np.zeros(2)), (0.0, 0.5), name="(ld, lg) of a perfect discriminator"
    )


@check("lsgan_losses", points=1)
def test_least_squares_losses_leave_their_inputs_alone(submission, rng):
    """The outputs of the discriminator are only read, however they lie in memory, and may be in single precision."""
    real, fake = rng.standard_normal((4, 3)), rng.standard_normal((2, 5))
    for dtype in (np.float64, np.float32):
        expected = [dtype(loss) for loss in least_squares(real, fake)]
        for given in zip(layouts(real.astype(dtype)), reversed(layouts(fake.astype(dtype))), strict=True):
            got = assert_pure(submission.lsgan_losses, *given, name="lsgan_losses")
            assert_close(got, expected, name="(ld, lg)")


@check("lsgan_losses", points=0.5)
def test_cost_of_least_squares_losses(submission, rng):
    """More samples cost no more Python."""
    real, fake = rng.standard_normal(60), rng.standard_normal(45)
    _, value = assert_flat_cost(submission.lsgan_losses, (real[:3], fake[:2]), (real, fake))
    assert_close(value, least_squares(real, fake), name="(ld, lg)")


@check("wgan_losses", points=1)
def test_wasserstein_losses_of_any_shapes(submission, rng):
    """Scores have no bound: adding one number to all of them leaves the critic's loss as it was."""
    for shape_r, shape_f in PAIRS:
        real, fake = 3 * rng.standard_normal(shape_r), 3 * rng.standard_normal(shape_f)
        ld, lg = wasserstein(real, fake)
        assert_close(submission.wgan_losses(real, fake), (ld, lg), name="(ld, lg)")
        shifted = submission.wgan_losses(real + 7, fake + 7)
        assert_close(shifted, (ld, lg - 7), name="(ld, lg) of shifted scores", atol=1e-12)


@check("wgan_losses", points=1)
def test_wasserstein_losses_leave_their_inputs_alone(submission, rng):
    """The scores are only read, however they lie in memory, and may be in single precision."""
    real, fake = rng.standard_normal((4, 3)) + 2, rng.standard_normal((2, 5)) - 1
    for dtype in (np.float64, np.float32):
        expected = [dtype(loss) for loss in wasserstein(real, fake)]
        for given in zip(layouts(real.astype(dtype)), reversed(layouts(fake.astype(dtype))), strict=True):
            got = assert_pure(submission.wgan_losses, *given, name="wgan_losses")
            assert_close(got, expected, name="(ld, lg)")


@check("wgan_losses", points=0.5)
def test_cost_of_wasserstein_losses(submission, rng):
    """More samples cost no more Python."""
    real, fake = rng.standard_normal(60) + 1, rng.standard_normal(45) - 1
    _, value = assert_flat_cost(submission.wgan_losses, (real[:3], fake[:2]), (real, fake))
    assert_close(value, wasserstein(real, fake), name="(ld, lg)")


# ------------------------------------------------------------------------------------------- gradient_penalty


@in_worker
def tanh_critic(module, weights, column):
    """The critic v · tanh(W x + b) on flattened samples, with scores (N, 1) or (N,)."""

    class Critic(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in weights.items():
                self.register_parameter(name, torch.nn.Parameter(torch.tensor(value)))

        def forward(self, x):
            score = torch.tanh(x.flatten(1) @ self.W.T + self.b) @ self.v
            return score[:, None] if column else score

    return Critic()


def critic_weights(rng, d, hidden=4):
    return {"W": rng.standard_normal((hidden, d)), "b": rng.standard_normal(hidden), "v": rng.standard_normal(hidden)}


def samples(rng, n, *shape):
    """Real samples, fake samples and one number for each pair."""
    return rng.standard_normal((n, *shape)), rng.standard_normal((n, *shape)), rng.random((n, 1))


def slopes(points, W, b, v):
    """The gradient of the tanh critic at each point, by hand."""
    return ((1 - np.tanh(points @ W.T + b) ** 2) * v) @ W


def penalty(weights, real, fake, u):
    """The penalty of the tanh critic, one sample at a time."""
    total = 0.0
    for n in range(len(real)):
        point = u[n, 0] * real[n].ravel() + (1 - u[n, 0]) * fake[n].ravel()
        slope = slopes(point[None], **weights)[0]
        total += (math.sqrt(sum(slope**2)) - 1) ** 2
    return total / len(real)


def size_of(slopes):
    """The largest entry of all gradients; None counts as 0."""
    return max(0.0 if slope is None else float(np.abs(slope.numpy()).max()) for slope in slopes.values())


def penalty_of(submission, critic, *given):
    return submission.gradient_penalty(critic, *map(torch.tensor, given))


@check("gradient_penalty", points=1.5)
def test_penalty_of_a_curved_critic(submission, rng):
    """Each sample has a slope and a norm of its own, taken at its own point, and the penalty is their mean."""
    for n, d in [(1, 1), (1, 3), (2, 1), (6, 3), (3, 5)]:
        weights, given = critic_weights(rng, d), samples(rng, n, d)
        value = penalty_of(submission, tanh_critic(submission, weights, True), *given)
        assert_close(value, penalty(weights, *given), name="penalty")


@check("gradient_penalty", points=0.5)
def test_scores_with_and_without_a_column(submission, rng):
    """A critic may return its N scores as (N,) or as (N, 1)."""
    weights, given = critic_weights(rng, 3), samples(rng, 5, 3)
    for column in (False, True):
        value = penalty_of(submission, tanh_critic(submission, weights, column), *given)
        assert_close(value, penalty(weights, *given), name="penalty")


@check("gradient_penalty", points=1.5)
def test_penalty_of_images(submission, rng):
    """For images, too, there is one number u and one norm for each sample, over channels, rows and columns together."""
    for n, *shape in [(1, 1, 1, 1), (3, 4), (2, 2, 2), (4, 2, 3), (4, 2, 3, 2)]:
        weights, given = critic_weights(rng, math.prod(shape)), samples(rng, n, *shape)
        value = penalty_of(submission, tanh_critic(submission, weights, False), *given)
        assert_close(value, penalty(weights, *given), name="penalty")


def penalty_gradients(weights, real, fake, u):
    """Gradients with respect to W, b, v by autograd through the slope that was found by hand."""
    W, b, v = (torch.tensor(weights[name], requires_grad=True) for name in ("W", "b", "v"))
    real, fake, u = (torch.tensor(a) for a in (real, fake, u))
    points = (u * real.flatten(1) + (1 - u) * fake.flatten(1)) @ W.T + b
    norms = torch.linalg.vector_norm(((1 - torch.tanh(points) ** 2) * v) @ W, dim=1)
    return torch.autograd.grad(((norms - 1) ** 2).mean(), (W, b, v))


@in_worker
def train_on(value, critic):
    """What a training loop does with the penalty: backward, then read the gradients of the critic."""
    if isinstance(value, torch.Tensor) and value.requires_grad:
        value.backward()
    found = [critic.W.grad, critic.b.grad, critic.v.grad]
    return [torch.zeros_like(p) if g is None else g for g, p in zip(found, (critic.W, critic.b, critic.v))]  # noqa: B905


def trained(submission, weights, *given, column=True):
    """Gradients of the critic's W, b and v after backward() through the submission's penalty."""
    critic = tanh_critic(submission, weights, column)
    return train_on(keep(submission.gradient_penalty)(critic, *map(torch.tensor, given)), critic)


@check("gradient_penalty", points=1.5)
def test_penalty_trains_the_critic(submission, rng):
    """The penalty is differentiable once more: backward() brings its gradient to every parameter of the critic."""
    for n, *shape in [(1, 2), (5, 3), (2, 2, 1, 3)]:
        weights, given = critic_weights(rng, math.prod(shape)), samples(rng, n, *shape)
        got = trained(submission, weights, *given)
        for name, a, e in zip(("W", "b", "v"), got, penalty_gradients(weights, *given), strict=True):
            assert_close(a, e, name=f"gradient of {name}")


@check("gradient_penalty", points=1)
def test_penalty_follows_its_gradient(submission, rng):
    """Moving one weight of the critic a little changes the penalty as its gradient says."""
    weights, given = critic_weights(rng, 2, hidden=3), samples(rng, 4, 2)
    got = trained(submission, weights, *given, column=False)
    for name, gradient in zip(("W", "b", "v"), got, strict=True):
        expected = central_differences(lambda w: penalty({**weights, name: w}, *given), weights[name])  # noqa: B023
        assert_close(gradient, torch.tensor(expected), name=f"gradient of {name}", rtol=1e-7, atol=1e-7)


@in_worker
def gradient_at(value, leaf):
    """The gradient that backward() through a penalty brings to a tensor; zeros where none arrives."""
    if isinstance(value, torch.Tensor) and value.requires_grad:
        value.backward()
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


@check("gradient_penalty", points=1)
def test_penalty_is_the_business_of_the_critic_alone(submission, rng):
    """The call leaves no gradient in the critic, and backward() through its result brings none to the fake samples."""
    weights, (real, fake, u) = critic_weights(rng, 3), samples(rng, 4, 3)
    critic, leaf = tanh_critic(submission, weights, True), tensor(fake, requires_grad=True)
    value = keep(submission.gradient_penalty)(critic, torch.tensor(real), leaf, torch.tensor(u))
    assert_close(size_of(grads(critic)), 0.0, name="gradient left in the critic")
    assert_close(gradient_at(value, leaf), torch.zeros(4, 3, dtype=torch.float64), name="gradient of the fake samples")
    assert_close(penalty_of(submission, critic, real, fake, u), penalty(weights, real, fake, u), name="penalty")


@check("gradient_penalty", points=1)
def test_flat_critic_gets_a_finite_gradient(submission, rng):
    """A critic whose slope is zero pays 1, and no weight of it becomes nan."""
    given = samples(rng, 4, 3)
    for name in ("v", "W"):
        weights = critic_weights(rng, 3)
        weights[name] = np.zeros_like(weights[name])
        value = penalty_of(submission, tanh_critic(submission, weights, True), *given)
        assert_close(value, 1.0, name="penalty", atol=1e-5, wide="room for a tiny number inside the root")
        assert_close(
            [torch.isfinite(g).double().mean() for g in trained(submission, weights, *given)],
            [1.0, 1.0, 1.0],
            name="share of finite gradients of W, b and v",
        )
    weights = critic_weights(rng, 3)
    value = penalty_of(submission, tanh_critic(submission, weights, True), *given)
    assert_close(value, penalty(weights, *given), name="penalty of a critic that is not flat")


@check("gradient_penalty", points=0.5)
def test_penalty_refuses_what_does_not_fit(submission, rng):
    """Real and fake samples have one shape, and there is exactly one number u for each pair."""
    real, fake, u = samples(rng, 4, 3)
    weights = critic_weights(rng, 3)
    critic = tanh_critic(submission, weights, True)
    for bad in (
        (real, fake[:1], u),
        (real, fake[:, :1], u),
        (real[:3], fake, u),
        (real, fake, u[:, 0]),
        (real, fake, u[:1]),
        (real, fake, np.tile(u, 3)),
        (real, fake, u[None]),
    ):
        assert_raises(ValueError, penalty_of, submission, critic, *bad)
    value = penalty_of(submission, critic, real, fake, u)
    assert_close(value, penalty(weights, real, fake, u), name="penalty of what fits")


@check("gradient_penalty", points=0.5)
def test_penalty_leaves_its_inputs_alone(submission, rng):
    """Samples and numbers are only read, nothing is drawn at random, and single precision stays single."""
    weights, given = critic_weights(rng, 3), samples(rng, 4, 3)
    expected = penalty(weights, *given)
    for dtype in (np.float64, np.float32):
        critic = tanh_critic(submission, {k: w.astype(dtype) for k, w in weights.items()}, True)
        for layout in (np.copy, noncontiguous):
            tensors = [torch.from_numpy(layout(a.astype(dtype))) for a in given]
            value = assert_pure(submission.gradient_penalty, critic, *tensors, name="gradient_penalty")
            near = 1e-4 if dtype is np.float32 else 1e-9  # subtracting 1 from a norm near 1 costs digits
            assert_close(value, dtype(expected), name="penalty", rtol=near)
            assert_true(value.dtype == tensors[0].dtype, "the penalty is a tensor of the precision of the samples")


@check("gradient_penalty", points=0.5)
def test_cost_of_the_penalty(submission, rng):
    """More samples and features cost no more Python: one backward pass serves the whole batch."""
    counts = []
    for n, shape in [(2, (1, 2, 1)), (9, (2, 3, 2))]:
        weights, given = critic_weights(rng, math.prod(shape)), samples(rng, n, *shape)
        counted = operations(submission.gradient_penalty)(
            tanh_critic(submission, weights, True), *map(torch.tensor, given)
        )
        assert_close(counted.value, penalty(weights, *given), name="penalty")
        counts.append(counted.count)
    assert_no_growth(*counts)


# --------------------------------------------------------------------------------------------------- gan_step


@in_worker
def two_players(module, g, d, rates, settings):
    """Both networks and their optimizers, and a log of what stood in the networks whenever an optimizer stepped."""

    class Net(torch.nn.Module):
        def __init__(self, weights, column=True, dropout=0.0, normalized=False):
            super().__init__()
            for name, value in weights.items():
                self.register_parameter(name, torch.nn.Parameter(torch.tensor(value)))
            self.column = column
            self.dropout = torch.nn.Dropout(dropout)
            self.norm = torch.nn.BatchNorm1d(len(weights["b"]), affine=False).double() if normalized else None

        def forward(self, x):
            hidden = x @ self.W.T + self.b
            hidden = self.dropout(torch.tanh(self.norm(hidden) if self.norm else hidden))
            y = hidden @ self.V.T + self.c
            return y if self.column else y[:, 0]

    class Players:
        pass

    def state(net):
        return {name: p.detach().clone() for name, p in net.named_parameters()}

    def slopes(net):
        return {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}

    def note(who):
        def before_the_step(optimizer, args, kwargs):
            both = {"G": state(players.G), "D": state(players.D), "dG": slopes(players.G), "dD": slopes(players.D)}
            players.events.append({"who": who, **both})

        return before_the_step

    players = Players()
    players.events = []
    players.G = Net(g, normalized=settings.get("normalized", False))
    players.D = Net(d, settings.get("column", True), settings.get("dropout", 0.0))
    make = getattr(torch.optim, settings.get("optimizer", "SGD"))
    players.opt_g, players.opt_d = (make(n.parameters(), lr=lr) for n, lr in zip((players.G, players.D), rates))  # noqa: B905
    players.opt_g.register_step_pre_hook(note("g"))
    players.opt_d.register_step_pre_hook(note("d"))
    return players


@in_worker
def weights_in(net):
    """The parameters by name."""
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def net_weights(rng, n_in, hidden, n_out, scale=1.0):
    return {
        "W": rng.standard_normal((hidden, n_in)),
        "b": rng.standard_normal(hidden),
        "V": scale * rng.standard_normal((n_out, hidden)),
        "c": scale * rng.standard_normal(n_out),
    }


def deal(rng, n=4, n1=3, n2=5, noise=2, d=3, scale=1.0):
    """Weights of the generator and the discriminator, real samples and two batches of noise."""
    g, D = net_weights(rng, noise, 4, d), net_weights(rng, d, 5, 1, scale)
    return g, D, rng.standard_normal((n, d)), rng.standard_normal((n1, noise)), rng.standard_normal((n2, noise))


def forward(net, x, normalized=False):
    hidden = x @ net["W"].T + net["b"]
    if normalized:
        hidden = functional.batch_norm(hidden, None, None, training=True)
    return torch.tanh(hidden) @ net["V"].T + net["c"]


class Game:
    """The round as it should go, in the judge, on plain tensors."""

    def __init__(self, g, d, rates=(0.3, 0.7), optimizer="SGD", normalized=False, frozen=()):
        self.G, self.D = ({k: torch.tensor(w, requires_grad=True) for k, w in net.items()} for net in (g, d))
        for name in frozen:
            self.D[name].requires_grad_(False)
        make = getattr(torch.optim, optimizer)
        self.opt_g, self.opt_d = (
            make([p for p in net.values() if p.requires_grad], lr=lr)
            for net, lr in zip((self.G, self.D), rates, strict=True)
        )
        self.normalized = normalized

    def round(self, real, z1, z2):
        real, z1, z2 = map(torch.tensor, (real, z1, z2))
        with torch.no_grad():
            fake = forward(self.G, z1, self.normalized)
        ld = -functional.logsigmoid(forward(self.D, real)).mean() - functional.logsigmoid(-forward(self.D, fake)).mean()
        self.slope_d = self._step(ld, self.D, self.opt_d)
        lg = -functional.logsigmoid(forward(self.D, forward(self.G, z2, self.normalized))).mean()
        self.slope_g = self._step(lg, self.G, self.opt_g)
        return ld.item(), lg.item()

    def _step(self, loss, net, optimizer):
        free = {k: p for k, p in net.items() if p.requires_grad}
        found = torch.autograd.grad(loss, list(free.values()))
        for p, slope in zip(free.values(), found, strict=True):
            p.grad = slope
        optimizer.step()
        return dict(zip(free, found, strict=True))

    def weights(self):
        return [{k: p.detach().clone() for k, p in net.items()} for net in (self.G, self.D)]


def sit_down(submission, g, d, rates=(0.3, 0.7), **settings):
    return two_players(submission, g, d, list(rates), settings)


def play(submission, players, real, z1, z2):
    tensors = map(torch.tensor, (real, z1, z2))
    return submission.gan_step(players.G, players.D, players.opt_g, players.opt_d, *tensors)


def assert_ended_like(players, game, rtol=None):
    new_g, new_d = game.weights()
    assert_close(weights_in(players.D), new_d, name="discriminator after the round", rtol=rtol)
    assert_close(weights_in(players.G), new_g, name="generator after the round", rtol=rtol)


@check("gan_step", points=1.5)
def test_one_round_of_two_networks(submission, rng):
    """Losses and weights after the round agree with a round written out in full, whatever the three batch sizes."""
    for n, n1, n2, column in [(1, 1, 1, True), (1, 3, 2, True), (4, 1, 3, False), (2, 5, 1, False), (4, 3, 5, True)]:
        g, d, *batches = deal(rng, n, n1, n2)
        players, game = sit_down(submission, g, d, column=column), Game(g, d)
        losses = play(submission, players, *batches)
        assert_close(losses, game.round(*batches), name="(ld, lg)")
        assert_ended_like(players, game)


@check("gan_step", points=1)
def test_one_player_moves_at_a_time(submission, rng):
    """The discriminator steps once, then the generator once, and nobody moves while it is the other one's turn."""
    g, d, *batches = deal(rng)
    players, game = sit_down(submission, g, d), Game(g, d)
    before_g, before_d = game.weights()
    play(submission, players, *batches)
    game.round(*batches)
    events = players.events
    assert_close([event["who"] for event in events], ["d", "g"], name="order of the steps")
    first, second = events
    exact = {"rtol": 0, "atol": 0}
    assert_close(first["D"], before_d, name="discriminator before its step", **exact)
    assert_close(first["G"], before_g, name="generator before the discriminator's step", **exact)
    assert_close(second["G"], before_g, name="generator after the discriminator's step", **exact)
    assert_close(second["D"], game.weights()[1], name="discriminator before the generator's step")
    assert_close(weights_in(players.D), second["D"], name="discriminator after the generator's step", **exact)
    assert_close(second["dG"], game.slope_g, name="gradient of the generator")


@check("gan_step", points=1.5)
def test_discriminator_step_does_not_reach_the_generator(submission, rng):
    """The fake samples of the discriminator's step are cut off from the generator, which gets no gradient from its loss."""
    for n1 in (1, 3):
        g, d, *batches = deal(rng, n1=n1)
        players, game = sit_down(submission, g, d), Game(g, d)
        play(submission, players, *batches)
        game.round(*batches)
        first = players.events[0]
        assert_close(first["dD"], game.slope_d, name="gradient of the discriminator")
        assert_close(size_of(first["dG"]), 0.0, name="gradient of the generator during the other's step")


@in_worker
def litter(players, value):
    """Leave gradients from some earlier computation in both networks."""
    for net in (players.G, players.D):
        for p in net.parameters():
            p.grad = torch.full_like(p, value)


@check("gan_step", points=1)
def test_old_gradients_have_no_influence(submission, rng):
    """Gradients that lie in either network before the round are thrown away."""
    g, d, *batches = deal(rng)
    players, game = sit_down(submission, g, d), Game(g, d)
    litter(players, 5.0)
    losses = play(submission, players, *batches)
    assert_close(losses, game.round(*batches), name="(ld, lg)")
    assert_ended_like(players, game)


@check("gan_step", points=1)
def test_no_gradient_is_left_in_the_discriminator(submission, rng):
    """The generator's loss passes through the discriminator and must leave nothing behind for its next step."""
    for old in (0.0, 5.0):
        g, d, *batches = deal(rng)
        players, game = sit_down(submission, g, d), Game(g, d)
        if old:
            litter(players, old)
        play(submission, players, *batches)
        game.round(*batches)
        assert_close(size_of(grads(players.D)), 0.0, name="gradient left in the discriminator")
        assert_ended_like(players, game)


@in_worker
def prepare_modes(players):
    """The generator trains, the discriminator is in eval mode, and one of its parameters is frozen."""
    players.G.train()
    players.D.eval()
    players.D.b.requires_grad_(False)


@in_worker
def modes(players):
    """Training flags and requires_grad flags of both networks, as numbers."""
    nets = (players.G, players.D)
    return [int(m.training) for n in nets for m in n.modules()] + [
        int(p.requires_grad) for n in nets for p in n.parameters()
    ]


@check("gan_step", points=1)
def test_modes_and_frozen_weights_stay(submission, rng):
    """Train and eval mode stay as they are during the round and after it, and a frozen weight stays frozen."""
    g, d, *batches = deal(rng, n=3, n1=4, n2=6)
    players = sit_down(submission, g, d, normalized=True, dropout=0.5)
    prepare_modes(players)
    before, game = modes(players), Game(g, d, normalized=True, frozen=("b",))
    losses = play(submission, players, *batches)
    assert_close(modes(players), before, name="flags after the round")
    assert_close(losses, game.round(*batches), name="(ld, lg)")
    assert_ended_like(players, game)


@check("gan_step", points=1)
def test_rounds_in_a_row(submission, rng):
    """Round after round, with an optimizer that remembers, nothing leaks from one step into the next."""
    g, d, *_ = deal(rng)
    rates = (0.05, 0.02)
    players, game = sit_down(submission, g, d, rates, optimizer="Adam"), Game(g, d, rates, optimizer="Adam")
    for n, n1, n2 in [(3, 3, 3), (2, 4, 3), (4, 1, 2)]:
        batches = deal(rng, n, n1, n2)[2:]
        losses = play(submission, players, *batches)
        assert_close(losses, game.round(*batches), name="(ld, lg)", rtol=1e-8)
    assert_ended_like(players, game, rtol=1e-7)  # Adam divides by small gradients


@check("gan_step", points=0.5)
def test_round_with_large_logits(submission, rng):
    """Logits of several thousands give finite losses and the right gradients."""
    for scale in (300.0, 3_000.0):
        g, d, *batches = deal(rng, scale=scale)
        small = (1e-5, 1e-5)  # the slopes are as large as the logits
        players, game = sit_down(submission, g, d, small), Game(g, d, small)
        losses = play(submission, players, *batches)
        assert_close(losses, game.round(*batches), name="(ld, lg)", atol=1e-6)
        assert_ended_like(players, game, rtol=1e-7)  # torch's softplus drops e⁻²⁰ = 2e-9 beyond a logit of 20


@in_worker
def graphs(losses):
    """How many of the returned losses still carry an autograd graph."""
    return sum(int(getattr(loss, "requires_grad", 0)) for loss in losses)


@check("gan_step", points=0.5)
def test_losses_come_back_as_numbers(submission, rng):
    """The losses carry no graph, in either precision, and samples and noise are only read."""
    for dtype in (np.float64, np.float32):
        g, d, *batches = deal(rng)
        nets = [{name: w.astype(dtype) for name, w in net.items()} for net in (g, d)]
        tensors = [torch.tensor(batch.astype(dtype)) for batch in batches]
        expected = [dtype(loss) for loss in Game(g, d).round(*batches)]
        players = sit_down(submission, *nets)
        given = (players.G, players.D, players.opt_g, players.opt_d, *tensors)
        assert_close(assert_pure(submission.gan_step, *given, name="gan_step"), expected, name="(ld, lg)")
        players = sit_down(submission, *nets)
        given = (players.G, players.D, players.opt_g, players.opt_d, *tensors)
        assert_close(graphs(keep(submission.gan_step)(*given)), 0, name="losses with a graph")
