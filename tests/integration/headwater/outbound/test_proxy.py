"""Requests through a proxy: it gets checked addresses only, and its refusals are errors."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from urllib3.exceptions import HTTPError

from headwater.outbound.addresses import AddressRefused
from headwater.outbound.guarded_http import GuardedHttp, guarded_http
from tests.fakes.web_site import Page, web_site


@dataclass
class Proxy:
    """A proxy for tunnels on loopback. `answer` replaces its answer."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"

    def serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.heads.append(head.decode())
            client.sendall(self.answer)
            if b" 200 " not in self.answer:
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as server:
                while True:
                    for ready in select.select([client, server], [], [], 5)[0]:
                        if not (data := ready.recv(65_536)):
                            return
                        (server if ready is client else client).sendall(data)


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.url = f"http://ada:p%40ss@127.0.0.1:{listener.getsockname()[1]}"

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=proxy.serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield proxy


def client(proxy: Proxy, *, allow_private: bool = True) -> GuardedHttp:
    return guarded_http(allow_private=allow_private, timeout_s=5, proxy=proxy.url)


def test_proxy_gets_the_checked_address_and_the_server_its_name() -> None:
    with running_proxy() as proxy, web_site() as site:
        site.pages["/a"] = Page("through the tunnel")
        port = site.origin.rpartition(":")[2]
        with client(proxy) as http:
            assert http.request("GET", f"http://localhost:{port}/a").data == b"through the tunnel"
        [head] = proxy.heads
        assert head.splitlines()[0] in (f"CONNECT 127.0.0.1:{port} HTTP/1.1", f"CONNECT [::1]:{port} HTTP/1.1")
        assert "Proxy-Authorization: Basic YWRhOnBAc3M=" in head
        assert site.headers[0]["Host"] == f"localhost:{port}"


def test_refused_address_is_not_sent_to_the_proxy() -> None:
    with running_proxy() as proxy, client(proxy, allow_private=False) as http:
        for host in ("127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"):
            with pytest.raises(AddressRefused):
                http.request("GET", f"http://{host}/")
        assert proxy.heads == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused the connection .403 Forbidden"),
        (b"hello\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 503 ", "no complete answer"),
        (b"x" * 20_000, "no complete answer"),
    ],
)
def test_refusal_of_the_proxy_is_an_error(answer: bytes, reason: str) -> None:
    with running_proxy() as proxy, client(proxy) as http:
        proxy.answer = answer
        with pytest.raises(HTTPError, match=reason):
            http.request("GET", "http://127.0.0.1:9/")
