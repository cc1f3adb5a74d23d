"""Notebooks as submissions: the text of their code cells, nothing of them executed."""

from __future__ import annotations

import json

from grader.submissions import SubmittedFile


def source_of_notebook(data: bytes, name: str, digest: str) -> SubmittedFile:
    """The code cells of a notebook joined to one source; magics and shell lines become comments."""
    try:
        cells = json.loads(data.decode("utf-8-sig"))["cells"]
        code = [_text(c["source"]) for c in cells if c.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return SubmittedFile(name, None, digest, f"{name} is not a notebook that can be read; save it again")
    return SubmittedFile(name, "\n\n".join(map(_without_magics, code)) + "\n", digest)


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _without_magics(cell: str) -> str:
    if cell.lstrip().startswith("%%"):
        return "\n".join("# " + line for line in cell.splitlines())
    lines = cell.splitlines()
    return "\n".join("# " + line if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
