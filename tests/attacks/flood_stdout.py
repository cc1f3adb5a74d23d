"""Prints up to 2 GiB."""
# against: optimizers.sgd
# by design: the judge keeps the clock and every cap itself
import sys
def {{FUNC}}(*args, **kwargs):
    line = "x" * 65535 + "\n"
    for _ in range(32768): sys.stdout.write(line)
    return args[0]
