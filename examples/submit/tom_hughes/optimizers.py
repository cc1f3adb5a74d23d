# Tom Hughes -- assignment 3
import math

import numpy as np


def sgd(w, g, state, *, lr, weight_decay=0.0):
    """One step of gradient descent with L2 weight decay λ = weight_decay."""
    if w.shape != g.shape:
        raise ValueError("w and g have different shapes")
    if lr < 0 or weight_decay < 0:
        raise ValueError("lr and weight_decay must be >= 0")
    grad = g + weight_decay * w
    return w - lr * grad, None


def momentum(w, g, state, *, lr, beta=0.9, nesterov=False):
    """One step of gradient descent with momentum, heavy-ball or Nesterov's."""
    if w.shape != g.shape or lr < 0 or beta < 0 or beta >= 1:
        raise ValueError("bad argument")
    if state is None:
        state = np.zeros_like(w)
    v = beta * state + g
    if nesterov:
        # look ahead: gradient plus the velocity
        return w - lr * (g + beta * state), v
    return w - lr * v, v


def adagrad(w, g, state, *, lr, eps=1e-10):
    """One step of Adagrad."""
    if w.shape != g.shape:
        raise ValueError("w and g have different shapes")
    if lr < 0 or eps < 0:
        raise ValueError("lr and eps must be >= 0")
    G = np.zeros_like(w) if state is None else state["G"]
    G = G + g * g
    return w - lr * g / (np.sqrt(G) + eps), {"G": G}


def rmsprop(w, g, state, *, lr, alpha=0.99, eps=1e-08, centered=False):
    """One step of RMSprop."""
    if w.shape != g.shape:
        raise ValueError("w and g have different shapes")
    if lr < 0 or eps < 0 or not 0 <= alpha < 1:
        raise ValueError("hyper-parameter out of range")
    if state is None:
        v, m = np.zeros_like(w), np.zeros_like(w)
    else:
        v, m = state["v"], state["m"]
    v = alpha * v + (1 - alpha) * g * g
    m = alpha * m + (1 - alpha) * g
    var = np.maximum(v - m * m, 0) if centered else v
    return w - lr * g / (np.sqrt(var) + eps), {"v": v, "m": m}


def adadelta(w, g, state, *, lr=1.0, rho=0.9, eps=1e-06):
    """One step of Adadelta."""
    if w.shape != g.shape:
        raise ValueError("w and g have different shapes")
    if lr < 0 or eps < 0 or not 0 <= rho < 1:
        raise ValueError("hyper-parameter out of range")
    if state is None:
        G, H = np.zeros_like(w), np.zeros_like(w)
    else:
        G, H = state
    G = rho * G + (1 - rho) * g * g
    delta = g * (np.sqrt(H) + eps) / (np.sqrt(G) + eps)
    H = rho * H + (1 - rho) * delta * delta
    return w - lr * delta, (G, H)


def adam(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-08):
    """One step of Adam."""
    if w.shape != g.shape:
        raise ValueError("w and g have different shapes")
    b1, b2 = betas
    if lr < 0 or eps < 0 or not 0 <= b1 < 1 or not 0 <= b2 < 1:
        raise ValueError("hyper-parameter out of range")
    if state is None:
        m, v, t = np.zeros_like(w), np.zeros_like(w), 0
    else:
        m, v, t = state
    t = t + 1
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    m_hat = m / (1 - b1**t)
    v_hat = v / (1 - b2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), (m, v, t)


def adamw(w, g, state, *, lr, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01):
    """One step of AdamW: Adam with decoupled weight decay λ = weight_decay."""
    if weight_decay < 0:
        raise ValueError("weight_decay must be >= 0")
    w_new, state = adam(w, g, state, lr=lr, betas=betas, eps=eps)
    return w_new - lr * weight_decay * w, state


def clip_grad_norm(grads, max_norm):
    """Scale all gradients down together if their common Euclidean norm is too large."""
    if max_norm < 0:
        raise ValueError("max_norm < 0")
    norms = [float(np.linalg.norm(g)) for g in grads]
    clipped = [g * min(1.0, max_norm / (n + 1e-6)) for g, n in zip(grads, norms)]
    return clipped, math.sqrt(sum(n**2 for n in norms))


def lr_at(step, *, total, warmup, base, floor=0.0):
    """Learning rate at a step: a linear warm-up, then half a cosine down to a floor."""
    if step < 0 or total < 1 or warmup < 0 or warmup > total:
        raise ValueError("bad schedule")
    if floor < 0 or floor > base:
        raise ValueError("floor must be between 0 and base")
    if step < warmup:
        return base * step / warmup
    if step >= total:
        return float(floor)
    p = (step - warmup) / (total - warmup)
    return floor + (base - floor) * 0.5 * (1 + math.cos(math.pi * p))
