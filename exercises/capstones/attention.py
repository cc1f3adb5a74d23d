"""Capstone of attention: one block learns to say six symbols backwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "one block of your MultiHead reads six symbols and says them backwards, one by one"
FIGURE = "accuracy of what it says"
GATE = (0.97, 1.0)
MEANING = (
    "Guessing gets 0.1. While it reads, the next symbol is a random draw: nobody foresees more than a tenth of them."
)
BELOW = "It has not learned to look at the right place: compare MultiHead with your sdpa, and look at the positions."
ABOVE = "It foresees random draws, so it can see the future: look at causal_mask and at what your mask does."
ALSO = {"accuracy in foreseeing random symbols": (0.0, 0.2)}
HELD_BACK = ("test_x", "test_y")
N, SYMBOLS = 6, 10
WIDTH, HEADS = 32, 4
SHAPES = {
    "embed": (SYMBOLS + 1, WIDTH), "positions": (2 * N, WIDTH),
    "in_w": (3 * WIDTH, WIDTH), "in_b": (3 * WIDTH,), "out_w": (WIDTH, WIDTH), "out_b": (WIDTH,),
    "0.weight": (WIDTH,), "0.bias": (WIDTH,),
    "1.weight": (64, WIDTH), "1.bias": (64,), "3.weight": (SYMBOLS + 1, 64), "3.bias": (SYMBOLS + 1,),
}  # fmt: skip


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """300 sequences to be tested on; those to learn from are drawn as the training goes."""
    rng = np.random.default_rng((seed, 1))
    read = rng.integers(SYMBOLS, size=(300, N))
    return {"seed": seed, "symbols": SYMBOLS, "n": N, "test_x": read, "test_y": read[:, ::-1].copy()}


def train(submission, data, progress):
    """Next-symbol prediction over "read, turn, say backwards"; runs in the worker."""
    import torch
    from torch import nn

    torch.manual_seed(data["seed"])
    rng = np.random.default_rng(data["seed"])
    symbols, n = data["symbols"], data["n"]
    turn, width, heads, updates, batch = symbols, 32, 4, 400, 64
    length = 2 * n  # n symbols, the sign to turn, n - 1 of the n symbols to say

    def parameter(*shape):
        return nn.Parameter(torch.randn(*shape) / shape[-1] ** 0.5)

    embed = nn.Parameter(torch.randn(symbols + 1, width))
    in_w, in_b, out_w, out_b = (
        parameter(3 * width, width),
        nn.Parameter(torch.zeros(3 * width)),
        parameter(width, width),
        nn.Parameter(torch.zeros(width)),
    )
    after = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, symbols + 1))
    everything = [embed, in_w, in_b, out_w, out_b, *after.parameters()]
    optimizer = torch.optim.Adam(everything, lr=0.01)
    positions = torch.from_numpy(np.array(submission.sinusoidal_positions(length, width))).float()
    attention = submission.MultiHead(width, heads)

    def tokens_of(ids):
        return embed[ids] + positions[: ids.shape[1]]

    def logits_of(ids):
        x = tokens_of(ids)
        mask = torch.from_numpy(np.array(submission.causal_mask(ids.shape[1], ids.shape[1])))
        attention.load(in_w, in_b, out_w, out_b)
        return after(x + attention.forward(x, x, mask))

    losses = []
    for t in range(1, updates + 1):
        read = rng.integers(symbols, size=(batch, n))
        whole = np.concatenate([read, np.full((batch, 1), turn), read[:, ::-1]], axis=1)
        ids = torch.from_numpy(whole)
        logits = logits_of(ids[:, :-1])
        loss = nn.functional.cross_entropy(logits.reshape(-1, symbols + 1), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(everything, 1.0)
        optimizer.step()
        if t == int(0.7 * updates):
            optimizer.param_groups[0]["lr"] = 0.002
        losses.append(loss.item())
        if t % 10 == 0:
            progress(t, updates)

    with torch.no_grad():  # where the heads look in a sequence of the kind that it has learned from
        example = whole[0]
        x = tokens_of(ids[:1, :-1])
        q, k, _ = (
            np.ascontiguousarray(part)
            for part in (x @ in_w.T + in_b).double().numpy().reshape(1, length, 3, width).transpose(2, 0, 1, 3)
        )
        split = [submission.split_heads(part, heads) for part in (q, k)]
        mask = submission.causal_mask(length, length)
        _, weights = submission.sdpa(split[0], split[1], split[1], mask)
    trained = {"embed": embed, "in_w": in_w, "in_b": in_b, "out_w": out_w, "out_b": out_b, **after.state_dict()}
    return {
        "losses": losses,
        "params": {name: part.detach().numpy() for name, part in trained.items()},
        "positions": positions.numpy(),
        "mask": np.array(mask),
        "weights": weights[0],
        "example": example,
    }


def _block(results: dict[str, Any]) -> Any:
    """The block with these weights, positions and mask, as torch runs it: from symbols (n, L) to logits."""
    import torch
    from torch.nn import functional

    given = {**results["params"], "positions": results["positions"]}
    p = {name: torch.tensor(np.asarray(given[name], dtype=np.float32)) for name in SHAPES}
    mask = torch.tensor(np.asarray(results["mask"]))
    if {name: tuple(part.shape) for name, part in p.items()} != SHAPES or mask.shape != (2 * N, 2 * N):
        raise ValueError("weights of another block")

    def logits_of(ids: Any) -> Any:
        length = ids.shape[1]
        x = p["embed"][ids] + p["positions"][:length]
        q, k, v = (
            functional.linear(x, p["in_w"], p["in_b"]).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        )
        seen = functional.scaled_dot_product_attention(q, k, v, mask[:length, :length].bool())
        x = x + functional.linear(seen.transpose(1, 2).flatten(2), p["out_w"], p["out_b"])
        x = functional.layer_norm(x, (WIDTH,), p["0.weight"], p["0.bias"])
        x = torch.relu(functional.linear(x, p["1.weight"], p["1.bias"]))
        return functional.linear(x, p["3.weight"], p["3.bias"])

    return logits_of


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """The share of symbols said right, going on from its own words."""
    import torch

    logits_of, read = _block(results), torch.from_numpy(data["test_x"])
    ids = torch.cat([read, torch.full((len(read), 1), SYMBOLS)], dim=1)
    for _ in range(N):  # its own words are what it goes on from
        ids = torch.cat([ids, logits_of(ids)[:, -1:].argmax(dim=2)], dim=1)
    return float((ids[:, N + 1 :].numpy() == data["test_y"]).mean())


def also(results: dict[str, Any], data: dict[str, Any]) -> dict[str, float]:
    import torch

    foreseen = _block(results)(torch.from_numpy(data["test_x"]))[:, :-1].argmax(dim=2).numpy()
    return {next(iter(ALSO)): float((foreseen == data["test_x"][:, 1:]).mean())}


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The loss, and where each head looks while one sequence is read and said backwards."""
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.9))
    axes = left.subplots()
    axes.plot(results["losses"], color="tab:blue", linewidth=1)
    # of 12 symbols to predict, 5 are random draws
    axes.axhline(
        5 / 12 * np.log(SYMBOLS), color="tab:red", linestyle="--", linewidth=1, label="all right but random draws"
    )
    axes.set(xlabel="update", ylabel="loss", title="The loss")
    axes.legend(fontsize=8)
    weights = np.asarray(results["weights"])
    names = [str(s) if s < SYMBOLS else "T" for s in np.asarray(results["example"])]
    answers = np.arange(N)
    best = int(weights[:, N + answers, N - 1 - answers].sum(axis=1).argmax())
    right.suptitle(f"Where head {best + 1} looks (white 0, blue 1); on the right all four", fontsize=10)
    grid = right.add_gridspec(len(weights), 2, width_ratios=(3.6, 1))
    axes = right.add_subplot(grid[:, 0])
    axes.imshow(weights[best], cmap="Blues", vmin=0, vmax=1)
    axes.axhline(N - 0.5, color="tab:red", linewidth=1)
    axes.set(xlabel="looks at (T: the sign to turn)", ylabel="has just read or said → says next")
    axes.set_xticks(range(2 * N), names[: 2 * N])
    axes.set_yticks(range(2 * N), [f"{names[i]} → {names[i + 1] if i >= N - 1 else '?'}" for i in range(2 * N)])
    for i, head in enumerate(weights):
        axes = right.add_subplot(grid[i, 1])
        axes.imshow(head, cmap="Blues", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"head {i + 1}", fontsize=8, pad=2)
