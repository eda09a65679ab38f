"""Write a thread, such as an issue with its comments, as one Markdown document. Pure.

Texts of users are kept in their sections: their headings move below the section's, and what they leave open (a code
block, an HTML comment) is closed at their end.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from headwater.redaction import escape_line

MAX_FIELD_CHARS = 300
MAX_COMMENTS = 2_000
_URL = re.compile(r"https?://[^\s<>\"\\^`{|}\x00-\x1f\x7f]{1,2000}")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r"( {0,3})(#{1,6})([ \t].*|)$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_PARAGRAPH = re.compile(r" {0,3}(?![ \t#>`~<|]|[-+*][ \t]|\d{1,9}[.)][ \t])\S")
_TAG = re.compile(r" {0,3}<(script|pre|style|textarea)(?=[\s>]|$)", re.IGNORECASE)
_MARKUP_ENDS = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"))
_MAX_LEVEL = 6


class Comment(msgspec.Struct, frozen=True):
    """A text in a thread. `note` says what it is besides a comment, such as `approved`."""

    author: str
    date: str
    text: str
    url: str = ""
    note: str = ""


def write_thread(
    title: str,
    text: str,
    comments: Sequence[Comment],
    front_matter: Mapping[str, Any],
    *,
    max_bytes: int,
) -> bytes:
    """Return the document: front matter, the title, the text, and a section for each comment.

    Comments that would exceed `max_bytes` or MAX_COMMENTS are left out, with a last line that says so.
    """
    fields = {"title": title, **front_matter}
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items() if value not in (None, "", [], ())]
    pieces = ["---", *lines, "---", "", f"# {_heading_text(title)}", "", *nest(text, 1)]
    size = sum(len(piece.encode(errors="replace")) + 1 for piece in pieces)
    for number, comment in enumerate(comments):
        section = ["", _comment_heading(comment), "", *nest(comment.text, 2)]
        size += sum(len(piece.encode(errors="replace")) + 1 for piece in section)
        if number >= MAX_COMMENTS or size > max_bytes - 1_000:
            pieces += ["", f"{len(comments) - number:,} more comments are not collected."]
            break
        pieces += section
    return "\n".join([*pieces, ""]).encode(errors="replace")


def web_url(text: object) -> str | None:
    """Return a web address as it is, None for anything else, such as `javascript:`."""
    return text if isinstance(text, str) and _URL.fullmatch(text) else None


def one_line(text: str) -> str:
    """Return a name or title as one printable line of at most MAX_FIELD_CHARS characters."""
    line = " ".join(escape_line(" ".join(text[: 4 * MAX_FIELD_CHARS].split())).split())
    return line if len(line) <= MAX_FIELD_CHARS else f"{line[: MAX_FIELD_CHARS - 1]}…"


def nest(text: str, levels: int) -> Iterator[str]:
    r"""Yield the lines of Markdown as they read within a section: headings `levels` deeper, all blocks closed.

    >>> list(nest("# A\n```\nb", 1))
    ['## A', '```', 'b', '```']
    """
    fence, end_of_markup, before = "", "", ""
    for line in text.replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        written = line
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif end_of_markup:
            end_of_markup = "" if end_of_markup in line.lower() else end_of_markup
        elif opened := _FENCE.match(line):
            fence = opened[1] if opened[1][0] == "~" or "`" not in opened[2] else ""
        elif heading := _HEADING.match(line):
            written = f"{heading[1]}{'#' * min(len(heading[2]) + levels, _MAX_LEVEL)}{heading[3]}"
        elif _UNDERLINE.match(line) and _PARAGRAPH.match(before):
            written = ""  # there is no underline for deeper headings: its text becomes a paragraph
        else:
            end_of_markup = _opened_markup(line)
        yield written
        before = line
    if fence or end_of_markup:
        yield fence or end_of_markup


def _closes(line: str, fence: str) -> bool:
    closing = _FENCE.match(line)
    return bool(closing and closing[1].startswith(fence) and not closing[2].strip())


def _opened_markup(line: str) -> str:
    """Return what ends the HTML block that a line opens and does not end; "" if it opens none (CommonMark, 4.6)."""
    start = line.lstrip(" ").lower()
    if tag := _TAG.match(line):
        end = f"</{tag[1].lower()}>"
        return "" if end in start else end
    for opening, end in _MARKUP_ENDS:
        if start.startswith(opening.lower()):
            return "" if end in start[len(opening) :] else end
    if start.startswith("<!") and start[2:3].isalpha():
        return "" if ">" in start else ">"
    return ""


def _comment_heading(comment: Comment) -> str:
    words = _heading_text(" ".join(part for part in (comment.author, comment.note) if part) or "unknown")
    date = _heading_text(comment.date[:16].replace("T", " "))
    url = web_url(comment.url)
    linked = f"[{words}]({url.replace('(', '%28').replace(')', '%29')})" if url else words
    return f"## {linked}, {date}" if date else f"## {linked}"


def _heading_text(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#!&~|$])", r"\\\1", one_line(text))


def _yaml(value: Any) -> str:
    """Write a value as JSON, which YAML reads too."""
    if isinstance(value, str):
        return json.dumps(one_line(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return json.dumps(value)
