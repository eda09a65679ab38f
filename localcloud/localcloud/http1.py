"""HTTP/1.1 messages on asyncio streams: reads and writes heads and bodies, for the server and the outbound client.

Implements the part of RFC 9112 that localcloud needs: trailers are dropped, obsolete line folding is rejected.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 128 * 1024


class ProtocolError(Exception):
    """The peer sent invalid HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The three words of a message's first line, and its headers: lower-case names, repeated headers joined."""

    first_line: tuple[str, str, str]
    headers: Mapping[str, str]

    @property
    def version(self) -> str:
        """`HTTP/1.1` or `HTTP/1.0`: the first word of a response, the last of a request."""
        first, _, last = self.first_line
        return first if first.startswith("HTTP/") else last

    @property
    def keeps_alive(self) -> bool:
        """Whether another message may follow this one on the connection (RFC 9112, 9.3)."""
        connection = self.headers.get("connection", "").lower()
        return "keep-alive" in connection if self.version == "HTTP/1.0" else "close" not in connection


async def read_head(reader: asyncio.StreamReader, begun: bytes = b"") -> Head | None:
    """Read a message's head, or return None if the peer closed the connection before it. Errors: ProtocolError.

    `begun`: its first bytes, if they were read before.
    """
    try:
        raw = begun + await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not begun + error.partial:
            return None
        raise ProtocolError("the connection was closed in the middle of a message") from error
    except asyncio.LimitOverrunError as error:
        raise ProtocolError(f"the head is longer than {MAX_HEAD_BYTES} bytes") from error
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) == 2:  # a response without reason phrase and the space before it
        words.append("")
    if len(words) != 3 or not (words[0].startswith("HTTP/1.") or words[2].startswith("HTTP/1.")):
        raise ProtocolError(f"invalid first line of an HTTP/1.1 message: {first[:80]!r}")
    return Head((words[0], words[1], words[2]), _parse_headers(lines))


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ProtocolError(f"invalid header: {line[:80]!r}")
        key, value = name.lower(), value.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


async def read_body(
    reader: asyncio.StreamReader, headers: Mapping[str, str], *, until_close: bool = False
) -> AsyncIterator[bytes]:
    """Yield a message's body in parts. Without a length it is empty, or ends with the connection if `until_close`."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        async for part in _read_chunks(reader):
            yield part
    elif "content-length" in headers:
        async for part in _read_exactly(reader, body_length(headers) or 0):
            yield part
    elif until_close:
        while part := await reader.read(64 * 1024):
            yield part


def body_length(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length in bytes, or None if absent. Errors: ProtocolError."""
    value = headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise ProtocolError(f"invalid Content-Length: {value[:80]!r}")
    return int(value)


async def _read_exactly(reader: asyncio.StreamReader, size_bytes: int) -> AsyncIterator[bytes]:
    left = size_bytes
    while left:
        part = await reader.read(min(left, 64 * 1024))
        if not part:
            raise ProtocolError("the connection was closed in the middle of a body")
        left -= len(part)
        yield part


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the parts of a chunked body (RFC 9112, 7.1). Chunk extensions and trailers are dropped."""
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            size = line.split(b";", 1)[0].strip()
            try:
                left = int(size, 16)
            except ValueError as error:
                raise ProtocolError(f"invalid chunk size: {size[:80]!r}") from error
            if not left:
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
                return
            async for part in _read_exactly(reader, left):
                yield part
            await reader.readexactly(2)
    except asyncio.IncompleteReadError as error:
        raise ProtocolError("the connection was closed in the middle of a body") from error
    except asyncio.LimitOverrunError as error:
        raise ProtocolError("a line of a chunked body is too long") from error


def write_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Encode a head. Names and values must not contain line breaks."""
    lines = [first_line, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
