"""What stands inside a block: ranges of a page's text flow in; links and the plain text of headings flow out.

Called by `parse`, `blocks` and `mdx`. Every pattern here is linear in what it is given: quantifiers are possessive,
or what they run over is bounded, so that no page can stall a worker.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from headwater.parsers import Link

MAX_HEADING_CHARS = 300
MAX_HEADING_MARKUP_CHARS = 1_000

_TAGS = (
    "a|abbr|b|br|big|center|cite|code|del|div|em|font|i|img|ins|kbd|mark|p|s|samp|small|span|strong|sub|sup|tt|u|var"
)
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
    | (?P<star>\*{{1,3}}|~~)(?=\S)(?P<starred>.{{1,200}}?)(?<=\S)(?P=star)
    | (?<!\w)(?P<bar>_{{1,3}})(?=\S)(?P<barred>.{{1,200}}?)(?<=\S)(?P=bar)(?!\w)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_MARKED = re.compile(r"[\\`*_\[<&~]")
_ATTRIBUTES = re.compile(r"\{[:#.][^{}]*\}$")

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


def find_references(text: str, start: int, end: int) -> dict[str, str]:
    """Read the definitions `[label]: target` in a range; of two with one label the first counts (CommonMark 4.7)."""
    found: dict[str, str] = {}
    if text.find("]:", start, end) >= 0:
        for match in _DEFINITION.finditer(text, start, end):
            found.setdefault(_label(match["label"]), _target(match["dest"]))
    return found


def find_links(text: str, start: int, end: int, references: Mapping[str, str]) -> Iterator[Link]:
    """Yield a block's links in order: inline, by reference, automatic and wikilinks; no images, nothing inside code."""
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
        else:
            link, position = _link_at(text, at, end, references)
            if link and not (at > start and text[at - 1] == "!"):
                yield link


def _link_at(text: str, at: int, end: int, references: Mapping[str, str]) -> tuple[Link | None, int]:
    """Read the link that begins at `<` or `[`, if one does, and tell where to go on; one without target is skipped."""
    kind: Literal["link", "wikilink"] = "link"
    if text[at] == "<":
        match = _AUTOLINK.match(text, at, end)
        target = match[1] if match else None
    elif match := _WIKILINK.match(text, at, end):
        kind, target = "wikilink", match[1].rstrip("\\").strip()
    else:
        match = _LINK.match(text, at, end)
        target = _destination(match, references) if match else None
    if match is None or target is None:
        return None, at + 1
    return (Link(kind, target, at, match.end()) if target else None), match.end()


def _destination(match: re.Match[str], references: Mapping[str, str]) -> str | None:
    """Find where a bracketed text leads; None when it is only brackets."""
    if match["dest"] is not None:
        return _target(match["dest"])
    if not references or match.string.startswith(":", match.end()):
        return None
    return references.get(_label(match["ref"] or match["label"]))


def after_code(text: str, at: int, end: int, unclosed: set[int]) -> int:
    """Skip a code span, or only the backticks when nothing closes them.

    `unclosed` remembers lengths of runs that have no partner further on, so that each is searched for once.
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
    """Strip a heading's inline markup and anchor, as a reader sees it: ``A `b` [c](d) {#id}`` reads "A b c"."""
    markup = markup.strip()[:MAX_HEADING_MARKUP_CHARS]
    if markup.endswith("}"):
        markup = _ATTRIBUTES.sub("", markup)
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
