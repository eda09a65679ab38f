"""The connector contract: what a kind of source implements to list and fetch documents.

Git is a connector, and so is any installed package with an entry point in the group `headwater.connectors`
(docs/extending.md). A connector only reads its source: the pipeline decides what to add, change, remove and retry.
`list` and `fetch` may run on different machines, so a connector keeps nothing between calls except in the blob store.
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import msgspec

from headwater.errors import PermanentError, UnprocessableContent
from headwater.schemas import explain, has_nul, object_schema

if TYPE_CHECKING:
    from headwater.blobs import Blobs
    from headwater.outbound.guarded_http import GuardedHttp
    from headwater.outbound.web_client import WebClient

MAX_KEY_BYTES = 2_000
"""Longest key in UTF-8: it has to fit into an index row of Postgres (2,704 bytes) together with an id."""
MAX_CURSOR_CHARS = 1_000_000
MAX_RESUME_CHARS = 2_000


class Entry(msgspec.Struct, frozen=True):
    """One document of a listing.

    `key` is its path in the source and `fingerprint` changes when its bytes change. `media_type` is needed only where
    the key has no telling file extension: it selects the parser.
    """

    key: str
    fingerprint: str
    media_type: str | None = None


class Listing(msgspec.Struct, frozen=True):
    """What a source holds.

    `snapshot` names the state that was listed, such as a commit; `fetch` gets it back. `skipped` has a key and a reason
    for each document that cannot be collected.

    A `complete` listing has every document: the pipeline removes documents that are missing from it. An incomplete one
    is a window or an increment, such as the newest entries of a feed: only the keys in `removed` are removed.

    `unmatched` counts the files that the source's config leaves out, by file extension (`.rst`, "" without one): a run
    that leaves out most files says so.

    `cursor` is stored once the run has stored every entry, and is passed to the next `list`. None stores no cursor.

    A listing that takes longer than a step should, about a minute, returns only `resume`, a text of its own. The next
    step calls `list` with it in place of the cursor.

    `hashed` means that entries with the same fingerprint have the same bytes, whatever their keys. Then a document that
    was renamed is recognised by its fingerprint.
    """

    snapshot: str
    entries: list[Entry]
    skipped: list[tuple[str, str]] = []
    complete: bool = True
    cursor: str | None = None
    removed: list[str] = []
    unmatched: dict[str, int] = {}
    hashed: bool = False
    resume: str | None = None


class Fetched(msgspec.Struct, frozen=True):
    """The content of one document, or the `error` that says why there is none.

    `url` is the web address of this version. `title` replaces the title that the parser finds in the content.
    """

    key: str
    content: bytes | None
    media_type: str
    url: str | None = None
    error: str | None = None
    title: str | None = None


class Secret(msgspec.Struct, frozen=True):
    """How a form names the secret of a source, such as an access token."""

    title: str
    help: str = ""
    required: bool = False


class Period(msgspec.Struct, frozen=True):
    """The days, in UTC, of the documents that a backfill lists. Both ends are included; None leaves one open."""

    since: dt.date | None = None
    until: dt.date | None = None

    @property
    def begins_at(self) -> dt.datetime | None:
        """The first moment of the period."""
        return _midnight(self.since) if self.since else None

    @property
    def ends_at(self) -> dt.datetime | None:
        """The first moment after the period; None also if there is none before the year 10000."""
        is_open = self.until is None or self.until == dt.date.max
        return None if is_open or self.until is None else _midnight(self.until + dt.timedelta(days=1))

    def has(self, moment: dt.datetime) -> bool:
        """Return True for a moment of the period. One without a time zone is in UTC."""
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        begins_at, ends_at = self.begins_at, self.ends_at
        return (begins_at is None or moment >= begins_at) and (ends_at is None or moment < ends_at)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


class SourceKind(msgspec.Struct, frozen=True):
    """A kind of source that can be added.

    `config_schema` is the JSON Schema of a source's `config`. The fields in `identity` cannot be changed later: another
    value is another source. `secret` is null for a kind without one. Sources that `has_dates` can be collected for a
    range of dates.
    """

    kind: str
    title: str
    help: str
    config_schema: dict[str, Any]
    identity: list[str]
    secret: Secret | None
    has_dates: bool = False


class ConnectorContext(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and clients for one source.

    Fetch only with `http()` or `web()`, which refuse private addresses unless `allow_private` is set. Blobs below
    `stage_prefix` belong to the source and are deleted when its run ends. `files` are those that were uploaded to
    the source, as path and version; only `list` gets them. Their content is below `file_prefix`, where blobs last
    as long as the source. `folders` of this machine may be read, with all that is in them. `period` is set for a `list`
    of a range of dates, and only if the connector `has_dates`. An extension is stopped when `list`, or `fetch` of one
    batch, takes longer than `timeout_s`.
    """

    stage_prefix: str
    blob_url: str
    file_prefix: str = ""
    files: tuple[tuple[str, str], ...] = ()
    period: Period | None = None
    allow_private: bool
    allow_file_urls: bool
    folders: tuple[str, ...] = ()
    max_file_bytes: int
    max_batch_bytes: int
    max_source_bytes: int
    timeout_s: float
    user_agent: str = "Headwater"
    proxy: str = ""

    def http(self) -> "GuardedHttp":
        """Return a client for addresses that users enter. It gives an exchange up after 60 s."""
        from headwater.outbound.guarded_http import guarded_http

        return guarded_http(allow_private=self.allow_private, user_agent=self.user_agent, proxy=self.proxy)

    def web(self) -> "WebClient":
        """Return a client for web pages and files of at most `max_file_bytes`."""
        from headwater.outbound.web_client import WebClient

        return WebClient(self.http(), max_bytes=self.max_file_bytes)

    def blobs(self) -> "Blobs":
        """Return the blob store."""
        from headwater.blobs import shared_blobs

        return shared_blobs(self.blob_url)


Config = TypeVar("Config", bound=msgspec.Struct)


class Connector(ABC, Generic[Config]):
    """One kind of source. `secret` is the user's token or None; it must not appear in errors or logs.

    `check`, `list` and `fetch` raise UpstreamError for what may work later, PermanentError for what will not, and
    SystemicError when every other document would fail for the same reason. They limit their own network waits.

    A `url` or `host` in the config names the server. When it asks for a pause (UpstreamError with `retry_after_s`), the
    pipeline pauses the workspace's sources on that server with the same secret.
    """

    title: ClassVar[str]
    help: ClassVar[str] = ""
    config_type: ClassVar[type[msgspec.Struct]]
    identity: ClassVar[Sequence[str]] = ()
    secret: ClassVar[Secret | None] = None
    is_remote: ClassVar[bool] = True
    """False if the documents are in Headwater itself: then removals are never withheld."""
    has_dates: ClassVar[bool] = False
    """True if `list` can list the documents of `context.period`, by the date of their last change or publication."""
    max_batch: ClassVar[int] = 64
    """Documents of one `fetch`, at most. The setting FETCH_BATCH limits them, too. Built-in kinds only."""

    def __init__(self, context: ConnectorContext) -> None:
        self.context = context

    @classmethod
    def open(cls, context: ConnectorContext) -> Self:
        """Build the connector for one source."""
        return cls(context)

    @classmethod
    def normalise(cls, config: Config) -> Config:
        """Return the config in the form in which it is stored; raises UnprocessableContent if it is invalid."""
        return config

    def check(self, config: Config, secret: str | None) -> None:
        """Try to reach the source within 10 seconds, before it is saved."""

    @classmethod
    def is_related(cls, config: Config, event: bytes) -> bool:  # noqa: ARG003 - for connectors that tell
        """Return False if the event, a webhook's signed body, can't have changed the source. Built-in kinds only."""
        return True

    @abstractmethod
    def list(self, config: Config, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:
        """List the source.

        `cursor` is from the last listing whose entries have all been stored, or the `resume` of a listing under way;
        None asks for a listing from the start.
        `known` holds fingerprints that will not be fetched. It is only a hint for connectors that stage content.

        With `context.period`, list the documents of these days; `cursor` is then None or a `resume`. Such a listing
        removes nothing, and its cursor is not stored.
        """

    @abstractmethod
    def fetch(self, config: Config, secret: str | None, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch entries of a listing, each once, in any order.

        Return the problem of a single document in `Fetched.error`; raise for problems of the source.
        """


def describe(kind: str, connector: type[Connector[Any]]) -> SourceKind:
    """Describe a connector for the form in which a source of its kind is added."""
    schema = object_schema(connector.config_type)
    secret, identity = connector.secret, [*connector.identity]
    return SourceKind(kind, connector.title, connector.help, schema, identity, secret, connector.has_dates)


def decode_config(connector: type[Connector[Any]], config: object) -> Any:
    """Decode and normalise a config that came as JSON; raises UnprocessableContent with the reason."""
    try:
        return connector.normalise(msgspec.convert(config, connector.config_type))
    except msgspec.ValidationError as error:
        raise UnprocessableContent(f"config: {explain(error, connector.config_type)}") from error


def check_listing(listing: Listing) -> None:
    """Raise PermanentError for a listing that cannot be stored."""
    entries, skipped = [entry.key for entry in listing.entries], [key for key, _ in listing.skipped]
    if len(set(entries)) != len(entries) or len(set(skipped)) != len(skipped):
        raise PermanentError("The listing has the same key twice.")
    for key in [*entries, *skipped]:
        if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
            raise PermanentError(f"The listing has the key {key[:100]!r}; keys have 1 to {MAX_KEY_BYTES:,} bytes.")
    if has_nul((listing.snapshot, listing.cursor, entries, listing.skipped, listing.removed, list(listing.unmatched))):
        raise PermanentError("The listing has NUL characters.")
    if any(not entry.fingerprint or set("\n\0") & set(entry.fingerprint) for entry in listing.entries):
        raise PermanentError("The listing has an entry with an empty fingerprint, or one with a line break.")
    if len(listing.resume or "") > MAX_RESUME_CHARS or has_nul(listing.resume):
        raise PermanentError(f"The listing's `resume` has NUL characters or more than {MAX_RESUME_CHARS:,} characters.")
    if len(listing.cursor or "") > MAX_CURSOR_CHARS:
        raise PermanentError(f"The listing's cursor is longer than {MAX_CURSOR_CHARS:,} characters.")
