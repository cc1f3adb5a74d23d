"""Everything by torch: distributions for the densities, logsumexp for the bound, autograd for the gradients."""

import functools
import math

import numpy as np
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence


def with_tensors(function):
    @functools.wraps(function)
    def on_arrays(*arrays, **others):
        given = [torch.tensor(a) if isinstance(a, np.ndarray) else a for a in arrays]
        try:
            result = function(*given, **others)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return tuple(r.numpy() for r in result) if isinstance(result, tuple) else result.numpy()

    return on_arrays


def _diagonal(mu, logvar):
    return Independent(Normal(mu, torch.exp(logvar / 2)), 1)


def _pixels(logits):
    return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)


def _kl(mu, logvar):
    return kl_divergence(_diagonal(mu, logvar), _diagonal(torch.zeros_like(mu), torch.zeros_like(mu)))


kl_std_normal = with_tensors(_kl)


@with_tensors
def kl_diag(mu1, lv1, mu2, lv2):
    return kl_divergence(_diagonal(mu1, lv1), _diagonal(mu2, lv2))


@with_tensors
def reparameterize(mu, logvar, eps):
    return torch.addcmul(mu, torch.exp(logvar / 2), eps)


@with_tensors
def bernoulli_ll(logits, x):
    return _pixels(logits).log_prob(x)


@with_tensors
def gaussian_ll(x, mean, logvar):
    return _diagonal(mean, logvar).log_prob(x)


@with_tensors
def elbo(x, logits, mu, logvar, beta=1.0):
    return _pixels(logits).log_prob(x) - beta * _kl(mu, logvar)


@with_tensors
def kl_grads(mu, logvar):
    mu.requires_grad_()
    logvar.requires_grad_()
    return torch.autograd.grad(_kl(mu, logvar).sum(), (mu, logvar))


@with_tensors
def iwae_bound(log_joint, log_q):
    return torch.logsumexp(log_joint - log_q, dim=0) - math.log(log_joint.shape[0])


class VAE(nn.Module):
    """A deeper network: layer normalization, a skip connection, one output layer for both codes."""

    def __init__(self, d_in, d_hidden, d_z):
        super().__init__()
        self.lift = nn.Linear(d_in, d_hidden)
        self.norm = nn.LayerNorm(d_hidden)
        self.codes = nn.Linear(d_hidden, 2 * d_z)
        self.linear = nn.Linear(d_in, 2 * d_z, bias=False)
        self.back = nn.Sequential(
            nn.Linear(d_z, d_hidden), nn.SiLU(), nn.Linear(d_hidden, d_hidden), nn.SiLU(), nn.Linear(d_hidden, d_in)
        )

    def encode(self, x):
        both = self.codes(torch.nn.functional.gelu(self.norm(self.lift(x)))) + self.linear(x)
        return both.chunk(2, dim=1)

    def decode(self, z):
        return self.back(z)

    def loss(self, x, eps):
        mu, logvar = self.encode(x)
        reconstruction = nn.functional.binary_cross_entropy_with_logits(
            self.decode(mu + logvar.mul(0.5).exp() * eps), x, reduction="sum"
        )
        return reconstruction / x.shape[0] + _kl(mu, logvar).mean()
