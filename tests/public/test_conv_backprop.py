"""Public checks of the convolution topic: definitions, and gradients of small layers by differences."""

import numpy as np

from grader.checks import (
    assert_close,
    assert_each_refused,
    assert_true,
    central_differences,
    check,
    each,
    in_turn,
    oracle,
    there_and_back,
)


def zero_padded(x, pad):
    """x with pad zeros on each side of its last two axes."""
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(pad, pad), (pad, pad)])


def window(x, p, q, kh, kw, stride=1):
    """The window of x that output position (p, q) looks at."""
    return x[..., stride * p : stride * p + kh, stride * q : stride * q + kw]


def layer_by_definition(x, w, b, stride, pad):
    """A convolution layer, one output position at a time."""
    xp, (kh, kw) = zero_padded(x, pad), w.shape[2:]
    rows = (xp.shape[2] - kh) // stride + 1
    columns = (xp.shape[3] - kw) // stride + 1
    flat = w.reshape(len(w), -1)  # (F, C * kh * kw)
    y = np.empty((len(x), len(w), rows, columns))
    for p in range(rows):
        for q in range(columns):
            y[:, :, p, q] = window(xp, p, q, kh, kw, stride).reshape(len(x), -1) @ flat.T + b
    return y


@oracle
def filter_differences(x, w, b, stride, dy):
    return central_differences(lambda v: (dy * layer_by_definition(x, v, b, stride, 0)).sum(), w)


@oracle
def input_differences(x, w, b, stride, dy):
    return central_differences(lambda v: (dy * layer_by_definition(v, w, b, stride, 0)).sum(), x)


def layers_with_dy(rng, sizes, stride=1):
    """((x, w, b, stride, 0), dy) for a random layer of each of the sizes, without padding."""
    layers = []
    for size in sizes:
        x, w, b = draw_layer(rng, *size)
        dy = rng.standard_normal(layer_by_definition(x, w, b, stride, 0).shape)
        layers.append(((x, w, b, stride, 0), dy))
    return layers


def draw_layer(rng, n, c, h, w, f, kh, kw):
    """Images, filters and biases of the given sizes."""
    return rng.standard_normal((n, c, h, w)), rng.standard_normal((f, c, kh, kw)), rng.standard_normal(f)


@check("conv_out_size", points=1.5)
def test_output_size_counts_the_windows_that_fit(submission):
    """The output has one pixel for every window that lies wholly inside the padded input."""
    cases = [(1, 1, 1, 0), (5, 3, 1, 0), (5, 3, 1, 1), (7, 3, 2, 0), (8, 3, 2, 0), (8, 3, 2, 1)]
    # in the last two a step past the last window would stick out
    for (n, k, stride, pad), size in in_turn(each, submission.conv_out_size, calls=cases):
        positions = range(0, n + 2 * pad - k + 1, stride)
        assert_close(size, len(positions), name="size", dtype=False)


@check("correlate2d", points=1.5)
def test_correlation_multiplies_each_window_by_the_kernel(submission, rng):
    """Each entry of the correlation is the sum over one window of image times kernel, without a flip."""
    sizes = [((2, 2), (2, 2)), ((4, 3), (2, 2)), ((5, 7), (3, 2))]
    calls = [(rng.standard_normal(shape), rng.standard_normal(kernel)) for shape, kernel in sizes]
    for (x, w), result in in_turn(each, submission.correlate2d, calls=calls):
        rows, columns = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
        expected = [[(window(x, p, q, *w.shape) * w).sum() for q in range(columns)] for p in range(rows)]
        assert_close(result, np.array(expected), name="correlation")


@check("correlate2d", points=0.5)
def test_correlation_refuses_a_kernel_larger_than_the_image(submission, rng):
    """A kernel that is larger than the image along either axis has no valid position: raise ValueError."""
    kernels = [(4, 1), (1, 6), (4, 6)]
    calls = [(rng.standard_normal((3, 5)), rng.standard_normal(kernel)) for kernel in kernels]
    assert_each_refused(submission.correlate2d, calls)
    x, w = rng.standard_normal((3, 5)), rng.standard_normal((3, 4))
    expected = np.array([[(x[:, j : j + 4] * w).sum() for j in range(2)]])
    assert_close(submission.correlate2d(x, w), expected, name="correlation with a kernel that fits")


@check("convolve2d", points=1.5)
def test_convolution_of_an_impulse_is_the_kernel(submission, rng):
    """Around a single bright pixel, convolution draws the kernel the right way up; correlation rotates it."""
    calls = []
    for kh, kw in [(1, 1), (2, 2), (3, 2)]:
        impulse = np.zeros((2 * kh - 1, 2 * kw - 1))
        impulse[kh - 1, kw - 1] = 1.0
        calls.append((impulse, rng.standard_normal((kh, kw))))
    for (_, w), result in in_turn(each, submission.convolve2d, calls=calls):
        assert_close(result, w, name="convolution of an impulse")
    ((impulse, w),) = calls[-1:]
    assert_close(submission.convolve2d(-3 * impulse, w), -3 * w, name="convolution of an impulse of another size")


@check("conv2d_forward", points=2)
def test_layer_correlates_and_sums_over_the_channels(submission, rng):
    """Every filter is correlated with the image channel by channel, and the channels are added up."""
    calls = []
    for sizes in [(1, 1, 3, 3, 1, 2, 2), (1, 3, 4, 4, 2, 2, 2), (2, 3, 5, 6, 4, 3, 2)]:
        x, w, _ = draw_layer(rng, *sizes)
        calls.append((x, w, np.zeros(len(w)), 1, 0))
    for layer, (y, _) in in_turn(each, submission.conv2d_forward, calls=calls):
        assert_close(y, layer_by_definition(*layer), name="y")


@check("conv2d_forward", points=1)
def test_each_filter_has_one_bias(submission, rng):
    """The bias of a filter is added to all pixels of that filter's output, and to nothing else."""
    calls = []
    for f in (1, 2, 5):
        x, w, b = draw_layer(rng, 2, 3, 4, 5, f, 2, 2)
        calls.append((x, 0 * w, b, 1, 0))
    for (_, _, b, *_), (y, _) in in_turn(each, submission.conv2d_forward, calls=calls):
        expected = np.broadcast_to(b.reshape(1, -1, 1, 1), (2, len(b), 3, 4))
        assert_close(y, expected, name="y with zero filters")


@check("conv2d_forward", points=2)
def test_layer_steps_by_the_stride_over_the_padded_image(submission, rng):
    """Padding moves the first window outside the image, and stride s puts s pixels between windows."""
    steps = [(1, 1), (2, 0), (2, 1), (3, 2)]
    calls = [(*draw_layer(rng, 2, 2, 5, 7, 3, 3, 2), stride, pad) for stride, pad in steps]
    for layer, (y, _) in in_turn(each, submission.conv2d_forward, calls=calls):
        assert_close(y, layer_by_definition(*layer), name="y")


@check("conv2d_dw", points=3)
def test_filter_gradient_matches_finite_differences(submission, rng):
    """The filter gradient is what you measure by moving each weight a little up and a little down."""
    calls = layers_with_dy(rng, [(1, 1, 3, 3, 1, 2, 2), (2, 2, 4, 5, 3, 2, 3)])
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_dw, calls=calls)
    for ((x, w, b, *_), dy), result in results:
        assert_close(result, filter_differences(x, w, b, 1, dy), name="dw", rtol=1e-7)


@check("conv2d_db", points=1)
def test_bias_gradient_sums_over_examples_and_positions(submission, rng):
    """A bias is added at every position of every example, so its gradient is the sum of dy over them."""
    calls = layers_with_dy(rng, [(1, 1, 2, 2, 1, 2, 2), (2, 2, 4, 5, 3, 2, 3)])
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_db, calls=calls)
    for (_, dy), result in results:
        assert_close(result, np.einsum("nfpq->f", dy), name="db")


@check("conv2d_dx", points=2)
def test_one_output_pixel_stamps_its_filter_onto_the_input_gradient(submission, rng):
    """If only one output pixel counts, the input gradient is that pixel's filter, laid over its window."""
    calls = []
    for f, p, q in [(0, 0, 0), (1, 2, 1)]:
        x, w, b = draw_layer(rng, 1, 2, 5, 4, 3, 2, 3)
        dy = np.zeros((1, 3, 4, 2))
        dy[0, f, p, q] = rng.standard_normal()
        calls.append(((x, w, b, 1, 0), dy))
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_dx, calls=calls)
    for ((x, w, *_), dy), dx in results:
        ((_, f, p, q),) = np.argwhere(dy)
        expected = np.zeros(x.shape)
        expected[0, :, p : p + 2, q : q + 3] = dy[0, f, p, q] * w[f]
        assert_close(dx, expected, name="dx")


@check("conv2d_dx", points=3)
def test_input_gradient_matches_finite_differences(submission, rng):
    """The input gradient is what you measure by moving each pixel a little up and a little down."""
    calls = layers_with_dy(rng, [(1, 1, 3, 3, 1, 2, 2), (2, 2, 4, 3, 3, 3, 2)])
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_dx, calls=calls)
    for ((x, w, b, *_), dy), result in results:
        assert_close(result, input_differences(x, w, b, 1, dy), name="dx", rtol=1e-7)


@check("conv2d_dx", points=3)
def test_input_gradient_with_stride_matches_finite_differences(submission, rng):
    """With stride 2, too, the input gradient is what you measure by moving each pixel up and down."""
    calls = layers_with_dy(rng, [(1, 1, 4, 4, 1, 2, 2), (1, 2, 5, 6, 3, 3, 2)], stride=2)
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_dx, calls=calls)
    for ((x, w, b, *_), dy), result in results:
        assert_close(result, input_differences(x, w, b, 2, dy), name="dx", rtol=1e-7)


@check("im2col", points=2)
def test_each_row_of_im2col_is_one_window(submission, rng):
    """Row by row, im2col lists the windows: first along the columns, then the rows, then the examples."""
    sizes = [(1, 1, 3, 3, 2, 2), (2, 3, 4, 5, 3, 2)]
    calls = [(rng.standard_normal(size[:4]), *size[4:], 1, 0) for size in sizes]
    for (x, kh, kw, _, _), rows in in_turn(each, submission.im2col, calls=calls):
        n, _, h, w = x.shape
        expected = [
            window(x[i], p, q, kh, kw).ravel() for i in range(n) for p in range(h - kh + 1) for q in range(w - kw + 1)
        ]
        assert_close(rows, np.array(expected), name="rows")


@check("col2im", points=2.5)
def test_col2im_adds_up_what_overlaps(submission, rng):
    """col2im takes each entry back to its pixel, and the entries of windows that overlap add up."""
    # 1 x 3 windows on an image of one row: entry j of window q belongs to pixel q + j
    calls = [(rng.standard_normal((w - 2, 3)), (1, 1, 1, w), 1, 3, 1, 0) for w in (3, 4, 6)]
    for (cols, shape, *_), image in in_turn(each, submission.col2im, calls=calls):
        expected = np.zeros(shape)
        for q in range(len(cols)):
            expected[0, 0, 0, q : q + 3] += cols[q]
        assert_close(image, expected, name="image")


@check("maxpool2d_forward", points=1.5)
def test_pooling_keeps_the_largest_pixel_of_each_window(submission, rng):
    """Every output pixel is the largest of its window, taken in each channel by itself."""
    sizes = [(1, 1, 2, 2, 2, 2), (2, 3, 4, 6, 2, 2), (2, 3, 7, 5, 3, 2)]
    calls = [(rng.standard_normal((n, c, h, w)), k, stride, 0) for n, c, h, w, k, stride in sizes]
    for (x, k, stride, _), (y, _) in in_turn(each, submission.maxpool2d_forward, calls=calls):
        rows, columns = (x.shape[2] - k) // stride + 1, (x.shape[3] - k) // stride + 1
        expected = [[window(x, p, q, k, k, stride).max(axis=(2, 3)) for q in range(columns)] for p in range(rows)]
        assert_close(y, np.moveaxis(np.array(expected), (0, 1), (2, 3)), name="y")


@check("maxpool2d_backward", points=2.5)
def test_pooling_gradient_goes_to_the_winner(submission, rng):
    """Only the pixel that was the largest of its window gets the upstream gradient; all others get 0."""
    calls, winners = [], []
    calls, winners = [], []
    for n, c, rows, columns in [(1, 1, 1, 1), (2, 3, 2, 4)]:
        # one pixel of each 2 x 2 window is raised above the others
        x = rng.uniform(0.0, 1.0, (n, c, rows, 2, columns, 2))
        winner = np.zeros(x.shape, dtype=bool)
        for index in np.ndindex(n, c, rows, columns):
            i, j = rng.integers(0, 2, size=2)
            winner[index[0], index[1], index[2], i, index[3], j] = True
        x = (x + 2.0 * winner).reshape(n, c, 2 * rows, 2 * columns)
        calls.append(((x, 2, 2, 0), rng.standard_normal((n, c, rows, columns))))
        winners.append(winner)
    results = in_turn(there_and_back, submission.maxpool2d_forward, submission.maxpool2d_backward, calls=calls)
    for winner, (((x, *_), dy), dx) in zip(winners, results, strict=True):
        expected = (winner * dy[:, :, :, None, :, None]).reshape(x.shape)
        assert_close(dx, expected, name="dx")


@check("conv_transpose2d", points=2)
def test_transposed_convolution_is_the_adjoint(submission, rng):
    """For every image u, the inner product of conv(u) and x equals that of u and the transpose of x."""
    # the stride divides H + 2 pad - kh and W + 2 pad - kw, so u has the shape without output_padding
    calls, inputs = [], []
    for h, w, stride, pad in [(3, 3, 1, 0), (4, 5, 1, 0), (5, 6, 1, 1), (5, 6, 2, 0), (5, 8, 2, 1)]:
        filters = rng.standard_normal((3, 2, 3, 2))  # (F, C, kh, kw)
        u = rng.standard_normal((2, 2, h, w))
        y = layer_by_definition(u, filters, np.zeros(3), stride, pad)
        calls.append((rng.standard_normal(y.shape), filters, stride, pad))
        inputs.append((u, y))
    for (u, y), ((x, *_), image) in zip(inputs, in_turn(each, submission.conv_transpose2d, calls=calls), strict=True):
        assert_true(np.shape(image) == u.shape, "the result should have the shape of the layer's input")
        assert_close((u * image).sum(), (y * x).sum(), name="inner product of u and the result")
