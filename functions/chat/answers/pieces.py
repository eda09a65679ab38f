"""Pieces of a model's answer: text, thoughts and how it ended. Pure.

Reasoning models of servers such as Ollama and vLLM write their thoughts as text between `<think>` and `</think>` at the
beginning of the answer; `split_thoughts` separates them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from functions.chat.streams.ui_message_stream import FinishReason
from headwater.usage.record import Tokens


class Thought(msgspec.Struct, frozen=True):
    """A piece of a model's reasoning. It is shown folded, and never sent back to a model."""

    text: str


class Finish(msgspec.Struct, frozen=True):
    """The end of an answer, as the last piece: `stop` for a complete one, else why the model cut it."""

    reason: FinishReason


class ToolCall(msgspec.Struct, frozen=True):
    """A call of one of the caller's tools; `arguments` is JSON."""

    id: str
    name: str
    arguments: str


class Using(msgspec.Struct, frozen=True):
    """The model that is asked from here on, before its first piece. `instead_of`: models that failed before."""

    model: str
    instead_of: tuple[str, ...] = ()


class Used(msgspec.Struct, frozen=True):
    """What a call of a model used. An answer that is cut off has one too, which may be an estimate."""

    model: str
    tokens: Tokens


Piece = str | Thought | ToolCall | Using | Used | Finish

_OPEN = re.compile(r"\s*<(think|thinking)>\s*")
_OPENINGS = ("<think>", "<thinking>")
_MAX_OPENING_CHARS = 1_000
"""An opening tag with the spaces around it. A model that sends only spaces must not fill the memory."""


def split_thoughts(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Turn `<think>…</think>` at the beginning of the text into thoughts, without the spaces around them.

    The result does not depend on where the text was split. Thoughts without an end tag last to the end of the answer.
    """
    splitter = _Splitter()
    for piece in pieces:
        if isinstance(piece, str):
            yield from splitter.feed(piece)
        else:
            if isinstance(piece, Finish):
                yield from splitter.finish()
            yield piece
    yield from splitter.finish()


class _Splitter:
    """Splits text into thoughts and text. Undecided text is buffered: at most a tag and the spaces around it."""

    def __init__(self) -> None:
        self._state: Literal["start", "thoughts", "gap", "text"] = "start"
        self._buffer = ""
        self._end_tag = ""

    def feed(self, text: str) -> Iterator[str | Thought]:
        """Process the next piece of text."""
        self._buffer += text
        if self._state == "start":
            if (opening := _OPEN.match(self._buffer)) and opening.end() < len(self._buffer):
                self._state, self._end_tag = "thoughts", f"</{opening[1]}>"
                self._buffer = self._buffer[opening.end() :]
            elif not _may_open(self._buffer):
                self._state = "text"
        if self._state == "thoughts":
            thought, end_tag, rest = self._buffer.partition(self._end_tag)
            if end_tag:
                self._state, self._buffer = "gap", rest
            else:
                kept = _overlap(thought, self._end_tag)
                thought, self._buffer = thought[: len(thought) - kept], thought[len(thought) - kept :]
            if thought:
                yield Thought(thought)
        if self._state == "gap":
            self._buffer = self._buffer.lstrip()
            self._state = "text" if self._buffer else "gap"
        if self._state == "text":
            yield from self.finish()

    def finish(self) -> Iterator[str | Thought]:
        """Return the buffered rest."""
        if self._buffer and self._state != "gap":
            yield Thought(self._buffer) if self._state == "thoughts" else self._buffer
        self._buffer = ""


def _may_open(text: str) -> bool:
    """Return True if more text could complete an opening tag, or the spaces after it."""
    start = text.lstrip()
    return len(text) <= _MAX_OPENING_CHARS and any(tag.startswith(start) or start.rstrip() == tag for tag in _OPENINGS)


def _overlap(text: str, closing: str) -> int:
    """Return the length of the longest end of `text` with which `closing` begins."""
    return next((n for n in range(min(len(text), len(closing) - 1), 0, -1) if closing.startswith(text[-n:])), 0)
