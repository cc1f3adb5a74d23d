"""The reference of the LSTM against SciPy, torch's packed sequences, gradcheck and functional Jacobians."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

SOLUTION = Path(__file__).resolve().parents[2] / "solutions" / "lstm.py"
KEYS = ("W_ih", "W_hh", "b_ih", "b_hh")
TORCH_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def load():
    spec = importlib.util.spec_from_file_location("lstm_reference", SOLUTION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lstm = load()


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def draw(rng, T, N, D, H):
    P = lstm.init_lstm(D, H, rng)
    return P, rng.standard_normal((T, N, D)), rng.standard_normal((N, H)), 2 * rng.standard_normal((N, H))


def close(actual, expected, rtol=1e-12):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * max(1, np.abs(expected).max()))


def test_sigmoid_is_expit():
    """The sigmoid agrees with SciPy over the whole range, in relative terms too, and never overflows."""
    x = np.concatenate([np.linspace(-700, 700, 2801), [-1e4, 1e4]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(lstm.sigmoid(x), expit(x), rtol=1e-14)
        close(lstm.sigmoid(x.astype(np.float32)), expit(x.astype(np.float32)), rtol=1e-6)
    assert lstm.sigmoid(np.float32(0.5)).dtype == np.float32


def test_step_is_lstm_cell(rng):
    """A step is torch.nn.LSTMCell with the weights copied by name."""
    P, X, h, c = draw(rng, 1, 5, 4, 3)
    cell = torch.nn.LSTMCell(4, 3, dtype=torch.float64)
    names = (name.removesuffix("_l0") for name in TORCH_NAMES)
    cell.load_state_dict({name: torch.tensor(P[key]) for key, name in zip(KEYS, names, strict=True)})
    h2, c2 = cell(torch.tensor(X[0]), (torch.tensor(h), torch.tensor(c)))
    actual = lstm.lstm_step(X[0], h, c, P)
    close(actual[0], h2.detach())
    close(actual[1], c2.detach())


@pytest.mark.parametrize("lengths", [[6, 6, 6, 6], [6, 1, 4, 2], [3, 5, 5, 1]])
def test_sequence_is_a_packed_lstm(rng, lengths):
    """States and all seven gradients agree with torch.nn.LSTM on a packed sequence."""
    T, N, D, H = 6, 4, 3, 5
    P, X, h0, c0 = draw(rng, T, N, D, H)
    upstream = rng.standard_normal((T, N, H)), rng.standard_normal((N, H)), rng.standard_normal((N, H))
    padded = np.arange(T)[:, None] >= np.array(lengths)
    upstream[0][padded] = 0

    network = torch.nn.LSTM(D, H, dtype=torch.float64)
    network.load_state_dict({name: torch.tensor(P[key]) for key, name in zip(KEYS, TORCH_NAMES, strict=True)})
    inputs = [torch.tensor(a, requires_grad=True) for a in (X, h0, c0)]
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs[0], torch.tensor(lengths), enforce_sorted=False)
    out, (hT, cT) = network(packed, (inputs[1][None], inputs[2][None]))
    Hs, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=T)
    torch.autograd.backward([Hs, hT[0], cT[0]], [torch.tensor(a) for a in upstream])

    actual_Hs, actual_hT, actual_cT, cache = lstm.lstm_forward(X, h0, c0, P, np.array(lengths))
    close(actual_Hs[~padded], Hs.detach().numpy()[~padded])
    close(actual_hT, hT[0].detach())
    close(actual_cT, cT[0].detach())
    *gradients, grads = lstm.lstm_backward(*upstream, cache)
    for actual, tensor in zip(gradients, inputs, strict=True):
        close(actual, tensor.grad)
    for key, name in zip(KEYS, TORCH_NAMES, strict=True):
        close(grads[key], getattr(network, name).grad)


def test_backward_passes_torchs_gradcheck(rng):
    """As the backward of a torch.autograd.Function, the pair passes torch's own numerical check."""

    class Sequence(torch.autograd.Function):
        @staticmethod
        def forward(ctx, X, h0, c0, *weights):
            P = {key: weight.detach().numpy() for key, weight in zip(KEYS, weights, strict=True)}
            *states, ctx.saved = lstm.lstm_forward(*(a.detach().numpy() for a in (X, h0, c0)), P)
            return tuple(torch.tensor(state) for state in states)

        @staticmethod
        def backward(ctx, *upstream):
            dX, dh0, dc0, grads = lstm.lstm_backward(*(u.numpy() for u in upstream), ctx.saved)
            return tuple(torch.tensor(a) for a in (dX, dh0, dc0, *(grads[key] for key in KEYS)))

    P, X, h0, c0 = draw(rng, 3, 2, 2, 2)
    inputs = [torch.tensor(a, requires_grad=True) for a in (X, h0, c0, *(P[key] for key in KEYS))]
    assert torch.autograd.gradcheck(Sequence.apply, inputs)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6, 7, 20])
def test_truncation_is_detach_between_chunks(rng, k):
    """Truncated gradients are those of torch when the state is detached between chunks of k steps."""
    T, N, D, H = 7, 3, 2, 4
    P, X, h0, c0 = draw(rng, T, N, D, H)
    dHs = rng.standard_normal((T, N, H))
    network = torch.nn.LSTM(D, H, dtype=torch.float64)
    network.load_state_dict({name: torch.tensor(P[key]) for key, name in zip(KEYS, TORCH_NAMES, strict=True)})
    h, c = torch.tensor(h0)[None], torch.tensor(c0)[None]
    for x, upstream in zip(torch.tensor(X).split(k), torch.tensor(dHs).split(k), strict=True):
        out, (h, c) = network(x, (h.detach(), c.detach()))
        out.backward(upstream)
    *_, cache = lstm.lstm_forward(X, h0, c0, P)
    grads = lstm.truncated_bptt(dHs, cache, k)
    for key, name in zip(KEYS, TORCH_NAMES, strict=True):
        close(grads[key], getattr(network, name).grad)


def test_jacobian_norms_are_those_of_the_restarted_network(rng):
    """J_t is the Jacobian of the network restarted at step t, as a function of the cell alone."""
    T, N, D, H = 5, 3, 2, 4
    P, X, h0, c0 = draw(rng, T, N, D, H)
    P = {key: 2 * value for key, value in P.items()}
    network = torch.nn.LSTM(D, H, dtype=torch.float64)
    network.load_state_dict({name: torch.tensor(P[key]) for key, name in zip(KEYS, TORCH_NAMES, strict=True)})
    expected = np.zeros(T)
    for n in range(N):
        x, h, c = torch.tensor(X[:, n]), torch.tensor(h0[n])[None], torch.tensor(c0[n])[None]
        for t in range(T):
            J = torch.autograd.functional.jacobian(lambda v: network(x[t:], (h, v))[1][1], c)  # noqa: B023
            expected[t] += np.linalg.svd(J.reshape(H, H).numpy(), compute_uv=False)[0] / N
            h, c = (state.detach() for state in network(x[t : t + 1], (h, c))[1])
    close(lstm.state_jacobian_norms(P, X, h0, c0), expected)


def test_the_adding_problem_is_learned():
    """The reference trains: on the adding problem it beats the best constant, whose error is 1/6, by far."""
    rng = np.random.default_rng(0)
    T, N, H = 10, 32, 16
    P = {**lstm.init_lstm(2, H, rng), "W": rng.standard_normal((H, 1)) / np.sqrt(H), "b": np.zeros(1)}
    first, second = ({key: np.zeros_like(value) for key, value in P.items()} for _ in range(2))
    losses = []
    for step in range(1, 401):
        X = np.stack([rng.random((T, N)), np.zeros((T, N))], axis=2)
        places = np.stack([rng.integers(0, T // 2, N), rng.integers(T // 2, T, N)])
        X[places, np.arange(N), 1] = 1
        target = (X[..., 0] * X[..., 1]).sum(axis=0)[:, None]
        zero = np.zeros((N, H))
        Hs, hT, _, cache = lstm.lstm_forward(X, zero, zero, P)
        error = hT @ P["W"] + P["b"] - target
        losses.append(np.mean(error**2))
        dy = 2 * error / N
        *_, grads = lstm.lstm_backward(np.zeros_like(Hs), dy @ P["W"].T, zero, cache)
        grads |= {"W": hT.T @ dy, "b": dy.sum(axis=0)}
        for key, grad in grads.items():  # Adam
            first[key] = 0.9 * first[key] + 0.1 * grad
            second[key] = 0.99 * second[key] + 0.01 * grad**2
            scale = np.sqrt(second[key] / (1 - 0.99**step)) + 1e-8
            P[key] = P[key] - 0.02 * first[key] / (1 - 0.9**step) / scale
    assert np.mean(losses[-20:]) < 0.03
