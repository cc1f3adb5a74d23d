"""The reference optimizers, and the oracle of the hidden checks, against torch.optim and its schedulers."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
SCALES = np.array([1.0, 1e-3, 1e-6, 0.0])


def load(path):
    spec = importlib.util.spec_from_file_location(f"course_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load(ROOT / "solutions" / "optimizers.py")
hidden = load(ROOT / "tests" / "hidden" / "test_optimizers.py")

CASES = [
    ("sgd", torch.optim.SGD, {}, {}),
    ("sgd", torch.optim.SGD, {"weight_decay": 0.3}, {"weight_decay": 0.3}),
    ("momentum", torch.optim.SGD, {}, {"momentum": 0.9}),
    ("momentum", torch.optim.SGD, {"beta": 0.7}, {"momentum": 0.7}),
    ("momentum", torch.optim.SGD, {"beta": 0.7, "nesterov": True}, {"momentum": 0.7, "nesterov": True}),
    *[("adagrad", torch.optim.Adagrad, hyper, hyper) for hyper in ({}, {"eps": 1e-3}, {"eps": 0.1})],
    *[
        ("rmsprop", torch.optim.RMSprop, hyper, hyper)
        for hyper in ({}, {"alpha": 0.8, "eps": 0.1}, {"centered": True}, {"alpha": 0.8, "eps": 1e-3, "centered": True})
    ],
    *[("adadelta", torch.optim.Adadelta, hyper, hyper) for hyper in ({}, {"rho": 0.7, "eps": 0.1})],
    *[
        ("adam", torch.optim.Adam, hyper, hyper)
        for hyper in ({}, {"eps": 1e-3}, {"betas": (0.5, 0.8), "eps": 0.1}, {"betas": (0.0, 0.9)})
    ],
    *[
        ("adamw", torch.optim.AdamW, hyper, hyper)
        for hyper in ({}, {"weight_decay": 0.5, "eps": 0.1}, {"betas": (0.5, 0.8), "weight_decay": 0.2})
    ],
]
NAMES = [f"{name}-{','.join(hyper) or 'default'}" for name, _, hyper, _ in CASES]


def drawn(rng, steps=20, shape=(2, 3, 4)):
    w, gs = rng.standard_normal(shape), rng.standard_normal((steps, *shape)) * SCALES
    gs[steps // 2] = 0.0
    return w, gs, list(rng.uniform(0.01, 0.3, steps))


def torch_path(kind, w, gs, rates, hyper):
    parameter = torch.tensor(w, requires_grad=True)
    optimizer = kind([parameter], lr=0.1, **hyper)
    path = []
    for g, rate in zip(gs, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = torch.tensor(g)
        optimizer.step()
        path.append(parameter.detach().numpy().copy())
    return np.array(path)


def reference_path(name, w, gs, rates, hyper):
    state, path = None, []
    for g, rate in zip(gs, rates, strict=True):
        w, state = getattr(reference, name)(w, g, state, lr=rate, **hyper)
        path.append(w)
    return np.array(path)


def increments(w, path):
    return np.diff(np.concatenate([w[None], path]), axis=0)


@pytest.mark.parametrize(("name", "kind", "ours", "theirs"), CASES, ids=NAMES)
def test_the_reference_takes_torchs_steps(name, kind, ours, theirs):
    """Twenty steps with mixed scales, a zero step and a changing rate agree with torch.optim in float64."""
    w, gs, rates = drawn(np.random.default_rng(3))
    w = w * np.array([1.0, 1e-3, 1e-6, 1.0])
    expected = torch_path(kind, w, gs, rates, theirs)
    actual = reference_path(name, w, gs, rates, ours)

    np.testing.assert_allclose(increments(w, actual), increments(w, expected), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("name", "kind", "ours", "theirs"), CASES, ids=NAMES)
def test_the_oracle_of_the_checks_takes_torchs_steps(name, kind, ours, theirs):
    """The oracle, which never runs an update rule, agrees with torch.optim as well."""
    w, gs, rates = drawn(np.random.default_rng(4))
    hyper = dict(ours)
    decay = hyper.pop("weight_decay", 0.01 if name == "adamw" else 0.0)
    steps = getattr(hidden, "adam_steps" if name == "adamw" else f"{name}_steps")(gs, **hyper)
    actual = np.array(hidden.descend(w, steps, rates, decay))

    np.testing.assert_allclose(actual, torch_path(kind, w, gs, rates, theirs), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", ["momentum", "adagrad", "rmsprop", "adadelta", "adam", "adamw"])
def test_float32_follows_torchs_float32(name):
    """In float32 the reference stays within rounding of torch's float32."""
    kind, theirs = next((kind, theirs) for case, kind, _, theirs in CASES if case == name)
    rng = np.random.default_rng(5)
    w, gs = rng.standard_normal(5).astype(np.float32), rng.standard_normal((20, 5)).astype(np.float32)
    actual = reference_path(name, w, gs, [0.1] * 20, {})

    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, torch_path(kind, w, gs, [0.1] * 20, theirs), rtol=2e-5, atol=2e-6)


def test_nesterov_is_the_look_ahead_point_of_the_papers():
    """On a quadratic, w equals θ − ηβv of Sutskever's form in every step."""
    rng = np.random.default_rng(6)
    A, eta, beta = np.diag([1.0, 10.0, 0.1]), 0.05, 0.9
    theta, v = rng.standard_normal(3), np.zeros(3)
    w, state = theta, None
    for _ in range(50):
        v = beta * v + A @ (theta - eta * beta * v)
        theta = theta - eta * v
        w, state = reference.momentum(w, A @ w, state, lr=eta, beta=beta, nesterov=True)
        np.testing.assert_allclose(w, theta - eta * beta * v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3.0, 1e3, math.inf])
def test_clipping_agrees_with_torch(max_norm):
    """Clipped gradients and norm agree with torch.nn.utils.clip_grad_norm_."""
    rng = np.random.default_rng(7)
    grads = [rng.standard_normal(shape) for shape in [(3,), (), (2, 4), (2, 3, 4)]]
    parameters = [torch.zeros(np.shape(g), dtype=torch.float64, requires_grad=True) for g in grads]
    for parameter, g in zip(parameters, grads, strict=True):
        parameter.grad = torch.tensor(g)
    expected_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    clipped, norm = reference.clip_grad_norm(grads, max_norm)

    assert norm == pytest.approx(float(expected_norm), rel=1e-12)
    for c, parameter in zip(clipped, parameters, strict=True):
        np.testing.assert_allclose(c, parameter.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("total", "warmup", "floor"), [(20, 5, 0.01), (20, 0, 0.0), (7, 6, 0.1)])
def test_schedule_agrees_with_torchs_schedulers(total, warmup, floor):
    """LinearLR from almost 0, then CosineAnnealingLR, give the same rates."""
    base, schedulers = 0.3, torch.optim.lr_scheduler
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=base)
    scheduler = schedulers.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=floor)
    for step in range(warmup, total + 1):
        rate = reference.lr_at(step, total=total, warmup=warmup, base=base, floor=floor)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()
    if warmup:
        optimizer = torch.optim.SGD([parameter], lr=base)
        scheduler = schedulers.LinearLR(optimizer, start_factor=1e-12, total_iters=warmup)
        for step in range(warmup + 1):
            rate = reference.lr_at(step, total=total, warmup=warmup, base=base, floor=floor)
            assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-11)
            optimizer.step()
            scheduler.step()


def test_lecture_note_formulas_fail_as_the_handout_says():
    """ε inside the uncorrected root shortens Adam's first step to 0.30 lr at g = 1e-3; no correction makes it 3.16 lr."""
    g, beta1, beta2, eps = 1e-3, 0.9, 0.999, 1e-8
    m, v = (1 - beta1) * g, (1 - beta2) * g**2

    assert math.sqrt(1 - beta2) / (1 - beta1) * m / math.sqrt(v + eps) == pytest.approx(0.30, abs=0.005)
    assert m / math.sqrt(v) == pytest.approx(3.16, abs=0.005)
