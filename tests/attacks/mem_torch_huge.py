"""One absurd allocation request (4 TB)."""
# against: attention.softmax
# by design: the judge keeps the clock and every cap itself
import torch
def {{FUNC}}(*args, **kwargs):
    return torch.empty(10 ** 12)
