"""Hidden checks of the LSTM; the oracle is torch in float64, with the weights copied by name."""

import numpy as np
import torch

from grader.checks import (
    assert_close,
    assert_flat_cost,
    assert_pure,
    assert_raises,
    assert_true,
    central_differences,
    check,
    fortran,
    noncontiguous,
    observe,
    operations,
    strict_floats,
)

KEYS = ("W_ih", "W_hh", "b_ih", "b_hh")
# All sizes different, and 1 in each place; one number alone comes last, since many mistakes agree on it.
STEPS = ((1, 4, 3), (5, 1, 3), (5, 4, 1), (2, 3, 3), (5, 4, 3), (1, 1, 1))  # N, D, H
SEQUENCES = (  # T, N, D, H
    (1, 5, 2, 3), (4, 1, 2, 3), (4, 5, 1, 3), (4, 5, 2, 1), (4, 5, 2, 3), (1, 1, 1, 1)
)  # fmt: skip


def parameters(rng, D, H, scale=0.7):
    shapes = ((4 * H, D), (4 * H, H), (4 * H,), (4 * H,))
    return {key: scale * rng.standard_normal(shape) for key, shape in zip(KEYS, shapes, strict=True)}


def draw(rng, T, N, D, H):
    """Parameters, inputs, and initial states that are not zero."""
    X, h0, c0 = rng.standard_normal((T, N, D)), rng.standard_normal((N, H)), 1.5 * rng.standard_normal((N, H))
    return parameters(rng, D, H), X, h0, c0


def draw_step(rng, N, D, H):
    P, X, h, c = draw(rng, 1, N, D, H)
    return P, X[0], h, c


def cotangents(rng, T, N, H):
    return rng.standard_normal((T, N, H)), rng.standard_normal((N, H)), rng.standard_normal((N, H))


def single(value):
    """The same in float32, through dicts and tuples."""
    if isinstance(value, dict):
        return {key: single(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(single(item) for item in value)
    return value.astype(np.float32)


def torch_lstm(P, X, h0, c0, dHs=None, dhT=None, dcT=None, window=None):
    """(Hs, hT, cT), and with upstream gradients also (dX, dh0, dc0, grads); window cuts the graph."""
    lstm = torch.nn.LSTM(P["W_ih"].shape[1], P["W_hh"].shape[1], dtype=torch.float64)
    names = {key: key.replace("W", "weight").replace("b_", "bias_") + "_l0" for key in KEYS}
    with torch.no_grad():
        for key, name in names.items():
            getattr(lstm, name).copy_(torch.from_numpy(np.ascontiguousarray(P[key])))
    inputs = [torch.tensor(a, requires_grad=True) for a in (X, h0, c0)]
    state, outputs = (inputs[1][None], inputs[2][None]), []
    for chunk in torch.split(inputs[0], window or len(X)):
        if outputs:
            state = (state[0].detach(), state[1].detach())
        out, state = lstm(chunk, state)
        outputs.append(out)
    Hs, hT, cT = torch.cat(outputs), state[0][0], state[1][0]
    values = tuple(a.detach().numpy() for a in (Hs, hT, cT))
    if dHs is None:
        return values
    torch.autograd.backward([Hs, hT, cT], [torch.tensor(a) for a in (dHs, dhT, dcT)])
    grads = {key: getattr(lstm, name).grad.numpy() for key, name in names.items()}
    return values, (*(a.grad.numpy() for a in inputs), grads)


def torch_step(P, x, h, c, dh2=None, dc2=None):
    """(h2, c2), and with upstream gradients also (dx, dh, dc, grads)."""
    if dh2 is None:
        return torch_lstm(P, x[None], h, c)[1:]
    values, (dX, dh, dc, grads) = torch_lstm(P, x[None], h, c, np.zeros_like(dh2)[None], dh2, dc2)
    return values[1:], (dX[0], dh, dc, grads)


def torch_jacobian_norms(P, X, h0, c0):
    """Spectral norms (T, N) of d cT / d ct, where the h that enters step t does not move with ct."""
    weights = {key: torch.tensor(value) for key, value in P.items()}
    norms = np.empty(X.shape[:2])
    for n in range(X.shape[1]):
        h, c = torch.tensor(h0[n]), torch.tensor(c0[n])
        entering = []
        for x in torch.tensor(X[:, n]):
            c = c.detach().requires_grad_() if not entering else c.clone()  # apart from the c that made h
            entering.append(c)
            a = weights["W_ih"] @ x + weights["b_ih"] + weights["W_hh"] @ h + weights["b_hh"]
            i, f, g, o = a.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        rows = [torch.autograd.grad(unit, entering, retain_graph=True) for unit in c]  # H tuples of T rows
        for t in range(len(X)):
            norms[t, n] = torch.linalg.matrix_norm(torch.stack([row[t] for row in rows]), 2)
    return norms


def alone(P, X, h0, c0, lengths, dHs, dhT, dcT):
    """Each sequence by itself, without its padding, by torch; gradients put together again."""
    Hs, hT, cT = np.zeros_like(dHs), h0.copy(), c0.copy()
    dX, dh0, dc0 = np.zeros_like(X), dhT.copy(), dcT.copy()
    total = {key: np.zeros_like(P[key]) for key in KEYS}
    for n, length in enumerate(lengths):
        if length:
            one = slice(n, n + 1)
            values, gradients = torch_lstm(
                P, X[:length, one], h0[one], c0[one], dHs[:length, one], dhT[one], dcT[one]
            )
            Hs[:length, one], hT[one], cT[one] = values
            dX[:length, one], dh0[one], dc0[one], grads = gradients
            total = {key: total[key] + grads[key] for key in KEYS}
    return (Hs, hT, cT), (dX, dh0, dc0, total)


def draw_ragged(rng, lengths, T, D, H):
    """A padded batch whose padding holds large numbers, and upstream gradients that are 0 there."""
    N = len(lengths)
    P, X, h0, c0 = draw(rng, T, N, D, H)
    upstream = cotangents(rng, T, N, H)
    padded = np.arange(T)[:, None] >= lengths
    X[padded] = 500 * rng.standard_normal((padded.sum(), D))
    upstream[0][padded] = 0
    return P, X, h0, c0, upstream


# ---- sigmoid


@check("sigmoid", points=1)
def test_sigmoid_is_exact_in_the_tails(submission, rng):
    """The sigmoid keeps its digits between the middle and the far ends; clipping the argument loses some."""
    sizes = np.geomspace(1e-4, 1e4, 81)
    for x in (np.array([-18.0]), np.linspace(-40, 40, 33), rng.uniform(-25, 25, (3, 4)), sizes, -sizes):
        expected = torch.sigmoid(torch.tensor(x)).numpy()
        assert_close(submission.sigmoid(x), expected, name="sigmoid(x)", rtol=0, atol=1e-12)
    ends = submission.sigmoid(np.array([-1e4, 0.0, 1e4]))
    assert_close(ends, np.array([0.0, 0.5, 1.0]), name="sigmoid(x)", rtol=0, atol=1e-12)


@check("sigmoid", points=1)
def test_sigmoid_keeps_float_type_layout_and_argument(submission, rng):
    """The sigmoid keeps float32 and the shape of any view, and leaves its argument as it was."""
    x = 4 * rng.standard_normal((3, 5))
    expected = torch.sigmoid(torch.tensor(x)).numpy()
    for argument in (x, noncontiguous(x), fortran(x)):
        assert_close(assert_pure(submission.sigmoid, argument), expected, name="sigmoid(x)")
    assert_close(submission.sigmoid(single(x)), single(expected), name="sigmoid of float32")


# ---- lstm_step


@check("lstm_step", points=2)
def test_step_agrees_with_a_second_opinion(submission, rng):
    """A step gives the states of an independent LSTM cell, for every mix of batch, input and state sizes."""
    for N, D, H in STEPS:
        P, x, h, c = draw_step(rng, N, D, H)
        h2, c2, _ = submission.lstm_step(x, h, c, P)
        expected_h2, expected_c2 = torch_step(P, x, h, c)
        assert_close(c2, expected_c2, name="c2")
        assert_close(h2, expected_h2, name="h2")


@check("lstm_step", points=1)
def test_every_parameter_counts(submission, rng):
    """Both weight matrices and both biases take part in every gate."""
    for key in KEYS:
        P, x, h, c = draw_step(rng, 2, 3, 4)
        P = {name: value if name == key else np.zeros_like(value) for name, value in P.items()}
        h2, c2, _ = submission.lstm_step(x, h, c, P)
        expected_h2, expected_c2 = torch_step(P, x, h, c)
        assert_close(c2, expected_c2, name=f"c2 when only {key} is not zero")
        assert_close(h2, expected_h2, name=f"h2 when only {key} is not zero")


@check("lstm_step", points=1)
def test_candidate_can_subtract(submission, rng):
    """The candidate lies between -1 and 1, so that a step can make a cell smaller as well as larger."""
    for sign in (1, -1):
        P = {"W_ih": np.zeros((8, 3)), "W_hh": np.zeros((8, 2)), "b_hh": np.zeros(8)}
        P["b_ih"] = np.repeat([50.0, 50.0, 50.0 * sign, 50.0], 2)  # all gates open, candidate at its end
        c = rng.standard_normal((4, 2))
        _, c2, _ = submission.lstm_step(rng.standard_normal((4, 3)), rng.standard_normal((4, 2)), c, P)
        assert_close(c2, c + sign, name="c2")


@check("lstm_step", points=1)
def test_large_cell_is_squashed_before_the_output_gate(submission, rng):
    """However large the cell grows, the output gate reads its tanh, so that |h2| stays below 1."""
    P, x, h, _ = draw_step(rng, 3, 2, 4)
    c = rng.uniform(3, 60, (3, 4)) * rng.choice([-1, 1], (3, 4))
    h2, c2, _ = submission.lstm_step(x, h, c, P)
    expected_h2, expected_c2 = torch_step(P, x, h, c)
    assert_close(c2, expected_c2, name="c2")
    assert_close(h2, expected_h2, name="h2")


@check("lstm_step", points=1)
def test_saturated_gates_do_not_overflow(submission, rng):
    """Gates that are wide open or firmly shut cause no overflow and no invalid operation."""
    P, x, h, c = draw_step(rng, 4, 3, 5)
    x, h, c = 800 * x, 800 * h, 800 * c
    h2, c2, _ = strict_floats(submission.lstm_step)(x, h, c, P)
    expected_h2, expected_c2 = torch_step(P, x, h, c)
    assert_close(c2, expected_c2, name="c2")
    assert_close(h2, expected_h2, name="h2")


@check("lstm_step", points=1)
def test_step_accepts_any_memory_layout(submission, rng):
    """A step depends on the numbers in its arguments and not on how they lie in memory."""
    P, x, h, c = draw_step(rng, 5, 4, 3)
    expected_h2, expected_c2 = torch_step(P, x, h, c)
    for layout in (noncontiguous, fortran):
        views = {key: layout(value) for key, value in P.items()}
        h2, c2, _ = submission.lstm_step(layout(x), layout(h), layout(c), views)
        assert_close(c2, expected_c2, name="c2")
        assert_close(h2, expected_h2, name="h2")


@check("lstm_step", points=1)
def test_step_keeps_float32(submission, rng):
    """With float32 inputs and parameters the new states are float32 too."""
    P, x, h, c = draw_step(rng, 5, 4, 3)
    expected_h2, expected_c2 = torch_step(P, x, h, c)
    h2, c2, _ = submission.lstm_step(*single((x, h, c, P)))
    assert_close(c2, single(expected_c2), name="c2")
    assert_close(h2, single(expected_h2), name="h2")


@check("lstm_step", points=1)
def test_step_refuses_shapes_that_do_not_fit(submission, rng):
    """Shapes that do not fit raise ValueError, even where NumPy would stretch them silently."""
    P, x, h, c = draw_step(rng, 3, 4, 2)
    wrong_x, wrong_h, wrong_c = (x[0], x[:, :2], x[..., None]), (h[:1], h[0]), (c[:1], c[0])
    for bad in (*((a, h, c) for a in wrong_x), *((x, a, c) for a in wrong_h), *((x, h, a) for a in wrong_c)):
        assert_raises(ValueError, submission.lstm_step, *bad, P)
    assert_raises(ValueError, submission.lstm_step, x, h[:, :1], c[:, :1], P)
    for key in KEYS:
        assert_raises(ValueError, submission.lstm_step, x, h, c, {**P, key: P[key][:-1]})
    assert_raises(ValueError, submission.lstm_step, x, h, c, {**P, "b_hh": P["b_hh"][:1]})
    assert_raises(ValueError, submission.lstm_step, x, h, c, {**P, "b_ih": P["b_ih"][None]})
    assert_raises(ValueError, submission.lstm_step, x, h, c, {**P, "W_hh": P["W_hh"][:, :1]})
    h2, c2, _ = submission.lstm_step(x, h, c, P)
    assert_close((h2, c2), torch_step(P, x, h, c), name="(h2, c2) of shapes that fit")


@check("lstm_step", points=2)
def test_cost_of_a_step(submission, rng):
    """A step consists of whole-array operations, and its instruction count does not grow with the sizes."""
    calls = []
    for N, D, H in ((2, 3, 2), (24, 13, 11)):
        P, x, h, c = draw_step(rng, N, D, H)
        calls.append((x, h, c, P))
    for (h2, c2, _), (x, h, c, P) in zip(assert_flat_cost(submission.lstm_step, *calls), calls, strict=True):
        assert_close((h2, c2), torch_step(P, x, h, c), name="(h2, c2)")


# ---- lstm_step_backward


def step_gradients(submission, rng, sizes):
    """(what the submission answers, what torch answers) for one random step; keys x, h, c and those of P."""
    P, x, h, c = draw_step(rng, *sizes)
    dh2, dc2 = rng.standard_normal(h.shape), rng.standard_normal(h.shape)
    _, _, cache = submission.lstm_step(x, h, c, P)
    dx, dh, dc, grads = submission.lstm_step_backward(dh2, dc2, cache)
    _, (*expected, expected_grads) = torch_step(P, x, h, c, dh2, dc2)
    return {"x": dx, "h": dh, "c": dc, **grads}, {**dict(zip("xhc", expected, strict=True)), **expected_grads}


@check("lstm_step_backward", points=2)
def test_step_gradient_of_the_old_cell(submission, rng):
    """The old cell receives the forget gate times all that the loss wants of the new cell, through h2 too."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        assert_close(actual["c"], expected["c"], name="dc")


@check("lstm_step_backward", points=2)
def test_step_gradient_of_the_input(submission, rng):
    """The input receives gradient from all four gates, through the rows of W_ih."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        assert_close(actual["x"], expected["x"], name="dx")


@check("lstm_step_backward", points=2)
def test_step_gradient_of_the_old_hidden_state(submission, rng):
    """The old hidden state receives gradient from all four gates, through the rows of W_hh."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        assert_close(actual["h"], expected["h"], name="dh")


@check("lstm_step_backward", points=1)
def test_step_gradient_of_the_input_weights(submission, rng):
    """The gradient of W_ih adds up, over the batch, the gates' gradients times the inputs."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        assert_close(actual["W_ih"], expected["W_ih"], name="gradient of W_ih")


@check("lstm_step_backward", points=1)
def test_step_gradient_of_the_recurrent_weights(submission, rng):
    """The gradient of W_hh adds up, over the batch, the gates' gradients times the old hidden states."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        assert_close(actual["W_hh"], expected["W_hh"], name="gradient of W_hh")


@check("lstm_step_backward", points=1)
def test_step_gradients_of_both_biases(submission, rng):
    """Both biases enter the same sum, so that both receive the gates' gradients summed over the batch."""
    for sizes in STEPS:
        actual, expected = step_gradients(submission, rng, sizes)
        for key in ("b_ih", "b_hh"):
            assert_close(actual[key], expected[key], name=f"gradient of {key}")


@check("lstm_step_backward", points=1)
def test_all_seven_step_gradients_are_slopes(submission, rng):
    """Each of the seven gradients predicts how the loss changes when one number is nudged up and down."""
    P, x, h, c = draw_step(rng, 2, 2, 3)
    dh2, dc2 = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))

    def loss(x=x, h=h, c=c, **changed):
        W = {**P, **changed}
        a = np.concatenate([x, h, np.ones((2, 1))], axis=1) @ np.column_stack(
            [W["W_ih"], W["W_hh"], W["b_ih"] + W["b_hh"]]
        ).T
        i, f, o = (0.5 + 0.5 * np.tanh(a[:, 3 * k : 3 * k + 3] / 2) for k in (0, 1, 3))
        c2 = f * c + i * np.tanh(a[:, 6:9])
        return float(np.sum(dh2 * o * np.tanh(c2)) + np.sum(dc2 * c2))

    _, _, cache = submission.lstm_step(x, h, c, P)
    dx, dh, dc, grads = submission.lstm_step_backward(dh2, dc2, cache)
    actual = {"x": dx, "h": dh, "c": dc, **grads}
    for name, value in {"c": c, "x": x, "h": h, **P}.items():
        expected = central_differences(lambda v, name=name: loss(**{name: v}), value)
        assert_close(actual[name], expected, name=f"gradient of {name}", rtol=1e-7)


@check("lstm_step_backward", points=0.5)
def test_step_gradient_through_a_large_cell(submission, rng):
    """The slope of tanh vanishes where the new cell is large, while the way along the cell stays open."""
    P, x, h, _ = draw_step(rng, 3, 2, 4)
    c = rng.uniform(2, 8, (3, 4)) * rng.choice([-1, 1], (3, 4))
    dh2, dc2 = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    _, (*expected, _) = torch_step(P, x, h, c, dh2, dc2)
    _, _, cache = submission.lstm_step(x, h, c, P)
    dx, dh, dc, _ = submission.lstm_step_backward(dh2, dc2, cache)
    for name, actual, wanted in zip(("dx", "dh", "dc"), (dx, dh, dc), expected, strict=True):
        assert_close(actual, wanted, name=name)


@check("lstm_step_backward", points=1)
def test_step_caches_do_not_mix(submission, rng):
    """Two steps may run before either goes back, and a cache may be used twice."""
    runs = []
    for _ in range(2):
        P, x, h, c = draw_step(rng, 3, 2, 4)
        dh2, dc2 = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
        _, _, cache = submission.lstm_step(x, h, c, P)
        runs.append((torch_step(P, x, h, c, dh2, dc2)[1], dh2, dc2, cache))
    for expected, dh2, dc2, cache in (*runs, runs[0]):
        dx, dh, dc, grads = submission.lstm_step_backward(dh2, dc2, cache)
        assert_close((dx, dh, dc, grads), expected, name="(dx, dh, dc, grads)")


@check("lstm_step_backward", points=1)
def test_step_backward_leaves_the_upstream_gradients_alone(submission, rng):
    """The caller still needs dh2 and dc2: a step back neither writes to them nor returns them."""
    P, x, h, c = draw_step(rng, 3, 2, 4)
    dh2, dc2 = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    _, _, cache = submission.lstm_step(x, h, c, P)
    seen = observe(submission.lstm_step_backward)(dh2, dc2, cache)
    for position, name in enumerate(("dh2", "dc2", "the cache")):
        written = any(path.startswith(str(position)) for path in seen.changed)
        assert_true(not written, f"lstm_step_backward must not write to {name}")
    shared = any(given in ("0", "1") for _, given in seen.aliases)
    assert_true(not shared, "the gradients must not share memory with dh2 or dc2")
    assert_close(seen.value[2], torch_step(P, x, h, c, dh2, dc2)[1][2], name="dc")


@check("lstm_step_backward", points=0.5)
def test_step_backward_keeps_float32(submission, rng):
    """With float32 everywhere, all seven gradients are float32."""
    P, x, h, c = draw_step(rng, 5, 4, 3)
    dh2, dc2 = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    _, expected = torch_step(P, x, h, c, dh2, dc2)
    _, _, cache = submission.lstm_step(*single((x, h, c, P)))
    actual = submission.lstm_step_backward(*single((dh2, dc2)), cache)
    assert_close(actual, single(expected), name="gradients")


@check("lstm_step_backward", points=0.5)
def test_step_backward_accepts_any_memory_layout(submission, rng):
    """Transposed and strided upstream gradients give the same answer as plain ones."""
    P, x, h, c = draw_step(rng, 5, 4, 3)
    dh2, dc2 = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    _, expected = torch_step(P, x, h, c, dh2, dc2)
    _, _, cache = submission.lstm_step(x, h, c, P)
    for layout in (noncontiguous, fortran):
        actual = submission.lstm_step_backward(layout(dh2), layout(dc2), cache)
        assert_close(actual, expected, name="gradients")


@check("lstm_step_backward", points=0.5)
def test_step_backward_refuses_shapes_that_do_not_fit(submission, rng):
    """An upstream gradient that is not (N, H) raises ValueError, even where NumPy would stretch it."""
    P, x, h, c = draw_step(rng, 3, 4, 2)
    _, _, cache = submission.lstm_step(x, h, c, P)
    for shape in ((2,), (1, 2), (3, 1), (3, 3)):
        assert_raises(ValueError, submission.lstm_step_backward, np.ones(shape), np.ones((3, 2)), cache)
        assert_raises(ValueError, submission.lstm_step_backward, np.ones((3, 2)), np.ones(shape), cache)
    upstream = rng.standard_normal((2, 3, 2))
    _, expected = torch_step(P, x, h, c, *upstream)
    gradients = submission.lstm_step_backward(*upstream, cache)
    assert_close(gradients, expected, name="(dx, dh, dc, grads) of shapes that fit")


@check("lstm_step_backward", points=2)
def test_cost_of_a_step_back(submission, rng):
    """Going back one step takes a fixed number of whole-array operations, whatever the sizes."""
    calls, expected = [], []
    for N, D, H in ((2, 3, 2), (24, 13, 11)):
        P, x, h, c = draw_step(rng, N, D, H)
        dh2, dc2 = rng.standard_normal((N, H)), rng.standard_normal((N, H))
        _, _, cache = submission.lstm_step(x, h, c, P)
        calls.append((dh2, dc2, cache))
        expected.append(torch_step(P, x, h, c, dh2, dc2)[1])
    assert_close(assert_flat_cost(submission.lstm_step_backward, *calls), expected, name="gradients of both sizes")


# ---- lstm_forward


@check("lstm_forward", points=2)
def test_forward_agrees_with_a_second_opinion(submission, rng):
    """From any initial state, a sequence gives the same Hs, hT and cT as an independent LSTM."""
    for sizes in SEQUENCES:
        P, X, h0, c0 = draw(rng, *sizes)
        Hs, hT, cT, _ = submission.lstm_forward(X, h0, c0, P)
        expected = torch_lstm(P, X, h0, c0)
        assert_close(Hs, expected[0], name="Hs")
        assert_close(hT, expected[1], name="hT")
        assert_close(cT, expected[2], name="cT")


@check("lstm_forward", points=2)
def test_padding_does_not_matter(submission, rng):
    """In a padded batch, each sequence behaves as if it were alone, whatever the padding holds."""
    for lengths in (np.array([3, 3]), np.array([2, 4, 1, 3])):
        P, X, h0, c0, upstream = draw_ragged(rng, lengths, 4, 3, 2)
        (expected_Hs, expected_hT, expected_cT), _ = alone(P, X, h0, c0, lengths, *upstream)
        Hs, hT, cT, _ = submission.lstm_forward(X, h0, c0, P, lengths)
        assert_true(np.shape(Hs) == expected_Hs.shape, "Hs must have the shape (T, N, H), padding included")
        for n, length in enumerate(lengths):
            assert_close(Hs[:length, n], expected_Hs[:length, n], name=f"Hs of sequence {n}")
        assert_close(hT, expected_hT, name="hT")
        assert_close(cT, expected_cT, name="cT")


@check("lstm_forward", points=1)
def test_an_empty_sequence_keeps_its_initial_state(submission, rng):
    """A sequence of length 0 ends where it began: its final state is its initial state."""
    for lengths in (np.array([3, 0, 2]), np.array([0])):
        P, X, h0, c0, upstream = draw_ragged(rng, lengths, 3, 2, 3)
        (_, expected_hT, expected_cT), _ = alone(P, X, h0, c0, lengths, *upstream)
        _, hT, cT, _ = submission.lstm_forward(X, h0, c0, P, lengths)
        assert_close(hT, expected_hT, name="hT")
        assert_close(cT, expected_cT, name="cT")


@check("lstm_forward", points=1)
def test_an_open_forget_gate_carries_the_cell_unchanged(submission, rng):
    """With the forget gate open and the input gate shut, the cell stays unchanged for any number of steps."""
    T, N, D, H = 20, 2, 3, 4
    P, X, h0, c0 = draw(rng, T, N, D, H)
    P = {key: value if key == "b_ih" else np.zeros_like(value) for key, value in P.items()}
    P["b_ih"][:H], P["b_ih"][H : 2 * H] = -50, 50
    Hs, hT, cT, _ = strict_floats(submission.lstm_forward)(X, h0, c0, P)
    assert_close(cT, c0, name="cT")
    output = torch.sigmoid(torch.tensor(P["b_ih"][3 * H :])).numpy() * np.tanh(c0)
    assert_close(Hs, np.broadcast_to(output, (T, N, H)).copy(), name="Hs")


@check("lstm_forward", points=1)
def test_forward_keeps_float32(submission, rng):
    """Float32 sequences stay float32, with lengths and without."""
    lengths = np.array([4, 2, 0])
    P, X, h0, c0, upstream = draw_ragged(rng, lengths, 4, 2, 3)
    expected, _ = alone(P, X, h0, c0, lengths, *upstream)
    Hs, hT, cT, _ = submission.lstm_forward(*single((X, h0, c0, P)), lengths)
    assert_close(Hs[:, 0], single(expected[0][:, 0]), name="Hs of the longest sequence")
    assert_close((hT, cT), single(expected[1:]), name="(hT, cT)")
    full = submission.lstm_forward(*single((X, h0, c0, P)))
    assert_close(full[0][:, 0], single(expected[0][:, 0]), name="Hs without lengths")


@check("lstm_forward", points=0.5)
def test_forward_accepts_any_memory_layout(submission, rng):
    """Batch-first data seen through a transpose, and strided views, give the same states as plain arrays."""
    P, X, h0, c0 = draw(rng, 4, 5, 2, 3)
    expected = torch_lstm(P, X, h0, c0)
    batch_first = np.ascontiguousarray(X.transpose(1, 0, 2)).transpose(1, 0, 2)
    for x, layout in ((batch_first, fortran), (noncontiguous(X), noncontiguous)):
        views = {key: layout(value) for key, value in P.items()}
        *states, _ = submission.lstm_forward(x, layout(h0), layout(c0), views)
        assert_close(states, expected, name="(Hs, hT, cT)")


@check("lstm_forward", points=0.5)
def test_forward_leaves_its_arguments_alone(submission, rng):
    """Running a sequence writes to no argument, and even an empty sequence returns a copy of its state."""
    P, X, h0, c0 = draw(rng, 3, 2, 3, 4)
    for lengths in (None, np.array([2, 3]), np.array([0, 0])):
        seen = observe(submission.lstm_forward)(X, h0, c0, P, lengths)
        assert_true(not seen.changed, "lstm_forward must not write to X, h0, c0, P or lengths")
        shared = any(made.startswith(("result[0]", "result[1]", "result[2]")) for made, _ in seen.aliases)
        assert_true(not shared, "Hs, hT and cT must not share memory with an argument")
        if lengths is None:
            assert_close(seen.value[:3], torch_lstm(P, X, h0, c0), name="(Hs, hT, cT)")
    assert_close(seen.value[2], c0, name="cT of empty sequences")


@check("lstm_forward", points=1)
def test_forward_refuses_bad_shapes_and_lengths(submission, rng):
    """Shapes that do not fit and lengths outside 0..T raise ValueError."""
    P, X, h0, c0 = draw(rng, 4, 3, 2, 2)
    for wrong_X in (X[0], X[..., None], X[..., :1]):
        assert_raises(ValueError, submission.lstm_forward, wrong_X, h0, c0, P)
    assert_raises(ValueError, submission.lstm_forward, X, h0[:1], c0, P)
    assert_raises(ValueError, submission.lstm_forward, X, h0, c0[0], P)
    for lengths in ([4, 4], [4, 4, 4, 4], [4], [[1, 2, 3]], [1, 2, 5], [1, -1, 2]):
        assert_raises(ValueError, submission.lstm_forward, X, h0, c0, P, np.array(lengths))
    *values, _ = submission.lstm_forward(X, h0, c0, P)
    assert_close(tuple(values), torch_lstm(P, X, h0, c0), name="(Hs, hT, cT) of shapes that fit")


def assert_linear_in_time(counts):
    """Counts at T, 2T and 4T steps: the second growth is at most twice the first, but for a branch."""
    one, two, four = counts
    assert_true(one > 0, "the instructions are executed by the submitted code")
    excess = (four - two) - 2 * (two - one)
    assert_true(excess <= 0.02 * four + 40, "the instruction count must grow in proportion to the number of steps")


@check("lstm_forward", points=1)
def test_cost_of_forward(submission, rng):
    """Each time step costs the same, and no loop runs over the batch, the inputs or the units."""
    counts = []
    for T in (3, 6, 12):
        P, X, h0, c0 = draw(rng, T, 2, 3, 2)
        counted = operations(submission.lstm_forward)(X, h0, c0, P)
        assert_close(counted.value[:3], torch_lstm(P, X, h0, c0), name="(Hs, hT, cT)")
        counts.append(counted.count)
    assert_linear_in_time(counts)
    (P, *small), (Q, *large) = draw(rng, 4, 2, 3, 2), draw(rng, 4, 16, 9, 7)
    results = assert_flat_cost(submission.lstm_forward, (*small, P), (*large, Q))
    for result, expected in zip(results, (torch_lstm(P, *small), torch_lstm(Q, *large)), strict=True):
        assert_close(result[:3], expected, name="(Hs, hT, cT)")


# ---- lstm_backward


def sequence_gradients(submission, rng, sizes):
    """(what the submission answers, what torch answers) for one random sequence."""
    P, X, h0, c0 = draw(rng, *sizes)
    upstream = cotangents(rng, sizes[0], sizes[1], sizes[3])
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    return submission.lstm_backward(*upstream, cache), torch_lstm(P, X, h0, c0, *upstream)[1]


@check("lstm_backward", points=2)
def test_gradient_of_every_input(submission, rng):
    """The gradient of each input collects what all later steps want of it."""
    for sizes in SEQUENCES:
        (dX, *_), expected = sequence_gradients(submission, rng, sizes)
        assert_close(dX, expected[0], name="dX")


@check("lstm_backward", points=2)
def test_gradients_of_the_initial_state(submission, rng):
    """The gradient is carried along h and along c, through every step, down to h0 and c0."""
    for sizes in SEQUENCES:
        (_, dh0, dc0, _), expected = sequence_gradients(submission, rng, sizes)
        assert_close(dc0, expected[2], name="dc0")
        assert_close(dh0, expected[1], name="dh0")


@check("lstm_backward", points=2)
def test_gradients_of_the_shared_weights(submission, rng):
    """A weight that is used T times receives the sum of T gradients, not one of them and not their mean."""
    for sizes in SEQUENCES:
        (*_, grads), (*_, expected) = sequence_gradients(submission, rng, sizes)
        for key in ("W_ih", "W_hh"):
            assert_close(grads[key], expected[key], name=f"gradient of {key}")


@check("lstm_backward", points=1)
def test_gradients_of_the_shared_biases(submission, rng):
    """Both biases receive the gates' gradients, summed over the batch and over the steps."""
    for sizes in SEQUENCES:
        (*_, grads), (*_, expected) = sequence_gradients(submission, rng, sizes)
        for key in ("b_ih", "b_hh"):
            assert_close(grads[key], expected[key], name=f"gradient of {key}")


def check_one_way(submission, rng, place):
    """The loss reads one of Hs, hT and cT alone."""
    for T in (1, 5):
        P, X, h0, c0 = draw(rng, T, 3, 2, 4)
        upstream = [a if k == place else np.zeros_like(a) for k, a in enumerate(cotangents(rng, T, 3, 4))]
        *_, cache = submission.lstm_forward(X, h0, c0, P)
        expected = torch_lstm(P, X, h0, c0, *upstream)[1]
        actual = submission.lstm_backward(*upstream, cache)
        for name, gradient, wanted in zip(("dX", "dh0", "dc0", "grads"), actual, expected, strict=True):
            assert_close(gradient, wanted, name=name)


@check("lstm_backward", points=1.5)
def test_loss_that_reads_only_the_final_cell(submission, rng):
    """A loss may look at nothing but the final cell; its gradient enters at cT."""
    check_one_way(submission, rng, 2)


@check("lstm_backward", points=1)
def test_loss_that_reads_only_the_final_hidden_state(submission, rng):
    """A loss may look at nothing but the final hidden state; its gradient enters at hT."""
    check_one_way(submission, rng, 1)


@check("lstm_backward", points=1.5)
def test_padding_gives_no_weight_gradient(submission, rng):
    """In a padded batch, the weight gradients are the sums over the sequences, each taken alone."""
    for lengths in (np.array([2, 2]), np.array([2, 4, 1, 3])):
        P, X, h0, c0, upstream = draw_ragged(rng, lengths, 4, 3, 2)
        _, (*_, expected) = alone(P, X, h0, c0, lengths, *upstream)
        *_, cache = submission.lstm_forward(X, h0, c0, P, lengths)
        *_, grads = submission.lstm_backward(*upstream, cache)
        for key in KEYS:
            assert_close(grads[key], expected[key], name=f"gradient of {key}")


@check("lstm_backward", points=1)
def test_final_gradients_pass_over_the_padding(submission, rng):
    """dhT and dcT reach the last true step of each sequence as they are; padded inputs receive zero."""
    for lengths in (np.array([2, 2]), np.array([2, 4, 1, 3])):
        P, X, h0, c0, upstream = draw_ragged(rng, lengths, 4, 3, 2)
        _, expected = alone(P, X, h0, c0, lengths, *upstream)
        *_, cache = submission.lstm_forward(X, h0, c0, P, lengths)
        actual = submission.lstm_backward(*upstream, cache)
        for name, gradient, wanted in zip(("dX", "dh0", "dc0"), actual, expected, strict=False):
            assert_close(gradient, wanted, name=name)


@check("lstm_backward", points=0.5)
def test_an_empty_sequence_hands_its_gradients_to_the_initial_state(submission, rng):
    """The final state of an empty sequence is its initial state, so that dh0 = dhT and dc0 = dcT for it."""
    for lengths in (np.array([0]), np.array([3, 0, 2])):
        P, X, h0, c0, upstream = draw_ragged(rng, lengths, 3, 2, 3)
        _, expected = alone(P, X, h0, c0, lengths, *upstream)
        *_, cache = submission.lstm_forward(X, h0, c0, P, lengths)
        actual = submission.lstm_backward(*upstream, cache)
        for name, gradient, wanted in zip(("dX", "dh0", "dc0", "grads"), actual, expected, strict=True):
            assert_close(gradient, wanted, name=name)


@check("lstm_backward", points=0.5)
def test_sequence_caches_do_not_mix(submission, rng):
    """Two sequences may run before either goes back, and a cache may be used twice."""
    runs = []
    for _ in range(2):
        P, X, h0, c0 = draw(rng, 3, 2, 3, 2)
        upstream = cotangents(rng, 3, 2, 2)
        expected = torch_lstm(P, X, h0, c0, *upstream)[1]
        runs.append((expected, upstream, submission.lstm_forward(X, h0, c0, P)[3]))
    for expected, upstream, cache in (*runs, runs[0]):
        assert_close(submission.lstm_backward(*upstream, cache), expected, name="(dX, dh0, dc0, grads)")


@check("lstm_backward", points=1)
def test_backward_keeps_float32(submission, rng):
    """With float32 everywhere, all seven gradients of a sequence are float32."""
    lengths = np.array([4, 2, 3])
    P, X, h0, c0, upstream = draw_ragged(rng, lengths, 4, 2, 3)
    X = np.clip(X, -3, 3)  # padding of the size of the data, so that float32 loses nothing to it
    _, expected = alone(P, X, h0, c0, lengths, *upstream)
    *_, cache = submission.lstm_forward(*single((X, h0, c0, P)), lengths)
    actual = submission.lstm_backward(*single(upstream), cache)
    assert_close(actual, single(expected), name="(dX, dh0, dc0, grads)")


@check("lstm_backward", points=0.5)
def test_backward_accepts_any_memory_layout(submission, rng):
    """Strided and transposed upstream gradients give the same answer, which shares no memory with them."""
    P, X, h0, c0 = draw(rng, 4, 5, 2, 3)
    upstream = cotangents(rng, 4, 5, 3)
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    expected = torch_lstm(P, X, h0, c0, *upstream)[1]
    for layout in (noncontiguous, fortran):
        seen = observe(submission.lstm_backward)(*(layout(a) for a in upstream), cache)
        shared = any(given in ("0", "1", "2") for _, given in seen.aliases)
        assert_true(not shared, "the gradients must not share memory with dHs, dhT or dcT")
        assert_close(seen.value, expected, name="(dX, dh0, dc0, grads)")


@check("lstm_backward", points=0.5)
def test_backward_refuses_shapes_that_do_not_fit(submission, rng):
    """Upstream gradients of the wrong shape raise ValueError, even where NumPy would stretch them."""
    T, N, H = 3, 2, 4
    P, X, h0, c0 = draw(rng, T, N, 5, H)
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    good = cotangents(rng, T, N, H)
    wrong = (((N, H), (T, 1, H), (T - 1, N, H), (T + 1, N, H)), ((H,), (1, H)), ((H,), (N, 1)))
    for place, shapes in enumerate(wrong):
        for shape in shapes:
            bad = [np.ones(shape) if k == place else a for k, a in enumerate(good)]
            assert_raises(ValueError, submission.lstm_backward, *bad, cache)
    _, expected = torch_lstm(P, X, h0, c0, *good)
    gradients = submission.lstm_backward(*good, cache)
    assert_close(gradients, expected, name="(dX, dh0, dc0, grads) of shapes that fit")


@check("lstm_backward", points=1)
def test_cost_of_backward(submission, rng):
    """Going back costs the same at each step: nothing is run again, and no loop runs over the units."""
    counts = []
    for T in (3, 6, 12):
        P, X, h0, c0 = draw(rng, T, 2, 3, 2)
        upstream = cotangents(rng, T, 2, 2)
        *_, cache = submission.lstm_forward(X, h0, c0, P)
        counted = operations(submission.lstm_backward)(*upstream, cache)
        assert_close(counted.value, torch_lstm(P, X, h0, c0, *upstream)[1], name="(dX, dh0, dc0, grads)")
        counts.append(counted.count)
    assert_linear_in_time(counts)
    calls, expected = [], []
    for T, N, D, H in ((4, 2, 3, 2), (4, 16, 9, 7)):
        P, X, h0, c0 = draw(rng, T, N, D, H)
        upstream = cotangents(rng, T, N, H)
        calls.append((*upstream, submission.lstm_forward(X, h0, c0, P)[3]))
        expected.append(torch_lstm(P, X, h0, c0, *upstream)[1])
    assert_close(assert_flat_cost(submission.lstm_backward, *calls), expected, name="gradients of both sizes")


# ---- init_lstm


@check("init_lstm", points=1)
def test_draws_stay_within_the_bound(submission, rng):
    """All random entries lie within 1/sqrt(H) of zero: the bound depends on H and not on D."""
    for D, H in ((1, 1), (2, 16), (30, 4), (9, 25)):
        P = submission.init_lstm(D, H, rng, forget_bias=0.0)
        for key in KEYS:
            inside = np.all(np.abs(P[key]) <= 1 / np.sqrt(H))
            assert_true(inside, f"an entry of {key} lies outside of -1/sqrt(H)..1/sqrt(H)")
            assert_true(len(np.unique(P[key])) > 1, f"the entries of {key} should be drawn, not one constant")


@check("init_lstm", points=1)
def test_draws_fill_the_interval_evenly(submission, rng):
    """Except for the two forget blocks, every entry is its own uniform draw, with a spread of 1/sqrt(3H)."""
    H = 64
    P = submission.init_lstm(32, H, rng)
    for key in KEYS:
        values = np.array(P[key])
        if key.startswith("b"):
            values = np.delete(values, np.s_[H : 2 * H])
        assert_true(np.ptp(values) > 0, f"the entries of {key} should be drawn, not one constant")
        assert_true(len(np.unique(values)) == values.size, f"the entries of {key} must not repeat")
        assert_true(np.all(values), f"an entry of {key} outside the f block is 0 instead of a draw")
        scaled = values.ravel() * np.sqrt(H)
        # The bounds are more than five standard errors wide for the smallest sample, 192 draws.
        assert_true(abs(scaled.mean()) < 0.22, f"the draws of {key} should lie on both sides of zero alike")
        spread = scaled.std() * np.sqrt(3)
        assert_true(spread > 0.8, f"the draws of {key} come from too narrow an interval or crowd in its middle")
        assert_true(spread < 1.2, f"the draws of {key} come from too wide an interval or crowd at its ends")
        message = f"the draws of {key} should be uniform between -1/sqrt(H) and 1/sqrt(H)"
        assert_true(scaled.max() > 0.8 and scaled.min() < -0.8, message)
    assert_true(not np.intersect1d(P["b_ih"], P["b_hh"]).size, "b_ih and b_hh must be drawn separately")


@check("init_lstm", points=0.5)
def test_forget_bias_can_be_chosen(submission, rng):
    """Whatever forget_bias is, the two forget blocks add up to exactly that."""
    for value in (0.0, -2.5, 3, 5.0):
        P = submission.init_lstm(3, 4, rng, forget_bias=value)
        assert_close(P["b_ih"][4:8], np.full(4, float(value)), name="f block of b_ih")
        assert_close(P["b_hh"][4:8], np.zeros(4), name="f block of b_hh")
    P = submission.init_lstm(3, 4, rng)
    assert_close(P["b_ih"][4:8] + P["b_hh"][4:8], np.ones(4), name="forget bias by default")


@check("init_lstm", points=1)
def test_randomness_comes_from_the_generator_alone(submission, rng):
    """Equal generators give equal parameters, each call moves on, and nothing else is random."""
    seed = int(rng.integers(2**31))
    seen = observe(submission.init_lstm)(3, 2, np.random.default_rng(seed))
    assert_true(not seen.used_global_random, "init_lstm must draw from rng, not from the global random state")
    generator = np.random.default_rng(seed)
    first, second = (submission.init_lstm(3, 2, generator) for _ in range(2))
    for key in KEYS:
        assert_close(first[key], np.array(seen.value[key]), name=f"{key} from an equal generator")
        assert_true(not np.array_equal(first[key], second[key]), f"{key} must be drawn afresh at each call")
        assert_true(np.isfinite(first[key]).all(), f"every entry of {key} should be a finite number")


@check("init_lstm", points=0.5)
def test_sizes_must_be_positive(submission, rng):
    """No inputs or no units: ValueError."""
    for D, H in ((0, 3), (3, 0), (-1, 2), (2, -4)):
        assert_raises(ValueError, submission.init_lstm, D, H, rng)
    P = submission.init_lstm(3, 2, rng)
    for key in KEYS:
        assert_true(len(np.unique(P[key])) > 4, f"the entries of {key} should be drawn, not one constant")


# ---- truncated_bptt


@check("truncated_bptt", points=1)
def test_a_window_of_one_step_carries_nothing_back(submission, rng):
    """With k = 1 each step answers for its own loss alone."""
    for T in (1, 5):
        P, X, h0, c0 = draw(rng, T, 3, 2, 4)
        dHs = rng.standard_normal((T, 3, 4))
        zero = np.zeros((3, 4))
        *_, expected = torch_lstm(P, X, h0, c0, dHs, zero, zero, window=1)[1]
        *_, cache = submission.lstm_forward(X, h0, c0, P)
        grads = submission.truncated_bptt(dHs, cache, 1)
        for key in KEYS:
            assert_close(grads[key], expected[key], name=f"gradient of {key}")


@check("truncated_bptt", points=1.5)
def test_gradient_is_cut_before_every_kth_step(submission, rng):
    """The cuts lie before steps k, 2k and so on, counted from the start, for h and c alike."""
    T = 7
    P, X, h0, c0 = draw(rng, T, 3, 2, 4)
    dHs, zero = rng.standard_normal((T, 3, 4)), np.zeros((3, 4))
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    for k in (2, 3, 4, 6, 7, 9):
        *_, expected = torch_lstm(P, X, h0, c0, dHs, zero, zero, window=k)[1]
        grads = submission.truncated_bptt(dHs, cache, k)
        for key in KEYS:
            assert_close(grads[key], expected[key], name=f"gradient of {key}")


@check("truncated_bptt", points=0.5)
def test_truncation_in_a_padded_batch(submission, rng):
    """Windows are counted in steps of the batch, and padding gives no gradient here either."""
    lengths, T, k = np.array([5, 2, 3, 0]), 5, 2
    P, X, h0, c0, (dHs, *_) = draw_ragged(rng, lengths, T, 2, 3)
    expected = {key: np.zeros_like(P[key]) for key in KEYS}
    zero = np.zeros((1, 3))
    for n, length in enumerate(lengths):
        if length:
            one = slice(n, n + 1)
            run = torch_lstm(P, X[:length, one], h0[one], c0[one], dHs[:length, one], zero, zero, window=k)
            expected = {key: expected[key] + run[1][3][key] for key in KEYS}
    *_, cache = submission.lstm_forward(X, h0, c0, P, lengths)
    grads = submission.truncated_bptt(dHs, cache, k)
    for key in KEYS:
        assert_close(grads[key], expected[key], name=f"gradient of {key}")


@check("truncated_bptt", points=0.5)
def test_truncation_keeps_float32_and_its_arguments(submission, rng):
    """Float32 stays float32, any layout of dHs will do, and neither dHs nor the cache is changed."""
    T, k = 5, 2
    P, X, h0, c0 = draw(rng, T, 3, 2, 4)
    dHs, zero = rng.standard_normal((T, 3, 4)), np.zeros((3, 4))
    *_, expected = torch_lstm(P, X, h0, c0, dHs, zero, zero, window=k)[1]
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    for layout in (fortran, noncontiguous):
        seen = observe(submission.truncated_bptt)(layout(dHs), cache, k)
        assert_true(not seen.changed, "truncated_bptt must not write to dHs or to the cache")
        assert_close(seen.value, expected, name="grads")
    *_, cache = submission.lstm_forward(*single((X, h0, c0, P)))
    assert_close(submission.truncated_bptt(single(dHs), cache, k), single(expected), name="grads in float32")


@check("truncated_bptt", points=0.5)
def test_truncation_refuses_shapes_that_do_not_fit(submission, rng):
    """A dHs that is not (T, N, H) raises ValueError."""
    P, X, h0, c0 = draw(rng, 4, 3, 2, 2)
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    for shape in ((3, 3, 2), (5, 3, 2), (4, 1, 2), (3, 2)):
        assert_raises(ValueError, submission.truncated_bptt, np.ones(shape), cache, 2)
    dHs, zero = rng.standard_normal((4, 3, 2)), np.zeros((3, 2))
    *_, expected = torch_lstm(P, X, h0, c0, dHs, zero, zero, window=2)[1]
    assert_close(submission.truncated_bptt(dHs, cache, 2), expected, name="grads for a dHs that fits")


# ---- state_jacobian_norms


@check("state_jacobian_norms", points=2)
def test_jacobian_norms_of_one_sequence(submission, rng):
    """Entry t is the spectral norm of the Jacobian of cT with respect to the cell that enters step t."""
    for T, D, H in ((1, 1, 1), (2, 1, 1), (5, 1, 3), (6, 3, 4)):
        P, X, h0, c0 = draw(rng, T, 1, D, H)
        expected = torch_jacobian_norms(P, X, h0, c0)[:, 0]
        # The chain rule is right to 1e-15, finite differences only to 1e-10.
        assert_close(submission.state_jacobian_norms(P, X, h0, c0), expected, name="norms", rtol=1e-12)


@check("state_jacobian_norms", points=1.5)
def test_norms_are_averaged_over_the_batch(submission, rng):
    """Each sequence has a Jacobian and a norm of its own, and the answer is the mean of these norms."""
    for N in (2, 5):
        P, X, h0, c0 = draw(rng, 4, N, 2, 3)
        expected = torch_jacobian_norms(P, X, h0, c0).mean(axis=1)
        assert_close(submission.state_jacobian_norms(P, X, h0, c0), expected, name="norms")


@check("state_jacobian_norms", points=1)
def test_norm_of_an_untouched_cell_is_one(submission, rng):
    """If the cell is carried unchanged, the Jacobian is the identity, and its spectral norm is 1."""
    for H in (1, 2, 5):
        P, X, h0, c0 = draw(rng, 6, 2, 3, H)
        P["b_ih"][:H], P["b_ih"][H : 2 * H] = -200, 200  # far beyond what the weights can move
        assert_close(submission.state_jacobian_norms(P, X, h0, c0), np.ones(6), name="norms")
    P, X, h0, c0 = draw(rng, 3, 2, 3, 4)
    expected = torch_jacobian_norms(P, X, h0, c0).mean(axis=1)
    assert_close(submission.state_jacobian_norms(P, X, h0, c0), expected, name="norms where the cell changes")


@check("state_jacobian_norms", points=1)
def test_influence_also_travels_through_the_hidden_state(submission, rng):
    """The cell moves h, and h moves the later gates: the product of the forget gates is only a part."""
    P, X, h0, c0 = draw(rng, 5, 1, 2, 3)
    P["W_hh"] = 4 * P["W_hh"]
    P["b_ih"][3:6] += 2
    expected = torch_jacobian_norms(P, X, h0, c0)[:, 0]
    assert_close(submission.state_jacobian_norms(P, X, h0, c0), expected, name="norms")


@check("state_jacobian_norms", points=0.5)
def test_jacobian_norms_keep_float32_and_accept_views(submission, rng):
    """Float32 stays float32, views give the same norms as plain arrays, and nothing is written to."""
    P, X, h0, c0 = draw(rng, 4, 2, 3, 3)
    expected = torch_jacobian_norms(P, X, h0, c0).mean(axis=1)
    for layout in (noncontiguous, fortran):
        views = {key: layout(value) for key, value in P.items()}
        norms = assert_pure(submission.state_jacobian_norms, views, layout(X), layout(h0), layout(c0))
        assert_close(norms, expected, name="norms")
    norms = submission.state_jacobian_norms(*single((P, X, h0, c0)))
    assert_close(norms, single(expected), name="norms in float32")


@check("state_jacobian_norms", points=0.5)
def test_jacobian_norms_refuse_shapes_that_do_not_fit(submission, rng):
    """Shapes that do not fit raise ValueError."""
    P, X, h0, c0 = draw(rng, 4, 3, 2, 2)
    for bad in ((X[0], h0, c0), (X, h0[:1], c0), (X, h0, c0[:1]), (X, h0[0], c0), (X[..., :1], h0, c0)):
        assert_raises(ValueError, submission.state_jacobian_norms, P, *bad)
    expected = torch_jacobian_norms(P, X, h0, c0).mean(axis=1)
    assert_close(submission.state_jacobian_norms(P, X, h0, c0), expected, name="norms of shapes that fit")
