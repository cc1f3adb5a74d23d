"""What a worker has imported before it meets a submission, and what it may still read afterwards.

There are two kinds of worker: `numpy`, small and quick to fork, and `torch`. Neither holds a check or a reference.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from pathlib import Path

KINDS = ("numpy", "torch")

COMMON = """abc array bisect builtins collections collections.abc contextlib copy dataclasses decimal enum fractions
functools heapq inspect itertools json linecache logging math numbers operator pprint queue random re statistics string
tempfile textwrap threading time traceback types typing unittest.mock warnings weakref
numpy numpy.linalg numpy.random numpy.fft numpy.ma numpy.testing numpy.lib.stride_tricks numpy.polynomial""".split()

TORCH = """torch torch.nn torch.nn.functional torch.optim torch.autograd torch._dynamo torch._inductor.config torch.func
torch.utils.data torch.utils.checkpoint torch.autograd.gradcheck torch.autograd.functional torch.profiler torch.fx
torch.distributions""".split()


def warm(kind: str) -> None:
    """Import and run once what would otherwise be imported lazily, slowly or unreadably inside a worker."""
    for name in COMMON:
        importlib.import_module(name)
    import tempfile

    import numpy as np

    tempfile.tempdir = tempfile.tempdir or os.path.join(os.sep, "tmp")  # gettempdir() would probe for a writable one
    np.zeros((2, 2)) @ np.zeros((2, 2))
    np.random.default_rng(0).standard_normal(2)
    np.linalg.norm(np.ones(2))
    np.einsum("ij,jk->ik", np.eye(2), np.eye(2))
    if kind == "torch":
        _warm_torch()


def _warm_torch() -> None:
    import torch

    torch.set_num_threads(1)  # before anything else: a forked child of a process with OpenMP threads hangs
    for name in TORCH:
        importlib.import_module(name)
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)  # set by hand: no backward pass, so no autograd thread, before a fork
    for optimizer in (torch.optim.Adam, torch.optim.SGD):
        optimizer([parameter], lr=0.1).step()
    torch.func.vmap(lambda v: v * 2)(torch.ones(2))


def _library_folders() -> list[Path]:
    paths = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return list(dict.fromkeys(Path(p) for p in paths))


def cut_path() -> None:
    """Leave on sys.path the standard library and site-packages alone: an editable install must not open a project."""
    folders = [str(f) for f in _library_folders()]
    inside = [p for p in sys.path if any(p == f or p.startswith(f + os.sep) for f in folders)]
    sys.path[:] = [p for p in inside if os.path.isdir(p)]
    sys.meta_path[:] = [f for f in sys.meta_path if not type(f).__module__.startswith(("__editable__", "editables"))]
    sys.path_importer_cache.clear()


def readable_roots(kind: str) -> list[str]:
    """Files and folders that a worker of this kind may read."""
    stdlib = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    site = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
    roots = {child for folder in stdlib if folder.is_dir() for child in folder.iterdir()}
    roots = {r for r in roots if r.name not in ("site-packages", "dist-packages")}
    roots |= set(site) if kind == "torch" else {folder / name for folder in site for name in ("numpy", "numpy.libs")}
    if kind != "torch":
        roots -= set(site)
    roots |= {Path(p) for p in _system_paths()}
    return sorted({str(r) for r in roots if r.exists()})


def _system_paths() -> list[str]:
    shared = []
    if os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps") as maps:
            fields = [line.split(None, 5) for line in maps]
        shared = [os.path.dirname(f[5].strip()) for f in fields if len(f) == 6 and ".so" in f[5] and f[5][0] == "/"]
    site = str(Path(sysconfig.get_path("purelib")))
    return [s for s in shared if not s.startswith(site)] + [
        "/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
        "/dev/null", "/dev/zero", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
    ]  # fmt: skip
