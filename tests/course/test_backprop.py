"""The reference of the backprop topic against scipy, scikit-learn and torch."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.differentiate import jacobian
from scipy.optimize import check_grad
from scipy.special import expit, log_softmax
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

SOLUTION = Path(__file__).parents[2] / "solutions" / "backprop.py"


@pytest.fixture(scope="module")
def ref():
    spec = importlib.util.spec_from_file_location("backprop_solution", SOLUTION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_linear_layer_agrees_with_torch_linear(ref, rng):
    """torch.nn.Linear with the transposed weight has the same output and the same three gradients."""
    x, W, b, dy = (rng.standard_normal(s) for s in [(5, 4), (4, 3), (3,), (5, 3)])
    layer = torch.nn.Linear(4, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(W.T))
        layer.bias.copy_(torch.tensor(b))
    tx = torch.tensor(x, requires_grad=True)
    ty = layer(tx)
    ty.backward(torch.tensor(dy))

    y, cache = ref.linear_forward(x, W, b)
    dx, dW, db = ref.linear_backward(dy, cache)

    np.testing.assert_allclose(y, ty.detach(), rtol=1e-12)
    np.testing.assert_allclose(dx, tx.grad, rtol=1e-12)
    np.testing.assert_allclose(dW, layer.weight.grad.T, rtol=1e-12)
    np.testing.assert_allclose(db, layer.bias.grad, rtol=1e-12)


def test_sigmoid_agrees_with_scipy_in_the_tails(ref):
    """The sigmoid keeps its relative precision where it is nearly 0, and raises no warning."""
    z = np.linspace(-700, 700, 2001)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, _ = ref.act_forward(z, "sigmoid")
    np.testing.assert_allclose(a, expit(z), rtol=1e-12)


@pytest.mark.parametrize("kind", ["relu", "sigmoid", "tanh"])
def test_activation_slope_agrees_with_scipy(ref, rng, kind):
    """Adaptive numerical differentiation finds the same slopes."""
    z = rng.uniform(0.2, 2.0, 6) * rng.choice([-1, 1], 6)
    _, cache = ref.act_forward(z, kind)
    slope = ref.act_backward(np.ones(6), cache)

    numeric = jacobian(lambda v: np.stack([ref.act_forward(e, kind)[0] for e in v]), z, initial_step=0.05)

    np.testing.assert_allclose(slope, np.diag(numeric.df), rtol=1e-7, atol=1e-9)


def test_loss_agrees_with_scipy_and_scikit_learn(ref, rng):
    """Mean cross-entropy is minus the mean log-softmax at the labels, which scikit-learn calls log loss."""
    logits, y = rng.standard_normal((20, 5)) * 3, np.arange(20) % 5
    loss, dlogits = ref.softmax_xent(logits, y)

    log_p = log_softmax(logits, axis=1)

    np.testing.assert_allclose(loss, -log_p[np.arange(20), y].mean(), rtol=1e-12)
    np.testing.assert_allclose(loss, log_loss(y, np.exp(log_p)), rtol=1e-12)
    np.testing.assert_allclose(dlogits, (np.exp(log_p) - np.eye(5)[y]) / 20, atol=1e-15)


def test_loss_gradient_agrees_with_scipy_check_grad(ref, rng):
    """scipy.optimize finds no difference between the gradient and forward differences."""
    y = np.array([0, 3, 1])
    error = check_grad(
        lambda z: ref.softmax_xent(z.reshape(3, 4), y)[0],
        lambda z: ref.softmax_xent(z.reshape(3, 4), y)[1].ravel(),
        rng.standard_normal(12),
    )
    assert error < 1e-6


@pytest.mark.parametrize("name", ["identity", "logistic", "tanh", "relu"])
def test_network_agrees_with_scikit_learn(ref, rng, name):
    """scikit-learn's MLPClassifier with the same weights gives the same class probabilities."""
    x, y = rng.standard_normal((30, 4)), np.arange(30) % 3
    hidden = () if name == "identity" else (5, 6)
    fitted = MLPClassifier(hidden, activation=name, max_iter=2, random_state=0)
    with pytest.warns(UserWarning):  # not converged, on purpose
        fitted.fit(x, y)
    model = ref.MLP((4, *hidden, 3), {"logistic": "sigmoid", "identity": "relu"}.get(name, name), rng)
    for i, (W, b) in enumerate(zip(fitted.coefs_, fitted.intercepts_, strict=True)):
        model.params[f"W{i}"][...] = W
        model.params[f"b{i}"][...] = b

    np.testing.assert_allclose(
        np.exp(log_softmax(model.forward(x), axis=1)), fitted.predict_proba(x), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3), (4, 6, 5, 7, 3)])
def test_network_gradients_agree_with_torch_modules(ref, rng, sizes, kind):
    """A torch.nn.Sequential with the same weights has the same gradients."""
    model = ref.MLP(sizes, kind, rng)
    x, y = rng.standard_normal((6, sizes[0])), np.arange(6) % sizes[-1]
    activation = {"relu": torch.nn.ReLU, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh}[kind]
    modules = []
    for i in range(len(sizes) - 1):
        layer = torch.nn.Linear(sizes[i], sizes[i + 1], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(model.params[f"W{i}"].T))
            layer.bias.copy_(torch.tensor(model.params[f"b{i}"]))
        modules += [layer, activation()]
    torch_loss = torch.nn.functional.cross_entropy(
        torch.nn.Sequential(*modules[:-1])(torch.tensor(x)), torch.tensor(y)
    )
    torch_loss.backward()

    loss, dlogits = ref.softmax_xent(model.forward(x), y)
    grads = model.backward(dlogits)

    np.testing.assert_allclose(loss, torch_loss.item(), rtol=1e-12)
    for i, layer in enumerate(modules[:-1:2]):
        np.testing.assert_allclose(grads[f"W{i}"], layer.weight.grad.T, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(grads[f"b{i}"], layer.bias.grad, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("kind", "gain"), [("relu", "relu"), ("tanh", None), ("sigmoid", None)])
def test_first_weights_agree_with_torch_init(ref, rng, kind, gain):
    """The standard deviations are those of kaiming_normal_ and xavier_normal_."""
    params = ref.MLP((300, 600, 200), kind, rng).params
    first, last = torch.empty(600, 300), torch.empty(200, 600)
    torch.manual_seed(0)
    if gain:
        torch.nn.init.kaiming_normal_(first, nonlinearity=gain)
    else:
        torch.nn.init.xavier_normal_(first)
    torch.nn.init.xavier_normal_(last)

    assert params["W0"].std() == pytest.approx(first.std().item(), rel=0.02)
    assert params["W1"].std() == pytest.approx(last.std().item(), rel=0.02)
    assert not params["b0"].any() and not params["b1"].any()


def test_he_weights_keep_the_signal_through_twenty_relu_layers(ref, rng):
    """The second moment of the last hidden layer is of the order of the first one's."""
    sizes = (200,) * 21 + (10,)
    model = ref.MLP(sizes, "relu", rng)
    h = rng.standard_normal((50, 200))
    start = (h**2).mean()
    for i in range(20):
        h, _ = ref.act_forward(h @ model.params[f"W{i}"], "relu")
    assert 0.2 < (h**2).mean() / start < 5


def test_numeric_gradient_agrees_with_scipy(ref, rng):
    """scipy.differentiate finds the same gradient of a function with coupled elements."""
    x = rng.standard_normal((2, 3))
    weights = np.arange(1.0, 7.0)
    numeric = ref.numeric_gradient(lambda v: float(np.sin(weights @ v.ravel()) * (v**2).sum()), x)

    exact = jacobian(
        lambda v: np.sin(np.tensordot(weights, v, 1)) * (v**2).sum(axis=0), x.ravel(), initial_step=0.01
    )

    np.testing.assert_allclose(numeric.ravel(), exact.df, rtol=1e-7, atol=1e-8)


def test_relative_error_of_float32_gradients_shows_why_float64(ref, rng):
    """A right gradient checked through float32 looks wrong, through float64 it does not."""
    x = rng.uniform(0.5, 1.5, 50)
    single = np.array(
        [
            (
                np.float32((np.float32(v) + np.float32(1e-5)) ** 3)
                - np.float32((np.float32(v) - np.float32(1e-5)) ** 3)
            )
            / 2e-5
            for v in x
        ]
    )
    double = ref.numeric_gradient(lambda v: float((v**3).sum()), x)

    assert ref.relative_error(double, 3 * x**2) < 1e-8
    assert ref.relative_error(single, 3 * x**2) > 1e-3


def test_value_agrees_with_torch_on_a_neuron(ref, rng):
    """A sigmoid neuron with a squared error, written with the operators of Value and of torch."""
    numbers = rng.uniform(-1, 1, 5).tolist()

    def loss(a, b, c, d, e):
        v = a * b + c * d - e
        s = 1 / (1 + (-v).exp())
        return (s - 0.25) ** 2 / 2 + (v * v + 1) ** -0.5 + (v.relu() - 3 * v.tanh()) / 4

    values = [ref.Value(n) for n in numbers]
    result = loss(*values)
    result.backward()
    tensors = [torch.tensor(n, dtype=torch.float64, requires_grad=True) for n in numbers]
    expected = loss(*tensors)
    expected.backward()

    assert result.data == pytest.approx(expected.item(), rel=1e-12)
    assert [v.grad for v in values] == pytest.approx([t.grad.item() for t in tensors], rel=1e-12)


def test_value_accumulates_over_passes_as_torch_does(ref):
    """Two passes through one graph leave twice the gradient in the leaves, in torch and here."""
    value, tensor = ref.Value(1.5), torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    result, expected = value * value.exp(), tensor * tensor.exp()
    for _ in range(2):
        result.backward()
        expected.backward(retain_graph=True)
        assert value.grad == pytest.approx(tensor.grad.item(), rel=1e-14)


def test_value_survives_twenty_thousand_steps(ref):
    """The pass needs neither recursion nor time beyond the size of the graph."""
    x = ref.Value(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    y.backward()
    assert (y.data, x.grad) == (20_001.0, 1.0)


def test_network_learns_the_digits(ref):
    """Plain gradient descent on scikit-learn's digits starts at log 10 and reaches 95 % on unseen ones."""
    x, y = load_digits(return_X_y=True)
    x, y = x / 16, y.astype(np.int64)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    train, test = order[:1437], order[1437:]
    model = ref.MLP((64, 64, 10), "relu", rng)
    first, _ = ref.softmax_xent(model.forward(x[train]), y[train])
    for _ in range(15):
        for batch in np.array_split(rng.permutation(train), 45):
            _, dlogits = ref.softmax_xent(model.forward(x[batch]), y[batch])
            for name, grad in model.backward(dlogits).items():
                model.params[name] -= 0.3 * grad

    accuracy = (model.forward(x[test]).argmax(axis=1) == y[test]).mean()

    assert first == pytest.approx(np.log(10), rel=0.15)
    assert 0.95 <= accuracy < 1
