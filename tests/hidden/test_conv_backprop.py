"""Hidden checks of the convolution topic: against torch in float64, by adjoint identities, and by cost."""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from grader.checks import (
    assert_close,
    assert_each_refused,
    assert_flat_cost,
    assert_pure,
    assert_true,
    central_differences,
    check,
    each,
    fortran,
    in_turn,
    in_worker,
    noncontiguous,
    observe,
    oracle,
    there_and_back,
)


class Case(NamedTuple):
    """Sizes of one layer."""

    n: int
    c: int
    h: int
    w: int
    f: int
    kh: int
    kw: int
    stride: int
    pad: int


STRIDE_ONE = [
    Case(1, 1, 3, 3, 1, 2, 2, 1, 1),
    Case(2, 3, 5, 6, 4, 3, 2, 1, 0),
    Case(2, 3, 5, 4, 4, 3, 2, 1, 2),
]
NO_REMAINDER = [
    Case(1, 1, 4, 4, 1, 2, 2, 2, 0),
    Case(2, 3, 7, 6, 4, 3, 2, 2, 0),
    Case(2, 3, 5, 8, 4, 3, 4, 2, 1),
    Case(2, 2, 8, 5, 3, 2, 1, 3, 2),
]
REMAINDER = [
    Case(1, 1, 4, 3, 1, 1, 1, 2, 0),
    Case(1, 2, 7, 8, 3, 3, 3, 2, 0),
    Case(2, 2, 8, 7, 3, 3, 3, 2, 0),
    Case(2, 3, 8, 7, 4, 3, 2, 2, 1),
    Case(2, 3, 7, 8, 4, 2, 3, 3, 1),
]
EDGES = [
    Case(1, 1, 1, 1, 1, 1, 1, 1, 0),  # everything is one
    Case(1, 3, 4, 5, 2, 3, 2, 1, 1),  # one example
    Case(2, 1, 4, 5, 3, 2, 3, 2, 1),  # one channel
    Case(2, 3, 4, 5, 1, 2, 3, 1, 1),  # one filter
    Case(2, 3, 1, 5, 4, 1, 2, 1, 0),  # one row
    Case(2, 3, 5, 1, 4, 2, 1, 2, 0),  # one column
    Case(2, 3, 5, 4, 4, 1, 1, 2, 0),  # kernel of one pixel
    Case(2, 3, 5, 4, 2, 5, 4, 1, 0),  # kernel as large as the image
    Case(2, 2, 3, 4, 3, 5, 4, 2, 1),  # kernel as large as the padded image
    Case(2, 2, 4, 6, 2, 2, 3, 2, 3),  # padding wider than the kernel
    Case(2, 2, 3, 4, 3, 2, 2, 4, 0),  # stride wider than the image
]
SMALL, LARGE = Case(2, 1, 5, 6, 3, 3, 2, 2, 1), Case(3, 2, 7, 8, 5, 3, 2, 2, 1)  # for cost: same kernel


def draw(rng, case):
    """Images, filters and biases of one layer."""
    n, c, h, w, f, kh, kw, _, _ = case
    return rng.standard_normal((n, c, h, w)), rng.standard_normal((f, c, kh, kw)), rng.standard_normal(f)


def leaf(array):
    """The array as a torch leaf that collects a gradient."""
    return torch.from_numpy(np.array(array, order="C")).requires_grad_()


def torch_conv(x, w, b, stride, pad):
    """The layer as torch computes it, NumPy in and out."""
    x, w, b = (torch.from_numpy(np.array(a, order="C")) for a in (x, w, b))
    return functional.conv2d(x, w, b, stride=stride, padding=pad).numpy()


conv = oracle(torch_conv)


def new_seed(rng):
    """A seed for an oracle that draws for itself, so that it draws once for all students."""
    return int(rng.integers(1 << 62))


def gradients(x, w, b, stride, pad, rng):
    """A random cotangent of the layer's output and torch's gradients of x, w and b for it."""
    return seeded_gradients(x, w, b, stride, pad, new_seed(rng))


@oracle
def seeded_gradients(x, w, b, stride, pad, seed):
    rng = np.random.default_rng(seed)
    leaves = leaf(x), leaf(w), leaf(b)
    y = functional.conv2d(*leaves, stride=stride, padding=pad)
    dy = rng.standard_normal(y.shape)
    dx, dw, db = torch.autograd.grad(y, leaves, torch.from_numpy(dy))
    return dy, dx.numpy(), dw.numpy(), db.numpy()


@oracle
def unfold(x, kh, kw, stride, pad):
    """The matrix of windows as torch lays it out, in this course's order of rows and columns."""
    columns = functional.unfold(torch.from_numpy(np.array(x, order="C")), (kh, kw), stride=stride, padding=pad)
    return columns.numpy().transpose(0, 2, 1).reshape(-1, x.shape[1] * kh * kw)


def far_apart(rng, shape):
    """Random pixels of either sign, of which no two are closer than 0.1, so that no maximum is in doubt."""
    count = int(np.prod(shape))
    return 0.1 * (rng.permutation(count) - count // 2).reshape(shape) + 0.03


def output_aliases(seen):
    """The arguments with which the first result shares memory; the cache, the second, may refer to them."""
    return [argument for place, argument in seen.aliases if place.startswith("result[0]")]


def pool(x, k, stride, pad, rng):
    """Torch's max pooling: output, a random cotangent, and the gradient of x for it."""
    return seeded_pool(x, k, stride, pad, new_seed(rng))


@oracle
def pool_differences(x, k, stride, pad, dy):
    """The gradient of x for the cotangent dy by central differences."""

    def product(v):
        return (torch.from_numpy(np.array(dy)) * functional.max_pool2d(torch.from_numpy(v), k, stride, pad)).sum()

    return central_differences(product, x)


@oracle
def seeded_pool(x, k, stride, pad, seed):
    rng = np.random.default_rng(seed)
    x = leaf(x)
    y = functional.max_pool2d(x, k, stride, pad)
    dy = rng.standard_normal(y.shape)
    (dx,) = torch.autograd.grad(y, x, torch.from_numpy(dy))
    return y.detach().numpy(), dy, dx.numpy()


# ---------------------------------------------------------------------------------------------- output size


@in_worker
def sizes_by_name(conv_out_size, calls):
    """The sizes, with stride and pad passed by name, or left out where they are the default."""
    sizes = []
    for n, k, stride, pad in calls:
        step, border = {"stride": stride} if stride > 1 else {}, {"pad": pad} if pad > 0 else {}
        sizes.append(conv_out_size(n, k, **step, **border))
    return sizes


@check("conv_out_size", points=1.5)
def test_output_size_counts_positions_for_any_stride_and_padding(submission):
    """The size is the number of steps that keep the kernel inside the padded input, and it is an integer."""
    kernels = [(1, 1, 0), (3, 1, 1), (2, 2, 0), (3, 2, 1), (4, 3, 1), (1, 5, 2), (4, 4, 0)]
    calls = [(n, *kernel) for n in (4, 7, 8, 300, 70_001) for kernel in kernels]  # beyond 8 and 16 bits, too
    for (n, k, stride, pad), size in in_turn(sizes_by_name, submission.conv_out_size, calls=calls):
        positions = range(0, n + 2 * pad - k + 1, stride)
        assert_close(size, len(positions), name="size", dtype=False)
        assert_true(isinstance(size, int | np.integer), "a size should be an integer, usable in range()")


@check("conv_out_size", points=1.5)
def test_output_size_with_dilation_counts_the_span_of_the_kernel(submission):
    """With dilation d the k taps of a kernel span d (k - 1) + 1 pixels, and all of them must lie inside."""
    calls = [(5, 2, 1, 0, 2), (7, 3, 1, 0, 3), (9, 3, 2, 1, 2), (12, 4, 3, 2, 3), (6, 1, 2, 0, 4)]
    calls += [(600, 4, 2, 0, 3), (140_000, 3, 2, 1, 2)]
    for (n, k, stride, pad, d), size in in_turn(each, submission.conv_out_size, calls=calls):
        taps = d * np.arange(k)
        positions = [p for p in range(0, n + 2 * pad, stride) if p + taps[-1] < n + 2 * pad]
        assert_close(size, len(positions), name="size", dtype=False)


@check("conv_out_size", points=1.5)
def test_output_size_refuses_what_does_not_fit(submission):
    """Where the kernel fits nowhere, however near the miss, or an argument makes no sense, raise ValueError."""
    misses = [(3, 4, 1, 0, 1), (3, 4, 2, 0, 1), (4, 9, 3, 2, 1), (4, 3, 1, 0, 2), (5, 3, 4, 0, 3)]
    senseless = [(0, 1, 0, 1), (3, 0, 0, 1), (3, -1, 0, 1), (3, 1, -1, 1), (3, 1, 0, 0), (3, 1, 0, -1)]
    assert_each_refused(submission.conv_out_size, [*misses, *((9, *bad) for bad in senseless)])
    fits = [(3, 3, 1, 0, 1), (4, 8, 3, 2, 1), (5, 3, 4, 0, 2), (70_001, 2, 1, 0, 1), (300, 4, 1, 5, 2)]
    sizes = [size for _, size in in_turn(each, submission.conv_out_size, calls=fits)]
    assert_close(sizes, [1, 1, 1, 70_000, 304], dtype="kind", name="sizes of what fits")


# ---------------------------------------------------------------------------------- correlation, convolution


@check("correlate2d", points=1)
def test_correlation_of_any_sizes_and_dtype(submission, rng):
    """Correlation keeps the dtype, reads strided images, works for every kernel that fits, and writes nothing."""
    for shape, kernel in [
        ((1, 1), (1, 1)),
        ((1, 5), (1, 2)),
        ((6, 1), (3, 1)),
        ((4, 5), (1, 1)),
        ((5, 3), (5, 3)),
    ]:
        x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
        expected = conv(x[None, None], w[None, None], np.zeros(1), 1, 0)[0, 0]
        result = assert_pure(submission.correlate2d, x, w, name="correlation")
        assert_close(result, expected, name="correlation")
        calls = [(noncontiguous(x), fortran(w)), (x.astype(np.float32), w.astype(np.float32))]
        (_, strided), (_, single) = in_turn(each, submission.correlate2d, calls=calls)
        assert_close(strided, expected, name="of a strided view")
        assert_close(single, expected.astype(np.float32), name="float32 correlation")


@check("correlate2d", points=1)
def test_cost_of_correlation(submission, rng):
    """Correlation does its work in a number of steps that does not grow with the image."""
    small, large = rng.standard_normal((5, 6)), rng.standard_normal((8, 11))
    w = rng.standard_normal((3, 2))
    expected = tuple(conv(x[None, None], w[None, None], np.zeros(1), 1, 0)[0, 0] for x in (small, large))
    values = assert_flat_cost(submission.correlate2d, (small, w), (large, w))
    assert_close(values, expected, name="correlation of both sizes")


@check("convolve2d", points=2)
def test_convolution_flips_the_kernel_along_both_axes(submission, rng):
    """Convolution is correlation with the kernel reversed along both axes; it keeps dtype and arguments."""
    for shape, kernel in [
        ((1, 1), (1, 1)),
        ((1, 5), (1, 3)),
        ((6, 1), (3, 1)),
        ((4, 5), (2, 2)),
        ((6, 5), (3, 4)),
    ]:
        x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
        flipped = np.array(w[::-1, ::-1])
        expected = conv(x[None, None], flipped[None, None], np.zeros(1), 1, 0)[0, 0]
        result = assert_pure(submission.convolve2d, x, w, name="convolution")
        assert_close(result, expected, name="convolution")
        calls = [(noncontiguous(x), fortran(w)), (x.astype(np.float32), w.astype(np.float32))]
        (_, strided), (_, single) = in_turn(each, submission.convolve2d, calls=calls)
        assert_close(strided, expected, name="of a strided view")
        assert_close(single, expected.astype(np.float32), name="float32 convolution")


@check("convolve2d", points=0.5)
def test_convolution_refuses_a_kernel_larger_than_the_image(submission, rng):
    """A kernel that is larger than the image along either axis has no valid position: raise ValueError."""
    kernels = [(5, 1), (1, 4), (5, 4)]
    calls = [(rng.standard_normal((4, 3)), rng.standard_normal(kernel)) for kernel in kernels]
    assert_each_refused(submission.convolve2d, calls)
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    expected = np.array([[(x[:, j : j + 2] * w[::-1, ::-1]).sum() for j in range(2)]])
    assert_close(submission.convolve2d(x, w), expected, name="convolution with a kernel that fits")


# ------------------------------------------------------------------------------------------- forward pass


def judge_layer(submission, rng, cases):
    """Compare y with torch's for each of the cases."""
    calls = [(*draw(rng, case), case.stride, case.pad) for case in cases]
    for layer, (y, _) in in_turn(each, submission.conv2d_forward, calls=calls):
        assert_close(y, conv(*layer), name="y")


@check("conv2d_forward", points=1)
def test_layer_with_padding(submission, rng):
    """A layer with stride 1 correlates the zero-padded images with every filter."""
    judge_layer(submission, rng, STRIDE_ONE)


@check("conv2d_forward", points=2)
def test_layer_drops_windows_that_stick_out(submission, rng):
    """When the stride does not divide what is left, the last window that fits is the last; nothing is rounded up."""
    judge_layer(submission, rng, REMAINDER + NO_REMAINDER)


@check("conv2d_forward", points=1)
def test_bias_belongs_to_the_filter_not_to_the_column(submission, rng):
    """The bias goes along the filter axis even when the output happens to have as many columns as filters."""
    sizes = [(1, 1, 3, 4), (2, 2, 5, 4), (3, 2, 4, 4)]
    judge_layer(submission, rng, [Case(*size, 3, 2, 2, 1, 0) for size in sizes])


@check("conv2d_forward", points=2.5)
def test_layer_of_extreme_sizes(submission, rng):
    """One example, one channel, one filter, one pixel, or a kernel as large as the image are no special cases."""
    judge_layer(submission, rng, EDGES)


@check("conv2d_forward", points=1)
def test_layer_is_linear_in_the_image_and_in_the_filters(submission, rng):
    """Without its bias the layer is linear in the images, and also linear in the filters."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    (x, w, b), (u, v, _) = draw(rng, case), draw(rng, case)
    b = 0 * b

    layers = [(x, w), (2 * x - u, w), (u, w), (x, w + 3 * v), (x, v)]
    calls = [(images.copy(), filters.copy(), b.copy(), case.stride, case.pad) for images, filters in layers]
    results = in_turn(each, submission.conv2d_forward, calls=calls)
    both, of_images, of_u, of_filters, of_v = [y for _, (y, _) in results]
    assert_close(of_images, 2 * both - of_u, name="y of a sum of images")
    assert_close(of_filters, both + 3 * of_v, name="y of a sum of filters")
    assert_true(bool(np.abs(both).max() > 0.1), "the output should depend on images and filters")


@check("conv2d_forward", points=1)
def test_layer_keeps_float32_and_reads_strided_images(submission, rng):
    """A float32 layer stays in float32, and the memory layout of images and filters does not matter."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    expected = conv(x, w, b, case.stride, case.pad)
    y, _ = submission.conv2d_forward(noncontiguous(x), fortran(w), noncontiguous(b), case.stride, case.pad)
    assert_close(y, expected, name="y of strided views")
    x, w, b = (a.astype(np.float32) for a in (x, w, b))
    y, _ = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(y, expected.astype(np.float32), name="float32 y")


@check("conv2d_forward", points=0.5)
def test_layer_writes_to_none_of_its_arguments(submission, rng):
    """The forward pass leaves images, filters and biases as they were, and its output is memory of its own."""
    for case in [Case(1, 1, 3, 4, 1, 1, 1, 1, 0), Case(2, 3, 6, 5, 4, 3, 2, 2, 1)]:
        x, w, b = draw(rng, case)
        seen = observe(submission.conv2d_forward)(x, w, b, case.stride, case.pad)
        assert_true(not seen.changed, "the forward pass should not write to its arguments")
        assert_true(not output_aliases(seen), "y should not share memory with an argument")
        assert_close(seen.value[0], conv(x, w, b, case.stride, case.pad), name="y")


@check("conv2d_forward", points=1)
def test_layer_refuses_arguments_that_do_not_fit(submission, rng):
    """Filters for other channels, a wrong number of biases, an impossible stride, padding or kernel: ValueError."""
    x, w, b = draw(rng, Case(2, 3, 5, 4, 2, 3, 2, 1, 0))
    bad = [
        (x, w[:, :1].copy(), b, 1, 0),
        (x[:, :1].copy(), w, b, 1, 0),
        (x, w, b[:1].copy(), 1, 0),
        (x, w, np.zeros(3), 1, 0),
        (x, w, b[:, None].copy(), 1, 0),
        (x, w, b, 0, 0),
        (x, w, b, -1, 0),
        (x, w, b, 1, -1),
        (x[:, :, :2].copy(), w, b, 1, 0),
        (x[:, :, :, :1].copy(), w, b, 2, 0),
    ]
    assert_each_refused(submission.conv2d_forward, bad)
    y, _ = submission.conv2d_forward(x, w, b, 2, 1)
    assert_close(y, conv(x, w, b, 2, 1), name="y of arguments that fit")


@check("conv2d_forward", points=1)
def test_cost_of_the_layer(submission, rng):
    """The layer takes as many steps for many large images and filters as for few small ones."""
    runs = [(*draw(rng, case), case.stride, case.pad) for case in (SMALL, LARGE)]
    results = assert_flat_cost(submission.conv2d_forward, *runs)
    for (y, _), run in zip(results, runs, strict=True):
        assert_close(y, conv(*run), name="y")


# ---------------------------------------------------------------------------- gradients of filters and biases


def judge_gradient(submission, rng, cases, name):
    """Compare dx, dw or db with torch's for each of the cases."""
    calls, expected = [], []
    for case in cases:
        layer = (*draw(rng, case), case.stride, case.pad)
        dy, dx, dw, db = gradients(*layer, rng)
        calls.append((layer, dy))
        expected.append({"dx": dx, "dw": dw, "db": db}[name])
    backward = getattr(submission, f"conv2d_{name}")
    results = in_turn(there_and_back, submission.conv2d_forward, backward, calls=calls)
    for gradient, (_, result) in zip(expected, results, strict=True):
        assert_close(result, gradient, name=name)


@check("conv2d_dw", points=1)
def test_filter_gradient_is_a_correlation_without_a_flip(submission, rng):
    """For one image and one filter, dw is the valid correlation of the image with dy, neither of them turned."""
    sizes = [(3, 3, 2, 2), (5, 4, 3, 2), (6, 7, 2, 4)]
    judge_gradient(submission, rng, [Case(1, 1, h, w, 1, kh, kw, 1, 0) for h, w, kh, kw in sizes], "dw")


@check("conv2d_dw", points=1.5)
def test_filter_gradient_with_stride_and_padding(submission, rng):
    """The filter gradient sees the padded images, stride pixels apart, and adds up over all examples."""
    judge_gradient(submission, rng, STRIDE_ONE + NO_REMAINDER, "dw")


@check("conv2d_dw", points=1)
def test_filter_gradient_has_the_shape_of_the_filters(submission, rng):
    """When the stride leaves rows or columns over, the filter gradient still is kh x kw and ignores them."""
    judge_gradient(submission, rng, REMAINDER, "dw")


@check("conv2d_dw", points=1)
def test_filter_gradient_of_extreme_sizes(submission, rng):
    """One example, one channel, one filter, one pixel, or a kernel as large as the image are no special cases."""
    judge_gradient(submission, rng, EDGES, "dw")


@check("conv2d_dw", points=1)
def test_filter_gradient_is_the_adjoint_of_the_layer(submission, rng):
    """For all filters v, the product of dy with the layer of v equals the product of dw with v."""
    for case in [Case(1, 1, 4, 5, 1, 2, 2, 1, 0), Case(2, 3, 7, 6, 4, 3, 2, 2, 1)]:
        x, w, b = draw(rng, case)
        dy, _, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
        _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
        dw = submission.conv2d_dw(dy, cache)
        assert_true(np.shape(dw) == w.shape, "dw should have the shape of w")
        for _ in range(3):
            v = rng.standard_normal(w.shape)
            expected = (dy * conv(x, v, 0 * b, case.stride, case.pad)).sum()
            assert_close((dw * v).sum(), expected, name="product of dw and v")


@check("conv2d_dw", points=1)
def test_filter_gradient_keeps_filters_and_channels_apart(submission, rng):
    """The axes of dw are filter, channel, row, column, also when there are as many filters as channels."""
    square = [
        Case(1, 2, 4, 4, 2, 2, 2, 1, 0),
        Case(3, 3, 5, 5, 3, 3, 3, 1, 1),
        Case(2, 2, 4, 4, 2, 2, 2, 2, 0),
    ]
    judge_gradient(submission, rng, square, "dw")


@check("conv2d_dw", points=1)
def test_filter_gradient_keeps_float32_and_reads_strided_dy(submission, rng):
    """A float32 layer has float32 gradients, and the memory layout of dy does not matter."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    dy, _, dw, _ = gradients(x, w, b, case.stride, case.pad, rng)
    _, cache = submission.conv2d_forward(noncontiguous(x), w, b, case.stride, case.pad)
    assert_close(submission.conv2d_dw(noncontiguous(dy), cache), dw, name="dw of a strided dy")
    assert_close(submission.conv2d_dw(fortran(dy), cache), dw, name="dw of a dy in Fortran order")
    x, w, b, dy = (a.astype(np.float32) for a in (x, w, b, dy))
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(submission.conv2d_dw(dy, cache), dw.astype(np.float32), name="float32 dw")


@check("conv2d_dw", points=0.5)
def test_filter_gradient_leaves_dy_and_cache_alone(submission, rng):
    """A backward function writes neither to dy nor to the cache, so that calling it again gives the same."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    dy, _, dw, _ = gradients(x, w, b, case.stride, case.pad, rng)
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(assert_pure(submission.conv2d_dw, dy, cache, name="dw"), dw, name="dw")
    assert_close(submission.conv2d_dw(dy, cache), dw, name="dw of a second call")


@check("conv2d_dw", points=1)
def test_cost_of_the_filter_gradient(submission, rng):
    """The filter gradient takes as many steps for many large images and filters as for few small ones."""
    runs, expected = [], []
    for case in (SMALL, LARGE):
        x, w, b = draw(rng, case)
        dy, _, dw, _ = gradients(x, w, b, case.stride, case.pad, rng)
        _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
        runs.append((dy, cache))
        expected.append(dw)
    assert_close(assert_flat_cost(submission.conv2d_dw, *runs), expected, name="dw of both sizes")


@check("conv2d_db", points=2)
def test_bias_gradient_of_layers_of_all_sizes(submission, rng):
    """The bias gradient has one entry per filter, whatever the stride, the padding and the sizes."""
    judge_gradient(submission, rng, EDGES + REMAINDER[1:4], "db")


@check("conv2d_db", points=1)
def test_bias_gradient_keeps_float32_and_its_arguments(submission, rng):
    """The bias gradient keeps float32, reads dy in any memory layout, and writes to nothing."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    dy, _, _, db = gradients(x, w, b, case.stride, case.pad, rng)
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(assert_pure(submission.conv2d_db, dy, cache, name="db"), db, name="db")
    assert_close(submission.conv2d_db(noncontiguous(dy), cache), db, name="db of a strided dy")
    x, w, b, dy = (a.astype(np.float32) for a in (x, w, b, dy))
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(submission.conv2d_db(dy, cache), db.astype(np.float32), name="float32 db")


# --------------------------------------------------------------------------------------- gradient of the images


@check("conv2d_dx", points=1.5)
def test_input_gradient_has_the_padding_cropped(submission, rng):
    """The input gradient belongs to the images as they came in: what fell on the padding is cut off."""
    judge_gradient(submission, rng, [*STRIDE_ONE, Case(1, 2, 4, 3, 3, 2, 2, 1, 3)], "dx")


@check("conv2d_dx", points=1)
def test_input_gradient_with_stride_and_padding(submission, rng):
    """With stride s the entries of dy lie s pixels apart in the input gradient, with and without padding."""
    judge_gradient(submission, rng, NO_REMAINDER, "dx")


@check("conv2d_dx", points=2)
def test_input_gradient_has_the_shape_of_the_images(submission, rng):
    """When the stride leaves rows or columns over, the input gradient still has all of them."""
    judge_gradient(submission, rng, REMAINDER, "dx")


@check("conv2d_dx", points=1)
def test_pixels_that_no_window_reaches_have_gradient_zero(submission, rng):
    """A pixel outside all windows cannot change the output, so its gradient is 0."""
    calls, expected = [], []
    for case in [
        Case(1, 1, 4, 4, 1, 3, 3, 2, 0),
        Case(2, 2, 7, 8, 3, 2, 2, 3, 0),
        Case(2, 3, 5, 5, 2, 1, 1, 2, 0),
    ]:
        x, w, b = draw(rng, case)
        reached = gradients(np.ones(x.shape), np.ones(w.shape), b, case.stride, case.pad, rng)[1] != 0
        dy, dx, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
        calls.append(((x, w, b, case.stride, case.pad), dy))
        expected.append((reached, dx))
    results = in_turn(there_and_back, submission.conv2d_forward, submission.conv2d_dx, calls=calls)
    for (reached, dx), (_, result) in zip(expected, results, strict=True):
        assert_true(np.shape(result) == dx.shape, "dx should have the shape of x")
        assert_true(bool((np.abs(result)[~reached] < 1e-12).all()), "dx should be 0 where no window reaches")
        assert_close(result, dx, name="dx")


@check("conv2d_dx", points=1)
def test_input_gradient_sums_over_the_filters(submission, rng):
    """The input gradient sums over filters, not over channels, also when there are as many of both."""
    square = [
        Case(1, 2, 4, 4, 2, 2, 2, 1, 0),
        Case(3, 3, 5, 5, 3, 3, 3, 1, 1),
        Case(2, 2, 4, 4, 2, 2, 2, 2, 0),
    ]
    judge_gradient(submission, rng, square, "dx")


@check("conv2d_dx", points=1)
def test_input_gradient_is_the_adjoint_of_the_layer(submission, rng):
    """For all images u, the product of dy with the layer of u equals the product of dx with u."""
    for case in [Case(1, 1, 4, 5, 1, 2, 2, 1, 0), Case(2, 3, 7, 6, 4, 3, 2, 2, 1)]:
        x, w, b = draw(rng, case)
        dy, _, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
        _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
        dx = submission.conv2d_dx(dy, cache)
        assert_true(np.shape(dx) == x.shape, "dx should have the shape of x")
        for _ in range(3):
            u = rng.standard_normal(x.shape)
            expected = (dy * conv(u, w, 0 * b, case.stride, case.pad)).sum()
            assert_close((dx * u).sum(), expected, name="product of dx and u")


@check("conv2d_dx", points=1.5)
def test_input_gradient_of_extreme_sizes(submission, rng):
    """One example, one channel, one filter, one pixel, or a kernel as large as the image are no special cases."""
    judge_gradient(submission, rng, EDGES, "dx")


@check("conv2d_dx", points=1)
def test_input_gradient_keeps_float32_and_reads_strided_dy(submission, rng):
    """A float32 layer has float32 gradients, and the memory layout of dy and of the filters does not matter."""
    case = Case(2, 3, 6, 5, 4, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    dy, dx, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
    _, cache = submission.conv2d_forward(x, fortran(w), b, case.stride, case.pad)
    assert_close(submission.conv2d_dx(noncontiguous(dy), cache), dx, name="dx of a strided dy")
    assert_close(submission.conv2d_dx(fortran(dy), cache), dx, name="dx of a dy in Fortran order")
    x, w, b, dy = (a.astype(np.float32) for a in (x, w, b, dy))
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    assert_close(submission.conv2d_dx(dy, cache), dx.astype(np.float32), name="float32 dx")


@oracle
def input_differences(x, w, b, stride, pad, dy):
    return central_differences(lambda v: float((dy * torch_conv(v, w, b, stride, pad)).sum()), x)


@check("conv2d_dx", points=1)
def test_input_gradient_by_differences_leaves_dy_and_cache_alone(submission, rng):
    """With stride and padding dx is what finite differences measure, and a second call gives it again."""
    case = Case(1, 2, 4, 6, 3, 3, 2, 2, 1)
    x, w, b = draw(rng, case)
    dy, _, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
    expected = input_differences(x, w, b, case.stride, case.pad, dy)
    _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
    dx = assert_pure(submission.conv2d_dx, dy, cache, name="dx")
    assert_close(dx, expected, name="dx", rtol=1e-7)
    assert_close(submission.conv2d_dx(dy, cache), np.array(dx), name="dx of a second call")


@check("conv2d_dx", points=1)
def test_cost_of_the_input_gradient(submission, rng):
    """The input gradient takes as many steps for many large images and filters as for few small ones."""
    runs, expected = [], []
    for case in (SMALL, LARGE):
        x, w, b = draw(rng, case)
        dy, dx, _, _ = gradients(x, w, b, case.stride, case.pad, rng)
        _, cache = submission.conv2d_forward(x, w, b, case.stride, case.pad)
        runs.append((dy, cache))
        expected.append(dx)
    assert_close(assert_flat_cost(submission.conv2d_dx, *runs), expected, name="dx of both sizes")


# ---------------------------------------------------------------------------------------------- im2col, col2im


@check("im2col", points=2)
def test_im2col_orders_rows_by_position_and_columns_by_channel(submission, rng):
    """Rows run over examples, rows and columns of the output; columns over channels, rows and columns of a window."""
    calls = []
    for n, c, h, w, _, kh, kw, stride, pad in STRIDE_ONE + NO_REMAINDER + REMAINDER + EDGES:
        calls.append((rng.standard_normal((n, c, h, w)), kh, kw, stride, pad))
    for call, cols in in_turn(each, submission.im2col, calls=calls):
        assert_close(cols, unfold(*call), name="cols")


@check("im2col", points=1)
def test_im2col_copies_and_keeps_float32(submission, rng):
    """im2col returns a new array of the images' dtype, even for windows of a single pixel, from any memory layout."""
    for n, c, h, w, _, kh, kw, stride, pad in [
        EDGES[0],
        Case(2, 1, 3, 4, 1, 1, 1, 1, 0),
        Case(2, 3, 5, 4, 1, 3, 2, 2, 1),
    ]:
        x = rng.standard_normal((n, c, h, w))
        expected = unfold(x, kh, kw, stride, pad)
        cols = assert_pure(submission.im2col, x, kh, kw, stride, pad, name="cols")
        assert_close(cols, expected, name="cols")
        calls = [(image, kh, kw, stride, pad) for image in (noncontiguous(x), x.astype(np.float32))]
        (_, of_view), (_, single) = in_turn(each, submission.im2col, calls=calls)
        assert_close(of_view, expected, name="cols of a view")
        assert_close(single, expected.astype(np.float32), name="float32 cols")


@check("im2col", points=0.5)
def test_im2col_refuses_windows_that_do_not_fit(submission, rng):
    """A window larger than the padded image, an empty window, a stride below 1 or a negative padding: ValueError."""
    x = rng.standard_normal((2, 3, 4, 5))
    bad = [(5, 1, 1, 0), (1, 8, 2, 1), (0, 1, 1, 0), (1, 0, 1, 0), (2, 2, 0, 0), (2, 2, 1, -1)]
    assert_each_refused(submission.im2col, [(x, *windows) for windows in bad])
    assert_close(submission.im2col(x, 4, 7, 2, 1), unfold(x, 4, 7, 2, 1), name="matrix of windows that fit")


@check("im2col", points=0.5)
def test_cost_of_im2col(submission, rng):
    """im2col takes as many steps for many large images as for few small ones."""
    sizes = SMALL, LARGE
    runs = [(rng.standard_normal((n, c, h, w)), kh, kw, stride, pad) for n, c, h, w, _, kh, kw, stride, pad in sizes]
    values = assert_flat_cost(submission.im2col, *runs)
    assert_close(values, tuple(unfold(*run) for run in runs), name="cols of both sizes")


@oracle
def fold(cols, n, c, h, w, kh, kw, stride, pad):
    """The images that torch adds up from this course's matrix of windows."""
    columns = torch.from_numpy(np.array(cols.reshape(n, -1, c * kh * kw).transpose(0, 2, 1), order="C"))
    return functional.fold(columns, (h, w), (kh, kw), stride=stride, padding=pad).numpy()


def draw_columns(rng, n, c, h, w, kh, kw, stride, pad):
    """A random matrix of the shape that im2col gives."""
    return rng.standard_normal(unfold(np.zeros((n, c, h, w)), kh, kw, stride, pad).shape)


@check("col2im", points=2.5)
def test_col2im_is_the_adjoint_of_im2col(submission, rng):
    """Every entry is added to the pixel that im2col would have read; what belongs to the padding is dropped."""
    calls = []
    for n, c, h, w, _, *windows in STRIDE_ONE + NO_REMAINDER + REMAINDER + EDGES:
        calls.append((draw_columns(rng, n, c, h, w, *windows), (n, c, h, w), *windows))
    for (cols, shape, *windows), image in in_turn(each, submission.col2im, calls=calls):
        assert_close(image, fold(cols, *shape, *windows), name="image")
        x = rng.standard_normal(shape)
        expected = (unfold(x, *windows) * cols).sum()
        assert_close((x * image).sum(), expected, name="product with an image")


@check("col2im", points=1)
def test_col2im_of_im2col_counts_the_windows_of_each_pixel(submission, rng):
    """col2im after im2col is not the identity: it multiplies each pixel by the number of windows that cover it."""
    calls, expected = [], []
    for n, c, h, w, k, stride, pad in [(1, 1, 4, 4, 2, 1, 0), (2, 2, 5, 6, 3, 1, 1), (1, 3, 7, 6, 3, 2, 0)]:
        x = rng.standard_normal((n, c, h, w))
        cover = (
            [sum(0 <= i - p + pad < k for p in range(0, h + 2 * pad - k + 1, stride)) for i in range(h)],
            [sum(0 <= j - q + pad < k for q in range(0, w + 2 * pad - k + 1, stride)) for j in range(w)],
        )
        calls.append((unfold(x, k, k, stride, pad), x.shape, k, k, stride, pad))
        expected.append(x * np.outer(*cover))
    for covered, (_, image) in zip(expected, in_turn(each, submission.col2im, calls=calls), strict=True):
        assert_close(image, covered, name="image")


@check("col2im", points=1)
def test_col2im_keeps_float32_and_its_arguments(submission, rng):
    """col2im returns a new array of the matrix's dtype, reads any memory layout and writes to nothing."""
    for n, c, h, w, _, kh, kw, stride, pad in [
        EDGES[0],
        Case(2, 1, 3, 4, 1, 1, 1, 1, 0),
        Case(2, 3, 5, 4, 1, 3, 2, 2, 1),
    ]:
        cols = draw_columns(rng, n, c, h, w, kh, kw, stride, pad)
        expected = fold(cols, n, c, h, w, kh, kw, stride, pad)
        image = assert_pure(submission.col2im, cols, (n, c, h, w), kh, kw, stride, pad, name="image")
        assert_close(image, expected, name="image")
        matrices = [noncontiguous(cols), fortran(cols), cols.astype(np.float32)]
        calls = [(matrix, (n, c, h, w), kh, kw, stride, pad) for matrix in matrices]
        (_, first), (_, second), (_, single) = in_turn(each, submission.col2im, calls=calls)
        for image in (first, second):
            assert_close(image, expected, name="image of a strided matrix")
        assert_close(single, expected.astype(np.float32), name="float32 image")


@check("col2im", points=0.5)
def test_col2im_refuses_a_matrix_of_another_shape(submission, rng):
    """A matrix that im2col could not have made for these images, or impossible windows: ValueError."""
    shape = (2, 3, 4, 5)
    cols = draw_columns(rng, *shape, 2, 3, 1, 0)  # (2 * 3 * 3, 3 * 2 * 3)
    bad = [
        (cols[:-1].copy(), shape, 2, 3, 1, 0),
        (cols[:, :-1].copy(), shape, 2, 3, 1, 0),
        (cols, shape, 3, 3, 1, 0),
        (cols, shape, 5, 1, 1, 0),
        (cols, shape, 2, 3, 0, 0),
        (cols, shape, 2, 3, 1, -1),
    ]
    assert_each_refused(submission.col2im, bad)
    assert_close(submission.col2im(cols, shape, 2, 3, 1, 0), fold(cols, *shape, 2, 3, 1, 0), name="images of what fits")


@check("col2im", points=0.5)
def test_cost_of_col2im(submission, rng):
    """col2im takes as many steps for many large images as for few small ones; a loop over offsets is fine."""
    runs, expected = [], []
    for n, c, h, w, _, kh, kw, stride, pad in (SMALL, LARGE):
        cols = draw_columns(rng, n, c, h, w, kh, kw, stride, pad)
        runs.append((cols, (n, c, h, w), kh, kw, stride, pad))
        expected.append(fold(cols, n, c, h, w, kh, kw, stride, pad))
    assert_close(assert_flat_cost(submission.col2im, *runs), expected, name="image of both sizes")


# ------------------------------------------------------------------------------------------------- max pooling

POOLS = [  # (N, C, H, W, k, stride, pad)
    (1, 1, 3, 3, 2, 1, 0),
    (2, 3, 5, 6, 3, 2, 1),
    (2, 3, 7, 8, 2, 2, 0),
    (2, 2, 8, 7, 3, 2, 1),
    (1, 2, 5, 4, 1, 2, 0),
    (2, 1, 4, 5, 4, 3, 2),
    (2, 1, 1, 4, 3, 1, 1),
    (1, 3, 5, 5, 5, 1, 0),
]


@check("maxpool2d_forward", points=1)
def test_padding_never_wins(submission, rng):
    """Where all pixels are negative the largest pixel still is one of them, never the padding."""
    calls = []
    for n, c, h, w, k, stride, pad in [(1, 1, 2, 2, 2, 2, 1), (2, 3, 5, 6, 3, 2, 1), (2, 1, 4, 5, 4, 3, 2)]:
        calls.append((-1.0 - np.abs(far_apart(rng, (n, c, h, w))), k, stride, pad))
    for call, (y, _) in in_turn(each, submission.maxpool2d_forward, calls=calls):
        assert_close(y, pool(*call, rng)[0], name="y")


@check("maxpool2d_forward", points=1)
def test_pooling_with_overlap_padding_and_remainder(submission, rng):
    """Windows may overlap, reach over the border, or leave rows and columns over; the maximum is of each window."""
    calls = [(far_apart(rng, (n, c, h, w)), k, stride, pad) for n, c, h, w, k, stride, pad in POOLS]
    for call, (y, _) in in_turn(each, submission.maxpool2d_forward, calls=calls):
        assert_close(y, pool(*call, rng)[0], name="y")


@check("maxpool2d_forward", points=0.5)
def test_pooling_refuses_windows_that_do_not_fit(submission, rng):
    """A padding of more than half a window, a window larger than the padded image, a stride below 1: ValueError."""
    wide, high = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 5, 4))
    bad = [(1, 1, 1), (2, 2, 2), (3, 1, 2), (5, 1, 0), (0, 1, 0), (2, 0, 0), (2, -1, 0), (2, 1, -1)]
    calls = [(image, *windows) for windows in bad for image in (wide, high)]
    assert_each_refused(submission.maxpool2d_forward, calls)
    y, _ = submission.maxpool2d_forward(wide, 4, 1, 2)
    assert_close(y, pool(wide, 4, 1, 2, rng)[0], name="y of windows that fit")


@check("maxpool2d_forward", points=0.5)
def test_pooling_keeps_float32_and_its_argument(submission, rng):
    """Pooling keeps float32, reads images in any memory layout, and its output is memory of its own."""
    for n, c, h, w, k, stride, pad in [(1, 1, 2, 3, 1, 1, 0), (2, 3, 5, 6, 3, 2, 1)]:
        x = far_apart(rng, (n, c, h, w))
        expected = pool(x, k, stride, pad, rng)[0]
        seen = observe(submission.maxpool2d_forward)(x, k, stride, pad)
        assert_true(not seen.changed, "the forward pass should not write to the images")
        assert_true(not output_aliases(seen), "y should not share memory with the images")
        assert_close(seen.value[0], expected, name="y")
        calls = [(image, k, stride, pad) for image in (noncontiguous(x), fortran(x), x.astype(np.float32))]
        results = in_turn(each, submission.maxpool2d_forward, calls=calls)
        first, second, single = [y for _, (y, _) in results]
        for y in (first, second):
            assert_close(y, expected, name="y of a strided view")
        assert_close(single, expected.astype(np.float32), name="float32 y")


@check("maxpool2d_forward", points=0.5)
def test_cost_of_pooling(submission, rng):
    """Pooling takes as many steps for many large images as for few small ones."""
    runs = [(far_apart(rng, shape), 2, 2, 1) for shape in [(2, 1, 5, 6), (3, 2, 7, 8)]]
    results = assert_flat_cost(submission.maxpool2d_forward, *runs)
    for (y, _), run in zip(results, runs, strict=True):
        assert_close(y, pool(*run, rng)[0], name="y")


def pooling_gradients(submission, calls):
    """Each call ((x, k, stride, pad), dy) and its dx."""
    return in_turn(there_and_back, submission.maxpool2d_forward, submission.maxpool2d_backward, calls=calls)


def judge_pooling_gradients(submission, rng, pools):
    """Compare dx with torch's for each (x, k, stride, pad)."""
    oracles = [pool(*call, rng) for call in pools]
    calls = [(call, dy) for call, (_, dy, _) in zip(pools, oracles, strict=True)]
    for (_, _, expected), (_, dx) in zip(oracles, pooling_gradients(submission, calls), strict=True):
        assert_close(dx, expected, name="dx")


@check("maxpool2d_backward", points=1)
def test_ties_go_to_the_first_pixel_of_the_window(submission, rng):
    """Of equally large pixels the first in row-major order gets all of the gradient, and the others get none."""
    pools = []
    for n, c, h, w, k, stride in [(1, 1, 2, 2, 2, 2), (2, 3, 4, 6, 2, 2), (2, 2, 5, 6, 3, 1)]:
        pools.append((np.full((n, c, h, w), rng.standard_normal()), k, stride, 0))
        pools.append((rng.integers(0, 2, (n, c, h, w)).astype(float), k, stride, 0))
    judge_pooling_gradients(submission, rng, pools)


@check("maxpool2d_backward", points=0.5)
def test_ties_at_the_border_go_to_the_first_real_pixel(submission, rng):
    """A padding pixel takes part in no tie: in a constant image the first real pixel of each window wins."""
    pools = []
    for n, c, h, w, k, stride, pad in [(1, 1, 2, 2, 2, 2, 1), (2, 3, 5, 6, 3, 2, 1), (2, 1, 4, 5, 4, 3, 2)]:
        pools += [(np.full((n, c, h, w), constant), k, stride, pad) for constant in (0.0, -2.0, 3.0)]
    judge_pooling_gradients(submission, rng, pools)


@check("maxpool2d_backward", points=1.5)
def test_a_pixel_that_wins_several_windows_collects_from_all(submission, rng):
    """Where windows overlap, a pixel that is the largest of several of them gets the sum of their gradients."""
    pools = [(far_apart(rng, (n, c, h, w)), k, stride, pad) for n, c, h, w, k, stride, pad in POOLS]
    oracles = [pool(*call, rng) for call in pools]
    calls = [(call, dy) for call, (_, dy, _) in zip(pools, oracles, strict=True)]
    for (_, _, expected), ((call, dy), dx) in zip(oracles, pooling_gradients(submission, calls), strict=True):
        assert_close(dx, expected, name="dx")
        if call[0].size < 30:
            assert_close(dx, pool_differences(*call, dy), name="dx", rtol=1e-7)


@check("maxpool2d_backward", points=1)
def test_pooling_gradient_keeps_float32_dy_and_cache(submission, rng):
    """The gradient keeps float32, reads dy in any layout, and changes neither dy nor the cache."""
    x = far_apart(rng, (2, 3, 5, 6))
    _, dy, dx = pool(x, 3, 2, 1, rng)
    _, cache = submission.maxpool2d_forward(noncontiguous(x), 3, 2, 1)
    assert_close(assert_pure(submission.maxpool2d_backward, dy, cache, name="dx"), dx, name="dx")
    assert_close(submission.maxpool2d_backward(noncontiguous(dy), cache), dx, name="dx of a strided dy")
    _, cache = submission.maxpool2d_forward(x.astype(np.float32), 3, 2, 1)
    single = submission.maxpool2d_backward(dy.astype(np.float32), cache)
    assert_close(single, dx.astype(np.float32), name="float32 dx")


@check("maxpool2d_backward", points=0.5)
def test_cost_of_the_pooling_gradient(submission, rng):
    """The pooling gradient takes as many steps for many large images as for few small ones."""
    runs, expected = [], []
    for n, c, h, w in [(2, 1, 5, 6), (3, 2, 7, 8)]:
        x = far_apart(rng, (n, c, h, w))
        _, dy, dx = pool(x, 2, 2, 1, rng)
        _, cache = submission.maxpool2d_forward(x, 2, 2, 1)
        runs.append((dy, cache))
        expected.append(dx)
    assert_close(assert_flat_cost(submission.maxpool2d_backward, *runs), expected, name="dx of both sizes")


# --------------------------------------------------------------------------------------- transposed convolution


@oracle
def transposed(x, w, stride, pad, output_padding=0):
    """Torch's transposed convolution, NumPy in and out."""
    x, w = (torch.from_numpy(np.array(a, order="C")) for a in (x, w))
    return functional.conv_transpose2d(x, w, stride=stride, padding=pad, output_padding=output_padding).numpy()


UPSAMPLINGS = [  # (N, F, H, W, C, kh, kw, stride, pad)
    (1, 1, 1, 1, 1, 1, 1, 1, 0),
    (1, 1, 2, 2, 1, 2, 2, 1, 0),
    (2, 3, 4, 5, 2, 3, 2, 1, 0),
    (2, 3, 4, 5, 2, 3, 2, 2, 0),
    (2, 3, 4, 5, 2, 3, 4, 2, 1),
    (1, 4, 3, 2, 3, 2, 4, 3, 0),
    (2, 4, 5, 4, 1, 4, 3, 2, 2),
    (2, 1, 1, 3, 2, 3, 3, 2, 1),
]


@check("conv_transpose2d", points=2)
def test_transposed_convolution_with_stride_and_padding(submission, rng):
    """Stride spreads the input, every entry adds its filter to the result, and padding crops the rim."""
    calls = []
    for n, f, h, w, c, kh, kw, stride, pad in UPSAMPLINGS:
        calls.append((rng.standard_normal((n, f, h, w)), rng.standard_normal((f, c, kh, kw)), stride, pad))
    for call, result in in_turn(each, submission.conv_transpose2d, calls=calls):
        assert_close(result, transposed(*call), name="result")


@in_worker
def upsampled_by_name(conv_transpose2d, calls):
    return [conv_transpose2d(*arguments, output_padding=more) for *arguments, more in calls]


@check("conv_transpose2d", points=1.5)
def test_output_padding_shows_more_of_the_result(submission, rng):
    """output_padding makes the result longer at its end; with padding that uncovers rows that were cropped."""
    calls = []
    for n, f, h, w, c, kh, kw, stride, pad in UPSAMPLINGS:
        for output_padding in range(1, stride):
            x, filters = rng.standard_normal((n, f, h, w)), rng.standard_normal((f, c, kh, kw))
            calls.append((x, filters, stride, pad, output_padding))
    for call, result in in_turn(upsampled_by_name, submission.conv_transpose2d, calls=calls):
        assert_close(result, transposed(*call), name="result")


@check("conv_transpose2d", points=0.5)
def test_transposed_convolution_sums_over_the_filters(submission, rng):
    """The channels of the input are summed over the first axis of w, also when w has two equal axes."""
    calls = []
    for k, stride, pad in [(2, 1, 0), (3, 2, 1)]:
        calls.append((rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((3, 3, k, k)), stride, pad))
    for call, result in in_turn(each, submission.conv_transpose2d, calls=calls):
        assert_close(result, transposed(*call), name="result")


@check("conv_transpose2d", points=1)
def test_transposed_convolution_refuses_impossible_arguments(submission, rng):
    """A wrong number of filters, output_padding not below the stride, or a result without pixels: ValueError."""
    x, w = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3, 2, 3, 2))
    bad = [
        (x[:, :1].copy(), w, 1, 0),
        (x, w[:1].copy(), 1, 0),
        (x, w, 0, 0),
        (x, w, 1, -1),
        (x, w, 1, 0, 1),
        (x, w, 2, 1, 2),
        (x[:, :, :1, :1].copy(), w, 2, 0, 2),
        (x, w, 2, 0, -1),
        (x[:, :, :2].copy(), w, 1, 2),
        (x[:, :, :1].copy(), w, 1, 2),
        (x[:, :, :, :1].copy(), w, 1, 1),
    ]
    assert_each_refused(submission.conv_transpose2d, bad)
    expected = transposed(x, w, 2, 1, 1)
    assert_close(submission.conv_transpose2d(x, w, 2, 1, 1), expected, name="result of what is possible")


@check("conv_transpose2d", points=0.5)
def test_transposed_convolution_keeps_float32_and_its_arguments(submission, rng):
    """The transposed convolution keeps float32, reads any memory layout, and its result is memory of its own."""
    for kernel, stride, pad in [((1, 1), 1, 0), ((3, 2), 2, 1)]:
        x, w = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3, 2, *kernel))
        expected = transposed(x, w, stride, pad)
        result = assert_pure(submission.conv_transpose2d, x, w, stride, pad, name="result")
        assert_close(result, expected, name="result")
        images = [(noncontiguous(x), fortran(w)), (x.astype(np.float32), w.astype(np.float32))]
        calls = [(*pair, stride, pad) for pair in images]
        (_, result), (_, single) = in_turn(each, submission.conv_transpose2d, calls=calls)
        assert_close(result, expected, name="result of strided views")
        assert_close(single, expected.astype(np.float32), name="float32 result")


@check("conv_transpose2d", points=0.5)
def test_cost_of_the_transposed_convolution(submission, rng):
    """The transposed convolution takes as many steps for many large inputs as for few small ones."""
    runs = []
    for n, f, h, w, c in [(2, 3, 4, 5, 1), (3, 5, 7, 6, 2)]:
        runs.append((rng.standard_normal((n, f, h, w)), rng.standard_normal((f, c, 3, 2)), 2, 1))
    values = assert_flat_cost(submission.conv_transpose2d, *runs)
    assert_close(values, tuple(transposed(*run) for run in runs), name="result of both sizes")
