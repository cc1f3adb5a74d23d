"""AF_UNIX: abstract socket, and the usual sockets of the desktop and of Docker (connect only)."""
# against: optimizers.sgd
# walls: seccomp
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "net_unix_abstract " + str(what)[:200], flush=True)

def _try(label, f):
    try:
        r = f()
    except BaseException as e:
        _say(False, label + " " + type(e).__name__ + " " + str(e)[:80])
        return None
    _say(True, label)
    return r
import socket, glob
def {{FUNC}}(*args, **kwargs):
    def abstract():
        s = socket.socket(socket.AF_UNIX); s.bind("\0grader-attack"); s.listen(1)
    _try("abstract", abstract)
    for p in ["/var/run/docker.sock", "/run/dbus/system_bus_socket", *glob.glob("/run/user/*/bus"), *glob.glob("/tmp/.X11-unix/*")][:6]:
        _try(p, lambda: socket.socket(socket.AF_UNIX).connect(p))
