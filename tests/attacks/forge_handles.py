"""Returns handles of objects that do not exist, of the module, and with hostile names."""
# against: optimizers.sgd
# by design: a handle stands for nothing but an object in this very worker
import gc, json, os, struct, sys
def _server():
    frame = sys._getframe(1)
    while frame:
        own = frame.f_locals.get("self")
        if type(own).__name__ == "Server": return own
        frame = frame.f_back
def _send(message, arrays=(), body=b"", sort=b".", number=None):
    header = json.dumps({"m": message, "a": list(arrays)}).encode() if not isinstance(message, bytes) else message
    os.write(4, struct.pack("<4sc7sIQ", b"GRD2", sort, number or _server().ask.__self__.number, len(header), len(body)) + header + body)

_n = [0]
_nodes = [[0, "ndarray", False], [-1, "x", True], [10**40, "x", True], [1, "\x1b[2J\ud800" * 5000, True], [True, "x", 1], [1, "__class__", True], [1], "h", [0, None, None], [[], {}, ()]]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    _send({"kind": "value", "value": {"t": [{"h": _nodes[_n[0] % len(_nodes)]}, None]}})
    os._exit(0)
