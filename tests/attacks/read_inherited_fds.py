"""Reads and rewinds every inherited descriptor."""
# against: optimizers.sgd
# by design: descriptors are closed twice: by exec and by the worker
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "read_inherited_fds " + str(what)[:200], flush=True)
import os, fcntl
def {{FUNC}}(*args, **kwargs):
    for fd in range(3, 4096):
        try: st = os.fstat(fd)
        except OSError: continue
        kind = st.st_mode >> 12
        if kind == 8:                                     # a regular file
            try: print(os.pread(fd, 4096, 0)); _say(True, "file fd %d" % fd)
            except OSError: pass
        if kind == 4: _say(True, "directory fd %d" % fd)
        if kind == 12: _say(True, "socket fd %d" % fd)
