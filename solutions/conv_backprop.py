"""Convolution layers and their gradients, in NumPy.

Images are batch-first and channel-first: N examples, C channels, H rows, W columns.
A layer has F filters of kh x kw weights per channel; its output has Ho rows and Wo columns.
Arrays that are passed together share one float dtype (float32 or float64), and results have that dtype.
No function writes to its arguments, and no result shares memory with them.
A cache is whatever a forward function needs to remember; it may refer to the inputs, and only the
matching backward functions read it. Backward functions do not change it, so they may be called again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Cache = Any


def conv_out_size(n: int, k: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> int:
    """Number of positions at which a kernel fits along one axis.

    Args:
        n: length of the input along the axis, in pixels, at least 1.
        k: number of kernel taps along the axis, at least 1.
        stride: step between neighbouring positions, at least 1.
        pad: pixels added at each of the two ends, at least 0.
        dilation: distance between neighbouring taps, at least 1; the kernel then spans
            dilation * (k - 1) + 1 pixels.

    Returns:
        floor((n + 2 pad - dilation (k - 1) - 1) / stride) + 1, an integer of at least 1.

    Raises:
        ValueError: the kernel fits nowhere (the size would be less than 1), k, stride or dilation is less
            than 1, or pad is negative.

    Source: Dumoulin and Visin 2016, arXiv:1603.07285, relationships 6 and 15.
    """
    ### BEGIN SOLUTION
    if k < 1 or stride < 1 or dilation < 1:
        raise ValueError("k, stride and dilation must be at least 1")
    if pad < 0:
        raise ValueError("pad must not be negative")
    size = (n + 2 * pad - dilation * (k - 1) - 1) // stride + 1
    if size < 1:
        raise ValueError("the kernel is larger than the padded input")
    return size
    ### END SOLUTION


def correlate2d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Valid cross-correlation of one image with one kernel.

    y[a, b] = sum over i, j of w[i, j] * x[a + i, b + j], wherever the kernel lies inside the image.

    Args:
        x: image, (H, W) float.
        w: kernel, (kh, kw) float.

    Returns:
        y, (H - kh + 1, W - kw + 1), dtype of x.

    Raises:
        ValueError: the kernel is larger than the image along either axis.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.1, equation 9.6.
    """
    ### BEGIN SOLUTION
    # sliding_window_view raises ValueError for a window larger than the image
    return np.einsum("abij,ij->ab", sliding_window_view(x, w.shape), w)
    ### END SOLUTION


def convolve2d(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Valid convolution of one image with one kernel: correlation with the kernel reversed along both axes.

    y[a, b] = sum over i, j of w[i, j] * x[a + kh - 1 - i, b + kw - 1 - j], wherever the kernel lies inside
    the image.

    Args:
        x: image, (H, W) float.
        w: kernel, (kh, kw) float.

    Returns:
        y, (H - kh + 1, W - kw + 1), dtype of x.

    Raises:
        ValueError: the kernel is larger than the image along either axis.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.1, equation 9.5.
    """
    ### BEGIN SOLUTION
    return correlate2d(x, w[::-1, ::-1])
    ### END SOLUTION


### BEGIN SOLUTION
def _pad(x: np.ndarray, pad: int, value: float = 0.0) -> np.ndarray:
    """A copy of x (N, C, H, W) with pad more pixels on each of the four sides; ValueError where pad is negative."""
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=value)


def _crop(x_padded: np.ndarray, pad: int) -> np.ndarray:
    """What _pad was given: x_padded without the pad outermost pixels of each of the four sides."""
    height, width = x_padded.shape[2:]
    return x_padded[:, :, pad : height - pad, pad : width - pad]


def _windows(x: np.ndarray, kh: int, kw: int, stride: int) -> np.ndarray:
    """Read-only view of every kh x kw window of x (N, C, H, W): (N, C, Ho, Wo, kh, kw).

    Raises ValueError where a window or the stride is less than 1, or a window is larger than x.
    """
    if min(kh, kw, stride) < 1:
        raise ValueError("a window must have a pixel, and stride must be at least 1")
    return sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]


def _correlate(x: np.ndarray, w: np.ndarray, stride: int) -> np.ndarray:
    """Valid correlation over all channels: x (N, C, H, W), w (F, C, kh, kw) -> (N, F, Ho, Wo)."""
    y = np.tensordot(_windows(x, *w.shape[2:], stride), w, axes=((1, 4, 5), (1, 2, 3)))  # (N, Ho, Wo, F)
    return y.transpose(0, 3, 1, 2)


def _spread(dy: np.ndarray, w: np.ndarray, stride: int, pad: int, height: int, width: int) -> np.ndarray:
    """Adjoint of the correlation: dy (N, F, Ho, Wo), w (F, C, kh, kw) -> (N, C, height, width)."""
    n, f = dy.shape[:2]
    kh, kw = w.shape[2:]
    # The output of a stride-1 layer, in which only every stride-th entry was kept. Its size counts the rows
    # and columns after the last kept entry, too, so nothing has to be appended.
    full = np.zeros((n, f, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1), dtype=dy.dtype)
    full[:, :, ::stride, ::stride] = dy
    full = np.pad(full, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    rotated = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # (C, F, kh, kw): dx sums over the filters
    return _crop(_correlate(full, rotated, 1), pad)


### END SOLUTION


def conv2d_forward(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int, pad: int
) -> tuple[np.ndarray, Cache]:
    """Convolution layer: cross-correlation of zero-padded images with F filters, plus one bias per filter.

    y[n, f, p, q] = b[f] + sum over c, i, j of w[f, c, i, j] * xp[n, c, stride * p + i, stride * q + j],
    where xp is x with pad zeros on each of the four sides.

    Args:
        x: images, (N, C, H, W) float.
        w: filters, (F, C, kh, kw) float.
        b: biases, (F,) float.
        stride: step between windows along both axes, at least 1.
        pad: zeros added on each side of both axes, at least 0.

    Returns:
        y, (N, F, Ho, Wo) with Ho = conv_out_size(H, kh, stride, pad) and Wo likewise, and the cache for
        conv2d_dw, conv2d_db and conv2d_dx.

    Raises:
        ValueError: x and w differ in their number of channels, b is not of shape (F,), stride is less than 1,
            pad is negative, or the kernel is larger than the padded image.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.5, equation 9.8; Dumoulin and
        Visin 2016, arXiv:1603.07285, chapter 2.
    """
    ### BEGIN SOLUTION
    if x.shape[1] != w.shape[1]:
        raise ValueError("x and w must have the same number of channels")
    if b.shape != w.shape[:1]:
        raise ValueError("b must hold one number per filter")
    y = _correlate(_pad(x, pad), w, stride) + b[:, None, None]
    return y, (x, w, stride, pad)
    ### END SOLUTION


def conv2d_dw(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of a convolution layer with respect to its filters.

    dw[f, c, i, j] = sum over n, p, q of dy[n, f, p, q] * xp[n, c, stride * p + i, stride * q + j].
    That is the valid correlation of the padded images with dy, after stride - 1 zeros have been put between
    the entries of dy, cropped to the first kh x kw offsets. Nothing is flipped.

    Args:
        dy: upstream gradient, (N, F, Ho, Wo) float.
        cache: from conv2d_forward; it may be used more than once and stays as it is.

    Returns:
        dw, (F, C, kh, kw), dtype of dy.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.5, equation 9.11.
    """
    ### BEGIN SOLUTION
    x, w, stride, pad = cache
    windows = _windows(_pad(x, pad), *w.shape[2:], stride)  # (N, C, Ho, Wo, kh, kw)
    return np.tensordot(dy, windows, axes=((0, 2, 3), (0, 2, 3)))  # (F, C, kh, kw)
    ### END SOLUTION


def conv2d_db(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of a convolution layer with respect to its biases: dy summed over examples and positions.

    Args:
        dy: upstream gradient, (N, F, Ho, Wo) float.
        cache: from conv2d_forward; it may be used more than once and stays as it is.

    Returns:
        db, (F,), dtype of dy.

    Source: the chain rule. The bias is added at every position of every example (Goodfellow, Bengio and
        Courville 2016, Deep Learning, section 9.5), so its gradient is the sum over them.
    """
    ### BEGIN SOLUTION
    return dy.sum(axis=(0, 2, 3))
    ### END SOLUTION


def conv2d_dx(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of a convolution layer with respect to its images.

    Put stride - 1 zeros between the entries of dy, append zero rows and columns where the last window did not
    reach the end of the padded image, pad kh - 1 rows and kw - 1 columns on each side, correlate with the
    filters rotated by 180 degrees (their axes F and C exchanged, so that the sum is over f), and crop the
    padding of the layer. Pixels that no window reaches have gradient 0.

    Args:
        dy: upstream gradient, (N, F, Ho, Wo) float.
        cache: from conv2d_forward; it may be used more than once and stays as it is.

    Returns:
        dx, (N, C, H, W), dtype of dy.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.5, equation 9.13; Dumoulin and
        Visin 2016, arXiv:1603.07285, relationships 13 and 14.
    """
    ### BEGIN SOLUTION
    x, w, stride, pad = cache
    return _spread(dy, w, stride, pad, *x.shape[2:])
    ### END SOLUTION


def im2col(x: np.ndarray, kh: int, kw: int, stride: int, pad: int) -> np.ndarray:
    """Lay every window of the zero-padded images out as one row of a matrix.

    Rows are ordered (N, Ho, Wo), columns (C, kh, kw), the last index varying fastest.

    Args:
        x: images, (N, C, H, W) float.
        kh, kw: height and width of a window, at least 1.
        stride: step between windows along both axes, at least 1.
        pad: zeros added on each side of both axes, at least 0.

    Returns:
        A new array (N * Ho * Wo, C * kh * kw), dtype of x.

    Raises:
        ValueError: kh, kw or stride is less than 1, pad is negative, or the window is larger than the padded
            image.

    Source: Chellapilla, Puri and Simard 2006, High performance convolutional neural networks for document
        processing, section 3.
    """
    ### BEGIN SOLUTION
    windows = _windows(_pad(x, pad), kh, kw, stride)
    n, c, ho, wo, _, _ = windows.shape
    rows = np.array(windows.transpose(0, 2, 3, 1, 4, 5), order="C")  # (N, Ho, Wo, C, kh, kw)
    return rows.reshape(n * ho * wo, c * kh * kw)
    ### END SOLUTION


def col2im(
    cols: np.ndarray, x_shape: tuple[int, int, int, int], kh: int, kw: int, stride: int, pad: int
) -> np.ndarray:
    """Adjoint of im2col: add every entry of the matrix to the pixel that im2col would have read it from.

    For all x and cols of fitting shapes, sum(im2col(x) * cols) equals sum(x * col2im(cols)).
    Overlapping windows add up, and what would fall on the padding is dropped.

    Args:
        cols: matrix, (N * Ho * Wo, C * kh * kw) float, ordered as im2col orders it.
        x_shape: (N, C, H, W) of the images.
        kh, kw, stride, pad: as for im2col.

    Returns:
        A new array of shape x_shape, dtype of cols.

    Raises:
        ValueError: as im2col for images of shape x_shape, or cols is not of shape (N * Ho * Wo, C * kh * kw).

    Source: Dumoulin and Visin 2016, arXiv:1603.07285, section 4.1 (the transpose of the matrix of a layer).
    """
    ### BEGIN SOLUTION
    n, c, h, w = x_shape
    ho, wo = conv_out_size(h, kh, stride, pad), conv_out_size(w, kw, stride, pad)
    if cols.shape != (n * ho * wo, c * kh * kw):
        raise ValueError("cols does not have the shape that im2col gives for x_shape")
    windows = cols.reshape(n, ho, wo, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)  # (N, C, kh, kw, Ho, Wo)
    x_padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=cols.dtype)
    for i in range(kh):  # windows overlap, but one offset meets every pixel at most once
        for j in range(kw):
            x_padded[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride] += windows[:, :, i, j]
    return _crop(x_padded, pad)
    ### END SOLUTION


def maxpool2d_forward(x: np.ndarray, k: int, stride: int, pad: int) -> tuple[np.ndarray, Cache]:
    """Largest pixel of every k x k window, channel by channel.

    The images are padded with minus infinity, so that a padding pixel is never the largest.

    Args:
        x: images, (N, C, H, W) float.
        k: height and width of a window, at least 1.
        stride: step between windows along both axes, at least 1.
        pad: pixels added on each side of both axes, at least 0 and at most k / 2.

    Returns:
        y, (N, C, Ho, Wo), dtype of x, and the cache for maxpool2d_backward.

    Raises:
        ValueError: k or stride is less than 1, pad is negative or greater than k / 2, or the window is larger
            than the padded image.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.3.
    """
    ### BEGIN SOLUTION
    if 2 * pad > k:
        raise ValueError("pad must be at most k / 2")
    windows = _windows(_pad(x, pad, -np.inf), k, k, stride)  # (N, C, Ho, Wo, k, k)
    return windows.max(axis=(4, 5)), (x, k, stride, pad)
    ### END SOLUTION


def maxpool2d_backward(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """Gradient of max pooling: each upstream entry goes to the pixel that won its window.

    Of several equally large pixels of a window, the first one in row-major order has won.
    A pixel that won several windows gets the sum of their upstream entries.

    Args:
        dy: upstream gradient, (N, C, Ho, Wo) float.
        cache: from maxpool2d_forward; it may be used more than once and stays as it is.

    Returns:
        dx, (N, C, H, W), dtype of dy.

    Source: Goodfellow, Bengio and Courville 2016, Deep Learning, section 9.3; ties as in
        torch.nn.functional.max_pool2d.
    """
    ### BEGIN SOLUTION
    x, k, stride, pad = cache
    n, c, h, w = x.shape
    ho, wo = dy.shape[2:]
    windows = _windows(_pad(x, pad, -np.inf), k, k, stride).reshape(n, c, ho, wo, k * k)
    winner = windows.argmax(axis=-1)  # (N, C, Ho, Wo); the first of several equal ones, in row-major order
    dx_padded = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=dy.dtype)
    for i in range(k):  # windows overlap, but one offset meets every pixel at most once
        for j in range(k):
            share = np.where(winner == i * k + j, dy, 0)
            dx_padded[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride] += share
    return _crop(dx_padded, pad)
    ### END SOLUTION


def conv_transpose2d(
    x: np.ndarray, w: np.ndarray, stride: int, pad: int, output_padding: int = 0
) -> np.ndarray:
    """Transposed convolution: the adjoint of the layer conv2d_forward(., w, 0, stride, pad).

    It maps the layer's outputs to its inputs: for every u of shape (N, C, H', W'),
    sum(conv2d_forward(u, w, 0, stride, pad)[0] * x) equals sum(u * conv_transpose2d(x, w, ...)), the 0 being
    a bias of zeros.
    With stride > 1, several input sizes lead to one output size; output_padding chooses among them.

    Args:
        x: (N, F, H, W) float.
        w: filters of the layer, (F, C, kh, kw) float.
        stride: stride of the layer, at least 1.
        pad: padding of the layer, at least 0; here it is cropped from the result.
        output_padding: rows and columns by which the result is longer at its end; at least 0, less than
            stride.

    Returns:
        (N, C, H', W') with H' = (H - 1) stride - 2 pad + kh + output_padding and W' likewise, dtype of x.

    Raises:
        ValueError: x and w differ in F, stride is less than 1, pad is negative, output_padding is negative or
            not less than stride, or H' or W' is less than 1.

    Source: Dumoulin and Visin 2016, arXiv:1603.07285, section 4.6, relationship 14.
    """
    ### BEGIN SOLUTION
    if x.shape[1] != w.shape[0]:
        raise ValueError("x must have one channel per filter of w")
    if pad < 0:
        raise ValueError("pad must be at least 0")
    if not 0 <= output_padding < stride:  # no stride below 1 has room for it
        raise ValueError("output_padding must be at least 0 and less than stride")
    axes = ((x.shape[2], w.shape[2]), (x.shape[3], w.shape[3]))
    height, width = ((n - 1) * stride - 2 * pad + k + output_padding for n, k in axes)
    if min(height, width) < 1:
        raise ValueError("the padding crops the whole result")
    return _spread(x, w, stride, pad, height, width)
    ### END SOLUTION
