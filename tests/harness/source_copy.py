"""Collect a source without a database: list, fetch what has changed, and remove, as the pipeline does."""

import uuid
from dataclasses import replace
from typing import Any

from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import Fetched, Listing, Period, check_listing


class SourceCopy:
    """The documents of a source, by key. `steps` counts the steps of its listings."""

    def __init__(self, kind: str, url: str, token: str | None = None, **config: Any) -> None:
        settings = Settings(database_url="unused", fetch_private=True, blob_url="memory:///")
        normalised = kind_for_new_source(kind).normalise({"url": url, **config})
        self.source = Credentials(uuid.uuid4(), kind, normalised, token, None)
        self.opener = SourceOpener(settings)
        self.reader = self.opener.open(self.source)
        self.fingerprints: dict[str, str] = {}
        self.files: dict[str, Fetched] = {}
        self.cursor: str | None = None
        self.listing = Listing("", [])
        self.steps = 0

    def collect(self) -> set[str]:
        """Collect once. Returns the keys that were fetched."""
        resume = None
        while True:
            self.listing = self.reader.list(resume or self.cursor, frozenset(self.fingerprints.values()))
            self.steps += 1
            check_listing(self.listing)
            if (resume := self.listing.resume) is None:
                break
        listed = {entry.key: entry.fingerprint for entry in self.listing.entries}
        gone = {key for key in self.files if key not in listed} if self.listing.complete else self.listing.removed
        for key in gone:
            self.files.pop(key, None)
            self.fingerprints.pop(key, None)
        changed = [entry for entry in self.listing.entries if self.fingerprints.get(entry.key) != entry.fingerprint]
        fetched = {file.key: file for file in self.reader.fetch(self.listing.snapshot, changed)}
        assert fetched.keys() == {entry.key for entry in changed}
        self.files |= fetched
        self.fingerprints |= {entry.key: entry.fingerprint for entry in changed}
        self.cursor = self.listing.cursor
        return set(fetched)

    def list_period(self, period: Period) -> Listing:
        """List the documents of some days, as a backfill does."""
        return self.opener.open(replace(self.source, period=period)).list(None, frozenset())

    @property
    def keys(self) -> list[str]:
        return sorted(self.files)

    def text(self, key: str) -> str:
        content = self.files[key].content
        assert content is not None, self.files[key].error
        return content.decode()
