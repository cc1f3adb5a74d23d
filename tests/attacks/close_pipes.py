"""Closes, swaps and refills its own pipes."""
# against: optimizers.sgd
# by design: silence and an end are no answers; the clock runs on
import os
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    if _n[0] % 3 == 0: os.close(4)
    elif _n[0] % 3 == 1: os.dup2(1, 4)
    else:
        r, w = os.pipe(); os.dup2(r, 3)
    return args[0], None
