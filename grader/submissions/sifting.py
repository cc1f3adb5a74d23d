"""From the cells of a notebook to the source of a module: what the graded names need, and no loose statements.

A notebook is a protocol of trials: plots, prints, `input()`, training loops, widgets. Of these a worker gets the
definitions that the exercise asks for, and the functions, imports and variables that they need, found by their names.
What is left out stays as comments, so that lines keep their place in the cell.

Students' text is parsed here, which can take a Python interpreter down: this runs in the process of `unpacker`. The
time is linear in the text, whatever stands there.
"""

from __future__ import annotations

import ast
import re
import symtable
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from grader.text import printable

BODY_MAGICS = ("check", "time", "capture", "prun", "debug")  # cell magics that run their cell as Python here
LOOKS_UP_NAMES = {"globals", "eval", "exec", "vars"}
_MAGIC = re.compile(r"^\s*([%!?]|.*\?\s*$|[\w, ]+=\s*[%!])")
_WRITES_MODULE = re.compile(r"%%(writefile|file)\s.*\.py\s*$")
_MAX_MAGICS = 200
Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Sifted:
    """The source of a module, notes, and (line, cell) where each cell begins, both counted from 1."""

    source: str
    notes: tuple[str, ...] = ()
    starts: tuple[tuple[int, int], ...] = ()

    def place(self, line: int) -> tuple[int, int]:
        """(cell, line in the cell), both counted from 1, of a line of the source; cell 0 stands before them all."""
        start, cell = max((s for s in self.starts if s[0] <= line), default=(1, 0))
        return cell, line - start + 1


@dataclass
class _Statement:
    """One statement at the top of a cell: what it binds, what it needs, whose parts it changes."""

    cell: int
    node: ast.stmt
    binds: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)  # read when it is run
    needs: set[str] = field(default_factory=set)  # these, and what its functions read when they are called
    touches: set[str] = field(default_factory=set)
    kept: bool = False
    barred: bool = False  # never kept

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, (ast.Import, ast.ImportFrom))


@dataclass
class _Cell:
    text: str
    statements: list[_Statement] = field(default_factory=list)
    problem: str = ""
    remarks: list[str] = field(default_factory=list)


def sift(cells: Sequence[str], roots: Iterable[str], allowed: Sequence[str] | None = None) -> Sifted:
    """The source that defines `roots`, from cells in the order in which they were run.

    Of star imports those from `allowed` packages are kept (None: all): whatever else may have come from one fails by
    its own name, in the line where it is used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = [_parsed(number, text) for number, text in enumerate(cells)]
    for cell in parsed:
        _drop_star_imports(cell, allowed)
    statements = [s for cell in parsed for s in cell.statements]
    _choose(_without_superseded(statements), set(roots))
    notes = list(_notes(parsed))
    lines, starts = [_futures(statements)], []
    for number in _order(parsed):
        starts.append((len(lines) + 1, number + 1))
        lines += _written(parsed[number])
    return Sifted("\n".join(lines) + "\n", tuple(notes), tuple(starts))


def _notes(cells: list[_Cell]) -> Iterator[str]:
    for number, cell in enumerate(cells, 1):
        if cell.problem:
            yield f"cell {number} was left out: {cell.problem}"
        for remark in cell.remarks:
            yield f"cell {number} {remark}"


# --- from text to statements -----------------------------------------------------------------------------------------


def _parsed(number: int, text: str) -> _Cell:
    first = text.lstrip().partition("\n")[0].rstrip()
    text, tree, problem = _python_of(text)
    cell = _Cell(text, problem=problem, remarks=_about_magic(first))
    if tree is None:
        return cell
    try:
        cell.statements = [_statement(number, node) for node in tree.body]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _Cell(text, problem=_words(error))
    return cell


def _about_magic(first: str) -> list[str]:
    """What is said of a cell that begins with a cell magic, which may hide a solution."""
    if not first.startswith("%%") or _runs_body(first):
        return []
    magic = printable(first.split()[0], 30)
    if _WRITES_MODULE.match(first):
        return [f"begins with {magic}; what it writes is graded as if the cell defined it"]
    return [f"begins with {magic}, so nothing in it is graded"]


def _runs_body(first: str) -> bool:
    return first[2:].split(None, 1)[:1] in [[m] for m in BODY_MAGICS]


def _drop_star_imports(cell: _Cell, allowed: Sequence[str] | None) -> None:
    """Without `from x import *` of packages that the topic does not allow."""
    for statement in cell.statements:
        node = statement.node
        if allowed is None or not isinstance(node, ast.ImportFrom) or not _imports_everything(node):
            continue
        package = (node.module or "").partition(".")[0]
        if package not in allowed and package not in sys.stdlib_module_names:
            statement.barred = True
            words = printable(f"from {node.module or '.'} import *", 60)
            cell.remarks.append(f"has `{words}`, which this topic does not allow and which is left out")


def _python_of(text: str) -> tuple[str, ast.Module | None, str]:
    """(text with magics as comments, its tree, what is wrong with it).

    Only a line at which Python itself stumbles is taken for a magic: `%d items` in a text stays.
    """
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if not _runs_body(lines[first].lstrip()) and not _WRITES_MODULE.match(lines[first].strip()):
            return "\n".join("# " + line for line in lines), ast.Module([], []), ""
        lines[first] = "# " + lines[first]
    for _ in range(_MAX_MAGICS):
        try:
            return "\n".join(lines), ast.parse("\n".join(lines)), ""
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            if not 0 <= at < len(lines) or not _MAGIC.match(lines[at]):
                return text, None, _words(error)
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            lines[at] = f"{indent}pass  # {lines[at].strip()}"
        except (ValueError, RecursionError, MemoryError) as error:
            return text, None, _words(error)
    return text, None, "it holds too many magics"


def _words(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return printable(f"line {error.lineno}: {error.msg}", 120)
    return "it is nested too deeply" if isinstance(error, RecursionError) else printable(str(error), 120)


def _statement(cell: int, node: ast.stmt) -> _Statement:
    statement = _Statement(cell, node)
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            statement.binds.add(symbol.get_name())
        if symbol.is_referenced():
            statement.loads.add(symbol.get_name())
    statement.needs |= statement.loads
    waiting = list(table.get_children())
    while waiting:
        inner = waiting.pop()
        waiting += inner.get_children()
        names = {s.get_name() for s in inner.get_symbols() if s.is_global()}
        statement.needs |= names
        if inner.get_type() == "class":
            statement.loads |= names
    if not isinstance(node, Definition):
        statement.touches = _touched(node)
    return statement


def _touched(node: ast.stmt) -> set[str]:
    """Variables whose parts it sets or whose methods it calls: `TABLE[0] = 1`, `Net.forward = f`, `xs.append(x)`."""
    found = set()
    for part in ast.walk(node):
        target: ast.expr | None = None
        if isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            target = part.value
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            target = part.func.value
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


# --- which ones to keep ----------------------------------------------------------------------------------------------


def _without_superseded(statements: list[_Statement]) -> list[_Statement]:
    """Without plain bindings that a later one replaces unread: a slip that was mended need not load."""
    result, later = [], set[str]()
    for statement in reversed(statements):
        name = _plain_name(statement)
        if name is not None and name in later:
            continue
        result.append(statement)
        later -= statement.loads
        if name is not None and name not in statement.loads:
            later.add(name)
    return result[::-1]


def _plain_name(statement: _Statement) -> str | None:
    """The one name that a plain assignment or an undecorated definition binds."""
    node = statement.node
    if isinstance(node, Definition):
        return None if node.decorator_list else node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        return node.target.id
    return None


def _choose(statements: list[_Statement], wanted: set[str]) -> None:
    """Mark what binds or changes a wanted name; what that needs is wanted, too."""
    chooser = _Chooser([s for s in statements if not s.barred and not _is_ours(s.node)])
    for statement in chooser.statements:
        if _imports_everything(statement.node):
            chooser.keep(statement)
    chooser.want(wanted)
    chooser.finish()


class _Chooser:
    """Each statement is kept once and each name is asked for once, so the work grows with the text alone."""

    def __init__(self, statements: list[_Statement]) -> None:
        self.statements = statements
        self.binders, self.touchers = _by_name(statements, "binds"), _by_name(statements, "touches")
        self.wanted: set[str] = set()
        self.variables: set[str] = set()  # wanted names that a kept statement binds: who changes their parts counts
        self.waiting: list[str] = []
        self.looked_up = False

    def want(self, names: Iterable[str]) -> None:
        new = [n for n in names if n not in self.wanted]
        self.wanted.update(new)
        self.waiting += new

    def finish(self) -> None:
        while self.waiting:
            name = self.waiting.pop()
            for statement in self.binders.get(name, ()):
                self.keep(statement)
                self._vary(statement, name)

    def keep(self, statement: _Statement) -> None:
        if statement.kept:
            return
        statement.kept = True
        self.want(statement.needs)
        if statement.needs & LOOKS_UP_NAMES and not self.looked_up:
            self.looked_up = True
            self.want(s.node.name for s in self.statements if isinstance(s.node, Definition))
        for name in statement.binds & self.wanted:
            self._vary(statement, name)

    def _vary(self, statement: _Statement, name: str) -> None:
        if statement.is_import or name in self.variables:
            return
        self.variables.add(name)
        for toucher in self.touchers.get(name, ()):
            self.keep(toucher)


def _by_name(statements: list[_Statement], names: str) -> dict[str, list[_Statement]]:
    found: dict[str, list[_Statement]] = defaultdict(list)
    for statement in statements:
        for name in getattr(statement, names):
            found[name].append(statement)
    return found


def _order(cells: list[_Cell]) -> list[int]:
    """The cells in their order, but a cell that needs a later one's names to load comes after that one."""
    kept = [[s for s in cell.statements if s.kept] for cell in cells]
    first: dict[str, int] = {}  # the first cell that binds a name
    for number, statements in enumerate(kept):
        for name in {n for s in statements for n in s.binds}:
            first.setdefault(name, number)
    later = [
        sorted({first.get(n, -1) for s in statements for n in s.loads if first.get(n, -1) > number})
        for number, statements in enumerate(kept)
    ]
    return _after(later)


def _after(needs: list[list[int]]) -> list[int]:
    """0, 1, 2, ... but each number after those that it needs; a circle is cut where it closes."""
    order: list[int] = []
    begun: set[int] = set()
    for start in range(len(needs)):
        way = [(start, iter(needs[start]))] if start not in begun else []
        begun.add(start)
        while way:
            number, rest = way[-1]
            following = next((n for n in rest if n not in begun), None)
            if following is None:
                order.append(way.pop()[0])
            else:
                begun.add(following)
                way.append((following, iter(needs[following])))
    return order


def _imports_everything(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)


def _is_ours(node: ast.stmt) -> bool:
    """`from grader.notebooks import check`, which no worker may import; and `__future__`, which comes first."""
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == "grader" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("grader", "__future__")


def _futures(statements: list[_Statement]) -> str:
    nodes = [s.node for s in statements if isinstance(s.node, ast.ImportFrom) and s.node.module == "__future__"]
    names = sorted({alias.name for node in nodes for alias in node.names} - {"*"})
    return f"from __future__ import {', '.join(names)}" if names else "#"


# --- from statements to text -----------------------------------------------------------------------------------------


def _written(cell: _Cell) -> list[str]:
    """The lines of a cell, with what is left out as comments."""
    lines = cell.text.split("\n")
    if cell.problem or not any(s.kept for s in cell.statements):
        return [_comment(line) for line in lines]
    keep = [""] * len(lines)
    for group in _by_lines(cell.statements):
        first, last = _first_line(group[0].node), max(s.node.end_lineno or 0 for s in group)
        if all(s.kept for s in group):
            keep[first - 1 : last] = ["keep"] * (last - first + 1)
        elif any(s.kept for s in group):  # `a = 1; print(a)`
            lines[first - 1] = "; ".join(ast.unparse(s.node) for s in group if s.kept)
            keep[first - 1] = "keep"
    return [line if keep[i] else _comment(line) for i, line in enumerate(lines)]


def _by_lines(statements: list[_Statement]) -> list[list[_Statement]]:
    """Statements that share a line, together."""
    groups: list[list[_Statement]] = []
    last = 0  # line of the group that is being filled
    for statement in statements:
        if groups and _first_line(statement.node) <= last:
            groups[-1].append(statement)
        else:
            groups.append([statement])
        last = max(last, statement.node.end_lineno or 0)
    return groups


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(d.lineno for d in decorators)])


def _comment(line: str) -> str:
    return f"# {line}" if line.strip() and not line.lstrip().startswith("#") else line.strip()
