"""Gets at modules that the topic does not allow: through other modules, loaders and frames."""
# against: optimizers.sgd
# by design: only numpy lies on the path of such a worker, and nothing else is readable
import sys, importlib
def {{FUNC}}(*args, **kwargs):
    got = []
    for get in (lambda: importlib.import_module("torch"), lambda: importlib.__import__("scipy"), lambda: importlib.util.find_spec("torch").loader.load_module("torch"), lambda: __builtins__["__import__"]("skimage")):
        try: got.append(get().__file__)
        except BaseException as e: print(type(e).__name__)
    if got: print("PWNED", got, flush=True)
