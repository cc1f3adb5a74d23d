"""Wrong implementations of the LSTM, each with the sentence a student should read.

Most of them are the reference with one formula exchanged. They use the reference's cache of a step,
(x, h, c, i, f, g, o, tanh_c2, W_ih, W_hh), and of a sequence, (steps, alive).
"""

from functools import partial, wraps
from types import SimpleNamespace

import numpy as np

from grader.checks import misconception

KEYS = ("W_ih", "W_hh", "b_ih", "b_hh")


# ---- sigmoid


def one_sided(x):
    return 1 / (1 + np.exp(-x))


@misconception(
    "ls11",
    "exp overflowed; use the two-sided form, which only ever takes the exponential of -|x|.",
    caught_by="test_sigmoid_never_overflows",
    replaces="sigmoid",
)
def sigmoid_that_overflows(reference):
    return one_sided


@misconception(
    "ls11",
    "np.where computes both branches, and the unused one overflows; let exp see nothing but -|x|.",
    caught_by="test_sigmoid_never_overflows",
    twins=("ls11",),
    replaces="sigmoid",
)
def sigmoid_with_both_branches(reference):
    return lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


@misconception(
    "ls12",
    "Clipping the argument changes the answer: sigmoid(-20) is 2e-9, not sigmoid(-15).",
    caught_by="test_sigmoid_is_exact_in_the_tails",
    replaces="sigmoid",
)
def sigmoid_clipped(reference):
    return lambda x: one_sided(np.clip(x, -15, 15))


@misconception(
    "ls12",
    "A piecewise linear 'hard' sigmoid is another function; the gates here use the logistic one.",
    caught_by="test_sigmoid_follows_its_definition",
    replaces="sigmoid",
)
def sigmoid_hard(reference):
    return lambda x: np.clip(x / 6 + 0.5, 0, 1)


@misconception(
    "ls13",
    "A float32 array became float64 on the way; make the working array with the dtype of the input.",
    caught_by="test_sigmoid_keeps_float_type_layout_and_argument",
    replaces="sigmoid",
)
def sigmoid_in_float64(reference):
    return lambda x: reference_sigmoid(np.asarray(x, dtype=np.float64))


def reference_sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


# ---- lstm_step


def require_shapes(x, h, c, P):
    (N, D), (_, H) = x.shape, h.shape
    wanted = {"W_ih": (4 * H, D), "W_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,), "h": (N, H), "c": (N, H)}
    if any(value.shape != wanted[name] for name, value in {**P, "h": h, "c": c}.items()):
        raise ValueError("shapes")


def wrong_step(
    x, h, c, P, *, order=(0, 1, 2, 3), candidate=np.tanh, squash=np.tanh, used=KEYS, update=None, W_hh=None,
    looks=require_shapes,
):
    """A step whose formulas can be exchanged."""
    looks(x, h, c, P)
    P = {key: value if key in used else np.zeros_like(value) for key, value in P.items()}
    W_hh = P["W_hh"] if W_hh is None else W_hh(P["W_hh"])
    a = np.split(x @ P["W_ih"].T + P["b_ih"] + h @ W_hh.T + P["b_hh"], 4, axis=1)
    a_i, a_f, a_g, a_o = (a[k] for k in order)
    i, f, g, o = reference_sigmoid(a_i), reference_sigmoid(a_f), candidate(a_g), reference_sigmoid(a_o)
    c2 = update(i, f, g, c) if update else f * c + i * g
    return o * squash(c2), c2, (x, h, c, i, f, g, o, np.tanh(f * c + i * g), P["W_ih"], P["W_hh"])


@misconception(
    "ls1",
    "Gate order here is i, f, g, o (as torch; CS231n uses i, f, o, g).",
    caught_by="test_gates_stand_in_the_order_i_f_g_o",
    replaces="lstm_step",
)
def order_i_f_o_g(reference):
    return partial(wrong_step, order=(0, 1, 3, 2))


@misconception(
    "ls1",
    "Gate order here is i, f, g, o: the input gate comes before the forget gate.",
    caught_by="test_gates_stand_in_the_order_i_f_g_o",
    replaces="lstm_step",
)
def order_f_i_g_o(reference):
    return partial(wrong_step, order=(1, 0, 2, 3))


@misconception(
    "ls2",
    "The candidate uses tanh: it must be able to subtract.",
    caught_by="test_candidate_can_subtract",
    replaces="lstm_step",
)
def candidate_by_sigmoid(reference):
    return partial(wrong_step, candidate=reference_sigmoid)


@misconception(
    "ls3",
    "The cell passes through tanh before the output gate.",
    caught_by="test_large_cell_is_squashed_before_the_output_gate",
    replaces="lstm_step",
)
def output_without_tanh(reference):
    return partial(wrong_step, squash=lambda c2: c2)


@misconception(
    "ls3",
    "The cell that goes on is c2 itself; tanh(c2) is only what the output gate reads.",
    caught_by="test_large_cell_is_squashed_before_the_output_gate",
    replaces="lstm_step",
)
def squashed_cell_carried_on(reference):
    return partial(wrong_step, update=lambda i, f, g, c: np.tanh(f * c + i * g), squash=lambda c2: c2)


@misconception(
    "ls14",
    "Both biases are added; one of them is missing.",
    caught_by="test_every_parameter_counts",
    replaces="lstm_step",
)
def step_without_b_hh(reference):
    return partial(wrong_step, used=("W_ih", "W_hh", "b_ih"))


@misconception(
    "ls14",
    "The gates read the old hidden state too, through W_hh.",
    caught_by="test_every_parameter_counts",
    replaces="lstm_step",
)
def step_without_recurrence(reference):
    return partial(wrong_step, used=("W_ih", "b_ih", "b_hh"))


@misconception(
    "ls15",
    "The forget gate keeps: 1 keeps the old cell and 0 erases it.",
    caught_by="test_step_follows_the_equations",
    replaces="lstm_step",
)
def forget_means_erase(reference):
    return partial(wrong_step, update=lambda i, f, g, c: (1 - f) * c + i * g)


@misconception(
    "ls15",
    "Input and forget gate are two gates of their own; coupling them as 1 - f is another cell.",
    caught_by="test_step_follows_the_equations",
    replaces="lstm_step",
)
def coupled_gates(reference):
    return partial(wrong_step, update=lambda i, f, g, c: f * c + (1 - f) * g)


@misconception(
    "ls16",
    "Row r of W_hh belongs to gate entry r; transpose the whole matrix, not each H x H block in its place.",
    caught_by="test_step_agrees_with_a_second_opinion",
    replaces="lstm_step",
)
def recurrent_blocks_transposed(reference):
    def blocks(W):
        return W.reshape(4, -1, W.shape[1]).transpose(0, 2, 1).reshape(W.shape)

    return partial(wrong_step, W_hh=blocks)


@misconception(
    "ls17",
    "You changed the caller's array: h is still needed by the caller and by the way back.",
    caught_by="test_step_leaves_its_arguments_alone",
    replaces="lstm_step",
)
def step_in_place(reference):
    right = reference.lstm_step

    def lstm_step(x, h, c, P):
        h2, c2, cache = right(x, h.copy(), c, P)
        h[...] = h2
        return h, c2, cache

    return lstm_step


@misconception(
    "ls13",
    "The new states became float64 although all inputs are float32.",
    caught_by="test_step_keeps_float32",
    replaces="lstm_step",
)
def step_in_float64(reference):
    return partial(wrong_step, update=lambda i, f, g, c: f.astype(np.float64) * c + i * g)


@misconception(
    "ls18",
    "NumPy stretches a state of one row over the batch without a word; check the shapes first.",
    caught_by="test_step_refuses_shapes_that_do_not_fit",
    replaces="lstm_step",
)
def step_without_shape_checks(reference):
    return partial(wrong_step, looks=lambda *arguments: None)


# ---- lstm_step_backward

RIGHT = {
    "delta": lambda s: s.dc2 + s.dh2 * s.o * (1 - s.t**2),
    "da_i": lambda s: s.delta * s.g * s.i * (1 - s.i),
    "da_f": lambda s: s.delta * s.c * s.f * (1 - s.f),
    "da_g": lambda s: s.delta * s.i * (1 - s.g**2),
    "da_o": lambda s: s.dh2 * s.t * s.o * (1 - s.o),
    "da": lambda s: np.concatenate([s.da_i, s.da_f, s.da_g, s.da_o], axis=1),
    "dx": lambda s: s.da @ s.W_ih,
    "dh": lambda s: s.da @ s.W_hh,
    "dc": lambda s: s.delta * s.f,
    "W_ih": lambda s: s.da.T @ s.x,
    "W_hh": lambda s: s.da.T @ s.h,
    "b_ih": lambda s: s.da.sum(axis=0),
    "b_hh": lambda s: s.da.sum(axis=0),
}


def step_back(**wrong):
    """A factory: the step back with some of the formulas exchanged."""

    def factory(reference):
        right = reference.lstm_step_backward

        def lstm_step_backward(dh2, dc2, cache):
            right(dh2, dc2, cache)  # looks at the shapes
            names = ("x", "h", "c", "i", "f", "g", "o", "t", "W_ih", "W_hh")
            s = SimpleNamespace(dh2=dh2, dc2=dc2, **dict(zip(names, cache, strict=True)))
            s.c2 = s.f * s.c + s.i * s.g
            formulas, grads = {**RIGHT, **wrong}, {}
            for name, formula in formulas.items():
                if name in KEYS:
                    grads[name] = formula(s)
                else:
                    setattr(s, name, formula(s))
            return s.dx, s.dh, s.dc, grads

        return lstm_step_backward

    return factory


def wrong_step_back(id, sentence, caught_by, twins=(), **wrong):
    register = misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="lstm_step_backward")
    register(step_back(**wrong))


wrong_step_back(
    "ls4",
    "The gradient must also arrive along c: the carousel is cut.",
    "test_gradient_travels_along_the_cell",
    delta=lambda s: s.dh2 * s.o * (1 - s.t**2),
)
wrong_step_back(
    "ls5",
    "h2 also depends on c2: its gradient has to join the one that arrives along the cell.",
    "test_step_gradient_of_the_old_cell",
    twins=("ls22",),
    delta=lambda s: s.dc2,
)
wrong_step_back(
    "ls6",
    "The derivative of tanh is 1 - tanh(c2)^2, with the tanh of c2 and not c2 itself.",
    "test_step_gradient_of_the_old_cell",
    delta=lambda s: s.dc2 + s.dh2 * s.o * (1 - s.c2**2),
)
wrong_step_back(
    "ls6",
    "tanh was applied to tanh(c2) once more; the slope is 1 - t^2 for the t = tanh(c2) already there.",
    "test_step_gradient_of_the_old_cell",
    delta=lambda s: s.dc2 + s.dh2 * s.o * (1 - np.tanh(s.t) ** 2),
)
wrong_step_back(
    "ls7",
    "The forget gate multiplied the *old* cell, so its gradient carries c and not c2.",
    "test_step_gradient_of_the_input",
    da_f=lambda s: s.delta * s.c2 * s.f * (1 - s.f),
)
wrong_step_back(
    "ls20",
    "The gate's own derivative is missing: a sigmoid s contributes s(1 - s).",
    "test_step_gradient_of_the_input",
    da_i=lambda s: s.delta * s.g,
    da_f=lambda s: s.delta * s.c,
    da_o=lambda s: s.dh2 * s.t,
)
wrong_step_back(
    "ls20",
    "The candidate is a tanh, whose derivative is 1 - g^2; g(1 - g) belongs to a sigmoid.",
    "test_step_gradient_of_the_input",
    da_g=lambda s: s.delta * s.i * s.g * (1 - s.g),
)
wrong_step_back(
    "ls20",
    "sigmoid and tanh were applied to the stored gates once more; the gates are already squashed.",
    "test_step_gradient_of_the_input",
    da_i=lambda s: s.delta * s.g * reference_sigmoid(s.i) * (1 - reference_sigmoid(s.i)),
    da_f=lambda s: s.delta * s.c * reference_sigmoid(s.f) * (1 - reference_sigmoid(s.f)),
    da_g=lambda s: s.delta * s.i * (1 - np.tanh(s.g) ** 2),
    da_o=lambda s: s.dh2 * s.t * reference_sigmoid(s.o) * (1 - reference_sigmoid(s.o)),
)
wrong_step_back(
    "ls21",
    "The output gate multiplied tanh(c2), so its gradient carries tanh(c2) and not c2.",
    "test_step_gradient_of_the_input",
    da_o=lambda s: s.dh2 * s.c2 * s.o * (1 - s.o),
)
wrong_step_back(
    "ls21",
    "The output gate takes no part in c2: its gradient comes from dh2 alone.",
    "test_step_gradient_of_the_input",
    da_o=lambda s: s.delta * s.t * s.o * (1 - s.o),
)
wrong_step_back(
    "ls22",
    "The old cell was multiplied by the forget gate on its way, so its gradient is too.",
    "test_gradient_travels_along_the_cell",
    dc=lambda s: s.delta,
)
wrong_step_back(
    "ls22",
    "All that reached the new cell goes back to the old one, through h2 too: delta times f, not dc2 times f.",
    "test_step_gradient_of_the_old_cell",
    twins=("ls5",),
    dc=lambda s: s.dc2 * s.f,
)
wrong_step_back(
    "ls23",
    "The gradient pieces must stand in the order of the rows of the weights: i, f, g, o.",
    "test_step_gradient_of_the_input",
    da=lambda s: np.concatenate([s.da_i, s.da_f, s.da_o, s.da_g], axis=1),
)
wrong_step_back(
    "ls24",
    "The weights act on every row, so the gradients are sums over the batch; the 1/N belongs to the loss.",
    "test_step_gradient_of_the_input_weights",
    W_ih=lambda s: s.da.T @ s.x / len(s.x),
    W_hh=lambda s: s.da.T @ s.h / len(s.x),
    b_ih=lambda s: s.da.mean(axis=0),
    b_hh=lambda s: s.da.mean(axis=0),
)
wrong_step_back(
    "ls25",
    "W_hh met the hidden state that entered the step, not the one that left it.",
    "test_step_gradient_of_the_recurrent_weights",
    W_hh=lambda s: s.da.T @ (s.o * s.t),
)
wrong_step_back(
    "ls25",
    "Both biases are added, so both receive the whole gradient; it is not shared out between them.",
    "test_step_gradients_of_both_biases",
    b_ih=lambda s: s.da.sum(axis=0) / 2,
    b_hh=lambda s: s.da.sum(axis=0) / 2,
)
wrong_step_back(
    "ls25",
    "b_hh is a parameter as well and has the same gradient as b_ih.",
    "test_step_gradients_of_both_biases",
    b_hh=lambda s: np.zeros_like(s.da[0]),
)
wrong_step_back(
    "ls26",
    "A weight gradient has the shape of its weight: (4H, D) and (4H, H).",
    "test_step_gradients_have_the_shapes_of_the_inputs",
    W_ih=lambda s: s.x.T @ s.da,
    W_hh=lambda s: s.h.T @ s.da,
)


@misconception(
    "ls10",
    "You changed the caller's array: dc2 += ... writes to what was handed in, dc2 = dc2 + ... does not.",
    caught_by="test_step_backward_leaves_the_upstream_gradients_alone",
    replaces="lstm_step_backward",
)
def step_back_in_place(reference):
    right = reference.lstm_step_backward

    def lstm_step_backward(dh2, dc2, cache):
        answer = right(dh2, dc2, cache)
        _, _, _, _, _, _, o, t, _, _ = cache
        dc2 += dh2 * o * (1 - t**2)
        return answer

    return lstm_step_backward


@misconception(
    "ls18",
    "NumPy stretches an upstream gradient of one row over the batch without a word; raise ValueError.",
    caught_by="test_step_backward_refuses_shapes_that_do_not_fit",
    replaces="lstm_step_backward",
)
def step_back_without_shape_checks(reference):
    right = reference.lstm_step_backward

    def lstm_step_backward(dh2, dc2, cache):
        shape = cache[2].shape
        return right(np.broadcast_to(dh2, shape), np.broadcast_to(dc2, shape), cache)

    return lstm_step_backward


@misconception(
    "ls27",
    "The cache belongs to one call: what is kept in a single place is overwritten by the next forward pass.",
    caught_by="test_step_caches_do_not_mix",
    replaces="lstm_step",
)
def step_with_one_cache_for_all(reference):
    right, shared = reference.lstm_step, []

    def lstm_step(x, h, c, P):
        h2, c2, cache = right(x, h, c, P)
        shared[:] = cache
        return h2, c2, shared

    return lstm_step


# ---- lstm_forward


def wrong_forward(
    reference, X, h0, c0, P, lengths=None, *, after_end="keep", final=None, start=None, carry=None
):
    """A sequence whose treatment of the state can be exchanged."""
    reference.lstm_step(X[0], h0, c0, P)  # looks at the shapes
    T, N, _ = X.shape
    lengths = np.full(N, T) if lengths is None else lengths
    if lengths.shape != (N,) or lengths.min() < 0 or lengths.max() > T:
        raise ValueError("lengths")
    alive = np.arange(T)[:, None, None] < lengths[:, None]
    h, c = start(h0, c0) if start else (h0, c0)
    Hs, steps = [], []
    for t in range(T):
        h2, c2, step = reference.lstm_step(X[t], h, c, P)
        if carry:
            h2, c2 = carry(h2, c2)
        if after_end == "keep":
            h, c = np.where(alive[t], h2, h), np.where(alive[t], c2, c)
        elif after_end == "zero":
            h, c = np.where(alive[t], h2, 0), np.where(alive[t], c2, 0)
        elif after_end == "keep h":
            h, c = np.where(alive[t], h2, h), c2
        else:
            h, c = h2, c2
        Hs.append(h)
        steps.append(step)
    Hs = np.stack(Hs)
    hT, cT = final(Hs, h, c, h0, c0) if final else (h, c)
    return Hs, hT, cT, (steps, alive)


def forward_misconception(id, sentence, caught_by, twins=(), **wrong):
    def factory(reference):
        return partial(wrong_forward, reference, **wrong)

    misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="lstm_forward")(factory)


forward_misconception(
    "ls28",
    "A sequence ends at its own length: the padding is not part of it and must not move its state.",
    "test_short_sequences_stop_at_their_length",
    after_end="ignore",
)
forward_misconception(
    "ls28",
    "A finished sequence keeps its last state; setting it to zero loses hT and cT.",
    "test_short_sequences_stop_at_their_length",
    after_end="zero",
)
forward_misconception(
    "ls28",
    "In a padded step the cell is kept as well as the hidden state.",
    "test_short_sequences_stop_at_their_length",
    after_end="keep h",
)
forward_misconception(
    "ls29",
    "The sequence starts from the given h0 and c0, which need not be zero.",
    "test_forward_repeats_the_step",
    start=lambda h0, c0: (np.zeros_like(h0), np.zeros_like(c0)),
)
forward_misconception(
    "ls29",
    "Two things enter the next step: the hidden state as h and the cell as c, not the cell as both.",
    "test_forward_repeats_the_step",
    carry=lambda h2, c2: (c2, c2),
)
forward_misconception(
    "ls30",
    "cT is the final cell; the final hidden state was returned in its place.",
    "test_forward_repeats_the_step",
    final=lambda Hs, h, c, h0, c0: (h, h.copy()),
)
forward_misconception(
    "ls30",
    "The final state is the one after the last step, not the one before it.",
    "test_forward_repeats_the_step",
    final=lambda Hs, h, c, h0, c0: (Hs[-2].copy() if len(Hs) > 1 else h0.copy(), c),
)


@misconception(
    "ls31",
    "After no step the final state is the initial state; the index length - 1 wraps around to the end.",
    caught_by="test_an_empty_sequence_keeps_its_initial_state",
    replaces="lstm_forward",
)
def forward_that_reads_the_step_before_the_length(reference):
    def lstm_forward(X, h0, c0, P, lengths=None):
        every = np.full(X.shape[1], len(X)) if lengths is None else lengths
        Hs, _, _, (steps, alive) = wrong_forward(reference, X, h0, c0, P, lengths, after_end="ignore")
        Cs = [step[3] * step[5] + step[4] * step[2] for step in steps]
        last, rows = every - 1, np.arange(X.shape[1])
        return Hs, Hs[last, rows], np.stack(Cs)[last, rows], (steps, alive)

    return lstm_forward


@misconception(
    "ls13",
    "np.zeros makes float64; give it the dtype of the inputs, or Hs changes its type.",
    caught_by="test_forward_keeps_float32",
    replaces="lstm_forward",
)
def forward_in_float64(reference):
    right = reference.lstm_forward

    @wraps(right)
    def lstm_forward(X, h0, c0, P, lengths=None):
        Hs, hT, cT, cache = right(X, h0, c0, P, lengths)
        out = np.zeros(Hs.shape)
        out[...] = Hs
        return out, hT, cT, cache

    return lstm_forward


@misconception(
    "ls17",
    "You changed the caller's array: the state was updated inside h0 and c0.",
    caught_by="test_forward_leaves_its_arguments_alone",
    replaces="lstm_forward",
)
def forward_in_place(reference):
    right = reference.lstm_forward

    def lstm_forward(X, h0, c0, P, lengths=None):
        Hs, hT, cT, cache = right(X, h0.copy(), c0.copy(), P, lengths)
        h0[...], c0[...] = hT, cT
        return Hs, hT, cT, cache

    return lstm_forward


@misconception(
    "ls18",
    "A length below 0 or above T is a mistake of the caller; raise ValueError instead of running on.",
    caught_by="test_forward_refuses_bad_shapes_and_lengths",
    replaces="lstm_forward",
)
def forward_that_clips_lengths(reference):
    right = reference.lstm_forward

    def lstm_forward(X, h0, c0, P, lengths=None):
        if lengths is not None:
            lengths = np.clip(lengths, 0, len(X))
        return right(X, h0, c0, P, lengths)

    return lstm_forward


# ---- lstm_backward


def wrong_backward(
    reference,
    dHs,
    dhT,
    dcT,
    cache,
    *,
    collect=sum,
    masked=True,
    carry_h=True,
    carry_c=True,
    upstream=None,
    late=False,
    reset=False,
):
    """Back through time with parts left out; `collect` joins a weight's gradients, last step first."""
    steps, alive = cache
    if dHs.shape != (len(steps), *steps[0][1].shape) or dhT.shape != dHs.shape[1:] or dcT.shape != dhT.shape:
        raise ValueError("upstream gradients do not fit")
    if upstream:
        dHs, dhT, dcT = upstream(dHs, dhT, dcT)
    dh, dc, dX, collected = dhT.copy(), dcT.copy(), np.zeros((len(steps), *steps[0][0].shape), dHs.dtype), []
    for t in reversed(range(len(steps))):
        m = alive[t] if masked else np.ones_like(alive[t])
        dh = dh if late else dh + dHs[t]
        zero = np.zeros_like(dh)
        dX[t], dh_in, dc_in, grads = reference.lstm_step_backward(
            np.where(m, dh, zero), np.where(m, dc, zero), steps[t]
        )
        if reset:  # what belongs to a finished sequence is dropped
            dh, dc = np.where(m, dh_in, zero), np.where(m, dc_in, zero)
        else:
            dh, dc = np.where(m, dh_in, dh), np.where(m, dc_in, dc)
        dh = dh if carry_h or not t else zero
        dc = dc if carry_c or not t else zero
        dh = dh + dHs[t] if late else dh
        collected.append(grads)
    return dX, dh, dc, {key: collect([grads[key] for grads in collected]) for key in KEYS}


def backward_misconception(id, sentence, caught_by, twins=(), **wrong):
    def factory(reference):
        return partial(wrong_backward, reference, **wrong)

    misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="lstm_backward")(factory)


backward_misconception(
    "ls8",
    "Weights are shared over time: their gradient is the sum over all steps, not that of the last step.",
    "test_weight_gradients_add_up_over_the_steps",
    collect=lambda parts: parts[0],
)
backward_misconception(
    "ls8",
    "Weights are shared over time: their gradient is the sum over all steps, not that of the first step.",
    "test_weight_gradients_add_up_over_the_steps",
    collect=lambda parts: parts[-1],
)
backward_misconception(
    "ls8",
    "Copies that merely start equal are not shared: the gradient is the sum over the steps, not a mean.",
    "test_weight_gradients_add_up_over_the_steps",
    collect=lambda parts: sum(parts) / len(parts),
)
backward_misconception(
    "ls9",
    "h feeds the next step's gates; carry dh back.",
    "test_gradients_reach_the_inputs_and_the_initial_state",
    carry_h=False,
)
backward_misconception(
    "ls9",
    "The cell carries the gradient furthest; dc has to go back from step to step as well as dh.",
    "test_gradients_reach_the_inputs_and_the_initial_state",
    carry_c=False,
)
backward_misconception(
    "ls10",
    "The loss may read the final cell: dcT enters at the last step.",
    "test_loss_that_reads_only_the_final_cell",
    twins=("ls4",),
    upstream=lambda dHs, dhT, dcT: (dHs, dhT, np.zeros_like(dcT)),
)
backward_misconception(
    "ls32",
    "The loss may read the final hidden state by itself: dhT is added to the gradient at the last step.",
    "test_loss_that_reads_only_the_final_hidden_state",
    upstream=lambda dHs, dhT, dcT: (dHs, np.zeros_like(dhT), dcT),
)
backward_misconception(
    "ls32",
    "The loss may read every hidden state: dHs[t] is added at each step, not at the last one only.",
    "test_gradient_of_every_input",
    upstream=lambda dHs, dhT, dcT: (np.concatenate([0 * dHs[:-1], dHs[-1:]]), dhT, dcT),
)
backward_misconception(
    "ls32",
    "dHs[t] belongs to the state that *leaves* step t, so it is added before going back through step t.",
    "test_gradients_of_the_initial_state",
    late=True,
)
backward_misconception(
    "ls33",
    "Padded steps took no part in the forward pass: they give the weights and the inputs no gradient.",
    "test_padding_gives_no_weight_gradient",
    masked=False,
)
backward_misconception(
    "ls33",
    "A padded step passes dh and dc on unchanged; setting them to zero loses dhT and dcT.",
    "test_final_gradients_pass_over_the_padding",
    reset=True,
)


@misconception(
    "ls10",
    "You changed the caller's array: dh += ... writes to the dhT that was handed in.",
    caught_by="test_backward_leaves_its_arguments_alone",
    replaces="lstm_backward",
)
def backward_in_place(reference):
    right = reference.lstm_backward

    def lstm_backward(dHs, dhT, dcT, cache):
        answer = right(dHs, dhT, dcT, cache)
        dhT += dHs[-1]
        return answer

    return lstm_backward


@misconception(
    "ls27",
    "The cache belongs to one call: one list for all calls holds the steps of the latest sequence only.",
    caught_by="test_sequence_caches_do_not_mix",
    replaces="lstm_forward",
)
def forward_with_one_cache_for_all(reference):
    right, shared = reference.lstm_forward, []

    def lstm_forward(X, h0, c0, P, lengths=None):
        Hs, hT, cT, cache = right(X, h0, c0, P, lengths)
        shared[:] = cache
        return Hs, hT, cT, shared

    return lstm_forward


@misconception(
    "ls27",
    "Going back emptied the cache; a cache stays as it is and may be used again.",
    caught_by="test_sequence_caches_do_not_mix",
    replaces="lstm_backward",
)
def backward_that_uses_up_the_cache(reference):
    right = reference.lstm_backward

    def lstm_backward(dHs, dhT, dcT, cache):
        answer = right(dHs, dhT, dcT, cache)
        steps, _ = cache
        steps.clear()
        return answer

    return lstm_backward


@misconception(
    "ls13",
    "np.zeros makes float64; give it the dtype of the gradients, or dX changes its type.",
    caught_by="test_backward_keeps_float32",
    replaces="lstm_backward",
)
def backward_in_float64(reference):
    right = reference.lstm_backward

    def lstm_backward(dHs, dhT, dcT, cache):
        dX, dh0, dc0, grads = right(dHs, dhT, dcT, cache)
        return dX + np.zeros(dX.shape), dh0, dc0, grads

    return lstm_backward


# ---- init_lstm


def wrong_init(
    D, H, rng, forget_bias=1.0, *, draw=None, bound=None, ih=None, hh=None, rows=None, biases=None
):
    """Fresh parameters with another bound, another law, or the forget bias in another place."""
    if D < 1 or H < 1:
        raise ValueError("sizes")
    s = bound(D, H) if bound else H**-0.5
    draw = draw or (lambda rng, s, shape: rng.uniform(-s, s, shape))
    shapes = (4 * H, D), (4 * H, H), (4 * H,), (4 * H,)
    P = {key: draw(rng, s, shape) for key, shape in zip(KEYS, shapes, strict=True)}
    if biases:
        P["b_ih"], P["b_hh"] = biases(4 * H), biases(4 * H)
    rows = slice(H, 2 * H) if rows is None else rows(H)
    P["b_ih"][rows] = forget_bias if ih is None else ih(forget_bias)
    if hh != "drawn":
        P["b_hh"][rows] = 0 if hh is None else hh(forget_bias)
    return P


def init_misconception(id, sentence, caught_by, twins=(), **wrong):
    misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="init_lstm")(
        lambda reference: partial(wrong_init, **wrong)
    )


init_misconception(
    "ls34",
    "Both biases are added: with forget_bias in each of them the gate starts at twice the value.",
    "test_forget_gates_start_open",
    hh=lambda forget_bias: forget_bias,
)
init_misconception(
    "ls34",
    "The f block of b_hh must be 0, or the forget gate does not start at forget_bias.",
    "test_forget_gates_start_open",
    hh="drawn",
)
init_misconception(
    "ls34",
    "The forget gate is the second block: rows H to 2H, not the first.",
    "test_forget_gates_start_open",
    rows=lambda H: slice(0, H),
)
init_misconception(
    "ls34",
    "The forget gate is the second block: rows H to 2H; the third is the candidate.",
    "test_forget_gates_start_open",
    rows=lambda H: slice(2 * H, 3 * H),
)
init_misconception(
    "ls34",
    "forget_bias is an argument; the value 1 was written in its place.",
    "test_forget_bias_can_be_chosen",
    ih=lambda forget_bias: 1.0,
)
init_misconception(
    "ls35",
    "The bound is 1/sqrt(H), for W_ih too; it does not depend on the number of inputs.",
    "test_draws_stay_within_the_bound",
    bound=lambda D, H: D**-0.5,
)
init_misconception(
    "ls35",
    "The bound is 1/sqrt(H) and not 1/H.",
    "test_draws_fill_the_interval_evenly",
    bound=lambda D, H: 1 / H,
)
init_misconception(
    "ls35",
    "The draws are uniform between the bounds; a normal law has no bounds.",
    "test_draws_stay_within_the_bound",
    draw=lambda rng, s, shape: rng.normal(0, s, shape),
)
init_misconception(
    "ls35",
    "rng.random() lies between 0 and 1; the draws lie on both sides of zero.",
    "test_draws_fill_the_interval_evenly",
    draw=lambda rng, s, shape: s * rng.random(shape),
)
init_misconception(
    "ls35",
    "All entries but the two forget blocks are drawn, the biases too.",
    "test_draws_fill_the_interval_evenly",
    biases=np.zeros,
)
init_misconception(
    "ls36",
    "The draws come from the generator that is given, not from NumPy's global one.",
    "test_randomness_comes_from_the_generator_alone",
    draw=lambda rng, s, shape: np.random.uniform(-s, s, shape),
)
init_misconception(
    "ls36",
    "A generator made inside the function gives the same weights at every call; use the one that is given.",
    "test_randomness_comes_from_the_generator_alone",
    draw=lambda rng, s, shape: np.random.default_rng(0).uniform(-s, s, shape),
)


# ---- truncated_bptt


def windows_misconception(id, sentence, caught_by, twins=(), *, windows, cut_c=True, cut_h=True):
    """`windows(T, k)` lists (start, stop) in order; what is not cut goes on to the window before."""

    def factory(reference):
        def truncated_bptt(dHs, cache, k):
            if k < 1:
                raise ValueError("k")
            steps, alive = cache
            dh, dc = np.zeros_like(dHs[0]), np.zeros_like(dHs[0])
            total = None
            for start, stop in reversed(windows(len(steps), k)):
                part = slice(start, stop)
                _, dh, dc, grads = reference.lstm_backward(dHs[part], dh, dc, (steps[part], alive[part]))
                dh, dc = dh * (not cut_h), dc * (not cut_c)
                total = grads if total is None else {key: total[key] + grads[key] for key in KEYS}
            return total

        return truncated_bptt

    misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="truncated_bptt")(factory)


def from_the_start(T, k):
    return [(start, min(start + k, T)) for start in range(0, T, k)]


windows_misconception(
    "ls37",
    "The gradient along the cell is cut as well as the one along the hidden state.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=from_the_start,
    cut_c=False,
)
windows_misconception(
    "ls37",
    "The gradient along the hidden state is cut as well as the one along the cell.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=from_the_start,
    cut_h=False,
)
windows_misconception(
    "ls37",
    "Windows are counted from the start of the sequence, so that a short one stands at the end.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=lambda T, k: [(max(stop - k, 0), stop) for stop in range(T, 0, -k)][::-1],
)
windows_misconception(
    "ls37",
    "The cut lies before step k and not behind it: a window has k steps.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=lambda T, k: [(0, min(k + 1, T))] + [(s, min(s + k, T)) for s in range(k + 1, T, k)],
)
windows_misconception(
    "ls37",
    "Truncation cuts the gradient, not the sequence: the windows before the last one give gradients too.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=lambda T, k: [(max(T - k, 0), T)],
)
windows_misconception(
    "ls37",
    "The last window may be shorter than k, and its steps count as well.",
    "test_gradient_is_cut_before_every_kth_step",
    windows=lambda T, k: [(s, s + k) for s in range(0, T - k + 1, k)] or [(0, T)],
)
windows_misconception(
    "ls37",
    "Nothing is cut: between two windows neither dh nor dc may pass.",
    "test_a_window_of_one_step_carries_nothing_back",
    windows=from_the_start,
    cut_c=False,
    cut_h=False,
)


@misconception(
    "ls38",
    "The gradients of the windows add up; they are not averaged.",
    caught_by="test_gradient_is_cut_before_every_kth_step",
    replaces="truncated_bptt",
)
def truncated_mean(reference):
    right = reference.truncated_bptt

    def truncated_bptt(dHs, cache, k):
        count = -(-len(dHs) // k)
        return {key: value / count for key, value in right(dHs, cache, k).items()}

    return truncated_bptt


@misconception(
    "ls38",
    "A sliding window lets every loss look back over its own k steps; here the cuts stand at fixed places.",
    caught_by="test_gradient_is_cut_before_every_kth_step",
    replaces="truncated_bptt",
)
def truncated_sliding(reference):
    def truncated_bptt(dHs, cache, k):
        if k < 1:
            raise ValueError("k")
        steps, alive = cache
        zero, total = np.zeros_like(dHs[0]), None
        for t in range(len(steps)):
            part = slice(max(t - k + 1, 0), t + 1)
            one = np.concatenate([0 * dHs[part][:-1], dHs[t : t + 1]])
            grads = reference.lstm_backward(one, zero, zero, (steps[part], alive[part]))[3]
            total = grads if total is None else {key: total[key] + grads[key] for key in KEYS}
        return total

    return truncated_bptt


@misconception(
    "ls18",
    "A window of no step makes an empty loop; k < 1 raises ValueError.",
    caught_by="test_a_window_needs_at_least_one_step",
    replaces="truncated_bptt",
)
def truncated_without_check(reference):
    right = reference.truncated_bptt
    return lambda dHs, cache, k: right(dHs, cache, max(k, 1))


# ---- state_jacobian_norms


def wrong_norms(
    reference, P, X, h0, c0, *, norm=None, average=np.mean, through_h=True, same_time=False, shift=0
):
    """The Jacobians by H backward passes, with another norm, another mean or another path."""
    steps, h, c = [], h0, c0
    if X.ndim != 3:
        raise ValueError("X")
    for x in X:
        h, c, step = reference.lstm_step(x, h, c, P)
        steps.append(step)
    T, N, H = len(X), *h0.shape
    J = np.zeros((T + 1, N, H, H), dtype=c0.dtype)
    J[T] = np.eye(H)
    for j in range(H):
        dh, dc = np.zeros_like(h0), J[T, :, j]
        for t in reversed(range(T)):
            _, dh, dc, _ = reference.lstm_step_backward(dh, dc, steps[t])
            dh = dh if through_h else 0 * dh
            J[t, :, j] = dc
            if same_time and t:  # h that enters step t is o tanh(c) of the step before
                _, _, _, _, _, _, o, squashed, _, _ = steps[t - 1]
                J[t, :, j] = dc + dh * o * (1 - squashed**2)
    J = J[1:] if shift else J[:-1]
    if average == "first":
        return np.linalg.norm(J.mean(axis=1), ord=2, axis=(1, 2))
    norms = norm(J) if norm else np.linalg.norm(J, ord=2, axis=(2, 3))
    return average(norms, axis=1)


def norms_misconception(id, sentence, caught_by, twins=(), **wrong):
    misconception(id, sentence, caught_by=caught_by, twins=twins, replaces="state_jacobian_norms")(
        lambda reference: partial(wrong_norms, reference, **wrong)
    )


norms_misconception(
    "ls39",
    "The spectral norm is the largest singular value; the root of the sum of squares grows with H.",
    "test_norm_of_an_untouched_cell_is_one",
    norm=lambda J: np.sqrt((J**2).sum(axis=(2, 3))),
)
norms_misconception(
    "ls39",
    "The spectral norm is the largest singular value, not the largest eigenvalue in size.",
    "test_jacobian_norms_of_one_sequence",
    norm=lambda J: np.abs(np.linalg.eigvals(J)).max(axis=-1),
)
norms_misconception(
    "ls40",
    "Each sequence has a norm of its own, and these are averaged; the norm of an averaged Jacobian is less.",
    "test_norms_are_averaged_over_the_batch",
    average="first",
)
norms_misconception(
    "ls40",
    "The norms are averaged over the batch; their sum grows with it.",
    "test_norms_are_averaged_over_the_batch",
    average=np.sum,
)
norms_misconception(
    "ls40",
    "The norms are averaged over the batch; the largest of them is another number.",
    "test_norms_are_averaged_over_the_batch",
    average=np.max,
)
norms_misconception(
    "ls41",
    "The product of the forget gates is only the direct way; c also moves h, and h moves every later gate.",
    "test_influence_also_travels_through_the_hidden_state",
    twins=("ls5", "ls22"),  # there, too, the product of the forget gates is all that remains
    through_h=False,
)
norms_misconception(
    "ls41",
    "h that enters step t stands beside c there and is held fixed; only what comes after may follow.",
    "test_influence_also_travels_through_the_hidden_state",
    same_time=True,
)
norms_misconception(
    "ls42",
    "Entry t belongs to the cell that enters step t, so the last entry is one step away from cT.",
    "test_jacobian_norms_match_finite_differences",
    shift=1,
)


@misconception(
    "ls42",
    "The norms stand in the order of time: entry 0 belongs to c0.",
    caught_by="test_jacobian_norms_match_finite_differences",
    replaces="state_jacobian_norms",
)
def norms_backwards(reference):
    right = reference.state_jacobian_norms
    return lambda P, X, h0, c0: right(P, X, h0, c0)[::-1].copy()


@misconception(
    "ls42",
    "Finite differences are exact to eight digits at best; the backward pass gives the Jacobian to rounding.",
    caught_by="test_jacobian_norms_of_one_sequence",
    replaces="state_jacobian_norms",
)
def norms_by_differences(reference):
    def run(P, X, h, c):
        for x in X:
            h, c, _ = reference.lstm_step(x, h, c, P)
        return c

    def state_jacobian_norms(P, X, h0, c0):
        norms, h, c, eps = [], h0, c0, 1e-5
        for t in range(len(X)):
            nudges = eps * np.eye(c.shape[1])
            columns = [(run(P, X[t:], h, c + d) - run(P, X[t:], h, c - d)) / (2 * eps) for d in nudges]
            norms.append(np.linalg.norm(np.stack(columns, axis=2), ord=2, axis=(1, 2)).mean())
            h, c, _ = reference.lstm_step(X[t], h, c, P)
        return np.array(norms)

    return state_jacobian_norms
