"""Three steps towards each function: where to look, what to write down, the shape of the answer."""

HINTS = {
    "l2_penalty": (
        "Which keys of `params` count? Only those that start with a capital W, whatever the shape of the array.",
        "Write down the derivative of alpha/2 * w**2 for a single weight. What became of the 2?",
        "Two comprehensions over the weights: one number, and a dict of arrays shaped like the weights.",
    ),
    "l1_penalty": (
        "The same keys as in l2_penalty, another function of each weight.",
        "The slope of |w| does not depend on the size of w. Which NumPy function gives it, and what is it at 0?",
        "A number, and a dict whose arrays hold only -alpha, 0 and alpha.",
    ),
    "soft_threshold": (
        "Draw the result against w for t = 1: three straight pieces.",
        "Treat the sign and the magnitude apart: the magnitude loses t, but never falls below 0.",
        "One line: a sign times a maximum, with the shape of w.",
    ),
    "dropout_forward": (
        "p is the probability of dropping. Look at train first: evaluation neither draws nor scales.",
        "E[y] must be x: if an element survives with probability 1 - p, how large must it be when it does?",
        "Draw one uniform number per element from rng, compare it with p, cast the result to x.dtype, then scale: "
        "mask and y both have the shape of x.",
    ),
    "dropout_backward": (
        "The forward pass multiplies each element of x by a number. Which one?",
        "For y = m * x the derivative is m: what does a dropped element pass back?",
        "One product of two arrays of the same shape. No new random numbers.",
    ),
    "batchnorm_forward": (
        "Statistics run over the batch, axis 0, so mean and variance have shape (D,). Evaluation takes them from run.",
        "Two variances: divide by N to normalise, by N - 1 for the running average. "
        "momentum is the weight of the new batch.",
        "y is (N, D); run_new is a new pair of (D,) arrays. Keep in the cache what the backward pass will ask for: "
        "the normalised input, gamma and 1 / sqrt(var + eps).",
    ),
    "batchnorm_backward": (
        "Three paths lead from x to y: through the numerator, through the mean and through the variance.",
        "With g = gamma * dy, subtract from g its column mean, and x_hat times the column mean of g * x_hat.",
        "dbeta and dgamma are column sums, (D,). dx is (N, D), and each of its columns sums to 0.",
    ),
    "smooth_labels": (
        "Start from the one-hot rows: a row of the K x K identity matrix for each label.",
        "A fraction eps of each row is taken away and spread over all K classes, the true one included.",
        "An (N, K) float64 array whose rows sum to 1.",
    ),
    "soft_xent": (
        "Never take the logarithm of a softmax: work out log softmax itself.",
        "log softmax(z) = z - max - log(sum(exp(z - max))), row by row. The gradient is softmax - t, and the mean over rows?",
        "A number, and an (N, K) array whose rows sum to 0.",
    ),
    "mixup": (
        "x[perm] holds the partners, t[perm] their targets. Check lam before anything else.",
        "lam weighs the example itself. Which weight is left for the partner?",
        "The same convex combination twice, for x and for t.",
    ),
    "cutmix": (
        "Clip all four borders of the box to the image before you use any of them.",
        "Negative indices count from the end in NumPy: an unclipped slice from -1 to 2 is not the first two rows.",
        "A copy of x with one slice assigned, and targets mixed by lam = 1 - (pasted pixels) / (H * W).",
    ),
    "EarlyStopping": (
        "Two things must be remembered: the best loss so far, and the number of steps since it was found.",
        "Write the condition for an improvement as a single `<`, so that ties and NaN are none. What happens to the counter then?",
        "step returns a bool: whether the counter has reached patience.",
    ),
    "dropout_ridge": (
        "For one row, the prediction is a sum of independent terms. E[(y - s)**2] = (y - E[s])**2 + Var[s].",
        "A mask entry has mean 1. What is its variance, in terms of p? And that of mask * x * w?",
        "Two numbers: the squared error without dropout plus the penalty, and the penalty, "
        "which weighs w[j]**2 by the sum of squares of column j.",
    ),
}
