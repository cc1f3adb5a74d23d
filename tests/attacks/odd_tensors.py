"""Sparse, quantised, meta, nested, conjugate-view and expanded tensors."""
# against: attention.softmax
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import torch
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    k = _n[0] % 6
    if k == 0: return torch.eye(3).to_sparse()
    if k == 1: return torch.empty(3, device="meta")
    if k == 2: return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    if k == 3: return torch.ones(3, dtype=torch.complex64).conj()
    if k == 4: return torch.ones(1).expand(1 << 40)
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
