"""einsum on strided views; the filter gradient by spreading dy out, the input gradient by stamping filters."""

from collections import namedtuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

Geometry = namedtuple("Geometry", "height width kh kw stride pad ho wo")
Layer = namedtuple("Layer", "padded filters geometry")


def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    room = n + 2 * pad - dilation * (k - 1) - 1
    if min(k, stride, dilation) <= 0 or pad < 0 or room < 0:
        raise ValueError(f"no kernel of {k} in {n}")
    return int(np.floor(room / stride)) + 1


def geometry(height, width, kh, kw, stride, pad):
    ho = conv_out_size(height, kh, stride, pad)
    wo = conv_out_size(width, kw, stride, pad)
    return Geometry(height, width, kh, kw, stride, pad, ho, wo)


def with_border(x, pad, value=0):
    n, c, h, w = x.shape
    out = np.full((n, c, h + 2 * pad, w + 2 * pad), value, dtype=x.dtype)
    out[:, :, pad : h + pad, pad : w + pad] = x
    return out


def patches(xp, g):
    a, b, r, s = xp.strides
    shape = (*xp.shape[:2], g.ho, g.wo, g.kh, g.kw)
    return as_strided(xp, shape, (a, b, r * g.stride, s * g.stride, r, s), writeable=False)


def correlate2d(x, w):
    g = geometry(*x.shape, *w.shape, 1, 0)
    return np.einsum("ncpqij,ij->pq", patches(x[None, None], g), w)


def convolve2d(x, w):
    return correlate2d(x, np.flip(w, axis=(0, 1)))


def conv2d_forward(x, w, b, stride, pad):
    f, c, kh, kw = w.shape
    if x.shape[1] != c:
        raise ValueError("channels")
    if b.shape != (f,):
        raise ValueError("biases")
    g = geometry(x.shape[2], x.shape[3], kh, kw, stride, pad)
    xp = with_border(x, pad)
    y = np.einsum("ncpqij,fcij->nfpq", patches(xp, g), w, optimize=True)
    return y + b[None, :, None, None], Layer(xp, w, g)


def spread_out(dy, stride):
    n, f, ho, wo = dy.shape
    out = np.zeros((n, f, stride * (ho - 1) + 1, stride * (wo - 1) + 1), dtype=dy.dtype)
    out[:, :, ::stride, ::stride] = dy
    return out


def conv2d_dw(dy, cache):
    xp, _, g = cache
    spread = spread_out(dy, g.stride)
    inner = geometry(xp.shape[2], xp.shape[3], spread.shape[2], spread.shape[3], 1, 0)
    dw = np.einsum("ncijpq,nfpq->fcij", patches(xp, inner), spread, optimize=True)
    return dw[:, :, : g.kh, : g.kw]


def conv2d_db(dy, cache):
    return np.einsum("nfpq->f", dy)


def stamp(dy, w, g):
    """Lay every filter, times its output gradient, over its window."""
    n, c = dy.shape[0], w.shape[1]
    out = np.zeros((n, c, g.height + 2 * g.pad, g.width + 2 * g.pad), dtype=dy.dtype)
    for i, j in np.ndindex(g.kh, g.kw):
        rows = slice(i, i + (g.ho - 1) * g.stride + 1, g.stride)
        columns = slice(j, j + (g.wo - 1) * g.stride + 1, g.stride)
        out[:, :, rows, columns] += np.einsum("nfpq,fc->ncpq", dy, w[:, :, i, j])
    return out[:, :, g.pad : g.pad + g.height, g.pad : g.pad + g.width]


def conv2d_dx(dy, cache):
    return stamp(dy, cache.filters, cache.geometry)


def im2col(x, kh, kw, stride, pad):
    g = geometry(x.shape[2], x.shape[3], kh, kw, stride, pad)
    rows = np.einsum("ncpqij->npqcij", patches(with_border(x, pad), g))
    return np.ascontiguousarray(rows).reshape(x.shape[0] * g.ho * g.wo, x.shape[1] * kh * kw)


def col2im(cols, x_shape, kh, kw, stride, pad):
    n, c, h, w = x_shape
    g = geometry(h, w, kh, kw, stride, pad)
    values = cols.reshape(n, g.ho, g.wo, c * kh * kw)
    if values.size != cols.size or cols.shape[1] != c * kh * kw:
        raise ValueError("cols")
    identity = np.eye(c * kh * kw, dtype=cols.dtype).reshape(c * kh * kw, c, kh, kw)
    return stamp(values.transpose(0, 3, 1, 2), identity, g)


def maxpool2d_forward(x, k, stride, pad):
    if pad > k / 2:
        raise ValueError("pad")
    g = geometry(x.shape[2], x.shape[3], k, k, stride, pad)
    seen = patches(with_border(x, pad, -np.inf), g)
    y = seen.max(axis=(-2, -1))
    equal = (seen == y[..., None, None]).reshape(*y.shape, k * k)
    first = equal & (np.cumsum(equal, axis=-1) == 1)
    return y, (first.reshape(seen.shape), g)


def maxpool2d_backward(dy, cache):
    first, g = cache
    out = np.zeros((*dy.shape[:2], g.height + 2 * g.pad, g.width + 2 * g.pad), dtype=dy.dtype)
    for i, j in np.ndindex(g.kh, g.kw):
        rows = slice(i, i + (g.ho - 1) * g.stride + 1, g.stride)
        columns = slice(j, j + (g.wo - 1) * g.stride + 1, g.stride)
        out[:, :, rows, columns] += dy * first[..., i, j]
    return out[:, :, g.pad : g.pad + g.height, g.pad : g.pad + g.width]


def conv_transpose2d(x, w, stride, pad, output_padding=0):
    if x.shape[1] != w.shape[0]:
        raise ValueError("filters")
    if stride < 1 or pad < 0 or output_padding not in range(stride):
        raise ValueError("geometry")
    kh, kw = w.shape[2:]
    height = stride * (x.shape[2] - 1) + kh - 2 * pad + output_padding
    width = stride * (x.shape[3] - 1) + kw - 2 * pad + output_padding
    if height <= 0 or width <= 0:
        raise ValueError("empty")
    return stamp(x, w, geometry(height, width, kh, kw, stride, pad))
