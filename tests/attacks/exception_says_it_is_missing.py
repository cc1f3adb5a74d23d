"""Claims in a hidden check that the grader is at fault, so that nothing is scored."""
# against: optimizers.sgd
# by design: only what the judge's own code raises is its fault
class EngineFault(AssertionError): pass
EngineFault.__mro_entries__ = None
class E(BaseException):
    def __str__(self): raise SystemExit("no text")
    def __getattribute__(self, n): raise EngineFault("grader fault")
def {{FUNC}}(*args, **kwargs):
    raise E()
