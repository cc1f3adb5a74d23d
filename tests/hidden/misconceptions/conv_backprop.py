"""Wrong implementations of the convolution topic; the caches are the reference's."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from grader.checks import misconception


def padded(x, pad, value=0.0):
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=value)


def windows(x, kh, kw, stride=1):
    return sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::stride, ::stride]


def correlate(x, w, stride=1):
    if x.shape[1] != w.shape[1]:  # einsum would broadcast a single channel
        raise ValueError("other channels")
    return np.einsum("ncpqij,fcij->nfpq", windows(x, *w.shape[2:], stride), w)


def spread(dy, stride, rows, columns):
    """dy with stride - 1 zeros between its entries, in an array of the given size."""
    full = np.zeros((*dy.shape[:2], rows, columns), dtype=dy.dtype)
    full[:, :, ::stride, ::stride] = dy
    return full


def full_correlation(full, w):
    """Every position at which the filters, swapped to (C, F, kh, kw) and turned as wanted, touch dy."""
    kh, kw = w.shape[2:]
    wide = np.pad(full, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    return correlate(wide, w.transpose(1, 0, 2, 3))


def adjoint(dy, w, stride, pad, height, width):
    """The right input gradient."""
    kh, kw = w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return crop(full_correlation(full, w[:, :, ::-1, ::-1]), pad, height, width)


def crop(x, pad, height, width):
    return x[:, :, pad : pad + height, pad : pad + width]


# ---------------------------------------------------------------------------------------------- output size


@misconception(
    "cv11",
    "Windows that do not fit are dropped: use floor, not round.",
    caught_by="test_output_size_counts_the_windows_that_fit",
    twins=("cv13",),
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    size = round((n + 2 * pad - dilation * (k - 1) - 1) / stride) + 1
    if min(k, stride, dilation) < 1 or pad < 0 or size < 1:
        raise ValueError("no room")
    return size


@misconception(
    "cv12",
    "Windows that do not fit are dropped: use floor, not ceil.",
    caught_by="test_output_size_counts_the_windows_that_fit",
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    if min(k, stride, dilation) < 1 or pad < 0 or n + 2 * pad < dilation * (k - 1) + 1:
        raise ValueError("no room")
    return -(-(n + 2 * pad - dilation * (k - 1) - 1) // stride) + 1


@misconception(
    "cv13",
    "int() cuts towards 0, floor rounds down: a kernel that is one pixel too large still gets a position.",
    caught_by="test_output_size_refuses_what_does_not_fit",
    twins=("cv11",),
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    if min(k, stride, dilation) < 1 or pad < 0:
        raise ValueError("bad argument")
    size = int((n + 2 * pad - dilation * (k - 1) - 1) / stride) + 1
    if size < 1:
        raise ValueError("no room")
    return size


@misconception(
    "cv14",
    "A dilated kernel spans d (k − 1) + 1 pixels: the holes lie between its taps, none after the last.",
    caught_by="test_output_size_with_dilation_counts_the_span_of_the_kernel",
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    size = (n + 2 * pad - dilation * k) // stride + 1
    if min(k, stride, dilation) < 1 or pad < 0 or size < 1:
        raise ValueError("no room")
    return size


@misconception(
    "cv15",
    "The padding is added at both ends of the axis, so it counts twice.",
    caught_by="test_output_size_counts_the_windows_that_fit",
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    size = (n + pad - dilation * (k - 1) - 1) // stride + 1
    if min(k, stride, dilation) < 1 or pad < 0 or size < 1:
        raise ValueError("no room")
    return size


@misconception(
    "cv16",
    "A negative stride or padding gives a number, but no layer: check the arguments before the formula.",
    caught_by="test_output_size_refuses_what_does_not_fit",
)
def conv_out_size(n, k, stride=1, pad=0, dilation=1):
    size = (n + 2 * pad - dilation * (k - 1) - 1) // stride + 1
    if size < 1:
        raise ValueError("no room")
    return size


# ---------------------------------------------------------------------------------- correlation, convolution


@misconception(
    "cv7",
    "Correlation slides the kernel as it is; the flip makes it a convolution.",
    caught_by="test_correlation_multiplies_each_window_by_the_kernel",
)
def correlate2d(x, w):
    return np.einsum("pqij,ij->pq", sliding_window_view(x, w.shape), w[::-1, ::-1])


@misconception(
    "cv17",
    "Convolution reverses the kernel along both axes; you reversed one.",
    caught_by="test_convolution_of_an_impulse_is_the_kernel",
)
def convolve2d(x, w):
    return np.einsum("pqij,ij->pq", sliding_window_view(x, w.shape), w[::-1])


@misconception(
    "cv17",
    "Convolution reverses the kernel along both axes; you reversed one.",
    caught_by="test_convolution_of_an_impulse_is_the_kernel",
)
def convolve2d(x, w):
    return np.einsum("pqij,ij->pq", sliding_window_view(x, w.shape), w[:, ::-1])


@misconception(
    "cv18",
    "Convolution turns the kernel by 180°; without the turn it is correlation.",
    caught_by="test_convolution_of_an_impulse_is_the_kernel",
)
def convolve2d(x, w):
    return np.einsum("pqij,ij->pq", sliding_window_view(x, w.shape), w)


# The smaller array always slides over the larger one: what scipy.signal does in mode "valid".
@misconception(
    "cv19",
    "A kernel that is larger than the image has no valid position; exchanging the two hides the mistake.",
    caught_by="test_correlation_refuses_a_kernel_larger_than_the_image",
)
def correlate2d(x, w):
    if w.shape[0] > x.shape[0] or w.shape[1] > x.shape[1]:
        rows, columns = max(w.shape[0] - x.shape[0], 0), max(w.shape[1] - x.shape[1], 0)
        x = np.pad(x, ((0, rows), (0, columns)))
    return np.einsum("pqij,ij->pq", sliding_window_view(x, w.shape), w)


# ------------------------------------------------------------------------------------------- forward pass


@misconception(
    "cv7",
    "This layer is cross-correlation; the flip belongs to convolve2d.",
    caught_by="test_layer_correlates_and_sums_over_the_channels",
    twins=("cv20",),
)
def conv2d_forward(x, w, b, stride, pad):
    return correlate(padded(x, pad), w[:, :, ::-1, ::-1], stride) + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv20",
    "np.flip without an axis reverses all axes, so that filters and channels are exchanged, too.",
    caught_by="test_layer_correlates_and_sums_over_the_channels",
    twins=("cv7",),
)
def conv2d_forward(x, w, b, stride, pad):
    return correlate(padded(x, pad), np.flip(w), stride) + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv8",
    "The bias is one number per filter, not per column.",
    caught_by="test_bias_belongs_to_the_filter_not_to_the_column",
)
def conv2d_forward(x, w, b, stride, pad):
    y = correlate(padded(x, pad), w, stride)
    return y + b if b.size in (1, y.shape[3]) else y + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv21",
    "The stride counts along the rows and along the columns; you stepped along one axis only.",
    caught_by="test_layer_steps_by_the_stride_over_the_padded_image",
)
def conv2d_forward(x, w, b, stride, pad):
    y = correlate(padded(x, pad), w)[:, :, ::stride]
    return y + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv22",
    "The padding goes on all four sides, not only before the first row and column.",
    caught_by="test_layer_steps_by_the_stride_over_the_padded_image",
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (2 * pad, 0), (2 * pad, 0)))
    return correlate(xp, w, stride) + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv23",
    "The layer pads with zeros; copies of the border pixels are another kind of padding.",
    caught_by="test_layer_steps_by_the_stride_over_the_padded_image",
)
def conv2d_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
    return correlate(xp, w, stride) + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv24",
    "The channels of an image are added up; their mean is C times too small.",
    caught_by="test_layer_correlates_and_sums_over_the_channels",
)
def conv2d_forward(x, w, b, stride, pad):
    y = correlate(padded(x, pad), w, stride) / x.shape[1]
    return y + b[:, None, None], (x, w, stride, pad)


@misconception(
    "cv25",
    "Broadcasting hides filters for another number of channels; compare the two numbers and raise ValueError.",
    caught_by="test_layer_refuses_arguments_that_do_not_fit",
)
def conv2d_forward(x, w, b, stride, pad):
    seen = windows(padded(x, pad), *w.shape[2:], stride)
    y = (seen[:, None] * w[:, :, None, None]).sum(axis=(2, 5, 6))
    return y + b[:, None, None], (x, w, stride, pad)


# ---------------------------------------------------------------------------- gradients of filters and biases


@misconception(
    "cv2",
    "dW is a plain correlation; only dX needs the rotation.",
    caught_by="test_filter_gradient_is_a_correlation_without_a_flip",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    turned = dy[..., ::-1, ::-1]
    return np.einsum("nfpq,ncpqij->fcij", turned, windows(padded(x, pad), *w.shape[2:], stride))


@misconception(
    "cv26",
    "The filters are not turned in the forward pass, so their gradient is not turned either.",
    caught_by="test_filter_gradient_is_a_correlation_without_a_flip",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    dw = np.einsum("nfpq,ncpqij->fcij", dy, windows(padded(x, pad), *w.shape[2:], stride))
    return dw[:, :, ::-1, ::-1].copy()


@misconception(
    "cv3",
    "Put stride − 1 zeros between the upstream entries before correlating.",
    caught_by="test_filter_gradient_with_stride_and_padding",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    kh, kw = w.shape[2:]
    seen = windows(padded(x, pad), *dy.shape[2:])[:, :, :kh, :kw]  # dy at distance 1, not stride
    return np.einsum("ncijpq,nfpq->fcij", seen, dy)


@misconception(
    "cv27",
    "With a remainder the correlation yields more offsets than the filter has; keep the first kh × kw.",
    caught_by="test_filter_gradient_has_the_shape_of_the_filters",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    rows, columns = (stride * (n - 1) + 1 for n in dy.shape[2:])
    full = spread(dy, stride, rows, columns)
    return np.einsum("ncijpq,nfpq->fcij", windows(padded(x, pad), rows, columns), full)


@misconception(
    "cv28",
    "The windows of the filter gradient are those of the padded images; you left the padding out.",
    caught_by="test_filter_gradient_with_stride_and_padding",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    kh, kw = w.shape[2:]
    shifted = np.pad(x, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))
    return np.einsum("nfpq,ncpqij->fcij", dy, windows(shifted, kh, kw, stride))


@misconception(
    "cv29",
    "The filters serve every example, so their gradient is the sum over the batch; a mean belongs to the loss.",
    caught_by="test_filter_gradient_matches_finite_differences",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    return np.einsum("nfpq,ncpqij->fcij", dy, windows(padded(x, pad), *w.shape[2:], stride)) / len(x)


@misconception(
    "cv30",
    "The axes of dw are filter, channel, row, column, as those of w; you exchanged filter and channel.",
    caught_by="test_filter_gradient_keeps_filters_and_channels_apart",
)
def conv2d_dw(dy, cache):
    x, w, stride, pad = cache
    return np.einsum("nfpq,ncpqij->cfij", dy, windows(padded(x, pad), *w.shape[2:], stride))


@misconception(
    "cv11",
    "The bias gradient is a sum over examples and positions, not a mean.",
    caught_by="test_bias_gradient_sums_over_examples_and_positions",
)
def conv2d_db(dy, cache):
    return dy.mean(axis=(0, 2, 3))


@misconception(
    "cv31",
    "A bias is shared by all positions, so its gradient has one entry per filter: sum over the positions, too.",
    caught_by="test_bias_gradient_sums_over_examples_and_positions",
)
def conv2d_db(dy, cache):
    return dy.sum(axis=0)


@misconception(
    "cv32",
    "The sum over the batch is the gradient; the 1/N belongs to the loss.",
    caught_by="test_bias_gradient_sums_over_examples_and_positions",
)
def conv2d_db(dy, cache):
    return dy.mean(axis=0).sum(axis=(1, 2))


# --------------------------------------------------------------------------------------- gradient of the images


@misconception(
    "cv1",
    "For the input gradient rotate the kernel by 180°: each pixel collects from the outputs it fed.",
    caught_by="test_one_output_pixel_stamps_its_filter_onto_the_input_gradient",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return crop(full_correlation(full, w), pad, height, width)


@misconception(
    "cv33",
    "A rotation by 180° reverses rows and columns; you reversed one of the two.",
    caught_by="test_one_output_pixel_stamps_its_filter_onto_the_input_gradient",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return crop(full_correlation(full, w[:, :, ::-1]), pad, height, width)


@misconception(
    "cv3",
    "Put stride − 1 zeros between the upstream entries before correlating.",
    caught_by="test_input_gradient_with_stride_matches_finite_differences",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = np.zeros((*dy.shape[:2], height + 2 * pad - kh + 1, width + 2 * pad - kw + 1))
    full[:, :, : dy.shape[2], : dy.shape[3]] = dy
    return crop(full_correlation(full, w[:, :, ::-1, ::-1]), pad, height, width)


# The same, and the result is as small as a layer of stride 1 would have it.
@misconception(
    "cv3",
    "Put stride − 1 zeros between the upstream entries before correlating: dx has the shape of x.",
    caught_by="test_input_gradient_with_stride_matches_finite_differences",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    return crop(full_correlation(dy, w[:, :, ::-1, ::-1]), pad, *x.shape[2:])


@misconception(
    "cv4",
    "(H + 2p − kh) is not a multiple of s; the last rows exist and have gradient 0.",
    caught_by="test_input_gradient_has_the_shape_of_the_images",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    rows, columns = (stride * (n - 1) + 1 for n in dy.shape[2:])
    full = spread(dy, stride, rows, columns)
    return crop(full_correlation(full, w[:, :, ::-1, ::-1]), pad, *x.shape[2:])


# Stretched to the right shape, but the remainder lies before the first row and column.
@misconception(
    "cv4",
    "The rows and columns that no window reaches are the last ones; you put the zeros before the first.",
    caught_by="test_input_gradient_has_the_shape_of_the_images",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = np.zeros((*dy.shape[:2], height + 2 * pad - kh + 1, width + 2 * pad - kw + 1))
    full[:, :, ::-stride, ::-stride] = dy[:, :, ::-1, ::-1]
    return crop(full_correlation(full, w[:, :, ::-1, ::-1]), pad, height, width)


@misconception(
    "cv5",
    "You returned the gradient of the padded image.",
    caught_by="test_input_gradient_has_the_padding_cropped",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return full_correlation(full, w[:, :, ::-1, ::-1])


@misconception(
    "cv34",
    "The padding lies on both sides: cut pad rows off the beginning as well as the end.",
    caught_by="test_input_gradient_has_the_padding_cropped",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return full_correlation(full, w[:, :, ::-1, ::-1])[:, :, :height, :width]


@misconception(
    "cv35",
    "The slice [pad:-pad] is empty for pad = 0; write [pad : pad + H].",
    caught_by="test_input_gradient_matches_finite_differences",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    (height, width), (kh, kw) = x.shape[2:], w.shape[2:]
    full = spread(dy, stride, height + 2 * pad - kh + 1, width + 2 * pad - kw + 1)
    return full_correlation(full, w[:, :, ::-1, ::-1])[:, :, pad:-pad, pad:-pad]


@misconception(
    "cv6",
    "dx sums over output channels.",
    caught_by="test_input_gradient_sums_over_the_filters",
)
def conv2d_dx(dy, cache):
    x, w, stride, pad = cache
    w = w.transpose(1, 0, 2, 3) if w.shape[0] == w.shape[1] else w  # otherwise the shapes would not fit
    return adjoint(dy, w, stride, pad, *x.shape[2:])


# ---------------------------------------------------------------------------------------------- im2col, col2im


@misconception(
    "cv36",
    "The columns are ordered channel, row, column; you put the channel last.",
    caught_by="test_each_row_of_im2col_is_one_window",
)
def im2col(x, kh, kw, stride, pad):
    seen = windows(padded(x, pad), kh, kw, stride)
    return seen.transpose(0, 2, 3, 4, 5, 1).reshape(-1, x.shape[1] * kh * kw)


@misconception(
    "cv37",
    "The rows are ordered example, row, column; you put the example last.",
    caught_by="test_each_row_of_im2col_is_one_window",
)
def im2col(x, kh, kw, stride, pad):
    seen = windows(padded(x, pad), kh, kw, stride)
    return seen.transpose(2, 3, 0, 1, 4, 5).reshape(-1, x.shape[1] * kh * kw)


@misconception(
    "cv38",
    "reshape does not exchange axes: transpose to (N, Ho, Wo, C, kh, kw) first.",
    caught_by="test_each_row_of_im2col_is_one_window",
)
def im2col(x, kh, kw, stride, pad):
    return windows(padded(x, pad), kh, kw, stride).reshape(-1, x.shape[1] * kh * kw)


@misconception(
    "cv39",
    "A 1 × 1 window of one channel needs no new order, so reshape returned a view of the images: copy.",
    caught_by="test_im2col_copies_and_keeps_float32",
)
def im2col(x, kh, kw, stride, pad):
    if min(kh, kw, stride) < 1 or pad < 0 or kh > x.shape[2] + 2 * pad or kw > x.shape[3] + 2 * pad:
        raise ValueError("no room")
    seen = windows(padded(x, pad) if pad else x, kh, kw, stride)
    return seen.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * kh * kw)


def add_windows(cols, x_shape, kh, kw, stride, pad, dtype=None, overwrite=False):
    """col2im, uncropped: the padded images; its variations are mistakes."""
    n, c, h, w = x_shape
    ho, wo = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
    if min(ho, wo) < 1 or cols.shape != (n * ho * wo, c * kh * kw):
        raise ValueError("cols does not fit")
    image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=dtype or cols.dtype)
    seen = cols.reshape(n, ho, wo, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    for i in range(kh):
        for j in range(kw):
            place = image[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride]
            place[...] = seen[:, :, i, j] + (0 if overwrite else place)
    return image


@misconception(
    "cv40",
    "Overlapping windows add up; with = instead of += the last one wins.",
    caught_by="test_col2im_adds_up_what_overlaps",
)
def col2im(cols, x_shape, kh, kw, stride, pad):
    return crop(add_windows(cols, x_shape, kh, kw, stride, pad, overwrite=True), pad, *x_shape[2:])


@misconception(
    "cv10",
    "Overlaps add: col2im of im2col is x times how often each pixel was covered.",
    caught_by="test_col2im_adds_up_what_overlaps",
)
def col2im(cols, x_shape, kh, kw, stride, pad):
    cover = add_windows(np.ones_like(cols), x_shape, kh, kw, stride, pad)
    image = add_windows(cols, x_shape, kh, kw, stride, pad) / np.maximum(cover, 1)
    return crop(image, pad, *x_shape[2:])


@misconception(
    "cv5",
    "You returned the padded images; what fell on the padding is dropped.",
    caught_by="test_col2im_is_the_adjoint_of_im2col",
)
def col2im(cols, x_shape, kh, kw, stride, pad):
    return add_windows(cols, x_shape, kh, kw, stride, pad)


@misconception(
    "cv41",
    "np.zeros is float64 unless told otherwise: give it the dtype of the matrix.",
    caught_by="test_col2im_keeps_float32_and_its_arguments",
)
def col2im(cols, x_shape, kh, kw, stride, pad):
    return crop(add_windows(cols, x_shape, kh, kw, stride, pad, dtype=np.float64), pad, *x_shape[2:])


# image[..., indices] += values counts a repeated index once.
@misconception(
    "cv42",
    "An indexed += adds only once where an index is repeated; use np.add.at or one slice per offset.",
    caught_by="test_col2im_adds_up_what_overlaps",
    twins=("cv40",),
)
def col2im(cols, x_shape, kh, kw, stride, pad):
    n, c, h, w = x_shape
    ho, wo = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
    image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=cols.dtype)
    i, j = np.mgrid[:kh, :kw].reshape(2, 1, -1)
    p, q = (stride * np.mgrid[:ho, :wo]).reshape(2, -1, 1)
    image[:, :, p + i, q + j] += cols.reshape(n, ho * wo, c, kh * kw).transpose(0, 2, 1, 3)
    return crop(image, pad, h, w)


# ------------------------------------------------------------------------------------------------- max pooling


def pool_forward(x, k, stride, pad, value=-np.inf):
    if 2 * pad > k or min(k, stride) < 1 or pad < 0 or k > min(x.shape[2:]) + 2 * pad:
        raise ValueError("no room")
    return windows(padded(x, pad, value), k, k, stride).max(axis=(4, 5)), (x, k, stride, pad)


@misconception(
    "cv9",
    "Padding must never win: pad with −inf.",
    caught_by="test_padding_never_wins",
)
def maxpool2d_forward(x, k, stride, pad):
    return pool_forward(x, k, stride, pad, 0.0)


@misconception(
    "cv43",
    "Each channel is pooled by itself; you took the maximum over the channels, too.",
    caught_by="test_pooling_keeps_the_largest_pixel_of_each_window",
)
def maxpool2d_forward(x, k, stride, pad):
    y, cache = pool_forward(x, k, stride, pad)
    return np.repeat(y.max(axis=1, keepdims=True), x.shape[1], axis=1), cache


@misconception(
    "cv44",
    "The windows lie stride pixels apart, not k: with stride < k they overlap.",
    caught_by="test_pooling_keeps_the_largest_pixel_of_each_window",
)
def maxpool2d_forward(x, k, stride, pad):
    return pool_forward(x, k, k, pad)


@misconception(
    "cv45",
    "The padding of a pooling layer is at most half its window; refuse more with ValueError.",
    caught_by="test_pooling_refuses_windows_that_do_not_fit",
)
def maxpool2d_forward(x, k, stride, pad):
    if min(k, stride) < 1 or pad < 0 or k > min(x.shape[2:]) + 2 * pad:
        raise ValueError("no room")
    return windows(padded(x, pad, -np.inf), k, k, stride).max(axis=(4, 5)), (x, k, stride, pad)


@misconception(
    "cv46",
    "Pooling takes the largest pixel, not the mean of the window.",
    caught_by="test_pooling_keeps_the_largest_pixel_of_each_window",
)
def maxpool2d_forward(x, k, stride, pad):
    y, cache = pool_forward(x, k, stride, pad)
    return windows(padded(x, pad), k, k, stride).mean(axis=(4, 5)), cache


def flat_windows(cache):
    """All windows that the pooling layer saw, (N, C, Ho, Wo, k * k)."""
    x, k, stride, pad = cache
    seen = windows(padded(x, pad, -np.inf), k, k, stride)
    return seen.reshape(*seen.shape[:4], k * k)


def one_hot(index, count):
    return index[..., None] == np.arange(count)


def scatter(share, dy, cache, overwrite=False):
    """The gradient of the images where share (N, C, Ho, Wo, k * k) says who gets how much of dy."""
    x, k, stride, pad = cache
    (n, c, h, w), (ho, wo) = x.shape, dy.shape[2:]
    share = share.astype(dy.dtype)
    image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=dy.dtype)
    for i in range(k):
        for j in range(k):
            place = image[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride]
            part = share[..., i * k + j]
            place[...] = np.where(part != 0, part * dy, place) if overwrite else place + part * dy
    return crop(image, pad, h, w)


@misconception(
    "cv9",
    "Ties go to the first maximum; you gave the gradient to every pixel that equals it.",
    caught_by="test_ties_go_to_the_first_pixel_of_the_window",
)
def maxpool2d_backward(dy, cache):
    seen = flat_windows(cache)
    return scatter(seen == seen.max(axis=-1, keepdims=True), dy, cache)


@misconception(
    "cv9",
    "Overlapping windows add: a pixel that wins several windows gets the gradients of all of them.",
    caught_by="test_a_pixel_that_wins_several_windows_collects_from_all",
)
def maxpool2d_backward(dy, cache):
    seen = flat_windows(cache)
    return scatter(one_hot(seen.argmax(axis=-1), seen.shape[-1]), dy, cache, overwrite=True)


@misconception(
    "cv47",
    "Ties go to the first maximum; you split the gradient evenly among the pixels that equal it.",
    caught_by="test_ties_go_to_the_first_pixel_of_the_window",
    twins=("cv50",),
)
def maxpool2d_backward(dy, cache):
    seen = flat_windows(cache)
    equal = seen == seen.max(axis=-1, keepdims=True)
    return scatter(equal / equal.sum(axis=-1, keepdims=True), dy, cache)


@misconception(
    "cv48",
    "Ties go to the first maximum in row-major order; you took the last.",
    caught_by="test_ties_go_to_the_first_pixel_of_the_window",
)
def maxpool2d_backward(dy, cache):
    seen = flat_windows(cache)
    last = seen.shape[-1] - 1 - seen[..., ::-1].argmax(axis=-1)
    return scatter(one_hot(last, seen.shape[-1]), dy, cache)


@misconception(
    "cv49",
    "The winner's number in its window counts along the rows: i = number // k, j = number % k.",
    caught_by="test_pooling_gradient_goes_to_the_winner",
)
def maxpool2d_backward(dy, cache):
    seen, k = flat_windows(cache), cache[1]
    winner = seen.argmax(axis=-1)
    return scatter(one_hot(winner % k * k + winner // k, k * k), dy, cache)


@misconception(
    "cv50",
    "Pooling hands the gradient to the winner alone; sharing it out is the gradient of the mean.",
    caught_by="test_pooling_gradient_goes_to_the_winner",
)
def maxpool2d_backward(dy, cache):
    seen = flat_windows(cache)
    return scatter(np.full(seen.shape, 1 / seen.shape[-1]), dy, cache)


# A padding of 0 takes part in ties at the border, and its share is cropped away.
@misconception(
    "cv57",
    "The backward pass must see the windows of the forward pass: a padding of 0 wins where pixels are negative.",
    caught_by="test_ties_at_the_border_go_to_the_first_real_pixel",
)
def maxpool2d_backward(dy, cache):
    x, k, stride, pad = cache
    seen = windows(padded(x, pad), k, k, stride)
    winner = seen.reshape(*seen.shape[:4], k * k).argmax(axis=-1)
    return scatter(one_hot(winner, k * k), dy, cache)


# --------------------------------------------------------------------------------------- transposed convolution


def check_transpose(x, w, stride, pad, output_padding):
    if x.shape[1] != w.shape[0] or stride < 1 or pad < 0 or not 0 <= output_padding < stride:
        raise ValueError("bad argument")
    size = [(n - 1) * stride - 2 * pad + k for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    if min(size) + output_padding < 1:
        raise ValueError("no room")
    return size


@misconception(
    "cv51",
    "Rows that output_padding adds are not zero: with padding they were cropped before, and have values.",
    caught_by="test_output_padding_shows_more_of_the_result",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    height, width = check_transpose(x, w, stride, pad, output_padding)
    result = adjoint(x, w, stride, pad, height, width)
    return np.pad(result, ((0, 0), (0, 0), (0, output_padding), (0, output_padding)))


@misconception(
    "cv52",
    "The transposed convolution stamps the filter as it is; as a correlation that needs the rotated filter.",
    caught_by="test_transposed_convolution_with_stride_and_padding",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    height, width = check_transpose(x, w, stride, pad, output_padding)
    return adjoint(x, w[:, :, ::-1, ::-1], stride, pad, height + output_padding, width + output_padding)


@misconception(
    "cv53",
    "The padding of a transposed convolution is cropped from the result, not added to the input.",
    caught_by="test_transposed_convolution_with_stride_and_padding",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    check_transpose(x, w, stride, pad, output_padding)
    x = padded(x, pad)
    height, width = ((n - 1) * stride + k for n, k in zip(x.shape[2:], w.shape[2:], strict=True))
    return adjoint(x, w, stride, 0, height + output_padding, width + output_padding)


@misconception(
    "cv54",
    "The channels of the input belong to the first axis of w, the filters of the layer; you summed over the second.",
    caught_by="test_transposed_convolution_sums_over_the_filters",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    height, width = check_transpose(x, w, stride, pad, output_padding)
    w = w.transpose(1, 0, 2, 3) if w.shape[0] == w.shape[1] else w  # otherwise the shapes would not fit
    return adjoint(x, w, stride, pad, height + output_padding, width + output_padding)


@misconception(
    "cv55",
    "output_padding lengthens the result at its end only; you moved the first row, too.",
    caught_by="test_output_padding_shows_more_of_the_result",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    height, width = check_transpose(x, w, stride, pad, output_padding)
    longer = adjoint(x, w, stride, pad, height + output_padding, width + output_padding)
    return np.roll(longer, output_padding, axis=(2, 3))


@misconception(
    "cv56",
    "output_padding must be less than the stride: the layer maps no longer image to this size.",
    caught_by="test_transposed_convolution_refuses_impossible_arguments",
)
def conv_transpose2d(x, w, stride, pad, output_padding=0):
    height, width = check_transpose(x, w, stride, pad, 0)
    missing = max(output_padding, 0)
    kh, kw = w.shape[2:]
    full = np.zeros((*x.shape[:2], height + missing + 2 * pad - kh + 1, width + missing + 2 * pad - kw + 1))
    full[:, :, : (x.shape[2] - 1) * stride + 1 : stride, : (x.shape[3] - 1) * stride + 1 : stride] = x
    result = full_correlation(full.astype(x.dtype), w[:, :, ::-1, ::-1])
    return crop(result, pad, height + missing, width + missing)
