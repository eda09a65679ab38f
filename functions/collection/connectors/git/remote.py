"""A Git repository on a server: a pinned commit flows in, its listing and its files flow out; called by `git`.

With a server that does partial clone, `walk` fetches a commit and its trees but no file, and `blobs` fetches exactly
the blobs it is asked for. With any other, `walk` makes one shallow clone and stages in the blob store what will be
wanted; `blobs` reads it there, and stages it again should it be gone. Packs lie in temporary files, within a call only.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing, contextmanager, suppress

import msgspec

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.errors import NotThere, TransferTooLarge
from functions.collection.connectors.git.limits import GitLimits
from functions.collection.connectors.git.pack import BLOB, COMMIT, TREE, PackFile, PackTooLarge, read_object_header
from functions.collection.connectors.git.repository import Blob, too_large, unknown_branch
from functions.collection.connectors.git.smart_http import GitHttp
from functions.collection.connectors.git.tree import Walked, walk
from headwater.blobs import Blobs
from headwater.errors import PermanentError, UpstreamError

_MAX_OBJECT_BYTES = 64_000_000  # a tree or a base of a difference may be larger than a file that is taken
_MAX_EXPANSION = 20  # unpacked to what arrived: text packs to a fifth or less, a bomb to a thousandth
_PACK_HEADER_BYTES = 12
_HEADING = b"refs/heads/"


class Stage(msgspec.Struct, frozen=True):
    """The corner of the blob store in which one source keeps blobs between its steps."""

    blobs: Blobs
    prefix: str

    def content(self, commit: str, sha: str) -> str:
        """Name the key of a file's bytes."""
        return f"{self.prefix}/{commit}/{sha}"

    def reason(self, commit: str, sha: str) -> str:
        """Name the key of the reason why there are none."""
        return f"{self.prefix}/{commit}/{sha}.reason"


class RemoteRepository:
    """One repository on a server, for one call."""

    def __init__(self, client: GitHttp, limits: GitLimits, stage: Stage) -> None:
        self._client = client
        self._limits = limits
        self._stage = stage

    def resolve(self, branch: str | None) -> str | None:
        """Find the commit at the head of a branch; None in a repository without any."""
        wanted = _HEADING + branch.encode() if branch else b"HEAD"
        refs = self._client.refs([wanted])
        if wanted in refs:
            return refs[wanted].decode()
        heads = self._client.refs([_HEADING])
        if not heads:
            return None
        raise unknown_branch(branch, [name.removeprefix(_HEADING).decode(errors="replace") for name in heads])

    def walk(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> Walked:
        """List the wanted files of a commit; stages those not `known` where the server leaves no other way."""
        try:
            if not self._is_partial():
                return self._clone_and_stage(commit, config, known)
            wants = [commit.encode()]
            with self._pack(wants, max_bytes=self._limits.max_repo_bytes, depth=1, filter_spec=b"blob:none") as pack:
                return self._walk_pack(pack, commit, config)
        except PackTooLarge as error:
            raise PermanentError(f"{self._client.url} is more than can be read: {error.message}.") from error
        except TransferTooLarge as error:
            limit = self._limits.max_repo_bytes
            raise PermanentError(
                f"{self._client.url} is over the limit for repositories of {limit / 1e6:,.0f} MB (MAX_REPO_BYTES): "
                f"{error.message}."
            ) from error

    def blobs(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Fetch files by their SHAs, each once, in any order."""
        missing = dict.fromkeys(shas)
        if self._is_partial():
            try:
                for blob in self._by_sha(list(missing)):
                    del missing[blob.sha]
                    yield blob
            except NotThere:  # a server with partial clone that doesn't take SHAs, or history was rewritten and pruned
                yield from self._staged(commit, config, missing)
        else:
            yield from self._staged(commit, config, missing)

    def _is_partial(self) -> bool:
        # In protocol 2 any object may be wanted by its SHA; dulwich filters with protocol 2 only.
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
                raise UpstreamError(f"{self._client.url} sent nothing; try again later.")
            pack = PackFile(
                file,
                max_object_bytes=max(_MAX_OBJECT_BYTES, self._limits.max_file_bytes),
                max_total_bytes=max(self._limits.min_unpacked_bytes, _MAX_EXPANSION * file.tell()),
                check_time=self._client.left_s,
                sha_bytes=len(wants[0]) // 2,
            )
            with closing(pack):
                yield pack

    def _by_sha(self, shas: list[str]) -> Iterator[Blob]:
        """Fetch blobs in one request, or, where that is too much at once, one by one."""
        missing = dict.fromkeys(shas)
        every = [sha.encode() for sha in shas]
        most = self._limits.max_batch_bytes
        # What is still missing when it was too much is fetched alone.
        with suppress(TransferTooLarge, PackTooLarge), self._pack(every, max_bytes=most) as pack:
            for unpacked in pack.objects(BLOB):
                if unpacked.sha in missing:
                    del missing[unpacked.sha]
                    yield self._limited(unpacked.sha, unpacked.size, unpacked.content)
        for sha in missing:
            yield self._alone(sha)

    def _alone(self, sha: str) -> Blob:
        limit = self._limits.max_file_bytes
        try:
            with self._pack([sha.encode()], max_bytes=2 * limit + 65_536, on_data=_SizeCheck(limit)) as pack:
                for unpacked in pack.objects(BLOB):
                    if unpacked.sha == sha:
                        return self._limited(sha, unpacked.size, unpacked.content)
        except _BlobTooLarge as error:
            return Blob(sha, None, too_large(error.size, limit))
        raise UpstreamError(f"{self._client.url} left out the object {sha}; try again later.")

    def _limited(self, sha: str, size: int, content: bytes | None) -> Blob:
        if content is None or size > self._limits.max_file_bytes:
            return Blob(sha, None, too_large(size, self._limits.max_file_bytes))
        return Blob(sha, content)

    def _clone_and_stage(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> Walked:
        with self._pack([commit.encode()], max_bytes=self._limits.max_repo_bytes, depth=1) as pack:
            walked = self._walk_pack(pack, commit, config)
            wanted = set(walked.files.values()) - known
            self._stage.blobs.put_all(self._to_stage(pack, commit, wanted))
        return walked

    def _walk_pack(self, pack: PackFile, commit: str, config: GitConfig) -> Walked:
        found: dict[str, bytes | None] = {}
        kept, limit = 0, self._limits.max_trees_bytes
        for unpacked in pack.objects(COMMIT, TREE):
            found[unpacked.sha] = unpacked.content
            kept += len(unpacked.content or b"")
            if kept > limit:
                raise PackTooLarge(f"its folders take more than {limit:,} bytes")
        first_line = (found.get(commit) or b"").partition(b"\n")[0]
        if not first_line.startswith(b"tree "):
            raise UpstreamError(f"The Git server left out the commit {commit}; try again later.")
        return walk(found.get, first_line.removeprefix(b"tree ").decode(), config.path, config.selector())

    def _to_stage(self, pack: PackFile, commit: str, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        for unpacked in pack.objects(BLOB):
            if unpacked.sha not in wanted:
                continue
            wanted.discard(unpacked.sha)
            blob = self._limited(unpacked.sha, unpacked.size, unpacked.content)
            if blob.content is not None:
                yield self._stage.content(commit, blob.sha), blob.content
            else:
                yield self._stage.reason(commit, blob.sha), str(blob.error).encode()
        for sha in wanted:
            reason = (
                f"is kept as a difference from a file over {_MAX_OBJECT_BYTES / 1e6:,.0f} MB, or missing on the server"
            )
            yield self._stage.reason(commit, sha), reason.encode()

    def _staged(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Read blobs that `walk` staged; when one is gone, or was taken for known, all of them are staged again."""
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
            raise UpstreamError(f"The staged copy of {next(iter(missing))} is gone from the blob store; collect again.")

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
    """Watch a pack of one object arrive and abort as soon as its header says that it is too large."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._start = b""

    def __call__(self, data: bytes) -> None:
        if len(self._start) > 32:
            return
        self._start += data[:64]
        try:
            size = read_object_header(self._start, _PACK_HEADER_BYTES)[1]
        except IndexError:  # not all there yet
            return
        if size > self._max_bytes:
            raise _BlobTooLarge(size)
