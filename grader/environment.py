"""The environment of every process that may come near a submission."""

from __future__ import annotations

import os
import sys
import tempfile


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
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(tempfile.gettempdir(), "grader-inductor"),  # torch makes it, empty
        **threads,
        **needed,
    }
