"""Hides them in which of its own exceptions it raises, whose names all stand in the file."""
# against: optimizers.sgd
# by design: an error is told by a name of a fixed list, never by one of the submission's
# quick: yes
class LEAK0(Exception): pass
class LEAK1(Exception): pass
class LEAK2(Exception): pass
class LEAK3(Exception): pass
class LEAK4(Exception): pass
class LEAK5(Exception): pass
class LEAK6(Exception): pass
class LEAK7(Exception): pass
def {{FUNC}}(*args, **kwargs):
    digit = int(abs(float(args[0].ravel()[0] if hasattr(args[0], "ravel") and args[0].size else 1)) * 1000) % 8
    raise globals()["LE" + "AK%d" % digit]
