"""The connector of uploaded files. Its source is what users have uploaded to it (`functions.collection.files`)."""

import hashlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from functions.collection.connectors.media_types import media_type
from headwater.connectors import Connector, Entry, Fetched, Listing


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
        """Read versions of files. One that was replaced since the listing may be gone: the next run has the new one."""
        keys = {blob_key(self.context.file_prefix, entry.fingerprint): entry for entry in entries}
        for key, content in self.context.blobs().get_all(keys):
            path = keys[key].key
            if content is None:
                error = (
                    f"{path} was deleted from the blob store, or replaced. Upload it again if it isn't collected next."
                )
                yield Fetched(path, None, "", error=error)
            else:
                yield Fetched(path, content, media_type(path, content))


def blob_key(file_prefix: str, version: str) -> str:
    """Return the blob store's key of a version of a file."""
    return f"{file_prefix}/{version}"


CONNECTOR = UploadsConnector
