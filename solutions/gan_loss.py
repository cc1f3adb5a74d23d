"""Losses of generative adversarial networks: what the two players minimise, and the steps they take in turn.

A logit l is the raw output of a discriminator, and σ(l) = 1/(1 + e^−l) is its probability of "real".
Everything is NumPy except `gradient_penalty` and `gan_step`, which work on torch tensors.
Real means target 1, fake means target 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional


def log_sigmoid(l: np.ndarray) -> np.ndarray:
    """The logarithm of the sigmoid, accurate for every finite logit.

    Args:
        l: logits, float array of any shape; every entry is finite.

    Returns:
        log σ(l) = −log(1 + e^−l): a new array of the shape and dtype of l.
        Every value is finite, and every value is right to rounding:
        log σ(−10000) is −10000, and log σ(40) is −4.2e-18 in float64, not 0.

    Source: Mächler 2012, Accurately computing log(1 − exp(−|a|)), whose log(1 + exp(x)) this is.
    """
    ### BEGIN SOLUTION
    return np.minimum(l, 0) - np.log1p(np.exp(-np.abs(l)))  # the exponent is never positive
    ### END SOLUTION


def bce_with_logits(l: np.ndarray, t: np.ndarray) -> float:
    """Binary cross-entropy of logits, averaged over all elements.

    Args:
        l: logits, float array of any shape with at least one element.
        t: targets between 0 and 1 (soft targets too), of the shape and dtype of l.

    Returns:
        The mean of −t·log σ(l) − (1 − t)·log(1 − σ(l)) over all elements, as a Python float or 0-d.
        It is finite for logits up to ±10000 in float32 and float64.

    Raises:
        ValueError: t has another shape than l.

    Source: Goodfellow, Bengio and Courville, Deep Learning, section 6.2.2.2.
    """
    ### BEGIN SOLUTION
    if t.shape != l.shape:
        raise ValueError(f"targets of shape {t.shape} for logits of shape {l.shape}")
    return float(np.mean(-t * log_sigmoid(l) - (1 - t) * log_sigmoid(-l)))
    ### END SOLUTION


def d_loss(real: np.ndarray, fake: np.ndarray) -> float:
    """What the discriminator minimises: one mean over real samples plus one mean over fake samples.

    Args:
        real: logits of Nᵣ real samples, float array of any shape with Nᵣ ≥ 1 elements.
        fake: logits of N_f fake samples, any shape with N_f ≥ 1 elements, of the dtype of real.

    Returns:
        −mean log σ(real) − mean log(1 − σ(fake)), as a Python float or 0-d; nothing is halved.
        It is finite for logits up to ±10000 in float32 and float64.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, eq. 1, with the sign turned.
    """
    ### BEGIN SOLUTION
    return float(-log_sigmoid(real).mean() - log_sigmoid(-fake).mean())
    ### END SOLUTION


def g_loss_minimax(fake: np.ndarray) -> float:
    """The generator's loss in the minimax game: minimise the logarithm of being found out.

    Args:
        fake: logits of fake samples, float array of any shape with at least one element.

    Returns:
        mean log(1 − σ(fake)), as a Python float or 0-d: negative, and to be minimised.
        It is finite for logits up to ±10000 in float32 and float64.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, eq. 1.
    """
    ### BEGIN SOLUTION
    return float(log_sigmoid(-fake).mean())
    ### END SOLUTION


def g_loss_ns(fake: np.ndarray) -> float:
    """The non-saturating loss of the generator: maximise the logarithm of passing as real.

    Args:
        fake: logits of fake samples, float array of any shape with at least one element.

    Returns:
        −mean log σ(fake), as a Python float or 0-d: positive, and to be minimised.
        It is finite for logits up to ±10000 in float32 and float64.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, end of section 3.
    """
    ### BEGIN SOLUTION
    return float(-log_sigmoid(fake).mean())
    ### END SOLUTION


def logit_grads(real: np.ndarray, fake: np.ndarray) -> dict[str, np.ndarray]:
    """Gradients of the three losses with respect to the logits.

    Args:
        real: logits of Nᵣ real samples, float array of any shape with Nᵣ ≥ 1 elements.
        fake: logits of N_f fake samples, any shape with N_f ≥ 1 elements, of the dtype of real.

    Returns:
        A dict of four new arrays, each of the shape and dtype of the logits it belongs to:
        "d_real": the gradient of d_loss(real, fake) with respect to real;
        "d_fake": the gradient of d_loss(real, fake) with respect to fake;
        "g_minimax": the gradient of g_loss_minimax(fake) with respect to fake;
        "g_ns": the gradient of g_loss_ns(fake) with respect to fake.
        They are right for logits up to ±10000 in float32 and float64.

    Source: the chain rule; derived in the handout.
    """
    ### BEGIN SOLUTION
    fooled = np.exp(log_sigmoid(fake)) / fake.size  # σ(fake) / N_f
    return {
        "d_real": -np.exp(log_sigmoid(-real)) / real.size,  # (σ − 1) / Nᵣ, as 1 − σ(x) = σ(−x)
        "d_fake": fooled,
        "g_minimax": -fooled,
        "g_ns": -np.exp(log_sigmoid(-fake)) / fake.size,
    }
    ### END SOLUTION


### BEGIN SOLUTION
def _require_measures(p: np.ndarray, q: np.ndarray) -> None:
    if p.shape != q.shape:
        raise ValueError(f"p has shape {p.shape}, q has shape {q.shape}")
    if (p < 0).any() or (q < 0).any():
        raise ValueError("probabilities and densities are never negative")


### END SOLUTION


def optimal_discriminator(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The best discriminator against a fixed generator.

    Args:
        p: probabilities or densities of the data, float array of any shape, ≥ 0; they need not sum to 1.
        q: those of the generator at the same points, of the shape and dtype of p, ≥ 0.

    Returns:
        p / (p + q), the probability that a sample found at each point is real: a new array of the
        shape and dtype of p. Where p and q are both 0 it is ½.

    Raises:
        ValueError: p and q have different shapes, or an entry is negative.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, proposition 1.
    """
    ### BEGIN SOLUTION
    _require_measures(p, q)
    total = p + q
    return np.divide(p, total, out=np.full_like(total, 0.5), where=total > 0)
    ### END SOLUTION


def js_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen–Shannon divergence of two discrete distributions, in nats.

    Args:
        p: probabilities, float array of any shape, ≥ 0; all entries together sum to 1 within 1e-6.
        q: probabilities of the same outcomes, of the shape and dtype of p, likewise.

    Returns:
        ½ Σ p log(p/m) + ½ Σ q log(q/m) with m = (p + q)/2 and 0·log 0 = 0, as a Python float or 0-d.
        The divergence itself, not its square root; p and q are used as given, without normalising them.

    Raises:
        ValueError: p and q have different shapes, an entry is negative, or the entries of p or of q
            sum to something that is more than 1e-6 away from 1.

    Source: Lin 1991, Divergence measures based on the Shannon entropy.
    """
    ### BEGIN SOLUTION
    _require_measures(p, q)
    m = (p + q) / 2
    total = 0.0
    for a in (p, q):
        if abs(a.sum() - 1) > 1e-6:
            raise ValueError(f"the entries sum to {a.sum()}, not to 1")
        there = a > 0  # 0·log 0 = 0
        total += float(np.sum(a[there] * np.log(a[there] / m[there])))
    return total / 2
    ### END SOLUTION


def lsgan_losses(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Least-squares losses: the discriminator regresses on 1 and 0, and its output is not a logit any more.

    Args:
        real: outputs for real samples, float array of any shape with at least one element.
        fake: outputs for fake samples, any shape with at least one element, of the dtype of real.

    Returns:
        (ld, lg), Python floats or 0-d, both to be minimised:
        ld = ½ mean (real − 1)² + ½ mean fake², lg = ½ mean (fake − 1)².

    Source: Mao et al. 2017, arXiv 1611.04076, eq. 9.
    """
    ### BEGIN SOLUTION
    ld = ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2
    lg = ((fake - 1) ** 2).mean() / 2
    return float(ld), float(lg)
    ### END SOLUTION


def wgan_losses(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Wasserstein losses: the critic parts real from fake as far as it can, the generator follows.

    Args:
        real: the critic's scores of real samples, float array of any shape with at least one element.
        fake: its scores of fake samples, any shape with at least one element, of the dtype of real.

    Returns:
        (ld, lg), Python floats or 0-d, both to be minimised: ld = −mean real + mean fake, lg = −mean fake.

    Source: Arjovsky, Chintala and Bottou 2017, arXiv 1701.07875, eq. 2 and algorithm 1, with the sign turned.
    """
    ### BEGIN SOLUTION
    return float(fake.mean() - real.mean()), float(-fake.mean())
    ### END SOLUTION


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, fake: torch.Tensor, u: torch.Tensor
) -> torch.Tensor:
    """Penalty on critics whose slope differs from 1 between real and fake samples.

    Args:
        critic: maps a batch (N, …) to N scores of shape (N,) or (N, 1), each from its own sample;
            usually a module. It is called with the whole batch.
        real: (N, …) float tensor with at least two axes, for example (N, D) or (N, C, H, W).
        fake: tensor of the shape and dtype of real; it may carry the graph of a generator.
        u: (N, 1) tensor of the same dtype, one number between 0 and 1 for each sample.

    Returns:
        0-d tensor of the dtype of real: the mean over the batch of (‖∇critic(x̂ₙ)‖₂ − 1)² at
        x̂ₙ = uₙ·realₙ + (1 − uₙ)·fakeₙ. The norm of sample n runs over all axes but the first.
        It is differentiable in the critic's parameters: a later backward() gives them a gradient.
        No gradient flows back through fake to a generator, and the call leaves no gradient in the critic.
        Where the slope is 0, a sample's term is 1 and the gradient is finite.

    Raises:
        ValueError: fake has another shape than real, or u is not (N, 1).

    Source: Gulrajani et al. 2017, arXiv 1704.00028, eq. 3 and algorithm 1, without the factor λ.
    """
    ### BEGIN SOLUTION
    if fake.shape != real.shape:
        raise ValueError(f"real has shape {tuple(real.shape)}, fake {tuple(fake.shape)}")
    if tuple(u.shape) != (len(real), 1):
        raise ValueError(f"need one number per sample, ({len(real)}, 1), not {tuple(u.shape)}")
    u = u.reshape(-1, *[1] * (real.dim() - 1))  # (N, 1, …, 1)
    x = (u * real + (1 - u) * fake).detach().requires_grad_()  # a leaf: nothing behind it gets a gradient
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)  # sample n depends on x̂ₙ alone
    norms = torch.linalg.vector_norm(slope.flatten(1), dim=1)  # its gradient at 0 is 0, that of a root is nan
    return ((norms - 1) ** 2).mean()
    ### END SOLUTION


def gan_step(
    G: torch.nn.Module,
    D: torch.nn.Module,
    opt_g: torch.optim.Optimizer,
    opt_d: torch.optim.Optimizer,
    real: torch.Tensor,
    z1: torch.Tensor,
    z2: torch.Tensor,
) -> tuple[float, float]:
    """One round of the game: a step of the discriminator, then a step of the generator.

    First `opt_d` takes one step on the loss of `d_loss` for the logits D(real) and D(G(z1)); G is held fixed.
    Then `opt_g` takes one step on the loss of `g_loss_ns` for the logits of G(z2) under the updated D;
    D is held fixed.

    Args:
        G: generator, maps noise to samples.
        D: discriminator, maps N samples to N logits of shape (N,) or (N, 1).
        opt_g: optimizer of all parameters of G that require a gradient.
        opt_d: the same for D.
        real: batch of real samples; z1, z2: batches of noise. The three batch sizes may differ.
            Tensors and networks share one float dtype, float32 or float64.

    Returns:
        (ld, lg), Python floats or detached 0-d tensors: the two losses, each as it was just before its step.
        They are right for logits up to ±10000.
        While `opt_d` steps, the discriminator's loss has left no gradient in G (None or zero).
        After the call no gradient is left in D (None or zero), gradients that lay in G or D before the call
        have had no influence, and every `requires_grad` and every train/eval mode is what it was.
        The modes are not changed for the forward passes either.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, algorithm 1 with k = 1 and the non-saturating loss.
    """
    ### BEGIN SOLUTION
    opt_d.zero_grad()
    fake = G(z1).detach()  # the discriminator's loss must not reach G
    ld = functional.softplus(-D(real)).mean() + functional.softplus(D(fake)).mean()
    ld.backward()
    opt_d.step()

    opt_g.zero_grad()
    lg = functional.softplus(-D(G(z2))).mean()
    lg.backward()
    opt_g.step()
    opt_d.zero_grad()  # the generator's loss has passed through D and left gradients there
    return ld.item(), lg.item()
    ### END SOLUTION
