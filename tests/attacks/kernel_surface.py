"""Tries the system calls of which kernel exploits and escapes are made."""
# against: optimizers.sgd
# walls: seccomp
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "kernel_surface " + str(what)[:200], flush=True)

import ctypes, os, platform
_libc = ctypes.CDLL(None, use_errno=True); _libc.syscall.restype = ctypes.c_long
_X = platform.machine() == "x86_64"
def _raw(label, x86, arm, *a, strict=False):
    r = _libc.syscall(ctypes.c_long(x86 if _X else arm), *[ctypes.c_void_p(v) if isinstance(v, int) else v for v in a])
    e = ctypes.get_errno()
    _say(r >= 0 or strict and e not in (1, 13, 38), label + ("" if r >= 0 else " errno %d" % e))   # strict: any other errno means that the kernel looked at it
    return r
def {{FUNC}}(*args, **kwargs):
    z = ctypes.create_string_buffer(256)
    for label, x, a, *args_ in (("unshare userns", 272, 97, 0x10000000), ("mount", 165, 40, b"none", b"/nonexistent-grader", b"tmpfs", 0, 0), ("chroot", 161, 51, b"/nonexistent-grader"), ("pivot_root", 155, 41, b"/nonexistent-grader", b"."),
        ("setns", 308, 268, 0, 0), ("bpf", 321, 280, 5, z, 128), ("io_uring_setup", 425, 425, 4, z), ("userfaultfd", 323, 282, 1), ("perf_event_open", 298, 241, z, 0, -1, -1, 0),
        ("keyctl", 250, 219, 0, -4, 0), ("add_key", 248, 217, b"user", b"a", b"b", 1, -4), ("memfd_create", 319, 279, b"x", 0), ("open_by_handle_at", 304, 265, -100, z, 0),
        ("name_to_handle_at", 303, 264, -100, b"/", z, z, 0), ("init_module", 175, 105, z, 0, b""), ("reboot", 169, 142, 0, 0, 0), ("swapon", 167, 224, b"/x", 0), ("fanotify_init", 300, 262, 0, 0),
        ("clone newuser", 56, 220, 0x10000000 | 17, 0, 0, 0, 0), ("personality", 135, 92, 0x0040000), ("vmsplice", 278, 75, 1, z, 0, 0), ("seccomp", 317, 277, 0, 0, 0x7fffffff),
        ("landlock_create_ruleset", 444, 444, 0, 0, 1), ("memfd_secret", 447, 447, 0), ("fsopen", 430, 430, b"tmpfs", 0), ("open_tree", 428, 428, -100, b"/", 1), ("quotactl", 179, 60, 0, 0, 0, 0)):
        r = _raw(label, x, a, *args_, strict=True)
        if label == "clone newuser" and r == 0: os._exit(0)
