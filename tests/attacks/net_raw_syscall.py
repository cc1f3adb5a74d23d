"""Goes around the socket module: raw system calls for socket, socketpair, netlink, AF_ALG, AF_VSOCK."""
# against: optimizers.sgd
# walls: seccomp
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "net_raw_syscall " + str(what)[:200], flush=True)

import ctypes, os, platform
_libc = ctypes.CDLL(None, use_errno=True); _libc.syscall.restype = ctypes.c_long
_X = platform.machine() == "x86_64"
def _raw(label, x86, arm, *a, strict=False):
    r = _libc.syscall(ctypes.c_long(x86 if _X else arm), *[ctypes.c_void_p(v) if isinstance(v, int) else v for v in a])
    e = ctypes.get_errno()
    _say(r >= 0 or strict and e not in (1, 13, 38), label + ("" if r >= 0 else " errno %d" % e))   # strict: any other errno means that the kernel looked at it
    return r
def {{FUNC}}(*args, **kwargs):
    for label, fam, typ in (("inet", 2, 1), ("inet6", 10, 1), ("unix", 1, 1), ("netlink", 16, 3), ("alg", 38, 5), ("vsock", 40, 1), ("packet", 17, 3)):
        _raw(label, 41, 198, fam, typ, 0)
