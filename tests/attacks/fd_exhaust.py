"""Opens descriptors until refused (100 000 at most)."""
# against: optimizers.sgd
# walls: rlimits
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "fd_exhaust " + str(what)[:200], flush=True)
import os
def {{FUNC}}(*args, **kwargs):
    keep = []
    try:
        for n in range(1_000):
            keep.extend(os.pipe())
            if n == 100: _say(True, len(keep))  # three times what the limit allows, and less than any shell's own
    except OSError as e: _say(False, "%d %s" % (len(keep), e)); raise
