"""Hostile submissions through the ordinary pipeline: no points, no secrets, no traces, and no harm to the others.

Only what can be seen from outside counts. What a submission prints counts in one place alone: where its wall has been
taken away, to show that the attack works at all.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from attacking import (
    NEEDED,
    ROOT,
    SECRET,
    Attack,
    Range,
    all_attacks,
    digest,
    end_survivors,
    leftovers,
    make_course,
)
from readable_python import python_for_all

from grader.environment import clean_environment
from grader.remote.processes import can_fork

pytestmark = pytest.mark.skipif(not can_fork(), reason="needs forked workers")
ATTACKS = {a.name: a for a in all_attacks()}
WALLED = {name: a for name, a in ATTACKS.items() if a.walls}
QUICK = [a for a in ATTACKS.values() if a.quick]
MOST_JUDGE_MB = 600  # with torch and every check a judge holds about 300
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e]")
HIDDEN_INPUTS = re.compile(r"LEAK|7352\d{4}|status \d")  # how the leak_* attacks write what they saw


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    arena = Range(tmp_path_factory.mktemp("range"))
    if arena.engine().level != "strong":
        arena.close()
        pytest.skip("needs a kernel that offers the level strong")
    yield arena
    arena.close()


# ---- the whole matrix --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_gains_nothing_and_harms_nobody(name: str, arena: Range) -> None:
    """A good student before, the attack, a good one beside it: observed from outside alone."""
    attack = ATTACKS[name]
    seen = arena.run([attack])

    assert worth(attack) >= seen.points(name, attack)
    assert seen.checks(name, attack), "the attack made the grader fail"
    for student, result in seen.results.items():
        assert not result.faults
        if student != name:
            assert result.points == result.max_points, student
    assert (seen.canary, seen.connected, seen.changed, seen.survivors) == (False, False, [], [])
    assert seen.judge_mb < MOST_JUDGE_MB
    assert SECRET not in seen.output + seen.messages(name)
    assert not HIDDEN_INPUTS.search(seen.messages(name, "hidden"))
    assert not CONTROL.search(seen.messages(name))


def worth(attack: Attack) -> float:
    """Points an attack may be worth: what a worker says of its own doings cannot be checked from outside."""
    found = re.search(r"^# worth: ([\d.]+)$", attack.body, re.M)
    return float(found[1]) if found else 0.0


COUNTED = "test_cost_of_sgd"
LOOP = """
_right = {{FUNC}}
def {{FUNC}}(w, *args, **kwargs):
    for _ in range(w.size): pass
    return _right(w, *args, **kwargs)
"""
FORGED_LOOP = """
import sys
_right = {{FUNC}}
def _server(frame):
    while type(frame.f_locals.get("self")).__name__ != "Server": frame = frame.f_back
    return frame.f_locals["self"]
def {{FUNC}}(w, *args, **kwargs):
    server = _server(sys._getframe(1))
    server._pack = lambda answer: type(server)._pack(server, (answer[0], answer[1] | ({"count": 99} if "count" in answer[1] else {})))
    for _ in range(w.size): pass
    return _right(w, *args, **kwargs)
"""


@pytest.mark.slow
def test_a_forged_operation_count_wins_the_check_about_it_alone(arena: Range) -> None:
    """A right function that loops where it should not loses one check; with a forged count not even that."""
    named = {"honest loop": LOOP, "forged loop": FORGED_LOOP}
    made = [Attack(n, n, "optimizers", "sgd", frozenset(), "", n, False, body) for n, body in named.items()]
    seen = arena.run(made)
    lost = {a.name: [c for c in seen.checks(a.name, a) if c.points < c.max_points] for a in made}

    assert [(c.id, c.max_points) for c in lost["honest loop"]] == [(f"optimizers::{COUNTED}", 0.5)]
    assert lost["forged loop"] == []


@pytest.mark.slow
def test_other_topics_of_the_same_submission_keep_their_points(arena: Range) -> None:
    """Whatever one file does, the student's other files are judged for themselves."""
    seen = arena.run([ATTACKS["another_topics_worker"]])
    topics = {t.topic: t for t in seen.results["another_topics_worker"].topics}
    assert all(t.points == t.max_points for name, t in topics.items() if name != "optimizers")
    assert len(topics) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WALLED, key=lambda n: sorted(WALLED[n].walls)))
def test_attack_works_where_its_wall_is_gone(name: str, arena: Range) -> None:
    """An attack that could not succeed anyway would prove nothing; even so it earns no point and hurts no neighbour."""
    attack = WALLED[name]
    seen = arena.run([attack], attack.walls | {"identity"})
    end_survivors(seen.survivors)

    assert seen.succeeded(attack.seen)
    assert seen.points(name, attack) == 0
    for student, result in seen.results.items():
        assert student == name or result.points == result.max_points
    _restore(arena, seen.changed)


def _restore(arena: Range, changed: list[str]) -> None:
    for path in map(Path, changed):
        if path.name.startswith("grader_attack"):
            path.unlink()
        elif path.suffix == ".py":
            path.write_text(path.read_text().rstrip("#"))


def test_every_attack_says_what_stops_it() -> None:
    """Either walls to take away and what is then seen, or the reason why none can be."""
    assert len(ATTACKS) >= 72
    for attack in ATTACKS.values():
        assert attack.tries and "{{FUNC}}" in attack.body, attack.name
        assert bool(attack.walls) == bool(attack.seen) != bool(attack.design), attack.name


# ---- a class full of them, through the command line --------------------------------------------------------


def write_class(folder: Path, attacks: list[Attack], places: dict[str, str]) -> None:
    """A good student beside each attacker, in the order in which they are graded; no two files are equal."""
    for number, attack in enumerate(attacks):
        good = (ROOT / "solutions" / f"{attack.topic}.py").read_text() + f"\n# {number}\n"
        for name, source in ((f"{number:02}-good", good), (f"{number:02}-{attack.name}", attack.source(places))):
            (folder / name).mkdir(parents=True)
            (folder / name / f"{attack.topic}.py").write_text(source)


def command(
    course: Path, submit: Path, out: Path, python: str = sys.executable, topic: str = "optimizers"
) -> list[str]:
    line = [python, "-I", "-B", "-m", "grader", str(submit), "-t", topic, "-j", "2"]
    return [*line, "--course", str(course), "-o", str(out)]


WATCHED = """
import ctypes, os, pathlib, signal, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans come here
code = subprocess.call(sys.argv[2:])
def children():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: return ""
    return pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text()
end = time.monotonic() + 3
while (left := children()) and time.monotonic() < end: time.sleep(0.05)
pathlib.Path(sys.argv[1]).write_text(left)
for pid in left.split(): os.kill(int(pid), signal.SIGKILL)
sys.exit(code)
"""


@dataclass
class Field:
    """A folder to let a class of attackers loose in, with a listener; what they did is looked for from outside."""

    folder: Path
    listener: socket.socket
    course: Path = field(init=False)

    def __post_init__(self) -> None:
        self.course = make_course(self.folder / "course")
        os.chmod(self.folder, 0o777)

    @property
    def places(self) -> dict[str, str]:
        named = {"CANARY": "canary", "HIDDEN_DIR": "course/tests/hidden", "PEER_DIR": "submit"}
        named |= {"REFERENCE_FILE": "course/solutions/optimizers.py", "RESULT_FILE": "out/results.json"}
        port = str(self.listener.getsockname()[1])
        return {k: str(self.folder / v) for k, v in named.items()} | {"PORT": port, "SECRET_REVERSED": SECRET[::-1]}

    def judged(self, attacks: list[Attack], wrap=lambda c: c, python: str = sys.executable) -> dict:
        """Grade them by the command line; the report, once everything outside has been looked at."""
        for name in ("submit", "out"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        write_class(self.folder / "submit", attacks, self.places)
        before = digest(self.folder)
        line = wrap(command(self.course, self.folder / "submit", self.folder / "out", python, attacks[0].topic))
        survivors = self.folder.with_suffix(".survivors")
        watched = [sys.executable, "-I", "-c", WATCHED, str(survivors), *line]
        ended = subprocess.run(
            watched, capture_output=True, text=True, timeout=900, env=clean_environment(), cwd=self.folder
        )
        assert ended.returncode == 1, ended.stderr
        assert survivors.read_text() == "" and not self._connected() and not leftovers()
        written = {str(p): p.read_text() for p in (self.folder / "out").iterdir()}
        assert sorted(map(os.path.basename, written)) == ["results.json", "scores.csv", "unread.csv"]
        assert {p: s for p, s in digest(self.folder).items() if p not in written} == before  # no canary either
        for text in (ended.stdout, ended.stderr, *written.values()):
            assert SECRET not in text and not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", text)
        return json.loads(written[str(self.folder / "out" / "results.json")])

    def _connected(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def battlefield() -> Iterator[Field]:
    """In a place that every user can reach: the folders of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        os.chmod(name, 0o755)
        listener.setblocking(False)
        Path(name, "work").mkdir()
        yield Field(Path(name, "work"), listener)


def expect_class(report: dict, attacks: list[Attack]) -> None:
    """Full marks for the good, none for what was attacked, and no word of the hidden inputs."""
    assert report["protection"] == "strong" and report["complete"]
    students = {s["student"]: s for s in report["submissions"]}
    assert len(students) == 2 * len(attacks)
    for name, student in students.items():
        if name.endswith("-good"):
            assert student["points"] == 100, name
            continue
        attack = ATTACKS[name.partition("-")[2]]
        checks = [c for t in student["topics"] for c in t["checks"] if c["function"] == attack.function]
        assert checks and sum(c["points"] for c in checks) <= worth(attack), name
        assert not [c for c in checks if c["visibility"] == "hidden" and HIDDEN_INPUTS.search(c["message"])], name


def expect_all_held(field: Field, wrap=lambda c: c, python: str = sys.executable) -> None:
    """Every attack of the corpus, a class for each topic."""
    for topic in NEEDED:
        attacks = [a for a in ATTACKS.values() if a.topic == topic]
        expect_class(field.judged(attacks, wrap, python), attacks)


@pytest.fixture
def strong() -> None:
    from grader.worker import preload
    from grader.worker.walls import sandbox

    if sandbox.prepare(preload.readable_roots("numpy")).level != "strong":
        pytest.skip("needs a kernel that offers the level strong")


@pytest.mark.usefixtures("strong")
def test_a_class_full_of_attackers(battlefield: Field) -> None:
    """`grade submit/`: every second student attacks, the others keep full marks, and nothing shows in a report."""
    expect_class(battlefield.judged(QUICK), QUICK)


@pytest.mark.slow
@pytest.mark.usefixtures("strong")
def test_all_attackers_in_one_class(battlefield: Field) -> None:
    """The whole corpus as whoever runs the tests: root in CI."""
    expect_all_held(battlefield)


OUTER = """
import runpy, sys
sys.argv = sys.argv[1:]
from grader.worker.walls import kernel, seccomp
N = kernel.NUMBERS
names = "unshare setns mount umount2 pivot_root keyctl add_key request_key bpf perf_event_open userfaultfd".split()
steps = [(seccomp.LOAD, 0, 0, 0)]
for number, error in [(N[n], 1) for n in names] + [(N["clone3"], 38)]:
    steps += [(seccomp.JUMP_IF_EQUAL, number, 0, 1), seccomp.deny(error)]
kernel.no_new_privileges()
seccomp.Program([*steps, seccomp.ALLOW]).install()
runpy.run_module("grader", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("strong")
def test_all_attackers_in_a_container(battlefield: Field) -> None:
    """The same beneath an outer filter like that of Docker, where neither namespaces nor the new thread call work."""
    expect_all_held(battlefield, lambda c: [c[0], "-I", "-B", "-c", OUTER, *c[4:]])


AS_USER = """
import os, sys
os.setgroups([]); os.setresgid(61000, 61000, 61000); os.setresuid(61000, 61000, 61000)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("strong")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_all_attackers_as_an_ordinary_user(battlefield: Field) -> None:
    """The same as a user without privileges, with a Python that every user can read."""
    python = python_for_all(battlefield.folder.parent / "python")
    expect_all_held(battlefield, lambda line: [sys.executable, "-I", "-B", "-c", AS_USER, *line], str(python))


# ---- files that attack before anything of them is run ------------------------------------------------------

EVIL_NAME = "\x1b]0;owned\x07=cmd|' C'!A0<script>\u202e"
BILLION = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


def write_odd_files(folder: Path, course: Path) -> None:
    """Links, pipes, folders, names, metadata and notebooks that are not what they seem."""
    good = (ROOT / "solutions" / "optimizers.py").read_text()
    hidden = course.parent / "tests/hidden/test_optimizers.py"
    for name in ("good", "link", "linked-folder", "pipe", "folder", "huge", "binary", "bomb", "deep", "yaml", "told", EVIL_NAME):
        (folder / name).mkdir(parents=True)
    for name in ("good", "yaml", "told", EVIL_NAME):
        (folder / name / "optimizers.py").write_text(good)
    (folder / "link/optimizers.py").symlink_to(hidden)
    (folder / "linked-folder/work").symlink_to(hidden.parent)
    os.mkfifo(folder / "pipe/optimizers.py")
    (folder / "folder/optimizers.py").mkdir()
    (folder / "huge/optimizers.py").write_bytes(b"#" * (3 << 20))
    (folder / "binary/optimizers.py").write_bytes(b"\xff\xfe\x00" * 99)
    (folder / "bomb/optimizers.ipynb").write_text('{"cells": ' + "[" * 200_000)
    (folder / "deep/optimizers.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": [["x"]]}]}))
    (folder / "yaml/submission.yml").write_text(BILLION + "student: !!python/object/apply:os.system ['id']\n")
    told = json.dumps({"student": EVIL_NAME, "members": ["../../etc", "=1+1"]})
    (folder / "told/submission.yml").write_text(told)


def zip_with(*entries: tuple[str, bytes], mode: int = 0) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return data.getvalue()


def write_odd_zips(folder: Path, course: Path) -> None:
    good = (ROOT / "solutions" / "optimizers.py").read_bytes()
    hidden = str(course.parent / "tests/hidden/test_optimizers.py").encode()
    up = "../" * 12 + "tmp/grader_attack_zip/optimizers.py"
    zips = {
        "up": zip_with((up, good), ("/tmp/grader_attack_zip/optimizers.py", good), ("C:\\grader\\optimizers.py", good)),
        "linked": zip_with(("optimizers.py", hidden), mode=stat.S_IFLNK | 0o777),
        "bomb": zip_with(("optimizers.py", b"#" * (200 << 20))),
        "nested": zip_with(("nested.zip", zip_with(("optimizers.py", good)))),
        "broken": zip_with(("optimizers.py", good))[:-40],
        "twice": zip_with(("optimizers.py", good), ("optimizers.py", b"import os")),
        "names": zip_with((EVIL_NAME + "/optimizers.py", good), ("a\nb/optimizers.py", good)),
    }
    for name, data in zips.items():
        (folder / f"{name}.zip").write_bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("write", [write_odd_files, write_odd_zips], ids=["files", "zips"])
def test_files_cannot_attack_the_grader(write, tmp_path: Path) -> None:
    """Links are not followed, bombs not unpacked, names not believed; the good ones are graded all the same."""
    course = make_course(tmp_path / "course")
    (tmp_path / "submit").mkdir()
    write(tmp_path / "submit", course)
    before, started = digest(tmp_path / "course"), time.monotonic()
    line = [*command(course, tmp_path / "submit", tmp_path / "out"), "--i-trust-these-students"]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=120, env=clean_environment(), cwd=tmp_path)

    assert ended.returncode in (1, 3), ended.stderr
    assert time.monotonic() - started < 90 and "Traceback" not in ended.stderr
    assert digest(tmp_path / "course") == before and not Path("/tmp/grader_attack_zip").exists()
    written = [p.read_text() for p in (tmp_path / "out").iterdir()]
    for text in (ended.stdout, ended.stderr, *written):
        assert SECRET not in text and not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    for row in (tmp_path / "out" / "scores.csv").read_text().splitlines():
        assert row.lstrip('"')[:1] not in "=+-@"
    points = {s["student"]: s["points"] for s in json.loads((tmp_path / "out" / "results.json").read_text())["submissions"]}
    expected = {"good": 100, "link": 0, "pipe": 0, "bomb": 0, "deep": 0, "huge": 0, "yaml": 100, "up": 100, "linked": 0}
    assert {n: p for n, p in expected.items() if n in points} == {n: points[n] for n in expected if n in points}
