"""Turn the pieces of a model's text into parts of the stream: thoughts, and text with checked citations and links.

Pure.
"""

import re
from collections.abc import Iterator, Sequence

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.links import LinkFilter
from functions.chat.answers.pieces import Finish, Piece, Thought, ToolCall, Using
from functions.chat.streams.tool_parts import ToolInput
from functions.chat.streams.ui_message_stream import (
    TEXT_ID,
    FinishReason,
    ModelName,
    ModelPart,
    Part,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingPart,
)

SILENCES = 3
"""Seconds of silence after which the stream says that the model is thinking."""

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that Postgres does not store."""


class AnswerParts:
    """Makes the parts of an answer, or of one turn of an agent.

    `passages`: how many the text may cite. `addresses`: those that it may link to. With `has_tools`, calls of tools
    become parts, too. `text_id` is the id of the text, `thoughts_id` begins the ids of thoughts.
    """

    def __init__(
        self,
        passages: int,
        addresses: Sequence[str],
        model: ModelName,
        *,
        has_tools: bool = False,
        text_id: str = TEXT_ID,
        thoughts_id: str = "r",
    ) -> None:
        self.reason: FinishReason = "stop"
        self.has_calls = False
        self._has_tools = has_tools
        self._citations = CitationFilter(range(1, passages + 1))
        self._text_id = text_id
        self._thoughts_id = thoughts_id
        self._addresses = addresses
        self._links = LinkFilter(addresses)
        self._links_in_thoughts = LinkFilter(addresses)
        self._model = model
        self._silences = 0
        self._texts: list[str] = []
        self._thoughts = 0
        self._open_thoughts = ""

    @property
    def has_text(self) -> bool:
        """Whether there was any text."""
        return bool(self._texts)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def add(self, piece: Piece) -> Iterator[Part]:
        """Yield the parts of the next piece."""
        match piece:
            case Finish():
                self.reason = piece.reason
            case Using():
                yield from self._use(ModelName(piece.model, True, piece.instead_of))
            case Thought():
                if text := UNSTORABLE.sub("", piece.text):
                    yield from self._think(text)
            case ToolCall() if self._has_tools:
                self.has_calls = True
                # Not the end of the links: what follows could complete one.
                yield from self._write(self._links.feed(self._citations.finish()))
                yield ToolInput(tool_call_id=piece.id, tool_name=piece.name, input=piece.arguments)
            case str():
                yield from self._write(self._links.feed(self._citations.feed(UNSTORABLE.sub("", piece))))

    def silent(self) -> list[Part]:
        """Return what tells, once, that the model is silent before its first token. Called in each silent second."""
        self._silences += 1
        if self._silences != SILENCES or self._thoughts or self.has_text:
            return []
        return [ThinkingPart(self._model)]

    def end(self) -> list[Part]:
        """Return the last parts of the answer."""
        text = self._links.feed(self._citations.finish()) + self._links.finish()
        last = [*self._write(text), *self._end_thoughts()]
        return [*last, TextEnd(self._text_id)] if self.has_text else last

    def _use(self, model: ModelName) -> Iterator[Part]:
        if model != self._model:
            self._model = model
            yield ModelPart(model)

    def _think(self, text: str) -> Iterator[Part]:
        if not self._open_thoughts:
            self._thoughts += 1
            self._open_thoughts = f"{self._thoughts_id}{self._thoughts}"
            self._links_in_thoughts = LinkFilter(self._addresses)
            yield ReasoningStart(id=self._open_thoughts)
        if text := self._links_in_thoughts.feed(text):
            yield ReasoningDelta(id=self._open_thoughts, delta=text)

    def _write(self, text: str) -> Iterator[Part]:
        if not text or not (self.has_text or text.strip()):
            return
        yield from self._end_thoughts()
        if not self.has_text:
            yield TextStart(self._text_id)
        self._texts.append(text)
        yield TextDelta(id=self._text_id, delta=text)

    def _end_thoughts(self) -> Iterator[Part]:
        if self._open_thoughts:
            if text := self._links_in_thoughts.finish():
                yield ReasoningDelta(id=self._open_thoughts, delta=text)
            yield ReasoningEnd(id=self._open_thoughts)
            self._open_thoughts = ""
