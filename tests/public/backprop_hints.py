"""Three hints for each graded unit: where to look, what to write down, the shape of the answer."""

HINTS = {
    "linear_forward": (
        "Part 1 of the handout, and the list of bad arguments in the docstring.",
        "Write y[n, m] with a sum over d, once with indices and once as a matrix product; then ask what backward will need.",
        "Compare the shapes first, then one line: an (N, D) @ (D, M) product plus b, which NumPy adds to every row, and "
        "a cache with x and W.",
    ),
    "linear_backward": (
        "Part 2 of the handout: each gradient is read off the indices of y[n, m].",
        "For x[n, d], W[d, m] and b[m] in turn: which entries of y contain it, and with which factor? Sum over them.",
        "Two matrix products with one transpose each, (N, D) and (D, M), and one sum over the batch axis, (M,).",
    ),
    "act_forward": (
        "Part 3 of the handout, and the paragraph on overflow.",
        "Write sigmoid so that no exponent is ever positive, or through logaddexp or tanh; try it at -1000 and 1000.",
        "A new array of the shape and dtype of z, never z itself, and a cache that also knows the kind.",
    ),
    "act_backward": (
        "The table of derivatives in part 3 of the handout.",
        "Note for each kind whether its derivative is written with the input z or with the output a, and keep that one.",
        "da times a slope of the same shape; the slope of relu is the mask z > 0.",
    ),
    "softmax_xent": (
        "Part 4 of the handout: the loss is logsumexp(z) minus z at the label, and no probability is needed for it.",
        "Subtract the largest logit of each row (axis 1, keepdims), compute log-probabilities, and pick one per row.",
        "log_p is (N, K), log_p[arange(N), y] is (N,); the gradient is exp(log_p) with 1 taken away at each label, over N.",
    ),
    "MLP": (
        "Part 5 of the handout; everything a layer does you have already written in parts 1 to 3.",
        "In forward, append each layer's caches to a new list; in backward, walk through that list from its end and "
        "rename what comes out of one layer to what goes into the one before.",
        "For L layers: L linear calls, L - 1 activation calls, and in backward the same in reverse; each gradient has "
        "the shape of its parameter.",
    ),
    "numeric_gradient": (
        "Part 6 of the handout, and np.ndindex, which runs over the indices of an array with any number of axes.",
        "For one index: remember the number, put number + h there, call f, put number - h there, call f, put the number back.",
        "An array of the shape of x; each entry is the difference of two calls over 2h.",
    ),
    "relative_error": (
        "The last paragraph of part 6 of the handout.",
        "Compute numerator and denominator as arrays of the same shape, with np.maximum for the floor.",
        "One Python float: the largest entry of the ratio, between 0 and 1.",
    ),
    "Value": (
        "Part 7 of the handout; begin with +, * and backward, and derive the other operators from a few of them.",
        "Let each result remember its operands and the derivative with respect to each. For backward, draw b * b + b, "
        "number its values so that each one comes after all its consumers, and pass gradients on in that order.",
        "A loop that lists every value below the root once, operands before results; then one more over the reversed "
        "list with operand.grad += node.grad * local.",
    ),
}
