"""Collect a streamed answer into one text with the passages that it cites."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from functions.chat.streams.tool_parts import ToolInput
from functions.chat.streams.ui_message_stream import FinishReason, Part, SourcePart, TextDelta
from functions.chat.streams.writer import AnswerCut

_CITED = re.compile(r"\[([0-9]{1,4})\]")


class CitedPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that an answer cites as `[n]`: the document's `text[start:end]`, in Unicode code points."""

    n: int
    document_id: str
    title: str
    url: str | None
    heading_path: list[str]
    start: int
    end: int
    page: int | None
    text: str


class CollectedAnswer(msgspec.Struct, frozen=True):
    """A whole answer. `notice` says why it is incomplete, and is null for a complete one; so does `reason`."""

    text: str
    citations: list[CitedPassage]
    notice: str | None = None
    reason: FinishReason = "stop"


class Collector:
    """Collects the parts of an answer. `watch` passes them on."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._passages: list[CitedPassage] = []
        self._notice: str | None = None
        self._reason: FinishReason = "stop"
        self.calls: list[ToolInput] = []
        """Calls of the caller's tools."""

    def watch(self, groups: Iterable[list[Part]]) -> Iterator[list[Part]]:
        """Yield the groups, and remember their texts and passages. An answer that the model cut just ends."""
        try:
            for parts in groups:
                for part in parts:
                    match part:
                        case TextDelta():
                            self._texts.append(part.delta)
                        case SourcePart():
                            self._passages.append(cited_passage(part))
                        case ToolInput():
                            self.calls.append(part)
                yield parts
        except AnswerCut as cut:
            self._notice, self._reason = cut.notice, cut.reason

    def answer(self) -> CollectedAnswer:
        """Return what has been collected so far, with the passages that the text cites."""
        text = "".join(self._texts)
        cited = {int(n) for n in _CITED.findall(text)}
        citations = [passage for passage in self._passages if passage.n in cited]
        return CollectedAnswer(text, citations, self._notice, self._reason)


def cited_passage(part: SourcePart) -> CitedPassage:
    """Return the passage of a part of the stream."""
    place = part.provider_metadata.headwater
    return CitedPassage(
        n=int(part.source_id),
        document_id=place.document_id,
        title=part.title,
        url=place.url,
        heading_path=place.heading_path,
        start=place.start,
        end=place.end,
        page=place.page,
        text=place.text,
    )
