"""Capstone of optimizers: all seven rules race on a long valley, on Rosenbrock's function and on digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "a race of your seven optimizers on a long valley, on Rosenbrock's function and on digits"
FIGURE = "races won, of 21"
GATE = (21, 21)
MEANING = "A race is won where the final loss lies in the range that the rule, with these settings, leads to."
BELOW = "The races marked with a cross are lost: too slow, too fast or off the track; check that rule's update and its state."
ABOVE = "There are 21 races."
HELD_BACK = ("test_x", "test_y")

# For each track and rule: the arguments, and the lowest and highest final loss that the rule leads to with them.
RACES: dict[str, dict[str, tuple[dict[str, Any], float, float]]] = {
    "valley": {
        "sgd": ({"lr": 0.018}, 1.07e-05, 1.3e-05),
        "momentum": ({"lr": 0.012, "beta": 0.85}, 9.79e-20, 1.2e-19),
        "adagrad": ({"lr": 1.0}, 0.00148, 0.0018),
        "rmsprop": ({"lr": 0.01, "alpha": 0.9}, 0.0015, 0.0034),
        "adadelta": ({"rho": 0.95, "eps": 1e-4}, 0.06, 0.2),
        "adam": ({"lr": 0.2}, 0.000208, 0.000254),
        "adamw": ({"lr": 0.2, "weight_decay": 0.02}, 1.15e-05, 1.41e-05),
    },
    "rosenbrock": {
        "sgd": ({"lr": 0.002}, 0.0401, 0.0491),
        "momentum": ({"lr": 0.001, "nesterov": True}, 3.99e-06, 4.88e-06),
        "adagrad": ({"lr": 1.0}, 0.123, 0.15),
        "rmsprop": ({"lr": 0.005, "alpha": 0.9}, 0.02, 0.036),
        "adadelta": ({"eps": 1e-4}, 1.7, 2.08),
        "adam": ({"lr": 0.1}, 0.000238, 0.000291),
        "adamw": ({"lr": 0.1, "weight_decay": 0.01}, 0.0135, 0.0165),
    },
    "digits": {
        "sgd": ({"lr": 0.3, "weight_decay": 0.01}, 0.448, 0.613),
        "momentum": ({"lr": 0.05}, 0.229, 0.383),
        "adagrad": ({"lr": 0.1}, 0.196, 0.332),
        "rmsprop": ({"lr": 0.01, "centered": True}, 0.157, 0.285),
        "adadelta": ({"eps": 1e-5}, 0.26, 0.407),
        "adam": ({"lr": 0.02}, 0.139, 0.281),
        "adamw": ({"lr": 0.02, "weight_decay": 0.2}, 0.216, 0.363),
    },
}
STEPS = {"valley": 300, "rosenbrock": 1200, "digits": 200}
START = {"valley": (-2.0, 1.2), "rosenbrock": (-1.5, 1.5)}


def _valley() -> np.ndarray:
    """Curvatures 1 and 100, turned by 30 degrees."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag([1.0, 100.0]) @ turn.T


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """The valley, starting points, and digits to learn from and to be tested on; the seed deals the digits alone."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "digits.npz") as file:
        x, y = file["x"].reshape(-1, 64) / 16.0, file["y"].astype(np.int64)
    x = np.hstack([x, np.ones((len(x), 1))])
    order = rng.permutation(len(x))
    learn, test = order[:-450], order[-450:]
    return {
        "seed": seed,
        "settings": {track: {name: race[0] for name, race in races.items()} for track, races in RACES.items()},
        "steps": STEPS,
        "hessian": _valley(),
        "start": {track: np.array(point) for track, point in START.items()},
        "x": x[learn],
        "y": y[learn],
        "test_x": x[test],
        "test_y": y[test],
    }


def train(submission, data, progress):
    """Every rule on every track; runs in the worker."""
    x, y = data["x"], data["y"]

    def slope_of_valley(w, _):
        return data["hessian"] @ w

    def slope_of_rosenbrock(w, _):
        return np.array([-2 * (1 - w[0]) - 400 * w[0] * (w[1] - w[0] ** 2), 200 * (w[1] - w[0] ** 2)])

    def slope_of_digits(w, rng):
        rows = rng.integers(len(x), size=64)
        z = x[rows] @ w
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(64), y[rows]] -= 1
        return x[rows].T @ p / 64

    slopes = {"valley": slope_of_valley, "rosenbrock": slope_of_rosenbrock, "digits": slope_of_digits}
    starts = {**data["start"], "digits": np.zeros((65, 10))}
    total = 7 * sum(data["steps"].values())
    done = 0
    paths = {}
    for track, settings in data["settings"].items():
        paths[track] = {}
        for name, options in settings.items():
            rng = np.random.default_rng(data["seed"])  # the same batches for everyone
            w, state, path = starts[track].copy(), None, [starts[track].copy()]
            for _ in range(data["steps"][track]):
                w, state = getattr(submission, name)(w, slopes[track](w, rng), state, **options)
                path.append(w)
            done += data["steps"][track]
            progress(done, total)
            paths[track][name] = np.stack(path[:: 1 if track != "digits" else 10])
    return paths


def losses(results: dict[str, Any], data: dict[str, Any], track: str, name: str) -> np.ndarray:
    """The loss along a path, from the raw weights; on digits it is that of the digits that were held back."""
    path = np.asarray(results[track][name], dtype=np.float64)
    with np.errstate(all="ignore"):
        if track == "valley":
            return 0.5 * np.einsum("ti,ij,tj->t", path, data["hessian"], path)
        if track == "rosenbrock":
            return (1 - path[:, 0]) ** 2 + 100 * (path[:, 1] - path[:, 0] ** 2) ** 2
        z = data["test_x"] @ path
        z = z - z.max(axis=2, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=2, keepdims=True))
        return -log_p[:, np.arange(len(data["test_y"])), data["test_y"]].mean(axis=1)


def _table(results: dict[str, Any], data: dict[str, Any]) -> list[tuple[str, str, float, float, float]]:
    """(track, rule, final loss, lowest, highest) of the 21 races."""
    return [
        (track, name, float(losses(results, data, track, name)[-1]), low, high)
        for track, races in RACES.items()
        for name, (_, low, high) in races.items()
    ]


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """How many final losses lie in their range."""
    return float(sum(low <= loss <= high for _, _, loss, low, high in _table(results, data)))


def details(results: dict[str, Any], data: dict[str, Any]) -> list[str]:
    """The races one by one."""
    return [
        f"  {'ok' if low <= loss <= high else 'x ':<2} {track:<10} {name:<8} final loss {loss:<9.3g} (range {low:g} to {high:g})"
        for track, name, loss, low, high in _table(results, data)
    ]


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The paths over the contours of the two landscapes, and the loss on the digits."""
    figure.set_size_inches(9, 7.2)
    axes = figure.subplots(2, 2)
    colours = dict(
        zip(RACES["digits"], ("0.45", "tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:red", "k"), strict=True)
    )
    hessian = data["hessian"]

    def valley(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 0.5 * (hessian[0, 0] * a * a + 2 * hessian[0, 1] * a * b + hessian[1, 1] * b * b)

    def rosenbrock(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (1 - a) ** 2 + 100 * (b - a * a) ** 2

    views = {
        "valley": (valley, (-2.6, 1.6), (-1.8, 2.0), (0.0, 0.0), "A valley, 100 times steeper across than along"),
        "rosenbrock": (rosenbrock, (-2.0, 1.6), (-0.7, 2.6), (1.0, 1.0), "Rosenbrock's function"),
    }
    for axis, (track, (height, across, up, goal, title)) in zip(axes[0], views.items(), strict=True):
        a, b = np.meshgrid(np.linspace(*across, 200), np.linspace(*up, 200))
        axis.contour(a, b, np.log10(height(a, b) + 1e-3), levels=14, cmap="Greys", linewidths=0.6, alpha=0.8)
        for name, colour in colours.items():
            path = np.asarray(results[track][name])
            axis.plot(path[:, 0], path[:, 1], color=colour, linewidth=1.2, alpha=0.85)
            axis.plot(*path[-1], "o", color=colour, markersize=5)
        axis.plot(*goal, "*", color="gold", markeredgecolor="k", markersize=13, zorder=5)
        axis.set(title=title, xlim=across, ylim=up)

    for axis, track, title in (
        (axes[1, 0], "rosenbrock", "Loss on Rosenbrock's function"),
        (axes[1, 1], "digits", "Softmax regression: loss on unseen digits"),
    ):
        for name, colour in colours.items():
            values = losses(results, data, track, name)
            axis.plot(np.linspace(0, STEPS[track], len(values)), values, color=colour, linewidth=1.4, label=name)
        axis.set(title=title, xlabel="step", yscale="log")
    axes[1, 0].legend(fontsize=8, ncols=2, loc="lower left")
