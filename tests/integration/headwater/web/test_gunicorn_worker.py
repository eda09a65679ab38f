"""gunicorn with our worker, over real sockets.

It has two threads. What could hold a thread is done by more clients than that, and another request is answered before
theirs end.
"""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.harness.gunicorn_server import Client, Server, gunicorn_server
from tests.harness.stacks import wait_until

APP = """
import collections, json
from headwater.web.gunicorn_worker import BufferingWorker

class Impatient(BufferingWorker):
    head_s = body_s = send_s = 1.0

class Tight(BufferingWorker):
    max_buffered_bytes = 1_000_000

calls, ended_streams = collections.Counter(), []

def endless():
    try:
        while True:
            yield b"x" * 100_000
    finally:
        ended_streams.append(True)

def app(environ, start_response):
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
    calls[path] += 1
    if path == "/large":
        start_response("200 OK", [("Content-Length", "30000000")])
        return [b"x" * 30_000_000]
    if path == "/endless":
        start_response("200 OK", [])
        return endless()
    if path == "/crash":
        raise ValueError("secret")
    told = {"path": path, "query": len(environ["QUERY_STRING"]), "body": body.decode("latin-1")[:99], "size": len(body)}
    content = json.dumps({**told, "calls": calls, "ended_streams": len(ended_streams)}).encode()
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"""
TWO_THREADS = {"THREADS": "1", "LONG_REQUESTS": "1"}
MANY = 16
SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW_BODY = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell"
SLOW_HEAD = b"GET /slow HTTP/1.1\r\nHost: a\r\nX-Slow"


def request(path: str, *headers: str, body: bytes = b"", method: str = "") -> bytes:
    lines = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", "Host: a", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(client: Client) -> dict[str, Any]:
    """Read a response of the application."""
    status, body, _ = client.response()
    assert status == 200, body
    decoded: dict[str, Any] = json.loads(body)
    return decoded


def problem(client: Client, status: int) -> dict[str, Any]:
    """Read a problem, after which the server closes the connection."""
    got, body, headers = client.response()
    assert (got, headers["Content-Type"], headers["Connection"]) == (status, "application/problem+json", "close"), body
    details: dict[str, Any] = json.loads(body)
    assert (details["status"], details["request_id"]) == (status, headers["X-Request-Id"])
    assert client.is_closed()
    return details


def call(server: Server, path: str = "/") -> dict[str, Any]:
    """Send a request on a connection of its own."""
    with server.connect() as client:
        return answer(client.send(request(path)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gunicorn_server(tmp_path_factory.mktemp("server"), APP, **TWO_THREADS) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("impatient")
    with gunicorn_server(folder, APP, "--worker-class=app.Impatient", "--keep-alive=1", **TWO_THREADS) as running:
        yield running


def calls(server: Server, path: str) -> int:
    """Return how often the application has been called."""
    count: int = call(server)["calls"].get(path, 0)
    return count


@pytest.mark.parametrize(
    ("beginning", "end"), [(SLOW_BODY, b"o"), (SLOW_HEAD, b": 1\r\n\r\n"), (b"G", SLOW[1:]), (b"", SLOW)]
)
def test_slow_requests_hold_no_thread(server: Server, beginning: bytes, end: bytes) -> None:
    before = calls(server, "/slow")
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect()).send(beginning) for _ in range(MANY)]
        assert calls(server, "/slow") == before
        assert [answer(client.send(end))["path"] for client in slow] == ["/slow"] * MANY
    assert calls(server, "/slow") == before + MANY


def test_unread_responses_hold_no_thread(server: Server) -> None:
    with ExitStack() as stack:
        large = request("/large", "Connection: close")
        unread = [stack.enter_context(server.connect()).send(large) for _ in range(4)]
        call(server)
        wait_until(lambda: calls(server, "/large") == 4)
        # Two of them fit the limit of unread bytes; the others were closed.
        lengths = [len(read_to_the_end(client)) for client in unread]
        assert sorted(length > 30_000_000 for length in lengths) == [False, False, True, True]


def test_unread_stream_ends(server: Server) -> None:
    before = call(server)["ended_streams"]
    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(server.connect()).send(request("/endless"))
        wait_until(lambda: call(server)["ended_streams"] == before + MANY)


def test_closing_waits_for_no_client(server: Server) -> None:
    """Each of them is sent its whole response, and could keep the connection open for seconds."""
    with ExitStack() as stack:
        lingering = [stack.enter_context(server.connect()).send(request("/", "Connection: close")) for _ in range(MANY)]
        assert [answer(client)["path"] for client in lingering] == ["/"] * MANY
        call(server)
        for client in lingering:
            client.send(b"x")  # its direction of the connection is still open


@pytest.mark.parametrize("sent", [SLOW_BODY, SLOW_HEAD, b"P"])
def test_slow_request_ends_at_its_deadline(impatient: Server, sent: bytes) -> None:
    with impatient.connect() as client:
        details = problem(client.send(sent), 408)
    assert "within 1 s" in details["detail"]


def test_dripping_request_ends_at_its_deadline(impatient: Server) -> None:
    with impatient.connect() as client:
        client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").socket.settimeout(0.05)
        response = b""
        for _ in range(1_000):
            client.send(b"x")
            try:
                response = client.socket.recv(100)
                break
            except TimeoutError:
                continue
    assert response.startswith(b"HTTP/1.1 408 ")


def test_idle_connection_is_closed_after_the_keep_alive_time(impatient: Server) -> None:
    with impatient.connect() as unused, impatient.connect() as used:
        answer(used.send(request("/")))
        assert unused.is_closed()
        assert used.is_closed()


def test_unread_response_ends_at_its_deadline(impatient: Server) -> None:
    with impatient.connect() as client:
        client.send(request("/large", "Connection: close"))
        wait_until(lambda: calls(impatient, "/large") and not impatient.has_connection(client))
        assert len(read_to_the_end(client)) < 30_000_000


def read_to_the_end(client: Client) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := client.socket.recv(1_000_000):
            received += data
    return bytes(received)


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    with server.connect() as client:
        sent = request("/1") + request("/2", body=b"GET / HTTP/1.1") + request("/3", "Transfer-Encoding: chunked")
        client.send(sent + b"3\r\nabc\r\n0\r\n\r\n" + request("/4") + request("/5")[:-1])
        assert [answer(client)["path"] for _ in range(4)] == ["/1", "/2", "/3", "/4"]
        assert answer(client.send(b"\n"))["path"] == "/5"


def test_chunked_body_is_read_byte_by_byte(server: Server) -> None:
    with server.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = (
            request("/chunks", "Transfer-Encoding: chunked", method="POST")
            + b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n"
        )
        for n in range(len(sent)):
            client.send(sent[n : n + 1])
        assert answer(client)["body"] == "hello!"


def test_client_that_expects_100_continue_gets_it(server: Server) -> None:
    with server.connect() as client:
        client.send(request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answer(client.send(b"hello"))["body"] == "hello"


def test_too_large_body_is_refused_before_it_is_sent(server: Server) -> None:
    with server.connect() as client:
        client.send(request("/", "Expect: 100-continue", "Content-Length: 50000000", method="POST"))
        assert "larger than 33554432 bytes" in problem(client, 413)["detail"]


def test_half_closed_connection_gets_its_response(server: Server) -> None:
    with server.connect() as client:
        client.send(request("/", body=b"hello")).socket.shutdown(socket.SHUT_WR)
        assert answer(client)["body"] == "hello"
        assert client.is_closed()


@pytest.mark.parametrize("sent", [SLOW_BODY, SLOW_HEAD, request("/gone", "Transfer-Encoding: chunked") + b"5\r\nhel"])
def test_request_of_a_client_that_has_gone_is_dropped(server: Server, sent: bytes) -> None:
    before = calls(server, "/slow"), calls(server, "/gone")
    for reset in (False, True):
        with server.connect() as client:
            if reset:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.send(sent)
    assert (calls(server, "/slow"), calls(server, "/gone")) == before


def test_smuggled_request_is_not_handled(server: Server) -> None:
    smuggled = request("/smuggled")
    attempts = [
        request("/", "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n",
        request("/", "Content-Length: 5", "Content-Length: 0") + b"",
        request("/", "Content-Length: 0\n", "X: y"),
        request("/", "Transfer-Encoding: chunked") + b"0\n\r\n",
        request("/", "Transfer-Encoding: chunked") + b"1\r\nab\r\n0\r\n\r\n",
        request("/", "Transfer-Encoding : chunked") + b"0\r\n\r\n",
        request("/", "X: y\r\n Content-Length: 0"),
        request("/", "Content-Length: 0\rX: y"),
    ]
    for attempt in attempts:
        with server.connect() as client:
            assert "malformed" in problem(client.send(attempt + smuggled), 400)["detail"]
    assert calls(server, "/smuggled") == 0


def test_header_cannot_change_the_path(server: Server) -> None:
    with server.connect() as client:
        client.send(request("/a/b", "Script_Name: /a", "SCRIPT_NAME: /a", "PATH_INFO: /c"))
        assert answer(client)["path"] == "/a/b"


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (request("/?q=" + "x" * 400_000), 414, "URL is longer than 400000 bytes"),
        (request("/", "X: " + "x" * 70_000), 431, "headers are larger than 65536 bytes"),
        (request("/", *["X: y"] * 201), 431, "more than 200 headers"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "carriage return"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "GET / HTTP/1.1"),
        (request("/crash"), 500, "The server failed"),
    ],
)
def test_refusal_names_its_cause(server: Server, sent: bytes, status: int, words: str) -> None:
    with server.connect() as client:
        assert words in problem(client.send(sent), status)["detail"]


def test_longest_question_fits_a_url(server: Server) -> None:
    with server.connect() as client:
        sent = request("/?q=" + "%F0%9D%84%9E" * 32_000, "Authorization: Bearer " + "x" * 32_000)
        assert answer(client.send(sent))["query"] == 12 * 32_000 + 2


def test_large_requests_leave_room_for_small_ones(tmp_path: Path) -> None:
    with gunicorn_server(tmp_path, APP, "--worker-class=app.Tight", **TWO_THREADS) as server, ExitStack() as stack:
        large = request("/", body=b"x" * 400_000)
        clients = [stack.enter_context(server.connect()).send(large[:-1]) for _ in range(3)]
        [readable], _, _ = select.select([client.socket for client in clients], [], [], 30)
        [refused] = [client for client in clients if client.socket is readable]
        clients.remove(refused)
        status, _, headers = refused.response()
        assert (status, headers["Retry-After"]) == (503, "2")
        assert answer(stack.enter_context(server.connect()).send(request("/", body=b"x" * 60_000)))["size"] == 60_000
        assert [answer(client.send(large[-1:]))["size"] for client in clients] == [400_000] * 2
        # The worker forgets the two just after it has sent their responses.
        wait_until(lambda: stack.enter_context(server.connect()).send(large).response()[0] == 200)


def test_thousand_idle_connections_do_not_keep_out_others(server: Server) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(1_000)]
        busy = stack.enter_context(server.connect()).send(SLOW_BODY)
        for _ in range(50):
            call(server)
        assert idle[0].is_closed()  # the oldest make room
        assert answer(idle[-1].send(request("/")))["path"] == "/"
        assert answer(busy.send(b"o"))["path"] == "/slow"


def test_more_connections_than_files_do_not_end_the_server(tmp_path: Path) -> None:
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
    with gunicorn_server(tmp_path, limited + APP, **TWO_THREADS) as server, ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(server.connect())
        assert call(server)["path"] == "/"


def test_requests_that_have_begun_finish_after_sigterm(tmp_path: Path) -> None:
    with gunicorn_server(tmp_path, APP, "--graceful-timeout=4", **TWO_THREADS) as server, ExitStack() as stack:
        idle, used, finishing, unfinished = (stack.enter_context(server.connect()) for _ in range(4))
        answer(used.send(request("/")))
        finishing.send(SLOW_BODY)
        unfinished.send(SLOW_BODY)
        call(server)
        server.terminate()
        answer(used.send(request("/")))
        assert used.is_closed()
        assert answer(finishing.send(b"o"))["path"] == "/slow"
        assert finishing.is_closed()
        assert "shutting down" in problem(unfinished, 503)["detail"]
        assert idle.is_closed()
        assert server.process.wait(20) == 0
