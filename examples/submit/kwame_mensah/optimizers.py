# only question 1 so far
import numpy as np


def sgd(w, g, state, *, lr, weight_decay=0.0):
    if np.shape(w) != np.shape(g):
        raise ValueError("w and g")
    if min(lr, weight_decay) < 0:
        raise ValueError("negative")
    return w - lr * (g + weight_decay * w), state
