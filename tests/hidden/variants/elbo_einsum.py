"""Matrix products with ones, einsum and closed forms in expm1; the model is made of bare parameters."""

from math import log, pi, sqrt

import numpy as np
import torch
from torch import nn


def kl_std_normal(mu, logvar):
    inside = np.expm1(logvar) - logvar + np.einsum("nz,nz->nz", mu, mu)
    return np.einsum("nz->n", inside) / 2


def kl_diag(mu1, lv1, mu2, lv2):
    shape = np.broadcast_shapes(mu1.shape, lv1.shape, mu2.shape, lv2.shape)
    # in the units of the second Gaussian the second is the standard normal
    precision = np.exp(-lv2 / 2)
    return kl_std_normal(np.broadcast_to((mu1 - mu2) * precision, shape), np.broadcast_to(lv1 - lv2, shape))


def reparameterize(mu, logvar, eps):
    half = np.exp(np.multiply(logvar, 0.5))
    return np.einsum("nz,nz->nz", half, eps) + mu


def bernoulli_ll(logits, x):
    # log p(x) = −log(1 + exp(−|l|)) − |l| times the probability given to the other colour
    wrong = np.where(logits > 0, 1 - x, x)
    each = wrong * np.abs(logits) + np.log1p(np.exp(-np.abs(logits)))
    return -(each @ np.ones(each.shape[1], dtype=each.dtype))


def gaussian_ll(x, mean, logvar):
    u = (x - mean) * np.exp(-logvar / 2)
    lengths = np.einsum("nd,nd->n", u, u)
    return -lengths / 2 - logvar.sum(-1) / 2 - u.shape[1] * log(2 * pi) / 2


def elbo(x, logits, mu, logvar, beta=1.0):
    parts = np.stack((bernoulli_ll(logits, x), kl_std_normal(mu, logvar)))
    return np.einsum("in,i->n", parts, np.array([1.0, -beta], dtype=parts.dtype))


def kl_grads(mu, logvar):
    if mu.shape != logvar.shape:
        raise ValueError(f"{mu.shape} and {logvar.shape}")
    return np.array(mu), np.expm1(logvar) / 2


def iwae_bound(log_joint, log_q):
    w = log_joint - log_q
    top = np.max(w, axis=0)
    shift = np.where(np.isfinite(top), top, np.zeros_like(top))
    share = np.full(len(w), 1 / len(w), dtype=w.dtype)
    with np.errstate(divide="ignore"):
        return np.log(np.einsum("k,kn->n", share, np.exp(w - shift))) + shift


class VAE(nn.Module):
    def __init__(self, d_in, d_hidden, d_z):
        super().__init__()

        def draw(*shape):
            return nn.Parameter(torch.randn(*shape) / sqrt(shape[-1]))

        self.A, self.a = draw(d_hidden, d_in), nn.Parameter(torch.zeros(d_hidden))
        self.heads = draw(2, d_z, d_hidden)
        self.shift = nn.Parameter(torch.zeros(2, d_z))
        self.B, self.b = draw(d_hidden, d_z), nn.Parameter(torch.zeros(d_hidden))
        self.C, self.c = draw(d_in, d_hidden), nn.Parameter(torch.zeros(d_in))

    def encode(self, x):
        h = torch.relu(torch.einsum("nd,hd->nh", x, self.A) + self.a)
        both = torch.einsum("nh,izh->inz", h, self.heads) + self.shift[:, None]
        return both.unbind(0)

    def decode(self, z):
        h = torch.relu(torch.einsum("nz,hz->nh", z, self.B) + self.b)
        return torch.einsum("nh,dh->nd", h, self.C) + self.c

    def loss(self, x, eps):
        mu, logvar = self.encode(x)
        l = self.decode(torch.addcmul(mu, torch.exp(0.5 * logvar), eps))
        softplus = torch.logaddexp(l, torch.zeros_like(l))
        kl = torch.einsum("nz->", mu * mu + torch.expm1(logvar) - logvar) / 2
        return (kl + torch.einsum("nd->", softplus - x * l)) / len(x)
