"""List the posts of a WordPress site, page by page: only what has changed, or all posts.

While the number of posts of a type and its newest change are the same, nothing else is asked. Else what has changed
since is listed, and if then the numbers differ, all posts, so that deleted ones are known.
"""

from datetime import datetime, timedelta

import msgspec

from functions.collection.connectors.wordpress.api import PER_PAGE, PostSummary, WordPressApi
from headwater.errors import PermanentError, UpstreamError

MAX_POSTS = 20_000
MAX_ATTEMPTS = 3
"""Listings of all posts, if posts are published or deleted meanwhile."""
SUMMARY = "id,link,modified_gmt"


class TypeState(msgspec.Struct, array_like=True):
    """Posts of a type by id: address and time of the last change. `total` is how many there are, as the server says."""

    total: int | None = None
    newest: str = ""
    posts: dict[int, tuple[str, str]] = {}


State = dict[str, TypeState]


class Scan(msgspec.Struct):
    """The type that is being listed: `found` are the posts of `pages`. `since` lists changes, "" all posts.

    `previous` is what an earlier listing of all posts has found, whose number was another one than the server says.
    """

    found: TypeState
    since: str = ""
    pages: int = 0
    attempts: int = 1
    previous: dict[int, tuple[str, str]] | None = None


class Walk(msgspec.Struct):
    """A listing under way: the types that are still to be listed, and those that are listed."""

    todo: list[str]
    before: State = {}
    listed: State = {}
    scan: Scan | None = None


def go_on(api: WordPressApi, walk: Walk) -> None:
    """Send the next request of a listing, or the last ones of a type."""
    kind = walk.todo[0]
    before = walk.before.get(kind)
    if walk.scan is None:
        found = _newest(api, kind)
        if before and found.total is not None and (found.total, found.newest) == (before.total, before.newest):
            _end(walk, before)
        else:
            walk.scan = Scan(found, since=_before(before.newest) if before else "")
        return
    if _read_page(api, kind, walk.scan):
        _end_scan(api, walk, walk.scan, before)


def _end_scan(api: WordPressApi, walk: Walk, scan: Scan, before: TypeState | None) -> None:
    """End a type, or list all its posts: a deleted post shifts the pages of a listing."""
    kind, found = walk.todo[0], scan.found
    if before and scan.since:
        found.posts = before.posts | found.posts
        if len(found.posts) == found.total:
            _end(walk, found)
        else:
            walk.scan = Scan(TypeState(found.total, found.newest))
        return
    total = api.page(kind, PostSummary, per_page=1, _fields="id").total
    if total in (None, len(found.posts)) or found.posts == scan.previous:
        _end(walk, found)
    elif scan.attempts >= MAX_ATTEMPTS:
        raise UpstreamError(f"The {kind} changed while they were listed. Try again later.")
    else:
        again = TypeState(found.total, found.newest)
        walk.scan = Scan(again, attempts=scan.attempts + 1, previous=found.posts)


def _end(walk: Walk, found: TypeState) -> None:
    walk.listed[walk.todo.pop(0)] = found
    walk.scan = None


def _newest(api: WordPressApi, kind: str) -> TypeState:
    page = api.page(kind, PostSummary, per_page=1, orderby="modified", order="desc", _fields=SUMMARY)
    return TypeState(page.total, (page.posts[0].modified_gmt or "") if page.posts else "")


def _read_page(api: WordPressApi, kind: str, scan: Scan) -> bool:
    """Read the next page. Returns whether it is the last."""
    paging = {"per_page": PER_PAGE, "page": scan.pages + 1, "orderby": "id", "order": "asc"}
    changes = {"modified_after": scan.since} if scan.since else {}
    page = api.page(kind, PostSummary, **changes, **paging, _fields=SUMMARY)
    posts = scan.found.posts
    found = {post.id: (post.link, post.modified_gmt or "") for post in page.posts} | dict.fromkeys(
        page.unreadable, ("", "")
    )
    is_repeated = found.keys() <= posts.keys()  # no more, or a server that repeats a page
    posts |= found
    scan.pages += 1
    if len(posts) > MAX_POSTS:
        raise PermanentError(f"The site has more than {MAX_POSTS:,} {kind}. Collect it as a web site.")
    return is_repeated or page.size < PER_PAGE


def _before(moment: str) -> str:
    """Return the second before a time in UTC: several posts may be changed in one. "" for no time."""
    try:
        return f"{datetime.fromisoformat(moment) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}Z"
    except (ValueError, OverflowError):
        return ""
