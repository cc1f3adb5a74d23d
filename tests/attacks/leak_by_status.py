"""Hides them in the exit status, or the signal, that it ends with."""
# against: optimizers.sgd
# by design: a hidden check shows our own words and the student's own line alone
import os
_n = [0]
def {{FUNC}}(*args, **kwargs):
    byte = 128 + int(abs(float(args[0].ravel()[0] if hasattr(args[0], "ravel") and args[0].size else 1)) * 1000) % 100
    print("status %d" % byte)
    os._exit(byte)
