"""Rerank passages with a model, within a time budget.

Reranking never disturbs a search: if the model is busy, too slow, misconfigured or fails, the fused order stays.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from typing import Literal, Protocol

from headwater import logs, tracing
from headwater.embedding.hosted.recording import Recorder
from headwater.errors import ConfigError
from headwater.usage.record import Payer

RERANKED = 50
"""Passages that are reranked, at most."""

MAX_CONCURRENT = 4
"""Rerankings at a time of an instance. One that exceeded its budget counts until it ends."""

MAX_CHARS = 4_000
"""Characters of a passage that are sent to the model, at most."""

Problem = Literal["busy", "failed", "misconfigured", "timeout"]


class Reranker(Protocol):
    """A model that scores texts for a query."""

    def score(self, query: str, texts: Sequence[str], timeout_s: float) -> Sequence[float]:
        """Return a score from 0 to 1 for each text. Raises TimeoutError and other errors."""
        ...


class Reranking:
    """Runs the reranker `name`, which `load` makes when it is first used, for at most `timeout_s` a search."""

    def __init__(self, name: str, load: Callable[[], Reranker], timeout_s: float) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._load = load
        self._loading = threading.Lock()
        self._free = threading.Semaphore(MAX_CONCURRENT)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="rerank")

    @cached_property
    def _reranker(self) -> Reranker:
        return self._load()

    def warm(self) -> None:
        """Load the reranker in the background. Errors are reported by the first search."""
        self._threads.submit(self._loaded)

    def check(self) -> None:
        """Score a text. Raises what the reranker raises."""
        self._checked("Self-test", ["Self-test"])

    def __call__(self, query: str, texts: Sequence[str]) -> list[float] | Problem:
        """Return a score from 0 to 1 for each text, or why there is none. Not called in a transaction."""
        with tracing.span(f"rerank {self.name}", {"headwater.texts": len(texts)}, "client"):
            started = time.monotonic()
            try:
                return self._run(query, [text[:MAX_CHARS] for text in texts])
            except Exception as error:  # noqa: BLE001 - the search goes on without
                tracing.fail_current(error)
                problem: Problem = "failed"
                if isinstance(error, TimeoutError) or time.monotonic() - started >= self.timeout_s:
                    problem = "timeout"
                elif isinstance(error, ConfigError | ImportError):
                    problem = "misconfigured"
                # Not the message: a provider's may quote the texts.
                kind = f"{type(error).__module__}.{type(error).__qualname__}"
                logs.event("rerank.failed", severity=30, reranker=self.name, problem=problem, kind=kind)
                return problem

    def record(self, recorder: Recorder | None, payer: Payer) -> None:
        """Record what a provider charges for a reranking. A local model costs nothing, and nothing is recorded."""
        if recorder and not self.name.startswith("onnx:"):
            recorder.record(payer, "rerank", self.name)

    def _run(self, query: str, texts: Sequence[str]) -> list[float] | Problem:
        if not self._free.acquire(blocking=False):
            logs.event("rerank.failed", severity=30, reranker=self.name, problem="busy")
            return "busy"
        future = self._threads.submit(copy_context().run, self._checked, query, texts)
        future.add_done_callback(lambda _: self._free.release())
        return future.result(self.timeout_s)

    def _checked(self, query: str, texts: Sequence[str]) -> list[float]:
        scores = [float(score) for score in self._loaded().score(query, texts, self.timeout_s)]
        if len(scores) != len(texts) or not all(map(math.isfinite, scores)):
            raise ValueError(f"{self.name} returned {len(scores)} scores for {len(texts)} texts.")
        return scores

    def _loaded(self) -> Reranker:
        with self._loading:
            return self._reranker
