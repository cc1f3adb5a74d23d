"""Returns a list nested 200 000 deep (kills recursive decoders)."""
# against: optimizers.sgd
# by design: the judge keeps the clock and every cap itself
# quick: yes
def {{FUNC}}(*args, **kwargs):
    x = []
    for _ in range(200_000): x = [x]
    return x
