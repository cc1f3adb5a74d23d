# Esercizio 3 - Sofia Rossi (matricola 0512119)

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Velocity:
    velocita: np.ndarray


@dataclass
class SumOfSquares:
    total: np.ndarray


@dataclass
class Moments:
    square: np.ndarray
    mean: np.ndarray


@dataclass
class Deltas:
    square: np.ndarray
    update: np.ndarray


@dataclass
class AdamState:
    exp_avg: np.ndarray
    exp_avg_sq: np.ndarray
    step: int = 0


def _controlla(w: np.ndarray, g: np.ndarray, lr: float, eps: float = 0.0, *betas: float) -> None:
    if w.shape != g.shape:
        raise ValueError(f"shape {w.shape} against shape {g.shape}")
    if not lr >= 0.0:
        raise ValueError(f"invalid learning rate: {lr}")
    if not eps >= 0.0:
        raise ValueError(f"invalid epsilon: {eps}")
    for beta in betas:
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"invalid coefficient: {beta}")


def sgd(w, g, state, *, lr, weight_decay=0.0):
    _controlla(w, g, lr, weight_decay)
    direction = g.copy()
    if weight_decay != 0:
        direction = direction + weight_decay * w
    out = w.copy()
    out -= lr * direction
    return out, state


def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    _controlla(w, g, lr, 0.0, beta)
    state = Velocity(g.copy()) if state is None else Velocity(state.velocita * beta + g)
    direction = g + beta * state.velocita if nesterov else state.velocita
    return w - lr * direction, state


def adagrad(w, g, state, *, lr, eps=1e-10):
    _controlla(w, g, lr, eps)
    state = SumOfSquares(np.zeros_like(w)) if state is None else copy.deepcopy(state)
    state.total += g * g
    out = np.array(w)
    out -= lr * (g / (np.sqrt(state.total) + eps))
    return out, state


def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    _controlla(w, g, lr, eps, alpha)
    state = Moments(np.zeros_like(w), np.zeros_like(w)) if state is None else copy.deepcopy(state)
    state.square *= alpha
    state.square += (1 - alpha) * (g * g)
    if centered:
        state.mean += (1 - alpha) * (g - state.mean)
        deviation = np.sqrt(np.clip(state.square - state.mean * state.mean, 0, None))
    else:
        deviation = np.sqrt(state.square)
    deviation += eps
    return w - lr * (g / deviation), state


def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    _controlla(w, g, lr, eps, rho)
    state = Deltas(np.zeros_like(w), np.zeros_like(w)) if state is None else copy.deepcopy(state)
    state.square *= rho
    state.square += (1 - rho) * g * g
    delta = np.sqrt(state.update + eps) / np.sqrt(state.square + eps) * g
    state.update *= rho
    state.update += (1 - rho) * delta * delta
    return w - lr * delta, state


def _adam(w, g, state, lr, betas, eps):
    state = AdamState(np.zeros_like(w), np.zeros_like(w)) if state is None else copy.deepcopy(state)
    state.step += 1
    state.exp_avg += (1 - betas[0]) * (g - state.exp_avg)
    state.exp_avg_sq = betas[1] * state.exp_avg_sq + (1 - betas[1]) * g * g
    step_size = lr / (1 - betas[0] ** state.step)
    denominator = np.sqrt(state.exp_avg_sq) / math.sqrt(1 - betas[1] ** state.step) + eps
    return w - step_size * (state.exp_avg / denominator), state


def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    _controlla(w, g, lr, eps, *betas)
    return _adam(w, g, state, lr, betas, eps)


def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    _controlla(w, g, lr, eps, *betas)
    if weight_decay < 0:
        raise ValueError(f"invalid weight decay: {weight_decay}")
    return _adam(w - lr * weight_decay * w, g, state, lr, betas, eps)


def clip_grad_norm(grads, max_norm):
    if max_norm < 0:
        raise ValueError("max_norm must not be negative")
    if len(grads) == 0:
        return [], 0.0
    norm = float(np.linalg.norm([np.linalg.norm(np.ravel(g)) for g in grads]))
    factor = max_norm / (norm + 1e-6)
    if factor >= 1:
        return copy.deepcopy(list(grads)), norm
    return [np.multiply(g, factor) for g in grads], norm


def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < 0:
        raise ValueError("step counts from 0")
    if total <= 0:
        raise ValueError("total must be positive")
    if warmup not in range(total + 1):
        raise ValueError("warmup must fit into total")
    if floor < 0 or base < floor:
        raise ValueError("need 0 <= floor <= base")
    if step < warmup:
        return base / warmup * step
    done = min(1.0, (step - warmup) / max(1, total - warmup)) if step < total else 1.0
    return floor + (base - floor) * math.cos(math.pi / 2 * done) ** 2
