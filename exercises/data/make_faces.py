"""Draws faces.npz: 16 x 16 windows with and without a face, for the capstone of viola_jones.

NumPy alone, and the same bytes of pixels on every run: `python make_faces.py [FOLDER]`.
The faces are drawings: a head, two eyes with brows, a nose, a mouth, light from somewhere, and noise.
The others are textures, blobs, edges, and heads with their parts in the wrong places.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SIZE = 16
WORK = 48  # drawn three times as large, then averaged


def _blob(r: np.ndarray, c: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """An ellipse with a soft edge, 1 inside and 0 outside."""
    distance = np.sqrt(((r - at[0]) / size[0]) ** 2 + ((c - at[1]) / size[1]) ** 2)
    return 1 / (1 + np.exp((distance - 1) * 12))


def draw_head(size: int, rng: np.random.Generator, scrambled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(image, coverage) of a head that fills size x size pixels; scrambled: its parts are somewhere else."""
    r, c = np.mgrid[:size, :size] / size
    tilt = rng.normal(0, 0.08)
    r, c = r + tilt * (c - 0.5), c - tilt * (r - 0.5)
    j = rng.normal(0, 0.018, 14)
    places = {
        "left eye": (0.40 + j[0], 0.31 + j[1]),
        "right eye": (0.40 + j[2], 0.69 + j[3]),
        "nose": (0.56 + j[4], 0.50 + j[5]),
        "mouth": (0.77 + j[6], 0.50 + j[7]),
    }
    if scrambled:
        spots = rng.permutation(
            [(0.3, 0.5), (0.42, 0.3), (0.42, 0.7), (0.6, 0.35), (0.6, 0.65), (0.8, 0.3), (0.8, 0.68)]
        )
        places = {name: (float(s[0]), float(s[1])) for name, s in zip(places, spots, strict=False)}
    skin, dark = rng.uniform(0.5, 0.85), rng.uniform(0.5, 0.9)
    head = _blob(r, c, (0.52, 0.5), (0.50 + j[8], 0.42 + j[9]))
    image = np.full((size, size), skin)
    for eye in ("left eye", "right eye"):
        at = places[eye]
        image -= skin * dark * 0.75 * _blob(r, c, at, (0.055, 0.10))
        image -= skin * dark * 0.45 * _blob(r, c, (at[0] - 0.12, at[1]), (0.03, 0.13))
    image -= skin * dark * 0.25 * _blob(r, c, (places["nose"][0] + 0.06, places["nose"][1]), (0.04, 0.08))
    image += 0.12 * _blob(r, c, places["nose"], (0.16, 0.035))
    image -= skin * dark * 0.55 * _blob(r, c, places["mouth"], (0.035 + abs(j[10]), 0.17 + j[11]))
    image -= skin * rng.uniform(0, 0.6) * (r < 0.17 + j[12]) * head  # hair
    angle = rng.uniform(0, 2 * np.pi)
    image += rng.uniform(0, 0.25) * ((r - 0.5) * np.sin(angle) + (c - 0.5) * np.cos(angle))  # light from one side
    return image, head


def _background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Waves, edges and blobs."""
    r, c = np.mgrid[:size, :size] / size
    image = np.full((size, size), rng.uniform(0.2, 0.8))
    for _ in range(rng.integers(1, 5)):
        kind, strength = rng.integers(4), rng.uniform(-0.4, 0.4)
        angle = rng.uniform(0, np.pi)
        along = r * np.sin(angle) + c * np.cos(angle)
        if kind == 0:
            image += strength * np.sin(2 * np.pi * (rng.uniform(0.5, 4) * along + rng.random()))
        elif kind == 1:
            image += strength * (along > rng.uniform(0, 1.2))
        elif kind == 2:
            image += strength * _blob(r, c, tuple(rng.random(2)), tuple(rng.uniform(0.05, 0.5, 2)))
        else:
            top, left = rng.random(2) * 0.8
            image += strength * (
                (r > top) & (r < top + rng.uniform(0.1, 0.5)) & (c > left) & (c < left + rng.uniform(0.1, 0.5))
            )
    return image


def _finish(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Averaged to size x size, with noise, as bytes."""
    k = len(image) // size
    small = image.reshape(size, k, size, k).mean(axis=(1, 3)) + rng.normal(0, rng.uniform(0.03, 0.14), (size, size))
    return (255 * np.clip(small, 0, 1)).round().astype(np.uint8)


def face(rng: np.random.Generator, scrambled: bool = False) -> np.ndarray:
    """A window filled by a head in front of something."""
    head, cover = draw_head(WORK, rng, scrambled)
    return _finish(head * cover + _background(WORK, rng) * (1 - cover), SIZE, rng)


def other(rng: np.random.Generator) -> np.ndarray:
    """A window without a face: half of them are heads with their parts in the wrong places or off the centre."""
    kind = rng.random()
    if kind < 0.3:
        return face(rng, scrambled=True)
    if kind < 0.5:
        head, cover = draw_head(WORK, rng)
        shift = rng.choice([-1, 1], 2) * rng.integers(WORK // 4, WORK // 2, 2)
        whole = head * cover + _background(WORK, rng) * (1 - cover)
        return _finish(np.roll(whole, shift, axis=(0, 1)), SIZE, rng)
    return _finish(_background(WORK, rng), SIZE, rng)


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A 96 x 144 picture with faces of three sizes, and their boxes (r, c, h, w)."""
    height, width = 96, 144
    coarse = _background(width, rng)[:height]
    picture = 0.5 + 0.6 * (coarse - coarse.mean())
    boxes = np.array([(52, 10, 40, 40), (10, 52, 24, 24), (36, 94, 48, 48), (8, 112, 18, 18), (66, 62, 20, 20)])
    for top, left, h, _ in boxes:
        head, cover = draw_head(3 * h, rng)
        head, cover = (part.reshape(h, 3, h, 3).mean(axis=(1, 3)) for part in (head, cover))
        window = picture[top : top + h, left : left + h]
        window[...] = head * cover + window * (1 - cover)
    noisy = picture + rng.normal(0, 0.03, picture.shape)
    return (255 * np.clip(noisy, 0, 1)).round().astype(np.uint8), boxes.astype(np.int64)


def make() -> dict[str, np.ndarray]:
    """All arrays of faces.npz."""
    rng = np.random.default_rng(20261120)
    faces = np.stack([face(rng) for _ in range(500)])
    others = np.stack([other(rng) for _ in range(700)])
    picture, boxes = scene(rng)
    return {"faces": faces, "others": others, "scene": picture, "boxes": boxes}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    np.savez_compressed(folder / "faces.npz", **make())
