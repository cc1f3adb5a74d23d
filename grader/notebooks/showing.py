"""A group's results as a student reads them, in a notebook or a comment: every word escaped for where it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from grader.notebooks.groups import Group
from grader.results import CheckResult, Verdict

_LINE = re.compile(r"\(line (\d+)")
Place = Callable[[int], tuple[int, int]]  # line of the source -> (cell, line in the cell)


def head_of(group: Group) -> str:
    """`2 of 3 public checks pass, 4 of 6 points`."""
    passed = len(group.checks) - len(group.failed)
    kind, number = group.id.visibility, len(group.checks)
    return f"{passed} of {number} {kind} checks pass, {group.points:g} of {group.max_points:g} points"


def lines_of(check: CheckResult, place: Place | None = None) -> list[str]:
    """What there is to say of a check that did not pass: its title, what happened, the mistake that was recognised."""
    said = [f"{check.verdict}: {check.title}"]
    said += [in_cells(check.message, place)] if check.message else []
    return said + ([check.advice] if check.advice else [])


def in_cells(message: str, place: Place | None) -> str:
    """`(line 57: …)` of the source as `(cell 4, line 3: …)` of the notebook."""
    if place is None:
        return message

    def located(match: re.Match[str]) -> str:
        cell, line = place(int(match[1]))
        return f"(cell {cell}, line {line}" if cell else match[0]

    return _LINE.sub(located, message)


def html_of(group: Group, notes: tuple[str, ...] = (), place: Place | None = None) -> str:
    """A small box; no script, no style sheet, nothing but escaped text."""
    colour = "#1a7f37" if not group.failed else "#b35900"
    items = "".join(_item(c, place) for c in group.failed)
    also = "".join(f"<div>note: {escape(note)}</div>" for note in notes)
    return (
        f'<div style="border-left:4px solid {colour};padding-left:8px">'
        f"<b>{escape(group.id.unit)}</b>: {escape(head_of(group))}{also}"
        f"{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def _item(check: CheckResult, place: Place | None) -> str:
    first, *rest = lines_of(check, place)
    return f"<li>{escape(first)}{''.join(f'<br>{escape(line)}' for line in rest)}</li>"


def text_of(groups: list[Group], notes: tuple[str, ...] = (), place: Place | None = None) -> str:
    """A comment for a unit: what failed in its groups, in plain lines; "" where all passed and nothing is odd."""
    lines = [f"Note: {note}." for note in notes]
    for group in groups:
        if group.failed:
            lines.append(head_of(group) + ":")
            lines += [f"- {' — '.join(lines_of(c, place))}" for c in _few(group.failed)]
    return "\n".join(lines)


def _few(failed: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    """Where nothing is written yet, once is enough."""
    if all(c.verdict is Verdict.MISSING and c.message == failed[0].message for c in failed):
        return failed[:1]
    return failed
