"""Hangs while the module is imported, before any function is called."""
# against: optimizers.sgd
# by design: the judge measures CPU time itself and ends the worker
while True:
    pass
def {{FUNC}}(*args, **kwargs):
    return args[0]
