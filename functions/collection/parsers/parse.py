"""Parse a fetched file: choose its parser, run it, and complete what it returned.

Built-in parsers run in this process. An extension's parser runs in a process of its own, which is kept for the files of
one batch.
"""

import re
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

import msgspec

from functions.collection.parsers.choose import choose
from functions.collection.parsers.markdown.structure import read_structure
from headwater.errors import PermanentError
from headwater.extensions.discovery import Extension
from headwater.extensions.process import ExtensionProcess
from headwater.parsers import Block, Link, Parsed, check_parsed

MAX_TITLE_BYTES = 160
"""A token is at least one byte, so the title leaves room for a chunk's text in the smallest model (254 tokens)."""

PARSE_S = 30.0
"""How long an extension may take for one file, unless EXTENSION_TIMEOUT_S is shorter."""
MAX_PARSED_BYTES = 64_000_000

_NO_TITLE = frozenset({"index", "readme"})
_SEPARATORS = re.compile(r"[\s_-]+")


class ParsedDocument(msgspec.Struct, frozen=True):
    """A document as it is stored and chunked.

    All offsets are into `text`, in code points. `blocks` are in order and don't overlap; text between them is white
    space or, in MDX, JavaScript and tags. `warnings` are for the run's report.
    """

    title: str
    text: str
    front_matter: dict[str, Any]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    warnings: tuple[str, ...]


class BatchParser:
    """Parses the files of one batch. Close it, or use it as a context manager: it ends the extensions' processes."""

    def __init__(self, timeout_s: float = PARSE_S) -> None:
        self._timeout_s = min(timeout_s, PARSE_S)
        self._processes: dict[Extension, ExtensionProcess] = {}
        self._closing = ExitStack()

    def parse(self, key: str, content: bytes, media_type: str, title: str | None = None) -> ParsedDocument:
        """Parse a file; `title` replaces the one in the file.

        Raises PermanentError with the reason if the file cannot be parsed, ExtensionStopped if that took too long, and
        ExtensionFailed for any other error of an extension.
        """
        choice = choose(key, media_type)
        if choice.parser is None:
            raise PermanentError(choice.problem or "no parser reads this file")
        if isinstance(choice.parser, Extension):
            parsed = self._run_extension(choice.parser, key, content, media_type)
        else:
            parsed = choice.parser.parse(key, content, media_type)
        document = _complete(key, parsed, title)
        if choice.ignored is None:
            return document
        warning = f"the extension {choice.ignored.package} was not used: {choice.ignored.name} has a built-in parser"
        return msgspec.structs.replace(document, warnings=(*document.warnings, warning))

    def __enter__(self) -> "BatchParser":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _run_extension(self, extension: Extension, key: str, content: bytes, media_type: str) -> Parsed:
        process = self._processes.get(extension)
        if process is None:
            process = self._processes[extension] = self._closing.enter_context(ExtensionProcess(extension))
        parsed = process.call(
            "parse", key, content, media_type, kind=Parsed, timeout_s=self._timeout_s, max_bytes=MAX_PARSED_BYTES
        )
        check_parsed(parsed)
        return parsed


def _complete(key: str, parsed: Parsed, title: str | None) -> ParsedDocument:
    """Add what a parser left out: blocks, links and a title."""
    blocks, links, warnings = parsed.blocks, parsed.links, parsed.warnings
    if blocks is None or links is None:
        read_blocks, read_links = read_structure(parsed.text)
        blocks, links = read_blocks if blocks is None else blocks, read_links if links is None else links
    if not parsed.text or parsed.text.isspace():
        warnings = (*warnings, "empty file: nothing to search")
    return ParsedDocument(
        title=_limit(title) if title else _find_title(key, parsed.title, blocks),
        text=parsed.text,
        front_matter=parsed.front_matter,
        blocks=blocks,
        links=links,
        warnings=warnings,
    )


def _find_title(key: str, given: str | None, blocks: tuple[Block, ...]) -> str:
    """Return the parser's title, else the first heading, else the file's name made readable."""
    if given and (title := " ".join(given.split())):
        return _limit(title)
    for block in blocks:
        if block.kind == "heading" and block.heading_path:
            return _limit(block.heading_path[-1])
    path = PurePosixPath(key)
    name = path.parent.name if path.stem.lower() in _NO_TITLE and path.parent.name else path.stem
    words = _SEPARATORS.sub(" ", name).strip()
    return _limit(words[:1].upper() + words[1:] or key)


def _limit(title: str) -> str:
    """Cut a long title after the last word that fits, or else after a character."""
    if len(title.encode()) <= MAX_TITLE_BYTES:
        return title
    cut = title.encode()[: MAX_TITLE_BYTES - 3].decode(errors="ignore")
    words = cut.rpartition(" ")[0]
    return (words if len(words) > len(cut) // 2 else cut).rstrip() + "…"
