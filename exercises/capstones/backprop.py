"""Capstone of backprop: a 64-64-10 network reads handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "a 64-64-10 network learns to read digits with your MLP and your softmax_xent"
FIGURE = "test accuracy"
GATE = (0.95, 0.999)
MEANING = "The share of 450 digits it has never seen that the network reads right; guessing gets 0.1."
BELOW = "It learns too little: compare your gradients with numeric_gradient, and look where the loss starts."
ABOVE = "No network of this size reads them all, or starts that far from log 10 = 2.30: what does it see that it should not?"
ALSO = {"loss of the untrained network": (1.9, 3.2)}
HELD_BACK = ("test_x", "test_y")
SHAPES = {"W0": (64, 64), "b0": (64,), "W1": (64, 10), "b1": (10,)}


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """1347 digits to learn from, 450 to be tested on, split by the seed."""
    with np.load(folder / "digits.npz") as file:
        x, y = file["x"].reshape(-1, 64) / 16.0, file["y"].astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(x))
    learn, test = order[:-450], order[-450:]
    return {"seed": seed, "x": x[learn], "y": y[learn], "test_x": x[test], "test_y": y[test]}


def train(submission, data, progress):
    """Plain gradient descent on batches of 16; runs in the worker."""
    x, y = data["x"], data["y"]
    rng = np.random.default_rng(data["seed"])
    model = submission.MLP((64, 64, 10), "relu", rng)
    epochs, batch, lr = 40, 16, 0.25
    updates = epochs * (len(x) // batch)
    losses = [float(submission.softmax_xent(model.forward(x), y)[0])]
    before = model.params["W0"].copy()
    while len(losses) <= updates:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            rows = order[start : start + batch]
            loss, dlogits = submission.softmax_xent(model.forward(x[rows]), y[rows])
            for name, gradient in model.backward(dlogits).items():
                model.params[name] -= lr * gradient
            losses.append(float(loss))
        progress(len(losses) - 1, updates)
    return {"losses": np.array(losses), "params": model.params, "W0": model.params["W0"] - before}


def _predicted(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray | None:
    """What the network with these weights says of the digits that were held back; None if it is another network."""
    p = {name: np.asarray(results["params"][name], dtype=np.float64) for name in SHAPES}
    if {name: weights.shape for name, weights in p.items()} != SHAPES:
        return None
    return (np.maximum(data["test_x"] @ p["W0"] + p["b0"], 0) @ p["W1"] + p["b1"]).argmax(axis=1)


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """Accuracy on the digits that were held back."""
    predicted = _predicted(results, data)
    return float("nan") if predicted is None else float((predicted == data["test_y"]).mean())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    return {"loss of the untrained network": float(results["losses"][0])}


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The loss, what the first layer has learned, and the digits that were misread."""
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.15, 1, 1))
    axes = left.subplots()
    losses = np.asarray(results["losses"])
    smooth = np.convolve(losses[1:], np.ones(20) / 20, "valid")
    axes.plot(losses[1:], color="0.8", linewidth=0.7, label="each batch")
    axes.plot(np.arange(len(smooth)) + 10, smooth, color="tab:blue", label="mean of 20")
    axes.axhline(np.log(10), color="tab:red", linestyle="--", linewidth=1, label="log 10: knows nothing")
    axes.set(yscale="log", xlabel="update", ylabel="loss", title="The loss")
    axes.legend(fontsize=8, loc="lower left")

    middle.suptitle("First layer: what the weights\nof each hidden unit have become", fontsize=10)
    weights = np.asarray(results["W0"]).T  # (64 units, 64 pixels)
    for unit, axes in zip(weights, middle.subplots(8, 8).flat, strict=True):
        size = float(np.abs(unit).max()) or 1.0
        axes.imshow(unit.reshape(8, 8), cmap="RdBu_r", vmin=-size, vmax=size)
        axes.axis("off")

    predicted, truth = _predicted(results, data), data["test_y"]
    wrong = np.flatnonzero(predicted != truth)
    right.suptitle(f"{len(wrong)} of {len(truth)} misread: digit → answer", fontsize=10)
    grid = right.subplots(3, 4)
    for axes in grid.flat:
        axes.axis("off")
    for i, axes in zip(wrong, grid.flat, strict=False):
        axes.imshow(data["test_x"][i].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{truth[i]} → {predicted[i]}", fontsize=9)
