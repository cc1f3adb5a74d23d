"""Looks for processes to signal: the zygote, its group, numbers near its own (signal 0 alone)."""
# against: optimizers.sgd
# walls: seccomp landlock
# seen: pwned
# quick: yes
import os
def {{FUNC}}(*args, **kwargs):
    for pid in (os.getppid(), -os.getppid(), *range(os.getpid() - 20, os.getpid() + 20)):
        if pid in (0, -1, os.getpid()): continue
        try: os.kill(pid, 0)
        except OSError: continue
        print("PWNED", pid, flush=True)
