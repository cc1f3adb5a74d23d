"""The course as `course.yml` describes it: topics in order, weights, limits, deadlines, policy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError, model_validator

from grader import plain_yaml
from grader.errors import CourseError

NAME = r"^[a-z][a-z0-9_]*$"
MAX_BYTES = 1 << 20
WANTS_ZONE = "a due date is a time with its zone, like 2026-12-01T23:59:00+01:00"


def _moment(value: Any) -> Any:
    """A due date, as text in the file."""
    if not isinstance(value, (str, datetime, type(None))):
        raise ValueError(WANTS_ZONE)
    try:
        return plain_yaml.time_of(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(WANTS_ZONE if "zone, like" in str(error) else str(error)) from None


def _format(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise ValueError("the only format there is, is 1")
    return value


Number = Annotated[float, Strict()]  # `weight: yes` and `weight: "100"` are slips of the pen, not numbers
Whole = Annotated[int, Strict()]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Limits(_Model):
    """Limits of one check: CPU seconds as the kernel counts them, memory above the warm worker's, output kept."""

    cpu_seconds: Annotated[Number, Field(gt=0, le=3600)] = 5.0
    import_seconds: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    memory_mb: Annotated[Whole, Field(ge=64, le=1 << 20)] = 1024
    output_kb: Annotated[Whole, Field(ge=1, le=1 << 16)] = 64

    def wall_seconds(self, cpu: float) -> float:
        """The backstop for code that sleeps: four times the CPU limit, at least ten seconds."""
        return max(4 * cpu, 10.0)


class Policy(_Model):
    """What lateness costs and what students are told."""

    late_penalty_per_day: Annotated[Number, Field(ge=0, le=1)] = 0.0
    late_penalty_cap: Annotated[Number, Field(ge=0, le=1)] = 1.0
    grace_hours: Annotated[Number, Field(ge=0)] = 0.0
    follow_through_share: Annotated[Number, Field(ge=0, le=1)] = 0.5
    capstone_share: Annotated[Number, Field(ge=0, le=1)] = 0.1
    feedback: Literal["full", "hints", "verdicts"] = "hints"


class Topic(_Model):
    """One topic: its files share its name."""

    name: Annotated[str, Field(pattern=NAME)]
    weight: Annotated[Number, Field(ge=0)] = 100.0
    due: Moment | None = None
    limits: Limits = Limits()
    imports: tuple[str, ...] = ("numpy",)
    banned: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of worker this topic needs."""
        return "torch" if set(self.imports) - {"numpy"} else "numpy"


class Course(_Model):
    """The whole course; `root` is the folder of `course.yml`."""

    format: Annotated[Literal[1], BeforeValidator(_format)]
    title: Annotated[str, Field(min_length=1)]
    seed: Annotated[Whole, Field(ge=0)] = 0
    limits: Limits = Limits()
    policy: Policy = Policy()
    topics: tuple[Topic, ...]
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


def _nearest(name: str, names: list[str], otherwise: str = "the topics are") -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise}: {', '.join(names)}"


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
        node = plain_yaml.compose(_text(path))
    except plain_yaml.PlainError as error:
        raise CourseError(error.problem, _at(path, error.mark), "see the line above it too") from None
    if node is None:
        raise CourseError("the file is empty", _at(path), "see docs/course.md for what belongs in it")
    mistakes = [
        CourseError(f"'{k.value}' is given twice", _at(path, k.start_mark), "keep one") for k in _repeated(node)
    ]
    if isinstance(node, yaml.MappingNode):
        roots = [key for key, _ in node.value if key.value == "root"]
        mistakes += [CourseError("unknown key 'root'", _at(path, k.start_mark), "leave it out") for k in roots]
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
    return {**data, "root": path.resolve().parent} if isinstance(data, dict) else data


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
        help = _nearest(str(loc[-1]), _known_keys(loc), "known keys here")
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
    return [k for k in parent.model_fields if k != "root"]


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
            help = _nearest(name.value, stubs, "stubs there") if stubs else "the folder exercises/ holds no stubs"
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
