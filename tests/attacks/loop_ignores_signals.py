"""Ignores every catchable signal, swallows every exception, spins."""
# against: optimizers.sgd
# by design: the judge measures CPU time itself and ends the worker
import signal
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
def {{FUNC}}(*args, **kwargs):
    while True:
        try:
            while True: pass
        except BaseException:
            continue
