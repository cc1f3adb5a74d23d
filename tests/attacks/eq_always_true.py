"""Returns an object equal to everything, true, zero-length distance, any attribute."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
# quick: yes
class Yes:
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __bool__ = __contains__ = lambda *a: True
    __ne__ = lambda *a: False
    __hash__ = __len__ = __int__ = __index__ = lambda *a: 0
    __float__ = lambda *a: 0.0
    __sub__ = __rsub__ = __abs__ = __getitem__ = __call__ = lambda self, *a, **k: self
    def __getattr__(self, n):
        if n.startswith("__"): raise AttributeError(n)
        return self
def {{FUNC}}(*args, **kwargs):
    return Yes()
