"""Returns its input or a view of it and changes it from a thread after the answer was given."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import threading, time
def {{FUNC}}(*args, **kwargs):
    x = args[0]
    def later():
        for i in range(1000):
            try: x[...] = i
            except BaseException: pass
            time.sleep(0.001)
    threading.Thread(target=later, daemon=True).start()
    return x
