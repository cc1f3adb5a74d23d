"""The topics as notebooks: every solution comes apart into cells, its maths renders, and the reference has full marks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from unittest import mock

import nbformat
import pytest

from grader.course import load_course
from grader.course.stubs import names_of
from grader.notebooks import build

ROOT = Path(__file__).parents[2]
COURSE = load_course(ROOT / "course.yml")
TOPICS = [topic.name for topic in COURSE.topics]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_solution_comes_apart_into_cells(topic):
    """Header and units together hold every definition once; each unit leaves one stub for each thing to write."""
    source = (ROOT / "solutions" / f"{topic}.py").read_text(encoding="utf-8")
    parts = build.take_apart(source, topic)
    texts = [parts.header, *(unit.source for unit in parts.units)]

    assert set().union(*map(names_of, texts)) == names_of(source)
    assert sum(len(names_of(text)) for text in texts) == len(names_of(source))
    for text in texts:
        compile(text, topic, "exec")
    for unit in parts.units:
        assert unit.source.count("### BEGIN SOLUTION") == unit.source.count("### END SOLUTION") > 0


@pytest.mark.parametrize("topic", TOPICS)
def test_maths_that_jupyter_shows_wrong(topic):
    """Text inside formulas has no escapes, which MathJax prints; a bar inside a table's formula would end its cell."""
    text = (ROOT / "exercises" / f"{topic}.md").read_text(encoding="utf-8")

    assert re.findall(r"\\(?:text|mathrm|operatorname\*?)\{[^}]*\\_[^}]*\}", text) == []
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if row.replace("\\|", "").count("$") % 2] == []
    for row in rows:
        assert all(cell.replace("\\$", "").count("$") % 2 == 0 for cell in re.split(r"(?<!\\)\|", row)), row


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    build.build(COURSE, folder, TOPICS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_the_reference_run_from_top_to_bottom_has_full_marks(topic, folder):
    """In a real kernel every check cell gives all its points, and no other cell says a word."""
    from nbclient import NotebookClient
    from nbgrader.utils import determine_grade, is_grade

    notebook = nbformat.read(folder / "source" / topic / f"{topic}.ipynb", 4)
    nbformat.validate(notebook)
    resources = {"metadata": {"path": str(folder / "source" / topic)}}
    with mock.patch.dict(os.environ, {"GRADER_COURSE": str(ROOT / "course.yml"), "NBGRADER_EXECUTION": "autograde"}):
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()

    marks = {c.metadata.nbgrader.grade_id: determine_grade(c) for c in notebook.cells if is_grade(c)}
    assert {name: got for name, (got, most) in marks.items() if got != most} == {}
    assert sum(got for got, _ in marks.values()) == COURSE.topic(topic).weight
    assert [c.outputs for c in notebook.cells if c.cell_type == "code" and not is_grade(c) and c.outputs] == []
