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
def _send(message, arrays=(), body=b"", sort=b".", number=None):
    header = json.dumps({"m": message, "a": list(arrays)}).encode() if not isinstance(message, bytes) else message
    os.write(4, struct.pack("<4sc7sIQ", b"GRD2", sort, number or _server().ask.__self__.number, len(header), len(body)) + header + body)

_n = [0]
_specs = ["float64 1099511627776,0 C", "float64 -1 C", "object 1 C", "O 1 C", "float64 4611686018427387904,4 C", "float64 2,2 X", "|V8 1 C", "<U999999999 1 C",
          "float64 True C", "float64 1.0 C", "float64 ab C", "float64 1" + ",1" * 999 + " C", ["float64", [1], "C"], None, [], "<M8[ns] 1 C", "float64 \u0661 C", "float64 1  C", ""]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    _send({"kind": "value", "value": {"a": 0}}, [_specs[_n[0] % len(_specs)]], b"\0" * 8)
    os._exit(0)
