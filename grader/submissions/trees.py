"""Trees of files by relative path: a folder on disk or a zip, both read without trust.

Links are not followed, special files are not opened, zips are never unpacked, and everything has a cap.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from grader.errors import UsageError
from grader.text import printable

MAX_UNPACKED = 512 << 20  # bytes of all that is read from one zip
MAX_ENTRIES = 100_000
MAX_DEPTH = 12  # folders within folders
IGNORED = {"__pycache__", ".ipynb_checkpoints", "__MACOSX", ".git", ".venv", ".DS_Store", "Thumbs.db"}
Warn = Callable[[str], None]


def _like_a_file(path: PurePosixPath) -> bool:
    """Whether a folder bears a name that is a file's: `backprop.py/`."""
    return path.suffix in (".py", ".ipynb")


@dataclass
class Tree:
    """Files by relative path, from a folder or a zip; `odd` holds what lies there and is no file, with the reason."""

    where: str
    read: Callable[[PurePosixPath, int], bytes]  # (path, cap) -> at most cap + 1 bytes; raises OSError
    files: list[PurePosixPath] = field(default_factory=list)
    folders: set[PurePosixPath] = field(default_factory=set)
    odd: dict[PurePosixPath, str] = field(default_factory=dict)

    @property
    def top(self) -> list[PurePosixPath]:
        return [f for f in self.files if len(f.parts) == 1]

    def parts(self) -> dict[str, Tree]:
        """The tree below each of the folders at the top, by name, in order."""
        names = sorted({p.parts[0] for p in self.folders} | {f.parts[0] for f in self.files if len(f.parts) > 1})
        parts = {name: Tree(f"{self.where}/{name}", self._reader(name)) for name in names}
        for path in self.files:
            if len(path.parts) > 1:
                parts[path.parts[0]].files.append(PurePosixPath(*path.parts[1:]))
        for path in self.folders:
            if len(path.parts) > 1:
                parts[path.parts[0]].folders.add(PurePosixPath(*path.parts[1:]))
        for path, reason in self.odd.items():
            if len(path.parts) > 1 and path.parts[0] in parts:
                parts[path.parts[0]].odd[PurePosixPath(*path.parts[1:])] = reason
        return parts

    def _reader(self, folder: str) -> Callable[[PurePosixPath, int], bytes]:
        return lambda path, cap: self.read(folder / path, cap)


def folder_tree(root: Path, warn: Warn) -> Tree:
    """A folder on disk; links are not followed and special files are not opened."""
    tree = Tree(str(root), lambda path, cap: read_regular(root / path, cap))
    waiting = [PurePosixPath()]
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(os.scandir(root / here), key=lambda e: e.name)
        except OSError as error:
            if not here.parts:
                raise UsageError(f"cannot be read: {error.strerror}", str(root), "check the folder's rights") from None
            warn(f"{root / here}: cannot be read ({error.strerror}); the rest is graded")
            continue
        for entry in entries:
            if entry.name not in IGNORED:
                _enter(entry, here / entry.name, tree, waiting, warn)
        if len(tree.files) + len(tree.folders) > MAX_ENTRIES:
            raise UsageError(f"more than {MAX_ENTRIES} files", tree.where, "give the folder of the submissions alone")
    tree.files.sort()
    return tree


def _enter(entry: os.DirEntry[str], path: PurePosixPath, tree: Tree, waiting: list[PurePosixPath], warn: Warn) -> None:
    where = f"{tree.where}/{path}"
    if entry.is_symlink():
        tree.odd[path] = "is a symbolic link, which is not followed; hand in the file itself"
        warn(f"{where}: a symbolic link is not followed")
    elif entry.is_dir(follow_symlinks=False):
        tree.folders.add(path)
        if _like_a_file(path):
            tree.odd[path] = "is a folder, not a file"
        if len(path.parts) < MAX_DEPTH:
            waiting.append(path)
        else:
            warn(f"{where}: more than {MAX_DEPTH} folders deep; left out")
    elif entry.is_file(follow_symlinks=False):
        tree.files.append(path)
    else:
        tree.odd[path] = "is not a regular file"
        warn(f"{where}: not a regular file; left out")


def read_regular(path: Path, cap: int) -> bytes:
    """At most `cap` + 1 bytes of a regular file that is no link; raises `OSError`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("not a regular file")
        return file.read(cap + 1)


class _Archive:
    """Members of a zip, never unpacked: read one by one, with caps on what one and all may grow to."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive, self.members, self.left = archive, dict[PurePosixPath, zipfile.ZipInfo](), MAX_UNPACKED

    def read(self, path: PurePosixPath, cap: int) -> bytes:
        info = self.members[path]
        if info.flag_bits & 1:
            raise OSError("it is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OSError("it is packed in a rare way; make an ordinary zip")  # bz2 and lzma grow without a bound
        try:
            with self.archive.open(info) as member:
                data = member.read(min(cap, self.left) + 1)
        except Exception as error:  # noqa: BLE001 - zipfile and zlib have many errors; all mean the same
            raise OSError(f"it is damaged ({type(error).__name__})") from None
        self.left -= len(data)
        if self.left < 0:
            raise OSError(f"the zip unpacks to more than {MAX_UNPACKED >> 20} MB")
        return data


def zip_tree(data: Any, where: str, warn: Warn) -> Tree:
    """A zip, given as a path or a file object; raises `UsageError` where it is none."""
    try:
        archive = _Archive(zipfile.ZipFile(data))
    except Exception as error:  # noqa: BLE001 - a damaged directory ends in struct.error, OverflowError and others
        words = printable(str(error)) or type(error).__name__
        raise UsageError(f"not a zip that can be read ({words})", where, "ask for it again, or unpack it") from None
    infos = archive.archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise UsageError(f"a zip of {len(infos)} entries", where, "give a zip of the submissions alone")
    tree = Tree(where, archive.read)
    for info in infos:
        _add_member(info, archive, tree, warn)
    tree.files.sort()
    return tree


def _add_member(info: zipfile.ZipInfo, archive: _Archive, tree: Tree, warn: Warn) -> None:
    path, kind = PurePosixPath(info.filename.replace("\\", "/")), stat.S_IFMT(info.external_attr >> 16)
    entry = f"{tree.where}: entry {info.filename!r}"
    if any(part in IGNORED for part in path.parts) or not path.parts:
        return
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        warn(f"{entry} points out of the archive; left out")
    elif len(path.parts) > MAX_DEPTH:
        tree.folders.add(PurePosixPath(path.parts[0]))  # somebody has handed in, if nothing that can be read
        warn(f"{entry[:200]} lies more than {MAX_DEPTH} folders deep; left out")
    elif info.is_dir() or stat.S_ISDIR(kind):
        tree.folders.add(path)
        if _like_a_file(path):
            tree.odd[path] = "is a folder, not a file"
    elif kind and not stat.S_ISREG(kind):
        tree.odd[path] = "is a symbolic link or special file in the zip; hand in the file itself"
        tree.folders.update(parent for parent in path.parents if parent.parts)
        warn(f"{entry} is a link or special file; left out")
    elif path in archive.members:
        warn(f"{entry} occurs twice; the first one counts")
    else:
        archive.members[path] = info
        tree.files.append(path)
        for parent in filter(_like_a_file, path.parents):
            tree.odd[parent] = "is a folder, not a file"
