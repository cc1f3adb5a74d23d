"""Compiles text that makes compilers crash or take for ever."""
# against: optimizers.sgd
# by design: the submission is parsed in its worker alone
def {{FUNC}}(*args, **kwargs):
    for text in ("(" * 5000, "-" * 20000 + "1", "x=" * 5000 + "1", "(1,)*" + "9" * 9, "f'" + "{" * 100):
        try: eval(compile(text, "x", "eval"))
        except (SyntaxError, MemoryError, RecursionError, ValueError) as e: print(type(e).__name__)
    return [0] * (1 << 62)
