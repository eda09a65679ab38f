"""Find the texts and the attached files of a message in its BODYSTRUCTURE (RFC 3501, 7.4.2). Pure."""

from collections.abc import Sequence
from email.utils import collapse_rfc2231_value, decode_params
from posixpath import splitext
from typing import Any, NamedTuple

from functions.collection.connectors.mail.messages import AttachedFile, TextPart, decode_header_text

MAX_PARTS = 200
"""Parts of a message that are read."""
MAX_NAME_CHARS = 120
_BY_TYPE = {
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "message/rfc822": ".eml",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
}
_MOSTLY_HTML = 20
"""A plain text that is so many times shorter than the HTML only says that there is HTML."""
_SHORT_BYTES = 400


class Parts(NamedTuple):
    """The texts and files of a message, or of a part of it."""

    texts: tuple[TextPart, ...] = ()
    files: tuple[AttachedFile, ...] = ()


def read_parts(body: Any) -> Parts:
    """Return the texts and files of a message. Of alternatives, the plain text is chosen."""
    return _Reader().read(body, "") if isinstance(body, tuple) else Parts()


class _Reader:
    def __init__(self) -> None:
        self._count = 0

    def read(self, body: Any, section: str) -> Parts:
        self._count += 1
        if self._count > MAX_PARTS or not isinstance(body, tuple) or not body:
            return Parts()
        if not isinstance(body[0], list):
            return _read_leaf(body, section or "1")
        prefix = f"{section}." if section else ""
        parts = [self.read(part, f"{prefix}{number}") for number, part in enumerate(body[0], 1)]
        files = tuple(file for part in parts for file in part.files)
        if _text(body, 1) == "alternative":
            return Parts(_choose([part.texts for part in parts if part.texts]), files)
        return Parts(tuple(text for part in parts for text in part.texts), files)


def _choose(alternatives: Sequence[tuple[TextPart, ...]]) -> tuple[TextPart, ...]:
    plain = next((texts for texts in alternatives if all(one.media_type == "text/plain" for one in texts)), ())
    rich = next((texts for texts in reversed(alternatives) if texts != plain), ())
    plain_bytes, rich_bytes = (sum(text.size for text in texts) for texts in (plain, rich))
    if rich and plain_bytes < _SHORT_BYTES and plain_bytes * _MOSTLY_HTML < rich_bytes:
        return rich
    return plain or rich


def _read_leaf(body: tuple[Any, ...], section: str) -> Parts:
    media_type = f"{_text(body, 0)}/{_text(body, 1)}"
    encoding, size = _text(body, 5), body[6] if len(body) > 6 and isinstance(body[6], int) else 0
    disposition, fields = _read_disposition(body, 9 if media_type.startswith("text/") else 8)
    if media_type == "message/rfc822":
        disposition, fields = _read_disposition(body, 11)
    parameters = _read_fields(body[2] if len(body) > 2 else None)
    name = file_name(fields.get("filename") or parameters.get("name") or "")
    if media_type in ("text/plain", "text/html") and disposition != "attachment" and not name:
        return Parts((TextPart(section, media_type, parameters.get("charset", "")[:60], encoding, size),))
    is_picture = media_type.startswith("image/") and disposition != "attachment"
    if media_type.startswith("multipart/") or is_picture or not (name or media_type in _BY_TYPE):
        return Parts()
    if not splitext(name)[1]:
        name = (name or "attachment") + _BY_TYPE.get(media_type, "")
    return Parts(files=(AttachedFile(section, name, media_type[:100], encoding, size),))


def _read_disposition(body: tuple[Any, ...], index: int) -> tuple[str, dict[str, str]]:
    found = body[index] if len(body) > index else None
    if not isinstance(found, tuple) or not found:
        return "", {}
    return _text(found, 0), _read_fields(found[1] if len(found) > 1 else None)


def _read_fields(fields: Any) -> dict[str, str]:
    """Read parameters, also those that are split or have a charset (RFC 2231)."""
    if not isinstance(fields, tuple):
        return {}
    texts = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in fields]
    pairs = list(zip(texts[::2], texts[1::2], strict=False))[:50]
    try:
        decoded = decode_params([("", ""), *pairs])[1:]
    except (ValueError, TypeError, IndexError, KeyError):
        decoded = pairs  # type: ignore[assignment]
    values: dict[str, str] = {}
    for name, value in decoded:
        try:
            values[name.lower()] = collapse_rfc2231_value(value).strip('"')
        except (ValueError, TypeError, LookupError):
            continue
    return values


def file_name(name: str) -> str:
    """Return the name of a file without folders and what can't be shown.

    >>> file_name("C:\\\\plans/=?utf-8?q?Gr=C3=B6=C3=9Fe?=.pdf")
    'Größe.pdf'
    """
    name = decode_header_text(name).replace("\\", "/").rpartition("/")[2]
    name = "".join(one for one in name if one.isprintable() and one not in "?#<>|").strip(". ")
    stem, extension = splitext(name)
    return f"{stem[: MAX_NAME_CHARS - len(extension)]}{extension}" if len(extension) < 12 else name[:MAX_NAME_CHARS]


def _text(values: Sequence[Any], index: int) -> str:
    value = values[index] if len(values) > index else None
    return value.decode(errors="replace").lower() if isinstance(value, bytes) else ""
