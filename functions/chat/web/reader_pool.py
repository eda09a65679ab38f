"""The processes that read pages: a few per instance, kept between pages and shared by its threads.

A page may take long, or much memory, for its reader, and Python's readers hold the interpreter. In a process of its own
it delays no other request.
"""

import atexit
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from queue import Empty, LifoQueue
from typing import Any, TypeVar

from functions.chat.web.page_text import PageText
from headwater.config import minimal_environment
from headwater.errors import PermanentError, UpstreamError
from headwater.processes.process import ChildProcess, ProcessFailed

T = TypeVar("T")

MAX_PROCESSES = 2
CPU_S, WALL_S, WAIT_S = 2.0, 6.0, 4.0
"""Processor time and time for a page, and the longest wait for a process."""

MAX_BYTES = 8_000_000
"""Of a page's text with its words."""


class ReaderPool:
    """Reads pages in as many processes as there are processors, at most two. Safe to share between threads."""

    def __init__(self) -> None:
        self._idle: LifoQueue[ChildProcess] = LifoQueue()
        for _ in range(min(MAX_PROCESSES, os.cpu_count() or 1)):
            self._idle.put(_new_process())
        # A process ends with the thread that started it, so that is one which lasts.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="page-reader-starter")

    def warm(self) -> None:
        """Start a process, unless all are in use, while the search runs."""
        with suppress(Empty):
            process = self._idle.get_nowait()
            self._starter.submit(process.start)
            self._idle.put(process)

    def page(self, content: bytes, media_type: str) -> PageText:
        """Return a page's text. Raises PermanentError with the reason why it can't be used, or UpstreamError."""
        return self._call("page", content, media_type, kind=PageText)

    def allowed(self, robots: str, url: str) -> bool:
        """Return whether robots.txt allows a URL."""
        return self._call("allowed", robots, url, kind=bool)

    def close(self) -> None:
        """End the idle processes."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _call(self, method: str, *arguments: Any, kind: type[T]) -> T:
        with self._lease() as process:
            try:
                return process.call(method, *arguments, kind=kind, timeout_s=WALL_S, cpu_s=CPU_S, max_bytes=MAX_BYTES)
            except ProcessFailed as error:
                raise PermanentError("it can't be read") from error

    @contextmanager
    def _lease(self) -> Iterator[ChildProcess]:
        try:
            process = self._idle.get(timeout=WAIT_S)
        except Empty:
            raise UpstreamError("too many pages are being read at the moment") from None
        try:
            self._starter.submit(process.start).result()
            yield process
        finally:
            self._idle.put(process)


@cache
def reader_pool() -> ReaderPool:
    """Return this process's pool: one for all of its answers."""
    pool = ReaderPool()
    atexit.register(pool.close)
    return pool


def _new_process() -> ChildProcess:
    target = "functions.chat.web.page_reader:PageReader"
    return ChildProcess(target, (), name="The page reader", environment=minimal_environment())
