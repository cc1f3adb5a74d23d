"""Announces frames of many gigabytes and sends headers that break parsers."""
# against: optimizers.sgd
# by design: every size, number and tag of a frame is checked before it is used
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

_n = [0]
_bad = [(2**32 - 1, 5, b""), (5, 2**64 - 1, b""), b"GRD2" + b"\xff" * 20, b"GRD1" + bytes(20), b"\x80\x04" * 8,
        *[(len(t), 0, t) for t in (b"[" * 900000, b'{"m":' * 100000, b'{"m": {"value": ' + b"9" * 900000 + b"}}",
          b'{"m": {"value": NaN}, "a": []}', b'{"m": {"value": 1e999}, "a": []}', b"\xff" * 100, b'{"m": null, "a": null}', b'{"m": {}, "a": {"0": 1}}', b"", b'"\\ud800"')]]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    frame = _bad[_n[0] % len(_bad)]
    if type(frame) is tuple: frame = struct.pack("<4sc7sIQ", b"GRD2", b".", _server().ask.__self__.number, *frame[:2]) + frame[2]
    while frame: frame = frame[os.write(4, frame):]
    os._exit(0)
