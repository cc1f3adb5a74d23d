"""Recognises the fresh worker of a second look by whatever outlives a worker: files, memory, keys, names."""
# against: optimizers.sgd
# walls: seccomp landlock rlimits sealing
# seen: pwned
def _say(ok, what=""):
    print(("PWNED " if ok else "BLOCKED ") + str(what)[:200], flush=True)
import os, mmap, socket
from multiprocessing import shared_memory
def {{FUNC}}(*args, **kwargs):
    def shm(): shared_memory.SharedMemory("grader_attack_shm", create=True, size=64).unlink()
    def posix():
        fd = os.open("/dev/shm/grader_attack_state", os.O_RDWR | os.O_CREAT, 0o600); os.close(fd); os.unlink("/dev/shm/grader_attack_state")
    def abstract():
        s = socket.socket(socket.AF_UNIX); s.bind("\0grader_attack_name"); s.close()
    def port(): s = socket.socket(); s.bind(("127.0.0.1", 0)); s.close()
    for f in (shm, posix, abstract, port):
        try: f()
        except BaseException as e: _say(False, (f.__name__, e))
        else: _say(True, f.__name__)
