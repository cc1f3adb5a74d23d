"""What was handed in: folders, archives, single files and LMS downloads become `Submission` objects.

This module finds: from paths to trees, from trees to their layout. What a layout means is said in `layouts`, how a
student's files are read in `reading`, and who is one student with whom in `identity`. Nothing is executed or imported
on the way.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from grader.course import Course
from grader.errors import NothingToGrade, UsageError
from grader.submissions import naming
from grader.submissions.identity import Download, People, settle
from grader.submissions.layouts import LAYOUTS, Fit, Layout
from grader.submissions.layouts.class_folder import is_class
from grader.submissions.layouts.gradescope import has_metadata
from grader.submissions.layouts.student import has_work, is_assignment, may_be_one_student
from grader.submissions.model import Found, Submission
from grader.submissions.reading import Reader, shown_name
from grader.submissions.trees import Tree, Warn, archive_tree, folder_tree, open_regular, read_regular
from grader.text import name_of, printable

MAX_DOWNLOADS = 30  # archives of one folder that may be downloads; of a class's there are as many as students
MAX_NESTED = 2  # downloads within downloads
MAX_DOWNLOAD = 256 << 20  # bytes of one that lies in an archive
DISTINCT = ("gradescope", "canvas", "moodle", "blackboard", "brightspace")  # layouts by names that no student gives

# --- finding submissions ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """How paths are read: as which layout (None: found out), for which topics (none: all), with which names' encoding.

    `people` is what the instructor says of who is who; `output` is where reports go, which is nobody's folder.
    """

    layout: str | None = None
    topics: tuple[str, ...] = ()
    encoding: str | None = None
    people: People = People()
    output: Path | None = None


def find_submissions(
    paths: Path | str | Iterable[Path | str], course: Course, layout: str | None = None, asked: Asked | None = None
) -> Found:
    """Every submission under the paths, by student; raises `UsageError` or `NothingToGrade`."""
    given = [paths] if isinstance(paths, (Path, str)) else paths
    places = [Path(path) for path in given]
    finder = _Finder(course, replace(asked or Asked(), layout=layout) if layout else asked or Asked(), len(places) > 1)
    try:
        for path in places:
            finder.find(path)
    finally:
        finder.close()
    found = finder.found
    found.submissions = settle(finder.downloads, finder.asked.people, found)
    found.name_rows()
    _tell_words(course, found)
    if not found.submissions:
        where = ", ".join(map(str, places))
        help = f"files to hand in are {_files_of(course)}, in a folder per student"
        raise NothingToGrade("no submission found", where, help, tuple(found.warnings))
    return found


def _files_of(course: Course) -> str:
    return ", ".join(f"{t.name}.py" for t in course.topics)


def _tell_words(course: Course, found: Found) -> None:
    """Where due dates exist and no time counts, because all are students' words, whoever grades should know."""
    timed = any(s.submitted or s.times for s in found.submissions)
    if found.words and not timed and any(t.due for t in course.topics):
        found.warn("all times of submission are students' own words, and none counts; policy.student_times counts them")


class _Finder:
    """Reads paths by their layout into downloads, one for each path; of `many` each may be one student's."""

    def __init__(self, course: Course, asked: Asked, many: bool) -> None:
        self.course, self.asked, self.found = course, asked, Found()
        self.reader = Reader(course, self.found, asked.topics, asked.encoding)
        self.layouts = {kind.name: kind(self.reader) for kind in LAYOUTS}
        self.downloads: list[Download] = []
        self.many = many
        self.files: dict[Path, Submission] = {}
        self.open: list[BinaryIO] = []

    def close(self) -> None:
        """End the process that reads, and close what it was given."""
        self.reader.close()
        for file in self.open:
            file.close()

    def find(self, path: Path) -> None:
        """Add what lies at a path; raises `UsageError`."""
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot be read: {words}", str(path), "check the spelling and the rights") from None
        if stat.S_ISDIR(mode):
            tree = self._without_output(folder_tree(path, self.found.warn), path)
            self._tree(tree, path.resolve().name, packed=False)
        elif naming.is_archive(path.name) and stat.S_ISREG(mode):
            self._tree(self._archive(path), _stem(path), packed=self.asked.layout is None)
        else:
            self._single_file(path)

    def _without_output(self, tree: Tree, path: Path) -> Tree:
        """Without the folder that this run writes to, unless somebody's work lies there."""
        if self.asked.output is None or not self.asked.output.resolve().is_relative_to(path.resolve()):
            return tree
        here = PurePosixPath(*self.asked.output.resolve().relative_to(path.resolve()).parts)
        holds_work = any(here in p.parents and self.reader.is_work(p) for p in tree.files)
        return tree if holds_work or not here.parts else tree.without({here})

    def _archive(self, path: Path) -> Tree:
        try:
            file = path.open("rb")
            self.open.append(file)
            self.reader.opener.renew()
            archive = self.reader.opener.archive(file, path.name, self.asked.encoding)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", str(path), "check the rights") from None
        except ValueError as error:
            words = f"not an archive that can be read: it {error}"
            raise UsageError(words, str(path), "ask for it again, or unpack it") from None
        return archive_tree(archive, str(path), self.found.warn)

    def _single_file(self, path: Path) -> None:
        """Files of one folder are one student's."""
        topic = self.reader.topic_of(PurePosixPath(path.name))
        if topic is None:
            raise UsageError("not the file of a topic", str(path), f"files of this course are {_files_of(self.course)}")
        file = self.reader.single(PurePosixPath(path.name), topic, lambda cap: read_regular(path.resolve(), cap))
        folder = path.absolute().parent
        known = self.files.get(folder)
        if known is None:
            self.found.layouts.append("file")
            known = Submission(shown_name(folder.name), {}, origin=str(path))
            self.downloads.append(Download("file", []))
        self.files[folder] = replace(known, files={**known.files, topic: file})
        at = list(self.files).index(folder)
        [d for d in self.downloads if d.layout == "file"][at].submissions[:] = [self.files[folder]]

    def _tree(self, tree: Tree, name: str, packed: bool, depth: int = 0) -> None:
        if self.asked.layout != "student":
            tree = self._unwrapped(tree, packed)
        layout, fit = self._layout_of(tree)
        if layout.name in ("class", "student") and not self.asked.layout and depth < MAX_NESTED:
            inner = self._downloads_in(tree)
            for entry, download in inner.items():
                self._tree(download, _stem(PurePosixPath(entry)), packed=True, depth=depth + 1)
            if inner:
                tree = tree.without(set(map(PurePosixPath, inner)))
                layout = self.layouts["class"]
                fit = layout.fit(tree)
                if not fit.fits:
                    layout.set_aside(tree, tree.top, "beside downloads, in no student's folder")
                    return
        given_alone = self.many and not packed and depth == 0
        if self.asked.layout:
            layout = self.layouts[self.asked.layout]
        elif layout.name == "class" and given_alone and may_be_one_student(tree, name, self.reader):
            layout = self.layouts["student"]
        elif layout.name != "student":
            self.found.evidence.append(_evidence(layout, fit))
        self.found.layouts.append(layout.name)
        submissions = layout.read(tree, name)
        if layout.name == "class" and is_assignment(name, self.reader):
            submissions = [s if s.key else replace(s, key=f"folder:{s.student}") for s in submissions]
        self.downloads.append(Download(layout.name, [_in_one_spelling(s) for s in submissions]))

    def _layout_of(self, tree: Tree) -> tuple[Layout, Fit]:
        """The first layout that most entries fit, and how many do; the last one fits every tree."""
        for layout in self.layouts.values():
            fit = layout.fit(tree)
            if fit.holds:
                return layout, fit
        return layout, fit

    def _unwrapped(self, tree: Tree, packed: bool) -> Tree:
        """Without the folder that packing put around everything; a lone student's folder goes in an archive alone."""
        parts = tree.parts()
        if len(parts) != 1 or tree.top or self.reader.is_students(tree):
            return tree
        if self._layout_of(tree)[0].name in ("moodle", "brightspace", "nbgrader"):
            return tree  # of a class in which one has handed in
        inner = self._unwrapped(next(iter(parts.values())), packed)
        if self.reader.is_students(inner):
            return inner if packed else tree
        students = sum(self.reader.is_students(part) for part in inner.parts().values())
        return inner if students > 1 or self._layout_of(inner)[0].name not in ("class", "student") else tree

    # --- downloads that lie in the folder

    def _downloads_in(self, tree: Tree) -> dict[str, Tree]:
        """A term's zips, or the archive of a class, by their names; none unless most of what lies there are such.

        So nobody's own archive makes rows for others.
        """
        archives = [p for p in tree.top if naming.is_archive(p.name)]
        parts = {f: part for f, part in tree.parts().items() if has_work(part, self.reader)}
        found = {f: part for f, part in parts.items() if self._is_lms(part, is_assignment(f, self.reader))}
        alone = len(parts) + len(archives) == 1
        said: list[str] = []
        for path in archives if len(archives) <= MAX_DOWNLOADS else []:
            inner = self._unwrapped_archive(tree, path, said.append)
            if inner is not None and self._is_download(inner, _stem(path), alone):
                found[path.name] = inner
        if 2 * len(found) <= len(parts) + len(archives) or self.reader.is_students(tree):
            return {}
        self.found.warnings += map(printable, said)
        return found

    def _is_download(self, tree: Tree, name: str, alone: bool) -> bool:
        told = alone or is_assignment(name, self.reader)
        return self._is_lms(tree, told) or is_class(tree, name, self.reader, alone)

    def _is_lms(self, tree: Tree, told: bool) -> bool:
        """Whether names say so that no student gives: a tree that may be a student's own is never taken for one.

        Repositories and assignments are what a student may have, too, unless it is `told` that they are of several.
        """
        inner = self._unwrapped(tree, packed=True)
        layout, _ = self._layout_of(inner)
        if layout.name == "gradescope":
            return has_metadata(inner)
        return layout.name in DISTINCT or (told and layout.name in ("nbgrader", "forge"))

    def _unwrapped_archive(self, tree: Tree, path: PurePosixPath, warn: Warn) -> Tree | None:
        """What lies in an archive, or None where it cannot be opened."""
        try:
            if tree.disk is not None:
                file: BinaryIO = open_regular(tree.disk / path)
                self.open.append(file)
            else:
                data = tree.read(path, MAX_DOWNLOAD)
                file = io.BytesIO(data if len(data) <= MAX_DOWNLOAD else b"")
            self.reader.opener.renew()
            archive = self.reader.opener.archive(file, path.name, self.asked.encoding)
        except (OSError, ValueError):
            return None
        return self._unwrapped(archive_tree(archive, f"{tree.where}/{path}", warn), packed=True)


def _stem(path: PurePath) -> str:
    return path.name.split(".")[0] if ".tar." in path.name.lower() else path.stem


def _in_one_spelling(submission: Submission) -> Submission:
    """Ids and names that join rows: macOS takes letters apart that others put together."""
    return replace(submission, key=name_of(submission.key), full_name=name_of(submission.full_name))


def _evidence(layout: Layout, fit: Fit) -> str:
    what = "entries hold work" if layout.name == "class" else "names fit"
    return f"{layout.title}: {fit.fits} of {fit.of} {what}"
