"""The HTTP request of a task or scheduled job: reads and checks the `HttpRequest` or `HttpTarget` message.

Cloud Tasks and Cloud Scheduler have the same rules and nearly the same error messages; the names of messages and fields
are parameters.
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

# Headers that clients cannot set: set by the service, or specific to a connection.
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
    """A request to make later, with an OIDC or OAuth identity or none; without the headers that the service sets."""

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
        """Size that counts towards the limit of a task or job."""
        return len(self.url) + _size_bytes(self.headers) + len(self.body)


def read_http_request(message: Message, *, message_name: str, url_field: str, with_oauth: bool) -> HttpRequest:
    """Read and check a message; `message_name` (HttpRequest, HttpTarget) and `url_field` are used in errors."""
    with message:
        if not with_oauth:
            message.unsupported("oauthToken", f"{message_name}.oauthToken")
        url = message.string(url_field)
        method = message.enum_value("httpMethod", HttpMethod)
        headers = message.string_map("headers")
        body = message.base64_bytes("body")
        oidc_email, audience = _read_token(message.message("oidcToken"), "OidcToken", "audience")
        oauth_email, scope = _read_token(message.message("oauthToken"), "OAuthToken", "scope")
    if oidc_email and oauth_email:
        raise invalid(f"{message_name} can have an oidcToken or an oauthToken, not both.")
    if method is HttpMethod.HTTP_METHOD_UNSPECIFIED:
        method = HttpMethod.POST
    if body and method not in (HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH):
        raise invalid(f"{message_name}.body is allowed only if the HTTP method is POST, PUT, or PATCH.")
    _check_url(url, f"{message_name}.{url_field}")
    _check_headers(headers, f"{message_name}.headers")
    allowed = {name: value for name, value in headers.items() if not _RESERVED_HEADER.fullmatch(name)}
    audience = (audience or url) if oidc_email else ""
    return HttpRequest(url, method, allowed, body, oidc_email, audience, oauth_email, scope)


def sent_headers(request: HttpRequest, user_agent: str, now: float) -> dict[str, str]:
    """Return the client's headers, `User-Agent` and, for a request with an identity, `Authorization` (issued `now`)."""
    headers = {**request.headers, "User-Agent": user_agent}
    token = ACCESS_TOKEN if request.oauth_email else ""
    if request.oidc_email:
        token = id_token(request.oidc_email, request.oidc_audience, now)
    if token:
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        headers["Authorization"] = f"Bearer {token}"
    return headers


def encoded_url(url: str) -> str:
    """Percent-encode the characters that a request line cannot contain; drop the fragment."""
    return quote(url.partition("#")[0], safe="%:/?&=+$,;@!'()*[]~")


def _read_token(message: Message | None, message_name: str, field: str) -> tuple[str, str]:
    """Return the service account and the audience or scope (`field`); two empty strings without a token."""
    if message is None:
        return "", ""
    with message:
        email, value = message.string("serviceAccountEmail"), message.string(field)
    if not email:
        raise invalid(f"{message_name}.serviceAccountEmail is required.")
    return email, value


def _check_url(url: str, field: str) -> None:
    if not url:
        raise invalid(f"{field} is required.")
    if not url.startswith(("http://", "https://")):
        raise invalid("HttpTarget.url must start with 'http://' or 'https://'.")
    try:
        parts = urlsplit(encoded_url(url))
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise invalid(f"{field} is not a valid URL.")
    if len(encoded_url(url)) > MAX_URL_CHARS:
        raise invalid(f"{field} must be at most {MAX_URL_CHARS} characters after encoding.")


def _check_headers(headers: dict[str, str], field: str) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise invalid(f"{field} has an invalid header: {name[:80]!r}.")
    if _size_bytes(headers) >= MAX_HEADERS_BYTES:
        raise invalid(f"The size of {field} must be less than 80KB.")


def _size_bytes(headers: dict[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in headers.items())
