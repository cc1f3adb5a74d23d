"""Leaves threads that go on changing everything after the call."""
# against: optimizers.sgd
# by design: what is compared was copied out of the worker before
import gc, threading, time
import numpy as np
def _later():
    end = time.monotonic() + 1
    while time.monotonic() < end:
        for o in gc.get_objects():
            if type(o) is np.ndarray and o.flags.writeable and o.size:
                try: o.fill(0)
                except Exception: pass  # an array that cannot hold a 0: the next one
        time.sleep(0.01)
def {{FUNC}}(*args, **kwargs):
    threading.Thread(target=_later, daemon=True).start()
    args[0][...] = 1
    return np.zeros(1, np.int8), None
