"""A judge whose workers lie about every call they are asked to report on: `python forging_judge.py HOW COURSE.YML TOPIC,TOPIC SEED`.

In a call whose operations or side effects are to be reported, `forge` answers with another value and the best report
there is; `raise` fails, which tells the checks that ask for such reports. All other calls are answered honestly.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from in_memory_judge import InMemoryLauncher

from grader.judge import bench
from grader.judge import process as judge
from grader.worker import server as serve
from grader.worker.server import Server

CLEAN = {"changed": [], "aliases": [], "global_random": False}
honest = serve.call


def other(value: Any) -> Any:
    """A value of the same kind whose every part is wrong."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(other, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(other, value))
    if isinstance(value, dict):
        return {key: other(part) for key, part in value.items()}
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, (int, float, np.number)):
        return value + 1
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return ~value if "bool" in str(value.dtype) else value + 1
    return value


def forge(server: Server, message: dict[str, Any], arrays: list[np.ndarray]) -> tuple[Any, dict[str, Any]]:
    result, extra = honest(server, message, arrays)
    if not is_reported(message):
        return result, extra
    best = {"count": 1, "threads": False, "observed": CLEAN}
    return other(result), extra | best | {"each": [report | best for report in extra.get("each", [])]}


def fail(server: Server, message: dict[str, Any], arrays: list[np.ndarray]) -> tuple[Any, dict[str, Any]]:
    if is_reported(message):
        raise RuntimeError("a call that is to be reported on")
    return honest(server, message, arrays)


def is_reported(message: dict[str, Any]) -> bool:
    options = message.get("options", {})
    return bool(options.get("count") or options.get("observe"))


if __name__ == "__main__":
    serve.ACTIONS["call"] = {"forge": forge, "raise": fail}[sys.argv[1]]
    bench.SpawnLauncher = InMemoryLauncher  # type: ignore[assignment, misc]
    sys.exit(judge.main(sys.argv[2:]))
