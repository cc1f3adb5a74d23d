"""What was handed in, in every layout and in every bad shape: one clear message each, and the rest is read."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.course import Course
from grader.errors import NothingToGrade, UsageError
from grader.submissions import LAYOUT_NAMES, Found, Submission, find_submissions
from grader.submissions.layouts import LAYOUTS

CODE = "x = 1\n"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def find(toy: Course):
    """Find the submissions under one path."""
    return lambda path, layout=None: find_submissions([path], toy, layout)


@pytest.fixture
def find_with_words(toy: Course):
    """The same where students' words about times count."""
    policy = toy.policy.model_copy(update={"student_times": True})
    return lambda path: find_submissions([path], toy.model_copy(update={"policy": policy}))


def write(root: Path, **files: str | bytes) -> Path:
    """Files under a folder; `alice__toy="x"` is alice/toy.py."""
    return lay(root, {name.replace("__", "/") + ".py": text for name, text in files.items()})


def lay(root: Path, files: dict[str, str | bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def zipped(path: Path, files: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def by_student(found: Found) -> dict[str, list[str]]:
    return {s.student: sorted(s.files) for s in found.submissions}


def only(found: Found) -> Submission:
    (submission,) = found.submissions
    return submission


def words(found: Found) -> str:
    listed = [f"{row.student} {row.what} {row.why}" for row in found.unread]
    return "\n".join([*found.warnings, *listed, *(n for s in found.submissions for n in s.notes)])


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_a_students_folder(find, tmp_path):
    """A folder with topic files is one student, who bears its name; the text is read as it is."""
    found = find(write(tmp_path / "alice", toy=CODE, second="y = 2\n"))

    assert found.layouts == ["student"]
    assert by_student(found) == {"alice": ["second", "toy"]}
    assert only(found).files["toy"].source == CODE
    assert only(found).files["toy"].digest.startswith("sha256:")


def test_a_class_is_a_folder_per_student(find, tmp_path):
    """Folders with topic files are students, in the order of their names; one with nothing in it is listed, too."""
    root = write(tmp_path / "submit", zoe__toy=CODE, adam__code__second=CODE)
    (root / "empty").mkdir()
    found = find(root)

    assert found.layouts == ["class"]
    assert by_student(found) == {"adam": ["second"], "empty": [], "zoe": ["toy"]}
    assert [s.student for s in found.submissions] == ["adam", "empty", "zoe"]


def test_a_class_of_one_stays_a_class(find, tmp_path):
    """A single folder with topic files in a folder is a class of one student."""
    assert by_student(find(write(tmp_path / "submit", alice__toy=CODE))) == {"alice": ["toy"]}
    assert by_student(find(write(tmp_path / "other", bob__src__toy=CODE))) == {"bob": ["toy"]}


@pytest.mark.parametrize("inside", ["toy.py", "homework/toy.py", "homework/src/toy.py"])
def test_a_zip_of_a_student_bears_the_name(find, tmp_path, inside):
    """A zip of one student's files is named after the zip, whatever folder was packed around them."""
    assert by_student(find(zipped(tmp_path / "s001.zip", {inside: CODE}))) == {"s001": ["toy"]}


@pytest.mark.parametrize("around", ["", "submit/", "a/b/"])
def test_a_zip_of_a_class(find, tmp_path, around):
    """A zip of a class is a class, with or without a folder around it."""
    found = find(zipped(tmp_path / "class.zip", {f"{around}ann/toy.py": CODE, f"{around}bob/toy.py": CODE}))

    assert found.layouts == ["class"]
    assert by_student(found) == {"ann": ["toy"], "bob": ["toy"]}


def test_a_class_of_zips(find, tmp_path):
    """A zip stands for a student's folder, at the top of a class and inside a student's folder."""
    packed = zipped(tmp_path / "x.zip", {"hw/toy.py": CODE}).read_bytes()
    found = find(lay(tmp_path / "submit", {"ann.zip": packed, "bob/work.zip": packed, "cyd/toy.py": CODE}))

    assert by_student(found) == {"ann": ["toy"], "bob": ["toy"], "cyd": ["toy"]}


def test_a_single_file_belongs_to_its_folder(find, tmp_path):
    """A single topic file is a submission of the folder that it lies in."""
    found = find(write(tmp_path / "alice", toy=CODE) / "toy.py")

    assert (found.layouts, by_student(found)) == (["file"], {"alice": ["toy"]})


def test_canvas(find, tmp_path):
    """Canvas puts all files in one folder; the newest try counts, and LATE is said without inventing days."""
    found = find(
        lay(
            tmp_path / "submissions",
            {
                "doejane_LATE_17_901_toy-1.py": "old = 1\n",
                "doejane_LATE_17_902_toy-2.py": CODE,
                "doejane_LATE_17_903_second.py": CODE,
                "roejohn_18_904_notes.txt": "hello",
                "zoe_19_905_work.zip": zipped(tmp_path / "z.zip", {"toy.py": CODE}).read_bytes(),
                "stray.txt": "",
            },
        )
    )

    assert found.layouts == ["canvas"]
    assert by_student(found) == {"doejane_17": ["second", "toy"], "roejohn_18": [], "zoe_19": ["toy"]}
    assert found.submissions[0].files["toy"].source == CODE
    assert "Canvas marks this submission as late" in found.submissions[0].notes[-1]
    assert "not graded: notes.txt" in found.submissions[1].notes[0]
    assert "stray.txt" in words(found)


def test_moodle(find, tmp_path):
    """Moodle's folders tell name and number, and a file of the student does not change who it is."""
    found = find(
        lay(
            tmp_path / "moodle",
            {
                "Jane van Doe_4711_assignsubmission_file/toy.py": CODE,
                "Jane van Doe_4712_assignsubmission_file_/toy.py": CODE,
                "Jane van Doe_4712_assignsubmission_file_/submission.yml": "student: Jane van Doe_4711\nsubmitted: 2026-11-20T12:00:00Z\n",
            },
        )
    )

    assert found.layouts == ["moodle"]
    assert by_student(found) == {"Jane van Doe_4711": ["toy"], "Jane van Doe_4712": ["toy"]}
    assert found.submissions[1].submitted is None
    assert "submission.yml is not used: the download tells who and when" in found.submissions[1].notes


GRADESCOPE = """\
submission_1:
  :submitters:
  - :name: Alice A
    :sid: '0111'
    :email: alice@example.edu
  - :name: Bob B
    :sid: '222'
  :created_at: 2026-11-20 13:00:00.861687000 +01:00
  :score: 2.0
  :results: &1
    output: |-
      ====
      :score: 3
submission_2:
  :submitters:
  - :name: Cyd
    :email: cyd@example.edu
  :created_at: 2026-11-20 12:00:00.000000000 Z
  :results: *1
submission_3:
  :submitters: []
  :extra: !ruby/object:Foo {}
"""


@pytest.mark.parametrize("packed", [False, True])
def test_gradescope(find, tmp_path, packed):
    """Gradescope's export tells id, group and time; a student's own `submission.yml` changes none of them."""
    files = {
        "submission_metadata.yml": GRADESCOPE,
        "submission_1/toy.py": CODE,
        "submission_1/submission.yml": "student: eve\nsubmitted: 2020-01-01T00:00:00Z\n",
        "submission_2/toy.py": CODE,
        "submission_3/toy.py": CODE,
        "submission_3/submission.yml": "submitted: 2020-01-01T00:00:00Z\n",
        "submission_4/toy.py": CODE,
    }
    if packed:
        root = zipped(tmp_path / "e.zip", {f"assignment_9_export/{n}": t for n, t in files.items()})
    else:
        root = lay(tmp_path / "export", files)
    found = find(root)

    assert found.layouts == ["gradescope"]
    assert {"0111", "222", "cyd@example.edu", "submission_3", "submission_4"} == set(by_student(found))
    for one in found.submissions[:2]:
        assert one.members == ("Alice A", "Bob B")
        assert one.files["toy"].source == CODE
        assert NOON + timedelta(microseconds=861687) == one.submitted
    assert next(s for s in found.submissions if s.student == "cyd@example.edu").submitted == NOON
    assert next(s for s in found.submissions if s.student == "submission_3").submitted is None


@pytest.mark.parametrize("text", ["[", "- a", "\xff" * 10, "a: " + "[" * 5000])
def test_gradescope_without_usable_metadata(find, tmp_path, text):
    """Where the metadata is broken, one warning says so and folders stand for names."""
    data = text.encode("latin-1")
    found = find(lay(tmp_path / "export", {"submission_metadata.yml": data, "submission_1/toy.py": CODE}))

    assert by_student(found) == {"submission_1": ["toy"]}
    assert len(found.warnings) == 1
    assert "folders stand for names" in found.warnings[0]


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": c.splitlines(True)} for c in cells]})


@pytest.mark.parametrize("around", ["", "submitted/"])
def test_nbgrader(find, tmp_path, around):
    """nbgrader's folders tell student and assignment, and `timestamp.txt` when each was handed in."""
    files = {
        "alice/toy/toy.ipynb": notebook(CODE),
        "alice/toy/timestamp.txt": "2026-11-20 12:00:00.000000 UTC\n",
        "alice/ps2/second.ipynb": notebook(CODE),
        "alice/ps2/timestamp.txt": "2026-11-20 12:00:00 America/New_York",
        "bob/toy/toy.ipynb": notebook(CODE),
        "bob/toy/timestamp.txt": "yesterday",
    }
    more = {"source/toy/toy.ipynb": notebook(CODE), "gradebook.db": "x"} if around else {}
    found = find(lay(tmp_path / "course", {f"{around}{n}": t for n, t in files.items()} | more))

    assert found.layouts == ["nbgrader"]
    alice, bob = found.submissions
    assert by_student(found) == {"alice": ["second", "toy"], "bob": ["toy"]}
    assert (NOON, NOON + timedelta(hours=5)) == (alice.submitted_for("toy"), alice.submitted_for("second"))
    assert bob.submitted_for("toy") is None
    assert "bob/toy/timestamp.txt" in words(found)


@pytest.mark.parametrize("around", ["", "submitted/"])
def test_a_lone_student_of_nbgrader(find, tmp_path, around):
    """One student with several assignments stays one student."""
    files = {f"{around}alice/{topic}/{topic}.ipynb": notebook(CODE) for topic in ("toy", "second")}

    assert by_student(find(lay(tmp_path / "course", files))) == {"alice": ["second", "toy"]}


def test_layout_can_be_forced(find, tmp_path):
    """`--layout` has the last word: a class read as one student is one student."""
    root = write(tmp_path / "submit", ann__toy=CODE, bob__second=CODE)

    assert by_student(find(root, "student")) == {"submit": ["second", "toy"]}
    assert by_student(find(root, "class")) == {"ann": ["toy"], "bob": ["second"]}


def test_every_layout_can_be_named():
    """`--layout` takes the name of each layout that is tried, and no other; a class, which matches all, is tried last."""
    assert sorted(LAYOUT_NAMES) == sorted(layout.name for layout in LAYOUTS)
    assert LAYOUTS[-1].name == "class"


def test_notebooks_yield_definitions_and_keep_their_lines(find, tmp_path):
    """Of the cells the graded functions and what they need are kept; trials, magics and shell lines become comments."""
    cells = notebook("%matplotlib inline\nFACTOR = 2\n", "%%bash\nrm -rf /\n", "!ls\ndef double(x):\n    return FACTOR * x")
    file = only(find(lay(tmp_path / "alice", {"toy.ipynb": cells}))).files["toy"]

    assert "# pass  # %matplotlib inline\nFACTOR = 2" in file.source
    assert "# rm -rf /" in file.source
    namespace: dict = {}
    exec(compile(file.source, "toy.ipynb", "exec"), namespace)  # a text of the test's own
    assert namespace["double"](2) == 4
    assert file.where == "toy.ipynb"


def test_oddities_of_a_notebook_are_noted(find, tmp_path):
    """What is odd about a notebook goes with the file, and so into the report."""
    cells = notebook("def double(x):\n    return 2 * x", "def broken(:")

    assert only(find(lay(tmp_path / "alice", {"toy.ipynb": cells}))).files["toy"].notes == (
        "cell 2 was left out: line 1: invalid syntax",
    )


def test_what_is_handed_out_with_a_notebook_is_not_the_students(find, tmp_path):
    """The public checks beside a notebook are neither graded nor listed as left out."""
    files = {"alice/toy/toy.ipynb": notebook(CODE), "alice/toy/public_checks.json": "{}"}

    assert only(find(lay(tmp_path / "submitted", files))).notes == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"cells": 3}', '{"cells": [{"cell_type": "code", "source": 3}]}', "[" * 100_000]
)
def test_broken_notebook(find, tmp_path, text):
    """A file that is no notebook is named, and nothing else happens."""
    file = only(find(lay(tmp_path / "alice", {"toy.ipynb": text}))).files["toy"]

    assert (file.source, file.problem) == (None, "toy.ipynb is not a notebook that can be read; save it again")


# --- submission.yml --------------------------------------------------------------------------------------------------


def test_submission_yml_tells_who_and_when(find_with_words, tmp_path):
    """`submission.yml` names the student exactly as written, the members and the time, which is marked as a word."""
    text = "student: 007\nsubmitted: 2026-11-20 13:00:00 +01:00\nmembers: [ann, 12]\n"
    found = only(find_with_words(lay(tmp_path / "alice", {"toy.py": CODE, "submission.yml": text})))

    assert (found.student, found.submitted, found.members) == ("007", NOON, ("ann", "12"))
    assert found.notes == ("submission.yml says 2026-11-20 13:00:00+01:00: the student's word",)


def test_a_students_word_on_time_does_not_count(toy, tmp_path):
    """A time in a student's own folder is noted and counts nothing, unless the policy takes it; all are told once."""
    root = lay(tmp_path / "submit", {"ann/toy.py": CODE, "bob/toy.py": CODE})
    lay(root / "ann", {"submission.yml": "submitted: {toy: 2026-11-20T13:00:00+01:00}\n"})
    found = find_submissions([root], toy)

    assert found.submissions[0].submitted_for("toy") is None
    assert "the student's word, which does not count here" in found.submissions[0].notes[0]
    assert sum("policy.student_times counts them" in w for w in found.warnings) == 1


def test_a_time_for_each_topic(find_with_words, tmp_path):
    """`submitted` may tell each topic's time."""
    text = "submitted: {toy: 2026-11-20T12:00:00Z, second: 2026-11-20T13:00:00Z}\n"
    found = only(find_with_words(lay(tmp_path / "a", {"toy.py": CODE, "second.py": CODE, "submission.yml": text})))

    assert (found.submitted_for("toy"), found.submitted_for("second")) == (NOON, NOON + timedelta(hours=1))


def test_without_metadata_no_time_is_known(find, tmp_path):
    """The time of a file is never used."""
    assert only(find(write(tmp_path / "alice", toy=CODE))).submitted is None


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("student: [", "not valid YAML"),
        ("- student", "takes the keys student, submitted and members"),
        ("studnet: x", "takes the keys student, submitted and members"),
        ("student: a\nstudent: b", "a key is given twice"),
        ("student: {a: b}", "student is a name"),
        ("student: ''", "student is a name"),
        ("members: ann", "members is a list of names"),
        ("members: [[ann]]", "a member is a name"),
        ("submitted: 2026-11-20T12:00:00", "a time has its zone"),
        ("submitted: yesterday", "a time has its zone"),
        ("submitted: 2026-11-32T12:00:00Z", "submitted: "),
        ("submitted: 2026-11-20 12:00 Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("submitted: [1]", "submitted is a time"),
        (BOMB, "anchors and aliases"),
        ("x: &x {<<: *x}", "anchors and aliases"),
        ("!!python/object/apply:os.system ['true']", "tags such as"),
        ("student: !!binary eA==", "tags such as"),
        ("[" * 30_000, "nested too deeply"),
        ("# " + "x" * 100_000, "larger than 64 KB"),
        ("student: 'a\u0007'", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        (b"student: \xff\xfe", "not UTF-8 text"),
    ],
)
def test_broken_or_hostile_submission_yml(find, tmp_path, text, said):
    """Whatever is wrong with `submission.yml`: one warning, one note, the folder's name, and the files are graded."""
    found = find(lay(tmp_path / "alice", {"toy.py": CODE, "submission.yml": text}))

    assert by_student(found) == {"alice": ["toy"]}
    assert only(found).submitted is None
    assert said in found.warnings[0]
    assert "the folder's name and no time are used" in found.warnings[0]
    assert only(found).notes[0].startswith("submission.yml could not be used: ")


def test_empty_submission_yml_is_as_none(find, tmp_path):
    """An empty `submission.yml` says nothing and costs nothing."""
    found = find(lay(tmp_path / "alice", {"toy.py": CODE, "submission.yml": "# later\n"}))

    assert (only(found).student, found.warnings) == ("alice", [])


# --- bad paths -------------------------------------------------------------------------------------------------------


def test_missing_path(find, tmp_path):
    """A path that is not there is named with the system's reason."""
    with pytest.raises(UsageError, match="cannot be read: No such file or directory") as caught:
        find(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") == caught.value.where
    assert caught.value.help


def test_a_path_that_cannot_be(find):
    """A path with a NUL is an error like any other."""
    with pytest.raises(UsageError, match="cannot be read"):
        find(Path("a\0b"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder(find, tmp_path):
    """A folder without rights is an error where it was given, and a warning where it is one of a class."""
    root = write(tmp_path / "submit", ann__toy=CODE, bob__toy=CODE)
    (root / "bob").chmod(0)
    try:
        found = find(root)
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            find(root / "bob")
    finally:
        (root / "bob").chmod(0o700)

    assert by_student(found) == {"ann": ["toy"], "bob": ["second", "toy"]}
    assert "Permission denied" in found.submissions[1].files["toy"].problem


def test_a_folder_that_vanishes_is_a_warning(find, tmp_path, monkeypatch):
    """A student's folder that cannot be read is named, and the rest is graded."""
    root = write(tmp_path / "submit", ann__toy=CODE, bob__toy=CODE)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "bob":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find(root)

    assert by_student(found) == {"ann": ["toy"], "bob": ["second", "toy"]}
    assert {f.problem for f in found.submissions[1].files.values()} == {"bob cannot be read (Permission denied)"}
    assert "bob: cannot be read (Permission denied); the rest is graded" in words(found)


@pytest.mark.parametrize("files", [{}, {"README.md": "x"}, {"a/b/c.txt": "x"}, {"alice/solution.py": CODE}])
def test_no_submission_inside(find, tmp_path, files):
    """A folder without a single topic file holds nothing to grade, and the error says what is looked for."""
    with pytest.raises(NothingToGrade, match="no submission found") as caught:
        find(lay(tmp_path / "submit", files))
    assert caught.value.help == "files to hand in are toy.py, second.py, in a folder per student"


def test_a_single_file_of_no_topic(find, tmp_path):
    """A file with another name is refused with the names that are known."""
    with pytest.raises(UsageError, match="not the file of a topic") as caught:
        find(write(tmp_path / "alice", tpy=CODE) / "tpy.py")
    assert caught.value.help == "files of this course are toy.py, second.py"


# --- odd entries -----------------------------------------------------------------------------------------------------


def test_symlinks_are_not_followed(find, tmp_path):
    """A link out of the folder, to a file or a folder, is not read; the student is told, and the rest is graded."""
    secret = write(tmp_path / "secret", toy="secret = 1\n")
    root = write(tmp_path / "submit", ann__second=CODE, bob__toy=CODE)
    (root / "ann" / "toy.py").symlink_to(secret / "toy.py")
    (root / "eve").symlink_to(secret)
    (root / "bob" / "more").symlink_to("/")
    found = find(root)

    assert by_student(found) == {"ann": ["second", "toy"], "bob": ["toy"]}
    link = found.submissions[0].files["toy"]
    assert (link.source, link.problem) == (
        None,
        "toy.py is a symbolic link, which is not followed; hand in the file itself",
    )
    assert sum("a symbolic link is not followed" in w for w in found.warnings) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_fifos_block_nothing(find, tmp_path):
    """A named pipe is left out, wherever it lies and whatever its name."""
    root = write(tmp_path / "submit", ann__second=CODE, bob__toy=CODE)
    os.mkfifo(root / "ann" / "toy.py")
    os.mkfifo(root / "x.zip")
    found = find(root)
    single = find(root / "ann" / "toy.py")

    assert found.submissions[0].files["toy"].problem == "toy.py is not a regular file"
    assert only(single).files["toy"].problem == "toy.py cannot be read: not a regular file"
    with pytest.raises(UsageError):
        find(root / "x.zip")


def test_a_folder_with_a_files_name(find, tmp_path):
    """A directory named toy.py is named as what it is, also in a zip and with files inside."""
    root = write(tmp_path / "submit", ann__second=CODE)
    (root / "ann" / "toy.py").mkdir()
    packed = zipped(tmp_path / "bob.zip", {"toy.py/inner.txt": "x", "second.py": CODE})

    for found in (find(root), find(packed)):
        assert only(found).files["toy"].problem == "toy.py is a folder, not a file"
        assert only(found).files["second"].source == CODE


def test_unknown_extra_files(find, tmp_path):
    """Files of no topic are noted with the student, five by name; junk of systems and editors is not worth a word."""
    extra = {f"notes{i}.txt": "x" for i in range(7)} | {"old/toy.py": "old = 1\n"}
    junk = {"__pycache__/toy.pyc": "x", ".DS_Store": "x", "__MACOSX/._toy.py": "x"}
    found = only(find(lay(tmp_path / "alice", {"toy.py": CODE} | extra | junk)))

    assert found.files["toy"].source == CODE
    (note,) = found.notes
    assert "notes4.txt and 3 more" in note
    assert "pyc" not in note and "DS_Store" not in note


def test_a_100_mb_source_is_not_read_whole(find, tmp_path):
    """A huge file is refused after one megabyte, and the other topic is graded."""
    root = write(tmp_path / "alice", second=CODE)
    with (root / "toy.py").open("wb") as file:
        file.truncate(100 << 20)
    files = only(find(root)).files

    assert (files["toy"].source, files["toy"].problem) == (None, "toy.py is larger than 1 MB; a solution is not")
    assert files["second"].source == CODE


def test_very_deep_folders(find, tmp_path):
    """Folders deeper than anyone needs are left out with a warning, without recursion."""
    root = write(tmp_path / "submit", ann__toy=CODE)
    (root / "ann" / "/".join("d" * 60)).mkdir(parents=True)
    lay(root / "ann" / "/".join("d" * 60), {"second.py": CODE})
    found = find(root)

    assert by_student(found) == {"ann": ["toy"]}
    assert "folders deep; left out" in words(found)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("around", ["", "class/"])
def test_too_many_files_cost_one_student(find, tmp_path, monkeypatch, packed, around):
    """Of a student with endless files so many are looked at; what was not found is not graded, and the class is."""
    monkeypatch.setattr("grader.submissions.trees.MAX_ENTRIES", 20)
    monkeypatch.setattr("grader.submissions.trees.MAX_FIRST", 400)
    files = {f"{around}eve/more/{i}/x.txt": "x" for i in range(500)} | {f"{around}eve/toy.py": CODE}
    files |= {f"{around}s{i}/toy.py": CODE for i in range(30)}
    root = zipped(tmp_path / "a.zip", files) if packed else lay(tmp_path / "submit", files)
    found = {s.student: s for s in find(root).submissions}

    assert len(found) == 31
    assert all(s.files["toy"].source == CODE for s in found.values())
    assert "holds more than" in found["eve"].files["second"].problem
    assert "second" not in found["s7"].files


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x = 1\n# \xe9\n", "toy.py is not UTF-8 text (line 2); save it as UTF-8"),
        (b"\xff\xfex", "toy.py is not utf-16-le text, which its byte-order mark says; save it as UTF-8"),
        (b"# coding: zip\nx = 1", "toy.py in the encoding 'zip', which is not read here; save it as UTF-8"),
        (b"# coding: utf-8\nx = '\xe9'", "toy.py is not utf-8 text, which its first lines say; save it as UTF-8"),
        (b"x = 1\0\n", "toy.py holds NUL characters; it is not a text file"),
    ],
)
def test_what_is_no_text(find, tmp_path, data, problem):
    """Bytes that are no UTF-8 text are a problem of that file, named with its line."""
    files = only(find(lay(tmp_path / "alice", {"toy.py": data, "second.py": CODE}))).files

    assert (None, problem) == (files["toy"].source, files["toy"].problem)
    assert files["second"].source == CODE


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfx = 1\r\ny = 2\r\n", b"x = 1\ry = 2\r", b"x = 1\ny = 2\n"])
def test_byte_order_mark_and_line_ends(find, tmp_path, data):
    """A byte-order mark and the line ends of other systems change nothing."""
    assert only(find(lay(tmp_path / "alice", {"toy.py": data}))).files["toy"].source == "x = 1\ny = 2\n"


# --- zips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../toy.py", "a/../../toy.py", "..\\toy.py"])
def test_names_that_point_out_of_a_zip(find, tmp_path, name):
    """An entry that points out of the archive is not read, which is no 0 for its topic; the rest is read."""
    found = find(zipped(tmp_path / "alice.zip", {name: CODE, "second.py": CODE}))

    assert only(found).files["second"].source == CODE
    assert only(found).files["toy"].problem == "toy.py points out of the archive"
    assert "points out of the archive; left out" in words(found)


@pytest.mark.parametrize("name", ["/toy.py", "C:\\toy.py", "\\toy.py", "/Users/a/toy.py", "C:/Users/a/toy.py"])
def test_absolute_names_in_a_zip_lose_their_root(find, tmp_path, name):
    """Programs that pack whole paths do no harm."""
    found = find(zipped(tmp_path / "alice.zip", {name: CODE, "second.py": CODE}))

    assert by_student(found) == {"alice": ["second", "toy"]}
    assert only(found).files["toy"].source == CODE


def test_backslashes_in_a_zip_are_folders(find, tmp_path):
    """Zips of some Windows programs write folders with backslashes."""
    assert by_student(find(zipped(tmp_path / "class.zip", {"ann\\toy.py": CODE, "bob\\toy.py": CODE}))) == {
        "ann": ["toy"],
        "bob": ["toy"],
    }


def test_symlink_entries_in_a_zip(find, tmp_path):
    """A link in a zip is never followed; the student reads why the topic is missing."""
    link = zipfile.ZipInfo("toy.py")
    link.external_attr = 0o120777 << 16
    path = tmp_path / "alice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("second.py", CODE)
    found = find(path)

    assert "is a symbolic link or special file" in only(found).files["toy"].problem
    assert only(found).files["second"].source == CODE


def test_whoever_handed_in_nothing_that_can_be_read_stays_in_the_class(find, tmp_path):
    """In the zip of a class, a student whose only entry is a link, or lies too deep, is listed and not lost."""
    link = zipfile.ZipInfo("eve/inner/toy.py")
    link.external_attr = 0o120777 << 16
    path = zipped(tmp_path / "class.zip", {"ann/toy.py": CODE, "deep/" + "a/" * 20 + "toy.py": CODE})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    found = {s.student: s.files for s in find(path).submissions}

    assert found["ann"]["toy"].source == CODE
    assert "is a symbolic link or special file" in found["eve"]["toy"].problem
    assert found["deep"]["toy"].problem == "toy.py lies more than 12 folders deep"


def test_a_zip_bomb_is_not_unpacked(find, tmp_path, monkeypatch):
    """A file that grows without end is cut at one megabyte, and all of a zip together at its own cap."""
    bomb = zipped(tmp_path / "alice.zip", {"toy.py": b"#" * (50 << 20), "second.py": CODE})
    files = only(find(bomb)).files
    assert files["toy"].problem == "toy.py is larger than 1 MB; a solution is not"
    assert files["second"].source == CODE


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_read_of_one_student_has_a_bound_of_its_own(find, tmp_path, monkeypatch, packed):
    """One student's bulk costs that student alone: what comes after it is read as if it were not there."""
    monkeypatch.setattr("grader.submissions.opener.STUDENT_BYTES", 3000)
    files = {"eve/toy.py": b"#" * 2000, "eve/second.py": b"#" * 2000} | {f"s{i}/toy.py": b"#" * 2000 for i in range(5)}
    root = zipped(tmp_path / "class.zip", files) if packed else lay(tmp_path / "submit", files)
    found = {s.student: s.files for s in find(root).submissions}

    assert all(found[f"s{i}"]["toy"].source for i in range(5))
    assert [f.source is None for f in found["eve"].values()] == [False, True]
    assert "of this student were read already" in found["eve"]["second"].problem


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compression_is_refused(find, tmp_path, compression):
    """bz2 and lzma cannot be unpacked up to a bound, so they are not unpacked at all."""
    files = only(find(zipped(tmp_path / "alice.zip", {"toy.py": CODE}, compression))).files

    assert files["toy"].problem == "toy.py cannot be read: it is packed in a rare way; make an ordinary zip"


def flipped(path: Path, mark: bytes, offset: int, value: bytes) -> Path:
    """The zip with some bytes after each local or central header replaced."""
    data = bytearray(path.read_bytes())
    at = data.find(mark)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(mark, at + 4)
    path.write_bytes(data)
    return path


def test_encrypted_and_damaged_entries(find, tmp_path):
    """An encrypted or damaged entry is a problem of that file alone."""
    locked = flipped(zipped(tmp_path / "a.zip", {"toy.py": CODE}), b"PK\x01\x02", 8, struct.pack("<H", 1))
    wrong_sum = flipped(zipped(tmp_path / "b.zip", {"toy.py": CODE, "second.py": CODE}), b"PK\x01\x02", 16, b"oops")

    assert only(find(locked)).files["toy"].problem == "toy.py cannot be read: it is encrypted"
    assert only(find(wrong_sum)).files["toy"].problem == "toy.py cannot be read: it is damaged (BadZipFile)"


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x05\x06" + b"\xff" * 18, b"Rar!\x1a\x07"])
def test_what_is_no_zip(find, tmp_path, data):
    """A file that only says it is a zip is an error where it was given, and one student's problem in a class."""
    root = lay(tmp_path / "submit", {"ann/toy.py": CODE, "bob.zip": data})
    with pytest.raises(UsageError, match="not an archive that can be read"):
        find(root / "bob.zip")
    found = find(root)

    assert by_student(found) == {"ann": ["toy"], "bob": ["second", "toy"]}
    assert all(f.source is None and "bob.zip is " in f.problem for f in found.submissions[1].files.values())
    assert [(u.student, u.what) for u in found.unread] == [("bob", "bob.zip")]


def test_a_cut_zip(find, tmp_path):
    """A zip cut off while it was uploaded is no zip, whichever byte is the last."""
    path = zipped(tmp_path / "alice.zip", {"toy.py": CODE})
    data = path.read_bytes()
    for size in range(0, len(data) - 1, 7):
        path.write_bytes(data[:size])
        with pytest.raises(UsageError, match="not an archive that can be read"):
            find(path)


def test_duplicate_entries(find, tmp_path):
    """Of two entries with one name the first counts, and a warning says so."""
    path = tmp_path / "alice.zip"
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy.py", CODE)
        archive.writestr("toy.py", "x = 2\n")
    found = find(path)

    assert only(found).files["toy"].source == CODE
    assert "occurs twice; the first one counts" in words(found)


def test_archives_in_archives(find, tmp_path):
    """Archives within a student's archive are looked into, to a depth; one that is deeper is no 0."""
    packed = [zipped(tmp_path / "0.zip", {"toy.py": CODE}).read_bytes()]
    for depth in range(1, 5):
        packed.append(zipped(tmp_path / f"{depth}.zip", {"deep.zip": packed[-1]}).read_bytes())
    found = find(zipped(tmp_path / "class.zip", {f"s{depth}.zip": data for depth, data in enumerate(packed)}))

    assert [s.files["toy"].source for s in found.submissions] == [CODE, CODE, CODE, None, None]
    assert "too deep in others" in found.submissions[3].files["toy"].problem


def test_a_students_zip_that_is_too_large(find, tmp_path, monkeypatch):
    """A student's huge zip within a class is refused before it is read whole, and is no 0."""
    monkeypatch.setattr("grader.submissions.gathering.MAX_ARCHIVE", 100)
    packed = zipped(tmp_path / "x.zip", {"toy.py": CODE * 5}).read_bytes()
    found = find(lay(tmp_path / "submit", {"ann/toy.py": CODE, "bob.zip": packed}))

    assert "bob.zip is larger than" in found.submissions[1].files["toy"].problem


def test_deep_names_in_a_zip(find, tmp_path):
    """An entry with thousands of folders in its name is left out."""
    found = find(zipped(tmp_path / "alice.zip", {"d/" * 5000 + "second.py": CODE, "toy.py": CODE}))

    assert only(found).files["toy"].source == CODE
    assert only(found).files["second"].problem == "second.py lies more than 12 folders deep"
    assert all(len(w) < 700 for w in found.warnings)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("an na", "an na"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc", "a b c"),
        ("=cmd|'calc'!A1", "=cmd|'calc'!A1"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u200fab", r"\u200fab"),
        ("-rf", "-rf"),
        ("e\u0301mile", "\u00e9mile"),
        ("\u0430lice", "\u0430lice"),
    ],
)
def test_odd_names_of_folders(find, tmp_path, name, shown):
    """Any name that a file system takes is shown without control characters and marks that reorder text."""
    found = find(lay(tmp_path / "submit", {f"{name}/toy.py": CODE, "alice/toy.py": CODE}))

    assert sorted(["alice", shown]) == [s.student for s in found.submissions]


@pytest.mark.skipif(sys.platform != "linux", reason="names are always text here")
def test_names_that_are_no_text(find, tmp_path):
    """A folder whose name is no UTF-8 is listed under a name that every report can hold."""
    root = write(tmp_path / "submit", ann__toy=CODE)
    odd = os.fsencode(root) + b"/\xff\xfe"
    os.mkdir(odd)
    Path(os.fsdecode(odd), "toy.py").write_text(CODE)
    found = find(root)

    assert [s.student for s in found.submissions] == ["\\udcff\\udcfe", "ann"]
    assert json.dumps([s.student for s in found.submissions]).isascii()


def test_a_name_of_10000_characters(find, tmp_path):
    """A long name in `submission.yml` is cut."""
    text = f"student: {'x' * 10_000}\n"
    student = only(find(lay(tmp_path / "alice", {"toy.py": CODE, "submission.yml": text}))).student

    assert len(student) == 120
    assert student.endswith("x…")


def test_nobody_takes_anothers_name(find, tmp_path):
    """In a class the folder's name is the student; what a `submission.yml` claims is noted and listed."""
    claim = {"submission.yml": "student: bob\n"}
    root = lay(tmp_path / "submit", {"adam/toy.py": CODE, "bob/toy.py": "x = 2\n", "cyd/toy.py": CODE})
    for claimant in ("adam", "cyd"):
        lay(root / claimant, claim)
    found = find(root)

    assert [s.student for s in found.submissions] == ["adam", "bob", "cyd"]
    assert found.submissions[1].files["toy"].source == "x = 2\n"
    assert "names the student 'bob'; the folder's name counts" in found.submissions[0].notes[0]
    assert [(u.student, u.what) for u in found.unread] == [("adam", "submission.yml"), ("cyd", "submission.yml")]


def test_one_name_in_two_paths(toy, tmp_path):
    """Two folders of one name are told apart by a number, in the same way for any order of the paths."""
    paths = [write(tmp_path / f"{x}" / "alice", toy=CODE) for x in "ab"]
    first, second = find_submissions(paths, toy), find_submissions(paths[::-1], toy)

    assert [s.student for s in first.submissions] == ["alice", "alice (2)"]
    assert first.submissions == second.submissions


def test_names_that_collide_with_the_new_ones(find, tmp_path):
    """A name that was made to tell two apart never takes the place of a third."""
    files = {
        "a/submission.yml": "student: x\n",
        "b/submission.yml": "student: x\n",
        "c/submission.yml": "student: x (b)\n",
    }
    found = find(lay(tmp_path / "submit", files | {f"{s}/toy.py": CODE for s in "abc"}))

    assert len({s.student for s in found.submissions}) == 3


def test_time_zones_are_moments(find_with_words, tmp_path):
    """Two ways to write one moment are one moment."""
    text = "submitted: 2026-11-20T17:30:00+05:30\n"
    found = only(find_with_words(lay(tmp_path / "alice", {"toy.py": CODE, "submission.yml": text})))

    assert found.submitted == NOON
    assert timezone(timedelta(hours=5, minutes=30)) == found.submitted.tzinfo


def test_reading_is_quick_for_a_large_class(find, tmp_path):
    """A class of 2,000 students in a zip takes one pass, not one pass a student."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(2000):
            archive.writestr(f"s{i:04}/toy.py", CODE)
    path = tmp_path / "class.zip"
    path.write_bytes(buffer.getvalue())
    start = os.times().user
    found = find(path)

    assert len(found.submissions) == 2000
    assert os.times().user - start < 5
