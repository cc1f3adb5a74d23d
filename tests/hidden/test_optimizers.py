"""Hidden checks of the optimizers.

The oracle never runs an update rule: it writes every average as an explicit sum over the whole history of
gradients, and bias correction as the division by the sum of the weights. tests/course compares it with torch.
"""

import math

import numpy as np

from grader.checks import (
    assert_close,
    assert_no_growth,
    assert_raises,
    assert_true,
    check,
    fresh,
    in_turn,
    in_worker,
    noncontiguous,
    observe,
    operations,
    oracle,
)

# Coordinates of very different scale show where ε stands; the last one never gets a gradient.
SCALES = np.array([1.0, 1e-3, 1e-6, 0.0])
SIZES = np.array([1.0, 1e-3, 1e-6, 1.0])  # of the weights, so that no coordinate drowns in rounding
NO_EPS = 1e-300  # where a check is not about ε, a misplaced ε costs nothing
ATOL = 1e-13  # small beside the smallest step, 2e-8, and above rounding where a weight crosses 0
CHANGING_LR = [0.1, 0.3, 0.02, 0.2, 0.05, 0.1]


# ---- oracle


def weighted_sum(history, decay):
    """Σᵢ decayᵗ⁻ⁱ hᵢ for i = 1 … t."""
    return sum(decay ** (len(history) - 1 - i) * h for i, h in enumerate(history))


def average(history, decay):
    return (1 - decay) * weighted_sum(history, decay)


def histories(gs):
    return [gs[: t + 1] for t in range(len(gs))]


def sgd_steps(gs):
    return list(gs)


@oracle
def momentum_steps(gs, beta=0.9, nesterov=False):
    velocities = [weighted_sum(past, beta) for past in histories(gs)]
    return [g + beta * v for g, v in zip(gs, velocities, strict=True)] if nesterov else velocities


@oracle
def adagrad_steps(gs, eps=1e-10):
    return [past[-1] / (np.sqrt((past**2).sum(axis=0)) + eps) for past in histories(gs)]


@oracle
def rmsprop_steps(gs, alpha=0.99, eps=1e-8, centered=False):
    mean = [average(past, alpha) if centered else 0.0 for past in histories(gs)]
    square = [average(past**2, alpha) for past in histories(gs)]
    return [g / (np.sqrt(v - m * m) + eps) for g, v, m in zip(gs, square, mean, strict=True)]


@oracle
def adadelta_steps(gs, rho=0.9, eps=1e-6):
    steps = []
    for past in histories(gs):
        below = average(past**2, rho) + eps
        above = (average(np.array(steps) ** 2, rho) if steps else 0.0) + eps
        steps.append(np.sqrt(above / below) * past[-1])
    return steps


@oracle
def adam_steps(gs, betas=(0.9, 0.999), eps=1e-8):
    steps = []
    for past in histories(gs):
        ones = np.ones(len(past))
        m_hat = weighted_sum(past, betas[0]) / weighted_sum(ones, betas[0])
        v_hat = weighted_sum(past**2, betas[1]) / weighted_sum(ones, betas[1])
        steps.append(m_hat / (np.sqrt(v_hat) + eps))
    return steps


def descend(w, steps, lr, decay=0.0):
    """The weights after each step; lr is one number or one per step."""
    rates = lr if isinstance(lr, list) else [lr] * len(steps)
    path = []
    for step, rate in zip(steps, rates, strict=True):
        w = w * (1 - rate * decay) - rate * step
        path.append(w)
    return path


# ---- shared parts of the checks


def drawn(rng, count, shape=(4,), zero_step=True):
    """Weights and gradients whose last axis has mixed scales; one gradient, never the first, is all zero."""
    w = rng.standard_normal(shape) * SIZES
    gs = rng.standard_normal((count, *shape)) * SCALES
    if zero_step:
        gs[count // 2] = 0.0
    return w, gs


@in_worker
def walk(step, calls):
    """The weights after each step, for each (w, gradients, rates, keywords); where a rate is None it is left out."""
    import copy

    paths = []
    for w, gs, rates, hyper in calls:
        state, path = None, []
        for g, rate in zip(gs, rates, strict=True):
            w, state = step(w, g, state, **hyper) if rate is None else step(w, g, state, lr=rate, **hyper)
            path.append(copy.deepcopy(w))
            w = np.array(w)  # a 0-d weight may have come back as a number
        paths.append(path)
    return paths


def runs(step, cases):
    """The submission's weights after each step, case by case; a case is (w, gradients, lr, keywords).

    lr is one number, one per step, or None to leave it out.
    """
    calls = [(w, gs, lr if isinstance(lr, list) else [lr] * len(gs), hyper) for w, gs, lr, hyper in cases]
    return (path for _, path in in_turn(walk, step, calls=calls))


def run(step, w, gs, lr, **hyper):
    """The weights after each step of a single case."""
    return next(runs(step, [(w, gs, lr, hyper)]))


@in_worker
def errors_of(function, calls):
    """What each call raised, as the names of its class and its bases; None where it returned."""
    raised = []
    for arguments, keywords in calls:
        try:
            function(*arguments, **keywords)
            raised.append(None)
        except Exception as error:
            names = [base.__name__ for base in type(error).__mro__]
            if {"NotImplementedError", "MissingName", "Forbidden", "MemoryError"} & set(names):
                raise  # a verdict of its own
            raised.append(names)
    return raised


def assert_each_refused(function, calls):
    """Every one of these calls (arguments, keywords) must raise ValueError."""
    for names in errors_of(function, calls):
        assert_true(names is not None, "a bad argument should raise ValueError, but a value was returned")
        assert_true("ValueError" in names, "a bad argument should raise ValueError, another error was raised")


def with_decay(decay, hyper):
    """The keywords of a step; the oracle takes the decay apart from its rule."""
    return {**hyper, "weight_decay": decay} if decay else hyper


def is_plain(state):
    if isinstance(state, dict):
        return all(is_plain(item) for item in state.values())
    if isinstance(state, (tuple, list)):
        return all(is_plain(item) for item in state)
    return state is None or isinstance(state, (bool, int, float, str, np.generic, np.ndarray))


def apart(a, b):
    """Whether two weights differ by more than rounding somewhere: a rule that does nothing shows no property."""
    return bool(np.max(np.abs(np.asarray(a) - np.asarray(b))) > 1e-6)


# Three of the four below compare the submission with itself in two situations, so that a slip in the formula does not
# cost these points as well; each demands that the weights move, so that a rule which does nothing earns none.


@in_worker
def walk_in_turn(step, w_a, gs_a, w_b, gs_b, keywords):
    """Both weights after each of three steps, the state of the first, and what it was after one step.

    From there the first goes on with its fourth gradient: with the stored state, and with none.
    """
    import copy

    a, b, state_a, state_b, steps = w_a, w_b, None, None, []
    for t in range(3):
        a, state_a = step(a, gs_a[t], state_a, lr=0.1, **keywords)
        a = np.array(a)
        b, state_b = step(b, gs_b[t], state_b, lr=0.1, **keywords)
        b = np.array(b)
        steps.append((a.copy(), b.copy()))
        if t == 0:
            w, stored, snapshot = a.copy(), state_a, copy.deepcopy(state_a)
    again = copy.deepcopy(step(w.copy(), gs_a[3].copy(), stored, lr=0.1, **keywords)[0])
    forgetful, _ = step(w.copy(), gs_a[3].copy(), None, lr=0.1, **keywords)
    return steps, state_a, (w, snapshot), again, forgetful


def check_memory(step, rng, **keywords):
    """Two weights in turn, then one of them again from a state stored before, each as if it were alone."""
    (w_a, gs_a), (w_b, gs_b) = drawn(rng, 4, zero_step=False), drawn(rng, 3, (2, 3, 4), zero_step=False)
    cases = [(w_a, gs_a[:3], 0.1, keywords), (w_b.copy(), gs_b, 0.1, keywords)]
    alone_a, alone_b, (_, alone) = runs(step, [*cases, (w_a.copy(), gs_a[[0, 3]], 0.1, keywords)])
    steps, state, (w, stored), again, forgetful = walk_in_turn(step, w_a, gs_a, w_b, gs_b, keywords)
    for t, (a, b) in enumerate(steps):
        assert_close(a, alone_a[t], atol=ATOL, name=f"the first of two weights after step {t + 1}")
        assert_close(b, alone_b[t], atol=ATOL, name=f"the second of two weights after step {t + 1}")
    assert_true(is_plain(state), "the state is None, or numbers and arrays in tuples, lists, dicts or dataclasses")
    assert_close(again, alone, atol=ATOL, name="w, going on from a stored state")
    again, _ = step(w, gs_a[3], fresh(stored), lr=0.1, **keywords)
    assert_close(again, alone, atol=ATOL, name="w, going on from a copy of a stored state")
    assert_true(apart(forgetful, alone), "the second step depends on the state of the first")


@in_worker
def reuse_one_gradient_array(module, rule, w, gs, keywords):
    step, g, first, state, path = getattr(module, rule), np.empty_like(gs[0]), w, None, []
    for values in gs:
        g[...] = values
        w, state = step(w, g, state, **keywords)
        path.append(np.array(w))
    return path, first, g


def check_purity(submission, name, rule, rng, lr=0.1, decay=0.0, **hyper):
    """Arguments as they were, no shared memory, and the right path when the caller fills one gradient array again."""
    step, keywords = getattr(submission, name), with_decay(decay, hyper)
    w, gs = drawn(rng, 3, zero_step=False)
    path_start, path = w, run(step, w, gs, lr, **keywords)
    reused, w_after, g_after = reuse_one_gradient_array(submission, name, w, gs, {"lr": lr, **keywords})
    assert_close(w_after, w, atol=0, name="the array of weights that was passed in, afterwards,")
    assert_close(g_after, gs[-1], atol=0, name="the gradient array that was passed in, afterwards,")
    assert_close(reused, path, atol=ATOL, name="w, when the caller reuses the gradient array,")
    state = None
    for g, expected in zip(gs, path, strict=True):
        seen = observe(step)(w, g, state, lr=lr, **keywords)
        changed = {path[0] for path in seen.changed}
        assert_true(not changed & {"0", "1"}, "weights and gradient that were passed in stay as they were")
        shared = {argument[0] for _, argument in seen.aliases}
        assert_true("0" not in shared, "what is returned shares no memory with the old weights")
        assert_true("1" not in shared, "what is returned shares no memory with the gradient")
        assert_true(not seen.used_global_random, "an optimizer draws no random numbers")
        w, state = seen.value
        assert_close(w, expected, atol=ATOL, name="w, when somebody looks on,")
    assert_close(path, descend(path_start, rule(gs, **hyper), lr, decay), atol=ATOL, name="w after each step")


def check_shapes_and_precision(step, rng, **keywords):
    """Two steps, so that the state counts as well; every element moves as it does in a flat float64 array."""
    cases, shapes = [], [(), (1,), (2, 4, 3)]
    for shape in shapes:
        w, gs = np.asarray(rng.standard_normal(shape)), rng.standard_normal((2, *shape))
        cases.append((w.reshape(-1), gs.reshape(2, -1), 0.1, keywords))
        cases.append((w.astype(np.float32), [np.asarray(g, np.float32) for g in gs], 0.1, keywords))
    w, gs = rng.standard_normal((3, 4)), rng.standard_normal((2, 3, 4))
    cases.append((noncontiguous(w), [noncontiguous(g) for g in gs], 0.1, keywords))
    paths = runs(step, [*cases, (w, gs, 0.1, keywords)])
    for i, shape in enumerate(shapes):
        flat, path = next(paths), next(paths)
        moved = all(apart(x, cases[2 * i][0]) for x in flat) and apart(*flat)
        assert_true(moved, "the weights move at every step")
        expected = [np.asarray(x).reshape(shape).astype(np.float32) for x in flat]
        # rounding is relative to the step, of length 1, even where a weight comes close to 0
        assert_close(path, expected, rtol=1e-5, atol=1e-5, name="w in float32 after steps 1, 2")
    path = next(paths)
    assert_close(path, next(paths), name="w from strided arrays after steps 1, 2")


def check_unit(step, rng, **keywords):
    """As ε goes to 0, multiplying all gradients by one constant changes nothing."""
    w, gs = drawn(rng, 4, shape=(2, 4))
    w, gs = w[:, :3], gs[..., :3]  # without the coordinate that has no gradient
    cases = [(w.copy(), factor * gs, 0.1, {"eps": NO_EPS, **keywords}) for factor in (1, 1e4, 1e-4)]
    paths = runs(step, cases)
    path = next(paths)
    assert_true(apart(path[0], w) and apart(path[1], path[0]), "the weights move at every step")
    for scaled in paths:
        assert_close(scaled, path, atol=ATOL, name="w for gradients in another unit, after each step")


def check_cost(step, rule, rng, decay=0.0, **hyper):
    counts = []
    for shape in [(3,), (2, 4, 3), (40, 30)]:
        w, gs = rng.standard_normal(shape), rng.standard_normal((1, *shape))
        counted = operations(step)(w, gs[0], None, lr=0.1, **with_decay(decay, hyper))
        assert_close(counted.value[0], descend(w, rule(gs, **hyper), 0.1, decay)[0], name="w_new")
        counts.append(counted.count)
    assert_no_growth(counts[0], max(counts))


def check_refuses(step, rng, *bad):
    """Each of `bad` is a set of keywords that must raise ValueError; so must a gradient of another shape."""
    w, g = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    still, _ = step(w, g, None, lr=0.0)
    assert_close(still, w, name="w after a step with lr = 0")
    calls = [((w, g, None), keywords) for keywords in bad]
    assert_each_refused(step, [*calls, ((w, g[0], None), {"lr": 0.1})])  # the last would broadcast


# ---- sgd


@check("sgd", points=1.5)
def test_sgd_weight_decay_adds_to_the_gradient(submission, rng):
    """Weight decay adds λ w to the gradient, so the learning rate multiplies both."""
    w, gs = drawn(rng, 6, shape=(2, 3, 4))
    cases = [(w.copy(), gs.copy(), CHANGING_LR, {"weight_decay": decay}) for decay in (0.5, 0.0)]
    for decay, path in zip((0.5, 0.0), runs(submission.sgd, cases), strict=True):
        assert_close(path, descend(w, gs, CHANGING_LR, decay), atol=ATOL, name="w after each step")


@check("sgd", points=1)
def test_sgd_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.sgd, rng, weight_decay=0.5)


@check("sgd", points=0.5)
def test_sgd_leaves_its_arguments_alone(submission, rng):
    """A step writes neither to the weights nor to the gradient and returns memory of its own."""
    check_purity(submission, "sgd", sgd_steps, rng, decay=0.5)


@check("sgd", points=0.5)
def test_sgd_refuses_bad_arguments(submission, rng):
    """A negative rate or decay and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    check_refuses(submission.sgd, rng, {"lr": -0.1}, {"lr": 0.1, "weight_decay": -0.1})


@check("sgd", points=0.5)
def test_cost_of_sgd(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.sgd, sgd_steps, rng, decay=0.5)


# ---- momentum


@check("momentum", points=2)
def test_momentum_follows_the_weighted_sum_of_all_gradients(submission, rng):
    """The velocity is the sum of all gradients so far, each weighted by β to the power of its age."""
    cases = [(*drawn(rng, count), 0.1, hyper) for hyper, count in [({"beta": 0.8}, 4), ({}, 20)]]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.momentum, cases), strict=True):
        assert_close(path, descend(w, momentum_steps(gs, **hyper), 0.1), atol=ATOL, name="w after each step")


@check("momentum", points=2)
def test_nesterov_follows_the_look_ahead_point(submission, rng):
    """Nesterov's step is the new gradient plus β times the velocity that already contains it."""
    hypers = [({"beta": 0.8, "nesterov": True}, 4), ({"nesterov": True}, 20)]
    cases = [(*drawn(rng, count), 0.1, hyper) for hyper, count in hypers]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.momentum, cases), strict=True):
        expected = descend(w, momentum_steps(gs, **hyper), 0.1)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("momentum", points=1.5)
def test_momentum_uses_a_new_learning_rate_at_once(submission, rng):
    """The velocity does not contain the learning rate, so a new rate scales all of the very next step."""
    hypers = [{"beta": 0.8, "nesterov": nesterov} for nesterov in (False, True)]
    cases = [(*drawn(rng, len(CHANGING_LR)), CHANGING_LR, hyper) for hyper in hypers]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.momentum, cases), strict=True):
        expected = descend(w, momentum_steps(gs, **hyper), CHANGING_LR)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("momentum", points=1)
def test_momentum_without_inertia_is_gradient_descent(submission, rng):
    """With β = 0 both forms of momentum are plain gradient descent."""
    cases = [(*drawn(rng, 4), 0.1, {"beta": 0.0, "nesterov": nesterov}) for nesterov in (False, True)]
    for (w, gs, *_), path in zip(cases, runs(submission.momentum, cases), strict=True):
        assert_close(path, descend(w, gs, 0.1), atol=ATOL, name="w after each step")


@check("momentum", points=1)
def test_momentum_keeps_all_memory_in_the_state(submission, rng):
    """Two arrays can be trained in turn, and a stored state can be taken up again later."""
    check_memory(submission.momentum, rng, beta=0.8)


@check("momentum", points=0.5)
def test_momentum_leaves_its_arguments_alone(submission, rng):
    """The velocity has memory of its own: the caller may reuse the gradient array before the next step."""
    check_purity(submission, "momentum", momentum_steps, rng, beta=0.8)


@check("momentum", points=0.5)
def test_momentum_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.momentum, rng, nesterov=True)


@check("momentum", points=0.5)
def test_momentum_refuses_bad_arguments(submission, rng):
    """A negative rate, β outside 0 ≤ β < 1 and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    bad = [{"lr": -0.1}, {"lr": 0.1, "beta": -0.1}, {"lr": 0.1, "beta": 1.0}]
    check_refuses(submission.momentum, rng, *bad)


@check("momentum", points=0.5)
def test_cost_of_momentum(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.momentum, momentum_steps, rng, nesterov=True)


# ---- adagrad


@check("adagrad", points=1.5)
def test_adagrad_divides_by_the_root_of_the_sum_of_squares(submission, rng):
    """Each coordinate is divided by the root of the sum of all its squared gradients."""
    cases = [(*drawn(rng, count), lr, {"eps": NO_EPS}) for count, lr in [(4, 0.1), (20, 0.1), (6, CHANGING_LR)]]
    for (w, gs, lr, _), path in zip(cases, runs(submission.adagrad, cases), strict=True):
        assert_close(path, descend(w, adagrad_steps(gs, NO_EPS), lr), atol=ATOL, name="w after each step")


@check("adagrad", points=1)
def test_adagrad_adds_eps_to_the_root(submission, rng):
    """ε is added after the root is taken; its default is 1e-10."""
    cases = []
    for hyper, size in [({"eps": 0.1}, 1.0), ({"eps": 1e-3}, 1.0), ({"eps": 1e-8}, 1.0), ({}, 1e-9)]:
        w, gs = drawn(rng, 4)
        cases.append((w, size * gs, 0.1, hyper))
    for (w, gs, _, hyper), path in zip(cases, runs(submission.adagrad, cases), strict=True):
        expected = descend(w, adagrad_steps(gs, **hyper), 0.1)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adagrad", points=1)
def test_adagrad_ignores_the_unit_of_the_loss(submission, rng):
    """As ε goes to 0, multiplying all gradients by one constant changes nothing."""
    check_unit(submission.adagrad, rng)


@check("adagrad", points=1)
def test_adagrad_keeps_all_memory_in_the_state(submission, rng):
    """Two arrays can be trained in turn, and a stored state can be taken up again later."""
    check_memory(submission.adagrad, rng, eps=1e-3)


@check("adagrad", points=0.5)
def test_adagrad_leaves_its_arguments_alone(submission, rng):
    """A step writes neither to the weights nor to the gradient, and the state has memory of its own."""
    check_purity(submission, "adagrad", adagrad_steps, rng, eps=1e-3)


@check("adagrad", points=0.5)
def test_adagrad_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.adagrad, rng, eps=1e-3)


@check("adagrad", points=0.5)
def test_adagrad_refuses_bad_arguments(submission, rng):
    """A negative rate or ε and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    check_refuses(submission.adagrad, rng, {"lr": -0.1}, {"lr": 0.1, "eps": -1e-8})


@check("adagrad", points=0.5)
def test_cost_of_adagrad(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.adagrad, adagrad_steps, rng, eps=NO_EPS)


# ---- rmsprop


@check("rmsprop", points=1.5)
def test_rmsprop_forgets_old_squares(submission, rng):
    """The average of squares weighs each squared gradient by (1 − α) α to the power of its age."""
    settings = [(0.8, 4, 0.1), (0.95, 20, 0.1), (0.0, 3, 0.1), (0.9, 6, CHANGING_LR)]
    cases = [(*drawn(rng, count), lr, {"alpha": alpha, "eps": NO_EPS}) for alpha, count, lr in settings]
    for (w, gs, lr, hyper), path in zip(cases, runs(submission.rmsprop, cases), strict=True):
        expected = descend(w, rmsprop_steps(gs, **hyper), lr)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("rmsprop", points=1)
def test_rmsprop_adds_eps_to_the_root(submission, rng):
    """ε is added after the root is taken; its default is 1e-8, and that of α is 0.99."""
    cases = [(*drawn(rng, 4), 0.1, hyper) for hyper in ({"eps": 0.1}, {"eps": 1e-3}, {})]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.rmsprop, cases), strict=True):
        assert_close(path, descend(w, rmsprop_steps(gs, **hyper), 0.1), atol=ATOL, name="w after each step")


@check("rmsprop", points=2)
def test_centered_rmsprop_follows_the_variance(submission, rng):
    """The centred form divides by the root of the average square minus the squared average."""
    cases = []
    for alpha, eps, count in [(0.8, NO_EPS, 4), (0.95, NO_EPS, 20), (0.9, 0.1, 4)]:
        cases.append((*drawn(rng, count), 0.1, {"alpha": alpha, "eps": eps, "centered": True}))
    for (w, gs, _, hyper), path in zip(cases, runs(submission.rmsprop, cases), strict=True):
        expected = descend(w, rmsprop_steps(gs, **hyper), 0.1)
        assert_close(path, expected, rtol=1e-8, atol=ATOL, name="w after each step")  # v − m² cancels


@check("rmsprop", points=1)
def test_rmsprop_ignores_the_unit_of_the_loss(submission, rng):
    """As ε goes to 0, multiplying all gradients by one constant changes nothing."""
    check_unit(submission.rmsprop, rng, alpha=0.9)


@check("rmsprop", points=1)
def test_rmsprop_keeps_all_memory_in_the_state(submission, rng):
    """Two arrays can be trained in turn, and a stored state can be taken up again later."""
    check_memory(submission.rmsprop, rng, alpha=0.8, eps=NO_EPS, centered=True)


@check("rmsprop", points=0.5)
def test_rmsprop_leaves_its_arguments_alone(submission, rng):
    """A step writes neither to the weights nor to the gradient, and the state has memory of its own."""
    check_purity(submission, "rmsprop", rmsprop_steps, rng, alpha=0.8, centered=True)


@check("rmsprop", points=0.5)
def test_rmsprop_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.rmsprop, rng, alpha=0.9, eps=1e-3)


@check("rmsprop", points=0.5)
def test_rmsprop_refuses_bad_arguments(submission, rng):
    """A negative rate or ε, α outside 0 ≤ α < 1 and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    bad = [{"lr": -0.1}, {"lr": 0.1, "eps": -1e-8}, {"lr": 0.1, "alpha": -0.1}, {"lr": 0.1, "alpha": 1.0}]
    check_refuses(submission.rmsprop, rng, *bad)


@check("rmsprop", points=0.5)
def test_cost_of_rmsprop(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.rmsprop, rmsprop_steps, rng, eps=NO_EPS, centered=True)


# ---- adadelta


@check("adadelta", points=3)
def test_adadelta_matches_units_of_updates_and_gradients(submission, rng):
    """Each step is the gradient times a ratio of running roots: of past updates above, of gradients below."""
    hypers = [({"rho": 0.75, "eps": 0.1}, 4), ({"rho": 0.8, "eps": 1e-3}, 6), ({"rho": 0.95, "eps": 1e-8}, 20)]
    cases = [(*drawn(rng, count), 1.0, hyper) for hyper, count in hypers]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.adadelta, cases), strict=True):
        assert_close(path, descend(w, adadelta_steps(gs, **hyper), 1.0), atol=ATOL, name="w after each step")


@check("adadelta", points=1.5)
def test_adadelta_learning_rate_scales_the_step_only(submission, rng):
    """The learning rate multiplies the finished update; the average of updates never sees it."""
    cases = [(*drawn(rng, 6), lr, {"rho": 0.8, "eps": 1e-3}) for lr in ([0.5] * 6, CHANGING_LR)]
    for (w, gs, lr, _), path in zip(cases, runs(submission.adadelta, cases), strict=True):
        expected = descend(w, adadelta_steps(gs, rho=0.8, eps=1e-3), lr)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adadelta", points=1)
def test_adadelta_runs_on_its_defaults(submission, rng):
    """Without any keyword the rule uses lr = 1, ρ = 0.9 and ε = 1e-6."""
    w, gs = drawn(rng, 6)
    path = run(submission.adadelta, w, gs, None)
    assert_close(path, descend(w, adadelta_steps(gs), 1.0), atol=ATOL, name="w after each step")


@check("adadelta", points=1.5)
def test_adadelta_keeps_all_memory_in_the_state(submission, rng):
    """Two arrays can be trained in turn, and a stored state can be taken up again later."""
    check_memory(submission.adadelta, rng, rho=0.8, eps=1e-3)


@check("adadelta", points=1)
def test_adadelta_leaves_its_arguments_alone(submission, rng):
    """A step writes neither to the weights nor to the gradient, and the state has memory of its own."""
    check_purity(submission, "adadelta", adadelta_steps, rng, lr=1.0, eps=1e-3)


@check("adadelta", points=1)
def test_adadelta_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.adadelta, rng, eps=1e-3)


@check("adadelta", points=0.5)
def test_adadelta_refuses_bad_arguments(submission, rng):
    """A negative rate or ε, ρ outside 0 ≤ ρ < 1 and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    check_refuses(submission.adadelta, rng, {"lr": -0.1}, {"eps": -1e-8}, {"rho": -0.1}, {"rho": 1.0})


@check("adadelta", points=0.5)
def test_cost_of_adadelta(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.adadelta, adadelta_steps, rng)


# ---- adam


@check("adam", points=3)
def test_adam_adds_eps_after_bias_correction(submission, rng):
    """Both averages are divided by the sum of their weights, then the root is taken, then ε is added."""
    cases = [(*drawn(rng, count), 0.1, {"eps": eps}) for eps, count in [(0.1, 4), (1e-3, 6), (1e-8, 20)]]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.adam, cases), strict=True):
        assert_close(path, descend(w, adam_steps(gs, **hyper), 0.1), atol=ATOL, name="w after each step")


@check("adam", points=1.5)
def test_adam_gives_each_average_its_own_beta(submission, rng):
    """The first β belongs to the average of gradients, the second to that of squares; either may be 0."""
    cases = []
    for betas in [(0.5, 0.8), (0.8, 0.5), (0.0, 0.9), (0.9, 0.0)]:
        cases.append((*drawn(rng, 4, zero_step=False), 0.1, {"betas": betas, "eps": NO_EPS}))
    for (w, gs, _, hyper), path in zip(cases, runs(submission.adam, cases), strict=True):
        expected = descend(w, adam_steps(gs, **hyper), 0.1)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adam", points=0.5)
def test_adam_runs_on_its_defaults(submission, rng):
    """Without keywords other than lr the rule uses β₁ = 0.9, β₂ = 0.999 and ε = 1e-8."""
    w, gs = drawn(rng, 6)
    path = run(submission.adam, w, gs, 0.1)
    assert_close(path, descend(w, adam_steps(gs), 0.1), atol=ATOL, name="w after each step")


@check("adam", points=1)
def test_adam_uses_a_new_learning_rate_at_once(submission, rng):
    """The averages do not contain the learning rate, so a new rate scales the very next step."""
    w, gs = drawn(rng, len(CHANGING_LR))
    path = run(submission.adam, w, gs, CHANGING_LR, betas=(0.8, 0.9), eps=NO_EPS)
    expected = descend(w, adam_steps(gs, (0.8, 0.9), NO_EPS), CHANGING_LR)
    assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adam", points=1)
def test_adam_ignores_the_unit_of_the_loss(submission, rng):
    """As ε goes to 0, multiplying all gradients by one constant changes nothing."""
    check_unit(submission.adam, rng)


@check("adam", points=1.5)
def test_adam_keeps_all_memory_in_the_state(submission, rng):
    """The step count too belongs to the state: arrays in turn and stored states each have their own t."""
    check_memory(submission.adam, rng, betas=(0.8, 0.9), eps=1e-3)


@check("adam", points=1)
def test_adam_leaves_its_arguments_alone(submission, rng):
    """A step writes neither to the weights nor to the gradient, and the state has memory of its own."""
    check_purity(submission, "adam", adam_steps, rng, eps=1e-3)


@check("adam", points=1)
def test_adam_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.adam, rng, eps=1e-3)


@check("adam", points=0.5)
def test_adam_refuses_bad_arguments(submission, rng):
    """A negative rate or ε, a β outside 0 ≤ β < 1 and a gradient of another shape raise ValueError; a rate of 0 is fine."""
    betas = [(-0.1, 0.9), (1.0, 0.9), (0.9, -0.1), (0.9, 1.0)]
    bad = [{"lr": 0.1, "betas": pair} for pair in betas]
    check_refuses(submission.adam, rng, {"lr": -0.1}, {"lr": 0.1, "eps": -1e-8}, *bad)


@check("adam", points=0.5)
def test_cost_of_adam(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.adam, adam_steps, rng, eps=NO_EPS)


# ---- adamw


@check("adamw", points=2)
def test_adamw_decays_beside_the_adaptive_step(submission, rng):
    """The weights shrink by 1 − lr λ, and Adam's step from the raw gradient is untouched by the decay."""
    cases, hyper = [], {"betas": (0.8, 0.9), "eps": NO_EPS}
    for decay, count in [(0.5, 4), (0.05, 20)]:
        cases.append((*drawn(rng, count), 0.1, {**hyper, "weight_decay": decay}))
    for (w, gs, _, keywords), path in zip(cases, runs(submission.adamw, cases), strict=True):
        expected = descend(w, adam_steps(gs, **hyper), 0.1, keywords["weight_decay"])
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adamw", points=0.5)
def test_adamw_adds_eps_as_adam_does(submission, rng):
    """The decay leaves ε where Adam has it: added after the bias correction and the root."""
    cases = [(*drawn(rng, 4), 0.1, {"eps": eps, "weight_decay": 0.5}) for eps in (0.1, 1e-3, 1e-8)]
    for (w, gs, _, hyper), path in zip(cases, runs(submission.adamw, cases), strict=True):
        expected = descend(w, adam_steps(gs, eps=hyper["eps"]), 0.1, decay=0.5)
        assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adamw", points=1)
def test_adamw_decay_follows_the_learning_rate(submission, rng):
    """The decay is lr λ with the rate of this very step, so a schedule for lr schedules the decay too."""
    w, gs = drawn(rng, len(CHANGING_LR))
    path = run(submission.adamw, w, gs, CHANGING_LR, eps=NO_EPS, weight_decay=0.2)
    expected = descend(w, adam_steps(gs, eps=NO_EPS), CHANGING_LR, decay=0.2)
    assert_close(path, expected, atol=ATOL, name="w after each step")


@check("adamw", points=1)
def test_adamw_without_decay_is_adam(submission, rng):
    """With λ = 0 the rule is Adam."""
    w, gs = drawn(rng, 8)
    path = run(submission.adamw, w, gs, 0.1, eps=NO_EPS, weight_decay=0.0)
    assert_close(path, descend(w, adam_steps(gs, eps=NO_EPS), 0.1), atol=ATOL, name="w after each step")


@check("adamw", points=0.5)
def test_adamw_runs_on_its_defaults(submission, rng):
    """Without keywords other than lr the rule is Adam's default with λ = 0.01."""
    w, gs = drawn(rng, 6)
    path = run(submission.adamw, w, gs, 0.1)
    assert_close(path, descend(w, adam_steps(gs), 0.1, decay=0.01), atol=ATOL, name="w after each step")


@check("adamw", points=0.5)
def test_adamw_keeps_all_memory_in_the_state(submission, rng):
    """Two arrays can be trained in turn, and a stored state can be taken up again later."""
    check_memory(submission.adamw, rng, weight_decay=0.5, betas=(0.8, 0.9), eps=1e-3)


@check("adamw", points=0.5)
def test_adamw_leaves_its_arguments_alone(submission, rng):
    """The decay makes new weights: the array that was passed in keeps its values."""
    check_purity(submission, "adamw", adam_steps, rng, decay=0.5, eps=1e-3)


@check("adamw", points=0.5)
def test_adamw_keeps_shape_and_precision(submission, rng):
    """Weights of any shape and layout are stepped, and float32 stays float32."""
    check_shapes_and_precision(submission.adamw, rng, weight_decay=0.5, eps=1e-3)


@check("adamw", points=0.5)
def test_adamw_refuses_bad_arguments(submission, rng):
    """A negative decay raises ValueError, and so does whatever Adam refuses; a rate of 0 is fine."""
    bad = [{"eps": -1e-8}, {"betas": (0.9, 1.0)}, {"weight_decay": -0.1}]
    check_refuses(submission.adamw, rng, {"lr": -0.1}, *[{"lr": 0.1, **one} for one in bad])


@check("adamw", points=0.5)
def test_cost_of_adamw(submission, rng):
    """The number of Python operations does not depend on the size of the weights."""
    check_cost(submission.adamw, adam_steps, rng, decay=0.5, eps=NO_EPS)


# ---- clip_grad_norm


def drawn_grads(rng):
    """Gradients of every rank and of mixed scale, one of them a strided view."""
    scales = {(3,): 1.0, (): 2.0, (2, 4): 1e-3, (1, 1): 3.0, (2, 3, 4): 0.5}
    grads = [np.asarray(scale * rng.standard_normal(shape)) for shape, scale in scales.items()]
    grads[2] = noncontiguous(grads[2])
    return grads


def norm_of(grads):
    return math.sqrt(math.fsum(float(x) ** 2 for g in grads for x in np.ravel(g)))


@check("clip_grad_norm", points=1)
def test_clipping_keeps_the_common_direction(submission, rng):
    """Arrays of all shapes shrink by one factor, and the norm that comes back is the one before clipping."""
    grads = drawn_grads(rng)
    before = norm_of(grads)
    for share in (0.9, 0.5, 1e-3, 0.0):
        clipped, norm = submission.clip_grad_norm(grads, share * before)
        assert_close(norm, before, name="norm")
        factor = share * before / (before + 1e-6)
        # 1e-6: whether 1e-6 is added to the norm is judged by the next check
        assert_close(clipped, [g * factor for g in grads], rtol=1e-6, name="clipped")


@check("clip_grad_norm", points=0.5)
def test_clipping_adds_a_millionth_to_the_norm(submission, rng):
    """The factor is max_norm / (norm + 1e-6), which shows when the gradients themselves are tiny."""
    grads = [1e-5 * g for g in drawn_grads(rng)]
    before = norm_of(grads)
    for share in (0.1, 0.9):
        clipped, norm = submission.clip_grad_norm(grads, share * before)
        assert_close(norm, before, name="norm")
        assert_close(clipped, [g * (share * before / (before + 1e-6)) for g in grads], name="clipped")


@check("clip_grad_norm", points=1)
def test_clipping_leaves_small_gradients_bit_identical(submission, rng):
    """Below max_norm no bit changes, yet the arrays are copies; an infinite max_norm only measures."""
    grads = drawn_grads(rng)
    before = norm_of(grads)
    for max_norm in (1.01 * before, 1e3 * before, math.inf):
        seen = observe(submission.clip_grad_norm)(grads, max_norm)
        clipped, norm = seen.value
        assert_close(norm, before, name="norm")
        assert_close(clipped, grads, rtol=0, atol=0, name="clipped")
        assert_true(not seen.aliases, "the arrays that come back are copies")


@in_worker
def clip_and_look_back(module, grads, max_norm):
    module.clip_grad_norm(grads, max_norm)
    return grads


@check("clip_grad_norm", points=0.5)
def test_clipping_writes_to_nothing(submission, rng):
    """The gradients that were passed in stay as they were."""
    grads = drawn_grads(rng)
    after = clip_and_look_back(submission, grads, 0.5 * norm_of(grads))
    assert_close(after, grads, rtol=0, atol=0, name="the list of gradients that was passed in, afterwards,")
    seen = observe(submission.clip_grad_norm)(grads, 0.5 * norm_of(grads))
    norm = norm_of(grads)
    assert_close(seen.value[1], norm, name="norm")
    assert_close(seen.value[0], [0.5 * norm / (norm + 1e-6) * g for g in grads], name="clipped")
    assert_true(not seen.changed, "the gradients that were passed in stay as they were")
    assert_true(not seen.aliases, "the arrays that come back are memory of their own")


@check("clip_grad_norm", points=0.5)
def test_clipping_accepts_nothing_and_zeros(submission):
    """A norm of 0 divides nothing by zero, and an empty list has the norm 0."""
    zeros = [np.zeros(3), np.zeros((2, 4))]
    clipped, norm = submission.clip_grad_norm(zeros, 1.0)
    assert_close(norm, 0.0, name="norm of zeros")
    assert_close(clipped, zeros, name="clipped zeros")
    clipped, norm = submission.clip_grad_norm([], 1.0)
    assert_close(norm, 0.0, name="norm of an empty list")
    assert_close(clipped, [], name="clipped empty list")
    ones = [np.ones(3), np.zeros(2)]
    clipped, norm = submission.clip_grad_norm(ones, 2.0)
    assert_close(norm, math.sqrt(3), name="norm of ones and zeros")
    assert_close(clipped, ones, name="clipped ones and zeros")


@check("clip_grad_norm", points=0.5)
def test_clipping_keeps_each_precision(submission, rng):
    """Every array keeps its own precision, clipped or not."""
    grads = [rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal(4)]
    before = norm_of(grads)
    for share in (0.5, 2.0):
        clipped, norm = submission.clip_grad_norm(grads, share * before)
        assert_close(norm, before, rtol=1e-6, name="norm")  # the sum of squares may be taken in float32
        factor = min(1.0, share * before / (before + 1e-6))
        narrow, wide = clipped
        assert_close(narrow, (grads[0] * factor).astype(np.float32), name="the clipped float32 array")
        assert_close(wide, grads[1] * factor, rtol=1e-6, name="the clipped float64 array")


@check("clip_grad_norm", points=0.5)
def test_clipping_refuses_a_negative_norm(submission, rng):
    """A negative max_norm would turn the gradients around: it raises ValueError; 0 is allowed."""
    grads = [rng.standard_normal(3)]
    clipped, _ = submission.clip_grad_norm(grads, 0.0)
    assert_close(clipped, [np.zeros(3)], name="clipped to a norm of 0")
    assert_raises(ValueError, submission.clip_grad_norm, grads, -1.0)
    clipped, norm = submission.clip_grad_norm(grads, 100.0)
    assert_close(norm, norm_of(grads), name="norm")
    assert_close(clipped, grads, name="clipped to a large norm")


@check("clip_grad_norm", points=0.5)
def test_cost_of_clipping(submission, rng):
    """The number of Python operations depends on the number of arrays, not on their sizes."""
    counts = []
    for shape in [(3,), (2, 4, 3), (40, 30)]:
        grads = [rng.standard_normal(shape), rng.standard_normal(shape[:1])]
        before = norm_of(grads)
        counted = operations(submission.clip_grad_norm)(grads, 0.5 * before)
        factor = 0.5 * before / (before + 1e-6)
        assert_close(counted.value[0], [g * factor for g in grads], rtol=1e-6, name="clipped")
        counts.append(counted.count)
    assert_no_growth(counts[0], max(counts))


# ---- lr_at


@in_worker
def rates_at(lr_at, schedules):
    """The rates of each (steps, schedule)."""
    return [[lr_at(step, **schedule) for step in steps] for steps, schedule in schedules]


def rates_of(submission, steps, **schedule):
    """The rates at these steps of one schedule."""
    (rates,) = rates_at(submission.lr_at, [(list(steps), schedule)])
    return rates


@check("lr_at", points=1)
def test_schedule_warms_up_in_equal_steps(submission):
    """During the warm-up the rate is base · step / warmup, whatever the floor is."""
    for warmup, base, floor in [(1, 0.3, 0.0), (4, 0.3, 0.0), (7, 2.0, 0.5)]:
        schedule = {"total": 20, "warmup": warmup, "base": base, "floor": floor}
        rates = rates_of(submission, range(warmup), **schedule)
        assert_close(rates, [base * step / warmup for step in range(warmup)], atol=1e-14, name="rates")


@check("lr_at", points=2)
def test_schedule_falls_along_half_a_cosine(submission):
    """After the warm-up the rate goes from base to floor along half a period of the cosine."""
    for total, warmup, base, floor in [(10, 2, 0.3, 0.0), (23, 6, 2.0, 0.5), (5, 1, 0.4, 0.4)]:
        schedule = {"total": total, "warmup": warmup, "base": base, "floor": floor}
        steps = range(warmup, total + 1)
        rates = rates_of(submission, steps, **schedule)
        angles = [0.5 * math.pi * (step - warmup) / (total - warmup) for step in steps]
        expected = [base * math.cos(angle) ** 2 + floor * math.sin(angle) ** 2 for angle in angles]
        assert_close(rates, expected, atol=1e-14, name="rates")


@check("lr_at", points=1)
def test_schedule_without_warm_up_starts_at_base(submission):
    """With warmup = 0 the first rate is base, and nothing is divided by zero."""
    rates = rates_of(submission, range(5), total=4, warmup=0, base=0.5, floor=0.1)
    expected = [0.1 + 0.4 * math.cos(0.125 * math.pi * step) ** 2 for step in range(5)]
    assert_close(rates, expected, atol=1e-14, name="rates")


@check("lr_at", points=1)
def test_schedule_may_be_all_warm_up(submission):
    """With warmup = total the rate climbs until the end and then is the floor, without a division by zero."""
    for total in (1, 5):
        schedule = {"total": total, "warmup": total, "base": 0.5, "floor": 0.1}
        rates = rates_of(submission, range(total + 1), **schedule)
        assert_close(rates, [0.5 * step / total for step in range(total)] + [0.1], atol=1e-14, name="rates")


@check("lr_at", points=0.5)
def test_schedule_stays_at_the_floor(submission):
    """From step total on the rate stays at the floor and does not follow the cosine up again."""
    for rate in rates_of(submission, (20, 21, 33, 400), total=20, warmup=5, base=0.5, floor=0.1):
        assert_close(rate, 0.1, atol=1e-14, name="rate after the end")
    (before,) = rates_of(submission, (10,), total=15, warmup=5, base=0.5, floor=0.1)
    assert_close(before, 0.3, atol=1e-14, name="rate half-way to the end")


@check("lr_at", points=0.5)
def test_schedule_falls_to_zero_by_default(submission):
    """Without a floor the rate ends at 0."""
    rates = rates_of(submission, (4, 6, 7), total=6, warmup=2, base=0.5)
    assert_close(rates, [0.25, 0.0, 0.0], atol=1e-14, name="rates")


@check("lr_at", points=0.5)
def test_schedule_refuses_bad_arguments(submission):
    """Negative steps, an empty schedule, too long a warm-up and a floor outside 0 … base raise ValueError."""
    good = {"total": 10, "warmup": 2, "base": 0.5, "floor": 0.1}
    changes = [{"total": 0, "warmup": 0}, {"warmup": -1}, {"warmup": 11}, {"floor": -0.1}, {"floor": 0.6}]
    assert_each_refused(submission.lr_at, [((1,), good | change) for change in changes] + [((-1,), good)])
    assert_close(submission.lr_at(1, **good), 0.25, name="rate of a good schedule")
