"""The `parse` stage: a file's bytes flow in; its text, title, metadata, blocks and links flow out.

Called by the `fetch` step for each file it fetched. Pure: no clock, no session, no network. Reading Markdown never
fails: what can't be understood is text. Only bytes that aren't text are refused.
"""

import re
from pathlib import PurePosixPath
from typing import Any

import msgspec

from functions.collection.parsers.markdown.blocks import Block, read_blocks
from functions.collection.parsers.markdown.front_matter import read_front_matter
from functions.collection.parsers.markdown.inline import Link, find_links, find_references
from functions.collection.parsers.markdown.mdx import blank_jsx
from headwater.errors import PermanentError

__all__ = ["PARSER_VERSION", "Block", "Link", "Parsed", "parse"]

PARSER_VERSION = 1
"""Part of each document's fingerprint: raise it when the same bytes would be read differently."""

MAX_TITLE_BYTES = 160
"""A token is at least one byte, so the title leaves room for a chunk's text in the smallest model (254 tokens)."""

_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\b\x1b"})
_NO_TITLE = frozenset({"index", "readme"})
_SEPARATORS = re.compile(r"[\s_-]+")


class Parsed(msgspec.Struct, frozen=True):
    """A page as it is stored and chunked.

    `text` is the body: decoded, without front matter, line breaks as `\\n`; all offsets are into it, in code points.
    `blocks` are in order and don't overlap; what no block covers is space or, in MDX, JavaScript and tags.
    `warnings` say what was mended, for the run's report.
    """

    title: str
    text: str
    front_matter: dict[str, Any]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    warnings: tuple[str, ...]


def parse(key: str, content: bytes, media_type: str, title: str | None = None) -> Parsed:
    """Read a Markdown or MDX file; `key` is its path, which tells MDX (as the media type does) and names the untitled.

    A `title` that is given takes the place of the file's own.

    Raises PermanentError, with the reason, for what is not text.
    """
    decoded, warnings = _decode(content)
    front_matter, body_start, problem = read_front_matter(decoded)
    text = decoded[body_start:] if body_start else decoded
    if problem:
        warnings.append(problem)
    if not text or text.isspace():
        warnings.append("empty file: nothing to search")
    mdx = key.lower().endswith(".mdx") or media_type.partition(";")[0].strip().lower() == "text/mdx"
    visible, components = blank_jsx(text) if mdx else (text, [])
    references = find_references(visible, 0, len(visible))
    blocks = _with_components(read_blocks(visible, mdx=mdx, references=references), components)
    links = [
        link
        for block in blocks
        if block.kind not in ("code", "html", "jsx", "rule")
        for link in find_links(visible, block.start, block.end, references)
    ]
    return Parsed(
        title=_bounded(title) if title else _title(key, front_matter, blocks),
        text=text,
        front_matter=front_matter,
        blocks=tuple(blocks),
        links=tuple(links),
        warnings=tuple(warnings),
    )


def _with_components(blocks: list[Block], components: list[tuple[int, int]]) -> list[Block]:
    """Add components that hold sentences as blocks, but for those in the midst of a block, which has them anyway."""
    if not components:
        return blocks
    merged: list[Block] = []
    jsx = [Block("jsx", start, end, ()) for start, end in components]
    for block in sorted([*blocks, *jsx], key=lambda block: block.start):
        before = merged[-1] if merged else None
        if block.kind != "jsx":
            merged.append(block)
        elif before is None or before.end <= block.start:
            merged.append(Block("jsx", block.start, block.end, before.heading_path if before else ()))
    return merged


def _decode(content: bytes) -> tuple[str, list[str]]:
    """Decode by the byte order mark, else as UTF-8, and normalise line breaks; the list tells what was replaced."""
    warnings: list[str] = []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
        _refuse_nul(text.find("\0"), "character")
        if (at := text.find("\ufffd")) >= 0:
            warnings.append(f"not valid UTF-16: replaced what could not be read, first at character {at}")
    else:
        _refuse_nul(content.find(b"\0"), "offset")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            _refuse_controls(content)
            text = content.decode("utf-8-sig", errors="replace")
            replaced = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
            line = content.count(b"\n", 0, error.start) + 1
            places = "1 place" if replaced == 1 else f"{replaced} places"
            warnings.append(f"not valid UTF-8: replaced {places}, first at byte {error.start} (line {line})")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, warnings


def _refuse_nul(at: int, unit: str) -> None:
    if at >= 0:
        raise PermanentError(f"looks like a binary file: NUL byte at {unit} {at}")


def _refuse_controls(content: bytes) -> None:
    """Refuse what is not UTF-8 and also full of control characters; another encoding's text has hardly any."""
    head = content[:8192]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls * 20 > len(head):
        raise PermanentError(f"looks like a binary file: {controls} control characters in its first {len(head)} bytes")


def _title(key: str, front_matter: dict[str, Any], blocks: list[Block]) -> str:
    """Take the front matter's title, else the first heading, else the file's name made readable."""
    given = front_matter.get("title")
    if isinstance(given, str | int | float) and not isinstance(given, bool) and (title := " ".join(str(given).split())):
        return _bounded(title)
    for block in blocks:
        if block.kind == "heading" and block.heading_path:
            return _bounded(block.heading_path[-1])
    path = PurePosixPath(key)
    named = path.parent.name if path.stem.lower() in _NO_TITLE and path.parent.name else path.stem
    words = _SEPARATORS.sub(" ", named).strip()
    return _bounded(words[:1].upper() + words[1:] or key)


def _bounded(title: str) -> str:
    """Cut a title that is too long after a word that still fits, or else after a character."""
    if len(title.encode()) <= MAX_TITLE_BYTES:
        return title
    cut = title.encode()[: MAX_TITLE_BYTES - 3].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return (words if len(words) > len(cut) // 2 else cut).rstrip() + "…"
