"""Guard against server-side request forgery (SSRF): look a host up and check all of its addresses."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from headwater import logs
from headwater.errors import PermanentError
from headwater.outbound.sockets import Lookup, look_up
from headwater.redaction import quote

Address = IPv4Address | IPv6Address
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


def resolve(
    host: str,
    port: int,
    *,
    allow_private: bool,
    timeout_s: float | None = None,
    lookup: Lookup = socket.getaddrinfo,
) -> list[str]:
    """Resolve a host name and check all of its addresses.

    Returns addresses as text, in the resolver's order. Raises AddressRefused if any address is not allowed (even if
    others are public), socket.gaierror if the name is unknown, TimeoutError.
    """
    infos = look_up(host.strip("[]"), port, timeout_s, lookup)
    addresses = list(dict.fromkeys(str(info[-1][0]) for info in infos))
    for address in addresses:
        kind = classify(address)
        if kind == "public" or (allow_private and kind in ("private", "loopback")):
            continue
        # Only the log says which address: it may be of an internal name, which the caller may not look up.
        logs.event("address.refused", severity=30, host=host, address=address, kind=kind)
        if allow_private:
            raise AddressRefused(f"{quote(host)} has an address that Headwater never connects to.")
        raise AddressRefused(
            f"The address of {quote(host)} is not public. This installation fetches from public addresses only "
            "(FETCH_PRIVATE)."
        )
    return addresses
