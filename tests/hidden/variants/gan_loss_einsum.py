"""logaddexp and dot products; the penalty's norms by einsum; the discriminator is frozen while the generator steps."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

LOG2 = np.log(2.0)


def softplus(x):
    return np.logaddexp(x, x.dtype.type(0))


def expectation(x):
    """A mean is a dot product with equal weights."""
    x = x.reshape(-1)
    return np.dot(x, np.ones_like(x)) / x.size


def log_sigmoid(l):
    return np.negative(softplus(np.negative(l)))


def bce_with_logits(l, t):
    if np.shape(l) != np.shape(t):
        raise ValueError
    return expectation(softplus(l) - t * l)


def d_loss(real, fake):
    return g_loss_ns(real) - g_loss_minimax(fake)


def g_loss_minimax(fake):
    return -expectation(softplus(fake))


def g_loss_ns(fake):
    return expectation(softplus(-fake))


def sigmoid(x):
    half = x.dtype.type(0.5)
    return half * (1 + np.tanh(half * x))


def logit_grads(real, fake):
    s = sigmoid(fake)
    pull = partial(np.multiply, fake.dtype.type(1 / fake.size))
    return dict(
        d_real=(sigmoid(real) - 1) * real.dtype.type(1 / real.size),
        d_fake=pull(s),
        g_minimax=pull(-s),
        g_ns=pull(s - 1),
    )


def optimal_discriminator(p, q):
    if p.shape != q.shape or min(p.min(), q.min()) < 0:
        raise ValueError("not two densities at the same points")
    nothing = (p == 0) & (q == 0)
    return (p + nothing / 2).astype(p.dtype) / (p + q + nothing).astype(p.dtype)


def entropy(p):
    p = p[np.nonzero(p)]
    return -p @ np.log(p)


def js_divergence(p, q):
    if p.shape != q.shape or np.minimum(p, q).min() < 0:
        raise ValueError("not two distributions over the same outcomes")
    p, q = p.ravel().astype(float), q.ravel().astype(float)
    if max(abs(p.sum() - 1), abs(q.sum() - 1)) > 1e-6:
        raise ValueError("not normalised")
    # p and q may sum to slightly more or less than 1; the entropies take that into account by themselves
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def lsgan_losses(real, fake):
    def square(x):
        x = x.reshape(-1)
        return np.einsum("i,i->", x, x) / (2 * x.size)

    return square(real - 1) + square(fake), square(fake - 1)


def wgan_losses(real, fake):
    return expectation(fake) - expectation(real), -expectation(fake)


def gradient_penalty(critic, real, fake, u):
    if real.shape != fake.shape or u.shape != (real.shape[0], 1):
        raise ValueError("shapes")
    with torch.no_grad():
        x = torch.lerp(fake, real, u[(...,) + (None,) * (real.ndim - 2)])
    grad = torch.func.grad(lambda points: critic(points).sum())(x).flatten(start_dim=1)
    square = torch.einsum("nd,nd->n", grad, grad)
    flat = square == 0
    norm = torch.where(flat, torch.zeros_like(square), torch.where(flat, 1, square).sqrt())
    return (square - 2 * norm + 1).mean()


@contextmanager
def frozen(net):
    before = [(p, p.requires_grad) for p in net.parameters()]
    for p, _ in before:
        p.requires_grad = False
    try:
        yield
    finally:
        for p, flag in before:
            p.requires_grad = flag


def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    G.zero_grad()
    D.zero_grad()
    with frozen(G):
        ld = -F.logsigmoid(D(real)).mean() - F.logsigmoid(-D(G(z1))).mean()
        ld.backward()
        opt_d.step()
    D.zero_grad()
    with frozen(D):
        lg = -F.logsigmoid(D(G(z2))).mean()
        lg.backward()
        opt_g.step()
    return ld.item(), lg.item()
