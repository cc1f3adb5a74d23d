"""Reports: each module `to_NAME.py` here is the format NAME, found by its name alone.

Such a module has the name of the file that it makes as `FILE`, and `write(report, path)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from grader.errors import UsageError
from grader.text import printable

if TYPE_CHECKING:  # whoever only asks for names waits for no models
    from grader.results import Report

DEFAULT = ("json", "csv")
PREFIX = "to_"


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
    """Write each format into the folder, which is made where there is none; returns the files."""
    names = known(formats)
    make_folder(Path(folder))
    return [_write(report, Path(folder), name) for name in names]


def make_folder(folder: Path) -> None:
    """To be called before any work is done, so that hours of it are not lost to a slip."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _write(report: Report, folder: Path, name: str) -> Path:
    """Under a hidden name first, so that no moment leaves half a file."""
    path = folder / file_of(name)
    half = path.with_name(f".{path.name}.half")
    try:
        _module(name).write(report, half)
        half.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _module(name: str) -> ModuleType:
    (name,) = known([name])
    return importlib.import_module(f"{__name__}.{PREFIX}{name}")


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot be written: {error.strerror}", str(path), "choose another folder with -o")
