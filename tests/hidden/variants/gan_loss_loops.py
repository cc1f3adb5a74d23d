# loses: test_cost_of_log_sigmoid, test_cost_of_cross_entropy, test_cost_of_the_discriminator_loss, test_cost_of_the_minimax_loss, test_cost_of_the_non_saturating_loss, test_cost_of_the_gradients, test_cost_of_the_optimal_discriminator, test_cost_of_the_divergence, test_cost_of_least_squares_losses, test_cost_of_wasserstein_losses, test_cost_of_the_penalty
"""One logit at a time in plain Python numbers; the networks' gradients are cleared by hand."""

import math

import numpy as np
import torch


def softplus(x):
    x = float(x)
    if x > 0:
        return x + math.log1p(math.exp(-x))
    return math.log1p(math.exp(x))


def sigmoid(x):
    x = float(x)
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def average(numbers):
    numbers = list(numbers)
    return math.fsum(numbers) / len(numbers)


def each(function, *arrays):
    out = np.empty(arrays[0].shape, dtype=arrays[0].dtype)
    for index in np.ndindex(out.shape):
        out[index] = function(*(float(a[index]) for a in arrays))
    return out


def log_sigmoid(l):
    return each(lambda x: -softplus(-x), l)


def bce_with_logits(l, t):
    if l.shape != t.shape:
        raise ValueError("one target for each logit")
    return average(softplus(a) - float(b) * float(a) for a, b in zip(l.flat, t.flat))


def d_loss(real, fake):
    return average(softplus(-r) for r in real.flat) + average(softplus(f) for f in fake.flat)


def g_loss_minimax(fake):
    return -average(softplus(f) for f in fake.flat)


def g_loss_ns(fake):
    return average(softplus(-f) for f in fake.flat)


def logit_grads(real, fake):
    n, m = real.size, fake.size
    return {
        "g_ns": each(lambda x: (sigmoid(x) - 1) / m, fake),
        "g_minimax": each(lambda x: -sigmoid(x) / m, fake),
        "d_fake": each(lambda x: sigmoid(x) / m, fake),
        "d_real": each(lambda x: (sigmoid(x) - 1) / n, real),
    }


def _check(p, q):
    if p.shape != q.shape:
        raise ValueError("p and q have different shapes")
    for x in list(p.flat) + list(q.flat):
        if x < 0:
            raise ValueError("negative")


def optimal_discriminator(p, q):
    _check(p, q)
    return each(lambda a, b: a / (a + b) if a + b > 0 else 0.5, p, q)


def js_divergence(p, q):
    _check(p, q)
    for x in (p, q):
        if abs(math.fsum(float(v) for v in x.flat) - 1) > 1e-6:
            raise ValueError("the sum is not 1")
    total = 0.0
    for a, b in zip(p.flat, q.flat):
        a, b = float(a), float(b)
        m = 0.5 * (a + b)
        for x in (a, b):
            if x > 0:
                total += 0.5 * x * (math.log(x) - math.log(m))
    return total


def lsgan_losses(real, fake):
    d = average((float(r) - 1) ** 2 for r in real.flat) + average(float(f) ** 2 for f in fake.flat)
    return [0.5 * d, 0.5 * average((float(f) - 1) ** 2 for f in fake.flat)]


def wgan_losses(real, fake):
    low = average(float(f) for f in fake.flat)
    return low - average(float(r) for r in real.flat), -low


def gradient_penalty(critic, real, fake, u):
    N = real.shape[0]
    if real.shape != fake.shape or u.dim() != 2 or u.shape[0] != N or u.shape[1] != 1:
        raise ValueError("shapes")
    points = torch.empty_like(real, requires_grad=False)
    for n in range(N):
        points[n] = fake[n].detach() + u[n, 0].item() * (real[n] - fake[n].detach())
    points.requires_grad_(True)
    scores = critic(points)
    slope = torch.autograd.grad(scores, points, grad_outputs=torch.ones_like(scores), create_graph=True)[0]
    total = 0
    for n in range(N):
        total = total + (slope[n].reshape(-1).norm() - 1) ** 2
    return total / N


def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    for net in (G, D):
        for p in net.parameters():
            p.grad = None
    with torch.no_grad():
        fake = G(z1)
    on_real = D(real)
    on_fake = D(fake)
    bce = torch.nn.BCEWithLogitsLoss()
    ld = bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))
    ld.backward()
    opt_d.step()
    for p in D.parameters():
        p.grad = None
    on_fake = D(G(z2))
    lg = bce(on_fake, torch.ones_like(on_fake))
    lg.backward()
    opt_g.step()
    for net in (G, D):
        for p in net.parameters():
            p.grad = None
    return ld.detach(), lg.detach()
