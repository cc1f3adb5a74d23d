"""Os.abort(): a core file must not be written either."""
# against: optimizers.sgd
# by design: the worker is a process of its own; an end without a reply earns nothing
# quick: yes
import os
def {{FUNC}}(*args, **kwargs):
    os.abort()
