"""Capstone of gan_loss: a generator learns a ring of eight Gaussians."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "a generator learns a ring of eight Gaussians, 2500 rounds of your gan_step"
FIGURE = "Gaussians found, of 8"
GATE = (7, 8)
MEANING = "A Gaussian is found where at least 20 of 2000 samples fall within five standard deviations of its centre."
BELOW = "The generator does not get there: compare gan_step's two losses with d_loss and g_loss_ns, and who is held fixed when."
ABOVE = "There are 8 Gaussians, and no network hits them every time: where do the samples come from?"
ALSO = {"share of samples within 5 standard deviations": (0.8, 0.999)}
HELD_BACK = ("noise",)
SHAPES = {
    "0.weight": (64, 4),
    "0.bias": (64,),
    "2.weight": (64, 64),
    "2.bias": (64,),
    "4.weight": (2, 64),
    "4.bias": (2,),
}
SIGMA = 0.1


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """The centres of the ring, and noise to measure the generator with; samples are drawn as the training goes."""
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2
    noise = np.random.default_rng((seed, 1)).standard_normal((2000, 4))
    return {"seed": seed, "centres": centres, "sigma": SIGMA, "noise": noise}


def train(submission, data, progress):
    """Two 64-64 networks, Adam with betas 0.5 and 0.9; runs in the worker."""
    import torch
    from torch import nn

    torch.manual_seed(data["seed"])
    rng = np.random.default_rng(data["seed"])
    centres, sigma = data["centres"], data["sigma"]

    def network(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, n_out))

    def real(n):
        return centres[rng.integers(8, size=n)] + sigma * rng.standard_normal((n, 2))

    def tensor(array):
        return torch.from_numpy(np.ascontiguousarray(array)).float()

    generator, discriminator = network(4, 2), network(2, 1)
    opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    rounds, batch = 2500, 128
    noise = tensor(rng.standard_normal((2000, 4)))
    losses, stages = [], {}
    for t in range(1, rounds + 1):
        z1, z2 = tensor(rng.standard_normal((batch, 4))), tensor(rng.standard_normal((batch, 4)))
        ld, lg = submission.gan_step(generator, discriminator, opt_g, opt_d, tensor(real(batch)), z1, z2)
        losses.append((float(ld), float(lg)))
        for optimizer in (opt_g, opt_d):  # smaller steps towards the end, so that the players come to rest
            optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, 2.2 * (1 - t / rounds) + 0.05)
        if t in (100, 500, rounds):
            with torch.no_grad():
                stages[str(t)] = {name: part.numpy().copy() for name, part in generator.state_dict().items()}
        if t % 25 == 0:
            progress(t, rounds)

    # how much the generator hears from the two losses when its samples are found out more or less surely
    surely = np.linspace(-8, 4, 49)
    grads = [submission.logit_grads(np.zeros(1), np.array([logit])) for logit in surely]
    slopes = {name: np.array([float(np.abs(g[name]).max()) for g in grads]) for name in ("g_minimax", "g_ns")}
    with torch.no_grad():
        a, b = np.meshgrid(np.linspace(-3, 3, 61), np.linspace(-3, 3, 61))
        judged = torch.sigmoid(discriminator(tensor(np.stack([a.ravel(), b.ravel()], axis=1)))).numpy().reshape(61, 61)
        logits = [discriminator(part).double().numpy() for part in (tensor(real(2000)), generator(noise))]
    final = float(submission.d_loss(*logits))
    return {"losses": losses, "stages": stages, "logits": surely, "slopes": slopes, "judged": judged, "d_loss": final}


def _samples(weights: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    """What the generator with these weights makes of noise that it has not seen, (2000, 2)."""
    p = {name: np.asarray(weights[name], dtype=np.float64) for name in SHAPES}
    if {name: part.shape for name, part in p.items()} != SHAPES:
        raise ValueError("weights of another generator")
    h = np.tanh(data["noise"] @ p["0.weight"].T + p["0.bias"])
    return np.tanh(h @ p["2.weight"].T + p["2.bias"]) @ p["4.weight"].T + p["4.bias"]


def _hits(samples: np.ndarray, data: dict[str, Any]) -> np.ndarray:
    """(samples, 8): which lie within five standard deviations of which centre."""
    return np.linalg.norm(samples[:, None] - data["centres"], axis=2) < 5 * data["sigma"]


def _last(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    return _samples(list(results["stages"].values())[-1], data)


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """How many of the eight the generator has found."""
    return float((_hits(_last(results, data), data).sum(axis=0) >= 20).sum())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    return {next(iter(ALSO)): float(_hits(_last(results, data), data).any(axis=1).mean())}


def details(results: dict[str, Any], data: dict[str, Any]) -> list[str]:
    return [f"d_loss at the end: {float(results['d_loss']):.3f} (2 log 2 = 1.386 where nothing can be told apart)"]


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The samples as they move, both losses, and why the generator does not use the minimax loss."""
    figure.set_size_inches(9, 6)
    axes = figure.subplots(2, 3)
    for panel, (t, weights) in zip(axes[0], results["stages"].items(), strict=True):
        samples = _samples(weights, data)
        if panel is axes[0, 2]:
            panel.imshow(
                results["judged"], extent=(-3, 3, -3, 3), origin="lower", cmap="RdBu", vmin=0, vmax=1, alpha=0.6
            )
        panel.plot(
            samples[:, 0], samples[:, 1], ".", markersize=2, color="tab:blue" if panel is not axes[0, 2] else "k"
        )
        for x, y in data["centres"]:
            angle = np.linspace(0, 2 * np.pi, 40)
            panel.plot(x + 5 * SIGMA * np.cos(angle), y + 5 * SIGMA * np.sin(angle), color="tab:orange", linewidth=1)
        panel.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=f"after {t} rounds", xticks=[], yticks=[])
    losses = np.asarray(results["losses"])
    smooth = np.stack([np.convolve(losses[:, k], np.ones(25) / 25, "valid") for k in (0, 1)])
    for values, panel, name, level, words in zip(
        smooth, axes[1], ("discriminator", "generator"), (2 * np.log(2), np.log(2)), ("2 log 2", "log 2"), strict=False
    ):
        panel.plot(np.arange(len(values)) + 12, values, color="tab:blue", linewidth=1)
        panel.axhline(level, color="tab:red", linestyle="--", linewidth=1, label=words)
        panel.set(title=f"loss of the {name}", xlabel="round", ylim=(0, 2))
        panel.legend(fontsize=8, loc="upper right")
    panel = axes[1, 2]
    panel.plot(results["logits"], results["slopes"]["g_ns"], color="tab:green", label="non-saturating")
    panel.plot(results["logits"], results["slopes"]["g_minimax"], color="tab:red", label="minimax")
    panel.set(
        title="what the generator hears", xlabel="logit of a fake (left: found out)", ylabel="size of the gradient"
    )
    panel.legend(fontsize=8)
