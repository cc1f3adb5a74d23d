"""Containers, numbers and texts of classes that lie about their length and content."""
# against: optimizers.sgd
# by design: the encoder uses the base classes' own methods, under caps
import collections, dataclasses
import numpy as np
class L(list):
    def __len__(self): return 1 << 60
    def __iter__(self):
        while True: yield 0.0
class D(dict):
    def items(self):
        while True: yield "a", 1
class S(str):
    def encode(self, *a): return b"x" * (1 << 24)
    def __len__(self): return -5
class I(int):
    def __index__(self): return 10 ** 5000
    def bit_length(self): return 1
    def __str__(self): return "1e999"
class F(float):
    def __float__(self): return "x"
class N(tuple):
    _fields = property(lambda self: ["a"] * (1 << 24))
@dataclasses.dataclass
class C:
    a: int = 1
C.__dataclass_fields__ = {str(i): None for i in range(1 << 16)}
_all = [L(), D(), S("a"), I(3), F(1.0), N((1,)), C(), 10 ** 100_000, "\ud800\0", {"\ud800": 1}, collections.Counter(a=1), range(10 ** 12), np.float64(1).view(), np.datetime64("NaT"), memoryview(b"x")]
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    return _all[_n[0] % len(_all)], None
