# Group 7: Nadia Haddad, Ben Carter
# One factory, seven rules.

import math

import numpy as np


def make_rule(direction, memory, defaults):
    def step(w, g, state, **options):
        unknown = options.keys() - {"lr", *defaults}
        if unknown or ("lr" not in options and "lr" not in defaults):
            raise TypeError("unexpected or missing keyword")
        option = {**defaults, **options}
        check_arguments(w, g, option)
        old = {"t": 0, **{name: 0.0 for name in memory}} if state is None else state
        new = {"t": old["t"] + 1}
        g64 = np.asarray(g, dtype=np.float64)
        move = direction(g64, old, new, option)
        kept = np.asarray(w, dtype=np.float64) * (1 - option["lr"] * option.get("weight_decay", 0.0))
        return np.asarray(kept - option["lr"] * move).astype(w.dtype), new

    return step


def check_arguments(w, g, option):
    if w.shape != g.shape:
        raise ValueError("w and g differ in shape")
    for name, value in option.items():
        if name in ("lr", "eps", "weight_decay") and value < 0:
            raise ValueError(f"{name} is negative")
        if name in ("beta", "alpha", "rho") and not 0 <= value < 1:
            raise ValueError(f"{name} is out of range")
        if name == "betas" and not all(0 <= beta < 1 for beta in value):
            raise ValueError("betas are out of range")


def ema(old, value, decay):
    return old * decay + value * (1 - decay)


def _plain(g, old, new, option):
    return g


def _heavy_ball(g, old, new, option):
    new["v"] = option["beta"] * old["v"] + g
    return g + option["beta"] * new["v"] if option["nesterov"] else new["v"].copy()


def _adagrad(g, old, new, option):
    new["G"] = old["G"] + np.square(g)
    return g / (np.sqrt(new["G"]) + option["eps"])


def _rmsprop(g, old, new, option):
    new["v"] = ema(old["v"], np.square(g), option["alpha"])
    new["m"] = ema(old["m"], g, option["alpha"])
    spread = np.abs(new["v"] - np.square(new["m"])) if option["centered"] else new["v"]
    return g / (np.sqrt(spread) + option["eps"])


def _adadelta(g, old, new, option):
    new["G"] = ema(old["G"], np.square(g), option["rho"])
    move = np.sqrt((old["H"] + option["eps"]) / (new["G"] + option["eps"])) * g
    new["H"] = ema(old["H"], np.square(move), option["rho"])
    return move


def _adam(g, old, new, option):
    (beta1, beta2), t = option["betas"], new["t"]
    new["m"], new["v"] = ema(old["m"], g, beta1), ema(old["v"], np.square(g), beta2)
    return new["m"] / (1 - beta1**t) / (np.sqrt(new["v"] / (1 - beta2**t)) + option["eps"])


_ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}

sgd = make_rule(_plain, (), {"weight_decay": 0.0})
momentum = make_rule(_heavy_ball, ("v",), {"beta": 0.9, "nesterov": False})
adagrad = make_rule(_adagrad, ("G",), {"eps": 1e-10})
rmsprop = make_rule(_rmsprop, ("v", "m"), {"alpha": 0.99, "eps": 1e-8, "centered": False})
adadelta = make_rule(_adadelta, ("G", "H"), {"lr": 1.0, "rho": 0.9, "eps": 1e-6})
adam = make_rule(_adam, ("m", "v"), _ADAM)
adamw = make_rule(_adam, ("m", "v"), {**_ADAM, "weight_decay": 0.01})


def clip_grad_norm(grads, max_norm):
    if max_norm < 0:
        raise ValueError("max_norm is negative")
    norm = math.hypot(*(math.sqrt(np.vdot(g, g)) for g in grads))
    factor = min(max_norm / (norm + 1e-6), 1.0)
    return [(g * factor).astype(g.dtype) for g in grads], norm


def lr_at(step, *, total, warmup, base, floor=0.0):
    if min(step, warmup, floor, total - 1, total - warmup, base - floor) < 0:
        raise ValueError("no such schedule")
    if step >= total:
        return floor
    if step < warmup:
        return base - base * (warmup - step) / warmup
    turn = complex(math.cos(math.pi / (total - warmup)), math.sin(math.pi / (total - warmup)))
    return floor + (base - floor) * (1 + (turn ** (step - warmup)).real) / 2
