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
def _send(message, arrays=(), body=b""):
    header = json.dumps({"m": message, "a": list(arrays)}).encode() if not isinstance(message, bytes) else message
    os.write(4, struct.pack("<4sIQ", b"GRD1", len(header), len(body)) + header + body)

_seen = []
def {{FUNC}}(*args, **kwargs):
    server = _server(); _seen.append(server.request)
    for number in (_seen[0], "00000000", "", None, 5):
        _send({"kind": "value", "id": number, "value": {"t": [args[0].tolist(), None]}})
    return None
