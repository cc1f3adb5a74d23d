# loses: test_cost_of_the_kl, test_cost_of_the_kl_between_gaussians, test_cost_of_sampling, test_cost_of_the_likelihood, test_cost_of_log_densities, test_cost_of_the_bound, test_cost_of_the_kl_gradients, test_cost_of_the_importance_bound, test_cost_of_the_loss
"""Explicit loops over examples, dimensions and samples, in plain Python numbers; the model works on one image at a time."""

import math

import numpy as np
import torch


def _same(*arrays):
    if len({a.shape for a in arrays}) > 1:
        raise ValueError("the shapes differ")


def kl_diag(mu1, lv1, mu2, lv2):
    _same(mu1, lv1, mu2, lv2)
    result = np.zeros(len(mu1), dtype=mu1.dtype)
    for n in range(len(mu1)):
        total = 0.0
        for m1, v1, m2, v2 in zip(mu1[n].tolist(), lv1[n].tolist(), mu2[n].tolist(), lv2[n].tolist()):
            total += math.exp(v1 - v2) + (m1 - m2) ** 2 * math.exp(-v2) - 1 + (v2 - v1)
        result[n] = total / 2
    return result


def kl_std_normal(mu, logvar):
    return kl_diag(mu, logvar, np.zeros_like(mu), np.zeros_like(logvar))


def reparameterize(mu, logvar, eps):
    _same(mu, logvar, eps)
    z = np.empty(mu.shape, mu.dtype)
    for n in range(mu.shape[0]):
        for j in range(mu.shape[1]):
            sigma = math.exp(float(logvar[n, j])) ** 0.5
            z[n, j] = float(mu[n, j]) + sigma * float(eps[n, j])
    return z


def _log_sigmoid(l):
    if l >= 0:
        return -math.log1p(math.exp(-l))
    return l - math.log1p(math.exp(l))


def bernoulli_ll(logits, x):
    _same(logits, x)
    out = []
    for row_l, row_x in zip(logits.tolist(), x.tolist()):
        total = 0.0
        for l, value in zip(row_l, row_x):
            total += value * _log_sigmoid(l) + (1 - value) * _log_sigmoid(-l)
        out.append(total)
    return np.array(out, dtype=logits.dtype)


def gaussian_ll(x, mean, logvar):
    _same(x, mean, logvar)
    out = []
    for rows in zip(x.tolist(), mean.tolist(), logvar.tolist()):
        total = 0.0
        for a, m, lv in zip(*rows):
            sigma = math.exp(lv / 2)
            total -= ((a - m) / sigma) ** 2 / 2 + math.log(sigma) + math.log(2 * math.pi) / 2
        out.append(total)
    return np.array(out, dtype=x.dtype)


def elbo(x, logits, mu, logvar, beta=1.0):
    if len(x) != len(mu):
        raise ValueError("one code per image")
    reconstruction, cost = bernoulli_ll(logits, x), kl_std_normal(mu, logvar)
    return np.array([r - beta * c for r, c in zip(reconstruction.tolist(), cost.tolist())], dtype=x.dtype)


def kl_grads(mu, logvar):
    _same(mu, logvar)
    dmu, dlogvar = np.empty_like(mu), np.empty_like(logvar)
    for place in np.ndindex(*mu.shape):
        dmu[place] = mu[place]
        dlogvar[place] = math.expm1(float(logvar[place])) / 2
    return dmu, dlogvar


def iwae_bound(log_joint, log_q):
    _same(log_joint, log_q)
    K, N = log_joint.shape
    out = np.full(N, -np.inf, dtype=log_joint.dtype)
    for n in range(N):
        weights = [float(log_joint[k, n]) - float(log_q[k, n]) for k in range(K)]
        top = max(weights)
        if top > -math.inf:
            out[n] = top + math.log(math.fsum(math.exp(w - top) for w in weights) / K)
    return out


class VAE(torch.nn.Module):
    def __init__(self, d_in, d_hidden, d_z):
        super(VAE, self).__init__()
        self.d_z = d_z
        sizes = [(d_in, d_hidden), (d_hidden, d_hidden), (d_hidden, 2 * d_z)]
        self.down = torch.nn.ModuleList([torch.nn.Linear(a, b) for a, b in sizes])
        self.up = torch.nn.ModuleList([torch.nn.Linear(d_z, d_hidden), torch.nn.Linear(d_hidden, d_in)])

    def encode(self, x):
        means, log_variances = [], []
        for image in x:
            h = image
            for layer in self.down[:-1]:
                h = torch.nn.functional.leaky_relu(layer(h))
            both = self.down[-1](h)
            means.append(both[: self.d_z])
            log_variances.append(both[self.d_z :])
        return [torch.stack(means), torch.stack(log_variances)]

    def decode(self, z):
        return torch.stack([self.up[1](torch.sigmoid(self.up[0](code))) for code in z])

    def loss(self, x, eps):
        mu, logvar = self.encode(x)
        sigma = logvar.exp().sqrt()
        logits = self.decode(mu + sigma * eps)
        total = 0.0
        for n in range(len(x)):
            log_p = torch.nn.functional.logsigmoid(logits[n])
            log_not_p = torch.nn.functional.logsigmoid(-logits[n])
            reconstruction = torch.dot(x[n], log_p) + torch.dot(1 - x[n], log_not_p)
            kl = -(1 + logvar[n] - mu[n].pow(2) - sigma[n].pow(2)).sum() / 2
            total = total + kl - reconstruction
        return total / len(x)
