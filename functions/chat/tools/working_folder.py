"""The working folder of a program: the conversation's files before it runs, and what it has changed. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headwater.file_store.places import MAX_FILE_BYTES
from headwater.sandbox.limits import Outcome

MAX_LAID_BYTES = 64_000_000
"""Of the conversation's files, as one program finds them. Its disk has 128 MiB."""

MAX_CHANGES = 100
MAX_CHANGED_BYTES = 50_000_000
"""Of the files that one program leaves."""

_CACHES = {"__pycache__", "node_modules", ".cache", ".config", ".local", ".npm"}
_MAX_NAMED = 20
_ALL_SKIPPED_ARE_KNOWN = 100


class Changes(NamedTuple):
    """What a program has changed: contents by path, None for a deleted file; and what was left out, with reasons."""

    files: Mapping[str, bytes | None]
    left_out: Sequence[str]


def choose(sizes: Iterable[tuple[str, int]], max_bytes: int = MAX_LAID_BYTES) -> tuple[list[str], list[str]]:
    """Return the paths of the files that fit into the working folder, in order, and those that don't."""
    chosen, too_large, left = [], [], max_bytes
    for path, size in sizes:
        if size > left:
            too_large.append(path)
        else:
            chosen.append(path)
            left -= size
    return chosen, too_large


def find_changes(before: Mapping[str, bytes], outcome: Outcome, program: str) -> Changes:
    """Compare the files that a program found with those that it left.

    Caches are ignored. A file counts as deleted only if the program ended by itself and the folder could be read.
    """
    changes: dict[str, bytes | None] = {}
    left_out: list[str] = [f"{path} ({why})" for path, why in outcome.skipped.items()]
    left = MAX_CHANGED_BYTES
    for path, content in outcome.files.items():
        if path == program or _CACHES & set(path.split("/")) or before.get(path) == content:
            continue
        if len(content) > MAX_FILE_BYTES:
            left_out.append(f"{path} ({len(content):,} bytes, more than {MAX_FILE_BYTES:,})")
        elif len(changes) == MAX_CHANGES or len(content) > left:
            limit = f"{MAX_CHANGES} files and {MAX_CHANGED_BYTES:,} bytes"
            left_out.append(f"{path} (one program can leave {limit})")
        else:
            changes[path] = content
            left -= len(content)
    if outcome.reason == "exit" and len(outcome.skipped) < _ALL_SKIPPED_ARE_KNOWN:
        changes |= {path: None for path in before if path != program and _is_gone(path, outcome)}
    return Changes(changes, left_out)


def describe_left_out(what: str, paths: Sequence[str]) -> str:
    """Return a line that names files which were left out, "" if none was."""
    if not paths:
        return ""
    more = f" and {len(paths) - _MAX_NAMED:,} more" if len(paths) > _MAX_NAMED else ""
    return f"{what}: {', '.join(paths[:_MAX_NAMED])}{more}."


def _is_gone(path: str, outcome: Outcome) -> bool:
    parts = path.split("/")
    unread = {"/".join(parts[:n]) for n in range(1, len(parts) + 1)} & set(outcome.skipped)
    return path not in outcome.files and not unread
