"""What students ordinarily do works behind all walls, in the torch kind of worker at the level strong."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from walled import WalledWorkers

from grader.remote.processes import can_fork
from grader.remote.session import StudentError

pytestmark = pytest.mark.skipif(not can_fork(), reason="needs forked workers")

HEAD = """
import torch, numpy as np, torch.nn as nn, torch.nn.functional as F
def f():
"""
TORCH = {  # feature: (lines, result)
    "adam": ("m = nn.Linear(4, 4); o = torch.optim.Adam(m.parameters())\nm(torch.ones(2, 4)).sum().backward()\n"
             "o.step(); o.zero_grad(); return 1", 1),
    "sgd with a schedule and clipping": (
        "m = nn.Linear(4, 4); o = torch.optim.SGD(m.parameters(), .1, momentum=.9)\n"
        "s = torch.optim.lr_scheduler.CosineAnnealingLR(o, 10); m(torch.ones(2, 4)).sum().backward()\n"
        "nn.utils.clip_grad_norm_(m.parameters(), 1.); o.step(); s.step(); return 1", 1),
    "a data loader": (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "return sum(len(b[0]) for b in DataLoader(TensorDataset(torch.arange(10.)), batch_size=3, shuffle=True))", 10),
    "a transformer": (
        "e = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)\n"
        "return list(e(torch.randn(2, 5, 16)).shape)", [2, 5, 16]),
    "convolution both ways": (
        "x = torch.randn(4, 3, 32, 32, requires_grad=True); F.conv2d(x, torch.randn(8, 3, 3, 3)).sum().backward()\n"
        "return list(x.grad.shape)", [4, 3, 32, 32]),
    "an lstm": ("return list(nn.LSTM(4, 8, batch_first=True)(torch.randn(2, 5, 4))[0].shape)", [2, 5, 8]),
    "torch.func": (
        "return float(torch.func.grad(lambda x: (x**2).sum())(torch.ones(3)).sum()\n"
        " + torch.func.vmap(lambda x: x * 2)(torch.ones(3)).sum())", 12.0),
    "gradcheck": (
        "x = torch.ones(3, dtype=torch.double, requires_grad=True)\n"
        "return torch.autograd.gradcheck(lambda x: (x**2).sum(), x)", True),
    "a hessian": ("return float(torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.ones(2)).sum())", 12.0),
    "deterministic algorithms": ("torch.use_deterministic_algorithms(True); return 1", 1),
    "jit trace": ("return float(torch.jit.trace(lambda x: x * 2, torch.ones(2))(torch.ones(2)).sum())", 4.0),
    "fx": ("import torch.fx\nreturn len(list(torch.fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes))", 3),
    "compile without a compiler": (
        "return float(torch.compile(lambda x: x * 2, backend='eager')(torch.ones(2)).sum())", 4.0),
    "autocast": (
        "with torch.autocast('cpu', dtype=torch.bfloat16): return str((torch.ones(4, 4) @ torch.ones(4, 4)).dtype)",
        "torch.bfloat16"),
    "checkpoint": (
        "from torch.utils.checkpoint import checkpoint as c; x = torch.ones(3, requires_grad=True)\n"
        "c(lambda v: v.exp(), x, use_reentrant=False).sum().backward(); return 1", 1),
    "save and load in memory": (
        "import io; b = io.BytesIO(); torch.save(nn.Linear(2, 2).state_dict(), b); b.seek(0)\n"
        "return len(torch.load(b, weights_only=True))", 2),
    "distributions": (
        "import torch.distributions as d; return round(float(d.Normal(0., 1.).log_prob(torch.zeros(()))), 3)", -0.919),
    "two threads in torch": (
        "torch.set_num_threads(2); x = torch.randn(500, 500, requires_grad=True); (x @ x).sum().backward()\n"
        "return torch.get_num_threads()", 2),
    "einsum": ("return float(torch.einsum('ij,jk->ik', torch.ones(3, 3), torch.ones(3, 3)).sum())", 27.0),
    "a decomposition": ("a = np.random.rand(300, 300); return bool(np.isfinite(np.linalg.svd(a @ a)[1]).all())", True),
    "flop counter": (
        "from torch.utils.flop_counter import FlopCounterMode\n"
        "with FlopCounterMode(display=False) as c: torch.ones(4, 4) @ torch.ones(4, 4)\n"
        "return c.get_total_flops()", 128),
    "profiler": ("with torch.profiler.profile() as p: torch.ones(4, 4) @ torch.ones(4, 4)\n"
                 "return len(p.key_averages()) > 0", True),
    "parametrizations and init": (
        "m = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)); nn.init.xavier_uniform_(nn.Linear(3, 3).weight)\n"
        "return list(m(torch.ones(1, 3)).shape)", [1, 3]),
    "hooks": ("m = nn.Linear(2, 2); seen = []; m.register_forward_hook(lambda *a: seen.append(1)); m(torch.ones(1, 2))\n"
              "return len(seen)", 1),
    "fourier transform": ("return float(torch.fft.fft(torch.ones(8)).abs().sum())", 8.0),
    "sparse": ("return float((torch.eye(3).to_sparse() @ torch.ones(3, 3)).sum())", 9.0),
    "linear algebra": ("return round(float(torch.linalg.solve(torch.eye(3) * 2, torch.ones(3)).sum()), 3)", 1.5),
    "an autograd function": (
        "class Twice(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x): return x * 2\n"
        "    @staticmethod\n    def backward(ctx, g): return g * 2\n"
        "x = torch.ones(3, requires_grad=True); Twice.apply(x).sum().backward(); return x.grad.sum().item()", 6.0),
}  # fmt: skip

PYTHON = {
    "late imports": ("import wave, sqlite3, decimal, xml.dom.minidom, zipfile, colorsys; return 1", 1),
    "a pool of threads": (
        "import concurrent.futures as c\nreturn list(c.ThreadPoolExecutor(4).map(abs, [-1, 2]))", [1, 2]),
    "locks and queues": (
        "import queue, threading; q = queue.Queue(); threading.Thread(target=q.put, args=(3,)).start(); return q.get(5)",
        3),
    "tempfile's folder": ("import tempfile; return isinstance(tempfile.gettempdir(), str)", True),
    "files in memory": ("import io, tempfile\nwith tempfile.SpooledTemporaryFile() as t: t.write(b'x')\nreturn 1", 1),
    "warnings": ("import warnings; warnings.warn('careful'); return 1", 1),
    "printing": ("import sys; print('x' * 10_000, file=sys.stderr); print('é\\ud800'); return 1", 1),
    "logging": ("import logging; logging.basicConfig(level='INFO'); logging.info('x'); return 1", 1),
    "recursion": ("def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\nreturn depth(900)", 900),
    "recursion without end": (
        "def depth(n): return depth(n + 1)\ntry: depth(0)\nexcept RecursionError: return 1", 1),
    "a large array": ("a = np.ones(500 << 17); return a.nbytes >> 20", 500),
    "timing": ("import timeit; return timeit.timeit('1 + 1', number=1000) > 0", True),
    "sleeping": ("import time; time.sleep(0.01); return 1", 1),
    "random numbers": ("import os, random, secrets; random.random(); secrets.token_hex(); return len(os.urandom(4))", 4),
    "a sub-interpreter's worth of reflection": ("import inspect; return 'def f' in inspect.getsource(f)", True),
    "dataclasses and enums": (
        "import dataclasses, enum\nC = dataclasses.make_dataclass('C', ['x']); return dataclasses.asdict(C(1))", {"x": 1}),
    "a generator of its own": ("return np.random.default_rng(0).standard_normal(3).shape[0]", 3),
    "a file that is not there": ("import pathlib; return pathlib.Path('data.csv').exists()", False),
}  # fmt: skip


@pytest.fixture(scope="module")
def workers() -> Iterator[WalledWorkers]:
    workers = WalledWorkers()
    if workers.level("torch") != "strong":
        workers.close()
        pytest.skip("this kernel does not offer the level strong")
    yield workers
    workers.close()


@pytest.fixture(scope="module")
def work(workers: WalledWorkers) -> Callable[[str], Any]:
    """Do some work in a fresh worker of the torch kind and return its result."""
    return lambda lines: workers.call("torch", HEAD + "".join(f"    {line}\n" for line in lines.splitlines()))


@pytest.mark.parametrize("name", TORCH)
def test_ordinary_torch_works(name, work):
    """What torch imports, caches or starts at its first use is ready or allowed."""
    lines, expected = TORCH[name]
    assert work(lines) == expected


@pytest.mark.parametrize("name", PYTHON)
def test_ordinary_python_works(name, work):
    """The standard library, threads, output, memory and recursion as usual."""
    lines, expected = PYTHON[name]
    assert work(lines) == expected


@pytest.mark.parametrize("package", ["scipy.stats", "skimage.feature", "sklearn.linear_model"])
def test_other_packages_can_be_imported_late(package, work):
    """The torch kind finds what is installed beside torch."""
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        pytest.skip(f"needs {package}")
    assert work(f"import importlib; importlib.__import__({package!r}); return 1") == 1


REFUSED = {
    "from torch.utils.data import DataLoader, TensorDataset\n"
    "return len(list(DataLoader(TensorDataset(torch.arange(10.)), num_workers=2)))": "process",
    "torch.save(torch.ones(2), 'x.pt')": None,  # torch's own C++ writer names no number
    "torch.hub.load_state_dict_from_url('http://127.0.0.1:9/x.pt')": "write",
    "np.savetxt('x.txt', np.ones(2))": "write",
}


@pytest.mark.parametrize("lines", REFUSED)
def test_refusals_come_as_errors_at_the_students_line(lines, work):
    """Nothing hangs and no process dies where a process, a file or the network is asked for."""
    with pytest.raises(StudentError) as caught:
        work(lines)
    assert caught.value.wall == REFUSED[lines]
    assert caught.value.frames


def test_workers_are_fresh(workers):
    """One worker's changes to a shared library do not reach the next."""
    spoil = "import numpy as np\ndef f():\n    np.pi = 3; return 1\n"
    look = "import numpy as np\ndef f():\n    return np.pi > 3\n"
    assert (workers.call("numpy", spoil), workers.call("numpy", look)) == (1, True)
