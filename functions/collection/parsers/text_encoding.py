"""Decode text files and refuse other ones. Pure; for parsers of text formats."""

from headwater.errors import PermanentError

_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\b\x1b"})

_SIGNATURES = (
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
    (b"\x1f\x8b", "a gzip archive"),
)
"""What files of other formats begin with: https://en.wikipedia.org/wiki/List_of_file_signatures"""

_HEAD_BYTES = 8192
_MAX_REPLACED, _MAX_REPLACED_SHARE = 10, 5
"""Ten characters or a fifth of them may be unreadable: in a Western European encoding fewer are, in others most."""


def decode_text(content: bytes) -> tuple[str, list[str]]:
    r"""Decode by the byte order mark, else as UTF-8, with `\n` as the line break.

    Text that is ASCII but for single bytes is read as Windows-1252. Other bytes that cannot be decoded are replaced.
    Both are reported in the warnings. Raises PermanentError for a file that is not
    text, or hardly any of UTF-8.
    """
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            raise PermanentError(f"the file is {name}, not text")
    warnings: list[str] = []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
        _refuse_nul(text.find("\0"), "character")
        if (at := text.find("\ufffd")) >= 0:
            _refuse_unreadable(text.count("\ufffd"), len(text), "UTF-16")
            warnings.append(f"not valid UTF-16: replaced unreadable characters, first at character {at}")
    else:
        if (at := content.find(b"\0")) >= 0:
            _refuse_utf_16(content[:_HEAD_BYTES])
            _refuse_nul(at, "offset")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            _refuse_controls(content[:_HEAD_BYTES])
            text = content.decode("utf-8-sig", errors="replace")
            replaced = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
            _refuse_unreadable(replaced, len(text), "UTF-8")
            if replaced == text.count("\ufffd") and text.replace("\ufffd", "").isascii():
                text = content.decode("cp1252", errors="replace")
                warnings.append("not valid UTF-8: read as Windows-1252, as old programs write it")
                return _with_line_breaks(text), warnings
            line = content.count(b"\n", 0, error.start) + 1
            places = "1 place" if replaced == 1 else f"{replaced} places"
            warnings.append(f"not valid UTF-8: replaced {places}, first at byte {error.start} (line {line})")
    return _with_line_breaks(text), warnings


def _with_line_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _refuse_utf_16(head: bytes) -> None:
    """Refuse UTF-16 without a byte order mark: of mostly ASCII text, every other byte is NUL."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) * 4 > len(head) and min(even, odd) * 20 < max(even, odd):
        raise PermanentError("looks like UTF-16 without a byte order mark; save the file as UTF-8")


def _refuse_nul(at: int, unit: str) -> None:
    if at >= 0:
        raise PermanentError(f"looks like a binary file: NUL byte at {unit} {at}")


def _refuse_controls(head: bytes) -> None:
    """Refuse invalid UTF-8 with more than 5 % control characters; text in another encoding has hardly any."""
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls * 20 > len(head):
        raise PermanentError(f"looks like a binary file: {controls} control characters in its first {len(head)} bytes")


def _refuse_unreadable(replaced: int, characters: int, encoding: str) -> None:
    if replaced > _MAX_REPLACED and replaced * _MAX_REPLACED_SHARE > characters:
        raise PermanentError(
            f"the file is not valid {encoding}: {replaced:,} of {characters:,} characters are unreadable; "
            "save it as UTF-8"
        )
