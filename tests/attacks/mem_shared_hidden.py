"""Fills a shared mapping and lets go of each page: it stays in memory, but not in the resident set (4 GiB at most)."""
# against: optimizers.sgd
# by design: what is mapped to be shared counts as held, resident or not
import mmap
def {{FUNC}}(*args, **kwargs):
    part = 8 << 20
    try:
        held = [mmap.mmap(-1, 1 << 29) for _ in range(8)]
    except OSError:
        held = [mmap.mmap(-1, 1 << 29)]
    for one in held:
        for start in range(0, 1 << 29, part):
            one[start : start + part] = b"x" * part
            one.madvise(mmap.MADV_DONTNEED, start, part)
    import time
    while True: time.sleep(1)
