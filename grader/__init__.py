"""A deep-learning course that grades itself: the `grade` command and the library that checks import."""

from __future__ import annotations

__version__ = "0.1.0"


def load_ipython_extension(shell: object) -> None:
    """`%load_ext grader` in a notebook brings `%%check`."""
    from grader.notebooks import client

    client.load_ipython_extension(shell)
