"""A few bytes that stand for terabytes: broadcast, strided and repeated arrays."""
# against: optimizers.sgd
# by design: every size, number and tag of a frame is checked before it is used
import numpy as np
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    big = np.broadcast_to(np.float64(0), (10 ** 6, 10 ** 6))
    return [(big, None), (np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 40,), (0,)), None), ([np.zeros(1 << 20)] * 1000, None), (np.zeros((1 << 39, 0)), None)][_n[0] % 4]
