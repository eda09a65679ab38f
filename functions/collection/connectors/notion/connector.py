"""The Notion connector: pages and rows of databases that are shared with an integration, as Markdown.

A listing searches all pages and data sources and reads the rows of each data source; only changed pages are fetched.
Notion's search may miss pages: one that is missing is removed when Notion says that it is gone.
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from functions.collection.connectors.api_client import ApiClient, ApiService, host_of
from functions.collection.connectors.api_values import Refusal, Refused, as_dict, as_list, as_text, path_part
from functions.collection.connectors.notion.blocks import Block, page_address, write_blocks
from functions.collection.connectors.notion.properties import front_matter, page_title, properties
from functions.collection.connectors.notion.walk import (
    Walk,
    decode_cursor,
    encode_cursor,
    fingerprint,
    read_id,
    read_object,
    read_time,
)
from functions.collection.connectors.page_paths import page_keys
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.web_address import normalise_web_address
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent

API_VERSION = "2025-09-03"
DELAY_S = 0.34
"""Between two requests: Notion allows three a second (Notion API, "Request limits")."""
SLICE_S, BATCH_S, CHECK_S = 60.0, 120.0, 4.0
PAGE_SIZE = 100
MAX_PAGES = 50_000
MAX_DEPTH, MAX_BLOCKS, MAX_REQUESTS = 8, 5_000, 300
"""Of one page."""
MAX_CHECKS = 100
"""Pages that a search has missed, and that are asked for one by one."""
_SHARE = "In Notion, open a page, choose ••• and Connections, and add the integration."


class NotionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the API is."""

    url: Annotated[
        str, Meta(title="Address of the API", description="Only for a proxy or a test server: keep the default.")
    ] = "https://api.notion.com/"


class NotionConnector(Connector[NotionConfig]):
    """Reads a Notion workspace."""

    title = "Notion"
    help = "Collects the pages and databases that are shared with an integration of your Notion workspace."
    config_type = NotionConfig
    identity = ("url",)
    secret = Secret(
        "Integration token", f"Create an internal integration at notion.so/my-integrations. {_SHARE}", required=True
    )
    has_dates = True

    @classmethod
    def normalise(cls, config: NotionConfig) -> NotionConfig:
        """Write the address in its one form."""
        return NotionConfig(normalise_web_address(config.url))

    def check(self, config: NotionConfig, secret: str | None) -> None:
        """Ask who the token belongs to, and whether it can read any page."""
        try:
            api = self._api(config, secret)
            api.get_json("/v1/users/me", timeout_s=CHECK_S)
            found = as_dict(api.post_json("/v1/search", {"page_size": 1}, timeout_s=CHECK_S))
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error
        if not as_list(found.get("results")):
            raise UnprocessableContent(f"No page is shared with this integration. {_SHARE}")

    def list(self, config: NotionConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """Search for a while. Returns the listing, or where the next step goes on."""
        until = time.monotonic() + SLICE_S
        api = self._api(config, secret)
        walk = staged_listing(self.context, cursor, Walk)
        if walk is None:
            walk = Walk(["page", "data_source"], previous=decode_cursor(cursor))
        while walk.queue:
            _read_list(api, walk)
            if walk.queue and time.monotonic() > until:
                return Listing("", [], complete=False, resume=stage_listing(self.context, walk))
        if self.context.period is None:
            _check_missing(api, walk)
        return self._listing(walk)

    def fetch(
        self,
        config: NotionConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - Notion has no snapshots
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield pages with their properties as front matter."""
        api, began = self._api(config, secret), time.monotonic()
        for entry in entries:
            if time.monotonic() - began > BATCH_S and len(entries) > 1:
                raise PermanentError(f"The pages of the batch took longer than {BATCH_S:g} s.")
            try:
                yield _fetch_page(api, entry)
            except Refused as error:
                yield Fetched(entry.key, None, "text/markdown", error=error.message)

    def _listing(self, walk: Walk) -> Listing:
        period, now = self.context.period, dt.datetime.now(dt.UTC)
        pages = {page_id: page for page_id, page in walk.found.items() if page.edited}
        keys = page_keys(walk.nodes(), pages)
        entries = [
            Entry(keys[page_id], fingerprint(page_id, page, now), "text/markdown")
            for page_id, page in pages.items()
            if period is None or ((edited := read_time(page.edited)) and period.has(edited))
        ]
        return Listing(now.isoformat(timespec="seconds"), entries, cursor=encode_cursor(walk), hashed=True)

    def _api(self, config: NotionConfig, secret: str | None) -> ApiClient:
        headers = {"Notion-Version": API_VERSION, "Accept": "application/json"}
        if secret:
            headers["Authorization"] = f"Bearer {secret.strip()}"
        service = ApiService(host_of(config.url), DELAY_S, _explain)
        return ApiClient(self.context.http(), config.url, service, headers)


def _explain(refusal: Refusal) -> str:
    if refusal.status == 401:
        return "Check the integration token: it may be mistyped or revoked."
    if refusal.status == 403 or refusal.code == "restricted_resource":
        return "Give the integration the capability to read content."
    if refusal.status == 404:
        return f"Share the page with the integration again. {_SHARE}"
    return ""


def _read_list(api: ApiClient, walk: Walk) -> None:
    """Read one page of results of the first of the queue. After a refused cursor, read its list again, once."""
    answer = _request_list(api, walk)
    if answer is None:
        walk.start, walk.restarted = "", True
        return
    for result in as_list(answer.get("results")):
        found = read_object(result)
        if found is None or found[0] in walk.found:
            continue
        if len(walk.found) >= MAX_PAGES:
            raise SystemicError(f"The integration sees more than {MAX_PAGES:,} pages. Share fewer with it.")
        walk.found[found[0]] = found[1]
        if not found[1].edited:
            walk.queue.append(found[0])
    following = as_text(answer.get("next_cursor"))[:1_000]
    if answer.get("has_more") is True and following and following != walk.start:
        walk.start = following
    else:
        walk.queue.pop(0)
        walk.start, walk.restarted = "", False


def _request_list(api: ApiClient, walk: Walk) -> dict[str, Any] | None:
    """Request one page of results of the first of the queue. Returns None if Notion refuses its cursor the first time.

    Returns {} for a data source that is not shared itself, or was deleted meanwhile.
    """
    what = walk.queue[0]
    body: dict[str, Any] = {"page_size": PAGE_SIZE}
    if walk.start:
        body["start_cursor"] = walk.start
    is_search = what in ("page", "data_source")
    if is_search:
        body |= {"filter": {"property": "object", "value": what}}
        body |= {"sort": {"timestamp": "last_edited_time", "direction": "descending"}}
    try:
        return as_dict(api.post_json("/v1/search" if is_search else f"/v1/data_sources/{path_part(what)}/query", body))
    except Refused as error:
        if walk.start and error.http_status == 400 and not walk.restarted:
            return None
        has_begun = bool(walk.start) or walk.restarted
        if is_search or not walk.found or (has_begun and error.http_status not in (403, 404)):
            raise
        return {}


def _check_missing(api: ApiClient, walk: Walk) -> None:
    """Add known pages that the search has missed, unless Notion says that they are gone."""
    missing = [page_id for page_id, page in walk.previous.items() if page.edited and page_id not in walk.found]
    is_any_kept = False
    for page_id in missing[:MAX_CHECKS]:
        try:
            found = read_object(api.get_json(f"/v1/pages/{path_part(page_id)}"))
        except Refused as error:
            if error.http_status not in (403, 404):
                raise
            continue
        if found is not None:
            walk.found[page_id] = found[1]
            is_any_kept = True
    if is_any_kept:
        walk.found |= {page_id: walk.previous[page_id] for page_id in missing[MAX_CHECKS:]}


def _fetch_page(api: ApiClient, entry: Entry) -> Fetched:
    page_id = entry.fingerprint.partition("@")[0]
    page = as_dict(api.get_json(f"/v1/pages/{path_part(page_id)}"))
    if read_object(page) is None:
        return Fetched(entry.key, None, "text/markdown", error="The page was moved to the trash.")
    title = page_title(page)
    values = dict(properties(page))
    dates = {"date": as_text(page.get("created_time")), "modified": as_text(page.get("last_edited_time"))}
    has = {name.lower() for name in values}
    values |= {name: date for name, date in dates.items() if date and name not in has}
    reader = _BlockReader(api)
    text = write_blocks(reader.children(page_id, 0))
    if reader.reason:
        text += f"\n\n*{reader.reason}*"
    content = front_matter({**values, "permalink": page_address(page_id)}) + text
    url = as_text(page.get("url")) or None
    return Fetched(entry.key, content.encode(errors="ignore"), "text/markdown", url, title=title or None)


class _BlockReader:
    """Reads the blocks of one page. `reason` says why some are missing."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._seen: set[str] = set()
        self._requests = 0
        self.reason = ""

    def children(self, block_id: str, depth: int) -> tuple[Block, ...]:
        """Return the blocks in a block or page, with those in them."""
        return tuple(self._read(block, depth) for block in self._children(block_id))

    def _read(self, block: dict[str, Any], depth: int) -> Block:
        kind, block_id = as_text(block.get("type")), read_id(block.get("id"))
        data = as_dict(block.get(kind))
        if kind in ("child_page", "child_database"):
            return Block(kind, {**data, "id": block_id})
        if block.get("has_children") is not True or not block_id:
            return Block(kind, data)
        if depth >= MAX_DEPTH:
            self.reason = f"Blocks in more than {MAX_DEPTH} others are left out."
            return Block(kind, data)
        return Block(kind, data, self.children(block_id, depth + 1))

    def _children(self, block_id: str) -> Iterator[dict[str, Any]]:
        start = ""
        while True:
            if self._requests >= MAX_REQUESTS or len(self._seen) >= MAX_BLOCKS:
                self.reason = f"The page has more than {MAX_BLOCKS:,} blocks: the rest is left out."
                return
            self._requests += 1
            query: dict[str, object] = {"page_size": PAGE_SIZE, **({"start_cursor": start} if start else {})}
            answer = as_dict(self._api.get_json(f"/v1/blocks/{path_part(block_id)}/children", query))
            for block in map(as_dict, as_list(answer.get("results"))):
                own_id = as_text(block.get("id"))
                if own_id not in self._seen and len(self._seen) < MAX_BLOCKS:
                    self._seen.add(own_id)
                    if block.get("in_trash") is not True and block.get("archived") is not True:
                        yield block
            start = as_text(answer.get("next_cursor"))
            if answer.get("has_more") is not True or not start:
                return


CONNECTOR = NotionConnector
