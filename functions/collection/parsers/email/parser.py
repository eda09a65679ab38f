"""The parser of e-mail: headers as front matter, the text, and the names of attachments (RFC 5322, RFC 2046).

A `multipart/digest` is a conversation: what its messages quote of those before is left out. Attached files that are
documents of their own are links, whose addresses are in their `Content-Location`, or in the `X-Headwater-Attachment`
fields of a delivered message.
"""

import email.message
import email.parser
import email.policy
import re
from collections.abc import Iterator
from email.utils import parseaddr, parsedate_to_datetime
from itertools import groupby, islice
from typing import Any

from functions.collection.parsers.email.quoted_history import Said, cut_html, cut_plain
from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.writer import InlineLink, MarkdownWriter, Text
from headwater.errors import PermanentError
from headwater.html.decode import python_encoding
from headwater.parsers import Parsed

READS = ("message/rfc822", "multipart/digest", "application/mbox", ".eml", ".mbox", ".mbx")
VERSION = 2

MAX_MESSAGES = 2_000
MAX_HEADER_BYTES = 64_000
MAX_PARSED_CHARS = 2_000
"""Longest header whose addresses, parameters and encoded words are read: `email` takes quadratic time for them."""
MAX_PARTS = 500
MAX_FORWARDED = 3
"""Forwarded messages in one another that are read."""

_SEPARATOR = re.compile(rb"(?:\A|\n\r?\n)From [^\n]{3,200}\d{4}[^\n]*\n")
_HEADER = re.compile(rb"(?:\A|\n)[A-Za-z][\w-]{1,60}:[ \t]")
_FIELDS = {"from": "author", "to": "to", "cc": "cc", "date": "date", "message-id": "message_id", "list-id": "list"}
_ADDRESS = re.compile(r"(\d{1,3}); ([^\s/:][^\s:]*)")
_QUOTED = re.compile(r"(?:>\s?)+")

Message = email.message.EmailMessage


class _Policy(email.policy.EmailPolicy):
    """Reads headers as `email` does, but long ones and those with nested comments as plain text, in linear time."""

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        """Return the value of a header."""
        text = str(value)
        if len(text) > MAX_PARSED_CHARS:
            return " ".join(text.encode(errors="replace").decode().split())
        try:
            return super().header_fetch_parse(name, value)
        except RecursionError:
            return " ".join(text.encode(errors="replace").decode().split())


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a message, or a mailbox with a section for each. Raises PermanentError if it is neither."""
    try:
        return _parse(name, content, media_type)
    except RecursionError as error:
        raise PermanentError("its messages are nested too deeply") from error


def _parse(name: str, content: bytes, media_type: str) -> Parsed:
    writer = MarkdownWriter()
    starts = list(_SEPARATOR.finditer(content))
    if starts and starts[0].start() == 0 and (name.lower().endswith((".mbox", ".mbx")) or "mbox" in media_type):
        ends = [*(match.start() for match in starts[1:]), len(content)]
        for start, end in list(zip(starts, ends, strict=True))[:MAX_MESSAGES]:
            message = _read(content[start.end() : end].replace(b"\n>From ", b"\nFrom "))
            writer.heading(1, _header(message, "subject") or "(no subject)")
            writer.paragraph("\n".join(_about(message)))
            _write_body(message, writer)
        if len(starts) > MAX_MESSAGES:
            writer.warnings.append(f"only the first {MAX_MESSAGES:,} of {len(starts):,} messages were read")
        return writer.finish()
    if starts and starts[0].start() == 0:  # a patch of Git, or one message of a mailbox
        content = content[starts[0].end() :]
    if not _HEADER.match(content[:200].lstrip()):
        raise PermanentError("it is not an e-mail, although its name says so")
    message = _read(content)
    subject = _header(message, "subject")
    writer.heading(1, subject or "(no subject)")
    if message.get_content_type() == "multipart/digest":
        return _finish_conversation(message, subject, writer)
    _write_body(message, writer)
    front_matter: dict[str, Any] = {name: text for field, name in _FIELDS.items() if (text := _header(message, field))}
    return writer.finish(subject or None, front_matter)


def _finish_conversation(digest: Message, subject: str, writer: MarkdownWriter) -> Parsed:
    """Write the messages of a conversation, each below a heading with its sender and date."""
    said = Said()
    parts = [part.get_payload(0) for part in digest.iter_parts() if part.get_content_type() == "message/rfc822"]
    messages = [part for part in parts[:MAX_MESSAGES] if isinstance(part, Message)]
    for message in messages:
        writer.heading(2, ", ".join(filter(None, (_sender(message), _date(message)))) or "(no sender)")
        _write_body(message, writer, said)
    writer.warnings += [str(warning) for warning in digest.get_all("x-headwater-warning", [])]
    if not messages:
        return writer.finish(subject or None)
    front_matter: dict[str, Any] = {
        "participants": list(dict.fromkeys(filter(None, (_header(message, "from") for message in messages)))),
        "date": _header(messages[0], "date"),
        "last_date": _header(messages[-1], "date"),
        "messages": len(messages),
    }
    return writer.finish(subject or None, front_matter)


def _sender(message: Message) -> str:
    text = _header(message, "from")[:MAX_PARSED_CHARS]
    try:
        name, address = parseaddr(text)
    except RecursionError:  # of nested comments
        return text
    return name or address


def _date(message: Message) -> str:
    try:
        return f"{parsedate_to_datetime(_header(message, 'date')):%Y-%m-%d %H:%M}"
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def _read(content: bytes) -> Message:
    head = re.search(rb"\r?\n\r?\n", content)
    size = head.start() if head else len(content)
    if size > MAX_HEADER_BYTES:
        raise PermanentError(f"its headers have more than {MAX_HEADER_BYTES:,} bytes")
    message = email.parser.BytesParser(Message, policy=_Policy()).parsebytes(content)
    assert isinstance(message, Message)
    return message


def _header(message: Message, name: str) -> str:
    """Return a header as text, "" for none and for one that can't be read."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, LookupError, IndexError, AttributeError, TypeError):  # faults of `email` with odd headers
        return ""


def _about(message: Message) -> Iterator[str]:
    for name in ("from", "to", "date"):
        if text := _header(message, name):
            yield f"{name.title()}: {text}"


def _write_body(
    message: Message,
    writer: MarkdownWriter,
    said: Said | None = None,
    *,
    depth: int = 0,
    addresses: dict[int, str] | None = None,
) -> None:
    """Write the text of a message: the plain one of alternatives. Attachments are listed, forwarded messages follow.

    In a conversation, what it quotes of what was `said` is left out.
    """
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attached: list[Text] = []
    forwarded: list[Message] = []
    addresses = _attachment_addresses(message) if addresses is None else addresses
    parts = _parts(message, forwarded)
    for part in islice(parts, MAX_PARTS):
        kind, name = part.get_content_type(), _file_name(part)
        if part.get_content_disposition() == "attachment" or name:
            address = addresses.get(id(part)) or _header(part, "content-location")
            attached.append(
                [InlineLink(name or "unnamed", address), f" ({kind})"] if address else f"{name or 'unnamed'} ({kind})"
            )
        elif kind in texts:
            texts[kind].append(_decode(part))
        elif kind.startswith("multipart/"):  # without the boundary that it needs
            texts["text/plain"].append(_decode(part))
    if any(map(str.strip, texts["text/plain"])):
        for text in texts["text/plain"]:
            _write_text(text, writer, said)
    else:
        for text in texts["text/html"]:
            _write_page(text, writer, said)
    writer.paragraph("Attachments:" if attached else "")
    for item in attached:
        writer.item(item)
    is_deep = bool(forwarded) and depth == MAX_FORWARDED
    writer.warnings += _limits_reached(has_more=next(parts, None) is not None, is_deep=is_deep)
    for one in forwarded[: MAX_PARTS if depth < MAX_FORWARDED else 0]:
        writer.heading((2 if said is None else 3) + depth, _header(one, "subject") or "(no subject)")
        writer.paragraph("\n".join(_about(one)))
        _write_body(one, writer, said, depth=depth + 1, addresses=addresses)


def _limits_reached(*, has_more: bool, is_deep: bool) -> Iterator[str]:
    if has_more:
        yield f"only the first {MAX_PARTS} parts of a message were read"
    if is_deep:
        yield f"messages forwarded in more than {MAX_FORWARDED} others were not read"


def _attachment_addresses(message: Message) -> dict[int, str]:
    """Return the addresses of the files of a delivered message, by the `id` of their part.

    The message's header numbers the parts that have no parts themselves, with those of forwarded messages.
    """
    found = map(_ADDRESS.fullmatch, map(str, message.get_all("x-headwater-attachment", [])))
    by_number = {int(one[1]): one[2] for one in reversed([*found]) if one}
    leaves = (part for part in message.walk() if not part.is_multipart())
    return {id(part): by_number[number] for number, part in enumerate(leaves) if number in by_number}


def _parts(message: Message, forwarded: list[Message]) -> Iterator[Message]:
    """Yield the parts that have no parts themselves. Forwarded messages are appended to a list."""
    todo = [message]
    while todo:
        part = todo.pop()
        parts = [one for one in part.get_payload() if isinstance(one, Message)] if part.is_multipart() else []
        if part.get_content_type() == "message/rfc822" and parts:
            forwarded.append(parts[0])
        elif part.is_multipart():
            todo += reversed(parts)
        else:
            yield part


def _file_name(part: Message) -> str:
    try:
        return " ".join((part.get_filename() or "").split())
    except (ValueError, LookupError, IndexError, AttributeError, TypeError):
        return ""


def _decode(part: Message) -> str:
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return ""
    if not isinstance(content, bytes):
        return ""
    for charset in (python_encoding(str(part.get_param("charset", "utf-8"))), "utf-8"):
        try:
            return content.decode(charset or "utf-8")
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _write_text(text: str, writer: MarkdownWriter, said: Said | None) -> None:
    if said is not None:
        whole, text = text, cut_plain(text, said)
        said.add(whole)
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        lines = paragraph.strip("\n").split("\n")
        for is_quoted, group in groupby(lines, key=lambda line: bool(_QUOTED.match(line))):
            if is_quoted:
                writer.quote("\n".join(_QUOTED.sub("", line, count=1) for line in group))
            else:
                writer.paragraph("\n".join(group))


def _write_page(text: str, writer: MarkdownWriter, said: Said | None) -> None:
    from lxml import etree, html

    if not text.strip():
        return
    try:
        root = html.document_fromstring(
            re.sub(r"^\s*<\?xml[^>]*\?>", "", text), parser=html.HTMLParser(no_network=True)
        )
    except (etree.ParserError, ValueError):
        return
    if said is not None:
        text = root.text_content()
        cut_html(root, said)
        said.add(text)
        for heading in root.iter("h1", "h2", "h3", "h4", "h5", "h6"):  # below that of the message
            heading.tag = f"h{min(int(heading.tag[1]) + 2, 6)}"
    write_html(root, writer)
