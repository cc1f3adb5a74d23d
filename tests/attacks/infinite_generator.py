"""Returns an endless generator, an object with len 10**12 and an endless __getitem__."""
# against: optimizers.sgd
# by design: only data crosses, and it is compared by kind, shape and value in the judge
class Endless:
    def __len__(self): return 10 ** 12
    def __getitem__(self, i): return 0
    def __iter__(self):
        while True: yield 0
_n = [0]
def {{FUNC}}(*args, **kwargs):
    _n[0] += 1
    return iter(Endless()) if _n[0] % 2 else Endless()
