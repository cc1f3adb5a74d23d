"""Fills memfd files: not in any rlimit nor in RSS (4 GiB at most)."""
# against: optimizers.sgd
# walls: seccomp rlimits
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "mem_memfd " + str(what)[:200], flush=True)
import os
def {{FUNC}}(*args, **kwargs):
    try: fds = [os.memfd_create("a%d" % i) for i in range(4)]
    except (OSError, AttributeError) as e: _say(False, e); return None
    block, n = b"x" * (1 << 20), 0
    for fd in fds:
        for _ in range(64):
            try: n += os.write(fd, block)
            except OSError as e: _say(False, e); return None
            if n == 1 << 27: _say(True, n)  # said before the CPU limit may end it
