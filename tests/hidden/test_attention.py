"""Attention: the checks that stay."""

import math
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from grader.checks import (
    assert_close,
    assert_each_refused,
    assert_flat_cost,
    assert_no_growth,
    assert_pure,
    assert_true,
    central_differences,
    check,
    each,
    fortran,
    in_turn,
    in_worker,
    keep,
    noncontiguous,
    operations,
    oracle,
    strict_floats,
    tensor,
    vjp,
)

# (leading axes, Lq, Lk, d, dv): every size different, then 1 in each place
SHAPES = [
    ((), 1, 1, 1, 1),
    ((), 1, 3, 4, 2),
    ((), 2, 1, 4, 3),
    ((), 3, 2, 1, 4),
    ((), 4, 2, 3, 1),
    ((1,), 2, 3, 4, 5),
    ((2,), 4, 3, 5, 1),
    ((3, 2), 4, 5, 6, 7),
    ((1, 2), 5, 4, 3, 2),
]


# ---------------------------------------------------------------------------------------------------- oracles


@in_worker
def loaded_forward(MultiHead, calls):
    """The outputs of a new layer each, with these weights loaded."""
    outputs = []
    for d, h, weights, arguments in calls:
        layer = MultiHead(d, h)
        layer.load(*weights)
        outputs.append(layer.forward(*arguments))
    return outputs


def attend_afresh(q, k, v, mask=None):
    """Attention without any −inf: every query looks at the keys it may see and at nothing else."""
    lead, Lq, Lk = q.shape[:-2], q.shape[-2], k.shape[-2]
    allowed = np.ones((*lead, Lq, Lk), bool) if mask is None else np.broadcast_to(mask, (*lead, Lq, Lk))
    out, weights = np.zeros((*lead, Lq, v.shape[-1])), np.zeros((*lead, Lq, Lk))
    for n in np.ndindex(*lead):
        for i in range(Lq):
            seen = np.flatnonzero(allowed[n][i])
            if len(seen):
                scores = (k[n][seen] * q[n][i]).sum(axis=1) / math.sqrt(q.shape[-1])
                e = np.exp(scores - scores.max())
                weights[(*n, i, seen)] = e / e.sum()
                out[n][i] = (e / e.sum()) @ v[n][seen]
    return out, weights


attend = oracle(attend_afresh)


@oracle
def autograd_gradients(q, k, v, dout, mask=None):
    """What torch's own attention finds; every query must see a key."""
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    if mask is not None:
        mask = torch.tensor(np.broadcast_to(mask, (*q.shape[:-1], k.shape[-2])).copy())
    functional.scaled_dot_product_attention(*leaves, attn_mask=mask).backward(torch.tensor(dout))
    return [leaf.grad.numpy() for leaf in leaves]


def attend_by_head(xq, xkv, in_w, in_b, out_w, out_b, h, mask=None):
    """Multi-head attention in torch, one example and one head at a time; mask is (N, h, Lq, Lk)."""
    d = len(out_b)
    step = d // h
    examples = []
    for n in range(len(xq)):
        heads = []
        for i in range(h):
            rows = [slice(part * d + i * step, part * d + (i + 1) * step) for part in range(3)]
            q, k, v = (
                torch.einsum("ld,cd->lc", x, in_w[r]) + in_b[r]
                for x, r in zip((xq[n], xkv[n], xkv[n]), rows, strict=True)
            )
            lines = []
            for row in range(len(q)):
                seen = torch.arange(len(k)) if mask is None else torch.nonzero(mask[n, i, row])[:, 0]
                if len(seen):
                    weights = torch.softmax(k[seen] @ q[row] / math.sqrt(step), dim=0)
                    lines.append(weights @ v[seen])
                else:
                    lines.append(torch.zeros(step, dtype=v.dtype))
            heads.append(torch.stack(lines))
        examples.append(torch.cat(heads, dim=1) @ out_w.T + out_b)
    return torch.stack(examples)


head_outputs = oracle(attend_by_head)  # of tensors without a graph


@oracle
def head_gradients(cotangent, inputs, weights, h, mask=None):
    """The output of attend_by_head and its gradients: of one or two inputs, then of the four weights."""
    own = [a.clone().requires_grad_() for a in (*inputs, *weights)]
    xq, *rest = own[: len(inputs)]
    out = attend_by_head(xq, *(rest or [xq]), *own[len(inputs) :], h, mask)
    out.backward(cotangent)
    return out.detach(), [a.grad for a in own]


# ---------------------------------------------------------------------------------------------------- inputs


def draw(rng, lead, Lq, Lk, d, dv):
    return (rng.standard_normal((*lead, *s)) for s in ((Lq, d), (Lk, d), (Lk, dv)))


def random_mask(rng, shape):
    """About half the entries are allowed, and every query sees at least one key and misses at least one."""
    mask = rng.random(shape) < 0.5
    some = rng.integers(shape[-1], size=shape[:-1])[..., None]
    np.put_along_axis(mask, some, True, axis=-1)
    np.put_along_axis(mask, (some + 1) % shape[-1], False, axis=-1)
    return mask


def random_weights(rng, d):
    """(in_w, in_b, out_w, out_b) of which the biases are not zero."""
    return [torch.tensor(rng.standard_normal(s)) for s in ((3 * d, d), (3 * d,), (d, d), (d,))]


def tokens(rng, *shape):
    return torch.tensor(rng.standard_normal(shape))


def loaded(submission, d, h, weights):
    layer = submission.MultiHead(d, h)
    layer.load(*weights)
    return layer


# ---------------------------------------------------------------------------------------------------- softmax


@in_worker
def along_axes(softmax, calls):
    return [softmax(x, axis=axis) for x, axis in calls]


@check("softmax", points=1.5)
def test_softmax_along_any_axis(submission, rng):
    """The axis is the caller's choice: the weights sum to 1 along it and along no other."""
    calls = []
    for shape in [(3,), (4, 1), (1, 3), (2, 3, 4)]:
        x = rng.standard_normal(shape)
        calls += [(x.copy(), axis) for axis in range(-len(shape), len(shape))]
    for (x, axis), weights in in_turn(along_axes, submission.softmax, calls=calls):
        expected = np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)
        assert_close(weights, expected, name="weights")


@check("softmax", points=1.5)
def test_softmax_of_minus_infinity(submission, rng):
    """A score of −inf has weight 0, and where every score is −inf all weights are 0 instead of nan."""
    assert_close(submission.softmax(np.array([-np.inf])), np.zeros(1), name="weights")
    x = rng.standard_normal((4, 5, 3))
    x[:, [0, 3]] = -np.inf
    x[1:3, :, 1] = -np.inf
    seen = np.isfinite(x)
    for axis in (1, -2):
        e = np.where(seen, np.exp(np.where(seen, x, 0)), 0)
        total = e.sum(axis=axis, keepdims=True)
        expected = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
        assert_close(submission.softmax(x, axis), expected, name="weights")


@check("softmax", points=1)
def test_softmax_never_overflows(submission, rng):
    """Shifted by the maximum, finite scores of any size overflow nowhere."""
    softmax = strict_floats(submission.softmax)
    assert_close(softmax(np.array([800.0, 800.0, 0.0])), np.array([0.5, 0.5, 0.0]), name="weights")
    huge = np.array([[1e300, -1e300, 1e300], [-1e300, 1e300, -1e300], [-1e300, -1e300, -1e300]])
    assert_close(softmax(huge), np.array([[0.5, 0, 0.5], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]]), name="weights")
    # each row has a maximum of its own: one shift for the whole array would empty the second
    x = rng.standard_normal((2, 3)) + np.array([[1e4], [-1e4]])
    e = np.exp(x - np.array([[1e4], [-1e4]]))
    assert_close(softmax(x), e / e.sum(axis=1, keepdims=True), name="weights")


@check("softmax", points=0.5)
def test_softmax_keeps_single_precision(submission, rng):
    """Scores in single precision give weights in single precision, rows without any weight included."""
    x = rng.standard_normal((3, 4)).astype(np.float32)
    x[1], x[2, 0] = -np.inf, -np.inf
    e = np.exp(x.astype(np.float64))
    expected = np.divide(e, e.sum(axis=1, keepdims=True), out=np.zeros_like(e), where=e > 0)
    assert_close(submission.softmax(x), expected.astype(np.float32), name="weights")


@check("softmax", points=1)
def test_softmax_leaves_its_input_alone(submission, rng):
    """The scores are only read, however they lie in memory, and the weights are a new array."""
    x = rng.standard_normal((4, 3))
    expected = np.exp(x) / np.exp(x).sum(axis=0)
    for given in (x, noncontiguous(x), fortran(x)):
        assert_close(assert_pure(submission.softmax, given, 0, name="softmax"), expected, name="weights")


# ------------------------------------------------------------------------------------------------------- sdpa


@check("sdpa", points=2)
def test_attention_over_leading_axes(submission, rng):
    """Each slice along the leading axes is an attention of its own, whatever the number of axes."""
    calls = [tuple(draw(rng, *shape)) for shape in SHAPES]
    for (q, k, v), (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        assert_close(weights, attend(q, k, v)[1], name="weights")
        expected = functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)))
        assert_close(out, expected.numpy(), name="out")


@check("sdpa", points=1)
def test_mask_broadcasts_over_leading_axes(submission, rng):
    """One mask may serve several examples, heads or queries: it broadcasts to the shape of the scores."""
    q, k, v = draw(rng, (2, 3), 4, 5, 3, 2)
    shapes = [(4, 5), (1, 5), (5,), (2, 1, 4, 5), (2, 1, 1, 5), (3, 4, 5), (2, 3, 4, 5)]
    calls = [(q.copy(), k.copy(), v.copy(), random_mask(rng, shape)) for shape in shapes]
    for call, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        expected_out, expected_weights = attend(*call)
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("sdpa", points=2)
def test_query_without_keys_returns_zeros(submission, rng):
    """A query that may attend to nothing has zero weights and a zero output, and the others do not notice."""
    calls = []
    for lead, Lq, Lk in [((), 2, 3), ((), 3, 4), ((2,), 4, 3), ((), 1, 1)]:
        q, k, v = draw(rng, lead, Lq, Lk, 3, 2)
        mask = random_mask(rng, (*lead, Lq, Lk))
        mask[..., 0, :] = False
        calls.append((q, k, v, mask))
    for call, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        expected_out, expected_weights = attend(*call)
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("sdpa", points=1.5)
def test_masked_slots_have_no_effect(submission, rng):
    """Whatever finite number stands in a masked key or value, even a huge one, the output is the same."""
    q, k, v = draw(rng, (2,), 3, 5, 4, 2)
    mask = np.arange(5) < np.array([3, 4])[:, None, None]
    expected_out, expected_weights = attend(q, k, v, mask)
    calls = []
    for garbage in (30.0, 1e6, -1e100, 1e100):
        k[0, 3:], k[1, 4:] = garbage * np.sign(q[0, 0]), garbage * np.sign(q[1, 0])
        v[0, 3:], v[1, 4:] = garbage, -garbage
        calls.append((q.copy(), k.copy(), v.copy(), mask.copy()))
    for _, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("sdpa", points=1)
def test_attention_with_extreme_scores(submission, rng):
    """Scores of plus and minus ten thousand give weights near 0 and 1 and nothing infinite."""
    q, k, v = draw(rng, (), 4, 5, 4, 3)
    q, k = 100 * q, 200 * k
    mask = random_mask(rng, (4, 5))
    calls = [(q.copy(), k.copy(), v.copy(), given) for given in (None, mask)]
    for call, (out, weights) in in_turn(each, submission.sdpa, calls=calls):
        expected_out, expected_weights = attend(*call)
        assert_close(weights, expected_weights, name="weights")
        assert_close(out, expected_out, name="out")


@check("sdpa", points=1)
def test_attention_knows_no_order(submission, rng):
    """Keys and values shuffled together leave the output as it was, and shuffled queries shuffle it alike."""
    q, k, v = draw(rng, (2,), 4, 5, 3, 2)
    out, weights = attend(q, k, v)
    order = rng.permutation(5)
    got_out, got_weights = submission.sdpa(q, k[:, order], v[:, order])
    assert_close(got_weights, weights[..., order], name="weights after shuffling the keys")
    assert_close(got_out, out, name="out after shuffling keys and values")
    x = rng.standard_normal((6, 3))
    order = rng.permutation(6)
    got_out, _ = submission.sdpa(x[order], x[order], x[order])
    assert_close(got_out, attend(x, x, x)[0][order], name="out after shuffling all tokens")


@check("sdpa", points=1)
def test_causal_attention_cannot_see_the_future(submission, rng):
    """Under a causal mask a change of one token leaves every earlier output the same to the last bit."""
    L = 5
    x = rng.standard_normal((2, L, 4))
    mask = np.tri(L, dtype=bool)
    sequences = [x]
    for t in range(1, L):
        sequences.append(x.copy())
        sequences[t][:, t] = 50 * rng.standard_normal((2, 4))
    calls = [(changed, changed, changed, mask.copy()) for changed in sequences]
    results = in_turn(each, submission.sdpa, calls=calls)
    _, (before, _) = next(results)
    assert_close(before, attend(x, x, x, mask)[0], name="out")
    for t, (_, (after, _)) in enumerate(results, start=1):
        assert_close(after[:, :t], before[:, :t], name="outputs before the change", rtol=0, atol=0)
        assert_true((np.abs(after[:, t] - before[:, t]) > 1e-3).any(), "the changed token sees itself")


@check("sdpa", points=0.5)
def test_attention_keeps_single_precision(submission, rng):
    """Inputs in single precision give weights and an output in single precision, with and without a mask."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    small = [a.astype(np.float32) for a in (q, k, v)]
    mask = random_mask(rng, (3, 4))
    calls = [(*(a.copy() for a in small), given) for given in (None, mask)]
    for (*_, given), result in in_turn(each, submission.sdpa, calls=calls):
        expected = [a.astype(np.float32) for a in attend(q, k, v, given)]
        assert_close(result, expected, name="(out, weights)")


@check("sdpa", points=0.5)
def test_attention_leaves_its_inputs_alone(submission, rng):
    """Queries, keys, values and mask are only read, however they lie in memory."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    mask = random_mask(rng, (3, 4))
    expected = attend(q, k, v, mask)
    for layout in (np.copy, noncontiguous, fortran):
        got = assert_pure(submission.sdpa, *map(layout, (q, k, v, mask)), name="sdpa")
        assert_close(got, expected, name="(out, weights)")


@check("sdpa", points=1)
def test_attention_refuses_what_does_not_fit(submission, rng):
    """Shapes that do not fit together and masks that are not boolean are errors, not broadcasts."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    bad = [
        (q, k[..., :4], v),
        (q, k, v[:, :3]),
        (q, k[:, :1], v),
        (q, k[:1], v[:1]),
        (q, k, v[0]),
    ]
    shapes = [(4, 3), (3, 3, 4), (2, 2, 3, 4)]
    masks = [np.ones((3, 4)), np.ones((3, 4), int), *(np.ones(shape, bool) for shape in shapes)]
    assert_each_refused(submission.sdpa, [*bad, *((q, k, v, mask) for mask in masks)])
    assert_close(submission.sdpa(q, k, v), attend(q, k, v), name="(out, weights) of what fits")


@check("sdpa", points=0.5)
def test_cost_of_attention(submission, rng):
    """More examples, queries, keys and features cost no more Python: whole arrays do the work."""
    small = (*draw(rng, (1,), 2, 3, 2, 1), random_mask(rng, (2, 3)))
    large = (*draw(rng, (5,), 7, 8, 6, 4), random_mask(rng, (7, 8)))
    values = assert_flat_cost(submission.sdpa, small, large)
    assert_close(values, (attend(*small), attend(*large)), name="(out, weights) of both sizes")


# ------------------------------------------------------------------------------------------------------ masks


@check("causal_mask", points=1.5)
def test_causal_mask_is_aligned_at_the_end(submission):
    """The last query sees every key, whichever of queries and keys are more numerous."""
    sizes = [(Lq, Lk) for Lq in range(1, 5) for Lk in range(1, 6)]
    for (Lq, Lk), mask in in_turn(each, submission.causal_mask, calls=sizes):
        expected = np.array([[j <= i + Lk - Lq for j in range(Lk)] for i in range(Lq)])
        assert_close(mask, expected, name="mask")


@check("causal_mask", points=0.5)
def test_causal_mask_refuses_empty_sequences(submission):
    """A mask needs at least one query and one key."""
    assert_each_refused(submission.causal_mask, [(0, 3), (3, 0), (-1, 2), (2, -1)])
    expected = np.array([[True, True, False], [True, True, True]])
    assert_close(submission.causal_mask(2, 3), expected, name="mask of two queries and three keys")


@check("causal_mask", points=0.5)
def test_cost_of_the_causal_mask(submission):
    """A longer sequence costs no more Python."""
    masks = assert_flat_cost(submission.causal_mask, (2, 3), (9, 12))
    assert_close(masks, tuple(np.tri(q, k, k - q, dtype=bool) for q, k in ((2, 3), (9, 12))), name="masks")


@check("padding_mask", points=1.5)
def test_padding_mask_from_nothing_to_everything(submission, rng):
    """An example may be empty or full, and the lengths may be a list, a tuple or an array."""
    calls = []
    for L in (1, 2, 5):
        lengths = [0, L, *rng.integers(0, L + 1, size=4).tolist()]
        calls += [(given, L) for given in (lengths, tuple(lengths), np.array(lengths), np.array(lengths, np.int32))]
    for (lengths, L), mask in in_turn(each, submission.padding_mask, calls=[*calls, ([2], 3)]):
        assert_close(mask, np.array([[j < n for j in range(L)] for n in lengths]), name="mask")


@check("padding_mask", points=0.5)
def test_padding_mask_leaves_the_lengths_alone(submission):
    """The lengths are only read, and the mask is a new array."""
    lengths = np.array([3, 1, 0])
    got = assert_pure(submission.padding_mask, noncontiguous(lengths), 4, name="padding_mask")
    assert_close(got, np.arange(4) < lengths[:, None], name="mask")


@check("padding_mask", points=0.5)
def test_padding_mask_refuses_impossible_lengths(submission):
    """A length lies between 0 and the padded length, and the padded length is at least 1."""
    bad = [([2, 5], 4), ([-1, 2], 4), (np.array([0, 4, 5]), 4), ([0], 0), ([0, 0], -1)]
    assert_each_refused(submission.padding_mask, bad)
    expected = np.array([[True, True, False], [False] * 3, [True] * 3])
    assert_close(submission.padding_mask([2, 0, 3], 3), expected, name="mask of possible lengths")


# ---------------------------------------------------------------------------------------------- sdpa_backward


@check("sdpa_backward", points=2.5)
def test_gradients_over_leading_axes(submission, rng):
    """The gradients agree with automatic differentiation for any number of leading axes."""
    calls = []
    for lead, Lq, Lk, d, dv in SHAPES:
        q, k, v = draw(rng, lead, Lq, Lk, d, dv)
        calls.append((rng.standard_normal((*lead, Lq, dv)), q, k, v, attend(q, k, v)[1]))
    for (dout, q, k, v, _), got in in_turn(each, submission.sdpa_backward, calls=calls):
        expected = autograd_gradients(q, k, v, dout)
        # with one key the weight is 1 whatever the score: dq and dk are rounding only
        assert_close(got, expected, name="(dq, dk, dv)", atol=1e-12 if k.shape[-2] == 1 else None)


@oracle
def attention_slopes(dout, q, k, v, mask):
    """Central differences along every entry of q, k and v."""
    return (
        central_differences(lambda a: (attend_afresh(a, k, v, mask)[0] * dout).sum(), q),
        central_differences(lambda a: (attend_afresh(q, a, v, mask)[0] * dout).sum(), k),
        central_differences(lambda a: (attend_afresh(q, k, a, mask)[0] * dout).sum(), v),
    )


@check("sdpa_backward", points=2.5)
def test_gradients_against_central_differences(submission, rng):
    """Moving one entry of q, k or v a little changes the output as its gradient says, masked or not."""
    calls, masks = [], (None, random_mask(rng, (2, 3, 4)))
    for mask in masks:
        q, k, v = draw(rng, (2,), 3, 4, 3, 2)
        calls.append((rng.standard_normal((2, 3, 2)), q, k, v, attend(q, k, v, mask)[1]))
    for mask, (call, got) in zip(masks, in_turn(each, submission.sdpa_backward, calls=calls), strict=True):
        slopes = attention_slopes(*call[:4], mask)
        for gradient, slope, name in zip(got, slopes, ("dq", "dk", "dv"), strict=True):
            # what central differences can tell
            assert_close(gradient, slope, name=name, rtol=1e-7, atol=1e-7)


@check("sdpa_backward", points=2)
def test_gradients_under_a_mask(submission, rng):
    """Masked weights are zero, so no gradient passes through them in either direction."""
    calls, expected = [], []
    for lead, Lq, Lk in [((), 2, 2), ((2,), 4, 3), ((2, 1), 3, 5)]:
        q, k, v = draw(rng, lead, Lq, Lk, 3, 2)
        dout = rng.standard_normal((*lead, Lq, 2))
        mask = random_mask(rng, (*lead, Lq, Lk))
        calls.append((dout, q, k, v, attend(q, k, v, mask)[1]))
        expected.append(autograd_gradients(q, k, v, dout, mask))
    for gradients, (_, got) in zip(expected, in_turn(each, submission.sdpa_backward, calls=calls), strict=True):
        assert_close(got, gradients, name="(dq, dk, dv)")


@check("sdpa_backward", points=1.5)
def test_query_without_keys_has_no_gradient(submission, rng):
    """A query that attends to nothing gets a zero gradient and gives none to any key or value."""
    q, k, v = draw(rng, (2,), 4, 3, 5, 2)
    dout = rng.standard_normal((2, 4, 2))
    mask = random_mask(rng, (2, 4, 3))
    mask[:, 1] = False
    dq, dk, dv = submission.sdpa_backward(dout, q, k, v, attend(q, k, v, mask)[1])
    rest = [0, 2, 3]
    expected = autograd_gradients(q[:, rest], k, v, dout[:, rest], mask[:, rest])
    assert_close(dq[:, 1], np.zeros((2, 5)), name="dq of the query without keys", rtol=0, atol=0)
    assert_close((dq[:, rest], dk, dv), expected, name="(dq, dk, dv)")


@check("sdpa_backward", points=1.5)
def test_masked_slots_get_no_gradient(submission, rng):
    """Masked keys and values get a gradient of exactly 0, and what stands in them reaches no other."""
    q, k, v = draw(rng, (2,), 3, 5, 4, 2)
    dout = rng.standard_normal((2, 3, 2))
    mask = np.arange(5) < np.array([3, 4])[:, None, None]
    weights = attend(q, k, v, mask)[1]
    expected = autograd_gradients(q, k, v, dout, mask)
    calls = []
    for garbage in (7.0, -1e100, 1e100):
        k[0, 3:], k[1, 4:], v[0, 3:], v[1, 4:] = garbage, -garbage, -garbage, garbage
        calls.append([a.copy() for a in (dout, q, k, v, weights)])
    for _, (dq, dk, dv) in in_turn(each, submission.sdpa_backward, calls=calls):
        padding = (dk[0, 3:], dv[0, 3:], dk[1, 4:], dv[1, 4:])
        assert_close(padding, [np.zeros(a.shape) for a in padding], name="padding", rtol=0, atol=0)
        assert_close((dq, dk, dv), expected, name="(dq, dk, dv)")


@check("sdpa_backward", points=1)
def test_common_part_of_the_values_moves_no_weight(submission, rng):
    """One vector added to all values shifts the output alone, so the gradients of queries and keys stay."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    dout, shift = rng.standard_normal((2, 3, 2)), 3 * rng.standard_normal(2)
    weights = attend(q, k, v)[1]
    expected = autograd_gradients(q, k, v, dout)
    dq, dk, _ = submission.sdpa_backward(dout, q, k, v + shift, weights)
    assert_close((dq, dk), expected[:2], name="(dq, dk) after the shift")


@check("sdpa_backward", points=0.5)
def test_gradients_of_saturated_weights(submission, rng):
    """Where one weight is 1 and the others are 0 the softmax passes no gradient on, and none becomes nan."""
    q, k, v = draw(rng, (), 4, 5, 4, 3)
    q, k, dout = 1e4 * q, 1e4 * k, rng.standard_normal((4, 3))
    weights = attend(q, k, v)[1]
    assert weights.max(axis=1).min() == 1, "the drawn scores saturate every row"
    dq, dk, dv = submission.sdpa_backward(dout, q, k, v, weights)
    # a · (da − Σ a · da) may be off by one rounding of da, which q and k of 1e4 enlarge
    assert_close((dq, dk), (np.zeros((4, 4)), np.zeros((5, 4))), name="(dq, dk)", atol=1e-9)
    assert_close(dv, np.einsum("ij,ic->jc", weights, dout), name="dv")


@check("sdpa_backward", points=0.5)
def test_gradients_keep_single_precision(submission, rng):
    """Inputs in single precision give gradients in single precision."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    dout = rng.standard_normal((2, 3, 2))
    weights = attend(q, k, v)[1]
    expected = [a.astype(np.float32) for a in autograd_gradients(q, k, v, dout)]
    got = submission.sdpa_backward(*(a.astype(np.float32) for a in (dout, q, k, v, weights)))
    assert_close(got, expected, name="(dq, dk, dv)")


@check("sdpa_backward", points=1)
def test_gradients_leave_their_inputs_alone(submission, rng):
    """All five arrays are only read, however they lie in memory, and the gradients are new arrays."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    dout = rng.standard_normal((2, 3, 2))
    weights = attend(q, k, v)[1]
    expected = autograd_gradients(q, k, v, dout)
    for layout in (np.copy, noncontiguous, fortran):
        given = map(layout, (dout, q, k, v, weights))
        got = assert_pure(submission.sdpa_backward, *given, name="sdpa_backward")
        assert_close(got, expected, name="(dq, dk, dv)")


@check("sdpa_backward", points=0.5)
def test_gradients_refuse_what_does_not_fit(submission, rng):
    """Each array must have exactly the shape that the forward pass gave it."""
    q, k, v = draw(rng, (2,), 3, 4, 5, 2)
    dout, weights = rng.standard_normal((2, 3, 2)), attend(q, k, v)[1]
    bad = [
        (dout[:, :1], q, k, v, weights),
        (dout[..., :1], q, k, v, weights),
        (dout[:1], q, k, v, weights),
        (dout, q, k, v, weights[..., :1]),
        (dout, q, k, v, weights[:1]),
        (dout, q, k[..., :4], v, weights),
        (dout, q, k, v[:, :1], weights),
        (dout, q, k[:1], v[:1], weights),
    ]
    assert_each_refused(submission.sdpa_backward, bad)
    gradients = submission.sdpa_backward(dout, q, k, v, weights)
    assert_close(gradients, autograd_gradients(q, k, v, dout), name="(dq, dk, dv) of what fits")


@check("sdpa_backward", points=1)
def test_cost_of_the_gradients(submission, rng):
    """More examples, queries, keys and features cost no more Python."""

    def given(lead, Lq, Lk, d, dv):
        q, k, v = draw(rng, lead, Lq, Lk, d, dv)
        return rng.standard_normal((*lead, Lq, dv)), q, k, v, attend(q, k, v)[1]

    calls = given((1,), 2, 3, 2, 1), given((5,), 7, 8, 6, 4)
    expected = tuple(autograd_gradients(q, k, v, dout) for dout, q, k, v, _ in calls)
    assert_close(assert_flat_cost(submission.sdpa_backward, *calls), expected, name="(dq, dk, dv) of both sizes")


# ------------------------------------------------------------------------------------------------------ heads


@check("split_heads", points=1)
def test_splitting_into_any_number_of_heads(submission, rng):
    """Every position and every head keeps its place, from one head to one number per head."""
    sizes = [(1, 1, 1, 1), (2, 1, 4, 2), (1, 3, 4, 1), (2, 3, 4, 4), (3, 2, 12, 4), (2, 5, 12, 3)]
    calls = [(rng.standard_normal(size[:3]), size[3]) for size in sizes]
    for (x, h), heads in in_turn(each, submission.split_heads, calls=calls):
        assert_close(heads, np.stack(np.split(x, h, axis=2), axis=1), name="heads")


@check("split_heads", points=0.5)
def test_split_heads_are_a_copy(submission, rng):
    """The heads share no memory with the input, not even for one head or one position."""
    for shape, h in [((2, 3, 4), 2), ((2, 3, 4), 1), ((2, 1, 4), 2)]:
        x = rng.standard_normal(shape).astype(np.float32)
        expected = x.reshape(*shape[:2], h, -1).swapaxes(1, 2)
        for layout in (np.copy, noncontiguous):
            got = assert_pure(submission.split_heads, layout(x), h, name="split_heads")
            assert_close(got, expected, name="heads")


@check("split_heads", points=0.5)
def test_heads_must_divide_the_width(submission, rng):
    """The number of heads is a positive divisor of the width of a batch of sequences."""
    x = rng.standard_normal((2, 3, 4))
    bad = [(x, 3), (x, 8), (x, 0), (x, -2), (x[0], 2), (x[None], 2)]
    assert_each_refused(submission.split_heads, bad)
    assert_close(submission.split_heads(x, 2), np.stack([x[..., :2], x[..., 2:]], axis=1), name="two heads")


@check("split_heads", points=0.5)
def test_cost_of_splitting(submission, rng):
    """More examples, positions and heads cost no more Python."""
    calls = (rng.standard_normal((2, 3, 4)), 2), (rng.standard_normal((5, 7, 24)), 8)
    expected = tuple(np.stack(np.split(x, h, axis=2), axis=1) for x, h in calls)
    assert_close(assert_flat_cost(submission.split_heads, *calls), expected, name="heads of both sizes")


@check("merge_heads", points=1)
def test_merging_any_number_of_heads(submission, rng):
    """Head i lands in the i-th slice of columns, whatever the sizes."""
    shapes = [(1, 1, 1, 1), (2, 1, 3, 4), (2, 3, 1, 4), (3, 2, 4, 1), (1, 4, 3, 2), (2, 3, 4, 5)]
    calls = [(rng.standard_normal(shape),) for shape in shapes]
    for (x,), merged in in_turn(each, submission.merge_heads, calls=calls):
        assert_close(merged, np.concatenate([x[:, i] for i in range(x.shape[1])], axis=-1), name="merged")


@check("merge_heads", points=0.5)
def test_merged_heads_are_a_copy(submission, rng):
    """The merged array shares no memory with the heads, not even with one head or one position."""
    for shape in [(2, 3, 4, 5), (2, 1, 3, 4), (2, 3, 1, 4)]:
        x = rng.standard_normal(shape).astype(np.float32)
        expected = np.concatenate([x[:, i] for i in range(shape[1])], axis=-1)
        for layout in (np.copy, noncontiguous):
            got = assert_pure(submission.merge_heads, layout(x), name="merge_heads")
            assert_close(got, expected, name="merged")


@check("merge_heads", points=0.5)
def test_merging_needs_four_axes(submission, rng):
    """Examples, heads, positions and features: an array with more or fewer axes is an error."""
    shapes = [(2, 3, 4), (4,), (1, 2, 3, 4, 5)]
    assert_each_refused(submission.merge_heads, [(rng.standard_normal(shape),) for shape in shapes])
    x = rng.standard_normal((2, 2, 3, 4))
    assert_close(submission.merge_heads(x), np.concatenate([x[:, 0], x[:, 1]], axis=2), name="two heads, merged")


@check("merge_heads", points=0.5)
def test_cost_of_merging(submission, rng):
    """More examples, heads and positions cost no more Python."""
    small, large = rng.standard_normal((2, 2, 3, 2)), rng.standard_normal((5, 8, 7, 3))
    expected = tuple(np.concatenate([x[:, i] for i in range(x.shape[1])], axis=-1) for x in (small, large))
    assert_close(assert_flat_cost(submission.merge_heads, (small,), (large,)), expected, name="merged, both sizes")


# -------------------------------------------------------------------------------------------------- MultiHead


@oracle
def torch_module(d, h, weights, inputs):
    """The output of torch's own module."""
    xq, xkv = inputs
    module = torch.nn.MultiheadAttention(d, h, batch_first=True, dtype=torch.float64)
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    module.load_state_dict(dict(zip(names, weights, strict=True)))
    with torch.no_grad():
        return module(xq, xkv, xkv, need_weights=False)[0]


@check("MultiHead", points=2.5)
def test_multi_head_agrees_with_torch(submission, rng):
    """With the same weights and biases the output is that of torch's own module."""
    first = [(1, 1, 1, 1, 1), (1, 3, 2, 4, 4), (2, 1, 3, 6, 2)]
    calls = []
    for N, Lq, Lk, d, h in [*first, (3, 2, 1, 6, 1), (2, 3, 4, 10, 5), (1, 5, 4, 6, 3)]:
        calls.append((d, h, random_weights(rng, d), (tokens(rng, N, Lq, d), tokens(rng, N, Lk, d))))
    for call, out in in_turn(loaded_forward, submission.MultiHead, calls=calls):
        assert_close(out, torch_module(*call), name="out")


@check("MultiHead", points=1)
def test_every_head_reads_the_whole_embedding(submission, rng):
    """It is the projected vectors that are split, so each head depends on every feature of a token."""
    d, h = 4, 2
    in_w, in_b, out_w, out_b = random_weights(rng, d)
    for part in range(3):  # only what crosses from one slice to the other is left
        in_w[part * d : part * d + 2, :2] = 0
        in_w[part * d + 2 : part * d + 4, 2:] = 0
    x = tokens(rng, 2, 3, d)
    (out,) = loaded_forward(submission.MultiHead, [(d, h, (in_w, in_b, out_w, out_b), (x, x))])
    assert_close(out, head_outputs(x, x, in_w, in_b, out_w, out_b, h), name="out")


@check("MultiHead", points=1.5)
def test_masks_shared_by_the_heads(submission, rng):
    """A mask of one or two axes holds for all examples and heads, one of three axes for all heads of its example."""
    for N, Lq, Lk, d, h in [(1, 2, 3, 2, 1), (2, 3, 4, 4, 2), (3, 3, 4, 6, 3), (3, 3, 3, 3, 3)]:
        weights = random_weights(rng, d)
        xq, xkv = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d)
        shapes = [(Lq, Lk), (N, Lq, Lk), (N, 1, Lk), (1, Lq, Lk), (1, Lk), (Lk,)]
        calls = [(xq.clone(), xkv.clone(), torch.tensor(random_mask(rng, shape))) for shape in shapes]
        layer = loaded(submission, d, h, weights)
        for (*_, mask), out in in_turn(each, layer.forward, calls=calls):
            full = (mask[:, None] if mask.dim() == 3 else mask).expand(N, h, Lq, Lk)
            assert_close(out, head_outputs(xq, xkv, *weights, h, full), name="out")


@check("MultiHead", points=1)
def test_masks_for_each_head(submission, rng):
    """A mask of four axes may differ from head to head, and broadcasts over the axes of size 1."""
    N, Lq, Lk, d, h = 2, 3, 4, 6, 3
    weights = random_weights(rng, d)
    xq, xkv = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d)
    shapes = [(N, h, Lq, Lk), (1, h, Lq, Lk), (N, 1, Lq, Lk), (N, 1, 1, Lk)]
    calls = [(xq.clone(), xkv.clone(), torch.tensor(random_mask(rng, shape))) for shape in shapes]
    for (*_, mask), out in in_turn(each, loaded(submission, d, h, weights).forward, calls=calls):
        assert_close(out, head_outputs(xq, xkv, *weights, h, mask.expand(N, h, Lq, Lk)), name="out")


@check("MultiHead", points=1.5)
def test_query_without_keys_gives_the_output_bias(submission, rng):
    """A query that may attend to nothing gives the output bias, and no gradient becomes nan because of it."""
    N, Lq, Lk, d, h = 2, 3, 4, 4, 2
    in_w, in_b, out_w, out_b = random_weights(rng, d)
    xq, xkv = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d)
    mask = torch.tensor(random_mask(rng, (N, Lq, Lk)))
    mask[0, 1] = False
    mask[1] = False
    leaves = [tensor(a.numpy(), requires_grad=True) for a in (xq, xkv, in_w, in_b, out_w, out_b)]
    out = keep(loaded(submission, d, h, leaves[2:]).forward)(*leaves[:2], mask)
    cotangent, full = tokens(rng, N, Lq, d), mask[:, None].expand(N, h, Lq, Lk)
    expected, gradients = head_gradients(cotangent, (xq, xkv), (in_w, in_b, out_w, out_b), h, full)
    assert_close(out.detach(), expected, name="out")
    names = ("dxq", "dxkv", "d in_w", "d in_b", "d out_w", "d out_b")
    for got, gradient, name in zip(vjp(out, leaves, cotangent), gradients, names, strict=True):
        assert_close(got, gradient, name=name, atol=1e-9)


@check("MultiHead", points=1.5)
def test_gradients_reach_the_inputs(submission, rng):
    """The output is differentiable in queries and keys, also where both come from the same tokens."""
    N, Lq, Lk, d, h = 2, 3, 4, 6, 3
    weights = random_weights(rng, d)
    layer = loaded(submission, d, h, weights)
    xq, xkv, cotangent = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d), tokens(rng, N, Lq, d)
    mask = torch.tensor(random_mask(rng, (N, Lq, Lk)))
    given = [tensor(a.numpy(), requires_grad=True) for a in (xq, xkv)]
    full = mask[:, None].expand(N, h, Lq, Lk)
    expected = head_gradients(cotangent, (xq, xkv), weights, h, full)[1][:2]
    gradients = vjp(keep(layer.forward)(*given, mask), given, cotangent)
    assert_close(gradients, expected, name="(dxq, dxkv)")
    given = tensor(xq.numpy(), requires_grad=True)
    expected = head_gradients(cotangent, (xq,), weights, h)[1][0]
    (gradient,) = vjp(keep(layer.forward)(given, given), (given,), cotangent)
    assert_close(gradient, expected, name="dx of self-attention")


@oracle
def weight_slopes(x, cotangent, weights, h):
    """Central differences along every entry of the four weights, for self-attention in a single example."""
    step = x.shape[2] // h
    cuts = [slice(i * step, (i + 1) * step) for i in range(h)]

    def loss(value, place):
        in_w, in_b, out_w, out_b = (value if i == place else w.numpy() for i, w in enumerate(weights))
        q, k, v = np.split(x[0].numpy() @ in_w.T + in_b, 3, axis=1)
        heads = np.concatenate([attend_afresh(q[:, c], k[:, c], v[:, c])[0] for c in cuts], axis=1)
        return ((heads @ out_w.T + out_b) * cotangent[0].numpy()).sum()

    return [central_differences(partial(loss, place=i), w.numpy()) for i, w in enumerate(weights)]


@check("MultiHead", points=1.5)
def test_gradients_reach_the_loaded_weights(submission, rng):
    """The gradient arrives at the four tensors that were loaded, as central differences confirm."""
    d, h = 4, 2
    weights = random_weights(rng, d)
    x, cotangent = tokens(rng, 1, 3, d), tokens(rng, 1, 3, d)
    leaves = [tensor(w.numpy(), requires_grad=True) for w in weights]
    out = keep(loaded(submission, d, h, leaves).forward)(x, x)
    gradients = vjp(out, leaves, cotangent)
    names = ("d in_w", "d in_b", "d out_w", "d out_b")
    for got, slopes, name in zip(gradients, weight_slopes(x, cotangent, weights, h), names, strict=True):
        assert_close(got, torch.tensor(slopes), name=name, rtol=1e-7, atol=1e-7)


@in_worker
def overwrite(layer, targets):
    """Write into the tensors themselves, as an optimiser does; the layer only tells which worker holds them."""
    for target in targets:
        target.fill_(9.0)


@check("MultiHead", points=0.5)
def test_loading_takes_copies(submission, rng):
    """Later changes of the given tensors do not reach the layer, and a second load replaces the first."""
    x, first, second = tokens(rng, 2, 3, 4), random_weights(rng, 4), random_weights(rng, 4)
    layer = submission.MultiHead(4, 2)
    given = [tensor(w.numpy()) for w in first]
    layer.load(*given)
    overwrite(layer, given)
    assert_close(layer.forward(x, x), head_outputs(x, x, *first, 2), name="out")
    layer.load(*second)
    assert_close(layer.forward(x, x), head_outputs(x, x, *second, 2), name="out after a second load")


@check("MultiHead", points=1)
def test_masked_tokens_have_no_effect(submission, rng):
    """Huge numbers in tokens that nobody may attend to change nothing and get no gradient."""
    N, Lq, Lk, d, h = 2, 3, 4, 4, 2
    weights = random_weights(rng, d)
    layer = loaded(submission, d, h, weights)
    xq, xkv, cotangent = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d), tokens(rng, N, Lq, d)
    mask = torch.arange(Lk) < torch.tensor([2, 3])[:, None, None]  # (N, 1, Lk)
    expected, gradients = head_gradients(cotangent, (xq, xkv), weights, h, mask[:, None].expand(N, h, Lq, Lk))
    for garbage in (1e3, 1e100):
        xkv[0, 2:], xkv[1, 3:] = garbage, -garbage
        given = tensor(xkv.numpy(), requires_grad=True)
        out = keep(layer.forward)(xq, given, mask)
        assert_close(out.detach(), expected, name="out")
        (gradient,) = vjp(out, (given,), cotangent)
        assert_close(gradient[0, 2:], torch.zeros(2, d, dtype=torch.float64), name="padding", rtol=0, atol=0)
        assert_close(gradient, gradients[1], name="dxkv")


@check("MultiHead", points=0.5)
def test_self_attention_knows_no_order(submission, rng):
    """Without a mask shuffled tokens give shuffled outputs, and under a causal mask no later token counts."""
    weights, x = random_weights(rng, 6), tokens(rng, 2, 5, 6)
    order = torch.tensor(rng.permutation(5))
    expected = head_outputs(x, x, *weights, 3)[:, order]
    mask = torch.tensor(np.tri(5, dtype=bool))
    changed = x.clone()
    changed[:, 3] = tokens(rng, 2, 6)
    calls = [(x[:, order], x[:, order]), (x, x, mask), (changed, changed, mask.clone())]
    results = in_turn(each, loaded(submission, 6, 3, weights).forward, calls=calls)
    assert_close(next(results)[1], expected, name="out after shuffling")
    (_, before), (_, after) = results
    assert_close(after[:, :3], before[:, :3], name="outputs before the change")


@check("MultiHead", points=0.5)
def test_multi_head_leaves_its_inputs_alone(submission, rng):
    """Tokens and mask are only read, however they lie in memory, and single precision stays single."""
    N, L, d, h = 2, 3, 4, 2
    weights = [w.float() for w in random_weights(rng, d)]
    x, mask = tokens(rng, N, L, d), torch.tensor(random_mask(rng, (L, L)))
    expected = head_outputs(x, x, *(w.double() for w in weights), h, mask.expand(N, h, L, L)).float()
    layer = loaded(submission, d, h, weights)
    strided = torch.tensor(noncontiguous(x.float().numpy()))
    forward = layer.forward
    for given in (x.float(), x.float().transpose(0, 1).contiguous().transpose(0, 1), strided):
        got = assert_pure(forward, given, given, mask, name="forward")
        assert_close(got, expected, name="out")


@check("MultiHead", points=1)
def test_multi_head_refuses_what_does_not_fit(submission, rng):
    """Heads divide the width, weights have the stated shapes, and tokens and masks fit each other."""
    assert_each_refused(submission.MultiHead, [(4, 3), (4, 0), (4, -2), (0, 1), (4, 8)])
    weights = random_weights(rng, 4)
    layer = submission.MultiHead(4, 2)
    others = (weights[0][:8], weights[1][:4], weights[2][:3], weights[3][:1])
    load = layer.load
    places = range(len(others))
    bad = [[others[i] if i == place else w for i, w in enumerate(weights)] for place in places]
    assert_each_refused(load, bad)
    load(*weights)
    xq, xkv = tokens(rng, 2, 3, 4), tokens(rng, 2, 5, 4)
    bad = [
        (xq[..., :3], xkv),
        (xq, xkv[..., :2]),
        (xq[0], xkv[0]),
        (xq[:, 0], xkv),
        (xq, xkv[:, 0]),
        (xq[:1], xkv),
        (xq, xkv, torch.ones(3, 5)),
        (xq, xkv, torch.ones(3, 5, dtype=torch.int64)),
        (xq, xkv, torch.ones(5, 3, dtype=torch.bool)),
        (xq, xkv, torch.ones(3, 3, 5, dtype=torch.bool)),
        (xq, xkv, torch.ones(2, 3, 3, 5, dtype=torch.bool)),
        (xq, xkv, torch.ones(1, 2, 2, 3, 5, dtype=torch.bool)),
    ]
    assert_each_refused(layer.forward, bad)


@check("MultiHead", points=0.5)
def test_cost_of_multi_head_attention(submission, rng):
    """More examples, tokens and heads cost no more Python."""
    counts = []
    for N, Lq, Lk, d, h in [(1, 2, 3, 4, 2), (4, 6, 5, 24, 8)]:
        weights = random_weights(rng, d)
        xq, xkv = tokens(rng, N, Lq, d), tokens(rng, N, Lk, d)
        mask = torch.tensor(random_mask(rng, (N, Lq, Lk)))
        counted = operations(loaded(submission, d, h, weights).forward)(xq, xkv, mask)
        expected = head_outputs(xq, xkv, *weights, h, mask[:, None].expand(N, h, Lq, Lk))
        assert_close(counted.value, expected, name="out")
        counts.append(counted.count)
    assert_no_growth(*counts)


# -------------------------------------------------------------------------------------------------- positions


def assert_positions(actual, expected, name="positions"):
    """The values, as exact as what was returned can hold them: that it is double precision is judged at position 0."""
    narrow = getattr(actual, "dtype", None) == np.float32
    assert_close(actual, np.float32(expected) if narrow else expected, name=name)


@check("sinusoidal_positions", points=2)
def test_positions_of_a_long_sequence(submission):
    """The formula holds for hundreds of positions and any even width, in double precision."""
    sizes = [(1, 4), (2, 2), (5, 8), (301, 6), (400, 10)]
    for (L, d), positions in in_turn(each, submission.sinusoidal_positions, calls=sizes):
        p, column = np.arange(L)[:, None], np.arange(d)
        angle = p * np.exp(-math.log(10_000) * (column - column % 2) / d)
        expected = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
        assert_positions(positions, expected)


@check("sinusoidal_positions", points=0.5)
def test_position_zero(submission):
    """Position 0 comes first: its sines are 0 and its cosines 1, in double precision."""
    for L, d in [(1, 2), (4, 8)]:
        first = submission.sinusoidal_positions(L, d)[0]
        assert_close(first, np.tile([0.0, 1.0], d // 2), name="row 0")


@check("sinusoidal_positions", points=1)
def test_similarity_depends_on_distance_alone(submission):
    """All positions have squared length d/2, and the product of two depends on their distance alone."""
    for L, d in [(5, 4), (40, 12)]:
        pe = submission.sinusoidal_positions(L, d)
        assert_positions((pe * pe).sum(axis=1), np.full(L, d / 2), name="squared lengths")
        gram = pe @ pe.T
        frequency = np.array([10_000 ** (-2 * i / d) for i in range(d // 2)])
        by_distance = np.array([np.cos(t * frequency).sum() for t in range(L)])
        distance = np.abs(np.arange(L)[:, None] - np.arange(L))
        assert_positions(gram, by_distance[distance], name="products")


@check("sinusoidal_positions", points=1)
def test_a_step_is_a_rotation(submission):
    """A step of fixed length rotates every pair of columns by its own angle, wherever the step begins."""
    L, d, step = 20, 6, 3
    pe = submission.sinusoidal_positions(L, d)
    expected = np.empty((L - step, d))
    for i in range(d // 2):
        angle = step / 10_000 ** (2 * i / d)
        sine, cosine = pe[:-step, 2 * i], pe[:-step, 2 * i + 1]
        expected[:, 2 * i] = sine * math.cos(angle) + cosine * math.sin(angle)
        expected[:, 2 * i + 1] = cosine * math.cos(angle) - sine * math.sin(angle)
    # zeros would rotate into zeros
    assert_positions(pe[0], np.tile([0.0, 1.0], d // 2), name="row 0")
    assert_positions(pe[step:], expected, name="positions one step later")


@check("sinusoidal_positions", points=0.5)
def test_positions_come_in_pairs(submission):
    """Sines and cosines come in pairs, so an odd width, like an empty sequence, is an error."""
    bad = [(4, 3), (4, 1), (4, 0), (4, -2), (0, 4), (-1, 4)]
    assert_each_refused(submission.sinusoidal_positions, bad)
    p = np.arange(4.0)
    assert_positions(submission.sinusoidal_positions(4, 2), np.stack([np.sin(p), np.cos(p)], axis=1), name="one pair")


@check("sinusoidal_positions", points=0.5)
def test_cost_of_the_positions(submission):
    """More positions and a greater width cost no more Python."""
    positions = assert_flat_cost(submission.sinusoidal_positions, (3, 4), (30, 16))
    for got, (L, d) in zip(positions, ((3, 4), (30, 16)), strict=True):
        angle = np.arange(L)[:, None] * 10_000 ** (-np.arange(0, d, 2) / d)
        assert_positions(got, np.stack((np.sin(angle), np.cos(angle)), axis=2).reshape(L, d))


# -------------------------------------------------------------------------------------------- nadaraya_watson


@oracle
def regress(xq, x, y, bandwidth):
    """Kernel regression, one query point at a time, relative to the nearest observation."""
    out = np.empty(len(xq))
    for i, point in enumerate(xq):
        exponent = -((point - x) ** 2) / (2 * bandwidth**2)
        kernel = np.exp(exponent - exponent.max())
        out[i] = (kernel * y).sum() / kernel.sum()
    return out


@check("nadaraya_watson", points=1)
def test_wide_kernels_give_the_mean(submission, rng):
    """A kernel much wider than the data weighs every observation alike, so the prediction is the mean."""
    calls = []
    for M, n in [(1, 1), (1, 4), (3, 5)]:
        calls.append((rng.uniform(-1, 1, M), rng.uniform(-1, 1, n), rng.standard_normal(n), 1e9))
    for (xq, _, y, _), predictions in in_turn(each, submission.nadaraya_watson, calls=calls):
        assert_close(predictions, np.full(len(xq), y.mean()), name="predictions")


@check("nadaraya_watson", points=1)
def test_narrow_kernels_give_the_nearest_observation(submission, rng):
    """A very narrow kernel copies the nearest observation, or averages two that are equally near."""
    x = rng.permutation(8).astype(float)
    y = rng.standard_normal(8)
    xq = np.array([0.25, 3.0, 6.75, 4.4])
    nearest = y[np.abs(xq[:, None] - x).argmin(axis=1)]
    between = np.array([y[np.isin(x, (2, 3))].mean()])
    cases = [("predictions", xq, bandwidth, nearest) for bandwidth in (0.01, 1e-6, 1e-12)]
    cases.append(("between two", np.array([2.5]), 1e-6, between))
    calls = [(points.copy(), x.copy(), y.copy(), bandwidth) for _, points, bandwidth, _ in cases]
    results = in_turn(each, submission.nadaraya_watson, calls=calls)
    for (name, _, _, expected), (_, predictions) in zip(cases, results, strict=True):
        assert_close(predictions, expected, name=name)


@check("nadaraya_watson", points=1.5)
def test_far_from_all_data(submission, rng):
    """Where every kernel underflows to 0 the prediction is still a weighted average and never nan."""
    x, y = rng.uniform(-1, 1, 5), rng.standard_normal(5)
    xq = np.array([45.0, -50.0, 0.1, 100.0])
    calls = [(xq.copy(), x.copy(), y.copy(), bandwidth) for bandwidth in (0.5, 0.9)]
    for call, predictions in in_turn(each, submission.nadaraya_watson, calls=calls):
        # scores of some 1e4 are rounded to about 1e-12, and the weights inherit that
        assert_close(predictions, regress(*call), name="predictions")


@check("nadaraya_watson", points=0.5)
def test_only_distances_in_bandwidths_count(submission, rng):
    """Moving all points together, or stretching them with the bandwidth, changes no prediction."""
    xq, x, y = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 5), rng.standard_normal(5)
    expected = regress(xq, x, y, 0.4)
    order = rng.permutation(5)
    calls = [(8 * xq, 8 * x, y.copy(), 3.2), (xq + 2, x + 2, y.copy(), 0.4), (xq, x[order], y[order], 0.4)]
    results = in_turn(each, submission.nadaraya_watson, calls=calls)
    for what, (_, predictions) in zip(("stretching", "moving", "shuffling"), results, strict=True):
        assert_close(predictions, expected, name=f"after {what}")


@check("nadaraya_watson", points=0.5)
def test_regression_keeps_single_precision(submission, rng):
    """Data in single precision give predictions in single precision."""
    xq, x, y = (rng.uniform(-1, 1, n).astype(np.float32) for n in (3, 5, 5))
    expected = regress(*(a.astype(np.float64) for a in (xq, x, y)), 0.5).astype(np.float32)
    assert_close(submission.nadaraya_watson(xq, x, y, 0.5), expected, name="predictions")


@check("nadaraya_watson", points=0.5)
def test_regression_leaves_its_inputs_alone(submission, rng):
    """The data are only read, however they lie in memory."""
    xq, x, y = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 5), rng.standard_normal(5)
    for layout in (np.copy, noncontiguous):
        given = map(layout, (xq, x, y))
        got = assert_pure(submission.nadaraya_watson, *given, 0.5, name="nadaraya_watson")
        assert_close(got, regress(xq, x, y, 0.5), name="predictions")


@check("nadaraya_watson", points=0.5)
def test_regression_refuses_what_does_not_fit(submission, rng):
    """Data are vectors, x and y have the same positive length, and the bandwidth is positive."""
    xq, x, y = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 5), rng.standard_normal(5)
    bad = [
        (xq, x, y[:4], 1.0),
        (xq, x, y[:1], 1.0),
        (xq, x[:0], y[:0], 1.0),
        (xq[:, None], x, y, 1.0),
        (xq, x[:, None], y, 1.0),
        (xq, x, y[None], 1.0),
        (xq, x, y[:, None], 1.0),
        (xq, x[:1, None], y[:1, None], 1.0),
        (xq, x, y, 0.0),
        (xq, x, y, -1.0),
        (xq, x, y, 1e-13),
        (xq, x, y, math.nan),
    ]
    assert_each_refused(submission.nadaraya_watson, bad)
    e = np.exp(-((xq[:, None] - x) ** 2) / 2)
    expected = (e * y).sum(axis=1) / e.sum(axis=1)
    assert_close(submission.nadaraya_watson(xq, x, y, 1.0), expected, name="regression on what fits")


@check("nadaraya_watson", points=0.5)
def test_cost_of_regression(submission, rng):
    """More query points and more observations cost no more Python."""
    small, large = ((*(rng.uniform(-1, 1, size) for size in sizes), 0.5) for sizes in ((2, 3, 3), (9, 12, 12)))
    values = assert_flat_cost(submission.nadaraya_watson, small, large)
    assert_close(values, (regress(*small), regress(*large)), name="predictions of both sizes")
