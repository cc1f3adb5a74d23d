"""Hints for the GAN losses: where to look, what to write down, the shape of the answer."""

HINTS = {
    "log_sigmoid": (
        "Look at what exp does to 800, and at what 1 + e^−40 is in floating point.",
        "Write down log σ(l) = −log(1 + e^−l) and take the larger of the two terms out of the logarithm. "
        "Which exponent is then left, and what is its sign?",
        "min(l, 0) − log1p(e^−|l|), every part of it with the dtype of l.",
    ),
    "bce_with_logits": (
        "Look at one element: its loss is −log of the probability of the truth, mixed in the proportion t to 1 − t.",
        "Write down log(1 − σ(l)) as a log σ of something, so that your log_sigmoid serves both terms.",
        "Compare the shapes, then average −t·log_sigmoid(l) − (1 − t)·log_sigmoid(−l), or softplus(l) − t·l.",
    ),
    "d_loss": (
        "Look at the two expectations: they run over different samples, and the batches may differ in size.",
        "Write down the cross-entropy of real logits against 1 and of fake logits against 0.",
        "mean softplus(−real) + mean softplus(fake), with softplus(x) = −log_sigmoid(−x); nothing is halved.",
    ),
    "g_loss_minimax": (
        "Look at the part of the discriminator's value that depends on the generator.",
        "Write down log(1 − σ(f)). Is it minimised as it stands, or with a minus sign? Which sign do its values have?",
        "The mean of log_sigmoid(−fake): negative, and falling when the logits rise.",
    ),
    "g_loss_ns": (
        "Look at what the generator wants the discriminator to answer on its samples.",
        "Write down the cross-entropy of the fake logits against the target 1.",
        "Minus the mean of log_sigmoid(fake): positive, and falling when the logits rise.",
    ),
    "logit_grads": (
        "Look at one logit: it appears in one term of one mean.",
        "Write down the derivative of softplus(x) and of softplus(−x), and the factor that the mean brings.",
        "(σ − target)/N, where N is the size of the array the logit is in; g_minimax is the negative of d_fake. "
        "σ(x) = exp(log_sigmoid(x)) overflows nowhere.",
    ),
    "optimal_discriminator": (
        "Look at one point: p log y + q log(1 − y) as a function of y alone.",
        "Write down its derivative and set it to 0. What happens where p and q are both 0?",
        "p / (p + q), and ½ where the sum is 0: np.divide with `where` and a prepared `out`, after the two checks.",
    ),
    "js_divergence": (
        "Look at one outcome with p = 0: which of the two halves does it still count for?",
        "Write down m = (p + q)/2 and the two sums; m is 0 only where both are.",
        "For each of p and q: pick its positive entries, sum a·log(a/m) over them; half of the total. "
        "Check shapes, signs and sums first.",
    ),
    "lsgan_losses": (
        "Look at the targets: real 1, fake 0 for the discriminator, fake 1 for the generator.",
        "Write down three means of squares, each over its own array.",
        "Half of the mean of (real − 1)², plus half of the mean of fake²; half of the mean of (fake − 1)².",
    ),
    "wgan_losses": (
        "Look at what the critic wants: high scores for real samples, low ones for fake samples.",
        "Write down what it raises, and turn the sign, because both players minimise.",
        "(mean fake − mean real, −mean fake).",
    ),
    "gradient_penalty": (
        "Look at one sample: one u, one point, one slope with as many numbers as the sample, one norm.",
        "Write down the shapes: u as (N, 1, …, 1), points and slopes like real, norms (N,). "
        "Why does the gradient of the sum of all scores hold every sample's own slope?",
        "Detach the points and let them require a gradient; autograd.grad(critic(x).sum(), x, create_graph=True); "
        "flatten from axis 1, vector_norm over axis 1, mean of (norm − 1)².",
    ),
    "gan_step": (
        "Look at who holds gradients before each of the two steps, and where backward() puts new ones.",
        "Write down, for each of the two losses, which network it runs through and which network may move.",
        "Clear D, loss on D(real) and D(G(z1).detach()), backward, step D; clear G, loss on D(G(z2)), backward, "
        "step G; clear D again; return both losses as numbers.",
    ),
}
