"""Ndarray subclass that overrides comparison, ufuncs and functions."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import numpy as np
class A(np.ndarray):
    def __eq__(self, o): return np.ones(self.shape, bool)
    def __sub__(self, o): return np.zeros(self.shape)
    __rsub__ = __sub__
    def __array_ufunc__(self, u, m, *a, **k): return np.zeros(self.shape) if u is not np.equal else np.ones(self.shape, bool)
    def __array_function__(self, f, t, a, k): return True
    def __array__(self, *a, **k): return np.zeros(self.shape)
def {{FUNC}}(*args, **kwargs):
    x = np.asarray(args[0]) if args else np.zeros(3)
    return np.full(x.shape, 7.0).view(A)
