"""Decode HTML: by its byte order mark, the server's charset, the page's own declaration, or what the bytes look like.

As browsers do (WHATWG, Encoding), except where the declaration is evidently wrong: text with multi-byte UTF-8 and no
error is UTF-8. Pure.
"""

import codecs
import re

from headwater.errors import PermanentError

_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})""",
    re.IGNORECASE,
)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_HEAD_BYTES = 4_096
_WEB_NAMES = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "utf-16": "utf-8",
    "utf-16-le": "utf-8",
    "utf-16-be": "utf-8",
    "utf-7": "utf-8",
}
"""Encodings that browsers use in place of the declared one (Encoding, 4.2): a declaration in ASCII isn't UTF-16."""
_CHARACTER_SETS = re.compile(r"ascii|big5|cp\d|euc|gb|hp|hz|iso|johab|koi8|kz|mac|ptcp|shift|tis|utf")
"""Python has other codecs, such as `unicode_escape`, and `punycode`, which takes quadratic time."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MAX_ERRORS_SHARE = 200
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def decode_html(content: bytes, media_type: str) -> str:
    r"""Return a page's text, with `\n` as the line break and without control characters.

    Raises PermanentError for a binary file.
    """
    text = _decode(content, media_type)
    controls = len(_CONTROLS.findall(text[:_HEAD_BYTES]))
    if controls * 20 > min(len(text), _HEAD_BYTES):
        raise PermanentError("looks like a binary file, not HTML")
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " "))


def _decode(content: bytes, media_type: str) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    declared = _declared(content, media_type)
    is_seven_bit = declared is not None and declared.startswith(("iso2022", "hz"))  # bytes of ASCII only
    if not is_seven_bit and _is_utf8(content):
        return content.decode()
    text = content.decode(declared or "utf-8", errors="replace")
    if declared in (None, "utf-8") and text.count("\ufffd") * _MAX_ERRORS_SHARE > len(text):
        return content.decode("cp1252", errors="replace")
    return text


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _declared(content: bytes, media_type: str) -> str | None:
    """Return Python's name of the encoding that the server or the page declares; None if it is unknown."""
    found = _CHARSET.search(media_type)
    names = [found[1]] if found else []
    names += [(match[1] or match[2]).decode("ascii", "replace") for match in _DECLARED.finditer(content[:_HEAD_BYTES])]
    known = next(filter(None, map(python_encoding, names)), None)
    return known and _WEB_NAMES.get(known, known)


def python_encoding(name: str) -> str | None:
    """Return Python's name of a character encoding, None if there is none of this name."""
    try:
        python_name = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return python_name if _CHARACTER_SETS.match(python_name) else None
