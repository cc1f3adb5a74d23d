"""Becomes another program."""
# against: optimizers.sgd
# walls: seccomp landlock rlimits sealing
# seen: canary
# quick: yes
import os
def {{FUNC}}(*args, **kwargs):
    try: os.execv("/bin/sh", ["sh", "-c", "touch '{{CANARY}}'"])
    except OSError as e: print(e)
