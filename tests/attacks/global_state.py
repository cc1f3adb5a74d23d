"""Changes defaults: dtype, error state, RNG seeds and functions, locale, cwd, warnings, tracing, default device."""
# against: attention.softmax
# by design: only data crosses, and it is compared by kind, shape and value in the judge
import numpy as np, torch, sys, os, random, signal, threading, warnings, locale
torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False); torch.manual_seed(0); torch.use_deterministic_algorithms(True)
np.seterr(all="raise"); np.random.seed(0); random.seed(0); np.random.rand = lambda *a: np.zeros(a); warnings.simplefilter("error")
sys.settrace(lambda *a: None); threading.settrace(lambda *a: None); sys.setswitchinterval(1e-6)
try: os.chdir("/"); signal.alarm(1)
except OSError: pass
def {{FUNC}}(*args, **kwargs):
    return None
