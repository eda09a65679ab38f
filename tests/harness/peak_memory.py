"""Peak memory of running processes, from Linux's /proc.

`resource.getrusage(RUSAGE_CHILDREN).ru_maxrss` is no measure of a child: a process that is started by fork and exec
counts the peak of the process that it was a copy of (`setmax_mm_hiwater_rss` in Linux's fs/exec.c).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

EVERY_S = 0.005


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had, 0 if it has ended."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


@contextmanager
def watch_children() -> Iterator[SimpleNamespace]:
    """Measure the children of this process every 5 ms. `bytes` is the most memory that one of them has had."""
    largest = SimpleNamespace(bytes=0)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            largest.bytes = max(largest.bytes, *map(peak_bytes, _children()), 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield largest
    finally:
        ended.set()
        watcher.join()


def _children() -> Iterator[int]:
    """Yield the processes that were started by this one. Before their exec, they share its memory."""
    own = Path("/proc/self/cmdline").read_text()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            for pid in (thread / "children").read_text().split():
                if Path(f"/proc/{pid}/cmdline").read_text() != own:
                    yield int(pid)
