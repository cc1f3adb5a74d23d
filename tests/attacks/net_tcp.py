"""TCP connection to a listener of the harness on the loopback interface."""
# against: optimizers.sgd
# walls: seccomp landlock sealing
# seen: connection
# quick: yes
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + "net_tcp " + str(what)[:200], flush=True)

def _try(label, f):
    try:
        r = f()
    except BaseException as e:
        _say(False, label + " " + type(e).__name__ + " " + str(e)[:80])
        return None
    _say(True, label)
    return r
import socket
def {{FUNC}}(*args, **kwargs):
    def go():
        s = socket.create_connection(("127.0.0.1", int("{{PORT}}")), 2); s.sendall(b"leak"); s.close()
    _try("connect", go)
