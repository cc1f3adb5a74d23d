"""Workers from real zygotes, walls and all, for the tests of what runs inside one."""

from __future__ import annotations

import sys
from typing import Any

from grader.remote.forking import ForkLauncher
from grader.remote.limits import WorkerLimits
from grader.remote.processes import WarmProcess
from grader.remote.session import Session

LIMITS = WorkerLimits(memory=1 << 30, lifetime_cpu=120, output=1 << 16)


class WalledWorkers:
    """A zygote of each kind, started when it is first needed."""

    def __init__(self, *without: str) -> None:
        self.without = without
        self.zygotes: dict[str, WarmProcess] = {}

    def zygote(self, kind: str) -> WarmProcess:
        if kind not in self.zygotes:
            self.zygotes[kind] = WarmProcess(lambda fd: self._command(kind, fd))
            self.zygotes[kind].wait_ready()
        return self.zygotes[kind]

    def _command(self, kind: str, fd: int) -> list[str]:
        return [sys.executable, "-I", "-B", "-m", "grader.worker.zygote", kind, str(fd), *self.without]

    def level(self, kind: str) -> str:
        return str(self.zygote(kind).ready["level"])

    def call(self, kind: str, source: str, function: str = "f", seconds: float = 60.0) -> Any:
        """Load the source in a fresh worker, call one of its functions and return what that returns."""
        return self.call_all(kind, source, [function], seconds)[0]

    def call_all(self, kind: str, source: str, functions: list[str], seconds: float = 60.0) -> list[Any]:
        """The same for several functions in one worker."""
        with self.zygote(kind).client() as link:
            connection = ForkLauncher(link).start(LIMITS)
            try:
                connection.begin(seconds, 4 * seconds)
                session = Session(connection)
                load = {"files": {"work.py": source}, "main": "work", "imports": ["numpy", "torch"], "banned": []}
                session.load(**load)
                return [session.call(name).value for name in functions]
            finally:
                connection.close()

    def close(self) -> None:
        for zygote in self.zygotes.values():
            zygote.close()
