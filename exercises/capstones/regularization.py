"""Capstone of regularization: few digits, many wrong labels, and a network that could learn them all by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "400 digits, 30 % of their labels drawn at random, 256 hidden units: with and without your dropout and L2"
FIGURE = "test accuracy, regularized"
GATE = (0.85, 0.98)
MEANING = (
    "Accuracies are means of three networks. Who fits the wrong labels of the training set has learned them by heart."
)
BELOW = "The regularized network is wrong too often: compare l2_penalty and dropout_backward with central differences."
ABOVE = (
    "It has learned the noise by heart (or reads more than can be read): is anything dropped, is anything penalised?"
)
ALSO = {"accuracy on its own noisy labels, regularized": (0.6, 0.85)}
HELD_BACK = ("test_x", "test_y", "clean_y")
SHAPES = {"W1": (64, 256), "b1": (256,), "W2": (256, 10), "b2": (10,)}
REPEATS = 3


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """For each repeat 400 digits with noisy labels and 1397 clean ones to be tested on."""
    with np.load(folder / "digits.npz") as file:
        x, y = file["x"].reshape(-1, 64) / 16.0, file["y"].astype(np.int64)
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(len(x)) for _ in range(REPEATS)])
    learn, test = orders[:, :400], orders[:, 400:]
    noisy = np.where(rng.random(learn.shape) < 0.3, rng.integers(10, size=learn.shape), y[learn])
    return {"seed": seed, "x": x[learn], "y": noisy, "clean_y": y[learn], "test_x": x[test], "test_y": y[test]}


def train(submission, data, progress):
    """Two networks a repeat, one plain, one with dropout 0.5 and L2; runs in the worker."""
    epochs, batch, lr, alpha, drop = 80, 50, 0.1, 0.01, 0.5
    runs = [(repeat, regularized) for repeat in range(len(data["x"])) for regularized in (False, True)]

    def fit(x, y, regularized, rng, report):
        p = {
            "W1": rng.standard_normal((64, 256)) * np.sqrt(2 / 64),
            "b1": np.zeros(256),
            "W2": rng.standard_normal((256, 10)) * np.sqrt(1 / 256),
            "b2": np.zeros(10),
        }
        velocity = {name: np.zeros_like(value) for name, value in p.items()}
        targets = submission.smooth_labels(y, 10, 0.0)
        rate = drop if regularized else 0.0

        stages = []
        for epoch in range(epochs):
            order = rng.permutation(len(x))
            for start in range(0, len(x), batch):
                rows = order[start : start + batch]
                z = x[rows] @ p["W1"] + p["b1"]
                h, mask = submission.dropout_forward(np.maximum(z, 0), rate, rng, True)
                _, dlogits = submission.soft_xent(h @ p["W2"] + p["b2"], targets[rows])
                dz = submission.dropout_backward(dlogits @ p["W2"].T, mask) * (z > 0)
                g = {"W1": x[rows].T @ dz, "b1": dz.sum(axis=0), "W2": h.T @ dlogits, "b2": dlogits.sum(axis=0)}
                penalty = submission.l2_penalty(p, alpha)[1] if regularized else {}
                for name in p:
                    velocity[name] = 0.9 * velocity[name] + g[name] + penalty.get(name, 0)
                    p[name] = p[name] - lr * velocity[name]
            if epoch % 2 == 1:
                stages.append(dict(p))
            report(epoch + 1)
        return {name: np.stack([stage[name] for stage in stages]).astype(np.float32) for name in p}

    results = {"plain": [], "regularized": []}
    for i, (repeat, regularized) in enumerate(runs):
        rng = np.random.default_rng((data["seed"], repeat))
        parts = data["x"][repeat], data["y"][repeat]
        made = fit(*parts, regularized, rng, lambda done, i=i: progress(i * epochs + done, len(runs) * epochs))
        results["regularized" if regularized else "plain"].append(made)
    return results


def _predicted(weights: dict[str, Any], images: np.ndarray, stage: int) -> np.ndarray:
    """What the network with the weights of a stage says of images; nothing is dropped then."""
    p = {name: np.asarray(weights[name])[stage] for name in SHAPES}
    if {name: part.shape for name, part in p.items()} != SHAPES:
        raise ValueError("weights of another network")
    return (np.maximum(images @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]).argmax(axis=1)


def _accuracies(
    results: dict[str, Any], data: dict[str, Any], which: str, last: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """(on the test digits, on the noisy training labels) in the last stages, each (repeats, stages)."""
    runs, stages = results[which], range(-last, 0)
    if len(runs) != REPEATS:
        raise ValueError(f"not {REPEATS} networks")
    measured = [
        np.array(
            [[(_predicted(run, x, s) == y).mean() for s in stages] for run, x, y in zip(runs, xs, ys, strict=True)]
        )
        for xs, ys in ((data["test_x"], data["test_y"]), (data["x"], data["y"]))
    ]
    return measured[0], measured[1]


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """Accuracy of the regularized networks on clean digits that were held back, after the last epoch."""
    return float(_accuracies(results, data, "regularized", 1)[0].mean())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    return {next(iter(ALSO)): float(_accuracies(results, data, "regularized", 1)[1].mean())}


def details(results: dict[str, Any], data: dict[str, Any]) -> list[str]:
    test, own = _accuracies(results, data, "plain", 1)
    return [
        f"without regularization: {test[:, -1].mean():.3f} on the test digits, {own[:, -1].mean():.3f} on its noisy labels"
    ]


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """Accuracy by epoch, with and without."""
    clean = float((data["y"] == data["clean_y"]).mean())
    pairs = zip(figure.subplots(1, 2, sharey=True), ("plain", "regularized"), strict=True)
    for axes, which in pairs:
        test, own = _accuracies(results, data, which)
        epochs = 2 * np.arange(1, test.shape[1] + 1)
        for values, colour, label in (
            (own, "tab:orange", "on its own noisy labels"),
            (test, "tab:blue", "on clean test digits"),
        ):
            axes.plot(epochs, values.T, color=colour, alpha=0.3, linewidth=0.8)
            axes.plot(epochs, values.mean(axis=0), color=colour, linewidth=2, label=label)
            axes.annotate(
                f"{values[:, -1].mean():.2f}",
                (epochs[-1], values[:, -1].mean()),
                textcoords="offset points",
                xytext=(5, -3),
                color=colour,
            )
        axes.axhline(clean, color="0.4", linestyle="--", linewidth=1, label="share of labels that are right")
        axes.set(xlabel="epoch", ylim=(0.4, 1.03), xlim=(0, epochs[-1] * 1.1))
    left, right = figure.axes
    left.set(title="Without: it learns the noise by heart", ylabel="accuracy")
    right.set(title="With dropout 0.5 and L2 0.01")
    right.legend(loc="lower right", fontsize=9)
