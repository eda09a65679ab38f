"""The connector of uploaded files. Its source is what users have uploaded to it (`functions.collection.files`).

A file is a document, except for an export of WordPress: each of its posts is one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor

import msgspec

from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.uploads.exports import encode_snapshot, fetch_posts, is_post, list_posts
from functions.collection.connectors.uploads.stored import blob_key, large_files
from headwater.connectors import Connector, Entry, Fetched, Listing

LARGE_BYTES = 4_000_000
"""Files above are read one at a time."""


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
        """List the current files, and the posts of exports. The snapshot names the versions of these."""
        listed = list_posts(self.context, known)
        files = {path: version for path, version in self.context.files if path not in listed.exports}
        entries = [Entry(path, version) for path, version in files.items()]
        entries += [Entry(key, fingerprint, "text/html") for key, fingerprint in listed.posts if key not in files]
        snapshot = hashlib.sha256(msgspec.json.encode(self.context.files)).hexdigest()
        return Listing(encode_snapshot(snapshot, listed.exports), entries, skipped=listed.problems)

    def fetch(
        self,
        config: UploadsConfig,  # noqa: ARG002 - what the contract gives to all connectors
        secret: str | None,  # noqa: ARG002
        snapshot: str,
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Read versions of files. One that was replaced since the listing may be gone: the next run has the new one.

        Large files are read one at a time in a process, each until the caller asks for the next.
        """
        yield from fetch_posts(self.context, snapshot, [entry.key for entry in entries if is_post(entry)])
        entries = [entry for entry in entries if not is_post(entry)]
        blobs = self.context.blobs()
        keys = {blob_key(self.context.file_prefix, entry.fingerprint): entry.key for entry in entries}
        with ThreadPoolExecutor(16) as threads:
            sizes = dict(zip(keys, threads.map(blobs.size, keys), strict=True))
        large = [key for key, size in sizes.items() if size is not None and size > LARGE_BYTES]
        for key, content in blobs.get_all(key for key in keys if key not in large):
            yield _fetched(keys[key], content)
        for key in large:
            with large_files:
                yield _fetched(keys[key], blobs.get(key))


def _fetched(path: str, content: bytes | None) -> Fetched:
    if content is None:
        error = f"{path} was deleted from the blob store, or replaced. Upload it again if it isn't collected next."
        return Fetched(path, None, "", error=error)
    return Fetched(path, content, media_type(path, content))


CONNECTOR = UploadsConnector
