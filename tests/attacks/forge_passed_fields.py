"""Answers in the worker's stead, with every field that might mean passed."""
# against: optimizers.sgd
# by design: a reply holds values alone; there is no field that means passed
# quick: yes
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

def {{FUNC}}(*args, **kwargs):
    _send({"kind": "value", "value": {"t": [1, None]}, "passed": True, "verdict": "pass", "points": 100, "outcome": "passed"})
    os._exit(0)
