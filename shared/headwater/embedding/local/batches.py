"""Run batches of texts of similar length, each on one thread, as many at a time as there are cores.

A thread for each batch embeds more than all threads for one batch: they would wait for each other in every operator.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

# One of the longest texts, or a few short ones. Larger batches are no faster: they exceed the processor's caches
# (`bench/embedder.py`).
BATCH_TOKENS = 256

_KEPT_BYTES = 16 * 2**20
"""With 4 MB, glibc still returns memory of the int8 models: 100 to 700 pages for each text of 208 tokens."""


def length_batches(lengths: Sequence[int], max_tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """Batch texts of similar length to minimise padding; returns lists of indexes, longest texts first.

    A batch has as many texts as fit `max_tokens` with each padded to the longest, and at least one:
    `length_batches([2, 9, 3, 8], max_tokens=18) == [[1, 3], [2, 0]]`.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def session_options() -> "onnxruntime.SessionOptions":
    """Return the options of a session that runs each batch on the thread that calls it."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Threads that share an arena get memory that is in another core's cache, which is 6 to 8 % slower than malloc with
    # its arena for each thread. Shapes vary too much for memory patterns.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    return options


class Batches:
    """Runs batches. `run` embeds one: the token ids of each text; float32, texts × dim. Safe to share between threads.

    A call has one batch more submitted than there are threads: enough to keep them busy, and so few that a question
    doesn't wait long behind a large call.
    """

    def __init__(
        self, run: "Callable[[list[list[int]]], NDArray[np.float32]]", dim: int, threads: int | None = None
    ) -> None:
        self._run, self._dim, self._threads = run, dim, threads or _cores()
        self.pool = ThreadPoolExecutor(self._threads, thread_name_prefix="encoder")
        _keep_freed_memory()

    def embed(self, ids: Sequence[list[int]]) -> "NDArray[np.float32]":
        """Embed texts: float32, n × dim, in their order."""
        import numpy as np

        vectors = np.empty((len(ids), self._dim), np.float32)
        submitted: deque[tuple[list[int], Future[NDArray[np.float32]]]] = deque()
        for batch in length_batches([len(row) for row in ids]):
            if len(submitted) > self._threads:
                first, future = submitted.popleft()
                vectors[first] = future.result()
            submitted.append((batch, self.pool.submit(self._run, [ids[index] for index in batch])))
        for batch, future in submitted:
            vectors[batch] = future.result()
        return vectors


def _keep_freed_memory() -> None:
    """Have glibc keep the memory that a batch frees, for the next one.

    By default it returns a few megabytes after each operator, and the kernel then clears hundreds of pages for each
    text. When a block this large is freed, glibc raises its limits to the block's size and twice that, for each thread
    (mallopt(3), M_MMAP_THRESHOLD). The block itself is never written to, so it takes no memory.
    """
    import numpy as np

    np.empty(_KEPT_BYTES, np.uint8)


def _cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
