"""Asks the judge to call functions that it never handed out."""
# against: optimizers.sgd
# by design: callbacks are numbers of a list that the judge made for this check
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
_numbers = [0, -1, True, 10**30, None, "0", [], 1.0, {"h": 1}]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    _send({"callback": _numbers[_n[0] % len(_numbers)], "args": {"l": []}, "kwargs": {"d": []}}, sort=b"?")
    return None
