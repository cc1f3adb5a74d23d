"""The worked examples of the handouts are computed by the references."""

from __future__ import annotations

import doctest
import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest

from grader.course import load_course

ROOT = Path(__file__).parents[2]
TOPICS = [t.name for t in load_course(ROOT / "course.yml").topics]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def reference(topic: str) -> types.ModuleType:
    """The solution of a topic, imported from its file."""
    spec = importlib.util.spec_from_file_location(f"reference_{topic}", ROOT / "solutions" / f"{topic}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_names(module: types.ModuleType) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@pytest.mark.parametrize("topic", TOPICS)
def test_examples_of_the_handout(topic):
    """Every `>>>` example gives what the handout prints, from the reference's public names and np; there is at least one."""
    path = ROOT / "exercises" / f"{topic}.md"
    names = {"np": np, **public_names(reference(topic))}
    # A fence that closes a block of examples is no output of the last one.
    text = path.read_text(encoding="utf-8").replace("\n```", "\n\n")
    test = doctest.DocTestParser().get_doctest(text, names, path.name, str(path), 0)
    complaints: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=complaints.append)

    assert result.attempted > 0, f"{path.name} has no example"
    assert result.failed == 0, "".join(complaints)
