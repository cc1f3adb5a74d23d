"""Hides the hidden inputs in an error's type, text, notes, chain and class names."""
# against: optimizers.sgd
# by design: a hidden check shows our own words and the student's own line alone
# quick: yes
def {{FUNC}}(*args, **kwargs):
    told = "LE" + "AK" + repr([a.tolist() if hasattr(a, "tolist") else a for a in args])[:60]
    name = "LE" + "AK" + "".join(c for c in told if c.isalnum())[:40]
    error = type(name, (Exception,), {"__module__": told, "__qualname__": name})(told)
    error.add_note(told)
    raise error from type(name, (Exception,), {})(told)
