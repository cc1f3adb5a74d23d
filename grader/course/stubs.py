"""Stubs, derived from the solutions: what stands between the markers becomes one `raise NotImplementedError`.

The markers are nbgrader's own, so that files and notebooks come from one source.
Run `python -m grader.course.stubs` to write `exercises/<topic>.py` for every solution; a test holds them in step.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from grader.errors import CourseError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_DEFINITION = re.compile(r"^(\s*)(?:async\s+def|def|class)\s+(\w+)")


def derive_stub(source: str, where: str = "solution") -> str:
    """The stub of a solution's source; raises `CourseError` for markers that do not pair up."""
    stub: list[str] = []
    opened: int | None = None
    lines = source.split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip() == BEGIN:
            if opened is not None:
                raise CourseError(f"a second '{BEGIN}'", f"{where}:{number}", f"close the one of line {opened} first")
            opened = number
            stub += _replacement(lines[: number - 1], line)
        elif line.strip() == END:
            if opened is None:
                raise CourseError(f"'{END}' without a beginning", f"{where}:{number}", f"add '{BEGIN}' above it")
            opened = None
        elif opened is None:
            stub.append(line)
    if opened is not None:
        raise CourseError(f"'{BEGIN}' is never closed", f"{where}:{opened}", f"add '{END}' below it")
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(stub).rstrip() + "\n")


def _replacement(before: list[str], marker: str) -> list[str]:
    """What stands for a block: nothing at module level, a NotImplementedError that names the function elsewhere."""
    indent = marker[: len(marker) - len(marker.lstrip())]
    return [f'{indent}raise NotImplementedError("{_enclosing(before, len(indent))}")'] if indent else []


def _enclosing(before: list[str], width: int) -> str:
    """Dotted name of the function around a block that is indented by `width`."""
    names: list[str] = []
    for line in reversed(before):
        found = _DEFINITION.match(line)
        if found and len(found[1]) < width:
            names.insert(0, found[2])
            width = len(found[1])
    return ".".join(names)


def names_of(source: str) -> set[str]:
    """The names that a stub binds at its top: what a submission may be asked for."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            names |= {part.id for part in targets if isinstance(part.ctx, ast.Store)}
    return names


def write_stubs(root: Path) -> list[Path]:
    """Write the stub of every solution below `root`; returns the files that changed."""
    changed = []
    for solution in sorted(root.glob("solutions/*.py")):
        stub = derive_stub(solution.read_text(encoding="utf-8"), f"solutions/{solution.name}")
        path = root / "exercises" / solution.name
        if not path.is_file() or path.read_text(encoding="utf-8") != stub:
            path.write_text(stub, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for path in write_stubs(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()):
        print(path)
