"""The connector of uploaded files. Its source is what users have uploaded to it (`functions.collection.files`)."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor

import msgspec

from functions.collection.connectors.media_types import media_type
from headwater.connectors import Connector, Entry, Fetched, Listing

LARGE_BYTES = 4_000_000
"""Files above are read one at a time."""

_large_files = threading.Semaphore()


class UploadsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Uploaded files need no settings."""


class UploadsConnector(Connector[UploadsConfig]):
    """Lists the files that users have uploaded, and reads them from the blob store.

    A file's fingerprint is the id of its version.
    """

    title = "Uploaded files"
    help = "Files and folders that you drop on this page or send by the API."
    config_type = UploadsConfig
    is_remote = False

    def list(self, config: UploadsConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the current files."""
        entries = [Entry(path, version) for path, version in self.context.files]
        snapshot = hashlib.sha256(msgspec.json.encode(self.context.files)).hexdigest()
        return Listing(snapshot, entries)

    def fetch(
        self,
        config: UploadsConfig,  # noqa: ARG002 - what the contract gives to all connectors
        secret: str | None,  # noqa: ARG002
        snapshot: str,  # noqa: ARG002
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Read versions of files. One that was replaced since the listing may be gone: the next run has the new one.

        Large files are read one at a time in a process, each until the caller asks for the next.
        """
        blobs = self.context.blobs()
        keys = {blob_key(self.context.file_prefix, entry.fingerprint): entry.key for entry in entries}
        with ThreadPoolExecutor(16) as threads:
            sizes = dict(zip(keys, threads.map(blobs.size, keys), strict=True))
        large = [key for key, size in sizes.items() if size is not None and size > LARGE_BYTES]
        for key, content in blobs.get_all(key for key in keys if key not in large):
            yield _fetched(keys[key], content)
        for key in large:
            with _large_files:
                yield _fetched(keys[key], blobs.get(key))


def _fetched(path: str, content: bytes | None) -> Fetched:
    if content is None:
        error = f"{path} was deleted from the blob store, or replaced. Upload it again if it isn't collected next."
        return Fetched(path, None, "", error=error)
    return Fetched(path, content, media_type(path, content))


def blob_key(file_prefix: str, version: str) -> str:
    """Return the blob store's key of a version of a file."""
    return f"{file_prefix}/{version}"


CONNECTOR = UploadsConnector
