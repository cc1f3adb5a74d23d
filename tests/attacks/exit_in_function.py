"""Calls os._exit(0) inside the function."""
# against: optimizers.sgd
# by design: the worker is a process of its own; an end without a reply earns nothing
# quick: yes
import os
def {{FUNC}}(*args, **kwargs):
    os._exit(0)
