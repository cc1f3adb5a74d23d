"""`public_checks.json`: what lies beside a released notebook, so that its public checks run on a student's machine.

It holds one topic: its part of course.yml, its stub, its public checks, and how many hidden checks each unit has.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from grader.course import Course, Topic
from grader.errors import CourseError

MAX_BYTES = 8 << 20
_ALLOWED = re.compile(r"course\.yml|(exercises|tests/public)/[a-z0-9_]+\.py")


def pack(course: Course, topic: Topic, hidden: dict[str, int]) -> str:
    """The text of the file: public things alone."""
    names = ["exercises/{}.py", "tests/public/test_{}.py", "tests/public/{}_hints.py"]
    paths = [name.format(topic.name) for name in names]
    files = {p: course.path(p).read_text(encoding="utf-8") for p in paths if course.path(p).is_file()}
    files["course.yml"] = _course_yml(course, topic)
    document = {"format": 1, "topic": topic.name, "hidden": hidden, "files": files}
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _course_yml(course: Course, topic: Topic) -> str:
    """A course of this topic alone; JSON is YAML."""
    one = {
        "name": topic.name,
        "weight": topic.weight,
        "limits": topic.limits.model_dump(),
        "imports": list(topic.imports),
        "banned": list(topic.banned),
    }
    data = {"format": 1, "title": course.title, "seed": course.seed}
    data |= {"policy": course.policy.model_dump(), "topics": [one]}
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=True)}\n" for key, value in data.items())


def unpack(path: Path, folder: Path) -> dict[str, int]:
    """Write the files below `folder`; returns how many hidden checks each unit has. Raises `CourseError`."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_BYTES))
        files, hidden = data["files"], data["hidden"]
        for name, text in files.items():
            if not _ALLOWED.fullmatch(name):
                raise ValueError(name)
            _write(folder / name, text)
        return {str(unit): int(number) for unit, number in hidden.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"cannot be read: {type(error).__name__}: {error}"
        raise CourseError(problem, str(path), "take a fresh copy of the assignment") from None


def _write(path: Path, text: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
