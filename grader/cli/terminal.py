"""How the command speaks: colour where it is wanted, words on standard error, and no harm where nobody listens."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

import click

from grader.errors import GraderError, NothingToGrade
from grader.text import words_of

GONE = (errno.EPIPE, errno.EIO)  # a pipe without a reader, a terminal that was closed


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
    """A line on standard error, if anybody reads there."""
    with unheard():
        click.echo(text, err=True, color=wants_colour())


def show_error(error: GraderError) -> None:
    """`error: where: problem` and `help: next step`, for every mistake of a file at once."""
    for warning in error.warnings if isinstance(error, NothingToGrade) else ():
        say(f"warning: {warning}")
    for one in [error, *error.others]:
        say(f"{click.style('error:', fg='red', bold=True)} {words_of(str(one))}")
        if one.help:
            say(f"{click.style('help:', fg='cyan')} {words_of(one.help)}")


def put(text: str) -> None:
    """The result on standard output. Raises `OSError`, but not where the reader has gone, as in `grade ... | head`."""
    try:
        click.echo(text, nl=False, color=True)
    except OSError as error:
        _silence(1)
        if error.errno not in GONE:
            raise


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What is said inside on standard error is lost where that can no longer be written, and nothing else is."""
    try:
        yield
    except OSError:
        _silence(2)


def _silence(number: int) -> None:
    """Into nowhere from now on, also what is still in the stream's buffer: Python itself writes that at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
