"""Limits on what is fetched from a Git server."""

import msgspec


class GitLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes and times in seconds.

    `max_batch_bytes` limits the packed answer to one request for several files; above it they are fetched one by one.
    A pack of any size may unpack to `min_unpacked_bytes`: twenty versions of the same files pack to the size of one.
    `max_trees_bytes` limits the trees held in memory during a listing; a million files take less.
    """

    max_repo_bytes: int = 2 * 1024**3
    max_file_bytes: int = 10_000_000
    max_batch_bytes: int = 32_000_000
    min_unpacked_bytes: int = 1_000_000_000
    max_trees_bytes: int = 128_000_000
    transfer_s: float = 300.0
    check_s: float = 10.0
