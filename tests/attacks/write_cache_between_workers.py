"""Stores a counter outside the process to recognise the second call in another worker."""
# against: optimizers.sgd
# walls: seccomp landlock rlimits sealing
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "write_cache_between_workers " + str(what)[:200], flush=True)

def _try(label, f):
    try:
        r = f()
    except BaseException as e:
        _say(False, label + " " + type(e).__name__ + " " + str(e)[:80])
        return None
    _say(True, label)
    return r
import os, tempfile
def {{FUNC}}(*args, **kwargs):
    try: more = [tempfile.gettempdir()]
    except OSError: more = []
    for d in (".", "/tmp", "/dev/shm", os.path.expanduser("~/.cache"), *more):
        p = os.path.join(d, "grader_attack_counter")
        def go():
            n = int(open(p).read()) if os.path.exists(p) else 0
            with open(p, "w") as f: f.write(str(n + 1))
        _try(d, go)
