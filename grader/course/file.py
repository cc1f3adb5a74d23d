"""The course as `course.yml` describes it: topics in order, weights, limits, deadlines, policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from grader.course import plain_yaml
from grader.course.model import NAME, Course, Limits, Policy, Topic, nearest
from grader.errors import CourseError

MAX_BYTES = 1 << 20


# --- reading the file ------------------------------------------------------------------------------------------------


def find_course(start: Path, graded: Iterable[Path] = ()) -> Path:
    """`course.yml` in `start` or the nearest folder above it, but none that was handed in with what is graded.

    A course names files whose code runs in trusted processes, so one at or below a graded path is passed over.
    """
    courses, passed = _courses_above(start), passed_over(start, graded)
    chosen = next((file for file in courses if file not in passed), None)
    if chosen is not None:
        return chosen
    if passed:
        raise CourseError(
            "this course.yml lies in what is to be graded, and would run as the grader's own",
            str(passed[0]),
            "grade submit/, or --course ./course.yml if this course is yours",
        )
    raise CourseError("no course.yml here or in a folder above", str(start), "run inside the course, or pass --course")


def passed_over(start: Path, graded: Iterable[Path]) -> list[Path]:
    """Each `course.yml` in `start` or above it, nearest first, that lies at or below a graded path."""
    within = [path.resolve() for path in graded]
    return [f for f in _courses_above(start) if any(p.is_relative_to(g) for p in (f, f.resolve()) for g in within)]


def _courses_above(start: Path) -> list[Path]:
    here = start.resolve()
    return [folder / "course.yml" for folder in (here, *here.parents) if (folder / "course.yml").is_file()]


def load_course(path: Path | str) -> Course:
    """Read and validate `course.yml`; raises one `CourseError` that carries every mistake of the file."""
    path = Path(path)
    try:
        node = plain_yaml.compose(_text(path))
    except plain_yaml.PlainError as error:
        raise CourseError(error.problem, _at(path, error.mark), "see the line above it too") from None
    if node is None:
        raise CourseError("the file is empty", _at(path), "see docs/course.md for what belongs in it")
    mistakes = [
        CourseError(f"'{k.value}' is given twice", _at(path, k.start_mark), "keep one") for k in _repeated(node)
    ]
    if isinstance(node, yaml.MappingNode):
        named = [key for key, _ in node.value if key.value == "file"]
        mistakes += [CourseError("unknown key 'file'", _at(path, k.start_mark), "leave it out") for k in named]
    mistakes += _missing_files(path, node)
    try:
        course = Course.model_validate(_data(path, node))
    except ValidationError as error:
        raise _bundle(mistakes + _mistakes(path, node, error)) from None
    if mistakes:
        raise _bundle(mistakes)
    return course


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CourseError(f"cannot be read: {error.strerror}", str(path), "check the name and the rights") from None
    if len(data) > MAX_BYTES:
        raise CourseError("larger than 1 MB", str(path), "this is hardly a course.yml")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CourseError("not UTF-8 text", f"{path.name}:{line}:1", "save the file as UTF-8") from None


def _data(path: Path, node: yaml.Node) -> Any:
    data = plain_yaml.value_of(node)
    return {**data, "file": path.resolve()} if isinstance(data, dict) else data


def _bundle(mistakes: list[CourseError]) -> CourseError:
    """All mistakes in the order of the file, as one error."""
    mistakes.sort(key=lambda m: [int(x) for x in m.where.split(":")[-2:]])
    first, *rest = mistakes
    return CourseError(first.problem, first.where, first.help, tuple(rest))


def _at(path: Path, mark: Any = None) -> str:
    return f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path.name}:1:1"


def _repeated(node: yaml.Node) -> Iterator[yaml.Node]:
    """Key nodes that repeat an earlier key of their mapping."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                yield key
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)


def _place(node: yaml.Node, steps: tuple[Any, ...]) -> tuple[yaml.Node, yaml.Node]:
    """(key, value) nodes at a pydantic location, or those of the last step that is there."""
    key = node
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                break
            key, node = pair
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            key = node = node.value[step]
    return key, node


def _mistakes(path: Path, node: yaml.Node, error: ValidationError) -> list[CourseError]:
    """Pydantic's errors in words; what a topic inherits is reported once, where it stands."""
    found: dict[tuple[str, str], CourseError] = {}
    for one in error.errors():
        mistake = _mistake(path, node, one)
        found.setdefault((mistake.where, mistake.problem.rpartition(".")[2]), mistake)
    return list(found.values())


def _mistake(path: Path, root: yaml.Node, error: Any) -> CourseError:
    loc = error["loc"]
    if "limits" in loc and _inherited(root, loc):
        loc = loc[loc.index("limits") :]
    key, value = _place(root, loc)
    if error["type"] == "extra_forbidden":
        help = nearest(str(loc[-1]), _known_keys(loc), "known keys here")
        return CourseError(f"unknown key '{loc[-1]}'", _at(path, key.start_mark), help)
    if error["type"] == "missing":
        inside = f" in '{'.'.join(map(str, loc[:-1]))}'" if loc[1:] else ""
        return CourseError(f"'{loc[-1]}' is missing{inside}", _at(path, value.start_mark), f"add '{loc[-1]}: ...'")
    name = ".".join(map(str, loc)) or "the file"
    message = WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    given = f", not {str(error['input'])[:60]!r}" if isinstance(value, yaml.ScalarNode) else ""
    problem = f"{name}: {message[0].lower()}{message[1:]}{given}"
    return CourseError(problem, _at(path, value.start_mark), "see docs/course.md for what each key takes")


def _inherited(root: yaml.Node, loc: tuple[Any, ...]) -> bool:
    """Whether a topic's limit at this location is not its own but the course's."""
    _, own = _place(root, loc[: loc.index("limits") + 1])
    keys = [k.value for k, _ in own.value] if isinstance(own, yaml.MappingNode) else []
    return loc[-1] not in keys and loc[0] == "topics" and len(loc) > loc.index("limits") + 1


def _known_keys(loc: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"limits": Limits, "policy": Policy}
    parent = next((models[x] for x in reversed(loc[:-1]) if x in models), Topic if "topics" in loc else Course)
    return [k for k in parent.model_fields if k != "file"]


def _missing_files(path: Path, node: yaml.Node) -> Iterator[CourseError]:
    """No topics at all, topics without a stub, and topics named twice."""
    stubs = sorted(p.stem for p in path.parent.joinpath("exercises").glob("*.py"))
    key, topics = _place(node, ("topics",))
    if isinstance(topics, yaml.SequenceNode) and not topics.value:
        yield CourseError("topics: the list is empty", _at(path, key.start_mark), "add a topic")
    seen: set[str] = set()
    for item in topics.value if isinstance(topics, yaml.SequenceNode) else ():
        key, name = _place(item, ("name",))
        if key is item or not re.match(NAME, str(name.value)):
            continue  # said already
        where = _at(path, name.start_mark)
        if name.value in seen:
            yield CourseError(f"topic '{name.value}' is listed twice", where, "keep one")
        elif name.value not in stubs:
            help = nearest(name.value, stubs, "stubs there") if stubs else "the folder exercises/ holds no stubs"
            yield CourseError(f"topic '{name.value}' has no exercises/{name.value}.py", where, help)
        seen.add(name.value)


WORDS = {  # in place of pydantic's, which speak of Python
    "model_type": "should be keys with their values",
    "dict_type": "should be keys with their values",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "string_too_short": "should not be empty",
    "string_pattern_mismatch": "should be a name of lower-case letters, digits and underscores",
}
