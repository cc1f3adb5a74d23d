"""Returns a list of 20 million numbers."""
# against: optimizers.sgd
# by design: the judge keeps the clock and every cap itself
def {{FUNC}}(*args, **kwargs):
    return [0] * 20_000_000
