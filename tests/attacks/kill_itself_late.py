"""Sleeps almost as long as it may and kills itself, so that somebody else is suspected and everything begins anew."""
# against: optimizers.sgd
# by design: a topic has its seconds, and nothing but a kill from outside ends a worker by SIGKILL
import ctypes, os, resource, time
time.sleep(6)
def _by_limit():
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True: pass
def _by_timer():
    event = (ctypes.c_int * 16)(0, 0, 9, 0)  # sigev_signo = SIGKILL, sigev_notify = SIGEV_SIGNAL
    timer, soon = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 0, 0, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.timer_create(0, event, ctypes.byref(timer)): raise OSError(ctypes.get_errno(), "timer_create")
    libc.timer_settime(timer, 0, soon, None)
    time.sleep(1)
def {{FUNC}}(*args, **kwargs):
    time.sleep(8)
    for way in (_by_limit, _by_timer):
        try: way()
        except (OSError, ValueError): pass
    os.kill(os.getpid(), 9)
