"""The evidence lower bound: its parts in closed form, its gradient, a tighter bound, and the model it trains.

Everything is NumPy except `VAE`, a torch module.
A batch has N examples of D pixels (x, logits, mean) and N codes of Z latent dimensions (mu, logvar, eps).
Results are in nats, one number per example: sums run over pixels or latent dimensions, never over the batch.
`logvar` always means log σ², the logarithm of the variance, so σ = exp(logvar / 2).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn


def kl_std_normal(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """KL divergence of the diagonal Gaussian N(mu, exp(logvar)) from the standard normal, KL(q ‖ p).

    Args:
        mu: means of q, (N, Z) float.
        logvar: log variances of q, (N, Z), of the dtype of mu; −30 and 30 are ordinary values.

    Returns:
        (N,) array of the dtype of mu: ½ Σ_z (exp(logvar) + mu² − 1 − logvar), in nats.
        It is 0 where mu = 0 and logvar = 0, and positive elsewhere.

    Raises:
        ValueError: the shapes do not broadcast (NumPy's own error will do).

    Source: Kingma and Welling 2014, arXiv 1312.6114, appendix B.
    """
    raise NotImplementedError("kl_std_normal")


def kl_diag(mu1: np.ndarray, lv1: np.ndarray, mu2: np.ndarray, lv2: np.ndarray) -> np.ndarray:
    """KL divergence between two diagonal Gaussians, KL(N(mu1, exp(lv1)) ‖ N(mu2, exp(lv2))).

    Args:
        mu1, lv1: means and log variances of the first, under which the expectation is taken, (N, Z) float.
        mu2, lv2: means and log variances of the second, (N, Z), of the same dtype.

    Returns:
        (N,) array of the dtype of mu1, in nats:
        ½ Σ_z (lv2 − lv1 + (exp(lv1) + (mu1 − mu2)²) / exp(lv2) − 1).

    Raises:
        ValueError: the shapes do not broadcast.

    Source: the integral of log N(z; mu1, …) − log N(z; mu2, …) under the first; derived in the handout.
    """
    raise NotImplementedError("kl_diag")


def reparameterize(mu: np.ndarray, logvar: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """Turn standard normal noise into samples of N(mu, exp(logvar)).

    Args:
        mu: means, (N, Z) float.
        logvar: log variances, (N, Z), of the dtype of mu.
        eps: noise drawn from the standard normal, (N, Z), of the dtype of mu; nothing else is drawn.

    Returns:
        (N, Z) array of the dtype of mu: mu + exp(logvar / 2) · eps.
        A variance that underflows to 0 gives mu itself, as a new array.

    Raises:
        ValueError: the shapes do not broadcast.

    Source: Kingma and Welling 2014, section 2.4.
    """
    raise NotImplementedError("reparameterize")


def bernoulli_ll(logits: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log-likelihood of pixels under independent Bernoulli variables, given their logits.

    Mind the order: logits first here, x first in `elbo`.

    Args:
        logits: log(p / (1 − p)) of each pixel, (N, D) float; any finite size, ±1e4 for instance.
        x: pixels between 0 and 1 (both included, grey ones allowed), (N, D), of the dtype of logits.

    Returns:
        (N,) array of the dtype of logits: Σ_d (x · l − log(1 + exp(l))), in nats; finite for finite logits.
        A warning of NumPy on the way is not judged, only the values are.

    Raises:
        ValueError: the shapes do not broadcast.

    Source: Kingma and Welling 2014, appendix C.1, written in logits.
    """
    raise NotImplementedError("bernoulli_ll")


def gaussian_ll(x: np.ndarray, mean: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Log-density of x under a diagonal Gaussian.

    Args:
        x: observations, (N, D) float.
        mean: means, (N, D), of the dtype of x.
        logvar: log variances, (N, D), of the dtype of x; −30 and 30 are ordinary values.

    Returns:
        (N,) array of the dtype of x: −½ Σ_d (log 2π + logvar + (x − mean)² / exp(logvar)), in nats.
        A log-density may be positive.

    Raises:
        ValueError: the shapes do not broadcast.

    Source: Kingma and Welling 2014, appendix C.2.
    """
    raise NotImplementedError("gaussian_ll")


def elbo(
    x: np.ndarray,
    logits: np.ndarray,
    mu: np.ndarray,
    logvar: np.ndarray,
    beta: float = 1.0,
) -> np.ndarray:
    """Evidence lower bound of a VAE with Bernoulli pixels, estimated with one sample of z.

    Args:
        x: pixels between 0 and 1, (N, D) float.
        logits: what the decoder says to one sample z of q(z|x), (N, D), of the dtype of x.
        mu: means of q(z|x), (N, Z), of the dtype of x.
        logvar: log variances of q(z|x), (N, Z), of the dtype of x.
        beta: weight of the KL term, a Python float ≥ 0; 1 gives the bound.

    Returns:
        (N,) array of the dtype of x: log p(x|z) − beta · KL(q(z|x) ‖ N(0, I)), in nats.
        To be maximised: the loss is minus its mean.

    Raises:
        ValueError: the shapes of x and logits, or those of mu and logvar, do not broadcast,
            or x and mu have different numbers of rows (none of them 1).

    Source: Kingma and Welling 2014, eq. 10; for beta, Higgins et al. 2017.
    """
    raise NotImplementedError("elbo")


def kl_grads(mu: np.ndarray, logvar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `kl_std_normal`, each row of its own number.

    Args:
        mu: means, (N, Z) float.
        logvar: log variances, (N, Z), of the dtype of mu; −30 and 30 are ordinary values.

    Returns:
        (dmu, dlogvar): two new (N, Z) arrays of the dtype of mu.
        Row n holds the derivatives of kl_std_normal(mu, logvar)[n] with respect to mu[n] and logvar[n].

    Raises:
        ValueError: the shapes do not broadcast.
    """
    raise NotImplementedError("kl_grads")


def iwae_bound(log_joint: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Importance-weighted bound on log p(x) from K samples of z for each example.

    Args:
        log_joint: log p(x, z) of each sample, (K, N) float with K ≥ 1; finite of any size, or −inf.
        log_q: log q(z|x) of the same samples, (K, N), finite, of the dtype of log_joint.

    Returns:
        (N,) array of the dtype of log_joint: log((1/K) Σ_k exp(log_joint − log_q)), in nats.
        A sample of −inf has weight 0; an example of which every sample is −inf has the bound −inf.

    Raises:
        ValueError: the shapes do not broadcast.

    Source: Burda, Grosse and Salakhutdinov 2016, arXiv 1509.00519, eq. 8.
    """
    raise NotImplementedError("iwae_bound")


class VAE(nn.Module):
    """Variational autoencoder for pixels between 0 and 1.

    The prior is N(0, I), q(z|x) is a diagonal Gaussian, and given z the pixels are independent Bernoullis.
    The networks are free (one hidden layer of width d_hidden on each side is enough), within these rules.
    Everything trainable is a parameter of this module and takes part in the loss;
    its dtype is torch's default until `.double()` converts the module.
    `encode` and `decode` are functions of their input alone: nothing random in them (no dropout),
    nothing that lets one example of a batch influence another (no batch normalization).

    Source: Kingma and Welling 2014, sections 2.3 and 3.
    """

    def __init__(self, d_in: int, d_hidden: int, d_z: int) -> None:
        """Make the layers; their initial values may be drawn from torch's global generator.

        Args:
            d_in: number of pixels D, ≥ 1.
            d_hidden: width of the hidden layers, ≥ 1.
            d_z: number of latent dimensions Z, ≥ 1.
        """
        super().__init__()
        raise NotImplementedError("VAE.__init__")

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Parameters of q(z|x).

        Args:
            x: pixels, (N, D) tensor of the dtype of the parameters.

        Returns:
            (mu, logvar): two (N, Z) tensors of the dtype of x; both depend on x.
        """
        raise NotImplementedError("VAE.encode")

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Logits of the pixels given z.

        Args:
            z: codes, (N, Z) tensor of the dtype of the parameters.

        Returns:
            (N, D) tensor of the dtype of z: logits, not probabilities; numbers of any size and sign.
        """
        raise NotImplementedError("VAE.decode")

    def loss(self, x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        """Minus the mean ELBO of a batch, in nats per example, with z = mu + exp(logvar / 2) · eps.

        Args:
            x: pixels between 0 and 1, (N, D) tensor of the dtype of the parameters.
            eps: standard normal noise, (N, Z) tensor of the same dtype; nothing else is drawn.

        Returns:
            0-d tensor of the dtype of x, the mean over the N examples of KL − log p(x|z) (beta is 1).
            It is differentiable in every parameter; value and gradients are finite and right
            at logits of any finite size, at 0 as well as at ±1000.
        """
        raise NotImplementedError("VAE.loss")
