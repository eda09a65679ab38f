"""The Git connector: the files of a branch, tag or commit, pinned to one commit.

A listing's snapshot is the SHA of the commit, or of an annotated tag. A file's fingerprint is the SHA of its blob.
`remote` reads http(s) URLs, `local` reads `file:` URLs where the installation allows them, `lfs` files in Git LFS.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from functions.collection.connectors.git.config import GitConfig, GitLimits, document_url
from functions.collection.connectors.git.events import is_pushed
from functions.collection.connectors.media_types import media_type
from headwater.connectors import Connector, ConnectorContext, Entry, Fetched, Listing, Secret
from headwater.errors import PermanentError, UnprocessableContent, UpstreamError

if TYPE_CHECKING:
    import urllib3

    from functions.collection.connectors.git.lfs import LfsServer
    from functions.collection.connectors.git.remote import GitClient
    from functions.collection.connectors.git.repository import Repository
    from functions.collection.connectors.git.ssh import Connect, GitSsh
    from functions.collection.connectors.git.submodules import FoundSubmodules, Submodule
    from functions.collection.connectors.git.tree import SelectedFiles
    from headwater.blobs import Blobs
    from headwater.outbound.sockets import LimitedSocket

NO_COMMIT = ""
"""The snapshot of a repository without commits."""


_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file in Git LFS has in the repository: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""


class _Listed(NamedTuple):
    """What a listing has found, in a repository and its submodules, as `tree.SelectedFiles` has it."""

    files: dict[str, str]
    skipped: dict[str, str]
    unmatched: Counter[str]


class GitConnector(Connector[GitConfig]):
    """Reads Git repositories. `http` must be a guarded client."""

    title = "Git repository"
    help = "Collects the documents in a Git repository, on GitHub, GitLab or any other server."
    config_type = GitConfig
    identity = ("url",)
    max_batch = 128  # one request fetches them, and most are small
    secret = Secret(
        "Access token or private key",
        "Only for private repositories: a token with permission to read the contents, or for an address of SSH, the "
        "private key of a deploy key.",
    )

    def __init__(
        self,
        *,
        http: "urllib3.PoolManager",
        connect: "Connect | None" = None,
        blobs: "Blobs",
        stage_prefix: str,
        file_urls: bool = False,
        limits: GitLimits | None = None,
    ) -> None:
        self._http = http
        self._connect = connect
        self._blobs = blobs
        self._stage_prefix = stage_prefix.rstrip("/")
        self._file_urls = file_urls
        self._limits = limits or GitLimits()

    @classmethod
    def open(cls, context: ConnectorContext) -> "GitConnector":
        """Build the connector for one source."""
        limits = GitLimits(
            max_repo_bytes=context.max_source_bytes,
            max_file_bytes=context.max_file_bytes,
            max_batch_bytes=context.max_batch_bytes,
        )
        return cls(
            http=context.http(),
            connect=partial(_connect, context),
            blobs=context.blobs(),
            stage_prefix=context.stage_prefix,
            file_urls=context.allow_file_urls,
            limits=limits,
        )

    @classmethod
    def normalise(cls, config: GitConfig) -> GitConfig:
        """Check every field and write it in its one form; raises UnprocessableContent with the reason."""
        return config.normalised()

    @classmethod
    def is_related(cls, config: GitConfig, event: bytes) -> bool:
        """Return False for a push to another branch or tag, as GitHub, GitLab, Gitea and Forgejo report it."""
        return config.commit is None and is_pushed(config.ref, event)

    def check(self, config: GitConfig, secret: str | None) -> None:
        """Look the branch or tag up on the server; raises UnprocessableContent with the reason and what to do."""
        config = config.normalised()
        try:
            with closing(self._open(config, secret, self._limits.check_s)) as repository:
                repository.resolve(config)
        except (PermanentError, UpstreamError) as error:
            raise UnprocessableContent(error.message) from error

    def list(self, config: GitConfig, secret: str | None, cursor: str | None, known: AbstractSet[str]) -> Listing:  # noqa: ARG002 - each listing is complete
        """List the selected files of the branch, tag or commit."""
        with closing(self._open(config, secret, self._limits.transfer_s)) as repository:
            commit = repository.resolve(config)
            if commit is None:
                return Listing(snapshot=NO_COMMIT, entries=[])
            walked = repository.walk(commit, config, known)
            found = self._find_submodules(repository, commit, config, walked) if config.submodules else None
        listed = _Listed(dict(walked.files), dict(walked.skipped), Counter(walked.unmatched))
        if found:
            listed.skipped.update(found.skipped)
        for submodule in found.submodules if found else ():
            del listed.skipped[submodule.folder]
            self._add_submodule(submodule, config, secret, known, listed)
        return Listing(
            snapshot=commit,
            entries=[Entry(key, sha) for key, sha in listed.files.items()],
            skipped=[*listed.skipped.items()],
            unmatched=dict(listed.unmatched),
            hashed=True,
        )

    def _find_submodules(
        self, repository: "Repository", commit: str, config: GitConfig, walked: "SelectedFiles"
    ) -> "FoundSubmodules":
        """Find the submodules of a commit, and keep them for `fetch`."""
        from functions.collection.connectors.git.submodules import MODULES_FILE, read_submodules

        only = msgspec.structs.replace(config, path=MODULES_FILE, include=(MODULES_FILE,), exclude=())
        blobs = repository.blobs(commit, only, [walked.modules]) if walked.modules else ()
        content = next((blob.content or b"" for blob in blobs), b"")
        found = read_submodules(content, walked.submodules, config.url)
        self._blobs.put(self._submodules_key(commit), msgspec.msgpack.encode(found.submodules))
        return found

    def _add_submodule(
        self,
        submodule: "Submodule",
        config: GitConfig,
        secret: str | None,
        known: AbstractSet[str],
        listed: _Listed,
    ) -> None:
        """Add the files of a submodule to a listing, or the reason why it can't be read."""
        from functions.collection.connectors.git.submodules import config_of, secret_of, too_long

        own, folder = config_of(submodule, config), submodule.folder
        try:
            repository = self._open(own, secret_of(submodule, config, secret), self._limits.transfer_s)
            with closing(repository):
                walked = repository.walk(submodule.commit, own, known)
        except PermanentError as error:
            listed.skipped[folder] = f"the submodule can't be read: {error.message}"
            return
        for key, sha in walked.files.items():
            if too_long(folder, key):
                listed.skipped[folder] = "the paths of some of the submodule's files are too long"
            else:
                listed.files[f"{folder}/{key}"] = sha
        listed.skipped.update({f"{folder}/{key}": reason for key, reason in walked.skipped.items()})
        listed.unmatched.update(walked.unmatched)

    def _read_submodules(self, commit: str, config: GitConfig, secret: str | None) -> "Sequence[Submodule]":
        """Return what the listing has found; if that is lost, find it again."""
        from functions.collection.connectors.git.submodules import Submodule

        if not config.submodules:
            return []
        staged = self._blobs.get(self._submodules_key(commit))
        if staged is not None:
            return msgspec.msgpack.decode(staged, type=tuple[Submodule, ...])
        with closing(self._open(config, secret, self._limits.transfer_s)) as repository:
            walked = repository.walk(commit, config, frozenset())
            return self._find_submodules(repository, commit, config, walked).submodules

    def _submodules_key(self, commit: str) -> str:
        return f"{self._stage_prefix}/submodules/{commit}"

    def fetch(
        self, config: GitConfig, secret: str | None, snapshot: str, entries: Sequence[Entry]
    ) -> Iterator[Fetched]:
        """Fetch files of the commit `snapshot`; the files of one request are in memory at once."""
        from functions.collection.connectors.git.submodules import config_of, secret_of

        left = list(entries)
        for submodule in self._read_submodules(snapshot, config, secret):
            prefix = f"{submodule.folder}/"
            own = [Entry(one.key.removeprefix(prefix), one.fingerprint) for one in left if one.key.startswith(prefix)]
            left = [one for one in left if not one.key.startswith(prefix)]
            token = secret_of(submodule, config, secret)
            for file in self._fetch(config_of(submodule, config), token, submodule.commit, own):
                error = f"{prefix}{file.error}" if file.error else None
                yield msgspec.structs.replace(file, key=f"{prefix}{file.key}", error=error)
        yield from self._fetch(config, secret, snapshot, left)

    def _fetch(
        self, config: GitConfig, secret: str | None, snapshot: str, entries: Sequence[Entry]
    ) -> Iterator[Fetched]:
        """Fetch files of one repository."""
        keys: dict[str, list[str]] = {}
        for entry in entries:
            keys.setdefault(entry.fingerprint, []).append(entry.key)
        if not keys:
            return
        revision = snapshot if config.commit else config.revision or snapshot
        lfs = cache(partial(self._lfs_server, config, secret))
        with closing(self._open(config, secret, self._limits.transfer_s)) as repository:
            for blob in repository.blobs(snapshot, config, keys):
                content, error = blob.content, blob.error
                if content is not None and content.startswith(_LFS_POINTER):
                    content, error = self._read_lfs(config, lfs, content)
                for key in keys[blob.sha]:
                    yield Fetched(
                        key=key,
                        content=content,
                        media_type=media_type(key, content or b""),
                        url=document_url(config.url, revision, key),
                        error=f"{key} {error}" if error else None,
                    )

    def _read_lfs(
        self, config: GitConfig, server: "Callable[[], LfsServer]", pointer: bytes
    ) -> tuple[bytes | None, str | None]:
        """Return the content that a pointer of Git LFS names, or the error."""
        from functions.collection.connectors.git.lfs import LfsError, read_local, read_pointer

        named, path = read_pointer(pointer), config.file_path()
        if named is None:
            return None, "is a damaged pointer of Git LFS; commit it again with git-lfs"
        try:
            if path is not None:
                return read_local(path, named, self._limits.max_file_bytes), None
            return server().read(named), None
        except LfsError as error:
            return None, error.message

    def _lfs_server(self, config: GitConfig, secret: str | None) -> "LfsServer":
        """Return the LFS server of a repository; one that is read by SSH is asked where its LFS server is."""
        from functions.collection.connectors.git.lfs import LfsServer, access_by_ssh, access_by_url
        from functions.collection.connectors.git.smart_http import authorization

        if config.is_ssh:
            with closing(self._ssh_client(config, secret, self._limits.transfer_s)) as client:
                access = access_by_ssh(client)
        else:
            access = access_by_url(config.url, authorization(config.url, secret))
        return LfsServer(access, http=self._http, max_file_bytes=self._limits.max_file_bytes)

    def _open(self, config: GitConfig, secret: str | None, deadline_s: float) -> "Repository":
        path = config.file_path()
        if path is None:
            from functions.collection.connectors.git.remote import RemoteRepository, Stage

            client = self._client(config, secret, deadline_s)
            return RemoteRepository(client, self._limits, Stage(self._blobs, self._stage_prefix))
        if not self._file_urls:
            raise PermanentError(
                "This installation does not read file: URLs. Use an https:// URL, or set FETCH_FILE_URLS."
            )
        from functions.collection.connectors.git.local import LocalRepository

        return LocalRepository(path, self._limits)

    def _client(self, config: GitConfig, secret: str | None, deadline_s: float) -> "GitClient":
        if not config.is_ssh:
            from functions.collection.connectors.git.smart_http import GitHttp

            return GitHttp(config.url, http=self._http, token=secret, deadline_s=deadline_s)
        return self._ssh_client(config, secret, deadline_s)

    def _ssh_client(self, config: GitConfig, secret: str | None, deadline_s: float) -> "GitSsh":
        from functions.collection.connectors.git.ssh import GitSsh

        if self._connect is None:
            raise PermanentError("This installation does not connect by SSH. Use an https:// URL.")
        return GitSsh(config.url, connect=self._connect, key=secret, host_key=config.host_key, deadline_s=deadline_s)


def _connect(context: ConnectorContext, host: str, port: int, timeout_s: float) -> "LimitedSocket":
    from headwater.outbound.guarded_socket import connect_guarded

    return connect_guarded(host, port, allow_private=context.allow_private, timeout_s=timeout_s, through=context.proxy)


CONNECTOR = GitConnector
