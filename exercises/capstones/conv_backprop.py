"""Capstone of conv_backprop: a small convolutional network reads handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "two convolutions (8 and 16 filters) with pooling learn to read digits with your layers"
FIGURE = "test accuracy"
GATE = (0.93, 0.999)
MEANING = "The share of 450 digits it has never seen that the network reads right; guessing gets 0.1."
BELOW = "It learns too little: compare conv2d_dw, conv2d_db, conv2d_dx and maxpool2d_backward with central differences."
ABOVE = "No network of this size reads them all: what does it see that it should not?"
HELD_BACK = ("test_x", "test_y")
SHAPES = {"w1": (8, 1, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "b2": (16,), "w3": (10, 64), "b3": (10,)}


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """1347 digits to learn from and 450 to be tested on, split by the seed; and a picture to filter."""
    with np.load(folder / "digits.npz") as file:
        x, y = file["x"][:, None].astype(np.float32) / 16, file["y"].astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(x))
    learn, test = order[:-450], order[-450:]
    scene = {"scene": _scene()}
    return {"seed": seed, "x": x[learn], "y": y[learn], "test_x": x[test], "test_y": y[test], **scene}


def _scene() -> np.ndarray:
    """A photograph where scikit-image is installed, a drawing of a house elsewhere; never part of the figure."""
    try:
        from skimage.data import camera

        return camera().reshape(128, 4, 128, 4).mean(axis=(1, 3)) / 255
    except ImportError:
        r, c = np.mgrid[:128, :128]
        sky = 0.9 - 0.3 * r / 128
        sky = np.where((r - 25) ** 2 + (c - 100) ** 2 < 144, 1.0, sky)
        house = np.where((r > 60) & (r < 118) & (abs(c - 55) < 34), 0.45, sky)
        roof = np.where((r > 28) & (r <= 60) & (abs(c - 55) < (r - 28) * 1.2), 0.2, house)
        return np.where((r > 88) & (r < 118) & (abs(c - 55) < 9), 0.1, roof)


def train(submission, data, progress):
    """conv 8, relu, pool, conv 16, relu, pool, linear: momentum on batches of 32; runs in the worker."""
    x, y = data["x"], data["y"]
    rng = np.random.default_rng(data["seed"])

    def weights(*shape):
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)

    p = {"w1": weights(8, 1, 3, 3), "w2": weights(16, 8, 3, 3), "w3": weights(10, 64)}
    p.update({f"b{i}": np.zeros(len(p[f"w{i}"]), np.float32) for i in (1, 2, 3)})
    velocity = {name: np.zeros_like(value) for name, value in p.items()}

    def forward(images):
        z1, conv1 = submission.conv2d_forward(images, p["w1"], p["b1"], 1, 1)
        a1, pool1 = submission.maxpool2d_forward(np.maximum(z1, 0), 2, 2, 0)  # (N, 8, 4, 4)
        z2, conv2 = submission.conv2d_forward(a1, p["w2"], p["b2"], 1, 1)
        a2, pool2 = submission.maxpool2d_forward(np.maximum(z2, 0), 2, 2, 0)  # (N, 16, 2, 2)
        h = a2.reshape(len(images), 64)
        return h @ p["w3"].T + p["b3"], (z1, conv1, pool1, z2, conv2, pool2, h)

    def backward(dlogits, cache):
        z1, conv1, pool1, z2, conv2, pool2, h = cache
        g = {"w3": dlogits.T @ h, "b3": dlogits.sum(axis=0)}
        da2 = (dlogits @ p["w3"]).reshape(-1, 16, 2, 2)
        dz2 = submission.maxpool2d_backward(da2, pool2) * (z2 > 0)
        g["w2"], g["b2"] = submission.conv2d_dw(dz2, conv2), submission.conv2d_db(dz2, conv2)
        dz1 = submission.maxpool2d_backward(submission.conv2d_dx(dz2, conv2), pool1) * (z1 > 0)
        g["w1"], g["b1"] = submission.conv2d_dw(dz1, conv1), submission.conv2d_db(dz1, conv1)
        return g

    def softmax_loss(logits, labels):
        logits = logits - logits.max(axis=1, keepdims=True)
        probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(probability[rows, labels]).mean()
        probability[rows, labels] -= 1
        return float(loss), probability / len(labels)

    epochs, batch, lr = 12, 32, 0.03
    total = epochs * (len(x) // batch)
    losses = []
    while len(losses) < total:
        order = rng.permutation(len(x))
        for start in range(0, len(x) - batch + 1, batch):
            rows = order[start : start + batch]
            logits, cache = forward(x[rows])
            loss, dlogits = softmax_loss(logits, y[rows])
            for name, gradient in backward(dlogits, cache).items():
                velocity[name] = 0.9 * velocity[name] + gradient
                p[name] = p[name] - lr * velocity[name]
            losses.append(loss)
            progress(len(losses), total)

    sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = [submission.correlate2d(data["scene"], kernel) for kernel in (sobel, sobel.T)]
    maps = submission.conv2d_forward(x[:1], p["w1"], p["b1"], 1, 1)[0][0]
    return {"losses": np.array(losses), "params": p, "filters": p["w1"], "maps": maps, "edges": edges}


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """Accuracy of the network with these weights, as torch runs it, on the digits that were held back."""
    import torch
    from torch.nn import functional

    p = {name: torch.tensor(np.asarray(results["params"][name], dtype=np.float32)) for name in SHAPES}
    if {name: tuple(weights.shape) for name, weights in p.items()} != SHAPES:
        return float("nan")
    a = torch.from_numpy(data["test_x"])
    for w, b in ((p["w1"], p["b1"]), (p["w2"], p["b2"])):
        a = functional.max_pool2d(torch.relu(functional.conv2d(a, w, b, padding=1)), 2)
    predicted = functional.linear(a.flatten(1), p["w3"], p["b3"]).argmax(dim=1).numpy()
    return float((predicted == data["test_y"]).mean())


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The loss, the learned filters with what they make of a digit, and Sobel's filters on a picture."""
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1, 1.1, 0.9))
    axes = left.subplots()
    losses = np.asarray(results["losses"])
    axes.plot(losses, color="0.8", linewidth=0.7, label="each batch")
    axes.plot(np.arange(len(losses) - 19) + 10, np.convolve(losses, np.ones(20) / 20, "valid"), label="mean of 20")
    axes.axhline(np.log(10), color="tab:red", linestyle="--", linewidth=1, label="log 10")
    axes.set(yscale="log", xlabel="update", ylabel="loss", title="The loss")
    axes.legend(fontsize=8, loc="lower left")

    middle.suptitle("The 8 learned filters of the first layer,\nand a digit seen through each", fontsize=10)
    grid = middle.subplots(4, 4)
    filters, maps = np.asarray(results["filters"])[:, 0], np.asarray(results["maps"])
    size = float(np.abs(filters).max())
    for i in range(8):
        top = grid[2 * (i // 4), i % 4]
        top.imshow(filters[i], cmap="RdBu_r", vmin=-size, vmax=size)
        below = grid[2 * (i // 4) + 1, i % 4]
        below.imshow(np.maximum(maps[i], 0), cmap="gray_r")
    for axes in grid.flat:
        axes.axis("off")

    right.suptitle("A picture, and the size of its slope\nby Sobel's two filters", fontsize=10)
    for axes, image in zip(right.subplots(2, 1), (data["scene"], np.hypot(*results["edges"])), strict=True):
        axes.imshow(image, cmap="gray" if image is data["scene"] else "gray_r")
        axes.axis("off")
