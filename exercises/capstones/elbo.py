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
HELD_BACK = ("test_x",)
Z, SAMPLES = 8, 50
MOST_WEIGHTS = 60_000  # numbers: a model that is smaller than the digits it learned from


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

    return {"losses": losses, "model": model.state_dict()}


def encode(submission, data):
    """Means and log variances of digits that the model has not seen; runs in a worker that sees nothing else."""
    import torch

    model = submission.VAE(data["x"].shape[1], 128, data["z"])
    model.load_state_dict({name: torch.as_tensor(part) for name, part in data["model"].items()})
    with torch.no_grad():
        mu, logvar = model.double().encode(torch.from_numpy(data["x"]))
    return {"mu": mu.numpy(), "logvar": logvar.numpy()}


def decode(submission, data):
    """Logits of codes; runs in a worker that has never seen what they stand for."""
    import torch

    model = submission.VAE(data["pixels"], 128, data["codes"][0].shape[1])
    model.load_state_dict({name: torch.as_tensor(part) for name, part in data["model"].items()})
    with torch.no_grad():
        return [model.double().decode(torch.from_numpy(codes)).numpy() for codes in data["codes"]]


def bounds(submission, data):
    """The submission's own bounds; runs in a worker after all has been measured."""
    own = [submission.elbo(data["x"], logits, data["mu"], data["logvar"]) for logits in data["logits"]]
    return {"elbo": np.stack(own), "iwae": submission.iwae_bound(data["joints"], data["codes"])}


def measure(fresh: Any, results: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What the trained model makes of the digits that were held back: coded by one worker, decoded by another."""
    model, x, rng = results["model"], data["test_x"], np.random.default_rng((data["seed"], 1))
    if sum(np.asarray(part).size for part in model.values()) > MOST_WEIGHTS:
        raise ValueError("more weights than there is to learn")
    coded = fresh("encode", {"model": model, "x": x, "z": Z})
    mu, logvar = (np.array(coded[name], dtype=np.float64) for name in ("mu", "logvar"))
    if not mu.shape == logvar.shape == (len(x), Z):
        raise ValueError("means or log variances of another shape")
    z = [mu + np.exp(logvar / 2) * rng.standard_normal(mu.shape) for _ in range(SAMPLES)]
    decoded = fresh("decode", {"model": model, "pixels": x.shape[1], "codes": [*z, _grid_of_codes(mu)]})
    if [np.shape(logits) for logits in decoded] != SAMPLES * [x.shape] + [(100, x.shape[1])]:
        raise ValueError("logits of another shape")
    logits = np.stack(decoded[:-1])
    joints = (x * logits - np.logaddexp(0, logits)).sum(axis=2) + _log_normal(np.stack(z), 0.0, 1.0)
    codes = _log_normal(np.stack(z), mu, np.exp(logvar / 2))
    sent = {"x": x, "mu": mu, "logvar": logvar, "logits": logits[:10], "joints": joints, "codes": codes}
    own = fresh("bounds", sent)
    iwae = np.logaddexp.reduce(joints - codes, axis=0) - np.log(SAMPLES)
    pictures = 1 / (1 + np.exp(-np.asarray(decoded[-1]).reshape(10, 10, -1)))
    return {**sent, "bounds": own["elbo"], "iwae": own["iwae"], "measured": iwae, "pictures": pictures}


def _log_normal(z: np.ndarray, mean: Any, deviation: Any) -> np.ndarray:
    import torch

    normal = torch.distributions.Normal(*(torch.as_tensor(part, dtype=torch.float64) for part in (mean, deviation)))
    return normal.log_prob(torch.from_numpy(z)).sum(dim=-1).numpy()


def _grid_of_codes(mu: np.ndarray) -> np.ndarray:
    """(100, Z) between the codes of four test digits that lie far apart."""
    corners = [int((mu**2).sum(axis=1).argmax())]
    while len(corners) < 4:
        corners.append(int(np.linalg.norm(mu[:, None] - mu[corners], axis=2).min(axis=1).argmax()))
    across, down = np.linspace(0, 1, 10)[None, :, None], np.linspace(0, 1, 10)[:, None, None]
    above, below = (mu[i] * (1 - across) + mu[j] * across for i, j in (corners[:2], corners[2:]))
    return (above * (1 - down) + below * down).reshape(100, -1)


def _elbo(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    """The bound of each test digit for ten samples, (10, 400), measured from logits, means and log variances."""
    x, logits, mu, logvar = data["test_x"], results["logits"], results["mu"], results["logvar"]
    likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=2)
    return likelihood - 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar).sum(axis=1)


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """The mean bound of digits that it has never seen."""
    return float(_elbo(results, data).mean())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    difference, bound = ALSO
    own = np.abs(np.asarray(results["bounds"]) - _elbo(results, data)).max()
    iwae = np.asarray(results["iwae"])
    agrees = iwae.shape == results["measured"].shape and np.abs(iwae - results["measured"]).max() < 1e-6
    return {difference: float(own), bound: float(np.mean(iwae)) if agrees else float("nan")}


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
    shown = results["logits"][0, :6]
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
