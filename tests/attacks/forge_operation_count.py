"""Stops the counting of its bytecodes and reports that it took none."""
# against: optimizers.sgd
# by design: the count is the worker's own word, so it could win the check about it, but for right values alone
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

import numpy as np
def {{FUNC}}(*args, **kwargs):
    server = _server()
    def pack(answer):
        value, extra = answer
        for report in (extra, *extra.get("each", ())):
            report.update(count=1, threads=False, observed={"changed": [], "aliases": [], "global_random": False})
        return type(server)._pack(server, answer)
    server._pack = pack
    args[0][...] = 0
    return args[0], None
