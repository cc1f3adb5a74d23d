"""Public checks of the LSTM: small sizes, and an oracle that does one number at a time."""

import math

import numpy as np

from grader.checks import (
    assert_close,
    assert_pure,
    assert_raises,
    assert_true,
    central_differences,
    check,
    in_worker,
    observe,
)

KEYS = ["W_ih", "W_hh", "b_ih", "b_hh"]


def draw(rng, T, N, D, H):
    """Parameters and inputs (P, X, h0, c0) of ordinary size, all of them random."""
    shapes = {"W_ih": (4 * H, D), "W_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,)}
    P = {key: 0.7 * rng.standard_normal(shapes[key]) for key in KEYS}
    return P, rng.standard_normal((T, N, D)), rng.standard_normal((N, H)), 1.5 * rng.standard_normal((N, H))


def logistic(a):
    return 1 / (1 + math.exp(-a))


def spec_step(x, h, c, P):
    """The equations of one step for one sequence and one unit at a time: slow, and easy to believe."""
    W_ih, W_hh, b_ih, b_hh = (P[key].tolist() for key in KEYS)
    N, H = np.shape(c)
    h2, c2 = np.empty((N, H)), np.empty((N, H))
    for n, (xn, hn) in enumerate(zip(x.tolist(), h.tolist(), strict=True)):
        for j in range(H):
            a = [b_ih[r] + b_hh[r] for r in range(j, 4 * H, H)]  # unit j of the gates i, f, g, o
            for gate, r in enumerate(range(j, 4 * H, H)):
                a[gate] += sum(w * v for w, v in zip(W_ih[r], xn, strict=True))
                a[gate] += sum(w * v for w, v in zip(W_hh[r], hn, strict=True))
            c2[n, j] = logistic(a[1]) * c[n, j] + logistic(a[0]) * math.tanh(a[2])
            h2[n, j] = logistic(a[3]) * math.tanh(c2[n, j])
    return h2, c2


def spec_forward(X, h, c, P):
    Hs = []
    for x in X:
        h, c = spec_step(x, h, c, P)
        Hs.append(h)
    return np.stack(Hs), h, c


def numeric_gradients(loss, inputs):
    """Central differences of loss(**inputs) for each array of the dict, and in P for each parameter."""
    answer = {}
    for name, value in inputs.items():
        if name == "P":
            for key in KEYS:
                answer[key] = central_differences(
                    lambda v, key=key: loss(**{**inputs, "P": {**inputs["P"], key: v}}), value[key]
                )
        else:
            answer[name] = central_differences(lambda v, name=name: loss(**{**inputs, name: v}), value)
    return answer


@check("sigmoid", points=1)
def test_sigmoid_follows_its_definition(submission, rng):
    """The logistic function is 1 / (1 + exp(-x)) for every element, whatever the shape of the array."""
    for x in (np.array(0.0), rng.standard_normal(4), 3 * rng.standard_normal((2, 1, 3))):
        expected = np.vectorize(logistic, otypes=[float])(x)
        assert_close(submission.sigmoid(x), expected, name="sigmoid(x)", rtol=0, atol=1e-12)


@in_worker
def values_unless_overflow(sigmoid, x):
    """sigmoid(x); None where a number overflowed or became undefined on the way."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        try:
            return sigmoid(x)
        except FloatingPointError:
            return None


@check("sigmoid", points=1)
def test_sigmoid_never_overflows(submission):
    """Far from zero the sigmoid is 0 or 1, and no exponential on the way may overflow, used or not."""
    float64, float32 = np.array([-1e4, -800.0, -90.0, 90.0, 800.0, 1e4]), np.array([-1e4, 200.0], np.float32)
    for x in (float64[:1], float64, float32):
        y = values_unless_overflow(submission.sigmoid, x)
        assert_true(y is not None, "no number may overflow or become undefined on the way")
        assert_close(y, (x > 0).astype(x.dtype), name="sigmoid(x)", rtol=0, atol=1e-12)


@check("lstm_step", points=2)
def test_step_follows_the_equations(submission, rng):
    """A step computes four gates, mixes the old cell with the candidate, and reads the cell through tanh."""
    for N, D, H in ((1, 1, 1), (1, 3, 2), (4, 3, 2)):
        P, X, h, c = draw(rng, 1, N, D, H)
        h2, c2, _ = submission.lstm_step(X[0], h, c, P)
        expected_h2, expected_c2 = spec_step(X[0], h, c, P)
        assert_close(c2, expected_c2, name="c2")
        assert_close(h2, expected_h2, name="h2")


@check("lstm_step", points=2)
def test_gates_stand_in_the_order_i_f_g_o(submission, rng):
    """From the top, the blocks of rows are input gate, forget gate, candidate and output gate."""
    H = 3
    x, h, c = rng.standard_normal((2, 2)), rng.standard_normal((2, H)), rng.standard_normal((2, H))
    for first, (a_i, a_f, a_g, a_o) in {
        "input": (0.8, 0.0, 1.0, 0.0),
        "forget": (0.0, 0.8, 1.0, 0.0),
        "candidate": (0.0, 0.0, -0.7, 0.0),
        "output": (0.0, 0.0, 1.0, 0.8),
    }.items():
        P = {"W_ih": np.zeros((4 * H, 2)), "W_hh": np.zeros((4 * H, H)), "b_hh": np.zeros(4 * H)}
        P["b_ih"] = np.repeat([a_i, a_f, a_g, a_o], H)  # with zero weights the biases alone set the gates
        h2, c2, _ = submission.lstm_step(x, h, c, P)
        expected = logistic(a_f) * c + logistic(a_i) * math.tanh(a_g)
        assert_close(c2, expected, name=f"c2 with a bias on the {first} gate")
        assert_close(h2, logistic(a_o) * np.tanh(expected), name=f"h2 with a bias on the {first} gate")


@check("lstm_step", points=1)
def test_step_leaves_its_arguments_alone(submission, rng):
    """A step returns new states and writes to none of its arguments."""
    P, X, h, c = draw(rng, 1, 2, 3, 2)
    seen = observe(submission.lstm_step)(X[0], h, c, P)
    assert_true(not seen.changed, "lstm_step must not write to x, h, c or P")
    shared = any(made.startswith(("result[0]", "result[1]")) for made, _ in seen.aliases)
    assert_true(not shared, "h2 and c2 must be new arrays, not views of an argument")
    assert_close(seen.value[1], spec_step(X[0], h, c, P)[1], name="c2")


@check("lstm_step_backward", points=1)
def test_step_gradients_have_the_shapes_of_the_inputs(submission, rng):
    """Each gradient has the shape of the array it belongs to, and grads has exactly the keys of P."""
    for N, D, H in ((1, 1, 1), (4, 3, 2)):
        P, X, h, c = draw(rng, 1, N, D, H)
        _, _, cache = submission.lstm_step(X[0], h, c, P)
        cotangents = rng.standard_normal((2, N, H))
        dx, dh, dc, grads = submission.lstm_step_backward(cotangents[0], cotangents[1], cache)
        assert_true(sorted(grads) == sorted(KEYS), "grads must have the keys W_ih, W_hh, b_ih and b_hh")
        pairs = [("dx", dx, X[0]), ("dh", dh, h), ("dc", dc, c), *((k, grads[k], P[k]) for k in KEYS)]
        for name, gradient, array in pairs:
            assert_true(np.shape(gradient) == array.shape, f"gradient {name} must have its array's shape")

        def loss(v, x=X[0], h=h, P=P, upstream=cotangents):
            return sum((dv * value).sum() for dv, value in zip(upstream, spec_step(x, h, v, P), strict=True))

        assert_close(dc, central_differences(loss, c), name="dc", rtol=1e-7)


@check("lstm_step_backward", points=2)
def test_gradient_travels_along_the_cell(submission, rng):
    """Even if the loss never looks at h2, the gradient at c2 reaches the old cell through the forget gate."""
    P, X, h, c = draw(rng, 1, 2, 3, 2)
    dc2 = rng.standard_normal((2, 2))
    _, _, cache = submission.lstm_step(X[0], h, c, P)
    _, _, dc, _ = submission.lstm_step_backward(np.zeros((2, 2)), dc2, cache)
    forget = np.vectorize(logistic)(X[0] @ P["W_ih"].T + h @ P["W_hh"].T + P["b_ih"] + P["b_hh"])[:, 2:4]
    assert_close(dc, dc2 * forget, name="dc")


@check("lstm_step_backward", points=3)
def test_step_gradients_match_finite_differences(submission, rng):
    """All seven gradients of a step are the slopes of the loss, with random gradients at h2 and at c2."""
    P, X, h, c = draw(rng, 1, 2, 3, 2)
    dh2, dc2 = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))

    def loss(x, h, c, P):
        h2, c2 = spec_step(x, h, c, P)
        return float(np.sum(dh2 * h2) + np.sum(dc2 * c2))

    expected = numeric_gradients(loss, {"x": X[0], "h": h, "c": c, "P": P})
    _, _, cache = submission.lstm_step(X[0], h, c, P)
    dx, dh, dc, grads = submission.lstm_step_backward(dh2, dc2, cache)
    for name, actual in {"c": dc, "x": dx, "h": dh, **grads}.items():
        assert_close(actual, expected[name], name=f"gradient of {name}", rtol=1e-7)


@check("lstm_forward", points=2)
def test_forward_repeats_the_step(submission, rng):
    """The state that leaves one step enters the next, with the same parameters at every step."""
    for T, N, D, H in ((1, 1, 1, 1), (2, 1, 3, 2), (4, 2, 3, 2)):
        P, X, h0, c0 = draw(rng, T, N, D, H)
        Hs, hT, cT, _ = submission.lstm_forward(X, h0, c0, P)
        expected = spec_forward(X, h0, c0, P)
        for name, actual, wanted in zip(("Hs", "hT", "cT"), (Hs, hT, cT), expected, strict=True):
            assert_close(actual, wanted, name=name)


@check("lstm_forward", points=2)
def test_short_sequences_stop_at_their_length(submission, rng):
    """The final state of a sequence is the state after its own last step, not after the padding."""
    P, X, h0, c0 = draw(rng, 3, 2, 2, 3)
    lengths = np.array([1, 3])
    Hs, hT, cT, _ = submission.lstm_forward(X, h0, c0, P, lengths)
    for n, length in enumerate(lengths):
        alone = spec_forward(X[:length, n : n + 1], h0[n : n + 1], c0[n : n + 1], P)
        assert_close(Hs[:length, n], alone[0][:, 0], name=f"Hs of sequence {n}")
        assert_close(hT[n], alone[1][0], name=f"hT of sequence {n}")
        assert_close(cT[n], alone[2][0], name=f"cT of sequence {n}")


def loss_of_a_sequence(dHs, dhT, dcT):
    def loss(X, h0, c0, P):
        Hs, hT, cT = spec_forward(X, h0, c0, P)
        return float(np.sum(dHs * Hs) + np.sum(dhT * hT) + np.sum(dcT * cT))

    return loss


@check("lstm_backward", points=3)
def test_weight_gradients_add_up_over_the_steps(submission, rng):
    """The weights are used at every step, so that their gradient is the sum over all steps."""
    for T in (1, 2):
        P, X, h0, c0 = draw(rng, T, 2, 3, 2)
        cotangents = rng.standard_normal((T, 2, 2)), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
        loss = loss_of_a_sequence(*cotangents)
        expected = numeric_gradients(lambda P: loss(X, h0, c0, P), {"P": P})  # noqa: B023
        *_, cache = submission.lstm_forward(X, h0, c0, P)
        *_, grads = submission.lstm_backward(*cotangents, cache)
        for key in KEYS:
            assert_close(grads[key], expected[key], name=f"gradient of {key}", rtol=1e-7)


@check("lstm_backward", points=2)
def test_gradients_reach_the_inputs_and_the_initial_state(submission, rng):
    """The gradient runs back through every step to all the inputs, to h0 and to c0."""
    for T in (1, 3):
        P, X, h0, c0 = draw(rng, T, 2, 3, 2)
        cotangents = rng.standard_normal((T, 2, 2)), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
        loss = loss_of_a_sequence(*cotangents)
        expected = numeric_gradients(lambda X, h0, c0: loss(X, h0, c0, P), {"X": X, "h0": h0, "c0": c0})  # noqa: B023
        *_, cache = submission.lstm_forward(X, h0, c0, P)
        dX, dh0, dc0, _ = submission.lstm_backward(*cotangents, cache)
        assert_close(dh0, expected["h0"], name="dh0", rtol=1e-7)
        assert_close(dc0, expected["c0"], name="dc0", rtol=1e-7)
        assert_close(dX, expected["X"], name="dX", rtol=1e-7)


@check("lstm_backward", points=1)
def test_backward_leaves_its_arguments_alone(submission, rng):
    """Going back writes neither to dHs nor to dhT nor to dcT, although all of them are added to."""
    P, X, h0, c0 = draw(rng, 2, 2, 3, 2)
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    cotangents = rng.standard_normal((2, 2, 2)), rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    seen = observe(submission.lstm_backward)(*cotangents, cache)
    for position, name in enumerate(("dHs", "dhT", "dcT")):
        written = any(path.startswith(str(position)) for path in seen.changed)
        assert_true(not written, f"lstm_backward must not write to {name}")
    loss = loss_of_a_sequence(*cotangents)
    expected = numeric_gradients(lambda c0: loss(X, h0, c0, P), {"c0": c0})
    assert_close(seen.value[2], expected["c0"], name="dc0", rtol=1e-7)


@check("init_lstm", points=1)
def test_fresh_parameters_have_the_stated_shapes(submission, rng):
    """The four parameters have the stated keys and shapes, in float64."""
    for D, H in ((1, 1), (3, 2), (2, 5)):
        P = submission.init_lstm(D, H, rng)
        assert_true(sorted(P) == sorted(KEYS), "P must have the keys W_ih, W_hh, b_ih and b_hh")
        for key, shape in zip(KEYS, ((4 * H, D), (4 * H, H), (4 * H,), (4 * H,)), strict=True):
            assert_true(np.shape(P[key]) == shape, f"{key} does not have the stated shape")
            assert_true(np.asarray(P[key]).dtype == np.float64, f"{key} must be float64")
    for key in ("W_ih", "W_hh"):
        assert_true(len(np.unique(P[key])) == P[key].size, f"every entry of {key} is a draw of its own")


@check("init_lstm", points=1)
def test_forget_gates_start_open(submission, rng):
    """Both biases enter one sum, so the forget block is forget_bias in the first and 0 in the second."""
    for H in (1, 3):
        P = submission.init_lstm(2, H, rng)
        assert_close(P["b_ih"][H : 2 * H], np.ones(H), name="f block of b_ih")
        assert_close(P["b_hh"][H : 2 * H], np.zeros(H), name="f block of b_hh")


@check("truncated_bptt", points=1.5)
def test_a_long_window_cuts_nothing(submission, rng):
    """If the window is at least as long as the sequence, the truncated gradient is the full gradient."""
    P, X, h0, c0 = draw(rng, 2, 2, 2, 2)
    dHs = rng.standard_normal((2, 2, 2))
    loss = loss_of_a_sequence(dHs, np.zeros((2, 2)), np.zeros((2, 2)))
    expected = numeric_gradients(lambda P: loss(X, h0, c0, P), {"P": P})
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    for k in (2, 5):
        grads = submission.truncated_bptt(dHs, cache, k)
        for key in KEYS:
            assert_close(grads[key], expected[key], name=f"gradient of {key}", rtol=1e-7)


@check("truncated_bptt", points=0.5)
def test_a_window_needs_at_least_one_step(submission, rng):
    """A window of fewer than one step makes no sense and raises ValueError."""
    P, X, h0, c0 = draw(rng, 3, 2, 2, 2)
    *_, cache = submission.lstm_forward(X, h0, c0, P)
    for k in (0, -1):
        assert_raises(ValueError, submission.truncated_bptt, np.ones((3, 2, 2)), cache, k)
    loss = loss_of_a_sequence(np.ones((3, 2, 2)), np.zeros((2, 2)), np.zeros((2, 2)))
    expected = central_differences(lambda b: loss(X, h0, c0, {**P, "b_hh": b}), P["b_hh"])
    grads = submission.truncated_bptt(np.ones((3, 2, 2)), cache, 3)
    assert_close(grads["b_hh"], expected, name="gradient of b_hh for a window of three steps", rtol=1e-7)


@check("state_jacobian_norms", points=2)
def test_one_step_back_the_norm_is_the_largest_forget_gate(submission, rng):
    """Over one step the Jacobian is diagonal and holds the forget gate, so its norm is the largest entry."""
    for N, H in ((1, 1), (1, 3), (3, 2)):
        P, X, h0, c0 = draw(rng, 1, N, 2, H)
        a = X[0] @ P["W_ih"].T + h0 @ P["W_hh"].T + P["b_ih"] + P["b_hh"]
        forget = np.vectorize(logistic)(a)[:, H : 2 * H]
        norms = assert_pure(submission.state_jacobian_norms, P, X, h0, c0)
        assert_close(norms, np.array([forget.max(axis=1).mean()]), name="norms")


@check("state_jacobian_norms", points=1.5)
def test_jacobian_norms_match_finite_differences(submission, rng):
    """The Jacobian says how cT moves if the cell entering step t is nudged and the h beside it stays put."""
    T, H = 3, 2
    P, X, h, c = draw(rng, T, 1, 2, H)
    norms = submission.state_jacobian_norms(P, X, h, c)
    expected = np.empty(T)
    for t in range(T):
        rows = []
        for j in range(H):
            final = lambda v, j=j, t=t, h=h: spec_forward(X[t:], h, v, P)[2][0, j]  # noqa: E731
            rows.append(central_differences(final, c))
        expected[t] = np.linalg.norm(np.concatenate(rows), ord=2)
        h, c = spec_step(X[t], h, c, P)
    assert_close(norms, expected, name="norms", rtol=1e-7)
