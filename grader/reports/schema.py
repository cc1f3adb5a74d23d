"""The JSON Schema of `results.json`, made from the dataclasses of `grader.results`.

`python -m grader.reports.schema` writes `results.schema.json` beside this file; a test holds the two in step.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from grader.results import (
    SCHEMA_VERSION,
    CapstoneFigure,
    CapstoneResult,
    CheckResult,
    Report,
    SubmissionResult,
    TopicResult,
    Verdict,
)

FILE = Path(__file__).with_name("results.schema.json")
SIMPLE = {str: "string", bool: "boolean", float: "number", int: "integer", type(None): "null"}
UNWRITTEN: dict[type, set[str]] = {TopicResult: {"output"}}  # fields that stay out of the report
OPTIONAL = {"notes", "capstone"}  # written where there is something to note, and with --capstone
STUDENTS = {"points", "max_points"}  # absent from the hidden checks of a student's bundle


DEFINED = (SubmissionResult, TopicResult, CheckResult, CapstoneResult, CapstoneFigure)


def schema() -> dict[str, Any]:
    """The schema of a whole report."""
    root = _object(Report)
    properties = {"schema_version": {"const": SCHEMA_VERSION}, **root["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "results.json of grade",
        **root,
        "properties": properties,
        "required": ["schema_version", *root["required"]],
        "$defs": {c.__name__: _object(c) for c in DEFINED},
    }


def _object(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls) if f.name not in UNWRITTEN.get(cls, ())]
    absent = OPTIONAL | (STUDENTS if cls is CheckResult else set())
    return {
        "type": "object",
        "description": (cls.__doc__ or "").strip(),
        "properties": {name: _type(hints[name]) for name in names},
        "required": [name for name in names if name not in absent],
        "additionalProperties": False,
    }


def _type(hint: Any) -> dict[str, Any]:
    if hint is Verdict:
        return {"enum": [v.value for v in Verdict]}
    if dataclasses.is_dataclass(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}  # type: ignore[union-attr]
    if isinstance(hint, types.UnionType):
        whole = [one for one in typing.get_args(hint) if dataclasses.is_dataclass(one)]
        if whole:  # absent rather than null
            return _type(whole[0])
        return {"type": [SIMPLE[one] for one in typing.get_args(hint)]}
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _type(typing.get_args(hint)[0])}
    return {"type": SIMPLE[hint]}


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8", newline="\n")
