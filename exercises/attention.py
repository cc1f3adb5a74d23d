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
    raise NotImplementedError("softmax")


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
    raise NotImplementedError("sdpa")


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
    raise NotImplementedError("causal_mask")


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
    raise NotImplementedError("padding_mask")


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
    raise NotImplementedError("sdpa_backward")


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
    raise NotImplementedError("split_heads")


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
    raise NotImplementedError("merge_heads")


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
        raise NotImplementedError("MultiHead.__init__")

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
        raise NotImplementedError("MultiHead.load")

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
        raise NotImplementedError("MultiHead.forward")


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
    raise NotImplementedError("sinusoidal_positions")


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
    raise NotImplementedError("nadaraya_watson")
