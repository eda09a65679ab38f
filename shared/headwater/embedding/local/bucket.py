"""Model folders in a bucket: `onnx:gs://bucket/folder`, `onnx:s3://bucket/folder`.

Files are downloaded when they are needed, once for each instance, into a temporary folder of this user that is named by
what the bucket lists: a changed model gets another one. If the folder has a file `SHA256SUMS`, as `sha256sum` writes
it, each file must be in it and match. Credentials are those of `headwater.blobs`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater import logs
from headwater.errors import ConfigError
from headwater.redaction import quote

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("gs://", "s3://")
MAX_BYTES = 2 * 1024**3
"""Of a model's files together. On Cloud Run they take memory."""

_MAX_OBJECTS = 1_000
_MANIFEST = "SHA256SUMS"
_MANIFEST_BYTES = 1_000_000


@cache
def bucket_folder(url: str) -> "BucketFolder":
    """Return a folder in a bucket, listed once for each process. Raises ConfigError if it can't be listed."""
    return BucketFolder(url)


class BucketFolder:
    """Downloads the files of a folder. Safe to share between processes and threads."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        try:
            self._store: ObjectStore = from_url(self._url)
            self._objects = self._list()
        except (BaseError, OSError, ValueError) as error:
            raise self._error(f"can't be listed: {_reason(error)}") from None
        if not self._objects:
            raise self._error("has no files. Check the bucket and the path")
        self._sums = self._read_sums()
        self.path = _own_folder(self._url, self._objects.values())

    def fetch(self, name: str) -> bool:
        """Download a file, with those that a graph keeps its weights in. Returns False if it doesn't exist."""
        if name not in self._objects:
            return False
        self._download(name)
        if name.endswith(".onnx"):
            graph = (self.path / name).read_bytes()
            folder = name.rpartition("/")[0]
            siblings = [other for other in self._objects if other.rpartition("/")[0] == folder and other != name]
            for other in siblings:
                if other.rpartition("/")[2].encode() in graph:
                    self._download(other)
        return True

    def _list(self) -> Mapping[str, Any]:
        objects: dict[str, Any] = {}
        for page in self._store.list():
            for item in page:
                if len(objects) == _MAX_OBJECTS:
                    raise ValueError(f"it has more than {_MAX_OBJECTS:,} files")
                objects[item["path"]] = item
        return objects

    def _download(self, name: str) -> None:
        """Download a file, unless it was. It is complete, or doesn't exist: it is renamed when it is whole."""
        from obstore.exceptions import BaseError

        path = self.path / name
        if path.is_file():
            return
        size = self._objects[name]["size"]
        present = sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        if present + size > MAX_BYTES:
            raise self._error(f"is too large: with {name}, more than {MAX_BYTES:,} bytes")
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = hashlib.sha256()
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with partial.open("wb") as file:
                for piece in self._store.get(name).stream(min_chunk_size=1024**2):
                    sha256.update(piece)
                    file.write(piece)
                    if file.tell() > size:
                        break
                received = file.tell()
            if received != size:
                raise self._error(f"has changed while {name} was downloaded. Start again")
            self._check_sum(name, sha256.hexdigest())
            partial.replace(path)
        except (BaseError, OSError) as error:
            raise self._error(f"can't be read: {name}: {_reason(error)}") from None
        finally:
            partial.unlink(missing_ok=True)
        logs.event("model.downloaded", file=f"{self._url}/{name}", bytes=size, sha256=sha256.hexdigest())

    def _read_sums(self) -> Mapping[str, str] | None:
        from obstore.exceptions import BaseError

        if _MANIFEST not in self._objects:
            return None
        if self._objects[_MANIFEST]["size"] > _MANIFEST_BYTES:
            raise self._error(f"has a {_MANIFEST} of more than {_MANIFEST_BYTES:,} bytes")
        try:
            lines = bytes(self._store.get(_MANIFEST).bytes()).decode("utf-8").splitlines()
        except (BaseError, OSError, ValueError) as error:
            raise self._error(f"can't be read: {_MANIFEST}: {_reason(error)}") from None
        parts = [line.partition(" ") for line in lines if line.strip()]
        return {name.strip().removeprefix("*").removeprefix("./"): digest.lower() for digest, _, name in parts}

    def _check_sum(self, name: str, digest: str) -> None:
        if self._sums is None:
            return
        if name not in self._sums:
            raise self._error(f"has no checksum of {name} in {_MANIFEST}")
        if self._sums[name] != digest:
            raise self._error(f"is damaged: the checksum of {name} differs from {_MANIFEST}. Upload it again")

    def _error(self, reason: str) -> ConfigError:
        return ConfigError(f"The model folder {quote(self._url)} {reason}.")


def _own_folder(url: str, objects: Iterable[Mapping[str, Any]]) -> Path:
    """Return the temporary folder for what a bucket lists. Only this user can write to it."""
    listed = [[item["path"], item["size"], item.get("e_tag"), str(item["last_modified"])] for item in objects]
    fingerprint = hashlib.sha256(json.dumps([url, sorted(listed)]).encode()).hexdigest()
    parent = Path(tempfile.gettempdir()) / f"headwater-models-{os.getuid()}"
    with suppress(FileExistsError):
        parent.mkdir(mode=0o700)
    status = parent.lstat()
    if not parent.is_dir() or parent.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ConfigError(f"{parent} belongs to another user. Remove it, or set TMPDIR to another folder.")
    folder = parent / fingerprint[:32]
    folder.mkdir(exist_ok=True)
    return folder


def _reason(error: Exception) -> str:
    """Return the first line of an error of obstore: the rest is a dump of the request."""
    return quote(str(error).partition("\n")[0] or type(error).__name__)
