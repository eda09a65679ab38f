"""What stands inside a block: ranges of a page's text flow in; links and the plain text of headings flow out.

Called by `parse` and `markdown`. Every pattern here is linear in what it is given: quantifiers are possessive, or what they
run over is bounded, so that no page can stall a worker.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

MAX_HEADING_CHARS = 300
MAX_HEADING_MARKUP_CHARS = 1_000

_TAGS = "a|abbr|b|br|big|center|cite|code|del|div|em|font|i|img|ins|kbd|mark|p|s|samp|small|span|strong|sub|sup|tt|u|var|wbr"
_MARKUP = re.compile(
    rf"""
      \\(?P<escaped>[!-/:-@\[-`{{-~])
    | (?<!`)(?P<ticks>`++)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)
    | \[\[(?P<wiki>[^\[\]|]++)(?:\|(?P<alias>[^\[\]]++))?\]\](?!\()
    | !?\[(?P<label>(?:[^\[\]\\]|\\.|\[[^\[\]]*+\])*+)\]
      (?P<tail>\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)|\[(?P<ref>[^\[\]]*+)\])?+
    | <(?P<url>(?:https?|mailto):[^<>\s]*+)>
    | <!--.*?--> | </?(?:{_TAGS})\b[^<>]*+>
    | (?P<entity>&(?:\#\d{{1,7}}|\#[xX][\da-fA-F]{{1,6}}|[A-Za-z]\w{{1,30}});)
    | (?P<star>\*{{1,3}}|~~)(?=\S)(?P<starred>.+?)(?<=\S)(?P=star)
    | (?<!\w)(?P<bar>_{{1,3}})(?=\S)(?P<barred>.+?)(?<=\S)(?P=bar)(?!\w)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_MARKED = re.compile(r"[\\`*_\[<&~]")
_ATTRIBUTES = re.compile(r"\s*\{[:#.][^{}]*\}\s*$")

_DEFINITION = re.compile(
    r"""^[ \t>]*+\[(?!\^)(?P<label>[^\[\]\n]{1,500})\]:[ \t]*+\n?[ \t>]*+(?P<dest><[^<>\n]*+>|[^\s<]\S*+)"""
    r"""(?=[ \t]*+(?:["'(][^\n]*+)?$)""",
    re.MULTILINE,
)
_SPECIAL = re.compile(r"[\\`\[<]")
_LINK_SIGN = re.compile(r"\]\(|\[\[|<[Hh]")
_TICKS = re.compile(r"`++")
# A lone backtick must not pair with one in another paragraph, list item or table row.
_CODE = re.compile(r"`(?:[^`\n]|\n(?![ \t]*+(?:\n|[-+*|>][ \t]|\d{1,9}[.)][ \t])))++`(?!`)")
_AUTOLINK = re.compile(r"<(https?://[^\s<>]*+)>", re.IGNORECASE)
_WIKILINK = re.compile(r"\[\[([^\[\]\n|]++)(?:\|[^\[\]\n]*+)?\]\](?!\()")
_LINK = re.compile(
    r"""
    \[(?P<label>(?:[^\[\]\\`]|\\.|`[^`]*+`|`|\[[^\[\]]*+\](?:\([^()]*+\))?+)*+)\]
    (?:
        \(\s*+
        (?P<dest><[^<>\n]*+>|(?:[^\s()\\<]|\\.|\((?:[^\s()\\]|\\.|\([^\s()]*+\))*+\))++)
        (?:\s++(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|\([^()]*+\)))?+
        \s*+\)
      | \[(?P<ref>[^\[\]]*+)\]
    )?
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


class Link(msgspec.Struct, frozen=True, gc=False):
    """A link as written: `text[start:end]` is its whole markup, `target` where it points (with `#fragment`, without label)."""

    kind: Literal["link", "wikilink"]
    target: str
    start: int
    end: int


def find_references(text: str, start: int, end: int) -> dict[str, str]:
    """Read the definitions `[label]: target` in a range; of two with one label the first counts (CommonMark 4.7)."""
    found: dict[str, str] = {}
    if text.find("]:", start, end) >= 0:
        for match in _DEFINITION.finditer(text, start, end):
            found.setdefault(_label(match["label"]), _target(match["dest"]))
    return found


def find_links(text: str, start: int, end: int, references: Mapping[str, str]) -> Iterator[Link]:
    """Yield the links of a block in order: inline, by reference, automatic and wikilinks; no images, nothing inside code."""
    if not references and not _LINK_SIGN.search(text, start, end):
        return
    unclosed: set[int] = set()
    position = start
    while special := _SPECIAL.search(text, position, end):
        at = special.start()
        position = at + 1
        sign = text[at]
        if sign == "\\":
            position = at + 2
        elif sign == "`":
            position = after_code(text, at, end, unclosed)
        elif sign == "<":
            if auto := _AUTOLINK.match(text, at, end):
                yield Link("link", auto[1], at, auto.end())
                position = auto.end()
        else:
            embedded = at > start and text[at - 1] == "!"
            if wiki := _WIKILINK.match(text, at, end):
                position = wiki.end()
                target = wiki[1].rstrip("\\").strip()
                if target and not embedded:
                    yield Link("wikilink", target, at, position)
            elif match := _LINK.match(text, at, end):
                resolved = _destination(match, references)
                if resolved is not None:
                    position = match.end()
                    if resolved and not embedded:
                        yield Link("link", resolved, at, position)


def _destination(match: re.Match[str], references: Mapping[str, str]) -> str | None:
    """Find where a bracketed text leads; None when it is only brackets."""
    if match["dest"] is not None:
        return _target(match["dest"])
    if not references or match.string.startswith(":", match.end()):
        return None
    return references.get(_label(match["ref"] or match["label"]))


def after_code(text: str, at: int, end: int, unclosed: set[int]) -> int:
    """Skip a code span, or only the backticks when nothing closes them.

    `unclosed` remembers run lengths that have no partner further on, so that the search for one happens once per length.
    """
    if code := _CODE.match(text, at, end):
        return code.end()
    ticks = _TICKS.match(text, at, end)
    after = ticks.end() if ticks else at + 1
    length = after - at
    if length == 1 or length in unclosed:
        return after
    for closing in _TICKS.finditer(text, after, end):
        if closing.end() - closing.start() == length:
            return closing.end()
    unclosed.add(length)
    return after


def _label(written: str) -> str:
    return " ".join(written.split()).casefold()


def _target(written: str) -> str:
    if written.startswith("<"):
        written = written[1:-1]
    if "\\" in written:
        written = _ESCAPE.sub(r"\1", written)
    return html.unescape(written) if "&" in written else written


def plain_text(markup: str, references: Mapping[str, str]) -> str:
    """Strip a heading's inline markup and anchors, as a reader would see it: ``## `Foo` [bar](x) {#id}`` reads "Foo bar"."""
    markup = _ATTRIBUTES.sub("", markup.strip()[:MAX_HEADING_MARKUP_CHARS])
    if _MARKED.search(markup):
        markup = _plain(markup, references)
    plain = " ".join(markup.split())
    return plain if len(plain) <= MAX_HEADING_CHARS else plain[:MAX_HEADING_CHARS].rstrip() + "…"


def _plain(markup: str, references: Mapping[str, str]) -> str:
    def unmark(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind is None:
            return " " if match[0][:3].lower() == "<br" else ""
        if kind in ("escaped", "code", "url"):
            return match[kind]
        if kind == "entity":
            return html.unescape(match[0])
        if kind in ("wiki", "alias"):
            return match["alias"] or match["wiki"]
        if kind in ("starred", "barred"):
            return _plain(match[kind], references)
        linked = match["tail"] and (match["ref"] is None or _label(match["ref"] or match["label"]) in references)
        label = _plain(match["label"], references)
        return label if linked or _label(match["label"]) in references else f"[{label}]{match['tail'] or ''}"

    return _MARKUP.sub(unmark, markup)
