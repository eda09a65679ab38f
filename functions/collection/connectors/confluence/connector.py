"""The Confluence connector: pages and blog posts of a Confluence site, by Cloud's REST API v2 or Data Center's v1.

A listing reads the titles and version numbers of all pages; only those with another version are fetched. It is
complete: what is in the trash isn't listed, and is removed.
"""

import base64
import datetime as dt
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta

from functions.collection.connectors.api_client import ApiClient, ApiService, host_of
from functions.collection.connectors.api_values import Refusal, Refused, as_dict, as_list, as_text, path_part
from functions.collection.connectors.confluence.storage_format import to_html
from functions.collection.connectors.page_paths import PathNode, page_keys
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from functions.collection.connectors.web_address import normalise_web_address
from headwater.connectors import Connector, Entry, Fetched, Listing, Secret
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent

DELAY_S = 0.1
SLICE_S, BATCH_S, CHECK_S = 60.0, 120.0, 8.0
PAGE_SIZE = 100
MAX_PAGES = 50_000
_KINDS = {"page": "pages", "blogpost": "blogposts"}


class ConfluenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The site and its spaces."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="Cloud: https://NAME.atlassian.net/wiki. Data Center: the address of the start page.",
            examples=["https://acme.atlassian.net/wiki"],
        ),
    ]
    spaces: Annotated[
        tuple[str, ...],
        Meta(title="Spaces", description="Keys of spaces. Leave empty for all.", examples=[["ENG", "HR"]]),
    ] = ()
    edition: Annotated[
        Literal["by address", "cloud", "data center"],
        Meta(title="Edition", description="By address: Cloud if the host ends with atlassian.net."),
    ] = "by address"

    @property
    def is_cloud(self) -> bool:
        """Whether the site has Cloud's API."""
        host = urlsplit(self.url).hostname or ""
        return self.edition == "cloud" or (self.edition == "by address" and host.endswith(".atlassian.net"))


class FoundPage(msgspec.Struct, frozen=True, array_like=True):
    """A page or blog post. `modified` is the time of its version."""

    title: str
    parent: str
    kind: str
    space: str
    version: int
    modified: str


class Walk(msgspec.Struct):
    """A listing under way. `queue` has spaces (id or key, key) and kinds that are still to be read."""

    queue: list[tuple[str, str, str]]
    start: str = ""
    found: dict[str, FoundPage] = {}


class ConfluenceConnector(Connector[ConfluenceConfig]):
    """Reads a Confluence site."""

    title = "Confluence"
    help = "Collects pages and blog posts of Confluence Cloud or Data Center."
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
            _read_spaces(self._api(config, secret), config, timeout_s=CHECK_S)
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
            spaces = _read_spaces(api, config)
            walk = Walk([(space_id, key, kind) for space_id, key in spaces.items() for kind in _KINDS])
        while walk.queue:
            _read_pages(api, config, walk)
            if walk.queue and time.monotonic() > until:
                return Listing("", [], complete=False, resume=stage_listing(self.context, walk))
        return self._listing(walk.found)

    def _listing(self, found: dict[str, FoundPage]) -> Listing:
        period = self.context.period
        nodes = {f"space {page.space}": PathNode(page.space) for page in found.values()}
        for page_id, page in found.items():  # a parent may be a folder or a whiteboard, which are no pages
            nodes[page_id] = PathNode(page.title, page.parent if page.parent in found else f"space {page.space}")
        keys = page_keys(nodes, found)
        entries = [
            Entry(keys[page_id], f"{page.kind}.{page_id}.{page.version}.{page.space}", "text/html")
            for page_id, page in found.items()
            if period is None or ((modified := _read_time(page.modified)) and period.has(modified))
        ]
        return Listing(dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), entries, hashed=True)

    def fetch(
        self,
        config: ConfluenceConfig,
        secret: str | None,
        snapshot: str,  # noqa: ARG002 - pages are fetched as they are now
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Yield pages as HTML."""
        api, began = self._api(config, secret), time.monotonic()
        for entry in entries:
            if time.monotonic() - began > BATCH_S and len(entries) > 1:
                raise PermanentError(f"The pages of the batch took longer than {BATCH_S:g} s.")
            try:
                yield _fetch_page(api, config, entry)
            except Refused as error:
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


def _read_spaces(api: ApiClient, config: ConfluenceConfig, **options: float) -> dict[str, str]:
    """Return the keys of the chosen spaces, by what the API calls them. Raises SystemicError if one isn't there."""
    found: dict[str, str] = {}
    start = ""
    path = "/api/v2/spaces" if config.is_cloud else "/rest/api/space"
    for _ in range(100):
        answer = as_dict(api.get_json(path, _page_query(config, start), **options))
        for space in map(as_dict, as_list(answer.get("results"))):
            key = as_text(space.get("key"))
            if key and (not config.spaces or key in config.spaces):
                found[as_text(space.get("id")) or key if config.is_cloud else key] = key
        following = _next_start(config, answer, start)
        if not following or following == start or (config.spaces and len(found) == len(set(config.spaces))):
            break
        start = following
    missing = sorted({*config.spaces} - {*found.values()})
    if missing or not found:
        what = f"the spaces {', '.join(missing)}" if missing else "any space"
        raise SystemicError(f"The token's account can't see {what}. Check the keys and the account's permissions.")
    return found


def _read_pages(api: ApiClient, config: ConfluenceConfig, walk: Walk) -> None:
    """Read one page of the pages or blog posts of the first space of the queue."""
    space_id, key, kind = walk.queue[0]
    query = {**_page_query(config, walk.start), "status": "current"}
    if config.is_cloud:
        path = f"/api/v2/spaces/{path_part(space_id)}/{_KINDS[kind]}"
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
    following = _next_start(config, answer, walk.start)
    if following and following != walk.start:
        walk.start = following
    else:
        walk.queue.pop(0)
        walk.start = ""


def _page_query(config: ConfluenceConfig, start: str) -> dict[str, Any]:
    name = "cursor" if config.is_cloud else "start"
    return {"limit": PAGE_SIZE, **({name: start} if start else {})}


def _next_start(config: ConfluenceConfig, answer: dict[str, Any], start: str) -> str:
    """Return where the next page of results begins: Cloud has a cursor in the link to it, Data Center counts."""
    link = as_text(as_dict(answer.get("_links")).get("next"))
    if not link:
        return ""
    if config.is_cloud:
        return parse_qs(urlsplit(link).query).get("cursor", [""])[0][:2_000]
    count = len(as_list(answer.get("results")))
    return str(int(start or 0) + count) if count else ""


def _fetch_page(api: ApiClient, config: ConfluenceConfig, entry: Entry) -> Fetched:
    kind, page_id, _, space = entry.fingerprint.split(".", 3)
    if config.is_cloud:
        page = as_dict(api.get_json(f"/api/v2/{_KINDS[kind]}/{page_id}", {"body-format": "storage"}))
    else:
        page = as_dict(api.get_json(f"/rest/api/content/{page_id}", {"expand": "body.storage,version,history"}))
    if page.get("status", "current") != "current":
        return Fetched(entry.key, None, "text/html", error="The page was moved to the trash.")
    storage = as_dict(as_dict(page.get("body")).get("storage")).get("value")
    if not isinstance(storage, str):
        return Fetched(entry.key, None, "text/html", error="Confluence returned no content in storage format.")
    created = as_text(page.get("createdAt")) or as_text(as_dict(page.get("history")).get("createdDate"))
    title = as_text(page.get("title"))
    path = as_text(as_dict(page.get("_links")).get("webui"))
    url = f"{config.url.rstrip('/')}{path}" if path.startswith("/") else None
    content = to_html(storage, title, space, created)
    return Fetched(entry.key, content, "text/html; charset=utf-8", url, title=title or None)


CONNECTOR = ConfluenceConnector
