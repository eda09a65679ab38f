"""Cut what a message quotes of the messages before it in its conversation. Pure.

A quotation is cut if the conversation has said most of it: mail programs wrap lines anew, and leave some out. What
isn't part of the conversation, such as a forwarded message, stays.
"""

import re
from typing import Any

_WORD = re.compile(r"\w+")
_GRAM = 4
_MIN_SHARE = 0.75
"""Share of a quotation's groups of four words that have been said before."""
_MAX_DEPTH = 10
_QUOTED = re.compile(r"[ \t]{0,3}>")
_SEPARATOR = re.compile(r"[ \t]*-{2,}[^-\n]{3,60}-{2,}[ \t]*$|[ \t]*_{10,}[ \t]*$")
_FIELD = re.compile(
    r"[ \t]*\*?(?:From|Sent|Date|To|Cc|Subject|Von|Gesendet|Datum|An|Betreff|De|Envoyé|À|Objet|Da|Inviato|A|Oggetto"
    r"|Para|Enviado|Asunto|Van|Verzonden|Aan|Onderwerp):\*?[ \t]",
    re.IGNORECASE,
)
_MIN_FIELDS = 3
_MAX_TRIES = 20
"""Header fields of other messages in one message, after which the rest is compared."""
_ATTRIBUTION = re.compile(r"\d|@|wrote|schrieb|écrit|escribió|scritto|schreef", re.IGNORECASE)
_MAX_ATTRIBUTION_CHARS = 300


class Said:
    """What the messages before have said, as hashes of groups of words."""

    def __init__(self) -> None:
        self._grams: set[int] = set()

    def add(self, text: str) -> None:
        """Add a message's text."""
        for line in text.split("\n"):
            self._grams.add(hash(tuple(_words(line))))
        self._grams.update(_grams(_words(text)))

    def has(self, text: str) -> bool:
        """Return True if most of a text has been said, or if it has no words."""
        grams = _grams(_words(text))
        said = sum(gram in self._grams for gram in grams)
        return said >= _MIN_SHARE * len(grams)


def cut_plain(text: str, said: Said) -> str:
    """Return a text without the quotations that have been said."""
    lines = text.replace("\r\n", "\n").split("\n")
    kept: list[str] = []
    position = tries = 0
    while position < len(lines):
        end = position
        while end < len(lines) and _QUOTED.match(lines[end]):
            end += 1
        if end == position:
            if tries < _MAX_TRIES and _is_header(lines, position):
                tries += 1
                if said.has(_after_header(lines, position)):
                    break
            kept.append(lines[position])
            end += 1
        elif said.has("\n".join(lines[position:end])):
            _drop_attribution(kept)
        else:
            kept += lines[position:end]
        position = end
    return "\n".join(kept)


def cut_html(root: Any, said: Said) -> None:
    """Remove the quotations from a page that have been said."""
    pending = [(root, 0)]
    while pending:
        element, depth = pending.pop()
        for child in list(element):
            if not isinstance(child.tag, str):
                continue
            is_quotation = depth < _MAX_DEPTH and _is_quotation(child)
            if is_quotation and said.has(child.text_content()):
                _drop_html_attribution(child)
                child.drop_tree()
            else:
                pending.append((child, depth + is_quotation))
    for header in root.xpath("//*[@id='divRplyFwdMsg' or @id='x_divRplyFwdMsg']")[:1]:
        rest = list(header.itersiblings())
        if rest and said.has("\n".join(one.text_content() for one in rest if isinstance(one.tag, str))):
            for one in [*rest, header]:
                one.getparent().remove(one)


def _is_quotation(element: Any) -> bool:
    classes = (element.get("class") or "").split()
    return element.tag == "blockquote" or bool({"gmail_quote", "yahoo_quoted", "protonmail_quote"} & set(classes))


def _drop_html_attribution(quotation: Any) -> None:
    before = quotation.getprevious()
    if before is not None and isinstance(before.tag, str) and before.tag in ("div", "p") and len(before) <= 3:
        text = before.text_content().strip()
        if _is_attribution(text):
            before.drop_tree()


def _is_header(lines: list[str], position: int) -> bool:
    """Return True where the header fields of another message begin, or the line above them."""
    is_separator = bool(_SEPARATOR.match(lines[position]))
    if not is_separator and not _FIELD.match(lines[position]):
        return False
    start = position + is_separator
    return sum(bool(_FIELD.match(line)) for line in lines[start : start + 8]) >= _MIN_FIELDS


def _after_header(lines: list[str], position: int) -> str:
    while position < len(lines) and lines[position].strip():
        position += 1
    return "\n".join(lines[position:])


def _drop_attribution(kept: list[str]) -> None:
    """Drop the last lines if they say whose words follow, such as "On Monday, Ann wrote:"."""
    while kept and not kept[-1].strip():
        kept.pop()
    for count in (1, 2):
        last = kept[-count:]
        if len(last) == count and all(map(str.strip, last)) and _is_attribution(" ".join(last)):
            del kept[-count:]
            return


def _is_attribution(text: str) -> bool:
    ends = text.rstrip().endswith((":", "\uff1a"))
    return ends and len(text) <= _MAX_ATTRIBUTION_CHARS and bool(_ATTRIBUTION.search(text))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _grams(words: list[str]) -> list[int]:
    if len(words) < _GRAM:
        return [hash(tuple(words))] if words else []
    return [hash(tuple(words[start : start + _GRAM])) for start in range(len(words) - _GRAM + 1)]
