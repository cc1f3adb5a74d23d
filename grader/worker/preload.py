"""What a worker has imported before it meets a submission, and what it may still read afterwards.

There are two kinds of worker: `numpy`, small and quick to fork, and `torch`. Neither holds a check or a reference.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
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


def _standard_library() -> list[Path]:
    return [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]


def _packages() -> list[Path]:
    return [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")]


def cut_path(kind: str) -> None:
    """Leave on sys.path the standard library and site-packages alone: an editable install must not open a project.

    The numpy kind may not read other packages, so for it there are none: numpy finds its own parts without the path.
    """
    folders = list(map(str, _standard_library() + (_packages() if kind == "torch" else [])))
    others = set() if kind == "torch" else set(map(str, _package_folders()))
    inside = [p for p in sys.path if any(p == f or p.startswith(f + os.sep) for f in folders)]
    sys.path[:] = [p for p in inside if os.path.isdir(p) and p not in others]
    sys.meta_path[:] = [f for f in sys.meta_path if not type(f).__module__.startswith(("__editable__", "editables"))]
    sys.path_importer_cache.clear()


def forget_library_paths() -> None:
    """The interpreter's libraries are loaded; where others of its machine lie is nothing that a submission needs."""
    for name in [name for name in os.environ if name.endswith("LIBRARY_PATH")]:
        del os.environ[name]


def listable_folders() -> list[str]:
    """Folders whose names, though not their files, may be read: an import looks through them."""
    return sorted({str(folder) for folder in _standard_library() if folder.is_dir()})


def readable_roots(kind: str) -> list[str]:
    """Files and folders that a worker of this kind may read; of other packages only the torch kind sees any."""
    packages = [folder.resolve() for folder in _package_folders() if folder.is_dir()]
    shared = {part for folder in _shared_folders() for part in _around(folder.resolve(), packages)}
    numpy = {_folder_of("numpy") / name for name in ("numpy", "numpy.libs")}
    own = {*_packages(), *map(_folder_of, KINDS)} if kind == "torch" else numpy
    return sorted({str(path) for path in {*shared, *own, *map(Path, SYSTEM_FILES)} if path.exists()})


SYSTEM_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
SYSTEM_FILES = (
    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/zero", "/dev/urandom",
    "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip


def _package_folders() -> set[Path]:
    """Where packages lie: this environment's, those beneath the standard library, and the distribution's."""
    beneath = {folder / name for folder in _standard_library() for name in ("site-packages", "dist-packages")}
    distribution = {Path(prefix, "lib", "python3", "dist-packages") for prefix in ("/usr", sys.base_prefix)}
    return {*map(Path, site.getsitepackages()), *_packages(), *beneath, *distribution}


def _folder_of(package: str) -> Path:
    """The folder that a package was, or would be, imported from."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"{package} is not installed", name=package)
    return Path(spec.origin).parents[1]


def _shared_folders() -> set[Path]:
    """The standard library, the system's libraries, and wherever else a library was loaded from."""
    return {*_standard_library(), *map(Path, SYSTEM_FOLDERS), *_loaded_from()}


def _loaded_from() -> set[Path]:
    if not os.path.exists("/proc/self/maps"):
        return set()
    with open("/proc/self/maps") as maps:
        fields = [line.split(None, 5) for line in maps]
    return {Path(f[5].strip()).parent for f in fields if len(f) == 6 and ".so" in f[5] and f[5][0] == "/"}


def _around(path: Path, left_out: list[Path]) -> list[Path]:
    """The folder, or its parts around what is left out; links are not followed, their targets have other names."""
    if any(path.is_relative_to(folder) for folder in left_out) or path.is_symlink():
        return []
    if not any(folder.is_relative_to(path) for folder in left_out):
        return [path]
    return [part for child in path.iterdir() for part in _around(child, left_out)] if path.is_dir() else []
