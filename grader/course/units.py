"""The units of a topic, read from its solution: what is graded, blamed and replaced together.

A unit is a class with its methods, or a function with those that it shares a `Cache` with: a function whose parameter
is annotated `Cache` belongs to the nearest function before it whose result is annotated with one. Every other public
function is a unit of its own. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass

CACHE = "Cache"


@dataclass(frozen=True)
class Unit:
    """Public names in the order of the solution, and the places of the first and the last among all of them."""

    names: tuple[str, ...]
    is_class: bool
    first: int
    last: int


def units_of(source: str) -> list[Unit]:
    """The units of a solution's source, in the order of their first names."""
    units: list[Unit] = []
    maker: int | None = None  # the unit of the latest function that hands a cache out
    definitions = [n for n in ast.parse(source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    for place, node in enumerate(n for n in definitions if not n.name.startswith("_")):
        if isinstance(node, ast.FunctionDef) and _takes_cache(node) and maker is not None:
            old = units[maker]
            units[maker] = Unit((*old.names, node.name), False, old.first, place)
            continue
        if isinstance(node, ast.FunctionDef) and _mentions_cache(node.returns):
            maker = len(units)
        units.append(Unit((node.name,), isinstance(node, ast.ClassDef), place, place))
    return units


def earlier_units(units: Collection[Unit], function: str) -> list[Unit]:
    """The units that lie wholly before the one of `function` and can be replaced: functions.

    A class is not: its objects hold state and are changed in place, so they would have to live with the reference, and
    everything a submission does with one (subclassing, `isinstance`, attributes) would fail or leave the process.
    """
    own = next((u for u in units if function in u.names), None)
    return [] if own is None else [u for u in units if u.last < own.first and not u.is_class]


def _takes_cache(node: ast.FunctionDef) -> bool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return any(_mentions_cache(a.annotation) for a in arguments)


def _mentions_cache(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(isinstance(n, ast.Name) and n.id == CACHE for n in ast.walk(annotation))
