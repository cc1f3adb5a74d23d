"""Reading notebooks: what can be read is read, what is odd is noted, nothing is executed."""

from __future__ import annotations

import json
import time

import pytest
from notebook_helpers import as_bytes, code, filled, sources_of, toy_notebook

from grader.submissions import ipynb as reading
from grader.submissions.ipynb import read_notebook
from grader.submissions.opener import Down, Opener
from grader.submissions.sifting import sift


def loaded(source: str) -> dict:
    """The names that a sifted source defines."""
    namespace: dict = {}
    exec(compile(source, "sifted", "exec"), namespace)  # a text of the test's own
    return namespace


# --- reading ---------------------------------------------------------------------------------------------------------


def test_code_cells_in_order():
    """The text of code cells, whether it is stored as one text or as lines; other cells are left out."""
    document = {"cells": [{"cell_type": "code", "source": "a = 1\r\nb = 2"}, {"cell_type": "markdown", "source": "# x"},
                          {"cell_type": "code", "source": ["c = 3\n", "d = 4"]}]}  # fmt: skip

    assert read_notebook(as_bytes(document)).cells == ("a = 1\nb = 2", "c = 3\nd = 4")


def test_a_notebook_as_handed_out_is_not_odd():
    """The notebook that was released, filled or not, has nothing to note."""
    assert read_notebook(as_bytes(toy_notebook())).notes == ()
    assert read_notebook(as_bytes(toy_notebook(reference=True))).notes == ()


def damaged(change: str) -> dict:
    document = toy_notebook()
    cells = document["cells"]
    at = next(i for i, c in enumerate(cells) if c["id"] == "double")
    if change == "copied":
        cells.insert(at, dict(cells[at + 1]))
    elif change == "deleted":
        del cells[at + 1]
    elif change == "moved":
        cells.append(cells.pop(at))
    elif change == "retyped":
        cells[at] = {**cells[at], "cell_type": "markdown"}
    elif change == "kernel":
        document["metadata"]["kernelspec"]["language"] = "julia"
    return document


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ("copied", "cell 'double-public' is there 2 times; the last one counts"),
        ("deleted", "cell 'double-public' was deleted"),
        ("moved", "cells were moved"),
        ("retyped", "cell 'double' was made a markdown cell; it is graded as code"),
        ("kernel", "the notebook is set to the language 'julia'; it is graded as Python"),
    ],
)
def test_damage_is_named_and_the_rest_is_read(change, note):
    """A damaged notebook yields its cells, and a sentence that says what is odd."""
    notebook = read_notebook(as_bytes(damaged(change)))

    assert notebook.notes == (note,)
    assert any("def double" in cell for cell in notebook.cells)
    assert any("def noise" in cell for cell in notebook.cells)


def test_huge_outputs_are_not_even_decoded():
    """A notebook with outputs of 110 MB is read, and quickly; what looks like a key inside a text is left alone."""
    image = "iVBO" * (110 << 18)
    document = code("def double(x):\n    return x", 's = "\\"outputs\\": ["')
    document["cells"][0]["outputs"] = [{"data": {"image/png": image}}, {"text": ["]", '"}\\']}]
    document["metadata"] = {"widgets": {"state": {"x": [[]]}}}
    data = as_bytes(document)
    assert len(data) > reading.MAX_CONTENT
    start = time.process_time()

    assert read_notebook(data).cells == ("def double(x):\n    return x", 's = "\\"outputs\\": ["')
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b'{"cells": 3}',
        b'{"cells": [{"cell_type": "code", "source": 3}]}',
        b"[" * 100_000,
        b'{"cells": [' + b"[]," * 4_000_000 + b"[]]}",
        b'{"cells": [{"cell_type": "code", "source": "' + b"x" * (9 << 20) + b'"}]}',
    ],
)
def test_what_is_no_notebook(data):
    """Broken JSON, other JSON, nesting bombs and oversized texts are refused, and nothing else happens."""
    with pytest.raises(ValueError, match="not a notebook that can be read"):
        read_notebook(data)


@pytest.mark.parametrize("odd", [None, 3, [], {"nbgrader": 3}, {"nbgrader": {"grade_id": 7, "solution": True}}])
def test_odd_metadata_is_no_obstacle(odd):
    """Metadata of any shape is borne."""
    cell = {"cell_type": "code", "source": "a = 1", "metadata": odd}

    assert read_notebook(as_bytes({"cells": [cell, 3, None], "metadata": odd})).cells == ("a = 1",)


# --- sifting ---------------------------------------------------------------------------------------------------------


def test_definitions_and_what_they_need_are_kept():
    """Functions, imports and variables that the graded names need are kept; everything else is not even run."""
    sifted = sift(
        ["import math\nimport no_such_module\nSCALE = 2\nother = input()", "print(SCALE)\ndef helper(x):\n    return x * SCALE",
         "def double(x):\n    return helper(x)\nassert double(1) == 3\nraise SystemExit", "def plot():\n    no_such_module.show()"],
        ["double"],
    )  # fmt: skip

    assert loaded(sifted.source)["double"](4) == 8
    assert [line for line in sifted.source.splitlines() if line and line[0] != "#"] == [
        "SCALE = 2", "def helper(x):", "    return x * SCALE", "def double(x):", "    return helper(x)"
    ]  # fmt: skip
    assert sifted.notes == ()


@pytest.mark.parametrize(
    "cells",
    [
        ["def double(x):\n    return 2 * x\ndouble.calls = 0\n%time double(2)"],
        ["%load_ext autoreload\n%matplotlib inline\nimport math", "def double(x):\n    return 2 * x\n!ls\ndouble?"],
        ["%%time\ndef double(x):\n    return 2 * x"],
        ["%%check toy::double\ndef double(x):\n    return 2 * x"],
        ["files = !ls\nif True:\n    !pip install x\ndef double(x):\n    return 2 * x"],
        ["%%bash\ndef double(x): rm -rf /", "def double(x):\n    return 2 * x"],
        ["def double(x):\n    return FACTOR * x", "FACTOR = 2"],
        ["def double(x):\n    return FACTOR * x", "FACTOR = 1 / 0", "FACTOR = 3", "FACTOR = 2"],
        [
            "class Base(Above):\n    pass\ndouble = Base.double",
            "class Above:\n    def double(x):\n        return 2 * x",
        ],
        ["TABLE = {}", "for i in range(5):\n    TABLE[i] = 2 * i", "def double(x):\n    return TABLE[x]"],
        ["class C:\n    pass", "def method(x):\n    return 2 * x\nC.double = method", "double = C.double"],
        ["import os; FACTOR = 2; os._exit(0)", "def double(x):\n    return FACTOR * x"],
        ["from grader.notebooks import check", "import grader", "def double(x):\n    return 2 * x", "check('toy')"],
        ["def double(x):\n    return eval('helper')(x)", "def helper(x):\n    return 2 * x"],
        ["def double(x):\n    return 3 * x", "def broken(:", "def double(x):\n    return 2 * x"],
        ["x = 1", "from __future__ import annotations\ndef double(x: Nowhere) -> Unknown:\n    return 2 * x"],
        ["if True:\n    def double(x):\n        return 2 * x\nelse:\n    import nothing"],
        ["import functools", "@functools.cache\ndef double(x):\n    return 2 * x", "double(2); double.cache_info()"],
        ["@later\ndef double(x):\n    return x", "def later(f):\n    return lambda x: 2 * f(x)"],
    ],
)
def test_notebooks_as_people_write_them(cells):
    """Magics, trials, mended slips, cells out of order: the function comes out right."""
    assert loaded(sift(cells, ["double"]).source)["double"](2) == 4


def test_text_that_looks_like_a_magic_stays():
    """Only a line at which Python itself stumbles is a magic."""
    cell = 'def double(x):\n    return """\n%d items\n!""" % (\n        2 * x\n        % 100)'

    assert loaded(sift([cell], ["double"]).source)["double"](2) == "\n4 items\n!"


def test_a_cell_that_does_not_compile_is_named():
    """It is left out with its number and line, and the others count."""
    sifted = sift(["a = 1", "def f(:\n    pass", "def double(x): return 2 * x"], ["double"])

    assert sifted.notes == ("cell 2 was left out: line 1: invalid syntax",)
    assert "double" in loaded(sifted.source)


def test_lines_keep_their_place_in_their_cell():
    """A line of the source is found again in its cell, wherever the cell was moved to."""
    cells = ["print()\n\ndef double(x):\n    return LATE", "\n\nLATE = 1", "@LATE2\ndef f(): pass", "LATE2 = str"]
    sifted = sift(cells, ["double", "f"])
    lines = sifted.source.split("\n")

    for text, place in {"    return LATE": (1, 4), "LATE = 1": (2, 3), "LATE2 = str": (4, 1)}.items():
        assert sifted.place(lines.index(text) + 1) == place


@pytest.fixture
def opener():
    opener = Opener()
    yield opener
    opener.close()


def packed(*cells: str) -> bytes:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]}).encode()


def test_the_process_that_sifts_survives_anything(opener):
    """Bombs for a parser take down the process at most; the next notebook gets a new one."""
    for bomb in ("(" * 100_000, "-" * 300_000 + "1", "x" + ".a" * 200_000, "if 1:\n" * 90 + " x", "\0", "é" * 10):
        assert "double" in opener.notebook(packed(bomb, "def double(x): return x"), {"double"}, ()).source


def test_a_process_that_hangs_is_ended(opener, monkeypatch):
    """A notebook that cannot be taken apart in time is graded as it is, with a note."""
    ask = opener.ask

    def hang_once(head, *more):
        if head["do"] == "notebook":
            opener.close()
            raise Down("hung")
        return ask(head, *more)

    monkeypatch.setattr(opener, "ask", hang_once)
    sifted = opener.notebook(packed("x = 1", "def double(x): return x"), {"double"}, ())

    assert sifted.source == "x = 1\n\ndef double(x): return x\n"
    assert sifted.notes == ("the cells could not be taken apart; they are graded as they are",)


def test_a_process_that_hangs_is_killed_in_time(opener, monkeypatch):
    """Whatever it hangs on, it ends at the limit, and says so."""
    monkeypatch.setattr("grader.submissions.opener.SECONDS", 0.0)
    with pytest.raises(Down, match="ran out of time or memory"):
        opener.notebook(packed("x = 1"), {"double"}, ())


def test_the_process_answers_as_sift(opener):
    """The process gives the same answer as the function."""
    cells = list(sources_of(toy_notebook(reference=True)).values())
    assert opener.notebook(packed(*cells), {"double"}, ("numpy",)) == sift(cells, ["double"])


@pytest.mark.parametrize(
    ("cells", "notes"),
    [
        (["from matplotlib.pyplot import *"], ["cell 1 has `from matplotlib.pyplot import *`, which this topic does not"]),
        (["%%writefile toy.py\ndef double(x): return 2 * x"], ["cell 1 begins with %%writefile; what it writes is graded"]),
        (["%%html\n<b>double</b>"], ["cell 1 begins with %%html, so nothing in it is graded"]),
        (["%%time\nx = 1"], []),
        (["from math import *", "from numpy import *"], []),
    ],
)
def test_what_is_left_out_of_a_notebook_is_noted(cells, notes):
    """Star imports that are not allowed and cells under magics cost nothing else, and are named with their cell."""
    sifted = sift([*cells, "def double(x):\n    return x"], ["double"], ["numpy"])

    assert [note[: len(n)] for note, n in zip(sifted.notes, notes, strict=True)] == notes
    exec(compile(sifted.source, "toy.ipynb", "exec"), {})  # a text of the test's own


def test_odd_characters_cost_no_more_than_their_cell():
    """Halves of emojis, NULs, null sources and cells without a text are noted; the others count."""
    cells = [{"cell_type": "code", "source": s} for s in ("# nice \ud83d", "x = 1\0", None, 3, "def double(x): return x")]
    notebook = read_notebook(json.dumps({"cells": cells}).encode())
    sifted = sift(notebook.cells, ["double"])

    assert notebook.cells[2:] == ("", "", "def double(x): return x")
    assert [note.split(" (")[0] for note in notebook.notes] == [
        "cell 1 holds 1 characters that are none",
        "cell 2 holds 1 characters that are none",
        "cell 4 holds no text and was left out",
    ]
    assert "def double" in sifted.source and sifted.source.encode()
    assert sifted.notes[0].startswith("cell 2 was left out: ")


def escaped_quotes(size: int) -> bytes:
    return b'{"cells": [], "outputs": "' + rb"\"" * size


def many_cell_ids(size: int) -> bytes:
    names = [f"c{i}" for i in range(size)]
    cells = [{"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": n}}} for n in names]
    return json.dumps({"cells": cells, "metadata": {"grader": {"cells": names}}}).encode()


def chained_names(size: int) -> bytes:
    return packed(*[f"a{i} = a{i + 1}" for i in range(size)], "double = a0")


def one_line(size: int) -> bytes:
    return packed(";".join(f"a{i} = 1" for i in range(size)) + "\ndouble = a1")


@pytest.mark.parametrize(
    ("make", "size"), [(escaped_quotes, 1 << 18), (many_cell_ids, 5000), (chained_names, 500), (one_line, 1000)]
)
def test_reading_takes_time_in_proportion_to_the_text(make, size, monkeypatch):
    """Sixteen times the text takes about sixteen times the time, whatever is in it."""
    monkeypatch.setattr(reading, "MAX_CONTENT", 1000 if make is escaped_quotes else reading.MAX_CONTENT)

    def seconds(size: int) -> float:
        data = make(size)
        start = time.process_time()
        try:
            sift(read_notebook(data).cells, ["double"])
        except ValueError:
            assert make is escaped_quotes
        return time.process_time() - start

    small = min(seconds(size) for _ in range(3))
    assert seconds(16 * size) < 48 * small + 0.1


def test_filled_helper_is_sound():
    """The tests' own notebook holds what it was filled with."""
    document = filled(toy_notebook(), double="def double(x): return 5")
    assert "def double(x): return 5" in read_notebook(json.dumps(document).encode()).cells
