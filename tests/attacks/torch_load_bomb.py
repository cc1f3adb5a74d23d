"""A checkpoint whose loading runs a program, and shared memory for other processes."""
# against: attention.softmax
# walls: seccomp landlock rlimits sealing
# seen: canary
import io, os, torch
class Bomb:
    def __reduce__(self): return (os.system, ("touch '{{CANARY}}'",))
def {{FUNC}}(*args, **kwargs):
    b = io.BytesIO(); torch.save(Bomb(), b); b.seek(0)
    try: torch.load(b, weights_only=False)
    except BaseException as e: print(e)
    try: torch.ones(3).share_memory_()
    except BaseException as e: print(e)
    return None
