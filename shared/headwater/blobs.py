"""Blob storage by key: in a folder, in memory, on Google Cloud Storage, or on S3 and compatible services.

Connectors stage data here that one step leaves for another. Credentials come from the environment (Google's default
credentials, `AWS_…` variables), read by obstore; with `AWS_ENDPOINT_URL`, an `s3://` URL addresses R2 or MinIO.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from headwater.errors import ConfigError, UpstreamError
from headwater.redaction import quote

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PARALLEL = 16  # concurrent requests, and blobs in memory
_EXAMPLES = "file:///var/lib/headwater/blobs, memory:///, gs://bucket/prefix or s3://bucket/prefix"


class Blobs:
    """Blobs by keys such as `staging/7f3a/0c91`. Safe to share between threads. Failures raise UpstreamError."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def put(self, key: str, content: bytes) -> None:
        """Store a blob atomically; replaces an existing one."""
        with _translate_errors("store"):
            self._store.put(key, content)

    def get(self, key: str) -> bytes | None:
        """Return a blob, None if it does not exist."""
        with _translate_errors("read"):
            try:
                return bytes(self._store.get(key).bytes())
            except FileNotFoundError:
                return None

    def head(self, key: str, size: int) -> bytes | None:
        """Return at most the first `size` bytes of a blob, None if it does not exist."""
        with _translate_errors("read"):
            try:
                return bytes(self._store.get_range(key, start=0, length=size))
            except FileNotFoundError:
                return None

    def exists(self, key: str) -> bool:
        """Return True if the blob exists."""
        with _translate_errors("look up"):
            try:
                self._store.head(key)
            except FileNotFoundError:
                return False
            return True

    def put_all(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Store blobs in parallel; consumes the iterable lazily."""
        source = iter(items)
        with ThreadPoolExecutor(_PARALLEL) as threads:
            while batch := list(islice(source, _PARALLEL)):
                list(threads.map(lambda item: self.put(*item), batch))

    def get_all(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Read blobs in parallel; yields (key, bytes or None) in order."""
        source = iter(keys)
        with ThreadPoolExecutor(_PARALLEL) as threads:
            while batch := list(islice(source, _PARALLEL)):
                yield from zip(batch, threads.map(self.get, batch), strict=True)

    def size(self, key: str) -> int | None:
        """Return the size of a blob in bytes, None if it does not exist."""
        with _translate_errors("look up"):
            try:
                return int(self._store.head(key)["size"])
            except FileNotFoundError:
                return None

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes of the blobs in the folder `prefix`, by their names in it."""
        folder = prefix.rstrip("/") + "/"
        with _translate_errors("list"):
            items = [item for page in self._store.list(folder) for item in page]
        return {item["path"].removeprefix(folder): item["size"] for item in items}

    def join(self, keys: Iterable[str], target: str, on_blob: Callable[[bytes], object]) -> bool:
        """Store a blob with the contents of others, one after another; `on_blob` gets each. One is in memory at a time.

        Returns False, and stores a part of it, if one of the others does not exist.
        """
        import obstore

        with _translate_errors("store"), obstore.open_writer(self._store, target) as writer:
            for key in keys:
                content = self.get(key)
                if content is None:
                    return False
                on_blob(content)
                writer.write(content)
        return True

    def signed_put(self, key: str, seconds: int) -> str:
        """Return a URL that stores a blob by PUT, without further credentials. Only for buckets."""
        import obstore

        with _translate_errors("sign the URL of"):
            return obstore.sign(cast(Any, self._store), "PUT", key, timedelta(seconds=seconds))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs; those that don't exist are ignored."""
        with _translate_errors("delete"):
            for key in keys:
                try:
                    self._store.delete(key)
                except FileNotFoundError:
                    continue

    def delete_prefix(self, prefix: str) -> None:
        """Delete all blobs in the folder `prefix`: `a/b` covers `a/b/c`, not `a/bc`."""
        with _translate_errors("delete"):
            for page in self._store.list(prefix.rstrip("/") + "/"):
                self._store.delete([item["path"] for item in page])


def open_blobs(url: str) -> Blobs:
    """Open the blob store at a URL; each `memory:///` is a new store.

    Raises ConfigError for an invalid URL.
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
        raise ConfigError(f"BLOB_URL: can't open {quote(url)}: {quote(error)}") from error
    raise ConfigError(f"BLOB_URL: {url!r} is not the URL of a blob store. Examples: {_EXAMPLES}.")


@cache
def shared_blobs(url: str) -> Blobs:
    """Return the process's own store at a URL; raises ConfigError as `open_blobs` does."""
    return open_blobs(url)


@contextmanager
def _translate_errors(verb: str) -> Iterator[None]:
    """Raise obstore's errors as UpstreamError, so that steps are retried."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        # The first line only: the rest is a dump of the request.
        raise UpstreamError(f"Can't {verb} a blob: {quote(str(error).partition(chr(10))[0])}") from error
