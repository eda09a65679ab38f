"""Build a value once, on first use by any thread."""

import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

Built = TypeVar("Built")


def once(build: Callable[[], Built]) -> Callable[[], Built]:
    """Call `build` once, on the first request, even if the first requests arrive on several threads."""
    lock = threading.Lock()
    build_cached = cache(build)

    def get() -> Built:
        with lock:
            return build_cached()

    return get
