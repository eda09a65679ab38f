"""What remote and local repositories have in common: their interface and error messages. Pure."""

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from functions.collection.connectors.git.config import GitConfig
from functions.collection.connectors.git.tree import SelectedFiles
from headwater.errors import PermanentError
from headwater.redaction import quote

MAX_NESTED_TAGS = 5
"""A tag may name another tag."""

_SHOWN_BRANCHES, _SHOWN_CHARS = 10, 100


class Blob(NamedTuple):
    """The bytes of one file, or the error that says why there are none."""

    sha: str
    content: bytes | None
    error: str | None = None


class Repository(Protocol):
    """A repository, for one call."""

    def close(self) -> None:
        """Close its connections."""

    def resolve(self, config: GitConfig) -> str | None:
        """Return the SHA of the commit, or of the annotated tag, to collect; None in a repository without commits."""

    def walk(self, commit: str, config: GitConfig, known: AbstractSet[str]) -> SelectedFiles:
        """List the selected files of a commit."""

    def blobs(self, commit: str, config: GitConfig, shas: Collection[str]) -> Iterator[Blob]:
        """Fetch files by their SHAs, each once, in any order."""


def too_large(size_bytes: int, limit_bytes: int) -> str:
    """Return the error of a file over the limit.

    >>> too_large(60_000_000, 10_000_000)
    'has 60.0 MB, more than the limit of 10 MB (MAX_FILE_BYTES)'
    """
    return f"has {size_bytes / 1e6:.1f} MB, more than the limit of {limit_bytes / 1e6:g} MB (MAX_FILE_BYTES)"


def unknown_tag(tag: str, tags: list[str]) -> PermanentError:
    """Return the error of an unknown tag, with some that exist."""
    shown = ", ".join(quote(name, _SHOWN_CHARS) for name in sorted(tags, reverse=True)[:_SHOWN_BRANCHES])
    return PermanentError(f"There is no tag {tag!r}, and a commit needs its full SHA. Tags: {shown or 'none'}.")


def unknown_branch(branch: str | None, branches: list[str]) -> PermanentError:
    """Return the error of an unknown branch, with the branches that exist."""
    shown = ", ".join(quote(name, _SHOWN_CHARS) for name in sorted(branches)[:_SHOWN_BRANCHES])
    more = f" and {len(branches) - _SHOWN_BRANCHES} more" if len(branches) > _SHOWN_BRANCHES else ""
    if branch is None:
        return PermanentError(f"The default branch has no commits. Set `branch` to one of: {shown}{more}.")
    return PermanentError(f"There is no branch {branch!r}. Branches: {shown}{more}.")
