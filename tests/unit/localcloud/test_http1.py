"""Reading and writing HTTP/1.1 messages."""

import asyncio
from collections.abc import Mapping

import pytest

from localcloud.http1 import Head, ProtocolError, read_body, read_head, write_head


async def read(raw: bytes, *, until_close: bool = False) -> tuple[Head | None, bytes]:
    reader = asyncio.StreamReader(limit=1024)
    reader.feed_data(raw)
    reader.feed_eof()
    head = await read_head(reader)
    headers: Mapping[str, str] = head.headers if head else {}
    return head, b"".join([part async for part in read_body(reader, headers, until_close=until_close)])


def test_request_is_read_with_its_body() -> None:
    head, body = asyncio.run(read(b"POST /a?b HTTP/1.1\r\nHost: x\r\nA:1\r\na: 2 \r\nContent-Length: 2\r\n\r\nhi!"))
    assert head is not None
    assert head.first_line[0] == "POST"
    assert head.headers == {"host": "x", "a": "1, 2", "content-length": "2"}
    assert (head.version, head.keeps_alive, body) == ("HTTP/1.1", True, b"hi")


def test_chunked_body_is_joined() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    assert asyncio.run(read(head + chunks))[1] == b"abc0123456789"


def test_response_without_length_ends_with_the_connection() -> None:
    head, body = asyncio.run(read(b"HTTP/1.0 200\r\n\r\nabc", until_close=True))
    assert head is not None
    assert (head.first_line, head.keeps_alive, body) == (("HTTP/1.0", "200", ""), False, b"abc")


def test_closing_between_messages_is_not_an_error() -> None:
    assert asyncio.run(read(b"")) == (None, b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nspace : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 2000 + b"\r\n\r\n",
    ],
)
def test_invalid_http_raises_protocol_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        asyncio.run(read(raw))


def test_head_is_encoded_as_utf_8() -> None:
    assert (
        write_head("GET / HTTP/1.1", [("Host", "x"), ("A", "é")]) == b"GET / HTTP/1.1\r\nHost: x\r\nA: \xc3\xa9\r\n\r\n"
    )
