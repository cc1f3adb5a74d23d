"""Writes up to 1 GiB of garbage to every open descriptor."""
# against: optimizers.sgd
# by design: the judge keeps the clock and every cap itself
import os
def {{FUNC}}(*args, **kwargs):
    junk = os.urandom(1 << 16)
    for _ in range(16384):
        for fd in range(1, 32):
            try: os.set_blocking(fd, False); os.write(fd, junk)
            except OSError: pass
    return args[0]
