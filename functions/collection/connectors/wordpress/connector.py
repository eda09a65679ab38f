"""The WordPress connector: published posts of the chosen types, by the REST API.

The cursor has the posts of the last listing. Every listing is complete; that of a large site takes several steps.
"""

import base64
import hashlib
import time
import zlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from functions.collection.connectors.entry_page import entry_page
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.wordpress.api import Post, PostSummary, WordPressApi
from functions.collection.connectors.wordpress.config import WordPressConfig
from functions.collection.connectors.wordpress.walk import SUMMARY, State, TypeState, Walk, go_on
from functions.collection.wordpress_export import plain_title
from headwater.connectors import MAX_CURSOR_CHARS, MAX_KEY_BYTES, Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, UnprocessableContent

if TYPE_CHECKING:
    from headwater.outbound.web_client import WebClient

SLICE_S = 60.0
"""Time for one step of a listing."""
FETCHED_TOGETHER = 20
_CONTENT = "id,link,date_gmt,title,content,_links,_embedded"


class WordPressConnector(Connector[WordPressConfig]):
    """Reads WordPress sites."""

    title = "WordPress"
    help = "Collects the published posts and pages of a WordPress site by its REST API."
    config_type = WordPressConfig
    has_dates = True
    identity = ("url",)
    secret = Secret("Application password", "Only for content that isn't public. Enter user:application password.")

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
                api.page(post_type, PostSummary, per_page=1, _fields=SUMMARY)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: WordPressConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List posts for a while. Returns the listing, or where the next step goes on."""
        api, until = self._api(config, secret), time.monotonic() + SLICE_S
        walk = staged_listing(self.context, cursor, Walk) or Walk([*config.types], _decode(cursor))
        while walk.todo:
            go_on(api, walk)
            if walk.todo and time.monotonic() > until:
                return Listing("", [], complete=False, resume=stage_listing(self.context, walk))
        state = walk.listed
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
        places = _keys(_decode_state(staged) if staged else _list_again(api, config.types))
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


def _list_again(api: WordPressApi, types: Sequence[str]) -> State:
    """List all posts for a later run, when what the listing has staged is gone."""
    walk = Walk([*types])
    while walk.todo:
        go_on(api, walk)
    return walk.listed


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
        if one in page.unreadable:
            yield Fetched(keys[one], None, "text/html", error=page.unreadable[one])
        else:
            yield _fetched(keys[one], posts[one]) if one in posts else _missing(keys[one])


def _fetched(key: str, post: Post) -> Fetched:
    url = post.link if urlsplit(post.link).scheme in ("http", "https") else None
    if post.content.protected:
        return Fetched(key, None, "text/html", url, error="The post is protected by a password of its own.")
    title = plain_title(post.title.rendered) or None
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
