"""Parse Markdown with pulldown-cmark (the package pyromark) into blocks, plain headings and links.

pulldown-cmark follows CommonMark 0.31, with GitHub's tables and strikethrough and Obsidian's wikilinks. A list or quote
is one block here; the code and tables in it are returned as well. Link definitions have no events and are in no block.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from functions.collection.parsers.limits import MAX_BLOCKS, MAX_HEADING_CHARS, MAX_LINKS, shorten
from functions.collection.parsers.markdown.markup import find_markup, without
from headwater.parsers import BlockKind, Link

if TYPE_CHECKING:
    from pyromark import Markdown
    from pyromark.event import Range

    Events = Iterator[tuple[Any, Range]]

MAX_PREFIX_CHARS = 200
"""Where a line's indentation and markers are longer, the markers after this many characters are text. pulldown-cmark
checks each open list and quote for each line of a paragraph, so their number must be limited."""

# Noncharacters, which no document contains, replace what pulldown-cmark would read as syntax.
REMOVED, LESS_THAN = "\ufdd0", "\ufdd1"
_OPENING, _CLOSING, _MARKER, _SPACE = "\ufdd2", "\ufdd3", "\ufdd4", "\ufdd5"
_ORIGINALS = str.maketrans({REMOVED: " ", LESS_THAN: "<", _OPENING: "[", _CLOSING: "]", _MARKER: "-", _SPACE: " "})

_LONG_PREFIX = re.compile(rf"(\n[ \t>*+\-0-9.)]{{{MAX_PREFIX_CHARS}}})([ \t>*+\-0-9.)]++)")
_LIST_OR_QUOTE = re.compile(r">|[-+*.)](?=[ \t]|$)")
_FOOTNOTE = re.compile(r"\[(?=\^[^\[\]\n]++\](?!\())")
_BRACKETED_LINK = re.compile(r"\[\[([^\[\]\n]*+)\](?=\]\()")
_TEMPLATE_TARGET = re.compile(r"(?:(?<=\]\()|(?<=\]: ))(?:\{[{%][^{}()\n]{1,300}[%}]\}[^\s{}()]*)+")
_CPP_NAME = re.compile(r"<(?=\w++::)")

_KINDS: dict[str, BlockKind] = {
    "Paragraph": "text",
    "Heading": "heading",
    "CodeBlock": "code",
    "Table": "table",
    "List": "list",
    "BlockQuote": "quote",
    "HtmlBlock": "html",
}
# In a heading, other tags are text: `std::vector<bool>`.
_HTML = re.compile(
    r"<(?:!|\?|/?(?:a|abbr|b|big|center|cite|code|del|div|em|font|i|img|ins|kbd|mark|p|s|samp|small|span|strong|sub|sup"
    r"|tt|u|var)\b)",
    re.IGNORECASE,
)
# Obsidian's formats that are not notes: https://help.obsidian.md/file-formats
_MEDIA = re.compile(
    r"\.(?:3gp|avif|base|bmp|canvas|flac|gif|jpe?g|m4a|mkv|mov|mp[34]|og[gv]|pdf|png|svg|wav|web[mp])\s*$",
    re.IGNORECASE,
)
_LINE_BREAK = re.compile(r"</?br\b", re.IGNORECASE)
_MAYBE_MARKUP = re.compile(r"[{<\[:=%+^]")
_COMMENT = re.compile(r"\{/[^{}]*/\}")  # of MDX, without its stars: `{/*id*/}`


class Span(msgspec.Struct, frozen=True, gc=False):
    """The range of a block, and for a heading its level and its text without markup."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    title: str = ""


class Structure(NamedTuple):
    """The outermost blocks of a text, the code and tables in its lists and quotes, and its links, each in order.

    `code_spans` are the inline code.

    `is_cut`: there are more than `MAX_BLOCKS`, and the text after them was not read.
    """

    blocks: list[Span]
    nested: list[Span]
    links: list[Link]
    code_spans: list[Span]
    is_cut: bool = False


def parse_markdown(markdown: str, original: Callable[[int], int] | None = None) -> Structure:
    """Parse Markdown. Offsets in the result are in code points, converted by `original` if there is one."""
    source = _hide_syntax(markdown)
    structure = _Reader().read(_parser().events_with_range(source, merge_text=True))
    if original is None and source.isascii():
        return structure
    return _convert(structure, source, original)


@cache
def _parser() -> "Markdown":
    from pyromark import Markdown, Options

    return Markdown(options=Options.ENABLE_TABLES | Options.ENABLE_STRIKETHROUGH | Options.ENABLE_WIKILINKS)


def _hide_syntax(markdown: str) -> str:
    """Replace the syntax of too deep lists and quotes, footnotes, C++ names and the brackets in `[[1]](a.md)`.

    So are spaces in targets that Hugo's or Jekyll's templates make: `[a]({{< ref "b.md" >}})`.
    """
    if _LONG_PREFIX.search(lines := f"\n{markdown}"):
        markdown = _LONG_PREFIX.sub(lambda prefix: prefix[1] + _LIST_OR_QUOTE.sub(_MARKER, prefix[2]), lines)[1:]
    if "[^" in markdown:
        markdown = _FOOTNOTE.sub(_OPENING, markdown)
    if "]](" in markdown:
        markdown = _BRACKETED_LINK.sub(rf"[{_OPENING}\1{_CLOSING}", markdown)
    if "{{" in markdown or "{%" in markdown:
        markdown = _TEMPLATE_TARGET.sub(lambda target: target[0].replace(" ", _SPACE), markdown)
    if "::" in markdown:
        markdown = _CPP_NAME.sub(LESS_THAN, markdown)
    return markdown


def _show_syntax(text: str) -> str:
    return text if text.isascii() else text.translate(_ORIGINALS)


class _TooManyBlocks(Exception):
    """One block more than the limit was found."""


class _Reader:
    """Builds a structure from events, with offsets in bytes. Adds one link more than the limit, at most."""

    def __init__(self) -> None:
        self.structure = Structure([], [], [], [])
        self.block_end = 0
        self.image_end = 0

    def read(self, events: "Events") -> Structure:
        try:
            self.read_events(events)
        except _TooManyBlocks:
            return self.structure._replace(is_cut=True)
        return self.structure

    def read_events(self, events: "Events") -> None:
        # `match` would take half of the time to read a page: most events need nothing.
        for event, place in events:
            if "Start" in event:
                tag = event["Start"]
                if type(tag) is str:
                    if tag in _KINDS:
                        self.add_block(_KINDS[tag], place)
                elif "Heading" in tag and place["start"] >= self.block_end:
                    self.add_heading(int(tag["Heading"]["level"][1]), place, events)
                elif "Link" in tag or "Image" in tag:
                    self.add_target(tag, place)
                else:
                    self.add_block(_KINDS[next(iter(tag))], place)
            elif "Code" in event:
                self.add_code_span(place)
            elif type(event) is str and event == "Rule":
                self.add_block("rule", place)

    def add_block(self, kind: BlockKind, place: "Range") -> None:
        start, end = place["start"], place["end"]
        if start >= self.block_end:
            self.add(self.structure.blocks, Span(kind, start, end))
            self.block_end = end
        elif kind in ("code", "table"):
            self.add(self.structure.nested, Span(kind, start, end))

    def add(self, spans: list[Span], span: Span) -> None:
        if len(self.structure.blocks) + len(self.structure.nested) >= MAX_BLOCKS:
            raise _TooManyBlocks
        spans.append(span)

    def add_heading(self, level: int, place: "Range", events: "Events") -> None:
        """Add a heading, and read the events in it for its title."""
        parts: list[str] = []
        code: list[tuple[int, int]] = []
        for event, inner in events:
            if "Text" in event:
                parts.append(event["Text"])
            elif "Code" in event:
                length = sum(map(len, parts))
                code.append((length, length + len(event["Code"])))
                parts.append(event["Code"])
                self.add_code_span(inner)
            elif "InlineHtml" in event:
                tag = event["InlineHtml"]
                parts.append(" " if _LINE_BREAK.match(tag) else "" if _HTML.match(tag) else tag)
            elif event in ("SoftBreak", "HardBreak"):
                parts.append(" ")
            elif "Start" in event:
                self.add_target(event["Start"], inner)
            elif "End" in event and "Heading" in event["End"]:
                break
        title = _show_syntax("".join(parts))
        if _MAYBE_MARKUP.search(title):
            title = _COMMENT.sub("", without(title, find_markup(title, code).hidden))
        title = shorten(" ".join(title.split()), MAX_HEADING_CHARS)
        self.add(self.structure.blocks, Span("heading", place["start"], place["end"], level, title))
        self.block_end = place["end"]

    def add_target(self, tag: Any, place: "Range") -> None:
        """Add the link of a tag, if it is a link's or an image's."""
        if "Link" in tag:
            self.add_link(tag["Link"], place)
        elif "Image" in tag:
            self.add_image(tag["Image"], place)

    def add_image(self, image: dict[str, Any], place: "Range") -> None:
        """Add the link of an embedded note, `![[note]]`; nothing in the description of an image is a link."""
        if type(image["link_type"]) is dict and not _MEDIA.search(image["dest_url"].partition("#")[0]):
            self.add_link(image, place)
        self.image_end = max(self.image_end, place["end"])

    def add_code_span(self, place: "Range") -> None:
        self.structure.code_spans.append(Span("code", place["start"], place["end"]))

    def add_link(self, link: dict[str, Any], place: "Range") -> None:
        """Add a link, unless it has no target or is in the description of an image."""
        kind: Literal["link", "wikilink"] = "link"
        start, end = place["start"], place["end"]
        target = _show_syntax(link["dest_url"])
        link_type = link["link_type"]
        if link_type == "Collapsed":
            end += len("[]")  # the range ends before them
        elif link_type == "Email":
            target = f"mailto:{target}"
        elif type(link_type) is dict:
            kind, target = "wikilink", target.rstrip("\\").strip()  # in a table, `\|` is before the label
        is_link = target and start >= self.image_end and "\n" not in target
        if is_link and len(self.structure.links) <= MAX_LINKS:
            self.structure.links.append(Link(kind, target, start, end))


def _convert(structure: Structure, source: str, original: Callable[[int], int] | None) -> Structure:
    """Convert offsets from bytes to code points, and by `original`."""
    encoded = source.encode()
    points: dict[int, int] = {}
    at = point = 0
    for offset in sorted({offset for spans in structure[:4] for span in spans for offset in (span.start, span.end)}):
        point += len(encoded[at:offset].decode())
        at = offset
        points[offset] = original(point) if original else point
    return Structure(
        [Span(span.kind, points[span.start], points[span.end], span.level, span.title) for span in structure.blocks],
        [Span(span.kind, points[span.start], points[span.end]) for span in structure.nested],
        [Link(link.kind, link.target, points[link.start], points[link.end]) for link in structure.links],
        [Span("code", points[span.start], points[span.end]) for span in structure.code_spans],
        structure.is_cut,
    )
