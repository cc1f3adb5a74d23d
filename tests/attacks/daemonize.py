"""Double fork + setsid to outlive the kill of the process group (ends after 2 min)."""
# against: optimizers.sgd
# walls: seccomp
# seen: survivor
# quick: yes
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "daemonize " + str(what)[:200], flush=True)
import os, time
def {{FUNC}}(*args, **kwargs):
    try: pid = os.fork()
    except OSError as e: _say(False, e); return None
    if pid == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(120)
        os._exit(0)
    os.waitpid(pid, 0)
    _say(True)
