"""Einsum over weights (4, H, D); dict caches stacked over time; explicit Jacobians, last step first."""

import numpy as np


def sigmoid(x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


def unfold(P, H):
    """Weights with the gate as an axis of its own: (4, H, D), (4, H, H), (4, H), (4, H)."""
    return [P[key].reshape(4, H, *P[key].shape[1:]) for key in ("W_ih", "W_hh", "b_ih", "b_hh")]


def must_be(condition):
    if not condition:
        raise ValueError("shapes do not fit")


def lstm_step(x, h, c, P):
    must_be(np.ndim(x) == 2 and np.ndim(h) == 2)
    (N, D), H = x.shape, h.shape[1]
    must_be(h.shape == c.shape == (N, H))
    must_be(P["W_ih"].shape == (4 * H, D) and P["W_hh"].shape == (4 * H, H))
    must_be(P["b_ih"].shape == P["b_hh"].shape == (4 * H,))
    W, U, b, d = unfold(P, H)
    a = np.einsum("nd,khd->knh", x, W) + np.einsum("nj,khj->knh", h, U) + (b + d)[:, None]
    gates = sigmoid(a)
    gates[2] = np.tanh(a[2])
    c2 = np.einsum("nh,nh->nh", gates[1], c) + gates[0] * gates[2]
    cache = {"x": x, "h": h, "c": c, "gates": gates, "c2": c2.copy(), "W": W, "U": U}
    return gates[3] * np.tanh(c2), c2, cache


def gate_gradients(dh2, dc2, gates, c, c2):
    """(gradient at the pre-activations (4, N, H), total gradient at the new cell (N, H))."""
    i, f, g, o = gates
    squashed = np.tanh(c2)
    total = dc2 + dh2 * o * (1 - squashed) * (1 + squashed)
    outer = np.stack([total * g, total * c, total * i, dh2 * squashed])
    slope = gates - gates**2
    slope[2] = 1 - g * g
    return outer * slope, total


def lstm_step_backward(dh2, dc2, cache):
    gates, W, U = cache["gates"], cache["W"], cache["U"]
    must_be(np.shape(dh2) == np.shape(dc2) == gates.shape[1:])
    da, total = gate_gradients(dh2, dc2, gates, cache["c"], cache["c2"])
    _, H, D = W.shape
    grads = {
        "b_hh": da.sum(1).reshape(4 * H),
        "b_ih": da.sum(1).reshape(4 * H),
        "W_hh": np.einsum("knh,nj->khj", da, cache["h"]).reshape(4 * H, H),
        "W_ih": np.einsum("knh,nd->khd", da, cache["x"]).reshape(4 * H, D),
    }
    return np.einsum("knh,khd->nd", da, W), np.einsum("knh,khj->nj", da, U), total * gates[1], grads


def lstm_forward(X, h0, c0, P, lengths=None):
    must_be(np.ndim(X) == 3)
    T, N, _ = X.shape
    if lengths is not None:
        must_be(np.shape(lengths) == (N,))
        must_be(np.min(lengths) >= 0 and np.max(lengths) <= T)
    h, c, Hs, steps, masks = h0, c0, [], [], []
    for t in range(T):
        h2, c2, step = lstm_step(X[t], h, c, P)
        running = np.ones(N, bool) if lengths is None else t < np.asarray(lengths)
        m = running[:, None].astype(h2.dtype)
        h, c = m * h2 + (1 - m) * h, m * c2 + (1 - m) * c
        Hs.append(h * m)
        steps.append(step)
        masks.append(m)
    keys = ("x", "h", "c", "c2", "gates")
    stacked = {key: np.stack([step[key] for step in steps]) for key in keys}
    last = steps[-1]
    return np.stack(Hs), h, c, {**stacked, "mask": np.stack(masks), "W": last["W"], "U": last["U"]}


def run_back(dHs, dhT, dcT, cache, k):
    """Back through all steps, cut where t is a multiple of k; the weight gradients come last."""
    T, N, H = cache["c"].shape
    W, U = cache["W"], cache["U"]
    must_be(np.shape(dHs) == (T, N, H) and np.shape(dhT) == np.shape(dcT) == (N, H))
    dh, dc = dhT, dcT
    dA = np.empty((T, 4, N, H), dtype=dHs.dtype)
    for t in range(T - 1, -1, -1):
        m = cache["mask"][t]
        dh = dh + dHs[t]
        dA[t], total = gate_gradients(dh * m, dc * m, cache["gates"][t], cache["c"][t], cache["c2"][t])
        dh = np.einsum("knh,khj->nj", dA[t], U) + dh * (1 - m)
        dc = total * cache["gates"][t, 1] + dc * (1 - m)
        if t % k == 0 and t:
            dh, dc = 0 * dh, 0 * dc
    db = dA.sum((0, 2)).reshape(4 * H)
    grads = {
        "W_ih": np.einsum("tknh,tnd->khd", dA, cache["x"]).reshape(4 * H, -1),
        "W_hh": np.einsum("tknh,tnj->khj", dA, cache["h"]).reshape(4 * H, H),
        "b_ih": db,
        "b_hh": 1 * db,
    }
    return np.einsum("tknh,khd->tnd", dA, W), dh, dc, grads


def lstm_backward(dHs, dhT, dcT, cache):
    return run_back(dHs, dhT, dcT, cache, len(cache["c"]) + 1)


def init_lstm(D, H, rng, forget_bias=1.0):
    if min(D, H) < 1:
        raise ValueError("at least one input and one unit")
    flat = rng.uniform(-1, 1, 4 * H * (D + H + 2)) / np.sqrt(H)
    W, U, b, d = np.split(flat, np.cumsum([4 * H * D, 4 * H * H, 4 * H]))
    forget = np.repeat([False, True, False, False], H)
    return {
        "W_ih": W.reshape(4 * H, D),
        "W_hh": U.reshape(4 * H, H),
        "b_ih": np.where(forget, forget_bias, b),
        "b_hh": np.where(forget, 0.0, d),
    }


def truncated_bptt(dHs, cache, k):
    must_be(k >= 1)
    zero = np.zeros_like(cache["c"][0])
    return run_back(dHs, zero, zero, cache, k)[3]


def state_jacobian_norms(P, X, h0, c0):
    must_be(np.ndim(X) == 3)
    *_, cache = lstm_forward(X, h0, c0, P)
    T, N, H = cache["c"].shape
    U = cache["U"]
    unit = np.eye(H, dtype=h0.dtype)
    to_h, to_c = np.zeros((N, H, H), dtype=h0.dtype), np.tile(unit, (N, 1, 1))  # d cT / d h, d cT / d c
    norms = []
    for t in range(T - 1, -1, -1):
        i, f, g, o = cache["gates"][t]
        squashed = np.tanh(cache["c2"][t])
        # One step's Jacobian in four blocks; h moves c2 through i, f and g, and h2 through o and c2.
        c_by_h = np.einsum("knh,khj->nhj", np.stack([g * i * (1 - i), cache["c"][t] * f * (1 - f)]), U[:2])
        c_by_h += np.einsum("nh,hj->nhj", i * (1 - g * g), U[2])
        c_by_c = np.einsum("nh,hj->nhj", f, unit)
        h_by_c2 = o * (1 - squashed**2)
        h_by_h = h_by_c2[..., None] * c_by_h + np.einsum("nh,hj->nhj", squashed * o * (1 - o), U[3])
        h_by_c = h_by_c2[..., None] * c_by_c
        to_h, to_c = to_c @ c_by_h + to_h @ h_by_h, to_c @ c_by_c + to_h @ h_by_c
        norms.append(np.linalg.svd(to_c, compute_uv=False)[:, 0].mean())
    return np.array(norms[::-1], dtype=h0.dtype)
