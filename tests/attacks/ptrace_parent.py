"""Ptrace, process_vm_readv, kcmp and pidfd_getfd on its parent and on neighbours."""
# against: optimizers.sgd
# walls: seccomp landlock sealing dumpable
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "ptrace_parent " + str(what)[:200], flush=True)

import ctypes, os, platform
_libc = ctypes.CDLL(None, use_errno=True); _libc.syscall.restype = ctypes.c_long
_X = platform.machine() == "x86_64"
def _raw(label, x86, arm, *a, strict=False):
    r = _libc.syscall(ctypes.c_long(x86 if _X else arm), *[ctypes.c_void_p(v) if isinstance(v, int) else v for v in a])
    e = ctypes.get_errno()
    _say(r >= 0 or strict and e not in (1, 13, 38), label + ("" if r >= 0 else " errno %d" % e))   # strict: any other errno means that the kernel looked at it
    return r
def {{FUNC}}(*args, **kwargs):
    me = os.getpid()
    for pid in {os.getppid(), me - 1, me - 2}:
        if pid <= 0: continue
        r = _raw("ptrace_seize %d" % pid, 101, 117, 0x4206, pid, 0, 0)
        if r == 0: _libc.ptrace(17, pid, 0, 0)
        buf = ctypes.create_string_buffer(64)
        class V(ctypes.Structure): _fields_ = [("b", ctypes.c_void_p), ("n", ctypes.c_size_t)]
        lo, re = V(ctypes.addressof(buf), 64), V(0x400000, 64)
        _raw("process_vm_readv", 310, 270, pid, ctypes.byref(lo), 1, ctypes.byref(re), 1, 0)
        _raw("kcmp", 312, 272, me, pid, 0, 0, 0)
        fd = _raw("pidfd_open", 434, 434, pid, 0)
        if fd >= 0: _raw("pidfd_getfd", 438, 438, fd, 3, 0)
