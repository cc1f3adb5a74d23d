"""Wrong implementations of the regularization topic, each with the sentence that a student should read.

Some replace a function by name, others wrap the reference (`replaces=...`).
The caches are the reference's: batch normalization keeps (x_hat, gamma, inv_std).
"""

import numpy as np

from grader.checks import misconception


def weights_of(params):
    return {key: W for key, W in params.items() if key.startswith("W")}


def one_hot(y, K):
    return np.eye(K)[y]


def log_softmax(logits):
    z = logits - logits.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


# --- dropout ---------------------------------------------------------------------------------------------------------


def dropout(kept, scale):
    """A dropout_forward from a rule for what is kept and a rule for the scale."""

    def dropout_forward(x, p, rng, train):
        if not 0 <= p < 1:
            raise ValueError("p must be in [0, 1)")
        if not train or p == 0:
            return x.copy(), np.ones_like(x)
        mask = (kept(x, p, rng) * scale(p)).astype(x.dtype)
        return x * mask, mask

    return dropout_forward


def kept_each(x, p, rng):
    return rng.random(x.shape) >= p


def inverted(p):
    return 1 / (1 - p)


@misconception(
    "rg1",
    "Scale the survivors by 1 / (1 - p), or activations are smaller in training than in evaluation.",
    caught_by="test_dropout_zeroes_or_scales",
    replaces="dropout_forward",
)
def dropout_unscaled(reference):
    return dropout(kept_each, lambda p: 1.0)


@misconception(
    "rg2",
    "An element survives with probability 1 - p, so the survivors are divided by 1 - p and not by p.",
    caught_by="test_dropout_zeroes_or_scales",
    replaces="dropout_forward",
)
def dropout_divided_by_p(reference):
    return dropout(kept_each, lambda p: 1 / p)


@misconception(
    "rg2",
    "Here p is the probability of dropping an element; some courses and the paper call the probability of keeping it p.",
    caught_by="test_dropout_keeps_the_right_fraction",
    replaces="dropout_forward",
)
def dropout_p_keeps(reference):
    return dropout(lambda x, p, rng: rng.random(x.shape) < p, lambda p: 1 / p)


@misconception(
    "rg2",
    "The mask is the wrong way round: p is the probability that an element is dropped, not that it is kept.",
    caught_by="test_dropout_keeps_the_right_fraction",
    replaces="dropout_forward",
)
def dropout_inverted_mask(reference):
    return dropout(lambda x, p, rng: rng.random(x.shape) < p, inverted)


@misconception(
    "rg3",
    "Backward drew a mask of its own: units that were off in the forward pass now receive gradient.",
    caught_by="test_dropout_gradient_uses_the_same_mask",
)
def dropout_backward(dy, mask):
    scale = mask.max()
    return dy * (np.random.default_rng(0).random(dy.shape) < 1 / scale) * scale


@misconception(
    "rg12",
    "Dropped units must get no gradient: the upstream gradient is multiplied by the mask, not passed on.",
    caught_by="test_dropout_gradient_uses_the_same_mask",
    replaces="dropout_backward",
)
def dropout_backward_without_mask(reference):
    return lambda dy, mask: dy.copy()


@misconception(
    "rg12",
    "The survivors were scaled by 1 / (1 - p), so their gradient is scaled by it too.",
    caught_by="test_dropout_gradient_uses_the_same_mask",
    replaces="dropout_backward",
)
def dropout_backward_unscaled(reference):
    return lambda dy, mask: dy * (mask > 0)


@misconception(
    "rg13",
    "In evaluation dropout does nothing at all: no mask, no scaling, no draw.",
    caught_by="test_dropout_does_nothing_in_evaluation",
    replaces="dropout_forward",
)
def dropout_always_on(reference):
    plain = reference.dropout_forward
    return lambda x, p, rng, train: plain(x, p, rng, True)


@misconception(
    "rg13",
    "Inverted dropout scales in training only; the factor 1 - p in evaluation belongs to the older, unscaled form.",
    caught_by="test_dropout_does_nothing_in_evaluation",
    replaces="dropout_forward",
)
def dropout_scaled_in_evaluation(reference):
    plain = reference.dropout_forward

    def dropout_forward(x, p, rng, train):
        y, mask = plain(x, p, rng, train)
        return (y, mask) if train else (x * (1 - p), mask)

    return dropout_forward


@misconception(
    "rg13",
    "Evaluation must not draw: decide about train before touching rng.",
    caught_by="test_dropout_does_nothing_in_evaluation",
    replaces="dropout_forward",
)
def dropout_draws_in_evaluation(reference):
    plain = reference.dropout_forward

    def dropout_forward(x, p, rng, train):
        y, mask = plain(x, p, rng, True)
        return (y, mask) if train else (x.copy(), np.ones_like(x))

    return dropout_forward


@misconception(
    "rg14",
    "One mask for the whole batch ties the examples together: every element needs a draw of its own.",
    caught_by="test_dropout_decides_for_each_element",
    replaces="dropout_forward",
)
def dropout_shares_the_mask(reference):
    return dropout(lambda x, p, rng: np.broadcast_to(rng.random(x.shape[1:]) >= p, x.shape), inverted)


@misconception(
    "rg14",
    "Dropping whole examples is not dropout: every element needs a draw of its own.",
    caught_by="test_dropout_decides_for_each_element",
    replaces="dropout_forward",
)
def dropout_drops_rows(reference):
    def kept(x, p, rng):
        return np.broadcast_to(rng.random((len(x), *[1] * (x.ndim - 1))) >= p, x.shape)

    return dropout(kept, inverted)


@misconception(
    "rg14",
    "Elements drop independently of each other: a fixed number of dropped elements is another distribution.",
    caught_by="test_dropout_decides_for_each_element",
    replaces="dropout_forward",
)
def dropout_fixed_count(reference):
    return dropout(lambda x, p, rng: rng.permutation(x.size).reshape(x.shape) >= round(p * x.size), inverted)


@misconception(
    "rg15",
    "Draw from the generator you are given: a generator made inside the function repeats the same mask at every call.",
    caught_by="test_dropout_draws_from_the_generator_only",
    replaces="dropout_forward",
)
def dropout_seeds_itself(reference):
    plain = reference.dropout_forward
    return lambda x, p, rng, train: plain(x, p, np.random.default_rng(0), train)


@misconception(
    "rg15",
    "Draw from the generator you are given, not from NumPy's global random state, or no run can be repeated.",
    caught_by="test_dropout_draws_from_the_generator_only",
    replaces="dropout_forward",
)
def dropout_draws_globally(reference):
    return dropout(lambda x, p, rng: np.random.random(x.shape) >= p, inverted)


@misconception(
    "rg16",
    "The mask was left in float64 and took the float32 input with it.",
    caught_by="test_dropout_keeps_shape_dtype_and_arguments",
    replaces="dropout_forward",
)
def dropout_in_double(reference):
    plain = reference.dropout_forward

    def dropout_forward(x, p, rng, train):
        y, mask = plain(x.astype(np.float64), p, rng, train)
        return y, mask

    return dropout_forward


@misconception(
    "rg16",
    "Dropout wrote the zeros into x itself; work on a new array.",
    caught_by="test_dropout_keeps_shape_dtype_and_arguments",
    replaces="dropout_forward",
)
def dropout_in_place(reference):
    plain = reference.dropout_forward

    def dropout_forward(x, p, rng, train):
        y, mask = plain(x, p, rng, train)
        if train:
            x *= mask
        return y, mask

    return dropout_forward


@misconception(
    "rg16",
    "In evaluation the result is equal to x, but it must not be x itself: return a copy.",
    caught_by="test_dropout_does_nothing_in_evaluation",
    replaces="dropout_forward",
)
def dropout_returns_x(reference):
    plain = reference.dropout_forward

    def dropout_forward(x, p, rng, train):
        return plain(x, p, rng, train) if train else (x, np.ones_like(x))

    return dropout_forward


@misconception(
    "rg17",
    "With p = 1 nothing survives and 1 / (1 - p) is infinite: p must be checked.",
    caught_by="test_dropout_refuses_a_bad_p",
    replaces="dropout_forward",
)
def dropout_takes_any_p(reference):
    def dropout_forward(x, p, rng, train):
        if not train:
            return x.copy(), np.ones_like(x)
        kept = rng.random(x.shape) >= p
        mask = (kept / max(1 - p, 1e-9)).astype(x.dtype)
        return x * mask, mask

    return dropout_forward


# --- batch normalization: forward ------------------------------------------------------------------------------------


def batchnorm(ddof=0, run_ddof=1, axis=0, eps_outside=False, old_weight=False, mean_of_squares=False, one_is_fine=False):
    """A batchnorm_forward with one of the usual slips; the cache is the reference's."""

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        n = len(x)
        mean, var = run
        run_new = mean.copy(), var.copy()
        if train:
            if n == 1 and not one_is_fine:
                raise ValueError("N = 1")
            run_mean, run_var = run
            mean = x.mean(axis=axis, keepdims=True)
            var = (x * x).mean(axis=axis, keepdims=True) - mean**2 if mean_of_squares else x.var(
                axis=axis, ddof=ddof, keepdims=True
            )
            batch_mean = x.mean(axis=0)
            batch_var = var[0] * n / (n - 1) if mean_of_squares else x.var(axis=0, ddof=run_ddof if n > 1 else 0)
            m = 1 - momentum if old_weight else momentum
            run_new = (1 - m) * run_mean + m * batch_mean, (1 - m) * run_var + m * batch_var
        inv_std = 1 / (np.sqrt(var) + eps) if eps_outside else 1 / np.sqrt(var + eps)
        x_hat = (x - mean) * inv_std
        return gamma * x_hat + beta, (x_hat, gamma, inv_std), run_new

    return batchnorm_forward


@misconception(
    "rg5",
    "The running variance takes in the unbiased estimate, divided by N - 1; only the normalisation divides by N.",
    caught_by="test_batchnorm_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_runs_on_biased_variance(reference):
    return batchnorm(run_ddof=0)


@misconception(
    "rg5",
    "momentum is the weight of the new batch, as in torch; the old value gets 1 - momentum.",
    caught_by="test_batchnorm_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_momentum_weighs_the_old(reference):
    return batchnorm(old_weight=True)


@misconception(
    "rg6",
    "The batch is normalised by the biased variance, divided by N; N - 1 belongs to the running average.",
    caught_by="test_batchnorm_normalises_each_column",
    replaces="batchnorm_forward",
)
def batchnorm_unbiased(reference):
    return batchnorm(ddof=1)


@misconception(
    "rg6",
    "eps goes inside the root, beside the variance: sqrt(var + eps), not sqrt(var) + eps.",
    caught_by="test_batchnorm_eps_is_added_to_the_variance",
    replaces="batchnorm_forward",
)
def batchnorm_eps_outside(reference):
    return batchnorm(eps_outside=True)


@misconception(
    "rg6",
    "Batch normalization averages over the batch, axis 0; averaging over the features, axis 1, is layer normalization.",
    caught_by="test_batchnorm_normalises_each_column",
    replaces="batchnorm_forward",
)
def batchnorm_over_features(reference):
    return batchnorm(axis=1)


@misconception(
    "rg18",
    "In evaluation the running statistics normalise, or the answer for one example depends on its neighbours.",
    caught_by="test_batchnorm_evaluates_with_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_evaluates_on_the_batch(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        if train:
            return plain(x, gamma, beta, run, train, momentum, eps)
        y, cache, _ = plain(x, gamma, beta, (x.mean(axis=0), x.var(axis=0)), False, momentum, eps)
        return y, cache, (run[0].copy(), run[1].copy())

    return batchnorm_forward


@misconception(
    "rg18",
    "Evaluation reads the running statistics and leaves them as they are; only training updates them.",
    caught_by="test_batchnorm_evaluates_with_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_updates_in_evaluation(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        y, cache, run_new = plain(x, gamma, beta, run, train, momentum, eps)
        if not train:
            mean, var = run
            run_new = (1 - momentum) * mean + momentum * x.mean(0), (1 - momentum) * var + momentum * x.var(0)
        return y, cache, run_new

    return batchnorm_forward


@misconception(
    "rg18",
    "In training this batch's own mean and variance normalise; the running ones are for evaluation.",
    caught_by="test_batchnorm_normalises_each_column",
    replaces="batchnorm_forward",
)
def batchnorm_trains_on_running_statistics(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        _, _, run_new = plain(x, gamma, beta, run, train, momentum, eps)
        y, cache, _ = plain(x, gamma, beta, run_new, False, momentum, eps)
        return y, cache, run_new

    return batchnorm_forward


@misconception(
    "rg19",
    "E[x**2] - E[x]**2 subtracts two nearly equal numbers when the mean is large: centre first, then square.",
    caught_by="test_batchnorm_of_a_constant_column",
    replaces="batchnorm_forward",
)
def batchnorm_mean_of_squares(reference):
    return batchnorm(mean_of_squares=True)


@misconception(
    "rg20",
    "One example has no variance: training on a batch of one must be refused.",
    caught_by="test_batchnorm_on_a_batch_of_one",
    replaces="batchnorm_forward",
)
def batchnorm_trains_on_one(reference):
    return batchnorm(one_is_fine=True)


@misconception(
    "rg20",
    "Only training needs two examples: with running statistics a batch of one can be evaluated.",
    caught_by="test_batchnorm_on_a_batch_of_one",
    replaces="batchnorm_forward",
)
def batchnorm_never_takes_one(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        if len(x) == 1:
            raise ValueError("N = 1")
        return plain(x, gamma, beta, run, train, momentum, eps)

    return batchnorm_forward


@misconception(
    "rg21",
    "The running statistics were updated in place; return a new pair and leave the old one alone.",
    caught_by="test_batchnorm_leaves_its_arguments_alone",
    replaces="batchnorm_forward",
)
def batchnorm_updates_in_place(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        y, cache, run_new = plain(x, gamma, beta, run, train, momentum, eps)
        for old, new in zip(run, run_new, strict=True):
            old[...] = new
        return y, cache, run_new

    return batchnorm_forward


@misconception(
    "rg21",
    "x was centred in place; the caller's batch must stay as it is.",
    caught_by="test_batchnorm_leaves_its_arguments_alone",
    replaces="batchnorm_forward",
)
def batchnorm_centres_in_place(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        result = plain(x, gamma, beta, run, train, momentum, eps)
        if train:
            x -= x.mean(axis=0)
        return result

    return batchnorm_forward


@misconception(
    "rg22",
    "The running mean moves with every batch, just like the running variance.",
    caught_by="test_batchnorm_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_forgets_the_running_mean(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        y, cache, run_new = plain(x, gamma, beta, run, train, momentum, eps)
        return y, cache, (run[0].copy(), run_new[1])

    return batchnorm_forward


@misconception(
    "rg22",
    "The running statistics average a variance, not a standard deviation.",
    caught_by="test_batchnorm_running_statistics",
    replaces="batchnorm_forward",
)
def batchnorm_runs_on_std(reference):
    plain = reference.batchnorm_forward

    def batchnorm_forward(x, gamma, beta, run, train, momentum=0.1, eps=1e-5):
        y, cache, run_new = plain(x, gamma, beta, run, train, momentum, eps)
        if train:
            run_new = run_new[0], (1 - momentum) * run[1] + momentum * x.std(axis=0, ddof=1)
        return y, cache, run_new

    return batchnorm_forward


# --- batch normalization: backward -----------------------------------------------------------------------------------


@misconception(
    "rg4",
    "Mean and variance depend on x as well: without their part, dx does not sum to 0 over the batch.",
    caught_by="test_batchnorm_input_gradient_predicts_small_steps",
)
def batchnorm_backward(dy, cache):
    x_hat, gamma, inv_std = cache
    return gamma * dy * inv_std, (dy * x_hat).sum(axis=0), dy.sum(axis=0)


@misconception(
    "rg4",
    "The variance depends on x as well as the mean: the term with x_hat is missing from dx.",
    caught_by="test_batchnorm_gradients_match_autograd",
    replaces="batchnorm_backward",
)
def batchnorm_backward_without_variance(reference):
    def batchnorm_backward(dy, cache):
        x_hat, gamma, inv_std = cache
        return gamma * inv_std * (dy - dy.mean(axis=0)), (dy * x_hat).sum(axis=0), dy.sum(axis=0)

    return batchnorm_backward


@misconception(
    "rg4",
    "The mean depends on x as well as the variance: dy must be centred in dx.",
    caught_by="test_batchnorm_gradients_match_autograd",
    replaces="batchnorm_backward",
)
def batchnorm_backward_without_mean(reference):
    def batchnorm_backward(dy, cache):
        x_hat, gamma, inv_std = cache
        dgamma = (dy * x_hat).sum(axis=0)
        return gamma * inv_std * (dy - x_hat * dgamma / len(dy)), dgamma, dy.sum(axis=0)

    return batchnorm_backward


@misconception(
    "rg23",
    "dx is scaled by gamma: the normalised values were multiplied by it on the way out.",
    caught_by="test_batchnorm_gradients_match_autograd",
    replaces="batchnorm_backward",
)
def batchnorm_backward_without_gamma(reference):
    plain = reference.batchnorm_backward

    def batchnorm_backward(dy, cache):
        x_hat, gamma, inv_std = cache
        return plain(dy, (x_hat, np.ones_like(gamma), inv_std))

    return batchnorm_backward


@misconception(
    "rg23",
    "The two sums in dx are averages over the batch: a factor 1/N is missing from them.",
    caught_by="test_batchnorm_gradients_match_autograd",
    replaces="batchnorm_backward",
)
def batchnorm_backward_sums(reference):
    def batchnorm_backward(dy, cache):
        x_hat, gamma, inv_std = cache
        dgamma, dbeta = (dy * x_hat).sum(axis=0), dy.sum(axis=0)
        return gamma * inv_std * (dy - dbeta - x_hat * dgamma), dgamma, dbeta

    return batchnorm_backward


@misconception(
    "rg24",
    "dgamma weighs dy with the normalised input; without it you have dbeta once more.",
    caught_by="test_batchnorm_scale_and_shift_gradients",
    replaces="batchnorm_backward",
)
def batchnorm_backward_dgamma_is_dbeta(reference):
    plain = reference.batchnorm_backward

    def batchnorm_backward(dy, cache):
        dx, _, dbeta = plain(dy, cache)
        return dx, dbeta.copy(), dbeta

    return batchnorm_backward


@misconception(
    "rg24",
    "gamma and beta serve every example of the batch: their gradients are sums over it, not means.",
    caught_by="test_batchnorm_scale_and_shift_gradients",
    replaces="batchnorm_backward",
)
def batchnorm_backward_means(reference):
    plain = reference.batchnorm_backward

    def batchnorm_backward(dy, cache):
        dx, dgamma, dbeta = plain(dy, cache)
        return dx, dgamma / len(dy), dbeta / len(dy)

    return batchnorm_backward


@misconception(
    "rg24",
    "The results come in the order dx, dgamma, dbeta.",
    caught_by="test_batchnorm_scale_and_shift_gradients",
    replaces="batchnorm_backward",
)
def batchnorm_backward_swapped(reference):
    plain = reference.batchnorm_backward

    def batchnorm_backward(dy, cache):
        dx, dgamma, dbeta = plain(dy, cache)
        return dx, dbeta, dgamma

    return batchnorm_backward


@misconception(
    "rg25",
    "What backward needs belongs in the cache of that forward pass, not in a variable that the next batch overwrites.",
    caught_by="test_batchnorm_caches_do_not_mix",
    replaces="batchnorm_forward",
)
def batchnorm_remembers_the_latest(reference):
    plain = reference.batchnorm_forward
    latest = []

    def batchnorm_forward(*args, **kwargs):
        y, latest[:], run_new = plain(*args, **kwargs)
        return y, latest, run_new

    return batchnorm_forward


@misconception(
    "rg25",
    "The cache was written to, so a second backward pass from the same forward pass goes wrong.",
    caught_by="test_batchnorm_backward_leaves_its_arguments_alone",
    replaces="batchnorm_backward",
)
def batchnorm_backward_spoils_the_cache(reference):
    plain = reference.batchnorm_backward

    def batchnorm_backward(dy, cache):
        gradients = plain(dy, cache)
        cache[0][...] *= dy
        return gradients

    return batchnorm_backward


# --- penalties -------------------------------------------------------------------------------------------------------


@misconception(
    "rg8",
    "The 1/2 in the penalty cancels the 2 of the square: the gradient is alpha * W.",
    caught_by="test_l2_gradient_is_the_slope_of_the_penalty",
)
def l2_penalty(params, alpha):
    weights = weights_of(params)
    return alpha / 2 * sum(np.sum(W**2) for W in weights.values()), {key: 2 * alpha * W for key, W in weights.items()}


@misconception(
    "rg8",
    "Biases, and the scale and shift of a normalization, are not penalised: only arrays whose name starts with W.",
    caught_by="test_l2_penalty_leaves_biases_alone",
    replaces="l2_penalty",
)
def l2_penalises_everything(reference):
    return lambda params, alpha: (
        alpha / 2 * sum(np.sum(w**2) for w in params.values()),
        {key: alpha * w for key, w in params.items()},
    )


@misconception(
    "rg8",
    "The penalty is alpha / 2 times the sum of squares; the 1/2 is missing.",
    caught_by="test_l2_penalty_is_half_alpha_times_the_squares",
    replaces="l2_penalty",
)
def l2_without_half(reference):
    plain = reference.l2_penalty
    return lambda params, alpha: (2 * plain(params, alpha)[0], plain(params, alpha)[1])


@misconception(
    "rg26",
    "The L2 penalty is the squared norm; the root does not belong to it.",
    caught_by="test_l2_penalty_is_half_alpha_times_the_squares",
    replaces="l2_penalty",
)
def l2_takes_the_root(reference):
    plain = reference.l2_penalty

    def l2_penalty(params, alpha):
        _, grads = plain(params, alpha)
        return alpha / 2 * np.sqrt(sum(np.sum(W**2) for W in weights_of(params).values())), grads

    return l2_penalty


@misconception(
    "rg26",
    "The penalty sums over all entries; a mean would weaken it for larger layers.",
    caught_by="test_l2_penalty_is_half_alpha_times_the_squares",
    replaces="l2_penalty",
)
def l2_takes_the_mean(reference):
    def l2_penalty(params, alpha):
        weights = weights_of(params)
        return alpha / 2 * sum(np.mean(W**2) for W in weights.values()), {k: alpha * W for k, W in weights.items()}

    return l2_penalty


@misconception(
    "rg26",
    "A name counts as a weight if it starts with a capital W, not if there is a w anywhere in it.",
    caught_by="test_l2_gradient_is_the_slope_of_the_penalty",
    replaces="l2_penalty",
)
def l2_finds_w_anywhere(reference):
    def l2_penalty(params, alpha):
        weights = {key: W for key, W in params.items() if "w" in key.lower()}
        return alpha / 2 * sum(np.sum(W**2) for W in weights.values()), {k: alpha * W for k, W in weights.items()}

    return l2_penalty


@misconception(
    "rg27",
    "The slope of |w| is 1 or -1 whatever the size of w: the gradient is alpha * sign(W).",
    caught_by="test_l1_gradient_is_the_slope_of_the_penalty",
)
def l1_penalty(params, alpha):
    weights = weights_of(params)
    return alpha * sum(np.abs(W).sum() for W in weights.values()), {key: alpha * W for key, W in weights.items()}


@misconception(
    "rg27",
    "A weight adds its magnitude to the penalty: without the absolute value negative weights pay for positive ones.",
    caught_by="test_l1_penalty_is_alpha_times_the_magnitudes",
    replaces="l1_penalty",
)
def l1_without_magnitude(reference):
    plain = reference.l1_penalty

    def l1_penalty(params, alpha):
        _, grads = plain(params, alpha)
        return alpha * sum(W.sum() for W in weights_of(params).values()), grads

    return l1_penalty


@misconception(
    "rg27",
    "At exactly 0 the sub-gradient is 0; a comparison with 0 pushes the weight to one side.",
    caught_by="test_l1_gradient_is_zero_at_zero",
    replaces="l1_penalty",
)
def l1_pushes_at_zero(reference):
    plain = reference.l1_penalty

    def l1_penalty(params, alpha):
        penalty, _ = plain(params, alpha)
        return penalty, {key: alpha * np.where(W > 0, 1.0, -1.0) for key, W in weights_of(params).items()}

    return l1_penalty


@misconception(
    "rg27",
    "W / |W| is 0 / 0 for a weight of 0; the sign function is 0 there.",
    caught_by="test_l1_gradient_is_zero_at_zero",
    replaces="l1_penalty",
)
def l1_divides_by_zero(reference):
    plain = reference.l1_penalty

    def l1_penalty(params, alpha):
        penalty, _ = plain(params, alpha)
        with np.errstate(invalid="ignore"):
            return penalty, {key: alpha * W / np.abs(W) for key, W in weights_of(params).items()}

    return l1_penalty


@misconception(
    "rg27",
    "Biases are not penalised by L1 either: only arrays whose name starts with W.",
    caught_by="test_l1_penalty_is_alpha_times_the_magnitudes",
    replaces="l1_penalty",
)
def l1_penalises_everything(reference):
    return lambda params, alpha: (
        alpha * sum(np.abs(w).sum() for w in params.values()),
        {key: alpha * np.sign(w) for key, w in params.items()},
    )


@misconception(
    "rg28",
    "Soft thresholding also shrinks what survives; keeping it as it is is hard thresholding.",
    caught_by="test_soft_threshold_shrinks_towards_zero",
)
def soft_threshold(w, t):
    return np.where(np.abs(w) > t, w, 0)


@misconception(
    "rg28",
    "An entry smaller than t stops at 0: without the maximum it comes out on the other side.",
    caught_by="test_soft_threshold_shrinks_towards_zero",
    replaces="soft_threshold",
)
def soft_threshold_overshoots(reference):
    return lambda w, t: w - t * np.sign(w)


@misconception(
    "rg28",
    "Negative entries move up towards 0: shrink the magnitude and put the sign back.",
    caught_by="test_soft_threshold_shrinks_towards_zero",
    replaces="soft_threshold",
)
def soft_threshold_forgets_the_sign(reference):
    return lambda w, t: np.maximum(w - t, 0)


@misconception(
    "rg28",
    "The magnitude was shrunk, but its sign is lost.",
    caught_by="test_soft_threshold_shrinks_towards_zero",
    replaces="soft_threshold",
)
def soft_threshold_returns_the_magnitude(reference):
    return lambda w, t: np.maximum(np.abs(w) - t, 0)


# --- soft targets ----------------------------------------------------------------------------------------------------


@misconception(
    "rg7",
    "The smoothed mass is eps / K for every class, the true one included; eps / (K - 1) shares it among the others.",
    caught_by="test_smooth_labels_spreads_mass_over_all_classes",
)
def smooth_labels(y, K, eps):
    return (1 - eps) * one_hot(y, K) + eps / max(K - 1, 1) * (1 - one_hot(y, K))


@misconception(
    "rg7",
    "What is spread over all classes must be taken from the true one first: the one-hot part weighs 1 - eps.",
    caught_by="test_smooth_labels_spreads_mass_over_all_classes",
    replaces="smooth_labels",
)
def smooth_labels_adds_mass(reference):
    return lambda y, K, eps: one_hot(y, K) + eps / K


@misconception(
    "rg7",
    "Each class gets eps / K, not eps: the rows must sum to 1.",
    caught_by="test_smooth_labels_spreads_mass_over_all_classes",
    replaces="smooth_labels",
)
def smooth_labels_gives_eps_to_each(reference):
    return lambda y, K, eps: (1 - eps) * one_hot(y, K) + eps


@misconception(
    "rg7",
    "K is the number of classes, not the highest label of this batch plus one.",
    caught_by="test_smooth_labels_at_the_ends",
    replaces="smooth_labels",
)
def smooth_labels_counts_classes(reference):
    def smooth_labels(y, K, eps):
        t = np.zeros((len(y), K))
        seen = int(y.max()) + 1
        t[:, :seen] = (1 - eps) * one_hot(y, seen) + eps / seen
        return t

    return smooth_labels


@misconception(
    "rg29",
    "The loss is the mean over the rows: both the loss and its gradient are divided by N.",
    caught_by="test_soft_xent_value_and_gradient",
)
def soft_xent(logits, t):
    log_p = log_softmax(logits)
    return -np.sum(t * log_p), np.exp(log_p) - t


@misconception(
    "rg29",
    "The loss is a mean over the rows, so the gradient of each row carries 1/N too.",
    caught_by="test_soft_xent_value_and_gradient",
    replaces="soft_xent",
)
def soft_xent_gradient_of_the_sum(reference):
    plain = reference.soft_xent

    def soft_xent(logits, t):
        loss, dlogits = plain(logits, t)
        return loss, dlogits * len(logits)

    return soft_xent


@misconception(
    "rg29",
    "Average over the N rows only; the classes are summed.",
    caught_by="test_soft_xent_value_and_gradient",
    replaces="soft_xent",
)
def soft_xent_mean_over_everything(reference):
    plain = reference.soft_xent

    def soft_xent(logits, t):
        loss, dlogits = plain(logits, t)
        return loss / logits.shape[1], dlogits / logits.shape[1]

    return soft_xent


@misconception(
    "rg29",
    "Subtract the largest logit of each row before exponentiating, or the softmax overflows.",
    caught_by="test_soft_xent_of_extreme_logits",
    replaces="soft_xent",
)
def soft_xent_overflows(reference):
    def soft_xent(logits, t):
        with np.errstate(all="ignore"):
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            return -np.sum(t * np.log(p)) / len(t), (p - t) / len(t)

    return soft_xent


@misconception(
    "rg29",
    "A softmax that underflows to 0 has no logarithm: compute log softmax directly instead of log(softmax).",
    caught_by="test_soft_xent_of_extreme_logits",
    replaces="soft_xent",
)
def soft_xent_logs_the_softmax(reference):
    def soft_xent(logits, t):
        with np.errstate(all="ignore"):
            p = np.exp(log_softmax(logits))
            return -np.sum(t * np.log(p)) / len(t), (p - t) / len(t)

    return soft_xent


@misconception(
    "rg29",
    "A small constant inside the logarithm hides the underflow and makes the loss wrong: compute log softmax directly.",
    caught_by="test_soft_xent_of_extreme_logits",
    replaces="soft_xent",
)
def soft_xent_adds_a_constant(reference):
    def soft_xent(logits, t):
        p = np.exp(log_softmax(logits))
        return -np.sum(t * np.log(np.maximum(p, 1e-12))) / len(t), (p - t) / len(t)

    return soft_xent


@misconception(
    "rg29",
    "The targets are whole distributions: taking the most probable class of each row throws the smoothing away.",
    caught_by="test_soft_xent_value_and_gradient",
    replaces="soft_xent",
)
def soft_xent_takes_the_top_class(reference):
    plain = reference.soft_xent
    return lambda logits, t: plain(logits, np.eye(t.shape[1])[t.argmax(axis=1)])


# --- mixing ----------------------------------------------------------------------------------------------------------


@misconception(
    "rg30",
    "lam weighs the example itself and 1 - lam its partner; here it is the other way round.",
    caught_by="test_mixup_weighs_x_by_lam",
)
def mixup(x, t, lam, perm):
    if not 0 <= lam <= 1:
        raise ValueError("lam")
    return (1 - lam) * x + lam * x[perm], (1 - lam) * t + lam * t[perm]


@misconception(
    "rg30",
    "The targets are mixed like the inputs; unmixed targets make it plain noise.",
    caught_by="test_mixup_weighs_x_by_lam",
    replaces="mixup",
)
def mixup_keeps_the_targets(reference):
    plain = reference.mixup
    return lambda x, t, lam, perm: (plain(x, t, lam, perm)[0], t.copy())


@misconception(
    "rg30",
    "Inputs and targets have the same partner: both are indexed by perm.",
    caught_by="test_mixup_weighs_x_by_lam",
    replaces="mixup",
)
def mixup_uses_the_inverse(reference):
    plain = reference.mixup
    return lambda x, t, lam, perm: (
        plain(x, t, lam, perm)[0],
        plain(x, t, lam, np.argsort(perm))[1],
    )


@misconception(
    "rg30",
    "perm says which example each one is mixed with; reversing the batch ignores it.",
    caught_by="test_mixup_weighs_x_by_lam",
    replaces="mixup",
)
def mixup_reverses(reference):
    plain = reference.mixup
    return lambda x, t, lam, perm: plain(x, t, lam, np.arange(len(x))[::-1])


@misconception(
    "rg30",
    "A lam outside [0, 1] is no mixture any more and must be refused.",
    caught_by="test_mixup_refuses_a_bad_lam",
    replaces="mixup",
)
def mixup_takes_any_lam(reference):
    return lambda x, t, lam, perm: (lam * x + (1 - lam) * x[perm], lam * t + (1 - lam) * t[perm])


def borders(box, H, W):
    r, c, h, w = box
    return max(0, min(r, H)), max(0, min(r + h, H)), max(0, min(c, W)), max(0, min(c + w, W))


@misconception(
    "rg10",
    "Mix the targets by the area that was really pasted: a box that sticks out loses what is clipped.",
    caught_by="test_cutmix_clips_the_box_first",
)
def cutmix(x, t, box, perm):
    H, W = x.shape[2:]
    top, bottom, left, right = borders(box, H, W)
    mixed = x.copy()
    mixed[:, :, top:bottom, left:right] = x[perm, :, top:bottom, left:right]
    lam = 1 - min(box[2] * box[3] / (H * W), 1)
    return mixed, lam * t + (1 - lam) * t[perm]


@misconception(
    "rg10",
    "A negative index counts from the end in NumPy: clip the box to the image before you slice.",
    caught_by="test_cutmix_clips_the_box_first",
    replaces="cutmix",
)
def cutmix_without_clipping(reference):
    def cutmix(x, t, box, perm):
        r, c, h, w = box
        mixed = x.copy()
        mixed[:, :, r : r + h, c : c + w] = x[perm, :, r : r + h, c : c + w]
        lam = 1 - mixed[0, 0, r : r + h, c : c + w].size / mixed[0, 0].size
        return mixed, lam * t + (1 - lam) * t[perm]

    return cutmix


@misconception(
    "rg10",
    "Clipping must keep the far border where it is: a box that starts above the image is cut, not moved.",
    caught_by="test_cutmix_clips_the_box_first",
    replaces="cutmix",
)
def cutmix_moves_the_box(reference):
    plain = reference.cutmix
    return lambda x, t, box, perm: plain(x, t, (max(box[0], 0), max(box[1], 0), *box[2:]), perm)


@misconception(
    "rg31",
    "lam is the share that stays: the targets of the partner get the share of the pasted area.",
    caught_by="test_cutmix_pastes_a_box",
    replaces="cutmix",
)
def cutmix_swaps_the_shares(reference):
    plain = reference.cutmix

    def cutmix(x, t, box, perm):
        mixed, t_mixed = plain(x, t, box, perm)
        return mixed, t + t[perm] - t_mixed

    return cutmix


@misconception(
    "rg31",
    "A box is (row, column, height, width): rows are the third axis of an NCHW image and come first.",
    caught_by="test_cutmix_pastes_a_box",
    replaces="cutmix",
)
def cutmix_swaps_rows_and_columns(reference):
    plain = reference.cutmix
    return lambda x, t, box, perm: plain(x, t, (box[1], box[0], box[3], box[2]), perm)


@misconception(
    "rg31",
    "The third and fourth number of a box are its height and width, not its far corner.",
    caught_by="test_cutmix_pastes_a_box",
    replaces="cutmix",
)
def cutmix_reads_corners(reference):
    plain = reference.cutmix
    return lambda x, t, box, perm: plain(
        x, t, (*box[:2], max(box[2] - box[0], 0), max(box[3] - box[1], 0)), perm
    )


@misconception(
    "rg31",
    "A box is half-open: it ends before row r + h, so it has h rows and not h + 1.",
    caught_by="test_cutmix_pastes_a_box",
    replaces="cutmix",
)
def cutmix_closed_box(reference):
    plain = reference.cutmix
    return lambda x, t, box, perm: plain(x, t, (*box[:2], box[2] + 1, box[3] + 1), perm)


@misconception(
    "rg31",
    "The box was pasted into the batch itself, and later images received pixels that were already pasted.",
    caught_by="test_cutmix_keeps_dtype_and_arguments",
    replaces="cutmix",
)
def cutmix_in_place(reference):
    plain = reference.cutmix

    def cutmix(x, t, box, perm):
        mixed, t_mixed = plain(x, t, box, perm)
        x[...] = mixed
        return x, t_mixed

    return cutmix


@misconception(
    "rg31",
    "The share lam came out as a np.float64, which turns float32 targets into float64: make it a Python float.",
    caught_by="test_cutmix_keeps_dtype_and_arguments",
    replaces="cutmix",
)
def cutmix_promotes(reference):
    plain = reference.cutmix

    def cutmix(x, t, box, perm):
        mixed, t_mixed = plain(x, t, box, perm)
        return mixed, np.float64(1) * t_mixed

    return cutmix


# --- early stopping --------------------------------------------------------------------------------------------------


def stopper(improves, *, resets=True, stops=lambda waited, patience: waited >= patience, lowest=False):
    """An EarlyStopping with one of the usual slips."""

    class EarlyStopping:
        def __init__(self, patience, min_delta=0.0):
            if patience < 1:
                raise ValueError("patience")
            self.patience, self.min_delta, self.best, self.waited = patience, min_delta, float("inf"), 0

        def step(self, val_loss):
            if improves(val_loss, self.best, self.min_delta):
                self.best = val_loss
                self.waited = 0 if resets else self.waited
            else:
                self.waited += 1
                self.best = min(self.best, val_loss) if lowest else self.best
            return stops(self.waited, self.patience)

    return EarlyStopping


def strictly(loss, best, min_delta):
    return loss < best - min_delta


@misconception(
    "rg9",
    "An improvement resets patience: only steps in a row without one count.",
    caught_by="test_early_stopping_improvement_resets_patience",
    replaces="EarlyStopping",
)
def stopper_never_resets(reference):
    return stopper(strictly, resets=False)


@misconception(
    "rg9",
    "Compare with the best loss so far, not with the latest one: a slow rise and fall is no progress.",
    caught_by="test_early_stopping_improvement_resets_patience",
    replaces="EarlyStopping",
)
def stopper_compares_with_the_latest(reference):
    class EarlyStopping(reference.EarlyStopping):
        latest = float("inf")

        def step(self, val_loss):
            self.waited = 0 if val_loss < self.latest - self.min_delta else self.waited + 1
            self.best, self.latest = min(self.best, val_loss), val_loss
            return self.waited >= self.patience

    return EarlyStopping


@misconception(
    "rg32",
    "Stop at the step that completes patience, not one step later.",
    caught_by="test_early_stopping_counts_steps_without_improvement",
    replaces="EarlyStopping",
)
def stopper_waits_too_long(reference):
    return stopper(strictly, stops=lambda waited, patience: waited > patience)


@misconception(
    "rg32",
    "True means stop; here it means go on.",
    caught_by="test_early_stopping_counts_steps_without_improvement",
    replaces="EarlyStopping",
)
def stopper_answers_the_opposite(reference):
    return stopper(strictly, stops=lambda waited, patience: waited < patience)


@misconception(
    "rg33",
    "A gain of exactly min_delta is no improvement: the comparison is strict.",
    caught_by="test_early_stopping_min_delta_is_strict",
    replaces="EarlyStopping",
)
def stopper_accepts_ties(reference):
    return stopper(lambda loss, best, min_delta: loss <= best - min_delta)


@misconception(
    "rg33",
    "A loss must beat the best one by more than min_delta to count as an improvement; min_delta is not used.",
    caught_by="test_early_stopping_min_delta_is_strict",
    replaces="EarlyStopping",
)
def stopper_ignores_min_delta(reference):
    return stopper(lambda loss, best, min_delta: loss < best)


@misconception(
    "rg33",
    "min_delta makes an improvement harder: it is subtracted from the best loss, not added to it.",
    caught_by="test_early_stopping_min_delta_is_strict",
    replaces="EarlyStopping",
)
def stopper_adds_min_delta(reference):
    return stopper(lambda loss, best, min_delta: loss < best + min_delta)


@misconception(
    "rg33",
    "best moves only with an improvement: if every tiny gain moves it, slow progress never counts.",
    caught_by="test_early_stopping_min_delta_is_strict",
    replaces="EarlyStopping",
)
def stopper_best_creeps(reference):
    return stopper(strictly, lowest=True)


@misconception(
    "rg33",
    "A NaN compares as false with everything: ask whether the loss improved, not whether it got worse.",
    caught_by="test_early_stopping_ignores_nan",
    replaces="EarlyStopping",
)
def stopper_takes_nan_as_best(reference):
    return stopper(lambda loss, best, min_delta: not loss >= best - min_delta)


@misconception(
    "rg33",
    "Higher is not better here: the loss should fall.",
    caught_by="test_early_stopping_counts_steps_without_improvement",
    replaces="EarlyStopping",
)
def stopper_maximises(reference):
    return stopper(lambda loss, best, min_delta: best == float("inf") or loss > best + min_delta)


@misconception(
    "rg34",
    "The count belongs to the object, not to the class: two stoppers must not share it.",
    caught_by="test_early_stopping_objects_are_independent",
    replaces="EarlyStopping",
)
def stopper_shares_its_state(reference):
    shared = {}

    class EarlyStopping:
        def __init__(self, patience, min_delta=0.0):
            if patience < 1:
                raise ValueError("patience")
            self.patience, self.min_delta = patience, min_delta
            shared.update(best=float("inf"), waited=0)

        @property
        def best(self):
            return shared["best"]

        def step(self, val_loss):
            if val_loss < shared["best"] - self.min_delta:
                shared.update(best=val_loss, waited=0)
            else:
                shared["waited"] += 1
            return shared["waited"] >= self.patience

    return EarlyStopping


@misconception(
    "rg34",
    "A patience of 0 would stop before anything could be learnt: it must be refused.",
    caught_by="test_early_stopping_refuses_a_bad_patience",
    replaces="EarlyStopping",
)
def stopper_takes_any_patience(reference):
    class EarlyStopping(reference.EarlyStopping):
        def __init__(self, patience, min_delta=0.0):
            super().__init__(max(patience, 1), min_delta)
            self.patience = patience

    return EarlyStopping


# --- dropout as ridge ------------------------------------------------------------------------------------------------


def ridge(penalty_of, fit_of=lambda r: r @ r):
    """A dropout_ridge from a rule for the penalty and a rule for the plain loss."""

    def dropout_ridge(X, y, w, p):
        if not 0 <= p < 1:
            raise ValueError("p")
        penalty = penalty_of(X, w, p)
        return fit_of(y - X @ w) + penalty, penalty

    return dropout_ridge


def energy(X, w):
    return np.sum((X**2).sum(axis=0) * w**2)


@misconception(
    "rg11",
    "Dropout is a ridge weighted by each feature's energy, the sum of its squares, and not plain L2.",
    caught_by="test_dropout_ridge_weighs_each_feature_by_its_energy",
    replaces="dropout_ridge",
)
def ridge_without_features(reference):
    return ridge(lambda X, w, p: p / (1 - p) * np.sum(w**2))


@misconception(
    "rg35",
    "Square each entry first, then add up over the examples: the square of the sum is something else.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_squares_the_sum(reference):
    return ridge(lambda X, w, p: p / (1 - p) * np.sum(X.sum(axis=0) ** 2 * w**2))


@misconception(
    "rg35",
    "The features are masked one by one: the variance is a sum of squared terms, not the square of the prediction.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_squares_the_prediction(reference):
    return ridge(lambda X, w, p: p / (1 - p) * np.sum((X @ w) ** 2))


@misconception(
    "rg35",
    "A scaled mask has variance p / (1 - p); p (1 - p) is that of a mask of zeros and ones.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_of_an_unscaled_mask(reference):
    return ridge(lambda X, w, p: p * (1 - p) * energy(X, w))


@misconception(
    "rg35",
    "p is the probability of dropping: the more is dropped, the larger p / (1 - p), which here is upside down.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_p_keeps(reference):
    return ridge(lambda X, w, p: (1 - p) / max(p, 1e-12) * energy(X, w))


@misconception(
    "rg35",
    "The loss is a sum over the examples; neither it nor its penalty is divided by N.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_averages(reference):
    plain = reference.dropout_ridge
    return lambda X, y, w, p: tuple(value / len(X) for value in plain(X, y, w, p))


@misconception(
    "rg35",
    "The first result is the whole expected loss, the penalty included.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_returns_the_plain_loss(reference):
    plain = reference.dropout_ridge

    def dropout_ridge(X, y, w, p):
        expected_loss, penalty = plain(X, y, w, p)
        return expected_loss - penalty, penalty

    return dropout_ridge


@misconception(
    "rg35",
    "A single sample of masks is not the expectation: the closed form needs no random numbers.",
    caught_by="test_dropout_ridge_is_the_mean_over_all_masks",
    replaces="dropout_ridge",
)
def ridge_samples(reference):
    def dropout_ridge(X, y, w, p):
        if not 0 <= p < 1:
            raise ValueError("p")
        rng = np.random.default_rng(0)
        plain = np.sum((y - X @ w) ** 2)
        masks = (rng.random((200, *X.shape)) >= p) / (1 - p)
        loss = np.mean([np.sum((y - (mask * X) @ w) ** 2) for mask in masks])
        return loss, loss - plain

    return dropout_ridge


@misconception(
    "rg35",
    "With p = 1 nothing is left and the factor p / (1 - p) is infinite: p must be checked.",
    caught_by="test_dropout_ridge_refuses_a_bad_p",
    replaces="dropout_ridge",
)
def ridge_takes_any_p(reference):
    def dropout_ridge(X, y, w, p):
        penalty = float(p / max(1 - p, 1e-9) * energy(X, w))
        return float(np.sum((y - X @ w) ** 2)) + penalty, penalty

    return dropout_ridge
