"""Optimizers: seven update rules, gradient clipping and a learning-rate schedule.

Every rule is one pure function

    step(w, g, state, *, lr, ...) -> (w_new, state_new)

that moves one weight array w of any shape, 0-d included, one step against its gradient g.

- `state` is None on the first call; afterwards the caller passes in the state that the call before returned.
  What stands in it is yours to choose: numbers and arrays, in tuples, lists or dicts, or None.
  All memory of a rule lives there, the number of steps taken included, so that a caller can store a state,
  return to it later, and train many arrays in turn.
- Nothing that is passed in is written to: neither w, nor g, nor the old state.
  w_new and state_new share no memory with w or g (the caller may fill the same g array again).
  state_new may share with the old state what did not change.
- float32 in, float32 out; float64 in, float64 out. Hyper-parameters are Python numbers.
- No loop over the elements of an array.

In the formulas all operations are elementwise, and every average starts at 0.
"""

import math

import numpy as np

State = None | tuple | list | dict | np.ndarray  # the choice is yours

### BEGIN SOLUTION


def _check(w: np.ndarray, g: np.ndarray, non_negative: tuple[float, ...], averages: tuple[float, ...] = ()) -> None:
    """Raise ValueError unless w and g have one shape and every hyper-parameter lies in its range."""
    if np.shape(w) != np.shape(g):
        raise ValueError(f"the gradient has shape {np.shape(g)}, the weights have shape {np.shape(w)}")
    if not all(value >= 0 for value in non_negative):
        raise ValueError("lr, eps and weight_decay must not be negative")
    if not all(0 <= value < 1 for value in averages):
        raise ValueError("the coefficients of averages lie in 0 <= value < 1")


### END SOLUTION


def sgd(
    w: np.ndarray, g: np.ndarray, state: State, *, lr: float, weight_decay: float = 0.0
) -> tuple[np.ndarray, State]:
    """One step of gradient descent with L2 weight decay λ = weight_decay.

    w_new = w − lr (g + λ w)

    Args:
        w: weights, float array of any shape.
        g: gradient of the loss at w, shape and dtype of w.
        state: None on the first call, then whatever the previous call returned.
        lr: learning rate, ≥ 0.
        weight_decay: λ ≥ 0, the gradient of the penalty (λ/2)‖w‖² is λ w.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.
        Gradient descent needs no memory, so any state will do, None included.

    Raises:
        ValueError: g has another shape than w, lr < 0 or weight_decay < 0.

    Source: Robbins and Monro, A Stochastic Approximation Method (1951).
    """
    ### BEGIN SOLUTION
    _check(w, g, (lr, weight_decay))
    return w - lr * (g + weight_decay * w), state
    ### END SOLUTION


def momentum(
    w: np.ndarray, g: np.ndarray, state: State, *, lr: float, beta: float = 0.9, nesterov: bool = False
) -> tuple[np.ndarray, State]:
    """One step of gradient descent with momentum, heavy-ball or Nesterov's.

    v_new = β v + g                      (v = 0 before the first step)
    w_new = w − lr v_new                 heavy ball
    w_new = w − lr (g + β v_new)         nesterov=True

    The learning rate multiplies the velocity when the step is taken; it is not stored in v.
    β = 0 is allowed in both forms and gives plain gradient descent.

    Args:
        w, g, state, lr: as in `sgd`.
        beta: β, 0 ≤ β < 1.
        nesterov: take the look-ahead form.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: g has another shape than w, lr < 0, or beta outside 0 ≤ β < 1.

    Source: Polyak (1964); Sutskever et al., On the importance of initialization and momentum (2013), eq. 1–4,
        with the learning rate outside v and the look-ahead point stored (as torch.optim.SGD does).
    """
    ### BEGIN SOLUTION
    _check(w, g, (lr,), averages=(beta,))
    v = np.zeros_like(w) if state is None else state
    v = beta * v + g
    return w - lr * (g + beta * v if nesterov else v), v
    ### END SOLUTION


def adagrad(w: np.ndarray, g: np.ndarray, state: State, *, lr: float, eps: float = 1e-10) -> tuple[np.ndarray, State]:
    """One step of Adagrad.

    G_new = G + g²                       (G = 0 before the first step)
    w_new = w − lr g / (√G_new + ε)

    Args:
        w, g, state, lr: as in `sgd`.
        eps: ε ≥ 0, added to the root.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: g has another shape than w, lr < 0 or eps < 0.

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods (JMLR 2011), fig. 1, diagonal form.
    """
    ### BEGIN SOLUTION
    _check(w, g, (lr, eps))
    G = np.zeros_like(w) if state is None else state
    G = G + g**2
    return w - lr * g / (np.sqrt(G) + eps), G
    ### END SOLUTION


def rmsprop(
    w: np.ndarray,
    g: np.ndarray,
    state: State,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    centered: bool = False,
) -> tuple[np.ndarray, State]:
    """One step of RMSprop.

    v_new = α v + (1 − α) g²             (v = 0 before the first step)
    w_new = w − lr g / (√v_new + ε)

    centered=True also keeps m_new = α m + (1 − α) g (m = 0 before the first step) and divides by
    √(v_new − m_new²) + ε, an estimate of the standard deviation. Rounding can push v − m² below 0;
    you may clamp it at 0.

    Args:
        w, g, state, lr: as in `sgd`.
        alpha: α, 0 ≤ α < 1.
        eps: ε ≥ 0, added to the root.
        centered: divide by the standard deviation of the gradient.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: g has another shape than w, lr < 0, eps < 0, or alpha outside 0 ≤ α < 1.

    Source: Tieleman and Hinton, Coursera lecture 6.5 (2012); centred: Graves, arXiv 1308.0850, eq. 38–45.
    """
    ### BEGIN SOLUTION
    _check(w, g, (lr, eps), averages=(alpha,))
    v, m = (np.zeros_like(w), np.zeros_like(w)) if state is None else state
    v = alpha * v + (1 - alpha) * g**2
    m = m + (1 - alpha) * (g - m)  # = α m + (1 − α) g, a step from the old average towards g
    second_moment = np.maximum(v - m**2, 0) if centered else v
    return w - lr * g / (np.sqrt(second_moment) + eps), (v, m)
    ### END SOLUTION


def adadelta(
    w: np.ndarray,
    g: np.ndarray,
    state: State,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
) -> tuple[np.ndarray, State]:
    """One step of Adadelta.

    G_new = ρ G + (1 − ρ) g²             (G = 0 before the first step)
    Δ     = g √(H + ε) / √(G_new + ε)    with the old H (H = 0 before the first step)
    H_new = ρ H + (1 − ρ) Δ²
    w_new = w − lr Δ

    Here, unlike in the other rules, ε stands inside both roots; lr does not enter Δ or H.

    Args:
        w, g, state, lr: as in `sgd`.
        rho: ρ, 0 ≤ ρ < 1.
        eps: ε ≥ 0.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: g has another shape than w, lr < 0, eps < 0, or rho outside 0 ≤ ρ < 1.

    Source: Zeiler, arXiv 1212.5701, algorithm 1.
    """
    ### BEGIN SOLUTION
    _check(w, g, (lr, eps), averages=(rho,))
    G, H = (np.zeros_like(w), np.zeros_like(w)) if state is None else state
    G = rho * G + (1 - rho) * g**2
    delta = np.sqrt(H + eps) / np.sqrt(G + eps) * g
    H = rho * H + (1 - rho) * delta**2
    return w - lr * delta, (G, H)
    ### END SOLUTION


def adam(
    w: np.ndarray,
    g: np.ndarray,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[np.ndarray, State]:
    """One step of Adam.

    t_new = t + 1                        (t = 0 before the first step, so the first step has t = 1)
    m_new = β₁ m + (1 − β₁) g            (m = 0 before the first step)
    v_new = β₂ v + (1 − β₂) g²           (v = 0 before the first step)
    m̂ = m_new / (1 − β₁ᵗ),  v̂ = v_new / (1 − β₂ᵗ)
    w_new = w − lr m̂ / (√v̂ + ε)

    Args:
        w, g, state, lr: as in `sgd`.
        betas: (β₁, β₂), each 0 ≤ β < 1.
        eps: ε ≥ 0, added to the root after the bias correction.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: g has another shape than w, lr < 0, eps < 0, or one of betas outside 0 ≤ β < 1.

    Source: Kingma and Ba, arXiv 1412.6980, algorithm 1.
    """
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    _check(w, g, (lr, eps), averages=(beta1, beta2))
    m, v, t = (np.zeros_like(w), np.zeros_like(w), 0) if state is None else state
    t = t + 1
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, t)
    ### END SOLUTION


def adamw(
    w: np.ndarray,
    g: np.ndarray,
    state: State,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[np.ndarray, State]:
    """One step of AdamW: Adam with decoupled weight decay λ = weight_decay.

    w_decayed = w (1 − lr λ)
    w_new     = w_decayed − lr m̂ / (√v̂ + ε)   with m̂ and v̂ of `adam`, from the raw gradient g

    Args:
        w, g, state, lr, betas, eps: as in `adam`.
        weight_decay: λ ≥ 0.

    Returns:
        (w_new, state_new); w_new has the shape and dtype of w.

    Raises:
        ValueError: as in `adam`, and weight_decay < 0.

    Source: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2 (their schedule multiplier and α in one lr).
    """
    ### BEGIN SOLUTION
    if not weight_decay >= 0:
        raise ValueError("weight_decay must not be negative")
    return adam(w * (1 - lr * weight_decay), g, state, lr=lr, betas=betas, eps=eps)
    ### END SOLUTION


def clip_grad_norm(grads: list[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    """Scale all gradients down together if their common Euclidean norm is too large.

    norm    = √(Σ over all arrays and all their elements of g²)
    clipped = g · min(1, max_norm / (norm + 1e-6))   for every array g

    Args:
        grads: list of float arrays of any shapes; may be empty.
        max_norm: ≥ 0.

    Returns:
        (clipped, norm): new arrays with the order, shapes and dtypes of grads (copies, even if nothing changed),
        and the norm *before* clipping as a Python float. An empty list gives ([], 0.0).

    Raises:
        ValueError: max_norm < 0.

    Source: Pascanu, Mikolov and Bengio, arXiv 1211.5063, algorithm 1; the 1e-6 is that of
        torch.nn.utils.clip_grad_norm_.
    """
    ### BEGIN SOLUTION
    if not max_norm >= 0:
        raise ValueError("max_norm must not be negative")
    norm = math.sqrt(sum(np.sum(g**2) for g in grads))
    scale = min(1.0, max_norm / (norm + 1e-6))
    return [g * scale for g in grads], norm
    ### END SOLUTION


def lr_at(step: int, *, total: int, warmup: int, base: float, floor: float = 0.0) -> float:
    """Learning rate at a step: a linear warm-up, then half a cosine down to a floor.

    step < warmup            base · step / warmup
    warmup ≤ step < total    floor + (base − floor) · ½ (1 + cos(π (step − warmup) / (total − warmup)))
    step ≥ total             floor

    Args:
        step: number of steps taken so far, ≥ 0; the first step of training is step 0.
        total: the step at which the floor is reached, ≥ 1.
        warmup: length of the warm-up in steps, 0 ≤ warmup ≤ total.
        base: learning rate at the end of the warm-up.
        floor: learning rate at the end, 0 ≤ floor ≤ base.

    Returns:
        The learning rate, a Python float.

    Raises:
        ValueError: step < 0, total < 1, warmup outside 0 … total, or floor outside 0 … base.

    Source: Loshchilov and Hutter, SGDR, arXiv 1608.03983, eq. 5 (one period); warm-up: Goyal et al.,
        arXiv 1706.02677, section 2.2.
    """
    ### BEGIN SOLUTION
    if step < 0 or total < 1 or not 0 <= warmup <= total or not 0 <= floor <= base:
        raise ValueError("need step >= 0, total >= 1, 0 <= warmup <= total and 0 <= floor <= base")
    if step < warmup:
        return base * step / warmup
    if step >= total:
        return float(floor)
    progress = (step - warmup) / (total - warmup)  # 0 at the end of the warm-up, 1 at the end
    return floor + (base - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    ### END SOLUTION
