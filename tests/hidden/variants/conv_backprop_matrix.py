"""Every layer as the matrix that it is, built from the positions of the windows; gradients are its transpose.

The caches are closures.
"""

import math

import numpy as np


def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    if k < 1 or stride < 1 or pad < 0 or dilation < 1:
        raise ValueError("bad argument")
    size = math.floor((n + 2 * pad - (k - 1) * dilation - 1) / stride + 1)
    if size < 1:
        raise ValueError("no room")
    return size


def axis_matrix(n, k, stride, pad):
    """S[p, i, r] = 1 where tap i of position p meets pixel r: (positions, k, n)."""
    p, i, r = np.ogrid[: conv_out_size(n, k, stride, pad), :k, :n]
    return stride * p + i - pad == r


def window_tensors(shape, kh, kw, stride, pad, dtype):
    rows = axis_matrix(shape[2], kh, stride, pad).astype(dtype)
    columns = axis_matrix(shape[3], kw, stride, pad).astype(dtype)
    return rows, columns


def layer_matrix(w, rows, columns):
    """M[(f, p, q), (c, r, s)], the layer without its bias."""
    m = np.einsum("fcij,pir,qjs->fpqcrs", w, rows, columns, optimize=True)
    return m.reshape(m.shape[0] * m.shape[1] * m.shape[2], -1)


def correlate2d(x, w):
    if w.shape[0] > x.shape[0] or w.shape[1] > x.shape[1]:
        raise ValueError("kernel larger than the image")
    rows, columns = window_tensors((1, 1, *x.shape), *w.shape, 1, 0, x.dtype)
    return (layer_matrix(w[None, None], rows, columns) @ x.ravel()).reshape(rows.shape[0], columns.shape[0])


def convolve2d(x, w):
    return correlate2d(x, w[::-1][:, ::-1])


def conv2d_forward(x, w, b, stride, pad):
    if x.shape[1] != w.shape[1] or b.shape != (len(w),):
        raise ValueError("shapes")
    rows, columns = window_tensors(x.shape, *w.shape[2:], stride, pad, x.dtype)
    matrix = layer_matrix(w, rows, columns)
    y = (x.reshape(len(x), -1) @ matrix.T).reshape(len(x), len(w), rows.shape[0], columns.shape[0])

    def backward(dy, which):
        if which == "x":
            return (dy.reshape(len(dy), -1) @ matrix).reshape(x.shape)
        if which == "w":
            return np.einsum("nfpq,pir,qjs,ncrs->fcij", dy, rows, columns, x, optimize=True)
        return dy.sum((0, 2, 3))

    return y + b.reshape(-1, 1, 1), backward


def conv2d_dw(dy, cache):
    return cache(dy, "w")


def conv2d_db(dy, cache):
    return cache(dy, "b")


def conv2d_dx(dy, cache):
    return cache(dy, "x")


def im2col(x, kh, kw, stride, pad):
    rows, columns = window_tensors(x.shape, kh, kw, stride, pad, x.dtype)
    cols = np.einsum("pir,qjs,ncrs->npqcij", rows, columns, x, optimize=True)
    return cols.reshape(-1, x.shape[1] * kh * kw)


def col2im(cols, x_shape, kh, kw, stride, pad):
    n, c, _, _ = x_shape
    rows, columns = window_tensors(x_shape, kh, kw, stride, pad, cols.dtype)
    if cols.shape != (n * len(rows) * len(columns), c * kh * kw):
        raise ValueError("shape of cols")
    entries = cols.reshape(n, len(rows), len(columns), c, kh, kw)
    return np.einsum("pir,qjs,npqcij->ncrs", rows, columns, entries, optimize=True)


def maxpool2d_forward(x, k, stride, pad):
    rows, columns = axis_matrix(x.shape[2], k, stride, pad), axis_matrix(x.shape[3], k, stride, pad)
    if 2 * pad > k:
        raise ValueError("pad")
    inside = (rows.any(1)[:, None, :, None] & columns.any(1)[None, :, None, :])[None, None]  # (1,1,Ho,Wo,H,W)
    masked = np.where(inside, x[:, :, None, None], -np.inf).astype(x.dtype)
    flat = masked.reshape(*masked.shape[:4], -1)  # row-major over the image is row-major over the window
    winner = flat.argmax(-1)

    def backward(dy):
        one_hot = winner[..., None] == np.arange(x.shape[2] * x.shape[3])
        return (dy[..., None] * one_hot).sum((2, 3)).reshape(x.shape)

    return flat.max(-1), backward


def maxpool2d_backward(dy, cache):
    return cache(dy)


def conv_transpose2d(x, w, stride, pad, output_padding=0):
    if x.shape[1] != len(w) or stride < 1 or pad < 0 or not 0 <= output_padding < stride:
        raise ValueError("bad argument")
    h, width = [(n - 1) * stride + k - 2 * pad + output_padding for n, k in zip(x.shape[2:], w.shape[2:])]
    if h < 1 or width < 1:
        raise ValueError("empty result")
    rows, columns = window_tensors((0, 0, h, width), *w.shape[2:], stride, pad, x.dtype)
    return (x.reshape(len(x), -1) @ layer_matrix(w, rows, columns)).reshape(len(x), -1, h, width)
