"""Reports: each module `to_NAME.py` here is the format NAME, found by its name alone.

Such a module has the name of the file that it makes as `FILE`, and `write(report, path)`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from grader.errors import Unwritten, UsageError
from grader.text import printable

if TYPE_CHECKING:  # whoever only asks for names waits for no models
    from grader.results import Report

DEFAULT = ("json", "csv")
PREFIX = "to_"
HELP = "choose another folder with -o"


def formats() -> list[str]:
    """The names of all formats, those that are written by default first; none is imported."""
    found = [m.name.removeprefix(PREFIX) for m in pkgutil.iter_modules(__path__) if m.name.startswith(PREFIX)]
    return sorted(found, key=lambda name: (DEFAULT.index(name) if name in DEFAULT else len(DEFAULT), name))


def known(names: Iterable[str], where: str = "") -> list[str]:
    """The names, each once; one that is no format is refused, as a mistake at `where`."""
    chosen, all_names = list(dict.fromkeys(names)), formats()
    for name in chosen:
        if name not in all_names:
            raise UsageError(f"no report '{printable(name)}'", where, f"the reports are {', '.join(all_names)}")
    return chosen


def file_of(name: str) -> str:
    """The name of the file that a format makes."""
    return str(_module(name).FILE)


def write(report: Report, folder: Path | str, formats: Iterable[str] = DEFAULT) -> list[Path]:
    """Write each format into the folder, which is made where there is none; returns the files.

    Each is tried on its own. Raises one `Unwritten` for all that failed, of which nothing is left.
    """
    names = known(formats)
    _make_folder(Path(folder))
    written: list[Path] = []
    failed: list[Unwritten] = []
    for name in names:
        try:
            written.append(_write(report, Path(folder), name))
        except Unwritten as error:
            failed.append(error)
    if failed:
        failed[0].others, failed[0].written = tuple(failed[1:]), written
        raise failed[0]
    return written


def refuse_unusable(folder: Path, formats: Iterable[str] = ()) -> None:
    """Before any work is done, so that hours of it are not lost to a slip: raises `UsageError`.

    Tried and not asked: root may write everywhere but on a read-only mount.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_to_write(folder)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", str(folder), HELP) from None
    for path in (folder / file_of(name) for name in formats):
        if path.is_dir():
            raise UsageError("cannot be written: Is a directory", str(path), HELP)


def try_to_write(folder: Path) -> None:
    """Make a file in the folder and remove it; raises `OSError`."""
    number, name = tempfile.mkstemp(".half", ".grade-", folder)
    os.close(number)
    os.unlink(name)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritten(f"cannot be written: {error.strerror}", str(folder), HELP) from None


def _write(report: Report, folder: Path, name: str) -> Path:
    """Under a hidden name first, so that no moment leaves half a file."""
    path = folder / file_of(name)
    half = path.with_name(f".{path.name}.half")
    try:
        _module(name).write(report, half)
        _put_on_disk(half)
        half.replace(path)
    except Exception as error:  # noqa: BLE001 - a format that fails, for whatever reason, costs no other
        words = getattr(error, "strerror", None) or printable(f"{type(error).__name__}: {error}")
        raise Unwritten(f"cannot be written: {words}", str(path), HELP) from None
    finally:
        with contextlib.suppress(OSError):
            half.unlink()  # gone already, if all went well
    return path


def _put_on_disk(path: Path) -> None:
    """Some file systems only tell now that they are full."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _module(name: str) -> ModuleType:
    (name,) = known([name])
    return importlib.import_module(f"{__name__}.{PREFIX}{name}")
