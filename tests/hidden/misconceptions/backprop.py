"""Wrong implementations of the backprop topic, each with the sentence that a student who holds it should read."""

import math
from functools import wraps
from itertools import pairwise

import numpy as np

from grader.checks import misconception


def fits(*shapes):
    """Whether these pairs of shapes are equal."""
    return all(a == b for a, b in shapes)


GOOD = {
    "linear_forward": lambda x, W, b: x.ndim == 2 and fits((W.shape, (x.shape[1], *b.shape))) and b.ndim == 1,
    "linear_backward": lambda dy, cache: fits((dy.shape, (len(cache[0]), cache[1].shape[1]))),
    "act_forward": lambda z, kind: kind in ("relu", "sigmoid", "tanh"),
    "act_backward": lambda da, cache: fits((da.shape, cache[0].shape)),
    "softmax_xent": lambda z, y: (
        z.ndim == 2 and fits((y.shape, z.shape[:1])) and set(y) <= set(range(z.shape[1]))
    ),
    "numeric_gradient": lambda f, x, h=1e-5: x.dtype == np.float64 and h > 0,
    "relative_error": lambda a, b: fits((a.shape, b.shape)),
}


def refusing(wrong):
    """Add the right checks of the arguments, so that a version is wrong in one way only."""

    @wraps(wrong)
    def checked(*args, **kwargs):
        if not GOOD[wrong.__name__](*args, **kwargs):
            raise ValueError("bad arguments")
        return wrong(*args, **kwargs)

    return checked


# --- linear layer -------------------------------------------------------------------------------------------


@misconception(
    "bp12",
    "W is (D, M) here, one column for each output, so y = xW + b; the (out, in) layout with its transpose is torch's.",
    caught_by="test_linear_forward_is_xw_plus_b",
)
@refusing
def linear_forward(x, W, b):
    return x @ W.T + b, (x, W)


@misconception(
    "bp13",
    "The bias is missing: each output is a weighted sum plus its own constant.",
    caught_by="test_linear_forward_is_xw_plus_b",
)
@refusing
def linear_forward(x, W, b):
    return x @ W, (x, W)


@misconception(
    "bp14",
    "The bias belongs to the outputs, so it is added along the columns; as a column vector it shifts whole rows.",
    caught_by="test_linear_forward_is_xw_plus_b",
)
@refusing
def linear_forward(x, W, b):
    return x @ W + b[:, None], (x, W)


@misconception(
    "bp15",
    "A bias of another size was broadcast without a word; compare the shapes first and raise ValueError.",
    caught_by="test_linear_forward_refuses_shapes_that_do_not_fit",
)
def linear_forward(x, W, b):
    return x @ W + b, (x, W)


@misconception(
    "bp16",
    "Python loops over elements cost thousands of operations where one matrix product does it.",
    caught_by="test_linear_forward_needs_no_loop",
)
@refusing
def linear_forward(x, W, b):
    y = np.empty((x.shape[0], W.shape[1]), x.dtype)
    for n in range(x.shape[0]):
        for m in range(W.shape[1]):
            y[n, m] = x[n] @ W[:, m] + b[m]
    return y, (x, W)


@misconception(
    "bp1",
    "The bias is added to every row, so its gradient is the sum over the batch; the 1/N belongs to the loss.",
    caught_by="test_bias_gradient_sums_over_the_batch",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.mean(0)


@misconception(
    "bp2",
    "Your weight gradient is transposed.",
    caught_by="test_input_and_weight_gradients_of_a_linear_layer",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, dy.T @ x, dy.sum(0)


@misconception(
    "bp17",
    "On the way back W acts transposed: dx = dy Wᵀ, because x[n, d] reached y[n, m] through W[d, m].",
    caught_by="test_input_and_weight_gradients_of_a_linear_layer",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W, x.T @ dy, dy.sum(0)


@misconception(
    "bp18",
    "The weight gradient sums over the batch; the upstream gradient already holds the 1/N of the mean loss.",
    caught_by="test_input_and_weight_gradients_of_a_linear_layer",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy / len(x), dy.sum(0)


@misconception(
    "bp19",
    "The bias has shape (M,), and a gradient always has the shape of what it belongs to; drop the extra axis.",
    caught_by="test_bias_gradient_sums_over_the_batch",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, dy.sum(0, keepdims=True)


@misconception(
    "bp20",
    "Two calls of linear_forward shared one cache: what a call remembers must travel in the cache it returns.",
    caught_by="test_each_linear_cache_belongs_to_its_own_call",
    replaces="linear_forward",
)
def linear_forward_with_one_cache(reference):
    shared = [None, None]

    def linear_forward(x, W, b):
        y, _ = reference.linear_forward(x, W, b)
        shared[:] = [x, W]
        return y, shared

    return linear_forward


@misconception(
    "bp21",
    "float32 was promoted: a NumPy array made without a dtype is float64 and drags the result along.",
    caught_by="test_linear_backward_keeps_float32_in_any_memory_layout",
)
@refusing
def linear_backward(dy, cache):
    x, W = cache
    return dy @ W.T, x.T @ dy, np.ones(len(dy)) @ dy


# --- activations --------------------------------------------------------------------------------------------


@misconception(
    "bp22",
    "exp(z) overflows for large z and gives nan; choose a form whose exponent is never positive.",
    caught_by="test_saturated_activations_are_right_and_finite",
)
@refusing
def act_forward(z, kind):
    with np.errstate(all="ignore"):
        e = np.exp(z)
        a = {"relu": np.maximum(z, 0), "sigmoid": e / (1 + e), "tanh": np.tanh(z)}[kind]
    return a, (z, a, kind)


@misconception(
    "bp22",
    "tanh written with exp overflows for large inputs and gives nan; np.tanh does not.",
    caught_by="test_saturated_activations_are_right_and_finite",
)
@refusing
def act_forward(z, kind):
    with np.errstate(all="ignore"):
        up, down = np.exp(z), np.exp(-z)
        a = {"relu": np.maximum(z, 0), "sigmoid": 1 / (1 + down), "tanh": (up - down) / (up + down)}[kind]
    return a, (z, a, kind)


@misconception(
    "bp23",
    "Relu wrote into the array it was given; the caller still needs it.",
    caught_by="test_activation_leaves_its_input_alone_and_refuses_unknown_kinds",
)
@refusing
def act_forward(z, kind):
    if kind == "relu":
        np.maximum(z, 0, out=z)
        return z, (z, z, kind)
    a = np.tanh(z) if kind == "tanh" else np.exp(-np.logaddexp(0, -z))
    return a, (z, a, kind)


def slope(a, kind):
    """The right derivative, from the output."""
    return {"relu": 1.0 * (a > 0), "sigmoid": a * (1 - a), "tanh": 1 - a**2}[kind]


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


@misconception(
    "bp5",
    "You applied σ twice; σ′(z) = a(1 − a) with a = σ(z), the value that forward returned.",
    caught_by="test_activation_gradient_is_the_slope_times_the_upstream_gradient",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    s = sigmoid(a)
    return da * (s * (1 - s) if kind == "sigmoid" else slope(a, kind))


@misconception(
    "bp5",
    "You applied σ twice, and once more as a factor; σ′(z) = a(1 − a) with a = σ(z).",
    caught_by="test_activation_gradient_is_the_slope_times_the_upstream_gradient",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    s = sigmoid(a)
    return da * (a * s * (1 - s) if kind == "sigmoid" else slope(a, kind))


@misconception(
    "bp24",
    "a(1 − a) wants the output a = σ(z) of the activation; you put in its input z.",
    caught_by="test_activation_gradient_is_the_slope_times_the_upstream_gradient",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    return da * (z * (1 - z) if kind == "sigmoid" else slope(a, kind))


@misconception(
    "bp25",
    "You applied tanh twice; tanh′(z) = 1 − a² with a = tanh(z), the value that forward returned.",
    caught_by="test_activation_gradient_is_the_slope_times_the_upstream_gradient",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    return da * (1 - np.tanh(a) ** 2 if kind == "tanh" else slope(a, kind))


@misconception(
    "bp26",
    "This is the slope alone; the chain rule multiplies it by the gradient that arrives from above.",
    caught_by="test_activation_gradient_is_the_slope_times_the_upstream_gradient",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    return slope(a, kind) * np.ones_like(da)


@misconception(
    "bp6",
    "The ReLU mask is the sign of the forward input, not of the incoming gradient.",
    caught_by="test_relu_gradient_is_masked_by_the_forward_input",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    return da * (da > 0) if kind == "relu" else da * slope(a, kind)


@misconception(
    "bp7",
    "At 0 this course takes derivative 0 (as torch).",
    caught_by="test_relu_slope_at_zero_is_zero",
)
@refusing
def act_backward(da, cache):
    z, a, kind = cache
    return da * (z >= 0) if kind == "relu" else da * slope(a, kind)


# --- softmax cross-entropy ----------------------------------------------------------------------------------


def log_softmax(z, axis=1):
    shifted = z - z.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def finish(log_p, y):
    """(loss, dlogits) from log-probabilities, both right."""
    p, rows = np.exp(log_p), np.arange(len(y))
    loss = float(-log_p[rows, y].mean())
    p[rows, y] -= 1
    return loss, p / len(y)


@misconception(
    "bp3",
    "Your gradient is N times too large: the loss is a mean over rows.",
    caught_by="test_the_loss_is_a_mean_over_rows",
)
@refusing
def softmax_xent(logits, y):
    loss, dlogits = finish(log_softmax(logits), y)
    return loss, dlogits * len(y)


@misconception(
    "bp4",
    "A probability underflowed to 0 before the log; use z_y − logsumexp(z).",
    caught_by="test_a_hopeless_label_costs_its_distance_from_the_best",
    twins=("bp28",),
)
@refusing
def softmax_xent(logits, y):
    p = np.exp(log_softmax(logits))
    with np.errstate(divide="ignore"):
        loss = float(-np.log(p[np.arange(len(y)), y]).mean())
    return loss, finish(log_softmax(logits), y)[1]


@misconception(
    "bp27",
    "A small constant inside the log hides an underflow: the loss of a hopeless label is wrong from then on.",
    caught_by="test_a_hopeless_label_costs_its_distance_from_the_best",
)
@refusing
def softmax_xent(logits, y):
    p = np.exp(log_softmax(logits))
    return float(-np.log(p[np.arange(len(y)), y] + 1e-12).mean()), finish(log_softmax(logits), y)[1]


@misconception(
    "bp27",
    "Clipping probabilities before the log hides an underflow: the loss of a hopeless label is wrong from then on.",
    caught_by="test_a_hopeless_label_costs_its_distance_from_the_best",
)
@refusing
def softmax_xent(logits, y):
    p = np.clip(np.exp(log_softmax(logits)), 1e-15, 1.0)
    return float(-np.log(p[np.arange(len(y)), y]).mean()), finish(log_softmax(logits), y)[1]


@misconception(
    "bp28",
    "exp overflows or underflows unless the largest logit of the row is subtracted first.",
    caught_by="test_a_constant_added_to_a_row_changes_nothing",
)
@refusing
def softmax_xent(logits, y):
    with np.errstate(all="ignore"):
        e = np.exp(logits)
        return finish(np.log(e / e.sum(axis=1, keepdims=True)), y)


@misconception(
    "bp29",
    "You subtracted the largest logit of the whole batch; a row far below it underflows. Each row needs its own.",
    caught_by="test_huge_logits_do_not_overflow",
)
@refusing
def softmax_xent(logits, y):
    with np.errstate(all="ignore"):
        shifted = logits - logits.max()
        return finish(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), y)


@misconception(
    "bp30",
    "Softmax runs over the classes of one example (axis 1); you normalised over the examples.",
    caught_by="test_loss_is_logsumexp_minus_the_right_logit",
)
@refusing
def softmax_xent(logits, y):
    return finish(log_softmax(logits, axis=0), y)


@misconception(
    "bp31",
    "The loss is the mean over the rows; you return their sum.",
    caught_by="test_the_loss_is_a_mean_over_rows",
)
@refusing
def softmax_xent(logits, y):
    loss, dlogits = finish(log_softmax(logits), y)
    return loss * len(y), dlogits * len(y)


@misconception(
    "bp32",
    "The mean runs over the N examples; you also divided by the number of classes.",
    caught_by="test_loss_of_equal_logits_is_log_k",
)
@refusing
def softmax_xent(logits, y):
    loss, dlogits = finish(log_softmax(logits), y)
    return loss / logits.shape[1], dlogits / logits.shape[1]


@misconception(
    "bp33",
    "The sign is reversed: the gradient is softmax minus onehot, so that a step against it raises the right logit.",
    caught_by="test_logit_gradient_matches_autograd",
)
@refusing
def softmax_xent(logits, y):
    loss, dlogits = finish(log_softmax(logits), y)
    return loss, -dlogits


@misconception(
    "bp34",
    "−1/p is the slope of the loss at the probability; the gradient at the logits goes on through the softmax.",
    caught_by="test_logit_gradient_matches_autograd",
)
@refusing
def softmax_xent(logits, y):
    log_p, rows = log_softmax(logits), np.arange(len(y))
    dlogits = np.zeros_like(logits)
    with np.errstate(all="ignore"):
        dlogits[rows, y] = -1 / np.exp(log_p[rows, y]) / len(y)
    return finish(log_p, y)[0], dlogits


@misconception(
    "bp35",
    "A label of −1 silently picks the last class; labels outside 0 … K−1 must raise ValueError.",
    caught_by="test_softmax_xent_refuses_bad_labels_and_shapes",
)
def softmax_xent(logits, y):
    try:
        return finish(log_softmax(logits), y)
    except IndexError as error:
        raise ValueError(str(error)) from None


@misconception(
    "bp36",
    "float32 was promoted: np.eye makes float64, and the gradient went along.",
    caught_by="test_softmax_xent_keeps_float32_in_any_memory_layout",
)
@refusing
def softmax_xent(logits, y):
    log_p = log_softmax(logits)
    return finish(log_p, y)[0], (np.exp(log_p) - np.eye(logits.shape[1])[y]) / len(y)


# --- MLP ----------------------------------------------------------------------------------------------------


@misconception(
    "bp8",
    "A unit sees the whole weighted sum, not one term of it.",
    caught_by="test_a_unit_answers_to_its_whole_weighted_sum",
    replaces="MLP",
)
def mlp_with_one_term_slopes(reference):
    class MLP(reference.MLP):
        def forward(self, x):
            self.x = x
            return super().forward(x)

        def backward(self, dlogits):
            grads = super().backward(dlogits)
            if self.depth == 2 and self.kind == "sigmoid":
                da = dlogits @ self.params["W1"].T  # (N, H)
                term = sigmoid(self.x[:, :, None] * self.params["W0"])  # (N, D, H)
                grads["W0"] = np.einsum("nh,ndh,nd->dh", da, term * (1 - term), self.x)
            return grads

    return MLP


@misconception(
    "bp37",
    "The last layer returns logits: no activation follows it, the softmax is part of the loss.",
    caught_by="test_only_hidden_layers_have_an_activation",
    replaces="MLP",
)
def mlp_with_activated_logits(reference):
    class MLP(reference.MLP):
        def forward(self, x):
            a, self.last = reference.act_forward(super().forward(x), self.kind)
            return a

        def backward(self, dlogits):
            return super().backward(reference.act_backward(dlogits, self.last))

    return MLP


@misconception(
    "bp38",
    "The backward pass skipped the activations: between two linear layers the gradient goes through act_backward.",
    caught_by="test_the_gradient_predicts_the_change_along_a_random_direction",
    replaces="MLP",
)
def mlp_without_slopes(reference):
    class MLP(reference.MLP):
        def backward(self, dlogits):
            grads, dh = {}, dlogits
            for i in reversed(range(self.depth)):
                dh, grads[f"W{i}"], grads[f"b{i}"] = reference.linear_backward(dh, self._caches[i][0])
            return grads

    return MLP


def mlp_with_weights(reference, draw):
    """The reference with weights from draw(rng, fan_in, fan_out, relu_follows)."""

    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, np.random.default_rng(0))
            for i, (d, m) in enumerate(pairwise(sizes)):
                self.params[f"W{i}"] = draw(rng, d, m, kind == "relu" and i < self.depth - 1)

    return MLP


@misconception(
    "bp39",
    "Before a relu the variance is 2/fan_in (He): relu drops half of the signal, and Xavier does not make up for it.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_xavier_everywhere(reference):
    return mlp_with_weights(reference, lambda rng, d, m, relu: rng.normal(0, math.sqrt(2 / (d + m)), (d, m)))


@misconception(
    "bp40",
    "He weights are for layers that a relu follows; the last layer and those before sigmoid or tanh use Xavier.",
    caught_by="test_other_layers_start_with_xavier_weights",
    replaces="MLP",
)
def mlp_with_he_everywhere(reference):
    return mlp_with_weights(reference, lambda rng, d, m, relu: rng.normal(0, math.sqrt(2 / d), (d, m)))


@misconception(
    "bp40",
    "No relu follows the last layer, so it starts with Xavier weights, not with He weights.",
    caught_by="test_other_layers_start_with_xavier_weights",
    replaces="MLP",
)
def mlp_with_he_in_the_last_layer(reference):
    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, rng)
            if kind == "relu":
                self.params[f"W{self.depth - 1}"] *= math.sqrt((sizes[-2] + sizes[-1]) / sizes[-2])

    return MLP


@misconception(
    "bp41",
    "2/fan_in is the variance; the second argument of rng.normal is the standard deviation, its square root.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_variance_as_deviation(reference):
    return mlp_with_weights(
        reference, lambda rng, d, m, relu: rng.normal(0, 2 / d if relu else 2 / (d + m), (d, m))
    )


@misconception(
    "bp42",
    "The weights do not know how many inputs they serve: scale them by the fan-in, or signals blow up or die out.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_unit_normals(reference):
    return mlp_with_weights(reference, lambda rng, d, m, relu: rng.normal(0, 1, (d, m)))


@misconception(
    "bp42",
    "A fixed scale of 0.01 ignores the number of inputs: scale by the fan-in, or signals die out with depth.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_small_normals(reference):
    return mlp_with_weights(reference, lambda rng, d, m, relu: rng.normal(0, 0.01, (d, m)))


@misconception(
    "bp43",
    "Weights of 0 make all units of a layer alike, and equal units stay equal: draw them at random.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_zeros(reference):
    return mlp_with_weights(reference, lambda rng, d, m, relu: np.zeros((d, m)))


@misconception(
    "bp44",
    "fan_in is the number of inputs of the layer, the rows of W here; you used the number of outputs.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_fan_out(reference):
    return mlp_with_weights(
        reference, lambda rng, d, m, relu: rng.normal(0, math.sqrt(2 / m if relu else 2 / (d + m)), (d, m))
    )


@misconception(
    "bp45",
    "A uniform draw on ±s has the standard deviation s/√3; for a given deviation the bound is √3 times as large.",
    caught_by="test_relu_layers_start_with_he_weights",
    replaces="MLP",
)
def mlp_with_narrow_uniform(reference):
    def draw(rng, d, m, relu):
        s = math.sqrt(2 / d if relu else 2 / (d + m))
        return rng.uniform(-s, s, (d, m))

    return mlp_with_weights(reference, draw)


@misconception(
    "bp46",
    "Biases start at 0; there is no symmetry left for them to break.",
    caught_by="test_a_new_network_depends_on_its_generator_alone",
    replaces="MLP",
)
def mlp_with_drawn_biases(reference):
    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, rng)
            for i, m in enumerate(sizes[1:]):
                self.params[f"b{i}"] = rng.normal(0, 0.1, m)

    return MLP


@misconception(
    "bp47",
    "The weights came from NumPy's global random state; draw them from the generator that was passed in.",
    caught_by="test_a_new_network_depends_on_its_generator_alone",
    replaces="MLP",
)
def mlp_from_global_state(reference):
    return mlp_with_weights(
        reference, lambda _, d, m, relu: np.random.randn(d, m) * math.sqrt(2 / d if relu else 2 / (d + m))
    )


@misconception(
    "bp48",
    "The network makes its own seed, so all networks start alike; draw from the generator that was passed in.",
    caught_by="test_a_new_network_depends_on_its_generator_alone",
    replaces="MLP",
)
def mlp_from_fixed_seed(reference):
    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, np.random.default_rng(0))

    return MLP


@misconception(
    "bp49",
    "backward returns the gradient of one batch; yours adds up over calls.",
    caught_by="test_backward_belongs_to_the_latest_forward_of_its_own_model",
    replaces="MLP",
)
def mlp_that_accumulates(reference):
    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, rng)
            self.total = {name: np.zeros_like(value) for name, value in self.params.items()}

        def backward(self, dlogits):
            for name, grad in super().backward(dlogits).items():
                self.total[name] = self.total[name] + grad
            return self.total

    return MLP


@misconception(
    "bp50",
    "backward changed the weights; taking the step is the optimizer's work.",
    caught_by="test_a_pass_leaves_the_parameters_and_its_arguments_alone",
    replaces="MLP",
)
def mlp_that_trains_itself(reference):
    class MLP(reference.MLP):
        def backward(self, dlogits):
            grads = super().backward(dlogits)
            for name in grads:
                self.params[name] -= 0.01 * grads[name]
            return grads

    return MLP


@misconception(
    "bp51",
    "The caches of earlier batches were still there; each forward starts a new list.",
    caught_by="test_backward_belongs_to_the_latest_forward_of_its_own_model",
    replaces="MLP",
)
def mlp_with_old_caches(reference):
    class MLP(reference.MLP):
        def forward(self, x):
            before = self._caches
            logits = super().forward(x)
            self._caches = before + self._caches
            return logits

    return MLP


@misconception(
    "bp52",
    "All networks share one list of caches: an attribute of the class belongs to every object; set it in __init__.",
    caught_by="test_backward_belongs_to_the_latest_forward_of_its_own_model",
    replaces="MLP",
)
def mlp_with_class_attributes(reference):
    shared = []

    class MLP(reference.MLP):
        def forward(self, x):
            logits = super().forward(x)
            shared[:] = self._caches
            return logits

        def backward(self, dlogits):
            self._caches = list(shared)
            return super().backward(dlogits)

    return MLP


@misconception(
    "bp53",
    "forward worked on copies of the weights made at the start; it must read `params` at each call, or no step helps.",
    caught_by="test_network_forward_at_every_depth",
    replaces="MLP",
)
def mlp_with_private_copies(reference):
    class MLP(reference.MLP):
        def __init__(self, sizes, kind, rng):
            super().__init__(sizes, kind, rng)
            self.copies = {name: value.copy() for name, value in self.params.items()}

        def forward(self, x):
            visible, self.params = self.params, self.copies
            logits = super().forward(x)
            self.params = visible
            return logits

    return MLP


# --- gradient checking --------------------------------------------------------------------------------------


@misconception(
    "bp11", "One-sided difference is only first-order.", caught_by="test_central_difference_of_a_cubic"
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        probe = x.copy()
        probe[i] += h
        grad[i] = (f(probe) - f(x.copy())) / h
    return grad


@misconception("bp11", "Divide by 2h.", caught_by="test_central_difference_of_a_cubic")
@refusing
def numeric_gradient(f, x, h=1e-5):
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[i] += h
        below[i] -= h
        grad[i] = (f(above) - f(below)) / h
    return grad


@misconception(
    "bp11",
    "You left the probe step in x.",
    caught_by="test_numeric_gradient_restores_x_bit_for_bit",
    twins=("bp54", "bp55"),
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        grad[i] = (above - f(x)) / (2 * h)
    return grad


@misconception(
    "bp54",
    "x + h − 2h + h is not x in floating point: save the element and put the saved number back.",
    caught_by="test_numeric_gradient_restores_x_bit_for_bit",
    twins=("bp11",),
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        grad[i] = (above - f(x)) / (2 * h)
        x[i] += h
    return grad


@misconception(
    "bp55",
    "An element that was probed keeps its step while the next one is probed; put it back first.",
    caught_by="test_numeric_gradient_of_a_coupled_function",
    twins=("bp11",),
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    x = x.copy()
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += h
        above = f(x)
        x[i] -= 2 * h
        grad[i] = (above - f(x)) / (2 * h)
    return grad


@misconception(
    "bp56",
    "reshape and ravel return a copy of a strided array, so the probes never reached x; index x itself.",
    caught_by="test_numeric_gradient_of_scalars_and_strided_arrays",
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    flat, grad = x.reshape(-1), np.empty(x.size)
    for i in range(x.size):
        saved = flat[i]
        flat[i] = saved + h
        above = f(x)
        flat[i] = saved - h
        grad[i] = (above - f(x)) / (2 * h)
        flat[i] = saved
    return grad.reshape(x.shape)


@misconception(
    "bp57",
    "The step h that was passed in is not used.",
    caught_by="test_central_difference_of_a_cubic",
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    grad = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[i] += 1e-5
        below[i] -= 1e-5
        grad[i] = (f(above) - f(below)) / 2e-5
    return grad


@misconception(
    "bp58",
    "All elements were moved at once, which gives one slope along the diagonal; probe one element at a time.",
    caught_by="test_numeric_gradient_of_a_coupled_function",
)
@refusing
def numeric_gradient(f, x, h=1e-5):
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))


@misconception(
    "bp59",
    "Divide element by element and take the largest ratio; the largest difference over the largest size lets a "
    "wrong small element pass.",
    caught_by="test_relative_error_is_the_worst_over_single_elements",
)
@refusing
def relative_error(a, b):
    return float(np.abs(a - b).max() / max(1e-8, (np.abs(a) + np.abs(b)).max()))


@misconception(
    "bp60",
    "The worst element counts; a mean hides one wrong element among many right ones.",
    caught_by="test_relative_error_is_the_worst_over_single_elements",
)
@refusing
def relative_error(a, b):
    return float((np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))).mean())


@misconception(
    "bp61",
    "The difference is divided by the sum |a| + |b|, not by one of them, so that the result is symmetric and at most 1.",
    caught_by="test_relative_error_divides_by_the_sum_of_the_sizes",
)
@refusing
def relative_error(a, b):
    return float((np.abs(a - b) / np.maximum(1e-8, np.maximum(np.abs(a), np.abs(b)))).max())


@misconception(
    "bp61",
    "The difference is divided by the sum |a| + |b|, not by |a| alone, so that the result is symmetric and at most 1.",
    caught_by="test_relative_error_divides_by_the_sum_of_the_sizes",
)
@refusing
def relative_error(a, b):
    return float((np.abs(a - b) / np.maximum(1e-8, np.abs(a))).max())


@misconception(
    "bp62",
    "|a + b| is 0 for opposite numbers; the denominator is |a| + |b|.",
    caught_by="test_relative_error_divides_by_the_sum_of_the_sizes",
)
@refusing
def relative_error(a, b):
    return float((np.abs(a - b) / np.maximum(1e-8, np.abs(a + b))).max())


@misconception(
    "bp63",
    "1e-8 is a floor under the denominator, max(1e-8, |a| + |b|); you added it, which changes every result a little.",
    caught_by="test_relative_error_is_the_worst_over_single_elements",
)
@refusing
def relative_error(a, b):
    return float((np.abs(a - b) / (1e-8 + np.abs(a) + np.abs(b))).max())


@misconception(
    "bp64",
    "Without the floor of 1e-8 two zeros give 0/0, and two tiny numbers count as totally different.",
    caught_by="test_relative_error_is_the_worst_over_single_elements",
)
@refusing
def relative_error(a, b):
    with np.errstate(all="ignore"):
        return float((np.abs(a - b) / (np.abs(a) + np.abs(b))).max())


@misconception(
    "bp65",
    "The sign of the difference was kept, so elements that are too small look perfect; take the absolute value.",
    caught_by="test_relative_error_divides_by_the_sum_of_the_sizes",
)
@refusing
def relative_error(a, b):
    return float(((a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b))).max())


# --- Value --------------------------------------------------------------------------------------------------


def ordered(root):
    """All values below root, operands before results."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node._edges)
    return order


def start(root):
    """What a pass begins with: results forget earlier passes, and the root has the derivative 1."""
    for node in ordered(root):
        if node._edges:
            node.grad = 0.0
    root.grad += 1.0


@misconception(
    "bp9",
    "Gradients from several uses add up; you overwrite.",
    caught_by="test_a_value_used_twice_collects_both_gradients",
    replaces="Value",
)
def value_that_overwrites(reference):
    class Value(reference.Value):
        def backward(self):
            self.grad = 1.0
            for node in reversed(ordered(self)):
                for operand, local in node._edges:
                    operand.grad = local * node.grad

    return Value


@misconception(
    "bp10",
    "A node was processed before all of its consumers; sort topologically. (Breadth-first order is not enough.)",
    caught_by="test_a_value_waits_for_all_its_consumers",
    replaces="Value",
)
def value_breadth_first(reference):
    class Value(reference.Value):
        def backward(self):
            start(self)
            queue, seen = [self], {id(self)}
            for node in queue:
                for operand, local in node._edges:
                    operand.grad += local * node.grad
                    if id(operand) not in seen:
                        seen.add(id(operand))
                        queue.append(operand)

    return Value


@misconception(
    "bp10",
    "A node was processed before all of its consumers; sort topologically. (Last-in, first-out order is not enough.)",
    caught_by="test_the_order_of_operands_does_not_matter",
    replaces="Value",
)
def value_last_in_first_out(reference):
    class Value(reference.Value):
        def backward(self):
            start(self)
            stack, seen = [self], {id(self)}
            while stack:
                node = stack.pop()
                for operand, local in node._edges:
                    operand.grad += local * node.grad
                    if id(operand) not in seen:
                        seen.add(id(operand))
                        stack.append(operand)

    return Value


@misconception(
    "bp10",
    "A node passed its gradient on each time something arrived, old parts included; sort topologically and pass "
    "everything on once.",
    caught_by="test_a_value_waits_for_all_its_consumers",
    replaces="Value",
)
def value_child_by_child(reference):
    class Value(reference.Value):
        def backward(self):
            start(self)
            stack = [self]
            while stack:
                node = stack.pop()
                for operand, local in node._edges:
                    operand.grad += local * node.grad
                    stack.append(operand)

    return Value


@misconception(
    "bp10",
    "The visited values were listed from the root down instead of operands first, so some passed their gradient on "
    "too early; sort topologically.",
    caught_by="test_a_value_waits_for_all_its_consumers",
    replaces="Value",
)
def value_preorder(reference):
    class Value(reference.Value):
        def backward(self):
            order, seen, stack = [], set(), [self]
            while stack:
                node = stack.pop()
                if id(node) not in seen:
                    seen.add(id(node))
                    order.append(node)
                    stack.extend(operand for operand, _ in reversed(node._edges))
            start(self)
            for node in order:
                for operand, local in node._edges:
                    operand.grad += local * node.grad

    return Value


@misconception(
    "bp66",
    "Recursion goes as deep as the graph, and Python stops at a depth of 1000; keep the open values in a list instead.",
    caught_by="test_a_graph_may_be_thousands_of_values_deep",
    replaces="Value",
)
def value_with_recursive_sort(reference):
    class Value(reference.Value):
        def backward(self):
            order, seen = [], set()

            def visit(node):
                if id(node) not in seen:
                    seen.add(id(node))
                    for operand, _ in node._edges:
                        visit(operand)
                    order.append(node)

            visit(self)
            start(self)
            for node in reversed(order):
                for operand, local in node._edges:
                    operand.grad += local * node.grad

    return Value


@misconception(
    "bp67",
    "Every way through the graph was walked one by one, and their number doubles with each reuse; visit each value "
    "once, in topological order.",
    caught_by="test_backward_visits_each_value_once",
    replaces="Value",
)
def value_way_by_way(reference):
    class Value(reference.Value):
        def backward(self):
            stack = [(self, 1.0)]
            while stack:
                node, arriving = stack.pop()
                node.grad += arriving
                stack.extend((operand, local * arriving) for operand, local in node._edges)

    return Value


@misconception(
    "bp68",
    "Results kept their gradient from the first pass and sent it down again; only leaves add up over passes.",
    caught_by="test_a_second_pass_adds_its_own_gradients_once",
    replaces="Value",
)
def value_with_old_gradients(reference):
    class Value(reference.Value):
        def backward(self):
            self.grad = 1.0
            for node in reversed(ordered(self)):
                for operand, local in node._edges:
                    operand.grad += local * node.grad

    return Value


@misconception(
    "bp69",
    "The second pass wiped out what the first had left in the leaves; passes add up, as in torch.",
    caught_by="test_a_second_pass_adds_its_own_gradients_once",
    replaces="Value",
)
def value_that_forgets(reference):
    class Value(reference.Value):
        def backward(self):
            for node in ordered(self):
                node.grad = 0.0
            super().backward()

    return Value


@misconception(
    "bp70",
    "Nothing arrived at the top: the derivative of a value with respect to itself is 1, so backward starts there.",
    caught_by="test_a_value_used_twice_collects_both_gradients",
    replaces="Value",
)
def value_without_seed(reference):
    class Value(reference.Value):
        def backward(self):
            start(self)
            self.grad -= 1.0
            for node in reversed(ordered(self)):
                for operand, local in node._edges:
                    operand.grad += local * node.grad

    return Value


@misconception(
    "bp71",
    "Each operation added its own derivative alone; the chain rule multiplies it by the gradient of its result.",
    caught_by="test_tanh_exp_and_relu_scale_by_their_slope",
    replaces="Value",
)
def value_without_chain_rule(reference):
    class Value(reference.Value):
        def backward(self):
            start(self)
            for node in reversed(ordered(self)):
                for operand, local in node._edges:
                    operand.grad += local

    return Value


@misconception(
    "bp72",
    "In a product each factor receives the other factor; yours receives itself.",
    caught_by="test_sums_pass_gradients_on_and_products_swap_their_factors",
    replaces="Value",
)
def value_with_unswapped_factors(reference):
    class Value(reference.Value):
        def __mul__(self, other):
            other = reference._as_value(other)
            return reference._result(self.data * other.data, (self, self.data), (other, other.data))

    return Value


@misconception(
    "bp73",
    "n − a is not a − n: __rsub__ gets the number from the left.",
    caught_by="test_numbers_may_stand_on_either_side",
    replaces="Value",
)
def value_with_swapped_difference(reference):
    class Value(reference.Value):
        def __rsub__(self, other):
            return self - other

    return Value


@misconception(
    "bp74",
    "n / a is not a / n: __rtruediv__ gets the number from the left.",
    caught_by="test_numbers_may_stand_on_either_side",
    replaces="Value",
)
def value_with_swapped_quotient(reference):
    class Value(reference.Value):
        def __rtruediv__(self, other):
            return self / other

    return Value


@misconception(
    "bp75",
    "The derivative of a ** n is n · a ** (n − 1); the exponent was not lowered.",
    caught_by="test_powers_of_negative_zero_and_fractional_kind",
    replaces="Value",
)
def value_with_unlowered_exponent(reference):
    class Value(reference.Value):
        def __pow__(self, exponent):
            if not isinstance(exponent, (int, float)):
                raise ValueError("the exponent must be a number")
            power = self.data**exponent
            return reference._result(power, (self, exponent * power))

    return Value


@misconception(
    "bp76",
    "tanh′ = 1 − t² with t = tanh(x), the output; you squared the input.",
    caught_by="test_tanh_exp_and_relu_scale_by_their_slope",
    replaces="Value",
)
def value_with_tanh_of_input(reference):
    class Value(reference.Value):
        def tanh(self):
            return reference._result(math.tanh(self.data), (self, 1 - self.data**2))

    return Value


@misconception(
    "bp77",
    "The power rule is for x ** n; the derivative of exp is exp itself.",
    caught_by="test_tanh_exp_and_relu_scale_by_their_slope",
    replaces="Value",
)
def value_with_power_rule_for_exp(reference):
    class Value(reference.Value):
        def exp(self):
            return reference._result(math.exp(self.data), (self, self.data * math.exp(self.data - 1)))

    return Value


@misconception(
    "bp78",
    "1/b falls where b grows: the gradient of the denominator is −a / b², yours has lost its sign.",
    caught_by="test_differences_and_quotients_of_two_values",
    replaces="Value",
)
def value_with_positive_quotient_slope(reference):
    class Value(reference.Value):
        def __truediv__(self, other):
            other = reference._as_value(other)
            q = self.data / other.data
            return reference._result(q, (self, 1 / other.data), (other, q / other.data))

    return Value


@misconception(
    "bp79",
    "In a − b the second operand has the derivative −1; you gave both +1.",
    caught_by="test_differences_and_quotients_of_two_values",
    replaces="Value",
)
def value_with_positive_difference_slope(reference):
    class Value(reference.Value):
        def __sub__(self, other):
            other = reference._as_value(other)
            return reference._result(self.data - other.data, (self, 1.0), (other, 1.0))

    return Value


@misconception(
    "bp80",
    "Two values with equal numbers were taken for one: compare nodes by identity, not by what they hold.",
    caught_by="test_values_with_equal_numbers_are_different_nodes",
    replaces="Value",
)
def value_equal_by_number(reference):
    class Value(reference.Value):
        def __eq__(self, other):
            return isinstance(other, reference.Value) and self.data == other.data

        def __hash__(self):
            return hash(self.data)

    return Value


@misconception(
    "bp81",
    "At 0 the derivative of relu is 0 in this course (as in torch); yours is 1.",
    caught_by="test_relu_of_zero_is_flat_and_exponents_are_numbers",
    replaces="Value",
)
def value_with_relu_slope_one_at_zero(reference):
    class Value(reference.Value):
        def relu(self):
            return reference._result(max(0.0, self.data), (self, float(self.data >= 0)))

    return Value
