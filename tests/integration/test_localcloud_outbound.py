"""The client that calls targets, against servers that answer in every way HTTP/1.1 allows."""

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
    look: Callable[[Head], None] = lambda head: None,
) -> list[int]:
    """Answer by a script for each connection (None closes it) while `use` runs; returns their counts of requests.

    Every request's head is shown to `look`.
    """
    counts: list[int] = []
    finished: list[asyncio.Task[None] | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        finished.append(asyncio.current_task())
        number = len(counts)
        counts.append(0)
        for answer in connections[number]:
            head = await read_head(reader)
            if head is None:
                break
            look(head)
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
        await asyncio.gather(*(task for task in finished if task))
    return counts


def responses(connections: list[Script], count: int, method: str = "POST") -> tuple[list[OutboundResponse], list[int]]:
    got: list[OutboundResponse] = []

    async def use(outbound: Outbound, url: str) -> None:
        request = OutboundRequest(method, url, [], b"body" if method == "POST" else b"")
        got.extend([await outbound.send(request) for _ in range(count)])

    return got, asyncio.run(serve(connections, use))


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_connection_is_used_until_the_target_says_close() -> None:
    closing = b"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    got, counts = responses([[OK, closing], [OK]], 3)
    assert ([response.status for response in got], counts) == ([200, 500, 200], [2, 1])


def test_a_connection_closed_while_idle_is_no_failure() -> None:
    got, counts = responses([[OK, None], [OK]], 2)  # the second request finds the first connection closing
    assert ([response.status for response in got], counts) == ([200, 200], [2, 1])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_answers_of_every_form_leave_the_connection_usable(answer: bytes) -> None:
    got, counts = responses([[answer, OK]], 2)
    assert (got[0].status // 100, counts) == (2, [2])


def test_an_answer_without_length_ends_with_its_connection() -> None:
    got, counts = responses([[b"HTTP/1.1 200 OK\r\n\r\nabc"], [OK]], 2)
    assert ([response.status for response in got], counts) == ([200, 200], [1, 1])


def test_the_answer_to_head_has_no_body() -> None:
    got, counts = responses([[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK[:-2]]], 2, "HEAD")
    assert ([response.status for response in got], counts) == ([200, 200], [2])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, ConnectionResetError),
        (b"SMTP ready\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 abc OK\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ProtocolError),
    ],
)
def test_what_is_no_whole_answer_is_an_error(answer: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        responses([[answer]], 1)


def test_each_request_has_a_trace_of_its_own_unless_it_brings_one() -> None:
    traces: list[str] = []

    async def use(outbound: Outbound, url: str) -> None:
        for headers in ([], [], [("x-cloud-trace-context", "mine")]):
            await outbound.send(OutboundRequest("GET", url, headers, b""))

    asyncio.run(serve([[OK] * 3], use, lambda head: traces.append(head.headers["x-cloud-trace-context"])))
    assert [bool(re.fullmatch(r"[0-9a-f]{32}/0;o=0", trace)) for trace in traces] == [True, True, False]
    assert len(set(traces)) == 3
    assert traces[2] == "mine"


def test_a_host_that_can_not_be_is_an_error() -> None:
    async def use(outbound: Outbound, url: str) -> None:
        await outbound.send(OutboundRequest("GET", "http://" + "x" * 70 + ".example/", [], b""))

    with pytest.raises(ProtocolError, match="not a host name"):
        asyncio.run(serve([], use))
