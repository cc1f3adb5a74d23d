"""Attention: the checks that ship."""

import math

import numpy as np
import torch

from grader.checks import assert_close, assert_raises, assert_true, check, each, in_turn, in_worker, oracle


@in_worker
def loaded_forward(MultiHead, calls):
    """The outputs of a new layer each, with these weights loaded."""
    outputs = []
    for d, h, weights, arguments in calls:
        layer = MultiHead(d, h)
        layer.load(*weights)
        outputs.append(layer.forward(*arguments))
    return outputs


def plain_softmax(row):
    """The definition, for one list of moderate numbers."""
    e = [math.exp(s) for s in row]
    return np.array([value / sum(e) for value in e])


@oracle
def plain_attention(q, k, v, mask=None):
    """One query at a time: score the allowed keys, normalise, average their values."""
    weights = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        allowed = [j for j in range(len(k)) if mask is None or mask[i, j]]
        scores = [float(q[i] @ k[j]) / math.sqrt(q.shape[1]) for j in allowed]
        for j, weight in zip(allowed, plain_softmax(scores), strict=True):
            weights[i, j] = weight
    return np.array([sum(weights[i, j] * v[j] for j in range(len(k))) for i in range(len(q))]), weights


@oracle
def plain_heads(x_q, x_kv, in_w, in_b, out_w, out_b, h):
    """One example at a time, one head at a time."""
    d = len(out_b)
    width = d // h
    out = []
    for a, b in zip(x_q, x_kv, strict=True):
        q = a @ in_w[:d].T + in_b[:d]
        k = b @ in_w[d : 2 * d].T + in_b[d : 2 * d]
        v = b @ in_w[2 * d :].T + in_b[2 * d :]
        cut = [slice(i * width, (i + 1) * width) for i in range(h)]
        heads = [plain_attention(q[:, c], k[:, c], v[:, c])[0] for c in cut]
        out.append(np.concatenate(heads, axis=1) @ out_w.T + out_b)
    return np.array(out)


def random_weights(rng, d):
    return [rng.standard_normal(shape) for shape in ((3 * d, d), (3 * d,), (d, d), (d,))]


@check("softmax", points=1.5)
def test_softmax_of_rows(submission, rng):
    """Softmax divides the exponential of each score by the sum of its row."""
    calls = [(rng.standard_normal(shape),) for shape in [(1, 1), (1, 3), (4, 3)]]
    for (x,), weights in in_turn(each, submission.softmax, calls=calls):
        assert_close(weights, np.array([plain_softmax(row) for row in x]), name="weights")


@check("softmax", points=1)
def test_softmax_of_large_scores(submission, rng):
    """Adding one number to every score changes no weight, so scores of ten thousand are no trouble."""
    x = rng.standard_normal((3, 4))
    expected = np.array([plain_softmax(row) for row in x])
    calls = [(x + shift,) for shift in (100.0, 10_000.0, -10_000.0)]
    for _, weights in in_turn(each, submission.softmax, calls=calls):
        assert_close(weights, expected, name="weights")


@check("sdpa", points=3)
def test_attention_without_a_mask(submission, rng):
    """The output is the average of the values, weighted by the softmax of the scaled scores."""
    calls = []
    for Lq, Lk, d, dv in [(1, 1, 1, 1), (2, 3, 4, 2), (4, 3, 5, 2)]:
        calls.append([rng.standard_normal(s) for s in ((Lq, d), (Lk, d), (Lk, dv))])
    for call, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        expected_out, expected_weights = plain_attention(*call)
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("sdpa", points=1)
def test_each_query_spreads_one_unit_of_weight(submission, rng):
    """Each row of the weights is non-negative and sums to 1 over the keys."""
    q, k, v = (rng.standard_normal(s) for s in ((4, 3), (5, 3), (5, 2)))
    _, weights = submission.sdpa(q, k, v)
    assert_close(weights.sum(axis=-1), np.ones(4), name="sum of each row")
    assert_true((weights >= 0).all(), "a weight is never negative")


@check("sdpa", points=2)
def test_attention_with_a_mask(submission, rng):
    """A masked key has weight exactly 0, and the weights of the allowed keys still sum to 1."""
    calls = []
    for Lq, Lk in [(1, 2), (3, 3), (2, 4)]:
        q, k, v = (rng.standard_normal(s) for s in ((Lq, 3), (Lk, 3), (Lk, 2)))
        mask = rng.random((Lq, Lk)) < 0.5
        mask[:, 0], mask[0, 1] = True, False
        calls.append((q, k, v, mask))
    for call, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        expected_out, expected_weights = plain_attention(*call)
        mask = call[-1]
        assert_close(weights[~mask], np.zeros((~mask).sum()), name="weights of masked keys")
        assert_close(weights.sum(axis=-1), np.ones(len(mask)), name="sum of each row")
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("causal_mask", points=1.5)
def test_causal_mask_of_a_square(submission):
    """A token may see itself and everything before it."""
    expected = np.array([[True, False, False], [True, True, False], [True, True, True]])
    assert_close(submission.causal_mask(3, 3), expected, name="mask")
    assert_close(submission.causal_mask(1, 1), np.array([[True]]), name="mask of one token")


@check("padding_mask", points=1.5)
def test_padding_mask_allows_the_first_positions(submission):
    """The first lengths[n] positions of example n are real, the rest is padding."""
    expected = np.array([[True, False, False, False], [True, True, True, False]])
    assert_close(submission.padding_mask([1, 3], 4), expected, name="mask")


@check("sdpa_backward", points=1)
def test_gradient_of_the_values(submission, rng):
    """Each value receives the output gradients of all queries, in proportion to the weight they gave it."""
    q, k, v, dout = (rng.standard_normal(s) for s in ((4, 3), (5, 3), (5, 2), (4, 2)))
    _, weights = plain_attention(q, k, v)
    _, _, dv = submission.sdpa_backward(dout, q, k, v, weights)
    assert_close(dv, sum(np.outer(weights[i], dout[i]) for i in range(4)), name="dv")


@oracle
def autograd(q, k, v, dout):
    """The weights of torch's attention, and the gradients of q, k and v."""
    tq, tk, tv = (torch.tensor(a, requires_grad=True) for a in (q, k, v))
    weights = torch.softmax(tq @ tk.T / math.sqrt(q.shape[1]), dim=-1)
    (weights @ tv).backward(torch.tensor(dout))
    return weights.detach().numpy(), [leaf.grad.numpy() for leaf in (tq, tk, tv)]


@check("sdpa_backward", points=3.5)
def test_gradients_agree_with_autograd(submission, rng):
    """The gradients of queries, keys and values are those that automatic differentiation finds."""
    calls = []
    for Lq, Lk, d, dv in [(2, 2, 1, 1), (4, 3, 5, 2)]:
        q, k, v, dout = (rng.standard_normal(s) for s in ((Lq, d), (Lk, d), (Lk, dv), (Lq, dv)))
        calls.append((dout, q, k, v, autograd(q, k, v, dout)[0]))
    for (dout, q, k, v, _), gradients in in_turn(each, submission.sdpa_backward, calls=calls):
        expected = autograd(q, k, v, dout)[1]
        for got, gradient, name in zip(gradients, expected, ("dq", "dk", "dv"), strict=True):
            assert_close(got, gradient, name=name)


@check("sdpa_backward", points=1)
def test_key_gradients_cancel(submission, rng):
    """Adding one vector to every key changes no weight, so the gradients of the keys sum to zero."""
    q, k, v, dout = (rng.standard_normal(s) for s in ((4, 3), (5, 3), (5, 2), (4, 2)))
    _, weights = plain_attention(q, k, v)
    _, dk, _ = submission.sdpa_backward(dout, q, k, v, weights)
    assert_true(np.abs(dk).max() > 1e-3, "the gradient of the keys is not zero itself")
    assert_close(dk.sum(axis=0), np.zeros(3), name="sum of dk over the keys", atol=1e-12)


@check("split_heads", points=1.5)
def test_heads_are_slices_of_the_last_axis(submission, rng):
    """Head i holds the i-th slice of every position's vector, and positions stay in order."""
    x = rng.standard_normal((2, 3, 4))
    expected = np.stack((x[:, :, :2], x[:, :, 2:]), axis=1)
    assert_close(submission.split_heads(x, 2), expected, name="heads")


@check("merge_heads", points=1.5)
def test_merging_undoes_splitting(submission, rng):
    """Splitting into heads and merging them again gives back every number in its place."""
    inputs, calls = [], []
    for h in (1, 2, 3, 6):
        inputs.append(rng.standard_normal((2, 5, 6)))
        calls.append((inputs[-1].reshape(2, 5, h, 6 // h).transpose(0, 2, 1, 3),))
    for x, (_, merged) in zip(inputs, in_turn(each, submission.merge_heads, calls=calls), strict=True):
        assert_close(merged, x, name="x")


@check("MultiHead", points=3.5)
def test_two_heads_of_self_attention(submission, rng):
    """Each head attends with its slice of the projected vectors, and the last map mixes the heads."""
    cases, calls = [], []
    for N, L, d, h in [(1, 2, 2, 1), (2, 3, 4, 2)]:
        x, weights = rng.standard_normal((N, L, d)), random_weights(rng, d)
        cases.append((x, x, *weights, h))
        calls.append((d, h, list(map(torch.tensor, weights)), (torch.tensor(x), torch.tensor(x), None)))
    for case, (_, out) in zip(cases, in_turn(loaded_forward, submission.MultiHead, calls=calls), strict=True):
        assert_close(out, torch.tensor(plain_heads(*case)), name="out")


@check("MultiHead", points=1.5)
def test_cross_attention(submission, rng):
    """Queries come from the first argument, keys and values from the second, of its own length."""
    xq, xkv, weights = rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 6)), random_weights(rng, 6)
    call = 6, 3, list(map(torch.tensor, weights)), (torch.tensor(xq), torch.tensor(xkv))
    (out,) = loaded_forward(submission.MultiHead, [call])
    assert_close(out, torch.tensor(plain_heads(xq, xkv, *weights, 3)), name="out")


@check("MultiHead", points=0.5)
def test_weights_come_first(submission, rng):
    """A layer without weights refuses to compute anything."""
    x = torch.tensor(rng.standard_normal((1, 2, 4)))
    assert_raises(ValueError, submission.MultiHead(4, 2).forward, x, x)
    weights = random_weights(rng, 4)
    (out,) = loaded_forward(submission.MultiHead, [(4, 2, list(map(torch.tensor, weights)), (x, x))])
    assert_close(out, torch.tensor(plain_heads(x.numpy(), x.numpy(), *weights, 2)), name="output with weights")


@check("sinusoidal_positions", points=2.5)
def test_sines_and_cosines(submission):
    """Column 2i holds a sine and column 2i + 1 the cosine of the same angle, and the frequencies fall."""
    sizes = [(1, 2), (3, 2), (4, 6)]
    for (L, d), positions in in_turn(each, submission.sinusoidal_positions, calls=sizes):
        expected = np.empty((L, d))
        for p in range(L):
            for i in range(d // 2):
                angle = p / 10_000 ** (2 * i / d)
                expected[p, 2 * i], expected[p, 2 * i + 1] = math.sin(angle), math.cos(angle)
        narrow = getattr(positions, "dtype", None) == np.float32  # the dtype itself is judged elsewhere
        assert_close(positions, np.float32(expected) if narrow else expected, name="positions")


@check("nadaraya_watson", points=3)
def test_kernel_regression(submission, rng):
    """A prediction is the average of y, weighted by a Gaussian of the distance in bandwidths."""
    calls = []
    for M, n, bandwidth in [(1, 1, 1.0), (2, 3, 0.5), (5, 4, 1.5)]:
        calls.append((rng.uniform(-1, 1, M), rng.uniform(-1, 1, n), rng.standard_normal(n), bandwidth))
    for (xq, x, y, bandwidth), predictions in in_turn(each, submission.nadaraya_watson, calls=calls):
        expected = []
        for a in xq:
            kernel = [math.exp(-((a - b) ** 2) / (2 * bandwidth**2)) for b in x]
            expected.append(sum(w * c for w, c in zip(kernel, y, strict=True)) / sum(kernel))
        assert_close(predictions, np.array(expected), name="predictions")


@check("nadaraya_watson", points=1)
def test_constant_observations_are_reproduced(submission, rng):
    """The weights sum to 1, so observations that are all equal are predicted everywhere."""
    xq, x = rng.uniform(-2, 2, 5), rng.uniform(-1, 1, 4)
    assert_close(submission.nadaraya_watson(xq, x, np.full(4, 3.0), 0.7), np.full(5, 3.0), name="predictions")
