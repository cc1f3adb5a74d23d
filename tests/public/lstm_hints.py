"""Three steps a function: where to look, what to write down, the shape of the answer."""

HINTS = {
    "sigmoid": (
        "Which side of zero makes exp(-x) huge, and what is the same fraction after multiplying top and"
        " bottom by exp(x)?",
        "Write both forms down, and note that each needs only the exponential of a number that is never"
        " positive: -|x|.",
        "e = exp(-|x|); the denominator is 1 + e on both sides, and the numerator is 1 or e.",
    ),
    "lstm_step": (
        "Draw the cell as a conveyor belt: what multiplies it, what is added to it, and who reads it at"
        " the end?",
        "Write the sum a of shape (N, 4H), with both weight matrices and both biases, and name its four"
        " blocks i, f, g, o.",
        "Three sigmoids and one tanh; c2 is a sum of two products; h2 is a gate times the tanh of c2. "
        "Keep in the cache all that the derivatives will need.",
    ),
    "lstm_step_backward": (
        "Find every way from c2 to the loss: there are two, one through h2 and one straight on.",
        "Write down delta, the total gradient at c2; then, for each gate, delta (or dh2, for the output"
        " gate) times what the gate was multiplied with, times the derivative of its own sigmoid or "
        "tanh.",
        "One array da of shape (N, 4H) in the order i, f, g, o; dx, dh, both weight gradients and both "
        "bias gradients are each one product or one sum with it; dc is delta times one gate.",
    ),
    "lstm_forward": (
        "Write the loop without lengths first: what leaves a step and enters the next?",
        "For lengths, write a table (T, N) that says whether step t belongs to sequence n.",
        "Each step computes new states for all, then keeps the old ones where the table says that the "
        "sequence is over.",
    ),
    "lstm_backward": (
        "At step t two gradients meet at h: one from the loss at that step, one carried back from step "
        "t+1.",
        "Write the loop from the last step to the first, starting from dhT and dcT, and list what is "
        "added and what is carried.",
        "dh = dh + dHs[t], then one step back gives dX[t], the next dh and dc, and weight gradients to "
        "add to a running sum; where a sequence is over, dh and dc pass on unchanged and nothing else "
        "happens.",
    ),
    "init_lstm": (
        "How many numbers enter one forget gate, and which of them are biases?",
        "Write the shapes of the four parameters and the rows that belong to the forget gate.",
        "Four uniform draws within 1/sqrt(H), and two assignments to the slice H:2H.",
    ),
    "truncated_bptt": (
        "Which arrows of the unrolled graph are cut: those of the weights, of h, of c?",
        "List the windows of steps for T = 5 and k = 2, and what enters each of them from the right.",
        "Each window is an ordinary backward pass that starts from zeros; the weight gradients of all "
        "windows add up.",
    ),
    "state_jacobian_norms": (
        "Your step back gives J^T v for any v: which v make the rows of J?",
        "Write the first step back from dc = a unit vector and dh = 0, then look at which dh and dc "
        "enter the next one.",
        "H backward passes (or one with H copies of the batch) give at each t a matrix (N, H, H); take "
        "the largest singular value of each, then the mean over N.",
    ),
}
