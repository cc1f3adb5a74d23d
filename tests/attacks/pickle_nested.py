"""Hides pickle bombs in object arrays, dict keys, exception arguments and tensor attributes."""
# against: optimizers.sgd
# by design: the comparison happens in another process
import os
import numpy as np
class Bomb(Exception):
    def __reduce__(self): return (os.system, ("touch '{{CANARY}}'",))
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    if _n[0] % 2: return np.array([Bomb(), Bomb()], dtype=object)
    raise Bomb(Bomb())
