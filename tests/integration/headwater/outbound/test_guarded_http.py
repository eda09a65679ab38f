"""The guard with real sockets: connections go to the address that was checked, and TLS and Host stay the URL's."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headwater.outbound.addresses import AddressRefused
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.sockets import Lookup


class Handler(BaseHTTPRequestHandler):
    """Answers with the Host header; /to/URL redirects to URL."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", unquote(self.path.removeprefix("/to/")))
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Resolver:
    """Answers each question with the next address, the last one for good, and keeps the names asked for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def get(url: str, *, allow_private: bool, lookup: Lookup = socket.getaddrinfo, **options: Any) -> str:
    with guarded_http(allow_private=allow_private, timeout_s=5, lookup=lookup, **options) as http:
        return http.request("GET", url).data.decode()


def test_connection_uses_the_address_that_was_checked() -> None:
    resolver = Resolver("127.0.0.1", "10.255.255.1")  # what a second look would find
    with listening() as port:
        host = get(f"http://docs.example.org:{port}/", allow_private=True, lookup=resolver)
    assert host == f"docs.example.org:{port}"
    assert resolver.asked == ["docs.example.org"]


def test_private_address_is_rejected_before_connecting() -> None:
    with pytest.raises(AddressRefused, match="FETCH_PRIVATE"):
        get("http://docs.example.org/", allow_private=False, lookup=Resolver("192.168.0.7"))


@pytest.mark.parametrize("target", ["http://169.254.169.254/", "http://metadata.example/latest", "http://[fe80::1]/"])
def test_each_redirect_is_checked(target: str) -> None:
    resolver = Resolver("127.0.0.1", "169.254.169.254")
    with listening() as port, pytest.raises(AddressRefused, match="never connects to"):
        get(f"http://docs.example.org:{port}/to/{target}", allow_private=True, lookup=resolver)


def test_proxy_environment_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with listening() as port:
        assert get(f"http://127.0.0.1:{port}/", allow_private=True) == f"127.0.0.1:{port}"


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for a name; returns what a server that has it and a client that trusts it need."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def test_tls_verifies_the_host_of_the_url(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "docs.example.org")
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    with listening(server) as port:
        url, resolver = f"https://docs.example.org:{port}/", Resolver("127.0.0.1")
        host = get(url, allow_private=True, lookup=resolver, ssl_context=client)
        assert host == f"docs.example.org:{port}"
        assert asked == ["docs.example.org"]
        with pytest.raises(urllib3.exceptions.MaxRetryError, match=r"doesn't match|not valid for"):
            get(url.replace("docs", "other"), allow_private=True, lookup=resolver, ssl_context=client)
        with pytest.raises(urllib3.exceptions.MaxRetryError, match="self-signed"):
            get(url, allow_private=True, lookup=resolver)
