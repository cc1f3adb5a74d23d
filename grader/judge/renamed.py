"""A graded name that is not there, and one that is and differs by case or one slip: `SGD` for `sgd`.

Told from the source and the names of the topic alone, so a hidden check may say it: nothing of its inputs is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

MAX_NAMES, MAX_NAME = 2000, 60  # names at the top of a file that are looked at; characters of one
SHORTEST = 3  # letters below which a slip would make almost any name of any other
# Definitions and bindings at the top; in the source of a notebook those that nothing asked for stand as comments.
_TOP = re.compile(r"^(?:# )?(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(?:# )?(\w+)[ \t]*=(?!=)", re.M)


def did_you_mean(source: str, wanted: Iterable[str], topic: Collection[str]) -> str:
    """A sentence about the first wanted name that the source lacks and may have under another one; "" without any.

    Names that the `topic` itself asks for are never meant for another.
    """
    here = _names_of(source)
    for name in wanted:
        found = None if name in here else _nearest(name, [n for n in here if n not in topic])
        if found is not None:
            return f"there is no {name} here; did you mean {found} (line {here[found]})?"
    return ""


def _names_of(source: str) -> dict[str, int]:
    """The names at the top of a file, and the line of each; those that are too long are left out."""
    here: dict[str, int] = {}
    line, at = 1, 0
    for match in _TOP.finditer(source):
        line, at = line + source.count("\n", at, match.start()), match.start()
        name = match[1] or match[2]
        if len(name) <= MAX_NAME:
            here.setdefault(name, line)
        if len(here) >= MAX_NAMES:
            break
    return here


def _nearest(name: str, others: list[str]) -> str | None:
    by_case = [other for other in others if other.casefold() == name.casefold()]
    slips = [other for other in others if len(name) >= SHORTEST and is_slip(name.casefold(), other.casefold())]
    return next(iter(by_case + slips), None)


def is_slip(name: str, other: str) -> bool:
    """Whether one letter more, less, changed, or two that changed places make one name of the other."""
    if len(name) > len(other):
        name, other = other, name
    if len(other) - len(name) > 1 or name == other:
        return False
    start = next((i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), len(name))
    rest, longer = name[start:], other[start:]
    if len(name) < len(other):
        return rest == longer[1:]
    swapped = rest[:2] == longer[1::-1] and rest[2:] == longer[2:]
    return rest[1:] == longer[1:] or swapped
