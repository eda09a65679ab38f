"""The Git connector: a repository's files at the head of a branch, pinned to one commit.

`list` and `fetch` (see `connectors`) keep nothing between them but what the blob store holds. How files get here is
decided by where the repository is: `git_remote` for http(s) URLs, `git_local` for `file:` URLs where those are allowed.
A listing's snapshot is the commit's SHA, a file's fingerprint the SHA of its blob.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import urllib3

from functions.collection.connectors import Entry, Fetched, Listing
from functions.collection.connectors.git.config import GitConfig, document_url
from functions.collection.connectors.git.repository import GitLimits, Repository
from functions.collection.connectors.media_types import media_type
from headwater.blobs import Blobs
from headwater.errors import PermanentError, UnprocessableContent, UpstreamError

__all__ = ["NO_COMMIT", "GitConnector", "GitLimits"]

NO_COMMIT = ""  # the snapshot of a repository without commits


class GitConnector:
    """Reads Git repositories. `http` must be a guarded client; `stage_prefix` belongs to one source alone."""

    kind = GitConfig.KIND

    def __init__(
        self,
        *,
        http: urllib3.PoolManager,
        blobs: Blobs,
        stage_prefix: str,
        file_urls: bool = False,
        limits: GitLimits | None = None,
    ) -> None:
        self._http = http
        self._blobs = blobs
        self._stage_prefix = stage_prefix.rstrip("/")
        self._file_urls = file_urls
        self._limits = limits or GitLimits()

    def check(self, config: GitConfig, token: str | None) -> None:
        """Ask the repository for the branch; raises UnprocessableContent with what is wrong and what to do."""
        config = config.normalised()
        try:
            self._open(config, token, self._limits.check_s).resolve(config.branch)
        except (PermanentError, UpstreamError) as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: GitConfig, token: str | None, known: AbstractSet[str]) -> Listing:
        """List the wanted files at the head of the branch."""
        repository = self._open(config, token, self._limits.transfer_s)
        commit = repository.resolve(config.branch)
        if commit is None:
            return Listing(snapshot=NO_COMMIT, entries=[])
        walked = repository.walk(commit, config, known)
        entries = [Entry(key, sha) for key, sha in walked.files.items()]
        return Listing(snapshot=commit, entries=entries, skipped=list(walked.skipped.items()))

    def fetch(self, config: GitConfig, token: str | None, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch files of the commit `snapshot`; only as many are in memory as one request brings."""
        keys: dict[str, list[str]] = {}
        for entry in entries:
            keys.setdefault(entry.fingerprint, []).append(entry.key)
        if not keys:
            return
        repository = self._open(config, token, self._limits.transfer_s)
        for blob in repository.blobs(snapshot, config, keys):
            for key in keys[blob.sha]:
                yield Fetched(
                    key=key,
                    content=blob.content,
                    media_type=media_type(key, blob.content or b""),
                    url=document_url(config.url, snapshot, key),
                    error=f"{key} {blob.error}" if blob.error else None,
                )

    def release(self) -> None:
        """Drop what `list` staged for this source."""
        self._blobs.delete_prefix(self._stage_prefix)

    def _open(self, config: GitConfig, token: str | None, deadline_s: float) -> Repository:
        path = config.file_path()
        if path is None:
            from functions.collection.connectors.git.remote import RemoteRepository, Stage
            from functions.collection.connectors.git.smart_http import GitHttp

            client = GitHttp(config.url, http=self._http, token=token, deadline_s=deadline_s)
            return RemoteRepository(client, self._limits, Stage(self._blobs, self._stage_prefix))
        if not self._file_urls:
            raise PermanentError("This installation doesn't read file: URLs (FETCH_FILE_URLS); use https.")
        from functions.collection.connectors.git.local import LocalRepository

        return LocalRepository(path, self._limits)
