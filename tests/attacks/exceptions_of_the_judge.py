"""Raises errors that bear the names of the judge's own, and every built-in one."""
# against: optimizers.sgd
# by design: an error of the submission is one of the submission, whatever its name
import builtins
_names = ["CheckFailed", "EngineFault", "WorkerDied", "Skipped", "Exit", "Failed", "StudentError", "WireError", "JudgeDied", "GraderFault", "outcomes.Exit", "BdbQuit"]
_types = [type(n, (Exception,), {}) for n in _names] + [t for t in vars(builtins).values() if isinstance(t, type) and issubclass(t, BaseException)]
_types = [t for t in _types if not issubclass(t, (ValueError, NotImplementedError)) and t.__name__ not in ("UnicodeError",)]
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    kind = _types[_n[0] % len(_types)]
    try: error = kind("verdict: pass")
    except TypeError: error = kind.__new__(kind)
    raise error
