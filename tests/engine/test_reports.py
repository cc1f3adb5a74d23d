"""results.json, scores.csv and the summary on a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.resources import files
from pathlib import Path

import click
import jsonschema
import pytest
from toys import ROOT

from grader.cli.terminal import painter
from grader.course import Course
from grader.reports import schema, summary, to_csv, to_json
from grader.results import CheckResult, Report, SubmissionResult, TopicResult, Verdict
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
    data = json.loads(to_json.render(report(HALF)))

    assert list(data) == ["schema_version", "course", "protection", "complete", "submissions"]
    (one,) = data["submissions"]
    assert list(one) == ["student", "points", "max_points", "late_days", "penalty", "topics"]
    (first,) = one["topics"]
    assert list(first) == ["topic", "file", "digest", "points", "max_points", "cached", "seconds", "checks"]
    wanted = "id function title visibility verdict points max_points message diagnosis advice follow_through seconds"
    assert wanted.split() == list(first["checks"][0])
    assert tuple(data.values())[:4] == (1, "A course", "strong", True)


def test_json_notes():
    """Notes of the run, of a student and of a topic are in the report."""
    noted = student("ann", topic(check(), notes=("c",)), notes=("b",))
    data = to_json.render(report(noted, notes=("a",)))

    assert json.loads(data)["notes"] == ["a"]
    assert json.loads(data)["submissions"][0]["notes"] == ["b"]
    assert json.loads(data)["submissions"][0]["topics"][0]["notes"] == ["c"]


def test_hidden_points_are_absent_in_a_students_bundle():
    """A check that was not run here has no points at all, not null ones."""
    skipped = student("ann", topic(check("skipped", points=None)))
    (one,) = json.loads(to_json.render(report(skipped)))["submissions"][0]["topics"][0]["checks"]

    assert {"points", "max_points"}.isdisjoint(one)
    assert CheckResult.from_dict(one) == skipped.topics[0].checks[0]


def test_json_is_ascii_with_one_document():
    """Whatever the names, the document is ASCII, ends in one newline and can be read again."""
    text = to_json.render(report(student("\u0416\u202e\x1b[1m'<script>", topic(check()))))

    assert text.isascii() and text.endswith("}\n") and "\x1b" not in text
    assert json.loads(text)["submissions"][0]["student"] == "\u0416\u202e\x1b[1m'<script>"


def test_nan_never_reaches_json():
    """A report with a number that JSON lacks is a mistake of ours, not a broken file."""
    with pytest.raises(ValueError, match="JSON"):
        to_json.render(report(student("ann", topic(check(points=float("nan"))))))


@pytest.mark.parametrize(
    "one", [FULL, HALF, NONE, FAULT, student("x", topic(check("skipped", points=None)), notes=("n",))]
)
def test_reports_follow_the_schema(one):
    """Every kind of report is valid by the schema that ships."""
    shipped = json.loads(files("grader.reports").joinpath("results.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(shipped)

    jsonschema.validate(json.loads(to_json.render(report(one, notes=("n",)))), shipped)


def test_the_schema_refuses_what_is_not_in_the_contract():
    """An unknown field, a missing one, another verdict and another version are all refused."""
    validator = jsonschema.Draft202012Validator(schema.schema())
    good = json.loads(to_json.render(report(HALF)))
    assert validator.is_valid(good)
    for change in (
        lambda d: d.update(extra=1),
        lambda d: d.pop("protection"),
        lambda d: d.update(schema_version=2),
        lambda d: d["submissions"][0].pop("late_days"),
        lambda d: d["submissions"][0]["topics"][0].update(cached="no"),
        lambda d: d["submissions"][0]["topics"][0]["checks"][0].update(verdict="passed"),
        lambda d: d["submissions"][0]["topics"][0]["checks"][0].pop("title"),
    ):
        bad = json.loads(json.dumps(good))
        change(bad)
        assert not validator.is_valid(bad)


def test_the_schema_on_disk_is_the_one_of_the_classes():
    """`results.schema.json` is what `python -m grader.reports.schema` writes now."""
    assert schema.FILE.read_text(encoding="utf-8") == schema.render()


# --- scores.csv ------------------------------------------------------------------------------------------------------


def rows(toy: Course, path: Path, *students: SubmissionResult) -> list[dict[str, str]]:
    to_csv.write(report(*students), toy, path)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_csv_has_one_row_a_student(toy, tmp_path):
    """One row a student by name: topics in the order of the course, total, late days, penalty, final."""
    late = student("bob", topic(check(), name="second"), topic(check(points=2.5)), late_days=2, penalty=0.5)
    first, second = rows(toy, tmp_path / "s.csv", late, FULL)

    assert list(first) == ["student", "toy", "second", "total", "late_days", "penalty", "final"]
    assert list(first.values()) == ["ann", "20", "", "20", "0", "0", "20"]
    assert list(second.values()) == ["bob", "2.5", "10", "12.5", "2", "0.5", "12"]


def test_csv_gives_no_number_for_what_could_not_be_graded(toy, tmp_path):
    """A grader fault is never a 0 that somebody could import."""
    (row,) = rows(toy, tmp_path / "s.csv", FAULT)

    assert list(row.values()) == ["dan", "not graded", "not graded", "0", "0", "not graded"]


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-rf", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_csv_holds_no_formulas(toy, tmp_path, name):
    """No name starts a formula in a spreadsheet, whatever white space stands before it."""
    (row,) = rows(toy, tmp_path / "s.csv", student(name, topic(check())))

    assert row["student"].startswith("'")
    assert row["student"][1:] == name.strip()


def test_csv_survives_any_name(toy, tmp_path):
    """Quotes, commas, line ends, control characters and lone surrogates stay within one row."""
    (row,) = rows(toy, tmp_path / "s.csv", student('a",b\r\nc\x00\x1b\udc80', topic(check())))

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
    for part in [schema.schema(), *schema.schema()["$defs"].values()]:
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
