"""The text of a notebook's code cells; nothing of them is executed."""

from __future__ import annotations

import json
from typing import Any


def source_of_notebook(data: bytes) -> str:
    """The code cells of a notebook joined to one source; raises `ValueError` for what is no notebook."""
    try:
        cells = json.loads(data.decode("utf-8-sig"))["cells"]
        code = [_text(c["source"]) for c in cells if c.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("not a notebook that can be read; save it again") from None
    return "\n\n".join(map(_without_magics, code)) + "\n"


def _text(source: Any) -> str:
    text = source if isinstance(source, str) else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_magics(cell: str) -> str:
    """Magics and shell lines become comments, so that every line keeps its number."""
    lines = cell.split("\n")
    if cell.lstrip().startswith("%%"):
        return "\n".join("# " + line for line in lines)
    return "\n".join("# " + line if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
