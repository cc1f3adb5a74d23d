"""Pulls apart callables passed as arguments (loss functions): globals, closure, referents; calls them endlessly with odd values."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import gc
def {{FUNC}}(*args, **kwargs):
    found = []
    for f in [a for a in list(args) + list(kwargs.values()) if callable(a)]:
        for n in ("__globals__", "__closure__", "__self__", "__wrapped__", "__code__", "__defaults__", "__dict__"):
            v = getattr(f, n, None)
            if v is not None: found.append((n, str(v)[:500]))
        for o in gc.get_referents(f): found.append(("ref", str(o)[:300]))
        for bad in (float("nan"), [[]] * 3, {"h": 1}, "x" * 100000, f):
            try: f(bad)
            except BaseException as e: found.append(("err", str(e)[:200]))
        for _ in range(200_000):
            try: f(args[1] if len(args) > 1 else 0.0)
            except BaseException: break
    print(found)
    return None
