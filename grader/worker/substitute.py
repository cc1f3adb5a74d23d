"""One unit of a module replaced by a wrong one: how the course's misconceptions are tried, in a worker as in memory."""

from __future__ import annotations

import builtins
import traceback
import types
from collections.abc import Callable
from typing import Any

FILE = "misconceptions.py"  # under which the text travels, beside the reference
ADVICE = "a file of misconceptions takes `misconception` from grader.checks and nothing else of the grader"


class Refused(Exception):
    """The text of the misconceptions cannot be run beside a submission; says where and why."""


def view_with_original(module: types.ModuleType, name: str) -> types.ModuleType:
    """The live module, but for one name that stays what it is now, whatever is put in its place.

    A wrapper may so call the original at any time, while the module's own functions (and what they construct) see
    the replacement.
    """
    view = types.ModuleType(module.__name__, module.__doc__)
    setattr(view, name, getattr(module, name))
    setattr(view, "__getattr__", lambda other: getattr(module, other))  # noqa: B010
    return view


def wrong_unit(text: str, number: int, filename: str) -> tuple[str, Callable[[Any], Any]]:
    """(what it replaces, its factory) of misconception `number` of a file; raises `Refused`.

    The file is the author's own, so it may import what this process can; of the grader it gets the decorator alone.
    """
    found: list[tuple[str, Callable[[Any], Any]]] = []
    scope = {"__name__": "misconceptions", "__builtins__": {**vars(builtins), "__import__": _importing(found)}}
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), scope)
    except Exception as error:  # noqa: BLE001 - whatever the file does on its way, its author hears of it
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
        where = f"line {lines[-1]}" if lines else "it"
        raise Refused(f"the file of misconceptions, {where}: {type(error).__name__}: {error}") from None
    return found[number]


def _importing(found: list[tuple[str, Callable[[Any], Any]]]) -> Callable[..., Any]:
    """`__import__` for the file: every spelling of `misconception` is the decorator that fills `found`."""

    def misconception(id: str, sentence: str, *, caught_by: str, twins: Any = (), replaces: str | None = None) -> Any:
        def register(wrong: Any) -> Any:
            found.append((replaces or wrong.__name__, wrong if replaces else lambda reference: wrong))
            return wrong

        return register

    checks, package = types.ModuleType("grader.checks"), types.ModuleType("grader")
    vars(checks).update(misconception=misconception, __getattr__=_refuse)
    vars(package).update(checks=checks, __getattr__=_refuse)

    def importing(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if name == "grader.checks":
            return checks if fromlist else package
        if name.partition(".")[0] == "grader":
            return package if name == "grader" else _refuse(name)
        return builtins.__import__(name, globals, locals, fromlist, level)

    return importing


def _refuse(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"'{name}' is not at hand: {ADVICE}")
