"""`grade doctor` proves what holds, and notices what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader import doctor
from grader.cli import doctor as command
from grader.cli.main import grade
from grader.remote.processes import can_fork
from grader.worker import preload

pytestmark = pytest.mark.skipif(not can_fork(), reason="needs forked workers")

OPENED = {  # what is found open when walls are gone, and how it shows
    "reads_system_files": ({"landlock", "sealing"}, "files"),
    "lists_the_root_folder": ({"landlock", "sealing"}, "files"),
    "reads_a_secret": ({"landlock", "sealing"}, "files"),
    "writes_a_file": ({"landlock", "sealing", "seccomp"}, "files"),
    "connects": ({"landlock", "sealing", "seccomp"}, "network"),
    "sends_datagrams": ({"seccomp"}, "network"),
    "starts_a_process": ({"seccomp"}, "processes"),
    "runs_a_program": ({"seccomp", "landlock", "sealing"}, "processes"),
    "signals_the_grader": ({"seccomp", "landlock"}, "processes"),
    "limits_the_grader": ({"seccomp", "identity", "capabilities"}, "processes"),
    "takes_too_much_memory": ({"rlimits"}, "memory"),
}


@pytest.fixture(scope="module")
def healthy() -> doctor.Examination:
    found = doctor.examine()
    if found.level != "strong":
        pytest.skip(f"needs a kernel that offers the level strong, not {found.level}")
    return found


def test_every_probe_is_refused_behind_all_walls(healthy):
    """At the level strong nothing is open, and each wall that can be tried has been."""
    assert healthy.safe and healthy.open_walls() == []
    assert {f.wall for f in healthy.findings} == {"files", "network", "processes", "memory", "identity"}
    assert len(healthy.findings) >= 12


@pytest.mark.parametrize("probe", OPENED)
def test_probe_notices_a_wall_that_is_gone(healthy, probe):
    """A probe that could not succeed would prove nothing."""
    without, wall = OPENED[probe]
    found = doctor.examine(frozenset(without | {"identity"}))
    finding = next(f for f in found.findings if f.probe == probe)

    assert not finding.held and finding.proof
    assert wall in found.open_walls() and not found.safe
    assert any(doctor.HELP[wall] == line for line in command._advice(found))


@pytest.mark.parametrize("kind", preload.KINDS)
def test_probes_as_submissions_get_nothing(healthy, kind):
    """The same through a real worker, as `--attack` does it from an installed wheel."""
    found = doctor.examine_worker(kind)
    assert found.safe, [f for f in found.findings if not f.held]


def test_probes_as_submissions_notice_a_wall_that_is_gone(healthy):
    """A worker without its walls is found out."""
    found = doctor.examine_worker("numpy", ("landlock", "sealing", "seccomp", "identity"))
    assert {"files", "network", "processes"} <= set(found.open_walls())


def test_command_says_what_holds(healthy, monkeypatch, tmp_path):
    """The level, one line a wall, and what was tried; 0 where all of it holds."""
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(grade, ["doctor"])

    assert told.exit_code == 0
    assert told.output.startswith("sandbox: STRONG\n")
    assert "proved: fork was refused" in told.output and "OPEN" not in told.output


def test_command_says_what_to_do(healthy, monkeypatch):
    """1 and a next step where something is open."""
    weak = doctor.examine(frozenset({"seccomp", "landlock", "sealing", "identity"}))
    monkeypatch.setattr(command, "examine", lambda: weak)
    told = CliRunner().invoke(grade, ["doctor"])

    assert told.exit_code == 1
    assert told.output.startswith("sandbox: ACCIDENT-ONLY\n")
    assert "OPEN:   forked" in told.output and "help: " in told.output


def test_command_prints_one_document(healthy):
    """`--json` for programs."""
    told = json.loads(CliRunner().invoke(grade, ["doctor", "--json"]).output)
    assert told["level"] == "strong" and told["safe"] is True
    assert all(set(f) == {"wall", "probe", "held", "proof"} for f in told["findings"])


def test_attack_uses_the_probes_where_there_is_no_checkout(healthy, monkeypatch, capsys):
    """An installed wheel has no corpus."""
    monkeypatch.setattr(command, "__file__", str(Path("/nonexistent/grader/cli/doctor.py")))
    assert command.attack() == 0
    assert [line for line in capsys.readouterr().out.splitlines() if "sandbox:" in line] == [
        "numpy workers, sandbox: STRONG", "torch workers, sandbox: STRONG",
    ]  # fmt: skip


def test_attack_runs_the_corpus_in_a_checkout(monkeypatch):
    """There pytest does it, and its verdict is ours."""
    ran = []
    monkeypatch.setattr(command.subprocess, "run", lambda line, **_: ran.append(line) or type("P", (), {"returncode": 1}))
    assert command.attack() == 1
    assert "test_attacks.py" in ran[0][-1]
