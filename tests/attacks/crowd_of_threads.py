"""Computes in many threads that wait for each other, hoping that their waiting is not counted as its time."""
# against: optimizers.sgd
# by design: the CPU time of all threads counts, for the limit of the check and for the seconds of the topic
import os, threading, time
def _spin(end):
    while time.process_time() < end: pass
def _crowd(seconds):
    end = time.process_time() + seconds
    threads = [threading.Thread(target=_spin, args=(end,)) for _ in range(40)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
_crowd(1.5)
def {{FUNC}}(*args, **kwargs):
    _crowd(0.6)
    os._exit(0)
