# loses: test_cost_of_attention, test_cost_of_the_causal_mask, test_cost_of_the_gradients, test_cost_of_splitting, test_cost_of_merging, test_cost_of_multi_head_attention, test_cost_of_the_positions, test_cost_of_regression
"""Explicit loops: one slice, one query, one head, one position at a time."""

import math

import numpy as np
import torch


def softmax(x, axis=-1):
    result = np.empty_like(x)
    moved, target = np.moveaxis(x, axis, -1), np.moveaxis(result, axis, -1)
    for place in np.ndindex(*moved.shape[:-1]):
        target[place] = softmax_of_list(moved[place])
    return result


def softmax_of_list(scores):
    top = max(float(s) for s in scores)
    if top == -math.inf:
        return np.zeros_like(scores)
    e = [math.exp(float(s) - top) for s in scores]
    return [value / sum(e) for value in e]


def check_shapes(q, k, v):
    if q.ndim != k.ndim or q.ndim != v.ndim:
        raise ValueError("number of axes")
    for a, b, c in zip(q.shape[:-2], k.shape[:-2], v.shape[:-2]):
        if not a == b == c:
            raise ValueError("leading axes")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError("width or length")


def sdpa(q, k, v, mask=None):
    check_shapes(q, k, v)
    Lq, Lk, d = q.shape[-2], k.shape[-2], q.shape[-1]
    weights = np.zeros(q.shape[:-1] + (Lk,), q.dtype)
    out = np.zeros(q.shape[:-1] + (v.shape[-1],), q.dtype)
    if mask is None:
        mask = np.ones(weights.shape, dtype=bool)
    if mask.dtype != np.bool_:
        raise ValueError("mask")
    mask = np.broadcast_to(mask, weights.shape)
    for lead in np.ndindex(*q.shape[:-2]):
        for i in range(Lq):
            keys = [j for j in range(Lk) if mask[lead][i, j]]
            if not keys:
                continue
            scores = [float(np.dot(q[lead][i], k[lead][j])) / math.sqrt(d) for j in keys]
            for j, weight in zip(keys, softmax_of_list(scores)):
                weights[lead][i, j] = weight
                out[lead][i] += weights[lead][i, j] * v[lead][j]
    return out, weights


def causal_mask(Lq, Lk):
    if min(Lq, Lk) < 1:
        raise ValueError("empty")
    return np.array([[j <= i + Lk - Lq for j in range(Lk)] for i in range(Lq)])


def padding_mask(lengths, L):
    if L < 1:
        raise ValueError("L")
    rows = []
    for n in lengths:
        if not 0 <= n <= L:
            raise ValueError("length")
        rows.append([True] * int(n) + [False] * int(L - n))
    return np.array(rows, dtype=bool)


def sdpa_backward(dout, q, k, v, weights):
    check_shapes(q, k, v)
    if dout.shape != q.shape[:-1] + v.shape[-1:] or weights.shape != q.shape[:-1] + k.shape[-2:-1]:
        raise ValueError("shape")
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    root = math.sqrt(q.shape[-1])
    for lead in np.ndindex(*q.shape[:-2]):
        for i in range(q.shape[-2]):
            a = weights[lead][i]
            da = np.array([np.dot(dout[lead][i], v[lead][j]) for j in range(len(a))])
            mean = sum(a[j] * da[j] for j in range(len(a)))
            for j in range(len(a)):
                ds = a[j] * (da[j] - mean) / root
                dq[lead][i] += ds * k[lead][j]
                dk[lead][j] += ds * q[lead][i]
                dv[lead][j] += a[j] * dout[lead][i]
    return dq, dk, dv


def split_heads(x, h):
    if x.ndim != 3 or h <= 0 or x.shape[2] % h != 0:
        raise ValueError("heads")
    N, L, D = x.shape
    size = D // h
    heads = np.empty((N, h, L, size), x.dtype)
    for i in range(h):
        heads[:, i] = x[:, :, i * size : (i + 1) * size]
    return heads


def merge_heads(x):
    if x.ndim != 4:
        raise ValueError("axes")
    return np.concatenate([x[:, i] for i in range(x.shape[1])], axis=2)


class MultiHead:
    def __init__(self, d_model, h):
        if d_model < 1 or h < 1 or d_model % h != 0:
            raise ValueError("heads")
        self.d_model = d_model
        self.h = h
        self.in_w = None

    def load(self, in_w, in_b, out_w, out_b):
        d = self.d_model
        if in_w.shape != (3 * d, d) or in_b.shape != (3 * d,) or out_w.shape != (d, d) or out_b.shape != (d,):
            raise ValueError("shape")
        self.in_w = in_w.clone()
        self.in_b = in_b.clone()
        self.out_w = out_w.clone()
        self.out_b = out_b.clone()

    def forward(self, xq, xkv, mask=None):
        if self.in_w is None:
            raise ValueError("no weights")
        if xq.ndim != 3 or xkv.ndim != 3 or len(xq) != len(xkv):
            raise ValueError("batch")
        if xq.shape[2] != self.d_model or xkv.shape[2] != self.d_model:
            raise ValueError("width")
        N, Lq, d = xq.shape
        Lk = xkv.shape[1]
        if mask is not None:
            if mask.dtype is not torch.bool:
                raise ValueError("mask type")
            if mask.ndim == 3:
                mask = mask[:, None]
            try:
                mask = mask.expand(N, self.h, Lq, Lk)
            except RuntimeError:
                raise ValueError("mask shape")
        size = d // self.h
        batch = []
        for n in range(N):
            heads = []
            for i in range(self.h):
                part = [slice(block * d + i * size, block * d + (i + 1) * size) for block in range(3)]
                q = xq[n] @ self.in_w[part[0]].T + self.in_b[part[0]]
                k = xkv[n] @ self.in_w[part[1]].T + self.in_b[part[1]]
                v = xkv[n] @ self.in_w[part[2]].T + self.in_b[part[2]]
                rows = []
                for t in range(Lq):
                    keys = range(Lk) if mask is None else [j for j in range(Lk) if mask[n, i, t, j]]
                    if len(keys) == 0:
                        rows.append(torch.zeros(size, dtype=xq.dtype))
                        continue
                    scores = torch.stack([q[t].dot(k[j]) for j in keys]) / size**0.5
                    e = (scores - scores.max()).exp()
                    rows.append(sum(w * v[j] for w, j in zip(e / e.sum(), keys)))
                heads.append(torch.stack(rows))
            batch.append(torch.cat(heads, 1) @ self.out_w.T + self.out_b)
        return torch.stack(batch)


def sinusoidal_positions(L, d):
    if L < 1 or d < 2 or d % 2 == 1:
        raise ValueError("size")
    pe = np.zeros((L, d))
    for p in range(L):
        for i in range(0, d, 2):
            pe[p, i] = math.sin(p / 10000 ** (i / d))
            pe[p, i + 1] = math.cos(p / 10000 ** (i / d))
    return pe


def nadaraya_watson(xq, x, y, bandwidth):
    if xq.ndim != 1 or x.ndim != 1 or y.ndim != 1 or len(x) != len(y) or len(x) == 0:
        raise ValueError("vectors")
    if math.isnan(bandwidth) or bandwidth < 1e-12:
        raise ValueError("bandwidth")
    result = np.empty_like(xq)
    for m in range(len(xq)):
        weights = softmax_of_list([-0.5 * ((float(xq[m]) - float(b)) / bandwidth) ** 2 for b in x])
        result[m] = sum(w * float(c) for w, c in zip(weights, y))
    return result
