"""The `grade` command as a process: exit codes, what goes where, and what it says when something is off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import jsonschema
import pytest
from toys import ROOT, TOY

from grader.reports import to_json

STUB = (TOY / "exercises" / "toy.py").read_text()
SOLUTION = (TOY / "solutions" / "toy.py").read_text()


def start(*arguments: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """The command, in a copy of the toy course or elsewhere."""
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.Popen(
        [sys.executable, "-m", "grader", *map(str, arguments)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def grade(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments, cwd=cwd, **environment)
    out, err = process.communicate(timeout=120)
    assert "--debug" in arguments or "Traceback" not in err, err
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def hand_in(course: Path, **sources: str | None) -> Path:
    """A class in submit/; `ann=SOLUTION` is submit/ann/toy.py."""
    for student, source in sources.items():
        folder = course / "submit" / student
        folder.mkdir(parents=True)
        if source is not None:
            (folder / "toy.py").write_text(source, encoding="utf-8")
    return course / "submit"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A class of three that was graded once into report/, with --json."""
    course = tmp_path_factory.mktemp("cli") / "course"
    shutil.copytree(TOY, course)
    hand_in(course, ann=SOLUTION, bob=STUB, eve=SOLUTION + "\ndef double(x):\n    print('\\x1b[2J')\n    return x\n")
    (course / "submit" / "\x1b[31mzoe=").mkdir()
    (course / "submit" / "eve" / "link").symlink_to("/etc")
    return course, grade("submit", "--json", "-o", "report", "-t", "toy", cwd=course)


@pytest.fixture(scope="module")
def seconds(graded: object) -> float:
    """How long one grading takes here and now, start-up included."""
    course = next(iter(graded))  # type: ignore[call-overload]
    begin = time.monotonic()
    grade("submit/ann", "-t", "toy", cwd=course)
    return time.monotonic() - begin


# --- exit codes ------------------------------------------------------------------------------------------------------


def test_full_marks_exit_0(toy_copy):
    """Full marks exit with 0; the result is on standard output, everything else on standard error."""
    done = grade("solutions", "-t", "toy", cwd=toy_copy)

    assert (done.returncode, done.stdout) == (0, "toy: 100 of 100\n\ntotal: 100 of 100\nall checks pass\n")
    assert done.stderr == "course: A toy course (course.yml)\n1 submission(s), read as: student\n"


def test_below_full_marks_exit_1_and_exit_zero_0(toy_copy):
    """Anything below full marks exits with 1, and with --exit-zero with 0."""
    hand_in(toy_copy, bob=STUB)

    assert [grade("submit", *more, cwd=toy_copy).returncode for more in ([], ["--exit-zero"])] == [1, 0]


def test_a_late_penalty_is_below_full_marks(toy_copy):
    """Full marks less a penalty are not full marks."""
    shutil.copy(toy_copy / "solutions" / "second.py", hand_in(toy_copy, bob=None) / "bob")
    (toy_copy / "submit" / "bob" / "submission.yml").write_text("submitted: 2026-11-21T13:00:00+01:00\n")
    policy = (toy_copy / "course.yml").read_text().replace("policy: {", "policy: {student_times: true, ")
    (toy_copy / "course.yml").write_text(policy)
    done = grade("submit/bob", "-t", "second", cwd=toy_copy)

    assert "total: 45 of 50, 1 days late (-5)" in done.stdout
    assert done.returncode == 1


def test_points_that_do_not_add_up_stop_a_run_before_it_begins(toy_copy):
    """All such topics are told, nothing is graded or written, and nbgrader's course is not built."""
    for name, points in (("hidden/test_toy", 20), ("public/test_second", 100)):
        file = toy_copy / "tests" / f"{name}.py"
        file.write_text(file.read_text().replace(f"points={points})", f"points={points - 2.5:g})", 1))
    hand_in(toy_copy, bob=STUB)
    done = grade("submit", "-o", "report", "-t", "toy", "-t", "second", cwd=toy_copy)
    built = grade("nbgrader", "build", "nb", cwd=toy_copy)

    for ended in (done, built):
        assert 2 == ended.returncode
        files = "tests/public/test_toy.py, tests/hidden/test_toy.py"
        assert f"{files}: the points of the checks add up to 97.5, not to 100" in ended.stderr
        assert "tests/public/test_second.py: the points of the checks add up to 97.5, not to 100" in ended.stderr
    assert "grade audit toy tells more" in done.stderr
    assert not [path for name in ("report", "nb") for path in (toy_copy / name).rglob("*")]
    assert 2 != grade("submit/bob", "-t", "toy", cwd=_students_copy(toy_copy)).returncode


def _students_copy(course: Path) -> Path:
    """What students have: without hidden checks, whose points would be missing."""
    shutil.rmtree(course / "solutions")
    shutil.rmtree(course / "tests" / "hidden")
    return course


@pytest.mark.parametrize(
    ("arguments", "error", "help"),
    [
        (["nowhere/"], "nowhere: cannot be read: No such file or directory", "check the spelling and the rights"),
        (["chekc"], "'chekc' is neither a path here nor a command", "the commands are"),
        (["lsit"], "'lsit' is neither a path here nor a command", "did you mean 'list'?"),
        (["run"], "there is no folder submit/ beside course.yml", "say what to grade: grade PATH"),
        (["solutions", "--jsno"], "no option '--jsno'", "did you mean '--json'?"),
        (["--jsno", "solutions"], "no option '--jsno'", "did you mean '--json'?"),
        (["list", "--zzz"], "no option '--zzz'", "see grade list --help"),
        (
            ["solutions", "-j", "0"],
            "invalid value for '--jobs' / '-j': 0 is not in the range x>=1",
            "see grade run --help",
        ),
        (["solutions", "-t", "tyo"], "no topic 'tyo' in this course", "did you mean 'toy'?"),
        (["solutions", "--layout", "moddle"], "--layout: no layout 'moddle'", "the layouts are student, class, canvas"),
        (["solutions", "--report", "cvs", "-o", "out"], "--report: no report 'cvs'", "the reports are json, csv"),
        (["solutions", "--report", "csv"], "--report says what to write, but not where", "add -o FOLDER"),
        (["solutions", "--course", "nowhere.yml"], "nowhere.yml: cannot be read", "check the name and the rights"),
        (
            ["solutions", "-o", "course.yml"],
            "course.yml: cannot be written: File exists",
            "choose another folder with -o",
        ),
        (["tests/public/test_toy.py"], "tests/public/test_toy.py: not the file of a topic", "files of this course are toy.py, second.py"),
    ],
)
def test_usage_errors_exit_2(toy_copy, arguments, error, help):
    """A mistake in the call is one line and the next step, on standard error alone."""
    done = grade(*arguments, cwd=toy_copy)
    first, second = done.stderr.splitlines()[-2:]

    assert (done.returncode, done.stdout) == (2, "")
    assert first.startswith(f"error: {error}")
    assert second.startswith(f"help: {help}")


def test_mistakes_of_course_yml_exit_2(toy_copy):
    """Every mistake of course.yml is told in one go, each with its place and help."""
    (toy_copy / "course.yml").write_text("format: 1\ntitle: T\nlimts: {}\ntopics:\n  - {name: tyo}\n")
    done = grade("solutions", cwd=toy_copy)

    assert done.returncode == 2
    assert done.stderr == (
        "error: course.yml:3:1: unknown key 'limts'\nhelp: did you mean 'limits'?\n"
        "error: course.yml:5:12: topic 'tyo' has no exercises/tyo.py\nhelp: did you mean 'toy'?\n"
    )


def test_no_course_exits_2(tmp_path):
    """Outside of a course the command says how to name one; one that lies around the path is not the caller's word."""
    done = grade(tmp_path, cwd=tmp_path)

    assert (done.returncode, "no course.yml here or in a folder above" in done.stderr) == (2, True)
    assert "help: run inside the course, or pass --course" in done.stderr
    assert grade(TOY / "solutions" / "toy.py", cwd=tmp_path).returncode == 2
    assert grade(TOY / "solutions" / "toy.py", "--course", TOY / "course.yml", cwd=tmp_path).returncode == 0


def test_a_grader_fault_exits_3(toy_copy):
    """A check file that does not import is nobody's 0: exit 3, also with --exit-zero, and the reports say so."""
    (toy_copy / "tests" / "hidden" / "test_toy.py").write_text("import no_such_thing\n")
    done = grade("solutions", "-t", "toy", "--exit-zero", "-o", "out", cwd=toy_copy)

    assert done.returncode == 3
    assert "NOT GRADED" in done.stdout and "no_such_thing" in done.stdout
    assert "solutions,not graded,not graded,0,0,not graded" in (toy_copy / "out" / "scores.csv").read_text()


@pytest.mark.parametrize("arguments", [["tests"], ["solutions", "-s", "nobody"]])
def test_nothing_to_grade_exits_4(toy_copy, arguments):
    """No submission, or none of the student asked for, exits with 4."""
    done = grade(*arguments, cwd=toy_copy)

    assert (done.returncode, done.stdout) == (4, "")
    assert "error: " in done.stderr and "help: " in done.stderr


def test_warnings_are_told_where_nothing_is_found(toy_copy):
    """What was set aside is named when nothing else is there."""
    folder = hand_in(toy_copy, eve=None)
    (folder / "eve" / "more").symlink_to("/etc")
    done = grade("submit", cwd=toy_copy)

    assert done.returncode == 4
    assert "warning: submit/eve/more: a symbolic link is not followed" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals here")
def test_ctrl_c_keeps_what_is_finished(toy_copy, seconds):
    """Ctrl-C exits with 130; what is finished is shown and written, and the report says that it is not complete."""
    sleep = "import time\ntime.sleep(1000)\n"
    hand_in(toy_copy, ann=SOLUTION, **{f"slow{i}": sleep for i in range(8)})
    process = start("submit", "-t", "toy", "-j", "1", "-o", "out", "--json", cwd=toy_copy)
    time.sleep(2 * seconds + 1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)

    assert process.returncode == 130
    assert "Traceback" not in err
    assert "of 9 submissions are finished and kept" in err
    data = json.loads(out)
    assert not data["complete"]
    assert data["submissions"][0]["student"] == "ann"
    assert len(data["submissions"]) < 8
    assert data == json.loads((toy_copy / "out" / "results.json").read_text())
    assert (toy_copy / "out" / "scores.csv").read_text().startswith("student,toy,total")


# --- output ----------------------------------------------------------------------------------------------------------


def test_json_is_one_document(graded):
    """--json prints results.json and nothing else, valid by the schema; the files say the same."""
    course, done = graded
    data = json.loads(done.stdout)

    assert done.returncode == 1
    jsonschema.validate(data, to_json.schema())
    assert done.stdout == (course / "report" / "results.json").read_text()
    assert [s["student"] for s in data["submissions"]] == ["\\x1b[31mzoe=", "ann", "bob", "eve"]
    assert [s["points"] for s in data["submissions"]][:3] == [0, 100, 0]
    assert data["complete"] and data["notes"] == ["submit/eve/link: a symbolic link is not followed"]


def test_csv_of_a_class(graded):
    """scores.csv has one row a student."""
    lines = (graded[0] / "report" / "scores.csv").read_text().splitlines()

    assert lines[0] == "student,toy,total,late_days,penalty,final,notes"
    assert "ann,100,100,0,0,100," in lines
    assert len(lines) == 5


def test_nothing_is_left_beside_the_reports(graded):
    """The folder of the reports holds the reports and nothing half-written."""
    assert sorted(p.name for p in (graded[0] / "report").iterdir()) == ["results.json", "scores.csv", "unread.csv"]


def test_off_a_terminal_there_is_no_progress_bar(graded):
    """Off a terminal standard error has whole lines of words, without carriage returns and colours."""
    err = graded[1].stderr

    assert "\r" not in err and "\x1b" not in err and "%|" not in err
    assert "4 submission(s), read as: class" in err
    assert "wrote report/results.json" in err.replace("\\", "/")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_colour_obeys_the_environment(toy_copy, environment, coloured):
    """FORCE_COLOR colours also what is piped, NO_COLOR wins, and the words are the same."""
    error = grade("nowhere/", cwd=toy_copy, **environment).stderr
    done = grade("solutions/second.py", cwd=toy_copy, **environment).stdout if environment else ""

    assert coloured == ("\x1b[" in error)
    assert not environment or coloured == ("\x1b[" in done)
    assert not environment or "second: 50 of 50\n" in click.unstyle(done)
    assert click.unstyle(error).startswith("error: nowhere: cannot be read")


def test_one_student_of_a_class(graded):
    """--student picks a student, --verbose lists every check, and no control character of a name gets through."""
    one = grade("submit", "-s", "eve", "-t", "toy", "-v", cwd=graded[0])
    near = grade("submit", "-s", "evee", cwd=graded[0])

    assert "1 submission(s)" in one.stderr
    assert one.stdout.count("  wrong    double: ") == 3
    assert sum(line.startswith("  ok ") for line in one.stdout.splitlines()) == 3
    assert one.stdout.splitlines()[-1].startswith("next: look at double in toy.py: ")
    assert "\x1b" not in one.stdout + one.stderr
    assert "help: did you mean 'eve'?" in near.stderr


def test_report_chooses_what_is_written(toy_copy):
    """--report csv writes that one report, into a folder that is made for it."""
    grade("solutions/second.py", "--report", "csv", "-o", "a/b", cwd=toy_copy)

    assert sorted(p.name for p in (toy_copy / "a" / "b").iterdir()) == ["scores.csv", "unread.csv"]


def test_several_paths_and_topics(toy_copy):
    """Several paths are one class, and --topic may be given twice."""
    hand_in(toy_copy, ann=SOLUTION, bob=STUB)
    done = grade("submit/bob", "submit/ann", "-t", "second", "-t", "toy", "--json", cwd=toy_copy)
    data = json.loads(done.stdout)

    assert [s["student"] for s in data["submissions"]] == ["ann", "bob"]
    assert [[t["topic"] for t in s["topics"]] for s in data["submissions"]] == [["second", "toy"]] * 2


def test_another_seed_is_another_run_with_the_same_score(toy_copy):
    """--seed draws other inputs; a right solution does not notice."""
    assert grade("solutions", "-t", "toy", "--seed", "99", cwd=toy_copy).returncode == 0


def test_a_reader_that_has_gone_stops_nothing(toy_copy):
    """`grade ... | head -c 0` still writes the reports, keeps its exit code, and complains about nothing."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "grader", "solutions/second.py", "-v", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=toy_copy, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)

    assert (done.returncode, (toy_copy / "out" / "results.json").is_file()) == (0, True)
    assert "Error" not in done.stderr and "Exception" not in done.stderr


def test_a_terminal_without_unicode(toy_copy):
    """A name that the terminal's encoding lacks is written by its numbers instead of ending the run."""
    hand_in(toy_copy, ann=None, **{"\u0416": SOLUTION})
    done = grade("submit", "-t", "toy", cwd=toy_copy, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")

    assert done.returncode == 1
    assert "\\u0416        100 / 100" in done.stdout


# --- help and mistakes of ours ---------------------------------------------------------------------------------------


def test_help(tmp_path):
    """Help names what the command does and every command; without arguments the same is shown with exit 2."""
    done = grade("--help", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: grade [OPTIONS] COMMAND [ARGS]...\n")
    assert "run" in done.stdout and "list" in done.stdout
    assert grade(cwd=tmp_path).returncode == 2


def test_list(toy_copy):
    """`grade list` prints the topics in order with weights and deadlines."""
    done = grade("list", cwd=toy_copy)

    assert (
        done.stdout
        == "A toy course\n  toy                  100 points\n  second                50 points  due 2026-11-20 12:00 UTC\n"
    )


@pytest.mark.parametrize("place", [["--debug", "solutions", "-t", "tyo"], ["solutions", "-t", "tyo", "--debug"]])
def test_debug_shows_the_traceback(toy_copy, place):
    """--debug, anywhere in the call, adds the traceback and changes nothing else."""
    done = grade(*place, cwd=toy_copy)

    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("error: no topic 'tyo' in this course\nhelp: did you mean 'toy'?\n")


def test_a_mistake_of_ours_is_one_line(toy_copy, monkeypatch, capsys):
    """An error that nobody thought of is told in one line, exits with 3 and asks for --debug."""
    from grader.cli import main as cli
    from grader.cli import run

    def stumble(*arguments: object) -> int:
        raise RuntimeError("odd\x1b[2J")

    monkeypatch.setattr(run, "run", stumble)
    monkeypatch.setattr(sys, "argv", ["grade", str(toy_copy)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    err = capsys.readouterr().err

    assert caught.value.code == 3
    assert err == (
        "error: the grader itself failed: RuntimeError: odd\\x1b[2J\nhelp: run it again with --debug and report that\n"
    )


def test_interrupt_between_two_students(toy_copy, monkeypatch, capsys):
    """Whenever Ctrl-C comes, at the start included, what has landed is reported and the exit code is 130."""
    from grader.cli import run
    from grader.grading import grade as main_path
    from grader.results import SubmissionResult

    def one_then_stop(*arguments: object, **more: object):
        yield SubmissionResult("ann", (), 0.0, 0.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(main_path, "grade_many", one_then_stop)
    options = run.Options(course_file=toy_copy / "course.yml", as_json=True, topics=("toy",))

    assert run.run([toy_copy / "solutions"], options) == 130
    data = json.loads(capsys.readouterr().out)
    assert (data["complete"], [s["student"] for s in data["submissions"]]) == (False, ["ann"])


def test_weak_walls_need_the_instructors_word(toy_copy, monkeypatch):
    """Where workers cannot be walled off, hidden checks are only graded with the instructor's consent."""
    from grader.cli import run
    from grader.errors import UsageError
    from grader.grading import grade as main_path

    class Weak:
        level, topics = "accident-only", ("toy", "second")

        def start(self) -> None: ...

        def refuse_odd_points(self) -> None: ...

        def close(self) -> None: ...

    monkeypatch.setattr(main_path, "make_engine", lambda *a, **k: Weak())
    monkeypatch.setattr(main_path, "grade_many", lambda *a, **k: iter(()))
    options = run.Options(course_file=toy_copy / "course.yml")

    with pytest.raises(UsageError, match="only be protected at the level 'accident-only'") as caught:
        run.run([toy_copy / "solutions"], options)
    assert "--i-trust-these-students" in caught.value.help
    assert run.run([toy_copy / "solutions"], run.Options(course_file=toy_copy / "course.yml", trusted=True)) == 0
