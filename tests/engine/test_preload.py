"""What a worker of each kind may read, seen from inside a worker that a real zygote has forked."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from walled import WalledWorkers

from grader.remote.processes import can_fork
from grader.remote.session import StudentError
from grader.worker import preload

pytestmark = pytest.mark.skipif(not can_fork(), reason="needs forked workers")


@pytest.fixture(scope="module")
def workers() -> Iterator[WalledWorkers]:
    workers = WalledWorkers()
    yield workers
    workers.close()


@pytest.fixture
def run(workers: WalledWorkers) -> Callable[..., object]:
    """Run a few lines in a fresh worker and return what `f` returns."""
    if workers.level("numpy") != "strong":
        pytest.skip(f"this kernel offers the level {workers.level('numpy')} only")

    def run(lines: str, kind: str = "numpy") -> object:
        body = "\n    ".join(lines.splitlines())
        return workers.call(kind, f"import os, sys\ndef f():\n    {body}\n")

    return run


LATE = ["wave", "sqlite3", "xml.dom.minidom", "colorsys", "zipfile", "ctypes.util", "unittest.case", "encodings.utf_7"]


@pytest.mark.parametrize("kind", preload.KINDS)
def test_standard_library_can_be_imported_late(run, kind):
    """The finder may list the library's folders and read what stands in them, C modules too."""
    lines = f"import importlib\nfor name in {LATE}: importlib.import_module(name)\nreturn len(sys.modules) > 0"
    assert run(lines, kind)


def test_standard_library_is_found_even_after_the_caches_are_emptied(run):
    """Nothing rests on what the zygote happened to remember of a folder."""
    lines = "import importlib\nimportlib.invalidate_caches()\nsys.path_importer_cache.clear()\nimport chunk\nreturn 1"
    assert run(lines) == 1


def test_all_of_numpy_can_be_imported_late(run):
    """Its own folders are readable in the numpy kind."""
    assert run("import numpy.ctypeslib, numpy.f2py.auxfuncs\nreturn 1") == 1


def other_packages() -> list[str]:
    """A file of each package that the numpy kind has no business with."""
    names = ("torch", "scipy", "skimage", "sklearn", "pytest", "click")
    specs = [importlib.util.find_spec(name) for name in names]
    return [spec.origin for spec in specs if spec and spec.origin]


def test_numpy_kind_reads_no_other_package(run):
    """A solution hidden in a library (scipy, scikit-image, torch) cannot be read out of its source either."""
    for path in other_packages():
        with pytest.raises(StudentError, match="Errno 13"):
            run(f"return len(open({path!r}).read())")


def test_torch_kind_reads_the_packages(run):
    """Torch imports parts of itself, and what it depends on, when they are first used."""
    assert all(run(f"return len(open({path!r}).read())", "torch") for path in other_packages())


def test_other_packages_are_absent_from_the_numpy_kind(run):
    """Libraries that try an optional import go on without it: a refusal to read would stop them."""
    lines = "import importlib\ntry: importlib.import_module('scipy')\nexcept ModuleNotFoundError: return 1"
    assert run(lines) == 1


def test_system_is_closed(run):
    """Neither the system's files nor this project are readable."""
    for path in ("/etc/passwd", __file__, sys.prefix + "/pyvenv.cfg"):
        if Path(path).exists():
            with pytest.raises(StudentError, match="Errno 13"):
                run(f"return len(open({path!r}).read())")


def test_names_are_listed_where_files_are_not(run):
    """The folders an import looks through are listed; that does not open a file that lies in them."""
    folder = preload.listable_folders()[0]
    assert run(f"return len(os.listdir({folder!r}))")
    assert folder not in preload.readable_roots("numpy") or not packages_lie_beneath(folder)


def packages_lie_beneath(folder: str) -> bool:
    return any(p.is_relative_to(Path(folder).resolve()) for p in map(Path.resolve, preload._package_folders()))


# ---- layouts that are not this machine's -------------------------------------------------------------------


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """An interpreter whose packages lie beneath its standard library, as without a virtual environment."""
    stdlib, site = tmp_path / "lib/python3.11", tmp_path / "lib/python3.11/site-packages"
    for path in ("json/__init__.py", "wave.py", "lib-dynload/_x.so", "../libssl.so.3", "../tool/run.so"):
        (stdlib / path).parent.mkdir(parents=True, exist_ok=True)
        (stdlib / path).touch()
    for path in ("numpy/__init__.py", "numpy.libs/blas.so", "torch/__init__.py", "scipy/__init__.py"):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).touch()
    paths = {"stdlib": stdlib, "platstdlib": stdlib, "purelib": site, "platlib": site}
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(paths[name]))
    monkeypatch.setattr(preload, "_folder_of", lambda package: site)
    monkeypatch.setattr(preload, "_loaded_from", lambda: {tmp_path / "lib", site / "numpy.libs"})
    return tmp_path / "lib"


def readable(kind: str, path: Path) -> bool:
    return any(path.is_relative_to(root) for root in map(Path, preload.readable_roots(kind)))


def test_packages_beneath_the_library_are_left_out(layout):
    """The numpy kind reads the library around its packages, and of those numpy alone; a static build has no libpython."""
    seen = {str(p.relative_to(layout)) for p in layout.rglob("*") if p.is_file() and readable("numpy", p)}

    assert seen == {
        "python3.11/json/__init__.py", "python3.11/wave.py", "python3.11/lib-dynload/_x.so",
        "libssl.so.3", "tool/run.so",
        "python3.11/site-packages/numpy/__init__.py", "python3.11/site-packages/numpy.libs/blas.so",
    }  # fmt: skip
    assert str(layout / "python3.11") in preload.listable_folders()


def test_torch_kind_reads_everything_beneath_the_library(layout):
    """Its packages come from one folder, whole."""
    assert all(readable("torch", p) for p in layout.rglob("*") if p.is_file())


def test_a_link_opens_nothing(layout, tmp_path):
    """What a link in a folder leads to is not made readable by it."""
    (tmp_path / "project").mkdir()
    (layout / "python3.11" / "linked").symlink_to(tmp_path / "project")
    assert not readable("torch", tmp_path / "project")
    assert str(layout / "python3.11" / "linked") not in preload.readable_roots("torch")
