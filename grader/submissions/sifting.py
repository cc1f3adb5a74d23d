"""From the cells of a notebook to the source of a module: what the graded names need, and no loose statements.

A notebook is a protocol of trials: plots, prints, `input()`, training loops, widgets. Of these a worker gets the
definitions that the exercise asks for, and the functions, imports and variables that they need, found by their names.
What is left out stays as comments, so that lines keep their place in the cell.

Students' text is parsed here, which can take a Python interpreter down; the supervisor therefore asks a process of its
own (`Sifter`), which runs `python -m grader.submissions.sifting`.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import symtable
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.environment import clean_environment
from grader.text import printable

SECONDS = 20.0  # for one notebook
MEMORY = 2 << 30
BODY_MAGICS = ("check", "time", "capture", "prun", "debug")  # cell magics that run their cell as Python here
LOOKS_UP_NAMES = {"globals", "eval", "exec", "vars"}
_MAGIC = re.compile(r"^\s*([%!?]|.*\?\s*$|[\w, ]+=\s*[%!])")
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

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, (ast.Import, ast.ImportFrom))


@dataclass
class _Cell:
    text: str
    statements: list[_Statement] = field(default_factory=list)
    problem: str = ""


def sift(cells: Sequence[str], roots: Iterable[str]) -> Sifted:
    """The source that defines `roots`, from cells in the order in which they were run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = [_parsed(number, text) for number, text in enumerate(cells)]
    statements = [s for cell in parsed for s in cell.statements]
    _choose(_without_superseded(statements), set(roots))
    notes = [f"cell {i} was left out: {cell.problem}" for i, cell in enumerate(parsed, 1) if cell.problem]
    lines, starts = [_futures(statements)], []
    for number in _order(parsed):
        starts.append((len(lines) + 1, number + 1))
        lines += _written(parsed[number])
    return Sifted("\n".join(lines) + "\n", tuple(notes), tuple(starts))


# --- from text to statements -----------------------------------------------------------------------------------------


def _parsed(number: int, text: str) -> _Cell:
    text, tree, problem = _python_of(text)
    cell = _Cell(text, problem=problem)
    if tree is None:
        return cell
    try:
        cell.statements = [_statement(number, node) for node in tree.body]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _Cell(text, problem=_words(error))
    return cell


def _python_of(text: str) -> tuple[str, ast.Module | None, str]:
    """(text with magics as comments, its tree, what is wrong with it).

    Only a line at which Python itself stumbles is taken for a magic: `%d items` in a text stays.
    """
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if lines[first].lstrip()[2:].split(None, 1)[:1] not in [[m] for m in BODY_MAGICS]:
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
    changed = True
    while changed:
        changed = False
        variables = {n for s in statements if s.kept and not s.is_import for n in s.binds & wanted}
        for statement in statements:
            if statement.kept or _is_ours(statement.node):
                continue
            if statement.binds & wanted or statement.touches & variables or _imports_everything(statement.node):
                statement.kept = changed = True
                wanted |= statement.needs
                if statement.needs & LOOKS_UP_NAMES:
                    wanted |= {s.node.name for s in statements if isinstance(s.node, Definition)}


def _order(cells: list[_Cell]) -> list[int]:
    """The cells in their order, but a cell that needs a later one's names to load comes after that one."""
    kept = [[s for s in cell.statements if s.kept] for cell in cells]
    binds = [{n for s in statements for n in s.binds} for statements in kept]
    order: list[int] = []

    def place(number: int, way: tuple[int, ...]) -> None:
        if number in order or number in way:
            return
        needed = {n for s in kept[number] for n in s.loads} - {n for b in binds[: number + 1] for n in b}
        for later in range(number + 1, len(cells)):
            if binds[later] & needed:
                place(later, (*way, number))
                needed -= binds[later]
        order.append(number)

    for number in range(len(cells)):
        place(number, ())
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
    for statement in statements:
        if groups and _first_line(statement.node) <= max(s.node.end_lineno or 0 for s in groups[-1]):
            groups[-1].append(statement)
        else:
            groups.append([statement])
    return groups


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(d.lineno for d in decorators)])


def _comment(line: str) -> str:
    return f"# {line}" if line.strip() and not line.lstrip().startswith("#") else line.strip()


# --- a process of its own --------------------------------------------------------------------------------------------


class Sifter:
    """Asks a process to sift notebooks, one after the other; a new one where a notebook took it down."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, cells: Sequence[str], roots: Iterable[str]) -> Sifted:
        """`sift`, or the plain cells with a note where they cannot be taken apart."""
        answer = self._ask(json.dumps({"cells": list(cells), "roots": sorted(roots)}))
        if answer is None:
            self.close()
            note = "the cells could not be taken apart; they are graded as they are"
            return Sifted("\n\n".join(cells) + "\n", (note,))
        data = json.loads(answer)
        return Sifted(data["source"], tuple(data["notes"]), tuple((line, cell) for line, cell in data["starts"]))

    def _ask(self, line: str) -> str | None:
        process = self.process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            return process.stdout.readline() or None
        except OSError:
            return None
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-I", "-B", "-m", "grader.submissions.sifting"],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
            text=True,
            encoding="ascii",
            start_new_session=True,
        )

    def close(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()


def main() -> None:
    """Answer lines until the input ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # no such limit here
    for line in sys.stdin:
        job = json.loads(line)
        sifted = sift(job["cells"], job["roots"])
        answer = {"source": sifted.source, "notes": sifted.notes, "starts": sifted.starts}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
