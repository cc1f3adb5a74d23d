"""course.yml: every mistake of the file at once, each with its place and what to do next."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from toys import ROOT

from grader.course import Course, Limits, Policy, Topic, find_course, load_course, plain_yaml
from grader.errors import CourseError
from grader.submissions import LAYOUT_NAMES

HEAD = "format: 1\ntitle: T\n"
DOCS = "see docs/course.md for what each key takes"


def load(toy_copy: Path, text: str | bytes) -> Course:
    path = toy_copy / "course.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_course(path)


def mistakes(toy_copy: Path, text: str | bytes) -> list[tuple[str, str, str]]:
    """(where, problem, help) of every mistake."""
    with pytest.raises(CourseError) as caught:
        load(toy_copy, text)
    return [(e.where, e.problem, e.help) for e in (caught.value, *caught.value.others)]


def test_a_whole_course(toy_copy):
    """Every key arrives, and a topic's limits are the course's but for those that it gives."""
    course = load(
        toy_copy,
        HEAD + "seed: 3\nlimits: {cpu_seconds: 2, memory_mb: 512}\n"
        "policy: {late_penalty_per_day: 0.1, late_penalty_cap: 0.5, grace_hours: 2, follow_through_share: 0.25, feedback: full}\n"
        "topics:\n  - {name: toy, weight: 50, due: 2026-12-01T13:00:00+01:00, limits: {cpu_seconds: 9}}\n"
        "  - {name: second, imports: [numpy, torch], banned: [torch.nn]}\n",
    )
    toy, second = course.topics

    assert (toy.limits.cpu_seconds, toy.limits.memory_mb) == (9.0, 512)
    assert (second.limits.cpu_seconds, second.limits.memory_mb) == (2.0, 512)
    assert (50.0, datetime(2026, 12, 1, 12, tzinfo=UTC)) == (toy.weight, toy.due)
    assert (second.weight, second.due, second.kind, second.banned) == (100.0, None, "torch", ("torch.nn",))
    assert (3, 0.25, "full", toy_copy) == (
        course.seed,
        course.policy.follow_through_share,
        course.policy.feedback,
        course.root,
    )


def test_all_mistakes_at_once_in_order(toy_copy):
    """One call tells every mistake of the file, in the order of its lines, each with its next step."""
    text = (
        "format: 1\nformat: 1\ntitle: 3\nseed: yes\nlimts: {}\ntopics:\n"
        "  - {name: toyy, wieght: 3, due: 2026-11-20}\n  - {name: toy, weight: '3'}\n  - [1]\n"
    )
    assert mistakes(toy_copy, text) == [
        ("course.yml:2:1", "'format' is given twice", "keep one"),
        ("course.yml:3:8", "title: should be text, not '3'", DOCS),
        ("course.yml:4:7", "seed: should be a whole number, not 'True'", DOCS),
        ("course.yml:5:1", "unknown key 'limts'", "did you mean 'limits'?"),
        ("course.yml:7:12", "topic 'toyy' has no exercises/toyy.py", "did you mean 'toy'?"),
        ("course.yml:7:18", "unknown key 'wieght'", "did you mean 'weight'?"),
        (
            "course.yml:7:34",
            "topics.0.due: a due date is a time with its zone, like 2026-12-01T23:59:00+01:00, not '2026-11-20'",
            DOCS,
        ),
        ("course.yml:8:25", "topics.1.weight: should be a number, not '3'", DOCS),
        ("course.yml:9:5", "topics.2: should be keys with their values", DOCS),
    ]


@pytest.mark.parametrize(
    ("text", "where", "problem", "help"),
    [
        ("", "1:1", "the file is empty", "see docs/course.md for what belongs in it"),
        ("# only words\n", "1:1", "the file is empty", "see docs/course.md for what belongs in it"),
        ("a: [", "2:1", "not valid YAML: did not find expected node content", "see the line above it too"),
        (HEAD + "topics:\n- name: toy\n\tweight: 3", "5:1", "not valid YAML: found a tab character that violates indentation", "see the line above it too"),
        ("\x07", "1:1", "not valid YAML: control characters are not allowed", "see the line above it too"),
        ("hello", "1:1", "the file: should be keys with their values, not 'hello'", DOCS),
        ("[1]", "1:1", "the file: should be keys with their values", DOCS),
        ("--- a\n--- b\n", "2:1", "not valid YAML: but found another document", "see the line above it too"),
        ("a: &a 1\nb: *a\n", "1:4", "anchors and aliases (& and *) are not used here", "see the line above it too"),
        ("a: !!set {}\n", "1:4", "tags such as 'tag:yaml.org,2002:set' are not used here", "see the line above it too"),
        ("[" * 100_000, "1:51", "nested too deeply", "see the line above it too"),
        (b"format: 1\ntitle: \xe9\n", "2:1", "not UTF-8 text", "save the file as UTF-8"),
        (HEAD + "topics: []\n", "3:1", "topics: the list is empty", "add a topic"),
        (HEAD, "1:1", "'topics' is missing", "add 'topics: ...'"),
        (HEAD + "topics: [{weight: 3}]", "3:10", "'name' is missing in 'topics.0'", "add 'name: ...'"),
        (HEAD + "topics: [{name: toy}, {name: toy}]", "3:30", "topic 'toy' is listed twice", "keep one"),
        (HEAD + "topics: [{name: zzz}]", "3:17", "topic 'zzz' has no exercises/zzz.py", "stubs there: second, toy"),
        (HEAD + "topics: [{name: Toy-1}]", "3:17", "topics.0.name: should be a name of lower-case letters, digits and underscores, not 'Toy-1'", DOCS),
        (HEAD + "topics: [toy]", "3:10", "topics.0: should be keys with their values, not 'toy'", DOCS),
        (HEAD + "topics: toy", "3:9", "topics: should be a list, not 'toy'", DOCS),
        (HEAD + "topics: [{name: toy}]\nfile: /etc\n", "4:1", "unknown key 'file'", "leave it out"),
        (HEAD + "topics: [{name: toy, weight: .nan}]", "3:30", "topics.0.weight: input should be a finite number, not 'nan'", DOCS),
        (HEAD + "topics: [{name: toy, weight: -1}]", "3:30", "topics.0.weight: input should be greater than or equal to 0, not '-1'", DOCS),
        (HEAD + "topics: [{name: toy, due: 2026-13-40T00:00:00Z}]", "3:27", "topics.0.due: month must be in 1..12, not '2026-13-40T00:00:00Z'", DOCS),
        (HEAD + "topics: [{name: toy, due: 2027-03-28 02:30 Europe/Berlin}]", "3:27", "topics.0.due: 2027-03-28 02:30 does not exist in Europe/Berlin, where the clocks are put forward then, not '2027-03-28 02:30 Europe/Berlin'", DOCS),
        (HEAD + "topics: [{name: toy, due: '0001-01-01T00:00+14:00'}]", "3:27", "topics.0.due: 0001-01-01 00:00:00 lies beyond the calendar, not '0001-01-01T00:00+14:00'", DOCS),
        (HEAD + "topics: [{name: toy, due: 5}]", "3:27", "topics.0.due: a due date is a time with its zone, like 2026-12-01T23:59:00+01:00, not '5'", DOCS),
        (HEAD + "topics: [{name: toy, imports: numpy}]", "3:31", "topics.0.imports: should be a list, not 'numpy'", DOCS),
        (HEAD + "topics: [{name: toy, limits: {cpu: 1}}]", "3:31", "unknown key 'cpu'", "known keys here: cpu_seconds, import_seconds, memory_mb, output_kb, topic_seconds"),
        (HEAD + "limits: {topic_seconds: 0}\ntopics: [{name: toy}]", "3:25", "limits.topic_seconds: input should be greater than 0, not '0'", DOCS),
        (HEAD + "limits: {topic_seconds: yes}\ntopics: [{name: toy}]", "3:25", "limits.topic_seconds: should be a number, not 'True'", DOCS),
        (HEAD + "limits: {topic_seconds: 14}\ntopics: [{name: toy}]", "3:25", "limits.topic_seconds: should be at least import_seconds + cpu_seconds, which is 15, not '14'", DOCS),
        (HEAD + "limits: {topic_seconds: 60}\ntopics: [{name: toy, limits: {cpu_seconds: 55}}]", "3:25", "limits.topic_seconds: should be at least import_seconds + cpu_seconds, which is 65, not '60'", DOCS),
        (HEAD + "limits: {cpu_seconds: 200}\ntopics: [{name: toy}]", "3:9", "limits.topic_seconds: should be at least import_seconds + cpu_seconds, which is 210", DOCS),
        (HEAD + "policy: {feedback: loud}\ntopics: [{name: toy}]", "3:20", "policy.feedback: input should be 'full', 'hints' or 'verdicts', not 'loud'", DOCS),
        (HEAD + "policy: {late_penalty_per_day: 10}\ntopics: [{name: toy}]", "3:32", "policy.late_penalty_per_day: input should be less than or equal to 1, not '10'", DOCS),
        ("format: 2\ntitle: T\ntopics: [{name: toy}]", "1:9", "format: the only format there is, is 1, not '2'", DOCS),
        ("format: true\ntitle: T\ntopics: [{name: toy}]", "1:9", "format: the only format there is, is 1, not 'True'", DOCS),
        ("format: 1\ntitle: ''\ntopics: [{name: toy}]", "2:8", "title: should not be empty, not ''", DOCS),
    ],
)  # fmt: skip
def test_one_mistake(toy_copy, text, where, problem, help):
    """Each kind of mistake has its own words, place and next step."""
    assert [(f"course.yml:{where}", problem, help)] == mistakes(toy_copy, text)


def test_an_inherited_limit_is_told_once_where_it_stands(toy_copy):
    """A wrong limit of the course is one mistake, not one for each topic that inherits it."""
    text = (
        HEAD
        + "limits: {cpu_seconds: 0, memory: 3}\ntopics:\n  - {name: toy}\n  - {name: second, limits: {cpu_seconds: -1}}\n"
    )

    assert [(where, problem) for where, problem, _ in mistakes(toy_copy, text)] == [
        ("course.yml:3:23", "limits.cpu_seconds: input should be greater than 0, not '0'"),
        ("course.yml:3:26", "unknown key 'memory'"),
        ("course.yml:6:42", "topics.1.limits.cpu_seconds: input should be greater than 0, not '-1'"),
    ]


def test_a_byte_order_mark_is_no_mistake(toy_copy):
    """A file that an editor saved with a byte-order mark is read."""
    assert load(toy_copy, b"\xef\xbb\xbf" + (HEAD + "topics: [{name: toy}]").encode()).title == "T"


def test_a_stub_must_be_there_even_if_nothing_is(toy_copy):
    """Without any stub the help says so instead of an empty list."""
    for stub in (toy_copy / "exercises").glob("*.py"):
        stub.unlink()

    assert mistakes(toy_copy, HEAD + "topics: [{name: toy}]")[0][2] == "the folder exercises/ holds no stubs"


def test_files_that_cannot_be_read(toy_copy, tmp_path):
    """A missing file, a folder and a huge file are one line each."""
    with pytest.raises(CourseError, match="nowhere.yml: cannot be read: No such file or directory"):
        load_course(tmp_path / "nowhere.yml")
    with pytest.raises(CourseError, match="cannot be read: Is a directory"):
        load_course(tmp_path)
    with pytest.raises(CourseError, match="larger than 1 MB"):
        load(toy_copy, b"#" * (2 << 20))


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such rights here")
def test_a_file_without_rights():
    """A file without rights is named with the system's reason; root, who may read everything, asks as somebody else."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "course.yml"
        file.write_text("topics: []\n")
        os.chmod(name, 0o755)
        for rights, problem in ((0o644, "the list is empty"), (0, "cannot be read: Permission denied")):
            file.chmod(rights)
            with somebody_else(), pytest.raises(CourseError, match=problem):
                load_course(file)


@contextlib.contextmanager
def somebody_else():
    root = os.geteuid() == 0
    if root:
        os.seteuid(61000)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_course_is_found_from_below(toy_copy, tmp_path):
    """course.yml is looked for upwards, and its absence is an error with a next step."""
    (toy_copy / "a" / "b").mkdir(parents=True)

    assert (toy_copy / "course.yml").resolve() == find_course(toy_copy / "a" / "b")
    with pytest.raises(CourseError, match="no course.yml here or in a folder above") as caught:
        find_course(tmp_path)
    assert caught.value.help == "run inside the course, or pass --course"


def test_topics_by_name(toy):
    """An unknown topic is answered with the nearest name, or with all of them."""
    with pytest.raises(CourseError) as near:
        toy.topic("tyo")
    with pytest.raises(CourseError) as far:
        toy.topic("xylophone")

    assert (near.value.problem, near.value.help) == ("no topic 'tyo' in this course", "did you mean 'toy'?")
    assert far.value.help == "the topics are: toy, second"


def test_docs_name_every_key_and_layout():
    """docs/course.md has every key of course.yml and every layout, and its example is a course."""
    text = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    keys = {key for model in (Course, Topic, Limits, Policy) for key in model.model_fields} - {"file"}

    assert sorted(k for k in keys | set(LAYOUT_NAMES) if f"| `{k}` |" not in text) == []
    example = plain_yaml.value_of(plain_yaml.compose(text.split("```yaml")[1].split("```")[0]))
    assert [t.name for t in Course.model_validate(example).topics] == ["backprop", "attention"]


def test_docs_tell_the_defaults():
    """The defaults that docs/course.md names are those of the models."""
    text = (ROOT / "docs" / "course.md").read_text(encoding="utf-8")
    rows = {
        r.split("`")[1]: r.split("|")[-2].strip().strip("`")
        for r in text.splitlines()
        if r.count("|") == 4 and "`" in r
    }

    for model in (Limits, Policy):
        for key, field in model.model_fields.items():
            default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
            default = default.lower() if isinstance(field.default, bool) else default
            assert default == rows[key], key


def test_a_topic_has_a_budget_of_time(toy_copy):
    """Its own, or the course's."""
    text = (
        HEAD
        + "limits: {topic_seconds: 60}\ntopics:\n  - {name: toy}\n  - {name: second, limits: {topic_seconds: 90}}\n"
    )
    (toy_copy / "course.yml").write_text(text)
    assert [t.limits.topic_seconds for t in load_course(toy_copy / "course.yml").topics] == [60.0, 90.0]
