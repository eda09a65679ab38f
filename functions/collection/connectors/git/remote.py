"""Read a Git repository on a server, at one commit.

If the server supports partial clones, `walk` fetches the commit and its trees without files, and `blobs` fetches
exactly the requested blobs. Otherwise `walk` makes one shallow clone and stages changed files in the blob store, where
`blobs` reads them; if they are gone, it clones again. Packs are temporary files of one call.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager, suppress
from typing import IO, Protocol

import msgspec

from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.errors import ObjectNotAvailable, TransferTooLarge
from functions.collection.connectors.git.pack import BLOB, COMMIT, TAG, TREE, PackFile, PackTooLarge, read_object_header
from functions.collection.connectors.git.repository import MAX_NESTED_TAGS, Blob, too_large, unknown_branch, unknown_tag
from functions.collection.connectors.git.tree import SelectedFiles, walk
from headwater.blobs import Blobs
from headwater.errors import PermanentError, UpstreamError

_MAX_OBJECT_BYTES = 64_000_000  # a tree, or the base of a delta, may be larger than the largest file
_MAX_EXPANSION = 20  # unpacked size to packed size: about 5 for text, 1,000 for a decompression bomb
_PACK_HEADER_BYTES = 12
_HEADING = b"refs/heads/"
_TAGS = b"refs/tags/"


class Stage(msgspec.Struct, frozen=True):
    """Where one source keeps blobs between its steps."""

    blobs: Blobs
    prefix: str

    def content(self, commit: str, sha: str) -> str:
        """Return the key of a file's bytes."""
        return f"{self.prefix}/{commit}/{sha}"

    def reason(self, commit: str, sha: str) -> str:
        """Return the key of the reason why there are none."""
        return f"{self.prefix}/{commit}/{sha}.reason"


class GitClient(Protocol):
    """A connection to one repository: `GitHttp` or `GitSsh`."""

    url: str

    def capabilities(self) -> dict[bytes, bytes]:
        """Return the server's capabilities in protocol version 2; an empty dict for older servers."""

    def refs(self, prefix: list[bytes]) -> dict[bytes, bytes]:
        """Return the refs that start with one of `prefix`, as name → hex SHA."""

    def fetch_objects(
        self,
        wants: list[bytes],
        file: IO[bytes],
        *,
        max_bytes: int,
        depth: int | None = None,
        filter_spec: bytes | None = None,
        on_data: Callable[[bytes], None] | None = None,
    ) -> None:
        """Write a pack with these objects into `file`."""

    def check_time(self) -> None:
        """Raise UpstreamError if its time is over."""

    def close(self) -> None:
        """Close its connections."""


class RemoteRepository:
    """A repository on a server, for one call."""

    def __init__(self, client: GitClient, limits: GitLimits, stage: Stage) -> None:
        self._client = client
        self._limits = limits
        self._stage = stage

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def resolve(self, config: GitConfig) -> str | None:
        """Return the SHA of the commit, or of the annotated tag, to collect; None in a repository without commits."""
        ref = config.ref.encode()
        refs = self._client.refs([b"HEAD" if config.commit else ref])
        if config.commit or ref in refs:
            return config.commit or refs[ref].decode()
        prefix = _TAGS if config.revision else _HEADING
        others = [name.removeprefix(prefix).decode(errors="replace") for name in self._client.refs([prefix])]
        if config.revision:
            raise unknown_tag(config.revision, others)
        if not others:
            return None
        raise unknown_branch(config.branch, others)

    def walk(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> SelectedFiles:
        """List the selected files of a commit. Without partial clones, files that are not `known` are staged."""
        try:
            if not self._is_partial():
                return self._clone_and_stage(commit, config, known)
            wants = [commit.encode()]
            with self._pack(wants, max_bytes=self._limits.max_repo_bytes, depth=1, filter_spec=b"blob:none") as pack:
                return self._walk_pack(pack, commit, config)
        except PackTooLarge as error:
            raise PermanentError(f"{self._client.url} is too large to read: {error.message}.") from error
        except TransferTooLarge as error:
            limit = self._limits.max_repo_bytes
            raise PermanentError(
                f"{self._client.url} is larger than the limit of {limit / 1e6:,.0f} MB (MAX_REPO_BYTES): "
                f"{error.message}."
            ) from error

    def blobs(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Fetch files by their SHAs, each once, in any order."""
        missing = dict.fromkeys(shas)
        if self._is_partial():
            try:
                for blob in self._fetch_blobs(list(missing)):
                    del missing[blob.sha]
                    yield blob
            except ObjectNotAvailable:  # the server sends no objects by SHA, or history was rewritten and pruned
                yield from self._read_or_restage(commit, config, missing)
        else:
            yield from self._read_or_restage(commit, config, missing)

    def _is_partial(self) -> bool:
        # Protocol 2 serves any object by its SHA; dulwich filters with protocol 2 only.
        return b"filter" in self._client.capabilities().get(b"fetch", b"").split()

    @contextmanager
    def _pack(
        self,
        wants: list[bytes],
        *,
        max_bytes: int,
        depth: int | None = None,
        filter_spec: bytes | None = None,
        on_data: Callable[[bytes], None] | None = None,
    ) -> Iterator[PackFile]:
        with tempfile.TemporaryFile() as file:
            self._client.fetch_objects(
                wants, file, max_bytes=max_bytes, depth=depth, filter_spec=filter_spec, on_data=on_data
            )
            if not file.tell():
                raise UpstreamError(f"{self._client.url} sent nothing. Try again later.")
            pack = PackFile(
                file,
                max_object_bytes=max(_MAX_OBJECT_BYTES, self._limits.max_file_bytes),
                max_total_bytes=max(self._limits.min_unpacked_bytes, _MAX_EXPANSION * file.tell()),
                check_time=self._client.check_time,
                sha_bytes=len(wants[0]) // 2,
            )
            with closing(pack):
                yield pack

    def _fetch_blobs(self, shas: list[str]) -> Iterator[Blob]:
        """Fetch blobs in one request; one by one if they are too large together."""
        missing = dict.fromkeys(shas)
        every = [sha.encode() for sha in shas]
        limit = self._limits.max_batch_bytes
        with suppress(TransferTooLarge, PackTooLarge), self._pack(every, max_bytes=limit) as pack:
            for unpacked in pack.objects(BLOB):
                if unpacked.sha in missing:
                    del missing[unpacked.sha]
                    yield self._to_blob(unpacked.sha, unpacked.size, unpacked.content)
        for sha in missing:
            yield self._fetch_blob(sha)

    def _fetch_blob(self, sha: str) -> Blob:
        """Fetch one blob; its transfer ends early if it is over the limit."""
        limit = self._limits.max_file_bytes
        try:
            with self._pack([sha.encode()], max_bytes=2 * limit + 65_536, on_data=_SizeCheck(limit)) as pack:
                for unpacked in pack.objects(BLOB):
                    if unpacked.sha == sha:
                        return self._to_blob(sha, unpacked.size, unpacked.content)
        except _BlobTooLarge as error:
            return Blob(sha, None, too_large(error.size, limit))
        raise UpstreamError(f"{self._client.url} did not send the object {sha}. Try again later.")

    def _to_blob(self, sha: str, size: int, content: bytes | None) -> Blob:
        if content is None or size > self._limits.max_file_bytes:
            return Blob(sha, None, too_large(size, self._limits.max_file_bytes))
        return Blob(sha, content)

    def _clone_and_stage(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> SelectedFiles:
        with self._pack([commit.encode()], max_bytes=self._limits.max_repo_bytes, depth=1) as pack:
            selected = self._walk_pack(pack, commit, config)
            missing = set(selected.files.values()) - known
            self._stage.blobs.put_all(self._blobs_to_stage(pack, commit, missing))
        return selected

    def _walk_pack(self, pack: PackFile, commit: str, config: GitConfig) -> SelectedFiles:
        objects: dict[str, bytes | None] = {}
        size, limit = 0, self._limits.max_trees_bytes
        for unpacked in pack.objects(COMMIT, TREE, TAG):
            objects[unpacked.sha] = unpacked.content
            size += len(unpacked.content or b"")
            if size > limit:
                raise PackTooLarge(f"its folders have more than {limit:,} bytes")
        first_line = (objects.get(commit) or b"").partition(b"\n")[0]
        for _ in range(MAX_NESTED_TAGS):  # an annotated tag begins with what it names
            if first_line.startswith(b"object "):
                named = first_line.removeprefix(b"object ").decode("ascii", "replace")
                first_line = (objects.get(named) or b"").partition(b"\n")[0]
        if not first_line.startswith(b"tree "):
            raise UpstreamError(f"The Git server did not send the commit {commit}. Try again later.")
        return walk(objects.get, first_line.removeprefix(b"tree ").decode(), config.path, config.selector())

    def _blobs_to_stage(self, pack: PackFile, commit: str, missing: set[str]) -> Iterator[tuple[str, bytes]]:
        for unpacked in pack.objects(BLOB):
            if unpacked.sha not in missing:
                continue
            missing.discard(unpacked.sha)
            blob = self._to_blob(unpacked.sha, unpacked.size, unpacked.content)
            if blob.content is not None:
                yield self._stage.content(commit, blob.sha), blob.content
            else:
                yield self._stage.reason(commit, blob.sha), str(blob.error).encode()
        for sha in missing:
            reason = f"is missing on the server, or stored as a delta of a file over {_MAX_OBJECT_BYTES / 1e6:,.0f} MB"
            yield self._stage.reason(commit, sha), reason.encode()

    def _read_or_restage(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Read blobs that `walk` has staged. If one is missing, or was known then, stage all of them again."""
        missing = dict.fromkeys(shas)
        for blob in self._read_stage(commit, shas):
            del missing[blob.sha]
            yield blob
        if not missing:
            return
        self._clone_and_stage(commit, config, frozenset())
        for blob in self._read_stage(commit, list(missing)):
            del missing[blob.sha]
            yield blob
        if missing:
            raise UpstreamError(
                f"The staged copy of {next(iter(missing))} is missing in the blob store. Collect again."
            )

    def _read_stage(self, commit: str, shas: Collection[str]) -> Iterator[Blob]:
        keys = {self._stage.content(commit, sha): sha for sha in shas}
        for key, content in self._stage.blobs.get_all(keys):
            sha = keys[key]
            if content is not None:
                yield Blob(sha, content)
            elif (reason := self._stage.blobs.get(self._stage.reason(commit, sha))) is not None:
                yield Blob(sha, None, reason.decode())


class _BlobTooLarge(Exception):
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _SizeCheck:
    """Aborts the transfer of a pack with one object as soon as its header has a size over the limit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._start = b""

    def __call__(self, data: bytes) -> None:
        if len(self._start) > 32:
            return
        self._start += data[:64]
        try:
            size = read_object_header(self._start, _PACK_HEADER_BYTES)[1]
        except IndexError:  # the header is incomplete
            return
        if size > self._max_bytes:
            raise _BlobTooLarge(size)
