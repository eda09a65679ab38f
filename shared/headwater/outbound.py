"""HTTP client for URLs that users supply, guarded against server-side request forgery (SSRF).

The guard works at connect time: it resolves the host once, checks every address, and connects to one of the checked
addresses. DNS rebinding, redirects and unusual spellings (`http://0x7f.1`, `http://[::ffff:127.0.0.1]`) therefore can't
bypass it. The TLS server name and the Host header remain those of the URL.

Proxy settings of the environment (`HTTPS_PROXY` and others) are ignored: a proxy would resolve names without the check.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Literal

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from headwater import logs
from headwater.errors import PermanentError
from headwater.redaction import quote

Address = IPv4Address | IPv6Address
Lookup = Callable[..., Sequence[tuple[Any, ...]]]
"""Same signature as `socket.getaddrinfo`: host, port and `type`; returns tuples that end with a socket address."""
Kind = Literal["public", "private", "loopback", "link-local", "metadata", "multicast", "unspecified", "reserved"]

# Metadata services. Most are link-local; the others are AWS and Google over IPv6, Alibaba, Oracle, and Azure's wire
# server, which has a public address.
METADATA = frozenset(
    map(
        ip_address,
        ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
_SHARED = ip_network("100.64.0.0/10")  # carrier-grade NAT, RFC 6598; also Tailscale
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address
_V4_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated; contains an IPv4 address
_MAX_ADDRESSES = 3  # tried in turn, each with the full connect time-out
MAX_REDIRECTS = 5


class AddressRefused(PermanentError):
    """The host has an address that this installation does not connect to."""


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address embedded in an IPv6 address, if any."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def classify(text: str) -> Kind:
    """Classify an IP address; an IPv6 address with an embedded IPv4 address is classified as the latter."""
    address: Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = _embedded(address) or address
    if address in METADATA:
        return "metadata"
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    kinds: tuple[tuple[bool, Kind], ...] = (
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
        (address.is_unspecified, "unspecified"),
        (address.is_loopback, "loopback"),
        (address in _SHARED or site_local, "private"),
        (address.is_reserved, "reserved"),
        (not address.is_global, "private"),
    )
    return next((kind for applies, kind in kinds if applies), "public")


def resolve(host: str, port: int, *, allow_private: bool, lookup: Lookup = socket.getaddrinfo) -> list[str]:
    """Resolve a host name and check all of its addresses.

    Returns addresses as text, in the resolver's order. Raises AddressRefused if any address is not allowed (even if
    others are public), socket.gaierror if the name is unknown.
    """
    infos = lookup(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[-1][0]) for info in infos))
    for address in addresses:
        kind = classify(address)
        if kind == "public" or (allow_private and kind in ("private", "loopback")):
            continue
        # Only the log says which address: it may be of an internal name, which the caller may not look up.
        logs.event("address.refused", severity=30, host=host, address=address, kind=kind)
        if allow_private:
            raise AddressRefused(f"{quote(host)} has an address that Headwater never fetches from.")
        raise AddressRefused(
            f"The address of {quote(host)} is not public. This installation fetches from public addresses only "
            "(FETCH_PRIVATE)."
        )
    return addresses


class _GuardedConnection(HTTPConnection):
    """An HTTP connection to a checked address; raises the same errors as urllib3's own."""

    def __init__(
        self, *args: Any, allow_private: bool = False, lookup: Lookup = socket.getaddrinfo, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.allow_private = allow_private
        self.lookup = lookup

    def _new_conn(self) -> socket.socket:
        try:
            addresses = resolve(self._dns_host, self.port, allow_private=self.allow_private, lookup=self.lookup)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        last: OSError | None = None
        for address in addresses[:_MAX_ADDRESSES]:
            try:
                return create_connection((address, self.port), self.timeout, socket_options=self._options)
            except OSError as error:
                last = error
        if isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from last
        raise NewConnectionError(self, f"Failed to establish a new connection: {last}") from last

    @property
    def _options(self) -> list[tuple[int, int, int | bytes]]:
        return list(self.socket_options or ())


class _GuardedTLSConnection(_GuardedConnection, HTTPSConnection):
    """A guarded connection with TLS; HTTPSConnection verifies the certificate for the URL's host."""


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLSConnection


class GuardedHttp(PoolManager):
    """A urllib3 PoolManager with guarded connections."""

    def __init__(self, *, allow_private: bool, lookup: Lookup, **options: Any) -> None:
        super().__init__(**options)
        self._guard = {"allow_private": allow_private, "lookup": lookup}
        self.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTLSPool}

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        context = dict(self.connection_pool_kw if request_context is None else request_context)
        return super()._new_pool(scheme, host, port, {**context, **self._guard})


def guarded_http(
    *,
    allow_private: bool,
    timeout_s: float = 60.0,
    ssl_context: ssl.SSLContext | None = None,
    lookup: Lookup = socket.getaddrinfo,
) -> GuardedHttp:
    """Create the HTTP client for URLs that users supply.

    Follows at most MAX_REDIRECTS redirects, each one checked; drops `Authorization` on a redirect to another host. Does
    not retry: the ledger retries steps. `timeout_s` applies to each read; connecting may take up to 10 s.
    """
    retries = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=MAX_REDIRECTS)
    timeout = Timeout(connect=min(10.0, timeout_s), read=timeout_s)
    options = {"ssl_context": ssl_context} if ssl_context else {}
    return GuardedHttp(allow_private=allow_private, lookup=lookup, retries=retries, timeout=timeout, **options)
