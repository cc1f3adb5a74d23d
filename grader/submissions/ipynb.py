"""A notebook's code cells as text, and what is odd about it; nothing of it is executed or parsed as Python.

A notebook is data that a student wrote: keys may be missing, cells may be duplicated, retyped or moved, outputs may be
larger than everything else together. What can be read is read, what is odd is noted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from grader.text import printable

HANDED_OUT = "public_checks.json"  # lies beside a notebook that was handed out; it is no work of the student's
MAX_NOTEBOOK = 200 << 20  # bytes of a notebook with its outputs
MAX_CONTENT = 8 << 20  # characters of one without them
MAX_TOKENS = 4_000_000
UNREADABLE = "not a notebook that can be read; save it again"
MAX_NOTES, MAX_NOTE = 30, 300  # of a notebook; characters of one
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)  # an open text is one token
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_BULKY = ("outputs", "attachments", "widgets")


@dataclass(frozen=True)
class Notebook:
    """The text of each code cell, in order, and sentences about what is odd."""

    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_notebook(data: bytes) -> Notebook:
    """The code cells of a notebook; raises `ValueError` for what is no notebook."""
    try:
        document = load(data)
        cells = [c for c in document["cells"] if isinstance(c, dict)]
        texts = [_clean_text(c) for c in cells if is_code(c)]
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(UNREADABLE) from None
    if texts and all(text is None for text, _ in texts):
        raise ValueError(UNREADABLE)
    notes = [f"cell {number} {remark}" for number, (_, remark) in enumerate(texts, 1) if remark]
    return Notebook(tuple(text or "" for text, _ in texts), tuple(notes + _oddities(document, cells)))


def _clean_text(cell: dict[str, Any]) -> tuple[str | None, str]:
    """(text, what is odd about it): what no Python file can hold costs this cell at most."""
    try:
        text = text_of(cell)
    except TypeError:
        return None, "holds no text and was left out"
    odd = _NO_TEXT.findall(text)
    if not odd:
        return text, ""
    return _NO_TEXT.sub("\ufffd", text), f"holds {len(odd)} characters that are none (halves of emojis, NULs)"


def bounded(notes: list[str]) -> list[str]:
    """So many notes, each so long."""
    shown = [printable(note, MAX_NOTE) for note in notes[:MAX_NOTES]]
    return shown + ([f"{len(notes) - MAX_NOTES} more notes"] if len(notes) > MAX_NOTES else [])


def load(data: bytes) -> dict[str, Any]:
    """The notebook's document; large ones without their outputs. Raises `ValueError`."""
    try:
        text = data.decode("utf-8-sig")
        if len(text) > MAX_CONTENT:
            text = _without_bulk(text)
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(UNREADABLE) from None
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError(UNREADABLE)
    return document


def _without_bulk(text: str) -> str:
    """Without outputs, attachments and widget states, which are never even decoded."""
    kept: list[str] = []
    start = depth = 0
    skipping: int | None = None
    for number, match in enumerate(_TOKEN.finditer(text)):
        token = match[0]
        if len(token) > 1 and token[-1] != '"':
            raise ValueError(UNREADABLE)
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
            if depth == skipping:
                start, skipping = match.end(), None
        elif skipping is None and token[1:-1] in _BULKY and _opens(text, match.end()):
            kept += [text[start : match.end()], ": ", "[]" if token == '"outputs"' else "{}"]
            skipping = depth
        if number > MAX_TOKENS:
            raise ValueError("too many parts")
    kept.append(text[start:] if skipping is None else "")
    if sum(map(len, kept)) > MAX_CONTENT:
        raise ValueError("too large even without outputs")
    return "".join(kept)


def _opens(text: str, at: int) -> bool:
    """Whether a key with a list or an object as its value ends here."""
    return re.match(r"\s*:\s*[\[{]", text[at : at + 50]) is not None


def text_of(cell: dict[str, Any]) -> str:
    """A cell's source, one text with plain line ends."""
    source = cell.get("source", "")
    text = source if isinstance(source, str) else "" if source is None else "".join(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def marks_of(cell: dict[str, Any]) -> dict[str, Any]:
    """nbgrader's metadata of a cell; {} where there is none."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def id_of(cell: dict[str, Any]) -> str:
    """nbgrader's name of a cell, or ""."""
    name = marks_of(cell).get("grade_id")
    return name if isinstance(name, str) else ""


def is_code(cell: dict[str, Any]) -> bool:
    """A code cell, or one that was handed out as code and has been retyped."""
    return cell.get("cell_type") == "code" or _handed_out_as(cell) == "code"


def _handed_out_as(cell: dict[str, Any]) -> Any:
    marks = marks_of(cell)
    return marks.get("cell_type") if marks.get("solution") else None


def _oddities(document: dict[str, Any], cells: list[dict[str, Any]]) -> list[str]:
    """Sentences about copied, deleted and retyped cells and other kernels."""
    names = Counter(id_of(c) for c in cells if id_of(c))
    notes = [f"cell {_name(n)} is there {count} times; the last one counts" for n, count in names.items() if count > 1]
    expected = _listed(document)
    gone = [n for n in expected if n not in names]
    notes += [f"cell {_name(n)} was deleted" for n in gone]
    listed = set(expected)
    order = [n for n in dict.fromkeys(map(id_of, reversed(cells))) if n in listed]
    if order[::-1] != [n for n in expected if n in names]:
        notes.append("cells were moved")
    for cell in cells:
        if _handed_out_as(cell) == "code" and cell.get("cell_type") != "code":
            kind = printable(str(cell.get("cell_type")), 20)
            notes.append(f"cell {_name(id_of(cell))} was made a {kind} cell; it is graded as code")
    return notes + _about_kernel(document)


def _listed(document: dict[str, Any]) -> list[str]:
    """The cells that were handed out, as the notebook's own metadata lists them."""
    metadata = document.get("metadata")
    ours = metadata.get("grader") if isinstance(metadata, dict) else None
    listed = ours.get("cells") if isinstance(ours, dict) else None
    return [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []


def _about_kernel(document: dict[str, Any]) -> list[str]:
    metadata = document.get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = spec.get("language") if isinstance(spec, dict) else None
    if not isinstance(language, str) or language.lower() in ("python", "python3", "ipython", ""):
        return []
    return [f"the notebook is set to the language '{printable(language, 30)}'; it is graded as Python"]


def _name(name: str) -> str:
    return f"'{printable(name, 60)}'"
