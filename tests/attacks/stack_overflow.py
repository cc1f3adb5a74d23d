"""Raises the recursion limit and recurses in Python and in C."""
# against: optimizers.sgd
# by design: the worker is a process of its own; an end without a reply earns nothing
import sys
sys.setrecursionlimit(10 ** 9)
class R:
    def __getattr__(self, n): return getattr(self, n + "x")
def _deep(n): return _deep(n + 1) + 1
def {{FUNC}}(*args, **kwargs):
    try: getattr(R(), "a")
    except RecursionError: pass
    return _deep(0)
