"""From the bytes of a Python file to its text: byte-order marks, coding cookies (PEP 263), line ends."""

from __future__ import annotations

import codecs
import re

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#[^\r\n]*)?$")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
# What people's editors write. Others are refused: some take quadratic time, some unpack, one runs escapes.
_TEXTS = frozenset(
    [f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)]
    + [f"cp{n}" for n in (437, 850, 852, 855, 858, 866, 932, 949, 950, 1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257)]
    + ["utf-8", "utf-8-sig", "ascii", "koi8-r", "koi8-u", "mac-roman", "gbk", "gb2312", "gb18030", "big5", "euc_jp"]
    + ["euc_kr", "shift_jis", "johab", "cp1258"]
)


def decoded(data: bytes) -> str:
    """The text, with plain line ends; raises `ValueError` where its encoding cannot be decided."""
    text = _text(data)
    if "\0" in text:
        raise ValueError("holds NUL characters; it is not a text file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _read(data[len(mark) :], encoding, "its byte-order mark says")
    cookie = _cookie_of(data)
    if cookie is not None:
        return _read(data, _known(cookie), "its first lines say")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"not UTF-8 text (line {line}); save it as UTF-8") from None


def _read(data: bytes, encoding: str, says: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"not {encoding} text, which {says}; save it as UTF-8") from None


def _cookie_of(data: bytes) -> str | None:
    """The encoding that one of the first two lines names; the second counts only after a blank or a comment."""
    for line in re.split(rb"\r\n|\r|\n", data[:1000], maxsplit=2)[:2]:
        if found := _COOKIE.match(line):
            return found[1].decode("ascii", "replace")
        if not _BLANK.match(line):
            return None
    return None


def _known(cookie: str) -> str:
    try:
        name = codecs.lookup(cookie).name
    except (LookupError, ValueError):
        name = ""
    if name not in _TEXTS:
        raise ValueError(f"in the encoding '{cookie[:40]}', which is not read here; save it as UTF-8")
    return name
