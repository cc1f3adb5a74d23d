"""Raises an error whose message is 1 GB."""
# against: optimizers.sgd
# by design: the judge keeps the clock and every cap itself
class E(Exception):
    def __str__(self): return "x" * (1 << 27)
def {{FUNC}}(*args, **kwargs):
    raise E()
