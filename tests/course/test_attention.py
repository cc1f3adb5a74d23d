"""The reference of attention agrees with scipy, scikit-learn and torch, and the handout's claims about torch hold."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax as scipy_softmax
from sklearn.metrics.pairwise import rbf_kernel
from torch.nn import functional

PATH = Path(__file__).parents[2] / "solutions" / "attention.py"
spec = importlib.util.spec_from_file_location("reference_attention_course", PATH)
attention = importlib.util.module_from_spec(spec)
spec.loader.exec_module(attention)


@pytest.fixture
def rng():
    return np.random.default_rng(20170612)


def close(actual, expected, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=rtol, atol=1e-12)


def test_softmax_is_scipys(rng):
    x = 30 * rng.standard_normal((3, 4, 5))
    for axis in (0, 1, -1):
        close(attention.softmax(x, axis), scipy_softmax(x, axis=axis))


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_attention_and_its_gradient_are_torchs(rng, lead):
    q, k, v, dout = (rng.standard_normal((*lead, *s)) for s in ((4, 3), (5, 3), (5, 2), (4, 2)))
    mask = rng.random((*lead, 4, 5)) < 0.6
    mask[..., 0] = True
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    expected = functional.scaled_dot_product_attention(*leaves, attn_mask=torch.tensor(mask))
    expected.backward(torch.tensor(dout))
    out, weights = attention.sdpa(q, k, v, mask)
    close(out, expected.detach())
    for got, leaf in zip(attention.sdpa_backward(dout, q, k, v, weights), leaves, strict=True):
        close(got, leaf.grad, rtol=1e-10)


def test_causal_mask_of_a_square_is_torchs(rng):
    q, k, v = (rng.standard_normal((4, 3)) for _ in range(3))
    expected = functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), is_causal=True)
    close(attention.sdpa(q, k, v, attention.causal_mask(4, 4))[0], expected)


def test_torchs_causal_flag_is_aligned_at_the_start(rng):
    q, k, v = (rng.standard_normal((n, 3)) for n in (2, 4, 4))
    expected = functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)), is_causal=True)
    close(attention.sdpa(q, k, v, np.tri(2, 4, dtype=bool))[0], expected)


def torch_layer(d, h, weights):
    module = torch.nn.MultiheadAttention(d, h, batch_first=True, dtype=torch.float64)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    module.load_state_dict(dict(zip(names, weights, strict=True)))
    return module


def draw_layer(rng, d, h):
    weights = [torch.tensor(rng.standard_normal(s)) for s in ((3 * d, d), (3 * d,), (d, d), (d,))]
    layer = attention.MultiHead(d, h)
    layer.load(*weights)
    return layer, torch_layer(d, h, weights), weights


@pytest.mark.parametrize("h", [1, 2, 3, 6])
def test_multi_head_is_torchs_with_the_mask_inverted(rng, h):
    layer, module, _ = draw_layer(rng, 6, h)
    xq, xkv = torch.tensor(rng.standard_normal((2, 3, 6))), torch.tensor(rng.standard_normal((2, 5, 6)))
    close(layer.forward(xq, xkv), module(xq, xkv, xkv)[0].detach())
    keep = torch.tensor(attention.padding_mask([2, 4], 5))
    close(layer.forward(xq, xkv, keep[:, None, :]), module(xq, xkv, xkv, key_padding_mask=~keep)[0].detach())
    causal = torch.tensor(attention.causal_mask(3, 5))
    close(layer.forward(xq, xkv, causal), module(xq, xkv, xkv, attn_mask=~causal)[0].detach())


def test_a_query_without_keys_in_torch_and_here(rng):
    layer, module, weights = draw_layer(rng, 4, 2)
    x = torch.tensor(rng.standard_normal((1, 2, 4)))
    allowed = torch.tensor([[False, False], [True, True]])
    ours = layer.forward(x, x, allowed)
    close(ours[0, 0], weights[3])
    assert module(x, x, x, attn_mask=~allowed, need_weights=True)[0][0, 0].isnan().all()
    without = module(x, x, x, attn_mask=~allowed, need_weights=False)[0]
    close(without.detach(), ours)


def test_gradients_of_multi_head_pass_gradcheck(rng):
    weights = [torch.tensor(rng.standard_normal(s), requires_grad=True) for s in ((12, 4), (12,), (4, 4), (4,))]
    x = torch.tensor(rng.standard_normal((1, 3, 4)), requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])

    def run(x, *weights):
        layer = attention.MultiHead(4, 2)
        layer.load(*weights)
        return layer.forward(x, x, mask)

    assert torch.autograd.gradcheck(run, (x, *weights))


def test_heads_are_those_of_torch(rng):
    x = rng.standard_normal((2, 3, 12))
    heads = attention.split_heads(x, 4)
    close(heads, torch.tensor(x).unflatten(2, (4, 3)).transpose(1, 2))
    np.testing.assert_array_equal(attention.merge_heads(heads), x)


def test_products_of_positions_form_a_toeplitz_matrix():
    positions = attention.sinusoidal_positions(300, 16)
    gram = positions @ positions.T
    close(np.diag(gram), np.full(300, 8.0))
    for distance in (1, 7, 299):
        diagonal = np.diag(gram, distance)
        close(diagonal, np.full(diagonal.shape, diagonal[0]), rtol=1e-11)


def test_kernel_regression_is_that_of_a_radial_basis_kernel(rng):
    xq, x, y = rng.standard_normal(7), rng.standard_normal(9), rng.standard_normal(9)
    for bandwidth in (0.3, 1.0, 4.0):
        kernel = rbf_kernel(xq[:, None], x[:, None], gamma=1 / (2 * bandwidth**2))
        close(attention.nadaraya_watson(xq, x, y, bandwidth), kernel @ y / kernel.sum(axis=1), rtol=1e-10)
