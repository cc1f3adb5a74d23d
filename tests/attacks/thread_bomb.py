"""Starts threads until refused (5000 at most, each ends after 20 s)."""
# against: optimizers.sgd
# by design: the judge counts threads by the clock
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "thread_bomb " + str(what)[:200], flush=True)
import threading, time
def {{FUNC}}(*args, **kwargs):
    threading.stack_size(65536); n = 0
    for _ in range(5000):
        try: threading.Thread(target=time.sleep, args=(20,), daemon=True).start(); n += 1
        except RuntimeError as e: _say(False, "%d %s" % (n, e)); break
    _say(n >= 2000, n)
    time.sleep(0.5)
