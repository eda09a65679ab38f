"""Write a conversation as Markdown, with the sources that its answers cite. Pure."""

import re
import uuid
from collections.abc import Sequence
from typing import Literal

import msgspec

from functions.chat.conversations.conversations import Conversation, UIMessage
from functions.chat.streams.ui_message_stream import SourcePart, StoredPart, TextPart, WebSourcePart

Format = Literal["markdown", "json"]

MAX_NAME_CHARS = 80
"""Length of a file's name, without its ending."""


class ExportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The format of an export, and its path: the one through the message `at`, by default the current one."""

    format: Format = "markdown"
    at: uuid.UUID | None = None


def to_markdown(conversation: Conversation) -> str:
    """Return a conversation as Markdown."""
    parts = [f"# {_escape(conversation.title)}", *(_message(message) for message in conversation.messages)]
    return "\n\n".join(parts) + "\n"


def file_name(title: str, export_format: Format) -> str:
    """Return the name of an export's file: `file_name("What is RLS?", "json") == "What is RLS.json"`."""
    name = " ".join(re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]', " ", title).split())[:MAX_NAME_CHARS].strip(" .")
    return f"{name or 'Conversation'}.{'md' if export_format == 'markdown' else 'json'}"


def text_of(parts: Sequence[StoredPart]) -> str:
    """Return the text of a message."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))


def cited_sources(parts: Sequence[StoredPart]) -> list[SourcePart | WebSourcePart]:
    """Return the sources that an answer cites, in the order of its citations."""
    sources = {part.source_id: part for part in parts if isinstance(part, SourcePart | WebSourcePart)}
    numbers = dict.fromkeys(_CITATION.findall(text_of(parts)))
    return [sources[number] for number in numbers if number in sources]


def _message(message: UIMessage) -> str:
    text = text_of(message.parts)
    if message.role == "user":
        return f"## Question\n\n{text}"
    blocks = ["## Answer", *([text] if text else [])]
    if message.metadata.state != "complete":
        blocks.append(f"*{_escape(message.metadata.notice or 'This answer is incomplete.')}*")
    if sources := cited_sources(message.parts):
        blocks.append("\n\n".join(["### Sources", *map(_source, sources)]))
    return "\n\n".join(blocks)


def _source(source: SourcePart | WebSourcePart) -> str:
    """Return a source with the passage that is cited, as a list item."""
    place = source.provider_metadata.headwater
    title = f"**{_escape(source.title)}**"
    headings = [_escape(heading) for heading in place.heading_path if heading != source.title]
    lines = [f"- [{source.source_id}] {' > '.join([title, *headings])}{_where(source)}", ""]
    return "\n".join([*lines, *(f"  > {line}".rstrip() for line in place.text.splitlines())])


def _where(source: SourcePart | WebSourcePart) -> str:
    """Return the page, and the address or the key of a source."""
    if isinstance(source, WebSourcePart):
        return f", <{_address(source.url)}>"
    place = source.provider_metadata.headwater
    page = f", page {place.page}" if place.page else ""
    is_link = place.url is not None and re.match("https?://", place.url)
    return f"{page}, <{_address(place.url or '')}>" if is_link else f"{page}, {_escape(source.filename)}"


def _address(url: str) -> str:
    return re.sub(r"[\s<>]", lambda match: f"%{ord(match[0]):02X}", url)


def _escape(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))


_CITATION = re.compile(r"\[(\d{1,3})\]")
