"""einsum everywhere; the softmax by its logarithm, its gradient by the whole Jacobian, the layer as an nn.Module."""

from math import inf, sqrt

import numpy as np
import torch
from torch import nn


def softmax(x, axis=-1):
    with np.errstate(all="ignore"):
        top = np.max(x, axis=axis, keepdims=True)
        log_sum = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))
        return np.where(np.isneginf(x), np.zeros_like(x), np.exp(x - top - log_sum))


def _valid(q, k, v):
    try:
        np.einsum("...id,...jd,...jc->...ic", q, k, v)
    except ValueError as error:
        raise ValueError("q, k, v do not fit") from error
    if k.shape[:-1] != v.shape[:-1] or q.shape[:-2] != k.shape[:-2] or q.shape[-1] != k.shape[-1]:
        raise ValueError("q, k, v broadcast")


def sdpa(q, k, v, mask=None):
    _valid(q, k, v)
    s = np.einsum("...id,...jd->...ij", q, k / sqrt(q.shape[-1]))
    if mask is not None:
        if mask.dtype.kind != "b":
            raise ValueError("the mask is not boolean")
        if np.broadcast_shapes(mask.shape, s.shape) != s.shape:
            raise ValueError("the mask is too large")
        s[~np.broadcast_to(mask, s.shape)] = -inf
    a = softmax(s)
    return np.einsum("...ij,...jc->...ic", a, v), a


def causal_mask(Lq, Lk):
    if not (Lq > 0 and Lk > 0):
        raise ValueError("empty mask")
    return np.tril(np.ones((Lq, Lk), dtype=bool), k=Lk - Lq)


def padding_mask(lengths, L):
    n = np.array(lengths).reshape(-1, 1)
    if L <= 0 or np.any((n < 0) | (n > L)):
        raise ValueError("impossible length")
    return np.indices((len(n), L))[1] < n


def sdpa_backward(dout, q, k, v, weights):
    _valid(q, k, v)
    if weights.shape[:-1] != q.shape[:-1] or weights.shape[-1] != k.shape[-2]:
        raise ValueError("weights")
    if dout.shape[:-1] != q.shape[:-1] or dout.shape[-1] != v.shape[-1]:
        raise ValueError("dout")
    eye = np.eye(weights.shape[-1], dtype=weights.dtype)
    jacobian = np.einsum("...ij,jl->...ijl", weights, eye) - np.einsum("...ij,...il->...ijl", weights, weights)
    ds = np.einsum("...ijl,...il->...ij", jacobian, np.einsum("...ic,...lc->...il", dout, v)) / sqrt(q.shape[-1])
    return (
        np.einsum("...ij,...jd->...id", ds, k),
        np.einsum("...ij,...id->...jd", ds, q),
        np.einsum("...ij,...ic->...jc", weights, dout),
    )


def split_heads(x, h):
    if x.ndim != 3:
        raise ValueError("x is not a batch of sequences")
    if h < 1 or x.shape[2] % h:
        raise ValueError("h does not divide D")
    return np.stack(np.split(x, h, axis=2), axis=1)


def merge_heads(x):
    N, h, L, D = x.shape  # unpacking raises ValueError by itself
    out = np.empty((N, L, h, D), dtype=x.dtype)
    out[...] = np.einsum("nhld->nlhd", x)
    return out.reshape(N, L, h * D)


class MultiHead(nn.Module):
    def __init__(self, d_model, h):
        super().__init__()
        if d_model <= 0 or h <= 0 or d_model % h:
            raise ValueError("h does not divide d_model")
        self.d_model, self.h = d_model, h
        self.loaded = {}

    def load(self, in_w, in_b, out_w, out_b):
        d, h = self.d_model, self.h
        if (*in_w.shape, *in_b.shape, *out_w.shape, *out_b.shape) != (3 * d, d, 3 * d, d, d, d):
            raise ValueError("shapes")
        self.loaded = {
            "w": in_w.clone().reshape(3, h, d // h, d),
            "b": in_b.clone().reshape(3, h, 1, d // h),
            "out": out_w.clone().reshape(d, h, d // h),
            "bias": out_b.clone(),
        }

    def forward(self, xq, xkv, mask=None):
        if not self.loaded:
            raise ValueError("nothing was loaded")
        if xq.ndim != 3 or xkv.ndim != 3:
            raise ValueError("three axes, please")
        if xq.size(0) != xkv.size(0) or {xq.size(2), xkv.size(2)} != {self.d_model}:
            raise ValueError("sizes")
        w, b = self.loaded["w"], self.loaded["b"]
        q = torch.einsum("nld,hcd->nhlc", xq, w[0]) + b[0]
        k = torch.einsum("nld,hcd->nhlc", xkv, w[1]) + b[1]
        v = torch.einsum("nld,hcd->nhlc", xkv, w[2]) + b[2]
        s = torch.einsum("nhic,nhjc->nhij", q, k) * (self.d_model // self.h) ** -0.5
        a = self.attend(s, mask)
        return torch.einsum("nhij,nhjc,ehc->nie", a, v, self.loaded["out"]) + self.loaded["bias"]

    def attend(self, s, mask):
        if mask is None:
            return s.softmax(-1)
        if mask.dtype != torch.bool:
            raise ValueError("the mask is not boolean")
        if mask.ndim == 3:
            mask = mask[:, None]
        try:
            mask = torch.broadcast_to(mask, s.shape)
        except RuntimeError as error:
            raise ValueError("the mask does not fit") from error
        some = mask.any(-1, keepdim=True)
        # a row without keys is computed as if it had all of them and then multiplied by zero
        s = torch.where(mask, s, torch.where(some, torch.full_like(s, -inf), torch.zeros_like(s)))
        return s.softmax(-1) * some


def sinusoidal_positions(L, d):
    if d % 2 or d <= 0 or L <= 0:
        raise ValueError("L and d")
    pe = np.empty((L, d))
    angle = np.einsum("p,i->pi", np.arange(L), np.exp(np.arange(0, d, 2) * (-np.log(10000.0) / d)))
    pe[:, 0::2], pe[:, 1::2] = np.sin(angle), np.cos(angle)
    return pe


def nadaraya_watson(xq, x, y, bandwidth):
    if (xq.ndim, x.ndim, y.ndim) != (1, 1, 1) or not len(x) == len(y) > 0:
        raise ValueError("vectors")
    if not bandwidth >= 1e-12:
        raise ValueError("bandwidth")
    distance = np.subtract.outer(xq, x) / bandwidth
    return np.einsum("mi,i->m", softmax(-(distance**2) / 2), y)
