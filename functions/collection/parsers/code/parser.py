"""The parser of source code: a section for each definition, with the comments above it. Pure.

Definitions are recognised by how their lines begin, so that files of any version of a language, and files that don't
compile, are read alike.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from functions.collection.parsers.code.languages import LANGUAGES, Language
from functions.collection.parsers.text_encoding import decode_text
from functions.collection.parsers.writer import MarkdownWriter
from headwater.parsers import Parsed

READS = tuple(one for language in LANGUAGES for one in (f"text/x-{language.fence}", *language.suffixes))
VERSION = 1

MAX_DEFINITIONS = 5_000

_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_TYPE = {f"text/x-{language.fence}": language for language in LANGUAGES}
_ABOVE = re.compile(r"\s*(?:#(?!include|define|if|endif)|//|/\*|\*|--|@|\[[A-Z]|\"\"\"|;;|%%)")
"""Comments, decorators and attributes, which belong to the definition below them."""


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


def _definitions(lines: list[str], language: Language) -> list[tuple[int, int, str]]:
    """Return the first line, the level and the name of each definition. Those in classes are below them."""
    found: list[tuple[int, int, str]] = []
    outer = ""
    end = 0
    for index, indent, kind, defined in _matches(lines, language):
        start = index
        while start > end and lines[start - 1].strip() and _ABOVE.match(lines[start - 1]):
            start -= 1
        if indent == 0:
            outer = defined if kind in language.containers else ""
            found.append((start, 2, defined))
        elif outer:
            found.append((start, 3, f"{outer}.{defined}"))
        else:
            continue
        end = index + 1
        if len(found) == MAX_DEFINITIONS:
            break
    return found


def _matches(lines: list[str], language: Language) -> Iterator[tuple[int, int, str, str]]:
    """Yield the line, indentation, kind and name of what may be a definition: at the margin, or one level deeper."""
    step = 0
    for index, line in enumerate(lines):
        if len(line) > 500 or not (match := language.definition.match(line)):
            continue
        indent = len(match["indent"].expandtabs(4))
        step = step or indent
        if indent <= step:
            yield index, indent, (match["kind"] or "").partition("<")[0].strip(), match["name"]
