"""Hides them in which of its own lines raises, far from the function that is judged."""
# against: optimizers.sgd
# by design: only a line of the judged function is told, and none of a long one
# quick: yes
def _tell(digit):
    if digit == 0: raise RuntimeError  # LEAK0
    if digit == 1: raise RuntimeError  # LEAK1
    if digit == 2: raise RuntimeError  # LEAK2
    if digit == 3: raise RuntimeError  # LEAK3
    if digit == 4: raise RuntimeError  # LEAK4
    if digit == 5: raise RuntimeError  # LEAK5
    if digit == 6: raise RuntimeError  # LEAK6
    if digit == 7: raise RuntimeError  # LEAK7
def {{FUNC}}(*args, **kwargs):
    _tell(int(abs(float(args[0].ravel()[0] if hasattr(args[0], "ravel") and args[0].size else 1)) * 1000) % 8)
