"""Requests read piece by piece: framing, limits, and malformed requests."""

import io
import time

import pytest
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import BadRequest, HeadersTooLarge, PayloadTooLarge, UriTooLong, UserError
from headwater.web.request_reader import (
    MAX_CONTENT_BYTES,
    MAX_FRAMING_BYTES,
    MAX_HEADERS,
    MAX_HEADERS_BYTES,
    MAX_LINE_BYTES,
    RequestReader,
    configure_parser,
)

PEER = ("127.0.0.1", 1)
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def post(headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    return f"POST / HTTP/{version}\r\nHost: a\r\n{headers}\r\n\r\n".encode("latin-1") + body


REQUESTS = {
    "without a body": (b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "without headers": (b"GET / HTTP/1.0\r\n\r\n", b""),
    "after an empty line": (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "with a length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "with an empty body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b""),
    "that looks like two": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 19\r\n\r\nGET / HTTP/1.1\r\n\r\nx",
        b"GET / HTTP/1.1\r\n\r\nx",
    ),
    "in chunks": (
        post(CHUNKED, b'5;a=b;c="d"\r\nhello\r\n1\r\n\n\r\n00\r\n\r\n'),
        b"hello\n",
    ),
    "with trailers": (
        post(CHUNKED, b"A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n"),
        b"0123456789",
    ),
}


def reader() -> RequestReader:
    config = Config()
    configure_parser(config)
    return RequestReader(config, PEER)


def read(*pieces: bytes) -> RequestReader:
    """Feed the pieces, of which only the last completes the request."""
    made = reader()
    assert [made.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return made


def feed_each_byte(made: RequestReader, data: bytes) -> int:
    """Feed byte by byte until the request is complete; return the number of bytes."""
    for n in range(len(data)):
        if made.feed(data[n : n + 1]):
            return n + 1
    raise AssertionError("the request is incomplete")


@pytest.mark.parametrize(("request_bytes", "body"), REQUESTS.values(), ids=REQUESTS)
def test_request_is_read_whole_and_the_next_one_kept(request_bytes: bytes, body: bytes) -> None:
    made = read(request_bytes + NEXT)
    assert (made.request.body.read(), made.rest, made.phase) == (body, NEXT, "complete")


@pytest.mark.parametrize(("request_bytes", "body"), REQUESTS.values(), ids=REQUESTS)
def test_request_is_complete_with_its_last_byte(request_bytes: bytes, body: bytes) -> None:
    made = reader()
    assert feed_each_byte(made, request_bytes + NEXT) == len(request_bytes)
    assert (made.request.body.read(), made.rest) == (body, b"")


@given(
    body=st.binary(max_size=300),
    chunk_sizes=st.lists(st.integers(1, 40), min_size=1),
    cuts=st.lists(st.integers(0, 1000)),
)
def test_chunks_are_joined_however_they_arrive(body: bytes, chunk_sizes: list[int], cuts: list[int]) -> None:
    encoded, source, n = io.BytesIO(), io.BytesIO(body), 0
    while chunk := source.read(chunk_sizes[n % len(chunk_sizes)]):
        encoded.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        n += 1
    sent = post("Transfer-Encoding: chunked", encoded.getvalue() + b"0\r\n\r\n")
    ends = sorted({cut for cut in cuts if cut < len(sent)} | {len(sent)})
    pieces = [sent[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]
    assert read(*pieces).request.body.read() == body


def test_path_query_and_headers_are_gunicorns() -> None:
    request = read(b"GET /a%20b?q=%C3%BC HTTP/1.1\r\nHost: a\r\nX-Request-Id: 12345678\r\n\r\n").request
    assert (request.method, request.path, request.query) == ("GET", "/a%20b", "q=%C3%BC")
    assert ("X-REQUEST-ID", "12345678") in request.headers


def test_header_cannot_change_the_path() -> None:
    made = read(b"GET /a/tasks/drain HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /a\r\nPATH_INFO: /b\r\n\r\n")
    assert [name for name, _ in made.request.headers] == ["HOST"]


def test_phase_tells_what_is_missing() -> None:
    made = reader()
    phases = [made.phase]
    for piece in (b"POST / HTTP/1.1\r\n", b"Host: a\r\nContent-Length: 2\r\n\r\n", b"a", b"b"):
        made.feed(piece)
        phases.append(made.phase)
    assert phases == ["idle", "head", "body", "body", "complete"]


@pytest.mark.parametrize(
    ("sent", "is_due"),
    [
        (post("Expect: 100-continue\r\nContent-Length: 5"), True),
        (post("Expect: 100-Continue\r\nTransfer-Encoding: chunked"), True),
        (post("Expect: 100-continue\r\nContent-Length: 5", b"h"), False),
        (post("Expect: 100-continue\r\nContent-Length: 5", version="1.0"), False),
        (post("Content-Length: 5"), False),
    ],
)
def test_continue_is_due_once_if_the_body_waits_for_it(sent: bytes, is_due: bool) -> None:
    made = reader()
    assert not made.feed(sent)
    assert [made.take_continue(), made.take_continue()] == [is_due, False]


MALFORMED = {
    "length and chunks": post(f"Content-Length: 5\r\n{CHUNKED}", b"0\r\n\r\n"),
    "two lengths": post("Content-Length: 5\r\nContent-Length: 6", b"hello"),
    "equal lengths": post("Content-Length: 5\r\nContent-Length: 5", b"hello"),
    "list of lengths": post("Content-Length: 5, 5", b"hello"),
    "negative length": post("Content-Length: -1"),
    "signed length": post("Content-Length: +5", b"hello"),
    "hexadecimal length": post("Content-Length: 0x5", b"hello"),
    "length in other digits": post("Content-Length: \xb2", b"he"),
    "underscore in a length": post("Content-Length: 1_0", b"0123456789"),
    "length of 5,000 digits": post("Content-Length: " + "9" * 5_000),
    "space before the colon": post("Content-Length : 5", b"hello"),
    "chunks twice": post("Transfer-Encoding: chunked, chunked", b"0\r\n\r\n"),
    "chunks in two headers": post(f"{CHUNKED}\r\n{CHUNKED}", b"0\r\n\r\n"),
    "chunks before another coding": post("Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"),
    "unknown coding": post("Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    "vertical tab in a coding": post("Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"),
    "identity": post("Transfer-Encoding: identity"),
    "chunks in HTTP/1.0": post(CHUNKED, b"0\r\n\r\n", version="1.0"),
    "folded header": b"POST / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "folded first header": b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "bare LFs only": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare CR in a header": post("X: a\rContent-Length: 5"),
    "bare CR in the request line": b"GET / HTTP/1.1\rHost: a\r\n\r\n",
    "NUL in a header": post("X: a\0b"),
    "header without a colon": post("X"),
    "empty header name": post(": b"),
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "control character in the path": b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "UTF-8 in the path": "GET /ü HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two empty lines": b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "other expectation": post("Expect: 200-ok"),
    "no chunk size": post(CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "negative chunk size": post(CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "signed chunk size": post(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with 0x": post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "space before a chunk size": post(CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "space after a chunk size": post(CHUNKED, b"5 \r\nhello\r\n0\r\n\r\n"),
    "underscore in a chunk size": post(CHUNKED, b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    "chunk size of 17 digits": post(CHUNKED, b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
    "bare LF after a chunk size": post(CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    "bare CR in a chunk extension": post(CHUNKED, b"5;a=\rb\r\nhello\r\n0\r\n\r\n"),
    "invalid chunk extension": post(CHUNKED, b"5;\r\nhello\r\n0\r\n\r\n"),
    "long chunk extension": post(CHUNKED, b"5;a=" + b"b" * 2_000),
    "chunk longer than its size": post(CHUNKED, b"3\r\nhello\r\n0\r\n\r\n"),
    "chunk shorter than its size": post(CHUNKED, b"8\r\nhello\r\n0\r\n\r\n"),
    "bare LF in trailers": post(CHUNKED, b"0\r\nX: a\nY: b\r\n\r\n"),
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("in_pieces", [False, True])
def test_malformed_request_is_rejected(sent: bytes, in_pieces: bool) -> None:
    made = reader()
    with pytest.raises(BadRequest) as caught:
        feed_each_byte(made, sent) if in_pieces else made.feed(sent)
    assert caught.value.message.startswith("The request is malformed: ")


def test_reason_does_not_quote_the_request() -> None:
    with pytest.raises(BadRequest) as caught:
        reader().feed(post("Authorization Bearer secret"))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"GET /" + b"a" * MAX_LINE_BYTES, UriTooLong),
        (b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\n\r\n", UriTooLong),
        (post("X: " + "a" * MAX_HEADERS_BYTES), HeadersTooLarge),
        (post("X: " + "a" * MAX_HEADERS_BYTES)[:-4], HeadersTooLarge),
        (post("X: a\r\n" * MAX_HEADERS), HeadersTooLarge),
        (post(":\r\n" * 20_000), HeadersTooLarge),
        (post(f"Content-Length: {MAX_CONTENT_BYTES + 1}"), PayloadTooLarge),
        (post(CHUNKED, b"%x\r\n" % (MAX_CONTENT_BYTES + 1)), PayloadTooLarge),
        (post(CHUNKED, b"ffffffffffffffff\r\n"), PayloadTooLarge),
    ],
)
def test_request_over_a_limit_is_rejected(sent: bytes, kind: type[UserError]) -> None:
    with pytest.raises(kind):
        reader().feed(sent)


def test_request_within_the_limits_is_read() -> None:
    question = "𝄞" * 32_000
    escaped = "".join(f"%{byte:02X}" for byte in question.encode())
    line = f"GET /api/search?q={escaped}&k=10&source_id=00000000-0000-4000-8000-000000000000 HTTP/1.1\r\n"
    headers = "Host: a\r\nAuthorization: Bearer " + "a" * 32_768 + "\r\nX: " + "b" * 30_000 + "\r\n"
    assert len(read((line + headers + "\r\n").encode()).request.query) > 12 * 32_000


def test_number_of_headers_is_limited() -> None:
    assert len(read(b"\r\n" + post("X: a\r\n" * (MAX_HEADERS - 2) + "Y: b")).request.headers) == MAX_HEADERS


def test_tiny_chunks_are_limited() -> None:
    made, tiny = reader(), b"1\r\na\r\n" * 10_000
    made.feed(post(CHUNKED))
    assert not made.feed(tiny)  # 10 kB of content, 50 kB of framing
    with pytest.raises(BadRequest, match="too small"):
        made.feed(tiny + tiny)


def test_trailers_are_limited() -> None:
    with pytest.raises(BadRequest, match="too many trailers"):
        reader().feed(post(CHUNKED, b"0\r\n" + b"X: a\r\n" * MAX_FRAMING_BYTES))


@pytest.mark.parametrize("unit", [b"a", b"a\r\r", b"X:b\r\n"])
def test_time_to_read_a_dripping_head_is_linear(unit: bytes) -> None:
    def seconds(size: int) -> float:
        made, data = (
            reader(),
            b"GET /" + (b" HTTP/1.1\r\nHost: a\r\n" if b"\n" in unit else b"") + unit * (size // len(unit)),
        )
        started = time.process_time()
        for n in range(len(data)):
            made.feed(data[n : n + 1])
        return time.process_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (15_000, 60_000))
    assert large < 6 * small
