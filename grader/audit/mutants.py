"""Small wrong versions of a reference, made by rule: a check that none of them fails proves little.

A mutant changes one place (grader.audit.slips says how), keeps every other character of the text, and bears a name that
survives edits elsewhere in the file: the function, what was changed into what, and which of several equal places it is.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import dataclass

from grader.audit.slips import expression_changes, statement_changes


@dataclass(frozen=True)
class Mutant:
    """One change of one place: `before` became `after` in the function or method `where` ("" at module level)."""

    where: str
    operator: str
    before: str
    after: str
    nth: int  # of the places in `where` that read alike
    line: int
    source: str

    @property
    def unit(self) -> str:
        """The top-level function or class that holds the change."""
        return self.where.partition(".")[0]

    @property
    def change(self) -> str:
        return f"{self.before} -> {self.after}"

    @property
    def key(self) -> tuple[str, str, int]:
        """What an entry in the list of equivalents names."""
        return self.where, self.change, self.nth

    @property
    def label(self) -> str:
        return f"{self.where}: {self.change}" + (f" (place {self.nth})" if self.nth > 1 else "")

    def in_sample(self, parts: int) -> bool:
        """Whether it belongs to the fixed sample of one in `parts`, which no edit elsewhere changes."""
        digest = hashlib.sha256(repr(self.key).encode()).digest()
        return int.from_bytes(digest[:4], "big") % parts == 0


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its text; no two of them, nor the original, mean the same to Python."""
    tree, text = ast.parse(source), source.encode()
    meanings, counts = {ast.dump(tree)}, Counter[tuple[str, str]]()
    found = []
    for place in _Places(tree, text).found:
        mutated = (text[: place.start] + place.text.encode() + text[place.end :]).decode()
        try:
            meaning = ast.dump(ast.parse(mutated))
        except SyntaxError:  # the target of an assignment, say, may not be any expression
            continue
        if meaning in meanings:
            continue
        meanings.add(meaning)
        counts[place.where, f"{place.before} -> {place.after}"] += 1
        nth = counts[place.where, f"{place.before} -> {place.after}"]
        found.append(Mutant(place.where, place.operator, place.before, place.after, nth, place.line, mutated))
    return found


@dataclass(frozen=True)
class _Place:
    """Where in the text (bytes) what is to stand instead."""

    where: str
    operator: str
    before: str
    after: str
    line: int
    start: int
    end: int
    text: str


class _Places:
    """Walks the code that runs; annotations, messages of errors and docstrings are nobody's formula."""

    def __init__(self, tree: ast.Module, text: bytes) -> None:
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[_Place] = []
        for node in tree.body:
            self._statement(node, "")
        self.found.sort(key=lambda p: (p.start, -p.end))  # stable: by rule where two begin and end together

    def _statement(self, node: ast.stmt, where: str) -> None:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            self._definition(node, f"{where}.{node.name}".lstrip("."))
        elif not isinstance(node, (ast.Import, ast.ImportFrom, ast.Raise)) and not _is_doc(node):
            for operator, after, text in statement_changes(node):
                self._add(where, operator, node, ast.unparse(node).split("\n")[0], after, text)
            self._inner(node, where)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef, where: str) -> None:
        if node.name == "__repr__":
            return
        if isinstance(node, ast.FunctionDef):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self._expression(default, where)
        for child in node.body:
            self._statement(child, where)

    def _inner(self, node: ast.AST, where: str) -> None:
        """What a statement or an expression holds, but for annotations and type aliases."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns") or (not where and isinstance(value, ast.Subscript)):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self._statement(child, where)
                elif isinstance(child, ast.expr):
                    self._expression(child, where)
                elif isinstance(child, ast.AST):
                    self._inner(child, where)

    def _expression(self, node: ast.expr, where: str) -> None:
        if isinstance(node, ast.JoinedStr):
            return
        for operator, target, new in expression_changes(node):
            after = ast.unparse(new)
            text = after if isinstance(new, ast.Slice) else f"({after})"
            self._add(where, operator, target, ast.unparse(target), after, text)
        self._inner(node, where)

    def _add(self, where: str, operator: str, node: ast.expr | ast.stmt, before: str, after: str, text: str) -> None:
        start, end = self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)
        self.found.append(_Place(where, operator, before, after, node.lineno, start, end, text))

    def _offset(self, line: int | None, column: int | None) -> int:
        assert line is not None and column is not None  # every node of a parsed text has its place
        return self.starts[line - 1] + column


def _is_doc(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
