"""The reference of the convolution topic against SciPy, scikit-image and torch, and its handout's examples."""

import doctest
import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import skimage.measure
import skimage.util

ROOT = Path(__file__).resolve().parents[2]


def load():
    spec = importlib.util.spec_from_file_location(
        "conv_backprop_solution", ROOT / "solutions" / "conv_backprop.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


conv = load()
RNG = np.random.default_rng(7)


@pytest.mark.parametrize(
    ("shape", "kernel"), [((1, 1), (1, 1)), ((5, 7), (3, 2)), ((4, 6), (4, 6)), ((9, 1), (2, 1))]
)
def test_correlation_and_convolution_agree_with_scipy(shape, kernel):
    x, w = RNG.standard_normal(shape), RNG.standard_normal(kernel)
    np.testing.assert_allclose(
        conv.correlate2d(x, w), scipy.signal.correlate2d(x, w, mode="valid"), atol=1e-13
    )
    np.testing.assert_allclose(conv.convolve2d(x, w), scipy.signal.convolve2d(x, w, mode="valid"), atol=1e-13)


@pytest.mark.parametrize(("height", "kh", "stride"), [(5, 2, 1), (7, 3, 2), (8, 3, 2), (9, 4, 3)])
def test_im2col_agrees_with_scikit_image(height, kh, stride):
    x = RNG.standard_normal((1, 2, height, 8))
    seen = skimage.util.view_as_windows(x[0], (2, kh, 3), step=(1, stride, stride))[0]
    np.testing.assert_array_equal(conv.im2col(x, kh, 3, stride, 0), seen.reshape(-1, 2 * kh * 3))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_pooling_agrees_with_scikit_image(k):
    x = RNG.standard_normal((2, 3, 4 * k, 3 * k))
    y, _ = conv.maxpool2d_forward(x, k, k, 0)
    np.testing.assert_array_equal(y, skimage.measure.block_reduce(x, (1, 1, k, k), np.max))


def test_transposed_convolution_of_one_filter_is_a_full_convolution():
    x, w = RNG.standard_normal((4, 5)), RNG.standard_normal((3, 2))
    ours = conv.conv_transpose2d(x[None, None], w[None, None], 1, 0)[0, 0]
    np.testing.assert_allclose(ours, scipy.signal.convolve2d(x, w, mode="full"), atol=1e-13)


GRID = list(itertools.product([(7, 8), (8, 7), (3, 5)], [(1, 1), (3, 2), (2, 3)], [1, 2, 3], [0, 1, 2]))


@pytest.mark.parametrize(("size", "kernel", "stride", "pad"), GRID)
def test_layer_and_gradients_agree_with_torch(size, kernel, stride, pad):
    torch = pytest.importorskip("torch")
    leaves = [
        torch.from_numpy(RNG.standard_normal(shape)).requires_grad_()
        for shape in [(2, 3, *size), (4, 3, *kernel), (4,)]
    ]
    y_torch = torch.nn.functional.conv2d(*leaves, stride=stride, padding=pad)
    dy = RNG.standard_normal(y_torch.shape)
    y_torch.backward(torch.from_numpy(dy))
    x, w, b = (leaf.detach().numpy() for leaf in leaves)
    y, cache = conv.conv2d_forward(x, w, b, stride, pad)
    np.testing.assert_allclose(y, y_torch.detach().numpy(), atol=1e-12)
    for ours, leaf in zip((conv.conv2d_dx, conv.conv2d_dw, conv.conv2d_db), leaves, strict=True):
        np.testing.assert_allclose(ours(dy, cache), leaf.grad.numpy(), atol=1e-12)
    for extra in range(stride):
        expected = torch.nn.functional.conv_transpose2d(
            torch.from_numpy(dy), leaves[1], stride=stride, padding=pad, output_padding=extra
        )
        result = conv.conv_transpose2d(dy, w, stride, pad, extra)
        np.testing.assert_allclose(result, expected.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(("k", "stride", "pad"), [(1, 1, 0), (2, 2, 0), (2, 1, 1), (3, 2, 1), (4, 3, 2)])
@pytest.mark.parametrize("kind", ["random", "constant", "ties", "negative"])
def test_pooling_agrees_with_torch_in_ties_too(k, stride, pad, kind):
    torch = pytest.importorskip("torch")
    x = {
        "random": RNG.standard_normal((2, 3, 7, 6)),
        "constant": np.full((2, 3, 7, 6), 4.0),
        "ties": RNG.integers(0, 2, (2, 3, 7, 6)).astype(float),
        "negative": -1 - RNG.random((2, 3, 7, 6)),
    }[kind]
    leaf = torch.from_numpy(x).requires_grad_()
    y_torch = torch.nn.functional.max_pool2d(leaf, k, stride, pad)
    dy = RNG.standard_normal(y_torch.shape)
    y_torch.backward(torch.from_numpy(dy))
    y, cache = conv.maxpool2d_forward(x, k, stride, pad)
    np.testing.assert_array_equal(y, y_torch.detach().numpy())
    np.testing.assert_allclose(conv.maxpool2d_backward(dy, cache), leaf.grad.numpy(), atol=1e-13)


SIZES = list(itertools.product([5, 8], [1, 3], [1, 2, 3], [0, 1], [1, 2]))


@pytest.mark.parametrize(("n", "k", "stride", "pad", "d"), SIZES)
def test_output_size_agrees_with_torch(n, k, stride, pad, d):
    torch = pytest.importorskip("torch")
    y = torch.nn.functional.conv1d(
        torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=stride, padding=pad, dilation=d
    )
    assert conv.conv_out_size(n, k, stride, pad, d) == y.shape[2]


def test_a_matrix_product_with_im2col_is_the_layer():
    x, w, b = RNG.standard_normal((2, 3, 7, 8)), RNG.standard_normal((4, 3, 3, 2)), RNG.standard_normal(4)
    y, cache = conv.conv2d_forward(x, w, b, 2, 1)
    product = conv.im2col(x, 3, 2, 2, 1) @ w.reshape(4, -1).T + b
    np.testing.assert_allclose(np.moveaxis(y, 1, 3).reshape(-1, 4), product, atol=1e-12)
    dy = RNG.standard_normal(y.shape)
    dcols = np.moveaxis(dy, 1, 3).reshape(-1, 4) @ w.reshape(4, -1)
    np.testing.assert_allclose(conv.conv2d_dx(dy, cache), conv.col2im(dcols, x.shape, 3, 2, 2, 1), atol=1e-12)


def test_examples_of_the_handout():
    text = (ROOT / "exercises" / "conv_backprop.md").read_text(encoding="utf-8")
    names = {name: value for name, value in vars(conv).items() if not name.startswith("_")} | {"np": np}
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    session = "\n".join(line for line in text.splitlines() if not line.startswith("```"))
    example = doctest.DocTestParser().get_doctest(session, names, "conv_backprop.md", None, 0)
    assert len(example.examples) >= 10
    assert doctest.DocTestRunner(optionflags=options).run(example).failed == 0
