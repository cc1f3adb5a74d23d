"""Checks of the backprop topic that ship with the course."""

import numpy as np

from grader.checks import assert_close, assert_true, check, in_worker

SIZES = [(1, 1, 1), (2, 2, 2), (1, 2, 3), (3, 1, 2), (5, 4, 3)]  # (N, D, M), smallest first
FORMULAS = {
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def draw_linear(rng, n, d, m):
    """x, W, b and an upstream gradient dy of one linear layer."""
    shapes = [(n, d), (d, m), (m,), (n, m)]
    return [rng.standard_normal(shape) for shape in shapes]


def draw_off_the_kink(rng, shape):
    """Pre-activations of both signs, none of them near 0."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 2.0, shape)


@in_worker
def add_to_params(model, change, step):
    for name in change:
        model.params[name] += step * change[name]


@check("linear_forward", points=2)
def test_linear_forward_is_xw_plus_b(submission, rng):
    """A linear layer multiplies each row by the weights and adds the same bias to every row."""
    for size in SIZES:
        x, W, b, _ = draw_linear(rng, *size)
        y, _ = submission.linear_forward(x, W, b)
        assert_close(y, np.einsum("nd,dm->nm", x, W) + b, name="y")


@check("linear_backward", points=2)
def test_bias_gradient_sums_over_the_batch(submission, rng):
    """The bias gradient adds up the upstream gradient over every example in the batch."""
    for size in SIZES:
        x, W, b, dy = draw_linear(rng, *size)
        _, cache = submission.linear_forward(x, W, b)
        _, _, db = submission.linear_backward(dy, cache)
        assert_close(db, np.einsum("nm->m", dy), name="db")


@check("linear_backward", points=2)
def test_input_and_weight_gradients_of_a_linear_layer(submission, rng):
    """Each input hears from every output through its weight, and each weight from every example through its input."""
    for size in SIZES:
        x, W, b, dy = draw_linear(rng, *size)
        _, cache = submission.linear_forward(x, W, b)
        dx, dW, _ = submission.linear_backward(dy, cache)
        assert_close(dx, np.einsum("nm,dm->nd", dy, W), name="dx")
        assert_close(dW, np.einsum("nd,nm->dm", x, dy), name="dW")


@check("act_forward", points=1.5)
def test_activations_follow_their_formulas(submission, rng):
    """Relu, sigmoid and tanh act on each element by itself."""
    for kind, formula in FORMULAS.items():
        z = draw_off_the_kink(rng, (3, 4))
        a, _ = submission.act_forward(z, kind)
        assert_close(a, formula(z), name=kind)


@check("act_backward", points=1.5)
def test_activation_gradient_is_the_slope_times_the_upstream_gradient(submission, rng):
    """The gradient before an activation is its slope at the pre-activation times the gradient after it."""
    for kind, formula in FORMULAS.items():
        z, da = draw_off_the_kink(rng, (3, 4)), rng.standard_normal((3, 4))
        _, cache = submission.act_forward(z, kind)
        dz = submission.act_backward(da, cache)
        h = 1e-5
        slope = (formula(z + h) - formula(z - h)) / (2 * h)
        assert_close(dz, da * slope, name=f"dz of {kind}", rtol=1e-7)  # central differences


@check("act_backward", points=1)
def test_relu_gradient_is_masked_by_the_forward_input(submission, rng):
    """Relu lets a gradient of either sign through where its input was positive, and none where it was negative."""
    z = np.array([1.0, 1.0, -1.0, -1.0]) * rng.uniform(0.5, 2.0, 4)
    da = np.array([1.0, -1.0, 1.0, -1.0]) * rng.uniform(0.5, 2.0, 4)
    _, cache = submission.act_forward(z, "relu")
    dz = submission.act_backward(da, cache)
    assert_close(dz, np.where(z > 0, da, 0.0), name="dz of relu")


@check("act_backward", points=1)
def test_relu_slope_at_zero_is_zero(submission, rng):
    """At exactly 0 the derivative of relu is 0 in this course, as in torch."""
    z, da = np.array([-1.0, 0.0, 2.0, 0.0]), rng.uniform(0.5, 2.0, 4)
    _, cache = submission.act_forward(z, "relu")
    dz = submission.act_backward(da, cache)
    assert_close(dz, np.array([0.0, 0.0, da[2], 0.0]), name="dz of relu")


@check("softmax_xent", points=1)
def test_loss_of_equal_logits_is_log_k(submission, rng):
    """Equal logits mean equal probabilities, so the loss is log K whatever the labels are."""
    for k in (2, 3, 10):
        y = rng.integers(0, k, 4)
        loss, _ = submission.softmax_xent(np.zeros((4, k)), y)
        assert_close(loss, np.log(k), name="loss", rtol=1e-14)


@check("softmax_xent", points=1.5)
def test_a_gradient_step_raises_the_right_class_at_the_cost_of_the_others(submission, rng):
    """In each row the gradient is negative at the label, positive elsewhere, and sums to zero."""
    logits, y = rng.standard_normal((4, 3)), np.array([0, 2, 1, 2])
    _, dlogits = submission.softmax_xent(logits, y)
    onehot = y[:, None] == np.arange(3)
    assert_close(dlogits.sum(axis=1), np.zeros(4), name="row sums of dlogits", atol=1e-12)
    assert_true((dlogits[onehot] < 0).all(), "the gradient at the label should be negative in every row")
    assert_true((dlogits[~onehot] > 0).all(), "the gradient at every other class should be positive")


@check("softmax_xent", points=2)
def test_the_loss_is_a_mean_over_rows(submission, rng):
    """A batch of copies of one row has the loss of that row, and each copy gets its share 1/N of the gradient."""
    row = rng.standard_normal(3)
    p = np.exp(row) / np.exp(row).sum()
    for n in (1, 2, 5):
        loss, dlogits = submission.softmax_xent(np.tile(row, (n, 1)), np.full(n, 2))
        assert_close(loss, -np.log(p[2]), name="loss")
        assert_close(dlogits, np.tile((p - [0, 0, 1]) / n, (n, 1)), name="dlogits")


@check("MLP", points=1.5)
def test_parameters_have_the_stated_names_and_shapes(submission, rng):
    """The parameters are W0, b0, W1, b1 and so on, and each gradient has the name and shape of its parameter."""
    for sizes in [(3, 2), (5, 4, 3), (2, 5, 1, 4)]:
        model = submission.MLP(sizes, "relu", rng)
        model.forward(rng.standard_normal((6, sizes[0])))
        grads = model.backward(rng.standard_normal((6, sizes[-1])))
        shapes = {}
        for i in range(len(sizes) - 1):
            shapes[f"W{i}"] = (sizes[i], sizes[i + 1])
            shapes[f"b{i}"] = (sizes[i + 1],)
        assert_close({k: v.shape for k, v in model.params.items()}, shapes, name="shapes of params")
        assert_close({k: v.shape for k, v in grads.items()}, shapes, name="shapes of the gradients")


@check("MLP", points=2)
def test_only_hidden_layers_have_an_activation(submission, rng):
    """The last layer is linear: logits may have any sign and size."""
    for kind, formula in FORMULAS.items():
        model = submission.MLP((5, 4, 3), kind, rng)
        params, x = model.params, rng.standard_normal((6, 5))
        hidden = formula(x @ params["W0"] + params["b0"])  # (6, 4)
        logits = hidden @ params["W1"] + params["b1"]  # (6, 3)
        assert_close(model.forward(x), logits, name=f"logits with {kind}")


@check("MLP", points=2.5)
def test_the_gradient_predicts_the_change_along_a_random_direction(submission, rng):
    """Moving all parameters a little changes the loss by the inner product of the gradient and the movement."""
    for sizes in [(3, 2), (5, 4, 3), (3, 5, 4, 2)]:
        model = submission.MLP(sizes, "tanh", rng)
        x, dlogits = rng.standard_normal((6, sizes[0])), rng.standard_normal((6, sizes[-1]))
        direction = {name: rng.standard_normal(value.shape) for name, value in model.params.items()}
        add_to_params(model, direction, 0.1)  # so that no bias is 0

        model.forward(x)
        grads = model.backward(dlogits)
        fits = all(grads[name].shape == direction[name].shape for name in direction)
        assert_true(fits, "each gradient should have the shape of its parameter")
        predicted = sum((grads[name] * direction[name]).sum() for name in direction)

        h = 1e-5
        add_to_params(model, direction, h)
        above = (dlogits * model.forward(x)).sum()  # a loss whose gradient at the logits is dlogits
        add_to_params(model, direction, -2 * h)
        below = (dlogits * model.forward(x)).sum()
        measured = (above - below) / (2 * h)
        assert_close(predicted, measured, name="slope along the direction", rtol=1e-6, atol=1e-6)


@check("numeric_gradient", points=2)
def test_central_difference_of_a_cubic(submission, rng):
    """The central difference of x cubed is exactly 3x² + h²; a one-sided one would be off by 3xh as well."""
    for h in (0.5, 0.125):
        x = rng.standard_normal(4)
        grad = submission.numeric_gradient(lambda v: float((v**3).sum()), x, h)
        assert_close(grad, 3 * x**2 + h**2, name="gradient")


@check("relative_error", points=1)
def test_relative_error_divides_by_the_sum_of_the_sizes(submission, rng):
    """The relative error of two numbers is their distance divided by the sum of their absolute values."""
    for sign in (1.0, -1.0):
        a, b = rng.uniform(1.0, 2.0, 1), sign * rng.uniform(3.0, 4.0, 1)
        error = submission.relative_error(a, b)
        assert_close(error, (abs(a - b) / (abs(a) + abs(b)))[0], name="relative error")


@check("Value", points=1.5)
def test_sums_pass_gradients_on_and_products_swap_their_factors(submission, rng):
    """A sum hands its gradient to both operands as it is; a product scales it by the other factor."""
    x, y, z = rng.standard_normal(3).tolist()
    a, b, c = submission.Value(x), submission.Value(y), submission.Value(z)
    result = a * b + c
    result.backward()
    assert_close(result.data, x * y + z, name="data")
    assert_close((a.grad, b.grad, c.grad), (y, x, 1.0), name="grads of the two factors and the summand")


@check("Value", points=2)
def test_a_value_used_twice_collects_both_gradients(submission, rng):
    """A value that is used twice receives a gradient along each way, and they add up."""
    for x in rng.uniform(0.5, 2.0, 2).tolist():
        a = submission.Value(x)
        (a + a).backward()
        assert_close(a.grad, 2.0, name="gradient of a + a")
        b = submission.Value(x)
        (b * b).backward()
        assert_close(b.grad, 2 * x, name="gradient of b * b")


@check("Value", points=1.5)
def test_tanh_exp_and_relu_scale_by_their_slope(submission, rng):
    """Each function multiplies the gradient by its own derivative at its input."""
    x, y = rng.uniform(0.3, 1.5, 2).tolist()
    cases = [
        ("tanh", x, lambda v: v.tanh(), np.tanh(x), 1 - np.tanh(x) ** 2),
        ("exp", x, lambda v: v.exp(), np.exp(x), np.exp(x)),
        ("relu of a positive value", x, lambda v: v.relu(), x, 1.0),
        ("relu of a negative value", -x, lambda v: v.relu(), 0.0, 0.0),
    ]
    for name, at, function, value, slope in cases:
        a = submission.Value(at)
        result = function(a)
        (result * y).backward()  # so that the gradient that arrives is not 1
        assert_close(result.data, value, name=name)
        assert_close(a.grad, y * slope, name=f"gradient of {name}")


@check("Value", points=1.5)
def test_numbers_may_stand_on_either_side(submission, rng):
    """Plain numbers mix with values on the left as well as on the right."""
    x, n = rng.uniform(0.5, 2.0), 3.0
    cases = [
        ("a + n", lambda a: a + n, x + n, 1.0),
        ("n + a", lambda a: n + a, n + x, 1.0),
        ("a - n", lambda a: a - n, x - n, 1.0),
        ("n - a", lambda a: n - a, n - x, -1.0),
        ("a * n", lambda a: a * n, x * n, n),
        ("n * a", lambda a: n * a, n * x, n),
        ("a / n", lambda a: a / n, x / n, 1 / n),
        ("n / a", lambda a: n / a, n / x, -n / x**2),
        ("-a", lambda a: -a, -x, -1.0),
    ]
    for name, function, value, slope in cases:
        a = submission.Value(x)
        result = function(a)
        result.backward()
        assert_close(result.data, value, name=name)
        assert_close(a.grad, slope, name=f"gradient of {name}")
