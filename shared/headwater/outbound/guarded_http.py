"""HTTP client for URLs that users supply, guarded against server-side request forgery (SSRF), with time limits.

The guard works at connect time: it resolves the host once, checks every address, and connects to one of the checked
addresses. DNS rebinding, redirects and unusual spellings (`http://0x7f.1`, `http://[::ffff:127.0.0.1]`) therefore can't
bypass it. The TLS server name and the Host header remain those of the URL.

Proxy settings of the environment (`HTTPS_PROXY` and others) are ignored: a proxy would resolve names without the check.
A proxy that is set (`FETCH_PROXY`) gets the checked address: every connection is a tunnel through it (CONNECT).
"""

import socket
import ssl
from functools import cache
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from headwater.outbound.deadline import within
from headwater.outbound.guarded_socket import connect_guarded
from headwater.outbound.sockets import LimitedSocket, LimitedTLSSocket, Lookup, create_connection

_CONNECT_S = 10.0
MAX_REDIRECTS = 5


class LimitedConnection(HTTPConnection):
    """An HTTP connection that keeps the applied deadline; raises the same errors as urllib3's own."""

    def _new_conn(self) -> socket.socket:
        try:
            return self._connect()
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

    def _connect(self) -> LimitedSocket:
        address = self._dns_host.strip("[]"), self.port
        return create_connection(address, self.timeout, self.source_address, options=self.socket_options or ())


class LimitedTLSConnection(LimitedConnection, HTTPSConnection):
    """The same with TLS; HTTPSConnection verifies the certificate for the URL's host."""

    def connect(self) -> None:
        """Connect and do the TLS handshake."""
        if self.ssl_context is None:
            has_own_certificates = self.ca_certs or self.ca_cert_dir or self.ca_cert_data
            self.ssl_context = create_urllib3_context() if has_own_certificates else shared_tls_context()
        self.ssl_context.sslsocket_class = LimitedTLSSocket
        super().connect()


def shared_tls_context() -> ssl.SSLContext:
    """Return the context of all HTTPS clients, as `headwater.outbound.sockets.tls_context` does for others.

    urllib3 sets the protocols in it that HTTPS clients offer; a mail server would refuse them.
    """
    return _tls_context(ssl.get_default_verify_paths())


@cache
def _tls_context(_paths: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_default_certs()
    return context


class _GuardedConnection(LimitedConnection):
    """A connection to a checked address."""

    def __init__(
        self,
        *args: Any,
        allow_private: bool = False,
        lookup: Lookup = socket.getaddrinfo,
        through: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.allow_private = allow_private
        self.lookup = lookup
        self.through = through

    def _connect(self) -> LimitedSocket:
        return connect_guarded(
            self._dns_host,
            self.port,
            allow_private=self.allow_private,
            timeout_s=self.timeout,
            through=self.through,
            lookup=self.lookup,
            options=self.socket_options or (),
        )


class _GuardedTLSConnection(_GuardedConnection, LimitedTLSConnection):
    """The same with TLS."""


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLSConnection


class GuardedHttp(PoolManager):
    """A urllib3 PoolManager with guarded connections."""

    def __init__(
        self,
        *,
        allow_private: bool,
        lookup: Lookup,
        timeout_s: float,
        connect_s: float = _CONNECT_S,
        through: str = "",
        **options: Any,
    ) -> None:
        super().__init__(timeout=Timeout(connect=min(connect_s, timeout_s), read=timeout_s), **options)
        self._timeout_s = timeout_s
        self._guard = {"allow_private": allow_private, "lookup": lookup, "through": through}
        self.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTLSPool}

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        context = dict(self.connection_pool_kw if request_context is None else request_context)
        return super()._new_pool(scheme, host, port, {**context, **self._guard})

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:  # type: ignore[override]
        """Send a request and read the response within the client's time-out, redirects included."""
        with within(self._timeout_s):
            return super().urlopen(method, url, redirect, **options)


def guarded_http(
    *,
    allow_private: bool,
    timeout_s: float = 60.0,
    connect_s: float = _CONNECT_S,
    ssl_context: ssl.SSLContext | None = None,
    lookup: Lookup = socket.getaddrinfo,
    user_agent: str = "Headwater",
    proxy: str = "",
) -> GuardedHttp:
    """Create the HTTP client for URLs that users supply. `proxy` is the URL of a proxy to connect through.

    Follows at most MAX_REDIRECTS redirects, each one checked; drops `Authorization` on a redirect to another host. Does
    not retry: the ledger retries steps. `timeout_s` is for the whole exchange. A body that is not preloaded is read
    later: `timeout_s` then limits each read; `headwater.outbound.deadline` limits them together.
    """
    retries = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS)
    options: dict[str, Any] = {"headers": {"User-Agent": user_agent}}
    options |= {"ssl_context": ssl_context} if ssl_context else {}
    return GuardedHttp(
        allow_private=allow_private,
        lookup=lookup,
        timeout_s=timeout_s,
        connect_s=connect_s,
        through=proxy,
        retries=retries,
        **options,
    )
