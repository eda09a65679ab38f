"""The WordPress connector: published posts of the chosen types, by the REST API.

The cursor has the number of posts of each type and the newest change: while both are the same, nothing else is asked.
Else what has changed since is listed, and if then the numbers differ, the ids of all posts, so that deleted ones are
known. Every listing is complete.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from functools import cached_property
from html import unescape
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from functions.collection.connectors.entry_page import entry_page
from functions.collection.connectors.wordpress.api import PER_PAGE, Post, PostSummary, WordPressApi
from functions.collection.connectors.wordpress.config import WordPressConfig
from headwater.connectors import MAX_CURSOR_CHARS, MAX_KEY_BYTES, Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, PermanentError, UnprocessableContent, UpstreamError

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient

MAX_POSTS = 20_000
MAX_ATTEMPTS = 3
"""Listings of all posts, if posts are published or deleted meanwhile."""
FETCHED_TOGETHER = 20
_SUMMARY = "id,link,modified_gmt"
_CONTENT = "id,link,date_gmt,title,content,_links,_embedded"


class TypeState(msgspec.Struct, array_like=True):
    """Posts of a type by id: address and time of the last change. `total` is how many there are, as the server says."""

    total: int | None = None
    newest: str = ""
    posts: dict[int, tuple[str, str]] = {}


State = dict[str, TypeState]


class WordPressConnector(Connector[WordPressConfig]):
    """Reads WordPress sites."""

    title = "WordPress"
    help = "Collects the published posts and pages of a WordPress site by its REST API."
    config_type = WordPressConfig
    has_dates = True
    identity = ("url",)
    secret = Secret("Application password", "Only for what isn't public. Enter user:application password.")

    @cached_property
    def _web(self) -> "WebClient":
        return self.context.web()

    @classmethod
    def normalise(cls, config: WordPressConfig) -> WordPressConfig:
        """Check the types and write the address in its one form."""
        return config.normalised()

    def check(self, config: WordPressConfig, secret: str | None) -> None:
        """Ask for a post of each type."""
        try:
            api = self._api(config, secret)
            for post_type in config.types:
                api.page(post_type, PostSummary, per_page=1, _fields=_SUMMARY)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: WordPressConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the posts of all types."""
        api, before = self._api(config, secret), _decode(cursor)
        state = {one: _update(api, one, before.get(one)) for one in config.types}
        snapshot = self._stage(state)
        entries = [
            Entry(key, _fingerprint(state[kind], one), "text/html")
            for key, (kind, one) in _keys(state).items()
            if self._is_in_period(state[kind].posts[one][1])
        ]
        return Listing(snapshot, entries, cursor=_encode(state))

    def _is_in_period(self, modified: str) -> bool:
        """Whether a backfill lists a post: by its last change."""
        if self.context.period is None:
            return True
        try:
            return self.context.period.has(datetime.fromisoformat(modified))
        except ValueError:
            return False

    def fetch(
        self, config: WordPressConfig, secret: str | None, snapshot: str, entries: Sequence[Entry]
    ) -> Iterator[Fetched]:
        """Yield posts, several by one request."""
        api = self._api(config, secret)
        staged = self.context.blobs().get(self._blob_key(snapshot))
        state = _decode_state(staged) if staged else {one: _update(api, one, None) for one in config.types}
        places = _keys(state)
        by_type: dict[str, dict[int, str]] = {}
        for entry in entries:
            if entry.key in places:
                kind, post_id = places[entry.key]
                by_type.setdefault(kind, {})[post_id] = entry.key
            else:
                yield _missing(entry.key)
        for kind, keys in by_type.items():
            ids = list(keys)
            for start in range(0, len(ids), FETCHED_TOGETHER):
                yield from _fetch(api, kind, ids[start : start + FETCHED_TOGETHER], keys)

    def _api(self, config: WordPressConfig, secret: str | None) -> WordPressApi:
        return WordPressApi(self._web, config.url, secret, allow_plain=self.context.allow_private)

    def _stage(self, state: State) -> str:
        content = zlib.compress(msgspec.msgpack.encode(state), 1)
        snapshot = hashlib.sha256(content).hexdigest()[:40]
        self.context.blobs().put(self._blob_key(snapshot), content)
        return snapshot

    def _blob_key(self, snapshot: str) -> str:
        return f"{self.context.stage_prefix}/{snapshot}"


def _update(api: WordPressApi, kind: str, before: TypeState | None) -> TypeState:
    """Return the posts of a type."""
    page = api.page(kind, PostSummary, per_page=1, orderby="modified", order="desc", _fields=_SUMMARY)
    newest = (page.posts[0].modified_gmt or "") if page.posts else ""
    if before and page.total is not None and (page.total, newest) == (before.total, before.newest):
        return before
    if before and (since := _before(before.newest)):
        changed = _list(api, kind, modified_after=since)
        posts = before.posts | changed
        if len(posts) == page.total:
            return TypeState(page.total, newest, posts)
    return TypeState(page.total, newest, _list_all(api, kind))


def _list_all(api: WordPressApi, kind: str) -> dict[int, tuple[str, str]]:
    """List all posts, again if their number is not that which the server says: a deleted one shifts the pages."""
    seen: dict[int, tuple[str, str]] | None = None
    for _ in range(MAX_ATTEMPTS):
        posts = _list(api, kind)
        total = api.page(kind, PostSummary, per_page=1, _fields="id").total
        if total in (None, len(posts)) or posts == seen:
            return posts
        seen = posts
    raise UpstreamError(f"The {kind} changed while they were listed. Try again later.")


def _list(api: WordPressApi, kind: str, **parameters: Any) -> dict[int, tuple[str, str]]:
    posts: dict[int, tuple[str, str]] = {}
    for number in count(1):
        paging = {**parameters, "per_page": PER_PAGE, "page": number, "orderby": "id", "order": "asc"}
        page = api.page(kind, PostSummary, **paging, _fields=_SUMMARY)
        found = {post.id: (post.link, post.modified_gmt or "") for post in page.posts}
        if found.keys() <= posts.keys():  # no more, or a server that repeats a page
            return posts
        posts |= found
        if len(posts) > MAX_POSTS:
            raise PermanentError(f"The site has more than {MAX_POSTS:,} {kind}. Collect it as a web site.")
        if len(page.posts) < PER_PAGE:
            break
    return posts


def _before(moment: str) -> str | None:
    """Return the second before a time in UTC: several posts may be changed in one."""
    try:
        return f"{datetime.fromisoformat(moment) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}Z"
    except (ValueError, OverflowError):
        return None


def _fetch(api: WordPressApi, kind: str, ids: Sequence[int], keys: dict[int, str]) -> Iterator[Fetched]:
    """Yield posts by their ids; one by one if they are too large together."""
    from headwater.outbound.web_client import TooLarge

    include = ",".join(map(str, ids))
    try:
        page = api.page(kind, Post, include=include, per_page=len(ids), _embed="author,wp:term", _fields=_CONTENT)
    except TooLarge as error:
        if len(ids) > 1:
            for one in ids:
                yield from _fetch(api, kind, [one], keys)
        else:
            yield Fetched(keys[ids[0]], None, "text/html", error=error.message)
        return
    posts = {post.id: post for post in page.posts}
    for one in ids:
        yield _fetched(keys[one], posts[one]) if one in posts else _missing(keys[one])


def _fetched(key: str, post: Post) -> Fetched:
    url = post.link if urlsplit(post.link).scheme in ("http", "https") else None
    if post.content.protected:
        return Fetched(key, None, "text/html", url, error="The post is protected by a password of its own.")
    title = unescape(post.title.rendered).strip() or None
    published = f"{post.date_gmt}Z" if post.date_gmt else ""
    authors = [_name(one) for one in _items(post.embedded.get("author"))]
    tags = [_name(one) for terms in _items(post.embedded.get("wp:term")) for one in _items(terms)]
    content = entry_page(
        post.content.rendered,
        title=title or "",
        base=url or "",
        author=", ".join(filter(None, authors)),
        published=published,
        tags=[tag for tag in tags if tag],
    )
    return Fetched(key, content, "text/html", url, title=title)


def _missing(key: str) -> Fetched:
    return Fetched(key, None, "text/html", error="The post was deleted, or isn't public any more.")


def _items(value: Any) -> list[Any]:
    return value[:100] if isinstance(value, list) else []


def _name(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return unescape(name)[:200] if isinstance(name, str) else ""


def _keys(state: State) -> dict[str, tuple[str, int]]:
    """Return the posts by key: the path of the address, or else type and id."""
    keys: dict[str, tuple[str, int]] = {}
    for kind, posts in state.items():
        for post_id, (link, _) in sorted(posts.posts.items()):
            try:
                path = unquote(urlsplit(link).path).strip("/")
            except ValueError:
                path = ""
            is_usable = path.isprintable() and 0 < len(path.encode(errors="replace")) <= MAX_KEY_BYTES
            key = path if is_usable and path not in keys else f"{kind}/{post_id}"
            keys[key] = kind, post_id
    return keys


def _fingerprint(posts: TypeState, post_id: int) -> str:
    return hashlib.sha256("\n".join([str(post_id), *posts.posts[post_id]]).encode(errors="replace")).hexdigest()[:40]


def _encode(state: State) -> str | None:
    """Return a cursor, None if it would be too long: then all posts are listed each time."""
    cursor = base64.b85encode(zlib.compress(msgspec.msgpack.encode(state), 9)).decode()
    return cursor if len(cursor) <= MAX_CURSOR_CHARS else None


def _decode(cursor: str | None) -> State:
    return _decode_state(base64.b85decode(cursor)) if cursor else {}


def _decode_state(content: bytes) -> State:
    return msgspec.msgpack.decode(zlib.decompress(content), type=State)


CONNECTOR = WordPressConnector
