"""Raises its own limits again."""
# against: optimizers.sgd
# walls: rlimits
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "rlimit_raise " + str(what)[:200], flush=True)
import resource
def {{FUNC}}(*args, **kwargs):
    for n in ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE"):
        r = getattr(resource, n)
        soft, hard = resource.getrlimit(r)
        if soft == resource.RLIM_INFINITY: _say(n not in ("RLIMIT_NPROC",), n + " was never limited"); continue
        try: resource.setrlimit(r, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)); _say(True, n)
        except (OSError, ValueError) as e: _say(False, n + " " + str(e))
