"""A fake embedding provider that fails by plan and records every call.

It delays the calls that a plan targets, so that a kill happens before the answer.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headwater.embedding.scales import neutral_texts
from tests.fakes.embedding_provider import Answer, EmbeddingProvider

_NEUTRAL = {text for pairs in neutral_texts().values() for pair in pairs for text in pair}
"""Texts that measure the model. Two processes may measure it at once, which is harmless."""

HOLD_S = 0.4
"""How long a call that a fault targets is delayed."""


@dataclass
class Call:
    """One call: when it arrived, the documents' texts, how it is answered, when the answer was sent (0: not yet)."""

    at: float
    texts: list[str]
    answer: Answer
    ended_at: float = 0.0


@dataclass
class RecordingProvider(EmbeddingProvider):
    """A provider that answers by plan and records every call. Reset for each schedule."""

    calls: list[Call] = field(default_factory=list)
    planned: Mapping[int, Answer] = field(default_factory=dict)
    held: frozenset[int] = frozenset()
    _open: dict[int, Call] = field(default_factory=dict)

    def begin(self, planned: Mapping[int, Answer], held: frozenset[int]) -> None:
        """Forget all calls. Answers the next ones, counted from 1, as planned."""
        with self.lock:
            self.calls, self.planned, self.held = [], planned, held
            self.batches.clear()

    def take(self, key: str, request: dict[str, Any]) -> Answer:
        """Record a call and return how to answer it."""
        with self.lock:
            number = len(self.calls) + 1
            texts = [text for text in request["input"] if text not in _NEUTRAL]
            sent = Call(time.time(), texts, self.planned.get(number, "ok"))
            self.calls.append(sent)
            self._open[threading.get_ident()] = sent
            is_held = number in self.held
        if is_held:
            time.sleep(HOLD_S)
        return sent.answer

    def leave(self) -> None:
        """Record that a call was answered, or that its client disconnected."""
        with self.lock:
            if sent := self._open.pop(threading.get_ident(), None):
                sent.ended_at = time.time()

    def answered(self) -> int:
        """Count the calls that have ended."""
        with self.lock:
            return sum(bool(sent.ended_at) for sent in self.calls)

    def is_quiet(self) -> bool:
        """Return True if no call is open, except those that are never answered."""
        with self.lock:
            return all(sent.ended_at or sent.answer == "hang" for sent in self.calls)
