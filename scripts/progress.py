"""Show how long the stages of the set-up have been running.

The set-up imports this with any Python, so it uses the standard library only.
"""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

TERMINAL_INTERVAL_S, PLAIN_INTERVAL_S = 0.5, 10.0


class Progress:
    """Shows how long a stage has been running: on one changing line of a terminal, else on a new line now and then.

    Of stages that run at the same time, the terminal's line shows the one that began first.
    """

    _running: ClassVar[list["Progress"]] = []

    def __init__(self, stage: str, interval_s: "float | None" = None) -> None:
        self.count: Callable[[], str] = lambda: ""
        """What is done of how much, such as "installed 3 of 10"; stages set it."""
        self._stage = stage
        self._terminal = sys.stdout.isatty()
        self._interval_s = interval_s or (TERMINAL_INTERVAL_S if self._terminal else PLAIN_INTERVAL_S)
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show_until_ended, daemon=True)

    def __enter__(self) -> "Progress":
        self._running.append(self)
        self._thread.start()
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", traceback: "TracebackType | None"
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._running.remove(self)
        result = "done" if kind is None else "stopped" if kind is KeyboardInterrupt else "failed"
        self._show(result, end="\n")

    def _show_until_ended(self) -> None:
        if self._terminal and self._running[0] is self:
            self._show("", end="")
        while not self._ended.wait(self._interval_s):
            if not self._terminal:
                self._show(self.count(), end="\n")
            elif self._running[0] is self:
                self._show(self.count(), end="")

    def _show(self, text: str, end: str) -> None:
        begin = "\r\x1b[K" if self._terminal else ""
        seconds = f"{time.monotonic() - self._began:.1f} s"
        print(f"{begin}setup: {self._stage} … {seconds}{text and ', '}{text}", end=end, flush=True)
