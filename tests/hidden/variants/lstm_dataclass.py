"""Dataclass caches; the input is projected for all steps at once, and finished sequences sit out."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, replace

import numpy as np

Gates = namedtuple("Gates", "i f g o")


@dataclass(frozen=True)
class Step:
    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    gates: Gates
    squashed: np.ndarray
    W_ih: np.ndarray
    W_hh: np.ndarray


@dataclass
class Sequence:
    steps: list[Step]
    running: list[np.ndarray]  # for each step, the indices of the sequences that take part
    shape: tuple[int, int, int]  # T, N, H


def sigmoid(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, np.ones_like(e)) / (1 + e)


def cell(projected, x, h, c, P):
    """One step, given x W_ih^T + b_ih."""
    a_i, a_f, a_g, a_o = np.hsplit(projected + h @ P["W_hh"].T + P["b_hh"], 4)
    gates = Gates(sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o))
    c2 = gates.f * c + gates.i * gates.g
    squashed = np.tanh(c2)
    return gates.o * squashed, c2, Step(x, h, c, gates, squashed, P["W_ih"], P["W_hh"])


def validate(x, h, c, P):
    shapes = {key: np.shape(value) for key, value in P.items()}
    if len(np.shape(h)) != 2 or np.shape(h) != np.shape(c) or np.shape(x)[:-1] != np.shape(h)[:1]:
        raise ValueError(f"states and inputs do not fit: {np.shape(x)}, {np.shape(h)}, {np.shape(c)}")
    H, D = np.shape(h)[1], np.shape(x)[-1]
    if shapes != {"W_ih": (4 * H, D), "W_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,)}:
        raise ValueError(f"parameters do not fit: {shapes}")


def lstm_step(x, h, c, P):
    validate(x, h, c, P)
    return cell(x @ P["W_ih"].T + P["b_ih"], x, h, c, P)


def lstm_step_backward(dh2, dc2, cache):
    if dh2.shape != cache.c.shape or dc2.shape != cache.c.shape:
        raise ValueError(f"upstream gradients must be {cache.c.shape}")
    i, f, g, o = cache.gates
    delta = dh2 * o
    delta = delta - delta * cache.squashed * cache.squashed + dc2
    da_i, da_f = delta * g * i * (1 - i), delta * cache.c * f * (1 - f)
    da_g, da_o = delta * i * (1 - g * g), dh2 * cache.squashed * o * (1 - o)
    da = np.hstack((da_i, da_f, da_g, da_o))
    grads = {
        "W_ih": np.dot(da.T, cache.x),
        "W_hh": np.dot(da.T, cache.h),
        "b_ih": np.sum(da, axis=0),
        "b_hh": np.sum(da, axis=0),
    }
    return np.dot(da, cache.W_ih), np.dot(da, cache.W_hh), delta * f, grads


def lstm_forward(X, h0, c0, P, lengths=None):
    if np.ndim(X) != 3:
        raise ValueError("X must have three axes")
    validate(X[0], h0, c0, P)
    T, N = X.shape[:2]
    lengths = np.repeat(T, N) if lengths is None else np.array(lengths)
    if lengths.shape != (N,) or not np.all((lengths >= 0) & (lengths <= T)):
        raise ValueError("lengths must be N numbers between 0 and T")
    projected = X @ P["W_ih"].T + P["b_ih"]  # (T, N, 4H)
    h, c = np.array(h0), np.array(c0)
    Hs = np.empty((T, *h.shape), dtype=h.dtype)
    cache = Sequence([], [], Hs.shape)
    for t in range(T):
        rows = np.flatnonzero(lengths > t)
        h[rows], c[rows], step = cell(projected[t, rows], X[t, rows], h[rows], c[rows], P)
        Hs[t] = h
        cache.steps.append(step)
        cache.running.append(rows)
    return Hs, h, c, cache


def lstm_backward(dHs, dhT, dcT, cache):
    T, N, H = cache.shape
    for given, shape in ((dHs, (T, N, H)), (dhT, (N, H)), (dcT, (N, H))):
        if np.shape(given) != shape:
            raise ValueError(f"an upstream gradient has shape {np.shape(given)} instead of {shape}")
    first = cache.steps[0]
    dh, dc = np.array(dhT), np.array(dcT)
    dX = np.zeros((T, N, first.x.shape[1]), dtype=dh.dtype)
    total = {"W_ih": np.zeros_like(first.W_ih), "W_hh": np.zeros_like(first.W_hh)}
    total |= {key: np.zeros(4 * H, dtype=dh.dtype) for key in ("b_ih", "b_hh")}
    for t in reversed(range(T)):
        rows = cache.running[t]
        dX[t, rows], dh[rows], dc[rows], grads = lstm_step_backward(
            dh[rows] + dHs[t, rows], dc[rows], cache.steps[t]
        )
        for key, gradient in grads.items():
            total[key] += gradient
    return dX, dh, dc, total


def init_lstm(D, H, rng, forget_bias=1.0):
    if not (D >= 1 and H >= 1):
        raise ValueError("D and H must be positive")
    draws = (rng.random((4 * H, D + H + 2)) - 0.5) * (2 / np.sqrt(H))
    W_ih, W_hh, b_ih, b_hh = np.split(draws, [D, D + H, D + H + 1], axis=1)
    P = {"W_ih": W_ih.copy(), "W_hh": W_hh.copy(), "b_ih": b_ih.ravel(), "b_hh": b_hh.ravel()}
    P["b_ih"][H : 2 * H], P["b_hh"][H : 2 * H] = forget_bias, 0
    return P


def truncated_bptt(dHs, cache, k):
    if k < 1:
        raise ValueError("k must be at least 1")
    if dHs.shape != cache.shape:
        raise ValueError(f"dHs must be {cache.shape}")
    T, N, H = cache.shape
    nothing = np.zeros((N, H), dtype=dHs.dtype)
    total = None
    for start in range(0, T, k):
        stop = min(start + k, T)
        part = replace(
            cache,
            steps=cache.steps[start:stop],
            running=cache.running[start:stop],
            shape=(stop - start, N, H),
        )
        *_, grads = lstm_backward(dHs[start:stop], nothing, nothing, part)
        total = grads if total is None else {key: total[key] + grads[key] for key in total}
    return total


def state_jacobian_norms(P, X, h0, c0):
    *_, cache = lstm_forward(X, h0, c0, P)
    T, N, H = cache.shape
    dc = np.broadcast_to(np.eye(H, dtype=c0.dtype)[:, None], (H, N, H))
    dh = np.zeros((H, N, H), dtype=c0.dtype)
    norms = np.empty(T, dtype=c0.dtype)
    for t in range(T - 1, -1, -1):
        back = [lstm_step_backward(dh[j], dc[j], cache.steps[t])[1:3] for j in range(H)]
        dh, dc = np.stack([pair[0] for pair in back]), np.stack([pair[1] for pair in back])
        norms[t] = np.mean([np.linalg.norm(dc[:, n], 2) for n in range(N)])
    return norms
