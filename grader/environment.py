"""What our processes find when they start: an environment made of nothing, and open standard descriptors."""

from __future__ import annotations

import os
import sys

LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")  # workers drop them again


def clean_environment() -> dict[str, str]:
    """The environment of every process that may come near a submission: built from nothing."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    needed = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if sys.platform == "win32"}
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": os.path.join(os.sep, "nonexistent"),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",  # another one sets aside 64 MB of addresses, which nobody can tell from shared memory
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # large pages, where the system leaves the choice to programs
        "MALLOC_MMAP_THRESHOLD_": str(8 << 20),  # memory that is freed and taken again costs no page faults ...
        "MALLOC_TRIM_THRESHOLD_": str(16 << 20),  # ... and no more than this is kept
        "KMP_INIT_AT_FORK": "FALSE",
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(_temporary_folder(), "grader-inductor"),  # torch makes it, empty
        **threads,
        **needed,
        **_library_paths(),
    }


def _temporary_folder() -> str:
    """Where nothing is writable torch does without."""
    import tempfile  # not worth its time to whoever only asks for help

    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.path.join(os.sep, "tmp")


def _library_paths() -> dict[str, str]:
    """Where the interpreter itself may find its libraries; an empty or relative part would be the working folder."""
    found = {name: os.environ.get(name, "").split(os.pathsep) for name in LIBRARY_PATHS}
    kept = {name: os.pathsep.join(filter(os.path.isabs, parts)) for name, parts in found.items()}
    return {name: path for name, path in kept.items() if path}


def fill_standard_descriptors() -> None:
    """Open what is closed of 0 to 2, so that none of our pipes gets such a number and is taken for it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
