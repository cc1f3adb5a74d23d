"""What a graded run found: frozen models, to and from plain dicts and JSON (contracts: docs/reports.md)."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn, Self

from pydantic import (
    ConfigDict,
    InstanceOf,
    PlainValidator,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from grader.errors import UsageError
from grader.text import printable

SCHEMA_VERSION = 2
OLDER_VERSIONS = (1,)  # are read: they lack the head, and lateness by topic
RESULTS_JSON = "results.json"
LEVELS = ("strong", "sealed", "limited", "accident-only")  # of protection, the best first
MADE_BY = "grade PATH... -o FOLDER writes what can be read here"
NEWER = "a newer version of grade wrote it; use that one"
FORBID = ConfigDict(extra="forbid")


def _number(value: object) -> int | float:
    """As it is, so that a whole number is written as one; NaN too, which is refused where it would be written."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("number", "Input should be a number")


Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
Text = InstanceOf[str]  # names of files and students may hold lone surrogates, which a plain `str` refuses


class Verdict(StrEnum):
    """How a check ended; what else is to be known of a verdict are attributes of it.

    `mark` is its word in the summary, `colour` that word's colour there, `words` what a hidden check says where it
    has no words of its own: without exit codes, sizes or signals, which a submission could choose by its inputs.
    `facts` holds what is true of it, of these:

    died          the worker is gone after it
    rerun         in a used worker it is tried again, alone in a fresh one, before it counts
    followed      it may be an earlier function's doing
    comparable    a misconception that fails in the same way may explain it
    worth_a_look  a person should look at the submission
    to_mend       it is something that the student wrote and has to mend
    """

    mark: str
    colour: str
    words: str
    died: bool
    rerun: bool
    followed: bool
    comparable: bool
    worth_a_look: bool
    to_mend: bool

    def __new__(cls, value: str, mark: str = "", colour: str = "", words: str = "", facts: str = "") -> Verdict:
        verdict = str.__new__(cls, value)
        verdict._value_ = value
        verdict.mark, verdict.colour, verdict.words = mark, colour, words
        for name in ("died", "rerun", "followed", "comparable", "worth_a_look", "to_mend"):
            setattr(verdict, name, name in facts.split())
        return verdict

    PASS = "pass", "ok", "green", "the check passed"
    WRONG = "wrong", "wrong", "red", "the value is not right", "rerun followed comparable to_mend"
    ERROR = "error", "error", "red", "an error was raised", "rerun followed comparable to_mend"
    MISSING = "missing", "missing", "yellow", "it is not written yet"
    TIMEOUT = "timeout", "timeout", "red", "ran into its time limit", "died to_mend"
    MEMORY = "memory", "memory", "red", "ran into its memory limit", "died worth_a_look to_mend"
    CRASH = (
        "crash", "crash", "red", "the process ended before it returned a value", "died rerun worth_a_look to_mend"
    )  # fmt: skip
    FORBIDDEN = (
        "forbidden", "forbidden", "red", "something that this topic does not allow was used", "worth_a_look to_mend"
    )  # fmt: skip
    VIOLATION = (
        "violation", "violation", "red", "wrote to the grader's channel, or printed or called back far too much",
        "died worth_a_look to_mend",
    )  # fmt: skip
    SKIPPED = "skipped", "skipped", "yellow", "it is not run here"
    GRADER_FAULT = "grader_fault", "NOT GRADED", "magenta", "the check itself is faulty", "worth_a_look"


@dataclass(frozen=True, config=FORBID)
class Written:
    """What a report is made of: a dict that is read holds every field that is written, and no other."""

    SOMETIMES: ClassVar[tuple[str, ...]] = ()  # fields that are left out, never null, where there is nothing to say
    NEVER: ClassVar[tuple[str, ...]] = ()  # fields that are not written

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The fields that stand in every document."""
        kind: Any = cls
        return _required(kind)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """From what `to_dict` made; a `ValueError` where it does not fit."""
        kind: Any = cls  # mypy holds a class that compares by value for one that cannot be a key
        made: Self = _adapter(kind).validate_python(data)
        return made

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, data: Any) -> Any:
        """Holds for dicts alone: in Python, fields have their defaults."""
        if isinstance(data, dict):
            wrong = [("Field required", name) for name in cls.required() if name not in data]
            wrong += [("Should be absent, not null", n) for n in cls.SOMETIMES if n in data and data[n] is None]
            wrong += [("Unexpected field", name) for name in cls.NEVER if name in data]
            for what, name in wrong:
                raise PydanticCustomError("misfit", "{what}", {"what": what, "field": name})
        return data


@functools.cache  # asked for every line between our processes
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@functools.cache
def _required(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in (*kind.SOMETIMES, *kind.NEVER))


@dataclass(frozen=True, config=FORBID)
class CheckResult(Written):
    """One check of one submission."""

    SOMETIMES = ("points", "max_points")  # absent from the hidden checks of a student's bundle

    id: Text
    function: Text
    title: Text
    visibility: Text
    verdict: Annotated[Verdict, WithJsonSchema({"enum": [v.value for v in Verdict]})]
    points: Number | None = None
    max_points: Number | None = None
    message: Text = ""
    diagnosis: Text | None = None
    advice: Text | None = None
    follow_through: StrictBool = False
    seconds: Number = 0.0

    def to_dict(self) -> dict[str, Any]:
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["verdict"] = self.verdict.value
        data["seconds"] = round(self.seconds, 4)
        if self.points is None:
            del data["points"], data["max_points"]
        return data


@dataclass(frozen=True, config=FORBID)
class CapstoneFigure(Written):
    """A number that a capstone measured, null where it is none, and its gate."""

    name: Text
    value: Number | None
    low: Number
    high: Number
    reached: StrictBool


@dataclass(frozen=True, config=FORBID)
class CapstoneResult(Written):
    """The capstone of one topic, trained with the student's functions (`grade run --capstone`)."""

    reached: StrictBool
    points: Number
    max_points: Number
    figures: tuple[CapstoneFigure, ...] = ()
    message: Text = ""
    seconds: Number = 0.0

    def to_dict(self) -> dict[str, Any]:
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**data, "figures": [asdict(f) for f in self.figures], "seconds": round(self.seconds, 4)}


@dataclass(frozen=True, config=FORBID)
class TopicResult(Written):
    """One topic of one submission; points are scaled to the topic's weight."""

    SOMETIMES = ("notes", "capstone", "unreadable", "late_days", "penalty")
    NEVER = ("output",)

    topic: Text
    file: Text | None
    digest: Text | None
    points: Number
    max_points: Number
    checks: tuple[CheckResult, ...]
    cached: StrictBool = False
    seconds: Number = 0.0
    output: Text = ""
    notes: tuple[Text, ...] = ()
    capstone: CapstoneResult | None = None
    unreadable: Text | None = None  # why what was handed in could not be read; then no check was run
    late_days: StrictInt = 0
    penalty: Number = 0.0

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        return tuple(c for c in self.checks if c.verdict is Verdict.GRADER_FAULT)

    def to_dict(self) -> dict[str, Any]:
        names = ("topic", "file", "digest", "points", "max_points", "cached")
        data = {name: getattr(self, name) for name in names}
        data["seconds"] = round(self.seconds, 4)
        capstone = {"capstone": self.capstone.to_dict()} if self.capstone else {}
        unreadable = {"unreadable": self.unreadable} if self.unreadable else {}
        late = {"late_days": self.late_days, "penalty": self.penalty} if self.late_days else {}
        told = {**late, **unreadable, **_noted(self.notes), **capstone}
        return {**data, **told, "checks": [c.to_dict() for c in self.checks]}


@dataclass(frozen=True, config=FORBID)
class SubmissionResult(Written):
    """All topics of one student."""

    SOMETIMES = ("notes",)

    student: Text
    topics: tuple[TopicResult, ...]
    points: Number
    max_points: Number
    late_days: StrictInt = 0
    penalty: Number = 0.0
    notes: tuple[Text, ...] = ()

    @classmethod
    def of(cls, student: str, topics: Iterable[TopicResult], notes: tuple[str, ...] = ()) -> Self:
        """What the topics come to together."""
        own = tuple(topics)
        return cls(
            student=student,
            topics=own,
            points=round(sum(t.points for t in own), 4),
            max_points=round(sum(t.max_points for t in own), 4),
            late_days=max((t.late_days for t in own), default=0),
            penalty=round(sum(t.penalty for t in own), 4),
            notes=notes,
        )

    @property
    def final(self) -> float:
        """Points after the late penalty."""
        return round(self.points - self.penalty, 4)

    @property
    def faults(self) -> tuple[CheckResult, ...]:
        return tuple(c for t in self.topics for c in t.faults)

    @property
    def is_faulty(self) -> bool:
        """Whether something of the grader's own failed, and not only the reading of what was handed in."""
        return any(t.faults and not t.unreadable for t in self.topics)

    def to_dict(self) -> dict[str, Any]:
        names = ("student", "points", "max_points", "late_days", "penalty")
        data = {name: getattr(self, name) for name in names}
        return {**data, **_noted(self.notes), "topics": [t.to_dict() for t in self.topics]}


@dataclass(frozen=True, config=FORBID)
class Unread(Written):
    """Something handed in that a person should look at: whose ("" where nobody knows), what, and why."""

    student: Text
    what: Text
    why: Text


@dataclass(frozen=True, config=FORBID)
class Unfinished(Written):
    """Topics of a student that were to be graded when the run was stopped."""

    student: Text
    topics: tuple[Text, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"student": self.student, "topics": list(self.topics)}


@dataclass(frozen=True, config=FORBID)
class ReportHead(Written):
    """What results hang on: those of two runs may stand in one report if all but `when` is equal.

    `course` is a digest of course.yml, `checks` one of the checks of each topic, `when` a time in UTC.
    """

    course: Text
    checks: dict[Text, Text]
    seed: StrictInt
    capstones: StrictBool
    grader: Text
    when: Text


@dataclass(frozen=True, config=FORBID)
class Report(Written):
    """A whole run, or several that were put together; without a `head` it is not known what its results hang on."""

    SOMETIMES = ("notes", "unread", "unfinished", "head")

    course: Text
    protection: Text
    complete: StrictBool
    submissions: tuple[SubmissionResult, ...]
    notes: tuple[Text, ...] = ()
    unread: tuple[Unread, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    head: ReportHead | None = None

    def to_dict(self) -> dict[str, Any]:
        unread = {"unread": [asdict(row) for row in self.unread]} if self.unread else {}
        unfinished = {"unfinished": [row.to_dict() for row in self.unfinished]} if self.unfinished else {}
        head = {"head": asdict(self.head)} if self.head else {}
        return {
            "schema_version": SCHEMA_VERSION,
            **head,
            "course": self.course,
            "protection": self.protection,
            "complete": self.complete,
            **_noted(self.notes),
            **unread,
            **unfinished,
            "submissions": [s.to_dict() for s in self.submissions],
        }

    def to_json(self, path: Path | str | None = None) -> str:
        """`results.json`: one JSON document, pure ASCII, with a final newline; written to the path, if there is one."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8", newline="\n")
        return text

    @classmethod
    def from_dict(cls, data: Any, where: str = RESULTS_JSON) -> Self:
        """From what `to_dict` made; `where` names it in the error that tells what does not fit."""
        _refuse_other_versions(data, where)
        try:
            return super().from_dict({name: data[name] for name in data if name != "schema_version"})
        except ValidationError as error:
            raise UsageError(_misfit(error), where, MADE_BY) from None

    @classmethod
    def from_json(cls, source: str | Path) -> Self:
        """From a `results.json`: its text, or the path of the file (a `Path`, or a text that ends in .json)."""
        where = RESULTS_JSON
        if isinstance(source, str) and source.endswith(".json"):
            source = Path(source)
        try:
            if isinstance(source, Path):
                where = printable(str(source))
                source = source.read_text(encoding="utf-8")
            data = json.loads(source, parse_constant=_no_number, parse_float=_finite)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where, "check the name and the rights") from None
        except (ValueError, RecursionError) as error:
            raise UsageError(f"not JSON: {printable(str(error))}", where, MADE_BY) from None
        return cls.from_dict(data, where)


def _refuse_other_versions(data: Any, where: str) -> None:
    if not isinstance(data, dict):
        raise UsageError("the document should be an object", where, MADE_BY)
    version = data.get("schema_version")
    if "schema_version" not in data:
        raise UsageError("schema_version: Field required", where, MADE_BY)
    if type(version) is not int or version not in (SCHEMA_VERSION, *OLDER_VERSIONS):
        newer = type(version) is int and version > SCHEMA_VERSION
        problem = f"schema_version: {printable(repr(version), 60)} is not read here"
        raise UsageError(problem, where, NEWER if newer else f"this version of grade reads {SCHEMA_VERSION} and 1")


def _misfit(error: ValidationError) -> str:
    """The first thing that does not fit, as `place: what`, on one line."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("field", "")
    place = ".".join(str(part) for part in (*first["loc"], inner) if part != "")
    return printable(f"{place}: {first['msg']}")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _no_number(digits)


def _noted(notes: tuple[str, ...]) -> dict[str, list[str]]:
    """`notes`, where there is something to note."""
    return {"notes": list(notes)} if notes else {}
