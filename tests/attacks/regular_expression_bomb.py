"""A C function that neither ends nor looks at signals."""
# against: optimizers.sgd
# by design: the worker is killed from outside
import re
def {{FUNC}}(*args, **kwargs):
    return re.match(r"(a+)+$", "a" * 60 + "b")
