"""What results hang on, as digests: of `course.yml`, and of the files of each topic."""

from __future__ import annotations

import hashlib

from grader.course.model import Course

FILES = (  # of a topic: whatever can change a result of it
    "exercises/{}.py", "exercises/capstones/{}.py", "solutions/{}.py", "tests/public/test_{}.py",
    "tests/public/{}_hints.py", "tests/hidden/test_{}.py", "tests/hidden/misconceptions/{}.py",
)  # fmt: skip


def of_course(course: Course) -> str:
    """Of what `course.yml` says, but for its seed and the way in which it is written."""
    return _digest([course.model_dump_json(exclude={"seed"}).encode()])


def of_checks(course: Course, topic: str) -> str:
    """Of the checks of a topic, and of what they need."""
    paths = [course.path(*pattern.format(topic).split("/")) for pattern in FILES]
    return _digest([path.read_bytes() if path.is_file() else b"" for path in paths])


def _digest(parts: list[bytes]) -> str:
    """Of the parts, each with its length, so that no two lists of parts are the same text."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{whole.hexdigest()}"
