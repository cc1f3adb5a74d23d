"""Objects and automatic differentiation: losses are functions of torch tensors, and torch finds every gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Objective:
    """A generalised cross-entropy: how much it costs to give each target to a logit."""

    weight: float = 1.0

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.weight * nn.functional.binary_cross_entropy_with_logits(logits, targets)

    def real(self, logits):
        return self(logits, torch.ones_like(logits))

    def fake(self, logits):
        return self(logits, torch.zeros_like(logits))


class Losses(NamedTuple):
    discriminator: float
    generator: float


BCE = Objective()
ZERO_SUM = Objective(weight=-1.0)


def _tensor(x):
    return torch.tensor(np.ascontiguousarray(x))


def log_sigmoid(l):
    out = np.abs(l)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    np.negative(out, out=out)
    out[l < 0] += l[l < 0]
    return out


def bce_with_logits(l, t):
    if l.shape != t.shape:
        raise ValueError(f"{l.shape} logits, {t.shape} targets")
    return BCE(_tensor(l), _tensor(t)).item()


def d_loss(real, fake):
    return (BCE.real(_tensor(real)) + BCE.fake(_tensor(fake))).numpy()


def g_loss_minimax(fake):
    return ZERO_SUM.fake(_tensor(fake)).numpy()


def g_loss_ns(fake):
    return BCE.real(_tensor(fake)).numpy()


def logit_grads(real, fake):
    def slope(objective, x):
        x = _tensor(x).requires_grad_()
        objective(x).backward()
        return x.grad.numpy()

    return {
        "d_real": slope(BCE.real, real),
        "d_fake": slope(BCE.fake, fake),
        "g_minimax": slope(ZERO_SUM.fake, fake),
        "g_ns": slope(BCE.real, fake),
    }


@dataclass
class Pair:
    """Two measures on the same points."""

    p: np.ndarray
    q: np.ndarray
    tolerance: float | None = None

    def __post_init__(self):
        if self.p.shape != self.q.shape:
            raise ValueError("different points")
        for measure in (self.p, self.q):
            if np.any(measure < 0):
                raise ValueError("a negative entry")
            if self.tolerance is not None and not abs(np.sum(measure) - 1) <= self.tolerance:
                raise ValueError("not a distribution")

    def middle(self):
        return (self.p + self.q) / 2


def optimal_discriminator(p, q):
    m = 2 * Pair(p, q).middle()
    with np.errstate(invalid="ignore"):
        return np.where(m == 0, p.dtype.type(0.5), p / m)


def js_divergence(p, q):
    pair = Pair(p, q, tolerance=1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(a > 0, a * np.log(a / pair.middle()), 0).sum() for a in (p, q)]
    return np.mean(parts)


def lsgan_losses(real, fake):
    half_square = nn.MSELoss()
    one, zero = np.ones_like, np.zeros_like
    d = half_square(_tensor(real), _tensor(one(real))) + half_square(_tensor(fake), _tensor(zero(fake)))
    g = half_square(_tensor(fake), _tensor(one(fake)))
    return Losses(0.5 * d.item(), 0.5 * g.item())


def wgan_losses(real, fake):
    return Losses(float(np.mean(fake)) - float(np.mean(real)), float(np.mean(-fake)))


def gradient_penalty(critic, real, fake, u):
    if real.shape != fake.shape:
        raise ValueError("real and fake differ")
    if u.ndim != 2 or u.size(1) != 1 or u.size(0) != real.size(0):
        raise ValueError("u")
    x = fake.detach().clone()
    x += u.view(-1, *(1 for _ in real.shape[1:])) * (real - x)
    x.requires_grad = True
    jacobian = torch.autograd.functional.jacobian(lambda b: critic(b).sum(), x, create_graph=True)
    lengths = jacobian.norm(2, dim=tuple(range(1, x.ndim)))
    return nn.functional.mse_loss(lengths, torch.ones_like(lengths))


@dataclass
class Player:
    net: nn.Module
    optimizer: torch.optim.Optimizer

    def move(self, loss: Tensor) -> Tensor:
        """Differentiate with respect to this player's own weights and nothing else."""
        own = [p for p in self.net.parameters() if p.requires_grad]
        for p, gradient in zip(own, torch.autograd.grad(loss, own)):
            p.grad = gradient
        self.optimizer.step()
        return loss.detach()


def gan_step(G, D, opt_g, opt_d, real, z1, z2):
    generator, discriminator = Player(G, opt_g), Player(D, opt_d)
    G.zero_grad(set_to_none=False)
    ld = discriminator.move(BCE.real(D(real)) + BCE.fake(D(G(z1))))
    D.zero_grad(set_to_none=False)
    lg = generator.move(BCE.real(D(G(z2))))
    return Losses(ld, lg)
