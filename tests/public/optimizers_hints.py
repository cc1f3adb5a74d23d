"""Hints for the optimizers: where to look, what to write down, the shape of the answer."""

HINTS = {
    "sgd": (
        "Look at the gradient of the whole loss: the penalty (λ/2)‖w‖² contributes to it as well.",
        "Write down the two terms of that gradient; the learning rate multiplies their sum.",
        "One line: w minus lr times (g plus weight_decay times w). No in-place operator, and any state will do.",
    ),
    "momentum": (
        "Look at what is remembered: the velocity, in units of a gradient, without the learning rate in it.",
        "Write down v and w for three steps with the same g and w = 0: v is g, then (1 + β) g, then (1 + β + β²) g. "
        "Which of the two velocities, old or new, does the look-ahead form use?",
        "Make v zeros if state is None, compute the new v into a new array, "
        "step along it or along g + β v_new, and return the new v as the state.",
    ),
    "adagrad": (
        "Look at the first step with ε = 0: it has the length lr in every coordinate, whatever the gradient is.",
        "Write down G after t equal gradients, its root, and the quotient; you should find lr/√t.",
        "Add g² to the stored sum first; then subtract lr · g / (√G + ε), with ε outside the root.",
    ),
    "rmsprop": (
        "Look at the two weights α and 1 − α: which belongs to the past, and what do they add up to?",
        "Write down v after two equal gradients: (1 − α²) g². There is no bias correction here. "
        "For the centred form also write down m, and recall Var = E[g²] − E[g]².",
        "Update v (and m) first, take the root of v or of v − m² (clamped at 0), add ε, divide, and store both.",
    ),
    "adadelta": (
        "Look at the order of the four lines: which H does the first of the two roots use?",
        "Write down the first update: H is still 0, so its root is √ε, and the root below is √((1 − ρ) g² + ε).",
        "New G, then Δ with the old H, then the new H from Δ² (without lr), then w − lr Δ.",
    ),
    "adam": (
        "Look at the first step by hand: m = (1 − β₁) g and v = (1 − β₂) g². What do m̂ and v̂ have to be?",
        "Write down the value of t that makes them g and g², and then the place of ε: after which operation?",
        "State (m, v, t): increase t, update m and v, divide *copies* of them by 1 − βᵗ, "
        "then lr · m̂ / (√v̂ + ε). Store the uncorrected m and v.",
    ),
    "adamw": (
        "Look at a step with g = 0: w has to shrink by the factor 1 − lr λ and nothing else may happen.",
        "Write down what enters m and v. It is the raw g; λ w never passes through √v̂.",
        "Call your own adam, not with w but with w · (1 − lr · weight_decay), after refusing a negative decay.",
    ),
    "clip_grad_norm": (
        "Look at the list as one long vector that happens to be stored in pieces.",
        "Write down its norm: one sum of squares over all elements of all arrays, one root. "
        "Then one factor for all arrays, never above 1.",
        "math.sqrt of a Python sum of float(np.sum(g**2)), then [g * factor for g in grads], then the norm itself.",
    ),
    "lr_at": (
        "Look at the corner points: 0 at step 0, base at step warmup, floor at step total and ever after.",
        "Write down how far the cosine phase is, as a number from 0 to 1, for a step between warmup and total.",
        "Three cases in order: step < warmup, step ≥ total, and in between "
        "floor + (base − floor) · ½ (1 + cos(π · progress)).",
    ),
}
