"""The trusted files of a topic: the reference, its misconceptions, its hints."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from grader.checks import Misconception
from grader.checks.marking import collecting
from grader.course import Course, Topic
from grader.errors import CourseError
from grader.remote.inmemory import InMemoryConnection, in_memory_session
from grader.remote.session import Session
from grader.worker import substitute

# --- loading files of the course -------------------------------------------------------------------------------------


def load_file(path: Path, name: str) -> types.ModuleType:
    """A trusted file of the course as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CourseError("cannot be imported", str(path), "is it a Python file?")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_reference(course: Course, topic: str) -> types.ModuleType:
    path = course.path("solutions", f"{topic}.py")
    if not path.is_file():
        raise CourseError("the reference is missing", str(path), "hidden checks need the solutions beside them")
    return load_file(path, f"reference_{topic}")


def load_misconceptions(course: Course, topic: str) -> list[Misconception]:
    """The topic's wrong implementations; [] where there are none."""
    path = course.path("tests", "hidden", "misconceptions", f"{topic}.py")
    if not path.is_file():
        return []
    with collecting() as found:
        load_file(path, f"misconceptions_{topic}")
    return found


def load_hints(course: Course, topic: str) -> dict[str, tuple[str, ...]]:
    """The topic's hints by function, from where to look to the shape of the answer; {} where there are none."""
    path = course.path("tests", "public", f"{topic}_hints.py")
    return dict(getattr(load_file(path, f"hints_{topic}"), "HINTS", {})) if path.is_file() else {}


def pick_misconception(all_of_topic: list[Misconception], wanted: str) -> Misconception | None:
    """`bp1`, or `bp11#2` for the second of several that bear one id."""
    name, _, number = wanted.partition("#")
    same = [m for m in all_of_topic if m.id == name]
    numbered = {str(i): misconception for i, misconception in enumerate(same, 1)}
    return numbered.get(number or "1")


def put_in(session: Session, misconception: Misconception) -> None:
    """Replace the misconception's unit in the module of an in-memory session."""
    connection = session.connection
    assert isinstance(connection, InMemoryConnection)
    connection.server.put_in(misconception.replaces, misconception.make)


def session_with(course: Course, topic: Topic, misconception: Misconception) -> Session:
    """The reference with one unit replaced, in memory."""
    source = course.path("solutions", f"{topic.name}.py").read_text(encoding="utf-8")
    session = in_memory_session(**load_fields(topic, source))
    put_in(session, misconception)
    return session


def load_fields(topic: Topic, source: str, wrong: tuple[str, int] | None = None) -> dict[str, Any]:
    """What a session needs to load a submission of the topic; `wrong` puts a misconception in (`Plan.wrong`)."""
    files = {f"{topic.name}.py": source}
    fields = {"main": topic.name, "imports": list(topic.imports), "banned": list(topic.banned)}
    if wrong is None:
        return {"files": files, **fields}
    text, number = wrong
    return {"files": {**files, substitute.FILE: text}, **fields, "wrong": number}
