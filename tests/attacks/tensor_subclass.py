"""Tensor subclass with __torch_function__ that answers True."""
# against: attention.softmax
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import torch
class X(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None): return torch.ones((), dtype=torch.bool) if f.__name__ in ("allclose", "equal", "eq", "isclose") else super().__torch_function__(f, types, args, kwargs or {})
def {{FUNC}}(*args, **kwargs):
    return torch.full((3,), 7.0).as_subclass(X)
