"""The HTTP client for targets: connection reuse, response formats, errors and trace headers."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from localcloud.http1 import Head, ProtocolError, read_body, read_head
from localcloud.targets.outbound import Outbound, OutboundRequest, OutboundResponse

Script = list[bytes | None]


async def serve(
    connections: list[Script],
    use: Callable[[Outbound, str], Awaitable[None]],
    on_request: Callable[[Head], None] = lambda head: None,
) -> list[int]:
    """Serve scripted responses while `use` runs; return the number of requests per connection.

    `connections`: the responses of each connection; None closes it. `on_request`: called with the head of each request.
    """
    counts: list[int] = []
    handlers: list[asyncio.Task[None] | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        number = len(counts)
        counts.append(0)
        for answer in connections[number]:
            head = await read_head(reader)
            if head is None:
                break
            on_request(head)
            async for _ in read_body(reader, head.headers):
                pass
            counts[number] += 1
            if answer is None:
                break
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    outbound = Outbound()
    try:
        await use(outbound, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    finally:
        outbound.close()
        server.close()
        await asyncio.gather(*(task for task in handlers if task))
    return counts


def responses(connections: list[Script], count: int, method: str = "POST") -> tuple[list[OutboundResponse], list[int]]:
    received: list[OutboundResponse] = []

    async def use(outbound: Outbound, url: str) -> None:
        request = OutboundRequest(method, url, [], b"body" if method == "POST" else b"")
        received.extend([await outbound.send(request) for _ in range(count)])

    return received, asyncio.run(serve(connections, use))


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_connection_is_reused_until_the_target_closes_it() -> None:
    closing = b"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    received, counts = responses([[OK, closing], [OK]], 3)
    assert ([response.status for response in received], counts) == ([200, 500, 200], [2, 1])


def test_request_is_repeated_if_the_idle_connection_was_closed() -> None:
    received, counts = responses([[OK, None], [OK]], 2)  # the second request finds the first connection closing
    assert ([response.status for response in received], counts) == ([200, 200], [2, 1])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_connection_is_reused_after_every_response_format(answer: bytes) -> None:
    received, counts = responses([[answer, OK]], 2)
    assert (received[0].status // 100, counts) == (2, [2])


def test_response_without_length_ends_with_the_connection() -> None:
    received, counts = responses([[b"HTTP/1.1 200 OK\r\n\r\nabc"], [OK]], 2)
    assert ([response.status for response in received], counts) == ([200, 200], [1, 1])


def test_response_to_head_has_no_body() -> None:
    received, counts = responses([[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK[:-2]]], 2, "HEAD")
    assert ([response.status for response in received], counts) == ([200, 200], [2])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, ConnectionResetError),
        (b"SMTP ready\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 abc OK\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ProtocolError),
    ],
)
def test_incomplete_or_invalid_response_is_an_error(answer: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        responses([[answer]], 1)


def test_each_request_gets_a_trace_id_unless_it_has_one() -> None:
    traces: list[str] = []

    async def use(outbound: Outbound, url: str) -> None:
        for headers in ([], [], [("x-cloud-trace-context", "mine")]):
            await outbound.send(OutboundRequest("GET", url, headers, b""))

    asyncio.run(serve([[OK] * 3], use, lambda head: traces.append(head.headers["x-cloud-trace-context"])))
    assert [bool(re.fullmatch(r"[0-9a-f]{32}/0;o=0", trace)) for trace in traces] == [True, True, False]
    assert len(set(traces)) == 3
    assert traces[2] == "mine"


def test_invalid_host_name_is_an_error() -> None:
    async def use(outbound: Outbound, url: str) -> None:
        await outbound.send(OutboundRequest("GET", "http://" + "x" * 70 + ".example/", [], b""))

    with pytest.raises(ProtocolError, match="invalid host name"):
        asyncio.run(serve([], use))
