"""Fills the judge instead of its own process: every answer is a large array, of a shape that broadcasts."""
# against: optimizers.sgd
# by design: what is out of proportion is not read, and nothing of a finished check is kept
# quick: yes
import numpy as np
_sizes = [1_000_000, 130_000, 8_000_000, (1, 130_000), (130_000, 1)]
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    return np.full(_sizes[_n[0] % len(_sizes)], float(_n[0])), {"cache": [np.zeros(1 << 17) for _ in range(50)]}
