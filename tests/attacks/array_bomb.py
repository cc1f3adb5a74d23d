"""Announces arrays of impossible shapes, types and layouts."""
# against: optimizers.sgd
# by design: every size, number and tag of a frame is checked before it is used
import gc, json, os, struct, sys
def _server():
    frame = sys._getframe(1)
    while frame:
        own = frame.f_locals.get("self")
        if type(own).__name__ == "Server": return own
        frame = frame.f_back
def _send(message, arrays=(), body=b""):
    header = json.dumps({"m": message, "a": list(arrays)}).encode() if not isinstance(message, bytes) else message
    os.write(4, struct.pack("<4sIQ", b"GRD1", len(header), len(body)) + header + body)

_n = [0]
_specs = [["<f8", [1 << 40, 0], "C"], ["<f8", [-1], "C"], ["O", [1], "C"], ["<f8", [1 << 62, 4], "C"], ["<f8", [2, 2], "X"], ["|V8", [1], "C"], ["<U999999999", [1], "C"],
          ["<f8", [True], "C"], ["<f8", [1.0], "C"], ["<f8", "ab", "C"], ["<f8", [1] * 999, "C"], [["x", "<f8"], [1], "C"], None, [], ["<M8[ns]", [1], "C"]]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    _send({"kind": "value", "id": _server().request, "value": {"n": 0}}, [_specs[_n[0] % len(_specs)]], b"\0" * 8)
    os._exit(0)
