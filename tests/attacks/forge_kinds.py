"""Sends replies of kinds that no reply has, among them those of the judge to the supervisor."""
# against: optimizers.sgd
# by design: the judge tells the supervisor itself what it has judged; nothing is passed on
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
_kinds = ["done", "check", "fault", "broken", "hello", "result", "failed", "ready", None, 1, [], {}]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    _send({"kind": _kinds[_n[0] % len(_kinds)], "check": {"verdict": "pass", "points": 100}, "done": True, "fault": "x"})
    return None
