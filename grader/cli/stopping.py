"""What ends a run early: Ctrl-C, a system that shuts down, a terminal that is closed."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last one is not known on Windows


class Stops:
    """The first of these signals ends the grading as `KeyboardInterrupt`; what is finished is then put together.

    Nothing is torn while it is disarmed, in which state it is left by the end of the grading: a signal that comes then
    counts as soon as more is to be graded. Who sends several of them, as systems do, means the same each time. A
    signal that is ignored, as beneath `nohup`, stays ignored.
    """

    def __init__(self) -> None:
        self.armed, self.came, self.raised = True, False, False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Stops:
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                try:
                    self.before[number] = signal.signal(number, self._on_signal)
                except ValueError:  # only the main thread hears of signals
                    break
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def arm(self) -> None:
        """More is graded from now on; raises `KeyboardInterrupt` if a signal has come meanwhile."""
        self.armed = True
        self._stop()

    def disarm(self) -> None:
        """Nothing is graded from now on."""
        self.armed = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._stop()

    def _stop(self) -> None:
        if self.armed and self.came and not self.raised:
            self.raised = True
            raise KeyboardInterrupt
