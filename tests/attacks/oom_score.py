"""Asks the kernel to kill others first and writes to other files of its own /proc entry."""
# against: optimizers.sgd
# walls: seccomp landlock sealing dumpable
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "oom_score " + str(what)[:200], flush=True)

def _try(label, f):
    try:
        r = f()
    except BaseException as e:
        _say(False, label + " " + type(e).__name__ + " " + str(e)[:80])
        return None
    _say(True, label)
    return r
def {{FUNC}}(*args, **kwargs):
    for p, v in (("/proc/self/oom_score_adj", "-500"), ("/proc/self/oom_score_adj", "0"), ("/proc/self/coredump_filter", "0"), ("/proc/self/comm", "init"), ("/proc/sys/kernel/core_pattern", "x")):
        def go():
            with open(p, "w") as f: f.write(v)
        _try(p, go)
