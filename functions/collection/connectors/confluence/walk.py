"""List what a Confluence site has, page by page: spaces, pages and blog posts, attachments, comments."""

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from functions.collection.connectors.api_client import ApiClient
from functions.collection.connectors.api_values import Refused, as_dict, as_list, as_text, path_part
from functions.collection.connectors.confluence.config import ConfluenceConfig
from functions.collection.connectors.media_types import has_text
from headwater.errors import SystemicError

PAGE_SIZE = 100
MAX_PAGES, MAX_ATTACHMENTS, MAX_COMMENTS = 50_000, 50_000, 200_000
KINDS = {"page": "pages", "blogpost": "blogposts"}


class FoundPage(msgspec.Struct, frozen=True, array_like=True):
    """A page or blog post. `modified` is the time of its version."""

    title: str
    parent: str
    kind: str
    space: str
    version: int
    modified: str


class FoundFile(msgspec.Struct, frozen=True, array_like=True):
    """An attachment of a page."""

    title: str
    page: str
    version: int
    modified: str
    media_type: str
    size: int


class Walk(msgspec.Struct):
    """A listing under way. `queue` has spaces (id or key, key) and what is still to be read of them.

    `start` is the cursor at which the first of the queue goes on. `restarted`: Confluence has refused a cursor of that
    list, which is read again from its beginning. `comments` are the ids of comments with their pages and versions.
    """

    queue: list[tuple[str, str, str]]
    start: str = ""
    restarted: bool = False
    found: dict[str, FoundPage] = {}
    files: dict[str, FoundFile] = {}
    comments: dict[str, tuple[str, int]] = {}

    def comment_versions(self) -> dict[str, str]:
        """Return a text for each page with comments, which is another one if they have changed."""
        versions: dict[str, list[str]] = {}
        for comment_id, (page, version) in sorted(self.comments.items()):
            versions.setdefault(page, []).append(f"{comment_id}.{version}")
        return {page: hashlib.sha256(" ".join(ids).encode()).hexdigest()[:12] for page, ids in versions.items()}


def begin(api: ApiClient, config: ConfluenceConfig) -> Walk:
    """Begin a listing: attachments and comments come after the pages that have them."""
    spaces = read_spaces(api, config)
    kinds = [*KINDS, *(["attachment"] if config.attachments else []), *(["comment"] if config.comments else [])]
    return Walk([(space_id, key, kind) for kind in kinds for space_id, key in spaces.items()])


def go_on(api: ApiClient, config: ConfluenceConfig, walk: Walk) -> None:
    """Read one page of results of the first of the queue. After a refused cursor, read its list again, once."""
    kind = walk.queue[0][2]
    try:
        answer = _read_pages(api, config, walk) if kind in KINDS else _search(api, config, walk)
    except Refused as error:
        if error.http_status != 400 or not walk.start or walk.restarted:
            raise
        walk.start, walk.restarted = "", True
        return
    following = next_start(config, answer, walk.start)
    if following and following != walk.start:
        walk.start = following
    else:
        walk.queue.pop(0)
        walk.start, walk.restarted = "", False


def read_spaces(api: ApiClient, config: ConfluenceConfig, **options: float) -> dict[str, str]:
    """Return the keys of the chosen spaces, by what the API calls them. Raises SystemicError if one isn't there."""
    found: dict[str, str] = {}
    start = ""
    path = "/api/v2/spaces" if config.is_cloud else "/rest/api/space"
    for _ in range(100):
        answer = as_dict(api.get_json(path, page_query(config, start), **options))
        for space in map(as_dict, as_list(answer.get("results"))):
            key = as_text(space.get("key"))
            if key and (not config.spaces or key in config.spaces):
                found[as_text(space.get("id")) or key if config.is_cloud else key] = key
        following = next_start(config, answer, start)
        if not following or following == start or (config.spaces and len(found) == len(set(config.spaces))):
            break
        start = following
    missing = sorted({*config.spaces} - {*found.values()})
    if missing or not found:
        what = f"the spaces {', '.join(missing)}" if missing else "any space"
        raise SystemicError(f"The token's account can't see {what}. Check the keys and the account's permissions.")
    return found


def _read_pages(api: ApiClient, config: ConfluenceConfig, walk: Walk) -> dict[str, Any]:
    space_id, key, kind = walk.queue[0]
    query = {**page_query(config, walk.start), "status": "current"}
    if config.is_cloud:
        path = f"/api/v2/spaces/{path_part(space_id)}/{KINDS[kind]}"
    else:
        path = "/rest/api/content"
        query |= {"spaceKey": key, "type": kind, "expand": "version,ancestors"}
    answer = as_dict(api.get_json(path, query))
    for page in map(as_dict, as_list(answer.get("results"))):
        page_id, version = as_text(page.get("id")), as_dict(page.get("version"))
        number = version.get("number")
        if not page_id.isdecimal() or not isinstance(number, int) or page.get("status", "current") != "current":
            continue
        if len(walk.found) >= MAX_PAGES:
            raise SystemicError(f"The spaces have more than {MAX_PAGES:,} pages. Choose fewer.")
        ancestors = as_list(page.get("ancestors"))
        parent = as_text(page.get("parentId")) or as_text(as_dict(ancestors[-1] if ancestors else None).get("id"))
        modified = as_text(version.get("createdAt")) or as_text(version.get("when"))
        walk.found[page_id] = FoundPage(as_text(page.get("title")), parent, kind, key, number, modified)
    return answer


def _search(api: ApiClient, config: ConfluenceConfig, walk: Walk) -> dict[str, Any]:
    """Read attachments or comments of a space by search, in both editions (Atlassian, "Advanced search with CQL")."""
    _, key, kind = walk.queue[0]
    answer = search(
        api, config, f"type = {kind} and space = {cql_text(key)}", walk.start, "version,container,extensions"
    )
    for item in map(as_dict, as_list(answer.get("results"))):
        item_id, version = as_text(item.get("id")), as_dict(item.get("version"))
        page, number = as_text(as_dict(item.get("container")).get("id")), version.get("number")
        if page not in walk.found or not isinstance(number, int) or not item_id.removeprefix("att").isdecimal():
            continue
        if kind == "comment":
            if len(walk.comments) >= MAX_COMMENTS:
                raise SystemicError(f"The spaces have more than {MAX_COMMENTS:,} comments. Choose fewer spaces.")
            walk.comments[item_id] = page, number
            continue
        if len(walk.files) >= MAX_ATTACHMENTS:
            raise SystemicError(f"The spaces have more than {MAX_ATTACHMENTS:,} attachments. Choose fewer spaces.")
        extensions = as_dict(item.get("extensions"))
        media_type, size = as_text(extensions.get("mediaType")).lower()[:200], extensions.get("fileSize")
        modified = as_text(version.get("when"))[:40]
        size = size if isinstance(size, int) else 0
        file = FoundFile(as_text(item.get("title")), page, number, modified, media_type, size)
        if has_text(media_type):
            walk.files[item_id] = file
    return answer


def search(api: ApiClient, config: ConfluenceConfig, cql: str, start: str, expand: str) -> dict[str, Any]:
    """Return one page of the contents that a query finds."""
    query = {"cql": cql, "expand": expand, **page_query(config, start)}
    return as_dict(api.get_json("/rest/api/content/search", query))


def cql_text(text: str) -> str:
    r"""Return a text as a literal of a query.

    >>> print(cql_text('a"b'))
    "a\"b"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def page_query(config: ConfluenceConfig, start: str) -> dict[str, Any]:
    """Return the parameters for a page of results that begins at `start`."""
    name = "cursor" if config.is_cloud else "start"
    return {"limit": PAGE_SIZE, **({name: start} if start else {})}


def next_start(config: ConfluenceConfig, answer: dict[str, Any], start: str) -> str:
    """Return where the next page of results begins: Cloud has a cursor in the link to it, Data Center counts."""
    link = as_text(as_dict(answer.get("_links")).get("next"))
    if not link:
        return ""
    if config.is_cloud:
        return parse_qs(urlsplit(link).query).get("cursor", [""])[0][:2_000]
    count = len(as_list(answer.get("results")))
    return str(int(start or 0) + count) if count else ""
