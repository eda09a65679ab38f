"""Call WordPress's REST API (https://developer.wordpress.org/rest-api/)."""

import base64
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from headwater.errors import PermanentError, SystemicError, UpstreamError
from headwater.redaction import quote

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient, WebResponse

PER_PAGE = 100
DELAY_S = 0.1
"""Between two requests."""
T = TypeVar("T")


class Rendered(msgspec.Struct, frozen=True):
    """A field of a post as HTML."""

    rendered: str = ""
    protected: bool = False


class PostId(msgspec.Struct, frozen=True):
    """What every post has."""

    id: int


class PostSummary(msgspec.Struct, frozen=True):
    """What a listing needs of a post. `modified_gmt` has no time zone."""

    id: int
    link: str = ""
    modified_gmt: str | None = None


class Post(msgspec.Struct, frozen=True):
    """A post with its content. `_embedded` has its author and terms."""

    id: int
    link: str = ""
    date_gmt: str | None = None
    title: Rendered = Rendered()
    content: Rendered = Rendered()
    embedded: dict[str, Any] = msgspec.field(name="_embedded", default_factory=dict)


class Page(NamedTuple):
    """A page of posts, and how many there are on all pages; None if the server doesn't say.

    `unreadable` has the reasons for posts of another form, by id: plugins change what the API sends.
    """

    posts: list[Any]
    total: int | None
    unreadable: Mapping[int, str] = MappingProxyType({})

    @property
    def size(self) -> int:
        """How many posts are on the page."""
        return len(self.posts) + len(self.unreadable)


class WordPressApi:
    """Calls the API of one site. `secret` is `user:application password`, or None for what is public."""

    def __init__(self, web: "WebClient", url: str, secret: str | None, *, allow_plain: bool) -> None:
        self._web = web
        self._url = url.rstrip("/")
        self._origin = urlsplit(url)[:2]
        self._headers = {"Accept": "application/json"}
        self._root: str | None = None
        if secret:
            if urlsplit(url).scheme != "https" and not allow_plain:
                raise SystemicError("An application password is sent to addresses that start with https:// only.")
            user, colon, password = secret.strip().partition(":")
            if not colon or not user or not password:
                raise SystemicError("Enter the secret as user:application password.")
            encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"

    def page(self, post_type: str, kind: type[T], **parameters: Any) -> "Page":
        """Return a page of posts of a type; an empty one after the last."""
        answer = self._get(f"/wp/v2/{post_type}", parameters)
        if answer.status == 400 and parameters.get("page", 1) > 1:  # WordPress refuses pages after the last
            return Page([], None)
        if answer.status == 404:
            raise SystemicError(f"The site has no post type {post_type}. It has: {', '.join(self._types())}.")
        self._check(answer)
        total = answer.headers.get("x-wp-total", "")
        posts: list[T] = []
        unreadable: dict[int, str] = {}
        for one in self._decode(answer.content, list[msgspec.Raw]):
            try:
                posts.append(msgspec.json.decode(one, type=kind, strict=False))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                unreadable[self._decode(bytes(one), PostId).id] = (
                    f"The site describes the post wrongly ({quote(error)})."
                )
        return Page(posts, int(total) if total.isdecimal() and len(total) < 10 else None, unreadable)

    def _types(self) -> Sequence[str]:
        answer = self._get("/wp/v2/types", {})
        self._check(answer)
        types = self._decode(answer.content, dict[str, dict[str, Any]])
        return sorted(str(one.get("rest_base", name))[:50] for name, one in types.items())[:50]

    def _get(self, path: str, parameters: Mapping[str, Any]) -> "WebResponse":
        if self._root is None:
            self._root = self._find_root()
        separator = "&" if "?" in self._root else "?"
        query = f"{separator}{urlencode(parameters)}" if parameters else ""
        return self._request(f"{self._root}{path}{query}")

    def _find_root(self) -> str:
        """Return where the API is: at `/wp-json`, or for sites without permalinks in the query."""
        for root in (f"{self._url}/wp-json", f"{self._url}/?rest_route="):
            answer = self._request(f"{root}/")
            if answer.status in (401, 403):
                self._check(answer)
            if answer.status == 200 and answer.media_type == "application/json" and b"wp/v2" in answer.content:
                return root
        raise SystemicError(
            f"{self._url} has no REST API of WordPress, or it is switched off. Check the address, or collect the site "
            "as a web site."
        )

    def _request(self, url: str) -> "WebResponse":
        return self._web.get(url, self._headers, delay_s=DELAY_S, before_request=self._check_address)

    def _check_address(self, url: str) -> None:
        """Raise SystemicError for a redirect to another server, which must not get the password."""
        if "Authorization" in self._headers and urlsplit(url)[:2] != self._origin:
            raise SystemicError(f"{self._url} redirects to {quote(url)}. Enter the address that it redirects to.")

    def _check(self, answer: "WebResponse") -> None:
        if answer.status in (401, 403):
            raise SystemicError(
                f"{self._url} refuses the request (HTTP {answer.status}). Create an application password in the "
                "user's profile in WordPress, and enter it as user:application password."
            )
        if answer.status != 200:
            raise PermanentError(f"{self._url} answered with HTTP {answer.status} to a request of its REST API.")

    def _decode(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError(
                f"The answer of {self._url} is not what WordPress's REST API sends ({quote(error)})."
            ) from error
