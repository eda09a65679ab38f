"""Leave encoded data, such as images in Base64, out of what is searched. The text keeps it. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from operator import itemgetter

from functions.collection.parsers.markdown.structure import trimmed
from headwater.parsers import Block

Range = tuple[int, int]

MIN_CHARS = 1_000
"""Shortest data. Shorter runs may be identifiers, hashes or keys, which are searched for."""

_CHARACTERS = "A-Za-z0-9+/=_%-"
_RUN = re.compile(rf"(?<![{_CHARACTERS}])[{_CHARACTERS}]{{{MIN_CHARS},}}")
_PREFIX = re.compile(r"data:[\w.+/;=-]{0,100},\Z")
_LINES = re.compile(
    r"(?:^[ \t]*[A-Za-z0-9+/]{60,100}[ \t]*\n){17,}(?:^[ \t]*[A-Za-z0-9+/]{1,100}={0,2}[ \t]*$)?", re.MULTILINE
)
"""Lines of Base64, as in certificates and e-mails, with at least as many characters as a run."""


def leave_out_encoded_data(blocks: Sequence[Block], text: str, warnings: list[str]) -> tuple[Block, ...]:
    """Cut encoded data out of blocks, with a warning. What remains of a block without a word is left out as well."""
    found = sorted((*_find_runs(text), *(match.span() for match in _LINES.finditer(text))))
    if not found:
        return tuple(blocks)
    size = sum(end - start for start, end in found)
    places = "1 place" if len(found) == 1 else f"{len(found):,} places"
    warnings.append(f"encoded data, such as Base64, is not searched: {size:,} characters in {places}")
    return tuple(piece for block in blocks for piece in _cut(block, text, found))


def _find_runs(text: str) -> Iterator[Range]:
    for start, end in _long_lines(text):
        for match in _RUN.finditer(text, start, end):
            prefix = _PREFIX.search(text, max(start, match.start() - 110), match.start())
            yield prefix.start() if prefix else match.start(), match.end()


def _long_lines(text: str) -> Iterator[Range]:
    """Find lines that have room for a run. Skips lines in steps of its length."""
    start = 0
    while start + MIN_CHARS <= len(text):
        line_break = text.rfind("\n", start, start + MIN_CHARS)
        if line_break < 0:
            end = text.find("\n", start)
            end = end if end >= 0 else len(text)
            yield start, end
            line_break = end
        start = line_break + 1


def _cut(block: Block, text: str, found: Sequence[Range]) -> Iterator[Block]:
    """Yield what remains of a block."""
    first = bisect_right(found, block.start, key=itemgetter(1))
    inside = [*takewhile(lambda data: data[0] < block.end, islice(found, first, None))]
    if not inside:
        yield block
    position = block.start
    for start, end in [*inside, (block.end, block.end)] if inside else ():
        piece = text[position:start]
        if any(map(str.isalnum, piece)):
            is_text = block.kind == "heading" and position > block.start
            begin, stop = trimmed(text, position, start)
            yield Block("text" if is_text else block.kind, begin, stop, block.heading_path)
        position = end
