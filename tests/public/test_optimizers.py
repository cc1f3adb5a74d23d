"""Public checks of the optimizers: each can be followed with pencil and paper."""

import math

import numpy as np

from grader.checks import assert_close, assert_true, check, in_worker

SHAPES = [(), (3,), (2, 4, 3)]


@in_worker
def walk(step, w, gradients, hyper):
    import copy

    state, path = None, []
    for g in gradients:
        w, state = step(w, g, state, **hyper)
        path.append(copy.deepcopy(w))
        w = np.array(w)
    return path


def run(step, w, gradients, **hyper):
    """The weights after each step, in one trip to the worker."""
    return walk(step, w, [g.copy() for g in gradients], hyper)


@in_worker
def rates_at(lr_at, steps, schedule):
    return [lr_at(step, **schedule) for step in steps]


@check("sgd", points=2)
def test_sgd_steps_against_the_gradient(submission, rng):
    """One step of gradient descent moves the weights by the learning rate times the negative gradient."""
    for shape in SHAPES:
        w, g = np.asarray(rng.standard_normal(shape)), np.asarray(rng.standard_normal(shape))
        w_new, _ = submission.sgd(w, g, None, lr=0.25)
        assert_close(w_new, w - 0.25 * g, name="w_new")


@check("momentum", points=2)
def test_momentum_velocity_adds_up(submission, rng):
    """Under a constant gradient g the velocities are g, (1 + β) g, (1 + β + β²) g; steps use the new one."""
    w, g = rng.standard_normal(3), rng.standard_normal(3)
    path = run(submission.momentum, w, [g, g, g], lr=0.1, beta=0.8)
    travelled = [1.0, 1.0 + 1.8, 1.0 + 1.8 + 2.44]  # sums of the velocities, in units of g
    assert_close(path, [w - 0.1 * s * g for s in travelled], name="w after steps 1, 2, 3")


@check("momentum", points=2.5)
def test_nesterov_looks_one_velocity_ahead(submission, rng):
    """Nesterov's step adds β times the new velocity to the gradient, so its first step is lr (1 + β) g."""
    w, g = rng.standard_normal(3), rng.standard_normal(3)
    path = run(submission.momentum, w, [g, g], lr=0.1, beta=0.8, nesterov=True)
    travelled = [1.8, 1.8 + 2.44]  # g + β·1g, then g + β·1.8g
    assert_close(path, [w - 0.1 * s * g for s in travelled], name="w after steps 1, 2")


@check("adagrad", points=2)
def test_adagrad_first_step_ignores_the_scale_of_the_gradient(submission, rng):
    """Adagrad's first step has length lr in every coordinate, however steep or flat the loss is there."""
    w, g = rng.standard_normal(3), np.array([10.0, -0.1, 1e-3])
    w_new, _ = submission.adagrad(w, g, None, lr=0.1, eps=0.0)
    assert_close(w_new, w - 0.1 * np.sign(g), name="w_new")


@check("adagrad", points=1.5)
def test_adagrad_steps_shrink_like_one_over_root_t(submission, rng):
    """Under a constant gradient Adagrad's t-th step is lr/√t, because G adds up and never forgets."""
    w, g = rng.standard_normal(2), np.array([2.0, -0.5])
    path = run(submission.adagrad, w, [g] * 4, lr=0.1, eps=0.0)
    travelled = np.cumsum([1 / math.sqrt(t) for t in (1, 2, 3, 4)])
    assert_close(path, [w - 0.1 * s * np.sign(g) for s in travelled], name="w after steps 1 to 4")


@check("rmsprop", points=2)
def test_rmsprop_divides_by_the_root_of_the_average_square(submission, rng):
    """Under a constant gradient g the average of squares is (1 − αᵗ) g², and ε is added to its root."""
    w, g = rng.standard_normal(3), np.array([2.0, -0.5, 0.01])
    path = run(submission.rmsprop, w, [g] * 3, lr=0.1, alpha=0.75, eps=0.1)
    expected, here = [], w
    for average in (0.25, 0.4375, 0.578125):  # 1 − αᵗ
        here = here - 0.1 * g / (math.sqrt(average) * np.abs(g) + 0.1)
        expected.append(here)
    assert_close(path, expected, name="w after steps 1, 2, 3")


@check("rmsprop", points=1.5)
def test_centered_rmsprop_divides_by_a_standard_deviation(submission, rng):
    """The centred form subtracts the squared average gradient from the average square before the root."""
    w, g = rng.standard_normal(2), np.array([3.0, -0.2])
    path = run(submission.rmsprop, w, [g, -g], lr=0.1, alpha=0.75, eps=0.0, centered=True)
    first = w - 0.1 * np.sign(g) / math.sqrt(0.25 - 0.25**2)  # v = g²/4, m = g/4
    second = first + 0.1 * np.sign(g) / math.sqrt(0.4375 - 0.0625**2)  # v = 7g²/16, m = −g/16
    assert_close(path, [first, second], name="w after steps 1, 2")


@check("adadelta", points=2)
def test_adadelta_starts_with_the_root_of_eps(submission, rng):
    """Before any update is known Adadelta's numerator is √ε, and ε also stands inside the root below."""
    w, g = rng.standard_normal(3), np.array([2.0, -0.5, 0.01])
    w_new, _ = submission.adadelta(w, g, None, rho=0.75, eps=0.04)
    assert_close(w_new, w - 0.2 * g / np.sqrt(0.25 * g**2 + 0.04), name="w_new")


@check("adadelta", points=2)
def test_adadelta_second_step_uses_the_first_update(submission, rng):
    """The second step's numerator is the root of the averaged squared *updates* before this step."""
    w, g = rng.standard_normal(3), np.array([2.0, -0.5, 0.01])
    path = run(submission.adadelta, w, [g, g], rho=0.75, eps=0.04)
    update1 = 0.2 * g / np.sqrt(0.25 * g**2 + 0.04)
    update2 = np.sqrt(0.25 * update1**2 + 0.04) * g / np.sqrt((0.25 + 0.75 * 0.25) * g**2 + 0.04)
    assert_close(path, [w - update1, w - update1 - update2], name="w after steps 1, 2")


@check("adam", points=2.5)
def test_adam_first_step_is_lr_in_every_coordinate(submission, rng):
    """After bias correction Adam's first step is −lr g / (|g| + ε), whatever β₁ and β₂ are."""
    w, g = rng.standard_normal(3), np.array([10.0, -0.1, 1e-3])
    for betas in [(0.9, 0.999), (0.5, 0.8)]:
        w_new, _ = submission.adam(w, g, None, lr=0.1, betas=betas, eps=1e-3)
        assert_close(w_new, w - 0.1 * g / (np.abs(g) + 1e-3), name="w_new")


@check("adam", points=2)
def test_adam_keeps_its_pace_under_a_constant_gradient(submission, rng):
    """While the gradient stays the same m̂ = g and v̂ = g², so every step of Adam is as long as the first."""
    w, g = rng.standard_normal(3), np.array([10.0, -0.1, 1e-3])
    path = run(submission.adam, w, [g] * 5, lr=0.1, betas=(0.9, 0.98), eps=0.0)
    one_step = 0.1 * np.sign(g)
    assert_close(path, [w - t * one_step for t in (1, 2, 3, 4, 5)], name="w after steps 1 to 5")


@check("adamw", points=2.5)
def test_adamw_decays_the_weights_even_without_a_gradient(submission, rng):
    """With a zero gradient AdamW multiplies the weights by 1 − lr λ in every step and does nothing else."""
    w, zero = rng.standard_normal(3), np.zeros(3)
    path = run(submission.adamw, w, [zero] * 3, lr=0.1, weight_decay=0.5)
    assert_close(path, [0.95 * w, 0.95**2 * w, 0.95**3 * w], name="w after steps 1, 2, 3")


@check("clip_grad_norm", points=2)
def test_clipping_uses_one_norm_over_all_arrays(submission):
    """Clipping scales every array by the same factor, so that their common norm becomes max_norm."""
    grads = [np.array([1.0, 2.0, -2.0]), np.array([[0.0], [4.0]])]  # norms 3 and 4, together 5
    clipped, norm = submission.clip_grad_norm(grads, 2.5)
    assert_close(norm, 5.0, name="norm")
    factor = 2.5 / (5.0 + 1e-6)
    # 1e-6: whether 1e-6 is added to the norm is judged elsewhere
    assert_close(clipped, [factor * grads[0], factor * grads[1]], rtol=1e-6, name="clipped")


@check("clip_grad_norm", points=1)
def test_clipping_never_enlarges(submission):
    """Gradients whose common norm is below max_norm come back as they are."""
    grads = [np.array([1.0, 2.0, -2.0]), np.array([[0.0], [4.0]])]
    clipped, norm = submission.clip_grad_norm(grads, 50.0)
    assert_close(norm, 5.0, name="norm")
    assert_close(clipped, grads, name="clipped")


@check("lr_at", points=2.5)
def test_schedule_meets_its_corner_points(submission):
    """The rate is 0 at first, base when the warm-up ends, halfway down in the middle, floor at the end."""
    schedule = {"total": 110, "warmup": 10, "base": 0.4, "floor": 0.1}
    corners = {0: 0.0, 10: 0.4, 60: 0.25, 110: 0.1}
    rates = rates_at(submission.lr_at, list(corners), schedule)
    for (step, expected), rate in zip(corners.items(), rates, strict=True):
        assert_close(rate, expected, atol=1e-12, name=f"rate at step {step}")


@check("lr_at", points=1)
def test_schedule_never_rises_after_the_warm_up(submission):
    """The rate grows during the warm-up and falls from its end to the last step."""
    rates = rates_at(submission.lr_at, list(range(13)), {"total": 12, "warmup": 4, "base": 0.4})
    rises = [rates[i + 1] > rates[i] for i in range(12)]
    assert_true(all(rises[:4]), "the rate rises at every step of the warm-up")
    assert_true(not any(rises[4:]), "the rate never rises after the warm-up")
