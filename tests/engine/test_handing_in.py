"""Downloads and folders as they really look: nobody is lost, nobody is misread, and no work becomes a 0 unseen."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_cli import grade
from test_submissions import lay, notebook, only, words, zipped
from toys import TOY

from grader.course import Course
from grader.submissions import Asked, Found, People, Submission, find_submissions
from grader.submissions.naming import TopicNames

WORK = (TOY / "solutions" / "toy.py").read_text()
STUB = (TOY / "exercises" / "toy.py").read_text()
SECOND = (TOY / "solutions" / "second.py").read_text()


@pytest.fixture
def find(toy: Course):
    """Find the submissions under some paths, or under files that are laid below one."""
    return lambda *paths, **asked: find_submissions(paths, toy, asked=Asked(**asked))


def packed(files: dict[str, str | bytes]) -> bytes:
    """The bytes of a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tarred(files: dict[str, str], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def graded(found: Found) -> dict[str, str]:
    """What counts for the topic toy of each student: work, stub, unread (not graded), or nothing (a 0)."""
    return {s.student: _kind(s) for s in found.submissions}


def _kind(submission: Submission) -> str:
    file = submission.files.get("toy")
    if file is None:
        return "nothing"
    if file.source is None:
        return "unread"
    return "stub" if file.source == STUB else "work"


# --- near names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Toy.py", "TOY.PY", "toy (1).py", "toy-2.py", "toy - Copy.py", "toy_final.py", "toy_solution.py", "HW3_toy.py",
        "toy.py.txt", "toy.txt", "hw3-toy-ann.py", "my.toy.py", "toy2.py", "Kopie von toy.py", "sub/Toy.py",
        "a.zip/toy (1).py",
    ],
)  # fmt: skip
def test_near_names_are_taken_and_said(find, tmp_path, name):
    """What browsers, systems and people make of a name is still a file of its topic; what was taken is noted."""
    archive, _, inner = name.partition("/")
    files = {archive: packed({inner: WORK})} if archive == "a.zip" else {name: WORK}
    found = find(lay(tmp_path / "class", {f"ann/{n}": t for n, t in files.items()} | {"bob/toy.py": WORK}))

    assert graded(found) == {"ann": "work", "bob": "work"}
    assert f"toy is graded from '{name}'" in found.submissions[0].files["toy"].notes
    assert found.submissions[1].files["toy"].notes == ()


@pytest.mark.parametrize("name", ["toys.py", "test_toy.py", "toy_test.py", "capstone_toy.py", "hints_toy.py", "examples_toy.py"])
def test_names_of_other_things_are_not_taken(find, tmp_path, name):
    """What is handed out, or only looks like a topic's name, serves none; where it looks like work it is listed."""
    found = find(lay(tmp_path / "class", {f"ann/{name}": WORK, "bob/toy.py": WORK}))

    assert graded(found) == {"ann": "nothing", "bob": "work"}
    assert [row.student for row in found.unread] == ["ann"]


def test_a_near_name_needs_a_name_of_the_topic(find, tmp_path):
    """A file that only bears the name, and defines nothing that is asked for, is no work."""
    found = find(lay(tmp_path / "class", {"ann/my_toy.py": "x = 1\n", "bob/toy.py": WORK}))

    assert graded(found)["ann"] == "nothing"


def test_a_near_name_that_does_not_parse_is_taken(find, tmp_path):
    """A slip of syntax is the student's error, and not a file that was not handed in."""
    found = find(lay(tmp_path / "class", {"ann/Toy.py": WORK + "def broken(:\n", "bob/toy.py": WORK}))

    assert graded(found)["ann"] == "work"


def test_the_longest_name_counts():
    """`conv_backprop.py` is never for backprop."""
    names = TopicNames(["toy", "second", "toy_second"])

    assert names.within("HW toy-second (2)") == "toy_second"
    assert names.within("ToySecond") == "toy_second"
    assert names.within("second_toy") == "second"
    assert names.within("toys") is None


def test_two_near_names_are_not_chosen_between(find, tmp_path):
    """Of two that are equally near neither counts: no mark, both named; equal texts are no question."""
    files = {"ann/Toy.py": WORK, "ann/toy_final.py": WORK + "# mine\n", "bob/Toy.py": WORK, "bob/toy_final.py": WORK}
    found = find(lay(tmp_path / "class", files))

    assert graded(found) == {"ann": "unread", "bob": "work"}
    assert "Toy.py, toy_final.py may all be toy" in found.submissions[0].files["toy"].problem
    assert [row.student for row in found.unread] == ["ann"]


def test_strict_names(toy, tmp_path):
    """`policy.names: strict` takes exact names alone."""
    course = toy.model_copy(update={"policy": toy.policy.model_copy(update={"names": "strict"})})
    found = find_submissions([lay(tmp_path / "class", {"ann/Toy.py": WORK, "bob/toy.py": WORK})], course)

    assert graded(found) == {"ann": "nothing", "bob": "work"}
    assert [(row.student, row.what) for row in found.unread] == [("ann", "Toy.py")]


# --- which file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        {"exercises/toy.py": STUB, "submit/toy.py": WORK},
        {"toy.py": STUB, "submit/toy.py": WORK},
        {"toy.py": "\ufeff" + STUB.replace("\n", "\r\n") + "\n\n", "deep/er/toy.py": WORK},
        {"attempt1.zip": packed({"toy.py": STUB}), "attempt2.zip": packed({"toy.py": WORK})},
        {"attempt9.zip": packed({"toy.py": "x = 1\n"}), "attempt10.zip": packed({"toy.py": WORK})},
        {"outer.zip": packed({"inner.zip": packed({"toy.py": WORK})})},
        {"home.zip": packed({"/Users/cyd/hw/toy.py": WORK})},
        {"work.tar.gz": tarred({"hw/toy.py": WORK})},
        {"work.tar": tarred({"hw/toy.py": WORK}, "w")},
        {"work.tar.xz": tarred({"hw/toy.py": WORK}, "w:xz")},
        {"old/toy.py": "x = 1\n", "new/deep/toy.py": WORK},
        {"toy.py": WORK, "my_toy.py": "def double(x): return 3\n"},
        {"toy.py": WORK, "b/toy.py": "def double(x): return 3\n"},
        {"toy.py": WORK, "toy.ipynb": notebook("def double(x): return 3")},
        {"Toy.py": WORK, "broken.zip": b"PK"},
        {"toy.py": ("\ufeff" + WORK).encode("utf-16-le")},
        {"toy.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + WORK.encode("ascii", "backslashreplace")},
    ],
    ids=lambda files: " ".join(files),
)
def test_the_right_file_counts(find, tmp_path, files):
    """Work before its stub, the newest try, the exact name, `submit/`, the highest; never the alphabet."""
    found = find(lay(tmp_path / "class", {f"ann/{n}": t for n, t in files.items()} | {"bob/toy.py": STUB}))
    source = found.submissions[0].files["toy"].source

    assert graded(found)["bob"] == "stub"
    assert source is not None and "".join(WORK.split()) in "".join(source.split())
    assert len(files) == 1 or "not graded: " in words(found) or "broken.zip" in words(found)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("toy.zip", packed({"toy.py": WORK})[:-40]),
        ("toy.ipynb", b'{"cells": ['),
        ("toy_final.ipynb", b'{"cells": ['),
        ("Toy.py", b"\xff\x00\xe9"),
        ("work.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50)),
        ("work.rar", b"Rar!\x1a\x07\x00" + bytes(50)),
        ("work.tar.gz", tarred({"toy.py": WORK})[:60]),
        ("toy.py", b"#" * (2 << 20)),
    ],
    ids=["cut zip", "notebook", "near notebook", "no text", "7z", "rar", "cut tar", "too large"],
)
def test_what_cannot_be_read_is_no_0(toy_copy, tmp_path, name, data):
    """It is not graded, in the summary, the tables and the exit code, and listed; the others are graded."""
    lay(toy_copy / "submit", {f"ann/{name}": data, "bob/toy.py": WORK})
    done = grade("submit", "-t", "toy", "-o", tmp_path / "out", cwd=toy_copy)
    scores = list(csv.DictReader((tmp_path / "out" / "scores.csv").open(encoding="utf-8")))
    unread = list(csv.DictReader((tmp_path / "out" / "unread.csv").open(encoding="utf-8")))
    results = json.loads((tmp_path / "out" / "results.json").read_text())

    assert done.returncode == 3
    assert [(row["student"], row["toy"], row["final"]) for row in scores] == [
        ("ann", "not graded", "not graded"),
        ("bob", "100", "100"),
    ]
    assert name in scores[0]["notes"]
    assert [(row["student"], row["what"]) for row in unread] == [("ann", name)]
    assert name in results["submissions"][0]["topics"][0]["unreadable"]
    assert "1 handed in what could not be read" in done.stdout
    assert "the grader's fault" not in done.stdout


def test_an_archive_blocks_what_is_asked_for_alone(find, toy, tmp_path):
    """What does not open could hold any topic that is asked for or due, and no other."""
    root = lay(tmp_path / "class", {"ann/x.zip": b"PK", "bob/toy.py": WORK})
    later = toy.topics[1].model_copy(update={"due": datetime(2999, 1, 1, tzinfo=UTC)})
    course = toy.model_copy(update={"topics": (toy.topics[0], later)})

    assert set(find(root, topics=("second",)).submissions[0].files) == {"second"}
    assert set(find_submissions([root], course).submissions[0].files) == {"toy"}


def test_once_looked_at_it_may_be_a_0(toy, tmp_path):
    """`policy.unreadable: zero` gives what was not handed in, once somebody has looked."""
    course = toy.model_copy(update={"policy": toy.policy.model_copy(update={"unreadable": "zero"})})
    files = {"ann/toy.zip": b"PK", "cyd/toy.ipynb": "{", "bob/toy.py": WORK}
    found = find_submissions([lay(tmp_path / "class", files)], course)

    assert graded(found) == {"ann": "nothing", "bob": "work", "cyd": "nothing"}
    assert {row.student for row in found.unread} == {"ann", "cyd"}


def test_other_files_block_nothing(find, tmp_path):
    """A broken file of data or words is a note at most."""
    files = {"ann/report.docx": b"PK", "ann/w.npz": b"PK", "ann/net.pt": b"PK", "ann/x.whl": b"PK", "bob/toy.py": WORK}
    found = find(lay(tmp_path / "class", files))

    assert graded(found) == {"ann": "nothing", "bob": "work"}
    assert found.unread[0].why == "no file is a topic's"


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_one_folder_does_not_decide(find, tmp_path):
    """A folder that looks like another layout's, a stray file, the reference beside the class: all stay a class."""
    found = find(
        lay(
            tmp_path / "class",
            {
                "ann/toy.py": WORK,
                "bob/toy/toy.ipynb": notebook(WORK),
                "cyd_1_2_toy.py": WORK,
                "Dee_12_assignsubmission_file/toy.py": WORK,
                "submission_7/toy.py": WORK,
                "toy.py": WORK,
                "week1_2026_12_notes.txt": "marks so far\n",
            },
        )
    )

    assert found.layouts == ["class"]
    assert set(graded(found)) == {"ann", "bob", "Dee_12_assignsubmission_file", "submission_7"}
    assert {row.what for row in found.unread} == {"cyd_1_2_toy.py", "toy.py", "week1_2026_12_notes.txt"}
    assert found.evidence == ["class: 4 of 7 entries hold work"]


def test_sections_and_weeks(find, tmp_path):
    """Sections are no students; folders of weeks are one student's, or hold a class in each."""
    sections = {"section1/ann/toy.py": WORK, "section1/bob/toy.py": STUB, "section2/ann/toy.py": STUB}
    found = find(lay(tmp_path / "a", sections))
    assert graded(found) == {"ann": "work", "ann (2)": "stub", "bob": "stub"}
    assert "in section1" in found.submissions[0].notes
    assert any("ann (2),ann" in row.why for row in found.unread)

    days = {"Mon 10h/ann/toy.py": WORK, "Mon 10h/bob/toy.py": STUB, "Tue/cyd/toy.py": WORK}
    assert graded(find(lay(tmp_path / "d", days))) == {"ann": "work", "bob": "stub", "cyd": "work"}

    found = find(lay(tmp_path / "b", {"week1/toy.py": WORK, "week2/second.py": SECOND}))
    assert [(s.student, sorted(s.files)) for s in found.submissions] == [("b", ["second", "toy"])]

    found = find(lay(tmp_path / "c", {"week1/ann/toy.py": WORK, "week2/ann/second.py": SECOND, "week1/bob/toy.py": WORK}))
    assert [(s.student, sorted(s.files)) for s in found.submissions] == [("ann", ["second", "toy"]), ("bob", ["toy"])]


def test_a_class_in_a_zip_in_a_folder(find, tmp_path):
    """The archive of a class is a class, wherever it lies; that of a student is the student's, whatever is in it."""
    inner = {"J\u00fcrgen/toy.py": WORK, "Zo\u00eb/toy.py": STUB}
    found = find(lay(tmp_path / "a", {"class.zip": packed(inner)}))
    assert graded(found) == {"J\u00fcrgen": "work", "Zo\u00eb": "stub"}

    found = find(lay(tmp_path / "b", {"Monday.zip": packed(inner | {"x/toy.py": WORK}), "section 2.zip": packed(inner)}))
    assert set(graded(found)) == {"J\u00fcrgen", "J\u00fcrgen (2)", "Zo\u00eb", "Zo\u00eb (2)", "x"}

    others = {"bob/toy.py": WORK, "cyd.zip": packed({"toy.py": WORK})}
    for evil in ({"bob/toy.py": STUB, "cyd/toy.py": STUB}, {"bob_1_2_toy.py": STUB, "cyd_3_4_toy.py": STUB}):
        found = find(lay(tmp_path / "c", {"class.zip": packed(evil), **others}))
        assert set(graded(found)) == {"bob", "cyd", "class"}
        assert (graded(found)["bob"], graded(found)["cyd"]) == ("work", "work")


def test_weeks_of_zips(find, tmp_path):
    """Folders of weeks that hold a zip or a folder a student are a class, and its students' rows are joined."""
    files = {f"week1/{name}.zip": packed({"toy.py": WORK}) for name in ("ann", "bob", "cyd")}
    files |= {f"week2/{name}.zip": packed({"second.py": SECOND}) for name in ("ann", "bob", "dee")}
    found = find(lay(tmp_path / "term", files))

    assert {s.student: len(s.files) for s in found.submissions} == {"ann": 2, "bob": 2, "cyd": 1, "dee": 1}


@pytest.mark.parametrize("tail", [".zip", ""])
def test_names_of_people_and_topics(find, tmp_path, tail):
    """`ann_toy.zip`, `bob_toy.zip` are two students'; `toy_mine`, `second_mine` and `toy_old` are one's."""
    files = {f"{name}{tail}": WORK if "bob" not in name else STUB for name in ("ann_toy", "toy-bob", "Cy Toy (1)")}
    several = {n: packed({"toy.py": t}) for n, t in files.items()} if tail else {f"{n}/toy.py": t for n, t in files.items()}
    found = find(lay(tmp_path / "a", several))
    assert graded(found) == {"ann_toy": "work", "toy-bob": "stub", "Cy Toy (1)": "work"}

    mine = {"toy_mine/toy.py": WORK, "toy_old/toy.py": STUB, "second mine/second.py": SECOND}
    found = find(lay(tmp_path / "ann", mine))
    assert (only(found).student, graded(found)) == ("ann", {"ann": "work"})


def test_a_flat_folder_of_several_is_listed(find, tmp_path):
    """Files named after people in one folder are one student's for the layout, and somebody should look."""
    found = find(lay(tmp_path / "flat", {"ann_toy.py": WORK, "bob_toy.py": STUB}))

    assert [(row.student, row.what) for row in found.unread] == [("flat", "ann_toy.py, bob_toy.py")]
    assert not find(lay(tmp_path / "ann", {"ann_toy.py": WORK, "HW3_toy_final.py": STUB})).unread


def test_what_teams_and_drives_pack(find, tmp_path):
    """Versions below assignments below people; what is not handed in yet is set aside; libraries are nobody's work."""
    files = {f"Submitted files/{n}/HW 3/Version {v}/toy.py": WORK if v == 2 else STUB for n in "ab" for v in (1, 2)}
    found = find(lay(tmp_path / "teams", files | {"Working files/a/HW 3/toy.py": STUB}))
    assert graded(found) == {"a": "work", "b": "work"}
    assert [row.what for row in found.unread] == ["Working files"]

    libraries = {"a/env/lib/site-packages/second.py": "x = 1", "a/node_modules/x/toy.py": STUB, "a/venv/toy.py": STUB}
    found = find(lay(tmp_path / "class", libraries | {"a/toy.py": WORK, "b/toy.py": WORK}))
    assert [sorted(s.files) for s in found.submissions] == [["toy"], ["toy"]]

    zips = {f"{n}.zip": packed({f"{n}/toy.py": WORK}) for n in ("Ann", "J\u00fcrgen", "Cy")}
    found = find(lay(tmp_path / "zips", {"all.zip": packed(zips)}))
    assert set(graded(found)) == {"Ann", "J\u00fcrgen", "Cy"}


def test_several_paths_are_several_students(find, tmp_path):
    """`grade ann bob`: what lies in folders or one archive is the student's of the path; alone it may be a class."""
    ann = lay(tmp_path / "ann", {"Archiv.zip": packed({"toy.py": WORK})})
    bob = lay(tmp_path / "bob", {"deep/er/toy.py": WORK, "old/toy.py": STUB})

    assert graded(find(ann, bob)) == {"ann": "work", "bob": "work"}


def test_unread_names_students_as_the_report_does(find, tmp_path):
    """Whoever is joined or named by an LMS is listed under the name of the row."""
    one = zipped(tmp_path / "1.zip", {"Jo Doe_1_assignsubmission_file/toy.ipynb": "{"})
    two = zipped(tmp_path / "2.zip", {"Jo Doe_7_assignsubmission_file/second.py": SECOND})

    assert [row.student for row in find(one, two).unread] == ["Jo Doe"]


def test_two_files_of_one_folder_are_one_student(find, tmp_path):
    """`grade submit/a.py submit/b.py` is one student."""
    root = lay(tmp_path / "ann", {"toy.py": WORK, "second.py": SECOND})
    found = find(root / "toy.py", root / "second.py")

    assert [(s.student, sorted(s.files)) for s in found.submissions] == [("ann", ["second", "toy"])]


CANVAS = {
    "group_3_10017_900017_toy.py": ("group_3_10017", "work"),
    "de_la_cruz_10027_900027_toy.py": ("de_la_cruz_10027", "work"),
    "leeann_LATE_10031_900031_toy-2.py": ("leeann_10031", "work"),
    "leeann_10031_900030_toy.py": ("leeann_10031", "work"),
    "anon_x7Gf2_900044_toy.py": ("anon_x7Gf2", "work"),
    "anon_Zz9aa_LATE_10055_900055_toy.py": ("anon_Zz9aa", "work"),
    "numbers_10060_900060_hw_1_2_toy.py": ("numbers_10060", "work"),
    "text_10061_text.html": ("text_10061", "nothing"),
}


def test_canvas_names_are_read_from_the_right(find, tmp_path):
    """Names of groups and families, tries, LATE, anonymous ones, and texts."""
    old = {"leeann_10031_900030_toy.py": STUB}
    found = find(lay(tmp_path / "canvas", {name: old.get(name, WORK) for name in CANVAS}))

    assert found.evidence == [f"Canvas: {len(CANVAS)} of {len(CANVAS)} names fit"]
    assert graded(found) == dict(CANVAS.values())
    assert "Canvas marks this submission as late" in words(found)
    assert "earlier tries were passed over: leeann_10031_900030_toy.py" in words(found)


def test_an_lms_alone_says_who_and_when(find, tmp_path):
    """In a download a `submission.yml` is noted and not used."""
    yml = "student: zoe\nsubmitted: 2026-01-01T00:00:00Z\nmembers: [zoe]\n"
    files = {"lee_1_91_toy.py": WORK, "lee_1_92_submission.yml": yml, "zoe_2_93_toy.py": STUB}
    found = find(lay(tmp_path / "canvas", files))

    assert graded(found) == {"lee_1": "work", "zoe_2": "stub"}
    assert "submission.yml is not used: the download tells who and when" in found.submissions[0].notes


def test_moodle_folders_of_one_number_are_one_student(find, tmp_path):
    """Files, texts and comments, in folders or flat."""
    folders = {
        "Bob Other_124_assignsubmission_comments/comments.html": "thanks",
        "Bob Other_124_assignsubmission_file/toy.py": WORK,
        "Cy Clark_125_assignsubmission_file_/toy.py": WORK,
        "Cy Clark_125_assignsubmission_onlinetext/onlinetext.html": "see file",
        "Di Dee_126_assignsubmission_onlinetext/onlinetext.html": "no file",
    }
    flat = {"Bob Other_124_assignsubmission_file_toy.py": WORK, "Cy Clark_125_assignsubmission_file_toy.py": WORK}

    assert graded(find(lay(tmp_path / "a", folders))) == {
        "Bob Other_124": "work",
        "Cy Clark_125": "work",
        "Di Dee_126": "nothing",
    }
    assert graded(find(lay(tmp_path / "b", flat))) == {"Bob Other_124": "work", "Cy Clark_125": "work"}


def test_blackboard_takes_the_newest_attempt_and_its_date(find, toy, tmp_path):
    """The title is what all names begin with; the date in the name is the time, in the course's zone."""
    head = "HW_1"
    files = {
        f"{head}_jdoe_attempt_2026-11-20-10-15-30_toy.py": STUB,
        f"{head}_jdoe_attempt_2026-11-21-09-00-00_toy.py": WORK,
        f"{head}_jdoe_attempt_2026-11-21-09-00-00.txt": "Name: J Doe",
        f"{head}_ann_b_attempt_2026-11-20-10-15-30_toy.py": WORK,
        f"{head}_cyd_attempt_2026-11-20-10-15-30.txt": "Name: Cyd",
    }
    found = find(lay(tmp_path / "bb", files))
    zone = next(t.due.tzinfo for t in toy.topics if t.due)

    assert (found.layouts, graded(found)) == (["blackboard"], {"ann_b": "work", "cyd": "nothing", "jdoe": "work"})
    assert found.submissions[2].submitted == datetime(2026, 11, 21, 9, tzinfo=zone)


def test_blackboards_own_text_tells_the_user(find, tmp_path):
    """Users who share a beginning, and a lone one with an underscore, are called what Blackboard calls them."""
    for people in (["uni_ann", "uni_bob"], ["ann_b"]):
        files = {f"HW_1_{u}_attempt_2026-11-20-10-15-30_toy.py": WORK for u in people}
        files |= {f"HW_1_{u}_attempt_2026-11-20-10-15-30.txt": f"Name: J Doe ({u})\nAssignment: HW_1\n" for u in people}

        assert set(graded(find(lay(tmp_path / people[0], files)))) == set(people)


def test_brightspace_takes_the_newest_attempt_and_its_date(find, tmp_path):
    """Folders with a number, a name and a date, or flat files of such names."""
    files = {
        "284-12 - Jo Smith - Nov 20, 2026 1015 PM/toy.py": STUB,
        "284-12 - Jo Smith - Nov 21, 2026 905 AM/toy.py": WORK,
        "285-12 - Ann-Lee - Sept 1, 2026 12:15 AM/toy.py": WORK,
        "286-12 - Flat One - Nov 20, 2026 1015 PM - toy.py": WORK,
        "287-12 - Empty - Nov 20, 2026 1015 PM/notes.txt": "x",
        "index.html": "",
    }
    found = find(lay(tmp_path / "d2l", files))

    assert found.layouts == ["brightspace"]
    assert graded(found) == {"Ann-Lee_285": "work", "Empty_287": "nothing", "Flat One_286": "work", "Jo Smith_284": "work"}
    times = {s.student: s.submitted for s in found.submissions}
    assert (times["Jo Smith_284"].hour, times["Ann-Lee_285"].hour) == (9, 0)


@pytest.mark.parametrize("packed_as", ["", "-main"])
def test_repositories_of_a_forge(find, tmp_path, packed_as):
    """What all names share is the assignment; the work lies in `submit/` or at the top, and commits tell no time."""
    files = {f"cs1-hw1-{user}{packed_as}/.gitignore": "x" for user in ("ann-b", "bob", "cyd")}
    files |= {f"cs1-hw1-ann-b{packed_as}/submit/toy.py": WORK, f"cs1-hw1-ann-b{packed_as}/exercises/toy.py": STUB}
    files |= {f"cs1-hw1-bob{packed_as}/toy.py": WORK, f"cs1-hw1-cyd{packed_as}/exercises/toy.py": STUB}
    found = find(lay(tmp_path / "class", files))

    assert found.layouts == ["forge"]
    assert graded(found) == {"ann-b": "work", "bob": "work", "cyd": "stub"}
    assert all(s.submitted is None for s in found.submissions)


def test_reports_inside_a_class_are_no_students(find, tmp_path):
    """The folder of an earlier run is said and left out; a student who calls the own folder so is one."""
    files = {"ann/toy.py": WORK, "report/scores.csv": "student,toy\nann,100\n", "report/results.json": "{}"}
    found = find(lay(tmp_path / "cls", files | {"results/toy.py": WORK, "results/results.json": "{}"}))

    assert graded(found) == {"ann": "work", "results": "work"}
    assert "reports of an earlier run" in words(found)


def test_the_folder_that_reports_go_to_is_no_student(find, tmp_path):
    """Also before anything lies there; where somebody's work does, it is somebody's folder."""
    root = lay(tmp_path / "cls", {"ann/toy.py": WORK, "bob/toy.py": WORK, "out/old.html": "x"})

    assert set(graded(find(root, output=root / "out"))) == {"ann", "bob"}
    assert set(graded(find(root, output=root / "new"))) == {"ann", "bob", "out"}
    assert set(graded(find(root, output=root / "ann"))) == {"ann", "bob", "out"}


@pytest.mark.parametrize("marked", [True, False])
def test_names_in_zips(find, tmp_path, marked):
    """UTF-8 that is not marked, or was taken for another code page first, is UTF-8."""
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("J@@rgen", "Zo@@"):
            archive.writestr(f"{name}/toy.py".replace("@@", "├╝" if marked else "@@"), WORK)
    path.write_bytes(path.read_bytes().replace(b"@@", "ü".encode()))

    assert graded(find(path)) == {"Jürgen": "work", "Zoü": "work"}


def test_the_code_page_of_a_zip_can_be_given(find, tmp_path):
    """Names that are neither marked nor UTF-8 are read as cp437, with a warning, or as what is given."""
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("J_rgen/toy.py", "ann/toy.py"):
            archive.writestr(name, WORK)
    path.write_bytes(path.read_bytes().replace(b"J_rgen", b"J\xfcrgen"))

    assert "Jürgen" in graded(find(path, encoding="cp1252"))
    found = find(path)
    assert "Jⁿrgen" in graded(found)
    assert "--zip-encoding says another" in words(found)


# --- who is who ------------------------------------------------------------------------------------------------------


def test_a_term_of_downloads_is_one_row_a_student(find, tmp_path):
    """Ids that are the same in every assignment join; each topic keeps its own download's name and work."""
    one = zipped(tmp_path / "week1.zip", {"doe_17_901_toy.py": WORK, "roe_18_902_toy.py": WORK})
    two = zipped(tmp_path / "week2.zip", {"doe_17_951_second.py": SECOND, "zed_19_952_second.py": SECOND})
    found = find(one, two)

    assert {s.student: sorted(s.files) for s in found.submissions} == {
        "doe_17": ["second", "toy"],
        "roe_18": ["toy"],
        "zed_19": ["second"],
    }


def moodle(path: Path, file: str, *people: str) -> Path:
    return zipped(path, {f"{p}_assignsubmission_file/{file}": WORK if file == "toy.py" else SECOND for p in people})


def test_moodle_downloads_join_by_a_name_that_is_one_persons(find, tmp_path):
    """Moodle's numbers change: a full name joins only where nobody else bears it, in any download or the roster."""
    one = moodle(tmp_path / "1.zip", "toy.py", "Jo Doe_1", "Ann Lee_2", "Ann Lee_3")
    two = moodle(tmp_path / "2.zip", "second.py", "Jo Doe_7", "Ann Lee_8")

    assert {s.student: len(s.files) for s in find(one, two).submissions} == {
        "Jo Doe": 2,
        "Ann Lee_2": 1,
        "Ann Lee_3": 1,
        "Ann Lee_8": 1,
    }
    twins = People(frozenset(["a", "b"]), ("Jo Doe", "Jo Doe"))
    assert len(find(one, two, people=twins).submissions) == 5


def test_the_instructor_joins_what_nobody_else_can(find, tmp_path):
    """A line of `--people` makes two rows one."""
    table = tmp_path / "people.csv"
    table.write_text("listed;student\nAnn Lee_2;Ann Lee\nAnn Lee_8;Ann Lee\n")
    one = moodle(tmp_path / "1.zip", "toy.py", "Ann Lee_2", "Ann Lee_3")
    two = moodle(tmp_path / "2.zip", "second.py", "Ann Lee_8", "Ann Lee_9")
    found = find(one, two, people=People.read(None, table))

    assert {s.student: len(s.files) for s in found.submissions} == {"Ann Lee": 2, "Ann Lee_3": 1, "Ann Lee_9": 1}


ROSTER = People(frozenset(["s1", "s2", "s3"]), ("Ann", "Bob", "Cyd"))


def test_a_claim_counts_with_the_roster_alone(find, tmp_path):
    """Where the folder's name is nobody's, the claimed one is somebody's, and nobody else is or claims it."""
    files = {"x/toy.py": WORK, "x/submission.yml": "student: s1\n", "s2/toy.py": STUB}
    files |= {"y/toy.py": WORK, "y/submission.yml": "student: s2\n", "z/toy.py": WORK, "z/submission.yml": "student: s9\n"}
    root = lay(tmp_path / "class", files)

    assert set(graded(find(root, people=ROSTER))) == {"s1", "s2", "y", "z"}
    assert graded(find(root, people=ROSTER))["s2"] == "stub"
    assert set(graded(find(root))) == {"x", "s2", "y", "z"}


def test_every_member_of_a_group_has_a_row(find, tmp_path):
    """With the group's mark; whoever has own work keeps it, and the clash is listed."""
    files = {"team/toy.py": WORK, "team/submission.yml": "student: ann\nmembers: [ann, bob, cyd]\n", "cyd/toy.py": STUB}
    found = find(lay(tmp_path / "class", files))

    assert graded(found) == {"ann": "work", "bob": "work", "cyd": "stub"}
    assert "whose submission.yml names bob as a member" in words(found)
    assert [(row.student, "own work" in row.why) for row in found.unread] == [("cyd", True)]


def test_whom_two_groups_name_has_the_work_of_both(find, tmp_path):
    """And no group's work is lost, also where it goes to nobody."""
    files = {"x/toy.py": STUB, "x/submission.yml": "student: ann\nmembers: [ann, bob]\n"}
    files |= {"y/second.py": SECOND, "y/submission.yml": "student: bob\nmembers: [bob]\n"}
    files |= {"z/toy.py": WORK, "z/submission.yml": "student: bob\nmembers: [bob]\n"}
    found = find(lay(tmp_path / "class", files))

    assert graded(found) == {"ann": "stub", "bob": "stub", "z": "work"}
    assert next(sorted(s.files) for s in found.submissions if s.student == "bob") == ["second", "toy"]
    assert ("bob", "named as a member there and in") in [(r.student, r.why[:30]) for r in found.unread]


def test_members_are_in_the_roster(find, tmp_path):
    """Whoever is not gets no row, and is listed; who is there with other topics gets the group's."""
    files = {"s1/toy.py": WORK, "s1/submission.yml": "members: [s1, s2, ghost]\n", "s2/second.py": SECOND}
    found = find(lay(tmp_path / "class", files), people=ROSTER)

    assert {s.student: sorted(s.files) for s in found.submissions} == {"s1": ["toy"], "s2": ["second", "toy"]}
    assert [row.student for row in found.unread] == ["ghost"]


def test_unicode_names_are_one_spelling(find, tmp_path):
    """A name in a folder and in the roster may be put together in two ways."""
    table = tmp_path / "roster.csv"
    table.write_text("Student ID,Name\n\n", encoding="utf-8")
    table.write_text("student, name\ne\u0301mile, E\n\n", encoding="utf-8")
    people = People.read(table, None)
    files = {"x/toy.py": WORK, "x/submission.yml": "student: \u00e9mile\n", "y/toy.py": WORK}

    assert "\u00e9mile" in graded(find(lay(tmp_path / "class", files), people=people))


def test_of_one_topic_in_two_downloads_the_newer_counts(find, tmp_path):
    """And the other one is noted."""
    one = zipped(tmp_path / "week1.zip", {"doe_17_901_toy.py": STUB, "x_1_2_toy.py": WORK})
    two = zipped(tmp_path / "week2.zip", {"doe_17_951_toy.py": WORK, "x_1_3_second.py": SECOND})
    doe = next(s for s in find(one, two).submissions if s.student == "doe_17")

    assert _kind(doe) == "work"
    assert any("toy is there twice" in note for note in doe.notes)


def test_week_10_comes_after_week_2(find, tmp_path):
    """Where no time tells which is the newer, people's counting does, and the row is listed."""
    files = {f"{week}/ann/toy.py": STUB for week in ("week1", "week2")} | {"week10/ann/toy.py": WORK}
    found = find(lay(tmp_path / "term", files | {"week1/bob/toy.py": WORK, "week2/bob/toy.py": WORK}))

    assert graded(found) == {"ann": "work", "bob": "work"}
    assert {row.student for row in found.unread} == {"ann"}
    assert "no time tells which is the newer" in words(found)


def test_a_single_student_keeps_the_folder(find, tmp_path):
    """A student's own folder with everything that grows there is one student."""
    files = {"toy.py": WORK, "exercises/toy.py": STUB, "tests/test_toy.py": "x", "notes.md": "x", "old/toy.py": "x = 1\n"}
    found = find(lay(tmp_path / "ann", files))

    assert (found.layouts, only(found).student, graded(found)["ann"]) == (["student"], "ann", "work")
