"""YAML read as a tree of nodes with their places, and nothing more: no anchors, no tags, no objects.

`course.yml` is read by it for the sake of line and column, `submission.yml` because its author may be hostile.
"""

from __future__ import annotations

from typing import Any

import yaml

from grader.course.times import time_of
from grader.text import printable

__all__ = ["PlainError", "compose", "time_of", "value_of"]
MAX_DEPTH = 50


class PlainError(ValueError):
    """Not plain YAML; `mark` is the place where one is known."""

    def __init__(self, problem: str, mark: Any = None) -> None:
        super().__init__(problem)
        self.problem, self.mark = problem, mark


def compose(text: str, foreign: bool = False) -> yaml.Node | None:
    """The root node of one document, None for an empty one; raises `PlainError`.

    Anchors and tags are refused, but in a `foreign` file, whose writer nobody here can ask to leave them out: they
    do no harm as long as nobody walks the whole tree.
    """
    try:
        _check_events(text, foreign)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        words = printable(error.problem or error.context or "it cannot be parsed")
        raise PlainError(f"not valid YAML: {words}", error.problem_mark or error.context_mark) from None
    except yaml.reader.ReaderError as error:
        raise PlainError(f"not valid YAML: {error.reason}", _mark_of(text, error.position)) from None
    except yaml.YAMLError as error:
        raise PlainError(f"not valid YAML: {error}") from None


def _check_events(text: str, foreign: bool) -> None:
    """Refuse aliases, tags and depth before anything recursive sees them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if not foreign and (isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)):
            raise PlainError("anchors and aliases (& and *) are not used here", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag and not foreign:
            raise PlainError(f"tags such as {printable(tag, 60)!r} are not used here", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise PlainError("nested too deeply", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Mark:
    def __init__(self, line: int, column: int) -> None:
        self.line, self.column = line, column


def _mark_of(text: str, position: int) -> _Mark:
    before = text[: max(position, 0)]
    return _Mark(before.count("\n"), len(before) - before.rfind("\n") - 1)


def value_of(node: yaml.Node) -> Any:
    """Plain data of a node; times stay text, so that whoever wants one can say what is wrong with it."""
    if isinstance(node, yaml.MappingNode):
        return {_key(k): value_of(v) for k, v in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(item) for item in node.value]
    kind = node.tag.rpartition(":")[2]
    try:
        if kind in ("int", "float", "bool", "null"):
            return _construct(node)
    except (ValueError, OverflowError):
        pass  # thousands of digits: text, which whoever wants a number refuses
    return node.value


def _key(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping as a key"


def _construct(node: yaml.Node) -> Any:
    maker = yaml.constructor.SafeConstructor()
    return maker.construct_object(node)
