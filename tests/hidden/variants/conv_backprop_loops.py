# loses: test_cost_of_correlation, test_cost_of_the_layer, test_cost_of_the_filter_gradient, test_cost_of_the_input_gradient, test_cost_of_im2col, test_cost_of_col2im, test_cost_of_pooling, test_cost_of_the_pooling_gradient, test_cost_of_the_transposed_convolution
"""Explicit loops over positions, straight from the definitions; the caches are dicts."""

import itertools

import numpy as np


def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    if k < 1 or stride < 1 or dilation < 1 or pad < 0:
        raise ValueError("bad argument")
    span = dilation * (k - 1) + 1
    count = 0
    start = -pad
    while start + span <= n + pad:
        count += 1
        start += stride
    if count == 0:
        raise ValueError("no position fits")
    return count


def correlate2d(x, w):
    ho, wo = conv_out_size(x.shape[0], w.shape[0]), conv_out_size(x.shape[1], w.shape[1])
    y = np.empty((ho, wo), dtype=x.dtype)
    for p in range(ho):
        for q in range(wo):
            y[p, q] = np.sum(x[p : p + w.shape[0], q : q + w.shape[1]] * w)
    return y


def convolve2d(x, w):
    kh, kw = w.shape
    ho, wo = conv_out_size(x.shape[0], kh), conv_out_size(x.shape[1], kw)
    y = np.zeros((ho, wo), dtype=x.dtype)
    for p in range(ho):
        for q in range(wo):
            for i in range(kh):
                for j in range(kw):
                    y[p, q] += w[i, j] * x[p + kh - 1 - i, q + kw - 1 - j]
    return y


def clipped(start, k, n):
    """The part of [start, start + k) inside [0, n), and where it lies in the kernel."""
    first, last = max(start, 0), min(start + k, n)
    last = max(first, last)
    return slice(first, last), slice(first - start, last - start)


def conv2d_forward(x, w, b, stride, pad):
    if x.shape[1] != w.shape[1] or b.shape != (w.shape[0],):
        raise ValueError("shapes do not fit")
    (n, _, h, width), (f, _, kh, kw) = x.shape, w.shape
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(width, kw, stride, pad)
    y = np.empty((n, f, ho, wo), dtype=x.dtype)
    for p, q in itertools.product(range(ho), range(wo)):
        rows, kernel_rows = clipped(p * stride - pad, kh, h)  # no padded copy: the zeros add nothing
        columns, kernel_columns = clipped(q * stride - pad, kw, width)
        for a, g in itertools.product(range(n), range(f)):
            y[a, g, p, q] = (x[a, :, rows, columns] * w[g, :, kernel_rows, kernel_columns]).sum() + b[g]
    return y, {"x": x, "w": w, "stride": stride, "pad": pad}


def conv2d_dw(dy, cache):
    x, w, stride, pad = cache["x"], cache["w"], cache["stride"], cache["pad"]
    dw = np.zeros(w.shape, dtype=dy.dtype)
    for a, g, p, q in itertools.product(*map(range, dy.shape)):
        rows, kernel_rows = clipped(p * stride - pad, w.shape[2], x.shape[2])
        columns, kernel_columns = clipped(q * stride - pad, w.shape[3], x.shape[3])
        dw[g, :, kernel_rows, kernel_columns] += dy[a, g, p, q] * x[a, :, rows, columns]
    return dw


def conv2d_db(dy, cache):
    return np.array([sum(dy[a, g].sum() for a in range(dy.shape[0])) for g in range(dy.shape[1])], dtype=dy.dtype)


def conv2d_dx(dy, cache):
    x, w, stride, pad = cache["x"], cache["w"], cache["stride"], cache["pad"]
    dx = np.zeros(x.shape, dtype=dy.dtype)
    for a, g, p, q in itertools.product(*map(range, dy.shape)):
        rows, kernel_rows = clipped(p * stride - pad, w.shape[2], x.shape[2])
        columns, kernel_columns = clipped(q * stride - pad, w.shape[3], x.shape[3])
        dx[a, :, rows, columns] += dy[a, g, p, q] * w[g, :, kernel_rows, kernel_columns]
    return dx


def im2col(x, kh, kw, stride, pad):
    n, c, h, w = x.shape
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(w, kw, stride, pad)
    xp = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=x.dtype)
    xp[:, :, pad : pad + h, pad : pad + w] = x
    cols = np.empty((n * ho * wo, c * kh * kw), dtype=x.dtype)
    row = 0
    for a in range(n):
        for p in range(0, ho * stride, stride):
            for q in range(0, wo * stride, stride):
                cols[row] = xp[a, :, p : p + kh, q : q + kw].ravel()
                row += 1
    return cols


def col2im(cols, x_shape, kh, kw, stride, pad):
    n, c, h, w = x_shape
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(w, kw, stride, pad)
    if cols.shape != (n * ho * wo, c * kh * kw):
        raise ValueError("cols does not fit")
    x = np.zeros(x_shape, dtype=cols.dtype)
    row = 0
    for a in range(n):
        for p in range(ho):
            for q in range(wo):
                window = cols[row].reshape(c, kh, kw)
                row += 1
                for i in range(kh):
                    for j in range(kw):
                        r, s = p * stride + i - pad, q * stride + j - pad
                        if 0 <= r < h and 0 <= s < w:
                            x[a, :, r, s] += window[:, i, j]
    return x


def maxpool2d_forward(x, k, stride, pad):
    n, c, h, w = x.shape
    ho, wo = conv_out_size(h, k, stride, pad), conv_out_size(w, k, stride, pad)
    if 2 * pad > k:
        raise ValueError("too much padding")
    y = np.empty((n, c, ho, wo), dtype=x.dtype)
    winners = {}
    for a, d, p, q in itertools.product(range(n), range(c), range(ho), range(wo)):
        best = None
        for r in range(max(p * stride - pad, 0), min(p * stride - pad + k, h)):
            for s in range(max(q * stride - pad, 0), min(q * stride - pad + k, w)):
                if best is None or x[a, d, r, s] > x[a, d, best[0], best[1]]:
                    best = (r, s)
        winners[a, d, p, q] = best
        y[a, d, p, q] = x[a, d, best[0], best[1]]
    return y, {"winners": winners, "shape": x.shape}


def maxpool2d_backward(dy, cache):
    dx = np.zeros(cache["shape"], dtype=dy.dtype)
    for (a, d, p, q), (r, s) in cache["winners"].items():
        dx[a, d, r, s] += dy[a, d, p, q]
    return dx


def conv_transpose2d(x, w, stride, pad, output_padding=0):
    (n, f, h, width), (f2, c, kh, kw) = x.shape, w.shape
    if f != f2 or stride < 1 or pad < 0 or output_padding < 0 or output_padding >= stride:
        raise ValueError("bad argument")
    height_out = (h - 1) * stride + kh - 2 * pad + output_padding
    width_out = (width - 1) * stride + kw - 2 * pad + output_padding
    if height_out < 1 or width_out < 1:
        raise ValueError("nothing is left")
    y = np.zeros((n, c, height_out, width_out), dtype=x.dtype)
    for a, g, p, q in itertools.product(range(n), range(f), range(h), range(width)):
        rows, kernel_rows = clipped(p * stride - pad, kh, height_out)
        columns, kernel_columns = clipped(q * stride - pad, kw, width_out)
        y[a, :, rows, columns] += x[a, g, p, q] * w[g, :, kernel_rows, kernel_columns]
    return y
