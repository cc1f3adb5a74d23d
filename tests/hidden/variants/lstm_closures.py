"""A cache is a function: each step returns its own way back."""

import numpy as np


def sigmoid(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def fit(array, shape):
    if array.shape != shape:
        raise ValueError(f"{array.shape} instead of {shape}")


def lstm_step(x, h, c, P):
    if x.ndim != 2 or c.ndim != 2:
        raise ValueError("two axes, please")
    N, D = x.shape
    H = c.shape[1]
    fit(c, (N, H))
    fit(h, (N, H))
    for key, shape in (("W_ih", (4 * H, D)), ("W_hh", (4 * H, H)), ("b_ih", (4 * H,)), ("b_hh", (4 * H,))):
        fit(P[key], shape)
    inputs = np.hstack([x, h])
    weights = np.hstack([P["W_ih"], P["W_hh"]])
    a = inputs @ weights.T + (P["b_ih"] + P["b_hh"])
    i, f, o = (sigmoid(a[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
    g = np.tanh(a[:, 2 * H : 3 * H])
    c2 = c * f + g * i
    s = np.tanh(c2)

    def backward(dh2, dc2):
        fit(dh2, (N, H))
        fit(dc2, (N, H))
        do, ds = dh2 * s, dh2 * o
        dcell = dc2 + ds - ds * s**2
        da = np.empty((N, 4 * H), dtype=dh2.dtype)
        da[:, :H] = dcell * g * (i - i**2)
        da[:, H : 2 * H] = dcell * c * (f - f**2)
        da[:, 2 * H : 3 * H] = dcell * i * (1 - g**2)
        da[:, 3 * H :] = do * (o - o**2)
        dinputs, dweights = da @ weights, da.T @ inputs
        grads = {"W_ih": dweights[:, :D], "W_hh": dweights[:, D:], "b_ih": da.sum(0), "b_hh": da.sum(0)}
        return dinputs[:, :D], dinputs[:, D:], dcell * f, grads

    return o * s, c2, backward


def lstm_step_backward(dh2, dc2, cache):
    return cache(dh2, dc2)


def lstm_forward(X, h0, c0, P, lengths=None):
    if X.ndim != 3:
        raise ValueError("X is (T, N, D)")
    T, N, _ = X.shape
    lengths = np.full(N, T) if lengths is None else lengths
    fit(lengths, (N,))
    if (lengths < 0).any() or (lengths > T).any():
        raise ValueError("lengths lie between 0 and T")
    h, c = h0.copy(), c0.copy()
    Hs, ways_back = [], []
    for t, x in enumerate(X):
        h2, c2, back = lstm_step(x, h, c, P)
        over = t >= lengths
        h2[over], c2[over] = h[over], c[over]
        h, c = h2, c2
        Hs.append(h)
        ways_back.append((back, over))

    def backward(dHs, dhT, dcT, cuts=()):
        fit(dHs, (T, *h0.shape))
        fit(dhT, h0.shape)
        fit(dcT, h0.shape)
        dh, dc, dX, grads = dhT, dcT, np.empty(X.shape, X.dtype), {}
        for t in range(T - 1, -1, -1):
            back, over = ways_back[t]
            dh = dh + dHs[t]
            running = ~over[:, None]
            dX[t], dh_new, dc_new, new = back(dh * running, dc * running)
            dh_new[over], dc_new[over] = dh[over], dc[over]
            dh, dc = dh_new, dc_new
            for key in new:
                grads[key] = grads.get(key, 0) + new[key]
            if t in cuts:
                dh, dc = np.zeros_like(dh), np.zeros_like(dc)
        return dX, dh, dc, grads

    return np.array(Hs), h.copy(), c.copy(), backward


def lstm_backward(dHs, dhT, dcT, cache):
    return cache(dHs, dhT, dcT)


def init_lstm(D, H, rng, forget_bias=1.0):
    if D < 1:
        raise ValueError("D")
    if H < 1:
        raise ValueError("H")
    k = 1 / np.sqrt(H)
    P = {}
    P["W_ih"] = rng.uniform(low=-k, high=k, size=(4 * H, D))
    P["W_hh"] = rng.uniform(low=-k, high=k, size=(4 * H, H))
    gates = [rng.uniform(low=-k, high=k, size=(2, H)) for _ in range(3)]
    forget = np.array([[forget_bias] * H, [0.0] * H], dtype=float)
    P["b_ih"], P["b_hh"] = np.concatenate([gates[0], forget, *gates[1:]], axis=1).copy()
    return P


def truncated_bptt(dHs, cache, k):
    if k < 1:
        raise ValueError("k")
    zero = np.zeros(dHs.shape[1:], dtype=dHs.dtype)
    return cache(dHs, zero, zero, range(k, len(dHs), k))[3]


def state_jacobian_norms(P, X, h0, c0):
    if X.ndim != 3:
        raise ValueError("X is (T, N, D)")
    h, c, ways_back = h0, c0, []
    for x in X:
        h, c, back = lstm_step(x, h, c, P)
        ways_back.append(back)
    J = []
    for unit in np.eye(c.shape[1], dtype=c.dtype):
        dh, dc, row = np.zeros_like(c), np.tile(unit, (len(c), 1)), []
        for back in ways_back[::-1]:
            _, dh, dc, _ = back(dh, dc)
            row.append(dc)
        J.append(row[::-1])
    J = np.array(J)  # (H, T, N, H)
    return np.linalg.norm(J.transpose(1, 2, 0, 3), 2, axis=(2, 3)).mean(axis=1)
