"""What may leave of a hidden check: one of at most `MOST` messages, however it fails.

A submission sees the inputs of a hidden check and chooses how it ends, so every choice of words that it has carries a
little of them out. Beside the verdict that is at most 10 bits of a check, whatever is raised or returned:

- an error is told by a name of `NAMED`, the first among its bases, and a line of the judged unit's own code;
- a line is told only of a unit of at most `MAX_LINES` lines of code, which the source fixes before anything is run;
- a recognised mistake stands in the place of the line;
- what a second run found (a mistake, whose doing it is) stands in the place of what the first one did;
- the time that a check took is not told.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from grader.judge.verdicts import Outcome
from grader.results import Verdict

MOST = 1 << 10  # messages about one hidden check, beside its verdict: 10 bits
MAX_LINES = 64  # of a unit's code, one of which may be told
NAMED = (  # errors that students meet; any other bears the name of its nearest base here, or none
    "AssertionError", "AttributeError", "IndexError", "KeyError", "NameError", "RecursionError", "RuntimeError",
    "TypeError", "ValueError", "ZeroDivisionError",
)  # fmt: skip
MAX_BLAMED = 2  # functions, of those given which a check passes, that are told one by one
MAX_UNIT = 1 << 16  # characters of a unit that are read
SILENT = {tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER}


def redacted(outcome: Outcome, diagnosed: bool, by_second_run: bool) -> Outcome:
    """The outcome with what may be told of it, beside a mistake that was recognised or what a second run found."""
    if by_second_run:
        return Outcome(outcome.verdict, safe=outcome.verdict.words, loading=outcome.loading)
    return replace(outcome, placed=not diagnosed)


def raised(verdict: Verdict, names: Iterable[str]) -> str:
    """That an error was raised whose class and bases have these names."""
    if verdict is Verdict.MEMORY:
        return verdict.words
    return f"{next((n for n in names if n in NAMED), 'an error')} was raised"


def blamed(names: Sequence[str], suspects: Collection[str], given: Sequence[str]) -> tuple[str, ...]:
    """The functions to blame: `names`, or, where they are many, all suspects among the `given` ones.

    Which functions a submission calls is its own choice, and one of many sets would tell as many bits as it has names.
    """
    if len(names) <= MAX_BLAMED:
        return tuple(names)
    return tuple(n for n in given if n in suspects)


# --- lines -----------------------------------------------------------------------------------------------------------


def lines_of(text: str, unit: Sequence[str]) -> frozenset[int]:
    """The lines of code of a unit, by its names: of the first, and of the others as long as all are at most 64."""
    lines: set[int] = set()
    for name in unit:
        more = lines | _code_lines(text, name)
        lines = more if len(more) <= MAX_LINES else lines
    return frozenset(lines)


def _code_lines(text: str, name: str) -> set[int]:
    """The lines of the last definition of a function or class at the top of a file; a few more than 64 at most."""
    found = list(re.finditer(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", text, re.M))
    if not found:
        return set()
    start = found[-1].start()
    before = text.count("\n", 0, start)
    tokens = tokenize.generate_tokens(io.StringIO(text[start : start + MAX_UNIT]).readline)
    try:
        return {before + row for row in _rows_with_code(tokens)}
    except (tokenize.TokenError, SyntaxError):
        return set()


def _rows_with_code(tokens: Iterable[tokenize.TokenInfo]) -> set[int]:
    """The rows on which the tokens of the first statement and its block begin, but for docstrings and comments."""
    rows: set[int] = set()
    statement: set[int] = set()
    depth, is_text = 0, True
    for token in tokens:
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
            if depth == 0:
                break
        elif token.type == tokenize.NEWLINE:
            rows |= set() if is_text else statement
            statement, is_text = set(), True
        elif token.type not in SILENT:
            if (rows and depth == 0) or len(rows | statement) > MAX_LINES:
                break
            statement.add(token.start[0])
            is_text = is_text and token.type == tokenize.STRING
    return rows | statement
