"""Find the sentences in a Markdown text's prose. Pure.

Headings, tables, code and markup are not prose. A chunk may start or end in the middle of any of them.
"""

import re
from collections.abc import Iterator

# Headings, tables, rules, HTML and JSX, directives, link definitions; titles of admonitions and tabs, which are in
# quotation marks, properties, tags alone, images alone.
_NOT_PROSE = re.compile(
    r"\s*(#{1,6}\s|\||<|:::|!!!|\?\?\?|\{%|\[[^\]]*\]:|([-*_]\s*+){3,}$|=++\s*+$|===[ !+]|(import|export)\s"
    r"|\"[^\"]*\"\s*$|'[^']*'\s*$|[\w-]+::\s|(#[\w/-]++\s*+)+$|\[!\[|!\[[^\[\]]*\]\S*\s*$)"
)
_INDENTED_CODE = re.compile(r"\t| {4}")
_MARK = re.compile(
    r"\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?|\s*>[\s>]*+(?:\[!\w+\]\s*$)?|:[ \t]+(?:<!--[^<>]*-->[ \t]*)*"
)
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)(.*)$", re.MULTILINE)
# After a title, another abbreviation, a letter alone ("z. B.", "J. Smith"), or a German day before its month.
_NO_END = (
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\b(?:vs|ca|[DNMS]r|Ms|St))(?<!\b(?:Mrs|Sra|bzw|ggf))(?<!\bProf)"
    r"(?!(?<=\b[^\W\d_])\.)(?!(?<=\d)\.\s(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober"
    r"|November|Dezember|Jahrhundert)\b)"
)
_SENTENCE_END = re.compile(
    rf"{_NO_END}[.!?\u061f\u06d4][\"')\]*_\u00bb\u201d]*+\s++"
    r"(?=[\"'(\[`*_\u00a1\u00ab\u00bf\u2018\u201c\u201eA-Z]|[^\W_a-z])"
    r"|[\u3002\uff01\uff1f\u0964][\u201d\u300d\u300f\uff09]*+"
)
"""In any script that ends sentences with a mark. After those of Chinese, Japanese and Hindi, no space is needed."""


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) of each sentence in a Markdown text's prose. Sentences never span paragraphs."""
    for first, last in _paragraphs(text):
        ends = [match.end() for match in _SENTENCE_END.finditer(text, first, last)]
        for start, end in zip([first, *ends], [*ends, last], strict=True):
            span = text[start:end]
            if span.strip():
                yield start + len(span) - len(span.lstrip()), start + len(span.rstrip())


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) of each paragraph, list item and quoted line, without their marks."""
    start: int | None = None
    at, in_code = 0, _starts_in_code(text)
    for line in text.split("\n"):
        is_fence = _FENCE.match(line) is not None
        mark = _MARK.match(line)
        is_code = in_code or is_fence or (start is None and not mark and _INDENTED_CODE.match(line))
        text_start = mark.end() if mark else 0
        is_prose = not _NOT_PROSE.match(line) and not _NOT_PROSE.match(line, text_start)
        continues = not is_code and line.strip() and is_prose
        if start is not None and (mark or not continues):
            yield start, at
            start = None
        if start is None and continues:
            start = at + text_start
        in_code ^= is_fence
        at += len(line) + 1
    if start is not None:
        yield start, len(text)


def _starts_in_code(text: str) -> bool:
    """Return True if the text starts inside a code block, so that its first fence closes it."""
    fences = _FENCE.findall(text)
    return len(fences) % 2 == 1 and not fences[0].strip()
