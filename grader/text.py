"""Untrusted text made harmless: names, messages and output of students, before any report shows them."""

from __future__ import annotations

import re
import unicodedata

MAX_MESSAGE = 600
MAX_NAME = 120
# Control codes (but newline and tab), lone surrogates, and marks that reorder or hide what stands beside them.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def words_of(text: str, limit: int = MAX_MESSAGE) -> str:
    """Text without control characters, marks that reorder it and lone surrogates; bounded."""
    clean = _CONTROL.sub(_escaped, text[: 4 * limit])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def printable(text: str, limit: int = MAX_MESSAGE) -> str:
    """The same on one line."""
    return words_of(" ".join(text[: 4 * limit].split()), limit)


def name_of(text: str) -> str:
    """A student's name as every report shows it: one spelling of each letter, one line, bounded."""
    return printable(unicodedata.normalize("NFC", text[: 4 * MAX_NAME]), MAX_NAME)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 1 << 8 else f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
