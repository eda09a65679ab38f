"""HTTP/1.1 messages on asyncio streams: heads and bodies, the same for requests (the server) and responses (outbound).

In flow the bytes of a peer, out flow a `Head` and the parts of its body. Only what this program needs of RFC 9112: no
trailers are kept, no obsolete line folding, no pipelining beyond reading one message after another.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 128 * 1024


class ProtocolError(Exception):
    """The peer sent something that is not the HTTP/1.1 message it should be."""


@dataclass(frozen=True, slots=True)
class Head:
    """A message's first line, in its three words, and its headers: names in lower case, repeated ones joined."""

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


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read a message's head; None when the peer closed before its first byte. Errors: ProtocolError."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise ProtocolError("the connection was closed within a message") from error
    except asyncio.LimitOverrunError as error:
        raise ProtocolError(f"the head is longer than {MAX_HEAD_BYTES} bytes") from error
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) == 2:  # a response whose reason phrase, and the space before it, was left out
        words.append("")
    if len(words) != 3 or not (words[0].startswith("HTTP/1.") or words[2].startswith("HTTP/1.")):
        raise ProtocolError(f"not the first line of an HTTP/1.1 message: {first[:80]!r}")
    return Head((words[0], words[1], words[2]), _parse_headers(lines))


def _parse_headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ProtocolError(f"not a header: {line[:80]!r}")
        key, value = name.lower(), value.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


async def read_body(
    reader: asyncio.StreamReader, headers: Mapping[str, str], *, until_close: bool = False
) -> AsyncIterator[bytes]:
    """Yield a message's body in parts; `until_close` says what no length means: a body up to the end, or none."""
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
    """Return the announced length in bytes; None when there is none. Errors: ProtocolError when it is not a number."""
    announced = headers.get("content-length")
    if announced is None:
        return None
    if not (announced.isascii() and announced.isdigit()):
        raise ProtocolError(f"not a Content-Length: {announced[:80]!r}")
    return int(announced)


async def _read_exactly(reader: asyncio.StreamReader, size_bytes: int) -> AsyncIterator[bytes]:
    left = size_bytes
    while left:
        part = await reader.read(min(left, 64 * 1024))
        if not part:
            raise ProtocolError("the connection was closed within a body")
        left -= len(part)
        yield part


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Read a chunked body (RFC 9112, 7.1), dropping chunk extensions and trailers."""
    try:
        while True:
            line = await reader.readuntil(b"\r\n")
            size = line.split(b";", 1)[0].strip()
            try:
                left = int(size, 16)
            except ValueError as error:
                raise ProtocolError(f"not the size of a chunk: {size[:80]!r}") from error
            if not left:
                while await reader.readuntil(b"\r\n") != b"\r\n":
                    pass
                return
            async for part in _read_exactly(reader, left):
                yield part
            await reader.readexactly(2)
    except asyncio.IncompleteReadError as error:
        raise ProtocolError("the connection was closed within a body") from error
    except asyncio.LimitOverrunError as error:
        raise ProtocolError("a line of a chunked body is too long") from error


def write_head(first_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a head's bytes; names and values must be free of line breaks."""
    lines = [first_line, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
