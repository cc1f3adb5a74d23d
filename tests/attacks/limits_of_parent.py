"""Reads and sets limits, priority and CPU affinity of its parent (set to the present value)."""
# against: optimizers.sgd
# walls: seccomp
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "limits_of_parent " + str(what)[:200], flush=True)

import ctypes, os, platform
_libc = ctypes.CDLL(None, use_errno=True); _libc.syscall.restype = ctypes.c_long
_X = platform.machine() == "x86_64"
def _raw(label, x86, arm, *a, strict=False):
    r = _libc.syscall(ctypes.c_long(x86 if _X else arm), *[ctypes.c_void_p(v) if isinstance(v, int) else v for v in a])
    e = ctypes.get_errno()
    _say(r >= 0 or strict and e not in (1, 13, 38), label + ("" if r >= 0 else " errno %d" % e))   # strict: any other errno means that the kernel looked at it
    return r
def {{FUNC}}(*args, **kwargs):
    pp = os.getppid() or 1
    b = ctypes.create_string_buffer(128)
    _raw("prlimit get", 302, 261, pp, 7, 0, b)
    _raw("prlimit set", 302, 261, pp, 7, b, 0)
    _raw("setpriority", 141, 140, 0, pp, 0)
    n = _libc.syscall(ctypes.c_long(204 if _X else 123), pp, ctypes.c_void_p(128), b)
    if n > 0: _raw("sched_setaffinity", 203, 122, pp, n, b)
    _raw("ioprio_set", 251, 30, 1, pp, 0)
