"""Übungsblatt 3 - Lukas Brandt (3187720)

One weight after the other, exactly like on the slides.
"""

import math

import numpy as np


def _fuer_jedes_gewicht(w, g, lr, one):
    """Apply one(i, w_i, g_i) -> new w_i to every element."""
    if np.shape(w) != np.shape(g):
        raise ValueError("w and g must have one shape")
    if lr < 0:
        raise ValueError("lr must not be negative")
    w_new = np.empty_like(w)
    for i, index in enumerate(np.ndindex(np.shape(w))):
        w_new[index] = one(i, float(w[index]), float(g[index]))
    return w_new


def _pruefe(**values):
    for name, value in values.items():
        limit = math.inf if name in ("eps", "weight_decay") else 1.0
        if value < 0 or value >= limit:
            raise ValueError(f"{name} is out of range")


def sgd(w, g, state, *, lr, weight_decay=0.0):
    _pruefe(weight_decay=weight_decay)
    return _fuer_jedes_gewicht(w, g, lr, lambda i, x, d: x - lr * (d + weight_decay * x)), None


def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    _pruefe(beta=beta)
    old = state if state is not None else [0.0] * np.size(w)
    new = []

    def one(i, x, d):
        v = beta * old[i] + d
        new.append(v)
        if nesterov:
            return x - lr * (d + beta * v)
        return x - lr * v

    return _fuer_jedes_gewicht(w, g, lr, one), new


def adagrad(w, g, state, *, lr, eps=1e-10):
    _pruefe(eps=eps)
    old = state if state is not None else [0.0] * np.size(w)
    new = []

    def one(i, x, d):
        new.append(old[i] + d * d)
        below = math.sqrt(new[i]) + eps
        return x - (lr * d / below if d else 0.0)

    return _fuer_jedes_gewicht(w, g, lr, one), new


def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    _pruefe(alpha=alpha, eps=eps)
    old = state if state is not None else [(0.0, 0.0)] * np.size(w)
    new = []

    def one(i, x, d):
        v, m = old[i]
        v = alpha * v + (1 - alpha) * d * d
        m = alpha * m + (1 - alpha) * d
        new.append((v, m))
        spread = max(0.0, v - m * m) if centered else v
        return x - (lr * d / (math.sqrt(spread) + eps) if d else 0.0)

    return _fuer_jedes_gewicht(w, g, lr, one), new


def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    _pruefe(rho=rho, eps=eps)
    old = state if state is not None else [(0.0, 0.0)] * np.size(w)
    new = []

    def one(i, x, d):
        squares, updates = old[i]
        squares = rho * squares + (1 - rho) * d * d
        delta = d * math.sqrt((updates + eps) / (squares + eps))
        new.append((squares, rho * updates + (1 - rho) * delta * delta))
        return x - lr * delta

    return _fuer_jedes_gewicht(w, g, lr, one), new


def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    _pruefe(beta1=betas[0], beta2=betas[1], eps=eps)
    t, old = state if state is not None else (0, [(0.0, 0.0)] * np.size(w))
    t += 1
    new = []

    def one(i, x, d):
        m, v = old[i]
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d * d
        new.append((m, v))
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        return x - (lr * m_hat / (math.sqrt(v_hat) + eps) if m_hat else 0.0)

    return _fuer_jedes_gewicht(w, g, lr, one), (t, new)


def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    _pruefe(beta1=betas[0], beta2=betas[1], eps=eps, weight_decay=weight_decay)
    t, old = state if state is not None else (0, [(0.0, 0.0)] * np.size(w))
    t += 1
    new = []

    def one(i, x, d):
        m, v = old[i]
        m = betas[0] * m + (1 - betas[0]) * d
        v = betas[1] * v + (1 - betas[1]) * d * d
        new.append((m, v))
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        step = lr * m_hat / (math.sqrt(v_hat) + eps) if m_hat else 0.0
        return x - lr * weight_decay * x - step

    return _fuer_jedes_gewicht(w, g, lr, one), (t, new)


def clip_grad_norm(grads, max_norm):
    if max_norm < 0:
        raise ValueError("max_norm must not be negative")
    total = 0.0  # Summe der Quadrate
    for g in grads:
        for index in np.ndindex(g.shape):
            total += float(g[index]) ** 2
    norm = math.sqrt(total)
    clipped = []
    for g in grads:
        copy = np.array(g)
        if norm + 1e-6 > max_norm:
            for index in np.ndindex(g.shape):
                copy[index] = float(g[index]) * max_norm / (norm + 1e-6)
        clipped.append(copy)
    return clipped, norm


def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < 0 or total < 1 or warmup < 0 or warmup > total or floor < 0 or floor > base:
        raise ValueError("no such schedule")
    if step >= total:
        return floor
    if step < warmup:
        return base * (step / warmup)
    angle = math.pi * (step - warmup) / (total - warmup)
    return (base + floor) / 2 + (base - floor) / 2 * math.cos(angle)
