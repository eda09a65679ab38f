"""Read a Git repository on this machine's disk, bare or with a work tree.

Used only if FETCH_FILE_URLS is set: users can then read every repository that the function's user can read.
"""

import os
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from dulwich.errors import NotGitRepository
from dulwich.objects import ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo

from functions.collection.connectors.git.config import GitConfig, GitLimits
from functions.collection.connectors.git.repository import MAX_NESTED_TAGS, Blob, too_large, unknown_branch, unknown_tag
from functions.collection.connectors.git.tree import SelectedFiles, walk
from headwater.errors import PermanentError


class LocalRepository:
    """A repository on disk, for one call."""

    def __init__(self, path: str, limits: GitLimits) -> None:
        self._path = path
        self._limits = limits

    def close(self) -> None:
        """Do nothing: each call opens the repository."""

    def resolve(self, config: GitConfig) -> str | None:
        """Return the SHA of the commit, or of the annotated tag, to collect; None in a repository without commits."""
        with self._open() as repo:
            if config.commit:
                return config.commit
            try:
                return repo.refs[Ref(config.ref.encode())].decode()
            except KeyError:
                found = repo.refs.keys(Ref(b"refs/tags/" if config.revision else b"refs/heads/"))
            others = [name.decode(errors="replace") for name in found]
            if config.revision:
                raise unknown_tag(config.revision, others)
            if not others:
                return None
            raise unknown_branch(config.branch, others)

    def walk(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> SelectedFiles:  # noqa: ARG002 - stages nothing
        """List the selected files of a commit."""
        with self._open() as repo:
            self._check_size(repo.object_store.path)

            def read(sha: str) -> bytes | None:
                try:
                    return repo.object_store.get_raw(ObjectID(sha.encode()))[1]
                except KeyError:
                    return None

            first_line = (read(commit) or b"").partition(b"\n")[0]
            for _ in range(MAX_NESTED_TAGS):  # an annotated tag begins with what it names
                if first_line.startswith(b"object "):
                    named = first_line.removeprefix(b"object ").decode("ascii", "replace")
                    first_line = (read(named) or b"").partition(b"\n")[0]
            if not first_line.startswith(b"tree "):
                raise PermanentError(f"{self._path} has no commit {commit}. Check the source's tag or commit.")
            root = first_line.removeprefix(b"tree ").decode()
            return walk(read, root, config.path, config.selector())

    def blobs(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:  # noqa: ARG002
        """Read files by their SHAs."""
        limit = self._limits.max_file_bytes
        with self._open() as repo:
            for sha in dict.fromkeys(shas):
                try:
                    content = repo.object_store.get_raw(ObjectID(sha.encode()))[1]
                except KeyError:
                    yield Blob(sha, None, "is missing in the repository on disk, which may be a partial clone")
                    continue
                if len(content) > limit:
                    yield Blob(sha, None, too_large(len(content), limit))
                else:
                    yield Blob(sha, content)

    @contextmanager
    def _open(self) -> Iterator[Repo]:
        try:
            repo = Repo(self._path)
        except (NotGitRepository, OSError) as error:
            raise PermanentError(f"There is no Git repository at {self._path}. Check the URL.") from error
        with repo:
            yield repo

    def _check_size(self, objects: str | os.PathLike[str]) -> None:
        total = 0
        for folder, _, names in os.walk(objects):
            total += sum(os.path.getsize(os.path.join(folder, name)) for name in names)
            if total > self._limits.max_repo_bytes:
                raise PermanentError(
                    f"{self._path} is larger than the limit of {self._limits.max_repo_bytes / 1e6:,.0f} MB "
                    "(MAX_REPO_BYTES)."
                )
