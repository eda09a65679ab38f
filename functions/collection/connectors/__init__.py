"""Connectors: a source's config flows in, listings and files flow out; the steps `list` and `fetch` call them.

A connector lists what a source holds, each key with a fingerprint, and fetches some of it. It decides nothing: diffs,
removals, retries and pacing are the engine's. Calls share nothing but the source itself and the blob store, since two
calls may run on two machines.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from functions.collection.connectors.git.config import GitConfig
from headwater.blobs import Blobs
from headwater.config import Settings
from headwater.errors import UnprocessableContent


class Entry(msgspec.Struct, frozen=True):
    """One file of a listing: `key` is its path from the source's root, `fingerprint` changes when its bytes do."""

    key: str
    fingerprint: str


class Listing(msgspec.Struct, frozen=True):
    """All that a source holds at one moment, `snapshot`; `skipped` has a (key, reason) for what can't be taken.

    A source that holds nothing yet has the snapshot "".
    """

    snapshot: str
    entries: list[Entry]
    skipped: list[tuple[str, str]] = []


class Fetched(msgspec.Struct, frozen=True):
    """One file's bytes, or in `error` why they can't be had, now or later.

    `url` is where a reader finds this very version, if that is anywhere; `title` is what it is called there, None for
    what the file calls itself.
    """

    key: str
    content: bytes | None
    media_type: str
    url: str | None = None
    error: str | None = None
    title: str | None = None


class Connector(Protocol):
    """One kind of source. `token` is the user's secret for it, or None; it never gets into a message or a log."""

    kind: str

    def check(self, config: Any, token: str | None) -> None:
        """Probe the source within 10 s; raises UnprocessableContent with what is wrong and what to do."""

    def list(self, config: Any, token: str | None, known: AbstractSet[str]) -> Listing:
        """List the source, complete or not at all.

        `known` are fingerprints that won't be fetched; it only saves work, a wrong one costs time, not files. Raises
        UpstreamError or PermanentError.
        """

    def fetch(self, config: Any, token: str | None, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch these entries of a listing, in any order, each once; errors may come at any point of the iteration.

        What is the matter with one file is in its `Fetched.error`; raises UpstreamError or PermanentError for all else.
        """

    def release(self) -> None:
        """Drop what `list` staged for this source; called while its run is still open."""


def decode_config(kind: str, config: object) -> GitConfig:
    """Read a source's config, as it came in JSON; raises UnprocessableContent with the reason."""
    if kind != GitConfig.KIND:
        raise UnprocessableContent(f"There is no kind of source called {kind!r}; there is: {GitConfig.KIND}.")
    try:
        return msgspec.convert(config, GitConfig).normalised()
    except msgspec.ValidationError as error:
        raise UnprocessableContent(f"The config can't be read: {error}.") from error


def provider_of(kind: str, config: Mapping[str, Any]) -> str | None:
    """Name what a source's steps talk to, such as `git github.com`; None for a source on this machine."""
    host = urlsplit(str(config.get("url", ""))).hostname
    return f"{kind} {host}" if host else None


def open_connector(kind: str, settings: Settings, blobs: Blobs, stage_prefix: str) -> Connector:
    """Build the connector for one source.

    What it stages lies in `blobs` under `stage_prefix`, which belongs to this source alone.
    """
    from functions.collection.connectors.git.connector import GitConnector, GitLimits
    from headwater.outbound import guarded_http

    if kind != GitConnector.kind:
        raise UnprocessableContent(f"There is no kind of source called {kind!r}; there is: {GitConnector.kind}.")
    return GitConnector(
        http=guarded_http(allow_private=settings.fetch_private),
        blobs=blobs,
        stage_prefix=stage_prefix,
        file_urls=settings.fetch_file_urls,
        limits=GitLimits(
            max_repo_bytes=settings.max_repo_bytes,
            max_file_bytes=settings.max_file_bytes,
            max_batch_bytes=settings.fetch_batch_bytes,
        ),
    )
