"""What metadata says of a submission, as plain data: `submission.yml` of a student, Gradescope's list of an export.

Read in the process of `unpacker`, for both may be hostile.
"""

from __future__ import annotations

from typing import Any

import yaml

from grader.course import plain_yaml
from grader.text import name_of

KEYS = {"student", "submitted", "members"}  # of `submission.yml`
WANTS_TIME = "submitted is a time with its zone, like 2026-11-20T18:00:00+01:00"


def own(text: str) -> dict[str, Any]:
    """`submission.yml`: some of the keys student, submitted and members; raises `ValueError` for anything else.

    `submitted` is a text, or a text for each topic.
    """
    node = plain_yaml.compose(text)
    if node is None:
        return {}
    given = _pairs(node)
    if not set(given) <= KEYS:
        raise ValueError("it takes the keys student, submitted and members")
    said: dict[str, Any] = {}
    if "student" in given:
        said["student"] = _name(given["student"], "student")
    if "members" in given:
        if not isinstance(given["members"], yaml.SequenceNode):
            raise ValueError("members is a list of names")
        said["members"] = [_name(m, "a member") for m in given["members"].value]
    if "submitted" in given:
        said["submitted"] = _times(given["submitted"])
    return said


def _pairs(node: yaml.Node) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("it takes the keys student, submitted and members")
    if len({str(k.value) for k, _ in node.value}) < len(node.value):
        raise ValueError("a key is given twice")
    return {str(key.value): value for key, value in node.value}


def _name(node: yaml.Node, what: str) -> str:
    name = name_of(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not name:
        raise ValueError(f"{what} is a name")
    return name


def _times(node: yaml.Node) -> str | dict[str, str]:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(WANTS_TIME)
    return {topic: str(_scalar(time)) for topic, time in _pairs(node).items()}


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError(WANTS_TIME)
    return str(node.value)


def gradescope(text: str) -> dict[str, Any]:
    """Of each folder of an export: `people`, each as [id, address, name], and the time as `created`; "" is unknown.

    Keys are Ruby's symbols (`:sid`) in exports of classes, and plain in those of single submissions. Raises
    `ValueError`.
    """
    node = plain_yaml.compose(text, foreign=True)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("it is not a list of submissions")
    return {str(folder.value): _submission(about) for folder, about in node.value}


def _submission(node: yaml.Node) -> dict[str, Any]:
    about = _symbols(node)
    submitters = about.get("submitters") or about.get("users")
    people = [_symbols(p) for p in submitters.value] if isinstance(submitters, yaml.SequenceNode) else []
    known = [[_known(person, *keys) for keys in (("sid", "student_id"), ("email",), ("name",))] for person in people]
    return {"people": [p for p in known if any(p)], "created": _known(about, "created_at", "submitted_at")}


def _symbols(node: yaml.Node) -> dict[str, yaml.Node]:
    return {str(k.value).lstrip(":"): v for k, v in node.value} if isinstance(node, yaml.MappingNode) else {}


def _known(about: dict[str, yaml.Node], *keys: str) -> str:
    nodes = [about[key] for key in keys if key in about]
    texts = [name_of(n.value) for n in nodes if isinstance(n, yaml.ScalarNode) and n.value not in ("~", "null", "nil")]
    return next((text for text in texts if text), "")


READERS = {"own": own, "gradescope": gradescope}
