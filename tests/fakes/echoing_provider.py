"""A provider on loopback that sends the caller's key back, in any part of a response."""

import gc
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

KEY = "sk-Zq9x7Lw2Tk5vN1cB8mR4yH6dJ3fG0pAs"
ESCAPES = "\x1b]0;x\x07\x9b\u202e"

OK = "HTTP/1.1 200 OK"
_ERROR = {"error": {"message": "Incorrect API key provided: {}", "type": "{}", "code": "{}", "param": "{}"}}
_EVENT = {"type": "error", **_ERROR}
RESPONSES = {
    "reason of 200": "HTTP/1.1 200 {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
    "reason of 401": "HTTP/1.1 401 {}\r\nContent-Length: 0\r\n\r\n",
    "plain reason": "HTTP/1.1 401 KEY\r\nContent-Length: 0\r\n\r\n",
    "plain header": "HTTP/1.1 429 No\r\nRetry-After: KEY\r\nX-Request-Id: KEY\r\nContent-Length: 0\r\n\r\n",
    "status line": "{}\r\n\r\n",
    "header": "HTTP/1.1 429 No\r\nRetry-After: {}\r\nX-Request-Id: {}\r\nContent-Length: 0\r\n\r\n",
    "header without a name": "HTTP/1.1 400 No\r\n{}\r\n\r\n",
    "redirect": "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/{}\r\nContent-Length: 0\r\n\r\n",
    "redirect to an invalid URL": "HTTP/1.1 307 Moved\r\nLocation: http://[{}]/\r\nContent-Length: 0\r\n\r\n",
    "encoding": f"{OK}\r\nContent-Encoding: gzip\r\n\r\n{{}}",
    "chunk": f"{OK}\r\nTransfer-Encoding: chunked\r\n\r\n{{}}\r\n",
    "not JSON": f"{OK}\r\nContent-Type: application/json\r\n\r\n{{}}",
    "other JSON": f'{OK}\r\nContent-Type: application/json\r\n\r\n{{"data": "{{}}"}}',
    "vectors": f'{OK}\r\nContent-Type: application/json\r\n\r\n{{"data": [{{"embedding": ["{{}}"], "index": 0}}]}}',
    "event": f"{OK}\r\nContent-Type: text/event-stream\r\n\r\nevent: error\r\ndata: {json.dumps(_EVENT)}\r\n\r\n",
    "event that is not JSON": f"{OK}\r\nContent-Type: text/event-stream\r\n\r\ndata: {{}}\r\n\r\n",
    **{
        f"error {status}": f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n\r\n{json.dumps(_ERROR)}"
        for status in (400, 401, 403, 404, 429, 500)
    },
}
"""Raw responses by where the key is: `{}` stands for it with control characters, `KEY` without."""


@dataclass
class EchoingProvider:
    """A running provider. Every request gets `response`."""

    url: str
    response: str = ""
    requests: int = 0


@contextmanager
def echoing_provider() -> Iterator[EchoingProvider]:
    """Run a provider until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            key = self.headers.get("Authorization") or self.headers.get("x-api-key") or ""
            assert KEY in key
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            running.requests += 1
            with suppress(ConnectionError):
                response = running.response.replace("{}", key + ESCAPES).replace("KEY", key)
                self.wfile.write(response.encode())
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    running = EchoingProvider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # clients leave sockets of broken responses open
            gc.collect()


def assert_confidential(text: str) -> None:
    """Assert that a text has no part of the key, and nothing that can't be printed."""
    parts = [KEY[i : i + 8] for i in range(len(KEY) - 7)]
    assert not [part for part in parts if part in text], text
    assert text.replace("\n", "").isprintable(), ascii(text)
