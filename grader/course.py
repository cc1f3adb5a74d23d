"""The course as `course.yml` describes it: topics in order, weights, limits, deadlines, policy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from grader.errors import CourseError

NAME = r"^[a-z][a-z0-9_]*$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Model):
    """Limits of one check: CPU seconds as the kernel counts them, memory above the warm worker's, output kept."""

    cpu_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    import_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    memory_mb: Annotated[int, Field(ge=64, le=1 << 20)] = 1024
    output_kb: Annotated[int, Field(ge=1, le=1 << 16)] = 64

    def wall_seconds(self, cpu: float) -> float:
        """The backstop for code that sleeps: four times the CPU limit, at least ten seconds."""
        return max(4 * cpu, 10.0)


class Policy(_Model):
    """What lateness costs and what students are told."""

    late_penalty_per_day: Annotated[float, Field(ge=0, le=1)] = 0.0
    late_penalty_cap: Annotated[float, Field(ge=0, le=1)] = 1.0
    grace_hours: Annotated[float, Field(ge=0)] = 0.0
    follow_through_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    feedback: Literal["full", "hints", "verdicts"] = "hints"


class Topic(_Model):
    """One topic: its files share its name."""

    name: Annotated[str, Field(pattern=NAME)]
    weight: Annotated[float, Field(ge=0)] = 100.0
    due: datetime | None = None
    limits: Limits = Limits()
    imports: tuple[str, ...] = ("numpy",)
    banned: tuple[str, ...] = ()

    @field_validator("due")
    @classmethod
    def _zoned(cls, due: datetime | None) -> datetime | None:
        if due is not None and due.tzinfo is None:
            raise ValueError("a due date needs a time zone, like 2026-12-01T23:59:00+01:00")
        return due

    @property
    def kind(self) -> str:
        """The kind of worker this topic needs."""
        return "torch" if "torch" in self.imports else "numpy"


class Course(_Model):
    """The whole course; `root` is the folder of `course.yml`."""

    format: Literal[1]
    title: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0)] = 0
    limits: Limits = Limits()
    policy: Policy = Policy()
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    root: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _inherit_limits(cls, data: Any) -> Any:
        """A topic's limits are the course's, but for the keys it gives."""
        if not isinstance(data, dict) or not isinstance(data.get("limits", {}), dict):
            return data
        topics = data.get("topics")
        if isinstance(topics, list):
            data = {**data, "topics": [_with_limits(t, data.get("limits", {})) for t in topics]}
        return data

    def topic(self, name: str) -> Topic:
        """The topic of this name; raises `CourseError` with the nearest name."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise CourseError(f"no topic '{name}' in this course", "", _nearest(name, [t.name for t in self.topics]))

    def path(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    def check_files(self, topic: str) -> list[tuple[str, Path]]:
        """(visibility, path) of the check files of a topic that exist here."""
        both = [(v, self.path("tests", v, f"test_{topic}.py")) for v in ("public", "hidden")]
        return [(visibility, path) for visibility, path in both if path.is_file()]

    @property
    def has_secrets(self) -> bool:
        """Whether hidden checks or solutions lie here, as in an instructor's copy."""
        return self.path("solutions").is_dir() or self.path("tests", "hidden").is_dir()


def _with_limits(topic: Any, limits: dict[str, Any]) -> Any:
    if not isinstance(topic, dict) or not isinstance(topic.get("limits", {}), dict):
        return topic
    return {**topic, "limits": {**limits, **topic.get("limits", {})}}


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"the topics are: {', '.join(names)}"


# --- reading the file ------------------------------------------------------------------------------------------------


def find_course(start: Path) -> Path:
    """`course.yml` in `start` or the nearest folder above it."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "course.yml").is_file():
            return folder / "course.yml"
    raise CourseError("no course.yml here or in a folder above", str(start), "run inside the course, or pass --course")


def load_course(path: Path) -> Course:
    """Read and validate `course.yml`; raises one `CourseError` that carries every mistake of the file."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise CourseError(f"cannot be read: {error}", str(path), "give a readable UTF-8 file") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise CourseError(f"not valid YAML: {error.problem}", _at(path, mark), "see the line above it too") from None
    if node is None:
        raise CourseError("the file is empty", f"{path}:1:1", "start from the course.yml of the documentation")
    mistakes = [CourseError(f"'{k.value}' is given twice", _at(path, k.start_mark), "keep one") for k in _twice(node)]
    if mistakes:
        raise _bundle(mistakes)
    return _validated(path, node, yaml.CSafeLoader(text).get_single_data())


def _validated(path: Path, node: yaml.Node, data: Any) -> Course:
    try:
        course = Course.model_validate({**data, "root": path.resolve().parent} if isinstance(data, dict) else data)
    except ValidationError as error:
        raise _bundle([_mistake(path, node, e) for e in error.errors()]) from None
    mistakes = list(_missing_files(path, node, course))
    if mistakes:
        raise _bundle(mistakes)
    return course


def _bundle(mistakes: list[CourseError]) -> CourseError:
    mistakes.sort(key=lambda m: [int(x) for x in m.where.split(":")[-2:]])
    first, *rest = mistakes
    return CourseError(first.problem, first.where, first.help, tuple(rest))


def _at(path: Path, mark: Any) -> str:
    return f"{path.name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path.name}:1:1"


def _twice(node: yaml.Node) -> Iterator[yaml.Node]:
    """Key nodes that repeat an earlier key of their mapping."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(key.value)
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)


def _locate(node: yaml.Node, loc: tuple[Any, ...]) -> yaml.Node:
    """The node that a pydantic location names, or the last one on the way."""
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == step), None)
            if found is None:
                return node
            node = found[0] if step == loc[-1] and not isinstance(found[1], yaml.ScalarNode) else found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
    return node


def _mistake(path: Path, node: yaml.Node, error: Any) -> CourseError:
    loc, name = error["loc"], ".".join(str(x) for x in error["loc"])
    if error["type"] == "extra_forbidden":
        keys = _known_keys(loc)
        where = _key_node(node, loc)
        return CourseError(f"unknown key '{loc[-1]}'", _at(path, where.start_mark), _near_key(str(loc[-1]), keys))
    message = error["msg"].removeprefix("Value error, ")
    given = f", not {error['input']!r}" if error["type"] not in ("missing", "value_error") else ""
    return CourseError(
        f"{name}: {message[0].lower() + message[1:]}{given}"[:300],
        _at(path, _locate(node, loc).start_mark),
        "see docs/course.md for what each key takes",
    )


def _key_node(node: yaml.Node, loc: tuple[Any, ...]) -> yaml.Node:
    parent = _locate(node, loc[:-1]) if len(loc) > 1 else node
    parent = parent if isinstance(parent, yaml.MappingNode) else _value_of(node, loc[:-1])
    if isinstance(parent, yaml.MappingNode):
        return next((k for k, _ in parent.value if k.value == loc[-1]), parent)
    return parent


def _value_of(node: yaml.Node, loc: tuple[Any, ...]) -> yaml.Node:
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            node = next((v for k, v in node.value if k.value == step), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
    return node


def _known_keys(loc: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"limits": Limits, "policy": Policy}
    parent = next((models[str(x)] for x in reversed(loc[:-1]) if str(x) in models), None)
    parent = parent or (Topic if "topics" in loc else Course)
    return [k for k in parent.model_fields if k != "root"]


def _near_key(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"


def _missing_files(path: Path, node: yaml.Node, course: Course) -> Iterator[CourseError]:
    """Topics without a stub, and topics named twice."""
    stubs = sorted(p.stem for p in course.path("exercises").glob("*.py"))
    seen: set[str] = set()
    for i, topic in enumerate(course.topics):
        where = _at(path, _value_of(node, ("topics", i, "name")).start_mark)
        if topic.name in seen:
            yield CourseError(f"topic '{topic.name}' is listed twice", where, "keep one")
        elif topic.name not in stubs:
            yield CourseError(
                f"topic '{topic.name}' has no exercises/{topic.name}.py", where, _nearest(topic.name, stubs)
            )
        seen.add(topic.name)
