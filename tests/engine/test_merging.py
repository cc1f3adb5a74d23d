"""A run adds to the report that lies in its folder, where both hang on the same things."""

from __future__ import annotations

import csv
import json
import random
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from test_cli import SOLUTION, STUB, grade, hand_in, start
from test_reports import check, report, topic
from toys import TOY

from grader.cli.saving import ReportFolder
from grader.course import load_course
from grader.errors import UsageError
from grader.grading.grade import head_of
from grader.reports import merging, summary, to_csv, to_json
from grader.results import Report, ReportHead, SubmissionResult, TopicResult, Unfinished

ORDER = ["toy", "second", "third"]
HEAD = ReportHead("sha256:c", {"toy": "sha256:t"}, 7, False, "0.1.0", "2026-11-30T09:00:00Z")
BOTH = replace(HEAD, checks={"toy": "sha256:t", "second": "sha256:s"})


def of(name: str, *topics: TopicResult, notes: tuple[str, ...] = ()) -> SubmissionResult:
    return SubmissionResult.of(name, topics, notes)


def one(name: str = "toy", points: float = 10.0, **more: object) -> TopicResult:
    return topic(check(points=points), name=name, **more)


def whole(*students: SubmissionResult, head: ReportHead | None = HEAD, **more: object) -> Report:
    made = report(*students, head=head, **more)
    return replace(made, complete=not made.unfinished)


# --- what comes of two reports ---------------------------------------------------------------------------------------


def test_a_student_is_replaced_and_the_others_stay():
    """Sorted by name, as in one run."""
    old = whole(of("ann", one()), of("bob", one(points=5)), notes=("a",))
    new = whole(of("bob", one(points=9)), notes=("b",))

    assert merging.merged(old, new, ORDER) == whole(of("ann", one()), of("bob", one(points=9)), notes=("a", "b"))


def test_a_topic_is_added_with_its_lateness():
    """Totals, days and penalties are those of all topics, which stand in the order of the course."""
    old = whole(
        of("ann", one("second", late_days=2, penalty=2.0), notes=("n",)), head=replace(BOTH, checks={"second": "s"})
    )
    new = whole(of("ann", one("toy", 7.0, late_days=1, penalty=0.5), notes=("m",)))
    (ann,) = merging.merged(old, new, ORDER).submissions

    assert [t.topic for t in ann.topics] == ["toy", "second"]
    assert (ann.points, ann.late_days, ann.penalty, ann.final) == (17.0, 2, 2.5, 14.5)
    assert ann.notes == ("n", "m")
    assert list(merging.merged(old, new, ORDER).head.checks) == ["toy", "second"]


def test_the_weaker_protection_is_told():
    old, new = whole(of("ann", one())), whole(of("bob", one()))

    assert "sealed" == merging.merged(replace(old, protection="sealed"), new, ORDER).protection
    assert "unheard of" == merging.merged(replace(old, protection="unheard of"), new, ORDER).protection


def test_all_anew_is_the_new_report():
    """To the byte: nothing of the old one is left, not even the order of topics."""
    new = whole(of("ann", one("second"), one("toy")), of("bob", one("second"), one("toy")), head=BOTH, notes=("n",))
    stopped = whole(of("ann", one(points=3)), unfinished=(Unfinished("bob", ("toy",)),), notes=("old",))

    assert merging.merged(stopped, new, ORDER).to_json() == new.to_json()


def test_what_is_not_finished_is_carried_on_until_it_is():
    """By student and topic, whichever run finishes it."""
    left = (Unfinished("bob", ("toy", "second")), Unfinished("cyd", ("toy",)))
    stopped = whole(of("ann", one()), unfinished=left, head=BOTH)
    bobs = merging.merged(stopped, whole(of("bob", one())), ORDER)
    again = merging.merged(bobs, whole(of("bob", one("second")), head=BOTH), ORDER)
    done = merging.merged(again, whole(of("cyd", one())), ORDER)
    torn = merging.merged(done, whole(unfinished=(Unfinished("ann", ("toy",)),)), ORDER)

    assert bobs.unfinished == (Unfinished("bob", ("second",)), Unfinished("cyd", ("toy",)))
    assert (again.unfinished, again.complete) == ((Unfinished("cyd", ("toy",)),), False)
    assert (done.unfinished, done.complete) == ((), True)
    assert [s.student for s in done.submissions] == ["ann", "bob", "cyd"]
    assert (torn.unfinished, torn.complete) == ((Unfinished("ann", ("toy",)),), False)


def test_a_partial_csv_says_so_in_itself(tmp_path):
    """Each student who is not finished has a row that says so; a total that is not final has no number."""
    left = (Unfinished("ann", ("second",)), Unfinished("zoe", ("toy", "second")))
    partial = whole(of("ann", one()), of("bob", one(), one("second")), unfinished=left, head=BOTH)
    to_csv.write(partial, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = [[row[n] for n in ("student", "toy", "second", "total", "final")] for row in csv.DictReader(file)]

    assert rows == [
        ["ann", "10", "not finished", "not finished", "not finished"],
        ["bob", "10", "10", "20", "20"],
        ["zoe", "not finished", "not finished", "not finished", "not finished"],
    ]
    assert summary.render(partial, lambda text, colour: text).endswith("\n2 not finished, as the run was stopped\n")


def test_head_and_unfinished_are_written_and_read():
    """By the schema, and back to the same report."""
    made = whole(of("ann", one(late_days=1, penalty=0.5)), unfinished=(Unfinished("bob", ("toy",)),))
    data = json.loads(made.to_json())
    jsonschema.validate(data, to_json.schema())

    assert Report.from_json(made.to_json()) == made
    assert list(data)[:3] == ["schema_version", "head", "course"]
    assert (data["submissions"][0]["topics"][0]["late_days"], data["unfinished"]) == (
        1, [{"student": "bob", "topics": ["toy"]}]
    )  # fmt: skip


# --- what cannot be one report ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"checks": {"toy": "sha256:other"}}, "graded with another version of toy's checks"),
        ({"seed": 8}, "graded with another seed (8)"),
        ({"grader": "0.0.9"}, "graded with another version of the grader (0.0.9)"),
        ({"course": "sha256:other"}, "graded with another course.yml"),
        ({"capstones": True}, "graded with --capstone"),
    ],
)
def test_other_results_are_refused(tmp_path, changed, words):
    """By what differs; the time does not matter, nor a topic that only one of them has."""
    old = whole(head=replace(HEAD, **changed))

    with pytest.raises(UsageError) as told:
        merging.refuse_others(old, HEAD, tmp_path)
    assert (str(told.value), told.value.help) == (f"{tmp_path}: {words}", "-o elsewhere or --replace")
    merging.refuse_others(whole(), replace(HEAD, when="later"), tmp_path)
    merging.refuse_others(whole(head=replace(HEAD, checks={"second": "x"})), HEAD, tmp_path)


@pytest.mark.parametrize(
    "file", ["tests/hidden/test_toy.py", "tests/public/test_toy.py", "solutions/toy.py", "exercises/toy.py"]
)
def test_the_digest_of_checks_is_that_of_their_files(toy_copy, file):
    """A byte more in one of them is another version, of this topic alone."""
    before = head_of(load_course(toy_copy / "course.yml"), ["toy", "second"])
    with (toy_copy / file).open("a") as text:
        text.write("\n")
    after = head_of(load_course(toy_copy / "course.yml"), ["toy", "second"])

    assert (before.checks["toy"] == after.checks["toy"], before.checks["second"]) == (False, after.checks["second"])
    assert (before.course, before.seed, 9) == (after.course, 7, head_of(load_course(TOY / "course.yml"), [], 9).seed)


def test_the_digest_of_the_course_is_what_it_says(toy_copy):
    """A comment is nothing, a due date is something."""
    file, found = toy_copy / "course.yml", []
    for old, new in [("", ""), ("format: 1", "format: 1 # one"), ("2026-11-20", "2026-11-21")]:
        file.write_text(file.read_text().replace(old, new, 1))
        found.append(head_of(load_course(file), []).course)

    assert found[0] == found[1] != found[2]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def course(toy_copy) -> Path:
    hand_in(toy_copy, ann=SOLUTION, bob=STUB)
    return toy_copy


def timeless(text: str) -> str:
    return re.sub(r'"(seconds|when)": ("[^"]*"|[\d.e-]+)', "", text)


def test_runs_for_a_student_and_a_topic_come_to_one_for_all(course):
    """`-s` and `-t` merge into the report that lies there; the csv has it all."""
    assert 1 == grade("submit", "-t", "toy", "-o", "one", cwd=course).returncode
    (course / "submit" / "bob" / "toy.py").write_text(SOLUTION)
    shutil.copy(course / "solutions" / "second.py", course / "submit" / "bob")
    done = grade("submit", "-s", "bob", "-o", "one", "--json", cwd=course)
    grade("submit", "-t", "second", "-s", "ann", "-o", "one", cwd=course)
    grade("submit", "-o", "all", cwd=course)
    one, everything = ((course / n / "results.json").read_text() for n in ("one", "all"))

    assert [s["student"] for s in json.loads(done.stdout)["submissions"]] == ["bob"]
    assert timeless(one) == timeless(everything)
    assert (course / "one" / "scores.csv").read_text() == (course / "all" / "scores.csv").read_text()


def test_another_version_of_the_checks_exits_2_before_grading(course):
    """What lies there stays as it is; `--replace` says otherwise."""
    grade("submit", "-t", "toy", "-o", "report", cwd=course)
    before = (course / "report" / "results.json").read_bytes()
    with (course / "tests" / "hidden" / "test_toy.py").open("a") as text:
        text.write("\n")
    done = grade("submit", "-s", "ann", "-t", "toy", "-o", "report", cwd=course)
    kept = (course / "report" / "results.json").read_bytes()
    instead = grade("submit", "-s", "ann", "-t", "toy", "-o", "report", "--replace", cwd=course)

    assert (2, "") == (done.returncode, done.stdout)
    assert (
        "error: report: graded with another version of toy's checks\nhelp: -o elsewhere or --replace\n" in done.stderr
    )
    assert (before, 0) == (kept, instead.returncode)
    assert [s.student for s in Report.from_json(course / "report" / "results.json").submissions] == ["ann"]


def older(path: Path) -> dict[str, object]:
    """A report of version 1, in a folder with its csv."""
    data = report(of("ann", one())).to_dict() | {"schema_version": 1}
    path.mkdir(parents=True)
    (path / "results.json").write_text(json.dumps(data))
    (path / "scores.csv").write_text("old")
    (path / "mine.txt").write_text("mine")
    return data


def test_version_1_is_read_and_set_aside(tmp_path, capsys):
    """Never merged into; its files are kept as NAME.1, or the next number, and others are left alone."""
    data = older(tmp_path / "report")
    (tmp_path / "report.1").mkdir()
    into = ReportFolder(tmp_path / "report", ["csv"])

    assert Report.from_json(json.dumps(data)) == report(of("ann", one()))
    into.refuse_unusable(HEAD)
    assert into.put(whole(of("bob", one())), ORDER)
    assert json.loads((tmp_path / "report.2" / "results.json").read_text()) == data
    assert ["results.json", "scores.csv"] == sorted(p.name for p in (tmp_path / "report.2").iterdir())
    assert "mine.txt" in {p.name for p in (tmp_path / "report").iterdir()}
    assert [s.student for s in Report.from_json(tmp_path / "report" / "results.json").submissions] == ["bob"]
    assert f"is kept as {tmp_path}/report.2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"schema_version": 3}', "schema_version: 3 is not read here"),
        ("{", "not JSON"),
        ('{"schema_version": 2}', "course: Field required"),
    ],
)
def test_what_is_no_report_is_refused_by_name_before_grading(course, text, words):
    """A newer version, half a file, another document: nothing of it is overwritten."""
    (course / "report").mkdir()
    (course / "report" / "results.json").write_text(text)
    done = grade("submit", "-t", "toy", "-o", "report", cwd=course)

    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: report/results.json: {words}" in done.stderr and "-o elsewhere or --replace" in done.stderr
    assert text == (course / "report" / "results.json").read_text()
    assert ["results.json"] == [p.name for p in (course / "report").iterdir()]


def test_a_report_that_changes_meanwhile_is_not_overwritten(tmp_path, capsys):
    """What was graded is kept beside it, and told."""
    into = ReportFolder(tmp_path / "report", ["json"])
    into.refuse_unusable(HEAD)
    whole(of("ann", one()), head=replace(HEAD, seed=8)).to_json(tmp_path / "report" / "results.json")

    assert not into.put(whole(of("bob", one())), ORDER)
    assert [s.student for s in Report.from_json(tmp_path / "report.1" / "results.json").submissions] == ["bob"]
    assert [s.student for s in Report.from_json(tmp_path / "report" / "results.json").submissions] == ["ann"]
    assert "holds another report now" in capsys.readouterr().err


# --- killed and finished ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_and_finished_it_is_the_report_of_one_run(toy_copy):
    """Thirty moments, drawn by chance, and three signals; byte for byte but for times. No moment leaves half a file."""
    slow = "import time\ntime.sleep(0.5)\n"
    hand_in(toy_copy, **{f"s{i}": (SOLUTION if i % 3 else STUB) + slow for i in range(6)})
    began = time.monotonic()
    grade("submit", "-o", "undisturbed", "-j", "1", cwd=toy_copy)
    seconds, draw = time.monotonic() - began, random.Random(20261130)
    wanted = {p.name: timeless(p.read_text()) for p in (toy_copy / "undisturbed").iterdir()}
    partial = 0
    for number in range(30):
        name = draw.choice(["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
        process = start("submit", "-o", f"r{number}", "-j", "1", cwd=toy_copy)
        time.sleep(draw.uniform(seconds / 3, seconds))  # nothing is graded before
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=90)
        folder = toy_copy / f"r{number}"
        torn = merging.there(folder)
        partial += torn is not None and bool(torn.unfinished) and bool(torn.submissions)
        assert not torn or torn.complete == (not torn.unfinished)
        if torn and torn.unfinished and number % 3 == 0:
            grade("submit", "-o", folder, "-s", torn.unfinished[0].student, cwd=toy_copy)
        grade("submit", "-o", folder, cwd=toy_copy)

        assert wanted == {p.name: timeless(p.read_text()) for p in folder.iterdir()}, (number, name)
    assert partial >= 3
