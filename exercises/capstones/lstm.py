"""Capstone of lstm: the adding problem, which asks for a memory of two numbers over twenty steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "the adding problem with your LSTM: twenty numbers, two of them marked, what is their sum?"
FIGURE = "mean squared error on new sequences"
GATE = (1e-6, 0.01)
MEANING = "Always answering 1 gives 0.167; below 0.01 the network must remember both numbers."
BELOW = (
    "So small an error is not to be had in so few updates: does the network see the answer?"  # below the gate: too good
)
ABOVE = "It does not remember: compare lstm_backward with central differences, and look at init_lstm's forget bias."
HELD_BACK = ("test_x", "test_y")
T, H = 20, 32
SHAPES = {"W_ih": (4 * H, 2), "W_hh": (4 * H, H), "b_ih": (4 * H,), "b_hh": (4 * H,), "w": (H,), "b": ()}


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """500 sequences to be tested on; those to learn from are drawn as the training goes."""
    x, y = _sequences(np.random.default_rng((seed, 1)), 500)
    return {"seed": seed, "steps": T, "test_x": x, "test_y": y}


def _sequences(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, n, 2): numbers and marks, one mark in each half; and the sums of the marked numbers."""
    numbers, marks = rng.random((T, n)), np.zeros((T, n))
    for half in (0, T // 2):
        marks[rng.integers(half, half + T // 2, size=n), np.arange(n)] = 1
    return np.stack([numbers, marks], axis=2), (numbers * marks).sum(axis=0)


def train(submission, data, progress):
    """32 units, Adam on batches of 64; runs in the worker."""
    steps, hidden, batch, updates = data["steps"], 32, 64, 600
    rng = np.random.default_rng(data["seed"])
    cell = submission.init_lstm(2, hidden, rng)
    p = {**cell, "w": rng.standard_normal(hidden) / np.sqrt(hidden), "b": np.zeros(())}
    m = {name: np.zeros_like(value) for name, value in p.items()}
    v = {name: np.zeros_like(value) for name, value in p.items()}

    def sequences(n):
        numbers, marks = rng.random((steps, n)), np.zeros((steps, n))
        for half in (0, steps // 2):
            marks[rng.integers(half, half + steps // 2, size=n), np.arange(n)] = 1
        return np.stack([numbers, marks], axis=2), (numbers * marks).sum(axis=0)

    def read(x):
        start = np.zeros((x.shape[1], hidden))
        return submission.lstm_forward(x, start, start, {name: p[name] for name in cell})

    losses = []
    for t in range(1, updates + 1):
        x, y = sequences(batch)
        states, last, _, cache = read(x)
        error = last @ p["w"] + p["b"] - y
        dlast = 2 / batch * error[:, None] * p["w"]
        grads = dict(submission.lstm_backward(np.zeros_like(states), dlast, np.zeros_like(dlast), cache)[3])
        grads["w"], grads["b"] = 2 / batch * last.T @ error, 2 / batch * error.sum()
        norm = np.sqrt(sum(float(np.sum(g**2)) for g in grads.values()))
        rate = 0.01 * (1 if t < 0.6 * updates else 0.2)
        for name, g in grads.items():
            g = g * min(1.0, 1.0 / (norm + 1e-6))
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            step = m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.999**t)) + 1e-8)
            p[name] = p[name] - rate * step
        losses.append(float(error @ error) / batch)
        if t % 10 == 0:
            progress(t, updates)
    return {"losses": np.array(losses), "weights": p}


def _weights(results: dict[str, Any]) -> dict[str, np.ndarray]:
    p = {name: np.array(results["weights"][name], dtype=np.float64) for name in SHAPES}
    if {name: part.shape for name, part in p.items()} != SHAPES:
        raise ValueError("weights of another network")
    return p


def _run(results: dict[str, Any], data: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Hidden states (T, n, H) and answers of the LSTM with these weights, as torch runs it, for what was held back."""
    import torch

    p = _weights(results)
    cell = torch.nn.LSTM(2, H, dtype=torch.float64)
    with torch.no_grad():
        for name in ("W_ih", "W_hh", "b_ih", "b_hh"):
            getattr(cell, f"{name.replace('W', 'weight').replace('b_', 'bias_')}_l0").copy_(torch.from_numpy(p[name]))
        states = cell(torch.from_numpy(data["test_x"]))[0].numpy()
    return states, states[-1] @ p["w"] + p["b"]


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """Mean squared error of the answers against the sums that were held back."""
    return float(np.mean((_run(results, data)[1] - data["test_y"]) ** 2))


def _gates(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    """Input, forget and output gate of every unit at every step of the first test sequence, (3, T, H)."""
    weights, states = _weights(results), _run(results, data)[0][:, 0]
    before = np.vstack([np.zeros((1, states.shape[1])), states[:-1]])
    a = data["test_x"][:, 0] @ weights["W_ih"].T + weights["b_ih"] + before @ weights["W_hh"].T + weights["b_hh"]
    i, f, _, o = np.split(1 / (1 + np.exp(-a)), 4, axis=1)
    return np.stack([i, f, o])


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The error while it learns, the answers, and what the gates do at the two marked steps."""
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    top, bottom = left.subplots(2, 1)
    losses = np.asarray(results["losses"])
    top.plot(losses, color="tab:blue", linewidth=0.8)
    top.axhline(1 / 6, color="tab:red", linestyle="--", linewidth=1, label="always answering 1")
    top.set(yscale="log", xlabel="update", ylabel="squared error", title="Learning to add")
    top.legend(fontsize=8)
    bottom.plot([0, 2], [0, 2], color="0.6", linewidth=1)
    bottom.plot(data["test_y"], _run(results, data)[1], ".", markersize=3, color="tab:blue")
    bottom.set(xlabel="sum of the two marked numbers", ylabel="answer", xlim=(0, 2), ylim=(-0.1, 2.1))

    marked = np.flatnonzero(data["test_x"][:, 0, 1])
    order = np.argsort(-_gates(results, data)[0][marked].mean(axis=0))  # units that open for marks come first
    names = ("input gate", "forget gate", "output gate")
    for axes, gate, name in zip(right.subplots(3, 1, sharex=True), _gates(results, data), names, strict=True):
        image = axes.imshow(gate.T[order], aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
        for step in marked:
            axes.axvspan(step - 0.5, step + 0.5, fill=False, edgecolor="tab:red", linewidth=1.8)
        axes.set(ylabel="unit", yticks=[])
        axes.set_title(name, fontsize=10)
    axes.set(xlabel="step (framed: the two marked ones)", xticks=range(0, T, 2))
    right.colorbar(image, ax=right.axes, label="0 closed, 1 open", shrink=0.7)
