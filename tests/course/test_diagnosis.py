"""Mistakes that look like others: what is said of them is true, or nothing is said."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from grader.course import load_course
from grader.grading.engine import make_engine
from grader.grading.pool import grade_many
from grader.results import SubmissionResult
from grader.submissions import Submission, SubmittedFile

ROOT = Path(__file__).parents[2]
LOG = "return np.minimum(l, 0) - np.log1p(np.exp(-np.abs(l)))"
BCE = "return float(np.mean(-t * log_sigmoid(l) - (1 - t) * log_sigmoid(-l)))"
WINDOWS = "windows = _windows(_pad(x, pad, -np.inf), k, k, stride)"
AREAS = """def iou_of_pixels(a, b):
        rows = max(0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) + 1)
        columns = max(0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) + 1)
        both = rows * columns
        return both / ((a[2] + 1) * (a[3] + 1) + (b[2] + 1) * (b[3] + 1) - both)

    kept: list[int] = []"""
SLIPS: dict[str, tuple[str, str, tuple[tuple[str, str], ...], set[str]]] = {  # topic, function, edits, true diagnoses
    "gradient of a factor": (
        "backprop",
        "Value",
        (("(self, other.data), (other, self.data))", "(self, other.grad), (other, self.grad))"),),
        set(),
    ),
    "clamped logarithm": (
        "gan_loss",
        "bce_with_logits",
        (
            (
                BCE,
                BCE.replace("log_sigmoid(l)", "np.maximum(log_sigmoid(l), -100)").replace(
                    "log_sigmoid(-l)", "np.maximum(log_sigmoid(-l), -100)"
                ),
            ),
        ),
        set(),
    ),
    **{
        f"log(p + {eps})": (
            "gan_loss",
            "log_sigmoid",
            ((LOG, f"return np.log(1 / (1 + np.exp(-l)) + {eps}).astype(l.dtype)"),),
            {"ga11"},
        )
        for eps in ("1e-5", "1e-7", "1e-8", "1e-10")
    },
    "a mask of -1e4": ("attention", "sdpa", (("scores, -np.inf)", "scores, -1e4)"),), set()),
    "promoted to float64": (
        "elbo",
        "gaussian_ll",
        (("return -0.5 * (math.log(2 * math.pi) + logvar", "return -0.5 * (np.log(2 * np.pi) + logvar"),),
        {"el11"},
    ),
    "sorted values, unsorted labels": (
        "viola_jones",
        "best_stump",
        (("* w)[order]", "* w)[None].repeat(m, 0)"),),
        {"vj20"},
    ),
    "the next feature": ("viola_jones", "adaboost", (("clf.append((j, thr", "clf.append((j + 1, thr"),), set()),
    "weights of length one": (
        "viola_jones",
        "adaboost",
        (("w = w / w.sum()", "w = w / np.sqrt((w**2).sum())"),),
        set(),
    ),
    "pixels at both ends": (
        "viola_jones",
        "nms",
        (("kept: list[int] = []", AREAS), ("if all(iou(boxes", "if all(iou_of_pixels(boxes")),
        set(),
    ),
    "whole windows": (
        "conv_backprop",
        "maxpool2d_forward",
        ((WINDOWS, f"{WINDOWS}[:, :, : x.shape[2] // k, : x.shape[3] // k]"),),
        set(),
    ),
}


@cache
def graded(topic: str) -> dict[str, SubmissionResult]:
    """What each slip of a topic is told, by its name."""
    course = load_course(ROOT / "course.yml")
    engine, reference = make_engine(course, [topic]), (ROOT / "solutions" / f"{topic}.py").read_text(encoding="utf-8")
    handed_in = []
    for name, (of, _, edits, _) in SLIPS.items():
        text = reference
        for old, new in edits if of == topic else ():
            assert old in text
            text = text.replace(old, new, 1)
        if of == topic:
            handed_in.append(Submission(name, {topic: SubmittedFile(f"{topic}.py", text, name)}))
    try:
        return {r.student: r for r in grade_many(handed_in, course, engine, [topic], 2)}
    finally:
        engine.close()


@pytest.mark.parametrize("name", SLIPS)
def test_no_slip_is_taken_for_another(name):
    """Each loses points at its function, and no sentence that is not its own is said of it."""
    topic, function, _, true = SLIPS[name]
    checks = graded(topic)[name].topics[0].checks

    assert function in {c.function for c in checks if c.verdict != "pass" and not c.follow_through}
    assert bool(true) == any(c.diagnosis for c in checks)
    assert {c.diagnosis for c in checks if c.diagnosis} <= true, [(c.id, c.advice) for c in checks if c.diagnosis]
