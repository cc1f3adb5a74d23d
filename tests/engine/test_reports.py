"""results.json, scores.csv and the summary on a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import click
import jsonschema
import pytest
from toys import ROOT

from grader import reports
from grader.cli.terminal import painter
from grader.errors import UsageError
from grader.reports import summary, to_csv, to_json
from grader.results import (
    CapstoneFigure,
    CapstoneResult,
    CheckResult,
    Report,
    SubmissionResult,
    TopicResult,
    Verdict,
)
from grader.text import name_of, printable, words_of

plain = painter(False)


def check(verdict: str = "pass", points: float | None = 10.0, name: str = "double", **more: object) -> CheckResult:
    earned = points if points is None or verdict == "pass" else 0.0
    id = f"toy::test_{name}_{verdict}"
    return CheckResult(id, name, f"Title of {name}.", "public", Verdict(verdict), earned, points, **more)


def topic(*checks: CheckResult, name: str = "toy", file: str | None = "toy.py", **more: object) -> TopicResult:
    total, most = sum(c.points or 0 for c in checks), sum(c.max_points or 0 for c in checks)
    return TopicResult(name, file, "sha256:0" if file else None, total, most, checks, **more)


def student(name: str, *topics: TopicResult, **more: object) -> SubmissionResult:
    points, most = sum(t.points for t in topics), sum(t.max_points for t in topics)
    return SubmissionResult(name, topics, points, most, **more)


def report(*students: SubmissionResult, **more: object) -> Report:
    return Report("A course", "strong", True, students, **more)


FULL = student("ann", topic(check(), check(name="half")))
HALF = student(
    "bob", topic(check(), check("wrong", name="half", message="worst at (1, 2)", advice="It is not halved."))
)
NONE = student("cyd", topic(check("missing", name="double"), check("missing", name="half"), file=None))
FAULT = student("dan", topic(check("grader_fault", message="the check itself is faulty")))


# --- results.json ----------------------------------------------------------------------------------------------------


def test_json_has_exactly_the_fields_of_the_contract_in_order():
    """The fields of docs/reports.md, in their order; notes stand only where there is something to note."""
    data = json.loads(report(HALF).to_json())

    assert list(data) == ["schema_version", "course", "protection", "complete", "submissions"]
    (one,) = data["submissions"]
    assert list(one) == ["student", "points", "max_points", "late_days", "penalty", "topics"]
    (first,) = one["topics"]
    assert list(first) == ["topic", "file", "digest", "points", "max_points", "cached", "seconds", "checks"]
    wanted = "id function title visibility verdict points max_points message diagnosis advice follow_through seconds"
    assert wanted.split() == list(first["checks"][0])
    assert tuple(data.values())[:4] == (2, "A course", "strong", True)


def test_json_notes():
    """Notes of the run, of a student and of a topic are in the report."""
    noted = student("ann", topic(check(), notes=("c",)), notes=("b",))
    data = report(noted, notes=("a",)).to_json()

    assert json.loads(data)["notes"] == ["a"]
    assert json.loads(data)["submissions"][0]["notes"] == ["b"]
    assert json.loads(data)["submissions"][0]["topics"][0]["notes"] == ["c"]


def test_hidden_points_are_absent_in_a_students_bundle():
    """A check that was not run here has no points at all, not null ones."""
    skipped = student("ann", topic(check("skipped", points=None)))
    (one,) = json.loads(report(skipped).to_json())["submissions"][0]["topics"][0]["checks"]

    assert {"points", "max_points"}.isdisjoint(one)
    assert CheckResult.from_dict(one) == skipped.topics[0].checks[0]


def test_json_is_ascii_with_one_document():
    """Whatever the names, the document is ASCII, ends in one newline and can be read again."""
    text = report(student("\u0416\u202e\x1b[1m'<script>", topic(check()))).to_json()

    assert text.isascii() and text.endswith("}\n") and "\x1b" not in text
    assert json.loads(text)["submissions"][0]["student"] == "\u0416\u202e\x1b[1m'<script>"


def test_nan_never_reaches_json():
    """A report with a number that JSON lacks is a mistake of ours, not a broken file."""
    with pytest.raises(ValueError, match="JSON"):
        report(student("ann", topic(check(points=float("nan"))))).to_json()


@pytest.mark.parametrize(
    "one", [FULL, HALF, NONE, FAULT, student("x", topic(check("skipped", points=None)), notes=("n",))]
)
def test_reports_follow_the_schema(one):
    """Every kind of report is valid by the schema that ships."""
    shipped = json.loads(files("grader.reports").joinpath("results.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(shipped)

    jsonschema.validate(json.loads(report(one, notes=("n",)).to_json()), shipped)


def test_the_schema_refuses_what_is_not_in_the_contract():
    """An unknown field, a missing one, another verdict and another version are all refused."""
    validator = jsonschema.Draft202012Validator(to_json.schema())
    good = json.loads(report(HALF).to_json())
    assert validator.is_valid(good)
    for change in (
        lambda d: d.update(extra=1),
        lambda d: d.pop("protection"),
        lambda d: d.update(schema_version=3),
        lambda d: d["submissions"][0].pop("late_days"),
        lambda d: d["submissions"][0]["topics"][0].update(cached="no"),
        lambda d: d["submissions"][0]["topics"][0]["checks"][0].update(verdict="passed"),
        lambda d: d["submissions"][0]["topics"][0]["checks"][0].pop("title"),
    ):
        bad = json.loads(json.dumps(good))
        change(bad)
        assert not validator.is_valid(bad)


def test_the_schema_on_disk_is_the_one_of_the_models():
    """`results.schema.json` is what `python -m grader.reports.to_json` writes now."""
    assert to_json.SCHEMA_FILE.read_text(encoding="utf-8") == to_json.schema_text()


# --- reading back ----------------------------------------------------------------------------------------------------


FIGURES = (CapstoneFigure("accuracy", 0.5, 0.9, 1, False), CapstoneFigure("loss", None, 1.0, 2.0, True))
TRAINED = CapstoneResult(False, 0.0, 10.0, FIGURES, "IndexError: out of range", 1.25)
EVERYTHING = report(
    student(
        "\u0416\udc80",
        topic(
            check(seconds=0.1235, diagnosis="sign", follow_through=True),
            check("skipped", points=None),
            check("wrong", message="a\nb", advice="Sum."),
            capstone=TRAINED,
            notes=("c",),
        ),
        topic(check("missing"), file=None, name="second", cached=True),
        late_days=2,
        penalty=0.5,
        notes=("b", "d"),
    ),
    FULL,
    notes=("a",),
)


@pytest.mark.parametrize("whole", [EVERYTHING, report(), report(FULL, HALF, NONE, FAULT)])
def test_a_report_is_read_back_as_it_was_written(whole, tmp_path):
    """From text, from a file and from a dict, with capstones, notes and checks without points; to the same bytes."""
    path = tmp_path / "results.json"
    text = whole.to_json(path)

    assert path.read_bytes() == text.encode()
    assert Report.from_json(text) == Report.from_json(path) == Report.from_dict(whole.to_dict()) == whole
    assert Report.from_json(text).to_json() == text


def test_what_students_print_is_not_written():
    """`output` is lost on the way, and nothing else."""
    one = topic(check(), output="printed")
    (again,) = Report.from_json(report(student("ann", one)).to_json()).submissions

    assert again.topics == (replace(one, output=""),)


def test_whole_numbers_stay_whole():
    """A number is written as it is: a penalty of 0 as 0, one of 0.0 as 0.0, whatever way it came."""
    one = report(student("ann", topic(check(points=10)), penalty=0))
    text = one.to_json()

    assert '"penalty": 0,' in text and '"points": 10,' in text and '"max_points": 10,' in text
    assert Report.from_json(text).to_json() == replace(one, notes=()).to_json() == text
    assert '"penalty": 0.0,' in report(FULL).to_json()


@pytest.mark.parametrize(
    "place, value, problem",
    [
        ("course", 1, "course: Input should be an instance of str"),
        ("complete", "yes", "complete: Input should be a valid boolean"),
        ("submissions", {}, "submissions: Input should be a valid tuple"),
        ("extra", 1, "extra: Unexpected keyword argument"),
        ("a\n\x1b", 1, "a \\x1b: Unexpected keyword argument"),
        ("submissions.0.points", "12", "submissions.0.points: Input should be a number"),
        ("submissions.0.points", True, "submissions.0.points: Input should be a number"),
        ("submissions.0.late_days", 1.5, "submissions.0.late_days: Input should be a valid integer"),
        ("submissions.0.late_days", None, "submissions.0.late_days: Input should be a valid integer"),
        ("submissions.0.notes", None, "submissions.0.notes: Should be absent, not null"),
        ("submissions.0.notes", [1], "submissions.0.notes.0: Input should be an instance of str"),
        ("submissions.0.topics.0", 5, "submissions.0.topics.0: Input should be a dictionary or an instance of TopicRe"),
        ("submissions.0.topics.0.output", "x", "submissions.0.topics.0.output: Unexpected field"),
        ("submissions.0.topics.0.capstone", None, "submissions.0.topics.0.capstone: Should be absent, not null"),
        ("submissions.0.topics.0.checks.0.verdict", "passed", "submissions.0.topics.0.checks.0.verdict: Input should "),
        ("submissions.0.topics.0.checks.0.points", None, "submissions.0.topics.0.checks.0.points: Should be absent"),
        (
            "submissions.0.topics.0.capstone.figures.1.low",
            [],
            "submissions.0.topics.0.capstone.figures.1.low: Input sh",
        ),
        ("schema_version", 3, "schema_version: 3 is not read here"),
        ("schema_version", 0, "schema_version: 0 is not read here"),
        ("schema_version", True, "schema_version: True is not read here"),
        ("schema_version", "1", "schema_version: '1' is not read here"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(place, value, problem):
    """One line names the place and what is wrong there; the schema refuses the same documents."""
    data = EVERYTHING.to_dict()
    *way, last = place.split(".")
    inner_of(data, way)[int(last) if last.isdigit() else last] = value

    assert refused(json.dumps(data)).startswith(f"results.json: {problem}")
    assert not jsonschema.Draft202012Validator(to_json.schema()).is_valid(data)


def inner_of(data, way):
    for step in way:
        data = data[int(step) if step.isdigit() else step]
    return data


def refused(source) -> str:
    with pytest.raises(UsageError) as told:
        Report.from_json(source)
    assert told.value.help and str(told.value).isprintable()
    return str(told.value)


WAYS = ["", "submissions.0", "submissions.0.topics.0", "submissions.0.topics.0.checks.0"]
WAYS += ["submissions.0.topics.0.capstone", "submissions.0.topics.0.capstone.figures.0"]


@pytest.mark.parametrize("way", WAYS)
def test_a_field_that_is_always_written_is_asked_for(way):
    """Whatever field is dropped: the schema and the reader agree whether the document still fits."""
    validator = jsonschema.Draft202012Validator(to_json.schema())
    for name in inner_of(EVERYTHING.to_dict(), filter(None, way.split("."))):
        data = EVERYTHING.to_dict()
        del inner_of(data, filter(None, way.split(".")))[name]
        if validator.is_valid(data):
            assert name in ("notes", "capstone", "points", "max_points") and Report.from_dict(data)
        else:
            assert refused(json.dumps(data)) == f"results.json: {f'{way}.{name}'.lstrip('.')}: Field required"


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "not JSON: Expecting value"),
        ("{", "not JSON: Expecting property name"),
        ("[]", "the document should be an object"),
        ("null", "the document should be an object"),
        ("{}", "schema_version: Field required"),
        ('{"schema_version": NaN}', "not JSON: NaN is no number of JSON"),
        ('{"schema_version": 1e999}', "not JSON: 1e999 is no number of JSON"),
        ("[" * 200_000, "not JSON: "),
    ],
)
def test_what_is_no_report_at_all_is_refused(text, problem):
    """Text that is not JSON, or no object, is an error of one line like any other."""
    assert refused(text).startswith(f"results.json: {problem}")


def test_files_that_cannot_be_read_are_named(tmp_path):
    """A file is named by its path, whether it is not there, no text, or no report."""
    path = tmp_path / "r.json"
    assert refused(path) == f"{path}: cannot be read: No such file or directory"
    path.write_bytes(b"\xff")
    assert refused(path).startswith(f"{path}: not JSON: ")
    path.write_text("{}")
    assert refused(path) == f"{path}: schema_version: Field required"


def test_results_refuse_what_they_cannot_hold():
    """A slip in the grader itself is found where the result is made."""
    for wrong in ({"points": "1"}, {"verdict": "passed"}, {"seconds": None}, {"unheard_of": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(check(), **wrong)


# --- formats ---------------------------------------------------------------------------------------------------------


def test_every_module_of_the_folder_is_a_format():
    """Each to_NAME.py has the name of its file and writes it; no two write the same; the defaults come first."""
    names = [p.stem.removeprefix("to_") for p in Path(reports.__file__).parent.glob("to_*.py")]
    made = {name: __import__(f"grader.reports.to_{name}", fromlist=["FILE"]) for name in names}

    assert sorted(reports.formats()) == sorted(names) and reports.formats()[:2] == list(reports.DEFAULT)
    assert all(callable(module.write) for module in made.values())
    assert {name: module.FILE for name, module in made.items()} == {n: reports.file_of(n) for n in names}
    assert len({module.FILE for module in made.values()}) == len(names)


def test_every_format_is_written_whole(tmp_path):
    """The folder is made, each format is in its file, and nothing half-written is left."""
    written = reports.write(EVERYTHING, tmp_path / "a" / "b", reports.formats())

    assert [p.name for p in written] == [reports.file_of(name) for name in reports.formats()]
    assert sorted(written) == sorted((tmp_path / "a" / "b").iterdir())
    assert all(p.stat().st_size for p in written)
    assert [p.name for p in reports.write(EVERYTHING, tmp_path)] == ["results.json", "scores.csv"]


NEW = "FILE = 'names.txt'\ndef write(report, path):\n    path.write_text(report.submissions[0].student)\n"


@pytest.fixture
def dropped_in(tmp_path, monkeypatch):
    """A module to_names.py in the package's path, and one that fails wherever it is imported."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "to_names.py").write_text(NEW)
    (tmp_path / "more" / "to_broken.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(reports, "__path__", [*reports.__path__, str(tmp_path / "more")])
    yield
    sys.modules.pop("grader.reports.to_names", None)
    vars(reports).pop("to_names", None)


def test_a_new_module_is_a_new_format(dropped_in, tmp_path):
    """A file to_names.py in the package is all it takes; formats are listed without being imported."""
    assert reports.formats() == ["json", "csv", *sorted({*reports.formats()[2:], "broken", "names"})]
    (path,) = reports.write(report(FULL), tmp_path / "out", ["names", "names"])

    assert (path.name, path.read_text()) == ("names.txt", "ann")


def test_what_is_no_format_is_refused_before_anything_is_written(tmp_path):
    """The error names the formats there are."""
    with pytest.raises(UsageError, match="no report 'cvs'") as told:
        reports.write(report(FULL), tmp_path / "out", ["json", "cvs"])

    assert told.value.help.startswith("the reports are json, csv")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """A file in the folder's place, or a folder in the file's, is an error of one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file: cannot be written: File exists"):
        reports.write(report(FULL), tmp_path / "file")
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(UsageError, match="scores.csv: cannot be written: Is a directory"):
        reports.write(report(FULL), tmp_path, ["csv"])


def test_formats_are_listed_without_the_models():
    """Whoever asks for their names waits for no library."""
    code = "import sys; from grader import reports; reports.formats(); print({'pydantic', 'csv'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert done.stdout.strip() == "set()"


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_mark_a_colour_and_words(verdict):
    """A new verdict says how it looks: none has an empty word, and its colour is one that terminals have."""
    assert verdict.mark and verdict.colour and verdict.words
    assert click.unstyle(painter(True)(verdict.mark, verdict.colour)) == verdict.mark
    assert verdict.mark in summary.render(report(student("ann", topic(check(verdict.value)))), plain, verbose=True)


def test_the_docs_have_a_row_for_each_verdict():
    """The table of docs/reports.md names exactly the verdicts there are, each once."""
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    table = page.partition("\n## Verdicts\n")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.M)) == sorted(v.value for v in Verdict)


# --- scores.csv ------------------------------------------------------------------------------------------------------


def rows(path: Path, *students: SubmissionResult) -> list[dict[str, str]]:
    to_csv.write(report(*students), path)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_csv_has_one_row_a_student(tmp_path):
    """One row a student by name: topics in the order of the report, total, late days, penalty, final."""
    late = student("bob", topic(check(), name="second"), topic(check(points=2.5)), late_days=2, penalty=0.5)
    first, second = rows(tmp_path / "s.csv", late, FULL)

    assert list(first) == ["student", "second", "toy", "total", "late_days", "penalty", "final", "notes"]
    assert list(first.values()) == ["ann", "", "20", "20", "0", "0", "20", ""]
    assert list(second.values()) == ["bob", "10", "2.5", "12.5", "2", "0.5", "12", ""]


def test_csv_gives_no_number_for_what_could_not_be_graded(tmp_path):
    """A grader fault is never a 0 that somebody could import."""
    (row,) = rows(tmp_path / "s.csv", FAULT)

    assert list(row.values()) == ["dan", "not graded", "not graded", "0", "0", "not graded", ""]


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-rf", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_csv_holds_no_formulas(tmp_path, name):
    """No name starts a formula in a spreadsheet, whatever white space stands before it."""
    (row,) = rows(tmp_path / "s.csv", student(name, topic(check())))

    assert row["student"].startswith("'")
    assert row["student"][1:] == name.strip()


def test_csv_survives_any_name(tmp_path):
    """Quotes, commas, line ends, control characters and lone surrogates stay within one row."""
    (row,) = rows(tmp_path / "s.csv", student('a",b\r\nc\x00\x1b\udc80', topic(check())))

    assert row["student"] == 'a",b c\\x00\\x1b\\udc80'


# --- the summary -----------------------------------------------------------------------------------------------------


def test_a_class_is_listed_worst_first():
    """What could not be graded comes first, then the lowest total; each line says what is not right."""
    lines = summary.render(report(FULL, HALF, NONE, FAULT), plain).splitlines()

    assert [line.split()[0] for line in lines[:4]] == ["dan", "cyd", "bob", "ann"]
    assert lines[0] == "dan        ? / 10  1 NOT GRADED"
    assert lines[1] == "cyd        0 / 20  1 of 1 topics not handed in"
    assert lines[2] == "bob       10 / 20  1 wrong"
    assert lines[3] == "ann       20 / 20  all checks pass"
    assert "4 submissions, 1 with full marks, median 10 of 20" in lines
    assert lines[-1] == "1 could not be graded in full; that is the grader's fault, not theirs: no mark was given"


def test_late_days_are_in_the_line():
    """A late student's line tells days and penalty, and the total is what is left."""
    late = student("eve", topic(check()), late_days=2, penalty=1.5)

    assert "eve      8.5 / 10  2 d late (-1.5)  all checks pass" in summary.render(report(late, FULL), plain)
    assert "total: 8.5 of 10, 2 days late (-1.5)" in summary.render(report(late), plain)


def test_one_student_reads_the_next_step_last():
    """One student sees what failed with advice and message, and what to look at next in the last line."""
    text = summary.render(report(HALF), plain)

    assert text == (
        "toy: 10 of 20\n"
        "  wrong    half: Title of half.  (0/10)\n"
        "           It is not halved.\n"
        "           worst at (1, 2)\n"
        "\n"
        "total: 10 of 20\n"
        "next: look at half in toy.py: Title of half.\n"
    )


def test_missing_is_folded_to_a_count():
    """What is not written yet is one line; with nothing wrong it is the next step."""
    begun = student("ann", topic(check(), check("missing", name="half"), check("missing", name="third")))
    text = summary.render(report(begun), plain)

    assert "  missing  2 checks of what is not written yet: half, third\n" in text
    assert text.endswith("next: write half in toy.py: Title of half.\n")
    assert "missing  half: Title of half." in summary.render(report(begun), plain, verbose=True)


def test_a_renamed_function_is_asked_about_in_the_summary():
    """What is folded to a count still says that a name was nearly right, once."""
    words = "there is no half here; did you mean Half (line 3)?"
    text = summary.render(report(student("ann", topic(*[check("missing", name="half", message=words)] * 2))), plain)

    assert text.count(words) == 1


def test_a_fault_of_the_grader_is_not_the_students_next_step():
    """What is wrong in the file comes first; a fault alone is for whoever runs the course."""
    both = student("eve", topic(check("grader_fault", name="half"), check("wrong")))

    assert "next: look at double in toy.py" in "".join(summary.render(report(both), plain))
    text = "".join(summary.render(report(FAULT), plain))
    assert text.endswith("next: nothing for the student; whoever runs the course mends the checks of toy\n")


def test_nothing_handed_in_has_a_next_step_too():
    """A student without any file reads which topics are missing and where to begin."""
    text = summary.render(report(NONE), plain)

    assert "not handed in: toy\n" in text
    assert text.endswith("next: write toy.py; its stub is exercises/toy.py\n")


def test_an_empty_report_says_so():
    """An interrupted run with nothing finished is no empty screen."""
    assert summary.render(report(), plain) == "nothing was graded\n"


@pytest.mark.parametrize("students", [(FULL,), (HALF,), (NONE,), (FAULT,), (FULL, HALF, NONE, FAULT)])
def test_colour_is_never_the_only_sign(students):
    """Without its colours the text is the same."""
    coloured = summary.render(report(*students), painter(True))

    assert coloured != summary.render(report(*students), plain)
    assert summary.render(report(*students), plain) == click.unstyle(coloured)


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\u202e\x9b31m"


def test_control_characters_never_reach_the_terminal():
    """Names, notes, messages and advice are shown without a single control character."""
    bad = check("wrong", name="half", message=f"got {HOSTILE}\nsecond line", advice=HOSTILE)
    one = student(HOSTILE, topic(bad, notes=(HOSTILE,)), notes=(HOSTILE,))
    for students in ((one,), (one, FULL)):
        text = summary.render(report(*students), plain)
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) is None
        assert "\\x1b[2J" in text


def test_words_are_bounded_and_plain():
    """Untrusted text is bounded in length, also when every character has to be written out."""
    assert 600 == len(words_of("x" * 10_000)) == len(words_of("\x00" * 10_000))
    assert printable(" a\n\tb ") == "a b"
    assert name_of("e\u0301") == "\u00e9"
    assert printable("a\u200eb\ufeffc\U000e0041") == r"a\u200eb\ufeffc\U000e0041"
    assert (
        name_of("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )  # Persian needs its joiner


def test_docs_name_every_verdict_and_field():
    """docs/reports.md has every verdict, every field and every column."""
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    names = {f"`{v.value}`" for v in Verdict}
    for part in [to_json.schema(), *to_json.schema()["$defs"].values()]:
        names |= {f"`{name}`" for name in part["properties"]}

    assert sorted(n for n in names if n not in text) == []


def test_one_slip_reads_as_one_slip():
    """Failed checks with one explanation are one entry; the points of all of them and -v are named."""

    def failed(name: str, function: str, advice: str | None) -> CheckResult:
        return CheckResult(f"toy::{name}", function, name, "hidden", Verdict.WRONG, 0.0, 2.0, "m", None, advice)

    checks = (failed("a", "f", "Sum, not mean."), failed("b", "g", None), failed("c", "h", "Sum, not mean."))
    topic = TopicResult("toy", "toy.py", "sha256:0", 0.0, 6.0, checks)
    one = report(SubmissionResult("ann", (topic,), 0.0, 6.0))

    short, long = summary.render(one, plain), summary.render(one, plain, verbose=True)
    assert short.count("Sum, not mean.") == 1
    assert "the same in 1 more checks of f, h (4 points in all; -v lists them)" in short
    assert long.count("Sum, not mean.") == 2
