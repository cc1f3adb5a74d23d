"""The process that takes archives and notebooks apart: hostile ones cost their student, in bounded time and memory."""

from __future__ import annotations

import ast
import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from test_imports import GRAPH, MODULES, name_of
from test_submissions import lay

from grader.course import Course
from grader.submissions import find_submissions
from grader.submissions.opener import Down, Opener

CODE = "x = 1\n"


@pytest.fixture
def opener():
    opener = Opener()
    yield opener
    opener.close()


def zip_of(files: dict[str, bytes | str]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer


def tar_of(*members: tarfile.TarInfo) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_no_other_process_takes_archives_apart():
    """Modules that parse what was handed in are imported by the process alone."""
    parsing = {"submissions.archives", "submissions.metadata"}
    users = {module for module, imports in GRAPH.items() if imports & parsing}
    libraries = {"zipfile", "tarfile", "gzip", "lzma", "bz2"}
    found = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and {alias.name for alias in node.names} & libraries
    }

    assert users == {"submissions.unpacker"}
    assert found == {"submissions.archives"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_it_has_the_walls_of_a_worker(opener):
    """No new privileges, a filter of system calls, no dumps, and no user that owns anything."""
    opener.names("x = 1")
    assert opener.process is not None
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{opener.process.pid}/status").read_text().splitlines())

    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)
    assert os.geteuid() != 0 or status["Uid"].split()[0] != "0" or "identity" in status


def test_links_and_devices_are_named_and_never_followed(opener):
    """Whatever a member of a tar claims to be, it is read as a file or not at all."""
    archive = opener.archive(
        tar_of(
            member("passwd", tarfile.SYMTYPE, "/etc/passwd"),
            member("hard", tarfile.LNKTYPE, "/etc/passwd"),
            member("zero", tarfile.CHRTYPE),
            member("pipe", tarfile.FIFOTYPE),
            member("folder", tarfile.DIRTYPE),
        ),
        "a.tar",
    )

    assert [kind for _, _, kind in archive.entries] == ["link", "link", "special", "special", "folder"]


BOMBS = {
    "bomb.gz": lambda: gzip.compress(bytes(400 << 20), 1),
    "bomb.tar.gz": lambda: gzip.compress(tar_of(member("x", tarfile.REGTYPE)).getvalue() + bytes(400 << 20), 1),
    "many.zip": lambda: zip_of({f"{i}/x": "" for i in range(40)}).getvalue(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(opener, monkeypatch, name):
    """What unpacks without end, or holds entries without end, is refused with the reason; the next one is read."""
    monkeypatch.setattr("grader.submissions.opener.MAX_ENTRIES", 30)
    with pytest.raises(ValueError, match=r"unpacks to more than 256 MB|holds more than 30 entries") as refused:
        opener.archive(io.BytesIO(BOMBS[name]()), name)

    assert not isinstance(refused.value, Down)
    assert opener.archive(zip_of({"toy.py": CODE}), "a.zip").read(0, 100) == CODE.encode()


def test_a_member_that_packs_too_well_is_refused(opener):
    """No honest notebook packs a thousand times."""
    archive = opener.archive(zip_of({"toy.ipynb": bytes(60 << 20)}), "a.zip")
    with pytest.raises(OSError, match="more than 200 times its size"):
        archive.read(0, 200 << 20)


def test_an_archive_outlives_the_process_that_opened_it(opener):
    """Where another one's bomb took the process down, the class's archive is opened again."""
    archive = opener.archive(zip_of({"a/toy.py": CODE, "b/toy.py": CODE * 2}), "class.zip")
    assert archive.read(0, 100) == CODE.encode()
    opener.process.kill()
    opener.process.wait()
    assert archive.read(1, 100) == (CODE * 2).encode()


@pytest.mark.parametrize("line", [b"", b"[]\n", b"{}", b'{"size": -1}\n', b'{"size": 1e400}\n', b'{"size": 5}\nabc', b"[" * 50_000])
def test_a_process_that_lies_is_ended(opener, monkeypatch, line):
    """What comes from it is as hostile as what it has read: anything but a frame is the end of it."""
    program = f"import sys; sys.stdin.readline(); sys.stdout.buffer.write({line!r})"
    start = opener._start

    def lying():
        monkeypatch.setattr(opener, "_start", start)
        return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr(opener, "_start", lying)
    with pytest.raises(Down):
        opener._ask({"do": "metadata", "kind": "own"}, b"student: ann", None)
    assert opener.metadata("own", b"student: ann") == {"student": "ann"}


def test_a_student_who_takes_it_down_costs_nobody_else(toy: Course, tmp_path, monkeypatch):
    """All others of the class are read, in a folder and in an archive; of that student nothing is a 0."""
    monkeypatch.setattr("grader.submissions.opener.SECONDS", 4.0)
    bomb = zip_of({"x.zip": zip_of({"y.gz": gzip.compress(bytes(200 << 20), 1)}).getvalue()}).getvalue()
    notebook = b'{"cells": [{"cell_type": "code", "source": "' + b"(" * 3_000_000 + b'"}]}'
    files = {"eve/toy.zip": bomb[:-30], "eva/toy.ipynb": notebook, "max/toy.zip": bomb, "zoe/toy.py": CODE, "ann/toy.py": CODE}
    found = {s.student: s for s in find_submissions([lay(tmp_path / "class", files)], toy).submissions}

    assert found["zoe"].files["toy"].source == found["ann"].files["toy"].source == CODE
    assert found["eve"].files["toy"].source is None
    assert "toy" in found["eva"].files
    assert set(found) == {"ann", "eva", "eve", "max", "zoe"}


@pytest.mark.parametrize("seed", range(6))
def test_the_death_of_the_process_loses_nobody(toy: Course, tmp_path, monkeypatch, seed):
    """Killed at random moments, it is replaced: each student is read as if nothing had happened."""
    packed = zip_of({"hw/toy.py": CODE}).getvalue()
    near = "def double(x): pass\n"
    files = {f"class/s{i}/{'toy.zip' if i % 2 else 'Toy.py'}": packed if i % 2 else near for i in range(30)}
    (tmp_path / "class.zip").write_bytes(zip_of(files).getvalue())
    chance, talk, killed = random.Random(seed), Opener._talk, []

    def talk_until_killed(self: Opener, process, *more):
        if chance.random() < 0.08:
            killed.append(process.pid)
            threading.Timer(chance.choice((0.0, 0.0003, 0.001, 0.01)), process.kill).start()
        return talk(self, process, *more)

    monkeypatch.setattr(Opener, "_talk", talk_until_killed)
    found = find_submissions([tmp_path / "class.zip"], toy)

    assert killed
    assert all(s.files["toy"].source in (CODE, near) for s in found.submissions)
    assert (len(found.submissions), found.unread) == (30, [])
