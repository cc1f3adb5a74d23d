"""Whatever names, trees and archives come: handed in means graded or listed, and nobody's file is graded for another."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from classes import Files, Student, lay, notebook, packed, text
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from toys import ROOT

from grader.course import load_course
from grader.errors import NothingToGrade
from grader.submissions import Asked, Found, People, find_submissions, naming, opener, reading
from grader.submissions.layouts import blackboard, brightspace, canvas, moodle
from grader.submissions.trees import IGNORED

COURSE = load_course(ROOT / "course.yml")
TOPICS = ("backprop", "conv_backprop", "lstm")
NOBODY = People()
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    """One process that reads serves all examples; starting one for each would take most of the time."""
    shared = opener.Opener()
    end, shared.close = shared.close, lambda: None  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "Opener", lambda: shared)
        yield
    end()


def find(files: Files, *, packing: str = "folder", people: People = NOBODY) -> Found | None:
    """What is found where these files lie; None where nobody is."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "download"
        if packing == "folder":
            lay(root, files)
        else:
            root = root.with_suffix(".zip")
            root.write_bytes(packed(files))
        try:
            return find_submissions([root], COURSE, asked=Asked(topics=TOPICS, people=people))
        except NothingToGrade:
            return None


def marks(source: str | None) -> set[tuple[str, str]]:
    """(topic, student) of each mark in what is graded."""
    return set(re.findall(r"of (\w+) by (\d+)\.", source or ""))


def data_of(topic: str, number: int) -> bytes:
    return text(COURSE, topic, Student(number)).encode()


# --- what is drawn ---------------------------------------------------------------------------------------------------

ODD = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\0:"), min_size=1, max_size=12)
WORDS = st.sampled_from(["HW3", "final", "my", "v2", "ann", "Übung", "solution", "1", "(1)", "- Copy", "neu", "LATE"])
TAILS = st.sampled_from([".py", ".PY", ".ipynb", ".py.txt", ".txt", " (1).py", "-2.py", "_2.py", ".py.py"])
FOLDERS = st.sampled_from(
    ["week1", "week 2", "submit", "src", "old", "hw", "section1", "Group A", "ann", "bob", "conv_backprop", "x y",
     "submission_1", "submitted", "exercises", "deep", "Bob Other_12_assignsubmission_file", "a-b", "ü", "report"]
)  # fmt: skip


@st.composite
def named(draw: st.DrawFn, topic: str) -> str:
    """A file's name in which the topic's stands between separators."""
    before, after = draw(st.lists(WORDS, max_size=2)), draw(st.lists(WORDS, max_size=1))
    separator = draw(st.sampled_from(["_", "-", " ", "."]))
    inner = topic.replace("_", draw(st.sampled_from(["_", "-", " ", ""])))
    cased = draw(st.sampled_from([str, str.upper, str.title]))(inner)
    return separator.join([*before, cased, *after]) + draw(TAILS)


def as_file(name: str, data: bytes) -> bytes:
    return notebook(data.decode()) if naming.is_notebook(name) else data


def students(most: int = 4) -> st.SearchStrategy[list[str]]:
    """Names of folders that are different people's, however they are spelled."""
    plain = ODD.map(str.strip).filter(lambda n: n[:1] not in ("", ".", "~") and n not in IGNORED)
    return st.lists(plain, min_size=2, max_size=most, unique_by=lambda n: unicodedata.normalize("NFKC", n).casefold())


# --- properties ------------------------------------------------------------------------------------------------------


@QUICK
@given(st.data(), st.sampled_from(TOPICS))
def test_every_name_of_a_topic_is_its_file(data, topic):
    """A name in which a topic stands is that topic's, and never a shorter one's."""
    name = data.draw(named(topic))
    assume(not naming.handed_out(PurePosixPath(name)))
    found = find({f"ann/{name}": as_file(name, data_of(topic, 1)), "bob/lstm.py": data_of("lstm", 2)})
    assert found is not None
    ann = next(s for s in found.submissions if s.student == "ann")

    assert marks(ann.files[topic].source) == {(topic, "1")}
    assert set(ann.files) == {topic}


@QUICK
@given(st.data(), students())
def test_folders_of_any_names(data, names):
    """Whatever people are called: a row each, with the own work alone."""
    packing = data.draw(st.sampled_from(["folder", "zip"]))
    files: Files = {}
    for number, name in enumerate(names):
        for topic in data.draw(st.sets(st.sampled_from(TOPICS), min_size=1)):
            files[f"{name}/{data.draw(st.sampled_from(['', 'submit/', 'a b/']))}{topic}.py"] = data_of(topic, number)
    found = find(files, packing=packing)

    assert found is not None
    handed = {(t, n) for data in files.values() for t, n in marks(data.decode())}
    rows = [{m for file in s.files.values() for m in marks(file.source)} for s in found.submissions]
    assert all(len({n for _, n in row}) <= 1 for row in rows)
    assert all({(t, n) for t, n in marks(f.source)} <= {(t, n) for t, n in handed if t == topic}
               for s in found.submissions for topic, f in s.files.items())  # fmt: skip
    missed = handed - set().union(*rows)
    assert all(is_told(found, files, mark) for mark in missed), (missed, found)


NAMES = ("ann", "bob", "cyd", "dee")
CLAIMS = st.fixed_dictionaries(
    {},
    optional={"student": st.sampled_from(NAMES), "members": st.lists(st.sampled_from(NAMES), max_size=3, unique=True)},
)


@QUICK
@given(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sets(st.sampled_from(TOPICS)), CLAIMS), min_size=2),
    st.sets(st.sampled_from(NAMES)),
)
def test_no_word_of_a_student_takes_anything_from_another(handed, roster):
    """Whatever `submission.yml` claims: whoever has handed in a topic is graded for that file and no other."""
    files: Files = {}
    for name, (topics, claims) in handed.items():
        files |= {f"{name}/{t}.py": data_of(t, NAMES.index(name)) for t in topics} | {f"{name}/notes.md": b"x"}
        lines = [f"{key}: {value if isinstance(value, str) else list(value)}" for key, value in claims.items()]
        files |= {f"{name}/submission.yml": "\n".join(lines).encode()} if lines else {}
    found = find(files, people=People(frozenset(roster)) if roster else People())
    if found is None:
        assert not any(topics for topics, _ in handed.values())
        return
    rows = {s.student: s for s in found.submissions}

    assert len(rows) == len(found.submissions)
    for name, (topics, _) in handed.items():
        own = {(t, str(NAMES.index(name))) for t in topics}
        others = {
            m
            for s in found.submissions
            for f in s.files.values()
            for m in marks(f.source)
            if m[1] == str(NAMES.index(name))
        }
        assert own == others
        if name in rows and (not roster or name in roster):
            assert own <= {m for f in rows[name].files.values() for m in marks(f.source)}


def is_told(found: Found, files: Files, mark: tuple[str, str]) -> bool:
    """Whether the row of the file that bears this mark is not graded, or a line of `unread.csv` names it."""
    (path,) = (p for p, data in files.items() if mark in marks(data.decode(errors="replace")))
    parts = {unicodedata.normalize("NFC", part) for part in PurePosixPath(path).parts}
    for submission in found.submissions:
        own = any(PurePosixPath(origin).name in parts for origin in submission.origins) or len(found.submissions) == 1
        if own and mark[0] in submission.files and submission.files[mark[0]].problem:
            return True
    return any(any(part in f"{row.student}/{row.what}/{row.why}" for part in parts) for row in found.unread)


@QUICK
@given(
    st.lists(st.tuples(st.lists(FOLDERS, max_size=3), st.sampled_from(TOPICS)), min_size=1, max_size=6),
    st.sampled_from(["folder", "zip"]),
)
@example([(["week1", "ann"], "lstm"), (["old"], "lstm")], "folder")
@example([(["week1", "hw"], "lstm"), (["week 2", "hw"], "lstm")], "folder")
def test_trees_of_any_shape(entries, packing):
    """Every file of a topic is graded once, for its own topic, or passed over with a word, or its row is not graded."""
    files: Files = {}
    for number, (folders, topic) in enumerate(entries):
        files.setdefault("/".join([*folders, f"{topic}.py"]), data_of(topic, number))
    found = find(files, packing=packing)
    if found is None:
        return
    graded = [(topic, m) for s in found.submissions for topic, f in s.files.items() for m in marks(f.source)]

    assert all(topic == mark[0] for topic, mark in graded)
    assert len({mark for _, mark in graded}) == len(graded)
    words = "\n".join(
        [*(f"{r.student} {r.what} {r.why}" for r in found.unread), *found.warnings]
        + [
            n
            for s in found.submissions
            for n in (*s.notes, *(x for f in s.files.values() for x in (*f.notes, f.problem)))
        ]
    )
    for path, data in files.items():
        (mark,) = marks(data.decode())
        assert mark in {m for _, m in graded} or _told_of(path, words), (path, files.keys(), words)


def _told_of(path: str, words: str) -> bool:
    """Whether the end of a path, or the entry at the top that it lies in, is named."""
    parts = PurePosixPath(path.replace("_assignsubmission_file", "")).parts
    return any("/".join(parts[i:]) in words or "/".join(parts[i:-1] or "?") in words for i in range(len(parts)))


@st.composite
def archives(draw: st.DrawFn, data: bytes, name: str) -> tuple[str, bytes]:
    """A file in up to three archives, below folders, as systems pack them."""
    for _ in range(draw(st.integers(1, 3))):
        folder = draw(st.sampled_from(["", "x/", "/Users/me/", "C:\\work\\", "./", "Üb/", "a b/c/"]))
        beside = {"__MACOSX/._x": b"\0", f"{folder}notes.txt": b"x"}
        kind = draw(st.sampled_from(["zip", "windows", "unmarked", "tar.gz"]))
        if kind == "tar.gz":
            data, name = tarred({folder + name: data, **beside}), draw(st.sampled_from(["w.tar.gz", "W.TGZ"]))
        else:
            plain = {folder + name: data, **beside}
            data = packed(plain, windows=kind == "windows", marked=kind != "unmarked")
            name = draw(st.sampled_from(["work.zip", "Archiv (1).ZIP", "ü.zip", "lstm.zip"]))
    return name, data


def tarred(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@QUICK
@given(st.data(), st.sampled_from(TOPICS), st.sampled_from(["folder", "zip"]))
def test_archives_in_archives(data, topic, packing):
    """What lies in archives is graded; cut or changed anywhere it is graded, not graded or listed, and costs nobody else."""
    name, packed_work = data.draw(archives(data_of(topic, 1), f"{topic}.py"))
    spoilt = data.draw(st.booleans())
    if spoilt:
        at = data.draw(st.integers(0, len(packed_work) - 1))
        cut = data.draw(st.booleans())
        packed_work = packed_work[:at] + (b"" if cut else bytes([packed_work[at] ^ 0x55]) + packed_work[at + 1 :])
    found = find({f"ann/{name}": packed_work, "bob/lstm.py": data_of("lstm", 2)}, packing=packing)
    assert found is not None
    rows = {s.student: s for s in found.submissions}

    assert set(rows) == {"ann", "bob"}
    assert marks(rows["bob"].files["lstm"].source) == {("lstm", "2")}
    mine = rows["ann"].files.get(topic)
    if not spoilt:
        assert mine is not None and marks(mine.source) == {(topic, "1")}
    assert (mine is not None and (mine.source or mine.problem)) or any(r.student == "ann" for r in found.unread)


# --- names of LMSs ---------------------------------------------------------------------------------------------------

PEOPLE = st.text(st.characters(categories=["L", "Zs"], include_characters="'-. "), min_size=1, max_size=20).map(
    lambda n: " ".join(n.split())
).filter(bool)  # fmt: skip
FILE_NAMES = st.builds(
    lambda stem, tail: stem + tail,
    st.text("abcXYZ019 _-().", min_size=1, max_size=12).filter(lambda n: n[0] != "_"),
    TAILS,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.text("abcdefgh_019", min_size=1, max_size=12), st.integers(10_000, 10**7), st.integers(10**7, 10**9), st.booleans(),
    FILE_NAMES,
)  # fmt: skip
def test_names_of_canvas(student, user, submission, late, file):
    """Whatever stands in the names of people and files, the ids are found."""
    assume(not student.startswith("anon_"))
    read = canvas._named(f"{student}_{'LATE_' if late else ''}{user}_{submission}_{file}")
    numbered = re.fullmatch(r"(.+)-(\d{1,3})", PurePosixPath(file).stem)

    assert read is not None
    assert (read.student, read.user, read.late) == (student, str(user), late)
    assert read.file.suffix == PurePosixPath(file).suffix
    assert read.file.stem == (numbered[1] if numbered else PurePosixPath(file).stem)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(PEOPLE, st.integers(1, 10**8), st.sampled_from(["file", "onlinetext", "comments"]), FILE_NAMES)
def test_names_of_moodle(student, number, kind, file):
    """Folders and flat files."""
    for tail in ("", "_", f"_{file}"):
        read = moodle._NAME.match(f"{student}_{number}_assignsubmission_{kind}{tail}")
        assert read is not None
        assert (read["student"], read["id"], read["kind"]) == (student, str(number), kind)
    assert read["file"] == file


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    PEOPLE, st.integers(1, 10**6), st.dates(), st.integers(0, 23), st.integers(0, 59), st.one_of(st.none(), FILE_NAMES)
)
def test_names_of_brightspace(student, user, day, hour, minute, file):
    """Each date is read as the moment that it is."""
    assume(day.year >= 2000)
    clock = f"{hour % 12 or 12}{minute:02} {'AM' if hour < 12 else 'PM'}"
    name = f"{user}-77 - {student} - {day:%b} {day.day}, {day.year} {clock}{f' - {file}' if file else ''}"
    read, when = brightspace._NAME.match(name), brightspace._when(name)

    assert read is not None and when is not None
    assert (read["student"], read["user"], read["file"]) == (student, str(user), file)
    assert (when.date(), when.hour, when.minute) == (day, hour, minute)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.text("abcHW_ 019-", min_size=1, max_size=12),
    st.lists(st.text("abcd019._-", min_size=1, max_size=8), min_size=1, max_size=5, unique=True),
)
def test_titles_of_blackboard(title, users):
    """What the text beside an attempt says of the user tells where the title ends, for a lone one, too."""
    heads = {f"{title}_{user}": user for user in users}
    assume(len(heads) == len(users))
    found = blackboard._title(list(heads), heads)

    assert {head[len(found) :] for head in heads} == set(users)
