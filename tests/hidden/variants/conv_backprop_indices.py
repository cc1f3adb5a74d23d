"""Fancy indices and one matrix product per layer; overlaps by np.add.at; the caches are dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class ConvCache:
    cols: np.ndarray
    filters: np.ndarray
    image_shape: tuple[int, ...]
    stride: int
    pad: int


@dataclass
class PoolCache:
    flat_index: np.ndarray
    image_shape: tuple[int, ...]


def conv_out_size(n: int, k: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> int:
    if k <= 0 or stride <= 0 or dilation <= 0:
        raise ValueError("must be positive")
    if pad < 0:
        raise ValueError("must not be negative")
    span = dilation * (k - 1) + 1
    if span > n + 2 * pad:
        raise ValueError("does not fit")
    return (n + 2 * pad - span + stride) // stride


def correlate2d(x, w):
    (h, width), (kh, kw) = x.shape, w.shape
    if kh > h or kw > width:
        raise ValueError("kernel too large")
    rows = np.arange(h - kh + 1)[:, None] + np.arange(kh)  # (Ho, kh)
    columns = np.arange(width - kw + 1)[:, None] + np.arange(kw)  # (Wo, kw)
    gathered = x[rows[:, None, :, None], columns[None, :, None, :]]  # (Ho, Wo, kh, kw)
    return gathered.reshape(h - kh + 1, width - kw + 1, kh * kw) @ w.ravel()


def convolve2d(x, w):
    return correlate2d(x, np.rot90(w, 2))


def window_indices(h, w, kh, kw, stride, pad):
    """Row and column in the padded image of every entry of every window: (Ho * Wo, kh * kw) each."""
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(w, kw, stride, pad)
    top = stride * np.repeat(np.arange(ho), wo)
    left = stride * np.tile(np.arange(wo), ho)
    i = np.repeat(np.arange(kh), kw)
    j = np.tile(np.arange(kw), kh)
    return top[:, None] + i, left[:, None] + j, ho, wo


def im2col(x, kh, kw, stride, pad):
    n, c, h, w = x.shape
    rows, columns, ho, wo = window_indices(h, w, kh, kw, stride, pad)
    xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    return xp[:, :, rows, columns].transpose(0, 2, 1, 3).reshape(n * ho * wo, c * kh * kw)


def col2im(cols, x_shape, kh, kw, stride, pad):
    n, c, h, w = x_shape
    rows, columns, ho, wo = window_indices(h, w, kh, kw, stride, pad)
    if cols.shape != (n * ho * wo, c * kh * kw):
        raise ValueError("shape of cols")
    xp = np.zeros((n, c, h + 2 * pad, w + 2 * pad), cols.dtype)
    entries = cols.reshape(n, ho * wo, c, kh * kw).transpose(0, 2, 1, 3)
    np.add.at(xp, (slice(None), slice(None), rows, columns), entries)
    return xp[:, :, pad : pad + h, pad : pad + w].copy()


def conv2d_forward(x, w, b, stride, pad):
    n, c, h, width = x.shape
    f, channels, kh, kw = w.shape
    if c != channels or b.ndim != 1 or len(b) != f:
        raise ValueError("shapes")
    cols = im2col(x, kh, kw, stride, pad)
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(width, kw, stride, pad)
    y = (cols @ w.reshape(f, -1).T + b).reshape(n, ho, wo, f)
    return np.ascontiguousarray(np.moveaxis(y, 3, 1)), ConvCache(cols, w, x.shape, stride, pad)


def as_rows(dy):
    """dy with one row per position and one column per filter."""
    return np.moveaxis(dy, 1, 3).reshape(-1, dy.shape[1])


def conv2d_dw(dy, cache):
    return (as_rows(dy).T @ cache.cols).reshape(cache.filters.shape)


def conv2d_db(dy, cache):
    return as_rows(dy).sum(axis=0)


def conv2d_dx(dy, cache):
    f, _, kh, kw = cache.filters.shape
    dcols = as_rows(dy) @ cache.filters.reshape(f, -1)
    return col2im(dcols, cache.image_shape, kh, kw, cache.stride, cache.pad)


def maxpool2d_forward(x, k, stride, pad):
    n, c, h, w = x.shape
    rows, columns, ho, wo = window_indices(h, w, k, k, stride, pad)
    if 2 * pad > k:
        raise ValueError("pad")
    # instead of padding: entries outside the image are looked up somewhere and then made to lose
    real_rows, real_columns = rows - pad, columns - pad
    outside = (real_rows < 0) | (real_rows >= h) | (real_columns < 0) | (real_columns >= w)
    real_rows, real_columns = real_rows.clip(0, h - 1), real_columns.clip(0, w - 1)
    entries = np.where(outside, x.dtype.type(-np.inf), x[:, :, real_rows, real_columns])
    winner = entries.argmax(axis=3)  # (N, C, Ho * Wo)
    position = np.arange(ho * wo)
    flat = real_rows[position, winner] * w + real_columns[position, winner]
    y = np.take_along_axis(x.reshape(n, c, h * w), flat, axis=2).reshape(n, c, ho, wo)
    return y, PoolCache(flat, x.shape)


def maxpool2d_backward(dy, cache):
    n, c, h, w = cache.image_shape
    dx = np.zeros((n, c, h * w), dy.dtype)
    examples, channels = np.ogrid[:n, :c]
    np.add.at(dx, (examples[..., None], channels[..., None], cache.flat_index), dy.reshape(n, c, -1))
    return dx.reshape(n, c, h, w)


def conv_transpose2d(x, w, stride, pad, output_padding=0):
    n, f, h, width = x.shape
    filters, c, kh, kw = w.shape
    if f != filters or stride < 1 or pad < 0 or not 0 <= output_padding <= stride - 1:
        raise ValueError("arguments")
    height_out = (h - 1) * stride - 2 * pad + kh + output_padding
    width_out = (width - 1) * stride - 2 * pad + kw + output_padding
    if min(height_out, width_out) < 1:
        raise ValueError("no pixels")
    entries = as_rows(x) @ w.reshape(f, c * kh * kw)
    return col2im(entries, (n, c, height_out, width_out), kh, kw, stride, pad)
