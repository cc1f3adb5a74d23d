"""Attention: soft look-up by similarity, its gradient, several heads, positions, and its oldest form.

Everything is NumPy except `MultiHead`, which takes and returns torch tensors.
A mask is an array of booleans, and True means "may attend".
A query that may attend to nothing has zero weights, a zero output and a zero gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Positive weights that sum to 1 along one axis, computed without overflow.

    Args:
        x: scores, float array with at least one axis; every entry is finite or −inf.
        axis: the axis to normalise over; it has at least one entry.

    Returns:
        exp(x) / sum of exp(x) along `axis`: a new array of the shape and dtype of x.
        An entry of −inf gets weight 0; a slice in which every entry is −inf gets zeros throughout.
        Finite scores of any size up to 1e300 overflow nowhere.

    Source: Bridle 1990; the shift by the maximum is in Goodfellow, Bengio and Courville, Deep Learning, 4.1.
    """
    ### BEGIN SOLUTION
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)  # −inf − (−inf) would be nan
    e = np.exp(x - top)
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)  # an empty slice stays at zero
    ### END SOLUTION


### BEGIN SOLUTION
def _require_fit(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> None:
    if not (q.shape[:-2] == k.shape[:-2] == v.shape[:-2]):
        raise ValueError(f"leading axes differ: {q.shape}, {k.shape}, {v.shape}")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"queries have width {q.shape[-1]}, keys {k.shape[-1]}")
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"there are {k.shape[-2]} keys and {v.shape[-2]} values")


### END SOLUTION


def sdpa(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Scaled dot-product attention.

    Args:
        q: queries, (…, Lq, d) float. The leading axes "…" (none, one, two, …) are the same in q, k and v.
        k: keys, (…, Lk, d), of the dtype of q.
        v: values, (…, Lk, dv), of the dtype of q.
        mask: boolean array that broadcasts to (…, Lq, Lk), True where query i may attend to key j;
            None lets every query attend to every key.

    Returns:
        (out, weights): out (…, Lq, dv) and weights (…, Lq, Lk), both of the dtype of q.
        weights = softmax(q kᵀ / √d) over the allowed keys, out = weights · v.
        Every weight is ≥ 0, a masked one exactly 0, and each row sums to 1;
        the row of a query that may attend to nothing is zero in weights and in out.
        Finite numbers up to 1e100 in masked keys and values (float64) have no effect.

    Raises:
        ValueError: the leading axes differ; q and k differ in width; k and v differ in length;
            mask is not boolean, or does not broadcast to (…, Lq, Lk).

    Source: Vaswani et al. 2017, arXiv 1706.03762, eq. 1.
    """
    ### BEGIN SOLUTION
    _require_fit(q, k, v)
    scores = q @ k.mT / math.sqrt(q.shape[-1])  # (…, Lq, Lk)
    if mask is not None:
        if mask.dtype != bool:
            raise ValueError(f"the mask must be boolean, not {mask.dtype}")
        scores = np.where(np.broadcast_to(mask, scores.shape), scores, -np.inf)
    weights = softmax(scores)
    return weights @ v, weights
    ### END SOLUTION


def causal_mask(Lq: int, Lk: int) -> np.ndarray:
    """Mask that hides the future when the queries are the last Lq of Lk tokens.

    Args:
        Lq: number of queries, ≥ 1.
        Lk: number of keys, ≥ 1.

    Returns:
        (Lq, Lk) bool: entry (i, j) is True where j ≤ i + Lk − Lq.
        The last query sees every key. With Lq > Lk the first Lq − Lk rows are False throughout.

    Raises:
        ValueError: Lq < 1 or Lk < 1.

    Source: Vaswani et al. 2017, section 3.2.3.
    """
    ### BEGIN SOLUTION
    if Lq < 1 or Lk < 1:
        raise ValueError(f"a mask needs at least one query and one key, not {Lq} and {Lk}")
    return np.arange(Lk) <= np.arange(Lq)[:, None] + Lk - Lq
    ### END SOLUTION


def padding_mask(lengths: Sequence[int] | np.ndarray, L: int) -> np.ndarray:
    """Mask that hides the padding behind sequences of different lengths.

    Args:
        lengths: N integers (a list, a tuple or a 1-D integer array), 0 ≤ lengths[n] ≤ L.
        L: the padded length, ≥ 1.

    Returns:
        (N, L) bool: entry (n, j) is True for the first lengths[n] positions.
        For scores of shape (N, Lq, L) use it as `padding_mask(lengths, L)[:, None, :]`.

    Raises:
        ValueError: L < 1, or a length below 0 or above L.
    """
    ### BEGIN SOLUTION
    lengths = np.asarray(lengths)
    if L < 1 or (lengths < 0).any() or (lengths > L).any():
        raise ValueError(f"lengths must lie between 0 and L = {L}, and L must be at least 1")
    return np.arange(L) < lengths[:, None]
    ### END SOLUTION


def sdpa_backward(
    dout: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of scaled dot-product attention.

    Args:
        dout: gradient with respect to out, (…, Lq, dv) float.
        q, k, v: the inputs of the forward pass, (…, Lq, d), (…, Lk, d), (…, Lk, dv).
        weights: the weights that `sdpa` returned for them, (…, Lq, Lk).
            No mask is passed: a masked weight is 0, and that is all the gradient needs.

    Returns:
        (dq, dk, dv) of the shapes and dtype of q, k, v.
        A query without keys, a masked key and a masked value get a gradient of exactly 0,
        and finite numbers up to 1e100 in masked keys and values (float64) have no effect.

    Raises:
        ValueError: q, k, v do not fit together (as in `sdpa`), weights is not (…, Lq, Lk),
            or dout is not (…, Lq, dv).

    Source: the chain rule through Vaswani et al. 2017, eq. 1; derived in the handout.
    """
    ### BEGIN SOLUTION
    _require_fit(q, k, v)
    if weights.shape != (*q.shape[:-1], k.shape[-2]):
        raise ValueError(f"weights have shape {weights.shape}")
    if dout.shape != (*q.shape[:-1], v.shape[-1]):
        raise ValueError(f"dout has shape {dout.shape}")
    scale = 1 / math.sqrt(q.shape[-1])
    da = dout @ v.mT  # (…, Lq, Lk)
    ds = weights * (da - (weights * da).sum(axis=-1, keepdims=True))  # softmax couples a whole row
    dq = ds @ k * scale
    dk = ds.mT @ q * scale
    dv = weights.mT @ dout
    return dq, dk, dv
    ### END SOLUTION


def split_heads(x: np.ndarray, h: int) -> np.ndarray:
    """Cut the last axis into h contiguous slices, one for each head.

    Args:
        x: (N, L, D) array.
        h: number of heads, a divisor of D.

    Returns:
        (N, h, L, D/h) array of the dtype of x: head i holds x[:, :, i·D/h : (i+1)·D/h].
        It is a copy: it shares no memory with x, not even for h = 1 or L = 1.

    Raises:
        ValueError: x does not have three axes, h < 1, or h does not divide D.
    """
    ### BEGIN SOLUTION
    N, L, D = x.shape  # a ValueError, unless there are three axes
    if h < 1:
        raise ValueError(f"cannot split {D} columns into {h} heads")
    return x.reshape(N, L, h, D // h).transpose(0, 2, 1, 3).copy()  # a ValueError, unless h divides D
    ### END SOLUTION


def merge_heads(x: np.ndarray) -> np.ndarray:
    """Put the heads side by side again: the inverse of `split_heads`.

    Args:
        x: (N, h, L, Dh) array.

    Returns:
        (N, L, h·Dh) array of the dtype of x, with head i in columns i·Dh to (i+1)·Dh.
        It is a copy: it shares no memory with x.

    Raises:
        ValueError: x does not have four axes.
    """
    ### BEGIN SOLUTION
    N, h, L, Dh = x.shape  # a ValueError, unless there are four axes
    return x.transpose(0, 2, 1, 3).copy().reshape(N, L, h * Dh)
    ### END SOLUTION


class MultiHead:
    """Multi-head attention on torch tensors, with given weights.

    Three full-width maps make queries, keys and values (d_model → d_model each, with bias),
    each result is split into h contiguous slices of width d_model / h, every head attends with its own slice
    (scores divided by √(d_model / h)), the heads are put side by side, and a fourth map with bias mixes them.
    The names and shapes of the weights are those of `torch.nn.MultiheadAttention`.
    Neither that module nor `torch.nn.functional.scaled_dot_product_attention` may be called.

    Source: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, d_model: int, h: int) -> None:
        """Fix the width and the number of heads; the weights come with `load`.

        Args:
            d_model: width of the embeddings, ≥ 1.
            h: number of heads, a divisor of d_model.

        Raises:
            ValueError: d_model < 1, h < 1, or h does not divide d_model.
        """
        ### BEGIN SOLUTION
        if d_model < 1 or h < 1 or d_model % h:
            raise ValueError(f"{h} heads do not divide a width of {d_model}")
        self.d_model, self.h = d_model, h
        self.weights: tuple[torch.Tensor, ...] | None = None
        ### END SOLUTION

    def load(self, in_w: torch.Tensor, in_b: torch.Tensor, out_w: torch.Tensor, out_b: torch.Tensor) -> None:
        """Take copies of the weights; an earlier set is forgotten.

        The copies stay in the autograd graph of the tensors given (`clone`, not `detach` or `nn.Parameter`):
        the gradient of a later output reaches the tensors that were passed in here.
        Writing to those tensors afterwards changes nothing in this object.

        Args:
            in_w: (3·d_model, d_model); its three blocks of d_model rows make queries, keys and values:
                a token x becomes x W_blockᵀ + b_block.
            in_b: (3·d_model,), in the same order.
            out_w: (d_model, d_model), used as x out_wᵀ + out_b.
            out_b: (d_model,).

        Raises:
            ValueError: a tensor of another shape.
        """
        ### BEGIN SOLUTION
        d = self.d_model
        given = (in_w, in_b, out_w, out_b)
        if [tuple(t.shape) for t in given] != [(3 * d, d), (3 * d,), (d, d), (d,)]:
            raise ValueError(f"shapes {[tuple(t.shape) for t in given]} do not fit d_model = {d}")
        self.weights = tuple(t.clone() for t in given)
        ### END SOLUTION

    def forward(self, xq: torch.Tensor, xkv: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Let the tokens of xq attend to the tokens of xkv (pass the same tensor twice for self-attention).

        Args:
            xq: (N, Lq, d_model) float tensor.
            xkv: (N, Lk, d_model) tensor of the same dtype.
            mask: boolean tensor, True where a query may attend to a key; None allows everything. Its shape is
                with one or two axes one that broadcasts to (Lq, Lk): the same for every example and head;
                with three axes one that broadcasts to (N, Lq, Lk): the same for every head;
                with four axes one that broadcasts to (N, h, Lq, Lk).

        Returns:
            (N, Lq, d_model) tensor of the dtype of xq: the output alone.
            It is differentiable in xq, xkv and the tensors given to `load`.
            A query without keys gives out_b, and its gradients are finite.
            Finite numbers up to 1e100 in tokens of xkv (float64) that no query may attend to have no effect.

        Raises:
            ValueError: nothing has been loaded; xq or xkv does not have three axes or the width d_model;
                their batch sizes differ; mask is not boolean or its shape is none of the three kinds.
        """
        ### BEGIN SOLUTION
        if self.weights is None:
            raise ValueError("load the weights first")
        if xq.dim() != 3 or xkv.dim() != 3 or xq.shape[0] != xkv.shape[0]:
            raise ValueError(f"cannot attend from shape {tuple(xq.shape)} to {tuple(xkv.shape)}")
        if xq.shape[2] != self.d_model or xkv.shape[2] != self.d_model:
            raise ValueError(f"tokens must have width {self.d_model}")
        in_w, in_b, out_w, out_b = self.weights
        wq, wk, wv = in_w.chunk(3)
        bq, bk, bv = in_b.chunk(3)
        q, k, v = (_heads(x @ w.T + b, self.h) for x, w, b in ((xq, wq, bq), (xkv, wk, bk), (xkv, wv, bv)))
        scores = q @ k.mT / math.sqrt(q.shape[-1])  # (N, h, Lq, Lk)
        if mask is None:
            weights = torch.softmax(scores, dim=-1)
        else:
            hidden = ~_mask_for_heads(mask, scores.shape)
            weights = torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1)
            weights = weights.masked_fill(hidden, 0.0)  # a row without keys is nan until here
        heads = (weights @ v).permute(0, 2, 1, 3).reshape(xq.shape)  # side by side again
        return heads @ out_w.T + out_b
        ### END SOLUTION


### BEGIN SOLUTION
def _heads(x: torch.Tensor, h: int) -> torch.Tensor:
    return x.reshape(*x.shape[:2], h, -1).permute(0, 2, 1, 3)  # (N, h, L, d_model/h)


def _mask_for_heads(mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    if mask.dtype != torch.bool:
        raise ValueError(f"the mask must be boolean, not {mask.dtype}")
    wide = mask.unsqueeze(1) if mask.dim() == 3 else mask  # (N, Lq, Lk) says nothing about heads
    sizes = zip(reversed(wide.shape), reversed(shape), strict=False)
    if wide.dim() > 4 or any(m not in (1, s) for m, s in sizes):
        raise ValueError(f"a mask of shape {tuple(mask.shape)} does not fit scores of shape {tuple(shape)}")
    return wide


### END SOLUTION


def sinusoidal_positions(L: int, d: int) -> np.ndarray:
    """Position vectors made of sines and cosines of geometrically spaced frequencies.

    Args:
        L: number of positions, ≥ 1; positions count from 0.
        d: width, even and ≥ 2.

    Returns:
        (L, d) float64: PE[p, 2i] = sin(p / 10000^(2i/d)), PE[p, 2i+1] = cos(p / 10000^(2i/d)).
        Float32 costs half a point, in one check.

    Raises:
        ValueError: L < 1, d < 2, or d odd.

    Source: Vaswani et al. 2017, section 3.5.
    """
    ### BEGIN SOLUTION
    pairs, odd = divmod(d, 2)
    if L < 1 or pairs < 1 or odd:
        raise ValueError(f"need L ≥ 1 and an even d ≥ 2, not {L} and {d}")
    frequency = 10000.0 ** (-2 * np.arange(pairs) / d)
    angle = np.arange(L)[:, None] * frequency  # (L, pairs)
    return np.stack((np.sin(angle), np.cos(angle)), axis=-1).reshape(L, 2 * pairs)
    ### END SOLUTION


def nadaraya_watson(xq: np.ndarray, x: np.ndarray, y: np.ndarray, bandwidth: float) -> np.ndarray:
    """Kernel regression: each prediction is an average of y, weighted by nearness in x.

    Args:
        xq: (M,) float, where to predict.
        x: (n,) float, n ≥ 1, where y was observed.
        y: (n,) float, the observations.
        bandwidth: Python float ≥ 1e-12, the width of the Gaussian kernel, in the unit of x.

    Returns:
        (M,) array of the dtype of xq: Σᵢ wᵢ yᵢ with w = softmax over i of −½ ((xq − xᵢ) / bandwidth)².
        It stays finite where every kernel exp(−½ …) underflows: then the nearest observation decides.

    Raises:
        ValueError: an argument with other than one axis; x and y of different lengths, or empty;
            bandwidth below 1e-12 or nan.

    Source: Nadaraya 1964; Watson 1964.
    """
    ### BEGIN SOLUTION
    if xq.ndim != 1 or x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"need vectors, x and y of one length, not {xq.shape}, {x.shape}, {y.shape}")
    if not bandwidth >= 1e-12:  # also refuses nan
        raise ValueError(f"the bandwidth must be at least 1e-12, not {bandwidth}")
    scores = -0.5 * ((xq[:, None] - x) / bandwidth) ** 2  # (M, n)
    return softmax(scores) @ y  # of no scores there is no maximum: a ValueError
    ### END SOLUTION
