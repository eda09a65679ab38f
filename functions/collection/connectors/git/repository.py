"""What `git_remote` and `git_local` have in common: the shape `git` sees, the limits, the wording of errors. Pure."""

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.tree import Walked
from headwater.errors import PermanentError

_SHOWN_BRANCHES = 10


class Blob(NamedTuple):
    """The bytes of one file, or why there are none."""

    sha: str
    content: bytes | None
    error: str | None = None


class Repository(Protocol):
    """One repository, for one call."""

    def resolve(self, branch: str | None) -> str | None:
        """Find the commit at the head of a branch (None: the default one); None in a repository without commits."""

    def walk(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> Walked:
        """List the wanted files of a commit."""

    def blobs(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Fetch files by their SHAs, each once, in any order."""


def too_large(size_bytes: int, limit_bytes: int) -> str:
    """Say that a file is over the limit.

    >>> too_large(60_000_000, 10_000_000)
    'is 60.0 MB, over the limit of 10 MB (MAX_FILE_BYTES)'
    """
    return f"is {size_bytes / 1e6:.1f} MB, over the limit of {limit_bytes / 1e6:g} MB (MAX_FILE_BYTES)"


def unknown_branch(branch: str | None, branches: list[str]) -> PermanentError:
    """Say that there is no such branch, and which ones there are."""
    shown = ", ".join(sorted(branches)[:_SHOWN_BRANCHES])
    more = f" and {len(branches) - _SHOWN_BRANCHES} more" if len(branches) > _SHOWN_BRANCHES else ""
    if branch is None:
        return PermanentError(f"The default branch has no commits; set `branch` to one of: {shown}{more}.")
    return PermanentError(f"There is no branch {branch!r}; there are: {shown}{more}.")
