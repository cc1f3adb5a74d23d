# loses: test_cost_of_a_step, test_cost_of_a_step_back, test_cost_of_forward, test_cost_of_backward
"""Explicit loops over sequences and units; the cache is a list of dicts; every sequence runs alone."""

import numpy as np


def sigmoid(x):
    x = np.asarray(x)
    y = np.empty_like(x)
    positive = x >= 0
    y[positive] = 1 / (1 + np.exp(-x[positive]))
    small = np.exp(x[~positive])
    y[~positive] = small / (1 + small)
    return y


def check_shapes(x, h, c, P):
    if x.ndim != 2 or h.ndim != 2 or c.ndim != 2:
        raise ValueError("x, h and c have two axes")
    if not x.shape[0] == h.shape[0] == c.shape[0] or h.shape[1] != c.shape[1]:
        raise ValueError("x, h and c do not fit")
    D, H = x.shape[1], h.shape[1]
    if P["W_ih"].shape != (4 * H, D) or P["W_hh"].shape != (4 * H, H):
        raise ValueError("a weight does not fit")
    if P["b_ih"].shape != (4 * H,) or P["b_hh"].shape != (4 * H,):
        raise ValueError("a bias does not fit")


def step_one(x, h, c, P):
    """One sequence: x (D,), h and c (H,)."""
    H = len(h)
    h2, c2 = np.empty_like(h), np.empty_like(c)
    gates = np.empty((4, H), dtype=h.dtype)
    for j in range(H):
        for k in range(4):
            row = k * H + j
            a = P["b_ih"][row] + P["b_hh"][row]
            for d in range(len(x)):
                a = a + P["W_ih"][row, d] * x[d]
            for d in range(H):
                a = a + P["W_hh"][row, d] * h[d]
            gates[k, j] = np.tanh(a) if k == 2 else sigmoid(np.array([a]))[0]
        c2[j] = gates[1, j] * c[j] + gates[0, j] * gates[2, j]
        h2[j] = gates[3, j] * np.tanh(c2[j])
    return h2, c2, {"x": x.copy(), "h": h.copy(), "c": c.copy(), "c2": c2.copy(), "gates": gates, "P": P}


def back_one(dh2, dc2, cache, grads):
    """One sequence; adds to grads."""
    x, h, c, c2, P = (cache[key] for key in ("x", "h", "c", "c2", "P"))
    H = len(h)
    dx, dh, dc = np.zeros_like(x), np.zeros_like(h), np.zeros_like(c)
    for j in range(H):
        i, f, g, o = cache["gates"][:, j]
        t = np.tanh(c2[j])
        total = dc2[j] + dh2[j] * o * (1 - t * t)
        dc[j] = total * f
        per_gate = (
            total * g * i * (1 - i),
            total * c[j] * f * (1 - f),
            total * i * (1 - g * g),
            dh2[j] * t * o * (1 - o),
        )
        for k, da in enumerate(per_gate):
            row = k * H + j
            dx += P["W_ih"][row] * da
            dh += P["W_hh"][row] * da
            grads["W_ih"][row] += da * x
            grads["W_hh"][row] += da * h
            grads["b_ih"][row] += da
            grads["b_hh"][row] += da
    return dx, dh, dc


def zeros_like_params(P):
    return {key: np.zeros_like(value) for key, value in P.items()}


def lstm_step(x, h, c, P):
    check_shapes(x, h, c, P)
    h2, c2, caches = np.empty_like(h), np.empty_like(c), []
    for n in range(len(x)):
        h2[n], c2[n], cache = step_one(x[n], h[n], c[n], P)
        caches.append(cache)
    return h2, c2, caches


def lstm_step_backward(dh2, dc2, cache):
    H = len(cache[0]["h"])
    if dh2.shape != (len(cache), H) or dc2.shape != (len(cache), H):
        raise ValueError("dh2 and dc2 are (N, H)")
    grads = zeros_like_params(cache[0]["P"])
    rows = [back_one(dh2[n], dc2[n], one, grads) for n, one in enumerate(cache)]
    dx, dh, dc = (np.stack(column) for column in zip(*rows, strict=True))
    return dx, dh, dc, grads


def lstm_forward(X, h0, c0, P, lengths=None):
    if X.ndim != 3:
        raise ValueError("X has three axes")
    check_shapes(X[0], h0, c0, P)
    T, N, _ = X.shape
    if lengths is None:
        lengths = [T] * N
    elif np.shape(lengths) != (N,) or any(n < 0 or n > T for n in lengths):
        raise ValueError("bad lengths")
    Hs = np.zeros((T, N, h0.shape[1]), dtype=h0.dtype)
    hT, cT = h0.copy(), c0.copy()
    sequences = []
    for n in range(N):
        steps = []
        for t in range(int(lengths[n])):
            hT[n], cT[n], step = step_one(X[t, n], hT[n].copy(), cT[n].copy(), P)
            Hs[t, n] = hT[n]
            steps.append(step)
        sequences.append(steps)
    return Hs, hT, cT, (sequences, X.shape, h0.shape[1], P)


def lstm_backward(dHs, dhT, dcT, cache, cut=None):
    sequences, (T, N, D), H, P = cache
    if dHs.shape != (T, N, H) or dhT.shape != (N, H) or dcT.shape != (N, H):
        raise ValueError("upstream gradients do not fit")
    dX = np.zeros((T, N, D), dtype=dHs.dtype)
    dh0, dc0 = dhT.copy(), dcT.copy()
    grads = zeros_like_params(P)
    for n, steps in enumerate(sequences):
        dh, dc = dhT[n].copy(), dcT[n].copy()
        for t in range(len(steps) - 1, -1, -1):
            dX[t, n], dh, dc = back_one(dh + dHs[t, n], dc, steps[t], grads)
            if cut and t % cut == 0:
                dh, dc = np.zeros_like(dh), np.zeros_like(dc)
        dh0[n], dc0[n] = dh, dc
    return dX, dh0, dc0, grads


def init_lstm(D, H, rng, forget_bias=1.0):
    if D <= 0 or H <= 0:
        raise ValueError("sizes are positive")
    s = H**-0.5
    P = {"b_hh": rng.uniform(-s, s, 4 * H), "b_ih": rng.uniform(-s, s, 4 * H)}
    P["W_hh"] = (2 * rng.random((4 * H, H)) - 1) * s
    P["W_ih"] = (2 * rng.random((4 * H, D)) - 1) * s
    for j in range(H, 2 * H):
        P["b_ih"][j], P["b_hh"][j] = forget_bias, 0.0
    return P


def truncated_bptt(dHs, cache, k):
    if k < 1:
        raise ValueError("k is at least 1")
    zero = np.zeros(dHs.shape[1:], dtype=dHs.dtype)
    return lstm_backward(dHs, zero, zero, cache, cut=k)[3]


def state_jacobian_norms(P, X, h0, c0):
    if X.ndim != 3:
        raise ValueError("X has three axes")
    (T, N, _), H = X.shape, h0.shape[-1]
    check_shapes(X[0], h0, c0, P)
    *_, (sequences, _, _, _) = lstm_forward(X, h0, c0, P)
    norms = np.zeros(T, dtype=h0.dtype)
    for steps in sequences:
        J = np.zeros((T, H, H), dtype=h0.dtype)
        for j in range(H):
            dh, dc = np.zeros(H, dtype=h0.dtype), np.zeros(H, dtype=h0.dtype)
            dc[j] = 1
            for t in range(T - 1, -1, -1):
                _, dh, dc = back_one(dh, dc, steps[t], zeros_like_params(P))
                J[t, j] = dc
        for t in range(T):
            norms[t] += np.linalg.svd(J[t], compute_uv=False)[0]
    return norms / N
