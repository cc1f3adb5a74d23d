"""The course as data: topics in order, weights, limits, deadlines, policy."""

from __future__ import annotations

import difflib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_validator,
)

from grader.course import times
from grader.errors import CourseError

NAME = r"^[a-z][a-z0-9_]*$"
MAX_GRACE = 24 * 366  # hours
WANTS_ZONE = "a due date is a time with its zone, like 2026-12-01T23:59:00+01:00"


def _moment(value: Any) -> Any:
    """A due date, as text in the file; a moment that can be compared."""
    if not isinstance(value, (str, datetime, type(None))):
        raise ValueError(WANTS_ZONE)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(WANTS_ZONE)
        times.in_utc(value)
    try:
        return times.time_of(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(WANTS_ZONE if str(error) == times.WANTS_ZONE else str(error)) from None


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
    """Limits of one check: CPU seconds as the kernel counts them, memory above the warm worker's, output kept.

    `topic_seconds` are wall seconds of all checks of one topic of a submission, without the waiting for a processor.
    """

    cpu_seconds: Annotated[Number, Field(gt=0, le=3600)] = 5.0
    import_seconds: Annotated[Number, Field(gt=0, le=3600)] = 10.0
    memory_mb: Annotated[Whole, Field(ge=64, le=1 << 20)] = 1024
    output_kb: Annotated[Whole, Field(ge=1, le=1 << 16)] = 64
    topic_seconds: Annotated[Number, Field(gt=0, le=86400, validate_default=True)] = 180.0

    def wall_seconds(self, cpu: float) -> float:
        """The backstop for code that sleeps: four times the CPU limit, at least ten seconds."""
        return max(4 * cpu, 10.0)

    @field_validator("topic_seconds", mode="after")
    @classmethod
    def _room_for_one_check(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("import_seconds", 0.0) + info.data.get("cpu_seconds", 0.0)
        if value < least:
            raise ValueError(f"should be at least import_seconds + cpu_seconds, which is {least:g}")
        return value


class Policy(_Model):
    """What lateness costs and what students are told."""

    late_penalty_per_day: Annotated[Number, Field(ge=0, le=1)] = 0.0
    late_penalty_cap: Annotated[Number, Field(ge=0, le=1)] = 1.0
    grace_hours: Annotated[Number, Field(ge=0, le=MAX_GRACE)] = 0.0
    late_flag_days: Annotated[Whole, Field(ge=0, le=366)] = 0
    follow_through_share: Annotated[Number, Field(ge=0, le=1)] = 0.5
    capstone_share: Annotated[Number, Field(ge=0, le=1)] = 0.1
    feedback: Literal["full", "hints", "verdicts"] = "hints"
    names: Literal["strict", "lenient"] = "lenient"
    unreadable: Literal["not_graded", "zero"] = "not_graded"
    student_times: Annotated[bool, Strict()] = False


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
    """The whole course; `file` is the path of its `course.yml`."""

    format: Annotated[Literal[1], BeforeValidator(_format)]
    title: Annotated[str, Field(min_length=1)]
    seed: Annotated[Whole, Field(ge=0)] = 0
    limits: Limits = Limits()
    policy: Policy = Policy()
    topics: tuple[Topic, ...]
    file: Path = Field(default=Path("course.yml"), exclude=True)

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
        raise CourseError(f"no topic '{name}' in this course", "", nearest(name, [t.name for t in self.topics]))

    @property
    def root(self) -> Path:
        """The folder of `course.yml`."""
        return self.file.parent

    def path(self, *parts: str) -> Path:
        """A path below the folder of `course.yml`."""
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


def nearest(name: str, names: list[str], otherwise: str = "the topics are") -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean '{near[0]}'?" if near else f"{otherwise}: {', '.join(names)}"
