"""Trees of files by relative path: a folder on disk or an archive, both read without trust.

Links are not followed, special files are not opened, archives are never unpacked, and everything has a cap. Caps are a
student's own: of a folder with endless files the part is read that comes first, level by level, and the tree knows
where something was left out.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from grader.errors import UsageError
from grader.submissions.opener import OpenArchive
from grader.text import printable

MAX_TOP = 100_000  # entries of the folder that is graded
MAX_ENTRIES = 10_000  # of one student
MAX_FIRST = 40 * MAX_ENTRIES  # of one folder at the top, which may be a class packed in a folder
MAX_DEPTH = 12  # folders within folders
IGNORED = {
    "__pycache__", ".ipynb_checkpoints", "__MACOSX", ".git", ".venv", "venv", "site-packages", "node_modules", ".idea",
    ".DS_Store", "Thumbs.db", "desktop.ini",
}  # fmt: skip
TOO_MANY = f"holds more than {MAX_ENTRIES} files; not all were looked at"
Warn = Callable[[str], None]


def _like_a_file(path: PurePosixPath) -> bool:
    """Whether a folder bears a name that is a file's: `backprop.py/`."""
    return path.suffix in (".py", ".ipynb")


@dataclass
class Tree:
    """Files by relative path, from a folder or an archive.

    `odd` holds what lies there and is no file, with the reason; `cut` the folders that were not looked at whole, too;
    `traces` those at the top of which version control lies; `attempts` the number of the try that a file belongs to,
    where an LMS tells; `disk` is the folder that this is, where it is one.
    """

    where: str
    read: Callable[[PurePosixPath, int], bytes]  # (path, cap) -> at most cap + 1 bytes; raises OSError
    files: list[PurePosixPath] = field(default_factory=list)
    folders: set[PurePosixPath] = field(default_factory=set)
    odd: dict[PurePosixPath, str] = field(default_factory=dict)
    cut: dict[PurePosixPath, str] = field(default_factory=dict)
    traces: set[PurePosixPath] = field(default_factory=set)
    attempts: dict[PurePosixPath, int] = field(default_factory=dict)
    disk: Path | None = None

    @property
    def top(self) -> list[PurePosixPath]:
        return [f for f in self.files if len(f.parts) == 1]

    def parts(self) -> dict[str, Tree]:
        """The tree below each of the folders at the top, by name, in order."""
        names = {p.parts[0] for p in self.folders} | {p.parts[0] for p in (*self.files, *self.odd) if len(p.parts) > 1}
        parts = {
            name: Tree(f"{self.where}/{name}", self._reader(name), disk=self.disk / name if self.disk else None)
            for name in sorted(names)
        }
        for path in self.files:
            if len(path.parts) > 1:
                parts[path.parts[0]].files.append(_below(path))
        for path in self.folders:
            if len(path.parts) > 1:
                parts[path.parts[0]].folders.add(_below(path))
        for path, reason in self.odd.items():
            if len(path.parts) > 1:
                parts[path.parts[0]].odd[_below(path)] = reason
        for path, reason in self.cut.items():
            if path.parts and path.parts[0] in parts:
                parts[path.parts[0]].cut[_below(path)] = reason
        for path in self.traces:
            if path.parts and path.parts[0] in parts:
                parts[path.parts[0]].traces.add(_below(path))
        return parts

    def _reader(self, folder: str) -> Callable[[PurePosixPath, int], bytes]:
        return lambda path, cap: self.read(folder / path, cap)

    def part_of(self, files: dict[PurePosixPath, PurePosixPath], where: str) -> Tree:
        """A tree of some files under other names: name there -> path here."""
        return Tree(where, lambda path, cap: self.read(files[path], cap), sorted(files))

    def without(self, left_out: set[PurePosixPath]) -> Tree:
        """The same without some files and folders, and what lies in them."""

        def stays(path: PurePosixPath) -> bool:
            return path not in left_out and left_out.isdisjoint(path.parents)

        tree = Tree(self.where, self.read, list(filter(stays, self.files)), disk=self.disk)
        tree.folders, tree.traces = set(filter(stays, self.folders)), set(filter(stays, self.traces))
        tree.odd = {path: reason for path, reason in self.odd.items() if stays(path)}
        tree.cut = {path: reason for path, reason in self.cut.items() if stays(path)}
        return tree


def _below(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[1:])


class _Budget:
    """Counts entries by the folders that they lie in: a student's bulk is cut where it is the student's own.

    Whether students lie in the first or the second folder is not known yet, so the second has a student's budget, and
    the first that of a class.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree, self.counts = tree, Counter[PurePosixPath]()

    def admits(self, path: PurePosixPath) -> bool:
        """Whether there is room for this entry; where not, its folder is cut."""
        for depth, most in ((0, MAX_TOP), (1, MAX_FIRST), (2, MAX_ENTRIES)):
            if depth < len(path.parts) and (depth > 0 or len(path.parts) == 1):
                folder = PurePosixPath(*path.parts[:depth])
                self.counts[folder] += 1
                if self.counts[folder] > most:
                    self.tree.cut[folder] = TOO_MANY
                    return False
        return True


# --- folders ---------------------------------------------------------------------------------------------------------


def folder_tree(root: Path, warn: Warn) -> Tree:
    """A folder on disk, level by level; links are not followed and special files are not opened."""
    tree = Tree(str(root), lambda path, cap: read_regular(root / path, cap), disk=root)
    budget = _Budget(tree)
    level = [PurePosixPath()]
    while level:
        deeper: list[PurePosixPath] = []
        for here in level:
            for entry in _entries(root, here, tree, warn):
                path = here / entry.name
                if entry.name == ".git":
                    tree.traces.add(here)
                elif entry.name not in IGNORED and budget.admits(path):
                    _enter(entry, path, tree, deeper, warn)
        level = deeper
    tree.files.sort()
    _tell_cut(tree, warn)
    return tree


def _entries(root: Path, here: PurePosixPath, tree: Tree, warn: Warn) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(root / here), key=lambda e: e.name)
    except OSError as error:
        if not here.parts:
            raise UsageError(f"cannot be read: {error.strerror}", str(root), "check the folder's rights") from None
        tree.cut[here] = f"cannot be read ({error.strerror})"
        warn(f"{root / here}: cannot be read ({error.strerror}); the rest is graded")
        return []


def _enter(entry: os.DirEntry[str], path: PurePosixPath, tree: Tree, deeper: list[PurePosixPath], warn: Warn) -> None:
    where = f"{tree.where}/{path}"
    if entry.is_symlink():
        tree.odd[path] = "is a symbolic link, which is not followed; hand in the file itself"
        warn(f"{where}: a symbolic link is not followed")
    elif entry.is_dir(follow_symlinks=False):
        tree.folders.add(path)
        if _like_a_file(path):
            tree.odd[path] = "is a folder, not a file"
        if len(path.parts) < MAX_DEPTH:
            deeper.append(path)
        else:
            warn(f"{where}: more than {MAX_DEPTH} folders deep; left out")
    elif entry.is_file(follow_symlinks=False):
        tree.files.append(path)
    else:
        tree.odd[path] = "is not a regular file"
        warn(f"{where}: not a regular file; left out")


def _tell_cut(tree: Tree, warn: Warn) -> None:
    for folder in sorted(f for f, reason in tree.cut.items() if reason == TOO_MANY):
        warn(f"{tree.where}/{folder}: too many files; those that were looked at first are graded")


def read_regular(path: Path, cap: int) -> bytes:
    """At most `cap` + 1 bytes of a regular file that is no link; raises `OSError`."""
    with open_regular(path) as file:
        return file.read(cap + 1)


def open_regular(path: Path) -> BinaryIO:
    """A regular file that is no link, to be read; raises `OSError`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("not a regular file")
    return file


# --- archives --------------------------------------------------------------------------------------------------------


def archive_tree(archive: OpenArchive, where: str, warn: Warn) -> Tree:
    """What lies in an archive that was opened."""
    numbers: dict[PurePosixPath, int] = {}
    tree = Tree(where, lambda path, cap: archive.read(numbers[path], cap))
    budget = _Budget(tree)
    for words in archive.said:
        warn(f"{where}: {words}")
    entries = ((number, *_placed(name), kind) for number, (name, _, kind) in enumerate(archive.entries))
    for number, path, problem, kind in sorted(entries, key=lambda e: len(e[1].parts)):
        if path.parts and not _is_ignored(path, tree) and budget.admits(path):
            _add_member(path, problem, kind, number, numbers, tree, warn)
    tree.files.sort()
    _tell_cut(tree, warn)
    return tree


def _placed(name: str) -> tuple[PurePosixPath, str]:
    """(where an entry lies, why it is not read): the root of an absolute path is taken off, `..` leads out."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")]
    if len(parts) > 1 and len(parts[0]) == 2 and parts[0][1] == ":":
        parts = parts[1:]
    if ".." in parts or any("\0" in p for p in parts) or (parts and ":" in parts[0]):
        return PurePosixPath(*[p.replace("\0", "") for p in parts if p != ".."]), "points out of the archive"
    if len(parts) > MAX_DEPTH:
        return PurePosixPath(*parts[: MAX_DEPTH - 1], parts[-1][:200]), f"lies more than {MAX_DEPTH} folders deep"
    return PurePosixPath(*parts), ""


def _is_ignored(path: PurePosixPath, tree: Tree) -> bool:
    if ".git" in path.parts:
        tree.traces.add(PurePosixPath(*path.parts[: path.parts.index(".git")]))
    return any(part in IGNORED for part in path.parts)


def _add_member(
    path: PurePosixPath, problem: str, kind: str, number: int, numbers: dict[PurePosixPath, int], tree: Tree, warn: Warn
) -> None:
    entry = f"{tree.where}: entry {printable(str(path), 200)}"
    if problem:
        _add_odd(path, problem, tree)
        warn(f"{entry} {problem}; left out")
    elif kind == "folder":
        tree.folders.add(path)
        if _like_a_file(path):
            tree.odd[path] = "is a folder, not a file"
    elif kind != "file":
        _add_odd(path, "is a symbolic link or special file in the zip; hand in the file itself", tree)
        warn(f"{entry} is a link or special file; left out")
    elif path in numbers:
        warn(f"{entry} occurs twice; the first one counts")
    else:
        numbers[path] = number
        tree.files.append(path)
        _note_folders(path.parents, tree)


def _add_odd(path: PurePosixPath, reason: str, tree: Tree) -> None:
    """Somebody has handed in, if nothing that can be read."""
    tree.odd.setdefault(path, reason)
    tree.folders.update(parent for parent in path.parents if parent.parts)


def _note_folders(parents: Iterable[PurePosixPath], tree: Tree) -> None:
    for parent in filter(_like_a_file, parents):
        tree.odd[parent] = "is a folder, not a file"
