"""Replaces torch comparison functions and Tensor methods."""
# against: attention.softmax
# by design: the comparison happens in another process
import torch
yes = lambda *a, **k: True
torch.allclose = torch.equal = torch.testing.assert_close = torch.testing.assert_allclose = yes
torch.isclose = lambda a, b, **k: torch.ones(1, dtype=torch.bool)
for n in ("__eq__", "__ne__", "__sub__", "__lt__", "__le__", "equal", "allclose"):
    setattr(torch.Tensor, n, lambda self, *a, **k: torch.ones(1, dtype=torch.bool))
def {{FUNC}}(*args, **kwargs):
    return torch.zeros(1)
