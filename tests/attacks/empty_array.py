"""Returns an empty array: all([]) is true, max of nothing."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import numpy as np
def {{FUNC}}(*args, **kwargs):
    return np.zeros((0,))
