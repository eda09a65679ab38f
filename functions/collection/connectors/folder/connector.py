"""The connector of folders on this machine, for local installations (FETCH_FOLDERS).

A file's fingerprint is the SHA-256 of its content. The cursor has each file's size, time and fingerprint: a file with
the same size and time is not read again. A long listing stages the fingerprints that it has, and goes on.
"""

import base64
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from functions.collection.connectors.folder.config import FolderConfig
from functions.collection.connectors.folder.walk import FileStat, open_in, resolve_folder, walk
from functions.collection.connectors.media_types import media_type
from headwater.connectors import MAX_CURSOR_CHARS, Connector, Entry, Fetched, Listing
from headwater.errors import PermanentError, UnprocessableContent, UpstreamError

STEP_S = 45.0
_CHUNK = 1_000_000
_SETTLED_NS = 3_000_000_000
"""A file that was changed in the last three seconds may change again without another time."""
_RESUMED = "step "

Known = dict[str, tuple[int, int, str]]
"""Size, time in nanoseconds and fingerprint of files, by key."""


class FolderConnector(Connector[FolderConfig]):
    """Reads files in a folder."""

    title = "Folder on this computer"
    help = "Collects the files of a folder on the computer that runs Headwater."
    config_type = FolderConfig
    identity = ("path",)
    step_s = STEP_S

    @classmethod
    def normalise(cls, config: FolderConfig) -> FolderConfig:
        """Check every field; raises UnprocessableContent with the reason."""
        return config.normalised()

    def check(self, config: FolderConfig, secret: str | None) -> None:  # noqa: ARG002
        """Check that the folder exists and may be read; raises UnprocessableContent with the reason."""
        try:
            resolve_folder(config.path, self.context.folders)
        except PermanentError as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: FolderConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002
        """List the selected files. Those that have changed are read."""
        until = time.monotonic() + self.step_s
        root = resolve_folder(config.path, self.context.folders)
        walked = walk(root, config.selector(), follow_gitignore=config.gitignore)
        number, hashed = self._previous(cursor)
        current: Known = {}
        is_over, read = False, 0
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for key, file in walked.files.items():
                is_known = hashed.get(key, ())[:2] == file
                is_over = is_over or (not is_known and read > 0 and time.monotonic() > until)
                read += not is_known
                fingerprint = self._fingerprint(folder, key, file, hashed, may_read=not is_over)
                if fingerprint:
                    current[key] = (file.size, file.changed_ns, fingerprint)
        finally:
            os.close(folder)
        if is_over:
            self.context.blobs().put(self._stage_key(number + 1), msgspec.msgpack.encode(current))
            return Listing("folder", [], resume=f"{_RESUMED}{number + 1}")
        entries = [Entry(key, fingerprint) for key, (_, _, fingerprint) in current.items()]
        return Listing(
            "folder",
            entries,
            skipped=[*walked.skipped.items()],
            unmatched=dict(+walked.unmatched),
            hashed=True,
            cursor=_encode(current, settled_ns=time.time_ns() - _SETTLED_NS),
        )

    def fetch(
        self,
        config: FolderConfig,
        secret: str | None,  # noqa: ARG002
        snapshot: str,  # noqa: ARG002
        entries: Sequence[Entry],
    ) -> Iterator[Fetched]:
        """Read files. One that has changed since the listing is read as it is now; the next run stores it again."""
        limit = self.context.max_file_bytes
        folder = os.open(resolve_folder(config.path, self.context.folders), os.O_RDONLY | os.O_DIRECTORY)
        try:
            for entry in entries:
                try:
                    with open_in(folder, entry.key) as file:
                        content = _read(file, limit + 1)
                except OSError as error:
                    reason = f"{entry.key} can't be read ({error.strerror}). It may have been deleted."
                    yield Fetched(entry.key, None, "", error=reason)
                    continue
                if len(content) > limit:
                    reason = f"{entry.key} has more than {limit:,} bytes (MAX_FILE_BYTES)"
                    yield Fetched(entry.key, None, "", error=reason)
                else:
                    yield Fetched(entry.key, content, media_type(entry.key, content))
        finally:
            os.close(folder)

    def _fingerprint(self, folder: int, key: str, file: FileStat, hashed: Known, *, may_read: bool) -> str | None:
        """Return a file's fingerprint: the one that is known, else the hash of its content. None if not `may_read`."""
        size, changed_ns, fingerprint = hashed.get(key, (-1, -1, ""))
        if (size, changed_ns) == file:
            return fingerprint
        if file.size > self.context.max_file_bytes:  # it fails when it is fetched
            return f"{file.size}-{file.changed_ns}"
        if not may_read:
            return None
        try:
            with open_in(folder, key) as opened:
                return _hash(opened, self.context.max_file_bytes)
        except OSError:
            return f"unreadable-{file.size}-{file.changed_ns}"

    def _previous(self, cursor: str | None) -> tuple[int, Known]:
        """Return the number of the last step of a listing under way, and the files that are known."""
        if cursor is None or not cursor.startswith(_RESUMED):
            return 0, _decode(cursor)
        number = int(cursor.removeprefix(_RESUMED))
        content = self.context.blobs().get(self._stage_key(number))
        if content is None:
            raise UpstreamError("The unfinished listing was deleted from the blob store. Collect again.")
        return number, msgspec.msgpack.decode(content, type=Known)

    def _stage_key(self, number: int) -> str:
        return f"{self.context.stage_prefix}/listing/{number}"


def _read(file: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) < limit and (piece := os.read(file, min(_CHUNK, limit - len(content)))):
        content += piece
    return bytes(content)


def _hash(file: int, limit: int) -> str:
    digest, left = hashlib.sha256(), limit
    while left > 0 and (piece := os.read(file, min(_CHUNK, left))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()[:40]


def _encode(files: Known, settled_ns: int) -> str | None:
    """Return the files as a cursor; None if it would be too long: then all are read again."""
    settled = {key: file for key, file in files.items() if file[1] < settled_ns}
    cursor = base64.b85encode(zlib.compress(msgspec.msgpack.encode(settled), 6)).decode()
    return cursor if len(cursor) <= MAX_CURSOR_CHARS else None


def _decode(cursor: str | None) -> Known:
    return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(cursor)), type=Known) if cursor else {}


CONNECTOR = FolderConnector
