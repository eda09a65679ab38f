"""The Confluence connector: pages and blog posts of a site, their attachments and comments.

It reads Cloud's REST API v2 or Data Center's v1. A listing reads the titles and version numbers of all pages; only
those with another version are fetched. It is complete: what is in the trash isn't listed, and is removed.
"""

import base64
import datetime as dt
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from html import escape
from typing import Any

import msgspec

from functions.collection.connectors.api_client import ApiClient, ApiService, host_of
from functions.collection.connectors.api_values import Refusal, as_dict, as_list, as_text, path_part
from functions.collection.connectors.confluence.config import ConfluenceConfig
from functions.collection.connectors.confluence.storage_format import to_html
from functions.collection.connectors.confluence.walk import (
    KINDS,
    FoundPage,
    Walk,
    begin,
    go_on,
    next_start,
    read_spaces,
    search,
)
from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.page_paths import PathNode, page_keys
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.web_address import normalise_web_address
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent

DELAY_S = 0.1
SLICE_S, BATCH_S, CHECK_S = 60.0, 120.0, 8.0
MAX_PAGE_COMMENTS = 500
_HTML = "text/html; charset=utf-8"


class ConfluenceConnector(Connector[ConfluenceConfig]):
    """Reads a Confluence site."""

    title = "Confluence"
    help = "Collects pages, blog posts and attachments of Confluence Cloud or Data Center."
    config_type = ConfluenceConfig
    identity = ("url",)
    secret = Secret(
        "Token", "Cloud: your e-mail address, a colon and an API token. Data Center: a personal access token."
    )
    has_dates = True

    @classmethod
    def normalise(cls, config: ConfluenceConfig) -> ConfluenceConfig:
        """Write the address in its one form."""
        return msgspec.structs.replace(config, url=normalise_web_address(config.url))

    def check(self, config: ConfluenceConfig, secret: str | None) -> None:
        """Find the spaces."""
        try:
            read_spaces(self._api(config, secret), config, timeout_s=CHECK_S)
        except HeadwaterError as error:
            raise UnprocessableContent(error.message) from error

    def list(
        self,
        config: ConfluenceConfig,
        secret: str | None,
        cursor: str | None,
        known: AbstractSet[str],  # noqa: ARG002 - versions are compared by the pipeline
    ) -> Listing:
        """List pages for a while. Returns the listing, or where the next step goes on."""
        until = time.monotonic() + SLICE_S
        api = self._api(config, secret)
        walk = staged_listing(self.context, cursor, Walk)
        if walk is None:
            walk = begin(api, config)
        while walk.queue:
            go_on(api, config, walk)
            if walk.queue and time.monotonic() > until:
                return Listing("", [], complete=False, resume=stage_listing(self.context, walk))
        return self._listing(walk)

    def _listing(self, walk: Walk) -> Listing:
        found, limit = walk.found, self.context.max_file_bytes
        nodes = {f"space {page.space}": PathNode(page.space) for page in found.values()}
        for page_id, page in found.items():  # a parent may be a folder or a whiteboard, which are no pages
            nodes[page_id] = PathNode(page.title, page.parent if page.parent in found else f"space {page.space}")
        nodes |= {file_id: PathNode(file.title, file.page) for file_id, file in walk.files.items()}
        keys = page_keys(nodes, [*found, *walk.files])
        comments = walk.comment_versions()
        entries = [
            Entry(keys[page_id], _fingerprint(page_id, page, comments.get(page_id, "")), "text/html")
            for page_id, page in found.items()
            if self._is_in_period(page.modified)
        ]
        entries += [
            Entry(keys[file_id], f"attachment.{file_id}.{file.version}.", file.media_type or None)
            for file_id, file in walk.files.items()
            if self._is_in_period(file.modified) and file.size <= limit
        ]
        reason = f"The attachment has more than {limit:,} bytes (MAX_FILE_BYTES)."
        skipped = [(keys[file_id], reason) for file_id, file in walk.files.items() if file.size > limit]
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return Listing(now, entries, skipped=skipped, hashed=True)

    def _is_in_period(self, modified: str) -> bool:
        period, moment = self.context.period, _read_time(modified)
        return period is None or (moment is not None and period.has(moment))

    def fetch(
        self,
        config: ConfluenceConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - pages are fetched as they are now
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield pages as HTML, with their comments, and attachments."""
        api, began = self._api(config, secret), time.monotonic()
        for entry in entries:
            if time.monotonic() - began > BATCH_S and len(entries) > 1:
                raise PermanentError(f"The pages of the batch took longer than {BATCH_S:g} s.")
            try:
                if entry.fingerprint.startswith("attachment."):
                    yield _fetch_attachment(api, entry, self.context.max_file_bytes)
                else:
                    yield _fetch_page(api, config, entry)
            except SystemicError:
                raise
            except PermanentError as error:
                yield Fetched(entry.key, None, "text/html", error=error.message)

    def _api(self, config: ConfluenceConfig, secret: str | None) -> ApiClient:
        headers = {"Accept": "application/json"}
        if secret and (token := secret.strip()):
            is_basic = ":" in token
            value = base64.b64encode(token.encode()).decode() if is_basic else token
            headers["Authorization"] = f"{'Basic' if is_basic else 'Bearer'} {value}"
        service = ApiService(host_of(config.url), DELAY_S, _explain)
        return ApiClient(self.context.http(), config.url, service, headers)


def _explain(refusal: Refusal) -> str:
    if refusal.status == 401:
        return "Check the token. Cloud needs your e-mail address before it: name@example.com:TOKEN."
    if refusal.status == 403:
        return "Give the token's account access to Confluence, and permission to view the space."
    return "Check the address: Cloud's ends with /wiki." if refusal.status == 404 else ""


def _read_time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _fingerprint(page_id: str, page: FoundPage, comments: str) -> str:
    """Return a fingerprint, which has what `fetch` needs to know."""
    return f"{page.kind}.{page_id}.{page.version}{f'-{comments}' if comments else ''}.{page.space}"


def _fetch_page(api: ApiClient, config: ConfluenceConfig, entry: Entry) -> Fetched:
    kind, page_id, version, space = entry.fingerprint.split(".", 3)
    if config.is_cloud:
        page = as_dict(api.get_json(f"/api/v2/{KINDS[kind]}/{page_id}", {"body-format": "storage"}))
    else:
        page = as_dict(api.get_json(f"/rest/api/content/{page_id}", {"expand": "body.storage,version,history"}))
    if page.get("status", "current") != "current":
        return Fetched(entry.key, None, "text/html", error="The page was moved to the trash.")
    storage = _storage(page)
    if storage is None:
        return Fetched(entry.key, None, "text/html", error="Confluence returned no content in storage format.")
    if "-" in version:
        storage += _read_comments(api, config, page_id)
    created = as_text(page.get("createdAt")) or as_text(as_dict(page.get("history")).get("createdDate"))
    title = as_text(page.get("title"))
    path = as_text(as_dict(page.get("_links")).get("webui"))
    url = f"{config.url.rstrip('/')}{path}" if path.startswith("/") else None
    return Fetched(entry.key, to_html(storage, title, space, created), _HTML, url, title=title or None)


def _read_comments(api: ApiClient, config: ConfluenceConfig, page_id: str) -> str:
    """Return the comments of a page in storage format, the oldest first."""
    pieces: list[str] = []
    start, cql = "", f"type = comment and container = {page_id} order by created"
    while len(pieces) < MAX_PAGE_COMMENTS:
        answer = search(api, config, cql, start, "body.storage,history")
        for comment in map(as_dict, as_list(answer.get("results"))):
            history = as_dict(comment.get("history"))
            author = as_text(as_dict(history.get("createdBy")).get("displayName")) or "Unknown author"
            day = as_text(history.get("createdDate"))[:10]
            pieces.append(f"<h3>{escape(f'{author}, {day}')}</h3><div>{_storage(comment) or ''}</div>")
        following = next_start(config, answer, start)
        if not following or following == start:
            break
        start = following
    return f"<h2>Comments</h2>{''.join(pieces[:MAX_PAGE_COMMENTS])}" if pieces else ""


def _storage(content: dict[str, Any]) -> str | None:
    storage = as_dict(as_dict(content.get("body")).get("storage")).get("value")
    return storage if isinstance(storage, str) else None


def _fetch_attachment(api: ApiClient, entry: Entry, max_bytes: int) -> Fetched:
    file_id = entry.fingerprint.split(".")[1]
    file = as_dict(api.get_json(f"/rest/api/content/{path_part(file_id)}", {"expand": "version"}))
    links = as_dict(file.get("_links"))
    path = as_text(links.get("download"))
    if not path.startswith("/") or file.get("status", "current") != "current":
        return Fetched(entry.key, None, "", error="The attachment was deleted.")
    answer = api.download(path, {}, max_bytes=max_bytes, elsewhere=True)  # Cloud redirects to its storage
    name = as_text(file.get("title"))
    page = as_text(links.get("webui"))
    url = f"{api.url.rstrip('/')}{page}" if page.startswith("/") else None
    return Fetched(entry.key, answer.content, media_type(name, answer.content), url)


CONNECTOR = ConfluenceConnector
