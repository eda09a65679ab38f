r"""Find the markup of site generators and note-taking tools in Markdown, which readers of a page don't see. Pure.

CommonMark's own inline markup isn't searched for: it is rendered wherever a passage is shown. Each rule takes linear
time: the parts of its pattern that repeat can't run across the beginning of its next match.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

Range = tuple[int, int]

LONG_ADDRESS_CHARS = 200
"""Addresses of this length are left out of what is embedded and shown."""

_CODE = "\0"
"""Stands for each character of code while the rest is searched. No text contains it, and ASCII is searched fastest."""

_HTML = (
    "a abbr address article aside audio b base bdi bdo big blockquote br button canvas caption center cite code col "
    "colgroup data dd del details dfn dialog div dl dt em embed fieldset figcaption figure font footer form h1 h2 "
    "h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend li link main map mark math menu meta "
    "nav noscript object ol optgroup option p param path picture pre q rp rt ruby s samp script section select slot "
    "small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time "
    "tr track tt u ul var video wbr"
)
_HTML_NAMES = frozenset(_HTML.split())


class Pair(NamedTuple):
    """Markup from `opening` to `closing`, with all in it; `opening` is a pattern that begins with `needle`."""

    needle: str
    opening: re.Pattern[str]
    closing: str


class Rule(NamedTuple):
    """Markup that matches a pattern, of which the groups are kept.

    `needle` is in every match. `keep` chooses what to keep instead: ranges, or None to keep all.
    """

    needle: str
    pattern: re.Pattern[str]
    keep: Callable[[re.Match[str]], Sequence[Range] | None] | None = None


def _pair(needle: str, closing: str, opening: str | None = None) -> Pair:
    return Pair(needle, re.compile(opening or re.escape(needle)), closing)


_COMMENTS = (
    _pair("<!--", "-->"),
    _pair("%%", "%%", r"(?<=\n)%%(?=[ \t\n])"),  # `%%time` begins a cell of a notebook
    _pair("{/*", "*/}"),
    _pair("{# ", "#}"),
    _pair("{% comment", "endcomment %}"),
    _pair("{::comment}", "{:/comment}"),
    _pair("<script", "</script>", r"<script\b"),
    _pair("<style", "</style>", r"<style\b"),
    _pair(":LOGBOOK:", ":END:"),
)
"""What has neither headings nor links for a reader."""

_NOT_MARKDOWN = re.compile(r" |\{[{%]|\[\[")  # in a link's target


def _keep_of_link(match: re.Match[str]) -> Sequence[Range] | None:
    """Keep only the label of a link if its target is long, has spaces or a title, or isn't Markdown's."""
    label, target = match.groups()
    if not label.strip():
        return []
    is_plain = len(target) < LONG_ADDRESS_CHARS and not _NOT_MARKDOWN.search(target)
    return None if is_plain else [match.span(1)]


def _keep_of_wikilink(match: re.Match[str]) -> Sequence[Range]:
    """Keep the label of a wikilink, else its target; nothing of an embed."""
    if match[1] == "!" or match[2].strip("_").lower() == "toc":
        return []
    start, end = match.span(2)
    return [(start + match[2].rfind("|") + 1, end)]


def _keep_of_template(match: re.Match[str]) -> Sequence[Range] | None:
    """Keep `{{name}}`, a placeholder in most texts; nothing of a shortcode, macro or expression."""
    return None if match[1].isidentifier() else []


def _keep_of_tag(match: re.Match[str]) -> Sequence[Range] | None:
    """Keep what is no tag of HTML and no component, such as `<name>` and `List<String>`."""
    name, attributes = match[1], match[2]
    is_component = name[0].isupper() and match.string[match.start() + 1] == "/"
    is_tag = name.lower() in _HTML_NAMES or is_component or "=" in attributes or attributes.endswith("/")
    return [] if is_tag else None


_PREFIX = r"(\n[ \t>]*+)"
_ADMONITION = r'[ \t]+[A-Za-z][\w-]*+(?:[ \t]+(?:inline|end))*[ \t]*+("[^"\n]+")?(?:"")?[ \t]*+(?=\n|\Z)'
# Attribute lists are at the end of a line, or follow a link, an image, emphasis or code.
_LINE_END = r"(?=[ \t]*(?:\n|\Z))"
_AFTER_MARKUP = rf"(?<=[)\]*_{_CODE}])"
_RULES = (
    # Admonitions and tabs of MkDocs: their titles remain, in quotation marks.
    Rule("!!!", re.compile(_PREFIX + r"!!!" + _ADMONITION)),
    Rule("???", re.compile(_PREFIX + r"\?\?\?\+?" + _ADMONITION)),
    Rule("===", re.compile(_PREFIX + r"===[!+]{0,2}[ \t]+(\"[^\"\n]*\"|'[^'\n]*')[ \t]*+(?=\n|\Z)")),
    # Containers of Docusaurus, VitePress and Pandoc, and the directives of mkdocstrings.
    Rule(":::", re.compile(_PREFIX + r":::[ \t]+\w+(?:\.\w+)+[ \t]*+(?:\n[ \t]{2,}[^\n]+)*")),
    Rule(
        ":::",
        re.compile(
            _PREFIX + r":::++[ \t]*+(?:\{[^\n]*+|[\w.-]*+(?:\[([^\[\]\n]*+)\])?(?:[ \t]+([^{}\n]*+))?"
            r"(?:\{[^{}\n]*+\})?)[ \t]*+(?=\n|\Z)"
        ),
    ),
    # Descriptions of definition lists, footnotes, abbreviations, link definitions.
    Rule(":", re.compile(_PREFIX + r":[ \t]+(?=\S)")),
    Rule("[^", re.compile(_PREFIX + r"\[\^[^\[\]\n]+\]:[ \t]*")),
    Rule("[^", re.compile(r"\[\^[^\[\]\n]+\]")),
    Rule("*[", re.compile(_PREFIX + r"\*\[[^\[\]\n]+\]:[^\n]*")),
    # Attribute lists of Kramdown, Python-Markdown, Goldmark and VitePress.
    Rule("{:", re.compile(r"\{:[^{}\n]*\}" + _LINE_END)),
    Rule("{:", re.compile(_AFTER_MARKUP + r"\{:[^{}\n]*\}")),
    Rule("{::", re.compile(r"\{::[^{}\n]*\}")),
    Rule("{", re.compile(r"(?<![\w$\\^])\{[ \t]*[#.][A-Za-z_-][^{}\n]*\}" + _LINE_END)),
    Rule("{", re.compile(_AFTER_MARKUP + r"\{[ \t]*(?:[#.][A-Za-z_-]|[\w-]+=)[^{}\n]*\}")),
    Rule("{", re.compile(_PREFIX + r"\{[ \t]*[\w-]+=\"[^{}\n]*\}" + _LINE_END)),
    # Shortcodes and expressions of Hugo, Zola, Jekyll, VitePress and Logseq.
    Rule("{%", re.compile(r"\{%[^{}]*%\}")),
    Rule("{{", re.compile(r"\{\{([^{}]*)\}\}"), _keep_of_template),
    # Obsidian and Logseq.
    Rule("%%", re.compile(r"(?<![\w%])%%[^%\n]+%%")),
    Rule("[!", re.compile(r"(\n[ \t]*+>[ \t>]*+)\[!\w+\][-+]?")),
    Rule(" ^", re.compile(r" \^[A-Za-z0-9-]+(?=\n|\Z)")),
    Rule("==", re.compile(r"(?<![=\w])==(?=[^\s=])([^=\n]+)==(?![=\w])")),
    Rule("++", re.compile(r"\+\+(?<![+\w]\+\+)([a-z][\w-]*(?:\+[\w-]+)*)\+\+(?![+\w])")),
    Rule(":: ", re.compile(r"(\n[ \t]*+(?:[-*][ \t]+)?)[A-Za-z][\w-]*::[ \t][^\n]*")),
    Rule("((", re.compile(r"\(\([0-9a-f]{8}-[0-9a-f-]{27}\)\)")),
    Rule("[#", re.compile(r"\[#[A-C]\] ?")),
    Rule(": <", re.compile(_PREFIX + r"(?:SCHEDULED|DEADLINE): <[^<>\n]*>")),
    Rule("[[", re.compile(r"(!|#(?=\[\[))?\[\[([^\[\]\n]*)\]\](?!\()"), _keep_of_wikilink),
    # Emoji and icons by name, tables of contents, included files.
    Rule(":", re.compile(r":(?<![\w:/]:)[a-z][a-z0-9_+-]{1,60}:(?![\w:/])")),
    Rule("[TOC]", re.compile(_PREFIX + r"\[TOC\][ \t]*+(?=\n|\Z)")),
    Rule("--8<--", re.compile(_PREFIX + r"-+8<-+[^\n]*")),
    Rule("<<<", re.compile(_PREFIX + r"<<<[ \t]*@?[^\n]*")),
    # Links with long or generated targets, and HTML.
    Rule("](", re.compile(r"(?:!\[|\[)([^\[\]\n]*+)\]\(([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*)\)"), _keep_of_link),
    Rule("<http", re.compile(rf"<https?://[^\s<>]{{{LONG_ADDRESS_CHARS},}}+>")),
    Rule("http", re.compile(rf"https?://[^\s<>()\[\]]{{{LONG_ADDRESS_CHARS},}}+")),
    Rule("<", re.compile(r"<(?<!\\<)/?([A-Za-z][\w.-]*+)((?:[\s/][^<>]*+)?)>"), _keep_of_tag),
)

# A text is searched for the rarest character of a needle first, which is fastest.
_SIGNS = "{^%!?=+<*#(:[h-"

_Row = TypeVar("_Row", Pair, Rule)


def _by_sign(rows: Iterable[_Row]) -> dict[str, list[_Row]]:
    """Group pairs or rules by the rarest character of their needles."""
    groups: dict[str, list[_Row]] = {sign: [] for sign in _SIGNS}
    for row in rows:
        groups[next(sign for sign in _SIGNS if sign in row.needle)].append(row)
    return groups


_COMMENTS_BY_SIGN = _by_sign(_COMMENTS)
_RULES_BY_SIGN = _by_sign(_RULES)

_DEFINITION = re.compile(
    _PREFIX + r"\[([^\[\]\n^][^\[\]\n]*)\]:[ \t]*+(?:\{[^\n]*|\S++(?:[ \t]+[\"'(][^\n]*)?[ \t]*+(?=\n|\Z))"
)
_REFERENCE = re.compile(r"!?\[([^\[\]\n]+)\](?:\[([^\[\]\n]*)\])?(?![(\[])")


class Markup(NamedTuple):
    """The ranges of a text that are markup, in order, and those of comments among them."""

    hidden: list[Range]
    comments: list[Range]


def find_markup(text: str, code: Sequence[Range], hidden: Iterable[Range] = ()) -> Markup:
    """Find the markup in a text. Code is searched for none; it is given in order. `hidden` is markup that is known."""
    masked = "\n" + blank(text, code, _CODE)
    signs = [sign for sign in _SIGNS if sign in masked]
    comments = [place for sign in signs for pair in _COMMENTS_BY_SIGN[sign] for place in _find_comments(masked, pair)]
    found = [*comments, *((start + 1, end + 1) for start, end in hidden)]
    for needle, pattern, keep in chain.from_iterable(map(_RULES_BY_SIGN.__getitem__, signs)):
        if needle in masked:
            for match in pattern.finditer(masked):
                kept = [match.span(n) for n in range(1, pattern.groups + 1)] if keep is None else keep(match)
                if kept is not None:
                    found += _without(match.span(), kept)
    if "]:" in masked:
        found += _find_references(masked)
    united = [(max(start - 1, 0), end - 1) for start, end in _union(found)]
    return Markup([_tidy(text, *part) for part in united], [(start - 1, end - 1) for start, end in _union(comments)])


def without(text: str, hidden: Iterable[Range]) -> str:
    """Return a text without some of its ranges."""
    return "".join(text[start:end] for start, end in _without((0, len(text)), hidden))


def blank(text: str, ranges: Iterable[Range], filler: str = " ") -> str:
    """Replace each character of some ranges, so that offsets stay the same."""
    pieces: list[str] = []
    position = 0
    for start, end in ranges:
        pieces += (text[position:start], filler * (end - start))
        position = end
    return "".join([*pieces, text[position:]])


def _find_comments(masked: str, pair: Pair) -> Iterator[Range]:
    position = 0
    while pair.needle in masked and (match := pair.opening.search(masked, position)):
        end = masked.find(pair.closing, match.end())
        if end < 0:
            break
        position = end + len(pair.closing)
        yield match.start(), position


def _find_references(masked: str) -> Iterator[Range]:
    """Find link definitions, and the brackets of the links that use them."""
    labels = set()
    for match in _DEFINITION.finditer(masked):
        labels.add(_label(match[2]))
        yield match.end(1), match.end()
    for match in _REFERENCE.finditer(masked) if labels else ():
        if _label(match[2] or match[1]) in labels:
            yield from _without(match.span(), [match.span(1)])


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _without(whole: Range, kept: Iterable[Range]) -> Iterator[Range]:
    """Yield the parts of a range between the kept ones."""
    position, end = whole
    for first, last in kept:
        if first > position:
            yield position, first
        position = max(position, last)
    if position < end:
        yield position, end


def _union(ranges: Iterable[Range]) -> list[Range]:
    united: list[Range] = []
    for start, end in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _tidy(text: str, start: int, end: int) -> Range:
    """Add one of two spaces around a range to it."""
    if end < len(text) and text[end] in " \t" and (start == 0 or text[start - 1] in " \t\n"):
        end += 1
    return start, end
