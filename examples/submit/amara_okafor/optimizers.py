# Amara Okafor, s2104418
# No running averages: the state is simply all gradients so far and each average is one einsum over the time axis.
# (Memory grows with t, I know. It made the formulas easy to check by hand.)

import math

import numpy as np


def remember(w, g, state, lr):
    if w.shape != g.shape:
        raise ValueError("w and g must have the same shape")
    if lr < 0:
        raise ValueError("negative learning rate")
    gs = () if state is None else state
    return gs + (np.array(g),)


def checked_decay(beta):
    if beta < 0 or beta >= 1:
        raise ValueError("a decay lies between 0 and 1, without 1")
    return beta


def _positive(value):
    if value < 0:
        raise ValueError("negative where it may not be")
    return value


def ageing(count, beta, like):
    return np.array([beta**age for age in range(count - 1, -1, -1)], dtype=like.dtype)


def _sum(values, beta):
    values = np.stack(values)
    return np.einsum("t,t...->...", ageing(len(values), beta, values), values)


def _square_sum(values, beta):
    values = np.stack(values)
    return np.einsum("t,t...,t...->...", ageing(len(values), beta, values), values, values)


def sgd(w, g, state, *, lr, weight_decay=0.0):
    remember(w, g, None, lr)
    return w * (1 - lr * _positive(weight_decay)) - lr * g, ()


def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    gs = remember(w, g, state, lr)
    velocity = _sum(gs, checked_decay(beta))
    if nesterov:
        velocity = beta * velocity + g
    return w - lr * velocity, gs


def adagrad(w, g, state, *, lr, eps=1e-10):
    gs = remember(w, g, state, lr)
    return w - lr * g / (np.sqrt(_square_sum(gs, 1.0)) + _positive(eps)), gs


def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    gs = remember(w, g, state, lr)
    moment = (1 - checked_decay(alpha)) * _square_sum(gs, alpha)
    if centered:
        moment = moment - ((1 - alpha) * _sum(gs, alpha)) ** 2
    return w - lr * g / (np.sqrt(np.maximum(moment, 0)) + _positive(eps)), gs


def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    gradients, updates = ((), ()) if state is None else state
    gradients = remember(w, g, gradients, lr)
    below = (1 - checked_decay(rho)) * _square_sum(gradients, rho) + _positive(eps)
    above = (1 - rho) * _square_sum(updates, rho) + eps if updates else eps
    update = np.sqrt(above / below) * g
    return w - lr * update, (gradients, updates + (update,))


def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    gs = remember(w, g, state, lr)
    ones = [1.0] * len(gs)
    mean = _sum(gs, checked_decay(betas[0])) / float(_sum(ones, betas[0]))
    square = _square_sum(gs, checked_decay(betas[1])) / float(_sum(ones, betas[1]))
    return w - lr * mean / (np.sqrt(square) + _positive(eps)), gs


def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    moved, gs = adam(w, g, state, lr=lr, betas=betas, eps=eps)
    return moved - lr * _positive(weight_decay) * w, gs


def clip_grad_norm(grads, max_norm):
    _positive(max_norm)
    flat = np.concatenate([np.zeros(1)] + [np.ravel(g) for g in grads])
    norm = math.sqrt(np.einsum("i,i", flat, flat))
    if max_norm >= norm + 1e-6:
        return [np.array(g) for g in grads], norm
    factor = max_norm / (norm + 1e-6)
    return [factor * g for g in grads], norm


def lr_at(step, *, total, warmup, base, floor=0.0):
    if not (step >= 0 and total >= 1 and total >= warmup >= 0 and base >= floor >= 0):
        raise ValueError("no such schedule")
    corners = [(0.0, 0.0), (float(warmup), float(base))]
    if step < warmup:
        return float(np.interp(step, *zip(*corners, strict=True)))
    if step >= total:
        return float(floor)
    swing = np.cos(np.linspace(0.0, np.pi, total - warmup + 1))
    return float(floor + (base - floor) * (1 + swing[step - warmup]) / 2)
