"""The parser of ZIP archives: one document with a section for each file that another parser reads."""

from functions.collection.parsers.choose import BuiltInParser, choose, load_built_in, true_parser
from functions.collection.parsers.markdown.structure import read_structure
from functions.collection.parsers.writer import MAX_TEXT_CHARS, MarkdownWriter
from functions.collection.parsers.zip_files import ZipReader
from headwater.errors import PermanentError
from headwater.parsers import Block, Link, Parsed

READS = ("application/x-zip-compressed", ".zip")
VERSION = 2

MAX_FILES = 1_000
"""Of an archive and those in it."""
MAX_DEPTH = 2
"""Archives around one that is read."""
_NAMED_WARNINGS = 5
_IGNORED = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def parse(name: str, content: bytes, media_type: str) -> Parsed:  # noqa: ARG001 (the contract)
    """Parse an archive. Raises PermanentError if it is damaged, or none of its files can be read."""
    if not content.startswith(b"PK"):
        raise PermanentError("it is not a ZIP archive, although its name says so")
    joined = _Joined()
    _add_members(ZipReader(content), "", joined)
    problems = joined.problems
    if not joined.texts:
        reason = "; ".join(problems[:3]) or "it has no files, or only archives without files"
        raise PermanentError(f"none of its {joined.found:,} files can be read: {reason}"[:500])
    warnings = problems[:_NAMED_WARNINGS]
    if len(problems) > _NAMED_WARNINGS:
        warnings.append(f"{len(problems) - _NAMED_WARNINGS:,} more files in the archive could not be read")
    if joined.found > MAX_FILES:
        warnings.append(f"only the first {MAX_FILES:,} of {joined.found:,} files were read")
    return joined.finish(warnings)


def _add_members(archive: ZipReader, folder: str, joined: "_Joined", depth: int = 0) -> None:
    """Add the files of an archive, and those of archives in it."""
    for name in archive.names():
        if name.endswith("/") or any(part in name for part in _IGNORED):
            continue
        path = folder + name
        joined.found += 1
        if joined.found > MAX_FILES:
            continue
        try:
            content = archive.read(name)
            parser = _parser_of(name, content)
            if parser.name != "archive":
                joined.add(path, _parse_member(parser, name, content))
            elif depth == MAX_DEPTH:
                joined.problems.append(f"{path}: archives in more than {MAX_DEPTH} others are not read")
            else:
                _add_members(ZipReader(content), f"{path}/", joined, depth + 1)
        except PermanentError as error:
            joined.problems.append(f"{path}: {error.message}")


def _parser_of(name: str, content: bytes) -> BuiltInParser:
    parser = choose(name, "").parser
    if not isinstance(parser, BuiltInParser):
        raise PermanentError("no built-in parser reads it")
    true_name = true_parser(parser.name, content)
    return parser if true_name == parser.name else BuiltInParser(true_name, load_built_in(true_name), parser.version)


def _parse_member(parser: BuiltInParser, name: str, content: bytes) -> Parsed:
    parsed = parser.parse(name, content, "")
    if parsed.blocks is not None:
        return parsed
    blocks, links, markup = read_structure(parsed.text, [])
    return Parsed(parsed.text, parsed.title, blocks=blocks, links=links, markup=markup)


class _Joined:
    """Documents one after another, each below a heading with its name.

    `found` counts the files that were found, `problems` says why some of them were not read.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.found = 0
        self.problems: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._links: list[Link] = []
        self._markup: list[tuple[int, int]] = []

    def add(self, name: str, parsed: Parsed) -> None:
        """Add a document. Its headings are below the one with its name."""
        if not parsed.text.strip():
            return
        writer = MarkdownWriter()
        writer.heading(1, name)
        self._append(writer.finish(), ())
        self._append(parsed, (name,))

    def finish(self, warnings: list[str]) -> Parsed:
        """Return all documents as one."""
        return Parsed(
            "".join(self.texts),
            blocks=tuple(self._blocks),
            links=tuple(self._links),
            markup=tuple(self._markup),
            warnings=tuple(warnings),
        )

    def _append(self, parsed: Parsed, above: tuple[str, ...]) -> None:
        at = self._length
        if at + len(parsed.text) > MAX_TEXT_CHARS:
            raise PermanentError(f"the archive's text has more than {MAX_TEXT_CHARS:,} characters")
        for block in parsed.blocks or ():
            self._blocks.append(Block(block.kind, at + block.start, at + block.end, (*above, *block.heading_path)))
        for link in parsed.links or ():
            self._links.append(Link(link.kind, link.target, at + link.start, at + link.end))
        self._markup += [(at + start, at + end) for start, end in parsed.markup or ()]
        self.texts += [parsed.text, "\n\n"]
        self._length += len(parsed.text) + 2
