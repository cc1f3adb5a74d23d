"""Capstone of viola_jones: boosted stumps tell drawn faces from other things, and find them in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TITLE = "boosting 20 of 1500 rectangle features to find drawn faces, with your integral image and your adaboost"
FIGURE = "accuracy on new windows"
GATE = (0.9, 0.995)
MEANING = "Of 350 windows that it has not seen, 150 hold a face; always saying no gets 0.571."
BELOW = "Compare haar_feature with plain sums over the pixels, and best_stump with trying every threshold."
ABOVE = "Some of these windows cannot be told apart by 20 stumps: what does it see that it should not?"
HELD_BACK = ("test_x", "test_y", "boxes")
SIZE, FEATURES, ROUNDS = 16, 1500, 20
PARTS = {"2x": [[0, 1]], "2y": [[0], [1]], "3x": [[0, 1, 0]], "3y": [[0], [1], [0]], "4": [[0, 1], [1, 0]]}


def make_data(seed: int, folder: Path) -> dict[str, Any]:
    """850 windows to learn from, 350 to be tested on, and a picture with five faces."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "faces.npz") as file:
        x = np.concatenate([file["faces"], file["others"]])
        y = np.repeat([1, 0], [len(file["faces"]), len(file["others"])])
        scene, boxes = file["scene"], file["boxes"]
    faces, others = rng.permutation(500), 500 + rng.permutation(700)
    learn = rng.permutation(np.concatenate([faces[150:], others[200:]]))
    test = rng.permutation(np.concatenate([faces[:150], others[:200]]))
    options = {"size": SIZE, "features": FEATURES, "rounds": ROUNDS}
    windows = {"x": x[learn], "y": y[learn], "test_x": x[test], "test_y": y[test]}
    return {"seed": seed, **options, **windows, "scene": scene, "boxes": boxes}


def train(submission, data, progress):
    """Features of all windows, boosting, and a search through the picture; runs in the worker."""
    size, rounds = data["size"], data["rounds"]
    rng = np.random.default_rng(data["seed"])
    every = submission.enumerate_features(size, size)
    features = [every[i] for i in rng.choice(len(every), data["features"], replace=False)]
    total = 2 + rounds + 6

    def table_pair(image):
        image = image.astype(np.int64)
        return submission.integral_image(image), submission.integral_image(image * image)

    def values(tables, rows, columns, chosen):
        """(features, windows) for windows at (rows, columns), with the brightness of each window divided out."""
        spread = np.maximum(submission.window_std(*tables, rows, columns, size, size), 1.0)
        made = np.empty((len(chosen), len(rows)))
        for kind in {feature[0] for feature in chosen}:
            which = [i for i, feature in enumerate(chosen) if feature[0] == kind]
            r, c, h, w = np.array([chosen[i][1:] for i in which]).T[:, :, None]
            made[which] = submission.haar_feature(tables[0], kind, rows + r, columns + c, h, w)
        return made / (spread * size * size)

    def of_windows(windows):
        """All windows side by side in one picture of 25 a row, so that one table serves them all."""
        n = len(windows)
        full = np.concatenate([windows, np.zeros((-n % 25, size, size), windows.dtype)])
        sheet = full.reshape(-1, 25, size, size).transpose(0, 2, 1, 3).reshape(-1, 25 * size)
        rows, columns = size * (np.arange(n) // 25), size * (np.arange(n) % 25)
        return values(table_pair(sheet), rows, columns, features)

    f_train = of_windows(data["x"])
    progress(2, total)
    clf = [tuple(stump) for stump in submission.adaboost(f_train, data["y"], rounds)]
    progress(2 + rounds, total)

    def smaller(image, factor):
        """Bilinear, after a box average where it shrinks much."""
        h, w = (int(n / factor) for n in image.shape)
        fine = max(1, round(factor * 2))
        r = np.minimum((np.arange(h * fine) + 0.5) * factor / fine, image.shape[0] - 1).astype(int)
        c = np.minimum((np.arange(w * fine) + 0.5) * factor / fine, image.shape[1] - 1).astype(int)
        return image[np.ix_(r, c)].reshape(h, fine, w, fine).mean(axis=(1, 3)).round()

    early = 4  # the first stumps alone make the first stage, all of them the second
    used = [features[stump[0]] for stump in clf]
    renamed = [(k, *stump[1:]) for k, stump in enumerate(clf)]
    found, marks, looked_at, passed = [], [], 0, 0
    for k, side in enumerate((16, 20, 25, 31, 39, 48)):
        factor = side / size
        image = smaller(data["scene"].astype(float), factor)
        rows, columns = (a.ravel() for a in np.mgrid[: image.shape[0] - size + 1, : image.shape[1] - size + 1])
        f = values(table_pair(image), rows, columns, used)
        label, stage = submission.cascade_predict([renamed[:early], renamed], f)
        score = submission.strong_score(f, renamed)
        looked_at, passed = looked_at + len(rows), passed + int((np.asarray(stage) > 0).sum())
        hits = np.asarray(label) == 1
        found.append(np.column_stack([rows[hits], columns[hits], 0 * rows[hits], 0 * rows[hits]]) * factor)
        found[-1][:, 2:] = side
        marks.append(score[hits])
        progress(2 + rounds + k + 1, total)
    found, marks = np.concatenate(found), np.concatenate(marks)
    best = np.argsort(-marks)[:400]
    found, marks = found[best], marks[best]
    kept = submission.nms(found, marks, 0.2)
    return {
        "stumps": [[*features[j], float(thr), int(polarity), float(alpha)] for j, thr, polarity, alpha in clf],
        "found": found[kept],
        "marks": marks[kept],
        "looked_at": looked_at,
        "passed": passed,
    }


def _feature(windows: np.ndarray, kind: str, *where: int) -> np.ndarray:
    """The feature of every window, from plain sums over its pixels, with its brightness divided out."""
    r, c, h, w = where
    parts = np.array(PARTS[kind])
    if min(where) < 0 or r + h > SIZE or c + w > SIZE or h * w == 0:
        raise ValueError("a feature that is not within the window")
    signs = np.kron(2 * parts - 1, np.ones((h // parts.shape[0], w // parts.shape[1])))
    spread = np.maximum(windows.std(axis=(1, 2)), 1.0)
    return (windows[:, r : r + h, c : c + w] * signs).sum(axis=(1, 2)) / (spread * SIZE * SIZE)


def _accuracies(results: dict[str, Any], data: dict[str, Any]) -> np.ndarray:
    """Accuracy with the first 1, 2, ... stumps, measured here, on the windows that were held back."""
    stumps = list(results["stumps"])
    if not 0 < len(stumps) <= ROUNDS:
        raise ValueError(f"not up to {ROUNDS} stumps")
    windows = data["test_x"].astype(float)
    thr, polarity, alphas = (np.array([float(stump[k]) for stump in stumps]) for k in (5, 6, 7))
    values = np.stack([_feature(windows, kind, *where) for kind, *where in (stump[:5] for stump in stumps)])
    votes = polarity[:, None] * values < (polarity * thr)[:, None]
    says = np.cumsum(alphas[:, None] * votes, axis=0) >= np.cumsum(alphas)[:, None] / 2
    return (says == data["test_y"]).mean(axis=1)


def figure(results: dict[str, Any], data: dict[str, Any]) -> float:
    """Accuracy of all stumps together on the windows that were held back."""
    return float(_accuracies(results, data)[-1])


def details(results: dict[str, Any], data: dict[str, Any]) -> list[str]:
    first = _accuracies(results, data)[0]
    return [
        f"one stump alone: {first:.3f}",
        f"in the picture {results['passed']} of {results['looked_at']} windows came past the first stage",
    ]


def draw(results: dict[str, Any], data: dict[str, Any], figure: Any) -> None:
    """The accuracy by stump, the first features, and the faces that were found."""
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1, 0.75, 1.7))
    accuracies = _accuracies(results, data)
    axes = left.subplots()
    axes.plot(np.arange(1, len(accuracies) + 1), accuracies, "o-", markersize=3, color="tab:blue")
    axes.set(xlabel="stumps", ylabel="accuracy on new windows", title="Boosting")

    middle.suptitle("The first six features,\nover the mean face", fontsize=10)
    mean = data["x"][data["y"] == 1].mean(axis=0)
    for axes, stump in zip(middle.subplots(3, 2).flat, results["stumps"], strict=False):
        kind, r, c, h, w = stump[:5]
        axes.imshow(mean, cmap="gray", extent=(0, SIZE, SIZE, 0))
        signs = np.array(PARTS[kind])
        axes.imshow(signs, cmap="bwr", vmin=0, vmax=1, alpha=0.45, extent=(c, c + w, r + h, r), interpolation="nearest")
        axes.set(xlim=(0, SIZE), ylim=(SIZE, 0), xticks=[], yticks=[])

    axes = right.subplots()
    axes.imshow(data["scene"], cmap="gray", vmin=0, vmax=255)
    for r, c, h, w in data["boxes"]:
        axes.plot([c, c + w, c + w, c, c], [r, r, r + h, r + h, r], color="white", linewidth=1, linestyle=":")
    total = sum(stump[7] for stump in results["stumps"])
    found = zip(np.asarray(results["found"]), np.asarray(results["marks"]), strict=True)
    for place, ((r, c, h, w), mark) in list(enumerate(found))[:8]:
        style = {"color": "gold", "linewidth": 1.8} if place < 5 else {"color": "0.8", "linewidth": 0.8}
        axes.plot([c, c + w, c + w, c, c], [r, r, r + h, r + h, r], **style)
        axes.text(c + 1, r + 5, f"{mark / total:.2f}", color=style["color"], fontsize=8)
    axes.axis("off")
    axes.set_title(
        "Drawn (dotted); found, with the share of the votes:\nthe best five (gold) and the next three (thin)",
        fontsize=10,
    )
