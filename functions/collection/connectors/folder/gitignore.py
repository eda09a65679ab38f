"""Decide which files `.gitignore` files leave out, in linear time. Pure.

The rules: https://git-scm.com/docs/gitignore. Patterns are matched by Headwater's globs, so none makes a walk slow. A
line that is no pattern is ignored, as git does.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from headwater.filters.globs import PatternError, compile_patterns

MAX_BYTES = 100_000
MAX_LINES = 1_000


class _Rule(NamedTuple):
    matches: Callable[[str], bool]
    is_negated: bool
    is_for_folders: bool


class Ignored(NamedTuple):
    """The rules of one `.gitignore`, for paths below the folder that it is in."""

    folder: str
    rules: Sequence[_Rule]

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """Return whether the last rule that matches ignores a path; None if none matches."""
        inner = path[len(self.folder) + 1 :] if self.folder else path
        for rule in reversed(self.rules):
            if (is_folder or not rule.is_for_folders) and rule.matches(inner):
                return not rule.is_negated
        return None


def read_gitignore(folder: str, content: bytes) -> Ignored:
    """Read a `.gitignore` of a folder; "" is the source's root."""
    lines = content[:MAX_BYTES].decode("utf-8", errors="replace").splitlines()[:MAX_LINES]
    return Ignored(folder, [rule for line in lines if (rule := _read(line))])


def is_ignored(files: Sequence[Ignored], path: str, *, is_folder: bool = False) -> bool:
    """Return whether a path is ignored. The innermost file that has a rule for it decides; it comes last in `files`.

    >>> notes = read_gitignore("", b"*.tmp\\n!keep.tmp\\nbuild/")
    >>> [is_ignored([notes], path) for path in ("a/b.tmp", "a/keep.tmp", "build")]
    [True, False, False]
    """
    for file in reversed(files):
        decision = file.decide(path, is_folder=is_folder)
        if decision is not None:
            return decision
    return False


def _read(line: str) -> _Rule | None:
    pattern = line.rstrip() if not line.rstrip().endswith("\\") else line
    if not pattern or pattern.startswith("#"):
        return None
    is_negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    is_for_folders = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    if not pattern:
        return None
    if "/" not in pattern:
        pattern = f"**/{pattern}"
    try:
        return _Rule(compile_patterns([pattern]), is_negated, is_for_folders)
    except PatternError:
        return None
