"""Hides them in the shape, type, length and keys of what it returns."""
# against: optimizers.sgd
# by design: a hidden check shows our own words and the student's own line alone
import numpy as np
_n = [0]
def {{FUNC}}(*args, **kwargs):
    number = 73520000 + int(abs(float(args[0].ravel()[0] if hasattr(args[0], "ravel") and args[0].size else 1)) * 1000) % 9999
    told = "LE" + "AK%d" % number
    _n[0] += 1
    return [(np.zeros((number, 0)), None), {told: told}, told, (np.zeros(args[0].shape, dtype=[(told, "f8")]) if hasattr(args[0], "shape") else 0, None), (complex(number), None), type(told, (), {})()][_n[0] % 6]
