# loses: test_cost_of_dropout, test_cost_of_batchnorm_forward, test_cost_of_batchnorm_backward, test_cost_of_soft_xent, test_cost_of_cutmix, test_cost_of_dropout_ridge
"""Explicit loops over every element, with a dict as the cache."""

import math

import numpy as np


def l2_penalty(params, alpha):
    total, grads = 0.0, {}
    for name in params:
        grads[name] = np.zeros_like(params[name])  # zeros for what is not penalised
        if not name.startswith("W"):
            continue
        for index in np.ndindex(params[name].shape):
            w = params[name][index]
            total += 0.5 * alpha * float(w) ** 2
            grads[name][index] = alpha * w
    return total, grads


def l1_penalty(params, alpha):
    total, grads = 0.0, {}
    for name in params:
        grads[name] = np.zeros_like(params[name])
        if name[0] != "W":
            continue
        for index in np.ndindex(params[name].shape):
            w = params[name][index]
            total += alpha * abs(float(w))
            if w > 0:
                grads[name][index] = alpha
            elif w < 0:
                grads[name][index] = -alpha
    return total, grads


def soft_threshold(w, t):
    out = np.zeros_like(w)
    for index in np.ndindex(w.shape):
        if w[index] > t:
            out[index] = w[index] - t
        elif w[index] < -t:
            out[index] = w[index] + t
    return out


def dropout_forward(x, p, rng, train):
    if p < 0 or p >= 1:
        raise ValueError("p must lie in [0, 1)")
    mask = np.ones(x.shape, dtype=x.dtype)
    y = np.empty(x.shape, dtype=x.dtype)
    for index in np.ndindex(x.shape):
        if train:
            mask[index] = 0 if rng.random() < p else 1 / (1 - p)
        y[index] = x[index] * mask[index]
    return y, mask


def dropout_backward(dy, mask):
    dx = np.empty(dy.shape, dtype=dy.dtype)
    for index in np.ndindex(dy.shape):
        dx[index] = dy[index] * mask[index]
    return dx


def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
    n, d = x.shape
    if train and n < 2:
        raise ValueError("need two examples")
    y, x_hat = np.empty_like(x, order="C"), np.empty_like(x, order="C")
    run_mean, run_var = np.array(run[0]), np.array(run[1])
    std = []
    for j in range(d):
        if train:
            mean = sum(float(v) for v in x[:, j]) / n
            squares = sum((float(v) - mean) ** 2 for v in x[:, j])
            var = squares / n
            run_mean[j] = (1 - momentum) * run_mean[j] + momentum * mean
            run_var[j] = (1 - momentum) * run_var[j] + momentum * squares / (n - 1)
        else:
            mean, var = float(run[0][j]), float(run[1][j])
        std.append(math.sqrt(var + eps))
        for i in range(n):
            x_hat[i, j] = (float(x[i, j]) - mean) / std[j]
            y[i, j] = gamma[j] * x_hat[i, j] + beta[j]
    return y, {"x_hat": x_hat, "std": std, "gamma": gamma}, (run_mean, run_var)


def batchnorm_backward(dy, cache):
    x_hat, std, gamma = cache["x_hat"], cache["std"], cache["gamma"]
    n, d = dy.shape
    dx = np.empty((n, d), dtype=dy.dtype)
    dgamma, dbeta = np.zeros(d, dtype=dy.dtype), np.zeros(d, dtype=dy.dtype)
    for j in range(d):
        for i in range(n):
            dgamma[j] += dy[i, j] * x_hat[i, j]
            dbeta[j] += dy[i, j]
        for i in range(n):
            dx[i, j] = gamma[j] / std[j] * (dy[i, j] - dbeta[j] / n - x_hat[i, j] * dgamma[j] / n)
    return dx, dgamma, dbeta


def smooth_labels(y, K, eps):
    rows = []
    for label in y:
        row = [eps / K] * K
        row[label] += 1 - eps
        rows.append(row)
    return np.array(rows)


def soft_xent(logits, t):
    n, k = logits.shape
    loss, grad = 0.0, np.empty((n, k), dtype=logits.dtype)
    for i in range(n):
        top = max(float(v) for v in logits[i])
        log_sum = top + math.log(sum(math.exp(float(v) - top) for v in logits[i]))
        for j in range(k):
            loss -= float(t[i, j]) * (float(logits[i, j]) - log_sum) / n
            grad[i, j] = (math.exp(float(logits[i, j]) - log_sum) - t[i, j]) / n
    return loss, grad


def mixup(x, t, lam, perm):
    if lam < 0 or lam > 1:
        raise ValueError("lam must lie in [0, 1]")
    x_out, t_out = [], []
    for i in range(len(x)):
        x_out.append(lam * x[i] + (1 - lam) * x[perm[i]])
        t_out.append(lam * t[i] + (1 - lam) * t[perm[i]])
    return np.stack(x_out), np.stack(t_out)


def cutmix(x, t, box, perm):
    n, channels, H, W = x.shape
    r, c, h, w = box
    out, pasted = np.empty(x.shape, dtype=x.dtype), 0
    for i in range(H):
        for j in range(W):
            inside = r <= i < r + h and c <= j < c + w
            pasted += inside
            for k in range(n):
                source = perm[k] if inside else k
                for channel in range(channels):
                    out[k, channel, i, j] = x[source, channel, i, j]
    share = pasted / (H * W)
    t_out = np.empty(t.shape, dtype=t.dtype)
    for k in range(n):
        t_out[k] = (1 - share) * t[k] + share * t[perm[k]]
    return out, t_out


class EarlyStopping:
    def __init__(self, patience, min_delta=0.0):
        if patience < 1:
            raise ValueError("patience must be positive")
        self.patience, self.min_delta = patience, min_delta
        self.losses = []

    def _replay(self):
        best, waited = math.inf, 0
        for loss in self.losses:
            improved = loss < best - self.min_delta
            best, waited = (loss, 0) if improved else (best, waited + 1)
        return best, waited

    @property
    def best(self):
        return self._replay()[0]

    def step(self, val_loss):
        self.losses.append(val_loss)
        return self._replay()[1] >= self.patience


def dropout_ridge(X, y, w, p):
    if p < 0 or p >= 1:
        raise ValueError("p must lie in [0, 1)")
    n, d = X.shape
    plain = penalty = 0.0
    for i in range(n):
        prediction = 0.0
        for j in range(d):
            term = float(X[i, j]) * float(w[j])
            prediction += term
            penalty += p / (1 - p) * term**2
        plain += (float(y[i]) - prediction) ** 2
    return plain + penalty, penalty
