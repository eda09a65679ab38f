"""Read an HTTP/1.1 request from the bytes of a connection, piece by piece, within limits. No I/O.

gunicorn parses the head (request line and headers), which also decides where the body ends. Chunked bodies are decoded
here, since gunicorn's decoder blocks. Source: RFC 9112, 7.1.
"""

import io
import re
from typing import Any, Literal

from gunicorn.http import errors as gunicorn_errors
from gunicorn.http.body import CHUNK_EXT_RE, ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from headwater.errors import BadRequest, HeadersTooLarge, PayloadTooLarge, UriTooLong

MAX_LINE_BYTES = 400_000
"""Limit of the request line. A question of 32,000 characters in a query string has at most 384,000 bytes."""

MAX_HEADERS_BYTES = 64 * 1024
"""Limit of the headers. The Worker accepts 32 kB and adds its own."""

MAX_CONTENT_BYTES = 32 * 1024**2
"""Limit of the body, as on Cloud Run. Routes have lower limits of their own."""

MAX_CHUNK_LINE_BYTES = 1024
"""Limit of a chunk's size with its extensions, and of a trailer."""

MAX_FRAMING_BYTES = 64 * 1024
"""A chunked body may have so many bytes of framing, and as many more as it has content."""

MAX_HEADERS = 200
"""Limit of the number of headers."""

Phase = Literal["idle", "head", "body", "complete"]


def configure_parser(config: Any) -> None:
    """Set our limits in gunicorn's parser, whose default for each header is 8 kB, and let no header change the path."""
    config.set("limit_request_line", 0)  # the reader's own limit applies; gunicorn's is 8 kB at most
    config.set("limit_request_fields", MAX_HEADERS)
    config.set("limit_request_field_size", MAX_HEADERS_BYTES)
    config.set("forwarder_headers", "")  # by default, SCRIPT_NAME from loopback addresses removes a prefix of the path


class RequestReader:
    """Reads one request. `feed` it until it returns True, then take `request` and `rest`."""

    def __init__(self, config: Any, peer: Any) -> None:
        self.phase: Phase = "idle"
        self.request: Any = None
        """gunicorn's request, with the whole body as a file."""
        self.rest = b""
        """Bytes after the request: the beginning of the next one."""
        self._config = config
        self._peer = peer
        self._head = bytearray()
        self._line_end = -1
        self._checked = 0
        self._body: _SizedBody | _ChunkedBody = _SizedBody(0)
        self._expects_continue = False

    @property
    def size(self) -> int:
        """Return the number of bytes in memory."""
        return len(self._head) + self._body.size

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return True if the request is complete.

        Raises BadRequest, UriTooLong, HeadersTooLarge or PayloadTooLarge. The connection can't be used afterwards.
        """
        if self.phase in ("idle", "head"):
            self.phase = "head"
            self._head += data
            end = self._find_end_of_head()
            if end < 0:
                return False
            data = bytes(self._head[end:])
            self._parse_head(bytes(self._head[:end]))
            self._head.clear()
            self.phase = "body"
        rest = self._body.feed(data)
        if rest is None:
            return False
        self.request.body = self._body.content
        self.request.body.seek(0)
        self.rest, self.phase = rest, "complete"
        return True

    def take_continue(self) -> bool:
        """Return True once if the client waits for `100 Continue` before it sends the body."""
        is_due = self._expects_continue and self.phase == "body" and not self._body.size
        self._expects_continue = False
        return is_due

    def _find_end_of_head(self) -> int:
        """Return the index after the blank line that ends the head, -1 if it has not arrived."""
        head, checked = self._head, self._checked
        if self._line_end < 0:
            self._line_end = head.find(b"\r\n", max(0, checked - 1))
        end = head.find(b"\r\n\r\n", max(0, checked - 3))
        until = len(head) if end < 0 else end
        if (self._line_end if self._line_end >= 0 else until - 1) > MAX_LINE_BYTES:
            raise UriTooLong(f"The URL is longer than {MAX_LINE_BYTES} bytes. Send long values in a POST request.")
        if self._line_end >= 0 and until - self._line_end > MAX_HEADERS_BYTES:
            raise HeadersTooLarge(f"The headers are larger than {MAX_HEADERS_BYTES} bytes. Send fewer or shorter ones.")
        if head.count(b"\n", checked, until) != head.count(b"\r\n", max(0, checked - 1), until):
            raise BadRequest("The request is malformed: a line ends without a carriage return.")
        self._checked = len(head)
        return end + 4 if end >= 0 else -1

    def _parse_head(self, head: bytes) -> None:
        lines = head.removeprefix(b"\r\n").count(b"\r\n")  # the request line, the headers, and an empty line
        if lines > MAX_HEADERS + 2:
            raise HeadersTooLarge(f"The request has more than {MAX_HEADERS} headers. Send fewer.")
        try:
            self.request = Request(self._config, IterUnreader([head]), self._peer)
        except (gunicorn_errors.ParseException, gunicorn_errors.NoMoreData, StopIteration) as error:
            raise BadRequest(f"The request is malformed: {_reason(error)}.") from error
        reader = self.request.body.reader
        if isinstance(reader, ChunkedReader):
            self._body = _ChunkedBody()
        else:
            if reader.length > MAX_CONTENT_BYTES:
                raise PayloadTooLarge(_TOO_LARGE)
            self._body = _SizedBody(reader.length)
        # gunicorn would send it when the response begins.
        self._expects_continue, self.request._expected_100_continue = self.request._expected_100_continue, False


class _SizedBody:
    """A body with `Content-Length`."""

    def __init__(self, length: int) -> None:
        self.content = io.BytesIO()
        self.size = 0
        self._length = length

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes; return those after the body, None if it is incomplete."""
        part = data[: self._length - self.size]
        self.content.write(part)
        self.size += len(part)
        return data[len(part) :] if self.size == self._length else None


class _ChunkedBody:
    """A body with `Transfer-Encoding: chunked`. Trailers are discarded."""

    def __init__(self) -> None:
        self.content = io.BytesIO()
        self._buffer = bytearray()
        self._state: Literal["size", "data", "data end", "trailers"] = "size"
        self._remaining = 0
        self._written = 0
        self._framing = 0

    @property
    def size(self) -> int:
        return self._written + len(self._buffer)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes; return those after the body, None if it is incomplete."""
        self._buffer += data
        at = 0
        while True:
            if self._state == "data":
                part = self._buffer[at : at + self._remaining]
                self._write(part)
                at += len(part)
                if self._remaining:
                    break
                self._state = "data end"
            end = self._buffer.find(b"\r\n", at, at + MAX_CHUNK_LINE_BYTES)
            if end < 0:
                if len(self._buffer) - at >= MAX_CHUNK_LINE_BYTES:
                    raise BadRequest("The request is malformed: a line of the chunked body is too long.")
                break
            line, at = bytes(self._buffer[at:end]), end + 2
            self._count_framing(len(line) + 2)
            if self._take_line(line):
                return bytes(self._buffer[at:])
        del self._buffer[:at]
        return None

    def _take_line(self, line: bytes) -> bool:
        """Take a line of framing; return True if it is the last."""
        if b"\n" in line or b"\r" in line:
            raise BadRequest("The request is malformed: a line of the chunked body doesn't end with CR LF.")
        if self._state == "trailers":
            return not line
        if self._state == "data end":
            if line:
                raise BadRequest("The request is malformed: a chunk is longer than its size.")
            self._state = "size"
            return False
        size = _CHUNK_SIZE.match(line)
        if not size or not CHUNK_EXT_RE.fullmatch(line, size.end()):
            raise BadRequest("The request is malformed: the size of a chunk is invalid.")
        self._remaining = int(size[0], 16)
        if self._written + self._remaining > MAX_CONTENT_BYTES:
            raise PayloadTooLarge(_TOO_LARGE)
        self._state = "data" if self._remaining else "trailers"
        return False

    def _write(self, part: bytes | bytearray) -> None:
        self.content.write(part)
        self._written += len(part)
        self._remaining -= len(part)

    def _count_framing(self, n: int) -> None:
        self._framing += n
        if self._framing > MAX_FRAMING_BYTES + self._written:
            raise BadRequest("The body's chunks are too small, or it has too many trailers. Send larger chunks.")


_TOO_LARGE = f"The body is larger than {MAX_CONTENT_BYTES} bytes, the limit of the server. Send less at a time."

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")

# No reason quotes the request: a malformed header may contain a token.
_REASONS: dict[type[BaseException], str] = {
    gunicorn_errors.InvalidRequestLine: "it must begin with a method, a path and HTTP/1.1, such as `GET / HTTP/1.1`",
    gunicorn_errors.InvalidRequestMethod: "the method is invalid",
    gunicorn_errors.InvalidHTTPVersion: "the version must be HTTP/1.0 or HTTP/1.1",
    gunicorn_errors.InvalidHeaderName: "the name of a header is invalid",
    gunicorn_errors.ObsoleteFolding: "a header continues on the next line, which HTTP no longer allows",
    gunicorn_errors.ExpectationFailed: "the only supported value of Expect is 100-continue",
    gunicorn_errors.UnsupportedTransferCoding: "the only supported Transfer-Encoding is chunked",
    gunicorn_errors.InvalidSchemeHeaders: "its headers for the URL's scheme contradict each other",
}


def _reason(error: BaseException) -> str:
    if isinstance(error, gunicorn_errors.InvalidHeader):
        if error.hdr in ("CONTENT-LENGTH", "TRANSFER-ENCODING"):
            return "Content-Length and Transfer-Encoding are invalid, repeated or contradict each other"
        return "a header is repeated or has invalid characters"
    return _REASONS.get(type(error), "it is not HTTP/1.1")
