"""How the command speaks: colour where it is wanted, words on standard error."""

from __future__ import annotations

import os
from collections.abc import Callable

import click


def wants_colour() -> bool | None:
    """NO_COLOR and FORCE_COLOR, as their authors define them; None leaves it to whether this is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def painter(colour: bool) -> Callable[[str, str], str]:
    """A function (text, colour) -> text, which leaves text alone where no colour is wanted."""

    def paint(text: str, name: str) -> str:
        if not colour:
            return text
        return click.style(text, bold=True) if name == "bold" else click.style(text, fg=name)

    return paint


def say(text: str) -> None:
    """A line on standard error."""
    click.echo(text, err=True, color=wants_colour())
