"""Choose what of a conversation a share link shows: texts and cited sources, as they are when it is shared. Pure.

Left out are passages that no answer cites, thoughts, stages, models, ratings, notices (which may name settings), and
all ids.
"""

import datetime as dt
import re
from typing import Literal

import msgspec

from functions.chat.conversations.conversations import Conversation, UIMessage
from functions.chat.conversations.export import cited_sources, text_of
from functions.chat.streams.ui_message_stream import SourcePart, WebSourcePart


class SharedSource(msgspec.Struct, frozen=True):
    """A source that an answer cites as `[n]`. `url` is the address of a web page.

    The passage of a document, and its address, are null unless its owner shares passages.
    """

    n: str
    title: str
    headings: list[str]
    page: int | None
    url: str | None
    passage: str | None


class SharedMessage(msgspec.Struct, frozen=True):
    """A question or an answer. An answer in another state than `complete` has partial text."""

    role: Literal["user", "assistant"]
    text: str
    state: Literal["complete", "cut", "stopped", "interrupted", "failed"]
    created_at: dt.datetime
    sources: list[SharedSource]


class Snapshot(msgspec.Struct, frozen=True):
    """The title and messages of a conversation when it was shared."""

    title: str
    messages: list[SharedMessage]


def take_snapshot(conversation: Conversation, *, passages: bool) -> Snapshot:
    """Return what a link to a conversation shows; `passages`: with the cited passages of documents."""
    messages = [_message(message, passages) for message in conversation.messages]
    return Snapshot(conversation.title, [message for message in messages if message.text])


def _message(message: UIMessage, passages: bool) -> SharedMessage:
    sources = [_source(source, passages) for source in cited_sources(message.parts)]
    metadata = message.metadata
    return SharedMessage(message.role, text_of(message.parts), metadata.state, metadata.created_at, sources)


def _source(source: SourcePart | WebSourcePart, passages: bool) -> SharedSource:
    n, title, place = source.source_id, source.title, source.provider_metadata.headwater
    headings = [heading for heading in place.heading_path if heading != title]
    if isinstance(source, WebSourcePart):
        return SharedSource(n, title, headings, None, _web(source.url), place.text)
    document = source.provider_metadata.headwater
    url, text = (_web(document.url), document.text) if passages else (None, None)
    return SharedSource(n, title, headings, document.page, url, text)


def _web(url: str | None) -> str | None:
    return url if url is not None and re.match("https?://", url) else None
