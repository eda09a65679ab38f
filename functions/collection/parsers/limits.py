"""Limits of what one file may contribute, so that what is stored of it is bounded by its size. Pure.

What exceeds a limit is left out, with a warning on the document. The text itself is never cut, but what follows too
many chunks is not searched.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, islice, takewhile
from typing import Any

import msgspec

from headwater.parsers import Block, Link

MAX_BLOCKS = 50_000
MAX_HEADING_CHARS = 300
MAX_HEADING_LEVELS = 6
MAX_LINKS = 5_000
MAX_TARGET_BYTES = 2_000
TARGETS_SHARE, TARGETS_BYTES = 2, 100_000
"""The targets of a file's links together have at most twice the size of its text, plus 100,000 bytes: a short reference
can have a long target."""
MAX_FRONT_MATTER_BYTES = 500_000
MAX_FRONT_MATTER_DEPTH = 20
MAX_CHUNKS = 20_000
MAX_CHUNKS_BYTES = 20_000_000
"""Of the texts of chunks with their titles and headings, in UTF-8."""
MAX_PAGES = 10_000
"""Passages after them are on the last one."""
MAX_WARNINGS = 10
MAX_WARNING_CHARS = 500

TOO_MANY_BLOCKS = (
    f"only the first {MAX_BLOCKS:,} headings, paragraphs and other blocks were read; the text after them is "
    "searchable, but without its headings and links"
)


def limit_blocks(blocks: Sequence[Block], warnings: list[str]) -> tuple[Block, ...]:
    """Make one block of the text after too many blocks, and shorten heading paths; each with a warning."""
    short = {path: _shorten_path(path) for path in {block.heading_path for block in blocks}}
    if any(path is not shortened for path, shortened in short.items()):
        blocks = [msgspec.structs.replace(block, heading_path=short[block.heading_path]) for block in blocks]
        warnings.append(
            f"headings longer than {MAX_HEADING_CHARS} characters, or below more than {MAX_HEADING_LEVELS - 1} others, "
            "were shortened"
        )
    if len(blocks) <= MAX_BLOCKS:
        return tuple(blocks)
    warnings.append(TOO_MANY_BLOCKS)
    *kept, last = blocks[:MAX_BLOCKS]
    return *kept, Block("text", last.start, blocks[-1].end, kept[-1].heading_path)


def limit_links(links: Sequence[Link], text: str, warnings: list[str]) -> tuple[Link, ...]:
    """Leave out links with long targets, and those after too many or too large ones."""
    kept: list[Link] = []
    long = size_bytes = 0
    for link in links[:MAX_LINKS]:
        target_bytes = len(link.target.encode())
        if target_bytes > MAX_TARGET_BYTES:
            long += 1
            continue
        size_bytes += target_bytes
        if size_bytes > TARGETS_SHARE * len(text) + TARGETS_BYTES:
            break
        kept.append(link)
    if len(kept) + long < len(links):
        first = "only the first link was kept" if len(kept) == 1 else f"only the first {len(kept):,} links were kept"
        warnings.append(
            f"{first}; the limits are {MAX_LINKS:,} links, and targets of {TARGETS_BYTES:,} bytes and twice the text's "
            "size"
        )
    if long:
        what = "link was left out, whose target has" if long == 1 else "links were left out, whose targets have"
        warnings.append(f"{long:,} {what} more than {MAX_TARGET_BYTES:,} bytes")
    return tuple(kept)


def count_chunks_within_limits(sizes: Iterable[int]) -> int:
    """Count the first chunks that are within the limits. `sizes`: bytes of each with its title and headings."""
    total = accumulate(islice(sizes, MAX_CHUNKS))
    return sum(1 for _ in takewhile(lambda size_bytes: size_bytes <= MAX_CHUNKS_BYTES, total))


def too_many_chunks(kept: int, total: int, line: int) -> str:
    """Return the warning of a document whose later chunks are left out, from a line on."""
    return (
        f"the text is searched up to line {line:,} only: {kept:,} of {total:,} chunks were kept; the limits are "
        f"{MAX_CHUNKS:,} chunks and {MAX_CHUNKS_BYTES:,} bytes"
    )


def limit_front_matter(values: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """Leave out front matter that is too large or too deep."""
    if not values:
        return values
    if _is_deeper(values, MAX_FRONT_MATTER_DEPTH):
        warnings.append(f"front matter ignored: it nests deeper than {MAX_FRONT_MATTER_DEPTH} levels")
        return {}
    if len(msgspec.json.encode(values)) > MAX_FRONT_MATTER_BYTES:
        warnings.append(f"front matter ignored: it has more than {MAX_FRONT_MATTER_BYTES:,} bytes")
        return {}
    return values


def limit_warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    """Drop repeated warnings, shorten long ones, and replace those after too many by their number."""
    short = list(dict.fromkeys(shorten(warning, MAX_WARNING_CHARS) for warning in warnings))
    if len(short) > MAX_WARNINGS:
        short[MAX_WARNINGS - 1 :] = [f"{len(short) - MAX_WARNINGS + 1:,} more warnings"]
    return tuple(short)


def shorten(text: str, max_chars: int) -> str:
    """Cut a text after `max_chars` and mark the cut."""
    return text if len(text) <= max_chars else text[:max_chars].rstrip() + "…"


def _shorten_path(path: tuple[str, ...]) -> tuple[str, ...]:
    if len(path) <= MAX_HEADING_LEVELS and all(len(heading) <= MAX_HEADING_CHARS + 1 for heading in path):
        return path
    return tuple(shorten(heading, MAX_HEADING_CHARS) for heading in path[-MAX_HEADING_LEVELS:])


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, str):
        return False
    if isinstance(value, Mapping):
        value = list(value.values())
    return isinstance(value, list | tuple) and (levels == 0 or any(_is_deeper(item, levels - 1) for item in value))
