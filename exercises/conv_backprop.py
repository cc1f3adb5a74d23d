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
    raise NotImplementedError("conv_out_size")


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
    raise NotImplementedError("correlate2d")


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
    raise NotImplementedError("convolve2d")


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
    raise NotImplementedError("conv2d_forward")


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
    raise NotImplementedError("conv2d_dw")


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
    raise NotImplementedError("conv2d_db")


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
    raise NotImplementedError("conv2d_dx")


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
    raise NotImplementedError("im2col")


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
    raise NotImplementedError("col2im")


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
    raise NotImplementedError("maxpool2d_forward")


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
    raise NotImplementedError("maxpool2d_backward")


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
    raise NotImplementedError("conv_transpose2d")
