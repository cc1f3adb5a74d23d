"""Forks in a loop (20 children at most, each ends after 2 min)."""
# against: optimizers.sgd
# walls: seccomp
# seen: survivor
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "fork_bomb " + str(what)[:200], flush=True)
import os, time
def {{FUNC}}(*args, **kwargs):
    n = 0
    for _ in range(20):
        try: pid = os.fork()
        except OSError as e: _say(False, e); break
        if pid == 0:
            time.sleep(120); os._exit(0)
        n += 1
    _say(n > 0, n)
