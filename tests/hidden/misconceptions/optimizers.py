"""Wrong optimizers, each with the sentence that a student who wrote it should read."""

import math

import numpy as np

from grader.checks import misconception


def zeros(w, state, count):
    """The arrays of a state, zero before the first step."""
    return tuple(np.zeros_like(w) for _ in range(count)) if state is None else state


# ---- sgd


@misconception(
    "op13",
    "The gradient points uphill; a step goes against it.",
    caught_by="test_sgd_steps_against_the_gradient",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    return w + lr * (g + weight_decay * w), state


@misconception(
    "op14",
    "Decay belongs to the gradient, g + λ w, so the learning rate multiplies it too.",
    caught_by="test_sgd_weight_decay_adds_to_the_gradient",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    return w - lr * g - weight_decay * w, state


@misconception(
    "op14",
    "The gradient of the penalty is taken where the step starts; you decay the weights after the step.",
    caught_by="test_sgd_weight_decay_adds_to_the_gradient",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    return (w - lr * g) * (1 - lr * weight_decay), state


@misconception(
    "op14",
    "The penalty is (λ/2)‖w‖², so its gradient is λ w; without the ½ in the penalty it comes out twice as large.",
    caught_by="test_sgd_weight_decay_adds_to_the_gradient",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    return w - lr * (g + 2 * weight_decay * w), state


@misconception(
    "op39",
    "`w -= …` changes the caller's array; compute a new one.",
    caught_by="test_sgd_leaves_its_arguments_alone",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    w -= lr * (g + weight_decay * w)
    return w, state


@misconception(
    "op39",
    "`g += λ w` changes the caller's gradient; compute a new one.",
    caught_by="test_sgd_leaves_its_arguments_alone",
)
def sgd(w, g, state, *, lr, weight_decay=0.0):
    g += weight_decay * w
    return w - lr * g, state


# ---- momentum


@misconception(
    "op8",
    "g + β v_old *is* the new velocity, so this is plain momentum; Nesterov's form looks ahead with the new one.",
    caught_by="test_nesterov_looks_one_velocity_ahead",
    twins=("op9",),
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    v_new = beta * v + g
    return w - lr * (g + beta * v if nesterov else v_new), (v_new,)


@misconception(
    "op8",
    "The look-ahead adds β v to the gradient, not to the velocity: v already holds the gradient.",
    caught_by="test_nesterov_looks_one_velocity_ahead",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    v = beta * v + g
    return w - lr * (v + beta * v if nesterov else v), (v,)


@misconception(
    "op8",
    "The velocity that is stored is β v + g in both forms; the look-ahead belongs to the step alone.",
    caught_by="test_nesterov_looks_one_velocity_ahead",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    v = beta * v + g
    v = g + beta * v if nesterov else v
    return w - lr * v, (v,)


@misconception(
    "op9",
    "That is the damped convention: the factor 1 − β makes the steps 1/(1 − β) times shorter, 10 times at β = 0.9.",
    caught_by="test_momentum_velocity_adds_up",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    v = beta * v + (1 - beta) * g
    return w - lr * (g + beta * v if nesterov else v), (v,)


@misconception(
    "op9",
    "The step must use the new velocity; yours uses the one from before this gradient.",
    caught_by="test_momentum_velocity_adds_up",
    twins=("op8",),
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    return w - lr * (g + beta * v if nesterov else v), (beta * v + g,)


@misconception(
    "op15",
    "The learning rate is inside the velocity, so old steps keep their old rate when the rate changes.",
    caught_by="test_momentum_uses_a_new_learning_rate_at_once",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    (v,) = zeros(w, state, 1)
    v = beta * v + lr * g
    return w - (lr * g + beta * v if nesterov else v), (v,)


@misconception(
    "op16",
    "The old velocity is overwritten in place, so a caller who stored that state finds it changed.",
    caught_by="test_momentum_keeps_all_memory_in_the_state",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    state = {"v": np.zeros(w.shape, w.dtype)} if state is None else state
    v = state["v"]
    v *= beta
    v += g
    return w - lr * (g + beta * v if nesterov else v), state


@misconception(
    "op17",
    "The first velocity is the gradient array itself; when the caller fills that array again, your velocity changes.",
    caught_by="test_momentum_leaves_its_arguments_alone",
)
def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    v = g if state is None else beta * state["v"] + g
    return w - lr * (g + beta * v if nesterov else v), {"v": v}


# ---- adagrad


@misconception(
    "op2",
    "Take the root of G: the first step must not depend on the gradient's scale.",
    caught_by="test_adagrad_first_step_ignores_the_scale_of_the_gradient",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    (G,) = zeros(w, state, 1)
    G = G + g**2
    return w - lr * g / (G + eps), (G,)


@misconception(
    "op18",
    "ε is inside the root, where it acts like √ε; here it is added to the root.",
    caught_by="test_adagrad_adds_eps_to_the_root",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    (G,) = zeros(w, state, 1)
    G = G + g**2
    return w - lr * g / np.sqrt(G + eps), (G,)


@misconception(
    "op7",
    "Operator precedence: ε is being added to the weights.",
    caught_by="test_adagrad_adds_eps_to_the_root",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    (G,) = zeros(w, state, 1)
    G = G + g**2
    return w - lr * g / np.where(G > 0, np.sqrt(G), 1) + eps, (G,)


@misconception(
    "op19",
    "The current gradient belongs to G before you divide by its root; otherwise the first step divides by ε.",
    caught_by="test_adagrad_divides_by_the_root_of_the_sum_of_squares",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    (G,) = zeros(w, state, 1)
    return w - lr * g / (np.sqrt(G) + eps), (G + g**2,)


@misconception(
    "op20",
    "Each coordinate has its own sum of squares; one sum over the whole array gives all of them the same rate.",
    caught_by="test_adagrad_first_step_ignores_the_scale_of_the_gradient",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    (G,) = (0.0,) if state is None else state
    G = G + float(np.sum(g**2))
    return w - lr * g / (math.sqrt(G) + eps), (G,)


@misconception(
    "op21",
    "Adagrad adds squares up and never forgets; an average with a decay is RMSprop.",
    caught_by="test_adagrad_steps_shrink_like_one_over_root_t",
)
def adagrad(w, g, state, *, lr, eps=1e-10):
    G, t = (np.zeros_like(w), 0) if state is None else state
    G, t = (t * G + g**2) / (t + 1), t + 1  # the plain mean: the first step is right
    return w - lr * g / (np.sqrt(G) + eps), (G, t)


# ---- rmsprop


@misconception(
    "op1",
    "An average of squares cannot be negative: blend the old average and the new square with +.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v - (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    with np.errstate(invalid="ignore"):
        return w - lr * g / (np.sqrt(v - m**2 if centered else v) + eps), (v, m)


@misconception(
    "op2",
    "Take the root of the average square: without it the step is measured in one over the gradient's unit.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    return w - lr * g / ((v - m**2 if centered else v) + eps), (v, m)


@misconception(
    "op7",
    "Operator precedence: ε is being added to the weights.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    below = v - m**2 if centered else v
    return w - lr * g / np.where(below > 0, np.sqrt(np.maximum(below, 0)), 1) + eps, (v, m)


@misconception(
    "op18",
    "ε is inside the root, where it acts like √ε; here it is added to the root.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    return w - lr * g / np.sqrt((v - m**2 if centered else v) + eps), (v, m)


@misconception(
    "op22",
    "α weighs the past and 1 − α the new square; you have them the other way round.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = (1 - alpha) * v + alpha * g**2, (1 - alpha) * m + alpha * g
    return w - lr * g / (np.sqrt(v - m**2 if centered else v) + eps), (v, m)


@misconception(
    "op23",
    "RMSprop has no bias correction: its averages start at 0 and are used as they are.",
    caught_by="test_rmsprop_divides_by_the_root_of_the_average_square",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m, t = (np.zeros_like(w), np.zeros_like(w), 0) if state is None else state
    v, m, t = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g, t + 1
    v_hat, m_hat = v / (1 - alpha**t), m / (1 - alpha**t)
    below = np.maximum(v_hat - m_hat**2, 0) if centered else v_hat
    return w - lr * g / (np.sqrt(below) + eps), (v, m, t)


@misconception(
    "op24",
    "The variance is the average square minus the *square* of the average; you subtract the average itself.",
    caught_by="test_centered_rmsprop_divides_by_a_standard_deviation",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    return w - lr * g / (np.sqrt(np.maximum(v - m, 0) if centered else v) + eps), (v, m)


@misconception(
    "op24",
    "Centring changes the divisor only; the numerator stays the gradient g, not g minus its average.",
    caught_by="test_centered_rmsprop_divides_by_a_standard_deviation",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v, m = alpha * v + (1 - alpha) * g**2, alpha * m + (1 - alpha) * g
    top, below = (g - m, np.maximum(v - m**2, 0)) if centered else (g, v)
    return w - lr * top / (np.sqrt(below) + eps), (v, m)


@misconception(
    "op24",
    "The divisor is the root of v alone: subtract m², with the m that this step's gradient has already entered.",
    caught_by="test_centered_rmsprop_divides_by_a_standard_deviation",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    v, m = zeros(w, state, 2)
    v = alpha * v + (1 - alpha) * g**2
    below = np.maximum(v - m**2, 0) if centered else v
    return w - lr * g / (np.sqrt(below) + eps), (v, alpha * m + (1 - alpha) * g)


@misconception(
    "op24",
    "The divisor is the root of v alone: subtract m², with the m that this step's gradient has already entered.",
    caught_by="test_centered_rmsprop_divides_by_a_standard_deviation",
)
def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-8, centered=False):
    (v,) = zeros(w, state, 1)
    v = alpha * v + (1 - alpha) * g**2
    return w - lr * g / (np.sqrt(v) + eps), (v,)


# ---- adadelta


@misconception(
    "op1",
    "An average of squares cannot be negative: blend the old average and the new square with +.",
    caught_by="test_adadelta_starts_with_the_root_of_eps",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G - (1 - rho) * g**2
    with np.errstate(invalid="ignore"):
        delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - lr * delta, (G, rho * H + (1 - rho) * delta**2)


@misconception(
    "op1",
    "The average of squared updates cannot be negative: blend it with + as well.",
    caught_by="test_adadelta_second_step_uses_the_first_update",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    with np.errstate(invalid="ignore"):
        delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - lr * delta, (G, rho * H - (1 - rho) * delta**2)


@misconception(
    "op10",
    "Δ uses the previous H: its own square enters H only afterwards.",
    caught_by="test_adadelta_starts_with_the_root_of_eps",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    H = rho * H + (1 - rho) * delta**2
    delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - lr * delta, (G, H)


@misconception(
    "op10",
    "H averages squared *updates*, not squared gradients.",
    caught_by="test_adadelta_second_step_uses_the_first_update",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - lr * delta, (G, rho * H + (1 - rho) * g**2)


@misconception(
    "op25",
    "H averages the updates Δ themselves; the learning rate is applied to the step afterwards.",
    caught_by="test_adadelta_learning_rate_scales_the_step_only",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = lr * np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - delta, (G, rho * H + (1 - rho) * delta**2)


@misconception(
    "op25",
    "The learning rate is ignored: it is 1 by default, but a caller may set another one.",
    caught_by="test_adadelta_learning_rate_scales_the_step_only",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    return w - delta, (G, rho * H + (1 - rho) * delta**2)


@misconception(
    "op26",
    "In Adadelta ε stands inside both roots; outside, the first update starts at ε instead of √ε.",
    caught_by="test_adadelta_starts_with_the_root_of_eps",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = (np.sqrt(H) + eps) / (np.sqrt(G) + eps) * g
    return w - lr * delta, (G, rho * H + (1 - rho) * delta**2)


@misconception(
    "op26",
    "Both averages are under a root; without the roots Δ has the wrong unit.",
    caught_by="test_adadelta_starts_with_the_root_of_eps",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    G, H = zeros(w, state, 2)
    G = rho * G + (1 - rho) * g**2
    delta = (H + eps) / (G + eps) * g
    return w - lr * delta, (G, rho * H + (1 - rho) * delta**2)


@misconception(
    "op27",
    "Without H in the numerator this is RMSprop; Adadelta scales by the size of its past updates.",
    caught_by="test_adadelta_starts_with_the_root_of_eps",
)
def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-6):
    (G,) = zeros(w, state, 1)
    G = rho * G + (1 - rho) * g**2
    return w - lr * g / np.sqrt(G + eps), (G,)


# ---- adam


def adam_averages(w, g, state, betas):
    m, v, t = (np.zeros_like(w), np.zeros_like(w), 0) if state is None else state
    return betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g**2, t + 1


@misconception(
    "op3",
    "The averages start at 0; without bias correction the first steps are √10 times too long.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (np.sqrt(v) + eps), (m, v, t)


@misconception(
    "op3",
    "Both averages start at 0, so the average of squares needs its correction 1 − β₂ᵗ too.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (1 - betas[0] ** t) / (np.sqrt(v) + eps), (m, v, t)


@misconception(
    "op3",
    "Both averages start at 0, so the average of gradients needs its correction 1 − β₁ᵗ too.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (np.sqrt(v / (1 - betas[1] ** t)) + eps), (m, v, t)


@misconception(
    "op4",
    "Increase t before you use it: with t = 0 the corrections 1 − β⁰ divide by zero.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    with np.errstate(divide="ignore", invalid="ignore"):
        m_hat, v_hat = m / (1 - betas[0] ** (t - 1)), v / (1 - betas[1] ** (t - 1))
        return w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, t)


@misconception(
    "op4",
    "The first step has t = 1; yours starts with t = 2, so the correction is too weak.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    m_hat, v_hat = m / (1 - betas[0] ** (t + 1)), v / (1 - betas[1] ** (t + 1))
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, t)


@misconception(
    "op4",
    "The second step still uses the correction of the first: t grows in every step, before it is used in 1 − βᵗ.",
    caught_by="test_adam_keeps_its_pace_under_a_constant_gradient",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (1 - betas[0]) / (np.sqrt(v / (1 - betas[1])) + eps), (m, v, t)


@misconception(
    "op4",
    "The second step still uses the correction of the first: t grows in every step, before it is used in 1 − βᵗ.",
    caught_by="test_adam_keeps_its_pace_under_a_constant_gradient",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    late = max(1, t - 1)
    m_hat, v_hat = m / (1 - betas[0] ** late), v / (1 - betas[1] ** late)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, t)


@misconception(
    "op5",
    "ε is inside the root, where it acts like √ε (1e-4 for ε = 1e-8) and swallows small gradients.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (1 - betas[0] ** t) / np.sqrt(v / (1 - betas[1] ** t) + eps), (m, v, t)


@misconception(
    "op5",
    "ε is inside the root and added before the bias correction: on the first step it counts 1/√(1 − β₂) times too much.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    rate = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
    return w - rate * m / np.sqrt(v + eps), (m, v, t)


@misconception(
    "op6",
    "That is the paper's ε̂ form, with ε beside the uncorrected root; here ε is added after the bias correction.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    rate = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
    return w - rate * m / (np.sqrt(v) + eps), (m, v, t)


@misconception(
    "op7",
    "Operator precedence: ε is being added to the weights.",
    caught_by="test_adam_first_step_is_lr_in_every_coordinate",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * m_hat / np.where(v_hat > 0, np.sqrt(v_hat), 1) + eps, (m, v, t)


@misconception(
    "op28",
    "The corrected averages were stored: the state must hold the raw m and v, or they are corrected again and again.",
    caught_by="test_adam_keeps_its_pace_under_a_constant_gradient",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * m / (np.sqrt(v) + eps), (m, v, t)


@misconception(
    "op29",
    "β₁ belongs to the average of gradients and β₂ to the average of squares; you have them swapped.",
    caught_by="test_adam_gives_each_average_its_own_beta",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    betas = betas[::-1]
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps), (m, v, t)


@misconception(
    "op30",
    "The numerator is the average gradient m̂, not the gradient of this step; that would be RMSprop.",
    caught_by="test_adam_adds_eps_after_bias_correction",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    m, v, t = adam_averages(w, g, state, betas)
    return w - lr * g / (np.sqrt(v / (1 - betas[1] ** t)) + eps), (m, v, t)


STEPS = {"taken": 0}


@misconception(
    "op31",
    "The step count lives outside the state, so two arrays trained in turn share it.",
    caught_by="test_adam_keeps_all_memory_in_the_state",
)
def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8):
    if state is None:
        STEPS["taken"] = 0
    STEPS["taken"] += 1
    m, v, _ = adam_averages(w, g, None if state is None else (*state, 0), betas)
    t = STEPS["taken"]
    return w - lr * m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps), (m, v)


# ---- adamw


def adam_step(w, g, state, lr, betas, eps):
    m, v, t = adam_averages(w, g, state, betas)
    return lr * m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps), (m, v, t)


@misconception(
    "op11",
    "That is L2 regularisation: λ w passes through the adaptive scale, which cancels its size.",
    caught_by="test_adamw_decays_the_weights_even_without_a_gradient",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g + weight_decay * w, state, lr, betas, eps)
    return w - step, state


@misconception(
    "op11",
    "Decay is multiplied by the learning rate: w (1 − lr λ).",
    caught_by="test_adamw_decays_the_weights_even_without_a_gradient",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g, state, lr, betas, eps)
    return w * (1 - weight_decay) - step, state


@misconception(
    "op11",
    "Decay both through the gradient and on the weights counts λ twice.",
    caught_by="test_adamw_decays_the_weights_even_without_a_gradient",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g + weight_decay * w, state, lr, betas, eps)
    return w * (1 - lr * weight_decay) - step, state


@misconception(
    "op32",
    "The old weights decay, before Adam's step; you decay the result, the step included.",
    caught_by="test_adamw_decays_beside_the_adaptive_step",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g, state, lr, betas, eps)
    return (w - step) * (1 - lr * weight_decay), state


@misconception(
    "op32",
    "The decay is not applied at all: this is Adam.",
    caught_by="test_adamw_decays_the_weights_even_without_a_gradient",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g, state, lr, betas, eps)
    return w - step, state


@misconception(
    "op32",
    "The sign of the decay is wrong: the weights grow.",
    caught_by="test_adamw_decays_the_weights_even_without_a_gradient",
)
def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    step, state = adam_step(w, g, state, lr, betas, eps)
    return w * (1 + lr * weight_decay) - step, state


# ---- clip_grad_norm


def norm_of(grads):
    return math.sqrt(sum(float(np.sum(g**2)) for g in grads))


@misconception(
    "op12",
    "One norm over all parameters: with a norm for each array the direction of the whole gradient changes.",
    caught_by="test_clipping_uses_one_norm_over_all_arrays",
)
def clip_grad_norm(grads, max_norm):
    return [g * min(1.0, max_norm / (norm_of([g]) + 1e-6)) for g in grads], norm_of(grads)


@misconception(
    "op12",
    "Direction must not change: clipping by value cuts single elements off.",
    caught_by="test_clipping_uses_one_norm_over_all_arrays",
)
def clip_grad_norm(grads, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in grads], norm_of(grads)


@misconception(
    "op12",
    "Clipping never enlarges: leave gradients alone whose norm is below max_norm.",
    caught_by="test_clipping_never_enlarges",
)
def clip_grad_norm(grads, max_norm):
    norm = norm_of(grads)
    return [g * (max_norm / (norm + 1e-6)) for g in grads], norm


@misconception(
    "op33",
    "Norms do not add up: add the squares of all elements, then take one root.",
    caught_by="test_clipping_uses_one_norm_over_all_arrays",
)
def clip_grad_norm(grads, max_norm):
    norm = sum(norm_of([g]) for g in grads)
    return [g * min(1.0, max_norm / (norm + 1e-6)) for g in grads], norm


@misconception(
    "op33",
    "That is the squared norm; take its root.",
    caught_by="test_clipping_uses_one_norm_over_all_arrays",
)
def clip_grad_norm(grads, max_norm):
    norm = norm_of(grads) ** 2
    return [g * min(1.0, max_norm / (norm + 1e-6)) for g in grads], norm


@misconception(
    "op34",
    "The norm to return is the one before clipping; afterwards it is just max_norm.",
    caught_by="test_clipping_uses_one_norm_over_all_arrays",
)
def clip_grad_norm(grads, max_norm):
    norm = norm_of(grads)
    return [g * min(1.0, max_norm / (norm + 1e-6)) for g in grads], min(norm, float(max_norm))


@misconception(
    "op34",
    "The 1e-6 beside the norm is missing: it keeps a norm of 0 harmless and shows when gradients are tiny.",
    caught_by="test_clipping_adds_a_millionth_to_the_norm",
)
def clip_grad_norm(grads, max_norm):
    norm = norm_of(grads)
    return [g * min(1.0, max_norm / norm if norm else 1.0) for g in grads], norm


@misconception(
    "op39",
    "`g *= factor` changes the caller's gradients, and so does filling the list; return new arrays in a new list.",
    caught_by="test_clipping_writes_to_nothing",
)
def clip_grad_norm(grads, max_norm):
    norm = norm_of(grads)
    for i, g in enumerate(grads):
        grads[i] = g * min(1.0, max_norm / (norm + 1e-6))
    return grads, norm


# ---- lr_at


def cosine(progress):
    return 0.5 * (1 + math.cos(math.pi * progress))


@misconception(
    "op35",
    "The warm-up counts finished steps: base · step / warmup starts at 0, not at base / warmup.",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * (step + 1) / warmup
    return floor + (base - floor) * cosine((step - warmup) / (total - warmup)) if step < total else floor


@misconception(
    "op35",
    "The warm-up starts at 0; the floor belongs to the end of the schedule.",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return floor + (base - floor) * step / warmup
    return floor + (base - floor) * cosine((step - warmup) / (total - warmup)) if step < total else floor


@misconception(
    "op36",
    "The cosine starts when the warm-up ends: its progress is (step − warmup) / (total − warmup).",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return floor + (base - floor) * cosine(step / total) if step < total else floor


@misconception(
    "op36",
    "The cosine phase lasts total − warmup steps, because total counts the warm-up too.",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return floor + (base - floor) * cosine((step - warmup) / total) if step < total else floor


@misconception(
    "op37",
    "The cosine runs from base to floor, so its height is base − floor.",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return floor + base * cosine((step - warmup) / (total - warmup)) if step < total else floor


@misconception(
    "op37",
    "The floor is the end of the curve, not a bound that cuts it off.",
    caught_by="test_schedule_meets_its_corner_points",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return max(floor, base * cosine((step - warmup) / (total - warmup))) if step < total else floor


@misconception(
    "op38",
    "After the last step the cosine climbs again; the rate has to stay at the floor.",
    caught_by="test_schedule_stays_at_the_floor",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return floor + (base - floor) * cosine((step - warmup) / max(1, total - warmup))


@misconception(
    "op38",
    "The decay is a straight line; it should follow half a period of the cosine.",
    caught_by="test_schedule_falls_along_half_a_cosine",
)
def lr_at(step, *, total, warmup, base, floor=0.0):
    if step < warmup:
        return base * step / warmup
    return floor + (base - floor) * (total - step) / (total - warmup) if step < total else floor
