"""Talks to the worker beside it by locks on a file that both can read."""
# against: optimizers.sgd
# walls: seccomp
# seen: pwned
import fcntl, os
def {{FUNC}}(*args, **kwargs):
    fd = os.open(os.__file__, os.O_RDONLY)
    for f in (lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda: fcntl.fcntl(fd, 1024, 0), lambda: fcntl.fcntl(fd, fcntl.F_SETOWN, os.getppid())):
        try: f()
        except OSError as e: print("BLOCKED", e)
        else: print("PWNED lock", flush=True)
