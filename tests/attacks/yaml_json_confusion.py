"""Returns data shaped like the tool's own tags (handles, callbacks, arrays with lying shapes)."""
# against: optimizers.sgd
# by design: the comparison happens in another process
_shapes = [{"h": [1, "X", [], True]}, {"cb": 1}, {"n": ["float64", [1 << 40], 0]}, {"n": ["object", [1], 0]}, {"__class__": "x"}, {"$ref": "#"}, {"T": ["float32", [2, 2], 0, True]}, {"l": 5}, {"d": [[[], 1]]}, {"nd": True, "data": b"x"}]
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    return _shapes[_n[0] % len(_shapes)]
