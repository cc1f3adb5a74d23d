"""Hints for the evidence lower bound: where to look, what to write down, the shape of the answer."""

HINTS = {
    "kl_std_normal": (
        "Look at one latent dimension first, and try mu = 0, logvar = 0: the answer must be 0.",
        "Write down E[z²] and E[(z − μ)²] under q, with the variance as exp(logvar), "
        "and put them into log q(z) − log p(z).",
        "Half the sum over axis 1 of exp(logvar) + mu² − 1 − logvar; one number per example.",
    ),
    "kl_diag": (
        "Look at the roles: the expectation is under the first Gaussian, the second is the one that is missed.",
        "Write down E₁[(z − μ₂)²]: it is the first variance plus the squared distance of the means.",
        "Half the sum of lv2 − lv1 + (exp(lv1) + (mu1 − mu2)²) / exp(lv2) − 1; with mu2 = lv2 = 0 it is kl_std_normal.",
    ),
    "reparameterize": (
        "Look at a single number: how do you turn a standard normal draw into one with mean μ and deviation σ?",
        "Write down σ in terms of logvar = log σ². What is it at logvar = 0?",
        "mu + exp(logvar / 2) * eps, as a new array and with no other noise.",
    ),
    "bernoulli_ll": (
        "Look at a logit of 1000 and a black pixel: what is 1 − p, and what is its logarithm?",
        "Write down log p and log(1 − p) in terms of l; both contain log(1 + exp(l)). Then collect the terms.",
        "Sum over axis 1 of x · l − softplus(l), with the softplus as np.logaddexp(0, l).",
    ),
    "gaussian_ll": (
        "Look at the bell curve of one pixel and take its logarithm, factor by factor.",
        "Write down three terms: the constant, the logarithm of the variance, the squared distance in variances.",
        "−½ times the sum over axis 1 of all three; math.log(2 * math.pi) keeps float32, np.log(...) does not.",
    ),
    "elbo": (
        "Look at what you have: bernoulli_ll and kl_std_normal give one number per example each.",
        "Write down which of the two is a gain and which a price, and which one beta multiplies.",
        "bernoulli_ll(logits, x) − beta * kl_std_normal(mu, logvar); mind the order of logits and x.",
    ),
    "kl_grads": (
        "Look at the formula of the KL, one dimension at a time: every other dimension is a constant.",
        "Write down the derivative of ½(exp(ℓ) + μ² − 1 − ℓ) by μ and by ℓ.",
        "mu as a copy, and ½(exp(logvar) − 1); compare the two shapes, since no formula combines them.",
    ),
    "iwae_bound": (
        "Look at log weights near −900: what does exp make of them, and what would the logarithm of that be?",
        "Write down log Σ exp(a) = m + log Σ exp(a − m). Which m is safe, and what is it for a column of −inf?",
        "Subtract log_q, log-sum-exp over axis 0 with a maximum for each column, subtract math.log(K).",
    ),
    "VAE": (
        "Look at your NumPy functions: the loss is the same three lines with torch in place of np.",
        "Write down the shapes: x (N, D) → mu, logvar (N, Z) → z (N, Z) → logits (N, D) → sums (N,) → mean ().",
        "Encode, z = mu + exp(logvar / 2) * eps, decode, functional.softplus for the likelihood, "
        "(kl − log_likelihood).mean(); one hidden layer with tanh on each side is enough.",
    ),
}
