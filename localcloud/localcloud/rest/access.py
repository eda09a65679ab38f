"""Who may call: clients that have the token. Requests of web pages are rejected even with it.

Only the user of localcloud can read the token, so other users of the machine can call no method. Errors: ApiError.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from localcloud.http1 import Head
from localcloud.rest.router import ApiError

MAX_BODY_BYTES = 10 * 1024 * 1024  # as Google limits REST requests

# Public DNS has no names with these suffixes, so DNS rebinding cannot use them.
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".test")


def check_token(authorization: str, token: str) -> None:
    """Raise UNAUTHENTICATED unless an Authorization header has the token."""
    scheme, _, sent = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(sent.strip().encode(), token.encode()):
        raise ApiError(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Send localcloud's token, which is in the file `token` of "
            "its data folder or in its --token-file: `Authorization: Bearer …`.",
        )


def check_not_a_page(head: Head) -> None:
    """Raise PERMISSION_DENIED if a web page may have sent a request."""
    if "origin" in head.headers:
        # Only browsers send Origin. Otherwise any web page could send requests into this machine's network.
        raise ApiError("PERMISSION_DENIED", "localcloud rejects requests of web pages (with an Origin header).")
    if head.first_line[1].startswith("/") and not _is_private(head.headers.get("host", "localhost")):
        # DNS rebinding: a web page whose name resolves to this machine sends no Origin with GET.
        raise ApiError("PERMISSION_DENIED", "localcloud accepts only private host names, such as localhost.")


def _is_private(host: str) -> bool:
    """Return True for an IP address, a name without dots or a name with a private suffix."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_SUFFIXES)
    return True
