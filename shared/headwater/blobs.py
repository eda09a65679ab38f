"""The blob store: raw bytes by key, in a folder, in memory, on Google Cloud Storage, or on S3 and its likes.

Connectors stage here what one step must leave for another. Credentials come from the platform (Google's default ones,
`AWS_…` variables), read by obstore itself; with `AWS_ENDPOINT_URL` an `s3://` URL reaches R2 or MinIO.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headwater.errors import ConfigError, UpstreamError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PARALLEL = 16  # requests in flight; as many blobs are held in memory
_EXAMPLES = "file:///var/lib/headwater/blobs, memory:///, gs://bucket/prefix or s3://bucket/prefix"


class Blobs:
    """Bytes under keys such as `staging/7f3a/0c91`; safe to share between threads. Failures raise UpstreamError."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def put(self, key: str, content: bytes) -> None:
        """Store bytes, replacing what was there; they are there whole or not at all."""
        with _failures("stored"):
            self._store.put(key, content)

    def get(self, key: str) -> bytes | None:
        """Read a blob, None if there is none."""
        with _failures("read"):
            try:
                return bytes(self._store.get(key).bytes())
            except FileNotFoundError:
                return None

    def exists(self, key: str) -> bool:
        """Tell whether there is a blob."""
        with _failures("looked up"):
            try:
                self._store.head(key)
            except FileNotFoundError:
                return False
            return True

    def put_all(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Store many blobs, several at a time, taking them from the iterable as they are needed."""
        source = iter(items)
        with ThreadPoolExecutor(_PARALLEL) as threads:
            while batch := list(islice(source, _PARALLEL)):
                list(threads.map(lambda item: self.put(*item), batch))

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Read many blobs, several at a time; yields (key, bytes or None) in order."""
        source = iter(keys)
        with ThreadPoolExecutor(_PARALLEL) as threads:
            while batch := list(islice(source, _PARALLEL)):
                yield from zip(batch, threads.map(self.get, batch), strict=True)

    def delete_prefix(self, prefix: str) -> None:
        """Delete every blob below `prefix`, which ends where a `/` would stand: `a/b` covers `a/b/c`, not `a/bc`."""
        with _failures("deleted"):
            for page in self._store.list(prefix.rstrip("/") + "/"):
                self._store.delete([item["path"] for item in page])


def open_blobs(url: str) -> Blobs:
    """Open the blob store at a URL; each `memory:///` opened is a store of its own.

    Raises ConfigError for a URL that names none.
    """
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, MemoryStore, from_url

    parts = urlsplit(url)
    try:
        match parts.scheme:
            case "memory":
                return Blobs(MemoryStore())
            case "file" if parts.path.strip("/") and not parts.netloc:
                return Blobs(LocalStore(unquote(parts.path), automatic_cleanup=True, mkdir=True))
            case "gs" | "s3" if parts.netloc:
                return Blobs(from_url(url))
    except (BaseError, OSError, ValueError) as error:
        raise ConfigError(f"BLOB_URL: {url} can't be opened: {error}") from error
    raise ConfigError(f"BLOB_URL: {url!r} names no blob store; expected for example {_EXAMPLES}")


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Turn what obstore raises into the error that makes a step try again."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        # Only the first line: the rest is a dump of the request.
        raise UpstreamError(f"A blob could not be {what}: {str(error).partition(chr(10))[0]}") from error
