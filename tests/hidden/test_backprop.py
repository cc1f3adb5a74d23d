"""Checks of the backprop topic that never leave the instructor."""

import operator
from functools import partial

import numpy as np
import torch

from grader.checks import (
    assert_close,
    assert_each_flat_cost,
    assert_each_refused,
    assert_flat_cost,
    assert_raises,
    assert_true,
    central_differences,
    check,
    each,
    fortran,
    in_turn,
    in_worker,
    noncontiguous,
    observe,
    observe_each,
    operations,
    oracle,
    strict_floats,
    there_and_back,
)

SIZES = [(1, 1, 1), (2, 2, 2), (1, 4, 2), (2, 1, 3), (3, 2, 1), (5, 4, 3)]  # (N, D, M)
KINDS = ("relu", "sigmoid", "tanh")
ACTIVATE = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
NETWORKS = [((1, 1), "tanh"), ((4, 3), "relu"), ((3, 1, 2), "sigmoid")]  # 1, 2 and 4 linear layers
NETWORKS += [(sizes, kind) for sizes in [(5, 4, 3), (4, 5, 3, 6, 2)] for kind in KINDS]


def leaf(array):
    return torch.tensor(np.array(array), requires_grad=True)


def new_seed(rng):
    """A seed for an oracle that draws for itself, so that it draws once for all students."""
    return int(rng.integers(1 << 62))


def off_the_kink(rng, shape):
    """Pre-activations of both signs, none of them near 0."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.05, 2.5, shape)


def assert_leaves_arguments_alone(seen, result="result", argument=""):
    """No argument written to, nothing drawn globally, and no memory shared by `result` with `argument`."""
    changed = [path for path in seen.changed if path.startswith(argument)]
    shared = [(a, b) for a, b in seen.aliases if a.startswith(result) and b.startswith(argument)]
    assert_true(not changed, "the arguments should be the same after the call as before; work on a copy")
    assert_true(not shared, "the result should be a new array, not memory of an argument")
    assert_true(not seen.used_global_random, "nothing should be drawn from the global random state")


# --- linear layer -------------------------------------------------------------------------------------------


def draw_linear(rng, n, d, m):
    return [rng.standard_normal(shape) for shape in [(n, d), (d, m), (m,), (n, m)]]


@check("linear_forward", points=2)
def test_linear_forward_for_every_shape(submission, rng):
    """The forward pass is right for one example, one input, one output and square weights too."""
    calls = [draw_linear(rng, *size)[:3] for size in SIZES]
    for (x, W, b), (y, _) in in_turn(each, submission.linear_forward, calls=calls):
        assert_close(y, (x[:, :, None] * W[None]).sum(axis=1) + b[None], name="y")


@check("linear_forward", points=1)
def test_linear_forward_keeps_float32_in_any_memory_layout(submission, rng):
    """Float32 arrays give float32 outputs, and strided or column-major arrays give the same numbers."""
    x, W, b, _ = draw_linear(rng, 5, 4, 3)
    expected = np.einsum("nd,dm->nm", x, W) + b
    arranged = noncontiguous(x), fortran(W), noncontiguous(b)
    narrow = [array.astype(np.float32) for array in (x, W, b)]
    (_, (y, _)), (_, (y32, _)) = in_turn(each, submission.linear_forward, calls=[arranged, narrow])
    assert_close(y, expected, name="y")
    assert_close(y32, expected.astype(np.float32), name="y in float32")


@check("linear_forward", points=1)
def test_linear_forward_leaves_its_arguments_alone(submission, rng):
    """The forward pass writes to none of its arguments and returns a new array."""
    calls = [draw_linear(rng, *size)[:3] for size in [(1, 1, 1), (5, 4, 3)]]
    for (x, W, b), seen in observe_each(submission.linear_forward, calls):
        assert_leaves_arguments_alone(seen, "result[0]")
        assert_close(seen.value[0], np.einsum("nd,dm->nm", x, W) + b, name="y")


@check("linear_forward", points=1)
def test_linear_forward_refuses_shapes_that_do_not_fit(submission, rng):
    """A bias or weight of another size, or with another number of axes, is an error and not a broadcast."""
    x, W, b, _ = draw_linear(rng, 5, 4, 3)
    bad = [
        (x, W.T, b),
        (x, W, b[:2]),
        (x, W, b[:1]),
        (x[0], W, b),
        (x, W[:, 0], b),
        (x, W, b[None]),
        (x[None], W, b),
    ]
    assert_each_refused(submission.linear_forward, bad)
    y, _ = submission.linear_forward(x, W, b)
    assert_close(y, np.einsum("nd,dm->nm", x, W) + b, name="y of shapes that fit")


@check("linear_forward", points=1)
def test_linear_forward_needs_no_loop(submission, rng):
    """The forward pass leaves the loops over examples, inputs and outputs to NumPy."""
    small, large = draw_linear(rng, 2, 3, 2)[:3], draw_linear(rng, 12, 9, 7)[:3]
    _, (y, _) = assert_flat_cost(submission.linear_forward, small, large)
    assert_close(y, np.einsum("nd,dm->nm", *large[:2]) + large[2], name="y")


def linear_gradients(submission, draws):
    """Each draw (x, W, b, dy) and its (dx, dW, db)."""
    calls = [((x, W, b), dy) for x, W, b, dy in draws]
    for ((x, W, b), dy), gradients in in_turn(
        there_and_back, submission.linear_forward, submission.linear_backward, calls=calls
    ):
        yield (x, W, b, dy), gradients


@oracle
def autograd_of_linear(x, W, b, dy):
    leaves = leaf(x), leaf(W), leaf(b)
    (leaves[0] @ leaves[1] + leaves[2]).backward(torch.tensor(dy))
    return tuple(v.grad.numpy() for v in leaves)


@oracle
def differences_of_linear(x, W, b, dy):
    def loss(x=x, W=W, b=b):
        return (dy * (np.einsum("nd,dm->nm", x, W) + b)).sum()

    return (
        central_differences(lambda v: loss(x=v), x),
        central_differences(lambda v: loss(W=v), W),
        central_differences(lambda v: loss(b=v), b),
    )


@check("linear_backward", points=3)
def test_linear_gradients_match_autograd(submission, rng):
    """All three gradients of a linear layer agree with automatic differentiation for a random upstream gradient."""
    draws = [draw_linear(rng, *size) for size in SIZES]
    for draw, gradients in linear_gradients(submission, draws):
        assert_close(gradients, autograd_of_linear(*draw), name="(dx, dW, db)")


@check("linear_backward", points=2)
def test_linear_gradients_match_central_differences(submission, rng):
    """Nudging any single input, weight or bias changes the loss as its gradient says."""
    draws = [draw_linear(rng, *size) for size in [(1, 2, 1), (2, 2, 2), (4, 3, 2)]]
    for draw, gradients in linear_gradients(submission, draws):
        for name, actual, numeric in zip(("dx", "dW", "db"), gradients, differences_of_linear(*draw), strict=True):
            assert_close(actual, numeric, name=name, rtol=1e-7)


@in_worker
def from_caches(forward, backward, layers, upstream):
    """All layers forward, then backward in the order of the pairs (which layer, dy)."""
    caches = [forward(*arguments)[1] for arguments in layers]
    return [backward(dy, caches[i]) for i, dy in upstream]


@check("linear_backward", points=1)
def test_each_linear_cache_belongs_to_its_own_call(submission, rng):
    """Two layers can be run forward before either goes backward, and a cache may be used twice."""
    draws = [draw_linear(rng, 3, 2, 4), draw_linear(rng, 3, 2, 4)]
    layers = [(x, W, b) for x, W, b, _ in draws]
    upstream = [(i, draws[i][3].copy()) for i in (0, 1, 0)]
    results = from_caches(submission.linear_forward, submission.linear_backward, layers, upstream)
    for (i, dy), gradients in zip(upstream, results, strict=True):
        x, W, _, _ = draws[i]
        expected = np.einsum("nm,dm->nd", dy, W), np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)
        assert_close(gradients, expected, name="(dx, dW, db)")


@check("linear_backward", points=1)
def test_linear_backward_keeps_float32_in_any_memory_layout(submission, rng):
    """Float32 arrays give float32 gradients, and strided or column-major arrays give the same numbers."""
    x, W, b, dy = draw_linear(rng, 5, 4, 3)
    expected = np.einsum("nm,dm->nd", dy, W), np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)
    arranged = fortran(x), noncontiguous(W), b, noncontiguous(dy)
    narrow = [v.astype(np.float32) for v in (x, W, b, dy)]
    (_, gradients), (_, gradients32) = linear_gradients(submission, [arranged, narrow])
    assert_close(gradients, expected, name="(dx, dW, db)")
    assert_close(gradients32, tuple(v.astype(np.float32) for v in expected), name="(dx, dW, db) in float32")


@check("linear_backward", points=1)
def test_linear_backward_leaves_the_upstream_gradient_alone(submission, rng):
    """The backward pass does not write to the upstream gradient, nor return its memory."""
    draws = [draw_linear(rng, *size) for size in [(1, 1, 1), (1, 4, 2), (5, 4, 3)]]
    forward = each(submission.linear_forward, [(x, W, b) for x, W, b, _ in draws])
    calls = [(dy, cache) for (*_, dy), (_, cache) in zip(draws, forward, strict=True)]
    observed = observe_each(submission.linear_backward, calls)
    for (x, W, _, dy), (_, seen) in zip(draws, observed, strict=True):
        assert_leaves_arguments_alone(seen, argument="0")
        expected = np.einsum("nm,dm->nd", dy, W), np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)
        assert_close(seen.value, expected, name="(dx, dW, db)")


@check("linear_backward", points=1)
def test_linear_backward_refuses_a_gradient_of_another_shape(submission, rng):
    """The upstream gradient must have exactly the shape of the output."""
    x, W, b, dy = draw_linear(rng, 3, 2, 3)
    _, cache = submission.linear_forward(x, W, b)
    bad = [(wrong.copy(), cache) for wrong in (dy[:1], dy[:, :1], dy[0], dy[None])]
    assert_each_refused(submission.linear_backward, bad)
    expected = np.einsum("nm,dm->nd", dy, W), np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)
    assert_close(submission.linear_backward(dy, cache), expected, name="(dx, dW, db) of a shape that fits")


@check("linear_backward", points=1)
def test_linear_backward_needs_no_loop(submission, rng):
    """The backward pass leaves the loops over examples, inputs and outputs to NumPy."""
    calls = []
    for size in [(2, 3, 2), (12, 9, 7)]:
        x, W, b, dy = draw_linear(rng, *size)
        calls.append((dy, submission.linear_forward(x, W, b)[1]))
    _, (dx, dW, db) = assert_flat_cost(submission.linear_backward, *calls)
    assert_close(dx, np.einsum("nm,dm->nd", dy, W), name="dx")
    assert_close((dW, db), (np.einsum("nd,nm->dm", x, dy), np.einsum("nm->m", dy)), name="(dW, db)")


# --- activations --------------------------------------------------------------------------------------------


@check("act_forward", points=1)
def test_activations_of_any_shape_and_float_type(submission, rng):
    """Activations work on arrays with any number of axes and keep float32."""
    calls = []
    for shape in [(), (1,), (4,), (3, 1), (2, 3, 4)]:
        calls += [(np.array(rng.standard_normal(shape) * 2), kind) for kind in KINDS]
    calls += [(noncontiguous(rng.standard_normal((3, 4)).astype(np.float32)), kind) for kind in KINDS]
    for (z, kind), (a, _) in in_turn(each, submission.act_forward, calls=calls):
        assert_close(a, ACTIVATE[kind](torch.tensor(z)).numpy(), name=f"{kind} in {z.dtype}")


@check("act_forward", points=1)
def test_saturated_activations_are_right_and_finite(submission, rng):
    """Very large inputs of either sign saturate sigmoid and tanh instead of overflowing."""
    sizes = np.concatenate([[0.0, 40.0, 750.0, 1000.0], np.geomspace(1e-6, 999.0, 55), np.arange(10.0, 41.0)])
    z = np.concatenate([-sizes, sizes])
    calls = [(z.copy(), kind) for kind in KINDS]
    for (_, kind), (a, _) in in_turn(each, submission.act_forward, calls=calls):
        assert_close(a, ACTIVATE[kind](torch.tensor(z)).numpy(), name=kind)


@check("act_forward", points=1)
def test_activation_leaves_its_input_alone_and_refuses_unknown_kinds(submission, rng):
    """An activation returns a new array even where it changes nothing, and an unknown kind is an error."""
    calls = []
    for kind in KINDS:
        positive = rng.uniform(0.5, 1.5, (2, 3))
        calls += [(np.abs(rng.standard_normal((3, 4))) * [1, -1, 1, 1], kind), (positive, kind)]
    for (z, kind), seen in observe_each(submission.act_forward, calls):
        assert_leaves_arguments_alone(seen, "result[0]")
        assert_close(seen.value[0], ACTIVATE[kind](torch.tensor(z)).numpy(), name=kind)
    assert_each_refused(submission.act_forward, [(positive, kind) for kind in ("gelu", "ReLU", "")])


@check("act_forward", points=0.5)
def test_activation_needs_no_loop(submission, rng):
    """Activations work on whole arrays, whatever their size."""
    calls = [(rng.standard_normal((9, 8)), kind) for kind in KINDS]
    costs = assert_each_flat_cost(submission.act_forward, [((z[:2, :2], kind), (z, kind)) for z, kind in calls])
    for (z, kind), (_, (a, _)) in zip(calls, costs, strict=True):
        assert_close(a, ACTIVATE[kind](torch.tensor(z)).numpy(), name=kind)


def act_gradients(submission, calls):
    """Each call ((z, kind), da) and its dz."""
    return in_turn(there_and_back, submission.act_forward, submission.act_backward, calls=calls)


@oracle
def autograd_of_activation(z, kind, da):
    leaf_z = leaf(z)
    ACTIVATE[kind](leaf_z).backward(torch.tensor(da))
    return leaf_z.grad.numpy()


@check("act_backward", points=1.5)
def test_activation_gradients_match_autograd(submission, rng):
    """The gradients of all activations agree with automatic differentiation on arrays of any shape."""
    calls = []
    for shape in [(), (1,), (3, 1), (2, 3, 4)]:
        for kind in KINDS:
            z, da = np.array(off_the_kink(rng, shape)), np.array(rng.standard_normal(shape))
            calls.append(((z, kind), da))
    for ((z, kind), da), dz in act_gradients(submission, calls):
        assert_close(dz, autograd_of_activation(z, kind, da), name=f"dz of {kind}")


@check("act_backward", points=1)
def test_activation_gradient_keeps_float32_and_vanishes_in_saturation(submission, rng):
    """Float32 gradients stay float32, and where sigmoid or tanh is flat the gradient is 0 and not undefined."""
    z = np.array([-1000.0, -800.0, -1.5, 0.5, 800.0, 1000.0])
    da = rng.standard_normal(z.shape)
    calls = []
    for kind in KINDS:
        for dtype in (np.float64, np.float32):
            calls.append(((z.astype(dtype), kind), noncontiguous(da.astype(dtype))))
    for ((z_, kind), _), dz in act_gradients(submission, calls):
        assert_close(dz, autograd_of_activation(z, kind, da).astype(z_.dtype), name=f"dz of {kind}")


@check("act_backward", points=0.5)
def test_activation_gradient_leaves_its_arguments_alone(submission, rng):
    """The backward pass of an activation gives a new array, the same one each time, and wants the shape of z."""
    draws = [(np.abs(off_the_kink(rng, (3, 4))), rng.standard_normal((3, 4))) for _ in KINDS]
    forward = each(submission.act_forward, [(z, kind) for (z, _), kind in zip(draws, KINDS, strict=True)])
    calls = [(da, cache) for (_, da), (_, cache) in zip(draws, forward, strict=True)]
    values = []
    for _, seen in observe_each(submission.act_backward, calls):
        assert_leaves_arguments_alone(seen, argument="0")
        values.append(seen.value)
    again = each(submission.act_backward, calls)
    for kind, dz, value, draw in zip(KINDS, again, values, draws, strict=True):
        assert_close(dz, value, name=f"dz of {kind}, called again")
        assert_close(dz, autograd_of_activation(draw[0], kind, draw[1]), name=f"dz of {kind}")
    bad = [(wrong.copy(), cache) for da, cache in calls for wrong in (da[:1], da[0], da.T)]
    assert_each_refused(submission.act_backward, bad)


@check("act_backward", points=0.5)
def test_activation_gradient_needs_no_loop(submission, rng):
    """Gradients of activations are computed on whole arrays, whatever their size."""
    draws = [
        (off_the_kink(rng, shape), kind, rng.standard_normal(shape)) for kind in KINDS for shape in [(2, 2), (9, 8)]
    ]
    forward = each(submission.act_forward, [(z, kind) for z, kind, _ in draws])
    calls = [(da, cache) for (*_, da), (_, cache) in zip(draws, forward, strict=True)]
    pairs = list(zip(calls[::2], calls[1::2], strict=True))
    for (z, kind, da), (_, dz) in zip(draws[1::2], assert_each_flat_cost(submission.act_backward, pairs), strict=True):
        assert_close(dz, autograd_of_activation(z, kind, da), name=f"dz of {kind}")


# --- softmax cross-entropy ----------------------------------------------------------------------------------


@oracle
def loss_and_gradient(logits, y):
    """Of float64 logits, by torch."""
    z = leaf(logits)
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(np.array(y)))
    loss.backward()
    return loss.item(), z.grad.numpy()


@oracle
def differences_of_the_loss(logits, y):
    def loss(z):
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean()

    return central_differences(loss, logits)


def draw_scores(rng, n, k):
    """Logits and labels; the first and the last class occur where there is room for both."""
    y = rng.integers(0, k, n)
    y[0], y[-1] = 0, k - 1
    return rng.standard_normal((n, k)) * 2, y


@check("softmax_xent", points=2)
def test_loss_is_logsumexp_minus_the_right_logit(submission, rng):
    """The loss averages logsumexp(z) minus the logit of the label over the batch."""
    calls = [draw_scores(rng, n, k) for n, k in [(1, 2), (3, 1), (2, 2), (3, 3), (5, 4)]]
    for call, (loss, _) in in_turn(each, submission.softmax_xent, calls=calls):
        assert_close(loss, loss_and_gradient(*call)[0], name="loss")


@check("softmax_xent", points=2)
def test_logit_gradient_matches_autograd(submission, rng):
    """The gradient of the loss agrees with automatic differentiation."""
    calls = [draw_scores(rng, n, k) for n, k in [(1, 2), (3, 1), (2, 2), (3, 3), (5, 4)]]
    for call, (_, dlogits) in in_turn(each, submission.softmax_xent, calls=calls):
        assert_close(dlogits, loss_and_gradient(*call)[1], name="dlogits")


@check("softmax_xent", points=1)
def test_logit_gradient_matches_central_differences(submission, rng):
    """Nudging any single logit changes the mean loss as its gradient says."""
    calls = [draw_scores(rng, n, k) for n, k in [(1, 2), (4, 3)]]
    for call, (_, dlogits) in in_turn(each, submission.softmax_xent, calls=calls):
        assert_close(dlogits, differences_of_the_loss(*call), name="dlogits", rtol=1e-7)


@check("softmax_xent", points=1)
def test_a_constant_added_to_a_row_changes_nothing(submission, rng):
    """Softmax sees only differences of logits: a constant added to each row changes neither loss nor gradient."""
    logits, y = draw_scores(rng, 4, 3)
    shift = np.array([[0.0], [-3.0], [300.0], [-900.0]])
    expected = loss_and_gradient(logits, y)
    assert_close(submission.softmax_xent(logits + shift, y), expected, name="(loss, dlogits)")


@check("softmax_xent", points=1.5)
def test_huge_logits_do_not_overflow(submission, rng):
    """Logits of size 1000 overflow nowhere, not even when the rows of one batch lie far apart."""
    logits = np.array([[1000.0, 999.0, -1000.0], [-1000.0, -1000.0, -998.0], [1000.0, -1000.0, 0.0]])
    calls = [(logits.copy(), np.array(y)) for y in ([0, 2, 1], [1, 0, 2])]
    gaps = np.concatenate([np.geomspace(1e-4, 1000.0, 15), np.arange(10.0, 41.0, 5.0)])
    calls += [(np.array([[0.0, gap, -gap]]), np.array([y])) for gap in gaps for y in range(3)]
    for call, (loss, dlogits) in in_turn(each, submission.softmax_xent, calls=calls):
        expected = loss_and_gradient(*call)
        assert_close(loss, expected[0], name="loss", atol=1e-12)  # near 0 both are differences of larger numbers
        assert_close(dlogits, expected[1], name="dlogits", atol=1e-12)
    for call in calls[:2]:
        expected = loss_and_gradient(*call)
        loss, dlogits = strict_floats(submission.softmax_xent)(*call)
        assert_close(loss, expected[0], name="loss")
        assert_close(dlogits, expected[1], name="dlogits")


@check("softmax_xent", points=1)
def test_a_hopeless_label_costs_its_distance_from_the_best(submission, rng):
    """A label whose probability underflows to 0 still has a finite loss: how far its logit lies below the others."""
    logits, y = np.array([[0.0, -1000.0, 0.0]]), np.array([1])
    loss, dlogits = submission.softmax_xent(logits, y)
    assert_close(loss, 1000 + np.log(2.0), name="loss")
    assert_close(dlogits, np.array([[0.5, -1.0, 0.5]]), name="dlogits")


@check("softmax_xent", points=1)
def test_softmax_xent_keeps_float32_in_any_memory_layout(submission, rng):
    """Float32 logits give a float32 gradient, and strided or column-major arrays give the same numbers."""
    logits, y = draw_scores(rng, 5, 4)
    expected = loss_and_gradient(logits, y)
    calls = [(arranged, noncontiguous(y)) for arranged in (noncontiguous(logits), fortran(logits))]
    for _, result in in_turn(each, submission.softmax_xent, calls=calls):
        assert_close(result, expected, name="result")
    loss, dlogits = submission.softmax_xent(logits.astype(np.float32), y)
    assert_close(np.float32(loss), np.float32(expected[0]), name="loss of float32 logits")
    assert_close(dlogits, expected[1].astype(np.float32), name="dlogits in float32")


@check("softmax_xent", points=0.5)
def test_softmax_xent_leaves_its_arguments_alone(submission, rng):
    """The loss writes to neither logits nor labels and returns a new array."""
    calls = [draw_scores(rng, n, k) for n, k in [(1, 1), (5, 4)]]
    for (logits, y), seen in observe_each(submission.softmax_xent, calls):
        assert_leaves_arguments_alone(seen)
        assert_close(seen.value, loss_and_gradient(logits, y), name="(loss, dlogits)")


@check("softmax_xent", points=1)
def test_softmax_xent_refuses_bad_labels_and_shapes(submission, rng):
    """Labels outside 0 to K-1, labels that are not integers, and shapes that do not fit are errors."""
    logits, y = rng.standard_normal((3, 4)), np.array([0, 3, 2])
    bad = [np.array([0, 4, 2]), np.array([0, -1, 2]), y.astype(float), y[:2], y[:, None], np.array([1])]
    calls = [(logits, labels) for labels in bad] + [(logits[:, 0], y), (logits[:, :, None], y)]
    assert_each_refused(submission.softmax_xent, calls)
    expected = loss_and_gradient(logits, y)
    assert_close(submission.softmax_xent(logits, y), expected, name="(loss, dlogits) of good labels")


@check("softmax_xent", points=0.5)
def test_softmax_xent_needs_no_loop(submission, rng):
    """Loss and gradient are computed on the whole batch at once."""
    small, large = draw_scores(rng, 2, 3), draw_scores(rng, 12, 9)
    _, result = assert_flat_cost(submission.softmax_xent, small, large)
    assert_close(result, loss_and_gradient(*large), name="(loss, dlogits)")


# --- MLP ----------------------------------------------------------------------------------------------------


@in_worker
def with_params(MLP, calls):
    """Forward and backward of each network, once its parameters have these values, and what reads them later."""
    models = []
    for sizes, kind, rng, params in calls:
        model = MLP(sizes, kind, rng)
        for name in params:
            model.params[name][...] = params[name]
        models.append((model.forward, model.backward, lambda model=model: model.params))
    return models


@in_worker
def logits_with_params(MLP, calls):
    """The logits of each network, once its parameters have these values."""
    results = []
    for sizes, kind, rng, params, x in calls:
        model = MLP(sizes, kind, rng)
        for name in params:
            model.params[name][...] = params[name]
        results.append(model.forward(x))
    return results


@in_worker
def gradients_with_params(MLP, calls):
    """The gradients of each network, once its parameters have these values."""
    results = []
    for sizes, kind, rng, params, x, dlogits in calls:
        model = MLP(sizes, kind, rng)
        for name in params:
            model.params[name][...] = params[name]
        model.forward(x)
        results.append(model.backward(dlogits))
    return results


@in_worker
def new_weights(MLP, calls):
    """The matrices that each new network starts with; of a large one every seventh weight, from a given one on."""
    networks = []
    for arguments, start in calls:
        params = MLP(*arguments).params
        matrices = [np.asarray(params[f"W{i}"]) for i in range(len(arguments[0]) - 1)]
        networks.append([W.ravel()[start::7].copy() if W.size > 50_000 else W for W in matrices])
    return networks


def draw_params(rng, sizes):
    """Weights and biases of order 1, no bias 0."""
    params = {}
    for i, (d, m) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        params[f"W{i}"] = rng.standard_normal((d, m)) / np.sqrt(d)
        params[f"b{i}"] = rng.standard_normal(m) * 0.5
    return params


def torch_mlp(params, x, kind):
    """(logits, hidden pre-activations) of float64 tensors."""
    h, hidden, depth = x, [], len(params) // 2
    for i in range(depth):
        h = h @ params[f"W{i}"] + params[f"b{i}"]
        if i < depth - 1:
            hidden.append(h)
            h = ACTIVATE[kind](h)
    return h, hidden


@oracle
def mlp_logits(params, x, kind):
    return torch_mlp({k: torch.tensor(v) for k, v in params.items()}, torch.tensor(x), kind)[0].numpy()


@oracle
def mlp_gradients(params, x, dlogits, kind):
    leaves = {name: leaf(value) for name, value in params.items()}
    torch_mlp(leaves, torch.tensor(x), kind)[0].backward(torch.tensor(dlogits))
    return {name: value.grad.numpy() for name, value in leaves.items()}


@oracle
def numeric_mlp_gradients(params, x, dlogits, kind):
    tensors = {name: torch.tensor(value) for name, value in params.items()}
    x, dlogits = torch.tensor(x), torch.tensor(dlogits)

    def loss(name, value):
        return (dlogits * torch_mlp({**tensors, name: torch.tensor(value)}, x, kind)[0]).sum().item()

    return {name: central_differences(partial(loss, name), value) for name, value in params.items()}


@oracle
def draw_network(seed, sizes, kind, n=3):
    """Parameters, inputs and an upstream gradient with no hidden pre-activation at the kink of relu."""
    rng = np.random.default_rng(seed)
    while True:
        params, x = draw_params(rng, sizes), rng.standard_normal((n, sizes[0]))
        _, hidden = torch_mlp({k: torch.tensor(v) for k, v in params.items()}, torch.tensor(x), kind)
        if all(z.abs().min() > 1e-3 for z in hidden):
            return params, x, rng.standard_normal((n, sizes[-1]))


@check("MLP", points=2)
def test_network_forward_at_every_depth(submission, rng):
    """Networks of one, two and four linear layers compute the right logits from whatever `params` holds."""
    calls = [(sizes, kind, rng, *draw_network(new_seed(rng), sizes, kind)[:2]) for sizes, kind in NETWORKS]
    for (_, kind, _, *network), logits in in_turn(logits_with_params, submission.MLP, calls=calls):
        assert_close(logits, mlp_logits(*network, kind), name="logits")


@check("MLP", points=3.5)
def test_network_gradients_match_autograd(submission, rng):
    """The gradient of every weight and bias agrees with automatic differentiation at every depth."""
    calls = [(list(sizes), kind, rng, *draw_network(new_seed(rng), sizes, kind)) for sizes, kind in NETWORKS]
    for (_, kind, _, *network), grads in in_turn(gradients_with_params, submission.MLP, calls=calls):
        assert_close(grads, mlp_gradients(*network, kind), name="gradients")


@check("MLP", points=2)
def test_network_gradients_match_central_differences(submission, rng):
    """Nudging any single weight or bias of a network changes the loss as its gradient says."""
    sizes = (3, 4, 2, 2)
    calls = [(sizes, kind, rng, *draw_network(new_seed(rng), sizes, kind)) for kind in KINDS]
    for (_, kind, _, *network), grads in in_turn(gradients_with_params, submission.MLP, calls=calls):
        assert_close(grads, numeric_mlp_gradients(*network, kind), name="gradients", rtol=1e-7)


@check("MLP", points=1)
def test_a_unit_answers_to_its_whole_weighted_sum(submission, rng):
    """The slope of a hidden unit is taken at its whole weighted sum, not at one term of it."""
    calls = []
    for inputs in (1, 2, 4):
        params, x, dlogits = draw_network(new_seed(rng), (inputs, 1, 1), "sigmoid", n=1)
        params = {**params, "W0": 3 * params["W0"], "b0": np.zeros(1)}
        calls.append(((inputs, 1, 1), "sigmoid", rng, params, x, dlogits))
    for (*_, params, x, dlogits), grads in in_turn(gradients_with_params, submission.MLP, calls=calls):
        s = 1 / (1 + np.exp(-(x[0] * params["W0"][:, 0]).sum()))
        expected = x.T * s * (1 - s) * params["W1"] * dlogits  # (inputs, 1)
        assert_close(grads["W0"], expected, name="gradient of W0")


def assert_spread(W, std):
    """Over 20000 weights have mean 0 and this standard deviation; the sampling error is about 0.5 %, 5 % are allowed."""
    drawn = "the spread of a finite random draw"
    mean = W.mean()
    spread = np.sqrt(np.vdot(W, W) / W.size - mean**2)  # in one pass, where W.std() makes three arrays as large as W
    assert_close(spread, std, name="standard deviation of the weights", rtol=0.05, atol=0, wide=drawn)
    assert_close(mean, 0.0, name="mean of the weights", atol=0.05 * std, wide=drawn)


@check("MLP", points=1)
def test_relu_layers_start_with_he_weights(submission, rng):
    """Where a relu follows, weights start with variance 2 over the number of inputs, which keeps signals alive."""
    start = int(rng.integers(7))
    calls = [(((d, m, 2), "relu", rng), start) for d, m in [(400, 400), (300, 600)]]
    for ((sizes, *_), _), matrices in in_turn(new_weights, submission.MLP, calls=calls):
        assert_spread(matrices[0], np.sqrt(2 / sizes[0]))


@check("MLP", points=1)
def test_other_layers_start_with_xavier_weights(submission, rng):
    """Before sigmoid or tanh, and in the last layer, weights start with variance 2 over fan-in plus fan-out."""
    kinds = {(400, 400, 60): "tanh", (300, 600, 60): "sigmoid", (100, 300): "relu"}
    calls = [((sizes, kind, rng), int(rng.integers(7))) for sizes, kind in kinds.items()]
    for ((sizes, *_), _), matrices in in_turn(new_weights, submission.MLP, calls=calls):
        for d, m, W in zip(sizes[:-1], sizes[1:], matrices, strict=True):
            assert_spread(W, np.sqrt(2 / (d + m)))


@in_worker
def params_beside(MLP, pairs):
    """The parameters of each network and of new ones."""
    return [(model.params, [MLP(*arguments).params for arguments in calls]) for model, calls in pairs]


@check("MLP", points=1)
def test_a_new_network_depends_on_its_generator_alone(submission, rng):
    """Equal generators give equal networks, every weight is a draw of its own, biases start at 0, nothing else is random."""
    seed = int(rng.integers(1 << 30))
    generators = [np.random.default_rng(seed) for _ in KINDS]
    calls = [((4, 5, 3), kind, generator) for kind, generator in zip(KINDS, generators, strict=True)]
    firsts = [seen for _, seen in observe_each(submission.MLP, calls)]
    pairs = [
        (first.value, [call, (*call[:2], np.random.default_rng(seed))])
        for first, call in zip(firsts, calls, strict=True)
    ]
    for first, (params, (second, again)) in zip(firsts, params_beside(submission.MLP, pairs), strict=True):
        assert_true(not first.used_global_random, "the weights should be drawn from the given generator alone")
        assert_close(params, again, name="params of two networks from equal generators", rtol=0)
        assert_true(np.unique(params["W0"]).size == 20, "the weights of a layer should differ from each other")
        assert_true(
            (params["W0"] != second["W0"]).all(),
            "a second network from the same generator should be a new draw",
        )
        assert_close(params["b0"], np.zeros(5), name="b0", rtol=0, atol=0)
        assert_close(params["b1"], np.zeros(3), name="b1", rtol=0, atol=0)


@check("MLP", points=1)
def test_a_pass_leaves_the_parameters_and_its_arguments_alone(submission, rng):
    """Forward and backward change no weight, not in the last bit, and write to no argument."""
    draws = {sizes: draw_network(new_seed(rng), sizes, "relu") for sizes in [(3, 2), (4, 5, 3)]}
    models = with_params(submission.MLP, [(sizes, "relu", rng, params) for sizes, (params, _, _) in draws.items()])
    for (forward, backward, params_now), (params, x, dlogits) in zip(models, draws.values(), strict=True):
        for function, given, expected in (
            (forward, x, mlp_logits(params, x, "relu")),
            (backward, dlogits, mlp_gradients(params, x, dlogits, "relu")),
        ):
            seen = observe(function)(given)
            assert_leaves_arguments_alone(seen)
            assert_close(seen.value, expected, name="result")
        assert_close(params_now(), params, name="params after a pass", rtol=0, atol=0)


@in_worker
def gradients_in_turn(MLP, sizes, kind, rng, draws, earlier, order):
    """Gradients of networks that all went forward, one of them twice, before any goes backward."""
    import copy

    models = []
    for params, _, _ in draws:
        models.append(MLP(sizes, kind, rng))
        for name in params:
            models[-1].params[name][...] = params[name]
    models[0].forward(earlier)
    for model, (_, x, _) in zip(models, draws, strict=True):
        model.forward(x)
    return [copy.deepcopy(models[i].backward(draws[i][2].copy())) for i in order]


@check("MLP", points=1)
def test_backward_belongs_to_the_latest_forward_of_its_own_model(submission, rng):
    """Gradients are those of the model's latest batch, add up over no calls, and no model disturbs another."""
    sizes, kind = (4, 3, 2), "tanh"
    draws, order = [draw_network(new_seed(rng), sizes, kind) for _ in range(2)], (0, 0, 1)
    earlier = rng.standard_normal((3, 4))
    results = gradients_in_turn(submission.MLP, sizes, kind, rng, draws, earlier, order)
    for i, grads in zip(order, results, strict=True):
        assert_close(grads, mlp_gradients(*draws[i], kind), name="gradients")


@check("MLP", points=0.5)
def test_network_refuses_bad_arguments(submission, rng):
    """A network needs at least two sizes of at least 1, a known activation, and batches that fit."""
    bad = [((3,), "relu"), ((3, 0, 2), "relu"), ((3, -1), "relu"), ((3, 4, 2), "softplus"), ((3, 2), "softplus")]
    assert_each_refused(submission.MLP, [(sizes, kind, rng) for sizes, kind in bad])
    ((forward, backward, _),) = with_params(submission.MLP, [((3, 4, 2), "tanh", rng, {})])
    assert_each_refused(forward, [(rng.standard_normal(shape),) for shape in [(5, 4), (3,)]])
    forward(rng.standard_normal((5, 3)))
    assert_each_refused(backward, [(rng.standard_normal(shape),) for shape in [(5, 1), (1, 2), (2,)]])
    params, x, dlogits = draw_network(new_seed(rng), (3, 4, 2), "tanh")
    ((forward, backward, _),) = with_params(submission.MLP, [((3, 4, 2), "tanh", rng, params)])
    assert_close(forward(x), mlp_logits(params, x, "tanh"), name="logits of a batch that fits")
    assert_close(backward(dlogits), mlp_gradients(params, x, dlogits, "tanh"), name="gradients of a batch that fits")


# --- gradient checking --------------------------------------------------------------------------------------


@in_worker
def gradients_of_a_coupled_function(numeric_gradient, points):
    """Of a function of an array in which every element matters to the slope along every other."""

    def coupled(x):
        flat = x.reshape(-1)
        weights = np.linspace(0.5, 1.5, flat.size)
        return float(np.sin((flat * weights).sum()) * (1 + (flat**2).sum()) + (flat**3).sum())

    return [numeric_gradient(coupled, x) for x in points]


@oracle
def autograd_of_a_coupled_function(x):
    exact = leaf(x)
    flat = exact.reshape(-1)
    weights = torch.linspace(0.5, 1.5, flat.numel(), dtype=torch.float64)
    (torch.sin((flat * weights).sum()) * (1 + (flat**2).sum()) + (flat**3).sum()).backward()
    return exact.grad.numpy()


@check("numeric_gradient", points=1.5)
def test_numeric_gradient_of_a_coupled_function(submission, rng):
    """The numeric gradient has the shape of x and agrees with the true one, each element probed by itself."""
    points = [rng.standard_normal(shape) for shape in [(1,), (3,), (2, 3), (2, 1, 2)]]
    for x, grad in in_turn(gradients_of_a_coupled_function, submission.numeric_gradient, calls=points):
        assert_close(grad, autograd_of_a_coupled_function(x), name="gradient", rtol=1e-7)  # central differences


@in_worker
def sum_of_squares(module):
    """A function to be differentiated, there where it is called."""
    return lambda v: float((v**2).sum())


@check("numeric_gradient", points=1.5)
def test_numeric_gradient_restores_x_bit_for_bit(submission, rng):
    """After the last probe x holds exactly the bits it held before the first."""
    f = sum_of_squares(submission)
    calls = [(f, rng.standard_normal(shape)) for shape in [(1,), (3, 4)]]
    for (_, x), seen in observe_each(submission.numeric_gradient, calls):
        assert_leaves_arguments_alone(seen)
        assert_close(seen.value, 2 * x, name="gradient", rtol=1e-7)  # central differences


@in_worker
def gradients_of_a_cubic(numeric_gradient, points):
    return [numeric_gradient(lambda v: float((v**3).sum()), x, h=0.25) for x in points]


@check("numeric_gradient", points=1.5)
def test_numeric_gradient_of_scalars_and_strided_arrays(submission, rng):
    """A 0-d array, a strided view and a column-major array are probed like any other array."""
    x = rng.standard_normal((2, 3))
    points = [noncontiguous(x), fortran(x), np.array(x[0, 0])]
    for arranged, grad in in_turn(gradients_of_a_cubic, submission.numeric_gradient, calls=points):
        assert_close(grad, 3 * np.array(arranged) ** 2 + 0.25**2, name="gradient")


@check("numeric_gradient", points=0.5)
def test_numeric_gradient_refuses_float32_and_bad_steps(submission, rng):
    """Differences of float32 numbers are mostly rounding error, and a step must be positive."""
    x = rng.standard_normal(3)
    bad = [(x.astype(np.float32),), (np.arange(3),), (x, 0.0), (x, -1e-5)]
    f = sum_of_squares(submission)
    assert_each_refused(submission.numeric_gradient, [(f, *arguments) for arguments in bad])
    assert_close(submission.numeric_gradient(f, x, 0.5), 2 * x, name="gradient of what is allowed")


@check("relative_error", points=1.5)
def test_relative_error_is_the_worst_over_single_elements(submission, rng):
    """Each element is compared on its own scale, pairs of tiny numbers on the scale 1e-8, and the worst one counts."""
    scale = np.array([[1.0], [-1e-6], [1e-9]])  # elements of either sign
    calls = []
    for rows in (1, 2, 3):
        a = rng.uniform(1.0, 2.0, (rows, 4)) * scale[:rows]
        b = a * rng.uniform(0.9, 1.1, (rows, 4))
        b[-1, 2] = -a[-1, 2] / 3
        calls.append((a, b))
    for (a, b), error in in_turn(each, submission.relative_error, calls=calls):
        expected = max(
            abs(p - q) / max(1e-8, abs(p) + abs(q)) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        )
        assert_close(error, expected, name="relative error")
    tiny = np.array([3e-10, -2e-9])
    assert_close(submission.relative_error(tiny, -tiny), 0.4, name="relative error of tiny numbers")
    assert_close(submission.relative_error(np.zeros(3), np.zeros(3)), 0.0, name="relative error of zeros")


@check("relative_error", points=0.5)
def test_relative_error_refuses_arrays_of_different_shape(submission, rng):
    """Arrays of different shape have no relative error, even if NumPy would broadcast them."""
    a = rng.standard_normal((3, 3))
    assert_each_refused(submission.relative_error, [(a, b) for b in (a[0], a[:1], a[:, :2], a.ravel())])
    b = a * rng.uniform(1.1, 1.9, (3, 3))
    expected = float((np.abs(a - b) / (np.abs(a) + np.abs(b))).max())
    assert_close(submission.relative_error(a, b), expected, name="relative error of arrays of one shape")


# --- Value --------------------------------------------------------------------------------------------------


def run_programs(make, programs):
    """Compute one node after the other and go backward from a weighted sum of all of them, so that each node matters.

    Returns the sum, the gradients of the leaves and the numbers of all nodes; `make` makes a leaf of a number.
    """
    results = []
    for numbers, program in programs:
        leaves = [make(number) for number in numbers]
        nodes = list(leaves)
        for name, i, j in program:
            a, b = nodes[i], nodes[j]
            if name == "add":
                nodes.append(a + b)
            elif name == "sub":
                nodes.append(a - b)
            elif name == "mul":
                nodes.append(a * b)
            elif name == "div":
                nodes.append(a / (b * b + 1.5))
            elif name == "pow":
                nodes.append((a * a + 0.5) ** -1.5)
            elif name == "tanh":
                nodes.append(a.tanh())
            elif name == "exp":
                nodes.append((0.5 * a.tanh()).exp())
            elif name == "relu":
                nodes.append(a.relu())
        total = 0.1 * nodes[0]
        for k, node in enumerate(nodes):
            total = total + node * (0.3 + 0.1 * k)
        total.backward()
        results.append((total.data, [v.grad for v in leaves], [node.data for node in nodes]))
    return results


run_in_worker = in_worker(run_programs)


@oracle
def autograd_of_program(numbers, program):
    """The same with torch in the place of the submission's values, as plain numbers."""
    ((total, grads, nodes),) = run_programs(leaf, [(numbers, program)])
    return total.item(), [grad.item() for grad in grads], [node.item() for node in nodes]


@oracle
def differences_of_program(numbers, program):
    def value(v):
        return autograd_of_program(v.tolist(), program)[0]

    return central_differences(value, np.array(numbers))


@oracle
def draw_program(seed, length):
    """Leaves and a random program whose relus stay off their kink."""
    rng = np.random.default_rng(seed)
    names = ["add", "sub", "mul", "div", "pow", "tanh", "exp", "relu"]
    while True:
        numbers = rng.uniform(-1.5, 1.5, 3).tolist()
        program = []
        for k in range(length):
            i, j = rng.integers(0, 3 + k, 2).tolist()
            program.append((names[int(rng.integers(len(names)))], i, j))
        _, _, nodes = autograd_of_program(numbers, program)
        kinks = [abs(nodes[i]) for name, i, _ in program if name == "relu"]
        if min(kinks, default=1.0) > 1e-3 and max(abs(node) for node in nodes) < 50:
            return numbers, program


@in_worker
def powers(Value, calls):
    """(data, gradient at a) of 3 times a ** n, for each number and exponent."""
    results = []
    for base, n in calls:
        a = Value(base)
        result = a**n
        (result * 3.0).backward()
        results.append((result.data, a.grad))
    return results


@check("Value", points=1)
def test_powers_of_negative_zero_and_fractional_kind(submission, rng):
    """The derivative of a power holds for negative and fractional exponents, and for bases at or below 0."""
    x = rng.uniform(0.5, 2.0)
    calls = [(x, 3.0), (x, -2), (x, 0.5), (x, 1), (-x, 3), (-x, -1), (0.0, 2), (x, 0), (0.0, 0)]
    for (base, n), (data, grad) in in_turn(powers, submission.Value, calls=calls):
        assert_close(data, base**n, name="power")
        assert_close(grad, 3.0 * n * base ** (n - 1) if n else 0.0, name="gradient of a power")


@in_worker
def difference_and_quotient(Value, pairs):
    """(data, gradient at a, gradient at b) of a - b and of a / b, the gradient that arrives being 2."""
    results = []
    for x, y in pairs:
        a, b = Value(x), Value(y)
        difference = a - b
        (difference * 2.0).backward()
        c, d = Value(x), Value(y)
        quotient = c / d
        (quotient * 2.0).backward()
        results.append(((difference.data, a.grad, b.grad), (quotient.data, c.grad, d.grad)))
    return results


@check("Value", points=1)
def test_differences_and_quotients_of_two_values(submission, rng):
    """In a - b and a / b the second operand has a gradient of its own, with its own sign."""
    pairs = [(rng.uniform(0.5, 2.0, 2) * [1.0, sign]).tolist() for sign in (1.0, -1.0)]
    for (x, y), (difference, quotient) in in_turn(difference_and_quotient, submission.Value, calls=pairs):
        assert_close(difference, (x - y, 2.0, -2.0), name="difference and its gradients")
        assert_close(quotient, (x / y, 2 / y, -2 * x / y**2), name="quotient and its gradients")


@in_worker
def value_and_its_square(Value, x):
    """Gradients at b = 3 a and at a of twice b + b * b, and the gradient at a of (a + a) * (a + a)."""
    a = Value(x)
    b = a * 3.0
    ((b + b * b) * 2.0).backward()
    c = Value(x)
    ((c + c) * (c + c)).backward()
    return (b.grad, a.grad), c.grad


@check("Value", points=1)
def test_a_value_waits_for_all_its_consumers(submission, rng):
    """In b + b * b, and deeper in (a + a) * (a + a), a value passes its gradient on when all its uses have reported."""
    x = rng.uniform(0.5, 2.0)
    grads, deeper = value_and_its_square(submission.Value, x)
    expected = 2 * (1 + 6 * x), 6 * (1 + 6 * x)
    assert_close(grads, expected, name="gradients of b + b * b at b and at its input")
    assert_close(deeper, 8 * x, name="gradient of (a + a) * (a + a)")


@in_worker
def square_and_its_value(Value, x):
    """Gradients at b = 3 a and at a of twice b * b + b."""
    a = Value(x)
    b = a * 3.0
    ((b * b + b) * 2.0).backward()
    return b.grad, a.grad


@check("Value", points=2)
def test_the_order_of_operands_does_not_matter(submission, rng):
    """In b * b + b the longer way comes first; the gradient is the same as for b + b * b."""
    x = rng.uniform(0.5, 2.0)
    grads = square_and_its_value(submission.Value, x)
    expected = 2 * (1 + 6 * x), 6 * (1 + 6 * x)
    assert_close(grads, expected, name="gradients of b * b + b at b and at its input")


@check("Value", points=2)
def test_random_graphs_match_autograd(submission, rng):
    """Values and gradients of random expressions agree with automatic differentiation."""
    programs = [draw_program(new_seed(rng), length) for length in (1, 3, 8, 16)]
    for program, (data, grads, _) in in_turn(run_in_worker, submission.Value, calls=programs):
        expected = autograd_of_program(*program)
        assert_close(data, expected[0], name="data")
        assert_close(grads, expected[1], name="gradients of the leaves")


@check("Value", points=1)
def test_random_graphs_match_central_differences(submission, rng):
    """Nudging any leaf of a random expression changes its value as the gradient says."""
    programs = [draw_program(new_seed(rng), length) for length in (3, 6, 10)]
    for program, (_, grads, _) in in_turn(run_in_worker, submission.Value, calls=programs):
        numeric = differences_of_program(*program)
        assert_close(np.array(grads), numeric, name="gradients of the leaves", rtol=1e-7)


@in_worker
def three_equal_values(Value, x):
    a, b, c = (Value(x) for _ in range(3))
    (a * b * 2.0 + b * c + a).backward()
    return a.grad, b.grad, c.grad


@check("Value", points=1)
def test_values_with_equal_numbers_are_different_nodes(submission, rng):
    """Two values that happen to hold the same number keep their own gradients."""
    x = rng.uniform(1.0, 2.0)
    grads = three_equal_values(submission.Value, x)
    assert_close(grads, (2 * x + 1, 3 * x, x), name="gradients of three equal values")


@in_worker
def starts_of_chains(Value, calls):
    """The gradient at the start of a chain of this many links."""
    grads = []
    for number, links in calls:
        x = y = Value(number)
        for _ in range(links):
            y = y * x
        y.backward()
        grads.append(x.grad)
    return grads


@check("Value", points=1.5)
def test_a_graph_may_be_thousands_of_values_deep(submission, rng):
    """Long computations make deep graphs, deeper than the limit of recursive calls."""
    calls = [(1.0 + rng.uniform(0.5, 1.0) / links, links) for links in (3, 5000)]  # so that no power is huge
    for (x, links), grad in in_turn(starts_of_chains, submission.Value, calls=calls):
        assert_close(grad, (links + 1) * x**links, name="gradient at the start of the chain")


@in_worker
def double(x, times):
    """x, the backward of x doubled so often, and the number and the gradient at x after one pass."""
    y = x
    for _ in range(times):
        y = y + y
    y.backward()
    return x, y.backward, y.data, x.grad


@check("Value", points=1)
def test_backward_visits_each_value_once(submission, rng):
    """The work grows with the number of values, not with the number of ways through the graph."""
    counts = []
    for times in (4, 12):  # 16 and 4096 ways from the end to the start
        x, backward, data, grad = double(submission.Value(1.0), times)
        assert_close(data, 2.0**times, name="number after repeated doubling")
        assert_close(grad, 2.0**times, name="gradient after repeated doubling")
        counts.append(operations(backward)().count)
        assert_close(x.grad, 3 * 2.0**times, name="gradient after the two passes of the count")
    assert_true(
        0 < counts[1] < 6 * counts[0],  # for three times as many values
        "the work of backward should grow with the number of values, not of ways through the graph",
    )


@in_worker
def several_passes(Value, x, y):
    """Gradients before and after each of three passes over two results of one product, and the other result's."""
    a, b = Value(x), Value(y)
    grads = [(a.grad, b.grad)]
    shared = a * b
    first, second = shared * a, shared + b
    for result in (first, first, second):
        result.backward()
        grads.append((a.grad, b.grad))
        if len(grads) == 2:
            untouched = second.grad
    return grads, untouched


@check("Value", points=1.5)
def test_a_second_pass_adds_its_own_gradients_once(submission, rng):
    """Passes add up in the leaves, as if each ran on a fresh graph; values that are not asked keep their gradient."""
    x, y = rng.uniform(0.5, 2.0, 2).tolist()
    (before, after_one, after_two, after_three), untouched = several_passes(submission.Value, x, y)
    assert_close(before, (0.0, 0.0), name="gradients before any pass")
    once = (2 * x * y, x**2)
    assert_close(after_one, once, name="gradients after one pass")
    assert_close(untouched, 0.0, name="gradient of a value that the first one does not depend on")
    assert_close(after_two, (2 * once[0], 2 * once[1]), name="gradients after the same pass twice")
    assert_close(after_three, (2 * once[0] + y, 2 * once[1] + x + 1), name="gradients after another pass")


@in_worker
def relu_beside_double(a):
    """The gradient at a of relu(a) + 2 a."""
    result = a.relu() + 2.0 * a
    result.backward()
    return result.data, a.grad


@check("Value", points=0.5)
def test_relu_of_zero_is_flat_and_exponents_are_numbers(submission, rng):
    """The derivative of relu at 0 is 0 here too, and an exponent that is a value is an error."""
    a = submission.Value(0.0)
    assert_close(relu_beside_double(a)[1], 2.0, name="gradient at the kink")
    number = rng.uniform(1.0, 2.0)
    b = submission.Value(number)
    assert_raises(ValueError, operator.pow, b, a)
    assert_close(relu_beside_double(b), (3 * number, 3.0), name="relu of b plus 2 b, and its gradient at b")
