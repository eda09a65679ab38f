"""Connect to a host that a user has entered: its address is checked when the connection is made, as for HTTP."""

import socket

from headwater.outbound.addresses import classify, resolve
from headwater.outbound.proxy import open_tunnel
from headwater.outbound.sockets import LimitedSocket, Lookup, Options, open_socket

_MAX_ADDRESSES = 3  # tried in turn, each with the full connect time-out


def connect_guarded(
    host: str,
    port: int,
    *,
    allow_private: bool,
    timeout_s: float | None,
    through: str = "",
    lookup: Lookup = socket.getaddrinfo,
    options: Options = (),
) -> LimitedSocket:
    """Connect to one of a host's addresses, all of which are checked. `through` is the URL of a proxy.

    Raises AddressRefused, socket.gaierror if the name is unknown, TimeoutError or another OSError.
    """
    addresses = resolve(host, port, allow_private=allow_private, timeout_s=timeout_s, lookup=lookup)
    failure = OSError("The host has no address.")
    for address in addresses[:_MAX_ADDRESSES]:
        try:
            if through:
                return open_tunnel(through, address, port, timeout_s)
            return open_socket((address, port), timeout_s, options=options)
        except OSError as error:
            failure = error
    raise failure


def is_public(sock: socket.socket) -> bool:
    """Return True if a socket is connected to a public address."""
    return classify(str(sock.getpeername()[0])) == "public"
