"""The client of MCP servers, with the official package's server, and with hostile ones on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from functions.chat.mcp_servers.client import MAX_BYTES, McpClient
from headwater.errors import HeadwaterError, PermanentError, UpstreamError
from headwater.outbound.guarded_http import guarded_http
from tests.fakes.mcp_server import official_server


def client(url: str, token: str = "", *, allow_private: bool = True, **options: Any) -> McpClient:
    return McpClient(guarded_http(allow_private=allow_private), url, token, **options)


@pytest.fixture(scope="module")
def official() -> Iterator[str]:
    with official_server() as url:
        yield url


def test_tools_of_the_official_server_are_listed_and_called(official: str) -> None:
    found = client(official).list_tools("fake")
    assert [tool.name for tool in found.tools] == ["fake__add", "fake__echo", "fake__fail", "fake__picture"]
    assert found.tools[0].description == "Add two numbers."
    assert found.tools[0].arguments_schema["required"] == ["a", "b"]
    assert client(official).call("add", {"a": 2, "b": 3}) == "5"
    assert client(official).call("echo", {"text": "\u00fcn\u00ef \U0001f600"}) == "\u00fcn\u00ef \U0001f600"
    assert client(official).call("picture", {}) == "[image left out]"


@pytest.mark.parametrize(
    ("tool", "message"), [("fail", "Error executing tool fail"), ("none", "Unknown tool"), ("add", "a\n")]
)
def test_errors_of_the_official_server_are_told(official: str, tool: str, message: str) -> None:
    with pytest.raises(PermanentError) as caught:
        client(official).call(tool, {})
    assert message.strip() in caught.value.message


def test_private_addresses_are_refused(official: str) -> None:
    with pytest.raises(HeadwaterError, match="not public"):
        client(official, allow_private=False).list_tools("fake")


class _Handler(BaseHTTPRequestHandler):
    """Answers the handshake like a server, and requests by `mode`."""

    mode = ""
    done: threading.Event
    seen: list[str]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(str(self.headers.get("Authorization")))
        if message["method"] == "initialize":
            self._send({"id": message["id"], "result": {"protocolVersion": "2025-06-18"}})
        elif "id" not in message:
            self._answer(202)
        else:
            getattr(self, f"_{self.mode}")(message["id"])

    def _huge(self, _: int) -> None:
        self._answer(200, "application/json", 10**9)
        self._pour(b" " * 65_536)

    def _endless(self, _: int) -> None:
        self._answer(200, "text/event-stream")
        self._pour(b'data: {"method": "notifications/message", "params": {"data": "' + b"x" * 1_000 + b'"}}\n\n')

    def _one_line(self, _: int) -> None:
        self._answer(200, "text/event-stream")
        self._pour(b"x" * 65_536)

    def _silent(self, _: int) -> None:
        self._answer(200, "text/event-stream")
        self.done.wait(60)

    def _elsewhere(self, _: int) -> None:
        self.send_response(307)
        self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, _: int) -> None:
        self._answer(200, "text/html", 4)
        self.wfile.write(b"<p/>")

    def _controls(self, id_: int) -> None:
        self._send({"id": id_, "result": {"content": [{"type": "text", "text": "\x1b]0;x\x07\u202ehidden"}]}})

    def _echo_token(self, id_: int) -> None:
        self._send({"id": id_, "error": {"message": f"Bad token {self.headers['Authorization']}"}})

    def _show_token(self, id_: int) -> None:
        self._send({"id": id_, "result": {"content": [{"type": "text", "text": self.headers["Authorization"]}]}})

    def _fail_with_token(self, id_: int) -> None:
        content = [{"type": "text", "text": f"No access: {self.headers['Authorization']}"}]
        self._send({"id": id_, "result": {"content": content, "isError": True}})

    def _refuse(self, _: int) -> None:
        self._answer(401)

    def _busy(self, _: int) -> None:
        self._answer(503)

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._answer(200, "application/json", len(content))
        self.wfile.write(content)

    def _answer(self, status: int, kind: str = "text/plain", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        if length is not None or status >= 400 or status == 202:
            self.send_header("Content-Length", str(length or 0))
        self.end_headers()

    def _pour(self, piece: bytes) -> None:
        """Send until the client goes."""
        try:
            while not self.done.is_set():
                self.wfile.write(piece)
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class named it
        """Log nothing."""


@contextmanager
def hostile(mode: str) -> Iterator[tuple[str, list[str]]]:
    """Run a hostile server. Yields its address, and the tokens that it has seen."""
    seen: list[str] = []
    done = threading.Event()
    handler = type("Handler", (_Handler,), {"mode": mode, "done": done, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp", seen
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("mode", "kind", "message"),
    [
        ("huge", PermanentError, f"more than {MAX_BYTES:,} bytes"),
        ("endless", PermanentError, f"more than {MAX_BYTES:,} bytes"),
        ("one_line", PermanentError, f"more than {MAX_BYTES:,} bytes"),
        ("elsewhere", PermanentError, "HTTP 307"),
        ("page", PermanentError, "did not answer like an MCP server"),
        ("refuse", PermanentError, "refused the token"),
        ("busy", UpstreamError, "HTTP 503"),
    ],
)
def test_hostile_answer_ends_with_its_reason(mode: str, kind: type[HeadwaterError], message: str) -> None:
    with hostile(mode) as (url, _), pytest.raises(kind, match=message):
        client(url, "secret-token").call("x", {})


def test_silent_server_exceeds_its_time() -> None:
    with hostile("silent") as (url, _), pytest.raises(UpstreamError):
        client(url, call_s=0.5).call("x", {})


@pytest.mark.parametrize("mode", ["echo_token", "fail_with_token"])
def test_token_goes_to_its_server_alone_and_into_no_message(mode: str) -> None:
    with hostile(mode) as (url, seen), pytest.raises(PermanentError) as caught:
        client(url, "secret-token").call("x", {})
    assert set(seen) == {"Bearer secret-token"}
    assert "secret" not in caught.value.message.replace("[secret]", "")


def test_token_is_removed_from_results() -> None:
    with hostile("show_token") as (url, _):
        assert client(url, "secret-token").call("x", {}) == "Bearer [secret]"


def test_text_is_returned_as_it_is_for_the_agent_to_clean() -> None:
    with hostile("controls") as (url, _):
        assert client(url).call("x", {}) == "\x1b]0;x\x07\u202ehidden"
