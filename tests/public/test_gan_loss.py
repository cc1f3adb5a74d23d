"""GAN losses: the checks that ship."""

import math

import numpy as np
import torch

from grader.checks import assert_close, assert_raises, check, in_worker


def sigmoid(x):
    """The definition, for one moderate number."""
    return 1 / (1 + math.exp(-x))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


@check("log_sigmoid", points=1.5)
def test_logarithm_of_the_sigmoid(submission, rng):
    """The result is the logarithm of the sigmoid of every entry, in an array of the same shape."""
    for shape in [(1,), (4,), (3, 2)]:
        l = rng.standard_normal(shape)
        expected = np.array([math.log(sigmoid(x)) for x in l.ravel()]).reshape(shape)
        assert_close(submission.log_sigmoid(l), expected, name="log σ(l)")


@check("log_sigmoid", points=1.5)
def test_log_sigmoid_of_large_logits(submission):
    """A logit of −10000 has the log-sigmoid −10000, not −inf, and one of +10000 has 0."""
    for l in (50.0, 800.0, 10_000.0):
        assert_close(submission.log_sigmoid(np.array([-l])), np.array([-l]), name="log σ(l) of a negative logit")
        assert_close(submission.log_sigmoid(np.array([l])), np.zeros(1), name="log σ(l) of a positive logit")


@check("bce_with_logits", points=1.5)
def test_cross_entropy_scores_the_truth(submission, rng):
    """The loss is the mean of minus the logarithm of the probability that was given to the truth."""
    for n in (1, 2, 5):
        l, t = rng.standard_normal(n), rng.integers(0, 2, n).astype(float)
        truth = [sigmoid(x) if y else 1 - sigmoid(x) for x, y in zip(l, t, strict=True)]
        assert_close(submission.bce_with_logits(l, t), mean(-math.log(p) for p in truth), name="loss")


@check("bce_with_logits", points=0.5)
def test_every_logit_needs_its_target(submission, rng):
    """Targets of another shape are an error, because broadcasting them would compare every logit with every target."""
    l = rng.standard_normal(4)
    for t in (np.ones((4, 1)), np.ones(3), np.ones(1)):
        assert_raises(ValueError, submission.bce_with_logits, l, t)
    t = rng.random(4)
    expected = mean(-y * math.log(sigmoid(x)) - (1 - y) * math.log(1 - sigmoid(x)) for x, y in zip(l, t, strict=True))
    assert_close(submission.bce_with_logits(l, t), expected, name="loss with a target for each")


@check("d_loss", points=2.5)
def test_two_expectations_two_means(submission, rng):
    """The discriminator's loss adds the mean over the real samples and the mean over the fake ones, each with its own number of samples."""
    for n_real, n_fake in [(1, 1), (2, 2), (1, 3), (5, 2)]:
        real, fake = rng.standard_normal(n_real), rng.standard_normal(n_fake)
        expected = mean(-math.log(sigmoid(r)) for r in real) + mean(-math.log(1 - sigmoid(f)) for f in fake)
        assert_close(submission.d_loss(real, fake), expected, name="loss of the discriminator")


@check("d_loss", points=1)
def test_undecided_discriminator(submission):
    """A discriminator that answers one half everywhere pays log 2 for the real samples and log 2 for the fake ones."""
    assert_close(submission.d_loss(np.zeros(3), np.zeros(2)), math.log(4), name="loss of the discriminator")


@check("d_loss", points=1)
def test_real_is_one_and_fake_is_zero(submission):
    """A discriminator that is sure and right pays nothing, and one that takes real for fake pays dearly."""
    real, fake = np.array([100.0, 200.0]), np.array([-300.0, -100.0, -200.0])
    assert_close(submission.d_loss(real, fake), 0.0, name="loss when it is right")
    assert_close(submission.d_loss(-real, -fake), 150.0 + 200.0, name="loss when it is wrong")


@check("g_loss_minimax", points=2)
def test_minimax_loss_of_the_generator(submission, rng):
    """In the minimax game the generator minimises the mean of log(1 − D), which is negative."""
    for n in (1, 2, 5):
        fake = rng.standard_normal(n)
        expected = mean(math.log(1 - sigmoid(f)) for f in fake)
        assert_close(submission.g_loss_minimax(fake), expected, name="minimax loss")


@check("g_loss_ns", points=2)
def test_non_saturating_loss_of_the_generator(submission, rng):
    """The non-saturating generator minimises the mean of −log D, which is positive."""
    for n in (1, 2, 5):
        fake = rng.standard_normal(n)
        expected = mean(-math.log(sigmoid(f)) for f in fake)
        assert_close(submission.g_loss_ns(fake), expected, name="non-saturating loss")


@check("logit_grads", points=1)
def test_four_gradients_by_name(submission, rng):
    """There is one gradient for the real logits and three for the fake ones, each with the shape of its logits."""
    real = rng.standard_normal(3)
    grads = submission.logit_grads(real, rng.standard_normal((2, 1)))
    shapes = {name: list(grad.shape) for name, grad in grads.items()}
    expected = {"d_real": [3], "d_fake": [2, 1], "g_minimax": [2, 1], "g_ns": [2, 1]}
    assert_close(shapes, expected, name="shapes of the gradients")
    assert_close(grads["d_real"], -1 / (1 + np.exp(real)) / 3, name="d_real")


@check("logit_grads", points=3)
def test_gradients_of_the_three_losses(submission, rng):
    """Each gradient is a difference between the sigmoid and a target, divided by the number of samples in its mean."""
    for n_real, n_fake in [(1, 1), (3, 3), (2, 5)]:
        real, fake = rng.standard_normal(n_real), rng.standard_normal(n_fake)
        grads = submission.logit_grads(real, fake)
        expected = {
            "d_real": np.array([(sigmoid(r) - 1) / n_real for r in real]),
            "d_fake": np.array([sigmoid(f) / n_fake for f in fake]),
            "g_minimax": np.array([-sigmoid(f) / n_fake for f in fake]),
            "g_ns": np.array([(sigmoid(f) - 1) / n_fake for f in fake]),
        }
        for name, grad in expected.items():
            assert_close(grads[name], grad, name=name)


@check("optimal_discriminator", points=1.5)
def test_share_of_the_real_samples(submission, rng):
    """Of the samples that arrive at a point, the share p/(p + q) is real, and nobody can tell more."""
    for n in (1, 2, 5):
        p, q = rng.random(n) + 0.1, rng.random(n) + 0.1
        expected = np.array([a / (a + b) for a, b in zip(p, q, strict=True)])
        assert_close(submission.optimal_discriminator(p, q), expected, name="D*")


@check("optimal_discriminator", points=0.5)
def test_where_nothing_arrives(submission):
    """Where neither real nor fake samples arrive the answer is one half, and where only one kind does it is certain."""
    p, q = np.array([0.0, 1.0, 0.0, 2.0]), np.array([0.0, 0.0, 3.0, 2.0])
    assert_close(submission.optimal_discriminator(p, q), np.array([0.5, 1.0, 0.0, 0.5]), name="D*")


@check("js_divergence", points=1.5)
def test_divergence_from_the_middle(submission, rng):
    """The divergence is the mean Kullback–Leibler divergence of p and of q from their average, in nats."""
    for n in (2, 5):
        p, q = rng.random(n) + 0.1, rng.random(n) + 0.1
        p, q = p / p.sum(), q / q.sum()
        expected = 0.0
        for a, b in zip(p, q, strict=True):
            m = (a + b) / 2
            expected += 0.5 * a * math.log(a / m) + 0.5 * b * math.log(b / m)
        assert_close(submission.js_divergence(p, q), expected, name="divergence")


@check("js_divergence", points=1)
def test_equal_and_disjoint_distributions(submission):
    """Equal distributions have divergence 0, and distributions that never overlap have log 2, because 0·log 0 counts as 0."""
    p, q = np.array([0.25, 0.75, 0.0]), np.array([0.0, 0.0, 1.0])
    assert_close(submission.js_divergence(p, p.copy()), 0.0, name="divergence of equal distributions", atol=1e-12)
    assert_close(submission.js_divergence(p, q), math.log(2), name="divergence of disjoint distributions")


@check("lsgan_losses", points=1.5)
def test_least_squares_losses(submission, rng):
    """The discriminator's output should be 1 for real and 0 for fake, and the generator wants it to be 1 for fake."""
    for n_real, n_fake in [(1, 1), (3, 3), (2, 5)]:
        real, fake = rng.standard_normal(n_real), rng.standard_normal(n_fake)
        ld = mean((r - 1) ** 2 for r in real) / 2 + mean(f**2 for f in fake) / 2
        lg = mean((f - 1) ** 2 for f in fake) / 2
        assert_close(submission.lsgan_losses(real, fake), (ld, lg), name="(ld, lg)")


@check("wgan_losses", points=1.5)
def test_wasserstein_losses(submission, rng):
    """The critic wants high scores for real and low ones for fake samples, and both losses are minimised."""
    for n_real, n_fake in [(1, 1), (3, 3), (2, 5)]:
        real, fake = rng.standard_normal(n_real), rng.standard_normal(n_fake)
        assert_close(submission.wgan_losses(real, fake), (mean(fake) - mean(real), -mean(fake)), name="(ld, lg)")


@in_worker
def linear_critic(module, w):
    """The critic x · w: its slope is w everywhere."""
    critic = torch.nn.Linear(len(w), 1, bias=False, dtype=torch.float64)
    critic.weight.data.copy_(torch.tensor(w))
    return critic


@check("gradient_penalty", points=1.5)
def test_penalty_of_a_linear_critic(submission, rng):
    """A linear critic has the slope w at every point, so its penalty is the square of ‖w‖ − 1, also for gentle slopes."""
    for n, d, length in [(1, 1, 2.0), (2, 3, 3.0), (4, 2, 0.25)]:
        w = rng.standard_normal(d)
        w *= length / np.linalg.norm(w)
        real, fake = (torch.tensor(rng.standard_normal((n, d))) for _ in range(2))
        u = torch.tensor(rng.random((n, 1)))
        value = submission.gradient_penalty(linear_critic(submission, w), real, fake, u)
        assert_close(value, (length - 1) ** 2, name="penalty")


@in_worker
def bowl_critic(module):
    """The critic ½‖x‖²: its slope at x is x itself."""
    return lambda x: 0.5 * (x * x).sum(dim=1, keepdim=True)


@check("gradient_penalty", points=1)
def test_one_point_for_each_sample(submission, rng):
    """Every pair of samples has its own number u, its own point between them and its own slope."""
    for n, d in [(1, 1), (1, 3), (3, 2)]:
        real, fake, u = rng.standard_normal((n, d)), rng.standard_normal((n, d)), rng.random((n, 1))
        lengths = [np.linalg.norm(u[i] * real[i] + (1 - u[i]) * fake[i]) for i in range(n)]
        value = submission.gradient_penalty(bowl_critic(submission), *map(torch.tensor, (real, fake, u)))
        assert_close(value, mean((length - 1) ** 2 for length in lengths), name="penalty")


@in_worker
def two_lines(module, a, b, w, c, lr_g, lr_d):
    """The generator a·z + b and the discriminator with the logit w·x + c, each with plain gradient descent."""

    def line(slope, offset):
        layer = torch.nn.Linear(1, 1, dtype=torch.float64)
        layer.weight.data.fill_(slope)
        layer.bias.data.fill_(offset)
        return layer

    G, D = line(a, b), line(w, c)
    return G, D, torch.optim.SGD(G.parameters(), lr=lr_g), torch.optim.SGD(D.parameters(), lr=lr_d)


@in_worker
def line_of(layer):
    """Slope and offset."""
    return [layer.weight.detach().numpy().item(), layer.bias.detach().numpy().item()]


def step_of_two_lines(a, b, w, c, lr_g, lr_d, real, z1, z2):
    """The round by hand: every derivative is (σ − target) times what the logit multiplies."""
    fake = [a * z + b for z in z1]
    ld = mean(-math.log(sigmoid(w * x + c)) for x in real) + mean(-math.log(1 - sigmoid(w * x + c)) for x in fake)
    dw = mean((sigmoid(w * x + c) - 1) * x for x in real) + mean(sigmoid(w * x + c) * x for x in fake)
    dc = mean(sigmoid(w * x + c) - 1 for x in real) + mean(sigmoid(w * x + c) for x in fake)
    w, c = w - lr_d * dw, c - lr_d * dc  # from here on the discriminator is the new one
    logits = [w * (a * z + b) + c for z in z2]
    lg = mean(-math.log(sigmoid(l)) for l in logits)
    da = mean((sigmoid(l) - 1) * w * z for l, z in zip(logits, z2, strict=True))
    db = mean((sigmoid(l) - 1) * w for l in logits)
    return ld, lg, [w, c], [a - lr_g * da, b - lr_g * db]


@check("gan_step", points=2)
def test_one_round_of_two_lines(submission, rng):
    """The discriminator takes its step first, on the first noise, and the generator answers the new discriminator, on the second."""
    for n, n1, n2 in [(1, 1, 1), (2, 2, 2), (4, 3, 5)]:
        start = [*rng.standard_normal(4), 0.3, 0.7]
        real, z1, z2 = (rng.standard_normal(k) for k in (n, n1, n2))
        G, D, opt_g, opt_d = two_lines(submission, *start)
        losses = submission.gan_step(G, D, opt_g, opt_d, *(torch.tensor(x)[:, None] for x in (real, z1, z2)))
        ld, lg, new_d, new_g = step_of_two_lines(*start, real, z1, z2)
        assert_close(losses, (ld, lg), name="(ld, lg)")
        assert_close(line_of(D), new_d, name="discriminator after the round")
        assert_close(line_of(G), new_g, name="generator after the round")


@check("gan_step", points=1)
def test_each_optimizer_moves_its_own_player(submission, rng):
    """An optimizer with learning rate 0 leaves its player where it was, whatever the other one does."""
    for lr_g, lr_d in [(0.0, 0.5), (0.5, 0.0)]:
        start = [*rng.standard_normal(4), lr_g, lr_d]
        real, z1, z2 = (rng.standard_normal(3) for _ in range(3))
        G, D, opt_g, opt_d = two_lines(submission, *start)
        submission.gan_step(G, D, opt_g, opt_d, *(torch.tensor(x)[:, None] for x in (real, z1, z2)))
        _, _, new_d, new_g = step_of_two_lines(*start, real, z1, z2)
        assert_close(line_of(D), new_d, name="discriminator after the round")
        assert_close(line_of(G), new_g, name="generator after the round")
