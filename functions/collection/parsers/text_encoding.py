"""Decode text files and refuse binary ones. Pure; for parsers of text formats."""

from headwater.errors import PermanentError

_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\b\x1b"})


def decode_text(content: bytes) -> tuple[str, list[str]]:
    r"""Decode by the byte order mark, else as UTF-8, with `\n` as the line break.

    Bytes that cannot be decoded are replaced and reported in the warnings. Raises PermanentError for a binary file.
    """
    warnings: list[str] = []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
        _refuse_nul(text.find("\0"), "character")
        if (at := text.find("\ufffd")) >= 0:
            warnings.append(f"not valid UTF-16: replaced unreadable characters, first at character {at}")
    else:
        _refuse_nul(content.find(b"\0"), "offset")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            _refuse_controls(content)
            text = content.decode("utf-8-sig", errors="replace")
            replaced = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
            line = content.count(b"\n", 0, error.start) + 1
            places = "1 place" if replaced == 1 else f"{replaced} places"
            warnings.append(f"not valid UTF-8: replaced {places}, first at byte {error.start} (line {line})")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, warnings


def _refuse_nul(at: int, unit: str) -> None:
    if at >= 0:
        raise PermanentError(f"looks like a binary file: NUL byte at {unit} {at}")


def _refuse_controls(content: bytes) -> None:
    """Refuse invalid UTF-8 with more than 5 % control characters; text in another encoding has hardly any."""
    head = content[:8192]
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls * 20 > len(head):
        raise PermanentError(f"looks like a binary file: {controls} control characters in its first {len(head)} bytes")
