"""Long short-term memory: one step, a whole sequence, and back through time.

Shapes: T steps, N sequences in a batch, D inputs, H hidden units.
The parameters are a dict P = {"W_ih": (4H, D), "W_hh": (4H, H), "b_ih": (4H,), "b_hh": (4H,)}.
Its rows are four blocks of H rows, one for each gate, in the order i, f, g, o (the order of torch):
input gate, forget gate, candidate, output gate.

Every function keeps the float type of its inputs (float32 in, float32 out), never writes to an argument,
and returns arrays that share no memory with an argument; only a cache may refer to the inputs.
Work on whole arrays: the loop over the T steps is the only one whose length depends on the data
(state_jacobian_norms may also loop over the H units).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Params = dict[str, np.ndarray]  # W_ih, W_hh, b_ih, b_hh; gradients have the same keys and shapes
Cache = Any  # whatever your backward function needs; nothing else looks inside


### BEGIN SOLUTION
def _require_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        raise ValueError(f"{name} has shape {np.shape(array)}, expected {shape}")


### END SOLUTION
def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function 1 / (1 + exp(-x)), element by element.

    Args:
        x: float array of any shape, 0-d included, with |x| <= 1e4.
    Returns:
        An array of the shape and dtype of x, in float64 right to an absolute error of 1e-12.
        No floating-point overflow and no invalid operation may happen on the way,
        not even in a branch whose result is thrown away; underflow to 0 is right.
    """
    ### BEGIN SOLUTION
    # 1 / (1 + exp(-x)) where x >= 0, exp(x) / (1 + exp(x)) elsewhere: exp can underflow, never overflow
    y: np.ndarray = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    return y
    ### END SOLUTION


def lstm_step(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, P: Params
) -> tuple[np.ndarray, np.ndarray, Cache]:
    """One step of an LSTM for a batch.

    a = x W_ih^T + b_ih + h W_hh^T + b_hh, cut into a_i, a_f, a_g, a_o;
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o) and g = tanh(a_g);
    c2 = f*c + i*g and h2 = o*tanh(c2).
    No floating-point overflow happens as long as |a| <= 1e4.

    Args:
        x: input, (N, D) float.
        h: hidden state that enters the step, (N, H) float.
        c: cell state that enters the step, (N, H) float.
        P: parameters, see the top of the file.
    Returns:
        (h2, c2, cache): the new hidden and cell state, (N, H) each, and what lstm_step_backward needs.
    Raises:
        ValueError: x, h or c is not two-dimensional, or the shapes of x, h, c and P do not fit together.
    Source:
        Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000, section 3;
        these equations without peepholes: Greff et al. 2017, arXiv:1503.04069, section II.A.
    """
    ### BEGIN SOLUTION
    (N, D), (_, H) = x.shape, h.shape  # a ValueError where one of them is not two-dimensional
    for name, array, shape in (
        ("h", h, (N, H)),
        ("c", c, (N, H)),
        ("W_ih", P["W_ih"], (4 * H, D)),
        ("W_hh", P["W_hh"], (4 * H, H)),
        ("b_ih", P["b_ih"], (4 * H,)),
        ("b_hh", P["b_hh"], (4 * H,)),
    ):
        _require_shape(name, array, shape)

    a = x @ P["W_ih"].T + P["b_ih"] + h @ P["W_hh"].T + P["b_hh"]  # (N, 4H)
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)  # (N, H) each
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    c2 = f * c + i * g
    tanh_c2 = np.tanh(c2)
    return o * tanh_c2, c2, (x, h, c, i, f, g, o, tanh_c2, P["W_ih"], P["W_hh"])
    ### END SOLUTION


def lstm_step_backward(
    dh2: np.ndarray, dc2: np.ndarray, cache: Cache
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Params]:
    """Gradients of one step: from what the loss wants of h2 and c2 to what it wants of the inputs.

    The total gradient at the new cell is delta = dc2 + dh2 * o * (1 - tanh(c2)^2).
    From there it goes to the old cell, dc = delta * f, and to the four gates.

    Args:
        dh2: gradient of the loss with respect to h2, (N, H) float.
        dc2: gradient of the loss with respect to c2 by every way but h2, (N, H) float.
        cache: what lstm_step returned; it may be used more than once and stays as it is.
    Returns:
        (dx, dh, dc, grads): (N, D), (N, H), (N, H), and a dict with the keys and shapes of P.
    Raises:
        ValueError: dh2 or dc2 does not have the shape (N, H).
    Source:
        Greff et al. 2017, arXiv:1503.04069, section II.B (without peepholes).
    """
    ### BEGIN SOLUTION
    x, h, c, i, f, g, o, tanh_c2, W_ih, W_hh = cache
    _require_shape("dh2", dh2, c.shape)
    _require_shape("dc2", dc2, c.shape)

    delta = dc2 + dh2 * o * (1 - tanh_c2**2)  # (N, H)
    da = np.concatenate(  # (N, 4H), in the order of the gates
        [
            delta * g * i * (1 - i),
            delta * c * f * (1 - f),
            delta * i * (1 - g**2),
            dh2 * tanh_c2 * o * (1 - o),
        ],
        axis=1,
    )
    grads = {
        "W_ih": da.T @ x,
        "W_hh": da.T @ h,
        "b_ih": da.sum(axis=0),
        "b_hh": da.sum(axis=0),  # both biases enter the same sum; two arrays, so that neither is the other
    }
    return da @ W_ih, da @ W_hh, delta * f, grads
    ### END SOLUTION


def lstm_forward(
    X: np.ndarray, h0: np.ndarray, c0: np.ndarray, P: Params, lengths: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Cache]:
    """Run an LSTM over a batch of sequences, which may have different lengths.

    Args:
        X: inputs, (T, N, D) float with T >= 1.
        h0: initial hidden state, (N, H) float.
        c0: initial cell state, (N, H) float.
        P: parameters, the same at every step.
        lengths: None, or an (N,) integer array: sequence n ends after lengths[n] steps, 0 <= lengths[n] <= T.
            The rest of X[:, n] is padding, which holds arbitrary finite numbers and must not matter.
            A padded step leaves h and c as they are; the loss may not read Hs there.
    Returns:
        (Hs, hT, cT, cache): the hidden states after each step, (T, N, H); the final states, (N, H) each,
        which for sequence n are those after step lengths[n]; and what lstm_backward needs.
    Raises:
        ValueError: X is not three-dimensional, a shape does not fit, lengths does not have the shape (N,),
            or a length is outside 0..T.
    """
    ### BEGIN SOLUTION
    if np.ndim(X) != 3:
        raise ValueError(f"X must be three-dimensional, (T, N, D), not {np.shape(X)}")
    T, N, _ = X.shape
    if lengths is None:
        lengths = np.full(N, T)
    _require_shape("lengths", lengths, (N,))
    if np.any(lengths < 0) or np.any(lengths > T):
        raise ValueError(f"each length must lie in 0..{T}")

    h, c, Hs, steps, alive = h0, c0, [], [], []
    for t, x in enumerate(X):
        goes_on = (t < lengths)[:, None]  # (N, 1)
        h2, c2, step = lstm_step(x, h, c, P)
        h, c = np.where(goes_on, h2, h), np.where(goes_on, c2, c)
        Hs.append(h)
        steps.append(step)
        alive.append(goes_on)
    return np.stack(Hs), h, c, (steps, alive)
    ### END SOLUTION


def lstm_backward(
    dHs: np.ndarray, dhT: np.ndarray, dcT: np.ndarray, cache: Cache
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Params]:
    """Back-propagation through time: gradients of everything that entered lstm_forward.

    The loss may read every hidden state (dHs), the final hidden state (dhT) and the final cell (dcT).
    All three reach it separately, so that the gradients add up.

    Args:
        dHs: gradient with respect to Hs, (T, N, H) float; 0 in padded steps.
        dhT: gradient with respect to hT, (N, H) float.
        dcT: gradient with respect to cT, (N, H) float.
        cache: what lstm_forward returned; it may be used more than once and stays as it is.
    Returns:
        (dX, dh0, dc0, grads): (T, N, D) with 0 in padded steps, (N, H), (N, H),
        and a dict with the keys and shapes of P, each gradient summed over the steps.
    Raises:
        ValueError: dHs does not have the shape (T, N, H), or dhT or dcT not (N, H).
    Source:
        Werbos 1990, Backpropagation through time: what it does and how to do it.
    """
    ### BEGIN SOLUTION
    steps, alive = cache
    _, h, *_ = steps[0]
    T, (N, H) = len(steps), h.shape
    _require_shape("dHs", dHs, (T, N, H))
    _require_shape("dhT", dhT, (N, H))
    _require_shape("dcT", dcT, (N, H))

    dh, dc, dX, per_step = dhT, dcT, [], []
    for t in reversed(range(T)):
        dh = dh + dHs[t]
        # A finished sequence hands its gradient on as it is and gives the weights none.
        dx, dh_in, dc_in, grads = lstm_step_backward(
            np.where(alive[t], dh, 0), np.where(alive[t], dc, 0), steps[t]
        )
        dh, dc = np.where(alive[t], dh_in, dh), np.where(alive[t], dc_in, dc)
        dX.append(dx)
        per_step.append(grads)
    # One weight, used T times: its gradient is the sum over the uses.
    total = {key: np.sum([grads[key] for grads in per_step], axis=0) for key in grads}
    return np.stack(dX[::-1]), dh, dc, total
    ### END SOLUTION


def init_lstm(D: int, H: int, rng: np.random.Generator, forget_bias: float = 1.0) -> Params:
    """Fresh parameters, whose forget gates start open.

    All entries are independent draws, uniform between -1/sqrt(H) and 1/sqrt(H), with two exceptions:
    the f block of b_ih is forget_bias and the f block of b_hh is 0, so that the two add up to forget_bias.

    Args:
        D: number of inputs.
        H: number of hidden units.
        rng: the only source of randomness; in which order you draw is up to you.
        forget_bias: initial bias of every forget gate.
    Returns:
        P, a dict with "W_ih" (4H, D), "W_hh" (4H, H), "b_ih" (4H,) and "b_hh" (4H,), float64.
    Raises:
        ValueError: D < 1 or H < 1.
    Source:
        Bound 1/sqrt(H) as in torch.nn.LSTM; forget bias: Gers et al. 2000, Jozefowicz et al. 2015.
    """
    ### BEGIN SOLUTION
    if D < 1 or H < 1:
        raise ValueError(f"D and H must be at least 1, not {D} and {H}")
    shapes = {"W_ih": (4 * H, D), "W_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,)}
    bound = 1 / np.sqrt(H)
    P = {name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()}
    P["b_ih"][H : 2 * H] = forget_bias
    P["b_hh"][H : 2 * H] = 0
    return P
    ### END SOLUTION


def truncated_bptt(dHs: np.ndarray, cache: Cache, k: int) -> Params:
    """Weight gradients when the gradient is cut every k steps.

    The forward pass is the ordinary one. Backwards, neither h nor c carries a gradient from step k
    to step k-1, from step 2k to step 2k-1, and so on (steps are counted from 0);
    within a window of k steps all is as usual.
    The last window is shorter if k does not divide T. The loss reads Hs alone: dhT = dcT = 0.

    Args:
        dHs: gradient with respect to Hs, (T, N, H) float; 0 in padded steps.
        cache: what lstm_forward returned; it may be used more than once and stays as it is.
        k: window length, at least 1; k >= T cuts nothing.
    Returns:
        A dict with the keys and shapes of P.
    Raises:
        ValueError: k < 1, or dHs does not have the shape (T, N, H).
    Source:
        Williams and Peng 1990; the special case k1 = k2 = k in the terms of Sutskever's thesis (2013).
    """
    ### BEGIN SOLUTION
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    steps, alive = cache
    if len(dHs) != len(steps):  # lstm_backward looks at the other axes
        raise ValueError(f"dHs has {len(dHs)} steps, expected {len(steps)}")

    zero = np.zeros_like(dHs[0])  # (N, H)
    windows = []
    for start in range(0, len(steps), k):
        part = slice(start, start + k)
        windows.append(lstm_backward(dHs[part], zero, zero, (steps[part], alive[part]))[3])
    return {key: np.sum([grads[key] for grads in windows], axis=0) for key in windows[0]}
    ### END SOLUTION


def state_jacobian_norms(P: Params, X: np.ndarray, h0: np.ndarray, c0: np.ndarray) -> np.ndarray:
    """How strongly the final cell still feels the cell of each earlier step.

    Entry t belongs to the H x H Jacobian of the final cell c_T with respect to c_t, the cell that enters
    step t, when h_t, which enters the same step, is held fixed and every later h and c follows.
    So entry 0 belongs to c0, and entry T-1 is one step away from the end.
    It is the spectral norm (largest singular value) for each sequence, then the mean over the batch.

    Args:
        P: parameters.
        X: inputs, (T, N, D) float with T >= 1.
        h0: initial hidden state, (N, H) float.
        c0: initial cell state, (N, H) float.
    Returns:
        The norms, (T,) float, exact to rounding (no finite differences). A loop over H is allowed.
    Raises:
        ValueError: X is not three-dimensional, or a shape does not fit.
    Source:
        Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063, equation 5 (for a plain recurrent network).
    """
    ### BEGIN SOLUTION
    (T, N, _), (_, H) = X.shape, h0.shape  # a ValueError where one of them has other axes

    # Run every sequence H times side by side; copy j goes back from output unit j alone.
    h, c = np.repeat(h0, H, axis=0), np.repeat(c0, H, axis=0)  # (N*H, H)
    steps = []
    for x in np.repeat(X, H, axis=1):  # (N*H, D)
        h, c, step = lstm_step(x, h, c, P)
        steps.append(step)

    dc = np.tile(np.eye(H, dtype=c.dtype), (N, 1))  # (N*H, H)
    dh = np.zeros_like(dc)
    norms = np.empty(T, dtype=c.dtype)
    for t in reversed(range(T)):
        _, dh, dc, _ = lstm_step_backward(dh, dc, steps[t])
        jacobians = dc.reshape(N, H, H)  # row j: how unit j of c_T depends on c_t
        norms[t] = np.linalg.norm(jacobians, ord=2, axis=(1, 2)).mean()
    return norms
    ### END SOLUTION
