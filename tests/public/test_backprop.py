"""Checks of the backprop topic that ship with the course."""

import numpy as np

from grader.checks import assert_close, assert_true, check, each, in_turn, in_worker, there_and_back

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


def linear_gradients(submission, draws):
    """Each draw (x, W, b, dy) and its (dx, dW, db)."""
    calls = [((x, W, b), dy) for x, W, b, dy in draws]
    for ((x, W, b), dy), gradients in in_turn(
        there_and_back, submission.linear_forward, submission.linear_backward, calls=calls
    ):
        yield (x, W, b, dy), gradients


def act_gradients(submission, calls):
    """Each call ((z, kind), da) and its dz."""
    return in_turn(there_and_back, submission.act_forward, submission.act_backward, calls=calls)


@in_worker
def new_logits(MLP, calls):
    """The params and logits of each new network."""
    results = []
    for sizes, kind, rng, x in calls:
        model = MLP(sizes, kind, rng)
        results.append((model.params, model.forward(x)))
    return results


@in_worker
def new_gradients(MLP, calls):
    """The params and gradients of each new network."""
    results = []
    for sizes, kind, rng, x, dlogits in calls:
        model = MLP(sizes, kind, rng)
        model.forward(x)
        results.append((model.params, model.backward(dlogits)))
    return results


@in_worker
def pass_beside(MLP, calls):
    """The gradients of each new network, and its logits with the parameters moved by h and -h along a direction."""
    results = []
    for sizes, rng, direction, h, x, dlogits in calls:
        model = MLP(sizes, "tanh", rng)

        def move(step, model=model, direction=direction):
            for name in direction:
                model.params[name] += step * direction[name]

        move(0.1)  # so that no bias is 0
        model.forward(x.copy())
        grads = model.backward(dlogits)
        move(h)
        above = model.forward(x.copy())
        move(-2 * h)
        results.append((grads, above, model.forward(x.copy())))
    return results


@check("linear_forward", points=2)
def test_linear_forward_is_xw_plus_b(submission, rng):
    """A linear layer multiplies each row by the weights and adds the same bias to every row."""
    calls = [draw_linear(rng, *size)[:3] for size in SIZES]
    for (x, W, b), (y, _) in in_turn(each, submission.linear_forward, calls=calls):
        assert_close(y, np.einsum("nd,dm->nm", x, W) + b, name="y")


@check("linear_backward", points=2)
def test_bias_gradient_sums_over_the_batch(submission, rng):
    """The bias gradient adds up the upstream gradient over every example in the batch."""
    draws = [draw_linear(rng, *size) for size in SIZES]
    for (_, _, _, dy), (_, _, db) in linear_gradients(submission, draws):
        assert_close(db, np.einsum("nm->m", dy), name="db")


@check("linear_backward", points=2)
def test_input_and_weight_gradients_of_a_linear_layer(submission, rng):
    """Each input hears from every output through its weight, and each weight from every example through its input."""
    draws = [draw_linear(rng, *size) for size in SIZES]
    for (x, W, _, dy), (dx, dW, _) in linear_gradients(submission, draws):
        assert_close(dx, np.einsum("nm,dm->nd", dy, W), name="dx")
        assert_close(dW, np.einsum("nd,nm->dm", x, dy), name="dW")


@check("act_forward", points=1.5)
def test_activations_follow_their_formulas(submission, rng):
    """Relu, sigmoid and tanh act on each element by itself."""
    calls = [(draw_off_the_kink(rng, (3, 4)), kind) for kind in FORMULAS]
    for (z, kind), (a, _) in in_turn(each, submission.act_forward, calls=calls):
        assert_close(a, FORMULAS[kind](z), name=kind)


@check("act_backward", points=1.5)
def test_activation_gradient_is_the_slope_times_the_upstream_gradient(submission, rng):
    """The gradient before an activation is its slope at the pre-activation times the gradient after it."""
    calls = [((draw_off_the_kink(rng, (3, 4)), kind), rng.standard_normal((3, 4))) for kind in FORMULAS]
    for ((z, kind), da), dz in act_gradients(submission, calls):
        h = 1e-5
        slope = (FORMULAS[kind](z + h) - FORMULAS[kind](z - h)) / (2 * h)
        assert_close(dz, da * slope, name=f"dz of {kind}", rtol=1e-7)  # central differences


@check("act_backward", points=1)
def test_relu_gradient_is_masked_by_the_forward_input(submission, rng):
    """Relu lets a gradient of either sign through where its input was positive, and none where it was negative."""
    z = np.array([1.0, 1.0, -1.0, -1.0]) * rng.uniform(0.5, 2.0, 4)
    da = np.array([1.0, -1.0, 1.0, -1.0]) * rng.uniform(0.5, 2.0, 4)
    ((_, dz),) = act_gradients(submission, [((z, "relu"), da)])
    assert_close(dz, np.where(z > 0, da, 0.0), name="dz of relu")


@check("act_backward", points=1)
def test_relu_slope_at_zero_is_zero(submission, rng):
    """At exactly 0 the derivative of relu is 0 in this course, as in torch."""
    z, da = np.array([-1.0, 0.0, 2.0, 0.0]), rng.uniform(0.5, 2.0, 4)
    ((_, dz),) = act_gradients(submission, [((z, "relu"), da)])
    assert_close(dz, np.array([0.0, 0.0, da[2], 0.0]), name="dz of relu")


@check("softmax_xent", points=1)
def test_loss_of_equal_logits_is_log_k(submission, rng):
    """Equal logits mean equal probabilities, so the loss is log K whatever the labels are."""
    calls = [(np.zeros((4, k)), rng.integers(0, k, 4)) for k in (2, 3, 10)]
    for (logits, _), (loss, _) in in_turn(each, submission.softmax_xent, calls=calls):
        assert_close(loss, np.log(logits.shape[1]), name="loss", rtol=1e-14)


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
    calls = [(np.tile(row, (n, 1)), np.full(n, 2)) for n in (1, 2, 5)]
    for (logits, _), (loss, dlogits) in in_turn(each, submission.softmax_xent, calls=calls):
        n = len(logits)
        assert_close(loss, -np.log(p[2]), name="loss")
        assert_close(dlogits, np.tile((p - [0, 0, 1]) / n, (n, 1)), name="dlogits")


@check("MLP", points=1.5)
def test_parameters_have_the_stated_names_and_shapes(submission, rng):
    """The parameters are W0, b0, W1, b1 and so on, and each gradient has the name and shape of its parameter."""
    calls = []
    for sizes in [(3, 2), (5, 4, 3), (2, 5, 1, 4)]:
        x, dlogits = rng.standard_normal((6, sizes[0])), rng.standard_normal((6, sizes[-1]))
        calls.append((sizes, "relu", rng, x, dlogits))
    for (sizes, *_), (params, grads) in in_turn(new_gradients, submission.MLP, calls=calls):
        shapes = {}
        for i in range(len(sizes) - 1):
            shapes[f"W{i}"] = (sizes[i], sizes[i + 1])
            shapes[f"b{i}"] = (sizes[i + 1],)
        assert_close({k: v.shape for k, v in params.items()}, shapes, name="shapes of params")
        assert_close({k: v.shape for k, v in grads.items()}, shapes, name="shapes of the gradients")


@check("MLP", points=2)
def test_only_hidden_layers_have_an_activation(submission, rng):
    """The last layer is linear: logits may have any sign and size."""
    calls = [((5, 4, 3), kind, rng, rng.standard_normal((6, 5))) for kind in FORMULAS]
    for (_, kind, _, x), (params, logits) in in_turn(new_logits, submission.MLP, calls=calls):
        hidden = FORMULAS[kind](x @ params["W0"] + params["b0"])  # (6, 4)
        expected = hidden @ params["W1"] + params["b1"]  # (6, 3)
        assert_close(logits, expected, name=f"logits with {kind}")


@check("MLP", points=2.5)
def test_the_gradient_predicts_the_change_along_a_random_direction(submission, rng):
    """Moving all parameters a little changes the loss by the inner product of the gradient and the movement."""
    calls, h = [], 1e-5
    for sizes in [(3, 2), (5, 4, 3), (3, 5, 4, 2)]:
        direction = {}
        for i in range(len(sizes) - 1):
            direction[f"W{i}"] = rng.standard_normal((sizes[i], sizes[i + 1]))
            direction[f"b{i}"] = rng.standard_normal(sizes[i + 1])
        x, dlogits = rng.standard_normal((6, sizes[0])), rng.standard_normal((6, sizes[-1]))
        calls.append((sizes, rng, direction, h, x, dlogits))
    for call, (grads, above, below) in in_turn(pass_beside, submission.MLP, calls=calls):
        _, _, direction, _, _, dlogits = call
        fits = all(grads[name].shape == direction[name].shape for name in direction)
        assert_true(fits, "each gradient should have the shape of its parameter")
        predicted = sum((grads[name] * direction[name]).sum() for name in direction)
        measured = (dlogits * (above - below)).sum() / (2 * h)  # of a loss whose gradient at the logits is dlogits
        assert_close(predicted, measured, name="slope along the direction", rtol=1e-6, atol=1e-6)


@in_worker
def gradients_of_a_cubic(numeric_gradient, calls):
    return [numeric_gradient(lambda v: float((v**3).sum()), x, h) for x, h in calls]


@check("numeric_gradient", points=2)
def test_central_difference_of_a_cubic(submission, rng):
    """The central difference of x cubed is exactly 3x² + h²; a one-sided one would be off by 3xh as well."""
    calls = [(rng.standard_normal(4), h) for h in (0.5, 0.125)]
    for (x, h), grad in in_turn(gradients_of_a_cubic, submission.numeric_gradient, calls=calls):
        assert_close(grad, 3 * x**2 + h**2, name="gradient")


@check("relative_error", points=1)
def test_relative_error_divides_by_the_sum_of_the_sizes(submission, rng):
    """The relative error of two numbers is their distance divided by the sum of their absolute values."""
    calls = [(rng.uniform(1.0, 2.0, 1), sign * rng.uniform(3.0, 4.0, 1)) for sign in (1.0, -1.0)]
    for (a, b), error in in_turn(each, submission.relative_error, calls=calls):
        assert_close(error, (abs(a - b) / (abs(a) + abs(b)))[0], name="relative error")


@in_worker
def product_and_sum(Value, numbers):
    """(data, grads) of a * b + c."""
    a, b, c = (Value(number) for number in numbers)
    result = a * b + c
    result.backward()
    return result.data, (a.grad, b.grad, c.grad)


@check("Value", points=1.5)
def test_sums_pass_gradients_on_and_products_swap_their_factors(submission, rng):
    """A sum hands its gradient to both operands as it is; a product scales it by the other factor."""
    x, y, z = rng.standard_normal(3).tolist()
    data, grads = product_and_sum(submission.Value, (x, y, z))
    assert_close(data, x * y + z, name="data")
    assert_close(grads, (y, x, 1.0), name="grads of the two factors and the summand")


@in_worker
def used_twice(Value, numbers):
    """The gradients of a + a at a and of b * b at b, for each number."""
    grads = []
    for x in numbers:
        a, b = Value(x), Value(x)
        (a + a).backward()
        (b * b).backward()
        grads.append((a.grad, b.grad))
    return grads


@check("Value", points=2)
def test_a_value_used_twice_collects_both_gradients(submission, rng):
    """A value that is used twice receives a gradient along each way, and they add up."""
    numbers = rng.uniform(0.5, 2.0, 2).tolist()
    for x, (doubled, squared) in in_turn(used_twice, submission.Value, calls=numbers):
        assert_close(doubled, 2.0, name="gradient of a + a")
        assert_close(squared, 2 * x, name="gradient of b * b")


@in_worker
def through_methods(Value, calls):
    """(data, gradient at the start) of each method at each number; the gradient that arrives is the weight."""
    results = []
    for method, x, weight in calls:
        a = Value(x)
        result = getattr(a, method)()
        (result * weight).backward()
        results.append((result.data, a.grad))
    return results


@check("Value", points=1.5)
def test_tanh_exp_and_relu_scale_by_their_slope(submission, rng):
    """Each function multiplies the gradient by its own derivative at its input."""
    x, y = rng.uniform(0.3, 1.5, 2).tolist()
    cases = [
        ("tanh", "tanh", x, np.tanh(x), 1 - np.tanh(x) ** 2),
        ("exp", "exp", x, np.exp(x), np.exp(x)),
        ("relu of a positive value", "relu", x, x, 1.0),
        ("relu of a negative value", "relu", -x, 0.0, 0.0),
    ]
    for size in (1e-3, 0.1, 5.0, 12.0, 25.0, 40.0, 400.0, 1000.0):
        for at in (size, -size):
            cases.append(("tanh of any size", "tanh", at, np.tanh(at), 1 - np.tanh(at) ** 2))
    calls = [(method, at, y) for _, method, at, _, _ in cases]
    results = in_turn(through_methods, submission.Value, calls=calls)
    for (name, _, _, value, slope), (_, (data, grad)) in zip(cases, results, strict=True):
        assert_close(data, value, name=name)
        assert_close(grad, y * slope, name=f"gradient of {name}", atol=1e-12)


@in_worker
def mixed_with_a_number(Value, calls):
    """(data, gradient at a) of expressions of a value a and a plain number n."""
    expressions = {
        "a + n": lambda a, n: a + n,
        "n + a": lambda a, n: n + a,
        "a - n": lambda a, n: a - n,
        "n - a": lambda a, n: n - a,
        "a * n": lambda a, n: a * n,
        "n * a": lambda a, n: n * a,
        "a / n": lambda a, n: a / n,
        "n / a": lambda a, n: n / a,
        "-a": lambda a, n: -a,
    }
    results = []
    for name, x, n in calls:
        a = Value(x)
        result = expressions[name](a, n)
        result.backward()
        results.append((result.data, a.grad))
    return results


@check("Value", points=1.5)
def test_numbers_may_stand_on_either_side(submission, rng):
    """Plain numbers mix with values on the left as well as on the right."""
    x, n = rng.uniform(0.5, 2.0), 3.0
    expected = {
        "a + n": (x + n, 1.0),
        "n + a": (n + x, 1.0),
        "a - n": (x - n, 1.0),
        "n - a": (n - x, -1.0),
        "a * n": (x * n, n),
        "n * a": (n * x, n),
        "a / n": (x / n, 1 / n),
        "n / a": (n / x, -n / x**2),
        "-a": (-x, -1.0),
    }
    calls = [(name, x, n) for name in expected]
    for (name, _, _), (data, grad) in in_turn(mixed_with_a_number, submission.Value, calls=calls):
        value, slope = expected[name]
        assert_close(data, value, name=name)
        assert_close(grad, slope, name=f"gradient of {name}")
