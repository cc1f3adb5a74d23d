"""What a submission imports: what the topic allows; for all else a stand-in that is forbidden when it is used.

So an import that was left behind costs what uses it, and not everything. Where the import stands in a `try` that
catches its failure, it fails, so that a fallback works. Advice in plain words rather than a wall: what must not be
read is also out of reach of the worker.
"""

from __future__ import annotations

import ast
import builtins
import dis
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

IMPORT_NAME = dis.opmap["IMPORT_NAME"]
CATCHES_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
MAX_REFUSED = 20


class Forbidden(Exception):
    """Something this topic does not allow; its text says what and why."""


class ForbiddenImport(Forbidden, ModuleNotFoundError):
    """An import this topic does not allow; a ModuleNotFoundError, so that `try: import ...` goes on without it."""


def _refusing(self: Any, *_: Any, **__: Any) -> Any:
    raise Forbidden(object.__getattribute__(self, "_words"))


class StandIn:
    """What stands for something that may not be imported: any use of it raises `Forbidden`. It holds words alone."""

    def __init__(self, words: str, parts: Iterable[str] = ()) -> None:
        object.__setattr__(self, "_words", words)
        for part in parts:
            object.__setattr__(self, part, StandIn(words))

    def __repr__(self) -> str:
        return "<not allowed in this topic>"


for _name in (
    "getattr setattr delattr call iter next bool len getitem setitem delitem contains enter exit mro_entries "
    "instancecheck subclasscheck eq ne lt le gt ge add radd sub rsub mul rmul matmul rmatmul truediv rtruediv floordiv "
    "rfloordiv mod rmod pow rpow and rand or ror xor rxor lshift rshift neg pos abs invert index int float complex "
    "array await aiter anext aenter aexit format round"
).split():
    setattr(StandIn, f"__{_name}__", _refusing)
StandIn.__hash__ = object.__hash__  # type: ignore[method-assign]


class ImportGuard:
    """`__import__` for the submission's own frames; `refused` lists what stand-ins were bound for."""

    def __init__(self, main: str, source: str, filename: str, imports: list[str]) -> None:
        self.main, self.filename, self.imports = main, filename, imports
        self.allowed = {*imports, main, *sys.stdlib_module_names}
        self.guarded_lines = set(_guarded_lines(source))
        self.refused: list[str] = []

    def __call__(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if not level and name.partition(".")[0] in self.allowed:
            return builtins.__import__(name, globals, locals, fromlist, level)
        words = self._words(name, level)
        if not self._binds(sys._getframe(1)):
            raise ForbiddenImport(words, name=name.partition(".")[0])
        if words not in self.refused and len(self.refused) < MAX_REFUSED:
            self.refused.append(words)
        return _stand_in(words, name, fromlist, level)

    def _words(self, name: str, level: int) -> str:
        if level:
            return f"{self.main}.py is graded alone: put what it needs from your other files into it"
        listed = ", ".join(self.imports) or "nothing"
        top = name.partition(".")[0]
        return f"'{top}' may not be imported in this topic (allowed: the standard library, {listed})"

    def _binds(self, frame: types.FrameType) -> bool:
        """Whether this is an import statement of the submission's that no `try` would catch."""
        if frame.f_code.co_filename != self.filename or frame.f_code.co_code[frame.f_lasti] != IMPORT_NAME:
            return False
        return frame.f_lineno not in self.guarded_lines


def _stand_in(words: str, name: str, fromlist: Any, level: int) -> StandIn:
    """What an import statement takes apart: the names that it asks for, or the package with the path to its module."""
    if fromlist:
        stars = "*" in fromlist
        stand_in = StandIn(words, () if stars else [str(part) for part in fromlist])
        if stars:  # binds nothing
            object.__setattr__(stand_in, "__all__", ())
        return stand_in
    stand_in = StandIn(words)
    for part in reversed(name.split(".")[1:]):
        outer = StandIn(words)
        object.__setattr__(outer, part, stand_in)
        stand_in = outer
    return stand_in


def _guarded_lines(source: str) -> Iterator[int]:
    """The lines of import statements that stand in a `try`, or a `with suppress(...)`, that catches their failure."""
    try:
        waiting: list[tuple[ast.AST, bool]] = [(node, False) for node in ast.parse(source).body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # loading tells
    while waiting:
        node, guarded = waiting.pop()
        if guarded and isinstance(node, ast.Import | ast.ImportFrom):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for name, value in ast.iter_fields(node):
            inside = guarded or (name == "body" and _catches(node))
            children = value if isinstance(value, list) else [value]
            waiting += [(child, inside) for child in children if isinstance(child, ast.stmt | ast.excepthandler)]


def _catches(node: ast.AST) -> bool:
    """Whether what fails to import in its body is caught."""
    if isinstance(node, ast.Try):
        return any(handler.type is None or _names_in(handler.type) for handler in node.handlers)
    if isinstance(node, ast.With):
        calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
        return any("suppress" in ast.unparse(call.func) and any(map(_names_in, call.args)) for call in calls)
    return False


def _names_in(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id in CATCHES_IMPORT for part in ast.walk(node))


def guard_import_module(guard: Callable[..., Any], filename: str) -> None:
    """`importlib.import_module` refuses the submission what an import statement does."""
    import importlib

    real = importlib.import_module

    def import_module(name: str, package: str | None = None) -> Any:
        if sys._getframe(1).f_code.co_filename == filename:
            guard(name.lstrip("."), level=1 if name.startswith(".") else 0)
        return real(name, package)

    importlib.import_module = import_module
