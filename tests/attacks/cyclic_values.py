"""Returns values that contain themselves."""
# against: optimizers.sgd
# by design: the depth of values is capped
import numpy as np
def {{FUNC}}(*args, **kwargs):
    a = []; a.append(a)
    d = {"x": a}; d["y"] = d
    return (a, d, np.array([None, a], dtype=object)), d
