"""HTTP targets, the same for Cloud Tasks and Cloud Scheduler: a request that a client describes and that is made later.

In flows a message of the API (`HttpRequest` of a task, `HttpTarget` of a scheduled job), out flows a checked
`HttpRequest`. The two APIs have the same rules in nearly the same words; what they call things is a parameter.
"""

import enum
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from localcloud.rest.protojson import Message
from localcloud.rest.router import invalid
from localcloud.targets.id_tokens import ACCESS_TOKEN, id_token

MAX_HEADERS_BYTES = 80 * 1024
MAX_URL_CHARS = 2083

# Headers that a client can't set: the service computes them, or they belong to the connection.
_RESERVED_HEADER = re.compile(
    r"host|content-length|user-agent|connection|keep-alive|transfer-encoding|te|upgrade|expect|"
    r"x-(google|appengine|cloudtasks|cloudscheduler)(-.*)?",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class HttpMethod(enum.Enum):
    """HttpMethod."""

    HTTP_METHOD_UNSPECIFIED = 0
    POST = 1
    GET = 2
    HEAD = 3
    PUT = 4
    DELETE = 5
    PATCH = 6
    OPTIONS = 7


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The request to make; `headers` without those that the service sets itself, at most one of the two identities."""

    url: str
    method: HttpMethod
    headers: dict[str, str]
    body: bytes
    oidc_email: str
    oidc_audience: str
    oauth_email: str = ""
    oauth_scope: str = ""

    @property
    def size_bytes(self) -> int:
        """What counts against the limits of its owner."""
        return len(self.url) + _size_bytes(self.headers) + len(self.body)


def read_http_request(message: Message, *, what: str, url_field: str, with_oauth: bool) -> HttpRequest:
    """Check the message `what` (HttpRequest, HttpTarget), whose URL is in the field `url_field`."""
    with message:
        if not with_oauth:
            message.unsupported("oauthToken", f"{what}.oauthToken")
        url = message.string(url_field)
        method = message.choice("httpMethod", HttpMethod)
        headers = message.texts("headers")
        body = message.octets("body")
        oidc_email, audience = _read_token(message.message("oidcToken"), "OidcToken", "audience")
        oauth_email, scope = _read_token(message.message("oauthToken"), "OAuthToken", "scope")
    if oidc_email and oauth_email:
        raise invalid(f"{what} can have an oidcToken or an oauthToken, not both.")
    if method is HttpMethod.HTTP_METHOD_UNSPECIFIED:
        method = HttpMethod.POST
    if body and method not in (HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH):
        raise invalid(f"{what}.body is allowed only if the HTTP method is POST, PUT, or PATCH.")
    _check_url(url, f"{what}.{url_field}")
    _check_headers(headers, f"{what}.headers")
    kept = {name: value for name, value in headers.items() if not _RESERVED_HEADER.fullmatch(name)}
    audience = (audience or url) if oidc_email else ""
    return HttpRequest(url, method, kept, body, oidc_email, audience, oauth_email, scope)


def sent_headers(request: HttpRequest, user_agent: str, now: float) -> dict[str, str]:
    """Return the headers of a request made `now`: the client's, `User-Agent` and, with an identity, `Authorization`."""
    headers = {**request.headers, "User-Agent": user_agent}
    token = ACCESS_TOKEN if request.oauth_email else ""
    if request.oidc_email:
        token = id_token(request.oidc_email, request.oidc_audience, now)
    if token:
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        headers["Authorization"] = f"Bearer {token}"
    return headers


def encoded_url(url: str) -> str:
    """Return a URL with the characters percent-encoded that a request line can't carry, and nothing else changed."""
    return quote(url.partition("#")[0], safe="%:/?&=+$,;@!'()*[]~")


def _read_token(message: Message | None, what: str, purpose: str) -> tuple[str, str]:
    """Return the account and what its token is for, both '' without a token."""
    if message is None:
        return "", ""
    with message:
        email, value = message.string("serviceAccountEmail"), message.string(purpose)
    if not email:
        raise invalid(f"{what}.serviceAccountEmail is required.")
    return email, value


def _check_url(url: str, what: str) -> None:
    if not url:
        raise invalid(f"{what} is required.")
    if not url.startswith(("http://", "https://")):
        raise invalid("HttpTarget.url must start with 'http://' or 'https://'.")
    try:
        parts = urlsplit(encoded_url(url))
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise invalid(f"{what} is not a valid URL.")
    if len(encoded_url(url)) > MAX_URL_CHARS:
        raise invalid(f"{what} must be at most {MAX_URL_CHARS} characters after encoding.")


def _check_headers(headers: dict[str, str], what: str) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise invalid(f"{what} has an invalid header: {name[:80]!r}.")
    if _size_bytes(headers) >= MAX_HEADERS_BYTES:
        raise invalid(f"The size of {what} must be less than 80KB.")


def _size_bytes(headers: dict[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in headers.items())
