"""A Python that every user can run, wherever the one that runs the tests lies: it may be in root's home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

LEFT_OUT = ("test", "site-packages", "*editable*", "idlelib", "ensurepip")


def python_for_all(folder: Path) -> Path:
    """A copy of this interpreter, and an environment with the packages and the grader, beneath `folder`, open to all.

    Files are hard links where the file system allows. The copy is used even where the original would do, so that it
    is tried everywhere.
    """
    name = f"python3.{sys.version_info.minor}"
    base, environment = folder / "base", folder / "environment"
    _copy(Path(sysconfig.get_path("stdlib")), base / "lib" / name)
    _copy_program(base / "bin" / name)
    packages = environment / "lib" / name / "site-packages"
    _copy(Path(sysconfig.get_path("purelib")), packages)
    shutil.copytree(Path(__file__).parents[2] / "grader", packages / "grader")
    (environment / "bin").mkdir()
    (environment / "bin" / name).symlink_to(base / "bin" / name)
    (environment / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\ninclude-system-site-packages = false\n")
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)
    _try(environment)
    return environment / "bin" / name


def _copy_program(program: Path) -> None:
    program.parent.mkdir()
    program.write_bytes(_looking_beside_itself(Path(os.path.realpath(sys.executable)).read_bytes()))
    program.chmod(0o755)
    for shared in Path(sys.base_prefix, "lib").glob("libpython*"):
        if not shared.is_symlink():
            _link(str(shared), str(program.parents[1] / "lib" / shared.name))


def _copy(source: Path, target: Path) -> None:
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(source, target, ignore=ignore, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    """A second name for the same bytes, or a copy on another file system or of a file that others cannot read."""
    if os.stat(source).st_mode & 0o004:
        try:
            os.link(os.path.realpath(source), target)
            return
        except OSError:
            pass
    shutil.copy2(source, target)
    os.chmod(target, os.stat(target).st_mode | 0o044)


def _looking_beside_itself(program: bytes) -> bytes:
    """The program with the folder that it looks for its library in, where it names one, replaced by `../lib`."""
    named, beside = f"{sys.base_prefix}/lib".encode() + b"\0", b"$ORIGIN/../lib\0"
    return program.replace(named, beside.ljust(len(named), b"\0")) if len(named) >= len(beside) else program


def _try(environment: Path) -> None:
    """As a user that nobody is."""
    line = [str(next((environment / "bin").iterdir())), "-I", "-B", "-c", "import sys, grader, numpy, torch; print(sys.prefix)"]
    user = {"user": 61000, "group": 61000, "extra_groups": []} if os.geteuid() == 0 else {}
    tried = subprocess.run(line, capture_output=True, text=True, env={}, cwd="/", **user)
    assert tried.stdout.strip() == str(environment), tried.stderr
