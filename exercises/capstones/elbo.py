"""Capstone of elbo: your VAE learns what digits look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "a 64-128-8 VAE learns what digits look like from your loss"
FIGURE = "ELBO of new digits, nats"
GATE = (-26.0, -23.0)
MEANING = "A lower bound on the log-probability of a new digit; knowing only how dark each pixel is on average gets about -27.2."
BELOW = "It learns too little: compare VAE.loss with minus the mean of your elbo, KL summed over all latent dimensions."
ABOVE = "No code of eight numbers tells so much at so low a price: is each KL summed, is the log-likelihood one?"
ALSO = {
    "your elbo minus the one measured here, largest difference": (0.0, 1e-6),
    "tighter bound by your iwae_bound, 50 samples": (-25.5, -22.5),
}
HELD_BACK = ()
Z = 8


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """1397 digits to learn from, 400 to be measured on, grey values between 0 and 1."""
    with np.load(folder / "digits.npz") as file:
        x = file["x"].reshape(-1, 64).astype(np.float64) / 16
    x = x[np.random.default_rng(seed).permutation(len(x))]
    return {"seed": seed, "x": x[:-400], "test_x": x[-400:], "z": Z}


def train(submission, data, progress):
    """40 epochs of Adam on batches of 64; runs in the worker."""
    import math

    import torch

    torch.manual_seed(data["seed"])
    noise = torch.Generator().manual_seed(data["seed"])
    x = torch.from_numpy(data["x"]).float()
    model = submission.VAE(x.shape[1], 128, data["z"])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    epochs, batch = 40, 64
    losses = []
    for epoch in range(epochs):
        for rows in torch.randperm(len(x), generator=noise).split(batch):
            loss = model.loss(x[rows], torch.randn(len(rows), data["z"], generator=noise))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        progress(epoch + 1, epochs)

    model.double()
    samples = 50
    test = data["test_x"]
    with torch.no_grad():
        mu, logvar = (t.numpy() for t in model.encode(torch.from_numpy(test)))
        draws, bounds, joints, codes = [], [], [], []
        for _ in range(samples):
            eps = torch.randn(len(test), data["z"], generator=noise, dtype=torch.float64).numpy()
            z = submission.reparameterize(mu, logvar, eps)
            logits = model.decode(torch.from_numpy(z)).numpy()
            prior, zero = np.zeros_like(z), np.zeros_like(z)
            joints.append(submission.bernoulli_ll(logits, test) + submission.gaussian_ll(z, prior, zero))
            codes.append(submission.gaussian_ll(z, mu, logvar))
            draws.append(logits)
            bounds.append(submission.elbo(test, logits, mu, logvar))
        corners = [int((mu**2).sum(axis=1).argmax())]  # four test digits whose codes lie far apart
        while len(corners) < 4:
            apart = np.linalg.norm(mu[:, None] - mu[corners], axis=2).min(axis=1)
            corners.append(int(apart.argmax()))
        across = np.linspace(0, 1, 10)[None, :, None]
        above, below = (mu[i] * (1 - across) + mu[j] * across for i, j in (corners[:2], corners[2:]))
        down = np.linspace(0, 1, 10)[:, None, None]
        grid = torch.from_numpy(above * (1 - down) + below * down).reshape(100, -1)
        pictures = torch.sigmoid(model.decode(grid)).reshape(10, 10, -1).numpy()
    return {
        "losses": losses,
        "mu": mu,
        "logvar": logvar,
        "logits": np.stack(draws[:10]),
        "bounds": np.stack(bounds[:10]),
        "iwae": submission.iwae_bound(np.stack(joints), np.stack(codes)),
        "pictures": pictures,
        "shown": draws[0][:6],
    }


def _elbo(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    """The bound of each test digit for ten samples, (10, 400), measured from logits, means and log variances."""
    x, logits = data["test_x"], np.asarray(results["logits"], dtype=np.float64)
    mu, logvar = (np.asarray(results[name], dtype=np.float64) for name in ("mu", "logvar"))
    if logits.shape[1:] != x.shape or mu.shape != (len(x), Z) or logvar.shape != (len(x), Z):
        raise ValueError("logits, means or log variances of another shape")
    likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=2)
    return likelihood - 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """The mean bound of digits that it has never seen."""
    return float(_elbo(results, data).mean())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    difference, bound = ALSO
    own = np.abs(np.asarray(results["bounds"]) - _elbo(results, data)).max()
    return {difference: float(own), bound: float(np.mean(results["iwae"]))}


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The loss, digits with what came back of them, and what the decoder makes of a grid of codes."""
    left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1))
    top, bottom = left.subfigures(2, 1, height_ratios=(1.35, 1))
    axes = top.subplots()
    losses = np.asarray(results["losses"])
    axes.plot(losses, color="0.8", linewidth=0.7, label="each batch")
    axes.plot(
        np.arange(len(losses) - 21) + 11,
        np.convolve(losses, np.ones(22) / 22, "valid"),
        color="tab:blue",
        label="mean of an epoch",
    )
    bound = -figure_of(results, data)
    axes.axhline(bound, color="tab:red", linestyle="--", linewidth=1, label=f"new digits: {bound:.1f}")
    axes.set(xlabel="update", ylabel="minus ELBO, nats", title="The loss", ylim=(bound - 3, 40))
    axes.legend(fontsize=8)
    bottom.suptitle("New digits, and what comes back from eight numbers", fontsize=10)
    shown = np.asarray(results["shown"])
    grid = bottom.subplots(2, len(shown))
    for i, logits in enumerate(shown):
        grid[0, i].imshow(data["test_x"][i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        grid[1, i].imshow((1 / (1 + np.exp(-logits))).reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    for axes in grid.flat:
        axes.axis("off")
    pictures = np.asarray(results["pictures"])
    side = len(pictures)
    tiles = np.pad(pictures.reshape(side, side, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    sheet = tiles.transpose(0, 2, 1, 3).reshape(10 * side, 10 * side)
    axes = right.subplots()
    axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1)
    axes.axis("off")
    axes.set_title("The decoder over a grid of codes between\nthose of four new digits (the corners)", fontsize=10)


figure_of = figure  # `draw` calls its canvas figure
