"""Answers with the numbers of earlier requests, and with guessed ones."""
# against: optimizers.sgd
# by design: each request has a number of its own, drawn at random; more than one reply is a violation
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

_seen = []
def {{FUNC}}(*args, **kwargs):
    _seen.append(_server().ask.__self__.number)
    for number in (_seen[0], bytes(7), b"\xff" * 7):
        _send({"kind": "value", "value": {"t": [args[0].tolist(), None]}}, number=number)
    return None
