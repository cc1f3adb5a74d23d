"""`results.json`: everything, for programs (contracts: docs/reports.md), and the JSON Schema of it.

`python -m grader.reports.to_json` writes `results.schema.json` beside this file; a test holds it in step with the
models of `grader.results`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from grader.results import (
    RESULTS_JSON,
    SCHEMA_VERSION,
    CapstoneFigure,
    CapstoneResult,
    CheckResult,
    Report,
    ReportHead,
    SubmissionResult,
    TopicResult,
    Unfinished,
    Unread,
    Written,
)

FILE = RESULTS_JSON
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
PARTS: tuple[type[Written], ...] = (
    SubmissionResult, TopicResult, CheckResult, CapstoneResult, CapstoneFigure, Unread, Unfinished, ReportHead,
)  # fmt: skip


def write(report: Report, path: Path) -> None:
    report.to_json(path)


# --- its schema ------------------------------------------------------------------------------------------------------


class Plain(GenerateJsonSchema):
    """Without titles, which repeat the names, and defaults, which a document does not rely on."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def schema() -> dict[str, Any]:
    """The schema of a whole report."""
    made = TypeAdapter(Report).json_schema(mode="serialization", schema_generator=Plain)
    parts = made.pop("$defs")
    root = _as_written(made, Report)
    version = {"schema_version": {"const": SCHEMA_VERSION}}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **root,
        "title": "results.json of grade",
        "properties": {**version, **root["properties"]},
        "required": [*version, *root["required"]],
        "$defs": {cls.__name__: _as_written(parts[cls.__name__], cls) for cls in PARTS},
    }


def _as_written(made: dict[str, Any], cls: type[Written]) -> dict[str, Any]:
    """An object with the fields that are written: some not always, but then absent rather than null."""
    properties = {name: one for name, one in made["properties"].items() if name not in cls.NEVER}
    for name in cls.SOMETIMES:
        kinds = properties[name].get("anyOf", [properties[name]])
        (properties[name],) = [one for one in kinds if one != {"type": "null"}]
    return {**made, "properties": properties, "required": list(cls.required()), "additionalProperties": False}


def schema_text() -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8", newline="\n")
