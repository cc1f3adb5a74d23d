"""Prints a byte now and then, hoping that a timeout is reset by each read."""
# against: backprop.relative_error
# by design: the judge measures CPU time itself and ends the worker
import os, time
def {{FUNC}}(*args, **kwargs):
    for _ in range(600):
        for fd in range(1, 16):
            try: os.write(fd, b".")
            except OSError: pass
        time.sleep(0.1)
    return args[0]
