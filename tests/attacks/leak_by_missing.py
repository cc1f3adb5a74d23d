"""Hides them in what looks like a function that is not written, or not there."""
# against: optimizers.sgd
# by design: a hidden check shows our own words and the student's own line alone
_n = [0]
def {{FUNC}}(*args, **kwargs):
    told = "LE" + "AK" + repr([a.tolist() if hasattr(a, "tolist") else a for a in args])[:60]
    _n[0] += 1
    kinds = [NotImplementedError, type("MissingName", (AttributeError,), {}), type("Forbidden", (Exception,), {}), MemoryError, PermissionError, SyntaxError]
    raise kinds[_n[0] % len(kinds)](told)
