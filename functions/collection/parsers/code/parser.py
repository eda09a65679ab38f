"""The parser of source code: a section for each definition, with the comments above it. Pure.

Definitions are recognised by how their lines begin, so that files of any version of a language, and files that don't
compile, are read alike.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from functions.collection.parsers.code.languages import CONTAINERS, LANGUAGES, Language
from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import MarkdownWriter
from headwater.parsers import Parsed

READS = tuple(one for language in LANGUAGES for one in (f"text/x-{language.fence}", *language.suffixes))
VERSION = 2

MAX_DEFINITIONS = 5_000

_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_TYPE = {f"text/x-{language.fence}": language for language in LANGUAGES}
_ABOVE = re.compile(r"\s*(?:#(?!include|define|if|endif)|//|/\*|\*|--|@|\[[A-Z]|template\s*<|\"\"\"|;;|%%)")
"""Comments, decorators and attributes, which belong to the definition below them."""
_CONTINUES = re.compile(r"\s*(?:[{}()\[\]]|#(?!\w+\()|//|/\*|\*|--|@|end\b|where\b|(?:public|private|protected)\s*:)")
"""Lines that don't end a class, although they are not indented more than it is."""
_NAME_OF_FUNCTION = re.compile(r"[A-Za-z_][\w:~]*\s*\([^;]*$")
_TYPE_OF_FUNCTION = re.compile(r"[A-Za-z_][\w:<>,*& \t]*")
_MAX_LINE_CHARS = 500
_MAX_DEPTH = 5
_MAX_DECORATOR_LINES = 50


def parse(name: str, content: bytes, media_type: str) -> Parsed:
    """Parse a file. Raises PermanentError if it is binary."""
    text, warnings = decode_text(content)
    language = _BY_SUFFIX.get(name[name.rfind(".") :].lower()) or _BY_TYPE.get(media_type, LANGUAGES[0])
    writer = MarkdownWriter()
    writer.warnings += warnings
    lines = text.split("\n")
    starts = _definitions(lines, language)
    first = starts[0][0] if starts else len(lines)
    writer.code("\n".join(lines[:first]), language.fence)
    for (start, level, title), (end, _, _) in pairwise([*starts, (len(lines), 0, "")]):
        writer.heading(level, title)
        writer.code("\n".join(lines[start:end]), language.fence)
    return writer.finish(title=name.rpartition("/")[2])


class _Definition(NamedTuple):
    """A definition: the index of its first line, with the comments above, its indentation, kind and full name."""

    start: int
    indent: int
    kind: str
    name: str


def _definitions(lines: list[str], language: Language) -> list[tuple[int, int, str]]:
    """Return the first line, the level and the name of each definition. Those in classes are below them."""
    found: list[tuple[int, int, str]] = []
    around: list[_Definition] = []
    margin = end = 0
    for index, line in enumerate(lines):
        if not line.strip() or len(line) > _MAX_LINE_CHARS:
            continue
        indent = _indentation(line)
        inside = [one for one in around if one.indent < indent]
        outer = inside[-1] if inside else None
        is_place = outer.kind in CONTAINERS and len(inside) < _MAX_DEPTH if outer else indent <= margin or not found
        match = _match(lines, index, language, outer) if is_place else None
        if match or not _CONTINUES.match(line):
            around = inside
        if match is None:
            continue
        margin = margin if found else indent
        kind = (match.groupdict().get("kind") or "").strip().lower()
        name = _full_name(match, outer)
        start = _first_line(lines, index - (match.string != line), end)
        found.append((start, 2 + len(inside), name))
        around.append(_Definition(start, indent, kind, "" if kind == "namespace" else name))
        end = index + 1
        if len(found) == MAX_DEFINITIONS:
            break
    return found


def _match(lines: list[str], index: int, language: Language, outer: _Definition | None) -> re.Match[str] | None:
    """Match a line as a definition or a container's member; with the line above it, if that is a function's type."""
    line = lines[index]
    if outer and language.member and (match := language.member.match(line)):
        return match
    if language.is_split and index and _NAME_OF_FUNCTION.match(line) and _TYPE_OF_FUNCTION.fullmatch(lines[index - 1]):
        line = f"{lines[index - 1]} {line}"
    return language.definition.match(line)


def _full_name(match: re.Match[str], outer: _Definition | None) -> str:
    """Return a name with those of the classes around it, and without parameters of types."""
    owner = match.groupdict().get("owner") or (outer.name if outer else "")
    name = re.sub(r"<[^<>]*>", "", match["name"]).replace('"', "").strip(": ")
    return f"{owner}.{name}" if owner else name


def _first_line(lines: list[str], index: int, end: int) -> int:
    """Return the first line of the comments, decorators and attributes above a line, after the line `end`."""
    start = index
    while start > end and lines[start - 1].strip():
        if _ABOVE.match(lines[start - 1]):
            start -= 1
        elif lines[start - 1].strip() == ")" and (above := _opening_line(lines, start - 1, end)) is not None:
            start = above
        else:
            break
    return start


def _opening_line(lines: list[str], index: int, end: int) -> int | None:
    """Return the line of the decorator that a closing parenthesis belongs to."""
    indent = _indentation(lines[index])
    for above in range(index - 1, max(end, index - _MAX_DECORATOR_LINES) - 1, -1):
        if _indentation(lines[above]) == indent:
            return above if lines[above].lstrip().startswith("@") else None
    return None


def _indentation(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
